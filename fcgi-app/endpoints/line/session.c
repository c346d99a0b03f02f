/*
 * A session of the line feed: commands (protocols/line.c), each answered by a line, in the order
 * in which they were said; or, if the first line is `json`, what a browser says on its WebSocket
 * (protocols/halley.c), answered as there.
 *
 * Until its first line a session is nobody's; then the hub holds its client in a waiter, like
 * any stream. To change the channels the waiter is released, which tells where it stands, and
 * the client is held again from there: when that begins, `OK` is said in front of what the
 * channels are owed, and the next line is taken. Publishes do not wait for one another, but
 * everything else waits until they are answered; so answers need no number. A line with patterns
 * is taken when it is known what they stand for. Who says more than can be done is not refused, as
 * on a WebSocket (carriers/talk.c): his lines are not taken yet, and TCP slows him down.
 */
#include "fcgi-app/endpoints/line/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/loop.h"
#include "core/base/mem.h"
#include "core/data/wildcard.h"
#include "fcgi-app/door/line/line_client.h"
#include "fcgi-app/endpoints/publish.h"
#include "fcgi-app/endpoints/watching.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/protocols/command.h"
#include "fcgi-app/protocols/protocols.h"
#include "fcgi-app/rights/credential.h"
#include "fcgi-app/rights/limits.h"
#include "fcgi-app/rights/rights.h"
#include "fcgi-app/transports/line.h"

enum { PUBLISHES_MAX = 64, BATCH_LIMIT = 100 /* messages in a batch */ };

enum manner {
    UNKNOWN, /* nothing was said yet */
    WORDS,
    JSON
};

struct line_serving {
    struct app *app;
    struct ring sessions; /* that have a client */
};

struct session {
    struct hub_holder holder; /* first: the hub's callback gets this */
    struct app *app;
    struct ring ring;
    struct client *client; /* NULL once it is closed */
    enum manner manner;
    struct speech speech;        /* what is spoken from the first line on; before it, words */
    bool begun;                  /* the hub knows where the session stands */
    bool changed;                /* by the line that is first; what it publishes is left */
    size_t channels;             /* how many there are */
    struct ev_timer expiry;      /* of what says who speaks */
    struct identity_watch watch; /* at that; ... */
    bool news;                   /* ... something was told of it, and is to be looked at */
    struct posting *posts;       /* not answered yet, in order */
    unsigned publishing;         /* how many; each keeps the session */
    unsigned asking;             /* what patterns of the line that is first stand for; likewise */
    bool unknown;                /* and it was not told */
    char *who;
};

/* A publish that is not answered yet. */
struct posting {
    struct posting *prev, *next;
    struct session *session;
    struct buf answer;     /* empty: Redis has yet to say */
    struct scan_value ref; /* in the same memory */
    char text[];
};

static void session_free_if_done(struct session *session) {
    if (session->client != NULL || session->publishing > 0 || session->asking > 0)
        return;
    identity_look(NULL, &session->watch);
    identity_free(session->speech.who);
    free(session->who);
    free(session);
}

/* Sends texts, a line each. */
static void say(struct session *session, const struct texts *texts) {
    for (size_t i = 0; session->client != NULL && i < texts->count; i++) {
        size_t len;
        const char *text = texts_at(texts, i, &len);
        line_client_say(session->client, text, len);
        line_client_say(session->client, "\n", 1);
    }
}

/* Appends what is said of an outcome. */
static void put_outcome(const struct session *session, const struct outcome *outcome,
                        struct buf *out) {
    struct step told = {0};

    session->speech.protocol->tell(&session->speech, outcome, &told);
    for (size_t i = 0; i < told.said.count; i++) {
        size_t len;
        const char *text = texts_at(&told.said, i, &len);
        buf_add(out, text, len);
        buf_char(out, '\n');
    }
    step_free(&told);
}

/* ----------------------------------------------------------------- channels */

/* Has the hub hold the client at these places. The client may be ending afterwards. */
static void hold(struct session *session, const struct hub_places *places, bool answer) {
    unsigned variant = (session->manner == JSON ? LINE_JSON : 0U) | (answer ? LINE_ANSWER : 0U);
    struct hub_read read = {.transport = transport_find("line"),
                            .options = {.config = session->app->config, .variant = variant},
                            .channels = places->channels,
                            .channel_count = places->count,
                            .limit = BATCH_LIMIT,
                            .ends = places->ends,
                            .renews = true,
                            .who = session->speech.who,
                            .address = session->who};
    struct problem problem;

    session->begun = false;
    session->channels = places->count;
    if (!hub_hold(session->app->hub, session->client, &read, &session->holder, &problem))
        app_refuse(session->app, session->client, &problem);
}

