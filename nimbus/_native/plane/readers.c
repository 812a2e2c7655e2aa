/* See readers.h. */
#include "plane/readers.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plane/reply.h"

typedef struct survey survey;
typedef struct {
    nb_message message;
    survey *survey;
} question;

/* Freed by whoever lets go of it last: a worker may answer after nobody waits any more. */
struct survey {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    unsigned users, open;
    bool is_incomplete;
    nb_frame_files files;
    question questions[];
};

static void note(survey *asked, const nb_file *file) {
    nb_frame_files *files = &asked->files;
    pthread_mutex_lock(&asked->lock);
    char *path = files->count < NB_FRAME_FILES_MAX ? strdup(file->path) : NULL;
    if (path)
        files->paths[files->count++] = path;
    else
        asked->is_incomplete = true;
    pthread_mutex_unlock(&asked->lock);
}

/* The frames that this answer still needs, but the one at hand if it is copied. */
static void look_at(survey *asked, nb_conn *conn) {
    const nb_reply *reply = conn->reply;
    const nb_entry *entry = reply->entry;
    if (!atomic_load(&entry->dead_since_ms))
        return; /* in the cache, so that its object is there still; or of a ticket, whose object is held */
    bool is_at_hand_kept = nb_reply_rescue(conn);
    for (size_t i = 0; i < entry->extents_count; i++) {
        const nb_extent *extent = &entry->extents[i];
        bool is_wanted = extent->at < reply->end && reply->at < extent->at + extent->length;
        bool is_at_hand = extent->at <= reply->at;
        if (is_wanted && !extent->file->table && !(is_at_hand && is_at_hand_kept))
            note(asked, extent->file);
    }
}

static void free_files(nb_frame_files *files) {
    while (files->count)
        free(files->paths[--files->count]);
}

/* Holds the lock, which is no more afterwards. */
static void let_go(survey *asked) {
    bool is_last = --asked->users == 0;
    pthread_mutex_unlock(&asked->lock);
    if (!is_last)
        return;
    free_files(&asked->files);
    pthread_cond_destroy(&asked->answered);
    pthread_mutex_destroy(&asked->lock);
    free(asked);
}

static void deliver(nb_worker *worker, nb_message *message) {
    survey *asked = NB_OF(message, question, message)->survey;
    for (nb_link *link = worker->all.next; link != &worker->all; link = link->next)
        if (NB_OF(link, nb_conn, all)->reply)
            look_at(asked, NB_OF(link, nb_conn, all));
    pthread_mutex_lock(&asked->lock);
    asked->open--;
    pthread_cond_signal(&asked->answered);
    let_go(asked);
}

static survey *new_survey(unsigned workers) {
    survey *asked = calloc(1, sizeof *asked + workers * sizeof(question));
    if (!asked)
        return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&asked->answered, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&asked->lock, NULL);
    asked->users = workers + 1;
    asked->open = workers;
    return asked;
}

bool nb_readers_ask(nb_plane *plane, int64_t timeout_ms, nb_frame_files *out) {
    out->count = 0;
    survey *asked = new_survey(plane->worker_count);
    if (!asked)
        return false;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000)
        until.tv_sec++, until.tv_nsec -= 1000000000;
    for (unsigned i = 0; i < plane->worker_count; i++) {
        asked->questions[i] = (question){.message.deliver = deliver, .survey = asked};
        nb_worker_post(&plane->workers[i], &asked->questions[i].message);
    }
    pthread_mutex_lock(&asked->lock);
    while (asked->open && pthread_cond_timedwait(&asked->answered, &asked->lock, &until) == 0)
        ;
    bool is_known = !asked->open && !asked->is_incomplete;
    if (is_known) {
        *out = asked->files;
        asked->files.count = 0;
    }
    let_go(asked);
    return is_known;
}
