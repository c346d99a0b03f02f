/* fcgi-app/door/request: whole requests, read by libfcgi from a socket pair. */
#include "fcgi-app/door/request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi-app/door/fcgi/cgi.h"
#include "tests/lib/keep.h"
#include "tests/unit/records.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { BODY_MAX = 1000 };

static struct request *request;
static const struct request_taker *taker; /* whom it is for, or NULL */
static int server, own;

static void begin(void) {
    int ends[2];
    static int once;

    if (once++ == 0)
        ck_assert_int_eq(cgi_init(), ERR_OK);
    socket_pair(ends);
    server = ends[0];
    own = ends[1];
    request = NULL;
}

static void end(void) {
    request_free(request);
    request = NULL;
    close(server);
}

/* Reads what `text` says; the descriptor stays open on success. */
static enum err read_text(const struct buf *text) {
    begin();
    socket_send(server, text->data, text->len);
    shutdown(server, SHUT_WR);
    enum err err = cgi_read(own, BODY_MAX, taker, &request);
    if (err == ERR_OK)
        ck_assert_int_eq(close(own), 0);
    return err;
}

static enum err read_request(const char *method, const char *uri, const char *const *names,
                             const void *body, size_t len) {
    struct buf text = buf_make(RECORDS_MAX);

    record_request(&text, 7, method, uri, names, body, len);
    enum err err = read_text(&text);
    buf_free(&text);
    return err;
}

START_TEST(a_whole_request_is_taken_apart) {
    static const char *const names[] = {
        "CONTENT_TYPE", "text/plain",  "HTTP_LAST_EVENT_ID", "chat@1-2", "HTTP_IDEMPOTENCY_KEY",
        "key",          "REMOTE_ADDR", "192.0.2.1",          NULL};

    ck_assert_int_eq(read_request("POST", "/comet/publish?channel=a&b=c", names, "pay\0load", 8),
                     ERR_OK);
    ck_assert_str_eq(request->method, "POST");
    request_mount(request, "/comet");
    ck_assert_str_eq(request->endpoint, "publish");
    ck_assert_str_eq(request->query, "channel=a&b=c");
    ck_assert_str_eq(request->content_type, "text/plain");
    ck_assert_str_eq(request->last_event_id, "chat@1-2");
    ck_assert_str_eq(request->idempotency_key, "key");
    ck_assert_str_eq(request->remote_addr, "192.0.2.1");
    ck_assert_uint_eq(request->body_len, 8);
    ck_assert_mem_eq(request->body, "pay\0load", 9);
    ck_assert(!request->body_over);
    ck_assert_uint_gt(request->bytes, 100);
    end();
}
END_TEST

START_TEST(what_a_server_does_not_say_is_empty) {
    ck_assert_int_eq(read_request("GET", "/comet/poll", NULL, "", 0), ERR_OK);
    ck_assert_str_eq(request->query, "");
    ck_assert_str_eq(request->content_type, "");
    ck_assert_str_eq(request->last_event_id, "");
    ck_assert_str_eq(request->remote_addr, "");
    ck_assert_uint_eq(request->body_len, 0);
    ck_assert_str_eq(request->body, "");
    end();
}
END_TEST

START_TEST(a_query_that_a_server_does_not_say_stands_in_the_uri) {
    static const char *const names[] = {"QUERY_STRING", "", NULL};

    ck_assert_int_eq(read_request("GET", "/comet/poll?channel=a&since=b?c", names, "", 0), ERR_OK);
    request_mount(request, "/comet");
    ck_assert_str_eq(request->endpoint, "poll");
    ck_assert_str_eq(request->query, "channel=a&since=b?c");
    end();
}
END_TEST

