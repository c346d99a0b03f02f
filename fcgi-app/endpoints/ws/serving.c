/*
 * From a handshake to a session; and saying that there are WebSockets.
 *
 * The process that serves WebSockets may be another one than the process that is
 * asked for `info` (under mod_fcgid it always is), so it keeps itself in a list in
 * Redis, which believes it for some seconds, and takes itself out when it stops.
 */
#include "fcgi-app/endpoints/ws/serving.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/door/ws/handshake.h"
#include "fcgi-app/endpoints/ws/session.h"

#define SERVED_KEY    "halley.websocket"
#define SERVED_TTL    "16000" /* milliseconds */
#define SERVED_PERIOD 5.0

struct ws_serving {
    struct app *app;
    struct ev_timer served;
    bool ended;
};

/* ------------------------------------------------------------------- handshakes */

static void begin(struct app *app, const struct request *request, const struct hub_read *read,
                  int fd, const struct part *early) {
    struct buf hello = buf_make(1024);

    handshake_put_answer(request, &hello);
    session_begin(app, request, read, fd, &(struct part){hello.data, hello.len}, early);
    buf_free(&hello);
}

bool endpoint_ws(struct app *app, struct request *request, struct client *client,
                 struct problem *problem) {
    struct hub_read read;
    struct buf early;

    if (!handshake_check(request, app->config->origins, problem) ||
        !session_check(app, request, &read, problem))
        return false;
    int fd = client_upgrade(client, &early);
    begin(app, request, &read, fd, &(struct part){early.data, early.len});
    buf_free(&early);
    return true;
}

/* ------------------------------------------------------ telling that we are there */

/* Says that this process serves WebSockets for so many milliseconds; "0": no more. */
static enum err say_served(struct ws_serving *serving, const char *milliseconds) {
    struct app *app = serving->app;
    const char *process = app->report != NULL ? report_id(app->report) : "alone";
    const char *argv[] = {"FCALL", "halley_serve", "1", SERVED_KEY, process, milliseconds};
    const size_t lens[] = {5, 12, 1, strlen(SERVED_KEY), strlen(process), strlen(milliseconds)};

    if (!hub_redis_up(app->hub))
        return ERR_REDIS;
    return redis_command(hub_commands(app->hub), NULL, NULL, 6, argv, lens);
}

static void on_served(struct ev_loop *loop, struct ev_timer *timer, int events) {
    bool said = say_served(timer->data, SERVED_TTL) == ERR_OK;
    (void)events;

    ev_timer_set(timer, said ? SERVED_PERIOD : 0.1, 0);
    ev_timer_start(loop, timer);
}

struct question {
    struct app *app;
    void (*done)(void *ctx, bool served);
    void *ctx;
    bool repeated;
};

static void ask_served(void *ctx, bool up);

static void on_answer(void *ctx, const redis_reply *reply) {
    struct question *question = ctx;
    struct hub *hub = question->app->hub;

    if (library_missing(hub_library(hub), reply) && !question->repeated) {
        question->repeated = true;
        hub_when_up(hub, question->app->config->redis_timeout, ask_served, question);
        return;
    }
    question->done(question->ctx, redis_integer(reply, 0) > 0);
    free(question);
}

static void ask_served(void *ctx, bool up) {
    struct question *question = ctx;
    const char *argv[] = {"FCALL_RO", "halley_serving", "1", SERVED_KEY};
    const size_t lens[] = {8, 14, 1, strlen(SERVED_KEY)};

    if (!up || redis_command(hub_commands(question->app->hub), on_answer, question, 4, argv,
                             lens) != ERR_OK)
        on_answer(question, NULL);
}

void ws_ask(struct app *app, void (*done)(void *ctx, bool served), void *ctx) {
    if (app->serving != NULL) {
        done(ctx, true);
        return;
    }
    struct question *question = mem_new(sizeof *question);
    *question = (struct question){.app = app, .done = done, .ctx = ctx};
    ask_served(question, hub_redis_up(app->hub));
}

struct ws_serving *ws_serving_new(struct app *app) {
    struct ws_serving *serving = mem_new(sizeof *serving);

    serving->app = app;
    ev_timer_init(&serving->served, on_served, 0, 0);
    serving->served.data = serving;
    ev_timer_start(app->loop, &serving->served);
    return serving;
}

void ws_serving_end(struct ws_serving *serving) {
    if (serving->ended)
        return;
    serving->ended = true;
    ev_timer_stop(serving->app->loop, &serving->served);
    (void)!say_served(serving, "0"); /* where Redis is away it is not believed for long */
}

void ws_serving_free(struct ws_serving *serving) {
    if (serving == NULL)
        return;
    ws_serving_end(serving);
    free(serving);
}
