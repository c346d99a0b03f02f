/*
 * Pointers are followed from the outside in, so that only what they name is looked at.
 */
#include "fcgi-app/protocols/socketio_binary.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/base64.h"
#include "core/base/json.h"
#include "fcgi-app/protocols/socketio_packet.h"

/* ---------------------------------------------------------------------- pointing */

struct pointing {
    struct buf *out;
    struct buf path; /* the pointer to where we are */
    size_t count;    /* of attachments */
};

/* A member's name, as a pointer has it. */
static void put_name(struct buf *path, struct scan_value name) {
    size_t len;
    char *said = json_unquote(name.at, name.len, &len);

    buf_char(path, '/');
    for (size_t i = 0; said != NULL && i < len; i++) {
        if (said[i] == '~' || said[i] == '/')
            buf_text(path, said[i] == '~' ? "~0" : "~1");
        else
            buf_char(path, said[i]);
    }
    free(said);
}

static void point(struct pointing *pointing, struct scan_value value, unsigned depth);

static void point_behind(struct pointing *pointing, size_t len, struct scan_value value,
                         unsigned depth) {
    point(pointing, value, depth + 1);
    pointing->path.len = len;
}

static void point_inside(struct pointing *pointing, struct scan_value value, unsigned depth) {
    struct scan_value name, inner = {NULL, 0};
    size_t len = pointing->path.len, index = 0;

    while (scan_is_object(value) && scan_next_member(value, &name, &inner)) {
        put_name(&pointing->path, name);
        point_behind(pointing, len, inner, depth);
    }
    while (scan_is_array(value) && scan_next(value, &inner)) {
        buf_printf(&pointing->path, "/%zu", index++);
        point_behind(pointing, len, inner, depth);
    }
}

static void point(struct pointing *pointing, struct scan_value value, unsigned depth) {
    size_t number;

    if (!socketio_placeholder(value, pointing->count, &number)) {
        if (depth < SOCKETIO_DEEPEST)
            point_inside(pointing, value, depth);
        return;
    }
    if (pointing->out->len > 0)
        buf_char(pointing->out, ',');
    json_quote(pointing->out, pointing->path.data != NULL ? pointing->path.data : "",
               pointing->path.len);
}

void socketio_point(struct buf *out, struct scan_value data, size_t count) {
    struct pointing pointing = {.out = out, .path = buf_make(SIZE_MAX / 2), .count = count};

    point(&pointing, data, 0);
    buf_free(&pointing.path);
}

/* ----------------------------------------------------------------------- lifting */

/* Whether the member's name is what stands at `*at` of a pointer, up to the next slash. */
static bool is_named(struct scan_value name, const char *at, size_t len) {
    size_t said_len, i = 0;
    char *said = json_unquote(name.at, name.len, &said_len);
    bool same = said != NULL;

    for (size_t k = 0; same && k < said_len; k++, i++) {
        bool escape = i + 1 < len && at[i] == '~';
        char c = i == len ? '\0' : !escape ? at[i] : at[i + 1] == '1' ? '/' : '~';
        same = i < len && c == said[k];
        i += escape;
    }
    free(said);
    return same && i == len;
}

static struct scan_value step_into(struct scan_value value, const char *at, size_t len) {
    struct scan_value name, inner = {NULL, 0}, found = {NULL, 0};

    while (scan_is_object(value) && scan_next_member(value, &name, &inner)) {
        if (is_named(name, at, len))
            found = inner;
    }
    if (!scan_is_array(value) || len == 0 || len > 9 || strspn(at, "0123456789") < len)
        return found;
    for (long index = strtol(at, NULL, 10); index >= 0; index--) {
        if (!scan_next(value, &inner))
            return found;
    }
    return inner;
}

/* The value that a pointer names; none: there is none. */
static struct scan_value follow(struct scan_value value, struct scan_value pointer) {
    size_t len;
    char *said = json_unquote(pointer.at, pointer.len, &len), *at = said;

    if (said == NULL || (*at != '\0' && *at != '/'))
        value = (struct scan_value){NULL, 0};
    while (said != NULL && *at == '/' && value.at != NULL) {
        size_t part = strcspn(at + 1, "/");
        value = step_into(value, at + 1, part);
        at += 1 + part;
    }
    free(said);
    return value;
}

static int by_place(const void *a, const void *b) {
    const struct scan_value *one = a, *other = b;
    return (one->at > other->at) - (one->at < other->at);
}

/* The texts that the pointers name, each once, in their order in the data. */
static size_t find_texts(struct scan_value data, struct scan_value pointers,
                         struct scan_value found[SOCKETIO_ATTACHMENTS]) {
    struct scan_value pointer = {NULL, 0};
    size_t count = 0, left = 0;

    while (count < SOCKETIO_ATTACHMENTS && scan_is_array(pointers) &&
           scan_next(pointers, &pointer)) {
        struct scan_value text = scan_is_string(pointer) ? follow(data, pointer) : pointer;
        if (scan_is_string(pointer) && scan_is_string(text))
            found[count++] = text;
    }
    qsort(found, count, sizeof *found, by_place);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || found[i].at != found[left - 1].at)
            found[left++] = found[i];
    }
    return left;
}

static bool decode(struct scan_value text, struct buf *bytes) {
    size_t len;
    char *said = json_unquote(text.at, text.len, &len);
    bool good = said != NULL && base64_decode(bytes, said, len) == ERR_OK;

    free(said);
    return good;
}

void socketio_lift(struct buf *out, struct scan_value data, struct scan_value pointers,
                   struct texts *attachments) {
    struct scan_value found[SOCKETIO_ATTACHMENTS];
    size_t count = find_texts(data, pointers, found);
    const char *at = data.at;

    for (size_t i = 0; i < count; i++) {
        struct buf bytes = buf_make(found[i].len);
        if (decode(found[i], &bytes)) {
            buf_add(out, at, (size_t)(found[i].at - at));
            buf_printf(out, "{\"_placeholder\":true,\"num\":%zu}", attachments->count);
            texts_add_bytes(attachments, bytes.data != NULL ? bytes.data : "", bytes.len);
            at = found[i].at + found[i].len;
        }
        buf_free(&bytes);
    }
    buf_add(out, at, (size_t)(data.at + data.len - at));
}
