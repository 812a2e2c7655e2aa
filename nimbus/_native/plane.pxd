"""The C leaves of the native plane, as its binding sees them."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "span.h" nogil:
    ctypedef struct nb_span:
        const char *ptr
        size_t len
    ctypedef struct nb_header:
        nb_span name
        nb_span value

cdef extern from "plane/http.h" nogil:
    ctypedef struct nb_request:
        nb_span method
        nb_span target
        nb_span path
        nb_span query
        nb_span host
        nb_header *headers
        size_t headers_count
        int64_t content_length
        bint has_query
        bint chunked
        bint keep_alive
        bint expects_continue
        bint http_1_0
    ctypedef struct nb_response:
        int status
        nb_header *headers
        size_t headers_count
        int64_t content_length
        bint chunked
        bint keep_alive
    Py_ssize_t nb_http_request(char *buf, size_t len, size_t *scanned, nb_request *out)
    Py_ssize_t nb_http_response(char *buf, size_t len, size_t *scanned, nb_response *out)
    const char *nb_http_error_name(Py_ssize_t error)

cdef extern from "plane/range.h" nogil:
    ctypedef enum nb_range_verdict:
        NB_RANGE_OK
        NB_RANGE_IGNORED
        NB_RANGE_UNSATISFIABLE
    nb_range_verdict nb_range_parse(nb_span value, uint64_t size, uint64_t *start, uint64_t *end)

cdef extern from "plane/chunked.h" nogil:
    ctypedef enum nb_chunked_verdict:
        NB_CHUNKED_MORE
        NB_CHUNKED_DATA
        NB_CHUNKED_DONE
        NB_CHUNKED_BAD
    ctypedef struct nb_chunked:
        pass
    void nb_chunked_init(nb_chunked *decoder)
    nb_chunked_verdict nb_chunked_next(nb_chunked *decoder, nb_span *input, nb_span *payload)

cdef extern from "plane/md5.h" nogil:
    ctypedef enum nb_md5_isa:
        NB_MD5_SCALAR
        NB_MD5_AVX2
        NB_MD5_AVX512
    ctypedef struct nb_md5:
        pass
    ctypedef struct nb_md5_job:
        nb_md5 *stream
        nb_span data
    nb_md5_isa nb_md5_isa_best()
    void nb_md5_init(nb_md5 *stream)
    void nb_md5_update_many(nb_md5_job *jobs, size_t count, nb_md5_isa isa)
    void nb_md5_final(const nb_md5 *stream, uint8_t *digest)

cdef extern from "plane/crc.h" nogil:
    uint64_t nb_crc64nvme_portable(uint64_t crc, nb_span data)

cdef extern from "plane/digest.h" nogil:
    enum:
        NB_DIGEST_KINDS
        NB_DIGEST_SIZE_BYTES_MAX
    ctypedef enum nb_digest_kind:
        NB_MD5
        NB_SHA256
    ctypedef struct nb_digests:
        pass
    bint nb_digests_init(nb_digests *set, uint32_t wanted)
    void nb_digests_free(nb_digests *set)
    bint nb_digests_update(nb_digests *set, nb_span data)
    void nb_digests_update_md5(nb_digests *set, nb_span data)
    size_t nb_digests_final(nb_digests *set, nb_digest_kind kind, uint8_t *out)
    const char *nb_digest_name(nb_digest_kind kind)
    int nb_digest_kind_of(nb_span name)
    size_t nb_digest_size(nb_digest_kind kind)

cdef extern from "plane/target.h" nogil:
    enum:
        NB_DOMAINS_MAX
        NB_DOMAIN_SIZE_BYTES_MAX
        NB_TARGET_OBJECT
    ctypedef struct nb_domains:
        size_t count
        char (*names)[254]
    ctypedef struct nb_target:
        size_t bucket_len
        size_t key_len
        char *name
    ctypedef enum nb_target_verdict:
        pass
    nb_target_verdict nb_target_parse(nb_span path, nb_span host, const nb_domains *domains, nb_target *out)
    bint nb_query_is_plain(nb_span query, const char *operation)
    enum:
        NB_OVERRIDES
    ctypedef enum nb_override:
        pass
    ctypedef struct nb_read_query:
        unsigned int part_number
        bint wants_checksums
        nb_span *overrides
    const char *nb_override_header(nb_override which)
    bint nb_query_read(nb_span query, const char *operation, nb_read_query *out)
    size_t nb_query_decode(nb_span value, char *out)

cdef extern from "plane/conditions.h" nogil:
    ctypedef enum nb_condition_verdict:
        NB_CONDITION_PASS
        NB_CONDITION_UNMODIFIED
        NB_CONDITION_OTHER
    ctypedef struct nb_validators:
        nb_span etag
        nb_span modified_http
        int64_t modified_s
    nb_condition_verdict nb_conditions_check(
        const nb_header *headers, size_t count, const nb_validators *validators, int64_t now_s)
    int64_t nb_parse_http_date(nb_span text)

cdef extern from "plane/auth.h" nogil:
    ctypedef struct nb_key:
        nb_span access_key
        nb_span secret
        nb_span user_id
    ctypedef struct nb_keyring:
        pass
    nb_keyring *nb_keyring_new(const nb_key *keys, size_t count, nb_span region)

cdef extern from "blocks.h" nogil:
    ctypedef enum nb_status:
        NB_OK
        NB_WOULD_BLOCK

cdef extern from "plane/files.h" nogil:
    ctypedef struct nb_file:
        pass
    ctypedef struct nb_files:
        pass
    nb_status nb_files_take_segment(nb_files *files, const char *path, bint wait, nb_file **out)
    nb_status nb_files_take_blob(nb_files *files, const char *path, uint64_t length, uint64_t table_hash, bint wait,
                                 nb_file **out)
    void nb_files_give(nb_files *files, nb_file *file)
    void nb_files_suspect(nb_files *files, const char *path)

cdef extern from "plane/cache.h" nogil:
    enum:
        NB_EXTENTS_MAX
        NB_PARTS_MAX
    ctypedef enum nb_entry_kind:
        NB_ENTRY_OBJECT
        NB_ENTRY_MISSING
    ctypedef struct nb_part:
        uint64_t start
        uint64_t end
        unsigned int number
        nb_span checksum_headers
    ctypedef struct nb_extent:
        nb_file *file
        uint64_t offset
        uint64_t length
        uint64_t hash
    ctypedef struct nb_fill:
        nb_entry_kind kind
        nb_span name
        nb_span owner
        nb_span etag
        nb_span modified_http
        nb_span headers
        nb_span headers_304
        nb_span checksum_headers
        uint64_t size
        int64_t modified_s
        size_t parts_count
        nb_part *parts
        size_t extents_count
        nb_extent *extents
    ctypedef struct nb_cache:
        nb_files files
    ctypedef struct nb_entry:
        pass
    void nb_cache_make_room(nb_cache *cache, size_t files)
    void nb_cache_give(nb_cache *cache, nb_entry *entry)
    void nb_cache_begin(nb_cache *cache, nb_span name)
    void nb_cache_end(nb_cache *cache, nb_span name)
    void nb_cache_begin_bucket(nb_cache *cache, nb_span bucket)
    void nb_cache_end_bucket(nb_cache *cache, nb_span bucket)
    void nb_cache_clear(nb_cache *cache)

cdef extern from "plane/queue.h" nogil:
    ctypedef struct nb_item:
        nb_item *next
    ctypedef struct nb_queue:
        bint is_closed
    nb_item *nb_queue_take(nb_queue *queue, size_t count_max, int64_t timeout_ms)
    void nb_queue_close(nb_queue *queue)

cdef extern from "plane/log.h" nogil:
    enum:
        NB_LOG_OUTCOME_SIZE_BYTES_MAX
        NB_LOG_SUBJECT_SIZE_BYTES_MAX
        NB_LOG_REQUEST_SIZE_BYTES_MAX
        NB_LOG_FIRST_WORKER
    ctypedef struct nb_log_outcome:
        int64_t began_us
        nb_span peer
        nb_span request_id
        const char *via
        int status
        uint64_t received_bytes
        uint64_t sent_bytes
        int64_t first_byte_us
        int64_t total_us
    ctypedef struct nb_log_subject:
        nb_span user
        nb_span access_key
        nb_span operation
        nb_span error
        nb_span bucket
    ctypedef struct nb_log_request:
        nb_span key
        nb_span method
        nb_span target
        nb_span user_agent
        nb_span referer
    ctypedef struct nb_log:
        pass
    ctypedef struct nb_log_counters:
        uint64_t written_lines
        uint64_t dropped_lines
    size_t nb_log_write_outcome(const nb_log_outcome *outcome, char *out)
    size_t nb_log_write_subject(const nb_log_subject *subject, char *out)
    size_t nb_log_write_request(const nb_log_request *request, char *out)
    nb_log *nb_log_open(const char *path, unsigned int rings)
    void nb_log_put(nb_log *log, unsigned int ring, nb_span outcome, nb_span subject, nb_span request)
    void nb_log_reopen(nb_log *log)
    nb_log_counters nb_log_count(nb_log *log)
    void nb_log_close(nb_log *log)

cdef extern from "plane/notice.h" nogil:
    void nb_notice_set_level(int level)

cdef extern from "plane/settings.h" nogil:
    enum:
        NB_UPSTREAM_PATH_SIZE_BYTES_MAX
        NB_COMMON_HEADERS_SIZE_BYTES_MAX
        NB_DISK_THREADS_MAX
    ctypedef struct nb_settings:
        int listener
        char *upstream_path
        char *token
        unsigned int threads
        size_t connections_max
        size_t requests_max
        int64_t header_timeout_ms
        uint64_t body_rate_bytes_per_s
        int64_t body_grace_ms
        size_t upload_memory_bytes_max
        bint serves_objects
        bint takes_uploads
        unsigned int disk_threads
        size_t cache_size_bytes
        size_t cache_files_max
        nb_log *log
        nb_domains domains
        char *common_headers

cdef extern from "plane/aws_chunked.h" nogil:
    ctypedef enum nb_aws_form:
        NB_AWS_SIGNED
    ctypedef enum nb_aws_fault:
        NB_AWS_FINE
    ctypedef enum nb_aws_verdict:
        NB_AWS_MORE
        NB_AWS_DATA
        NB_AWS_DONE
        NB_AWS_BAD
    ctypedef struct nb_aws_chunked:
        nb_aws_fault fault
        size_t string_size
        size_t provided_size
        size_t trailers_size
        char *string_to_sign
        char *provided
        char *trailers
    ctypedef struct nb_aws_seed:
        const uint8_t *key
        nb_span timestamp
        nb_span scope
        nb_span signature
    bint nb_aws_chunked_init(nb_aws_chunked *decoder, nb_aws_form form, uint64_t decoded_length,
                             const nb_aws_seed *seed, const nb_span *declared, size_t declared_count)
    void nb_aws_chunked_free(nb_aws_chunked *decoder)
    nb_aws_verdict nb_aws_chunked_next(nb_aws_chunked *decoder, nb_span *input, nb_span *payload)

cdef extern from "plane/upload.h" nogil:
    ctypedef enum nb_want:
        NB_WANT_ADMISSION
        NB_WANT_COMMIT
        NB_WANT_REFUSAL
        NB_WANT_DISCARD
    ctypedef enum nb_fault:
        NB_FAULT_NONE
    ctypedef struct nb_upload:
        nb_want want
        nb_fault fault
        int error_number
        bint is_part
        bint is_trailer
        unsigned int part_number
        char *upload_id
        char *request_id
        const nb_key *user
        nb_target target
        nb_span path
        size_t kept_count
        nb_header *kept
        uint64_t size
        int given
        int algorithm
        nb_aws_chunked *framing
        char *block
        size_t filled
        int fd
        uint64_t table_hash
        uint8_t (*results)[64]
        bint is_held
        bint has_size
        bint has_sha256
        bint has_md5
        bint has_ended
        uint64_t ticket
        uint64_t size_max
        uint64_t received_bytes
        uint8_t *sha256
        uint8_t *md5
        uint8_t *checksum
    ctypedef struct nb_intake:
        nb_queue questions
    bint nb_upload_is_small(const nb_upload *upload)
    void nb_upload_admit(nb_upload *upload, int fd, int algorithm)
    void nb_upload_decline(nb_upload *upload)
    void nb_upload_succeed_all(nb_upload **uploads, size_t count, int64_t window_us)
    void nb_upload_refuse(nb_upload *upload, int status, nb_span answer)
    void nb_upload_free(nb_upload *upload)
    void nb_intake_learn(nb_intake *intake, nb_span bucket, nb_span owner)
    bint nb_decode_base64(nb_span text, size_t size, uint8_t *out)

cdef extern from "plane/tickets.h" nogil:
    enum:
        NB_TICKET_SIZE_BYTES
    ctypedef struct nb_offer:
        nb_entry *entry
        uint64_t at
        uint64_t end
        uint64_t body_size_bytes
    ctypedef struct nb_settled:
        uint64_t number
        uint64_t sent_bytes
        bint is_unreadable
    ctypedef struct nb_tickets:
        int settled_fd
    bint nb_tickets_withdraw(nb_tickets *tickets, uint64_t number, nb_offer *out)
    size_t nb_tickets_collect(nb_tickets *tickets, nb_settled *out, size_t count_max)
    uint64_t nb_ticket_parse(const char *text, size_t size)

cdef extern from "plane/plane.h" nogil:
    enum:
        NB_WORKERS_MAX
        NB_TOKEN_SIZE_BYTES
    ctypedef struct nb_plane:
        nb_cache cache
        nb_queue lookups
        nb_tickets tickets
        nb_intake *intake
    nb_plane *nb_plane_new(const nb_settings *settings, const char **error)
    bint nb_plane_start(nb_plane *plane, const char **error)
    void nb_plane_drain(nb_plane *plane)
    void nb_plane_stop(nb_plane *plane)
    void nb_plane_free(nb_plane *plane)
    void nb_plane_set_ring(nb_plane *plane, nb_keyring *ring)

cdef extern from "plane/relay.h" nogil:
    nb_status nb_relay_offer(nb_plane *plane, const nb_fill *fill, nb_offer *offer, bint wait, uint64_t *number)

cdef extern from "plane/trim.h" nogil:
    void nb_plane_trim(nb_plane *plane)
    void nb_trim_heap()

cdef extern from "plane/readers.h" nogil:
    ctypedef struct nb_frame_files:
        char *paths[1]  # NB_FRAME_FILES_MAX of them
        size_t count
    bint nb_readers_ask(nb_plane *plane, int64_t timeout_ms, nb_frame_files *out)

cdef extern from "plane/upload.h" nogil:
    nb_item *nb_upload_take(nb_plane *plane, size_t count_max, int64_t timeout_ms)
    void nb_intake_ask_first(nb_intake *intake, bint asks_first)

cdef extern from "plane/held.h" nogil:
    nb_upload *nb_held_upload_new(nb_plane *plane, uint64_t ticket)
    void nb_held_take(nb_upload *upload)

cdef extern from "plane/lookup.h" nogil:
    ctypedef struct nb_lookup:
        nb_item item
        nb_target target
    void nb_lookup_fill(nb_plane *plane, nb_lookup *lookup, const nb_fill *fill)
    void nb_lookup_decline(nb_lookup *lookup)

cdef extern from "plane/counters.h" nogil:
    ctypedef struct nb_counters:
        uint64_t requests[6][600]
        uint64_t latency[6][24]
        uint64_t latency_sum_us[6]
        uint64_t body_bytes[6]
        uint64_t answer_bytes[6]
        uint64_t received_bytes
        uint64_t sent_bytes
        uint64_t relayed_bytes
        uint64_t relayed_body_bytes
        uint64_t read_bytes
        uint64_t accepted
        uint64_t evicted
        uint64_t refused
        uint64_t timed_out
        uint64_t malformed
        uint64_t accept_failures
        uint64_t upstream_failures
        uint64_t unreadable
        uint64_t connections
        uint64_t in_flight
    void nb_plane_counters(nb_plane *plane, nb_counters *out)
