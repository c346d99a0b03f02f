/*
 * A request that brings messages. Each is a step of the session's protocol, carried out on the
 * session in Redis, one behind the other, because what the next one does may rest on it: the
 * channels that are joined (where they begin is asked first) or left, in one atom with the
 * answer; then the publish, and how that ended. What is only said is gathered.
 *
 * A change that met another one is made anew from what stands there then. The request is
 * answered when everything is done; a client that leaves meanwhile has it done all the same.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/sockjs/_sockjs.h"
#include "fcgi-app/endpoints/publish.h"

enum { FRAMES_MOST = 64 }; /* are gathered */

struct sending {
    struct app *app;
    const struct service *service;
    struct speech speech;
    char id[SESSION_ID_TEXT];
    bool jsonp;
    struct client *client; /* NULL: it has left */
    char *who;
    struct texts messages;
    size_t next; /* of them */
    struct step step;
    struct texts frames;      /* that the session gets */
    struct hub_places joined; /* where the channels of the step begin */
    struct hub_places places; /* of the session, as it was seen */
    uint64_t version;
    bool *moving; /* what the change on its way is to have done: of the step; or NULL */
};

static void go_on(struct sending *sending);
static void peek(struct sending *sending);

static struct sessions *sessions_of(const struct sending *sending) {
    return hub_sessions(sending->app->hub);
}

/* ---------------------------------------------------------------------- its end */

static void sending_free(struct sending *sending) {
    free(sending->who);
    texts_free(&sending->messages);
    texts_free(&sending->frames);
    step_free(&sending->step);
    hub_places_free(&sending->joined);
    hub_places_free(&sending->places);
    free(sending);
}

static void finish(struct sending *sending, int status) {
    static const char *const plain = "text/plain; charset=UTF-8";

    if (sending->client != NULL && status == 404)
        page_answer(sending->client, 404, plain, "");
    else if (sending->client != NULL)
        page_answer(sending->client, sending->jsonp ? 200 : 204, plain, sending->jsonp ? "ok" : "");
    sending_free(sending);
}

static void refuse(struct sending *sending, const struct problem *problem) {
    if (sending->client != NULL)
        app_refuse(sending->app, sending->client, problem);
    sending_free(sending);
}

static void refuse_away(struct sending *sending, const struct session_view *view) {
    struct problem problem;

    if (view != NULL && view->err == ERR_REFUSED)
        problem_later(&problem, 503, 5, "Redis refused: %s", view->why != NULL ? view->why : "");
    else
        problem_later(&problem, 503, 2, "Redis is away");
    refuse(sending, &problem);
}

/* Whether it is over by what Redis says of the session. */
static bool ended_by(struct sending *sending, const struct session_view *view) {
    if (view->err != ERR_OK)
        refuse_away(sending, view);
    else if (view->status == SESSION_GONE || view->status == SESSION_CLOSED)
        finish(sending, 404);
    else
        return false;
    return true;
}

/* ------------------------------------------------------------------- the session */

static void on_session_closed(void *ctx, const struct session_view *view) {
    struct sending *sending = ctx;
    (void)view;
    finish(sending, 204);
}

static void close_session(struct sending *sending) {
    struct buf reason = buf_make(SESSION_REASON_MAX);

    sockjs_put_close(sending->step.closes, sending->step.reason, &reason);
    enum err err = session_close(sessions_of(sending), sending->id,
                                 (struct session_bytes){reason.data, reason.len}, false, SOCKJS_TTL,
                                 on_session_closed, sending);
    buf_free(&reason);
    if (err != ERR_OK)
        refuse_away(sending, NULL);
}

/* Too much waits for a client that does not fetch it. */
static void close_full(struct sending *sending) {
    sending->app->stats->cut_off++;
    sending->step.closes = 4413;
    sending->step.reason = "too much waits to be fetched (max_backlog)";
    close_session(sending);
}

static void on_changed(void *ctx, const struct session_view *view) {
    struct sending *sending = ctx;

    if (ended_by(sending, view))
        return;
    if (view->status == SESSION_FULL) {
        close_full(sending);
    } else if (view->status == SESSION_CONFLICT) {
        peek(sending);
    } else {
        if (sending->moving != NULL)
            *sending->moving = false;
        texts_free(&sending->frames);
        go_on(sending);
    }
}

