/* The native plane from inside: what its workers, connections and their phases look like.
 *
 * One worker is one thread with its own epoll, connections, buffers and upstream pool; nothing of a worker is
 * touched by another thread, but its inbox (a mutex and an eventfd) and its counters (read without a lock). The GIL
 * is never held on a worker.
 *
 * A connection is always in one phase, and its phase's step function does what can be done now. Readiness comes
 * edge-triggered and is remembered in can_read and can_write, so that a request costs no epoll_ctl. (EAGAIN alone
 * says that there will be another event. EINTR never comes: no signal reaches a worker.)
 *
 * Must always hold: a connection waits for exactly one thing or stands in the run queue; every connection has a
 * timer unless the thing it waits for is ours; closing frees every descriptor and buffer, once.
 */
#ifndef NIMBUS_PLANE_PLANE_H
#define NIMBUS_PLANE_PLANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "plane/auth.h"
#include "plane/buffer.h"
#include "plane/cache.h"
#include "plane/chunked.h"
#include "plane/http.h"
#include "plane/list.h"
#include "plane/metrics.h"
#include "plane/queue.h"
#include "plane/settings.h"
#include "plane/tickets.h"

enum {
    NB_WORKERS_MAX = 64,
    NB_TOKEN_SIZE_BYTES = 64,              /* hexadecimal digits of the front's token */
    NB_TURN_SIZE_BYTES_MAX = 4 << 20,      /* what one connection may move before others have their turn */
    NB_ACCEPTS_PER_TURN_MAX = 64,
    NB_EVENTS_PER_TURN_MAX = 256,
    NB_REFUSALS_MAX = 64,                  /* connections over the limit that are told so; more wait unaccepted */
    NB_LINGER_SIZE_BYTES_MAX = 64 << 20,   /* read and dropped, so that the peer sees our answer */
    NB_LINGER_MS = 5000,                   /* and as long as again when as much came meanwhile as the pace asks for */
    NB_BODIES_PER_TURN_BYTES_MAX = 4 << 20, /* what a worker takes of all bodies before it looks for new heads */
    NB_DRAINS_PER_TURN_BYTES_MAX = 2 << 20, /* of all connections of a worker: those who are served come first */
    NB_DRAIN_SIZE_BYTES_MAX = 8 << 20, /* of a body that nobody wants; drain_size_bytes_max of nimbus/s3/api.py */
    NB_TICK_MS = 1000,                     /* how often a body's pace is looked at */
    NB_UNACKNOWLEDGED_MS_MAX = 900000,     /* a peer that makes no room for so long is gone, whatever it has earned */
    NB_DAMAGES_TOLD = 256,                 /* damaged files that are remembered as told of */
    NB_DAMAGE_TOLD_S = 60,
    NB_ACCEPT_PAUSE_MS = 100,              /* after the process ran out of descriptors */
};

typedef struct nb_plane nb_plane;
typedef struct nb_worker nb_worker;
typedef struct nb_conn nb_conn;
typedef struct nb_relay nb_relay;
typedef struct nb_reply nb_reply;
typedef struct nb_upload nb_upload;
typedef struct nb_intake nb_intake;
typedef struct nb_log_note nb_log_note;

/* What an epoll event points at. */
typedef enum { NB_SOURCE_LISTENER, NB_SOURCE_INBOX, NB_SOURCE_CONN, NB_SOURCE_UPSTREAM } nb_source_kind;
typedef struct {
    nb_source_kind kind;
    int fd;
} nb_source;

/* Timers of one kind all run equally long, so each kind is a queue in order of expiry. */
typedef enum {
    NB_TIMER_HEAD,
    NB_TIMER_IDLE,
    NB_TIMER_PACE,
    NB_TIMER_FRESH, /* of an upload's body: see admission.h */
    NB_TIMER_LINGER,
    NB_TIMER_KINDS,
    NB_TIMER_NONE
} nb_timer_kind;

typedef enum {
    NB_PHASE_HEAD,   /* a request head is awaited or arriving */
    NB_PHASE_RELAY,  /* the embedded server answers (relay.c) */
    NB_PHASE_REPLY,  /* our own answer is going out (reply.c) */
    NB_PHASE_BODY,   /* an upload's body is coming in (put.c) */
    NB_PHASE_WAIT,   /* another thread works for us: look-up, disk, commit */
    NB_PHASE_DRAIN,  /* answered; reading off the rest of the body, up to the next request */
    NB_PHASE_LINGER, /* answered; reading off what the peer still sends */
    NB_PHASE_CLOSED, /* freed at the end of the turn */
} nb_phase;

typedef enum {
    NB_STEP_WAIT,  /* nothing to do before the next event */
    NB_STEP_AGAIN, /* the phase changed, or there is more at once */
    NB_STEP_YIELD, /* the turn's share is used up: others first */
    NB_STEP_CLOSE,
} nb_step;

