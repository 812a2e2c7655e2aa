#define _GNU_SOURCE
/* Verified reads, appended frames, footers of blobs and hashes of blocks. Contract in blocks.h.
 *
 * Must always hold: a byte is given out only after the hash of its whole block matched; what the kernel did by half
 * is taken up where it stopped.
 */
#include "blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "xxh3.h"

#define PIECE_SIZE (32u << 10) /* what a partly wanted block is read by: stays in the first-level cache */
#define PAGE_SIZE_BYTES 4096u
#define RESIDENT_PAGES_MAX 1024
#define FOLIO_SIZE_BYTES_MAX (2u << 20) /* what the kernel keeps as one piece in the page cache, at most */
#define IOV_COUNT 384 /* 3 for each frame: header, payload, padding */

struct nb_block_hasher {
    XXH3_state_t state;
    size_t filled;
};
_Static_assert(sizeof(struct nb_block_hasher) <= NB_BLOCK_HASHER_SIZE, "the storage callers provide is large enough");

/* --- hashes --------------------------------------------------------------------------------------------------- */

uint64_t nb_hash(const void *data, size_t length) { return nb_xxh3->hash(data, length); }

void nb_block_hasher_reset(nb_block_hasher *hasher) {
    XXH3_64bits_reset(&hasher->state);
    hasher->filled = 0;
}

size_t nb_block_hasher_update(nb_block_hasher *hasher, const void *data, size_t length) {
    size_t room = NB_BLOCK_SIZE - hasher->filled;
    size_t taken = length < room ? length : room;
    nb_xxh3->update(&hasher->state, data, taken);
    hasher->filled += taken;
    return taken;
}

size_t nb_block_hasher_filled(const nb_block_hasher *hasher) { return hasher->filled; }

uint64_t nb_block_hasher_take(nb_block_hasher *hasher) {
    uint64_t hash = XXH3_64bits_digest(&hasher->state);
    nb_block_hasher_reset(hasher);
    return hash;
}

/* --- verified reads ------------------------------------------------------------------------------------------- */

/* tmpfs refuses RWF_NOWAIT although it never waits for a disk. */
static int is_in_memory(int fd) {
    struct statfs about;
    return fstatfs(fd, &about) == 0 && about.f_type == TMPFS_MAGIC;
}

nb_status nb_read(int fd, void *out, size_t length, uint64_t offset, int wait) {
    char *cursor = out;
    while (length > 0) {
        struct iovec piece = {cursor, length};
        ssize_t got = preadv2(fd, &piece, 1, (off_t)offset, wait ? 0 : RWF_NOWAIT);
        if (got > 0) {
            cursor += got;
            offset += (uint64_t)got;
            length -= (size_t)got;
        } else if (got == 0) {
            return NB_SHORT;
        } else if (!wait && errno == EOPNOTSUPP && is_in_memory(fd)) {
            wait = 1;
        } else if (errno != EINTR) {
            return !wait && (errno == EAGAIN || errno == EOPNOTSUPP) ? NB_WOULD_BLOCK : NB_FAILED;
        }
    }
    return NB_OK;
}

static uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* As nb_read_verified, for a part of the stretch: reads it by pieces, hashes all, keeps what was asked for. */
static nb_status read_part(int fd, char *out, uint64_t offset, uint64_t length, uint64_t hash, uint64_t start,
                           uint64_t end, int wait) {
    char piece[PIECE_SIZE];
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (uint64_t at = 0; at < length; at += PIECE_SIZE) {
        uint64_t stop = min_u64(at + PIECE_SIZE, length);
        nb_status status = nb_read(fd, piece, stop - at, offset + at, wait);
        if (status != NB_OK) return status;
        nb_xxh3->update(&state, piece, stop - at);
        uint64_t from = max_u64(at, start), to = min_u64(stop, end);
        if (from < to) memcpy(out + (from - start), piece + (from - at), to - from);
    }
    return XXH3_64bits_digest(&state) == hash ? NB_OK : NB_MISMATCH;
}

nb_status nb_read_verified(int fd, void *out, uint64_t offset, uint64_t length, uint64_t hash, uint64_t start,
                           uint64_t end, int wait) {
    if (start > 0 || end < length) return read_part(fd, out, offset, length, hash, start, end, wait);
    nb_status status = nb_read(fd, out, length, offset, wait);
    if (status != NB_OK) return status;
    return nb_xxh3->hash(out, length) == hash ? NB_OK : NB_MISMATCH;
}

