/*
 * halley tail CHANNEL... [--since X]: messages as they are published, a line each, until it is
 * interrupted.
 *
 * A second connection is subscribed to the channels' live feeds. What is heard is written as it
 * came where it is the next message; else, and at the beginning, and whenever a connection
 * was lost, history is read from where the channel stands. So nothing is passed over: what is
 * missing is told as a gap, by the same rules as in a browser.
 */
#include "operator/commands.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/names.h"
#include "core/data/since.h"
#include "core/redis/page.h"
#include "core/redis/words.h"
#include "operator/pages.h"
#include "operator/show.h"

enum { ASIDE_MAX = 1000 }; /* messages that are heard while history is read */
#define PAUSE 0.5          /* seconds until Redis is asked again */

struct tail_channel {
    struct tail *tail;
    const char *name;
    size_t len;
    char since[SINCE_TEXT]; /* where the first read begins */
    bool known;             /* it was read: `at` is where it stands */
    struct position at;
    bool stale; /* history is to be read */
    bool reading;
    struct message *aside[ASIDE_MAX]; /* heard while it is read */
    size_t aside_count;
};

struct tail {
    struct desk *desk;
    struct redis *subscriber;
    bool up;       /* the subscriber is */
    bool told;     /* that Redis is away was said */
    bool refused;  /* it was said why */
    bool unwanted; /* nobody takes what is written any more */
    size_t count;
    struct tail_channel *channels;
};

/* ------------------------------------------------------------------------- writing */

static void write_message(struct tail_channel *channel, struct message *message) {
    show_message(message, channel->tail->desk->json);
    channel->at = message->id;
    channel->known = true;
}

static void on_read(void *ctx, struct message *message) {
    write_message(ctx, message);
}

static void on_gap(void *ctx) {
    const struct tail_channel *channel = ctx;
    show_gap(channel->name, channel->len, channel->tail->desk->json);
}

/* ------------------------------------------------------------------------- hearing */

static bool is_next(struct position at, struct position id) {
    return id.epoch == at.epoch && id.n == at.n + 1;
}

/* A message that was heard: written where it is the next one. */
static void take(struct tail_channel *channel, struct message *message) {
    if (position_compare(message->id, channel->at) <= 0)
        return;
    if (!channel->stale && is_next(channel->at, message->id))
        write_message(channel, message);
    else
        channel->stale = true;
}

static void put_aside(struct tail_channel *channel, struct message *message) {
    if (channel->aside_count < ASIDE_MAX)
        channel->aside[channel->aside_count++] = message_ref(message);
    else
        channel->stale = true;
}

static void hear(struct tail_channel *channel, const char *text, size_t len) {
    struct page_live live;

    if (page_parse_live(text, len, &live) != ERR_OK)
        return; /* somebody else's words */
    if (live.payload == NULL) {
        channel->stale = true; /* a number that no message has: history tells the gap */
        return;
    }
    struct message *message =
        message_new(channel->name, channel->len, live.id, live.at, live.payload, live.payload_len);
    if (channel->reading)
        put_aside(channel, message);
    else if (channel->known)
        take(channel, message);
    message_unref(message);
}

static struct tail_channel *find(struct tail *tail, const char *name, size_t len) {
    const char *channel;
    size_t channel_len;

    if (!names_of_live(tail->desk->config->prefix, name, len, &channel, &channel_len))
        return NULL;
    for (size_t i = 0; i < tail->count; i++) {
        struct tail_channel *found = &tail->channels[i];
        if (found->len == channel_len && memcmp(found->name, channel, channel_len) == 0)
            return found;
    }
    return NULL;
}

static void on_message(void *ctx, const char *name, size_t len, const char *text, size_t text_len) {
    struct tail *tail = ctx;
    struct tail_channel *channel = find(tail, name, len);

    if (channel != NULL)
        hear(channel, text, text_len);
    ev_break(tail->desk->loop, EVBREAK_ONE);
}

static void on_up(void *ctx) {
    struct tail *tail = ctx;

    tail->up = true;
    for (size_t i = 0; i < tail->count; i++) {
        struct buf name = buf_make(LIVE_NAME_MAX);
        names_live(&name, tail->desk->config->prefix, tail->channels[i].name,
                   tail->channels[i].len);
        (void)!redis_subscribe(tail->subscriber, name.data, name.len, false);
        buf_free(&name);
    }
}

static void on_down(void *ctx) {
    struct tail *tail = ctx;
    tail->up = false;
    ev_break(tail->desk->loop, EVBREAK_ONE);
}

/* From now on all is heard, so what history holds now leaves nothing out. */
static void on_subscribed(void *ctx, const char *name, size_t len, bool on) {
    struct tail *tail = ctx;
    struct tail_channel *channel = find(tail, name, len);

    if (channel != NULL && on)
        channel->stale = true;
    ev_break(tail->desk->loop, EVBREAK_ONE);
}

