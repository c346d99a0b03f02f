/* What a request costs while it waits. A field that is added to these structs is
 * paid once for every browser that waits: whoever adds one decides here that it is
 * worth it.
 */
#include "fcgi-app/waiter.h"

#include <malloc.h>
#include <unistd.h>

#include "core/log.h"
#include "fcgi-app/client.h"
#include "tests/lib/keep.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { MANY = 256, PARKED_BUDGET = 2048 };

/* Bytes that one client takes from malloc, its overhead included. */
static size_t client_cost(void) {
    static struct stats stats;
    struct ev_loop *loop = ev_loop_new(0);
    struct client *clients[MANY];
    int ends[2];

    for (int i = 0; i < 2; i++) { /* the first ones make the loop's own tables grow */
        socket_pair(ends);
        clients[i] = client_new(loop, &stats, ends[0], CLIENT_FCGI, 1);
        close(ends[1]);
        client_drop(clients[i]);
    }
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < MANY; i++) {
        socket_pair(ends);
        clients[i] = client_new(loop, &stats, ends[0], CLIENT_FCGI, 1);
        close(ends[1]);
    }
    struct mallinfo2 after = mallinfo2();
    for (int i = 0; i < MANY; i++)
        client_drop(clients[i]);
    ev_loop_destroy(loop);
    return after.uordblks > before.uordblks ? (after.uordblks - before.uordblks) / MANY : 0;
}

START_TEST(a_waiter_stays_within_its_budget) {
    ck_assert_uint_le(sizeof(struct waiter), 256);
}
END_TEST

START_TEST(a_channel_of_a_waiter_stays_within_its_budget) {
    ck_assert_uint_le(sizeof(struct sub), 112);
}
END_TEST

START_TEST(a_message_costs_little_beside_its_bytes) {
    ck_assert_uint_le(sizeof(struct message), 80);
}
END_TEST

START_TEST(a_client_stays_within_its_budget) {
    ck_assert_uint_le(client_cost(), 512); /* 0 where a sanitizer's malloc does not tell */
}
END_TEST

START_TEST(a_parked_wait_on_four_channels_stays_under_two_kib) {
    ck_assert_uint_le(sizeof(struct waiter) + 4 * sizeof(struct sub) + client_cost(),
                      PARKED_BUDGET);
}
END_TEST

UNIT_MAIN("sizes", a_waiter_stays_within_its_budget, a_channel_of_a_waiter_stays_within_its_budget,
          a_message_costs_little_beside_its_bytes, a_client_stays_within_its_budget,
          a_parked_wait_on_four_channels_stays_under_two_kib)
