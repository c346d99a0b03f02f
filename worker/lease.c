/*
 * The lease. Its holder renews it three times in its length; the others ask
 * again when it is about to end. What makes it safe is not this file but the
 * function in Redis that does the work: it checks the lease by Redis's own
 * clock, so a holder that was paused and still believes in its lease is refused.
 */
#include "worker/lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"

enum { OWNER_MAX = 320, KEY_MAX = 64 };

struct lease {
    struct ev_loop *loop;
    struct redis *redis;
    const struct lease_events *events;
    void *ctx;
    char owner[OWNER_MAX];
    char key[KEY_MAX];
    const char *prefix;
    int milliseconds;
    bool wanted;
    bool held;
    bool asking; /* a question is out */
    struct ev_timer timer;
};

static void set_held(struct lease *lease, bool held, uint64_t total) {
    if (held == lease->held)
        return;
    lease->held = held;
    log_info(held            ? "lease.granted"
             : lease->wanted ? "lease.lost"
                             : "lease.released",
             "key=%s owner=%s", lease->key, lease->owner);
    if (held)
        lease->events->granted(lease->ctx, total);
    else
        lease->events->lost(lease->ctx);
}

static void again_in(struct lease *lease, double seconds) {
    ev_timer_stop(lease->loop, &lease->timer);
    ev_timer_set(&lease->timer, seconds, 0);
    ev_timer_start(lease->loop, &lease->timer);
}

static void on_answer(void *ctx, const redis_reply *reply) {
    struct lease *lease = ctx;
    double period = lease->milliseconds / 3000.0;

    lease->asking = false;
    if (redis_count(reply) < 4)
        return; /* lost, or not loaded: the timer asks again */
    bool mine = redis_integer(redis_item(reply, 0), 0) == 1;
    double left = (double)redis_integer(redis_item(reply, 1), 0) / 1000;
    set_held(lease, mine && lease->wanted, (uint64_t)redis_integer(redis_item(reply, 2), 0));
    if (!mine && left + 0.02 < period)
        again_in(lease, left + 0.02);
}

static void send(struct lease *lease, const char *verb, redis_reply_fn *answer) {
    char ttl[16];
    int ttl_len = snprintf(ttl, sizeof ttl, "%d", lease->milliseconds);
    const char *argv[] = {"FCALL", "halley_lease", "1",          lease->key, lease->owner,
                          ttl,     verb,           lease->prefix};
    const size_t lens[] = {5,
                           12,
                           1,
                           strlen(lease->key),
                           strlen(lease->owner),
                           (size_t)ttl_len,
                           strlen(verb),
                           strlen(lease->prefix)};

    bool sent = redis_command(lease->redis, answer, lease, 8, argv, lens) == ERR_OK;
    lease->asking = lease->asking || (sent && answer != NULL);
}

void lease_try(struct lease *lease) {
    again_in(lease, lease->milliseconds / 3000.0);
    if (lease->wanted && !lease->asking)
        send(lease, "acquire", on_answer);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    lease_try(timer->data);
}

void lease_want(struct lease *lease, bool wanted) {
    bool before = lease->wanted;
    lease->wanted = wanted;
    if (wanted && !before)
        lease_try(lease);
}

void lease_release(struct lease *lease) {
    lease->wanted = false;
    if (lease->held)
        send(lease, "release", NULL);
    set_held(lease, false, 0);
}

void lease_doubt(struct lease *lease) {
    lease->asking = false;
    set_held(lease, false, 0);
}

bool lease_held(const struct lease *lease) {
    return lease->held;
}

const char *lease_owner(const struct lease *lease) {
    return lease->owner;
}

const char *lease_key(const struct lease *lease) {
    return lease->key;
}

struct lease *lease_new(struct ev_loop *loop, struct redis *redis, const char *name,
                        const char *prefix, int milliseconds, const struct lease_events *events,
                        void *ctx) {
    struct lease *lease = mem_new(sizeof *lease);
    char host[256] = "localhost";
    unsigned long random = 0;

    (void)gethostname(host, sizeof host - 1);
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        random = (unsigned long)getpid();
    snprintf(lease->owner, sizeof lease->owner, "%s:%d:%lx", host, (int)getpid(), random);
    snprintf(lease->key, sizeof lease->key, "halley.lease:%s", name);
    lease->loop = loop;
    lease->redis = redis;
    lease->prefix = prefix;
    lease->milliseconds = milliseconds;
    lease->events = events;
    lease->ctx = ctx;
    ev_timer_init(&lease->timer, on_timer, 0, 0);
    lease->timer.data = lease;
    return lease;
}

void lease_free(struct lease *lease) {
    if (lease == NULL)
        return;
    ev_timer_stop(lease->loop, &lease->timer);
    free(lease);
}
