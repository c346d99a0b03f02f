/*
 * Reading and writing a connection by hand, beside the loop: what was asked goes out at once,
 * and what has come is taken before something else is believed.
 */
#include "core/redis/_redis.h"

#include <poll.h>
#include <time.h>

enum {
    DRAIN_READS = 256 /* of 16 KB each: a flood must not keep the loop from its other work */
};

void redis_flush(struct redis *redis) {
    if (redis->unwritten && redis_speaks(redis))
        redisAsyncHandleWrite(redis->hiredis);
    if (redis->unwritten && redis->relay != NULL)
        tls_relay_pump(redis->relay);
    redis->unwritten = false;
}

/* Waits until hiredis has something to read (true), or can write where it wants to. */
static bool await(const struct redis *redis, bool write, int milliseconds) {
    struct pollfd ready[] = {{.fd = redis->hiredis->c.fd, .events = POLLIN},
                             {.fd = -1, .events = POLLIN}};

    if (write)
        ready[0].events |= POLLOUT;
    if (redis->relay != NULL) {
        tls_relay_pump(redis->relay);
        ready[1].fd = tls_relay_wire(redis->relay);
    }
    if (poll(ready, 2, milliseconds) > 0 && redis->relay != NULL && ready[1].revents != 0) {
        tls_relay_pump(redis->relay);
        (void)poll(ready, 1, 0);
    }
    return (ready[0].revents & ~POLLOUT) != 0;
}

bool redis_waits(const struct redis *redis) {
    if (redis->hiredis == NULL)
        return false;
    struct pollfd ready = {.fd = redis->hiredis->c.fd, .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

bool redis_owed(const struct redis *redis) {
    return redis->pulses_back != redis->pulses_sent;
}

void redis_drain(struct redis *redis) {
    for (int i = 0; i < DRAIN_READS && redis_speaks(redis); i++) {
        if (!await(redis, false, 0))
            return;
        redisAsyncHandleRead(redis->hiredis);
    }
}

static double monotonic(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void redis_finish(struct redis *redis, double seconds) {
    double end = monotonic() + seconds, left;

    while (redis->unanswered > 0 && redis_speaks(redis) && (left = end - monotonic()) > 0) {
        redisAsyncHandleWrite(redis->hiredis);
        if (redis->hiredis == NULL)
            return;
        bool full = redis->hiredis->c.obuf != NULL && redis->hiredis->c.obuf[0] != '\0';
        if (await(redis, full, (int)(left * 1000) + 1))
            redisAsyncHandleRead(redis->hiredis);
    }
}
