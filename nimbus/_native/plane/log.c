/* See log.h. The file, the rings, and the thread that empties them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "plane/log.h"
#include "plane/notice.h"
#include "plane/threads.h"

enum {
    BATCH_SIZE_BYTES = 1 << 16,
    PIPE_BATCH_SIZE_BYTES = 4096, /* PIPE_BUF: what is not mixed with what others write to a pipe */
    FILE_MODE = 0640,             /* who asked for what is not for everybody */
};

/* Bytes [read, written) of an endless stream, the last of which the ring holds. */
typedef struct {
    _Alignas(64) _Atomic uint64_t written, dropped_lines; /* by the one who puts */
    _Alignas(64) _Atomic uint64_t read;                   /* by the thread */
    char *bytes;
} ring;

struct nb_log {
    char path[NB_LOG_PATH_SIZE_BYTES_MAX + 1];
    int fd, event_fd;
    bool is_regular, is_torn; /* torn: what was written last ends in half a line */
    bool is_failing, is_stale; /* and the operator knows it: it takes nothing; it could not be opened anew */
    atomic_bool must_reopen, is_stopping;
    int64_t stop_by_ms;
    _Atomic uint64_t written_lines, lost_lines; /* by the thread */
    uint64_t told_lines;                        /* of those lost: what the operator knows */
    pthread_t thread;
    char batch[BATCH_SIZE_BYTES];
    unsigned ring_count;
    ring rings[];
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One writer each: a load and a store are enough. */
static void add(_Atomic uint64_t *counter, uint64_t by) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

/* --- putting ------------------------------------------------------------------------------------------- */

static void wake(nb_log *log) {
    uint64_t one = 1;
    if (write(log->event_fd, &one, sizeof one) < 0) {
        /* It is full of wakes, or the next flush comes by itself. */
    }
}

static uint64_t copy_in(ring *to, uint64_t at, const char *from, size_t size) {
    size_t offset = at % NB_LOG_RING_SIZE_BYTES, first = NB_LOG_RING_SIZE_BYTES - offset;
    if (first > size)
        first = size;
    memcpy(to->bytes + offset, from, first);
    memcpy(to->bytes, from + first, size - first);
    return at + size;
}

void nb_log_put(nb_log *log, unsigned index, nb_span outcome, nb_span subject, nb_span request) {
    ring *to = &log->rings[index];
    size_t size = outcome.len + subject.len + request.len + sizeof "{,,}\n" - 1;
    uint64_t at = atomic_load_explicit(&to->written, memory_order_relaxed);
    uint64_t used = at - atomic_load_explicit(&to->read, memory_order_acquire);
    if (size > NB_LOG_RING_SIZE_BYTES - used) {
        add(&to->dropped_lines, 1);
        return;
    }
    at = copy_in(to, at, "{", 1);
    at = copy_in(to, at, outcome.ptr, outcome.len);
    at = copy_in(to, at, ",", 1);
    at = copy_in(to, at, subject.ptr, subject.len);
    at = copy_in(to, at, ",", 1);
    at = copy_in(to, at, request.ptr, request.len);
    at = copy_in(to, at, "}\n", 2);
    atomic_store_explicit(&to->written, at, memory_order_release);
    const uint64_t half = NB_LOG_RING_SIZE_BYTES / 2;
    if (used < half && used + size >= half)
        wake(log);
}

/* --- the file ------------------------------------------------------------------------------------------ */

static bool is_stderr(const nb_log *log) { return strcmp(log->path, "-") == 0; }

static int open_file(const nb_log *log) {
    if (is_stderr(log))
        return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    return open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);
}

static void take_file(nb_log *log, int fd) {
    struct stat status;
    if (log->fd >= 0)
        close(log->fd);
    log->fd = fd;
    log->is_regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    log->is_torn = false;
}

static void say(const nb_log *log, nb_notice_level level, const char *what, const char *more) {
    if (!is_stderr(log)) /* who cannot hear the lines cannot hear this either */
        nb_notice(level, "the access log %s %s%s", log->path, what, more);
}

static void reopen(nb_log *log) {
    int fd = open_file(log);
    if (fd >= 0)
        take_file(log, fd);
    else if (!log->is_stale)
        say(log, NB_NOTICE_WARNING, "cannot be opened anew, and what was open is written to: ", strerror(errno));
    log->is_stale = fd < 0;
}

/* Somebody removed it: what is written now nobody will ever read. */
static bool has_vanished(const nb_log *log) {
    struct stat status;
    return log->is_regular && fstat(log->fd, &status) == 0 && status.st_nlink == 0;
}

/* Whether it takes something now, or within a time: what is not a file may have a slow reader. */
static bool is_ready(const nb_log *log) {
    int64_t wait_ms = NB_LOG_SLOW_MS_MAX;
    if (atomic_load(&log->is_stopping) && log->stop_by_ms - now_ms() < wait_ms)
        wait_ms = log->stop_by_ms - now_ms();
    struct pollfd file = {.fd = log->fd, .events = POLLOUT};
    return log->is_regular || poll(&file, 1, wait_ms > 0 ? (int)wait_ms : 0) == 1;
}

/* How many of the bytes were written; the rest is lost, for the reason in errno. */
static size_t write_all(nb_log *log, const char *bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        if (!is_ready(log)) {
            errno = ETIMEDOUT;
            return done;
        }
        size_t piece = log->is_regular || size - done < PIPE_BATCH_SIZE_BYTES ? size - done : PIPE_BATCH_SIZE_BYTES;
        ssize_t count = write(log->fd, bytes + done, piece);
        if (count < 0 && errno != EINTR && errno != EAGAIN)
            return done;
        done += count > 0 ? (size_t)count : 0;
    }
    return done;
}

