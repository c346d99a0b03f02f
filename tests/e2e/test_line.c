/* The line feed: over TCP and a unix socket, with raw sockets that say what a script, a device
 * or a Flash applet says, whole or in pieces.
 *
 * Straight on the application. The bystander of most tests is the test's own Redis connection:
 * what is published must be in the history, what is in the history must come.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/pile.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct lab lab;
static int port; /* of the feed; 0: it is at a unix socket */

static const char rights[] = "[channel closed*]\nsubscribe = none\npublish = none\n"
                             "[channel silent*]\npublish = none\n"
                             "[channel rated*]\npublish = anyone\npublish_rate = 3/600\n"
                             "[channel short*]\npublish = anyone\nmax_message = 10\n"
                             "[channel *]\npublish = anyone\nhistory = 20000\n";

static const char *feed_path(void) {
    return keepf("%s/feed.sock", lab.dir);
}

static void open_lab(bool tcp) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "line");
    lab_conf(&lab, rights);
    lab_websockets(&lab);
    port = tcp ? lab_free_port() : 0;
    lab_set(&lab, "FEED", tcp ? keepf("tcp:127.0.0.1:%d", port) : keepf("unix:%s", feed_path()));
    lab_redis(&lab, REDIS_KEEPS_AOF);
}

static bool serves(void) {
    return fcgi_get(lab.app_socket[0], "/comet/health")->status == 200;
}

static void start(void) {
    lab_app(&lab, 0);
    until(serves(), "it does not serve");
}

static void setup_tcp(void) {
    open_lab(true);
    lab_set(&lab, "KEEPALIVE", "600");
    start();
}

static void setup_unix(void) {
    open_lab(false);
    lab_set(&lab, "KEEPALIVE", "600");
    start();
}

/* With an option of its own. */
static void setup_alone(bool tcp, const char *option, const char *value) {
    open_lab(tcp);
    lab_set(&lab, option, value);
    start();
}

static void teardown(void) {
    lab_close(&lab);
}

static size_t figure(const char *name) {
    const struct answer *answer = fcgi_get(lab.app_socket[0], "/comet/status");
    return (size_t)json_integer_value(json_object_get(answer->json, name));
}

/* --- a client --------------------------------------------------------------------------- */

struct talk {
    int fd;
    struct pile pile;
    bool over; /* the other side has ended */
};

static int dial(void) {
    return port ? wire_tcp(port) : wire_unix(feed_path());
}

static struct talk *talk(void) {
    struct talk *talk = keep(calloc(1, sizeof *talk));

    talk->fd = dial();
    ck_assert_msg(talk->fd >= 0, "nobody listens");
    return talk;
}

static void say(struct talk *talk, const char *text) {
    ck_assert(wire_send(talk->fd, text, strlen(text)));
}

static void hang_up(struct talk *talk) {
    close(talk->fd);
    pile_free(&talk->pile);
}

/* The next line, without its end; kept. NULL: the end. */
static const char *hear(struct talk *talk) {
    long end;
    int64_t until_ms = now_ms() + PATIENCE_MS;

    while ((end = pile_find(&talk->pile, "\n")) < 0 && !talk->over) {
        must(now_ms() < until_ms, "no line comes, but \"%s\"",
             talk->pile.length ? talk->pile.data : "");
        if (wire_stirs(talk->fd, 100))
            talk->over = !pile_read(&talk->pile, talk->fd);
    }
    if (end < 0)
        return NULL;
    const char *line = keepf("%.*s", (int)end, talk->pile.data);
    pile_drop(&talk->pile, (size_t)end + 1);
    return line;
}

static void must_hear(struct talk *talk, const char *wanted) {
    const char *line = hear(talk);

    ck_assert_msg(line != NULL, "the end in place of \"%s\"", wanted);
    ck_assert_msg(strcmp(line, wanted) == 0, "\"%s\" in place of \"%s\"", line, wanted);
}

/* A line that begins so, and has this in it. */
static const char *must_hear_of(struct talk *talk, const char *begin, const char *names) {
    const char *line = hear(talk);

    ck_assert_msg(line != NULL, "the end in place of \"%s\"", begin);
    ck_assert_msg(strncmp(line, begin, strlen(begin)) == 0 && strstr(line, names) != NULL,
                  "\"%s\" in place of \"%s ... %s\"", line, begin, names);
    return line;
}

static void must_end(struct talk *talk) {
    const char *line = hear(talk);

    ck_assert_msg(line == NULL, "\"%s\" in place of the end", line);
    ck_assert_msg(talk->pile.length == 0, "half a line at the end: %s", talk->pile.data);
}

static struct talk *subscribed(const char *channel, const char *since) {
    struct talk *one = talk();

    say(one, keepf("SUBSCRIBE %s%s%s\n", channel, *since ? " " : "", since));
    must_hear(one, "OK");
    return one;
}

static void must_bring(struct talk *talk, const char *channel, const char *data) {
    const char *line = must_hear_of(talk, keepf("MESSAGE %s ", channel), data);

    ck_assert_str_eq(line + strlen(line) - strlen(data), data);
}

/* --- commands --------------------------------------------------------------------------- */