nb_status nb_read_blocks(int fd, void *out, const void *table, uint64_t length, uint64_t start, uint64_t end,
                         int wait) {
    char *cursor = out;
    while (start < end) {
        uint64_t block = start / NB_BLOCK_SIZE, offset = block * NB_BLOCK_SIZE, hash;
        uint64_t block_length = min_u64(NB_BLOCK_SIZE, length - offset);
        uint64_t stop = min_u64(end, offset + block_length);
        memcpy(&hash, (const char *)table + block * sizeof hash, sizeof hash);
        nb_status status =
            nb_read_verified(fd, cursor, offset, block_length, hash, start - offset, stop - offset, wait);
        if (status != NB_OK) return status;
        cursor += stop - start;
        start = stop;
    }
    return NB_OK;
}

/* --- frames --------------------------------------------------------------------------------------------------- */

static uint64_t header_hash(const nb_frame_header *header, uint64_t seed) {
    nb_frame_header alive = *header;
    alive.dead = 0;
    return XXH3_64bits_withSeed(&alive, offsetof(nb_frame_header, header_hash), seed);
}

void nb_frame_encode(nb_frame_header *header, uint64_t seed, uint64_t offset, uint32_t length, uint64_t payload_hash,
                     int dead) {
    *header = (nb_frame_header){
        .magic = NB_FRAME_MAGIC,
        .version = NB_FRAME_VERSION,
        .dead = dead ? NB_FRAME_DEAD : 0,
        .length = length,
        .position = (uint32_t)(offset / NB_FRAME_ALIGN),
        .payload_hash = payload_hash,
    };
    header->header_hash = header_hash(header, seed);
}

int nb_frame_decode(const void *bytes, uint64_t seed, uint64_t offset, nb_frame_header *header) {
    memcpy(header, bytes, sizeof *header);
    return header->magic == NB_FRAME_MAGIC && header->version == NB_FRAME_VERSION &&
           header->length <= NB_FRAME_LENGTH_MAX && header->position == offset / NB_FRAME_ALIGN &&
           header->header_hash == header_hash(header, seed);
}

static nb_status write_all(int fd, struct iovec *pieces, int count, uint64_t offset) {
    while (count > 0) {
        ssize_t written = pwritev(fd, pieces, count, (off_t)offset);
        if (written < 0) {
            if (errno == EINTR) continue;
            return NB_FAILED;
        }
        offset += (uint64_t)written;
        while (count > 0 && (size_t)written >= pieces->iov_len) {
            written -= (ssize_t)pieces->iov_len;
            pieces++;
            count--;
        }
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + written;
            pieces->iov_len -= (size_t)written;
        }
    }
    return NB_OK;
}

nb_status nb_append_frames(int fd, uint64_t seed, uint64_t offset, const nb_frame *frames, size_t count) {
    static const char zeros[NB_FRAME_ALIGN];
    nb_frame_header headers[IOV_COUNT / 3];
    struct iovec pieces[IOV_COUNT];
    int used = 0;
    size_t in_run = 0;
    uint64_t run_start = offset;
    for (size_t i = 0; i < count; i++) {
        const nb_frame *frame = &frames[i];
        uint64_t size = nb_frame_size(frame->length);
        nb_frame_header *header = &headers[in_run++];
        nb_frame_encode(header, seed, offset, frame->length, frame->payload_hash, frame->dead);
        pieces[used++] = (struct iovec){header, sizeof *header};
        if (!frame->dead) {
            size_t padding = size - sizeof *header - frame->length;
            if (frame->length > 0) pieces[used++] = (struct iovec){(void *)frame->payload, frame->length};
            if (padding > 0) pieces[used++] = (struct iovec){(void *)zeros, padding};
        }
        offset += size;
        /* A dead frame ends the run, because the room of its payload is skipped. */
        if (frame->dead || in_run == IOV_COUNT / 3 || i + 1 == count) {
            nb_status status = write_all(fd, pieces, used, run_start);
            if (status != NB_OK) return status;
            used = 0;
            in_run = 0;
            run_start = offset;
        }
    }
    return NB_OK;
}

/* As much of the window as the file has: how many bytes, or -1. */
static ssize_t read_window(int fd, void *window, uint64_t offset) {
    size_t filled = 0;
    while (filled < NB_WALK_WINDOW_SIZE) {
        ssize_t got =
            pread(fd, (char *)window + filled, NB_WALK_WINDOW_SIZE - filled, (off_t)(offset + filled));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        filled += (size_t)got;
    }
    return (ssize_t)filled;
}

