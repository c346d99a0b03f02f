/* fcgi-app/door/connection against a model, over random orders of what may happen to it: who
 * stands where, what is counted, and that the other side is sent exactly what was put.
 */
#include "fcgi-app/door/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { WORLDS = 100, STEPS = 120, MOST = 8, LARGE = 20000 };

/* One connection as it has to be. */
struct one {
    struct connection *connection; /* NULL: there is none */
    enum connection_state state;
    int other;       /* the other side's descriptor; -1: closed */
    bool narrow;     /* it takes little at a time */
    bool dropped;    /* what was put need not all arrive */
    size_t put, got; /* bytes */
};

static struct ev_loop *loop;
static struct stats stats;
static struct connections *connections;
static struct one ones[MOST];
static double keepalive = 1000;
static unsigned long seed, world;
static char bytes[LARGE];
static bool draining;

static unsigned random_below(unsigned most) {
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (unsigned)((seed >> 33) % most);
}

static struct one *one_of(const struct connection *connection) {
    return connection->aside->arrival;
}

/* The connection is closed, whoever did it. */
static void on_forget(struct connection *connection, bool idle) {
    if (idle)
        return;
    one_of(connection)->connection = NULL;
    connection->aside->arrival = NULL;
}

/* Whether the other side has closed. */
static bool read_all(const struct connection *connection) {
    char some[256];
    ssize_t n;

    while ((n = recv(connection->fd, some, sizeof some, MSG_DONTWAIT)) > 0)
        ;
    return n == 0 || errno != EAGAIN;
}

static void on_ready(struct connection *connection, unsigned what) {
    (void)what;
    if (read_all(connection))
        connection_close(connection);
}

static bool on_left(struct connection *connection, unsigned what) {
    (void)what;
    return read_all(connection);
}

static void on_late(struct connection *connection) {
    connection_close(connection);
}

static void on_rest(struct connection *connection) {
    one_of(connection)->state = CONNECTION_RESTING;
    (void)connection_watch(connection);
}

static const struct carrier brief = {.ready = on_ready,
                                     .left = on_left,
                                     .late = on_late,
                                     .rest = on_rest,
                                     .keepalive = &keepalive,
                                     .forget = on_forget};
static const struct carrier patient = {
    .ready = on_ready, .left = on_left, .late = on_late, .rest = on_rest, .forget = on_forget};

