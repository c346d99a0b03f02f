/* Patterns: channels that nobody named, those that are there and those that come to be.
 *
 * What is found is asked of two processes in turn, for nothing of it may live in one alone; and
 * through each web server, for a pattern's characters are among those that servers decode.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <signal.h>
#include <string.h>

static struct lab lab;

static void begin(const char *server, const char *option, const char *value) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "patterns");
    lab_conf(&lab, "[channel *closed*]\nsubscribe = none\n[channel *]\npublish = anyone\n");
    lab_set(&lab, option, value);
    lab_redis(&lab, REDIS_KEEPS_AOF);
    lab_worker(&lab, 0);
    lab_websockets(&lab);
    lab_web(&lab, server, 1);
}

static void setup(void) {
    begin("http", "KEEPALIVE", "600");
}

/* One address, two processes: whoever is free takes a request. */
static void setup_two(void) {
    begin("http", "PROCESSES", "2");
}

static void teardown(void) {
    lab_close(&lab);
}

static const struct answer *poll_for(const char *pattern, const char *since) {
    return must_be_batch(
        http_get(&lab, "/comet/poll?pattern=%s&since=%s", keep_encoded(pattern), since));
}

/* --- what is there ------------------------------------------------------------------------ */

START_TEST(a_pattern_stands_for_the_channels_that_match) {
    const char *stem = keep_fresh("p");
    const char *const names[] = {"%s/a", "%s/b", "%s/b/c", "%s", "%sx/a", "%s/closed"};
    const struct answer *batch;

    for (size_t i = 0; i < 6; i++) {
        const char *at = strstr(names[i], "%s");
        store_add(&lab, keepf("%s%s", stem, at + 2), keepf("%zu", i));
        pause_ms(3); /* messages of one millisecond have no order between channels */
    }
    batch = poll_for(keepf("%s/*", stem), "start");
    ck_assert_str_eq(batch_all_data(batch), "0,1");
    ck_assert_str_eq(batch_channel(batch, 1), keepf("%s/b", stem));
    ck_assert_str_eq(batch_all_data(poll_for(keepf("%s/**", stem), "start")), "0,1,2");
    ck_assert_str_eq(batch_all_data(poll_for(keepf("%s/**", stem), "-1")), "0,1,2");
    ck_assert_uint_eq(batch_count(poll_for(keepf("%s/**", stem), "now")), 0);
    batch = http_get(&lab, "/comet/poll?pattern=%s&pattern=%s&channel=%s&channel=%s&since=start",
                     keep_encoded(keepf("%s/*", stem)), keep_encoded(keepf("%s/b/*", stem)), stem,
                     keep_encoded(keepf("%s/a", stem)));
    ck_assert_str_eq(batch_all_data(must_be_batch(batch)), "0,1,2,3");
}
END_TEST

