/* The whole native plane without Python, for the sanitizers: every thread that the real server has, and a few clients.
 *
 *   stress_plane FOLDER SECONDS
 *
 * Clients send signed GETs, ranges and PUTs, relayed requests, some of which are answered with tickets, rubbish, and
 * connections that are cut anywhere. A crowd that asks nothing, begins heads or takes no answer keeps the plane full, so
 * that it throws out and waits for readers. Beside them look-ups are answered, objects change, the key ring and the cache
 * are replaced, spare memory is given back, readers are asked for and the counters are read, all at once. Every answer
 * that a client waits for must come and be right; ThreadSanitizer, AddressSanitizer and the leak checker say the rest.
 * Exits with 0 when nothing was found.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#include "blocks.h"
#include "plane/counters.h"
#include "plane/held.h"
#include "plane/log.h"
#include "plane/lookup.h"
#include "plane/plane.h"
#include "plane/notice.h"
#include "plane/put.h"
#include "plane/readers.h"
#include "plane/relay.h"
#include "plane/trim.h"
#include "plane/upload.h"

enum { CLIENTS = 6, KEYS = 24, FRAME_SIZE = 5000, BLOB_BLOCKS = 3, LARGE_SIZE = 700000,
       FRAMES = 64, CROWD = 40, CONNECTIONS_MAX = 32, PATIENCE_MS = 1000 };

nb_plane *plane;
struct sockaddr_in address;
static atomic_bool is_over;
static atomic_ulong answered, relayed, hits, stored, offered, settled, ordered, surveyed;
static atomic_uint serving;
static char folder[512], segment_path[600], blob_path[600];
static char frame[FRAME_SIZE], *blob;
static uint64_t frame_hash, blob_size, blob_table_hash;

/* --- objects ------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *first, size_t first_size, const void *second, size_t second_size,
                       const void *third, size_t third_size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    MUST(fd >= 0 && write(fd, first, first_size) == (ssize_t)first_size);
    MUST(write(fd, second, second_size) == (ssize_t)second_size);
    MUST(write(fd, third, third_size) == (ssize_t)third_size && fsync(fd) == 0);
    close(fd);
}

static void make_objects(void) {
    memset(frame, 'f', sizeof frame);
    frame_hash = nb_hash(frame, sizeof frame);
    snprintf(segment_path, sizeof segment_path, "%s/segment", folder);
    write_file(segment_path, frame, sizeof frame, "", 0, "", 0);
    blob_size = BLOB_BLOCKS * NB_BLOCK_SIZE - 7;
    MUST((blob = malloc(blob_size)));
    memset(blob, 'b', blob_size);
    uint64_t table[BLOB_BLOCKS];
    for (size_t i = 0; i < BLOB_BLOCKS; i++) {
        size_t at = i * NB_BLOCK_SIZE, size = blob_size - at < NB_BLOCK_SIZE ? blob_size - at : NB_BLOCK_SIZE;
        table[i] = nb_hash(blob + at, size);
    }
    blob_table_hash = nb_hash(table, sizeof table);
    nb_blob_footer footer;
    nb_blob_footer_encode(&footer, blob_size, blob_table_hash);
    snprintf(blob_path, sizeof blob_path, "%s/blob", folder);
    write_file(blob_path, blob, blob_size, table, sizeof table, &footer, sizeof footer);
}

/* --- what Python does ---------------------------------------------------------------------------------- */

static void fill(nb_lookup *lookup) {
    static const nb_span HEADERS = {"etag: \"x\"\r\n", 11};
    nb_span name = nb_target_name(&lookup->target);
    char kind = name.ptr[name.len - 1];
    bool is_blob = kind == 'b';
    nb_file *file;
    MUST((is_blob ? nb_files_take_blob(&plane->cache.files, blob_path, blob_size, blob_table_hash, true, &file)
                  : nb_files_take_segment(&plane->cache.files, segment_path, true, &file)) == NB_OK);
    nb_fill found = {.name = name, .owner = {"alice", 5}, .etag = {"x", 1}, .headers = HEADERS, .headers_304 = HEADERS,
                     .extents_count = kind == 's' ? FRAMES : 1};
    uint64_t size = is_blob ? blob_size : FRAME_SIZE;
    found.size = size * found.extents_count;
    for (size_t i = 0; i < found.extents_count; i++) {
        found.extents[i] = (nb_extent){.file = file, .length = size, .hash = frame_hash};
        if (i)
            MUST(nb_files_take_segment(&plane->cache.files, segment_path, true, &found.extents[i].file) == NB_OK);
    }
    nb_lookup_fill(plane, lookup, &found);
}

