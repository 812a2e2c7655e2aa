/* libFuzzer target: the chunk decoder and the range parser. The payload is the same however the input is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plane/chunked.h"
#include "plane/crc.h"
#include "plane/range.h"

typedef struct {
    uint64_t crc;
    size_t taken;
    nb_chunked_verdict verdict;
} outcome;

static outcome decode(nb_span input, size_t piece_max) {
    nb_chunked decoder;
    nb_chunked_init(&decoder);
    outcome result = {0, 0, NB_CHUNKED_MORE};
    while (input.len && (result.verdict == NB_CHUNKED_MORE)) {
        nb_span piece = {input.ptr, input.len < piece_max ? input.len : piece_max}, rest = piece, payload;
        while ((result.verdict = nb_chunked_next(&decoder, &rest, &payload)) == NB_CHUNKED_DATA) {
            if (payload.ptr < piece.ptr || payload.ptr + payload.len > piece.ptr + piece.len)
                abort();
            result.crc = nb_crc64nvme_portable(result.crc, payload);
        }
        result.taken += piece.len - rest.len;
        input.ptr += piece.len, input.len -= piece.len;
    }
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    nb_span input = {(const char *)data, size};
    outcome whole = decode(input, size + 1), cut = decode(input, 3);
    if (whole.crc != cut.crc || whole.verdict != cut.verdict || whole.taken != cut.taken)
        abort();
    uint64_t start, end, object = size > 8 ? (uint64_t)data[0] << data[1] % 56 : size;
    if (nb_range_parse(input, object, &start, &end) == NB_RANGE_OK && !(start < end && end <= object))
        abort();
    return 0;
}
