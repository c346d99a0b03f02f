/* Who gets in, and where: paths that are endpoints and all those that are not, rewritten
 * addresses, pages of other sites, and what only operators see, on every web server.
 *
 * The configurations are those that are shipped, with the example of rewriting in them
 * taken in. What is refused here could do harm: it is asked for in the rawest way there is.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"
#include "tests/lib/token.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "access");
    lab.rewrites = true;
    lab_set(&lab, "ORIGINS", "https://listed.example");
    lab_websockets(&lab);
    lab_all(&lab, "access", server);
}

static void teardown(void) {
    lab_close(&lab);
}

static const struct answer *ask_raw(int fd, const char *text) {
    size_t length;
    char *answer;
    int status = 0;

    ck_assert(fd >= 0 && wire_send(fd, text, strlen(text)));
    answer = wire_read_all(fd, &length);
    close(fd);
    struct answer *taken = keep(calloc(1, sizeof *taken));
    sscanf(answer, "HTTP/1.%*d %d", &status);
    taken->status = status;
    taken->head = taken->body = answer;
    return taken;
}

/* --- paths --------------------------------------------------------------------------- */

/* Each was meant to publish into %s; what stands behind it is the query. */
static const char *const wrong_paths[] = {"/comet/x/publish",
                                          "/comet/publish/..;/x/publish",
                                          "/comet/x;/publish",
                                          "/comet/x%3f/publish",
                                          "/comet/publish/",
                                          "/comet/publish/.",
                                          "/comet/publish/x/..",
                                          "/comet/./publish",
                                          "/comet//publish",
                                          "//comet/publish",
                                          "///comet/publish",
                                          "/x/../comet/publish",
                                          "/comet/x/../publish",
                                          "/live/../comet/publish",
                                          "/live/%2e%2e/comet/publish",
                                          "/comet/%2e/publish",
                                          "/comet/%70ublish",
                                          "/comet/publis%68",
                                          "/%63omet/publish",
                                          "/com%65t%2fpublish",
                                          "/comet%2fpublish",
                                          "/comet/%2570ublish",
                                          "/comet/publish;x=1",
                                          "/comet;x/publish",
                                          "/comet/publish%3fx",
                                          "/comet/publish%00",
                                          "/comet/publish%20",
                                          "/comet/publish#x",
                                          "/comet/publish%23",
                                          "/comet/publish\\",
                                          "/comet\\publish",
                                          "/comet/PUBLISH",
                                          "/COMET/publish",
                                          "/publish",
                                          "/app/comet/publish"};

START_TEST(no_other_path_publishes) {
    const char *channel = keep_fresh("open");

    for (size_t i = 0; i < sizeof wrong_paths / sizeof *wrong_paths; i++) {
        const struct answer *answer =
            ask_raw(wire_tcp(lab.port),
                    keepf("POST %s?channel=%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          "Content-Length: 1\r\n\r\nx",
                          wrong_paths[i], channel));
        /* some the web server refuses itself; it may also redirect to a tidier path */
        ck_assert_msg(answer->status == 404 || answer->status == 400 || answer->status == 403 ||
                          answer->status == 405 || answer->status == 301,
                      "%s: %d", wrong_paths[i], answer->status);
    }
    ck_assert_int_eq(store_held(&lab, channel), 0);
    ck_assert_int_eq(http_post(&lab, "x", 1, "/comet/publish?channel=%s", channel)->status, 200);
    ck_assert_int_eq(store_held(&lab, channel), 1);
}
END_TEST

START_TEST(what_is_asked_in_the_absolute_form_is_the_same) {
    const char *channel = keep_fresh("open");
    const struct answer *answer = ask_raw(
        wire_tcp(lab.port), keepf("POST http://localhost:%d/comet/publish?channel=%s HTTP/1.1\r\n"
                                  "Host: localhost:%d\r\nConnection: close\r\n"
                                  "Content-Length: 1\r\n\r\nx",
                                  lab.port, channel, lab.port));

    ck_assert_msg(answer->status == 200, "%s", answer->body);
    ck_assert_int_eq(store_held(&lab, channel), 1);
}
END_TEST

static void must_not_open(int fd, const char *path, int status) {
    struct websock *socket = websock_on(fd, keepf("%s?channel=a", path), "");
    int came = websock_reach_status(socket);

    ck_assert_msg(came != 101 && (status == 0 || came == status), "%s: %d", path, came);
    websock_close(socket);
}

