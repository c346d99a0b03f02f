/* Streams: Server-Sent Events (both formats), NDJSON, multipart, the forever frame,
 * and JSONP, on every web server.
 *
 * What a stream carries is read through tests/lib/stream.c, which fails on
 * anything that is not that transport's grammar. Tests of one server share a
 * lab; those that end something, or want other settings, have one of their own.
 * How streams outlive what is killed is test_survival's to show, how they bear
 * readers who do not read is test_stalled's.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <signal.h>
#include <string.h>

static struct lab lab;

static const enum transport held_ones[] = {EVENTS, EVENTS_JSON, STREAM, MULTIPART, IFRAME};
enum { HELD = sizeof held_ones / sizeof *held_ones };

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "streams");
    lab_set(&lab, "JSONP", "on");
    lab_set(&lab, "TAGS", "on");
    lab_set(&lab, "KEEPALIVE", "1"); /* Apache notices by it that a reader has left */
    lab_all(&lab, "streams", server);
}

static void teardown(void) {
    lab_close(&lab);
}

static struct stream *opened(enum transport transport, const char *query) {
    struct stream *stream = stream_open(&lab, BY_WEB, transport, query, NULL);

    ck_assert_msg(stream != NULL, "the web server does not listen");
    return stream;
}

/* A stream that has said where it begins. */
static struct stream *begun(enum transport transport, const char *query) {
    struct stream *stream = opened(transport, query);

    stream_reach_start(stream);
    return stream;
}

/* Messages up to `last`, which are the numbers from `first` in order. */
static const char *must_bring_numbers(struct stream *stream, int first, int last) {
    const char *cursor = NULL;

    while (first <= last) {
        const struct piece *piece = stream_reach_message(stream);

        ck_assert(!piece_gap(piece));
        for (size_t i = 0; i < piece_count(piece); i++)
            ck_assert_str_eq(piece_data(piece, i), keepf("%d", first++));
        cursor = piece_cursor(piece);
    }
    return cursor;
}

/* --- the beginning ---------------------------------------------------------------- */

static void must_have_header(const struct held *held, const char *name, const char *begins) {
    const char *value = held_header(held, name);

    ck_assert_msg(value && strncmp(value, begins, strlen(begins)) == 0, "%s: %s, not %s", name,
                  value, begins);
}

START_TEST(headers_and_first_bytes_come_before_anything_is_published) {
    struct stream *stream = opened(held_ones[_i], keepf("channel=%s", keep_fresh("silent")));

    held_reach_head(stream->held);
    ck_assert_int_eq(stream->held->status, 200);
    must_have_header(stream->held, "Content-Type", transports[held_ones[_i]].type);
    must_have_header(stream->held, "Cache-Control", "no-store");
    must_have_header(stream->held, "X-Content-Type-Options", "nosniff");
    stream_reach_start(stream);
    ck_assert(piece_cursor(&stream->piece) != NULL);
    ck_assert_int_eq(stream_end(stream), HELD_OPEN);
    stream_close(stream);
}
END_TEST

START_TEST(an_event_stream_says_when_to_come_back) {
    struct stream *stream = opened(EVENTS, keepf("channel=%s", keep_fresh("silent")));
    unsigned ms = 0;

    until((stream_turn(stream, 5), stream->held->body.length > 11), "no first bytes");
    ck_assert_int_eq(sscanf(stream->held->body.data, "retry: %u\n", &ms), 1);
    ck_assert_msg(ms >= 1500 && ms <= 4500, "%u", ms);
    stream_close(stream);
}
END_TEST

START_TEST(a_forever_frame_is_a_page_with_room_for_old_browsers) {
    struct stream *stream = opened(IFRAME, keepf("channel=%s", keep_fresh("silent")));

    until((stream_turn(stream, 5), stream->held->body.length > 1024), "no first bytes");
    ck_assert(strncmp(stream->held->body.data, "<!DOCTYPE html>", 15) == 0);
    stream_reach_start(stream);
    stream_close(stream);
}
END_TEST

/* --- messages --------------------------------------------------------------------- */

