/* The strict HTTP/1.1 head parser: requests from anybody, responses from the embedded server behind us.
 *
 * Pure functions over a buffer that the caller owns: no allocation, no globals, no I/O. The request parser is
 * stricter than RFC 9112 wherever leniency has been a smuggling vector: one Content-Length or one
 * `Transfer-Encoding: chunked`, never both; exactly one Host; targets in origin form or absolute form; no folded lines, bare LF,
 * control bytes, space before a colon or empty names. Whatever passes has one reading, and everything behind the
 * parser sees the parsed values only.
 *
 * Must always hold: no byte outside buf[0, len) is read; a head that was answered MORE and later completes parses
 * as if it had come at once; header names are lowered in place, nothing else in the buffer changes.
 */
#ifndef NIMBUS_PLANE_HTTP_H
#define NIMBUS_PLANE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "span.h"

enum {
    NB_HTTP_HEAD_SIZE_BYTES_MAX = 16384,
    NB_HTTP_HEADERS_MAX = 64,
    NB_HTTP_ANSWER_HEADERS_MAX = 128, /* what was stored with the largest request comes back with headers of its own */
    NB_HTTP_METHOD_SIZE_BYTES_MAX = 16,
};

/* What the parsers answer besides the length of a complete head. */
enum {
    NB_HTTP_MORE = 0,
    NB_HTTP_BAD_LINE = -1,    /* the request or status line is wrong */
    NB_HTTP_BAD_VERSION = -2, /* neither HTTP/1.0 nor HTTP/1.1 */
    NB_HTTP_BAD_TARGET = -3,  /* in neither origin nor absolute form, or with bytes that no URI has */
    NB_HTTP_BAD_HEADER = -4,  /* a header line is malformed */
    NB_HTTP_BAD_HOST = -5,    /* bytes that no host has */
    NB_HTTP_BAD_FRAMING = -6, /* Content-Length and Transfer-Encoding do not say one thing */
    NB_HTTP_BAD_EXPECT = -7,  /* more than one */
    NB_HTTP_TOO_MANY = -8,    /* more headers than the bound */
    NB_HTTP_TOO_LARGE = -9,   /* more than NB_HTTP_HEAD_SIZE_BYTES_MAX bytes */
    NB_HTTP_BARE_LF = -10,    /* a line ends in LF without CR */
    NB_HTTP_NO_HOST = -11,
    NB_HTTP_TWO_HOSTS = -12,
    NB_HTTP_BAD_CODING = -13, /* a transfer coding below chunked */
};

typedef struct {
    nb_span method;
    nb_span target; /* as it came */
    nb_span path;
    nb_span query; /* without the question mark; see has_query */
    nb_span host; /* that of a target in absolute form, else the header's */
    nb_header headers[NB_HTTP_HEADERS_MAX];
    size_t headers_count;
    int64_t content_length; /* -1: none */
    bool has_query;
    bool chunked;
    bool keep_alive;
    bool expects_continue;
    bool expects_in_vain; /* there is no content that a 100 Continue could invite */
    bool http_1_0;
} nb_request;

typedef struct {
    int status;
    nb_header headers[NB_HTTP_ANSWER_HEADERS_MAX];
    size_t headers_count;
    int64_t content_length; /* -1: none */
    bool chunked;
    bool keep_alive;
} nb_response;

/* Parse the request head at buf. Returns its length (the body starts there), NB_HTTP_MORE, or an error.
 * *scanned is the caller's memory between calls on a growing buffer; 0 at first. It keeps the work linear. */
ssize_t nb_http_request(char *buf, size_t len, size_t *scanned, nb_request *out);

/* The same for a response head. */
ssize_t nb_http_response(char *buf, size_t len, size_t *scanned, nb_response *out);

/* Whether a comma-separated header value has this lower-case token in it, whatever its case there. */
bool nb_value_has_token(nb_span value, const char *token);

/* RFC 9110 `tchar`: what a method or a header's name is made of. */
bool nb_is_token(unsigned char c);

/* Digits only, no sign, no space, at most 18 of them; -1 for anything else. */
int64_t nb_parse_decimal(nb_span text);

/* Whether span equals the text, ignoring ASCII case (text is lower case). */
bool nb_span_is_nocase(nb_span span, const char *lower_text);

/* The same byte for byte. Inline, as are the next two, because the compiler then knows the length of the text: nearly
 * every header is told from nearly every other by its length alone. */
static inline bool nb_span_is(nb_span span, const char *text) {
    size_t len = strlen(text);
    return span.len == len && memcmp(span.ptr, text, len) == 0;
}

/* The first header of this lower-case name, or NULL. */
static inline const nb_header *nb_header_find(const nb_header *headers, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (nb_span_is(headers[i].name, name))
            return &headers[i];
    return NULL;
}

/* How many headers have this lower-case name. */
static inline size_t nb_header_count(const nb_header *headers, size_t count, const char *name) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += nb_span_is(headers[i].name, name);
    return found;
}

/* A word for the error, for logs and tests. */
const char *nb_http_error_name(ssize_t error);

#endif
