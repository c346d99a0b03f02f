/*
 * Nothing from a browser goes further than here unchecked: channels' names and cursors of the
 * reading endpoints, and of all protocols.
 */
#include "fcgi-app/protocols/reading.h"

#include <stdlib.h>

#include "core/data/channel.h"
#include "core/data/cursor.h"
#include "core/data/wildcard.h"
#include "fcgi-app/door/params.h"
#include "fcgi-app/rights/rights.h"

static bool named(const char *name, size_t len, struct problem *problem) {
    if (channel_valid(name, len))
        return true;
    problem_set(problem, 400,
                "channel: must be 1 to %d bytes of UTF-8 without control characters or { } *",
                CHANNEL_MAX);
    return false;
}

/* Whether he may; if not, why. */
static bool judged(bool may, const struct config *config, const struct identity *who,
                   const char *name, size_t len, struct problem *problem) {
    if (!may)
        rights_explain(config, who, RIGHTS_SUBSCRIBE, name, len, problem);
    return may;
}

bool reading_allowed(const struct config *config, const struct identity *who, const char *name,
                     size_t len, struct problem *problem) {
    return named(name, len, problem) && judged(rights_may(config, who, RIGHTS_SUBSCRIBE, name, len),
                                               config, who, name, len, problem);
}

bool reading_ends(const struct config *config, const struct identity *who, const char *name,
                  size_t len, struct problem *problem) {
    return named(name, len, problem) &&
           judged(rights_may_leave(config, who, name, len), config, who, name, len, problem);
}

bool reading_pattern(const char *pattern, size_t len, struct problem *problem) {
    if (wildcard_valid(pattern, len))
        return true;
    problem_set(problem, 400, "pattern: must be * or **, or end with /* or /**");
    return false;
}

bool reading_patterns(size_t count, struct problem *problem) {
    if (count <= PATTERNS_MAX)
        return true;
    problem_set(problem, 400, "pattern: the most is %d of them", PATTERNS_MAX);
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
