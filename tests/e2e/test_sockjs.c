/* SockJS, whole, through the web servers: what is answered to each path, what frames look like in
 * each kind of answer, and that a session is nobody's process: on lighttpd two processes take
 * requests in turn, under Apache each request may meet another one.
 *
 * The services echo and close are rows that only build/test/halley.fcgi has.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char conf[] = "mount = /comet\n"
                           "origins = http://test null\n"
                           "[channel room*]\npublish = anyone\n"
                           "[channel secret]\nsubscribe = none\n"
                           "[service sockjs/echo]\nprotocol = echo\nresponse_limit = 4096\n"
                           "[service sockjs/dull]\nprotocol = echo\nwebsocket = off\n"
                           "sockjs_url = http://there/sockjs.js\n"
                           "[service sockjs/cookie]\nprotocol = echo\ncookie_needed = on\n"
                           "[service sockjs/close]\nprotocol = close\n"
                           "[service sockjs/count]\nprotocol = count\n"
                           "[service sockjs/chat]\n"
                           "[service sockjs/room]\nprotocol = channel room\n"
                           "[service sockjs/secret]\nprotocol = channel secret\n";

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "sockjs");
    lab_conf(&lab, conf);
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 2);
}

static void teardown(void) {
    lab_close(&lab);
}

/* ------------------------------------------------------------------------ helpers */

/* A session's address that nobody has used. */
static const char *fresh(const char *service) {
    return keepf("/sockjs/%s/%d/%s", service, rand() % 1000, keep_fresh("s"));
}

static const struct answer *post(const char *base, const char *kind, const char *body) {
    const struct request request = {.method = "POST",
                                    .path = keepf("%s/%s", base, kind),
                                    .body = body,
                                    .length = strlen(body),
                                    .headers = {"Content-Type: text/plain"}};
    return http_send(&lab, &request);
}

static struct flight *post_begin(const char *base, const char *kind) {
    const struct request request = {
        .method = "POST", .path = keepf("%s/%s", base, kind), .body = ""};
    return http_begin(&lab, &request);
}

static void must_say(const struct answer *answer, const char *body) {
    ck_assert_msg(answer->status == 200 && strcmp(answer->body, body) == 0, "%s instead of %s",
                  answer_text(answer), body);
}

static void must_send(const char *base, const char *body) {
    const struct answer *answer = post(base, "xhr_send", body);
    ck_assert_msg(answer->status == 204 && answer->length == 0, "%s", answer_text(answer));
}

/* Polls until there is a frame that is no heartbeat. */
static const char *poll_frame(const char *base) {
    const struct answer *answer;
    do {
        answer = post(base, "xhr", "");
        ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    } while (strcmp(answer->body, "h\n") == 0);
    return answer->body;
}

static void open_session(const char *base) {
    must_say(post(base, "xhr", ""), "o\n");
}

/* Waits until the stream has that text behind `from` bytes. */
static void reach(struct flight *flight, const char *text) {
    until((http_pump(20), strstr(http_so_far(flight), text) != NULL), "no %s in %s", text,
          http_so_far(flight));
}

static void must_have(const struct answer *answer, const char *name, const char *value) {
    const char *got = answer_header(answer, name);
    ck_assert_msg(got != NULL && strcmp(got, value) == 0, "%s: %s instead of %s in %s", name,
                  got ? got : "none", value, answer->head);
}

static void must_not_have(const struct answer *answer, const char *name) {
    ck_assert_msg(answer_header(answer, name) == NULL, "%s in %s", name, answer->head);
}

/* ----------------------------------------------------------------- beside sessions */

START_TEST(a_service_greets) {
    static const char *const paths[] = {"/sockjs/echo", "/sockjs/echo/", "/comet/sockjs/echo",
                                        "/comet/sockjs/echo/"};
    for (size_t i = 0; i < 4; i++) {
        const struct answer *answer = http_get(&lab, "%s", paths[i]);
        must_say(answer, "Welcome to SockJS!\n");
        must_have(answer, "Content-Type", "text/plain; charset=UTF-8");
        must_not_have(answer, "Set-Cookie");
    }
}
END_TEST

