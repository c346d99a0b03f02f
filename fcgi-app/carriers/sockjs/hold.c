/*
 * A request that waits for messages of a session in Redis, one of the kinds that are answered
 * with a frame, or a stream.
 *
 * Its life: it attaches to its session (which is made if there is none; where its protocol
 * begins in channels, their places are asked for first) ─► what is the session's own is
 * sent at once, else it waits in the hub ─► what the hub has for it, and of its own, is marked in
 * Redis, and only then sent. With that a polling kind is over; a stream goes on: it marks its
 * own frames, because others put them into Redis, and writes where it stands once, at its end.
 *
 * Another request of the session, in whichever process, may put something into the session:
 * the word `wake` takes this one out of the hub, to look. While Redis is asked a word is only
 * noted.
 *
 * What a stream begins with, `o`, and the first frames arrive one by one: readers of chunks
 * exist, and web servers join what comes at once.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/admission.h"
#include "fcgi-app/carriers/sockjs/_hold.h"

#define PAUSE 0.01 /* seconds; one thousandth is too short, three are where much else runs */

enum { BROKEN_STATE = 1011 }; /* RFC 6455 §7.4.1 */
enum { SPARE = 10000 };       /* milliseconds that a held session outlives what holds it */

static const char other_open[] = "c[2010,\"Another connection still open\"]";
static const char forbidden[] = "c[4403,\"The session is another user's\"]";
static const char interrupted[] = "c[1002,\"Connection interrupted\"]";

static void proceed(struct hold *hold);
static void begin_stream(struct hold *hold);
static void attach(struct hold *hold, const struct hub_places *begin);

static struct sessions *sessions_of(const struct hold *hold) {
    return hub_sessions(hold->sockjs->app->hub);
}

/* ---------------------------------------------------------------------- its end */

static void hold_free(struct hold *hold) {
    struct ev_loop *loop = hold->sockjs->app->loop;

    ev_timer_stop(loop, &hold->pause);
    ev_timer_stop(loop, &hold->wake);
    HASH_DEL(hold->sockjs->holds, hold);
    hub_places_free(&hold->places);
    texts_free(&hold->frames);
    buf_free(&hold->reason);
    buf_free(&hold->out);
    speech_end(&hold->speech);
    identity_free(hold->speech.who);
    free(hold->callback);
    free(hold->who);
    free(hold);
}

/* Over, with a last frame. */
static void end(struct hold *hold, const char *frame, size_t len) {
    face_finish(hold, frame, len);
    hold_free(hold);
}

/* Over, with nothing to say: what a dialect has for that. */
static void end_empty(struct hold *hold) {
    bool stream = sockjs_streams(hold->kind);
    end(hold, "h", stream ? 0 : 1);
}

/* The browser has left, or was answered already: a receiver that broke off closes its session. */
static void hold_gone(struct hold *hold) {
    hold->watcher = NULL;
    if (hold->client != NULL)
        client_drop(hold->client);
    hold->client = NULL;
    if (hold->state == HOLD_ASKING)
        return; /* the answer comes back here */
    if (hold->owns)
        (void)!session_close(sessions_of(hold), hold->id,
                             (struct session_bytes){interrupted, sizeof interrupted - 1}, false,
                             SOCKJS_TTL, NULL, NULL);
    hold_free(hold);
}

static void let_go(struct hold *hold) {
    if (hold->owns)
        session_release(sessions_of(hold), hold->id, hold->number, SOCKJS_TTL, NULL, NULL);
    hold->owns = false;
}

static void refuse(struct hold *hold, const struct problem *problem) {
    let_go(hold);
    hold->state = HOLD_ASKING; /* which the answer to the browser does not free */
    face_refuse(hold, problem);
    hold_free(hold);
}

static void refuse_away(struct hold *hold, const struct session_view *view) {
    struct problem problem;

    if (view != NULL && view->err == ERR_REFUSED)
        problem_later(&problem, 503, 5, "Redis refused: %s", view->why != NULL ? view->why : "");
    else
        problem_later(&problem, 503, 2, "Redis is away");
    refuse(hold, &problem);
}

