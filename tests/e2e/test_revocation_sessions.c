/* What a token opened in other systems' clients' words ends when that token is taken back: held or
 * not, on every carrier, whichever process is asked next; and who reads beside it loses nothing.
 *
 * Nothing here ends by itself within a test's patience: no ping, no timeout, no token.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECRET "a secret of the site, 32 bytes+++"

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "revocation-sessions");
    lab_conf(&lab, keepf("mount = /comet\nmax_wait = 600\ntimeout = 600\n"
                         "[channel room*]\nsubscribe = user\npublish = user\n"
                         "[key k]\nalgorithm = HS256\nfile = %s\n"
                         "[service sockjs/own]\n[service bayeux]\n"
                         "[service engine.io]\nprotocol = halley\nping_interval = 600000\n"
                         "[service socket.io]\nping_interval = 600000\nconnect_timeout = 600000\n",
                         token_file(SECRET)));
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 2);
}

static void setup_lighttpd(void) {
    setup("lighttpd-socket"); /* two processes, each has every second request */
}

static void teardown(void) {
    lab_close(&lab);
}

/* For an hour; `more`: further claims. */
static const char *token_for(const char *user, const char *more) {
    return token_of(
        SECRET, keepf("{\"sub\":\"%s\",\"exp\":%lld%s}", user, (long long)time(NULL) + 3600, more));
}

/* ----------------------------------------------------------------------- a session */

struct session;

/* How a client of another system's talks. */
struct way {
    const char *name;
    void (*open)(struct session *session, const char *token);
    void (*join)(const struct session *session, const char *channel);
    struct flight *(*ask)(const struct session *session); /* a poll, or a stream; NULL: a socket */
    void (*renew)(const struct session *session, const char *token);
    const char *over; /* what is heard when the token is good no more, ... */
    const char *shut; /* ... and when a channel was taken away */
};

struct session {
    const struct way *way;
    const char *at; /* its address, or the client's id */
    struct websock *socket;
    struct flight *flight; /* what it asked last, if that is under way */
    const char *heard;     /* before that; kept */
    bool rests;            /* it asks for nothing */
};

static struct flight *begin(const char *method, const char *path, const char *body,
                            const char *header) {
    const struct request request = {.method = method,
                                    .path = path,
                                    .body = body,
                                    .length = body != NULL ? strlen(body) : 0,
                                    .headers = {header}};
    return http_begin(&lab, &request);
}

static const char *text_of(const struct answer *answer) {
    return keepf("%d %s", answer->status, answer->body != NULL ? answer->body : "");
}

static void all_hear(void);

/* The others go on meanwhile: a SockJS session that asks for nothing is forgotten in seconds. */
static const char *land(struct flight *flight) {
    until((all_hear(), http_landed(flight)), "no answer");
    return text_of(http_land(flight));
}

static const char *post(const char *path, const char *body) {
    return land(begin("POST", path, body, NULL));
}

static void must_have(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) != NULL, "no %s in %s on %s", part, text, lab.server);
}

static const char *bearer(const char *token) {
    return keepf("Authorization: Bearer %s", token);
}

/* The string that a JSON text has by this name. */
static const char *member(const char *text, const char *name) {
    const char *key = keepf("\"%s\":\"", name), *at = strstr(text, key);

    ck_assert_msg(at != NULL, "no %s in %s", name, text);
    at += strlen(key);
    return keepf("%.*s", (int)strcspn(at, "\""), at);
}

static struct websock *socket_at(const char *path) {
    struct websock *socket = websock_on(wire_unix(lab.websocket), path, "");

    ck_assert_int_eq(websock_reach_status(socket), 101);
    return socket;
}

/* --- SockJS --- */

static const char *sockjs_place(void) {
    return keepf("/sockjs/own/0/%s", keep_fresh("s"));
}

/* Messages of the client's are strings in a list. */
static const char *sockjs_words(const char *name, const char *open, const char *value,
                                const char *close) {
    return keepf("[\"{\\\"%s\\\":%s\\\"%s\\\"%s}\"]", name, open, value, close);
}

static void sockjs_open(struct session *session, const char *token) {
    session->at = sockjs_place();
    const char *answer = land(begin("POST", keepf("%s/xhr", session->at), "", bearer(token)));
    ck_assert_str_eq(answer, "200 o\n");
}