START_TEST(what_is_nothing_of_a_service_is_not_found) {
    static const char *const tails[] = {
        "a",           "a.html",      "//",          "///",        "a/a",
        "a/a/",        "a/",          "//a",         "a//a",       "iframe.htm",
        "iframe",      "IFRAME.HTML", "iframe.HTML", "iframe.xml", "iframe-/.html",
        "a/a/a",       "a/b/xhr/",    "a/b/xhr/c",   "a.b/c/xhr",  "a/b.c/xhr",
        "info/",       "a/b/xhrx",    "./info",      "%2e/info",   "a/../info",
        "a/%2e%2e/xhr"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        const struct answer *answer = http_get(&lab, "/sockjs/echo/%s", tails[i]);
        /* a server may tidy a path before it asks anybody */
        bool tidied = strstr(tails[i], "..") != NULL || strstr(tails[i], "%2e") != NULL ||
                      strncmp(tails[i], "./", 2) == 0 || strstr(tails[i], "//") != NULL;
        ck_assert_msg(answer->status == 404 || tidied, "%s: %s", tails[i], answer_text(answer));
    }
    ck_assert_int_eq(http_get(&lab, "/sockjs/nobody/info")->status, 404);
    ck_assert_int_eq(http_get(&lab, "/comet/sockjs")->status, 404);
}
END_TEST

START_TEST(the_frame_page_is_kept_for_a_year) {
    const struct answer *answer = http_get(&lab, "/sockjs/dull/iframe-a.b_c.html");

    ck_assert_int_eq(answer->status, 200);
    must_have(answer, "Content-Type", "text/html; charset=UTF-8");
    must_have(answer, "Cache-Control", "public, max-age=31536000");
    ck_assert_ptr_nonnull(answer_header(answer, "Expires"));
    must_not_have(answer, "Last-Modified");
    must_not_have(answer, "Set-Cookie");
    ck_assert_str_eq(
        answer->body,
        "<!DOCTYPE html>\n<html>\n<head>\n"
        "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n"
        "  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n"
        "  <script src=\"http://there/sockjs.js\"></script>\n  <script>\n"
        "    document.domain = document.domain;\n    SockJS.bootstrap_iframe();\n  </script>\n"
        "</head>\n<body>\n  <h2>Don't panic!</h2>\n"
        "  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>\n"
        "</body>\n</html>");
    const struct request again = {
        .path = "/sockjs/dull/iframe.html",
        .headers = {keepf("If-None-Match: %s", answer_header(answer, "ETag"))}};
    answer = http_send(&lab, &again);
    ck_assert_int_eq(answer->status, 304);
    ck_assert_uint_eq(answer->length, 0);
    must_not_have(answer, "Content-Type");
}
END_TEST

START_TEST(info_says_what_a_client_needs) {
    const struct answer *answer;
    until((answer = http_get(&lab, "/sockjs/cookie/info"),
           json_is_true(json_object_get(answer->json, "websocket"))),
          "there are no WebSockets");
    json_int_t first = json_integer_value(json_object_get(answer->json, "entropy"));

    ck_assert_msg(answer->status == 200 && answer->json, "%s", answer_text(answer));
    ck_assert(json_is_true(json_object_get(answer->json, "cookie_needed")));
    ck_assert(json_is_true(json_object_get(answer->json, "websocket")));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(answer->json, "origins"), 0)),
                     "*:*");
    must_not_have(answer, "Set-Cookie");
    must_have(answer, "Access-Control-Allow-Origin", "*");
    answer = http_get(&lab, "/sockjs/dull/info");
    ck_assert(json_is_false(json_object_get(answer->json, "websocket")));
    ck_assert(json_is_false(json_object_get(answer->json, "cookie_needed")));
    ck_assert_int_ne(json_integer_value(json_object_get(answer->json, "entropy")), first);
}
END_TEST

