/* An upload from its head to its answer: what it declares, its bytes, its digests, and who has it at the moment.
 *
 * An upload belongs to one thread at a time: the worker of its connection; the threads that hash and write the
 * blocks of large ones (upload_ingest.c); or Python, which admits, commits and refuses (nimbus/server/
 * plane_uploads.py). It goes from one to the next through a queue or an inbox, and nobody looks at it in between. Up to
 * NB_UPLOAD_SMALL_SIZE_BYTES_MAX the payload is held in memory and becomes a frame; a larger one is written block by
 * block to a blob that Python has opened.
 *
 * Must always hold: only an upload whose bytes were all there, whose signatures and digests all hold, is offered for
 * a commit; one that is not committed is given to Python once more when it has a blob, so that the blob goes away.
 */
#ifndef NIMBUS_PLANE_UPLOAD_H
#define NIMBUS_PLANE_UPLOAD_H

#include "blocks.h"
#include "plane/admission.h"
#include "plane/aws_chunked.h"
#include "plane/block_pool.h"
#include "plane/digest.h"
#include "plane/plane.h"
#include "plane/target.h"

enum {
    NB_UPLOAD_SMALL_SIZE_BYTES_MAX = 256 << 10, /* SEGMENT_OBJECT_SIZE_BYTES_MAX of nimbus/base/limits.py */
    NB_UPLOADS_QUEUED_MAX = 1 << 16,
    NB_UPLOAD_ID_SIZE_BYTES = 32,
    NB_KEPT_HEADERS_MAX = NB_HTTP_HEADERS_MAX,
    NB_INGEST_BATCH_MAX = 64,
    NB_WRITE_THREADS = 4,
    NB_KNOWN_BUCKETS = 1024,
    NB_KNOWN_OWNER_SIZE_BYTES_MAX = 128,
};

/* What Python is asked for. */
typedef enum {
    NB_WANT_ADMISSION, /* before the body: may it come, and where does it go? */
    NB_WANT_COMMIT,
    NB_WANT_REFUSAL,   /* of something in the body, see `fault`: the words are Python's */
    NB_WANT_DISCARD,   /* nobody waits any more */
} nb_want;

typedef enum {
    NB_FAULT_NONE,
    NB_FAULT_CUT,     /* the peer sent less than it had promised */
    NB_FAULT_FRAMING, /* see framing->fault */
    NB_FAULT_SHA256,
    NB_FAULT_MD5,
    NB_FAULT_TRAILER, /* its value is none of the algorithm */
    NB_FAULT_CHECKSUM,
    NB_FAULT_TOO_SLOW,
    NB_FAULT_DISK,    /* see error_number */
    NB_FAULT_TOO_LARGE, /* more than size_max */
    NB_FAULT_INTERNAL,
    NB_FAULT_BUSY,    /* there is no room for it, or no time */
} nb_fault;

typedef struct nb_upload {
    nb_item item;       /* in a queue of the intake */
    nb_message message; /* on the way back to its worker */
    nb_plane *plane;
    nb_worker *worker;
    nb_conn *conn; /* valid while conn->jobs counts this upload, or the connection has it; NULL: no longer needed */
    nb_keyring *ring;
    const nb_key *user;
    nb_want want;
    nb_fault fault;
    int error_number;
    /* what the head says */
    bool is_part, is_conditional;
    unsigned part_number;
    char upload_id[NB_UPLOAD_ID_SIZE_BYTES + 1];
    char request_id[NB_REQUEST_ID_SIZE_BYTES + 1];
    nb_target target;
    nb_span path;
    size_t kept_count; /* of headers that Python reads: attributes and conditions */
    nb_header *kept;
    uint64_t size;     /* of the payload; without has_size UINT64_MAX until the body has ended */
    bool has_size;
    uint64_t size_max; /* of a payload without one */
    bool has_sha256, has_md5, is_trailer;
    int given;         /* the algorithm of the client's checksum, or -1 */
    int algorithm;     /* the one that is kept when none is given, or besides it */
    uint8_t sha256[32], md5[NB_MD5_SIZE_BYTES], checksum[NB_DIGEST_SIZE_BYTES_MAX];
    /* the bytes */
    nb_aws_chunked *framing; /* NULL: the body is the payload */
    nb_span wire, payload;   /* of what was received, still to be unframed and still to be placed */
    char *block;             /* being filled: the whole payload of a small one */
    size_t filled, block_size;
    nb_digests digests;
    bool has_digests;
    uint8_t results[NB_DIGEST_KINDS][NB_DIGEST_SIZE_BYTES_MAX];
    /* a large one */
    int fd; /* of the blob, Python's; -1: none */
    bool is_direct; /* the descriptor has O_DIRECT: the file's creator wants whole blocks around the page cache */
    char *writing; /* the block that is hashed or written while the other is filled */
    size_t writing_size;
    uint64_t *table;
    size_t block_count, table_room;
    uint64_t written, table_hash;
    nb_fault write_fault; /* what the writing found: `fault` is the worker's meanwhile */
    bool is_busy, is_last, is_abandoned, is_counted;
    /* one that the embedded server has asked for (held.h) */
    bool is_held, has_ended; /* has_ended: nothing more of the body comes */
    uint64_t ticket;
    /* of admission.h: what it holds, and what we are behind with */
    size_t held_bytes;
    uint64_t work_bytes;
    /* pace */
    uint64_t received_bytes, waited_ms, silent_ms, seen_bytes;
    /* the answer */
    bool is_admitted;
    int status;       /* 0: not answered yet */
    char *answer;     /* headers, an empty line and a document; NULL: that of a success */
    size_t answer_size;
    char text[];      /* path and kept headers */
} nb_upload;

