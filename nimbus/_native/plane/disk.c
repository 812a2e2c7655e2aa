/* See disk.h. */
#define _GNU_SOURCE /* readahead */
#include "plane/disk.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "plane/reply.h"

typedef struct {
    nb_item item;
    nb_message message;
    nb_conn *conn;
    nb_worker *worker;
    nb_entry *entry;
    uint64_t at, end;
    nb_status status;
} job;

static void deliver(nb_worker *worker, nb_message *message) {
    job *done = NB_OF(message, job, message);
    nb_conn *conn = done->conn;
    nb_status status = done->status;
    nb_cache_give(&worker->plane->cache, done->entry);
    free(done);
    conn->jobs--;
    if (conn->phase != NB_PHASE_CLOSED)
        nb_disk_done(conn, status);
}

static void read_window(job *job, nb_device *device, char *scratch) {
    nb_seen seen = {0};
    nb_verifier by = {device, scratch, true, &seen};
    uint64_t end = job->end - job->at > NB_WINDOW_SIZE_BYTES ? job->at + NB_WINDOW_SIZE_BYTES : job->end;
    uint64_t at = job->at;
    job->status = NB_OK;
    while (at < end && job->status == NB_OK)
        job->status = nb_entry_ready(&by, job->entry, at, end, &at);
    if (at > job->at)
        job->status = NB_OK; /* what comes later says so when it is its turn */
}

/* Ask the kernel for what a sequential reader will want next. */
static void read_ahead(int fd, uint64_t from, uint64_t file_end) {
    if (from < file_end)
        readahead(fd, (off_t)from, file_end - from < NB_WINDOW_SIZE_BYTES ? file_end - from : NB_WINDOW_SIZE_BYTES);
}

static void *run_disk(void *argument) {
    nb_plane *plane = argument;
    char *scratch = malloc(NB_BLOCK_SIZE);
    if (!scratch)
        abort();
    for (nb_item *item; (item = nb_queue_take(&plane->disk_jobs, 1, -1));) {
        job *next = NB_OF(item, job, item);
        read_window(next, &plane->cache.files.device, scratch);
        const nb_extent *last = &next->entry->extents[next->entry->extents_count - 1];
        bool is_blob = next->entry->extents_count == 1 && last->file->table && next->end - next->at > NB_WINDOW_SIZE_BYTES;
        int fd = last->file->fd;
        uint64_t from = next->at + NB_WINDOW_SIZE_BYTES, end = last->length;
        nb_worker *worker = next->worker;
        nb_entry *entry = next->entry;
        atomic_fetch_add(&entry->users, 1);
        nb_worker_post(worker, &next->message);
        if (is_blob)
            read_ahead(fd, from, end);
        nb_cache_give(&plane->cache, entry);
    }
    free(scratch);
    return NULL;
}

bool nb_disk_ask(nb_conn *conn, nb_entry *entry, uint64_t at, uint64_t end) {
    nb_plane *plane = conn->worker->plane;
    job *new = malloc(sizeof *new);
    if (!new)
        return false;
    *new = (job){.message.deliver = deliver, .conn = conn, .worker = conn->worker, .entry = entry, .at = at, .end = end};
    atomic_fetch_add(&entry->users, 1);
    if (!nb_queue_put(&plane->disk_jobs, &new->item)) {
        atomic_fetch_sub(&entry->users, 1); /* the caller has a share of its own */
        free(new);
        return false;
    }
    conn->jobs++;
    conn->phase = NB_PHASE_WAIT;
    return true;
}

bool nb_disk_start(nb_plane *plane) {
    for (; plane->disk_thread_count < plane->settings.disk_threads; plane->disk_thread_count++)
        if (pthread_create(&plane->disk_threads[plane->disk_thread_count], NULL, run_disk, plane) != 0)
            return false;
    return true;
}

void nb_disk_stop(nb_plane *plane) {
    nb_queue_close(&plane->disk_jobs);
    for (; plane->disk_thread_count; plane->disk_thread_count--)
        pthread_join(plane->disk_threads[plane->disk_thread_count - 1], NULL);
}
