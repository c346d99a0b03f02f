/* Each way to run Halley that `make run SERVER=` has, with the configuration that the project
 * ships: pages, polls, waits, streams, WebSockets and publishes arrive, over HTTP/1.1, with TLS and
 * over HTTP/2; it is noticed when a browser leaves; and an application that is told to end brings
 * what it holds to a good end.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <signal.h>
#include <string.h>

static const struct deployment {
    const char *server; /* as struct lab has it */
    const char *mpm;
    bool one;   /* one process holds all: it can be asked how many it holds */
    bool cgi;   /* no WebSockets */
    bool http1; /* no HTTP/2 */
} deployments[] = {
    {.server = "lighttpd", .one = true},
    {.server = "lighttpd-socket", .one = true},
    {.server = "lighttpd-cgi", .cgi = true},
    {.server = "apache-proxy", .one = true},
    {.server = "apache-proxy", .mpm = "prefork", .one = true, .http1 = true},
    {.server = "apache", .mpm = "worker"},
    {.server = "apache-cgi", .cgi = true},
    {.server = "apache-cgi", .mpm = "prefork", .cgi = true, .http1 = true},
    {.server = "nginx", .one = true},
    {.server = "nginx-proxy", .one = true},
    {.server = "caddy", .one = true},
    {.server = "caddy-fcgi", .one = true},
    {.server = "haproxy", .one = true},
    {.server = "haproxy-fcgi", .one = true},
};

enum { DEPLOYMENTS = sizeof deployments / sizeof deployments[0] };

static struct lab lab;

static void begin(const struct deployment *deployment) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "deployments");
    lab_set(&lab, "KEEPALIVE", "1"); /* by which Apache notices that somebody has left */
    if (!deployment->cgi)
        lab_websockets(&lab);
    lab.tls_port = lab_free_port();
    lab.mpm = deployment->mpm;
    lab_all(&lab, "deployments", deployment->server);
}

static void teardown(void) {
    lab_close(&lab);
}

static struct flight *get_begin(enum over over, const char *path) {
    const struct request request = {.path = path, .over = over};
    return http_begin(&lab, &request);
}

static const struct answer *get(enum over over, const char *path) {
    return http_land(get_begin(over, path));
}

static const struct answer *post(enum over over, const char *path, const char *body) {
    const struct request request = {
        .method = "POST", .path = path, .body = body, .length = strlen(body), .over = over};
    return http_send(&lab, &request);
}

static void must_bring(struct flight *flight, const char *data) {
    until((http_pump(10), strstr(http_so_far(flight), data) != NULL), "%s: no %s in: %s",
          lab.server, data, http_so_far(flight));
}

/* --- what arrives ---------------------------------------------------------------------- */

static void must_serve_pages(enum over over) {
    static const char *const paths[] = {"/", "/halley.js", "/halley/chat.html"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct answer *answer = get(over, paths[i]);
        ck_assert_msg(answer->status == 200 && strstr(answer->body, "alley") != NULL,
                      "%s, %s: %d %s", lab.server, paths[i], answer->status, answer->why);
    }
}

static void must_answer_what_waits(enum over over) {
    const char *channel = keep_fresh("open");
    const char *cursor =
        batch_cursor(must_be_batch(get(over, keepf("/comet/poll?channel=%s&since=now", channel))));
    struct flight *wait =
        get_begin(over, keepf("/comet/wait?channel=%s&since=%s&timeout=50", channel, cursor));
    struct flight *stream =
        get_begin(over, keepf("/comet/events?channel=%s&since=%s", channel, cursor));

    must_bring(stream, "id: ");
    until((http_pump(10), store_followers(&lab, channel) >= 1), "nobody follows");
    for (int i = 0; i < 2; i++) {
        const struct answer *published =
            post(over, keepf("/comet/publish?channel=%s", channel), keepf("{\"round\":%d}", i));
        ck_assert_msg(published->status == 200, "%s: %s", lab.server, answer_text(published));
        must_bring(stream, keepf("data: {\"round\":%d}", i));
    }
    const struct answer *waited = must_be_batch(http_land(wait));
    ck_assert_str_eq(json_string_value(json_object_get(batch_message(waited, 0), "channel")),
                     channel);
    const struct answer *polled =
        must_be_batch(get(over, keepf("/comet/poll?channel=%s&since=%s", channel, cursor)));
    ck_assert_str_eq(batch_all_data(polled), "{\"round\":0},{\"round\":1}");
    http_abandon(stream);
}

