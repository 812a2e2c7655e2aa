/* A connection from accept to close: heads are parsed and dispatched, answers flushed, limits told.
 *
 * See plane.h for the phases. What is refused here (malformed heads, too many requests) never reaches Python.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "plane/get.h"
#include "plane/log_note.h"
#include "plane/plane.h"
#include "plane/put.h"
#include "plane/reply.h"

enum {
    STEPS_PER_TURN_MAX = 32, /* pipelined requests of one connection before others have their turn */
    LOOK_AGAIN_SIZE_BYTES = 768 << 10, /* after a larger answer the next request is looked for at once */
    ROOM_WANTED_BYTES = 8192, /* less room than this behind the bytes that are left: move them to the front */
};

static int64_t monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- opening and closing ------------------------------------------------------------------------------- */

static void read_peer(nb_conn *conn) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getpeername(conn->source.fd, (struct sockaddr *)&address, &size) < 0)
        return;
    if (address.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&address)->sin_addr, conn->peer, sizeof conn->peer);
    else if (address.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address)->sin6_addr, conn->peer, sizeof conn->peer);
}

static void give_up(nb_worker *worker, int fd) {
    close(fd);
    atomic_fetch_sub(&worker->conn_count, 1);
    atomic_fetch_sub(&worker->plane->conn_count, 1);
}

void nb_conn_open(nb_worker *worker, int fd, bool refused) {
    nb_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        give_up(worker, fd);
        return;
    }
    conn->source = (nb_source){NB_SOURCE_CONN, fd};
    conn->worker = worker;
    conn->phase = NB_PHASE_HEAD;
    conn->timer_kind = NB_TIMER_NONE;
    conn->refused = refused;
    conn->can_write = true;
    conn->operation = NB_OP_REFUSED;
    read_peer(conn);
    if (!nb_worker_watch(worker, &conn->source)) {
        free(conn);
        give_up(worker, fd);
        return;
    }
    nb_list_append(&worker->all, &conn->all);
    nb_conn_set_timer(conn, NB_TIMER_IDLE);
}

/* The request is over, however it ended. */
static void settle(nb_conn *conn) {
    int64_t now_us = monotonic_us();
    if (conn->note)
        nb_log_end(conn, now_us);
    if (!conn->in_flight)
        return;
    conn->in_flight = false;
    atomic_fetch_sub(&conn->worker->plane->in_flight, 1);
    bool has_body = conn->moved_bytes > conn->body_begins_at;
    nb_ended ended = {conn->operation, conn->status, now_us - conn->started_us, nb_body_taken(&conn->body),
                      has_body ? conn->moved_bytes - conn->body_begins_at : 0};
    nb_count_request(&conn->worker->metrics, &ended);
}

/* What the present request holds besides buffers. */
static void release_request(nb_conn *conn) {
    if (conn->relay)
        nb_relay_end(conn);
    if (conn->reply)
        nb_reply_end(conn);
    if (conn->upload)
        nb_put_end(conn);
    if (conn->awaited)
        nb_cache_give(&conn->worker->plane->cache, conn->awaited);
    nb_keyring_give(conn->ring);
    conn->awaited = NULL;
    conn->ring = NULL;
    conn->user = NULL;
}

static void release(nb_conn *conn) {
    release_request(conn);
    nb_buffer_give(&conn->worker->buffers, &conn->in);
    nb_buffer_give(&conn->worker->buffers, &conn->out);
}

void nb_conn_close(nb_conn *conn) {
    nb_worker *worker = conn->worker;
    if (conn->phase == NB_PHASE_CLOSED)
        return;
    settle(conn);
    release(conn);
    conn->phase = NB_PHASE_CLOSED;
    nb_conn_set_timer(conn, NB_TIMER_NONE);
    nb_list_remove(&conn->run);
    nb_list_remove(&conn->all);
    close(conn->source.fd); /* also leaves the epoll set */
    atomic_fetch_sub(&worker->conn_count, 1);
    atomic_fetch_sub(&worker->plane->conn_count, 1);
    conn->next_closed = worker->closed_conns;
    worker->closed_conns = conn;
}

