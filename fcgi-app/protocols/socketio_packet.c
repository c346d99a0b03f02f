/*
 * A packet is taken apart as the reference parser does it, and refused where that refuses it; and
 * also where that would go on with something that is no packet: an event without data, a number
 * that is cut off by one that is too large.
 */
#include "fcgi-app/protocols/socketio_packet.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/crypto.h"
#include "core/base/json.h"
#include "core/base/number.h"

/* The part of the text that is not taken yet. */
struct rest {
    const char *at, *end;
};

static bool is_binary(enum socketio_type type) {
    return type == SOCKETIO_BINARY_EVENT || type == SOCKETIO_BINARY_ACK;
}

/* Decimal digits below 2^53, if there are any. */
static enum err take_number(struct rest *rest, bool *found, uint64_t *number) {
    const char *end = number_digits(rest->at, rest->end);

    *found = end > rest->at;
    *number = 0;
    if (end - rest->at > 16)
        return ERR_SYNTAX;
    for (; rest->at < end; rest->at++)
        *number = *number * 10 + (uint64_t)(*rest->at - '0');
    return *number < UINT64_C(9007199254740992) ? ERR_OK : ERR_SYNTAX;
}

static enum err take_attachments(struct rest *rest, unsigned *attachments) {
    uint64_t count;
    bool found;
    enum err err = take_number(rest, &found, &count);

    if (err != ERR_OK || !found || rest->at == rest->end || *rest->at != '-')
        return ERR_SYNTAX;
    rest->at++;
    *attachments = (unsigned)(count <= SOCKETIO_ATTACHMENTS ? count : 0);
    return count <= SOCKETIO_ATTACHMENTS ? ERR_OK : ERR_RANGE;
}

static enum err take_space(struct rest *rest, struct socketio_packet *packet) {
    packet->space = "/";
    packet->space_len = 1;
    if (rest->at == rest->end || *rest->at != '/')
        return ERR_OK;
    const char *comma = memchr(rest->at, ',', (size_t)(rest->end - rest->at));
    packet->space = rest->at;
    packet->space_len = (size_t)((comma != NULL ? comma : rest->end) - rest->at);
    rest->at = comma != NULL ? comma + 1 : rest->end;
    return packet->space_len <= SOCKETIO_NAMESPACE_MAX ? ERR_OK : ERR_RANGE;
}

/* Names of events that clients and servers keep for themselves. */
static bool is_reserved(struct scan_value name) {
    static const char *const names[] = {"connect",       "connect_error", "disconnect",
                                        "disconnecting", "newListener",   "removeListener"};
    size_t len;
    char *said = json_unquote(name.at, name.len, &len);
    bool reserved = said == NULL;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && !reserved; i++)
        reserved = len == strlen(names[i]) && memcmp(said, names[i], len) == 0;
    free(said);
    return reserved;
}

static bool names_an_event(struct scan_value data) {
    struct scan_value name = {NULL, 0};

    if (!scan_is_array(data) || !scan_next(data, &name))
        return false;
    if (scan_is_string(name))
        return !is_reserved(name);
    return *name.at == '-' || number_digit(*name.at);
}

static bool fits(enum socketio_type type, struct scan_value data) {
    switch (type) {
    case SOCKETIO_CONNECT:
        return data.at == NULL || scan_is_object(data);
    case SOCKETIO_DISCONNECT:
        return data.at == NULL;
    case SOCKETIO_CONNECT_ERROR:
        return scan_is_object(data) || scan_is_string(data);
    case SOCKETIO_EVENT:
    case SOCKETIO_BINARY_EVENT:
        return names_an_event(data);
    case SOCKETIO_ACK:
    case SOCKETIO_BINARY_ACK:
        return scan_is_array(data);
    }
    return false;
}

/* Behind the string that begins at `at`. */
static const char *behind_string(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at < end ? at + 1 : end;
}

/* The next object that has no other value inside that is an object or an array; none: `at` NULL. */
static struct scan_value next_flat(const char *at, const char *end) {
    const char *begin = NULL;

