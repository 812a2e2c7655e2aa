/* See files.h. */
#include "plane/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocks.h"

void nb_files_init(nb_files *files) {
    memset(files, 0, sizeof *files);
    pthread_mutex_init(&files->lock, NULL);
}

void nb_files_free(nb_files *files) { pthread_mutex_destroy(&files->lock); }

static nb_file **bucket_of(nb_files *files, const char *path) {
    return &files->buckets[nb_hash(path, strlen(path)) % NB_FILES_BUCKETS];
}

static nb_file *find(nb_files *files, const char *path) {
    for (nb_file *file = *bucket_of(files, path); file; file = file->next)
        if (strcmp(file->path, path) == 0)
            return file;
    return NULL;
}

static nb_file *take_open(nb_files *files, const char *path) {
    pthread_mutex_lock(&files->lock);
    nb_file *file = find(files, path);
    if (file)
        file->users++;
    pthread_mutex_unlock(&files->lock);
    return file;
}

static void free_file(nb_file *file) {
    close(file->fd);
    free(file->table);
    free(file);
}

static nb_file *open_file(const char *path) {
    size_t size = strlen(path) + 1;
    nb_file *file = calloc(1, sizeof *file + size);
    if (!file)
        return NULL;
    memcpy(file->path, path, size);
    file->users = 1;
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file->fd >= 0)
        return file;
    free(file);
    return NULL;
}

/* Put a newly opened file into the table, or take the one that another thread put there meanwhile. */
static nb_file *keep(nb_files *files, nb_file *file) {
    pthread_mutex_lock(&files->lock);
    nb_file *present = find(files, file->path);
    if (present) {
        present->users++;
    } else {
        nb_file **bucket = bucket_of(files, file->path);
        file->next = *bucket;
        *bucket = file;
        atomic_fetch_add(&files->count, 1);
    }
    pthread_mutex_unlock(&files->lock);
    if (present)
        free_file(file);
    return present ? present : file;
}

nb_file *nb_files_take_segment(nb_files *files, const char *path) {
    nb_file *file = take_open(files, path);
    if (!file && (file = open_file(path)))
        file = keep(files, file);
    return file;
}

static bool load_table(nb_file *file, uint64_t length, uint64_t table_hash) {
    uint64_t blocks = length / NB_BLOCK_SIZE + (length % NB_BLOCK_SIZE != 0);
    size_t size = blocks * sizeof(uint64_t);
    struct stat stat;
    if (fstat(file->fd, &stat) < 0 || (uint64_t)stat.st_size != length + size + NB_BLOB_FOOTER_SIZE)
        return false;
    file->table = malloc(size ? size : 1);
    return file->table && nb_read(file->fd, file->table, size, length, 1) == NB_OK &&
           nb_hash(file->table, size) == table_hash;
}

nb_file *nb_files_take_blob(nb_files *files, const char *path, uint64_t length, uint64_t table_hash) {
    nb_file *file = take_open(files, path);
    if (file || !(file = open_file(path)))
        return file;
    if (length <= UINT64_MAX / 2 && load_table(file, length, table_hash))
        return keep(files, file);
    free_file(file);
    return NULL;
}

void nb_files_give(nb_files *files, nb_file *file) {
    pthread_mutex_lock(&files->lock);
    bool is_last = --file->users == 0;
    if (is_last) {
        nb_file **at = bucket_of(files, file->path);
        while (*at != file)
            at = &(*at)->next;
        *at = file->next;
        atomic_fetch_sub(&files->count, 1);
    }
    pthread_mutex_unlock(&files->lock);
    if (is_last)
        free_file(file);
}