static void sockjs_send(const struct session *session, const char *words) {
    const char *answer = post(keepf("%s/xhr_send", session->at), words);
    ck_assert_str_eq(answer, "204 ");
}

static void sockjs_join(const struct session *session, const char *channel) {
    sockjs_send(session, sockjs_words("subscribe", "[", channel, "]"));
}

static void sockjs_renew(const struct session *session, const char *token) {
    sockjs_send(session, sockjs_words("token", "", token, ""));
}

static struct flight *xhr_ask(const struct session *session) {
    return begin("POST", keepf("%s/xhr", session->at), "", NULL);
}

static struct flight *xhr_streaming_ask(const struct session *session) {
    return begin("POST", keepf("%s/xhr_streaming", session->at), "", NULL);
}

static struct flight *eventsource_ask(const struct session *session) {
    return begin("GET", keepf("%s/eventsource", session->at), NULL, NULL);
}

static void sockjs_socket_renew(const struct session *session, const char *token) {
    websock_say(session->socket, sockjs_words("token", "", token, ""));
    websock_reach(session->socket, "expires");
}

static void sockjs_socket_open(struct session *session, const char *token) {
    session->socket = socket_at(keepf("%s/websocket", sockjs_place()));
    sockjs_socket_renew(session, token);
}

static void sockjs_socket_join(const struct session *session, const char *channel) {
    websock_say(session->socket, sockjs_words("subscribe", "[", channel, "]"));
    websock_reach(session->socket, keepf("%s@", channel)); /* where it stands there */
}

/* --- Engine.IO, and Socket.IO on it --- */

static void engine_open(struct session *session, const char *service, const char *token) {
    const char *path = keepf("/%s/?EIO=4&transport=polling", service);
    const char *answer = land(begin("GET", path, NULL, bearer(token)));

    session->at = keepf("%s&sid=%s", path, member(answer, "sid"));
}

static void engine_say(const struct session *session, const char *packet) {
    ck_assert_str_eq(post(session->at, packet), "200 ok");
}

static struct flight *engine_ask(const struct session *session) {
    return begin("GET", session->at, NULL, NULL);
}

static void engineio_open(struct session *session, const char *token) {
    engine_open(session, "engine.io", token);
}

static void engineio_join(const struct session *session, const char *channel) {
    engine_say(session, keepf("4{\"subscribe\":[\"%s\"]}", channel));
}

static void engineio_renew(const struct session *session, const char *token) {
    engine_say(session, keepf("4{\"token\":\"%s\"}", token));
}

/* In words, as socket.io-client's `auth` does. */
static void socketio_open(struct session *session, const char *token) {
    const char *path = "/socket.io/?EIO=4&transport=polling";

    session->at = keepf("%s&sid=%s", path, member(land(begin("GET", path, NULL, NULL)), "sid"));
    engine_say(session, keepf("40{\"token\":\"%s\"}", token));
}

static void socketio_join(const struct session *session, const char *channel) {
    engine_say(session, keepf("421[\"subscribe\",\"%s\"]", channel));
}

static void socketio_renew(const struct session *session, const char *token) {
    engine_say(session, keepf("40{\"token\":\"%s\"}", token));
}

static void socketio_socket_renew(const struct session *session, const char *token) {
    websock_say(session->socket, keepf("40{\"token\":\"%s\"}", token));
    websock_say(session->socket, "422[\"unsubscribe\",\"nowhere\"]"); /* nothing else is answered */
    websock_reach(session->socket, "432[");
}

static void socketio_socket_open(struct session *session, const char *token) {
    session->socket = socket_at("/socket.io/?EIO=4&transport=websocket");
    websock_say(session->socket, keepf("40{\"token\":\"%s\"}", token));
    websock_reach(session->socket, "40{\"sid\"");
}

static void socketio_socket_join(const struct session *session, const char *channel) {
    websock_say(session->socket, keepf("421[\"subscribe\",\"%s\"]", channel));
    websock_reach(session->socket, "431[{\"ok\"");
}

/* --- Bayeux --- */

static const char *ext(const char *token) {
    return keepf(",\"ext\":{\"halley\":{\"token\":\"%s\"}}", token);
}

static const char *bayeux_hello(const char *token) {
    return keepf("[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                 "\"supportedConnectionTypes\":[\"long-polling\",\"websocket\"]%s}]",
                 ext(token));
}

