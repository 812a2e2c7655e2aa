/* See log.h. The members of a line: escaped, bounded, and without secrets. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plane/log.h"

enum {
    USER_SIZE_BYTES_MAX = 512,
    NAME_SIZE_BYTES_MAX = 400, /* of an access key, an operation, an error, a bucket of 63 bytes however escaped */
    SHORT_SIZE_BYTES_MAX = 64,
    KEY_SIZE_BYTES_MAX = 6 * 1024, /* six for each byte of the longest key: it is never cut */
    TARGET_SIZE_BYTES_MAX = 2048,
    USER_AGENT_SIZE_BYTES_MAX = 512,
    REFERER_SIZE_BYTES_MAX = 1024,
    PARAMETER_SIZE_BYTES_MAX = 64, /* no parameter of S3 has a longer name */
};

static const char ELLIPSIS[] = "...", WITHHELD[] = "***";

/* Where a value goes; what does not fit is cut, and the cut shown. */
typedef struct {
    char *at, *end;
    bool is_cut;
} field;

static void put(field *out, const char *text, size_t size) {
    if (out->is_cut || size > (size_t)(out->end - out->at)) {
        out->is_cut = true;
        return;
    }
    memcpy(out->at, text, size);
    out->at += size;
}

static void put_unit(field *out, unsigned unit) {
    char text[7];
    snprintf(text, sizeof text, "\\u%04x", unit & 0xffff);
    put(out, text, 6);
}

/* The length of the UTF-8 sequence at `at` and the character it is; 1 and the replacement for what is none. */
static size_t decode(const unsigned char *at, size_t left, unsigned *character) {
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    static const unsigned SMALLEST[] = {0, 0, 0x80, 0x800, 0x10000};
    *character = 0xfffd;
    if (at[0] < 0xc2 || at[0] > 0xf4 || length > left)
        return 1;
    unsigned found = at[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 1;
        found = found << 6 | (at[i] & 0x3f);
    }
    if (found < SMALLEST[length] || found > 0x10ffff || (found >= 0xd800 && found < 0xe000))
        return 1;
    *character = found;
    return length;
}

static size_t put_escaped(field *out, const unsigned char *at, size_t left) {
    unsigned character;
    if (*at == '"' || *at == '\\') {
        put(out, (char[2]){'\\', (char)*at}, 2);
        return 1;
    }
    if (*at < 0x80) {
        put_unit(out, *at);
        return 1;
    }
    size_t length = decode(at, left, &character);
    if (character >= 0x10000) {
        put_unit(out, 0xd800 | (character - 0x10000) >> 10);
        put_unit(out, 0xdc00 | ((character - 0x10000) & 0x3ff));
    } else {
        put_unit(out, character);
    }
    return length;
}

