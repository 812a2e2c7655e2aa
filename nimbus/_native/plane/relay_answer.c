/* The answer of the embedded server on its way to the peer: its head is written anew, its body followed to the byte.
 *
 * The answer comes from a trusted server, but its framing counts all the same, because the next request on either
 * connection begins where it ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "plane/held.h"
#include "plane/log_note.h"
#include "plane/relay.h"

static bool has_no_body(const nb_relay *relay, int status) {
    return relay->is_head || status == 204 || status == 304;
}

static void begin_answer_body(nb_relay *relay, const nb_response *answer) {
    relay->up_keep_alive = answer->keep_alive;
    relay->framing = NB_FRAMED_CLOSE;
    if (has_no_body(relay, answer->status) || answer->content_length == 0)
        relay->framing = NB_FRAMED_NONE;
    else if (answer->chunked)
        relay->framing = NB_FRAMED_CHUNKED;
    else if (answer->content_length > 0)
        relay->framing = NB_FRAMED_LENGTH;
    relay->left = answer->content_length > 0 ? (uint64_t)answer->content_length : 0;
    nb_chunked_init(&relay->chunked);
    relay->answer_done = relay->framing == NB_FRAMED_NONE;
}

/* Whether it is known where the next request begins, or will be soon. The server judges by the size of the body. */
static bool may_go_on(const nb_conn *conn, const nb_response *answer) {
    const nb_relay *relay = conn->relay;
    return relay->request_sent || (relay->holds && (conn->body.done || (conn->body.drains && answer->keep_alive)));
}

/* The server says of no body behind `connection` that it is empty; of any other, and to HEAD, how long it is before that. */
static bool has_late_length(const nb_conn *conn, const nb_response *answer) {
    return answer->content_length == 0 && !conn->is_head;
}

static bool put_length(nb_conn *conn, const nb_response *answer) {
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)answer->content_length);
    return nb_relay_put_text_header(conn->out, "content-length", digits);
}

/* What the server says of one hop, said of ours. */
static bool put_hop_headers(nb_conn *conn, const nb_response *answer) {
    const nb_relay *relay = conn->relay;
    bool has_length = answer->content_length >= 0, chunks = !has_length && answer->chunked && !relay->is_http_1_0;
    if (!has_length && !chunks && !has_no_body(relay, answer->status))
        conn->keep_alive = false; /* the end of the connection is the end of the body */
    if (!may_go_on(conn, answer) || atomic_load(&conn->worker->plane->state) != NB_RUNNING)
        conn->keep_alive = false;
    return (conn->keep_alive || nb_relay_put_text_header(conn->out, "connection", "close")) &&
           (!has_late_length(conn, answer) || put_length(conn, answer)) &&
           (!chunks || nb_relay_put_text_header(conn->out, "transfer-encoding", "chunked"));
}

/* One header of the server's as the peer sees it: a ticket stands where the length belongs. */
static bool put_answer_header(nb_conn *conn, const nb_response *answer, const nb_header *header) {
    if (nb_span_is(header->name, conn->relay->sends ? "x-nimbus-send" : "content-length"))
        return has_late_length(conn, answer) || put_length(conn, answer);
    return nb_relay_is_hop_header(header->name) || nb_relay_is_ours(header->name) ||
           nb_relay_put_header(conn->out, header->name, header->value);
}

/* In the order in which the server would have answered the peer itself: what is of one hop, then the date, come last. */
nb_step nb_relay_put_answer_head(nb_conn *conn, nb_span line, const nb_response *answer) {
    if (!conn->out && !(conn->out = nb_buffer_take(&conn->worker->buffers)))
        return NB_STEP_CLOSE;
    const nb_header *date = NULL;
    bool fits = nb_buffer_put_span(conn->out, line) && nb_buffer_put(conn->out, "\r\n", 2);
    for (size_t i = 0; i < answer->headers_count && fits; i++) {
        if (nb_span_is(answer->headers[i].name, "date"))
            date = &answer->headers[i];
        else
            fits = put_answer_header(conn, answer, &answer->headers[i]);
    }
    fits = fits && put_hop_headers(conn, answer) && (!date || nb_relay_put_header(conn->out, date->name, date->value)) &&
           nb_buffer_put(conn->out, "\r\n", 2);
    return fits ? NB_STEP_AGAIN : NB_STEP_CLOSE;
}

static nb_step pass_interim(nb_conn *conn, const nb_response *answer) {
    nb_relay *relay = conn->relay;
    if (answer->status != 100 || !relay->awaits_continue || relay->body_has_left)
        return NB_STEP_AGAIN;
    relay->awaits_continue = relay->holds = false;
    nb_held_withdraw(conn);
    if (!conn->body.expects_continue)
        return NB_STEP_AGAIN;
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
        const nb_header *ticket = nb_header_find(answer.headers, answer.headers_count, "x-nimbus-send");
        step = ticket ? nb_relay_begin_send(conn, ticket->value, line, &answer)
                      : nb_relay_put_answer_head(conn, line, &answer);
        relay->head_parsed = step == NB_STEP_AGAIN;
        relay->is_replayable = false;
        conn->status = answer.status;
        nb_log_answer(conn, &answer);
    }
    nb_buffer_consume(from, (size_t)head);
    if (relay->sends && relay->answer_done && step == NB_STEP_AGAIN) {
        nb_relay_leave_server(conn); /* one ticket is all: others may use its connection while we send */
        nb_relay_end(conn);
    }
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
    if (relay->sends)
        return nb_relay_next_ticket(conn);
    if (relay->framing == NB_FRAMED_CHUNKED)
        return clear_chunks(conn);
    relay->cleared = have;
    if (relay->framing == NB_FRAMED_LENGTH) {
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
    nb_log_send(conn, (nb_span){pieces[0].iov_base, of_out});
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
    return relay->up ? NB_STEP_AGAIN : nb_relay_fail(conn);
}

static nb_step on_server_end(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    if (relay->head_parsed && relay->framing == NB_FRAMED_CLOSE) {
        relay->answer_done = true;
        relay->up_keep_alive = false;
        return NB_STEP_AGAIN;
    }
    if (relay->is_replayable && !relay->up->fresh && !nb_buffer_used(relay->from_up))
        return try_again(conn);
    return nb_relay_fail(conn);
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
    nb_count(&conn->worker->metrics.relayed_bytes, (uint64_t)count);
    return NB_STEP_AGAIN;
}

void nb_relay_leave_server(nb_conn *conn) {
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
}

static nb_step finish(nb_conn *conn) {
    if (conn->relay->owed_bytes)
        return NB_STEP_CLOSE; /* the application could not bring the rest: half an answer must not look whole */
    nb_relay_leave_server(conn);
    nb_relay_end(conn);
    return nb_conn_request_done(conn);
}

nb_step nb_relay_pump_answer(nb_conn *conn, size_t *budget) {
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
                return nb_relay_fail(conn);
        } else {
            step = clear_body(conn);
        }
        if (step != NB_STEP_AGAIN || conn->phase != NB_PHASE_RELAY)
            return step;
    }
    return NB_STEP_YIELD;
}
