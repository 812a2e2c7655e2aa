/* What the stress of the plane and its clients share. */
#ifndef NIMBUS_STRESS_H
#define NIMBUS_STRESS_H

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "plane/plane.h"

enum { HEAD_SIZE_MAX = 2048 };

extern nb_plane *plane;
extern struct sockaddr_in address; /* where it listens */

#define MUST(condition)                                                      \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);  \
            abort();                                                         \
        }                                                                    \
    } while (0)

unsigned chance(unsigned *state, unsigned below);

/* A signed head in `out`; its length. */
size_t sign(char out[HEAD_SIZE_MAX], const char *line, const char *headers);

/* A connection that takes about so many bytes before somebody reads them; 0: as many as usual. */
int open_connection(int window);
bool send_all(int fd, const char *bytes, size_t size);

#endif
