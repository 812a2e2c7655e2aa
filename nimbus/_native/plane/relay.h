/* What the parts of the relay share: relay.c takes the request up, relay_answer.c brings the answer down, and
 * relay_send.c sends what the answer only names. */
#ifndef NIMBUS_PLANE_RELAY_H
#define NIMBUS_PLANE_RELAY_H

#include "blocks.h"
#include "plane/plane.h"

struct nb_relay {
    nb_upstream *up;
    nb_buffer *to_up;   /* head, chunk sizes */
    nb_span payload;    /* of the request's body, inside conn->in, goes out behind to_up */
    nb_buffer *from_up;
    size_t cleared;     /* bytes at the front of from_up that belong to the answer's body */
    enum { NB_FRAMED_NONE, NB_FRAMED_LENGTH, NB_FRAMED_CHUNKED, NB_FRAMED_CLOSE } framing;
    uint64_t left;
    nb_chunked chunked;
    bool request_sent, request_broken, has_chunk, awaits_continue;
    bool head_parsed, answer_done, up_keep_alive;
    bool is_head, is_http_1_0, is_replayable, rechunks, has_body;
    bool sends;         /* the answer's body is tickets */
    uint64_t owed_bytes; /* of the object: promised to the peer, and not in a ticket yet */
    char ticket[NB_TICKET_SIZE_BYTES];
    size_t ticket_filled;
    bool holds;         /* the body stays with the peer until the server asks for it ... */
    bool body_has_left; /* ... or has it taken in by us: see held.h */
};

/* --- relay.c --- */
bool nb_relay_is_hop_header(nb_span name); /* of one connection only: framing decides it anew */
bool nb_relay_is_ours(nb_span name);
bool nb_relay_put_header(nb_buffer *out, nb_span name, nb_span value);
bool nb_relay_put_text_header(nb_buffer *out, const char *name, const char *value);
nb_step nb_relay_fail(nb_conn *conn); /* refuse, or close when an answer has begun */

/* --- relay_answer.c --- */
nb_step nb_relay_pump_answer(nb_conn *conn, size_t *budget);
nb_step nb_relay_put_answer_head(nb_conn *conn, nb_span line, const nb_response *answer);
void nb_relay_leave_server(nb_conn *conn); /* give its connection back if it is clean */

/* --- relay_send.c --- */
/* Offer bytes of what the fill describes, the first of which have matched their hash; offer->entry is made here.
 * NB_OK: *number is the ticket's; NB_WOULD_BLOCK: only with `wait`. Else they are damaged, or there is no room. Any
 * thread. */
nb_status nb_relay_offer(nb_plane *plane, const nb_fill *fill, nb_offer *offer, bool wait, uint64_t *number);
nb_step nb_relay_begin_send(nb_conn *conn, nb_span ticket, nb_span line, nb_response *answer);
nb_step nb_relay_next_ticket(nb_conn *conn); /* REQUIRES: there is something in from_up */

#endif
