/* core/redis: the addresses that it takes. Connections are tested end to end.
 *
 * The module is included whole: by its names alone the linker would find the fake
 * that stands beside this file.
 */
#include "core/redis.c" // NOLINT(bugprone-suspicious-include)

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

START_TEST(addresses_are_checked) {
    const struct {
        const char *url;
        bool valid;
    } rows[] = {{"redis://127.0.0.1:6379", true},
                {"redis://localhost", true},
                {"redis://localhost/", true},
                {"redis://localhost:1/15", true},
                {"redis://:secret@host", true},
                {"redis://user:p@ss:word@host:6380/1", true},
                {"redis://[::1]", true},
                {"redis://[::1]:6380/2", true},
                {"unix:/run/redis.sock", true},
                {"unix:///run/redis.sock", true},
                {keepf("unix:/%0*d", 254, 0), true},
                {keepf("unix:/%0*d", 255, 0), false},
                {"", false},
                {"redis://", false},
                {"redis:///1", false},
                {"redis://host:", false},
                {"redis://host:x", false},
                {"redis://host:65536", false},
                {"redis://host/x", false},
                {"redis://host/-1", false},
                {"redis://user@host", false},
                {"unix:run/redis.sock", false},
                {"unix:", false},
                {"rediss://host", false},
                {"127.0.0.1:6379", false},
                {keepf("redis://%0*d", 300, 0), false}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg((redis_check_url(rows[i].url) == ERR_OK) == rows[i].valid, "%s", rows[i].url);
}
END_TEST

START_TEST(looking_into_no_reply_is_safe) {
    size_t len = 9;

    ck_assert(!redis_is_error(NULL));
    ck_assert_ptr_null(redis_text(NULL, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(redis_integer(NULL, -7), -7);
    ck_assert_uint_eq(redis_count(NULL), 0);
    ck_assert_ptr_null(redis_item(NULL, 0));
    redis_free(NULL);
}
END_TEST

UNIT_MAIN("redis", addresses_are_checked, looking_into_no_reply_is_safe)
