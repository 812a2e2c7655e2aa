/* See upload.h. */
#define _GNU_SOURCE /* O_DIRECT */
#include "plane/upload.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "plane/loop.h"

nb_intake *nb_intake_new(size_t memory_bytes_max) {
    nb_intake *intake = calloc(1, sizeof *intake);
    if (!intake)
        return NULL;
    nb_queue_init(&intake->questions, NB_UPLOADS_QUEUED_MAX);
    nb_queue_init(&intake->blocks, NB_UPLOADS_QUEUED_MAX);
    nb_queue_init(&intake->writes, NB_UPLOADS_QUEUED_MAX);
    nb_block_pool_init(&intake->pool);
    nb_admission_init(&intake->admission, memory_bytes_max, nb_monotonic_ms());
    pthread_mutex_init(&intake->known_lock, NULL);
    intake->isa = nb_md5_isa_best();
    return intake;
}

static void empty(nb_queue *queue) {
    for (nb_item *item; (item = nb_queue_take(queue, 1, 0));) {
        nb_upload *upload = NB_OF(item, nb_upload, item);
        if (upload->want != NB_WANT_DISCARD && upload->conn)
            upload->conn->jobs--;
        nb_upload_free(upload);
    }
}

void nb_intake_empty(nb_intake *intake) {
    if (!intake)
        return;
    empty(&intake->questions);
    empty(&intake->blocks);
    empty(&intake->writes);
}

void nb_intake_free(nb_intake *intake) {
    if (!intake)
        return;
    nb_queue_free(&intake->questions);
    nb_queue_free(&intake->blocks);
    nb_queue_free(&intake->writes);
    nb_block_pool_free(&intake->pool);
    nb_admission_free(&intake->admission);
    pthread_mutex_destroy(&intake->known_lock);
    free(intake);
}

/* Those of full size are the pool's; a small payload is held in as much as it needs. */
static char *new_block(nb_upload *upload) {
    return upload->block_size == NB_BLOCK_SIZE ? nb_block_pool_take(&upload->plane->intake->pool)
                                               : malloc(upload->block_size);
}

static void free_block(nb_upload *upload, char *block) {
    if (upload->block_size == NB_BLOCK_SIZE)
        nb_block_pool_give(&upload->plane->intake->pool, block);
    else
        free(block);
}

void nb_upload_free(nb_upload *upload) {
    nb_admission *admission = &upload->plane->intake->admission;
    nb_admission_drop(admission, upload->work_bytes);
    nb_admission_give_memory(admission, upload->held_bytes);
    if (upload->framing)
        nb_aws_chunked_free(upload->framing);
    free(upload->framing);
    if (upload->has_digests)
        nb_digests_free(&upload->digests);
    nb_keyring_give(upload->ring);
    free_block(upload, upload->block);
    free_block(upload, upload->writing);
    free(upload->table);
    free(upload->answer);
    free(upload);
}

/* --- buckets that are known ---------------------------------------------------------------------------- */

static bool is_text(const char *text, nb_span span) {
    return strlen(text) == span.len && memcmp(text, span.ptr, span.len) == 0;
}

bool nb_intake_knows(nb_intake *intake, nb_span bucket, nb_span owner) {
    size_t slot = nb_hash(bucket.ptr, bucket.len) % NB_KNOWN_BUCKETS;
    pthread_mutex_lock(&intake->known_lock);
    bool knows = owner.len && is_text(intake->known[slot].bucket, bucket) && is_text(intake->known[slot].owner, owner);
    pthread_mutex_unlock(&intake->known_lock);
    return knows;
}

void nb_intake_learn(nb_intake *intake, nb_span bucket, nb_span owner) {
    if (bucket.len > NB_BUCKET_SIZE_BYTES_MAX || owner.len > NB_KNOWN_OWNER_SIZE_BYTES_MAX)
        return;
    size_t slot = nb_hash(bucket.ptr, bucket.len) % NB_KNOWN_BUCKETS;
    pthread_mutex_lock(&intake->known_lock);
    memset(&intake->known[slot], 0, sizeof intake->known[slot]);
    memcpy(intake->known[slot].bucket, bucket.ptr, bucket.len);
    memcpy(intake->known[slot].owner, owner.ptr, owner.len);
    pthread_mutex_unlock(&intake->known_lock);
}

void nb_intake_ask_first(nb_intake *intake, bool asks_first) { atomic_store(&intake->asks_first, asks_first); }

void nb_checksum_header(nb_digest_kind kind, char out[NB_CHECKSUM_HEADER_SIZE_BYTES_MAX]) {
    static const char PREFIX[] = "x-amz-checksum-";
    const char *name = nb_digest_name(kind);
    memcpy(out, PREFIX, sizeof PREFIX - 1);
    char *at = out + sizeof PREFIX - 1;
    for (; *name; name++)
        *at++ = *name >= 'A' && *name <= 'Z' ? *name | 0x20 : *name;
    *at = 0;
}

