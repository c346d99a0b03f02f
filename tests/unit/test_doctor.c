/* What the operator's doctor makes of what Redis says of itself. */
#include "operator/doctor.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct findings findings;

static void look(const char *info) {
    findings.count = 0;
    doctor_info(info, &findings);
}

static void must_find(const char *id, enum finding_level level, const char *in_text) {
    ck_assert_uint_eq(findings.count, 1);
    ck_assert_str_eq(findings.all[0].id, id);
    ck_assert_int_eq(findings.all[0].level, level);
    ck_assert_msg(strstr(findings.all[0].text, in_text) != NULL, "%s", findings.all[0].text);
    ck_assert_str_ne(findings.all[0].fix, "");
}

START_TEST(a_redis_as_it_should_be_has_no_finding) {
    look("\n# Server\r\nredis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n"
         "aof_enabled:1\r\naof_last_write_status:ok\r\nrdb_last_bgsave_status:ok\r\n"
         "connected_clients:8000\r\nmaxclients:10000\r\n");
    ck_assert_uint_eq(findings.count, 0);
    look("\n");
    ck_assert_uint_eq(findings.count, 0);
    ck_assert(!findings_any(&findings));
}
END_TEST

START_TEST(an_old_redis_is_found) {
    look("\nredis_version:6.2.14\r\n");
    must_find("redis-version", FINDING_ERROR, "6.2.14");
    ck_assert(findings_any(&findings));
}
END_TEST

START_TEST(a_policy_that_throws_away_is_found) {
    look("\nmaxmemory:104857600\r\nmaxmemory_policy:allkeys-lru\r\n");
    must_find("redis-eviction", FINDING_ERROR, "104857600");
    look("\nmaxmemory:0\r\nmaxmemory_policy:volatile-ttl\r\n");
    must_find("redis-eviction", FINDING_WARNING, "volatile-ttl");
}
END_TEST

START_TEST(what_is_not_written_is_found) {
    look("\naof_enabled:0\r\n");
    must_find("redis-persistence", FINDING_WARNING, "append-only");
    look("\naof_enabled:1\r\naof_last_write_status:err\r\nrdb_last_bgsave_status:ok\r\n");
    must_find("redis-persistence", FINDING_ERROR, "err");
    look("\naof_enabled:1\r\naof_last_write_status:ok\r\nrdb_last_bgsave_status:err\r\n");
    must_find("redis-persistence", FINDING_ERROR, "err");
}
END_TEST

START_TEST(connections_that_are_nearly_used_up_are_found) {
    look("\nconnected_clients:8001\r\nmaxclients:10000\r\n");
    must_find("redis-clients", FINDING_WARNING, "8001");
}
END_TEST

START_TEST(clocks_that_are_apart_are_found) {
    findings.count = 0;
    doctor_clock(-1.9, &findings);
    doctor_clock(1.9, &findings);
    ck_assert_uint_eq(findings.count, 0);
    doctor_clock(61, &findings);
    must_find("clock", FINDING_WARNING, "61 s ahead");
    findings.count = 0;
    doctor_clock(-7, &findings);
    must_find("clock", FINDING_WARNING, "7 s behind");
}
END_TEST

START_TEST(more_findings_than_there_is_room_for_are_left_out) {
    findings.count = 0;
    for (int i = 0; i < FINDINGS + 9; i++)
        findings_add(&findings, FINDING_NOTE, "web", "http2", "", "%d", i);
    ck_assert_uint_eq(findings.count, FINDINGS);
    ck_assert(!findings_any(&findings));
}
END_TEST

UNIT_MAIN("doctor", a_redis_as_it_should_be_has_no_finding, an_old_redis_is_found,
          a_policy_that_throws_away_is_found, what_is_not_written_is_found,
          connections_that_are_nearly_used_up_are_found, clocks_that_are_apart_are_found,
          more_findings_than_there_is_room_for_are_left_out)
