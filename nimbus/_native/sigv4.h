/* AWS Signature Version 4 for S3, checked from the raw request head.
 *
 * Pure functions over spans: no allocation, no globals, no clock, no Python; every thread brings its own scratch.
 * Spans in a claim point into the request or into the claim itself, so a claim is never copied and does not
 * outlive the bytes it was read from.
 *
 * Order of calls: nb_sigv4_read, nb_sigv4_check_scope, nb_sigv4_check_time, nb_sigv4_check_signature. A request
 * is signed only once the last of them has answered NB_SIGV4_OK.
 *
 * Source: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API Reference.
 */
#ifndef NIMBUS_SIGV4_H
#define NIMBUS_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "span.h"

#define NB_SIGV4_HEAD_SIZE_MAX (16 * 1024) /* method, path, query, names and values together */
#define NB_SIGV4_HEADERS_MAX 128
#define NB_SIGV4_PARAMETERS_MAX 64
#define NB_SIGV4_ACCESS_KEY_SIZE_MAX 128
#define NB_SIGV4_SCOPE_SIZE_MAX 128
#define NB_SIGV4_DECODED_SIZE_MAX 4096
#define NB_SIGV4_EXPIRES_S_MAX 604800
#define NB_SIGV4_SKEW_S_MAX 900
#define NB_SIGV4_SECRET_SIZE_MAX 1024
#define NB_SIGV4_KEY_SIZE 32
#define NB_SIGV4_SIGNATURE_SIZE 64 /* lower-case hexadecimal digits, no closing zero */
#define NB_SIGV4_STRING_SIZE_MAX 512

/* How a request says who sent it; CONFLICT: in more than one way. */
#define NB_SIGV4_FORMS(X) \
    X(UNKNOWN)            \
    X(ANONYMOUS)          \
    X(SIGV4_HEADER)       \
    X(SIGV4_QUERY)        \
    X(SIGV2_HEADER)       \
    X(SIGV2_QUERY)        \
    X(SIGV4A_HEADER)      \
    X(CONFLICT)

/* What x-amz-content-sha256 announces. */
#define NB_SIGV4_PAYLOADS(X)    \
    X(ABSENT)                   \
    X(UNSIGNED)                 \
    X(SHA256)                   \
    X(CHUNKED_SIGNED)           \
    X(CHUNKED_SIGNED_TRAILER)   \
    X(CHUNKED_UNSIGNED_TRAILER) \
    X(UNSUPPORTED)              \
    X(NONSENSE)

/* What can be wrong. The first five are said of every form of request, the others of SigV4 alone. */
#define NB_SIGV4_STATUSES(X)    \
    X(OK)                       \
    X(HEAD_TOO_LARGE)           \
    X(HEAD_MALFORMED)           \
    X(QUERY_MALFORMED)          \
    X(PARAMETER_REPEATED)       \
    X(FIELDS_MALFORMED)         \
    X(ALGORITHM_MISSING)        \
    X(ALGORITHM_UNKNOWN)        \
    X(CREDENTIAL_MISSING)       \
    X(CREDENTIAL_MALFORMED)     \
    X(SIGNED_HEADERS_MISSING)   \
    X(SIGNED_HEADERS_MALFORMED) \
    X(SIGNATURE_MISSING)        \
    X(EXPIRES_MISSING)          \
    X(EXPIRES_MALFORMED)        \
    X(EXPIRES_NEGATIVE)         \
    X(EXPIRES_ZERO)             \
    X(EXPIRES_TOO_LONG)         \
    X(PAYLOAD_MISSING)          \
    X(PAYLOAD_NONSENSE)         \
    X(PAYLOAD_UNSUPPORTED)      \
    X(DATE_MISSING)             \
    X(DATE_MALFORMED)           \
    X(TERMINAL_WRONG)           \
    X(SERVICE_WRONG)            \
    X(REGION_WRONG)             \
    X(SCOPE_DATE_MALFORMED)     \
    X(SCOPE_DATE_DIFFERS)       \
    X(SKEWED)                   \
    X(NOT_YET_VALID)            \
    X(EXPIRED)                  \
    X(PATH_MALFORMED)           \
    X(HOST_UNSIGNED)            \
    X(HEADER_UNSIGNED)          \
    X(MISMATCH)