bool nb_conn_is_idle(const nb_conn *conn) { return conn->phase == NB_PHASE_HEAD && nb_buffer_used(conn->in) == 0; }

void nb_conn_wake(nb_conn *conn) {
    if (conn->phase != NB_PHASE_CLOSED && !nb_link_is_in(&conn->run))
        nb_list_append(&conn->worker->run_queue, &conn->run);
}

/* --- moving bytes -------------------------------------------------------------------------------------- */

ssize_t nb_conn_receive(nb_conn *conn) {
    if (!conn->in && !(conn->in = nb_buffer_take(&conn->worker->buffers)))
        return NB_RECEIVED_BROKEN;
    nb_buffer *in = conn->in;
    if (nb_buffer_room(in) < ROOM_WANTED_BYTES)
        nb_buffer_compact(in);
    size_t room = nb_buffer_room(in);
    if (room == 0)
        return NB_RECEIVED_NOTHING;
    ssize_t count = recv(conn->source.fd, in->data + in->end, room, 0);
    if (count < 0) {
        conn->can_read = false;
        return errno == EAGAIN ? NB_RECEIVED_NOTHING : NB_RECEIVED_BROKEN;
    }
    if (count == 0)
        return NB_RECEIVED_END;
    /* A short read has emptied the socket; whatever comes next is announced by a new event. */
    if ((size_t)count < room && !conn->peer_done)
        conn->can_read = false;
    in->end += (size_t)count;
    nb_count(&conn->worker->metrics.received_bytes, (uint64_t)count);
    return count;
}

nb_step nb_conn_flush(nb_conn *conn) {
    while (nb_buffer_used(conn->out)) {
        if (!conn->can_write)
            return NB_STEP_WAIT;
        nb_span rest = nb_buffer_span(conn->out);
        nb_log_send(conn, rest);
        /* With more to come the kernel may wait for it, and send both in one packet. */
        ssize_t count = send(conn->source.fd, rest.ptr, rest.len, MSG_NOSIGNAL | (conn->reply ? MSG_MORE : 0));
        if (count < 0 && errno == EAGAIN) {
            conn->can_write = false;
            return NB_STEP_WAIT;
        }
        if (count < 0)
            return NB_STEP_CLOSE;
        nb_buffer_consume(conn->out, (size_t)count);
        conn->moved_bytes += (size_t)count;
        nb_count(&conn->worker->metrics.sent_bytes, (uint64_t)count);
    }
    nb_buffer_give(&conn->worker->buffers, &conn->out);
    return NB_STEP_AGAIN;
}

bool nb_conn_put_head_end(nb_conn *conn, int64_t content_length) {
    nb_buffer *out = conn->out;
    bool is_empty = content_length == 0 && !conn->is_head, fits = true;
    if (content_length >= 0 && !is_empty)
        fits = nb_buffer_put_text(out, "content-length: ") && nb_buffer_put_decimal(out, (uint64_t)content_length) &&
               nb_buffer_put(out, "\r\n", 2);
    return fits && (conn->keep_alive || nb_buffer_put_text(out, "connection: close\r\n")) &&
           nb_buffer_put_text(out, is_empty ? "content-length: 0\r\ndate: " : "date: ") &&
           nb_buffer_put_text(out, nb_worker_date(conn->worker)) && nb_buffer_put(out, "\r\n\r\n", 4);
}

void nb_conn_mark_body(nb_conn *conn, size_t body_size_bytes) {
    conn->body_begins_at = conn->moved_bytes + nb_buffer_used(conn->out) - body_size_bytes;
}

