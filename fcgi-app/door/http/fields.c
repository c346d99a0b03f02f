/*
 * Texts are ended in place, where a line's end or a blank stands: nothing is copied but lists,
 * and the host of a target that is a URL, which is the request's host then (RFC 9112 §3.2.2).
 */
#include "fcgi-app/door/http/fields.h"

#include <string.h>

/* The last value of each field that is there, and which are there several times. */
struct found {
    struct span last[SAID_COUNT]; /* of those that are there */
    said_set there, repeated;
};

static const char *ended(struct span span) {
    char *text = (char *)(uintptr_t)span.at;
    text[span.len] = '\0';
    return text;
}

/* Appends a text of its own; the room is there already. */
static const char *put(struct buf *lists, struct span text) {
    size_t at = lists->len;
    buf_add(lists, text.at, text.len);
    buf_char(lists, '\0');
    return lists->data + at;
}

/* A field that stands there several times is one list (RFC 9110 §5.3); Cookie is (RFC 6265 §5.4)
 * one too, of another kind. */
static const char *put_list(const struct parser *parser, int which, struct buf *lists) {
    struct span name, value;
    size_t at = 0, from = lists->len;

    while (parser_field(parser, &at, &name, &value)) {
        if (said_by_field(name.at, name.len) != which)
            continue;
        if (lists->len > from)
            buf_text(lists, which == SAID_COOKIE ? "; " : ", ");
        buf_add(lists, value.at, value.len);
    }
    buf_char(lists, '\0');
    return lists->data + from;
}

static void find(const struct parser *parser, struct found *found) {
    struct span name, value;
    size_t at = 0;

    found->there = found->repeated = 0;
    while (parser_field(parser, &at, &name, &value)) {
        int which = said_by_field(name.at, name.len);
        if (which < 0)
            continue;
        found->last[which] = value;
        found->repeated |= found->there & SAID_BIT(which);
        found->there |= SAID_BIT(which);
    }
}

void fields_say(const struct parser *parser, struct said *said, struct buf *lists) {
    struct span host = parser_authority(parser);
    struct found found;
    int i;

    find(parser, &found);
    said_nothing(said);
    said->repeated = found.repeated;
    *lists = buf_make(SIZE_MAX / 2); /* the head's limit is one for these too */
    if (found.repeated != 0 || host.len > 0)
        (void)buf_reserve(lists, 2 * parser->head_len + SAID_COUNT);
    FOREACH_SAID(i, found.repeated) {
        said->of[i] = put_list(parser, i, lists);
    }
    FOREACH_SAID(i, found.there & ~found.repeated) {
        said->of[i] = ended(found.last[i]);
    }
    if (host.len > 0)
        said->of[SAID_HOST] = put(lists, host);
    said->of[SAID_PROTOCOL] = parser->minor > 0 ? "HTTP/1.1" : "HTTP/1.0";
    said->of[SAID_METHOD] = ended(parser->method);
    said->of[SAID_URI] = ended(parser->target);
}
