/* Blocks of the plane's own memory for the bytes of large uploads, on the way from the socket to the disk.
 *
 * They are aligned, so that a file opened with O_DIRECT takes them, and kept for the next upload: memory that the kernel
 * has to make anew costs as much as receiving into it. No more than NB_BLOCKS_SPARE_MAX are kept.
 */
#ifndef NIMBUS_PLANE_BLOCK_POOL_H
#define NIMBUS_PLANE_BLOCK_POOL_H

#include <pthread.h>
#include <stddef.h>

enum {
    NB_BLOCK_ALIGNMENT_BYTES = 4096, /* what any disk asks for */
    NB_BLOCKS_SPARE_MAX = 64,        /* 16 MiB: two for each of 32 uploads at a time */
};

typedef struct {
    pthread_mutex_t lock;
    void *spare; /* each begins with the address of the next */
    size_t spare_count;
} nb_block_pool;

void nb_block_pool_init(nb_block_pool *pool);
void nb_block_pool_trim(nb_block_pool *pool); /* free the spare ones. Any thread */
void nb_block_pool_free(nb_block_pool *pool);

/* NB_BLOCK_SIZE bytes of anything, or NULL when memory is short. Any thread. */
char *nb_block_pool_take(nb_block_pool *pool);
void nb_block_pool_give(nb_block_pool *pool, char *block); /* NULL is fine */

#endif
