/* Open files of the data engine, shared by whatever is read from them, closed with their last user.
 *
 * Must always hold: a file in use stays readable although its name is gone; a blob's table of block hashes is kept
 * only after it matched the hash in the location. Any thread.
 */
#ifndef NIMBUS_PLANE_FILES_H
#define NIMBUS_PLANE_FILES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocks.h"
#include "plane/trust.h"

enum { NB_FILES_BUCKETS = 4096 };

typedef struct nb_file {
    struct nb_file *next;
    size_t users; /* under the table's lock */
    int fd;
    nb_trust trust;
    atomic_bool is_suspect; /* its bytes did not match: whoever asks next opens it anew */
    void *table; /* of a blob: XXH3-64 of each block; NULL for a segment */
    char path[];
} nb_file;

typedef struct {
    pthread_mutex_t lock;
    nb_file *buckets[NB_FILES_BUCKETS];
    atomic_size_t count;
    size_t count_max; /* one more is refused */
    nb_device device;
} nb_files;

void nb_files_init(nb_files *files, size_t count_max);
void nb_files_free(nb_files *files); /* REQUIRES: nobody uses a file any more */

/* A segment; or a blob of `length` data bytes whose table has the hash `table_hash`. NB_WOULD_BLOCK: only with `wait`,
 * which blocks on the disk. Anything else but NB_OK: it cannot be opened, or is not what the location says. */
nb_status nb_files_take_segment(nb_files *files, const char *path, bool wait, nb_file **out);
nb_status nb_files_take_blob(nb_files *files, const char *path, uint64_t length, uint64_t table_hash, bool wait,
                             nb_file **out);
void nb_files_give(nb_files *files, nb_file *file);

/* Bytes of this file, or of the open one of this path, could not be read or did not match: nothing in it is trusted. */
void nb_file_suspect(nb_file *file);
void nb_files_suspect(nb_files *files, const char *path);

#endif
