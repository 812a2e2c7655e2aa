/* Tickets: what the application behind us would have us send instead of sending it itself.
 *
 * The application offers a run of verified bytes of an object and gets a number, which its answer names in
 * `x-nimbus-send`. The worker that relays this answer takes the ticket, sends the bytes, and settles it: then the
 * application learns how much went out, and lets go of what it held for us. A number is good for one answer only and
 * cannot be guessed, and who offers also withdraws what nobody came for, so nothing piles up here.
 *
 * Must always hold: a ticket is free, offered, taken or settled, in this order; its entry belongs to the table only
 * while it is offered; whatever was taken is settled, however the answer ends. Any thread.
 */
#ifndef NIMBUS_PLANE_TICKETS_H
#define NIMBUS_PLANE_TICKETS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plane/cache.h"

enum {
    NB_TICKETS_MAX = 4096,      /* offered, taken or settled at once; whoever gets none sends by itself */
    NB_TICKET_SIZE_BYTES = 16,  /* of a number on the wire: hexadecimal digits */
};

/* Bytes [at, end) of the entry, for an answer of body_size_bytes in all. */
typedef struct {
    nb_entry *entry;
    uint64_t at, end;
    uint64_t body_size_bytes;
} nb_offer;

typedef struct {
    uint64_t number;
    uint64_t sent_bytes;
    bool is_unreadable; /* what comes after them cannot be read, or does not match its hash */
} nb_settled;

typedef struct {
    enum { NB_TICKET_FREE, NB_TICKET_OFFERED, NB_TICKET_TAKEN, NB_TICKET_SETTLED } state;
    uint32_t next; /* in the list of the free or of the settled */
    uint64_t number;
    uint64_t sent_bytes;
    bool is_unreadable;
    nb_offer offer;
} nb_ticket;

typedef struct {
    pthread_mutex_t lock;
    int settled_fd; /* an eventfd: readable when something was settled */
    uint32_t free, settled; /* lists; NB_TICKETS_MAX ends one */
    nb_ticket tickets[NB_TICKETS_MAX];
} nb_tickets;

bool nb_tickets_init(nb_tickets *tickets); /* false: errno tells */
void nb_tickets_free(nb_tickets *tickets, nb_cache *cache);

/* The application's side. A number, or 0 when there are too many: then the entry stays the caller's. */
uint64_t nb_tickets_offer(nb_tickets *tickets, const nb_offer *offer);

/* Whether nobody has taken it, or will; then the entry is the caller's again. */
bool nb_tickets_withdraw(nb_tickets *tickets, uint64_t number, nb_offer *out);

/* Up to count_max that were settled; they are forgotten by this. */
size_t nb_tickets_collect(nb_tickets *tickets, nb_settled *out, size_t count_max);

/* The worker's side. False for a number that is none. */
bool nb_tickets_take(nb_tickets *tickets, uint64_t number, nb_offer *out);
void nb_tickets_settle(nb_tickets *tickets, uint64_t number, uint64_t sent_bytes, bool is_unreadable);

/* The number that exactly these bytes spell; 0 when they spell none. */
uint64_t nb_ticket_parse(const char *text, size_t size);

#endif