static void refuse_full(struct hold *hold) {
    struct problem problem;

    admission_full(hold->sockjs->app, &problem);
    refuse(hold, &problem);
}

/* -------------------------------------------------------------- what Redis tells */

/* Why a session ends that its user may not read any more. */
static void put_forbidden(const struct identity *who, struct buf *reason) {
    if (who != NULL && who->revoked)
        sockjs_put_close(SPEAKER_EXPIRED_CODE, SPEAKER_EXPIRED, reason);
    else
        sockjs_put_close(SPEAKER_FORBIDDEN_CODE, SPEAKER_FORBIDDEN, reason);
}

/* Takes what stands in the session: what is to be sent of its own, and where it stands. */
static void take_view(struct hold *hold, const struct session_view *view) {
    hold->version = view->version;
    bool good = speech_load(&hold->speech, view->state.at, view->state.len);
    (void)speaker_take(hold->sockjs->app, &hold->speech.who, view, false);
    places_follow(&hold->places, view->cursor);
    texts_free(&hold->frames);
    for (size_t i = 0; i < view->frame_count; i++)
        texts_add(&hold->frames, view->frames[i].at, view->frames[i].len);
    buf_clear(&hold->reason);
    if (view->reason.at != NULL)
        buf_add(&hold->reason, view->reason.at, view->reason.len);
    else if (!good)
        sockjs_put_close(BROKEN_STATE, "the session's state is not of this version", &hold->reason);
    else if (!speaker_keeps(hold->sockjs->app->config, hold->speech.who, view, &hold->places))
        put_forbidden(hold->speech.who, &hold->reason);
}

/* Whether the browser is still there; else the hold is over, and its session closed. */
static bool is_there(struct hold *hold) {
    if (hold->client != NULL)
        return true;
    hold->state = HOLD_PAUSING;
    hold_gone(hold);
    return false;
}

/* Over, with a frame that closes; of a stream it arrives alone. */
static void end_closed(struct hold *hold, const char *frame, size_t len) {
    hold->owns = false;
    if (!sockjs_streams(hold->kind) || hold->begun) {
        end(hold, frame, len);
        return;
    }
    texts_free(&hold->frames);
    buf_clear(&hold->reason);
    buf_add(&hold->reason, frame, len);
    begin_stream(hold);
}

/* What every answer of Redis may say instead of what was hoped for. True: the hold is over, or
 * about to be. */
static bool ended_by(struct hold *hold, const struct session_view *view) {
    if (!is_there(hold))
        return true;
    if (view->err != ERR_OK)
        refuse_away(hold, view);
    else if (view->status == SESSION_FULL)
        refuse_full(hold);
    else if (view->status == SESSION_CLOSED)
        end_closed(hold, view->reason.at, view->reason.len);
    else if (view->status == SESSION_BUSY)
        end_closed(hold, other_open, sizeof other_open - 1);
    else if (view->status == SESSION_FOREIGN)
        end_closed(hold, forbidden, sizeof forbidden - 1);
    else if (view->status != SESSION_LOST && view->status != SESSION_GONE)
        return false;
    else
        end_empty(hold);
    return true;
}

/* --------------------------------------------------------------------- answering */

/* The frame that the session's own texts make; what says where it stands is written now. */
static void put_own(struct hold *hold, struct buf *out) {
    const struct protocol *protocol = hold->speech.protocol;
    struct texts texts = {0};

    for (size_t i = 0; i < hold->frames.count; i++) {
        size_t len;
        const char *text = texts_at(&hold->frames, i, &len);
        if (len > 0 || !protocol->confirms) {
            texts_add(&texts, text, len);
            continue;
        }
        struct batch *here = places_batch(&hold->places);
        protocol->render(&hold->speech, here, &texts);
        batch_unref(here);
    }
    sockjs_put_messages(&texts, out);
    texts_free(&texts);
}

static void close_stream(struct hold *hold);

