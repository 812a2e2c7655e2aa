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
    out->key_len = decode_key(rest, out->name + bucket.len + 1);
    return out->key_len ? NB_TARGET_OBJECT : NB_TARGET_OTHER;
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

bool nb_query_is_plain(nb_span query, const char *operation) {
    static const char *const SIGNATURE[] = {"X-Amz-Algorithm", "X-Amz-Credential",    "X-Amz-Date",
                                            "X-Amz-Expires",   "X-Amz-SignedHeaders", "X-Amz-Signature"};
    for (nb_span name, value; nb_query_next(&query, &name, &value);) {
        bool is_known = nb_span_is(name, "x-id") && nb_span_is(value, operation);
        for (size_t i = 0; i < sizeof SIGNATURE / sizeof *SIGNATURE && !is_known; i++)
            is_known = nb_span_is(name, SIGNATURE[i]);
        if (!is_known)
            return false;
    }
    return true;
}