START_TEST(what_is_no_pattern_is_told_so) {
    static const char *const bad[] = {"a", "", "a*", "a/***", "*/a", "a/*/*", "news.*", "{a}/*"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        must_be_problem(http_get(&lab, "/comet/poll?pattern=%s", keep_encoded(bad[i])), 400,
                        "pattern");
    must_be_problem(http_get(&lab, "/comet/poll?channel=a/*"), 400, "channel"); /* an exact name */
    must_be_problem(http_get(&lab, "/comet/poll"), 400, "channel");
    must_be_problem(http_get(&lab, "/comet/poll?pattern=*&pattern=*&pattern=*&pattern=*&pattern=*"
                                   "&pattern=*&pattern=*&pattern=*&pattern=*"),
                    400, "pattern");
}
END_TEST

/* --- what comes to be ------------------------------------------------------------------------ */

/* Each kind of publish may be the first one of its channel. */
static void be_born(const char *channel, const char *payload, int kind) {
    if (kind == 0)
        store_add(&lab, channel, payload);
    else if (kind == 1)
        ck_assert_int_ge(store_publish(&lab, channel, payload), 1);
    else
        ck_assert_int_eq(http_post(&lab, payload, strlen(payload), "/comet/publish?channel=%s",
                                   keep_encoded(channel))
                             ->status,
                         200);
}

START_TEST(a_new_channel_begins_at_its_start_for_everybody_who_waits) {
    const char *stem = keep_fresh("born"), *pattern = keepf("%s/*", stem);
    struct stream *streams[STREAMS];
    struct flight *wait;

    for (int t = 0; t < STREAMS; t++) {
        streams[t] = stream_open(&lab, BY_WEB, (enum transport)t,
                                 keepf("pattern=%s", keep_encoded(pattern)), NULL);
        ck_assert_ptr_nonnull(streams[t]);
        stream_reach_start(streams[t]);
    }
    for (int round = 0; round < 3; round++) {
        /* behind a place: it may be held only after the channel has come to be */
        const char *place = batch_cursor(poll_for(pattern, "now"));
        wait = http_get_begin(&lab, "/comet/wait?pattern=%s&timeout=50&since=%s",
                              keep_encoded(pattern), place);
        until((http_pump(10), store_followers(&lab, pattern) > 0), "nobody follows");
        be_born(keepf("%s/closed%d", stem, round), "0", 0);
        be_born(keepf("%s/n%d", stem, round), keepf("%d", 10 + round), round);
        ck_assert_str_eq(batch_all_data(must_be_batch(http_land(wait))), keepf("%d", 10 + round));
        for (int t = 0; t < STREAMS; t++) {
            const struct piece *piece = stream_reach_message(streams[t]);
            if (t == EVENTS) {
                ck_assert_str_eq(piece->event, keepf("%s/n%d", stem, round));
                ck_assert(strstr(piece->data, keepf("%d", 10 + round)) != NULL);
            } else {
                const json_t *messages = json_object_get(piece->batch, "messages");
                ck_assert_uint_eq(json_array_size(messages), 1);
                ck_assert_int_eq(
                    json_integer_value(json_object_get(json_array_get(messages, 0), "data")),
                    10 + round);
            }
        }
    }
    for (int t = 0; t < STREAMS; t++)
        stream_close(streams[t]);
}
END_TEST

/* Between two answers, each of another process, channels come to be. */
START_TEST(a_cursor_misses_no_channel_that_came_to_be) {
    enum { ROUNDS = 40 };
    const char *stem = keep_fresh("since"), *pattern = keepf("%s/**", stem), *cursor;
    size_t had = 0, received = 0;
    bool seen[ROUNDS] = {false};

    store_add(&lab, keepf("%s/first", stem), "-1");
    cursor = batch_cursor(poll_for(pattern, "now"));
    for (int round = 0; round < ROUNDS; round++) {
        store_add(&lab, keepf("%s/%d", stem, round % 7 ? round : 0), keepf("%d", round));
        if (round % 3 == 0)
            continue;
        const struct answer *batch = poll_for(pattern, cursor);
        for (size_t i = 0; i < batch_count(batch); i++)
            had += !seen[json_integer_value(batch_data(batch, i))];
        for (size_t i = 0; i < batch_count(batch); i++)
            seen[json_integer_value(batch_data(batch, i))] = true;
        received += batch_count(batch);
        ck_assert_uint_eq(had, (size_t)round + 1); /* a read sees what was acknowledged before it */
        ck_assert_uint_eq(received, had);          /* none came twice */
        ck_assert(!batch_any_gap(batch));
        cursor = batch_cursor(batch);
    }
}
END_TEST

START_TEST(what_came_to_be_while_redis_was_not_heard_is_found) {
    const char *stem = keep_fresh("deaf"), *pattern = keepf("%s/*", stem);
    struct stream *stream =
        stream_open(&lab, BY_WEB, STREAM, keepf("pattern=%s", keep_encoded(pattern)), NULL);

    stream_reach_start(stream);
    for (int i = 0; i < 5; i++) {
        store_do(&lab, "CLIENT KILL TYPE pubsub");
        store_add(&lab, keepf("%s/%d", stem, i), keepf("%d", i));
        const json_t *messages = json_object_get(stream_reach_message(stream)->batch, "messages");
        ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(messages, 0), "data")),
                         i);
    }
    stream_close(stream);
}
END_TEST

