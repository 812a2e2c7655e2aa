/* See auth.h. */
#include "plane/auth.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"

static int compare(nb_span a, nb_span b) {
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_keys(const void *a, const void *b) {
    return compare(((const nb_key *)a)->access_key, ((const nb_key *)b)->access_key);
}

static nb_span copy(char **at, nb_span from) {
    nb_span to = {*at, from.len};
    memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return to;
}

nb_keyring *nb_keyring_new(const nb_key *keys, size_t count, nb_span region) {
    size_t fixed = sizeof(nb_keyring) + count * sizeof(nb_key), size = fixed + region.len;
    for (size_t i = 0; i < count; i++)
        size += keys[i].access_key.len + keys[i].secret.len + keys[i].user_id.len;
    nb_keyring *ring = calloc(1, size);
    if (!ring)
        return NULL;
    atomic_init(&ring->users, 1);
    ring->size_bytes = size;
    ring->count = count;
    char *at = (char *)ring + fixed;
    ring->region = copy(&at, region);
    for (size_t i = 0; i < count; i++)
        ring->keys[i] = (nb_key){copy(&at, keys[i].access_key), copy(&at, keys[i].secret), copy(&at, keys[i].user_id)};
    qsort(ring->keys, count, sizeof(nb_key), compare_keys);
    return ring;
}

void nb_keyring_give(nb_keyring *ring) {
    if (ring && atomic_fetch_sub(&ring->users, 1) == 1) {
        OPENSSL_cleanse(ring, ring->size_bytes);
        free(ring);
    }
}

void nb_auth_set_ring(nb_auth *auth, const nb_keyring *ring) {
    auth->ring = ring;
    OPENSSL_cleanse(auth->signers, sizeof auth->signers);
}

static const nb_key *find_key(const nb_keyring *ring, nb_span access_key) {
    nb_key wanted = {.access_key = access_key};
    return ring->count ? bsearch(&wanted, ring->keys, ring->count, sizeof(nb_key), compare_keys) : NULL;
}

static nb_signer *signer_slot(nb_auth *auth, const nb_sigv4_claim *claim) {
    uint64_t hash = nb_hash(claim->access_key.ptr, claim->access_key.len) ^
                    nb_hash(claim->scope.ptr, claim->scope.len) * 0x9e3779b97f4a7c15u;
    return &auth->signers[hash % NB_SIGNERS];
}

static bool signs_for(const nb_signer *signer, const nb_sigv4_claim *claim) {
    return signer->access_key_len == claim->access_key.len && signer->scope_len == claim->scope.len &&
           memcmp(signer->access_key, claim->access_key.ptr, claim->access_key.len) == 0 &&
           memcmp(signer->scope, claim->scope.ptr, claim->scope.len) == 0;
}

static void remember(nb_signer *slot, const nb_sigv4_claim *claim, const uint8_t key[NB_SIGV4_KEY_SIZE]) {
    if (claim->access_key.len > sizeof slot->access_key || claim->scope.len > sizeof slot->scope)
        return;
    slot->access_key_len = claim->access_key.len;
    slot->scope_len = claim->scope.len;
    memcpy(slot->access_key, claim->access_key.ptr, claim->access_key.len);
    memcpy(slot->scope, claim->scope.ptr, claim->scope.len);
    memcpy(slot->key, key, NB_SIGV4_KEY_SIZE);
}

const nb_key *nb_auth_verify(nb_auth *auth, const nb_request *request, int64_t now_s) {
    nb_sigv4_claim *claim = &auth->claim;
    nb_sigv4_request head = {request->method, request->path, request->query, request->headers, request->headers_count};
    if (!auth->ring || nb_sigv4_read(&head, claim) != NB_SIGV4_OK)
        return NULL;
    if (claim->form != NB_FORM_SIGV4_HEADER && claim->form != NB_FORM_SIGV4_QUERY)
        return NULL;
    const nb_key *key = find_key(auth->ring, claim->access_key);
    if (!key || claim->has_token || nb_sigv4_check_scope(claim, auth->ring->region) != NB_SIGV4_OK ||
        nb_sigv4_check_time(claim, now_s) != NB_SIGV4_OK)
        return NULL;
    nb_signer *slot = signer_slot(auth, claim);
    bool is_known = signs_for(slot, claim);
    if (is_known)
        memcpy(auth->signing_key, slot->key, NB_SIGV4_KEY_SIZE);
    else if (!nb_sigv4_derive_key(key->secret, claim->scope_date, claim->region, claim->service, auth->signing_key))
        return NULL;
    if (nb_sigv4_check_signature(&head, claim, auth->signing_key, &auth->scratch) != NB_SIGV4_OK)
        return NULL;
    if (!is_known) /* only what has verified something: nobody without a secret can push out the keys of others */
        remember(slot, claim, auth->signing_key);
    return key;
}
