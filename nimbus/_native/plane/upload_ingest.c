/* The bytes of large uploads: their MD5s computed side by side, then written block by block, and made durable.
 *
 * One thread hashes for all workers, because MD5 is fast only with many streams next to each other: it takes what is
 * ready, waits a little for streams that are about to be, runs them through the lanes of md5.h together, and passes them
 * on. (The other digests are quick by themselves, and the workers' own business.) A few more threads wait for the disk:
 * they write, and sync after the last block.
 *
 * A file that was opened with O_DIRECT (nimbus/data/foreign.py says which are) gets its whole blocks around the page
 * cache: copying them into new pages of it costs more CPU than everything else that is done to them. What follows the
 * last whole block is no multiple of what disks write, and goes through the cache, on pages of its own. When the file
 * system takes no such write after all, the file goes through the cache from there on.
 *
 * Must always hold: an upload has one block here at a time; a write that failed is told and never tried again.
 */
#define _GNU_SOURCE /* O_DIRECT */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "plane/upload.h"

enum {
    SENDING_US_MAX = 300,   /* for streams that are sending, as far as anybody knows */
    WRITING_US_MAX = 2500,  /* then for those that the disk holds up: it is not idle meanwhile */
};

static void give_back(nb_upload *upload) { nb_worker_post(upload->worker, &upload->message); }

/* A queue is closed when the plane stops. */
static void pass_on(nb_queue *queue, nb_upload *upload) {
    if (nb_queue_put(queue, &upload->item))
        return;
    upload->write_fault = NB_FAULT_INTERNAL;
    give_back(upload);
}

void nb_ingest_write(nb_upload *upload) {
    upload->is_busy = true;
    pass_on(&upload->plane->intake->blocks, upload);
}

/* --- MD5 ----------------------------------------------------------------------------------------------- */

static size_t at_most(size_t count, size_t count_max) { return count < count_max ? count : count_max; }

/* Every stream that is likely to be here within a moment, as far as lanes are free. */
static size_t gather(nb_intake *intake, nb_upload **uploads) {
    nb_item *item = nb_queue_take(&intake->blocks, 1, -1);
    if (!item)
        return 0;
    size_t lanes = intake->isa == NB_MD5_AVX512 ? 16 : intake->isa == NB_MD5_AVX2 ? 8 : 1;
    size_t streams = at_most(atomic_load(&intake->large_count), lanes);
    size_t here = 1;
    if (streams >= NB_MD5_STREAMS_MIN)
        here += nb_queue_await(&intake->blocks, streams - 1, SENDING_US_MAX);
    size_t likely = at_most(here + atomic_load(&intake->coming_count), streams);
    if (likely >= NB_MD5_STREAMS_MIN)
        nb_queue_await(&intake->blocks, likely - 1, WRITING_US_MAX);
    item->next = nb_queue_take(&intake->blocks, NB_INGEST_BATCH_MAX - 1, 0);
    size_t count = 0;
    for (; item; item = item->next)
        uploads[count++] = NB_OF(item, nb_upload, item);
    return count;
}

static void *run_hash(void *argument) {
    nb_intake *intake = ((nb_plane *)argument)->intake;
    nb_upload *uploads[NB_INGEST_BATCH_MAX];
    nb_md5_job jobs[NB_INGEST_BATCH_MAX];
    for (size_t count; (count = gather(intake, uploads));) {
        for (size_t i = 0; i < count; i++)
            jobs[i] = (nb_md5_job){&uploads[i]->digests.md5, {uploads[i]->writing, uploads[i]->writing_size}};
        nb_md5_update_many(jobs, count, intake->isa);
        for (size_t i = 0; i < count; i++) {
            atomic_fetch_add(&intake->coming_count, !uploads[i]->is_last);
            pass_on(&intake->writes, uploads[i]);
        }
    }
    return NULL;
}

/* --- the disk ------------------------------------------------------------------------------------------ */

