/* See conditions.h. */
#define _GNU_SOURCE /* timegm */
#include "plane/conditions.h"

#include <string.h>
#include <time.h>

typedef enum { NAMES, NAMES_NOT, UNSURE } naming;

static nb_span unquoted(nb_span tag) {
    while (tag.len && tag.ptr[0] == '"')
        tag.ptr++, tag.len--;
    while (tag.len && tag.ptr[tag.len - 1] == '"')
        tag.len--;
    return tag;
}

static bool same(nb_span a, nb_span b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

/* Lists, weak tags and stars among others are for the embedded server. */
static naming names(nb_span value, nb_span etag) {
    if (nb_span_is(value, "*"))
        return NAMES;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == ',' || value.ptr[i] == '*' || value.ptr[i] == '/' || value.ptr[i] == ' ' || value.ptr[i] == '\t')
            return UNSURE;
    return same(unquoted(value), etag) ? NAMES : NAMES_NOT;
}

static int two_digits(const char *at) {
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
        return -1;
    return (at[0] - '0') * 10 + (at[1] - '0');
}

static int month_of(const char *at) {
    static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; month++)
        if (memcmp(at, MONTHS + 3 * month, 3) == 0)
            return month;
    return -1;
}

static int weekday_of(const char *at) {
    static const char DAYS[] = "SunMonTueWedThuFriSat";
    for (int day = 0; day < 7; day++)
        if (memcmp(at, DAYS + 3 * day, 3) == 0)
            return day;
    return -1;
}

static bool is_shaped(const char *t) {
    return t[3] == ',' && t[4] == ' ' && t[7] == ' ' && t[11] == ' ' && t[16] == ' ' && t[19] == ':' && t[22] == ':' &&
           memcmp(t + 25, " GMT", 4) == 0;
}

int64_t nb_parse_http_date(nb_span text) {
    const char *t = text.ptr;
    if (text.len != 29 || !is_shaped(t))
        return -1;
    int day = two_digits(t + 5), month = month_of(t + 8), century = two_digits(t + 12), year = two_digits(t + 14);
    int hour = two_digits(t + 17), minute = two_digits(t + 20), second = two_digits(t + 23), weekday = weekday_of(t);
    if (day < 1 || month < 0 || century < 19 || year < 0 || hour < 0 || minute < 0 || second < 0 || weekday < 0)
        return -1;
    if (hour > 23 || minute > 59 || second > 59)
        return -1;
    struct tm moment = {.tm_mday = day, .tm_mon = month, .tm_year = century * 100 + year - 1900,
                        .tm_hour = hour, .tm_min = minute, .tm_sec = second};
    int64_t seconds = timegm(&moment);
    /* timegm carries 31 February over into March, and knows the day of the week. */
    return moment.tm_mday == day && moment.tm_wday == weekday && seconds >= 0 ? seconds : -1;
}

typedef enum { ABSENT, PRESENT, TWICE } presence;

static presence find(const nb_header *headers, size_t count, const char *name, nb_span *value) {
    const nb_header *header = nb_header_find(headers, count, name);
    if (!header)
        return ABSENT;
    *value = header->value;
    return nb_header_count(headers, count, name) > 1 ? TWICE : PRESENT;
}

nb_condition_verdict nb_conditions_check(
    const nb_header *headers, size_t count, const nb_validators *validators, int64_t now_s) {
    nb_span match, none_match, since, unmodified_since;
    presence has_match = find(headers, count, "if-match", &match);
    presence has_none = find(headers, count, "if-none-match", &none_match);
    presence has_since = find(headers, count, "if-modified-since", &since);
    presence has_unmodified = find(headers, count, "if-unmodified-since", &unmodified_since);
    if (has_match == TWICE || has_none == TWICE || has_since == TWICE || has_unmodified == TWICE)
        return NB_CONDITION_OTHER;
    if (has_match && names(match, validators->etag) != NAMES)
        return NB_CONDITION_OTHER;
    if (!has_match && has_unmodified) {
        int64_t moment = nb_parse_http_date(unmodified_since);
        if (moment < 0 || validators->modified_s > moment)
            return NB_CONDITION_OTHER;
    }
    if (has_none) {
        naming named = names(none_match, validators->etag);
        return named == UNSURE ? NB_CONDITION_OTHER : named == NAMES ? NB_CONDITION_UNMODIFIED : NB_CONDITION_PASS;
    }
    if (!has_since)
        return NB_CONDITION_PASS;
    int64_t moment = nb_parse_http_date(since);
    if (moment < 0)
        return NB_CONDITION_OTHER;
    return moment > now_s || validators->modified_s > moment ? NB_CONDITION_PASS : NB_CONDITION_UNMODIFIED;
}

bool nb_if_range_holds(nb_span value, const nb_validators *validators) {
    if (same(value, validators->modified_http))
        return true;
    return value.len == validators->etag.len + 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"' &&
           memcmp(value.ptr + 1, validators->etag.ptr, validators->etag.len) == 0;
}
