/* See notice.h. */
#include "plane/notice.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static atomic_int lowest = NB_NOTICE_INFO;

void nb_notice_set_level(int level) { atomic_store(&lowest, level); }

static const char *name_of(nb_notice_level level) {
    return level >= NB_NOTICE_ERROR ? "ERROR" : level >= NB_NOTICE_WARNING ? "WARNING" : "INFO";
}

void nb_notice(nb_notice_level level, const char *format, ...) {
    char line[NB_NOTICE_SIZE_BYTES_MAX];
    struct timespec now;
    struct tm utc;
    va_list values;
    if ((int)level < atomic_load(&lowest))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t size = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    size += (size_t)snprintf(line + size, sizeof line - size, ".%03dZ %s nimbus: ", (int)(now.tv_nsec / 1000000),
                             name_of(level));
    va_start(values, format);
    int said = vsnprintf(line + size, sizeof line - size, format, values);
    va_end(values);
    size += said < 0 ? 0 : (size_t)said;
    if (size > sizeof line - 1)
        size = sizeof line - 1;
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0) {
        /* Nobody can be told. */
    }
}
