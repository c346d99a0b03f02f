/*
 * A message as a process holds it: counted, shared by everybody who is sent it. It does not
 * change, but that its JSON is made when it is asked for first. One thread.
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
    char *json; /* message_json() only */
    size_t json_len;
    unsigned channel_len; /* of its channel's name, which stands behind the struct */
    unsigned refs;        /* message_ref() and message_unref() only */
};

/*
 * A message of `channel` with one reference. Everything is copied, and not looked at: much
 * that is read of a history is left over for the next time.
 */
struct message *message_new(const char *channel, size_t channel_len, struct position id,
                            uint64_t at, const char *payload, size_t payload_len);

/*
 * Appends the payload as one JSON value on one line that says all by itself: as
 * message_json() has it, but other bytes than UTF-8 as a data URL, "data:;base64,...".
 */
void message_put_value(const struct message *message, struct buf *out);

/*
 * The message object of a batch, ready to be spliced; made once. A payload of one valid JSON
 * text is delivered as that value, other UTF-8 as a JSON string, other bytes as a base64
 * string beside "encoding":"base64". Owned by the message.
 */
const char *message_json(struct message *message, size_t *len);

struct message *message_ref(struct message *message);

/* Gives one reference back; the last one frees. Safe on NULL. */
void message_unref(struct message *message);

#endif
