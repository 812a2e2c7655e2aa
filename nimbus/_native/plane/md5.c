/* See md5.h. Three kernels over the same 64 steps (md5_rounds.h), and the scheduler that keeps the lanes full. */
#include "md5.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

#define ADD(x, y) ((x) + (y))
#define ROL(x, n) rotate(x, n)
#define SET1(k) ((uint32_t)(k))
#define F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))
static void blocks_scalar(uint32_t state[4], const uint8_t *data, size_t blocks) {
    uint32_t w[16];
    for (; blocks; blocks--, data += NB_MD5_BLOCK_SIZE_BYTES) {
        memcpy(w, data, sizeof w); /* little-endian machines only, as the rest of the native room */
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
#include "md5_rounds.h"
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    }
}
#undef ADD
#undef ROL
#undef SET1
#undef F
#undef G
#undef H
#undef I

#if defined(__x86_64__)

/* What the vector kernels work on: word k of every lane's state side by side, and where each lane reads. */
typedef struct {
    uint32_t words[4][NB_MD5_LANES_MAX] __attribute__((aligned(64)));
    const uint8_t *data[NB_MD5_LANES_MAX];
} lanes;

#define ADD(x, y) _mm256_add_epi32(x, y)
#define ROL(x, n) _mm256_or_si256(_mm256_slli_epi32(x, n), _mm256_srli_epi32(x, 32 - (n)))
#define SET1(k) _mm256_set1_epi32((int)(k))
#define F(x, y, z) _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
#define G(x, y, z) _mm256_xor_si256(y, _mm256_and_si256(z, _mm256_xor_si256(x, y)))
#define H(x, y, z) _mm256_xor_si256(x, _mm256_xor_si256(y, z))
#define I(x, y, z) _mm256_xor_si256(y, _mm256_or_si256(x, _mm256_xor_si256(z, _mm256_set1_epi32(-1))))

