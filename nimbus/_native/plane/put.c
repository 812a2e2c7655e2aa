/* See put.h. The body of an upload on its way from the socket to a block, and its answer on the way back. */
#define _GNU_SOURCE /* memmem */
#include "plane/put.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "plane/held.h"
#include "plane/upload.h"

/* --- who has it ---------------------------------------------------------------------------------------- */

static void stop_counting(nb_upload *upload) {
    if (upload->is_counted)
        atomic_fetch_sub(&upload->plane->intake->large_count, 1);
    upload->is_counted = false;
}

/* The connection waits for it no longer; of a held one the embedded server still does. */
static void discard(nb_upload *upload) {
    stop_counting(upload);
    if (upload->is_held) {
        upload->conn = NULL;
        upload->has_ended = true;
        upload->fault = upload->fault ? upload->fault : NB_FAULT_CUT;
        nb_upload_ask(upload, NB_WANT_REFUSAL);
    } else if (upload->fd >= 0) {
        nb_upload_ask(upload, NB_WANT_DISCARD);
    } else {
        nb_upload_free(upload);
    }
}

/* The connection has nothing to do until the upload is delivered. */
static void wait_for(nb_conn *conn) {
    conn->jobs++;
    conn->phase = NB_PHASE_WAIT;
    nb_conn_set_timer(conn, NB_TIMER_NONE);
}

void nb_put_end(nb_conn *conn) {
    nb_upload *upload = conn->upload;
    conn->upload = NULL;
    if (upload->is_busy)
        upload->is_abandoned = true; /* until its block comes back */
    else
        discard(upload);
}

/* --- the beginning ------------------------------------------------------------------------------------- */

