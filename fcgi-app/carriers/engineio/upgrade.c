/*
 * How a WebSocket comes to have a session: it begins one, or it takes one over that polled.
 *
 * Who takes one over asks first whether the WebSocket works (`2probe`, answered `3probe`), and
 * polls no more; but the poll that is held at that moment has to end: it is answered 6, by way of
 * a frame in the session, and again as long as a poll may still have come. When the client says 5
 * the session is taken out of Redis with all that it is, and goes on in memory. Of two WebSockets
 * that want the same session the one that is first has it; the other finds that it is gone, as
 * does one that comes later, and is closed.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/admission.h"
#include "fcgi-app/carriers/engineio/_live.h"
#include "fcgi-app/carriers/places.h"
#include "fcgi-app/door/ws/handshake.h"
#include "fcgi-app/transports/engineio.h"

#define TICK                                                                                       \
    0.1 /* seconds, in which a client that probes may have said already that it is done            \
         */

enum { TICKS = 100 }; /* in which it must have */

static struct sessions *sessions_of(const struct live *live) {
    return hub_sessions(live->app->hub);
}

static void close_with(struct live *live, unsigned code, const char *reason) {
    ev_timer_stop(live->app->loop, &live->timer);
    if (live->socket != NULL)
        socket_close(live->socket, code, reason);
}

/* ------------------------------------------------------------------------- ticks */

static void on_ticked(void *ctx, const struct session_view *view) {
    struct live *live = ctx;

    live->asking--;
    if (live->socket == NULL) {
        live_free_if_done(live);
        return;
    }
    if (live->phase >= LIVE_TAKING)
        return;
    if (view->err == ERR_OK && view->status != SESSION_OK) {
        close_with(live, LIVE_NORMAL, "the session is gone"); /* another WebSocket has it */
        return;
    }
    live->quiet = view->err == ERR_OK && view->waiting == 0;
    ev_timer_set(&live->timer, TICK, 0);
    ev_timer_start(live->app->loop, &live->timer);
}

/* Looks whether the session is still there, and ends the poll of one that is to be taken over. */
static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events) {
    static const struct session_bytes noop = {"6", 1};
    struct live *live = timer->data;
    bool ends = live->phase == LIVE_PROBED && live->quiet;
    const struct session_change change = {.frames = &noop, .frame_count = ends ? 1 : 0};
    (void)loop, (void)events;

    if (hub_draining(live->app->hub)) {
        close_with(live, LIVE_AWAY, "");
        return;
    }
    if (++live->ticks > TICKS) {
        close_with(live, LIVE_NORMAL, "it does not take its session over");
        return;
    }
    if (session_change(sessions_of(live), live->id, &change, on_ticked, live) == ERR_OK)
        live->asking++;
    else
        close_with(live, 1013, "Redis is away");
}

static void begin_probing(struct live *live) {
    ev_set_cb(&live->timer, on_tick);
    ev_timer_set(&live->timer, TICK, 0);
    ev_timer_start(live->app->loop, &live->timer);
}

/* -------------------------------------------------------------------- taking it over */

/* What the session had for its client. */
static void say_frames(struct live *live, const struct speech *speech,
                       const struct hub_places *places, const struct session_view *view) {
    for (size_t i = 0; i < view->frame_count; i++) {
        const struct session_bytes *frame = &view->frames[i];
        struct buf place = buf_make(SIZE_MAX / 2);

        if (frame->len == 0)
            wire_place(speech, places, &place);
        if (frame->len == 0)
            live_say(live, place.data, place.len);
        else if (frame->len > 1 || frame->at[0] != '6') /* which only a poll needs */
            live_say(live, frame->at, frame->len);
        buf_free(&place);
    }
}

static void take_early(struct live *live) {
    for (size_t i = 0; i < live->early.count; i++) {
        size_t len;
        const char *text = texts_at(&live->early, i, &len);
        live_take(live, text, len, texts_is_bytes(&live->early, i));
    }
    texts_free(&live->early);
}

static void go_on(struct live *live, const struct speech *speech, const struct hub_places *places,
                  const struct session_view *view) {
    struct client *socket = live->socket;

    socket_hold(socket);
    say_frames(live, speech, places, view);
    live_talk(live, places, speech->state);
    take_early(live);
    socket_read_on(socket, true);
    socket_let_go(socket);
}

/* The rights of a session may have ended while nobody held it. */
static bool may_go_on(struct live *live, const struct session_view *view,
                      const struct hub_places *places) {
    const struct identity *who = live->speech.who;

    if (speaker_keeps(live->app->config, who, view, places))
        return true;
    if (who != NULL && who->revoked)
        close_with(live, SPEAKER_EXPIRED_CODE, SPEAKER_EXPIRED);
    else
        close_with(live, SPEAKER_FORBIDDEN_CODE, SPEAKER_FORBIDDEN);
    return false;
}

static void take_over(struct live *live, const struct session_view *view) {
    (void)speaker_take(live->app, &live->speech.who, view, true);
    struct speech speech = live->speech;
    struct hub_places places = {0};

    if (!speech_load(&speech, view->state.at, view->state.len)) {
        speech_end(&speech);
        close_with(live, LIVE_BROKEN, "the session's state is not of this version");
        return;
    }
    places_follow(&places, view->cursor);
    if (may_go_on(live, view, &places))
        go_on(live, &speech, &places, view);
    else
        speech_end(&speech);
    hub_places_free(&places);
}

static void on_taken(void *ctx, const struct session_view *view) {
    struct live *live = ctx;

    live->asking--;
    if (live->socket == NULL)
        live_free_if_done(live);
    else if (view->err != ERR_OK)
        close_with(live, 1013, "Redis is away");
    else if (view->status != SESSION_HELD)
        close_with(live, LIVE_NORMAL, "the session is gone");
    else
        take_over(live, view);
}