static const char *bayeux_words(const char *client, const char *channel, const char *more) {
    return keepf("[{\"channel\":\"/%s\",\"clientId\":\"%s\"%s}]", channel, client, more);
}

static const char *bayeux_subscribe(const struct session *session, const char *channel) {
    return bayeux_words(session->at, "meta/subscribe", keepf(",\"subscription\":\"/%s\"", channel));
}

static const char *bayeux_connect(const struct session *session, const char *type) {
    return bayeux_words(session->at, "meta/connect", keepf(",\"connectionType\":\"%s\"", type));
}

/* Nothing is unsubscribed from: it is the token that counts. */
static const char *bayeux_again(const struct session *session, const char *token) {
    return bayeux_words(session->at, "meta/unsubscribe",
                        keepf(",\"subscription\":\"/nowhere\"%s", ext(token)));
}

static void bayeux_open(struct session *session, const char *token) {
    session->at = member(post("/bayeux", bayeux_hello(token)), "clientId");
}

static void bayeux_join(const struct session *session, const char *channel) {
    must_have(post("/bayeux", bayeux_subscribe(session, channel)), "\"successful\":true");
}

static void bayeux_renew(const struct session *session, const char *token) {
    must_have(post("/bayeux", bayeux_again(session, token)), "\"clientId\"");
}

static struct flight *bayeux_ask(const struct session *session) {
    return begin("POST", "/bayeux", bayeux_connect(session, "long-polling"), NULL);
}

static struct flight *bayeux_stream_ask(const struct session *session) {
    return begin("GET", keepf("/bayeux/%s", session->at), NULL, NULL);
}

static void bayeux_socket_open(struct session *session, const char *token) {
    session->socket = socket_at("/bayeux");
    websock_say(session->socket, bayeux_hello(token));
    session->at = member(websock_reach(session->socket, "clientId"), "clientId");
    websock_say(session->socket, bayeux_connect(session, "websocket"));
}

static void bayeux_socket_join(const struct session *session, const char *channel) {
    websock_say(session->socket, bayeux_subscribe(session, channel));
    must_have(websock_reach(session->socket, "/meta/subscribe"), "\"successful\":true");
}

static void bayeux_socket_renew(const struct session *session, const char *token) {
    websock_say(session->socket, bayeux_again(session, token));
    websock_reach(session->socket, "/meta/unsubscribe");
}

enum {
    ENGINEIO,
    SOCKETIO,
    XHR,
    BAYEUX,
    POLLS, /* those before it hold nothing between two polls */
    XHR_STREAMING = POLLS,
    EVENTSOURCE,
    BAYEUX_STREAM,
    SOCKETS, /* those behind it have one */
    SOCKETIO_SOCKET = SOCKETS,
    SOCKJS_SOCKET,
    BAYEUX_SOCKET,
    WAYS
};

#define EXPIRED   "the token has expired"
#define FORBIDDEN "c[4403,\"a channel is not allowed any more\"]"

static const struct way ways[WAYS] = {
    [ENGINEIO] = {"engine.io", engineio_open, engineio_join, engine_ask, engineio_renew,
                  "\n200 1\n", "\n200 1\n"},
    [SOCKETIO] = {"socket.io", socketio_open, socketio_join, engine_ask, socketio_renew,
                  "\n200 1\n", "\n200 1\n"},
    [XHR] = {"xhr", sockjs_open, sockjs_join, xhr_ask, sockjs_renew, "c[4401,\"" EXPIRED "\"]",
             FORBIDDEN},
    [BAYEUX] = {"long-polling", bayeux_open, bayeux_join, bayeux_ask, bayeux_renew, EXPIRED,
                EXPIRED},
    [XHR_STREAMING] = {"xhr_streaming", sockjs_open, sockjs_join, xhr_streaming_ask, sockjs_renew,
                       "c[4401,\"" EXPIRED "\"]", FORBIDDEN},
    [EVENTSOURCE] = {"eventsource", sockjs_open, sockjs_join, eventsource_ask, sockjs_renew,
                     "c[4401,\"" EXPIRED "\"]", FORBIDDEN},
    [BAYEUX_STREAM] = {"Bayeux's eventsource", bayeux_open, bayeux_join, bayeux_stream_ask,
                       bayeux_renew, "\n404 ", "\n404 "},
    [SOCKETIO_SOCKET] = {"socket.io's WebSocket", socketio_socket_open, socketio_socket_join, NULL,
                         socketio_socket_renew, "closed 4401", "closed 4403"},
    [SOCKJS_SOCKET] = {"SockJS's WebSocket", sockjs_socket_open, sockjs_socket_join, NULL,
                       sockjs_socket_renew, "c[4401,", "c[4403,"},
    [BAYEUX_SOCKET] = {"Bayeux's WebSocket", bayeux_socket_open, bayeux_socket_join, NULL,
                       bayeux_socket_renew, EXPIRED, EXPIRED},
};

