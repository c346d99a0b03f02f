/* What visitors try: another's channel by every spelling, forged tokens, a page of another site
 * with its visitor's cookie, lines in the log, fields in the answer, and too much of everything; on
 * every server, and on Halley's own HTTP. What Bob has must never be read, nor written, by anybody
 * else.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEY   "0123456789abcdef0123456789abcdef"
#define TREAT "what-only-bob-may-read"

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "attacks");
    lab_conf(&lab, keepf("[key k]\nalgorithm = HS256\nfile = %s\n"
                         "[channel mine/*]\nsubscribe = owner\npublish = owner\n"
                         "[channel shut]\nsubscribe = none\n"
                         "[channel chat*]\npublish = user\n",
                         token_file(KEY)));
    lab_set(&lab, "TOKEN_COOKIE", "session");
    lab_set(&lab, "ORIGINS", "https://listed.example");
    lab_set(&lab, "JSONP", "on");
    lab_set(&lab, "REQUEST_TIMEOUT", "3");
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 1);
    store_add(&lab, "mine/bob", "\"" TREAT "\"");
    store_add(&lab, "shut", "\"" TREAT "\"");
}

static void teardown(void) {
    lab_close(&lab);
}

static const char *token_for(const char *sub) {
    return token_of(KEY, keepf("{\"sub\":\"%s\",\"exp\":%ld}", sub, (long)time(NULL) + 600));
}

static const struct answer *ask_as(const char *token, const char *path) {
    const struct request request = {.path = path,
                                    .headers = {keepf("Authorization: Bearer %s", token)}};
    return http_send(&lab, &request);
}

static void must_not_tell(const struct answer *answer, const char *what) {
    ck_assert_msg(answer->body == NULL || strstr(answer->body, TREAT) == NULL, "%s: %s", what,
                  answer_text(answer));
}

/* ------------------------------------------------------------------ another's channel */

START_TEST(no_spelling_of_a_name_is_another_ones_channel) {
    static const char *const names[] = {"mine/bob",
                                        "mine/%62ob",
                                        "mine%2fbob",
                                        "mine//bob",
                                        "mine/./bob",
                                        "mine/alice/../bob",
                                        "mine/alice%2f..%2fbob",
                                        "Mine/bob",
                                        "mine/BOB",
                                        "mine/bob%00",
                                        "mine/bob%00/alice",
                                        "mine/bob%20",
                                        "%20mine/bob",
                                        "mine/bob/",
                                        "mine/~bob",
                                        "~mine/bob",
                                        "%7emine/bob",
                                        "mine/*",
                                        "mine/**",
                                        "mine/[b]ob",
                                        "mine/b?b",
                                        "mine/%5cbob",
                                        "%7bmine/bob%7d",
                                        "mine/bob%0a",
                                        "mine/bob%e2%80%8b",
                                        "mine/%ef%bd%82ob",
                                        "mine/%c0%afbob",
                                        "mine/bob%c2%a0",
                                        "mine/bob,mine/alice",
                                        "mine/alice,mine/bob",
                                        "mine/alice@1-0,mine/bob",
                                        "shut",
                                        "%73hut",
                                        "SHUT",
                                        "shut%00",
                                        "shut/../shut"};
    const char *alice = token_for("alice");

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        must_not_tell(ask_as(alice, keepf("/comet/poll?since=start&channel=%s", names[i])),
                      names[i]);
        must_not_tell(
            ask_as(alice, keepf("/comet/poll?since=start&channel=mine/alice&channel=%s", names[i])),
            names[i]);
        must_not_tell(ask_as(alice, keepf("/comet/poll?since=start&pattern=%s", names[i])),
                      names[i]);
        must_not_tell(
            http_get(&lab, "/comet/jsonp?callback=f&timeout=0&since=start&channel=%s", names[i]),
            names[i]);
    }
    const struct answer *bob = ask_as(token_for("bob"), "/comet/poll?since=start&channel=mine/bob");
    ck_assert_ptr_nonnull(strstr(bob->body, TREAT)); /* it is there */
}
END_TEST

