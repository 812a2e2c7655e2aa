/* PutObject of small objects: received, verified and digested here, named by Python; see put.c. */
#ifndef NIMBUS_PLANE_PUT_H
#define NIMBUS_PLANE_PUT_H

#include "plane/awschunks.h"
#include "plane/digest.h"
#include "plane/plane.h"
#include "plane/target.h"

enum {
    NB_UPLOAD_SIZE_BYTES_MAX = 256 << 10,  /* what one frame of a segment takes */
    NB_UPLOAD_FRAMING_BYTES_MAX = 8 << 10, /* chunk headers and trailers of such an object */
    NB_UPLOADS_MAX = 4096,                 /* that wait for Python */
    NB_ANSWER_SIZE_BYTES_MAX = 4096,
    NB_BASE64_SIZE_BYTES_MAX = 4 * ((NB_DIGEST_SIZE_BYTES_MAX + 2) / 3),
};

struct nb_upload {
    nb_item item;       /* in the queue to Python */
    nb_message message; /* on the way back */
    nb_link hashing;    /* among those that are whole and not yet digested */
    nb_conn *conn;
    nb_worker *worker;
    nb_target target;
    nb_span user_id, access_key; /* in conn->ring, held as long as the upload */
    nb_keyring *ring;
    nb_sigv4_payload form;
    nb_chunk_seed seed;
    nb_span trailer_name, content_md5, checksum_value; /* in `head`; empty: none */
    char payload_sha256[2 * 32];
    int checksum; /* nb_digest_kind */
    uint64_t decoded_length;
    nb_span payload; /* in `wire`, once it is decoded */
    uint8_t md5[NB_MD5_SIZE_BYTES];
    char checksum_text[NB_BASE64_SIZE_BYTES_MAX + 1];
    size_t head_size, wire_size, have;
    char *head;                            /* a copy of the request's head */
    char *wire;                            /* the body as it came */
    size_t answer_size;                    /* 0: the embedded server should answer */
    char answer[NB_ANSWER_SIZE_BYTES_MAX]; /* header lines of the 200, each with its CRLF */
};

typedef enum { NB_PUT_RELAY, NB_PUT_READING } nb_put_verdict;

nb_put_verdict nb_put_begin(nb_conn *conn, const nb_request *request);
nb_step nb_put_step(nb_conn *conn);
void nb_put_end(nb_conn *conn); /* forget an upload that Python does not have */

/* Digest all that became whole in this turn, side by side, and hand it over. */
void nb_put_finish_turn(nb_worker *worker);

/* Python's answer, from any thread: header lines, or none for "let the embedded server answer". */
void nb_put_answer(nb_upload *upload, nb_span lines);

#endif
