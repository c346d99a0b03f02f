/*
 * Messages as events: [event, arguments.., cursor], with the channel behind the event for Laravel
 * Echo. The cursor as last argument is what a client remembers of the last event that it got, and
 * with which it goes on.
 *
 * Most sessions are in one namespace: what is said there is the same for all of them, and rendered
 * once. A session's own is rendered where it is in several, because each has a cursor of its own
 * channels, and where a message names who is not to get it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/data/cursor.h"
#include "fcgi-app/door/params.h"
#include "fcgi-app/protocols/socketio.h"
#include "fcgi-app/protocols/socketio_binary.h"
#include "fcgi-app/protocols/socketio_packet.h"

/* ----------------------------------------------------------------------- envelopes */

/* A message as an event; borrowed from its payload. */
struct envelope {
    struct scan_value event, data, binary;
    struct scan_value socket, except; /* who is not to get it */
    bool args;                        /* `data` is a list of arguments */
};

static bool is_true(struct scan_value value) {
    return value.len == 4 && memcmp(value.at, "true", 4) == 0;
}

/* False: it is none, or its event has a name that clients keep for themselves. */
static bool read_envelope(const struct message *message, struct envelope *envelope) {
    static const char *const names[] = {"event", "data", "binary", "socket", "except", "args"};
    struct scan_value whole, found[6];

    memset(envelope, 0, sizeof *envelope);
    if (message->payload_len == 0 || !scan_tame(message->payload, message->payload_len) ||
        !scan_grammar(message->payload, message->payload_len, &whole))
        return false;
    scan_members(whole, names, 6, found);
    if (!scan_is_string(found[0]) || found[1].at == NULL || !socketio_event_name(found[0]))
        return false;
    *envelope = (struct envelope){.event = found[0],
                                  .data = found[1],
                                  .binary = found[2],
                                  .socket = found[3],
                                  .except = found[4],
                                  .args = is_true(found[5]) && scan_is_array(found[1])};
    return true;
}

/* ------------------------------------------------------------------- who gets it not */

static void put_excluded(struct buf *out, struct scan_value name) {
    size_t len;
    char *said = scan_is_string(name) ? json_unquote(name.at, name.len, &len) : NULL;

    if (said != NULL && len > 0 && strlen(said) == len)
        buf_add(out, said, len + 1);
    free(said);
}

static void put_all_excluded(struct buf *out, const struct envelope *envelope) {
    struct scan_value name = {NULL, 0};

    put_excluded(out, envelope->socket);
    while (scan_is_array(envelope->except) && scan_next(envelope->except, &name))
        put_excluded(out, name);
}

/* Whether one of these names, each with its NUL, is the session's in that namespace, or a room that
 * it is in. */
static bool meets(const struct speech *speech, const struct buf *names,
                  const struct socketio_space *space) {
    char sid[SOCKETIO_ID + 1];

    if (names->len > 0)
        socketio_space_sid(speech, space, sid);
    for (size_t at = 0; at < names->len; at += strlen(names->data + at) + 1) {
        const char *name = names->data + at;
        if (strcmp(name, sid) == 0 || socketio_space_has(space, name, strlen(name)))
            return true;
    }
    return false;
}

static bool is_excluded(const struct speech *speech, const struct envelope *envelope,
                        const struct socketio_space *space) {
    struct buf names = buf_make(SIZE_MAX / 2);

    put_all_excluded(&names, envelope);
    bool excluded = meets(speech, &names, space);
    buf_free(&names);
    return excluded;
}

static const char excluded_key; /* under which a batch keeps them */

/* Everybody who is not to get one of the batch's messages; found once. */
static const struct buf *excluded_of(struct batch *batch, struct buf *own) {
    const struct buf *kept = batch_kept(batch, &excluded_key, 0);

    if (kept != NULL)
        return kept;
    for (size_t i = 0; i < batch_size(batch); i++) {
        struct envelope envelope;
        if (read_envelope(batch_entry_at(batch, i)->message, &envelope))
            put_all_excluded(own, &envelope);
    }
    kept = batch_keep(batch, &excluded_key, 0, own);
    return kept != NULL ? kept : own;
}

/* The number of a namespace among all that there are. */
static unsigned number_of(const struct speech *speech, const struct socketio_space *space) {
    const struct config *config = speech->config;
    size_t number = space->section != NULL
                        ? (size_t)(space->section - config->namespaces)
                        : config->namespace_count + (size_t)(speech->service - config->services);

    return number < SHAPE_MAX - 2 ? (unsigned)number + 1 : SHAPE_OWN;
}

unsigned socketio_shape(const struct speech *speech, struct batch *batch) {
    const struct socketio_state *state = speech->state;
    struct buf own = buf_make(SIZE_MAX / 2);

    if (state->count != 1 || speech->service == NULL)
        return SHAPE_OWN;
    bool excluded = meets(speech, excluded_of(batch, &own), state->spaces[0]);
    buf_free(&own);
    return excluded ? SHAPE_OWN : number_of(speech, state->spaces[0]);
}

/* ----------------------------------------------------------------------- rendering */

struct rendering {
    const struct speech *speech;
    struct batch *batch;
    struct texts *texts;
};

