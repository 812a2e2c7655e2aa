/* GetObject and HeadObject of ordinary objects, answered without Python.
 *
 * Only what is right in every respect is answered here: a plain request, a good signature, the bucket's owner, an object
 * that the cache knows or a look-up finds, conditions that hold, a range that is there. Everything else, and so every
 * refusal, is the embedded server's, which is why both ways say the same words. A request that has to wait is parsed
 * again when it goes on: its head stays where it was, and parsing costs less than keeping the result.
 */
#include "plane/get.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plane/auth.h"
#include "plane/conditions.h"
#include "plane/disk.h"
#include "plane/lookup.h"
#include "plane/range.h"
#include "plane/reply.h"
#include "plane/target.h"

enum { DISK_WAITS_MAX = 3 }; /* then the pages do not stay: let Python read them */

/* --- is it for us? ------------------------------------------------------------------------------------- */

/* The x-amz-* headers whose meaning is known here; any other may change what the request asks. */
static bool is_known_amz(nb_span name) {
    static const char *const NAMES[] = {"x-amz-date", "x-amz-content-sha256", "x-amz-checksum-mode",
                                        "x-amz-user-agent"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (nb_span_is(name, NAMES[i]))
            return true;
    return false;
}

static bool has_plain_headers(const nb_request *request) {
    for (size_t i = 0; i < request->headers_count; i++) {
        nb_span name = request->headers[i].name;
        if (name.len >= 6 && memcmp(name.ptr, "x-amz-", 6) == 0 && !is_known_amz(name))
            return false;
        if (nb_span_is(name, "expect"))
            return false;
    }
    return nb_header_count(request->headers, request->headers_count, "range") <= 1 &&
           nb_header_count(request->headers, request->headers_count, "if-range") <= 1 &&
           nb_header_count(request->headers, request->headers_count, "authorization") <= 1 &&
           nb_header_count(request->headers, request->headers_count, "x-amz-checksum-mode") <= 1;
}

static bool is_plain_payload(nb_sigv4_payload payload) {
    return payload == NB_PAYLOAD_ABSENT || payload == NB_PAYLOAD_UNSIGNED || payload == NB_PAYLOAD_SHA256;
}

/* --- the answer's head --------------------------------------------------------------------------------- */

/* What is decided of an answer before anything of it is written. */
typedef struct plan {
    int status;
    uint64_t start, end;
    bool sends_body, sends_checksums;
} plan;

static bool put_head(nb_conn *conn, const nb_entry *entry, const plan *plan) {
    nb_worker *worker = conn->worker;
    nb_buffer *out = conn->out;
    char text[256];
    char request_id[NB_REQUEST_ID_SIZE_BYTES + 1];
    nb_worker_request_id(worker, request_id);
    snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\nx-amz-request-id: %s\r\ndate: %s\r\n", plan->status,
             nb_status_reason(plan->status), request_id, nb_worker_date(worker));
    bool fits = nb_buffer_put_text(out, text) && nb_buffer_put_text(out, worker->plane->settings.common_headers) &&
                nb_buffer_put_span(out, plan->status == 304 ? entry->headers_304 : entry->headers);
    if (plan->sends_checksums)
        fits = fits && nb_buffer_put_span(out, entry->checksum_headers);
    text[0] = 0;
    if (plan->status == 206)
        snprintf(text, sizeof text, "content-range: bytes %llu-%llu/%llu\r\ncontent-length: %llu\r\n",
                 (unsigned long long)plan->start, (unsigned long long)plan->end - 1, (unsigned long long)entry->size,
                 (unsigned long long)(plan->end - plan->start));
    else if (plan->status == 200)
        snprintf(text, sizeof text, "content-length: %llu\r\n", (unsigned long long)entry->size);
    return fits && nb_buffer_put_text(out, text) &&
           nb_buffer_put_text(out, conn->keep_alive ? "\r\n" : "connection: close\r\n\r\n");
}

static bool wants_checksums(const nb_request *request) {
    const nb_header *mode = nb_header_find(request->headers, request->headers_count, "x-amz-checksum-mode");
    return mode && nb_span_is_nocase(mode->value, "enabled");
}

/* Status and span; false when the embedded server must answer. */
static bool make_plan(const nb_request *request, const nb_entry *entry, plan *plan) {
    nb_validators validators = {entry->etag, entry->modified_http, entry->modified_s};
    nb_condition_verdict verdict = nb_conditions_check(request->headers, request->headers_count, &validators);
    if (verdict == NB_CONDITION_OTHER)
        return false;
    *plan = (struct plan){0};
    plan->status = verdict == NB_CONDITION_UNMODIFIED ? 304 : 200;
    plan->end = entry->size;
    plan->sends_body = plan->status == 200 && nb_span_is(request->method, "GET");
    plan->sends_checksums = plan->status == 200 && wants_checksums(request);
    const nb_header *range = nb_header_find(request->headers, request->headers_count, "range");
    const nb_header *if_range = nb_header_find(request->headers, request->headers_count, "if-range");
    if (plan->status != 200 || !range || (if_range && !nb_if_range_holds(if_range->value, &validators)))
        return true;
    plan->status = 206;
    plan->sends_checksums = false;
    return nb_range_parse(range->value, entry->size, &plan->start, &plan->end) == NB_RANGE_OK;
}

/* --- the answer's bytes -------------------------------------------------------------------------------- */

static bool is_small(const nb_entry *entry, const plan *plan) {
    return plan->end - plan->start <= NB_SMALL_SIZE_BYTES_MAX && entry->extents_count == 1;
}

