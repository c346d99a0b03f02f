/* SockJS as those see it who read what comes piece by piece, or speak older HTTP or WebSockets than
 * browsers of today: what a stream begins with, `o` and each frame arrive apart; cookies of every
 * kind of request; what is said to a request that is none. As test_sockjs.c on three servers. */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char conf[] = "mount = /comet\n"
                           "origins = http://test null\n"
                           "[service sockjs/echo]\nprotocol = echo\nresponse_limit = 4096\n"
                           "[service sockjs/cookie]\nprotocol = echo\ncookie_needed = on\n"
                           "[service sockjs/close]\nprotocol = close\n";

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "sockjs-wire");
    lab_conf(&lab, conf);
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 2);
}

static void teardown(void) {
    lab_close(&lab);
}

static const char *fresh(const char *service) {
    return keepf("/sockjs/%s/%d/%s", service, rand() % 1000, keep_fresh("s"));
}

static const struct answer *ask(const char *method, const char *path, const char *body,
                                const char *field) {
    const struct request request = {.method = method,
                                    .path = path,
                                    .body = body,
                                    .length = body != NULL ? strlen(body) : 0,
                                    .headers = {field}};
    return http_send(&lab, &request);
}

static void must_send(const char *base, const char *body) {
    const struct answer *answer = ask("POST", keepf("%s/xhr_send", base), body, NULL);
    ck_assert_msg(answer->status == 204, "%s", answer_text(answer));
}

/* ------------------------------------------------------------------------- by pieces */

/* A connection, and what came of it, as it came. */
struct line {
    int fd;
    char *text; /* of what is not taken yet; kept */
    size_t length;
    bool over;
};

static struct line line_to(const char *request) {
    struct line line = {.fd = wire_tcp(lab.port), .text = keep(calloc(1, 65536))};
    ck_assert(line.fd >= 0);
    ck_assert(wire_send(line.fd, request, strlen(request)));
    return line;
}

/* Reads once. False: nothing came for so long that nothing will. */
static bool line_read(struct line *line) {
    if (line->over || !wire_stirs(line->fd, 20000))
        return false;
    ssize_t got = read(line->fd, line->text + line->length, 65535 - line->length);
    line->over = got <= 0;
    line->length += got > 0 ? (size_t)got : 0;
    line->text[line->length] = '\0';
    return got > 0;
}

static char *line_take(struct line *line, size_t length) {
    char *taken = keepf("%.*s", (int)length, line->text);
    memmove(line->text, line->text + length, line->length - length + 1);
    line->length -= length;
    return taken;
}

static const char *line_head(struct line *line) {
    char *end;
    while ((end = strstr(line->text, "\r\n\r\n")) == NULL)
        ck_assert_msg(line_read(line), "no head in %s", line->text);
    return line_take(line, (size_t)(end - line->text) + 4);
}

/* The next chunk of a body (RFC 9112 §7.1); "" is the last. */
static const char *line_chunk(struct line *line) {
    char *end;
    while ((end = strstr(line->text, "\r\n")) == NULL)
        ck_assert_msg(line_read(line), "no chunk in %s", line->text);
    size_t size = strtoul(line->text, NULL, 16), whole = (size_t)(end - line->text) + 2 + size + 2;
    while (line->length < whole)
        ck_assert_msg(line_read(line), "half a chunk: %s", line->text);
    line_take(line, whole - size - 2);
    const char *chunk = line_take(line, size);
    line_take(line, 2);
    return chunk;
}

struct kind {
    const char *path, *method;
    const char *open, *frame, *close; /* as they arrive */
};

static const struct kind kinds[] = {
    {"xhr_streaming", "POST", "o\n", "a[\"x\"]\n", "c[3000,\"Go away!\"]\n"},
    {"eventsource", "GET", "data: o\r\n\r\n", "data: a[\"x\"]\r\n\r\n",
     "data: c[3000,\"Go away!\"]\r\n\r\n"},
    {"htmlfile?c=callback", "GET", "<script>\np(\"o\");\n</script>\r\n",
     "<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n",
     "<script>\np(\"c[3000,\\\"Go away!\\\"]\");\n</script>\r\n"}};
enum { KINDS = 3, TRIES = 400 };