/* How the body of the present request is framed, and what is still to come of it. */
typedef struct {
    enum { NB_BODY_NONE, NB_BODY_LENGTH, NB_BODY_CHUNKED } framing;
    uint64_t declared, left; /* of one with a length */
    uint64_t unchunked;      /* taken of one in chunks */
    nb_chunked chunked;
    bool done;
    bool expects_continue; /* the peer waits for an invitation */
    bool drains;           /* when nobody wants it, reading it is cheaper than a new connection */
} nb_body;

/* How much of it was taken, without the framing of chunks. */
static inline uint64_t nb_body_taken(const nb_body *body) { return body->declared - body->left + body->unchunked; }

struct nb_conn {
    nb_source source; /* first: an epoll event's pointer is the connection's */
    nb_worker *worker;
    nb_phase phase;
    bool can_read, can_write;
    bool peer_done; /* the peer sends nothing more: what is left to read ends in an end of file */
    bool peer_gone; /* the peer takes nothing more either */
    bool refused;   /* over the connection limit: told so and closed */
    bool keep_alive, in_flight;
    bool is_head; /* of the present request: its answer has no body */
    uint8_t jobs;   /* other threads that hold a pointer to this connection */
    nb_timer_kind timer_kind;
    int64_t timer_due_ms;
    nb_link timer, run, all;
    nb_conn *next_closed;
    nb_buffer *in; /* bytes from the peer; between requests NULL unless the next one has begun */
    nb_buffer *out;
    size_t scanned;   /* of the head in `in` */
    bool has_skipped; /* an empty line before that head */
    uint64_t moved_bytes; /* of the present body or answer, for the pace */
    uint64_t body_begins_at; /* of moved_bytes: the end of the head of an answer of our own; 0: it is relayed */
    uint64_t turn_bytes; /* of the answers that ended in this turn */
    uint64_t sent_before_bytes; /* of the answers before the present one */
    uint64_t paced_from_bytes;  /* what was taken of all of them when its pace began to count */
    uint64_t waited_ms;
    uint64_t lingered_bytes, lingered_bytes_seen; /* thrown away; and when the timer was set */
    int64_t started_us; /* when the request's head was whole */
    nb_operation operation;
    int status;
    nb_body body;
    size_t head_at, head_size; /* of the present request in `in`, for nb_conn_reparse */
    nb_relay *relay;
    nb_reply *reply;
    nb_upload *upload;
    nb_link held;       /* its body waits for somebody to say where it goes (held.c) */
    uint64_t ticket;
    nb_keyring *ring;   /* that `user` stands in, held as long as the request lasts */
    const nb_key *user; /* who signed it */
    nb_entry *awaited;  /* what the disk reads for us before the answer begins */
    uint8_t disk_waits;
    nb_log_note *note; /* for the access log */
    char peer[46]; /* the peer's address as text, "" for a unix socket */
};

/* A message to a worker from another thread. Whoever posts it allocates it; `deliver` runs on the worker. */
typedef struct nb_message {
    struct nb_message *next;
    void (*deliver)(nb_worker *worker, struct nb_message *message);
} nb_message;

typedef struct nb_upstream {
    nb_source source;
    nb_conn *conn; /* whose request it carries; NULL while idle */
    bool can_read, can_write, peer_done, closed, fresh;
    int64_t idle_since_ms;
    nb_link idle;
    struct nb_upstream *next_closed;
} nb_upstream;

struct nb_worker {
    nb_plane *plane;
    unsigned index;
    pthread_t thread;
    int epoll_fd, inbox_fd, spare_fd;
    nb_source listener, inbox;
    bool is_listening, has_paused, has_begun_drain;
    int64_t now_ms, accept_after_ms;
    uint64_t drained_bytes; /* thrown away in this turn */
    nb_link timers[NB_TIMER_KINDS];
    nb_link run_queue, all;
    nb_link held;
    uint64_t ticket_number;
    nb_link idle_upstreams;
    size_t idle_upstream_count;
    nb_conn *closed_conns;
    nb_upstream *closed_upstreams;
    nb_buffer_pool buffers;
    nb_request request; /* the head being dispatched; points into a connection's `in` */
    pthread_mutex_t inbox_lock;
    nb_message *inbox_first, **inbox_last;
    atomic_size_t conn_count;
    atomic_uint evictions; /* of connections, that others have asked for */
    _Atomic int64_t waiting_since_ms; /* that of its connections which waits longest to be asked something */
    nb_metrics metrics;
    nb_auth auth;
    nb_keyring *ring; /* the one that `auth` uses; a share of it */
    uint64_t ring_number;
    char request_id_prefix[9];
    uint32_t request_number;
    int64_t date_s;
    char date[32]; /* Sun, 06 Nov 1994 08:49:37 GMT */
    char *scratch; /* a block */
    nb_seen seen;  /* in this turn */
};

typedef enum { NB_RUNNING, NB_DRAINING, NB_STOPPING } nb_plane_state;

