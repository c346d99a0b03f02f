/*
 * Bayeux's replies (Bayeux 1.0 §4.2, §5). What a client said goes back as it came: its text was
 * valid JSON.
 */
#include "fcgi-app/carriers/bayeux/replies.h"

#include <string.h>

#include "core/base/json.h"
#include "fcgi-app/transports/script.h"

static void comma(struct buf *out) {
    if (out->len > 0 && out->data[out->len - 1] != '[')
        buf_char(out, ',');
}

void bayeux_reply_begin(struct buf *out, const struct bayeux_message *message, bool successful) {
    comma(out);
    buf_char(out, '{');
    if (message->channel != NULL) {
        buf_text(out, "\"channel\":");
        json_quote(out, message->channel, message->channel_len);
        buf_char(out, ',');
    }
    if (message->id.at != NULL) {
        buf_text(out, "\"id\":");
        buf_add(out, message->id.at, message->id.len);
        buf_char(out, ',');
    }
    buf_printf(out, "\"successful\":%s", successful ? "true" : "false");
}

void bayeux_reply_end(struct buf *out) {
    buf_char(out, '}');
}

void bayeux_reply_client(struct buf *out, const char *client, size_t len) {
    buf_text(out, ",\"clientId\":");
    json_quote(out, client, len);
}

void bayeux_reply_error(struct buf *out, int code, const char *about, size_t about_len,
                        const char *words) {
    struct buf text = buf_make(SIZE_MAX / 2);

    buf_printf(&text, "%d:", code);
    buf_add(&text, about, about_len);
    buf_char(&text, ':');
    buf_text(&text, words);
    buf_text(out, ",\"error\":");
    json_quote(out, text.data, text.len);
    buf_free(&text);
}

void bayeux_reply_advice(struct buf *out, const char *reconnect, unsigned interval, long timeout) {
    buf_printf(out, ",\"advice\":{\"reconnect\":\"%s\",\"interval\":%u", reconnect, interval);
    if (timeout >= 0)
        buf_printf(out, ",\"timeout\":%ld", timeout);
    buf_char(out, '}');
}

void bayeux_reply_refuse(struct buf *out, const struct bayeux_message *message, int code,
                         const char *about, size_t about_len, const char *words) {
    bool subscribes = message->kind == BAYEUX_SUBSCRIBE || message->kind == BAYEUX_UNSUBSCRIBE;

    bayeux_reply_begin(out, message, false);
    if (message->kind < BAYEUX_META && message->kind != BAYEUX_HANDSHAKE && message->client != NULL)
        bayeux_reply_client(out, message->client, message->client_len);
    if (subscribes)
        bayeux_reply_subscription(out, message);
    bayeux_reply_error(out, code, about, about_len, words);
    bayeux_reply_end(out);
}

void bayeux_reply_unknown(struct buf *out, const struct bayeux_message *message) {
    const char *client = message->client != NULL ? message->client : "";

    bayeux_reply_begin(out, message, false);
    bayeux_reply_error(out, 401, client, message->client_len, "Unknown client");
    bayeux_reply_advice(out, "handshake", 0, -1);
    bayeux_reply_end(out);
}

void bayeux_reply_types(struct buf *out, unsigned ours) {
    bool first = true;

    buf_text(out, ",\"supportedConnectionTypes\":[");
    for (unsigned i = 0; i < BAYEUX_TYPES; i++) {
        if ((ours >> i & 1) == 0)
            continue;
        buf_printf(out, "%s\"%s\"", first ? "" : ",", bayeux_types[i]);
        first = false;
    }
    buf_char(out, ']');
}

void bayeux_reply_subscription(struct buf *out, const struct bayeux_message *message) {
    if (message->subscription.at == NULL)
        return;
    buf_text(out, ",\"subscription\":");
    buf_add(out, message->subscription.at, message->subscription.len);
}

/* ------------------------------------------------------------------------ messages */

/* A channel's name as Bayeux has it, as a JSON string. */
static void put_name(struct buf *out, const char *name, size_t len) {
    struct buf text = buf_make(CHANNEL_MAX + 1);

    buf_char(&text, '/');
    buf_add(&text, name, len);
    json_quote(out, text.data, text.len);
    buf_free(&text);
}

static bool is_behind(const struct cursor *until, const struct batch_channel *channel,
                      struct position id) {
    const struct position *at =
        until != NULL ? cursor_find(until, channel->name, channel->len) : NULL;
    return until != NULL && (at == NULL || position_compare(id, *at) > 0);
}

void bayeux_reply_messages(struct buf *out, const struct batch *batch, const struct cursor *until) {
    for (size_t i = 0; i < batch_size(batch); i++) {
        const struct batch_entry *entry = batch_entry_at(batch, i);
        const struct batch_channel *channel = batch_channel_at(batch, entry->channel);
        char id[POSITION_TEXT];

        if (bayeux_silent(channel->name, channel->len) ||
            is_behind(until, channel, entry->message->id))
            continue;
        comma(out);
        buf_text(out, "{\"channel\":");
        put_name(out, channel->name, channel->len);
        buf_text(out, ",\"data\":");
        message_put_value(entry->message, out);
        position_format(entry->message->id, id);
        buf_printf(out, ",\"id\":\"%s\"}", id);
    }
}

void bayeux_reply_gaps(struct buf *out, const struct batch *batch) {
    for (size_t i = 0; i < batch_channel_count(batch); i++) {
        const struct batch_channel *channel = batch_channel_at(batch, i);
        if (!channel->gap || bayeux_silent(channel->name, channel->len))
            continue;
        comma(out);
        json_quote(out, channel->name, channel->len);
    }
}

void bayeux_reply_gap_notice(struct buf *out, const struct batch *batch) {
    struct buf gaps = buf_make(SIZE_MAX / 2);

    bayeux_reply_gaps(&gaps, batch);
    if (gaps.len > 0) {
        comma(out);
        buf_printf(out, "{\"channel\":\"/meta/connect\",\"ext\":{\"halley\":{\"gap\":[%s]}}}",
                   gaps.data);
    }
    buf_free(&gaps);
}

void bayeux_reply_script(struct buf *out, const char *callback, const struct buf *objects) {
    if (callback != NULL)
        buf_printf(out, "/**/%s(", callback);
    buf_char(out, '[');
    if (callback != NULL && objects->len > 0)
        script_text(objects->data, objects->len, out);
    else if (objects->len > 0)
        buf_add(out, objects->data, objects->len);
    buf_text(out, callback != NULL ? "]);" : "]");
}
