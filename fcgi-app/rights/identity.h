/*
 * Who somebody is: what a login or a token has said of a request, and of what goes on after it: a
 * wait, a stream, a socket. Counted, because all these may outlive the request. NULL stands for
 * whom nobody knows. Belongs to the loop's thread.
 */
#ifndef HALLEY_IDENTITY_H
#define HALLEY_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/ring.h"

enum { IDENTITY_USER_MAX = 255, IDENTITY_GROUPS_MAX = 4096 /* bytes */ };

struct asked;
struct revoked;

/* Somebody for whom something goes on in an identity's name. */
struct identity_watch {
    struct ring ring;
    /* the identity may be over, or a channel taken away from it; only note it */
    void (*news)(struct identity_watch *watch);
};

/* Read only, for everybody but identity_new()'s caller and rights/revoked.h, which ends those whose
 * token is revoked: they have expired then. Lists are texts that end with a NUL, one
 * behind the other, and end with an empty one. */
struct identity {
    unsigned holders;
    const char *user; /* "": a token that names nobody, or whom the site alone may know */
    const char *groups;
    const char *subscribe; /* lists of patterns, fnmatch(3): the channels that a token names */
    const char *publish;
    char *claims;   /* where what a token says stands, or NULL */
    char *jti;      /* the token's own name, or NULL */
    double issued;  /* Unix seconds, as the token says; 0: it does not */
    double expires; /* Unix seconds from which on it says nothing; 0: never */
    bool revoked;
    const struct revoked *heeded; /* what it is held against; NULL: nothing, it is no token's */
    struct ring heeds;            /* of those that are */
    struct ring watches;
    struct asked *asked; /* rights/asked.h: by which the site is asked after him, or NULL */
    char text[];
};

/* Whether a name can be a user's: 1 to IDENTITY_USER_MAX bytes, no control characters. */
bool identity_names(const char *user, size_t len);

/*
 * A user by a valid name, or "", held once. `groups`: commas or semicolons between them, or blanks
 * where there are neither. Nothing expires, and no token is known.
 */
struct identity *identity_new(const char *user, const char *groups);

/*
 * Appends what a token has said, but for when it ends: the user's name with its NUL first; and
 * makes an identity of that again, held once. NULL: it is none.
 */
void identity_put(const struct identity *identity, struct buf *out);
struct identity *identity_take(const char *bytes, size_t len, double expires);

/* Whether somebody is known, if not by name then by what his token says. */
bool identity_known(const struct identity *identity);

/* Whether a token's identity has expired, or was revoked. Safe on NULL. `now`: Unix seconds. */
bool identity_over(const struct identity *identity, double now);

/*
 * Has the site asked after somebody: `who`, which is let go, as an identity of its own, held once;
 * of NULL one that says nothing else. `asked` is held by it. What a token says is not held against
 * anything yet (credentials_know()).
 */
struct identity *identity_asking(struct identity *who, struct asked *asked);

/* By which the site is asked after him; NULL: it is not. Safe on NULL. */
static inline struct asked *identity_asked(const struct identity *identity) {
    return identity != NULL ? identity->asked : NULL;
}

/* Holds it once more, and returns it; and lets it go. Safe on NULL. */
struct identity *identity_hold(const struct identity *identity);
void identity_free(const struct identity *identity);

/* From now on the watch is told of this identity, which may be NULL, and of no other one. */
void identity_look(const struct identity *identity, struct identity_watch *watch);

/* The earlier one of two times, where 0 is never. */
double identity_sooner(double one, double other);

#endif
