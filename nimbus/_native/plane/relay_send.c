/* Answers whose bytes lie in files: the application names them by tickets (tickets.h), and we send them.
 *
 * Such an answer says `x-nimbus-send` with a ticket. That of a body in one run has no body of its own, and the server
 * behind is free for others at once. A longer one is followed by more tickets as its body, one to a chunk, each
 * taken when the bytes before it are out: that is how the application is held to our pace, and opens few files at
 * a time. The peer sees an ordinary answer of a known length.
 *
 * Must always hold: the tickets bring exactly what the head has promised, or the connection is cut; each that was
 * taken is settled.
 */
#include <stdlib.h>
#include <string.h>

#include "plane/relay.h"
#include "plane/reply.h"

nb_status nb_relay_offer(nb_plane *plane, const nb_fill *fill, nb_offer *offer, bool wait, uint64_t *number) {
    offer->entry = nb_cache_make(&plane->cache, fill);
    if (!offer->entry)
        return NB_FAILED;
    char *scratch = malloc(NB_BLOCK_SIZE);
    uint64_t ready_end;
    nb_seen seen = {0};
    nb_verifier by = {&plane->cache.files.device, scratch, wait, &seen};
    nb_status status = scratch ? nb_entry_ready(&by, offer->entry, offer->at, offer->at + 1, &ready_end) : NB_FAILED;
    free(scratch);
    if (status == NB_OK && !(*number = nb_tickets_offer(&plane->tickets, offer)))
        status = NB_FAILED;
    if (status != NB_OK)
        nb_cache_give(&plane->cache, offer->entry);
    return status;
}

static bool take(nb_conn *conn, nb_span ticket, uint64_t *number, nb_offer *offer) {
    *number = nb_ticket_parse(ticket.ptr, ticket.len);
    return *number && nb_tickets_take(&conn->worker->plane->tickets, *number, offer);
}

static nb_step refuse_ticket(nb_conn *conn, uint64_t number, const nb_offer *offer) {
    nb_cache_give(&conn->worker->plane->cache, offer->entry);
    nb_tickets_settle(&conn->worker->plane->tickets, number, 0, false);
    return NB_STEP_CLOSE;
}

/* Send the bytes of a ticket behind what is in conn->out. CLOSE: they are more than is owed. */
static nb_step begin_ticket(nb_conn *conn, uint64_t number, const nb_offer *offer) {
    uint64_t size = offer->end - offer->at;
    if (size > conn->relay->owed_bytes || !nb_reply_begin(conn, offer->entry, offer->at, offer->end, 0))
        return refuse_ticket(conn, number, offer);
    conn->reply->ticket = number;
    conn->relay->owed_bytes -= size;
    conn->phase = NB_PHASE_REPLY;
    return NB_STEP_AGAIN;
}

nb_step nb_relay_begin_send(nb_conn *conn, nb_span ticket, nb_span line, nb_response *answer) {
    nb_relay *relay = conn->relay;
    nb_offer offer;
    uint64_t number;
    if (!take(conn, ticket, &number, &offer))
        return NB_STEP_CLOSE;
    bool is_alone = relay->framing == NB_FRAMED_NONE && offer.end - offer.at == offer.body_size_bytes;
    bool has_more = relay->framing == NB_FRAMED_CHUNKED && offer.end - offer.at < offer.body_size_bytes;
    relay->sends = true;
    relay->owed_bytes = !relay->is_head && (is_alone || has_more) ? offer.body_size_bytes : 0;
    answer->chunked = false;
    answer->content_length = (int64_t)offer.body_size_bytes;
    if (nb_relay_put_answer_head(conn, line, answer) != NB_STEP_AGAIN)
        return refuse_ticket(conn, number, &offer);
    return begin_ticket(conn, number, &offer);
}

/* Add a piece of the answer's body to the ticket, which may come in pieces. False: one chunk has more than a ticket. */
static bool gather(nb_relay *relay, nb_span piece) {
    if (piece.len > sizeof relay->ticket - relay->ticket_filled)
        return false;
    memcpy(relay->ticket + relay->ticket_filled, piece.ptr, piece.len);
    relay->ticket_filled += piece.len;
    return true;
}

nb_step nb_relay_next_ticket(nb_conn *conn) {
    nb_relay *relay = conn->relay;
    nb_span rest = nb_buffer_span(relay->from_up), piece;
    size_t before = rest.len;
    nb_chunked_verdict verdict = nb_chunked_next(&relay->chunked, &rest, &piece);
    bool is_fine = verdict != NB_CHUNKED_BAD && (verdict != NB_CHUNKED_DATA || gather(relay, piece));
    nb_buffer_consume(relay->from_up, before - rest.len);
    relay->answer_done = verdict == NB_CHUNKED_DONE;
    if (!is_fine)
        return NB_STEP_CLOSE;
    if (relay->ticket_filled < sizeof relay->ticket)
        return NB_STEP_AGAIN;
    relay->ticket_filled = 0;
    uint64_t number;
    nb_offer offer;
    bool is_ticket = take(conn, (nb_span){relay->ticket, sizeof relay->ticket}, &number, &offer);
    return is_ticket ? begin_ticket(conn, number, &offer) : NB_STEP_CLOSE;
}

nb_step nb_relay_sent(nb_conn *conn) {
    conn->phase = NB_PHASE_RELAY;
    return NB_STEP_AGAIN;
}