/* ------------------------------------------------------------------ what it hears */

static void hear_socket(struct session *session) {
    struct websock *socket = session->socket;

    websock_turn(socket, 0);
    while (websock_next(socket)) {
        session->heard = keepf("%s%s\n", session->heard, socket->text);
        if (session->way == &ways[BAYEUX_SOCKET] && strstr(socket->text, "/meta/connect") != NULL)
            websock_say(socket, bayeux_connect(session, "websocket"));
    }
    if (socket->code != 0 && strstr(session->heard, "closed ") == NULL)
        session->heard = keepf("%sclosed %d\n", session->heard, socket->code);
}

/* Polls, or opens its stream, once more when the last one is over. */
static void hear_answer(struct session *session) {
    if (session->flight == NULL)
        session->flight = session->way->ask(session);
    if (!http_landed(session->flight))
        return;
    session->heard = keepf("%s%s\n", session->heard, text_of(http_land(session->flight)));
    session->flight = NULL;
}

static void hear(struct session *session) {
    if (session->socket != NULL)
        hear_socket(session);
    else
        hear_answer(session);
}

/* Those of this test: while one is waited for the others go on asking, as clients do. */
static struct session *sessions[4 * WAYS];
static size_t session_count;

static void all_hear(void) {
    http_pump(1);
    for (size_t i = 0; i < session_count; i++)
        if (!sessions[i]->rests)
            hear(sessions[i]);
}

/* All that it has heard; kept. */
static const char *heard(struct session *session) {
    return keepf("%s%s", session->heard,
                 session->flight != NULL ? http_so_far(session->flight) : "");
}

static bool has(struct session *session, const char *part) {
    if (strstr(session->heard, part) != NULL)
        return true;
    return session->flight != NULL && strstr(http_so_far(session->flight), part) != NULL;
}

static void must_come(struct session *session, const char *part) {
    session->rests = false;
    until(has(session, part) || (all_hear(), has(session, part)), "%s on %s: no %s in %s",
          session->way->name, lab.server, part, heard(session));
}

static void must_not_have(struct session *session, const char *part) {
    ck_assert_msg(!has(session, part), "%s on %s: %s in %s", session->way->name, lab.server, part,
                  heard(session));
}

/* What is published to a room: numbers, each with an end, so that none is part of another. */
static const char *number(const char *room, int n) {
    return keepf("%s:%d.", room, n);
}

static void publish(const char *room, int n) {
    store_add(&lab, room, keepf("\"%s\"", number(room, n)));
}

static size_t count(const char *text, const char *part) {
    size_t times = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        times++;
    return times;
}

/* It has each once, in order. */
static void must_have_all(struct session *session, const char *room, int last) {
    must_come(session, number(room, last));
    const char *at = heard(session);

    for (int n = 1; n <= last; n++) {
        ck_assert_msg(count(at, number(room, n)) == 1, "%s on %s: not once %d in %s",
                      session->way->name, lab.server, n, heard(session));
        at = strstr(at, number(room, n));
    }
}

/* A session of somebody's that reads this room, and has heard of it. */
static void begin_in(struct session *session, const struct way *way, const char *token,
                     const char *room) {
    const char *hello = keep_fresh("hello");

    *session = (struct session){.way = way, .heard = "\n"};
    way->open(session, token);
    way->join(session, room);
    sessions[session_count++] = session;
    store_add(&lab, room, keepf("\"%s.\"", hello));
    must_come(session, keepf("%s.", hello));
}

/* No request of it is under way. */
static void rest(struct session *session) {
    session->rests = true;
    if (session->flight == NULL)
        return;
    session->heard = keepf("%s%s\n", session->heard, text_of(http_land(session->flight)));
    session->flight = NULL;
}

static void leave(struct session *session) {
    session->rests = true;
    if (session->flight != NULL)
        http_abandon(session->flight);
    session->flight = NULL;
    websock_close(session->socket);
}

