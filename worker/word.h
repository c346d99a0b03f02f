/*
 * What Redis tells all workers on their channel, see core/redis/halley.lua. Values only.
 */
#ifndef HALLEY_WORD_H
#define HALLEY_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/queue.h"

enum word_kind {
    WORD_NONE,   /* not ours */
    WORD_FORGED, /* what has to be believed, and is not signed with our secret */
    WORD_BEGIN,  /* somebody begins to listen: a barrier */
    WORD_DONE,   /* behind a barrier all is done up to that name */
    WORD_FREE    /* the lease is free: somebody's turn, or anybody's */
};

struct word {
    enum word_kind kind;
    struct name name;     /* of BEGIN and DONE */
    uint64_t generation;  /* of DONE: in which it was said */
    const char *patterns; /* of BEGIN, in the text: a digest of what is counted (worker/ingest.h) */
    size_t patterns_len;
    const char *turn; /* of FREE, in the text: whose turn it is; "*": anybody's */
    size_t turn_len;
};

/*
 * Reads "begin BARRIER NUMBER [PATTERNS] SIGN", "done GENERATION BARRIER NUMBER SIGN" or "free
 * TURN". SIGN is the beginning of the SHA-1, in hexadecimal, of the secret, a blank and what is in
 * front.
 */
struct word word_read(const char *text, size_t len, const char *secret);

#endif
