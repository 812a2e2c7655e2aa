/* A worker's life: wait for events, hand them to connections, let each have its turn, expire timers, accept.
 *
 * A turn runs every connection that has something to do once, each for at most NB_TURN_SIZE_BYTES_MAX, so that no
 * connection waits longer for another than that takes. What is closed during a turn is freed at its end, because
 * later events of the same turn may still point at it.
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "plane/disk.h"
#include "plane/lookup.h"
#include "plane/plane.h"
#include "plane/threads.h"
#include "plane/upload.h"

/* A worker that cannot go on takes the process down: a hanging server is worse than a restarted one. */
__attribute__((noreturn)) static void die(const char *what) {
    fprintf(stderr, "nimbus: the native plane cannot go on: %s: %s\n", what, strerror(errno));
    abort();
}

static int64_t monotonic_ms(void) {
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
        die("epoll_ctl");
    return false;
}

static void ring(nb_worker *worker) {
    uint64_t one = 1;
    if (write(worker->inbox_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        die("eventfd");
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
        ring(worker);
}

/* --- accepting ----------------------------------------------------------------------------------------- */

static void set_listening(nb_worker *worker, bool on) {
    if (worker->is_listening == on || worker->listener.fd < 0)
        return;
    /* Level-triggered and exclusive: workers may share one listener without all waking for each connection. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &worker->listener};
    if (epoll_ctl(worker->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, worker->listener.fd, &event) < 0)
        die("epoll_ctl of the listener");
    worker->is_listening = on;
}

static void pause_accepting(nb_worker *worker) {
    set_listening(worker, false);
    worker->has_paused = true;
    worker->accept_after_ms = worker->now_ms + NB_ACCEPT_PAUSE_MS;
}

/* Out of descriptors: take one connection with the descriptor kept for this and close it, so that the peer learns. */
static void turn_one_away(nb_worker *worker) {
    nb_count(&worker->metrics.accept_failures, 1);
    if (worker->spare_fd >= 0) {
        close(worker->spare_fd);
        int fd = accept4(worker->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            close(fd);
        worker->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    pause_accepting(worker);
}

typedef struct {
    nb_message message;
    int fd;
    bool refused;
} handed_over;

static void receive_connection(nb_worker *worker, nb_message *message) {
    handed_over *handed = (handed_over *)message;
    nb_conn_open(worker, handed->fd, handed->refused);
    free(handed);
}

/* The worker with the fewest connections: the kernel spreads connections among waiting threads far less evenly. */
static nb_worker *least_busy(nb_worker *self) {
    nb_plane *plane = self->plane;
    nb_worker *best = self;
    size_t fewest = atomic_load_explicit(&self->conn_count, memory_order_relaxed);
    for (unsigned i = 0; i < plane->worker_count; i++) {
        size_t count = atomic_load_explicit(&plane->workers[i].conn_count, memory_order_relaxed);
        if (count < fewest)
            best = &plane->workers[i], fewest = count;
    }
    return best;
}

static void place_connection(nb_worker *worker, int fd, bool refused) {
    nb_worker *target = least_busy(worker);
    atomic_fetch_add(&worker->plane->conn_count, 1);
    atomic_fetch_add(&target->conn_count, 1);
    nb_count(&worker->metrics.accepted, 1);
    handed_over *handed = target == worker ? NULL : malloc(sizeof *handed);
    if (handed) {
        *handed = (handed_over){.message.deliver = receive_connection, .fd = fd, .refused = refused};
        nb_worker_post(target, &handed->message);
        return;
    }
    if (target != worker) { /* memory is short: keep it here */
        atomic_fetch_sub(&target->conn_count, 1);
        atomic_fetch_add(&worker->conn_count, 1);
    }
    nb_conn_open(worker, fd, refused);
}

/* Both fail on a unix socket, which needs neither. */
static void set_options(int fd) {
    int on = 1;
    unsigned patience_ms = NB_UNACKNOWLEDGED_MS_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
}

static void accept_connections(nb_worker *worker) {
    nb_plane *plane = worker->plane;
    for (int i = 0; i < NB_ACCEPTS_PER_TURN_MAX; i++) {
        size_t open = atomic_load(&plane->conn_count);
        if (open >= plane->settings.connections_max + NB_REFUSALS_MAX) {
            pause_accepting(worker);
            return;
        }
        int fd = accept4(worker->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            set_options(fd);
            place_connection(worker, fd, open >= plane->settings.connections_max);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            turn_one_away(worker);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EINVAL && atomic_load(&plane->state) != NB_RUNNING) {
            return; /* nb_plane_drain was faster than our turn */
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            die("accept");
        } /* anything else is the fate of that one connection: see accept(2) */
    }
}

/* --- one turn ------------------------------------------------------------------------------------------ */

static void deliver_inbox(nb_worker *worker) {
    uint64_t rings;
    if (read(worker->inbox_fd, &rings, sizeof rings) < 0 && errno != EAGAIN)
        die("eventfd");
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
    case NB_SOURCE_LISTENER: accept_connections(worker); break;
    case NB_SOURCE_INBOX: deliver_inbox(worker); break;
    case NB_SOURCE_CONN: on_conn_event((nb_conn *)source, event->events); break;
    case NB_SOURCE_UPSTREAM: on_upstream_event(worker, (nb_upstream *)source, event->events); break;
    }
}

/* Those that stand in the queue now; whoever yields stands behind them and has the next turn. */
static void run_queue(nb_worker *worker) {
    nb_link now;
    nb_list_init(&now);
    while (!nb_list_is_empty(&worker->run_queue))
        nb_list_append(&now, nb_list_take_first(&worker->run_queue));
    for (nb_link *link; (link = nb_list_take_first(&now));)
        nb_conn_run(NB_OF(link, nb_conn, run));
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
        set_listening(worker, atomic_load(&worker->plane->state) == NB_RUNNING);
    }
}

static void free_closed(nb_worker *worker) {
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
    set_listening(worker, false);
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

void nb_plane_set_ring(nb_plane *plane, nb_keyring *ring) {
    pthread_mutex_lock(&plane->ring_lock);
    nb_keyring *last = plane->ring;
    plane->ring = ring;
    atomic_fetch_add(&plane->ring_number, 1);
    pthread_mutex_unlock(&plane->ring_lock);
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

static void *run_worker(void *argument) {
    nb_worker *worker = argument;
    struct epoll_event events[NB_EVENTS_PER_TURN_MAX];
    for (int state; (state = atomic_load(&worker->plane->state)) != NB_STOPPING;) {
        if (state == NB_DRAINING && !worker->has_begun_drain)
            begin_drain(worker);
        int count = epoll_wait(worker->epoll_fd, events, NB_EVENTS_PER_TURN_MAX, wait_ms(worker));
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        worker->now_ms = monotonic_ms();
        take_ring(worker);
        for (int i = 0; i < count; i++)
            on_event(worker, &events[i]);
        run_queue(worker);
        expire_timers(worker);
        free_closed(worker);
    }
    set_listening(worker, false);
    close_all(worker, false);
    deliver_inbox(worker); /* connections handed over at the last moment */
    close_all(worker, false);
    nb_upstream_close_idle(worker, INT64_MAX);
    free_closed(worker);
    return NULL;
}

/* --- the plane ----------------------------------------------------------------------------------------- */

static bool open_worker(nb_plane *plane, unsigned index) {
    nb_worker *worker = &plane->workers[index];
    worker->plane = plane;
    worker->index = index;
    worker->now_ms = monotonic_ms();
    for (int kind = 0; kind < NB_TIMER_KINDS; kind++)
        nb_list_init(&worker->timers[kind]);
    nb_list_init(&worker->run_queue);
    nb_list_init(&worker->all);
    nb_list_init(&worker->idle_upstreams);
    pthread_mutex_init(&worker->inbox_lock, NULL);
    worker->inbox_last = &worker->inbox_first;
    const nb_settings *settings = &plane->settings;
    worker->listener = (nb_source){NB_SOURCE_LISTENER, settings->listeners[index % settings->listener_count]};
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    worker->scratch = malloc(NB_BLOCK_SIZE);
    uint64_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        return false;
    snprintf(worker->request_id_prefix, sizeof worker->request_id_prefix, "%08X", (unsigned)(chance + index));
    worker->inbox = (nb_source){NB_SOURCE_INBOX, worker->inbox_fd};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &worker->inbox};
    return worker->scratch && worker->epoll_fd >= 0 && worker->inbox_fd >= 0 && worker->spare_fd >= 0 &&
           epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->inbox_fd, &event) == 0;
}

nb_plane *nb_plane_new(const nb_settings *settings, const char **error) {
    nb_plane *plane = calloc(1, sizeof *plane);
    if (!plane) {
        *error = strerror(ENOMEM);
        return NULL;
    }
    plane->settings = *settings;
    nb_cache_init(&plane->cache, settings->cache_size_bytes, settings->cache_files_max);
    nb_queue_init(&plane->lookups, NB_LOOKUPS_MAX);
    nb_queue_init(&plane->disk_jobs, NB_DISK_JOBS_MAX);
    int failed = nb_tickets_init(&plane->tickets) ? 0 : errno;
    pthread_mutex_init(&plane->ring_lock, NULL);
    for (unsigned i = 0; i < NB_WORKERS_MAX; i++)
        plane->workers[i].epoll_fd = plane->workers[i].inbox_fd = plane->workers[i].spare_fd = -1;
    plane->intake = nb_intake_new();
    if (!plane->intake || failed) {
        *error = strerror(failed ? failed : ENOMEM);
        nb_plane_free(plane);
        return NULL;
    }
    for (unsigned i = 0; i < settings->threads; i++) {
        plane->worker_count = i + 1;
        if (!open_worker(plane, i)) {
            *error = strerror(errno);
            nb_plane_free(plane);
            return NULL;
        }
    }
    return plane;
}

static void join_threads(nb_plane *plane, unsigned started) {
    atomic_store(&plane->state, NB_STOPPING);
    for (unsigned i = 0; i < started; i++)
        ring(&plane->workers[i]);
    for (unsigned i = 0; i < started; i++)
        pthread_join(plane->workers[i].thread, NULL);
    nb_queue_close(&plane->lookups);
    nb_disk_stop(plane);
    nb_ingest_stop(plane);
}

bool nb_plane_start(nb_plane *plane, const char **error) {
    sigset_t before;
    nb_block_signals(&before); /* the threads inherit it */
    unsigned started = 0;
    int failed = nb_disk_start(plane) && (!plane->settings.takes_uploads || nb_ingest_start(plane)) ? 0 : EAGAIN;
    for (; started < plane->worker_count && !failed; started += !failed) {
        set_listening(&plane->workers[started], true);
        failed = pthread_create(&plane->workers[started].thread, NULL, run_worker, &plane->workers[started]);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        return true;
    *error = strerror(failed);
    join_threads(plane, started);
    return false;
}

void nb_plane_drain(nb_plane *plane) {
    atomic_store(&plane->state, NB_DRAINING);
    for (unsigned i = 0; i < plane->settings.listener_count; i++)
        shutdown(plane->settings.listeners[i], SHUT_RDWR); /* who comes now is refused, and does not wait for nobody */
    for (unsigned i = 0; i < plane->worker_count; i++)
        ring(&plane->workers[i]);
}

void nb_plane_stop(nb_plane *plane) { join_threads(plane, plane->worker_count); }

static void close_if_open(int fd) {
    if (fd >= 0)
        close(fd);
}

/* Answers that came after their worker had ended find their connections closed, and let go of them. */
static void free_worker(nb_worker *worker) {
    if (worker->inbox_fd >= 0)
        deliver_inbox(worker);
    free_closed(worker);
    close_if_open(worker->epoll_fd);
    close_if_open(worker->inbox_fd);
    close_if_open(worker->spare_fd);
    nb_buffer_pool_free(&worker->buffers);
    nb_keyring_give(worker->ring);
    free(worker->scratch);
    pthread_mutex_destroy(&worker->inbox_lock);
}

static void decline_all(nb_plane *plane) {
    for (nb_item *item; (item = nb_queue_take(&plane->lookups, 1, 0));)
        nb_lookup_decline(NB_OF(item, nb_lookup, item));
}

void nb_plane_free(nb_plane *plane) {
    decline_all(plane);
    nb_intake_empty(plane->intake);
    for (unsigned i = 0; i < plane->worker_count; i++)
        free_worker(&plane->workers[i]);
    nb_intake_free(plane->intake);
    nb_keyring_give(plane->ring);
    nb_tickets_free(&plane->tickets, &plane->cache);
    nb_cache_free(&plane->cache);
    nb_queue_free(&plane->lookups);
    nb_queue_free(&plane->disk_jobs);
    pthread_mutex_destroy(&plane->ring_lock);
    free(plane);
}