static struct line open_stream(const struct kind *kind, const char *base, const char *protocol) {
    return line_to(keepf("%s %s/%s HTTP/%s\r\nHost: localhost\r\nContent-Length: 0\r\n"
                         "Connection: close\r\n\r\n",
                         kind->method, base, kind->path, protocol));
}

static bool is_beginning(const struct kind *kind, const char *chunk) {
    size_t len = strlen(chunk);
    if (kind == &kinds[0])
        return len == 2049 && strspn(chunk, "h") == 2048 && chunk[2048] == '\n';
    if (kind == &kinds[1])
        return strcmp(chunk, "\r\n") == 0;
    return len > 1024 && strstr(chunk, "var c = parent.callback;") != NULL &&
           strcmp(chunk + len - 4, "\r\n\r\n") == 0;
}

/* Whether each arrives apart. On a machine that does much else two of them may come to the web
 * server together, so this is asked more than once. */
static bool arrives_apart(const struct kind *kind) {
    const char *base = fresh("echo");
    struct line line = open_stream(kind, base, "1.1");
    line_head(&line);
    bool apart =
        is_beginning(kind, line_chunk(&line)) && strcmp(line_chunk(&line), kind->open) == 0;
    for (int i = 0; apart && i < 2; i++) {
        must_send(base, "[\"x\"]");
        apart = strcmp(line_chunk(&line), kind->frame) == 0;
    }
    close(line.fd);
    return apart;
}

static bool closes_apart(const struct kind *kind) {
    const char *base = fresh("close");
    bool apart = true;
    for (int i = 0; apart && i < 2; i++) { /* the second finds it closed */
        struct line line = open_stream(kind, base, "1.1");
        line_head(&line);
        apart = is_beginning(kind, line_chunk(&line)) &&
                (i == 1 || strcmp(line_chunk(&line), kind->open) == 0) &&
                strcmp(line_chunk(&line), kind->close) == 0 && line_chunk(&line)[0] == '\0';
        close(line.fd);
    }
    return apart;
}

START_TEST(what_begins_a_stream_and_each_frame_arrive_apart) {
    for (size_t i = 0; i < KINDS; i++) {
        int tries = 0;
        while (!arrives_apart(&kinds[i]))
            ck_assert_msg(++tries < TRIES, "%s: never apart", kinds[i].path);
        while (!closes_apart(&kinds[i]))
            ck_assert_msg(++tries < TRIES, "%s: a close is never apart", kinds[i].path);
    }
}
END_TEST

START_TEST(http_1_0_has_streams_and_polls) {
    for (size_t i = 0; i < KINDS; i++) {
        struct line line = open_stream(&kinds[i], fresh("close"), "1.0");
        const char *head = line_head(&line);
        ck_assert_msg(strstr(head, " 200 ") != NULL, "%s", head);
        ck_assert_msg(strcasestr(head, "\nTransfer-Encoding:") == NULL, "%s", head);
        ck_assert_msg(strcasestr(head, "\nContent-Length:") == NULL, "%s", head);
        while (line_read(&line))
            continue;
        char *open = strstr(line.text, kinds[i].open);
        ck_assert_msg(open != NULL && strcmp(open + strlen(kinds[i].open), kinds[i].close) == 0,
                      "%s", line.text);
        close(line.fd);
    }
    struct line line = line_to(keepf("POST %s/xhr HTTP/1.0\r\nHost: localhost\r\n"
                                     "Content-Length: 0\r\n\r\n",
                                     fresh("echo")));
    line_head(&line);
    while (line_read(&line))
        continue;
    ck_assert_str_eq(line.text, "o\n");
    close(line.fd);
}
END_TEST

/* ---------------------------------------------------------------------------- fields */

static void must_set(const struct answer *answer, const char *cookie) {
    const char *got = answer_header(answer, "Set-Cookie");
    ck_assert_msg(got != NULL && strcmp(got, keepf("JSESSIONID=%s; path=/", cookie)) == 0, "%s",
                  answer->head);
}