nb_chunked_verdict nb_conn_take_body(nb_conn *conn, nb_span *payload) {
    nb_body *body = &conn->body;
    if (body->done)
        return NB_CHUNKED_DONE;
    if (!nb_buffer_used(conn->in))
        return NB_CHUNKED_MORE;
    nb_span rest = nb_buffer_span(conn->in);
    if (body->framing == NB_BODY_LENGTH) {
        size_t count = rest.len < body->left ? rest.len : (size_t)body->left;
        *payload = (nb_span){rest.ptr, count};
        body->left -= count;
        body->done = body->left == 0;
        nb_buffer_consume(conn->in, count);
        return NB_CHUNKED_DATA;
    }
    size_t before = rest.len;
    nb_chunked_verdict verdict = nb_chunked_next(&body->chunked, &rest, payload);
    body->done = verdict == NB_CHUNKED_DONE;
    body->unchunked += verdict == NB_CHUNKED_DATA ? payload->len : 0;
    nb_buffer_consume(conn->in, before - rest.len);
    return verdict;
}

/* --- the phases ---------------------------------------------------------------------------------------- */

static void begin_body(nb_conn *conn, const nb_request *request) {
    conn->body = (nb_body){.framing = NB_BODY_NONE, .done = true};
    if (request->chunked) {
        conn->body = (nb_body){.framing = NB_BODY_CHUNKED};
        nb_chunked_init(&conn->body.chunked);
    } else if (request->content_length > 0) {
        uint64_t size = (uint64_t)request->content_length;
        conn->body = (nb_body){.framing = NB_BODY_LENGTH, .declared = size, .left = size};
    }
    conn->body.expects_continue = request->expects_continue;
    conn->body.drains =
        !request->expects_continue && !request->chunked && request->content_length <= NB_DRAIN_SIZE_BYTES_MAX;
}

static void begin_answer(nb_conn *conn) {
    conn->sent_before_bytes += conn->moved_bytes;
    conn->paced_from_bytes = conn->sent_before_bytes;
    conn->moved_bytes = conn->body_begins_at = conn->waited_ms = 0;
}

static nb_step refuse_busy(nb_conn *conn, const nb_request *request) {
    nb_count(&conn->worker->metrics.refused, 1);
    return nb_conn_refuse(conn, 503, "SlowDown", "Please reduce your request rate.", request->path);
}

static nb_step dispatch(nb_conn *conn, size_t head_size) {
    nb_plane *plane = conn->worker->plane;
    const nb_request *request = &conn->worker->request;
    begin_body(conn, request);
    conn->head_at = conn->in->start;
    conn->head_size = head_size;
    nb_buffer_consume(conn->in, head_size); /* the head's bytes stay where they are until the next receive */
    conn->scanned = 0;
    conn->has_skipped = false;
    begin_answer(conn);
    conn->started_us = monotonic_us();
    conn->status = 0;
    conn->operation = NB_OP_REFUSED;
    conn->in_flight = true;
    nb_conn_set_timer(conn, NB_TIMER_NONE);
    nb_log_begin(conn, request);
    conn->is_head = nb_span_is(request->method, "HEAD");
    conn->keep_alive = request->keep_alive && atomic_load(&plane->state) == NB_RUNNING;
    if (atomic_fetch_add(&plane->in_flight, 1) >= plane->settings.requests_max || conn->refused)
        return refuse_busy(conn, request);
    switch (nb_get_begin(conn, request)) {
    case NB_GET_ANSWERED: return NB_STEP_AGAIN;
    case NB_GET_WAITING: return NB_STEP_WAIT;
    case NB_GET_RELAY: break;
    }
    switch (nb_put_begin(conn, request)) {
    case NB_PUT_BEGUN: return NB_STEP_AGAIN;
    case NB_PUT_WAITING: return NB_STEP_WAIT;
    case NB_PUT_REFUSED: return nb_conn_slow_down(conn, request->path);
    case NB_PUT_RELAY: break;
    }
    return nb_relay_begin(conn, request);
}

const nb_request *nb_conn_reparse(nb_conn *conn) {
    nb_request *request = &conn->worker->request;
    size_t scanned = 0;
    ssize_t head = nb_http_request(conn->in->data + conn->head_at, conn->head_size, &scanned, request);
    assert(head == (ssize_t)conn->head_size); /* it was parsed before, and nothing was received since */
    (void)head;
    return request;
}

