/*
 * A /meta/connect: held until there is something for its client, and answered with that and its own
 * reply behind it, in one array.
 *
 * What an answer carried counts as received by what the client says next (core/redis/session.h):
 * where it acknowledges, by the number of the answer that it has; else by the id of its request:
 * the same one once more says that its answer was lost, and it is given the same again.
 *
 * A WebSocket's connect, once it is answered, rests in the berth of its socket: the next one goes
 * on with it, and Redis is not asked (hold.c).
 *
 * A connect that says `eventsource` has a stream beside it (stream.c), which holds the session: it
 * is only kept waiting, so that its client does not ask in circles.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/bayeux/_hold.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/transports/bayeux.h"

struct connect {
    struct hold hold;              /* first */
    struct berth *berth;           /* where it rests; NULL: nowhere */
    const struct identity *asker;  /* whose rights its socket has; only with `berth` */
    struct bayeux_message message; /* its id, client and channel are the connect's own */
    char *id;
    struct buf out;  /* objects that are to be sent; first the replies to what stood beside it */
    size_t before;   /* bytes of these */
    struct buf gaps; /* names of channels with a gap */
    bool acks;
    bool again;           /* its client has not had the session's last answer, ... */
    long ack;             /* ... but this one; with `acks` */
    bool seen;            /* it has held its session */
    struct cursor *until; /* where the answer that was lost, and is given again, ended; or NULL */
    unsigned interval;    /* after which the client is to come back */
    struct session_bytes request; /* its id, as the session keeps it */
};

static struct app *app_of(const struct connect *connect) {
    return connect->hold.bayeux->app;
}

/* What it has of one request. */
static void forget_request(struct connect *connect) {
    bayeux_free(&connect->message, 1);
    free(connect->id);
    free(connect->until);
    connect->until = NULL;
    connect->id = NULL;
    connect->request = (struct session_bytes){NULL, 0};
}

static void leave_berth(struct connect *connect) {
    if (connect->berth != NULL)
        connect->berth->connect = NULL;
    connect->berth = NULL;
}

static void connect_free(struct connect *connect) {
    hold_unmake(&connect->hold);
    leave_berth(connect);
    identity_free(connect->asker);
    forget_request(connect);
    buf_free(&connect->out);
    buf_free(&connect->gaps);
    free(connect);
}

/* ----------------------------------------------------------------------- replies */

static void put_ext(struct connect *connect, uint64_t batch, struct buf *out) {
    if (!connect->acks && connect->gaps.len == 0)
        return;
    buf_text(out, ",\"ext\":{");
    if (connect->acks)
        buf_printf(out, "\"ack\":%llu", (unsigned long long)batch);
    if (connect->gaps.len > 0)
        buf_printf(out, "%s\"halley\":{\"gap\":[%s]}", connect->acks ? "," : "",
                   connect->gaps.data);
    buf_char(out, '}');
}

static void answer(struct connect *connect) {
    outlet_answer(connect->hold.outlet, &connect->out);
    connect_free(connect);
}

/* The same, but a WebSocket's stays for the next one; the socket may be gone by then. */
static void answer_and_rest(struct connect *connect) {
    outlet_answer(connect->hold.outlet, &connect->out);
    if (connect->berth == NULL)
        connect->hold.replaced = connect->hold.owns;
    if (!connect->hold.owns || !hold_rest(&connect->hold))
        connect_free(connect);
}

/* Answers with what there is, and a good reply behind it. */
static void succeed(struct connect *connect, uint64_t batch) {
    const struct bayeux_message *message = &connect->message;

    bayeux_reply_begin(&connect->out, message, true);
    bayeux_reply_client(&connect->out, message->client, message->client_len);
    bayeux_reply_advice(&connect->out, "retry", connect->interval,
                        (long)app_of(connect)->config->timeout * 1000);
    put_ext(connect, batch, &connect->out);
    bayeux_reply_end(&connect->out);
    answer_and_rest(connect);
}

static void fail(struct connect *connect, int code, const char *words, const char *reconnect,
                 unsigned interval) {
    const struct bayeux_message *message = &connect->message;

    bayeux_reply_begin(&connect->out, message, false);
    bayeux_reply_client(&connect->out, message->client, message->client_len);
    bayeux_reply_error(&connect->out, code, message->client, message->client_len, words);
    bayeux_reply_advice(&connect->out, reconnect, interval,
                        (long)app_of(connect)->config->timeout * 1000);
    bayeux_reply_end(&connect->out);
    answer(connect);
}

