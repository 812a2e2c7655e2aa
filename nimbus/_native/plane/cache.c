/* See cache.h. Sharded chains under a lock each; the lock is held for a chain's walk and a list's two pointers. */
#include "plane/cache.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocks.h"
#include "plane/kept.h"

enum { EVICTIONS_FOR_FILES_MAX = 256 }; /* how hard one fill tries to free a descriptor */

static uint64_t hash_of(nb_span name) { return nb_hash(name.ptr, name.len); }
static nb_shard *shard_of(nb_cache *cache, uint64_t hash) { return &cache->shards[hash % NB_CACHE_SHARDS]; }
static nb_entry **bucket_of(nb_shard *shard, uint64_t hash) {
    return &shard->buckets[hash / NB_CACHE_SHARDS % NB_CACHE_SHARD_BUCKETS];
}
static size_t slot_of(uint64_t hash) { return (hash >> 40) % NB_CACHE_SLOTS; }
static nb_span bucket_in(nb_span name) {
    const char *end = memchr(name.ptr, 0, name.len);
    return (nb_span){name.ptr, end ? (size_t)(end - name.ptr) : name.len};
}

void nb_cache_init(nb_cache *cache, size_t cost_bytes_max, size_t files_max) {
    memset(cache, 0, sizeof *cache);
    nb_files_init(&cache->files, files_max + files_max / 4 + NB_FILES_SENT_MIN);
    size_t missing = cost_bytes_max / NB_CACHE_MISSING_PART, kept = cost_bytes_max / NB_CACHE_KEPT_PART;
    cache->shard_cost_bytes_max[NB_ENTRY_MISSING] = missing / NB_CACHE_SHARDS;
    cache->shard_cost_bytes_max[NB_ENTRY_OBJECT] = (cost_bytes_max - missing - kept) / NB_CACHE_SHARDS;
    cache->shard_kept_bytes_max = kept / NB_CACHE_SHARDS;
    cache->files_max = files_max;
    for (size_t i = 0; i < NB_CACHE_SHARDS; i++) {
        pthread_mutex_init(&cache->shards[i].lock, NULL);
        nb_list_init(&cache->shards[i].kept);
        for (int kind = 0; kind < NB_ENTRY_KINDS; kind++)
            nb_list_init(&cache->shards[i].lru[kind]);
    }
}

static void free_entry(nb_cache *cache, nb_entry *entry) {
    for (size_t i = 0; i < entry->extents_count; i++)
        nb_files_give(&cache->files, entry->extents[i].file);
    free(atomic_load(&entry->kept));
    free(entry);
}

uint32_t nb_now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)now.tv_sec + 1;
}

void nb_cache_give(nb_cache *cache, nb_entry *entry) {
    if (atomic_fetch_sub(&entry->users, 1) == 1)
        free_entry(cache, entry);
}

/* Let go of the shard's share in an entry that was taken out. */
static void retire(nb_cache *cache, nb_entry *entry) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store(&entry->dead_since_ms, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    nb_cache_give(cache, entry);
}

static nb_entry **find(nb_shard *shard, nb_span name, uint64_t hash) {
    nb_entry **at = bucket_of(shard, hash);
    for (; *at; at = &(*at)->next)
        if ((*at)->hash == hash && (*at)->name.len == name.len && memcmp((*at)->name.ptr, name.ptr, name.len) == 0)
            break;
    return at;
}

/* Take an entry out of its shard; the shard's share in it is the caller's then. Holds the lock. */
static nb_entry *unlink_at(nb_shard *shard, nb_entry **at) {
    nb_entry *entry = *at;
    *at = entry->next;
    nb_list_remove(&entry->lru);
    if (nb_link_is_in(&entry->kept_link))
        shard->kept_bytes -= atomic_load(&entry->kept)->size;
    nb_list_remove(&entry->kept_link);
    shard->cost_bytes[entry->kind] -= entry->cost_bytes;
    return entry;
}

static nb_entry *unlink_oldest(nb_shard *shard, nb_entry_kind kind) {
    if (nb_list_is_empty(&shard->lru[kind]))
        return NULL;
    nb_entry *oldest = NB_OF(shard->lru[kind].next, nb_entry, lru);
    return unlink_at(shard, find(shard, oldest->name, oldest->hash));
}

/* Something in the files that it lies in did not match. */
static bool is_suspect(const nb_entry *entry) {
    for (size_t i = 0; i < entry->extents_count; i++)
        if (atomic_load_explicit(&entry->extents[i].file->is_suspect, memory_order_relaxed))
            return true;
    return false;
}

/* Its bucket is another one since, or belongs to somebody else; or its bytes have to be looked at from nothing. */
static bool is_void(nb_cache *cache, const nb_entry *entry) {
    return atomic_load(&cache->buckets[entry->bucket_slot].number) != entry->bucket_number || is_suspect(entry);
}