/* It hears that it is over, and asks for nothing more. */
static void must_end(struct session *session, const char *words) {
    must_come(session, words);
    session->rests = true;
}

/* The same of one that rested: SockJS may have forgotten it by then, and begins another one. */
static void must_have_ended(struct session *session) {
    session->rests = false;
    until((all_hear(), has(session, session->way->over) || has(session, "\n200 o\n")),
          "%s on %s: not over: %s", session->way->name, lab.server, heard(session));
    session->rests = true;
}

/* ------------------------------------------------------------------------ taking back */

static void take_back(const char *words) {
    const redisReply *reply = store_do(&lab, keepf("FCALL halley_revoke 0 %s", words));
    ck_assert_str_eq(reply->str, "OK");
}

/* As an operator does. */
static void halley_revoke(const char *kind, const char *name) {
    const char *argv[] = {lab_program("halley"), "-f", lab.conf, "revoke", kind, name, NULL};
    char *output;

    ck_assert_msg(proc_run(argv, lab_env(&lab, NULL), -1, &output, NULL) == 0, "%s", output);
}

/* Whichever process answers says this of that token. */
static bool all_say(const char *room, const char *token, const char *status) {
    const char *path = keepf("/comet/poll?channel=%s&token=%s", room, token);

    for (int i = 0; i < 4; i++)
        if (strncmp(land(begin("GET", path, NULL, NULL)), status, 3) != 0)
            return false;
    return true;
}

/* How many requests hold a session in whose data these words are (core/redis/session.lua). */
static long long held_with(const char *words) {
    const char *script = keepf("local held = 0 "
                               "for _, key in ipairs(redis.call('KEYS', 'halley.session:{*')) do "
                               "local data = redis.call('GET', key) "
                               "local session = cmsgpack.unpack(data) "
                               "if session.h and not session.c and data:find('%s', 1, true) then "
                               "held = held + 1 end end return held",
                               words);
    return store_do(&lab, "EVAL %s 0", script)->integer;
}

static long long held(void) {
    return held_with("");
}

/* ------------------------------------------------------------------------------ tests */

/* In one room, in each way: one whose token is taken back, and one beside it. */
struct room {
    const char *name;
    const char *user, *token;
    struct session theirs[WAYS], others[WAYS];
};

static void fill(struct room *room) {
    const char *other = token_for(keep_fresh("bob"), "");

    room->name = keep_fresh("room");
    room->user = keep_fresh("alice");
    room->token = token_for(room->user, "");
    for (size_t i = 0; i < WAYS; i++) {
        begin_in(&room->theirs[i], &ways[i], room->token, room->name);
        begin_in(&room->others[i], &ways[i], other, room->name);
    }
}

/* All that go by HTTP, and Bayeux's sockets, hold their session. */
static void must_be_held(int each) {
    until((all_hear(), held() >= each * (SOCKETS + 1)), "only %lld are held", held());
}

static void empty(struct room *room) {
    for (size_t i = 0; i < WAYS; i++) {
        leave(&room->theirs[i]);
        leave(&room->others[i]);
    }
}

/* From here on theirs hear nothing, and the others everything. */
static void must_be_parted(struct room *room, int last) {
    for (size_t i = 0; i < WAYS; i++)
        room->theirs[i].rests = false;
    publish(room->name, last);
    for (size_t i = 0; i < WAYS; i++)
        must_have_all(&room->others[i], room->name, last);
    all_hear();
    for (size_t i = 0; i < WAYS; i++)
        must_not_have(&room->theirs[i], number(room->name, last));
}

START_TEST(sessions_that_are_held_end_and_those_beside_them_go_on) {
    struct room room;

    fill(&room);
    publish(room.name, 1);
    for (size_t i = 0; i < WAYS; i++)
        must_come(&room.theirs[i], number(room.name, 1));
    must_be_held(2);
    halley_revoke("sub", room.user);
    publish(room.name, 2);
    for (size_t i = 0; i < WAYS; i++)
        must_end(&room.theirs[i], ways[i].over);
    must_be_parted(&room, 3);
    empty(&room);
}
END_TEST

