/* XXH3-64 with the widest vectors that this processor has, chosen once when the module is loaded.
 *
 * xxhash.h picks its vectors when it is compiled, for the oldest processor of the architecture; wider ones are 1.6
 * (AVX2) and 3.4 (AVX-512) times as fast. All variants give the same hashes and share the layout of the state.
 * Pure; any thread; a state belongs to one thread at a time.
 */
#ifndef NIMBUS_XXH3_H
#define NIMBUS_XXH3_H

#include <stddef.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

typedef struct {
    const char *name;
    uint64_t (*hash)(const void *data, size_t length);
    void (*update)(XXH3_state_t *state, const void *data, size_t length);
} nb_xxh3_variant;

/* The chosen one. */
extern const nb_xxh3_variant *nb_xxh3;

extern const nb_xxh3_variant nb_xxh3_portable;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define NB_XXH3_HAS_WIDE 1
extern const nb_xxh3_variant nb_xxh3_avx2;
extern const nb_xxh3_variant nb_xxh3_avx512;
#endif

/* Defines the variant `VARIANT`; its file sets the target first. */
#define NB_XXH3_DEFINE(VARIANT, NAME)                                                                                \
    static uint64_t hash_all(const void *data, size_t length) { return XXH3_64bits(data, length); }                  \
    static void update_state(XXH3_state_t *state, const void *data, size_t length) {                                 \
        XXH3_64bits_update(state, data, length);                                                                     \
    }                                                                                                                \
    const nb_xxh3_variant VARIANT = {NAME, hash_all, update_state};

#endif