static void take(struct live *live) {
    ev_timer_stop(live->app->loop, &live->timer);
    live->phase = LIVE_TAKING;
    socket_read_on(live->socket, false);
    if (session_remove(sessions_of(live), live->id, on_taken, live) == ERR_OK)
        live->asking++;
    else
        close_with(live, 1013, "Redis is away");
}

/* ------------------------------------------------------------------ what is said */

static bool is(const char *text, size_t len, const char *word) {
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static void take_first(struct live *live, const char *text, size_t len, bool bytes) {
    if (live->phase == LIVE_TAKING) {
        (bytes ? texts_add_bytes : texts_add)(&live->early, text, len);
    } else if (!bytes && is(text, len, "2probe")) {
        live->phase = LIVE_PROBED;
        socket_say(live->socket, "3probe", 6);
    } else if (!bytes && is(text, len, "5") && live->phase == LIVE_PROBED) {
        take(live);
    } else {
        close_with(live, LIVE_WRONG, "first come a probe and an upgrade");
    }
}

/* ---------------------------------------------------------------------- opening */

/* A request that may become a WebSocket, while something is asked. */
struct opening {
    struct app *app;
    struct speech speech;
    struct client *client; /* NULL: it has left */
    char *who;
    char id[SESSION_ID_TEXT]; /* of the session to be taken over; "": it begins one */
    struct buf hello;         /* the answer to its handshake */
};

static void opening_free(struct opening *opening) {
    buf_free(&opening->hello);
    identity_free(opening->speech.who);
    free(opening->who);
    free(opening);
}

static void refuse(struct opening *opening, const struct problem *problem) {
    if (opening->client != NULL)
        app_refuse(opening->app, opening->client, problem);
    opening_free(opening);
}

static struct live *upgrade(struct opening *opening) {
    struct app *app = opening->app;
    const struct config *config = app->config;
    const struct socket_limits limits = {.max_message =
                                             (size_t)opening->speech.service->max_payload,
                                         .max_queue = (size_t)config->max_backlog,
                                         .silence = 3.0 * config->keepalive};
    struct live *live = live_new(app, &opening->speech, opening->who);
    struct buf early;
    int fd = client_upgrade(opening->client, &early);

    live->socket = socket_new(app->loop, app->stats, fd,
                              &(struct part){opening->hello.data, opening->hello.len},
                              &(struct part){early.data, early.len}, &limits, &live_events, live);
    live->take = take_first;
    memcpy(live->id, opening->id, sizeof live->id);
    buf_free(&early);
    return live;
}

static void begin(struct opening *opening) {
    struct live *live = upgrade(opening);
    struct client *socket = live->socket;
    struct buf packet = buf_make(1024);
    char sid[ENGINEIO_SID + 1];

    wire_sid(sid);
    wire_open(live->service, sid, false, &packet);
    socket_hold(socket);
    socket_say(socket, packet.data, packet.len);
    live_talk(live, NULL, NULL);
    socket_let_go(socket);
    buf_free(&packet);
}

static void on_admitted(void *ctx, const struct problem *problem) {
    struct opening *opening = ctx;
    const struct hub_read read = {
        .transport = &transport_engineio, .who = opening->speech.who, .address = opening->who};
    struct problem full = {0};

    if (problem != NULL || !hub_admits(opening->app->hub, &read, &full)) {
        refuse(opening, problem != NULL ? problem : &full);
        return;
    }
    if (opening->client != NULL)
        begin(opening);
    opening_free(opening);
}

static void on_peeked(void *ctx, const struct session_view *view) {
    struct opening *opening = ctx;
    struct problem problem;

    if (view->err != ERR_OK) {
        wire_away(view, &problem);
        refuse(opening, &problem);
        return;
    }
    if (opening->client != NULL) {
        bool ours = speaker_take(opening->app, &opening->speech.who, view, true);
        struct live *live = upgrade(opening);
        live->quiet = view->waiting == 0;
        if (view->status == SESSION_CONFLICT && ours)
            begin_probing(live);
        else
            close_with(live, LIVE_NORMAL, "the session is gone");
    }
    opening_free(opening);
}

static void on_up(void *ctx, bool up) {
    const struct session_change nothing = {.version = SESSION_PEEK};
    struct opening *opening = ctx;
    struct problem problem;

    if (up && session_change(hub_sessions(opening->app->hub), opening->id, &nothing, on_peeked,
                             opening) == ERR_OK)
        return;
    wire_away(NULL, &problem);
    refuse(opening, &problem);
}

static void on_gone(void *ctx) {
    struct opening *opening = ctx;

    client_drop(opening->client);
    opening->client = NULL;
}

static const struct client_events opening_events = {.gone = on_gone};

bool upgrade_begin(const struct engineio_call *call, struct problem *problem) {
    struct app *app = call->app;

    if (!handshake_check(call->request, app->config->origins, problem))
        return false;
    struct opening *opening = mem_new(sizeof *opening);
    *opening = (struct opening){.app = app,
                                .speech = service_speech(app->config, call->service),
                                .client = call->client,
                                .who = mem_string(call->request->remote_addr),
                                .hello = buf_make(1024)};
    opening->speech.who = identity_hold(call->request->who);
    memcpy(opening->id, call->id, sizeof opening->id);
    handshake_put_answer(call->request, &opening->hello);
    client_watch(opening->client, &opening_events, opening);
    if (opening->id[0] == '\0')
        admission_ask(app, opening->who, on_admitted, opening);
    else
        hub_when_up(app->hub, app->config->redis_timeout, on_up, opening);
    return true;
}