START_TEST(a_channel_that_was_taken_away_is_read_by_no_session) {
    struct room room;
    struct session elsewhere[WAYS];
    const char *other = keep_fresh("room");

    fill(&room);
    for (size_t i = 0; i < WAYS; i++)
        begin_in(&elsewhere[i], &ways[i], room.token, other);
    must_be_held(3);
    take_back(keepf("channel %s sub %s", room.name, room.user));
    publish(room.name, 1);
    for (size_t i = 0; i < WAYS; i++)
        must_end(&room.theirs[i], ways[i].shut);
    must_be_parted(&room, 2);
    publish(other, 1);
    for (size_t i = 0; i < WAYS; i++) {
        must_have_all(&elsewhere[i], other, 1);
        leave(&elsewhere[i]);
    }
    empty(&room);
}
END_TEST

/* Not with nothing, to be told by the next one. */
START_TEST(a_connect_that_is_held_says_itself_that_its_channel_was_taken_away) {
    const char *room = keep_fresh("room"), *user = keep_fresh("alice");
    struct session session;

    begin_in(&session, &ways[BAYEUX], token_for(user, ""), room);
    until((all_hear(), held_with(room) == 1 && session.flight != NULL), "it is not held");
    session.heard = "\n";
    take_back(keepf("channel %s sub %s", room, user));
    must_end(&session, EXPIRED);
    ck_assert_msg(count(heard(&session), "/meta/connect") == 1, "%s", heard(&session));
    leave(&session);
}
END_TEST

/* Nobody holds it in that moment: it is found by whoever is asked next. */
START_TEST(a_session_that_rests_is_over_in_whichever_process_it_is_asked_for) {
    const char *room = keep_fresh("room"), *user = keep_fresh("alice"),
               *token = token_for(user, "");
    struct session theirs[2 * POLLS], other;

    begin_in(&other, &ways[XHR], token_for("bob", ""), room);
    for (size_t i = 0; i < 2 * POLLS; i++) {
        begin_in(&theirs[i], &ways[i / 2], token, room);
        rest(&theirs[i]);
    }
    take_back(keepf("sub %s", user));
    until(all_say(room, token, "401"), "its token is good");
    publish(room, 1);
    for (size_t i = 0; i < 2 * POLLS; i++) {
        must_have_ended(&theirs[i]);
        must_not_have(&theirs[i], number(room, 1));
        leave(&theirs[i]);
    }
    must_have_all(&other, room, 1);
    leave(&other);
}
END_TEST

/* What a client says goes to the process that is next, and not to the one that it polls. */
START_TEST(a_session_that_is_over_says_and_reads_nothing) {
    const char *room = keep_fresh("room"), *user = keep_fresh("alice"),
               *token = token_for(user, "");
    struct session theirs[POLLS];

    for (size_t i = 0; i < POLLS; i++) {
        begin_in(&theirs[i], &ways[i], token, keep_fresh("room"));
        rest(&theirs[i]);
    }
    take_back(keepf("sub %s", user));
    until(all_say("room", token, "401"), "its token is good");
    for (int i = 0; i < 2; i++) { /* each process */
        (void)post(theirs[ENGINEIO].at,
                   keepf("4{\"publish\":{\"channel\":\"%s\",\"data\":1}}", room));
        (void)post(theirs[ENGINEIO].at, keepf("4{\"subscribe\":[\"%s\"]}", room));
        (void)post(theirs[SOCKETIO].at, keepf("421[\"subscribe\",\"%s\"]", room));
        (void)post(keepf("%s/xhr_send", theirs[XHR].at), sockjs_words("subscribe", "[", room, "]"));
        const char *joined = post("/bayeux", bayeux_subscribe(&theirs[BAYEUX], room));
        must_have(joined, "\"successful\":false");
        const char *said = post("/bayeux", bayeux_words(theirs[BAYEUX].at, room, ",\"data\":1"));
        must_have(said, "\"error\":\"401:");
    }
    ck_assert_int_eq(store_held(&lab, room), 0);
    for (size_t i = 0; i < POLLS; i++) {
        must_have_ended(&theirs[i]);
        ck_assert_int_eq(store_followers(&lab, room), 0);
        leave(&theirs[i]);
    }
}
END_TEST

static void must_refuse(const char *method, const char *path, const char *token) {
    const struct answer *answer = http_land(begin(method, path, "", bearer(token)));
    ck_assert_msg(answer->status == 401, "%s: %s", path, answer_text(answer));
}