static void begin(struct session *session, enum manner manner) {
    static const struct hub_places nowhere;

    session->manner = manner;
    session->speech.protocol = manner == JSON ? &protocol_halley : &protocol_line;
    hold(session, &nowhere, false);
}

/* Joins and leaves what the step says, unless its problem says why not. */
static void change(struct session *session, struct step *step, bool answer) {
    struct hub *hub = session->app->hub;

    if (session->holder.waiter == NULL) /* it is ending */
        return;
    if (!hub_redis_hopeful(hub)) { /* it stays where it is */
        hub_explain(hub, &step->problem, "Redis is away");
        return;
    }
    if (step->joins &&
        !limits_read(hub_limits(hub), session->who, ev_now(session->app->loop), &step->problem))
        return;
    if (step->joins && !watching_admits(session->app, session->who, &step->join, &step->problem))
        return;
    struct hub_places places = hub_release(session->holder.waiter);
    bool done = !step->joins || watching_add(session->app, session->speech.who, &step->join,
                                             &places, &step->problem);
    if (done && step->leaves)
        change_drop(&step->leave, &places);
    hold(session, &places, answer && done);
    hub_places_free(&places);
}

/* --------------------------------------------------------------- publishing */

static struct posting *posting_new(struct session *session, struct scan_value ref) {
    struct posting *posting = mem_new(sizeof *posting + ref.len);

    posting->session = session;
    posting->answer = buf_make(SIZE_MAX / 2);
    if (ref.at != NULL)
        posting->ref = (struct scan_value){memcpy(posting->text, ref.at, ref.len), ref.len};
    DL_APPEND(session->posts, posting);
    session->publishing++;
    return posting;
}

/* Says what is known, up to the first publish that is not answered yet; in JSON they have
 * references, and are told as they come. The session may be gone afterwards. */
static void say_answers(struct session *session) {
    struct posting *posting, *next;

    DL_FOREACH_SAFE (session->posts, posting, next) {
        if (posting->answer.len == 0 && session->manner != JSON)
            break;
        if (posting->answer.len == 0)
            continue;
        DL_DELETE(session->posts, posting);
        if (session->client != NULL)
            line_client_say(session->client, posting->answer.data, posting->answer.len);
        buf_free(&posting->answer);
        free(posting);
        session->publishing--;
    }
    if (session->client != NULL)
        line_client_go_on(session->client);
    session_free_if_done(session);
}

static void on_published(void *ctx, const struct history_posted *posted,
                         const struct problem *problem) {
    struct posting *posting = ctx;
    struct session *session = posting->session;
    struct outcome outcome = {.problem = problem, .ref = posting->ref};

    if (problem != NULL) {
        app_count(session->app, problem);
    } else {
        outcome.id = posted->id;
        outcome.id_len = posted->id_len;
        outcome.at = posted->at;
    }
    put_outcome(session, &outcome, &posting->answer);
    say_answers(session);
}

/* Publishes, or tells the step's problem in the place of its answer. */
static void publish(struct session *session, struct step *step) {
    const struct order_post *post = &step->post;
    const struct publish publish = {.who = session->who,
                                    .identity = session->speech.who,
                                    .channel = post->channel,
                                    .channel_len = post->channel_len,
                                    .payload = post->data.at,
                                    .payload_len = post->data.len,
                                    .idempotency = post->key != NULL ? post->key : ""};
    struct posting *posting = posting_new(session, step->ref);

    if (step->problem.status != 0 ||
        !publish_submit(session->app, &publish, on_published, posting, &step->problem))
        on_published(posting, NULL, &step->problem);
}

/* ------------------------------------------------------------------ lines */

/* The client goes from the hub, which may hold it. */
static void on_let_go(void *ctx) {
    struct session *session = ctx;

    if (session->holder.waiter == NULL)
        return;
    struct hub_places places = hub_release(session->holder.waiter);
    hub_places_free(&places);
}

static void finish(struct session *session) {
    on_let_go(session);
    client_finish(session->client, NULL, NULL, 0);
}

static void tell_problem(struct session *session, const struct step *step) {
    const struct outcome outcome = {.problem = &step->problem, .ref = step->ref};
    struct buf text = buf_make(SIZE_MAX / 2);

    app_count(session->app, &step->problem);
    put_outcome(session, &outcome, &text);
    line_client_say(session->client, text.data, text.len);
    buf_free(&text);
}

