/* PutObject of objects that fit into one frame: their bytes never enter an event loop.
 *
 * The signature is checked before the body is invited. The body is gathered as it comes, then taken apart, verified
 * and digested in one go; the MD5s of all uploads that became whole in one turn go through the lanes together. Python
 * gets the payload with its digests, decides, commits, and answers once that is durable.
 *
 * Whatever is not plainly right (a bad chunk, a wrong digest, a condition that does not hold, a cut) is relayed with
 * the body as it came, so every refusal is the embedded server's. So nothing that was received natively counts before
 * all of it was verified.
 */
#include "plane/put.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "plane/auth.h"

static const char CHECKSUM_PREFIX[] = "x-amz-checksum-";

/* --- is it for us? ------------------------------------------------------------------------------------- */

static bool starts_with(nb_span span, const char *prefix) {
    size_t len = strlen(prefix);
    return span.len >= len && memcmp(span.ptr, prefix, len) == 0;
}

/* The kind of the checksum that a header or a trailer carries, or -1. */
static int checksum_kind(nb_span name) {
    size_t len = sizeof CHECKSUM_PREFIX - 1;
    if (!starts_with(name, CHECKSUM_PREFIX))
        return -1;
    return nb_digest_kind_of((nb_span){name.ptr + len, name.len - len});
}

