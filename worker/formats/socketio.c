/*
 * socketio: what Socket.IO's Redis emitters and its Redis adapter publish on
 * `socket.io#<namespace>#` and `socket.io#<namespace>#<room>#`, in MessagePack:
 *
 *     [uid, {type, data: [event, arguments...], nsp}, {rooms, flags, except}]
 *
 * That is an event for each room; without rooms, for the namespace. It becomes
 *
 *     {"event":..,"data":..,"args":true,"binary":["/0"],"except":["room"]}
 *
 * where `data` is the argument, or if it is not just one, the list of them (`args`); `binary`
 * says which texts in `data` are base64 of bytes, and `except` who in a room is not meant.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"
#include "worker/formats/formats.h"
#include "worker/formats/msgpack.h"

enum { EVENT = 2, BINARY_EVENT = 5 }; /* types of packets, of Socket.IO's protocol */
enum { BINARY_MAX = 65536 };          /* bytes of what says where binary stands */

static const struct msgpack_value *nth(const struct msgpack_value *list, unsigned n) {
    const struct msgpack_value *at =
        list != NULL && list->kind == PACK_ARRAY ? list->as.inside.first : NULL;

    while (at != NULL && n-- > 0)
        at = at->next;
    return at;
}

static bool is_event(const struct msgpack_value *packet) {
    const struct msgpack_value *type = msgpack_member(packet, "type");
    return type != NULL && type->kind == PACK_UNSIGNED &&
           (type->as.whole == EVENT || type->as.whole == BINARY_EVENT);
}

static bool is_text(const struct msgpack_value *value) {
    return value != NULL && value->kind == PACK_TEXT &&
           json_utf8(value->as.bytes.at, value->as.bytes.len);
}

/* Rooms may be numbers. */
static void add_room(struct meaning *meaning, const struct msgpack_value *room) {
    char text[24] = "";

    if (room->kind == PACK_UNSIGNED)
        snprintf(text, sizeof text, "%llu", (unsigned long long)room->as.whole);
    if (room->kind == PACK_TEXT)
        meaning_add(meaning, room->as.bytes.at, room->as.bytes.len);
    else if (text[0] != '\0')
        meaning_add(meaning, text, strlen(text));
    else
        meaning->left_out++;
}

static void add_channels(struct meaning *meaning, const struct msgpack_value *space,
                         const struct msgpack_value *rooms) {
    if (nth(rooms, 0) == NULL)
        meaning_add(meaning, space != NULL ? space->as.bytes.at : "/",
                    space != NULL ? space->as.bytes.len : 1);
    for (const struct msgpack_value *room = nth(rooms, 0); room != NULL; room = room->next)
        add_room(meaning, room);
}

/* The data, and which part of it is binary. */
static bool write_data(struct buf *out, struct buf *binary, const struct msgpack_value *first) {
    struct msgpack_value list = {.kind = PACK_ARRAY};
    bool one = first != NULL && first->next == NULL;

    list.as.inside.first = (struct msgpack_value *)(uintptr_t)first;
    buf_text(out, ",\"data\":");
    if (!msgpack_json(one ? first : &list, out, binary))
        return false;
    buf_text(out, one ? "" : ",\"args\":true");
    return true;
}

static bool write_event(struct buf *out, const struct msgpack_value *event,
                        const struct msgpack_value *except) {
    struct buf binary = buf_make(BINARY_MAX);
    bool good = true;

    buf_text(out, "{\"event\":");
    json_quote(out, event->as.bytes.at, event->as.bytes.len);
    good = write_data(out, &binary, event->next);
    if (binary.len > 0)
        buf_printf(out, ",\"binary\":[%s]", binary.data);
    if (good && nth(except, 0) != NULL) {
        buf_text(out, ",\"except\":");
        good = msgpack_json(except, out, NULL);
    }
    buf_char(out, '}');
    buf_free(&binary);
    return good && !out->overflow;
}

static const char *read_message(const struct msgpack_value *message, struct meaning *meaning) {
    const struct msgpack_value *packet = nth(message, 1), *options = nth(message, 2);
    const struct msgpack_value *event = nth(msgpack_member(packet, "data"), 0);
    const struct msgpack_value *space = msgpack_member(packet, "nsp");

    if (!is_event(packet) || !is_text(event) || (space != NULL && !is_text(space)))
        return "socketio: not an event";
    if (!write_event(&meaning->text, event, msgpack_member(options, "except")))
        return "socketio: not what JSON can say";
    add_channels(meaning, space, msgpack_member(options, "rooms"));
    return NULL;
}

bool format_socketio(const struct published *published, struct meaning *meaning) {
    struct msgpack_value *message = msgpack_read(published->payload, published->payload_len);
    const char *why = message != NULL ? read_message(message, meaning) : "socketio: no MessagePack";

    msgpack_free(message);
    meaning_write(meaning);
    return why == NULL || meaning_none(meaning, why);
}