static void miss(nb_lookup *lookup) {
    nb_fill missing = {.kind = NB_ENTRY_MISSING, .name = nb_target_name(&lookup->target), .owner = {"alice", 5}};
    nb_lookup_fill(plane, lookup, &missing);
}

static void *answer_lookups(void *unused) {
    unsigned state = 1;
    for (;;) {
        nb_item *item = nb_queue_take(&plane->lookups, 16, 50);
        if (!item && atomic_load(&is_over))
            return unused;
        for (nb_item *next; item; item = next) {
            next = item->next;
            nb_lookup *lookup = NB_OF(item, nb_lookup, item);
            if (chance(&state, 20) == 0)
                nb_lookup_decline(lookup);
            else if (chance(&state, 10) == 0)
                miss(lookup);
            else
                fill(lookup);
        }
    }
}

static void answer_upload(nb_upload *upload, unsigned *state) {
    static const nb_span REFUSAL = {"content-length: 0\r\n\r\n", 21};
    char path[600];
    if (upload->is_held) {
        close(upload->fd);
        atomic_fetch_add(&ordered, upload->want == NB_WANT_COMMIT);
        nb_upload_free(upload);
        return;
    }
    switch (upload->want) {
    case NB_WANT_ADMISSION:
        nb_intake_learn(plane->intake, (nb_span){upload->target.name, upload->target.bucket_len}, upload->user->user_id);
        snprintf(path, sizeof path, "%s/upload-XXXXXX", folder);
        if (chance(state, 10) == 0)
            nb_upload_decline(upload);
        else if (nb_upload_is_small(upload))
            nb_upload_admit(upload, -1, NB_CRC64NVME);
        else
            nb_upload_admit(upload, mkostemp(path, O_CLOEXEC), NB_CRC64NVME);
        return;
    case NB_WANT_DISCARD:
        close(upload->fd);
        nb_upload_free(upload);
        return;
    default:
        if (upload->fd >= 0)
            close(upload->fd);
        upload->fd = -1;
        if (upload->want == NB_WANT_COMMIT)
            nb_upload_succeed_all(&upload, 1, 100);
        else
            nb_upload_refuse(upload, 400, REFUSAL);
    }
}

static void *answer_uploads(void *unused) {
    unsigned state = 2;
    for (;;) {
        nb_item *item = nb_upload_take(plane, 32, 50);
        if (!item && atomic_load(&is_over))
            return unused;
        for (nb_item *next; item; item = next) {
            next = item->next;
            answer_upload(NB_OF(item, nb_upload, item), &state);
        }
    }
}

static nb_keyring *new_ring(void) {
    nb_key keys[] = {{{"ALICE", 5}, {"secret", 6}, {"alice", 5}}, {{"BOB", 3}, {"other", 5}, {"bob", 3}}};
    nb_keyring *ring = nb_keyring_new(keys, 2, (nb_span){"us-east-1", 9});
    MUST(ring);
    return ring;
}

static void collect_tickets(void) {
    nb_settled done[8];
    for (size_t count; (count = nb_tickets_collect(&plane->tickets, done, 8));)
        atomic_fetch_add(&settled, count);
}

/* The cache keeps its bounds at every moment. */
static void check_cache(void) {
    for (size_t i = 0; i < NB_CACHE_SHARDS; i++) {
        nb_shard *shard = &plane->cache.shards[i];
        pthread_mutex_lock(&shard->lock);
        MUST(shard->kept_bytes <= plane->cache.shard_kept_bytes_max);
        MUST((shard->kept_bytes == 0) == nb_list_is_empty(&shard->kept));
        pthread_mutex_unlock(&shard->lock);
    }
}

/* What is read next comes from the disk. */
static void forget_pages(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    close(fd);
}