START_TEST(each_publish_is_delivered_while_the_stream_goes_on) {
    const char *channel = keep_fresh("live");
    struct stream *stream = begun(held_ones[_i], keepf("channel=%s", channel));

    for (int i = 1; i <= 5; i++) {
        ck_assert_int_ge(store_publish(&lab, channel, keepf("%d", i)), 1);
        stream_must_bring(stream, keepf("%d", i));
    }
    ck_assert_int_eq(stream_end(stream), HELD_OPEN);
    stream_close(stream);
}
END_TEST

START_TEST(redis_cli_is_heard) {
    const char *channel = keep_fresh("cli");
    struct stream *stream = begun(held_ones[_i], keepf("channel=%s", channel));
    const char *const argv[] = {
        "redis-cli",         "-s", lab.redis_socket, "PUBLISH", keepf("halley:%s", channel),
        "{\"text\":\"hi\"}", NULL};

    ck_assert_int_eq(proc_run(argv, environ, -1, NULL, NULL), 0);
    stream_must_bring(stream, "{\"text\":\"hi\"}");
    stream_close(stream);
}
END_TEST

START_TEST(a_burst_is_delivered_in_order) {
    const char *channel = keep_fresh("burst");
    struct stream *stream = begun(held_ones[_i], keepf("channel=%s", channel));

    store_add_many(&lab, channel, 400);
    must_bring_numbers(stream, 1, 400);
    stream_close(stream);
}
END_TEST

START_TEST(jsonp_answers_with_a_call_as_wait_does) {
    const char *channel = keep_fresh("jsonp");
    struct stream *stream;

    store_add_many(&lab, channel, 3);
    stream = opened(JSONP, keepf("channel=%s&since=start", channel));
    must_bring_numbers(stream, 1, 3);
    /* lighttpd writes it as RFC 9239 has it */
    must_have_header(stream->held, "Content-Type",
                     strncmp(lab.server, "lighttpd", 8) == 0 ? "text/javascript"
                                                             : "application/javascript");
    must_have_header(stream->held, "X-Content-Type-Options", "nosniff");
    stream_close(stream);
    stream = opened(JSONP, keepf("channel=%s", channel));
    until((stream_turn(stream, 5), store_followers(&lab, channel) > 0), "it does not wait");
    while (!stream_next(stream)) {
        store_add(&lab, channel, "4"); /* it may not have said "now" before the first */
        stream_turn(stream, 50);
    }
    ck_assert_str_eq(piece_data(&stream->piece, 0), "4");
    stream_close(stream);
}
END_TEST

START_TEST(limit_cuts_what_one_batch_carries_and_nothing_else) {
    const char *channel = keep_fresh("limit");
    struct stream *stream;

    store_add_many(&lab, channel, 7);
    stream = begun(STREAM, keepf("channel=%s&since=start&limit=2", channel));
    for (int i = 1; i <= 7; i += 2)
        must_bring_numbers(stream, i, i < 7 ? i + 1 : 7);
    stream_close(stream);
}
END_TEST

START_TEST(a_posted_form_opens_a_stream_too) {
    const char *channel = keep_fresh("form");
    const char *form = keepf("channel=%s&since=start", channel);
    struct request request = {.path = "/comet/stream",
                              .body = form,
                              .length = strlen(form),
                              .headers = {"Content-Type: application/x-www-form-urlencoded"}};
    struct flight *flight;

    store_add(&lab, channel, "\"posted\"");
    flight = http_begin(&lab, &request);
    until((http_pump(10), strstr(http_so_far(flight), "posted")), "no message");
    ck_assert(!http_landed(flight));
    http_abandon(flight);
}
END_TEST

/* --- places ------------------------------------------------------------------------ */

START_TEST(a_stream_resumes_where_its_cursor_stands) {
    enum transport transport = held_ones[_i];
    const char *channel = keep_fresh("resume"), *cursor, *start;
    struct stream *stream = begun(transport, keepf("channel=%s", channel));

    start = piece_cursor(&stream->piece);
    store_add_many(&lab, channel, 3);
    cursor = must_bring_numbers(stream, 1, 3);
    stream_close(stream);
    store_add(&lab, channel, "4");
    stream = begun(transport, keepf("channel=%s&since=%s", channel, cursor));
    ck_assert_str_eq(piece_cursor(&stream->piece), cursor);
    must_bring_numbers(stream, 4, 4);
    stream_close(stream);
    stream = begun(transport, keepf("channel=%s&since=%s", channel, start));
    must_bring_numbers(stream, 1, 4);
    stream_close(stream);
}
END_TEST