void nb_conn_hold_ring(nb_conn *conn) {
    nb_keyring_give(conn->ring);
    conn->ring = conn->worker->ring;
    atomic_fetch_add(&conn->ring->users, 1);
}

static nb_step wait_for_head(nb_conn *conn) {
    if (nb_buffer_used(conn->in) == 0) {
        nb_buffer_give(&conn->worker->buffers, &conn->in);
        nb_conn_begin_idle(conn);
        if (atomic_load(&conn->worker->plane->state) != NB_RUNNING)
            return NB_STEP_CLOSE;
    } else if (conn->timer_kind != NB_TIMER_HEAD) {
        nb_conn_set_timer(conn, NB_TIMER_HEAD); /* for the whole head: dripping bytes does not prolong it */
    }
    return NB_STEP_WAIT;
}

static nb_step refuse_head(nb_conn *conn, ssize_t error) {
    conn->started_us = monotonic_us();
    begin_answer(conn);
    conn->operation = NB_OP_REFUSED;
    nb_log_begin(conn, NULL);
    return nb_conn_refuse_head(conn, error);
}

/* RFC 9112, 2.2: one before a request line is ignored. */
static void skip_empty_line(nb_conn *conn) {
    nb_buffer *in = conn->in;
    if (conn->has_skipped || in->end - in->start < 2 || memcmp(in->data + in->start, "\r\n", 2) != 0)
        return;
    nb_buffer_consume(in, 2);
    conn->scanned = 0;
    conn->has_skipped = true;
}

static nb_step step_head(nb_conn *conn) {
    for (;;) {
        if (nb_buffer_used(conn->in)) {
            skip_empty_line(conn);
            nb_buffer *in = conn->in;
            ssize_t head = nb_http_request(in->data + in->start, in->end - in->start, &conn->scanned,
                                           &conn->worker->request);
            if (head > 0)
                return dispatch(conn, (size_t)head);
            if (head < 0)
                return refuse_head(conn, head);
        }
        if (!conn->can_read)
            return wait_for_head(conn);
        ssize_t received = nb_conn_receive(conn);
        if (received == NB_RECEIVED_END || received == NB_RECEIVED_BROKEN)
            return NB_STEP_CLOSE;
    }
}

static nb_step step_reply(nb_conn *conn) {
    nb_step step = nb_reply_step(conn);
    if (step != NB_STEP_AGAIN)
        return step;
    return conn->relay ? nb_relay_sent(conn) : nb_conn_request_done(conn);
}

/* Closing a socket that still has bytes to read resets it, and the peer may lose our answer: read them off first. */
static nb_step begin_linger(nb_conn *conn) {
    if (conn->body.done && nb_buffer_used(conn->in) == 0 && !conn->can_read)
        return NB_STEP_CLOSE;
    shutdown(conn->source.fd, SHUT_WR);
    conn->phase = NB_PHASE_LINGER;
    conn->lingered_bytes = conn->lingered_bytes_seen = 0;
    nb_conn_set_timer(conn, NB_TIMER_LINGER);
    return NB_STEP_AGAIN;
}

/* Up to so many bytes off the socket and away; over TCP they are not even copied. As nb_conn_receive. */
static ssize_t throw_away(nb_conn *conn, uint64_t count_max) {
    size_t wanted = count_max < NB_BLOCK_SIZE ? (size_t)count_max : NB_BLOCK_SIZE;
    ssize_t count = recv(conn->source.fd, conn->worker->scratch, wanted, MSG_TRUNC);
    if (count < 0) {
        conn->can_read = false;
        return errno == EAGAIN ? NB_RECEIVED_NOTHING : NB_RECEIVED_BROKEN;
    }
    conn->lingered_bytes += (uint64_t)count;
    conn->worker->drained_bytes += (uint64_t)count;
    nb_count(&conn->worker->metrics.received_bytes, (uint64_t)count);
    return count;
}

