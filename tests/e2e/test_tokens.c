/* Tokens in the words of other systems' clients, through the web servers: they open a session,
 * which is its user's from then on, whichever of two processes is asked; another one of the same
 * user renews it; and it ends with the last.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECRET "a secret of the site, 32 bytes+++"

static struct lab lab;

static void setup_redis(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "tokens");
    lab_conf(&lab, keepf("mount = /comet\ntimeout = 50\n"
                         "[channel inbox/*]\nsubscribe = owner\npublish = owner\n"
                         "[channel list/*]\nsubscribe = token\n"
                         "[key k]\nalgorithm = HS256\nfile = %s\n"
                         "[service sockjs/own]\n[service socket.io]\n[service bayeux]\n"
                         "[namespace socket.io /chat]\njoin = inbox/alice\n",
                         token_file(SECRET)));
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
}

static void setup(const char *server) {
    setup_redis();
    lab_websockets(&lab);
    lab_web(&lab, server, 2);
}

static void teardown(void) {
    lab_close(&lab);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static const char *of(const char *user, double ends) {
    return token_of(SECRET, keepf("{\"sub\":\"%s\",\"exp\":%.3f}", user, ends));
}

static const char *alices(double seconds) {
    return of("alice", now() + seconds);
}

/* ------------------------------------------------------------------------- dialects */

/* What is common to them: a client opens a session, says things, and polls. */
struct dialect {
    const char *name;
    const char *(*open)(const char *token); /* where its session is; NULL: with no token */
    const char *(*say_token)(const char *session, const char *token); /* what is answered */
    const char *(*join)(const char *session, const char *channel);
    struct flight *(*poll)(const char *session, const char *header);
    const char *good, *bad; /* what say_token() is answered */
    const char *joined;     /* and join() */
    const char *over;       /* what a poll is told when the token has ended */
    const char *foreign;    /* and one that comes with another user's token */
};

static const char *text_of(const struct answer *answer) {
    return keepf("%d %s", answer->status, answer->body != NULL ? answer->body : "");
}

static const char *post(const char *path, const char *body) {
    return text_of(http_post(&lab, body, strlen(body), "%s", path));
}

static struct flight *begin(const char *method, const char *path, const char *body,
                            const char *header) {
    const struct request request = {.method = method,
                                    .path = path,
                                    .body = body,
                                    .length = body != NULL ? strlen(body) : 0,
                                    .headers = {header}};
    return http_begin(&lab, &request);
}

/* --- SockJS --- */

static const char *sockjs_say_token(const char *session, const char *token) {
    const char *sent =
        post(keepf("%s/xhr_send", session), keepf("[\"{\\\"token\\\":\\\"%s\\\"}\"]", token));
    ck_assert_msg(strncmp(sent, "204", 3) == 0, "%s", sent);
    return post(keepf("%s/xhr", session), "");
}

static const char *sockjs_open(const char *token) {
    static int count;
    const char *session = keepf("/sockjs/own/0/s%d-%d", (int)getpid(), count++);

    ck_assert_str_eq(post(keepf("%s/xhr", session), ""), "200 o\n");
    if (token != NULL)
        sockjs_say_token(session, token);
    return session;
}

static const char *sockjs_join(const char *session, const char *channel) {
    post(keepf("%s/xhr_send", session), keepf("[\"{\\\"subscribe\\\":[\\\"%s\\\"]}\"]", channel));
    return post(keepf("%s/xhr", session), "");
}

static struct flight *sockjs_poll(const char *session, const char *header) {
    return begin("POST", keepf("%s/xhr", session), "", header);
}

/* --- Socket.IO --- */

static const char *get(const char *path) {
    return text_of(http_get(&lab, "%s", path));
}

static const char *socketio_say_token(const char *session, const char *token) {
    post(session, keepf("40{\"token\":\"%s\"}", token));
    post(session, "420[\"unsubscribe\",\"nowhere\"]"); /* where nothing else is answered */
    return get(session);
}

