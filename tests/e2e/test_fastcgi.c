/* FastCGI by the book (FastCGI Specification 1.0), spoken by hand to the application's
 * socket: what web servers send rarely, or never, and a careful one might.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RESPONDER = 1, KEEP = 1, CANT_MPX_CONN = 1, UNKNOWN_ROLE = 3, VALUES = 10, UNKNOWN = 11 };

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "fastcgi");
    lab_set(&lab, "REQUEST_TIMEOUT", "60");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_app(&lab, 0);
}

static void teardown(void) {
    lab_close(&lab);
}

/* ------------------------------------------------------------------------- sending */

static void add(struct bytes *bytes, unsigned type, unsigned id, const void *data, size_t length,
                unsigned padding) {
    size_t at = bytes->length;
    char zeros[255];

    memset(zeros, 0xee, sizeof zeros); /* whatever they are */
    fcgi_record(bytes, (enum fcgi_type)type, id, data, length);
    bytes->data[at + 6] = (char)padding;
    bytes_add(bytes, zeros, padding);
}

static void add_begin(struct bytes *bytes, unsigned id, unsigned role, unsigned flags) {
    const char body[8] = {(char)(role >> 8), (char)role, (char)flags};
    add(bytes, FCGI_BEGIN, id, body, sizeof body, 0);
}

/* A whole request, each stream in records of `piece` bytes with `padding` behind them. */
static void add_request(struct bytes *bytes, unsigned id, unsigned flags, const char *method,
                        const char *uri, const char *body, size_t length, size_t piece,
                        unsigned padding) {
    struct bytes params = {0};

    fcgi_params(&params, method, uri, NULL, length);
    add_begin(bytes, id, RESPONDER, flags);
    for (size_t at = 0; at < params.length; at += piece)
        add(bytes, FCGI_PARAMS, id, params.data + at,
            params.length - at < piece ? params.length - at : piece, padding);
    add(bytes, FCGI_PARAMS, id, NULL, 0, padding);
    for (size_t at = 0; at < length; at += piece)
        add(bytes, FCGI_STDIN, id, body + at, length - at < piece ? length - at : piece, padding);
    add(bytes, FCGI_STDIN, id, NULL, 0, padding);
}

static void add_get(struct bytes *bytes, unsigned id, unsigned flags, const char *uri) {
    add_request(bytes, id, flags, "GET", uri, NULL, 0, 65535, 0);
}

static void add_question(struct bytes *bytes) {
    struct bytes names = {0};

    fcgi_param(&names, "FCGI_MAX_CONNS", "");
    fcgi_param(&names, "FCGI_MPXS_CONNS", "");
    fcgi_param(&names, "FCGI_MAX_REQS", "");
    fcgi_param(&names, "NOBODY_KNOWS", "");
    add(bytes, FCGI_GET_VALUES, 0, names.data, names.length, 3);
}

