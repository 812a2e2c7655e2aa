/* What the server room says about the plane; copied once at the start, never changed while threads run. */
#ifndef NIMBUS_PLANE_SETTINGS_H
#define NIMBUS_PLANE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plane/target.h"

enum {
    NB_UPSTREAM_PATH_SIZE_BYTES_MAX = 107,
    NB_COMMON_HEADERS_SIZE_BYTES_MAX = 511,
    NB_DISK_THREADS_MAX = 64,
};

typedef struct {
    int listener; /* bound, listening, non-blocking; stays the caller's */
    char upstream_path[NB_UPSTREAM_PATH_SIZE_BYTES_MAX + 1];
    char token[65]; /* hexadecimal; proves to the embedded server that a request came through us */
    unsigned threads;
    size_t connections_max;
    size_t requests_max;
    int64_t header_timeout_ms; /* for a head to arrive, and for an idle connection */
    uint64_t body_rate_bytes_per_s;
    int64_t body_grace_ms;
    bool serves_objects; /* somebody answers look-ups; else everything is relayed */
    size_t upload_memory_bytes_max; /* for bodies on their way in */
    bool takes_uploads;  /* somebody commits uploads; else those are relayed, too */
    unsigned disk_threads;
    size_t cache_size_bytes;
    size_t cache_files_max;
    struct nb_log *log; /* NULL: nobody wants one; it outlives the plane and has a ring for each worker */
    nb_domains domains;
    char common_headers[NB_COMMON_HEADERS_SIZE_BYTES_MAX + 1]; /* of every answer, each line with its CRLF */
} nb_settings;

#endif
