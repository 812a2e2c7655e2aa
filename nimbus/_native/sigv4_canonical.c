/* The canonical request of a SigV4 claim, and its signature. Contract in sigv4.h.
 *
 * Must always hold: every write is checked against its room; nothing that a request holds can put a line break
 * into the canonical request, so that its lines mean what they say; signatures are compared in constant time.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* on input this short EVP, also behind SHA256(), costs more than the hashing */
#include "sigv4.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#include "sigv4_text.h"

/* --- the canonical request ----------------------------------------------------------------------------- */

typedef struct {
    char *at;
    char *end;
} writer;

static int put(writer *out, const char *text, size_t size) {
    if ((size_t)(out->end - out->at) < size)
        return 0;
    if (size)
        memcpy(out->at, text, size);
    out->at += size;
    return 1;
}

static int put_line(writer *out, nb_span text) {
    return put(out, text.ptr, text.len) && put(out, "\n", 1);
}

/* The bytes that S3 leaves as they are: 1 for RFC 3986's unreserved ones, 2 for the slash of a path. */
static const uint8_t KEPT[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['/'] = 2,  ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

/* Decode what the client escaped and escape it again S3's way: whatever spelling came, one comes out. */
static nb_sigv4_status put_encoded(writer *out, nb_span raw, int is_path, nb_sigv4_status malformed) {
    static const char HEX[] = "0123456789ABCDEF";
    const uint8_t kept_max = is_path ? 2 : 1;
    while (raw.len) {
        size_t run = 0;
        while (run < raw.len && (uint8_t)(KEPT[(unsigned char)raw.ptr[run]] - 1) < kept_max)
            run++;
        if (!put(out, raw.ptr, run))
            return NB_SIGV4_HEAD_TOO_LARGE;
        raw = slice(raw, run, raw.len);
        if (raw.len == 0)
            break;
        int value = next_decoded(&raw, !is_path);
        if (value < 0)
            return malformed;
        char escaped[3] = {'%', HEX[value >> 4], HEX[value & 15]}, plain = (char)value;
        int keep = (uint8_t)(KEPT[value] - 1) < kept_max;
        if (!put(out, keep ? &plain : escaped, keep ? 1 : 3))
            return NB_SIGV4_HEAD_TOO_LARGE;
    }
    return NB_SIGV4_OK;
}

typedef struct {
    nb_span name, value;
} pair;

static int comes_before(const pair *a, const pair *b) {
    size_t size = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = size ? memcmp(a->name.ptr, b->name.ptr, size) : 0;
    if (order || a->name.len != b->name.len)
        return order ? order < 0 : a->name.len < b->name.len;
    size = a->value.len < b->value.len ? a->value.len : b->value.len;
    order = size ? memcmp(a->value.ptr, b->value.ptr, size) : 0;
    return order ? order < 0 : a->value.len < b->value.len;
}

static nb_sigv4_status encode_span(writer *out, nb_span raw, nb_span *encoded) {
    char *start = out->at;
    TRY(put_encoded(out, raw, 0, NB_SIGV4_QUERY_MALFORMED));
    *encoded = (nb_span){start, (size_t)(out->at - start)};
    return NB_SIGV4_OK;
}

/* The encoded parameters in order of name and then of value; how many is in `count`. */
static nb_sigv4_status sort_query(nb_span query, int presigned, writer *room, pair *pairs, size_t *count) {
    *count = 0;
    while (query.len) {
        nb_span value = take(&query, '&');
        nb_span name = take(&value, '=');
        pair now;
        if (name.len == 0 && value.ptr == NULL)
            continue; /* && */
        if (*count == NB_SIGV4_PARAMETERS_MAX)
            return NB_SIGV4_HEAD_TOO_LARGE;
        TRY(encode_span(room, name, &now.name));
        TRY(encode_span(room, value, &now.value));
        if (presigned && IS(now.name, "X-Amz-Signature"))
            continue;
        size_t at = (*count)++;
        for (; at > 0 && comes_before(&now, &pairs[at - 1]); at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = now;
    }
    return NB_SIGV4_OK;
}

static nb_sigv4_status put_query(writer *out, nb_span query, int presigned, nb_sigv4_scratch *scratch) {
    pair pairs[NB_SIGV4_PARAMETERS_MAX];
    writer room = {scratch->query, scratch->query + sizeof scratch->query};
    size_t count;
    TRY(sort_query(query, presigned, &room, pairs, &count));
    for (size_t i = 0; i < count; i++)
        if ((i && !put(out, "&", 1)) || !put(out, pairs[i].name.ptr, pairs[i].name.len) || !put(out, "=", 1) ||
            !put(out, pairs[i].value.ptr, pairs[i].value.len))
            return NB_SIGV4_HEAD_TOO_LARGE;
    return put(out, "\n", 1) ? NB_SIGV4_OK : NB_SIGV4_HEAD_TOO_LARGE;
}

/* Without blanks at the ends, and one space for each run of blanks inside. */
static nb_sigv4_status put_value(writer *out, nb_span value) {
    value = trim(value);
    unsigned char has_odd = 0;
    for (size_t i = 0; i < value.len; i++)
        has_odd |= (unsigned char)((unsigned char)value.ptr[i] <= ' ');
    if (!has_odd) /* as nearly always: no blank, no line break */
        return put(out, value.ptr, value.len) ? NB_SIGV4_OK : NB_SIGV4_HEAD_TOO_LARGE;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\n' || c == '\r' || c == '\0')
            return NB_SIGV4_HEAD_MALFORMED;
        if (is_blank(c) && is_blank(value.ptr[i - 1])) /* i > 0: the first byte is not blank */
            continue;
        c = is_blank(c) ? ' ' : c;
        if (!put(out, &c, 1))
            return NB_SIGV4_HEAD_TOO_LARGE;
    }
    return NB_SIGV4_OK;
}

/* One line for `name`, its values joined by commas in the order they came; marks each header it takes. `gone` is set
 * when there is none: no signature is right then, but what else is wrong with the head is said first. */
static nb_sigv4_status put_header(
    writer *out, const nb_sigv4_request *request, nb_span name, uint8_t *taken, int *gone) {
    int values = 0;
    if (!put(out, name.ptr, name.len) || !put(out, ":", 1))
        return NB_SIGV4_HEAD_TOO_LARGE;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!same(request->headers[i].name, name))
            continue;
        if (taken[i])
            return NB_SIGV4_SIGNED_HEADERS_MALFORMED; /* the list names it twice */
        if (values++ && !put(out, ",", 1))
            return NB_SIGV4_HEAD_TOO_LARGE;
        TRY(put_value(out, request->headers[i].value));
        taken[i] = 1;
    }
    *gone |= !values;
    return put(out, "\n", 1) ? NB_SIGV4_OK : NB_SIGV4_HEAD_TOO_LARGE;
}