START_TEST(last_event_id_wins_over_since) {
    const char *channel = keep_fresh("header");
    struct stream *stream = begun(EVENTS, keepf("channel=%s&since=now", channel));

    store_add_many(&lab, channel, 2);
    stream_must_bring(stream, "1");
    const char *id = keepf("%s", stream->piece.id);
    stream_close(stream);
    stream = stream_open(&lab, BY_WEB, EVENTS, keepf("channel=%s&since=start", channel), id);
    stream_reach_start(stream);
    must_bring_numbers(stream, 2, 2);
    stream_close(stream);
}
END_TEST

START_TEST(the_id_of_each_event_is_the_place_behind_it) {
    const char *channel = keep_fresh("ids"), *ids[5];
    struct stream *stream;

    store_add_many(&lab, channel, 5);
    stream = begun(EVENTS, keepf("channel=%s&since=start", channel));
    for (int i = 0; i < 5; i++) {
        stream_must_bring(stream, keepf("%d", i + 1));
        ids[i] = piece_cursor(&stream->piece);
    }
    stream_close(stream);
    for (int i = 0; i < 4; i++) {
        stream = begun(EVENTS, keepf("channel=%s&since=%s", channel, ids[i]));
        stream_must_bring(stream, keepf("%d", i + 2));
        stream_close(stream);
    }
}
END_TEST

START_TEST(a_gap_is_told_before_what_is_left) {
    enum transport transport = held_ones[_i];
    const char *channel = keep_fresh("short"), *cursor = cursor_now(&lab, channel);
    struct stream *stream;
    bool told = false;

    for (int i = 1; i <= 12; i++)
        http_post(&lab, keepf("%d", i), strlen(keepf("%d", i)), "/comet/publish?channel=%s",
                  channel);
    store_do(&lab, "XTRIM halley.history:{%s} MAXLEN 3", channel);
    stream = begun(transport, keepf("channel=%s&since=%s", channel, cursor));
    do {
        stream_reach(stream);
        told |= piece_gap(&stream->piece);
    } while (!piece_count(&stream->piece));
    ck_assert_msg(told || strcmp(piece_data(&stream->piece, 0), "1") == 0,
                  "%s, and nobody says that something is missing", piece_data(&stream->piece, 0));
    stream_close(stream);
}
END_TEST

START_TEST(a_gap_with_nothing_left_is_told_and_passed) {
    enum transport transport = held_ones[_i];
    const char *channel = keep_fresh("gone"), *cursor = cursor_now(&lab, channel), *behind;
    struct stream *stream;

    store_add_many(&lab, channel, 2);
    store_do(&lab, "DEL halley.history:{%s}", channel);
    stream = begun(transport, keepf("channel=%s&since=%s", channel, cursor));
    do
        stream_reach(stream);
    while (!piece_gap(&stream->piece) && !piece_count(&stream->piece));
    if (piece_count(&stream->piece) == 0) { /* no process had it in memory */
        behind = piece_cursor(&stream->piece);
        ck_assert_msg(behind != NULL, "a gap without a cursor");
        stream_close(stream);
        stream = begun(transport, keepf("channel=%s&since=%s", channel, behind));
        store_add(&lab, channel, "3");
        stream_reach_message(stream);
        ck_assert_msg(!piece_gap(&stream->piece), "told twice");
        ck_assert_str_eq(piece_data(&stream->piece, 0), "3");
    }
    stream_close(stream);
}
END_TEST

START_TEST(several_channels_come_by_one_stream) {
    enum transport transport = held_ones[_i];
    const char *a = keep_fresh("a"), *b = keep_fresh("b \xc3\xa4&=%;,@");
    struct stream *stream = begun(transport, keepf("channel=%s&channel=%s", a, keep_encoded(b)));
    const char *from[2] = {a, b};

    for (int i = 0; i < 6; i++) {
        const struct piece *piece;
        const char *channel;

        store_add(&lab, from[i % 2], keepf("%d", i));
        piece = stream_reach_message(stream);
        ck_assert_str_eq(piece_data(piece, 0), keepf("%d", i));
        channel =
            piece->batch
                ? json_string_value(json_object_get(
                      json_array_get(json_object_get(piece->batch, "messages"), 0), "channel"))
                : piece->event;
        ck_assert_str_eq(channel, from[i % 2]);
    }
    stream_close(stream);
}
END_TEST