/* A stream's places are written; or others have changed the session: then once more. */
static void on_written(struct hold *hold, const struct session_view *view) {
    if (view->err == ERR_OK && view->status == SESSION_CHANGED) {
        take_view(hold, view);
        close_stream(hold);
        return;
    }
    if (view->err != ERR_OK)
        let_go(hold);
    hold->owns = false;
    end_empty(hold);
}

static void on_marked(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;

    if (hold->closing) {
        on_written(hold, view);
        return;
    }
    if (ended_by(hold, view))
        return;
    if (view->status == SESSION_CHANGED) { /* nothing is marked: anew */
        if (!sockjs_streams(hold->kind))
            hub_places_free(&hold->places);
        buf_clear(&hold->out);
        take_view(hold, view);
        proceed(hold);
    } else if (!sockjs_streams(hold->kind)) {
        hold->owns = false;
        end(hold, hold->out.data, hold->out.len);
    } else if (!face_say(hold, hold->out.data, hold->out.len)) {
        hold->state = HOLD_PAUSING;
        hold_gone(hold);
    } else {
        texts_free(&hold->frames);
        buf_clear(&hold->out);
        proceed(hold);
    }
}

/* Has Redis mark what is about to be sent: `frames` of the session's own, and the places. */
static void mark(struct hold *hold, size_t frames, bool keep) {
    struct buf cursor = buf_make(SESSION_CURSOR_MAX);

    places_put(&hold->places, &cursor);
    const struct session_answer answer = {
        .number = hold->number,
        .version = hold->version,
        .cursor = {cursor.data != NULL ? cursor.data : "", cursor.len},
        .frames = frames,
        .keep = keep,
        .together = true,
        .ttl = keep ? (unsigned)hold->sockjs->app->config->max_stream * 1000 + SPARE : SOCKJS_TTL};
    hold->state = HOLD_ASKING;
    enum err err = session_answer(sessions_of(hold), hold->id, &answer, on_marked, hold);
    buf_free(&cursor);
    if (err != ERR_OK)
        refuse_away(hold, NULL);
}

/* A stream is over: what it has sent is written once, and nobody minds how that ends. */
static void close_stream(struct hold *hold) {
    hold->closing = true;
    mark(hold, 0, false); /* frames that came meanwhile are the next request's */
}

static void look(struct hold *hold);

static void on_expired(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;

    if (!is_there(hold))
        return;
    if (view->err != ERR_OK)
        refuse_away(hold, view);
    else
        look(hold); /* it is closed, which is told as ever */
}

/* The session ends with its user's token. */
static void expire(struct hold *hold) {
    struct buf reason = buf_make(SESSION_REASON_MAX);

    sockjs_put_close(SPEAKER_EXPIRED_CODE, SPEAKER_EXPIRED, &reason);
    hold->state = HOLD_ASKING;
    enum err err =
        session_close(sessions_of(hold), hold->id, (struct session_bytes){reason.data, reason.len},
                      false, SOCKJS_TTL, on_expired, hold);
    buf_free(&reason);
    if (err != ERR_OK)
        refuse_away(hold, NULL);
}

/* --------------------------------------------------------------------- the hub */

static void on_begun(struct hub_holder *holder) {
    (void)holder;
}

/* The frame of a batch; what several wait for is rendered once. */
static void put_batch(const struct hold *hold, struct batch *batch, struct buf *out) {
    unsigned variant = sockjs_variant(SOCKJS_WEBSOCKET, hold->speech.protocol);
    const struct transport_options options = {.variant = variant, .speech = &hold->speech};
    unsigned key = transport_sockjs.shared(&options, batch);
    const struct buf *kept =
        key != TRANSPORT_OWN ? batch_kept(batch, &transport_sockjs, key) : NULL;

    if (kept == NULL) {
        struct buf own = buf_make(SIZE_MAX / 2);
        transport_sockjs.render(&options, batch, &own);
        if (key != TRANSPORT_OWN)
            kept = batch_keep(batch, &transport_sockjs, key, &own);
        if (kept == NULL)
            buf_add(out, own.data, own.len);
        buf_free(&own);
    }
    if (kept != NULL)
        buf_add(out, kept->data, kept->len);
}

