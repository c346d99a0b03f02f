/*
 * MessagePack. msgpack-c's reader is a template for tables of functions; ours hang values into
 * lists, so that nothing is reserved for what a stranger merely announces, and depth has the
 * limit that we give it (the library's own is 32).
 */
#include "worker/formats/msgpack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/crypto.h"
#include "core/base/json.h"
#include "core/base/mem.h"

#define MSGPACK_EMBED_STACK_SIZE 64 /* MSGPACK_DEPTH */
#include <msgpack/unpack.h>
#include <msgpack/unpack_define.h>

typedef struct {
    struct msgpack_value *first, *last; /* of all that were read: the first is the whole */
} pack_user;
typedef struct msgpack_value *pack_object;

static pack_object make(pack_user *user, enum msgpack_kind kind) {
    pack_object value = mem_new(sizeof *value);

    value->kind = kind;
    *(user->last != NULL ? &user->last->behind : &user->first) = value;
    user->last = value;
    return value;
}

static pack_object pack_root(pack_user *user) {
    (void)user;
    return NULL;
}

#define SIMPLE(name, kind_of)                                                                      \
    static int pack_##name(pack_user *user, pack_object *out) {                                    \
        *out = make(user, kind_of);                                                                \
        return 0;                                                                                  \
    }

SIMPLE(nil, PACK_NIL)
SIMPLE(true, PACK_TRUE)
SIMPLE(false, PACK_FALSE)

#define NUMBER_OF(name, type, kind_of, field)                                                      \
    static int pack_##name(pack_user *user, type number, pack_object *out) {                       \
        *out = make(user, kind_of);                                                                \
        (*out)->as.field = +number;                                                                \
        return 0;                                                                                  \
    }

NUMBER_OF(uint8, uint8_t, PACK_UNSIGNED, whole)
NUMBER_OF(uint16, uint16_t, PACK_UNSIGNED, whole)
NUMBER_OF(uint32, uint32_t, PACK_UNSIGNED, whole)
NUMBER_OF(uint64, uint64_t, PACK_UNSIGNED, whole)
NUMBER_OF(int8, int8_t, PACK_SIGNED, negative)
NUMBER_OF(int16, int16_t, PACK_SIGNED, negative)
NUMBER_OF(int32, int32_t, PACK_SIGNED, negative)
NUMBER_OF(int64, int64_t, PACK_SIGNED, negative)
NUMBER_OF(float, float, PACK_FLOAT, real)
NUMBER_OF(double, double, PACK_FLOAT, real)

#define BYTES_OF(name, kind_of)                                                                    \
    static int pack_##name(pack_user *user, const char *base, const char *at, unsigned len,        \
                           pack_object *out) {                                                     \
        (void)base;                                                                                \
        *out = make(user, kind_of);                                                                \
        (*out)->as.bytes.at = at != NULL ? at : ""; /* of no bytes the library says nothing */     \
        (*out)->as.bytes.len = len;                                                                \
        return 0;                                                                                  \
    }

BYTES_OF(str, PACK_TEXT)
BYTES_OF(bin, PACK_BINARY)
BYTES_OF(ext, PACK_NIL)

#define LIST_OF(name, kind_of)                                                                     \
    static int pack_##name(pack_user *user, unsigned count, pack_object *out) {                    \
        (void)count;                                                                               \
        *out = make(user, kind_of);                                                                \
        return 0;                                                                                  \
    }

LIST_OF(array, PACK_ARRAY)
LIST_OF(map, PACK_MAP)

static int pack_array_item(pack_user *user, pack_object *list, pack_object item) {
    pack_object last = (*list)->as.inside.last;

    (void)user;
    *(last != NULL ? &last->next : &(*list)->as.inside.first) = item;
    (*list)->as.inside.last = item;
    return 0;
}

static int pack_map_item(pack_user *user, pack_object *map, pack_object key, pack_object value) {
    (void)pack_array_item(user, map, key);
    return pack_array_item(user, map, value);
}

#define msgpack_unpack_struct(name)       struct pack##name
#define msgpack_unpack_func(result, name) static inline result pack##name
#define msgpack_unpack_callback(name)     pack##name
#define msgpack_unpack_object             pack_object
#define msgpack_unpack_user               pack_user
#include <msgpack/unpack_template.h>

struct msgpack_value *msgpack_read(const char *bytes, size_t len) {
    struct pack_context context;
    size_t off = 0;

    memset(&context, 0, sizeof context);
    pack_init(&context);
    if (len > 0 && pack_execute(&context, bytes, len, &off) == 1 && off == len)
        return context.user.first;
    msgpack_free(context.user.first);
    return NULL;
}

void msgpack_free(struct msgpack_value *whole) {
    while (whole != NULL) {
        struct msgpack_value *behind = whole->behind;
        free(whole);
        whole = behind;
    }
}

static bool says(const struct msgpack_value *value, const char *text) {
    return value->kind == PACK_TEXT && value->as.bytes.len == strlen(text) &&
           memcmp(value->as.bytes.at, text, strlen(text)) == 0;
}

