/* Each alternative of rights, on each server, in each way: who is let in by it and who is not, how
 * that is told, and that it ends with the token that let him in, or when that is taken back.
 *
 * One table says what is to come. A channel is called after its alternative and its reader, so that
 * what one test takes away is not missing in the next: "owner-alice".
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/site.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECRET "a secret of the site, 32 bytes+++"

static const char *const servers[] = {"lighttpd-socket", "nginx", "apache", "http"};
enum { SERVERS = sizeof servers / sizeof *servers };

static struct lab lab;
static struct proc site;

/* ------------------------------------------------------------------------- the table */

/* Who comes, and what he brings. */
enum known {
    NOBODY,
    ALICES_TOKEN, /* which lists the channels token-* */
    BOBS_TOKEN,   /* which lists none */
    ALICES_COOKIE,
    MALLORYS_COOKIE,
    ALICES_LOGIN, /* who is in the group staff */
    BOBS_LOGIN,
    KNOWN
};

static const struct alternative {
    const char *word, *says;
    int status[KNOWN]; /* of reading and publishing alike, on the channel of Alice's */
    bool by_token;     /* a token may let in */
} alternatives[] = {
    /*                        -    token alice, bob    cookie alice, mallory    login alice, bob */
    {"anyone", "anyone", {200, 200, 200, 200, 200, 200, 200}, true},
    {"none", "none", {403, 403, 403, 403, 403, 403, 403}, false},
    {"user", "user", {401, 200, 200, 401, 401, 200, 200}, true},
    {"named", "user alice, user carol", {401, 200, 403, 401, 401, 200, 403}, true},
    {"group", "group staff", {401, 403, 403, 401, 401, 200, 403}, false},
    {"owner", "owner", {401, 200, 403, 401, 401, 200, 403}, true},
    {"token", "token", {401, 200, 403, 401, 401, 403, 403}, true},
    {"ask", "ask", {401, 401, 401, 200, 403, 401, 401}, true},
};
enum { ALTERNATIVES = sizeof alternatives / sizeof *alternatives };

static bool is(const struct alternative *alternative, const char *word) {
    return strcmp(alternative->word, word) == 0;
}

static const char *channel_of(const struct alternative *alternative, const char *reader) {
    return keepf("%s-%s", alternative->word, reader);
}

/* ------------------------------------------------------------------------ the servers */

static const char *sections(void) {
    const char *text = keepf("mount = /comet\nmax_wait = 600\ntimeout = 600\n"
                             "[key k]\nalgorithm = HS256\nfile = %s\n[service bayeux]\n",
                             token_file(SECRET));

    for (size_t i = 0; i < ALTERNATIVES; i++)
        text = keepf("%s[channel %s-*]\nsubscribe = %s\npublish = %s\n", text, alternatives[i].word,
                     alternatives[i].says, alternatives[i].says);
    return text;
}

static void open_server(const char *server, bool logins) {
    bool bare = strcmp(server, "http") == 0;

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "alternatives");
    lab_conf(&lab, sections());
    lab_websockets(&lab);
    lab.logins = lab.groups = logins && !bare;
    lab_set(&lab, "GROUP_VARIABLE", "OIDC_GROUPS");
    lab_set(&lab, "KEEPALIVE", "60"); /* who is busy elsewhere may be silent for three minutes */
    lab_set(&lab, "USER_HEADER", strncmp(server, "light", 5) == 0 ? "Forwarded" : "X-Halley-User");
    lab_set(&lab, "GROUP_HEADER", "X-Halley-Groups");
    lab_set(&lab, "TRUSTED_PROXIES", bare ? "127.0.0.1" : "");
    site_begin(&lab, &site);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 1);
}

static void setup(const char *server) {
    open_server(server, false);
}

static void setup_http(void) {
    setup("http");
}

static void teardown(void) {
    proc_kill(&site);
    lab_close(&lab);
}

/* ----------------------------------------------------------------------- the visitors */

struct visitor {
    const char *name;
    const char *fields[2]; /* of every request; NULL: none */
    const char *token;     /* in the parameter, or a dialect's own words; NULL: none */
};

/* `ends`: a Unix time; `more`: further claims. */
static const char *token_for(const char *user, double ends, const char *more) {
    return token_of(SECRET, keepf("{\"sub\":\"%s\",\"exp\":%.3f%s}", user, ends, more));
}

#define LISTS ",\"subscribe\":[\"token-*\"],\"publish\":[\"token-*\"]"

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double in_an_hour(void) {
    return now() + 3600;
}