struct nb_plane {
    nb_settings settings;
    atomic_int state;
    atomic_size_t in_flight, conn_count;
    nb_cache cache;
    nb_queue lookups, disk_jobs;
    nb_tickets tickets;
    _Atomic uint64_t damages_told[NB_DAMAGES_TOLD]; /* hash of a path, and when */
    nb_intake *intake;
    pthread_t disk_threads[NB_DISK_THREADS_MAX];
    unsigned disk_thread_count;
    pthread_mutex_t ring_lock;
    nb_keyring *ring;
    _Atomic uint64_t ring_number; /* moves with every new ring */
    unsigned worker_count;
    nb_worker workers[NB_WORKERS_MAX];
};

/* --- plane.c --- */
nb_plane *nb_plane_new(const nb_settings *settings, const char **error);
bool nb_plane_start(nb_plane *plane, const char **error);
void nb_plane_drain(nb_plane *plane); /* no new connections; the present requests are finished */
void nb_plane_stop(nb_plane *plane);  /* close everything, join the threads; then free */
void nb_plane_free(nb_plane *plane);
void nb_plane_set_ring(nb_plane *plane, nb_keyring *ring); /* takes over the caller's share */

/* --- loop.c --- */
void nb_worker_post(nb_worker *worker, nb_message *message);
void nb_worker_post_all(nb_worker *worker, nb_message *first, nb_message *last); /* a chain, in one go */
bool nb_worker_watch(nb_worker *worker, nb_source *source); /* false: the kernel has no room for it */

enum { NB_REQUEST_ID_SIZE_BYTES = 16 };
void nb_worker_request_id(nb_worker *worker, char out[NB_REQUEST_ID_SIZE_BYTES + 1]);
const char *nb_worker_date(nb_worker *worker);

/* --- conn.c --- */
void nb_conn_open(nb_worker *worker, int fd, bool refused);
void nb_conn_run(nb_conn *conn);
void nb_conn_wake(nb_conn *conn); /* have it run in this turn or the next */
void nb_conn_close(nb_conn *conn);
bool nb_conn_is_idle(const nb_conn *conn);
nb_step nb_conn_request_done(nb_conn *conn);
/* The last lines of a head of ours, in the embedded server's order, which says of no body behind `connection` that it is
 * empty. A negative length is none, or one that was said before. False: no room in `out`. */
bool nb_conn_put_head_end(nb_conn *conn, int64_t content_length);
void nb_conn_mark_body(nb_conn *conn, size_t body_size_bytes); /* in `out` is a head of ours, and so much of its body */
enum { NB_RECEIVED_END = 0, NB_RECEIVED_NOTHING = -1, NB_RECEIVED_BROKEN = -2 };
ssize_t nb_conn_receive(nb_conn *conn); /* into `in`: how many bytes, or one of the above */
nb_step nb_conn_flush(nb_conn *conn);   /* write `out`: AGAIN when all of it is out */
const nb_request *nb_conn_reparse(nb_conn *conn); /* the present request again, after a wait */
void nb_conn_hold_ring(nb_conn *conn);            /* keep conn->user valid as long as the request lasts */
nb_chunked_verdict nb_conn_take_body(nb_conn *conn, nb_span *payload); /* DATA points into `in`, already consumed */

/* --- timers.c --- */
void nb_conn_set_timer(nb_conn *conn, nb_timer_kind kind);
void nb_conn_begin_idle(nb_conn *conn); /* from when the peer has taken its last answer */
void nb_conn_expire(nb_conn *conn);

/* --- refusal.c --- */
/* An answer of our own: status, S3's error document (none for an empty code), and the end of the connection. */
nb_step nb_conn_refuse(nb_conn *conn, int status, const char *code, const char *message, nb_span resource);
nb_step nb_conn_refuse_head(nb_conn *conn, ssize_t error); /* one of NB_HTTP_* */
/* 503 SlowDown for an upload; the connection goes on when the rest of the body is worth reading. */
nb_step nb_conn_slow_down(nb_conn *conn, nb_span resource);
/* 404 NoSuchKey, and the connection goes on. False, and nothing happened: the embedded server should say it. */
bool nb_conn_answer_missing(nb_conn *conn, const nb_request *request);
const char *nb_status_reason(int status);

/* --- relay.c --- */
nb_step nb_relay_begin(nb_conn *conn, const nb_request *request);
nb_step nb_relay_step(nb_conn *conn);
nb_step nb_relay_sent(nb_conn *conn); /* the bytes of a ticket are out */
void nb_relay_end(nb_conn *conn); /* give up what it holds; the answer may be half out */
bool nb_relay_waits_for_peer(const nb_conn *conn);
bool nb_relay_leave_body(nb_conn *conn); /* the body goes elsewhere; false: the answer has begun already */

/* --- upstream.c --- */
nb_upstream *nb_upstream_take(nb_conn *conn, bool fresh_only);
void nb_upstream_give(nb_worker *worker, nb_upstream *upstream);  /* clean, for the next request */
void nb_upstream_close(nb_worker *worker, nb_upstream *upstream);
void nb_upstream_close_idle(nb_worker *worker, int64_t since_ms); /* those idle since before that */

#endif
