/* fcgi-app/endpoints/route: methods, preflights, who may read, and what is not asked twice. */
#include "fcgi-app/endpoints/app.h"

#include <string.h>
#include <unistd.h>

#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/fcgi/client_fcgi.h"
#include "tests/lib/keep.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

static struct config config;
static struct stats stats;
static struct app app;
static struct connections *connections;
static const struct request_taker taker = {app_take, app_wants, &app};

static void begin(const char *origins) {
    char *argv[] = {keepf("unit"),
                    keepf("-f"),
                    keepf("tests/unit/config/valid/open.conf"),
                    keepf("-o"),
                    keepf("origins=%s", origins),
                    keepf("-o"),
                    keepf("redis=unix:/nowhere.sock")};
    struct config_command command;
    char problem[CONFIG_PROBLEM];

    ck_assert_msg(config_load(&config, &command, 7, argv, problem) == 0, "%s", problem);
    app = (struct app){.config = &config, .stats = &stats, .loop = ev_loop_new(0)};
    app.hub = hub_new(app.loop, &config, &stats);
    connections = connections_new(app.loop, &stats, 1000);
}

static void end(void) {
    connections_free(connections);
    ck_assert_uint_eq(stats.connections, 0);
    hub_free(app.hub);
    ev_loop_destroy(app.loop);
    config_free(&config);
}

static struct request *request_for(const char *method, const char *uri, enum said_what what,
                                   const char *text) {
    struct said said;

    said_nothing(&said);
    said.of[SAID_METHOD] = method;
    said.of[SAID_URI] = uri;
    said.of[what] = text;
    return request_new(&said, &taker);
}

/* What a request is answered, kept. */
static const char *answer_to(struct request *request) {
    struct buf answer = buf_make(1024 * 1024);
    int ends[2];

    socket_pair(ends);
    app_take(&app, request, client_cgi_new(connections, ends[1], false));
    ck_assert(!socket_take(ends[0], &answer));
    close(ends[0]);
    return keep(answer.data);
}

static void assert_says(const char *answer, const char *line) {
    ck_assert_msg(strstr(answer, keepf("\r\n%s\r\n", line)) != NULL, "no \"%s\" in\n%s", line,
                  answer);
}

static void assert_silent(const char *answer, const char *name) {
    ck_assert_msg(strstr(answer, name) == NULL, "\"%s\" in\n%s", name, answer);
}

static const struct {
    const char *endpoint, *allow;
} rows[] = {{"poll", "GET, HEAD, POST, OPTIONS"},   {"wait", "GET, HEAD, POST, OPTIONS"},
            {"events", "GET, HEAD, POST, OPTIONS"}, {"publish", "POST, OPTIONS"},
            {"info", "GET, HEAD, OPTIONS"},         {"health", "GET, HEAD, OPTIONS"},
            {"status", "GET, HEAD, OPTIONS"},       {"metrics", "GET, HEAD, OPTIONS"}};

START_TEST(options_says_what_may_be_done_with_an_endpoint) {
    begin("");
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *uri = keepf("/comet/%s?channel=a%%", rows[i].endpoint);
        const char *answer = answer_to(request_for("OPTIONS", uri, SAID_HOST, "h"));
        ck_assert_msg(strncmp(answer, "Status: 204 No Content\r\n", 24) == 0, "%s", answer);
        assert_says(answer, keepf("Allow: %s", rows[i].allow));
        assert_silent(answer, "Access-Control");
        assert_silent(answer, "Content-Type: ");
        assert_silent(answer, "Content-Length: ");
        ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    }
    ck_assert_int_eq(strncmp(answer_to(request_for("OPTIONS", "/comet/none", SAID_HOST, "h")),
                             "Status: 404 ", 12),
                     0);
    end();
}
END_TEST

START_TEST(another_method_is_told_the_right_ones) {
    static const char *const methods[] = {"PUT", "DELETE", "TRACE", "get", "OPTION", "", "GET,"};

    begin("");
    for (size_t i = 0; i < ROWS(rows) * ROWS(methods); i++) {
        const char *uri = keepf("/comet/%s", rows[i / ROWS(methods)].endpoint);
        const char *answer =
            answer_to(request_for(methods[i % ROWS(methods)], uri, SAID_HOST, "h"));
        ck_assert_msg(strncmp(answer, "Status: 405 ", 12) == 0, "%s", answer);
        assert_says(answer, keepf("Allow: %s", rows[i / ROWS(methods)].allow));
    }
    end();
}
END_TEST