static const struct {
    const char *line, *begin, *names; /* "": nothing is answered */
} answers[] = {
    {"PING", "PONG", ""},
    {"ping", "PONG", ""},
    {"PONG", "", ""},
    {"", "", ""},
    {"SUBSCRIBE plain", "OK", ""},
    {"SUBSCRIBE plain", "OK", ""},
    {"Subscribe a/b.c-d start", "OK", ""},
    {"SUBSCRIBE \"with a blank\" -5", "OK", ""},
    {"SUBSCRIBE \"\\u00e4\"", "OK", ""},
    {"UNSUBSCRIBE plain", "OK", ""},
    {"UNSUBSCRIBE never", "OK", ""},
    {"UNSUBSCRIBE \"with a blank\"", "OK", ""},
    {"PUBLISH other x", "OK", ""},
    {"PUBLISH other ", "OK", ""},
    {"PUBLISH other  two blanks  ", "OK", ""},
    {"PUBLISH \"quoted name\" {\"a\": 1}", "OK", ""},
    {"PUBLISH short 123456789a", "OK", ""},
    {"PUBLISH short 123456789ab", "ERROR 413 ", "max_message"},
    {"PUBLISH silent x", "ERROR 403 ", "silent"},
    {"PUBLISH ~own x", "ERROR 403 ", "~"},
    {"PUBLISH other", "ERROR 400 ", "PUBLISH"},
    {"PUBLISH", "ERROR 400 ", "PUBLISH"},
    {"PUBLISH  x", "ERROR 400 ", "PUBLISH"},
    {"PUBLISH a*b x", "ERROR 400 ", "channel"},
    {"PUBLISH {a} x", "ERROR 400 ", "channel"},
    {"SUBSCRIBE closed-1", "ERROR 403 ", "closed-1"},
    {"UNSUBSCRIBE closed-1", "ERROR 403 ", "closed-1"},
    {"SUBSCRIBE", "ERROR 400 ", "SUBSCRIBE"},
    {"SUBSCRIBE ", "ERROR 400 ", "SUBSCRIBE"},
    {"SUBSCRIBE a b c", "ERROR 400 ", "since"},
    {"SUBSCRIBE a tomorrow", "ERROR 400 ", "since"},
    {"SUBSCRIBE a -0", "ERROR 400 ", "since"},
    {"SUBSCRIBE a 1-", "ERROR 400 ", "since"},
    {"SUBSCRIBE \"unended", "ERROR 400 ", "SUBSCRIBE"},
    {"SUBSCRIBE \"a\"b", "ERROR 400 ", "SUBSCRIBE"},
    {"SUBSCRIBE \"\\ud800\"", "ERROR 400 ", "SUBSCRIBE"},
    {"SUBSCRIBE \"a\\u0000b\"", "ERROR 400 ", "channel"},
    {"SUBSCRIBE a\tb", "ERROR 400 ", "channel"},
    {"UNSUBSCRIBE a b", "ERROR 400 ", "UNSUBSCRIBE"},
    {"PING x", "ERROR 400 ", "PING"},
    {"QUIT now", "ERROR 400 ", "QUIT"},
    {"HELLO", "ERROR 400 ", "SUBSCRIBE"},
    {"json", "ERROR 400 ", "SUBSCRIBE"}, /* it is not the first line */
    {"GET / HTTP/1.1", "ERROR 400 ", "SUBSCRIBE"},
    {"<policy-file-request/>", "ERROR 400 ", "SUBSCRIBE"},
    {"\xff\xfe", "ERROR 400 ", "UTF-8"},
    {"PUBLISH other \xc3", "ERROR 400 ", "UTF-8"},
    {"{\"subscribe\":[\"o 1\",\"o2\"]}", "OK", ""},
    {"{\"unsubscribe\":\"o2\",\"subscribe\":\"o3\"}", "OK", ""},
    {"{\"publish\":{\"channel\":\"other\",\"data\":[1]}}", "OK", ""},
    {"{\"publish\":{\"channel\":\"silent\",\"data\":[1]}}", "ERROR 403 ", "silent"},
    {"{\"publish\":{\"channel\":\"other\"}}", "ERROR 400 ", "publish"},
    {"{\"subscribe\":\"closed\"}", "ERROR 403 ", "closed"},
    {"{\"subscribe\":\"o4\",\"unsubscribe\":7}", "ERROR 400 ", "unsubscribe"},
    {"{\"nothing\":1}", "ERROR 400 ", "message"},
    {"{", "ERROR 400 ", "JSON"},
};
enum { ANSWERS = sizeof answers / sizeof answers[0] };

static void must_answer(struct talk *one, size_t row) {
    if (answers[row].begin[0] == '\0')
        return;
    const char *line = hear(one);
    ck_assert_msg(line != NULL, "row %zu: the end", row);
    ck_assert_msg(strncmp(line, answers[row].begin, strlen(answers[row].begin)) == 0 &&
                      strstr(line, answers[row].names) != NULL,
                  "row %zu, \"%s\": \"%s\"", row, answers[row].line, line);
    if (answers[row].begin[strlen(answers[row].begin) - 1] != ' ')
        ck_assert_str_eq(line, answers[row].begin);
}

/* One by one; all at once; and each byte by itself. */
START_TEST(every_command_is_answered_in_order) {
    struct talk *one = talk();
    struct bytes all = {0};

    for (size_t row = 0; row < ANSWERS; row++) {
        const char *line = keepf("%s%s", answers[row].line, row % 3 ? "\n" : "\r\n");
        if (_i == 0)
            say(one, line);
        if (_i == 0)
            must_answer(one, row);
        bytes_add(&all, line, strlen(line));
    }
    if (_i == 1)
        ck_assert(wire_send(one->fd, all.data, all.length));
    for (size_t i = 0; _i == 2 && i < all.length; i++) {
        ck_assert(wire_send(one->fd, all.data + i, 1));
        if (i % 100 == 0)
            pause_ms(1);
    }
    for (size_t row = 0; _i > 0 && row < ANSWERS; row++)
        must_answer(one, row);
    say(one, "QUIT\nPING\n");
    must_hear(one, "BYE");
    must_end(one);
    hang_up(one);
}
END_TEST