/* What a server does now and then for memory, disks and readers. */
static void keep_house(unsigned what) {
    nb_frame_files files;
    switch (what) {
    case 6: nb_plane_trim(plane); break;
    case 7: nb_trim_heap(); break;
    case 8: nb_intake_ask_first(plane->intake, true); break;
    case 9:
    case 10: nb_intake_ask_first(plane->intake, false); break;
    case 11: MUST(chmod(blob_path, 0600) == 0 && chmod(segment_path, 0600) == 0); break; /* its ctime ends trust */
    case 12:
    case 13:
    case 14:
    case 15:
        if (!nb_readers_ask(plane, what == 12 ? 0 : 100, &files))
            break;
        atomic_fetch_add(&surveyed, 1);
        while (files.count) {
            MUST(strcmp(files.paths[--files.count], segment_path) == 0);
            free(files.paths[files.count]);
        }
        break;
    case 16: forget_pages(blob_path); break;
    case 17: forget_pages(segment_path); break;
    }
}

static void *change_things(void *unused) {
    unsigned state = 3;
    char name[32];
    while (!atomic_load(&is_over)) {
        snprintf(name, sizeof name, "bucket%ck%u", 0, chance(&state, KEYS));
        nb_span span = {name, 7 + strlen(name + 7)};
        nb_cache_begin(&plane->cache, span);
        if (chance(&state, 2))
            sched_yield();
        nb_cache_end(&plane->cache, span);
        unsigned what = chance(&state, 200);
        if (what == 0)
            nb_cache_clear(&plane->cache);
        else if (what == 1) {
            nb_cache_begin_bucket(&plane->cache, (nb_span){name, 6});
            nb_cache_end_bucket(&plane->cache, (nb_span){name, 6});
        }
        else if (what < 6)
            nb_plane_set_ring(plane, new_ring());
        keep_house(what);
        nb_counters counters;
        nb_plane_counters(plane, &counters);
        MUST(counters.connections < 1000);
        collect_tickets();
        check_cache();
        if (what == 5)
            nb_log_reopen(plane->settings.log);
        usleep(200);
    }
    return unused;
}

/* --- the embedded server ------------------------------------------------------------------------------- */

static uint64_t offer(uint64_t at, uint64_t end) {
    nb_fill fill = {.name = {"", 0}, .extents_count = 1};
    nb_file *file;
    MUST(nb_files_take_blob(&plane->cache.files, blob_path, blob_size, blob_table_hash, true, &file) == NB_OK);
    fill.extents[0] = (nb_extent){.file = file, .length = blob_size};
    nb_offer offered_bytes = {.at = at, .end = end, .body_size_bytes = blob_size};
    uint64_t number = 0;
    MUST(nb_relay_offer(plane, &fill, &offered_bytes, true, &number) == NB_OK);
    atomic_fetch_add(&offered, 1);
    return number;
}

/* Answers with the blob in two tickets, or breaks off in all the ways there are. */
static bool send_tickets(int fd, unsigned *state) {
    unsigned how = chance(state, 8);
    uint64_t middle = how == 0 ? blob_size : 1 + chance(state, (unsigned)blob_size - 2);
    uint64_t first = offer(0, middle), second = how == 0 ? 0 : offer(middle, blob_size);
    char answer[256];
    int size = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\netag: x\r\nx-nimbus-send: %016llx\r\n",
                        (unsigned long long)first);
    if (how == 0)
        size += sprintf(answer + size, "content-length: 0\r\n\r\n");
    else
        size += sprintf(answer + size, "transfer-encoding: chunked\r\n\r\n10\r\n%016llx\r\n0\r\n\r\n",
                        (unsigned long long)second);
    nb_offer back;
    if (how == 1 && nb_tickets_withdraw(&plane->tickets, second, &back))
        nb_cache_give(&plane->cache, back.entry);
    if (how == 2)
        size -= 12; /* within the second ticket */
    return send(fd, answer, (size_t)size, MSG_NOSIGNAL) == size && how != 2;
}

/* Have a body that is held back taken in, sometimes twice, or ask for it; the answer does not wait for either. */
static void order(int fd, const char *ticket, size_t size, unsigned *state) {
    char path[600];
    unsigned which = chance(state, 8);
    if (which == 0)
        send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
    for (unsigned i = which < 2 ? 0 : which < 4 ? 2 : 1; i; i--) {
        nb_upload *upload = nb_held_upload_new(plane, strtoull(ticket, NULL, 10));
        snprintf(path, sizeof path, "%s/upload-XXXXXX", folder);
        MUST(upload && (upload->fd = mkostemp(path, O_CLOEXEC)) >= 0);
        upload->algorithm = NB_CRC32C;
        upload->has_size = size != 0;
        upload->size = size ? size : UINT64_MAX;
        upload->size_max = LARGE_SIZE / 2;
        nb_held_take(upload);
    }
}