START_TEST(a_cursor_of_another_channel_opens_nothing) {
    const struct answer *bob = ask_as(token_for("bob"), "/comet/poll?channel=mine/bob");
    const char *at = keepf("%.*s-0", (int)strcspn(strstr(bob->body, "bob@") + 4, "-"),
                           strstr(bob->body, "bob@") + 4);
    const char *const cursors[] = {keepf("mine/bob@%s", at),
                                   keepf("mine/alice@%s,mine/bob@%s", at, at),
                                   keepf("mine/~2A@%s", at), keepf("~2A~2A@%s", at)};

    for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        const char *alice = token_for("alice");
        must_not_tell(ask_as(alice, keepf("/comet/poll?channel=mine/alice&since=%s", cursors[i])),
                      cursors[i]);
        must_not_tell(
            ask_as(alice, keepf("/comet/poll?channel=mine/alice&pattern=**&since=%s", cursors[i])),
            cursors[i]);
        const struct request resumed = {.path = "/comet/poll?channel=mine/alice",
                                        .headers = {keepf("Authorization: Bearer %s", alice),
                                                    keepf("Last-Event-ID: %s", cursors[i])}};
        must_not_tell(http_send(&lab, &resumed), cursors[i]);
    }
}
END_TEST

/* ----------------------------------------------------------------------- forged tokens */

START_TEST(no_forged_token_is_believed) {
    const long now = (long)time(NULL);
    const char *body = keepf("{\"sub\":\"bob\",\"exp\":%ld}", now + 600);
    const char *good = token_for("bob");
    char *huge = keep(malloc(65537));
    memset(huge, 'a', 65536);
    huge[65536] = '\0';
    const char *const tokens[] = {
        token_hs256(KEY, "{\"alg\":\"none\"}", body),
        token_hs256(KEY, "{\"alg\":\"None\"}", body),
        token_hs256(KEY, "{\"alg\":\"HS512\"}", body),
        token_hs256(KEY, "{\"alg\":\"RS256\"}", body),
        token_hs256(KEY, "{\"alg\":[\"HS256\"]}", body),
        token_hs256(KEY, "{}", body),
        token_hs256(KEY, "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", body),
        token_hs256(KEY, "{\"alg\":\"HS256\",\"kid\":\"other\"}", body),
        token_hs256(KEY, "{\"alg\":\"HS256\",\"kid\":\"../k\"}", body),
        token_hs256("another secret of thirty-two bytes", "{\"alg\":\"HS256\"}", body),
        token_of(KEY, keepf("{\"sub\":\"bob\",\"exp\":%ld}", now - 1)),
        token_of(KEY, "{\"sub\":\"bob\"}"),
        token_of(KEY, "{\"sub\":\"bob\",\"exp\":\"9999999999\"}"),
        token_of(KEY, "{\"sub\":\"bob\",\"exp\":1e999}"),
        token_of(KEY, "{\"sub\":\"bob\",\"exp\":-1}"),
        token_of(KEY, keepf("{\"sub\":\"alice\",\"sub\":\"bob\",\"exp\":%ld}", now + 600)),
        token_of(KEY, keepf("{\"sub\":\"bob\",\"exp\":%ld,\"exp\":1}", now + 600)),
        token_of(KEY, keepf("{\"sub\":[\"bob\"],\"exp\":%ld}", now + 600)),
        token_of(KEY, keepf("{\"sub\":\"bob\",\"nbf\":%ld,\"exp\":%ld}", now + 500, now + 600)),
        keepf("%.*s.", (int)(strrchr(good, '.') - good), good),
        keepf("%.*s", (int)(strrchr(good, '.') - good), good),
        keepf("%s=", good),
        keepf("%s.x", good),
        keepf(".%s", good),
        "..",
        huge,
        token_of(KEY, keepf("{\"sub\":\"bob\",\"exp\":%ld,\"x\":\"%s\"}", now + 600, huge))};

    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        const struct answer *answer = ask_as(tokens[i], "/comet/poll?since=start&channel=mine/bob");
        ck_assert_msg(answer->status == 0 || answer->status / 100 == 4, "token %zu: %s", i,
                      answer_text(answer));
        must_not_tell(answer, keepf("token %zu", i));
    }
    const char *far[] = {token_of(KEY, "{\"sub\":\"bob\",\"exp\":2147483648}"),
                         token_of(KEY, "{\"sub\":\"bob\",\"exp\":99999999999.5}")};
    for (size_t i = 0; i < 2; i++) /* beyond 2038 is fine */
        ck_assert_int_eq(ask_as(far[i], "/comet/poll?channel=mine/bob")->status, 200);
}
END_TEST