START_TEST(preflights_are_answered) {
    static const struct {
        const char *path, *methods;
    } rows[] = {{"info", "OPTIONS, GET"},
                {"0/a/xhr", "OPTIONS, POST"},
                {"0/a/xhr_send", "OPTIONS, POST"},
                {"0/a/xhr_streaming", "OPTIONS, POST"}};
    for (size_t i = 0; i < 4; i++) {
        const struct request request = {.method = "OPTIONS",
                                        .path = keepf("/sockjs/echo/%s", rows[i].path),
                                        .headers = {"Origin: http://test",
                                                    "Access-Control-Request-Method: POST",
                                                    "Access-Control-Request-Headers: a, b, c"}};
        const struct answer *answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == 204, "%s", answer_text(answer));
        must_have(answer, "Access-Control-Allow-Methods", rows[i].methods);
        must_have(answer, "Access-Control-Allow-Headers", "a, b, c");
        must_have(answer, "Access-Control-Max-Age", "31536000");
        must_have(answer, "Cache-Control", "public, max-age=31536000");
        must_have(answer, "Access-Control-Allow-Origin", "http://test");
        must_have(answer, "Access-Control-Allow-Credentials", "true");
        ck_assert_ptr_nonnull(answer_header(answer, "Expires"));
    }
}
END_TEST

START_TEST(pages_of_other_sites_use_a_session_where_origins_names_them) {
    static const struct {
        const char *origin;
        int status;
    } rows[] = {{"Origin: http://test", 200},
                {"Origin: null", 200},
                {"Origin: http://other", 403},
                {"Referer: http://other/page", 403},
                {"Referer: http://test/page?x", 200}};
    for (size_t i = 0; i < 5; i++) {
        const struct request request = {.method = "POST",
                                        .path = keepf("%s/xhr", fresh("echo")),
                                        .body = "",
                                        .headers = {rows[i].origin, "Sec-Fetch-Site: cross-site"}};
        const struct answer *answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == rows[i].status, "%s: %s", rows[i].origin,
                      answer_text(answer));
        if (i < 2)
            must_have(answer, "Access-Control-Allow-Origin", rows[i].origin + strlen("Origin: "));
        if (i < 2)
            must_have(answer, "Access-Control-Allow-Credentials", "true");
    }
}
END_TEST

/* ------------------------------------------------------------------------ sessions */

START_TEST(a_poll_opens_a_session_and_echoes_come_back) {
    const char *base = fresh("echo");
    const struct answer *answer = post(base, "xhr", "");

    must_say(answer, "o\n");
    must_have(answer, "Cache-Control",
              "no-store, no-cache, no-transform, must-revalidate, max-age=0");
    must_have(answer, "Access-Control-Allow-Origin", "*");
    must_not_have(answer, "Access-Control-Allow-Credentials");
    must_not_have(answer, "Expires");
    must_not_have(answer, "Last-Modified");
    must_not_have(answer, "Set-Cookie");
    answer = post(base, "xhr_send", "[\"x\",\"y\"]");
    ck_assert_int_eq(answer->status, 204);
    must_have(answer, "Cache-Control",
              "no-store, no-cache, no-transform, must-revalidate, max-age=0");
    ck_assert_str_eq(poll_frame(base), "a[\"x\",\"y\"]\n");
    must_send(base, "[]");
    must_send(base, "[\"\\u0000\\ud83d\\ude00\\u2028\"]");
    ck_assert_str_eq(poll_frame(base), "a[\"\\u0000\\ud83d\\ude00\\u2028\"]\n");
}
END_TEST

START_TEST(a_poll_that_waits_is_answered_by_what_is_sent_elsewhere) {
    const char *base = fresh("echo");

    open_session(base);
    for (int i = 0; i < 8; i++) {
        struct flight *poll = post_begin(base, "xhr");
        if (i % 2 == 0)
            http_pump(30);
        must_send(base, keepf("[\"%d\"]", i));
        must_say(http_land(poll), keepf("a[\"%d\"]\n", i));
    }
}
END_TEST

START_TEST(wrong_sends_are_told_so) {
    const char *base = fresh("echo");
    static const struct {
        const char *body;
        int status;
        const char *says;
    } rows[] = {{"", 500, "Payload expected."},
                {"[\"x", 500, "Broken JSON encoding."},
                {"\"x\"", 500, "Broken JSON encoding."},
                {"[1]", 500, "Broken JSON encoding."}};

    ck_assert_int_eq(post(base, "xhr_send", "[\"x\"]")->status, 404);
    open_session(base);
    for (size_t i = 0; i < 4; i++) {
        const struct answer *answer = post(base, "xhr_send", rows[i].body);
        ck_assert_int_eq(answer->status, rows[i].status);
        ck_assert_str_eq(answer->body, rows[i].says);
    }
    must_send(base, "[\"a\"]");
    ck_assert_str_eq(poll_frame(base), "a[\"a\"]\n");
    ck_assert_int_eq(http_get(&lab, "%s/xhr", base)->status, 405);
}
END_TEST

