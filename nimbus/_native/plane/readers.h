/* Which frames answers still read from their files, asked of every worker between two of its steps.
 *
 * Whoever wants to free the frames of an object that was overwritten or deleted asks once its change has ended. By then
 * the object's entry is out of the cache, so every step that a worker begins afterwards copies and verifies such frames
 * instead of sending them from the file (reply.h), or leaves the answer to the embedded server (get.c); what a worker
 * was in the middle of is over when it answers. Answers that wait for a slow peer have the frame at hand copied by the
 * question itself. What is told are the files of the frames that are left: they must stay for now.
 */
#ifndef NIMBUS_PLANE_READERS_H
#define NIMBUS_PLANE_READERS_H

#include "plane/plane.h"

enum { NB_FRAME_FILES_MAX = 256 }; /* more are told as too many */

typedef struct {
    char *paths[NB_FRAME_FILES_MAX]; /* to be freed by the caller; one may stand there twice */
    size_t count;
} nb_frame_files;

/* False: it is not known, because a worker did not answer in time, or there are too many. Blocks; no worker calls it. */
bool nb_readers_ask(nb_plane *plane, int64_t timeout_ms, nb_frame_files *out);

#endif
