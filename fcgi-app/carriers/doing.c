/*
 * A request that brings messages. Each is a step of the session's protocol, carried out on the
 * session in Redis, one behind the other, because what the next one does may rest on it: the
 * channels that are joined (where they begin is asked first) or left, in one atom with the
 * answer; then the publish, and how that ended. What is only said is gathered.
 *
 * A change that met another one is made anew from what stands there then. The request is
 * answered when everything is done; a client that leaves meanwhile has it done all the same.
 *
 * A protocol's state is loaded with the session, and goes along with the first change behind which
 * it is another. If that change meets another one, the state that stands there then is loaded, and
 * all messages since the last one that is done for good are taken again: what they said is thrown
 * away. So nothing is published before the state is written.
 */
#include "fcgi-app/carriers/doing.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/loop.h"
#include "core/base/mem.h"
#include "fcgi-app/carriers/begin.h"
#include "fcgi-app/carriers/places.h"
#include "fcgi-app/carriers/speaker.h"
#include "fcgi-app/endpoints/publish.h"
#include "fcgi-app/rights/asked.h"
#include "fcgi-app/rights/credential.h"

enum {
    FRAMES_MOST = 64, /* are gathered */
    NO_BYTES = 1003,  /* the code with which bytes are refused (RFC 6455 §7.4.1) */
    BROKEN = 1011,    /* and a state that is none, */
    TOO_MUCH = 1009   /* or is too large */
};

struct doing {
    struct app *app;
    const struct doing_carrier *carrier;
    struct speech speech;
    char id[SESSION_ID_TEXT];
    struct client *client; /* NULL: it has left */
    char *who;
    unsigned pulse, ttl;
    const char *bye;
    struct texts messages;
    size_t next; /* of them */
    bool judged; /* the site was asked about it */
    struct step step;
    struct texts frames;      /* that the session gets */
    struct hub_places joined; /* where the channels of the step begin */
    struct hub_places places; /* of the session, as it was seen */
    uint64_t version;
    bool *moving;          /* what the change on its way is to have done: of the step; or NULL */
    struct buf saved;      /* the protocol's state as it stands in Redis at `version` */
    struct buf written;    /* as the change on its way writes it */
    size_t settled;        /* messages that are done for good, ... */
    size_t settled_frames; /* ... and frames that they said */
};

static void go_on(struct doing *doing);
static void refuse_join(struct doing *doing);
static void peek(struct doing *doing);

static struct sessions *sessions_of(const struct doing *doing) {
    return hub_sessions(doing->app->hub);
}

/* ---------------------------------------------------------------------- its end */

static void doing_free(struct doing *doing) {
    free(doing->who);
    identity_free(doing->speech.who);
    texts_free(&doing->messages);
    texts_free(&doing->frames);
    step_free(&doing->step);
    hub_places_free(&doing->joined);
    hub_places_free(&doing->places);
    buf_free(&doing->saved);
    buf_free(&doing->written);
    speech_end(&doing->speech);
    free(doing);
}

static void finish(struct doing *doing, bool known) {
    const struct doing_carrier *carrier = doing->carrier;

    if (doing->client != NULL)
        (known ? carrier->done : carrier->unknown)(doing->client);
    doing_free(doing);
}

static void refuse(struct doing *doing, const struct problem *problem) {
    if (doing->client != NULL)
        app_refuse(doing->app, doing->client, problem);
    doing_free(doing);
}

static void refuse_away(struct doing *doing, const struct session_view *view) {
    struct problem problem;

    if (view != NULL && view->err == ERR_REFUSED)
        problem_later(&problem, 503, 5, "Redis refused: %s", view->why != NULL ? view->why : "");
    else
        problem_later(&problem, 503, 2, "Redis is away");
    refuse(doing, &problem);
}

/* Whether it is over by what Redis says of the session. */
static bool ended_by(struct doing *doing, const struct session_view *view) {
    if (view->err != ERR_OK)
        refuse_away(doing, view);
    else if (view->status == SESSION_GONE || view->status == SESSION_CLOSED)
        finish(doing, false);
    else
        return false;
    return true;
}

/* ------------------------------------------------------------------- the session */