/* The x-amz-* headers whose meaning is known here, or which Python reads from the head. */
static bool is_known_amz(nb_span name) {
    static const char *const NAMES[] = {"x-amz-date", "x-amz-content-sha256", "x-amz-user-agent",
                                        "x-amz-decoded-content-length", "x-amz-trailer",
                                        "x-amz-sdk-checksum-algorithm"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (nb_span_is(name, NAMES[i]))
            return true;
    return starts_with(name, "x-amz-meta-") || checksum_kind(name) >= 0;
}

/* At most one checksum, nothing twice that may be there once. */
static bool has_plain_headers(const nb_request *request) {
    static const char *const ONCE[] = {"authorization", "x-amz-content-sha256", "x-amz-decoded-content-length",
                                       "x-amz-trailer", "content-md5", "x-amz-sdk-checksum-algorithm"};
    size_t checksums = 0;
    for (size_t i = 0; i < request->headers_count; i++) {
        nb_span name = request->headers[i].name;
        if (starts_with(name, "x-amz-") && !is_known_amz(name))
            return false;
        checksums += checksum_kind(name) >= 0;
    }
    for (size_t i = 0; i < sizeof ONCE / sizeof *ONCE; i++)
        if (nb_header_count(request->headers, request->headers_count, ONCE[i]) > 1)
            return false;
    bool is_conditional = nb_header_find(request->headers, request->headers_count, "if-match") ||
                          nb_header_find(request->headers, request->headers_count, "if-none-match");
    /* A condition that is lost already is told before the body is invited: that takes a look at the object. */
    return checksums <= 1 && !(is_conditional && request->expects_continue);
}

static nb_span value_of(const nb_request *request, const char *name) {
    const nb_header *header = nb_header_find(request->headers, request->headers_count, name);
    return header ? header->value : (nb_span){"", 0};
}

static bool is_chunked(nb_sigv4_payload form) {
    return form == NB_PAYLOAD_CHUNKED_SIGNED || form == NB_PAYLOAD_CHUNKED_SIGNED_TRAILER ||
           form == NB_PAYLOAD_CHUNKED_UNSIGNED_TRAILER;
}

/* How long the object will be, or -1 when that is not for us. */
static int64_t object_size(const nb_request *request, nb_sigv4_payload form) {
    bool is_plain = form == NB_PAYLOAD_UNSIGNED || form == NB_PAYLOAD_SHA256 || form == NB_PAYLOAD_ABSENT;
    if (!is_chunked(form))
        return is_plain ? request->content_length : -1;
    return nb_parse_decimal(value_of(request, "x-amz-decoded-content-length"));
}

/* --- beginning ----------------------------------------------------------------------------------------- */

static void free_upload(nb_upload *upload) {
    nb_keyring_give(upload->ring);
    free(upload->head);
    free(upload->wire);
    free(upload);
}

/* The head is copied, because the connection may go while Python still reads it. */
static nb_upload *new_upload(nb_conn *conn, size_t wire_size) {
    nb_upload *upload = calloc(1, sizeof *upload);
    if (!upload)
        return NULL;
    upload->head = malloc(conn->head_size);
    upload->wire = malloc(wire_size ? wire_size : 1);
    if (!upload->head || !upload->wire) {
        free_upload(upload);
        return NULL;
    }
    memcpy(upload->head, conn->in->data + conn->head_at, conn->head_size);
    upload->head_size = conn->head_size;
    upload->wire_size = wire_size;
    return upload;
}

/* A span of the connection's head as the same span of the copy. */
static nb_span in_copy(const nb_conn *conn, const nb_upload *upload, nb_span span) {
    if (span.len == 0)
        return (nb_span){"", 0};
    return (nb_span){upload->head + (span.ptr - (conn->in->data + conn->head_at)), span.len};
}

/* What the head says that the body must be. False: not for us. */
static bool declare(nb_conn *conn, nb_upload *upload, const nb_request *request) {
    const nb_auth *auth = &conn->worker->auth;
    const nb_sigv4_claim *claim = &auth->claim;
    upload->form = claim->payload;
    upload->checksum = NB_CRC64NVME; /* what S3 computes when the client names none */
    for (size_t i = 0; i < request->headers_count; i++) {
        int kind = checksum_kind(request->headers[i].name);
        if (kind < 0)
            continue;
        upload->checksum = kind;
        upload->checksum_value = in_copy(conn, upload, request->headers[i].value);
    }
    upload->content_md5 = in_copy(conn, upload, value_of(request, "content-md5"));
    nb_span trailer = value_of(request, "x-amz-trailer");
    bool has_trailer = upload->form == NB_PAYLOAD_CHUNKED_SIGNED_TRAILER ||
                       upload->form == NB_PAYLOAD_CHUNKED_UNSIGNED_TRAILER;
    if (trailer.len && has_trailer) {
        int kind = checksum_kind(trailer);
        if (kind < 0 || upload->checksum_value.len)
            return false;
        upload->checksum = kind;
        upload->trailer_name = in_copy(conn, upload, trailer);
    } else if (trailer.len || upload->form == NB_PAYLOAD_CHUNKED_SIGNED_TRAILER) {
        return false;
    }
    if (upload->form == NB_PAYLOAD_SHA256) {
        if (claim->payload_hash.len != sizeof upload->payload_sha256)
            return false;
        memcpy(upload->payload_sha256, claim->payload_hash.ptr, claim->payload_hash.len);
    }
    if (upload->form != NB_PAYLOAD_CHUNKED_SIGNED && upload->form != NB_PAYLOAD_CHUNKED_SIGNED_TRAILER)
        return true;
    /* Signed chunks come with a signature in the header, whose texts lie in the head. */
    if (claim->form != NB_FORM_SIGV4_HEADER || claim->signature.len != NB_SIGV4_SIGNATURE_SIZE ||
        claim->timestamp_in_claim)
        return false;
    memcpy(upload->seed.key, auth->signing_key, NB_SIGV4_KEY_SIZE);
    memcpy(upload->seed.signature, claim->signature.ptr, NB_SIGV4_SIGNATURE_SIZE);
    upload->seed.timestamp = in_copy(conn, upload, claim->timestamp);
    upload->seed.scope = in_copy(conn, upload, claim->scope);
    return true;
}

static bool invite(nb_conn *conn) {
    if (!conn->out && !(conn->out = nb_buffer_take(&conn->worker->buffers)))
        return false;
    return nb_buffer_put_text(conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* Take what came with the head. */
static void take_present(nb_conn *conn, nb_upload *upload) {
    for (nb_span payload; nb_conn_take_body(conn, &payload) == NB_CHUNKED_DATA;) {
        memcpy(upload->wire + upload->have, payload.ptr, payload.len);
        upload->have += payload.len;
    }
}

nb_put_verdict nb_put_begin(nb_conn *conn, const nb_request *request) {
    nb_worker *worker = conn->worker;
    nb_plane *plane = worker->plane;
    if (!plane->settings.takes_uploads || !nb_span_is(request->method, "PUT") || request->content_length < 0 ||
        request->content_length > NB_UPLOAD_SIZE_BYTES_MAX + NB_UPLOAD_FRAMING_BYTES_MAX)
        return NB_PUT_RELAY;
    nb_target target;
    if (!has_plain_headers(request) || !nb_query_is_plain(request->query, "PutObject") ||
        nb_target_parse(request->path, request->host, &plane->settings.domains, &target) != NB_TARGET_OBJECT)
        return NB_PUT_RELAY;
    const nb_key *user = nb_auth_verify(&worker->auth, request, (int64_t)time(NULL));
    int64_t size = user ? object_size(request, worker->auth.claim.payload) : -1;
    if (size < 0 || size > NB_UPLOAD_SIZE_BYTES_MAX || size > request->content_length)
        return NB_PUT_RELAY;
    nb_upload *upload = new_upload(conn, (size_t)request->content_length);
    if (!upload)
        return NB_PUT_RELAY;
    *upload = (nb_upload){.head = upload->head, .wire = upload->wire, .head_size = upload->head_size,
                          .wire_size = upload->wire_size, .conn = conn, .worker = worker, .target = target,
                          .decoded_length = (uint64_t)size};
    if (!declare(conn, upload, request) || (request->expects_continue && !invite(conn))) {
        free_upload(upload);
        return NB_PUT_RELAY;
    }
    upload->user_id = user->user_id;
    upload->access_key = user->access_key;
    upload->ring = worker->ring;
    atomic_fetch_add(&upload->ring->users, 1);
    conn->upload = upload;
    conn->operation = NB_OP_PUT;
    conn->phase = NB_PHASE_PUT;
    nb_conn_set_timer(conn, NB_TIMER_PACE);
    take_present(conn, upload);
    return NB_PUT_READING;
}

void nb_put_end(nb_conn *conn) {
    nb_upload *upload = conn->upload;
    conn->upload = NULL;
    nb_list_remove(&upload->hashing);
    if (conn->jobs == 0) /* else it comes back through the inbox, and is freed there */
        free_upload(upload);
}

/* --- receiving ----------------------------------------------------------------------------------------- */

/* Let the embedded server have the request, with what has come of its body and what may still come. */
static nb_step hand_on(nb_conn *conn) {
    nb_upload *upload = conn->upload;
    conn->held = upload->wire;
    conn->held_span = (nb_span){upload->wire, upload->have};
    upload->wire = NULL;
    nb_put_end(conn);
    return nb_relay_begin(conn, nb_conn_reparse(conn));
}

/* Straight into its place; never beyond the body, so that the next request stays in the socket. */
static ssize_t receive(nb_conn *conn, nb_upload *upload) {
    size_t room = upload->wire_size - upload->have;
    ssize_t count = recv(conn->source.fd, upload->wire + upload->have, room, 0);
    if (count < 0) {
        conn->can_read = false;
        return errno == EAGAIN || errno == EINTR ? NB_RECEIVED_NOTHING : NB_RECEIVED_BROKEN;
    }
    if (count == 0)
        return NB_RECEIVED_END;
    if ((size_t)count < room && !conn->peer_done)
        conn->can_read = false;
    upload->have += (size_t)count;
    conn->body.left -= (uint64_t)count;
    conn->body.done = conn->body.left == 0;
    conn->moved_bytes += (uint64_t)count;
    nb_count(&conn->worker->metrics.received_bytes, (uint64_t)count);
    return count;
}

nb_step nb_put_step(nb_conn *conn) {
    nb_upload *upload = conn->upload;
    nb_step step = nb_conn_flush(conn);
    if (step != NB_STEP_AGAIN)
        return step;
    while (upload->have < upload->wire_size) {
        if (!conn->can_read)
            return NB_STEP_WAIT;
        switch (receive(conn, upload)) {
        case NB_RECEIVED_BROKEN: return NB_STEP_CLOSE;
        case NB_RECEIVED_END: return hand_on(conn); /* the server sees the cut, too */
        default: break;
        }
    }
    conn->phase = NB_PHASE_WAIT;
    nb_list_append(&conn->worker->hashing, &upload->hashing);
    return NB_STEP_WAIT;
}

/* --- verifying ----------------------------------------------------------------------------------------- */

static void base64(const uint8_t *data, size_t size, char *out) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)data[i] << 16 | (i + 1 < size ? data[i + 1] << 8 : 0) | (i + 2 < size ? data[i + 2] : 0);
        *out++ = DIGITS[three >> 18];
        *out++ = DIGITS[three >> 12 & 63];
        *out++ = i + 1 < size ? DIGITS[three >> 6 & 63] : '=';
        *out++ = i + 2 < size ? DIGITS[three & 63] : '=';
    }
    *out = 0;
}

