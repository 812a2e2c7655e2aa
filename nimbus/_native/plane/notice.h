/* A line for the operator on standard error, as nimbus/server/notices.py writes them: its time, its level, what there
 * is to say. Any thread; one write for each line, so that lines of several threads stay whole. */
#ifndef NIMBUS_PLANE_NOTICE_H
#define NIMBUS_PLANE_NOTICE_H

/* Python's numbers of them. */
typedef enum { NB_NOTICE_INFO = 20, NB_NOTICE_WARNING = 30, NB_NOTICE_ERROR = 40 } nb_notice_level;

enum { NB_NOTICE_SIZE_BYTES_MAX = 4608 }; /* a path and a reason */

__attribute__((format(printf, 2, 3))) void nb_notice(nb_notice_level level, const char *format, ...);

/* Says nothing below this level from now on; NB_NOTICE_INFO until then. */
void nb_notice_set_level(int level);

#endif