START_TEST(what_a_server_says_of_its_size_is_what_came) {
    static const struct {
        const char *said;
        size_t bytes;
    } rows[] = {{"512", 512}, {"8", 0}, {"7", 0}, {"", 0}, {"nonsense", 0}};
    const char *names[] = {"REQUEST_LENGTH", NULL, "HTTP_HOST", "localhost", NULL};

    for (size_t i = 0; i < ROWS(rows); i++) {
        names[1] = rows[i].said;
        ck_assert_int_eq(read_request("POST", "/comet/publish", names, "pay load", 8), ERR_OK);
        size_t bytes = rows[i].bytes > 0 ? rows[i].bytes /* else what can be counted */
                                         : strlen("POST /comet/publish HTTP/1.1\r\n"
                                                  "Content-Length: 8\r\nHost: localhost\r\n"
                                                  "\r\npay load");
        ck_assert_msg(request->bytes == bytes, "%s: %zu", rows[i].said, request->bytes);
        end();
    }
}
END_TEST

START_TEST(the_endpoint_is_what_the_uri_and_the_server_say) {
    static const char *const split[] = {"SCRIPT_NAME", "/comet", "PATH_INFO", "/poll", NULL};
    static const char *const whole[] = {"SCRIPT_NAME", "/comet/poll", NULL};
    static const char *const twice[] = {"SCRIPT_NAME", "/comet/poll", "PATH_INFO", "/comet/poll",
                                        NULL};
    static const struct {
        const char *uri;
        const char *const *names;
        const char *endpoint;
    } rows[] = {{"/comet/poll?a", NULL, "poll"},
                {"/comet/poll", split, "poll"},
                {"/comet/poll", whole, "poll"},
                {"/comet/poll", twice, "poll"},
                {"http://h/comet/poll", split, "poll"},
                {"/comet/wait", whole, ""},
                {"/comet/%70oll", split, ""},
                {"/live/chat", split, "poll"},
                {"/live/chat", NULL, ""},
                {"", split, "poll"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_int_eq(read_request("GET", rows[i].uri, rows[i].names, "", 0), ERR_OK);
        request_mount(request, "/comet");
        ck_assert_msg(strcmp(request->endpoint, rows[i].endpoint) == 0, "%zu %s: \"%s\"", i,
                      rows[i].uri, request->endpoint);
        end();
    }
}
END_TEST

START_TEST(a_rewritten_address_has_the_query_that_the_server_says) {
    static const char *const none[] = {"SCRIPT_NAME", "/comet/events", "QUERY_STRING", "", NULL};
    static const char *const said[] = {"SCRIPT_NAME", "/comet/events", "QUERY_STRING",
                                       "channel=chat", NULL};

    ck_assert_int_eq(read_request("GET", "/live/chat?channel=x", none, "", 0), ERR_OK);
    request_mount(request, "/comet");
    ck_assert_str_eq(request->query, "");
    end();
    ck_assert_int_eq(read_request("GET", "/live/chat?channel=x", said, "", 0), ERR_OK);
    request_mount(request, "/comet");
    ck_assert_str_eq(request->query, "channel=chat");
    end();
}
END_TEST

START_TEST(what_a_browser_and_proxies_say_of_themselves_is_kept) {
    static const char *const page[] = {"HTTP_ORIGIN",           "https://a", "HTTP_SEC_FETCH_SITE",
                                       "same-origin",           "HTTP_HOST", "a:443",
                                       "HTTP_X_FORWARDED_HOST", "b",         NULL};
    static const char *const proxies[] = {
        "HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED",         "HTTP_VIA",
        "HTTP_X_REAL_IP",       "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST"};

    ck_assert_int_eq(read_request("POST", "/comet/publish", page, "", 0), ERR_OK);
    ck_assert_str_eq(request->claims.origin, "https://a");
    ck_assert_str_eq(request->claims.fetch_site, "same-origin");
    ck_assert_str_eq(request->claims.host, "a:443");
    ck_assert_str_eq(request->claims.forwarded_host, "b");
    end();
    for (size_t i = 0; i < ROWS(proxies); i++) {
        const char *const said[] = {proxies[i], "x", NULL}, *const nothing[] = {proxies[i], "",
                                                                                NULL};
        ck_assert_int_eq(read_request("GET", "/comet/status", said, "", 0), ERR_OK);
        ck_assert_msg(request->proxied, "%s", proxies[i]);
        end();
        ck_assert_int_eq(read_request("GET", "/comet/status", nothing, "", 0), ERR_OK);
        ck_assert_msg(!request->proxied, "%s", proxies[i]);
        end();
    }
}
END_TEST

START_TEST(a_body_up_to_the_limit_is_whole_and_a_longer_one_is_cut) {
    static const struct {
        size_t len;
        bool over;
    } rows[] = {{BODY_MAX - 1, false},
                {BODY_MAX, false},
                {BODY_MAX + 1, true},
                {BODY_MAX + 16384, true},
                {60000, true}};
    char *body = keep(malloc(60000));

    memset(body, 'x', 60000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_msg(read_request("POST", "/publish", NULL, body, rows[i].len) == ERR_OK, "%zu",
                      rows[i].len);
        ck_assert_msg(request->body_over == rows[i].over, "%zu", rows[i].len);
        ck_assert_uint_eq(request->body_len, rows[i].over ? BODY_MAX : rows[i].len);
        ck_assert_int_eq(request->body[request->body_len], '\0');
        ck_assert_uint_ge(request->bytes, rows[i].len);
        end();
    }
}
END_TEST

START_TEST(a_body_shorter_than_was_said_is_told) {
    struct buf params = buf_make(1000), text = buf_make(10000);

    record_param(&params, "REQUEST_METHOD", "POST");
    record_param(&params, "REQUEST_URI", "/publish");
    record_param(&params, "CONTENT_LENGTH", "10");
    record_begin(&text, 1, 1);
    record_stream(&text, RECORD_PARAMS, 1, params.data, params.len, 65535);
    record_stream(&text, RECORD_STDIN, 1, "123456789", 9, 65535);
    ck_assert_int_eq(read_text(&text), ERR_OK);
    ck_assert(request->body_short);
    end();
    buf_free(&params);
    buf_free(&text);
}
END_TEST

START_TEST(a_request_that_is_cut_off_in_its_body_is_none) {
    struct buf text = buf_make(10000);

    record_request(&text, 1, "POST", "/publish", NULL, "0123456789", 10);
    for (size_t cut = 1; cut <= 8 + 16; cut++) { /* the last records: a body of 10 + 6, its end */
        struct buf part = text;
        part.len -= cut;
        ck_assert_msg(read_text(&part) == (cut <= 8 ? ERR_OK : ERR_SYNTAX) || request == NULL,
                      "cut by %zu", cut);
        end();
    }
    buf_free(&text);
}
END_TEST

START_TEST(names_and_values_of_every_length_form_are_read) {
    static const size_t lengths[] = {0, 1, 127, 128, 129, 5000};
    struct buf value = buf_make(10000);

    for (size_t i = 0; i < ROWS(lengths); i++) {
        buf_clear(&value);
        while (value.len < lengths[i])
            buf_char(&value, 'v');
        const char *const names[] = {"HTTP_LAST_EVENT_ID", lengths[i] > 0 ? value.data : "", NULL};
        ck_assert_int_eq(read_request("GET", "/poll", names, "", 0), ERR_OK);
        ck_assert_msg(strlen(request->last_event_id) == lengths[i], "%zu", lengths[i]);
        end();
    }
    buf_free(&value);
}
END_TEST

static struct buf large;

static void *send_large(void *ctx) {
    (void)ctx;
    socket_send(server, large.data, large.len);
    return NULL;
}

START_TEST(a_body_larger_than_the_socket_is_read_while_it_comes) {
    enum { SIZE = 4 * 1024 * 1024 };
    char *body = keep(malloc(SIZE));
    pthread_t sender;

    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)(i % 251);
    large = buf_make(RECORDS_MAX);
    record_request(&large, 1, "POST", "/publish", NULL, body, SIZE);
    begin();
    ck_assert_int_eq(pthread_create(&sender, NULL, send_large, NULL), 0);
    ck_assert_int_eq(cgi_read(own, SIZE, taker, &request), ERR_OK);
    pthread_join(sender, NULL);
    ck_assert_uint_eq(request->body_len, SIZE);
    ck_assert_int_eq(memcmp(request->body, body, SIZE), 0);
    close(own);
    end();
    buf_free(&large);
}
END_TEST

