/* Whatever is not answered here goes to the embedded server, and its answer comes back: one request, one relay.
 *
 * The request is written anew from what the strict parser understood, so that no second reading of the peer's bytes
 * exists behind us. Headers that only we may set (x-nimbus-*) are taken off and our own added, proved by the token.
 * The answer comes from a trusted server, but its framing is followed to the byte all the same, because the next
 * request on either connection begins where it ends. Both directions wait for each other: a relay holds two buffers
 * at most, whatever the sizes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "plane/plane.h"

typedef enum { FRAMED_NONE, FRAMED_LENGTH, FRAMED_CHUNKED, FRAMED_CLOSE } framing;

struct nb_relay {
    nb_upstream *up;
    nb_buffer *to_up;   /* head, chunk sizes */
    nb_span payload;    /* of the request's body, inside conn->in, goes out behind to_up */
    nb_buffer *from_up;
    size_t cleared;     /* bytes at the front of from_up that belong to the answer's body */
    framing framing;
    uint64_t left;
    nb_chunked chunked;
    bool request_sent, request_broken, has_chunk, awaits_continue;
    bool head_parsed, answer_done, up_keep_alive;
    bool is_head, is_http_1_0, is_replayable, rechunks, has_body;
};

/* Headers of one hop, and those that framing decides anew. */
static bool is_hop_header(nb_span name) {
    static const char *const NAMES[] = {"connection",     "keep-alive", "proxy-connection", "transfer-encoding",
                                        "content-length", "upgrade",    "http2-settings"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (nb_span_is(name, NAMES[i]))
            return true;
    return false;
}

static bool is_ours(nb_span name) {
    static const char PREFIX[] = "x-nimbus-";
    return name.len >= sizeof PREFIX - 1 && memcmp(name.ptr, PREFIX, sizeof PREFIX - 1) == 0;
}

static bool put_header(nb_buffer *out, nb_span name, nb_span value) {
    return nb_buffer_put_span(out, name) && nb_buffer_put(out, ": ", 2) && nb_buffer_put_span(out, value) &&
           nb_buffer_put(out, "\r\n", 2);
}

static bool put_text_header(nb_buffer *out, const char *name, const char *value) {
    return put_header(out, (nb_span){name, strlen(name)}, (nb_span){value, strlen(value)});
}

static bool put_request_framing(nb_buffer *out, const nb_request *request) {
    if (request->chunked)
        return put_text_header(out, "transfer-encoding", "chunked");
    if (request->content_length < 0)
        return true;
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)request->content_length);
    return put_text_header(out, "content-length", digits);
}

static bool put_request_head(const nb_conn *conn, const nb_request *request, nb_buffer *out) {
    bool fits = nb_buffer_put_span(out, request->method) && nb_buffer_put(out, " ", 1) &&
                nb_buffer_put_span(out, request->target) && nb_buffer_put_text(out, " HTTP/1.1\r\n");
    for (size_t i = 0; i < request->headers_count && fits; i++) {
        const nb_header *header = &request->headers[i];
        bool drops = is_hop_header(header->name) || is_ours(header->name) ||
                     (request->http_1_0 && nb_span_is(header->name, "expect"));
        fits = drops || put_header(out, header->name, header->value);
    }
    return fits && put_request_framing(out, request) &&
           put_text_header(out, "x-nimbus-token", conn->worker->plane->settings.token) &&
           put_text_header(out, "x-nimbus-peer", conn->peer) && nb_buffer_put(out, "\r\n", 2);
}

static bool is_idempotent(nb_span method) {
    return nb_span_is(method, "GET") || nb_span_is(method, "HEAD") || nb_span_is(method, "DELETE");
}

static nb_step fail(nb_conn *conn) {
    if (conn->relay->head_parsed)
        return NB_STEP_CLOSE; /* half an answer is out: only the end of the connection can say so */
    nb_relay_end(conn);
    return nb_conn_refuse(conn, 503, "ServiceUnavailable", "The service is unavailable. Please retry.", (nb_span){"", 0});
}