nb_entry *nb_cache_find(nb_cache *cache, nb_span name) {
    uint64_t hash = hash_of(name);
    nb_shard *shard = shard_of(cache, hash);
    nb_entry *dropped = NULL;
    pthread_mutex_lock(&shard->lock);
    nb_entry **at = find(shard, name, hash), *entry = *at;
    if (entry && is_void(cache, entry)) {
        dropped = unlink_at(shard, at);
        entry = NULL;
    } else if (entry) {
        atomic_fetch_add(&entry->users, 1);
        nb_list_remove(&entry->lru);
        nb_list_append(&shard->lru[entry->kind], &entry->lru);
        if (nb_link_is_in(&entry->kept_link)) {
            nb_list_remove(&entry->kept_link);
            nb_list_append(&shard->kept, &entry->kept_link);
        }
    }
    pthread_mutex_unlock(&shard->lock);
    if (dropped)
        retire(cache, dropped);
    return entry;
}

/* --- changes ------------------------------------------------------------------------------------------- */

static size_t bucket_slot_of(nb_span bucket) { return slot_of(hash_of(bucket)); }

nb_numbers nb_cache_numbers(nb_cache *cache, nb_span name) {
    return (nb_numbers){.object = atomic_load(&cache->objects[slot_of(hash_of(name))].number),
                        .bucket = atomic_load(&cache->buckets[bucket_slot_of(bucket_in(name))].number)};
}

static void begin(nb_changes *changes) {
    atomic_fetch_add(&changes->pending, 1);
    atomic_fetch_add(&changes->number, 1);
}

static void end(nb_changes *changes) {
    atomic_fetch_add(&changes->number, 1);
    atomic_fetch_sub(&changes->pending, 1);
}

/* Whether nothing began or ended since, and nothing is under way. */
static bool is_unchanged(nb_changes *changes, uint64_t number) {
    return atomic_load(&changes->number) == number && atomic_load(&changes->pending) == 0;
}

static void drop(nb_cache *cache, nb_span name, uint64_t hash) {
    nb_shard *shard = shard_of(cache, hash);
    pthread_mutex_lock(&shard->lock);
    nb_entry **at = find(shard, name, hash);
    nb_entry *entry = *at ? unlink_at(shard, at) : NULL;
    pthread_mutex_unlock(&shard->lock);
    if (entry)
        retire(cache, entry);
}

void nb_cache_begin(nb_cache *cache, nb_span name) {
    uint64_t hash = hash_of(name);
    begin(&cache->objects[slot_of(hash)]);
    drop(cache, name, hash); /* after the number moved: a fill either was there, or sees the new number */
}

void nb_cache_end(nb_cache *cache, nb_span name) { end(&cache->objects[slot_of(hash_of(name))]); }

/* The entries stay where they are: nobody finds them under another number. */
void nb_cache_begin_bucket(nb_cache *cache, nb_span bucket) { begin(&cache->buckets[bucket_slot_of(bucket)]); }
void nb_cache_end_bucket(nb_cache *cache, nb_span bucket) { end(&cache->buckets[bucket_slot_of(bucket)]); }

static void clear_shard(nb_cache *cache, nb_shard *shard) {
    for (;;) {
        pthread_mutex_lock(&shard->lock);
        nb_entry *entry = unlink_oldest(shard, NB_ENTRY_OBJECT);
        if (!entry)
            entry = unlink_oldest(shard, NB_ENTRY_MISSING);
        pthread_mutex_unlock(&shard->lock);
        if (!entry)
            return;
        retire(cache, entry);
    }
}

void nb_cache_clear(nb_cache *cache) {
    for (size_t i = 0; i < NB_CACHE_SLOTS; i++)
        atomic_fetch_add(&cache->objects[i].number, 1);
    for (size_t i = 0; i < NB_CACHE_SHARDS; i++)
        clear_shard(cache, &cache->shards[i]);
}

void nb_cache_free(nb_cache *cache) {
    nb_cache_clear(cache);
    for (size_t i = 0; i < NB_CACHE_SHARDS; i++)
        pthread_mutex_destroy(&cache->shards[i].lock);
    nb_files_free(&cache->files);
}

/* --- filling ------------------------------------------------------------------------------------------- */

static size_t blocks_of(const nb_extent *extent) {
    return extent->file->table ? (size_t)((extent->length + NB_BLOCK_SIZE - 1) / NB_BLOCK_SIZE) : 1;
}

static nb_span copy(char **at, nb_span from) {
    nb_span to = {*at, from.len};
    if (from.len)
        memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return to;
}