static struct visitor with_field(const char *name, const char *field) {
    return (struct visitor){.name = name, .fields = {field}};
}

static struct visitor with_bearer(const char *name, const char *token) {
    return with_field(name, keepf("Authorization: Bearer %s", token));
}

static struct visitor with_parameter(const char *name, const char *token) {
    return (struct visitor){.name = name, .token = token};
}

/* -------------------------------------------------------------------- their requests */

static struct flight *begin(const struct visitor *who, const char *path, const char *body) {
    struct request request = {
        .path = path, .body = body, .length = body != NULL ? strlen(body) : 0};
    size_t count = 0;

    for (size_t i = 0; i < 2; i++)
        if (who->fields[i] != NULL)
            request.headers[count++] = who->fields[i];
    if (body != NULL)
        request.headers[count] = "Content-Type: application/json";
    return http_begin(&lab, &request);
}

static const char *address(const struct visitor *who, const char *endpoint, const char *channel) {
    return keepf("/comet/%s?channel=%s%s%s", endpoint, channel, who->token != NULL ? "&token=" : "",
                 who->token != NULL ? who->token : "");
}

/* Its status. A refusal must be as the protocol has it; where the web server itself wants a login
 * its 401 is the web server's own. */
static int said(const struct answer *answer) {
    if (answer->status == 401)
        ck_assert_ptr_nonnull(answer_header(answer, "WWW-Authenticate"));
    if (answer->status == 403 || (answer->status == 401 && !lab.logins))
        must_be_problem(answer, answer->status, NULL);
    return answer->status;
}

/* --- over HTTP --- */

static int ask_wait(const struct visitor *who, const char *channel) {
    const char *path = keepf("%s&timeout=0", address(who, "wait", channel));
    const struct answer *answer = http_land(begin(who, path, NULL));

    if (answer->status == 200)
        must_be_batch(answer);
    return said(answer);
}

/* Whoever has a thread or a process for it hears only by what is written that nobody reads. */
static void leave(struct flight *events, const char *channel) {
    http_abandon(events);
    store_add(&lab, channel, "1");
    store_add(&lab, channel, "2");
}

static bool speaks(struct flight *events) {
    http_pump(5);
    return http_landed(events) || strstr(http_so_far(events), "\nid: ") != NULL;
}

static int ask_events(const struct visitor *who, const char *channel) {
    struct flight *events = begin(who, address(who, "events", channel), NULL);

    until(speaks(events), "no event");
    if (http_landed(events))
        return said(http_land(events));
    leave(events, channel);
    return 200;
}

static int ask_publish(const struct visitor *who, const char *channel) {
    return said(http_land(begin(who, address(who, "publish", channel), "1")));
}

/* --- WebSockets --- */

static struct websock *socket_of(const struct visitor *who, const char *channel) {
    const char *lines = "";

    for (size_t i = 0; i < 2; i++)
        if (who->fields[i] != NULL)
            lines = keepf("%s%s\r\n", lines, who->fields[i]);
    struct websock *socket = websock_on(wire_tcp(lab.port), address(who, "ws", channel), lines);
    ck_assert_ptr_nonnull(socket);
    int status = websock_reach_status(socket);
    if (status == 401)
        ck_assert_ptr_nonnull(strcasestr(socket->head, "\nWWW-Authenticate: "));
    return socket;
}

static int ask_socket(const struct visitor *who, const char *channel) {
    struct websock *socket = socket_of(who, channel);
    int status = socket->status;

    if (status == 101)
        websock_reach_text(socket);
    websock_close(socket);
    return status == 101 ? 200 : status;
}

/* The status in an answer to what was said with "ref":1. */
static int socket_said(struct websock *socket) {
    const char *text = websock_reach(socket, "\"ref\":1"), *status = strstr(text, "\"status\":");

    ck_assert_msg(status != NULL || strstr(text, "\"published\":") != NULL, "%s", text);
    return status != NULL ? atoi(status + strlen("\"status\":")) : 200;
}

static int ask_socket_publish(const struct visitor *who, const char *channel) {
    struct websock *socket = socket_of(who, "anyone-else");
    int status = socket->status;

    if (status == 101) {
        websock_say(socket,
                    keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1},\"ref\":1}", channel));
        status = socket_said(socket);
    }
    websock_close(socket);
    return status;
}

/* --- Bayeux --- */

struct client {
    const struct visitor *who;
    const char *id;
    int status; /* of its handshake */
};

