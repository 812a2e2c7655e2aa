# cython: language_level=3
"""The native data plane: the thin binding of the C files in `plane/`. See plane.pyi for what each name promises."""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset


cdef nb_span span_of(const unsigned char[::1] data) noexcept:
    if data.shape[0] == 0:
        return nb_span(b"", 0)
    return nb_span(<const char *>&data[0], <size_t>data.shape[0])


cdef bytes bytes_of(nb_span span):
    return span.ptr[: span.len]


cdef list headers_of(nb_header *headers, size_t count):
    return [(bytes_of(headers[i].name), bytes_of(headers[i].value)) for i in range(count)]


# --- the leaves, for tests and for whoever needs one by itself ------------------------------------------


def parse_request(bytes data not None):
    cdef bytearray buffer = bytearray(data)  # the parser lowers header names in place
    cdef size_t scanned = 0
    cdef nb_request request
    cdef Py_ssize_t size = nb_http_request(<char *>buffer, len(buffer), &scanned, &request)
    if size == 0:
        return None
    if size < 0:
        raise ValueError(nb_http_error_name(size).decode())
    return ParsedRequest(
        size,
        bytes_of(request.method),
        bytes_of(request.path),
        bytes_of(request.query) if request.has_query else None,
        headers_of(request.headers, request.headers_count),
        request.content_length if request.content_length >= 0 else None,
        bool(request.chunked),
        bool(request.keep_alive),
        bool(request.expects_continue),
    )


def parse_request_in_steps(list pieces not None):
    cdef bytearray buffer = bytearray(sum([len(piece) for piece in pieces]))
    cdef size_t scanned = 0
    cdef size_t size = 0
    cdef Py_ssize_t answer = 0
    cdef nb_request request
    for piece in pieces:
        buffer[size : size + len(piece)] = piece
        size += len(piece)
        answer = nb_http_request(<char *>buffer, size, &scanned, &request)
        if answer:
            break
    return answer if answer >= 0 else nb_http_error_name(answer).decode()


def parse_response(bytes data not None):
    cdef bytearray buffer = bytearray(data)
    cdef size_t scanned = 0
    cdef nb_response response
    cdef Py_ssize_t size = nb_http_response(<char *>buffer, len(buffer), &scanned, &response)
    if size == 0:
        return None
    if size < 0:
        raise ValueError(nb_http_error_name(size).decode())
    length = response.content_length if response.content_length >= 0 else None
    return size, response.status, headers_of(response.headers, response.headers_count), length, bool(response.chunked)


def parse_range(bytes value not None, unsigned long long size):
    cdef uint64_t start = 0
    cdef uint64_t end = 0
    cdef nb_range_verdict verdict = nb_range_parse(span_of(value), size, &start, &end)
    if verdict == NB_RANGE_IGNORED:
        return None
    if verdict == NB_RANGE_UNSATISFIABLE:
        raise ValueError("unsatisfiable")
    return start, end


def decode_chunked(list pieces not None):
    cdef nb_chunked decoder
    cdef nb_span rest
    cdef nb_span payload
    cdef nb_chunked_verdict verdict = NB_CHUNKED_MORE
    out = bytearray()
    nb_chunked_init(&decoder)
    for index, piece in enumerate(pieces):
        rest = span_of(piece)
        while True:
            verdict = nb_chunked_next(&decoder, &rest, &payload)
            if verdict == NB_CHUNKED_DATA:
                out += bytes_of(payload)
                continue
            break
        if verdict == NB_CHUNKED_BAD:
            raise ValueError("bad chunk framing")
        if verdict == NB_CHUNKED_DONE:
            return bytes(out), bytes_of(rest) + b"".join(pieces[index + 1 :])
    return None


def parse_target(bytes path not None, bytes host not None, domains=()):
    cdef nb_domains native
    cdef nb_target target
    take_domains(domains, &native)
    if nb_target_parse(span_of(path), span_of(host), &native, &target) != NB_TARGET_OBJECT:
        return None
    return target.name[: target.bucket_len], (target.name + target.bucket_len + 1)[: target.key_len]


