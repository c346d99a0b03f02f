/*
 * What is said over a connection, whatever carries it: a WebSocket, a SockJS session, lines.
 *
 * A protocol is a pure step. It is given a text that a client has said, and fills a step: the
 * texts that are the answer, the channels to be joined and left, what is to be published, and
 * whether the connection is to be closed. It knows no socket, no Redis and no clock. A carrier
 * has the connection, carries the step out (carriers/talk.h where the session is in memory), and
 * tells the protocol how a publish ended. Where a session stands in its channels belongs to the
 * carrier, because the hub moves it. What else a protocol keeps between two steps is its state:
 * a connection's carrier has it in memory, another saves it with the session and loads it again;
 * and where two requests of a session met, the one that was slower loads the state anew and takes
 * its texts once more. So a step must depend on nothing but its state and its arguments.
 *
 * To add a protocol, write one file in protocols/ that fills this struct, and give it a row in
 * protocols/registry.c.
 */
#ifndef HALLEY_PROTOCOL_H
#define HALLEY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/scan.h"
#include "core/config/config.h"
#include "core/data/batch.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/protocols/change.h"
#include "fcgi-app/protocols/order.h"
#include "fcgi-app/protocols/texts.h"

/* How a publish ended. */
struct outcome {
    const char *id; /* of the message; with `at`, where there is no problem */
    size_t id_len;
    uint64_t at;
    const struct problem *problem; /* NULL: it was published, or the token is good */
    double expires; /* Unix seconds: how long a token is, that was good; 0: it was a publish */
    struct scan_value ref; /* of the step that published */
    bool joining;  /* with `problem`: a step's channels could not be joined, the last one's taken */
    bool renewing; /* with `problem`: a step's token was not good */
};

/*
 * What one text makes a carrier do, in the order of the members. What the carrier could not do
 * (the channels were too many) ends the step: it says `problem` in place of the rest.
 */
struct step {
    bool renews;             /* `token` says anew who speaks; nothing else is done then, ... */
    bool again;              /* ... but the same text is taken once more, `proved` */
    struct scan_value token; /* a JSON value; borrowed from the text, or `kept` */
    bool joins, leaves;      /* channels; both are answered by where the session stands then */
    struct change join, leave;
    bool posts; /* `post` is to be published, unless there is a problem with it */
    struct order_post post;
    struct scan_value ref;  /* what every answer to this text repeats; borrowed from the text */
    struct problem problem; /* what was wrong with what is not to be done; status 0: nothing */
    struct texts said;
    unsigned closes; /* with this code; 0: it goes on */
    const char *reason;
    char *kept; /* what the step points into: a token, or all, once step_keep() was called */
};

/* What is spoken on a connection, and what holds for it. All borrowed, and but for the state read
 * only. */
struct speech {
    const struct protocol *protocol;
    const char *argument; /* that stands behind its name, or "" */
    const struct config *config;
    const struct service *service; /* where it is said; NULL: on none */
    void *state;                   /* the protocol's, of this connection; NULL: it has none */
    uint64_t now; /* Unix milliseconds; the carrier sets it before open, take and take_bytes */
    const struct identity *who; /* speaks; NULL: nobody known */
    bool proved; /* for one take: the token of this text was good, and `who` is its user */
};

enum { SHAPE_OWN = 0, SHAPE_ALL = 1, SHAPE_MAX = 1 << 16 };

struct protocol {
    const char *name;
    bool argument; /* wants a word behind its name: a channel */
    bool dialect;  /* spoken on services whose dialect has its name, which name no protocol */
    bool confirms; /* a batch without messages opens it, and answers a change of channels */

    /* What is done when a connection is open. NULL: nothing. */
    void (*open)(const struct speech *speech, struct step *step);

    /* A text came. The step points into it. */
    void (*take)(const struct speech *speech, const char *text, size_t len, struct step *step);

    /* Bytes came, on a carrier that has them. NULL: there are none; the carrier ends the
     * connection. */
    void (*take_bytes)(const struct speech *speech, const char *bytes, size_t len,
                       struct step *step);

    /* Fills a new step with what is said of how a publish ended, or of a problem that the
     * carrier met. */
    void (*tell)(const struct speech *speech, const struct outcome *outcome, struct step *step);

    /*
     * The channels of a step that joins begin at these places; `gap` of one says that its history
     * does not reach back to where it was to begin. May change what the step says, and the state.
     * What the step says then goes in front of everything of these channels, and nothing else
     * confirms them. NULL: nobody wants to know, and what a step says goes behind its change.
     */
    void (*joined)(const struct speech *speech, const struct hub_places *begin, struct step *step);

    /* Appends the texts that a batch is to this connection. */
    void (*render)(const struct speech *speech, struct batch *batch, struct texts *texts);

    /*
     * A number below SHAPE_MAX under which connections of the protocol are the same texts of this
     * batch, or SHAPE_OWN: this connection's are its own. NULL: SHAPE_ALL.
     */
    unsigned (*shape)(const struct speech *speech, struct batch *batch);

    /* Unix milliseconds at which the connection is to be closed, as the state is now; 0: never. */
    uint64_t (*deadline)(const struct speech *speech);

    /* A state: how it begins, and its end. NULL, all four: the protocol has none. */
    void *(*state_new)(const struct speech *speech);
    void (*state_free)(void *state);

    /* Appends the state as bytes, but for what the next step does not need; and sets it from
     * them. False: they are no state. */
    void (*save)(const struct speech *speech, struct buf *out);
    bool (*load)(const struct speech *speech, const char *bytes, size_t len);
};

/* Gives the speech a state of its own, as a connection begins with, where its protocol has one;
 * and takes it away. */
void speech_begin(struct speech *speech);
void speech_end(struct speech *speech);

/* The state, from what was saved; no bytes are one that begins. False: they are no state. */
bool speech_load(struct speech *speech, const char *bytes, size_t len);

/* Appends what is to be saved, which is nothing where the protocol has no state. */
void speech_save(const struct speech *speech, struct buf *out);

/* When the connection is to be closed, Unix milliseconds; 0: never. */
uint64_t speech_deadline(const struct speech *speech);

/* The number under which others are the same texts of this batch, or SHAPE_OWN. */
unsigned speech_shape(const struct speech *speech, struct batch *batch);

/* Whether places that its channels begin at are told to the protocol. */
bool speech_asks(const struct speech *speech, const struct step *step);

/* The protocol of that name, `len` bytes, or NULL. */
const struct protocol *protocol_find(const char *name, size_t len);

/* Its place among all of them, and the other way round; NULL past the end. */
unsigned protocol_index(const struct protocol *protocol);
const struct protocol *protocol_at(unsigned index);

/* Makes the step independent of the text that it was made of. */
void step_keep(struct step *step);

/* Gives back what a step has. It is empty afterwards. */
void step_free(struct step *step);

#endif