START_TEST(a_pattern_stands_for_a_thousand_channels_at_most) {
    const char *stem = keep_fresh("many"), *pattern = keepf("%s/*", stem);
    const struct answer *batch;

    for (int i = 0; i < 1010; i++)
        store_add(&lab, keepf("%s/%d", stem, i), "1");
    batch = must_be_batch(
        http_get(&lab, "/comet/poll?pattern=%s&since=start&limit=1000", keep_encoded(pattern)));
    ck_assert_uint_le(batch_count(batch), 1000);
    ck_assert_uint_ge(batch_count(batch), 990);
}
END_TEST

/* --- by a message of an open connection ------------------------------------------------------ */

static struct stream *open_socket(const char *query) {
    struct stream *stream = stream_open(&lab, BY_WEB, WS, query, NULL);

    ck_assert_ptr_nonnull(stream);
    stream_reach_start(stream);
    return stream;
}

/* Says something that changes the channels, and gives the cursor that answers it. */
static const char *watch(struct stream *stream, const char *text) {
    ck_assert(websock_say(stream->socket, text));
    const struct piece *piece = stream_reach(stream);
    ck_assert_msg(piece->batch != NULL, "%s: no batch", text);
    return keepf("%s", json_string_value(json_object_get(piece->batch, "cursor")));
}

/* The data of the next `count` messages, joined by commas. */
static const char *hear(struct stream *stream, size_t count) {
    const char *all = "";

    while (count > 0) {
        const json_t *messages = json_object_get(stream_reach_message(stream)->batch, "messages");
        for (size_t i = 0; i < json_array_size(messages); i++, count--)
            all = keepf("%s%s%lld", all, *all != '\0' ? "," : "",
                        (long long)json_integer_value(
                            json_object_get(json_array_get(messages, i), "data")));
    }
    return all;
}

static void must_refuse(struct stream *stream, const char *text, const char *words) {
    ck_assert(websock_say(stream->socket, text));
    const char *answer = websock_reach(stream->socket, "{\"error\":");
    ck_assert_msg(strstr(answer, words) != NULL, "%s: %s", text, answer);
}

START_TEST(an_open_socket_may_come_to_watch_a_pattern) {
    const char *stem = keep_fresh("said"), *other = keep_fresh("other");
    struct stream *stream = open_socket(keepf("channel=%s", other));

    store_add(&lab, keepf("%s/a", stem), "1");
    store_add(&lab, keepf("%s/closed", stem), "66");
    watch(stream, keepf("{\"pattern\":\"%s/*\"}", stem)); /* now: nothing is brought */
    store_add(&lab, keepf("%s/a", stem), "2");
    ck_assert_str_eq(hear(stream, 1), "2");
    be_born(keepf("%s/closed2", stem), "66", 0);
    for (int kind = 0; kind < 3; kind++) {
        be_born(keepf("%s/n%d", stem, kind), keepf("%d", 3 + kind), kind);
        ck_assert_str_eq(hear(stream, 1), keepf("%d", 3 + kind));
    }
    store_add(&lab, other, "6");
    ck_assert_str_eq(hear(stream, 1), "6");
    watch(stream, keepf("{\"pattern\":[\"%s/*\"]}", stem)); /* once more: all stays */
    store_add(&lab, keepf("%s/a", stem), "7");
    ck_assert_str_eq(hear(stream, 1), "7");
    stream_close(stream);
}
END_TEST

