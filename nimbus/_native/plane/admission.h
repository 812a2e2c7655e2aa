/* Whether one more upload may come in: decided from its head, by the work that waits already and the memory it needs.
 *
 * Work is what we are behind with: bytes of bodies that are here and not durable yet, and those that a head has just
 * promised. What a slow client has still to send is no work, so that slow ones, be they many, shut nobody out. How long
 * the next upload would wait is the work by the pace at which it was done lately, or the time since anything was done
 * at all. Beyond a floor that no disk is too slow for, nobody is let in who would wait longer than NB_QUEUE_MS_MAX: to
 * be told so at once is worth more to a client than to be served late, and those who are in are served soon.
 *
 * Memory is the blocks and the small payloads of all uploads that are begun.
 *
 * Must always hold: what was added is taken off once; memory never passes its bound, but for one upload at a time by
 * itself.
 */
#ifndef NIMBUS_PLANE_ADMISSION_H
#define NIMBUS_PLANE_ADMISSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NB_QUEUE_MS_MAX = 50,
    NB_WORK_FLOOR_BYTES = 8 << 20,        /* about what keeps every lane of MD5 and the disk busy */
    NB_WORK_OF_UPLOAD_BYTES = 64 << 10,   /* what a sync and a commit cost besides the bytes */
    NB_WORK_FRESH_MS = 200,               /* a promise counts for so long; then its client is a slow one */
    NB_WORK_WINDOW_MS = 100,              /* over which the pace is measured */
    NB_WORK_RATE_BYTES_PER_S = 128 << 20, /* until it has been */
};

typedef struct {
    size_t memory_bytes_max;
    atomic_size_t memory_bytes;
    _Atomic uint64_t work_bytes, done_bytes;
    _Atomic int64_t progress_ms; /* when some of it was done last, or there was none */
    _Atomic uint64_t rate_bytes_per_s;
    pthread_mutex_t lock; /* of the window */
    _Atomic int64_t window_began_ms;
    uint64_t window_done_bytes;
    bool was_behind;
} nb_admission;

void nb_admission_init(nb_admission *admission, size_t memory_bytes_max, int64_t now_ms);
void nb_admission_free(nb_admission *admission);

/* Whether another upload would be done in time. Any thread, as the others. */
bool nb_admission_has_time(nb_admission *admission, int64_t now_ms);

/* Room for so many bytes; false: there is none. And back. */
bool nb_admission_take_memory(nb_admission *admission, size_t bytes);
void nb_admission_give_memory(nb_admission *admission, size_t bytes);

/* So much more work, and so much less: because it is done, or because nobody wants it any more. */
void nb_admission_add(nb_admission *admission, uint64_t bytes, int64_t now_ms);
void nb_admission_drop(nb_admission *admission, uint64_t bytes);
void nb_admission_done(nb_admission *admission, uint64_t bytes, int64_t now_ms);

#endif
