/* core/redis/halley.lua, reports of processes: their age is told by Redis's clock alone. */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

static const char *report(const char *id, const char *text) {
    return must_ask("FCALL halley_report 1 halley.processes %s %s 16", id, text);
}

static const char *reports(void) {
    return must_ask("FCALL halley_reports 1 halley.processes 16");
}

static long redis_seconds(void) {
    return atol(must_ask("TIME") + 1);
}

/* As a process whose clock is `off` seconds wrong wrote them before. */
static void write_by_hand(const char *id, long off) {
    must_ask("HSET halley.processes %s %s", id, keepf("%ld {%s}", redis_seconds() + off, id));
}

START_TEST(a_report_has_the_time_of_redis) {
    server_start(false);
    long before = redis_seconds();
    ck_assert_str_eq(report("a:1", "{}"), "1");
    long at = atol(ask("HGET halley.processes a:1"));
    ck_assert_int_ge(at, before);
    ck_assert_int_le(at, redis_seconds());
    ck_assert_str_eq(reports(), "[{}]");
}
END_TEST

START_TEST(what_is_stale_is_taken_out_and_nothing_else) {
    server_start(false);
    report("new:1", "{new}");
    write_by_hand("old:1", -60);
    write_by_hand("ahead:1", 3600);
    write_by_hand("recent:1", -5);
    must_ask("HSET halley.processes odd:1 rubbish");
    const char *list = reports();
    ck_assert_msg(strstr(list, "{new}") != NULL && strstr(list, "{recent:1}") != NULL, "%s", list);
    ck_assert_str_eq(ask("HLEN halley.processes"), "2");
}
END_TEST

START_TEST(there_are_so_many_reports_at_most_and_stale_ones_make_room) {
    server_start(false);
    for (int i = 0; i < 512; i++)
        ck_assert_str_eq(report(keepf("p:%d", i), "{}"), "1");
    ck_assert_str_eq(report("one:more", "{}"), "0");
    ck_assert_str_eq(report("p:7", "{}"), "1");
    write_by_hand("p:9", -60);
    ck_assert_str_eq(report("one:more", "{}"), "1");
    ck_assert_str_eq(ask("HLEN halley.processes"), "512");
}
END_TEST

START_TEST(the_list_is_bounded_in_bytes) {
    char text[16001];

    server_start(false);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 100; i++)
        ck_assert_str_eq(report(keepf("p:%d", i), text), "1");
    size_t len = strlen(reports());
    ck_assert_uint_gt(len, 1000000);
    ck_assert_uint_lt(len, 1100000);
}
END_TEST

UNIT_MAIN("lua_report", a_report_has_the_time_of_redis, what_is_stale_is_taken_out_and_nothing_else,
          there_are_so_many_reports_at_most_and_stale_ones_make_room, the_list_is_bounded_in_bytes)