/* Answers every head with two bytes or with tickets, and reads off whatever body comes before the next. */
static void *serve_one(void *argument) {
    int fd = (int)(intptr_t)argument;
    unsigned state = 1000 + (unsigned)fd;
    static const char ANSWER[] = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    char bytes[65536];
    size_t have = 0;
    for (ssize_t count; (count = recv(fd, bytes + have, sizeof bytes - 1 - have, 0)) > 0;) {
        bytes[have += (size_t)count] = 0;
        char *end = strstr(bytes, "\r\n\r\n");
        if (!end)
            continue;
        char *length = strstr(bytes, "content-length: "), *chunked = strstr(bytes, "transfer-encoding: chunked");
        size_t left = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
        size_t size = (size_t)(end - bytes) + 4;
        char *held = strstr(bytes, "x-nimbus-body: ");
        if (held && held < end) {
            order(fd, held + 15, left, &state);
            send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL);
            break;
        }
        if ((chunked && chunked < end) || left > have - size)
            break; /* refuse without reading: the plane copes */
        bool wants_tickets = strncmp(bytes, "GET /sent ", 10) == 0;
        have -= size + left;
        memmove(bytes, bytes + size + left, have);
        if (wants_tickets ? !send_tickets(fd, &state) : send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0)
            break;
    }
    close(fd);
    atomic_fetch_sub(&serving, 1);
    return NULL;
}

static void *serve(void *argument) {
    int listener = (int)(intptr_t)argument;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        pthread_t thread;
        atomic_fetch_add(&serving, 1);
        MUST(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0);
        pthread_detach(thread);
    }
    return NULL;
}

/* --- clients ------------------------------------------------------------------------------------------- */

/* Reads one answer; its status, 0 when the connection ended. The body must be `content`, repeated, or "ok". */
static int read_answer(int fd, char content, bool *keeps) {
    char head[4096], rest[65536];
    size_t have = 0;
    char *end;
    do {
        ssize_t count = recv(fd, head + have, 1, 0);
        if (count <= 0 || have == sizeof head - 2)
            return 0;
        head[have += (size_t)count] = 0;
    } while (!(end = strstr(head, "\r\n\r\n")));
    int status = atoi(head + 9);
    char *length = strcasestr(head, "content-length: ");
    size_t left = length ? strtoul(length + 16, NULL, 10) : 0;
    *keeps = strcasestr(head, "connection: close") == NULL;
    bool is_object = strcasestr(head, "etag: ") != NULL;
    while (left) {
        ssize_t count = recv(fd, rest, left < sizeof rest ? left : sizeof rest, 0);
        if (count <= 0)
            return 0;
        for (ssize_t i = 0; is_object && i < count; i++)
            MUST(rest[i] == content);
        left -= (size_t)count;
    }
    atomic_fetch_add(&answered, 1);
    atomic_fetch_add(is_object ? &hits : &relayed, status < 300);
    return status;
}

static int get(int fd, unsigned *state, bool *keeps) {
    static const char *const KINDS[] = {"b", "s", "", ""};
    char line[128], head[HEAD_SIZE_MAX];
    const char *kind = KINDS[chance(state, 4)];
    bool is_blob = *kind == 'b', is_hot = !*kind && chance(state, 3);
    snprintf(line, sizeof line, "GET /bucket/k%u%s", is_hot ? 0 : chance(state, KEYS), kind);
    size_t size = sign(head, line, chance(state, 3) ? "" : "range: bytes=100-3999\r\n");
    return send_all(fd, head, size) ? read_answer(fd, is_blob ? 'b' : 'f', keeps) : 0;
}

static int put(int fd, unsigned *state, bool *keeps) {
    char line[128], headers[64], head[HEAD_SIZE_MAX];
    size_t body_size = chance(state, 8) ? chance(state, 20000) : LARGE_SIZE;
    snprintf(line, sizeof line, "PUT /bucket/put%u", chance(state, KEYS));
    snprintf(headers, sizeof headers, "content-length: %zu\r\n", body_size);
    size_t size = sign(head, line, headers), sent = chance(state, 10) ? body_size : body_size / 2;
    char *body = calloc(1, body_size + 1);
    bool is_sent = send_all(fd, head, size) && send_all(fd, body, sent);
    free(body);
    if (sent < body_size)
        return 0; /* cut it */
    int status = is_sent ? read_answer(fd, 0, keeps) : 0;
    atomic_fetch_add(&stored, status == 200);
    return status;
}