/* Eight rows of eight words (one row a lane) become eight vectors of one word of every lane. */
__attribute__((target("avx2")))
static void transpose8(const uint8_t *const rows[8], size_t offset, __m256i out[8]) {
    __m256i r[8], t[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_si256((const __m256i *)(rows[i] + offset));
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        out[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
        out[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
    }
}

__attribute__((target("avx2")))
static void blocks_avx2(lanes *l, size_t blocks) {
    __m256i w[16], s[4];
    for (int k = 0; k < 4; k++)
        s[k] = _mm256_load_si256((const __m256i *)l->words[k]);
    for (size_t offset = 0; blocks; blocks--, offset += NB_MD5_BLOCK_SIZE_BYTES) {
        transpose8(l->data, offset, w);
        transpose8(l->data, offset + 32, w + 8);
        __m256i a = s[0], b = s[1], c = s[2], d = s[3];
#include "md5_rounds.h"
        s[0] = ADD(s[0], a), s[1] = ADD(s[1], b), s[2] = ADD(s[2], c), s[3] = ADD(s[3], d);
    }
    for (int k = 0; k < 4; k++)
        _mm256_store_si256((__m256i *)l->words[k], s[k]);
}
#undef ADD
#undef ROL
#undef SET1
#undef F
#undef G
#undef H
#undef I

#define ADD(x, y) _mm512_add_epi32(x, y)
#define ROL(x, n) _mm512_rol_epi32(x, n)
#define SET1(k) _mm512_set1_epi32((int)(k))
/* The truth tables of the four functions over (x, y, z), for vpternlogd. */
#define F(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define G(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xe4)
#define H(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define I(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x39)

/* Sixteen rows of sixteen words become sixteen vectors of one word of every lane. */
__attribute__((target("avx512f")))
static void transpose16(const uint8_t *const rows[16], size_t offset, __m512i w[16]) {
    __m512i r[16], t[16];
    for (int i = 0; i < 16; i++)
        r[i] = _mm512_loadu_si512(rows[i] + offset);
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        w[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        w[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        w[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        w[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

__attribute__((target("avx512f")))
static void blocks_avx512(lanes *l, size_t blocks) {
    __m512i w[16], s[4];
    for (int k = 0; k < 4; k++)
        s[k] = _mm512_load_si512(l->words[k]);
    for (size_t offset = 0; blocks; blocks--, offset += NB_MD5_BLOCK_SIZE_BYTES) {
        transpose16(l->data, offset, w);
        __m512i a = s[0], b = s[1], c = s[2], d = s[3];
#include "md5_rounds.h"
        s[0] = ADD(s[0], a), s[1] = ADD(s[1], b), s[2] = ADD(s[2], c), s[3] = ADD(s[3], d);
    }
    for (int k = 0; k < 4; k++)
        _mm512_store_si512(l->words[k], s[k]);
}
#undef ADD
#undef ROL
#undef SET1
#undef F
#undef G
#undef H
#undef I

/* Run the streams' first `blocks` blocks side by side. Idle lanes hash the first stream's bytes and are dropped. */
static void run_lanes(nb_md5_job *const active[], size_t count, size_t width, size_t blocks) {
    lanes l;
    for (size_t lane = 0; lane < width; lane++) {
        const nb_md5_job *job = active[lane < count ? lane : 0];
        l.data[lane] = (const uint8_t *)job->data.ptr;
        for (int k = 0; k < 4; k++)
            l.words[k][lane] = job->stream->state[k];
    }
    if (width == 16)
        blocks_avx512(&l, blocks);
    else
        blocks_avx2(&l, blocks);
    for (size_t lane = 0; lane < count; lane++) {
        for (int k = 0; k < 4; k++)
            active[lane]->stream->state[k] = l.words[k][lane];
        active[lane]->data.ptr += blocks * NB_MD5_BLOCK_SIZE_BYTES;
        active[lane]->data.len -= blocks * NB_MD5_BLOCK_SIZE_BYTES;
    }
}

nb_md5_isa nb_md5_isa_best(void) {
    if (__builtin_cpu_supports("avx512f"))
        return NB_MD5_AVX512;
    return __builtin_cpu_supports("avx2") ? NB_MD5_AVX2 : NB_MD5_SCALAR;
}

#else

static void run_lanes(nb_md5_job *const active[], size_t count, size_t width, size_t blocks) {
    (void)active, (void)count, (void)width, (void)blocks;
    __builtin_unreachable(); /* nb_md5_isa_best never names a vector set here */
}

nb_md5_isa nb_md5_isa_best(void) { return NB_MD5_SCALAR; }

#endif

void nb_md5_init(nb_md5 *stream) {
    *stream = (nb_md5){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

/* Complete and hash the block begun earlier. What is left of *data starts on a block boundary, or is empty. */
static void fill_tail(nb_md5 *stream, nb_span *data) {
    size_t held = stream->length % NB_MD5_BLOCK_SIZE_BYTES;
    if (held == 0 || data->len == 0)
        return;
    size_t taken = NB_MD5_BLOCK_SIZE_BYTES - held;
    if (taken > data->len)
        taken = data->len;
    memcpy(stream->tail + held, data->ptr, taken);
    data->ptr += taken, data->len -= taken;
    stream->length += taken;
    if (held + taken == NB_MD5_BLOCK_SIZE_BYTES)
        blocks_scalar(stream->state, stream->tail, 1);
}

static void hash_whole_blocks(nb_md5_job *job) {
    size_t blocks = job->data.len / NB_MD5_BLOCK_SIZE_BYTES;
    blocks_scalar(job->stream->state, (const uint8_t *)job->data.ptr, blocks);
    job->data.ptr += blocks * NB_MD5_BLOCK_SIZE_BYTES;
    job->data.len -= blocks * NB_MD5_BLOCK_SIZE_BYTES;
}

static void keep_tail(nb_md5_job *job) {
    if (job->data.len)
        memcpy(job->stream->tail, job->data.ptr, job->data.len);
}

void nb_md5_update(nb_md5 *stream, nb_span data) {
    nb_md5_job job = {stream, data};
    nb_md5_update_many(&job, 1, NB_MD5_SCALAR);
}

/* Take jobs with a whole block from the queue until every lane is busy. */
static size_t refill(nb_md5_job *active[], size_t busy, size_t width, nb_md5_job **next, const nb_md5_job *end) {
    for (; busy < width && *next < end; (*next)++)
        if ((*next)->data.len >= NB_MD5_BLOCK_SIZE_BYTES)
            active[busy++] = *next;
    return busy;
}

static size_t blocks_in_common(nb_md5_job *const active[], size_t busy) {
    size_t blocks = SIZE_MAX;
    for (size_t lane = 0; lane < busy; lane++) {
        size_t mine = active[lane]->data.len / NB_MD5_BLOCK_SIZE_BYTES;
        blocks = mine < blocks ? mine : blocks;
    }
    return blocks;
}

static size_t drop_finished(nb_md5_job *active[], size_t busy) {
    size_t left = 0;
    for (size_t lane = 0; lane < busy; lane++)
        if (active[lane]->data.len >= NB_MD5_BLOCK_SIZE_BYTES)
            active[left++] = active[lane];
    return left;
}

static void run_scheduler(nb_md5_job *jobs, size_t count, nb_md5_isa isa) {
    size_t width = isa == NB_MD5_AVX512 ? 16 : isa == NB_MD5_AVX2 ? 8 : 1;
    nb_md5_job *active[NB_MD5_LANES_MAX] = {0};
    nb_md5_job *next = jobs;
    size_t busy = refill(active, 0, width, &next, jobs + count);
    while (busy >= NB_MD5_STREAMS_MIN) {
        run_lanes(active, busy, width, blocks_in_common(active, busy));
        busy = refill(active, drop_finished(active, busy), width, &next, jobs + count);
    }
    for (size_t lane = 0; lane < busy; lane++)
        hash_whole_blocks(active[lane]);
    for (; next < jobs + count; next++)
        hash_whole_blocks(next);
}

void nb_md5_update_many(nb_md5_job *jobs, size_t count, nb_md5_isa isa) {
    for (size_t i = 0; i < count; i++) {
        fill_tail(jobs[i].stream, &jobs[i].data);
        jobs[i].stream->length += jobs[i].data.len;
    }
    run_scheduler(jobs, count, isa);
    for (size_t i = 0; i < count; i++)
        keep_tail(&jobs[i]);
}

void nb_md5_final(const nb_md5 *stream, uint8_t digest[NB_MD5_SIZE_BYTES]) {
    nb_md5 copy = *stream;
    size_t held = stream->length % NB_MD5_BLOCK_SIZE_BYTES;
    uint8_t padding[2 * NB_MD5_BLOCK_SIZE_BYTES] = {0x80};
    size_t zeros_end = held < 56 ? 56 - held : 120 - held;
    uint64_t bits = stream->length * 8;
    memcpy(padding + zeros_end, &bits, sizeof bits);
    nb_md5_update(&copy, (nb_span){(const char *)padding, zeros_end + sizeof bits});
    memcpy(digest, copy.state, NB_MD5_SIZE_BYTES);
}