#define NB_NAME(name) NB_FORM_##name,
typedef enum { NB_SIGV4_FORMS(NB_NAME) } nb_sigv4_form;
#undef NB_NAME
#define NB_NAME(name) NB_PAYLOAD_##name,
typedef enum { NB_SIGV4_PAYLOADS(NB_NAME) } nb_sigv4_payload;
#undef NB_NAME
#define NB_NAME(name) NB_SIGV4_##name,
typedef enum { NB_SIGV4_STATUSES(NB_NAME) } nb_sigv4_status;
#undef NB_NAME

/* Their names, for the tables and messages of callers. */
#define NB_COUNT(name) +1
enum {
    NB_SIGV4_FORM_COUNT = NB_SIGV4_FORMS(NB_COUNT),
    NB_SIGV4_PAYLOAD_COUNT = NB_SIGV4_PAYLOADS(NB_COUNT),
    NB_SIGV4_STATUS_COUNT = NB_SIGV4_STATUSES(NB_COUNT)
};
#undef NB_COUNT
extern const char *const nb_sigv4_form_names[NB_SIGV4_FORM_COUNT];
extern const char *const nb_sigv4_payload_names[NB_SIGV4_PAYLOAD_COUNT];
extern const char *const nb_sigv4_status_names[NB_SIGV4_STATUS_COUNT];

typedef struct {
    nb_span method;
    nb_span path;  /* raw, without query */
    nb_span query; /* raw, without question mark */
    const nb_header *headers;
    size_t header_count;
} nb_sigv4_request;

typedef struct {
    nb_sigv4_form form;
    nb_sigv4_payload payload;
    nb_span payload_hash; /* as it stands in the canonical request */
    nb_span credential;
    nb_span access_key;
    nb_span scope; /* scope_date/region/service/terminal */
    nb_span scope_date;
    nb_span region;
    nb_span service;
    nb_span terminal;
    nb_span signed_headers;
    nb_span signature;
    nb_span timestamp; /* 20130524T000000Z */
    int64_t timestamp_s;
    nb_span expires;
    int64_t expires_s;
    int has_token; /* a session token, in the head or in the query, whatever the form */
    size_t decoded_size;
    char decoded[NB_SIGV4_DECODED_SIZE_MAX]; /* the percent-decoded parameters of a presigned query */
} nb_sigv4_claim;

/* Room for one canonical request: percent-encoding makes at most three bytes of one. */
typedef struct {
    char query[3 * NB_SIGV4_HEAD_SIZE_MAX];
    char canonical[4 * NB_SIGV4_HEAD_SIZE_MAX];
} nb_sigv4_scratch;

/* Find the form of the request and, for SigV4, take its claim apart. */
nb_sigv4_status nb_sigv4_read(const nb_sigv4_request *request, nb_sigv4_claim *claim);

/* Give a claim that answered NB_SIGV4_DATE_MISSING its time; `timestamp` outlives the claim. */
nb_sigv4_status nb_sigv4_set_timestamp(nb_sigv4_claim *claim, nb_span timestamp);

/* An empty region accepts every region. */
nb_sigv4_status nb_sigv4_check_scope(const nb_sigv4_claim *claim, nb_span region);

nb_sigv4_status nb_sigv4_check_time(const nb_sigv4_claim *claim, int64_t now_s);

/* `key` is the signing key derived from the claim's access key and scope. */
nb_sigv4_status nb_sigv4_check_signature(
    const nb_sigv4_request *request, nb_sigv4_claim *claim, const uint8_t key[NB_SIGV4_KEY_SIZE],
    nb_sigv4_scratch *scratch);

/* The canonical request of S3, built in the scratch: what the signature covers. */
nb_sigv4_status nb_sigv4_canonical_request(
    const nb_sigv4_request *request, nb_sigv4_claim *claim, nb_sigv4_scratch *scratch, nb_span *canonical);

/* Writes at most NB_SIGV4_STRING_SIZE_MAX bytes and returns how many. */
size_t nb_sigv4_string_to_sign(const nb_sigv4_claim *claim, nb_span canonical, char *out);

/* Answers 0 for a secret longer than NB_SIGV4_SECRET_SIZE_MAX, else 1. */
int nb_sigv4_derive_key(
    nb_span secret, nb_span date, nb_span region, nb_span service, uint8_t key[NB_SIGV4_KEY_SIZE]);
void nb_sigv4_sign(const uint8_t key[NB_SIGV4_KEY_SIZE], nb_span text, char signature[NB_SIGV4_SIGNATURE_SIZE]);

/* Seconds since the epoch of 20130524T000000Z, or -1 for anything that is not such a time. */
int64_t nb_sigv4_parse_timestamp(nb_span text);

#endif
