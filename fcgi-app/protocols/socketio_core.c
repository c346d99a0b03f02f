/*
 * Packets of clients. One that is no packet, or comes where it must not, ends the connection, as
 * the reference server does it: the client comes back, and connects anew.
 *
 * A client goes on where its connection broke by a cursor: it sends the last argument of the last
 * event that it got, and the pid that it was given. A pid is a secret and the place where the
 * client began, for one that got nothing yet: of both places the later one counts. Whoever can go
 * on in all channels of the namespace without a gap is given its pid again, which tells it so.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/data/cursor.h"
#include "fcgi-app/door/params.h"
#include "fcgi-app/protocols/reading.h"
#include "fcgi-app/protocols/socketio.h"
#include "fcgi-app/protocols/socketio_packet.h"

enum { BROKEN = 1002, TOO_LARGE = 1009 }; /* RFC 6455 §7.4.1 */
enum { ENVELOPE = 16384 };                /* bytes of an event beside what it publishes */

static void end_with(struct step *step, unsigned code, const char *reason) {
    step->closes = code;
    step->reason = reason;
}

static struct scan_value value_of(const struct buf *buf) {
    return (struct scan_value){buf->data != NULL ? buf->data : "", buf->len};
}

/* ------------------------------------------------------------------------- saying */

static void say(struct step *step, const struct socketio_packet *packet,
                const struct texts *attachments) {
    struct buf text = buf_make(SIZE_MAX / 2);

    socketio_write(&text, packet);
    texts_add(&step->said, text.data, text.len);
    buf_free(&text);
    for (size_t i = 0; attachments != NULL && i < attachments->count; i++) {
        size_t len;
        const char *bytes = texts_at(attachments, i, &len);
        texts_add_bytes(&step->said, bytes, len);
    }
}

void socketio_emit(struct step *step, const struct socketio_space *space, struct scan_value data,
                   const struct texts *attachments) {
    size_t count = attachments != NULL ? attachments->count : 0;

    say(step,
        &(struct socketio_packet){.type = count > 0 ? SOCKETIO_BINARY_EVENT : SOCKETIO_EVENT,
                                  .space = space->name,
                                  .space_len = space->len,
                                  .data = data,
                                  .attachments = (unsigned)count},
        attachments);
}

/* Says a packet with the namespace and number that another one had. */
static void answer(struct step *step, const char *type, struct scan_value ref,
                   struct scan_value list) {
    struct buf text = buf_make(SIZE_MAX / 2);

    buf_text(&text, type);
    buf_add(&text, ref.at, ref.len);
    buf_add(&text, list.at, list.len);
    texts_add(&step->said, text.data, text.len);
    buf_free(&text);
}

void socketio_acknowledge(struct step *step, const struct socketio_call *call,
                          struct scan_value list, const struct texts *attachments) {
    char type[24] = "3";

    if (!call->asks)
        return;
    if (attachments != NULL && attachments->count > 0)
        snprintf(type, sizeof type, "6%zu-", attachments->count);
    answer(step, type, call->ref, list);
    for (size_t i = 0; attachments != NULL && i < attachments->count; i++) {
        size_t len;
        const char *bytes = texts_at(attachments, i, &len);
        texts_add_bytes(&step->said, bytes, len);
    }
}

static void refuse_space(struct step *step, const char *name, size_t len, const char *why) {
    struct buf data = buf_make(SIZE_MAX / 2);

    buf_text(&data, "{\"message\":");
    json_quote(&data, why, strlen(why));
    buf_char(&data, '}');
    say(step,
        &(struct socketio_packet){.type = SOCKETIO_CONNECT_ERROR,
                                  .space = name,
                                  .space_len = len,
                                  .data = value_of(&data)},
        NULL);
    buf_free(&data);
}

/* --------------------------------------------------------------------- connecting */

/* From where a client wants to go on. */
struct places_known {
    struct cursor *begun, *got; /* where it began, and what it got since; or NULL */
};

static struct cursor *read_cursor(const char *text, size_t len) {
    struct cursor *cursor = NULL;

    if (text == NULL || cursor_parse(text, len, PARAMS_MAX, &cursor) != ERR_OK)
        return NULL;
    return cursor;
}

static char *text_of(struct scan_value value, size_t *len) {
    return scan_is_string(value) ? json_unquote(value.at, value.len, len) : NULL;
}

