"""Python's door to blocks_core.c: verified reads into fresh bytes objects, appended frames, block hashes, walks.

Nothing here decides anything. A read hands out a bytes object only after every block of it matched its hash.
The GIL is released for everything that may wait for a disk and for whatever is larger than `GIL_SIZE_BYTES`; below
that, giving the GIL away and fetching it back costs more than the work.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from posix.stdlib cimport posix_memalign
from posix.unistd cimport close

BLOCK_SIZE_BYTES = NB_BLOCK_SIZE
FRAME_HEADER_SIZE_BYTES = NB_FRAME_HEADER_SIZE
FRAME_ALIGN_BYTES = NB_FRAME_ALIGN
FRAME_DEAD_OFFSET = NB_FRAME_DEAD_OFFSET
FRAME_DEAD = bytes([NB_FRAME_DEAD])
FOOTER_SIZE_BYTES = NB_BLOB_FOOTER_SIZE
GIL_SIZE_BYTES = 64 * 1024

cdef uint64_t GIL_SIZE = 64 * 1024
cdef size_t WALK_COUNT = 1024


class ChecksumMismatch(Exception):
    """The stored bytes do not match their checksum."""


class ShortFile(Exception):
    """The file ends before the bytes asked for."""


@cython.final
cdef class OpenFile:
    """A file open for reading, closed when the last reference goes: a reader's own reference keeps it open."""

    def __cinit__(self, int fd, bytes table=b""):
        self.fd = fd
        self.table = table

    def __dealloc__(self):
        cdef int fd = self.fd
        with nogil:
            close(fd)


cdef object answer(nb_status status, bytes out):
    if status == NB_OK:
        return out
    if status == NB_WOULD_BLOCK:
        return None
    if status == NB_MISMATCH:
        raise ChecksumMismatch()
    if status == NB_SHORT:
        raise ShortFile()
    PyErr_SetFromErrno(OSError)


def xxh3_64(const unsigned char[::1] data not None):
    cdef const void *start = &data[0] if data.shape[0] > 0 else NULL
    cdef uint64_t result
    cdef size_t size = data.shape[0]
    if size < GIL_SIZE:
        return nb_hash(start, size)
    with nogil:
        result = nb_hash(start, size)
    return result


def frame_size(uint64_t length):
    return nb_frame_size(length)


def open_cached(bytes path not None):
    cdef int fd = nb_open_cached(PyBytes_AS_STRING(path))
    if fd < 0:
        PyErr_SetFromErrno(OSError)
    return fd


def evict(int fd, uint64_t start, uint64_t end):
    cdef int is_gone
    with nogil:
        is_gone = nb_evict(fd, start, end)
    return bool(is_gone)


def punch(int fd, uint64_t start, uint64_t end):
    cdef int result
    with nogil:
        result = nb_punch(fd, start, end)
    if result != 0:
        PyErr_SetFromErrno(OSError)


def read_plain(int fd, uint64_t offset, uint64_t length, bint wait):
    cdef bytes out = PyBytes_FromStringAndSize(NULL, length)
    cdef char *target = PyBytes_AS_STRING(out)
    cdef nb_status status
    with nogil:
        status = nb_read(fd, target, length, offset, wait)
    return answer(status, out)


def read_frame(OpenFile file not None, uint64_t offset, uint64_t length, uint64_t payload_hash, uint64_t start,
               uint64_t end, bint wait):
    assert start <= end <= length, f"[{start}, {end}) of {length} bytes"
    cdef bytes out = PyBytes_FromStringAndSize(NULL, end - start)
    cdef char *target = PyBytes_AS_STRING(out)
    cdef int fd = file.fd
    cdef uint64_t payload = offset + NB_FRAME_HEADER_SIZE
    cdef nb_status status
    if length < GIL_SIZE and not wait:
        status = nb_read_verified(fd, target, payload, length, payload_hash, start, end, 0)
    else:
        with nogil:
            status = nb_read_verified(fd, target, payload, length, payload_hash, start, end, wait)
    return answer(status, out)


def read_blocks(OpenFile file not None, uint64_t length, uint64_t start, uint64_t end, bint wait):
    cdef uint64_t block_count = (length + NB_BLOCK_SIZE - 1) // NB_BLOCK_SIZE
    assert start <= end <= length, f"[{start}, {end}) of {length} bytes"
    assert <uint64_t>PyBytes_GET_SIZE(file.table) == block_count * sizeof(uint64_t), "the table fits the length"
    cdef bytes out = PyBytes_FromStringAndSize(NULL, end - start)
    cdef char *target = PyBytes_AS_STRING(out)
    cdef const char *table = PyBytes_AS_STRING(file.table)
    cdef int fd = file.fd
    cdef nb_status status
    with nogil:
        status = nb_read_blocks(fd, target, table, length, start, end, wait)
    return answer(status, out)


