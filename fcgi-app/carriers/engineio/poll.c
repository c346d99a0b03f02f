/*
 * A poll of a session in Redis: what the rules (rules.c) say, done. To the hub it is a client like
 * any, of which the hub notices only whether it is still there: whatever is to be sent is handed
 * over to the poll, marked in Redis, and sent from here as one payload.
 *
 * What is due, a ping or the time for the pong of the last one, a timer tells while the poll is
 * held; where nobody polls there is none.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/engineio/_engineio.h"
#include "fcgi-app/carriers/engineio/rules.h"
#include "fcgi-app/carriers/places.h"
#include "fcgi-app/transports/engineio.h"

#define LONGEST 86400.0 /* seconds in the hub: it ends by a ping long before */

struct poll {
    struct hub_holder holder;            /* first: the hub's callbacks get this */
    struct client face;                  /* what the hub takes for the client */
    const struct client_events *watcher; /* the hub, while it waits there */
    void *watcher_ctx;
    struct engineio *engineio;
    const struct service *service;
    struct speech speech;
    char *address; /* the client's */
    struct poll_rules rules;
    uint64_t number; /* of the hold, among this process's */
    char id[SESSION_ID_TEXT];
    struct client *client;    /* the browser's; NULL: it is gone */
    uint64_t version;         /* of the session, as it was seen */
    struct hub_places places; /* where it stands, while it is not in the hub */
    struct texts frames;      /* of its own, to be sent: packets; "": it stands here now */
    struct buf messages;      /* packets that the hub had for it */
    struct buf payload;       /* that waits for Redis to have marked it */
    bool pong;                /* what falls due is the pong of a ping that was sent */
    bool broken;     /* the protocol's state is none of this version's, or a channel not allowed */
    double deadline; /* of the protocol, or of who speaks, Unix milliseconds; 0: none */
    struct ev_timer due, word;
    struct identity_watch watch; /* at who speaks */
    UT_hash_handle hh;
};

static void act(struct poll *poll, enum poll_act what);

static struct sessions *sessions_of(const struct poll *poll) {
    return hub_sessions(poll->engineio->app->hub);
}

/* ---------------------------------------------------------------------- its end */

static void poll_free(struct poll *poll) {
    struct ev_loop *loop = poll->engineio->app->loop;

    ev_timer_stop(loop, &poll->due);
    ev_timer_stop(loop, &poll->word);
    HASH_DEL(poll->engineio->polls, poll);
    hub_places_free(&poll->places);
    texts_free(&poll->frames);
    buf_free(&poll->messages);
    buf_free(&poll->payload);
    speech_end(&poll->speech);
    identity_look(NULL, &poll->watch);
    identity_free(poll->speech.who);
    free(poll->address);
    free(poll);
}

/* The browser's side, which is the caller's now. */
static struct client *give_client(struct poll *poll) {
    struct client *client = poll->client;
    poll->client = NULL;
    return client;
}

static void say(struct poll *poll, const char *payload, size_t len) {
    if (poll->rules.owns)
        session_release(sessions_of(poll), poll->id, poll->number, wire_life(poll->service), NULL,
                        NULL);
    wire_payload(give_client(poll), payload, len);
}

static void say_unknown(struct poll *poll) {
    wire_refuse(poll->engineio->app, give_client(poll), ENGINEIO_SESSION);
}

static void refuse(struct poll *poll, const struct problem *problem) {
    app_refuse(poll->engineio->app, give_client(poll), problem);
}

static void say_away(struct poll *poll, const struct session_view *view) {
    struct problem problem;
    wire_away(view, &problem);
    refuse(poll, &problem);
}

/* A client whose poll breaks off gives the session up. */
static void vanish(struct poll *poll) {
    static const struct session_bytes reason = {ENGINEIO_HELD, sizeof ENGINEIO_HELD - 1};

    if (poll->rules.owns)
        (void)!session_close(sessions_of(poll), poll->id, reason, false, 0, NULL, NULL);
}

/* -------------------------------------------------------------- what Redis tells */

static double now_ms(const struct poll *poll) {
    return ev_now(poll->engineio->app->loop) * 1000;
}

/* The session ends with what its protocol allows, and with its user's token. */
static double deadline_of(const struct poll *poll) {
    double ends = poll->speech.who != NULL ? poll->speech.who->expires * 1000 : 0;
    return identity_sooner((double)speech_deadline(&poll->speech), ends);
}

/* When something is to be done though nobody says anything. */
static void set_due(struct poll *poll, int64_t ping) {
    struct ev_loop *loop = poll->engineio->app->loop;
    double after = (double)(ping < 0 ? poll->service->ping_timeout : ping);

    poll->pong = ping < 0;
    poll->deadline = deadline_of(poll);
    if (poll->deadline > 0 && poll->deadline - now_ms(poll) < after)
        after = poll->deadline - now_ms(poll);
    ev_timer_stop(loop, &poll->due);
    ev_timer_set(&poll->due, after > 0 ? after / 1000 : 0, 0);
    ev_timer_start(loop, &poll->due);
}

