/* See digest.h. SHA through OpenSSL's EVP, xxHash through libxxhash, the CRCs and MD5 through our own leaves. */
#include "digest.h"

#include <openssl/evp.h>
#include <string.h>
#include <xxhash.h>

#include "crc.h"
#include "http.h"

static const struct {
    const char *name; /* lower case, as nb_span_is_nocase wants it */
    const char *wire_name;
    size_t size_bytes;
} KINDS[NB_DIGEST_KINDS] = {
    [NB_MD5] = {"md5", "MD5", 16},
    [NB_CRC32] = {"crc32", "CRC32", 4},
    [NB_CRC32C] = {"crc32c", "CRC32C", 4},
    [NB_CRC64NVME] = {"crc64nvme", "CRC64NVME", 8},
    [NB_SHA1] = {"sha1", "SHA1", 20},
    [NB_SHA256] = {"sha256", "SHA256", 32},
    [NB_SHA512] = {"sha512", "SHA512", 64},
    [NB_XXHASH64] = {"xxhash64", "XXHASH64", 8},
    [NB_XXHASH3] = {"xxhash3", "XXHASH3", 8},
    [NB_XXHASH128] = {"xxhash128", "XXHASH128", 16},
};

const char *nb_digest_name(nb_digest_kind kind) { return KINDS[kind].wire_name; }

size_t nb_digest_size(nb_digest_kind kind) { return KINDS[kind].size_bytes; }

int nb_digest_kind_of(nb_span name) {
    for (int kind = 0; kind < NB_DIGEST_KINDS; kind++)
        if (nb_span_is_nocase(name, KINDS[kind].name))
            return kind;
    return -1;
}

static bool wants(const nb_digests *set, nb_digest_kind kind) { return set->wanted >> kind & 1; }

static bool init_sha(nb_digests *set, int index, const EVP_MD *algorithm) {
    set->sha[index] = EVP_MD_CTX_new();
    return set->sha[index] && EVP_DigestInit_ex(set->sha[index], algorithm, NULL) == 1;
}

static bool init_all(nb_digests *set) {
    if (wants(set, NB_SHA1) && !init_sha(set, 0, EVP_sha1()))
        return false;
    if (wants(set, NB_SHA256) && !init_sha(set, 1, EVP_sha256()))
        return false;
    if (wants(set, NB_SHA512) && !init_sha(set, 2, EVP_sha512()))
        return false;
    if (wants(set, NB_XXHASH64) && (!(set->xxhash64 = XXH64_createState()) || XXH64_reset(set->xxhash64, 0) != XXH_OK))
        return false;
    for (int wide = 0; wide < 2; wide++) {
        if (!wants(set, wide ? NB_XXHASH128 : NB_XXHASH3))
            continue;
        if (!(set->xxhash3[wide] = XXH3_createState()))
            return false;
        if ((wide ? XXH3_128bits_reset(set->xxhash3[wide]) : XXH3_64bits_reset(set->xxhash3[wide])) != XXH_OK)
            return false;
    }
    return true;
}

bool nb_digests_init(nb_digests *set, uint32_t wanted) {
    memset(set, 0, sizeof *set);
    set->wanted = wanted;
    nb_md5_init(&set->md5);
    if (init_all(set))
        return true;
    nb_digests_free(set);
    return false;
}

void nb_digests_free(nb_digests *set) {
    for (int i = 0; i < 3; i++)
        EVP_MD_CTX_free(set->sha[i]);
    XXH64_freeState(set->xxhash64);
    XXH3_freeState(set->xxhash3[0]);
    XXH3_freeState(set->xxhash3[1]);
    memset(set, 0, sizeof *set);
}

bool nb_digests_update(nb_digests *set, nb_span data) {
    if (wants(set, NB_CRC32))
        set->crc32 = nb_crc32(set->crc32, data);
    if (wants(set, NB_CRC32C))
        set->crc32c = nb_crc32c(set->crc32c, data);
    if (wants(set, NB_CRC64NVME))
        set->crc64nvme = nb_crc64nvme(set->crc64nvme, data);
    for (int i = 0; i < 3; i++)
        if (set->sha[i] && EVP_DigestUpdate(set->sha[i], data.ptr, data.len) != 1)
            return false;
    if (set->xxhash64 && XXH64_update(set->xxhash64, data.ptr, data.len) != XXH_OK)
        return false;
    if (set->xxhash3[0] && XXH3_64bits_update(set->xxhash3[0], data.ptr, data.len) != XXH_OK)
        return false;
    return !set->xxhash3[1] || XXH3_128bits_update(set->xxhash3[1], data.ptr, data.len) == XXH_OK;
}

void nb_digests_update_md5(nb_digests *set, nb_span data) {
    if (wants(set, NB_MD5))
        nb_md5_update(&set->md5, data);
}

static size_t put_big_endian(uint64_t value, size_t size, uint8_t *out) {
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(value >> 8 * (size - 1 - i));
    return size;
}

static size_t final_sha(void *context, uint8_t *out) {
    unsigned int size = 0;
    return EVP_DigestFinal_ex(context, out, &size) == 1 ? size : 0;
}

static size_t final_xxhash128(void *state, uint8_t *out) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
    memcpy(out, canonical.digest, sizeof canonical.digest);
    return sizeof canonical.digest;
}

size_t nb_digests_final(nb_digests *set, nb_digest_kind kind, uint8_t out[NB_DIGEST_SIZE_BYTES_MAX]) {
    if (!wants(set, kind))
        return 0;
    switch (kind) {
    case NB_MD5: nb_md5_final(&set->md5, out); return NB_MD5_SIZE_BYTES;
    case NB_CRC32: return put_big_endian(set->crc32, 4, out);
    case NB_CRC32C: return put_big_endian(set->crc32c, 4, out);
    case NB_CRC64NVME: return put_big_endian(set->crc64nvme, 8, out);
    case NB_SHA1: return final_sha(set->sha[0], out);
    case NB_SHA256: return final_sha(set->sha[1], out);
    case NB_SHA512: return final_sha(set->sha[2], out);
    case NB_XXHASH64: return put_big_endian(XXH64_digest(set->xxhash64), 8, out);
    case NB_XXHASH3: return put_big_endian(XXH3_64bits_digest(set->xxhash3[0]), 8, out);
    case NB_XXHASH128: return final_xxhash128(set->xxhash3[1], out);
    default: return 0;
    }
}
