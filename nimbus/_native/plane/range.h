/* The parser of `Range: bytes=...` for one range (RFC 9110, 14.1.2). A pure function over a span.
 *
 * HTTP's inclusive ends exist here only; the answer is half-open. Numbers beyond 64 bits count as the largest one: no
 * object has that many bytes. A header that S3 ignores (another unit, several ranges, a malformed one, the last bytes of
 * none) is NB_RANGE_IGNORED: the whole object is the answer then.
 */
#ifndef NIMBUS_PLANE_RANGE_H
#define NIMBUS_PLANE_RANGE_H

#include <stdint.h>

#include "span.h"

typedef enum {
    NB_RANGE_OK,            /* *start and *end are set, start < end <= size */
    NB_RANGE_IGNORED,       /* not a single valid byte range */
    NB_RANGE_UNSATISFIABLE, /* a valid range that has no byte of the object */
} nb_range_verdict;

nb_range_verdict nb_range_parse(nb_span value, uint64_t size, uint64_t *start, uint64_t *end);

#endif
