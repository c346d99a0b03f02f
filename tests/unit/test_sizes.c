/* What a request costs while it waits. A field that is added to these structs is
 * paid once for every browser that waits, thousands of times: whoever adds one decides
 * here that it is worth it.
 */
#include "fcgi-app/waiter.h"

#include <malloc.h>
#include <stdlib.h>

#include "fcgi-app/connection.h"
#include "tests/unit/unit.h"

enum { MANY = 256, PARKED_BUDGET = 208 };

/* Bytes that `size` of them take from malloc, its overhead included. */
static size_t cost(size_t size) {
    void *blocks[MANY];
    struct mallinfo2 before = mallinfo2();

    for (int i = 0; i < MANY; i++)
        blocks[i] = malloc(size);
    struct mallinfo2 after = mallinfo2();
    for (int i = 0; i < MANY; i++)
        free(blocks[i]);
    return after.uordblks > before.uordblks ? (after.uordblks - before.uordblks) / MANY : size;
}

START_TEST(a_waiter_stays_within_its_budget) {
    ck_assert_uint_le(sizeof(struct waiter), 80);
}
END_TEST

START_TEST(a_channel_of_a_waiter_stays_within_its_budget) {
    ck_assert_uint_le(sizeof(struct sub), 56);
}
END_TEST

START_TEST(a_connection_stays_within_its_budget) {
    ck_assert_uint_le(sizeof(struct connection), 56);
}
END_TEST

START_TEST(a_message_costs_little_beside_its_bytes) {
    ck_assert_uint_le(sizeof(struct message), 80);
}
END_TEST

START_TEST(a_parked_wait_stays_within_its_budget) {
    ck_assert_uint_le(cost(sizeof(struct waiter) + sizeof(struct sub)) +
                          cost(sizeof(struct connection)),
                      PARKED_BUDGET);
}
END_TEST

UNIT_MAIN("sizes", a_waiter_stays_within_its_budget, a_channel_of_a_waiter_stays_within_its_budget,
          a_connection_stays_within_its_budget, a_message_costs_little_beside_its_bytes,
          a_parked_wait_stays_within_its_budget)