static said_set asked_for;

static said_set wants(void *ctx, struct request *asked) {
    (void)ctx;
    ck_assert_str_eq(asked->method, "GET"); /* the others are there already */
    return asked_for;
}

START_TEST(what_is_dear_is_kept_only_if_it_is_wanted) {
    static const char *const names[] = {
        "HTTP_COOKIE", "a=b",   "HTTP_AUTHORIZATION", "Bearer x", "REMOTE_USER", "ann",
        "AUTH_TYPE",   "Basic", "HTTP_IF_NONE_MATCH", "\"1\"",    "HTTP_HOST",   "example.org",
        NULL};
    const struct request_taker some = {.wants = wants};

    for (int wanted = 0; wanted < 2; wanted++) {
        taker = &some;
        asked_for = wanted ? SAID_BIT(SAID_COOKIE) | SAID_BIT(SAID_REMOTE_USER) : 0;
        ck_assert_int_eq(read_request("GET", "/comet/poll", names, "", 0), ERR_OK);
        ck_assert_str_eq(request->cookie, wanted ? "a=b" : "");
        ck_assert_str_eq(request->remote_user, wanted ? "ann" : "");
        ck_assert_str_eq(request->authorization, "");
        ck_assert_str_eq(request->auth_type, "");
        ck_assert_str_eq(request->if_none_match, "");
        ck_assert_str_eq(request->claims.host, "example.org");
        ck_assert(request->credential); /* whoever wants it or not */
        end();
    }
    taker = NULL;
}
END_TEST