START_TEST(messages_come_as_lines) {
    struct talk *one = subscribed("m", "start");
    const char *id;

    say(one, "SUBSCRIBE \"a name\"\nSUBSCRIBE \xc3\xa4\n");
    must_hear(one, "OK");
    must_hear(one, "OK");
    id = store_add(&lab, "m", "{\"a\":\n1}");
    must_hear(one, keepf("MESSAGE m %s {\"a\": 1}", id));
    id = store_add(&lab, "m", "two\nlines \"\t");
    must_hear(one, keepf("MESSAGE m %s \"two\\nlines \\\"\\t\"", id));
    id = store_add(&lab, "m", "\xff\xfe");
    must_hear(one, keepf("MESSAGE m %s \"data:;base64,//4=\"", id));
    id = store_add(&lab, "m", "");
    must_hear(one, keepf("MESSAGE m %s \"\"", id));
    id = store_add(&lab, "a name", "null");
    must_hear(one, keepf("MESSAGE \"a name\" %s null", id));
    id = store_add(&lab, "\xc3\xa4", "-1.5e3");
    must_hear(one, keepf("MESSAGE \xc3\xa4 %s -1.5e3", id));
    say(one, "UNSUBSCRIBE m\n");
    must_hear(one, "OK");
    store_add(&lab, "m", "9");
    id = store_add(&lab, "a name", "3");
    must_hear(one, keepf("MESSAGE \"a name\" %s 3", id));
    hang_up(one);
}
END_TEST

START_TEST(what_is_published_is_the_payload_byte_for_byte) {
    const char *channel = keep_fresh("bytes");
    struct talk *one = talk();

    say(one, keepf("PUBLISH %s   {\"a\" :1} \xc3\xa4\r\nPUBLISH %s {\"a\": [1,  2]}\n", channel,
                   channel));
    must_hear(one, "OK");
    must_hear(one, "OK");
    const redisReply *entries = store_do(&lab, "XRANGE halley.history:{%s} - +", channel);
    ck_assert_uint_eq(entries->elements, 2);
    for (size_t i = 0; i < 2; i++) {
        const redisReply *fields = entries->element[i]->element[1];
        const char *data = NULL;
        for (size_t k = 0; k < fields->elements; k += 2)
            if (strcmp(fields->element[k]->str, "data") == 0)
                data = fields->element[k + 1]->str;
        ck_assert_str_eq(data, i ? "{\"a\": [1,  2]}" : "  {\"a\" :1} \xc3\xa4");
    }
    hang_up(one);
}
END_TEST

/* Where a reader comes back: by the id of what he had last, or by a cursor. */
START_TEST(who_comes_back_with_an_id_or_a_cursor_misses_nothing) {
    const char *channel = keep_fresh("since"), *ids[6];
    struct talk *one;

    for (int i = 1; i <= 5; i++)
        ids[i] = store_add(&lab, channel, keepf("%d", i));
    const char *const since[] = {ids[3], keepf("%s@%s", channel, ids[3]), "-2"};
    for (int k = 0; k < 3; k++) {
        one = subscribed(channel, since[k]);
        must_hear(one, keepf("MESSAGE %s %s 4", channel, ids[4]));
        must_hear(one, keepf("MESSAGE %s %s 5", channel, ids[5]));
        hang_up(one);
    }
    one = subscribed(channel, "start");
    for (int i = 1; i <= 5; i++)
        must_bring(one, channel, keepf("%d", i));
    hang_up(one);
    one = subscribed(channel, "now");
    store_add(&lab, channel, "6");
    must_bring(one, channel, "6");
    hang_up(one);
    one = subscribed(channel, "1-1"); /* an epoch that is long over */
    must_hear(one, keepf("GAP %s", channel));
    must_bring(one, channel, "1");
    hang_up(one);
}
END_TEST

START_TEST(who_publishes_right_behind_his_subscription_hears_himself) {
    for (int i = 0; i < 20; i++) {
        const char *channel = keep_fresh("own");
        struct talk *one = talk();
        int seen = 0;

        say(one, i % 2 ? keepf("SUBSCRIBE %s\nPUBLISH %s 1\n", channel, channel)
                       : keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1},"
                               "\"subscribe\":\"%s\"}\n",
                               channel, channel));
        if (i % 2)
            must_hear(one, "OK");
        for (int k = 0; k < 2; k++) {
            const char *line = hear(one);
            ck_assert_ptr_nonnull(line);
            seen |= strcmp(line, "OK") == 0 ? 1 : strncmp(line, "MESSAGE ", 8) == 0 ? 2 : 8;
        }
        ck_assert_int_eq(seen, 3);
        hang_up(one);
    }
}
END_TEST

/* Nothing is refused for coming too fast, and answers stay in the order of the commands. */
START_TEST(thousands_of_lines_at_once_are_slowed_down_not_refused) {
    enum { MANY = 3000 };
    const char *channel = keep_fresh("many");
    struct talk *one = talk(), *reader = subscribed(channel, "start");
    struct bytes all = {0};

    for (int i = 1; i <= MANY; i++) {
        const char *line = i % 100 == 0  ? "PING\n"
                           : i % 50 == 0 ? "PUBLISH silent 0\n"
                                         : keepf("PUBLISH %s %d\n", channel, i);
        bytes_add(&all, line, strlen(line));
    }
    pid_t writer = fork();
    if (writer == 0) {
        bool sent = wire_send(one->fd, all.data, all.length);
        _exit(sent ? 0 : 1);
    }
    for (int i = 1; i <= MANY; i++) {
        if (i % 100 == 0)
            must_hear(one, "PONG");
        else if (i % 50 == 0)
            must_hear_of(one, "ERROR 403 ", "silent");
        else
            must_hear(one, "OK");
    }
    for (int i = 1; i <= MANY; i++)
        if (i % 50 != 0)
            must_bring(reader, channel, keepf("%d", i));
    hang_up(one);
    hang_up(reader);
}
END_TEST