START_TEST(patterns_and_names_of_one_message_begin_at_its_since) {
    const char *stem = keep_fresh("since"), *name = keep_fresh("named"), *cursor;
    struct stream *stream = open_socket("");

    store_add(&lab, keepf("%s/a", stem), "1");
    pause_ms(3); /* messages of one millisecond have no order between channels */
    store_add(&lab, keepf("%s/b/c", stem), "2");
    pause_ms(3);
    store_add(&lab, name, "3");
    websock_say(stream->socket, keepf("{\"subscribe\":\"%s\",\"pattern\":[\"%s/*\",\"%s/b/**\"],"
                                      "\"since\":\"start\"}",
                                      name, stem, stem));
    ck_assert_str_eq(hear(stream, 3), "1,2,3");
    cursor = keepf("%s", json_string_value(json_object_get(stream->piece.batch, "cursor")));
    stream_close(stream);

    /* meanwhile channels go on and come to be, and it comes back by a message */
    store_add(&lab, keepf("%s/a", stem), "4");
    pause_ms(3);
    store_add(&lab, keepf("%s/new", stem), "5");
    stream = open_socket("");
    websock_say(stream->socket, keepf("{\"pattern\":\"%s/*\",\"since\":\"%s\"}", stem, cursor));
    ck_assert_str_eq(hear(stream, 2), "4,5");
    stream_close(stream);
}
END_TEST

START_TEST(a_pattern_is_left_with_what_no_other_stands_for) {
    const char *stem = keep_fresh("left"), *name = keep_fresh("named"), *cursor;
    struct stream *stream = open_socket(keepf("channel=%s", name));

    store_add(&lab, keepf("%s/a", stem), "1");
    store_add(&lab, keepf("%s/b/c", stem), "1");
    watch(stream, keepf("{\"pattern\":[\"%s/*\",\"%s/**\",\"%s/b/*\"]}", stem, stem, stem));
    cursor = watch(stream, keepf("{\"unsubscribe\":[\"%s/**\",\"%s/b/*\"]}", stem, stem));
    ck_assert_msg(strstr(cursor, keepf("%s/~2A@", stem)) != NULL &&
                      strstr(cursor, keepf("%s/a@", stem)) != NULL &&
                      strstr(cursor, "~2A~2A") == NULL && strstr(cursor, "/b/") == NULL,
                  "%s", cursor);
    store_add(&lab, keepf("%s/b/c", stem), "66");
    store_add(&lab, keepf("%s/b/new", stem), "66");
    store_add(&lab, keepf("%s/a", stem), "2");
    ck_assert_str_eq(hear(stream, 1), "2");
    store_add(&lab, keepf("%s/new", stem), "3");
    ck_assert_str_eq(hear(stream, 1), "3");
    watch(stream, keepf("{\"unsubscribe\":\"%s/*\"}", stem));
    store_add(&lab, keepf("%s/a", stem), "66");
    store_add(&lab, keepf("%s/newer", stem), "66");
    store_add(&lab, name, "4");
    ck_assert_str_eq(hear(stream, 1), "4");
    stream_close(stream);
}
END_TEST

START_TEST(what_is_published_behind_a_pattern_is_heard) {
    const char *stem = keep_fresh("own");
    struct stream *stream = open_socket("");

    websock_say(stream->socket, keepf("{\"pattern\":\"%s/*\",\"publish\":{\"channel\":\"%s/x\","
                                      "\"data\":5},\"ref\":9}",
                                      stem, stem));
    websock_reach(stream->socket, "\"data\":5");
    stream_close(stream);
}
END_TEST

START_TEST(what_is_no_pattern_in_a_message_is_told_and_changes_nothing) {
    static const char *const bad[] = {"\"a\"",    "\"\"",    "[]",          "7",
                                      "[\"a*\"]", "\"*/a\"", "[\"a/*\",3]", "null"};
    const char *name = keep_fresh("stays"), *nine = "";
    struct stream *stream = open_socket(keepf("channel=%s", name));

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        must_refuse(stream, keepf("{\"pattern\":%s,\"ref\":1}", bad[i]), "\"detail\":\"pattern: ");
    for (int i = 0; i < 9; i++)
        nine = keepf("%s%s\"p%d/*\"", nine, i > 0 ? "," : "", i);
    must_refuse(stream, keepf("{\"pattern\":[%s]}", nine), "the most is 8");
    for (int i = 0; i < 8; i++)
        watch(stream, keepf("{\"pattern\":\"p%d/*\"}", i));
    must_refuse(stream, "{\"pattern\":\"p8/*\"}", "the most is 8");
    must_refuse(stream, "{\"pattern\":\"p7/*\",\"since\":\"x\"}", "since: ");
    must_refuse(stream, "{\"unsubscribe\":\"p*\"}", "channel: ");
    store_add(&lab, name, "1");
    websock_reach(stream->socket, "\"data\":1");
    stream_close(stream);
}
END_TEST