nb_step nb_relay_begin(nb_conn *conn, const nb_request *request) {
    nb_worker *worker = conn->worker;
    nb_relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return NB_STEP_CLOSE;
    conn->relay = relay;
    relay->payload = (nb_span){"", 0};
    conn->operation = NB_OP_RELAYED;
    relay->to_up = nb_buffer_take(&worker->buffers);
    relay->from_up = nb_buffer_take(&worker->buffers);
    relay->is_head = nb_span_is(request->method, "HEAD");
    relay->is_http_1_0 = request->http_1_0;
    relay->rechunks = request->chunked;
    relay->has_body = !conn->body.done;
    relay->awaits_continue = request->expects_continue;
    relay->is_replayable = conn->body.done && is_idempotent(request->method);
    relay->up = nb_upstream_take(conn, false);
    if (!relay->to_up || !relay->from_up || !relay->up || !put_request_head(conn, request, relay->to_up))
        return fail(conn);
    conn->phase = NB_PHASE_RELAY;
    nb_conn_set_timer(conn, NB_TIMER_PACE);
    return NB_STEP_AGAIN;
}

void nb_relay_end(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    nb_worker *worker = conn->worker;
    conn->relay = NULL;
    nb_buffer_give(&worker->buffers, &relay->to_up);
    nb_buffer_give(&worker->buffers, &relay->from_up);
    if (relay->up)
        nb_upstream_close(worker, relay->up);
    free(relay);
}

bool nb_relay_waits_for_peer(const nb_conn *conn) {
    return !conn->can_write && (nb_buffer_used(conn->out) || conn->relay->cleared);
}

/* --- the request on its way up ------------------------------------------------------------------------- */

