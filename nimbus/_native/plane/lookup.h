/* Questions to Python: which object is this? A thread there takes them in batches, fills the cache and answers.
 *
 * A question carries the cache's numbers from before it was asked, so that an answer overtaken by a change is
 * kept for nobody else.
 */
#ifndef NIMBUS_PLANE_LOOKUP_H
#define NIMBUS_PLANE_LOOKUP_H

#include "plane/cache.h"
#include "plane/plane.h"
#include "plane/target.h"

enum { NB_LOOKUPS_MAX = 8192 };

typedef struct {
    nb_item item;
    nb_message message;
    nb_conn *conn;
    nb_worker *worker;
    nb_numbers numbers;
    nb_entry *entry; /* the answer; NULL: the embedded server should answer */
    nb_target target;
} nb_lookup;

/* Ask for the object; the connection waits for nb_lookup_done. False: too many wait already, nothing changed. */
bool nb_lookup_ask(nb_conn *conn, const nb_target *target);

/* The answer, from any thread; the question is no longer the caller's then. */
void nb_lookup_fill(nb_plane *plane, nb_lookup *lookup, const nb_fill *fill);
void nb_lookup_decline(nb_lookup *lookup);

/* Where it goes, on the connection's worker: get.c. */
void nb_lookup_done(nb_conn *conn, nb_entry *entry);

#endif
