/* Who has to go when there is no room for another connection: whoever has waited longest for nothing.
 *
 * That is a connection that asks nothing, or one whose head has begun to come and does not end; never one that is being
 * answered, or whose answer is still being read. A worker closes its own; another's is asked for, and gone within a turn
 * of that one. What has arrived is not thrown away: a connection with bytes to read is passed over.
 */
#include <sys/ioctl.h>

#include "plane/loop.h"

enum {
    WAITED_MS_MIN = 100,  /* busy clients of a full server are not to throw out each other */
    LOOKED_AT_MAX = 64,   /* of those that wait, each time */
};

static int64_t since_ms(const nb_worker *worker, const nb_link *link) {
    return NB_OF(link, nb_conn, timer)->timer_due_ms - worker->plane->settings.header_timeout_ms;
}

static int64_t waiting_since(const nb_worker *worker) {
    const nb_link *idle = &worker->timers[NB_TIMER_IDLE], *heads = &worker->timers[NB_TIMER_HEAD];
    int64_t since = nb_list_is_empty(idle) ? INT64_MAX : since_ms(worker, idle->next);
    int64_t head_since = nb_list_is_empty(heads) ? INT64_MAX : since_ms(worker, heads->next);
    return head_since < since ? head_since : since;
}

static bool has_arrived(const nb_conn *conn) {
    int bytes = 0;
    return conn->can_read || (ioctl(conn->source.fd, FIONREAD, &bytes) == 0 && bytes > 0);
}

/* The next of those that have waited long enough, the longest first; NULL: there is none. */
static nb_conn *next_waiting(const nb_worker *worker, nb_link **idle, nb_link **heads) {
    int64_t idle_since = *idle == &worker->timers[NB_TIMER_IDLE] ? INT64_MAX : since_ms(worker, *idle);
    int64_t head_since = *heads == &worker->timers[NB_TIMER_HEAD] ? INT64_MAX : since_ms(worker, *heads);
    nb_link **first = head_since < idle_since ? heads : idle;
    if ((head_since < idle_since ? head_since : idle_since) > worker->now_ms - WAITED_MS_MIN)
        return NULL;
    nb_conn *conn = NB_OF(*first, nb_conn, timer);
    *first = (*first)->next;
    return conn;
}

static bool evict_own(nb_worker *worker) {
    nb_link *idle = worker->timers[NB_TIMER_IDLE].next, *heads = worker->timers[NB_TIMER_HEAD].next;
    for (int looked = 0; looked < LOOKED_AT_MAX; looked++) {
        nb_conn *conn = next_waiting(worker, &idle, &heads);
        if (!conn)
            return false;
        if (has_arrived(conn))
            continue;
        nb_count(&worker->metrics.evicted, 1);
        nb_conn_close(conn);
        return true;
    }
    return false;
}

bool nb_conn_evict(nb_worker *worker) {
    nb_plane *plane = worker->plane;
    nb_worker *longest = worker;
    int64_t since = waiting_since(worker);
    for (unsigned i = 0; i < plane->worker_count; i++) {
        int64_t other = atomic_load_explicit(&plane->workers[i].waiting_since_ms, memory_order_relaxed);
        if (&plane->workers[i] != worker && other < since && !atomic_load(&plane->workers[i].evictions))
            longest = &plane->workers[i], since = other;
    }
    if (since > worker->now_ms - WAITED_MS_MIN)
        return false;
    if (longest == worker)
        return evict_own(worker);
    atomic_fetch_add(&longest->evictions, 1);
    nb_worker_ring(longest);
    return true;
}

void nb_evict_for_others(nb_worker *worker) {
    for (unsigned wanted = atomic_exchange(&worker->evictions, 0); wanted && evict_own(worker); wanted--)
        continue;
    atomic_store_explicit(&worker->waiting_since_ms, waiting_since(worker), memory_order_relaxed);
}
