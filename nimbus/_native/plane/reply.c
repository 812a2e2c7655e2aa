/* See reply.h. */
#define _GNU_SOURCE /* preadv2 */
#include "plane/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "plane/disk.h"
#include "plane/notice.h"

enum { PAGE_SIZE_BYTES = 4096 };

/* --- verified blocks ----------------------------------------------------------------------------------- */

static nb_extent *extent_at(nb_entry *entry, uint64_t at) {
    size_t low = 0, high = entry->extents_count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (entry->extents[middle].at <= at)
            low = middle;
        else
            high = middle;
    }
    return &entry->extents[low];
}

/* A frame is one block of its own size. */
static uint64_t block_size(const nb_extent *extent) { return extent->file->table ? NB_BLOCK_SIZE : extent->length; }

static nb_status read_extent(const nb_extent *extent, uint64_t start, uint64_t end, char *out, bool wait) {
    if (extent->file->table)
        return nb_read_blocks(extent->file->fd, out, extent->file->table, extent->length, start, end, wait);
    return nb_read_verified(extent->file->fd, out, extent->offset, extent->length, extent->hash, start, end, wait);
}

static nb_proof prove(const nb_verifier *by, nb_file *file) {
    return nb_trust_prove(&file->trust, by->device, file->fd, by->seen);
}

/* Whatever is wrong with these bytes: what was believed of their file is believed no longer. */
static nb_status judge(nb_extent *extent, nb_status status) {
    if (status != NB_OK && status != NB_WOULD_BLOCK)
        nb_file_suspect(extent->file);
    return status;
}

/* One block that is not trusted: read it whole. */
static nb_status verify_block(const nb_verifier *by, nb_extent *extent, uint64_t block, const nb_proof *proof) {
    uint64_t start = block * block_size(extent), end = start + block_size(extent);
    if (end > extent->length)
        end = extent->length;
    nb_status status = read_extent(extent, start, end, by->scratch, by->wait);
    if (status == NB_OK)
        nb_stamp_set(&extent->stamps[block], proof);
    return judge(extent, status);
}

static bool is_resident(const nb_verifier *by, const nb_extent *extent, uint64_t start, uint64_t end) {
    return nb_is_resident(extent->file->fd, extent->offset + start, extent->offset + end, by->seen);
}

/* Where the blocks that are trusted end, from byte `at` of the extent on; `at` itself when that one is not. */
static uint64_t trusted_end(nb_extent *extent, const nb_proof *proof, uint64_t at, uint64_t end) {
    while (at < end && nb_stamp_holds(&extent->stamps[at / block_size(extent)], proof))
        at = (at / block_size(extent) + 1) * block_size(extent);
    return at < end ? at : end;
}

nb_status nb_entry_ready(const nb_verifier *by, nb_entry *entry, uint64_t at, uint64_t end, uint64_t *ready_end) {
    nb_extent *extent = extent_at(entry, at);
    nb_proof proof = prove(by, extent->file);
    uint64_t from = at - extent->at, stop = (end < extent->at + extent->length ? end - extent->at : extent->length);
    uint64_t ready = from;
    while (ready < stop) {
        uint64_t next = trusted_end(extent, &proof, ready, stop);
        if (next == ready || !is_resident(by, extent, ready, next)) {
            if (next > ready) { /* they have left the page cache: who knows what comes back, and of which others */
                nb_trust_end(&extent->file->trust);
                proof = prove(by, extent->file);
            }
            uint64_t block = ready / block_size(extent);
            nb_status status = verify_block(by, extent, block, &proof);
            if (status != NB_OK && ready == from)
                return status;
            if (status != NB_OK)
                break;
            next = (block + 1) * block_size(extent);
        }
        ready = next < stop ? next : stop;
    }
    *ready_end = extent->at + ready;
    return NB_OK;
}

nb_status nb_entry_read(nb_entry *entry, uint64_t at, uint64_t end, char *out, bool wait) {
    nb_extent *extent = extent_at(entry, at);
    return judge(extent, read_extent(extent, at - extent->at, end - extent->at, out, wait));
}

static uint64_t file_offset(const nb_extent *extent, uint64_t at) { return extent->offset + (at - extent->at); }

