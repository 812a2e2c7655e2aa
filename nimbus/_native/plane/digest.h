/* A set of digests computed in one pass: whatever S3 may ask of an upload, chosen by a bit mask.
 *
 * MD5 is fed by its own call (or straight into `md5`), because the caller usually feeds the streams of several uploads through the lanes of
 * md5.h together.
 *
 * Must always hold: after a successful init exactly one nb_digests_free; every digest is over the same bytes.
 */
#ifndef NIMBUS_PLANE_DIGEST_H
#define NIMBUS_PLANE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "md5.h"
#include "span.h"

typedef enum {
    NB_MD5,
    NB_CRC32,
    NB_CRC32C,
    NB_CRC64NVME,
    NB_SHA1,
    NB_SHA256,
    NB_SHA512,
    NB_XXHASH64,
    NB_XXHASH3,
    NB_XXHASH128,
    NB_DIGEST_KINDS,
} nb_digest_kind;

enum { NB_DIGEST_SIZE_BYTES_MAX = 64 };

typedef struct {
    uint32_t wanted; /* bit mask over nb_digest_kind */
    nb_md5 md5;
    uint32_t crc32;
    uint32_t crc32c;
    uint64_t crc64nvme;
    void *sha[3];    /* EVP_MD_CTX of SHA-1, SHA-256, SHA-512, or NULL */
    void *xxhash64;  /* XXH64_state_t or NULL */
    void *xxhash3[2]; /* XXH3_state_t of the 64 and the 128 bit form, or NULL */
} nb_digests;

/* False when memory is short: nothing to free then. */
bool nb_digests_init(nb_digests *set, uint32_t wanted);
void nb_digests_free(nb_digests *set);

/* More bytes for every digest but MD5; and for MD5 alone, when it is wanted. */
bool nb_digests_update(nb_digests *set, nb_span data);
void nb_digests_update_md5(nb_digests *set, nb_span data);

/* The finished digest in wire order (big end first); its size, or 0 when it was not wanted or the library failed.
 * For each kind at most once. */
size_t nb_digests_final(nb_digests *set, nb_digest_kind kind, uint8_t out[NB_DIGEST_SIZE_BYTES_MAX]);

/* S3's name of the algorithm, as in x-amz-checksum-algorithm, and the kind of such a name in any case, or -1. */
const char *nb_digest_name(nb_digest_kind kind);
int nb_digest_kind_of(nb_span name);
size_t nb_digest_size(nb_digest_kind kind);

#endif