static void on_session_closed(void *ctx, const struct session_view *view) {
    struct doing *doing = ctx;
    (void)view;
    finish(doing, true);
}

/* By its protocol, or by the client. */
static void close_session(struct doing *doing) {
    const struct doing_carrier *carrier = doing->carrier;
    struct buf reason = buf_make(SESSION_REASON_MAX);

    if (doing->step.closes != 0)
        carrier->reason(doing->step.closes, doing->step.reason, &reason);
    else
        buf_text(&reason, doing->bye);
    enum err err = session_close(sessions_of(doing), doing->id,
                                 (struct session_bytes){reason.data, reason.len}, carrier->once,
                                 carrier->ttl, on_session_closed, doing);
    buf_free(&reason);
    if (err != ERR_OK)
        refuse_away(doing, NULL);
}

/* Too much waits for a client that does not fetch it. */
static void close_full(struct doing *doing) {
    doing->app->stats->cut_off++;
    doing->step.closes = 4413;
    doing->step.reason = "too much waits to be fetched (max_backlog)";
    close_session(doing);
}

/* --------------------------------------------------------------------- its state */

/* Whether the protocol has a state. */
static bool has_state(const struct doing *doing) {
    return doing->speech.protocol->state_new != NULL;
}

/* Whether the state is another than in Redis. It is `written` then. */
static bool alters(struct doing *doing) {
    if (!has_state(doing))
        return false;
    buf_clear(&doing->written);
    doing->written.overflow = false;
    speech_save(&doing->speech, &doing->written);
    return doing->written.overflow || doing->written.len != doing->saved.len ||
           (doing->saved.len > 0 &&
            memcmp(doing->written.data, doing->saved.data, doing->saved.len) != 0);
}

/* What was taken until now is not taken again. */
static void settle(struct doing *doing) {
    doing->settled = doing->next;
    doing->settled_frames = doing->frames.count;
}

/* Takes the state of the session, and what is not settled once more. */
static void take_state(struct doing *doing, const struct session_view *view) {
    bool good = speech_load(&doing->speech, view->state.at, view->state.len);

    step_free(&doing->step);
    hub_places_free(&doing->joined);
    texts_cut(&doing->frames, doing->settled_frames);
    doing->next = doing->settled;
    buf_clear(&doing->saved);
    buf_add(&doing->saved, view->state.at, view->state.len);
    if (good)
        return;
    doing->step.closes = BROKEN;
    doing->step.reason = "the session's state is not of this version";
}

/* The state is larger than can be kept between two requests. */
static void close_large(struct doing *doing) {
    doing->step.closes = TOO_MUCH;
    doing->step.reason = "what is kept of the session is too large";
    close_session(doing);
}

static void on_changed(void *ctx, const struct session_view *view) {
    struct doing *doing = ctx;

    if (ended_by(doing, view))
        return;
    if (view->status == SESSION_FULL) {
        close_full(doing);
    } else if (view->status == SESSION_CONFLICT) {
        texts_cut(&doing->frames, doing->settled_frames); /* the change is made anew */
        peek(doing);
    } else {
        if (doing->moving != NULL)
            *doing->moving = false;
        doing->version = view->version;
        buf_clear(&doing->saved);
        buf_add(&doing->saved, doing->written.data, doing->written.len);
        texts_free(&doing->frames);
        settle(doing);
        go_on(doing);
    }
}