def is_plain_query(bytes query not None, bytes operation not None):
    return bool(nb_query_is_plain(span_of(query), operation))


def read_query(bytes query not None, bytes operation not None):
    cdef nb_read_query native
    cdef char decoded[16384]
    if <size_t>len(query) > sizeof(decoded):
        raise ValueError("no head has so long a query")
    if not nb_query_read(span_of(query), operation, &native):
        return None
    overrides = {}
    for which in range(NB_OVERRIDES):
        if native.overrides[<int>which].len:
            size = nb_query_decode(native.overrides[<int>which], decoded)
            overrides[nb_override_header(<nb_override><int>which)] = decoded[:<size_t>size]
    return native.part_number or None, bool(native.wants_checksums), overrides


def check_conditions(list headers not None, bytes etag not None, long long modified_s, long long now_s):
    cdef nb_header native[64]
    cdef nb_validators validators
    assert len(headers) <= 64
    for index, (name, value) in enumerate(headers):
        native[<size_t>index].name = span_of(name)
        native[<size_t>index].value = span_of(value)
    validators.etag = span_of(etag)
    validators.modified_http = nb_span(b"", 0)
    validators.modified_s = modified_s
    cdef nb_condition_verdict verdict = nb_conditions_check(native, <size_t>len(headers), &validators, now_s)
    return ("pass", "unmodified", "other")[<int>verdict]


def parse_http_date(bytes text not None):
    cdef int64_t seconds = nb_parse_http_date(span_of(text))
    return seconds if seconds >= 0 else None


def md5_isa_best():
    return ("scalar", "avx2", "avx512")[<int>nb_md5_isa_best()]


def md5_many(list streams not None, str isa not None):
    """See plane.pyi."""
    cdef nb_md5_isa chosen = <nb_md5_isa><int>("scalar", "avx2", "avx512").index(isa)
    cdef size_t count = len(streams)
    cdef size_t jobs_count
    cdef Py_ssize_t round_index
    cdef uint8_t digest[16]
    if chosen > nb_md5_isa_best():
        raise ValueError(f"this machine has no {isa}")
    cdef nb_md5 *states = <nb_md5 *>malloc(max(count, <size_t>1) * sizeof(nb_md5))
    cdef nb_md5_job *jobs = <nb_md5_job *>malloc(max(count, <size_t>1) * sizeof(nb_md5_job))
    try:
        if states == NULL or jobs == NULL:
            raise MemoryError
        for index in range(count):
            nb_md5_init(&states[index])
        for round_index in range(max([len(pieces) for pieces in streams], default=0)):
            jobs_count = 0
            for index in range(count):
                if round_index < len(streams[index]):
                    jobs[jobs_count].stream = &states[index]
                    jobs[jobs_count].data = span_of(streams[index][round_index])
                    jobs_count += 1
            with nogil:
                nb_md5_update_many(jobs, jobs_count, chosen)
        digests = []
        for index in range(count):
            nb_md5_final(&states[index], digest)
            digests.append(digest[:16])
        return digests
    finally:
        free(states)
        free(jobs)


def crc64nvme_portable(const unsigned char[::1] data not None):
    return nb_crc64nvme_portable(0, span_of(data))


cdef class Digests:
    """See plane.pyi."""

    cdef nb_digests state
    cdef bint open

    def __cinit__(self, names):
        cdef uint32_t wanted = 0
        for name in names:
            encoded = name.encode()
            kind = nb_digest_kind_of(span_of(encoded))
            if kind < 0:
                raise ValueError(f"unknown digest {name}")
            wanted |= <uint32_t>1 << <int>kind
        if not nb_digests_init(&self.state, wanted):
            raise MemoryError
        self.open = True

    def __dealloc__(self):
        if self.open:
            nb_digests_free(&self.state)

    def update(self, const unsigned char[::1] data not None):
        cdef nb_span span = span_of(data)
        cdef bint fine
        with nogil:
            nb_digests_update_md5(&self.state, span)
            fine = nb_digests_update(&self.state, span)
        assert fine, "the digest library failed"

    def final(self):
        cdef uint8_t out[NB_DIGEST_SIZE_BYTES_MAX]
        cdef size_t size
        digests = {}
        for kind in range(NB_DIGEST_KINDS):
            size = nb_digests_final(&self.state, <nb_digest_kind><int>kind, out)
            if size:
                digests[nb_digest_name(<nb_digest_kind><int>kind).decode()] = out[:size]
        return digests


