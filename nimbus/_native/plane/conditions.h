/* Conditional reads: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range. Pure.
 *
 * The order is that of RFC 9110, 13.2.2. What does not hold (412), and what is not in the plain form that clients
 * send, is NB_CONDITION_OTHER: the embedded server has the words.
 */
#ifndef NIMBUS_PLANE_CONDITIONS_H
#define NIMBUS_PLANE_CONDITIONS_H

#include <stdint.h>

#include "plane/http.h"

typedef enum { NB_CONDITION_PASS, NB_CONDITION_UNMODIFIED, NB_CONDITION_OTHER } nb_condition_verdict;

typedef struct {
    nb_span etag; /* without quotes */
    nb_span modified_http;
    int64_t modified_s;
} nb_validators;

/* An If-Modified-Since after `now_s` is as if it were not there (13.1.3). */
nb_condition_verdict nb_conditions_check(
    const nb_header *headers, size_t count, const nb_validators *validators, int64_t now_s);

/* Whether a Range beside an If-Range counts. */
bool nb_if_range_holds(nb_span value, const nb_validators *validators);

/* Seconds of `Sun, 06 Nov 1994 08:49:37 GMT`, or -1 for any other spelling. */
int64_t nb_parse_http_date(nb_span text);

#endif