START_TEST(the_websocket_is_at_one_path_too) {
    /* web servers hand on a tidied path, which is then the right one */
    static const char *const wrong[] = {"/comet/x/ws", "/ws", "/comet/ws/", "/comet/ws;x"};
    static const char *const untidy[] = {"/comet//ws", "/comet/%77s", "/x/../comet/ws"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        must_not_open(wire_tcp(lab.port), wrong[i], 0);
    if (strcmp(lab.server, "lighttpd") != 0) { /* there its socket is the web server's alone */
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
            must_not_open(wire_unix(lab.websocket), wrong[i], 404);
        for (size_t i = 0; i < sizeof untidy / sizeof *untidy; i++)
            must_not_open(wire_unix(lab.websocket), untidy[i], 404);
    }
    struct websock *right = websock_on(wire_tcp(lab.port), "/comet/ws?channel=a", "");
    ck_assert_int_eq(websock_reach_status(right), 101);
    websock_close(right);
}
END_TEST

/* Waits for `text` on a stream. */
static void must_stream(struct flight *flight, const char *text) {
    until((http_pump(5), strstr(http_so_far(flight), text) != NULL || http_landed(flight)),
          "no %s: %s", text, http_so_far(flight));
    ck_assert_msg(!http_landed(flight), "%s", answer_text(http_land(flight)));
}

START_TEST(a_rewritten_address_is_an_endpoint_with_the_query_that_was_made) {
    const char *channel = keep_fresh("open"), *odd;
    struct flight *flight = http_get_begin(&lab, "/live/%s", channel);

    must_stream(flight, "id: ");
    store_add(&lab, channel, "\"through another address\"");
    must_stream(flight, "data: \"through another address\"\n");
    http_abandon(flight);
    /* the name as it was sent, and the query that stood there already */
    odd = keepf("a b&c=d%s", keep_fresh("-"));
    store_do(&lab, "FCALL halley_publish 1 %s %s", odd, "\"blank\"");
    flight = http_get_begin(&lab, "/live/%s?since=start", keep_encoded(odd));
    must_stream(flight, "data: \"blank\"\n");
    http_abandon(flight);
}
END_TEST

/* --- pages of other sites ------------------------------------------------------------ */

static int publish_as(const char *channel, const char *first, const char *second,
                      const char *third) {
    const struct request request = {.method = "POST",
                                    .path = keepf("/comet/publish?channel=%s", channel),
                                    .body = "1",
                                    .length = 1,
                                    .headers = {first, second, third}};
    return http_send(&lab, &request)->status;
}

START_TEST(a_page_of_another_site_does_not_publish) {
    static const char *const refused[][3] = {
        {"Origin: http://evil.example"},
        {"Origin: https://evil.example", "Cookie: session=1"},
        {"Origin: null"},
        {"Sec-Fetch-Site: cross-site"},
        {"Sec-Fetch-Site: same-site"},
        {"Sec-Fetch-Site: cross-site", "Origin: http://name", "Host: name"},
        {"Origin: http://name:8080", "Host: name"},
        {"Origin: http://name.evil.example", "Host: name"},
        {"Origin: http://name, http://evil.example", "Host: name"},
    };
    static const char *const accepted[][3] = {
        {NULL},
        {"Sec-Fetch-Site: none"},
        {"Origin: http://name", "Host: name"},
        {"Origin: https://name", "Host: name:443", "Sec-Fetch-Site: same-origin"},
        {"Origin: http://name:80", "Host: NAME"},
        {"Origin: http://[::1]:8080", "Host: [::1]:8080"},
        {"Origin: https://shown.example", "X-Forwarded-Host: shown.example"},
    };
    const char *channel = keep_fresh("open");

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        ck_assert_msg(publish_as(channel, refused[i][0], refused[i][1], refused[i][2]) == 403, "%s",
                      refused[i][0]);
    ck_assert_int_eq(store_held(&lab, channel), 0);
    /* the last one is believed of a proxy, where the server lets it through from another one */
    bool proxy = strcmp(lab.server, "http") != 0 && strcmp(lab.server, "caddy") != 0;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted - !proxy; i++) {
        int status = publish_as(channel, accepted[i][0], accepted[i][1], accepted[i][2]);
        ck_assert_msg(status == 200, "%s: %d", accepted[i][0], status);
    }
}
END_TEST

