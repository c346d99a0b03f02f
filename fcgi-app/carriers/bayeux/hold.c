/*
 * Waiting for a session's messages. Whoever does attaches to the session ─► is told what stands
 * there, to which the channels of its patterns are added ─► waits in the hub ─► what the hub has
 * for it its owner sends, after Redis has marked it.
 *
 * Another request of the session, in whichever process, may change the session, close it or take
 * it: a word takes this one out of the hub, to look. While Redis is asked a word is only noted.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/bayeux/_hold.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/rights/rights.h"

static void look(struct hold *hold);

static struct app *app_of(const struct hold *hold) {
    return hold->bayeux->app;
}

static struct sessions *sessions_of(const struct hold *hold) {
    return hub_sessions(app_of(hold)->hub);
}

unsigned hold_ttl(const struct app *app) {
    return (unsigned)app->config->timeout * 1000 + BAYEUX_SLACK;
}

/* ---------------------------------------------------------------------- its end */

static void over(struct hold *hold, enum hold_end end) {
    hold->state = HOLD_IDLE;
    hold->kind->over(hold, end);
}

static void let_go(struct hold *hold) {
    if (hold->owns)
        session_release(sessions_of(hold), hold->id, hold->number, hold_ttl(app_of(hold)), NULL,
                        NULL);
    hold->owns = false;
}

void hold_end_away(struct hold *hold, const struct session_view *view) {
    let_go(hold);
    if (view != NULL && view->err == ERR_REFUSED)
        problem_later(&hold->problem, 503, 5, "Redis refused: %s",
                      view->why != NULL ? view->why : "");
    else
        problem_later(&hold->problem, 503, 2, "Redis is away");
    over(hold, HOLD_AWAY);
}

/* Somebody else has the session. */
static void end_lost(struct hold *hold) {
    bool copy = hold->word == SESSION_WORD_COPY || (hold->same && hold->word != SESSION_WORD_OVER);
    hold->owns = false;
    over(hold, copy ? HOLD_COPY : HOLD_OVER);
}

static bool has_ended(enum session_status status) {
    return status == SESSION_CLOSED || status == SESSION_GONE || status == SESSION_FOREIGN;
}

static enum hold_end how_ended(const struct session_view *view) {
    const struct session_bytes *reason = &view->reason;

    if (view->status != SESSION_CLOSED)
        return HOLD_GONE;
    return reason->len == bayeux_expired.len &&
                   memcmp(reason->at, bayeux_expired.at, reason->len) == 0
               ? HOLD_EXPIRED
               : HOLD_CLOSED;
}

/* What every answer of Redis may say instead of what was hoped for. True: it is over. */
static bool ended_by(struct hold *hold, const struct session_view *view) {
    if (view->err == ERR_OK && has_ended(view->status)) {
        hold->owns = false;
        over(hold, how_ended(view));
    } else if (view->err != ERR_OK) {
        hold_end_away(hold, view);
    } else if (view->status == SESSION_LOST) {
        end_lost(hold);
    } else if (!outlet_is_there(hold->outlet)) {
        let_go(hold);
        over(hold, HOLD_LEFT);
    } else {
        return false;
    }
    return true;
}

static void on_written(void *ctx, const struct session_view *view) {
    (void)ctx, (void)view;
}

/* What a stream has sent, which its client has left; if others have changed the session it is as if
 * nothing had been. */
static void write_places(struct hold *hold) {
    struct buf cursor = buf_make(SESSION_CURSOR_MAX);

    places_put(&hold->places, &cursor);
    const struct session_answer answer = {
        .number = hold->number,
        .version = hold->version,
        .cursor = {cursor.data != NULL ? cursor.data : "", cursor.len},
        .keep = true, /* it is released behind this */
        .ttl = hold_ttl(app_of(hold))};
    (void)!session_answer(sessions_of(hold), hold->id, &answer, on_written, NULL);
    buf_free(&cursor);
}