START_TEST(one_channel_is_the_default_event) {
    const char *channel = keep_fresh("alone");
    struct stream *stream = begun(EVENTS, keepf("channel=%s", channel));

    store_add(&lab, channel, "1");
    stream_reach_message(stream);
    ck_assert(stream->piece.event == NULL);
    stream_close(stream);
}
END_TEST

/* --- what must not break a frame --------------------------------------------------- */

/* payload, as a JSON text in a batch, as an event's data, and whether that is base64 */
static const struct awkward {
    const char *payload;
    size_t length;
    const char *json, *event;
    bool binary;
} awkward[] = {
#define AWKWARD(payload, json, event, binary)                                                      \
    { payload, sizeof payload - 1, json, event, binary }
    AWKWARD("</script><script>alert(1)</script>", "\"</script><script>alert(1)</script>\"",
            "</script><script>alert(1)</script>", false),
    AWKWARD("{\"x\":\"</ScRiPt><!--\"}", "{\"x\":\"</ScRiPt><!--\"}", "{\"x\":\"</ScRiPt><!--\"}",
            false),
    AWKWARD("a\xe2\x80\xa8"
            "b\xe2\x80\xa9"
            "c",
            "\"a\xe2\x80\xa8"
            "b\xe2\x80\xa9"
            "c\"",
            "a\xe2\x80\xa8"
            "b\xe2\x80\xa9"
            "c",
            false),
    AWKWARD("one\ntwo\r\nthree\rfour\n", "\"one\\ntwo\\r\\nthree\\rfour\\n\"",
            "one\ntwo\nthree\nfour\n", false),
    AWKWARD("\n\n\n", "\"\\n\\n\\n\"", "\n\n\n", false),
    AWKWARD("data: x\nid: y\n\nevent: z", "\"data: x\\nid: y\\n\\nevent: z\"",
            "data: x\nid: y\n\nevent: z", false),
    AWKWARD("\r\n--halley-part--\r\n", "\"\\r\\n--halley-part--\\r\\n\"", "\n--halley-part--\n",
            false),
    AWKWARD(" leading and trailing ", "\" leading and trailing \"", " leading and trailing ",
            false),
    AWKWARD("", "\"\"", "", false),
    AWKWARD("{\"a\":\n[1,\r\n2]}", "{\"a\":[1,2]}", "{\"a\":\n[1,\n2]}", false),
    AWKWARD("\xef\xbb\xbf"
            "bom",
            "\"\xef\xbb\xbf"
            "bom\"",
            "\xef\xbb\xbf"
            "bom",
            false),
    AWKWARD("a\0b", "\"a\\u0000b\"", "data:;base64,YQBi", false),
    AWKWARD("\xff\xfe\x00\x01", "\"//4AAQ==\"", "data:;base64,//4AAQ==", true),
};
enum { AWKWARDS = sizeof awkward / sizeof *awkward };

static void publish_bytes(const char *channel, const struct awkward *what) {
    store_do(&lab, "PUBLISH halley:%s %b", channel, what->payload, what->length);
}

START_TEST(no_payload_breaks_the_frame_that_carries_it) {
    enum transport transport = held_ones[_i];
    const char *channel = keep_fresh("awkward");
    struct stream *stream = begun(transport, keepf("channel=%s", channel));

    for (size_t i = 0; i < AWKWARDS; i++) {
        const struct piece *piece;
        const json_t *message;

        publish_bytes(channel, &awkward[i]);
        piece = stream_reach_message(stream);
        if (!piece->batch) {
            ck_assert_uint_eq(piece->length, strlen(awkward[i].event));
            ck_assert_str_eq(piece->data, awkward[i].event);
            continue;
        }
        message = json_array_get(json_object_get(piece->batch, "messages"), 0);
        ck_assert_msg(
            json_equal(json_object_get(message, "data"),
                       keep(json_loads(awkward[i].json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL))),
            "%zu: %s", i, piece_data(piece, 0));
        ck_assert_int_eq(json_object_get(message, "encoding") != NULL, awkward[i].binary);
    }
    stream_close(stream);
}
END_TEST

