/* core/base/scan and core/base/number: JSON texts as they came, and where in them a value stands.
 */
#include "core/base/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/number.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static bool grammar(const char *text) {
    struct scan_value value;
    return scan_grammar(text, strlen(text), &value);
}

static bool tame(const char *text) {
    return scan_tame(text, strlen(text));
}

START_TEST(what_only_the_grammar_allows_is_not_tame) {
    static const char *const rows[] = {
        "1E400",        "-1e309",          "[0.1, 1e999999999999]", "\"\\ud800\"",
        "\"\\udc00x\"", "{\"\\ud83d\":1}", "\"\\ud83d\\n\"",        "\"\\ud83d\\u0041\""};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(grammar(rows[i]) && !tame(rows[i]), "%s", rows[i]);
}
END_TEST

START_TEST(a_value_is_found_without_the_blanks_around_it) {
    struct scan_value value;

    ck_assert(scan_grammar(" \r\n[1, 2]\t", 10, &value));
    assert_bytes(value.at, value.len, "[1, 2]", "value");
    ck_assert(!scan_grammar("[1, 2] 3", 8, &value));
    ck_assert_ptr_null(value.at);
}
END_TEST

START_TEST(numbers_overflow_where_strtod_says_so) {
    static const char *const rows[] = {"0",
                                       "-0",
                                       "0e999999999999999999999",
                                       "0.0000e400",
                                       "1e308",
                                       "1e309",
                                       "-1e309",
                                       "1.7976931348623157e308",
                                       "1.7976931348623158e308",
                                       "1.7976931348623159e308",
                                       "179769313486231580e291",
                                       "0.00017976931348623157e312",
                                       "0.00017976931348623159e312",
                                       "17.976931348623159E+307",
                                       "1e-999999999999",
                                       "2e-400",
                                       "123456789012345678901234567890",
                                       "0.1e309",
                                       "10.00e307",
                                       "10.00e308"};

    for (size_t i = 0; i < ROWS(rows); i++) {
        double value = strtod(rows[i], NULL);
        bool fits = (bool)isfinite(value);
        ck_assert_msg(number_in_double(rows[i], rows[i] + strlen(rows[i])) == fits, "%s", rows[i]);
    }
}
END_TEST

/* Digits around the least number that overflows, with and without a point and an exponent. */
START_TEST(the_edge_of_a_double_is_exact) {
    const char *edge =
        "17976931348623158079372897140530341507993413271003782693617377898044496829276475"
        "09466490179775872070963302864166928879109465555478519404026306574886715058206819"
        "08902000708383676273854845817711531764475730270069855571366959622842914819860834"
        "936475292719074168444365510704342711559699508093042880177904174497792";
    size_t len = strlen(edge);
    char *below = keepf("%s", edge);

    below[len - 1]--;
    const char *rows[] = {edge,
                          below,
                          keepf("%s.0", edge),
                          keepf("%s.99", below),
                          keepf("0.%se309", edge),
                          keepf("0.%se309", below),
                          keepf("%s0e-1", edge),
                          keepf("%s9e-1", below)};
    for (size_t i = 0; i < ROWS(rows); i++) {
        bool fits = number_in_double(rows[i], rows[i] + strlen(rows[i]));
        ck_assert_msg(fits == (i % 2 == 1) && fits == (bool)isfinite(strtod(rows[i], NULL)),
                      "row %zu", i);
    }
}
END_TEST

START_TEST(any_nesting_is_scanned_and_2048_levels_are_tame) {
    ck_assert(tame(keep_nested(2048)));
    ck_assert(!tame(keep_nested(2049)));
    ck_assert(grammar(keep_nested(2049)));
    ck_assert(grammar(keep_nested(100000)));
    ck_assert(!grammar(keepf("%s]", keep_nested(5000))));
    ck_assert(!grammar(keep_nested(5000) + 1));
}
END_TEST

START_TEST(brackets_must_fit_at_every_depth) {
    char *text = keep_nested(5000);

    for (size_t i = 0; i < 3; i++) {
        size_t at = 5000 + i * 2400;
        text[at] = '}';
        ck_assert(!grammar(text));
        text[at] = ']';
    }
    ck_assert(grammar(text));
    ck_assert(!grammar("[{]}"));
    ck_assert(!grammar("{\"a\":[}]"));
}
END_TEST

static void must_find(const char *text, const char *name, const char *want) {
    const char *const names[] = {"other", name};
    struct scan_value value, found[2];

    ck_assert_msg(scan_grammar(text, strlen(text), &value), "%s", text);
    scan_members(value, names, 2, found);
    ck_assert_msg((found[1].at != NULL) == (want != NULL), "%s", text);
    if (want != NULL)
        assert_bytes(found[1].at, found[1].len, want, text);
}

START_TEST(members_are_found_as_they_came) {
    must_find("{\"data\":0.1}", "data", "0.1");
    must_find("{ \"data\" :\n12345678901234567890 }", "data", "12345678901234567890");
    must_find("{\"data\":{\"a\":1,\"a\" : -0},\"x\":1}", "data", "{\"a\":1,\"a\" : -0}");
    must_find("{\"data\":\"}\\\"]\\\\\",\"x\":[]}", "data", "\"}\\\"]\\\\\"");
    must_find("{\"x\":{\"data\":1}}", "data", NULL);
    must_find("{\"x\":\"data\"}", "data", NULL);
    must_find("{\"data\":1,\"data\":2}", "data", "2");
    must_find("{\"d\\u0061ta\":null}", "data", "null");
    must_find("{\"data\\u0000\":1,\"dat\":2,\"datas\":3,\"\\u0164ata\":4}", "data", NULL);
    must_find("{\"a\\/\\n\":7}", "a/\n", "7");
    must_find("{}", "data", NULL);
    must_find("[\"data\",1]", "data", NULL);
    must_find("\"data\"", "data", NULL);
}
END_TEST

START_TEST(elements_are_found_one_after_the_other) {
    static const char *const want[] = {"1", "[2,3]", "\"],[\"", "{\"a\":[4]}", "null"};
    const char *text = "[ 1 , [2,3],\"],[\",{\"a\":[4]} ,\nnull]";
    struct scan_value value, element = {NULL, 0};
    size_t count = 0;

    ck_assert(scan_grammar(text, strlen(text), &value));
    for (; scan_next(value, &element); count++)
        assert_bytes(element.at, element.len, want[count], "element");
    ck_assert_uint_eq(count, ROWS(want));
    ck_assert_ptr_null(element.at);
    ck_assert(scan_grammar("[ ]", 3, &value) && !scan_next(value, &element));
    ck_assert(scan_grammar("{\"a\":1}", 7, &value) && !scan_next(value, &element));
    ck_assert(!scan_next((struct scan_value){NULL, 0}, &element));
}
END_TEST

UNIT_MAIN("scan", what_only_the_grammar_allows_is_not_tame,
          a_value_is_found_without_the_blanks_around_it, numbers_overflow_where_strtod_says_so,
          the_edge_of_a_double_is_exact, any_nesting_is_scanned_and_2048_levels_are_tame,
          brackets_must_fit_at_every_depth, members_are_found_as_they_came,
          elements_are_found_one_after_the_other)
