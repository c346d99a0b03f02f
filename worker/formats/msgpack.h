/*
 * MessagePack, read: as values, and as JSON. This is the one place that knows msgpack-c.
 */
#ifndef HALLEY_MSGPACK_H
#define HALLEY_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

enum { MSGPACK_DEPTH = 64 }; /* arrays and maps inside of one another */

enum msgpack_kind {
    PACK_NIL, /* and what is of an extended type */
    PACK_FALSE,
    PACK_TRUE,
    PACK_UNSIGNED,
    PACK_SIGNED,
    PACK_FLOAT,
    PACK_TEXT,
    PACK_BINARY,
    PACK_ARRAY,
    PACK_MAP
};

/* Text and binary point into what was read. */
struct msgpack_value {
    enum msgpack_kind kind;
    union {
        uint64_t whole;
        int64_t negative;
        double real;
        struct {
            const char *at;
            size_t len;
        } bytes;
        struct {
            struct msgpack_value *first, *last; /* of a map: a key and its value, in turn */
        } inside;
    } as;
    struct msgpack_value *next;   /* in the same array or map */
    struct msgpack_value *behind; /* the one that was read after it, wherever that stands */
};

/*
 * What the bytes are, if they are one value and nothing else; else NULL. It takes no more than
 * a hundred bytes of memory a byte. Free that value, and with it those inside; safe on NULL.
 */
struct msgpack_value *msgpack_read(const char *bytes, size_t len);
void msgpack_free(struct msgpack_value *whole);

/* The last member of a map with that key; NULL: there is none, or it is no map. Safe on NULL. */
const struct msgpack_value *msgpack_member(const struct msgpack_value *map, const char *key);

/*
 * Appends a value as JSON. Binary becomes base64, and where `binary` is not NULL, that gets a
 * JSON Pointer (RFC 6901) of each, as strings with commas between. False: a text is no UTF-8, a
 * key neither text nor a whole number, or there is no room.
 */
bool msgpack_json(const struct msgpack_value *value, struct buf *out, struct buf *binary);

#endif