/* Who speaks is what the session says, and is watched from now on. */
static void take_speaker(struct poll *poll, const struct session_view *view) {
    identity_look(NULL, &poll->watch);
    (void)speaker_take(poll->engineio->app, &poll->speech.who, view, false);
    identity_look(poll->speech.who, &poll->watch);
}

/* Takes what stands in the session: what is to be sent of its own, and where it stands. */
static void take_view(struct poll *poll, const struct session_view *view) {
    bool anew = view->status == SESSION_CHANGED;

    poll->version = view->version;
    poll->broken = !speech_load(&poll->speech, view->state.at, view->state.len);
    take_speaker(poll, view);
    if (anew) /* nothing was marked: the messages come again */
        hub_places_free(&poll->places);
    places_follow(&poll->places, view->cursor);
    if (!speaker_keeps(poll->engineio->app->config, poll->speech.who, view, &poll->places))
        poll->broken = true;
    buf_clear(&poll->messages);
    texts_free(&poll->frames);
    for (size_t i = 0; i < view->frame_count; i++)
        texts_add(&poll->frames, view->frames[i].at, view->frames[i].len);
    set_due(poll, view->ping);
}

static const struct session_bytes ended = {ENGINEIO_ENDED, sizeof ENGINEIO_ENDED - 1};

/* It would wait for messages that it may not have: the session ends, and says so where it is looked
 * at behind that. */
static enum poll_act shut(struct poll *poll) {
    (void)!session_close(sessions_of(poll), poll->id, ended, true, 0, NULL, NULL);
    return poll_rules_word(&poll->rules);
}

static void on_told(void *ctx, const struct session_view *view) {
    struct poll *poll = ctx;

    if (view->err == ERR_OK && (view->status == SESSION_HELD || view->status == SESSION_CHANGED))
        take_view(poll, view);
    enum poll_act what = poll_rules_told(&poll->rules, view);
    if (poll->broken && what == POLL_WAIT)
        what = shut(poll);
    if (what == POLL_AWAY) {
        say_away(poll, view);
        poll_free(poll);
    } else {
        act(poll, what);
    }
}

/* --------------------------------------------------------------------- answering */

static void put_frames(const struct poll *poll, struct buf *payload) {
    for (size_t i = 0; i < poll->frames.count; i++) {
        size_t len;
        const char *frame = texts_at(&poll->frames, i, &len);
        if (len > 0)
            wire_add(frame, len, payload);
        else
            wire_place(&poll->speech, &poll->places, payload);
    }
}

/* Has Redis mark what is about to be sent. */
static enum err mark(struct poll *poll) {
    struct buf cursor = buf_make(SESSION_CURSOR_MAX);

    buf_clear(&poll->payload);
    if (poll->rules.ping)
        wire_add("2", 1, &poll->payload);
    put_frames(poll, &poll->payload);
    wire_add(poll->messages.data, poll->messages.len, &poll->payload);
    places_put(&poll->places, &cursor);
    const struct session_answer answer = {
        .number = poll->number,
        .version = poll->version,
        .cursor = {cursor.data != NULL ? cursor.data : "", cursor.len},
        .frames = poll->frames.count,
        .ttl = wire_life(poll->service),
        .together = true,
        .pong_within = poll->rules.ping ? (unsigned)poll->service->ping_timeout : 0};
    enum err err = session_answer(sessions_of(poll), poll->id, &answer, on_told, poll);
    buf_free(&cursor);
    return err;
}

/* --------------------------------------------------------------------- the hub */

static void on_begun(struct hub_holder *holder) {
    (void)holder;
}

/* The packets of a batch; what several wait for is rendered once. */
static void put_batch(struct poll *poll, struct batch *batch) {
    const struct transport_options options = {.variant = engineio_variant(poll->speech.protocol),
                                              .speech = &poll->speech};
    unsigned key = transport_engineio.shared(&options, batch);
    const struct buf *kept =
        key != TRANSPORT_OWN ? batch_kept(batch, &transport_engineio, key) : NULL;
    struct buf own = buf_make(SIZE_MAX / 2);

    if (kept == NULL) {
        transport_engineio.render(&options, batch, &own);
        kept = key != TRANSPORT_OWN ? batch_keep(batch, &transport_engineio, key, &own) : NULL;
    }
    if (kept == NULL)
        kept = &own;
    buf_add(&poll->messages, kept->data, kept->len);
    buf_free(&own);
}