/* Tokens that were verified are remembered, a long one in another way than a short one. */
START_TEST(what_is_like_a_remembered_token_is_none) {
    static const char path[] = "/comet/poll?since=start&channel=mine/bob";

    for (int longer = 0; longer < 2; longer++) {
        const char *good = token_of(KEY, keepf("{\"sub\":\"bob\",\"exp\":%ld,\"x\":\"%0*d\"}",
                                               (long)time(NULL) + 600, longer ? 2000 : 1, 0));
        size_t len = strlen(good), places[] = {0, len / 2, len - 20, len - 2};

        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(ask_as(good, path)->status, 200);
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            char *other = keepf("%s", good);
            other[places[i]] = other[places[i]] == 'A' ? 'B' : 'A';
            const struct answer *answer = ask_as(other, path);
            ck_assert_msg(answer->status == 401, "byte %zu: %s", places[i], answer_text(answer));
        }
        ck_assert_int_eq(ask_as(keepf("%.*s", (int)len - 1, good), path)->status, 401);
        ck_assert_int_eq(ask_as(good + 1, path)->status, 401);
        ck_assert_int_eq(ask_as(good, path)->status, 200);
    }
}
END_TEST

START_TEST(two_credentials_that_differ_are_nobody) {
    const char *alice = token_for("alice"), *bob = token_for("bob");
    const struct request fields = {.path = "/comet/poll?since=start&channel=mine/bob",
                                   .headers = {keepf("Authorization: Bearer %s", alice),
                                               keepf("Authorization: Bearer %s", bob)}};
    const struct request list = {
        .path = "/comet/poll?since=start&channel=mine/bob",
        .headers = {keepf("Authorization: Bearer %s, Bearer %s", alice, bob)}};
    const struct request referred = {
        .path = "/comet/poll?since=start&channel=mine/bob",
        .headers = {keepf("Referer: http://127.0.0.1:%d/?token=%s", lab.port, bob)}};

    must_not_tell(http_send(&lab, &fields), "two fields");
    must_not_tell(http_send(&lab, &list), "a list");
    must_be_problem(http_get(&lab, "/comet/poll?channel=mine/bob&token=%s&token=%s", alice, bob),
                    400, "token");
    must_be_problem(http_send(&lab, &referred), 401, NULL);
}
END_TEST

/* The short cut for a query that comes again, and a connection that is kept, carry nobody over. */
START_TEST(the_next_user_of_a_kept_connection_inherits_nothing) {
    const char *path = "/comet/poll?since=start&channel=mine/bob";
    const struct request as_bob = {.path = path,
                                   .headers = {keepf("Authorization: Bearer %s", token_for("bob"))},
                                   .kept_open = true};
    const struct request nobody = {.path = path, .kept_open = true};
    const struct request open = {.path = "/comet/poll?channel=open", .kept_open = true};

    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_nonnull(strstr(http_send(&lab, &as_bob)->body, TREAT));
        ck_assert_int_eq(http_send(&lab, &nobody)->status, 401);
        ck_assert_int_eq(http_send(&lab, &open)->status, 200);
        ck_assert_int_eq(http_send(&lab, &nobody)->status, 401);
    }
}
END_TEST

/* Who asks: what he brings, and who he is by it. */
struct visitor {
    const char *header, *query, *user; /* NULL: nobody; "": his token is not good */
};

static int status_for(const char *user, const char *owner) {
    if (user != NULL && *user == '\0')
        return 401;
    if (owner == NULL || (user != NULL && strcmp(user, owner) == 0))
        return 200;
    return *owner == '\0' || user != NULL ? 403 : 401;
}

/* From then on this one of his tokens is not good. */
static void revoke_bob(const char *token, struct visitor *visitors, size_t count) {
    store_do(&lab, "FCALL halley_revoke 0 jti repeated");
    until(ask_as(token, "/comet/poll?channel=mine/bob")->status == 401, "it is not revoked");
    for (size_t i = 0; i < count; i++) {
        if (visitors[i].user != NULL && strcmp(visitors[i].user, "bob") == 0)
            visitors[i].user = "";
    }
}