def append_frames(int fd, uint64_t seed, uint64_t offset, list frames not None):
    cdef size_t count = len(frames), i
    cdef nb_frame *list_of = <nb_frame *>malloc((count + 1) * sizeof(nb_frame))
    cdef bytes payload
    cdef nb_status status
    if list_of == NULL:
        raise MemoryError
    try:
        for i in range(count):
            payload, length, payload_hash = frames[i]
            assert payload is None or len(payload) == length, "a payload has the length it is said to have"
            list_of[i].payload = NULL if payload is None else PyBytes_AS_STRING(payload)
            list_of[i].length = length
            list_of[i].payload_hash = payload_hash
            list_of[i].dead = payload is None
        with nogil:
            status = nb_append_frames(fd, seed, offset, list_of, count)
    finally:
        free(list_of)
    if status != NB_OK:
        PyErr_SetFromErrno(OSError)


def decode_frame(bytes header not None, uint64_t seed, uint64_t offset):
    cdef nb_frame_header decoded
    if len(header) != NB_FRAME_HEADER_SIZE:
        return None
    if not nb_frame_decode(PyBytes_AS_STRING(header), seed, offset, &decoded):
        return None
    return decoded.length, decoded.payload_hash, decoded.dead != 0


def walk(int fd, uint64_t seed, uint64_t offset):
    cdef nb_walked *frames = <nb_walked *>malloc(WALK_COUNT * sizeof(nb_walked))
    cdef void *window = malloc(NB_WALK_WINDOW_SIZE)
    cdef size_t count = 0, i
    cdef nb_status status
    try:
        if frames == NULL or window == NULL:
            raise MemoryError
        with nogil:
            status = nb_walk(fd, seed, &offset, frames, WALK_COUNT, &count, window)
        if status != NB_OK:
            PyErr_SetFromErrno(OSError)
        found = [
            (frames[i].offset, frames[i].length, frames[i].payload_hash, frames[i].dead != 0) for i in range(count)
        ]
        return found, offset, count == WALK_COUNT
    finally:
        free(frames)
        free(window)


def is_zero_tail(int fd, uint64_t offset):
    cdef void *window = malloc(NB_WALK_WINDOW_SIZE)
    cdef nb_status status
    if window == NULL:
        raise MemoryError
    with nogil:
        status = nb_zero_tail(fd, offset, window)
    free(window)
    if status == NB_FAILED:
        PyErr_SetFromErrno(OSError)
    return status == NB_OK


def encode_footer(uint64_t data_length, uint64_t table_hash):
    cdef nb_blob_footer footer
    nb_blob_footer_encode(&footer, data_length, table_hash)
    return (<char *>&footer)[:sizeof(footer)]


def decode_footer(bytes footer not None):
    cdef nb_blob_footer decoded
    if len(footer) != NB_BLOB_FOOTER_SIZE or not nb_blob_footer_decode(PyBytes_AS_STRING(footer), &decoded):
        return None
    return decoded.data_length, decoded.table_hash


@cython.final
cdef class BlockHasher:
    """One XXH3-64 for each block of a stream, in one pass and without holding the stream."""

    cdef nb_block_hasher *_hasher
    cdef uint64_t *_hashes
    cdef size_t _count
    cdef size_t _capacity

    def __cinit__(self):
        cdef void *storage = NULL
        if posix_memalign(&storage, 64, NB_BLOCK_HASHER_SIZE) != 0:
            raise MemoryError
        self._hasher = <nb_block_hasher *>storage
        nb_block_hasher_reset(self._hasher)

    def __dealloc__(self):
        free(self._hasher)
        free(self._hashes)

    cdef int _reserve(self, size_t more) except -1:
        cdef size_t capacity = max(self._count + more, self._capacity * 2)
        cdef uint64_t *larger
        if self._count + more <= self._capacity:
            return 0
        larger = <uint64_t *>malloc(capacity * sizeof(uint64_t))
        if larger == NULL:
            raise MemoryError
        if self._count > 0:
            memcpy(larger, self._hashes, self._count * sizeof(uint64_t))
        free(self._hashes)
        self._hashes = larger
        self._capacity = capacity
        return 0

    def update(self, bytes chunk not None):
        cdef const char *data = PyBytes_AS_STRING(chunk)
        cdef size_t left = PyBytes_GET_SIZE(chunk), taken
        self._reserve(left // NB_BLOCK_SIZE + 2)
        with nogil:
            while left > 0:
                taken = nb_block_hasher_update(self._hasher, data, left)
                data += taken
                left -= taken
                if nb_block_hasher_filled(self._hasher) == NB_BLOCK_SIZE:
                    self._hashes[self._count] = nb_block_hasher_take(self._hasher)
                    self._count += 1

    def table(self):
        """Ends the stream: the hashes of all its blocks, 8 bytes each."""
        self._reserve(1)
        if nb_block_hasher_filled(self._hasher) > 0:
            self._hashes[self._count] = nb_block_hasher_take(self._hasher)
            self._count += 1
        if self._count == 0:
            return b""
        return (<char *>self._hashes)[:self._count * sizeof(uint64_t)]
