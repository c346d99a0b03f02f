/*
 * The trial. Each round, a client (`writer`) changes a key; when its answer is here, what
 * tells of the change must be in our other socket already. So that a Redis which writes in
 * another order is caught, a third connection (`ballast`) asks for much at the same time: it
 * keeps Redis busy until the change has come too, and what Redis has to write for it then
 * stands between an answer that goes out too early and the news of the change.
 */
#include "core/follow/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"

#define BALLAST "131071" /* the last byte of it */
#define KEEP    "60000"  /* milliseconds after which the keys are gone, whatever becomes of us */

enum { KEY_MAX = 128, AHEAD = 1, BEHIND = 2 /* times that the ballast is asked for in a round */ };

struct order {
    struct ev_loop *loop;
    const struct redis *told;
    struct redis *writer, *ballast;
    char key[KEY_MAX], ballast_key[KEY_MAX];
    void (*done)(void *ctx, int rounds);
    void *ctx;
    int rounds; /* that went well */
    bool heard; /* of this round's change */
    bool wrong;
    int awaited;          /* answers of this round */
    struct ev_timer next; /* outside of callbacks: a round is written at once */
};

static void send(struct redis *redis, redis_reply_fn *reply, struct order *order, int argc,
                 const char **argv) {
    size_t lens[6];

    for (int i = 0; i < argc; i++)
        lens[i] = strlen(argv[i]);
    if (redis_command(redis, reply, order, argc, argv, lens) == ERR_OK && reply != NULL)
        order->awaited++;
}

static void on_answer(void *ctx, const redis_reply *reply) {
    struct order *order = ctx;
    if (reply == NULL || --order->awaited > 0)
        return;
    order->rounds += !order->wrong;
    ev_timer_start(order->loop, &order->next);
}

static void on_written(void *ctx, const redis_reply *reply) {
    struct order *order = ctx;
    size_t len;

    if (reply == NULL)
        return; /* the connection is lost: it begins anew */
    if (redis_text(reply, &len) == NULL || redis_is_error(reply) ||
        (!order->heard && !redis_waits(order->told)))
        order->wrong = true;
    on_answer(ctx, reply);
}

static void ask_ballast(struct order *order, int times) {
    while (times-- > 0)
        send(order->ballast, on_answer, order, 4,
             (const char *[]){"GETRANGE", order->ballast_key, "0", BALLAST});
    redis_flush(order->ballast);
}

static void on_next(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct order *order = timer->data;
    (void)loop, (void)events;

    if (order->wrong || order->rounds == ORDER_ROUNDS) {
        send(order->writer, NULL, order, 3,
             (const char *[]){"DEL", order->key, order->ballast_key});
        redis_flush(order->writer);
        order->done(order->ctx, order->rounds);
        return;
    }
    order->heard = false;
    ask_ballast(order, AHEAD);
    send(order->writer, on_written, order, 5, (const char *[]){"SET", order->key, "x", "PX", KEEP});
    redis_flush(order->writer);
    ask_ballast(order, BEHIND);
}

static void on_up(void *ctx) {
    struct order *order = ctx;

    if (redis_state(order->writer) != REDIS_UP || redis_state(order->ballast) != REDIS_UP)
        return;
    order->awaited = 0;
    send(order->ballast, NULL, order, 4,
         (const char *[]){"SETRANGE", order->ballast_key, BALLAST, "x"});
    send(order->ballast, NULL, order, 3, (const char *[]){"PEXPIRE", order->ballast_key, KEEP});
    ev_timer_start(order->loop, &order->next);
}

static void on_down(void *ctx) {
    struct order *order = ctx;
    ev_timer_stop(order->loop, &order->next);
}

static const struct redis_events events = {.up = on_up, .down = on_down};

struct order *order_new(struct ev_loop *loop, const struct config *config, const struct redis *told,
                        const char *prefix, void (*done)(void *ctx, int rounds), void *ctx) {
    struct order *order = mem_new(sizeof *order);
    struct redis_options options = {.url = config->redis,
                                    .config = config,
                                    .name = "halley.fcgi-writer",
                                    .timeout = config->redis_timeout,
                                    .events = &events,
                                    .ctx = order};

    order->loop = loop;
    order->told = told;
    order->done = done;
    order->ctx = ctx;
    snprintf(order->key, sizeof order->key, "%s~order:%d", prefix, (int)getpid());
    snprintf(order->ballast_key, sizeof order->ballast_key, "halley.order:%d", (int)getpid());
    ev_timer_init(&order->next, on_next, 0, 0);
    order->next.data = order;
    order->writer = redis_new(loop, &options);
    options.name = "halley.fcgi-ballast";
    order->ballast = redis_new(loop, &options);
    return order;
}

void order_heard(struct order *order) {
    if (order != NULL)
        order->heard = true;
}

void order_free(struct order *order) {
    if (order == NULL)
        return;
    ev_timer_stop(order->loop, &order->next);
    redis_free(order->writer);
    redis_free(order->ballast);
    free(order);
}
