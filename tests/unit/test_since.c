/* core/data/since: the words by which a reader says where it begins. */
#include "core/data/since.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct row {
    const char *text;
    struct since since;
} rows[] = {
    {"now", {.kind = SINCE_NOW}},
    {"start", {.kind = SINCE_START}},
    {"-1", {.kind = SINCE_LAST, .last = 1}},
    {"-1000000", {.kind = SINCE_LAST, .last = 1000000}},
};

START_TEST(each_word_is_read_and_written_as_it_was) {
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct since since;
        char text[SINCE_TEXT];
        ck_assert_msg(since_parse(rows[i].text, strlen(rows[i].text), &since), "%s", rows[i].text);
        ck_assert_msg(since_same(&since, &rows[i].since), "%s", rows[i].text);
        since_format(&since, text);
        ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

START_TEST(a_place_is_written_as_the_history_takes_it) {
    char text[SINCE_TEXT];

    since_format(&(struct since){.kind = SINCE_AT, .at = {5, 17}}, text);
    ck_assert_str_eq(text, "5-17");
}
END_TEST

START_TEST(what_is_no_word_is_refused) {
    static const char *const bad[] = {"",    "no",  "nowx", "startx",  "-",          "-0",
                                      "--1", "-1x", "- 1",  "+1",      "-1000001",   "-1.0",
                                      "1",   "NOW", "5-1",  "h1c@5-1", "-9999999999"};
    for (size_t i = 0; i < ROWS(bad); i++) {
        struct since since;
        ck_assert_msg(!since_parse(bad[i], strlen(bad[i]), &since), "%s", bad[i]);
    }
}
END_TEST

START_TEST(two_are_the_same_by_what_counts_for_their_kind) {
    const struct since now = {.kind = SINCE_NOW, .last = 3}, also = {.kind = SINCE_NOW};
    const struct since two = {.kind = SINCE_LAST, .last = 2},
                       three = {.kind = SINCE_LAST, .last = 3};
    const struct since at = {.kind = SINCE_AT, .at = {5, 1}},
                       later = {.kind = SINCE_AT, .at = {5, 2}};

    ck_assert(since_same(&now, &also));
    ck_assert(!since_same(&now, &two));
    ck_assert(!since_same(&two, &three));
    ck_assert(!since_same(&at, &later));
    ck_assert(since_same(&at, &at));
}
END_TEST

UNIT_MAIN("since", each_word_is_read_and_written_as_it_was,
          a_place_is_written_as_the_history_takes_it, what_is_no_word_is_refused,
          two_are_the_same_by_what_counts_for_their_kind)
