/*
 * A session on a WebSocket: a talk, as every session in memory. Each message is one packet, bytes
 * are a binary one. To the hub the client is a face, which takes payloads apart: what is rendered
 * once for everybody is the same here and for polls.
 *
 * The server pings; a client that does not answer in time is taken for gone.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/base64.h"
#include "core/base/mem.h"
#include "fcgi-app/carriers/engineio/_live.h"
#include "fcgi-app/transports/engineio.h"

enum { SEPARATOR = 0x1e, TRY_LATER = 1013, REFUSED = 1008 };

static struct live *of(const struct client *client) {
    return (struct live *)((char *)(uintptr_t)client - offsetof(struct live, face));
}

/* ------------------------------------------------------------------ packets, apart */

struct packets {
    struct socket_message *messages;
    size_t count;
    struct buf bytes; /* what binary ones say; it does not move */
};

static void put_bytes(struct packets *packets, const char *text, size_t len) {
    size_t before = packets->bytes.len;

    if (base64_decode(&packets->bytes, text, len) != ERR_OK)
        return; /* never: it was written here */
    packets->messages[packets->count++] =
        (struct socket_message){packets->bytes.data + before, packets->bytes.len - before, true};
}

static size_t count_packets(const char *payload, size_t len) {
    size_t count = 1;
    for (size_t i = 0; i < len; i++)
        count += payload[i] == SEPARATOR;
    return count;
}

/* Takes a payload apart, which it points into. */
static struct packets take_apart(const char *payload, size_t len) {
    struct packets packets = {.bytes = buf_make(len + 1)};
    const char *end = payload + len;

    packets.messages = mem_new(count_packets(payload, len) * sizeof *packets.messages);
    (void)buf_reserve(&packets.bytes, len);
    for (const char *at = payload, *stop; len > 0 && at != NULL; at = stop) {
        stop = memchr(at, SEPARATOR, (size_t)(end - at));
        size_t size = (size_t)((stop != NULL ? stop : end) - at);
        if (size > 0 && at[0] == 'b')
            put_bytes(&packets, at + 1, size - 1);
        else
            packets.messages[packets.count++] = (struct socket_message){at, size, false};
        stop = stop != NULL ? stop + 1 : NULL;
    }
    return packets;
}

static void packets_free(struct packets *packets) {
    free(packets->messages);
    buf_free(&packets->bytes);
}

void live_say(struct live *live, const char *payload, size_t len) {
    struct packets packets = take_apart(payload, len);

    for (size_t i = 0; i < packets.count; i++)
        (packets.messages[i].bytes ? socket_say_bytes : socket_say)(
            live->socket, packets.messages[i].at, packets.messages[i].len);
    packets_free(&packets);
}

/* ------------------------------------------------------------- as the hub sees it */

static void face_watch(struct client *client, const struct client_events *events, void *ctx) {
    client_watch(of(client)->socket, events, ctx);
}

static enum err face_send(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    struct buf payload = buf_make(SIZE_MAX / 2);
    (void)head;

    for (size_t i = 0; i < count; i++)
        buf_add(&payload, parts[i].data, parts[i].len);
    struct packets packets = take_apart(payload.data, payload.len);
    enum err err = socket_send_all(of(client)->socket, packets.messages, packets.count);
    packets_free(&packets);
    buf_free(&payload);
    return err;
}

/* Its time is over, or this process's. */
static void face_finish(struct client *client, const struct head *head, const struct part *parts,
                        size_t count) {
    (void)head, (void)parts, (void)count;
    socket_close(of(client)->socket, LIVE_AWAY, "");
}

static void face_refuse(struct client *client, const struct problem *problem) {
    socket_close(of(client)->socket, problem_passes(problem) ? TRY_LATER : REFUSED,
                 head_reason(problem->status));
}

static void face_drop(struct client *client) {
    client_drop(of(client)->socket);
}

static size_t face_backlog(const struct client *client) {
    return client_backlog(of(client)->socket);
}

static const struct client_kind face_kind = {.watch = face_watch,
                                             .send = face_send,
                                             .finish = face_finish,
                                             .refuse = face_refuse,
                                             .drop = face_drop,
                                             .backlog = face_backlog};

/* ----------------------------------------------------------- as the talk sees it */

static void say_text(struct client *client, const char *text, size_t len) {
    struct buf packet = buf_make(SIZE_MAX / 2);

    wire_message(text, len, false, &packet);
    socket_say(of(client)->socket, packet.data, packet.len);
    buf_free(&packet);
}

static void say_bytes(struct client *client, const char *bytes, size_t len) {
    socket_say_bytes(of(client)->socket, bytes, len);
}

static void say_close(struct client *client, unsigned code, const char *reason) {
    socket_close(of(client)->socket, code, reason);
}

