/* Socket.IO, whole, through the web servers: namespaces, channels, acknowledgements, binary, going
 * on where a connection broke, and what is published elsewhere. A session is nobody's process: two
 * of them take requests in turn.
 *
 * The service `suite` has a protocol that only build/test/halley.fcgi knows: the application that
 * the public suite for servers is run against.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char conf[] =
    "mount = /comet\n"
    "origins = http://test null\n"
    "[channel said*]\npublish = anyone\n"
    "[channel secret]\nsubscribe = none\n"
    "[service socket.io]\nping_interval = 60000\nping_timeout = 60000\n"
    "[namespace socket.io /chat]\njoin = news short\nmay_join = room*\npublish = said\n"
    "[namespace socket.io /mute]\npublish = kept\n"
    "[service socket.io/echo]\nstyle = echo\n"
    "[service socket.io/hasty]\nconnect_timeout = 400\nping_interval = 60000\n"
    "[service suite]\ndialect = engine.io\nprotocol = sio-test\nrecovery = off\n"
    "[namespace suite /custom]\n"
    "[ingest emitter]\npattern = socket.io#*\nformat = socketio\n"
    "[ingest laravel]\npattern = laravel_database_*\nformat = laravel\n";

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "socketio");
    lab_conf(&lab, conf);
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 2);
}

static void teardown(void) {
    lab_close(&lab);
}

/* -------------------------------------------------------------------------- a client */

struct talker {
    const char *path;  /* with its sid */
    const char *heard; /* everything, the separators of payloads as line ends; kept */
};

static const char *address(const char *service) {
    return keepf("/%s/?EIO=4&transport=polling", service);
}

static struct talker talker_open(const char *service) {
    const struct answer *answer = http_get(&lab, "%s", address(service));
    static char sid[64];

    ck_assert_msg(answer->status == 200 &&
                      sscanf(answer->body, "0{\"sid\":\"%63[^\"]\",", sid) == 1,
                  "%s", answer_text(answer));
    return (struct talker){.path = keepf("%s&sid=%s", address(service), sid), .heard = ""};
}

static const struct answer *post(const struct talker *talker, const char *body) {
    return http_post(&lab, body, strlen(body), "%s", talker->path);
}

/* Says packets of Socket.IO, a line each; `b...` is binary in base64. */
static void say(const struct talker *talker, const char *packets) {
    const char *body = "";

    for (const char *at = packets; *at != '\0'; at += strcspn(at, "\n"), at += *at == '\n')
        body = keepf("%s%s%s%.*s", body, *body != '\0' ? "\x1e" : "", *at == 'b' ? "" : "4",
                     (int)strcspn(at, "\n"), at);
    const struct answer *answer = post(talker, body);
    ck_assert_msg(answer->status == 200 && strcmp(answer->body, "ok") == 0, "%s",
                  answer_text(answer));
}

/* Polls once; an answer adds to what was heard. */
static bool hear(struct talker *talker) {
    const struct answer *answer = http_get(&lab, "%s", talker->path);

    if (answer->status != 200)
        return false;
    for (char *at = answer->body; (at = strchr(at, '\x1e')) != NULL;)
        *at = '\n';
    talker->heard = keepf("%s%s\n", talker->heard, answer->body);
    return true;
}

static void reach(struct talker *talker, const char *text) {
    while (strstr(talker->heard, text) == NULL)
        ck_assert_msg(hear(talker), "closed before \"%s\" in %s", text, talker->heard);
}

static void must_end(struct talker *talker) {
    until(!hear(talker), "still open: %s", talker->heard);
}

/* A member of the last answer to a CONNECT that was heard. */
static const char *member(const struct talker *talker, const char *name) {
    const char *last = NULL, *key = keepf("\"%s\":\"", name);

    for (const char *at = talker->heard; (at = strstr(at, key)) != NULL; at++)
        last = at + strlen(key);
    ck_assert_msg(last != NULL, "no %s in %s", name, talker->heard);
    return keepf("%.*s", (int)strcspn(last, "\""), last);
}

/* The last argument of the last event that was heard. */
static const char *offset(const struct talker *talker) {
    const char *end = talker->heard, *at;

    for (at = end; (at = strstr(at, "\"]\n")) != NULL; at++)
        end = at;
    for (at = end; at > talker->heard && at[-1] != '"'; at--)
        ;
    return keepf("%.*s", (int)(end - at), at);
}

