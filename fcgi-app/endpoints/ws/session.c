/*
 * A WebSocket session. The browser may say, as JSON objects in text messages:
 *
 *   {"subscribe":["a","b"],"since":"now"|"start"|"-K"|cursor}
 *   {"unsubscribe":["a"]}
 *   {"publish":{"channel":"a","data":...,"key":"idempotency key"}}
 *
 * each with an optional "ref" that the answer repeats. Answers are
 * {"published":{"id":...,"at":...}} and {"error":{...}}; a change of channels is
 * answered by a batch without messages, whose cursor says where the session
 * stands. A message may hold several of them; they are done in this order. What is
 * published and `ref` go on as they came, byte for byte.
 *
 * The hub holds the session's client in a waiter, like any stream. To change the
 * channels the waiter is released, which tells where it stands, and the client is
 * held again from there. What is said until the hub knows where the session
 * stands is put off, also the publish of the message that changes the channels: so a
 * publish is heard by whoever subscribed before it. What a session keeps meanwhile, put off
 * or on its way to Redis, is bounded: above HELD_MAX the browser is read no further.
 */
#include "fcgi-app/endpoints/ws/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "fcgi-app/door/ws/socket.h"
#include "fcgi-app/endpoints/publish.h"
#include "fcgi-app/endpoints/read.h"
#include "fcgi-app/endpoints/ws/change.h"
#include "fcgi-app/endpoints/ws/order.h"
#include "fcgi-app/transports/transport.h"

enum {
    PUBLISHES_MAX = 64,
    ENVELOPE = 16384,
    LATER_MAX = 64,
    HELD_MAX = 256 * 1024 /* bytes, and one message more */
};

/* A message that came while the hub did not know yet where the session stands. */
struct later {
    struct later *prev, *next;
    bool rest; /* its channels are changed; what it publishes is left */
    size_t len;
    char *text;
};

struct session {
    struct hub_holder holder; /* first: the hub's callback gets this */
    struct app *app;
    struct client *client; /* NULL once it is closed */
    bool begun;            /* the hub knows where the session stands */
    struct later *later;
    unsigned later_count;
    struct ev_timer resume; /* outside of the hub's callback: takes what was put off */
    char *who;
    unsigned limit;
    unsigned publishing; /* on their way; each keeps the session */
    size_t held;         /* bytes that were put off, or are on their way */
};

/* One more thing is kept, or (with false) one less. */
static void weigh(struct session *session, size_t bytes, bool more) {
    session->held = more ? session->held + bytes : session->held - bytes;
    if (session->client != NULL)
        socket_read_on(session->client, session->held <= HELD_MAX);
}

static void session_free_if_done(struct session *session) {
    if (session->client != NULL || session->publishing > 0)
        return;
    free(session->who);
    free(session);
}

static void on_closed(void *ctx) {
    struct session *session = ctx;
    struct later *later, *next;

    DL_FOREACH_SAFE (session->later, later, next) {
        free(later->text);
        free(later);
    }
    session->later = NULL;
    ev_timer_stop(session->app->loop, &session->resume);
    session->client = NULL;
    session_free_if_done(session);
}

static void say_error(struct session *session, const struct problem *problem,
                      struct scan_value ref) {
    struct buf text = buf_make(SIZE_MAX / 2);
    struct stats *stats = session->app->stats;

    stats->answers_4xx += problem->status < 500;
    stats->answers_429 += problem->status == 429;
    stats->answers_503 += problem->status == 503;
    problem_render_error(problem, ref, &text);
    if (session->client != NULL)
        socket_say(session->client, text.data, text.len);
    buf_free(&text);
}

/* ----------------------------------------------------------------- channels */

/* Has the hub hold the client at these places. The session may be over afterwards. */
static void hold(struct session *session, const struct hub_places *places) {
    struct hub_read read = {.transport = transport_find("ws"),
                            .options.config = session->app->config,
                            .channels = places->channels,
                            .channel_count = places->count,
                            .limit = session->limit,
                            .ends = places->ends,
                            .tag = places->tag};
    struct problem problem;

    session->begun = false;
    if (!hub_hold(session->app->hub, session->client, &read, &session->holder, &problem))
        client_refuse(session->client, &problem);
}

static bool subscribe(struct session *session, const struct order *order, struct problem *problem) {
    const struct config *config = session->app->config;
    struct change change;

    bool valid = change_subscribe(config, order, &change, problem);
    if (valid && session->holder.waiter != NULL) { /* else it is ending */
        struct hub_places places = hub_release(session->holder.waiter);
        valid = change_add(&change, config, &places, problem);
        hold(session, &places);
        hub_places_free(&places);
    }
    change_free(&change);
    return valid;
}

static bool unsubscribe(struct session *session, const struct order *order,
                        struct problem *problem) {
    struct change change;

    bool valid = change_unsubscribe(session->app->config, order, &change, problem);
    if (valid && session->holder.waiter != NULL) {
        struct hub_places places = hub_release(session->holder.waiter);
        change_drop(&change, &places);
        hold(session, &places);
        hub_places_free(&places);
    }
    change_free(&change);
    return valid;
}

/* --------------------------------------------------------------- publishing */

struct posting {
    struct session *session;
    size_t weight;
    struct scan_value ref; /* in the same memory */
    char text[];
};

static struct posting *posting_new(struct session *session, struct scan_value ref, size_t payload) {
    struct posting *posting = mem_new(sizeof *posting + ref.len);

    posting->session = session;
    posting->weight = sizeof *posting + ref.len + payload;
    if (ref.at != NULL)
        posting->ref = (struct scan_value){memcpy(posting->text, ref.at, ref.len), ref.len};
    session->publishing++;
    weigh(session, posting->weight, true);
    return posting;
}