START_TEST(what_is_sent_is_taken_whatever_its_content_type) {
    static const char *const types[] = {"text/plain",      "T", "application/json",
                                        "application/xml", "",  "text/html; charset=utf-8"};
    const char *base = fresh("echo");

    open_session(base);
    for (size_t i = 0; i < 6; i++) {
        const struct request request = {.method = "POST",
                                        .path = keepf("%s/xhr_send", base),
                                        .body = "[\"a\"]",
                                        .length = 5,
                                        .headers = {keepf("Content-Type: %s", types[i])}};
        ck_assert_int_eq(http_send(&lab, &request)->status, 204);
    }
    size_t got = 0;
    while (got < 6) {
        const char *frame = poll_frame(base);
        for (const char *at = frame; (at = strstr(at, "\"a\"")) != NULL; at++)
            got++;
    }
    ck_assert_uint_eq(got, 6);
}
END_TEST

START_TEST(streams_begin_frame_and_end_as_their_kind_does) {
    static const struct {
        const char *kind, *type, *begin, *open, *frame;
        bool posts;
    } rows[] = {
        {"xhr_streaming", "/javascript; charset=UTF-8", "hhhhhhhh\n", "o\n", "a[\"x\"]\n", true},
        {"eventsource", "text/event-stream", "\r\n", "data: o\r\n\r\n", "data: a[\"x\"]\r\n\r\n",
         false},
        {"htmlfile?c=%63allback", "text/html; charset=UTF-8", "var c = parent.callback;",
         "<script>\np(\"o\");\n</script>\r\n", "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n",
         false}};
    for (size_t i = 0; i < 3; i++) {
        const char *base = fresh("echo");
        struct flight *stream = rows[i].posts ? post_begin(base, rows[i].kind)
                                              : http_get_begin(&lab, "%s/%s", base, rows[i].kind);
        reach(stream, rows[i].begin);
        reach(stream, rows[i].open);
        must_send(base, "[\"x\"]");
        reach(stream, rows[i].frame);
        char *big = keepf("[\"%*s\"]", 4096, "");
        must_send(base, big);
        const struct answer *answer = http_land(stream); /* over its limit: it ends by itself */
        ck_assert_int_eq(answer->status, 200);
        const char *type = answer_header(answer, "Content-Type");
        ck_assert_msg(type != NULL && strstr(type, rows[i].type) != NULL, "%s", type);
        ck_assert_uint_gt(answer->length, 4096);
        must_send(base, "[\"later\"]");
        ck_assert_str_eq(poll_frame(base), "a[\"later\"]\n");
    }
}
END_TEST

START_TEST(a_script_polls_and_a_form_sends) {
    const char *base = fresh("echo");
    const struct answer *answer = http_get(&lab, "%s/jsonp?c=%%63allback", base);

    must_say(answer, "/**/callback(\"o\");\r\n");
    const struct request form = {.method = "POST",
                                 .path = keepf("%s/jsonp_send", base),
                                 .body = "d=%5B%22x%22%5D",
                                 .length = 15,
                                 .headers = {"Content-Type: application/x-www-form-urlencoded"}};
    answer = http_send(&lab, &form);
    must_say(answer, "ok");
    must_have(answer, "Content-Type", "text/plain; charset=UTF-8");
    must_say(http_get(&lab, "%s/jsonp?c=x", base), "/**/x(\"a[\\\"x\\\"]\");\r\n");
    must_say(post(base, "jsonp_send", "[\"%61\"]"), "ok");
    must_say(http_get(&lab, "%s/jsonp?c=x", base), "/**/x(\"a[\\\"%61\\\"]\");\r\n");
    ck_assert_str_eq(post(base, "jsonp_send", "")->body, "Payload expected.");
    ck_assert_str_eq(post(base, "jsonp_send", "[\"x")->body, "Broken JSON encoding.");
}
END_TEST