/* --- operators ------------------------------------------------------------------------ */

static const struct answer *see(const char *path, const char *header) {
    return http_send(&lab, &(struct request){.path = path, .headers = {header}});
}

START_TEST(status_and_metrics_are_shown_to_this_machine_only) {
    static const char *const paths[] = {"/comet/status", "/comet/metrics", "/comet/status?tag=a"};
    static const char *const proxied[] = {
        "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",   "Via: 1.1 edge",
        "X-Real-IP: 127.0.0.1",       "X-Forwarded-Proto: https"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ck_assert_int_ne(see(paths[i], NULL)->status, 403);
        for (size_t k = 0; k < sizeof proxied / sizeof *proxied; k++)
            must_be_problem(see(paths[i], proxied[k]), 403, "status");
    }
    ck_assert_int_eq(see("/comet/health", proxied[0])->status, 200);
    ck_assert_int_eq(see("/comet/info", proxied[0])->status, 200);
}
END_TEST

START_TEST(a_listed_page_may_ask_first_and_then_read) {
    static const char allowed[] = "Access-Control-Allow-Origin";
    struct request request = {.method = "OPTIONS",
                              .path = "/comet/publish?channel=open-1",
                              .headers = {"Origin: https://listed.example",
                                          "Access-Control-Request-Method: POST",
                                          "Access-Control-Request-Headers: x-one"}};

    const struct answer *answer = http_send(&lab, &request);
    ck_assert_msg(answer->status == 204, "%s", answer_text(answer));
    ck_assert_uint_eq(answer->length, 0);
    ck_assert_str_eq(answer_header(answer, "Allow"), "POST, OPTIONS");
    ck_assert_str_eq(answer_header(answer, allowed), "https://listed.example");
    ck_assert_str_eq(answer_header(answer, "Access-Control-Allow-Methods"), "POST, OPTIONS");
    const char *fields = answer_header(answer, "Access-Control-Allow-Headers");
    ck_assert_msg(fields && strstr(fields, "idempotency-key") && strstr(fields, "x-one"), "%s",
                  answer->head);

    request = (struct request){.path = "/comet/poll?channel=open-1",
                               .headers = {"Origin: https://listed.example"}};
    answer = http_send(&lab, &request);
    ck_assert_int_eq(answer->status, 200);
    ck_assert_str_eq(answer_header(answer, allowed), "https://listed.example");
    request.path = "/comet/poll"; /* what is wrong with it may be read as well */
    ck_assert_str_eq(answer_header(http_send(&lab, &request), allowed), "https://listed.example");
    request.headers[0] = "Origin: https://other.example";
    ck_assert_ptr_null(answer_header(http_send(&lab, &request), allowed));
}
END_TEST

START_TEST(options_and_head_are_answered_at_once) {
    static const char *const paths[] = {"/comet/poll?channel=open-1",
                                        "/comet/wait?channel=open-1",
                                        "/comet/events?channel=open-1",
                                        "/comet/stream?channel=open-1",
                                        "/comet/multipart?channel=open-1",
                                        "/comet/info",
                                        "/comet/health"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct request request = {.method = "OPTIONS", .path = paths[i]};
        const struct answer *answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == 204, "%s: %s", paths[i], answer_text(answer));
        const char *allow = answer_header(answer, "Allow");
        ck_assert_msg(allow && strstr(allow, "HEAD"), "%s: %s", paths[i], answer->head);
        request.method = "HEAD";
        answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == 200, "%s: %s", paths[i], answer_text(answer));
        ck_assert_str_eq(answer_header(answer, "Cache-Control"), "no-store");
        ck_assert_uint_eq(answer->length, 0);
    }
}
END_TEST