START_TEST(answers_of_every_kind_carry_the_cookie) {
    static const struct {
        const char *method, *path;
    } rows[] = {{"POST", "xhr"},         {"POST", "xhr_streaming"},
                {"GET", "eventsource"},  {"GET", "htmlfile?c=%63allback"},
                {"GET", "jsonp?c=call"}, {"OPTIONS", "xhr"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int has = 0; has < 2; has++) {
            const char *base = fresh("cookie");
            const struct request request = {.method = rows[i].method,
                                            .path = keepf("%s/%s", base, rows[i].path),
                                            .body = "",
                                            .headers = {has ? "Cookie: JSESSIONID=abcdef" : NULL}};
            struct flight *flight = http_begin(&lab, &request);
            bool streams = i >= 1 && i <= 3;
            if (streams)
                until((http_pump(20), strchr(http_so_far(flight), 'o') != NULL), "no frame");
            if (streams) /* its limit */
                must_send(base, keepf("[\"%*s\"]", 140000, ""));
            must_set(http_land(flight), has ? "abcdef" : "dummy");
        }
    }
    const char *base = fresh("cookie");
    must_set(ask("POST", keepf("%s/xhr", base), "", NULL), "dummy");
    must_set(ask("POST", keepf("%s/xhr_send", base), "[]", NULL), "dummy");
    must_set(ask("POST", keepf("%s/jsonp_send", base), "[]", "Cookie: JSESSIONID=x1"), "x1");
}
END_TEST

static void must_have(const struct answer *answer, const char *path, const char *name,
                      const char *value) {
    const char *got = answer_header(answer, name);
    bool same = got == NULL || value == NULL ? got == value : strcmp(got, value) == 0;
    ck_assert_msg(same, "%s: %s: %s in %s", path, name, got != NULL ? got : "none", answer->head);
}

START_TEST(answers_of_every_kind_have_their_type_and_nobody_keeps_them) {
    static const char script[] = "application/javascript; charset=UTF-8";
    static const char plain[] = "text/plain; charset=UTF-8";
    static const struct {
        const char *method, *path, *type, *body;
        int status;
    } rows[] = {{"POST", "xhr", script, "", 200},
                {"POST", "xhr_streaming", script, "", 200},
                {"GET", "eventsource", "text/event-stream", NULL, 200},
                {"GET", "htmlfile?c=x", "text/html; charset=UTF-8", NULL, 200},
                {"GET", "jsonp?c=x", script, NULL, 200},
                {"POST", "xhr_send", plain, "[\"x\"]", 204},
                {"POST", "jsonp_send", plain, "[\"x\"]", 200}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool sends = strstr(rows[i].path, "_send") != NULL;
        const char *base = fresh(sends ? "echo" : "close"), *path = rows[i].path;
        if (sends)
            ck_assert_int_eq(ask("POST", keepf("%s/xhr", base), "", NULL)->status, 200);
        const struct answer *answer =
            ask(rows[i].method, keepf("%s/%s", base, path), rows[i].body, NULL);
        ck_assert_msg(answer->status == rows[i].status, "%s", answer_text(answer));
        const char *type = answer_header(answer, "Content-Type");
        ck_assert_msg(type != NULL && (strcmp(type, rows[i].type) == 0 ||
                                       /* lighttpd has a name of its own for it */
                                       (rows[i].type == script &&
                                        strcmp(type, "text/javascript; charset=UTF-8") == 0)),
                      "%s: %s", path, answer->head);
        must_have(answer, path, "Cache-Control",
                  "no-store, no-cache, no-transform, must-revalidate, max-age=0");
        must_have(answer, path, "Access-Control-Allow-Origin", "*");
        must_have(answer, path, "Access-Control-Allow-Credentials", NULL);
        must_have(answer, path, "Expires", NULL);
        must_have(answer, path, "Last-Modified", NULL);
        must_have(answer, path, "Set-Cookie", NULL);
    }
}
END_TEST

START_TEST(a_preflight_that_asks_for_no_fields_is_granted_none) {
    const struct answer *answer =
        ask("OPTIONS", keepf("%s/xhr", fresh("echo")), NULL, "Origin: http://test");
    ck_assert_int_eq(answer->status, 204);
    must_have(answer, "xhr", "Access-Control-Allow-Headers", NULL);
    must_have(answer, "xhr", "Access-Control-Allow-Methods", "OPTIONS, POST");
}
END_TEST

