/* What the plane refuses by itself: heads that have no one reading, more than the limits allow, and objects that are
 * not there.
 *
 * The words are those of the S3 room, so that a client cannot tell who refused it. After a refusal of the first two
 * kinds the connection ends: either nobody knows where the next request begins, or one connection less is wanted.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "plane/log_note.h"
#include "plane/plane.h"
#include "plane/target.h"

enum {
    RESOURCE_SIZE_BYTES_MAX = 2048,
    ESCAPED_SIZE_BYTES_MAX = 6, /* of one byte */
    ELEMENT_SIZE_BYTES_MAX = ESCAPED_SIZE_BYTES_MAX * NB_KEY_SIZE_BYTES_MAX + 64,
    DOCUMENT_SIZE_BYTES_MAX = ESCAPED_SIZE_BYTES_MAX * RESOURCE_SIZE_BYTES_MAX + ELEMENT_SIZE_BYTES_MAX + 1024,
};

const char *nb_status_reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 417: return "Expectation Failed";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
    }
}

static const char *escape(char c) {
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    default: return NULL;
    }
}

/* As the text of an element, with a zero behind it. REQUIRES: room for six times as much. */
static void put_escaped(nb_span text, char *out) {
    for (size_t i = 0; i < text.len; i++) {
        const char *escaped = escape(text.ptr[i]);
        size_t size = escaped ? strlen(escaped) : 1;
        memcpy(out, escaped ? escaped : &text.ptr[i], size);
        out += size;
    }
    *out = 0;
}

/* Whether XML can hold every character: all but the controls and the two that are none. REQUIRES: it is UTF-8. */
static bool is_writable(nb_span text) {
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ')
            return false;
        if (text.len - i >= 3 && memcmp(text.ptr + i, "\xef\xbf", 2) == 0 && (unsigned char)text.ptr[i + 2] >= 0xbe)
            return false;
    }
    return true;
}

/* The value of x-amz-id-2 among the common headers. */
static nb_span host_id(const nb_worker *worker) {
    static const char NAME[] = "x-amz-id-2: ";
    const char *at = strstr(worker->plane->settings.common_headers, NAME);
    if (!at)
        return (nb_span){"", 0};
    at += sizeof NAME - 1;
    return (nb_span){at, strcspn(at, "\r")};
}

/* `element` is what S3 adds between the message and the resource. The latter is cut when it is long; the parser leaves
 * only printable ASCII in it. */
static int write_document(
    const nb_worker *worker, const char *code, const char *message, const char *element, nb_span resource,
    const char *request_id, char out[DOCUMENT_SIZE_BYTES_MAX]) {
    char escaped[ESCAPED_SIZE_BYTES_MAX * RESOURCE_SIZE_BYTES_MAX + 1];
    nb_span host = host_id(worker);
    if (resource.len > RESOURCE_SIZE_BYTES_MAX)
        resource.len = RESOURCE_SIZE_BYTES_MAX;
    put_escaped(resource, escaped);
    return snprintf(out, DOCUMENT_SIZE_BYTES_MAX,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message>%s"
                    "<Resource>%s</Resource><RequestId>%s</RequestId><HostId>%.*s</HostId></Error>",
                    code, message, element, escaped, request_id, (int)host.len, host.ptr);
}

/* Of a document, or without one in the few words that the embedded server has for what it cannot understand. */
static bool put_head(nb_conn *conn, int status, const char *request_id, int document_size) {
    char line[64], lines[96];
    snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status, nb_status_reason(status));
    if (!document_size)
        return nb_buffer_put_text(conn->out, line) && nb_conn_put_head_end(conn, 0);
    snprintf(lines, sizeof lines, "content-type: application/xml\r\ncontent-length: %d\r\n%s", document_size,
             status == 503 ? "retry-after: 1\r\n" : "");
    return nb_buffer_put_text(conn->out, line) && nb_buffer_put_text(conn->out, "x-amz-request-id: ") &&
           nb_buffer_put_text(conn->out, request_id) && nb_buffer_put_text(conn->out, "\r\n") &&
           nb_buffer_put_text(conn->out, conn->worker->plane->settings.common_headers) &&
           nb_buffer_put_text(conn->out, lines) && nb_conn_put_head_end(conn, -1);
}

