/* How the clients of stress_plane.c connect, sign and send. */
#define _GNU_SOURCE
#include "stress.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "plane/http.h"
#include "sigv4.h"

unsigned chance(unsigned *state, unsigned below) {
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

size_t sign(char out[HEAD_SIZE_MAX], const char *line, const char *headers) {
    char timestamp[17], scope_date[9];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(timestamp, sizeof timestamp, "%Y%m%dT%H%M%SZ", &utc);
    strftime(scope_date, sizeof scope_date, "%Y%m%d", &utc);
    int size = snprintf(out, HEAD_SIZE_MAX,
                        "%s HTTP/1.1\r\nhost: h\r\n%sx-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-date: %s\r\n"
                        "authorization: AWS4-HMAC-SHA256 Credential=ALICE/%s/us-east-1/s3/aws4_request, "
                        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%064d\r\n\r\n",
                        line, headers, timestamp, scope_date, 0);
    nb_request request;
    nb_sigv4_claim *claim = malloc(sizeof *claim);
    nb_sigv4_scratch *scratch = malloc(sizeof *scratch);
    size_t scanned = 0;
    MUST(claim && scratch && nb_http_request(out, (size_t)size, &scanned, &request) == size);
    nb_sigv4_request head = {request.method, request.path, request.query, request.headers, request.headers_count};
    nb_span canonical;
    uint8_t key[NB_SIGV4_KEY_SIZE];
    char text[NB_SIGV4_STRING_SIZE_MAX];
    MUST(nb_sigv4_read(&head, claim) == NB_SIGV4_OK);
    MUST(nb_sigv4_canonical_request(&head, claim, scratch, &canonical) == NB_SIGV4_OK);
    nb_sigv4_derive_key((nb_span){"secret", 6}, claim->scope_date, claim->region, claim->service, key);
    nb_span to_sign = {text, nb_sigv4_string_to_sign(claim, canonical, text)};
    nb_sigv4_sign(key, to_sign, (char *)claim->signature.ptr);
    free(claim);
    free(scratch);
    return (size_t)size;
}

int open_connection(int window) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (window)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    bool is_in = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    MUST(is_in || (fd >= 0 && atomic_load(&plane->state) != NB_RUNNING)); /* nobody is let in any more */
    struct timeval patience = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

bool send_all(int fd, const char *bytes, size_t size) {
    for (ssize_t count; size; bytes += count, size -= (size_t)count)
        if ((count = send(fd, bytes, size, MSG_NOSIGNAL)) < 0)
            return false;
    return true;
}
