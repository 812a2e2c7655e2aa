/* See counters.h. */
#include "plane/counters.h"

#include <string.h>

static void add(uint64_t *to, _Atomic uint64_t *from, size_t count) {
    for (size_t i = 0; i < count; i++)
        to[i] += atomic_load_explicit(&from[i], memory_order_relaxed);
}

void nb_plane_counters(nb_plane *plane, nb_counters *out) {
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < plane->worker_count; i++) {
        nb_metrics *m = &plane->workers[i].metrics;
        add(&out->requests[0][0], &m->requests[0][0], NB_OPERATIONS * NB_STATUSES);
        add(&out->latency[0][0], &m->latency[0][0], NB_OPERATIONS * NB_LATENCY_BUCKETS);
        add(out->latency_sum_us, m->latency_sum_us, NB_OPERATIONS);
        add(out->body_bytes, m->body_bytes, NB_OPERATIONS);
        add(out->answer_bytes, m->answer_bytes, NB_OPERATIONS);
        add(&out->received_bytes, &m->received_bytes, 1);
        add(&out->sent_bytes, &m->sent_bytes, 1);
        add(&out->read_bytes, &m->read_bytes, 1);
        add(&out->relayed_bytes, &m->relayed_bytes, 1);
        add(&out->relayed_body_bytes, &m->relayed_body_bytes, 1);
        add(&out->accepted, &m->accepted, 1);
        add(&out->evicted, &m->evicted, 1);
        add(&out->refused, &m->refused, 1);
        add(&out->timed_out, &m->timed_out, 1);
        add(&out->malformed, &m->malformed, 1);
        add(&out->accept_failures, &m->accept_failures, 1);
        add(&out->upstream_failures, &m->upstream_failures, 1);
        add(&out->unreadable, &m->unreadable, 1);
    }
    out->connections = atomic_load(&plane->conn_count);
    out->in_flight = atomic_load(&plane->in_flight);
}
