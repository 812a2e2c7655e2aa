/* libFuzzer target: the head parsers. Cutting must change nothing, and every span must lie inside the buffer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plane/http.h"

static void check_span(nb_span span, const char *buf, size_t len) {
    if (span.ptr < buf || span.ptr + span.len > buf + len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *whole = malloc(size ? size : 1), *grown = malloc(size ? size : 1);
    memcpy(whole, data, size);
    memcpy(grown, data, size);
    nb_request request, again;
    size_t scanned = 0, scanned_again = 0;
    ssize_t head = nb_http_request(whole, size, &scanned, &request);
    if (head > 0) {
        check_span(request.path, whole, (size_t)head);
        check_span(request.query, whole, (size_t)head);
        check_span(request.host, whole, (size_t)head);
        check_span(request.target, whole, (size_t)head);
        const nb_header *host = nb_header_find(request.headers, request.headers_count, "host");
        if (request.path.ptr[0] != '/' || !host || host->value.ptr != request.host.ptr)
            abort(); /* all who ask for the host are told the same */
        for (size_t i = 0; i < request.headers_count; i++) {
            check_span(request.headers[i].name, whole, (size_t)head);
            check_span(request.headers[i].value, whole, (size_t)head);
        }
        if (request.chunked && request.content_length >= 0)
            abort();
    }
    ssize_t stepwise = 0;
    for (size_t len = 0; len <= size && stepwise == 0; len += size > 64 ? size / 16 : 1)
        stepwise = nb_http_request(grown, len, &scanned_again, &again);
    if (stepwise == 0)
        stepwise = nb_http_request(grown, size, &scanned_again, &again);
    if (stepwise != head)
        abort();
    memcpy(whole, data, size);
    nb_response response;
    scanned = 0;
    nb_http_response(whole, size, &scanned, &response);
    free(whole);
    free(grown);
    return 0;
}