START_TEST(a_callback_is_required_and_is_a_name) {
    static const char *const kinds[] = {"jsonp", "htmlfile"};
    static const char *const bad[] = {"%20", "*", "abc(", "abc%28"};

    for (size_t i = 0; i < 2; i++) {
        const struct answer *answer = http_get(&lab, "%s/%s", fresh("echo"), kinds[i]);
        ck_assert_int_eq(answer->status, 500);
        ck_assert_str_eq(answer->body, "\"callback\" parameter required");
        for (size_t k = 0; k < 4; k++) {
            answer = http_get(&lab, "%s/%s?c=%s", fresh("echo"), kinds[i], bad[k]);
            ck_assert_int_eq(answer->status, 500);
            ck_assert_str_eq(answer->body, "invalid \"callback\" parameter");
        }
    }
}
END_TEST

START_TEST(a_second_receiver_is_told_and_the_first_stays) {
    const char *base = fresh("echo");
    struct flight *first;

    open_session(base);
    first = post_begin(base, "xhr");
    http_reach_session(&lab); /* else the second one may be there before it */
    until((http_pump(20), strcmp(post(base, "xhr", "")->body,
                                 "c[2010,\"Another connection still open\"]\n") == 0 ||
                              http_landed(first)),
          "nobody is told");
    must_send(base, "[\"x\"]");
    must_say(http_land(first), "a[\"x\"]\n");
    struct flight *stream = post_begin(base, "xhr_streaming");
    reach(stream, "h\n");
    http_reach_session(&lab);
    const struct answer *second = http_land(post_begin(base, "xhr_streaming"));
    ck_assert_ptr_nonnull(strstr(second->body, "\nc[2010,\"Another connection still open\"]\n"));
    http_abandon(stream);
}
END_TEST

START_TEST(a_session_that_its_service_closes_says_so_until_it_is_forgotten) {
    const char *base = fresh("close");

    open_session(base);
    for (int i = 0; i < 3; i++)
        must_say(post(base, "xhr", ""), "c[3000,\"Go away!\"]\n");
    const struct answer *answer = http_land(post_begin(fresh("close"), "xhr_streaming"));
    ck_assert_ptr_nonnull(strstr(answer->body, "h\no\nc[3000,\"Go away!\"]\n"));
    ck_assert_int_eq(post(base, "xhr_send", "[\"x\"]")->status, 404);
}
END_TEST

START_TEST(a_session_without_a_receiver_is_forgotten) {
    const char *base = fresh("echo");

    open_session(base);
    must_send(base, "[\"lost\"]");
    until((usleep(300000), post(base, "xhr_send", "[]")->status == 404), "it is still there");
    open_session(base); /* anew */
}
END_TEST

START_TEST(cookies_are_set_where_they_are_needed) {
    const struct request with = {.method = "POST",
                                 .path = keepf("%s/xhr", fresh("cookie")),
                                 .body = "",
                                 .headers = {"Cookie: a=b; JSESSIONID=abcdef; c=d"}};

    must_have(post(fresh("cookie"), "xhr", ""), "Set-Cookie", "JSESSIONID=dummy; path=/");
    must_have(http_send(&lab, &with), "Set-Cookie", "JSESSIONID=abcdef; path=/");
    must_not_have(post(fresh("echo"), "xhr", ""), "Set-Cookie");
}
END_TEST

START_TEST(a_session_id_may_be_anything) {
    static const char *const ids[] = {"%c3%a4", "a%20b", "a%26b=c", "~!$'()*+,;=:@"};
    for (size_t i = 0; i < 4; i++) {
        const char *base = keepf("/sockjs/echo/%d/%s", rand() % 1000, ids[i]);
        open_session(base);
        must_send(keepf("/sockjs/echo/another/%s", ids[i]), "[\"x\"]"); /* servers are no matter */
        ck_assert_str_eq(poll_frame(base), "a[\"x\"]\n");
    }
}
END_TEST

/* ------------------------------------------------------------- channels */