static void on_taken(struct hub_holder *holder, struct batch *batch, struct hub_places *places) {
    struct hold *hold = (struct hold *)holder;

    hold->watcher = NULL;
    hold->state = HOLD_PAUSING;
    hub_places_free(&hold->places);
    hold->places = *places;
    bool nothing = batch == NULL || (batch_size(batch) == 0 && !batch_has_gap(batch));
    if (nothing && identity_over(hold->speech.who, ev_now(hold->sockjs->app->loop))) {
        expire(hold);
    } else if (batch == NULL) {
        close_stream(hold);
    } else if (nothing) {
        let_go(hold);
        end_empty(hold);
    } else {
        put_batch(hold, batch, &hold->out);
        if (hold->out.len > 0)
            mark(hold, 0, false);
        else
            proceed(hold); /* a gap, for which the protocol has no word */
    }
}

static struct hub_read read_of(const struct hold *hold) {
    const struct config *config = hold->sockjs->app->config;
    bool stream = sockjs_streams(hold->kind);

    return (struct hub_read){
        .transport = stream ? &transport_sockjs : &transport_sockjs_poll,
        .options = {.config = config, .variant = sockjs_variant(hold->kind, hold->speech.protocol)},
        .channels = hold->places.channels,
        .channel_count = hold->places.count,
        .limit = SOCKJS_LIMIT,
        .timeout = config->timeout,
        .who = hold->speech.who,
        .address = hold->who};
}

static void wait_in_hub(struct hold *hold) {
    struct hub *hub = hold->sockjs->app->hub;
    const struct hub_read read = read_of(hold);
    struct problem problem;

    hold->state = HOLD_WAITING;
    if (hub_hold(hub, &hold->face, &read, &hold->holder, &problem))
        return;
    if (hub_draining(hub) && !sockjs_streams(hold->kind)) {
        let_go(hold);
        end_empty(hold);
    } else {
        refuse(hold, &problem);
    }
}

/* Out of the hub, with where it stands there. */
static void leave_hub(struct hold *hold) {
    hub_places_free(&hold->places);
    hold->places = hub_release(hold->holder.waiter);
    hold->watcher = NULL;
    hold->state = HOLD_PAUSING;
}

/* --------------------------------------------------------------------- looking */

static void on_looked(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;

    if (ended_by(hold, view))
        return;
    take_view(hold, view);
    proceed(hold);
}

static void look(struct hold *hold) {
    hold->woken = false;
    hold->state = HOLD_ASKING;
    if (session_look(sessions_of(hold), hold->id, hold->number, on_looked, hold) != ERR_OK)
        refuse_away(hold, NULL);
}

/* What is to be done now for one that is not in the hub, and waits for no answer. */
static void proceed(struct hold *hold) {
    hold->state = HOLD_PAUSING;
    if (!is_there(hold))
        return;
    if (hold->full) {
        close_stream(hold);
    } else if (hold->woken && hold->owns) { /* who was refused the session has none to look at */
        look(hold);
    } else if (hold->frames.count > 0) {
        put_own(hold, &hold->out);
        mark(hold, hold->frames.count, sockjs_streams(hold->kind));
    } else if (hold->reason.len > 0) {
        let_go(hold);
        end(hold, hold->reason.data, hold->reason.len);
    } else {
        wait_in_hub(hold);
    }
}

static void on_wake(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hold *hold = timer->data;
    (void)loop, (void)events;

    if (hold->state != HOLD_WAITING || hold->holder.waiter == NULL)
        return; /* it is asked after when what is under way has ended */
    leave_hub(hold);
    proceed(hold);
}

static void wake(struct hold *hold) {
    if (!ev_is_active(&hold->wake))
        ev_timer_start(hold->sockjs->app->loop, &hold->wake);
}

static void hold_full(struct hold *hold) {
    hold->full = true;
    wake(hold);
}

void hold_word(void *ctx, enum session_word word, uint64_t number) {
    struct sockjs *sockjs = ctx;
    struct hold *hold;
    (void)word; /* who has lost the session is told so when it looks */

    HASH_FIND(hh, sockjs->holds, &number, sizeof number, hold);
    if (hold == NULL)
        return;
    hold->woken = true;
    wake(hold);
}

