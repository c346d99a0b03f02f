/*
 * What a feed hears, checked against what history holds, and the reads that mend it. For
 * feed.c alone. Belongs to the loop's thread.
 */
#ifndef HALLEY_MEND_H
#define HALLEY_MEND_H

#include "core/follow/_feed.h"
#include "core/redis/page.h"

/* The one place where a feed's state changes. */
void mend_set_state(struct feed *feed, enum feed_state state);

/*
 * Reads what the feed misses: its state is SYNCING afterwards, or SUBSCRIBED if history
 * cannot be read now. The feed is subscribed; nothing is being read.
 */
void mend_read(struct feed *feed);

/* A live message was heard, of a feed that is subscribed, or will be. */
void mend_hear(struct feed *feed, const struct page_live *live);

/* Somebody has found a feed that is live standing behind what history holds. */
void mend_doubt(struct feed *feed);

/* A feed that is live settles its doubts, if it has any: now, or when its pause is over. */
void mend_settle(struct feed *feed);

/* Settles those whose pause is over. Called by the feeds' timer. */
void mend_look(struct feeds *feeds);

/* Redis refuses the channel. */
void mend_refuse(struct feed *feed, const char *words);

/* Forgets what it has in memory, before it is freed. */
void mend_forget(struct feed *feed);

#endif
