/* Whether the pages of a file are still the ones that were checked, so that a block need not be hashed before each answer.
 *
 * Pages that stay in the page cache stay what they are. So a block that matched its hash is sent unchecked as long as
 *   - the file is the same: nobody wrote to it (its ctime, which also follows our own writes), no mismatch was found
 *     anywhere in it, and no page that was checked was found to have left the page cache;
 *   - what is sent is in the page cache now (cachestat, Linux 6.5; without it every answer is checked);
 *   - nothing was read from the device since, so that no page can have come from it anew. Devices that do not count
 *     their reads, or whose file system we do not know to lie on st_dev alone, are believed for NB_RECENT_MS, as all are:
 *     a stream from a cold disk is not checked twice, nor a hot block more than so often beside one.
 * What remains is the time from the check to the kernel's taking the pages: a turn of a worker, and a tick of the clock.
 * Any thread.
 */
#ifndef NIMBUS_PLANE_TRUST_H
#define NIMBUS_PLANE_TRUST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
    NB_VERIFIED_MS = 60000, /* no block counts as verified for longer: memory rots too */
    NB_RECENT_MS = 1000,
};

/* The block device that files lie on: the first one that is met. While it reads it does not tell. */
typedef struct {
    _Atomic uint64_t id;        /* st_dev; 0: none yet */
    _Atomic int stat_fd, in_flight_fd; /* of its counters; negative: it has none */
    _Atomic uint32_t asked_ms;  /* when they were read last: once a tick of the coarse clock is enough */
    _Atomic uint32_t reads;
    atomic_bool is_still;       /* none was under way */
} nb_device;

void nb_device_init(nb_device *device);
void nb_device_free(nb_device *device);

/* What is remembered of a file. */
typedef struct {
    _Atomic uint64_t changed_ns; /* its ctime */
    _Atomic uint32_t number;     /* moves when what was checked before counts no longer; never 0 */
} nb_trust;

/* What is remembered of a block; as calloc leaves it: never verified. */
typedef struct {
    _Atomic uint32_t number, reads, verified_ms;
} nb_stamp;

/* How things stand with a file now: read before its blocks are, so that a stamp never claims too much. */
typedef struct {
    uint32_t number, reads, now_ms;
    bool counts; /* `reads` tells */
} nb_proof;

/* What a worker has just found out, to be forgotten before it waits for events again: whoever changed a file and then
 * asks is heard in a later turn. Many requests of one turn are for the same file. */
typedef struct {
    const nb_trust *of; /* NULL: nothing */
    nb_proof proof;
    uint64_t start, end; /* resident bytes of the file */
} nb_seen;

uint32_t nb_now_ms(void); /* monotonic, coarse */
nb_proof nb_trust_prove(nb_trust *trust, nb_device *device, int fd, nb_seen *seen);
void nb_trust_end(nb_trust *trust);
void nb_stamp_set(nb_stamp *stamp, const nb_proof *proof);
bool nb_stamp_holds(nb_stamp *stamp, const nb_proof *proof);

/* Whether all of the file's bytes [start, end) are in the page cache. REQUIRES: `seen` is of this file. */
bool nb_is_resident(int fd, uint64_t start, uint64_t end, nb_seen *seen);

#endif
