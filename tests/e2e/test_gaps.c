/* Gaps, told exactly where the hole is, whatever brings the messages; and streams that
 * somebody else wrote into.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <string.h>

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "gaps");
    lab_set(&lab, "JSONP", "on");
    lab_websockets(&lab);
    lab_all(&lab, "gaps", "lighttpd");
}

static void teardown(void) {
    lab_close(&lab);
}

/* What a piece tells, behind what was told before: "-" is a gap. */
static char *tell(const char *told, const struct piece *piece) {
    char *text = keepf("%s%s", told, piece_gap(piece) ? "-" : "");
    for (size_t i = 0; i < piece_count(piece); i++) {
        const char *data = piece_data(piece, i);
        text = keepf("%s%.1s", text, data[0] == '"' ? data + 1 : data);
    }
    return text;
}

/* Everything that a reader by one transport is told from a cursor on, to the message `last`. */
static const char *follow(enum transport transport, const char *channel, const char *since,
                          char last) {
    struct stream *stream = NULL;
    const char *cursor = since;
    char *told = keepf("%s", "");

    while (strchr(told, last) == NULL) {
        if (stream == NULL)
            stream = stream_open(&lab, BY_WEB, transport,
                                 keepf("channel=%s&since=%s", channel, cursor), NULL);
        const struct piece *piece = stream_reach(stream);
        told = tell(told, piece);
        cursor = piece_cursor(piece) != NULL ? piece_cursor(piece) : cursor;
        if (transport >= STREAMS) {
            stream_close(stream);
            stream = NULL;
        }
    }
    stream_close(stream);
    return told;
}

static const char *at_n(const char *channel, const char *id, unsigned n) {
    return keepf("%s%%40%llu-%u", channel, (unsigned long long)id_parse(id).epoch, n);
}

static const char *add_all(const char *channel, const char *letters) {
    const char *id = NULL;
    for (; *letters != '\0'; letters++)
        id = store_add(&lab, channel, keepf("%c", *letters));
    return id;
}

START_TEST(a_gap_is_told_between_what_is_in_front_of_the_hole_and_what_is_behind) {
    const char *channel = keep_fresh("hole");
    const char *id = add_all(channel, "abcdefg");

    store_do(&lab, "XDEL halley.history:{%s} %llu-3", channel,
             (unsigned long long)id_parse(id).epoch);
    for (int t = 0; t < TRANSPORTS; t++) {
        const char *told = follow((enum transport)t, channel, at_n(channel, id, 1), 'g');
        const char *want = t < STREAMS ? "b-defg" : "-bdefg"; /* one batch names it, no more */
        ck_assert_msg(strcmp(told, want) == 0, "%s: %s", transports[t].name, told);
    }
}
END_TEST

START_TEST(a_redis_that_lost_its_end_has_the_gap_told_behind_what_it_kept) {
    const char *channel = keep_fresh("lost");
    const char *id = add_all(channel, "abc");

    store_do(&lab, "HSET halley.meta:{%s} run another", channel); /* another process counts */
    add_all(channel, "xy");
    for (int t = 0; t < TRANSPORTS; t++) {
        const char *told = follow((enum transport)t, channel, at_n(channel, id, 1), 'y');
        const char *want = t < STREAMS ? "bc-xy" : "-bcxy";
        ck_assert_msg(strcmp(told, want) == 0, "%s: %s", transports[t].name, told);
    }
}
END_TEST

START_TEST(entries_made_by_hand_are_read_from_the_start_resumed_and_followed) {
    const char *channel = keep_fresh("hand");

    for (int i = 0; i < 3; i++, pause_ms(2)) /* in one millisecond they count 0, 1, 2 */
        store_do(&lab, "XADD halley.history:{%s} * data %s", channel, keepf("%c", 'a' + i));
    struct stream *stream =
        stream_open(&lab, BY_WEB, EVENTS, keepf("channel=%s&since=start", channel), NULL);
    const char *first = piece_cursor(stream_reach(stream)); /* where it begins */
    char *told = keepf("%s", "");
    while (strcmp(told, "abc") != 0)
        told = tell(told, stream_reach(stream));
    stream_close(stream);
    ck_assert_ptr_nonnull(first);
    ck_assert_str_eq(follow(EVENTS, channel, first, 'c'), "a-b-c");
    const struct answer *all = http_get(&lab, "/comet/poll?channel=%s&since=start", channel);
    const char *end = json_string_value(json_object_get(all->json, "cursor"));
    ck_assert_ptr_nonnull(end);
    add_all(channel, "de");
    ck_assert_str_eq(follow(EVENTS, channel, end, 'e'), "de");
    ck_assert_str_eq(follow(EVENTS, channel, first, 'e'), "a-b-cde");
}
END_TEST

START_TEST(a_channel_whose_keys_are_taken_away_loses_and_doubles_nothing_in_silence) {
    const char *channel = keep_fresh(keepf("taken%d", _i));

    add_all(channel, "ab");
    struct stream *stream = stream_open(&lab, BY_WEB, EVENTS, keepf("channel=%s", channel), NULL);
    stream_reach_start(stream);
    add_all(channel, "c");
    char *told = tell(keepf("%s", ""), stream_reach(stream));
    if (_i != 1) /* the counter, the stream, or both */
        store_do(&lab, "DEL halley.meta:{%s}", channel);
    if (_i != 0)
        store_do(&lab, "DEL halley.history:{%s}", channel);
    ck_assert_uint_eq(batch_count(read_since(&lab, channel, "now")), 0);
    add_all(channel, "de");
    while (strchr(told, 'e') == NULL)
        told = tell(told, stream_reach(stream));
    ck_assert_str_eq(told, _i == 1 ? "cde" : "c-de");
    stream_close(stream);
}
END_TEST

static Suite *suite(void) {
    Suite *all = suite_create("gaps");
    TCase *tcase = e2e_case(all, "gaps", setup, teardown);

    tcase_add_test(tcase, a_gap_is_told_between_what_is_in_front_of_the_hole_and_what_is_behind);
    tcase_add_test(tcase, a_redis_that_lost_its_end_has_the_gap_told_behind_what_it_kept);
    tcase_add_test(tcase, entries_made_by_hand_are_read_from_the_start_resumed_and_followed);
    tcase_add_loop_test(
        tcase, a_channel_whose_keys_are_taken_away_loses_and_doubles_nothing_in_silence, 0, 3);
    return all;
}

int main(void) {
    return e2e_run(suite());
}