/* Gives the session its frames, its state, and with `places` the change of its channels. */
static void change(struct doing *doing, const struct hub_places *add, const char *drop,
                   size_t drop_len) {
    struct session_bytes frames[SESSION_FRAMES_MAX];
    struct buf cursor = buf_make(SESSION_CURSOR_MAX);
    bool moves = add != NULL || drop != NULL, altered = alters(doing);
    const struct session_bytes state = {doing->written.len > 0 ? doing->written.data : "",
                                        doing->written.len};

    if (doing->written.overflow) {
        close_large(doing);
        buf_free(&cursor);
        return;
    }
    doing->moving = !moves ? NULL : add != NULL ? &doing->step.joins : &doing->step.leaves;
    for (size_t i = 0; i < doing->frames.count; i++)
        frames[i].at = texts_at(&doing->frames, i, &frames[i].len);
    if (add != NULL)
        places_put(add, &cursor);
    const struct session_change wanted = {.version = moves || altered ? doing->version : 0,
                                          .state = altered ? state : (struct session_bytes){0},
                                          .add = {cursor.len > 0 ? cursor.data : NULL, cursor.len},
                                          .drop = {drop_len > 0 ? drop : NULL, drop_len},
                                          .frames = frames,
                                          .frame_count = doing->frames.count,
                                          .max_backlog = (size_t)doing->app->config->max_backlog};
    enum err err = session_change(sessions_of(doing), doing->id, &wanted, on_changed, doing);
    buf_free(&cursor);
    if (err != ERR_OK)
        refuse_away(doing, NULL);
}

/* Takes what a step says into the frames that the session gets. */
static void gather(struct doing *doing, const struct texts *said) {
    for (size_t i = 0; i < said->count; i++) {
        struct buf frame = buf_make(SIZE_MAX / 2);
        size_t len;
        const char *text = texts_at(said, i, &len);

        if (doing->carrier->frame != NULL)
            doing->carrier->frame(text, len, texts_is_bytes(said, i), &frame);
        if (doing->carrier->frame != NULL)
            texts_add(&doing->frames, frame.data, frame.len);
        else
            texts_add(&doing->frames, text, len);
        buf_free(&frame);
    }
}

/* What the protocol says of how something ended. */
static void tell(struct doing *doing, const struct outcome *outcome) {
    struct step told = {0};

    if (outcome->problem != NULL)
        app_count(doing->app, outcome->problem);
    doing->speech.protocol->tell(&doing->speech, outcome, &told);
    gather(doing, &told.said);
    if (told.closes != 0) {
        doing->step.closes = told.closes;
        doing->step.reason = told.reason;
    }
    step_free(&told);
}

/* ------------------------------------------------------------------- channels */

/* Where the session stands now is told in the place of this frame, by whoever delivers it. */
static void confirm(struct doing *doing) {
    if (doing->speech.protocol->confirms)
        texts_add(&doing->frames, "", 0);
}

/* Those of the step's channels that the session has not. */
static size_t sort_new(const struct doing *doing, struct hub_channel *fresh) {
    size_t count = 0;

    for (size_t i = 0; i < doing->step.join.count; i++) {
        const struct hub_channel *channel = &doing->step.join.channels[i];
        if (!places_have(&doing->places, channel->name, channel->len))
            fresh[count++] = *channel;
    }
    return count;
}

static void on_beginning(void *ctx, const struct hub_places *places,
                         const struct problem *problem) {
    struct doing *doing = ctx;

    if (places == NULL && problem->status == 429) { /* its visitor's limits: the others are done */
        doing->step.problem = *problem;
        refuse_join(doing);
        go_on(doing);
        return;
    }
    if (places == NULL) {
        refuse(doing, problem);
        return;
    }
    for (size_t i = 0; i < places->count; i++) {
        struct hub_channel *channel = &places->channels[i];
        struct hub_places *joined = &doing->joined;
        joined->channels =
            mem_resize(joined->channels, (joined->count + 1) * sizeof *joined->channels);
        joined->channels[joined->count] = *channel;
        joined->channels[joined->count++].name = mem_copy(channel->name, channel->len);
    }
    peek(doing);
}

/* What is left of the step's places when those that the session has are taken out. */
static struct hub_places still_new(const struct doing *doing, const struct hub_channel *fresh,
                                   size_t count) {
    struct hub_places add = {.channels = mem_new((count + 1) * sizeof *add.channels)};

    for (size_t i = 0; i < doing->joined.count; i++) {
        const struct hub_channel *place = &doing->joined.channels[i];
        const struct hub_places wanted = {.channels = (struct hub_channel *)(uintptr_t)fresh,
                                          .count = count};
        if (places_have(&wanted, place->name, place->len))
            add.channels[add.count++] = *place;
    }
    return add;
}

