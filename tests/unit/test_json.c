/* core/base/json: validity, UTF-8, quoting and splicing. */
#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

struct text {
    const char *bytes;
    size_t len; /* 0: a C string */
};

static size_t length(const struct text *text) {
    return text->len != 0 ? text->len : strlen(text->bytes);
}

START_TEST(valid_json_is_any_one_value) {
    static const struct text rows[] = {{"{}", 0},
                                       {"[]", 0},
                                       {"null", 0},
                                       {"true", 0},
                                       {"0", 0},
                                       {"-0.5e+10", 0},
                                       {"\"\"", 0},
                                       {"\"\\u0000\"", 0},
                                       {"\"\\ud83d\\ude00\"", 0},
                                       {" \t\r\n{\"a\" : [1, {\"b\":null}]}\n", 0},
                                       {"99999999999999999999999", 0},
                                       {"18446744073709551616", 0},
                                       {"{\"a\":1,\"a\":2}", 0},
                                       {"\"\xc3\xa9\"", 0}};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(json_valid(rows[i].bytes, length(&rows[i])), "%s", rows[i].bytes);
}
END_TEST

START_TEST(everything_else_is_not_valid_json) {
    static const struct text rows[] = {{"", 0},
                                       {" ", 0},
                                       {"hello", 0},
                                       {"{", 0},
                                       {"{\"a\":}", 0},
                                       {"{'a':1}", 0},
                                       {"[1,]", 0},
                                       {"[1] 2", 0},
                                       {"{}{}", 0},
                                       {"01", 0},
                                       {"+1", 0},
                                       {".5", 0},
                                       {"NaN", 0},
                                       {"Infinity", 0},
                                       {"1e999", 0},
                                       {"\"\t\"", 0},
                                       {"\"\\x41\"", 0},
                                       {"\"\\ud83d\"", 0},
                                       {"\"\xff\"", 0},
                                       {"\"\xed\xa0\x80\"", 0},
                                       {"\xef\xbb\xbf{}", 0},
                                       {"{}\0", 3},
                                       {"\0", 1},
                                       {"1\0", 2},
                                       {"true\0", 5},
                                       {"[1\0]", 4},
                                       {"{\"a\":1\0}", 8},
                                       {"// comment\n1", 0},
                                       {"nul", 0}};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(!json_valid(rows[i].bytes, length(&rows[i])), "row %zu: %s", i,
                      rows[i].bytes);
}
END_TEST

START_TEST(nesting_that_could_exhaust_a_stack_is_not_valid) {
    ck_assert(json_valid(keep_nested(1000), 2000));
    ck_assert(!json_valid(keep_nested(3000), 6000));
    ck_assert(!json_valid(keep_nested(200000), 400000));
}
END_TEST

START_TEST(utf8_is_what_rfc_3629_says) {
    static const struct {
        struct text text;
        bool valid;
    } rows[] = {{{"", 0}, true},
                {{"plain", 0}, true},
                {{"a\0b", 3}, true},
                {{"\xc2\x80", 0}, true},
                {{"\xdf\xbf", 0}, true},
                {{"\xe0\xa0\x80", 0}, true},
                {{"\xef\xbf\xbf", 0}, true},
                {{"\xf0\x90\x80\x80", 0}, true},
                {{"\xf4\x8f\xbf\xbf", 0}, true},
                {{"\x80", 0}, false},
                {{"\xc0\x80", 0}, false},
                {{"\xc1\xbf", 0}, false},
                {{"\xc2", 0}, false},
                {{"\xe0\x9f\xbf", 0}, false},
                {{"\xed\xa0\x80", 0}, false},
                {{"\xed\xbf\xbf", 0}, false},
                {{"\xe2\x82", 0}, false},
                {{"\xf0\x8f\xbf\xbf", 0}, false},
                {{"\xf4\x90\x80\x80", 0}, false},
                {{"\xf5\x80\x80\x80", 0}, false},
                {{"\xff", 0}, false}};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(json_utf8(rows[i].text.bytes, length(&rows[i].text)) == rows[i].valid,
                      "row %zu", i);
}
END_TEST

START_TEST(quoting_escapes_what_json_must) {
    static const struct {
        struct text text;
        const char *want;
    } rows[] = {{{"", 0}, "\"\""},
                {{"a \"b\" \\c/", 0}, "\"a \\\"b\\\" \\\\c/\""},
                {{"\n\r\t\b\f", 0}, "\"\\n\\r\\t\\b\\f\""},
                {{"\x01\x1f", 0}, "\"\\u0001\\u001F\""},
                {{"a\0b", 3}, "\"a\\u0000b\""},
                {{"\xc3\xa9\xf0\x9f\x98\x80", 0}, "\"\xc3\xa9\xf0\x9f\x98\x80\""}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out = buf_make(1000);
        json_quote(&out, rows[i].text.bytes, length(&rows[i].text));
        assert_bytes(out.data, out.len, rows[i].want, "quoted");
        buf_free(&out);
    }
}
END_TEST

START_TEST(what_was_quoted_is_valid_again) {
    char all[256];
    struct buf out = buf_make(4000);

    for (int i = 0; i < 128; i++)
        all[i] = (char)i;
    json_quote(&out, all, 128);
    ck_assert(json_valid(out.data, out.len));
    ck_assert_ptr_null(memchr(out.data, '\n', out.len));
    buf_free(&out);
}
END_TEST

START_TEST(splicing_makes_one_line_and_changes_nothing_else) {
    struct buf out = buf_make(1000);
    const char *text = "{\r\n  \"a\": \"x\\ny\",\n  \"b\": 1.50\n}\n";

    buf_text(&out, "\n<");
    json_splice(&out, text, strlen(text));
    ck_assert_str_eq(out.data, "\n<{    \"a\": \"x\\ny\",   \"b\": 1.50 } ");
    buf_free(&out);
}
END_TEST

START_TEST(a_splice_past_the_maximum_overflows) {
    struct buf out = buf_make(4);

    json_splice(&out, "\"abc\"", 5);
    ck_assert(out.overflow);
    buf_free(&out);
}
END_TEST

UNIT_MAIN("json", valid_json_is_any_one_value, everything_else_is_not_valid_json,
          nesting_that_could_exhaust_a_stack_is_not_valid, utf8_is_what_rfc_3629_says,
          quoting_escapes_what_json_must, what_was_quoted_is_valid_again,
          splicing_makes_one_line_and_changes_nothing_else, a_splice_past_the_maximum_overflows)
