/*
 * `channel NAME`: one channel, as plain texts. What is published there is said as it is, one
 * text a message; what the client says is published there, under the same rights as ever.
 * Such a client has no word for an error, nor for a gap: a text that could not be published
 * ends the connection with a code of 4000 and the status, so that nothing is lost in silence;
 * of a gap it hears nothing.
 */
#include <string.h>

#include "core/base/crypto.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "fcgi-app/protocols/protocols.h"
#include "fcgi-app/protocols/reading.h"

enum { CLOSE_BASE = 4000 };

static void close_with(const struct problem *problem, struct step *step) {
    step->closes = CLOSE_BASE + (unsigned)problem->status;
    step->reason = head_reason(problem->status);
}

static void join(const char *name, struct change *change) {
    change->names.names = mem_new(sizeof *change->names.names);
    change->names.names[0] = (struct order_name){.name = mem_string(name), .len = strlen(name)};
    change->names.count = 1;
    change->channels = mem_new(2 * sizeof *change->channels);
    change->channels[0] =
        (struct hub_channel){.name = change->names.names[0].name, .len = strlen(name)};
    change->count = 1;
}

static void open(const struct speech *speech, struct step *step) {
    const char *name = speech->argument;

    if (!reading_allowed(speech->config, speech->who, name, strlen(name), &step->problem)) {
        close_with(&step->problem, step);
        return;
    }
    step->joins = true;
    join(name, &step->join);
}

static void take(const struct speech *speech, const char *text, size_t len, struct step *step) {
    step->posts = true;
    step->post.channel = mem_string(speech->argument);
    step->post.channel_len = strlen(speech->argument);
    step->post.data = (struct scan_value){text, len};
}

static void tell(const struct speech *speech, const struct outcome *outcome, struct step *step) {
    (void)speech;
    if (outcome->problem != NULL)
        close_with(outcome->problem, step);
}

/* Texts are UTF-8; what is not is said as raw `events` say it. */
static void put_bytes(const struct message *message, struct texts *texts) {
    struct buf text = buf_make(SIZE_MAX / 2);

    buf_text(&text, "data:;base64,");
    crypto_base64(&text, message->payload, message->payload_len);
    texts_add(texts, text.data, text.len);
    buf_free(&text);
}

static void render(const struct speech *speech, struct batch *batch, struct texts *texts) {
    (void)speech;
    for (size_t i = 0; i < batch_size(batch); i++) {
        const struct message *message = batch_entry_at(batch, i)->message;
        if (json_utf8(message->payload, message->payload_len))
            texts_add(texts, message->payload, message->payload_len);
        else
            put_bytes(message, texts);
    }
}

const struct protocol protocol_channel = {.name = "channel",
                                          .argument = true,
                                          .open = open,
                                          .take = take,
                                          .tell = tell,
                                          .render = render};