/* A protocol that wants to know where its channels begin speaks in front of them. */
static void announce(struct doing *doing, const struct hub_places *begin) {
    struct step *step = &doing->step;

    if (!speech_asks(&doing->speech, step))
        return;
    doing->speech.protocol->joined(&doing->speech, begin, step);
    gather(doing, &step->said);
    texts_free(&step->said);
}

/* The step's channels are too many, or too many new ones: its problem is told, and nothing of it is
 * done. */
static void refuse_join(struct doing *doing) {
    struct step *step = &doing->step;

    tell(doing, &(struct outcome){.problem = &step->problem, .ref = step->ref, .joining = true});
    step->joins = step->leaves = step->posts = false;
    step->problem.status = 0;
    if (doing->speech.protocol->joined != NULL)
        texts_free(&step->said);
}

static void join(struct doing *doing) {
    const struct config *config = doing->app->config;
    struct hub_channel *fresh = mem_new((doing->step.join.count + 1) * sizeof *fresh);
    size_t count = sort_new(doing, fresh);

    if (doing->places.count + count > (size_t)config->max_channels) {
        problem_set(&doing->step.problem, 400, "subscribe: the most is %d channels (max_channels)",
                    config->max_channels);
        refuse_join(doing);
        go_on(doing);
    } else if (count > 0 && doing->joined.count == 0) {
        begin_ask(doing->app, doing->who, fresh, count, on_beginning, doing);
    } else {
        struct hub_places add = still_new(doing, fresh, count);
        confirm(doing);
        announce(doing, &add);
        change(doing, &add, NULL, 0);
        free(add.channels);
    }
    free(fresh);
}

/* Joins come before leaves, each with its own answer. */
static void leave(struct doing *doing) {
    const struct order_names *names = &doing->step.leave.names;
    struct buf cursor = buf_make(SESSION_CURSOR_MAX);
    struct hub_places gone = {0};

    gone.channels = mem_new((names->count + 1) * sizeof *gone.channels);
    for (size_t i = 0; i < names->count; i++) {
        const struct hub_channel channel = {
            .name = names->names[i].name, .len = names->names[i].len, .since.kind = SINCE_AT};
        if (!places_have(&gone, channel.name, channel.len) &&
            places_have(&doing->places, channel.name, channel.len))
            gone.channels[gone.count++] = channel;
    }
    places_put(&gone, &cursor);
    confirm(doing);
    change(doing, NULL, cursor.data != NULL ? cursor.data : "", cursor.len);
    buf_free(&cursor);
    free(gone.channels);
}

/* ------------------------------------------------------------------- publishing */

static void on_published(void *ctx, const struct history_posted *posted,
                         const struct problem *problem) {
    struct doing *doing = ctx;

    tell(doing, &(struct outcome){.id = posted->id,
                                  .id_len = posted->id_len,
                                  .at = posted->at,
                                  .problem = problem,
                                  .ref = doing->step.ref});
    go_on(doing);
}

static void publish(struct doing *doing) {
    const struct order_post *post = &doing->step.post;
    const struct publish publish = {.who = doing->who,
                                    .identity = doing->speech.who,
                                    .channel = post->channel,
                                    .channel_len = post->channel_len,
                                    .payload = post->data.at,
                                    .payload_len = post->data.len,
                                    .idempotency = post->key != NULL ? post->key : ""};

    doing->step.posts = false;
    if (!publish_submit(doing->app, &publish, on_published, doing, &doing->step.problem))
        go_on(doing);
}

/* ------------------------------------------------------------------- who speaks */

static bool take(struct doing *doing);

static void refuse_token(struct doing *doing, const struct problem *problem) {
    tell(doing, &(struct outcome){.problem = problem, .ref = doing->step.ref, .renewing = true});
    go_on(doing);
}

/* He may read what the session reads; else it ends. */
static void check_places(struct doing *doing) {
    if (speaker_may_read(doing->app->config, doing->speech.who, &doing->places))
        return;
    doing->step.closes = SPEAKER_FORBIDDEN_CODE;
    doing->step.reason = SPEAKER_FORBIDDEN;
}

