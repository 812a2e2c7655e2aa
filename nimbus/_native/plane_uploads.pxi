# Uploads as Python sees them; included by plane.pyx. See plane.pyi for what each name promises.

from binascii import b2a_base64

AWS_FORMS = ("signed", "signed-trailer", "unsigned-trailer")
AWS_FAULTS = ("", "incomplete", "chunk-too-small", "chunk-too-large", "trailer-malformed", "mismatch")
UPLOAD_WANTS = ("admission", "commit", "refusal", "discard")
UPLOAD_FAULTS = (
    "", "cut", "framing", "sha256", "md5", "trailer", "checksum", "too-slow", "disk", "too-large", "internal", "busy",
)


class AwsChunkedFault(ValueError):
    """See plane.pyi."""

    def __init__(self, fault, string_to_sign, provided):
        super().__init__(fault)
        self.fault = fault
        self.string_to_sign = string_to_sign
        self.provided = provided


def decode_aws_chunked(str form not None, list pieces not None, uint64_t decoded_length, seed, list declared not None):
    cdef nb_span names[8]
    cdef nb_aws_seed native
    cdef nb_span rest
    cdef nb_span payload
    cdef nb_aws_verdict verdict = NB_AWS_MORE
    cdef nb_aws_chunked *decoder = <nb_aws_chunked *>malloc(sizeof(nb_aws_chunked))
    if decoder == NULL:
        raise MemoryError
    if seed is not None:
        key, timestamp, scope, signature = seed
        native.key = <const uint8_t *><const char *>key
        native.timestamp, native.scope, native.signature = span_of(timestamp), span_of(scope), span_of(signature)
    for index, name in enumerate(declared):
        names[<size_t>index] = span_of(name)
    out = bytearray()
    if not nb_aws_chunked_init(
        decoder, <nb_aws_form><int>AWS_FORMS.index(form), decoded_length, &native, names, <size_t>len(declared)
    ):
        free(decoder)
        raise MemoryError
    try:
        for piece in pieces:
            # A copy of its own size, so that a sanitizer sees every byte read behind it.
            copied = bytearray(piece)
            rest = span_of(copied)
            while rest.len:
                verdict = nb_aws_chunked_next(decoder, &rest, &payload)
                if verdict == NB_AWS_DATA:
                    out += bytes_of(payload)
                elif verdict == NB_AWS_BAD:
                    raise AwsChunkedFault(
                        AWS_FAULTS[<int>decoder.fault],
                        decoder.string_to_sign[: decoder.string_size],
                        decoder.provided[: decoder.provided_size],
                    )
        rest = span_of(b"")
        if nb_aws_chunked_next(decoder, &rest, &payload) != NB_AWS_DONE:
            raise AwsChunkedFault("incomplete", b"", b"")
        lines = decoder.trailers[: decoder.trailers_size].decode().splitlines()
        return bytes(out), dict([line.split(":", 1) for line in lines])
    finally:
        nb_aws_chunked_free(decoder)
        free(decoder)


def decode_base64(bytes text not None, size_t size):
    cdef uint8_t out[NB_DIGEST_SIZE_BYTES_MAX]
    assert size <= NB_DIGEST_SIZE_BYTES_MAX
    return out[:size] if nb_decode_base64(span_of(text), size, out) else None