static struct talker connected(const char *service, const char *packet) {
    struct talker talker = talker_open(service);

    say(&talker, packet);
    reach(&talker, "\"sid\"");
    return talker;
}

static size_t count(const char *text, const char *part) {
    size_t times = 0;
    while ((text = strstr(text, part)) != NULL)
        times++, text++;
    return times;
}

/* --------------------------------------------------------------------- connecting */

START_TEST(a_client_connects_to_namespaces_that_there_are) {
    struct talker talker = talker_open("comet/socket.io");

    say(&talker, "0\n0/chat,{\"a\":1}\n0/random,");
    reach(&talker, "44/random,{\"message\":\"Invalid namespace\"}\n");
    ck_assert_ptr_nonnull(strstr(talker.heard, "40{\"sid\":\""));
    ck_assert_ptr_nonnull(strstr(talker.heard, "40/chat,{\"sid\":\""));
    ck_assert_uint_eq(count(talker.heard, "\"pid\":\""), 2);
    say(&talker, "0");
    must_end(&talker);
}
END_TEST

START_TEST(who_does_not_connect_in_time_or_talks_nonsense_is_closed) {
    static const char *const rows[] = {"abc", "2[\"a\"]", "0[]", "2abc[\"a\"]", "51-[\"a\"]"};
    struct talker talker = talker_open("socket.io/hasty");

    must_end(&talker);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        talker = talker_open("socket.io");
        if (i == 4)
            say(&talker, "0");
        (void)post(&talker, keepf("4%s", rows[i]));
        if (i == 4)
            (void)post(&talker, "42[\"b\"]");
        must_end(&talker);
    }
    talker = connected("socket.io/hasty", "0");
    http_pump(600);
    store_add(&lab, "/", "1");
    reach(&talker, "42[\"message\",1,");
}
END_TEST

START_TEST(a_namespace_is_left_alone) {
    struct talker talker = connected("socket.io", "0/chat,");

    say(&talker, "0");
    reach(&talker, "40{");
    store_add(&lab, "news", "1");
    reach(&talker, "42/chat,[\"message\",1,");
    say(&talker, "1/chat,");
    store_add(&lab, "news", "2");
    store_add(&lab, "/", "3");
    reach(&talker, "42[\"message\",3,");
    ck_assert_ptr_null(strstr(talker.heard, "2,\"news"));
    say(&talker, "2/chat,[\"a\"]");
    must_end(&talker);
}
END_TEST

/* ------------------------------------------------------------------------- events */

START_TEST(channels_are_joined_by_event_and_answered_before_their_messages) {
    struct talker talker = connected("socket.io", "0/chat,");

    say(&talker, "2/chat,1[\"subscribe\",{\"channel\":\"room1\"}]\n2/chat,2[\"subscribe\","
                 "\"hall\"]\n2/chat,3[\"subscribe\",\"secret\"]");
    reach(&talker, "43/chat,3[{\"error\":{");
    ck_assert_ptr_nonnull(strstr(talker.heard, "43/chat,1[{\"ok\":true}]"));
    ck_assert_ptr_nonnull(strstr(talker.heard, "43/chat,2[{\"error\":{"));
    store_add(&lab, "room1", "{\"event\":\"hi\",\"data\":{\"n\":1}}");
    reach(&talker, "42/chat,[\"hi\",{\"n\":1},\"");
    say(&talker, "2/chat,4[\"unsubscribe\",[\"room1\"]]");
    reach(&talker, "43/chat,4[{\"ok\":true}]");
    store_add(&lab, "room1", "\"unheard\"");
    store_add(&lab, "news", "\"heard\"");
    reach(&talker, "42/chat,[\"message\",\"heard\",");
    ck_assert_ptr_null(strstr(talker.heard, "unheard"));
}
END_TEST