static void read_on(struct client *client, bool on) {
    socket_read_on(of(client)->socket, on);
}

static void hold(struct client *client) {
    socket_hold(of(client)->socket);
}

static void let_go(struct client *client) {
    socket_let_go(of(client)->socket);
}

static const struct talk_carrier carrier = {.say = say_text,
                                            .say_bytes = say_bytes,
                                            .close = say_close,
                                            .read_on = read_on,
                                            .hold = hold,
                                            .let_go = let_go};

/* --------------------------------------------------------------------- heartbeats */

static void wait_for(struct live *live, int milliseconds) {
    ev_timer_stop(live->app->loop, &live->timer);
    ev_timer_set(&live->timer, milliseconds / 1000.0, 0);
    ev_timer_start(live->app->loop, &live->timer);
}

static void on_beat(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct live *live = timer->data;
    (void)loop, (void)events;

    if (live->asked) {
        talk_close(live->talk, LIVE_NORMAL, "ping timeout");
        return;
    }
    live->asked = true;
    wait_for(live, live->service->ping_timeout);
    socket_say(live->socket, "2", 1); /* last: it may be gone then */
}

/* ------------------------------------------------------------------- what is said */

static void take_text(struct live *live, const char *text, size_t len) {
    struct engineio_packet packet;

    if (engineio_packet_parse(&packet, text, len) != ERR_OK || packet.type == ENGINEIO_PING) {
        talk_close(live->talk, LIVE_WRONG, "that is no packet of a client's");
    } else if (packet.type == ENGINEIO_MESSAGE) {
        talk_message(live->talk, packet.data, packet.len);
    } else if (packet.type == ENGINEIO_CLOSE) {
        talk_close(live->talk, LIVE_NORMAL, "");
    } else if (packet.type == ENGINEIO_PONG && live->asked) {
        live->asked = false;
        wait_for(live, live->service->ping_interval);
    }
}

void live_take(struct live *live, const char *text, size_t len, bool bytes) {
    if (!bytes)
        take_text(live, text, len);
    else if (live->speech.protocol->take_bytes != NULL)
        talk_bytes(live->talk, text, len);
    else
        talk_close(live->talk, 1003, "messages must be text");
}

static void on_text(void *ctx, const char *text, size_t len) {
    struct live *live = ctx;
    live->take(live, text, len, false);
}

static void on_bytes(void *ctx, const char *bytes, size_t len) {
    struct live *live = ctx;
    live->take(live, bytes, len, true);
}

/* --------------------------------------------------------------------------- life */

void live_free_if_done(struct live *live) {
    if (live->socket != NULL || live->asking > 0)
        return;
    texts_free(&live->early);
    identity_free(live->speech.who);
    free(live->who);
    free(live);
}

static void on_closed(void *ctx) {
    struct live *live = ctx;

    ev_timer_stop(live->app->loop, &live->timer);
    live->socket = NULL;
    if (live->talk != NULL)
        talk_closed(live->talk);
    live_free_if_done(live);
}

/* Before it has taken its session over, what came early waits. */
static bool is_settled(void *ctx) {
    const struct live *live = ctx;
    return live->talk != NULL ? talk_settled(live->talk) : live->early.count == 0;
}

const struct socket_events live_events = {
    .message = on_text, .bytes = on_bytes, .settled = is_settled, .closed = on_closed};

struct live *live_new(struct app *app, const struct speech *speech, const char *who) {
    struct live *live = mem_new(sizeof *live);

    *live = (struct live){.face.kind = &face_kind,
                          .app = app,
                          .service = speech->service,
                          .speech = *speech,
                          .phase = LIVE_PROBING,
                          .who = mem_string(who)};
    live->speech.who = identity_hold(speech->who);
    ev_timer_init(&live->timer, on_beat, 0, 0);
    live->timer.data = live;
    return live;
}

void live_talk(struct live *live, const struct hub_places *places, void *state) {
    const struct config *config = live->app->config;
    struct talk_setting setting = {.app = live->app,
                                   .carrier = &carrier,
                                   .transport = &transport_engineio,
                                   .speech = live->speech,
                                   .variant = engineio_variant(live->speech.protocol),
                                   .resumed = places != NULL,
                                   .who = live->who,
                                   .limit = ENGINEIO_LIMIT};
    struct hub_read read = {.options.config = config, .limit = ENGINEIO_LIMIT};

    setting.speech.state = state;
    if (places != NULL) {
        read.channels = places->channels;
        read.channel_count = places->count;
    }
    live->phase = LIVE_TALKING;
    live->take = live_take;
    ev_set_cb(&live->timer, on_beat);
    wait_for(live, live->service->ping_interval);
    live->talk = talk_new(&setting);
    talk_begin(live->talk, &live->face, &read);
}