/* --- admission ----------------------------------------------------------------------------------------- */

bool nb_upload_enter(nb_upload *upload) {
    nb_admission *admission = &upload->plane->intake->admission;
    size_t first_size = nb_upload_is_small(upload) ? (size_t)upload->size : NB_BLOCK_SIZE;
    if (!nb_admission_has_time(admission, upload->worker->now_ms) ||
        !nb_admission_take_memory(admission, first_size))
        return false;
    upload->held_bytes = first_size;
    nb_upload_set_work(upload, first_size + NB_WORK_OF_UPLOAD_BYTES);
    return true;
}

void nb_upload_set_work(nb_upload *upload, uint64_t bytes) {
    nb_admission *admission = &upload->plane->intake->admission;
    if (bytes > upload->work_bytes)
        nb_admission_add(admission, bytes - upload->work_bytes, upload->worker->now_ms);
    else
        nb_admission_drop(admission, upload->work_bytes - bytes);
    upload->work_bytes = bytes;
}

void nb_upload_work_done(nb_upload *upload) {
    nb_admission_done(&upload->plane->intake->admission, upload->work_bytes, upload->worker->now_ms);
    upload->work_bytes = 0;
}

/* --- digests ------------------------------------------------------------------------------------------- */

bool nb_upload_prepare(nb_upload *upload) {
    uint32_t wanted = 1u << NB_MD5 | nb_upload_kinds(upload) | (upload->has_sha256 ? 1u << NB_SHA256 : 0);
    if (!nb_digests_init(&upload->digests, wanted))
        return false;
    upload->has_digests = true;
    upload->block_size = nb_upload_is_small(upload) ? (size_t)upload->size : NB_BLOCK_SIZE;
    if (nb_upload_is_small(upload))
        return upload->size == 0 || (upload->block = new_block(upload));
    int flags = fcntl(upload->fd, F_GETFL);
    upload->is_direct = flags >= 0 && flags & O_DIRECT;
    upload->block = new_block(upload);
    upload->table_room = upload->has_size ? (size_t)((upload->size + NB_BLOCK_SIZE - 1) / NB_BLOCK_SIZE) : 64;
    upload->table = malloc(upload->table_room * sizeof *upload->table);
    return upload->block && upload->table;
}

bool nb_upload_take_block(nb_upload *upload) {
    nb_admission *admission = &upload->plane->intake->admission;
    if (!nb_admission_take_memory(admission, NB_BLOCK_SIZE))
        return false;
    upload->block = new_block(upload);
    if (upload->block)
        upload->held_bytes += NB_BLOCK_SIZE;
    else
        nb_admission_give_memory(admission, NB_BLOCK_SIZE);
    return upload->block;
}

void nb_upload_give_written(nb_upload *upload) {
    if (upload->block) {
        free_block(upload, upload->writing);
        upload->held_bytes -= NB_BLOCK_SIZE;
        nb_admission_give_memory(&upload->plane->intake->admission, NB_BLOCK_SIZE);
    } else {
        upload->block = upload->writing;
    }
    upload->writing = NULL;
}

bool nb_upload_note_block(nb_upload *upload, uint64_t hash) {
    if (upload->block_count == upload->table_room) {
        assert(!upload->has_size);
        uint64_t *table = realloc(upload->table, 2 * upload->table_room * sizeof *table);
        if (!table)
            return false;
        upload->table = table;
        upload->table_room *= 2;
    }
    upload->table[upload->block_count++] = hash;
    return true;
}

static bool finish_digests(nb_upload *upload) {
    for (int kind = 0; kind < NB_DIGEST_KINDS; kind++)
        if (upload->digests.wanted >> kind & 1 &&
            !nb_digests_final(&upload->digests, (nb_digest_kind)kind, upload->results[kind]))
            return false;
    return true;
}

/* The client's checksum, when it came behind the body. */
static bool read_trailer(nb_upload *upload) {
    char name[NB_CHECKSUM_HEADER_SIZE_BYTES_MAX];
    nb_checksum_header((nb_digest_kind)upload->given, name);
    return nb_decode_base64(nb_aws_chunked_trailer(upload->framing, name),
                            nb_digest_size((nb_digest_kind)upload->given), upload->checksum);
}

