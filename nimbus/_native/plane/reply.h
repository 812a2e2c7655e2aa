/* Our own answers with bytes of an object in them: verified, then sent without a copy where that pays.
 *
 * Must always hold: no byte of a block leaves before the block matched its hash, now or on the same pages (trust.h); no read
 * that may wait for a disk happens on a worker. Frames of an entry that is out of the cache are copied and verified
 * anew, because a deleted frame's pages may be given back soon (readers.h); blobs are only unlinked, and stay.
 */
#ifndef NIMBUS_PLANE_REPLY_H
#define NIMBUS_PLANE_REPLY_H

#include "blocks.h"
#include "plane/cache.h"
#include "plane/plane.h"

enum {
    NB_SMALL_SIZE_BYTES_MAX = 8192,      /* read and sent in one go: cheaper than sendfile (measured) */
    NB_SENDFILE_SIZE_BYTES_MAX = 1 << 20,
    NB_WINDOW_SIZE_BYTES = 4 << 20,      /* what the disk pool reads before it reports back */
    NB_DEAD_MS_MAX = 1000,               /* a frame is sent from its file for so long after its entry left the cache */
};

struct nb_reply {
    nb_entry *entry;
    uint64_t at, end; /* of the object, half-open: what is still to be sent */
    uint64_t ticket;  /* to be settled when it is over; 0: none */
    uint64_t begun_at;
    uint64_t ready_end; /* up to here the bytes were found ready just now; 0: not looked */
    bool is_unreadable; /* cut off because the bytes cannot be read, or do not match their hash */
    char *copied;     /* of a frame that may go away: sent from here up to copied_end */
    uint64_t copied_at, copied_end;
};

/* Who verifies: with a block to read into, and what he has just seen. */
typedef struct {
    nb_device *device;
    char *scratch;
    bool wait; /* he may block */
    nb_seen *seen;
} nb_verifier;

/* Whether the block of the object at byte `at` can be sent at once. NB_WOULD_BLOCK: the disk pool must look first.
 * On NB_OK *ready_end is where the verified run ends. */
nb_status nb_entry_ready(const nb_verifier *by, nb_entry *entry, uint64_t at, uint64_t end, uint64_t *ready_end);

/* As nb_entry_ready, on a worker, for what is sent in one go. */
nb_status nb_reply_ready(nb_worker *worker, nb_entry *entry, uint64_t at, uint64_t end, uint64_t *ready_end);

/* Verified bytes [at, end) of one extent into out. */
nb_status nb_entry_read(nb_entry *entry, uint64_t at, uint64_t end, char *out, bool wait);

/* What lies between byte `at` and the next page of its file, so that sendfile can begin on a page: its pipe holds
 * sixteen, and one more costs a round of its own (64 KiB then cost twice as much, measured). How many bytes; 0: none,
 * or `end` comes before. And the copy of it; false: it is no longer at hand.
 * REQUIRES: nb_entry_ready has just said that they are. */
size_t nb_entry_lead_size(nb_entry *entry, uint64_t at, uint64_t end);
bool nb_entry_lead(nb_entry *entry, uint64_t at, size_t size, char *out);

/* Take over the entry and send its bytes [at, end) behind what is in conn->out; up to `ready_end`, or 0, they are ready. */
bool nb_reply_begin(nb_conn *conn, nb_entry *entry, uint64_t at, uint64_t end, uint64_t ready_end);
nb_step nb_reply_step(nb_conn *conn);
void nb_reply_end(nb_conn *conn);

/* The bytes that come next cannot be had, for this reason: the connection must close. */
void nb_reply_fail(nb_conn *conn, nb_status status);

/* Copy the frame of a dead entry that is being sent, if one is. Whether no file is needed any more for what comes next. */
bool nb_reply_rescue(nb_conn *conn);

/* Now and then: rescue a frame that is being sent slowly and may go away. False: the connection must close. */
bool nb_reply_tick(nb_conn *conn);

#endif