/* Of HTTP a client tries again what was not answered; it is told so if nothing else was done. */
static void fail_away(struct connect *connect) {
    const struct problem *problem = &connect->hold.problem;

    if (connect->before == 0 && outlet_is_http(connect->hold.outlet)) {
        outlet_refuse(connect->hold.outlet, problem);
        connect_free(connect);
        return;
    }
    app_count(app_of(connect), problem);
    fail(connect, problem->status, problem->detail, "retry",
         problem->retry_after > 0 ? problem->retry_after * 1000 : BAYEUX_WAIT);
}

static void over(struct hold *hold, enum hold_end end) {
    struct connect *connect = (struct connect *)hold;

    if (hold->outlet == NULL) { /* it rested */
        connect_free(connect);
        return;
    }
    connect->out.len = connect->before < connect->out.len ? connect->before : connect->out.len;
    if (end == HOLD_CLOSED && connect->seen) {
        fail(connect, 401, "Unknown client", "none", 0);
    } else if (end == HOLD_EXPIRED) {
        fail(connect, 401, SPEAKER_EXPIRED, "handshake", 0);
    } else if (end == HOLD_GONE || end == HOLD_CLOSED) {
        bayeux_reply_unknown(&connect->out, &connect->message);
        answer(connect);
    } else if (end == HOLD_OVER) {
        fail(connect, 409, "Another connect has come", "retry", BAYEUX_WAIT);
    } else if (end == HOLD_AWAY) {
        fail_away(connect);
    } else {
        outlet_drop(hold->outlet);
        connect_free(connect);
    }
}

/* -------------------------------------------------------------------- what is sent */

static void on_marked(struct hold *hold, uint64_t batch) {
    succeed((struct connect *)hold, batch);
}

static void mark(struct connect *connect) {
    const struct session_answer wanted = {.request = connect->request};
    if (connect->hold.keeps)
        hold_send(&connect->hold, connect->request, on_marked);
    else
        hold_mark(&connect->hold, &wanted, on_marked);
}

static void on_released(struct hold *hold) {
    struct connect *connect = (struct connect *)hold;
    succeed(connect, connect->again ? (uint64_t)connect->ack : hold->batch);
}

/* Nothing is to be sent: the session is given back, and the client told to come again. */
static void end_empty(struct connect *connect) {
    if (connect->hold.keeps)
        hold_send_nothing(&connect->hold, on_marked);
    else if (connect->hold.owns)
        hold_release(&connect->hold, hold_ttl(app_of(connect)), on_released);
    else
        succeed(connect, 0);
}

/* Whether all places have got to where the answer that was lost has ended. */
static bool is_there(const struct connect *connect) {
    const struct hub_places *places = &connect->hold.places;

    for (size_t i = 0; i < connect->until->count; i++) {
        const struct cursor_item *item = &connect->until->items[i];
        for (size_t k = 0; k < places->count; k++) {
            const struct hub_channel *place = &places->channels[k];
            if (place->len == item->channel_len &&
                memcmp(place->name, item->channel, place->len) == 0 &&
                place->since.kind == SINCE_AT &&
                position_compare(place->since.at, item->position) < 0)
                return false;
        }
    }
    return true;
}

/* Gives again what was lost, no more: its client may have got it all the same. One that is not to
 * be had from here is not answered, so that its client asks once more. */
static void take_again(struct connect *connect, const struct batch *batch) {
    if (batch == NULL) {
        hold_release(&connect->hold, hold_ttl(app_of(connect)), NULL);
        over(&connect->hold, HOLD_COPY);
        return;
    }
    bool nothing = batch_size(batch) == 0 && !batch_has_gap(batch);
    bayeux_reply_messages(&connect->out, batch, connect->until);
    bayeux_reply_gaps(&connect->gaps, batch);
    connect->hold.partly = !nothing && !is_there(connect);
    if (connect->hold.partly)
        hold_wait(&connect->hold);
    else
        mark(connect);
}