nb_status nb_walk(int fd, uint64_t seed, uint64_t *offset, nb_walked *frames, size_t capacity, size_t *count,
                  void *window) {
    uint64_t window_start = *offset, window_end = *offset; /* empty */
    off_t file_size = lseek(fd, 0, SEEK_END);
    *count = 0;
    if (file_size < 0) return NB_FAILED;
    while (*count < capacity) {
        if (*offset + NB_FRAME_HEADER_SIZE > window_end) {
            ssize_t got = read_window(fd, window, *offset);
            if (got < 0) return NB_FAILED;
            window_start = *offset;
            window_end = window_start + (uint64_t)got;
            if (got < NB_FRAME_HEADER_SIZE) return NB_OK;
        }
        nb_frame_header header;
        if (!nb_frame_decode((char *)window + (*offset - window_start), seed, *offset, &header)) return NB_OK;
        uint64_t end = *offset + nb_frame_size(header.length);
        /* A frame that reaches past the end was being written when the machine stopped; a dead one has no payload. */
        if (end > (uint64_t)file_size && !header.dead) return NB_OK;
        frames[(*count)++] = (nb_walked){*offset, header.payload_hash, header.length, header.dead != 0};
        *offset = end;
    }
    return NB_OK;
}

nb_status nb_zero_tail(int fd, uint64_t offset, void *window) {
    for (;;) {
        ssize_t got = read_window(fd, window, offset);
        if (got < 0) return NB_FAILED;
        if (got == 0) return NB_OK;
        const char *bytes = window;
        if (bytes[0] != 0 || memcmp(bytes, bytes + 1, (size_t)got - 1) != 0) return NB_MISMATCH;
        offset += (uint64_t)got;
    }
}

/* --- blobs and files ------------------------------------------------------------------------------------------ */

static uint64_t footer_hash(const nb_blob_footer *footer) {
    return XXH3_64bits(footer, offsetof(nb_blob_footer, footer_hash));
}

void nb_blob_footer_encode(nb_blob_footer *footer, uint64_t data_length, uint64_t table_hash) {
    *footer = (nb_blob_footer){
        .magic = NB_BLOB_MAGIC,
        .version = NB_BLOB_VERSION,
        .block_size = NB_BLOCK_SIZE,
        .data_length = data_length,
        .table_hash = table_hash,
    };
    footer->footer_hash = footer_hash(footer);
}

int nb_blob_footer_decode(const void *bytes, nb_blob_footer *footer) {
    memcpy(footer, bytes, sizeof *footer);
    return footer->magic == NB_BLOB_MAGIC && footer->version == NB_BLOB_VERSION &&
           footer->block_size == NB_BLOCK_SIZE && footer->footer_hash == footer_hash(footer);
}

int nb_open_cached(const char *path) {
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

static void to_whole_pages(uint64_t *start, uint64_t *end) {
    *start = (*start + PAGE_SIZE_BYTES - 1) / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES;
    *end = *end / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES;
}

/* Whether a page of the range is in the page cache; when it cannot be told, one may be. */
static int is_resident(int fd, uint64_t start, uint64_t end) {
    unsigned char pages[RESIDENT_PAGES_MAX];
    for (uint64_t at = start; at < end; at += sizeof pages * PAGE_SIZE_BYTES) {
        size_t left = (size_t)(end - at), size = left < sizeof pages * PAGE_SIZE_BYTES ? left : sizeof pages * PAGE_SIZE_BYTES;
        void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)at);
        if (map == MAP_FAILED) return 1;
        int failed = mincore(map, size, pages);
        munmap(map, size);
        if (failed) return 1;
        for (size_t i = 0; i < size / PAGE_SIZE_BYTES; i++)
            if (pages[i] & 1) return 1;
    }
    return 0;
}

/* Its page cache is where the bytes are; and its pages are single ones unless somebody mounts it otherwise. */
static int is_memory(int fd) {
    struct statfs about;
    return fstatfs(fd, &about) == 0 && (about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC);
}

int nb_evict(int fd, uint64_t start, uint64_t end) {
    to_whole_pages(&start, &end);
    if (start >= end || is_memory(fd)) return 1;
    posix_fadvise(fd, (off_t)start, (off_t)(end - start), POSIX_FADV_DONTNEED);
    if (!is_resident(fd, start, end)) return 1;
    off_t from = (off_t)(start / FOLIO_SIZE_BYTES_MAX * FOLIO_SIZE_BYTES_MAX);
    off_t size = (off_t)((end + FOLIO_SIZE_BYTES_MAX - 1) / FOLIO_SIZE_BYTES_MAX * FOLIO_SIZE_BYTES_MAX) - from;
    sync_file_range(fd, from, size, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    posix_fadvise(fd, from, size, POSIX_FADV_DONTNEED);
    return !is_resident(fd, start, end);
}

int nb_punch(int fd, uint64_t start, uint64_t end) {
    to_whole_pages(&start, &end);
    if (start >= end) return 0;
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)start, (off_t)(end - start));
}
