/* A process that is stopped while it holds polls, streams and WebSockets of other systems' clients,
 * and goes on later, harms nobody: what came meanwhile its clients get once and in order, also
 * those who asked another process in the meantime; and no session ends for it.
 *
 * All clients at once: one process, which has an HTTP door, holds them, and the other is asked what
 * else they say.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/pile.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char conf[] = "mount = /comet\ntimeout = 100\nmax_wait = 100\n"
                           "[service bayeux]\n"
                           "[service engine.io]\nprotocol = channel room\nping_interval = 60000\n"
                           "[service socket.io]\nping_interval = 60000\n"
                           "[namespace socket.io /chat]\njoin = room\n"
                           "[service sockjs/room]\nprotocol = channel room\n";

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "stopped");
    lab_conf(&lab, conf);
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_app(&lab, 0);
    lab_app(&lab, 1);
}

static void teardown(void) {
    lab_close(&lab);
}

/* ------------------------------------------------------------------------ requests */

/* Asks the process that is not stopped; what it answers. */
static const char *ask(const char *method, const char *path, const char *body) {
    struct bytes request = {0};
    int fd = wire_unix(lab.app_socket[1]);

    fcgi_request(&request, method, keepf("/comet%s", path), body, strlen(body));
    ck_assert(wire_send(fd, request.data, request.length));
    const struct answer *answer = fcgi_answer(fd);
    close(fd);
    return keepf("%d %s", answer->status, answer->body != NULL ? answer->body : "");
}

/* Has the process that is to be stopped hold a request. */
static int hold(const char *method, const char *path, const char *body) {
    int fd = wire_unix(lab.websocket);
    const char *text = keepf("%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                             "Content-Length: %zu\r\n\r\n%s",
                             method, path, strlen(body), body);

    ck_assert(wire_send(fd, text, strlen(text)));
    return fd;
}

static struct websock *socket_at(const char *path) {
    struct websock *socket = websock_on(wire_unix(lab.websocket), path, "");
    ck_assert_int_eq(websock_reach_status(socket), 101);
    return socket;
}

/* What stands behind a word in a text, up to a quotation mark. */
static const char *behind(const char *text, const char *word) {
    const char *at = strstr(text, word);
    ck_assert_msg(at != NULL, "no %s in %s", word, text);
    at += strlen(word);
    return keepf("%.*s", (int)strcspn(at, "\""), at);
}

/* -------------------------------------------------------------------------- clients */

struct row;

struct client {
    const struct row *row;
    const char *session;
    int fd;     /* of what is held; 0: it is a WebSocket */
    bool ended; /* that */
    struct websock *socket;
    struct pile pile;  /* what came over it */
    const char *heard; /* everything, from wherever it came; kept */
    size_t nexts;      /* connects behind the first, on a socket */
};

struct row {
    const char *name;
    void (*begin)(struct client *client);
    void (*elsewhere)(struct client *client); /* while it is stopped; NULL: it just waits */
    void (*again)(
        struct client *client); /* asks once more, behind all; NULL: what is held goes on */
    bool other; /* it has joined the channel `other` while the process was stopped */
};

static void hear(struct client *client, const char *text) {
    client->heard = keepf("%s\n%s", client->heard, text);
}

static size_t count_of(const char *text, const char *word) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        count++;
    return count;
}

/* --- Bayeux --- */

static const char *bayeux(const char *session, const char *channel, const char *more) {
    static int number;
    return keepf("[{\"channel\":\"/meta/%s\",\"id\":\"%d\",\"clientId\":\"%s\"%s}]", channel,
                 ++number, session, more);
}

static const char *connect_of(const char *session, const char *type, const char *more) {
    return bayeux(session, "connect", keepf(",\"connectionType\":\"%s\"%s", type, more));
}

static void bayeux_open(struct client *client) {
    const char *answer =
        ask("POST", "/bayeux",
            "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
            "\"supportedConnectionTypes\":[\"long-polling\",\"websocket\",\"eventsource\"]}]");
    client->session = behind(answer, "\"clientId\":\"");
    ask("POST", "/bayeux", bayeux(client->session, "subscribe", ",\"subscription\":\"/room\""));
}

static void bayeux_poll(struct client *client) {
    bayeux_open(client);
    client->fd = hold("POST", "/bayeux", connect_of(client->session, "long-polling", ""));
}

static void bayeux_stream(struct client *client) {
    bayeux_open(client);
    client->fd = hold("GET", keepf("/bayeux/%s", client->session), "");
}

