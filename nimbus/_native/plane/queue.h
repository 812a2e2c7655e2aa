/* A bounded first-in-first-out queue between threads, intrusive: an item's first member is its link. */
#ifndef NIMBUS_PLANE_QUEUE_H
#define NIMBUS_PLANE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct nb_item {
    struct nb_item *next;
} nb_item;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    nb_item *first, **last;
    size_t count, count_max;
    size_t wanted;         /* whoever has found something, or awaits it, waits for as many */
    struct timespec until; /* but no longer */
    bool is_closed;
} nb_queue;

void nb_queue_init(nb_queue *queue, size_t count_max);
void nb_queue_free(nb_queue *queue);

/* False when the queue is full or closed: the item stays the caller's. */
bool nb_queue_put(nb_queue *queue, nb_item *item);

/* The same for what is bounded elsewhere: false only when the queue is closed. */
bool nb_queue_put_always(nb_queue *queue, nb_item *item);

/* From now on for window_us, whoever waits in a take waits for `wanted` items, once there is one. */
void nb_queue_expect(nb_queue *queue, size_t wanted, int64_t window_us);

/* Up to count_max items as a chain, in order; NULL after timeout_ms without one (negative: never), or when closed. */
nb_item *nb_queue_take(nb_queue *queue, size_t count_max, int64_t timeout_ms);

/* How many items it holds, once there are so many, or after timeout_us, or when closed. REQUIRES: nobody else takes. */
size_t nb_queue_await(nb_queue *queue, size_t wanted, int64_t timeout_us);

/* Nothing can be put any more; whoever waits is woken. What is left can be taken with a timeout of 0. */
void nb_queue_close(nb_queue *queue);

#endif