static int send_chunks(enum over over, const char *channel, const char *body) {
    const struct request request = {.method = "POST",
                                    .path = keepf("/comet/publish?channel=%s", channel),
                                    .body = body,
                                    .length = strlen(body),
                                    .chunked = true,
                                    .over = over};
    return http_send(&lab, &request)->status;
}

/* CGI carries none, lighttpd none of HTTP/2, and to mod_fcgid these are empty. */
static bool takes_chunks(enum over over) {
    if (over == OVER_HTTP2 && strncmp(lab.server, "lighttpd", 8) == 0)
        return false;
    return strcmp(lab.server, "apache-cgi") != 0 &&
           (over != OVER_HTTP2 || strcmp(lab.server, "apache") != 0);
}

/* What does not say how long it is is taken whole, or refused. */
static void must_take_chunks(enum over over) {
    const char *const bodies[] = {"1", keepf("\"%03000d\"", 7)};

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const char *channel = keep_fresh("open");
        int status = send_chunks(over, channel, bodies[i]);
        bool refused = !takes_chunks(over);
        ck_assert_msg(refused ? status == 0 || status / 100 == 4 : status == 200, "%s, over %d: %d",
                      lab.server, over, status);
        const struct answer *all = get(over, keepf("/comet/poll?channel=%s&since=start", channel));
        ck_assert_str_eq(batch_all_data(must_be_batch(all)), refused ? "" : bodies[i]);
    }
}

static void must_carry_websockets(void) {
    const char *channel = keep_fresh("open");
    struct stream *socket = stream_open(&lab, BY_WEB, WS, keepf("channel=%s", channel), NULL);

    stream_reach_start(socket);
    ck_assert_int_eq(post(OVER_PLAIN, keepf("/comet/publish?channel=%s", channel), "1")->status,
                     200);
    stream_must_bring(socket, "1");
    stream_close(socket);
    ck_assert_ptr_nonnull(strstr(get(OVER_PLAIN, "/comet/info")->body, "\"ws\""));
}

START_TEST(what_a_page_does_works) {
    const struct deployment *deployment = &deployments[_i];

    begin(deployment);
    for (enum over over = OVER_PLAIN; over <= OVER_HTTP2; over++) {
        must_serve_pages(over);
        must_answer_what_waits(over);
        must_take_chunks(over);
    }
    ck_assert_int_eq(get(OVER_HTTP2, "/comet/health")->http2, !deployment->http1);
    if (!deployment->cgi)
        must_carry_websockets();
}
END_TEST

/* --- what ends --------------------------------------------------------------------------- */

static long long waiters(void) {
    const struct answer *status = http_get(&lab, "/comet/status");
    return json_integer_value(json_object_get(status->json, "waiters"));
}

static void must_notice_who_leaves(enum over over) {
    struct flight *stream = get_begin(over, "/comet/events?channel=left");

    must_bring(stream, "id: ");
    until((http_pump(10), waiters() == 1), "it does not wait");
    http_abandon(stream);
    until((http_pump(10), waiters() == 0), "%s: who left is still held", lab.server);
}

/* Its first event tells that it is held. */
static void must_end_whole(void) {
    struct flight *stream =
        get_begin(OVER_PLAIN, keepf("/comet/events?channel=%s", keep_fresh("drain")));

    must_bring(stream, "id: ");
    lab_signal_apps(&lab, SIGTERM);
    const struct answer *answer = http_land(stream);
    ck_assert_msg(answer->status == 200 && answer->why[0] == '\0', "%s: %d %s", lab.server,
                  answer->status, answer->why);
    lab_app_again(&lab);
    until(http_get(&lab, "/comet/health")->status == 200, "%s: nobody comes back", lab.server);
}

START_TEST(what_leaves_is_seen_and_what_is_ended_ends_whole) {
    const struct deployment *deployment = &deployments[_i];

    begin(deployment);
    for (enum over over = OVER_PLAIN; deployment->one && over <= OVER_HTTP2; over++)
        must_notice_who_leaves(over);
    must_end_whole();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("deployments");
    TCase *tcase = e2e_case(suite, "deployments", NULL, NULL);

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_loop_test(tcase, what_a_page_does_works, 0, DEPLOYMENTS);
    tcase_add_loop_test(tcase, what_leaves_is_seen_and_what_is_ended_ends_whole, 0, DEPLOYMENTS);
    return e2e_run(suite);
}
