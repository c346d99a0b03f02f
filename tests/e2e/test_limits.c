/* How much one visitor may: every limit, at every kind of endpoint, and that whoever is at his
 * limit harms nobody else. Visitors are told apart by what a trusted proxy says of them.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/swarm.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "limits");
    lab_conf(&lab, keepf("[service bayeux]\n[service sockjs/x]\n[service socket.io]\n"
                         "[channel mine/*]\nsubscribe = owner\n"
                         "[channel *]\npublish = anyone\npublish_rate = 3/600\n"
                         "[key k]\nalgorithm = HS256\nfile = %s\n",
                         token_file(SECRET)));
    lab_set(&lab, "TRUSTED_PROXIES", "127.0.0.1");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
}

static void start(const char *option, const char *value) {
    lab_set(&lab, option, value);
    lab_web(&lab, "http", 1);
}

static void teardown(void) {
    lab_close(&lab);
}

static struct request from(const char *address, const char *path) {
    return (struct request){.path = path, .headers = {keepf("X-Forwarded-For: %s", address)}};
}

static const struct answer *ask(const char *address, const char *path) {
    const struct request request = from(address, path);
    return http_send(&lab, &request);
}

static const struct answer *post(const char *address, const char *path, const char *body) {
    struct request request = from(address, path);

    request.method = "POST";
    request.body = body;
    request.length = strlen(body);
    request.headers[1] = "Content-Type: application/json";
    return http_send(&lab, &request);
}

static void must_be_later(const struct answer *answer, const char *what, const char *option) {
    ck_assert_msg(answer->status == 429, "%s: %s", what, answer_text(answer));
    ck_assert_msg(strstr(answer->body, option), "%s: %s", what, answer_text(answer));
    ck_assert_msg(atoi(answer_header(answer, "Retry-After")) > 0, "%s: %s", what, answer->head);
}

static size_t waiting(void) {
    const struct answer *status = http_get(&lab, "/comet/status");
    return (size_t)json_integer_value(json_object_get(status->json, "waiters"));
}

/* By all processes. */
static long counted_together(const char *limit) {
    const struct answer *metrics = http_get(&lab, "/comet/metrics");
    const char *at = strstr(metrics->body, keepf("limit=\"%s\"}", limit));

    ck_assert_msg(at != NULL, "%s", metrics->body);
    return atol(strchr(at, '}') + 1);
}

static long counted(const char *limit) {
    long said = counted_together(limit);
    const struct answer *status = http_get(&lab, "/comet/status");

    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(status->json, "refused"), limit)), said);
    return said;
}

static struct websock *socket_of(const char *address, const char *path) {
    return websock_on(wire_tcp(lab.port), path, keepf("X-Forwarded-For: %s\r\n", address));
}

START_TEST(a_reading_rate_holds_for_every_endpoint_and_dialect) {
    static const char *const paths[] = {
        "/comet/poll?channel=a",
        "/comet/wait?channel=a&timeout=0",
        "/comet/stream?channel=a",
        "/comet/multipart?channel=a",
        "/comet/iframe?channel=a&callback=f",
        "/sockjs/x",
        "/sockjs/x/0/abc/xhr",
        "/socket.io/?EIO=4&transport=polling",
        "/bayeux?message=[]",
    };

    start("READ_RATE", "2/600");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(ask("192.0.2.1", "/comet/poll?channel=a")->status, 200);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        must_be_later(ask("192.0.2.1", paths[i]), paths[i], "read_rate");
    must_be_later(post("192.0.2.1", "/bayeux", "[]"), "a post", "read_rate");
    ck_assert(strstr(ask("192.0.2.1", "/comet/events?channel=a")->body, "\"status\":429"));
    ck_assert_int_eq(websock_reach_status(socket_of("192.0.2.1", "/comet/ws?channel=a")), 429);
    ck_assert_int_eq(ask("192.0.2.2", "/comet/poll?channel=a")->status, 200);
    ck_assert_int_eq(post("192.0.2.1", "/comet/publish?channel=a", "1")->status, 200);
    ck_assert_int_ge(counted("read_rate"), 12);
}
END_TEST