static void on_renewed(void *ctx, const struct session_view *view) {
    struct doing *doing = ctx;
    struct problem problem;

    if (ended_by(doing, view))
        return;
    if (view->status == SESSION_FOREIGN) {
        refuse_token(doing, problem_set(&problem, 403, "token: it is for another user"));
        return;
    }
    check_places(doing);
    if (doing->step.again && doing->step.closes == 0) { /* the same text, by who speaks now */
        doing->next--;
        doing->speech.proved = true;
        bool taken = take(doing);
        doing->speech.proved = false;
        if (!taken)
            return;
    } else if (!doing->step.again) {
        tell(doing,
             &(struct outcome){.expires = doing->speech.who->expires, .ref = doing->step.ref});
    }
    go_on(doing);
}

/* Another token is the session's, if it is the same user's. */
static void renew(struct doing *doing) {
    struct step *step = &doing->step;
    struct problem problem;

    step->renews = false;
    if (!credentials_renew(doing->app->credentials, &doing->speech.who, step->token,
                           ev_now(doing->app->loop), &problem)) {
        refuse_token(doing, &problem);
        return;
    }
    struct buf words = buf_make(SESSION_WHO_MAX), reason = buf_make(SESSION_REASON_MAX);
    doing->carrier->reason(SPEAKER_EXPIRED_CODE, SPEAKER_EXPIRED, &reason);
    const struct session_who who =
        speaker_words(doing->speech.who, (struct session_bytes){reason.data, reason.len}, &words);
    enum err err = session_renew(sessions_of(doing), doing->id, &who, on_renewed, doing);
    buf_free(&words);
    buf_free(&reason);
    if (err != ERR_OK)
        refuse_away(doing, NULL);
}

/* ---------------------------------------------------------------------- steps */

/* What the protocol makes of the next message. Its text stays where it is until all is done. */
static void make_step(struct doing *doing) {
    const struct protocol *protocol = doing->speech.protocol;
    bool bytes = texts_is_bytes(&doing->messages, doing->next);
    size_t len;
    const char *text = texts_at(&doing->messages, doing->next++, &len);

    step_free(&doing->step);
    hub_places_free(&doing->joined);
    doing->speech.now = (uint64_t)(ev_now(doing->app->loop) * 1000);
    if (!bytes) {
        protocol->take(&doing->speech, text, len, &doing->step);
        if (doing->step.joins && doing->step.join.patterns.count > 0) {
            problem_set(&doing->step.problem, 400, "pattern: a session that polls has none");
            doing->step.joins = doing->step.leaves = doing->step.posts = false;
        }
    } else if (protocol->take_bytes != NULL) {
        protocol->take_bytes(&doing->speech, text, len, &doing->step);
    } else {
        doing->step.closes = NO_BYTES;
        doing->step.reason = "messages must be text";
    }
}

static struct asked *asked_of(const struct doing *doing) {
    return identity_asked(doing->speech.who);
}

/* The message is taken as if it were the first time. */
static void on_said(void *ctx) {
    struct doing *doing = ctx;

    if (take(doing))
        go_on(doing);
}

/* Whether the step is there; else the site is asked first, and the message taken again. */
static bool take(struct doing *doing) {
    struct buf state = buf_make(SIZE_MAX / 2);

    if (asked_of(doing) != NULL)
        speech_save(&doing->speech, &state);
    asked_begin(asked_of(doing));
    make_step(doing);
    bool waits = asked_lacks(asked_of(doing)) && !doing->step.renews;
    if (waits) {
        step_free(&doing->step);
        doing->next--;
        if (has_state(doing))
            (void)!speech_load(&doing->speech, state.data, state.len);
        bool more = doing->judged;
        doing->judged = true;
        asked_ask(asked_of(doing), more, on_said, doing);
    } else {
        doing->judged = false;
        doing->app->stats->requests++;
    }
    buf_free(&state);
    return !waits;
}

/* What is said of a mistake, and what the step itself says. */
static void say(struct doing *doing) {
    struct step *step = &doing->step;

    if (step->problem.status != 0)
        tell(doing, &(struct outcome){.problem = &step->problem, .ref = step->ref});
    gather(doing, &step->said);
    step->problem.status = 0;
    texts_free(&step->said);
}

