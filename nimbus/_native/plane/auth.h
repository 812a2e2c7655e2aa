/* Who signed a request: the key ring that Python pushes, and the check of SigV4 heads and presigned queries.
 *
 * Only a request that is right in every respect gets an answer here; for everything else (other forms, unknown keys,
 * wrong signatures, skewed clocks) the embedded server's verifier has the words, so nothing is refused natively.
 *
 * Must always hold: a ring is replaced whole; a worker takes the new one at the beginning of its next turn, before it
 * looks at any request; signing keys derived from an old ring go with it; secrets are wiped when a ring is freed.
 */
#ifndef NIMBUS_PLANE_AUTH_H
#define NIMBUS_PLANE_AUTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "plane/http.h"
#include "sigv4.h"

enum { NB_SIGNERS = 256 };

typedef struct {
    nb_span access_key, secret, user_id;
} nb_key;

typedef struct nb_keyring {
    atomic_size_t users;
    size_t size_bytes;
    size_t count;
    nb_span region;
    nb_key keys[]; /* in order of access key; texts behind them */
} nb_keyring;

/* A ring of copies; NULL when memory is short. The caller is its first user. */
nb_keyring *nb_keyring_new(const nb_key *keys, size_t count, nb_span region);
void nb_keyring_give(nb_keyring *ring);

/* A signing key that has verified a request. */
typedef struct {
    size_t access_key_len, scope_len;
    char access_key[NB_SIGV4_ACCESS_KEY_SIZE_MAX];
    char scope[NB_SIGV4_SCOPE_SIZE_MAX];
    uint8_t key[NB_SIGV4_KEY_SIZE];
} nb_signer;

/* Each worker's own. */
typedef struct {
    const nb_keyring *ring;
    nb_signer signers[NB_SIGNERS];
    nb_sigv4_scratch scratch;
    nb_sigv4_claim claim; /* of the last request verified */
    uint8_t signing_key[NB_SIGV4_KEY_SIZE];
} nb_auth;

/* Take another ring, and forget the keys derived from the last one. */
void nb_auth_set_ring(nb_auth *auth, const nb_keyring *ring);

/* The user who signed the request, or NULL when the embedded server should look at it. The span is the ring's. */
const nb_key *nb_auth_verify(nb_auth *auth, const nb_request *request, int64_t now_s);

#endif