static void on_refused(void *ctx, const char *name, size_t len, const char *why, size_t why_len) {
    struct tail *tail = ctx;
    char words[WORDS_MAX];
    (void)name, (void)len;

    words_take(words, why, why_len);
    desk_complain("Redis: %s", words);
    tail->refused = true;
    ev_break(tail->desk->loop, EVBREAK_ONE);
}

static const struct redis_events tail_events = {.up = on_up,
                                                .down = on_down,
                                                .message = on_message,
                                                .subscribed = on_subscribed,
                                                .refused = on_refused};

/* ------------------------------------------------------------------------- reading */

/* What was heard meanwhile: what history brought is left out. */
static void take_aside(struct tail_channel *channel) {
    for (size_t i = 0; i < channel->aside_count; i++) {
        if (channel->known)
            take(channel, channel->aside[i]);
        message_unref(channel->aside[i]);
    }
    channel->aside_count = 0;
}

static void read_on(struct tail *tail, struct tail_channel *channel) {
    static const struct pages_events events = {on_read, on_gap};

    if (channel->known)
        position_format(channel->at, channel->since);
    channel->stale = false;
    channel->reading = true;
    enum err err =
        pages_read(tail->desk, channel->name, channel->since, 0, &events, channel, &channel->at);
    channel->reading = false;
    channel->known = channel->known || err == ERR_OK;
    channel->stale = channel->stale || err != ERR_OK;
    tail->refused = err == ERR_REFUSED;
    take_aside(channel);
}

static void read_stale(struct tail *tail) {
    for (size_t i = 0; i < tail->count && tail->up && !tail->refused; i++) {
        if (tail->channels[i].stale)
            read_on(tail, &tail->channels[i]);
    }
}

/* While Redis is away it is said once, and waited. */
static bool is_there(struct tail *tail) {
    if (tail->up && desk_back(tail->desk)) {
        tail->told = false;
        return true;
    }
    desk_rest(tail->desk, PAUSE);
    if (!tail->up && !tail->told) {
        desk_complain("Redis is away; waiting");
        tail->told = true;
    }
    return false;
}

static bool any_stale(const struct tail *tail) {
    for (size_t i = 0; i < tail->count; i++) {
        if (tail->channels[i].stale)
            return true;
    }
    return false;
}

/* Until it is interrupted, refused, or not wanted any more. */
static void follow(struct tail *tail) {
    while (!tail->refused && !tail->unwanted) {
        if (!is_there(tail))
            continue;
        read_stale(tail);
        tail->unwanted = !show_flush();
        if (!tail->unwanted && !tail->refused && !any_stale(tail))
            ev_run(tail->desk->loop, 0);
    }
}

/* ---------------------------------------------------------------------------- life */

/* Where a channel begins: `since` is a place for all, or a cursor with a position for each. */
static bool begin_at(struct tail_channel *channel, const char *since, bool alone) {
    struct since place = {.kind = SINCE_NOW};
    struct cursor *cursor = NULL;

    if (alone && position_parse(since, strlen(since), &place.at) == ERR_OK) {
        place.kind = SINCE_AT;
    } else if (!since_parse(since, strlen(since), &place)) {
        if (cursor_parse(since, strlen(since), ARGUMENTS_WORDS, &cursor) != ERR_OK)
            return false;
        const struct position *found = cursor_find(cursor, channel->name, channel->len);
        if (found != NULL)
            place = (struct since){.kind = SINCE_AT, .at = *found};
        free(cursor);
    }
    since_format(&place, channel->since);
    return true;
}

static bool add_channels(struct tail *tail, const struct arguments *arguments) {
    const char *since = arguments->since != NULL ? arguments->since : "now";

    for (size_t i = 1; i < arguments->word_count; i++) {
        struct tail_channel *channel = &tail->channels[tail->count];
        *channel = (struct tail_channel){
            .tail = tail, .name = arguments->words[i], .len = strlen(arguments->words[i])};
        if (!desk_names_channel(channel->name))
            return false;
        if (!begin_at(channel, since, arguments->word_count == 2)) {
            desk_complain("--since: must be now, start, -K, an id (of one channel), or a cursor");
            return false;
        }
        tail->count++;
    }
    return true;
}

int command_tail(struct desk *desk, const struct arguments *arguments) {
    struct tail tail = {.desk = desk};
    int result = MISUSED;

    tail.channels = mem_new(arguments->word_count * sizeof *tail.channels);
    if (add_channels(&tail, arguments)) {
        struct redis_options options = desk_options(desk);
        options.subscriber = true;
        options.events = &tail_events;
        options.ctx = &tail;
        tail.subscriber = redis_new(desk->loop, &options);
        follow(&tail);
        redis_free(tail.subscriber);
        result = tail.refused ? FAILED : DONE;
    }
    for (size_t i = 0; i < tail.count; i++)
        take_aside(&tail.channels[i]);
    free(tail.channels);
    return result;
}
