/*
 * Lines. JSON is the message object of a batch (fcgi-app/PROTOCOL.md), so that scripts know one
 * form only.
 */
#include "operator/show.h"

#include <stdio.h>
#include <time.h>

#include "core/base/json.h"
#include "core/base/scan.h"

enum { LINE_MAX = 16 * 1024 * 1024, PAYLOAD_SHOWN = 4096 };

/* C1 control characters are control characters too (ECMA-48), in UTF-8 two bytes each. */
static bool is_control(const char *at, size_t len) {
    unsigned char c = (unsigned char)at[0];
    return c < ' ' || c == 0x7f || (len == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0);
}

void show_safe(struct buf *out, const char *text, size_t len, size_t most) {
    const char *at = text, *end = text + len;

    while (at < end && (size_t)(at - text) < most) {
        size_t bytes = scan_utf8(at, end);
        if (bytes > 0 && !is_control(at, bytes)) {
            buf_add(out, at, bytes);
            at += bytes;
            continue;
        }
        buf_printf(out, "\\x%02x", (unsigned char)*at++);
    }
    if (at < end)
        buf_text(out, "...");
}

void show_time(struct buf *out, uint64_t at) {
    time_t seconds = (time_t)(at / 1000);
    struct tm parts;
    char text[64];

    if (localtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        buf_uint(out, at);
    else
        buf_printf(out, "%s.%03u", text, (unsigned)(at % 1000));
}

void show_line(struct buf *line) {
    if (line->len > 0)
        fwrite(line->data, 1, line->len, stdout);
    fputc('\n', stdout);
    buf_clear(line);
}

bool show_flush(void) {
    return fflush(stdout) == 0 && !ferror(stdout);
}

static void put_for_people(struct buf *line, const struct message *message) {
    char id[POSITION_TEXT];

    position_format(message->id, id);
    show_time(line, message->at);
    buf_text(line, "  ");
    show_safe(line, (const char *)(message + 1), message->channel_len, message->channel_len);
    buf_printf(line, "  %s  ", id);
    show_safe(line, message->payload, message->payload_len, PAYLOAD_SHOWN);
}

void show_message(struct message *message, bool json) {
    struct buf line = buf_make(LINE_MAX);
    size_t len;

    if (json) {
        const char *text = message_json(message, &len);
        fwrite(text, 1, len, stdout);
    } else {
        put_for_people(&line, message);
    }
    show_line(&line);
    buf_free(&line);
}

void show_gap(const char *channel, size_t len, bool json) {
    struct buf line = buf_make(LINE_MAX);

    if (json) {
        buf_text(&line, "{\"gap\":[");
        json_quote(&line, channel, len);
        buf_text(&line, "]}");
    } else {
        buf_text(&line, "-- gap: messages of ");
        show_safe(&line, channel, len, len);
        buf_text(&line, " are missing here");
    }
    show_line(&line);
    buf_free(&line);
}
