/* core/redis/halley.lua, the names of channels: put down by every kind of publish, told once,
 * found by patterns. */
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

static const char *found(const char *pattern, int most) {
    return ask("FCALL_RO halley_channels 2 halley.channels halley.channels:born %s %d", pattern,
               most);
}

static void publish(const char *channel) {
    ask("FCALL halley_publish 1 %s x", channel);
}

START_TEST(names_are_found_by_patterns) {
    server_start(false);
    const char *const names[] = {"a", "a/b", "a/c", "a/b/c", "ab/c", "/x"};
    for (size_t i = 0; i < ROWS(names); i++)
        publish(names[i]);
    ck_assert_str_eq(ask("ZCARD halley.channels"), "6");
    ck_assert_str_eq(ask("ZCARD halley.channels:born"), "6");
    const char *text = found("a/*", 10);
    ck_assert_msg(strstr(text, "a/b") && strstr(text, "a/c") && !strstr(text, "a/b/c") &&
                      !strstr(text, "ab/c"),
                  "%s", text);
    ck_assert(strstr(found("a/**", 10), "a/b/c") != NULL);
    ck_assert(strstr(found("/*", 10), "/x") != NULL && strstr(found("/*", 10), "a/b") == NULL);
    ck_assert(strstr(found("b/*", 10), "a") == NULL);
    ck_assert(strstr(found("a", 10), "usage") != NULL);
}
END_TEST

START_TEST(names_that_nobody_publishes_to_are_forgotten) {
    server_start(false);
    publish("old");
    ask("ZADD halley.channels 1000 old");
    publish("new");
    ck_assert_str_eq(ask("ZCARD halley.channels"), "1");
    ck_assert_str_eq(ask("ZCARD halley.channels:born"), "1");
    publish("old"); /* known to have been put down in this minute; its history is there */
    ask("DEL halley.meta:{old} halley.history:{old}");
    publish("old");
    ck_assert_str_eq(ask("ZCARD halley.channels"), "2");
}
END_TEST

START_TEST(a_name_that_cannot_be_put_down_hinders_no_publish) {
    server_start(false);
    ask("SET halley.channels x");
    ck_assert(strstr(ask("FCALL halley_publish 1 a x"), "-1") != NULL);
    ck_assert_str_eq(ask("XLEN halley.history:{a}"), "1");
}
END_TEST

UNIT_MAIN("lua_channels", names_are_found_by_patterns, names_that_nobody_publishes_to_are_forgotten,
          a_name_that_cannot_be_put_down_hinders_no_publish)
