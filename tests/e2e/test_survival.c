/* Whatever is killed in the middle of a stream, its reader has every message exactly
 * once afterwards, by every transport.
 *
 * One reader for each transport follows the same channel while a process of its own
 * publishes 1, 2, 3 ... to it, each number again under the same idempotency key
 * until Redis has said yes. Meanwhile something is killed: the web server, the
 * application, Redis, or the readers' own connections. tests/lib/reader.c fails by
 * itself when a number comes again, goes back, or follows a hole without a gap.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/reader.h"
#include "tests/lib/store.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 240, EVERY_MS = 6 };

static struct lab lab;
static struct reader readers[TRANSPORTS];
static const char *channel;
static pid_t publisher;

static bool publish(int number) {
    const redisReply *reply =
        store_try(&lab, "FCALL halley_publish 1 %s %d IDEMPOTENCY n-%d", channel, number, number);

    return reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS);
}

static void start_publisher(void) {
    publisher = fork();
    if (publisher)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i <= COUNT; i++) {
        until(publish(i), "Redis does not take %d", i);
        pause_ms(EVERY_MS);
    }
    _exit(0);
}

static void setup(const char *server, enum redis_keeps keeps) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "survival");
    lab_websockets(&lab);
    lab_set(&lab, "JSONP", "on");
    lab_set(&lab, "KEEPALIVE", "1");
    lab_redis(&lab, keeps);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 1);
    channel = keep_fresh("survival");
    for (int i = 0; i < TRANSPORTS; i++)
        reader_begin(&readers[i], &lab, BY_WEB, (enum transport)i, channel);
    start_publisher();
}

static void reach(int last) {
    readers_reach(readers, TRANSPORTS, last);
}

/* All messages, to each of them, once; then everything is ended. A gap may be told
 * only where Redis was another one afterwards: it might have forgotten something. */
static void must_have_all_and_end(bool same_redis) {
    int status;

    reach(COUNT);
    ck_assert_int_eq(waitpid(publisher, &status, 0), publisher);
    ck_assert_int_eq(status, 0);
    for (int i = 0; i < TRANSPORTS; i++) {
        reader_must_have(&readers[i], COUNT);
        ck_assert_msg(readers[i].gaps == 0 || !same_redis, "%s: %zu gaps, though nothing was lost",
                      transports[i].name, readers[i].gaps);
        reader_end(&readers[i]);
    }
    lab_close(&lab);
}

/* --- the application ----------------------------------------------------------------- */

static void end_applications(int signal) {
    lab_signal_apps(&lab, signal);
    if (lab.apps) {
        proc_wait(&lab.app[0]);
        lab_app(&lab, 0);
    }
    if (lab_is_bare(&lab)) {
        proc_wait(&lab.web);
        lab_web(&lab, "http", 1);
    }
    if (proc_started(&lab.door)) {
        proc_stop(&lab.door, signal);
        lab_door(&lab);
    }
}

START_TEST(the_application_is_killed) {
    setup(e2e_servers[_i], REDIS_KEEPS_NOTHING);
    reach(COUNT / 4);
    end_applications(SIGKILL);
    reach(COUNT / 2);
    end_applications(SIGTERM);
    must_have_all_and_end(true);
}
END_TEST

/* --- the web server ---------------------------------------------------------------------- */

START_TEST(the_web_server_is_killed) {
    setup(e2e_servers[_i], REDIS_KEEPS_NOTHING);
    reach(COUNT / 4);
    proc_kill(&lab.web);
    for (int i = 0; i < TRANSPORTS; i++)
        reader_turn(&readers[i]);
    lab_web(&lab, e2e_servers[_i], 1);
    reach(COUNT / 2);
    proc_stop(&lab.web, SIGTERM);
    lab_web(&lab, e2e_servers[_i], 1);
    must_have_all_and_end(true);
}
END_TEST

/* --- Redis ---------------------------------------------------------------------------------- */

static void kill_redis(void) {
    proc_signal(&lab.redis, SIGKILL);
    proc_wait(&lab.redis);
    for (int i = 0; i < TRANSPORTS; i++)
        reader_turn(&readers[i]);
    lab_redis(&lab, lab.keeps);
}

START_TEST(redis_is_killed_and_has_lost_nothing) {
    setup(e2e_servers[_i], REDIS_KEEPS_AOF);
    reach(COUNT / 4);
    kill_redis();
    reach(COUNT / 2);
    kill_redis();
    must_have_all_and_end(false);
}
END_TEST

START_TEST(redis_is_killed_and_has_lost_everything) {
    setup(e2e_servers[_i], REDIS_KEEPS_NOTHING);
    reach(COUNT / 2);
    kill_redis();
    reach(COUNT);
    for (int i = 0; i < TRANSPORTS; i++) {
        ck_assert_msg(readers[i].gaps >= 1, "%s: nobody said that something was lost",
                      transports[i].name);
        reader_end(&readers[i]);
    }
    ck_assert_int_eq(waitpid(publisher, NULL, 0), publisher);
    lab_close(&lab);
}
END_TEST

/* --- the connection ----------------------------------------------------------------------------
 */

/* Hangs up with whatever was sent and not read. */
static void break_connections(void) {
    for (int i = 0; i < TRANSPORTS; i++) {
        stream_close(readers[i].stream);
        readers[i].stream = NULL;
    }
}

START_TEST(the_connection_breaks_again_and_again) {
    enum { TIMES = 20 };

    setup(e2e_servers[_i], REDIS_KEEPS_NOTHING);
    for (int i = 1; i <= TIMES; i++) {
        reach(COUNT / (TIMES + 1) * i);
        pause_ms(i % 4 * 5); /* so that something is on its way */
        break_connections();
    }
    must_have_all_and_end(true);
    for (int i = 0; i < STREAMS; i++)
        ck_assert_uint_gt(readers[i].opened, 2);
}
END_TEST

START_TEST(streams_that_end_by_themselves_are_resumed) {
    memset(&lab, 0, sizeof lab);
    setup("lighttpd", REDIS_KEEPS_NOTHING);
    lab_set(&lab, "MAX_STREAM", "1");
    lab_set(&lab, "TIMEOUT", "1");
    proc_stop(&lab.web, SIGTERM);
    lab_web(&lab, "lighttpd", 1);
    must_have_all_and_end(true);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("survival");
    TCase *killed = e2e_case(suite, "killed", NULL, NULL);

    tcase_add_loop_test(killed, the_application_is_killed, 0, E2E_SERVERS);
    tcase_add_loop_test(killed, the_web_server_is_killed, 0, E2E_SERVERS);
    tcase_add_loop_test(killed, redis_is_killed_and_has_lost_nothing, 0, E2E_SERVERS);
    tcase_add_loop_test(killed, redis_is_killed_and_has_lost_everything, 0, E2E_SERVERS);
    tcase_add_loop_test(killed, the_connection_breaks_again_and_again, 0, E2E_SERVERS);
    tcase_add_test(killed, streams_that_end_by_themselves_are_resumed);
    return e2e_run(suite);
}
