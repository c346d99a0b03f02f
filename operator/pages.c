/*
 * One page is one call, and at most about a MiB; the next begins at its last message.
 */
#include "operator/pages.h"

#include <stdio.h>
#include <string.h>

#include "core/redis/page.h"

enum { PAGE_MESSAGES = 1000 };

struct reading {
    const char *channel;
    const struct pages_events *events;
    void *ctx;
    size_t given;
    size_t limit; /* 0: none */
    struct position after;
    bool known; /* `after` is */
    bool more;
    bool misunderstood;
};

static bool full(const struct reading *reading) {
    return reading->limit > 0 && reading->given >= reading->limit;
}

static void take_messages(struct reading *reading, const struct history_page *page) {
    for (size_t i = 0; i < page->count && !full(reading); i++) {
        if (page->gap && page->hole == i)
            reading->events->gap(reading->ctx);
        reading->events->message(reading->ctx, page->messages[i]);
        reading->after = page->messages[i]->id;
        reading->given++;
    }
}

static void take_page(void *ctx, const redis_reply *reply) {
    struct reading *reading = ctx;
    struct history_page page;

    page_parse(&page, reply, reading->channel, strlen(reading->channel));
    reading->misunderstood = page.err != ERR_OK;
    if (!reading->misunderstood) {
        take_messages(reading, &page);
        reading->more = page.more && !full(reading);
        reading->known = true;
        if (page.gap && page.hole == page.count && !full(reading))
            reading->events->gap(reading->ctx);
        if (!page.more && !full(reading))
            reading->after = page.tail;
    }
    page_free(&page);
}

static enum err read_page(struct desk *desk, struct reading *reading, const char *since) {
    char limit[16];
    size_t left = reading->limit > 0 ? reading->limit - reading->given : PAGE_MESSAGES;
    const char *argv[] = {"FCALL_RO", "halley_read", "1", reading->channel, since, limit};

    snprintf(limit, sizeof limit, "%zu", left < PAGE_MESSAGES ? left : PAGE_MESSAGES);
    enum err err = desk_ask(desk, take_page, reading, 6, argv, NULL);
    if (err == ERR_OK && reading->misunderstood) {
        desk_complain("Redis's answer is not understood");
        err = ERR_REFUSED;
    }
    return err;
}

enum err pages_read(struct desk *desk, const char *channel, const char *since, size_t limit,
                    const struct pages_events *events, void *ctx, struct position *after) {
    struct reading reading = {.channel = channel, .events = events, .ctx = ctx, .limit = limit};
    char next[POSITION_TEXT];
    enum err err = read_page(desk, &reading, since);

    while (err == ERR_OK && reading.more) {
        position_format(reading.after, next);
        err = read_page(desk, &reading, next);
    }
    if (after != NULL && reading.known)
        *after = reading.after;
    return err;
}