START_TEST(what_is_in_front_of_the_proxies_address_is_not_believed) {
    start("READ_RATE", "1/600");
    ck_assert_int_eq(ask("192.0.2.7, 192.0.2.1", "/comet/poll?channel=a")->status, 200);
    must_be_later(ask("192.0.2.8, 192.0.2.1", "/comet/poll?channel=a"), "made up", "read_rate");
    must_be_later(ask("::ffff:192.0.2.1", "/comet/poll?channel=a"), "as IPv6", "read_rate");
    ck_assert_int_eq(ask("2001:db8:0:1::1", "/comet/poll?channel=a")->status, 200);
    must_be_later(ask("2001:db8:0:1:2::3", "/comet/poll?channel=a"), "its /64", "read_rate");
}
END_TEST

START_TEST(a_subscribe_on_a_connection_counts_as_a_request) {
    start("READ_RATE", "3/600");
    struct websock *socket = socket_of("192.0.2.1", "/comet/ws");

    ck_assert_int_eq(websock_reach_status(socket), 101);
    for (int i = 0; i < 2; i++) {
        ck_assert(websock_say(socket, keepf("{\"subscribe\":[\"c%d\"]}", i)));
        websock_reach(socket, keepf("c%d@", i));
    }
    ck_assert(websock_say(socket, "{\"subscribe\":[\"c9\"],\"ref\":9}"));
    ck_assert(strstr(websock_reach(socket, "\"ref\":9"), "\"status\":429"));
    ck_assert_int_ge(store_publish(&lab, "c1", "\"goes on\""), 1);
    websock_reach(socket, "goes on");
    websock_close(socket);
}
END_TEST

START_TEST(invented_channels_have_a_rate_of_their_own) {
    start("CHANNEL_RATE", "4/600");
    ck_assert_int_eq(ask("192.0.2.9", "/comet/wait?channel=known&timeout=1")->status, 200);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(
            ask("192.0.2.1", keepf("/comet/wait?channel=made-up-%d&timeout=1", i))->status, 200);
    must_be_later(ask("192.0.2.1", "/comet/poll?channel=one-more"), "a fifth", "channel_rate");
    must_be_later(ask("192.0.2.1", "/comet/poll?channel=known&channel=one-more"), "beside one",
                  "channel_rate");
    must_be_later(ask("192.0.2.1", "/comet/poll?pattern=more/*"), "a pattern", "channel_rate");
    ck_assert_int_eq(ask("192.0.2.1", "/comet/poll?channel=known")->status, 200);
    ck_assert_int_eq(ask("192.0.2.2", "/comet/poll?channel=one-more")->status, 200);
    struct websock *socket = socket_of("192.0.2.1", "/comet/ws?channel=known");
    ck_assert_int_eq(websock_reach_status(socket), 101);
    ck_assert(websock_say(socket, "{\"subscribe\":[\"x1\"],\"ref\":1}"));
    ck_assert(strstr(websock_reach(socket, "\"ref\":1"), "\"status\":429"));
    ck_assert_int_ge(store_publish(&lab, "known", "\"for all\""), 1);
    websock_reach(socket, "for all");
    websock_close(socket);
    ck_assert_int_eq(counted("channel_rate"), 4);
}
END_TEST

static const char *bayeux_client(const char *address) {
    const struct answer *answer = post(address, "/bayeux",
                                       "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                                       "\"supportedConnectionTypes\":[\"long-polling\"]}]");
    json_t *reply = json_array_get(answer->json, 0);

    ck_assert_msg(json_object_get(reply, "clientId") != NULL, "%s", answer_text(answer));
    return json_string_value(json_object_get(reply, "clientId"));
}

static const char *subscribe(const char *client, int number) {
    return keepf("[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                 "\"subscription\":\"/invented/%d\"}]",
                 client, number);
}

