/* What every thread of the plane begins with. */
#ifndef NIMBUS_PLANE_THREADS_H
#define NIMBUS_PLANE_THREADS_H

#include <signal.h>
#include <stddef.h>

/* Signals are the main thread's business, but for those that say that a thread itself is broken: blocked, they would
 * end the process without a word of where. The mask before goes to *before, which may be NULL. */
static inline void nb_block_signals(sigset_t *before) {
    static const int BROKEN[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof BROKEN / sizeof *BROKEN; i++)
        sigdelset(&blocked, BROKEN[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

#endif