START_TEST(other_events_go_where_the_namespace_says) {
    struct talker talker = connected("socket.io", "0/chat,"), other = connected("socket.io", "0");

    say(&other, "2[\"subscribe\",\"said\"]\n21[\"never\",1]");
    reach(&other, "431[{\"error\":{");
    say(&talker, "2/chat,7[\"greet\",{\"x\":[1]}]\n2/chat,[\"many\",1,\"2\"]");
    reach(&talker, "43/chat,7[{\"ok\":true}]");
    reach(&other, "42[\"greet\",{\"x\":[1]},\"");
    reach(&other, "42[\"many\",1,\"2\",\"");
    talker = connected("socket.io", "0/mute,");
    say(&talker, "2/mute,8[\"greet\"]"); /* the channel's own rights hold */
    reach(&talker, "43/mute,8[{\"error\":{");
    ck_assert_ptr_nonnull(strstr(talker.heard, "\"status\":403"));
}
END_TEST

START_TEST(binary_goes_both_ways_whole_or_in_several_requests) {
    struct talker talker = connected("socket.io", "0/chat,"), other = connected("socket.io", "0");

    say(&other, "2[\"subscribe\",\"said\"]");
    say(&talker, "52-/chat,[\"b\",{\"_placeholder\":true,\"num\":0},[{\"_placeholder\":true,"
                 "\"num\":1}]]\nbAQIDBA==\nbYWJj");
    const char *says = "452-[\"b\",{\"_placeholder\":true,\"num\":0},[{\"_placeholder\":true,"
                       "\"num\":1}],\"";
    reach(&other, says);
    reach(&other, "\nbAQIDBA==\nbYWJj\n");
    say(&talker, "51-/chat,[\"c\",{\"_placeholder\":true,\"num\":0}]");
    say(&talker, "bBAMCAQ==");
    reach(&other, "451-[\"c\",{\"_placeholder\":true,\"num\":0},\"");
    reach(&other, "\nbBAMCAQ==\n");
    const struct answer *answer = http_get(&lab, "/comet/poll?channel=said&since=start");
    ck_assert_msg(strstr(answer->body, "\"data\":[\"AQIDBA==\",[\"YWJj\"]],\"binary\":[\"/0\","
                                       "\"/1/0\"],\"args\":true") != NULL,
                  "%s", answer_text(answer));
}
END_TEST

START_TEST(who_is_named_does_not_get_it) {
    struct talker talker = connected("socket.io", "0/chat,");
    struct talker other = connected("socket.io", "0/chat,");

    store_add(&lab, "news",
              keepf("{\"event\":\"a\",\"data\":1,\"socket\":\"%s\"}", member(&talker, "sid")));
    store_add(&lab, "news", "\"last\"");
    reach(&other, "\"last\"");
    reach(&talker, "\"last\"");
    ck_assert_ptr_nonnull(strstr(other.heard, "42/chat,[\"a\",1,"));
    ck_assert_ptr_null(strstr(talker.heard, "42/chat,[\"a\",1,"));
}
END_TEST

/* ------------------------------------------------------------------------- recovery */

START_TEST(a_client_goes_on_where_its_connection_broke) {
    struct talker talker = connected("socket.io", "0/chat,");

    say(&talker, "2/chat,1[\"subscribe\",\"room1\"]");
    reach(&talker, "43/chat,1");
    store_add(&lab, "news", "1");
    reach(&talker, "42/chat,[\"message\",1,");
    const char *pid = member(&talker, "pid"), *sid = member(&talker, "sid");
    const char *at = offset(&talker);
    (void)post(&talker, "1");
    store_add(&lab, "news", "2");
    store_add(&lab, "room1", "3");
    struct talker again =
        connected("socket.io", keepf("0/chat,{\"pid\":\"%s\",\"offset\":\"%s\"}", pid, at));
    ck_assert_str_eq(member(&again, "pid"), pid);
    ck_assert_str_eq(member(&again, "sid"), sid);
    reach(&again, "42/chat,[\"message\",2,");
    reach(&again, "42/chat,[\"message\",3,");
    ck_assert_uint_eq(count(again.heard, "[\"message\""), 2);
    /* who got nothing goes on where it began */
    again = connected("socket.io", keepf("0/chat,{\"pid\":\"%s\"}", pid));
    ck_assert_str_eq(member(&again, "pid"), pid);
    reach(&again, "42/chat,[\"message\",1,");
    reach(&again, "42/chat,[\"message\",2,");
}
END_TEST