/* A whole answer into conn->out, which has room for it. REQUIRES: nothing of what it holds is out. */
static void write_answer(
    nb_conn *conn, int status, const char *code, const char *message, const char *element, nb_span resource) {
    nb_worker *worker = conn->worker;
    char document[DOCUMENT_SIZE_BYTES_MAX] = "", request_id[NB_REQUEST_ID_SIZE_BYTES + 1];
    nb_worker_request_id(worker, request_id);
    int size = *code ? write_document(worker, code, message, element, resource, request_id, document) : 0;
    conn->out->start = conn->out->end = 0;
    bool fits = put_head(conn, status, request_id, size);
    if (!conn->is_head)
        fits = fits && nb_buffer_put(conn->out, document, (size_t)size);
    assert(fits);
    (void)fits;
    nb_conn_mark_body(conn, conn->is_head ? 0 : (size_t)size);
    nb_log_error(conn, code);
    conn->status = status;
    conn->phase = NB_PHASE_REPLY;
    nb_conn_set_timer(conn, NB_TIMER_PACE);
}

static nb_step refuse(
    nb_conn *conn, int status, const char *code, const char *message, const char *element, nb_span resource) {
    if (!conn->out && !(conn->out = nb_buffer_take(&conn->worker->buffers)))
        return NB_STEP_CLOSE;
    if (conn->out->start) /* half an invitation is out; a whole one that is not may be forgotten */
        return NB_STEP_CLOSE;
    write_answer(conn, status, code, message, element, resource);
    return NB_STEP_AGAIN;
}

nb_step nb_conn_refuse(nb_conn *conn, int status, const char *code, const char *message, nb_span resource) {
    conn->keep_alive = false;
    return refuse(conn, status, code, message, "", resource);
}

nb_step nb_conn_slow_down(nb_conn *conn, nb_span resource) {
    nb_count(&conn->worker->metrics.refused, 1);
    conn->keep_alive &= conn->body.drains;
    conn->operation = NB_OP_REFUSED;
    return refuse(conn, 503, "SlowDown", "Please reduce your request rate.", "", resource);
}

bool nb_conn_answer_missing(nb_conn *conn, const nb_request *request) {
    nb_target target;
    if (request->path.len > RESOURCE_SIZE_BYTES_MAX) /* it would be cut */
        return false;
    if (nb_target_parse(request->path, request->host, &conn->worker->plane->settings.domains, &target) !=
        NB_TARGET_OBJECT)
        return false;
    nb_span key = {target.name + target.bucket_len + 1, target.key_len};
    if (!is_writable(key) || !(conn->out = nb_buffer_take(&conn->worker->buffers)))
        return false;
    char escaped[ESCAPED_SIZE_BYTES_MAX * NB_KEY_SIZE_BYTES_MAX + 1], element[ELEMENT_SIZE_BYTES_MAX];
    put_escaped(key, escaped);
    snprintf(element, sizeof element, "<Key>%s</Key>", escaped);
    write_answer(conn, 404, "NoSuchKey", "The specified key does not exist.", element, request->path);
    return true;
}

nb_step nb_conn_refuse_head(nb_conn *conn, ssize_t error) {
    /* Of these three the request line was understood. */
    bool has_line = error == NB_HTTP_NO_HOST || error == NB_HTTP_TWO_HOSTS || error == NB_HTTP_BAD_CODING;
    const nb_request *request = &conn->worker->request;
    nb_span resource = has_line ? request->path : (nb_span){"", 0};
    conn->is_head = has_line && nb_span_is(request->method, "HEAD");
    conn->body = (nb_body){.done = false}; /* where its body would end nobody knows */
    nb_count(&conn->worker->metrics.malformed, 1);
    switch (error) {
    case NB_HTTP_NO_HOST: return nb_conn_refuse(conn, 400, "InvalidRequest", "The Host header is missing.", resource);
    case NB_HTTP_TWO_HOSTS:
        return nb_conn_refuse(conn, 400, "InvalidRequest", "The header host was given more than once.", resource);
    case NB_HTTP_BAD_CODING:
        conn->keep_alive = false;
        return refuse(conn, 501, "NotImplemented",
                      "Of the header Transfer-Encoding only the value chunked is implemented.",
                      "<Header>Transfer-Encoding</Header>", resource);
    case NB_HTTP_BAD_EXPECT: return nb_conn_refuse(conn, 417, "", "", resource);
    default: return nb_conn_refuse(conn, 400, "", "", resource);
    }
}