/* What several wait for is written once. */
static void put_batch(struct batch *batch, struct buf *out) {
    const struct buf *kept = batch_kept(batch, &transport_bayeux, 0);
    struct buf own = buf_make(SIZE_MAX / 2);

    if (kept == NULL) {
        bayeux_reply_messages(&own, batch, NULL);
        kept = batch_keep(batch, &transport_bayeux, 0, &own);
    }
    const struct buf *text = kept != NULL ? kept : &own;
    if (text->len > 0) {
        if (out->len > 0)
            buf_char(out, ',');
        buf_add(out, text->data, text->len);
    }
    buf_free(&own);
}

static void taken(struct hold *hold, struct batch *batch) {
    struct connect *connect = (struct connect *)hold;
    bool nothing = batch == NULL || (batch_size(batch) == 0 && !batch_has_gap(batch));

    if (connect->until != NULL) {
        take_again(connect, batch);
        return;
    }
    if (nothing) {
        connect->interval = batch != NULL ? batch_retry(batch) : 0;
        end_empty(connect);
        return;
    }
    put_batch(batch, &connect->out);
    bayeux_reply_gaps(&connect->gaps, batch);
    if (connect->out.len > connect->before || connect->gaps.len > 0)
        mark(connect);
    else
        hold_wait(hold); /* of channels that are Bayeux's own nobody is told */
}

static void seen(struct hold *hold, const struct session_view *view) {
    struct connect *connect = (struct connect *)hold;
    struct bayeux_state state = {0};

    connect->seen = true;
    connect->out.len = connect->before;
    buf_clear(&connect->gaps);
    state_parse(&state, view->state.at, view->state.len);
    connect->acks = hold->numbered = state.acks;
    connect->again = connect->again || (view->again && connect->ack >= 0);
    state_free(&state);
    free(connect->until);
    connect->until = NULL;
    if (view->until.at != NULL &&
        cursor_parse(view->until.at, view->until.len, PARAMS_MAX, &connect->until) == ERR_OK)
        hold->read.timeout = 0;
    hold_wait(hold);
}

static const struct hold_kind kind = {.seen = seen, .taken = taken, .over = over};

/* -------------------------------------------------------------------- its beginning */

/* Beside a stream: the session only lives on. */
static void on_touched(void *ctx, const struct session_view *view) {
    struct connect *connect = ctx;
    struct hold *hold = &connect->hold;

    hold->state = HOLD_IDLE;
    if (!outlet_is_there(hold->outlet))
        over(hold, HOLD_LEFT);
    else if (view->err != ERR_OK)
        hold_end_away(hold, view);
    else if (view->status == SESSION_OK)
        hold_wait(hold);
    else
        over(hold, HOLD_GONE);
}

static void touch(struct connect *connect) {
    const struct session_change nothing = {.ttl = 2 * hold_ttl(app_of(connect))};
    struct hold *hold = &connect->hold;

    hold->state = HOLD_ASKING;
    if (session_change(hub_sessions(app_of(connect)->hub), hold->id, &nothing, on_touched,
                       connect) != ERR_OK)
        hold_end_away(hold, NULL);
}

/* How its last answer is told to have come. */
static void set_confirm(struct connect *connect, long ack, struct session_attach *attach) {
    if (ack >= 0) {
        attach->confirm = SESSION_ACK;
        attach->ack = (uint64_t)ack;
    } else if (connect->request.len > 0) {
        attach->confirm = SESSION_SAME;
        attach->request = connect->request;
    } else {
        attach->confirm = SESSION_NEXT;
    }
}

static void copy_message(struct connect *connect, const struct bayeux_message *message) {
    connect->id = mem_copy(message->id.at != NULL ? message->id.at : "", message->id.len);
    connect->message = (struct bayeux_message){
        .kind = message->kind,
        .channel = mem_copy(message->channel, message->channel_len),
        .channel_len = message->channel_len,
        .id = {message->id.at != NULL ? connect->id : NULL, message->id.len},
        .client = mem_copy(message->client, message->client_len),
        .client_len = message->client_len};
    if (message->id.len <= SESSION_REQUEST_MAX)
        connect->request = (struct session_bytes){connect->id, message->id.len};
}

/* --------------------------------------------------------------------- resting */