/* ------------------------------------------------------------------ who speaks */

#define LOOK_AGAIN 0.02 /* seconds */

/* The feed ends, and says why. */
static void end_with(struct session *session, int status, const char *detail) {
    struct problem problem;

    on_let_go(session);
    app_refuse(session->app, session->client, problem_set(&problem, status, "%s", detail));
}

static void set_expiry(struct session *session);

/* Has run out; or there was news of it, and between two holds what is read is looked at later. */
static void on_expiry(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct session *session = timer->data;
    const struct identity *who = session->speech.who;
    const struct waiter *waiter = session->holder.waiter;
    bool news = session->news;
    (void)events;

    session->news = news && waiter == NULL;
    if (who->expires <= ev_now(loop))
        end_with(session, 401, who->revoked ? "token: it was revoked" : "token: it has expired");
    else if (news && waiter != NULL && hub_banned(waiter))
        end_with(session, 403, "channel: one is not allowed any more");
    else
        set_expiry(session);
}

/* Looked at when whoever tells the news is done. */
static void on_news(struct identity_watch *watch) {
    struct session *session = RING_OF(watch, struct session, watch);

    session->news = true;
    if (session->client != NULL)
        set_expiry(session);
}

static void set_expiry(struct session *session) {
    struct ev_loop *loop = session->app->loop;
    const double longest = 86400; /* the feed has ended by then anyway */
    double left = session->news ? LOOK_AGAIN : session->speech.who->expires - ev_now(loop);

    ev_timer_stop(loop, &session->expiry);
    ev_timer_set(&session->expiry, left < 0 ? 0 : left < longest ? left : longest, 0);
    ev_timer_start(loop, &session->expiry);
}

/* The channels are held for who speaks now. False: one of them is no longer his. */
static bool hold_anew(struct session *session) {
    const struct config *config = session->app->config;
    bool may = true;

    if (session->holder.waiter == NULL)
        return true;
    struct hub_places places = hub_release(session->holder.waiter);
    for (size_t i = 0; may && i < places.count; i++) {
        const struct hub_channel *channel = &places.channels[i];
        may =
            wildcard_is(channel->name, channel->len) ||
            rights_may(config, session->speech.who, RIGHTS_SUBSCRIBE, channel->name, channel->len);
    }
    hold(session, &places, false);
    hub_places_free(&places);
    return may;
}

static void renew(struct session *session, struct step *step) {
    struct app *app = session->app;
    struct buf text = buf_make(SIZE_MAX / 2);

    identity_look(NULL, &session->watch);
    bool good = credentials_renew(app->credentials, &session->speech.who, step->token,
                                  ev_now(app->loop), &step->problem);
    identity_look(session->speech.who, &session->watch);
    if (!good) {
        tell_problem(session, step);
        return;
    }
    set_expiry(session);
    const struct outcome renewed = {.expires = session->speech.who->expires, .ref = step->ref};
    put_outcome(session, &renewed, &text);
    line_client_say(session->client, text.data, text.len);
    buf_free(&text);
    if (session->client != NULL && !hold_anew(session))
        end_with(session, 403, "a channel is not allowed any more");
}

/* What stands behind a change of channels. */
static void take_rest(struct session *session, struct step *step) {
    if (step->posts)
        publish(session, step);
    else if (step->problem.status != 0)
        tell_problem(session, step);
    say(session, &step->said);
    if (step->closes != 0)
        finish(session);
}

/* Whether it can be done now. */
static bool is_now(const struct session *session, const struct step *step) {
    bool posts = step->posts && !step->joins && !step->leaves;
    return session->manner == JSON || posts ? session->publishing < PUBLISHES_MAX
                                            : session->publishing == 0;
}

static void on_known(void *ctx, bool known) {
    struct session *session = ctx;

    session->asking--;
    session->unknown = !known;
    if (session->client == NULL)
        session_free_if_done(session);
    else if (session->asking == 0)
        line_client_go_on(session->client);
}

/* Whether the step has to wait until it is known what its patterns stand for. */
static bool asks_patterns(struct session *session, const struct step *step) {
    if (!step->joins || session->changed || session->unknown ||
        watching_knows(session->app, &step->join))
        return false;
    session->asking++;
    watching_ask(session->app, &step->join, on_known, session);
    return session->asking > 0;
}

