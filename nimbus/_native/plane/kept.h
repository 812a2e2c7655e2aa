/* The first bytes of hot objects, kept in memory: an answer that finds its bytes here costs no read.
 *
 * Kept are small objects whole, and of larger ones what lies before the first page of their file, which goes out with
 * the head. More is not worth it: from 16 KiB on sendfile is cheaper than copying what is in no processor's cache
 * (measured). Bytes are kept from the second read within NB_KEPT_S on, so that whoever reads everything once displaces
 * nothing, and count for a minute, unless a mismatch anywhere in the file makes the entry void. They have a share of the cache's bytes; what was used least
 * recently goes first, its entry stays.
 *
 * Must always hold: kept bytes matched their hash; they are freed under the shard's lock when nobody but the cache has
 * the entry, or with the entry.
 */
#ifndef NIMBUS_PLANE_KEPT_H
#define NIMBUS_PLANE_KEPT_H

#include "plane/cache.h"

enum {
    NB_KEPT_S = 60,
    NB_KEPT_VERIFIED_S = 60, /* then they are compared with the file again */
    NB_KEPT_TRIES_MAX = 8, /* entries that are looked at, to make room for one */
};

struct nb_kept {
    _Atomic uint32_t verified_s;
    size_t size;
    char bytes[];
};

/* Copy the object's bytes [start, end) to out; false when they are not kept. */
bool nb_kept_copy(nb_entry *entry, uint64_t start, uint64_t end, char *out);

/* The object's first bytes are to be read from its file: whether they are read so often that they should be kept. */
bool nb_kept_wants(nb_entry *entry);

/* They were read, and verified now. REQUIRES: the caller has a share in the entry. */
void nb_kept_offer(nb_cache *cache, nb_entry *entry, nb_span bytes);

#endif
