/* The physical limit: an epoll loop per thread that answers every request with one file by sendfile, and does nothing
 * else. No parsing beyond the end of the head, no authentication, no checksums.
 *
 *   bare PORT THREADS FILE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, FDS_MAX = 65536, EVENTS_MAX = 256 };

typedef struct {
    char head[HEAD_MAX];
    size_t have;
    off_t at; /* of the file, while an answer is going out */
    int answering;
} conn;

static int file_fd, port;
static off_t file_size;
static char reply_head[256];
static size_t reply_head_size;
static conn *conns[FDS_MAX];

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* Send what is left of the answer; 1 when all of it is out. */
static int answer(int fd, conn *c) {
    while (c->at < file_size) {
        ssize_t n = sendfile(fd, file_fd, &c->at, (size_t)(file_size - c->at));
        if (n < 0 && errno == EAGAIN) return 0;
        if (n <= 0) return -1;
    }
    c->answering = 0;
    return 1;
}

/* Read and answer until the socket is empty; -1 when the connection is over. */
static int serve(int fd, conn *c) {
    for (;;) {
        if (c->answering) {
            int done = answer(fd, c);
            if (done <= 0) return done;
        }
        ssize_t n = recv(fd, c->head + c->have, HEAD_MAX - c->have, 0);
        if (n < 0 && errno == EAGAIN) return 0;
        if (n <= 0) return -1;
        c->have += (size_t)n;
        if (memmem(c->head, c->have, "\r\n\r\n", 4)) {
            c->have = 0;
            c->at = 0;
            c->answering = 1;
            if (send(fd, reply_head, reply_head_size, MSG_NOSIGNAL | (file_size ? MSG_MORE : 0)) < 0) return -1;
        }
    }
}

static void *run(void *unused) {
    (void)unused;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll_fd = epoll_create1(0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&addr, sizeof addr) || listen(listener, 1024)) die("bind");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event)) die("epoll_ctl");
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (fd >= FDS_MAX) die("too many connections");
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    conns[fd] = calloc(1, sizeof(conn));
                    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
                    if (!conns[fd] || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e)) die("accept");
                }
            } else if (serve(fd, conns[fd]) < 0) {
                free(conns[fd]);
                close(fd);
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    struct stat st;
    if (argc != 4) {
        fprintf(stderr, "usage: bare PORT THREADS FILE\n");
        return 2;
    }
    port = atoi(argv[1]);
    file_fd = open(argv[3], O_RDONLY);
    if (file_fd < 0 || fstat(file_fd, &st)) die(argv[3]);
    file_size = st.st_size;
    reply_head_size = (size_t)snprintf(reply_head, sizeof reply_head, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
                                       (long long)file_size);
    pthread_t thread;
    for (int i = 1; i < atoi(argv[2]); i++) {
        if (pthread_create(&thread, NULL, run, NULL)) die("pthread_create");
    }
    run(NULL);
}
