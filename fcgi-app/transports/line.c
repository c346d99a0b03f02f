/*
 * The line feed. In words, a line each:
 *
 *   OK                             a command is done
 *   GAP <channel>                  messages are missing here
 *   MESSAGE <channel> <id> <data>  <data> is one JSON value
 *   ERROR <status> <detail>        a command is refused, or the feed ends
 *   PING                           to keep an idle connection open
 *   BYE                            the end
 *
 * or, where the client wants JSON, a batch a line as a WebSocket has them (ws.c); one without
 * messages keeps the connection open. It is no endpoint: it has a door of its own
 * (door/line/), and what is said on it is the session's (endpoints/line/).
 */
#include "fcgi-app/transports/line.h"

#include <string.h>

#include "core/base/json.h"
#include "fcgi-app/transports/transports.h"

void line_put_name(struct buf *out, const char *name, size_t len) {
    if (name[0] == '"' || memchr(name, ' ', len) != NULL)
        json_quote(out, name, len);
    else
        buf_add(out, name, len);
}

static void put_batch(struct batch *batch, struct buf *out) {
    const struct buf *json = batch_json(batch);
    buf_add(out, json->data, json->len);
    buf_char(out, '\n');
}

static void put_message(const struct batch *batch, size_t index, struct buf *out) {
    const struct batch_entry *entry = batch_entry_at(batch, index);
    const struct batch_channel *channel = batch_channel_at(batch, entry->channel);
    char id[POSITION_TEXT];

    buf_text(out, "MESSAGE ");
    line_put_name(out, channel->name, channel->len);
    buf_char(out, ' ');
    buf_add(out, id, position_format(entry->message->id, id));
    buf_char(out, ' ');
    message_put_value(entry->message, out);
    buf_char(out, '\n');
}

static void put_gaps(const struct batch *batch, struct buf *out) {
    for (size_t i = 0; i < batch_channel_count(batch); i++) {
        const struct batch_channel *channel = batch_channel_at(batch, i);
        if (!channel->gap)
            continue;
        buf_text(out, "GAP ");
        line_put_name(out, channel->name, channel->len);
        buf_char(out, '\n');
    }
}

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    if (options->variant & LINE_JSON) {
        put_batch(batch, out);
        return;
    }
    put_gaps(batch, out);
    for (size_t i = 0; i < batch_size(batch); i++)
        put_message(batch, i, out);
}

static void begin(const struct transport_options *options, struct batch *start, struct buf *out) {
    if (options->variant & LINE_JSON)
        put_batch(start, out);
    else if (options->variant & LINE_ANSWER)
        buf_text(out, "OK\n");
}

static void keepalive(const struct transport_options *options, struct batch *place,
                      struct buf *out) {
    if (options->variant & LINE_JSON)
        put_batch(place, out);
    else
        buf_text(out, "PING\n");
}

static void end(const struct transport_options *options, struct buf *out) {
    if (!(options->variant & LINE_JSON))
        buf_text(out, "BYE\n");
}

const struct transport transport_line = {.name = "line",
                                         .waits = true,
                                         .stream = true,
                                         .own_door = true,
                                         .begin = begin,
                                         .render = render,
                                         .keepalive = keepalive,
                                         .end = end};
