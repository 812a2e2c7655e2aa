/* See get_head.h. The members of an answer are those of nimbus/s3/operations/objects.py, in both ways of serving. */
#include "plane/get_head.h"

#include <string.h>
#include <time.h>

#include "plane/conditions.h"
#include "plane/range.h"

/* --- what is decided ----------------------------------------------------------------------------------- */

static const nb_header *find(const nb_request *request, const char *name) {
    return nb_header_find(request->headers, request->headers_count, name);
}

static bool wants_checksums(const nb_request *request, const nb_read_query *query) {
    const nb_header *mode = find(request, "x-amz-checksum-mode");
    return query->wants_checksums || (mode && nb_span_is_nocase(mode->value, "enabled"));
}

/* What is said in two places may be said in two ways. */
static bool is_said_twice(const nb_request *request, const nb_read_query *query) {
    return (query->part_number && find(request, "range")) ||
           (query->wants_checksums && find(request, "x-amz-checksum-mode"));
}

/* One part, or the whole of an object without parts, which is its own first one. */
static bool plan_part(const nb_entry *entry, unsigned number, nb_read_plan *plan) {
    if (!entry->parts_count) {
        plan->has_range = entry->size > 0;
        plan->status = plan->has_range ? 206 : 200;
        return number == 1;
    }
    for (size_t i = 0; i < entry->parts_count; i++) {
        const nb_part *part = &entry->parts[i];
        if (part->number != number)
            continue;
        plan->status = 206;
        plan->part = part;
        plan->start = part->start, plan->end = part->end;
        plan->checksum_headers = part->checksum_headers;
        plan->has_range = true;
        return part->start < part->end; /* an empty one has no range that could be said */
    }
    return false;
}

static bool plan_range(nb_span range, const nb_entry *entry, nb_read_plan *plan) {
    plan->status = 206;
    plan->has_range = true;
    if (nb_range_parse(range, entry->size, &plan->start, &plan->end) != NB_RANGE_OK)
        return false;
    if (plan->end - plan->start < entry->size)
        plan->checksum_headers.len = 0;
    return true;
}

bool nb_read_plan_make(const nb_request *request, const nb_read_query *query, const nb_entry *entry, nb_read_plan *plan) {
    const nb_header *range = find(request, "range"), *if_range = find(request, "if-range");
    if (is_said_twice(request, query))
        return false;
    nb_validators validators = {entry->etag, entry->modified_http, entry->modified_s};
    nb_condition_verdict verdict =
        nb_conditions_check(request->headers, request->headers_count, &validators, (int64_t)time(NULL));
    if (verdict == NB_CONDITION_OTHER)
        return false;
    *plan = (nb_read_plan){.status = verdict == NB_CONDITION_UNMODIFIED ? 304 : 200, .end = entry->size};
    if (plan->status == 304)
        return true;
    plan->sends_body = request->method.len == 3; /* not HEAD */
    plan->checksum_headers = entry->checksum_headers;
    bool is_there = true;
    if (query->part_number)
        is_there = plan_part(entry, query->part_number, plan);
    else if (range && !(if_range && !nb_if_range_holds(if_range->value, &validators)))
        is_there = plan_range(range->value, entry, plan);
    if (!wants_checksums(request, query))
        plan->checksum_headers.len = 0;
    return is_there;
}

bool nb_read_is_plain(const nb_request *request, const nb_read_query *query) {
    for (size_t i = 0; i < request->headers_count; i++) {
        nb_span name = request->headers[i].name;
        if (name.len > 3 && memcmp(name.ptr, "if-", 3) == 0)
            return false;
    }
    return !is_said_twice(request, query);
}

/* --- how it is written --------------------------------------------------------------------------------- */

static bool put_number_line(nb_buffer *out, const char *before, uint64_t number) {
    return nb_buffer_put_text(out, before) && nb_buffer_put_decimal(out, number) && nb_buffer_put_text(out, "\r\n");
}

