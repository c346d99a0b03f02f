/* fcgi-app/door/accept: what a door does when accept(2) fails. The kernel's errors are made
 * here: this program's own accept4() stands in front of the C library's.
 */
#include "fcgi-app/door/accept.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

static struct ev_loop *loop;
static struct stats stats;
static struct acceptor *acceptor;
static struct sockaddr_un address;
static int listener, taken[64], taken_count, refused, spared, room;

/* What the next calls of accept4() say: `fail_times` times this error (-1: always). */
static int fail_with, fail_times, calls;

int accept4(int fd, struct sockaddr *name, socklen_t *len, int flags) {
    calls++;
    if (fail_times != 0) {
        fail_times -= fail_times > 0;
        errno = fail_with;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, name, len, flags);
}

static void on_taken(void *ctx, int fd) {
    (void)ctx;
    taken[taken_count++] = fd;
}

static bool on_make_room(void *ctx) {
    (void)ctx;
    spared++;
    fail_times = 0;
    return room-- > 0;
}

static void on_refuse(void *ctx, int fd) {
    (void)ctx;
    refused++;
    close(fd);
}

static const struct acceptor_calls door = {.taken = on_taken, .refuse = on_refuse},
                                   spending_door = {.taken = on_taken,
                                                    .make_room = on_make_room,
                                                    .refuse = on_refuse};

static void begin(const struct acceptor_calls *with) {
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof address;

    address.sun_family = AF_UNIX; /* a name of the kernel's choice */
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(listen(listener, 100), 0);
    loop = ev_loop_new(0);
    stats = (struct stats){0};
    calls = fail_times = taken_count = 0;
    acceptor = acceptor_new(loop, &stats, listener, with, NULL);
}

static int connect_here(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 6), 0);
    return fd;
}

static void connect_all(int *ends, int count) {
    for (int i = 0; i < count; i++)
        ends[i] = connect_here();
}

static void close_all(const int *ends, int count) {
    for (int i = 0; i < count; i++)
        close(ends[i]);
}

static void end(void) {
    acceptor_free(acceptor);
    acceptor_free(NULL);
    close_all(taken, taken_count);
    ev_loop_destroy(loop);
}