class ParsedRequest:
    """See plane.pyi."""

    __slots__ = (
        "body_at", "chunked", "content_length", "expects_continue", "headers", "keep_alive", "method", "path", "query",
    )

    def __init__(self, body_at, method, path, query, headers, content_length, chunked, keep_alive, expects_continue):
        self.body_at = body_at
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.content_length = content_length
        self.chunked = chunked
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue


include "plane_log.pxi"


def trim_heap():
    with nogil:
        nb_trim_heap()


# --- the listener ---------------------------------------------------------------------------------------

OPERATIONS = ("relayed", "get", "head", "put", "part", "refused")
cdef tuple PLAIN_COUNTERS = (
    "received_bytes", "sent_bytes", "accepted", "evicted", "refused", "timed_out", "malformed", "accept_failures",
    "upstream_failures", "connections", "in_flight", "relayed_bytes", "relayed_body_bytes", "unreadable",
    "read_bytes",
)


cdef take_domains(domains, nb_domains *out):
    names = [domain.encode() for domain in domains]
    if len(names) > NB_DOMAINS_MAX or any([len(name) > NB_DOMAIN_SIZE_BYTES_MAX for name in names]):
        raise ValueError("too many domains, or one of them is too long")
    out.count = <size_t>len(names)
    for index, name in enumerate(names):
        memcpy(out.names[<size_t>index], <const char *>name, <size_t>len(name) + 1)