START_TEST(requests_are_compared_by_what_they_say) {
    static const char *const names[] = {"HTTP_COOKIE", "a=b", "HTTP_HOST", "h", NULL};
    static const char *const others[] = {"HTTP_COOKIE", "a=c", "HTTP_HOST", "h", NULL};
    const struct request_taker some = {.wants = wants};

    taker = &some;
    asked_for = SAID_BIT(SAID_COOKIE);
    ck_assert_int_eq(read_request("GET", "/comet/poll", names, "", 0), ERR_OK);
    struct request *one = request;
    close(server);
    ck_assert_int_eq(read_request("GET", "/comet/poll", others, "", 0), ERR_OK);
    ck_assert(request_same(one, request, SAID_BIT(SAID_HOST) | SAID_BIT(SAID_METHOD)));
    ck_assert(request_same(one, request, 0));
    ck_assert(!request_same(one, request, SAID_BIT(SAID_HOST) | SAID_BIT(SAID_COOKIE)));
    request_free(one);
    taker = NULL;
    end();
}
END_TEST

START_TEST(a_path_is_known_by_all_its_segments) {
    static const struct {
        const char *uri;
        size_t count;
        const char *last;
    } rows[] = {{"/comet/poll", 1, "poll"},
                {"/comet/poll?a/b", 1, "poll"},
                {"/comet/sockjs/echo/000/x%2Fy", 4, "x%2Fy"},
                {"/comet/a/b/c/d/e/f/g/h", 8, "h"},
                {"/comet/a/b/c/d/e/f/g/h/i", 0, NULL},
                {"/comet/...", 1, "..."},
                {"/comet/.a", 1, ".a"},
                {"/comet/", 0, NULL},
                {"/comet", 0, NULL},
                {"/comet//poll", 0, NULL},
                {"/comet/poll/", 0, NULL},
                {"/comet/poll//", 0, NULL},
                {"/comet/./poll", 0, NULL},
                {"/comet/poll/.", 0, NULL},
                {"/comet/x/../poll", 0, NULL},
                {"/comet/x/%2e%2E/poll", 0, NULL},
                {"/comet/x/.%2e;a=b/poll", 0, NULL},
                {"/comet/x/;a/poll", 0, NULL}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_int_eq(read_request("GET", rows[i].uri, NULL, "", 0), ERR_OK);
        request_mount(request, "/comet");
        ck_assert_msg(request->segment_count == rows[i].count, "%s: %zu", rows[i].uri,
                      request->segment_count);
        if (rows[i].count > 0) {
            const struct segment *last = &request->segments[rows[i].count - 1];
            assert_bytes(last->at, last->len, rows[i].last, rows[i].uri);
        } else {
            ck_assert_str_eq(request->endpoint, "");
        }
        end();
    }
}
END_TEST