START_TEST(a_channel_is_plain_texts_both_ways) {
    const char *base = fresh("room");

    open_session(base);
    store_add(&lab, "room", "between open and poll");
    ck_assert_str_eq(poll_frame(base), "a[\"between open and poll\"]\n");
    struct flight *poll = post_begin(base, "xhr");
    http_pump(50);
    store_add(&lab, "room", "{\"x\":1}");
    must_say(http_land(poll), "a[\"{\\\"x\\\":1}\"]\n");
    must_send(base, "[\"said\"]");
    ck_assert_str_eq(poll_frame(base), "a[\"said\"]\n");
    const struct answer *answer = post(fresh("secret"), "xhr", "");
    must_say(answer, "o\n");
}
END_TEST

START_TEST(halleys_words_are_spoken_over_polls) {
    const char *base = fresh("chat"), *channel = keep_fresh("room");
    const char *frame;

    open_session(base);
    store_add(&lab, channel, "\"old\"");
    must_send(base,
              keepf("[\"{\\\"subscribe\\\":[\\\"%s\\\"],\\\"since\\\":\\\"start\\\"}\"]", channel));
    frame = poll_frame(base);
    ck_assert_msg(strstr(frame, "{\\\"messages\\\":[],\\\"cursor\\\":") != NULL, "%s", frame);
    ck_assert_ptr_nonnull(strstr(poll_frame(base), "\\\"data\\\":\\\"old\\\""));
    must_send(base, keepf("[\"{\\\"publish\\\":{\\\"channel\\\":\\\"%s\\\",\\\"data\\\":[7]},"
                          "\\\"ref\\\":1}\",\"{\\\"unsubscribe\\\":[\\\"%s\\\"]}\",\"nonsense\"]",
                          channel, channel));
    frame = poll_frame(base);
    ck_assert_msg(strstr(frame, "{\\\"published\\\":{\\\"id\\\":") != NULL, "%s", frame);
    while (strstr(frame, "\\\"error\\\"") == NULL)
        frame = poll_frame(base);
    store_add(&lab, channel, "\"unheard\"");
    must_send(base, "[\"{}\"]");
    frame = poll_frame(base);
    ck_assert_msg(strstr(frame, "unheard") == NULL && strstr(frame, "error") != NULL, "%s", frame);
    must_send(base, "[\"{\\\"pattern\\\":\\\"room/*\\\",\\\"ref\\\":2}\"]");
    frame = poll_frame(base);
    ck_assert_msg(strstr(frame, "pattern: a session that polls has none") != NULL &&
                      strstr(frame, "\\\"ref\\\":2") != NULL,
                  "%s", frame);
}
END_TEST

START_TEST(messages_of_a_stream_come_once_and_in_order) {
    const char *base = fresh("room");
    struct flight *stream = post_begin(base, "xhr_streaming");
    int next = 0;

    reach(stream, "\no\n");
    for (int i = 0; i < 50; i++) {
        store_add(&lab, "room", keepf("n%d.", i));
        if (i % 10 == 0)
            must_send(base, keepf("[\"own%d\"]", i));
    }
    reach(stream, "n49.");
    for (const char *at = http_so_far(stream); (at = strstr(at, "\"n")) != NULL; at++)
        ck_assert_int_eq(atoi(at + 2), next++);
    ck_assert_int_eq(next, 50);
    http_abandon(stream);
}
END_TEST

/* ----------------------------------------------------------------------- WebSockets */

static struct websock *socket_open(const char *path) {
    int fd = wire_tcp(lab.port);
    ck_assert(fd >= 0);
    return websock_on(fd, path, "");
}

START_TEST(a_websocket_carries_frames) {
    struct websock *socket = socket_open(keepf("%s/websocket", fresh("echo")));

    ck_assert_str_eq(websock_reach_text(socket), "o");
    websock_say(socket, "");
    websock_say(socket, "[\"a\",\"\\u2028\"]");
    ck_assert_str_eq(websock_reach_text(socket), "a[\"a\"]");
    ck_assert_str_eq(websock_reach_text(socket), "a[\"\\u2028\"]");
    websock_say(socket, "\"b\"");
    ck_assert_str_eq(websock_reach_text(socket), "a[\"b\"]");
    websock_say(socket, "[\"x");
    websock_reach_close(socket);
    websock_close(socket);
    socket = socket_open(keepf("%s/websocket", fresh("close")));
    ck_assert_str_eq(websock_reach_text(socket), "o");
    ck_assert_str_eq(websock_reach_text(socket), "c[3000,\"Go away!\"]");
    websock_reach_close(socket);
    websock_close(socket);
}
END_TEST

