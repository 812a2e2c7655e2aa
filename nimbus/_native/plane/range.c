/* See range.h. */
#include "range.h"

#include <stdbool.h>
#include <string.h>

static const char UNIT[] = "bytes=";

/* Digits at the front of *text. Too large a number saturates: any size is smaller. False when there is no digit. */
static bool take_number(nb_span *text, uint64_t *number) {
    size_t digits = 0;
    *number = 0;
    while (text->len && text->ptr[0] >= '0' && text->ptr[0] <= '9') {
        uint64_t digit = (uint64_t)(text->ptr[0] - '0');
        *number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
        text->ptr++, text->len--, digits++;
    }
    return digits > 0;
}

static nb_range_verdict suffix(uint64_t count, uint64_t size, uint64_t *start, uint64_t *end) {
    if (count == 0)
        return NB_RANGE_UNSATISFIABLE;
    if (size == 0)
        return NB_RANGE_IGNORED;
    *start = count >= size ? 0 : size - count;
    *end = size;
    return NB_RANGE_OK;
}

nb_range_verdict nb_range_parse(nb_span value, uint64_t size, uint64_t *start, uint64_t *end) {
    size_t unit_len = sizeof UNIT - 1;
    if (value.len <= unit_len || memcmp(value.ptr, UNIT, unit_len) != 0)
        return NB_RANGE_IGNORED;
    nb_span text = {value.ptr + unit_len, value.len - unit_len};
    uint64_t first = 0, last = UINT64_MAX;
    bool has_first = take_number(&text, &first);
    if (!text.len || text.ptr[0] != '-')
        return NB_RANGE_IGNORED;
    text.ptr++, text.len--;
    bool has_last = take_number(&text, &last);
    if (!has_last)
        last = UINT64_MAX;
    if (text.len || (!has_first && !has_last) || (has_first && has_last && last < first))
        return NB_RANGE_IGNORED;
    if (!has_first)
        return suffix(last, size, start, end);
    if (first >= size)
        return NB_RANGE_UNSATISFIABLE;
    *start = first;
    *end = last >= size ? size : last + 1;
    return NB_RANGE_OK;
}
