/*
 * What is said over a connection, whatever carries it: a WebSocket, a SockJS session, lines.
 *
 * A protocol is a pure step. It is given a text that a client has said, and fills a step: the
 * texts that are the answer, the channels to be joined and left, what is to be published, and
 * whether the connection is to be closed. It knows no socket, no Redis and no clock. A carrier
 * has the connection, carries the step out (carriers/talk.h where the session is in memory), and
 * tells the protocol how a publish ended. What a session keeps between two steps is where it
 * stands in its channels; that belongs to the carrier, because the hub moves it.
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
    const struct problem *problem; /* NULL: it was published */
    struct scan_value ref;         /* of the step that published */
};

/*
 * What one text makes a carrier do, in the order of the members. What the carrier could not do
 * (the channels were too many) ends the step: it says `problem` in place of the rest.
 */
struct step {
    bool joins, leaves; /* channels; both are answered by where the session stands then */
    struct change join, leave;
    bool posts; /* `post` is to be published, unless there is a problem with it */
    struct order_post post;
    struct scan_value ref;  /* what every answer to this text repeats; borrowed from the text */
    struct problem problem; /* what was wrong with what is not to be done; status 0: nothing */
    struct texts said;
    unsigned closes; /* with this code; 0: it goes on */
    const char *reason;
    char *kept; /* what the step points into, once step_keep() was called */
};

/* What is spoken on a connection, and what holds for it. All borrowed, read only. */
struct speech {
    const struct protocol *protocol;
    const char *argument; /* that stands behind its name, or "" */
    const struct config *config;
};

struct protocol {
    const char *name;
    bool argument; /* wants a word behind its name: a channel */
    bool confirms; /* a batch without messages opens it, and answers a change of channels */

    /* What is done when a connection is open. NULL: nothing. */
    void (*open)(const struct speech *speech, struct step *step);

    /* A text came. The step points into it. */
    void (*take)(const struct speech *speech, const char *text, size_t len, struct step *step);

    /* Fills a new step with what is said of how a publish ended, or of a problem that the
     * carrier met. */
    void (*tell)(const struct speech *speech, const struct outcome *outcome, struct step *step);

    /* Appends the texts that a batch is. */
    void (*render)(struct batch *batch, struct texts *texts);
};

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
