/*
 * Bayeux's messages. A client may write any character of a string as an escape, and some write
 * every slash so: what is compared is decoded first. Of members that stand twice the last counts.
 */
#include "fcgi-app/carriers/bayeux/messages.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/data/channel.h"
#include "core/data/wildcard.h"

const char *const bayeux_types[BAYEUX_TYPES] = {"websocket", "eventsource", "long-polling",
                                                "cross-origin-long-polling", "callback-polling"};

/* ------------------------------------------------------------------------ values */

static char *decoded(struct scan_value value, size_t *len) {
    *len = 0;
    return scan_is_string(value) ? json_unquote(value.at, value.len, len) : NULL;
}

static bool is_number(struct scan_value value) {
    return value.len > 0 && (value.at[0] == '-' || (value.at[0] >= '0' && value.at[0] <= '9'));
}

/* A whole number that is not negative and has nine digits at the most; -1: it is something else. */
static long whole(struct scan_value value) {
    long number = 0;

    if (value.len == 0 || value.len > 9)
        return -1;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return -1;
        number = number * 10 + (value.at[i] - '0');
    }
    return number;
}

static bool is_true(struct scan_value value) {
    return value.len == 4 && memcmp(value.at, "true", 4) == 0;
}

static struct scan_value member(struct scan_value object, const char *name) {
    struct scan_value found = {NULL, 0};

    if (scan_is_object(object))
        scan_members(object, &name, 1, &found);
    return found;
}

/* ------------------------------------------------------------------------- names */

static bool is_segment(const char *at, size_t len) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_!~()$@.";
    for (size_t i = 0; i < len; i++) {
        if (at[i] == '\0' || strchr(letters, at[i]) == NULL)
            return false;
    }
    return len > 0;
}

static bool is_star(const char *at, size_t len) {
    return (len == 1 || len == 2) && at[0] == '*' && at[len - 1] == '*';
}

static bool begins(const char *name, size_t len, const char *with) {
    size_t size = strlen(with);
    return len >= size && memcmp(name, with, size) == 0;
}

bool bayeux_silent(const char *channel, size_t len) {
    return begins(channel, len, "meta/") || begins(channel, len, "service/");
}

enum bayeux_name bayeux_name(const char *name, size_t len) {
    const char *end = name + len;
    bool star = false;

    if (len < 2 || len - 1 > CHANNEL_MAX || name[0] != '/')
        return BAYEUX_NAME_WRONG;
    for (const char *at = name; at != end && !star;) {
        const char *segment = at + 1;
        const char *next = memchr(segment, '/', (size_t)(end - segment));
        at = next != NULL ? next : end;
        star = next == NULL && is_star(segment, (size_t)(at - segment));
        if (!star && !is_segment(segment, (size_t)(at - segment)))
            return BAYEUX_NAME_WRONG;
    }
    if (bayeux_silent(name + 1, len - 1))
        return BAYEUX_NAME_FORBIDDEN;
    return star ? BAYEUX_NAME_PATTERN : BAYEUX_NAME_CHANNEL;
}

static bool add_name(struct scan_value value, struct bayeux_names *names) {
    struct bayeux_text *name = &names->names[names->count];

    name->at = decoded(value, &name->len);
    names->count += name->at != NULL;
    return name->at != NULL;
}

bool bayeux_names(struct scan_value subscription, struct bayeux_names *names) {
    struct scan_value each = {NULL, 0};
    size_t count = 0;

    *names = (struct bayeux_names){0};
    if (!scan_is_array(subscription)) {
        names->names = mem_new(sizeof *names->names);
        return add_name(subscription, names);
    }
    while (scan_next(subscription, &each))
        count++;
    if (count == 0 || count > BAYEUX_NAMES)
        return false;
    names->names = mem_new(count * sizeof *names->names);
    while (scan_next(subscription, &each)) {
        if (!add_name(each, names))
            return false;
    }
    return true;
}

void bayeux_names_free(struct bayeux_names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i].at);
    free(names->names);
    *names = (struct bayeux_names){0};
}

/* ------------------------------------------------------------------ connection types */

enum bayeux_type bayeux_type(struct scan_value value) {
    size_t len;
    char *text = decoded(value, &len);
    unsigned type = 0;

    while (type < BAYEUX_TYPES && (text == NULL || strcmp(text, bayeux_types[type]) != 0))
        type++;
    free(text);
    return (enum bayeux_type)type;
}

