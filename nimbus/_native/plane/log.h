/* The access log: one line of JSON for each request, the same whoever answered it, written by a thread of its own.
 *
 * A line is made of three runs of members: how it ended, what was asked for and by whom, and what the head said. All of
 * it is printable ASCII: control characters, quotes and everything beyond ASCII are escaped as JSON has it, so that no
 * key, no header and no target can begin a line of its own or reach a terminal. Values of signatures, tokens and customer
 * keys in a query are left out. Every field has a bound, and so has the line.
 *
 * Each worker, and the event loop, has a ring of its own that it alone writes to: a line is put into it whole, or, when
 * the file is too slow for it, dropped and counted. Nobody who answers requests ever waits for the file.
 *
 * Must always hold: one thread puts into a ring; a line is written whole or not at all, but for what a full disk took of
 * it, which the next line does not go on; a file that cannot be written to costs its lines and nothing else.
 */
#ifndef NIMBUS_PLANE_LOG_H
#define NIMBUS_PLANE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"

enum {
    NB_LOG_RING_SIZE_BYTES = 1 << 20, /* about 3,000 lines: what a worker answers in 30 ms at its fastest */
    NB_LOG_FLUSH_MS = 200,            /* a line lies in its ring for so long at most, a ring half full is emptied at once */
    NB_LOG_SLOW_MS_MAX = 1000,        /* a pipe or a terminal that takes nothing for so long loses what was meant for it */
    NB_LOG_STOP_MS_MAX = 1000,        /* and at the end everything together may take no longer */
    NB_LOG_PATH_SIZE_BYTES_MAX = 4095,
    NB_LOG_OUTCOME_SIZE_BYTES_MAX = 512,
    NB_LOG_SUBJECT_SIZE_BYTES_MAX = 2048,
    NB_LOG_REQUEST_SIZE_BYTES_MAX = 10240,
    NB_LOG_LINE_SIZE_BYTES_MAX =
        NB_LOG_OUTCOME_SIZE_BYTES_MAX + NB_LOG_SUBJECT_SIZE_BYTES_MAX + NB_LOG_REQUEST_SIZE_BYTES_MAX + 5,
};

/* --- log_line.c: pure functions; each writes its members without braces, and returns how many bytes ------- */

typedef struct {
    int64_t began_us; /* since the epoch */
    nb_span peer, request_id;
    const char *via;       /* native, relayed or granian */
    int status;            /* 0: no answer went out */
    uint64_t received_bytes, sent_bytes; /* of the bodies */
    int64_t first_byte_us; /* from the head to the first byte of the answer; negative: there was none */
    int64_t total_us;
} nb_log_outcome;

typedef struct {
    nb_span user, access_key; /* who signed; empty when nobody did */
    nb_span operation, error; /* S3's names */
    nb_span bucket;
} nb_log_subject;

typedef struct {
    nb_span key; /* decoded */
    nb_span method, target, user_agent, referer;
} nb_log_request;

size_t nb_log_write_outcome(const nb_log_outcome *outcome, char out[NB_LOG_OUTCOME_SIZE_BYTES_MAX]);
size_t nb_log_write_subject(const nb_log_subject *subject, char out[NB_LOG_SUBJECT_SIZE_BYTES_MAX]);
size_t nb_log_write_request(const nb_log_request *request, char out[NB_LOG_REQUEST_SIZE_BYTES_MAX]);

/* --- log.c: the file, its rings and its thread ------------------------------------------------------------ */

typedef struct nb_log nb_log;

enum { NB_LOG_FIRST_WORKER = 1 }; /* rings before it: the event loop's */

/* Open the file, "-" being standard error, and begin to write. NULL with errno set when that cannot be. */
nb_log *nb_log_open(const char *path, unsigned rings);

/* Put a line together and into the ring. REQUIRES: no other thread puts into this one. */
void nb_log_put(nb_log *log, unsigned ring, nb_span outcome, nb_span subject, nb_span request);

/* Open the path anew before the next line, for logrotate; when that fails the present file stays. Any thread. */
void nb_log_reopen(nb_log *log);

typedef struct {
    uint64_t written_lines, dropped_lines;
} nb_log_counters;
nb_log_counters nb_log_count(nb_log *log); /* any thread */

/* Write what is left, and free everything. REQUIRES: nobody puts any more. NULL is fine. */
void nb_log_close(nb_log *log);

#endif
