/* The pool of kept-alive connections to the embedded server, a unix socket that only this process may reach.
 *
 * Must always hold: a connection in the pool is clean: its last request was sent whole and its last answer read
 * whole. One that was idle for long is not used again, because the server may be closing it at that moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "plane/plane.h"

enum {
    IDLE_MAX = 64,        /* kept by each worker, as long as that is no more for all than a quarter of what may run */
    IDLE_MS_MAX = 4000,   /* well below the embedded server's own timer */
};

static int connect_to(const char *path) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    /* A unix socket connects at once or, when the backlog is full, answers EAGAIN: the server is overloaded. */
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static nb_upstream *open_upstream(nb_conn *conn) {
    nb_worker *worker = conn->worker;
    nb_upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream)
        return NULL;
    int fd = connect_to(worker->plane->settings.upstream_path);
    if (fd < 0) {
        nb_count(&worker->metrics.upstream_failures, 1);
        free(upstream);
        return NULL;
    }
    upstream->source = (nb_source){NB_SOURCE_UPSTREAM, fd};
    upstream->can_write = true;
    upstream->fresh = true;
    if (nb_worker_watch(worker, &upstream->source))
        return upstream;
    close(fd);
    free(upstream);
    return NULL;
}

/* Silent and open, as one that is idle should be. */
static bool is_quiet(const nb_upstream *upstream) {
    char byte;
    return recv(upstream->source.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* The one used last: its caches are warm, and the others can grow old. */
static nb_upstream *take_idle(nb_worker *worker) {
    while (worker->idle_upstream_count) {
        nb_upstream *upstream = NB_OF(worker->idle_upstreams.prev, nb_upstream, idle);
        if (is_quiet(upstream)) {
            nb_list_remove(&upstream->idle);
            worker->idle_upstream_count--;
            upstream->fresh = false;
            return upstream;
        }
        nb_upstream_close(worker, upstream);
    }
    return NULL;
}

nb_upstream *nb_upstream_take(nb_conn *conn, bool fresh_only) {
    nb_worker *worker = conn->worker;
    nb_upstream_close_idle(worker, worker->now_ms - IDLE_MS_MAX);
    nb_upstream *upstream = fresh_only ? NULL : take_idle(worker);
    if (!upstream)
        upstream = open_upstream(conn);
    if (upstream)
        upstream->conn = conn;
    return upstream;
}

void nb_upstream_give(nb_worker *worker, nb_upstream *upstream) {
    upstream->conn = NULL;
    size_t quarter = worker->plane->settings.requests_max / 4 / worker->plane->worker_count;
    if (worker->idle_upstream_count >= (quarter < IDLE_MAX ? quarter : IDLE_MAX)) {
        nb_upstream_close(worker, upstream);
        return;
    }
    upstream->idle_since_ms = worker->now_ms;
    nb_list_append(&worker->idle_upstreams, &upstream->idle);
    worker->idle_upstream_count++;
}

void nb_upstream_close(nb_worker *worker, nb_upstream *upstream) {
    if (nb_link_is_in(&upstream->idle)) {
        nb_list_remove(&upstream->idle);
        worker->idle_upstream_count--;
    }
    close(upstream->source.fd); /* also leaves the epoll set */
    upstream->conn = NULL;
    upstream->closed = true;
    upstream->next_closed = worker->closed_upstreams;
    worker->closed_upstreams = upstream;
}

void nb_upstream_close_idle(nb_worker *worker, int64_t since_ms) {
    while (!nb_list_is_empty(&worker->idle_upstreams)) {
        nb_upstream *oldest = NB_OF(worker->idle_upstreams.next, nb_upstream, idle);
        if (oldest->idle_since_ms > since_ms)
            return;
        nb_upstream_close(worker, oldest);
    }
}
