/* GetObject and HeadObject of ordinary objects, answered without Python.
 *
 * Only what is right in every respect is answered here: a plain request, a good signature, the bucket's owner, an object
 * that the cache knows or a look-up finds, conditions that hold, a range or part that is there; and, because programs
 * probe for it by the thousand, that there is no such object. Everything else, and so every other refusal, is the
 * embedded server's, which is why both ways say the same words. A request that has to wait is parsed again when it goes
 * on: its head stays where it was, and parsing costs less than keeping the result.
 */
#include "plane/get.h"

#include <string.h>
#include <time.h>

#include "plane/auth.h"
#include "plane/disk.h"
#include "plane/get_head.h"
#include "plane/kept.h"
#include "plane/lookup.h"
#include "plane/reply.h"
#include "plane/target.h"

enum { DISK_WAITS_MAX = 3 }; /* then the pages do not stay: let Python read them */

/* --- is it for us? ------------------------------------------------------------------------------------- */

/* What SDKs send whatever they ask: that for C++, which Arrow has within, its version of the interface, that for Java
 * that it would take an MD5 behind the body, which no answer of ours announces. */
static bool changes_nothing(nb_span name) {
    static const char *const NAMES[] = {"x-amz-date", "x-amz-content-sha256", "x-amz-user-agent", "x-amz-api-version",
                                        "x-amz-te"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (nb_span_is(name, NAMES[i]))
            return true;
    return false;
}

/* Nothing that may change what the request asks: no unknown x-amz-* header, none of these twice. */
static bool has_plain_headers(const nb_request *request) {
    unsigned ranges = 0, if_ranges = 0, authorizations = 0, checksum_modes = 0;
    for (size_t i = 0; i < request->headers_count; i++) {
        nb_span name = request->headers[i].name;
        if (nb_span_is(name, "expect"))
            return false;
        ranges += nb_span_is(name, "range");
        if_ranges += nb_span_is(name, "if-range");
        authorizations += nb_span_is(name, "authorization");
        if (name.len < 6 || memcmp(name.ptr, "x-amz-", 6) != 0)
            continue;
        bool is_mode = nb_span_is(name, "x-amz-checksum-mode");
        checksum_modes += is_mode;
        if (!is_mode && !changes_nothing(name))
            return false;
    }
    return ranges <= 1 && if_ranges <= 1 && authorizations <= 1 && checksum_modes <= 1;
}

static bool is_plain_payload(nb_sigv4_payload payload) {
    return payload == NB_PAYLOAD_ABSENT || payload == NB_PAYLOAD_UNSIGNED || payload == NB_PAYLOAD_SHA256;
}

/* --- the answer's bytes -------------------------------------------------------------------------------- */

static bool is_small(const nb_entry *entry, const nb_read_plan *plan) {
    return plan->end - plan->start <= NB_SMALL_SIZE_BYTES_MAX && entry->extents_count == 1;
}

/* Whether they may be gone before they are sent: from now on nobody who frees frames waits for us (readers.h). Small ones
 * are copied before they are verified. */
static bool may_vanish(const nb_entry *entry, const nb_read_plan *plan) {
    if (!atomic_load(&entry->dead_since_ms) || !plan->sends_body || is_small(entry, plan))
        return false;
    for (size_t i = 0; i < entry->extents_count; i++)
        if (!entry->extents[i].file->table)
            return true;
    return false;
}

/* Have the first bytes verified, up to *ready_end, the small ones already behind the head. */
static nb_status prepare(nb_conn *conn, nb_entry *entry, const nb_read_plan *plan, uint64_t *ready_end) {
    if (!plan->sends_body || plan->start == plan->end)
        return NB_OK;
    if (!is_small(entry, plan))
        return nb_reply_ready(conn->worker, entry, plan->start, plan->end, ready_end);
    size_t size = plan->end - plan->start;
    if (nb_buffer_room(conn->out) < size)
        return NB_FAILED;
    char *out = conn->out->data + conn->out->end;
    nb_status status = NB_OK;
    if (!nb_kept_copy(entry, plan->start, plan->end, out)) {
        status = nb_entry_read(entry, plan->start, plan->end, out, false);
        if (status == NB_OK && size == entry->size && nb_kept_wants(entry))
            nb_kept_offer(&conn->worker->plane->cache, entry, (nb_span){out, size});
    }
    if (status == NB_OK)
        conn->out->end += size;
    return status;
}

/* What goes out with the head, so that sendfile begins on a page. How many bytes; 0 is fine. */
static size_t put_lead(nb_conn *conn, nb_entry *entry, const nb_read_plan *plan) {
    nb_buffer *out = conn->out;
    char *at = out->data + out->end;
    size_t size = nb_entry_lead_size(entry, plan->start, plan->end);
    if (size == 0 || size > nb_buffer_room(out))
        return 0;
    if (!nb_kept_copy(entry, plan->start, plan->start + size, at)) {
        bool keep = plan->start == 0 && nb_kept_wants(entry);
        if (keep ? nb_entry_read(entry, 0, size, at, false) != NB_OK : !nb_entry_lead(entry, plan->start, size, at))
            return 0;
        if (keep)
            nb_kept_offer(&conn->worker->plane->cache, entry, (nb_span){at, size});
    }
    out->end += size;
    return size;
}

/* The lead goes out with the head, the rest by sendfile. Takes over the entry. */
static bool begin_body(nb_conn *conn, nb_entry **entry, const nb_read_plan *plan, uint64_t ready_end) {
    size_t lead = put_lead(conn, *entry, plan);
    if (!nb_reply_begin(conn, *entry, plan->start + lead, plan->end, ready_end))
        return false;
    *entry = NULL;
    return true;
}

/* Takes over the entry. */
static nb_get_verdict wait_for_disk(nb_conn *conn, nb_entry **entry, const nb_read_plan *plan) {
    if (++conn->disk_waits > DISK_WAITS_MAX || !nb_disk_ask(conn, *entry, plan->start, plan->end))
        return NB_GET_RELAY;
    conn->awaited = *entry;
    *entry = NULL;
    return NB_GET_WAITING;
}

/* The entry stays the caller's unless it is taken over, and is NULL then. */
static nb_get_verdict answer_object(
    nb_conn *conn, const nb_request *request, const nb_read_query *query, nb_entry **entry) {
    nb_read_plan plan;
    if (!nb_read_plan_make(request, query, *entry, &plan) || !(conn->out = nb_buffer_take(&conn->worker->buffers)) ||
        !nb_read_put_head(conn, *entry, query, &plan))
        return NB_GET_RELAY;
    if (may_vanish(*entry, &plan))
        return NB_GET_RELAY;
    size_t head_size = nb_buffer_used(conn->out);
    uint64_t ready_end = 0;
    nb_status status = prepare(conn, *entry, &plan, &ready_end);
    if (status == NB_WOULD_BLOCK)
        return wait_for_disk(conn, entry, &plan);
    bool has_more = plan.sends_body && plan.start < plan.end && !is_small(*entry, &plan);
    if (status != NB_OK || (has_more && !begin_body(conn, entry, &plan, ready_end)))
        return NB_GET_RELAY;
    size_t copied = nb_buffer_used(conn->out) - head_size;
    nb_conn_mark_body(conn, copied);
    nb_count(&conn->worker->metrics.read_bytes, copied);
    conn->status = plan.status;
    conn->phase = NB_PHASE_REPLY;
    nb_conn_set_timer(conn, NB_TIMER_PACE);
    return NB_GET_ANSWERED;
}

static nb_get_verdict answer_missing(nb_conn *conn, const nb_request *request, const nb_read_query *query) {
    bool is_answered = nb_read_is_plain(request, query) && nb_conn_answer_missing(conn, request);
    return is_answered ? NB_GET_ANSWERED : NB_GET_RELAY;
}

/* Answer from the entry, which is ours to give back. RELAY leaves the connection as it was. */
static nb_get_verdict answer(nb_conn *conn, const nb_request *request, const nb_read_query *query, nb_entry *entry) {
    nb_span user = conn->user->user_id;
    bool may = user.len == entry->owner.len && memcmp(user.ptr, entry->owner.ptr, user.len) == 0;
    nb_get_verdict verdict = NB_GET_RELAY;
    if (may && entry->kind == NB_ENTRY_MISSING)
        verdict = answer_missing(conn, request, query);
    else if (may)
        verdict = answer_object(conn, request, query, &entry);
    if (verdict != NB_GET_ANSWERED)
        nb_buffer_give(&conn->worker->buffers, &conn->out);
    if (entry)
        nb_cache_give(&conn->worker->plane->cache, entry);
    return verdict;
}

static const char *operation_of(const nb_request *request) {
    return nb_span_is(request->method, "GET") ? "GetObject" : "HeadObject";
}

nb_get_verdict nb_get_begin(nb_conn *conn, const nb_request *request) {
    nb_worker *worker = conn->worker;
    nb_plane *plane = worker->plane;
    bool is_get = nb_span_is(request->method, "GET");
    if (!plane->settings.serves_objects || !(is_get || nb_span_is(request->method, "HEAD")))
        return NB_GET_RELAY;
    nb_read_query query;
    if (!conn->body.done || !has_plain_headers(request) || !nb_query_read(request->query, operation_of(request), &query))
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
        return answer(conn, request, &query, entry);
    return nb_lookup_ask(conn, &target) ? NB_GET_WAITING : NB_GET_RELAY;
}

/* --- going on ------------------------------------------------------------------------------------------ */

static void go_on(nb_conn *conn, nb_entry *entry) {
    const nb_request *request = nb_conn_reparse(conn);
    nb_read_query query;
    nb_get_verdict verdict = NB_GET_RELAY;
    if (entry && nb_query_read(request->query, operation_of(request), &query)) /* as it was before */
        verdict = answer(conn, request, &query, entry);
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
            nb_reply_fail(conn, status);
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