static bool begin_body(nb_conn *conn, nb_upload *upload) {
    if (!nb_upload_prepare(upload))
        return false;
    if (conn->body.expects_continue && !conn->body.done) {
        if (!conn->out && !(conn->out = nb_buffer_take(&conn->worker->buffers)))
            return false;
        nb_buffer_put_text(conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (upload->fd >= 0) {
        atomic_fetch_add(&upload->plane->intake->large_count, 1);
        upload->is_counted = true;
    }
    conn->upload = upload;
    conn->phase = NB_PHASE_BODY;
    nb_conn_set_timer(conn, NB_TIMER_FRESH);
    return true;
}

static bool is_ascii(nb_span text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

/* Whether nothing has to be asked before the body comes: the commit alone decides. */
static bool needs_no_admission(const nb_upload *upload) {
    nb_span bucket = {upload->target.name, upload->target.bucket_len};
    return !upload->is_part && !upload->is_conditional && nb_upload_is_small(upload) &&
           is_ascii(nb_target_name(&upload->target)) &&
           !atomic_load_explicit(&upload->plane->intake->asks_first, memory_order_relaxed) &&
           nb_intake_knows(upload->plane->intake, bucket, upload->user->user_id);
}

nb_put_verdict nb_put_begin(nb_conn *conn, const nb_request *request) {
    if (!conn->worker->plane->settings.takes_uploads || !nb_span_is(request->method, "PUT"))
        return NB_PUT_RELAY;
    nb_upload *upload = nb_put_read_head(conn, request);
    if (!upload) {
        bool is_work = nb_held_is_worth(conn, request); /* its body will come this way */
        nb_worker *worker = conn->worker;
        return is_work && !nb_admission_has_time(&worker->plane->intake->admission, worker->now_ms) ? NB_PUT_REFUSED
                                                                                                    : NB_PUT_RELAY;
    }
    if (!nb_upload_enter(upload)) {
        nb_upload_free(upload);
        return NB_PUT_REFUSED;
    }
    conn->operation = upload->is_part ? NB_OP_PART : NB_OP_PUT;
    conn->user = upload->user;
    nb_conn_hold_ring(conn);
    if (!needs_no_admission(upload)) {
        wait_for(conn);
        nb_upload_ask(upload, NB_WANT_ADMISSION);
        return NB_PUT_WAITING;
    }
    if (begin_body(conn, upload))
        return NB_PUT_BEGUN;
    nb_upload_free(upload);
    return NB_PUT_RELAY;
}

bool nb_put_begin_held(nb_conn *conn, nb_upload *upload) {
    upload->conn = conn;
    if (!begin_body(conn, upload))
        return false;
    nb_conn_wake(conn);
    return true;
}

static void admitted(nb_conn *conn, nb_upload *upload) {
    if (conn->phase == NB_PHASE_CLOSED) {
        discard(upload);
        return;
    }
    if (!upload->is_admitted || !begin_body(conn, upload)) {
        discard(upload);
        if (nb_relay_begin(conn, nb_conn_reparse(conn)) == NB_STEP_CLOSE) {
            nb_conn_close(conn);
            return;
        }
    }
    nb_conn_wake(conn);
}

/* --- from the wire to a block -------------------------------------------------------------------------- */

/* All digests but MD5 are computed here, where the bytes are in the cache still. */
static void send_block(nb_upload *upload) {
    nb_span block = {upload->block, upload->filled};
    if (!nb_digests_update(&upload->digests, block) || !nb_upload_note_block(upload, nb_hash(block.ptr, block.len)))
        upload->fault = NB_FAULT_INTERNAL;
    upload->writing = upload->block;
    upload->writing_size = upload->filled;
    upload->block = NULL;
    upload->filled = 0;
    nb_upload_set_work(upload, NB_BLOCK_SIZE);
    upload->conn->jobs++;
    nb_ingest_write(upload);
}

/* Whether there is room for at least a byte; else a block has to be written and given back first. */
static bool make_room(nb_upload *upload) {
    if (upload->filled < upload->block_size && upload->block)
        return true;
    if (upload->is_busy && upload->block)
        return false;
    assert(!nb_upload_is_small(upload)); /* those have room for all that was declared */
    if (upload->block)
        send_block(upload);
    return nb_upload_take_block(upload);
}

static void unframe(nb_upload *upload) {
    if (!upload->framing) {
        upload->payload = upload->wire;
        upload->wire.len = 0;
    } else if (nb_aws_chunked_next(upload->framing, &upload->wire, &upload->payload) == NB_AWS_BAD) {
        upload->fault = NB_FAULT_FRAMING;
        upload->payload.len = 0;
    }
}

static uint64_t placed_size(const nb_upload *upload) {
    return (uint64_t)upload->block_count * NB_BLOCK_SIZE + upload->filled;
}

/* Put what was received into blocks. False: not all of it, for want of room. */
static bool place(nb_upload *upload) {
    while (!upload->fault && (upload->wire.len || upload->payload.len)) {
        if (upload->payload.len == 0) {
            unframe(upload);
            continue;
        }
        if (!upload->has_size && upload->payload.len > upload->size_max - placed_size(upload)) {
            upload->fault = NB_FAULT_TOO_LARGE;
            break;
        }
        if (!make_room(upload))
            return false;
        size_t room = upload->block_size - upload->filled;
        size_t count = upload->payload.len < room ? upload->payload.len : room;
        memcpy(upload->block + upload->filled, upload->payload.ptr, count);
        upload->filled += count;
        upload->payload.ptr += count, upload->payload.len -= count;
    }
    return true;
}

/* How many bytes of the wire are payload without anything between them, and may go where they belong at once. */
static uint64_t direct_run(const nb_conn *conn) {
    const nb_upload *upload = conn->upload;
    if (upload->fault || nb_buffer_used(conn->in) || conn->body.framing != NB_BODY_LENGTH)
        return 0;
    uint64_t run = upload->framing ? nb_aws_chunked_run(upload->framing) : conn->body.left;
    return run < conn->body.left ? run : conn->body.left;
}

/* The peer sends nothing more, but may still read what we think of that. */
static nb_step cut(nb_conn *conn) {
    nb_upload *upload = conn->upload;
    upload->fault = upload->fault ? upload->fault : NB_FAULT_CUT;
    conn->body.drains = false;
    return NB_STEP_AGAIN;
}

static nb_step receive_direct(nb_conn *conn, uint64_t run) {
    nb_upload *upload = conn->upload;
    if (!make_room(upload))
        return NB_STEP_WAIT;
    char *at = upload->block + upload->filled;
    size_t room = upload->block_size - upload->filled, wanted = run < room ? (size_t)run : room;
    ssize_t count = recv(conn->source.fd, at, wanted, 0);
    if (count < 0) {
        conn->can_read = false;
        return errno == EAGAIN ? NB_STEP_WAIT : NB_STEP_CLOSE;
    }
    if (count == 0)
        return cut(conn);
    if ((size_t)count < wanted && !conn->peer_done)
        conn->can_read = false;
    nb_count(&conn->worker->metrics.received_bytes, (uint64_t)count);
    conn->body.left -= (uint64_t)count;
    conn->body.done = conn->body.left == 0;
    upload->received_bytes += (uint64_t)count;
    upload->filled += (size_t)count;
    nb_span wire = {at, (size_t)count}, payload;
    if (upload->framing && nb_aws_chunked_next(upload->framing, &wire, &payload) == NB_AWS_BAD)
        upload->fault = NB_FAULT_FRAMING;
    return NB_STEP_AGAIN;
}

static nb_step receive(nb_conn *conn) {
    if (!conn->can_read)
        return NB_STEP_WAIT;
    uint64_t run = direct_run(conn);
    if (run)
        return receive_direct(conn, run);
    ssize_t count = nb_conn_receive(conn);
    if (count == NB_RECEIVED_END)
        return cut(conn);
    if (count == NB_RECEIVED_BROKEN)
        return NB_STEP_CLOSE;
    return count > 0 ? NB_STEP_AGAIN : NB_STEP_WAIT;
}

/* --- the end of the body ------------------------------------------------------------------------------- */

static bool is_whole(const nb_upload *upload) {
    nb_span nothing = {"", 0}, payload;
    return !upload->framing || nb_aws_chunked_next(upload->framing, &nothing, &payload) == NB_AWS_DONE;
}

/* The body is over: the connection waits for an answer, Python's own or the embedded server's. */
static void leave(nb_conn *conn, nb_upload *upload) {
    if (!upload->has_size)
        upload->size = placed_size(upload);
    upload->has_ended = conn->body.done;
    if (upload->is_held) {
        conn->phase = NB_PHASE_RELAY;
        nb_conn_set_timer(conn, NB_TIMER_PACE);
        return;
    }
    conn->keep_alive &= conn->body.done;
    conn->phase = NB_PHASE_WAIT;
    nb_conn_set_timer(conn, NB_TIMER_NONE);
}

/* What has become of the body. Who ordered it answers on another way, and needs the connection no more. */
static void tell(nb_conn *conn, nb_upload *upload, nb_want want) {
    if (upload->is_held) {
        upload->conn = NULL;
        nb_upload_work_done(upload);
    } else {
        conn->jobs++;
    }
    nb_upload_ask(upload, want);
}

/* All bytes are in, or enough of them to say no. */
static nb_step finish(nb_conn *conn) {
    nb_upload *upload = conn->upload;
    nb_step then = upload->is_held ? NB_STEP_AGAIN : NB_STEP_WAIT;
    if (!upload->fault && !is_whole(upload)) {
        upload->fault = NB_FAULT_FRAMING;
        upload->framing->fault = NB_AWS_INCOMPLETE;
    }
    if (upload->is_busy)
        return NB_STEP_WAIT;
    conn->upload = NULL;
    stop_counting(upload);
    leave(conn, upload);
    if (!upload->fault && !nb_upload_is_small(upload)) {
        upload->is_last = true;
        send_block(upload);
    } else {
        nb_span payload = {upload->block, upload->filled};
        if (!upload->fault && payload.len && !nb_digests_update(&upload->digests, payload))
            upload->fault = NB_FAULT_INTERNAL;
        nb_upload_set_work(upload, payload.len + NB_WORK_OF_UPLOAD_BYTES);
        tell(conn, upload, upload->fault ? NB_WANT_REFUSAL : NB_WANT_COMMIT);
    }
    return then;
}

/* A block of it was written, or not. */
static void block_written(nb_conn *conn, nb_upload *upload) {
    upload->is_busy = false;
    upload->fault = upload->fault ? upload->fault : upload->write_fault;
    nb_upload_give_written(upload);
    nb_upload_work_done(upload);
    if (upload->is_abandoned || conn->phase == NB_PHASE_CLOSED) {
        discard(upload);
    } else if (upload->is_last) {
        nb_upload_judge(upload);
        nb_upload_set_work(upload, NB_WORK_OF_UPLOAD_BYTES);
        tell(conn, upload, upload->want);
    } else {
        nb_conn_wake(conn);
    }
}

nb_step nb_put_step(nb_conn *conn) {
    nb_upload *upload = conn->upload;
    if (conn->peer_gone)
        return NB_STEP_CLOSE;
    nb_step step = nb_conn_flush(conn);
    if (step != NB_STEP_AGAIN)
        return step;
    uint64_t began = upload->received_bytes;
    for (;;) {
        if (upload->fault)
            upload->wire.len = upload->payload.len = 0;
        else if (!place(upload))
            return NB_STEP_WAIT;
        if (conn->body.done || (upload->fault && !conn->body.drains))
            return finish(conn);
        if (upload->received_bytes - began >= NB_TURN_SIZE_BYTES_MAX)
            return NB_STEP_YIELD;
        nb_span wire;
        switch (nb_conn_take_body(conn, &wire)) {
        case NB_CHUNKED_DATA:
            upload->wire = wire;
            upload->received_bytes += wire.len;
            break;
        case NB_CHUNKED_DONE: break;
        case NB_CHUNKED_BAD: /* where does it end? */
            cut(conn);
            break;
        case NB_CHUNKED_MORE:
            step = receive(conn);
            if (step != NB_STEP_AGAIN)
                return step;
        }
    }
}

void nb_put_tick(nb_conn *conn) {
    nb_upload *upload = conn->upload;
    const nb_settings *settings = &conn->worker->plane->settings;
    bool was_fresh = conn->timer_kind == NB_TIMER_FRESH;
    nb_conn_set_timer(conn, NB_TIMER_PACE);
    if (was_fresh) {
        if (!upload->is_busy)
            nb_upload_set_work(upload, 0); /* its peer is a slow one: nobody waits for what it has still to send */
        return;
    }
    bool is_ours = upload->is_busy && (upload->filled == upload->block_size || !upload->block);
    if (upload->received_bytes != upload->seen_bytes)
        upload->silent_ms = 0;
    upload->seen_bytes = upload->received_bytes;
    if (conn->can_read || conn->body.done || is_ours)
        return;
    upload->silent_ms += NB_TICK_MS;
    upload->waited_ms += NB_TICK_MS;
    uint64_t grace_ms = (uint64_t)settings->body_grace_ms, rate = settings->body_rate_bytes_per_s;
    bool is_slow = rate && upload->waited_ms > grace_ms + upload->received_bytes / rate * 1000;
    if (!is_slow && upload->silent_ms <= grace_ms)
        return;
    nb_count(&conn->worker->metrics.timed_out, 1);
    upload->fault = upload->fault ? upload->fault : NB_FAULT_TOO_SLOW;
    conn->body.drains = false;
    nb_conn_wake(conn);
}

/* --- the answer ---------------------------------------------------------------------------------------- */

static size_t encode_base64(const uint8_t *bytes, size_t size, char *out) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes[i + 2] : 0;
        out[len++] = DIGITS[bits >> 18];
        out[len++] = DIGITS[bits >> 12 & 63];
        out[len++] = left > 1 ? DIGITS[bits >> 6 & 63] : '=';
        out[len++] = left > 2 ? DIGITS[bits & 63] : '=';
    }
    return len;
}

static bool put_success(nb_conn *conn, const nb_upload *upload) {
    char etag[2 * NB_MD5_SIZE_BYTES + 1], line[384], digits[2 * NB_DIGEST_SIZE_BYTES_MAX];
    for (size_t i = 0; i < NB_MD5_SIZE_BYTES; i++) {
        etag[2 * i] = "0123456789abcdef"[upload->results[NB_MD5][i] >> 4];
        etag[2 * i + 1] = "0123456789abcdef"[upload->results[NB_MD5][i] & 15];
    }
    etag[2 * NB_MD5_SIZE_BYTES] = 0;
    nb_digest_kind shown = (nb_digest_kind)(upload->given >= 0 ? upload->given : upload->algorithm);
    int size = (int)encode_base64(upload->results[shown], nb_digest_size(shown), digits);
    char header[NB_CHECKSUM_HEADER_SIZE_BYTES_MAX];
    nb_checksum_header(shown, header);
    snprintf(line, sizeof line, "etag: \"%s\"\r\n%s: %.*s\r\n%s", etag, header, size, digits,
             upload->is_part ? "" : "x-amz-checksum-type: FULL_OBJECT\r\n");
    return nb_buffer_put_text(conn->out, "x-amz-request-id: ") && nb_buffer_put_text(conn->out, upload->request_id) &&
           nb_buffer_put_text(conn->out, "\r\n") &&
           nb_buffer_put_text(conn->out, conn->worker->plane->settings.common_headers) &&
           nb_buffer_put_text(conn->out, line) && nb_conn_put_head_end(conn, 0);
}

/* The headers and the document that Python wrote. */
static bool put_refusal(nb_conn *conn, const nb_upload *upload, size_t *document_size) {
    static const char END[] = "\r\n\r\n";
    const char *end = upload->answer ? memmem(upload->answer, upload->answer_size, END, sizeof END - 1) : NULL;
    if (!end)
        return false;
    size_t lines_size = (size_t)(end - upload->answer) + 2;
    *document_size = upload->answer_size - lines_size - 2;
    return nb_buffer_put(conn->out, upload->answer, lines_size) && nb_conn_put_head_end(conn, -1) &&
           nb_buffer_put(conn->out, end + sizeof END - 1, *document_size);
}

static bool put_answer(nb_conn *conn, const nb_upload *upload) {
    char line[64];
    size_t document_size = 0;
    snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", upload->status, nb_status_reason(upload->status));
    bool is_whole = nb_buffer_put_text(conn->out, line) && (upload->status == 200 ? put_success(conn, upload)
                                                                                : put_refusal(conn, upload, &document_size));
    nb_conn_mark_body(conn, document_size);
    return is_whole;
}

static void answered(nb_conn *conn, nb_upload *upload) {
    if (upload->status == 200)
        nb_upload_work_done(upload);
    if (conn->phase != NB_PHASE_CLOSED) {
        conn->status = upload->status;
        if (!conn->out)
            conn->out = nb_buffer_take(&conn->worker->buffers);
        if (conn->out && put_answer(conn, upload)) {
            conn->phase = NB_PHASE_REPLY;
            nb_conn_set_timer(conn, NB_TIMER_PACE);
            nb_conn_wake(conn);
        } else {
            nb_conn_close(conn);
        }
    }
    nb_upload_free(upload);
}

void nb_put_delivered(nb_worker *worker, nb_message *message) {
    (void)worker;
    nb_upload *upload = NB_OF(message, nb_upload, message);
    nb_conn *conn = upload->conn;
    conn->jobs--;
    if (upload->is_busy)
        block_written(conn, upload);
    else if (upload->want == NB_WANT_ADMISSION)
        admitted(conn, upload);
    else
        answered(conn, upload);
}