static void on_left(void *ctx) {
    struct hold *hold = ctx;

    if (hold->state == HOLD_ASKING)
        return; /* the answer finds nobody */
    if (hold->state == HOLD_WAITING && hold->holder.waiter != NULL) {
        hub_places_free(&hold->places);
        hold->places = hub_release(hold->holder.waiter);
    }
    if (hold->streams && hold->owns)
        write_places(hold);
    let_go(hold);
    over(hold, HOLD_LEFT);
}

/* The hub sends nothing to a stream that does not read, until it is told this. */
static void on_drained(void *ctx) {
    struct hold *hold = ctx;

    if (hold->state == HOLD_WAITING && hold->holder.waiter != NULL)
        client_events_drained(hold->watcher, hold->watcher_ctx);
}

void hold_unmake(struct hold *hold) {
    ev_timer_stop(app_of(hold)->loop, &hold->wake);
    HASH_DEL(hold->bayeux->holds, hold);
    hub_places_free(&hold->places);
    identity_free(hold->read.who);
    free(hold->address);
}

/* -------------------------------------------------------- what the hub takes for a client */

static struct hold *of(const struct client *client) {
    return (struct hold *)((char *)(uintptr_t)client - offsetof(struct hold, face));
}

static void face_watch(struct client *client, const struct client_events *events, void *ctx) {
    of(client)->watcher = events;
    of(client)->watcher_ctx = ctx;
}

static enum err face_send(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    size_t bytes = 0;
    (void)head;

    for (size_t i = 0; i < count; i++)
        bytes += parts[i].len;
    return bytes == 0 || of(client)->kind->piece(of(client), parts, count) ? ERR_OK : ERR_GONE;
}

/* Nobody is there any more, found out by the hub. */
static void face_dropped(struct client *client) {
    struct hold *hold = of(client);

    let_go(hold);
    over(hold, HOLD_LEFT);
}

static void face_finished(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    (void)head, (void)parts, (void)count;
    face_dropped(client); /* never: the hub hands such a client over */
}

static void face_refused(struct client *client, const struct problem *problem) {
    struct hold *hold = of(client);

    hold->problem = *problem;
    let_go(hold);
    over(hold, HOLD_AWAY);
}

static size_t face_backlog(const struct client *client) {
    const struct client *browser = outlet_client(of(client)->outlet);
    return browser != NULL ? client_backlog(browser) : 0;
}

static const struct client_kind face_kind = {.watch = face_watch,
                                             .send = face_send,
                                             .finish = face_finished,
                                             .refuse = face_refused,
                                             .drop = face_dropped,
                                             .backlog = face_backlog};

/* --------------------------------------------------------------------- the hub */

static void on_begun(struct hub_holder *holder) {
    (void)holder;
}

static void on_expired(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;

    if (view->err != ERR_OK)
        hold_end_away(hold, view);
    else
        look(hold); /* it is closed, which is told as ever */
}

/* The session ends with its user's token. */
static void expire(struct hold *hold) {
    hold->state = HOLD_ASKING;
    if (session_close(sessions_of(hold), hold->id, bayeux_expired, false, SESSION_UNPOLLED,
                      on_expired, hold) != ERR_OK)
        hold_end_away(hold, NULL);
}

/* Whether what it waits by is over, or no longer opens one of its channels. */
static bool is_barred(const struct hold *hold) {
    const struct app *app = app_of(hold);
    const struct identity *who = hold->read.who;
    bool barred = identity_over(who, ev_now(app->loop));

    for (size_t i = 0; !barred && i < hold->places.count; i++)
        barred = rights_banned(app->config, who, RIGHTS_SUBSCRIBE, hold->places.channels[i].name,
                               hold->places.channels[i].len);
    return barred;
}