bool bayeux_types_common(struct scan_value types, unsigned ours) {
    struct scan_value each = {NULL, 0};
    bool common = false;

    while (!common && scan_is_array(types) && scan_next(types, &each))
        common = (ours >> bayeux_type(each) & 1) != 0;
    return common;
}

/* ---------------------------------------------------------------------- messages */

static enum bayeux_kind kind_of(const char *channel, size_t len) {
    static const struct {
        const char *name;
        enum bayeux_kind kind;
    } metas[] = {{"/meta/handshake", BAYEUX_HANDSHAKE},
                 {"/meta/connect", BAYEUX_CONNECT},
                 {"/meta/subscribe", BAYEUX_SUBSCRIBE},
                 {"/meta/unsubscribe", BAYEUX_UNSUBSCRIBE},
                 {"/meta/disconnect", BAYEUX_DISCONNECT}};

    for (size_t i = 0; i < sizeof metas / sizeof metas[0]; i++) {
        if (strlen(metas[i].name) == len && memcmp(metas[i].name, channel, len) == 0)
            return metas[i].kind;
    }
    if (begins(channel, len, "/meta/"))
        return BAYEUX_META;
    switch (bayeux_name(channel, len)) {
    case BAYEUX_NAME_FORBIDDEN:
        return BAYEUX_SERVICE;
    case BAYEUX_NAME_CHANNEL:
        return BAYEUX_PUBLISH;
    default:
        return BAYEUX_MISNAMED;
    }
}

static void take_ext(struct scan_value ext, struct bayeux_message *message) {
    struct scan_value ack = member(ext, "ack");

    message->acks = is_true(ack) || is_true(member(ack, "enabled"));
    message->ack = is_number(ack) ? whole(ack) : -1;
    if (message->ack < 0 && is_number(ack))
        message->ack = 0; /* what no answer has had as its number: it has none of them */
    message->since = member(member(ext, "halley"), "since");
    message->token = member(member(ext, "halley"), "token");
}

static void take_message(struct scan_value object, struct bayeux_message *message) {
    static const char *const names[] = {"channel",
                                        "id",
                                        "clientId",
                                        "subscription",
                                        "data",
                                        "version",
                                        "supportedConnectionTypes",
                                        "connectionType",
                                        "ext",
                                        "advice"};
    enum { CHANNEL, ID, CLIENT, SUBSCRIPTION, DATA, VERSION, KINDS, KIND, EXT, ADVICE, COUNT };
    struct scan_value found[COUNT];

    scan_members(object, names, COUNT, found);
    *message = (struct bayeux_message){.kind = BAYEUX_NAMELESS,
                                       .name = found[CHANNEL],
                                       .subscription = found[SUBSCRIPTION],
                                       .data = found[DATA],
                                       .version = found[VERSION],
                                       .types = found[KINDS],
                                       .type = found[KIND]};
    if (scan_is_string(found[ID]) || is_number(found[ID]))
        message->id = found[ID];
    message->client = decoded(found[CLIENT], &message->client_len);
    message->channel = decoded(found[CHANNEL], &message->channel_len);
    if (message->channel != NULL)
        message->kind = kind_of(message->channel, message->channel_len);
    message->timeout = whole(member(found[ADVICE], "timeout"));
    take_ext(found[EXT], message);
}

enum bayeux_input bayeux_take(const char *text, size_t len, struct bayeux_message *messages,
                              size_t *count) {
    struct scan_value all, each = {NULL, 0};
    size_t most = 0;

    *count = 0;
    if (!json_valid(text, len) || !scan_grammar(text, len, &all))
        return BAYEUX_BROKEN;
    if (scan_is_object(all)) {
        take_message(all, &messages[(*count)++]);
        return BAYEUX_GOOD;
    }
    while (scan_is_array(all) && scan_next(all, &each)) {
        if (!scan_is_object(each))
            return BAYEUX_BROKEN;
        most++;
    }
    if (!scan_is_array(all) || most > BAYEUX_MESSAGES)
        return most > 0 ? BAYEUX_MANY : BAYEUX_BROKEN;
    while (scan_next(all, &each))
        take_message(each, &messages[(*count)++]);
    return BAYEUX_GOOD;
}

void bayeux_free(struct bayeux_message *messages, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(messages[i].channel);
        free(messages[i].client);
    }
}
