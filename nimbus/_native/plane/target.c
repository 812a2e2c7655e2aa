/* See target.h. */
#include "plane/target.h"

#include <string.h>

#include "plane/http.h"

/* Capitals and the root's dot are other spellings of a name: the embedded server knows them. */
static bool is_plain_host(nb_span host) {
    for (size_t i = 0; i < host.len; i++)
        if (host.ptr[i] >= 'A' && host.ptr[i] <= 'Z')
            return false;
    return host.len && host.ptr[host.len - 1] != '.';
}

static nb_span without_port(nb_span host) {
    if (host.len && host.ptr[host.len - 1] == ']')
        return host;
    for (size_t len = host.len; len; len--) {
        char c = host.ptr[len - 1];
        if (c == ':')
            return (nb_span){host.ptr, len - 1};
        if (c < '0' || c > '9')
            break;
    }
    return host;
}

/* The bucket that the host names, empty in path style; the longest domain that fits decides. */
static nb_span virtual_bucket(nb_span host, const nb_domains *domains) {
    size_t longest = 0;
    for (size_t i = 0; i < domains->count; i++) {
        size_t len = strlen(domains->names[i]);
        if (len > host.len || len < longest || memcmp(host.ptr + host.len - len, domains->names[i], len) != 0)
            continue;
        if (len == host.len || host.ptr[host.len - len - 1] == '.')
            longest = len;
    }
    if (longest == 0 || longest == host.len)
        return (nb_span){host.ptr, 0};
    return (nb_span){host.ptr, host.len - longest - 1};
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The decoded length, or 0 for a broken escape, an empty or too long key. */
static size_t decode_key(nb_span raw, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (len == NB_KEY_SIZE_BYTES_MAX)
            return 0;
        if (raw.ptr[i] != '%') {
            out[len++] = raw.ptr[i];
            continue;
        }
        if (raw.len - i < 3)
            return 0;
        int high = hex_value(raw.ptr[i + 1]), low = hex_value(raw.ptr[i + 2]);
        if (high < 0 || low < 0)
            return 0;
        out[len++] = (char)(high << 4 | low);
        i += 2;
    }
    return len;
}

/* Whether a segment of the key is `..`: how many of them a key may have is the S3 room's business. */
static bool has_parent_segment(nb_span key) {
    for (size_t i = 0; i + 1 < key.len; i++) {
        if (key.ptr[i] != '.' || key.ptr[i + 1] != '.')
            continue;
        if ((i == 0 || key.ptr[i - 1] == '/') && (i + 2 == key.len || key.ptr[i + 2] == '/'))
            return true;
    }
    return false;
}

static bool is_plain_bucket(nb_span bucket) {
    if (bucket.len < 3 || bucket.len > NB_BUCKET_SIZE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < bucket.len; i++) {
        char c = bucket.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return false;
    }
    return true;
}

nb_target_verdict nb_target_parse(nb_span path, nb_span host, const nb_domains *domains, nb_target *out) {
    if (path.len < 2 || path.ptr[0] != '/')
        return NB_TARGET_OTHER;
    nb_span rest = {path.ptr + 1, path.len - 1}, bucket = {host.ptr, 0};
    if (domains->count) {
        host = without_port(host);
        if (!is_plain_host(host))
            return NB_TARGET_OTHER;
        bucket = virtual_bucket(host, domains);
    }
    if (bucket.len == 0) {
        const char *slash = memchr(rest.ptr, '/', rest.len);
        if (!slash)
            return NB_TARGET_OTHER;
        bucket = (nb_span){rest.ptr, (size_t)(slash - rest.ptr)};
        rest.ptr += bucket.len + 1, rest.len -= bucket.len + 1;
    }
    if (!is_plain_bucket(bucket))
        return NB_TARGET_OTHER;
    memcpy(out->name, bucket.ptr, bucket.len);
    out->name[bucket.len] = 0;
    out->bucket_len = bucket.len;
    char *key = out->name + bucket.len + 1;
    out->key_len = decode_key(rest, key);
    return out->key_len && !has_parent_segment((nb_span){key, out->key_len}) ? NB_TARGET_OBJECT : NB_TARGET_OTHER;
}

bool nb_query_next(nb_span *query, nb_span *name, nb_span *value) {
    if (query->len == 0)
        return false;
    const char *amp = memchr(query->ptr, '&', query->len);
    nb_span item = {query->ptr, amp ? (size_t)(amp - query->ptr) : query->len};
    size_t step = item.len + (amp != NULL);
    query->ptr += step, query->len -= step;
    const char *equals = memchr(item.ptr, '=', item.len);
    *name = (nb_span){item.ptr, equals ? (size_t)(equals - item.ptr) : item.len};
    *value = equals ? (nb_span){equals + 1, item.len - name->len - 1} : (nb_span){item.ptr + item.len, 0};
    return true;
}

