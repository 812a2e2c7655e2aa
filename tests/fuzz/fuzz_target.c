/* libFuzzer target: bucket and key of a request, the plain query, conditions and dates of the native plane. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plane/conditions.h"
#include "plane/target.h"

/* Cuts the input at its first line feeds: path, host, query, one condition, etag. */
static nb_span next_line(nb_span *rest) {
    const char *lf = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    nb_span line = {rest->ptr, lf ? (size_t)(lf - rest->ptr) : rest->len};
    size_t step = line.len + (lf != NULL);
    rest->ptr += step, rest->len -= step;
    return line;
}

/* How many parents a key may have the S3 room knows. */
static bool has_parent(nb_span key) {
    for (nb_span rest = key; rest.len;) {
        const char *slash = memchr(rest.ptr, '/', rest.len);
        size_t len = slash ? (size_t)(slash - rest.ptr) : rest.len;
        if (len == 2 && memcmp(rest.ptr, "..", 2) == 0)
            return true;
        rest.ptr += len + (slash != NULL), rest.len -= len + (slash != NULL);
    }
    return false;
}

/* What is accepted decodes into a header's value, and into no more room than it has. */
static void check_read_query(nb_span query) {
    nb_read_query asked;
    if (!nb_query_read(query, "GetObject", &asked))
        return;
    if (asked.part_number > NB_PART_NUMBER_MAX)
        abort();
    for (int which = 0; which < NB_OVERRIDES; which++) {
        nb_span value = asked.overrides[which];
        char *decoded = malloc(value.len + !value.len);
        size_t size = decoded ? nb_query_decode(value, decoded) : 0;
        for (size_t i = 0; i < size; i++)
            if (decoded[i] < ' ' || decoded[i] > '~')
                abort();
        free(decoded);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const nb_domains DOMAINS = {2, {"example.com", "s3.example.com"}};
    nb_span rest = {(const char *)data, size};
    nb_span path = next_line(&rest), host = next_line(&rest), query = next_line(&rest), condition = next_line(&rest);
    nb_target target;
    memset(&target, 0xee, sizeof target);
    if (nb_target_parse(path, host, &DOMAINS, &target) == NB_TARGET_OBJECT) {
        if (target.bucket_len < 3 || target.bucket_len > NB_BUCKET_SIZE_BYTES_MAX || target.key_len == 0 ||
            target.key_len > NB_KEY_SIZE_BYTES_MAX || target.name[target.bucket_len] != 0)
            abort();
        if (has_parent((nb_span){target.name + target.bucket_len + 1, target.key_len}))
            abort();
        if (memchr(target.name, '/', target.bucket_len) || memchr(target.name, 0, target.bucket_len))
            abort();
    }
    nb_query_is_plain(query, "PutObject");
    check_read_query(query);
    static const char *const NAMES[] = {"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"};
    nb_validators validators = {rest, host, 1700000000};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        nb_header header = {{NAMES[i], strlen(NAMES[i])}, condition};
        nb_conditions_check(&header, 1, &validators, 1800000000);
    }
    nb_if_range_holds(condition, &validators);
    if (nb_parse_http_date(condition) < -1)
        abort();
    return 0;
}