static void on_taken(struct hub_holder *holder, struct batch *batch, struct hub_places *places) {
    struct poll *poll = (struct poll *)holder;
    bool empty = batch == NULL || (batch_size(batch) == 0 && !batch_has_gap(batch));

    poll->watcher = NULL;
    hub_places_free(&poll->places);
    poll->places = *places;
    if (!empty)
        put_batch(poll, batch);
    act(poll, poll_rules_taken(&poll->rules, empty                     ? POLL_TAKEN_EMPTY
                                             : poll->messages.len == 0 ? POLL_TAKEN_MUTE
                                                                       : POLL_TAKEN_FULL));
}

static void wait_in_hub(struct poll *poll) {
    struct hub *hub = poll->engineio->app->hub;
    const struct hub_read read = {.transport = &transport_engineio_poll,
                                  .options = {.config = poll->engineio->app->config,
                                              .variant = engineio_variant(poll->speech.protocol)},
                                  .channels = poll->places.channels,
                                  .channel_count = poll->places.count,
                                  .limit = ENGINEIO_LIMIT,
                                  .timeout = LONGEST,
                                  .renews = true, /* what `due` minds, and `watch` */
                                  .who = poll->speech.who,
                                  .address = poll->address};
    struct problem problem;

    if (hub_hold(hub, &poll->face, &read, &poll->holder, &problem))
        return;
    poll->rules.phase = POLL_OVER;
    if (hub_draining(hub)) {
        say(poll, "6", 1);
    } else {
        session_release(sessions_of(poll), poll->id, poll->number, wire_life(poll->service), NULL,
                        NULL);
        refuse(poll, &problem);
    }
    poll_free(poll);
}

/* Out of the hub, with where it stands there. */
static void leave_hub(struct poll *poll) {
    if (poll->holder.waiter == NULL)
        return;
    hub_places_free(&poll->places);
    poll->places = hub_release(poll->holder.waiter);
    poll->watcher = NULL;
}

/* --------------------------------------------------------------------- its acts */

static enum err attach(struct poll *poll) {
    struct buf words = buf_make(SESSION_WHO_MAX);
    const struct session_attach attach = {.number = poll->number,
                                          .policy = SESSION_BOTH,
                                          .confirm = SESSION_NEXT,
                                          .reason = {ENGINEIO_HELD, sizeof ENGINEIO_HELD - 1},
                                          .who = speaker_words(poll->speech.who, ended, &words),
                                          .ttl = wire_life(poll->service)};
    enum err err = session_attach(sessions_of(poll), poll->id, &attach, on_told, poll);
    buf_free(&words);
    return err;
}

static enum err peek(struct poll *poll) {
    const struct session_change nothing = {.version = SESSION_PEEK};
    return session_change(sessions_of(poll), poll->id, &nothing, on_told, poll);
}

static enum err ask(struct poll *poll, enum poll_act what) {
    switch (what) {
    case POLL_ATTACH:
        return attach(poll);
    case POLL_LOOK:
        return session_look(sessions_of(poll), poll->id, poll->number, on_told, poll);
    case POLL_MARK:
        return mark(poll);
    default:
        return peek(poll);
    }
}

/* The last thing that is said. */
static void end(struct poll *poll, enum poll_act what) {
    if (what == POLL_SEND)
        say(poll, poll->payload.data, poll->payload.len);
    else if (what == POLL_NOOP)
        say(poll, "6", 1);
    else if (what == POLL_BYE)
        say(poll, "1", 1);
    else if (what == POLL_UNKNOWN)
        say_unknown(poll);
    else if (what == POLL_AWAY)
        say_away(poll, NULL);
    else
        vanish(poll);
    poll_free(poll);
}

/* Does what the rules say; the poll may be over afterwards. */
static void act(struct poll *poll, enum poll_act what) {
    if (what == POLL_NOTHING)
        return;
    if (what > POLL_WAIT)
        end(poll, what);
    else if (what == POLL_WAIT)
        wait_in_hub(poll);
    else if (ask(poll, what) != ERR_OK)
        end(poll, poll->rules.left ? POLL_VANISH : POLL_AWAY);
}

/* ------------------------------------------------------------------ what happens */

/* The protocol has waited long enough: the session ends, of which this poll hears as any does. */
static void expire(struct poll *poll) {
    (void)!session_close(sessions_of(poll), poll->id, ended, true, 0, NULL, NULL);
    ev_timer_set(&poll->due, 1, 0); /* once more, if Redis could not be told */
    ev_timer_start(poll->engineio->app->loop, &poll->due);
}

static void on_due(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct poll *poll = timer->data;
    (void)loop, (void)events;

    if (poll->deadline > 0 && poll->deadline <= now_ms(poll)) {
        expire(poll);
        return;
    }
    enum poll_act what = poll_rules_due(&poll->rules, poll->pong);
    if (what != POLL_NOTHING)
        leave_hub(poll);
    act(poll, what);
}