START_TEST(who_missed_something_or_forges_begins_anew) {
    struct talker talker = connected("socket.io", "0/chat,"), again;

    store_add(&lab, "short", "0");
    reach(&talker, "42/chat,[\"message\",0,");
    const char *pid = member(&talker, "pid"), *at = offset(&talker);
    store_add_many(&lab, "short", 200); /* more than a process remembers */
    store_do(&lab, "XTRIM halley.history:{short} MAXLEN 2");
    again = connected("socket.io", keepf("0/chat,{\"pid\":\"%s\",\"offset\":\"%s\"}", pid, at));
    ck_assert_str_ne(member(&again, "pid"), pid);
    reach(&again, "42/chat,[\"halley:gap\",[\"short\"]]");
    reach(&again, "42/chat,[\"message\",200,");
    for (size_t i = 0; i < 3; i++) {
        const char *auth = i == 0   ? keepf("{\"pid\":\"x\",\"offset\":\"%s\"}", at)
                           : i == 1 ? keepf("{\"pid\":\"x.%s\",\"offset\":\"%s\"}", at, at)
                                    : "{\"pid\":7,\"offset\":[]}";
        again = connected("socket.io", keepf("0/chat,%s", auth));
        store_add(&lab, "news", keepf("\"n%zu\"", i));
        reach(&again, keepf("42/chat,[\"message\",\"n%zu\",", i));
        ck_assert_uint_eq(count(again.heard, "[\"message\""), 1);
    }
}
END_TEST

/* ----------------------------------------------------------------------- WebSockets */

static struct websock *socket_open(const char *service) {
    int fd = wire_tcp(lab.port);
    struct websock *socket;

    ck_assert(fd >= 0);
    socket = websock_on(fd, keepf("/%s/?EIO=4&transport=websocket", service), "");
    ck_assert_ptr_nonnull(strstr(websock_reach_text(socket), "0{\"sid\":\""));
    return socket;
}

START_TEST(a_websocket_says_the_same_and_bytes_as_bytes) {
    struct websock *socket = socket_open("socket.io");

    websock_say(socket, "40/chat,");
    websock_reach(socket, "40/chat,{\"sid\":\"");
    websock_say(socket, "40");
    websock_reach(socket, "40{\"sid\":\"");
    websock_say(socket, "421[\"subscribe\",\"said\"]");
    ck_assert_str_eq(websock_reach_text(socket), "431[{\"ok\":true}]");
    websock_say(socket, "451-/chat,2[\"b\",{\"_placeholder\":true,\"num\":0}]");
    websock_frame(socket, FRAME_FIN | FRAME_BINARY, true, "\x01\x02", 2);
    bool acknowledged = false, event = false, bytes = false;
    while (!acknowledged || !bytes) {
        const char *text = websock_reach_text(socket);
        acknowledged = acknowledged || strcmp(text, "43/chat,2[{\"ok\":true}]") == 0;
        bytes = bytes || (event && socket->length == 2 && memcmp(text, "\x01\x02", 2) == 0);
        event = event || strstr(text, "451-[\"b\",{") == text;
    }
    websock_say(socket, "40");
    websock_reach_close(socket);
    websock_close(socket);
}
END_TEST

START_TEST(a_burst_of_events_behind_a_subscription_is_all_taken) {
    struct websock *socket = socket_open("socket.io");

    websock_say(socket, "40/chat,");
    websock_say(socket, "42/chat,999[\"subscribe\",\"room1\"]");
    for (int i = 0; i < 200; i++)
        websock_say(socket, keepf("42/chat,%d[\"n\",%d]", i, i));
    websock_reach(socket, "43/chat,999[{\"ok\":true}]");
    for (int i = 0; i < 200; i++)
        ck_assert_str_eq(websock_reach_text(socket), keepf("43/chat,%d[{\"ok\":true}]", i));
    websock_close(socket);
}
END_TEST

START_TEST(a_websocket_that_does_not_connect_is_closed) {
    struct websock *socket = socket_open("socket.io/hasty");

    websock_reach_close(socket);
    websock_close(socket);
    socket = socket_open("socket.io");
    websock_say(socket, "4abc");
    websock_reach_close(socket);
    websock_close(socket);
}
END_TEST

