/* Tokens that are taken back (FCALL halley_revoke): in every process within a moment, for what goes
 * on already too, and by processes that were not there, or not at Redis, when it was said.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECRET "a secret of the site, 32 bytes+++"

static struct lab lab;

static void setup_on(enum redis_keeps keeps, const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "revocation");
    lab_conf(&lab, keepf("[channel inbox/*]\nsubscribe = owner\npublish = owner\n"
                         "[channel room/*]\nsubscribe = user\npublish = user\n"
                         "[key k]\nalgorithm = HS256\nfile = %s\n"
                         "[service sockjs/own]\n[service socket.io]\n",
                         token_file(SECRET)));
    lab_redis(&lab, keeps);
    lab_worker(&lab, 0);
    lab_websockets(&lab);
    lab_web(&lab, server, 2); /* two processes, each has every second request */
}

static void setup(enum redis_keeps keeps) {
    setup_on(keeps, "lighttpd-socket");
}

static void teardown(void) {
    lab_close(&lab);
}

/* For an hour; `more`: further claims. */
static const char *token_for(const char *user, const char *more) {
    return token_of(
        SECRET, keepf("{\"sub\":\"%s\",\"exp\":%lld%s}", user, (long long)time(NULL) + 3600, more));
}

static int poll(const char *channel, const char *token) {
    return http_get(&lab, "/comet/poll?channel=%s&token=%s", channel, token)->status;
}

static void take_back(const char *words) {
    const redisReply *reply = store_do(&lab, keepf("FCALL halley_revoke 0 %s", words));
    ck_assert_str_eq(reply->str, "OK");
}

/* Whichever process answers. */
static bool all_say(const char *channel, const char *token, int status) {
    for (int i = 0; i < 4; i++)
        if (poll(channel, token) != status)
            return false;
    return true;
}

static void must_say(const char *channel, const char *token, int status) {
    until(all_say(channel, token, status), "%s: not %d", channel, status);
}

/* Whether somebody is held who reads that channel. */
static bool followed(const char *channel) {
    http_pump(20);
    return store_followers(&lab, channel) > 0;
}

static struct websock *socket_of(const char *channel, const char *token) {
    struct websock *socket =
        websock_on(wire_unix(lab.websocket), keepf("/comet/ws?channel=%s", channel),
                   keepf("Sec-WebSocket-Protocol: halley, bearer.%s\r\n", token));
    ck_assert_int_eq(websock_reach_status(socket), 101);
    return socket;
}

START_TEST(a_user_is_revoked_for_all_tokens_issued_by_then) {
    setup(REDIS_KEEPS_NOTHING);
    const char *alice = token_for("alice", ""), *bob = token_for("bob", "");
    const char *later = token_for("alice", keepf(",\"iat\":%lld", (long long)time(NULL) + 60));
    const char *publish = keepf("/comet/publish?channel=inbox/alice&token=%s", alice);

    must_say("inbox/alice", alice, 200);
    must_say("inbox/bob", bob, 200);
    take_back("sub alice");
    must_say("inbox/alice", alice, 401);
    ck_assert_int_eq(http_post(&lab, "1", 1, "%s", publish)->status, 401);
    must_say("inbox/bob", bob, 200);
    must_say("inbox/alice", later, 200);
    const struct answer *open = http_get(&lab, "/comet/poll?channel=open&token=%s", alice);
    must_be_problem(open, 401, "token"); /* it is a bad one, on an open channel too */
    ck_assert_int_eq(store_held(&lab, "inbox/alice"), 0);
    teardown();
}
END_TEST

