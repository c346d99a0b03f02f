/* What somebody else publishes into our names, and channels that Redis refuses: neither
 * stops a channel, nor makes a process ask Redis without a pause, nor is silent.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"
#include "tests/lib/wire.h"

#include <stdlib.h>
#include <string.h>

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "phantoms");
    lab_websockets(&lab);
    lab_all(&lab, "phantoms", "lighttpd");
}

static void teardown(void) {
    lab_close(&lab);
}

static void forge(const char *channel, const char *text) {
    store_do(&lab, "PUBLISH %s %s", keepf("halley.live:{%s}", channel), text);
}

/* How often Redis was asked to read. */
static long reads(void) {
    const redisReply *info = store_do(&lab, "INFO commandstats");
    const char *at = strstr(info->str, "cmdstat_fcall_ro:calls=");
    return at != NULL ? strtol(at + strlen("cmdstat_fcall_ro:calls="), NULL, 10) : 0;
}

static long figure(const char *name) {
    const struct answer *answer = http_get(&lab, "/comet/status");
    const json_t *value = json_object_get(answer->json, name);
    ck_assert_msg(json_is_integer(value), "no figure %s in %s", name, answer_text(answer));
    return (long)json_integer_value(value);
}

static struct stream *follow(enum transport transport, const char *channel) {
    struct stream *stream =
        stream_open(&lab, BY_WEB, transport, keepf("channel=%s", channel), NULL);
    ck_assert_msg(stream != NULL, "the web server does not listen");
    stream_reach_start(stream);
    return stream;
}

static const struct answer *poll(const char *channels) {
    return must_be_batch(http_get(&lab, "/comet/poll?channel=%s", channels));
}

/* ------------------------------------------------------------------ phantoms */

static const char *const forged[] = {
    "9999999999999-1 1 x",    "9007199254740991-1 1 x",     "9007199254740991-9007199254740991 1 x",
    "9007199254740992-1 1 x", "99999999999999999999-1 1 x", "1-1 1 x",
    "9999999999999-1"};
enum { FORGED = sizeof forged / sizeof *forged };

START_TEST(a_message_that_history_does_not_hold_is_dropped) {
    for (int held = 0; held < 2; held++) {
        const char *channel = keep_fresh(keepf("forged%d-%d", held, _i));
        if (held)
            store_add(&lab, channel, "0");
        poll(channel);
        struct stream *stream = follow(EVENTS, channel);
        forge(channel, forged[_i]);
        ck_assert_uint_eq(batch_count(poll(channel)), 0);
        poll(keepf("%s&channel=other", channel));
        store_add(&lab, channel, "1");
        stream_must_bring(stream, "1");
        forge(channel, forged[_i]);
        store_add(&lab, channel, "2");
        stream_must_bring(stream, "2");
        ck_assert_uint_eq(batch_count(read_since(&lab, channel, "-2")), 2);
        stream_close(stream);
    }
}
END_TEST

START_TEST(what_is_dropped_is_counted) {
    const char *channel = keep_fresh("counted");
    struct stream *stream = follow(STREAM, channel);
    long before = figure("phantoms");

    forge(channel, forged[0]);
    until(figure("phantoms") > before, "it is not counted: %ld", figure("phantoms"));
    stream_close(stream);
}
END_TEST

START_TEST(a_phantom_costs_a_read_and_not_one_after_the_other) {
    const char *channel = keep_fresh("quiet");
    struct stream *stream = follow(STREAM, channel);

    long before = reads();
    forge(channel, forged[0]);
    pause_ms(1000);
    ck_assert_int_le(reads() - before, 20);
    stream_close(stream);
    forge(channel, forged[1]);
    before = reads();
    pause_ms(1000); /* nobody reads any more */
    ck_assert_int_le(reads() - before, 20);
}
END_TEST

/* So many, each with an id of its own, in one go. */
static void flood(const char *channel, int count) {
    store_do(&lab, "EVAL %s 0 %s %d",
             "for i = 1, ARGV[2] do redis.call('PUBLISH', 'halley.live:{' .. ARGV[1] .. '}', "
             "(8000000000000 + i) .. '-' .. i .. ' 1 forged') end",
             channel, count);
}

START_TEST(in_a_flood_of_them_messages_and_polls_go_on) {
    enum { ROUNDS = 50, FLOOD = 500 };
    const char *channel = keep_fresh("flood");
    struct stream *stream = follow(EVENTS, channel);
    long before = reads();

    for (int i = 1; i <= ROUNDS; i++) {
        flood(channel, FLOOD);
        store_add(&lab, channel, keepf("%d", i));
        flood(channel, FLOOD);
        stream_must_bring(stream, keepf("%d", i));
        const struct answer *answer = read_since(&lab, channel, "-1");
        ck_assert_str_eq(batch_all_data(answer), keepf("%d", i));
    }
    ck_assert_int_le(reads() - before, ROUNDS * 4); /* of 50,000 phantoms */
    stream_close(stream);
}
END_TEST