void hold_again(void *ctx) {
    struct sockjs *sockjs = ctx;
    struct hold *hold, *next;

    HASH_ITER (hh, sockjs->holds, hold, next) {
        hold->woken = true;
        wake(hold);
    }
}

/* -------------------------------------------------------------------- its beginning */

static void on_pause(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hold *hold = timer->data;
    (void)events;

    if (!hold->opened) {
        proceed(hold);
        return;
    }
    hold->opened = false;
    if (face_say(hold, "o", 1))
        ev_timer_start(loop, timer);
    else
        hold_gone(hold);
}

/* A stream begins, and the session is held. */
static void begin_stream(struct hold *hold) {
    hold->state = HOLD_PAUSING;
    if (face_begin(hold))
        ev_timer_start(hold->sockjs->app->loop, &hold->pause);
    else
        hold_gone(hold);
}

static void begin_opened(struct hold *hold) {
    if (sockjs_streams(hold->kind)) {
        hold->opened = true;
        begin_stream(hold);
    } else {
        end(hold, "o", 1);
    }
}

static void on_closed(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;
    (void)view;

    hold->owns = false;
    if (hold->client == NULL)
        hold_free(hold);
    else
        begin_opened(hold);
}

/* What a new session's protocol does first, with the state that the session has then. */
static void begin_speech(struct hold *hold, struct step *step) {
    struct speech *speech = &hold->speech;

    speech_end(speech);
    speech_begin(speech);
    speech->now = (uint64_t)(ev_now(hold->sockjs->app->loop) * 1000);
    if (speech->protocol->open != NULL)
        speech->protocol->open(speech, step);
}

/* The session is new: what its protocol does first. */
static void open(struct hold *hold) {
    struct step step = {0};

    begin_speech(hold, &step);
    if (step.closes != 0)
        sockjs_put_close(step.closes, step.reason, &hold->reason);
    step_free(&step);
    const struct session_bytes reason = {hold->reason.data, hold->reason.len};
    if (reason.len == 0)
        begin_opened(hold);
    else if (session_close(sessions_of(hold), hold->id, reason, false, SOCKJS_TTL, on_closed,
                           hold) != ERR_OK)
        refuse_away(hold, NULL);
}

static void on_places(void *ctx, const struct hub_places *places, const struct problem *problem) {
    struct hold *hold = ctx;

    if (!is_there(hold))
        return;
    if (places == NULL)
        refuse(hold, problem);
    else
        attach(hold, places);
}

/* Whether sessions of its protocol begin in channels, as far as they may. */
static bool begins_somewhere(struct hold *hold) {
    struct step step = {0};

    begin_speech(hold, &step);
    bool joins = step.joins;
    step_free(&step);
    return joins;
}

/* There is no such session; it may be made, and begins in channels where its protocol says so. */
static void find_beginning(struct hold *hold) {
    struct step step = {0};

    hold->admitted = true;
    if (!begins_somewhere(hold)) {
        attach(hold, NULL);
        return;
    }
    begin_speech(hold, &step);
    begin_ask(hold->sockjs->app, NULL, step.join.channels, step.join.count, on_places, hold);
    step_free(&step);
}

static void on_admitted(void *ctx, const struct problem *problem) {
    struct hold *hold = ctx;

    if (!is_there(hold))
        return;
    if (problem != NULL)
        refuse(hold, problem);
    else
        find_beginning(hold);
}

static void on_attached(void *ctx, const struct session_view *view) {
    struct hold *hold = ctx;
    bool born = view->err == ERR_OK && view->status == SESSION_OPENED;

    if (hold->client != NULL && view->err == ERR_OK && view->status == SESSION_GONE) {
        admission_ask(hold->sockjs->app, hold->who, on_admitted, hold);
        return;
    }
    hold->owns = view->err == ERR_OK &&
                 (view->status == SESSION_HELD || (born && sockjs_streams(hold->kind)));
    if (ended_by(hold, view))
        return;
    take_view(hold, view);
    if (born)
        open(hold);
    else if (sockjs_streams(hold->kind))
        begin_stream(hold);
    else
        proceed(hold);
}

