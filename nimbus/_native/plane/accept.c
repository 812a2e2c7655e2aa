/* Where connections come in, and which worker gets them.
 *
 * All workers wait at one listening socket, and whoever takes a connection gives it to the one that has fewest. A socket
 * for each worker, with SO_REUSEPORT, was built and measured against it, and was the slower one, the more so the fewer the
 * connections: it hashes a connection to a worker by its ports, so that of few, which is what clients of large objects
 * have, many may meet on one worker while another sleeps, for as long as they are kept alive. What is more: a worker that
 * stops accepting (at the limit, without descriptors, at the end) still gets its share, and what waits at its socket is
 * reset with it; and a second process of the same user that asks for SO_REUSEPORT, too, would not be refused but given a
 * part of the connections. One socket has none of this: whoever accepts takes what waits, for all.
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plane/loop.h"

void nb_accept_set(nb_worker *worker, bool on) {
    if (worker->is_listening == on || worker->listener.fd < 0)
        return;
    /* Level-triggered and exclusive: workers may share one listener without all waking for each connection. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &worker->listener};
    if (epoll_ctl(worker->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, worker->listener.fd, &event) < 0)
        nb_die("epoll_ctl of the listener");
    worker->is_listening = on;
}

static void pause_accepting(nb_worker *worker) {
    nb_accept_set(worker, false);
    worker->has_paused = true;
    worker->accept_after_ms = worker->now_ms + NB_ACCEPT_PAUSE_MS;
}

/* Out of descriptors: if nobody can go instead, take one connection with the descriptor kept for this and close it, so
 * that the peer learns. */
static void turn_one_away(nb_worker *worker) {
    nb_count(&worker->metrics.accept_failures, 1);
    if (nb_conn_evict(worker))
        return; /* its descriptor is free now, or after another worker's turn */
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

void nb_accept(nb_worker *worker) {
    nb_plane *plane = worker->plane;
    for (int i = 0; i < NB_ACCEPTS_PER_TURN_MAX; i++) {
        size_t open = atomic_load(&plane->conn_count), most = plane->settings.connections_max + NB_REFUSALS_MAX;
        if (open >= most && !nb_conn_evict(worker)) {
            pause_accepting(worker);
            return;
        }
        if (open >= most && (open = atomic_load(&plane->conn_count)) >= most)
            return; /* another worker has to close one first */
        int fd = accept4(worker->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            set_options(fd);
            place_connection(worker, fd, open >= plane->settings.connections_max && !nb_conn_evict(worker));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            turn_one_away(worker);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (errno == EINVAL && atomic_load(&plane->state) != NB_RUNNING) {
            return; /* nb_plane_drain was faster than our turn */
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            nb_die("accept");
        } /* anything else is the fate of that one connection: see accept(2) */
    }
}
