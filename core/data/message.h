/*
 * A message as a process holds it: immutable, counted, shared by everybody who
 * is sent it. One thread.
 */
#ifndef HALLEY_MESSAGE_H
#define HALLEY_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/data/cursor.h"

struct message {
    struct position id;
    uint64_t at; /* Unix milliseconds, by Redis's clock */
    const char *payload;
    size_t payload_len;
    const char *json; /* the message object of a batch, ready to be spliced */
    size_t json_len;
    unsigned refs; /* message_ref() and message_unref() only */
};

/*
 * A message of `channel` with one reference. `payload` is copied, and looked at
 * once: one valid JSON text is delivered as that value, other UTF-8 as a JSON
 * string, other bytes as a base64 string beside "encoding":"base64".
 */
struct message *message_new(const char *channel, size_t channel_len, struct position id,
                            uint64_t at, const char *payload, size_t payload_len);

struct message *message_ref(struct message *message);

/* Gives one reference back; the last one frees. Safe on NULL. */
void message_unref(struct message *message);

#endif