static void must_refuse_socket(const char *path, const char *token) {
    struct websock *socket =
        websock_on(wire_unix(lab.websocket), path, keepf("%s\r\n", bearer(token)));
    int status = websock_reach_status(socket);

    ck_assert_msg(status == 401, "%s: %d", path, status);
    websock_close(socket);
}

START_TEST(nothing_begins_with_a_token_that_was_taken_back) {
    static const char *const rows[][2] = {{"POST", "/xhr"},
                                          {"POST", "/xhr_streaming"},
                                          {"GET", "/eventsource"},
                                          {"GET", "/htmlfile?c=x"}};
    const char *user = keep_fresh("alice"), *token = token_for(user, "");

    take_back(keepf("sub %s", user));
    until(all_say("room", token, "401"), "it is good");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_refuse(rows[i][0], keepf("%s%s", sockjs_place(), rows[i][1]), token);
    must_refuse("GET", "/engine.io/?EIO=4&transport=polling", token);
    must_refuse("GET", "/socket.io/?EIO=4&transport=polling", token);
    must_refuse("POST", "/bayeux", token);
    must_refuse_socket(keepf("%s/websocket", sockjs_place()), token);
    must_refuse_socket("/socket.io/?EIO=4&transport=websocket", token);
    must_refuse_socket("/bayeux", token);
}
END_TEST

START_TEST(nobody_is_told_by_a_token_that_was_taken_back) {
    const char *user = keep_fresh("alice"), *token = token_for(user, "");
    struct websock *sockjs = socket_at(keepf("%s/websocket", sockjs_place()));
    struct websock *socketio = socket_at("/socket.io/?EIO=4&transport=websocket");
    struct websock *bayeux = socket_at("/bayeux");

    take_back(keepf("sub %s", user));
    until(all_say("room", token, "401"), "it is good");
    websock_say(sockjs, sockjs_words("token", "", token, ""));
    must_have(websock_reach(sockjs, "revoked"), "\\\"status\\\":401");
    websock_say(socketio, keepf("40{\"token\":\"%s\"}", token));
    websock_reach(socketio, "44{\"message\":\"token: it was revoked");
    websock_say(bayeux, bayeux_hello(token));
    const char *told = websock_reach(bayeux, "\"error\":\"401:");
    must_have(told, "revoked");
    must_have(told, "\"reconnect\":\"none\"");
    websock_close(sockjs);
    websock_close(socketio);
    websock_close(bayeux);
}
END_TEST

/* It goes on by the last one alone, also what is held since the first. */
START_TEST(a_session_is_its_last_token) {
    const char *room = keep_fresh("room"), *user = keep_fresh("alice");
    struct session theirs[WAYS];
    const char *names[] = {keep_fresh("one"), keep_fresh("two")}, *tokens[2];

    for (size_t i = 0; i < 2; i++)
        tokens[i] = token_for(user, keepf(",\"jti\":\"%s\"", names[i]));
    for (size_t i = 0; i < WAYS; i++) {
        begin_in(&theirs[i], &ways[i], tokens[0], room);
    }
    must_be_held(1);
    for (size_t i = 0; i < WAYS; i++)
        ways[i].renew(&theirs[i], tokens[1]);
    take_back(keepf("jti %s", names[0]));
    until(all_say(room, tokens[0], "401"), "the first is good");
    publish(room, 1);
    for (size_t i = 0; i < WAYS; i++)
        must_have_all(&theirs[i], room, 1);
    take_back(keepf("jti %s", names[1]));
    for (size_t i = 0; i < WAYS; i++) {
        must_end(&theirs[i], ways[i].over);
        leave(&theirs[i]);
    }
}
END_TEST

/* Takes a session over that polled. */
static struct websock *upgraded(const struct session *session) {
    const char *sid = strstr(session->at, "&sid="), *head = "socket.io/?EIO=4&transport=websocket";
    struct websock *socket = socket_at(keepf("/%s%s", head, sid));

    websock_say(socket, "2probe");
    websock_reach(socket, "3probe");
    websock_say(socket, "5");
    return socket;
}

/* A session that rested while that was said, and while the process that has the WebSockets ended
 * what it held for it: there is a witness. */
static struct websock *upgraded_after(struct session pair[2], const char *words, const char *user,
                                      const char *room) {
    const char *token = token_for(user, "");

    begin_in(&pair[0], &ways[SOCKETIO], token, room);
    rest(&pair[0]);
    begin_in(&pair[1], &ways[SOCKETIO_SOCKET], token, room);
    take_back(words);
    must_end(&pair[1], "closed 44");
    leave(&pair[1]);
    return upgraded(&pair[0]);
}

