"""The C core of the data room for other native leaves; see frame.h and blocks.h for what each means."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef extern from "frame.h" nogil:
    const size_t NB_FRAME_HEADER_SIZE
    const size_t NB_FRAME_ALIGN
    const uint8_t NB_FRAME_DEAD
    const size_t NB_FRAME_DEAD_OFFSET
    const size_t NB_BLOB_FOOTER_SIZE
    const uint64_t NB_BLOCK_SIZE

    ctypedef struct nb_frame_header:
        uint32_t length
        uint8_t dead
        uint64_t payload_hash

    ctypedef struct nb_blob_footer:
        uint64_t data_length
        uint64_t table_hash

    uint64_t nb_frame_size(uint64_t payload_length)
    int nb_frame_decode(const void *bytes, uint64_t seed, uint64_t offset, nb_frame_header *header)


cdef extern from "blocks.h" nogil:
    ctypedef enum nb_status:
        NB_OK
        NB_WOULD_BLOCK
        NB_SHORT
        NB_MISMATCH
        NB_FAILED

    const size_t NB_BLOCK_HASHER_SIZE
    const size_t NB_WALK_WINDOW_SIZE

    ctypedef struct nb_block_hasher:
        pass

    ctypedef struct nb_frame:
        const void *payload
        uint32_t length
        uint64_t payload_hash
        int dead

    ctypedef struct nb_walked:
        uint64_t offset
        uint64_t payload_hash
        uint32_t length
        int dead

    uint64_t nb_hash(const void *data, size_t length)
    void nb_block_hasher_reset(nb_block_hasher *hasher)
    size_t nb_block_hasher_update(nb_block_hasher *hasher, const void *data, size_t length)
    size_t nb_block_hasher_filled(const nb_block_hasher *hasher)
    uint64_t nb_block_hasher_take(nb_block_hasher *hasher)
    nb_status nb_read(int fd, void *out, size_t length, uint64_t offset, int wait)
    nb_status nb_read_verified(int fd, void *out, uint64_t offset, uint64_t length, uint64_t hash, uint64_t start,
                               uint64_t end, int wait)
    nb_status nb_read_blocks(int fd, void *out, const void *table, uint64_t length, uint64_t start, uint64_t end,
                             int wait)
    nb_status nb_append_frames(int fd, uint64_t seed, uint64_t offset, const nb_frame *frames, size_t count)
    nb_status nb_walk(int fd, uint64_t seed, uint64_t *offset, nb_walked *frames, size_t capacity, size_t *count,
                      void *window)
    nb_status nb_zero_tail(int fd, uint64_t offset, void *window)
    void nb_blob_footer_encode(nb_blob_footer *footer, uint64_t data_length, uint64_t table_hash)
    int nb_blob_footer_decode(const void *bytes, nb_blob_footer *footer)
    int nb_open_cached(const char *path)
    int nb_evict(int fd, uint64_t start, uint64_t end)
    int nb_punch(int fd, uint64_t start, uint64_t end)


cdef class OpenFile:
    cdef readonly int fd
    cdef public bytes table
    cdef object __weakref__
