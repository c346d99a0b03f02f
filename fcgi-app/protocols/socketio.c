/*
 * What events of clients mean to Halley: `subscribe` and `unsubscribe` change the channels of the
 * namespace; every other one is published, where the namespace says to which channel, as
 * {"event":..,"data":..}. Of several arguments, or none, `data` is the list, and "args":true stands
 * beside it; binary is base64, and "binary" says where. An event that asks for an acknowledgement
 * gets [{"ok":true}] or [{"error":{..}}].
 */
#include "fcgi-app/protocols/socketio.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "fcgi-app/protocols/protocols.h"
#include "fcgi-app/protocols/socketio_binary.h"
#include "fcgi-app/protocols/socketio_packet.h"

static bool is_called(struct scan_value name, const char *word) {
    size_t len;
    char *said = scan_is_string(name) ? json_unquote(name.at, name.len, &len) : NULL;
    bool is = said != NULL && strlen(word) == len && memcmp(said, word, len) == 0;

    free(said);
    return is;
}

static void done(const struct socketio_call *call, struct step *step) {
    static const char ok[] = "[{\"ok\":true}]";
    socketio_acknowledge(step, call, (struct scan_value){ok, sizeof ok - 1}, NULL);
}

/* ----------------------------------------------------------------------- channels */

/* What `subscribe` is about: a name, a list of them, or {"channel":...}. */
static struct scan_value names_of(const struct socketio_call *call) {
    static const char *const names[] = {"channel"};
    struct scan_value argument = call->name, found[1];

    if (!scan_next(call->data, &argument))
        return (struct scan_value){NULL, 0};
    scan_members(argument, names, 1, found);
    return scan_is_object(argument) ? found[0] : argument;
}

/* Laravel Echo asks for no acknowledgement, and has an event for a refusal. */
static void tell_echo(const struct socketio_call *call, const struct problem *problem,
                      struct step *step) {
    const struct service *service = call->speech->service;
    struct scan_value name = names_of(call);
    struct buf data = buf_make(SIZE_MAX / 2);

    if (service != NULL && service->style == STYLE_ECHO && !call->asks && scan_is_string(name)) {
        buf_text(&data, "[\"subscription_error\",");
        buf_add(&data, name.at, name.len);
        buf_printf(&data, ",%d]", problem->status);
        socketio_emit(step, call->space, (struct scan_value){data.data, data.len}, NULL);
    }
    buf_free(&data);
}

static bool may_all(const struct socketio_call *call, const struct change *join,
                    struct problem *problem) {
    for (size_t i = 0; i < join->count; i++) {
        const struct hub_channel *channel = &join->channels[i];
        if (!socketio_space_has(call->space, channel->name, channel->len) &&
            !socketio_may_join(call->speech, call->space, channel->name, channel->len, problem))
            return false;
    }
    return true;
}

static void subscribe(const struct socketio_call *call, struct step *step) {
    struct socketio_state *state = call->speech->state;
    const struct order order = {.subscribe = names_of(call)};
    struct change *join = &step->join;

    if (!change_subscribe(call->speech->config, call->speech->who, &order, join, &step->problem) ||
        !may_all(call, join, &step->problem)) {
        tell_echo(call, &step->problem, step);
        return;
    }
    state->changing = call->space;
    state->before = call->space->joined_count;
    for (size_t i = 0; i < join->count; i++) {
        const struct hub_channel *channel = &join->channels[i];
        if (!socketio_space_has(call->space, channel->name, channel->len))
            socketio_space_join(call->space, channel->name, channel->len);
    }
    step->joins = true;
    done(call, step);
}

static void unsubscribe(const struct socketio_call *call, struct step *step) {
    struct order_names names;

    if (order_names(names_of(call), "unsubscribe", &names, &step->problem)) {
        for (size_t i = 0; i < names.count; i++) {
            const struct order_name *name = &names.names[i];
            if (!socketio_space_joined(call->space, name->name, name->len))
                continue;
            socketio_space_leave(call->space, name->name, name->len);
            socketio_leave(call->speech->state, call->space, name->name, name->len, step);
        }
        done(call, step);
    }
    order_names_free(&names);
}

