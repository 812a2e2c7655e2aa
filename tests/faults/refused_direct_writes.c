/* A file system that lets a file have O_DIRECT, and refuses to write to it that way; loaded before libc. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t offset) {
    if (fcntl(fd, F_GETFL) & O_DIRECT) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_pwritev, fd, pieces, count, (long)offset, 0L);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset) {
    return pwritev64(fd, pieces, count, offset);
}
