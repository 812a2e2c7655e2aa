/* XXH3-64 for processors with AVX-512. Contract in xxh3.h. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx512f")
#include "xxh3.h"
NB_XXH3_DEFINE(nb_xxh3_avx512, "avx512")
#endif
