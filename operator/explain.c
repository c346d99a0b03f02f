/*
 * halley explain CHANNEL ID: what became of one message.
 * halley explain CURSOR: what a reader with that cursor would be told now, channel by channel.
 */
#include "operator/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "operator/pages.h"
#include "operator/show.h"
#include "operator/verdict.h"

enum { CHANNELS_MAX = 1000, ANSWER_MAX = 1024 * 1024 };

/* ------------------------------------------------------------------ what Redis has */

struct look {
    struct traces traces;
    struct position id; /* the message that is asked for */
    uint64_t at;        /* its time, where it is held */
    size_t bytes;
};

static struct position position_in(const redis_reply *reply) {
    struct position position = {0};
    size_t len;
    const char *text = redis_text(reply, &len);

    if (text == NULL || position_parse(text, len, &position) != ERR_OK)
        return (struct position){0};
    return position;
}

static uint64_t number_in(const redis_reply *reply, uint64_t fallback) {
    const char *text = redis_words(reply);
    return *text != '\0' ? strtoull(text, NULL, 10) : fallback;
}

static void take_counter(void *ctx, const redis_reply *reply) {
    struct traces *traces = ctx;

    traces->counted = *redis_words(redis_item(reply, 0)) != '\0';
    traces->last.epoch = number_in(redis_item(reply, 0), 0);
    traces->last.n = number_in(redis_item(reply, 1), 0);
    traces->keeps = number_in(redis_item(reply, 2), traces->keeps);
}

/* An error: there is no stream. */
static void take_stream(void *ctx, const redis_reply *reply) {
    struct traces *traces = ctx;

    traces->history = !redis_is_error(reply);
    for (size_t i = 0; i + 1 < redis_count(reply); i += 2) {
        const char *name = redis_words(redis_item(reply, i));
        const redis_reply *value = redis_item(reply, i + 1);
        if (strcmp(name, "first-entry") == 0)
            traces->first = position_in(redis_item(value, 0));
        else if (strcmp(name, "max-deleted-entry-id") == 0)
            traces->deleted = position_in(value);
    }
}

static void take_entry(void *ctx, const redis_reply *reply) {
    struct look *look = ctx;
    const redis_reply *fields = redis_item(redis_item(reply, 0), 1);

    look->traces.held = redis_count(reply) > 0;
    for (size_t i = 0; i + 1 < redis_count(fields); i += 2) {
        const char *name = redis_words(redis_item(fields, i));
        size_t len;
        (void)redis_text(redis_item(fields, i + 1), &len);
        if (strcmp(name, "at") == 0)
            look->at = number_in(redis_item(fields, i + 1), 0);
        else if (strcmp(name, "data") == 0)
            look->bytes = len;
    }
}

static enum err look_at(struct desk *desk, const char *channel, struct look *look) {
    char meta[DESK_KEY], history[DESK_KEY], id[POSITION_TEXT];
    const char *counter[] = {"HMGET", meta, "epoch", "n", "history"};
    const char *stream[] = {"XINFO", "STREAM", history};
    const char *entry[] = {"XRANGE", history, id, id};

    desk_key(meta, "meta", channel);
    desk_key(history, "history", channel);
    position_format(look->id, id);
    look->traces.keeps = (uint64_t)config_channel(desk->config, channel, strlen(channel))->history;
    enum err err = desk_ask(desk, take_counter, &look->traces, 5, counter, NULL);
    if (err == ERR_OK)
        err = desk_try(desk, take_stream, &look->traces, 3, stream);
    if (err == ERR_OK && look->traces.history)
        err = desk_ask(desk, take_entry, look, 4, entry, NULL);
    return err;
}

/* ----------------------------------------------------------------- what a reader gets */

struct told {
    uint64_t messages;
    bool gap;
};

static void on_message(void *ctx, struct message *message) {
    struct told *told = ctx;
    (void)message;
    told->messages++;
}

static void on_gap(void *ctx) {
    struct told *told = ctx;
    told->gap = true;
}

static enum err read_after(struct desk *desk, const char *channel, struct position place,
                           struct told *told) {
    static const struct pages_events events = {on_message, on_gap};
    char since[POSITION_TEXT];

    position_format(place, since);
    return pages_read(desk, channel, since, 0, &events, told, NULL);
}

/* --------------------------------------------------------------------- one message */