static void on_taken(struct hub_holder *holder, struct batch *batch, struct hub_places *places) {
    struct hold *hold = (struct hold *)holder;
    bool nothing = batch == NULL || (batch_size(batch) == 0 && !batch_has_gap(batch));

    hold->state = HOLD_IDLE;
    hub_places_free(&hold->places);
    hold->places = *places;
    if (nothing && hold->owns && is_barred(hold))
        expire(hold);
    else
        hold->kind->taken(hold, batch);
}

static void wait_in_hub(struct hold *hold) {
    struct hub_read read = hold->read;

    read.channels = hold->places.channels;
    read.channel_count = hold->places.count;
    hold->state = HOLD_WAITING;
    outlet_hold(hold->outlet);
    if (hub_hold(app_of(hold)->hub, &hold->face, &read, &hold->holder, &hold->problem))
        return;
    hold->state = HOLD_IDLE;
    if (hub_draining(app_of(hold)->hub)) {
        hold->kind->taken(hold, NULL);
        return;
    }
    let_go(hold);
    over(hold, HOLD_AWAY);
}

static void on_patterns(void *ctx, bool known) {
    struct hold *hold = ctx;

    hold->state = HOLD_IDLE;
    if (!outlet_is_there(hold->outlet)) {
        let_go(hold);
        over(hold, HOLD_LEFT);
    } else if (!known) {
        hold_end_away(hold, NULL);
    } else if (hold->woken) {
        look(hold);
    } else {
        wait_in_hub(hold);
    }
}

void hold_wait(struct hold *hold) {
    if (hold->woken) {
        look(hold);
        return;
    }
    hold->state = HOLD_ASKING;
    patterns_add(app_of(hold), hold->read.who, &hold->places, on_patterns, hold);
}

/* -------------------------------------------------------------- what Redis tells */

static void take_view(struct hold *hold, const struct session_view *view) {
    hold->version = view->version;
    hold->batch = view->batch;
    (void)speaker_take(app_of(hold), &hold->read.who, view, false);
    places_follow(&hold->places, view->cursor);
    if (!speaker_keeps(app_of(hold)->config, hold->read.who, view, &hold->places)) {
        expire(hold);
        return;
    }
    hold->state = HOLD_IDLE;
    hold->kind->seen(hold, view);
}

static void on_looked(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;

    if (ended_by(hold, view))
        return;
    if (hold->partly) /* which is taken anew */
        hub_places_free(&hold->places);
    hold->partly = false;
    take_view(hold, view);
}

static void look(struct hold *hold) {
    hold->woken = false;
    hold->state = HOLD_ASKING;
    if (session_look(sessions_of(hold), hold->id, hold->number, on_looked, hold) != ERR_OK)
        hold_end_away(hold, NULL);
}

struct marking {
    struct hold *hold;
    void (*marked)(struct hold *hold, uint64_t batch);
};

static void on_marked(void *ctx, const struct session_view *view) {
    struct marking marking = *(struct marking *)ctx;
    struct hold *hold = marking.hold;

    free(ctx);
    if (ended_by(hold, view))
        return;
    if (view->status == SESSION_CHANGED) { /* nothing is marked: anew */
        if (!hold->streams)
            hub_places_free(&hold->places);
        take_view(hold, view);
        return;
    }
    hold->owns = false;
    hold->state = HOLD_IDLE;
    marking.marked(hold, view->batch);
}

void hold_mark(struct hold *hold, const struct session_answer *wanted,
               void (*marked)(struct hold *hold, uint64_t batch)) {
    struct buf cursor = buf_make(SESSION_CURSOR_MAX);
    struct marking *marking = mem_new(sizeof *marking);
    struct session_answer answer = *wanted;

    *marking = (struct marking){hold, marked};
    places_put(&hold->places, &cursor);
    answer.number = hold->number;
    answer.version = hold->version;
    answer.cursor = (struct session_bytes){cursor.data != NULL ? cursor.data : "", cursor.len};
    answer.ttl = hold_ttl(app_of(hold));
    hold->state = HOLD_ASKING;
    enum err err = session_answer(sessions_of(hold), hold->id, &answer, on_marked, marking);
    buf_free(&cursor);
    if (err == ERR_OK)
        return;
    free(marking);
    hold_end_away(hold, NULL);
}