/* The raw bytes: what a script could be ended by, or not parse, is not there. */
START_TEST(a_script_holds_neither_a_tag_nor_a_line_separator) {
    const char *channel = keep_fresh("script"), *body, *batch;
    const struct answer *answer;

    for (size_t i = 0; i < AWKWARDS; i++)
        publish_bytes(channel, &awkward[i]);
    until(store_held(&lab, channel) == AWKWARDS, "the worker does not work");
    answer = http_get(&lab, "/comet/jsonp?channel=%s&since=start&callback=f&timeout=0", channel);
    ck_assert_int_eq(answer->status, 200);
    body = answer->body;
    batch = strstr(body, "/**/f(");
    ck_assert(batch == body);
    ck_assert_msg(!strchr(body, '<'), "%s", body);
    ck_assert_msg(!strstr(body, "\xe2\x80\xa8") && !strstr(body, "\xe2\x80\xa9"), "%s", body);
    ck_assert_uint_eq(strlen(body), answer->length);
}
END_TEST

/* --- what is refused ----------------------------------------------------------------- */

static const struct callback {
    const char *name; /* encoded */
    int status;
} callbacks[] = {
    {"f", 200},       {"_", 200},
    {"$", 200},       {"jQuery123_456", 200},
    {"a.b.c", 200},   {"A%24", 200},
    {"", 400},        {"1a", 400},
    {".a", 400},      {"a-b", 400},
    {"a%20b", 400},   {"a(b)", 400},
    {"a[0]", 400},    {"a;b", 400},
    {"a%0Ab", 400},   {"a%00", 400},
    {"a%C3%A4", 400}, {"%3Cscript%3E", 400},
    {"a%27", 400},    {"a&callback=b", 400},
};

START_TEST(a_callback_is_a_name_or_a_400) {
    static const char *const endpoints[] = {"jsonp", "iframe"};
    const char *endpoint = endpoints[_i];
    char longest[129];

    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
        struct held *held = held_web(
            lab.port,
            keepf("/comet/%s?channel=cb&timeout=0&callback=%s", endpoint, callbacks[i].name), NULL);

        held_reach_head(held);
        ck_assert_msg(held->status == callbacks[i].status, "%s: %d", callbacks[i].name,
                      held->status);
        held_close(held);
    }
    must_be_problem(http_get(&lab, "/comet/%s?channel=cb", endpoint), 400, "callback");
    memset(longest, 'x', sizeof longest);
    must_be_problem(
        http_get(&lab, "/comet/%s?channel=cb&timeout=0&callback=%.129s", endpoint, longest), 400,
        "callback");
}
END_TEST

static const struct refusal {
    const char *query;
    int status;
    const char *names;
} refusals[] = {
    {"", 400, "channel"},
    {"channel=a{b}", 400, "channel"},
    {"channel=closed-1", 403, "closed-1"},
    {"channel=a&since=rubbish", 400, "since"},
    {"channel=a&limit=0", 400, "limit"},
    {"channel=a&tag=no/tag", 400, "tag"},
};

START_TEST(a_wrong_parameter_is_a_problem_before_the_stream_begins) {
    enum transport transport = held_ones[_i];

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        must_be_problem(http_get(&lab, "/comet/%s?%s%s", transports[transport].endpoint,
                                 transports[transport].more, refusals[i].query),
                        refusals[i].status, refusals[i].names);
    must_be_problem(http_get(&lab, "/comet/events?channel=a&format=xml"), 400, "format");
}
END_TEST

/* --- accounts ------------------------------------------------------------------------- */

struct account {
    json_int_t requests, bytes_in, bytes_out, batches, messages, empty, held;
};

static struct account account_of(const char *tag) {
    const json_t *json = http_get(&lab, "/comet/status?tag=%s", tag)->json;

#define OF(name) .name = json_integer_value(json_object_get(json, #name))
    return (struct account){OF(requests), OF(bytes_in), OF(bytes_out), OF(batches),
                            OF(messages), OF(empty),    OF(held)};
#undef OF
}