/* Somebody has sent half of what he wants when his token is taken back. */
START_TEST(what_is_half_said_is_judged_when_it_is_whole) {
    static const struct {
        const char *line, *fields, *rest;
    } halves[] = {
        {"GET /comet/poll?channel=inbox/alice&since=start", "", "\r\n"},
        {"GET /comet/wait?channel=inbox/alice&since=start", "", "\r\n"},
        {"GET /comet/history?channel=inbox/alice", "", "\r\n"},
        {"POST /comet/publish?channel=inbox/alice", "Content-Length: 2\r\n\r\n1", "2"},
        {"POST /comet/wait",
         "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
         "31\r\n\r\nchannel=inbox",
         "/alice&since=start"},
        {"POST /comet/publish?channel=inbox/alice", "Transfer-Encoding: chunked\r\n\r\n2\r\n1",
         "2\r\n0\r\n\r\n"},
    };
    enum { HALVES = sizeof halves / sizeof *halves };
    int fds[HALVES];

    setup_on(REDIS_KEEPS_NOTHING, e2e_servers[_i]);
    const char *token = token_for("alice", "");
    store_add(&lab, "inbox/alice", "\"hers\"");
    must_say("inbox/alice", token, 200);
    for (size_t i = 0; i < HALVES; i++) {
        const char *text = keepf("%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                                 "Sec-Fetch-Site: same-origin\r\nAuthorization: Bearer %s\r\n%s",
                                 halves[i].line, token, halves[i].fields);
        fds[i] = wire_tcp(lab.port);
        ck_assert(wire_send(fds[i], text, strlen(text)));
    }
    take_back("sub alice");
    must_say("inbox/alice", token, 401);
    for (size_t i = 0; i < HALVES; i++) {
        ck_assert(wire_send(fds[i], halves[i].rest, strlen(halves[i].rest)));
        const char *answer = wire_read_all(fds[i], NULL);
        ck_assert_msg(strncmp(answer, "HTTP/1.1 401 ", 13) == 0 && strstr(answer, "hers") == NULL,
                      "%s, %s: %s", lab.server, halves[i].line, answer);
        close(fds[i]);
    }
    ck_assert_int_eq(store_held(&lab, "inbox/alice"), 1);
    teardown();
}
END_TEST

START_TEST(one_token_is_revoked_by_its_name) {
    setup(REDIS_KEEPS_NOTHING);
    const char *one = token_for("alice", ",\"jti\":\"one\""), *two = token_for("alice", "");

    must_say("inbox/alice", one, 200);
    take_back("jti one");
    must_say("inbox/alice", one, 401);
    must_say("inbox/alice", two, 200);
    teardown();
}
END_TEST

START_TEST(a_channel_is_taken_away_from_a_user) {
    setup(REDIS_KEEPS_NOTHING);
    const char *alice = token_for("alice", ""), *bob = token_for("bob", "");
    struct websock *socket = socket_of("room/1", alice), *other = socket_of("room/2", alice);
    struct flight *stream =
        http_get_begin(&lab, "/comet/stream?channel=room/1&channel=room/s&token=%s", alice);

    must_say("room/1", alice, 200);
    until(followed("room/1") && followed("room/s"), "nobody follows");
    take_back("channel room/1 sub alice");
    must_say("room/1", alice, 403);
    must_say("room/2", alice, 200);
    must_say("room/1", bob, 200);
    ck_assert_int_eq(
        http_post(&lab, "1", 1, "/comet/publish?channel=room/1&token=%s", alice)->status, 403);
    ck_assert_int_eq(websock_reach_close(socket), 4403);
    ck_assert_int_eq(http_land(stream)->status, 200); /* it has ended */
    store_add(&lab, "room/2", "2");
    ck_assert_ptr_nonnull(websock_reach(other, "\"data\":2"));
    websock_close(socket);
    websock_close(other);
    teardown();
}
END_TEST

START_TEST(what_goes_on_ends) {
    setup(REDIS_KEEPS_NOTHING);
    const char *alice = token_for("alice", ""), *bob = token_for("bob", "");
    struct flight *wait = http_get_begin(
        &lab, "/comet/wait?channel=inbox/alice&channel=room/w&timeout=50&token=%s", alice);
    struct flight *stream =
        http_get_begin(&lab, "/comet/events?channel=inbox/alice&channel=room/e&token=%s", alice);
    struct flight *others =
        http_get_begin(&lab, "/comet/wait?channel=inbox/bob&timeout=50&token=%s", bob);
    struct websock *socket = socket_of("inbox/alice", alice);

    until(followed("room/w") && followed("room/e") && followed("inbox/bob"), "nobody follows");
    take_back("sub alice");
    const struct answer *answer = http_land(wait);
    if (answer->status == 200)
        ck_assert_uint_eq(batch_count(must_be_batch(answer)), 0);
    else
        ck_assert_int_eq(answer->status, 401); /* Redis had not said yet where it stands */
    ck_assert(answer->seconds < 40);
    (void)http_land(stream);
    ck_assert_int_eq(websock_reach_close(socket), 4401);
    websock_close(socket);
    store_add(&lab, "inbox/alice", "1");
    store_add(&lab, "inbox/bob", "2");
    ck_assert_str_eq(batch_all_data(must_be_batch(http_land(others))), "2");
    teardown();
}
END_TEST