START_TEST(a_websocket_that_takes_a_session_over_reads_no_more_than_it_may) {
    const char *room = keep_fresh("room"), *user = keep_fresh("alice");
    struct session pairs[2][2];
    struct websock *socket =
        upgraded_after(pairs[0], keepf("channel %s sub %s", room, user), user, room);

    publish(room, 1);
    ck_assert_int_eq(websock_reach_close(socket), 4403);
    websock_close(socket);
    user = keep_fresh("alice");
    socket = upgraded_after(pairs[1], keepf("sub %s", user), user, room);
    ck_assert_int_eq(websock_reach_close(socket), 4401);
    websock_close(socket);
}
END_TEST

/* One that a field of its handshake told, as a program's may. */
START_TEST(a_bayeux_socket_ends_with_the_token_that_opened_it) {
    const char *user = keep_fresh("alice");
    struct websock *socket = websock_on(wire_unix(lab.websocket), "/bayeux",
                                        keepf("%s\r\n", bearer(token_for(user, ""))));

    ck_assert_int_eq(websock_reach_status(socket), 101);
    take_back(keepf("sub %s", user));
    ck_assert_int_eq(websock_reach_close(socket), 4401);
    websock_close(socket);
}
END_TEST

/* Neither was there when it was said. */
START_TEST(processes_that_start_later_end_it_too) {
    const char *room = keep_fresh("room"), *user = keep_fresh("alice"),
               *token = token_for(user, "");
    struct session theirs[2 * POLLS];

    setup_lighttpd();
    for (size_t i = 0; i < 2 * POLLS; i++) {
        begin_in(&theirs[i], &ways[i / 2], token, room);
        rest(&theirs[i]);
    }
    for (size_t i = 0; i < lab.apps; i++) {
        kill(lab.app[i].pid, SIGKILL);
        (void)proc_wait(&lab.app[i]);
    }
    take_back(keepf("sub %s", user));
    publish(room, 1);
    for (size_t i = 0; i < lab.apps; i++)
        lab_app(&lab, i);
    for (size_t i = 0; i < 2 * POLLS; i++) {
        must_have_ended(&theirs[i]);
        must_not_have(&theirs[i], number(room, 1));
        leave(&theirs[i]);
    }
    teardown();
}
END_TEST

/* What was said waits for them in their connections, in front of nothing. */
START_TEST(processes_that_stood_still_end_what_they_hold) {
    struct room room;

    fill(&room);
    must_be_held(2);
    for (size_t i = 0; i < lab.apps; i++)
        kill(lab.app[i].pid, SIGSTOP);
    take_back(keepf("sub %s", room.user));
    for (size_t i = 0; i < lab.apps; i++)
        kill(lab.app[i].pid, SIGCONT);
    for (size_t i = 0; i < WAYS; i++)
        must_end(&room.theirs[i], ways[i].over);
    must_be_parted(&room, 1);
    empty(&room);
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, sessions_that_are_held_end_and_those_beside_them_go_on);
}

int main(void) {
    Suite *suite = suite_create("revocation-sessions");
    TCase *once = e2e_case(suite, "once", setup_lighttpd, teardown);
    TCase *killed = e2e_case(suite, "killed", NULL, NULL);

    tcase_add_test(once, a_channel_that_was_taken_away_is_read_by_no_session);
    tcase_add_test(once, a_connect_that_is_held_says_itself_that_its_channel_was_taken_away);
    tcase_add_test(once, a_session_that_rests_is_over_in_whichever_process_it_is_asked_for);
    tcase_add_test(once, a_session_that_is_over_says_and_reads_nothing);
    tcase_add_test(once, nothing_begins_with_a_token_that_was_taken_back);
    tcase_add_test(once, nobody_is_told_by_a_token_that_was_taken_back);
    tcase_add_test(once, a_session_is_its_last_token);
    tcase_add_test(once, a_websocket_that_takes_a_session_over_reads_no_more_than_it_may);
    tcase_add_test(once, a_bayeux_socket_ends_with_the_token_that_opened_it);
    tcase_add_test(once, processes_that_stood_still_end_what_they_hold);
    tcase_add_test(killed, processes_that_start_later_end_it_too);
    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    return e2e_run(suite);
}
