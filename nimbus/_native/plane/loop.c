/* A worker's life: wait for events, hand them to connections, let each have its turn, expire timers.
 *
 * A turn runs every connection that has something to do once, each for at most NB_TURN_SIZE_BYTES_MAX, so that no
 * connection waits longer for another than that takes. What is closed during a turn is freed at its end, because
 * later events of the same turn may still point at it.
 */
#include "plane/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "plane/notice.h"

/* A worker that cannot go on takes the process down: a hanging server is worse than a restarted one. */
void nb_die(const char *what) {
    nb_notice(NB_NOTICE_ERROR, "the native plane cannot go on: %s: %s", what, strerror(errno));
    abort();
}

int64_t nb_monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what others call ---------------------------------------------------------------------------------- */

bool nb_worker_watch(nb_worker *worker, nb_source *source) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = source};
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) == 0)
        return true;
    if (errno != ENOMEM && errno != ENOSPC) /* what the kernel grants can be used up from outside: no reason to die */
        nb_die("epoll_ctl");
    return false;
}

void nb_worker_ring(nb_worker *worker) {
    uint64_t one = 1;
    if (write(worker->inbox_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        nb_die("eventfd");
}

void nb_worker_post(nb_worker *worker, nb_message *message) { nb_worker_post_all(worker, message, message); }

void nb_worker_post_all(nb_worker *worker, nb_message *first, nb_message *last) {
    last->next = NULL;
    pthread_mutex_lock(&worker->inbox_lock);
    bool was_empty = worker->inbox_first == NULL;
    *worker->inbox_last = first;
    worker->inbox_last = &last->next;
    pthread_mutex_unlock(&worker->inbox_lock);
    if (was_empty)
        nb_worker_ring(worker);
}

/* --- one turn ------------------------------------------------------------------------------------------ */

void nb_worker_deliver(nb_worker *worker) {
    uint64_t rings;
    if (read(worker->inbox_fd, &rings, sizeof rings) < 0 && errno != EAGAIN)
        nb_die("eventfd");
    pthread_mutex_lock(&worker->inbox_lock);
    nb_message *message = worker->inbox_first;
    worker->inbox_first = NULL;
    worker->inbox_last = &worker->inbox_first;
    pthread_mutex_unlock(&worker->inbox_lock);
    while (message) {
        nb_message *next = message->next;
        message->deliver(worker, message);
        message = next;
    }
}

static void on_conn_event(nb_conn *conn, uint32_t events) {
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        conn->can_read = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        conn->can_write = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        conn->peer_done = true;
    if (events & (EPOLLHUP | EPOLLERR))
        conn->peer_gone = true;
    nb_conn_wake(conn);
}

static void on_upstream_event(nb_worker *worker, nb_upstream *upstream, uint32_t events) {
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        upstream->can_read = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        upstream->can_write = true;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        upstream->peer_done = true;
    if (upstream->conn)
        nb_conn_wake(upstream->conn);
    else if (!upstream->closed && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        nb_upstream_close(worker, upstream); /* idle ones have nothing to say but good-bye */
}

static void on_event(nb_worker *worker, const struct epoll_event *event) {
    nb_source *source = event->data.ptr;
    switch (source->kind) {
    case NB_SOURCE_LISTENER: nb_accept(worker); break;
    case NB_SOURCE_INBOX: nb_worker_deliver(worker); break;
    case NB_SOURCE_CONN: on_conn_event((nb_conn *)source, event->events); break;
    case NB_SOURCE_UPSTREAM: on_upstream_event(worker, (nb_upstream *)source, event->events); break;
    }
}

static bool takes_a_body(const nb_conn *conn) {
    return conn->phase == NB_PHASE_BODY || conn->phase == NB_PHASE_DRAIN || conn->phase == NB_PHASE_LINGER;
}

static void move_all(nb_link *from, nb_link *to) {
    for (nb_link *link; (link = nb_list_take_first(from));)
        nb_list_append(to, link);
}

/* Those that stand in the queue now; whoever yields stands behind them and has the next turn. Heads and answers come
 * before bodies, and after some bytes of those it is looked for new ones: who is refused shall hear it at once. */
static void run_queue(nb_worker *worker) {
    nb_link now, bodies;
    nb_list_init(&now);
    nb_list_init(&bodies);
    move_all(&worker->run_queue, &now);
    for (nb_link *link; (link = nb_list_take_first(&now));) {
        nb_conn *conn = NB_OF(link, nb_conn, run);
        if (takes_a_body(conn))
            nb_list_append(&bodies, link);
        else
            nb_conn_run(conn);
    }
    uint64_t before = worker->metrics.received_bytes;
    while (worker->metrics.received_bytes - before < NB_BODIES_PER_TURN_BYTES_MAX) {
        nb_link *link = nb_list_take_first(&bodies);
        if (!link)
            return;
        nb_conn_run(NB_OF(link, nb_conn, run));
    }
    move_all(&worker->run_queue, &bodies); /* who has yielded stands behind those that had no turn */
    move_all(&bodies, &worker->run_queue);
}

static void expire_timers(nb_worker *worker) {
    for (int kind = 0; kind < NB_TIMER_KINDS; kind++) {
        nb_link *timers = &worker->timers[kind];
        while (!nb_list_is_empty(timers)) {
            nb_conn *conn = NB_OF(timers->next, nb_conn, timer);
            if (conn->timer_due_ms > worker->now_ms)
                break;
            nb_conn_expire(conn);
        }
    }
    if (worker->has_paused && worker->now_ms >= worker->accept_after_ms) {
        worker->has_paused = false;
        nb_accept_set(worker, atomic_load(&worker->plane->state) == NB_RUNNING);
    }
}

void nb_worker_free_closed(nb_worker *worker) {
    for (nb_conn **at = &worker->closed_conns, *conn; (conn = *at);) {
        if (conn->jobs) { /* another thread still has its address; it comes back through the inbox */
            at = &conn->next_closed;
            continue;
        }
        *at = conn->next_closed;
        free(conn);
    }
    while (worker->closed_upstreams) {
        nb_upstream *next = worker->closed_upstreams->next_closed;
        free(worker->closed_upstreams);
        worker->closed_upstreams = next;
    }
}

static int wait_ms(const nb_worker *worker) {
    if (!nb_list_is_empty(&worker->run_queue))
        return 0;
    int64_t due = worker->now_ms + 10000;
    for (int kind = 0; kind < NB_TIMER_KINDS; kind++) {
        const nb_link *timers = &worker->timers[kind];
        if (!nb_list_is_empty(timers) && NB_OF(timers->next, nb_conn, timer)->timer_due_ms < due)
            due = NB_OF(timers->next, nb_conn, timer)->timer_due_ms;
    }
    if (worker->has_paused && worker->accept_after_ms < due)
        due = worker->accept_after_ms;
    return due <= worker->now_ms ? 0 : (int)(due - worker->now_ms);
}

static void close_all(nb_worker *worker, bool only_idle) {
    for (nb_link *link = worker->all.next, *next; link != &worker->all; link = next) {
        next = link->next;
        nb_conn *conn = NB_OF(link, nb_conn, all);
        if (!only_idle || nb_conn_is_idle(conn))
            nb_conn_close(conn);
    }
}

static void begin_drain(nb_worker *worker) {
    worker->has_begun_drain = true;
    worker->has_paused = false;
    nb_accept_set(worker, false);
    close_all(worker, true);
}

/* Keys of an old ring are void from this turn on. */
static void take_ring(nb_worker *worker) {
    nb_plane *plane = worker->plane;
    if (atomic_load(&plane->ring_number) == worker->ring_number)
        return;
    nb_keyring *last = worker->ring;
    pthread_mutex_lock(&plane->ring_lock);
    worker->ring = plane->ring;
    worker->ring_number = atomic_load(&plane->ring_number);
    atomic_fetch_add(&worker->ring->users, 1);
    pthread_mutex_unlock(&plane->ring_lock);
    nb_auth_set_ring(&worker->auth, worker->ring);
    nb_keyring_give(last);
}

void nb_worker_request_id(nb_worker *worker, char out[NB_REQUEST_ID_SIZE_BYTES + 1]) {
    static const char DIGITS[] = "0123456789ABCDEF"; /* by hand: snprintf is seen in every answer's time */
    uint32_t number = ++worker->request_number;
    memcpy(out, worker->request_id_prefix, 8);
    for (int at = NB_REQUEST_ID_SIZE_BYTES - 1; at >= 8; at--, number >>= 4)
        out[at] = DIGITS[number & 15];
    out[NB_REQUEST_ID_SIZE_BYTES] = 0;
}

const char *nb_worker_date(nb_worker *worker) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != worker->date_s) {
        static const char DAYS[] = "SunMonTueWedThuFriSat", MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        snprintf(worker->date, sizeof worker->date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", DAYS + 3 * utc.tm_wday,
                 utc.tm_mday, MONTHS + 3 * utc.tm_mon, (utc.tm_year + 1900) % 10000, utc.tm_hour, utc.tm_min, utc.tm_sec);
        worker->date_s = now.tv_sec;
    }
    return worker->date;
}

void *nb_worker_run(void *argument) {
    nb_worker *worker = argument;
    struct epoll_event events[NB_EVENTS_PER_TURN_MAX];
    for (int state; (state = atomic_load(&worker->plane->state)) != NB_STOPPING;) {
        if (state == NB_DRAINING && !worker->has_begun_drain)
            begin_drain(worker);
        int count = epoll_wait(worker->epoll_fd, events, NB_EVENTS_PER_TURN_MAX, wait_ms(worker));
        if (count < 0 && errno != EINTR)
            nb_die("epoll_wait");
        worker->now_ms = nb_monotonic_ms();
        worker->drained_bytes = 0;
        worker->seen.of = NULL;
        take_ring(worker);
        for (int i = 0; i < count; i++)
            on_event(worker, &events[i]);
        run_queue(worker);
        expire_timers(worker);
        nb_evict_for_others(worker);
        nb_worker_free_closed(worker);
    }
    nb_accept_set(worker, false);
    close_all(worker, false);
    nb_worker_deliver(worker); /* connections handed over at the last moment */
    close_all(worker, false);
    nb_upstream_close_idle(worker, INT64_MAX);
    nb_worker_free_closed(worker);
    return NULL;
}
