/* See block_pool.h. */
#include "plane/block_pool.h"

#include <stdbool.h>
#include <stdlib.h>

#include "frame.h"

void nb_block_pool_init(nb_block_pool *pool) {
    pthread_mutex_init(&pool->lock, NULL);
    pool->spare = NULL;
    pool->spare_count = 0;
}

void nb_block_pool_trim(nb_block_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    for (void *block; (block = pool->spare);) {
        pool->spare = *(void **)block;
        free(block);
    }
    pool->spare_count = 0;
    pthread_mutex_unlock(&pool->lock);
}

void nb_block_pool_free(nb_block_pool *pool) {
    nb_block_pool_trim(pool);
    pthread_mutex_destroy(&pool->lock);
}

char *nb_block_pool_take(nb_block_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    void *block = pool->spare;
    if (block) {
        pool->spare = *(void **)block;
        pool->spare_count--;
    }
    pthread_mutex_unlock(&pool->lock);
    return block ? block : aligned_alloc(NB_BLOCK_ALIGNMENT_BYTES, NB_BLOCK_SIZE);
}

void nb_block_pool_give(nb_block_pool *pool, char *block) {
    if (!block)
        return;
    pthread_mutex_lock(&pool->lock);
    bool is_kept = pool->spare_count < NB_BLOCKS_SPARE_MAX;
    if (is_kept) {
        *(void **)block = pool->spare;
        pool->spare = block;
        pool->spare_count++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!is_kept)
        free(block);
}