/* A stream's own count: `messages` in `batches`, and what its body weighed. */
START_TEST(the_account_of_a_tag_agrees_with_an_independent_count) {
    enum transport transport = held_ones[_i];
    const char *channel = keep_fresh("counted"), *tag = keep_fresh("tag");
    struct stream *stream = begun(transport, keepf("channel=%s&tag=%s", channel, tag));
    size_t messages = 0, batches = 0, bytes = 0;
    struct account account;

    for (int i = 0; i < 10; i++) {
        store_add(&lab, channel, keepf("%d", i));
        stream_reach_message(stream);
        messages += piece_count(&stream->piece);
        batches++;
        bytes += strlen(piece_data(&stream->piece, 0));
    }
    until(account_of(tag).messages == (json_int_t)messages, "%lld messages, not %zu",
          (long long)account_of(tag).messages, messages);
    account = account_of(tag);
    ck_assert_int_eq(account.requests, 1);
    ck_assert_int_eq(account.held, 1);
    ck_assert_int_eq(account.batches, (json_int_t)batches);
    ck_assert_int_eq(account.empty, 0);
    ck_assert_int_gt(account.bytes_in, 50);
    ck_assert_int_gt(account.bytes_out, (json_int_t)bytes);
    stream_close(stream);
    store_add(&lab, channel, "\"bye\""); /* Apache tells of a leave by a failed write only */
    store_add(&lab, channel, "\"bye\"");
    until((store_add(&lab, channel, "0"), account_of(tag).held == 0), "still held");
}
END_TEST

START_TEST(the_account_of_polling_counts_empty_answers_and_bytes) {
    const char *channel = keep_fresh("polled"), *tag = keep_fresh("tag");
    size_t bytes = 0;
    struct account account;

    for (int i = 0; i < 6; i++)
        bytes += http_get(&lab, "/comet/poll?channel=%s&tag=%s", channel, tag)->length;
    store_add(&lab, channel, "1");
    bytes += http_get(&lab, "/comet/poll?channel=%s&tag=%s&since=start", channel, tag)->length;
    until(account_of(tag).requests == 7, "%lld requests", (long long)account_of(tag).requests);
    account = account_of(tag);
    ck_assert_int_eq(account.batches, 7);
    ck_assert_int_eq(account.empty, 6);
    ck_assert_int_eq(account.messages, 1);
    ck_assert_int_eq(account.held, 0);
    ck_assert_int_gt(account.bytes_out, (json_int_t)bytes);
    ck_assert_int_lt(account.bytes_out, (json_int_t)bytes + 7 * 400);
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_loop_test(tcase, headers_and_first_bytes_come_before_anything_is_published, 0, HELD);
    tcase_add_test(tcase, an_event_stream_says_when_to_come_back);
    tcase_add_test(tcase, a_forever_frame_is_a_page_with_room_for_old_browsers);
    tcase_add_loop_test(tcase, each_publish_is_delivered_while_the_stream_goes_on, 0, HELD);
    tcase_add_loop_test(tcase, redis_cli_is_heard, 0, HELD);
    tcase_add_loop_test(tcase, a_burst_is_delivered_in_order, 0, HELD);
    tcase_add_test(tcase, jsonp_answers_with_a_call_as_wait_does);
    tcase_add_test(tcase, limit_cuts_what_one_batch_carries_and_nothing_else);
    tcase_add_test(tcase, a_posted_form_opens_a_stream_too);
    tcase_add_loop_test(tcase, a_stream_resumes_where_its_cursor_stands, 0, HELD);
    tcase_add_test(tcase, last_event_id_wins_over_since);
    tcase_add_test(tcase, the_id_of_each_event_is_the_place_behind_it);
    tcase_add_loop_test(tcase, a_gap_is_told_before_what_is_left, 0, HELD);
    tcase_add_loop_test(tcase, a_gap_with_nothing_left_is_told_and_passed, 0, HELD);
    tcase_add_loop_test(tcase, several_channels_come_by_one_stream, 0, HELD);
    tcase_add_test(tcase, one_channel_is_the_default_event);
    tcase_add_loop_test(tcase, no_payload_breaks_the_frame_that_carries_it, 0, HELD);
    tcase_add_test(tcase, a_script_holds_neither_a_tag_nor_a_line_separator);
    tcase_add_loop_test(tcase, a_callback_is_a_name_or_a_400, 0, 2);
    tcase_add_loop_test(tcase, a_wrong_parameter_is_a_problem_before_the_stream_begins, 0, HELD);
    tcase_add_loop_test(tcase, the_account_of_a_tag_agrees_with_an_independent_count, 0, HELD);
    tcase_add_test(tcase, the_account_of_polling_counts_empty_answers_and_bytes);
}

