/*
 * The answer is one line for each channel that somebody waits on, "<waiters> <channel>", of
 * CENSUS_BYTES at most; the rest is left out. It is a list in Redis and no publish,
 * because workers count publishes that nobody told them of (halley_lease).
 */
#include "fcgi-app/hub/census.h"

#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/data/names.h"
#include "fcgi-app/hub/_hub.h"

#define CENSUS_LIVES "10" /* seconds */

enum { CENSUS_BYTES = 1024 * 1024, WORD = 32 };

static size_t name_of(const struct hub *hub, char out[OWN_NAME_MAX]) {
    return names_own(out, hub->config->prefix, "census");
}

void census_up(struct hub *hub) {
    char name[OWN_NAME_MAX];
    size_t len = name_of(hub, name);

    (void)!redis_subscribe(hub->subscriber, name, len, false);
}

bool census_subscribed(const struct hub *hub, const char *channel, size_t len) {
    char name[OWN_NAME_MAX];

    return name_of(hub, name) == len && memcmp(name, channel, len) == 0;
}

static void count_feed(void *ctx, struct feed *feed) {
    struct buf *out = ctx;
    const struct ring *subs = &feed_row(feed)->subs;
    unsigned waiters = 0;
    size_t len;
    const char *name = feed_name(feed, &len);

    for (const struct ring *at = subs->next; at != subs; at = at->next)
        waiters++;
    if (waiters == 0 || out->len + len + 32 > CENSUS_BYTES)
        return;
    buf_printf(out, "%u ", waiters);
    buf_add(out, name, len);
    buf_char(out, '\n');
}

static bool is_word(const char *word, size_t len) {
    size_t i = 0;

    while (i < len && ((word[i] >= '0' && word[i] <= '9') || (word[i] >= 'a' && word[i] <= 'f')))
        i++;
    return i == len && len == WORD;
}

/* A list that nobody takes away goes by itself. */
static void put(struct hub *hub, const char *word, const struct buf *counts) {
    char key[64];
    const char *push[] = {"RPUSH", key, counts->len > 0 ? counts->data : ""};
    const char *expire[] = {"EXPIRE", key, CENSUS_LIVES};
    int key_len = snprintf(key, sizeof key, "halley.census:%.*s", WORD, word);
    const size_t push_lens[] = {5, (size_t)key_len, counts->len};
    const size_t expire_lens[] = {6, (size_t)key_len, strlen(CENSUS_LIVES)};

    if (redis_command(hub->commands, NULL, NULL, 3, push, push_lens) == ERR_OK)
        (void)!redis_command(hub->commands, NULL, NULL, 3, expire, expire_lens);
}

bool census_message(struct hub *hub, const char *channel, size_t channel_len, const char *word,
                    size_t len) {
    struct buf counts = buf_make(CENSUS_BYTES);

    if (!census_subscribed(hub, channel, channel_len))
        return false;
    if (is_word(word, len)) {
        feeds_each(hub->feeds, count_feed, &counts);
        put(hub, word, &counts);
    }
    buf_free(&counts);
    return true;
}