/* Reads with what a client wants to go on: the pid as it came is the state's then, if it is one. */
static struct places_known read_wish(const struct speech *speech, struct scan_value auth,
                                     const char *name, size_t len) {
    static const char *const names[] = {"pid", "offset"};
    struct socketio_state *state = speech->state;
    struct places_known known = {NULL, NULL};
    struct scan_value found[2] = {{NULL, 0}, {NULL, 0}};
    size_t pid_len = 0, offset_len = 0;

    if (speech->service == NULL || !speech->service->recovery)
        return known;
    scan_members(auth, names, 2, found);
    char *pid = text_of(found[0], &pid_len), *offset = text_of(found[1], &offset_len);
    const char *dot = pid != NULL ? memchr(pid, '.', pid_len) : NULL;
    if (dot != NULL && socketio_token_valid(speech, name, len, pid, (size_t)(dot - pid)) &&
        strlen(pid) == pid_len) {
        known.begun = read_cursor(dot + 1, pid_len - (size_t)(dot + 1 - pid));
        known.got = read_cursor(offset, offset_len);
        state->pid = pid;
        pid = NULL;
    }
    free(pid);
    free(offset);
    return known;
}

/* Where it begins in a channel. False: that is not known, so at what comes now. */
static bool find_place(const struct places_known *known, struct hub_channel *channel) {
    const struct position *begun = cursor_find(known->begun, channel->name, channel->len);
    const struct position *got = cursor_find(known->got, channel->name, channel->len);

    if (begun == NULL || (got != NULL && position_compare(*got, *begun) > 0))
        begun = got;
    channel->since = begun != NULL ? (struct since){.kind = SINCE_AT, .at = *begun}
                                   : (struct since){.kind = SINCE_NOW};
    return begun != NULL;
}

static bool has(const struct change *join, const char *name, size_t len) {
    for (size_t i = 0; i < join->count; i++) {
        if (join->channels[i].len == len && memcmp(join->channels[i].name, name, len) == 0)
            return true;
    }
    return false;
}

static struct hub_channel *add(struct change *join, const char *name, size_t len) {
    struct order_names *names = &join->names;

    names->names = mem_resize(names->names, (names->count + 1) * sizeof *names->names);
    join->channels = mem_resize(join->channels, (join->count + 1) * sizeof *join->channels);
    names->names[names->count] = (struct order_name){mem_copy(name, len), len};
    struct hub_channel *channel = &join->channels[join->count++];
    *channel = (struct hub_channel){.name = names->names[names->count++].name, .len = len};
    return channel;
}

/* Channels that everybody in the namespace joins. False, and why, if one may not be read. */
static bool add_given(const struct speech *speech, const struct socketio_space *space,
                      struct change *join, struct problem *problem) {
    struct problem own = {0};
    size_t len = 0;
    const char *word = space->section != NULL ? config_word(space->section->join, &len) : NULL;

    if (reading_allowed(speech->config, speech->who, space->name, space->len, &own))
        add(join, space->name, space->len);
    if (own.status == 503) { /* the site does not say: the client is to come back */
        *problem = own;
        return false;
    }
    for (; word != NULL; word = config_word(word + len, &len)) {
        if (!reading_allowed(speech->config, speech->who, word, len, problem))
            return false;
        if (!has(join, word, len))
            add(join, word, len);
    }
    return true;
}

bool socketio_may_join(const struct speech *speech, const struct socketio_space *space,
                       const char *name, size_t len, struct problem *problem) {
    const char *patterns = space->section != NULL ? space->section->may_join : "";
    size_t pattern_len;
    const char *pattern = config_word(patterns, &pattern_len);
    bool allowed = pattern == NULL;

    if (!reading_allowed(speech->config, speech->who, name, len, problem))
        return false;
    char *channel = mem_copy(name, len);
    for (; pattern != NULL && !allowed;
         pattern = config_word(pattern + pattern_len, &pattern_len)) {
        char *one = mem_copy(pattern, pattern_len);
        allowed = fnmatch(one, channel, 0) == 0;
        free(one);
    }
    free(channel);
    if (!allowed)
        problem_set(problem, 403, "channel: joining %.*s is not allowed in this namespace",
                    (int)len, name);
    return allowed;
}

/* Channels of a cursor that were joined by event, as far as they may be now. False: not all. */
static bool add_rejoined(const struct speech *speech, struct socketio_space *space,
                         const struct cursor *cursor, struct change *join) {
    struct problem problem;
    bool whole = true;

    for (size_t i = 0; cursor != NULL && i < cursor->count; i++) {
        const struct cursor_item *item = &cursor->items[i];
        if (has(join, item->channel, item->channel_len))
            continue;
        bool may = socketio_may_join(speech, space, item->channel, item->channel_len, &problem) &&
                   join->count < (size_t)speech->config->max_channels;
        whole = whole && may;
        if (!may)
            continue;
        add(join, item->channel, item->channel_len);
        socketio_space_join(space, item->channel, item->channel_len);
    }
    return whole;
}