static uint64_t count_lines(const char *bytes, size_t size) {
    uint64_t lines = 0;
    for (const char *at = bytes, *end = bytes + size; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        lines++;
    return lines;
}

static void tell_of_failure(nb_log *log, int reason) {
    if (!log->is_failing)
        say(log, NB_NOTICE_WARNING, "cannot be written to, and its lines are lost until it can: ", strerror(reason));
    log->is_failing = true;
}

static void tell_of_recovery(nb_log *log) {
    char lines[48];
    uint64_t lost = atomic_load_explicit(&log->lost_lines, memory_order_relaxed);
    snprintf(lines, sizeof lines, "%llu lines were lost", (unsigned long long)(lost - log->told_lines));
    if (log->is_failing)
        say(log, NB_NOTICE_INFO, "is written to again; ", lines);
    log->is_failing = false;
    log->told_lines = lost;
}

/* REQUIRES: whole lines. */
static void write_lines(nb_log *log, const char *bytes, size_t size) {
    uint64_t lines = count_lines(bytes, size);
    bool is_apart = !log->is_torn || write_all(log, "\n", 1) == 1; /* from half a line that stands there */
    size_t done = is_apart ? write_all(log, bytes, size) : 0;
    int reason = errno;
    uint64_t whole = count_lines(bytes, done);
    add(&log->written_lines, whole);
    if (is_apart)
        log->is_torn = done > 0 && bytes[done - 1] != '\n';
    if (done == size) {
        tell_of_recovery(log);
        return;
    }
    add(&log->lost_lines, lines - whole);
    tell_of_failure(log, reason);
}

/* --- the thread ---------------------------------------------------------------------------------------- */

static size_t copy_out(const ring *from, uint64_t at, uint64_t written, char *to) {
    size_t size = written - at < BATCH_SIZE_BYTES ? (size_t)(written - at) : BATCH_SIZE_BYTES;
    size_t offset = at % NB_LOG_RING_SIZE_BYTES, first = NB_LOG_RING_SIZE_BYTES - offset;
    if (first > size)
        first = size;
    memcpy(to, from->bytes + offset, first);
    memcpy(to + first, from->bytes, size - first);
    while (size && to[size - 1] != '\n') /* a batch holds some lines, and ends with one */
        size--;
    return size;
}

/* What is in the ring by now; not what comes meanwhile, so that the others have their turn. */
static void empty(nb_log *log, ring *from) {
    uint64_t written = atomic_load_explicit(&from->written, memory_order_acquire);
    uint64_t at = atomic_load_explicit(&from->read, memory_order_relaxed);
    while (at < written) {
        size_t size = copy_out(from, at, written, log->batch);
        at += size;
        atomic_store_explicit(&from->read, at, memory_order_release);
        write_lines(log, log->batch, size);
    }
}

static void *run(void *argument) {
    nb_log *log = argument;
    nb_block_signals(NULL);
    struct pollfd event = {.fd = log->event_fd, .events = POLLIN};
    for (bool is_last = false; !is_last;) {
        uint64_t wakes;
        if (poll(&event, 1, NB_LOG_FLUSH_MS) == 1 && read(log->event_fd, &wakes, sizeof wakes) < 0) {
            /* Somebody else's wake; there is nothing to read twice. */
        }
        is_last = atomic_load(&log->is_stopping);
        if (atomic_exchange(&log->must_reopen, false) || has_vanished(log))
            reopen(log);
        for (unsigned i = 0; i < log->ring_count; i++)
            empty(log, &log->rings[i]);
    }
    return NULL;
}

/* --- from outside -------------------------------------------------------------------------------------- */

static void free_log(nb_log *log) {
    for (unsigned i = 0; i < log->ring_count; i++)
        free(log->rings[i].bytes);
    if (log->fd >= 0)
        close(log->fd);
    if (log->event_fd >= 0)
        close(log->event_fd);
    free(log);
}

static bool prepare(nb_log *log) {
    for (unsigned i = 0; i < log->ring_count; i++)
        if (!(log->rings[i].bytes = malloc(NB_LOG_RING_SIZE_BYTES)))
            return false;
    log->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int fd = log->event_fd < 0 ? -1 : open_file(log);
    if (fd >= 0)
        take_file(log, fd);
    return fd >= 0;
}

nb_log *nb_log_open(const char *path, unsigned rings) {
    size_t size = sizeof(nb_log) + rings * sizeof(ring);
    if (strlen(path) > NB_LOG_PATH_SIZE_BYTES_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    nb_log *log = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!log)
        return NULL;
    memset(log, 0, size);
    strcpy(log->path, path);
    log->fd = log->event_fd = -1;
    log->ring_count = rings;
    int failed = prepare(log) ? pthread_create(&log->thread, NULL, run, log) : errno;
    if (!failed)
        return log;
    free_log(log);
    errno = failed;
    return NULL;
}

void nb_log_reopen(nb_log *log) {
    atomic_store(&log->must_reopen, true);
    wake(log);
}

nb_log_counters nb_log_count(nb_log *log) {
    nb_log_counters found = {atomic_load(&log->written_lines), atomic_load(&log->lost_lines)};
    for (unsigned i = 0; i < log->ring_count; i++)
        found.dropped_lines += atomic_load(&log->rings[i].dropped_lines);
    return found;
}

void nb_log_close(nb_log *log) {
    if (!log)
        return;
    log->stop_by_ms = now_ms() + NB_LOG_STOP_MS_MAX;
    atomic_store(&log->is_stopping, true);
    wake(log);
    pthread_join(log->thread, NULL);
    free_log(log);
}
