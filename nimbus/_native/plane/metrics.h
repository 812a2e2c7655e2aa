/* Counters of one worker: written by it alone, read by anybody at any time without stopping it.
 *
 * Reads are relaxed, so a sum over workers is a moment's blur wide, never torn.
 */
#ifndef NIMBUS_PLANE_METRICS_H
#define NIMBUS_PLANE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

typedef enum { NB_OP_RELAYED, NB_OP_GET, NB_OP_HEAD, NB_OP_PUT, NB_OP_PART, NB_OP_REFUSED, NB_OPERATIONS } nb_operation;

enum {
    NB_STATUSES = 600,           /* 0: no answer went out */
    NB_LATENCY_BUCKETS = 24,     /* bucket i: below 2^i microseconds; the last one: anything longer */
};

typedef struct {
    _Atomic uint64_t requests[NB_OPERATIONS][NB_STATUSES];
    _Atomic uint64_t latency[NB_OPERATIONS][NB_LATENCY_BUCKETS];
    _Atomic uint64_t latency_sum_us[NB_OPERATIONS];
    _Atomic uint64_t body_bytes[NB_OPERATIONS];   /* of requests, without the framing of chunks */
    _Atomic uint64_t answer_bytes[NB_OPERATIONS]; /* of answers, without our own heads */
    _Atomic uint64_t received_bytes, sent_bytes;
    _Atomic uint64_t read_bytes; /* of objects */
    _Atomic uint64_t relayed_bytes, relayed_body_bytes; /* of answers; of requests: bulk goes neither way */
    _Atomic uint64_t accepted, evicted, refused, timed_out, malformed, accept_failures, upstream_failures, unreadable;
} nb_metrics;

/* One writer: a load and a store are enough and cost no locked instruction. */
static inline void nb_count(_Atomic uint64_t *counter, uint64_t by) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

/* What is known of a request at its end. */
typedef struct {
    nb_operation operation;
    int status;
    int64_t took_us;
    uint64_t body_bytes, answer_bytes;
} nb_ended;

static inline void nb_count_request(nb_metrics *m, const nb_ended *ended) {
    nb_operation operation = ended->operation;
    uint64_t took_us = ended->took_us > 0 ? (uint64_t)ended->took_us : 0;
    int status = ended->status > 0 && ended->status < NB_STATUSES ? ended->status : 0;
    int bucket = took_us ? 64 - __builtin_clzll((unsigned long long)took_us) : 0;
    if (bucket >= NB_LATENCY_BUCKETS)
        bucket = NB_LATENCY_BUCKETS - 1;
    nb_count(&m->requests[operation][status], 1);
    nb_count(&m->latency[operation][bucket], 1);
    nb_count(&m->latency_sum_us[operation], took_us);
    nb_count(&m->body_bytes[operation], ended->body_bytes);
    nb_count(&m->answer_bytes[operation], ended->answer_bytes);
}

#endif