bool nb_query_signs(nb_span name) {
    static const char *const SIGNATURE[] = {"X-Amz-Algorithm", "X-Amz-Credential",    "X-Amz-Date",      "X-Amz-Expires",
                                            "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Content-Sha256"};
    for (size_t i = 0; i < sizeof SIGNATURE / sizeof *SIGNATURE; i++)
        if (nb_span_is(name, SIGNATURE[i]))
            return true;
    return false;
}

/* A signature, or the name of the operation as some SDKs add it. */
static bool is_plain_parameter(nb_span name, nb_span value, const char *operation) {
    return nb_query_signs(name) || (nb_span_is(name, "x-id") && nb_span_is(value, operation));
}

bool nb_query_is_plain(nb_span query, const char *operation) {
    for (nb_span name, value; nb_query_next(&query, &name, &value);)
        if (!is_plain_parameter(name, value, operation))
            return false;
    return true;
}

/* --- what a read asks for ------------------------------------------------------------------------------ */

static const char *const OVERRIDE_PARAMETERS[NB_OVERRIDES] = {
    [NB_OVERRIDE_CACHE_CONTROL] = "response-cache-control",
    [NB_OVERRIDE_CONTENT_DISPOSITION] = "response-content-disposition",
    [NB_OVERRIDE_CONTENT_ENCODING] = "response-content-encoding",
    [NB_OVERRIDE_CONTENT_LANGUAGE] = "response-content-language",
    [NB_OVERRIDE_CONTENT_TYPE] = "response-content-type",
    [NB_OVERRIDE_EXPIRES] = "response-expires",
};

const char *nb_override_header(nb_override which) { return OVERRIDE_PARAMETERS[which] + strlen("response-"); }

/* The next byte of a value; -1 for a broken escape. A plus is a space, as S3 reads it. */
static int next_byte(nb_span *value) {
    char c = value->ptr[0];
    size_t size = c == '%' ? 3 : 1;
    if (value->len < size)
        return -1;
    int high = size == 3 ? hex_value(value->ptr[1]) : 0, low = size == 3 ? hex_value(value->ptr[2]) : 0;
    value->ptr += size, value->len -= size;
    if (size == 1)
        return c == '+' ? ' ' : (unsigned char)c;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

size_t nb_query_decode(nb_span value, char *out) {
    size_t size = 0;
    while (value.len)
        out[size++] = (char)next_byte(&value);
    return size;
}

/* Printable ASCII with no space at either end: one reading, and the same bytes whoever writes the header. */
static bool is_plain_value(nb_span value) {
    int last = 0;
    for (bool is_first = true; value.len; is_first = false) {
        last = next_byte(&value);
        if (last < ' ' || last > '~' || (is_first && last == ' '))
            return false;
    }
    return last != ' ';
}

static bool take_part_number(nb_span value, nb_read_query *out) {
    int64_t number = value.len && value.len <= 5 && value.ptr[0] != '0' ? nb_parse_decimal(value) : -1;
    if (out->part_number || number < 1 || number > NB_PART_NUMBER_MAX)
        return false;
    out->part_number = (unsigned)number;
    return true;
}

static bool take_override(nb_span name, nb_span value, nb_read_query *out) {
    for (int which = 0; which < NB_OVERRIDES; which++) {
        if (!nb_span_is(name, OVERRIDE_PARAMETERS[which]))
            continue;
        if (out->overrides[which].ptr)
            return false;
        out->overrides[which] = value;
        out->has_overrides |= value.len > 0;
        return true;
    }
    return false;
}

/* Where a presigner puts the header of this name. Any other header there is for the embedded server. */
static bool take_checksum_mode(nb_span name, nb_span value, nb_read_query *out) {
    if (out->wants_checksums || !nb_span_is_nocase(name, "x-amz-checksum-mode") || !nb_span_is(value, "ENABLED"))
        return false;
    return out->wants_checksums = true;
}

bool nb_query_read(nb_span query, const char *operation, nb_read_query *out) {
    *out = (nb_read_query){0};
    for (nb_span name, value; nb_query_next(&query, &name, &value);) {
        if (!is_plain_value(value))
            return false;
        bool is_known = nb_span_is(name, "partNumber") ? take_part_number(value, out)
                                                       : is_plain_parameter(name, value, operation) ||
                                                             take_override(name, value, out) ||
                                                             take_checksum_mode(name, value, out);
        if (!is_known)
            return false;
    }
    return true;
}
