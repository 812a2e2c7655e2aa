/* See http.h. One pass finds the end of the head, one pass takes it apart line by line. */
#define _GNU_SOURCE /* memrchr */
#include "http.h"

#include <string.h>

/* RFC 9110 `tchar`: what a method or a header name is made of. */
static const bool TOKEN[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

/* What may stand in a Host: names, IPv4, bracketed IPv6 and a port; never user info or a path. */
static const bool HOST[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, [':'] = 1, ['['] = 1, [']'] = 1, ['~'] = 1, ['%'] = 1,
    ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static bool all_in(nb_span span, const bool table[256]) {
    for (size_t i = 0; i < span.len; i++)
        if (!table[(unsigned char)span.ptr[i]])
            return false;
    return true;
}

bool nb_is_token(unsigned char c) { return TOKEN[c]; }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

bool nb_span_is_nocase(nb_span span, const char *lower_text) {
    size_t len = strlen(lower_text);
    if (span.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (lower(span.ptr[i]) != lower_text[i])
            return false;
    return true;
}

static nb_span trim(nb_span span) {
    while (span.len && (span.ptr[0] == ' ' || span.ptr[0] == '\t'))
        span.ptr++, span.len--;
    while (span.len && (span.ptr[span.len - 1] == ' ' || span.ptr[span.len - 1] == '\t'))
        span.len--;
    return span;
}

bool nb_value_has_token(nb_span value, const char *token) {
    while (value.len) {
        const char *comma = memchr(value.ptr, ',', value.len);
        size_t len = comma ? (size_t)(comma - value.ptr) : value.len;
        if (nb_span_is_nocase(trim((nb_span){value.ptr, len}), token))
            return true;
        size_t step = comma ? len + 1 : len;
        value.ptr += step, value.len -= step;
    }
    return false;
}

int64_t nb_parse_decimal(nb_span text) {
    if (text.len == 0 || text.len > 18)
        return -1;
    int64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        number = number * 10 + (text.ptr[i] - '0');
    }
    return number;
}

/* The length of the head including its empty line. Complains about a bare LF as soon as it is there. */
static ssize_t head_length(const char *buf, size_t len, size_t *scanned) {
    size_t limit = len < NB_HTTP_HEAD_SIZE_BYTES_MAX ? len : NB_HTTP_HEAD_SIZE_BYTES_MAX;
    size_t at = *scanned;
    while (at < limit) {
        const char *lf = memchr(buf + at, '\n', limit - at);
        if (!lf)
            break;
        size_t i = (size_t)(lf - buf);
        if (i == 0 || buf[i - 1] != '\r')
            return NB_HTTP_BARE_LF;
        if (i == 1)
            return NB_HTTP_BAD_LINE; /* an empty line before the request line */
        if (i >= 3 && buf[i - 2] == '\n')
            return (ssize_t)(i + 1);
        at = i + 1;
    }
    *scanned = limit;
    return len >= NB_HTTP_HEAD_SIZE_BYTES_MAX ? NB_HTTP_TOO_LARGE : NB_HTTP_MORE;
}

/* Takes the next line off *rest; the head was found whole, so there is always a CRLF. */
static nb_span next_line(nb_span *rest) {
    const char *lf = memchr(rest->ptr, '\n', rest->len);
    nb_span line = {rest->ptr, (size_t)(lf - rest->ptr) - 1};
    rest->len -= line.len + 2;
    rest->ptr += line.len + 2;
    return line;
}

/* No branch in the loop: the compiler takes many bytes at once. */
static bool value_is_clean(nb_span value) {
    unsigned char odd = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        odd |= (unsigned char)((c < 0x20) & (c != '\t')) | (unsigned char)(c == 0x7f);
    }
    return !odd;
}

static ssize_t parse_header(nb_span line, nb_header *out) {
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon || colon == line.ptr)
        return NB_HTTP_BAD_HEADER;
    nb_span name = {line.ptr, (size_t)(colon - line.ptr)};
    if (!all_in(name, TOKEN)) /* also a space before the colon, and a folded line */
        return NB_HTTP_BAD_HEADER;
    nb_span value = trim((nb_span){colon + 1, line.len - name.len - 1});
    if (!value_is_clean(value))
        return NB_HTTP_BAD_HEADER;
    char *mutable_name = (char *)name.ptr;
    for (size_t i = 0; i < name.len; i++)
        mutable_name[i] = lower(mutable_name[i]);
    *out = (nb_header){name, value};
    return 1;
}