/* A frame comes without an Origin: its browser says whose page is around it in other ways. */
START_TEST(a_frame_is_shown_to_this_site_and_listed_ones) {
    const struct {
        const char *fields[2];
        int status;
    } rows[] = {
        {{NULL}, 200},
        {{keepf("Referer: http://127.0.0.1:%d/page", lab.port)}, 200},
        {{"Referer: https://listed.example/page?https://other.example/"}, 200},
        {{"Referer: https://listed.example/", "Sec-Fetch-Site: cross-site"}, 200},
        {{"Sec-Fetch-Site: same-origin"}, 200},
        {{"Sec-Fetch-Site: none"}, 200},
        {{"Referer: https://other.example/"}, 403},
        {{"Referer: https://other.example/?https://listed.example"}, 403},
        {{"Referer: https://listed.example.other.example/"}, 403},
        {{"Referer: https://listed.example@other.example/"}, 403},
        {{"Referer: about:blank"}, 403},
        {{"Referer: https://other.example/", "Sec-Fetch-Site: cross-site"}, 403},
        {{"Sec-Fetch-Site: cross-site"}, 403},
        {{"Sec-Fetch-Site: same-site"}, 403},
        {{"Origin: null"}, 403},
        {{"Origin: https://other.example", "Sec-Fetch-Site: cross-site"}, 403},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct request request = {.method = "HEAD",
                                        .path = "/comet/iframe?callback=f&channel=a",
                                        .headers = {rows[i].fields[0], rows[i].fields[1]}};
        const struct answer *answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == rows[i].status, "%s, %s: %s", rows[i].fields[0],
                      rows[i].fields[1], answer->head);
        ck_assert_str_eq(answer_header(answer, "Content-Security-Policy"),
                         "frame-ancestors 'self' https://listed.example");
    }
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, a_frame_is_shown_to_this_site_and_listed_ones);
    tcase_add_test(tcase, a_listed_page_may_ask_first_and_then_read);
    tcase_add_test(tcase, options_and_head_are_answered_at_once);
    tcase_add_test(tcase, no_other_path_publishes);
    tcase_add_test(tcase, what_is_asked_in_the_absolute_form_is_the_same);
    tcase_add_test(tcase, the_websocket_is_at_one_path_too);
    if (!e2e_adds_for("http")) /* nobody is there who would rewrite it */
        tcase_add_test(tcase, a_rewritten_address_is_an_endpoint_with_the_query_that_was_made);
    tcase_add_test(tcase, a_page_of_another_site_does_not_publish);
    tcase_add_test(tcase, status_and_metrics_are_shown_to_this_machine_only);
}

/* --- other settings: straight to the application ---------------------------------------- */

static void begin(const char *name, const char *value) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "settings");
    lab_set(&lab, name, value);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_app(&lab, 0);
}

/* A request with these further variables, names and values in turn. */
static const struct answer *ask(const char *method, const char *uri, const char *const more[]) {
    struct bytes params = {0}, request = {0};
    int fd = wire_unix(lab.app_socket[0]);

    fcgi_param(&params, "REQUEST_METHOD", method);
    fcgi_param(&params, "REQUEST_URI", uri);
    for (; more && *more; more += 2)
        fcgi_param(&params, more[0], more[1]);
    fcgi_begin(&request, 1, 1);
    fcgi_record(&request, FCGI_PARAMS, 1, params.data, params.length);
    fcgi_record(&request, FCGI_PARAMS, 1, NULL, 0);
    fcgi_record(&request, FCGI_STDIN, 1, NULL, 0);
    ck_assert(fd >= 0 && wire_send(fd, request.data, request.length));
    const struct answer *answer = fcgi_answer(fd);
    close(fd);
    return answer;
}

START_TEST(another_mount_needs_the_option_and_the_log_says_so_once) {
    char *log;

    begin("MOUNT", "/app/comet");
    const char *const cat[] = {"cat", keepf("%s/app0.log", lab.dir), NULL};
    ck_assert_int_eq(ask("GET", "/app/comet/health", NULL)->status, 200);
    for (int i = 0; i < 3; i++)
        must_be_problem(ask("GET", "/comet/health", NULL), 404, NULL);
    must_be_problem(ask("GET", "/nothing/at/all", NULL), 404, NULL);
    ck_assert_int_eq(proc_run(cat, environ, -1, &log, NULL), 0);
    const char *said = strstr(log, "mount.elsewhere");
    ck_assert_msg(said && strstr(said, "path=\"/comet/health\" mount=\"/app/comet\""), "%s", log);
    ck_assert_ptr_null(strstr(said + 1, "mount.elsewhere"));
    static const char *const here[] = {"REMOTE_ADDR", "127.0.0.1", NULL};
    const struct answer *metrics = ask("GET", "/app/comet/metrics", here);
    ck_assert_msg(strstr(metrics->body, "\nhalley_mount_elsewhere_total 3\n") != NULL, "%s",
                  metrics->body);
    teardown();
}
END_TEST

