/* fcgi-app/transports: what each makes of the same batch. */
#include "fcgi-app/transports/line.h"
#include "fcgi-app/transports/transport.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const struct config config = {.retry = 3000};

/* A batch of one channel "a" from 5-1 to 5-2 with that payload, or of two channels. */
static struct batch *batch_of(const char *payload, size_t len, bool gap, bool two) {
    const struct batch_channel channels[] = {
        {.name = "a", .len = 1, .from = {5, 1}, .to = {5, 2}, .gap = gap},
        {.name = "b", .len = 1, .from = {6, 0}, .to = {6, 0}}};
    struct message *message = message_new("a", 1, (struct position){5, 2}, 7, payload, len);
    struct batch *batch = batch_new(channels, two ? 2 : 1, &(struct batch_entry){message, 0}, 1, 0);
    message_unref(message);
    return batch;
}

/* Options as a request would have them; fails the test if they are refused. */
static struct transport_options options_of(const struct transport *transport, const char *query,
                                           size_t channels) {
    struct transport_options options = {.config = &config};
    struct problem problem = {0};
    struct params params;

    ck_assert_int_eq(params_parse(&params, query, strlen(query)), ERR_OK);
    ck_assert_msg(transport->options == NULL ||
                      transport->options(&params, channels, &options, &problem),
                  "%s", problem.detail);
    params_free(&params);
    options.config = &config;
    return options;
}

/* What `name` sends for a batch. */
static const char *sent(const char *name, const char *query, struct batch *batch) {
    const struct transport *transport = transport_find(name);
    struct transport_options options = options_of(transport, query, batch_channel_count(batch));
    struct buf out = buf_make(100000);

    if (transport->render != NULL)
        transport->render(&options, batch, &out);
    else
        buf_add(&out, batch_json(batch)->data, batch_json(batch)->len);
    free(options.callback);
    batch_unref(batch);
    return keep(out.data);
}

static const char *begun(const char *name, const char *query) {
    const struct transport *transport = transport_find(name);
    struct transport_options options = options_of(transport, query, 1);
    const struct batch_channel channel = {.name = "a", .len = 1, .to = {5, 1}};
    struct batch *start = batch_new(&channel, 1, NULL, 0, 0);
    struct buf out = buf_make(100000);

    transport->begin(&options, start, &out);
    free(options.callback);
    batch_unref(start);
    return keep(out.data);
}

#define EMPTY "{\"messages\":[],\"cursor\":\"a@5-1\"}"
#define HI                                                                                         \
    "{\"messages\":[{\"channel\":\"a\",\"id\":\"5-2\",\"at\":7,\"data\":\"hi\"}],"                 \
    "\"cursor\":\"a@5-2\"}"

START_TEST(polls_and_lines_carry_the_batch_as_it_is) {
    ck_assert_str_eq(sent("poll", "", batch_of("hi", 2, false, false)), HI);
    ck_assert_str_eq(sent("wait", "", batch_of("hi", 2, false, false)), HI);
    ck_assert_str_eq(sent("stream", "", batch_of("hi", 2, false, false)), HI "\n");
    ck_assert_str_eq(begun("stream", ""), EMPTY "\n");
}
END_TEST