/* Have the first bytes verified, the small ones already behind the head. */
static nb_status prepare(nb_conn *conn, nb_entry *entry, const plan *plan) {
    if (!plan->sends_body || plan->start == plan->end)
        return NB_OK;
    if (!is_small(entry, plan)) {
        uint64_t ready_end;
        return nb_entry_ready(entry, plan->start, plan->start + 1, conn->worker->scratch, false, &ready_end);
    }
    size_t size = plan->end - plan->start;
    if (nb_buffer_room(conn->out) < size)
        return NB_FAILED;
    nb_status status = nb_entry_read(entry, plan->start, plan->end, conn->out->data + conn->out->end, false);
    if (status == NB_OK)
        conn->out->end += size;
    return status;
}

/* The lead goes out with the head, the rest by sendfile. */
static bool begin_body(nb_conn *conn, nb_entry *entry, const plan *plan) {
    nb_buffer *out = conn->out;
    size_t lead = nb_entry_lead(entry, plan->start, plan->end, out->data + out->end, nb_buffer_room(out));
    out->end += lead;
    return nb_reply_begin(conn, entry, plan->start + lead, plan->end);
}

static nb_get_verdict wait_for_disk(nb_conn *conn, nb_entry *entry, const plan *plan) {
    if (++conn->disk_waits > DISK_WAITS_MAX || !nb_disk_ask(conn, entry, plan->start, plan->end))
        return NB_GET_RELAY;
    conn->awaited = entry;
    return NB_GET_WAITING;
}

/* Answer from the entry, which is ours to give back. RELAY leaves the connection as it was. */
static nb_get_verdict answer(nb_conn *conn, const nb_request *request, nb_entry *entry) {
    nb_cache *cache = &conn->worker->plane->cache;
    plan plan;
    nb_span user = conn->user->user_id;
    bool may = user.len == entry->owner.len && memcmp(user.ptr, entry->owner.ptr, user.len) == 0;
    nb_get_verdict verdict = NB_GET_RELAY;
    if (may && make_plan(request, entry, &plan) && (conn->out = nb_buffer_take(&conn->worker->buffers)) &&
        put_head(conn, entry, &plan)) {
        nb_status status = prepare(conn, entry, &plan);
        if (status == NB_OK)
            verdict = NB_GET_ANSWERED;
        else if (status == NB_WOULD_BLOCK && (verdict = wait_for_disk(conn, entry, &plan)) == NB_GET_WAITING)
            entry = NULL; /* kept as conn->awaited */
    }
    if (verdict == NB_GET_ANSWERED) {
        conn->status = plan.status;
        conn->phase = NB_PHASE_REPLY;
        nb_conn_set_timer(conn, NB_TIMER_PACE);
        bool has_more = plan.sends_body && plan.start < plan.end && !is_small(entry, &plan);
        if (has_more && begin_body(conn, entry, &plan))
            return verdict;
        if (has_more)
            verdict = NB_GET_RELAY;
    }
    if (verdict != NB_GET_ANSWERED)
        nb_buffer_give(&conn->worker->buffers, &conn->out);
    if (entry)
        nb_cache_give(cache, entry);
    return verdict;
}

nb_get_verdict nb_get_begin(nb_conn *conn, const nb_request *request) {
    nb_worker *worker = conn->worker;
    nb_plane *plane = worker->plane;
    bool is_get = nb_span_is(request->method, "GET");
    if (!plane->settings.serves_objects || !(is_get || nb_span_is(request->method, "HEAD")))
        return NB_GET_RELAY;
    if (!conn->body.done || !has_plain_headers(request) ||
        !nb_query_is_plain(request->query, is_get ? "GetObject" : "HeadObject"))
        return NB_GET_RELAY;
    nb_target target;
    if (nb_target_parse(request->path, request->host, &plane->settings.domains, &target) != NB_TARGET_OBJECT)
        return NB_GET_RELAY;
    conn->user = nb_auth_verify(&worker->auth, request, (int64_t)time(NULL));
    if (!conn->user || !is_plain_payload(worker->auth.claim.payload))
        return NB_GET_RELAY;
    conn->operation = is_get ? NB_OP_GET : NB_OP_HEAD;
    conn->disk_waits = 0;
    nb_conn_hold_ring(conn);
    nb_entry *entry = nb_cache_find(&plane->cache, nb_target_name(&target));
    if (entry)
        return answer(conn, request, entry);
    return nb_lookup_ask(conn, &target) ? NB_GET_WAITING : NB_GET_RELAY;
}

/* --- going on ------------------------------------------------------------------------------------------ */

static void go_on(nb_conn *conn, nb_entry *entry) {
    const nb_request *request = nb_conn_reparse(conn);
    nb_get_verdict verdict = NB_GET_RELAY;
    if (entry)
        verdict = answer(conn, request, entry);
    if (verdict == NB_GET_RELAY && nb_relay_begin(conn, request) == NB_STEP_CLOSE) {
        nb_conn_close(conn);
        return;
    }
    if (verdict != NB_GET_WAITING)
        nb_conn_wake(conn);
}

void nb_lookup_done(nb_conn *conn, nb_entry *entry) { go_on(conn, entry); }

void nb_disk_done(nb_conn *conn, nb_status status) {
    if (conn->reply) { /* the head is out */
        if (status != NB_OK) {
            nb_conn_close(conn);
            return;
        }
        conn->phase = NB_PHASE_REPLY;
        nb_conn_wake(conn);
        return;
    }
    nb_entry *entry = conn->awaited;
    conn->awaited = NULL;
    if (status != NB_OK) {
        nb_cache_give(&conn->worker->plane->cache, entry);
        entry = NULL;
    }
    go_on(conn, entry);
}
