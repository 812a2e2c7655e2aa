/* The disk pool: threads that read what is not in the page cache, so that no worker ever waits for a disk.
 *
 * A job reads and verifies a window of an entry's blocks, which leaves them in the page cache and stamped; then the
 * connection goes on by itself. Behind a sequential reader the pool asks for the window after that, too.
 */
#ifndef NIMBUS_PLANE_DISK_H
#define NIMBUS_PLANE_DISK_H

#include "blocks.h"
#include "plane/cache.h"
#include "plane/plane.h"

enum { NB_DISK_JOBS_MAX = 4096 };

bool nb_disk_start(nb_plane *plane);
void nb_disk_stop(nb_plane *plane);

/* Have the entry's bytes from `at` on read; the connection waits (NB_PHASE_WAIT) until nb_disk_done is called with the
 * outcome, on its worker. False when the pool has too much to do: nothing changed. */
bool nb_disk_ask(nb_conn *conn, nb_entry *entry, uint64_t at, uint64_t end);

/* Where the outcome goes: get.c. */
void nb_disk_done(nb_conn *conn, nb_status status);

#endif
