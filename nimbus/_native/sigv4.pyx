"""Python's hold on sigv4.h: a claim that keeps the request alive, and the signing functions.

Every call runs under the GIL and takes about a microsecond, so one scratch serves all of them.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeLatin1

cdef nb_sigv4_scratch SCRATCH


cdef inline nb_span span(bytes text):
    return nb_span(PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text))


cdef inline str latin(nb_span text):
    return PyUnicode_DecodeLatin1(text.ptr, <Py_ssize_t>text.len, NULL) if text.len else ""


cdef inline bytes copy(nb_span text):
    return PyBytes_FromStringAndSize(text.ptr, <Py_ssize_t>text.len)


cdef tuple names(const char *const *table, size_t count):
    return tuple([table[i].decode("ascii") for i in range(count)])


FORMS = names(nb_sigv4_form_names, NB_SIGV4_FORM_COUNT)
PAYLOADS = names(nb_sigv4_payload_names, NB_SIGV4_PAYLOAD_COUNT)
STATUSES = names(nb_sigv4_status_names, NB_SIGV4_STATUS_COUNT)


cdef class Claim:
    cdef nb_sigv4_request request
    cdef nb_sigv4_claim claim
    cdef nb_header headers[NB_SIGV4_HEADERS_MAX]
    cdef tuple kept  # every object that a span points into
    cdef bytes kept_timestamp
    cdef readonly int status

    def __init__(self, str method not None, bytes path not None, bytes query not None, list headers not None):
        cdef Py_ssize_t size, count = 0
        cdef tuple kept = tuple(headers), header
        self.kept = (method, path, query, kept)
        if len(kept) > NB_SIGV4_HEADERS_MAX:
            self.status = NB_SIGV4_HEAD_TOO_LARGE
            return
        self.request.method.ptr = PyUnicode_AsUTF8AndSize(method, &size)
        self.request.method.len = <size_t>size
        self.request.path = span(path)
        self.request.query = span(query)
        for header in kept:
            self.headers[count].name = span(<bytes?>header[0])
            self.headers[count].value = span(<bytes?>header[1])
            count += 1
        self.request.headers = self.headers
        self.request.header_count = <size_t>count
        self.status = nb_sigv4_read(&self.request, &self.claim)

    def set_timestamp(self, bytes timestamp not None):
        self.kept_timestamp = timestamp
        return nb_sigv4_set_timestamp(&self.claim, span(timestamp))

    def check(self, bytes region not None, int64_t now_s):
        cdef int status = nb_sigv4_check_scope(&self.claim, span(region))
        return status if status else nb_sigv4_check_time(&self.claim, now_s)

    def check_signature(self, bytes key not None):
        if len(key) != NB_SIGV4_KEY_SIZE:
            raise ValueError("a signing key has 32 bytes")
        return nb_sigv4_check_signature(&self.request, &self.claim, <const uint8_t *>PyBytes_AS_STRING(key), &SCRATCH)

    def canonical_request(self):
        cdef nb_span canonical
        if nb_sigv4_canonical_request(&self.request, &self.claim, &SCRATCH, &canonical):
            return b""
        return copy(canonical)

    def string_to_sign(self):
        cdef char text[NB_SIGV4_STRING_SIZE_MAX]
        cdef bytes canonical = self.canonical_request()
        return PyBytes_FromStringAndSize(text, <Py_ssize_t>nb_sigv4_string_to_sign(&self.claim, span(canonical), text))

    @property
    def form(self):
        return <int>self.claim.form

    @property
    def payload(self):
        return <int>self.claim.payload

    @property
    def payload_hash(self):
        return latin(self.claim.payload_hash)

    @property
    def has_token(self):
        return bool(self.claim.has_token)

    @property
    def access_key(self):
        return latin(self.claim.access_key)

    @property
    def scope(self):
        return latin(self.claim.scope)

    @property
    def scope_date(self):
        return latin(self.claim.scope_date)

    @property
    def region(self):
        return latin(self.claim.region)

    @property
    def service(self):
        return latin(self.claim.service)

    @property
    def terminal(self):
        return latin(self.claim.terminal)

    @property
    def signature(self):
        return latin(self.claim.signature)

    @property
    def timestamp(self):
        return latin(self.claim.timestamp)

    @property
    def timestamp_s(self):
        return self.claim.timestamp_s

    @property
    def expires_s(self):
        return self.claim.expires_s

    @property
    def unsigned_headers(self):
        signed = frozenset(latin(self.claim.signed_headers).split(";"))
        names = dict.fromkeys([name.decode("latin-1") for name, _ in self.kept[3]])
        return [
            name for name in names
            if name.startswith("x-amz-") and name not in signed and name != "x-amz-content-sha256"
        ]


def derive_signing_key(str secret not None, str date not None, str region not None, str service not None="s3"):
    cdef uint8_t key[NB_SIGV4_KEY_SIZE]
    cdef bytes raw_secret = secret.encode(), raw_date = date.encode()
    cdef bytes raw_region = region.encode(), raw_service = service.encode()
    if not nb_sigv4_derive_key(span(raw_secret), span(raw_date), span(raw_region), span(raw_service), key):
        raise ValueError("the secret is too long")
    return PyBytes_FromStringAndSize(<const char *>key, NB_SIGV4_KEY_SIZE)


def sign(bytes key not None, bytes text not None):
    cdef char signature[NB_SIGV4_SIGNATURE_SIZE]
    if len(key) != NB_SIGV4_KEY_SIZE:
        raise ValueError("a signing key has 32 bytes")
    nb_sigv4_sign(<const uint8_t *>PyBytes_AS_STRING(key), span(text), signature)
    return PyUnicode_DecodeLatin1(signature, NB_SIGV4_SIGNATURE_SIZE, NULL)


def parse_timestamp(bytes text not None):
    return nb_sigv4_parse_timestamp(span(text))