/* One allocation: the entry, its extents, their stamps, its texts. */
static nb_entry *make_entry(const nb_fill *fill) {
    size_t stamps = 0;
    for (size_t i = 0; i < fill->extents_count; i++)
        stamps += blocks_of(&fill->extents[i]);
    size_t fixed = sizeof(nb_entry) + fill->extents_count * sizeof(nb_extent);
    size_t cost = fixed + stamps * sizeof(nb_stamp) + fill->parts_count * sizeof(nb_part) + fill->name.len +
                  fill->owner.len + fill->etag.len + fill->modified_http.len + fill->headers.len +
                  fill->headers_304.len + fill->checksum_headers.len;
    for (size_t i = 0; i < fill->parts_count; i++)
        cost += fill->parts[i].checksum_headers.len;
    nb_entry *entry = calloc(1, cost);
    if (!entry)
        return NULL;
    entry->cost_bytes = cost;
    entry->kind = fill->kind;
    entry->hash = hash_of(fill->name);
    entry->bucket_slot = bucket_slot_of(bucket_in(fill->name));
    entry->size = fill->size;
    entry->modified_s = fill->modified_s;
    entry->extents_count = fill->extents_count;
    nb_stamp *stamp = (nb_stamp *)((char *)entry + fixed);
    uint64_t at_byte = 0;
    for (size_t i = 0; i < fill->extents_count; i++) {
        entry->extents[i] = fill->extents[i];
        entry->extents[i].at = at_byte;
        entry->extents[i].stamps = stamp;
        at_byte += fill->extents[i].length;
        stamp += blocks_of(&fill->extents[i]);
    }
    entry->parts = (nb_part *)stamp;
    entry->parts_count = fill->parts_count;
    char *at = (char *)(entry->parts + entry->parts_count);
    for (size_t i = 0; i < fill->parts_count; i++) {
        entry->parts[i] = fill->parts[i];
        entry->parts[i].checksum_headers = copy(&at, fill->parts[i].checksum_headers);
    }
    entry->name = copy(&at, fill->name);
    entry->owner = copy(&at, fill->owner);
    entry->etag = copy(&at, fill->etag);
    entry->modified_http = copy(&at, fill->modified_http);
    entry->headers = copy(&at, fill->headers);
    entry->headers_304 = copy(&at, fill->headers_304);
    entry->checksum_headers = copy(&at, fill->checksum_headers);
    return entry;
}

void nb_cache_make_room(nb_cache *cache, size_t files) {
    for (size_t i = 0; i < EVICTIONS_FOR_FILES_MAX; i++) {
        if (atomic_load(&cache->files.count) + files <= cache->files_max)
            return;
        nb_shard *shard = &cache->shards[atomic_fetch_add(&cache->evictions, 1) % NB_CACHE_SHARDS];
        pthread_mutex_lock(&shard->lock);
        nb_entry *entry = unlink_oldest(shard, NB_ENTRY_OBJECT);
        pthread_mutex_unlock(&shard->lock);
        if (entry)
            retire(cache, entry);
    }
}

/* Put the entry into its shard unless a change came between. Frees what it displaces. */
static bool insert(nb_cache *cache, nb_entry *entry, nb_numbers numbers) {
    nb_shard *shard = shard_of(cache, entry->hash);
    nb_entry *displaced = NULL;
    entry->bucket_number = numbers.bucket;
    pthread_mutex_lock(&shard->lock);
    bool is_current = is_unchanged(&cache->objects[slot_of(entry->hash)], numbers.object) &&
                      is_unchanged(&cache->buckets[entry->bucket_slot], numbers.bucket);
    if (is_current) {
        nb_entry **at = find(shard, entry->name, entry->hash);
        if (*at) {
            displaced = unlink_at(shard, at);
            displaced->next = NULL;
        }
        nb_entry **bucket = bucket_of(shard, entry->hash);
        entry->next = *bucket;
        *bucket = entry;
        nb_link *lru = &shard->lru[entry->kind];
        nb_list_append(lru, &entry->lru);
        shard->cost_bytes[entry->kind] += entry->cost_bytes;
        while (shard->cost_bytes[entry->kind] > cache->shard_cost_bytes_max[entry->kind] && lru->next != &entry->lru) {
            nb_entry *oldest = unlink_oldest(shard, entry->kind);
            oldest->next = displaced;
            displaced = oldest;
        }
    }
    pthread_mutex_unlock(&shard->lock);
    while (displaced) {
        nb_entry *next = displaced->next;
        retire(cache, displaced);
        displaced = next;
    }
    return is_current;
}

nb_entry *nb_cache_make(nb_cache *cache, const nb_fill *fill) {
    nb_entry *entry = make_entry(fill);
    if (entry) {
        atomic_init(&entry->users, 1);
        return entry;
    }
    for (size_t i = 0; i < fill->extents_count; i++)
        nb_files_give(&cache->files, fill->extents[i].file);
    return NULL;
}

nb_entry *nb_cache_fill(nb_cache *cache, const nb_fill *fill, nb_numbers numbers) {
    nb_entry *entry = nb_cache_make(cache, fill);
    if (!entry)
        return NULL;
    atomic_init(&entry->users, 2); /* the shard's and the caller's */
    if (!insert(cache, entry, numbers)) { /* overtaken by a change */
        retire(cache, entry);
        return entry;
    }
    return entry;
}
