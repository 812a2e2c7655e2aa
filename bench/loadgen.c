/* A load generator that costs the machine as little as possible, so that the server is what is measured.
 *
 *   loadgen HOST PORT CONNECTIONS SECONDS_MAX REQUESTS_MAX FILE
 *
 * FILE holds prebuilt HTTP/1.1 requests, each after its length as 8 bytes little-endian; they are sent in turn
 * over CONNECTIONS kept-alive connections until either bound is reached. Response bodies are thrown away inside
 * the kernel (MSG_TRUNC). Prints one line of JSON: requests, errors (any status but 2xx), bytes, wall_s, cpu_s of
 * its own, and latency percentiles in microseconds. Responses must carry Content-Length, as all of ours do.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 16384, LATENCIES_MAX = 4000000, EVENTS_MAX = 256 };

typedef struct {
    int fd;
    const char *out; /* what is still to be sent */
    size_t out_left;
    char head[HEAD_MAX];
    size_t head_len;
    uint64_t body_left;
    int in_body;
    int idle;
    double started_s;
} conn;

static const char *base;
static size_t *offsets, *lengths, count, next_request;
static uint64_t sent, done, errors, bytes, requests_max;
static float *latencies;
static int epoll_fd;
static double end_s;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void load(const char *path) {
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) die(path);
    base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (base == MAP_FAILED) die("mmap");
    size_t room = 0;
    for (size_t at = 0; at + 8 <= (size_t)st.st_size;) {
        uint64_t len;
        memcpy(&len, base + at, 8);
        if (count == room) {
            room = room ? room * 2 : 1024;
            offsets = realloc(offsets, room * sizeof *offsets);
            lengths = realloc(lengths, room * sizeof *lengths);
            if (!offsets || !lengths) die("realloc");
        }
        offsets[count] = at + 8;
        lengths[count++] = (size_t)len;
        at += 8 + (size_t)len;
    }
    if (!count) die("no requests");
}

static void watch(conn *c, uint32_t events, int op) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, op, c->fd, &e)) die("epoll_ctl");
}

static void flush_out(conn *c) {
    while (c->out_left) {
        ssize_t n = send(c->fd, c->out, c->out_left, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) return watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            die("send");
        }
        c->out += n;
        c->out_left -= (size_t)n;
        if (!c->out_left) watch(c, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void start_request(conn *c) {
    if (sent >= requests_max || now_s() >= end_s) {
        c->idle = 1;
        return;
    }
    size_t i = next_request++ % count;
    sent++;
    c->out = base + offsets[i];
    c->out_left = lengths[i];
    c->head_len = 0;
    c->in_body = 0;
    c->started_s = now_s();
    size_t first = c->out_left;
    ssize_t n = send(c->fd, c->out, first, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) die("send");
    if (n > 0) c->out += n, c->out_left -= (size_t)n;
    if (c->out_left) watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

static void finish_request(conn *c) {
    if (done < LATENCIES_MAX) latencies[done] = (float)((now_s() - c->started_s) * 1e6);
    done++;
    start_request(c);
}

static void parse_head(conn *c) {
    char *end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
    if (!end) {
        if (c->head_len == HEAD_MAX) die("response head too long");
        return;
    }
    *end = 0;
    int status = atoi(c->head + 9);
    if (status == 100) {
        size_t skip = (size_t)(end + 4 - c->head);
        memmove(c->head, c->head + skip, c->head_len - skip);
        c->head_len -= skip;
        if (c->head_len) parse_head(c);
        return;
    }
    if (status < 200 || status > 299) {
        if (!errors++) fprintf(stderr, "first error: %s\n", c->head);
    }
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    uint64_t body = length ? strtoull(length + 17, NULL, 10) : 0;
    size_t have = c->head_len - (size_t)(end + 4 - c->head);
    bytes += have;
    if (have > body) die("more bytes than announced");
    c->body_left = body - have;
    c->in_body = 1;
    if (!c->body_left) finish_request(c);
}

static void on_readable(conn *c) {
    for (int turn = 0; turn < 64; turn++) {
        ssize_t n;
        if (c->in_body) {
            n = recv(c->fd, NULL, c->body_left > (1u << 30) ? (1u << 30) : c->body_left, MSG_TRUNC);
        } else {
            n = recv(c->fd, c->head + c->head_len, HEAD_MAX - c->head_len, 0);
        }
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) die("recv");
        if (n == 0) {
            fprintf(stderr, "the server closed a connection after %llu requests\n", (unsigned long long)done);
            exit(1);
        }
        if (c->in_body) {
            c->body_left -= (uint64_t)n;
            bytes += (uint64_t)n;
            if (!c->body_left) finish_request(c);
        } else {
            c->head_len += (size_t)n;
            parse_head(c);
        }
        if (c->idle) return;
    }
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: loadgen HOST PORT CONNECTIONS SECONDS_MAX REQUESTS_MAX FILE\n");
        return 2;
    }
    int connections = atoi(argv[3]);
    requests_max = strtoull(argv[5], NULL, 10);
    load(argv[6]);
    latencies = malloc(sizeof *latencies * LATENCIES_MAX);
    conn *conns = calloc((size_t)connections, sizeof *conns);
    epoll_fd = epoll_create1(0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (!latencies || !conns || epoll_fd < 0 || inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1) die("set-up");
    for (int i = 0; i < connections; i++) {
        conn *c = &conns[i];
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr, sizeof addr)) die("connect");
        int one = 1;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        watch(c, EPOLLIN, EPOLL_CTL_ADD);
    }
    double begin = now_s();
    end_s = begin + atof(argv[4]);
    for (int i = 0; i < connections; i++) start_request(&conns[i]);
    while (done < sent) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 30000);
        if (n == 0) {
            fprintf(stderr, "no answer for 30 s\n");
            return 1;
        }
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) flush_out(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
        }
    }
    double wall = now_s() - begin;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6 + (double)usage.ru_stime.tv_sec +
                 (double)usage.ru_stime.tv_usec * 1e-6;
    size_t kept = done < LATENCIES_MAX ? done : LATENCIES_MAX;
    qsort(latencies, kept, sizeof *latencies, by_value);
    printf("{\"requests\": %llu, \"errors\": %llu, \"bytes\": %llu, \"wall_s\": %.6f, \"cpu_s\": %.6f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           (unsigned long long)done, (unsigned long long)errors, (unsigned long long)bytes, wall, cpu,
           kept ? latencies[kept / 2] : 0, kept ? latencies[kept * 99 / 100] : 0, kept ? latencies[kept - 1] : 0);
    return errors ? 1 : 0;
}