struct releasing {
    struct hold *hold;
    void (*released)(struct hold *hold);
};

static void on_released(void *ctx, const struct session_view *view) {
    struct releasing releasing = *(struct releasing *)ctx;
    struct hold *hold = releasing.hold;

    free(ctx);
    hold->owns = false;
    if (ended_by(hold, view))
        return;
    hold->state = HOLD_IDLE;
    releasing.released(hold);
}

void hold_release(struct hold *hold, unsigned ttl, void (*released)(struct hold *hold)) {
    if (released == NULL) {
        let_go(hold);
        return;
    }
    struct releasing *releasing = mem_new(sizeof *releasing);
    *releasing = (struct releasing){hold, released};
    hold->state = HOLD_ASKING;
    session_release(sessions_of(hold), hold->id, hold->number, ttl, on_released, releasing);
}

/* ---------------------------------------------------------------------- words */

static void on_wake(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hold *hold = timer->data;
    (void)loop, (void)events;

    if (hold->state != HOLD_WAITING || hold->holder.waiter == NULL || !hold->owns)
        return; /* it is asked after when what is under way has ended */
    hub_places_free(&hold->places);
    hold->places = hub_release(hold->holder.waiter);
    look(hold);
}

static void wake(struct hold *hold) {
    hold->woken = true;
    if (!ev_is_active(&hold->wake))
        ev_timer_start(app_of(hold)->loop, &hold->wake);
}

void bayeux_word(void *ctx, enum session_word word, uint64_t number) {
    struct bayeux *bayeux = ctx;
    struct hold *hold;

    HASH_FIND(hh, bayeux->holds, &number, sizeof number, hold);
    if (hold == NULL)
        return;
    if (word != SESSION_WORD_WAKE)
        hold->word = word;
    wake(hold);
}

void bayeux_again(void *ctx) {
    struct bayeux *bayeux = ctx;
    struct hold *hold, *next;

    HASH_ITER (hh, bayeux->holds, hold, next)
        wake(hold);
}

/* -------------------------------------------------------------------- its beginning */

static void on_attached(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;

    hold->owns = view->err == ERR_OK && view->status == SESSION_HELD;
    if (!ended_by(hold, view))
        take_view(hold, view);
}

void hold_attach(struct hold *hold, const struct session_attach *wanted) {
    struct session_attach attach = *wanted;
    struct buf words = buf_make(SESSION_WHO_MAX);

    attach.who = speaker_words(hold->read.who, bayeux_expired, &words);
    attach.number = hold->number;
    attach.policy = SESSION_NEWEST;
    hold->same = attach.confirm == SESSION_SAME;
    hold->state = HOLD_ASKING;
    enum err err = session_attach(sessions_of(hold), hold->id, &attach, on_attached, hold);
    buf_free(&words);
    if (err != ERR_OK)
        hold_end_away(hold, NULL);
}

void hold_make(struct hold *hold, struct app *app, const struct service *service,
               const char *client, size_t client_len) {
    (void)identity_hold(hold->read.who);
    hold->address = mem_string(hold->read.address);
    hold->read.address = hold->address;
    hold->holder = (struct hub_holder){.begun = on_begun, .taken = on_taken};
    hold->face.kind = &face_kind;
    hold->bayeux = app->bayeux;
    hold->service = service;
    hold->number = session_number(hub_sessions(app->hub));
    session_id(hold->id, service->path, strlen(service->path), client, client_len);
    ev_timer_init(&hold->wake, on_wake, 0, 0);
    hold->wake.data = hold;
    outlet_watch(hold->outlet, on_left, on_drained, hold);
    HASH_ADD(hh, app->bayeux->holds, number, sizeof hold->number, hold);
}
