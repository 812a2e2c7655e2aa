/* Uploads that come faster than they can be taken, and how soon each client knows where it stands.
 *
 *   overload HOST PORT CONNECTIONS SECONDS PAUSE_MS FILE
 *
 * FILE holds prebuilt requests as loadgen.c has them, sent in turn over CONNECTIONS connections. A client that is refused
 * with 503 backs off as SDKs do (a random time of PAUSE_MS on average), but is the costliest of its kind: it sends the
 * rest of its body first, as botocore does with a body of bytes. One whose connection is closed comes back.
 * Prints one line of JSON: what was accepted and refused, what went wrong otherwise, and latencies in microseconds, from
 * the first byte sent to the arrival of the answer by the kernel's clock: with a thousand connections this program is
 * itself some ten milliseconds late.
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 8192, REQUESTS_MAX = 1 << 20, EVENTS_MAX = 256, SLICE = 128 << 10 };

typedef struct {
    int fd;
    const char *out;
    size_t out_left, head_len;
    char head[HEAD_MAX];
    int is_answered, closes, is_waiting;
    double started_s, arrived_s, resumes_s; /* resumes_s: when a refused client asks again */
} conn;

typedef struct {
    float us[REQUESTS_MAX];
    size_t count;
} series;

static struct sockaddr_in address = {.sin_family = AF_INET};
static const char *requests[4096];
static size_t sizes[4096], request_count, next_request;
static uint64_t broken, others;
static series accepted, refused;
static int epoll_fd;
static double end_s, pause_s;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* the kernel's clock for what it received */
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
    const char *base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (base == MAP_FAILED) die("mmap");
    for (size_t at = 0; at + 8 <= (size_t)st.st_size && request_count < 4096; request_count++) {
        uint64_t size;
        memcpy(&size, base + at, 8);
        requests[request_count] = base + at + 8;
        sizes[request_count] = (size_t)size;
        at += 8 + (size_t)size;
    }
    if (!request_count) die("no requests");
}

static void connect_anew(conn *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e)) die("epoll_ctl");
}

static void begin(conn *c) {
    size_t i = next_request++ % request_count;
    c->out = requests[i], c->out_left = sizes[i];
    c->head_len = 0, c->is_answered = c->closes = c->is_waiting = 0, c->resumes_s = 0;
    c->started_s = 0;
}

static void note(series *to, const conn *c) {
    if (to->count < REQUESTS_MAX) to->us[to->count++] = (float)((c->arrived_s - c->started_s) * 1e6);
}

/* The answer, once it is whole; false: there is more to come. */
static int take_answer(conn *c) {
    char *end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
    if (!end) return 0;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    size_t body = length ? strtoul(length + 17, NULL, 10) : 0;
    if (!c->is_answered) {
        int status = atoi(c->head + 9);
        note(status == 503 ? &refused : &accepted, c);
        others += status != 200 && status != 503;
        c->resumes_s = status == 503 ? now_s() + pause_s * (0.5 + drand48()) : 0;
        c->closes = memmem(c->head, (size_t)(end - c->head), "connection: close", 17) != NULL;
        c->is_answered = 1;
    }
    return c->head_len >= (size_t)(end + 4 - c->head) + body;
}

static void watch(conn *c, int op) {
    struct epoll_event e = {.events = EPOLLIN | (c->out_left ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(epoll_fd, op, c->fd, &e)) die("epoll_ctl");
}

/* As recv, and when the last of it came. */
static ssize_t receive(conn *c) {
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec to = {c->head + c->head_len, HEAD_MAX - 1 - c->head_len};
    struct msghdr message = {.msg_iov = &to, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(c->fd, &message, 0);
    struct cmsghdr *found = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    struct timespec t;
    if (found) memcpy(&t, CMSG_DATA(found), sizeof t);
    c->arrived_s = found ? (double)t.tv_sec + (double)t.tv_nsec * 1e-9 : now_s();
    return got;
}

/* Answers first, then a slice of the body: a client that is told early shall see it early. False: the connection ended. */
static int move(conn *c) {
    ssize_t got = receive(c);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return 0;
    c->head_len += got > 0 ? (size_t)got : 0;
    c->head[c->head_len] = 0;
    if (!c->out_left) return 1;
    if (!c->started_s) c->started_s = now_s();
    ssize_t sent = send(c->fd, c->out, c->out_left < SLICE ? c->out_left : SLICE, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return 0;
    c->out += sent > 0 ? sent : 0;
    c->out_left -= sent > 0 ? (size_t)sent : 0;
    if (!c->out_left) watch(c, EPOLL_CTL_MOD);
    return 1;
}

static void run(conn *c) {
    int goes_on = move(c), is_whole = take_answer(c);
    if (!goes_on) {
        broken += !c->is_answered;
        connect_anew(c);
    } else if (!is_whole || c->out_left) {
        return; /* also when it was refused early: the rest goes out all the same */
    } else if (c->closes) {
        connect_anew(c);
    }
    if (c->resumes_s > now_s()) {
        c->is_waiting = 1;
        c->out_left = c->head_len = 0;
    } else {
        begin(c);
    }
    watch(c, EPOLL_CTL_MOD);
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double percentile(series *of, double part) {
    if (!of->count) return 0;
    qsort(of->us, of->count, sizeof *of->us, by_value);
    return of->us[(size_t)((double)(of->count - 1) * part)];
}

int main(int argc, char **argv) {
    if (argc != 7 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
        fprintf(stderr, "usage: overload HOST PORT CONNECTIONS SECONDS PAUSE_MS FILE\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    size_t connections = strtoul(argv[3], NULL, 10);
    pause_s = atof(argv[5]) / 1e3;
    load(argv[6]);
    epoll_fd = epoll_create1(0);
    conn *conns = calloc(connections, sizeof *conns);
    if (!conns || epoll_fd < 0) die("set-up");
    double began_s = now_s();
    end_s = began_s + atof(argv[4]);
    for (size_t i = 0; i < connections; i++) {
        conns[i].fd = -1;
        connect_anew(&conns[i]);
    }
    for (size_t i = 0; i < connections; i++)
        begin(&conns[i]);
    struct epoll_event events[EVENTS_MAX];
    for (double looked_s = 0; now_s() < end_s;) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 2);
        for (int i = 0; i < n; i++) {
            conn *c = events[i].data.ptr;
            if (!c->is_waiting) run(c);
        }
        if (now_s() - looked_s < 2e-3) continue;
        looked_s = now_s();
        for (size_t i = 0; i < connections; i++)
            if (conns[i].is_waiting && looked_s >= conns[i].resumes_s) {
                begin(&conns[i]);
                watch(&conns[i], EPOLL_CTL_MOD);
            }
    }
    printf("{\"wall_s\": %.3f, \"accepted\": %zu, \"refused\": %zu, \"broken\": %llu, \"others\": %llu, "
           "\"p50_us\": %.0f, \"p99_us\": %.0f, \"refused_p50_us\": %.0f, \"refused_p99_us\": %.0f}\n",
           now_s() - began_s, accepted.count, refused.count, (unsigned long long)broken, (unsigned long long)others,
           percentile(&accepted, 0.5), percentile(&accepted, 0.99), percentile(&refused, 0.5),
           percentile(&refused, 0.99));
    return 0;
}