size_t nb_entry_lead_size(nb_entry *entry, uint64_t at, uint64_t end) {
    const nb_extent *extent = extent_at(entry, at);
    uint64_t extent_end = extent->at + extent->length;
    size_t size = (PAGE_SIZE_BYTES - file_offset(extent, at) % PAGE_SIZE_BYTES) % PAGE_SIZE_BYTES;
    return size > (end < extent_end ? end : extent_end) - at ? 0 : size;
}

bool nb_entry_lead(nb_entry *entry, uint64_t at, size_t size, char *out) {
    const nb_extent *extent = extent_at(entry, at);
    struct iovec one = {out, size};
    return preadv2(extent->file->fd, &one, 1, (off_t)file_offset(extent, at), RWF_NOWAIT) == (ssize_t)size;
}

/* --- sending ------------------------------------------------------------------------------------------- */

nb_status nb_reply_ready(nb_worker *worker, nb_entry *entry, uint64_t at, uint64_t end, uint64_t *ready_end) {
    if (end - at > NB_SENDFILE_SIZE_BYTES_MAX)
        end = at + NB_SENDFILE_SIZE_BYTES_MAX;
    nb_verifier by = {&worker->plane->cache.files.device, worker->scratch, false, &worker->seen};
    return nb_entry_ready(&by, entry, at, end, ready_end);
}

bool nb_reply_begin(nb_conn *conn, nb_entry *entry, uint64_t at, uint64_t end, uint64_t ready_end) {
    nb_reply *reply = calloc(1, sizeof *reply);
    if (!reply)
        return false;
    reply->entry = entry;
    reply->at = reply->begun_at = at;
    reply->end = end;
    reply->ready_end = ready_end;
    conn->reply = reply;
    return true;
}

void nb_reply_end(nb_conn *conn) {
    nb_reply *reply = conn->reply;
    conn->reply = NULL;
    nb_plane *plane = conn->worker->plane;
    nb_cache_give(&plane->cache, reply->entry);
    nb_count(&conn->worker->metrics.read_bytes, reply->at - reply->begun_at);
    if (reply->ticket)
        nb_tickets_settle(&plane->tickets, reply->ticket, reply->at - reply->begun_at, reply->is_unreadable);
    free(reply->copied);
    free(reply);
}

/* Whether nobody was told of this file within a minute. Two that share a slot may be told more often. */
static bool is_untold(nb_plane *plane, const char *path) {
    uint64_t hash = nb_hash(path, strlen(path)), now_s = nb_now_s();
    _Atomic uint64_t *told = &plane->damages_told[hash % NB_DAMAGES_TOLD];
    uint64_t last = atomic_exchange(told, hash >> 32 << 32 | now_s);
    bool is_told = last >> 32 == hash >> 32 && now_s - (uint32_t)last < NB_DAMAGE_TOLD_S;
    if (is_told)
        atomic_store(told, last);
    return !is_told;
}

static void tell_damage(nb_conn *conn, const nb_extent *extent, uint64_t at, nb_status status) {
    static const char *const reasons[] = {
        [NB_SHORT] = "the file ends too early", [NB_MISMATCH] = "wrong checksum", [NB_FAILED] = "it cannot be read"};
    if (is_untold(conn->worker->plane, extent->file->path))
        nb_notice(NB_NOTICE_ERROR, "an answer was cut off: %s from byte %llu on: %s", extent->file->path,
                  (unsigned long long)(extent->offset + (at - extent->at)), reasons[status]);
}

void nb_reply_fail(nb_conn *conn, nb_status status) {
    if (status == NB_WOULD_BLOCK) /* the disk pool has too much to do */
        return;
    nb_reply *reply = conn->reply;
    reply->is_unreadable = true;
    nb_count(&conn->worker->metrics.unreadable, 1);
    tell_damage(conn, extent_at(reply->entry, reply->at), reply->at, status);
}

static bool is_dead(const nb_entry *entry, int64_t now_ms, int64_t for_ms) {
    int64_t since = atomic_load(&entry->dead_since_ms);
    return since && now_ms - since >= for_ms;
}

