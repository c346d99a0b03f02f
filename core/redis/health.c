/*
 * Two questions go out together: FCALL halley_health, which meets whatever a publish would
 * (a replica, no memory, a full disk, a missing right, a library that is gone), and
 * SUBSCRIBE to the live feed of no channel, which meets whatever a wait would. The verdict
 * is the first trouble of the two, or that an answer did not come within redis_timeout.
 */
#include "core/redis/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "core/data/names.h"
#include "core/redis/words.h"

#define HOLDS 1.0 /* seconds */
#define KEY   "halley.health"

enum { TROUBLE_MAX = 256 };

/* Somebody who waits for the verdict. */
struct asking {
    void (*told)(void *ctx, const char *trouble);
    void *ctx;
    struct asking *next;
};

struct health {
    struct ev_loop *loop;
    const struct config *config;
    struct library *library;
    struct redis *commands;
    struct redis *subscriber;
    char probe[LIVE_NAME_MAX]; /* the live feed of no channel */
    struct asking *asking;
    bool publish_open, wait_open; /* questions that are not answered */
    ev_tstamp since;              /* when `trouble` was found; 0: not yet */
    char trouble[TROUBLE_MAX];    /* "": none */
    struct ev_timer late;
    unsigned round; /* answers to a question of an earlier one do not count */
};

struct question {
    struct health *health;
    unsigned round;
};

static void tell(struct health *health) {
    struct asking *all = health->asking, *one, *next;

    health->asking = NULL;
    LL_FOREACH_SAFE (all, one, next) {
        one->told(one->ctx, health->trouble[0] != '\0' ? health->trouble : NULL);
        free(one);
    }
}

static void judge(struct health *health) {
    health->publish_open = health->wait_open = false;
    health->since = ev_now(health->loop);
    health->round++;
    ev_timer_stop(health->loop, &health->late);
    tell(health);
}

/* The first trouble is the one that is told. */
static void note(struct health *health, const char *what, const char *why, size_t len) {
    char words[WORDS_MAX];

    if (health->trouble[0] != '\0')
        return;
    words_take(words, why, len);
    snprintf(health->trouble, sizeof health->trouble, "%s%s", what, words);
}

static void judge_if_whole(struct health *health) {
    if (!health->publish_open && !health->wait_open)
        judge(health);
}

/* ------------------------------------------------------------------- the questions */

static void on_published(void *ctx, const redis_reply *reply) {
    struct question *question = ctx;
    struct health *health = question->health;
    bool counts = question->round == health->round && health->publish_open;
    size_t len = 0;

    free(question);
    if (!counts)
        return;
    health->publish_open = false;
    if (reply == NULL)
        note(health, "Redis is away", "", 0);
    else if (redis_is_error(reply)) {
        const char *text = redis_text(reply, &len);
        if (!library_missing(health->library, reply)) /* else a publish would be said again */
            note(health, "Redis does not take what is published: ", text, len);
    }
    judge_if_whole(health);
}

static void ask_publish(struct health *health) {
    const char *argv[] = {"FCALL", "halley_health", "1", KEY, health->config->prefix};
    const size_t lens[] = {5, 13, 1, strlen(KEY), strlen(argv[4])};
    struct question *question = mem_new(sizeof *question);

    *question = (struct question){health, health->round};
    health->publish_open = true;
    if (redis_command(health->commands, on_published, question, 5, argv, lens) == ERR_OK)
        return;
    free(question);
    health->publish_open = false;
    note(health, "Redis is away", "", 0);
}

static void ask_wait(struct health *health) {
    health->wait_open =
        redis_subscribe(health->subscriber, health->probe, strlen(health->probe), false) == ERR_OK;
    if (!health->wait_open)
        note(health, "Redis is away", "", 0);
}

bool health_subscribed(struct health *health, const char *channel, size_t len, const char *why,
                       size_t why_len) {
    if (len != strlen(health->probe) || memcmp(channel, health->probe, len) != 0)
        return false;
    if (!health->wait_open)
        return true;
    health->wait_open = false;
    if (why != NULL)
        note(health, "Redis refuses to be listened to: ", why, why_len);
    judge_if_whole(health);
    return true;
}

static void on_late(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct health *health = timer->data;
    (void)loop, (void)events;
    note(health, "Redis does not answer", "", 0);
    judge(health);
}

/* ------------------------------------------------------------------------ the verdict */

static void examine(struct health *health) {
    health->trouble[0] = '\0';
    health->since = 0;
    ev_timer_set(&health->late, health->config->redis_timeout, 0);
    ev_timer_start(health->loop, &health->late);
    ask_publish(health);
    ask_wait(health);
    judge_if_whole(health);
}

void health_ask(struct health *health, void (*told)(void *ctx, const char *trouble), void *ctx) {
    struct asking *one = mem_new(sizeof *one);
    bool holds = ev_now(health->loop) - health->since < HOLDS;

    *one = (struct asking){.told = told, .ctx = ctx};
    LL_PREPEND(health->asking, one);
    if (holds)
        tell(health);
    else if (!ev_is_active(&health->late))
        examine(health);
}

struct health *health_new(struct ev_loop *loop, const struct config *config,
                          struct library *library, struct redis *commands,
                          struct redis *subscriber) {
    struct health *health = mem_new(sizeof *health);
    struct buf name = buf_make(sizeof health->probe);

    health->loop = loop;
    health->config = config;
    health->library = library;
    health->commands = commands;
    health->subscriber = subscriber;
    names_live(&name, config->prefix, "", 0);
    snprintf(health->probe, sizeof health->probe, "%s", name.data);
    buf_free(&name);
    ev_timer_init(&health->late, on_late, 0, 0);
    health->late.data = health;
    return health;
}

void health_free(struct health *health) {
    if (health == NULL)
        return;
    note(health, "this process is shutting down", "", 0);
    tell(health);
    ev_timer_stop(health->loop, &health->late);
    free(health);
}
