/* Capacity: what counts as full is known across processes, whoever started them, and nobody who
 * comes near it gets an error.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 20, NEAR = 18 };

static struct lab lab;
static const char *channel;

/* Two processes that listen by themselves, and count together. */
static void setup_in(const char *folder) {
    lab_open(&lab, "capacity");
    lab_set(&lab, "COUNTS", folder);
    lab_set(&lab, "MAX_WAITERS", keepf("%d", MOST));
    lab_set(&lab, "RETRY", "200");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_app(&lab, 0);
    lab_app(&lab, 1);
    channel = keep_fresh("full");
}

static void setup(void) {
    setup_in("/dev/shm");
}

static void teardown(void) {
    lab_close(&lab);
}

static int ask(size_t app, const char *uri) {
    struct bytes request = {0};
    int fd = wire_unix(lab.app_socket[app]);

    fcgi_request(&request, "GET", uri, NULL, 0);
    ck_assert(wire_send(fd, request.data, request.length));
    return fd;
}

static int begin_wait(size_t app) {
    return ask(app, keepf("/comet/wait?channel=%s&timeout=55", channel));
}

static int figure(size_t app, const char *name) {
    const struct answer *status = fcgi_answer(ask(app, "/comet/status"));

    ck_assert_int_eq(status->status, 200);
    json_t *value = json_object_get(status->json, name);
    ck_assert_ptr_nonnull(value);
    return (int)json_integer_value(value);
}

/* A wait that is answered at once says when to come back, and leaves its place in the web server to
 * somebody else meanwhile; a poll goes on over the same connection. */
static void must_be_told_to_poll(size_t app) {
    const struct answer *answer = fcgi_answer(begin_wait(app));

    ck_assert_int_eq(answer->status, 200);
    ck_assert_ptr_nonnull(json_object_get(answer->json, "retry"));
    ck_assert_pstr_eq(answer_header(answer, "Connection"), "close");
    answer = fcgi_answer(ask(app, keepf("/comet/poll?channel=%s", channel)));
    ck_assert_ptr_null(answer_header(answer, "Connection"));
}

static void hold(size_t app, int count) {
    int before = figure(app, "waiters");

    for (int i = 0; i < count; i++)
        begin_wait(app);
    until(figure(app, "waiters") == before + count, "%d are held", figure(app, "waiters"));
}

START_TEST(waits_are_told_to_poll_when_all_processes_together_are_nearly_full) {
    setup();
    hold(0, NEAR - 4);
    hold(1, 4);
    ck_assert_int_eq(figure(0, "held_together"), NEAR);
    ck_assert_int_eq(figure(1, "held_together"), NEAR);
    ck_assert_int_eq(figure(1, "max_waiters"), MOST);
    for (size_t app = 0; app < 2; app++)
        must_be_told_to_poll(app);
    ck_assert_int_eq(figure(0, "counts_alone"), 0);
    teardown();
}
END_TEST