START_TEST(freeing_nothing_is_safe) {
    request_free(NULL);
}
END_TEST

/* Becomes a CGI program: environment, standard input. */
static enum err read_cgi(const char *length, const char *body) {
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], body, strlen(body)), (int)strlen(body));
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    setenv("REQUEST_METHOD", "POST", 1);
    setenv("REQUEST_URI", "/cgi-bin/halley.fcgi/publish?channel=a", 1);
    setenv("QUERY_STRING", "channel=a", 1);
    if (length != NULL)
        setenv("CONTENT_LENGTH", length, 1);
    else
        unsetenv("CONTENT_LENGTH");
    return cgi_read_environment(BODY_MAX, taker, &request);
}

START_TEST(a_cgi_request_is_read_from_the_environment_and_standard_input) {
    ck_assert_int_eq(read_cgi("5", "hello and more"), ERR_OK);
    request_mount(request, "/cgi-bin/halley.fcgi");
    ck_assert_str_eq(request->endpoint, "publish");
    ck_assert_str_eq(request->query, "channel=a");
    ck_assert_str_eq(request->body, "hello"); /* what is behind is not the request's */
    request_free(request);
}
END_TEST

START_TEST(a_cgi_request_without_a_length_has_no_body) {
    ck_assert_int_eq(read_cgi(NULL, "hello"), ERR_OK);
    ck_assert_uint_eq(request->body_len, 0);
    request_free(request);
}
END_TEST

/* The web server may have cut it off, and tells nobody. */
START_TEST(a_cgi_body_in_chunks_may_not_be_whole) {
    setenv("HTTP_TRANSFER_ENCODING", "chunked", 1);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(read_cgi(i == 0 ? NULL : "5", "hello"), ERR_OK);
        ck_assert(request->body_short == (i == 0));
        request_free(request);
    }
}
END_TEST

/* CONTENT_LENGTH is what a web server has left of it. */
START_TEST(a_body_shorter_than_its_field_is_told) {
    for (int i = 0; i < 3; i++) {
        setenv("HTTP_CONTENT_LENGTH", i == 0 ? "5" : "2000", 1);
        ck_assert_int_eq(read_cgi(i == 2 ? "0" : "5", "hello"), ERR_OK);
        ck_assert(request->body_short == (i > 0));
        request_free(request);
    }
}
END_TEST

START_TEST(a_cgi_body_shorter_than_its_length_is_told) {
    ck_assert_int_eq(read_cgi("6", "hello"), ERR_OK);
    ck_assert(request->body_short);
}
END_TEST

UNIT_MAIN("request", what_is_dear_is_kept_only_if_it_is_wanted,
          requests_are_compared_by_what_they_say, a_path_is_known_by_all_its_segments,
          a_whole_request_is_taken_apart, what_a_server_does_not_say_is_empty,
          a_query_that_a_server_does_not_say_stands_in_the_uri,
          what_a_server_says_of_its_size_is_what_came,
          the_endpoint_is_what_the_uri_and_the_server_say,
          a_rewritten_address_has_the_query_that_the_server_says,
          what_a_browser_and_proxies_say_of_themselves_is_kept,
          a_body_up_to_the_limit_is_whole_and_a_longer_one_is_cut,
          a_body_shorter_than_was_said_is_told, a_request_that_is_cut_off_in_its_body_is_none,
          names_and_values_of_every_length_form_are_read,
          a_body_larger_than_the_socket_is_read_while_it_comes, freeing_nothing_is_safe,
          a_cgi_request_is_read_from_the_environment_and_standard_input,
          a_cgi_request_without_a_length_has_no_body, a_cgi_body_shorter_than_its_length_is_told,
          a_cgi_body_in_chunks_may_not_be_whole, a_body_shorter_than_its_field_is_told)
