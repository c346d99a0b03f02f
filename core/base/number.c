/*
 * The range of a double, by the digits alone: reading a number to see whether it overflows
 * costs hundreds of times as much when it is near the edge, and a payload may be made of
 * nothing else.
 */
#include "core/base/number.h"

#include <string.h>

/*
 * The least number that is rounded to infinity: 2^1024 - 2^970, half-way between the
 * greatest double and what would be the next one. 309 digits.
 */
static const char too_great[] =
    "17976931348623158079372897140530341507993413271003782693617377898044496829276475"
    "09466490179775872070963302864166928879109465555478519404026306574886715058206819"
    "08902000708383676273854845817711531764475730270069855571366959622842914819860834"
    "936475292719074168444365510704342711559699508093042880177904174497792";

const char *number_digits(const char *at, const char *end) {
    while (at < end && number_digit(*at))
        at++;
    return at;
}

/* The exponent behind an "e"; beyond 10^9 it is all the same. */
static long exponent(const char *at, const char *end) {
    bool negative = at < end && *at == '-';
    long value = 0;

    for (at += at < end && !number_digit(*at); at < end; at++) {
        if (value < 1000000000)
            value = value * 10 + (*at - '0');
    }
    return negative ? -value : value;
}

/* Whether the digits from `at`, a decimal point among them, are at least `too_great`'s. */
static bool reaches_limit(const char *at, const char *end) {
    const char *limit = too_great;

    for (; at < end && *limit != '\0' && (number_digit(*at) || *at == '.'); at++) {
        if (*at == '.')
            continue;
        if (*at != *limit)
            return *at > *limit;
        limit++;
    }
    return strspn(limit, "0") == strlen(limit);
}

bool number_in_double(const char *at, const char *end) {
    const long greatest = (long)sizeof too_great - 2; /* 10^308 has the place of its first digit */

    at += *at == '-';
    const char *whole = number_digits(at, end);
    const char *e = whole < end && *whole == '.' ? number_digits(whole + 1, end) : whole;
    if (e == end && whole - at <= greatest)
        return true;
    const char *first = at + strspn(at, "0.");
    if (first >= e)
        return true; /* zero */
    long place = first < whole ? whole - first - 1 : whole - first;
    place += e < end ? exponent(e + 1, end) : 0;
    return place < greatest || (place == greatest && !reaches_limit(first, e));
}