const struct msgpack_value *msgpack_member(const struct msgpack_value *map, const char *key) {
    const struct msgpack_value *found = NULL;

    if (map == NULL || map->kind != PACK_MAP)
        return NULL;
    for (const struct msgpack_value *at = map->as.inside.first; at != NULL; at = at->next->next) {
        if (says(at, key))
            found = at->next;
    }
    return found;
}

/* -------------------------------------------------------------------------- JSON */

struct writing {
    struct buf *out;
    struct buf *binary; /* NULL: nobody wants to know */
    struct buf path;    /* a JSON Pointer to where it stands */
};

enum { PATH_MAX_LEN = 4096 };

static bool write_value(struct writing *writing, const struct msgpack_value *value);

static bool write_text(struct writing *writing, const struct msgpack_value *value) {
    if (!json_utf8(value->as.bytes.at, value->as.bytes.len))
        return false;
    json_quote(writing->out, value->as.bytes.at, value->as.bytes.len);
    return true;
}

static bool write_binary(struct writing *writing, const struct msgpack_value *value) {
    buf_char(writing->out, '"');
    crypto_base64(writing->out, value->as.bytes.at, value->as.bytes.len);
    buf_char(writing->out, '"');
    if (writing->binary == NULL)
        return true;
    if (writing->binary->len > 0)
        buf_char(writing->binary, ',');
    json_quote(writing->binary, writing->path.data != NULL ? writing->path.data : "",
               writing->path.len);
    return !writing->path.overflow;
}

/* JSON has no number that is none, or endless. */
static void write_real(struct writing *writing, double real) {
    if (isfinite(real))
        buf_printf(writing->out, "%.17g", real);
    else
        buf_text(writing->out, "null");
}

static void go_to(struct writing *writing, const char *name, size_t len) {
    buf_char(&writing->path, '/');
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '~' || name[i] == '/')
            buf_text(&writing->path, name[i] == '~' ? "~0" : "~1");
        else
            buf_char(&writing->path, name[i]);
    }
}

static void come_back(struct writing *writing, size_t len) {
    if (writing->path.len > len) {
        writing->path.len = len;
        writing->path.data[len] = '\0';
    }
}

static bool write_array(struct writing *writing, const struct msgpack_value *value) {
    size_t len = writing->path.len, index = 0;
    bool good = true;

    buf_char(writing->out, '[');
    for (const struct msgpack_value *at = value->as.inside.first; at != NULL && good;
         at = at->next) {
        char text[24];
        int digits = snprintf(text, sizeof text, "%zu", index);
        if (index++ > 0)
            buf_char(writing->out, ',');
        go_to(writing, text, (size_t)digits);
        good = write_value(writing, at);
        come_back(writing, len);
    }
    buf_char(writing->out, ']');
    return good;
}

/* A key of a map as JSON has them: a text. */
static bool write_key(struct writing *writing, const struct msgpack_value *key) {
    char text[24] = "";

    if (key->kind == PACK_TEXT || key->kind == PACK_BINARY) {
        go_to(writing, key->as.bytes.at, key->as.bytes.len);
        return write_text(writing, key);
    }
    if (key->kind == PACK_UNSIGNED)
        snprintf(text, sizeof text, "%llu", (unsigned long long)key->as.whole);
    else if (key->kind == PACK_SIGNED)
        snprintf(text, sizeof text, "%lld", (long long)key->as.negative);
    go_to(writing, text, strlen(text));
    json_quote(writing->out, text, strlen(text));
    return text[0] != '\0';
}

static bool write_map(struct writing *writing, const struct msgpack_value *value) {
    size_t len = writing->path.len;
    bool good = true;

    buf_char(writing->out, '{');
    for (const struct msgpack_value *at = value->as.inside.first; at != NULL && good;
         at = at->next->next) {
        if (at != value->as.inside.first)
            buf_char(writing->out, ',');
        good = write_key(writing, at);
        buf_char(writing->out, ':');
        good = good && write_value(writing, at->next);
        come_back(writing, len);
    }
    buf_char(writing->out, '}');
    return good;
}

static bool write_value(struct writing *writing, const struct msgpack_value *value) {
    switch (value->kind) {
    case PACK_NIL:
        return buf_text(writing->out, "null"), true;
    case PACK_FALSE:
        return buf_text(writing->out, "false"), true;
    case PACK_TRUE:
        return buf_text(writing->out, "true"), true;
    case PACK_UNSIGNED:
        return buf_uint(writing->out, value->as.whole), true;
    case PACK_SIGNED:
        return buf_printf(writing->out, "%lld", (long long)value->as.negative), true;
    case PACK_FLOAT:
        return write_real(writing, value->as.real), true;
    case PACK_TEXT:
        return write_text(writing, value);
    case PACK_BINARY:
        return write_binary(writing, value);
    case PACK_ARRAY:
        return write_array(writing, value);
    case PACK_MAP:
        return write_map(writing, value);
    }
    return false;
}

bool msgpack_json(const struct msgpack_value *value, struct buf *out, struct buf *binary) {
    struct writing writing = {.out = out, .binary = binary, .path = buf_make(PATH_MAX_LEN)};
    bool good = write_value(&writing, value);

    buf_free(&writing.path);
    return good && !out->overflow && (binary == NULL || !binary->overflow);
}
