/* See queue.h. */
#include "plane/queue.h"

void nb_queue_init(nb_queue *queue, size_t count_max) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    queue->first = NULL;
    queue->last = &queue->first;
    queue->count = 0;
    queue->count_max = count_max;
    queue->wanted = 0;
    queue->is_closed = false;
}

void nb_queue_free(nb_queue *queue) {
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
}

static bool put(nb_queue *queue, nb_item *item, size_t count_max) {
    pthread_mutex_lock(&queue->lock);
    bool fits = !queue->is_closed && queue->count < count_max;
    if (fits) {
        item->next = NULL;
        *queue->last = item;
        queue->last = &item->next;
        if (queue->count++ == 0 || queue->count == queue->wanted)
            pthread_cond_signal(&queue->filled);
    }
    pthread_mutex_unlock(&queue->lock);
    return fits;
}

bool nb_queue_put(nb_queue *queue, nb_item *item) { return put(queue, item, queue->count_max); }

bool nb_queue_put_always(nb_queue *queue, nb_item *item) { return put(queue, item, SIZE_MAX); }

static struct timespec deadline(int64_t timeout_us) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_us / 1000000;
    at.tv_nsec += timeout_us % 1000000 * 1000;
    if (at.tv_nsec >= 1000000000)
        at.tv_sec++, at.tv_nsec -= 1000000000;
    return at;
}

static void wait_filled(nb_queue *queue, int64_t timeout_ms) {
    struct timespec until = deadline(timeout_ms < 0 ? 0 : timeout_ms * 1000);
    while (!queue->first && !queue->is_closed) {
        if (timeout_ms < 0)
            pthread_cond_wait(&queue->filled, &queue->lock);
        else if (pthread_cond_timedwait(&queue->filled, &queue->lock, &until) != 0)
            return;
    }
}

void nb_queue_expect(nb_queue *queue, size_t wanted, int64_t window_us) {
    pthread_mutex_lock(&queue->lock);
    queue->wanted = wanted;
    queue->until = deadline(window_us);
    pthread_mutex_unlock(&queue->lock);
}

static void wait_expected(nb_queue *queue) {
    while (queue->first && queue->count < queue->wanted && !queue->is_closed)
        if (pthread_cond_timedwait(&queue->filled, &queue->lock, &queue->until) != 0)
            break;
    queue->wanted = 0;
}

nb_item *nb_queue_take(nb_queue *queue, size_t count_max, int64_t timeout_ms) {
    pthread_mutex_lock(&queue->lock);
    if (timeout_ms) {
        wait_filled(queue, timeout_ms);
        wait_expected(queue);
    }
    nb_item *taken = queue->first, **end = &taken;
    for (size_t i = 0; i < count_max && *end; i++, queue->count--)
        end = &(*end)->next;
    queue->first = *end;
    *end = NULL;
    if (!queue->first)
        queue->last = &queue->first;
    else
        pthread_cond_signal(&queue->filled); /* another thread may take the rest */
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

size_t nb_queue_await(nb_queue *queue, size_t wanted, int64_t timeout_us) {
    pthread_mutex_lock(&queue->lock);
    queue->wanted = wanted;
    queue->until = deadline(timeout_us);
    while (queue->count < wanted && !queue->is_closed)
        if (pthread_cond_timedwait(&queue->filled, &queue->lock, &queue->until) != 0)
            break;
    queue->wanted = 0;
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

void nb_queue_close(nb_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->is_closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}
