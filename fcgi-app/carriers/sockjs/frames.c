/*
 * Frames. Browsers of SockJS's time lost or broke some characters on their way, so a server
 * escapes them where JSON need not: U+0000 to 001F, 200C to 200F, 2028 to 202F, 2060 to 206F,
 * FFF0 to FFFF, and what lies beyond 16 bits, as the reference server does it.
 */
#include "fcgi-app/carriers/sockjs/frames.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/scan.h"

enum { XHR_PADDING = 2048, HTMLFILE_LEAST = 1024, CALLBACK_MAX = 128 };

const char *sockjs_type(enum sockjs_kind kind) {
    switch (kind) {
    case SOCKJS_EVENTSOURCE:
        return "text/event-stream";
    case SOCKJS_HTMLFILE:
        return "text/html; charset=UTF-8";
    default:
        return "application/javascript; charset=UTF-8";
    }
}

/* ---------------------------------------------------------------------- strings */

static uint32_t decode(const unsigned char *at, size_t len) {
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = at[0] & first[len];

    for (size_t i = 1; i < len; i++)
        c = c << 6 | (at[i] & 0x3f);
    return c;
}

static bool is_escaped(uint32_t c) {
    return c < 0x20 || (c >= 0x200c && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
           (c >= 0x2060 && c <= 0x206f) || c >= 0xfff0;
}

/* Those of one letter as JavaScript's JSON.stringify() writes them. */
static void put_escape(uint32_t c, struct buf *out) {
    static const char letters[] = "\bb\tt\nn\ff\rr";
    const char *letter = c > 0 && c < 0x20 ? strchr(letters, (int)c) : NULL;

    if (letter != NULL) {
        buf_char(out, '\\');
        buf_char(out, letter[1]);
    } else if (c > 0xffff) {
        c -= 0x10000;
        buf_printf(out, "\\u%04x\\u%04x", 0xd800 + (unsigned)(c >> 10),
                   0xdc00 + (unsigned)(c & 0x3ff));
    } else {
        buf_printf(out, "\\u%04x", (unsigned)c);
    }
}

/* Puts what needs no escape from `at` on, and returns its end. */
static const char *put_plain(const char *at, const char *end, struct buf *out) {
    const char *from = at;

    while (at < end) {
        size_t len = scan_utf8(at, end);
        if (len == 0 || *at == '"' || *at == '\\' ||
            (len != 2 && is_escaped(decode((const unsigned char *)at, len))))
            break;
        at += len;
    }
    buf_add(out, from, (size_t)(at - from));
    return at;
}

void sockjs_put_string(const char *text, size_t len, struct buf *out) {
    const char *at = text, *end = text + len;

    buf_char(out, '"');
    while ((at = put_plain(at, end, out)) < end) {
        size_t step = scan_utf8(at, end);
        if (step == 0) {
            put_escape(0xfffd, out); /* no UTF-8 */
            step = 1;
        } else if (*at == '"' || *at == '\\') {
            buf_char(out, '\\');
            buf_char(out, *at);
        } else {
            put_escape(decode((const unsigned char *)at, step), out);
        }
        at += step;
    }
    buf_char(out, '"');
}

/* ----------------------------------------------------------------------- frames */

void sockjs_put_messages(const struct texts *texts, struct buf *out) {
    for (size_t i = 0; i < texts->count; i++) {
        size_t len;
        const char *text = texts_at(texts, i, &len);
        buf_text(out, i == 0 ? "a[" : ",");
        sockjs_put_string(text, len, out);
    }
    if (texts->count > 0)
        buf_char(out, ']');
}

void sockjs_put_close(unsigned code, const char *reason, struct buf *out) {
    buf_printf(out, "c[%u,", code);
    sockjs_put_string(reason, strlen(reason), out);
    buf_char(out, ']');
}

/* The page that the reference server answers, with its padding: browsers used to run nothing
 * of a page before they had so many bytes of it. */
static void begin_htmlfile(const char *callback, struct buf *out) {
    size_t before = out->len;
    static const size_t name = sizeof "{{ callback }}" - 1;

    buf_printf(out,
               "<!doctype html>\n<html><head>\n"
               "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n"
               "  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n"
               "</head><body><h2>Don't panic!</h2>\n  <script>\n"
               "    document.domain = document.domain;\n    var c = parent.%s;\n"
               "    c.start();\n    function p(d) {c.message(d);};\n"
               "    window.onload = function() {c.stop();};\n  </script>",
               callback);
    size_t used = out->len - before - strlen(callback) + name;
    buf_printf(out, "%*s\r\n\r\n",
               used < HTMLFILE_LEAST + 13 ? (int)(HTMLFILE_LEAST + 13 - used) : 0, "");
}

void sockjs_begin(enum sockjs_kind kind, const char *callback, struct buf *out) {
    if (kind == SOCKJS_EVENTSOURCE)
        buf_text(out, "\r\n");
    else if (kind == SOCKJS_HTMLFILE)
        begin_htmlfile(callback, out);
    if (kind != SOCKJS_XHR_STREAMING)
        return;
    memset(buf_reserve(out, XHR_PADDING), 'h', XHR_PADDING);
    out->len += XHR_PADDING;
    buf_char(out, '\n');
}

/* A frame as a string in a script of a page: nothing in it ends the script. */
static void put_scripted(const char *frame, size_t len, struct buf *out) {
    struct buf text = buf_make(SIZE_MAX / 2);
    size_t from = 0;

    sockjs_put_string(frame, len, &text);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '<')
            continue;
        buf_add(out, text.data + from, i - from);
        buf_text(out, "\\u003c");
        from = i + 1;
    }
    buf_add(out, text.data + from, text.len - from);
    buf_free(&text);
}

