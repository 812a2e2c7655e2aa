/* See admission.h. */
#include "plane/admission.h"

void nb_admission_init(nb_admission *admission, size_t memory_bytes_max, int64_t now_ms) {
    *admission = (nb_admission){.memory_bytes_max = memory_bytes_max, .rate_bytes_per_s = NB_WORK_RATE_BYTES_PER_S};
    admission->window_began_ms = now_ms;
    admission->progress_ms = now_ms;
    pthread_mutex_init(&admission->lock, NULL);
}

void nb_admission_free(nb_admission *admission) { pthread_mutex_destroy(&admission->lock); }

/* A window is over: its pace counts for a quarter, or wholly when it was a long one. An idle one says little about what
 * could be done, unless that is more than was thought. */
static void measure(nb_admission *admission, int64_t now_ms) {
    int64_t took_ms = now_ms - admission->window_began_ms;
    if (took_ms < NB_WORK_WINDOW_MS || pthread_mutex_trylock(&admission->lock) != 0)
        return;
    took_ms = now_ms - admission->window_began_ms;
    if (took_ms >= NB_WORK_WINDOW_MS) {
        uint64_t done = admission->done_bytes, before = admission->rate_bytes_per_s;
        uint64_t rate = (done - admission->window_done_bytes) * 1000 / (uint64_t)took_ms;
        bool is_behind = admission->work_bytes >= NB_WORK_FLOOR_BYTES, is_long = took_ms >= 4 * NB_WORK_WINDOW_MS;
        if (rate > before || (is_behind && admission->was_behind))
            admission->rate_bytes_per_s = is_long ? rate : before - before / 4 + rate / 4;
        admission->window_done_bytes = done;
        admission->was_behind = is_behind;
        admission->window_began_ms = now_ms;
    }
    pthread_mutex_unlock(&admission->lock);
}

bool nb_admission_has_time(nb_admission *admission, int64_t now_ms) {
    measure(admission, now_ms);
    uint64_t work = admission->work_bytes;
    if (work < NB_WORK_FLOOR_BYTES)
        return true;
    return work * 1000 <= admission->rate_bytes_per_s * NB_QUEUE_MS_MAX &&
           now_ms - admission->progress_ms <= NB_QUEUE_MS_MAX;
}

bool nb_admission_take_memory(nb_admission *admission, size_t bytes) {
    size_t held = atomic_fetch_add(&admission->memory_bytes, bytes);
    if (held == 0 || held + bytes <= admission->memory_bytes_max)
        return true;
    nb_admission_give_memory(admission, bytes);
    return false;
}

void nb_admission_give_memory(nb_admission *admission, size_t bytes) {
    atomic_fetch_sub(&admission->memory_bytes, bytes);
}

void nb_admission_add(nb_admission *admission, uint64_t bytes, int64_t now_ms) {
    if (atomic_fetch_add(&admission->work_bytes, bytes) == 0)
        admission->progress_ms = now_ms;
}

void nb_admission_drop(nb_admission *admission, uint64_t bytes) { atomic_fetch_sub(&admission->work_bytes, bytes); }

void nb_admission_done(nb_admission *admission, uint64_t bytes, int64_t now_ms) {
    atomic_fetch_add(&admission->done_bytes, bytes);
    admission->progress_ms = now_ms;
    nb_admission_drop(admission, bytes);
}
