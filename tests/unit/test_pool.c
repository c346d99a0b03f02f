/* core/base/pool: things of one size. */
#include "core/base/pool.h"

#include <string.h>

#include "tests/unit/unit.h"

enum { SIZE = 136, MANY = 1000 };

START_TEST(things_are_zeroed_and_do_not_overlap) {
    struct pool pool = pool_make(SIZE);
    unsigned char *things[MANY];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            things[i] = pool_take(&pool);
            for (int k = 0; k < SIZE; k++)
                ck_assert_uint_eq(things[i][k], 0);
            memset(things[i], i % 255 + 1, SIZE);
        }
        for (int i = 0; i < MANY; i++) {
            for (int k = 0; k < SIZE; k++)
                ck_assert_uint_eq(things[i][k], (unsigned)i % 255 + 1);
            pool_give(&pool, things[i]);
        }
    }
    pool_free(&pool);
}
END_TEST

START_TEST(what_is_given_back_is_used_again) {
    struct pool pool = pool_make(SIZE);

    for (int i = 0; i < MANY * MANY; i++) /* a pool that only grew would be 136 MB */
        pool_give(&pool, pool_take(&pool));
    void *one = pool_take(&pool), *two = pool_take(&pool);
    ck_assert_ptr_ne(one, two);
    pool_give(&pool, one);
    pool_give(&pool, two);
    pool_free(&pool);
    pool_free(&pool);
}
END_TEST

UNIT_MAIN("pool", things_are_zeroed_and_do_not_overlap, what_is_given_back_is_used_again)
