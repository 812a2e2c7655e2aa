/* Which bucket and key a request names, and what its query asks: pure functions over spans.
 *
 * Only the plain cases are decided here. Whatever needs an opinion (broken escapes, sub-resources, encoded bucket
 * names, `..` in a key) is NB_TARGET_OTHER, and the embedded server has the opinion.
 */
#ifndef NIMBUS_PLANE_TARGET_H
#define NIMBUS_PLANE_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "span.h"

enum {
    NB_PART_NUMBER_MAX = 10000,
    NB_KEY_SIZE_BYTES_MAX = 1024,
    NB_BUCKET_SIZE_BYTES_MAX = 63,
    NB_DOMAINS_MAX = 16,
    NB_DOMAIN_SIZE_BYTES_MAX = 253,
};

typedef enum { NB_TARGET_OBJECT, NB_TARGET_OTHER } nb_target_verdict;

typedef struct {
    size_t count;
    char names[NB_DOMAINS_MAX][NB_DOMAIN_SIZE_BYTES_MAX + 1]; /* lower case */
} nb_domains;

/* Bucket, a zero byte, and the percent-decoded key: what the cache is asked for. */
typedef struct {
    size_t bucket_len, key_len;
    char name[NB_BUCKET_SIZE_BYTES_MAX + 1 + NB_KEY_SIZE_BYTES_MAX];
} nb_target;

nb_target_verdict nb_target_parse(nb_span path, nb_span host, const nb_domains *domains, nb_target *out);

static inline nb_span nb_target_name(const nb_target *target) {
    return (nb_span){target->name, target->bucket_len + 1 + target->key_len};
}

/* Take the next `name=value` off a raw query; false at the end. */
bool nb_query_next(nb_span *query, nb_span *name, nb_span *value);

/* Whether this is the name of a part of a signature. What it says is read with the signature. */
bool nb_query_signs(nb_span name);

/* Whether the query has nothing but a signature and the name of the operation, as some SDKs add it. */
bool nb_query_is_plain(nb_span query, const char *operation);

/* The headers of an answer that a signed request may replace by `response-*` parameters. */
typedef enum {
    NB_OVERRIDE_CACHE_CONTROL,
    NB_OVERRIDE_CONTENT_DISPOSITION,
    NB_OVERRIDE_CONTENT_ENCODING,
    NB_OVERRIDE_CONTENT_LANGUAGE,
    NB_OVERRIDE_CONTENT_TYPE,
    NB_OVERRIDE_EXPIRES,
    NB_OVERRIDES,
} nb_override;

const char *nb_override_header(nb_override which); /* its name in lower case */

/* What the query of a GetObject or HeadObject asks for. */
typedef struct {
    unsigned part_number; /* 0: none */
    bool wants_checksums;
    bool has_overrides;
    nb_span overrides[NB_OVERRIDES]; /* still percent-encoded; nothing is replaced by an empty one */
} nb_read_query;

/* False when it has anything else, or in any spelling but the plain one: parameters that are repeated, values that no
 * header can carry as they are. */
bool nb_query_read(nb_span query, const char *operation, nb_read_query *out);

/* A value of a query that nb_query_read accepted, decoded: at most as long as it is. */
size_t nb_query_decode(nb_span value, char *out);

#endif