    while (at < end) {
        if (*at == '"') {
            at = behind_string(at, end);
            continue;
        }
        if (*at == '{')
            begin = at;
        else if (*at == '[' || (*at == '}' && begin == NULL))
            begin = NULL;
        else if (*at == '}')
            return (struct scan_value){begin, (size_t)(at + 1 - begin)};
        at++;
    }
    return (struct scan_value){NULL, 0};
}

enum place { PLACE_NONE, PLACE_NAMED, PLACE_WRONG };

/* Whether the object stands for an attachment, and which. */
static enum place placeholder(struct scan_value object, size_t count, size_t *number) {
    static const char *const names[] = {"_placeholder", "num"};
    struct scan_value found[2];
    uint64_t value;
    bool any;

    scan_members(object, names, 2, found);
    if (found[0].at == NULL || found[0].len != 4 || memcmp(found[0].at, "true", 4) != 0)
        return PLACE_NONE;
    if (found[1].at == NULL)
        return PLACE_WRONG;
    struct rest rest = {found[1].at, found[1].at + found[1].len};
    if (take_number(&rest, &any, &value) != ERR_OK || !any || rest.at != rest.end || value >= count)
        return PLACE_WRONG;
    *number = (size_t)value;
    return PLACE_NAMED;
}

static bool places_are_right(struct scan_value data, size_t count) {
    const char *end = data.at + data.len;
    struct scan_value object = next_flat(data.at, end);
    size_t number;

    for (; object.at != NULL; object = next_flat(object.at + object.len, end)) {
        if (placeholder(object, count, &number) == PLACE_WRONG)
            return false;
    }
    return true;
}

enum err socketio_parse(struct socketio_packet *packet, const char *text, size_t len) {
    struct rest rest = {text + 1, text + len};
    enum err err = ERR_OK;

    if (len == 0 || text[0] < '0' || text[0] > '0' + SOCKETIO_BINARY_ACK)
        return ERR_SYNTAX;
    *packet = (struct socketio_packet){.type = (enum socketio_type)(text[0] - '0')};
    if (is_binary(packet->type))
        err = take_attachments(&rest, &packet->attachments);
    if (err == ERR_OK)
        err = take_space(&rest, packet);
    if (err == ERR_OK)
        err = take_number(&rest, &packet->has_id, &packet->id);
    if (err != ERR_OK)
        return err;
    size_t left = (size_t)(rest.end - rest.at);
    if (left > 0 && (!scan_tame(rest.at, left) || !scan_grammar(rest.at, left, &packet->data)))
        return ERR_SYNTAX;
    if (!fits(packet->type, packet->data) ||
        (is_binary(packet->type) && !places_are_right(packet->data, packet->attachments)))
        return ERR_SYNTAX;
    return ERR_OK;
}

void socketio_write(struct buf *out, const struct socketio_packet *packet) {
    buf_char(out, (char)('0' + packet->type));
    if (is_binary(packet->type))
        buf_printf(out, "%u-", packet->attachments);
    if (packet->space_len > 1) {
        buf_add(out, packet->space, packet->space_len);
        buf_char(out, ',');
    }
    if (packet->has_id)
        buf_uint(out, packet->id);
    if (packet->data.at != NULL)
        buf_add(out, packet->data.at, packet->data.len);
}

bool socketio_event_name(struct scan_value name) {
    return scan_is_string(name) && !is_reserved(name);
}

bool socketio_placeholder(struct scan_value object, size_t count, size_t *number) {
    return placeholder(object, count, number) == PLACE_NAMED;
}

void socketio_fill(struct buf *out, struct scan_value data,
                   const struct socketio_attachment *attachments, size_t count) {
    const char *at = data.at, *end = data.at + data.len;
    struct scan_value object = next_flat(at, end);
    size_t number;

    for (; object.at != NULL; object = next_flat(object.at + object.len, end)) {
        if (placeholder(object, count, &number) != PLACE_NAMED)
            continue;
        buf_add(out, at, (size_t)(object.at - at));
        buf_char(out, '"');
        crypto_base64(out, attachments[number].at, attachments[number].len);
        buf_char(out, '"');
        at = object.at + object.len;
    }
    buf_add(out, at, (size_t)(end - at));
}