/* Outside of the hub, which calls with what is said. */
static void on_word(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct poll *poll = timer->data;
    (void)loop, (void)events;

    enum poll_act what = poll_rules_word(&poll->rules);
    if (what != POLL_NOTHING)
        leave_hub(poll);
    act(poll, what);
}

static void hear(struct poll *poll) {
    if (!ev_is_active(&poll->word))
        ev_timer_start(poll->engineio->app->loop, &poll->word);
}

void poll_word(void *ctx, enum session_word word, uint64_t number) {
    struct engineio *engineio = ctx;
    struct poll *poll;
    (void)word; /* who has lost the session is told so when it looks */

    HASH_FIND(hh, engineio->polls, &number, sizeof number, poll);
    if (poll != NULL)
        hear(poll);
}

/* What was taken back may be the session's: that is found where it is looked at, as by a word. */
static void on_news(struct identity_watch *watch) {
    struct poll *poll = RING_OF(watch, struct poll, watch);
    const struct waiter *waiter = poll->holder.waiter;

    if (waiter == NULL || poll->speech.who->revoked || hub_banned(waiter))
        hear(poll);
}

void poll_again(void *ctx) {
    struct engineio *engineio = ctx;
    struct poll *poll, *next;

    HASH_ITER (hh, engineio->polls, poll, next)
        hear(poll);
}

static void left(struct poll *poll) {
    poll->watcher = NULL;
    if (poll->client != NULL)
        client_drop(give_client(poll));
    act(poll, poll_rules_left(&poll->rules));
}

/* ------------------------------------------------------------- as the hub sees it */

static struct poll *of(const struct client *client) {
    return (struct poll *)((char *)(uintptr_t)client - offsetof(struct poll, face));
}

static void face_watch(struct client *client, const struct client_events *events, void *ctx) {
    of(client)->watcher = events;
    of(client)->watcher_ctx = ctx;
}

/* Never: the hub hands such a client over. */
static enum err face_send(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    (void)client, (void)head, (void)parts, (void)count;
    return ERR_GONE;
}

static void face_drop(struct client *client) {
    left(of(client));
}

static void face_finish(struct client *client, const struct head *head, const struct part *parts,
                        size_t count) {
    (void)head, (void)parts, (void)count;
    left(of(client)); /* never, likewise */
}

/* Redis does not say where it stands. */
static void face_refuse(struct client *client, const struct problem *problem) {
    struct poll *poll = of(client);

    session_release(sessions_of(poll), poll->id, poll->number, wire_life(poll->service), NULL,
                    NULL);
    refuse(poll, problem);
    poll_free(poll);
}

static size_t face_backlog(const struct client *client) {
    (void)client;
    return 0;
}

static const struct client_kind face_kind = {.watch = face_watch,
                                             .send = face_send,
                                             .finish = face_finish,
                                             .refuse = face_refuse,
                                             .drop = face_drop,
                                             .backlog = face_backlog};

/* ---------------------------------------------------------- as the browser sees it */

static void on_gone(void *ctx) {
    struct poll *poll = ctx;

    if (poll->rules.phase == POLL_WAITING && poll->watcher != NULL)
        poll->watcher->gone(poll->watcher_ctx); /* it drops the face */
    else
        left(poll);
}

static const struct client_events browser_events = {.gone = on_gone};

/* -------------------------------------------------------------------- its beginning */

static void on_up(void *ctx, bool up) {
    struct poll *poll = ctx;

    if (up)
        act(poll, poll_rules_begin(&poll->rules));
    else
        end(poll, poll->rules.left ? POLL_VANISH : POLL_AWAY);
}

void poll_begin(const struct engineio_call *call) {
    struct app *app = call->app;
    struct poll *poll = mem_new(sizeof *poll);

    *poll = (struct poll){.holder = {.begun = on_begun, .taken = on_taken},
                          .face.kind = &face_kind,
                          .engineio = app->engineio,
                          .service = call->service,
                          .speech = service_speech(app->config, call->service),
                          .number = session_number(hub_sessions(app->hub)),
                          .address = mem_string(call->request->remote_addr),
                          .client = call->client,
                          .messages = buf_make(SIZE_MAX / 2),
                          .payload = buf_make(SIZE_MAX / 2)};
    poll->speech.who = identity_hold(call->request->who);
    memcpy(poll->id, call->id, sizeof poll->id);
    ev_timer_init(&poll->due, on_due, 0, 0);
    ev_timer_init(&poll->word, on_word, 0, 0);
    poll->due.data = poll->word.data = poll;
    poll->watch.news = on_news;
    identity_look(poll->speech.who, &poll->watch);
    HASH_ADD(hh, app->engineio->polls, number, sizeof poll->number, poll);
    client_watch(poll->client, &browser_events, poll);
    client_hold(poll->client);
    hub_when_up(app->hub, app->config->redis_timeout, on_up, poll);
}
