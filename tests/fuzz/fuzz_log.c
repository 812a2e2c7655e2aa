/* Lines of the access log: whatever a client sends is printable ASCII in a text of JSON, and within its bound.
 *
 * The input is cut into the fields of a line by zero bytes that follow a byte of 255.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plane/log.h"

#define MUST(condition) \
    do {                \
        if (!(condition)) \
            abort();    \
    } while (0)

static nb_span next_field(nb_span *rest) {
    nb_span field = {rest->ptr, rest->len};
    for (size_t i = 0; i + 1 < rest->len; i++) {
        if ((unsigned char)rest->ptr[i] == 255 && rest->ptr[i + 1] == 0) {
            field.len = i;
            rest->ptr += i + 2, rest->len -= i + 2;
            return field;
        }
    }
    rest->len = 0;
    return field;
}

/* Every quote that no backslash escapes opens or closes a text, and in a text nothing but printable ASCII stands. */
static void check(const char *line, size_t size, size_t size_max, unsigned members) {
    unsigned quotes = 0;
    MUST(size <= size_max);
    for (size_t i = 0; i < size; i++) {
        MUST(line[i] >= 0x20 && line[i] < 0x7f);
        if (line[i] == '\\')
            i++;
        else
            quotes += line[i] == '"';
    }
    MUST(quotes == 4 * members);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nb_span rest = {(const char *)data, size};
    char text[NB_LOG_REQUEST_SIZE_BYTES_MAX];
    nb_log_request request = {next_field(&rest), next_field(&rest), next_field(&rest), next_field(&rest),
                              next_field(&rest)};
    check(text, nb_log_write_request(&request, text), sizeof text, 5);
    nb_log_subject subject = {request.key, request.target, request.method, request.referer, request.user_agent};
    check(text, nb_log_write_subject(&subject, text), NB_LOG_SUBJECT_SIZE_BYTES_MAX, 5);
    return 0;
}