static int connect_app(void) {
    int fd = wire_unix(lab.app_socket[0]);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static void say(int fd, struct bytes *bytes) {
    ck_assert(wire_send(fd, bytes->data, bytes->length));
    bytes->length = 0;
}

/* ------------------------------------------------------------------------- reading */

struct record {
    unsigned type, id; /* type 0: the connection has ended */
    size_t length;
    char *content; /* kept, with an end byte */
};

static size_t read_all(int fd, char *to, size_t want) {
    size_t got = 0;

    while (got < want) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        ck_assert_msg(poll(&poll_fd, 1, PATIENCE_MS) == 1, "nothing comes");
        ssize_t n = recv(fd, to + got, want - got, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

static struct record next(int fd) {
    unsigned char header[8];
    struct record record = {0};

    if (read_all(fd, (char *)header, sizeof header) < sizeof header)
        return record;
    ck_assert_uint_eq(header[0], 1);
    record.type = header[1];
    record.id = (unsigned)(header[2] << 8 | header[3]);
    record.length = (size_t)(header[4] << 8 | header[5]);
    record.content = keep(calloc(1, record.length + 256 + 1));
    size_t rest = record.length + header[6];
    ck_assert_uint_eq(read_all(fd, record.content, rest), rest);
    record.content[record.length] = '\0';
    return record;
}

/* The records of request `id` up to its end, which has this protocol status; its output. */
static const char *must_end(int fd, unsigned id, int status) {
    char *text = keepf("%s", "");

    for (;;) {
        struct record record = next(fd);
        ck_assert_msg(record.type != 0, "the connection ended behind: %s", text);
        ck_assert_msg(record.id == id, "a record of type %u for id %u", record.type, record.id);
        if (record.type == FCGI_END) {
            ck_assert_int_eq(record.content[4], status);
            ck_assert_int_eq(record.length, 8);
            return text;
        }
        ck_assert_uint_eq(record.type, FCGI_STDOUT);
        text = keepf("%s%s", text, record.content);
    }
}

static void must_close(int fd) {
    ck_assert_uint_eq(next(fd).type, 0);
    close(fd);
}

static void must_be_values(int fd) {
    struct record record = next(fd);

    ck_assert_uint_eq(record.type, VALUES);
    ck_assert_uint_eq(record.id, 0);
    char *text = record.content;
    size_t seen = 0;
    while (text < record.content + record.length) {
        const char *name = keepf("%.*s", text[0], text + 2);
        const char *value = keepf("%.*s", text[1], text + 2 + text[0]);
        if (strcmp(name, "FCGI_MPXS_CONNS") == 0)
            ck_assert_str_eq(value, "0");
        else
            ck_assert_int_gt(atoi(value), 0);
        ck_assert_ptr_null(strstr(name, "NOBODY"));
        text += 2 + text[0] + text[1];
        seen++;
    }
    ck_assert_uint_eq(seen, 3);
}

static void must_be_unknown(int fd, unsigned type) {
    struct record record = next(fd);

    ck_assert_uint_eq(record.type, UNKNOWN);
    ck_assert_uint_eq(record.id, 0);
    ck_assert_uint_eq(record.length, 8);
    ck_assert_uint_eq((unsigned char)record.content[0], type);
}

static void must_be_info(const char *text) {
    ck_assert_msg(strstr(text, "Status: 200") != NULL && strstr(text, "\"limits\"") != NULL, "%s",
                  text);
}

static size_t figure(const char *name) {
    const struct answer *answer = fcgi_get(lab.app_socket[0], "/comet/status");
    return (size_t)json_integer_value(json_object_get(answer->json, name));
}

/* A kept connection on which a wait, or what `endpoint` says, is parked. */
static int parked(const char *endpoint, unsigned id, unsigned flags, const char *channel) {
    struct bytes bytes = {0};
    int fd = connect_app();

    add_get(&bytes, id, flags, keepf("/comet/%s?channel=%s&timeout=55", endpoint, channel));
    say(fd, &bytes);
    until(figure("waiters") == 1, "nobody waits");
    return fd;
}

/* --------------------------------------------------------------------------- tests */

START_TEST(questions_about_the_connection_are_answered_wherever_they_stand) {
    const char *channel = keep_fresh("asked");
    struct bytes bytes = {0}, params = {0};
    int fd = connect_app();

    add_question(&bytes);
    say(fd, &bytes);
    must_be_values(fd);
    fcgi_params(&params, "GET", "/comet/info", NULL, 0);
    add_begin(&bytes, 1, RESPONDER, KEEP); /* in the midst of a request */
    add_question(&bytes);
    add(&bytes, FCGI_PARAMS, 1, params.data, 10, 0);
    add_question(&bytes);
    add(&bytes, FCGI_PARAMS, 1, params.data + 10, params.length - 10, 0);
    add(&bytes, FCGI_PARAMS, 1, NULL, 0, 0);
    add_question(&bytes);
    say(fd, &bytes);
    for (int i = 0; i < 3; i++)
        must_be_values(fd);
    add(&bytes, FCGI_STDIN, 1, NULL, 0, 0);
    say(fd, &bytes);
    must_be_info(must_end(fd, 1, 0));
    add_question(&bytes); /* on a connection that rests */
    say(fd, &bytes);
    must_be_values(fd);
    add_get(&bytes, 1, KEEP, keepf("/comet/wait?channel=%s", channel));
    say(fd, &bytes);
    until(figure("waiters") == 1, "nobody waits");
    for (int i = 0; i < 50; i++)
        add_question(&bytes); /* while a request is parked */
    say(fd, &bytes);
    for (int i = 0; i < 50; i++)
        must_be_values(fd);
    ck_assert_uint_eq(figure("waiters"), 1);
    store_add(&lab, channel, "\"awaited\"");
    ck_assert_ptr_nonnull(strstr(must_end(fd, 1, 0), "awaited"));
    close(fd);
}
END_TEST

START_TEST(unknown_types_are_answered_and_harm_nothing) {
    static const struct {
        unsigned type, id;
        bool answered;
    } rows[] = {{42, 0, true},  {255, 0, true}, {12, 0, true}, {0, 0, true},   {1, 0, true},
                {4, 0, true},   {5, 0, true},   {42, 1, true}, {200, 7, true}, {10, 0, false},
                {11, 0, false}, {9, 1, false},  {3, 1, false}, {6, 1, false},  {7, 1, false},
                {8, 1, false},  {2, 9, false},  {4, 9, false}, {5, 9, false}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes bytes = {0}, params = {0};
        int fd = connect_app();

        fcgi_params(&params, "GET", "/comet/info", NULL, 0);
        add_begin(&bytes, 1, RESPONDER, KEEP);
        add(&bytes, rows[i].type, rows[i].id, "12345678", 8, 5);
        add(&bytes, FCGI_PARAMS, 1, params.data, params.length, 1);
        add(&bytes, FCGI_PARAMS, 1, NULL, 0, 0);
        add(&bytes, rows[i].type, rows[i].id, NULL, 0, 0);
        add(&bytes, FCGI_STDIN, 1, NULL, 0, 0);
        say(fd, &bytes);
        for (int k = 0; k < 2 && rows[i].answered; k++)
            must_be_unknown(fd, rows[i].type);
        must_be_info(must_end(fd, 1, 0));
        if (rows[i].type != FCGI_BEGIN) {
            add(&bytes, rows[i].type, rows[i].id, "12345678", 8, 0); /* between two requests */
            add_get(&bytes, 1, 0, "/comet/info");
            say(fd, &bytes);
            if (rows[i].answered)
                must_be_unknown(fd, rows[i].type);
            must_be_info(must_end(fd, 1, 0));
        }
        close(fd);
    }
}
END_TEST

START_TEST(an_abort_ends_what_is_parked) {
    static const char *const held[] = {"wait", "events", "stream", "multipart", "jsonp"};
    const char *endpoint = held[_i / 2], *channel = keep_fresh("aborted");
    unsigned id = _i % 2 ? 1 : 513;
    struct bytes bytes = {0};
    int fd = parked(endpoint, id, _i % 2, channel);

    add(&bytes, FCGI_ABORT, id + 1, NULL, 0, 0); /* nobody's */
    add(&bytes, FCGI_ABORT, id, NULL, 0, 9);
    say(fd, &bytes);
    (void)must_end(fd, id, 0);
    until(figure("waiters") == 0 && figure("clients") == 1, "it is still held");
    if (_i % 2 == 0) {
        must_close(fd);
        return;
    }
    add(&bytes, FCGI_ABORT, id, NULL, 0, 0); /* too late */
    add_get(&bytes, id, 0, "/comet/info");
    say(fd, &bytes);
    must_be_info(must_end(fd, id, 0));
    must_close(fd);
}
END_TEST

START_TEST(an_abort_ends_what_is_on_its_way) {
    struct bytes bytes = {0}, params = {0};
    int fd = connect_app();

    fcgi_params(&params, "POST", "/comet/publish?channel=open-aborted", NULL, 5);
    add_begin(&bytes, 3, RESPONDER, KEEP);
    add(&bytes, FCGI_ABORT, 3, NULL, 0, 0);
    say(fd, &bytes);
    must_end(fd, 3, 0);
    add_begin(&bytes, 3, RESPONDER, KEEP);
    add(&bytes, FCGI_PARAMS, 3, params.data, params.length, 0);
    add(&bytes, FCGI_PARAMS, 3, NULL, 0, 0);
    add(&bytes, FCGI_STDIN, 3, "hello", 5, 0);
    add(&bytes, FCGI_ABORT, 3, NULL, 0, 0);
    add(&bytes, FCGI_STDIN, 3, NULL, 0, 0); /* its rest, sent before the end was read */
    say(fd, &bytes);
    must_end(fd, 3, 0);
    add_get(&bytes, 4, 0, "/comet/info");
    say(fd, &bytes);
    must_be_info(must_end(fd, 4, 0));
    must_close(fd);
    ck_assert_int_eq(store_held(&lab, "open-aborted"), 0);
}
END_TEST

START_TEST(a_second_request_on_a_busy_connection_is_told_so) {
    const char *channel = keep_fresh("busy");
    struct bytes bytes = {0};
    char *body = keep(calloc(1, 200000));
    int fd = parked(_i ? "events" : "wait", 1, KEEP, channel);

    if (_i)
        (void)next(fd); /* where it begins */
    for (unsigned id = 2; id < 6; id++) {
        add_request(&bytes, id, KEEP, id % 2 ? "GET" : "POST", "/comet/info", body,
                    id % 2 ? 0 : 200000, 65535, 200);
        say(fd, &bytes);
        if (_i == 0)
            must_end(fd, id, CANT_MPX_CONN);
    }
    ck_assert_uint_eq(figure("waiters"), 1);
    if (_i) {
        for (unsigned id = 2; id < 6; id++)
            must_end(fd, id, CANT_MPX_CONN);
        store_add(&lab, channel, "\"awaited\"");
        struct record record = next(fd);
        ck_assert_uint_eq(record.id, 1);
        ck_assert_ptr_nonnull(strstr(record.content, "awaited"));
        close(fd);
        return;
    }
    store_add(&lab, channel, "\"awaited\"");
    ck_assert_ptr_nonnull(strstr(must_end(fd, 1, 0), "awaited"));
    add_get(&bytes, 2, 0, "/comet/info"); /* not busy any more */
    say(fd, &bytes);
    must_be_info(must_end(fd, 2, 0));
    must_close(fd);
}
END_TEST

START_TEST(a_request_that_begins_within_another_is_told_so) {
    struct bytes bytes = {0}, params = {0};
    int fd = connect_app();

    fcgi_params(&params, "GET", "/comet/info", NULL, 0);
    add_begin(&bytes, 1, RESPONDER, 0);
    add_begin(&bytes, 2, RESPONDER, KEEP);
    add(&bytes, FCGI_PARAMS, 2, "\1\1ab", 4, 0);
    add(&bytes, FCGI_PARAMS, 1, params.data, params.length, 0);
    add(&bytes, FCGI_PARAMS, 2, NULL, 0, 0);
    add(&bytes, FCGI_PARAMS, 1, NULL, 0, 0);
    add(&bytes, FCGI_STDIN, 2, NULL, 0, 0);
    say(fd, &bytes);
    must_end(fd, 2, CANT_MPX_CONN);
    add(&bytes, FCGI_STDIN, 1, NULL, 0, 0);
    say(fd, &bytes);
    must_be_info(must_end(fd, 1, 0));
    must_close(fd);
}
END_TEST

START_TEST(another_role_than_a_responders_is_told_so) {
    static const unsigned roles[] = {0, 2, 3, 4, 257, 65535};

    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        for (unsigned keep_it = 0; keep_it < 2; keep_it++) {
            struct bytes bytes = {0}, params = {0};
            int fd = connect_app();

            fcgi_params(&params, "GET", "/comet/info", NULL, 0);
            add_begin(&bytes, 9, roles[i], keep_it);
            add(&bytes, FCGI_PARAMS, 9, params.data, params.length, 0);
            add(&bytes, FCGI_PARAMS, 9, NULL, 0, 0);
            add(&bytes, FCGI_STDIN, 9, NULL, 0, 0);
            say(fd, &bytes);
            must_end(fd, 9, UNKNOWN_ROLE);
            if (keep_it) {
                add_get(&bytes, 9, 0, "/comet/info");
                say(fd, &bytes);
                must_be_info(must_end(fd, 9, 0));
            }
            must_close(fd);
        }
}
END_TEST

START_TEST(a_conversation_may_come_in_any_pieces) {
    static const size_t pieces[] = {1, 2, 3, 7, 8, 9, 64, 1000, 65536};
    struct bytes bytes = {0};

    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const char *body = "pieces";
        unsigned padding = pieces[i] < 64 ? 3 : 255;
        int fd = connect_app();
        bytes.length = 0;
        add_question(&bytes);
        add_request(&bytes, 65535, KEEP, "POST", "/comet/publish?channel=open-pieces", body, 6, 1,
                    padding);
        add(&bytes, 77, 0, "x", 1, 255);
        add_request(&bytes, 65535, 0, "GET", "/comet/info", NULL, 0, 1, padding);
        for (size_t at = 0; at < bytes.length; at += pieces[i])
            ck_assert(wire_send(fd, bytes.data + at,
                                bytes.length - at < pieces[i] ? bytes.length - at : pieces[i]));
        must_be_values(fd);
        const char *text = keepf("%s", "");
        bool unknown = false;
        for (int ends = 0; ends < 2;) { /* the reply to type 77 comes when it is read */
            struct record record = next(fd);
            ck_assert_uint_ne(record.type, 0);
            unknown |= record.type == UNKNOWN;
            ends += record.type == FCGI_END;
            text = keepf("%s%s", text, record.content);
        }
        ck_assert(unknown);
        ck_assert_ptr_nonnull(strstr(text, "\"id\""));
        ck_assert_ptr_nonnull(strstr(text, "\"limits\""));
        must_close(fd);
    }
    ck_assert_int_eq(store_held(&lab, "open-pieces"), sizeof pieces / sizeof *pieces);
}
END_TEST

START_TEST(requests_in_one_go_on_a_kept_connection_are_answered_in_turn) {
    enum { MANY = 30 };
    struct bytes bytes = {0};
    int fd = connect_app();

    for (int i = 0; i < MANY; i++)
        add_get(&bytes, 1, i < MANY - 1 ? KEEP : 0,
                i % 3 ? keepf("/comet/poll?channel=many-%d", i) : "/comet/info");
    say(fd, &bytes);
    for (int i = 0; i < MANY; i++) {
        const char *text = must_end(fd, 1, 0);
        ck_assert_msg(strstr(text, i % 3 ? keepf("many-%d@", i) : "\"limits\"") != NULL, "%d: %s",
                      i, text);
    }
    must_close(fd);
}
END_TEST

START_TEST(what_comes_behind_a_last_request_is_nobodys) {
    struct bytes bytes = {0};
    int fd = connect_app();

    add_get(&bytes, 1, 0, "/comet/info");
    add_get(&bytes, 1, 0, "/comet/info");
    say(fd, &bytes);
    must_be_info(must_end(fd, 1, 0));
    must_close(fd);
}
END_TEST

START_TEST(a_large_body_may_be_cut_and_padded_anywhere) {
    enum { SIZE = 300000 };
    static const size_t pieces[] = {7, 1000, 65535};
    char *body = keep(malloc(SIZE));
    struct bytes bytes = {0};

    memset(body, 'x', SIZE);
    body[0] = body[SIZE - 1] = '"';
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const char *channel = keep_fresh("big");
        int fd = connect_app();
        bytes.length = 0;
        add_request(&bytes, 1, KEEP, "POST", keepf("/comet/publish?channel=%s", channel), body,
                    SIZE, pieces[i], i == 0 ? 1 : 255);
        say(fd, &bytes);
        ck_assert_ptr_nonnull(strstr(must_end(fd, 1, 0), "\"id\""));
        add_get(&bytes, 1, 0, keepf("/comet/poll?channel=%s&since=start", channel));
        say(fd, &bytes);
        ck_assert_uint_gt(strlen(must_end(fd, 1, 0)), SIZE);
        must_close(fd);
    }
}
END_TEST

/* With SIGTERM in the midst of it: what is on its way may still come, and all ends well. */
START_TEST(a_drain_in_the_midst_of_a_large_body_ends_well) {
    struct bytes bytes = {0};
    char *body = keep(calloc(1, 1000000));

    add_request(&bytes, 1, 0, "POST", "/comet/publish?channel=big-drained", body, 1000000, 65535,
                0);
    size_t half = bytes.length / 2;
    int fd = connect_app(), silent = connect_app();
    ck_assert(wire_send(fd, bytes.data, half) && wire_send(silent, bytes.data, half));
    until(figure("requests_large") == 2, "it is not being read");
    proc_signal(&lab.app[0], SIGTERM);
    until(access(lab.app_socket[0], F_OK) != 0, "it goes on listening");
    if (_i == 0) {
        ck_assert(wire_send(fd, bytes.data + half, bytes.length - half));
        struct record record = next(fd);
        ck_assert_uint_eq(record.type, FCGI_STDOUT);
    }
    ck_assert_int_eq(proc_wait(&lab.app[0]), 0); /* six seconds at most; the other stays silent */
    close(fd);
    close(silent);
    lab_app(&lab, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fastcgi");
    TCase *book = e2e_case(suite, "book", setup, teardown);
    TCase *drain = e2e_case(suite, "drain", NULL, NULL);

    tcase_add_test(book, questions_about_the_connection_are_answered_wherever_they_stand);
    tcase_add_test(book, unknown_types_are_answered_and_harm_nothing);
    tcase_add_loop_test(book, an_abort_ends_what_is_parked, 0, 8);
    tcase_add_test(book, an_abort_ends_what_is_on_its_way);
    tcase_add_loop_test(book, a_second_request_on_a_busy_connection_is_told_so, 0, 2);
    tcase_add_test(book, a_request_that_begins_within_another_is_told_so);
    tcase_add_test(book, another_role_than_a_responders_is_told_so);
    tcase_add_test(book, a_conversation_may_come_in_any_pieces);
    tcase_add_test(book, requests_in_one_go_on_a_kept_connection_are_answered_in_turn);
    tcase_add_test(book, what_comes_behind_a_last_request_is_nobodys);
    tcase_add_test(book, a_large_body_may_be_cut_and_padded_anywhere);
    tcase_add_checked_fixture(drain, setup, teardown);
    tcase_add_loop_test(drain, a_drain_in_the_midst_of_a_large_body_ends_well, 0, 2);
    return e2e_run(suite);
}
