/* XXH3-64 for processors with AVX2. Contract in xxh3.h. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2")
#include "xxh3.h"
NB_XXH3_DEFINE(nb_xxh3_avx2, "avx2")
#endif