static const char *preflight(const char *uri, const char *origin, const char *fields) {
    struct said said;

    said_nothing(&said);
    said.of[SAID_METHOD] = "OPTIONS";
    said.of[SAID_URI] = uri;
    said.of[SAID_ORIGIN] = origin;
    said.of[SAID_ASKED_METHOD] = "POST";
    said.of[SAID_ASKED_HEADERS] = fields;
    return answer_to(request_new(&said, &taker));
}

#define OWN "authorization, content-type, idempotency-key, last-event-id"

START_TEST(a_preflight_of_a_listed_site_is_granted_what_it_asks) {
    begin("https://a.example null *");
    const char *answer = preflight("/comet/publish", "https://a.example", "x-one, X-Two");
    assert_says(answer, "Access-Control-Allow-Origin: https://a.example");
    assert_says(answer, "Access-Control-Allow-Credentials: true");
    assert_says(answer, "Vary: Origin");
    assert_says(answer, "Access-Control-Allow-Methods: POST, OPTIONS");
    assert_says(answer, "Access-Control-Allow-Headers: " OWN ", x-one, X-Two");
    answer = preflight("/comet/wait", "null", "");
    assert_says(answer, "Access-Control-Allow-Origin: null");
    assert_says(answer, "Access-Control-Allow-Credentials: true");
    assert_says(answer, "Access-Control-Allow-Headers: " OWN);
    end();
}
END_TEST

START_TEST(everybody_else_is_granted_no_credentials) {
    static const char *const origins[] = {"https://b.example", "null", "https://a.example:444",
                                          "HTTPS://A.EXAMPLE", "*"};

    begin("https://a.example *");
    for (size_t i = 0; i < ROWS(origins); i++) {
        const char *answer = preflight("/comet/publish", origins[i], "x-one");
        assert_says(answer, "Access-Control-Allow-Origin: *");
        assert_says(answer, "Access-Control-Allow-Headers: " OWN);
        assert_says(answer, "Vary: Origin");
        assert_silent(answer, "Credentials");
    }
    end();
}
END_TEST

START_TEST(a_site_that_is_not_listed_is_granted_nothing) {
    begin("https://a.example");
    const char *answer = preflight("/comet/publish", "https://b.example", "x-one");
    ck_assert_int_eq(strncmp(answer, "Status: 204 ", 12), 0);
    assert_silent(answer, "Access-Control");
    end();
}
END_TEST

/* What a browser could not take for an origin is left out. */
START_TEST(a_frame_says_whose_pages_may_be_around_it) {
    begin("https://a.example null * http://[::1]:8080 x;y https://b,c");
    const char *answer = answer_to(request_for("GET", "/comet/iframe?channel=a", SAID_HOST, "h"));
    assert_says(answer, "Content-Security-Policy: frame-ancestors 'self' https://a.example * "
                        "http://[::1]:8080");
    assert_silent(answer_to(request_for("GET", "/comet/events?channel=%", SAID_HOST, "h")),
                  "Content-Security-Policy");
    end();
}
END_TEST

START_TEST(no_list_of_fields_breaks_the_header) {
    static const char *const lists[] = {"x\r\nSet-Cookie: a=b", "x\ny", "x: y", "a\"b", "x=\x80"};

    begin("https://a.example");
    for (size_t i = 0; i < ROWS(lists); i++)
        assert_says(preflight("/comet/publish", "https://a.example", lists[i]),
                    "Access-Control-Allow-Headers: " OWN);
    end();
}
END_TEST

START_TEST(a_page_that_may_read_may_read_problems_too) {
    static const char *const uris[] = {"/comet/none", "/comet/publish", "/comet/publish?channel=%",
                                       "/comet/poll"};

    begin("https://a.example");
    for (size_t i = 0; i < ROWS(uris); i++) {
        const char *answer =
            answer_to(request_for("POST", uris[i], SAID_ORIGIN, "https://a.example"));
        ck_assert_int_eq(strncmp(answer, "Status: 4", 9), 0);
        assert_says(answer, "Access-Control-Allow-Origin: https://a.example");
        assert_says(answer, "Access-Control-Expose-Headers: Retry-After");
        assert_silent(answer_to(request_for("POST", uris[i], SAID_ORIGIN, "https://b.example")),
                      "Access-Control");
        assert_silent(answer_to(request_for("POST", uris[i], SAID_HOST, "a.example")),
                      "Access-Control");
    }
    end();
}
END_TEST

/* Whether `request` may have what `last` was given, whoever it is from. */
static bool repeats(struct request *last, struct request *request, said_set wants) {
    const struct app with = {.last = last};
    request_mount(last, "/comet");
    request_mount(request, "/comet");
    bool same = app_repeats(&with, request, wants) && app_repeats_openly(&with, request);

    request_free(last);
    request_free(request);
    return same;
}