START_TEST(recovery_leads_from_polls_to_a_websocket) {
    struct talker talker = connected("socket.io", "0/chat,");
    struct websock *socket = socket_open("socket.io");
    const char *pid = member(&talker, "pid");

    store_add(&lab, "news", "\"between\"");
    websock_say(socket, keepf("40/chat,{\"pid\":\"%s\"}", pid));
    ck_assert_ptr_nonnull(strstr(websock_reach_text(socket), pid));
    ck_assert_ptr_nonnull(strstr(websock_reach_text(socket), "42/chat,[\"message\",\"between\""));
    websock_close(socket);
}
END_TEST

/* --------------------------------------------------------------- what others publish */

START_TEST(laravels_broadcasts_arrive_as_echo_wants_them) {
    struct talker talker = connected("socket.io/echo", "0");

    say(&talker, "2[\"subscribe\",{\"channel\":\"orders\",\"auth\":{}}]\n"
                 "2[\"subscribe\",{\"channel\":\"private-mine\",\"auth\":{}}]\n"
                 "2[\"subscribe\",{\"channel\":\"presence-all\",\"auth\":{}}]");
    reach(&talker, "42[\"subscription_error\",\"private-mine\",403]");
    reach(&talker, "42[\"subscription_error\",\"presence-all\",403]");
    (void)store_do(&lab, "PUBLISH laravel_database_orders %s",
                   "{\"event\":\"App\\\\Events\\\\OrderShipped\",\"data\":{\"i\":1},"
                   "\"socket\":null}");
    reach(&talker, "42[\"App\\\\Events\\\\OrderShipped\",\"orders\",{\"i\":1},\"");
}
END_TEST

/* --------------------------------------------------------------- the suite's words */

START_TEST(the_suites_application_echoes) {
    struct talker talker = connected("comet/suite", "0{\"token\":\"123\"}");

    reach(&talker, "42[\"auth\",{\"token\":\"123\"}]\n");
    ck_assert_ptr_null(strstr(talker.heard, "pid"));
    say(&talker, "0/custom,\n2[\"message\",1,\"2\",{\"3\":[true]}]\n"
                 "2456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]");
    reach(&talker, "43456[1,\"2\",{\"3\":[false]}]\n");
    ck_assert_ptr_nonnull(strstr(talker.heard, "42/custom,[\"auth\",{}]\n"));
    ck_assert_ptr_nonnull(strstr(talker.heard, "42[\"message-back\",1,\"2\",{\"3\":[true]}]\n"));
    say(&talker, "52-[\"message\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,"
                 "\"num\":1}]\nbAQID\nbBAUG\n52-789[\"message-with-ack\",{\"_placeholder\":true,"
                 "\"num\":0},{\"_placeholder\":true,\"num\":1}]\nbBwgJ\nbCgsM");
    reach(&talker, "462-789[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]\n"
                   "bBwgJ\nbCgsM\n");
    ck_assert_ptr_nonnull(strstr(talker.heard,
                                 "452-[\"message-back\",{\"_placeholder\":true,\"num\":0},"
                                 "{\"_placeholder\":true,\"num\":1}]\nbAQID\nbBAUG\n"));
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, a_client_connects_to_namespaces_that_there_are);
    tcase_add_test(tests, who_does_not_connect_in_time_or_talks_nonsense_is_closed);
    tcase_add_test(tests, a_namespace_is_left_alone);
    tcase_add_test(tests, channels_are_joined_by_event_and_answered_before_their_messages);
    tcase_add_test(tests, other_events_go_where_the_namespace_says);
    tcase_add_test(tests, binary_goes_both_ways_whole_or_in_several_requests);
    tcase_add_test(tests, who_is_named_does_not_get_it);
    tcase_add_test(tests, a_client_goes_on_where_its_connection_broke);
    tcase_add_test(tests, who_missed_something_or_forges_begins_anew);
    tcase_add_test(tests, laravels_broadcasts_arrive_as_echo_wants_them);
    tcase_add_test(tests, the_suites_application_echoes);
    tcase_add_test(tests, a_websocket_says_the_same_and_bytes_as_bytes);
    tcase_add_test(tests, a_burst_of_events_behind_a_subscription_is_all_taken);
    tcase_add_test(tests, a_websocket_that_does_not_connect_is_closed);
    tcase_add_test(tests, recovery_leads_from_polls_to_a_websocket);
}

int main(void) {
    Suite *suite = suite_create("socketio");

    e2e_take_test_services();
    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    return e2e_run(suite);
}
