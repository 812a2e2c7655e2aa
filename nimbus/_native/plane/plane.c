/* The life of the plane: its parts are made, its threads begun, drained, joined, and everything is freed, once. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plane/disk.h"
#include "plane/lookup.h"
#include "plane/loop.h"
#include "plane/threads.h"
#include "plane/upload.h"

static bool open_worker(nb_plane *plane, unsigned index) {
    nb_worker *worker = &plane->workers[index];
    worker->plane = plane;
    worker->index = index;
    worker->now_ms = nb_monotonic_ms();
    worker->waiting_since_ms = INT64_MAX;
    for (int kind = 0; kind < NB_TIMER_KINDS; kind++)
        nb_list_init(&worker->timers[kind]);
    nb_list_init(&worker->run_queue);
    nb_list_init(&worker->all);
    nb_list_init(&worker->held);
    nb_list_init(&worker->idle_upstreams);
    pthread_mutex_init(&worker->inbox_lock, NULL);
    worker->inbox_last = &worker->inbox_first;
    const nb_settings *settings = &plane->settings;
    worker->listener = (nb_source){NB_SOURCE_LISTENER, settings->listener};
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
    plane->intake = nb_intake_new(settings->upload_memory_bytes_max);
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
        nb_worker_ring(&plane->workers[i]);
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
        nb_accept_set(&plane->workers[started], true);
        failed = pthread_create(&plane->workers[started].thread, NULL, nb_worker_run, &plane->workers[started]);
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
    shutdown(plane->settings.listener, SHUT_RDWR); /* who comes now is refused, and does not wait for nobody */
    for (unsigned i = 0; i < plane->worker_count; i++)
        nb_worker_ring(&plane->workers[i]);
}

void nb_plane_stop(nb_plane *plane) { join_threads(plane, plane->worker_count); }

static void close_if_open(int fd) {
    if (fd >= 0)
        close(fd);
}

/* Answers that came after their worker had ended find their connections closed, and let go of them. */
static void free_worker(nb_worker *worker) {
    if (worker->inbox_fd >= 0)
        nb_worker_deliver(worker);
    nb_worker_free_closed(worker);
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

void nb_plane_set_ring(nb_plane *plane, nb_keyring *ring) {
    pthread_mutex_lock(&plane->ring_lock);
    nb_keyring *last = plane->ring;
    plane->ring = ring;
    atomic_fetch_add(&plane->ring_number, 1);
    pthread_mutex_unlock(&plane->ring_lock);
    nb_keyring_give(last);
}
