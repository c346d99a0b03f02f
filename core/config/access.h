/*
 * Who may do a thing with a channel, as its section says it: alternatives, commas between. Which
 * of them somebody meets is decided where it is known who he is (fcgi-app/rights/).
 */
#ifndef HALLEY_ACCESS_H
#define HALLEY_ACCESS_H

#include <stdbool.h>
#include <stdio.h>

#include "core/base/err.h"

/* A set of alternatives. */
enum {
    ACCESS_NONE = 0,
    ACCESS_ANYONE = 1,
    ACCESS_USER = 2,   /* whoever is known by a name */
    ACCESS_OWNER = 4,  /* whose name stands in the channel's, where the pattern's last * does */
    ACCESS_NAMED = 8,  /* the users and the groups of a list */
    ACCESS_TOKEN = 16, /* who has a token that names the channel */
    ACCESS_ASK = 32    /* whom the site lets in when it is asked (`authorize`) */
};

/* What a section says. The list has an entry for each alternative in the order of the file: a
 * letter, and a name that ends with a NUL; an empty entry ends it. NULL is `none`. */
struct access {
    char *list;
    unsigned kinds;
};

/* The letters of the list. */
enum {
    ACCESS_IS_ANYONE = 'a',
    ACCESS_IS_NONE = 'n',
    ACCESS_IS_ANY_USER = 'U',
    ACCESS_IS_USER = 'u', /* and the name of one */
    ACCESS_IS_GROUP = 'g',
    ACCESS_IS_OWNER = 'o',
    ACCESS_IS_TOKEN = 't',
    ACCESS_IS_ASK = 'q'
};

/*
 * Takes what a section says: anyone, none (alone), user, user NAME, group NAME, owner, token,
 * ask. A name that has a comma is put into double quotes. ERR_SYNTAX, and `access` is as it was,
 * for anything else. The list is the caller's to free().
 */
enum err access_parse(const char *text, struct access *access) MUST_CHECK;

/* Prints it as it may be read again. */
void access_print(const struct access *access, FILE *out);

/* Whether somebody is named there. */
bool access_names_user(const struct access *access, const char *user);
bool access_names_group(const struct access *access, const char *group);

/* Whether a pattern has a `*` that is one: what `owner` needs. */
bool access_has_owner(const char *pattern);

/*
 * Whether a channel that a pattern matches is this user's: the part of its name that the
 * pattern's last `*` matches is his, byte for byte. That part is not empty and has no slash; where
 * other stars leave it open which part that is, the channel is nobody's.
 */
bool access_owns(const char *pattern, const char *channel, const char *user);

#endif
