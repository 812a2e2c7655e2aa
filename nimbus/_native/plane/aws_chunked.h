/* The decoder of aws-chunked bodies: framing off, every signature and trailer checked. A state machine over spans.
 *
 *     [ size[;chunk-signature=hex] CRLF  bytes CRLF ]...  0[;chunk-signature=hex] CRLF
 *     [ name:value CRLF ]...  [ x-amz-trailer-signature:hex CRLF ]  CRLF
 *
 * Payload is handed out as spans into the input as it comes, before the signature of its chunk can be
 * checked: whoever takes it keeps it invisible until DONE, and throws it away on BAD.
 *
 * Must always hold: how the input is cut into pieces changes nothing; DONE comes only for a body whose every chunk,
 * length, signature and trailer was there and right; nothing may follow it.
 *
 * Source: "Signature calculations for the Authorization header: Transferring payload in multiple chunks" and
 * "... Including trailing headers", Amazon S3 API Reference. The oracle of the tests is nimbus/auth/chunked.py.
 */
#ifndef NIMBUS_PLANE_AWS_CHUNKED_H
#define NIMBUS_PLANE_AWS_CHUNKED_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "sigv4.h"
#include "span.h"

enum {
    NB_AWS_CHUNK_SIZE_BYTES_MIN = 8 << 10,  /* of all but the last */
    NB_AWS_CHUNK_SIZE_BYTES_MAX = 16 << 20, /* of a signed one */
    NB_AWS_LINE_SIZE_BYTES_MAX = 256,
    NB_AWS_TRAILER_SIZE_BYTES_MAX = 4 << 10,
    NB_AWS_TRAILERS_MAX = 8,
    NB_AWS_TRAILER_NAME_SIZE_BYTES_MAX = 64,
};

typedef enum { NB_AWS_SIGNED, NB_AWS_SIGNED_TRAILER, NB_AWS_UNSIGNED_TRAILER } nb_aws_form;

typedef enum { NB_AWS_MORE, NB_AWS_DATA, NB_AWS_DONE, NB_AWS_BAD } nb_aws_verdict;

/* What is wrong with a body. */
typedef enum {
    NB_AWS_FINE,
    NB_AWS_INCOMPLETE,        /* broken framing, wrong lengths */
    NB_AWS_CHUNK_TOO_SMALL,
    NB_AWS_CHUNK_TOO_LARGE,
    NB_AWS_TRAILER_MALFORMED,
    NB_AWS_MISMATCH,          /* a signature: see string_to_sign and provided */
} nb_aws_fault;

typedef struct {
    nb_aws_form form;
    nb_aws_fault fault;
    uint8_t state;
    bool line_was_bare, has_signature;
    uint64_t unseen;        /* payload bytes that no chunk header has announced yet */
    uint64_t left;          /* of the present chunk */
    uint64_t previous_size;
    size_t line_size;
    size_t trailer_room, trailers_size;
    size_t declared_count, trailer_count;
    size_t string_size, provided_size;
    void *hash; /* SHA256_CTX of the present chunk, or NULL */
    uint8_t key[NB_SIGV4_KEY_SIZE];
    char timestamp[16];
    size_t scope_size;
    char scope[NB_SIGV4_SCOPE_SIZE_MAX];
    char previous[NB_SIGV4_SIGNATURE_SIZE];
    char signature[NB_SIGV4_SIGNATURE_SIZE];
    char declared[NB_AWS_TRAILERS_MAX][NB_AWS_TRAILER_NAME_SIZE_BYTES_MAX + 1];
    char line[NB_AWS_TRAILER_SIZE_BYTES_MAX];
    char trailers[NB_AWS_TRAILER_SIZE_BYTES_MAX + NB_AWS_TRAILERS_MAX]; /* name:value LF, names in lower case */
    char provided[NB_AWS_TRAILER_SIZE_BYTES_MAX];
    char string_to_sign[NB_SIGV4_STRING_SIZE_MAX];
} nb_aws_chunked;

/* What the signatures of chunks chain from; not needed for unsigned bodies. */
typedef struct {
    const uint8_t *key;
    nb_span timestamp, scope, signature;
} nb_aws_seed;

/* False when memory is short or the seed is none. `declared` are the names in x-amz-trailer, in lower case. */
bool nb_aws_chunked_init(nb_aws_chunked *decoder, nb_aws_form form, uint64_t decoded_length, const nb_aws_seed *seed,
                         const nb_span *declared, size_t declared_count);
void nb_aws_chunked_free(nb_aws_chunked *decoder);

/* Take bytes off the front of *input. DATA: *payload is a run of payload inside the input; call again. MORE: the input
 * is used up. DONE: the body is whole, and bytes behind it make the next call BAD. BAD: see `fault`. */
nb_aws_verdict nb_aws_chunked_next(nb_aws_chunked *decoder, nb_span *input, nb_span *payload);

/* How many payload bytes come next without any framing between them. */
uint64_t nb_aws_chunked_run(const nb_aws_chunked *decoder);

/* The value of a trailer of a body that is DONE; an empty span when it had none. */
nb_span nb_aws_chunked_trailer(const nb_aws_chunked *decoder, const char *name);

#endif