/* The other side takes up to `most` bytes, which are what was put, in its order. */
static void take(struct one *one, size_t most) {
    static char some[LARGE];
    ssize_t n;

    if (one->other < 0)
        return;
    while (most > 0 &&
           (n = recv(one->other, some, most < LARGE ? most : LARGE, MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            ck_assert_msg(some[i] == bytes[(one->got + (size_t)i) % 251], "world %lu", world);
        one->got += (size_t)n;
        most -= (size_t)n;
    }
}

static void begin_one(struct one *one) {
    int ends[2];

    socket_pair(ends);
    *one = (struct one){.other = ends[0], .narrow = random_below(2) == 0};
    (void)fcntl(ends[1], F_SETFL, fcntl(ends[1], F_GETFL) | O_NONBLOCK);
    if (one->narrow)
        socket_narrow(ends[1]);
    one->connection = connection_new(connections, random_below(2) ? &brief : &patient, ends[1]);
    one->connection->keep = random_below(3) > 0;
    connection_aside(one->connection)->arrival = one;
}

/* What was put is `bytes` again and again, up to a different place in them. */
static void put_some(struct one *one, bool last) {
    size_t len = random_below(8) == 0 ? random_below(LARGE - 251) : random_below(500);
    const struct part parts[] = {{bytes + one->put % 251, len / 3},
                                 {bytes + (one->put + len / 3) % 251, len - len / 3}};

    enum err err = connection_put(one->connection, parts, 2);
    one->put += len;
    one->dropped |= err != ERR_OK;
    if (!last) {
        if (err != ERR_OK)
            connection_close(one->connection);
        return;
    }
    bool queued = err == ERR_OK && connection_queued(one->connection) > 0;
    bool kept = err == ERR_OK && one->connection->keep && !draining;
    connection_end(one->connection, err);
    if (queued)
        one->state = CONNECTION_FLUSHING;
    else
        ck_assert_msg((one->connection != NULL) == kept, "world %lu", world);
}

static void drop(struct one *one) {
    one->dropped = true;
    connection_close(one->connection);
}

static void give_away(struct one *one) {
    one->dropped |= connection_queued(one->connection) > 0;
    int fd = connection_detach(one->connection);
    ck_assert_ptr_null(one->connection);
    ck_assert_int_eq(close(fd), 0);
}

static void act_on(struct one *one) {
    bool answering = one->state == CONNECTION_ANSWERING;
    bool free_to_answer = one->state == CONNECTION_ARRIVING || one->state == CONNECTION_RESTING;

    switch (random_below(9)) {
    case 0:
    case 1:
        if (free_to_answer) {
            (void)connection_answer(one->connection);
            one->state = CONNECTION_ANSWERING;
        }
        break;
    case 2:
    case 3:
        if (answering)
            put_some(one, random_below(2) == 0);
        break;
    case 4:
        take(one, random_below(LARGE));
        break;
    case 5:
        if (one->other >= 0 && random_below(4) == 0) {
            close(one->other);
            one->other = -1;
            one->dropped = true;
        }
        break;
    case 6:
        if (one->other >= 0)
            (void)!send(one->other, "more", 4, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (free_to_answer)
            (void)connection_watch(one->connection);
        break;
    case 7:
        if (answering && random_below(4) == 0)
            drop(one);
        else if (random_below(8) == 0)
            give_away(one);
        break;
    default:
        connection_look_again(one->connection);
        break;
    }
}

/* What the loop may have done in a turn: emptied a queue, closed what was left. */
static void turn(void) {
    loop_turn(loop);
    for (int i = 0; i < MOST; i++) {
        struct one *one = &ones[i];
        if (one->connection == NULL)
            one->dropped = one->dropped || one->state != CONNECTION_FLUSHING;
    }
}

static void compare(void) {
    uint64_t open = 0, clients = 0, kept = 0;

    for (int i = 0; i < MOST; i++) {
        const struct one *one = &ones[i];
        if (one->connection == NULL)
            continue;
        ck_assert_msg(one->connection->state == one->state, "world %lu: %d instead of %d", world,
                      one->connection->state, one->state);
        open++;
        clients += one->state == CONNECTION_ANSWERING || one->state == CONNECTION_FLUSHING;
        kept += one->state == CONNECTION_RESTING;
    }
    ck_assert_msg(stats.connections == open && stats.clients == clients &&
                      stats.connections_kept == kept,
                  "world %lu", world);
}

/* Everything that was answered arrives. */
static void end_world(void) {
    for (int i = 0; i < MOST; i++) {
        struct one *one = &ones[i];
        while (one->connection != NULL && one->state == CONNECTION_FLUSHING && one->other >= 0) {
            take(one, LARGE);
            turn();
        }
        take(one, SIZE_MAX);
        ck_assert_msg(one->dropped || one->other < 0 || one->got == one->put ||
                          (one->connection != NULL && connection_queued(one->connection) > 0),
                      "world %lu: %zu of %zu", world, one->got, one->put);
        if (one->connection != NULL)
            connection_close(one->connection);
        if (one->other >= 0)
            close(one->other);
    }
    compare();
}

static void spare(void) {
    uint64_t kept = stats.connections_kept;
    bool any = connections_spare(connections);

    ck_assert_msg(any == (kept > 0) && stats.connections_kept == kept - any, "world %lu", world);
}

static void live(void) {
    draining = false;
    loop = ev_loop_new(0);
    connections = connections_new(loop, &stats, 1000);
    memset(ones, 0, sizeof ones);
    for (int i = 0; i < MOST; i++)
        ones[i].other = -1;
    for (int step = 0; step < STEPS; step++) {
        struct one *one = &ones[random_below(MOST)];
        unsigned what = random_below(20);
        if (what == 0) {
            spare();
        } else if (what == 1 && random_below(10) == 0) {
            connections_drain(connections);
            draining = true;
            ck_assert_uint_eq(stats.connections_kept, 0);
        } else if (what < 6) {
            turn();
        } else if (one->connection != NULL) {
            act_on(one);
        } else {
            if (one->other >= 0)
                close(one->other);
            begin_one(one);
        }
        compare();
    }
    end_world();
    connections_free(connections);
    ev_loop_destroy(loop);
}

START_TEST(whatever_happens_in_whatever_order_nothing_is_lost_or_miscounted) {
    const char *given = getenv("SEED");
    unsigned long first = given != NULL ? strtoul(given, NULL, 10) : (unsigned long)time(NULL);

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)('a' + i % 251 % 26);
    for (world = first; world < first + WORLDS; world++) {
        seed = world;
        live();
    }
}
END_TEST

UNIT_MAIN("connection-model", whatever_happens_in_whatever_order_nothing_is_lost_or_miscounted)