/* Begun on one process while the other one holds all that there may be. */
START_TEST(a_stream_beyond_the_limit_is_sent_what_it_is_owed_and_ends) {
    static const struct {
        const char *endpoint, *more, *says;
    } rows[] = {{"events", "", "retry: "},
                {"events", "&format=json", "\"retry\":"},
                {"stream", "", "\"retry\":"},
                {"multipart", "", "\"retry\":"},
                {"iframe", "&callback=c", "\"retry\":"},
                {"wait", "", "\"retry\":"}};

    setup();
    const char *other = keep_fresh("owed");
    for (int i = 0; i < MOST; i++)
        ask(0, keepf("/comet/stream?channel=%s", channel));
    until(figure(0, "waiters") == MOST, "%d are held", figure(0, "waiters"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct answer *empty = fcgi_answer(ask(
            1, keepf("/comet/%s?channel=%s%s", rows[i].endpoint, keep_fresh("no"), rows[i].more)));
        ck_assert_int_eq(empty->status, 200);
        ck_assert_msg(strstr(empty->body, i == 1 ? "retry: " : rows[i].says) != NULL, "%s: %s",
                      rows[i].endpoint, empty->body);
        ck_assert_pstr_eq(answer_header(empty, "Connection"), "close");
    }
    store_add(&lab, other, "\"first\"");
    store_add_many(&lab, other, 250); /* several batches */
    store_add(&lab, other, "\"last\"");
    for (size_t i = 0; i + 1 < sizeof rows / sizeof rows[0]; i++) {
        const struct answer *owed = fcgi_answer(ask(
            1, keepf("/comet/%s?channel=%s&since=start%s", rows[i].endpoint, other, rows[i].more)));
        ck_assert_int_eq(owed->status, 200);
        ck_assert_msg(strstr(owed->body, "\"first\"") && strstr(owed->body, "\"last\"") &&
                          strstr(owed->body, rows[i].says),
                      "%s: %s", rows[i].endpoint, owed->body);
    }
    ck_assert_int_eq(figure(1, "answers_503"), 0);
    ck_assert_int_eq(figure(1, "answers_retry"), 11);
    ck_assert_int_eq(figure(1, "waiters"), 0);
    teardown();
}
END_TEST

START_TEST(a_web_socket_beyond_the_limit_is_sent_what_it_is_owed_and_closed_with_1013) {
    lab_open(&lab, "capacity");
    lab_set(&lab, "MAX_WAITERS", "2");
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_door(&lab);
    struct websock *held[2];
    const char *path = keepf("/comet/ws?channel=%s&since=start", keep_fresh("sockets"));
    for (int i = 0; i < 2; i++) {
        until((held[i] = websock_on(wire_unix(lab.websocket), path, "")) != NULL, "no door");
        websock_reach_text(held[i]);
    }
    const char *owed = strchr(path, '=') + 1;
    store_add(&lab, keepf("%.*s", (int)strcspn(owed, "&"), owed), "\"owed\"");
    struct websock *beyond = websock_on(wire_unix(lab.websocket), path, "");
    ck_assert_int_eq(websock_reach_status(beyond), 101);
    ck_assert_ptr_nonnull(strstr(websock_reach(beyond, "owed"), "\"retry\":"));
    ck_assert_int_eq(websock_reach_close(beyond), 1013);
    ck_assert_ptr_nonnull(strstr(websock_reach(held[1], "owed"), "owed"));
    /* who is held already may change his channels */
    ck_assert(websock_say(held[0], "{\"subscribe\":\"another\"}"));
    ck_assert_ptr_nonnull(websock_reach(held[0], "another@"));
    websock_close(held[0]);
    websock_close(beyond);
    until((beyond = websock_on(wire_unix(lab.websocket), path, ""),
           strstr(websock_reach_text(beyond), "\"retry\":") == NULL) ||
              (websock_close(beyond), false),
          "there is no room again");
    websock_close(beyond);
    websock_close(held[1]);
    teardown();
}
END_TEST

static int post(size_t app, const char *uri) {
    struct bytes request = {0};
    int fd = wire_unix(lab.app_socket[app]);

    fcgi_request(&request, "POST", uri, "", 0);
    ck_assert(wire_send(fd, request.data, request.length));
    return fd;
}

START_TEST(near_the_limit_sessions_are_refused_and_those_that_are_there_go_on) {
    lab_open(&lab, "capacity");
    lab_set(&lab, "MAX_WAITERS", keepf("%d", MOST));
    lab_conf(&lab, "[channel *]\npublish = anyone\n[service sockjs/chat]\n"
                   "protocol = channel chat\n[service engine.io]\nprotocol = channel chat\n");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_app(&lab, 0);
    lab_app(&lab, 1);
    channel = keep_fresh("full");
    ck_assert_str_eq(fcgi_answer(post(1, "/comet/sockjs/chat/000/one/xhr"))->body, "o\n");
    hold(0, NEAR);
    static const char *const kinds[] = {"xhr", "xhr_streaming"};
    for (size_t i = 0; i < 2; i++) {
        const char *uri = keepf("/comet/sockjs/chat/000/two/%s", kinds[i]);
        const struct answer *refused = fcgi_answer(post(1, uri));
        ck_assert_int_eq(refused->status, 503);
        ck_assert_ptr_nonnull(strstr(refused->body, "max_waiters"));
    }
    ck_assert_int_eq(fcgi_answer(ask(1, "/comet/engine.io/?EIO=4&transport=polling"))->status, 503);
    int held = post(1, "/comet/sockjs/chat/000/one/xhr");
    until(figure(1, "held_together") == NEAR + 1, "%d are held", figure(1, "held_together"));
    store_add(&lab, "chat", "hello");
    ck_assert_str_eq(fcgi_answer(held)->body, "a[\"hello\"]\n");
    teardown();
}
END_TEST

START_TEST(what_a_killed_process_held_is_not_counted) {
    setup();
    hold(0, NEAR);
    must_be_told_to_poll(1);
    proc_stop(&lab.app[0], SIGKILL);
    until(figure(1, "held_together") == 0, "%d are counted", figure(1, "held_together"));
    hold(1, NEAR);
    lab_app(&lab, 0);
    must_be_told_to_poll(0);
    teardown();
}
END_TEST

START_TEST(who_cannot_count_with_others_says_so_once_and_holds_for_itself) {
    setup_in("/dev/null");
    hold(0, NEAR);
    must_be_told_to_poll(0);
    hold(1, NEAR);
    must_be_told_to_poll(1);
    ck_assert_int_ge(figure(1, "counts_alone"), 1);
    teardown();
}
END_TEST

/* What Apache holds is asked of a process of another class. */
static int held_behind_apache(void) {
    const struct answer *status = http_get(&lab, "/comet/status");
    return (int)json_integer_value(json_object_get(status->json, "held_together"));
}

static const char *const ways_of_apache[] = {"apache", "apache-proxy"};

/* Who clicks through a site leaves a request behind on every page. */
START_TEST(behind_apache_a_browser_that_has_left_is_found_by_its_heartbeat) {
    enum { CLICKS = 12 };
    static const char *const endpoints[] = {"wait", "stream"};
    struct flight *flights[CLICKS];

    lab_open(&lab, "clicks");
    lab_all(&lab, "clicks", ways_of_apache[_i]);
    for (int i = 0; i < CLICKS; i++)
        flights[i] = http_get_begin(&lab, "/comet/%s?channel=a&timeout=55", endpoints[i % 2]);
    until((http_pump(5), held_behind_apache() == CLICKS), "%d are held", held_behind_apache());
    int64_t begun = now_ms();
    for (int i = 0; i < CLICKS; i++)
        http_abandon(flights[i]);
    until(held_behind_apache() == 0, "%d are held", held_behind_apache());
    ck_assert_int_lt(now_ms() - begun, 40000); /* 5 s; a wait's own end is at 49 s or later */
    teardown();
}
END_TEST

START_TEST(behind_apache_a_wait_that_is_held_for_long_is_still_a_batch) {
    lab_open(&lab, "beats");
    lab_all(&lab, "beats", "apache");
    struct flight *flight = http_get_begin(&lab, "/comet/wait?channel=a&timeout=55");
    until((http_pump(50), http_so_far(flight)[0] == ' ' && http_so_far(flight)[1] == ' '),
          "no white space comes: \"%s\"", http_so_far(flight));
    store_add(&lab, "a", "1");
    const struct answer *answer = must_be_batch(http_land(flight));
    ck_assert_str_eq(batch_all_data(answer), "1");
    const struct answer *plain = http_get(&lab, "/comet/wait?channel=a&timeout=3&heartbeat=0");
    ck_assert_int_eq(plain->body[0], '{');
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("capacity");
    TCase *tcase = e2e_case(suite, "capacity", NULL, NULL);

    tcase_add_test(tcase, waits_are_told_to_poll_when_all_processes_together_are_nearly_full);
    tcase_add_test(tcase, a_stream_beyond_the_limit_is_sent_what_it_is_owed_and_ends);
    tcase_add_test(tcase,
                   a_web_socket_beyond_the_limit_is_sent_what_it_is_owed_and_closed_with_1013);
    tcase_add_test(tcase, near_the_limit_sessions_are_refused_and_those_that_are_there_go_on);
    tcase_add_test(tcase, what_a_killed_process_held_is_not_counted);
    tcase_add_test(tcase, who_cannot_count_with_others_says_so_once_and_holds_for_itself);
    tcase_add_loop_test(tcase, behind_apache_a_browser_that_has_left_is_found_by_its_heartbeat, 0,
                        2);
    tcase_add_test(tcase, behind_apache_a_wait_that_is_held_for_long_is_still_a_batch);
    return e2e_run(suite);
}