static bool put_content_range(nb_buffer *out, const nb_read_plan *plan, uint64_t size) {
    return nb_buffer_put_text(out, "content-range: bytes ") && nb_buffer_put_decimal(out, plan->start) &&
           nb_buffer_put_text(out, "-") && nb_buffer_put_decimal(out, plan->end - 1) && put_number_line(out, "/", size);
}

/* Which of the headers that a request may replace this line is; NB_OVERRIDES: none. */
static int override_of(nb_span line) {
    int which = 0;
    for (; which < NB_OVERRIDES; which++) {
        const char *name = nb_override_header(which);
        size_t len = strlen(name);
        if (line.len > len && memcmp(line.ptr, name, len) == 0 && line.ptr[len] == ':')
            break;
    }
    return which;
}

/* Those before `end`, as far as they are asked for and not there yet. */
static bool put_overrides(nb_buffer *out, const nb_read_query *query, int *next, int end) {
    for (; *next < end; ++*next) {
        nb_span value = query->overrides[*next];
        if (!value.len)
            continue;
        if (!nb_buffer_put_text(out, nb_override_header(*next)) || !nb_buffer_put_text(out, ": ") ||
            nb_buffer_room(out) < value.len)
            return false;
        out->end += nb_query_decode(value, out->data + out->end);
        if (!nb_buffer_put_text(out, "\r\n"))
            return false;
    }
    return true;
}

/* The object's own headers, with these in their places: both come in the order of the enumeration, which is that of the
 * model, and an object has a content-type at least, so that what precedes and what follows them is known. */
static bool put_overridden(nb_buffer *out, nb_span headers, const nb_read_query *query) {
    int next = 0;
    while (headers.len) {
        const char *end = memchr(headers.ptr, '\n', headers.len);
        nb_span line = {headers.ptr, end ? (size_t)(end + 1 - headers.ptr) : headers.len};
        int which = override_of(line);
        bool is_before = which == NB_OVERRIDES && next == 0;
        bool is_replaced = which < NB_OVERRIDES && query->overrides[which].len;
        if (!is_before && !put_overrides(out, query, &next, is_replaced ? which + 1 : which))
            return false;
        if (!is_replaced && !nb_buffer_put_span(out, line))
            return false;
        headers.ptr += line.len, headers.len -= line.len;
    }
    return put_overrides(out, query, &next, NB_OVERRIDES);
}

static bool put_object_headers(nb_buffer *out, const nb_entry *entry, const nb_read_query *query, int status) {
    if (status == 304)
        return nb_buffer_put_span(out, entry->headers_304);
    return query->has_overrides ? put_overridden(out, entry->headers, query) : nb_buffer_put_span(out, entry->headers);
}

static const char *status_line(int status) {
    switch (status) {
    case 200: return "HTTP/1.1 200 OK\r\nx-amz-request-id: ";
    case 206: return "HTTP/1.1 206 Partial Content\r\nx-amz-request-id: ";
    default: return "HTTP/1.1 304 Not Modified\r\nx-amz-request-id: ";
    }
}

bool nb_read_put_head(nb_conn *conn, const nb_entry *entry, const nb_read_query *query, const nb_read_plan *plan) {
    nb_worker *worker = conn->worker;
    nb_buffer *out = conn->out;
    char request_id[NB_REQUEST_ID_SIZE_BYTES + 1];
    nb_worker_request_id(worker, request_id);
    bool fits = nb_buffer_put_text(out, status_line(plan->status)) &&
                nb_buffer_put(out, request_id, NB_REQUEST_ID_SIZE_BYTES) && nb_buffer_put_text(out, "\r\n") &&
                nb_buffer_put_text(out, worker->plane->settings.common_headers) &&
                put_object_headers(out, entry, query, plan->status) && nb_buffer_put_span(out, plan->checksum_headers);
    if (query->part_number && plan->status != 304 && entry->parts_count)
        fits = fits && put_number_line(out, "x-amz-mp-parts-count: ", entry->parts_count);
    if (plan->has_range)
        fits = fits && put_content_range(out, plan, entry->size);
    return fits && nb_conn_put_head_end(conn, plan->status == 304 ? -1 : (int64_t)(plan->end - plan->start));
}