START_TEST(who_sees_the_status_is_the_options_to_say) {
    static const struct {
        const char *option, *address;
        int status;
    } rows[] = {
        {"local", "127.0.0.1", 200}, {"local", "::1", 200},      {"local", "unix:", 200},
        {"local", "192.0.2.1", 403}, {"local", NULL, 403},       {"anyone", "192.0.2.1", 200},
        {"anyone", NULL, 200},       {"none", "127.0.0.1", 403}, {"none", "unix:", 403}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const more[] = {rows[i].address ? "REMOTE_ADDR" : NULL, rows[i].address, NULL};
        begin("STATUS", rows[i].option);
        ck_assert_msg(ask("GET", "/comet/status", more)->status == rows[i].status, "%s %s",
                      rows[i].option, rows[i].address ? rows[i].address : "(none)");
        ck_assert_int_eq(ask("HEAD", "/comet/metrics", more)->status, rows[i].status);
        ck_assert_int_eq(ask("GET", "/comet/info", more)->status, 200);
        teardown();
    }
}
END_TEST

/* Of a script any page can use the answer. */
START_TEST(a_script_gives_pages_of_other_sites_what_anybody_may_read) {
    static const char secret[] = "0123456789abcdef0123456789abcdef";
    static const struct {
        const char *name, *value;
        int status;
    } rows[] = {{"HTTP_HOST", "name", 200}, /* no browser */
                {"HTTP_REFERER", "http://name/", 200},
                {"HTTP_REFERER", "https://listed.example/", 200},
                {"HTTP_SEC_FETCH_SITE", "same-origin", 200},
                {"HTTP_REFERER", "https://other.example/", 401},
                {"HTTP_SEC_FETCH_SITE", "cross-site", 401},
                {"HTTP_SEC_FETCH_SITE", "same-site", 401}};
    const char *token =
        token_of(secret, keepf("{\"sub\":\"alice\",\"exp\":%ld}", (long)time(NULL) + 600));

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "script");
    lab_conf(&lab, keepf("[key k]\nalgorithm = HS256\nfile = %s\n"
                         "[channel mine]\nsubscribe = user\n",
                         token_file(secret)));
    lab_set(&lab, "JSONP", "on");
    lab_set(&lab, "ORIGINS", "https://listed.example *");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_app(&lab, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const more[] = {"HTTP_HOST", "name", rows[i].name, rows[i].value, NULL};
        const char *path = keepf("/comet/jsonp?callback=f&timeout=0&token=%s&channel=", token);
        ck_assert_msg(ask("GET", keepf("%smine", path), more)->status == rows[i].status, "%s: %s",
                      rows[i].name, rows[i].value);
        ck_assert_int_eq(ask("GET", keepf("%sopen", path), more)->status, 200);
        const char *const login[] = {"REMOTE_USER", "alice", rows[i].name, rows[i].value, NULL};
        ck_assert_int_eq(
            ask("GET", "/comet/jsonp?callback=f&timeout=0&channel=mine", login)->status, 401);
    }
    teardown();
}
END_TEST

START_TEST(listed_origins_may_publish) {
    static const struct {
        const char *origins, *origin;
        int status;
    } rows[] = {{"https://a.example https://b.example", "https://b.example", 200},
                {"https://a.example", "https://b.example", 403},
                {"https://a.example", "null", 403},
                {"null", "null", 200},
                {"https://a.example *", "https://b.example", 200}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const more[] = {"HTTP_ORIGIN",         rows[i].origin, "HTTP_HOST", "name",
                                    "HTTP_SEC_FETCH_SITE", "cross-site",   NULL};
        begin("ORIGINS", rows[i].origins);
        const struct answer *answer = ask("POST", "/comet/publish?channel=open-1", more);
        ck_assert_msg(answer->status == rows[i].status, "%s %s: %s", rows[i].origins,
                      rows[i].origin, answer_text(answer));
        teardown();
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("access");
    TCase *settings;

    e2e_on_each_server(suite, setup, teardown, add_tests);
    settings = e2e_case(suite, "settings", NULL, NULL);
    tcase_add_test(settings, another_mount_needs_the_option_and_the_log_says_so_once);
    tcase_add_test(settings, who_sees_the_status_is_the_options_to_say);
    tcase_add_test(settings, listed_origins_may_publish);
    tcase_add_test(settings, a_script_gives_pages_of_other_sites_what_anybody_may_read);
    return e2e_run(suite);
}
