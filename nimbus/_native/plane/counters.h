/* The counters of all workers summed up, as of about now; any thread may ask at any time. */
#ifndef NIMBUS_PLANE_COUNTERS_H
#define NIMBUS_PLANE_COUNTERS_H

#include "plane/plane.h"

typedef struct {
    uint64_t requests[NB_OPERATIONS][NB_STATUSES];
    uint64_t latency[NB_OPERATIONS][NB_LATENCY_BUCKETS];
    uint64_t latency_sum_us[NB_OPERATIONS], body_bytes[NB_OPERATIONS], answer_bytes[NB_OPERATIONS];
    uint64_t received_bytes, sent_bytes, read_bytes, relayed_bytes, relayed_body_bytes;
    uint64_t accepted, evicted, refused, timed_out, malformed, accept_failures, upstream_failures, unreadable;
    uint64_t connections, in_flight;
} nb_counters;

void nb_plane_counters(nb_plane *plane, nb_counters *out);

#endif
