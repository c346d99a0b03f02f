/*
 * Publishing for a browser: checked against the channel's policy, then sent to
 * Redis. The POST endpoint and the WebSocket both come here.
 */
#ifndef HALLEY_PUBLISH_H
#define HALLEY_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/redis/history.h"
#include "fcgi-app/endpoints/app.h"

struct publish {
    const char *channel;
    size_t channel_len;
    const char *payload;
    size_t payload_len;
    bool payload_cut;                /* it was longer, and is refused for that */
    const char *idempotency;         /* "" for none */
    const char *who;                 /* the browser's address: whose rate, and whose key */
    const struct identity *identity; /* whose rights; NULL: nobody known */
};

/* The outcome: `problem` is NULL where it was published; all is borrowed. */
typedef void publish_fn(void *ctx, const struct history_posted *posted,
                        const struct problem *problem);

/*
 * Publishes; everything in `publish` is copied. True: `done` is called once, now
 * or later. False: `problem` says why not, and `done` is not called.
 */
bool publish_submit(struct app *app, const struct publish *publish, publish_fn *done, void *ctx,
                    struct problem *problem) MUST_CHECK;

#endif
