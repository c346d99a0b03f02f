/*
 * Server-Sent Events (WHATWG HTML §9.2). One event a message, whose id is the
 * cursor after it, so that a browser that reconnects by itself says in
 * Last-Event-ID where it was; or, with format=json, one event a batch.
 *
 * Data is the raw payload, split at its line ends as the format wants it. What
 * no text stream can carry (bytes that are no UTF-8, or NUL) is sent as a data
 * URL, data:;base64,...
 *
 * The name of an event is its channel. EventSource fires events of its own, and so does
 * Halley: a channel with such a name is written in braces, which no channel's name has.
 *
 * EventSource gives up for good at any status but 200. So where a stream cannot be served
 * for now, the answer is a stream that says why, when to come back, and ends.
 */
#include "fcgi-app/transports/transports.h"

#include <string.h>

#include "core/base/crypto.h"
#include "core/base/json.h"
#include "fcgi-app/door/retry.h"

enum { SEVERAL = 1, JSON = 2 }; /* bits of the variant */

static bool options_of(const struct params *params, size_t channel_count,
                       struct transport_options *options, struct problem *problem) {
    const struct param *format = params_find(params, "format");

    options->variant = channel_count > 1 ? SEVERAL : 0;
    if (format == NULL)
        return true;
    if (strcmp(format->value, "json") != 0 || params_count(params, "format") > 1) {
        problem_set(problem, 400, "format: must be json, or left out");
        return false;
    }
    options->variant |= JSON;
    return true;
}

static void put_id(const struct batch *batch, size_t taken, struct buf *out) {
    buf_text(out, "id: ");
    batch_cursor(batch, taken, out);
    buf_char(out, '\n');
}

/* One data: field for each line, whichever of CR LF, CR and LF ends it. */
static void put_lines(const char *text, size_t len, struct buf *out) {
    size_t from = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] != '\n' && text[i] != '\r')
            continue;
        buf_text(out, "data: ");
        buf_add(out, text + from, i - from);
        buf_char(out, '\n');
        if (i + 1 < len && text[i] == '\r' && text[i + 1] == '\n')
            i++;
        from = i + 1;
    }
}

static void put_data(const struct message *message, struct buf *out) {
    const char *text = message->payload;
    size_t len = message->payload_len;

    if (memchr(text, '\0', len) == NULL && json_utf8(text, len)) {
        put_lines(text, len, out);
        return;
    }
    buf_text(out, "data: data:;base64,");
    crypto_base64(out, text, len);
    buf_char(out, '\n');
}

/* Whether EventSource or Halley fires events of that name. */
static bool is_taken(const char *name, size_t len) {
    static const char *const taken[] = {"open", "error", "message", "gap"};
    static const char own[] = "halley-"; /* all that begins so, for those to come */

    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (strlen(taken[i]) == len && memcmp(taken[i], name, len) == 0)
            return true;
    }
    return len >= sizeof own - 1 && memcmp(name, own, sizeof own - 1) == 0;
}

static void put_name(const struct batch_channel *channel, struct buf *out) {
    bool taken = is_taken(channel->name, channel->len);

    buf_text(out, taken ? "event: {" : "event: ");
    buf_add(out, channel->name, channel->len);
    buf_text(out, taken ? "}\n" : "\n");
}

static void put_message(const struct batch *batch, size_t index, bool named, struct buf *out) {
    const struct batch_entry *entry = batch_entry_at(batch, index);
    const struct batch_channel *channel = batch_channel_at(batch, entry->channel);

    put_id(batch, index + 1, out);
    if (named)
        put_name(channel, out);
    put_data(entry->message, out);
    buf_char(out, '\n');
}

/* The channels that have a gap, as JSON. Alone it carries the cursor that is behind the gap. */
static void put_gap(const struct batch *batch, struct buf *out) {
    const char *separator = "event: gap\ndata: [";

    for (size_t i = 0; i < batch_channel_count(batch); i++) {
        const struct batch_channel *channel = batch_channel_at(batch, i);
        if (!channel->gap)
            continue;
        buf_text(out, separator);
        json_quote(out, channel->name, channel->len);
        separator = ",";
    }
    buf_text(out, "]\n");
    if (batch_size(batch) == 0)
        put_id(batch, 0, out);
    buf_char(out, '\n');
}

static void put_redis(const struct batch *batch, struct buf *out) {
    put_id(batch, 0, out);
    buf_printf(out, "event: halley-redis\ndata: %s\n\n", batch_redis(batch));
}

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    if (options->variant & JSON) {
        const struct buf *json = batch_json(batch);
        put_id(batch, batch_size(batch), out);
        buf_text(out, "data: ");
        buf_add(out, json->data, json->len);
        buf_text(out, "\n\n");
        return;
    }
    if (batch_redis(batch) != NULL)
        put_redis(batch, out);
    if (batch_has_gap(batch))
        put_gap(batch, out);
    for (size_t i = 0; i < batch_size(batch); i++)
        put_message(batch, i, (options->variant & SEVERAL) != 0, out);
}

/* A block without data changes the last event id and dispatches nothing. */
static void begin(const struct transport_options *options, struct batch *start, struct buf *out) {
    buf_printf(out, "retry: %u\n", retry_spread((unsigned)options->config->retry));
    put_id(start, 0, out);
    buf_char(out, '\n');
}

/* No id: the browser repeats the one that it has. */
static void later(const struct transport_options *options, const struct problem *problem,
                  struct buf *out) {
    unsigned wanted = problem->retry_after * 1000, least = (unsigned)options->config->retry;

    buf_printf(out, "retry: %u\n", retry_spread(wanted > least ? wanted : least));
    buf_text(out, "event: halley-error\ndata: ");
    problem_put(problem, out);
    buf_text(out, "\n\n");
}

static void keepalive(const struct transport_options *options, struct batch *place,
                      struct buf *out) {
    (void)options, (void)place;
    buf_text(out, ":\n\n");
}

const struct transport transport_events = {.name = "events",
                                           .content_type = "text/event-stream",
                                           .waits = true,
                                           .stream = true,
                                           .cursors = true,
                                           .options = options_of,
                                           .begin = begin,
                                           .render = render,
                                           .keepalive = keepalive,
                                           .later = later};
