/* See crc.h.
 *
 * CRC64NVME is the reflected CRC of polynomial 0xad93d23594c93659, all ones in and out. The fast path folds 64 bytes
 * at a time ("Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009): a 128-bit register X moved
 * forward by D bits is X.low * (x^(D+63) mod P) + X.high * (x^(D-1) mod P), in the reflected representation.
 */
#include "crc.h"

#include <isa-l/crc.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { PIECE_SIZE_BYTES_MAX = 1 << 30 }; /* isa-l takes the length as an int */

uint32_t nb_crc32(uint32_t crc, nb_span data) {
    return crc32_gzip_refl(crc, (const unsigned char *)data.ptr, data.len);
}

uint32_t nb_crc32c(uint32_t crc, nb_span data) {
    crc = ~crc;
    while (data.len) {
        size_t piece = data.len < PIECE_SIZE_BYTES_MAX ? data.len : PIECE_SIZE_BYTES_MAX;
        crc = crc32_iscsi((unsigned char *)data.ptr, (int)piece, crc);
        data.ptr += piece, data.len -= piece;
    }
    return ~crc;
}

/* The remainders of the sixteen 4-bit values under the reflected polynomial 0x9a6c9329ac4bc9b5. */
static const uint64_t NIBBLE[16] = {
    0x0000000000000000, 0x78e0ff3b88be6f81, 0xf1c1fe77117cdf02, 0x8921014c99c2b083,
    0xd75adabd7a6e2d6f, 0xafba2586f2d042ee, 0x269b24ca6b12f26d, 0x5e7bdbf1e3ac9dec,
    0x9a6c9329ac4bc9b5, 0xe28c6c1224f5a634, 0x6bad6d5ebd3716b7, 0x134d926535897936,
    0x4d364994d625e4da, 0x35d6b6af5e9b8b5b, 0xbcf7b7e3c7593bd8, 0xc41748d84fe75459,
};

/* On the bare register: no inversion. */
static uint64_t crc64_bytes(uint64_t crc, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ NIBBLE[crc & 15];
        crc = crc >> 4 ^ NIBBLE[crc & 15];
    }
    return crc;
}

uint64_t nb_crc64nvme_portable(uint64_t crc, nb_span data) {
    return ~crc64_bytes(~crc, (const uint8_t *)data.ptr, data.len);
}

#if defined(__x86_64__)

__attribute__((target("pclmul,sse4.1")))
static __m128i fold(__m128i x, __m128i constants) {
    return _mm_xor_si128(_mm_clmulepi64_si128(x, constants, 0x00), _mm_clmulepi64_si128(x, constants, 0x11));
}

/* REQUIRES: len is a multiple of 64 and not 0. */
__attribute__((target("pclmul,sse4.1")))
static uint64_t crc64_folded(uint64_t crc, const uint8_t *data, size_t len) {
    const __m128i by_512 = _mm_set_epi64x(0x62242240ace5045a, 0x0c32cdb31e18a84a);
    const __m128i by_128 = _mm_set_epi64x(0x21e9761e252621ac, (long long)0xeadc41fd2ba3d420);
    __m128i x[4];
    for (int i = 0; i < 4; i++)
        x[i] = _mm_loadu_si128((const __m128i *)data + i);
    x[0] = _mm_xor_si128(x[0], _mm_cvtsi64_si128((long long)crc));
    for (size_t at = 64; at < len; at += 64)
        for (int i = 0; i < 4; i++)
            x[i] = _mm_xor_si128(fold(x[i], by_512), _mm_loadu_si128((const __m128i *)(data + at) + i));
    for (int i = 1; i < 4; i++)
        x[i] = _mm_xor_si128(fold(x[i - 1], by_128), x[i]);
    uint8_t rest[16];
    _mm_storeu_si128((__m128i *)rest, x[3]);
    return crc64_bytes(0, rest, sizeof rest);
}

uint64_t nb_crc64nvme(uint64_t crc, nb_span data) {
    const uint8_t *bytes = (const uint8_t *)data.ptr;
    size_t folded = data.len & ~(size_t)63;
    crc = ~crc;
    if (folded && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
        crc = crc64_folded(crc, bytes, folded);
    else
        folded = 0;
    return ~crc64_bytes(crc, bytes + folded, data.len - folded);
}

#else

uint64_t nb_crc64nvme(uint64_t crc, nb_span data) { return nb_crc64nvme_portable(crc, data); }

#endif