START_TEST(a_publish_in_another_database_is_none_of_ours) {
    const char *channel = keep_fresh("database");
    struct stream *stream = follow(EVENTS, channel);
    redisContext *other = redisConnectUnix(lab.redis_socket);

    ck_assert(other != NULL && !other->err);
    freeReplyObject(redisCommand(other, "SELECT 1"));
    pause_ms(2); /* in the same millisecond it would be the next message */
    for (int i = 1; i <= 3; i++) {
        redisReply *id = redisCommand(other, "FCALL halley_publish 1 %s theirs", channel);
        ck_assert_int_eq(id->type, REDIS_REPLY_STRING);
        freeReplyObject(id);
        ck_assert_uint_eq(batch_count(poll(channel)), 0);
        store_add(&lab, channel, keepf("%d", i));
        stream_must_bring(stream, keepf("%d", i));
    }
    redisFree(other);
    stream_close(stream);
}
END_TEST

/* ---------------------------------------------------------- forged with our next id */

/* The id after the last one of a channel, as somebody forges it. */
static const char *next_of(const char *id) {
    struct message_id at = id_parse(id);
    return keepf("%llu-%llu", (unsigned long long)at.epoch, (unsigned long long)at.n + 1);
}

START_TEST(after_a_forged_next_message_the_real_one_is_told_behind_a_gap) {
    static const enum transport which[] = {EVENTS, STREAM, WS};
    const char *channel = keep_fresh("next");
    const char *id = store_add(&lab, channel, "1");
    struct stream *stream = follow(which[_i], channel);
    forge(channel, keepf("%s 1 forged", next_of(id)));
    stream_must_bring(stream, transports[which[_i]].endpoint[0] == 'e' ? "forged" : "\"forged\"");
    store_add(&lab, channel, "2");
    bool gap = false, real = false;
    while (!real) {
        const struct piece *piece = stream_reach(stream);
        gap = gap || piece_gap(piece);
        real = piece_count(piece) == 1 && strcmp(piece_data(piece, 0), "2") == 0;
        ck_assert(!real || gap);
    }
    store_add(&lab, channel, "3");
    stream_must_bring(stream, "3");
    ck_assert_int_gt(figure("misled"), 0);
    stream_close(stream);
}
END_TEST

START_TEST(after_a_forged_copy_of_a_message_nothing_is_told) {
    const char *channel = keep_fresh("copy");
    struct stream *stream = follow(EVENTS, channel);

    const char *id = store_add(&lab, channel, "1");
    stream_must_bring(stream, "1");
    forge(channel, keepf("%s 1 forged", id));
    store_add(&lab, channel, "2");
    const struct piece *piece = stream_reach(stream); /* no gap comes first */
    ck_assert_uint_eq(piece_count(piece), 1);
    ck_assert_str_eq(piece_data(piece, 0), "2");
    stream_close(stream);
}
END_TEST

/* ---------------------------------------------------------------------- refused */