/* The client has missed something, and is to know it. */
static void begin_anew(const struct speech *speech) {
    struct socketio_state *state = speech->state;

    if (state->pid != NULL)
        socketio_space_renew(speech, state->changing);
    free(state->pid);
    state->pid = NULL;
}

static void enter(const struct speech *speech, struct socketio_space *space,
                  const struct places_known *known, struct step *step) {
    struct socketio_state *state = speech->state;
    struct change *join = &step->join;
    struct problem problem = {0};

    state->changing = space;
    state->connecting = true;
    if (!add_given(speech, space, join, &problem)) {
        socketio_tell(speech, &(struct outcome){.problem = &problem, .joining = true}, step);
        return;
    }
    bool whole = add_rejoined(speech, space, known->begun, join);
    whole = add_rejoined(speech, space, known->got, join) && whole;
    for (size_t i = 0; i < join->count; i++)
        whole = find_place(known, &join->channels[i]) && whole;
    if (!whole)
        begin_anew(speech);
    step->joins = true;
}

/* A token that a client connects with says who speaks, for all its namespaces; where none is read
 * it is something of the site's own. True: that it is good is to be found out first. */
static bool proves(const struct speech *speech, struct scan_value auth, struct scan_value ref,
                   struct step *step) {
    static const char *const name = "token";
    struct scan_value token = {NULL, 0};

    if (speech->proved || speech->config->key_count == 0 || !scan_is_object(auth))
        return false;
    scan_members(auth, &name, 1, &token);
    step->renews = step->again = scan_is_string(token);
    step->token = token;
    step->ref = ref;
    return step->renews;
}

static void connect(const struct speech *speech, const struct socketio_packet *packet,
                    struct step *step) {
    struct socketio_state *state = speech->state;
    const char *name = packet->space;
    size_t len = packet->space_len;

    if (socketio_space_find(state, name, len) != NULL) {
        if (!speech->proved) /* else it says another token, which was all that it wanted */
            end_with(step, BROKEN, "the namespace is connected already");
    } else if (len > 1 && (speech->service == NULL ||
                           config_namespace(speech->config, speech->service, name, len) == NULL)) {
        refuse_space(step, name, len, "Invalid namespace");
    } else if (state->count == SOCKETIO_SPACES) {
        refuse_space(step, name, len, "Too many namespaces");
    } else {
        struct places_known known = read_wish(speech, packet->data, name, len);
        struct socketio_space *space = socketio_space_add(speech, name, len, state->pid);
        state->auth_text = mem_copy(packet->data.at != NULL ? packet->data.at : "{}",
                                    packet->data.at != NULL ? packet->data.len : 2);
        state->auth = (struct scan_value){state->auth_text, strlen(state->auth_text)};
        enter(speech, space, &known, step);
        free(known.begun);
        free(known.got);
    }
}

static void put_pid(const struct socketio_state *state, const struct hub_places *begin,
                    struct buf *out) {
    struct buf pid = buf_make(SIZE_MAX / 2), cursor = buf_make(SIZE_MAX / 2);

    for (size_t i = 0; i < begin->count; i++)
        cursor_add(&cursor, begin->channels[i].name, begin->channels[i].len,
                   begin->channels[i].since.at);
    buf_printf(&pid, "%s.%s", state->changing->token, cursor.data != NULL ? cursor.data : "");
    if (state->pid != NULL)
        json_quote(out, state->pid, strlen(state->pid));
    else
        json_quote(out, pid.data, pid.len);
    buf_free(&cursor);
    buf_free(&pid);
}

static void welcome(const struct speech *speech, const struct hub_places *begin,
                    struct step *step) {
    struct socketio_state *state = speech->state;
    struct socketio_space *space = state->changing;
    struct buf data = buf_make(SIZE_MAX / 2);
    char sid[SOCKETIO_ID + 1];

    socketio_space_sid(speech, space, sid);
    buf_printf(&data, "{\"sid\":\"%s\"", sid);
    if (speech->service != NULL && speech->service->recovery) {
        buf_text(&data, ",\"pid\":");
        put_pid(state, begin, &data);
    }
    buf_char(&data, '}');
    say(step,
        &(struct socketio_packet){.type = SOCKETIO_CONNECT,
                                  .space = space->name,
                                  .space_len = space->len,
                                  .data = value_of(&data)},
        NULL);
    buf_free(&data);
}

