/* libFuzzer target: the decoder of aws-chunked bodies. The first byte chooses the form, the second the declared size.
 *
 * However the input is cut, payload, verdict and fault are the same; no more payload comes out than was declared; and a
 * signed body that was not signed with the key is never whole.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plane/aws_chunked.h"
#include "plane/crc.h"

typedef struct {
    uint64_t crc, size;
    nb_aws_verdict verdict;
    int fault;
} outcome;

static outcome decode(nb_span input, nb_aws_form form, uint64_t declared, size_t piece_max) {
    static const uint8_t KEY[NB_SIGV4_KEY_SIZE] = {1, 2, 3};
    static const nb_span TRAILER = {"x-amz-checksum-crc32", 20};
    static const char SIGNATURE[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    nb_aws_seed seed = {KEY, {"20130524T000000Z", 16}, {"20130524/us-east-1/s3/aws4_request", 34}, {SIGNATURE, 64}};
    nb_aws_chunked *decoder = malloc(sizeof *decoder); /* of its own, so that every byte beyond it is seen */
    if (!decoder || !nb_aws_chunked_init(decoder, form, declared, &seed, &TRAILER, form != NB_AWS_SIGNED))
        abort();
    outcome result = {0, 0, NB_AWS_MORE, 0};
    while (input.len && result.verdict != NB_AWS_BAD) {
        size_t size = input.len < piece_max ? input.len : piece_max;
        char *piece = malloc(size);
        memcpy(piece, input.ptr, size);
        nb_span rest = {piece, size}, payload;
        while (rest.len && (result.verdict = nb_aws_chunked_next(decoder, &rest, &payload)) != NB_AWS_BAD) {
            if (result.verdict != NB_AWS_DATA)
                continue;
            if (payload.ptr < piece || payload.ptr + payload.len > piece + size)
                abort();
            result.crc = nb_crc64nvme_portable(result.crc, payload);
            result.size += payload.len;
        }
        free(piece);
        input.ptr += size, input.len -= size;
    }
    if (result.size > declared || (result.verdict == NB_AWS_DONE && result.size != declared))
        abort();
    if (result.verdict == NB_AWS_DONE && (form != NB_AWS_UNSIGNED_TRAILER || !nb_aws_chunked_trailer(decoder, TRAILER.ptr).len))
        abort();
    result.fault = decoder->fault;
    nb_aws_chunked_free(decoder);
    free(decoder);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const nb_aws_form FORMS[] = {NB_AWS_SIGNED, NB_AWS_SIGNED_TRAILER, NB_AWS_UNSIGNED_TRAILER};
    if (size < 2)
        return 0;
    nb_span input = {(const char *)data + 2, size - 2};
    nb_aws_form form = FORMS[data[0] % 3];
    outcome whole = decode(input, form, data[1], size), cut = decode(input, form, data[1], 3);
    if (whole.verdict != cut.verdict || whole.fault != cut.fault)
        abort();
    if (whole.verdict != NB_AWS_BAD && (whole.crc != cut.crc || whole.size != cut.size))
        abort();
    return 0;
}