/* What does not hold, in the order in which nimbus/s3/body.py looks. */
static nb_fault first_fault(nb_upload *upload) {
    if (!finish_digests(upload))
        return NB_FAULT_INTERNAL;
    if (upload->has_sha256 && memcmp(upload->results[NB_SHA256], upload->sha256, sizeof upload->sha256) != 0)
        return NB_FAULT_SHA256;
    if (upload->has_md5 && memcmp(upload->results[NB_MD5], upload->md5, sizeof upload->md5) != 0)
        return NB_FAULT_MD5;
    if (upload->given < 0)
        return NB_FAULT_NONE;
    if (upload->is_trailer && !read_trailer(upload))
        return NB_FAULT_TRAILER;
    size_t size = nb_digest_size((nb_digest_kind)upload->given);
    return memcmp(upload->results[upload->given], upload->checksum, size) == 0 ? NB_FAULT_NONE : NB_FAULT_CHECKSUM;
}

void nb_upload_judge(nb_upload *upload) {
    if (!upload->fault)
        upload->fault = first_fault(upload);
    upload->want = upload->fault ? NB_WANT_REFUSAL : NB_WANT_COMMIT;
}

/* --- to Python and back -------------------------------------------------------------------------------- */

static const char BUSY[] = "content-length: 0\r\nretry-after: 1\r\n\r\n";

void nb_upload_ask(nb_upload *upload, nb_want want) {
    upload->want = want;
    nb_queue *questions = &upload->plane->intake->questions;
    bool must_be_told = want == NB_WANT_DISCARD || upload->is_held; /* no more of them than connections */
    if (must_be_told ? nb_queue_put_always(questions, &upload->item) : nb_queue_put(questions, &upload->item))
        return;
    if (must_be_told) /* the plane has stopped: Python drops all blobs that are left, and tells all who wait */
        nb_upload_free(upload);
    else if (want == NB_WANT_ADMISSION)
        nb_upload_decline(upload);
    else
        nb_upload_refuse(upload, 503, (nb_span){BUSY, sizeof BUSY - 1});
}

/* Small ones come with all digests but MD5, which is computed here for all of them side by side. */
static void judge_small(nb_md5_job *jobs, nb_upload **uploads, size_t count, nb_md5_isa isa) {
    nb_md5_update_many(jobs, count, isa);
    for (size_t i = 0; i < count; i++)
        nb_upload_judge(uploads[i]);
}

nb_item *nb_upload_take(nb_plane *plane, size_t count_max, int64_t timeout_ms) {
    nb_intake *intake = plane->intake;
    nb_md5_job jobs[NB_INGEST_BATCH_MAX];
    nb_upload *uploads[NB_INGEST_BATCH_MAX];
    size_t count = 0;
    nb_item *first = nb_queue_take(&intake->questions, count_max, timeout_ms);
    for (nb_item *item = first; item; item = item->next) {
        nb_upload *upload = NB_OF(item, nb_upload, item);
        if (upload->want != NB_WANT_COMMIT || !nb_upload_is_small(upload))
            continue;
        jobs[count] = (nb_md5_job){&upload->digests.md5, {upload->block, upload->filled}};
        uploads[count++] = upload;
        if (count == NB_INGEST_BATCH_MAX) {
            judge_small(jobs, uploads, count, intake->isa);
            count = 0;
        }
    }
    judge_small(jobs, uploads, count, intake->isa);
    return first;
}

static void give_back(nb_upload *upload) { nb_worker_post(upload->worker, &upload->message); }

void nb_upload_admit(nb_upload *upload, int fd, int algorithm) {
    upload->is_admitted = true;
    upload->fd = fd;
    upload->algorithm = algorithm;
    give_back(upload);
}

void nb_upload_decline(nb_upload *upload) { give_back(upload); }

void nb_upload_succeed_all(nb_upload **uploads, size_t count, int64_t window_us) {
    if (!count)
        return;
    nb_queue_expect(&uploads[0]->plane->intake->questions, count, window_us);
    nb_worker *workers[NB_WORKERS_MAX] = {0};
    nb_message *first[NB_WORKERS_MAX], *last[NB_WORKERS_MAX];
    for (size_t i = 0; i < count; i++) {
        nb_message *message = &uploads[i]->message;
        unsigned index = uploads[i]->worker->index;
        uploads[i]->status = 200;
        if (workers[index])
            last[index]->next = message;
        else
            first[index] = message;
        workers[index] = uploads[i]->worker;
        last[index] = message;
    }
    for (unsigned index = 0; index < NB_WORKERS_MAX; index++)
        if (workers[index])
            nb_worker_post_all(workers[index], first[index], last[index]);
}

void nb_upload_refuse(nb_upload *upload, int status, nb_span answer) {
    upload->status = status;
    upload->answer = malloc(answer.len ? answer.len : 1);
    upload->answer_size = upload->answer ? answer.len : 0;
    if (upload->answer)
        memcpy(upload->answer, answer.ptr, answer.len);
    give_back(upload);
}