START_TEST(invented_channels_are_refused_in_a_dialects_words) {
    start("CHANNEL_RATE", "3/600");
    const char *client = bayeux_client("192.0.2.1");
    struct websock *socket = socket_of("192.0.2.1", "/socket.io/?EIO=4&transport=websocket");

    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_reach(socket, "\"sid\"");
    ck_assert(websock_say(socket, "40")); /* and channel / */
    websock_reach(socket, "40{");
    for (int i = 1; i <= 2; i++)
        ck_assert(strstr(post("192.0.2.1", "/bayeux", subscribe(client, i))->body,
                         "\"successful\":true"));
    const struct answer *refused = post("192.0.2.1", "/bayeux", subscribe(client, 3));
    ck_assert_msg(strstr(refused->body, "\"error\":\"429:"), "%s", answer_text(refused));
    ck_assert(websock_say(socket, "421[\"subscribe\",\"invented/3\"]"));
    ck_assert(strstr(websock_reach(socket, "431["), "\"status\":429"));
    websock_close(socket);
}
END_TEST

/* Says a line, and reads until what is said has this part. */
static void say_line(int fd, const char *line, const char *part) {
    char said[4096] = "";
    size_t length = 0;

    ck_assert(wire_send(fd, line, strlen(line)));
    while (strstr(said, part) == NULL) {
        ck_assert_msg(wire_stirs(fd, PATIENCE_MS), "%s: %s", line, said);
        ssize_t got = read(fd, said + length, sizeof said - 1 - length);
        ck_assert_msg(got > 0, "%s: %s", line, said);
        length += (size_t)got;
        said[length] = '\0';
    }
}

START_TEST(a_line_feed_is_told_of_its_limits) {
    const int port = lab_free_port();

    lab_set(&lab, "FEED", keepf("tcp:127.0.0.1:%d", port));
    lab_set(&lab, "MAX_WAITERS_ADDRESS", "1");
    start("CHANNEL_RATE", "1/600");
    int fd = -1;
    until((fd = wire_tcp(port)) >= 0, "nobody listens");
    say_line(fd, "SUBSCRIBE a\n", "OK");
    say_line(fd, "SUBSCRIBE b\n", "ERROR 429");
    int other = wire_tcp(port);
    say_line(other, "PING\n", "ERROR 429");
    store_add(&lab, "a", "\"goes on\"");
    say_line(fd, "PING\n", "goes on");
    close(other);
    close(fd);
}
END_TEST

static struct websock *reach_open(const char *address, const char *path) {
    struct websock *socket = socket_of(address, path);

    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_reach_text(socket);
    return socket;
}

START_TEST(an_address_may_have_so_many_requests_held) {
    start("MAX_WAITERS_ADDRESS", "2");
    const struct request wait = from("192.0.2.1", "/comet/wait?channel=held&timeout=55");
    struct websock *socket = reach_open("192.0.2.1", "/comet/ws?channel=held");
    struct flight *flight = http_begin(&lab, &wait);
    until((http_pump(10), waiting() >= 2), "they are not held");

    must_be_later(ask("192.0.2.1", "/comet/wait?channel=held"), "a wait", "max_waiters_address");
    must_be_later(ask("192.0.2.1", "/comet/stream?channel=held"), "a stream",
                  "max_waiters_address");
    must_be_later(ask("192.0.2.1", "/socket.io/?EIO=4&transport=polling"), "a session",
                  "max_waiters_address");
    must_be_later(post("192.0.2.1", "/sockjs/x/0/abc/xhr", ""), "a session", "max_waiters_address");
    ck_assert_int_eq(websock_reach_status(socket_of("192.0.2.1", "/comet/ws?channel=held")), 429);
    ck_assert(strstr(ask("192.0.2.1", "/comet/events?channel=a")->body, "\"status\":429"));
    ck_assert_int_eq(ask("192.0.2.1", "/comet/poll?channel=held")->status, 200);
    ck_assert_int_eq(ask("192.0.2.2", "/comet/wait?channel=held&timeout=1")->status, 200);
    ck_assert(websock_say(socket, "{\"subscribe\":[\"more\"]}")); /* it stays where it is */
    websock_reach(socket, "more@");
    websock_close(socket);
    until(ask("192.0.2.1", "/comet/wait?channel=held&timeout=1")->status == 200,
          "there is no room again");
    ck_assert_int_ge(store_publish(&lab, "held", "\"at last\""), 1);
    ck_assert(strstr(http_land(flight)->body, "at last"));
    ck_assert_int_ge(counted("max_waiters_address"), 6);
}
END_TEST