cdef class Plane:
    """See plane.pyi."""

    cdef nb_plane *plane
    cdef AccessLog log  # so that it outlives the threads
    cdef bint running

    def __cinit__(self, settings, AccessLog log=None):
        cdef nb_settings native
        cdef const char *error = NULL
        memset(&native, 0, sizeof(native))
        path = settings.upstream_path.encode()
        token = settings.token.encode()
        assert 0 < settings.threads <= NB_WORKERS_MAX, f"{settings.threads} threads"
        assert len(token) == NB_TOKEN_SIZE_BYTES, "the token has another size"
        if len(path) > NB_UPSTREAM_PATH_SIZE_BYTES_MAX:
            raise ValueError(f"{settings.upstream_path} is too long for a unix socket")
        native.listener = settings.listener
        memcpy(native.upstream_path, <const char *>path, <size_t>len(path) + 1)
        memcpy(native.token, <const char *>token, <size_t>len(token) + 1)
        native.threads = settings.threads
        native.connections_max = settings.connections_max
        native.requests_max = settings.requests_max
        native.header_timeout_ms = settings.header_timeout_ms
        native.body_rate_bytes_per_s = settings.body_rate_bytes_per_s
        native.body_grace_ms = settings.body_grace_ms
        native.upload_memory_bytes_max = settings.upload_memory_bytes_max
        native.serves_objects = settings.serves_objects
        native.takes_uploads = settings.takes_uploads
        native.disk_threads = settings.disk_threads
        native.cache_size_bytes = settings.cache_size_bytes
        native.cache_files_max = settings.cache_files_max
        common = settings.common_headers
        assert settings.disk_threads <= NB_DISK_THREADS_MAX, f"{settings.disk_threads} disk threads"
        assert len(common) <= NB_COMMON_HEADERS_SIZE_BYTES_MAX, "the common headers are too long"
        memcpy(native.common_headers, <const char *>common, <size_t>len(common) + 1)
        take_domains(settings.domains, &native.domains)
        if log is not None:
            assert log.rings >= NB_LOG_FIRST_WORKER + settings.threads, f"a log of {log.rings} rings"
            native.log = log.opened()
        self.log = log
        self.plane = nb_plane_new(&native, &error)
        if self.plane == NULL:
            raise OSError(error.decode())

    def __dealloc__(self):
        if self.plane != NULL:
            self.stop()
            nb_plane_free(self.plane)

    def start(self):
        cdef const char *error = NULL
        assert not self.running, "started twice"
        if not nb_plane_start(self.plane, &error):
            raise OSError(error.decode())
        self.running = True
        if self.log is not None:
            self.log.lend()

    def drain(self):
        nb_plane_drain(self.plane)

    cpdef stop(self):
        if self.running:
            self.running = False
            with nogil:
                nb_plane_stop(self.plane)
            if self.log is not None:
                self.log.give_back()

    def set_keys(self, keys, str region not None):
        rows = [(key.access_key.encode(), key.secret.encode(), key.user_id.encode()) for key in keys]
        region_text = region.encode()
        cdef size_t count = len(rows)
        cdef nb_key *native = <nb_key *>malloc(max(count, <size_t>1) * sizeof(nb_key))
        cdef nb_keyring *ring
        if native == NULL:
            raise MemoryError
        try:
            for index in range(count):
                native[index].access_key = span_of(rows[index][0])
                native[index].secret = span_of(rows[index][1])
                native[index].user_id = span_of(rows[index][2])
            ring = nb_keyring_new(native, count, span_of(region_text))
        finally:
            free(native)
        if ring == NULL:
            raise MemoryError
        nb_plane_set_ring(self.plane, ring)

    def take_lookups(self, size_t count_max, int64_t timeout_ms):
        cdef nb_item *item
        cdef nb_item *following
        with nogil:
            item = nb_queue_take(&self.plane.lookups, count_max, timeout_ms)
        if item == NULL:
            return None if self.plane.lookups.is_closed else []
        taken = []
        while item != NULL:
            following = item.next
            taken.append(lookup_of(self, <nb_lookup *>item))
            item = following
        return taken

    def begin_change(self, bytes bucket not None, bytes key not None):
        name = bucket + b"\0" + key
        nb_cache_begin(&self.plane.cache, span_of(name))

    def end_change(self, bytes bucket not None, bytes key not None):
        name = bucket + b"\0" + key
        nb_cache_end(&self.plane.cache, span_of(name))

    def begin_bucket_change(self, bytes bucket not None):
        nb_cache_begin_bucket(&self.plane.cache, span_of(bucket))

    def end_bucket_change(self, bytes bucket not None):
        nb_cache_end_bucket(&self.plane.cache, span_of(bucket))

    def suspect(self, str path not None):
        encoded = path.encode()
        nb_files_suspect(&self.plane.cache.files, encoded)

    def trim(self):
        with nogil:
            nb_plane_trim(self.plane)

    def clear_cache(self):
        with nogil:
            nb_cache_clear(&self.plane.cache)

    def counters(self):
        cdef nb_counters c
        nb_plane_counters(self.plane, &c)
        answer = dict(zip(PLAIN_COUNTERS, (
            c.received_bytes, c.sent_bytes, c.accepted, c.evicted, c.refused, c.timed_out, c.malformed,
            c.accept_failures, c.upstream_failures, c.connections, c.in_flight, c.relayed_bytes,
            c.relayed_body_bytes, c.unreadable, c.read_bytes,
        )))
        for index, name in enumerate(OPERATIONS):
            statuses = [c.requests[<int>index][<int>i] for i in range(600)]
            answer[f"requests_{name}"] = {status: count for status, count in enumerate(statuses) if count}
            answer[f"latency_{name}"] = [c.latency[<int>index][<int>i] for i in range(24)]
            answer[f"latency_sum_us_{name}"] = c.latency_sum_us[<int>index]
            answer[f"body_bytes_{name}"] = c.body_bytes[<int>index]
            answer[f"answer_bytes_{name}"] = c.answer_bytes[<int>index]
        return answer


include "plane_lookups.pxi"
include "plane_sends.pxi"
include "plane_uploads.pxi"
