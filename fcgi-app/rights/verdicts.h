/*
 * What the site has said, by question, each for as long as it holds. A list is NULL to begin with,
 * and is in the order in which its verdicts came: of too many the oldest goes. Belongs to the
 * loop's thread.
 */
#ifndef HALLEY_VERDICTS_H
#define HALLEY_VERDICTS_H

#include "core/base/collections.h"
#include "core/base/crypto.h"

enum { VERDICTS_MAX = 16384 }; /* in a list */

/* What is known of a question. */
enum verdict {
    VERDICT_UNKNOWN,
    VERDICT_YES,
    VERDICT_STRANGER, /* 401: not without a login */
    VERDICT_NO,       /* 403 */
    VERDICT_MISSING   /* the site did not say */
};

/* By which a question is known: who, where, what. */
struct question_key {
    unsigned char digest[CRYPTO_SHA256];
};

/* Something that the site has said, or is being asked. */
struct said_verdict {
    UT_hash_handle hh; /* in the order in which they came */
    struct question_key key;
    enum verdict verdict;
    double since, until; /* Unix seconds */
};

/* NULL: nothing, or it holds no longer. Borrowed until the next call. `now`: Unix seconds. */
struct said_verdict *verdicts_find(struct said_verdict **list, const struct question_key *key,
                                   double now);

/* In place of what was said of it before. */
void verdicts_keep(struct said_verdict **list, const struct question_key *key, enum verdict verdict,
                   double now, double seconds);

/* Forgets what holds no longer, and has nothing hold for longer than so many seconds from now. */
void verdicts_shorten(struct said_verdict **list, double now, double seconds);

/* Has everything that holds now hold for so many seconds from when it was said. */
void verdicts_lengthen(struct said_verdict *list, double now, double seconds);

/* Forgets all. */
void verdicts_free(struct said_verdict **list);

#endif
