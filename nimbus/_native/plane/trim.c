/* See trim.h. Buffers belong to their workers, which free them when they get to it. */
#include "plane/trim.h"

#include <malloc.h>
#include <stdlib.h>

#include "plane/upload.h"

static void deliver(nb_worker *worker, nb_message *message) {
    nb_buffer_pool_free(&worker->buffers);
    free(message);
}

void nb_plane_trim(nb_plane *plane) {
    for (unsigned i = 0; i < plane->worker_count; i++) {
        nb_message *message = malloc(sizeof *message);
        if (!message)
            break;
        message->deliver = deliver;
        nb_worker_post(&plane->workers[i], message);
    }
    nb_block_pool_trim(&plane->intake->pool);
}

void nb_trim_heap(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
