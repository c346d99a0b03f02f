/* Any bytes on a connection of the line feed, in any pieces: the lines are those of a naive
 * split, each line is a command or is told why not, and what a command names lies in its line.
 * The first byte says how long the pieces are.
 */
#include "fcgi-app/door/line/lines.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/data/channel.h"
#include "fcgi-app/protocols/command.h"
#include "fcgi-app/transports/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

/* The name, written as the feed writes it, is read as the same name. */
static void check_name(const struct command *command) {
    struct buf line = buf_make(100000);
    struct problem problem;
    struct command again;

    buf_text(&line, "UNSUBSCRIBE ");
    line_put_name(&line, command->name, command->name_len);
    must(command_parse(line.data, line.len, &again, &problem));
    must(again.name_len == command->name_len &&
         memcmp(again.name, command->name, command->name_len) == 0);
    command_free(&again);
    buf_free(&line);
}

static void check_command(const char *text, size_t len) {
    struct problem problem = {0};
    struct command command;
    struct hub_channel channel = {.len = 0};

    bool good = command_parse(text, len, &command, &problem);
    must(good == (problem.status == 0));
    if (!good) {
        struct buf told = buf_make(10000);
        problem_put_line(&problem, &told);
        buf_char(&told, '\n');
        must(memchr(told.data, '\n', told.len) == told.data + told.len - 1);
        must(json_utf8(told.data, told.len));
        buf_free(&told);
        command_free(&command);
        return;
    }
    bool names = command.verb == VERB_SUBSCRIBE || command.verb == VERB_UNSUBSCRIBE ||
                 command.verb == VERB_PUBLISH || command.verb == VERB_TOKEN;
    must(names == (command.name != NULL));
    must(command.rest == NULL ||
         (command.rest > text && command.rest + command.rest_len == text + len));
    must(command.rest != NULL || command.verb != VERB_PUBLISH);
    if (names && channel_valid(command.name, command.name_len))
        check_name(&command);
    if (command.verb == VERB_SUBSCRIBE) {
        channel.name = command.name;
        channel.len = command.name_len;
        must(command_since(&command, &channel, &problem) == (problem.status == 0));
    }
    command_free(&command);
}

/* The line that begins at `*from`, as anybody would split it; false: there is none. */
static bool split(const char *text, size_t len, size_t *from, struct line *line) {
    const char *end = *from < len ? memchr(text + *from, '\n', len - *from) : NULL;

    if (end == NULL)
        return false;
    line->text = text + *from;
    line->len = (size_t)(end - line->text);
    *from += line->len + 1;
    line->len -= line->len > 0 && end[-1] == '\r';
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t piece = size > 0 ? 1 + data[0] % 64 : 1, from = 0;
    const char *text = (const char *)data + (size > 0);
    size_t len = size > 0 ? size - 1 : 0;
    struct lines lines = lines_make();
    enum lines_event event = LINES_MORE;
    struct line line, want;

    for (size_t at = 0; at < len && event < LINES_LONG; at += piece) {
        size_t next = len - at < piece ? len - at : piece;
        must(next <= lines_room(&lines));
        lines_add(&lines, text + at, next);
        while ((event = lines_look(&lines, &line)) == LINES_LINE) {
            must(split(text, at + next, &from, &want) && want.len == line.len &&
                 memcmp(want.text, line.text, line.len) == 0 && line.len <= LINE_MAX_BYTES);
            char *copy = malloc(line.len + 1); /* without a NUL behind it */
            memcpy(copy, line.text, line.len);
            check_command(copy, line.len);
            free(copy);
            lines_take(&lines, &line);
        }
        must(event != LINES_MORE || !split(text, at + next, &from, &want));
        must(event != LINES_POLICY || from == 0);
    }
    lines_free(&lines);
    return 0;
}