START_TEST(a_dialects_socket_ends) {
    static const struct {
        const char *path, *says, *answer;
    } rows[] = {{"/sockjs/own/websocket", "{\"subscribe\":[\"room/d\"]}", ""},
                {"/socket.io/?EIO=4&transport=websocket", "40", "40"}};

    setup(REDIS_KEEPS_NOTHING);
    const char *alice = token_for("alice", "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *token = token_for("alice", keepf(",\"jti\":\"d%zu\"", i));
        struct websock *socket = websock_on(wire_unix(lab.websocket), rows[i].path,
                                            keepf("Authorization: Bearer %s\r\n", token));
        ck_assert_int_eq(websock_reach_status(socket), 101);
        websock_say(socket, rows[i].says);
        if (rows[i].answer[0] != '\0')
            (void)websock_reach(socket, rows[i].answer);
        else
            until(followed("room/d"), "nobody follows");
        take_back(keepf("jti d%zu", i));
        int code = websock_reach_close(socket);
        ck_assert_msg(code == 4401, "%s: %d", rows[i].path, code);
        websock_close(socket);
    }
    must_say("inbox/alice", alice, 200);
    teardown();
}
END_TEST

static const struct answer *post(const char *path, const char *header, const char *body) {
    const struct request request = {.method = "POST",
                                    .path = path,
                                    .headers = {header, "Content-Type: text/plain"},
                                    .body = body,
                                    .length = strlen(body)};
    return http_send(&lab, &request);
}

/* Its token stands with the session in Redis, so the next poll need not bring it. */
START_TEST(a_session_that_polls_ends) {
    static const char path[] = "/sockjs/own/000/revoked";
    const char *poll_path = keepf("%s/xhr", path);

    setup(REDIS_KEEPS_NOTHING);
    const char *token = keepf("Authorization: Bearer %s", token_for("alice", ",\"jti\":\"s\""));
    ck_assert_str_eq(post(poll_path, token, "")->body, "o\n");
    ck_assert_int_eq(
        post(keepf("%s/xhr_send", path), NULL, "[\"{\\\"subscribe\\\":[\\\"room/p\\\"]}\"]")
            ->status,
        204);
    const struct request request = {.method = "POST", .path = poll_path, .body = ""};
    const struct answer *answer;
    do { /* what it is told of its places */
        struct flight *flight = http_begin(&lab, &request);
        until(http_landed(flight) || followed("room/p"), "it is not held");
        if (!http_landed(flight))
            take_back("jti s");
        answer = http_land(flight);
    } while (answer->body[0] != 'c' && answer->status == 200);
    ck_assert_msg(strstr(answer->body, "c[4401") == answer->body, "%s", answer_text(answer));
    store_add(&lab, "room/p", "1");
    for (int i = 0; i < 3; i++) /* whichever process answers */
        ck_assert_ptr_null(strstr(post(poll_path, NULL, "")->body, "\"data\":1"));
    teardown();
}
END_TEST

START_TEST(a_line_feed_ends) {
    setup(REDIS_KEEPS_NOTHING);
    lab_set(&lab, "FEED", keepf("unix:%s/feed.sock", lab.dir));
    lab_app(&lab, 2);
    int fd = -1;
    size_t length;
    until((fd = wire_unix(keepf("%s/feed.sock", lab.dir))) >= 0, "nobody listens");
    const char *lines = keepf("TOKEN %s\nSUBSCRIBE room/f\n", token_for("alice", ",\"jti\":\"f\""));
    ck_assert(wire_send(fd, lines, strlen(lines)));
    until(followed("room/f"), "nobody follows");
    take_back("jti f");
    ck_assert_ptr_nonnull(strstr(wire_read_all(fd, &length), "revoked"));
    close(fd);
    teardown();
}
END_TEST