/* What the reply says of itself: 200, or the code of its error. */
static int reply_said(const struct answer *answer) {
    const char *error = strstr(answer->body, "\"error\":\"");

    if (answer->status != 200)
        return said(answer);
    ck_assert_msg(error != NULL || strstr(answer->body, "\"successful\":true") != NULL, "%s",
                  answer->body);
    return error != NULL ? atoi(error + strlen("\"error\":\"")) : 200;
}

static struct client client_of(const struct visitor *who) {
    const char *ext =
        who->token != NULL ? keepf(",\"ext\":{\"halley\":{\"token\":\"%s\"}}", who->token) : "";
    const char *hello = keepf("[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                              "\"supportedConnectionTypes\":[\"long-polling\"]%s}]",
                              ext);
    const struct answer *answer = http_land(begin(who, "/bayeux", hello));
    const char *id = strstr(answer->body, "\"clientId\":\"");

    return (struct client){.who = who,
                           .id = id != NULL ? keepf("%.32s", id + strlen("\"clientId\":\"")) : NULL,
                           .status = reply_said(answer)};
}

static struct flight *client_begin(const struct client *client, const char *words) {
    return begin(client->who, "/bayeux", keepf("[{\"clientId\":\"%s\",%s}]", client->id, words));
}

static int ask_client(const struct visitor *who, const char *words) {
    struct client client = client_of(who);

    return client.status != 200 ? client.status
                                : reply_said(http_land(client_begin(&client, words)));
}

static const char *joining(const char *channel) {
    return keepf("\"channel\":\"/meta/subscribe\",\"subscription\":\"/%s\"", channel);
}

static int ask_join(const struct visitor *who, const char *channel) {
    return ask_client(who, joining(channel));
}

static int ask_tell(const struct visitor *who, const char *channel) {
    return ask_client(who, keepf("\"channel\":\"/%s\",\"data\":1", channel));
}

/* --- all of them --- */