START_TEST(a_line_may_have_8192_bytes) {
    char *text = keep(malloc(20000));
    struct talk *one;

    memset(text, 'x', 20000);
    for (int end = 0; end < 2; end++) {
        const char *ends = end ? "\r\n" : "\n";
        one = talk();
        say(one, keepf("PUBLISH long %.*s%s", 8192 - 13, text, ends));
        must_hear(one, "OK");
        say(one, keepf("PUBLISH long %.*s%s", 8193 - 13, text, ends));
        must_hear_of(one, "ERROR 413 ", "8192");
        must_end(one);
        hang_up(one);
    }
    one = talk(); /* and one that never ends */
    wire_send(one->fd, text, 20000);
    must_hear_of(one, "ERROR 413 ", "8192");
    must_end(one);
    hang_up(one);
    one = talk();
    say(one, "json\n");
    must_hear_of(one, "{\"messages\":[]", "cursor");
    wire_send(one->fd, text, 20000);
    must_hear_of(one, "{\"error\":", "\"status\":413");
    must_end(one);
    hang_up(one);
    one = subscribed("long", "now"); /* one that the hub holds */
    wire_send(one->fd, text, 20000);
    must_hear_of(one, "ERROR 413 ", "8192");
    must_end(one);
    hang_up(one);
    ck_assert_uint_eq(figure("lines_long"), 5);
    until(figure("line_clients") == 0 && figure("waiters") == 0, "some are still held");
}
END_TEST

/* What was taken is answered as ever, and in its order, though the line behind it ends it all. */
START_TEST(what_is_wrong_with_a_line_is_told_behind_the_answers) {
    enum { MANY = 100 };
    const char *channel = keep_fresh("behind");
    const char *all = "";
    char *text = keep(malloc(9001));

    memset(text, 'x', 9000);
    text[9000] = '\0';
    for (int i = 0; i < MANY; i++)
        all = keepf("%sPUBLISH %s %d\n", all, channel, i);
    for (int end = 0; end < 2; end++) {
        struct talk *one = talk();
        say(one, keepf("%sPUBLISH %s %s%s", all, channel, text, end ? "\nPING\n" : ""));
        for (int i = 0; i < MANY; i++)
            must_hear(one, "OK");
        must_hear_of(one, "ERROR 413 ", "8192");
        must_end(one);
        hang_up(one);
        ck_assert_int_eq(store_held(&lab, channel), (end + 1) * MANY);
    }
}
END_TEST

/* --- JSON ------------------------------------------------------------------------------- */

START_TEST(with_json_it_is_as_on_a_websocket) {
    const char *channel = keep_fresh("json");
    struct talk *one = talk();

    say(one, "jso");
    pause_ms(5);
    say(one, "n\r\n");
    must_hear(one, "{\"messages\":[],\"cursor\":\"\"}");
    say(one, keepf("{\"subscribe\":[\"%s\"],\"ref\":1}\n\n", channel));
    must_hear_of(one, "{\"messages\":[],\"cursor\":\"", channel);
    say(one,
        keepf("{\"publish\":{\"channel\":\"%s\",\"data\":{\"x\": 1}},\"ref\":[2]}\n", channel));
    const char *first = hear(one), *second = hear(one);
    ck_assert(first != NULL && second != NULL);
    const char *published = strstr(first, "\"published\"") ? first : second;
    const char *batch = published == first ? second : first;
    ck_assert_msg(strstr(published, "\"ref\":[2]}") != NULL, "%s", published);
    ck_assert_msg(strstr(batch, "\"data\":{\"x\": 1}}],\"cursor\":\"") != NULL, "%s", batch);
    say(one, "PING\n");
    must_hear_of(one, "{\"error\":{", "must be JSON");
    say(one, "{\"subscribe\":\"closed\",\"ref\":\"r\"}\n");
    must_hear_of(one, "{\"error\":{", "\"ref\":\"r\"}");
    say(one, "{\"publish\":{\"channel\":\"silent\",\"data\":1},\"ref\":3}\n");
    must_hear_of(one, "{\"error\":{", "\"status\":403");
    say(one, keepf("{\"unsubscribe\":\"%s\"}\n", channel));
    must_hear(one, "{\"messages\":[],\"cursor\":\"\"}");
    ck_assert_int_eq(shutdown(one->fd, SHUT_WR), 0);
    must_end(one);
    hang_up(one);
}
END_TEST

START_TEST(with_json_patterns_are_watched) {
    const char *stem = keep_fresh("said");
    struct talk *one = talk();

    store_add(&lab, keepf("%s/a", stem), "1");
    say(one, keepf("json\n{\"pattern\":\"%s/*\",\"since\":\"start\",\"publish\":{\"channel\":"
                   "\"%s/own\",\"data\":2},\"ref\":1}\n{\"ping\":1}\n",
                   stem, stem));
    must_hear_of(one, "{\"messages\":[]", "\"cursor\":\"\"");
    const char *all = "";
    while (!strstr(all, "\"data\":1") || !strstr(all, "\"data\":2") || !strstr(all, "published") ||
           !strstr(all, "pong"))
        all = keepf("%s%s", all, must_hear_of(one, "{", ""));
    store_add(&lab, keepf("%s/new", stem), "3");
    must_hear_of(one, "{\"messages\":[{", "\"data\":3");
    say(one, keepf("{\"unsubscribe\":\"%s/*\"}\n{\"pattern\":\"a*\"}\n", stem));
    must_hear(one, "{\"messages\":[],\"cursor\":\"\"}");
    must_hear_of(one, "{\"error\":", "pattern: ");
    hang_up(one);
}
END_TEST

