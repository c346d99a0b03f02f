/*
 * What a Bayeux client says (Bayeux 1.0 §2, §4, §5): one request is a JSON array of messages, or
 * one of them alone. Taken apart and checked as far as that needs no session. Pure functions.
 */
#ifndef HALLEY_BAYEUX_MESSAGES_H
#define HALLEY_BAYEUX_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/scan.h"

enum { BAYEUX_MESSAGES = 64 /* in one request */, BAYEUX_NAMES = 1024 /* in one message */ };

enum bayeux_kind {
    BAYEUX_HANDSHAKE,
    BAYEUX_CONNECT,
    BAYEUX_SUBSCRIBE,
    BAYEUX_UNSUBSCRIBE,
    BAYEUX_DISCONNECT,
    BAYEUX_META,    /* something else below /meta/ */
    BAYEUX_SERVICE, /* a publish below /service/, which nobody is told of */
    BAYEUX_PUBLISH,
    BAYEUX_MISNAMED, /* its channel is none */
    BAYEUX_NAMELESS  /* it has no channel */
};

/* Each value is none where the message has none, and else borrowed from the text. */
struct bayeux_message {
    enum bayeux_kind kind;
    char *channel; /* decoded, with a NUL behind it; NULL: none */
    size_t channel_len;
    struct scan_value name; /* the channel as it came */
    struct scan_value id;   /* a string or a number */
    char *client;           /* the clientId, decoded; NULL: it says none */
    size_t client_len;
    struct scan_value subscription, data, version;
    struct scan_value types; /* supportedConnectionTypes */
    struct scan_value type;  /* connectionType */
    long timeout;            /* advice.timeout, milliseconds; -1: none */
    bool acks;               /* ext.ack: the client wants to acknowledge (in a handshake) */
    long ack;                /* ext.ack: the last batch that it got; -1: it does not say */
    struct scan_value since; /* ext.halley.since */
    struct scan_value token; /* ext.halley.token */
};

enum bayeux_input { BAYEUX_GOOD, BAYEUX_BROKEN /* no JSON, or no messages */, BAYEUX_MANY };

/*
 * Takes a text apart into at most BAYEUX_MESSAGES messages, which point into it. Free them with
 * bayeux_free(), if it was good.
 */
enum bayeux_input bayeux_take(const char *text, size_t len, struct bayeux_message *messages,
                              size_t *count);
void bayeux_free(struct bayeux_message *messages, size_t count);

/* What a name is that somebody subscribes to, or publishes to. */
enum bayeux_name {
    BAYEUX_NAME_WRONG,
    BAYEUX_NAME_FORBIDDEN, /* below /meta/ or /service/ */
    BAYEUX_NAME_CHANNEL,
    BAYEUX_NAME_PATTERN /* the last segment is one star or two */
};
enum bayeux_name bayeux_name(const char *name, size_t len);

/* Whether nobody is told what comes in Halley's channel of that name, which has no slash in front:
 * Bayeux keeps it for other things. */
bool bayeux_silent(const char *channel, size_t len);

/* The names of a message's `subscription`, decoded: a string, or an array of such. */
struct bayeux_names {
    size_t count;
    struct bayeux_text {
        char *at; /* with the slash in front */
        size_t len;
    } * names;
};

/* False: it is something else, or more than BAYEUX_NAMES; free it with bayeux_names_free() also
 * then. */
bool bayeux_names(struct scan_value subscription, struct bayeux_names *names);
void bayeux_names_free(struct bayeux_names *names);

/* The connection types, in the order in which a client would prefer them. */
enum bayeux_type {
    BAYEUX_WEBSOCKET,
    BAYEUX_EVENTSOURCE,
    BAYEUX_LONG_POLLING,
    BAYEUX_CROSS_ORIGIN,
    BAYEUX_CALLBACK,
    BAYEUX_TYPES
};
extern const char *const bayeux_types[BAYEUX_TYPES];

/* Which one that is; BAYEUX_TYPES: none. */
enum bayeux_type bayeux_type(struct scan_value type);

/* Whether any of the client's types is one of `ours`, a set by bits. */
bool bayeux_types_common(struct scan_value types, unsigned ours);

#endif
