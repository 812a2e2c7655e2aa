/* See trust.h. */
#include "plane/trust.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* on every architecture */
#endif
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

enum { PAGE_SIZE_BYTES = 4096, PATH_SIZE_BYTES = 64, NUMBER_SIZE_BYTES = 24 };

/* --- the device --------------------------------------------------------------------------------------- */

void nb_device_init(nb_device *device) {
    atomic_init(&device->id, 0);
    atomic_init(&device->stat_fd, -1);
    atomic_init(&device->in_flight_fd, -1);
    atomic_init(&device->asked_ms, 0);
    atomic_init(&device->reads, 0);
    atomic_init(&device->is_still, false);
}

void nb_device_free(nb_device *device) {
    const int fds[] = {atomic_load(&device->stat_fd), atomic_load(&device->in_flight_fd)};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int open_of(dev_t id, const char *name) {
    char path[PATH_SIZE_BYTES];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s", major(id), minor(id), name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* A partition is counted where the whole device is. */
static bool is_counting(dev_t id) {
    char said = '0';
    int fd = open_of(id, "queue/iostats");
    if (fd < 0)
        fd = open_of(id, "../queue/iostats");
    if (fd < 0)
        return false;
    bool is_read = read(fd, &said, 1) == 1;
    close(fd);
    return is_read && said == '1';
}

/* Its files' bytes come from st_dev and from nowhere else. */
static bool is_on_one_device(int fd) {
    struct statfs about;
    return fstatfs(fd, &about) == 0 && (about.f_type == EXT4_SUPER_MAGIC || about.f_type == XFS_SUPER_MAGIC);
}

static void open_counters(nb_device *device, dev_t id, int fd) {
    if (!is_on_one_device(fd) || !is_counting(id))
        return;
    int in_flight_fd = open_of(id, "inflight"); /* both files begin with the number of reads */
    atomic_store(&device->in_flight_fd, in_flight_fd);
    if (in_flight_fd >= 0)
        atomic_store(&device->stat_fd, open_of(id, "stat"));
}

/* The first number in one of its files. */
static bool read_number(int fd, uint64_t *number) {
    char text[NUMBER_SIZE_BYTES];
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    if (size <= 0)
        return false;
    text[size] = 0;
    *number = strtoull(text, NULL, 10);
    return true;
}

/* How many reads the device has finished, if it tells and none is under way; as of this tick. */
static bool count_reads(nb_device *device, uint32_t now_ms, uint32_t *reads) {
    int stat_fd = atomic_load_explicit(&device->stat_fd, memory_order_acquire);
    uint64_t under_way, finished;
    if (stat_fd < 0)
        return false;
    if (atomic_load_explicit(&device->asked_ms, memory_order_acquire) != now_ms) {
        /* in this order: what ends in between is counted */
        if (!read_number(atomic_load(&device->in_flight_fd), &under_way) || !read_number(stat_fd, &finished))
            return false;
        atomic_store_explicit(&device->reads, (uint32_t)finished, memory_order_relaxed);
        atomic_store_explicit(&device->is_still, under_way == 0, memory_order_relaxed);
        atomic_store_explicit(&device->asked_ms, now_ms, memory_order_release);
    }
    *reads = atomic_load_explicit(&device->reads, memory_order_relaxed);
    return atomic_load_explicit(&device->is_still, memory_order_relaxed);
}

/* --- the file ----------------------------------------------------------------------------------------- */

uint32_t nb_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

void nb_trust_end(nb_trust *trust) {
    if (atomic_fetch_add(&trust->number, 1) == UINT32_MAX)
        atomic_fetch_add(&trust->number, 1); /* 0 is what a new stamp has */
}

static void see_change(nb_trust *trust, const struct stat *stat) {
    uint64_t changed_ns = (uint64_t)stat->st_ctim.tv_sec * 1000000000u + (uint64_t)stat->st_ctim.tv_nsec;
    if (atomic_load_explicit(&trust->changed_ns, memory_order_acquire) == changed_ns)
        return;
    nb_trust_end(trust); /* before anybody can find the new time, and believe it */
    atomic_store_explicit(&trust->changed_ns, changed_ns, memory_order_release);
}

static bool is_on(nb_device *device, dev_t id, int fd) {
    uint64_t first = atomic_load_explicit(&device->id, memory_order_acquire);
    if (first == 0 && atomic_compare_exchange_strong(&device->id, &first, id)) {
        open_counters(device, id, fd);
        return true;
    }
    return first == id;
}

nb_proof nb_trust_prove(nb_trust *trust, nb_device *device, int fd, nb_seen *seen) {
    nb_proof proof = {.now_ms = nb_now_ms()};
    if (seen->of == trust && seen->proof.now_ms == proof.now_ms &&
        seen->proof.number == atomic_load_explicit(&trust->number, memory_order_acquire))
        return seen->proof;
    struct stat stat;
    if (fstat(fd, &stat) < 0) {
        nb_trust_end(trust);
        stat.st_dev = 0;
    } else {
        see_change(trust, &stat);
    }
    proof.counts = stat.st_dev && is_on(device, stat.st_dev, fd) && count_reads(device, proof.now_ms, &proof.reads);
    proof.number = atomic_load_explicit(&trust->number, memory_order_acquire);
    *seen = (nb_seen){.of = trust, .proof = proof};
    return proof;
}

/* --- the block ---------------------------------------------------------------------------------------- */

void nb_stamp_set(nb_stamp *stamp, const nb_proof *proof) {
    atomic_store_explicit(&stamp->reads, proof->reads, memory_order_relaxed);
    atomic_store_explicit(&stamp->verified_ms, proof->now_ms, memory_order_relaxed);
    atomic_store_explicit(&stamp->number, proof->number, memory_order_release);
}

bool nb_stamp_holds(nb_stamp *stamp, const nb_proof *proof) {
    if (atomic_load_explicit(&stamp->number, memory_order_acquire) != proof->number)
        return false;
    uint32_t age_ms = proof->now_ms - atomic_load_explicit(&stamp->verified_ms, memory_order_relaxed);
    if (age_ms <= NB_RECENT_MS)
        return true;
    bool is_unread = proof->counts && atomic_load_explicit(&stamp->reads, memory_order_relaxed) == proof->reads;
    return is_unread && age_ms <= NB_VERIFIED_MS;
}

/* See cachestat(2). */
bool nb_is_resident(int fd, uint64_t start, uint64_t end, nb_seen *seen) {
    if (seen->start <= start && end <= seen->end)
        return true;
    struct {
        uint64_t offset, size;
    } range = {start, end - start};
    struct {
        uint64_t cached, dirty, written, evicted, recently_evicted;
    } found;
    uint64_t pages = (end - 1) / PAGE_SIZE_BYTES - start / PAGE_SIZE_BYTES + 1;
    if (syscall(SYS_cachestat, fd, &range, &found, 0) != 0 || found.cached != pages)
        return false;
    seen->start = start;
    seen->end = end;
    return true;
}
