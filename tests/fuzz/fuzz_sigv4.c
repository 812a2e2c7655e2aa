/* libFuzzer target: the SigV4 core, from a head spelt as lines: method, path, query, then name:value.
 *
 * Whatever comes in, the canonical request of a readable claim has one line for each signed header and six more,
 * and no signature made without the key is accepted.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sigv4.h"

static nb_sigv4_scratch scratch;
static nb_sigv4_claim claim;

static nb_span line(nb_span *rest, char end) {
    const char *hit = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
    nb_span head = {rest->ptr, hit ? (size_t)(hit - rest->ptr) : rest->len};
    size_t taken = head.len + (hit != NULL);
    *rest = (nb_span){rest->ptr + taken, rest->len - taken};
    return head;
}

static size_t count(nb_span text, char wanted) {
    size_t found = 0;
    for (size_t i = 0; i < text.len; i++)
        found += text.ptr[i] == wanted;
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t key[NB_SIGV4_KEY_SIZE] = {1, 2, 3};
    nb_header headers[NB_SIGV4_HEADERS_MAX + 1];
    nb_span rest = {(const char *)data, size}, canonical;
    char text[NB_SIGV4_STRING_SIZE_MAX];
    nb_sigv4_request request = {.headers = headers};
    request.method = line(&rest, '\n');
    request.path = line(&rest, '\n');
    request.query = line(&rest, '\n');
    for (; rest.len && request.header_count <= NB_SIGV4_HEADERS_MAX; request.header_count++) {
        nb_header *header = &headers[request.header_count];
        header->value = line(&rest, '\n');
        header->name = line(&header->value, ':');
    }
    nb_sigv4_status status = nb_sigv4_read(&request, &claim);
    if (status == NB_SIGV4_OK) {
        nb_sigv4_check_scope(&claim, (nb_span){"us-east-1", claim.form == NB_FORM_SIGV4_QUERY ? 0 : 9});
        nb_sigv4_check_time(&claim, 1369353600);
    }
    if (nb_sigv4_canonical_request(&request, &claim, &scratch, &canonical) == NB_SIGV4_OK) {
        if (status == NB_SIGV4_OK && count(canonical, '\n') != count(claim.signed_headers, ';') + 6)
            abort();
        if (nb_sigv4_string_to_sign(&claim, canonical, text) > sizeof text)
            abort();
    }
    if (nb_sigv4_check_signature(&request, &claim, key, &scratch) == NB_SIGV4_OK)
        abort();
    return 0;
}
