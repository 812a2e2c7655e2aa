/* See chunked.h. */
#include "chunked.h"

#include <stdbool.h>

#include "plane/http.h"

enum {
    SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER_START, TRAILER_NAME, TRAILER, TRAILER_LF, END_LF, DONE, BAD
};

void nb_chunked_init(nb_chunked *decoder) { *decoder = (nb_chunked){.state = SIZE}; }

static int hex_digit(unsigned char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int on_size(nb_chunked *d, unsigned char c) {
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++d->digits > 15)
            return BAD;
        d->left = d->left << 4 | (uint64_t)digit;
        return SIZE;
    }
    if (d->digits == 0)
        return BAD;
    return c == '\r' ? SIZE_LF : c == ';' ? EXTENSION : BAD;
}

static bool is_text(unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); }

static int after_size_line(nb_chunked *d) {
    d->line_len = 0;
    d->digits = 0;
    return d->left ? DATA : TRAILER_START;
}

/* A trailer is dropped, but it must be a header line: others refuse the body otherwise. */
static int on_trailer_name(nb_chunked *d, unsigned char c) {
    if (++d->trailer_len > NB_CHUNKED_TRAILER_SIZE_BYTES_MAX)
        return BAD;
    if (nb_is_token(c))
        return TRAILER_NAME;
    return c == ':' && d->state == TRAILER_NAME ? TRAILER : BAD;
}

static int on_trailer(nb_chunked *d, unsigned char c) {
    if (++d->trailer_len > NB_CHUNKED_TRAILER_SIZE_BYTES_MAX)
        return BAD;
    return c == '\r' ? TRAILER_LF : is_text(c) ? TRAILER : BAD;
}

/* The state after one byte that is framing, not payload. */
static int step(nb_chunked *d, unsigned char c) {
    switch (d->state) {
    case SIZE: return ++d->line_len > NB_CHUNKED_LINE_SIZE_BYTES_MAX ? BAD : on_size(d, c);
    case EXTENSION:
        if (++d->line_len > NB_CHUNKED_LINE_SIZE_BYTES_MAX)
            return BAD;
        return c == '\r' ? SIZE_LF : is_text(c) ? EXTENSION : BAD;
    case SIZE_LF: return c == '\n' ? after_size_line(d) : BAD;
    case DATA_CR: return c == '\r' ? DATA_LF : BAD;
    case DATA_LF: return c == '\n' ? SIZE : BAD;
    case TRAILER_START: return c == '\r' ? END_LF : on_trailer_name(d, c);
    case TRAILER_NAME: return on_trailer_name(d, c);
    case TRAILER: return on_trailer(d, c);
    case TRAILER_LF: return c == '\n' ? TRAILER_START : BAD;
    case END_LF: return c == '\n' ? DONE : BAD;
    default: return BAD;
    }
}

static nb_span take_data(nb_chunked *d, nb_span *input) {
    nb_span run = {input->ptr, input->len < d->left ? input->len : (size_t)d->left};
    input->ptr += run.len, input->len -= run.len;
    d->left -= run.len;
    if (d->left == 0)
        d->state = DATA_CR;
    return run;
}

nb_chunked_verdict nb_chunked_next(nb_chunked *decoder, nb_span *input, nb_span *payload) {
    while (decoder->state != DONE && decoder->state != BAD) {
        if (input->len == 0)
            return NB_CHUNKED_MORE;
        if (decoder->state == DATA) {
            *payload = take_data(decoder, input);
            return NB_CHUNKED_DATA;
        }
        decoder->state = (uint8_t)step(decoder, (unsigned char)input->ptr[0]);
        input->ptr++, input->len--;
    }
    return decoder->state == DONE ? NB_CHUNKED_DONE : NB_CHUNKED_BAD;
}
