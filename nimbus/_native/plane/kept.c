/* See kept.h. */
#include "plane/kept.h"

#include <stdlib.h>
#include <string.h>

static bool is_recent(uint32_t then_s, uint32_t now_s, uint32_t for_s) { return then_s && now_s - then_s <= for_s; }

bool nb_kept_copy(nb_entry *entry, uint64_t start, uint64_t end, char *out) {
    nb_kept *kept = atomic_load_explicit(&entry->kept, memory_order_acquire);
    if (!kept || end > kept->size)
        return false;
    uint32_t verified_s = atomic_load_explicit(&kept->verified_s, memory_order_relaxed);
    if (!is_recent(verified_s, nb_now_s(), NB_KEPT_VERIFIED_S))
        return false;
    memcpy(out, kept->bytes + start, end - start);
    return true;
}

static nb_kept *make_kept(nb_span bytes) {
    nb_kept *kept = malloc(sizeof *kept + bytes.len);
    if (!kept)
        return NULL;
    atomic_init(&kept->verified_s, nb_now_s());
    kept->size = bytes.len;
    memcpy(kept->bytes, bytes.ptr, bytes.len);
    return kept;
}

/* Have others give up their bytes, the least recently used first, until `size` more fit. Holds the shard's lock. */
static bool make_room(nb_shard *shard, size_t size, size_t size_max) {
    nb_link *link = shard->kept.next;
    for (int tries = 0; shard->kept_bytes + size > size_max; tries++) {
        if (link == &shard->kept || tries == NB_KEPT_TRIES_MAX)
            return false;
        nb_entry *entry = NB_OF(link, nb_entry, kept_link);
        link = link->next;
        if (atomic_load(&entry->users) > 1)
            continue; /* somebody may be copying them */
        nb_kept *kept = atomic_exchange(&entry->kept, NULL);
        nb_list_remove(&entry->kept_link);
        shard->kept_bytes -= kept->size;
        free(kept);
    }
    return true;
}

bool nb_kept_wants(nb_entry *entry) {
    uint32_t now_s = nb_now_s(), last_s = atomic_exchange_explicit(&entry->read_s, now_s, memory_order_relaxed);
    return is_recent(last_s, now_s, NB_KEPT_S);
}

void nb_kept_offer(nb_cache *cache, nb_entry *entry, nb_span bytes) {
    nb_kept *kept = atomic_load_explicit(&entry->kept, memory_order_acquire);
    if (kept) { /* too old to be believed, until now */
        if (kept->size == bytes.len && memcmp(kept->bytes, bytes.ptr, bytes.len) == 0)
            atomic_store_explicit(&kept->verified_s, nb_now_s(), memory_order_relaxed);
        return;
    }
    if (!(kept = make_kept(bytes)))
        return;
    nb_shard *shard = nb_cache_shard(cache, entry);
    pthread_mutex_lock(&shard->lock);
    bool is_in_cache = nb_link_is_in(&entry->lru);
    if (is_in_cache && !atomic_load(&entry->kept) && make_room(shard, bytes.len, cache->shard_kept_bytes_max)) {
        atomic_store_explicit(&entry->kept, kept, memory_order_release);
        nb_list_append(&shard->kept, &entry->kept_link);
        shard->kept_bytes += bytes.len;
        kept = NULL;
    }
    pthread_mutex_unlock(&shard->lock);
    free(kept);
}