static ssize_t parse_headers(nb_span rest, nb_header *headers, size_t count_max, size_t *count) {
    *count = 0;
    for (nb_span line = next_line(&rest); line.len; line = next_line(&rest)) {
        if (*count == count_max)
            return NB_HTTP_TOO_MANY;
        ssize_t parsed = parse_header(line, &headers[*count]);
        if (parsed < 0)
            return parsed;
        (*count)++;
    }
    return 1;
}

static ssize_t parse_version(nb_span version, bool *http_1_0) {
    *http_1_0 = nb_span_is(version, "HTTP/1.0");
    return *http_1_0 || nb_span_is(version, "HTTP/1.1") ? 1 : NB_HTTP_BAD_VERSION;
}

/* RFC 9112, 3.2.2: `http://authority/path?query`, whose authority stands for the Host header. It goes to out->host, and
 * *rest is the path and the query. False: the target is in no such form. */
static bool take_authority(nb_span *rest, nb_request *out) {
    static const char *const SCHEMES[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof SCHEMES / sizeof *SCHEMES; i++) {
        size_t len = strlen(SCHEMES[i]);
        if (rest->len < len || !nb_span_is_nocase((nb_span){rest->ptr, len}, SCHEMES[i]))
            continue;
        rest->ptr += len, rest->len -= len;
        size_t size = 0;
        while (size < rest->len && rest->ptr[size] != '/' && rest->ptr[size] != '?')
            size++;
        out->host = (nb_span){rest->ptr, size};
        rest->ptr += size, rest->len -= size;
        return size > 0;
    }
    return false;
}

static ssize_t parse_target(nb_span target, nb_request *out) {
    nb_span whole = target;
    out->host = (nb_span){NULL, 0};
    if (target.len == 0 || (target.ptr[0] != '/' && !take_authority(&target, out)))
        return NB_HTTP_BAD_TARGET;
    unsigned char odd = 0;
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        odd |= (unsigned char)((c <= 0x20) | (c >= 0x7f) | (c == '#'));
    }
    if (odd)
        return NB_HTTP_BAD_TARGET;
    const char *mark = memchr(target.ptr, '?', target.len);
    out->has_query = mark != NULL;
    size_t path_len = mark ? (size_t)(mark - target.ptr) : target.len;
    out->target = whole;
    out->path = path_len ? (nb_span){target.ptr, path_len} : (nb_span){out->host.ptr - 1, 1}; /* the slash before it */
    out->query = mark ? (nb_span){mark + 1, target.len - path_len - 1} : (nb_span){target.ptr + path_len, 0};
    return 1;
}

static ssize_t parse_request_line(nb_span line, nb_request *out) {
    const char *first = memchr(line.ptr, ' ', line.len);
    if (!first)
        return NB_HTTP_BAD_LINE;
    out->method = (nb_span){line.ptr, (size_t)(first - line.ptr)};
    if (out->method.len == 0 || out->method.len > NB_HTTP_METHOD_SIZE_BYTES_MAX || !all_in(out->method, TOKEN))
        return NB_HTTP_BAD_LINE;
    nb_span rest = {first + 1, line.len - out->method.len - 1};
    const char *second = memchr(rest.ptr, ' ', rest.len);
    if (!second)
        return NB_HTTP_BAD_LINE;
    nb_span target = {rest.ptr, (size_t)(second - rest.ptr)};
    ssize_t parsed = parse_version((nb_span){second + 1, rest.len - target.len - 1}, &out->http_1_0);
    return parsed < 0 ? parsed : parse_target(target, out);
}

/* Whether the last of the transfer codings is the one that tells where the body ends. */
static bool ends_chunked(nb_span codings) {
    const char *comma = memrchr(codings.ptr, ',', codings.len);
    const char *last = comma ? comma + 1 : codings.ptr;
    return nb_span_is_nocase(trim((nb_span){last, (size_t)(codings.ptr + codings.len - last)}), "chunked");
}

/* Content-Length and Transfer-Encoding of either kind of head. */
static ssize_t parse_framing(const nb_header *headers, size_t count, int64_t *content_length, bool *chunked) {
    const nb_header *length = nb_header_find(headers, count, "content-length");
    const nb_header *coding = nb_header_find(headers, count, "transfer-encoding");
    *content_length = -1;
    *chunked = coding != NULL;
    if (nb_header_count(headers, count, "content-length") > 1 || nb_header_count(headers, count, "transfer-encoding") > 1)
        return NB_HTTP_BAD_FRAMING;
    if (coding && !nb_span_is_nocase(coding->value, "chunked")) /* RFC 9112, 6.1 and 6.3 */
        return ends_chunked(coding->value) ? NB_HTTP_BAD_CODING : NB_HTTP_BAD_FRAMING;
    if (length && coding)
        return NB_HTTP_BAD_FRAMING;
    if (length && (*content_length = nb_parse_decimal(length->value)) < 0)
        return NB_HTTP_BAD_FRAMING;
    return 1;
}

