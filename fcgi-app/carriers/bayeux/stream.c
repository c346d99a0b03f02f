/*
 * Faye's event stream: GET <service>/<clientId>. It holds the session for its length, and its
 * client keeps a connect waiting beside it (connect.c). Nothing is marked in Redis before it ends:
 * the id of each event says where its client stands, and the browser sends the last one when it
 * opens the stream once more (WHATWG HTML §9.2). It may lead only to other places in the session's
 * own channels, so nothing can be gained by making one up.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/bayeux/_hold.h"
#include "fcgi-app/transports/bayeux.h"

enum { SPARE = 10000 }; /* milliseconds that a held session outlives what holds it */

struct stream {
    struct hold hold; /* first */
    char *last_event; /* what the client says that it has, or "" */
    bool begun;
    bool closing; /* its end is being written to Redis */
};

static void stream_free(struct stream *stream) {
    hold_unmake(&stream->hold);
    free(stream->last_event);
    free(stream);
}

static void end(struct stream *stream, int status, const char *detail) {
    struct client *client = outlet_client(stream->hold.outlet);

    if (client != NULL && stream->begun) {
        outlet_finish(stream->hold.outlet);
    } else {
        struct problem problem;
        outlet_refuse(stream->hold.outlet, problem_set(&problem, status, "%s", detail));
    }
    stream_free(stream);
}

static void over(struct hold *hold, enum hold_end how) {
    struct stream *stream = (struct stream *)hold;

    if (how == HOLD_AWAY && !stream->begun) {
        outlet_refuse(hold->outlet, &hold->problem);
        stream_free(stream);
    } else {
        end(stream, 404, "there is no such session");
    }
}

static bool piece(struct hold *hold, const struct part *parts, size_t count) {
    struct client *client = outlet_client(hold->outlet);
    return client != NULL && client_send(client, NULL, parts, count) == ERR_OK;
}

static bool begin(struct stream *stream) {
    static const char hello[] = "retry: 1000\n\n";
    const struct head head = {.status = 200, .type = "text/event-stream", .length = HEAD_NO_LENGTH};

    stream->begun = true;
    outlet_hold(stream->hold.outlet);
    return client_send(outlet_client(stream->hold.outlet), &head,
                       &(struct part){hello, sizeof hello - 1}, 1) == ERR_OK;
}

/* ------------------------------------------------------------------------ its end */

static void on_marked(struct hold *hold, uint64_t batch) {
    (void)batch;
    end((struct stream *)hold, 503, "this process is shutting down");
}

static void close_stream(struct stream *stream) {
    const struct session_answer wanted = {.keep = false};

    stream->closing = true;
    hold_mark(&stream->hold, &wanted, on_marked);
}

static void taken(struct hold *hold, struct batch *batch) {
    (void)batch;
    close_stream((struct stream *)hold);
}

/* ------------------------------------------------------------------- its beginning */

/* The client stands where the last event said. */
static void go_back(struct stream *stream) {
    struct hub_places *places = &stream->hold.places;
    struct cursor *cursor = NULL;

    if (stream->last_event[0] == '\0' ||
        cursor_parse(stream->last_event, strlen(stream->last_event), PARAMS_MAX, &cursor) != ERR_OK)
        return;
    for (size_t i = 0; i < places->count; i++) {
        struct hub_channel *place = &places->channels[i];
        const struct position *at = cursor_find(cursor, place->name, place->len);
        if (at != NULL)
            place->since = (struct since){.kind = SINCE_AT, .at = *at};
    }
    free(cursor);
}

static void seen(struct hold *hold, const struct session_view *view) {
    struct stream *stream = (struct stream *)hold;
    (void)view;

    if (stream->closing) {
        close_stream(stream);
        return;
    }
    if (!stream->begun) {
        go_back(stream);
        if (!begin(stream)) {
            hold_release(hold, 0, NULL);
            over(hold, HOLD_LEFT);
            return;
        }
    }
    hold_wait(hold);
}

static const struct hold_kind kind = {.seen = seen, .taken = taken, .piece = piece, .over = over};

static void on_up(void *ctx, bool up) {
    struct stream *stream = ctx;
    const struct config *config = stream->hold.bayeux->app->config;
    const struct session_attach attach = {.confirm = SESSION_NEXT,
                                          .ttl = (unsigned)config->max_stream * 1000 + SPARE};

    if (!outlet_is_there(stream->hold.outlet))
        over(&stream->hold, HOLD_LEFT);
    else if (!up)
        hold_end_away(&stream->hold, NULL);
    else
        hold_attach(&stream->hold, &attach);
}

void stream_begin(struct app *app, const struct service *service, const struct request *request,
                  struct outlet *outlet, const char *client, size_t client_len) {
    struct stream *stream = mem_new(sizeof *stream);

    stream->hold.kind = &kind;
    stream->hold.outlet = outlet;
    stream->hold.streams = true;
    stream->hold.read = (struct hub_read){.transport = &transport_bayeux_stream,
                                          .options.config = app->config,
                                          .limit = BAYEUX_LIMIT,
                                          .who = request->who,
                                          .address = request->remote_addr};
    stream->last_event = mem_string(request->last_event_id);
    hold_make(&stream->hold, app, service, client, client_len);
    stream->hold.state = HOLD_ASKING;
    hub_when_up(app->hub, app->config->redis_timeout, on_up, stream);
}