void sockjs_wrap(enum sockjs_kind kind, const char *callback, const char *frame, size_t len,
                 struct buf *out) {
    if (len == 0)
        return;
    switch (kind) {
    case SOCKJS_XHR:
    case SOCKJS_XHR_STREAMING:
        buf_add(out, frame, len);
        buf_char(out, '\n');
        break;
    case SOCKJS_EVENTSOURCE:
        buf_text(out, "data: ");
        buf_add(out, frame, len);
        buf_text(out, "\r\n\r\n");
        break;
    case SOCKJS_HTMLFILE:
        buf_text(out, "<script>\np(");
        put_scripted(frame, len, out);
        buf_text(out, ");\n</script>\r\n");
        break;
    case SOCKJS_JSONP:
        buf_printf(out, "/**/%s(", callback);
        sockjs_put_string(frame, len, out);
        buf_text(out, ");\r\n");
        break;
    case SOCKJS_WEBSOCKET:
    case SOCKJS_RAW:
        buf_add(out, frame, len);
        break;
    }
}

bool sockjs_callback_valid(const char *name, size_t len) {
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return len > 0 && len <= CALLBACK_MAX;
}

/* ------------------------------------------------------------------------ input */

static bool take_string(struct scan_value value, struct texts *messages) {
    size_t len = 0;
    char *text = scan_is_string(value) ? json_unquote(value.at, value.len, &len) : NULL;

    if (text == NULL)
        return false;
    texts_add(messages, text, len);
    free(text);
    return true;
}

enum sockjs_input sockjs_take(const char *text, size_t len, bool lone, struct texts *messages) {
    struct scan_value value, element = {NULL, 0};

    if (len == 0)
        return SOCKJS_INPUT_EMPTY;
    if (!scan_grammar(text, len, &value))
        return SOCKJS_INPUT_BROKEN;
    if (lone && scan_is_string(value))
        return take_string(value, messages) ? SOCKJS_INPUT_GOOD : SOCKJS_INPUT_BROKEN;
    if (!scan_is_array(value))
        return SOCKJS_INPUT_BROKEN;
    while (scan_next(value, &element)) {
        if (messages->count == SOCKJS_MESSAGES_MAX)
            return SOCKJS_INPUT_MANY;
        if (!take_string(element, messages))
            return SOCKJS_INPUT_BROKEN;
    }
    return SOCKJS_INPUT_GOOD;
}
