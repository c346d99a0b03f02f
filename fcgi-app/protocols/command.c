/*
 * The commands, each a line:
 *
 *   SUBSCRIBE name[ since]      UNSUBSCRIBE name      PUBLISH name payload
 *   TOKEN token      PING      PONG      QUIT
 *
 * in capitals or not. A name that holds a blank, or begins with a quotation mark, is written as
 * a JSON string. A payload is all that stands behind the blank that follows the name.
 */
#include "fcgi-app/protocols/command.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "fcgi-app/protocols/reading.h"

enum argument { NOTHING, NAME, NAME_AND_MORE, NAME_AND_PAYLOAD };

struct verb_row {
    const char *word;
    enum verb verb;
    enum argument argument;
    const char *wanted;
};

static const struct verb_row verbs[] = {
    {"SUBSCRIBE", VERB_SUBSCRIBE, NAME_AND_MORE, "SUBSCRIBE channel [since]"},
    {"UNSUBSCRIBE", VERB_UNSUBSCRIBE, NAME, "UNSUBSCRIBE channel"},
    {"PUBLISH", VERB_PUBLISH, NAME_AND_PAYLOAD, "PUBLISH channel payload"},
    {"TOKEN", VERB_TOKEN, NAME, "TOKEN token"},
    {"PING", VERB_PING, NOTHING, "PING"},
    {"PONG", VERB_NONE, NOTHING, "PONG"},
    {"QUIT", VERB_QUIT, NOTHING, "QUIT"},
};

bool command_is_json(const char *text, size_t len) {
    return len == 4 && strncasecmp(text, "json", 4) == 0;
}

static const struct verb_row *find_verb(const char *text, size_t len) {
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strlen(verbs[i].word) == len && strncasecmp(verbs[i].word, text, len) == 0)
            return &verbs[i];
    }
    return NULL;
}

/* Behind the quotation mark that ends a JSON string; 0: there is none. */
static size_t quoted_len(const char *text, size_t len) {
    for (size_t i = 1; i < len; i++) {
        if (text[i] == '"')
            return i + 1;
        i += text[i] == '\\';
    }
    return 0;
}

/* Takes the name off the front of the arguments; false: there is none. */
static bool take_name(struct command *command, const char *text, size_t len) {
    bool quoted = len > 0 && text[0] == '"';
    const char *blank = quoted ? NULL : memchr(text, ' ', len);
    size_t word = quoted ? quoted_len(text, len) : blank != NULL ? (size_t)(blank - text) : len;

    if (word == 0 || (word < len && text[word] != ' '))
        return false;
    command->name_len = word;
    command->name = quoted ? json_unquote(text, word, &command->name_len) : mem_copy(text, word);
    if (word < len) {
        command->rest = text + word + 1;
        command->rest_len = len - word - 1;
    }
    return command->name != NULL;
}

static bool take_arguments(const struct verb_row *row, struct command *command, const char *text,
                           size_t len) {
    if (row->argument == NOTHING)
        return text == NULL;
    if (text == NULL || !take_name(command, text, len))
        return false;
    return row->argument == NAME_AND_MORE ||
           (command->rest != NULL) == (row->argument == NAME_AND_PAYLOAD);
}

bool command_parse(const char *text, size_t len, struct command *command, struct problem *problem) {
    const char *blank = memchr(text, ' ', len);
    size_t word = blank != NULL ? (size_t)(blank - text) : len;

    memset(command, 0, sizeof *command);
    if (len == 0)
        return true;
    if (!json_utf8(text, len)) {
        problem_set(problem, 400, "line: must be UTF-8");
        return false;
    }
    const struct verb_row *row = find_verb(text, word);
    if (row == NULL) {
        problem_set(problem, 400,
                    "line: must be SUBSCRIBE, UNSUBSCRIBE, PUBLISH, TOKEN, PING or QUIT");
        return false;
    }
    command->verb = row->verb;
    if (take_arguments(row, command, blank != NULL ? blank + 1 : NULL,
                       blank != NULL ? len - word - 1 : 0))
        return true;
    problem_set(problem, 400, "line: must be %s", row->wanted);
    return false;
}

void command_free(struct command *command) {
    free(command->name);
    command->name = NULL;
}

bool command_since(const struct command *command, struct hub_channel *channel,
                   struct problem *problem) {
    const char *text = command->rest != NULL ? command->rest : "now";
    size_t len = command->rest != NULL ? command->rest_len : strlen(text);
    struct position at;

    if (position_parse(text, len, &at) == ERR_OK) {
        channel->since = (struct since){.kind = SINCE_AT, .at = at};
        return true;
    }
    if (reading_since(text, len, channel, 1))
        return true;
    problem_set(problem, 400, "since: must be now, start, -K, an id or a cursor");
    return false;
}
