/* The decoder of `Transfer-Encoding: chunked` (RFC 9112, 7.1): a state machine over spans, strict and bounded.
 *
 * Chunk sizes are 1 to 15 hexadecimal digits, lines end in CRLF, extensions and trailers are taken and dropped
 * within a bound; a trailer must look like a header. Payload is handed out as spans into the input: nothing is copied.
 *
 * Must always hold: how the input is cut into pieces never changes the payload; after DONE nothing is consumed.
 */
#ifndef NIMBUS_PLANE_CHUNKED_H
#define NIMBUS_PLANE_CHUNKED_H

#include <stdint.h>

#include "span.h"

enum { NB_CHUNKED_LINE_SIZE_BYTES_MAX = 256, NB_CHUNKED_TRAILER_SIZE_BYTES_MAX = 8192 };

typedef enum { NB_CHUNKED_MORE, NB_CHUNKED_DATA, NB_CHUNKED_DONE, NB_CHUNKED_BAD } nb_chunked_verdict;

typedef struct {
    uint64_t left;       /* payload bytes left in the present chunk */
    uint32_t line_len;   /* bytes of the present line so far */
    uint32_t trailer_len;
    uint8_t state;
    uint8_t digits;
} nb_chunked;

void nb_chunked_init(nb_chunked *decoder);

/* Take bytes off the front of *input. DATA: *payload is a run of payload inside the input; call again.
 * MORE: the input is used up. DONE: the last byte of the body was taken, *input starts behind it. */
nb_chunked_verdict nb_chunked_next(nb_chunked *decoder, nb_span *input, nb_span *payload);

#endif