START_TEST(json_cursors_work_on_other_ways_and_gaps_are_told) {
    const char *channel = keep_fresh("jcur");
    struct talk *one = talk();

    store_add(&lab, channel, "1");
    store_add(&lab, channel, "2");
    say(one, keepf("JSON\n{\"subscribe\":\"%s\",\"since\":\"%s@1-1\"}\n", channel, channel));
    must_hear_of(one, "{\"messages\":[]", "");
    must_hear_of(one, "{\"messages\":[]", channel);
    const char *batch = must_hear_of(one, "{\"messages\":[{", keepf("\"gap\":[\"%s\"]", channel));
    const char *cursor = strstr(batch, "\"cursor\":\"") + 10;
    cursor = keepf("%.*s", (int)strcspn(cursor, "\""), cursor);
    store_add(&lab, channel, "3");
    const struct answer *poll =
        fcgi_get(lab.app_socket[0], "/comet/poll?channel=%s&since=%s", channel, cursor);
    ck_assert_msg(strstr(poll->body, "\"data\":3}],") != NULL, "%s", poll->body);
    hang_up(one);
}
END_TEST

/* --- who may ------------------------------------------------------------------------------ */

/* The same address has one rate, whichever way it comes: here the unix socket. */
START_TEST(a_rate_counts_what_came_by_the_feed_and_by_http_together) {
    const char *channel = keep_fresh("rated");
    struct talk *one = talk();
    struct websock *other;

    for (int i = 0; i < 2; i++) {
        say(one, keepf("PUBLISH %s %d\n", channel, i));
        must_hear(one, "OK");
    }
    other = websock_on(wire_unix(lab.websocket), "/comet/ws", "");
    websock_reach_text(other);
    websock_say(other, keepf("{\"publish\":{\"channel\":\"%s\",\"data\":3}}", channel));
    ck_assert(strstr(websock_reach_text(other), "published") != NULL);
    say(one, keepf("PUBLISH %s 4\nPING\nPUBLISH other 5\n", channel));
    must_hear_of(one, "ERROR 429 ", "publish_rate");
    must_hear(one, "PONG");
    must_hear(one, "OK");
    websock_close(other);
    hang_up(one);
    ck_assert_uint_ge(figure("answers_429"), 1);
}
END_TEST

START_TEST(channels_of_a_client_are_limited) {
    struct talk *one;

    setup_alone(true, "MAX_CHANNELS", "3");
    one = talk();
    say(one, "SUBSCRIBE a\nSUBSCRIBE b\nSUBSCRIBE c\nSUBSCRIBE d\nUNSUBSCRIBE a\nSUBSCRIBE d\n");
    for (int i = 0; i < 3; i++)
        must_hear(one, "OK");
    must_hear_of(one, "ERROR 400 ", "max_channels");
    must_hear(one, "OK");
    must_hear(one, "OK");
    store_add(&lab, "b", "1");
    must_bring(one, "b", "1");
    hang_up(one);
    teardown();
}
END_TEST

/* --- Flash's policy ----------------------------------------------------------------------- */

static const char *policy_of(size_t piece) {
    static const char request[] = "<policy-file-request/>";
    int fd = dial();
    char *all;

    for (size_t at = 0; at < sizeof request; at += piece) {
        size_t left = sizeof request - at;
        ck_assert(wire_send(fd, request + at, left < piece ? left : piece));
        pause_ms(left > piece ? 2 : 0);
    }
    size_t length;
    all = wire_read_all(fd, &length);
    close(fd);
    ck_assert_uint_eq(length, strlen(all) + 1); /* one NUL, at the end */
    return all;
}

START_TEST(flash_gets_its_policy_whole_or_in_pieces) {
    const size_t pieces[] = {100, 1, 7, 22};

    setup_alone(_i == 0, "ORIGINS", "https://a.example:8443 http://b.example null *");
    for (size_t i = 0; i < 4; i++) {
        const char *policy = policy_of(pieces[i]);
        const char *ports = _i == 0 ? keepf("%d", port) : "*";
        static const char *const hosts[] = {"a.example", "b.example", "*"};

        ck_assert(strstr(policy, "<cross-domain-policy>") != NULL);
        ck_assert(strstr(policy, "null") == NULL);
        for (size_t k = 0; k < 3; k++)
            ck_assert_msg(strstr(policy, keepf("<allow-access-from domain=\"%s\" to-ports=\"%s\"/>",
                                               hosts[k], ports)) != NULL,
                          "%s", policy);
    }
    ck_assert_uint_eq(figure("policies"), 4);
    until(figure("line_clients") == 0, "some are still open");
    teardown();
}
END_TEST

/* --- coming and going ----------------------------------------------------------------------- */