START_TEST(a_pattern_while_redis_is_away_is_told_and_may_be_said_again) {
    const char *stem = keep_fresh("away"), *name = keep_fresh("named"), *text;

    begin(_i == 0 ? "http" : "nginx", "REDIS_TIMEOUT", "2");
    struct stream *stream = open_socket(keepf("channel=%s", name));
    proc_signal(&lab.redis, SIGKILL);
    proc_wait(&lab.redis);
    must_refuse(stream, keepf("{\"pattern\":\"%s/*\",\"ref\":1}", stem), "\"status\":503");
    lab_redis(&lab, REDIS_KEEPS_AOF);
    text = keepf("{\"pattern\":\"%s/*\",\"ref\":2}", stem);
    do {
        pause_ms(50);
        ck_assert(websock_say(stream->socket, text));
        websock_reach_text(stream->socket);
    } while (strstr(stream->socket->text, stem) == NULL);
    store_add(&lab, keepf("%s/a", stem), "1");
    websock_reach(stream->socket, "\"data\":1");
    store_add(&lab, name, "2");
    websock_reach(stream->socket, "\"data\":2");
    stream_close(stream);
}
END_TEST

/* --- behind web servers --------------------------------------------------------------------- */

START_TEST(web_servers_hand_patterns_on) {
    begin(e2e_servers[_i], "KEEPALIVE", "600");
    a_pattern_stands_for_the_channels_that_match_fn(_i);
    what_is_no_pattern_is_told_so_fn(_i);
    an_open_socket_may_come_to_watch_a_pattern_fn(_i);
    a_new_channel_begins_at_its_start_for_everybody_who_waits_fn(_i);
}
END_TEST

static void add_tests(TCase *all) {
    tcase_add_test(all, a_pattern_stands_for_the_channels_that_match);
    tcase_add_test(all, what_is_no_pattern_is_told_so);
    tcase_add_test(all, a_new_channel_begins_at_its_start_for_everybody_who_waits);
    tcase_add_test(all, a_cursor_misses_no_channel_that_came_to_be);
    tcase_add_test(all, an_open_socket_may_come_to_watch_a_pattern);
    tcase_add_test(all, patterns_and_names_of_one_message_begin_at_its_since);
    tcase_add_test(all, a_pattern_is_left_with_what_no_other_stands_for);
    tcase_add_test(all, what_is_published_behind_a_pattern_is_heard);
    tcase_add_test(all, what_is_no_pattern_in_a_message_is_told_and_changes_nothing);
    tcase_add_test(all, a_pattern_stands_for_a_thousand_channels_at_most);
    /* last: behind it Redis may not be heard yet */
    tcase_add_test(all, what_came_to_be_while_redis_was_not_heard_is_found);
}

int main(void) {
    Suite *suite = suite_create("patterns");
    TCase *one = e2e_case(suite, "one process", setup, teardown);
    TCase *two = e2e_case(suite, "two processes", setup_two, teardown);
    TCase *web = e2e_case(suite, "web servers", NULL, teardown);

    add_tests(one);
    add_tests(two);
    tcase_add_loop_test(web, a_pattern_while_redis_is_away_is_told_and_may_be_said_again, 0, 2);
    tcase_add_loop_test(web, web_servers_hand_patterns_on, 0, E2E_SERVERS);
    return e2e_run(suite);
}
