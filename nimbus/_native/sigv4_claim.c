/* The claim of a SigV4 request: read from its head, then checked in scope and time. Contract in sigv4.h. */
#include "sigv4.h"

#include <string.h>
#include <strings.h>

#include "sigv4_text.h"

#define NB_NAME(name) #name,
const char *const nb_sigv4_form_names[] = {NB_SIGV4_FORMS(NB_NAME)};
const char *const nb_sigv4_payload_names[] = {NB_SIGV4_PAYLOADS(NB_NAME)};
const char *const nb_sigv4_status_names[] = {NB_SIGV4_STATUSES(NB_NAME)};
#undef NB_NAME

/* --- numbers and times --------------------------------------------------------------------------------- */

/* `count` decimal digits, or -1. */
static int64_t digits(const char *text, size_t count) {
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* Days since the epoch of a date in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible"). */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int is_date(int64_t year, int64_t month, int64_t day) {
    static const int8_t LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return 0;
    int leap = month == 2 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    return day <= LENGTHS[month - 1] + leap;
}

int64_t nb_sigv4_parse_timestamp(nb_span text) {
    if (text.len != 16 || text.ptr[8] != 'T' || text.ptr[15] != 'Z')
        return -1;
    int64_t year = digits(text.ptr, 4), month = digits(text.ptr + 4, 2), day = digits(text.ptr + 6, 2);
    int64_t hour = digits(text.ptr + 9, 2), minute = digits(text.ptr + 11, 2), second = digits(text.ptr + 13, 2);
    if (!is_date(year, month, day) || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return -1;
    return days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

/* --- reading: headers ---------------------------------------------------------------------------------- */

/* The parameters of a query that tell who sent it. */
enum {
    P_ALGORITHM,
    P_CREDENTIAL,
    P_DATE,
    P_EXPIRES,
    P_SIGNED_HEADERS,
    P_SIGNATURE,
    P_PAYLOAD,
    P_V2_ACCESS_KEY,
    P_V2_SIGNATURE,
    P_SECURITY_TOKEN,
    P_COUNT
};

typedef struct {
    nb_span authorization, amz_date, date, content_sha256;
    unsigned authorizations, amz_dates, content_sha256s, hosts, tokens;
    unsigned found[P_COUNT];
    nb_span values[P_COUNT]; /* decoded, in the claim's room */
} sightings;

static nb_sigv4_status scan_headers(const nb_sigv4_request *request, sightings *seen) {
    size_t size = request->method.len + request->path.len + request->query.len;
    if (request->header_count > NB_SIGV4_HEADERS_MAX)
        return NB_SIGV4_HEAD_TOO_LARGE;
    for (size_t i = 0; i < request->header_count; i++) {
        const nb_header *header = &request->headers[i];
        nb_span name = header->name;
        size += name.len + header->value.len;
        if (IS(name, "authorization"))
            seen->authorization = trim(header->value), seen->authorizations++;
        else if (IS(name, "x-amz-date"))
            seen->amz_date = trim(header->value), seen->amz_dates++;
        else if (IS(name, "x-amz-content-sha256"))
            seen->content_sha256 = trim(header->value), seen->content_sha256s++;
        else if (IS(name, "date"))
            seen->date = trim(header->value);
        else if (IS(name, "host"))
            seen->hosts++;
        else if (IS(name, "x-amz-security-token"))
            seen->tokens += trim(header->value).len != 0;
    }
    if (size > NB_SIGV4_HEAD_SIZE_MAX)
        return NB_SIGV4_HEAD_TOO_LARGE;
    /* A proxy and we might each believe another one of two. */
    return seen->amz_dates > 1 || seen->content_sha256s > 1 || seen->hosts > 1 ? NB_SIGV4_HEAD_MALFORMED
                                                                               : NB_SIGV4_OK;
}

static const struct {
    const char *text;
    nb_sigv4_payload payload;
} PAYLOADS[] = {
    {"UNSIGNED-PAYLOAD", NB_PAYLOAD_UNSIGNED},
    {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", NB_PAYLOAD_CHUNKED_UNSIGNED_TRAILER},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", NB_PAYLOAD_CHUNKED_SIGNED},
    {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", NB_PAYLOAD_CHUNKED_SIGNED_TRAILER},
    {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", NB_PAYLOAD_UNSUPPORTED},
    {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", NB_PAYLOAD_UNSUPPORTED},
};

static nb_sigv4_payload payload_of(nb_span value) {
    if (value.len == 64) {
        size_t i = 0;
        while (i < 64 && hex_digit((unsigned char)value.ptr[i]) >= 0)
            i++;
        return i == 64 ? NB_PAYLOAD_SHA256 : NB_PAYLOAD_NONSENSE;
    }
    for (size_t i = 0; i < sizeof PAYLOADS / sizeof *PAYLOADS; i++)
        if (value.len == strlen(PAYLOADS[i].text) && memcmp(value.ptr, PAYLOADS[i].text, value.len) == 0)
            return PAYLOADS[i].payload;
    return NB_PAYLOAD_NONSENSE;
}

/* --- reading: the query -------------------------------------------------------------------------------- */

static const char *const PARAMETERS[P_COUNT] = {
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
    "X-Amz-Content-Sha256", "AWSAccessKeyId", "Signature", "x-amz-security-token",
};

/* Decode into the claim's own room. */
static nb_sigv4_status decode(nb_sigv4_claim *claim, nb_span raw, nb_span *out) {
    char *start = claim->decoded + claim->decoded_size;
    while (raw.len) {
        int value = next_decoded(&raw, 1);
        if (value < 0)
            return NB_SIGV4_QUERY_MALFORMED;
        if (claim->decoded_size == sizeof claim->decoded)
            return NB_SIGV4_HEAD_TOO_LARGE;
        claim->decoded[claim->decoded_size++] = (char)value;
    }
    *out = (nb_span){start, (size_t)(claim->decoded + claim->decoded_size - start)};
    return NB_SIGV4_OK;
}

/* The token is a header that SigV2 clients put there in lower case, and others in any. */
static int is_parameter(int which, const char *name, size_t size) {
    const char *expected = PARAMETERS[which];
    if (strlen(expected) != size)
        return 0;
    return (which == P_SECURITY_TOKEN ? strncasecmp(expected, name, size) : memcmp(expected, name, size)) == 0;
}

/* Which of PARAMETERS a raw name spells, escapes included; -1 for none. */
static int parameter(nb_span raw) {
    char name[24];
    size_t size = 0;
    while (raw.len) {
        int value = next_decoded(&raw, 1);
        if (value < 0 || size == sizeof name)
            return -1;
        name[size++] = (char)value;
    }
    for (int i = 0; i < P_COUNT; i++)
        if (is_parameter(i, name, size))
            return i;
    return -1;
}

static nb_sigv4_status scan_query(nb_span query, nb_sigv4_claim *claim, sightings *seen) {
    for (size_t count = 0; query.len;) {
        nb_span value = take(&query, '&');
        nb_span name = take(&value, '=');
        if (++count > NB_SIGV4_PARAMETERS_MAX)
            return NB_SIGV4_HEAD_TOO_LARGE;
        int which = parameter(name);
        if (which < 0)
            continue;
        if (which == P_SECURITY_TOKEN) {
            seen->tokens += value.len != 0;
            continue;
        }
        if (seen->found[which]++)
            return NB_SIGV4_PARAMETER_REPEATED;
        TRY(decode(claim, value, &seen->values[which]));
    }
    return NB_SIGV4_OK;
}

/* --- reading: the claim -------------------------------------------------------------------------------- */

static nb_sigv4_form form_of(const sightings *seen) {
    static const struct {
        const char *scheme;
        nb_sigv4_form form;
    } SCHEMES[] = {
        {"AWS4-HMAC-SHA256", NB_FORM_SIGV4_HEADER},
        {"AWS", NB_FORM_SIGV2_HEADER},
        {"AWS4-ECDSA-P256-SHA256", NB_FORM_SIGV4A_HEADER},
    };
    unsigned query_v4 = seen->found[P_ALGORITHM] || seen->found[P_CREDENTIAL] || seen->found[P_SIGNATURE];
    unsigned query_v2 = seen->found[P_V2_ACCESS_KEY] || seen->found[P_V2_SIGNATURE];
    if (seen->authorizations + query_v4 + query_v2 > 1)
        return NB_FORM_CONFLICT;
    if (query_v4)
        return NB_FORM_SIGV4_QUERY;
    if (query_v2)
        return NB_FORM_SIGV2_QUERY;
    if (!seen->authorizations)
        return NB_FORM_ANONYMOUS;
    nb_span scheme = slice(seen->authorization, 0, find(seen->authorization, ' '));
    for (size_t i = 0; i < sizeof SCHEMES / sizeof *SCHEMES; i++)
        if (scheme.len == strlen(SCHEMES[i].scheme) && memcmp(scheme.ptr, SCHEMES[i].scheme, scheme.len) == 0)
            return SCHEMES[i].form;
    return NB_FORM_UNKNOWN;
}

/* Credential=..., SignedHeaders=..., Signature=... in any order, each once. */
static nb_sigv4_status read_authorization(nb_span fields, nb_sigv4_claim *claim) {
    take(&fields, ' ');
    while (fields.len) {
        nb_span value = trim(take(&fields, ','));
        nb_span name = take(&value, '=');
        nb_span *target = IS(name, "Credential")      ? &claim->credential
                          : IS(name, "SignedHeaders") ? &claim->signed_headers
                          : IS(name, "Signature")     ? &claim->signature
                                                      : NULL;
        if (target == NULL || target->ptr != NULL || value.ptr == NULL)
            return NB_SIGV4_FIELDS_MALFORMED;
        *target = value;
    }
    return NB_SIGV4_OK;
}

/* An access key may hold slashes, so the scope's four parts are taken off the end. */
static nb_sigv4_status split_credential(nb_sigv4_claim *claim) {
    nb_span rest = claim->credential, *parts[] = {&claim->terminal, &claim->service, &claim->region, &claim->scope_date};
    for (size_t i = 0; i < 4; i++) {
        size_t slash = rest.len;
        while (slash && rest.ptr[slash - 1] != '/')
            slash--;
        if (slash == 0)
            return NB_SIGV4_CREDENTIAL_MALFORMED;
        *parts[i] = slice(rest, slash, rest.len);
        rest.len = slash - 1;
    }
    claim->access_key = rest;
    claim->scope = slice(claim->credential, rest.len + 1, claim->credential.len);
    if (rest.len == 0 || rest.len > NB_SIGV4_ACCESS_KEY_SIZE_MAX || claim->scope.len > NB_SIGV4_SCOPE_SIZE_MAX ||
        has_controls(claim->credential))
        return NB_SIGV4_CREDENTIAL_MALFORMED;
    return NB_SIGV4_OK;
}

/* Lower-case names with single semicolons between them. */
static int are_header_names(nb_span names) {
    char before = ';';
    for (size_t i = 0; i < names.len; before = names.ptr[i++]) {
        char c = names.ptr[i];
        if (c == ';' ? before == ';' : c <= ' ' || c >= 127 || (c >= 'A' && c <= 'Z') || c == ',' || c == ':')
            return 0;
    }
    return before != ';';
}

static nb_sigv4_status read_expires(nb_span text, int64_t *expires_s) {
    if (text.len == 0)
        return NB_SIGV4_EXPIRES_MISSING;
    int negative = text.ptr[0] == '-';
    text = slice(text, (size_t)negative, text.len);
    if (text.len == 0 || text.len > 18 || digits(text.ptr, text.len) < 0)
        return NB_SIGV4_EXPIRES_MALFORMED;
    *expires_s = digits(text.ptr, text.len);
    if (negative)
        return NB_SIGV4_EXPIRES_NEGATIVE;
    if (*expires_s == 0)
        return NB_SIGV4_EXPIRES_ZERO;
    return *expires_s > NB_SIGV4_EXPIRES_S_MAX ? NB_SIGV4_EXPIRES_TOO_LONG : NB_SIGV4_OK;
}

nb_sigv4_status nb_sigv4_set_timestamp(nb_sigv4_claim *claim, nb_span timestamp) {
    claim->timestamp = timestamp;
    claim->timestamp_s = nb_sigv4_parse_timestamp(timestamp);
    return claim->timestamp_s < 0 ? NB_SIGV4_DATE_MALFORMED : NB_SIGV4_OK;
}

/* What header and query form have in common. */
static nb_sigv4_status read_fields(nb_sigv4_claim *claim) {
    if (claim->credential.len == 0)
        return NB_SIGV4_CREDENTIAL_MISSING;
    TRY(split_credential(claim));
    if (claim->signed_headers.len == 0)
        return NB_SIGV4_SIGNED_HEADERS_MISSING;
    if (!are_header_names(claim->signed_headers))
        return NB_SIGV4_SIGNED_HEADERS_MALFORMED;
    return claim->signature.len == 0 ? NB_SIGV4_SIGNATURE_MISSING : NB_SIGV4_OK;
}

static nb_sigv4_status check_payload(nb_sigv4_payload payload) {
    return payload == NB_PAYLOAD_ABSENT        ? NB_SIGV4_PAYLOAD_MISSING
           : payload == NB_PAYLOAD_NONSENSE    ? NB_SIGV4_PAYLOAD_NONSENSE
           : payload == NB_PAYLOAD_UNSUPPORTED ? NB_SIGV4_PAYLOAD_UNSUPPORTED
                                               : NB_SIGV4_OK;
}

static nb_sigv4_status read_header_form(nb_sigv4_claim *claim, const sightings *seen) {
    TRY(read_authorization(seen->authorization, claim));
    TRY(read_fields(claim));
    TRY(check_payload(claim->payload));
    if (seen->amz_dates)
        return nb_sigv4_set_timestamp(claim, seen->amz_date);
    /* A Date of HTTP's own spelling is left to the caller, who gives the time back in ours. */
    return nb_sigv4_set_timestamp(claim, seen->date) == NB_SIGV4_OK ? NB_SIGV4_OK : NB_SIGV4_DATE_MISSING;
}

static nb_sigv4_status read_query_form(nb_sigv4_claim *claim, const sightings *seen) {
    const nb_span *values = seen->values;
    claim->credential = values[P_CREDENTIAL];
    claim->signed_headers = values[P_SIGNED_HEADERS];
    claim->signature = values[P_SIGNATURE];
    claim->expires = values[P_EXPIRES];
    if (values[P_PAYLOAD].len) {
        claim->payload_hash = values[P_PAYLOAD];
        claim->payload = payload_of(claim->payload_hash);
    } else if (claim->payload == NB_PAYLOAD_ABSENT) {
        claim->payload_hash = (nb_span){"UNSIGNED-PAYLOAD", 16};
        claim->payload = NB_PAYLOAD_UNSIGNED;
    }
    if (values[P_ALGORITHM].len == 0)
        return NB_SIGV4_ALGORITHM_MISSING;
    if (!IS(values[P_ALGORITHM], "AWS4-HMAC-SHA256"))
        return NB_SIGV4_ALGORITHM_UNKNOWN;
    TRY(read_fields(claim));
    TRY(read_expires(claim->expires, &claim->expires_s));
    TRY(check_payload(claim->payload));
    return values[P_DATE].len == 0 ? NB_SIGV4_DATE_MISSING : nb_sigv4_set_timestamp(claim, values[P_DATE]);
}

nb_sigv4_status nb_sigv4_read(const nb_sigv4_request *request, nb_sigv4_claim *claim) {
    sightings seen = {0};
    memset(claim, 0, offsetof(nb_sigv4_claim, decoded));
    TRY(scan_headers(request, &seen));
    TRY(scan_query(request->query, claim, &seen));
    claim->form = form_of(&seen);
    claim->has_token = seen.tokens != 0;
    if (seen.content_sha256s) {
        claim->payload_hash = seen.content_sha256;
        claim->payload = payload_of(seen.content_sha256);
    }
    switch (claim->form) {
    case NB_FORM_SIGV4_HEADER:
        return read_header_form(claim, &seen);
    case NB_FORM_SIGV4_QUERY:
        return read_query_form(claim, &seen);
    default:
        return NB_SIGV4_OK;
    }
}

/* --- checking scope and time --------------------------------------------------------------------------- */

nb_sigv4_status nb_sigv4_check_scope(const nb_sigv4_claim *claim, nb_span region) {
    nb_span date = claim->scope_date;
    if (!IS(claim->terminal, "aws4_request"))
        return NB_SIGV4_TERMINAL_WRONG;
    if (!IS(claim->service, "s3"))
        return NB_SIGV4_SERVICE_WRONG;
    if (region.len && !same(claim->region, region))
        return NB_SIGV4_REGION_WRONG;
    if (date.len != 8 || digits(date.ptr, 8) < 0)
        return NB_SIGV4_SCOPE_DATE_MALFORMED;
    return same(date, slice(claim->timestamp, 0, 8)) ? NB_SIGV4_OK : NB_SIGV4_SCOPE_DATE_DIFFERS;
}

nb_sigv4_status nb_sigv4_check_time(const nb_sigv4_claim *claim, int64_t now_s) {
    int64_t ahead_s = claim->timestamp_s - now_s;
    if (claim->form == NB_FORM_SIGV4_HEADER)
        return ahead_s > NB_SIGV4_SKEW_S_MAX || ahead_s < -NB_SIGV4_SKEW_S_MAX ? NB_SIGV4_SKEWED : NB_SIGV4_OK;
    if (ahead_s > NB_SIGV4_SKEW_S_MAX)
        return NB_SIGV4_NOT_YET_VALID;
    return -ahead_s > claim->expires_s ? NB_SIGV4_EXPIRED : NB_SIGV4_OK;
}