/* --- time: labs of their own ------------------------------------------------------------ */

static void setup_with(const char *server, const char *name, const char *value) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "timed");
    lab_set(&lab, name, value);
    lab_all(&lab, "timed", server);
}

START_TEST(an_idle_stream_says_something_every_keepalive_seconds) {
    struct stream *streams[HELD];

    setup_with(e2e_servers[_i], "KEEPALIVE", "1");
    for (int i = 0; i < HELD; i++)
        streams[i] = begun(held_ones[i], keepf("channel=%s", keep_fresh("idle")));
    for (int i = 0; i < HELD; i++) {
        stream_reach_keepalives(streams[i], 3);
        ck_assert_int_eq(stream_end(streams[i]), HELD_OPEN);
        stream_close(streams[i]);
    }
    teardown();
}
END_TEST

static void must_hear_of_redis(struct stream *stream, const char *word) {
    const struct piece *piece = stream_reach(stream);

    while (piece_redis(piece) == NULL && piece_count(piece) == 0)
        piece = stream_reach(stream);
    ck_assert_msg(piece_redis(piece) != NULL && strcmp(piece_redis(piece), word) == 0,
                  "%s: hears something else than %s", transports[stream->transport].name, word);
}

/* Of several processes each says what it sees itself. */
static bool info_says(const char *word) {
    const json_t *redis = json_object_get(http_get(&lab, "/comet/info")->json, "redis");
    return strcmp(json_string_value(redis), word) == 0;
}

START_TEST(a_stream_is_told_that_redis_is_away_and_that_it_is_back) {
    struct stream *streams[HELD];
    const char *channel = keep_fresh("cut");

    setup_with(e2e_servers[_i], "REDIS_TIMEOUT", "1");
    for (int i = 0; i < HELD; i++)
        streams[i] = begun(held_ones[i], keepf("channel=%s", channel));
    proc_signal(&lab.redis, SIGSTOP);
    for (int i = 0; i < HELD; i++)
        must_hear_of_redis(streams[i], "away");
    until(info_says("away"), "info does not say away");
    proc_signal(&lab.redis, SIGCONT);
    for (int i = 0; i < HELD; i++)
        must_hear_of_redis(streams[i], "up");
    store_add(&lab, channel, "\"after\"");
    for (int i = 0; i < HELD; i++) {
        stream_must_bring(streams[i], "\"after\"");
        stream_close(streams[i]);
    }
    until(info_says("up"), "info does not say up");
    teardown();
}
END_TEST

START_TEST(a_message_after_signs_of_life_is_framed_as_ever) {
    const char *channel = keep_fresh("idle");
    struct stream *stream;

    setup_with("lighttpd", "KEEPALIVE", "1");
    stream = begun(held_ones[_i], keepf("channel=%s", channel));
    stream_reach_keepalives(stream, 2);
    store_add(&lab, channel, "\"after\"");
    stream_must_bring(stream, "\"after\"");
    stream_close(stream);
    teardown();
}
END_TEST

/* The polite end of those that have one; the framing of the web server in any case. */
static void must_end_well(struct stream *stream) {
    enum transport transport = stream->transport;

    ck_assert_msg(stream_reach_end(stream) == HELD_WHOLE, "%s is cut", transports[transport].name);
    ck_assert_msg(stream->polite || (transport != MULTIPART && transport != IFRAME),
                  "%s ends without its last words", transports[transport].name);
    ck_assert_msg(stream->held->body.length == 0, "half a piece: %s", stream->held->body.data);
}

/* When the first and the last of some streams ended: milliseconds. */
struct ends {
    int64_t first, last;
};

static struct ends watch_ends(struct stream **streams, int count) {
    struct ends ends = {0};

    while (ends.last == 0) {
        bool open = false;
        for (int i = 0; i < count; i++) {
            stream_turn(streams[i], 0);
            open |= stream_end(streams[i]) == HELD_OPEN;
            if (stream_end(streams[i]) != HELD_OPEN && ends.first == 0)
                ends.first = now_ms();
        }
        ends.last = open ? 0 : now_ms();
        pause_ms(2);
    }
    return ends;
}

