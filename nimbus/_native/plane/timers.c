/* The timers of a connection: who does nothing, or too little, is closed.
 *
 * A peer that takes its answer is held to a pace, from its head to its last byte. Megabytes of an answer fit into a socket's
 * queue: only what has left the queue was taken, and a connection is idle only once all of it was. What waits for us
 * earns a peer nothing, and costs it nothing.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "plane/admission.h"
#include "plane/plane.h"
#include "plane/put.h"
#include "plane/reply.h"

/* After a smaller answer nobody looks whether the peer has taken it before the idle timer has run out. */
enum { LOOK_SIZE_BYTES_MIN = 64 << 10 };

void nb_conn_set_timer(nb_conn *conn, nb_timer_kind kind) {
    nb_worker *worker = conn->worker;
    const int64_t lasts_ms[NB_TIMER_KINDS] = {
        [NB_TIMER_HEAD] = worker->plane->settings.header_timeout_ms,
        [NB_TIMER_IDLE] = worker->plane->settings.header_timeout_ms,
        [NB_TIMER_PACE] = NB_TICK_MS,
        [NB_TIMER_FRESH] = NB_WORK_FRESH_MS,
        [NB_TIMER_LINGER] = NB_LINGER_MS,
    };
    nb_list_remove(&conn->timer);
    conn->timer_kind = kind;
    if (kind == NB_TIMER_NONE)
        return;
    conn->timer_due_ms = worker->now_ms + lasts_ms[kind];
    nb_list_append(&worker->timers[kind], &conn->timer);
}

/* What the kernel took from us and the peer has not acknowledged; 0 when it cannot be told. */
static uint64_t untaken_bytes(const nb_conn *conn) {
    int untaken = 0;
    return ioctl(conn->source.fd, SIOCOUTQ, &untaken) == 0 && untaken > 0 ? (uint64_t)untaken : 0;
}

void nb_conn_begin_idle(nb_conn *conn) {
    if (conn->timer_kind == NB_TIMER_IDLE || conn->timer_kind == NB_TIMER_PACE)
        return;
    bool is_taken = conn->moved_bytes < LOOK_SIZE_BYTES_MIN || untaken_bytes(conn) == 0;
    nb_conn_set_timer(conn, is_taken ? NB_TIMER_IDLE : NB_TIMER_PACE);
}

static bool waits_for_peer(const nb_conn *conn, uint64_t untaken) {
    switch (conn->phase) {
    case NB_PHASE_HEAD: return untaken > 0; /* the last answer is with the kernel, and not with the peer */
    case NB_PHASE_RELAY: return nb_relay_waits_for_peer(conn);
    case NB_PHASE_REPLY: return !conn->can_write;
    default: return false;
    }
}

/* Whether the peer takes its answer more slowly than the limit allows, since the answer began. What it had to take of
 * earlier answers at that time counts as well. */
static bool is_too_slow(nb_conn *conn, uint64_t untaken, uint64_t waited_ms) {
    const nb_settings *settings = &conn->worker->plane->settings;
    if (!waits_for_peer(conn, untaken))
        return false;
    conn->waited_ms += waited_ms;
    uint64_t sent = conn->sent_before_bytes + conn->moved_bytes, taken = sent > untaken ? sent - untaken : 0;
    if (taken < conn->paced_from_bytes)
        conn->paced_from_bytes = taken;
    if (settings->body_rate_bytes_per_s == 0)
        return false;
    uint64_t earned_ms = (taken - conn->paced_from_bytes) / settings->body_rate_bytes_per_s * 1000;
    return conn->waited_ms > (uint64_t)settings->body_grace_ms + earned_ms;
}

/* Have the close that follows be a reset: what a slow peer has not taken must not stay in the kernel for minutes. */
static void forget_unsent(nb_conn *conn) {
    if (untaken_bytes(conn) == 0)
        return;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(conn->source.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* Whether a peer that is to be let finish sends as fast as any body has to come. */
static bool still_sends(nb_conn *conn) {
    uint64_t sent = conn->lingered_bytes - conn->lingered_bytes_seen;
    conn->lingered_bytes_seen = conn->lingered_bytes;
    return sent > 0 && sent >= conn->worker->plane->settings.body_rate_bytes_per_s * NB_LINGER_MS / 1000;
}

/* The timer that the connection has instead of being closed; none: it has to be. */
static nb_timer_kind next_timer(nb_conn *conn) {
    uint64_t untaken;
    switch (conn->timer_kind) {
    case NB_TIMER_LINGER: return still_sends(conn) ? NB_TIMER_LINGER : NB_TIMER_NONE;
    case NB_TIMER_IDLE:
        untaken = untaken_bytes(conn);
        return untaken && !is_too_slow(conn, untaken, (uint64_t)conn->worker->plane->settings.header_timeout_ms)
                   ? NB_TIMER_PACE
                   : NB_TIMER_NONE;
    case NB_TIMER_PACE:
        untaken = untaken_bytes(conn);
        if (conn->phase == NB_PHASE_HEAD && !untaken)
            return NB_TIMER_IDLE;
        return !is_too_slow(conn, untaken, NB_TICK_MS) && nb_reply_tick(conn) ? NB_TIMER_PACE : NB_TIMER_NONE;
    default: return NB_TIMER_NONE;
    }
}

void nb_conn_expire(nb_conn *conn) {
    if (conn->phase == NB_PHASE_BODY) {
        nb_put_tick(conn);
        return;
    }
    nb_timer_kind kind = conn->timer_kind, next = next_timer(conn);
    if (next != NB_TIMER_NONE) {
        nb_conn_set_timer(conn, next);
        return;
    }
    if (kind == NB_TIMER_PACE || kind == NB_TIMER_IDLE)
        forget_unsent(conn);
    if (kind == NB_TIMER_PACE || kind == NB_TIMER_HEAD)
        nb_count(&conn->worker->metrics.timed_out, 1);
    nb_conn_close(conn);
}
