/* See tickets.h. A number is a slot of the table behind bits of chance. */
#include "plane/tickets.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

bool nb_tickets_init(nb_tickets *tickets) {
    memset(tickets, 0, sizeof *tickets);
    pthread_mutex_init(&tickets->lock, NULL);
    for (uint32_t i = 0; i < NB_TICKETS_MAX; i++)
        tickets->tickets[i].next = i + 1;
    tickets->settled = NB_TICKETS_MAX;
    tickets->settled_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return tickets->settled_fd >= 0;
}

void nb_tickets_free(nb_tickets *tickets, nb_cache *cache) {
    for (size_t i = 0; i < NB_TICKETS_MAX; i++)
        if (tickets->tickets[i].state == NB_TICKET_OFFERED)
            nb_cache_give(cache, tickets->tickets[i].offer.entry);
    if (tickets->settled_fd >= 0)
        close(tickets->settled_fd);
    pthread_mutex_destroy(&tickets->lock);
}

/* The ticket of this number if it is in this state; holds the lock. */
static nb_ticket *find(nb_tickets *tickets, uint64_t number, int state) {
    nb_ticket *ticket = &tickets->tickets[number % NB_TICKETS_MAX];
    return ticket->number == number && (int)ticket->state == state ? ticket : NULL;
}

static void push(nb_tickets *tickets, uint32_t *list, nb_ticket *ticket) {
    ticket->next = *list;
    *list = (uint32_t)(ticket - tickets->tickets);
}

static nb_ticket *pop(nb_tickets *tickets, uint32_t *list) {
    if (*list == NB_TICKETS_MAX)
        return NULL;
    nb_ticket *ticket = &tickets->tickets[*list];
    *list = ticket->next;
    return ticket;
}

static void set_free(nb_tickets *tickets, nb_ticket *ticket) {
    ticket->state = NB_TICKET_FREE;
    ticket->number = 0;
    push(tickets, &tickets->free, ticket);
}

uint64_t nb_tickets_offer(nb_tickets *tickets, const nb_offer *offer) {
    uint64_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        return 0;
    uint64_t number = 0;
    pthread_mutex_lock(&tickets->lock);
    nb_ticket *ticket = pop(tickets, &tickets->free);
    if (ticket) {
        uint64_t slot = (uint64_t)(ticket - tickets->tickets);
        number = (chance | NB_TICKETS_MAX) / NB_TICKETS_MAX * NB_TICKETS_MAX + slot; /* never 0 */
        *ticket = (nb_ticket){.state = NB_TICKET_OFFERED, .number = number, .offer = *offer};
    }
    pthread_mutex_unlock(&tickets->lock);
    return number;
}

bool nb_tickets_withdraw(nb_tickets *tickets, uint64_t number, nb_offer *out) {
    pthread_mutex_lock(&tickets->lock);
    nb_ticket *ticket = find(tickets, number, NB_TICKET_OFFERED);
    if (ticket) {
        *out = ticket->offer;
        set_free(tickets, ticket);
    }
    pthread_mutex_unlock(&tickets->lock);
    return ticket != NULL;
}

bool nb_tickets_take(nb_tickets *tickets, uint64_t number, nb_offer *out) {
    pthread_mutex_lock(&tickets->lock);
    nb_ticket *ticket = find(tickets, number, NB_TICKET_OFFERED);
    if (ticket) {
        *out = ticket->offer;
        ticket->state = NB_TICKET_TAKEN;
    }
    pthread_mutex_unlock(&tickets->lock);
    return ticket != NULL;
}

void nb_tickets_settle(nb_tickets *tickets, uint64_t number, uint64_t sent_bytes, bool is_unreadable) {
    pthread_mutex_lock(&tickets->lock);
    nb_ticket *ticket = find(tickets, number, NB_TICKET_TAKEN);
    if (ticket) {
        ticket->state = NB_TICKET_SETTLED;
        ticket->sent_bytes = sent_bytes;
        ticket->is_unreadable = is_unreadable;
        push(tickets, &tickets->settled, ticket);
    }
    pthread_mutex_unlock(&tickets->lock);
    eventfd_write(tickets->settled_fd, 1); /* cannot fail: the counter holds 2^64 - 1 */
}

size_t nb_tickets_collect(nb_tickets *tickets, nb_settled *out, size_t count_max) {
    size_t count = 0;
    pthread_mutex_lock(&tickets->lock);
    for (nb_ticket *ticket; count < count_max && (ticket = pop(tickets, &tickets->settled)); count++) {
        out[count] = (nb_settled){ticket->number, ticket->sent_bytes, ticket->is_unreadable};
        set_free(tickets, ticket);
    }
    eventfd_t rings;
    if (tickets->settled == NB_TICKETS_MAX)
        eventfd_read(tickets->settled_fd, &rings);
    pthread_mutex_unlock(&tickets->lock);
    return count;
}

uint64_t nb_ticket_parse(const char *text, size_t size) {
    uint64_t number = 0;
    if (size != NB_TICKET_SIZE_BYTES)
        return 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
        if (digit > 15)
            return 0;
        number = number << 4 | digit;
    }
    return number;
}
