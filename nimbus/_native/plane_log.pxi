# The access log, and the level of notices to the operator, as Python sees them; included by plane.pyx. See plane.pyi
# for what each name promises.

from libc.errno cimport errno
from libc.string cimport strerror


def set_notice_level(int level):
    nb_notice_set_level(level)


def log_subject(
    bytes user not None,
    bytes access_key not None,
    bytes operation not None,
    bytes error not None,
    bytes bucket not None,
):
    cdef char out[NB_LOG_SUBJECT_SIZE_BYTES_MAX]
    cdef nb_log_subject subject
    subject.user, subject.access_key = span_of(user), span_of(access_key)
    subject.operation, subject.error, subject.bucket = span_of(operation), span_of(error), span_of(bucket)
    return out[: nb_log_write_subject(&subject, out)]


def log_request(
    bytes key not None, bytes method not None, bytes target not None, bytes user_agent not None, bytes referer not None
):
    cdef char out[NB_LOG_REQUEST_SIZE_BYTES_MAX]
    cdef nb_log_request request
    request.key, request.method, request.target = span_of(key), span_of(method), span_of(target)
    request.user_agent, request.referer = span_of(user_agent), span_of(referer)
    return out[: nb_log_write_request(&request, out)]


cdef class AccessLog:
    """See plane.pyi."""

    cdef nb_log *log  # NULL once it is closed
    cdef readonly unsigned int rings
    cdef int planes  # whose threads put lines in
    cdef bint is_closing

    def __cinit__(self, str path not None, unsigned int threads=0):
        encoded = path.encode("utf-8", "surrogateescape")
        cdef const char *name = encoded
        self.rings = NB_LOG_FIRST_WORKER + threads
        with nogil:
            self.log = nb_log_open(name, self.rings)
        if self.log == NULL:
            raise OSError(errno, strerror(errno).decode(), path)

    def __dealloc__(self):
        self.close()

    cdef nb_log *opened(self) except NULL:
        assert self.log != NULL, "the log is closed"
        return self.log

    def write(
        self,
        int64_t began_us,
        bytes peer not None,
        bytes request_id not None,
        int status,
        uint64_t received_bytes,
        uint64_t sent_bytes,
        int64_t first_byte_us,
        int64_t total_us,
        bytes subject not None,
        bytes request not None,
    ):
        cdef char out[NB_LOG_OUTCOME_SIZE_BYTES_MAX]
        cdef nb_log_outcome outcome
        outcome.began_us, outcome.peer, outcome.request_id = began_us, span_of(peer), span_of(request_id)
        outcome.via, outcome.status = "granian", status
        outcome.received_bytes, outcome.sent_bytes = received_bytes, sent_bytes
        outcome.first_byte_us, outcome.total_us = first_byte_us, total_us
        cdef nb_span members = nb_span(&out[0], nb_log_write_outcome(&outcome, out))
        nb_log_put(self.opened(), 0, members, span_of(subject), span_of(request))

    def reopen(self):
        if self.log != NULL:
            nb_log_reopen(self.log)

    def counters(self):
        cdef nb_log_counters found = nb_log_count(self.opened())
        return found.written_lines, found.dropped_lines

    cdef lend(self):
        self.planes += 1

    cdef give_back(self):
        self.planes -= 1
        if self.is_closing:
            self.close()

    cpdef close(self):
        cdef nb_log *log = self.log
        self.is_closing = True
        if self.planes:
            return  # a server that failed closes its parts with the threads still there
        self.log = NULL
        with nogil:
            nb_log_close(log)