void berth_close(struct berth *berth) {
    struct connect *connect = berth->connect;

    berth->closed = true;
    if (connect == NULL)
        return;
    leave_berth(connect);
    if (connect->hold.state == HOLD_RESTING)
        hold_give_back(&connect->hold, false);
}

static double wait_of(const struct connect_request *request) {
    double longest = request->app->config->timeout;
    long wanted = request->message->timeout;

    if (request->now)
        return 0;
    return wanted >= 0 && (double)wanted / 1000 < longest ? (double)wanted / 1000 : longest;
}

/* What a request says, and where it is answered. */
static void take_request(struct connect *connect, const struct connect_request *request) {
    copy_message(connect, request->message);
    connect->out = *request->replies;
    connect->before = connect->out.len;
    connect->gaps = buf_make(SIZE_MAX / 2);
    connect->ack = request->message->ack;
    connect->again = false;
    connect->interval = 0;
    *request->replies = buf_make(SIZE_MAX / 2);
    connect->hold.outlet = request->outlet;
}

/* Whether the request is about the session of the connect that rests there. */
static bool is_of(const struct connect *connect, const struct connect_request *request) {
    return connect->message.client_len == request->message->client_len &&
           memcmp(connect->message.client, request->message->client, connect->message.client_len) ==
               0;
}

static bool same_id(const struct connect *connect, const struct connect_request *request) {
    return connect->request.len > 0 && connect->request.len == request->message->id.len &&
           memcmp(connect->request.at, request->message->id.at, connect->request.len) == 0;
}

/* A token that this one says is the session's by now; another that was said before may not be. */
static bool is_known(const struct connect *connect, const struct connect_request *request) {
    return connect->asker == request->identity || request->message->token.at != NULL;
}

static void go_on(struct connect *connect, const struct connect_request *request) {
    static const struct session_bytes none = {NULL, 0};
    forget_request(connect);
    buf_free(&connect->out);
    buf_free(&connect->gaps);
    take_request(connect, request);
    connect->seen = !connect->hold.woken; /* else it is asked after first */
    connect->hold.read.timeout = wait_of(request);
    hold_go_on(&connect->hold, request->message->ack < 0 ? connect->request : none);
}

/* Whether the request goes on with the connect that rests in its socket's berth; one that it cannot
 * go on with gives the session back, in front of it. */
static bool rested(const struct connect_request *request) {
    struct connect *connect = request->berth != NULL ? request->berth->connect : NULL;
    const struct bayeux_message *message = request->message;

    if (connect == NULL || !is_of(connect, request))
        return false;
    if (bayeux_type(message->type) != BAYEUX_EVENTSOURCE && is_known(connect, request) &&
        hold_can_go_on(&connect->hold, message->ack)) {
        go_on(connect, request);
        return true;
    }
    bool copy = same_id(connect, request);
    leave_berth(connect);
    hold_give_back(&connect->hold, copy);
    return false;
}

static void take_berth(struct connect *connect, const struct connect_request *request) {
    struct berth *berth = request->berth;

    if (berth == NULL || berth->closed || berth->connect != NULL)
        return;
    connect->berth = berth;
    berth->connect = connect;
    connect->asker = identity_hold(request->identity);
    connect->hold.wants = true;
}

void connect_begin(const struct connect_request *request) {
    const struct bayeux_message *message = request->message;
    struct app *app = request->app;

    if (rested(request))
        return;
    struct connect *connect = mem_new(sizeof *connect);
    take_request(connect, request);
    connect->hold.kind = &kind;
    connect->hold.read = (struct hub_read){.transport = &transport_bayeux,
                                           .options.config = app->config,
                                           .limit = BAYEUX_LIMIT,
                                           .timeout = wait_of(request),
                                           .who = request->identity,
                                           .address = request->who};
    hold_make(&connect->hold, app, request->service, message->client, message->client_len);
    if (bayeux_type(message->type) == BAYEUX_EVENTSOURCE) {
        touch(connect);
        return;
    }
    take_berth(connect, request);
    struct session_attach attach = {.ttl = (unsigned)(connect->hold.read.timeout * 1000) +
                                           hold_ttl(app)};
    set_confirm(connect, message->ack, &attach);
    hold_attach(&connect->hold, &attach);
}
