/* An intrusive doubly linked list: a ring through a head that belongs to the list's owner. */
#ifndef NIMBUS_PLANE_LIST_H
#define NIMBUS_PLANE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct nb_link {
    struct nb_link *prev, *next; /* both NULL while in no list */
} nb_link;

#define NB_OF(link, type, member) ((type *)((char *)(link) - offsetof(type, member)))

static inline void nb_list_init(nb_link *head) { head->prev = head->next = head; }
static inline bool nb_list_is_empty(const nb_link *head) { return head->next == head; }
static inline bool nb_link_is_in(const nb_link *link) { return link->next != NULL; }

static inline void nb_list_append(nb_link *head, nb_link *link) {
    link->prev = head->prev, link->next = head;
    head->prev->next = link, head->prev = link;
}

static inline void nb_list_remove(nb_link *link) {
    if (!link->next)
        return;
    link->prev->next = link->next, link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

static inline nb_link *nb_list_take_first(nb_link *head) {
    nb_link *first = head->next;
    if (first == head)
        return NULL;
    nb_list_remove(first);
    return first;
}

#endif