/* Hundreds of queries, most of which were said just before, by somebody else or in another way. */
START_TEST(whoever_says_again_what_another_said_has_what_is_his) {
    enum { REQUESTS = 400, VISITORS = 10 };
    static const struct {
        const char *query, *owner; /* NULL: everybody's; "": nobody's */
    } queries[] = {{"channel=open", NULL},
                   {"channel=mine/bob", "bob"},
                   {"channel=mine/alice", "alice"},
                   {"channel=open&channel=mine/bob", "bob"},
                   {"channel=shut", ""}};
    static const char *const endpoints[] = {"poll?", "wait?timeout=0&"};
    const char *alice = token_for("alice");
    const char *bob = token_of(
        KEY, keepf("{\"sub\":\"bob\",\"jti\":\"repeated\",\"exp\":%ld}", (long)time(NULL) + 600));
    const char *expired = token_of(KEY, "{\"sub\":\"bob\",\"exp\":1}");
    struct visitor visitors[VISITORS] = {
        {NULL, "", NULL},
        {NULL, "&token=", ""},
        {keepf("Authorization: Bearer %s", alice), "", "alice"},
        {keepf("Authorization: Bearer %s", bob), "", "bob"},
        {keepf("Authorization: Bearer %s", expired), "", ""},
        {keepf("Authorization: Bearer %sx", bob), "", ""},
        {keepf("Cookie: session=%s", bob), "", "bob"},
        {keepf("Cookie: session=%s", alice), "", "alice"},
        {NULL, keepf("&token=%s", bob), "bob"},
        {NULL, keepf("&token=%s", expired), ""},
    };
    unsigned seed = (unsigned)getpid();

    for (int i = 0; i < REQUESTS; i++) {
        if (i == REQUESTS / 2)
            revoke_bob(bob, visitors, VISITORS);
        const struct visitor *visitor = &visitors[(size_t)rand_r(&seed) % VISITORS];
        size_t query = (size_t)rand_r(&seed) % 5, endpoint = (size_t)rand_r(&seed) % 2;
        const struct request request = {.path =
                                            keepf("/comet/%s%s&since=start%s", endpoints[endpoint],
                                                  queries[query].query, visitor->query),
                                        .headers = {"Sec-Fetch-Site: same-origin", visitor->header},
                                        .kept_open = true};
        const struct answer *answer = http_send(&lab, &request);
        int status = status_for(visitor->user, queries[query].owner);
        ck_assert_msg(answer->status == status, "request %d, as %s: %s: %d instead of %d", i,
                      visitor->user, request.path, answer->status, status);
        if (status != 200 || queries[query].owner == NULL)
            must_not_tell(answer, request.path);
    }
}
END_TEST

/* ------------------------------------------------------------- pages of other sites */

START_TEST(a_page_of_another_site_does_nothing_with_its_visitors_cookie) {
    static const char *const claims[][2] = {
        {"Origin: https://other.example", "X-A: b"},
        {"Origin: null", "X-A: b"},
        {"Origin: https://listed.example.other.example", "X-A: b"},
        {"Origin: https://other.example", "Content-Type: application/x-www-form-urlencoded"},
        {"Referer: https://other.example/", "Content-Type: text/plain"},
        {"Sec-Fetch-Site: cross-site", "Content-Type: multipart/form-data; boundary=x"},
        {"Sec-Fetch-Site: same-site", "X-A: b"}};
    const char *cookie = keepf("Cookie: session=%s", token_for("bob"));

    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        const struct request publish = {.method = "POST",
                                        .path = "/comet/publish?channel=chat1",
                                        .body = "1",
                                        .length = 1,
                                        .headers = {cookie, claims[i][0], claims[i][1]}};
        const struct answer *answer = http_send(&lab, &publish);
        ck_assert_msg(answer->status == 401 || answer->status == 403, "%s: %s", claims[i][0],
                      answer_text(answer));
        const char *const paths[] = {
            "/comet/poll?since=start&channel=mine/bob",
            "/comet/jsonp?callback=f&timeout=0&since=start&channel=mine/bob",
            "/comet/iframe?callback=f&since=start&channel=mine/bob"};
        for (size_t k = 0; k < 3; k++) {
            const struct request read = {.path = paths[k],
                                         .headers = {cookie, claims[i][0], claims[i][1]}};
            must_not_tell(http_send(&lab, &read), keepf("%s %s", claims[i][0], paths[k]));
        }
    }
    struct websock *socket =
        websock_on(wire_tcp(lab.port), "/comet/ws?channel=mine/bob&since=start",
                   keepf("%s\r\nOrigin: https://other.example\r\n", cookie));
    ck_assert_int_eq(websock_reach_status(socket), 403);
    websock_close(socket);
    ck_assert_int_eq(store_held(&lab, "chat1"), 0);
    const struct request own = {.method = "POST",
                                .path = "/comet/publish?channel=chat1",
                                .body = "1",
                                .length = 1,
                                .headers = {cookie, "Origin: https://listed.example"}};
    ck_assert_int_eq(http_send(&lab, &own)->status, 200);
}
END_TEST

