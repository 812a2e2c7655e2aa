/* Fixed-size buffers with a free list for each worker: an idle connection holds none.
 *
 * A buffer is a window [start, end) into its bytes. REQUIRES: a pool is used by one thread.
 */
#ifndef NIMBUS_PLANE_BUFFER_H
#define NIMBUS_PLANE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "span.h"

enum {
    NB_BUFFER_SIZE_BYTES = 32768, /* a whole request head, re-serialised with our own headers, fits */
    NB_BUFFERS_SPARE_MAX = 64,    /* kept by each worker for the next request */
};

typedef struct nb_buffer {
    struct nb_buffer *next; /* in the free list */
    size_t start, end;
    char data[NB_BUFFER_SIZE_BYTES];
} nb_buffer;

typedef struct {
    nb_buffer *spare;
    size_t spare_count;
} nb_buffer_pool;

/* An empty buffer, or NULL when memory is short. */
nb_buffer *nb_buffer_take(nb_buffer_pool *pool);

/* Give it back; *buffer becomes NULL, NULL is fine. */
void nb_buffer_give(nb_buffer_pool *pool, nb_buffer **buffer);
void nb_buffer_pool_free(nb_buffer_pool *pool);

static inline size_t nb_buffer_used(const nb_buffer *buffer) { return buffer ? buffer->end - buffer->start : 0; }
static inline size_t nb_buffer_room(const nb_buffer *buffer) { return NB_BUFFER_SIZE_BYTES - buffer->end; }
static inline nb_span nb_buffer_span(const nb_buffer *buffer) {
    return (nb_span){buffer->data + buffer->start, buffer->end - buffer->start};
}

/* Drop bytes from the front; an emptied buffer begins anew. */
static inline void nb_buffer_consume(nb_buffer *buffer, size_t count) {
    buffer->start += count;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

/* Append; false (and nothing appended) when there is no room. */
static inline bool nb_buffer_put(nb_buffer *buffer, const void *bytes, size_t count) {
    if (count > nb_buffer_room(buffer))
        return false;
    if (count) /* nothing may lie nowhere, but memcpy must not see that */
        memcpy(buffer->data + buffer->end, bytes, count);
    buffer->end += count;
    return true;
}
static inline bool nb_buffer_put_text(nb_buffer *buffer, const char *text) {
    return nb_buffer_put(buffer, text, strlen(text));
}
static inline bool nb_buffer_put_span(nb_buffer *buffer, nb_span span) {
    return nb_buffer_put(buffer, span.ptr, span.len);
}

/* The digits of a number. */
bool nb_buffer_put_decimal(nb_buffer *buffer, uint64_t number);

/* Move what is left to the front, so that there is room behind it. */
void nb_buffer_compact(nb_buffer *buffer);

#endif