START_TEST(a_user_may_have_so_many_requests_held_from_wherever) {
    start("MAX_WAITERS_USER", "1");
    const char *token =
        token_of(SECRET, keepf("{\"sub\":\"alice\",\"exp\":%ld}", (long)time(NULL) + 600));
    struct websock *socket =
        reach_open("192.0.2.1", keepf("/comet/ws?channel=mine/alice&token=%s", token));

    must_be_later(ask("192.0.2.2", keepf("/comet/wait?channel=mine/alice&token=%s", token)),
                  "another address", "max_waiters_user");
    ck_assert_int_eq(ask("192.0.2.2", "/comet/wait?channel=a&timeout=1")->status, 200);
    websock_close(socket);
    until(ask("192.0.2.2", keepf("/comet/wait?channel=a&timeout=1&token=%s", token))->status == 200,
          "there is no room again");
    ck_assert_int_ge(counted("max_waiters_user"), 1);
}
END_TEST

START_TEST(a_publishing_rate_is_counted_with_the_others) {
    start("TIMEOUT", "25");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(post("192.0.2.1", "/comet/publish?channel=a", "1")->status, 200);
    must_be_later(post("192.0.2.1", "/comet/publish?channel=b", "1"), "a fourth", "publish_rate");
    ck_assert_int_eq(post("192.0.2.2", "/comet/publish?channel=b", "1")->status, 200);
    ck_assert_int_eq(counted("publish_rate"), 1);
}
END_TEST

/* Forgotten messages are read again: nobody misses any, whatever the channel. */
START_TEST(all_tails_together_take_no_more_than_they_may) {
    enum { CHANNELS = 20, MESSAGES = 30, LIMIT = 128 * 1024 };
    char payload[2048];
    const char *since[CHANNELS];

    start("TAIL_MEMORY", keepf("%d", LIMIT));
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    for (int c = 0; c < CHANNELS; c++) {
        store_publish(&lab, keepf("tail-%d", c), "\"first\"");
        since[c] =
            batch_cursor(ask("192.0.2.1", keepf("/comet/wait?channel=tail-%d&since=start", c)));
        ck_assert_int_eq(
            ask("192.0.2.1", keepf("/comet/wait?channel=tail-%d&timeout=1", c))->status, 200);
    }
    for (int i = 0; i < MESSAGES; i++) {
        for (int c = 0; c < CHANNELS; c++)
            store_publish(&lab, keepf("tail-%d", c), keepf("\"%d-%d-%s\"", c, i, payload));
    }
    for (int c = 0; c < CHANNELS; c++) {
        until(store_held(&lab, keepf("tail-%d", c)) == MESSAGES + 1, "they are not sequenced");
        const struct answer *answer =
            ask("192.0.2.1", keepf("/comet/poll?limit=1000&channel=tail-%d&since=%s", c, since[c]));
        ck_assert_uint_eq(json_array_size(json_object_get(answer->json, "messages")), MESSAGES);
        ck_assert(json_object_get(answer->json, "gap") == NULL);
    }
    const struct answer *status = http_get(&lab, "/comet/status");
    ck_assert_int_le(json_integer_value(json_object_get(status->json, "tail_bytes")), LIMIT);
    ck_assert_int_gt(counted("tail_memory"), 0);
}
END_TEST

/* ----------------------------------------------------- processes that count together */

enum { HELD_MOST = 3 };

static void start_apache(const char *option, const char *value) {
    lab_set(&lab, option, value);
    lab_web(&lab, "apache", 1); /* mod_fcgid: each that is held has a process to itself */
}

