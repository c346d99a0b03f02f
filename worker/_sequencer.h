/*
 * A sequencer's own state, shared by the files that make it up: listen.c (joining, and what is
 * heard), move.c (the lease, and what follows from whatever happened), sequencer.c (its life).
 */
#ifndef HALLEY_SEQUENCER_PRIVATE_H
#define HALLEY_SEQUENCER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/config/config.h"
#include "core/data/names.h"
#include "worker/hearing.h"
#include "worker/ingest.h"
#include "worker/leader.h"
#include "worker/lease.h"
#include "worker/porter.h"
#include "worker/queue.h"
#include "worker/sequencer.h"

enum verb { NONE, ACQUIRE, REPORT, RELEASE, LEAVE };
enum role { JOINING, STANDBY, LEADING };

struct sequencer {
    const struct config *config;
    struct porter porter;
    char pattern[OWN_NAME_MAX]; /* of all bare publishes */
    const char *patterns[1 + INGEST_MAX];
    struct ingest_table *ingest; /* what the others mean */
    char verb[48];               /* of the last call to join */
    char channel[OWN_NAME_MAX];  /* on which Redis tells all workers of barriers and of what is done
                                  */
    struct hearing hearing;
    struct queue queue;
    struct lease lease;
    struct leader leader;
    enum role role;  /* as it was logged last */
    enum verb asked; /* the verb of the last question */
    bool joining;    /* halley_join is under way */
    bool member;     /* Redis knows of it */
    bool doubting;   /* halley_doubt is under way */
    bool full;       /* it does not listen until there is room */
    bool astray;     /* it may have missed a barrier, and has to listen anew */
    double doubted;  /* when it asked last because of a word that was not signed */
    bool closed;     /* draining */
    uint64_t total;  /* as Redis said last */
    uint64_t untold; /* dropped while it led, which Redis has not been told */
    struct {
        uint64_t heard, ingested, dropped, unjoined, foreign, forged, astray, refused, takeovers,
            cuts, doubts, forgotten, full;
    } counts;
    struct log_limit complaint;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

/* Everything that follows from whatever happened. */
void sequencer_move(struct sequencer *sequencer);

/* What it is now, in a word; and notes in the log that it is something else than before. */
const char *sequencer_role(const struct sequencer *sequencer);
void sequencer_note_role(struct sequencer *sequencer);

static inline double sequencer_now(const struct sequencer *sequencer) {
    return sequencer->porter.now(sequencer->porter.ctx);
}

#endif