static const struct way {
    const char *name;
    int (*ask)(const struct visitor *who, const char *channel);
    int stranger; /* what it says for 401 where it is a channel that is refused */
} ways[] = {
    {"wait", ask_wait, 401},
    {"events", ask_events, 401},
    {"ws", ask_socket, 401},
    {"publish", ask_publish, 401},
    {"a publish of ws", ask_socket_publish, 401},
    {"Bayeux's subscribe", ask_join, 403}, /* whose 401 is another */
    {"Bayeux's publish", ask_tell, 401},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void must_say(const struct way *way, const struct visitor *who, const char *channel,
                     int status) {
    int came = way->ask(who, channel);
    ck_assert_msg(came == status, "%s, %s, %s on %s: %d instead of %d", channel, who->name,
                  way->name, lab.server, came, status);
}

static void must_be_told(const struct visitor *who, enum known known) {
    for (size_t i = 0; i < ALTERNATIVES; i++) {
        int status = alternatives[i].status[known];
        for (size_t k = 0; k < WAYS; k++)
            must_say(&ways[k], who, channel_of(&alternatives[i], "alice"),
                     status == 401 ? ways[k].stranger : status);
    }
}

START_TEST(each_alternative_lets_in_whom_it_names) {
    const char *alice = token_for("alice", in_an_hour(), LISTS);
    const char *bob = token_for("bob", in_an_hour(), "");
    const struct {
        enum known known;
        struct visitor who;
    } rows[] = {
        {NOBODY, {.name = "nobody"}},
        {ALICES_TOKEN, with_bearer("Alice's token", alice)},
        {ALICES_TOKEN, with_parameter("Alice's token, as a parameter", alice)},
        {BOBS_TOKEN, with_bearer("Bob's token", bob)},
        {BOBS_TOKEN, with_parameter("Bob's token, as a parameter", bob)},
        {ALICES_COOKIE, with_field("Alice's cookie", "Cookie: session=alice")},
        {MALLORYS_COOKIE, with_field("Mallory's cookie", "Cookie: session=mallory")},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_be_told(&rows[i].who, rows[i].known);
}
END_TEST

/* --------------------------------------------------------------------- what goes on */

/* All that somebody holds who reads one channel in each way. */
struct holding {
    const struct alternative *alternative;
    struct visitor who;
    const char *channel;
    struct flight *wait, *events;
    struct client client;   /* who has joined it, ... */
    struct flight *connect; /* ... and is held; NULL: he was not let in */
    struct websock *socket;
};

/* The token in the field and in the parameter by turns; beside it the cookie that the site knows,
 * where it is asked. */
static struct visitor reader_of(const struct alternative *alternative, const char *token) {
    bool even = (alternative - alternatives) % 2 == 0;
    struct visitor who =
        even ? with_bearer("a token", token) : with_parameter("a token as a parameter", token);

    if (is(alternative, "ask"))
        who.fields[1] = "Cookie: session=alice";
    return who;
}

static struct flight *stay(const struct client *client) {
    return client_begin(client,
                        "\"channel\":\"/meta/connect\",\"connectionType\":\"long-polling\"");
}

static bool joins(const struct client *client, const char *channel) {
    return client->status == 200 &&
           reply_said(http_land(client_begin(client, joining(channel)))) == 200;
}

static void hold(struct holding *holding, const struct alternative *alternative, const char *reader,
                 const char *token) {
    holding->alternative = alternative;
    holding->who = reader_of(alternative, token);
    holding->channel = channel_of(alternative, reader);
    const struct visitor *who = &holding->who;
    holding->wait = begin(who, address(who, "wait", holding->channel), NULL);
    holding->events = begin(who, address(who, "events", holding->channel), NULL);
    holding->socket = socket_of(who, holding->channel);
    holding->client = client_of(who);
    if (joins(&holding->client, holding->channel))
        holding->connect = stay(&holding->client);
}

/* Each alternative that a token may meet. */
static size_t hold_all(struct holding holdings[ALTERNATIVES], const char *reader,
                       const char *token) {
    size_t count = 0;

    for (size_t i = 0; i < ALTERNATIVES; i++)
        if (alternatives[i].by_token)
            hold(&holdings[count++], &alternatives[i], reader, token);
    return count;
}

/* A wait ends with nothing to tell, or was not let in any more. */
static int wait_ends(struct flight *wait) {
    const struct answer *answer = http_land(wait);

    if (answer->status == 200)
        ck_assert_uint_eq(batch_count(must_be_batch(answer)), 0);
    return said(answer);
}

/* Where a channel was taken away what is held is answered as if its time was over, and its client
 * hears of it when it comes again. */
static void connect_ends(struct holding *holding) {
    const struct answer *answer = http_land(holding->connect);

    if (reply_said(answer) == 200)
        answer = http_land(stay(&holding->client));
    ck_assert_msg(reply_said(answer) == 401, "%s on %s: %s", holding->channel, lab.server,
                  answer_text(answer));
    if (answer->status == 200) /* else the token in its field was over before it was asked */
        ck_assert_ptr_nonnull(strstr(answer->body, "\"reconnect\":\"handshake\""));
}

/* All of it ends; `later`: what is said from then on. Whether all of it had been let in. */
static bool must_end(struct holding *holding, int later) {
    int wait = wait_ends(holding->wait), events = said(http_land(holding->events));
    int socket = holding->socket->status;

    ck_assert(wait == 200 || wait == later);
    ck_assert(events == 200 || events == later);
    if (socket == 101) {
        int code = websock_reach_close(holding->socket);
        ck_assert_msg(code == 4000 + later, "%s on %s: %d", holding->channel, lab.server, code);
    }
    websock_close(holding->socket);
    if (holding->connect != NULL)
        connect_ends(holding);
    return wait == 200 && events == 200 && socket == 101 && holding->connect != NULL;
}

/* In each way, as soon as whoever answers knows it. */
static void must_say_later(const struct holding *holding, int status) {
    for (size_t i = 0; i < WAYS; i++)
        until(ways[i].ask(&holding->who, holding->channel) == status, "%s, %s on %s: not %d",
              holding->channel, ways[i].name, lab.server, status);
}

/* Whether there was time enough to be let in everywhere. */
static bool ends_with_its_token(double seconds) {
    struct holding holdings[ALTERNATIVES] = {0};
    size_t count = hold_all(holdings, "alice", token_for("alice", now() + seconds, LISTS));
    bool in = true;

    for (size_t i = 0; i < count; i++)
        in &= must_end(&holdings[i], 401);
    for (size_t i = 0; i < count; i++)
        must_say_later(&holdings[i], 401);
    return in;
}

START_TEST(what_a_token_let_in_ends_with_it) {
    double seconds = 2;

    while (!ends_with_its_token(seconds)) {
        seconds *= 2;
        ck_assert_msg(seconds * 1000 < PATIENCE_MS, "not let in on %s", lab.server);
    }
}
END_TEST

static void take_back(const char *words) {
    const redisReply *reply = store_do(&lab, keepf("FCALL halley_revoke 0 %s", words));
    ck_assert_str_eq(reply->str, "OK");
}

static void must_be_let_in(const struct holding *holding) {
    until(speaks(holding->events), "no event");
    ck_assert_msg(!http_landed(holding->events), "%s", answer_text(http_land(holding->events)));
    ck_assert_int_eq(holding->socket->status, 101);
    ck_assert_ptr_nonnull(holding->connect);
}

START_TEST(what_a_token_let_in_ends_when_it_is_taken_back) {
    struct holding holdings[ALTERNATIVES] = {0};
    size_t count =
        hold_all(holdings, "alice", token_for("alice", in_an_hour(), LISTS ",\"jti\":\"taken\""));

    for (size_t i = 0; i < count; i++)
        must_be_let_in(&holdings[i]);
    take_back("jti taken");
    for (size_t i = 0; i < count; i++)
        must_end(&holdings[i], 401);
    for (size_t i = 0; i < count; i++)
        must_say_later(&holdings[i], 401);
}
END_TEST

static void must_go_on(struct holding *holding) {
    store_add(&lab, holding->channel, "77");
    ck_assert_str_eq(batch_all_data(must_be_batch(http_land(holding->wait))), "77");
    websock_reach(holding->socket, "\"data\":77");
    until((http_pump(5), strstr(http_so_far(holding->events), "data: 77") != NULL), "no event");
    ck_assert_ptr_nonnull(strstr(http_land(holding->connect)->body, "\"data\":77"));
    leave(holding->events, holding->channel);
    websock_close(holding->socket);
}

/* What anyone may is left to everybody. */
START_TEST(what_a_token_let_in_ends_when_its_channel_is_taken_away) {
    struct holding holdings[ALTERNATIVES] = {0};
    size_t count = hold_all(holdings, "carol", token_for("carol", in_an_hour(), LISTS));

    for (size_t i = 0; i < count; i++) {
        must_be_let_in(&holdings[i]);
        take_back(keepf("channel %s sub carol", holdings[i].channel));
    }
    ck_assert(is(holdings[0].alternative, "anyone"));
    for (size_t i = 1; i < count; i++)
        must_end(&holdings[i], 403);
    must_go_on(&holdings[0]);
    for (size_t i = 0; i < count; i++)
        must_say_later(&holdings[i], is(holdings[i].alternative, "anyone") ? 200 : 403);
}
END_TEST

/* ----------------------------------------------------------------------- its own logins */

/* As the web server has it, which lets nobody else in; without one, as a trusted proxy says it. */
static struct visitor logged_in(const char *name, const char *basic, const char *user,
                                const char *groups) {
    struct visitor who = {.name = name};

    if (lab.logins)
        who.fields[0] = keepf("Authorization: Basic %s", basic);
    else
        who.fields[0] = keepf("X-Halley-User: %s", user);
    if (!lab.logins)
        who.fields[1] = groups;
    return who;
}

static void must_keep_out(const char *name, const char *field) {
    const struct visitor who = with_field(name, field);

    for (size_t i = 0; i < ALTERNATIVES; i++)
        for (size_t k = 0; k < WAYS; k++)
            must_say(&ways[k], &who, channel_of(&alternatives[i], "alice"), 401);
}

START_TEST(a_login_is_let_in_by_the_alternatives_that_name_it) {
    open_server(servers[_i], true);
    const struct visitor alice =
        logged_in("Alice's login", "YWxpY2U6c2VjcmV0", "alice", "X-Halley-Groups: a, staff");
    const struct visitor bob = logged_in("Bob's login", "Ym9iOnNlY3JldA==", "bob", NULL);

    must_be_told(&alice, ALICES_LOGIN);
    must_be_told(&bob, BOBS_LOGIN);
    if (lab.logins) {
        must_keep_out("nobody", NULL);
        must_keep_out("a wrong password", "Authorization: Basic YWxpY2U6d3Jvbmc=");
    }
    teardown();
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, each_alternative_lets_in_whom_it_names);
    tcase_add_test(tests, what_a_token_let_in_ends_with_it);
    tcase_add_test(tests, what_a_token_let_in_ends_when_it_is_taken_back);
    tcase_add_test(tests, what_a_token_let_in_ends_when_its_channel_is_taken_away);
}

int main(void) {
    Suite *suite = suite_create("alternatives");
    TCase *logins = e2e_case(suite, "logins", NULL, NULL);

    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    add_tests(e2e_case(suite, "http", setup_http, teardown));
    tcase_add_loop_test(logins, a_login_is_let_in_by_the_alternatives_that_name_it, 0, SERVERS);
    return e2e_run(suite);
}
