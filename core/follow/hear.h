/*
 * What a feed hears, until a read is needed (mend.h). For the files of this folder. Belongs to
 * the loop's thread.
 */
#ifndef HALLEY_HEAR_H
#define HALLEY_HEAR_H

#include "core/follow/_feed.h"
#include "core/redis/page.h"

/* A live message came, or the number of none; of a feed that is subscribed, or will be. */
void hear_live(struct feed *feed, const struct page_live *live);

/* Appends the message that follows the feed's last, and shows it, now or with others. */
void hear_append(struct feed *feed, struct message *message);

/* Shows those who wait all that the feed has. */
void hear_show(struct feed *feed);

/* The feed is live: what was kept aside is heard now. */
void hear_take_aside(struct feed *feed);

/* A read begins: what was kept aside came before it, and is for the read to explain. */
void hear_doubt_aside(struct feed *feed);

/* Forgets what was kept aside. */
void hear_forget_aside(struct feed *feed);

/* Suspects all that was passed on, as far as memory goes. False: that is nothing. */
bool hear_suspect_tail(struct feed *feed);

#endif