static void bayeux_socket(struct client *client) {
    bayeux_open(client);
    client->socket = socket_at("/bayeux");
    websock_say(client->socket, connect_of(client->session, "websocket", ""));
}

static void bayeux_join(struct client *client) {
    const char *answer = ask("POST", "/bayeux",
                             bayeux(client->session, "subscribe", ",\"subscription\":\"/other\""));
    ck_assert_msg(strstr(answer, "\"successful\":true") != NULL, "%s", answer);
}

static void bayeux_again(struct client *client) {
    hear(client, ask("POST", "/bayeux",
                     connect_of(client->session, "long-polling", ",\"advice\":{\"timeout\":500}")));
}

/* The client has given its connect up, and asks again. */
static void bayeux_elsewhere(struct client *client) {
    bayeux_join(client);
    bayeux_again(client);
}

/* The next connect, once the last one is answered. */
static void bayeux_next(struct client *client) {
    if (count_of(client->heard, "/meta/connect") <= client->nexts)
        return;
    client->nexts++;
    websock_say(client->socket, connect_of(client->session, "websocket", ""));
}

/* --- Engine.IO, Socket.IO --- */

#define POLLING "EIO=4&transport=polling"

static const char *polled(const char *path) {
    const char *sid = behind(ask("GET", keepf("%s?" POLLING, path), ""), "\"sid\":\"");
    return keepf("%s?" POLLING "&sid=%s", path, sid);
}

static void engineio_poll(struct client *client) {
    client->session = polled("/engine.io/");
    client->fd = hold("GET", client->session, "");
}

static void engineio_socket(struct client *client) {
    client->socket = socket_at("/engine.io/?EIO=4&transport=websocket");
    websock_reach(client->socket, "\"sid\"");
}

static void poll_again(struct client *client) {
    hear(client, ask("GET", client->session, ""));
}

static void socketio_poll(struct client *client) {
    client->session = polled("/socket.io/");
    ask("POST", client->session, "40/chat,");
    const char *answer = ask("GET", client->session, "");
    ck_assert_msg(strstr(answer, "40/chat,") != NULL, "%s", answer);
    client->fd = hold("GET", client->session, "");
}

static void socketio_join(struct client *client) {
    ask("POST", client->session, "42/chat,7[\"subscribe\",\"other\"]");
}

static void socketio_socket(struct client *client) {
    client->socket = socket_at("/socket.io/?EIO=4&transport=websocket");
    websock_say(client->socket, "40/chat,");
    websock_reach(client->socket, "40/chat,");
}

/* --- SockJS --- */

static void sockjs_open(struct client *client) {
    client->session = keepf("/sockjs/room/0/%s", keep_fresh("s"));
    ck_assert_str_eq(ask("POST", keepf("%s/xhr", client->session), ""), "200 o\n");
}

static void sockjs_poll(struct client *client) {
    sockjs_open(client);
    client->fd = hold("POST", keepf("%s/xhr", client->session), "");
}

/* A second receiver is refused while the first one's process lives, stopped or not. */
static void sockjs_elsewhere(struct client *client) {
    const char *answer = ask("POST", keepf("%s/xhr", client->session), "");
    ck_assert_str_eq(answer, "200 c[2010,\"Another connection still open\"]\n");
}

static void sockjs_again(struct client *client) {
    hear(client, ask("POST", keepf("%s/xhr", client->session), ""));
}

static void sockjs_stream(struct client *client) {
    sockjs_open(client);
    client->fd = hold("POST", keepf("%s/xhr_streaming", client->session), "");
}

static void sockjs_socket(struct client *client) {
    client->socket = socket_at(keepf("/sockjs/room/0/%s/websocket", keep_fresh("w")));
    websock_reach(client->socket, "o");
}

static const struct row rows[] = {
    {"bayeux poll", bayeux_poll, bayeux_join, bayeux_again, true},
    {"bayeux poll, given up", bayeux_poll, bayeux_elsewhere, bayeux_again, true},
    {"bayeux stream", bayeux_stream, bayeux_join, NULL, true},
    {"bayeux websocket", bayeux_socket, bayeux_join, bayeux_next, true},
    {"bayeux websocket, given up", bayeux_socket, bayeux_elsewhere, bayeux_again, true},
    {"engine.io poll", engineio_poll, NULL, poll_again, false},
    {"engine.io websocket", engineio_socket, NULL, NULL, false},
    {"socket.io poll", socketio_poll, socketio_join, poll_again, true},
    {"socket.io websocket", socketio_socket, NULL, NULL, false},
    {"sockjs xhr", sockjs_poll, sockjs_elsewhere, sockjs_again, false},
    {"sockjs xhr_streaming", sockjs_stream, NULL, NULL, false},
    {"sockjs websocket", sockjs_socket, NULL, NULL, false}};