START_TEST(an_event_has_the_cursor_and_the_payload) {
    static const struct {
        const char *payload;
        size_t len;
        const char *data;
    } rows[] = {{"hi", 2, "data: hi\n"},
                {"", 0, "data: \n"},
                {"a\nb", 3, "data: a\ndata: b\n"},
                {"a\r\nb\rc", 6, "data: a\ndata: b\ndata: c\n"},
                {"a\n", 2, "data: a\ndata: \n"},
                {"\nid: forged", 11, "data: \ndata: id: forged\n"},
                {"\xff", 1, "data: data:;base64,/w==\n"},
                {"a\0b", 3, "data: data:;base64,YQBi\n"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *text = sent("events", "", batch_of(rows[i].payload, rows[i].len, false, false));
        ck_assert_msg(strcmp(text, keepf("id: a@5-2\n%s\n", rows[i].data)) == 0, "row %zu: %s", i,
                      text);
    }
    ck_assert_str_eq(strchr(begun("events", ""), '\n'), "\nid: a@5-1\n\n");
}
END_TEST

/* The milliseconds of a text that begins with "retry: ". */
static unsigned retry_of(const char *text) {
    unsigned ms = 0;
    ck_assert_msg(sscanf(text, "retry: %u\n", &ms) == 1, "%s", text);
    return ms;
}

START_TEST(every_event_stream_is_told_another_time_to_come_back) {
    unsigned least = UINT_MAX, most = 0;

    for (int i = 0; i < 1000; i++) {
        unsigned ms = retry_of(begun("events", ""));
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
    }
    ck_assert_uint_ge(least, 1500);
    ck_assert_uint_le(most, 4500);
    ck_assert_msg(least < 1800 && most > 4200, "from %u to %u", least, most);
}
END_TEST

/* The events of a channel of that name, read with another one, are called ... */
static const char *event_of(const char *name) {
    const struct batch_channel channels[] = {
        {.name = name, .len = strlen(name), .from = {5, 1}, .to = {5, 2}},
        {.name = "b", .len = 1, .from = {6, 0}, .to = {6, 0}}};
    struct message *message = message_new(name, strlen(name), (struct position){5, 2}, 7, "hi", 2);
    struct batch *batch = batch_new(channels, 2, &(struct batch_entry){message, 0}, 1, 0);
    message_unref(message);
    const char *text = sent("events", "", batch), *event = strstr(text, "\nevent: ");
    ck_assert_msg(event != NULL, "%s", text);
    return keepf("%.*s", (int)strcspn(event + 8, "\n"), event + 8);
}

START_TEST(a_channel_called_as_an_event_of_somebody_else_stands_in_braces) {
    static const char *const taken[] = {"gap",          "open",         "error",  "message",
                                        "halley-redis", "halley-error", "halley-"};
    static const char *const plain[] = {"gaps", "ope",    "Gap",   "OPEN",  "errors", "messages",
                                        "chat", "halley", "a:gap", "(gap)", "~gap"};

    for (size_t i = 0; i < ROWS(taken); i++)
        ck_assert_str_eq(event_of(taken[i]), keepf("{%s}", taken[i]));
    for (size_t i = 0; i < ROWS(plain); i++)
        ck_assert_str_eq(event_of(plain[i]), plain[i]);
}
END_TEST

START_TEST(an_event_stream_that_cannot_be_had_for_now_says_so_and_ends) {
    static const char *const formats[] = {"", "format=json"};
    const struct transport *transport = transport_find("events");
    struct problem problem;

    problem_later(&problem, 503, 10, "no room for another waiter: max_waiters is %d", 5);
    for (size_t i = 0; i < ROWS(formats); i++) {
        struct transport_options options = options_of(transport, formats[i], 1);
        struct buf out = buf_make(10000);
        transport->later(&options, &problem, &out);
        unsigned ms = retry_of(keep(out.data));
        ck_assert_msg(ms >= 5000 && ms <= 15000, "%u", ms); /* Retry-After is the longer one */
        ck_assert_str_eq(strchr(out.data, '\n'),
                         "\nevent: halley-error\ndata: {\"type\":\"about:blank\",\"title\":"
                         "\"Service Unavailable\",\"status\":503,\"detail\":\"no room for "
                         "another waiter: max_waiters is 5\",\"retry_after\":10}\n\n");
    }
    for (size_t i = 0; transport_at(i) != NULL; i++)
        ck_assert(transport_at(i)->later == NULL || transport_at(i) == transport);
}
END_TEST

START_TEST(events_of_several_channels_name_theirs) {
    ck_assert_str_eq(sent("events", "", batch_of("hi", 2, false, true)),
                     "id: a@5-2,b@6-0\nevent: a\ndata: hi\n\n");
}
END_TEST

START_TEST(a_gap_is_an_event_in_front_of_what_follows_it) {
    ck_assert_str_eq(sent("events", "", batch_of("hi", 2, true, false)),
                     "event: gap\ndata: [\"a\"]\n\nid: a@5-2\ndata: hi\n\n");
}
END_TEST

START_TEST(events_can_carry_batches) {
    ck_assert_str_eq(sent("events", "format=json", batch_of("hi", 2, false, false)),
                     "id: a@5-2\ndata: " HI "\n\n");
}
END_TEST

START_TEST(parts_end_with_their_boundary) {
    ck_assert_str_eq(begun("multipart", ""),
                     "--halley-part\r\nContent-Type: application/json\r\n\r\n" EMPTY
                     "\r\n--halley-part\r\n");
    ck_assert_str_eq(sent("multipart", "", batch_of("hi", 2, false, false)),
                     "Content-Type: application/json\r\n\r\n" HI "\r\n--halley-part\r\n");
}
END_TEST

START_TEST(scripts_call_the_function_and_cannot_be_left) {
    static const char payload[] = "</script><!--\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa6";
    const char *frame =
        sent("iframe", "callback=a.b_$1", batch_of(payload, sizeof payload - 1, false, false));

    ck_assert_int_eq(strncmp(frame, "<script>parent.a.b_$1({", 23), 0);
    ck_assert_str_eq(frame + strlen(frame) - 11, ")</script>\n");
    ck_assert_ptr_eq(strstr(frame, "</script>"), frame + strlen(frame) - 10);
    ck_assert_ptr_nonnull(strstr(frame, "\"\\u003c/script>\\u003c!--\\u2028\\u2029\xe2\x80\xa6\""));
    ck_assert_str_eq(sent("jsonp", "callback=f", batch_of("hi", 2, false, false)),
                     "/**/f(" HI ");");
    ck_assert_uint_gt(strlen(begun("iframe", "callback=f")), 1024);
}
END_TEST

START_TEST(callbacks_are_names_and_nothing_else) {
    char longest[160] = "callback=";
    const struct {
        const char *query;
        bool valid;
    } rows[] = {{"callback=f", true},
                {"callback=$", true},
                {"callback=_a.b.c9", true},
                {longest, true},
                {"", false},
                {"callback=", false},
                {"callback=9a", false},
                {"callback=.a", false},
                {"callback=a-b", false},
                {"callback=a(b)", false},
                {"callback=a%0a", false},
                {"callback=a%00", false},
                {"callback=f&callback=g", false},
                {"callback=%c3%a9", false},
                {"callback=a%20b", false}};

    memset(longest + 9, 'x', 128);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct transport_options options = {.config = &config};
        struct problem problem = {0};
        struct params params;
        ck_assert_int_eq(params_parse(&params, rows[i].query, strlen(rows[i].query)), ERR_OK);
        bool valid = transport_find("iframe")->options(&params, 1, &options, &problem);
        ck_assert_msg(valid == rows[i].valid, "%s", rows[i].query);
        ck_assert_msg(valid || (problem.status == 400 && options.callback == NULL), "%s",
                      rows[i].query);
        free(options.callback);
        params_free(&params);
    }
}
END_TEST