void socketio_joined(const struct speech *speech, const struct socketio_application *application,
                     const struct hub_places *begin, struct step *step) {
    struct socketio_state *state = speech->state;
    /* of a channel that another namespace has, nobody knows what was missed */
    bool whole = begin->count == step->join.count;

    if (!state->connecting)
        return;
    for (size_t i = 0; i < begin->count; i++)
        whole = whole && !begin->channels[i].gap;
    if (!whole)
        begin_anew(speech);
    state->deadline = 0;
    welcome(speech, begin, step);
    if (application->connected != NULL)
        application->connected(speech, state->changing, state->auth, step);
    socketio_state_settle(state);
}

/* ------------------------------------------------------------------- disconnecting */

void socketio_leave(const struct socketio_state *state, const struct socketio_space *space,
                    const char *name, size_t len, struct step *step) {
    struct order_names *names = &step->leave.names;

    for (size_t i = 0; i < state->count; i++) {
        const struct socketio_space *other = state->spaces[i];
        if (other != space && socketio_space_has(other, name, len))
            return;
    }
    names->names = mem_resize(names->names, (names->count + 1) * sizeof *names->names);
    names->names[names->count++] = (struct order_name){mem_copy(name, len), len};
    step->leaves = true;
}

static void disconnect(struct socketio_state *state, struct socketio_space *space,
                       struct step *step) {
    size_t len = 0;
    const char *word = space->section != NULL ? config_word(space->section->join, &len) : NULL;

    socketio_leave(state, space, space->name, space->len, step);
    for (; word != NULL; word = config_word(word + len, &len))
        socketio_leave(state, space, word, len, step);
    for (size_t i = 0; i < space->joined_count; i++)
        socketio_leave(state, space, space->joined[i], strlen(space->joined[i]), step);
    socketio_space_drop(state, space);
}

/* ------------------------------------------------------------------------- events */

static void take_event(const struct speech *speech, const struct socketio_application *application,
                       const struct socketio_packet *packet, struct scan_value ref,
                       struct step *step) {
    struct socketio_state *state = speech->state;
    struct socketio_call call = {
        .speech = speech,
        .space = socketio_space_find(state, packet->space, packet->space_len),
        .ref = ref,
        .asks = packet->has_id,
        .data = packet->data,
        .attachments = packet->attachments > 0 ? &state->attachments : NULL};
    if (call.space == NULL) {
        end_with(step, BROKEN, "the namespace is not connected");
        return;
    }
    if (packet->type == SOCKETIO_ACK || packet->type == SOCKETIO_BINARY_ACK)
        return; /* nobody was asked for one */
    step->ref = ref;
    (void)scan_next(call.data, &call.name);
    application->event(&call, step);
}

/* The namespace and the number, as they stand in a packet's text. */
static struct scan_value ref_of(const char *text, size_t len,
                                const struct socketio_packet *packet) {
    const char *at = text + 1, *end = packet->data.at != NULL ? packet->data.at : text + len;
    bool binary = packet->type == SOCKETIO_BINARY_EVENT || packet->type == SOCKETIO_BINARY_ACK;

    if (binary)
        at = (const char *)memchr(at, '-', len - 1) + 1;
    while (end > at && strchr(" \t\r\n", end[-1]) != NULL) /* which may stand in front of JSON */
        end--;
    return (struct scan_value){at, (size_t)(end - at)};
}

/* An event whose attachments are still to come is kept, up to a maximum. */
static void keep(const struct speech *speech, const char *text, size_t len, unsigned attachments,
                 struct step *step) {
    struct socketio_state *state = speech->state;

    if (len > (size_t)config_longest_message(speech->config) + ENVELOPE) {
        end_with(step, TOO_LARGE, "the event is too large");
        return;
    }
    state->text = mem_copy(text, len);
    state->text_len = len;
    state->awaited = attachments;
}

static void take_packet(const struct speech *speech, const struct socketio_application *application,
                        const char *text, size_t len, const struct socketio_packet *packet,
                        struct step *step) {
    struct socketio_state *state = speech->state;
    struct socketio_space *space;

    switch (packet->type) {
    case SOCKETIO_CONNECT:
        if (!proves(speech, packet->data, ref_of(text, len, packet), step))
            connect(speech, packet, step);
        return;
    case SOCKETIO_DISCONNECT:
        space = socketio_space_find(state, packet->space, packet->space_len);
        if (space != NULL)
            disconnect(state, space, step);
        return;
    case SOCKETIO_CONNECT_ERROR:
        end_with(step, BROKEN, "that is for servers to say");
        return;
    case SOCKETIO_EVENT:
    case SOCKETIO_ACK:
    case SOCKETIO_BINARY_EVENT:
    case SOCKETIO_BINARY_ACK:
        if (packet->attachments > 0)
            keep(speech, text, len, packet->attachments, step);
        else
            take_event(speech, application, packet, ref_of(text, len, packet), step);
    }
}

