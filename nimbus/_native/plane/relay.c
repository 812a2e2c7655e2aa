/* Whatever is not answered here goes to the embedded server, and its answer comes back: one request, one relay.
 *
 * The request is written anew from what the strict parser understood, so that no second reading of the peer's bytes
 * exists behind us. Headers that only we may set (x-nimbus-*) are taken off and our own added, proved by the token: the
 * peer's address, and the headers of one hop as x-nimbus-hop-*, because the client may have signed them.
 *
 * Who signed is not told, although we may know: the server verifies every request for itself, from the very bytes that
 * were signed, which costs 3 us. So there is one verifier that decides for all that is relayed, no header that is as good
 * as a key, and the token, whoever got hold of it, could lie about an address but not about who asks.
 *
 * Both directions wait for each other: a relay holds two buffers at most, whatever the sizes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "plane/held.h"
#include "plane/relay.h"

static bool is_framing_header(nb_span name) {
    return nb_span_is(name, "content-length") || nb_span_is(name, "transfer-encoding");
}

/* Headers of one hop, and those that framing decides anew. */
bool nb_relay_is_hop_header(nb_span name) {
    static const char *const NAMES[] = {"connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (nb_span_is(name, NAMES[i]))
            return true;
    return is_framing_header(name);
}

bool nb_relay_is_ours(nb_span name) {
    static const char PREFIX[] = "x-nimbus-";
    return name.len >= sizeof PREFIX - 1 && memcmp(name.ptr, PREFIX, sizeof PREFIX - 1) == 0;
}

bool nb_relay_put_header(nb_buffer *out, nb_span name, nb_span value) {
    return nb_buffer_put_span(out, name) && nb_buffer_put(out, ": ", 2) && nb_buffer_put_span(out, value) &&
           nb_buffer_put(out, "\r\n", 2);
}

bool nb_relay_put_text_header(nb_buffer *out, const char *name, const char *value) {
    return nb_relay_put_header(out, (nb_span){name, strlen(name)}, (nb_span){value, strlen(value)});
}

static bool put_request_framing(nb_buffer *out, const nb_request *request) {
    if (request->chunked)
        return nb_relay_put_text_header(out, "transfer-encoding", "chunked");
    if (request->content_length < 0)
        return true;
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)request->content_length);
    return nb_relay_put_text_header(out, "content-length", digits);
}

/* A header that ends here goes on under a name of ours: the client may have signed it. */
static bool put_hop_header(nb_buffer *out, const nb_header *header) {
    return is_framing_header(header->name) || (nb_buffer_put_text(out, "x-nimbus-hop-") &&
                                               nb_relay_put_header(out, header->name, header->value));
}

/* The server asks for the body, as if the peer waited for that; it is told when the peer does not. */
static bool put_offer(const nb_conn *conn, const nb_request *request, nb_buffer *out) {
    char offer[40];
    bool is_ours = !request->expects_continue;
    snprintf(offer, sizeof offer, "%llu%s", (unsigned long long)conn->ticket, is_ours ? ";uninvited" : "");
    return nb_relay_put_text_header(out, "x-nimbus-body", offer) &&
           (!is_ours || nb_relay_put_text_header(out, "expect", "100-continue"));
}

static bool put_request_head(const nb_conn *conn, const nb_request *request, nb_buffer *out) {
    bool fits = nb_buffer_put_span(out, request->method) && nb_buffer_put(out, " ", 1) &&
                nb_buffer_put_span(out, request->path) && (!request->has_query || nb_buffer_put(out, "?", 1)) &&
                nb_buffer_put_span(out, request->query) && nb_buffer_put_text(out, " HTTP/1.1\r\n");
    for (size_t i = 0; i < request->headers_count && fits; i++) {
        const nb_header *header = &request->headers[i];
        bool drops = nb_relay_is_ours(header->name) || (request->http_1_0 && nb_span_is(header->name, "expect"));
        if (nb_relay_is_hop_header(header->name))
            fits = put_hop_header(out, header);
        else
            fits = drops || nb_relay_put_header(out, header->name, header->value);
    }
    if (conn->relay->holds)
        fits = fits && put_offer(conn, request, out);
    return fits && put_request_framing(out, request) &&
           nb_relay_put_text_header(out, "x-nimbus-token", conn->worker->plane->settings.token) &&
           nb_relay_put_text_header(out, "x-nimbus-peer", conn->peer) && nb_buffer_put(out, "\r\n", 2);
}

static bool is_idempotent(nb_span method) {
    return nb_span_is(method, "GET") || nb_span_is(method, "HEAD") || nb_span_is(method, "DELETE");
}

nb_step nb_relay_fail(nb_conn *conn) {
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
    relay->is_head = conn->is_head;
    relay->is_http_1_0 = request->http_1_0;
    relay->rechunks = request->chunked;
    relay->has_body = !conn->body.done;
    relay->holds = nb_held_is_worth(conn, request);
    relay->awaits_continue = request->expects_continue || relay->holds;
    relay->is_replayable = conn->body.done && is_idempotent(request->method);
    if (relay->holds)
        nb_held_offer(conn);
    relay->up = nb_upstream_take(conn, relay->holds); /* one that is given up again: the pool is for others */
    if (!relay->to_up || !relay->from_up || !relay->up || !put_request_head(conn, request, relay->to_up))
        return nb_relay_fail(conn);
    conn->phase = NB_PHASE_RELAY;
    nb_conn_set_timer(conn, NB_TIMER_PACE);
    return NB_STEP_AGAIN;
}

void nb_relay_end(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    nb_worker *worker = conn->worker;
    conn->relay = NULL;
    nb_held_withdraw(conn);
    nb_buffer_give(&worker->buffers, &relay->to_up);
    nb_buffer_give(&worker->buffers, &relay->from_up);
    if (relay->up)
        nb_upstream_close(worker, relay->up);
    free(relay);
}

bool nb_relay_leave_body(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    relay->body_has_left = !relay->head_parsed;
    return relay->body_has_left;
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
    nb_count(&conn->worker->metrics.relayed_body_bytes, (size_t)count - of_head);
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

/* --- both ways ---------------------------------------------------------------------------------------- */

nb_step nb_relay_step(nb_conn *conn) {
    if (conn->peer_gone)
        return NB_STEP_CLOSE;
    size_t budget = NB_TURN_SIZE_BYTES_MAX;
    bool awaited = conn->relay->awaits_continue;
    nb_step step = pump_request(conn, &budget);
    if (step == NB_STEP_CLOSE || conn->phase != NB_PHASE_RELAY)
        return step;
    step = nb_relay_pump_answer(conn, &budget);
    if (step == NB_STEP_WAIT && conn->relay && awaited && !conn->relay->awaits_continue)
        return NB_STEP_AGAIN; /* the server has asked for the body: it may be here already */
    return step;
}