cdef class Upload:
    """See plane.pyi."""

    cdef nb_upload *upload  # NULL once it was answered
    cdef Plane plane
    cdef readonly int want

    def __dealloc__(self):
        self.forget()

    cdef nb_upload *take(self) except NULL:
        cdef nb_upload *upload = self.upload
        assert upload != NULL, "answered twice"
        self.upload = NULL
        return upload

    def admit(self, int fd, algorithm):
        cdef nb_upload *upload = self.upload
        cdef int kind = upload.algorithm if algorithm is None else digest_kind(algorithm)
        nb_intake_learn(
            self.plane.plane.intake, nb_span(upload.target.name, upload.target.bucket_len), upload.user.user_id
        )
        nb_upload_admit(self.take(), fd, kind)

    def decline(self):
        nb_upload_decline(self.take())

    def refuse(self, int status, bytes answer not None):
        nb_upload_refuse(self.take(), status, span_of(answer))

    cpdef forget(self):
        """Let go of an upload that nobody answers."""
        cdef nb_upload *upload = self.upload
        self.upload = NULL
        if upload == NULL:
            return
        if upload.want == NB_WANT_ADMISSION:
            nb_upload_decline(upload)
        elif upload.want == NB_WANT_DISCARD or upload.is_held:
            nb_upload_free(upload)
        else:
            nb_upload_refuse(upload, 503, span_of(b"content-length: 0\r\nretry-after: 1\r\n\r\n"))

    @property
    def ticket(self):
        return self.upload.ticket

    @property
    def received_bytes(self):
        return self.upload.received_bytes

    @property
    def has_ended(self):
        return bool(self.upload.has_ended)

    @property
    def bucket(self):
        return self.upload.target.name[: self.upload.target.bucket_len].decode("ascii")

    @property
    def key(self):
        cdef nb_target *target = &self.upload.target
        return (target.name + target.bucket_len + 1)[: target.key_len].decode("utf-8")

    @property
    def user_id(self):
        return bytes_of(self.upload.user.user_id).decode("utf-8")

    @property
    def access_key(self):
        return bytes_of(self.upload.user.access_key).decode("utf-8")

    @property
    def request_id(self):
        return self.upload.request_id.decode("ascii")

    @property
    def path(self):
        return bytes_of(self.upload.path)

    @property
    def headers(self):
        return headers_of(self.upload.kept, self.upload.kept_count)

    @property
    def upload_id(self):
        return self.upload.upload_id.decode("ascii")

    @property
    def size(self):
        return self.upload.size

    @property
    def is_small(self):
        return bool(nb_upload_is_small(self.upload))

    @property
    def payload(self):
        return self.upload.block[: self.upload.filled] if self.upload.filled else b""

    @property
    def fd(self):
        return self.upload.fd

    @property
    def table_hash(self):
        return self.upload.table_hash

    @property
    def etag(self):
        return self.upload.results[<int>NB_MD5][:16].hex()

    @property
    def md5_declared(self):
        return self.upload.md5[:16]

    @property
    def sha256_declared(self):
        return self.upload.sha256[:32]

    @property
    def sha256(self):
        return self.upload.results[<int>NB_SHA256][:32]

    @property
    def given(self):
        return nb_digest_name(<nb_digest_kind>self.upload.given).decode("ascii") if self.upload.given >= 0 else None

    @property
    def checksums(self):
        return checksums_of(self.upload)

    @property
    def facts(self):
        cdef nb_upload *upload = self.upload
        cdef nb_target *target = &upload.target
        return (
            target.name[: target.bucket_len].decode("ascii"),
            (target.name + target.bucket_len + 1)[: target.key_len].decode("utf-8"),
            upload.user.user_id.ptr[: upload.user.user_id.len].decode("utf-8"),
            headers_of(upload.kept, upload.kept_count),
            upload.part_number,
            upload.size,
            upload.results[<int>NB_MD5][:16].hex(),
            checksums_of(upload),
        )

    @property
    def is_trailer(self):
        return bool(self.upload.is_trailer)

    @property
    def fault(self):
        return UPLOAD_FAULTS[<int>self.upload.fault]

    @property
    def error_number(self):
        return self.upload.error_number

    @property
    def framing_fault(self):
        cdef nb_aws_chunked *framing = self.upload.framing
        return AwsChunkedFault(
            AWS_FAULTS[<int>framing.fault],
            framing.string_to_sign[: framing.string_size],
            framing.provided[: framing.provided_size],
        )


cdef dict checksums_of(const nb_upload *upload):
    checksums = {}
    for kind in (upload.given, upload.algorithm):
        if kind >= 0:
            raw = upload.results[<int>kind][: nb_digest_size(<nb_digest_kind><int>kind)]
            name = nb_digest_name(<nb_digest_kind><int>kind).decode("ascii")
            checksums[name] = b2a_base64(raw, newline=False).decode("ascii")
    return checksums