/* Write what is due. False when it has to wait, or when the server reads no more: its answer says why. */
static bool send_up(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    if (!relay->up->can_write)
        return false;
    nb_span head = nb_buffer_span(relay->to_up);
    struct iovec pieces[2] = {{(void *)head.ptr, head.len}, {(void *)relay->payload.ptr, relay->payload.len}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t count = sendmsg(relay->up->source.fd, &message, MSG_NOSIGNAL);
    if (count < 0) {
        relay->up->can_write = false;
        relay->request_broken = errno != EAGAIN;
        return false;
    }
    size_t of_head = (size_t)count < head.len ? (size_t)count : head.len;
    if (relay->is_replayable)
        relay->to_up->start += of_head; /* the bytes stay for a second try */
    else
        nb_buffer_consume(relay->to_up, of_head);
    relay->payload.ptr += (size_t)count - of_head;
    relay->payload.len -= (size_t)count - of_head;
    return true;
}

static void frame_chunk(nb_relay *relay) {
    char line[32];
    snprintf(line, sizeof line, "%s%zx\r\n", relay->has_chunk ? "\r\n" : "", relay->payload.len);
    nb_buffer_put_text(relay->to_up, line); /* to_up is empty but for the first head, which leaves room */
    relay->has_chunk = true;
}

static void end_request(nb_relay *relay) {
    if (relay->rechunks)
        nb_buffer_put_text(relay->to_up, relay->has_chunk ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
    relay->request_sent = true;
}

/* The body ends before its end. The server sees the cut as we do, and says what it thinks of it. */
static nb_step cut_request(nb_relay *relay) {
    shutdown(relay->up->source.fd, SHUT_WR);
    relay->request_broken = true;
    return NB_STEP_WAIT;
}

/* Have the next piece of the body ready. WAIT: the peer has not sent it yet. */
static nb_step next_payload(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    for (;;) {
        switch (nb_conn_take_body(conn, &relay->payload)) {
        case NB_CHUNKED_DATA:
            if (relay->rechunks)
                frame_chunk(relay);
            return NB_STEP_AGAIN;
        case NB_CHUNKED_DONE: end_request(relay); return NB_STEP_AGAIN;
        case NB_CHUNKED_BAD: return cut_request(relay); /* nobody knows where it would end */
        case NB_CHUNKED_MORE: break;
        }
        if (!conn->can_read)
            return NB_STEP_WAIT;
        ssize_t received = nb_conn_receive(conn);
        if (received == NB_RECEIVED_BROKEN)
            return NB_STEP_CLOSE;
        if (received == NB_RECEIVED_END)
            return cut_request(relay);
    }
}

static nb_step pump_request(nb_conn *conn, size_t *budget) {
    nb_relay *relay = conn->relay;
    while (!relay->request_broken && *budget) {
        size_t due = nb_buffer_used(relay->to_up) + relay->payload.len;
        if (due) {
            if (!send_up(conn))
                return NB_STEP_WAIT;
            *budget -= due < *budget ? due : *budget;
        } else if (relay->request_sent || relay->awaits_continue) {
            return NB_STEP_WAIT;
        } else {
            nb_step step = next_payload(conn);
            if (step != NB_STEP_AGAIN || conn->phase != NB_PHASE_RELAY)
                return step;
        }
    }
    return NB_STEP_WAIT;
}

/* --- the answer on its way down ------------------------------------------------------------------------ */

static bool has_no_body(const nb_relay *relay, int status) {
    return relay->is_head || status == 204 || status == 304;
}

static void begin_answer_body(nb_relay *relay, const nb_response *answer) {
    relay->up_keep_alive = answer->keep_alive;
    relay->framing = FRAMED_CLOSE;
    if (has_no_body(relay, answer->status) || answer->content_length == 0)
        relay->framing = FRAMED_NONE;
    else if (answer->chunked)
        relay->framing = FRAMED_CHUNKED;
    else if (answer->content_length > 0)
        relay->framing = FRAMED_LENGTH;
    relay->left = answer->content_length > 0 ? (uint64_t)answer->content_length : 0;
    nb_chunked_init(&relay->chunked);
    relay->answer_done = relay->framing == FRAMED_NONE;
}

static bool put_answer_framing(nb_conn *conn, const nb_response *answer) {
    nb_relay *relay = conn->relay;
    bool fits = true;
    if (answer->content_length >= 0) {
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", (long long)answer->content_length);
        fits = put_text_header(conn->out, "content-length", digits);
    } else if (answer->chunked && !relay->is_http_1_0) {
        fits = put_text_header(conn->out, "transfer-encoding", "chunked");
    } else if (!has_no_body(relay, answer->status)) {
        conn->keep_alive = false; /* the end of the connection is the end of the body */
    }
    if (!relay->request_sent || atomic_load(&conn->worker->plane->state) != NB_RUNNING)
        conn->keep_alive = false;
    return fits && (conn->keep_alive || put_text_header(conn->out, "connection", "close"));
}

static nb_step write_answer_head(nb_conn *conn, nb_span line, const nb_response *answer) {
    if (!conn->out && !(conn->out = nb_buffer_take(&conn->worker->buffers)))
        return NB_STEP_CLOSE;
    bool fits = nb_buffer_put_span(conn->out, line) && nb_buffer_put(conn->out, "\r\n", 2);
    for (size_t i = 0; i < answer->headers_count && fits; i++) {
        const nb_header *header = &answer->headers[i];
        fits = is_hop_header(header->name) || is_ours(header->name) ||
               put_header(conn->out, header->name, header->value);
    }
    fits = fits && put_answer_framing(conn, answer) && nb_buffer_put(conn->out, "\r\n", 2);
    return fits ? NB_STEP_AGAIN : NB_STEP_CLOSE;
}

static nb_step pass_interim(nb_conn *conn, const nb_response *answer) {
    if (answer->status != 100 || !conn->relay->awaits_continue)
        return NB_STEP_AGAIN;
    conn->relay->awaits_continue = false;
    if (!conn->out && !(conn->out = nb_buffer_take(&conn->worker->buffers)))
        return NB_STEP_CLOSE;
    return nb_buffer_put_text(conn->out, "HTTP/1.1 100 Continue\r\n\r\n") ? NB_STEP_AGAIN : NB_STEP_CLOSE;
}

static nb_step parse_answer_head(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    nb_buffer *from = relay->from_up;
    nb_response answer;
    size_t scanned = 0; /* the server writes a head at once: there is nothing to remember */
    ssize_t head = nb_http_response(from->data + from->start, from->end - from->start, &scanned, &answer);
    if (head == 0)
        return NB_STEP_WAIT;
    if (head < 0)
        return NB_STEP_CLOSE;
    nb_span line = {from->data + from->start, 0};
    line.len = (size_t)((const char *)memchr(line.ptr, '\r', (size_t)head) - line.ptr);
    nb_step step = NB_STEP_AGAIN;
    if (answer.status < 200) {
        step = pass_interim(conn, &answer);
    } else {
        begin_answer_body(relay, &answer);
        step = write_answer_head(conn, line, &answer);
        relay->head_parsed = step == NB_STEP_AGAIN;
        relay->is_replayable = false;
        conn->status = answer.status;
    }
    nb_buffer_consume(from, (size_t)head);
    return step;
}

/* Take the chunks off for a peer that does not know them. */
static bool unchunk(nb_conn *conn, nb_span payload) {
    if (!conn->out && !(conn->out = nb_buffer_take(&conn->worker->buffers)))
        return false;
    return nb_buffer_put_span(conn->out, payload);
}

static nb_step clear_chunks(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    nb_span rest = nb_buffer_span(relay->from_up), payload;
    size_t before = rest.len;
    nb_chunked_verdict verdict;
    while ((verdict = nb_chunked_next(&relay->chunked, &rest, &payload)) == NB_CHUNKED_DATA)
        if (relay->is_http_1_0 && !unchunk(conn, payload))
            return NB_STEP_CLOSE;
    relay->answer_done = verdict == NB_CHUNKED_DONE;
    if (relay->is_http_1_0)
        nb_buffer_consume(relay->from_up, before - rest.len);
    else
        relay->cleared = before - rest.len;
    return verdict == NB_CHUNKED_BAD ? NB_STEP_CLOSE : NB_STEP_AGAIN;
}

/* Find out how much of what the server sent belongs to this answer. REQUIRES: there is something, none is cleared. */
static nb_step clear_body(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    size_t have = nb_buffer_used(relay->from_up);
    if (relay->framing == FRAMED_CHUNKED)
        return clear_chunks(conn);
    relay->cleared = have;
    if (relay->framing == FRAMED_LENGTH) {
        relay->cleared = have < relay->left ? have : (size_t)relay->left;
        relay->left -= relay->cleared;
        relay->answer_done = relay->left == 0;
    }
    return NB_STEP_AGAIN;
}

static nb_step send_down(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    if (!conn->can_write)
        return NB_STEP_WAIT;
    size_t of_out = nb_buffer_used(conn->out);
    struct iovec pieces[2] = {{of_out ? conn->out->data + conn->out->start : NULL, of_out},
                              {relay->from_up->data + relay->from_up->start, relay->cleared}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    ssize_t count = sendmsg(conn->source.fd, &message, MSG_NOSIGNAL);
    if (count < 0) {
        conn->can_write = false;
        return errno == EAGAIN ? NB_STEP_WAIT : NB_STEP_CLOSE;
    }
    conn->moved_bytes += (size_t)count;
    nb_count(&conn->worker->metrics.sent_bytes, (uint64_t)count);
    if (of_out > (size_t)count)
        of_out = (size_t)count;
    if (of_out)
        nb_buffer_consume(conn->out, of_out);
    nb_buffer_consume(relay->from_up, (size_t)count - of_out);
    relay->cleared -= (size_t)count - of_out;
    return NB_STEP_AGAIN;
}

/* The pooled connection was closed by the server just when we took it: the same head again on a new one. */
static nb_step try_again(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    nb_upstream_close(conn->worker, relay->up);
    relay->up = nb_upstream_take(conn, true);
    relay->to_up->start = 0;
    relay->request_broken = false;
    return relay->up ? NB_STEP_AGAIN : fail(conn);
}

static nb_step on_server_end(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    if (relay->head_parsed && relay->framing == FRAMED_CLOSE) {
        relay->answer_done = true;
        relay->up_keep_alive = false;
        return NB_STEP_AGAIN;
    }
    if (relay->is_replayable && !relay->up->fresh && !nb_buffer_used(relay->from_up))
        return try_again(conn);
    return fail(conn);
}

static nb_step receive_answer(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    nb_buffer *from = relay->from_up;
    if (!relay->up->can_read)
        return NB_STEP_WAIT;
    size_t room = nb_buffer_room(from);
    if (room == 0)
        return NB_STEP_CLOSE; /* a head larger than any the application writes */
    ssize_t count = recv(relay->up->source.fd, from->data + from->end, room, 0);
    if (count == 0)
        return on_server_end(conn);
    if (count < 0) {
        relay->up->can_read = false;
        return errno == EAGAIN ? NB_STEP_WAIT : on_server_end(conn);
    }
    if ((size_t)count < room && !relay->up->peer_done)
        relay->up->can_read = false; /* a short read has emptied the socket; more is announced by a new event */
    from->end += (size_t)count;
    return NB_STEP_AGAIN;
}

static nb_step finish(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    /* Having refused a request whose body it may not have read, the server may close without another word. */
    bool may_close = relay->has_body && conn->status >= 400;
    bool is_clean = relay->request_sent && !relay->request_broken && relay->up_keep_alive && !may_close &&
                    nb_buffer_used(relay->from_up) == 0 && relay->payload.len == 0 &&
                    nb_buffer_used(relay->to_up) == 0;
    if (is_clean) {
        nb_upstream_give(conn->worker, relay->up);
        relay->up = NULL;
    }
    nb_relay_end(conn);
    return nb_conn_request_done(conn);
}

static nb_step pump_answer(nb_conn *conn, size_t *budget) {
    while (*budget) {
        nb_relay *relay = conn->relay;
        nb_step step;
        size_t due = nb_buffer_used(conn->out) + relay->cleared;
        if (due) {
            step = send_down(conn);
            *budget -= due < *budget ? due : *budget;
        } else if (relay->answer_done) {
            return finish(conn);
        } else if (nb_buffer_used(relay->from_up) == 0) {
            step = receive_answer(conn);
        } else if (!relay->head_parsed) {
            step = parse_answer_head(conn);
            if (step == NB_STEP_WAIT)
                step = receive_answer(conn);
            else if (step == NB_STEP_CLOSE)
                return fail(conn);
        } else {
            step = clear_body(conn);
        }
        if (step != NB_STEP_AGAIN || conn->phase != NB_PHASE_RELAY)
            return step;
    }
    return NB_STEP_YIELD;
}

nb_step nb_relay_step(nb_conn *conn) {
    if (conn->peer_gone)
        return NB_STEP_CLOSE;
    size_t budget = NB_TURN_SIZE_BYTES_MAX;
    bool awaited = conn->relay->awaits_continue;
    nb_step step = pump_request(conn, &budget);
    if (step == NB_STEP_CLOSE || conn->phase != NB_PHASE_RELAY)
        return step;
    step = pump_answer(conn, &budget);
    if (step == NB_STEP_WAIT && conn->relay && awaited && !conn->relay->awaits_continue)
        return NB_STEP_AGAIN; /* the server has asked for the body: it may be here already */
    return step;
}