/* As `printf ... | nc -N` does it. */
START_TEST(who_sends_nothing_more_is_answered_first) {
    const char *channel = keep_fresh("half");
    struct talk *one = talk();

    say(one,
        keepf("PUBLISH %s 1\nPUBLISH %s 2\nPING\nPUBLISH %s is cut o", channel, channel, channel));
    ck_assert_int_eq(shutdown(one->fd, SHUT_WR), 0);
    must_hear(one, "OK");
    must_hear(one, "OK");
    must_hear(one, "PONG");
    must_hear_of(one, "ERROR 400 ", "end"); /* half a line is none, and that is told */
    must_end(one);
    hang_up(one);
    ck_assert_int_eq(store_held(&lab, channel), 2);
    one = talk();
    say(one, "PUBLISH"); /* nothing but half a line */
    ck_assert_int_eq(shutdown(one->fd, SHUT_WR), 0);
    must_hear_of(one, "ERROR 400 ", "end");
    must_end(one);
    hang_up(one);
    one = talk();
    say(one, keepf("SUBSCRIBE %s start\n", channel));
    ck_assert_int_eq(shutdown(one->fd, SHUT_WR), 0);
    must_hear(one, "OK");
    must_bring(one, channel, "1");
    must_bring(one, channel, "2");
    must_hear(one, "PING"); /* whether he is there */
    store_add(&lab, channel, "3");
    must_bring(one, channel, "3");
    hang_up(one); /* which the first thing that is sent to him finds out */
    until((store_add(&lab, channel, "4"), figure("line_clients") == 0), "who has left is held");
}
END_TEST

START_TEST(who_leaves_is_freed_soon) {
    enum { MANY = 60 };
    struct talk *all[MANY];

    for (int i = 0; i < MANY; i++) {
        all[i] = talk();
        if (i % 3)
            say(all[i], i % 3 == 1 ? "SUBSCRIBE a\nSUBSC" : "json\n");
        if (i % 3)
            ck_assert_ptr_nonnull(hear(all[i]));
    }
    until(figure("line_clients") == MANY, "%zu are there", figure("line_clients"));
    ck_assert_uint_eq(figure("waiters"), MANY * 2 / 3);
    for (int i = 0; i < MANY; i++)
        hang_up(all[i]);
    until(figure("line_clients") == 0, "%zu are still held", figure("line_clients"));
    until(figure("waiters") == 0, "%zu are still held", figure("waiters"));
}
END_TEST

START_TEST(who_says_nothing_is_served_and_pinged) {
    struct talk *one, *json;

    open_lab(true);
    lab_set(&lab, "KEEPALIVE", "1");
    lab_set(&lab, "REQUEST_TIMEOUT", "1");
    start();
    one = talk();
    json = talk();
    say(json, "json\n");
    for (int i = 0; i < 3; i++)
        must_hear(one, "PING");
    say(one, "PONG\nPING\n");
    const char *line = hear(one);
    while (line != NULL && strcmp(line, "PING") == 0)
        line = hear(one);
    ck_assert(line != NULL && strcmp(line, "PONG") == 0);
    for (int i = 0; i < 3; i++)
        must_hear_of(json, "{\"messages\":[],\"cursor\":\"\"}", "");
    hang_up(one);
    hang_up(json);
    one = talk(); /* a line that never becomes whole */
    say(one, "SUBSCRIBE a\nPI");
    must_hear(one, "OK");
    do
        line = hear(one);
    while (line != NULL && strcmp(line, "PING") == 0);
    ck_assert_msg(line != NULL && strncmp(line, "ERROR 408 ", 10) == 0, "%s", line);
    must_end(one);
    hang_up(one);
    ck_assert_uint_eq(figure("lines_late"), 1);
    teardown();
}
END_TEST

START_TEST(a_slow_reader_is_cut_off_and_returns_without_loss) {
    enum { MANY = 200, SIZE = 60000 };
    const char *channel = keep_fresh("slow"), *id = "", *line;
    char *payload = keep(malloc(SIZE + 1));
    struct talk *one;
    int next = 0;

    setup_alone(_i == 0, "MAX_BACKLOG", "64K");
    one = subscribed(channel, "now");
    memset(payload, 'x', SIZE);
    payload[SIZE] = '\0';
    for (int i = 0; i < MANY; i++)
        store_add(&lab, channel, keepf("%04d%s", i, payload));
    until(figure("cut_off") == 1, "he is not cut off");
    for (int round = 0; next < MANY; round++) {
        while (next < MANY && (line = hear(one)) != NULL) {
            ck_assert_msg(strncmp(line, "MESSAGE ", 8) == 0, "%.80s", line);
            const char *at = line + 8 + strlen(channel) + 1;
            id = keepf("%.*s", (int)strcspn(at, " "), at);
            ck_assert_int_eq(atoi(strchr(at, '"') + 1), next++);
        }
        hang_up(one);
        ck_assert_int_lt(round, 100);
        one = subscribed(channel, id);
    }
    hang_up(one);
    teardown();
}
END_TEST

/* --- Redis goes and comes back --------------------------------------------------------------- */