enum { ROWS = sizeof rows / sizeof *rows };

/* ------------------------------------------------------------------- what they heard */

/* Takes what has come over what is held. */
static void take(struct client *client) {
    char piece[65536];

    if (client->socket != NULL) {
        websock_turn(client->socket, 10);
        while (websock_next(client->socket))
            hear(client, keepf("%.*s", (int)client->socket->length, client->socket->text));
    } else if (!client->ended && wire_stirs(client->fd, 10)) {
        ssize_t got = read(client->fd, piece, sizeof piece - 1);
        client->ended = got <= 0;
        if (got > 0)
            hear(client, keepf("%.*s", (int)got, piece));
    }
}

/* Until it has the message; whose answer has ended asks again. */
static void reach(struct client *client, const char *word) {
    until((take(client),
           count_of(client->heard, word) > 0 ||
               (client->row->again != NULL && (client->ended || client->socket != NULL) &&
                (client->row->again(client), false))),
          "%s: no %s in %s", client->row->name, word, client->heard);
}

static void must_be_whole(const struct client *client) {
    static const char *const words[] = {"m1", "m2", "m3", "m4"};
    static const char *const ends[] = {"c[1", "\"error\":\"402", "\"error\":\"401",
                                       "Session ID unknown", "handshake"};
    const char *before = client->heard;

    for (size_t i = 0; i < 4; i++) {
        ck_assert_msg(count_of(client->heard, words[i]) == 1, "%s: %s in %s", client->row->name,
                      words[i], client->heard);
        const char *at = strstr(client->heard, words[i]);
        ck_assert_msg(at >= before, "%s: %s too early in %s", client->row->name, words[i],
                      client->heard);
        before = at;
    }
    ck_assert_msg(!client->row->other || count_of(client->heard, "o1") == 1, "%s: o1 in %s",
                  client->row->name, client->heard);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        ck_assert_msg(strstr(client->heard, ends[i]) == NULL, "%s: %s", client->row->name,
                      client->heard);
}

/* ----------------------------------------------------------------------------- test */

static json_int_t held(void) {
    const struct answer *answer = fcgi_get(lab.app_socket[0], "/comet/status");
    json_t *transports = json_object_get(answer->json, "transports"), *transport;
    const char *name;
    json_int_t sum = 0;

    json_object_foreach (transports, name, transport)
        sum += json_integer_value(json_object_get(transport, "held"));
    return sum;
}

START_TEST(a_process_that_is_stopped_and_goes_on_harms_nobody) {
    static struct client clients[ROWS];

    store_add(&lab, "room", "\"before\"");
    for (size_t i = 0; i < ROWS; i++) {
        clients[i] = (struct client){.row = &rows[i], .heard = ""};
        rows[i].begin(&clients[i]);
    }
    until(held() >= ROWS + 2, "%lld are held", (long long)held()); /* connects on sockets too */
    proc_signal(&lab.app[0], SIGSTOP);
    store_add(&lab, "room", "\"m1\"");
    store_add(&lab, "room", "\"m2\"");
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].elsewhere != NULL)
            rows[i].elsewhere(&clients[i]);
    }
    store_add(&lab, "other", "\"o1\"");
    store_add(&lab, "room", "\"m3\"");
    proc_signal(&lab.app[0], SIGCONT);
    for (size_t i = 0; i < ROWS; i++)
        reach(&clients[i], "m3");
    store_add(&lab, "room", "\"m4\"");
    for (size_t i = 0; i < ROWS; i++) {
        reach(&clients[i], "m4");
        if (rows[i].other)
            reach(&clients[i], "o1");
        must_be_whole(&clients[i]);
    }
    for (size_t i = 0; i < ROWS; i++) {
        websock_close(clients[i].socket);
        if (clients[i].fd > 0)
            close(clients[i].fd);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stopped");
    TCase *tests = e2e_case(suite, "stopped", setup, teardown);

    tcase_add_test(tests, a_process_that_is_stopped_and_goes_on_harms_nobody);
    return e2e_run(suite);
}
