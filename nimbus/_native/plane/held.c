/* See held.h. */
#include "plane/held.h"

#include <stdlib.h>

#include "plane/put.h"

bool nb_held_is_worth(const nb_conn *conn, const nb_request *request) {
    return conn->worker->plane->settings.takes_uploads && nb_span_is(request->method, "PUT") &&
           (request->chunked || request->content_length >= NB_HELD_SIZE_BYTES_MIN);
}

/* A ticket names its worker: number * NB_WORKERS_MAX + index. */
void nb_held_offer(nb_conn *conn) {
    nb_worker *worker = conn->worker;
    conn->ticket = ++worker->ticket_number * NB_WORKERS_MAX + worker->index;
    nb_list_append(&worker->held, &conn->held);
}

void nb_held_withdraw(nb_conn *conn) { nb_list_remove(&conn->held); }

/* Those that wait longest stand first, and they are few: an application that does not answer takes no more requests. */
static nb_conn *find(nb_worker *worker, uint64_t ticket) {
    for (nb_link *link = worker->held.next; link != &worker->held; link = link->next)
        if (NB_OF(link, nb_conn, held)->ticket == ticket)
            return NB_OF(link, nb_conn, held);
    return NULL;
}

static nb_fault begin(nb_conn *conn, nb_upload *upload) {
    if (!conn)
        return NB_FAULT_CUT;
    if (!nb_upload_enter(upload))
        return NB_FAULT_BUSY;
    if (!nb_relay_leave_body(conn))
        return NB_FAULT_CUT;
    nb_held_withdraw(conn);
    return nb_put_begin_held(conn, upload) ? NB_FAULT_NONE : NB_FAULT_INTERNAL;
}

static void deliver(nb_worker *worker, nb_message *message) {
    nb_upload *upload = NB_OF(message, nb_upload, message);
    upload->message.deliver = nb_put_delivered;
    upload->fault = begin(find(worker, upload->ticket), upload);
    if (!upload->fault)
        return;
    upload->conn = NULL;
    nb_upload_ask(upload, NB_WANT_REFUSAL);
}

nb_upload *nb_held_upload_new(nb_plane *plane, uint64_t ticket) {
    unsigned index = (unsigned)(ticket % NB_WORKERS_MAX);
    nb_upload *upload = index < plane->worker_count ? calloc(1, sizeof *upload) : NULL;
    if (!upload)
        return NULL;
    upload->plane = plane;
    upload->worker = &plane->workers[index];
    upload->message.deliver = deliver;
    upload->ticket = ticket;
    upload->is_held = true;
    upload->fd = upload->given = upload->algorithm = -1;
    upload->size = UINT64_MAX;
    return upload;
}

void nb_held_take(nb_upload *upload) { nb_worker_post(upload->worker, &upload->message); }