static int held_together(void) {
    const struct answer *status = http_get(&lab, "/comet/status");
    return (int)json_integer_value(json_object_get(status->json, "held_together"));
}

/* Of each endpoint one: a second would be kept waiting for a second, for another process. */
static void hold_as_many_as_may(struct flight **flights) {
    static const char *const endpoints[HELD_MOST] = {"wait", "stream", "multipart"};

    for (int i = 0; i < HELD_MOST; i++)
        flights[i] = http_get_begin(&lab, "/comet/%s?channel=held&timeout=55", endpoints[i]);
    until((http_pump(10), held_together() == HELD_MOST), "%d are held", held_together());
    must_be_later(http_get(&lab, "/comet/iframe?channel=held&callback=f"), "a frame",
                  "max_waiters_address");
    must_be_later(http_get(&lab, "/comet/jsonp?channel=held&callback=f"), "a script",
                  "max_waiters_address");
}

/* Another address of this machine. */
static int status_from(const char *address, const char *path) {
    struct sockaddr_in own = {.sin_family = AF_INET}, web = {.sin_family = AF_INET};
    const char *request =
        keepf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    int fd = socket(AF_INET, SOCK_STREAM, 0), status = 0;

    ck_assert_int_eq(inet_pton(AF_INET, address, &own.sin_addr), 1);
    web.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    web.sin_port = htons((uint16_t)lab.port);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&web, sizeof web), 0);
    ck_assert(wire_send(fd, request, strlen(request)));
    const char *answer = wire_read_all(fd, NULL);
    ck_assert_msg(sscanf(answer, "HTTP/1.1 %d", &status) == 1, "%s", answer);
    close(fd);
    return status;
}

static void kill_all_processes(void) {
    pid_t pids[64];
    size_t count = lab_app_pids(&lab, pids, sizeof pids / sizeof *pids);

    ck_assert_uint_ge(count, HELD_MOST);
    for (size_t i = 0; i < count; i++)
        kill(pids[i], SIGKILL);
}

START_TEST(behind_mod_fcgid_an_address_has_its_limit_in_all_processes_together) {
    struct flight *flights[HELD_MOST];

    lab_set(&lab, "JSONP", "on");
    start_apache("MAX_WAITERS_ADDRESS", keepf("%d", HELD_MOST));
    hold_as_many_as_may(flights);
    ck_assert_int_eq(http_get(&lab, "/comet/poll?channel=held")->status, 200);
    ck_assert_int_eq(status_from("127.0.0.2", "/comet/jsonp?channel=held&callback=f&timeout=1"),
                     200);
    kill_all_processes();
    for (int i = 0; i < HELD_MOST; i++)
        http_abandon(flights[i]);
    until(http_get(&lab, "/comet/wait?channel=held&timeout=1")->status == 200,
          "there is no room again");
    until(held_together() == 0, "%d are held", held_together());
    hold_as_many_as_may(flights);
    for (int i = 0; i < HELD_MOST; i++)
        http_abandon(flights[i]);
}
END_TEST

/* Each endpoint that waits has processes of its own. */
START_TEST(behind_mod_fcgid_a_rate_is_used_in_all_processes_together) {
    static const char *const paths[] = {"poll?channel=a", "wait?channel=a&timeout=0",
                                        "jsonp?channel=a&callback=f&timeout=0"};

    lab_set(&lab, "JSONP", "on");
    start_apache("READ_RATE", "6/600");
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(http_get(&lab, "/comet/%s", paths[i % 3])->status, 200);
    for (size_t i = 0; i < 3; i++)
        must_be_later(http_get(&lab, "/comet/%s", paths[i]), paths[i], "read_rate");
    ck_assert_int_eq(status_from("127.0.0.2", "/comet/poll?channel=a"), 200);
    ck_assert_int_eq(counted_together("read_rate"), 3);
}
END_TEST

/* ------------------------------------------------------------------------- a crowd */

enum { VISITORS = 10000, DESCRIPTORS = 20000 };