/* ---------------------------------------------------------------- lines that are made up */

START_TEST(nothing_writes_a_line_of_the_log_or_a_field_of_the_answer) {
    static const char *const paths[] = {
        "/comet/poll?channel=a%0d%0aInjected:%20yes",
        "/comet/jsonp?channel=a&callback=f%0d%0aInjected:%20yes%0d%0a%0d%0a",
        "/comet/iframe?channel=a&callback=f%0aInjected:%20yes",
        "/comet/none%0d%0aInjected:%20yes",
        "/comet/poll?channel=a&since=%0d%0aInjected:%20yes",
        "/comet/events?channel=a%0aInjected:%20yes&timeout=0",
        "/comet/poll?channel=a&token=x%0d%0aInjected:%20yes",
        "/live%0d%0aInjected:%20yes/comet/poll"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct answer *answer = http_get(&lab, "%s", paths[i]);
        ck_assert_msg(answer->head == NULL || strstr(answer->head, "\nInjected") == NULL, "%s: %s",
                      paths[i], answer->head);
    }
    const struct request asked = {.method = "OPTIONS",
                                  .path = "/comet/publish",
                                  .headers = {"Origin: https://listed.example",
                                              "Access-Control-Request-Method: POST",
                                              "Access-Control-Request-Headers: a, b: c"}};
    ck_assert_ptr_null(strstr(http_send(&lab, &asked)->head, "b: c"));
    const char *const grep[] = {"grep",  "-rl", "^Injected", "--exclude-dir=nginx",
                                lab.dir, NULL}; /* nginx itself writes such lines */
    char *found;
    proc_run(grep, lab_env(&lab, NULL), -1, &found, NULL);
    ck_assert_str_eq(found, "");
}
END_TEST

/* --------------------------------------------------------------------------- too much */

static long may_grow_kib(pid_t pid) {
    return (proc_sanitized(pid) ? 400 : 48) * 1024L;
}

static void must_serve_others(void) {
    ck_assert_int_eq(http_get(&lab, "/comet/poll?channel=open")->status, 200);
}

START_TEST(a_hundred_thousand_parameters_are_refused) {
    struct bytes form = {0};

    for (int i = 0; i < 100000; i++)
        bytes_add(&form, "channel=a&", 10);
    const struct request request = {.method = "POST",
                                    .path = "/comet/poll",
                                    .body = form.data,
                                    .length = form.length,
                                    .headers = {"Content-Type: application/x-www-form-urlencoded"}};
    const struct answer *answer = http_send(&lab, &request);
    ck_assert_msg(answer->status == 413, "%s", answer_text(answer));
    form.length = 60000; /* as many as a form may have bytes for */
    struct request fewer = request;
    fewer.length = form.length;
    ck_assert_int_eq(http_send(&lab, &fewer)->status, 400);
    must_serve_others();
}
END_TEST

