/* See aws_chunked.h. */
#define OPENSSL_SUPPRESS_DEPRECATED /* as in sigv4_canonical.c: EVP costs more than hashing a short text */
#include "plane/aws_chunked.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_HEADER, AT_DATA, AT_CHUNK_END, AT_TRAILER, AT_DONE, AT_FAULT };

static const char SIGNATURE_NAME[] = "x-amz-trailer-signature";
static const char EMPTY_SHA256[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static bool is_signed(const nb_aws_chunked *decoder) { return decoder->form != NB_AWS_UNSIGNED_TRAILER; }

static nb_aws_verdict fail(nb_aws_chunked *decoder, nb_aws_fault fault) {
    decoder->state = AT_FAULT;
    decoder->fault = fault;
    return NB_AWS_BAD;
}

bool nb_aws_chunked_init(nb_aws_chunked *decoder, nb_aws_form form, uint64_t decoded_length, const nb_aws_seed *seed,
                         const nb_span *declared, size_t declared_count) {
    memset(decoder, 0, offsetof(nb_aws_chunked, line));
    decoder->form = form;
    decoder->unseen = decoded_length;
    decoder->previous_size = NB_AWS_CHUNK_SIZE_BYTES_MIN;
    decoder->trailer_room = NB_AWS_TRAILER_SIZE_BYTES_MAX;
    if (declared_count > NB_AWS_TRAILERS_MAX)
        return false;
    for (size_t i = 0; i < declared_count; i++) {
        if (declared[i].len > NB_AWS_TRAILER_NAME_SIZE_BYTES_MAX)
            return false;
        memcpy(decoder->declared[i], declared[i].ptr, declared[i].len);
    }
    decoder->declared_count = declared_count;
    if (!is_signed(decoder))
        return true;
    if (seed->timestamp.len != sizeof decoder->timestamp || seed->scope.len > sizeof decoder->scope ||
        seed->signature.len != sizeof decoder->previous || !(decoder->hash = malloc(sizeof(SHA256_CTX))))
        return false;
    memcpy(decoder->key, seed->key, sizeof decoder->key);
    memcpy(decoder->timestamp, seed->timestamp.ptr, seed->timestamp.len);
    memcpy(decoder->scope, seed->scope.ptr, seed->scope.len);
    decoder->scope_size = seed->scope.len;
    memcpy(decoder->previous, seed->signature.ptr, seed->signature.len);
    return true;
}

void nb_aws_chunked_free(nb_aws_chunked *decoder) {
    free(decoder->hash);
    decoder->hash = NULL;
    OPENSSL_cleanse(decoder->key, sizeof decoder->key);
}

/* --- the chain of signatures --------------------------------------------------------------------------- */

static void hex_of(const uint8_t *bytes, char out[2 * SHA256_DIGEST_LENGTH]) {
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        out[2 * i] = DIGITS[bytes[i] >> 4];
        out[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
}

/* Whether `signature` is the next of the chain; `hashes` is the last part of what it signs. */
static bool check(nb_aws_chunked *decoder, const char *algorithm, const char *hashes, nb_span signature) {
    int size = snprintf(decoder->string_to_sign, sizeof decoder->string_to_sign, "%s\n%.*s\n%.*s\n%.*s\n%s", algorithm,
                        (int)sizeof decoder->timestamp, decoder->timestamp, (int)decoder->scope_size, decoder->scope,
                        (int)sizeof decoder->previous, decoder->previous, hashes);
    decoder->string_size = (size_t)size;
    char expected[NB_SIGV4_SIGNATURE_SIZE];
    nb_sigv4_sign(decoder->key, (nb_span){decoder->string_to_sign, decoder->string_size}, expected);
    if (signature.len == sizeof expected && CRYPTO_memcmp(expected, signature.ptr, sizeof expected) == 0) {
        memcpy(decoder->previous, expected, sizeof expected);
        return true;
    }
    memmove(decoder->provided, signature.ptr, signature.len);
    decoder->provided_size = signature.len;
    return false;
}

static bool check_chunk(nb_aws_chunked *decoder, const char sha256[2 * SHA256_DIGEST_LENGTH]) {
    char hashes[4 * SHA256_DIGEST_LENGTH + 2];
    snprintf(hashes, sizeof hashes, "%s\n%.*s", EMPTY_SHA256, 2 * SHA256_DIGEST_LENGTH, sha256);
    return check(decoder, "AWS4-HMAC-SHA256-PAYLOAD", hashes, (nb_span){decoder->signature, sizeof decoder->signature});
}

/* --- lines --------------------------------------------------------------------------------------------- */

/* Bytes up to the end of a line; true once it is whole in decoder->line. Past size_max: a fault. */
static bool take_line(nb_aws_chunked *decoder, nb_span *input, size_t size_max) {
    const char *end = memchr(input->ptr, '\n', input->len);
    size_t count = end ? (size_t)(end - input->ptr) + 1 : input->len;
    if (decoder->line_size + count > size_max) {
        fail(decoder, NB_AWS_INCOMPLETE);
        return false;
    }
    memcpy(decoder->line + decoder->line_size, input->ptr, count);
    decoder->line_size += count;
    input->ptr += count, input->len -= count;
    return end != NULL;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `size CRLF`, or `size;chunk-signature=64 bytes CRLF`. */
static bool parse_header(nb_aws_chunked *decoder, uint64_t *chunk_size) {
    static const char MARK[] = ";chunk-signature=";
    const char *line = decoder->line;
    size_t digits = 0, size = decoder->line_size;
    uint64_t value = 0;
    for (; digits < size && digits < 15 && hex_value(line[digits]) >= 0; digits++)
        value = value << 4 | (uint64_t)hex_value(line[digits]);
    *chunk_size = value;
    if (digits == 0)
        return false;
    const char *rest = line + digits;
    size -= digits;
    if (is_signed(decoder)) {
        size_t mark = sizeof MARK - 1;
        if (size != mark + NB_SIGV4_SIGNATURE_SIZE + 2 || memcmp(rest, MARK, mark) != 0)
            return false;
        rest += mark;
        if (memchr(rest, '\r', NB_SIGV4_SIGNATURE_SIZE))
            return false;
        memcpy(decoder->signature, rest, NB_SIGV4_SIGNATURE_SIZE);
        rest += NB_SIGV4_SIGNATURE_SIZE;
        size = 2;
    }
    return size == 2 && rest[0] == '\r'; /* the line ends where its LF is */
}

/* --- chunks -------------------------------------------------------------------------------------------- */

static void begin_chunk(nb_aws_chunked *decoder) {
    uint64_t size;
    bool is_fine = parse_header(decoder, &size);
    decoder->line_size = 0;
    if (!is_fine) {
        fail(decoder, NB_AWS_INCOMPLETE);
    } else if (size && decoder->previous_size < NB_AWS_CHUNK_SIZE_BYTES_MIN) {
        fail(decoder, NB_AWS_CHUNK_TOO_SMALL);
    } else if (is_signed(decoder) && size > NB_AWS_CHUNK_SIZE_BYTES_MAX) {
        fail(decoder, NB_AWS_CHUNK_TOO_LARGE);
    } else if (size > decoder->unseen || (size == 0 && decoder->unseen)) {
        fail(decoder, NB_AWS_INCOMPLETE);
    } else if (size == 0 && is_signed(decoder) && !check_chunk(decoder, EMPTY_SHA256)) {
        fail(decoder, NB_AWS_MISMATCH);
    } else {
        decoder->previous_size = size;
        decoder->unseen -= size;
        decoder->left = size;
        decoder->state = size ? AT_DATA : AT_TRAILER;
        if (size && decoder->hash)
            SHA256_Init(decoder->hash);
    }
}

static void take_data(nb_aws_chunked *decoder, nb_span *input, nb_span *payload) {
    size_t count = input->len < decoder->left ? input->len : (size_t)decoder->left;
    *payload = (nb_span){input->ptr, count};
    input->ptr += count, input->len -= count;
    decoder->left -= count;
    if (decoder->hash)
        SHA256_Update(decoder->hash, payload->ptr, count);
    if (decoder->left)
        return;
    decoder->state = AT_CHUNK_END;
    if (!decoder->hash)
        return;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH];
    SHA256_Final(digest, decoder->hash);
    hex_of(digest, hex);
    if (!check_chunk(decoder, hex))
        fail(decoder, NB_AWS_MISMATCH);
}

static void end_chunk(nb_aws_chunked *decoder) {
    bool is_fine = decoder->line_size == 2 && decoder->line[0] == '\r';
    decoder->line_size = 0;
    decoder->state = AT_HEADER;
    if (!is_fine)
        fail(decoder, NB_AWS_INCOMPLETE);
}

/* --- trailers ------------------------------------------------------------------------------------------ */

/* The value of a name among the trailers so far; NULL pointer for none. */
static nb_span find_trailer(const nb_aws_chunked *decoder, nb_span name) {
    const char *at = decoder->trailers, *end = at + decoder->trailers_size;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *colon = memchr(at, ':', (size_t)(line_end - at));
        if ((size_t)(colon - at) == name.len && memcmp(at, name.ptr, name.len) == 0)
            return (nb_span){colon + 1, (size_t)(line_end - colon - 1)};
        at = line_end + 1;
    }
    return (nb_span){NULL, 0};
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Take `name:value` apart, the name in lower case. */
static bool parse_trailer(char *text, size_t size, nb_span *name, nb_span *value) {
    size_t len = 0;
    for (; len < size && is_name_byte(text[len]); len++)
        if (text[len] >= 'A' && text[len] <= 'Z')
            text[len] |= 0x20;
    if (len == 0 || len > NB_AWS_TRAILER_NAME_SIZE_BYTES_MAX || len == size || text[len] != ':')
        return false;
    *name = (nb_span){text, len};
    size_t start = len + 1;
    for (; start < size && is_blank(text[start]); start++)
        ;
    for (; size > start && is_blank(text[size - 1]); size--)
        ;
    *value = (nb_span){text + start, size - start};
    for (size_t i = 0; i < value->len; i++)
        if (value->ptr[i] < ' ' || value->ptr[i] > '~')
            return false;
    return value->len > 0;
}

static bool add_trailer(nb_aws_chunked *decoder, size_t size) {
    nb_span name, value;
    if (!parse_trailer(decoder->line, size, &name, &value) || decoder->form == NB_AWS_SIGNED)
        return false;
    if (decoder->has_signature || find_trailer(decoder, name).ptr)
        return false;
    if (name.len == sizeof SIGNATURE_NAME - 1 && memcmp(name.ptr, SIGNATURE_NAME, name.len) == 0) {
        decoder->has_signature = true;
        memcpy(decoder->provided, value.ptr, value.len);
        decoder->provided_size = value.len;
        return true;
    }
    /* A line never grows here, and all lines together fit by trailer_room. */
    char *at = decoder->trailers + decoder->trailers_size;
    memcpy(at, name.ptr, name.len);
    at[name.len] = ':';
    memcpy(at + name.len + 1, value.ptr, value.len);
    at[name.len + 1 + value.len] = '\n';
    decoder->trailers_size += name.len + value.len + 2;
    decoder->trailer_count++;
    return true;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The trailer signature is over the lines in order of their names. */
static bool check_trailers(nb_aws_chunked *decoder) {
    const char *names[NB_AWS_TRAILERS_MAX];
    for (size_t i = 0; i < decoder->declared_count; i++)
        names[i] = decoder->declared[i];
    qsort(names, decoder->declared_count, sizeof *names, compare_names);
    SHA256_CTX *lines = decoder->hash;
    SHA256_Init(lines);
    for (size_t i = 0; i < decoder->declared_count; i++) {
        nb_span name = {names[i], strlen(names[i])}, value = find_trailer(decoder, name);
        SHA256_Update(lines, name.ptr, name.len);
        SHA256_Update(lines, ":", 1);
        SHA256_Update(lines, value.ptr, value.len);
        SHA256_Update(lines, "\n", 1);
    }
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1] = {0};
    SHA256_Final(digest, lines);
    hex_of(digest, hex);
    return check(decoder, "AWS4-HMAC-SHA256-TRAILER", hex, (nb_span){decoder->provided, decoder->provided_size});
}

static bool has_declared_trailers(const nb_aws_chunked *decoder) {
    if (decoder->trailer_count != decoder->declared_count)
        return false;
    for (size_t i = 0; i < decoder->declared_count; i++)
        if (!find_trailer(decoder, (nb_span){decoder->declared[i], strlen(decoder->declared[i])}).ptr)
            return false;
    return true;
}

static void take_empty_line(nb_aws_chunked *decoder) {
    bool needs_signature = decoder->form == NB_AWS_SIGNED_TRAILER;
    /* Clients of the MinIO family end a trailer with LF, and put CRLF between it and the signature. */
    if (needs_signature && !decoder->has_signature && decoder->line_was_bare) {
        decoder->line_was_bare = false;
        return;
    }
    if (!has_declared_trailers(decoder) || decoder->has_signature != needs_signature)
        fail(decoder, NB_AWS_TRAILER_MALFORMED);
    else if (needs_signature && !check_trailers(decoder))
        fail(decoder, NB_AWS_MISMATCH);
    else
        decoder->state = AT_DONE;
}

static void end_trailer(nb_aws_chunked *decoder) {
    size_t size = decoder->line_size - 1;
    bool is_bare = size == 0 || decoder->line[size - 1] != '\r';
    decoder->trailer_room -= decoder->line_size;
    decoder->line_size = 0;
    size -= !is_bare;
    if (size == 0)
        take_empty_line(decoder);
    else if (add_trailer(decoder, size))
        decoder->line_was_bare = is_bare;
    else
        fail(decoder, NB_AWS_TRAILER_MALFORMED);
}

/* --- what callers use ---------------------------------------------------------------------------------- */

nb_aws_verdict nb_aws_chunked_next(nb_aws_chunked *decoder, nb_span *input, nb_span *payload) {
    while (input->len) {
        switch (decoder->state) {
        case AT_HEADER:
            if (take_line(decoder, input, NB_AWS_LINE_SIZE_BYTES_MAX))
                begin_chunk(decoder);
            break;
        case AT_DATA:
            take_data(decoder, input, payload);
            return decoder->state == AT_FAULT ? NB_AWS_BAD : NB_AWS_DATA;
        case AT_CHUNK_END:
            if (take_line(decoder, input, 2))
                end_chunk(decoder);
            break;
        case AT_TRAILER:
            if (take_line(decoder, input, decoder->trailer_room))
                end_trailer(decoder);
            break;
        case AT_DONE: return fail(decoder, NB_AWS_INCOMPLETE); /* nothing may come any more */
        default: return NB_AWS_BAD;
        }
    }
    if (decoder->state == AT_FAULT)
        return NB_AWS_BAD;
    return decoder->state == AT_DONE ? NB_AWS_DONE : NB_AWS_MORE;
}

uint64_t nb_aws_chunked_run(const nb_aws_chunked *decoder) { return decoder->state == AT_DATA ? decoder->left : 0; }

nb_span nb_aws_chunked_trailer(const nb_aws_chunked *decoder, const char *name) {
    nb_span value = find_trailer(decoder, (nb_span){name, strlen(name)});
    return decoder->state == AT_DONE && value.ptr ? value : (nb_span){name, 0};
}
