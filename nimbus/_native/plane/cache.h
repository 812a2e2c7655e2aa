/* The object cache: what a signed GET needs to know of an object, by bucket and key; bounded in bytes and files.
 *
 * An entry says also that there is no such object, for those who ask for one again and again. Such entries have a
 * share of the bytes of their own: whoever probes for names that do not exist drives out nobody's objects.
 *
 * Coherence: whoever changes an object calls nb_cache_begin before the change can become visible and nb_cache_end
 * before it is answered; a sync of the disk lies in between. Meanwhile nothing is kept for that key, nor is what was
 * looked up before, because it brings the number of its slot from before the look-up: such a fill is an answer to
 * whoever asked, since it was true after he asked, and to nobody else. So a read that begins after an answered write
 * never sees what was before it, and no two reads see a write come and go. The same holds for a change of a bucket
 * (created, deleted, another owner), which makes void whatever was filled for any of its keys.
 *
 * Entries are counted by their users; one that was dropped from the cache lives until the last answer from it is
 * out. Such an entry says since when it is out of the cache (dead_since_ms, monotonic): from then on nobody tells it
 * of a change, and its frames may be freed some seconds later, see reply.c. Any thread.
 */
#ifndef NIMBUS_PLANE_CACHE_H
#define NIMBUS_PLANE_CACHE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "plane/files.h"
#include "plane/list.h"
#include "span.h"

enum {
    NB_CACHE_SHARDS = 64,
    NB_CACHE_SHARD_BUCKETS = 4096,
    NB_CACHE_SLOTS = 32768, /* of changes, many times a group of commits: names that share one keep no fills meanwhile */
    NB_CACHE_MISSING_PART = 16, /* what is not there has at most this part of the bytes */
    NB_CACHE_KEPT_PART = 4,     /* and the first bytes of hot objects this part */
    NB_EXTENTS_MAX = 64,
    NB_PARTS_MAX = 64,
};

typedef enum { NB_ENTRY_OBJECT, NB_ENTRY_MISSING, NB_ENTRY_KINDS } nb_entry_kind;

/* A run of an object's bytes in a file. */
typedef struct {
    nb_file *file;
    uint64_t at;     /* where it begins in the object */
    uint64_t offset; /* where it begins in the file */
    uint64_t length;
    uint64_t hash;   /* of a frame's payload; a blob's are in file->table */
    nb_stamp *stamps; /* one for each block */
} nb_extent;

/* A part of an object that was uploaded in parts. */
typedef struct {
    uint64_t start, end; /* bytes of the object */
    unsigned number;
    nb_span checksum_headers; /* its own */
} nb_part;

typedef struct nb_kept nb_kept; /* kept.h */

typedef struct nb_entry {
    struct nb_entry *next;
    nb_link lru, kept_link;
    _Atomic(nb_kept *) kept;
    _Atomic uint32_t read_s; /* when its first bytes were last read from its file */
    nb_entry_kind kind; /* one that is missing has a name and an owner, the bucket's, and nothing else */
    atomic_size_t users;
    _Atomic int64_t dead_since_ms; /* 0: in the cache */
    size_t cost_bytes;
    uint64_t hash;
    size_t bucket_slot;
    uint64_t bucket_number; /* as it was when the entry was filled: another one makes it void */
    uint64_t size;
    int64_t modified_s;
    nb_span name, owner, etag, modified_http;
    nb_span headers;          /* of a 200, without Content-Length */
    nb_span headers_304;
    nb_span checksum_headers; /* when the client asked for them */
    size_t parts_count;
    nb_part *parts;
    size_t extents_count;
    nb_extent extents[];
} nb_entry;

/* What a fill is made of; everything is copied. `files` are handed over, also on failure. */
typedef struct {
    nb_entry_kind kind;
    nb_span name, owner, etag, modified_http, headers, headers_304, checksum_headers;
    uint64_t size;
    int64_t modified_s;
    size_t parts_count;
    nb_part parts[NB_PARTS_MAX];
    size_t extents_count;
    nb_extent extents[NB_EXTENTS_MAX]; /* without `at` and stamps */
} nb_fill;

typedef struct {
    pthread_mutex_t lock;
    size_t cost_bytes[NB_ENTRY_KINDS];
    nb_link lru[NB_ENTRY_KINDS]; /* the least recently used first */
    size_t kept_bytes;
    nb_link kept; /* entries that have kept bytes, in the same order */
    nb_entry *buckets[NB_CACHE_SHARD_BUCKETS];
} nb_shard;

/* Changes of whatever shares a slot. */
typedef struct {
    _Atomic uint64_t number;  /* of those begun and ended */
    _Atomic uint32_t pending; /* begun and not ended */
} nb_changes;

typedef struct nb_cache {
    nb_files files;
    size_t shard_cost_bytes_max[NB_ENTRY_KINDS], shard_kept_bytes_max;
    size_t files_max;
    atomic_size_t evictions; /* for files: the next one is from the next shard */
    nb_changes objects[NB_CACHE_SLOTS], buckets[NB_CACHE_SLOTS];
    nb_shard shards[NB_CACHE_SHARDS];
} nb_cache;

/* Of the files that entries hold, those that are being sent cannot be had back: a quarter more may be open, and so many. */
enum { NB_FILES_SENT_MIN = 64 };
void nb_cache_init(nb_cache *cache, size_t cost_bytes_max, size_t files_max);
void nb_cache_free(nb_cache *cache); /* REQUIRES: no entry is in use */

/* Now, in monotonic seconds; never 0, which means never. */
uint32_t nb_now_s(void);

static inline nb_shard *nb_cache_shard(nb_cache *cache, const nb_entry *entry) {
    return &cache->shards[entry->hash % NB_CACHE_SHARDS];
}

/* The entry of this name, to be given back; NULL when there is none. */
nb_entry *nb_cache_find(nb_cache *cache, nb_span name);
void nb_cache_give(nb_cache *cache, nb_entry *entry);

/* The numbers to look up with; and the fill that brings them back. The entry is to be given back; NULL: no memory. */
typedef struct {
    uint64_t object, bucket;
} nb_numbers;
nb_numbers nb_cache_numbers(nb_cache *cache, nb_span name);
nb_entry *nb_cache_fill(nb_cache *cache, const nb_fill *fill, nb_numbers numbers);

/* Before that many files are opened: let go of the oldest entries that hold others. */
void nb_cache_make_room(nb_cache *cache, size_t files);

/* An entry that nobody finds: whoever made it holds what it names. To be given back; NULL: no memory. */
nb_entry *nb_cache_make(nb_cache *cache, const nb_fill *fill);

/* The name of an object: bucket, zero byte, key. */
void nb_cache_begin(nb_cache *cache, nb_span name);
void nb_cache_end(nb_cache *cache, nb_span name);
void nb_cache_begin_bucket(nb_cache *cache, nb_span bucket);
void nb_cache_end_bucket(nb_cache *cache, nb_span bucket);

/* Forget everything. */
void nb_cache_clear(nb_cache *cache);

#endif
