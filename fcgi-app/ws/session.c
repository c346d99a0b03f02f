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
 * stands. A message may hold several of them; they are done in this order.
 *
 * The hub holds the session's client in a waiter, like any stream. To change the
 * channels the waiter is released, which tells where it stands, and the client is
 * held again from there. What is said until the hub knows where the session
 * stands is put off, so that a publish is heard by whoever subscribed before it.
 */
#include "fcgi-app/ws/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/channel.h"
#include "core/collections.h"
#include "core/json.h"
#include "core/mem.h"
#include "fcgi-app/publish.h"
#include "fcgi-app/read.h"
#include "fcgi-app/transport.h"
#include "fcgi-app/ws/socket.h"

enum { PUBLISHES_MAX = 64, ENVELOPE = 16384, LATER_MAX = 64 };

/* A message that came while the hub did not know yet where the session stands. */
struct later {
    struct later *prev, *next;
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
};

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
                      const struct json *ref) {
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

static struct hub_channel *find(const struct hub_places *places, const char *name, size_t len) {
    for (size_t i = 0; i < places->count; i++) {
        if (places->channels[i].len == len && memcmp(places->channels[i].name, name, len) == 0)
            return &places->channels[i];
    }
    return NULL;
}

static void add(struct hub_places *places, const char *name, size_t len, const char *since,
                size_t since_len) {
    struct hub_channel channel = {.name = name, .len = len};

    if (find(places, name, len) != NULL)
        return;                                      /* it stays where it is */
    (void)read_since(since, since_len, &channel, 1); /* it was checked */
    channel.name = mem_copy(name, len);
    size_t size = (places->count + 1) * sizeof *places->channels;
    places->channels = mem_resize(places->channels, size);
    places->channels[places->count++] = channel;
}

/* Every name in a list, or the one name that stands in its place. */
static const char *name_at(const struct json *list, size_t index, size_t *len) {
    const char *single = json_text(list, len);
    if (single != NULL)
        return index == 0 ? single : NULL;
    return json_text(json_element(list, index), len);
}

static size_t names_in(const struct json *list) {
    size_t len;
    return json_text(list, &len) != NULL ? 1 : json_length(list);
}

static bool check_names(const struct session *session, const struct json *list, const char *verb,
                        struct problem *problem) {
    size_t len;

    if (names_in(list) == 0)
        problem_set(problem, 400, "%s: must be a list of channel names", verb);
    for (size_t i = 0; problem->status == 0 && i < names_in(list); i++) {
        const char *name = name_at(list, i, &len);
        if (name == NULL)
            problem_set(problem, 400, "%s: must be a list of channel names", verb);
        else
            (void)read_allowed(session->app->config, name, len, problem);
    }
    return problem->status == 0;
}

static bool check_since(const struct json *since, struct problem *problem) {
    struct hub_channel probe = {.name = "", .len = 0};
    size_t len;
    const char *text = json_text(since, &len);

    if (since == NULL || (text != NULL && read_since(text, len, &probe, 1)))
        return true;
    problem_set(problem, 400, "since: must be now, start, -K or a cursor");
    return false;
}

static bool subscribe(struct session *session, const struct json *list, const struct json *since,
                      struct problem *problem) {
    size_t since_len = 3, len;
    const char *from = since != NULL ? json_text(since, &since_len) : "now";
    int most = session->app->config->max_channels;

    if (!check_names(session, list, "subscribe", problem) || !check_since(since, problem))
        return false;
    if (session->holder.waiter == NULL)
        return true; /* it is ending */
    struct hub_places places = hub_release(session->holder.waiter);
    size_t before = places.count;
    for (size_t i = 0; i < names_in(list); i++) {
        const char *name = name_at(list, i, &len);
        add(&places, name, len, from, since_len);
    }
    if (places.count > (size_t)most) {
        problem_set(problem, 400, "subscribe: the most is %d channels (max_channels)", most);
        while (places.count > before)
            free((void *)(uintptr_t)places.channels[--places.count].name);
    }
    hold(session, &places);
    hub_places_free(&places);
    return problem->status == 0;
}

static bool unsubscribe(struct session *session, const struct json *list, struct problem *problem) {
    size_t len;

    if (!check_names(session, list, "unsubscribe", problem))
        return false;
    if (session->holder.waiter == NULL)
        return true;
    struct hub_places places = hub_release(session->holder.waiter);
    for (size_t i = 0; i < names_in(list); i++) {
        const char *name = name_at(list, i, &len);
        struct hub_channel *channel = find(&places, name, len);
        if (channel == NULL)
            continue;
        free((void *)(uintptr_t)channel->name);
        *channel = places.channels[--places.count];
    }
    hold(session, &places);
    hub_places_free(&places);
    return true;
}

/* --------------------------------------------------------------- publishing */

struct said {
    struct session *session;
    struct json *ref; /* a copy; NULL: none */
};

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
        if (said->ref != NULL) {
            buf_text(&text, ",\"ref\":");
            json_write(&text, said->ref);
        }
        buf_char(&text, '}');
        socket_say(session->client, text.data, text.len);
    }
    buf_free(&text);
    json_free(said->ref);
    free(said);
    session->publishing--; /* last: it keeps the session while the socket may go */
    session_free_if_done(session);
}

