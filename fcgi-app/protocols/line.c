/*
 * What is said on the line feed in words: commands (command.c), answered by OK or ERROR, PING by
 * PONG, QUIT by BYE and the end. An object may stand in place of a command: it is what it is
 * on a WebSocket (halley.c), and is answered in words. That a change of channels is done is said
 * where it is known, in front of what those channels are owed: by the transport
 * (transports/line.c), which writes batches too.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "fcgi-app/protocols/command.h"
#include "fcgi-app/protocols/protocols.h"
#include "fcgi-app/protocols/reading.h"

enum { NORMAL = 1000 }; /* RFC 6455 §7.4.1 */

/* Moves the command's name into a change. */
static void take_name(struct command *command, struct change *change) {
    change->names.names = mem_new(sizeof *change->names.names);
    change->names.names[0] = (struct order_name){command->name, command->name_len};
    change->names.count = 1;
    command->name = NULL;
}

static void subscribe(const struct speech *speech, struct command *command, struct step *step) {
    struct hub_channel *channel = mem_new(sizeof *channel);

    *channel = (struct hub_channel){.name = command->name, .len = command->name_len};
    step->join.channels = channel;
    step->join.count = 1;
    step->joins =
        reading_allowed(speech->config, speech->who, channel->name, channel->len, &step->problem) &&
        command_since(command, channel, &step->problem);
    take_name(command, &step->join);
}

static void unsubscribe(const struct speech *speech, struct command *command, struct step *step) {
    step->leaves =
        reading_ends(speech->config, speech->who, command->name, command->name_len, &step->problem);
    take_name(command, &step->leave);
}

static void post(struct command *command, struct step *step) {
    step->posts = true;
    step->post = (struct order_post){.channel = command->name,
                                     .channel_len = command->name_len,
                                     .data = {command->rest, command->rest_len}};
    command->name = NULL;
}

static void renew(const struct command *command, struct step *step) {
    struct buf token = buf_make(SIZE_MAX / 2);

    json_quote(&token, command->name, command->name_len);
    step->renews = true;
    step->kept = mem_copy(token.data, token.len);
    step->token = (struct scan_value){step->kept, token.len};
    buf_free(&token);
}

static void quit(struct step *step) {
    texts_add(&step->said, "BYE", 3);
    step->closes = NORMAL;
    step->reason = "";
}

static void take(const struct speech *speech, const char *text, size_t len, struct step *step) {
    struct command command;

    if (len > 0 && text[0] == '{') {
        protocol_halley.take(speech, text, len, step);
        return;
    }
    bool good = command_parse(text, len, &command, &step->problem);
    if (good && command.verb == VERB_SUBSCRIBE)
        subscribe(speech, &command, step);
    else if (good && command.verb == VERB_UNSUBSCRIBE)
        unsubscribe(speech, &command, step);
    else if (good && command.verb == VERB_PUBLISH)
        post(&command, step);
    else if (good && command.verb == VERB_TOKEN)
        renew(&command, step);
    else if (good && command.verb == VERB_PING)
        texts_add(&step->said, "PONG", 4);
    else if (good && command.verb == VERB_QUIT)
        quit(step);
    command_free(&command);
}

static void tell(const struct speech *speech, const struct outcome *outcome, struct step *step) {
    struct buf text = buf_make(SIZE_MAX / 2);
    (void)speech;

    buf_text(&text, outcome->problem != NULL ? "ERROR " : "OK");
    if (outcome->problem != NULL)
        problem_put_line(outcome->problem, &text);
    texts_add(&step->said, text.data, text.len);
    buf_free(&text);
}

const struct protocol protocol_line = {.name = "line", .take = take, .tell = tell};
