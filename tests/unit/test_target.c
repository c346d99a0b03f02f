/* core/config/target: Redis addresses, taken apart and shown to people. */
#include "core/config/target.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

START_TEST(addresses_are_checked) {
    const struct {
        const char *text;
        enum err err;
    } rows[] = {{"redis://127.0.0.1:6379", ERR_OK},
                {"REDIS://localhost", ERR_OK},
                {"redis://localhost/", ERR_OK},
                {"redis://localhost:1/15", ERR_OK},
                {"redis://under_score.a-b", ERR_OK},
                {"redis://:secret@host", ERR_OK},
                {"redis://user:p@ss:word@host:6380/1", ERR_OK},
                {"redis://[::1]", ERR_OK},
                {"redis://[::1]:6380/2", ERR_OK},
                {"redis://[fe80::1%25eth0]:6380", ERR_OK},
                {"rediss://host", ERR_OK},
                {"unix:/run/redis.sock", ERR_OK},
                {"unix:///run/redis.sock", ERR_OK},
                {"unix:/run/redis.sock?db=3&user=a&password=b", ERR_OK},
                {keepf("unix:/%0*d", 106, 0), ERR_OK},
                {keepf("unix:/%0*d", 107, 0), ERR_RANGE},
                {"sentinel://main@a", ERR_OK},
                {"sentinel://:pw@main@a:1,b:2,[::1]:3/4", ERR_OK},
                {"", ERR_SYNTAX},
                {"redis://", ERR_SYNTAX},
                {"redis:///1", ERR_SYNTAX},
                {"redis://:6379", ERR_SYNTAX},
                {"redis://host:", ERR_SYNTAX},
                {"redis://host:x", ERR_SYNTAX},
                {"redis://host:0", ERR_RANGE},
                {"redis://host:65536", ERR_RANGE},
                {"redis://host/x", ERR_SYNTAX},
                {"redis://host/-1", ERR_SYNTAX},
                {"redis://host/1048577", ERR_RANGE},
                {"redis://host/0?x=1", ERR_SYNTAX},
                {"redis://host?db=1", ERR_SYNTAX},
                {"redis://user@host", ERR_SYNTAX},
                {"redis://ho st", ERR_SYNTAX},
                {"redis://ho%20st", ERR_SYNTAX},
                {"redis://ho%00st", ERR_SYNTAX},
                {"redis://:p%4@host", ERR_SYNTAX},
                {"redis://:p%zz@host", ERR_SYNTAX},
                {"redis://:p%00@host", ERR_SYNTAX},
                {"redis://::1", ERR_SYNTAX},
                {"redis://::1:6379", ERR_SYNTAX},
                {"redis://[::1", ERR_SYNTAX},
                {"redis://[::1]x:1", ERR_SYNTAX},
                {"redis://[]:1", ERR_SYNTAX},
                {"redis://[host]:1", ERR_SYNTAX},
                {"redis://a,b", ERR_SYNTAX},
                {"unix:run/redis.sock", ERR_SYNTAX},
                {"unix:", ERR_SYNTAX},
                {"unix:/a?", ERR_SYNTAX},
                {"unix:/a?db=x", ERR_SYNTAX},
                {"unix:/a?db", ERR_SYNTAX},
                {"unix:/a?colour=red", ERR_SYNTAX},
                {"unix:/a?db=1&", ERR_SYNTAX},
                {"sentinel://a:1,b:2", ERR_SYNTAX},
                {"sentinel://@a", ERR_SYNTAX},
                {"sentinel://:pw@a", ERR_SYNTAX},
                {"sentinel://main?password=x@a", ERR_SYNTAX},
                {"sentinel://main/3@a", ERR_SYNTAX},
                {"sentinel://[main]@a", ERR_SYNTAX},
                {"sentinel://main%3f=x@a", ERR_OK},
                {"sentinel://main@a,", ERR_SYNTAX},
                {"sentinel://main@", ERR_SYNTAX},
                {keepf("sentinel://m@%s", "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"), ERR_RANGE},
                {"http://host", ERR_SYNTAX},
                {"127.0.0.1:6379", ERR_SYNTAX},
                {keepf("redis://%0*d", 256, 0), ERR_RANGE},
                {keepf("redis://:%0*d@host", TARGET_TEXT_MAX, 0), ERR_RANGE}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct target target;
        enum err err = target_parse(rows[i].text, &target);
        ck_assert_msg(err == rows[i].err, "%s: %d", rows[i].text, (int)err);
        target_free(&target);
    }
}
END_TEST

static struct target parsed(const char *text) {
    struct target target;
    ck_assert_msg(target_parse(text, &target) == ERR_OK, "%s", text);
    return target;
}