START_TEST(a_feed_outlives_redis_and_says_what_it_cannot_do) {
    const char *channel = keep_fresh("away"), *line;
    struct talk *one, *late;

    open_lab(true);
    lab_set(&lab, "REDIS_TIMEOUT", "2");
    start();
    one = subscribed(channel, "now");
    store_add(&lab, channel, "1");
    must_bring(one, channel, "1");
    proc_signal(&lab.redis, SIGKILL);
    proc_wait(&lab.redis);
    until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 503, "Redis is not missed");
    say(one, keepf("PUBLISH %s 2\nPING\n", channel));
    must_hear_of(one, "ERROR 503 ", "Redis");
    must_hear(one, "PONG");
    say(one, "SUBSCRIBE other\nUNSUBSCRIBE other\nPING\n"); /* the session stays where it is */
    must_hear_of(one, "ERROR 503 ", "Redis");
    must_hear_of(one, "ERROR 503 ", "Redis");
    must_hear(one, "PONG");
    late = talk(); /* who comes now cannot be served */
    say(late, "PING\n");
    must_hear_of(late, "ERROR 503 ", "Redis");
    must_end(late);
    hang_up(late);
    lab_redis(&lab, REDIS_KEEPS_AOF);
    do {
        pause_ms(50);
        say(one, keepf("PUBLISH %s 3\n", channel));
        do
            line = hear(one);
        while (strncmp(line, "MESSAGE", 7) == 0);
    } while (strcmp(line, "OK") != 0);
    say(one, "QUIT\n");
    do
        line = hear(one);
    while (line != NULL && strcmp(line, "BYE") != 0);
    ck_assert_ptr_nonnull(line);
    hang_up(one);
    until(serves(), "it does not serve");
    one = subscribed(channel, "start");
    must_bring(one, channel, "1");
    must_bring(one, channel, "3");
    hang_up(one);
    teardown();
}
END_TEST

/* What was published while the feed was away comes when it is back. */
START_TEST(a_subscriber_misses_nothing_while_redis_is_away) {
    const char *channel = keep_fresh("back");
    struct talk *one;

    open_lab(false);
    start();
    one = subscribed(channel, "now");
    store_add(&lab, channel, "1");
    must_bring(one, channel, "1");
    store_do(&lab, "CLIENT KILL TYPE pubsub");
    store_add(&lab, channel, "2");
    must_bring(one, channel, "2");
    proc_signal(&lab.redis, SIGKILL);
    proc_wait(&lab.redis);
    lab_redis(&lab, REDIS_KEEPS_AOF);
    store_add(&lab, channel, "3");
    must_hear(one, keepf("GAP %s", channel)); /* another Redis may have forgotten something */
    must_bring(one, channel, "3");
    hang_up(one);
    teardown();
}
END_TEST

/* --- processes, limits, the end ----------------------------------------------------------------
 */

static bool exists(const char *path) {
    struct stat file;
    return stat(path, &file) == 0;
}

START_TEST(several_processes_share_the_socket_and_drain) {
    enum { MANY = 24 };
    const char *channel = keep_fresh("shared"), *line;
    struct talk *all[MANY], *silent;
    pid_t children[4];

    open_lab(_i == 0);
    lab_set(&lab, "PROCESSES", "2");
    start();
    for (int i = 0; i < MANY; i++)
        all[i] = subscribed(channel, "now");
    store_add(&lab, channel, "1");
    for (int i = 0; i < MANY; i++)
        must_bring(all[i], channel, "1");
    ck_assert_uint_eq(proc_family(lab.app[0].pid, "halley.fcgi", children, 4), 2);
    proc_signal(&lab.app[0], SIGSTOP); /* the parent starts nobody meanwhile */
    kill(children[0], SIGKILL);
    size_t served = 0;
    for (int i = 0; i < 4; i++) { /* the other one takes all that come */
        struct talk *one = subscribed(channel, "now");
        store_add(&lab, channel, "2");
        must_bring(one, channel, "2");
        hang_up(one);
        served++;
    }
    ck_assert_uint_eq(served, 4);
    proc_signal(&lab.app[0], SIGCONT);
    silent = talk();
    proc_signal(&lab.app[0], SIGTERM);
    for (int i = 0; i < MANY; i++) {
        while ((line = hear(all[i])) != NULL && strcmp(line, "BYE") != 0)
            ck_assert_msg(strncmp(line, "MESSAGE ", 8) == 0, "%s", line);
        if (line != NULL)
            must_end(all[i]);
        hang_up(all[i]);
    }
    while (hear(silent) != NULL) {
    }
    hang_up(silent);
    ck_assert_int_eq(proc_wait(&lab.app[0]), 0);
    ck_assert(_i == 0 || !exists(feed_path()));
    teardown();
}
END_TEST

START_TEST(what_was_said_last_is_answered_when_it_drains) {
    struct talk *deaf;

    setup_alone(true, "KEEPALIVE", "600");
    deaf = subscribed("a", "now");
    proc_signal(&lab.app[0], SIGTERM);
    must_hear(deaf, "BYE");
    must_end(deaf);
    ck_assert_int_eq(proc_wait(&lab.app[0]), 0); /* though he does not close */
    hang_up(deaf);
    teardown();
}
END_TEST

START_TEST(it_may_be_all_that_a_process_serves) {
    const char *const argv[] = {lab_program("halley.fcgi"), "-f", lab.conf, NULL};
    struct talk *one;

    open_lab(_i == 0);
    proc_start(&lab.door, "halley.fcgi", keepf("%s/door.log", lab.dir), -1, argv,
               lab_env(&lab, NULL));
    until((one = keep(calloc(1, sizeof *one)), (one->fd = dial()) >= 0), "nobody listens");
    say(one, "PING\n");
    must_hear(one, "PONG");
    hang_up(one);
    ck_assert_int_eq(proc_stop(&lab.door, SIGTERM), 0);
    teardown();
}
END_TEST

START_TEST(connections_over_the_limit_are_told_so) {
    enum { MOST = 5 };
    struct talk *all[MOST], *one;

    setup_alone(true, "MAX_CONNECTIONS", "5");
    for (int i = 0; i < MOST; i++)
        all[i] = subscribed("a", "now");
    one = talk();
    must_hear_of(one, "ERROR 503 ", "max_connections");
    must_end(one);
    hang_up(one);
    for (int i = 0; i < MOST; i++)
        hang_up(all[i]);
    ck_assert_uint_ge(figure("connections_over"), 1);
    until(figure("line_clients") == 0, "some are still held");
    hang_up(subscribed("a", "now"));
    teardown();
}
END_TEST

