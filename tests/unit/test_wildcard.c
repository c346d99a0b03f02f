/* core/data/wildcard: patterns of channel names. */
#include "core/data/wildcard.h"

#include <string.h>

#include "core/data/cursor.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

START_TEST(a_pattern_ends_with_its_stars) {
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {{"*", true},      {"**", true},      {"a/*", true},     {"a/b/**", true},
                {"/*", true},     {"//**", true},    {"a b/*", true},   {"\xc3\xa4/*", true},
                {"~own/*", true}, {"", false},       {"a", false},      {"a*", false},
                {"a/b*", false},  {"a/***", false},  {"***", false},    {"*/a", false},
                {"*/*", false},   {"a/*/*", false},  {"a/**/*", false}, {"{a}/*", false},
                {"a\n/*", false}, {"\xff/*", false}, {"a.*", false},    {"news.*", false}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(wildcard_valid(rows[i].text, strlen(rows[i].text)) == rows[i].valid, "%s",
                      rows[i].text);
    ck_assert(wildcard_valid(keepf("%0198d/*", 0) + 1, 199));
    ck_assert(!wildcard_valid(keepf("%0199d/*", 0), 201));
}
END_TEST

START_TEST(one_star_is_one_segment_and_two_are_more) {
    static const struct {
        const char *pattern, *name;
        bool match;
    } rows[] = {{"*", "a", true},       {"*", "a/b", false},     {"**", "a", true},
                {"**", "a/b/c", true},  {"a/*", "a/b", true},    {"a/*", "a/b/c", false},
                {"a/**", "a/b", true},  {"a/**", "a/b/c", true}, {"a/*", "a", false},
                {"a/*", "a/", false},   {"a/**", "a/", false},   {"a/**", "a", false},
                {"a/*", "ab/c", false}, {"a/*", "b/a/c", false}, {"/*", "/a", true},
                {"/*", "a", false},     {"a/**", "a//", true},   {"a/*", "a/b/", false}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(wildcard_match(rows[i].pattern, strlen(rows[i].pattern), rows[i].name,
                                     strlen(rows[i].name)) == rows[i].match,
                      "%s, %s", rows[i].pattern, rows[i].name);
}
END_TEST

START_TEST(a_pattern_has_its_place_in_a_cursor) {
    struct buf text = buf_make(1000);
    struct cursor *cursor;

    cursor_add(&text, "a/*", 3, (struct position){7, 0});
    cursor_add(&text, "a/b", 3, (struct position){8, 1});
    ck_assert_str_eq(text.data, "a/~2A@7-0,a/b@8-1");
    ck_assert_int_eq(cursor_parse(text.data, text.len, 10, &cursor), ERR_OK);
    ck_assert_uint_eq(cursor_find(cursor, "a/*", 3)->epoch, 7);
    keep(cursor);
    ck_assert_int_ne(cursor_parse("a~2A@7-0", 8, 10, &cursor), ERR_OK); /* neither is one */
    buf_free(&text);
}
END_TEST

UNIT_MAIN("wildcard", a_pattern_ends_with_its_stars, one_star_is_one_segment_and_two_are_more,
          a_pattern_has_its_place_in_a_cursor)