START_TEST(streams_have_a_sign_of_life_that_is_no_message) {
    static const struct {
        const char *name, *text;
    } rows[] = {{"events", ":\n\n"}, {"stream", "\n"}, {"iframe", "<!---->\n"}};
    const struct transport_options options = {.config = &config};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out = buf_make(1000);
        transport_find(rows[i].name)->keepalive(&options, NULL, &out);
        ck_assert_str_eq(out.data, rows[i].text);
        buf_free(&out);
    }
}
END_TEST

/* What the line feed sends for a batch of one message. */
static const char *line_of(const char *payload, size_t len, bool gap, unsigned variant) {
    const struct transport_options options = {.config = &config, .variant = variant};
    struct batch *batch = batch_of(payload, len, gap, false);
    struct buf out = buf_make(100000);

    transport_find("line")->render(&options, batch, &out);
    batch_unref(batch);
    return keep(out.data);
}

START_TEST(the_line_feed_has_a_line_for_each_thing) {
    ck_assert_str_eq(line_of("hi", 2, false, 0), "MESSAGE a 5-2 \"hi\"\n");
    ck_assert_str_eq(line_of("{\"b\":\n 1}", 9, true, LINE_ANSWER),
                     "GAP a\nMESSAGE a 5-2 {\"b\":  1}\n");
    ck_assert_str_eq(line_of("a\0\n", 3, false, 0), "MESSAGE a 5-2 \"a\\u0000\\n\"\n");
    ck_assert_str_eq(line_of("\xff", 1, false, 0), "MESSAGE a 5-2 \"data:;base64,/w==\"\n");
    ck_assert_str_eq(line_of("hi", 2, false, LINE_JSON), HI "\n");
}
END_TEST

