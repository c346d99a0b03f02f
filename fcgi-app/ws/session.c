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
#include "fcgi-app/ws/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/collections.h"
#include "core/json.h"
#include "core/mem.h"
#include "fcgi-app/channel_index.h"
#include "fcgi-app/publish.h"
#include "fcgi-app/read.h"
#include "fcgi-app/transport.h"
#include "fcgi-app/ws/order.h"
#include "fcgi-app/ws/socket.h"

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

/*
 * The channels of a list, each once, where `since` says. False, with `problem`, if one is
 * not allowed, or they alone are too many. The names are borrowed.
 */
static bool take_names(const struct session *session, const struct order_names *names,
                       struct hub_channel *channels, size_t *count, struct problem *problem) {
    const struct config *config = session->app->config;
    size_t most = (size_t)config->max_channels;
    struct channel_index index = channel_index_make(channels, names->count);

    *count = 0;
    for (size_t i = 0; problem->status == 0 && i < names->count; i++) {
        const struct order_name *name = &names->names[i];
        if (!read_allowed(config, name->name, name->len, problem) ||
            channel_index_find(&index, name->name, name->len) >= 0)
            continue;
        if (*count == most) {
            problem_set(problem, 400, "subscribe: the most is %zu channels (max_channels)", most);
            break;
        }
        channels[(*count)++] = (struct hub_channel){.name = name->name, .len = name->len};
        channel_index_note(&index);
    }
    channel_index_free(&index);
    return problem->status == 0;
}

static bool take_since(struct scan_value since, struct hub_channel *channels, size_t count,
                       struct problem *problem) {
    size_t len = 3;
    char *text = since.at == NULL ? mem_string("now") : json_unquote(since.at, since.len, &len);
    bool valid = text != NULL && read_since(text, len, channels, count);

    free(text);
    if (!valid)
        problem_set(problem, 400, "since: must be now, start, -K or a cursor");
    return valid;
}

/* An index that finds the channels of `places`. */
static struct channel_index index_of(const struct hub_places *places) {
    struct channel_index index = channel_index_make(places->channels, places->count);
    for (size_t i = 0; i < places->count; i++)
        channel_index_note(&index);
    return index;
}

/* Adds the channels that are not there already; those that are stay where they are. */
static bool add(struct hub_places *places, struct hub_channel *fresh, size_t count, int most,
                struct problem *problem) {
    struct channel_index index = index_of(places);
    size_t added = 0;

    for (size_t i = 0; i < count; i++) {
        if (channel_index_find(&index, fresh[i].name, fresh[i].len) < 0)
            fresh[added++] = fresh[i];
    }
    channel_index_free(&index);
    if (places->count + added > (size_t)most) {
        problem_set(problem, 400, "subscribe: the most is %d channels (max_channels)", most);
        return false;
    }
    places->channels =
        mem_resize(places->channels, (places->count + added + 1) * sizeof *places->channels);
    for (size_t i = 0; i < added; i++) {
        fresh[i].name = mem_copy(fresh[i].name, fresh[i].len);
        places->channels[places->count++] = fresh[i];
    }
    return true;
}

static bool subscribe(struct session *session, const struct order *order, struct problem *problem) {
    struct order_names names;
    size_t count;

    if (!order_names(order->subscribe, "subscribe", &names, problem))
        return false;
    struct hub_channel *fresh = mem_new(names.count * sizeof *fresh);
    bool valid = take_names(session, &names, fresh, &count, problem) &&
                 take_since(order->since, fresh, count, problem);
    if (valid && session->holder.waiter != NULL) { /* else it is ending */
        struct hub_places places = hub_release(session->holder.waiter);
        valid = add(&places, fresh, count, session->app->config->max_channels, problem);
        hold(session, &places);
        hub_places_free(&places);
    }
    free(fresh);
    order_names_free(&names);
    return valid;
}

static bool all_allowed(const struct session *session, const struct order_names *names,
                        struct problem *problem) {
    for (size_t i = 0; i < names->count; i++) {
        const struct order_name *name = &names->names[i];
        if (!read_allowed(session->app->config, name->name, name->len, problem))
            return false;
    }
    return true;
}