START_TEST(a_raw_websocket_carries_texts) {
    struct websock *socket = socket_open("/sockjs/echo/websocket");

    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_say(socket, "Hello world!\xe2\x80\xa8");
    ck_assert_str_eq(websock_reach_text(socket), "Hello world!\xe2\x80\xa8");
    websock_close(socket);
    socket = socket_open("/comet/sockjs/close/websocket");
    ck_assert_int_eq(websock_reach_close(socket), 3000);
    ck_assert_str_eq(socket->words, "Go away!");
    websock_close(socket);
    socket = socket_open("/sockjs/room/websocket");
    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_say(socket, "to all");
    ck_assert_str_eq(websock_reach_text(socket), "to all");
    store_add(&lab, "room", "one");
    store_add(&lab, "room", "two");
    ck_assert_str_eq(websock_reach_text(socket), "one");
    ck_assert_str_eq(websock_reach_text(socket), "two");
    websock_close(socket);
}
END_TEST

START_TEST(halleys_words_are_spoken_over_a_websocket) {
    struct websock *socket = socket_open(keepf("%s/websocket", fresh("chat")));
    const char *channel = keep_fresh("room");

    ck_assert_str_eq(websock_reach_text(socket), "o");
    ck_assert_ptr_nonnull(strstr(websock_reach_text(socket), "a[\"{\\\"messages\\\":[],"));
    websock_say(socket, keepf("[\"{\\\"subscribe\\\":[\\\"%s\\\"]}\"]", channel));
    websock_reach(socket, channel);
    store_add(&lab, channel, "\"hi\"");
    websock_reach(socket, "\\\"data\\\":\\\"hi\\\"");
    websock_close(socket);
}
END_TEST

START_TEST(what_is_no_handshake_is_told_so) {
    const struct answer *answer = http_get(&lab, "/sockjs/echo/0/0/websocket");

    ck_assert_int_eq(answer->status, 400);
    ck_assert_str_eq(answer->body, "Can \"Upgrade\" only to \"WebSocket\".");
    ck_assert_int_eq(post("/sockjs/echo/0/0", "websocket", "")->status, 405);
    ck_assert_int_eq(http_get(&lab, "/sockjs/dull/0/0/websocket")->status, 404);
}
END_TEST

/* ------------------------------------------------------------- a protocol's state */

/* Of `count`, the numbers in a frame, which must go on behind `last`. */
static int count_on(const char *frame, int last) {
    for (const char *at = frame; (at = strchr(at, '"')) != NULL; at = strchr(at + 1, '"') + 1)
        ck_assert_msg(atoi(at + 1) == ++last, "%s where %d was awaited", frame, last);
    return last;
}

START_TEST(requests_that_meet_take_a_state_one_behind_the_other) {
    const char *base = fresh("count");
    struct flight *flights[8];
    int last = 100;

    open_session(base);
    for (int i = 0; i < 8; i++) {
        const struct request request = {.method = "POST",
                                        .path = keepf("%s/xhr_send", base),
                                        .body = "[\"a\",\"b\",\"c\"]",
                                        .length = 13};
        flights[i] = http_begin(&lab, &request);
    }
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(http_land(flights[i])->status, 204);
    while (last < 124)
        last = count_on(poll_frame(base), last);
    ck_assert_int_eq(last, 124);
}
END_TEST