static void must_grant(const struct answer *answer, const char *fields) {
    const char *got = answer_header(answer, "Access-Control-Allow-Headers");
    ck_assert_int_eq(answer->status, 200);
    ck_assert_msg(got != NULL ? strcmp(got, fields) == 0 : fields[0] == '\0', "%s", answer->head);
}

START_TEST(fields_that_are_asked_for_are_granted_beside_the_answer_too) {
    static const char *const asked[] = {"a, b, c", "", NULL};
    for (size_t i = 0; i < 3; i++) {
        const char *field =
            asked[i] != NULL ? keepf("Access-Control-Request-Headers: %s", asked[i]) : NULL;
        must_grant(ask("POST", keepf("%s/xhr", fresh("echo")), "", field),
                   asked[i] ? asked[i] : "");
    }
}
END_TEST

START_TEST(a_method_that_is_none_is_told_which_there_are_and_no_more) {
    static const struct {
        const char *method, *path, *allow;
    } rows[] = {{"POST", "/0/0/websocket", "GET"},      {"POST", "/info", "OPTIONS, GET"},
                {"GET", "/0/0/xhr", "OPTIONS, POST"},   {"GET", "/0/0/xhr_send", "OPTIONS, POST"},
                {"POST", "/0/0/jsonp", "OPTIONS, GET"}, {"POST", "", "GET"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *path = keepf("/sockjs/echo%s", rows[i].path);
        const struct answer *answer =
            ask(rows[i].method, path, rows[i].method[0] == 'P' ? "" : NULL, NULL);
        const char *allow = answer_header(answer, "Allow");
        ck_assert_msg(answer->status == 405 && answer->length == 0, "%s: %s", path,
                      answer_text(answer));
        ck_assert_msg(answer_header(answer, "Content-Type") == NULL, "%s", answer->head);
        ck_assert_msg(allow != NULL && strcmp(allow, rows[i].allow) == 0, "%s", answer->head);
    }
}
END_TEST

/* ------------------------------------------------------------------------------- forms */

START_TEST(a_form_without_its_field_or_with_half_of_it_is_told_so) {
    static const struct {
        const char *body, *says;
    } rows[] = {{"", "Payload expected."},
                {"d=", "Payload expected."},
                {"p=p", "Payload expected."},
                {"d=%5B%22x", "Broken JSON encoding."}};
    static const char form[] = "Content-Type: application/x-www-form-urlencoded";
    const char *base = fresh("echo");
    const struct answer *answer = ask("GET", keepf("%s/jsonp?c=x", base), NULL, NULL);

    ck_assert_str_eq(answer->body, "/**/x(\"o\");\r\n");
    for (size_t i = 0; i < 4; i++) {
        answer = ask("POST", keepf("%s/jsonp_send", base), rows[i].body, form);
        ck_assert_int_eq(answer->status, 500);
        ck_assert_str_eq(answer->body, rows[i].says);
    }
    ck_assert_str_eq(ask("POST", keepf("%s/jsonp_send", base), "d=%5B%5D", form)->body, "ok");
    ck_assert_str_eq(ask("POST", keepf("%s/jsonp_send", base), "d=%5B%22b%22%5D", form)->body,
                     "ok");
    ck_assert_str_eq(
        ask("POST", keepf("%s/jsonp_send", base), "[\"%61\"]", "Content-Type: text/plain")->body,
        "ok");
    answer = ask("GET", keepf("%s/jsonp?c=x", base), NULL, NULL);
    ck_assert_str_eq(answer->body, "/**/x(\"a[\\\"b\\\",\\\"%61\\\"]\");\r\n");
    base = fresh("close");
    ask("GET", keepf("%s/jsonp?c=x", base), NULL, NULL);
    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(ask("GET", keepf("%s/jsonp?c=x", base), NULL, NULL)->body,
                         "/**/x(\"c[3000,\\\"Go away!\\\"]\");\r\n");
}
END_TEST

/* What a JavaScript engine would not read back, if it came as it is: each is an escape. */
START_TEST(letters_that_break_scripts_come_as_escapes) {
    static const char *const ranges[][2] = {
        {"0000", "001f"}, {"200c", "200f"}, {"2028", "202f"}, {"2060", "206f"}, {"fff0", "ffff"}};
    const char *base = fresh("echo");
    ck_assert_str_eq(ask("POST", keepf("%s/xhr", base), "", NULL)->body, "o\n");
    for (size_t i = 0; i < 5; i++) {
        const char *text = "";
        unsigned first = (unsigned)strtoul(ranges[i][0], NULL, 16);
        unsigned last = (unsigned)strtoul(ranges[i][1], NULL, 16);
        for (unsigned c = first; c <= last; c++)
            text = keepf("%s\\u%04x", text, c);
        must_send(base, keepf("[\"%s\"]", text));
        const char *frame = ask("POST", keepf("%s/xhr", base), "", NULL)->body;
        json_t *list = json_loads(frame + 1, JSON_ALLOW_NUL, NULL), *wanted;
        for (const char *at = frame; *at != '\n'; at++)
            ck_assert_msg((unsigned char)*at >= 0x20 && (unsigned char)*at < 0x7f, "%s", frame);
        wanted = json_loads(keepf("[\"%s\"]", text), JSON_ALLOW_NUL, NULL);
        ck_assert_msg(list != NULL && json_equal(list, wanted), "%s: %s", text, frame);
        json_decref(list);
        json_decref(wanted);
    }
}
END_TEST

/* -------------------------------------------------------------------------- WebSockets */

static struct websock *handshake(const char *path, const char *version, const char *connection) {
    int fd = wire_tcp(lab.port);
    const char *hello = keepf("GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                              "Connection: %s\r\nSec-WebSocket-Version: %s\r\n"
                              "Sec-WebSocket-Origin: http://asd\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                              path, connection, version);
    ck_assert(fd >= 0);
    return websock_raw(fd, hello, strlen(hello));
}

START_TEST(browsers_of_2011_open_websockets) {
    static const char *const versions[] = {"7", "8", "13"};
    for (size_t i = 0; i < 3; i++) {
        const char *path = keepf("%s/websocket", fresh("echo"));
        struct websock *socket =
            handshake(path, versions[i], i ? "keep-alive, Upgrade" : "Upgrade");
        ck_assert_int_eq(websock_reach_status(socket), 101);
        ck_assert_ptr_null(strcasestr(socket->head, "\nContent-Length:"));
        ck_assert_str_eq(websock_reach_text(socket), "o");
        websock_say(socket, "[\"a\"]");
        ck_assert_str_eq(websock_reach_text(socket), "a[\"a\"]");
        websock_close(socket);
    }
    struct websock *socket = handshake(keepf("%s/websocket", fresh("echo")), "9", "Upgrade");
    ck_assert_int_eq(websock_reach_status(socket), 426);
    websock_close(socket);
}
END_TEST

START_TEST(the_same_id_may_be_used_by_two_websockets) {
    const char *path = keepf("%s/websocket", fresh("echo"));
    struct websock *one = handshake(path, "13", "Upgrade"), *two = handshake(path, "13", "Upgrade");
    struct websock *both[] = {one, two};

    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(websock_reach_text(both[i]), "o");
    for (int i = 0; i < 2; i++) {
        websock_say(both[i], keepf("\"%d\"", i));
        ck_assert_str_eq(websock_reach_text(both[i]), keepf("a[\"%d\"]", i));
    }
    websock_close(one);
    websock_say(two, "[\"on\"]");
    ck_assert_str_eq(websock_reach_text(two), "a[\"on\"]");
    websock_close(two);
}
END_TEST

START_TEST(a_handshake_without_upgrade_in_connection_is_told_so) {
    const struct request request = {.path = "/sockjs/echo/0/0/websocket",
                                    .headers = {"Upgrade: WebSocket", "Connection: close"}};
    const struct answer *answer = http_send(&lab, &request);
    ck_assert_msg(answer->status == 400, "%s", answer_text(answer));
    ck_assert_msg(strcmp(answer->body, "\"Connection\" must be \"Upgrade\".") == 0 ||
                      /* lighttpd keeps both fields for itself */
                      strcmp(answer->body, "Can \"Upgrade\" only to \"WebSocket\".") == 0,
                  "%s", answer_text(answer));
}
END_TEST

/* --------------------------------------------------------------------------- heartbeats */

/* Who holds a request hears from it within 25 s: here within the times that the test set. */
START_TEST(what_is_held_is_kept_alive) {
    static const char *const servers[] = {"lighttpd-socket", "nginx", "apache"};
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "sockjs-beats");
    lab_conf(&lab, conf);
    lab_set(&lab, "TIMEOUT", "1");
    lab_set(&lab, "KEEPALIVE", "1");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_web(&lab, servers[_i], 2);
    const char *base = fresh("echo");
    ck_assert_str_eq(ask("POST", keepf("%s/xhr", base), "", NULL)->body, "o\n");
    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(ask("POST", keepf("%s/xhr", base), "", NULL)->body, "h\n");
    ck_assert_str_eq(ask("GET", keepf("%s/jsonp?c=x", base), NULL, NULL)->body,
                     "/**/x(\"h\");\r\n");
    must_send(base, "[\"x\"]"); /* the session goes on */
    ck_assert_str_eq(ask("POST", keepf("%s/xhr", base), "", NULL)->body, "a[\"x\"]\n");
    static const char *const beats[] = {"o\nh\n", "data: o\r\n\r\ndata: h\r\n\r\n",
                                        "\n<script>\np(\"h\");\n</script>\r\n"};
    for (size_t i = 0; i < KINDS; i++) {
        struct line line = open_stream(&kinds[i], fresh("echo"), "1.0");
        while (strstr(line.text, beats[i]) == NULL)
            ck_assert_msg(line_read(&line), "%s: no heartbeat in %s", kinds[i].path, line.text);
        close(line.fd);
    }
}
END_TEST

/* ------------------------------------------------------------------------------- aborts */

/* Who breaks off a request finds his session closed, or a new one; never a session that is busy for
 * ever. Apache tells of it only when a write fails, lighttpd only when a head is out. */
START_TEST(a_request_that_is_aborted_frees_its_session) {
    const char *base = fresh("echo");
    bool streams = _i == 0;
    const struct request receiver = {.method = "POST",
                                     .path =
                                         keepf("%s/%s", base, streams ? "xhr_streaming" : "xhr"),
                                     .body = ""};

    if (!streams)
        ck_assert_str_eq(ask("POST", keepf("%s/xhr", base), "", NULL)->body, "o\n");
    struct flight *flight = http_begin(&lab, &receiver);
    if (streams)
        until((http_pump(20), strstr(http_so_far(flight), "\no\n") != NULL), "no o");
    else
        http_reach_session(&lab);
    http_abandon(flight);
    until(({
              ask("POST", keepf("%s/xhr_send", base), keepf("[\"%*s\"]", 3000, ""), NULL);
              const char *body = ask("POST", keepf("%s/xhr", base), "", NULL)->body;
              strncmp(body, "c[2010,", 7) != 0;
          }),
          "it is held");
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, what_begins_a_stream_and_each_frame_arrive_apart);
    tcase_add_test(tests, http_1_0_has_streams_and_polls);
    tcase_add_test(tests, answers_of_every_kind_carry_the_cookie);
    tcase_add_test(tests, answers_of_every_kind_have_their_type_and_nobody_keeps_them);
    tcase_add_test(tests, a_preflight_that_asks_for_no_fields_is_granted_none);
    tcase_add_test(tests, fields_that_are_asked_for_are_granted_beside_the_answer_too);
    tcase_add_test(tests, a_method_that_is_none_is_told_which_there_are_and_no_more);
    tcase_add_test(tests, a_form_without_its_field_or_with_half_of_it_is_told_so);
    tcase_add_test(tests, letters_that_break_scripts_come_as_escapes);
    tcase_add_test(tests, browsers_of_2011_open_websockets);
    tcase_add_test(tests, the_same_id_may_be_used_by_two_websockets);
    tcase_add_test(tests, a_handshake_without_upgrade_in_connection_is_told_so);
    tcase_add_loop_test(tests, a_request_that_is_aborted_frees_its_session, 0, 2);
}

int main(void) {
    Suite *suite = suite_create("sockjs-wire");

    e2e_take_test_services();
    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    tcase_add_loop_test(e2e_case(suite, "heartbeats", NULL, teardown), what_is_held_is_kept_alive,
                        0, 3);
    return e2e_run(suite);
}
