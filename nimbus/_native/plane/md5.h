/* MD5 over many streams at once: 16 lanes with AVX-512, 8 with AVX2, one by one elsewhere (RFC 1321).
 *
 * MD5 is one long chain of dependent steps, so a single stream leaves most of a core idle; S3's ETag needs it all
 * the same. Blocks of several concurrent uploads go through the lanes of one vector register side by side.
 *
 * Must always hold: the digest of a stream does not depend on what else was hashed beside it, on how its bytes were
 * cut into pieces, nor on the instruction set.
 */
#ifndef NIMBUS_PLANE_MD5_H
#define NIMBUS_PLANE_MD5_H

#include <stdint.h>

#include "span.h"

enum {
    NB_MD5_SIZE_BYTES = 16,
    NB_MD5_BLOCK_SIZE_BYTES = 64,
    NB_MD5_LANES_MAX = 16,
    NB_MD5_STREAMS_MIN = 3, /* fewer go one by one: a lane runs at half the speed of the scalar code (measured) */
};

typedef enum { NB_MD5_SCALAR, NB_MD5_AVX2, NB_MD5_AVX512 } nb_md5_isa;

typedef struct {
    uint32_t state[4];
    uint64_t length;
    uint8_t tail[NB_MD5_BLOCK_SIZE_BYTES]; /* the last length % 64 bytes */
} nb_md5;

/* More bytes of one stream. */
typedef struct {
    nb_md5 *stream;
    nb_span data;
} nb_md5_job;

/* The best instruction set that this machine has. */
nb_md5_isa nb_md5_isa_best(void);

void nb_md5_init(nb_md5 *stream);
void nb_md5_update(nb_md5 *stream, nb_span data);

/* Update each job's stream. REQUIRES: no stream stands in two jobs. Uses the jobs as scratch. */
void nb_md5_update_many(nb_md5_job *jobs, size_t count, nb_md5_isa isa);

/* The digest so far; the stream stays as it is. */
void nb_md5_final(const nb_md5 *stream, uint8_t digest[NB_MD5_SIZE_BYTES]);

#endif
