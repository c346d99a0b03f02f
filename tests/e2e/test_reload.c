/* HUP: the configuration is read anew by a new program on the same sockets, and nobody who asks,
 * waits or listens meanwhile gets an error or misses a message; one that is wrong changes nothing.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lab lab;

static const char closed[] = "[channel room*]\npublish = none\n";
static const char opened[] = "[channel room*]\npublish = anyone\n";

static void begin(const char *processes) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "reload");
    lab_conf(&lab, closed);
    lab_set(&lab, "PROCESSES", processes);
    lab_set(&lab, "LISTEN_MODE", "0666"); /* nginx is another user */
    lab_websockets(&lab);
    lab_all(&lab, "reload", "nginx");
}

static void teardown(void) {
    lab_close(&lab);
}

static char *log_text(void) {
    const char *const argv[] = {"cat", keepf("%s/app0.log", lab.dir), NULL};
    char *text = NULL;

    proc_run(argv, environ, -1, &text, NULL);
    return keepf("%s", text);
}

static size_t count_of(const char *part) {
    size_t count = 0;

    for (const char *at = log_text(); (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static int publish_status(void) {
    return http_post(&lab, "1", 1, "/comet/publish?channel=rooms")->status;
}

/* --- a good one ------------------------------------------------------------------------------ */

enum { WAITS = 20 };

/* Waits that come back with their cursors, as pages do; each message is had once, in order. */
struct page {
    struct flight *flight;
    const char *cursor;
    int had;
};

static void ask(struct page *page) {
    page->flight =
        http_get_begin(&lab, "/comet/wait?channel=room&since=%s&timeout=50", page->cursor);
}

static void take(struct page *page) {
    const struct answer *batch = must_be_batch(http_land(page->flight));

    ck_assert_msg(!batch_any_gap(batch), "%s", answer_text(batch));
    for (size_t i = 0; i < batch_count(batch); i++)
        ck_assert_int_eq(json_integer_value(batch_data(batch, i)), ++page->had);
    page->cursor = batch_cursor(batch);
    ask(page);
}

static void turn(struct page *pages) {
    http_pump(5);
    for (int i = 0; i < WAITS; i++)
        if (http_landed(pages[i].flight))
            take(&pages[i]);
}

static bool all_have(struct page *pages, int count) {
    turn(pages);
    for (int i = 0; i < WAITS; i++)
        if (pages[i].had < count)
            return false;
    return true;
}

static const char *const processes[] = {"1", "2"};

START_TEST(a_reload_refuses_nobody_and_loses_nothing) {
    enum { ROUNDS = 4 };
    struct page pages[WAITS];
    int sent = 0;

    begin(processes[_i]);
    pid_t pid = lab.app[0].pid;
    for (int i = 0; i < WAITS; i++) {
        pages[i] = (struct page){.cursor = cursor_now(&lab, "room")};
        ask(&pages[i]);
    }
    until((turn(pages), store_followers(&lab, "room") >= 1), "nobody waits");
    ck_assert_int_eq(publish_status(), 403);
    for (int round = 1; round <= ROUNDS; round++) {
        lab_conf(&lab, round % 2 != 0 ? opened : closed);
        proc_signal(&lab.app[0], SIGHUP);
        int64_t until_ms = now_ms() + PATIENCE_MS;
        while (count_of(" reload drains=") < (size_t)round || now_ms() % 7 != 0) {
            must(now_ms() < until_ms, "no reload: %s", log_text());
            store_add(&lab, "room", keepf("%d", ++sent));
            turn(pages);
            ck_assert_int_eq(http_get(&lab, "/comet/health")->status, 200);
        }
        bool open = round % 2 != 0;
        /* an old process may still take one of the first requests */
        for (int good = 0; good < 10;) {
            must(now_ms() < until_ms, "the configuration is the old one");
            turn(pages);
            if (open) { /* only what is refused leaves no message */
                good = 10;
                until((turn(pages), count_of(" stop ") >= (size_t)round || _i == 1), "no drain");
            } else {
                good = publish_status() == 403 ? good + 1 : 0;
            }
        }
        ck_assert(proc_runs(&lab.app[0]));
        ck_assert_int_eq(lab.app[0].pid, pid);
    }
    until(all_have(pages, sent), "not all have all %d", sent);
    for (int i = 0; i < WAITS; i++)
        http_abandon(pages[i].flight);
    ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
    ck_assert_int_ne(access(lab.app_socket[0], F_OK), 0);
    ck_assert_int_ne(access(lab.websocket, F_OK), 0);
}
END_TEST

START_TEST(what_the_new_file_says_holds) {
    begin(processes[_i]);
    ck_assert_int_eq(publish_status(), 403);
    lab_conf(&lab, opened);
    proc_signal(&lab.app[0], SIGHUP);
    until(publish_status() == 200, "it is not read");
    struct stream *socket = stream_open(&lab, BY_WEB, WS, "channel=room", NULL);
    stream_reach_start(socket);
    stream_close(socket);
    /* the process that serves now is counted, the one before is not */
    until(store_do(&lab, "ZCARD halley.websocket")->integer == (_i == 0 ? 1 : 2),
          "WebSockets: %lld", store_do(&lab, "ZCARD halley.websocket")->integer);
}
END_TEST

START_TEST(a_stream_and_a_websocket_come_to_their_end) {
    begin("1");
    struct stream *stream = stream_open(&lab, BY_WEB, EVENTS, "channel=room", NULL);
    struct stream *socket = stream_open(&lab, BY_WEB, WS, "channel=room", NULL);
    stream_reach_start(stream);
    stream_reach_start(socket);
    proc_signal(&lab.app[0], SIGHUP);
    stream_reach_end(stream);
    stream_reach_end(socket);
    ck_assert_int_eq(socket->socket->code, 1001);
    stream_close(stream);
    stream_close(socket);
}
END_TEST

/* It is struck out of the command line, and the next program must know it all the same. */
START_TEST(a_password_on_the_command_line_outlives_a_reload) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "reload");
    lab_conf(&lab, closed);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    store_do(&lab, "CONFIG SET requirepass hunter2");
    const char *const argv[] = {lab_program("halley.fcgi"),
                                "-f",
                                lab.conf,
                                "-l",
                                keepf("unix:%s", lab.app_socket[0]),
                                "-o",
                                keepf("redis=unix:%s?password=hunter2", lab.redis_socket),
                                NULL};
    char **env = lab_env(&lab, NULL);
    for (char **at = env; *at != NULL; at++)
        if (strncmp(*at, "HALLEY_REDIS=", 13) == 0)
            *at = keepf("HALLEY_LOG_LEVEL=info");
    proc_start(&lab.app[0], "halley.fcgi", keepf("%s/app0.log", lab.dir), -1, argv, env);
    until(wire_unix(lab.app_socket[0]) >= 0, "it does not listen");
    until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 200, "Redis is away");
    proc_signal(&lab.app[0], SIGHUP);
    until(count_of(" start as=inherited") == 1, "no reload: %s", log_text());
    until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 200, "Redis is away");
    ck_assert_ptr_null(strstr(log_text(), "reload.refused"));
}
END_TEST