START_TEST(what_waits_is_taken_and_does_not_block) {
    begin(&door);
    int ends[] = {connect_here(), connect_here(), connect_here()};
    loop_turn(loop);
    ck_assert_int_eq(taken_count, 3);
    char byte;
    ck_assert_int_eq(recv(taken[0], &byte, 1, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_uint_eq(stats.accept_pauses, 0);
    close_all(ends, 3);
    end();
}
END_TEST

/* Errors that no later call mends by itself, and some that one connection brought. */
static const int lasting[] = {ENOBUFS, ENOMEM, EINVAL, EBADF, EMFILE, ENFILE, ENOSR, EIO};
static const int passing[] = {EINTR,     ECONNABORTED, EPROTO, EPERM,     ENETDOWN,
                              ETIMEDOUT, EHOSTDOWN,    ENONET, EOPNOTSUPP};

static void stays(int error) {
    begin(&door);
    int fd = connect_here();
    fail_with = error;
    fail_times = -1;
    for (int turn = 0; turn < 2000; turn++)
        ev_run(loop, EVRUN_NOWAIT);
    ck_assert_msg(calls <= 64 * 3, "error %d: called %d times", error, calls);
    ck_assert_uint_ge(stats.accept_pauses, 1);
    ck_assert_int_eq(taken_count, 0);
    fail_times = 0;
    loop_until(loop, taken_count == 1); /* it has waited */
    close(fd);
    end();
}

START_TEST(an_error_that_stays_is_asked_about_a_few_times_a_second) {
    for (size_t i = 0; i < ROWS(lasting); i++)
        stays(lasting[i]);
    for (size_t i = 0; i < ROWS(passing); i++)
        stays(passing[i]);
}
END_TEST

START_TEST(a_pause_grows_while_the_trouble_lasts_and_is_short_again_after_it) {
    begin(&door);
    int first = connect_here();
    fail_with = ENOBUFS;
    fail_times = -1;
    double started = ev_time();
    loop_until(loop, stats.accept_pauses == 4);
    ck_assert_double_ge(ev_time() - started, 0.65); /* 0.1 + 0.2 + 0.4 */
    fail_times = 0;
    loop_until(loop, taken_count == 1);
    fail_times = 1;
    int second = connect_here();
    loop_until(loop, taken_count == 2);
    ck_assert_uint_eq(stats.accept_pauses, 5);
    close(first);
    close(second);
    end();
}
END_TEST

START_TEST(an_error_of_one_connection_does_not_keep_the_next_ones) {
    for (size_t i = 0; i < ROWS(passing); i++) {
        begin(&door);
        int fd = connect_here();
        fail_with = passing[i];
        fail_times = 3;
        loop_turn(loop);
        ck_assert_msg(taken_count == 1, "error %d", passing[i]);
        ck_assert_uint_eq(stats.accept_pauses, 0);
        close(fd);
        end();
    }
}
END_TEST

START_TEST(without_a_descriptor_something_spare_is_closed) {
    begin(&spending_door);
    int fd = connect_here();
    room = 1;
    fail_with = EMFILE;
    fail_times = -1;
    loop_turn(loop);
    ck_assert_int_eq(taken_count, 1);
    ck_assert_int_eq(spared, 1);
    ck_assert_int_eq(refused, 0);
    close(fd);
    end();
}
END_TEST

START_TEST(nothing_spare_is_closed_for_nobody) {
    begin(&spending_door);
    int fd = connect_here();
    loop_turn(loop);
    ck_assert_int_eq(taken_count, 1);
    room = 9;
    fail_with = EMFILE;
    fail_times = -1;
    acceptor_take_waiting(acceptor);
    ck_assert_int_eq(spared, 0);
    close(fd);
    end();
}
END_TEST

START_TEST(without_any_descriptor_each_is_told_and_nobody_spins) {
    struct rlimit files, few;
    enum { MANY = 10 };
    int ends[MANY], filled[64], used = 0;
    char byte;

    begin(&spending_door);
    connect_all(ends, MANY);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    few = files;
    few.rlim_cur = (rlim_t)ends[MANY - 1] + 4;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (used < 64 && (filled[used] = dup(0)) >= 0)
        used++;
    calls = 0;
    loop_until(loop, refused == MANY);
    ck_assert_int_lt(calls, 4 * MANY);
    ck_assert_uint_eq(stats.connections_refused, MANY);
    ck_assert_int_eq(taken_count, 0);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(recv(ends[i], &byte, 1, 0), 0);
    close_all(filled, used);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    int later = connect_here();
    loop_until(loop, taken_count == 1);
    close(later);
    close_all(ends, MANY);
    end();
}
END_TEST

START_TEST(even_the_reserve_may_be_gone) {
    begin(&door);
    int fd = connect_here();
    fail_with = ENFILE; /* another process is quicker: the system's table is full */
    fail_times = -1;
    loop_turn(loop);
    ck_assert_uint_eq(stats.accept_pauses, 1);
    calls = 0;
    loop_turn(loop);
    ck_assert_int_eq(calls, 0);
    fail_times = 0;
    loop_until(loop, taken_count == 1);
    close(fd);
    end();
}
END_TEST

/* Two acceptors at one socket, as of two processes. */
static struct stats other_stats;
static int other_taken;

static void on_other_taken(void *ctx, int fd) {
    (void)ctx;
    other_taken++;
    other_stats.connections++;
    close(fd);
}

static const struct acceptor_calls other_door = {.taken = on_other_taken, .refuse = on_refuse};

START_TEST(near_its_limit_a_process_leaves_newcomers_to_others) {
    begin(&door);
    struct acceptor *other = acceptor_new(loop, &other_stats, dup(listener), &other_door, NULL);
    acceptor_share(acceptor, 10);
    acceptor_share(other, 10);
    stats.connections = 6;
    stats.sockets = 1;
    stats.line_clients = 1; /* eight tenths */
    int ends[6];
    connect_all(ends, 6);
    loop_until(loop, other_taken == 6);
    ck_assert_int_eq(taken_count, 0);
    ck_assert_uint_ge(stats.accepts_left, 1);
    close_all(ends, 6);
    acceptor_free(other);
    end();
}
END_TEST

START_TEST(who_is_left_to_others_is_taken_where_nobody_else_comes) {
    begin(&door);
    acceptor_share(acceptor, 10);
    stats.connections = 8;
    int ends[60];
    connect_all(ends, 60);
    loop_until(loop, taken_count == 60);
    ck_assert_uint_ge(stats.accepts_left, 2); /* not all of them at once */
    stats.connections = 7;
    uint64_t left = stats.accepts_left;
    int more = connect_here();
    loop_until(loop, taken_count == 61);
    ck_assert_uint_le(stats.accepts_left, left + 1);
    close_all(ends, 60);
    close(more);
    end();
}
END_TEST

START_TEST(trouble_while_it_stands_aside_is_a_pause) {
    begin(&door);
    acceptor_share(acceptor, 10);
    stats.connections = 8;
    int fd = connect_here();
    fail_with = ENOMEM;
    fail_times = -1;
    loop_until(loop, stats.accept_pauses == 1);
    fail_times = 0;
    loop_until(loop, taken_count == 1);
    close(fd);
    end();
}
END_TEST

START_TEST(ending_in_a_pause_stops_everything) {
    begin(&door);
    int fd = connect_here();
    fail_with = ENOMEM;
    fail_times = -1;
    loop_turn(loop);
    acceptor_take_waiting(acceptor);
    acceptor_free(acceptor);
    acceptor = NULL;
    ev_run(loop, 0); /* nothing keeps it */
    ck_assert_int_eq(taken_count, 0);
    close(fd);
    end();
}
END_TEST

UNIT_MAIN("accept", what_waits_is_taken_and_does_not_block,
          an_error_that_stays_is_asked_about_a_few_times_a_second,
          a_pause_grows_while_the_trouble_lasts_and_is_short_again_after_it,
          an_error_of_one_connection_does_not_keep_the_next_ones,
          without_a_descriptor_something_spare_is_closed, nothing_spare_is_closed_for_nobody,
          without_any_descriptor_each_is_told_and_nobody_spins, even_the_reserve_may_be_gone,
          near_its_limit_a_process_leaves_newcomers_to_others,
          who_is_left_to_others_is_taken_where_nobody_else_comes,
          trouble_while_it_stands_aside_is_a_pause, ending_in_a_pause_stops_everything)