static bool keeps_alive(const nb_header *headers, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (nb_span_is(headers[i].name, "connection") && nb_value_has_token(headers[i].value, "close"))
            return false;
    return true;
}

static ssize_t parse_host(nb_request *out) {
    nb_header *host = (nb_header *)nb_header_find(out->headers, out->headers_count, "host");
    if (!host || host->value.len == 0)
        return NB_HTTP_NO_HOST;
    if (nb_header_count(out->headers, out->headers_count, "host") != 1)
        return NB_HTTP_TWO_HOSTS;
    if (out->host.ptr) /* whoever reads the header after us reads what was asked for */
        host->value = out->host;
    if (!all_in(host->value, HOST))
        return NB_HTTP_BAD_HOST;
    out->host = host->value;
    return 1;
}

static ssize_t parse_expect(nb_request *out) {
    size_t count = nb_header_count(out->headers, out->headers_count, "expect");
    out->expects_continue = out->expects_in_vain = false;
    if (count == 0)
        return 1;
    const nb_header *expect = nb_header_find(out->headers, out->headers_count, "expect");
    if (count > 1)
        return NB_HTTP_BAD_EXPECT;
    if (!nb_span_is_nocase(expect->value, "100-continue"))
        return 1; /* S3 lets other expectations pass, and so does the embedded server */
    /* An HTTP/1.0 client cannot understand an interim answer (RFC 9110, 10.1.1). */
    bool has_content = out->chunked || out->content_length > 0;
    out->expects_continue = has_content && !out->http_1_0;
    out->expects_in_vain = !has_content;
    return 1;
}

ssize_t nb_http_request(char *buf, size_t len, size_t *scanned, nb_request *out) {
    ssize_t head = head_length(buf, len, scanned);
    if (head <= 0)
        return head;
    nb_span rest = {buf, (size_t)head};
    ssize_t parsed = parse_request_line(next_line(&rest), out);
    if (parsed < 0 || (parsed = parse_headers(rest, out->headers, NB_HTTP_HEADERS_MAX, &out->headers_count)) < 0)
        return parsed;
    if ((parsed = parse_framing(out->headers, out->headers_count, &out->content_length, &out->chunked)) < 0)
        return parsed;
    if (out->chunked && out->http_1_0)
        return NB_HTTP_BAD_FRAMING;
    if ((parsed = parse_host(out)) < 0 || (parsed = parse_expect(out)) < 0)
        return parsed;
    /* Many a botocore takes the answer after the one that came instead of a 100 Continue apart wrongly, and waits for
     * ever: whoever expects in vain gets a new connection. */
    out->keep_alive = !out->http_1_0 && !out->expects_in_vain && keeps_alive(out->headers, out->headers_count);
    return head;
}

ssize_t nb_http_response(char *buf, size_t len, size_t *scanned, nb_response *out) {
    ssize_t head = head_length(buf, len, scanned);
    if (head <= 0)
        return head;
    nb_span rest = {buf, (size_t)head};
    nb_span line = next_line(&rest);
    bool http_1_0;
    if (line.len < 12 || parse_version((nb_span){line.ptr, 8}, &http_1_0) < 0 || line.ptr[8] != ' ')
        return NB_HTTP_BAD_LINE;
    out->status = (int)nb_parse_decimal((nb_span){line.ptr + 9, 3});
    if (out->status < 100 || (line.len > 12 && line.ptr[12] != ' '))
        return NB_HTTP_BAD_LINE;
    ssize_t parsed = parse_headers(rest, out->headers, NB_HTTP_ANSWER_HEADERS_MAX, &out->headers_count);
    if (parsed < 0)
        return parsed;
    if ((parsed = parse_framing(out->headers, out->headers_count, &out->content_length, &out->chunked)) < 0)
        return parsed;
    out->keep_alive = !http_1_0 && keeps_alive(out->headers, out->headers_count);
    return head;
}

const char *nb_http_error_name(ssize_t error) {
    static const char *const NAMES[] = {
        "more",       "bad-line", "bad-version", "bad-target", "bad-header", "bad-host",  "bad-framing",
        "bad-expect", "too-many", "too-large",   "bare-lf",    "no-host",    "two-hosts", "bad-coding",
    };
    size_t index = (size_t)-error;
    return index < sizeof NAMES / sizeof *NAMES ? NAMES[index] : "unknown";
}
