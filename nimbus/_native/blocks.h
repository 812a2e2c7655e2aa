/* Verified reads, appended frames and hashes over descriptors and buffers that the caller owns.
 *
 * Pure of Python, of global state and of allocation; every function may run on any thread, without the GIL.
 * Offsets and lengths come checked by the caller where REQUIRES says so. A read fills its output only with bytes of
 * blocks that matched their hash; after any status but NB_OK the output holds rubbish and must be thrown away.
 */
#ifndef NIMBUS_BLOCKS_H
#define NIMBUS_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

typedef enum {
    NB_OK = 0,
    NB_WOULD_BLOCK, /* not in the page cache, and the caller does not want to wait */
    NB_SHORT,       /* the file ends before the span does */
    NB_MISMATCH,    /* the bytes do not match their hash */
    NB_FAILED       /* errno tells */
} nb_status;

/* A streaming hash of consecutive blocks; opaque, aligned storage of NB_BLOCK_HASHER_SIZE bytes. */
#define NB_BLOCK_HASHER_SIZE 640
typedef struct nb_block_hasher nb_block_hasher;

uint64_t nb_hash(const void *data, size_t length);

void nb_block_hasher_reset(nb_block_hasher *hasher);
/* Takes in bytes up to the end of the current block at most; returns how many it took. */
size_t nb_block_hasher_update(nb_block_hasher *hasher, const void *data, size_t length);
/* How many bytes the current block has so far. */
size_t nb_block_hasher_filled(const nb_block_hasher *hasher);
/* The hash of the current block; begins the next one. */
uint64_t nb_block_hasher_take(nb_block_hasher *hasher);

/* The whole of [offset, offset + length) of the file, unverified. */
nb_status nb_read(int fd, void *out, size_t length, uint64_t offset, int wait);

/* Bytes [start, end) of a stretch of `length` bytes at `offset` whose hash as a whole is `hash`.
 * REQUIRES start <= end <= length; `out` holds end - start bytes. */
nb_status nb_read_verified(int fd, void *out, uint64_t offset, uint64_t length, uint64_t hash, uint64_t start,
                           uint64_t end, int wait);

/* Bytes [start, end) of a blob of `length` data bytes whose blocks have the hashes in `table` (unaligned is fine).
 * REQUIRES start <= end <= length; the table has an entry for each block of it. */
nb_status nb_read_blocks(int fd, void *out, const void *table, uint64_t length, uint64_t start, uint64_t end,
                         int wait);

/* A frame to append. A dead one takes its room, but its payload is not written. */
typedef struct {
    const void *payload;
    uint32_t length;
    uint64_t payload_hash;
    int dead;
} nb_frame;

/* Write `count` frames from segment offset `offset` on, with as few system calls as possible. NB_OK or NB_FAILED;
 * after a failure any part of them may have been written, and the same call may be repeated. */
nb_status nb_append_frames(int fd, uint64_t seed, uint64_t offset, const nb_frame *frames, size_t count);

/* A frame that a walk came by. */
typedef struct {
    uint64_t offset;
    uint64_t payload_hash;
    uint32_t length;
    int dead;
} nb_walked;

/* Up to `capacity` frames from `*offset` on, which moves behind the last one; fewer than that: the frames end there.
 * REQUIRES `window` has room for NB_WALK_WINDOW_SIZE bytes. */
#define NB_WALK_WINDOW_SIZE (64u << 10)
nb_status nb_walk(int fd, uint64_t seed, uint64_t *offset, nb_walked *frames, size_t capacity, size_t *count,
                  void *window);

/* Whether [offset, end of file) holds nothing but zeros. NB_OK, NB_MISMATCH when not, NB_FAILED. */
nb_status nb_zero_tail(int fd, uint64_t offset, void *window);

void nb_blob_footer_encode(nb_blob_footer *footer, uint64_t data_length, uint64_t table_hash);
int nb_blob_footer_decode(const void *bytes, nb_blob_footer *footer);

/* Open for reading if that needs no disk; -1 with errno EAGAIN when it would. */
int nb_open_cached(const char *path);

/* Have the page cache let go of the whole pages within [start, end); 1 when it has. It keeps what is on its way to a peer:
 * the queue of a socket that sendfile was used on refers to the very pages, and punching them would put zeros into that
 * queue wherever the kernel keeps several pages as one piece (seen with Linux 6.18 on ext4). */
int nb_evict(int fd, uint64_t start, uint64_t end);

/* Give the whole pages within [start, end) back to the file system; reads of them yield zeros. 0 or -1 with errno. */
int nb_punch(int fd, uint64_t start, uint64_t end);

#endif
