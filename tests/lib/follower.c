/* A long-poller that follows its cursor, and the judge of what it is given.
 *
 * It asks /comet/wait, takes the batch, asks again with the batch's cursor, as
 * halley.js does. Each message is held against the one before it in its
 * channel: the next number of the same epoch, or else a gap must have been told
 * in between; never a number again, never an older epoch. So every test that follows
 * anything also tests delivery guarantees 1 and 2.
 */
#include "tests/lib/follower.h"

#include "tests/lib/batch.h"
#include "tests/lib/keep.h"

#include <inttypes.h>
#include <string.h>

enum { WAIT_SECONDS = 20, PAUSE_MS = 50 };

static void ask(struct follower *follower) {
    follower->flight = http_get_begin(follower->lab, "/comet/wait?channel=%s&since=%s&timeout=%d",
                                      follower->channels, follower->cursor, WAIT_SECONDS);
}

static void begin_at(struct follower *follower) {
    const struct answer *answer;

    do {
        answer = http_get(follower->lab, "/comet/poll?channel=%s&since=now", follower->channels);
        if (answer->status != 200)
            pause_ms(PAUSE_MS);
    } while (follower->forgives && answer->status != 200);
    follower->cursor = batch_cursor(must_be_batch(answer));
}

void follower_begin(struct follower *follower, struct lab *lab, const char *channels,
                    const char *since) {
    follower->lab = lab;
    follower->channels = channels;
    follower->cursor = since;
    follower->messages = keep(json_array());
    follower->last = keep(json_object());
    follower->told = keep(json_object());
    if (strcmp(since, "now") == 0)
        begin_at(follower);
    ask(follower);
}

static void judge(struct follower *follower, const struct answer *batch, size_t which) {
    const char *channel = batch_channel(batch, which), *id = batch_id(batch, which);
    const char *before = json_string_value(json_object_get(follower->last, channel));
    struct message_id now = id_parse(id), last;

    if (before) {
        last = id_parse(before);
        must(now.epoch >= last.epoch, "%s: %s after %s goes back", channel, id, before);
        must(now.epoch > last.epoch || now.n > last.n, "%s: %s after %s, given again", channel, id,
             before);
        must((now.epoch == last.epoch && now.n == last.n + 1) ||
                 json_object_get(follower->told, channel),
             "%s: %s after %s, and no gap", channel, id, before);
    }
    json_object_set_new(follower->last, channel, json_string(id));
    json_object_del(follower->told, channel);
    json_array_append(follower->messages, (json_t *)batch_message(batch, which));
}

static void take(struct follower *follower, const struct answer *answer) {
    json_t *gap;
    size_t i;

    if (follower->forgives && answer->status != 200) {
        follower->refusals++;
        follower->next_ask_ms = now_ms() + PAUSE_MS;
        return;
    }
    must_be_batch(answer);
    follower->answers++;
    follower->gaps += batch_any_gap(answer);
    json_array_foreach (json_object_get(answer->json, "gap"), i, gap)
        json_object_set_new(follower->told, json_string_value(gap), json_true());
    for (i = 0; i < batch_count(answer); i++)
        judge(follower, answer, i);
    follower->cursor = batch_cursor(answer);
}

void follower_turn(struct follower *follower) {
    if (follower->flight && http_landed(follower->flight)) {
        take(follower, http_land(follower->flight));
        follower->flight = NULL;
    }
    if (!follower->flight && now_ms() >= follower->next_ask_ms)
        ask(follower);
}

void followers_reach(struct follower *followers, size_t count, size_t messages) {
    int64_t end = now_ms() + PATIENCE_MS;

    for (;;) {
        size_t there = 0;

        for (size_t i = 0; i < count; i++) {
            follower_turn(&followers[i]);
            there += follower_count(&followers[i]) >= messages;
        }
        if (there == count)
            return;
        must(now_ms() < end,
             "%zu of %zu followers have all %zu messages; the first has %zu, %zu gaps, %zu answers,"
             " %zu refusals",
             there, count, messages, follower_count(followers), followers->gaps, followers->answers,
             followers->refusals);
        http_pump(20);
    }
}

void follower_reach_gap(struct follower *follower, size_t gaps) {
    int64_t end = now_ms() + PATIENCE_MS;

    while (follower->gaps < gaps) {
        follower_turn(follower);
        must(now_ms() < end, "nobody says that something is missing; %zu messages, %zu refusals",
             follower_count(follower), follower->refusals);
        http_pump(20);
    }
}

size_t follower_count(const struct follower *follower) {
    return json_array_size(follower->messages);
}

const json_t *follower_data(const struct follower *follower, size_t which) {
    return json_object_get(json_array_get(follower->messages, which), "data");
}

const char *follower_id(const struct follower *follower, size_t which) {
    return json_string_value(json_object_get(json_array_get(follower->messages, which), "id"));
}

void follower_must_have(const struct follower *follower, int from, int to) {
    size_t count = follower_count(follower);

    must(follower->gaps == 0, "%zu gaps, though nothing was lost", follower->gaps);
    for (size_t i = 0; i < count; i++)
        must(json_integer_value(follower_data(follower, i)) == from + (int)i,
             "message %zu is %" JSON_INTEGER_FORMAT ", not %d", i,
             json_integer_value(follower_data(follower, i)), from + (int)i);
    must(count == (size_t)(to - from + 1), "%zu messages instead of %d", count, to - from + 1);
}

void follower_end(struct follower *follower) {
    http_abandon(follower->flight);
    follower->flight = NULL;
}