START_TEST(every_part_is_decoded) {
    struct target target = parsed("rediss://us%65r:p%40ss%2F%3a%25@h%6Fst:6380/%31");

    ck_assert_int_eq(target.kind, TARGET_TCP);
    ck_assert(target.tls);
    ck_assert_str_eq(target.user, "user");
    ck_assert_str_eq(target.password, "p@ss/:%");
    ck_assert_str_eq(target.hosts[0].name, "host");
    ck_assert_int_eq(target.hosts[0].port, 6380);
    ck_assert_int_eq(target.db, 1);
    target_free(&target);
}
END_TEST

START_TEST(a_unix_socket_has_a_login_and_a_database) {
    struct target target = parsed("unix:/run/a%3Fb.sock?password=p%26s=s&db=7&user=u");

    ck_assert_int_eq(target.kind, TARGET_UNIX);
    ck_assert_str_eq(target.path, "/run/a?b.sock");
    ck_assert_str_eq(target.password, "p&s=s");
    ck_assert_str_eq(target.user, "u");
    ck_assert_int_eq(target.db, 7);
    target_free(&target);
}
END_TEST

START_TEST(sentinels_are_a_list_with_a_name) {
    struct target target = parsed("sentinel://u:p@my%20main@a,[::1]:7,c:8/2");

    ck_assert_int_eq(target.kind, TARGET_SENTINEL);
    ck_assert_str_eq(target.master, "my main");
    ck_assert_str_eq(target.user, "u");
    ck_assert_str_eq(target.password, "p");
    ck_assert_uint_eq(target.host_count, 3);
    ck_assert_str_eq(target.hosts[0].name, "a");
    ck_assert_int_eq(target.hosts[0].port, 26379);
    ck_assert_str_eq(target.hosts[1].name, "::1");
    ck_assert_int_eq(target.hosts[2].port, 8);
    ck_assert_int_eq(target.db, 2);
    target_free(&target);
}
END_TEST

START_TEST(a_password_may_be_long) {
    struct target target = parsed(keepf("redis://:%0*d@host", 5000, 0));

    ck_assert_uint_eq(strlen(target.password), 5000);
    ck_assert_str_eq(target.user, "");
    target_free(&target);
    target = parsed(keepf("unix:/a?password=%0*d", 5000, 0));
    ck_assert_uint_eq(strlen(target.password), 5000);
    target_free(&target);
}
END_TEST

START_TEST(people_see_no_password) {
    const struct {
        const char *text, *shown;
    } rows[] = {{"redis://127.0.0.1:6379/2", "redis://127.0.0.1:6379/2"},
                {"redis://[fe80::1%25eth0]:6379", "redis://[fe80::1%25eth0]:6379"},
                {"unix:/run/a@b.sock", "unix:/run/a@b.sock"},
                {"redis://:hunter2@host", "redis://:***@host"},
                {"redis://user:hunter2@host:1/2", "redis://user:***@host:1/2"},
                {"REDISS://user:hun:ter@2@host", "REDISS://user:***@host"},
                {"unix:/a?user=u&password=hunter2&db=1", "unix:/a?user=u&password=***&db=1"},
                {"sentinel://main@a:1,b:2/3", "sentinel://main@a:1,b:2/3"},
                {"sentinel://u:hunter2@main@a", "sentinel://u:***@main@a"},
                {"sentinel://u:hun@ter2@main@a", "sentinel://u:***@main@a"},
                /* no addresses */
                {"", ""},
                {"redis://hunter2@host", "redis://:***@host"},
                {"redis:hunter2@host", "redis::***@host"},
                {"redis//:hunter2@host", "redis//::***@host"},
                {":hunter2@host", "::***@host"},
                {"hunter2@host:6379", ":***@host:6379"},
                {"redis://:hunter2", "redis://:***"},
                {"redis://user:hunter2/0", "redis://user:***"},
                {"redis://:hunter2@host:x", "redis://:***@host:***"},
                {"redis://host:x", "redis://host:***"},
                {"redis://host?password=hunter2", "redis://host?password=***"},
                {"redis://host?password=hunt@er2", "redis://:***@er2"},
                {"unix:/a?pass=hunter2&db=1", "unix:/a?pass=***&db=1"},
                {"unix:/a?password=hun&ter2", "unix:/a?password=***&***"},
                {"unix://:hunter2@/a", "unix://:***@/a"},
                {"sentinel://:hunter2@a", "sentinel://:***@a"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        char *shown = target_masked(rows[i].text);
        ck_assert_msg(strcmp(shown, rows[i].shown) == 0, "%s: %s instead of %s", rows[i].text,
                      shown, rows[i].shown);
        free(shown);
    }
}
END_TEST

UNIT_MAIN("target", addresses_are_checked, every_part_is_decoded,
          a_unix_socket_has_a_login_and_a_database, sentinels_are_a_list_with_a_name,
          a_password_may_be_long, people_see_no_password)
