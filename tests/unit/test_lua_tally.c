/* core/redis/halley.lua, accounts: counted by tag, and bounded whatever is invented. */
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

static const char *spend(const char *tag, const char *seconds) {
    return must_ask("FCALL halley_tally 2 halley.tag:{tags}:%s halley.tags:{tags} %s %s requests 2 "
                    "bytes_in 30",
                    tag, seconds, tag);
}

START_TEST(what_is_spent_is_added_up_and_expires) {
    server_start(false);
    ck_assert_str_eq(spend("a", "900"), "1");
    ck_assert_str_eq(spend("a", "900"), "1");
    ck_assert_str_eq(ask("HGET halley.tag:{tags}:a requests"), "4");
    ck_assert_str_eq(ask("HGET halley.tag:{tags}:a bytes_in"), "60");
    ck_assert_str_ne(ask("PTTL halley.tag:{tags}:a"), "-1");
    ck_assert_str_ne(ask("PTTL halley.tags:{tags}"), "-1");
}
END_TEST

START_TEST(there_are_at_most_1024_tags) {
    server_start(false);
    for (int i = 0; i < 1024; i++)
        ck_assert_str_eq(spend(keepf("t%d", i), "900"), "1");
    for (int i = 0; i < 2000; i++)
        ck_assert_str_eq(spend(keepf("u%d", i), "900"), "0");
    ck_assert_str_eq(spend("t7", "900"), "1"); /* known ones go on */
    ck_assert_str_eq(ask("HGET halley.tag:{tags}:t7 requests"), "4");
    ck_assert_str_eq(ask("DBSIZE"), "1025");
}
END_TEST

START_TEST(tags_that_are_not_used_any_more_make_room) {
    server_start(false);
    for (int i = 0; i < 1024; i++)
        ck_assert_str_eq(spend(keepf("t%d", i), "1"), "1");
    until(strcmp(spend("new", "1"), "1") == 0, "no room is made");
    until(strcmp(ask("DBSIZE"), "0") == 0, "%s keys are left", ask("DBSIZE"));
}
END_TEST

UNIT_MAIN("lua_tally", what_is_spent_is_added_up_and_expires, there_are_at_most_1024_tags,
          tags_that_are_not_used_any_more_make_room)
