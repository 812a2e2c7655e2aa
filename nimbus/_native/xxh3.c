/* XXH3-64 for any processor, and the choice among the variants. Contract in xxh3.h. */
#include "xxh3.h"

NB_XXH3_DEFINE(nb_xxh3_portable, "portable")

const nb_xxh3_variant *nb_xxh3 = &nb_xxh3_portable;

#ifdef NB_XXH3_HAS_WIDE
__attribute__((constructor)) static void choose(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) nb_xxh3 = &nb_xxh3_avx2;
    if (__builtin_cpu_supports("avx512f")) nb_xxh3 = &nb_xxh3_avx512;
}
#endif
