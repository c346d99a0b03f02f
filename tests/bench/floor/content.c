/* What is sent because of a message: every answer, framed once, with the bytes that Halley
 * would send for it.
 */
#include "tests/bench/floor/content.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct content content;

static const struct wire *wire;
static const char *channel;
static uint64_t last_n;
static char epoch[32];
static char cursor[256];

__attribute__((format(printf, 2, 3))) static void put(struct pile *pile, const char *format, ...) {
    va_list args;
    char text[1024];

    va_start(args, format);
    pile_add(pile, text, (size_t)vsnprintf(text, sizeof text, format, args));
    va_end(args);
}

static void frame(struct image *image, enum part part, const char *status, const char *type,
                  const struct pile *body) {
    static struct pile head;

    head.length = 0;
    put(&head,
        "%s%s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nAccept-Ranges: none\r\n",
        wire->status, status, type);
    if (wire->lengths && part == PART_BEGIN)
        put(&head, "Transfer-Encoding: chunked\r\n");
    else if (part == PART_WHOLE)
        put(&head, "Content-Length: %zu\r\n", body->length);
    put(&head, "\r\n");
    image->bytes.length = 0;
    image->is_last = part == PART_WHOLE;
    wire->frame(image, part, part == PART_MORE ? NULL : &head, body);
}

/* Everything that depends on the last message. */
static void frame_all(const char *at, const char *data, size_t length) {
    static struct pile text;

    snprintf(cursor, sizeof cursor, "%s@%s-%" PRIu64, channel, epoch, last_n);
    text.length = 0;
    put(&text,
        "{\"messages\":[{\"channel\":\"%s\",\"id\":\"%s-%" PRIu64 "\",\"at\":%s,\"data\":", channel,
        epoch, last_n, at);
    pile_add(&text, data, length);
    put(&text, "}],\"cursor\":\"%s\"}", cursor);
    frame(&content.batch, PART_WHOLE, "200 OK", "application/json", &text);

    text.length = 0;
    put(&text, "{\"messages\":[],\"cursor\":\"%s\"}", cursor);
    frame(&content.empty_batch, PART_WHOLE, "200 OK", "application/json", &text);

    text.length = 0;
    put(&text, "{\"id\":\"%s-%" PRIu64 "\",\"at\":%s}", epoch, last_n, at);
    frame(&content.published, PART_WHOLE, "200 OK", "application/json", &text);

    text.length = 0;
    put(&text, "retry: 3000\nid: %s\n\n", cursor);
    frame(&content.stream_head, PART_BEGIN, "200 OK", "text/event-stream", &text);

    text.length = 0;
    put(&text, "id: %s\ndata: ", cursor);
    pile_add(&text, data, length);
    put(&text, "\n\n");
    frame(&content.event, PART_MORE, "", "", &text);
}

static uint64_t now_real_ms(void) {
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

void content_begin(const struct wire *used, const char *name) {
    static struct pile nothing;

    wire = used;
    channel = name;
    snprintf(epoch, sizeof epoch, "%" PRIu64, now_real_ms());
    frame(&content.not_found, PART_WHOLE, "404 Not Found", "text/plain", &nothing);
    frame_all("0", "null", 4);
}

void content_take(const char *data, size_t length) {
    char at[32];

    last_n++;
    snprintf(at, sizeof at, "%" PRIu64, now_real_ms());
    frame_all(at, data, length);
}

bool content_take_live(const char *text, size_t length) {
    const char *dash = memchr(text, '-', length), *at, *data;
    char when[32];

    if (!dash || !(at = memchr(text, ' ', length)) ||
        !(data = memchr(at + 1, ' ', length - (size_t)(at + 1 - text))))
        return false;
    snprintf(epoch, sizeof epoch, "%.*s", (int)(dash - text), text);
    snprintf(when, sizeof when, "%.*s", (int)(data - at - 1), at + 1);
    last_n = strtoull(dash + 1, NULL, 10);
    data++;
    frame_all(when, data, length - (size_t)(data - text));
    return true;
}

bool content_is_end(const char *since, size_t length) {
    return (length == 3 && memcmp(since, "now", 3) == 0) ||
           (length == strlen(cursor) && memcmp(since, cursor, length) == 0);
}
