/* fcgi-app/door/connection: what connections do alike at every door, for a carrier that keeps
 * them all for a while.
 */
#include "fcgi-app/door/connection.h"

#include <unistd.h>

#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { MANY = 3 };

static struct ev_loop *loop;
static struct stats stats;
static struct connections *connections;
static double keepalive = 0.2;
static unsigned looked, rested, late_ones;
static struct connection *last_late;

static void on_ready(struct connection *connection, unsigned what) {
    (void)connection, (void)what;
    looked++;
}

static void on_late(struct connection *connection) {
    late_ones++;
    last_late = connection;
    connection_close(connection);
}

static void on_rest(struct connection *connection) {
    rested++;
    (void)connection_watch(connection);
}

static void finish(struct client *client, const struct head *head, const struct part *parts,
                   size_t count) {
    (void)head;
    connection_end(connection_of(client), connection_put(connection_of(client), parts, count));
}

static const struct carrier brief = {.client = {.finish = finish},
                                     .ready = on_ready,
                                     .late = on_late,
                                     .rest = on_rest,
                                     .keepalive = &keepalive};
static const struct carrier patient = {
    .client = {.finish = finish}, .ready = on_ready, .late = on_late, .rest = on_rest};

static void begin(void) {
    loop = ev_loop_new(0);
    connections = connections_new(loop, &stats, 1000);
    looked = rested = late_ones = 0;
}

static void end(void) {
    connections_free(connections);
    ck_assert_uint_eq(stats.connections, 0);
    ck_assert_uint_eq(stats.connections_kept, 0);
    ck_assert_uint_eq(stats.clients, 0);
    ev_loop_destroy(loop);
}

/* A connection that has answered and rests; `*other` is its other side. */
static struct connection *resting(const struct carrier *carrier, int *other) {
    int ends[2];

    socket_pair(ends);
    *other = ends[0];
    struct connection *connection = connection_new(connections, carrier, ends[1]);
    connection->keep = true;
    client_finish(connection_answer(connection), NULL, &(struct part){"x", 1}, 1);
    return connection;
}

static void close_all(const int others[MANY]) {
    for (int i = 0; i < MANY; i++)
        close(others[i]);
}

START_TEST(those_that_rest_too_long_are_late_in_the_order_in_which_they_began) {
    struct connection *all[MANY];
    int others[MANY];

    begin();
    for (int i = 0; i < MANY; i++)
        all[i] = resting(i == 1 ? &patient : &brief, &others[i]);
    ck_assert_uint_eq(rested, MANY);
    ck_assert_uint_eq(stats.connections_kept, MANY);
    loop_until(loop, late_ones == 2);
    ck_assert_ptr_eq(last_late, all[2]);
    ck_assert_uint_eq(stats.connections_kept, 1);
    connections_drain(connections);
    ck_assert_uint_eq(stats.connections, 0);
    close_all(others);
    end();
}
END_TEST

START_TEST(one_that_begins_again_is_not_late) {
    int others[MANY];
    begin();

    struct connection *connection = resting(&brief, &others[0]);
    struct connection *other = resting(&brief, &others[1]);
    struct client *client = connection_answer(connection);
    loop_until(loop, late_ones == 1);
    ck_assert_ptr_eq(last_late, other);
    client_finish(client, NULL, &(struct part){"x", 1}, 1); /* and then it may rest anew */
    ck_assert_uint_eq(stats.connections_kept, 1);
    loop_until(loop, late_ones == 2);
    close(others[0]);
    close(others[1]);
    end();
}
END_TEST

START_TEST(where_descriptors_run_out_one_that_rests_is_closed) {
    int others[MANY];

    begin();
    ck_assert(!connections_spare(connections));
    resting(&patient, &others[0]);
    resting(&brief, &others[1]);
    resting(&brief, &others[2]);
    for (unsigned left = MANY; left-- > 0;) {
        ck_assert(connections_spare(connections));
        ck_assert_uint_eq(stats.connections_kept, left);
    }
    ck_assert(!connections_spare(connections));
    close_all(others);
    end();
}
END_TEST

START_TEST(after_draining_an_answer_ends_its_connection) {
    int others[MANY];

    begin();
    struct client *client = connection_answer(resting(&brief, &others[0]));
    connections_drain(connections);
    ck_assert_uint_eq(stats.connections, 1);
    client_finish(client, NULL, &(struct part){"x", 1}, 1);
    ck_assert_uint_eq(stats.connections, 0);
    close(others[0]);
    end();
}
END_TEST

START_TEST(what_came_already_is_told_again_when_it_is_asked_for) {
    int others[MANY];

    begin();
    struct connection *connection = resting(&brief, &others[0]);
    socket_send(others[0], "more", 4);
    loop_until(loop, looked == 1); /* and is left where it is */
    loop_turn(loop);
    ck_assert_uint_eq(looked, 1);
    connection_look_again(connection);
    loop_until(loop, looked == 2);
    close(others[0]);
    end();
}
END_TEST

UNIT_MAIN("connection", those_that_rest_too_long_are_late_in_the_order_in_which_they_began,
          one_that_begins_again_is_not_late, where_descriptors_run_out_one_that_rests_is_closed,
          after_draining_an_answer_ends_its_connection,
          what_came_already_is_told_again_when_it_is_asked_for)