/* One that only the application understands. It is answered before its body is in, and the connection may go on. */
static int put_held(int fd, unsigned *state, bool *keeps) {
    static const char CHUNK[] = "8000\r\n";
    char head[256], *body = calloc(1, LARGE_SIZE);
    size_t body_size = 1 + chance(state, LARGE_SIZE - 1), sent = chance(state, 5) ? body_size : body_size / 2;
    bool is_chunked = chance(state, 3) == 0, is_sent = true;
    int size = snprintf(head, sizeof head, "PUT /bucket/held HTTP/1.1\r\nhost: h\r\n%s: %.0zu%s\r\n\r\n",
                        is_chunked ? "transfer-encoding" : "content-length", is_chunked ? 0 : body_size,
                        is_chunked ? "chunked" : "");
    is_sent = send_all(fd, head, (size_t)size);
    if (!is_chunked)
        is_sent = is_sent && send_all(fd, body, sent);
    for (size_t at = 0; is_chunked && is_sent && at < sent; at += 0x8000)
        is_sent = send_all(fd, CHUNK, 6) && send_all(fd, body, 0x8000) && send_all(fd, "\r\n", 2);
    if (is_chunked && sent == body_size)
        is_sent = is_sent && send_all(fd, "0\r\n\r\n", 5);
    free(body);
    return sent == body_size && is_sent ? read_answer(fd, 0, keeps) : 0;
}

static int disturb(int fd, unsigned *state, bool *keeps) {
    static const char *const RUBBISH[] = {"GET / HTTP/1.1\n\n", "\x16\x03\x01\r\n", "GET /bucket/k1 HT", "PUT / HTTP/1.1\r\n\r\n",
                                          "PUT /x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"};
    static const char PLAIN[] = "GET /other HTTP/1.1\r\nhost: h\r\n\r\n";
    unsigned which = chance(state, 10);
    if (which >= 5)
        return send_all(fd, PLAIN, sizeof PLAIN - 1) ? read_answer(fd, 0, keeps) : 0;
    send_all(fd, RUBBISH[which], strlen(RUBBISH[which]));
    if (chance(state, 2)) {
        struct linger at_once = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    return 0;
}

static int get_sent(int fd, unsigned *state, bool *keeps) {
    static const char LINE[] = "GET /sent HTTP/1.1\r\nhost: h\r\n\r\n";
    bool is_sent = send_all(fd, LINE, sizeof LINE - 1);
    return is_sent && chance(state, 10) ? read_answer(fd, 'b', keeps) : 0; /* or leave in the middle */
}

static void *be_a_client(void *argument) {
    unsigned state = 100 + (unsigned)(uintptr_t)argument;
    static int (*const DO[])(int, unsigned *, bool *) = {get, get, get, put, put_held, disturb, get_sent};
    while (!atomic_load(&is_over)) {
        int fd = open_connection(0);
        bool keeps = true;
        for (unsigned i = chance(&state, 30); i && keeps && !atomic_load(&is_over); i--)
            if (!DO[chance(&state, sizeof DO / sizeof *DO)](fd, &state, &keeps))
                break;
        close(fd);
    }
    return NULL;
}

/* One that is here and does nothing: before a head, within one, or before its answer, of which it takes a little. */
static int loiter(unsigned *state) {
    char line[64], head[HEAD_SIZE_MAX], byte;
    unsigned how = chance(state, 4);
    int fd = open_connection(how < 2 ? 0 : 4096);
    snprintf(line, sizeof line, "GET /bucket/k%u%s", chance(state, KEYS), how == 2 ? "b" : "s");
    size_t size = sign(head, line, "");
    if (how && send_all(fd, head, how == 1 ? size / 2 : size) && how > 1)
        recv(fd, &byte, 1, MSG_DONTWAIT);
    return fd;
}

static void *be_a_crowd(void *unused) {
    int fds[CROWD];
    unsigned state = 4;
    for (size_t i = 0; i < CROWD; i++)
        fds[i] = -1;
    for (size_t at = 0; !atomic_load(&is_over); at = (at + 1) % CROWD) {
        if (fds[at] >= 0)
            close(fds[at]);
        fds[at] = loiter(&state);
        usleep(PATIENCE_MS * 1200 / CROWD);
    }
    for (size_t i = 0; i < CROWD; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return unused;
}

/* --- all together -------------------------------------------------------------------------------------- */

static int listen_behind(nb_settings *settings) {
    struct sockaddr_un behind = {.sun_family = AF_UNIX};
    snprintf(settings->upstream_path, sizeof settings->upstream_path, "%s/behind", folder);
    snprintf(behind.sun_path, sizeof behind.sun_path, "%.100s/behind", folder);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(listener, (struct sockaddr *)&behind, sizeof behind) == 0 && listen(listener, 128) == 0);
    return listener;
}

static int listen_front(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int queue = 131072; /* of those whom it accepts: what a slow reader does not take is not with the kernel */
    MUST(setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &queue, sizeof queue) == 0);
    MUST(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 128) == 0);
    MUST(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    return listener;
}

