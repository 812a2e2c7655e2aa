"""What sigv4.h offers to Cython."""

from libc.stdint cimport int64_t, uint8_t


cdef extern from "span.h" nogil:
    ctypedef struct nb_span:
        const char *ptr
        size_t len

    ctypedef struct nb_header:
        nb_span name
        nb_span value


cdef extern from "sigv4.h" nogil:
    enum:
        NB_SIGV4_HEADERS_MAX
        NB_SIGV4_SIGNATURE_SIZE
        NB_SIGV4_KEY_SIZE
        NB_SIGV4_STRING_SIZE_MAX
        NB_SIGV4_FORM_COUNT
        NB_SIGV4_PAYLOAD_COUNT
        NB_SIGV4_STATUS_COUNT

    ctypedef enum nb_sigv4_form:
        pass
    ctypedef enum nb_sigv4_payload:
        pass
    ctypedef enum nb_sigv4_status:
        NB_SIGV4_HEAD_TOO_LARGE

    const char *const nb_sigv4_form_names[]
    const char *const nb_sigv4_payload_names[]
    const char *const nb_sigv4_status_names[]

    ctypedef struct nb_sigv4_request:
        nb_span method
        nb_span path
        nb_span query
        const nb_header *headers
        size_t header_count

    ctypedef struct nb_sigv4_claim:
        nb_sigv4_form form
        nb_sigv4_payload payload
        nb_span payload_hash
        nb_span access_key
        nb_span scope
        nb_span scope_date
        nb_span region
        nb_span service
        nb_span terminal
        nb_span signature
        nb_span timestamp
        int64_t timestamp_s
        int64_t expires_s
        int has_token
        nb_span signed_headers

    ctypedef struct nb_sigv4_scratch:
        pass

    nb_sigv4_status nb_sigv4_read(const nb_sigv4_request *request, nb_sigv4_claim *claim)
    nb_sigv4_status nb_sigv4_set_timestamp(nb_sigv4_claim *claim, nb_span timestamp)
    nb_sigv4_status nb_sigv4_check_scope(const nb_sigv4_claim *claim, nb_span region)
    nb_sigv4_status nb_sigv4_check_time(const nb_sigv4_claim *claim, int64_t now_s)
    nb_sigv4_status nb_sigv4_check_signature(
        const nb_sigv4_request *request, nb_sigv4_claim *claim, const uint8_t *key, nb_sigv4_scratch *scratch)
    nb_sigv4_status nb_sigv4_canonical_request(
        const nb_sigv4_request *request, nb_sigv4_claim *claim, nb_sigv4_scratch *scratch, nb_span *canonical)
    size_t nb_sigv4_string_to_sign(const nb_sigv4_claim *claim, nb_span canonical, char *out)
    int nb_sigv4_derive_key(nb_span secret, nb_span date, nb_span region, nb_span service, uint8_t *key)
    void nb_sigv4_sign(const uint8_t *key, nb_span text, char *signature)
    int64_t nb_sigv4_parse_timestamp(nb_span text)