/* Where the namespace stands with the first `taken` messages; as a string. */
static void put_cursor(const struct rendering *rendering, const struct socketio_space *space,
                       size_t taken, struct buf *out) {
    const struct socketio_state *state = rendering->speech->state;
    struct buf all = buf_make(SIZE_MAX / 2), own = buf_make(SIZE_MAX / 2);
    struct cursor *cursor = NULL;

    batch_cursor(rendering->batch, taken, &all);
    if (state->count > 1 && cursor_parse(all.data, all.len, PARAMS_MAX, &cursor) == ERR_OK) {
        for (size_t i = 0; i < cursor->count; i++) {
            const struct cursor_item *item = &cursor->items[i];
            if (socketio_space_has(space, item->channel, item->channel_len))
                cursor_add(&own, item->channel, item->channel_len, item->position);
        }
    }
    const struct buf *said = cursor != NULL ? &own : &all;
    json_quote(out, said->data != NULL ? said->data : "", said->len);
    free(cursor);
    buf_free(&all);
    buf_free(&own);
}

static void put_name(struct buf *out, const struct envelope *envelope, bool echo,
                     const struct batch_channel *channel) {
    buf_char(out, '[');
    if (envelope->event.at != NULL)
        buf_add(out, envelope->event.at, envelope->event.len);
    else
        buf_text(out, "\"message\"");
    if (!echo)
        return;
    buf_char(out, ',');
    json_quote(out, channel->name, channel->len);
}

/* The list's elements, or the one value. */
static void put_arguments(struct buf *out, struct scan_value data, bool list) {
    struct scan_value first = {NULL, 0};

    if (list && !scan_next(data, &first))
        return;
    buf_char(out, ',');
    if (list)
        buf_add(out, first.at, (size_t)(data.at + data.len - 1 - first.at));
    else
        buf_add(out, data.at, data.len);
}

/* What the message says, with binary taken out of it. */
static void put_data(struct buf *out, const struct message *message,
                     const struct envelope *envelope, struct texts *attachments) {
    struct buf data = buf_make(SIZE_MAX / 2);

    if (envelope->event.at == NULL)
        message_put_value(message, &data);
    else if (scan_is_array(envelope->binary))
        socketio_lift(&data, envelope->data, envelope->binary, attachments);
    else
        buf_add(&data, envelope->data.at, envelope->data.len);
    put_arguments(out, (struct scan_value){data.data, data.len}, envelope->args);
    buf_free(&data);
}

static void say(const struct rendering *rendering, const struct socketio_space *space,
                struct scan_value list, const struct texts *attachments) {
    struct step step = {0};

    socketio_emit(&step, space, list, attachments);
    for (size_t i = 0; i < step.said.count; i++) {
        size_t len;
        const char *text = texts_at(&step.said, i, &len);
        (texts_is_bytes(&step.said, i) ? texts_add_bytes : texts_add)(rendering->texts, text, len);
    }
    step_free(&step);
}

static void render_entry(const struct rendering *rendering, size_t index,
                         const struct envelope *envelope, const struct socketio_space *space) {
    const struct service *service = rendering->speech->service;
    const struct batch_entry *entry = batch_entry_at(rendering->batch, index);
    struct buf list = buf_make(SIZE_MAX / 2);
    struct texts attachments = {0};

    put_name(&list, envelope, service != NULL && service->style == STYLE_ECHO,
             batch_channel_at(rendering->batch, entry->channel));
    put_data(&list, entry->message, envelope, &attachments);
    if (service != NULL && service->recovery) {
        buf_char(&list, ',');
        put_cursor(rendering, space, index + 1, &list);
    }
    buf_char(&list, ']');
    say(rendering, space, (struct scan_value){list.data, list.len}, &attachments);
    texts_free(&attachments);
    buf_free(&list);
}

static void render_message(const struct rendering *rendering, size_t index) {
    const struct socketio_state *state = rendering->speech->state;
    const struct batch_entry *entry = batch_entry_at(rendering->batch, index);
    const struct batch_channel *channel = batch_channel_at(rendering->batch, entry->channel);
    struct envelope envelope;

    (void)read_envelope(entry->message, &envelope);
    for (size_t i = 0; i < state->count; i++) {
        const struct socketio_space *space = state->spaces[i];
        if (socketio_space_has(space, channel->name, channel->len) &&
            !is_excluded(rendering->speech, &envelope, space))
            render_entry(rendering, index, &envelope, space);
    }
}

/* Names of the namespace's channels with a gap; false: there are none. */
static bool put_gaps(const struct rendering *rendering, const struct socketio_space *space,
                     struct buf *list) {
    bool any = false;

    for (size_t i = 0; i < batch_channel_count(rendering->batch); i++) {
        const struct batch_channel *channel = batch_channel_at(rendering->batch, i);
        if (!channel->gap || !socketio_space_has(space, channel->name, channel->len))
            continue;
        buf_text(list, any ? "," : "[\"halley:gap\",[");
        json_quote(list, channel->name, channel->len);
        any = true;
    }
    buf_text(list, any ? "]]" : "");
    return any;
}

static void render_gaps(const struct rendering *rendering) {
    const struct socketio_state *state = rendering->speech->state;

    for (size_t i = 0; batch_has_gap(rendering->batch) && i < state->count; i++) {
        struct buf list = buf_make(SIZE_MAX / 2);
        if (put_gaps(rendering, state->spaces[i], &list))
            say(rendering, state->spaces[i], (struct scan_value){list.data, list.len}, NULL);
        buf_free(&list);
    }
}

void socketio_render(const struct speech *speech, struct batch *batch, struct texts *texts) {
    const struct rendering rendering = {speech, batch, texts};

    render_gaps(&rendering);
    for (size_t i = 0; i < batch_size(batch); i++)
        render_message(&rendering, i);
}
