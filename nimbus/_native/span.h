/* The two shapes that every native leaf takes: a run of bytes that somebody else owns, and a header. */
#ifndef NIMBUS_SPAN_H
#define NIMBUS_SPAN_H

#include <stddef.h>

typedef struct {
    const char *ptr;
    size_t len;
} nb_span;

typedef struct {
    nb_span name; /* lower case */
    nb_span value; /* without surrounding white space */
} nb_header;

#endif
