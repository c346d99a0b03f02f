/* What a request costs while it waits. A field that is added to these structs is
 * paid once for every browser that waits, thousands of times: whoever adds one decides
 * here that it is worth it.
 */
#include "fcgi-app/hub/waiter.h"

#include "fcgi-app/door/connection.h"
#include "tests/unit/unit.h"

enum { PARKED_BUDGET = 192 }; /* they are taken from pools, which add nothing */

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
    ck_assert_uint_le(sizeof(struct waiter) + sizeof(struct sub) + sizeof(struct connection),
                      PARKED_BUDGET);
}
END_TEST

UNIT_MAIN("sizes", a_waiter_stays_within_its_budget, a_channel_of_a_waiter_stays_within_its_budget,
          a_connection_stays_within_its_budget, a_message_costs_little_beside_its_bytes,
          a_parked_wait_stays_within_its_budget)