/* False: not now; then a change of channels may be done that the step's publish waits for. */
static bool take_step(struct session *session, struct step *step) {
    struct problem problem = step->problem;

    if (!is_now(session, step))
        return false;
    if ((step->joins || step->leaves) && !session->changed) {
        step->problem.status = 0;
        change(session, step, !step->posts && problem.status == 0);
        if (step->problem.status != 0) {
            tell_problem(session, step);
            return true;
        }
        step->problem = problem;
        session->changed = step->posts;
        if (session->changed)
            return false;
    }
    session->changed = false;
    take_rest(session, step);
    return true;
}

static bool take(struct session *session, const char *text, size_t len) {
    struct step step = {0};

    if (session->manner == UNKNOWN) {
        bool json = command_is_json(text, len);
        begin(session, json ? JSON : WORDS);
        return json;
    }
    if (!session->begun || session->asking > 0)
        return false;
    if (len == 0)
        return true;
    session->speech.protocol->take(&session->speech, text, len, &step);
    bool taken = step.renews ? is_now(session, &step)
                             : !asks_patterns(session, &step) && take_step(session, &step);
    if (step.renews && taken)
        renew(session, &step);
    step_free(&step);
    session->unknown = session->unknown && !taken;
    return taken;
}

static bool on_line(void *ctx, const char *text, size_t len) {
    struct session *session = ctx;
    bool taken = take(session, text, len);

    session->app->stats->requests += taken;
    return taken;
}

static void on_silent(void *ctx) {
    struct session *session = ctx;
    if (session->manner == UNKNOWN)
        begin(session, WORDS);
}

static bool on_answered(void *ctx) {
    const struct session *session = ctx;
    return session->manner == UNKNOWN ||
           (session->begun && session->publishing == 0 && session->asking == 0);
}

/* Who reads on stays; who is gone is found out by sending him something. */
static bool on_ended(void *ctx) {
    static const char ping[] = "PING\n";
    struct session *session = ctx;

    if (!on_answered(session))
        return false;
    if (session->channels == 0)
        finish(session);
    else if (session->manner == WORDS)
        line_client_say(session->client, ping, sizeof ping - 1);
    return true;
}

static void on_tell(void *ctx, const struct problem *problem, struct buf *out) {
    put_outcome(ctx, &(struct outcome){.problem = problem}, out);
}

static void on_closed(void *ctx) {
    struct session *session = ctx;

    ring_remove(&session->ring);
    ev_timer_stop(session->app->loop, &session->expiry);
    session->client = NULL;
    session_free_if_done(session);
}

static void on_begun(struct hub_holder *holder) {
    struct session *session = (struct session *)holder;
    session->begun = true;
    line_client_go_on(session->client);
}

static const struct line_events session_events = {.line = on_line,
                                                  .silent = on_silent,
                                                  .ended = on_ended,
                                                  .answered = on_answered,
                                                  .let_go = on_let_go,
                                                  .tell = on_tell,
                                                  .closed = on_closed};

/* ---------------------------------------------------------------- all of them */

static void on_connection(void *ctx, int fd, const char *who) {
    struct line_serving *serving = ctx;
    struct app *app = serving->app;
    struct line_limits limits = {.max_queue = (size_t)app->config->max_backlog,
                                 .silence = 3.0 * app->config->keepalive,
                                 .patience = app->config->request_timeout,
                                 .origins = app->config->origins};
    struct session *session = mem_new(sizeof *session);

    session->app = app;
    session->holder.begun = on_begun;
    ev_timer_init(&session->expiry, on_expiry, 0, 0);
    session->expiry.data = session;
    session->watch.news = on_news;
    session->speech =
        (struct speech){.protocol = &protocol_line, .argument = "", .config = app->config};
    session->who = mem_string(who);
    ring_add(&serving->sessions, &session->ring);
    session->client = line_client_new(app->loop, app->stats, fd, &limits, &session_events, session);
}

struct line_serving *line_serving_new(struct app *app) {
    struct line_serving *serving = mem_new(sizeof *serving);

    serving->app = app;
    ring_init(&serving->sessions);
    return serving;
}

struct line_taker line_serving_taker(struct line_serving *serving) {
    return (struct line_taker){on_connection, serving};
}

void line_serving_end(struct line_serving *serving) {
    struct ring *at, *next;

    for (at = serving->sessions.next; at != &serving->sessions; at = next) {
        struct session *session = RING_OF(at, struct session, ring);
        next = at->next;
        on_silent(session); /* which is told why it cannot begin */
    }
}

void line_serving_free(struct line_serving *serving) {
    if (serving == NULL)
        return;
    while (!ring_empty(&serving->sessions))
        client_drop(RING_OF(serving->sessions.next, struct session, ring)->client);
    free(serving);
}