static bool is_plain(unsigned char byte) { return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\'; }

/* The same of eight bytes at once: each of the four has the highest bit set in a byte that is not plain (and perhaps in
 * one above it), as in "Bit Twiddling Hacks" by Sean Eron Anderson. */
static bool are_plain(const unsigned char *bytes) {
    const uint64_t ones = 0x0101010101010101u, highest = 0x8080808080808080u;
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\', delete = word ^ ones * 0x7f;
    uint64_t found = (word - ones * 0x20) | (quote - ones) | (backslash - ones) | (delete - ones) | word;
    return (found & highest) == 0;
}

/* How many bytes, `limit` at most, stand as they are. */
static size_t plain_run(const unsigned char *at, size_t limit) {
    size_t size = 0;
    while (limit - size >= 8 && are_plain(at + size))
        size += 8;
    while (size < limit && is_plain(at[size]))
        size++;
    return size;
}

static void put_text(field *out, nb_span text) {
    if (text.len == 0) /* of nothing there may be no address */
        return;
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    while (at < end && !out->is_cut) {
        size_t left = (size_t)(end - at), room = (size_t)(out->end - out->at);
        size_t run = plain_run(at, left < room ? left : room);
        put(out, (const char *)at, run);
        at += run;
        if (at < end)
            at += put_escaped(out, at, (size_t)(end - at));
    }
}

/* --- queries ------------------------------------------------------------------------------------------- */

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool ends_in(const char *name, size_t size, const char *end) {
    size_t length = strlen(end);
    return size >= length && memcmp(name + size - length, end, length) == 0;
}

/* Whether nobody may read this parameter's value, however its name is written. */
static bool is_secret(nb_span name) {
    char plain[PARAMETER_SIZE_BYTES_MAX];
    size_t size = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (size == sizeof plain)
            return true;
        if (c == '%' && name.len - i > 2 && hex_value(name.ptr[i + 1]) >= 0 && hex_value(name.ptr[i + 2]) >= 0) {
            c = (char)(hex_value(name.ptr[i + 1]) << 4 | hex_value(name.ptr[i + 2]));
            i += 2;
        }
        plain[size++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return ends_in(plain, size, "signature") || ends_in(plain, size, "security-token") || ends_in(plain, size, "customer-key");
}

/* A target or a URL: what stands before the question mark, and the parameters that everybody may read. */
static void put_url(field *out, nb_span url) {
    const char *mark = url.len ? memchr(url.ptr, '?', url.len) : NULL;
    if (!mark) {
        put_text(out, url);
        return;
    }
    size_t at = (size_t)(mark - url.ptr) + 1;
    put_text(out, (nb_span){url.ptr, at});
    while (at < url.len) {
        const char *amp = memchr(url.ptr + at, '&', url.len - at);
        nb_span item = {url.ptr + at, amp ? (size_t)(amp - url.ptr) + 1 - at : url.len - at};
        const char *equals = memchr(item.ptr, '=', item.len);
        nb_span name = {item.ptr, equals ? (size_t)(equals - item.ptr) : 0};
        if (equals && is_secret(name)) {
            put_text(out, (nb_span){item.ptr, name.len + 1});
            put(out, WITHHELD, sizeof WITHHELD - 1);
            if (amp)
                put(out, "&", 1);
        } else {
            put_text(out, item);
        }
        at += item.len;
    }
}

/* --- members ------------------------------------------------------------------------------------------- */

/* `,"name":"value"`, the comma for all but the first; returns where the next one goes. REQUIRES: room for its bound. */
static char *put_member(char *at, const char *name, nb_span value, size_t size_max, void (*write)(field *, nb_span)) {
    size_t length = strlen(name);
    memcpy(at, name, length);
    at += length;
    *at++ = '"';
    field out = {at, at + size_max, false};
    write(&out, value);
    at = out.at;
    if (out.is_cut) {
        memcpy(at, ELLIPSIS, sizeof ELLIPSIS - 1);
        at += sizeof ELLIPSIS - 1;
    }
    *at++ = '"';
    return at;
}

static char *put_number(char *at, const char *name, uint64_t value) {
    char digits[20];
    size_t count = 0, length = strlen(name);
    memcpy(at, name, length);
    at += length;
    do
        digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

/* 2026-11-22T20:43:45.123Z; the second is remembered, for whoever asks from the same thread. */
static char *put_time(char *at, const char *name, int64_t time_us) {
    static _Thread_local time_t last_s = -1;
    static _Thread_local char last[32];
    time_t second_s = (time_t)(time_us / 1000000);
    if (second_s != last_s) {
        struct tm utc;
        gmtime_r(&second_s, &utc);
        strftime(last, sizeof last, "%Y-%m-%dT%H:%M:%S", &utc);
        last_s = second_s;
    }
    unsigned milliseconds = (unsigned)(time_us / 1000 % 1000);
    const char fraction[] = {'.', (char)('0' + milliseconds / 100), (char)('0' + milliseconds / 10 % 10),
                             (char)('0' + milliseconds % 10), 'Z', '"'};
    at = stpcpy(at, name);
    *at++ = '"';
    at = stpcpy(at, last);
    memcpy(at, fraction, sizeof fraction);
    return at + sizeof fraction;
}

size_t nb_log_write_outcome(const nb_log_outcome *outcome, char out[NB_LOG_OUTCOME_SIZE_BYTES_MAX]) {
    char *at = put_time(out, "\"time\":", outcome->began_us);
    nb_span via = {outcome->via, strlen(outcome->via)};
    at = put_member(at, ",\"peer\":", outcome->peer, SHORT_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"request_id\":", outcome->request_id, SHORT_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"via\":", via, SHORT_SIZE_BYTES_MAX, put_text);
    at = put_number(at, ",\"status\":", (uint64_t)outcome->status);
    at = put_number(at, ",\"received_bytes\":", outcome->received_bytes);
    at = put_number(at, ",\"sent_bytes\":", outcome->sent_bytes);
    if (outcome->first_byte_us >= 0)
        at = put_number(at, ",\"first_byte_us\":", (uint64_t)outcome->first_byte_us);
    else
        at = stpcpy(at, ",\"first_byte_us\":null");
    at = put_number(at, ",\"total_us\":", outcome->total_us > 0 ? (uint64_t)outcome->total_us : 0);
    return (size_t)(at - out);
}

size_t nb_log_write_subject(const nb_log_subject *subject, char out[NB_LOG_SUBJECT_SIZE_BYTES_MAX]) {
    char *at = put_member(out, "\"user\":", subject->user, USER_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"access_key\":", subject->access_key, NAME_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"operation\":", subject->operation, SHORT_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"error\":", subject->error, SHORT_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"bucket\":", subject->bucket, NAME_SIZE_BYTES_MAX, put_text);
    return (size_t)(at - out);
}

size_t nb_log_write_request(const nb_log_request *request, char out[NB_LOG_REQUEST_SIZE_BYTES_MAX]) {
    char *at = put_member(out, "\"key\":", request->key, KEY_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"method\":", request->method, SHORT_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"target\":", request->target, TARGET_SIZE_BYTES_MAX, put_url);
    at = put_member(at, ",\"user_agent\":", request->user_agent, USER_AGENT_SIZE_BYTES_MAX, put_text);
    at = put_member(at, ",\"referer\":", request->referer, REFERER_SIZE_BYTES_MAX, put_url);
    return (size_t)(at - out);
}
