/* PutObject and UploadPart of ordinary objects, taken in without Python: from the head to the whole body.
 *
 * Only what is plain and right is begun here; everything else, and so every refusal that needs no body, is the embedded
 * server's. Once a body is being read there is no way back: what is wrong with it is handed to Python for its words.
 */
#ifndef NIMBUS_PLANE_PUT_H
#define NIMBUS_PLANE_PUT_H

#include "plane/plane.h"

typedef enum { NB_PUT_RELAY, NB_PUT_BEGUN, NB_PUT_WAITING, NB_PUT_REFUSED } nb_put_verdict;

/* BEGUN: the connection is in NB_PHASE_BODY; WAITING: in NB_PHASE_WAIT, until Python has admitted the upload; REFUSED: one
 * more is too much now, see admission.h. */
nb_put_verdict nb_put_begin(nb_conn *conn, const nb_request *request);
nb_step nb_put_step(nb_conn *conn);

/* The upload that the embedded server has ordered gets the connection's body; false: memory is short, nothing changed.
 * REQUIRES: the relay has left the body. The phase is NB_PHASE_BODY, and NB_PHASE_RELAY again behind the body. */
bool nb_put_begin_held(nb_conn *conn, nb_upload *upload);

/* The connection closes with a body half in. */
void nb_put_end(nb_conn *conn);

/* A timer of NB_PHASE_BODY is over. A peer that sends too slowly is told so by the connection's next step. */
void nb_put_tick(nb_conn *conn);

/* --- put_head.c --- */

/* The upload that a request asks for, or NULL when the embedded server should look at it. */
nb_upload *nb_put_read_head(nb_conn *conn, const nb_request *request);

#endif
