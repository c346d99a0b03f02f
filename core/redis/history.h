/*
 * The history of channels, as it stands in Redis: publish into it, read from it,
 * by the function library that is embedded in the program (core/redis/halley.lua).
 * Belongs to the loop's thread.
 */
#ifndef HALLEY_HISTORY_H
#define HALLEY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/config/config.h"
#include "core/data/cursor.h"
#include "core/redis/library.h"
#include "core/redis/page.h"
#include "core/redis/redis.h"

struct history;

typedef void history_page_fn(void *ctx, const struct history_page *page);

/* One message to publish; everything is borrowed until it is known what became of it. */
struct history_post {
    const char *channel;
    size_t channel_len;
    const char *payload;
    size_t payload_len;
    const char *idempotency; /* "" for none */
    const char *who;         /* whose it is: a key repeats only what he said himself */
    unsigned over; /* milliseconds that his rate is used up: only a repetition is answered */
    const struct channel_policy *policy;
    int meta_ttl;        /* seconds */
    int idempotency_ttl; /* seconds */
};

/* What became of it. */
struct history_posted {
    enum err err;   /* ERR_OK, ERR_RATE, ERR_REFUSED (`detail` says why) or ERR_REDIS */
    const char *id; /* of the message; valid during the callback */
    size_t id_len;
    uint64_t at;        /* Unix milliseconds */
    unsigned wait;      /* milliseconds, with ERR_RATE */
    const char *detail; /* NUL-terminated, or NULL */
    bool sent;          /* with ERR_REDIS: it may have been published all the same */
    bool repeated;      /* with ERR_OK: it was published before, under the same key */
};
typedef void history_posted_fn(void *ctx, const struct history_posted *posted);

/* Calls the functions of `library`, which is on `redis`. All are borrowed and outlive it. */
struct history *history_new(struct ev_loop *loop, struct redis *redis, struct library *library,
                            const char *prefix);
void history_free(struct history *history);

/* The library is there (again): what was not done for want of it is asked once more. */
void history_resume(struct history *history);

/* The library is not to be had for now, or the connection is lost: that is told to whoever
 * waits for the library. `why`: what Redis said, or NULL. */
void history_give_up(struct history *history, const char *why);

/* Whether reads and posts can be sent now. */
bool history_ready(const struct history *history);

/*
 * Reads up to `limit` messages and about `bytes` of payload (HISTORY_PAGE at most), but
 * one whole message always, after `since`: "now", "start", "-K", or a position as text; or the
 * last ones in front of an id, "<ID", or of the end, "<+": `more` then means older ones.
 * Of a message above `longest` bytes (0: there is no such limit) only id and time are read.
 * ERR_REDIS if not ready; else `done` is called once, later.
 */
enum { HISTORY_PAGE = 1024 * 1024 };
enum err history_read(struct history *history, const char *channel, size_t channel_len,
                      const char *since, unsigned limit, size_t bytes, size_t longest,
                      history_page_fn *done, void *ctx) MUST_CHECK;

/* Publishes. ERR_REDIS if not ready; else `done` is called once, later. */
enum err history_publish(struct history *history, const struct history_post *post,
                         history_posted_fn *done, void *ctx) MUST_CHECK;

/*
 * Asks whether one more may be published under a rate of `count` in `seconds`, and counts
 * it if so: `done` is told by `err` and `wait` (0: it may). ERR_REDIS if not ready.
 */
enum err history_take_rate(struct history *history, const char *key, int count, int seconds,
                           history_posted_fn *done, void *ctx) MUST_CHECK;

/* Takes back what was counted: nothing was published for it. */
void history_give_back_rate(struct history *history, const char *key, int count, int seconds);

#endif