void socketio_take(const struct speech *speech, const struct socketio_application *application,
                   const char *text, size_t len, struct step *step) {
    struct socketio_state *state = speech->state;
    struct socketio_packet packet;

    socketio_state_settle(state);
    if (state->text != NULL)
        end_with(step, BROKEN, "binary data is missing");
    else if (socketio_parse(&packet, text, len) != ERR_OK)
        end_with(step, BROKEN, "that is no packet of Socket.IO");
    else
        take_packet(speech, application, text, len, &packet, step);
}

static void finish_event(const struct speech *speech,
                         const struct socketio_application *application, struct step *step) {
    struct socketio_state *state = speech->state;
    struct socketio_packet packet;

    if (socketio_parse(&packet, state->text, state->text_len) != ERR_OK)
        end_with(step, BROKEN, "that is no packet of Socket.IO");
    else
        take_event(speech, application, &packet, ref_of(state->text, state->text_len, &packet),
                   step);
    step_keep(step);
    free(state->text);
    state->text = NULL;
    texts_free(&state->attachments);
}

void socketio_take_bytes(const struct speech *speech,
                         const struct socketio_application *application, const char *bytes,
                         size_t len, struct step *step) {
    struct socketio_state *state = speech->state;

    socketio_state_settle(state);
    if (state->text == NULL) {
        end_with(step, BROKEN, "binary data belongs to no event");
        return;
    }
    if (state->attachments.all.len + len >
        (size_t)config_longest_message(speech->config) + ENVELOPE) {
        end_with(step, TOO_LARGE, "the event is too large");
        return;
    }
    texts_add_bytes(&state->attachments, bytes, len);
    if (state->attachments.count == state->awaited)
        finish_event(speech, application, step);
}

/* ----------------------------------------------------------------------- the rest */

void socketio_open(const struct speech *speech, struct step *step) {
    struct socketio_state *state = speech->state;
    (void)step;

    if (speech->service != NULL)
        state->deadline = speech->now + (uint64_t)speech->service->connect_timeout;
}

uint64_t socketio_deadline(const struct speech *speech) {
    return ((const struct socketio_state *)speech->state)->deadline;
}

/* Whether the event that had this namespace and number asks for an acknowledgement. */
static bool asks(struct scan_value ref) {
    const char *comma = ref.at != NULL ? memchr(ref.at, ',', ref.len) : NULL;
    const char *number = comma != NULL ? comma + 1 : ref.at;

    return number != NULL && number < ref.at + ref.len && number_digit(*number);
}

/* What is not to be, is not. */
static void undo(struct socketio_state *state, const struct problem *problem, struct step *step) {
    struct socketio_space *space = state->changing;

    if (state->connecting) {
        refuse_space(step, space->name, space->len, problem->detail);
        socketio_space_drop(state, space);
    }
    while (space != NULL && !state->connecting && space->joined_count > state->before)
        free(space->joined[--space->joined_count]);
    socketio_state_settle(state);
}

/* Of a namespace that was to be connected: its name, and a comma, are what the packet repeats. */
static void refuse_token(const struct outcome *outcome, struct step *step) {
    const char *name = outcome->ref.at;
    const char *comma = outcome->ref.len > 0 ? memchr(name, ',', outcome->ref.len) : NULL;

    refuse_space(step, comma != NULL ? name : "/", comma != NULL ? (size_t)(comma - name) : 1,
                 outcome->problem->detail);
}

void socketio_tell(const struct speech *speech, const struct outcome *outcome, struct step *step) {
    struct socketio_state *state = speech->state;
    struct buf list = buf_make(SIZE_MAX / 2);
    bool connecting = outcome->joining && state->connecting;

    if (outcome->renewing) {
        refuse_token(outcome, step);
        return;
    }
    buf_char(&list, '[');
    if (outcome->problem != NULL)
        problem_render_error(outcome->problem, (struct scan_value){NULL, 0}, &list);
    else
        buf_text(&list, "{\"ok\":true}");
    buf_char(&list, ']');
    if (outcome->joining)
        undo(state, outcome->problem, step);
    if (!connecting && asks(outcome->ref))
        answer(step, "3", outcome->ref, value_of(&list));
    buf_free(&list);
}