/* Every header that steers S3 must be signed; the payload hash is, as the last line of the canonical request. */
static nb_sigv4_status check_coverage(const nb_sigv4_request *request, const uint8_t *taken) {
    int host_signed = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        nb_span name = request->headers[i].name;
        if (taken[i]) {
            host_signed |= IS(name, "host");
        } else if (STARTS(name, "x-amz-") && !IS(name, "x-amz-content-sha256")) {
            return NB_SIGV4_HEADER_UNSIGNED;
        }
    }
    return host_signed ? NB_SIGV4_OK : NB_SIGV4_HOST_UNSIGNED;
}

static nb_sigv4_status put_headers(
    writer *out, const nb_sigv4_request *request, const nb_sigv4_claim *claim, int *gone) {
    uint8_t taken[NB_SIGV4_HEADERS_MAX] = {0};
    nb_span names = claim->signed_headers;
    for (size_t count = 0; names.len; count++) {
        if (count == NB_SIGV4_HEADERS_MAX)
            return NB_SIGV4_SIGNED_HEADERS_MALFORMED;
        TRY(put_header(out, request, take(&names, ';'), taken, gone));
    }
    return check_coverage(request, taken);
}

/* `as_sent` takes the path as the client spelt it; `differs` says whether that is another text, `gone` whether a
 * signed header is missing. */
static nb_sigv4_status build(
    const nb_sigv4_request *request, nb_sigv4_claim *claim, nb_sigv4_scratch *scratch, int as_sent, int *differs,
    int *gone, nb_span *canonical) {
    writer out = {scratch->canonical, scratch->canonical + sizeof scratch->canonical};
    if (request->header_count > NB_SIGV4_HEADERS_MAX) /* nb_sigv4_read has said so too */
        return NB_SIGV4_HEAD_TOO_LARGE;
    if (has_controls(request->method))
        return NB_SIGV4_HEAD_MALFORMED;
    if (!put_line(&out, request->method))
        return NB_SIGV4_HEAD_TOO_LARGE;
    nb_span path = {out.at, 0};
    if (!as_sent)
        TRY(put_encoded(&out, request->path, 1, NB_SIGV4_PATH_MALFORMED));
    else if (has_controls(request->path))
        return NB_SIGV4_MISMATCH;
    else if (!put(&out, request->path.ptr, request->path.len))
        return NB_SIGV4_HEAD_TOO_LARGE;
    path.len = (size_t)(out.at - path.ptr);
    *differs = !same(path, request->path);
    if (!put(&out, "\n", 1))
        return NB_SIGV4_HEAD_TOO_LARGE;
    TRY(put_query(&out, request->query, claim->form == NB_FORM_SIGV4_QUERY, scratch));
    TRY(put_headers(&out, request, claim, gone));
    if (!put(&out, "\n", 1) || !put_line(&out, claim->signed_headers) ||
        !put(&out, claim->payload_hash.ptr, claim->payload_hash.len))
        return NB_SIGV4_HEAD_TOO_LARGE;
    *canonical = (nb_span){scratch->canonical, (size_t)(out.at - scratch->canonical)};
    return NB_SIGV4_OK;
}