def succeed_uploads(list uploads not None, int64_t window_us):
    cdef size_t count = len(uploads)
    cdef nb_upload **taken = <nb_upload **>malloc(max(count, <size_t>1) * sizeof(nb_upload *))
    if taken == NULL:
        raise MemoryError
    for index in range(count):
        taken[index] = (<Upload?>uploads[index]).take()
    with nogil:
        nb_upload_succeed_all(taken, count, window_us)
    free(taken)


def take_uploads(Plane plane not None, size_t count_max, int64_t timeout_ms):
    cdef nb_item *item
    cdef nb_item *following
    cdef Upload upload
    with nogil:
        item = nb_upload_take(plane.plane, count_max, timeout_ms)
    if item == NULL:
        return None if plane.plane.intake.questions.is_closed else []
    taken = []
    while item != NULL:
        following = item.next
        upload = Upload.__new__(Upload)
        upload.upload = <nb_upload *>item
        upload.plane = plane
        upload.want = <int>upload.upload.want
        taken.append(upload)
        item = following
    return taken


cdef int digest_kind(name) except -2:
    if name is None:
        return -1
    encoded = name.encode()
    cdef int kind = nb_digest_kind_of(span_of(encoded))
    assert kind >= 0, f"unknown algorithm {name}"
    return kind


cdef copy_digest(bytes digest, size_t size, uint8_t *out):
    """Into `out`; whether there is one."""
    if digest is None:
        return False
    assert <size_t>len(digest) == size, "a digest of another size"
    memcpy(out, <const char *>digest, size)
    return True


cdef nb_aws_chunked *new_framing(str form, uint64_t size, secrets, list trailers) except NULL:
    cdef nb_span names[8]
    cdef nb_aws_seed seed
    memset(&seed, 0, sizeof(seed))
    if secrets is not None:
        key, timestamp, scope, signature = secrets
        assert len(key) == 32, "no signing key"
        seed.key = <const uint8_t *><const char *>key
        seed.timestamp, seed.scope, seed.signature = span_of(timestamp), span_of(scope), span_of(signature)
    assert len(trailers) <= 8, "too many trailers"
    for index, name in enumerate(trailers):
        names[<size_t>index] = span_of(name)
    cdef nb_aws_chunked *decoder = <nb_aws_chunked *>malloc(sizeof(nb_aws_chunked))
    if decoder == NULL:
        raise MemoryError
    if nb_aws_chunked_init(
        decoder, <nb_aws_form><int>AWS_FORMS.index(form), size, &seed, names, <size_t>len(trailers)
    ):
        return decoder
    nb_aws_chunked_free(decoder)
    free(decoder)
    raise MemoryError


def take_body(
    Plane plane not None, uint64_t ticket, *, int fd, size, uint64_t size_max, bytes sha256, bytes md5, given,
    bytes checksum, algorithm, str form, seed, list trailers not None,
):
    cdef nb_upload *upload = nb_held_upload_new(plane.plane, ticket)
    if upload == NULL:
        raise MemoryError
    try:
        upload.fd = fd
        upload.has_size = size is not None
        if size is not None:
            upload.size = size
        upload.size_max = size_max
        upload.given, upload.algorithm = digest_kind(given), digest_kind(algorithm)
        upload.has_sha256 = copy_digest(sha256, 32, upload.sha256)
        upload.has_md5 = copy_digest(md5, 16, upload.md5)
        if upload.given >= 0:
            upload.is_trailer = not copy_digest(
                checksum, nb_digest_size(<nb_digest_kind>upload.given), upload.checksum
            )
        if form is not None:
            upload.framing = new_framing(form, upload.size, seed, trailers)
    except BaseException:
        nb_upload_free(upload)
        raise
    nb_held_take(upload)


def ask_first(Plane plane not None, bint asks_first):
    """See plane.pyi."""
    nb_intake_ask_first(plane.plane.intake, asks_first)