/* Last, where it is used: it keeps the session while the socket may go. */
static void posting_free(struct posting *posting) {
    struct session *session = posting->session;

    session->publishing--;
    weigh(session, posting->weight, false);
    free(posting);
    session_free_if_done(session);
}

static void on_published(void *ctx, const struct history_posted *posted,
                         const struct problem *problem) {
    struct posting *posting = ctx;
    struct session *session = posting->session;
    struct buf text = buf_make(SIZE_MAX / 2);

    if (problem != NULL) {
        say_error(session, problem, posting->ref);
    } else if (session->client != NULL) {
        buf_printf(&text, "{\"published\":{\"id\":\"%.*s\",\"at\":%llu}", (int)posted->id_len,
                   posted->id, (unsigned long long)posted->at);
        if (posting->ref.at != NULL) {
            buf_text(&text, ",\"ref\":");
            buf_add(&text, posting->ref.at, posting->ref.len);
        }
        buf_char(&text, '}');
        socket_say(session->client, text.data, text.len);
    }
    buf_free(&text);
    posting_free(posting);
}

static bool publish(struct session *session, const struct order *order, struct problem *problem) {
    struct order_post post;

    if (!order_post(order->publish, &post, problem))
        return false;
    if (session->publishing >= PUBLISHES_MAX) {
        problem_later(problem, 429, 1, "publish: at most %d may be on their way", PUBLISHES_MAX);
        order_post_free(&post);
        return false;
    }
    const struct publish publish = {.who = session->who,
                                    .channel = post.channel,
                                    .channel_len = post.channel_len,
                                    .payload = post.data.at,
                                    .payload_len = post.data.len,
                                    .idempotency = post.key != NULL ? post.key : ""};
    struct posting *posting = posting_new(session, order->ref, post.data.len);
    bool taken = publish_submit(session->app, &publish, on_published, posting, problem);
    if (!taken)
        posting_free(posting);
    order_post_free(&post);
    return taken;
}

/* ------------------------------------------------------------------ messages */

static void put_off(struct session *session, const char *text, size_t len, bool rest) {
    struct later *later = mem_new(sizeof *later);

    *later = (struct later){.rest = rest, .text = mem_copy(text, len), .len = len};
    if (rest)
        DL_PREPEND(session->later, later);
    else
        DL_APPEND(session->later, later);
    session->later_count++;
    weigh(session, len, true);
}

static void take(struct session *session, const char *text, size_t len, bool rest) {
    struct problem problem = {0};
    struct order order;

    session->app->stats->requests += !rest;
    bool good = order_parse(text, len, &order, &problem) &&
                (rest || order.subscribe.at == NULL || subscribe(session, &order, &problem)) &&
                (rest || order.unsubscribe.at == NULL || unsubscribe(session, &order, &problem));
    if (good && order.publish.at != NULL && !session->begun)
        put_off(session, text, len, true);
    else if (good && order.publish.at != NULL)
        (void)publish(session, &order, &problem);
    if (problem.status != 0)
        say_error(session, &problem, order.ref);
}

static void on_message(void *ctx, const char *text, size_t len) {
    struct session *session = ctx;
    struct problem problem;
    struct order order;

    if (session->begun && session->later == NULL) {
        take(session, text, len, false);
    } else if (session->later_count >= LATER_MAX) {
        (void)order_parse(text, len, &order, &problem); /* for its ref */
        problem_later(&problem, 429, 1, "message: at most %d may wait for Redis", LATER_MAX);
        say_error(session, &problem, order.ref);
    } else {
        put_off(session, text, len, false);
    }
}

/* Takes what was put off, until a change of channels puts the rest off again. */
static void on_resume(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct session *session = timer->data;
    struct client *client = session->client;
    (void)loop, (void)events;

    socket_hold(client);
    while (session->begun && session->later != NULL) {
        struct later *later = session->later;
        DL_DELETE(session->later, later);
        session->later_count--;
        weigh(session, later->len, false);
        take(session, later->text, later->len, later->rest);
        free(later->text);
        free(later);
    }
    socket_let_go(client);
}

static void on_begun(struct hub_holder *holder) {
    struct session *session = (struct session *)holder;
    session->begun = true;
    if (session->later != NULL && !ev_is_active(&session->resume))
        ev_timer_start(session->app->loop, &session->resume);
}

static const struct socket_events session_events = {.message = on_message, .closed = on_closed};

bool session_check(const struct app *app, const struct request *request, struct hub_read *read,
                   struct problem *problem) {
    *read = (struct hub_read){.transport = transport_find("ws")};
    return read_parse(app->config, request, read, problem);
}

void session_begin(struct app *app, const struct request *request, const struct hub_read *read,
                   int fd, const struct part *hello, const struct part *early) {
    const struct config *config = app->config;
    struct socket_limits limits = {.max_message = (size_t)config_longest_message(config) + ENVELOPE,
                                   .max_queue = (size_t)config->max_backlog,
                                   .silence = 3.0 * config->keepalive};
    struct session *session = mem_new(sizeof *session);
    struct problem problem = {0};

    session->app = app;
    session->holder.begun = on_begun;
    ev_timer_init(&session->resume, on_resume, 0, 0);
    session->resume.data = session;
    session->who = mem_string(request->remote_addr);
    session->limit = read->limit;
    session->client =
        socket_new(app->loop, app->stats, fd, hello, early, &limits, &session_events, session);
    if (!hub_hold(app->hub, session->client, read, &session->holder, &problem))
        client_refuse(session->client, &problem);
    free((void *)(uintptr_t)read->channels);
}