static bool is_payload_hash_right(const nb_upload *upload) {
    uint8_t digest[32];
    char text[2 * sizeof digest + 1];
    SHA256((const uint8_t *)upload->payload.ptr, upload->payload.len, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return nb_span_is_nocase((nb_span){upload->payload_sha256, sizeof upload->payload_sha256}, text);
}

/* The payload in the body; chunks are taken apart in a copy, so that the body can still be relayed. */
static bool decode(nb_upload *upload) {
    if (!is_chunked(upload->form)) {
        upload->payload = (nb_span){upload->wire, upload->wire_size};
        return upload->form != NB_PAYLOAD_SHA256 || is_payload_hash_right(upload);
    }
    bool is_signed = upload->form != NB_PAYLOAD_CHUNKED_UNSIGNED_TRAILER;
    size_t payload_len = 0;
    nb_span value = {"", 0};
    char *plain = malloc(upload->wire_size ? upload->wire_size : 1);
    if (!plain)
        return false;
    memcpy(plain, upload->wire, upload->wire_size);
    if (!nb_aws_chunks_decode(plain, upload->wire_size, is_signed ? &upload->seed : NULL, upload->trailer_name,
                              upload->decoded_length, &payload_len, &value)) {
        free(plain);
        return false;
    }
    upload->payload = (nb_span){plain, payload_len};
    upload->plain = plain;
    if (upload->trailer_name.len)
        upload->checksum_value = value;
    return true;
}

static bool is_given(nb_span given, const char *computed) { return given.len == 0 || nb_span_is(given, computed); }

/* The digests beside MD5, which is there already; and whether all are what was declared. */
static bool check_digests(nb_upload *upload, const nb_md5 *md5) {
    uint8_t digest[NB_DIGEST_SIZE_BYTES_MAX];
    char md5_text[NB_BASE64_SIZE_BYTES_MAX + 1];
    nb_md5_final(md5, upload->md5);
    base64(upload->md5, sizeof upload->md5, md5_text);
    if (!is_given(upload->content_md5, md5_text))
        return false;
    if (upload->checksum == NB_MD5) {
        memcpy(upload->checksum_text, md5_text, sizeof md5_text);
        return is_given(upload->checksum_value, md5_text);
    }
    nb_digests digests;
    if (!nb_digests_init(&digests, 1u << upload->checksum))
        return false;
    bool fine = nb_digests_update(&digests, upload->payload);
    size_t size = nb_digests_final(&digests, (nb_digest_kind)upload->checksum, digest);
    nb_digests_free(&digests);
    base64(digest, size, upload->checksum_text);
    return fine && size && is_given(upload->checksum_value, upload->checksum_text);
}

static void go_on(nb_conn *conn, nb_step step) {
    if (step == NB_STEP_CLOSE)
        nb_conn_close(conn);
    else
        nb_conn_wake(conn);
}

/* To Python, or to the embedded server. */
static void hand_over(nb_upload *upload, const nb_md5 *md5) {
    nb_conn *conn = upload->conn;
    if (check_digests(upload, md5) && nb_queue_put(&conn->worker->plane->uploads, &upload->item))
        conn->jobs++;
    else
        go_on(conn, hand_on(conn));
}

enum { BATCH = 64 };

static size_t take_batch(nb_worker *worker, nb_upload *batch[BATCH]) {
    size_t count = 0;
    for (nb_link *link; count < BATCH && (link = nb_list_take_first(&worker->hashing));) {
        nb_upload *upload = NB_OF(link, nb_upload, hashing);
        if (decode(upload))
            batch[count++] = upload;
        else
            go_on(upload->conn, hand_on(upload->conn));
    }
    return count;
}

void nb_put_finish_turn(nb_worker *worker) {
    while (!nb_list_is_empty(&worker->hashing)) {
        nb_upload *batch[BATCH];
        nb_md5 streams[BATCH];
        nb_md5_job jobs[BATCH];
        size_t count = take_batch(worker, batch);
        for (size_t i = 0; i < count; i++) {
            nb_md5_init(&streams[i]);
            jobs[i] = (nb_md5_job){&streams[i], batch[i]->payload};
        }
        nb_md5_update_many(jobs, count, nb_md5_isa_best());
        for (size_t i = 0; i < count; i++)
            hand_over(batch[i], &streams[i]);
    }
}

/* --- answering ----------------------------------------------------------------------------------------- */

static nb_step write_answer(nb_conn *conn, const nb_upload *upload) {
    nb_worker *worker = conn->worker;
    if (!conn->out && !(conn->out = nb_buffer_take(&worker->buffers)))
        return NB_STEP_CLOSE;
    char text[256], request_id[NB_REQUEST_ID_SIZE_BYTES + 1];
    nb_worker_request_id(worker, request_id);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nx-amz-request-id: %s\r\ndate: %s\r\n", request_id,
             nb_worker_date(worker));
    conn->status = 200;
    conn->phase = NB_PHASE_REPLY;
    nb_conn_set_timer(conn, NB_TIMER_PACE);
    bool fits = nb_buffer_put_text(conn->out, text) &&
                nb_buffer_put_text(conn->out, worker->plane->settings.common_headers) &&
                nb_buffer_put(conn->out, upload->answer, upload->answer_size) &&
                nb_buffer_put_text(conn->out, conn->keep_alive ? "content-length: 0\r\n\r\n"
                                                               : "content-length: 0\r\nconnection: close\r\n\r\n");
    return fits ? NB_STEP_AGAIN : NB_STEP_CLOSE;
}

static void deliver(nb_worker *worker, nb_message *message) {
    (void)worker;
    nb_upload *upload = NB_OF(message, nb_upload, message);
    nb_conn *conn = upload->conn;
    conn->jobs--;
    if (conn->phase == NB_PHASE_CLOSED) {
        free_upload(upload);
        return;
    }
    nb_step step = upload->answer_size ? write_answer(conn, upload) : hand_on(conn);
    go_on(conn, step);
}

void nb_put_answer(nb_upload *upload, nb_span lines) {
    upload->answer_size = lines.len <= sizeof upload->answer ? lines.len : 0;
    memcpy(upload->answer, lines.ptr, upload->answer_size);
    upload->message.deliver = deliver;
    nb_worker_post(upload->worker, &upload->message);
}