START_TEST(the_line_feed_begins_with_the_answer_to_a_command) {
    static const struct {
        unsigned variant;
        const char *begin, *alive, *end;
    } rows[] = {{0, "", "PING\n", "BYE\n"},
                {LINE_ANSWER, "OK\n", "PING\n", "BYE\n"},
                {LINE_JSON, EMPTY "\n", EMPTY "\n", ""},
                {LINE_JSON | LINE_ANSWER, EMPTY "\n", EMPTY "\n", ""}};
    const struct transport *line = transport_find("line");
    const struct batch_channel channel = {.name = "a", .len = 1, .to = {5, 1}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct transport_options options = {.config = &config, .variant = rows[i].variant};
        struct buf begin = buf_make(1000), alive = buf_make(1000), end = buf_make(1000);
        struct batch *place = batch_new(&channel, 1, NULL, 0, 0);
        line->begin(&options, place, &begin);
        line->keepalive(&options, place, &alive);
        line->end(&options, &end);
        assert_bytes(begin.data, begin.len, rows[i].begin, "begin");
        assert_bytes(alive.data, alive.len, rows[i].alive, "alive");
        assert_bytes(end.data, end.len, rows[i].end, "end");
        batch_unref(place);
        buf_free(&begin);
        buf_free(&alive);
        buf_free(&end);
    }
}
END_TEST

START_TEST(transports_are_found_by_their_names) {
    for (size_t i = 0; transport_at(i) != NULL; i++)
        ck_assert_ptr_eq(transport_find(transport_at(i)->name),
                         transport_at(i)->carried ? NULL : transport_at(i));
    ck_assert_ptr_null(transport_find(""));
    ck_assert_ptr_null(transport_find("Wait"));
    ck_assert_ptr_null(transport_find("publish"));
}
END_TEST

UNIT_MAIN("transports", polls_and_lines_carry_the_batch_as_it_is,
          an_event_has_the_cursor_and_the_payload,
          every_event_stream_is_told_another_time_to_come_back,
          a_channel_called_as_an_event_of_somebody_else_stands_in_braces,
          an_event_stream_that_cannot_be_had_for_now_says_so_and_ends,
          events_of_several_channels_name_theirs, a_gap_is_an_event_in_front_of_what_follows_it,
          events_can_carry_batches, parts_end_with_their_boundary,
          scripts_call_the_function_and_cannot_be_left, callbacks_are_names_and_nothing_else,
          streams_have_a_sign_of_life_that_is_no_message, transports_are_found_by_their_names,
          the_line_feed_has_a_line_for_each_thing,
          the_line_feed_begins_with_the_answer_to_a_command)