/* Copy the rest of the frame at reply->at, verified. */
static nb_status copy_frame(nb_reply *reply, bool wait) {
    nb_extent *extent = extent_at(reply->entry, reply->at);
    uint64_t end = extent->at + extent->length < reply->end ? extent->at + extent->length : reply->end;
    free(reply->copied);
    reply->copied = malloc(end - reply->at);
    if (!reply->copied)
        return NB_FAILED;
    reply->copied_at = reply->at;
    reply->copied_end = 0;
    nb_status status = nb_entry_read(reply->entry, reply->at, end, reply->copied, wait);
    if (status == NB_OK)
        reply->copied_end = end;
    return status;
}

bool nb_reply_rescue(nb_conn *conn) {
    nb_reply *reply = conn->reply;
    if (reply->at >= reply->end || reply->copied_end > reply->at || extent_at(reply->entry, reply->at)->file->table)
        return true;
    return copy_frame(reply, false) == NB_OK;
}

bool nb_reply_tick(nb_conn *conn) {
    nb_reply *reply = conn->reply;
    if (!reply || reply->at >= reply->end || reply->copied_end > reply->at)
        return true;
    if (extent_at(reply->entry, reply->at)->file->table || !is_dead(reply->entry, conn->worker->now_ms, NB_DEAD_MS_MAX))
        return true;
    nb_status status = copy_frame(reply, false);
    return status == NB_OK || status == NB_WOULD_BLOCK;
}

static nb_step after_send(nb_conn *conn, ssize_t count) {
    if (count < 0 && errno == EAGAIN) {
        conn->can_write = false;
        return NB_STEP_WAIT;
    }
    if (count <= 0)
        return NB_STEP_CLOSE; /* 0: the file ended early; the head has promised more */
    conn->reply->at += (uint64_t)count;
    conn->moved_bytes += (uint64_t)count;
    nb_count(&conn->worker->metrics.sent_bytes, (uint64_t)count);
    return NB_STEP_AGAIN;
}

static nb_step send_copied(nb_conn *conn) {
    nb_reply *reply = conn->reply;
    const char *from = reply->copied + (reply->at - reply->copied_at);
    return after_send(conn, send(conn->source.fd, from, reply->copied_end - reply->at, MSG_NOSIGNAL));
}

static nb_step send_file(nb_conn *conn, uint64_t ready_end) {
    nb_reply *reply = conn->reply;
    const nb_extent *extent = extent_at(reply->entry, reply->at);
    off_t offset = (off_t)(extent->offset + (reply->at - extent->at));
    return after_send(conn, sendfile(conn->source.fd, extent->file->fd, &offset, ready_end - reply->at));
}

static nb_step send_next(nb_conn *conn) {
    nb_reply *reply = conn->reply;
    nb_worker *worker = conn->worker;
    if (reply->copied_end > reply->at)
        return send_copied(conn);
    nb_status status;
    bool is_frame = extent_at(reply->entry, reply->at)->file->table == NULL;
    if (is_frame && is_dead(reply->entry, worker->now_ms, 0)) {
        status = copy_frame(reply, false);
        if (status == NB_OK)
            return send_copied(conn);
    } else {
        uint64_t ready_end = reply->ready_end;
        reply->ready_end = 0;
        status = ready_end > reply->at ? NB_OK : nb_reply_ready(worker, reply->entry, reply->at, reply->end, &ready_end);
        if (status == NB_OK)
            return send_file(conn, ready_end);
    }
    if (status == NB_WOULD_BLOCK && nb_disk_ask(conn, reply->entry, reply->at, reply->end))
        return NB_STEP_WAIT;
    nb_reply_fail(conn, status);
    return NB_STEP_CLOSE; /* half an answer must not look whole */
}

nb_step nb_reply_step(nb_conn *conn) {
    nb_step step = nb_conn_flush(conn);
    if (step != NB_STEP_AGAIN || !conn->reply)
        return step;
    uint64_t began = conn->moved_bytes;
    while (conn->reply->at < conn->reply->end) {
        if (!conn->can_write)
            return NB_STEP_WAIT;
        if (conn->moved_bytes - began >= NB_TURN_SIZE_BYTES_MAX)
            return NB_STEP_YIELD;
        step = send_next(conn);
        if (step != NB_STEP_AGAIN)
            return step;
    }
    nb_reply_end(conn);
    return NB_STEP_AGAIN;
}
