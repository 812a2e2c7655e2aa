/* The bytes of large uploads: their MD5s computed side by side, and written block by block, then made durable.
 *
 * One thread hashes for all workers, because MD5 is fast only with many streams next to each other: it takes what is
 * ready, waits a moment for streams that are about to be, runs them through the lanes of md5.h together, and writes them.
 * (The other digests are quick by themselves, and the workers' own business.) A few more threads do nothing but wait
 * for fdatasync.
 *
 * Must always hold: an upload has one block here at a time; a write that failed is told and never tried again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "plane/upload.h"

enum { GATHER_TRIES_MAX = 3, GATHER_NS = 80000 };

static void give_back(nb_upload *upload) { nb_worker_post(upload->worker, &upload->message); }

void nb_ingest_write(nb_upload *upload) {
    upload->is_busy = true;
    if (nb_queue_put(&upload->plane->intake->blocks, &upload->item))
        return;
    upload->fault = NB_FAULT_INTERNAL; /* the plane stops */
    give_back(upload);
}

static bool write_all(int fd, const char *bytes, size_t size, uint64_t offset) {
    while (size) {
        ssize_t count = pwrite(fd, bytes, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        bytes += count, size -= (size_t)count, offset += (uint64_t)count;
    }
    return true;
}

static bool write_end(nb_upload *upload) {
    size_t table_size = upload->block_count * sizeof *upload->table;
    upload->table_hash = nb_hash(upload->table, table_size);
    nb_blob_footer footer;
    nb_blob_footer_encode(&footer, upload->written, upload->table_hash);
    return write_all(upload->fd, (const char *)upload->table, table_size, upload->written) &&
           write_all(upload->fd, (const char *)&footer, sizeof footer, upload->written + table_size);
}

static void take_block(nb_upload *upload) {
    bool is_written = write_all(upload->fd, upload->writing, upload->writing_size, upload->written);
    upload->written += upload->writing_size;
    if (!is_written || (upload->is_last && !write_end(upload))) {
        upload->error_number = errno ? errno : EIO;
        upload->write_fault = NB_FAULT_DISK;
    }
}

/* Every stream that is likely to be here within a moment, as far as lanes are free. */
static size_t gather(nb_intake *intake, nb_upload **uploads) {
    size_t count = 0, lanes = intake->isa == NB_MD5_AVX512 ? 16 : intake->isa == NB_MD5_AVX2 ? 8 : 1;
    for (int tries = 0; tries <= GATHER_TRIES_MAX; tries++) {
        nb_item *item = nb_queue_take(&intake->blocks, NB_INGEST_BATCH_MAX - count, count ? 0 : -1);
        for (; item; item = item->next)
            uploads[count++] = NB_OF(item, nb_upload, item);
        size_t streams = atomic_load(&intake->large_count);
        if (count == 0 || count >= lanes || count >= streams)
            break;
        nanosleep(&(struct timespec){.tv_nsec = GATHER_NS}, NULL);
    }
    return count;
}

static void *run_ingest(void *argument) {
    nb_intake *intake = ((nb_plane *)argument)->intake;
    nb_upload *uploads[NB_INGEST_BATCH_MAX];
    nb_md5_job jobs[NB_INGEST_BATCH_MAX];
    for (size_t count; (count = gather(intake, uploads));) {
        for (size_t i = 0; i < count; i++)
            jobs[i] = (nb_md5_job){&uploads[i]->digests.md5, {uploads[i]->writing, uploads[i]->writing_size}};
        nb_md5_update_many(jobs, count, intake->isa);
        for (size_t i = 0; i < count; i++) {
            take_block(uploads[i]);
            if (!uploads[i]->is_last || uploads[i]->write_fault || !nb_queue_put(&intake->syncs, &uploads[i]->item))
                give_back(uploads[i]);
        }
    }
    return NULL;
}

static void *run_sync(void *argument) {
    nb_intake *intake = ((nb_plane *)argument)->intake;
    for (nb_item *item; (item = nb_queue_take(&intake->syncs, 1, -1));) {
        nb_upload *upload = NB_OF(item, nb_upload, item);
        if (fdatasync(upload->fd) != 0) {
            upload->error_number = -errno; /* negative: it was a sync */
            upload->write_fault = NB_FAULT_DISK;
        }
        give_back(upload);
    }
    return NULL;
}

bool nb_ingest_start(nb_plane *plane) {
    nb_intake *intake = plane->intake;
    intake->is_ingesting = pthread_create(&intake->ingest_thread, NULL, run_ingest, plane) == 0;
    for (; intake->is_ingesting && intake->sync_thread_count < NB_SYNC_THREADS; intake->sync_thread_count++)
        if (pthread_create(&intake->sync_threads[intake->sync_thread_count], NULL, run_sync, plane) != 0)
            return false;
    return intake->is_ingesting;
}

void nb_ingest_stop(nb_plane *plane) {
    nb_intake *intake = plane->intake;
    nb_queue_close(&intake->blocks);
    if (intake->is_ingesting)
        pthread_join(intake->ingest_thread, NULL);
    intake->is_ingesting = false;
    nb_queue_close(&intake->syncs);
    for (; intake->sync_thread_count; intake->sync_thread_count--)
        pthread_join(intake->sync_threads[intake->sync_thread_count - 1], NULL);
    nb_queue_close(&intake->questions);
}