START_TEST(what_a_protocol_says_of_a_channel_comes_before_its_messages) {
    const char *base = fresh("count"), *channel = keep_fresh("room");

    open_session(base);
    store_add(&lab, channel, "old");
    must_send(base, keepf("[\"x\",\"join %s\"]", channel));
    ck_assert_str_eq(poll_frame(base), "a[\"101\",\"102\",\"joined 1, gap 0\"]\n");
    ck_assert_str_eq(poll_frame(base), "a[\"102 hears old\"]\n");
    must_send(base, keepf("[\"join %s\"]", channel));
    ck_assert_str_eq(poll_frame(base), "a[\"103\",\"joined 0, gap 0\"]\n");

    struct websock *socket = socket_open("/sockjs/count/websocket");
    websock_say(socket, keepf("join %s", channel));
    websock_say(socket, "y");
    ck_assert_str_eq(websock_reach_text(socket), "101");
    ck_assert_str_eq(websock_reach_text(socket), "joined 1, gap 0");
    ck_assert_str_eq(websock_reach_text(socket), "101 hears old");
    ck_assert_str_eq(websock_reach_text(socket), "102");
    websock_say(socket, keepf("join %s", channel));
    ck_assert_str_eq(websock_reach_text(socket), "103");
    ck_assert_str_eq(websock_reach_text(socket), "joined 0, gap 0");
    websock_close(socket);
}
END_TEST

/* ---------------------------------------------------------------- the released program */

START_TEST(the_released_program_has_no_test_services) {
    static const char *const files[] = {"[service sockjs/echo]\nprotocol = echo\n",
                                        "[service sockjs/a]\nprotocol = close\n",
                                        "[service sockjs/a]\nprotocol = channel\n",
                                        "[service sockjs/a]\nprotocol = halley x\n",
                                        "[service sockjs/a]\nprotocol = channel a*b\n",
                                        "[service sockjs]\n",
                                        "[service other/a]\n",
                                        "[service a]\ndialect = bosh\n"};
    struct lab own;

    lab_open(&own, "released");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *const argv[] = {keepf("%s/build/halley.fcgi", lab_root()), "-n", "-f", own.conf,
                                    NULL};
        char *output;
        lab_conf(&own, files[i]);
        ck_assert_int_eq(proc_run(argv, lab_env(&own, NULL), -1, &output, NULL), 78);
    }
    lab_close(&own);
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, a_service_greets);
    tcase_add_test(tests, what_is_nothing_of_a_service_is_not_found);
    tcase_add_test(tests, the_frame_page_is_kept_for_a_year);
    tcase_add_test(tests, info_says_what_a_client_needs);
    tcase_add_test(tests, preflights_are_answered);
    tcase_add_test(tests, pages_of_other_sites_use_a_session_where_origins_names_them);
    tcase_add_test(tests, a_poll_opens_a_session_and_echoes_come_back);
    tcase_add_test(tests, a_poll_that_waits_is_answered_by_what_is_sent_elsewhere);
    tcase_add_test(tests, wrong_sends_are_told_so);
    tcase_add_test(tests, what_is_sent_is_taken_whatever_its_content_type);
    tcase_add_test(tests, streams_begin_frame_and_end_as_their_kind_does);
    tcase_add_test(tests, a_script_polls_and_a_form_sends);
    tcase_add_test(tests, a_callback_is_required_and_is_a_name);
    tcase_add_test(tests, a_second_receiver_is_told_and_the_first_stays);
    tcase_add_test(tests, a_session_that_its_service_closes_says_so_until_it_is_forgotten);
    tcase_add_test(tests, a_session_without_a_receiver_is_forgotten);
    tcase_add_test(tests, cookies_are_set_where_they_are_needed);
    tcase_add_test(tests, a_session_id_may_be_anything);
    tcase_add_test(tests, a_channel_is_plain_texts_both_ways);
    tcase_add_test(tests, halleys_words_are_spoken_over_polls);
    tcase_add_test(tests, messages_of_a_stream_come_once_and_in_order);
    tcase_add_test(tests, a_websocket_carries_frames);
    tcase_add_test(tests, a_raw_websocket_carries_texts);
    tcase_add_test(tests, halleys_words_are_spoken_over_a_websocket);
    tcase_add_test(tests, what_is_no_handshake_is_told_so);
    tcase_add_test(tests, requests_that_meet_take_a_state_one_behind_the_other);
    tcase_add_test(tests, what_a_protocol_says_of_a_channel_comes_before_its_messages);
}

int main(void) {
    Suite *suite = suite_create("sockjs");

    e2e_take_test_services();
    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    tcase_add_test(e2e_case(suite, "released", NULL, NULL),
                   the_released_program_has_no_test_services);
    return e2e_run(suite);
}