/* --------------------------------------------------------------------- publishing */

/* The arguments: the one there is, or the list of them. */
static void put_arguments(const struct socketio_call *call, struct buf *out) {
    struct scan_value first = call->name, second;
    const char *end = call->data.at + call->data.len;
    bool any = scan_next(call->data, &first);

    second = first;
    if (any && !scan_next(call->data, &second)) {
        buf_add(out, first.at, first.len);
        return;
    }
    buf_char(out, '[');
    if (any)
        buf_add(out, first.at, (size_t)(end - first.at));
    else
        buf_char(out, ']');
}

static bool is_one(const struct socketio_call *call) {
    struct scan_value argument = call->name;
    return scan_next(call->data, &argument) && !scan_next(call->data, &argument);
}

/* With binary in it as base64, and where that is. */
static void put_binary(const struct socketio_call *call, struct scan_value data, struct buf *out) {
    struct socketio_attachment attachments[SOCKETIO_ATTACHMENTS];
    struct buf pointers = buf_make(SIZE_MAX / 2);
    size_t count = call->attachments->count;

    for (size_t i = 0; i < count; i++)
        attachments[i].at = texts_at(call->attachments, i, &attachments[i].len);
    socketio_fill(out, data, attachments, count);
    socketio_point(&pointers, data, count);
    if (pointers.len > 0)
        buf_printf(out, ",\"binary\":[%s]", pointers.data);
    buf_free(&pointers);
}

static void post(const struct socketio_call *call, const char *channel, struct step *step) {
    struct buf data = buf_make(SIZE_MAX / 2), text = buf_make(SIZE_MAX / 2);

    put_arguments(call, &data);
    buf_text(&text, "{\"event\":");
    buf_add(&text, call->name.at, call->name.len);
    buf_text(&text, ",\"data\":");
    if (call->attachments != NULL)
        put_binary(call, (struct scan_value){data.data, data.len}, &text);
    else
        buf_add(&text, data.data, data.len);
    buf_text(&text, is_one(call) ? "}" : ",\"args\":true}");
    step->posts = true;
    step->post.channel = mem_string(channel);
    step->post.channel_len = strlen(channel);
    step->post.data = (struct scan_value){text.data, text.len};
    step_keep(step);
    buf_free(&text);
    buf_free(&data);
}

static void on_event(const struct socketio_call *call, struct step *step) {
    const struct name_space *section = call->space->section;

    if (is_called(call->name, "subscribe"))
        subscribe(call, step);
    else if (is_called(call->name, "unsubscribe"))
        unsubscribe(call, step);
    else if (section == NULL || section->publish[0] == '\0')
        problem_set(&step->problem, 403, "event: this namespace publishes none");
    else if (!scan_is_string(call->name))
        problem_set(&step->problem, 400, "event: its name must be a text");
    else
        post(call, section->publish, step);
}

const struct socketio_application socketio_halley = {.event = on_event};

/* ------------------------------------------------------------------------ the row */

static void take(const struct speech *speech, const char *text, size_t len, struct step *step) {
    socketio_take(speech, &socketio_halley, text, len, step);
}

static void take_bytes(const struct speech *speech, const char *bytes, size_t len,
                       struct step *step) {
    socketio_take_bytes(speech, &socketio_halley, bytes, len, step);
}

static void joined(const struct speech *speech, const struct hub_places *begin, struct step *step) {
    socketio_joined(speech, &socketio_halley, begin, step);
}

const struct protocol protocol_socketio = {.name = "socket.io",
                                           .dialect = true,
                                           .open = socketio_open,
                                           .take = take,
                                           .take_bytes = take_bytes,
                                           .tell = socketio_tell,
                                           .joined = joined,
                                           .render = socketio_render,
                                           .shape = socketio_shape,
                                           .deadline = socketio_deadline,
                                           .state_new = socketio_state_new,
                                           .state_free = socketio_state_free,
                                           .save = socketio_state_save,
                                           .load = socketio_state_load};
