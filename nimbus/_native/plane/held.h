/* Bodies that are held back while the embedded server decides on their heads alone.
 *
 * A large upload that is not begun here (put.h) is relayed as a head with an offer: `x-nimbus-body: TICKET`. The body
 * stays in the socket. If the application finds that it wants it stored, it orders that with the ticket: the body then
 * goes the way of the plane's own uploads (upload.h), with what the application says of it instead of what the head
 * says, and what becomes of it is told to Python, which answers as always. If it refuses the request, nothing has
 * moved. If it asks for the bytes themselves (`100 Continue`), they cross the relay as those of small bodies do.
 *
 * A ticket is good for one order, on the connection that it was made for and until that request is answered. It needs
 * no secret: it travels only on the private socket, and what clients send under that name is taken off.
 *
 * Must always hold: every order is answered once, whatever becomes of the connection; there is at most one for each
 * request in flight.
 */
#ifndef NIMBUS_PLANE_HELD_H
#define NIMBUS_PLANE_HELD_H

#include "plane/upload.h"

/* Smaller bodies cross the relay: at half of this both ways cost the same (measured), and an order is one thing more. */
enum { NB_HELD_SIZE_BYTES_MIN = 64 << 10 };

/* Whether the body of a request that is about to be relayed waits. */
bool nb_held_is_worth(const nb_conn *conn, const nb_request *request);

/* Give the connection a ticket, and declare the ticket void; void ones may be declared so again. */
void nb_held_offer(nb_conn *conn);
void nb_held_withdraw(nb_conn *conn);

/* An order for the body with this ticket, to be filled in; NULL when memory is short or there can be no such ticket.
 * Then `take`, from any thread, which gives it away: it comes back through the intake's questions as one that wants a
 * commit (the bytes are in memory, or in the blob and synced) or a refusal, and is freed by whoever takes it. */
nb_upload *nb_held_upload_new(nb_plane *plane, uint64_t ticket);
void nb_held_take(nb_upload *upload);

#endif
