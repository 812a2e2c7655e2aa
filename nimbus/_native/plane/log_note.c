/* See log_note.h. */
#define _GNU_SOURCE /* memmem */
#include "plane/log_note.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plane/log.h"
#include "plane/target.h"

enum { REQUEST_ID_SIZE_BYTES_MAX = 32, ERROR_SIZE_BYTES_MAX = 64 };

struct nb_log_note {
    int64_t first_byte_us; /* 0: none yet */
    uint64_t moved_before; /* of conn->moved_bytes: what was no answer yet, and the answer's head */
    size_t bucket_size, request_id_size, error_size, request_size;
    char bucket[NB_BUCKET_SIZE_BYTES_MAX];
    char request_id[REQUEST_ID_SIZE_BYTES_MAX];
    char error[ERROR_SIZE_BYTES_MAX];
    size_t relayed_size; /* of the middle of the line, in the embedded server's words */
    char *relayed;
    char request[]; /* the end of the line */
};

static int64_t clock_us(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static nb_span header_of(const nb_request *request, const char *name) {
    const nb_header *header = nb_header_find(request->headers, request->headers_count, name);
    return header ? header->value : (nb_span){"", 0};
}

void nb_log_begin(nb_conn *conn, const nb_request *request) {
    nb_plane *plane = conn->worker->plane;
    nb_log_request head = {.key = {"", 0}};
    nb_target target;
    target.bucket_len = 0;
    char text[NB_LOG_REQUEST_SIZE_BYTES_MAX];
    if (!plane->settings.log)
        return;
    if (request) {
        head.method = request->method;
        head.target = request->target;
        head.user_agent = header_of(request, "user-agent");
        head.referer = header_of(request, "referer");
        if (nb_target_parse(request->path, request->host, &plane->settings.domains, &target) == NB_TARGET_OBJECT)
            head.key = (nb_span){target.name + target.bucket_len + 1, target.key_len};
        else
            target.bucket_len = 0;
    }
    size_t size = nb_log_write_request(&head, text);
    nb_log_note *note = malloc(sizeof *note + size);
    if (!note)
        return; /* memory is short: a line less */
    memset(note, 0, sizeof *note);
    note->bucket_size = target.bucket_len;
    memcpy(note->bucket, target.name, target.bucket_len);
    note->request_size = size;
    memcpy(note->request, text, size);
    conn->note = note;
}

void nb_log_answer(nb_conn *conn, const nb_response *answer) {
    nb_log_note *note = conn->note;
    const nb_header *told = note ? nb_header_find(answer->headers, answer->headers_count, "x-nimbus-log") : NULL;
    if (!told || note->relayed || told->value.len > NB_LOG_SUBJECT_SIZE_BYTES_MAX)
        return;
    note->relayed = malloc(told->value.len);
    if (!note->relayed)
        return;
    memcpy(note->relayed, told->value.ptr, told->value.len);
    note->relayed_size = told->value.len;
}

void nb_log_error(nb_conn *conn, const char *code) {
    nb_log_note *note = conn->note;
    if (!note)
        return;
    size_t size = strlen(code);
    note->error_size = size < sizeof note->error ? size : sizeof note->error;
    memcpy(note->error, code, note->error_size);
}

/* What stands between two marks, as far as there is room for it. */
static size_t take_between(nb_span text, const char *before, const char *after, char *out, size_t room) {
    const char *from = memmem(text.ptr, text.len, before, strlen(before));
    if (!from)
        return 0;
    from += strlen(before);
    size_t left = (size_t)(text.ptr + text.len - from);
    const char *to = memmem(from, left, after, strlen(after));
    size_t size = to ? (size_t)(to - from) : 0;
    if (size > room)
        size = room;
    memcpy(out, from, size);
    return size;
}

void nb_log_send(nb_conn *conn, nb_span bytes) {
    static const char INVITATION[] = "HTTP/1.1 100 ", END[] = "\r\n\r\n";
    nb_log_note *note = conn->note;
    if (!note || note->first_byte_us || !conn->status)
        return;
    note->first_byte_us = clock_us(CLOCK_MONOTONIC);
    nb_span rest = bytes;
    for (bool is_interim = true; is_interim;) {
        const char *end = memmem(rest.ptr, rest.len, END, sizeof END - 1);
        if (!end)
            return; /* a head is sent in one piece */
        is_interim = rest.len >= sizeof INVITATION && memcmp(rest.ptr, INVITATION, sizeof INVITATION - 1) == 0;
        nb_span head = {rest.ptr, (size_t)(end - rest.ptr) + sizeof END - 1};
        rest = (nb_span){head.ptr + head.len, rest.len - head.len};
        note->request_id_size =
            take_between(head, "x-amz-request-id: ", "\r\n", note->request_id, sizeof note->request_id);
    }
    note->moved_before = conn->moved_bytes + (bytes.len - rest.len);
    if (conn->status >= 400 && !note->error_size)
        note->error_size = take_between(rest, "<Code>", "</Code>", note->error, sizeof note->error);
}

static nb_span span_of_text(const char *text) { return (nb_span){text, strlen(text)}; }

static size_t write_subject(const nb_conn *conn, char *out) {
    static const char *const OPERATIONS[NB_OPERATIONS] = {
        [NB_OP_RELAYED] = "", [NB_OP_GET] = "GetObject",   [NB_OP_HEAD] = "HeadObject",
        [NB_OP_PUT] = "PutObject", [NB_OP_PART] = "UploadPart", [NB_OP_REFUSED] = "",
    };
    const nb_log_note *note = conn->note;
    nb_log_subject subject = {
        .operation = span_of_text(OPERATIONS[conn->operation]),
        .error = {note->error, note->error_size},
        .bucket = {note->bucket, note->bucket_size},
    };
    if (conn->user && conn->ring) { /* it stands in a ring that we hold */
        subject.user = conn->user->user_id;
        subject.access_key = conn->user->access_key;
    }
    return nb_log_write_subject(&subject, out);
}

static size_t write_outcome(const nb_conn *conn, int64_t now_us, char *out) {
    const nb_log_note *note = conn->note;
    nb_log_outcome outcome = {
        .began_us = clock_us(CLOCK_REALTIME) - (now_us - conn->started_us),
        .peer = span_of_text(conn->peer),
        .request_id = {note->request_id, note->request_id_size},
        .via = conn->operation == NB_OP_RELAYED ? "relayed" : "native",
        .status = note->first_byte_us ? conn->status : 0,
        .received_bytes = nb_body_taken(&conn->body),
        .sent_bytes = conn->moved_bytes > note->moved_before ? conn->moved_bytes - note->moved_before : 0,
        .first_byte_us = note->first_byte_us ? note->first_byte_us - conn->started_us : -1,
        .total_us = now_us - conn->started_us,
    };
    return nb_log_write_outcome(&outcome, out);
}

void nb_log_end(nb_conn *conn, int64_t now_us) {
    nb_log_note *note = conn->note;
    char outcome[NB_LOG_OUTCOME_SIZE_BYTES_MAX], subject[NB_LOG_SUBJECT_SIZE_BYTES_MAX];
    nb_span begin = {outcome, write_outcome(conn, now_us, outcome)};
    nb_span middle = {note->relayed, note->relayed_size};
    if (!note->relayed)
        middle = (nb_span){subject, write_subject(conn, subject)};
    nb_worker *worker = conn->worker;
    nb_log_put(worker->plane->settings.log, NB_LOG_FIRST_WORKER + worker->index, begin, middle,
               (nb_span){note->request, note->request_size});
    conn->note = NULL;
    free(note->relayed);
    free(note);
}
