/* core/redis/redis: looking into replies. Connections are tested end to end.
 *
 * reply.c is included whole: by its names alone the linker would find the fake
 * that stands beside this file.
 */
#include "core/redis/reply.c" // NOLINT(bugprone-suspicious-include)

#include "tests/unit/unit.h"

START_TEST(looking_into_no_reply_is_safe) {
    size_t len = 9;

    ck_assert(!redis_is_error(NULL));
    ck_assert_ptr_null(redis_text(NULL, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(redis_integer(NULL, -7), -7);
    ck_assert_uint_eq(redis_count(NULL), 0);
    ck_assert_ptr_null(redis_item(NULL, 0));
}
END_TEST

UNIT_MAIN("redis", looking_into_no_reply_is_safe)
