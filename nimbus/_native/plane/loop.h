/* What the files about the life of workers share: plane.c begins and ends them, loop.c runs them, accept.c feeds them. */
#ifndef NIMBUS_PLANE_LOOP_H
#define NIMBUS_PLANE_LOOP_H

#include "plane/plane.h"

/* --- loop.c --- */
__attribute__((noreturn)) void nb_die(const char *what); /* with errno */
int64_t nb_monotonic_ms(void);
void nb_worker_ring(nb_worker *worker); /* have it look around; any thread */
void *nb_worker_run(void *worker);      /* its thread */
void nb_worker_deliver(nb_worker *worker); /* what lies in its inbox */
void nb_worker_free_closed(nb_worker *worker);

/* --- accept.c --- */
void nb_accept_set(nb_worker *worker, bool on); /* whether it is woken for new connections */
void nb_accept(nb_worker *worker);              /* there are some */

/* --- evict.c --- */
/* Make room for a connection: true when one has been closed, or will be at once. */
bool nb_conn_evict(nb_worker *worker);
void nb_evict_for_others(nb_worker *worker); /* what other workers have asked for; once a turn */

#endif