static const char *socketio_open(const char *token) {
    const char *path = "/socket.io/?EIO=4&transport=polling", *answer = get(path);
    char sid[64];

    ck_assert_msg(sscanf(answer, "200 0{\"sid\":\"%63[^\"]\"", sid) == 1, "%s", answer);
    const char *session = keepf("%s&sid=%s", path, sid);
    if (token != NULL)
        socketio_say_token(session, token);
    else
        post(session, "40");
    return session;
}

static const char *socketio_join(const char *session, const char *channel) {
    post(session, keepf("421[\"subscribe\",\"%s\"]", channel));
    return get(session);
}

static struct flight *socketio_poll(const char *session, const char *header) {
    return begin("GET", session, NULL, header);
}

/* --- Bayeux --- */

static const char *ext(const char *token) {
    return token != NULL ? keepf(",\"ext\":{\"halley\":{\"token\":\"%s\"}}", token) : "";
}

static const char *handshake(const char *token) {
    return post("/bayeux", keepf("[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                                 "\"supportedConnectionTypes\":[\"long-polling\"]%s}]",
                                 ext(token)));
}

static const char *bayeux_say(const char *session, const char *channel, const char *more) {
    return post("/bayeux", keepf("[{\"channel\":\"/meta/%s\",\"clientId\":\"%s\"%s}]", channel,
                                 session, more));
}

static const char *bayeux_open(const char *token) {
    const char *answer = handshake(token), *id = strstr(answer, "\"clientId\":\"");
    ck_assert_msg(id != NULL, "%s", answer);
    return keepf("%.32s", id + strlen("\"clientId\":\""));
}

static const char *bayeux_say_token(const char *session, const char *token) {
    return bayeux_say(
        session, "connect",
        keepf(",\"connectionType\":\"long-polling\",\"advice\":{\"timeout\":0}%s", ext(token)));
}

static const char *bayeux_join(const char *session, const char *channel) {
    return bayeux_say(session, "subscribe", keepf(",\"subscription\":\"/%s\"", channel));
}

static struct flight *bayeux_poll(const char *session, const char *header) {
    return begin("POST", "/bayeux",
                 keepf("[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\","
                       "\"connectionType\":\"long-polling\"}]",
                       session),
                 header);
}

enum { SOCKJS, SOCKETIO, BAYEUX, DIALECTS };
static const struct dialect dialects[DIALECTS] = {
    {"sockjs", sockjs_open, sockjs_say_token, sockjs_join, sockjs_poll, "\\\"expires\\\":", "403",
     "\\\"messages\\\":[]", "c[4401,", "c[4403,"},
    {"socket.io", socketio_open, socketio_say_token, socketio_join, socketio_poll, "430[{\"ok\"",
     "44{\"message\":\"token: ", "431[{\"ok\":true}]", "200 1", "400 {\"code\":1,"},
    {"bayeux", bayeux_open, bayeux_say_token, bayeux_join, bayeux_poll, "\"successful\":true",
     "\"error\":\"403:", "\"successful\":true", "401::the token", "Unknown client"}};

/* Bayeux says about whom it is. */
static bool has(const char *text, const char *part) {
    if (strncmp(part, "401::", 5) == 0)
        return strstr(text, "\"error\":\"401:") != NULL &&
               strstr(text, "the token has expired") != NULL &&
               strstr(text, "\"reconnect\":\"handshake\"") != NULL;
    return strstr(text, part) != NULL;
}

#define MUST_HAVE(dialect, text, part)                                                             \
    do {                                                                                           \
        const char *text_ = (text);                                                                \
        ck_assert_msg(has(text_, part), "%s on %s: %s is not in %s", (dialect)->name, lab.server,  \
                      part, text_);                                                                \
    } while (0)

/* A session of Alice's that reads her channel. */
static const char *session_of_alice(const struct dialect *dialect) {
    const char *session = dialect->open(alices(600));
    MUST_HAVE(dialect, dialect->join(session, "inbox/alice"), dialect->joined);
    return session;
}

/* ----------------------------------------------------------------------------- tests */

