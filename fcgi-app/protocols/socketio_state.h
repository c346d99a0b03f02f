/*
 * What a session of Socket.IO keeps between two messages: the namespaces that it is in, the
 * channels that it has joined in each, and a binary event that is not whole yet.
 */
#ifndef HALLEY_SOCKETIO_STATE_H
#define HALLEY_SOCKETIO_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config/config.h"
#include "fcgi-app/protocols/protocol.h"
#include "fcgi-app/protocols/texts.h"

enum {
    SOCKETIO_SPACES = 32, /* that a session may be in */
    SOCKETIO_ID = 20      /* characters of a sid, and of what is a session's own of a pid */
};

struct socketio_space {
    char *name;
    size_t len;
    const struct name_space *section; /* NULL: none, which only / can have */
    char token[SOCKETIO_ID + 1];      /* its secret, with which a pid begins */
    char **joined;                    /* channels that were joined by event */
    size_t joined_count;
};

struct socketio_state {
    uint64_t deadline; /* Unix milliseconds; 0: it has joined a namespace */
    struct socketio_space *spaces[SOCKETIO_SPACES];
    size_t count;
    char *text; /* of an event whose attachments are awaited; NULL: none */
    size_t text_len;
    unsigned awaited;
    struct texts attachments;

    /* of the last step alone, not saved */
    struct socketio_space *changing; /* in which channels are being joined; NULL: in none */
    bool connecting;                 /* and that is being connected */
    size_t before;                   /* how many it had joined before */
    char *pid;                       /* with which it wants to go on; NULL: it begins anew */
    struct scan_value auth;          /* what it was connected with; borrowed for the step */
    char *auth_text;
};

void *socketio_state_new(const struct speech *speech);
void socketio_state_free(void *state);
void socketio_state_save(const struct speech *speech, struct buf *out);
bool socketio_state_load(const struct speech *speech, const char *bytes, size_t len);

/* Nothing is left of the step before. */
void socketio_state_settle(struct socketio_state *state);

struct socketio_space *socketio_space_find(struct socketio_state *state, const char *name,
                                           size_t len);

/* One more, with a secret of its own or with this one. There must be room. */
struct socketio_space *socketio_space_add(const struct speech *speech, const char *name, size_t len,
                                          const char *token);
void socketio_space_drop(struct socketio_state *state, struct socketio_space *space);

/* Its id, as clients know it: made of its secret whenever it is asked for. */
void socketio_space_sid(const struct speech *speech, const struct socketio_space *space,
                        char out[SOCKETIO_ID + 1]);

/* A new secret. */
void socketio_space_renew(const struct speech *speech, struct socketio_space *space);

/* Whether a pid's beginning is a secret that was given in this namespace. */
bool socketio_token_valid(const struct speech *speech, const char *name, size_t len,
                          const char *token, size_t token_len);

/* Whether the namespace is about that channel; and whether somebody has joined it by event. */
bool socketio_space_has(const struct socketio_space *space, const char *channel, size_t len);
bool socketio_space_joined(const struct socketio_space *space, const char *channel, size_t len);

void socketio_space_join(struct socketio_space *space, const char *channel, size_t len);
void socketio_space_leave(struct socketio_space *space, const char *channel, size_t len);

#endif