/* Takes channels away; the others stay in their order. */
static void drop(struct hub_places *places, const struct order_names *names) {
    struct channel_index index = index_of(places);
    size_t left = 0;

    for (size_t i = 0; i < names->count; i++) {
        long at = channel_index_find(&index, names->names[i].name, names->names[i].len);
        if (at < 0)
            continue;
        free((void *)(uintptr_t)places->channels[at].name);
        places->channels[at] = (struct hub_channel){.name = NULL, .len = 0};
    }
    channel_index_free(&index);
    for (size_t i = 0; i < places->count; i++) {
        if (places->channels[i].name != NULL)
            places->channels[left++] = places->channels[i];
    }
    places->count = left;
}

static bool unsubscribe(struct session *session, const struct order *order,
                        struct problem *problem) {
    struct order_names names;

    if (!order_names(order->unsubscribe, "unsubscribe", &names, problem))
        return false;
    bool valid = all_allowed(session, &names, problem);
    if (valid && session->holder.waiter != NULL) {
        struct hub_places places = hub_release(session->holder.waiter);
        drop(&places, &names);
        hold(session, &places);
        hub_places_free(&places);
    }
    order_names_free(&names);
    return valid;
}

/* --------------------------------------------------------------- publishing */

struct said {
    struct session *session;
    size_t weight;
    struct scan_value ref; /* in the same memory */
    char text[];
};

static struct said *said_new(struct session *session, struct scan_value ref, size_t payload) {
    struct said *said = mem_new(sizeof *said + ref.len);

    said->session = session;
    said->weight = sizeof *said + ref.len + payload;
    if (ref.at != NULL)
        said->ref = (struct scan_value){memcpy(said->text, ref.at, ref.len), ref.len};
    session->publishing++;
    weigh(session, said->weight, true);
    return said;
}

/* Last, where it is used: it keeps the session while the socket may go. */
static void said_free(struct said *said) {
    struct session *session = said->session;

    session->publishing--;
    weigh(session, said->weight, false);
    free(said);
    session_free_if_done(session);
}

static void on_published(void *ctx, const struct history_posted *posted,
                         const struct problem *problem) {
    struct said *said = ctx;
    struct session *session = said->session;
    struct buf text = buf_make(SIZE_MAX / 2);

    if (problem != NULL) {
        say_error(session, problem, said->ref);
    } else if (session->client != NULL) {
        buf_printf(&text, "{\"published\":{\"id\":\"%.*s\",\"at\":%llu}", (int)posted->id_len,
                   posted->id, (unsigned long long)posted->at);
        if (said->ref.at != NULL) {
            buf_text(&text, ",\"ref\":");
            buf_add(&text, said->ref.at, said->ref.len);
        }
        buf_char(&text, '}');
        socket_say(session->client, text.data, text.len);
    }
    buf_free(&text);
    said_free(said);
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
    struct said *said = said_new(session, order->ref, post.data.len);
    bool taken = publish_submit(session->app, &publish, on_published, said, problem);
    if (!taken)
        said_free(said);
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

    if (session->begun && session->later == NULL) {
        take(session, text, len, false);
    } else if (session->later_count >= LATER_MAX) {
        problem_later(&problem, 429, 1, "message: at most %d may wait for Redis", LATER_MAX);
        say_error(session, &problem, (struct scan_value){NULL, 0});
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

bool session_begin(struct app *app, const struct request *request, int fd, const struct part *hello,
                   const struct part *early, struct problem *problem) {
    struct hub_read read = {.transport = transport_find("ws")};
    const struct config *config = app->config;
    struct socket_limits limits = {.max_message = (size_t)config_longest_message(config) + ENVELOPE,
                                   .max_queue = (size_t)config->max_backlog,
                                   .silence = 3.0 * config->keepalive};

    if (!read_parse(config, request, &read, problem))
        return false;
    struct session *session = mem_new(sizeof *session);
    session->app = app;
    session->holder.begun = on_begun;
    ev_timer_init(&session->resume, on_resume, 0, 0);
    session->resume.data = session;
    session->who = mem_string(request->remote_addr);
    session->limit = read.limit;
    session->client =
        socket_new(app->loop, app->stats, fd, hello, early, &limits, &session_events, session);
    if (!hub_hold(app->hub, session->client, &read, &session->holder, problem)) {
        client_refuse(session->client, problem);
        problem->status = 0; /* it is said, on the socket */
    }
    free((void *)(uintptr_t)read.channels);
    return true;
}
