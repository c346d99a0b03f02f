/* fcgi-app/counts/problems: refusals by status and reason. */
#include "fcgi-app/counts/problems.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

/* What one problem was counted as, `<status> <reason>`. */
static const char *kind_of(int status, const char *detail) {
    static char text[64];
    struct problems problems = {{0}};

    problems_count(&problems, status, detail);
    for (size_t i = 0; i < PROBLEMS_KINDS; i++) {
        if (problems.told[i] == 1)
            snprintf(text, sizeof text, "%d %s", problem_kind_at(i)->status,
                     problem_kind_at(i)->reason);
        else
            ck_assert_uint_eq(problems.told[i], 0);
    }
    return text;
}

START_TEST(a_reason_is_what_the_detail_names) {
    ck_assert_str_eq(kind_of(400, "since: must be now"), "400 since");
    ck_assert_str_eq(kind_of(413, "body: the most is 5 bytes"), "413 body");
    ck_assert_str_eq(kind_of(403, "Origin: pages of that origin"), "403 origin");
    ck_assert_str_eq(kind_of(503, "channel: Redis refuses to read it: x"), "503 channel");
}
END_TEST

START_TEST(or_what_it_is_about) {
    ck_assert_str_eq(kind_of(503, "Redis is away"), "503 redis");
    ck_assert_str_eq(kind_of(503, "this process is shutting down"), "503 draining");
    ck_assert_str_eq(kind_of(503, "no room for another waiter: max_waiters is 5"), "503 full");
    ck_assert_str_eq(kind_of(503, "there are max_connections already"), "503 full");
    ck_assert_str_eq(kind_of(503, "no descriptor is left for another request"), "503 descriptors");
}
END_TEST

START_TEST(everything_is_counted_once) {
    ck_assert_str_eq(kind_of(400, "nobody: knows"), "400 other");
    ck_assert_str_eq(kind_of(400, "sincerely: yours"), "400 other");
    ck_assert_str_eq(kind_of(400, ""), "400 other");
    ck_assert_str_eq(kind_of(405, "method: must be GET"), "405 other");
    ck_assert_str_eq(kind_of(418, "channel: a teapot"), "0 other");
}
END_TEST

UNIT_MAIN("problems", a_reason_is_what_the_detail_names, or_what_it_is_about,
          everything_is_counted_once)