/* Gives the session its frames, and with `places` the change of its channels. */
static void change(struct sending *sending, const struct hub_places *add, const char *drop,
                   size_t drop_len) {
    struct session_bytes frames[SESSION_FRAMES_MAX];
    struct buf cursor = buf_make(SESSION_CURSOR_MAX);
    bool moves = add != NULL || drop != NULL;

    sending->moving = !moves ? NULL : add != NULL ? &sending->step.joins : &sending->step.leaves;
    for (size_t i = 0; i < sending->frames.count; i++)
        frames[i].at = texts_at(&sending->frames, i, &frames[i].len);
    if (add != NULL)
        places_put(add, &cursor);
    const struct session_change wanted = {.version = moves ? sending->version : 0,
                                          .add = {cursor.len > 0 ? cursor.data : NULL, cursor.len},
                                          .drop = {drop_len > 0 ? drop : NULL, drop_len},
                                          .frames = frames,
                                          .frame_count = sending->frames.count,
                                          .max_backlog = (size_t)sending->app->config->max_backlog};
    enum err err = session_change(sessions_of(sending), sending->id, &wanted, on_changed, sending);
    buf_free(&cursor);
    if (err != ERR_OK)
        refuse_away(sending, NULL);
}

/* What the protocol says of how something ended. */
static void tell(struct sending *sending, const struct outcome *outcome) {
    struct step told = {0};

    if (outcome->problem != NULL)
        app_count(sending->app, outcome->problem);
    sending->speech.protocol->tell(&sending->speech, outcome, &told);
    for (size_t i = 0; i < told.said.count; i++) {
        size_t len;
        const char *text = texts_at(&told.said, i, &len);
        texts_add(&sending->frames, text, len);
    }
    if (told.closes != 0) {
        sending->step.closes = told.closes;
        sending->step.reason = told.reason;
    }
    step_free(&told);
}

/* ------------------------------------------------------------------- channels */

/* Where the session stands now is told in the place of this frame, by whoever delivers it. */
static void confirm(struct sending *sending) {
    if (sending->speech.protocol->confirms)
        texts_add(&sending->frames, "", 0);
}

static bool is_there(const struct hub_places *places, const struct hub_channel *channel) {
    for (size_t i = 0; i < places->count; i++) {
        if (places->channels[i].len == channel->len &&
            memcmp(places->channels[i].name, channel->name, channel->len) == 0)
            return true;
    }
    return false;
}

/* Those of the step's channels that the session has not. */
static size_t sort_new(const struct sending *sending, struct hub_channel *fresh) {
    size_t count = 0;

    for (size_t i = 0; i < sending->step.join.count; i++) {
        const struct hub_channel *channel = &sending->step.join.channels[i];
        if (!is_there(&sending->places, channel))
            fresh[count++] = *channel;
    }
    return count;
}

static void on_beginning(void *ctx, const struct hub_places *places,
                         const struct problem *problem) {
    struct sending *sending = ctx;

    if (places == NULL) {
        refuse(sending, problem);
        return;
    }
    for (size_t i = 0; i < places->count; i++) {
        struct hub_channel *channel = &places->channels[i];
        struct hub_places *joined = &sending->joined;
        joined->channels =
            mem_resize(joined->channels, (joined->count + 1) * sizeof *joined->channels);
        joined->channels[joined->count] = *channel;
        joined->channels[joined->count++].name = mem_copy(channel->name, channel->len);
    }
    peek(sending);
}

/* What is left of the step's places when those that the session has are taken out. */
static struct hub_places still_new(const struct sending *sending, const struct hub_channel *fresh,
                                   size_t count) {
    struct hub_places add = {.channels = mem_new((count + 1) * sizeof *add.channels)};

    for (size_t i = 0; i < sending->joined.count; i++) {
        const struct hub_channel *place = &sending->joined.channels[i];
        const struct hub_places wanted = {.channels = (struct hub_channel *)(uintptr_t)fresh,
                                          .count = count};
        if (is_there(&wanted, place))
            add.channels[add.count++] = *place;
    }
    return add;
}

static void join(struct sending *sending) {
    const struct config *config = sending->app->config;
    struct hub_channel *fresh = mem_new((sending->step.join.count + 1) * sizeof *fresh);
    size_t count = sort_new(sending, fresh);

    if (sending->places.count + count > (size_t)config->max_channels) {
        problem_set(&sending->step.problem, 400,
                    "subscribe: the most is %d channels (max_channels)", config->max_channels);
        sending->step.joins = sending->step.leaves = sending->step.posts = false;
        go_on(sending);
    } else if (count > 0 && sending->joined.count == 0) {
        begin_ask(sending->app, fresh, count, on_beginning, sending);
    } else {
        struct hub_places add = still_new(sending, fresh, count);
        confirm(sending);
        change(sending, &add, NULL, 0);
        free(add.channels);
    }
    free(fresh);
}

/* Joins come before leaves, each with its own answer. */
static void leave(struct sending *sending) {
    const struct order_names *names = &sending->step.leave.names;
    struct buf cursor = buf_make(SESSION_CURSOR_MAX);
    struct hub_places gone = {0};

    gone.channels = mem_new((names->count + 1) * sizeof *gone.channels);
    for (size_t i = 0; i < names->count; i++) {
        const struct hub_channel channel = {
            .name = names->names[i].name, .len = names->names[i].len, .since.kind = SINCE_AT};
        if (!is_there(&gone, &channel) && is_there(&sending->places, &channel))
            gone.channels[gone.count++] = channel;
    }
    places_put(&gone, &cursor);
    confirm(sending);
    change(sending, NULL, cursor.data != NULL ? cursor.data : "", cursor.len);
    buf_free(&cursor);
    free(gone.channels);
}