/* A WebSocket that went on with another token is not that of the first one any more. */
START_TEST(a_socket_is_its_last_token) {
    setup(REDIS_KEEPS_NOTHING);
    const char *first = token_for("alice", ",\"jti\":\"first\"");
    const char *second = token_for("alice", ",\"jti\":\"second\"");
    struct websock *socket = socket_of("inbox/alice", first);

    websock_say(socket, keepf("{\"token\":\"%s\"}", second));
    (void)websock_reach(socket, "expires");
    take_back("jti first");
    must_say("inbox/alice", first, 401);
    store_add(&lab, "inbox/alice", "1");
    (void)websock_reach(socket, "\"data\":1");
    websock_say(socket, keepf("{\"token\":\"%s\",\"ref\":1}", first));
    (void)websock_reach(socket, "revoked"); /* it is not taken any more */
    take_back("jti second");
    ck_assert_int_eq(websock_reach_close(socket), 4401);
    websock_close(socket);
    teardown();
}
END_TEST

START_TEST(a_process_that_starts_later_knows_it) {
    setup(REDIS_KEEPS_NOTHING);
    const char *alice = token_for("alice", "");

    take_back("sub alice");
    must_say("inbox/alice", alice, 401);
    for (size_t i = 0; i < lab.apps; i++) {
        kill(lab.app[i].pid, SIGKILL);
        (void)proc_wait(&lab.app[i]);
    }
    for (size_t i = 0; i < lab.apps; i++)
        lab_app(&lab, i);
    for (int i = 0; i < 8; i++) { /* the very first requests too; 503: Redis is not there yet */
        int status = poll("inbox/alice", alice);
        ck_assert_msg(status == 401 || status == 503, "%d", status);
        status =
            http_post(&lab, "1", 1, "/comet/publish?channel=inbox/alice&token=%s", alice)->status;
        ck_assert_msg(status == 401 || status == 503, "%d", status);
    }
    must_say("inbox/alice", alice, 401);
    ck_assert_int_eq(store_held(&lab, "inbox/alice"), 0);
    teardown();
}
END_TEST

/* While a process hears nothing of Redis nothing is read or published; when it is back it knows. */
START_TEST(what_is_said_while_a_process_is_cut_off_is_learnt) {
    setup(REDIS_KEEPS_AOF);
    const char *alice = token_for("alice", "");
    struct websock *socket = socket_of("inbox/alice", alice);
    struct flight *wait = http_get_begin(
        &lab, "/comet/wait?channel=inbox/alice&channel=room/w&timeout=50&token=%s", alice);

    until(followed("inbox/alice") && followed("room/w"), "nobody follows");
    for (size_t i = 0; i < lab.apps; i++)
        kill(lab.app[i].pid, SIGSTOP);
    take_back("sub alice");
    kill(lab.redis.pid, SIGKILL); /* with what it had to tell them */
    (void)proc_wait(&lab.redis);
    for (size_t i = 0; i < lab.apps; i++)
        kill(lab.app[i].pid, SIGCONT);
    lab_redis(&lab, REDIS_KEEPS_AOF);
    ck_assert_int_eq(websock_reach_close(socket), 4401);
    int status = http_land(wait)->status;
    ck_assert_msg(status == 200 || status == 401 || status == 503, "%d", status);
    must_say("inbox/alice", alice, 401);
    websock_close(socket);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("revocation");
    TCase *tcase = e2e_case(suite, "revocation", NULL, NULL);

    tcase_add_test(tcase, a_user_is_revoked_for_all_tokens_issued_by_then);
    tcase_add_loop_test(tcase, what_is_half_said_is_judged_when_it_is_whole, 0, E2E_SERVERS);
    tcase_add_test(tcase, one_token_is_revoked_by_its_name);
    tcase_add_test(tcase, a_channel_is_taken_away_from_a_user);
    tcase_add_test(tcase, what_goes_on_ends);
    tcase_add_test(tcase, a_dialects_socket_ends);
    tcase_add_test(tcase, a_session_that_polls_ends);
    tcase_add_test(tcase, a_line_feed_ends);
    tcase_add_test(tcase, a_socket_is_its_last_token);
    tcase_add_test(tcase, a_process_that_starts_later_knows_it);
    tcase_add_test(tcase, what_is_said_while_a_process_is_cut_off_is_learnt);
    return e2e_run(suite);
}