static nb_step step_linger(nb_conn *conn) {
    nb_buffer_give(&conn->worker->buffers, &conn->in);
    while (conn->can_read) {
        if (conn->worker->drained_bytes >= NB_DRAINS_PER_TURN_BYTES_MAX)
            return NB_STEP_YIELD;
        ssize_t count = throw_away(conn, NB_BLOCK_SIZE);
        if (count == NB_RECEIVED_END || count == NB_RECEIVED_BROKEN || conn->lingered_bytes > NB_LINGER_SIZE_BYTES_MAX)
            return NB_STEP_CLOSE;
    }
    return NB_STEP_WAIT;
}

/* While a large answer went out, its peer has often read most of it, and may have asked for the next one by the time
 * we are through. Looking costs a receive in vain at worst; it saves going through everybody else's bytes first, which
 * push ours out of the processor's caches: an eighth of the CPU at 1 MiB. */
static void look_again(nb_conn *conn) {
    conn->turn_bytes += conn->moved_bytes;
    if (conn->moved_bytes >= LOOK_AGAIN_SIZE_BYTES && conn->turn_bytes < NB_TURN_SIZE_BYTES_MAX)
        conn->can_read = true;
}

static nb_step begin_next(nb_conn *conn) {
    if (atomic_load(&conn->worker->plane->state) != NB_RUNNING)
        return begin_linger(conn);
    look_again(conn);
    conn->phase = NB_PHASE_HEAD;
    nb_conn_set_timer(conn, NB_TIMER_NONE);
    return NB_STEP_AGAIN;
}

/* REQUIRES: the body has a length; see begin_body. */
static nb_step step_drain(nb_conn *conn) {
    nb_body *body = &conn->body;
    for (nb_span payload; nb_buffer_used(conn->in) && !body->done;)
        nb_conn_take_body(conn, &payload);
    while (!body->done) {
        if (!conn->can_read)
            return NB_STEP_WAIT;
        if (conn->worker->drained_bytes >= NB_DRAINS_PER_TURN_BYTES_MAX)
            return NB_STEP_YIELD;
        ssize_t count = throw_away(conn, body->left);
        if (count == NB_RECEIVED_END || count == NB_RECEIVED_BROKEN)
            return NB_STEP_CLOSE;
        body->left -= count > 0 ? (uint64_t)count : 0;
        body->done = body->left == 0;
    }
    return begin_next(conn);
}

nb_step nb_conn_request_done(nb_conn *conn) {
    settle(conn);
    release_request(conn);
    nb_buffer_give(&conn->worker->buffers, &conn->out);
    if (conn->body.done && conn->keep_alive)
        return begin_next(conn);
    if (!conn->keep_alive || !conn->body.drains)
        return begin_linger(conn);
    conn->phase = NB_PHASE_DRAIN;
    conn->lingered_bytes = conn->lingered_bytes_seen = 0;
    nb_conn_set_timer(conn, NB_TIMER_LINGER);
    return NB_STEP_AGAIN;
}

static nb_step step(nb_conn *conn) {
    switch (conn->phase) {
    case NB_PHASE_HEAD: return step_head(conn);
    case NB_PHASE_RELAY: return nb_relay_step(conn);
    case NB_PHASE_REPLY: return step_reply(conn);
    case NB_PHASE_BODY: return nb_put_step(conn);
    case NB_PHASE_DRAIN: return step_drain(conn);
    case NB_PHASE_LINGER: return step_linger(conn);
    case NB_PHASE_WAIT:
    case NB_PHASE_CLOSED: break;
    }
    return NB_STEP_WAIT;
}

void nb_conn_run(nb_conn *conn) {
    nb_step answer = NB_STEP_AGAIN;
    conn->turn_bytes = 0;
    for (int steps = 0; answer == NB_STEP_AGAIN; steps++)
        answer = steps < STEPS_PER_TURN_MAX ? step(conn) : NB_STEP_YIELD;
    if (answer == NB_STEP_CLOSE)
        nb_conn_close(conn);
    else if (answer == NB_STEP_YIELD)
        nb_conn_wake(conn);
}