START_TEST(a_session_is_its_users_whichever_process_is_asked) {
    for (size_t i = 0; i < DIALECTS; i++) {
        const struct dialect *dialect = &dialects[i];
        const char *nobodys = dialect->open(NULL);

        ck_assert_msg(!has(dialect->join(nobodys, "inbox/alice"), dialect->joined), "%s",
                      dialect->name);
        const char *session = session_of_alice(dialect);
        ck_assert_msg(!has(dialect->join(session, "inbox/bob"), dialect->joined), "%s",
                      dialect->name);
        struct flight *poll = dialect->poll(session, NULL);
        store_add(&lab, "inbox/alice", keepf("\"to %s\"", dialect->name));
        MUST_HAVE(dialect, text_of(http_land(poll)), keepf("to %s", dialect->name));
    }
}
END_TEST

START_TEST(another_users_token_changes_nothing) {
    for (size_t i = 0; i < DIALECTS; i++) {
        const struct dialect *dialect = &dialects[i];
        const char *session = session_of_alice(dialect), *bobs = of("bob", now() + 600);

        MUST_HAVE(dialect, dialect->say_token(session, bobs), dialect->bad);
        MUST_HAVE(
            dialect,
            text_of(http_land(dialect->poll(session, keepf("Authorization: Bearer %s", bobs)))),
            dialect->foreign);
        MUST_HAVE(dialect, dialect->say_token(session, alices(600)), dialect->good);
        struct flight *poll = dialect->poll(session, NULL);
        store_add(&lab, "inbox/alice", "\"still hers\"");
        MUST_HAVE(dialect, text_of(http_land(poll)), "still hers");
    }
}
END_TEST

START_TEST(a_bad_token_is_told_so) {
    const char *expired = alices(-1), *secret = strrchr(expired, '.') + 1;

    for (size_t i = 0; i < DIALECTS; i++) {
        const char *session = session_of_alice(&dialects[i]);
        const char *answer = dialects[i].say_token(session, expired);
        MUST_HAVE(&dialects[i], answer, "expired");
        ck_assert_ptr_null(strstr(answer, secret));
    }
    const char *answer = handshake(expired);
    MUST_HAVE(&dialects[BAYEUX], answer, "\"successful\":false");
    MUST_HAVE(&dialects[BAYEUX], answer, "\"reconnect\":\"none\"");
    MUST_HAVE(&dialects[BAYEUX], handshake("x\\\"y"), "\"error\":\"401:");
    MUST_HAVE(&dialects[BAYEUX], handshake(alices(600)),
              "\"ext\":{\"halley\":{\"token\":{\"expires\":");
}
END_TEST

/* A token of the same user that does not open what the session reads is its end. */
START_TEST(a_session_ends_when_its_channel_is_not_allowed_any_more) {
    for (size_t i = 0; i < DIALECTS; i++) {
        const struct dialect *dialect = &dialects[i];
        const char *wide = token_of(SECRET, keepf("{\"sub\":\"alice\",\"exp\":%.0f,"
                                                  "\"subscribe\":[\"list/a\"]}",
                                                  now() + 600));
        const char *session = dialect->open(wide), *answer;
        MUST_HAVE(dialect, dialect->join(session, "list/a"), dialect->joined);
        answer = dialect->say_token(session, alices(600));
        if (!has(answer, "4403") && !has(answer, dialect->over))
            answer = text_of(http_land(dialect->poll(session, NULL)));
        ck_assert_msg(has(answer, "4403") || has(answer, dialect->over) ||
                          has(answer, dialect->foreign),
                      "%s: %s", dialect->name, answer);
    }
}
END_TEST

/* A session that nobody polled may be forgotten by then: SockJS begins another one. */
static bool is_over(const struct dialect *dialect, const char *answer) {
    return has(answer, dialect->over) || has(answer, dialect->foreign) ||
           strcmp(answer, "200 o\n") == 0;
}

/* A session of Alice's with a token of at least `seconds`, more than half of which is still to
 * come: where the machine was slow, another one with a token twice as long. `*ends` is raised to
 * its end.
 */
