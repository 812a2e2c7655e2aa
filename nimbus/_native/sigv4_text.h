/* Walking over spans of text: private to sigv4_claim.c and sigv4_canonical.c. No byte outside a span is read. */
#ifndef NIMBUS_SIGV4_TEXT_H
#define NIMBUS_SIGV4_TEXT_H

#include <string.h>

#include "sigv4.h"

#define IS(span, text) ((span).len == sizeof(text) - 1 && memcmp((span).ptr, text, sizeof(text) - 1) == 0)
#define STARTS(span, text) ((span).len >= sizeof(text) - 1 && memcmp((span).ptr, text, sizeof(text) - 1) == 0)
#define TRY(call)                           \
    do {                                    \
        nb_sigv4_status status_ = (call);   \
        if (status_ != NB_SIGV4_OK)         \
            return status_;                 \
    } while (0)

#define NOTHING ((nb_span){NULL, 0})

static inline int same(nb_span a, nb_span b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline nb_span slice(nb_span span, size_t start, size_t end) {
    return (nb_span){span.ptr ? span.ptr + start : NULL, end - start};
}

static inline size_t find(nb_span span, char wanted) {
    const char *hit = span.len ? memchr(span.ptr, wanted, span.len) : NULL;
    return hit ? (size_t)(hit - span.ptr) : span.len;
}

/* What stands before the separator; `rest` goes on behind it and is NOTHING at the end. */
static inline nb_span take(nb_span *rest, char separator) {
    size_t end = find(*rest, separator);
    nb_span head = slice(*rest, 0, end);
    *rest = end < rest->len ? slice(*rest, end + 1, rest->len) : NOTHING;
    return head;
}

static inline int is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline nb_span trim(nb_span span) {
    while (span.len && is_blank(span.ptr[0]))
        span = slice(span, 1, span.len);
    while (span.len && is_blank(span.ptr[span.len - 1]))
        span.len--;
    return span;
}

/* Whether a blank, a line break or another control byte is in the text. */
static inline int has_controls(nb_span text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 127)
            return 1;
    return 0;
}

static inline int hex_digit(unsigned char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a percent-encoded text, which is taken off its front; -1 for a broken escape. */
static inline int next_decoded(nb_span *raw, int plus_is_space) {
    unsigned char c = (unsigned char)raw->ptr[0];
    size_t taken = 1;
    int value = c;
    if (c == '%') {
        int high = raw->len >= 3 ? hex_digit((unsigned char)raw->ptr[1]) : -1;
        int low = raw->len >= 3 ? hex_digit((unsigned char)raw->ptr[2]) : -1;
        if (high < 0 || low < 0)
            return -1;
        value = high << 4 | low;
        taken = 3;
    } else if (c == '+' && plus_is_space) {
        value = ' ';
    }
    *raw = slice(*raw, taken, raw->len);
    return value;
}

#endif
