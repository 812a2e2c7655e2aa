/* See lookup.h. */
#include "plane/lookup.h"

#include <stdlib.h>

static void deliver(nb_worker *worker, nb_message *message) {
    nb_lookup *lookup = NB_OF(message, nb_lookup, message);
    nb_conn *conn = lookup->conn;
    nb_entry *entry = lookup->entry;
    free(lookup);
    conn->jobs--;
    if (conn->phase != NB_PHASE_CLOSED)
        nb_lookup_done(conn, entry);
    else if (entry)
        nb_cache_give(&worker->plane->cache, entry);
}

bool nb_lookup_ask(nb_conn *conn, const nb_target *target) {
    nb_plane *plane = conn->worker->plane;
    nb_lookup *lookup = malloc(sizeof *lookup);
    if (!lookup)
        return false;
    *lookup = (nb_lookup){.message.deliver = deliver, .conn = conn, .worker = conn->worker, .target = *target};
    lookup->numbers = nb_cache_numbers(&plane->cache, nb_target_name(target));
    if (!nb_queue_put(&plane->lookups, &lookup->item)) {
        free(lookup);
        return false;
    }
    conn->jobs++;
    conn->phase = NB_PHASE_WAIT;
    return true;
}

void nb_lookup_fill(nb_plane *plane, nb_lookup *lookup, const nb_fill *fill) {
    lookup->entry = nb_cache_fill(&plane->cache, fill, lookup->numbers);
    nb_worker_post(lookup->worker, &lookup->message);
}

void nb_lookup_decline(nb_lookup *lookup) {
    lookup->entry = NULL;
    nb_worker_post(lookup->worker, &lookup->message);
}
