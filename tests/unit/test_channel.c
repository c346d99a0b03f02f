/* core/data/channel: names, and what Redis knows them by. */
#include "core/data/channel.h"

#include <string.h>

#include "tests/unit/unit.h"

START_TEST(names_are_checked) {
    char longest[CHANNEL_MAX + 2];
    memset(longest, 'x', sizeof longest);
    const struct {
        const char *name;
        size_t len;
        bool valid;
    } rows[] = {{"chat", 4, true},
                {"a", 1, true},
                {"room 1/north:east@2,3?x=y&z#", 28, true},
                {"~internal", 9, true},
                {"\xc3\xa9t\xc3\xa9", 5, true},
                {"\xf0\x9f\x92\xac", 4, true},
                {"\xc2\xa0", 2, true}, /* no-break space: above the C1 controls */
                {longest, CHANNEL_MAX, true},
                {longest, CHANNEL_MAX + 1, false},
                {"", 0, false},
                {"a\0b", 3, false},
                {"a\nb", 3, false},
                {"a\x1f", 2, false},
                {"a\x7f", 2, false},
                {"\xc2\x80", 2, false},
                {"\xc2\x9f", 2, false},
                {"a{b", 3, false},
                {"a}b", 3, false},
                {"chat*", 5, false},
                {"\xff", 1, false},
                {"\xc3", 1, false},
                {"\xc0\xaf", 2, false},
                {"\xed\xa0\x80", 3, false},
                {"\xf4\x90\x80\x80", 4, false}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(channel_valid(rows[i].name, rows[i].len) == rows[i].valid, "row %zu: %.*s", i,
                      (int)rows[i].len, rows[i].name);
}
END_TEST

START_TEST(names_with_a_tilde_in_front_are_reserved) {
    ck_assert(channel_reserved("~", 1));
    ck_assert(channel_reserved("~x", 2));
    ck_assert(!channel_reserved("a~", 2));
    ck_assert(!channel_reserved("", 0));
}
END_TEST

UNIT_MAIN("channel", names_are_checked, names_with_a_tilde_in_front_are_reserved)
