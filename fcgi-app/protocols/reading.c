/*
 * Nothing from a browser goes further than here unchecked: channels' names and cursors of the
 * reading endpoints, and of all protocols.
 */
#include "fcgi-app/protocols/reading.h"

#include <stdlib.h>

#include "core/data/channel.h"
#include "core/data/cursor.h"
#include "fcgi-app/door/params.h"

bool reading_allowed(const struct config *config, const char *name, size_t len,
                     struct problem *problem) {
    if (!channel_valid(name, len))
        problem_set(problem, 400,
                    "channel: must be 1 to %d bytes of UTF-8 without control characters or { } *",
                    CHANNEL_MAX);
    else if (config_channel(config, name, len)->subscribe != ACCESS_ANYONE)
        problem_set(problem, 403, "channel: subscribing to %.*s is not allowed", (int)len, name);
    else
        return true;
    return false;
}

static void begin_at(const struct since *since, const struct cursor *cursor,
                     struct hub_channel *channels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct position *at = cursor_find(cursor, channels[i].name, channels[i].len);
        channels[i].since = at != NULL ? (struct since){.kind = SINCE_AT, .at = *at} : *since;
    }
}

bool reading_since(const char *text, size_t len, struct hub_channel *channels, size_t count) {
    struct since since;
    struct cursor *cursor = NULL;

    if (!since_parse(text, len, &since)) {
        since = (struct since){.kind = SINCE_NOW};
        /* it may know channels that are not asked for; their number is bounded by its size */
        if (cursor_parse(text, len, PARAMS_MAX, &cursor) != ERR_OK)
            return false;
    }
    begin_at(&since, cursor, channels, count);
    free(cursor);
    return true;
}
