/* The head of an answer to a read: what is decided before the first byte, and how it is written. */
#ifndef NIMBUS_PLANE_GET_HEAD_H
#define NIMBUS_PLANE_GET_HEAD_H

#include "plane/plane.h"

/* What is decided of an answer before anything of it is written. */
typedef struct {
    int status;
    uint64_t start, end; /* bytes of the object */
    bool sends_body, has_range;
    const nb_part *part; /* the one that was asked for */
    nb_span checksum_headers;
} nb_read_plan;

/* False when the embedded server must answer: it has the words for what does not hold. */
bool nb_read_plan_make(const nb_request *request, const nb_read_query *query, const nb_entry *entry, nb_read_plan *plan);

/* Whether an object that is not there may be said to be missing, whatever else the request asks. */
bool nb_read_is_plain(const nb_request *request, const nb_read_query *query);

/* Write the head to conn->out; false when there is no room for it. */
bool nb_read_put_head(nb_conn *conn, const nb_entry *entry, const nb_read_query *query, const nb_read_plan *plan);

#endif