/* `begin`: where a session that is made begins; NULL: that is not known yet. */
static void attach(struct hold *hold, const struct hub_places *begin) {
    const struct config *config = hold->sockjs->app->config;
    bool stream = sockjs_streams(hold->kind);
    struct buf cursor = buf_make(SESSION_CURSOR_MAX), state = buf_make(SESSION_STATE_MAX);
    struct buf words = buf_make(SESSION_WHO_MAX), over = buf_make(SESSION_REASON_MAX);
    bool makes = begin != NULL ||
                 ((hold->admitted || admission_free(hold->sockjs->app)) && !begins_somewhere(hold));

    if (begin != NULL)
        places_put(begin, &cursor);
    speech_save(&hold->speech, &state);
    sockjs_put_close(SPEAKER_EXPIRED_CODE, SPEAKER_EXPIRED, &over);
    const struct session_birth birth = {
        .dialect = {hold->service->path, strlen(hold->service->path)},
        .state = {state.data != NULL ? state.data : "", state.len},
        .cursor = {cursor.data != NULL ? cursor.data : "", cursor.len},
        .most = (unsigned)config->max_sessions,
        .loose = !stream};
    const struct session_attach attach = {
        .number = hold->number,
        .policy = SESSION_FIRST,
        .confirm = SESSION_NEXT,
        .birth = makes ? &birth : NULL,
        .who = speaker_words(hold->speech.who, (struct session_bytes){over.data, over.len}, &words),
        .ttl = (unsigned)(stream ? config->max_stream : config->timeout) * 1000 + SPARE};
    hold->state = HOLD_ASKING;
    enum err err = session_attach(sessions_of(hold), hold->id, &attach, on_attached, hold);
    buf_free(&cursor);
    buf_free(&state);
    buf_free(&words);
    buf_free(&over);
    if (err != ERR_OK)
        refuse_away(hold, NULL);
}

static void on_up(void *ctx, bool up) {
    struct hold *hold = ctx;

    if (hold->client == NULL)
        hold_free(hold);
    else if (up)
        attach(hold, NULL);
    else
        refuse_away(hold, NULL);
}

static struct hold *hold_new(const struct sockjs_request *request) {
    struct hold *hold = mem_new(sizeof *hold);
    struct app *app = request->app;

    *hold = (struct hold){.holder = {.begun = on_begun, .taken = on_taken},
                          .gone = hold_gone,
                          .filled = hold_full,
                          .sockjs = app->sockjs,
                          .service = request->service,
                          .speech = service_speech(app->config, request->service),
                          .kind = request->kind,
                          .number = session_number(hub_sessions(app->hub)),
                          .callback = mem_string(request->callback),
                          .who = mem_string(request->request->remote_addr),
                          .client = request->client,
                          .reason = buf_make(SESSION_REASON_MAX),
                          .out = buf_make(SIZE_MAX / 2)};
    hold->speech.who = identity_hold(request->request->who);
    memcpy(hold->id, request->id, sizeof hold->id);
    ev_timer_init(&hold->pause, on_pause, PAUSE, 0);
    ev_timer_init(&hold->wake, on_wake, 0, 0);
    hold->pause.data = hold->wake.data = hold;
    HASH_ADD(hh, app->sockjs->holds, number, sizeof hold->number, hold);
    return hold;
}

bool hold_begin(const struct sockjs_request *request, struct problem *problem) {
    struct hub *hub = request->app->hub;
    const struct hub_read read = {
        .transport = sockjs_streams(request->kind) ? &transport_sockjs : &transport_sockjs_poll,
        .timeout = request->app->config->timeout,
        .who = request->request->who,
        .address = request->request->remote_addr};

    if (!hub_admits(hub, &read, problem))
        return false;
    struct hold *hold = hold_new(request);
    face_make(hold);
    hub_when_up(hub, request->app->config->redis_timeout, on_up, hold);
    return true;
}
