/* What the head of an upload says: whether it is plain enough to be taken in here, and what it declares of its body.
 *
 * As strict as nimbus/s3/declared.py, whose words it leaves to Python: whatever is malformed, repeated, contradictory
 * or unknown makes the answer NULL, and the embedded server reads the same head again.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plane/put.h"
#include "plane/upload.h"

static const uint64_t PUT_SIZE_BYTES_MAX = 5ull << 30;
enum { METADATA_SIZE_BYTES_MAX = 2048, DECODED_LENGTH_DIGITS_MAX = 15 };

typedef struct {
    const nb_request *request;
    const nb_header *md5, *checksum, *announced, *trailer, *decoded_length;
    size_t kept_count, kept_size, metadata_size;
    const nb_header *kept[NB_KEPT_HEADERS_MAX];
    int given;
    bool is_conditional;
    unsigned part_number;
    nb_span upload_id;
} head;

static bool starts_with(nb_span text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static nb_span without_prefix(nb_span text, const char *prefix) {
    size_t len = strlen(prefix);
    return (nb_span){text.ptr + len, text.len - len};
}

static bool is_one_of(nb_span name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (nb_span_is(name, names[i]))
            return true;
    return false;
}
#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof *(names))

/* --- headers ------------------------------------------------------------------------------------------- */

static void keep(head *head, const nb_header *header) {
    head->kept[head->kept_count++] = header;
    head->kept_size += header->name.len + header->value.len;
}

static bool take_checksum(head *head, const nb_header *header) {
    head->checksum = header;
    head->given = nb_digest_kind_of(without_prefix(header->name, "x-amz-checksum-"));
    return head->given >= 0; /* -mode, -type and -algorithm ask for something else */
}

/* The x-amz-* headers whose meaning is known here; any other may change what the request asks. */
static bool take_amz(head *head, const nb_header *header) {
    static const char *const HARMLESS[] = {"x-amz-date", "x-amz-content-sha256", "x-amz-user-agent",
                                           "x-amz-api-version"}; /* as the SDK for C++ always sends it */
    static const char *const PRIVATE[] = {"private", "bucket-owner-full-control"};
    nb_span name = header->name;
    if (starts_with(name, "x-amz-meta-")) {
        head->metadata_size += name.len + 2 * header->value.len; /* as UTF-8 at most */
        keep(head, header);
        return true;
    }
    if (starts_with(name, "x-amz-checksum-"))
        return head->checksum == NULL && take_checksum(head, header);
    if (nb_span_is(name, "x-amz-sdk-checksum-algorithm"))
        return head->announced = header, true;
    if (nb_span_is(name, "x-amz-trailer"))
        return head->trailer = header, true;
    if (nb_span_is(name, "x-amz-decoded-content-length"))
        return head->decoded_length = header, true;
    if (nb_span_is(name, "x-amz-storage-class"))
        return nb_span_is(header->value, "STANDARD");
    if (nb_span_is(name, "x-amz-acl"))
        return IS_ONE_OF(header->value, PRIVATE);
    return IS_ONE_OF(name, HARMLESS);
}

static bool take_header(head *head, const nb_header *header) {
    static const char *const KEPT[] = {"content-type",     "cache-control",    "content-disposition", "content-encoding",
                                       "content-language", "expires",          "if-match",            "if-none-match"};
    if (starts_with(header->name, "x-amz-"))
        return take_amz(head, header);
    if (nb_span_is(header->name, "content-md5"))
        head->md5 = header;
    else if (IS_ONE_OF(header->name, KEPT))
        keep(head, header);
    head->is_conditional |= nb_span_is(header->name, "if-match") || nb_span_is(header->name, "if-none-match");
    return true;
}

static bool take_headers(head *head) {
    const nb_header *headers = head->request->headers;
    for (size_t i = 0; i < head->request->headers_count; i++) {
        for (size_t j = 0; j < i; j++)
            if (headers[i].name.len == headers[j].name.len &&
                memcmp(headers[i].name.ptr, headers[j].name.ptr, headers[i].name.len) == 0)
                return false;
        if (!take_header(head, &headers[i]))
            return false;
    }
    return head->metadata_size <= METADATA_SIZE_BYTES_MAX;
}

/* --- the query ----------------------------------------------------------------------------------------- */