START_TEST(without_descriptors_it_does_not_spin_and_goes_on) {
    enum { MANY = 40, WATCHED_MS = 1500 };
    int waiting[MANY];
    struct talk *one;

    setup_alone(_i == 0, "KEEPALIVE", "600");
    one = subscribed("a", "now");
    proc_allow_descriptors(&lab.app[0], 4);
    long before = proc_used_ms(&lab.app[0]);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_ge(waiting[i] = dial(), 0);
    pause_ms(WATCHED_MS);
    ck_assert_int_lt(proc_used_ms(&lab.app[0]) - before, WATCHED_MS / 3);
    store_add(&lab, "a", "1");
    must_bring(one, "a", "1");
    proc_allow_descriptors(&lab.app[0], 0);
    for (int i = 0; i < MANY; i++)
        close(waiting[i]);
    hang_up(one);
    one = subscribed("a", "now");
    store_add(&lab, "a", "2");
    must_bring(one, "a", "2");
    hang_up(one);
    ck_assert_uint_gt(figure("accept_pauses") + figure("connections_refused"), 0);
    teardown();
}
END_TEST

static const char *config_says(const char *feed, int *code) {
    const char *const argv[] = {lab_program("halley.fcgi"), "-n", "-f", lab.conf, "-o",
                                keepf("feed=%s", feed),     NULL};
    char *output = NULL;

    *code = proc_run(argv, lab_env(&lab, NULL), -1, &output, NULL);
    return output;
}

START_TEST(an_address_that_is_none_is_refused_before_the_start) {
    static const char *const bad[] = {"tcp:7777", "tcp::7777",  "tcp:127.0.0.1", "unix:feed",
                                      "7777",     "tcp:::1:80", "tcp:h:99999",   "tcp:a b:1"};
    int code;

    open_lab(true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        config_says(bad[i], &code);
        ck_assert_msg(code != 0, "%s is taken", bad[i]);
    }
    ck_assert(strstr(config_says("tcp:[::1]:7777", &code), "feed = tcp:[::1]:7777") != NULL);
    ck_assert_int_eq(code, 0);
    teardown();
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_loop_test(tcase, every_command_is_answered_in_order, 0, 3);
    tcase_add_test(tcase, messages_come_as_lines);
    tcase_add_test(tcase, what_is_published_is_the_payload_byte_for_byte);
    tcase_add_test(tcase, who_comes_back_with_an_id_or_a_cursor_misses_nothing);
    tcase_add_test(tcase, who_publishes_right_behind_his_subscription_hears_himself);
    tcase_add_test(tcase, thousands_of_lines_at_once_are_slowed_down_not_refused);
    tcase_add_test(tcase, what_is_wrong_with_a_line_is_told_behind_the_answers);
    tcase_add_test(tcase, with_json_it_is_as_on_a_websocket);
    tcase_add_test(tcase, with_json_patterns_are_watched);
    tcase_add_test(tcase, json_cursors_work_on_other_ways_and_gaps_are_told);
    tcase_add_test(tcase, who_sends_nothing_more_is_answered_first);
}

/* Each begins with figures of its own. */
static void add_alone(TCase *tcase) {
    tcase_add_test(tcase, channels_of_a_client_are_limited);
    tcase_add_loop_test(tcase, flash_gets_its_policy_whole_or_in_pieces, 0, 2);
    tcase_add_test(tcase, who_says_nothing_is_served_and_pinged);
    tcase_add_loop_test(tcase, a_slow_reader_is_cut_off_and_returns_without_loss, 0, 2);
    tcase_add_test(tcase, a_feed_outlives_redis_and_says_what_it_cannot_do);
    tcase_add_test(tcase, a_subscriber_misses_nothing_while_redis_is_away);
    tcase_add_loop_test(tcase, several_processes_share_the_socket_and_drain, 0, 2);
    tcase_add_test(tcase, what_was_said_last_is_answered_when_it_drains);
    tcase_add_loop_test(tcase, it_may_be_all_that_a_process_serves, 0, 2);
    tcase_add_test(tcase, connections_over_the_limit_are_told_so);
    tcase_add_loop_test(tcase, without_descriptors_it_does_not_spin_and_goes_on, 0, 2);
    tcase_add_test(tcase, an_address_that_is_none_is_refused_before_the_start);
}

int main(void) {
    Suite *suite = suite_create("line");
    TCase *tcp = e2e_case(suite, "tcp", setup_tcp, teardown);
    TCase *local = e2e_case(suite, "unix", setup_unix, teardown);
    TCase *figures_tcp = e2e_case(suite, "figures tcp", NULL, NULL);
    TCase *figures_unix = e2e_case(suite, "figures unix", NULL, NULL);
    TCase *alone = e2e_case(suite, "alone", NULL, NULL);

    add_tests(tcp);
    add_tests(local);
    tcase_add_checked_fixture(figures_tcp, setup_tcp, teardown);
    tcase_add_checked_fixture(figures_unix, setup_unix, teardown);
    tcase_add_test(figures_tcp, a_line_may_have_8192_bytes);
    tcase_add_test(figures_unix, a_line_may_have_8192_bytes);
    tcase_add_test(figures_tcp, who_leaves_is_freed_soon);
    tcase_add_test(figures_unix, who_leaves_is_freed_soon);
    tcase_add_test(figures_unix, a_rate_counts_what_came_by_the_feed_and_by_http_together);
    add_alone(alone);
    return e2e_run(suite);
}
