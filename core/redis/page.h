/*
 * What Redis tells of a channel's history: the pages that halley_read answers with, and the
 * live messages that halley_publish announces (core/redis/halley.lua). Pure: bytes and replies in,
 * messages out, whatever somebody else wrote into Redis.
 */
#ifndef HALLEY_PAGE_H
#define HALLEY_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/data/cursor.h"
#include "core/data/message.h"
#include "core/redis/redis.h"

/* What a read found; borrowed for the length of the callback that it is given to. */
struct history_page {
    enum err err;         /* ERR_REDIS: ask again when the history is ready; ERR_REFUSED: `why` */
    const char *why;      /* with ERR_REFUSED: what Redis said (words.h) */
    struct position tail; /* where the reader stands after everything there is */
    bool gap;             /* something that it is owed is lost: */
    size_t hole;          /* behind so many of the messages */
    bool more;            /* there are messages behind the last one here */
    bool unread;          /* the last one is only named: it was too long to be sent along */
    struct message **messages; /* take a reference to keep one */
    size_t count;
};

/*
 * Takes the messages of `channel` out of a reply to halley_read that is no error. What is no
 * page at all is ERR_REFUSED. Free with page_free().
 */
void page_parse(struct history_page *page, const redis_reply *reply, const char *channel,
                size_t channel_len);

/* Gives its messages back. Safe on a zeroed page. */
void page_free(struct history_page *page);

/* One message of a live feed. */
struct page_live {
    struct position id;
    uint64_t at;
    const char *payload; /* points into the text; NULL: this id was given, without a message */
    size_t payload_len;
};

/* Parses "<id> <at> <payload>", or an id alone. ERR_SYNTAX: it is somebody else's text. */
enum err page_parse_live(const char *text, size_t len, struct page_live *live) MUST_CHECK;

#endif