static bool publish(struct session *session, const struct json *message, const struct json *ref,
                    struct problem *problem) {
    const struct json *data = json_member(message, "data");
    struct publish publish = {.who = session->who};
    struct buf payload = buf_make(SIZE_MAX / 2);
    size_t len;
    const char *key = json_text(json_member(message, "key"), &len);

    publish.idempotency = key != NULL ? key : "";
    publish.channel = json_text(json_member(message, "channel"), &publish.channel_len);
    if (publish.channel == NULL || data == NULL) {
        problem_set(problem, 400, "publish: must have a channel and data");
        return false;
    }
    if (session->publishing >= PUBLISHES_MAX) {
        problem_later(problem, 429, 1, "publish: at most %d may be on their way", PUBLISHES_MAX);
        return false;
    }
    json_write(&payload, data);
    publish.payload = payload.data;
    publish.payload_len = payload.len;
    struct said *said = mem_new(sizeof *said);
    *said = (struct said){session, json_clone(ref)};
    session->publishing++;
    bool taken = publish_submit(session->app, &publish, on_published, said, problem);
    if (!taken) {
        session->publishing--;
        json_free(said->ref);
        free(said);
    }
    buf_free(&payload);
    return taken;
}

/* ------------------------------------------------------------------ messages */

static bool obey(struct session *session, const struct json *message, struct problem *problem) {
    const struct json *list = json_member(message, "subscribe");
    const struct json *drop = json_member(message, "unsubscribe");
    const struct json *post = json_member(message, "publish");

    if (!json_is_map(message) || (list == NULL && drop == NULL && post == NULL)) {
        problem_set(problem, 400,
                    "message: must be {\"subscribe\"|\"unsubscribe\"|\"publish\":...}");
        return false;
    }
    return (list == NULL || subscribe(session, list, json_member(message, "since"), problem)) &&
           (drop == NULL || unsubscribe(session, drop, problem)) &&
           (post == NULL || publish(session, post, json_member(message, "ref"), problem));
}

static void take(struct session *session, const char *text, size_t len) {
    struct json *message = json_parse(text, len);
    struct problem problem = {0};

    session->app->stats->requests++;
    if (message == NULL)
        problem_set(&problem, 400, "message: must be JSON");
    else
        (void)obey(session, message, &problem);
    if (problem.status != 0)
        say_error(session, &problem, json_member(message, "ref"));
    json_free(message);
}

static void put_off(struct session *session, const char *text, size_t len) {
    struct problem problem;

    if (session->later_count == LATER_MAX) {
        problem_later(&problem, 429, 1, "message: at most %d may wait for Redis", LATER_MAX);
        say_error(session, &problem, NULL);
        return;
    }
    struct later *later = mem_new(sizeof *later);
    later->text = mem_copy(text, len);
    later->len = len;
    DL_APPEND(session->later, later);
    session->later_count++;
}

static void on_message(void *ctx, const char *text, size_t len) {
    struct session *session = ctx;
    if (session->begun && session->later == NULL)
        take(session, text, len);
    else
        put_off(session, text, len);
}

/* Takes what was put off, until a change of channels puts the rest off again. */
static void on_resume(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct session *session = timer->data;
    (void)loop, (void)events;

    socket_hold(session->client);
    while (session->begun && session->later != NULL) {
        struct later *later = session->later;
        DL_DELETE(session->later, later);
        session->later_count--;
        take(session, later->text, later->len);
        free(later->text);
        free(later);
    }
    socket_let_go(session->client);
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
