/*
 * A line of the line feed, taken apart. Pure functions.
 */
#ifndef HALLEY_COMMAND_H
#define HALLEY_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi-app/door/problem.h"
#include "fcgi-app/hub/place.h"

enum verb {
    VERB_NONE, /* an empty line, or PONG: nothing is answered */
    VERB_SUBSCRIBE,
    VERB_UNSUBSCRIBE,
    VERB_PUBLISH,
    VERB_PING,
    VERB_QUIT,
    VERB_TOKEN
};

struct command {
    enum verb verb;
    char *
        name; /* of a channel, or a token; with a NUL behind it, not checked; NULL: there is none */
    size_t name_len;
    const char *rest; /* since, or the payload; borrowed from the line. NULL: none was said */
    size_t rest_len;
};

/* Whether the line is to be `json`: the first one only. */
bool command_is_json(const char *text, size_t len);

/* False, with `problem`, if the line is no command. Free it with command_free(), also then. */
bool command_parse(const char *text, size_t len, struct command *command, struct problem *problem);
void command_free(struct command *command);

/*
 * Where a SUBSCRIBE begins: now, start, -K, the id of the last message that is known, or a
 * cursor. False, with `problem`, if it says something else.
 */
bool command_since(const struct command *command, struct hub_channel *channel,
                   struct problem *problem);

#endif
