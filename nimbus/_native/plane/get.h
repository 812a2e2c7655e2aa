/* GetObject and HeadObject of ordinary objects, answered without Python; see get.c. */
#ifndef NIMBUS_PLANE_GET_H
#define NIMBUS_PLANE_GET_H

#include "plane/plane.h"

typedef enum {
    NB_GET_RELAY,    /* not for us, or not for us to refuse */
    NB_GET_ANSWERED, /* the answer is on its way */
    NB_GET_WAITING,  /* for a look-up or the disk */
} nb_get_verdict;

nb_get_verdict nb_get_begin(nb_conn *conn, const nb_request *request);

#endif