static bool write_all(int fd, struct iovec *pieces, int count, uint64_t offset) {
    while (count) {
        ssize_t written = pwritev(fd, pieces, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        offset += (uint64_t)written;
        for (; count && (size_t)written >= pieces->iov_len; pieces++, count--)
            written -= (ssize_t)pieces->iov_len;
        if (count)
            *pieces = (struct iovec){(char *)pieces->iov_base + written, pieces->iov_len - (size_t)written};
    }
    return true;
}

/* From here on through the page cache. */
static bool leave_direct(nb_upload *upload) {
    if (upload->is_direct && fcntl(upload->fd, F_SETFL, 0) != 0)
        return false;
    upload->is_direct = false;
    return true;
}

static bool write_whole(nb_upload *upload) {
    struct iovec block = {upload->writing, NB_BLOCK_SIZE}, again = block;
    if (write_all(upload->fd, &block, 1, upload->written))
        return true;
    bool is_refused = upload->is_direct && errno == EINVAL; /* for its form: the disk has not seen it */
    return is_refused && leave_direct(upload) && write_all(upload->fd, &again, 1, upload->written);
}

/* What is left of the payload, the table and the footer. */
static bool write_end(nb_upload *upload, size_t rest_size) {
    size_t table_size = upload->block_count * sizeof *upload->table;
    upload->table_hash = nb_hash(upload->table, table_size);
    nb_blob_footer footer;
    nb_blob_footer_encode(&footer, upload->written + rest_size, upload->table_hash);
    struct iovec pieces[] = {
        {upload->writing, rest_size}, {upload->table, table_size}, {&footer, sizeof footer}};
    return leave_direct(upload) && write_all(upload->fd, pieces, 3, upload->written);
}

static bool write_block(nb_upload *upload) {
    size_t size = upload->writing_size;
    bool is_whole = size == NB_BLOCK_SIZE;
    if (is_whole && !write_whole(upload))
        return false;
    upload->written += is_whole ? size : 0;
    if (!upload->is_last)
        return true;
    return write_end(upload, is_whole ? 0 : size);
}

static void fail(nb_upload *upload, int error_number) {
    upload->error_number = error_number;
    upload->write_fault = NB_FAULT_DISK;
}

static void *run_write(void *argument) {
    nb_intake *intake = ((nb_plane *)argument)->intake;
    for (nb_item *item; (item = nb_queue_take(&intake->writes, 1, -1));) {
        nb_upload *upload = NB_OF(item, nb_upload, item);
        errno = 0;
        if (!write_block(upload))
            fail(upload, errno ? errno : EIO);
        else if (upload->is_last && fdatasync(upload->fd) != 0)
            fail(upload, -errno); /* negative: it was a sync */
        atomic_fetch_sub(&intake->coming_count, !upload->is_last);
        give_back(upload);
    }
    return NULL;
}

/* --- threads ------------------------------------------------------------------------------------------- */

bool nb_ingest_start(nb_plane *plane) {
    nb_intake *intake = plane->intake;
    intake->is_hashing = pthread_create(&intake->hash_thread, NULL, run_hash, plane) == 0;
    for (; intake->is_hashing && intake->write_thread_count < NB_WRITE_THREADS; intake->write_thread_count++)
        if (pthread_create(&intake->write_threads[intake->write_thread_count], NULL, run_write, plane) != 0)
            return false;
    return intake->is_hashing;
}

void nb_ingest_stop(nb_plane *plane) {
    nb_intake *intake = plane->intake;
    nb_queue_close(&intake->blocks);
    if (intake->is_hashing)
        pthread_join(intake->hash_thread, NULL);
    intake->is_hashing = false;
    nb_queue_close(&intake->writes);
    for (; intake->write_thread_count; intake->write_thread_count--)
        pthread_join(intake->write_threads[intake->write_thread_count - 1], NULL);
    nb_queue_close(&intake->questions);
}