static void put_position(struct buf *out, const char *name, struct position position) {
    char text[POSITION_TEXT];

    position_format(position, text);
    buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

static void put_reader(struct buf *out, const struct told *told) {
    buf_printf(out, "\"gap\":%s,\"messages\":%" PRIu64, told->gap ? "true" : "false",
               told->messages);
}

static void show_message_json(const char *channel, const struct look *look, enum verdict verdict,
                              const struct told *told) {
    struct buf out = buf_make(ANSWER_MAX);

    buf_printf(&out, "{\"state\":\"%s\",\"channel\":", verdict_word(verdict));
    json_quote(&out, channel, strlen(channel));
    put_position(&out, "id", look->id);
    if (verdict == VERDICT_HELD)
        buf_printf(&out, ",\"at\":%" PRIu64 ",\"bytes\":%zu", look->at, look->bytes);
    buf_printf(&out, ",\"why\":\"%s\"", verdict_why(verdict));
    if (look->traces.counted)
        put_position(&out, "last", look->traces.last);
    if (look->traces.first.epoch > 0)
        put_position(&out, "first_held", look->traces.first);
    buf_text(&out, ",\"reader\":{");
    put_reader(&out, told);
    buf_text(&out, "}}");
    show_line(&out);
    buf_free(&out);
}

static void show_message_text(const struct look *look, enum verdict verdict,
                              const struct told *told) {
    struct buf out = buf_make(ANSWER_MAX);
    char id[POSITION_TEXT];

    buf_printf(&out, "%s: %s", verdict_word(verdict), verdict_why(verdict));
    show_line(&out);
    if (verdict == VERDICT_HELD) {
        buf_text(&out, "published ");
        show_time(&out, look->at);
        buf_printf(&out, ", %zu bytes", look->bytes);
        show_line(&out);
    }
    if (look->traces.counted) {
        position_format(look->traces.last, id);
        buf_printf(&out, "last id of the channel: %s", id);
        show_line(&out);
    }
    buf_printf(&out, "a reader that stands behind it would be told: messages %" PRIu64 "%s",
               told->messages, told->gap ? ", and a gap" : "");
    show_line(&out);
    buf_free(&out);
}

static int explain_message(struct desk *desk, const char *channel, struct position id) {
    struct look look = {.id = id};
    struct told told = {0};

    if (look_at(desk, channel, &look) != ERR_OK || read_after(desk, channel, id, &told) != ERR_OK)
        return FAILED;
    enum verdict verdict = verdict_of(&look.traces, id);
    if (desk->json)
        show_message_json(channel, &look, verdict, &told);
    else
        show_message_text(&look, verdict, &told);
    return DONE;
}

/* ------------------------------------------------------------------------- a cursor */

static const char *why_told(const struct look *look, const struct told *told) {
    if (!told->gap)
        return told->messages > 0 ? "everything behind its place is held"
                                  : "nothing came behind its place";
    if (!look->traces.counted)
        return "the channel's counter is gone: nobody knows what came behind its place";
    if (look->id.epoch != look->traces.last.epoch)
        return "the channel began another epoch: Redis was restarted, or the counter was gone";
    if (look->id.n > look->traces.last.n)
        return "its place is ahead of what Redis has given: Redis has forgotten some";
    if (!look->traces.history)
        return "the history has expired (ttl)";
    return "some of what came behind its place is trimmed (history), deleted, or was lost";
}

static void put_channel_json(struct buf *out, const char *name, size_t len, const struct told *told,
                             const char *why) {
    buf_text(out, out->len == 0 ? "[" : ",");
    buf_text(out, "{\"channel\":");
    json_quote(out, name, len);
    buf_char(out, ',');
    put_reader(out, told);
    buf_printf(out, ",\"why\":\"%s\"}", why);
}

static void put_channel_text(struct buf *out, const char *name, size_t len, const struct told *told,
                             const char *why) {
    if (out->len > 0)
        buf_char(out, '\n');
    show_safe(out, name, len, len);
    buf_printf(out, ": messages %" PRIu64 "%s: %s", told->messages, told->gap ? " and a gap" : "",
               why);
}

static enum err explain_place(struct desk *desk, const struct cursor_item *item, struct buf *out) {
    char name[CHANNEL_MAX + 1];
    struct look look = {.id = item->position};
    struct told told = {0};

    snprintf(name, sizeof name, "%.*s", (int)item->channel_len, item->channel);
    enum err err = look_at(desk, name, &look);
    if (err == ERR_OK)
        err = read_after(desk, name, item->position, &told);
    if (err == ERR_OK)
        (desk->json ? put_channel_json : put_channel_text)(out, item->channel, item->channel_len,
                                                           &told, why_told(&look, &told));
    return err;
}

static int explain_cursor(struct desk *desk, const char *text) {
    struct buf out = buf_make(ANSWER_MAX);
    struct cursor *cursor;
    enum err err = ERR_OK;

    if (cursor_parse(text, strlen(text), CHANNELS_MAX, &cursor) != ERR_OK) {
        desk_complain("that is no cursor");
        return MISUSED;
    }
    for (size_t i = 0; i < cursor->count && err == ERR_OK; i++)
        err = explain_place(desk, &cursor->items[i], &out);
    if (err == ERR_OK) {
        buf_text(&out, desk->json ? "]" : "");
        show_line(&out);
    }
    buf_free(&out);
    free(cursor);
    return err == ERR_OK ? DONE : FAILED;
}

int command_explain(struct desk *desk, const struct arguments *arguments) {
    const char *const *words = arguments->words;
    struct position id;

    if (arguments->word_count == 2)
        return explain_cursor(desk, words[1]);
    if (!desk_names_channel(words[1]))
        return MISUSED;
    if (position_parse(words[2], strlen(words[2]), &id) != ERR_OK) {
        desk_complain("that is no id: one is <epoch>-<number>");
        return MISUSED;
    }
    return explain_message(desk, words[1], id);
}