static const struct refusal {
    const char *name;
    const char *break_it, *mend_it; /* with the channel's name for each %s */
    const char *says;
    bool waits_only; /* a poll is answered all the same */
} refusals[] = {
    {"wrong-stream", "SET halley.history:{%s} x", "DEL halley.history:{%s}", "WRONGTYPE", false},
    {"wrong-meta", "SET halley.meta:{%s} x", "DEL halley.meta:{%s}", "WRONGTYPE", false},
    {"no-key", "ACL SETUSER default resetkeys ~other*", "ACL SETUSER default ~*", "NOPERM", false},
    {"no-channel",
     "ACL SETUSER default resetchannels &halley.pulse &halley.marker &halley.sequenced &halley:*",
     "ACL SETUSER default &*", "NOPERM", true},
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

/* A command whose last %s, if it has one, is the channel. */
static void redis_does(const char *command, const char *channel) {
    const char *hole = strstr(command, "%s");
    size_t before = hole != NULL ? (size_t)(hole - command) : strlen(command);
    char *text = keepf("%.*s%s%s", (int)before, command, hole != NULL ? channel : "",
                       hole != NULL ? hole + 2 : "");
    const char *words[16];
    int count = 0;

    for (char *at = strtok(text, " "); at != NULL && count < 16; at = strtok(NULL, " "))
        words[count++] = at;
    redisReply *reply = redisCommandArgv(lab.store, count, words, NULL);
    ck_assert_msg(reply && reply->type != REDIS_REPLY_ERROR, "%s: %s", command,
                  reply ? reply->str : "away");
    freeReplyObject(reply);
}

START_TEST(a_channel_that_redis_refuses_is_503_with_its_words_and_comes_back) {
    const struct refusal *row = &refusals[_i];
    const char *channel = keep_fresh(row->name);

    store_do(&lab, "PING");
    redis_does(row->break_it, channel);
    const struct answer *answer = http_get(&lab, "/comet/poll?channel=%s&since=start", channel);
    if (!row->waits_only)
        must_be_problem(answer, 503, row->says);
    must_be_problem(http_get(&lab, "/comet/wait?channel=ok&channel=%s&since=start", channel), 503,
                    row->says);
    redis_does(row->mend_it, channel);
    until(http_get(&lab, "/comet/wait?timeout=1&channel=%s", channel)->status == 200,
          "it stays refused");
    struct stream *stream = follow(EVENTS, channel);
    for (int i = 1; i <= 5; i++) {
        store_add(&lab, channel, keepf("%d", i));
        stream_must_bring(stream, keepf("%d", i));
    }
    stream_close(stream);
}
END_TEST

START_TEST(a_stream_whose_channel_is_refused_ends_and_may_come_back) {
    const char *channel = keep_fresh("ended");
    struct stream *stream = follow(EVENTS, channel);
    struct flight *wait = http_get_begin(&lab, "/comet/wait?channel=%s", channel);

    store_add(&lab, channel, "1");
    stream_must_bring(stream, "1");
    must_be_batch(http_land(wait));
    wait =
        http_get_begin(&lab, "/comet/wait?channel=%s&since=%s", channel, cursor_now(&lab, channel));
    until((http_pump(10), figure("waiters") >= 2), "it does not wait");
    redis_does("RENAME halley.meta:{%s} kept", channel);
    redis_does("SET halley.meta:{%s} x", channel);
    forge(channel, forged[0]); /* has the history read */
    stream_reach_end(stream);
    must_be_problem(http_land(wait), 503, "WRONGTYPE");
    redis_does("RENAME kept halley.meta:{%s}", channel);
    until(http_get(&lab, "/comet/poll?channel=%s", channel)->status == 200, "it stays refused");
    const struct answer *answer = read_since(&lab, channel, "start");
    ck_assert_str_eq(batch_all_data(answer), "1");
    stream_close(stream);
}
END_TEST

START_TEST(a_redis_that_is_busy_for_a_while_costs_nobody_his_place) {
    const char *channel = keep_fresh("busy");
    store_add(&lab, channel, "0"); /* the first of a channel is looked up */
    struct stream *stream = follow(EVENTS, channel);
    long before = figure("resyncs");
    redisContext *other = redisConnectUnix(lab.redis_socket);

    ck_assert(other != NULL && !other->err);
    store_do(&lab, "CONFIG SET busy-reply-threshold 20");
    redisAppendCommand(other, "EVAL %s 0", "while true do end");
    for (int done = 0; !done;)
        ck_assert_int_eq(redisBufferWrite(other, &done), REDIS_OK);
    until(store_try(&lab, "PING")->type == REDIS_REPLY_ERROR, "it is not busy");
    struct flight *poll = http_get_begin(&lab, "/comet/poll?channel=%s", channel);
    for (int i = 0; i < 150; i++)
        http_pump(10); /* signs of life are asked for, and refused */
    store_do(&lab, "SCRIPT KILL");
    must_be_batch(http_land(poll));
    store_add(&lab, channel, "1");
    stream_must_bring(stream, "1");
    ck_assert_int_eq(figure("resyncs"), before); /* its connection was kept */
    redisFree(other);
    stream_close(stream);
}
END_TEST

static Suite *suite(void) {
    Suite *all = suite_create("phantoms");
    TCase *tcase = e2e_case(all, "phantoms", setup, teardown);

    tcase_add_loop_test(tcase, a_message_that_history_does_not_hold_is_dropped, 0, FORGED);
    tcase_add_test(tcase, what_is_dropped_is_counted);
    tcase_add_test(tcase, a_phantom_costs_a_read_and_not_one_after_the_other);
    tcase_add_test(tcase, in_a_flood_of_them_messages_and_polls_go_on);
    tcase_add_test(tcase, a_publish_in_another_database_is_none_of_ours);
    tcase_add_loop_test(tcase, after_a_forged_next_message_the_real_one_is_told_behind_a_gap, 0, 3);
    tcase_add_test(tcase, after_a_forged_copy_of_a_message_nothing_is_told);
    tcase_add_loop_test(tcase, a_channel_that_redis_refuses_is_503_with_its_words_and_comes_back, 0,
                        REFUSALS);
    tcase_add_test(tcase, a_stream_whose_channel_is_refused_ends_and_may_come_back);
    tcase_add_test(tcase, a_redis_that_is_busy_for_a_while_costs_nobody_his_place);
    return all;
}

int main(void) {
    return e2e_run(suite());
}
