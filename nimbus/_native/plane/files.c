/* See files.h. */
#include "plane/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void nb_files_init(nb_files *files, size_t count_max) {
    memset(files, 0, sizeof *files);
    files->count_max = count_max;
    pthread_mutex_init(&files->lock, NULL);
    nb_device_init(&files->device);
}

void nb_files_free(nb_files *files) {
    nb_device_free(&files->device);
    pthread_mutex_destroy(&files->lock);
}

static nb_file **bucket_of(nb_files *files, const char *path) {
    return &files->buckets[nb_hash(path, strlen(path)) % NB_FILES_BUCKETS];
}

static nb_file *find(nb_files *files, const char *path) {
    for (nb_file *file = *bucket_of(files, path); file; file = file->next)
        if (strcmp(file->path, path) == 0 && !atomic_load(&file->is_suspect))
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

static nb_status open_file(const nb_files *files, const char *path, bool wait, nb_file **out) {
    size_t size = strlen(path) + 1;
    if (atomic_load(&files->count) >= files->count_max)
        return NB_FAILED;
    nb_file *file = calloc(1, sizeof *file + size);
    if (!file)
        return NB_FAILED;
    memcpy(file->path, path, size);
    file->users = 1;
    atomic_init(&file->trust.number, 1);
    file->fd = wait ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : nb_open_cached(path);
    if (file->fd >= 0) {
        *out = file;
        return NB_OK;
    }
    free(file);
    return !wait && errno != ENOENT && errno != EMFILE ? NB_WOULD_BLOCK : NB_FAILED;
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

nb_status nb_files_take_segment(nb_files *files, const char *path, bool wait, nb_file **out) {
    *out = take_open(files, path);
    if (*out)
        return NB_OK;
    nb_status status = open_file(files, path, wait, out);
    if (status == NB_OK)
        *out = keep(files, *out);
    return status;
}

static nb_status load_table(nb_file *file, uint64_t length, uint64_t table_hash, bool wait) {
    uint64_t blocks = length / NB_BLOCK_SIZE + (length % NB_BLOCK_SIZE != 0);
    size_t size = blocks * sizeof(uint64_t);
    struct stat stat;
    if (fstat(file->fd, &stat) < 0 || (uint64_t)stat.st_size != length + size + NB_BLOB_FOOTER_SIZE)
        return NB_MISMATCH;
    file->table = malloc(size ? size : 1);
    nb_status status = file->table ? nb_read(file->fd, file->table, size, length, wait) : NB_FAILED;
    return status == NB_OK && nb_hash(file->table, size) != table_hash ? NB_MISMATCH : status;
}

nb_status nb_files_take_blob(nb_files *files, const char *path, uint64_t length, uint64_t table_hash, bool wait,
                             nb_file **out) {
    *out = take_open(files, path);
    if (*out)
        return NB_OK;
    nb_status status = open_file(files, path, wait, out);
    if (status != NB_OK)
        return status;
    status = length <= UINT64_MAX / 2 ? load_table(*out, length, table_hash, wait) : NB_MISMATCH;
    if (status == NB_OK)
        *out = keep(files, *out);
    else
        free_file(*out);
    return status;
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

void nb_file_suspect(nb_file *file) {
    nb_trust_end(&file->trust);
    atomic_store(&file->is_suspect, true);
}

void nb_files_suspect(nb_files *files, const char *path) {
    pthread_mutex_lock(&files->lock);
    nb_file *file = find(files, path);
    if (file)
        nb_file_suspect(file);
    pthread_mutex_unlock(&files->lock);
}