START_TEST(ten_thousand_invented_names_cost_little) {
    enum { EACH = 64, NAMES = 10000 };
    pid_t pid;

    ck_assert_uint_eq(lab_app_pids(&lab, &pid, 1), 1);
    long before = proc_resident_kib(pid);
    for (int i = 0; i < NAMES; i += EACH) {
        struct bytes form = {0};
        for (int k = 0; k < EACH; k++) {
            const char *name = keepf("channel=invented-%d&", i + k);
            bytes_add(&form, name, strlen(name));
        }
        const struct request request = {
            .method = "POST",
            .path = i % 128 == 0 ? "/comet/poll" : "/comet/wait?timeout=1",
            .body = form.data,
            .length = form.length,
            .headers = {"Content-Type: application/x-www-form-urlencoded"}};
        if (i % 128 == 0)
            ck_assert_int_eq(http_send(&lab, &request)->status, 200);
        else
            (void)http_begin(&lab, &request);
    }
    must_serve_others();
    long grown = proc_resident_kib(pid) - before;
    ck_assert_msg(grown < may_grow_kib(pid), "%ld KiB", grown);
    ck_assert_int_eq(store_do(&lab, "EXISTS halley.history:{invented-1}")->integer, 0);
}
END_TEST

/* A whole of it is never read. */
START_TEST(a_hundred_megabytes_are_refused_and_cost_nothing) {
    static const char chunk[65536];
    const size_t most = 100 * 1024 * 1024;
    size_t sent = 0;
    pid_t pid;
    int fd = wire_tcp(lab.port);
    const char *head = keepf("POST /comet/publish?channel=chat HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                             "Authorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n",
                             token_for("bob"), most);

    ck_assert_uint_eq(lab_app_pids(&lab, &pid, 1), 1);
    long before = proc_resident_kib(pid);
    ck_assert(wire_send(fd, head, strlen(head)));
    while (sent < most && !wire_stirs(fd, 0) && wire_send(fd, chunk, sizeof chunk))
        sent += sizeof chunk;
    ck_assert_msg(sent < most / 2, "%zu bytes were taken", sent);
    const char *said = wire_read_all(fd, NULL);
    ck_assert_msg(strstr(said, " 413 ") != NULL, "%zu bytes were taken: %s", sent, said);
    close(fd);
    long grown = proc_resident_kib(pid) - before;
    ck_assert_msg(grown < may_grow_kib(pid), "%ld KiB", grown);
    must_serve_others();
}
END_TEST

/* One byte at a time: a head, a body, a chunk; each ends by request_timeout. */
START_TEST(slow_heads_and_bodies_end) {
    static const char *const begins[] = {
        "GET /comet/poll?channel=a HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "POST /comet/publish?channel=chat HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n",
        ("POST /comet/publish?channel=chat HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
         "chunked\r\n\r\nffff\r\n")};
    int fds[3];

    for (size_t i = 0; i < 3; i++) {
        fds[i] = wire_tcp(lab.port);
        ck_assert(wire_send(fds[i], begins[i], strlen(begins[i])));
    }
    for (size_t i = 0; i < 3; i++) {
        until(wire_stirs(fds[i], 50) || !wire_send(fds[i], "x", 1), "%s goes on", begins[i]);
        ck_assert_ptr_nonnull(strstr(wire_read_all(fds[i], NULL), " 408 "));
        close(fds[i]);
        must_serve_others();
    }
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, no_spelling_of_a_name_is_another_ones_channel);
    tcase_add_test(tcase, a_cursor_of_another_channel_opens_nothing);
    tcase_add_test(tcase, no_forged_token_is_believed);
    tcase_add_test(tcase, what_is_like_a_remembered_token_is_none);
    tcase_add_test(tcase, two_credentials_that_differ_are_nobody);
    tcase_add_test(tcase, the_next_user_of_a_kept_connection_inherits_nothing);
    tcase_add_test(tcase, whoever_says_again_what_another_said_has_what_is_his);
    tcase_add_test(tcase, a_page_of_another_site_does_nothing_with_its_visitors_cookie);
    tcase_add_test(tcase, nothing_writes_a_line_of_the_log_or_a_field_of_the_answer);
    tcase_add_test(tcase, a_hundred_thousand_parameters_are_refused);
    if (!e2e_adds_for("http"))
        return;
    tcase_add_test(tcase, ten_thousand_invented_names_cost_little);
    tcase_add_test(tcase, a_hundred_megabytes_are_refused_and_cost_nothing);
    tcase_add_test(tcase, slow_heads_and_bodies_end);
}

int main(void) {
    Suite *suite = suite_create("attacks");

    e2e_on_each_server(suite, setup, teardown, add_tests);
    return e2e_run(suite);
}