/* What the plane has for uploads as a whole. */
typedef struct nb_intake {
    nb_queue questions; /* for Python */
    nb_queue blocks;    /* to be hashed */
    nb_queue writes;    /* to be written, and synced after the last */
    pthread_t hash_thread, write_threads[NB_WRITE_THREADS];
    bool is_hashing;
    unsigned write_thread_count;
    nb_block_pool pool;
    nb_admission admission;
    nb_md5_isa isa;
    atomic_bool asks_first;     /* Python wants to be asked about every upload before its body comes */
    atomic_size_t large_count;  /* uploads with a blob that are receiving */
    atomic_size_t coming_count; /* those of them whose block is being written, and that will bring the next */
    pthread_mutex_t known_lock;
    struct {
        char bucket[NB_BUCKET_SIZE_BYTES_MAX + 1];
        char owner[NB_KNOWN_OWNER_SIZE_BYTES_MAX + 1];
    } known[NB_KNOWN_BUCKETS];
} nb_intake;

/* --- upload.c --- */
nb_intake *nb_intake_new(size_t memory_bytes_max);
void nb_intake_empty(nb_intake *intake); /* free what is queued. REQUIRES: no thread runs any more */
void nb_intake_free(nb_intake *intake);  /* REQUIRES: it is empty, and no worker is left */
void nb_upload_free(nb_upload *upload);

static inline bool nb_upload_is_small(const nb_upload *upload) { return upload->size <= NB_UPLOAD_SMALL_SIZE_BYTES_MAX; }
static inline uint32_t nb_upload_kinds(const nb_upload *upload) { /* the checksums that are kept */
    return (upload->given >= 0 ? 1u << upload->given : 0) | (upload->algorithm >= 0 ? 1u << upload->algorithm : 0);
}

/* Whether this user is known to own the bucket: a hint, the commit decides. And that he does. */
bool nb_intake_knows(nb_intake *intake, nb_span bucket, nb_span owner);
void nb_intake_learn(nb_intake *intake, nb_span bucket, nb_span owner);

/* Have every upload admitted before its body comes, or no longer those that only the commit decides about. */
void nb_intake_ask_first(nb_intake *intake, bool asks_first);

/* Take it in, with the memory for its first block. False: there is no room for one more now, or no time; nothing
 * changed. The worker. */
bool nb_upload_enter(nb_upload *upload);

/* So much of it is ours to do from now on; and that is done, with nothing left to do. The worker. */
void nb_upload_set_work(nb_upload *upload, uint64_t bytes);
void nb_upload_work_done(nb_upload *upload);

/* Have digests, a first block and room for the table. False: memory is short. REQUIRES: it was taken in. */
bool nb_upload_prepare(nb_upload *upload);

/* Have a block to fill besides the one that is being written; false: there is no room for it, or no memory. And the
 * one that was written back: to be filled, or for others. */
bool nb_upload_take_block(nb_upload *upload);
void nb_upload_give_written(nb_upload *upload);

/* Have the hash of the next block in the table. False: memory is short. */
bool nb_upload_note_block(nb_upload *upload, uint64_t hash);

/* All bytes are in and hashed: compare with what was declared, and set `want`. */
void nb_upload_judge(nb_upload *upload);

/* Give it to Python. What cannot be given is answered 503 or, with nobody waiting, freed. */
void nb_upload_ask(nb_upload *upload, nb_want want);

/* Up to count_max uploads for Python, those for a commit with every digest; see nb_queue_take. */
nb_item *nb_upload_take(nb_plane *plane, size_t count_max, int64_t timeout_ms);

/* Python's answers; the upload is no longer the caller's. The text is copied. */
void nb_upload_admit(nb_upload *upload, int fd, int algorithm);
void nb_upload_decline(nb_upload *upload);
/* Each worker is woken once. For window_us the next take waits for as many uploads, for who was answered comes back. */
void nb_upload_succeed_all(nb_upload **uploads, size_t count, int64_t window_us);
void nb_upload_refuse(nb_upload *upload, int status, nb_span answer);

/* --- upload_ingest.c --- */
bool nb_ingest_start(nb_plane *plane);
void nb_ingest_stop(nb_plane *plane);
/* Hash and write upload->writing; the worker hears of it, or after the last block Python does. */
void nb_ingest_write(nb_upload *upload);

/* `x-amz-checksum-<algorithm>`, with its closing zero. */
enum { NB_CHECKSUM_HEADER_SIZE_BYTES_MAX = 32 };
void nb_checksum_header(nb_digest_kind kind, char out[NB_CHECKSUM_HEADER_SIZE_BYTES_MAX]);

/* --- put_head.c --- */
/* Canonical base64 of exactly `size` bytes. */
bool nb_decode_base64(nb_span text, size_t size, uint8_t *out);

/* --- put.c --- */
void nb_put_delivered(nb_worker *worker, nb_message *message);

#endif
