/* See buffer.h. */
#include "buffer.h"

#include <stdlib.h>

nb_buffer *nb_buffer_take(nb_buffer_pool *pool) {
    nb_buffer *buffer = pool->spare;
    if (buffer) {
        pool->spare = buffer->next;
        pool->spare_count--;
    } else if (!(buffer = malloc(sizeof *buffer))) {
        return NULL;
    }
    buffer->next = NULL;
    buffer->start = buffer->end = 0;
    return buffer;
}

void nb_buffer_give(nb_buffer_pool *pool, nb_buffer **buffer) {
    nb_buffer *given = *buffer;
    *buffer = NULL;
    if (!given)
        return;
    if (pool->spare_count >= NB_BUFFERS_SPARE_MAX) {
        free(given);
        return;
    }
    given->next = pool->spare;
    pool->spare = given;
    pool->spare_count++;
}

void nb_buffer_pool_free(nb_buffer_pool *pool) {
    while (pool->spare) {
        nb_buffer *next = pool->spare->next;
        free(pool->spare);
        pool->spare = next;
    }
    pool->spare_count = 0;
}

bool nb_buffer_put_decimal(nb_buffer *buffer, uint64_t number) {
    char digits[20], *at = digits + sizeof digits;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return nb_buffer_put(buffer, at, (size_t)(digits + sizeof digits - at));
}

void nb_buffer_compact(nb_buffer *buffer) {
    if (buffer->start == 0)
        return;
    memmove(buffer->data, buffer->data + buffer->start, buffer->end - buffer->start);
    buffer->end -= buffer->start;
    buffer->start = 0;
}