static bool is_upload_id(nb_span text) {
    if (text.len != NB_UPLOAD_ID_SIZE_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!strchr("0123456789abcdef", text.ptr[i]) || !text.ptr[i])
            return false;
    return true;
}

/* False for a query of anything but a PutObject or an UploadPart. */
static bool read_query(head *head) {
    if (nb_query_is_plain(head->request->query, "PutObject"))
        return true;
    nb_span query = head->request->query;
    for (nb_span name, value; nb_query_next(&query, &name, &value);) {
        if (nb_span_is(name, "partNumber") && !head->part_number && value.len <= 5) {
            int64_t number = nb_parse_decimal(value);
            if (number < 1 || number > 10000 || value.ptr[0] == '0')
                return false;
            head->part_number = (unsigned)number;
        } else if (nb_span_is(name, "uploadId") && !head->upload_id.len && is_upload_id(value)) {
            head->upload_id = value;
        } else if (!(nb_span_is(name, "x-id") && nb_span_is(value, "UploadPart")) && !nb_query_signs(name)) {
            return false;
        }
    }
    return head->part_number && head->upload_id.len;
}

/* --- what is declared of the body ---------------------------------------------------------------------- */

static int sextet(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool nb_decode_base64(nb_span text, size_t size, uint8_t *out) {
    size_t digits = (size * 8 + 5) / 6;
    if (text.len != (size + 2) / 3 * 4)
        return false;
    uint32_t bits = 0;
    size_t have = 0, made = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = i < digits ? sextet(text.ptr[i]) : text.ptr[i] == '=' ? 0 : -1;
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8 && made < size) {
            have -= 8;
            out[made++] = (uint8_t)(bits >> have);
            bits &= (1u << have) - 1;
        }
    }
    return bits == 0; /* canonical: no bits beyond the last byte */
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_hex(nb_span text, uint8_t out[32]) {
    for (size_t i = 0; i < 32; i++) {
        int high = hex_value(text.ptr[2 * i]), low = hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The one trailer that may be declared. False: none that is known. */
static bool read_trailer(head *head, bool is_required) {
    if (!head->trailer)
        return !is_required;
    if (head->checksum || !starts_with(head->trailer->value, "x-amz-checksum-"))
        return false;
    head->given = nb_digest_kind_of(without_prefix(head->trailer->value, "x-amz-checksum-"));
    for (size_t i = 0; i < head->trailer->value.len; i++)
        if (head->trailer->value.ptr[i] >= 'A' && head->trailer->value.ptr[i] <= 'Z')
            return false; /* one spelling is enough */
    return head->given >= 0;
}

static bool read_framing(head *head, const nb_sigv4_claim *claim, const uint8_t *key, nb_upload *upload) {
    static const nb_aws_form FORMS[NB_SIGV4_PAYLOAD_COUNT] = {
        [NB_PAYLOAD_CHUNKED_SIGNED] = NB_AWS_SIGNED,
        [NB_PAYLOAD_CHUNKED_SIGNED_TRAILER] = NB_AWS_SIGNED_TRAILER,
        [NB_PAYLOAD_CHUNKED_UNSIGNED_TRAILER] = NB_AWS_UNSIGNED_TRAILER,
    };
    nb_aws_form form = FORMS[claim->payload];
    if (claim->form != NB_FORM_SIGV4_HEADER || !head->decoded_length ||
        head->decoded_length->value.len > DECODED_LENGTH_DIGITS_MAX)
        return false;
    int64_t size = nb_parse_decimal(head->decoded_length->value);
    if (size < 0 || (form == NB_AWS_SIGNED && head->trailer))
        return false;
    if (form != NB_AWS_SIGNED && !read_trailer(head, form == NB_AWS_SIGNED_TRAILER))
        return false;
    upload->size = (uint64_t)size;
    upload->has_size = true;
    upload->is_trailer = head->trailer != NULL;
    nb_aws_seed seed = {key, claim->timestamp, claim->scope, claim->signature};
    const nb_span *declared = head->trailer ? &head->trailer->value : NULL;
    upload->framing = malloc(sizeof *upload->framing);
    if (upload->framing && nb_aws_chunked_init(upload->framing, form, upload->size, &seed, declared, declared != NULL))
        return true;
    free(upload->framing);
    upload->framing = NULL;
    return false;
}

static bool read_payload(head *head, const nb_auth *auth, nb_upload *upload) {
    const nb_sigv4_claim *claim = &auth->claim;
    switch (claim->payload) {
    case NB_PAYLOAD_SHA256:
        upload->has_sha256 = true;
        if (claim->payload_hash.len != 64 || !decode_hex(claim->payload_hash, upload->sha256))
            return false;
        break;
    case NB_PAYLOAD_ABSENT:
    case NB_PAYLOAD_UNSIGNED: break;
    case NB_PAYLOAD_CHUNKED_SIGNED:
    case NB_PAYLOAD_CHUNKED_SIGNED_TRAILER:
    case NB_PAYLOAD_CHUNKED_UNSIGNED_TRAILER: return read_framing(head, claim, auth->signing_key, upload);
    default: return false;
    }
    if (head->trailer || head->decoded_length || head->request->chunked || head->request->content_length < 0)
        return false;
    upload->size = (uint64_t)head->request->content_length;
    upload->has_size = true;
    return true;
}

static bool read_declared(head *head, const nb_auth *auth, nb_upload *upload) {
    if (!read_payload(head, auth, upload) || upload->size > PUT_SIZE_BYTES_MAX)
        return false;
    upload->has_md5 = head->md5 != NULL;
    if (head->md5 && !nb_decode_base64(head->md5->value, sizeof upload->md5, upload->md5))
        return false;
    upload->given = head->given;
    if (head->checksum &&
        !nb_decode_base64(head->checksum->value, nb_digest_size((nb_digest_kind)head->given), upload->checksum))
        return false;
    if (head->announced &&
        (head->given < 0 || !nb_span_is(head->announced->value, nb_digest_name((nb_digest_kind)head->given))))
        return false;
    upload->algorithm = head->given >= 0 ? -1 : NB_CRC64NVME;
    return true;
}

/* --- all of it ----------------------------------------------------------------------------------------- */

static nb_span copy(char **at, nb_span from) {
    nb_span to = {*at, from.len};
    memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return to;
}

static nb_upload *new_upload(nb_conn *conn, const head *head) {
    size_t headers_size = head->kept_count * sizeof(nb_header);
    nb_upload *upload =
        calloc(1, sizeof *upload + headers_size + head->kept_size + head->request->path.len + sizeof(nb_header));
    if (!upload)
        return NULL;
    nb_worker *worker = conn->worker;
    upload->plane = worker->plane;
    upload->worker = worker;
    upload->conn = conn;
    upload->fd = -1;
    upload->message.deliver = nb_put_delivered;
    upload->is_part = head->part_number != 0;
    upload->is_conditional = head->is_conditional && !upload->is_part;
    upload->part_number = head->part_number;
    memcpy(upload->upload_id, head->upload_id.ptr, head->upload_id.len);
    nb_worker_request_id(worker, upload->request_id);
    uintptr_t aligned = ((uintptr_t)upload->text + sizeof(void *) - 1) & ~(uintptr_t)(sizeof(void *) - 1);
    upload->kept = (nb_header *)aligned;
    upload->kept_count = head->kept_count;
    char *at = (char *)(upload->kept + head->kept_count);
    upload->path = copy(&at, head->request->path);
    for (size_t i = 0; i < head->kept_count; i++) {
        upload->kept[i].name = copy(&at, head->kept[i]->name);
        upload->kept[i].value = copy(&at, head->kept[i]->value);
    }
    return upload;
}

nb_upload *nb_put_read_head(nb_conn *conn, const nb_request *request) {
    nb_worker *worker = conn->worker;
    head head = {.request = request, .given = -1, .upload_id = {"", 0}};
    if (request->http_1_0 || !read_query(&head) || !take_headers(&head))
        return NULL;
    if (head.part_number && head.is_conditional)
        return NULL;
    nb_target target;
    if (nb_target_parse(request->path, request->host, &worker->plane->settings.domains, &target) != NB_TARGET_OBJECT)
        return NULL;
    const nb_key *user = nb_auth_verify(&worker->auth, request, (int64_t)time(NULL));
    if (!user)
        return NULL;
    nb_upload *upload = new_upload(conn, &head);
    if (!upload)
        return NULL;
    if (!read_declared(&head, &worker->auth, upload)) {
        nb_upload_free(upload);
        return NULL;
    }
    upload->target = target;
    upload->user = user;
    upload->ring = worker->ring;
    atomic_fetch_add(&upload->ring->users, 1);
    return upload;
}