static const char *session_that_ends(const struct dialect *dialect, double seconds, double *ends) {
    const char *session = session_of_alice(dialect);
    double end = now() + seconds;
    const char *answer = dialect->say_token(session, of("alice", end));

    if (now() > end - seconds / 2)
        return session_that_ends(dialect, 2 * seconds, ends);
    MUST_HAVE(dialect, answer, dialect->good);
    *ends = end > *ends ? end : *ends;
    return session;
}

static void wait_until(double time) {
    while (now() < time)
        http_pump(100);
}

/* With a shorter token each session is over when that is, polled or not. */
START_TEST(a_session_ends_with_its_token) {
    struct flight *held[DIALECTS];
    const char *sessions[DIALECTS], *idle[DIALECTS];
    double ends = 0;

    for (size_t i = 0; i < DIALECTS; i++) {
        idle[i] = session_that_ends(&dialects[i], 4, &ends);
        sessions[i] = session_that_ends(&dialects[i], 4, &ends);
        held[i] = dialects[i].poll(sessions[i], NULL);
    }
    for (size_t i = 0; i < DIALECTS; i++)
        MUST_HAVE(&dialects[i], text_of(http_land(held[i])), dialects[i].over);
    wait_until(ends + 0.5);
    store_add(&lab, "inbox/alice", "\"too late\"");
    for (size_t i = 0; i < DIALECTS; i++) {
        const char *answer = text_of(http_land(dialects[i].poll(sessions[i], NULL)));
        ck_assert_msg(is_over(&dialects[i], answer), "%s: %s", dialects[i].name, answer);
        answer = text_of(http_land(dialects[i].poll(idle[i], NULL)));
        ck_assert_msg(is_over(&dialects[i], answer), "%s: %s", dialects[i].name, answer);
    }
}
END_TEST

START_TEST(a_session_that_is_renewed_outlives_its_first_token) {
    struct flight *held[DIALECTS];
    double ends = 0;

    for (size_t i = 0; i < DIALECTS; i++) {
        const char *session = session_that_ends(&dialects[i], 8, &ends);
        held[i] = dialects[i].poll(session, NULL);
        if (i == SOCKETIO) /* while it is held, which knows of it then */
            post(session, keepf("40{\"token\":\"%s\"}", alices(600)));
        else if (i == SOCKJS)
            post(keepf("%s/xhr_send", session),
                 keepf("[\"{\\\"token\\\":\\\"%s\\\"}\"]", alices(600)));
        else
            bayeux_say(session, "unsubscribe",
                       keepf(",\"subscription\":\"/nowhere\"%s", ext(alices(600))));
        if (i == SOCKJS) { /* that was answered in the poll */
            MUST_HAVE(&dialects[i], text_of(http_land(held[i])), dialects[i].good);
            held[i] = dialects[i].poll(session, NULL);
        }
    }
    wait_until(ends + 0.5);
    store_add(&lab, "inbox/alice", "\"after all\"");
    for (size_t i = 0; i < DIALECTS; i++)
        MUST_HAVE(&dialects[i], text_of(http_land(held[i])), "after all");
}
END_TEST

/* --- WebSockets, and the feed --- */

static struct websock *socket_at(const char *path) {
    struct websock *socket = websock_on(wire_unix(lab.websocket), path, "");
    ck_assert_int_eq(websock_reach_status(socket), 101);
    return socket;
}