/* ------------------------------------------------------------------- publishing */

static void on_published(void *ctx, const struct history_posted *posted,
                         const struct problem *problem) {
    struct sending *sending = ctx;

    tell(sending, &(struct outcome){.id = posted->id,
                                    .id_len = posted->id_len,
                                    .at = posted->at,
                                    .problem = problem,
                                    .ref = sending->step.ref});
    go_on(sending);
}

static void publish(struct sending *sending) {
    const struct order_post *post = &sending->step.post;
    const struct publish publish = {.who = sending->who,
                                    .channel = post->channel,
                                    .channel_len = post->channel_len,
                                    .payload = post->data.at,
                                    .payload_len = post->data.len,
                                    .idempotency = post->key != NULL ? post->key : ""};

    sending->step.posts = false;
    if (!publish_submit(sending->app, &publish, on_published, sending, &sending->step.problem))
        go_on(sending);
}

/* ---------------------------------------------------------------------- steps */

/* The next message. Its text stays where it is until all is done. */
static void take(struct sending *sending) {
    size_t len;
    const char *text = texts_at(&sending->messages, sending->next++, &len);

    step_free(&sending->step);
    hub_places_free(&sending->joined);
    sending->app->stats->requests++;
    sending->speech.protocol->take(&sending->speech, text, len, &sending->step);
}

/* What is said of a mistake, and what the step itself says. */
static void say(struct sending *sending) {
    struct step *step = &sending->step;

    if (step->problem.status != 0)
        tell(sending, &(struct outcome){.problem = &step->problem, .ref = step->ref});
    for (size_t i = 0; i < step->said.count; i++) {
        size_t len;
        const char *text = texts_at(&step->said, i, &len);
        texts_add(&sending->frames, text, len);
    }
    step->problem.status = 0;
    texts_free(&step->said);
}

/* Does the next thing. Each thing that is asked for comes back here. */
static void go_on(struct sending *sending) {
    struct step *step = &sending->step;

    for (;;) {
        bool moves = step->joins || step->leaves;
        bool waits = sending->frames.count > 0;
        if (moves && !waits) {
            peek(sending);
            return;
        }
        if (!moves && step->posts && step->problem.status == 0) {
            publish(sending);
            return;
        }
        if (!moves)
            say(sending);
        bool last = sending->next == sending->messages.count || step->closes != 0;
        waits = sending->frames.count > 0;
        if (waits && (moves || last || sending->frames.count >= FRAMES_MOST)) {
            change(sending, NULL, NULL, 0);
            return;
        }
        if (last) {
            step->closes != 0 ? close_session(sending) : finish(sending, 204);
            return;
        }
        take(sending);
    }
}

/* The session as it is: to begin with, and for a change of its channels. */
static void on_peeked(void *ctx, const struct session_view *view) {
    struct sending *sending = ctx;

    if (ended_by(sending, view))
        return;
    sending->version = view->version;
    hub_places_free(&sending->places);
    places_follow(&sending->places, view->cursor);
    texts_free(&sending->frames); /* of a change that met another one; it is made anew */
    if (sending->step.joins)
        join(sending);
    else if (sending->step.leaves)
        leave(sending);
    else
        go_on(sending);
}

static void peek(struct sending *sending) {
    const struct session_change nothing = {.version = SESSION_PEEK};

    if (session_change(sessions_of(sending), sending->id, &nothing, on_peeked, sending) != ERR_OK)
        refuse_away(sending, NULL);
}

/* -------------------------------------------------------------------- its beginning */

static void on_gone(void *ctx) {
    struct sending *sending = ctx;

    client_drop(sending->client);
    sending->client = NULL;
}

static void on_drained(void *ctx) {
    (void)ctx;
}

static const struct client_events sending_events = {.gone = on_gone, .drained = on_drained};

static void on_up(void *ctx, bool up) {
    if (up)
        peek(ctx);
    else
        refuse_away(ctx, NULL);
}

void send_begin(const struct sockjs_request *request, struct texts *messages, bool jsonp) {
    struct sending *sending = mem_new(sizeof *sending);

    *sending = (struct sending){.app = request->app,
                                .service = request->service,
                                .speech = service_speech(request->app->config, request->service),
                                .jsonp = jsonp,
                                .client = request->client,
                                .who = mem_string(request->request->remote_addr),
                                .messages = *messages};
    memcpy(sending->id, request->id, sizeof sending->id);
    *messages = (struct texts){0};
    client_watch(sending->client, &sending_events, sending);
    hub_when_up(request->app->hub, request->app->config->redis_timeout, on_up, sending);
}