#define POLL "/comet/poll?channel=a"

START_TEST(the_same_words_of_somebody_else_are_not_a_repetition) {
    static const enum said_what credentials[] = {SAID_AUTHORIZATION, SAID_REMOTE_USER,
                                                 SAID_AUTH_TYPE};
    begin("");
    ck_assert(repeats(request_for("GET", POLL, SAID_HOST, ""),
                      request_for("GET", POLL, SAID_COOKIE, "a=b"), 0));
    for (size_t i = 0; i < ROWS(credentials); i++) {
        ck_assert(!repeats(request_for("GET", POLL, SAID_HOST, ""),
                           request_for("GET", POLL, credentials[i], "x"), 0));
        ck_assert(!repeats(request_for("GET", POLL, credentials[i], "x"),
                           request_for("GET", POLL, credentials[i], "x"), 0));
    }
    end();
}
END_TEST

START_TEST(whatever_a_route_asks_for_decides_what_is_a_repetition) {
    begin("");
    for (int same = 0; same < 2; same++) {
        struct request *last = request_for("GET", POLL, SAID_ORIGIN, "https://a.example");
        struct request *next =
            request_for("GET", POLL, SAID_ORIGIN, same ? "https://a.example" : "https://b.example");
        ck_assert_int_eq(repeats(last, next, SAID_BIT(SAID_ORIGIN) | SAID_BIT(SAID_METHOD)), same);
    }
    end();
}
END_TEST

/* A client whose connection could be given to another protocol; keeps what it is refused with. */
static struct problem refused;

static void keep_refusal(struct client *client, const struct problem *problem) {
    (void)client;
    refused = *problem;
}

static int never(struct client *client, struct buf *early) {
    (void)client, (void)early;
    ck_abort_msg("upgraded");
    return -1;
}

static const struct client_kind upgradable = {.refuse = keep_refusal, .upgrade = never};

/* The status that a request for a WebSocket is refused with, where it can be had. */
static int socket_status(const char *uri, const char *method, const char *version,
                         const char *origin) {
    struct client client = {.kind = &upgradable};
    struct said said;

    said_nothing(&said);
    said.of[SAID_METHOD] = method;
    said.of[SAID_URI] = uri;
    said.of[SAID_PROTOCOL] = "HTTP/1.1";
    said.of[SAID_HOST] = "h";
    said.of[SAID_UPGRADE] = "websocket";
    said.of[SAID_CONNECTION] = "Upgrade";
    said.of[SAID_SOCKET_KEY] = "dGhlIHNhbXBsZSBub25jZQ==";
    said.of[SAID_SOCKET_VERSION] = version;
    said.of[SAID_ORIGIN] = origin;
    refused.status = 0;
    app_take(&app, request_new(&said, &taker), &client);
    return refused.status;
}

START_TEST(a_websocket_is_an_endpoint_where_connections_can_be_upgraded) {
    begin("");
    const char *answer = answer_to(request_for("GET", "/comet/ws?channel=a", SAID_HOST, "h"));
    ck_assert_int_eq(strncmp(answer, "Status: 404 ", 12), 0);
    ck_assert_int_eq(socket_status("/comet/ws/?channel=a", "GET", "13", ""), 404);
    ck_assert_int_eq(socket_status("/comet/ws?channel=a", "POST", "13", ""), 405);
    ck_assert_str_eq(refused.allow, "GET, OPTIONS");
    ck_assert_int_eq(socket_status("/comet/ws?channel=a", "GET", "8", ""), 426);
    ck_assert_ptr_nonnull(strstr(refused.upgrade, "Sec-WebSocket-Version: 13\r\n"));
    ck_assert_int_eq(socket_status("/comet/ws?channel=a", "GET", "13", "http://evil.example"), 403);
    ck_assert_int_eq(socket_status("/comet/ws?channel=a&limit=0", "GET", "13", "http://h"), 400);
    ck_assert_int_eq(socket_status("/comet/ws?channel=%", "GET", "13", ""), 400);
    end();
}
END_TEST

UNIT_MAIN("route", options_says_what_may_be_done_with_an_endpoint,
          another_method_is_told_the_right_ones,
          a_preflight_of_a_listed_site_is_granted_what_it_asks,
          everybody_else_is_granted_no_credentials, a_site_that_is_not_listed_is_granted_nothing,
          a_frame_says_whose_pages_may_be_around_it, no_list_of_fields_breaks_the_header,
          a_page_that_may_read_may_read_problems_too,
          the_same_words_of_somebody_else_are_not_a_repetition,
          whatever_a_route_asks_for_decides_what_is_a_repetition,
          a_websocket_is_an_endpoint_where_connections_can_be_upgraded)
