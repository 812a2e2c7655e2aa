/* Memory that is kept for the next request goes back to the system when there has been none for a while. */
#ifndef NIMBUS_PLANE_TRIM_H
#define NIMBUS_PLANE_TRIM_H

#include "plane/plane.h"

/* Free the spare blocks and buffers. Any thread. */
void nb_plane_trim(nb_plane *plane);

/* Have the allocator give its free pages back. Any thread; takes some milliseconds. */
void nb_trim_heap(void);

#endif