/* --- a wrong one --------------------------------------------------------------------------- */

START_TEST(a_wrong_file_changes_nothing_and_is_logged) {
    begin(processes[_i]);
    struct flight *wait = http_get_begin(&lab, "/comet/wait?channel=room&timeout=50");
    until((http_pump(10), store_followers(&lab, "room") >= 1), "it does not wait");
    lab_conf(&lab, "[channel room*]\npublish = whoever comes\n");
    for (size_t round = 1; round <= 3; round++) {
        proc_signal(&lab.app[0], SIGHUP);
        until(count_of("error reload.refused") >= round, "it is not refused: %s", log_text());
    }
    ck_assert_ptr_nonnull(strstr(log_text(), "whoever comes"));
    http_pump(10);
    ck_assert(!http_landed(wait));
    ck_assert_int_eq(publish_status(), 403);
    store_add(&lab, "room", "1");
    ck_assert_str_eq(batch_all_data(must_be_batch(http_land(wait))), "1");
    lab_conf(&lab, opened);
    proc_signal(&lab.app[0], SIGHUP);
    until(publish_status() == 200, "a good one is not read");
}
END_TEST

START_TEST(sockets_of_several_processes_want_as_many) {
    begin("2");
    proc_stop(&lab.app[0], SIGTERM);
    for (char **at = lab.settings; *at != NULL; at++)
        if (strncmp(*at, "HALLEY_PROCESSES=", 17) == 0)
            *at = keepf("HALLEY_LOG_LEVEL=info");
    lab_conf(&lab, "processes = 2\n");
    lab_app(&lab, 0);
    lab_conf(&lab, "processes = 3\n");
    proc_signal(&lab.app[0], SIGHUP);
    until(count_of("error reload.refused processes = 3") == 1, "it is not refused: %s", log_text());
    ck_assert_int_eq(http_get(&lab, "/comet/health")->status, 200);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reload");
    TCase *tcase = e2e_case(suite, "reload", NULL, NULL);

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_loop_test(tcase, a_reload_refuses_nobody_and_loses_nothing, 0, 2);
    tcase_add_loop_test(tcase, what_the_new_file_says_holds, 0, 2);
    tcase_add_test(tcase, a_stream_and_a_websocket_come_to_their_end);
    tcase_add_loop_test(tcase, a_wrong_file_changes_nothing_and_is_logged, 0, 2);
    tcase_add_test(tcase, a_password_on_the_command_line_outlives_a_reload);
    tcase_add_test(tcase, sockets_of_several_processes_want_as_many);
    return e2e_run(suite);
}
