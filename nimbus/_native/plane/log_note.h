/* What is noted of a request on a native connection for its line in the access log: its head when it comes, the rest
 * as it goes on. A connection has a note while it has a request and there is a log; else nothing here does anything. */
#ifndef NIMBUS_PLANE_LOG_NOTE_H
#define NIMBUS_PLANE_LOG_NOTE_H

#include "plane/plane.h"

void nb_log_begin(nb_conn *conn, const nb_request *request); /* NULL: a head that nobody understands */

/* The embedded server has answered, and says in a header of ours what the line's middle is. */
void nb_log_answer(nb_conn *conn, const nb_response *answer);

/* We have refused it, perhaps without a document to say so. */
void nb_log_error(nb_conn *conn, const char *code);

/* Bytes are about to be sent; the first of an answer tell its request id, its error and where its body begins. */
void nb_log_send(nb_conn *conn, nb_span bytes);

/* The request is over, however it ended: write its line. */
void nb_log_end(nb_conn *conn, int64_t now_us);

#endif