int main(int count, char **arguments) {
    MUST(count == 3);
    nb_notice_set_level(NB_NOTICE_ERROR + 1); /* standard error is for what is found here */
    snprintf(folder, sizeof folder, "%s", arguments[1]);
    make_objects();
    nb_settings settings = {.threads = 3, .connections_max = CONNECTIONS_MAX, .requests_max = 500,
                            .header_timeout_ms = PATIENCE_MS, .body_rate_bytes_per_s = 100000, .body_grace_ms = PATIENCE_MS / 2,
                            .upload_memory_bytes_max = 1 << 20,
                            .serves_objects = true, .takes_uploads = true, .disk_threads = 2,
                            .cache_size_bytes = 2 << 20, .cache_files_max = 1};
    memset(settings.token, 'a', sizeof settings.token - 1);
    int behind = listen_behind(&settings), front = listen_front();
    settings.listener = front;
    char log_path[600];
    snprintf(log_path, sizeof log_path, "%s/access.log", folder);
    MUST((settings.log = nb_log_open(log_path, NB_LOG_FIRST_WORKER + settings.threads)));
    const char *error = NULL;
    MUST((plane = nb_plane_new(&settings, &error)));
    nb_plane_set_ring(plane, new_ring());
    MUST(nb_plane_start(plane, &error));
    void *(*const ROLES[])(void *) = {answer_lookups, answer_uploads, change_things, be_a_crowd};
    enum { ROLES_COUNT = sizeof ROLES / sizeof *ROLES };
    pthread_t roles[ROLES_COUNT], clients[CLIENTS], server;
    MUST(pthread_create(&server, NULL, serve, (void *)(intptr_t)behind) == 0);
    for (size_t i = 0; i < CLIENTS; i++)
        MUST(pthread_create(&clients[i], NULL, be_a_client, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < ROLES_COUNT; i++)
        MUST(pthread_create(&roles[i], NULL, ROLES[i], NULL) == 0);
    sleep((unsigned)atoi(arguments[2]));
    nb_plane_drain(plane); /* in the middle of it all */
    usleep(100000);
    atomic_store(&is_over, true);
    nb_plane_stop(plane);
    shutdown(front, SHUT_RDWR);
    close(front);
    for (size_t i = 0; i < ROLES_COUNT; i++)
        pthread_join(roles[i], NULL);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    shutdown(behind, SHUT_RDWR);
    pthread_join(server, NULL);
    close(behind);
    while (atomic_load(&serving))
        usleep(1000);
    collect_tickets();
    for (size_t i = 0; i < NB_TICKETS_MAX; i++)
        MUST(plane->tickets.tickets[i].state == NB_TICKET_FREE || plane->tickets.tickets[i].state == NB_TICKET_OFFERED);
    nb_counters counters;
    nb_plane_counters(plane, &counters);
    MUST(counters.connections == 0 && counters.in_flight == 0);
    nb_plane_free(plane);
    MUST(nb_log_count(settings.log).written_lines > 0);
    nb_log_close(settings.log);
    free(blob);
    printf("%lu answers, %lu objects, %lu relayed, %lu stored, %lu ordered, %lu of %lu tickets, %lu evicted, "
           "%lu timed out, %lu surveys\n", answered, hits, relayed, stored, ordered, settled, offered, counters.evicted,
           counters.timed_out, surveyed);
    MUST(hits && relayed && stored && ordered && settled && counters.evicted && counters.timed_out && surveyed);
    return 0;
}