nb_sigv4_status nb_sigv4_canonical_request(
    const nb_sigv4_request *request, nb_sigv4_claim *claim, nb_sigv4_scratch *scratch, nb_span *canonical) {
    int differs, gone = 0;
    return build(request, claim, scratch, 0, &differs, &gone, canonical);
}

/* --- hashing ------------------------------------------------------------------------------------------- */

static void to_hex(const uint8_t *bytes, size_t size, char *out) {
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = HEX[bytes[i] >> 4];
        out[2 * i + 1] = HEX[bytes[i] & 15];
    }
}

static void sha256(nb_span text, uint8_t out[SHA256_DIGEST_LENGTH]) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, text.ptr, text.len);
    SHA256_Final(out, &context);
}

static void hmac(const uint8_t *key, size_t key_size, nb_span text, uint8_t out[SHA256_DIGEST_LENGTH]) {
    uint8_t inner[SHA256_CBLOCK] = {0}, outer[SHA256_CBLOCK];
    SHA256_CTX context;
    if (key_size > sizeof inner)
        sha256((nb_span){(const char *)key, key_size}, inner);
    else if (key_size)
        memcpy(inner, key, key_size);
    for (size_t i = 0; i < sizeof inner; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    SHA256_Init(&context);
    SHA256_Update(&context, inner, sizeof inner);
    SHA256_Update(&context, text.ptr, text.len);
    SHA256_Final(out, &context);
    SHA256_Init(&context);
    SHA256_Update(&context, outer, sizeof outer);
    SHA256_Update(&context, out, SHA256_DIGEST_LENGTH);
    SHA256_Final(out, &context);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
}

int nb_sigv4_derive_key(
    nb_span secret, nb_span date, nb_span region, nb_span service, uint8_t key[NB_SIGV4_KEY_SIZE]) {
    static const nb_span TERMINAL = {"aws4_request", 12};
    uint8_t start[4 + NB_SIGV4_SECRET_SIZE_MAX] = {'A', 'W', 'S', '4'};
    if (secret.len > NB_SIGV4_SECRET_SIZE_MAX)
        return 0;
    if (secret.len)
        memcpy(start + 4, secret.ptr, secret.len);
    hmac(start, 4 + secret.len, date, key);
    hmac(key, NB_SIGV4_KEY_SIZE, region, key);
    hmac(key, NB_SIGV4_KEY_SIZE, service, key);
    hmac(key, NB_SIGV4_KEY_SIZE, TERMINAL, key);
    OPENSSL_cleanse(start, sizeof start);
    return 1;
}

void nb_sigv4_sign(const uint8_t key[NB_SIGV4_KEY_SIZE], nb_span text, char signature[NB_SIGV4_SIGNATURE_SIZE]) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    hmac(key, NB_SIGV4_KEY_SIZE, text, digest);
    to_hex(digest, sizeof digest, signature);
}

size_t nb_sigv4_string_to_sign(const nb_sigv4_claim *claim, nb_span canonical, char *out) {
    static const nb_span ALGORITHM = {"AWS4-HMAC-SHA256", 16};
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hash[2 * SHA256_DIGEST_LENGTH];
    writer text = {out, out + NB_SIGV4_STRING_SIZE_MAX};
    sha256(canonical, digest);
    to_hex(digest, sizeof digest, hash);
    /* Time and scope have bounds of their own, so this always fits. */
    put_line(&text, ALGORITHM);
    put_line(&text, claim->timestamp);
    put_line(&text, claim->scope);
    put(&text, hash, sizeof hash);
    return (size_t)(text.at - out);
}

static int matches(const nb_sigv4_claim *claim, nb_span canonical, const uint8_t key[NB_SIGV4_KEY_SIZE]) {
    char text[NB_SIGV4_STRING_SIZE_MAX], signature[NB_SIGV4_SIGNATURE_SIZE];
    size_t size = nb_sigv4_string_to_sign(claim, canonical, text);
    nb_sigv4_sign(key, (nb_span){text, size}, signature);
    return claim->signature.len == sizeof signature &&
           CRYPTO_memcmp(claim->signature.ptr, signature, sizeof signature) == 0;
}

nb_sigv4_status nb_sigv4_check_signature(
    const nb_sigv4_request *request, nb_sigv4_claim *claim, const uint8_t key[NB_SIGV4_KEY_SIZE],
    nb_sigv4_scratch *scratch) {
    nb_span canonical;
    int differs, gone = 0;
    TRY(build(request, claim, scratch, 0, &differs, &gone, &canonical));
    if (gone)
        return NB_SIGV4_MISMATCH;
    if (matches(claim, canonical, key))
        return NB_SIGV4_OK;
    if (!differs)
        return NB_SIGV4_MISMATCH;
    /* Some clients sign a path as they spell it on the wire. Both spellings name one key, so this widens nothing. */
    TRY(build(request, claim, scratch, 1, &differs, &gone, &canonical));
    return matches(claim, canonical, key) ? NB_SIGV4_OK : NB_SIGV4_MISMATCH;
}
