/*
 * Waiting for a session's messages. Whoever does attaches to the session ─► is told what stands
 * there, to which the channels of its patterns are added ─► waits in the hub ─► what the hub has
 * for it its owner sends, after Redis has marked it.
 *
 * Another request of the session, in whichever process, may change the session, close it or take
 * it: a word takes this one out of the hub, to look. While Redis is asked a word is only noted.
 *
 * A WebSocket's connect keeps the session: it stays attached from one request of its client to the
 * next (HOLD_RESTING), and where the client stands is in memory (kept.h), so that a delivery asks
 * Redis nothing. Whoever else wants the session is told to wait, this one to write down what it
 * knows: then it is held as any session is, or given back (giving.c) if nobody asks just now. What
 * a process that was killed had not written yet is found by what the client acknowledges; one that
 * does not acknowledge is given again what it got since the last tick.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/bayeux/_hold.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/rights/rights.h"

/* Seconds: after which a session whose client does not ask again is kept no longer, and Redis told
 * where it stands; between two tries to attach while another process keeps it. */
#define TICK  5.0
#define RETRY 0.01
enum { TRIES = 200 /* then its process is stopped: it is gone without */ };

static void look(struct hold *hold);
static void unkeep(struct hold *hold);

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
    if (hold->owns && hold->keeps)
        giving_begin(hold->bayeux, hold->id, hold->number, hold->version, hold_ttl(app_of(hold)),
                     &hold->kept);
    else if (hold->owns)
        session_release(sessions_of(hold), hold->id, hold->number, hold_ttl(app_of(hold)), NULL,
                        NULL);
    hold->owns = hold->keeps = false;
}

