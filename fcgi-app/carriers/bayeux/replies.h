/*
 * What a Bayeux client is told: replies, and messages of its channels, as JSON objects with commas
 * between them. Pure functions.
 */
#ifndef HALLEY_BAYEUX_REPLIES_H
#define HALLEY_BAYEUX_REPLIES_H

#include "core/base/buf.h"
#include "core/data/batch.h"
#include "fcgi-app/carriers/bayeux/messages.h"

/* Begins the reply to a message, behind what `out` has; bayeux_reply_end() ends it. */
void bayeux_reply_begin(struct buf *out, const struct bayeux_message *message, bool successful);
void bayeux_reply_end(struct buf *out);

/* The client's id: its own, or the one that it is given. */
void bayeux_reply_client(struct buf *out, const char *client, size_t len);

/* "<code>:<about>:<words>" */
void bayeux_reply_error(struct buf *out, int code, const char *about, size_t about_len,
                        const char *words);

/* What the client is to do next: "retry", "handshake", "none", and in how many milliseconds;
 * `timeout`: for how long a connect is held, in milliseconds; -1: it is not said. */
void bayeux_reply_advice(struct buf *out, const char *reconnect, unsigned interval, long timeout);

/* The whole reply to a message that is not done. */
void bayeux_reply_refuse(struct buf *out, const struct bayeux_message *message, int code,
                         const char *about, size_t about_len, const char *words);

/* The whole reply to a message of a client that has no session. */
void bayeux_reply_unknown(struct buf *out, const struct bayeux_message *message);

/* `ours`: the connection types, a set by bits. */
void bayeux_reply_types(struct buf *out, unsigned ours);

/* The subscription of a message as it came. */
void bayeux_reply_subscription(struct buf *out, const struct bayeux_message *message);

/*
 * Appends the messages of a batch, without those of channels that Bayeux keeps for itself.
 * `until`: those behind it are left out too; NULL: none are.
 */
void bayeux_reply_messages(struct buf *out, const struct batch *batch, const struct cursor *until);

/* Appends the names of the batch's channels that have a gap, as JSON strings with commas between
 * them. */
void bayeux_reply_gaps(struct buf *out, const struct batch *batch);

/* Appends what tells of these gaps where no connect is answered; nothing if there are none. */
void bayeux_reply_gap_notice(struct buf *out, const struct batch *batch);

/* Appends objects as an array, which is also JavaScript (ECMA-262 before 2019). */
void bayeux_reply_script(struct buf *out, const char *callback, const struct buf *objects);

#endif