START_TEST(streams_end_politely_at_max_stream_and_not_in_step) {
    enum { SECONDS = 4, EACH = 3, APART = SECONDS * 10, TRIES = 5 };
    struct stream *streams[HELD * EACH];
    struct ends ends = {0};

    setup_with(e2e_servers[_i], "MAX_STREAM", "4");
    /* they may end at once once or twice: while the machine stands still */
    for (int i = 0; i < TRIES && ends.last - ends.first < APART; i++) {
        int64_t begun_ms = now_ms();
        for (int j = 0; j < HELD * EACH; j++)
            streams[j] = begun(held_ones[j % HELD], keepf("channel=%s", keep_fresh("long")));
        ends = watch_ends(streams, HELD * EACH);
        for (int j = 0; j < HELD * EACH; j++) {
            must_end_well(streams[j]);
            stream_close(streams[j]);
        }
        ck_assert_msg(ends.first - begun_ms >= SECONDS * 890, "one ended after %lld ms",
                      (long long)(ends.first - begun_ms));
    }
    ck_assert_msg(ends.last - ends.first >= APART, "all ended within %lld ms",
                  (long long)(ends.last - ends.first));
    teardown();
}
END_TEST

START_TEST(draining_ends_every_stream_whole_and_its_cursor_misses_nothing) {
    const char *channel = keep_fresh("drain"), *cursors[HELD];
    struct stream *streams[HELD];

    setup_with(e2e_servers[_i], "JSONP", "on");
    for (int i = 0; i < HELD; i++)
        streams[i] = begun(held_ones[i], keepf("channel=%s", channel));
    store_add(&lab, channel, "1");
    for (int i = 0; i < HELD; i++) {
        stream_must_bring(streams[i], "1");
        cursors[i] = piece_cursor(&streams[i]->piece);
    }
    lab_signal_apps(&lab, SIGTERM);
    for (int i = 0; i < HELD; i++) {
        must_end_well(streams[i]);
        stream_close(streams[i]);
    }
    ck_assert_int_le(lab_app_again(&lab), 0);
    store_add(&lab, channel, "2");
    until(http_get(&lab, "/comet/health")->status == 200, "no application comes back");
    for (int i = 0; i < HELD; i++) {
        streams[i] = begun(held_ones[i], keepf("channel=%s&since=%s", channel, cursors[i]));
        stream_must_bring(streams[i], "2");
        stream_close(streams[i]);
    }
    teardown();
}
END_TEST

START_TEST(jsonp_is_off_unless_it_is_turned_on) {
    const struct answer *info;

    setup_with(e2e_servers[_i], "KEEPALIVE", "15");
    must_be_problem(http_get(&lab, "/comet/jsonp?channel=a&callback=f"), 404, NULL);
    info = http_get(&lab, "/comet/info");
    ck_assert_msg(!strstr(info->body, "\"jsonp\"") && strstr(info->body, "\"events\"") &&
                      strstr(info->body, "\"stream\"") && strstr(info->body, "\"multipart\"") &&
                      strstr(info->body, "\"iframe\""),
                  "%s", info->body);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("streams");
    TCase *timed;

    e2e_on_each_server(suite, setup, teardown, add_tests);
    timed = e2e_case(suite, "timed", NULL, NULL);
    tcase_add_loop_test(timed, an_idle_stream_says_something_every_keepalive_seconds, 0,
                        E2E_SERVERS);
    tcase_add_loop_test(timed, a_stream_is_told_that_redis_is_away_and_that_it_is_back, 0,
                        E2E_SERVERS);
    tcase_add_loop_test(timed, a_message_after_signs_of_life_is_framed_as_ever, 0, HELD);
    tcase_add_loop_test(timed, streams_end_politely_at_max_stream_and_not_in_step, 0, E2E_SERVERS);
    tcase_add_loop_test(timed, draining_ends_every_stream_whole_and_its_cursor_misses_nothing, 0,
                        E2E_SERVERS);
    tcase_add_loop_test(timed, jsonp_is_off_unless_it_is_turned_on, 0, E2E_SERVERS);
    return e2e_run(suite);
}