/* Whether another request of the same socket is to have it: then it is over. */
static bool gives_way(struct hold *hold) {
    if (!hold->replaced || !hold->owns)
        return false;
    let_go(hold);
    over(hold, hold->copied ? HOLD_COPY : HOLD_OVER);
    return true;
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

    if (hold->state == HOLD_ASKING && !ev_is_active(&hold->retry))
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

/* A session that is kept, as Redis is told of it; the hold may end meanwhile. */
struct touching {
    struct hold *hold; /* NULL: it has ended */
    size_t requests;   /* that are told of */
};

void hold_unmake(struct hold *hold) {
    ev_timer_stop(app_of(hold)->loop, &hold->wake);
    ev_timer_stop(app_of(hold)->loop, &hold->retry);
    ev_timer_stop(app_of(hold)->loop, &hold->tick);
    if (hold->touching != NULL)
        hold->touching->hold = NULL;
    kept_free(&hold->kept);
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

/* Back to where the client stands. */
static void go_back(struct hold *hold) {
    hub_places_free(&hold->places);
    hold->places = kept_copy(&hold->kept);
}

static void on_taken(struct hub_holder *holder, struct batch *batch, struct hub_places *places) {
    struct hold *hold = (struct hold *)holder;
    bool nothing = batch == NULL || (batch_size(batch) == 0 && !batch_has_gap(batch));

    hold->state = HOLD_IDLE;
    hub_places_free(&hold->places);
    hold->places = *places;
    if (hold->keeps && hold->woken) { /* nothing is marked: what was changed is heeded here */
        go_back(hold);
        look(hold);
    } else if (nothing && hold->owns && is_barred(hold)) {
        expire(hold);
    } else {
        hold->kind->taken(hold, batch);
    }
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
    } else if (gives_way(hold)) {
        return;
    } else if (hold->keeps && hold->back) {
        unkeep(hold);
    } else if (hold->woken) {
        look(hold);
    } else {
        wait_in_hub(hold);
    }
}

void hold_wait(struct hold *hold) {
    if (gives_way(hold))
        return;
    if (hold->keeps && hold->back) {
        unkeep(hold);
        return;
    }
    if (hold->woken) {
        look(hold);
        return;
    }
    hold->state = HOLD_ASKING;
    patterns_add(app_of(hold), hold->read.who, &hold->places, on_patterns, hold);
}

/* -------------------------------------------------------------- what Redis tells */

/* Whether who its client is may read what the session reads, as things are by now. */
static bool may_go_on(const struct hold *hold) {
    const struct session_view view = {.who.len = hold->spoken ? 1 : 0};
    return speaker_keeps(app_of(hold)->config, hold->read.who, &view, &hold->places);
}

static void take_view(struct hold *hold, const struct session_view *view) {
    hold->version = view->version;
    hold->batch = view->batch;
    (void)speaker_take(app_of(hold), &hold->read.who, view, false);
    places_follow(&hold->places, view->cursor);
    if (hold->keeps)
        kept_follow(&hold->kept, view->cursor);
    hold->spoken = view->who.len > 0;
    if (!may_go_on(hold)) {
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
    if (hold->replaced && (hold->copied || hold->numbered)) /* the other is given it again */
        over(hold, hold->copied ? HOLD_COPY : HOLD_OVER);
    else
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

/* ------------------------------------------------------------------ what is kept */

struct sending {
    struct hold *hold;
    struct session_bytes request;
    void (*marked)(struct hold *hold, uint64_t batch);
};

static void on_sent(void *ctx, const struct session_view *view) {
    struct sending sending = *(struct sending *)ctx;
    struct hold *hold = sending.hold;

    free(ctx);
    if (ended_by(hold, view))
        return;
    if (view->status == SESSION_CHANGED) { /* nothing is written: anew */
        go_back(hold);
        take_view(hold, view);
        return;
    }
    hold->state = HOLD_IDLE;
    if (gives_way(hold))
        return;
    kept_send(&hold->kept, &hold->places, view->batch, sending.request);
    kept_write(&hold->kept);
    hold->told = ev_now(app_of(hold)->loop);
    sending.marked(hold, view->batch);
}

/* How long it lives while it is kept: also where its process dies. */
static unsigned kept_ttl(const struct hold *hold) {
    return (unsigned)app_of(hold)->config->timeout * 1000 + hold_ttl(app_of(hold));
}

static struct session_write writing(const struct hold *hold) {
    return (struct session_write){.number = hold->number,
                                  .version = hold->version,
                                  .numbered = hold->numbered,
                                  .keeping = SESSION_KEEP,
                                  .ttl = kept_ttl(hold)};
}

/* Writes down what is about to be sent, which is as if it were. */
static void write_first(struct hold *hold, struct session_bytes request,
                        void (*marked)(struct hold *hold, uint64_t batch)) {
    struct sending *sending = mem_new(sizeof *sending);
    const struct session_write wanted = writing(hold);
    struct kept then = hold->kept;

    *sending = (struct sending){hold, request, marked};
    then.sent = (struct hub_places){0};
    kept_send(&then, &hold->places, kept_next(&hold->kept), request);
    hold->state = HOLD_ASKING;
    enum err err = kept_tell(&then, sessions_of(hold), hold->id, &wanted, on_sent, sending);
    hub_places_free(&then.sent);
    if (err == ERR_OK)
        return;
    free(sending);
    hold_end_away(hold, NULL);
}

void hold_send(struct hold *hold, struct session_bytes request,
               void (*marked)(struct hold *hold, uint64_t batch)) {
    uint64_t number = kept_next(&hold->kept);

    if (gives_way(hold))
        return;
    if (hold->numbered && !kept_number(&hold->kept, &hold->places, &number)) {
        write_first(hold, request, marked);
        return;
    }
    kept_send(&hold->kept, &hold->places, number, request);
    marked(hold, number);
}

void hold_send_nothing(struct hold *hold, void (*marked)(struct hold *hold, uint64_t batch)) {
    if (!gives_way(hold))
        marked(hold, hold->kept.batch);
}

static void on_unkept(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;

    if (ended_by(hold, view))
        return;
    go_back(hold);
    if (view->status == SESSION_CHANGED) { /* nothing is written: anew */
        take_view(hold, view);
        return;
    }
    hold->keeps = hold->back = false;
    hold->state = HOLD_IDLE;
    hold_wait(hold);
}

/* It is a session as any, which this one holds: who else wants it is told what that means. */
static void unkeep(struct hold *hold) {
    struct session_write wanted = writing(hold);

    wanted.keeping = SESSION_HOLD;
    hold->state = HOLD_ASKING;
    if (kept_tell(&hold->kept, sessions_of(hold), hold->id, &wanted, on_unkept, hold) != ERR_OK)
        hold_end_away(hold, NULL);
}

static void end_rest(struct hold *hold) {
    let_go(hold);
    over(hold, HOLD_LEFT);
}

bool hold_rest(struct hold *hold) {
    if (!hold->keeps || hold->back || hold->replaced || hold->word != SESSION_WORD_NONE ||
        hub_draining(app_of(hold)->hub)) {
        let_go(hold);
        return false;
    }
    hub_places_free(&hold->places);
    hold->outlet = NULL;
    hold->state = HOLD_RESTING;
    hold->tired = false;
    return true;
}

bool hold_can_go_on(const struct hold *hold, long ack) {
    return hold->state == HOLD_RESTING && !hold->back && hold->word == SESSION_WORD_NONE &&
           kept_arrived(&hold->kept, ack);
}

void hold_go_on(struct hold *hold, struct session_bytes request) {
    outlet_watch(hold->outlet, on_left, on_drained, hold);
    kept_settle(&hold->kept);
    kept_note(&hold->kept, request);
    go_back(hold);
    hold->state = HOLD_IDLE;
    if (may_go_on(hold))
        hold_wait(hold);
    else
        expire(hold);
}

static void leave_hub(struct hold *hold) {
    hub_places_free(&hold->places);
    hold->places = hub_release(hold->holder.waiter);
}

void hold_give_back(struct hold *hold, bool copy) {
    hold->replaced = true;
    hold->copied = copy;
    if (hold->state == HOLD_RESTING) {
        end_rest(hold);
    } else if (hold->state == HOLD_WAITING && hold->holder.waiter != NULL && hold->owns) {
        leave_hub(hold);
        (void)gives_way(hold);
    }
}

/* --------------------------------------------------------------- what Redis is told of it */

static void wake(struct hold *hold);

static void on_touched(void *ctx, const struct session_view *view) {
    struct touching *touching = ctx;
    struct hold *hold = touching->hold;
    size_t requests = touching->requests;

    free(touching);
    if (hold == NULL)
        return;
    hold->touching = NULL;
    bool done = view->err == ERR_OK && view->status == SESSION_OK;
    if (done)
        hold->told = ev_now(app_of(hold)->loop);
    if (done)
        kept_forget(&hold->kept, requests);
    else
        hold->kept.moved = true;
    if (view->err == ERR_OK && view->status != SESSION_OK)
        wake(hold);
}

/* One that acknowledges numbers its answers from what was written last: nothing else is. */
static void touch(struct hold *hold) {
    const struct session_write wanted = writing(hold);
    const struct session_change nothing = {.ttl = wanted.ttl};
    struct touching *touching = mem_new(sizeof *touching);

    touching->hold = hold;
    touching->requests = hold->numbered ? 0 : hold->kept.request_count;
    hold->touching = touching;
    hold->kept.moved = false;
    enum err err =
        hold->numbered
            ? session_change(sessions_of(hold), hold->id, &nothing, on_touched, touching)
            : kept_tell(&hold->kept, sessions_of(hold), hold->id, &wanted, on_touched, touching);
    if (err == ERR_OK)
        return;
    hold->touching = NULL;
    hold->kept.moved = true;
    free(touching);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hold *hold = timer->data;
    (void)events;

    if (hold->state == HOLD_RESTING && hold->tired) {
        end_rest(hold);
        return;
    }
    hold->tired = true;
    if (hold->state != HOLD_WAITING || !hold->owns || !hold->keeps || hold->touching != NULL)
        return;
    bool due = ev_now(loop) - hold->told >= app_of(hold)->config->timeout / 2.0;
    if (due || (hold->kept.moved && !hold->numbered))
        touch(hold);
}

static void begin_keeping(struct hold *hold, const struct session_view *view) {
    struct ev_loop *loop = app_of(hold)->loop;

    kept_begin(&hold->kept, view->cursor, view->batch);
    hold->keeps = true;
    hold->told = ev_now(loop);
    ev_timer_start(loop, &hold->tick);
}

/* ---------------------------------------------------------------------- words */

static void on_wake(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hold *hold = timer->data;
    (void)loop, (void)events;

    if (hold->state == HOLD_RESTING && (hold->back || hold->word != SESSION_WORD_NONE)) {
        end_rest(hold);
        return;
    }
    if (hold->state != HOLD_WAITING || hold->holder.waiter == NULL || !hold->owns)
        return; /* it is asked after when what is under way has ended */
    leave_hub(hold);
    if (gives_way(hold))
        return;
    if (hold->keeps && hold->back) {
        go_back(hold);
        unkeep(hold);
    } else {
        look(hold);
    }
}

static void stir(struct hold *hold) {
    if (!ev_is_active(&hold->wake))
        ev_timer_start(app_of(hold)->loop, &hold->wake);
}

static void wake(struct hold *hold) {
    hold->woken = true;
    stir(hold);
}

void bayeux_word(void *ctx, enum session_word word, uint64_t number) {
    struct bayeux *bayeux = ctx;
    struct hold *hold;

    HASH_FIND(hh, bayeux->holds, &number, sizeof number, hold);
    if (hold == NULL)
        return;
    if (word == SESSION_WORD_BACK) {
        hold->back = true;
        stir(hold);
        return;
    }
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

    if (view->err == ERR_OK && view->status == SESSION_KEPT) {
        ev_timer_start(app_of(hold)->loop, &hold->retry);
        return;
    }
    hold->owns = view->err == ERR_OK && view->status == SESSION_HELD;
    if (hold->owns && hold->attach.policy == SESSION_KEEPS && !view->again &&
        view->until.at == NULL)
        begin_keeping(hold, view);
    if (!ended_by(hold, view))
        take_view(hold, view);
}

static void ask_for(struct hold *hold) {
    struct session_attach attach = hold->attach;
    struct buf words = buf_make(SESSION_WHO_MAX);

    attach.who = speaker_words(hold->read.who, bayeux_expired, &words);
    enum err err = session_attach(sessions_of(hold), hold->id, &attach, on_attached, hold);
    buf_free(&words);
    if (err != ERR_OK)
        hold_end_away(hold, NULL);
}

/* It was kept by another process, which has been told to write it down. */
static void on_retry(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hold *hold = timer->data;
    (void)loop, (void)events;

    if (!outlet_is_there(hold->outlet)) {
        over(hold, HOLD_LEFT);
        return;
    }
    if (hold->attach.confirm == SESSION_SAME)
        hold->attach.confirm = SESSION_LATE;
    if (++hold->tries >= TRIES)
        hold->attach.policy = SESSION_NEWEST;
    ask_for(hold);
}

void hold_attach(struct hold *hold, const struct session_attach *wanted) {
    hold->attach = *wanted;
    hold->attach.number = hold->number;
    hold->attach.policy = hold->wants ? SESSION_KEEPS : SESSION_GENTLE;
    hold->same = wanted->confirm == SESSION_SAME;
    hold->state = HOLD_ASKING;
    ask_for(hold);
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
    ev_timer_init(&hold->retry, on_retry, RETRY, 0);
    ev_timer_init(&hold->tick, on_tick, TICK, TICK);
    hold->wake.data = hold->retry.data = hold->tick.data = hold;
    outlet_watch(hold->outlet, on_left, on_drained, hold);
    HASH_ADD(hh, app->bayeux->holds, number, sizeof hold->number, hold);
}
