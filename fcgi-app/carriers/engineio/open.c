/*
 * A session begins: who asks for none is given one, in Redis, as its protocol begins it: where its
 * channels stand is asked first. Whether it can become a WebSocket's any process may have to tell.
 * Where there is hardly any room no session is made, since its client would poll at once, and again
 * at once, whatever it is told.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/admission.h"
#include "fcgi-app/carriers/begin.h"
#include "fcgi-app/carriers/engineio/_engineio.h"
#include "fcgi-app/carriers/engineio/rules.h"
#include "fcgi-app/carriers/places.h"
#include "fcgi-app/endpoints/ws/serving.h"
#include "fcgi-app/transports/engineio.h"

struct opening {
    struct app *app;
    const struct service *service;
    struct speech speech;
    struct client *client; /* NULL: it has left */
    char *who;
    char sid[ENGINEIO_SID + 1];
    char id[SESSION_ID_TEXT];
    struct step step; /* with which its protocol begins */
    struct buf cursor;
    bool websocket; /* somebody serves them */
};

static void opening_free(struct opening *opening) {
    step_free(&opening->step);
    buf_free(&opening->cursor);
    speech_end(&opening->speech);
    identity_free(opening->speech.who);
    free(opening->who);
    free(opening);
}

static void refuse(struct opening *opening, const struct problem *problem) {
    if (opening->client != NULL)
        app_refuse(opening->app, opening->client, problem);
    opening_free(opening);
}

static void refuse_away(struct opening *opening, const struct session_view *view) {
    struct problem problem;
    wire_away(view, &problem);
    refuse(opening, &problem);
}

/* ---------------------------------------------------------------------- it is there */

static void answer(struct opening *opening) {
    struct buf packet = buf_make(1024);

    wire_open(opening->service, opening->sid, opening->websocket, &packet);
    if (opening->client != NULL)
        wire_payload(opening->client, packet.data, packet.len);
    buf_free(&packet);
    opening_free(opening);
}

static void on_done(void *ctx, const struct session_view *view) {
    if (view->err != ERR_OK)
        refuse_away(ctx, view);
    else
        answer(ctx);
}

/* What its protocol says first. */
static enum err say(struct opening *opening) {
    const struct texts *said = &opening->step.said;
    struct buf payload = buf_make(SIZE_MAX / 2);

    for (size_t i = 0; i < said->count; i++) {
        size_t len;
        const char *text = texts_at(said, i, &len);
        wire_message(text, len, texts_is_bytes(said, i), &payload);
    }
    const struct session_bytes frame = {payload.data, payload.len};
    const struct session_change first = {.frames = &frame, .frame_count = 1};
    enum err err =
        session_change(hub_sessions(opening->app->hub), opening->id, &first, on_done, opening);
    buf_free(&payload);
    return err;
}

static enum err close_at_once(struct opening *opening) {
    static const struct session_bytes reason = {ENGINEIO_ENDED, sizeof ENGINEIO_ENDED - 1};
    return session_close(hub_sessions(opening->app->hub), opening->id, reason, true, 0, on_done,
                         opening);
}

static void on_opened(void *ctx, const struct session_view *view) {
    struct opening *opening = ctx;
    enum err err = ERR_OK;

    if (view->err != ERR_OK) {
        refuse_away(opening, view);
        return;
    }
    if (view->status == SESSION_FULL) {
        struct problem full;
        admission_full(opening->app, &full);
        refuse(opening, &full);
        return;
    }
    if (opening->step.closes != 0)
        err = close_at_once(opening);
    else if (opening->step.said.count > 0)
        err = say(opening);
    else
        answer(opening);
    if (err != ERR_OK)
        refuse_away(opening, NULL);
}

static void on_served(void *ctx, bool served) {
    struct opening *opening = ctx;
    const struct service *service = opening->service;
    unsigned life = wire_life(service);
    const struct session_bytes cursor = {opening->cursor.data, opening->cursor.len};
    struct buf state = buf_make(SESSION_STATE_MAX), words = buf_make(SESSION_WHO_MAX);
    static const struct session_bytes over = {ENGINEIO_ENDED, sizeof ENGINEIO_ENDED - 1};

    speech_save(&opening->speech, &state);
    const struct session_birth birth = {.dialect = {service->path, strlen(service->path)},
                                        .state = {state.data, state.len},
                                        .cursor = cursor,
                                        .first_pulse = (unsigned)service->ping_interval,
                                        .most = (unsigned)opening->app->config->max_sessions,
                                        .who = speaker_words(opening->speech.who, over, &words)};

    opening->websocket = served;
    enum err err =
        session_open(hub_sessions(opening->app->hub), opening->id, &birth,
                     life < SESSION_UNPOLLED ? life : SESSION_UNPOLLED, on_opened, opening);
    buf_free(&state);
    buf_free(&words);
    if (err != ERR_OK)
        refuse_away(opening, NULL);
}

/* ------------------------------------------------------------------ where it begins */

static void ask_sockets(struct opening *opening) {
    if (opening->service->websocket)
        ws_ask(opening->app, on_served, opening);
    else
        on_served(opening, false);
}

static void on_places(void *ctx, const struct hub_places *places, const struct problem *problem) {
    struct opening *opening = ctx;

    if (places == NULL) {
        refuse(opening, problem);
        return;
    }
    places_put(places, &opening->cursor);
    if (speech_asks(&opening->speech, &opening->step))
        opening->speech.protocol->joined(&opening->speech, places, &opening->step);
    ask_sockets(opening);
}

static void on_admitted(void *ctx, const struct problem *problem) {
    struct opening *opening = ctx;
    const struct protocol *protocol = opening->speech.protocol;
    struct step *step = &opening->step;

    if (problem != NULL) {
        refuse(opening, problem);
        return;
    }
    speech_begin(&opening->speech);
    opening->speech.now = (uint64_t)(ev_now(opening->app->loop) * 1000);
    if (protocol->open != NULL)
        protocol->open(&opening->speech, step);
    if (step->joins)
        begin_ask(opening->app, NULL, step->join.channels, step->join.count, on_places, opening);
    else
        ask_sockets(opening);
}

static void on_up(void *ctx, bool up) {
    struct opening *opening = ctx;

    if (up)
        admission_ask(opening->app, opening->who, on_admitted, opening);
    else
        refuse_away(opening, NULL);
}

/* -------------------------------------------------------------------- its beginning */

static void on_gone(void *ctx) {
    struct opening *opening = ctx;

    client_drop(opening->client);
    opening->client = NULL;
}

static const struct client_events opening_events = {.gone = on_gone};

bool open_begin(const struct engineio_call *call, struct problem *problem) {
    struct app *app = call->app;
    const struct hub_read read = {.transport = &transport_engineio_poll,
                                  .timeout = 1,
                                  .who = call->request->who,
                                  .address = call->request->remote_addr};

    if (!hub_admits(app->hub, &read, problem))
        return false;
    struct opening *opening = mem_new(sizeof *opening);
    *opening = (struct opening){.app = app,
                                .service = call->service,
                                .speech = service_speech(app->config, call->service),
                                .client = call->client,
                                .who = mem_string(call->request->remote_addr),
                                .cursor = buf_make(SESSION_CURSOR_MAX)};
    opening->speech.who = identity_hold(call->request->who);
    wire_sid(opening->sid);
    session_id(opening->id, call->service->path, strlen(call->service->path), opening->sid,
               ENGINEIO_SID);
    client_watch(opening->client, &opening_events, opening);
    hub_when_up(app->hub, app->config->redis_timeout, on_up, opening);
    return true;
}