/* Bytes of memory that a visitor may cost. */
static long most_for_one(pid_t pid) {
    return proc_sanitized(pid) ? 20000 : 2000;
}

static void hold_one(int *fd, int number) {
    const char *request =
        keepf("GET /comet/wait?channel=crowd&timeout=600 HTTP/1.1\r\nHost: localhost\r\n"
              "Connection: close\r\nX-Forwarded-For: 10.%d.%d.1\r\n\r\n",
              number / 200, number % 200);

    *fd = wire_tcp(lab.port);
    ck_assert_msg(*fd >= 0 && wire_send(*fd, request, strlen(request)), "visitor %d", number);
}

/* All of them wait; one of them goes on asking, and is refused each time. */
START_TEST(ten_thousand_visitors_are_held_while_one_is_at_his_limits) {
    static int fds[VISITORS];
    pid_t pid;

    swarm_allow(DESCRIPTORS);
    lab_set(&lab, "MAX_WAITERS", "20000");
    lab_set(&lab, "MAX_WAIT", "600");
    lab_set(&lab, "MAX_WAITERS_ADDRESS", "1");
    lab_set(&lab, "READ_RATE", "40/600");
    start("CHANNEL_RATE", "1/600");
    ck_assert_uint_eq(lab_app_pids(&lab, &pid, 1), 1);
    long before = proc_resident_kib(pid);
    for (int i = 0; i < VISITORS; i++) {
        hold_one(&fds[i], i);
        if (i % 500 == 0)
            must_be_later(ask("10.0.0.1", "/comet/wait?channel=crowd"), "he", "max_waiters_add");
    }
    until(waiting() >= VISITORS, "%zu wait", waiting());
    for (int i = 0; i < 40; i++)
        (void)ask("10.0.0.1", "/comet/poll?channel=crowd");
    must_be_later(ask("10.0.0.1", "/comet/poll?channel=crowd"), "he", "read_rate");
    ck_assert_int_eq(ask("10.0.1.1", "/comet/poll?channel=i1&channel=i2")->status, 200);
    must_be_later(ask("10.0.1.1", "/comet/poll?channel=i3"), "another", "channel_rate");
    ck_assert_int_eq(ask("192.0.2.1", "/comet/poll?channel=crowd")->status, 200);
    long grown = (proc_resident_kib(pid) - before) * 1024 / VISITORS;
    ck_assert_msg(grown < most_for_one(pid), "%ld bytes for each", grown);
    ck_assert_int_ge(store_publish(&lab, "crowd", "\"to all\""), 1);
    for (int i = 0; i < VISITORS; i++) {
        ck_assert_msg(strstr(wire_read_all(fds[i], NULL), "to all") != NULL, "visitor %d", i);
        close(fds[i]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("limits");
    TCase *tcase = tcase_create("limits");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, a_reading_rate_holds_for_every_endpoint_and_dialect);
    tcase_add_test(tcase, what_is_in_front_of_the_proxies_address_is_not_believed);
    tcase_add_test(tcase, a_subscribe_on_a_connection_counts_as_a_request);
    tcase_add_test(tcase, invented_channels_have_a_rate_of_their_own);
    tcase_add_test(tcase, invented_channels_are_refused_in_a_dialects_words);
    tcase_add_test(tcase, a_line_feed_is_told_of_its_limits);
    tcase_add_test(tcase, an_address_may_have_so_many_requests_held);
    tcase_add_test(tcase, a_user_may_have_so_many_requests_held_from_wherever);
    tcase_add_test(tcase, a_publishing_rate_is_counted_with_the_others);
    tcase_add_test(tcase, all_tails_together_take_no_more_than_they_may);
    tcase_add_test(tcase, behind_mod_fcgid_an_address_has_its_limit_in_all_processes_together);
    tcase_add_test(tcase, behind_mod_fcgid_a_rate_is_used_in_all_processes_together);
    tcase_add_test(tcase, ten_thousand_visitors_are_held_while_one_is_at_his_limits);
    suite_add_tcase(suite, tcase);
    return e2e_run(suite);
}