/* What is done in Redis before the next thing: whether there is anything. */
static bool flush(struct doing *doing) {
    if (doing->frames.count == 0 && !alters(doing))
        return false;
    change(doing, NULL, NULL, 0);
    return true;
}

static void end(struct doing *doing) {
    if (doing->step.closes != 0 || doing->bye != NULL)
        close_session(doing);
    else
        finish(doing, true);
}

/* Does the next thing. Each thing that is asked for comes back here. */
static void go_on(struct doing *doing) {
    struct step *step = &doing->step;

    for (;;) {
        if (step->renews) {
            renew(doing);
            return;
        }
        bool moves = step->joins || step->leaves;
        if (moves) { /* a state is written with the change that it belongs to */
            if (has_state(doing) || !flush(doing))
                peek(doing);
            return;
        }
        if (step->posts && step->problem.status == 0) {
            if (!alters(doing) || !flush(doing))
                publish(doing);
            return;
        }
        say(doing);
        bool last = doing->next == doing->messages.count || step->closes != 0;
        if ((last || doing->frames.count >= FRAMES_MOST) && flush(doing))
            return;
        if (last) {
            end(doing);
            return;
        }
        if (!alters(doing))
            settle(doing);
        if (!take(doing))
            return;
    }
}

/* The session as it is: to begin with, and for a change of its channels. */
static void on_peeked(void *ctx, const struct session_view *view) {
    struct doing *doing = ctx;

    if (ended_by(doing, view))
        return;
    if (!speaker_take(doing->app, &doing->speech.who, view, true)) {
        finish(doing, false);
        return;
    }
    bool other = doing->version != view->version;
    doing->version = view->version;
    hub_places_free(&doing->places);
    places_follow(&doing->places, view->cursor);
    if (has_state(doing) && other)
        take_state(doing, view);
    if (doing->step.joins)
        join(doing);
    else if (doing->step.leaves)
        leave(doing);
    else
        go_on(doing);
}

static void peek(struct doing *doing) {
    const struct session_change nothing = {.version = SESSION_PEEK};

    if (session_change(sessions_of(doing), doing->id, &nothing, on_peeked, doing) != ERR_OK)
        refuse_away(doing, NULL);
}

/* -------------------------------------------------------------------- its beginning */

static void on_gone(void *ctx) {
    struct doing *doing = ctx;

    client_drop(doing->client);
    doing->client = NULL;
}

static const struct client_events doing_events = {.gone = on_gone};

/* The pong is known; it is all that many a request brings. */
static void on_beaten(void *ctx, const struct session_view *view) {
    struct doing *doing = ctx;

    if (ended_by(doing, view))
        return;
    if (doing->messages.count > 0 || doing->bye != NULL)
        peek(doing);
    else
        finish(doing, true);
}

static void beat(struct doing *doing) {
    const struct session_change pong = {.pulse = doing->pulse, .ttl = doing->ttl};

    if (session_change(sessions_of(doing), doing->id, &pong, on_beaten, doing) != ERR_OK)
        refuse_away(doing, NULL);
}

static void on_up(void *ctx, bool up) {
    struct doing *doing = ctx;

    if (!up)
        refuse_away(doing, NULL);
    else if (doing->pulse > 0)
        beat(doing);
    else
        peek(doing);
}

void doing_begin(const struct doing_request *request, struct texts *messages) {
    struct doing *doing = mem_new(sizeof *doing);

    *doing = (struct doing){.app = request->app,
                            .carrier = request->carrier,
                            .speech = request->speech,
                            .client = request->client,
                            .who = mem_string(request->who),
                            .pulse = request->pulse,
                            .ttl = request->ttl,
                            .bye = request->bye,
                            .messages = *messages,
                            .saved = buf_make(SESSION_STATE_MAX),
                            .written = buf_make(SESSION_STATE_MAX)};
    doing->speech.who = identity_hold(request->speech.who);
    memcpy(doing->id, request->id, sizeof doing->id);
    *messages = (struct texts){0};
    client_watch(doing->client, &doing_events, doing);
    hub_when_up(request->app->hub, request->app->config->redis_timeout, on_up, doing);
}