START_TEST(websockets_end_with_their_token_too) {
    struct websock *sockjs = socket_at("/sockjs/own/0/w/websocket");
    struct websock *socketio = socket_at("/socket.io/?EIO=4&transport=websocket");
    struct websock *bayeux = socket_at("/bayeux");

    websock_say(sockjs, keepf("[\"{\\\"token\\\":\\\"%s\\\"}\"]", alices(600)));
    websock_reach(sockjs, "expires");
    websock_say(sockjs, "[\"{\\\"subscribe\\\":[\\\"inbox/alice\\\"]}\"]");
    websock_reach(sockjs, "messages");
    websock_say(sockjs, keepf("[\"{\\\"token\\\":\\\"%s\\\"}\"]", alices(6)));
    websock_say(socketio, keepf("40/chat,{\"token\":\"%s\"}", of("alice", now() - 1)));
    websock_reach(socketio, "44/chat,{\"message\":\"token: ");
    websock_say(socketio, keepf("40/chat,{\"token\":\"%s\"}", alices(6)));
    websock_reach(socketio, "40/chat,{\"sid\"");
    websock_say(bayeux, keepf("[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                              "\"supportedConnectionTypes\":[\"websocket\"]%s}]",
                              ext(alices(6))));
    const char *id = strstr(websock_reach(bayeux, "clientId"), "\"clientId\":\"") + 12;
    websock_say(bayeux, keepf("[{\"channel\":\"/meta/connect\",\"connectionType\":\"websocket\","
                              "\"clientId\":\"%.32s\"}]",
                              id));
    const char *told = websock_reach(bayeux, "the token has expired");
    ck_assert_ptr_nonnull(strstr(told, "\"reconnect\":\"handshake\""));
    websock_reach(sockjs, "c[4401,");
    ck_assert_int_eq(websock_reach_close(socketio), 4401);
    websock_close(sockjs);
    websock_close(socketio);
    websock_close(bayeux);
}
END_TEST

static const char *hear_line(int fd) {
    static char line[1024];
    size_t len = 0;

    while (len < sizeof line - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    return line;
}

static void say_line(int fd, const char *line) {
    const char *text = keepf("%s\n", line);
    ck_assert(wire_send(fd, text, strlen(text)));
}

static void must_hear(int fd, const char *said, const char *wanted) {
    say_line(fd, said);
    const char *line = hear_line(fd);
    ck_assert_msg(strncmp(line, wanted, strlen(wanted)) == 0, "%s: %s", said, line);
}

START_TEST(the_feed_is_its_users_until_the_token_ends) {
    int fd = -1;

    until((fd = wire_unix(keepf("%s/feed.sock", lab.dir))) >= 0, "nobody listens");
    must_hear(fd, "SUBSCRIBE inbox/alice", "ERROR 401 ");
    must_hear(fd, "TOKEN x", "ERROR 401 token");
    must_hear(fd, keepf("TOKEN %s", alices(600)), "OK");
    must_hear(fd, "SUBSCRIBE inbox/alice", "OK");
    must_hear(fd, "SUBSCRIBE inbox/bob", "ERROR 403 ");
    must_hear(fd, keepf("TOKEN %s", of("bob", now() + 600)), "ERROR 403 token");
    say_line(fd, "PUBLISH inbox/alice \"own\"");
    const char *one = keepf("%s", hear_line(fd)), *other = keepf("%s", hear_line(fd));
    ck_assert_msg(strstr(keepf("%s%s", one, other), "MESSAGE inbox/alice ") != NULL, "%s %s", one,
                  other);
    must_hear(fd, keepf("TOKEN %s", alices(6)), "OK");
    const char *line = hear_line(fd);
    ck_assert_msg(strncmp(line, "ERROR 401 token", 15) == 0, "%s", line);
    ck_assert_str_eq(hear_line(fd), "");
    close(fd);
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, a_session_is_its_users_whichever_process_is_asked);
    tcase_add_test(tests, another_users_token_changes_nothing);
    tcase_add_test(tests, a_session_ends_with_its_token);
}

static void on_nginx(void) {
    setup("nginx");
}

static void with_a_feed(void) {
    setup_redis();
    lab_set(&lab, "FEED", keepf("unix:%s/feed.sock", lab.dir));
    lab_app(&lab, 0);
}

int main(void) {
    Suite *suite = suite_create("tokens");
    TCase *once = e2e_case(suite, "once", on_nginx, teardown);

    tcase_add_test(once, a_bad_token_is_told_so);
    tcase_add_test(once, a_session_ends_when_its_channel_is_not_allowed_any_more);
    tcase_add_test(once, a_session_that_is_renewed_outlives_its_first_token);
    tcase_add_test(once, websockets_end_with_their_token_too);
    tcase_add_test(e2e_case(suite, "feed", with_a_feed, teardown),
                   the_feed_is_its_users_until_the_token_ends);
    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    return e2e_run(suite);
}
