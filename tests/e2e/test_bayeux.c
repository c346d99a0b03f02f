/* Bayeux, through the web servers: what is answered to each message, how it comes, and that a
 * session is nobody's process: on lighttpd and nginx two processes take requests in turn, under
 * Apache each request may meet another one.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char conf[] = "mount = /comet\n"
                           "origins = http://test null\n"
                           "timeout = 20\n"
                           "max_backlog = 16M\n"
                           "[channel room*]\npublish = anyone\n"
                           "[channel tiny*]\npublish = anyone\nmax_message = 10\n"
                           "[channel short*]\npublish = anyone\nhistory = 5\n"
                           "[channel secret*]\nsubscribe = none\n"
                           "[service bayeux]\n"
                           "[service faye]\nwebsocket = off\n"
                           "[service talk/here]\ndialect = cometd\n";

static struct lab lab;

static void setup_with(const char *server, const char *text) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "bayeux");
    lab_conf(&lab, text);
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 2);
}

static void setup(const char *server) {
    setup_with(server, conf);
}

static void teardown(void) {
    lab_close(&lab);
}

/* ------------------------------------------------------------------------ helpers */

#define PATH "/bayeux"

static struct flight *begin(const char *body) {
    const struct request request = {.method = "POST",
                                    .path = PATH,
                                    .body = body,
                                    .length = strlen(body),
                                    .headers = {"Content-Type: application/json"}};
    return http_begin(&lab, &request);
}

/* The array that the answer is. */
static json_t *objects(const struct answer *answer) {
    ck_assert_msg(answer->status == 200 && json_is_array(answer->json), "%s", answer_text(answer));
    const char *type = answer_header(answer, "Content-Type");
    ck_assert_msg(type != NULL && strncmp(type, "application/json", 16) == 0, "%s", answer->head);
    return answer->json;
}

static json_t *ask(const char *body) {
    return objects(http_land(begin(body)));
}

static json_t *at(json_t *array, size_t index) {
    json_t *object = json_array_get(array, index);
    ck_assert_msg(json_is_object(object), "no %zu in %s", index, json_dumps(array, 0));
    return object;
}

static json_t *last(json_t *array) {
    return at(array, json_array_size(array) - 1);
}

/* A member, whose names have dots between them; NULL: there is none. */
static json_t *get(json_t *object, const char *path) {
    while (object != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        object = json_object_get(object, keepf("%.*s", (int)len, path));
        path += len + (path[len] == '.');
    }
    return object;
}

static const char *text(json_t *object, const char *path) {
    const char *value = json_string_value(get(object, path));
    return value != NULL ? value : "(none)";
}

static void must_be(json_t *object, const char *path, const char *value) {
    ck_assert_msg(strcmp(text(object, path), value) == 0, "%s is not %s in %s", path, value,
                  json_dumps(object, 0));
}

static void must_succeed(json_t *object, bool good) {
    ck_assert_msg(json_is_boolean(get(object, "successful")) &&
                      json_is_true(get(object, "successful")) == good,
                  "%s", json_dumps(object, 0));
}

static void must_fail(json_t *object, const char *error) {
    must_succeed(object, false);
    ck_assert_msg(strncmp(text(object, "error"), error, strlen(error)) == 0, "%s is not %s",
                  json_dumps(object, 0), error);
}

static json_t *handshake(const char *more) {
    return at(ask(keepf("[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                        "\"supportedConnectionTypes\":[\"long-polling\"]%s}]",
                        more)),
              0);
}

static const char *fresh_client(void) {
    return keepf("%s", text(handshake(""), "clientId"));
}

static const char *connect_text(const char *client, const char *id, const char *more) {
    return keepf("[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\",\"connectionType\":"
                 "\"long-polling\",\"id\":\"%s\"%s}]",
                 client, id, more);
}

static const char *next_id(void) {
    static int number;
    return keepf("%d", ++number);
}

/* A connect that is answered with whatever is there. */
static json_t *poll(const char *client) {
    return ask(connect_text(client, next_id(), ",\"advice\":{\"timeout\":0}"));
}

static json_t *subscribe_to(const char *client, const char *names) {
    return at(ask(keepf("[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                        "\"subscription\":%s,\"id\":\"s\"}]",
                        client, names)),
              0);
}

static void must_subscribe(const char *client, const char *names) {
    must_succeed(subscribe_to(client, names), true);
}

/* A name of Halley's that begins like this, and that nobody has used. */
static const char *room(void) {
    return keep_fresh("room");
}

/* Polls until so many messages have come; returns them all, without replies. */
static json_t *collect(const char *client, size_t count) {
    json_t *all = json_array();
    until(({
              json_t *got = ask(connect_text(client, next_id(), ",\"advice\":{\"timeout\":2000}"));
              for (size_t i = 0; i + 1 < json_array_size(got); i++)
                  json_array_append(all, at(got, i));
              json_array_size(all) >= count;
          }),
          "%zu messages of %zu", json_array_size(all), count);
    ck_assert_uint_eq(json_array_size(all), count);
    return all;
}

/* ---------------------------------------------------------------------- handshake */

START_TEST(a_handshake_gives_an_id_and_what_there_is) {
    json_t *reply = handshake(",\"id\":\"7\"");

    must_succeed(reply, true);
    must_be(reply, "channel", "/meta/handshake");
    must_be(reply, "version", "1.0");
    must_be(reply, "id", "7");
    must_be(reply, "advice.reconnect", "retry");
    ck_assert_int_eq(json_integer_value(get(reply, "advice.interval")), 0);
    ck_assert_int_eq(json_integer_value(get(reply, "advice.timeout")), 20000);
    ck_assert_uint_eq(strlen(text(reply, "clientId")), 32);
    ck_assert_str_ne(text(reply, "clientId"), text(handshake(""), "clientId"));
    ck_assert_ptr_null(get(handshake(""), "id"));
    ck_assert_int_eq(json_integer_value(get(handshake(",\"id\":12"), "id")), 12);
    const char *types = json_dumps(get(reply, "supportedConnectionTypes"), 0);
    ck_assert_ptr_nonnull(strstr(types, "\"long-polling\""));
    ck_assert_ptr_nonnull(strstr(types, "\"callback-polling\""));
    ck_assert_ptr_nonnull(strstr(types, "\"eventsource\""));
    ck_assert_ptr_nonnull(strstr(types, "\"cross-origin-long-polling\""));
}
END_TEST

START_TEST(a_handshake_that_cannot_be_is_told_why) {
    json_t *reply = at(ask("{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                           "\"supportedConnectionTypes\":[\"pigeon\"]}"),
                       0);
    must_fail(reply, "301:");
    must_be(reply, "advice.reconnect", "none");
    reply = at(ask("{\"channel\":\"/meta/handshake\",\"supportedConnectionTypes\":[]}"), 0);
    must_fail(reply, "402:version:");
    reply = at(ask("{\"channel\":\"/meta/handshake\",\"version\":\"2.0\","
                   "\"supportedConnectionTypes\":[\"long-polling\"]}"),
               0);
    must_fail(reply, "300:");
}
END_TEST

START_TEST(what_stands_beside_a_handshake_is_ignored) {
    json_t *got = ask("[{\"channel\":\"/meta/subscribe\",\"subscription\":\"/a\"},"
                      "{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                      "\"supportedConnectionTypes\":[\"long-polling\"]}]");
    ck_assert_uint_eq(json_array_size(got), 1);
    must_succeed(at(got, 0), true);
    must_be(at(got, 0), "channel", "/meta/handshake");
}
END_TEST

/* ------------------------------------------------------------------------- connects */

START_TEST(a_connect_is_held_and_its_reply_comes_last) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, keepf("\"/%s\"", name));
    struct flight *flight = begin(connect_text(client, "c1", ""));
    http_reach_session(&lab);
    ck_assert(!http_landed(flight));
    const char *id = store_add(&lab, name, "{\"a\":1}");
    json_t *got = objects(http_land(flight));
    ck_assert_uint_eq(json_array_size(got), 2);
    must_be(at(got, 0), "channel", keepf("/%s", name));
    must_be(at(got, 0), "id", id);
    ck_assert_int_eq(json_integer_value(get(at(got, 0), "data.a")), 1);
    ck_assert_ptr_null(get(at(got, 0), "clientId"));
    must_succeed(at(got, 1), true);
    must_be(at(got, 1), "channel", "/meta/connect");
    must_be(at(got, 1), "id", "c1");
    must_be(at(got, 1), "clientId", client);
    must_be(at(got, 1), "advice.reconnect", "retry");
    ck_assert_ptr_null(get(at(got, 1), "ext"));
}
END_TEST

START_TEST(a_client_may_shorten_its_wait) {
    const char *client = fresh_client();
    json_t *got = poll(client);

    ck_assert_uint_eq(json_array_size(got), 1);
    must_succeed(at(got, 0), true);
    got = ask(connect_text(client, next_id(), ",\"advice\":{\"timeout\":300}"));
    ck_assert_uint_eq(json_array_size(got), 1);
    must_succeed(at(got, 0), true);
}
END_TEST

START_TEST(whatever_stands_beside_a_connect_is_answered_at_once) {
    const char *client = fresh_client(), *name = room();
    json_t *got =
        ask(keepf("[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\","
                  "\"connectionType\":\"long-polling\",\"id\":\"1\"},"
                  "{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                  "\"subscription\":\"/%s\",\"id\":\"2\"},"
                  "{\"channel\":\"/%s\",\"clientId\":\"%s\",\"data\":\"x\",\"id\":\"3\"}]",
                  client, client, name, name, client));

    /* the replies in their order, what was published, and the connect's reply last */
    ck_assert_msg(json_array_size(got) == 4, "%s", json_dumps(got, 0));
    must_be(at(got, 0), "id", "2");
    must_be(at(got, 1), "id", "3");
    must_succeed(at(got, 1), true);
    must_be(at(got, 2), "data", "x");
    must_be(at(got, 3), "id", "1");
    must_be(at(got, 3), "channel", "/meta/connect");
}
END_TEST

START_TEST(a_second_connect_is_the_one_that_counts) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, keepf("\"/%s\"", name));
    struct flight *first = begin(connect_text(client, "one", ""));
    http_reach_session(&lab);
    struct flight *second = begin(connect_text(client, "two", ""));
    json_t *got = objects(http_land(first));
    must_fail(last(got), "409:");
    must_be(last(got), "id", "one");
    must_be(last(got), "advice.reconnect", "retry");
    ck_assert_int_eq(json_integer_value(get(last(got), "advice.interval")), 1000);
    store_add(&lab, name, "1");
    got = objects(http_land(second));
    ck_assert_msg(json_array_size(got) == 2, "%s", got != NULL ? json_dumps(got, 0) : "");
    must_be(last(got), "id", "two");
}
END_TEST

START_TEST(who_is_not_known_is_to_shake_hands) {
    static const char *const bodies[] = {
        ("{\"channel\":\"/meta/connect\",\"clientId\":\"nobody\","
         "\"connectionType\":\"long-polling\"}"),
        "{\"channel\":\"/meta/subscribe\",\"clientId\":\"nobody\",\"subscription\":\"/a\"}",
        "{\"channel\":\"/meta/unsubscribe\",\"clientId\":\"nobody\",\"subscription\":\"/a\"}",
        "{\"channel\":\"/meta/disconnect\",\"clientId\":\"nobody\"}",
        "{\"channel\":\"/room-x\",\"clientId\":\"nobody\",\"data\":1}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        json_t *got = ask(bodies[i]);
        ck_assert_uint_eq(json_array_size(got), 1);
        must_fail(at(got, 0), "401:nobody:Unknown client");
        must_be(at(got, 0), "advice.reconnect", "handshake");
        ck_assert_ptr_null(get(at(got, 0), "id"));
    }
    must_fail(at(ask("{\"channel\":\"/meta/connect\",\"connectionType\":\"long-polling\"}"), 0),
              "401::");
}
END_TEST

START_TEST(a_disconnect_releases_the_connect_that_is_held) {
    const char *client = fresh_client();
    struct flight *flight = begin(connect_text(client, "held", ""));

    http_reach_session(&lab);
    json_t *reply =
        at(ask(keepf("{\"channel\":\"/meta/disconnect\",\"clientId\":\"%s\"}", client)), 0);
    must_succeed(reply, true);
    must_be(reply, "clientId", client);
    json_t *got = objects(http_land(flight));
    must_be(last(got), "id", "held");
    must_be(last(got), "advice.reconnect", "none");
    must_fail(last(poll(client)), keepf("401:%s:Unknown client", client));
    must_be(last(poll(client)), "advice.reconnect", "handshake");
}
END_TEST

START_TEST(a_session_that_never_connects_is_forgotten) {
    const char *client = fresh_client();

    must_subscribe(client, keepf("\"/%s\"", room()));
    until(json_is_false(get(subscribe_to(client, "\"/room-y\""), "successful")), "it lives on");
}
END_TEST

/* The names of all sessions in Redis, with blanks between and around them. */
static const char *session_keys(void) {
    const redisReply *keys = store_do(&lab, "KEYS halley.session:*");
    const char *all = " ";

    for (size_t i = 0; i < keys->elements; i++)
        all = keepf("%s%s ", all, keys->element[i]->str);
    return all;
}

/* Milliseconds that a session has which is not among these. */
static long long life_of_new(const char *known) {
    const redisReply *keys = store_do(&lab, "KEYS halley.session:*");

    for (size_t i = 0; i < keys->elements; i++) {
        if (strstr(known, keepf(" %s ", keys->element[i]->str)) == NULL)
            return store_do(&lab, "PTTL %s", keys->element[i]->str)->integer;
    }
    return 0;
}

START_TEST(a_session_lives_thirty_seconds_longer_than_a_connect_may_take) {
    const char *known = session_keys(), *client = fresh_client();

    long long life = life_of_new(known);
    ck_assert_msg(life > 0 && life <= 10000, "%lld", life);
    poll(client);
    life = life_of_new(known);
    ck_assert_msg(life > 30000 && life <= 50000, "%lld", life);
}
END_TEST

/* -------------------------------------------------------------------- subscriptions */

START_TEST(subscriptions_are_answered_as_they_came) {
    const char *client = fresh_client(), *name = room();
    json_t *reply = subscribe_to(client, keepf("[\"/%s/a\",\"/%s/b\"]", name, name));

    must_succeed(reply, true);
    must_be(json_array_get(get(reply, "subscription"), 0), "", keepf("/%s/a", name));
    ck_assert_uint_eq(json_array_size(get(reply, "subscription")), 2);
    reply = subscribe_to(client, keepf("\"/%s/c\"", name));
    must_be(reply, "subscription", keepf("/%s/c", name));
    must_be(reply, "clientId", client);
    store_add(&lab, keepf("%s/a", name), "1");
    store_add(&lab, keepf("%s/b", name), "2");
    store_add(&lab, keepf("%s/c", name), "3");
    json_t *got = collect(client, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(json_integer_value(get(at(got, (size_t)i), "data")), i + 1);
    reply = at(ask(keepf("{\"channel\":\"\\/meta\\/unsubscribe\",\"clientId\":\"%s\","
                         "\"subscription\":[\"/%s/a\",\"/%s/none\"]}",
                         client, name, name)),
               0);
    must_succeed(reply, true);
    must_be(reply, "channel", "/meta/unsubscribe");
    store_add(&lab, keepf("%s/a", name), "4");
    store_add(&lab, keepf("%s/b", name), "5");
    ck_assert_int_eq(json_integer_value(get(at(collect(client, 1), 0), "data")), 5);
}
END_TEST

START_TEST(what_may_not_be_subscribed_to_is_refused_whole) {
    static const struct {
        const char *names, *error;
    } rows[] = {{"\"/secret\"", "403:/secret:"},
                {"[\"/room-a\",\"/secret-x\",\"/secret\"]", "403:/secret-x,/secret:"},
                {"\"/meta/connect\"", "403:/meta/connect:"},
                {"\"/service/x\"", "403:/service/x:"},
                {"\"room\"", "405:room:"},
                {"\"/\"", "405:/:"},
                {"\"/a//b\"", "405:/a//b:"},
                {"\"/a/\"", "405:/a/:"},
                {"\"/a b\"", "405:/a b:"},
                {"\"/a/*/b\"", "405:/a/*/b:"},
                {"\"/a/***\"", "405:/a/***:"},
                {"\"/a*\"", "405:/a*:"},
                {"\"/{x}\"", "405:/{x}:"},
                {"7", "405:"},
                {"[]", "405:"},
                {"[1]", "405:"}};
    const char *client = fresh_client();

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *reply = subscribe_to(client, rows[i].names);
        must_fail(reply, rows[i].error);
        ck_assert_ptr_nonnull(get(reply, "subscription"));
    }
    store_add(&lab, "room-a", "1");
    ck_assert_uint_eq(json_array_size(poll(client)), 1);
    must_fail(at(ask(keepf("{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\"}", client)), 0),
              "402:subscription:");
}
END_TEST

START_TEST(a_subscription_may_begin_in_the_past) {
    const char *client = fresh_client(), *name = room();

    store_add_many(&lab, name, 4);
    json_t *reply =
        at(ask(keepf("{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                     "\"subscription\":\"/%s\",\"ext\":{\"halley\":{\"since\":\"-2\"}}}",
                     client, name)),
           0);
    must_succeed(reply, true);
    json_t *got = collect(client, 2);
    ck_assert_int_eq(json_integer_value(get(at(got, 0), "data")), 3);
    reply = at(ask(keepf("{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                         "\"subscription\":\"/%s\",\"ext\":{\"halley\":{\"since\":\"soon\"}}}",
                         client, room())),
               0);
    must_fail(reply, "400:");
}
END_TEST

START_TEST(a_gap_is_told_beside_what_is_behind_it) {
    const char *client = fresh_client(), *name = room();

    store_add(&lab, name, "1");
    json_t *reply =
        at(ask(keepf("{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\",\"subscription\":"
                     "\"/%s\",\"ext\":{\"halley\":{\"since\":\"%s@1000-7\"}}}",
                     client, name, name)),
           0);
    must_succeed(reply, true);
    json_t *got = ask(connect_text(client, next_id(), ",\"advice\":{\"timeout\":5000}"));
    ck_assert_msg(json_array_size(got) == 2, "%s", json_dumps(got, 0));
    ck_assert_int_eq(json_integer_value(get(at(got, 0), "data")), 1);
    must_be(json_array_get(get(last(got), "ext.halley.gap"), 0), "", name);
}
END_TEST

START_TEST(patterns_are_channels_that_come_and_go) {
    const char *client = fresh_client(), *name = room();

    store_add(&lab, keepf("%s/a", name), "0");
    must_subscribe(client, keepf("[\"/%s/*\",\"/%s/b\"]", name, name));
    store_add(&lab, keepf("%s/a", name), "1");      /* was there */
    store_add(&lab, keepf("%s/b", name), "2");      /* by its name too: told once */
    store_add(&lab, keepf("%s/c", name), "3");      /* is new while nobody holds the session */
    store_add(&lab, keepf("%s/c/d", name), "none"); /* two segments */
    json_t *got = collect(client, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(json_integer_value(get(at(got, (size_t)i), "data")), i + 1);
    struct flight *flight = begin(connect_text(client, next_id(), ""));
    http_pump(200);
    store_add(&lab, keepf("%s/e", name), "4"); /* is new while it is held */
    got = objects(http_land(flight));
    ck_assert_int_eq(json_integer_value(get(at(got, 0), "data")), 4);
    must_be(at(got, 0), "channel", keepf("/%s/e", name));
    json_t *reply = at(ask(keepf("{\"channel\":\"/meta/unsubscribe\",\"clientId\":\"%s\","
                                 "\"subscription\":\"/%s/*\"}",
                                 client, name)),
                       0);
    must_succeed(reply, true);
    store_add(&lab, keepf("%s/a", name), "5");
    store_add(&lab, keepf("%s/f", name), "6");
    store_add(&lab, keepf("%s/b", name), "7");
    ck_assert_int_eq(json_integer_value(get(at(collect(client, 1), 0), "data")), 7);
}
END_TEST

START_TEST(deep_patterns_tell_nothing_of_service_channels) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, "\"/**\"");
    store_add(&lab, "service/x", "\"never\"");
    store_add(&lab, keepf("%s/a/b/c", name), "\"deep\"");
    json_t *got = json_array();
    until(({
              json_t *more = ask(connect_text(client, next_id(), ",\"advice\":{\"timeout\":1000}"));
              for (size_t i = 0; i + 1 < json_array_size(more); i++) {
                  ck_assert_str_ne(text(at(more, i), "channel"), "/service/x");
                  if (strcmp(text(at(more, i), "data"), "deep") == 0)
                      json_array_append(got, at(more, i));
              }
              json_array_size(got) > 0;
          }),
          "what is deep below does not come");
}
END_TEST

/* ------------------------------------------------------------------------ publishing */

START_TEST(anybody_publishes_and_is_answered) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, keepf("\"/%s\"", name));
    json_t *reply = at(
        ask(keepf("{\"channel\":\"/%s\",\"data\":{\"x\":[1,\"\\u2028\"]},\"id\":\"p\"}", name)), 0);
    must_succeed(reply, true);
    must_be(reply, "channel", keepf("/%s", name));
    must_be(reply, "id", "p");
    ck_assert_uint_eq(json_object_size(reply), 3);
    json_t *got = collect(client, 1);
    ck_assert_int_eq(json_integer_value(json_array_get(get(at(got, 0), "data.x"), 0)), 1);
    must_succeed(
        at(ask(keepf("{\"channel\":\"/%s\",\"data\":2,\"clientId\":\"%s\"}", name, client)), 0),
        true);
    ck_assert_int_eq(json_integer_value(get(at(collect(client, 1), 0), "data")), 2);
}
END_TEST

START_TEST(what_is_said_again_with_its_id_is_published_once) {
    const char *client = fresh_client(), *name = room();
    const char *said =
        keepf("{\"channel\":\"/%s\",\"data\":1,\"clientId\":\"%s\",\"id\":\"z\"}", name, client);

    must_subscribe(client, keepf("\"/%s\"", name));
    must_succeed(at(ask(said), 0), true);
    must_succeed(at(ask(said), 0), true);
    must_succeed(at(ask(keepf("{\"channel\":\"/%s\",\"data\":2,\"clientId\":\"%s\",\"id\":\"z\"}",
                              name, client)),
                    0),
                 true);
    ck_assert_int_eq(json_integer_value(get(at(collect(client, 2), 1), "data")), 2);
}
END_TEST

START_TEST(a_publish_that_may_not_be_is_told_why) {
    static const struct {
        const char *message, *error;
    } rows[] = {{"{\"channel\":\"/news\",\"data\":1}", "403:/news:"},
                {"{\"channel\":\"/tiny\",\"data\":\"12345678901\"}", "413:/tiny:"},
                {"{\"channel\":\"/room/*\",\"data\":1}", "405:/room/*:"},
                {"{\"channel\":\"room\",\"data\":1}", "405:room:"},
                {"{\"channel\":\"/room-x\"}", "402:data:"},
                {"{\"channel\":\"/meta/other\",\"data\":1}", "403:/meta/other:Forbidden channel"},
                {"{\"data\":1}", "402:channel:"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_fail(at(ask(rows[i].message), 0), rows[i].error);
    must_succeed(at(ask("{\"channel\":\"/service/x\",\"data\":1}"), 0), true);
    ck_assert_int_eq(store_held(&lab, "service/x") > 1, 0);
}
END_TEST

/* ------------------------------------------------------------- what was lost on its way */

START_TEST(the_same_question_again_gets_the_same_answer) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, keepf("\"/%s\"", name));
    store_add(&lab, name, "1");
    json_t *first = ask(connect_text(client, "q1", ""));
    ck_assert_int_eq(json_integer_value(get(at(first, 0), "data")), 1);
    store_add(&lab, name, "2");
    json_t *again = ask(connect_text(client, "q1", "")); /* no more than was sent */
    ck_assert_uint_eq(json_array_size(again), 2);
    ck_assert_int_eq(json_integer_value(get(at(again, 0), "data")), 1);
    json_t *more = ask(connect_text(client, "q2", ""));
    ck_assert_uint_eq(json_array_size(more), 2);
    ck_assert_int_eq(json_integer_value(get(at(more, 0), "data")), 2);
}
END_TEST

START_TEST(who_acknowledges_is_given_again_what_it_has_not) {
    json_t *reply = handshake(",\"ext\":{\"ack\":true}");
    const char *client = keepf("%s", text(reply, "clientId")), *name = room();

    ck_assert(json_is_true(get(reply, "ext.ack")));
    must_subscribe(client, keepf("\"/%s\"", name));
    store_add(&lab, name, "1");
    json_t *got = ask(connect_text(client, next_id(), ",\"ext\":{\"ack\":0}"));
    ck_assert_int_eq(json_integer_value(get(at(got, 0), "data")), 1);
    json_int_t batch = json_integer_value(get(last(got), "ext.ack"));
    ck_assert_int_gt(batch, 0);
    got = ask(connect_text(client, next_id(), ",\"ext\":{\"ack\":0}"));
    ck_assert_int_eq(json_integer_value(get(at(got, 0), "data")), 1);
    batch = json_integer_value(get(last(got), "ext.ack"));
    store_add(&lab, name, "2");
    got = ask(connect_text(client, next_id(), keepf(",\"ext\":{\"ack\":%lld}", (long long)batch)));
    ck_assert_uint_eq(json_array_size(got), 2);
    ck_assert_int_eq(json_integer_value(get(at(got, 0), "data")), 2);
    batch = json_integer_value(get(last(got), "ext.ack"));
    got = ask(connect_text(
        client, next_id(),
        keepf(",\"advice\":{\"timeout\":0},\"ext\":{\"ack\":%lld}", (long long)batch)));
    ck_assert_uint_eq(json_array_size(got), 1);
    ck_assert_int_eq(json_integer_value(get(last(got), "ext.ack")), batch);
}
END_TEST

/* --------------------------------------------------------------------------- doors */

START_TEST(messages_come_in_every_form) {
    static const char hello[] = "{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                                "\"supportedConnectionTypes\":[\"callback-polling\"]}";
    static const struct {
        const char *path, *type;
        bool form;
    } rows[] = {{PATH "/handshake", "application/json", false},
                {PATH "/connect", "application/json;charset=UTF-8", false},
                {"/comet/faye", "text/plain", false},
                {"/comet/talk/here", "application/x-www-form-urlencoded", true},
                {PATH "/", "text/plain;charset=UTF-8", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *body = rows[i].form ? keepf("message=%s", keep_encoded(hello)) : hello;
        const struct request request = {.method = "POST",
                                        .path = rows[i].path,
                                        .body = body,
                                        .length = strlen(body),
                                        .headers = {keepf("Content-Type: %s", rows[i].type)}};
        must_succeed(at(objects(http_send(&lab, &request)), 0), true);
    }
}
END_TEST

START_TEST(a_script_polls) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, keepf("\"/%s\"", name));
    store_add(&lab, name, "\"a\xe2\x80\xa8\xe2\x80\xa9</script>\"");
    const struct answer *answer =
        http_get(&lab, "%s?jsonp=a.b_c&message=%s", PATH,
                 keep_encoded(keepf("[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\","
                                    "\"connectionType\":\"callback-polling\"}]",
                                    client)));
    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    ck_assert(strncmp(answer_header(answer, "Content-Type"), "text/javascript", 15) == 0);
    ck_assert_str_eq(answer_header(answer, "X-Content-Type-Options"), "nosniff");
    ck_assert_msg(strncmp(answer->body, "/**/a.b_c([{", 12) == 0, "%s", answer->body);
    ck_assert_str_eq(answer->body + answer->length - 4, "}]);");
    ck_assert_ptr_nonnull(strstr(answer->body, "\"a\\u2028\\u2029\\u003c/script>\""));
    /* without a name it is the array */
    ck_assert_uint_eq(json_array_size(objects(http_get(&lab, "%s?message=[]", PATH))), 0);
    static const char *const wrong[] = {
        "?jsonp=a-b&message=[]", "?jsonp=&message=[]", "?jsonp=alert(1)&message=[]", "?jsonp=a", "",
        "?jsonp=a&message={"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(http_get(&lab, "%s%s", PATH, wrong[i])->status, 400);
}
END_TEST

START_TEST(what_is_no_message_is_told_so) {
    static const char *const bodies[] = {"", "{", "7", "\"x\"", "[1]", "[[]]", "null"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        ck_assert_int_eq(http_land(begin(bodies[i]))->status, 400);
    const char *many = "{}";
    for (int i = 0; i < 64; i++)
        many = keepf("%s,{}", many);
    ck_assert_int_eq(http_land(begin(keepf("[%s]", many)))->status, 413);
    ck_assert_uint_eq(json_array_size(ask("[]")), 0);
    ck_assert_int_eq(http_get(&lab, PATH "/nothing")->status, 404);
    ck_assert_int_eq(http_get(&lab, PATH "/a/b")->status, 404);
    const struct request put = {.method = "PUT", .path = PATH, .body = "[]", .length = 2};
    ck_assert_int_eq(http_send(&lab, &put)->status, 405);
}
END_TEST

START_TEST(pages_of_other_sites_may_where_origins_names_them) {
    static const struct {
        const char *origin;
        int status;
    } rows[] = {{"Origin: http://test", 200},
                {"Origin: null", 200},
                {"Origin: http://other", 403},
                {"Referer: http://other/page", 403},
                {"Referer: http://test/page?x", 200}};
    for (size_t i = 0; i < 5; i++) {
        const struct request request = {.method = "POST",
                                        .path = PATH,
                                        .body = "[]",
                                        .length = 2,
                                        .headers = {rows[i].origin, "Sec-Fetch-Site: cross-site"}};
        const struct answer *answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == rows[i].status, "%s: %s", rows[i].origin,
                      answer_text(answer));
        if (i < 2) {
            ck_assert_str_eq(answer_header(answer, "Access-Control-Allow-Origin"),
                             rows[i].origin + strlen("Origin: "));
            ck_assert_str_eq(answer_header(answer, "Access-Control-Allow-Credentials"), "true");
        }
    }
    const struct request preflight = {.method = "OPTIONS",
                                      .path = PATH "/connect",
                                      .headers = {"Origin: http://test",
                                                  "Access-Control-Request-Method: POST",
                                                  "Access-Control-Request-Headers: content-type, "
                                                  "pragma"}};
    const struct answer *answer = http_send(&lab, &preflight);
    ck_assert_int_eq(answer->status, 204);
    ck_assert_ptr_nonnull(strstr(answer_header(answer, "Access-Control-Allow-Methods"), "POST"));
    ck_assert_ptr_nonnull(strstr(answer_header(answer, "Access-Control-Allow-Headers"), "pragma"));
}
END_TEST

/* ---------------------------------------------------------------- streams and sockets */

/* Waits until the stream has that text. */
static void reach(struct flight *flight, const char *part) {
    until((http_pump(20), strstr(http_so_far(flight), part) != NULL), "no %s in %s", part,
          http_so_far(flight));
}

static struct flight *open_stream(const char *client, const char *last_event) {
    const struct request request = {
        .path = keepf("%s/%s", PATH, client),
        .headers = {"Accept: text/event-stream",
                    last_event[0] != '\0' ? keepf("Last-Event-ID: %s", last_event) : NULL}};
    return http_begin(&lab, &request);
}

/* The id of the last event that has come. */
static const char *last_event(struct flight *flight) {
    const char *so_far = http_so_far(flight), *id = NULL;
    for (const char *found = so_far; (found = strstr(found, "id: ")) != NULL; found++)
        id = found + 4;
    ck_assert_msg(id != NULL && strchr(id, '\n') != NULL, "no event in %s", so_far);
    return keepf("%.*s", (int)strcspn(id, "\n"), id);
}

START_TEST(a_stream_has_arrays_and_comes_back_where_it_was) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, keepf("\"/%s\"", name));
    struct flight *stream = open_stream(client, "");
    reach(stream, "retry: ");
    store_add(&lab, name, "\"one\"");
    reach(stream, keepf("data: [{\"channel\":\"/%s\",\"data\":\"one\"", name));
    must_subscribe(client, keepf("\"/%s/more\"", name));
    store_add(&lab, keepf("%s/more", name), "\"two\"");
    reach(stream, "\"two\"");
    const char *id = last_event(stream);
    store_add(&lab, name, "\"three\"");
    reach(stream, "\"three\"");
    struct flight *again = open_stream(client, id); /* as if the last event had not come */
    reach(again, "\"three\"");
    ck_assert_ptr_null(strstr(http_so_far(again), "\"two\""));
    http_abandon(stream);
    http_abandon(again);
    ck_assert_int_eq(http_get(&lab, "%s/%s", PATH, "0123456789abcdef0123456789abcdef")->status,
                     404);
}
END_TEST

/* Who reads late, and is told nothing new then, has had everything all the same. */
START_TEST(a_stream_that_is_read_late_has_everything) {
    enum { MANY = 120, SIZE = 60000 };
    const char *client = fresh_client(), *name = room();
    char *payload = keep(malloc(SIZE + 3)), *text = keep(malloc(1 << 16));
    size_t found = 0, matched = 0;

    memset(payload, 'x', SIZE + 2);
    payload[0] = payload[SIZE + 1] = '"';
    payload[SIZE + 2] = '\0';
    must_subscribe(client, keepf("\"/%s\"", name));
    int fd = wire_tcp(lab.port);
    const char *ask_for = keepf("GET %s/%s HTTP/1.0\r\nHost: localhost\r\n\r\n", PATH, client);
    ck_assert(fd >= 0 && wire_send(fd, ask_for, strlen(ask_for)));
    http_reach_session(&lab);
    for (int i = 0; i < MANY; i++)
        store_add(&lab, name, payload);
    while (found < MANY) { /* the end of each payload; HTTP/1.0 has no chunks */
        ck_assert_msg(wire_stirs(fd, 20000), "%zu of %d", found, MANY);
        ssize_t got = read(fd, text, 1 << 16);
        ck_assert_msg(got > 0, "the end after %zu of %d", found, MANY);
        for (ssize_t i = 0; i < got; i++) {
            matched = text[i] == "x\",\"id\""[matched] ? matched + 1 : text[i] == 'x';
            found += matched == 7;
            matched = matched == 7 ? 0 : matched;
        }
    }
    close(fd);
}
END_TEST

START_TEST(a_connect_beside_a_stream_is_only_kept_waiting) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, keepf("\"/%s\"", name));
    struct flight *stream = open_stream(client, "");
    reach(stream, "retry: ");
    struct flight *waits =
        begin(keepf("[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\",\"id\":\"e\","
                    "\"connectionType\":\"eventsource\",\"advice\":{\"timeout\":3000}}]",
                    client));
    store_add(&lab, name, "\"x\"");
    reach(stream, "\"x\"");
    json_t *got = objects(http_land(waits));
    ck_assert_uint_eq(json_array_size(got), 1);
    must_succeed(at(got, 0), true);
    must_be(at(got, 0), "id", "e");
    http_abandon(stream);
}
END_TEST

static struct websock *socket_open(const char *path) {
    int fd = wire_tcp(lab.port);
    ck_assert(fd >= 0);
    return websock_on(fd, path, "");
}

START_TEST(a_websocket_carries_the_same_arrays) {
    struct websock *socket = socket_open(PATH);
    const char *name = room();

    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_say(socket, "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\",\"id\":\"1\","
                        "\"supportedConnectionTypes\":[\"websocket\"]}]");
    const char *reply = websock_reach(socket, "/meta/handshake");
    json_t *array = json_loads(reply, 0, NULL);
    const char *client = keepf("%s", text(at(array, 0), "clientId"));
    websock_say(socket, keepf("[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\",\"id\":\"2\","
                              "\"connectionType\":\"websocket\"}]",
                              client));
    websock_say(socket, keepf("[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\",\"id\":\"3\","
                              "\"subscription\":\"/%s\"}]",
                              client, name));
    websock_say(socket, keepf("{\"channel\":\"/%s\",\"data\":7,\"id\":\"4\"}", name));
    websock_reach(socket, "\"id\":\"3\",\"successful\":true");
    /* what is published in the order of the texts is heard by whoever subscribed before */
    bool heard = false, answered = false;
    until(({
              const char *got = websock_reach_text(socket);
              heard = heard || strstr(got, "\"data\":7") != NULL;
              answered = answered || strstr(got, "\"id\":\"4\",\"successful\":true") != NULL;
              heard &&answered;
          }),
          "the publish is not heard, or not answered");
    websock_say(socket, "[]");
    ck_assert_str_eq(websock_reach_text(socket), "[]");
    /* the session is not the socket's */
    websock_close(socket);
    store_add(&lab, name, "8");
    ck_assert_int_eq(json_integer_value(get(at(collect(client, 1), 0), "data")), 8);
    socket = socket_open(PATH);
    websock_say(socket, "what?");
    ck_assert_int_eq(websock_reach_close(socket), 1002);
    websock_close(socket);
}
END_TEST

START_TEST(no_websocket_where_a_service_has_none) {
    struct websock *socket = socket_open("/faye");
    ck_assert_int_eq(websock_reach_status(socket), 400);
    websock_close(socket);
}
END_TEST

START_TEST(a_process_that_stops_answers_its_connects) {
    const char *client = fresh_client();
    struct flight *flight = begin(connect_text(client, "d", ""));

    http_reach_session(&lab);
    lab_signal_apps(&lab, SIGTERM);
    json_t *got = objects(http_land(flight));
    must_succeed(last(got), true);
    must_be(last(got), "id", "d");
    must_be(last(got), "advice.reconnect", "retry");
}
END_TEST

/* ------------------------------------------------------------- what a socket costs Redis */

/* A client that shook hands on a socket, and whether it acknowledges. */
struct talker {
    struct websock *socket;
    const char *client;
    bool acks;
    long long ack; /* the last number that it was told */
};

static struct talker talk(bool acks) {
    struct talker talker = {.socket = socket_open(PATH), .acks = acks};

    ck_assert_int_eq(websock_reach_status(talker.socket), 101);
    websock_say(talker.socket, keepf("[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                                     "\"supportedConnectionTypes\":[\"websocket\"]%s}]",
                                     acks ? ",\"ext\":{\"ack\":true}" : ""));
    json_t *array = json_loads(websock_reach(talker.socket, "/meta/handshake"), 0, NULL);
    talker.client = keepf("%s", text(at(array, 0), "clientId"));
    return talker;
}

static const char *asks(const struct talker *talker, const char *id) {
    return connect_text(talker->client, id,
                        talker->acks ? keepf(",\"ext\":{\"ack\":%lld}", talker->ack) : "");
}

/* An answer to a connect has these numbers, in this order; "1,2". */
static void must_hear(struct talker *talker, json_t *got, const char *numbers) {
    const char *heard = "";

    for (size_t i = 0; i + 1 < json_array_size(got); i++)
        heard = keepf("%s%s%lld", heard, i > 0 ? "," : "",
                      (long long)json_integer_value(get(at(got, i), "data")));
    ck_assert_msg(strcmp(heard, numbers) == 0, "not %s: %s", numbers, json_dumps(got, 0));
    must_succeed(last(got), true);
    if (talker->acks)
        talker->ack = json_integer_value(get(last(got), "ext.ack"));
}

static void socket_asks(struct talker *talker) {
    websock_say(talker->socket, asks(talker, next_id()));
}

static void socket_hears(struct talker *talker, const char *numbers) {
    json_t *got = json_loads(websock_reach(talker->socket, "/meta/connect"), 0, NULL);
    must_hear(talker, got, numbers);
    json_decref(got);
}

/* The same client polls. */
static void poll_hears(struct talker *talker, const char *id, const char *numbers) {
    must_hear(talker, ask(asks(talker, id)), numbers);
}

/* From here on Redis keeps every function that is called. */
static void note_calls(void) {
    store_do(&lab, "CONFIG SET slowlog-max-len 100000");
    store_do(&lab, "CONFIG SET slowlog-log-slower-than 0");
    store_do(&lab, "SLOWLOG RESET");
}

/* What sessions and readers ask, not what a process asks for itself, every second. */
static bool is_of_somebody(const char *function) {
    return strcmp(function, "halley_session_version") != 0 &&
           (strncmp(function, "halley_session_", 15) == 0 || strcmp(function, "halley_read") == 0);
}

/* These since then, with a blank behind each. */
static const char *calls_noted(size_t *count) {
    const redisReply *log = store_do(&lab, "SLOWLOG GET -1");
    const char *all = "";

    *count = 0;
    for (size_t i = 0; i < log->elements; i++) {
        const redisReply *words = log->element[i]->element[3];
        if (strncasecmp(words->element[0]->str, "FCALL", 5) != 0 ||
            !is_of_somebody(words->element[1]->str))
            continue;
        ++*count;
        all = keepf("%s%s ", all, words->element[1]->str);
    }
    store_do(&lab, "CONFIG SET slowlog-log-slower-than -1");
    return all;
}

/* Nothing for a delivery, but on a slow machine what is said now and then. */
static void must_have_asked_nothing(void) {
    size_t count;
    const char *calls = calls_noted(&count);
    ck_assert_msg(count < 20, "%zu: %.300s", count, calls);
}

enum { DELIVERIES = 100 };

static void deliver_to_socket(bool acks) {
    struct talker talker = talk(acks);
    const char *name = room();

    must_subscribe(talker.client, keepf("[\"/%s\",\"/%s/b\"]", name, name));
    for (int i = 0; i < DELIVERIES + 2; i++) {
        if (i == 2) /* by now it is kept */
            note_calls();
        socket_asks(&talker);
        store_add(&lab, i % 3 == 0 ? name : keepf("%s/b", name), keepf("%d", i));
        socket_hears(&talker, keepf("%d", i));
    }
    must_have_asked_nothing();
    websock_close(talker.socket);
}

START_TEST(a_delivery_to_a_socket_asks_redis_nothing) {
    deliver_to_socket(false);
    deliver_to_socket(true);
}
END_TEST

START_TEST(a_delivery_to_a_stream_asks_redis_nothing) {
    const char *client = fresh_client(), *name = room();

    must_subscribe(client, keepf("\"/%s\"", name));
    struct flight *stream = open_stream(client, "");
    reach(stream, "retry: ");
    note_calls();
    for (int i = 0; i < DELIVERIES; i++) {
        store_add(&lab, name, keepf("\"<%d>\"", i));
        reach(stream, keepf("\"<%d>\"", i));
    }
    must_have_asked_nothing();
    http_abandon(stream);
}
END_TEST

static void move_about(bool acks) {
    struct talker talker = talk(acks);
    const char *name = room();

    must_subscribe(talker.client, keepf("\"/%s\"", name));
    for (int i = 0; i < 3; i++) {
        socket_asks(&talker);
        store_add(&lab, name, keepf("%d", i));
        socket_hears(&talker, keepf("%d", i));
    }
    /* the socket is still there, and waits; what is said elsewhere counts */
    socket_asks(&talker);
    store_add(&lab, name, "3");
    socket_hears(&talker, "3");
    store_add(&lab, name, "4");
    poll_hears(&talker, next_id(), "4");
    must_subscribe(talker.client, keepf("\"/%s/b\"", name));
    socket_asks(&talker);
    store_add(&lab, keepf("%s/b", name), "5");
    socket_hears(&talker, "5");
    /* the answer did not arrive: it is asked for again, where the socket is not */
    const char *id = next_id();
    long long had = talker.ack;
    websock_say(talker.socket, asks(&talker, id));
    store_add(&lab, name, "6");
    socket_hears(&talker, "6");
    talker.ack = had;
    websock_close(talker.socket);
    poll_hears(&talker, id, "6");
    store_add(&lab, name, "7");
    poll_hears(&talker, next_id(), "7");
}

START_TEST(a_client_goes_from_its_socket_to_polling_and_back) {
    move_about(false);
    move_about(true);
}
END_TEST

START_TEST(a_poll_takes_the_session_from_a_connect_that_waits_on_a_socket) {
    struct talker talker = talk(false);
    const char *name = room();

    must_subscribe(talker.client, keepf("\"/%s\"", name));
    socket_asks(&talker);
    store_add(&lab, name, "1");
    socket_hears(&talker, "1");
    socket_asks(&talker);
    websock_say(talker.socket, "[]"); /* which is done behind that */
    ck_assert_str_eq(websock_reach_text(talker.socket), "[]");
    struct flight *flight = begin(asks(&talker, next_id()));
    until((http_pump(20), websock_turn(talker.socket, 0), websock_next(talker.socket)),
          "the socket's connect waits on");
    must_fail(last(json_loads(talker.socket->text, 0, NULL)), "409:");
    store_add(&lab, name, "2");
    must_hear(&talker, objects(http_land(flight)), "2");
    websock_close(talker.socket);
}
END_TEST

START_TEST(who_acknowledges_loses_nothing_with_a_process) {
    setup("http");
    struct talker talker = talk(true);
    const char *name = room();

    must_subscribe(talker.client, keepf("[\"/%s\",\"/%s/b\",\"/%s/c\"]", name, name, name));
    for (int i = 0; i < 20; i++) {
        socket_asks(&talker);
        store_add(&lab, i % 4 == 0 ? name : keepf("%s/%c", name, "bc"[i % 2]), keepf("%d", i));
        socket_hears(&talker, keepf("%d", i));
    }
    socket_asks(&talker);
    long long had = talker.ack;
    store_add(&lab, name, "20");
    socket_hears(&talker, "20"); /* as if it had not */
    talker.ack = had;
    lab_signal_apps(&lab, SIGKILL);
    websock_close(talker.socket);
    lab_app_again(&lab);
    poll_hears(&talker, next_id(), "20");
    store_add(&lab, keepf("%s/b", name), "21");
    poll_hears(&talker, next_id(), "21");
    teardown();
}
END_TEST

START_TEST(a_process_that_stops_writes_down_what_it_kept) {
    setup("http");
    struct talker talker = talk(false);
    const char *name = room();

    must_subscribe(talker.client, keepf("\"/%s\"", name));
    for (int i = 0; i < 5; i++) {
        socket_asks(&talker);
        store_add(&lab, name, keepf("%d", i));
        socket_hears(&talker, keepf("%d", i));
    }
    lab_signal_apps(&lab, SIGTERM);
    (void)websock_reach_close(talker.socket);
    websock_close(talker.socket);
    lab_app_again(&lab);
    store_add(&lab, name, "5");
    poll_hears(&talker, next_id(), "5");
    teardown();
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, a_handshake_gives_an_id_and_what_there_is);
    tcase_add_test(tests, a_handshake_that_cannot_be_is_told_why);
    tcase_add_test(tests, what_stands_beside_a_handshake_is_ignored);
    tcase_add_test(tests, a_connect_is_held_and_its_reply_comes_last);
    tcase_add_test(tests, a_client_may_shorten_its_wait);
    tcase_add_test(tests, whatever_stands_beside_a_connect_is_answered_at_once);
    tcase_add_test(tests, a_second_connect_is_the_one_that_counts);
    tcase_add_test(tests, who_is_not_known_is_to_shake_hands);
    tcase_add_test(tests, a_disconnect_releases_the_connect_that_is_held);
    tcase_add_test(tests, a_session_lives_thirty_seconds_longer_than_a_connect_may_take);
    tcase_add_test(tests, subscriptions_are_answered_as_they_came);
    tcase_add_test(tests, what_may_not_be_subscribed_to_is_refused_whole);
    tcase_add_test(tests, a_subscription_may_begin_in_the_past);
    tcase_add_test(tests, a_gap_is_told_beside_what_is_behind_it);
    tcase_add_test(tests, patterns_are_channels_that_come_and_go);
    tcase_add_test(tests, deep_patterns_tell_nothing_of_service_channels);
    tcase_add_test(tests, anybody_publishes_and_is_answered);
    tcase_add_test(tests, what_is_said_again_with_its_id_is_published_once);
    tcase_add_test(tests, a_publish_that_may_not_be_is_told_why);
    tcase_add_test(tests, the_same_question_again_gets_the_same_answer);
    tcase_add_test(tests, who_acknowledges_is_given_again_what_it_has_not);
    tcase_add_test(tests, messages_come_in_every_form);
    tcase_add_test(tests, a_script_polls);
    tcase_add_test(tests, what_is_no_message_is_told_so);
    tcase_add_test(tests, pages_of_other_sites_may_where_origins_names_them);
    tcase_add_test(tests, a_stream_has_arrays_and_comes_back_where_it_was);
    tcase_add_test(tests, a_connect_beside_a_stream_is_only_kept_waiting);
    tcase_add_test(tests, a_websocket_carries_the_same_arrays);
    tcase_add_test(tests, no_websocket_where_a_service_has_none);
    tcase_add_test(tests, a_client_goes_from_its_socket_to_polling_and_back);
    tcase_add_test(tests, a_poll_takes_the_session_from_a_connect_that_waits_on_a_socket);
}

static void on_nginx(void) {
    setup("nginx");
}

int main(void) {
    Suite *suite = suite_create("bayeux");

    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    TCase *once = e2e_case(suite, "once", on_nginx, teardown);
    tcase_add_test(once, a_session_that_never_connects_is_forgotten);
    tcase_add_test(once, a_stream_that_is_read_late_has_everything);
    tcase_add_test(once, a_delivery_to_a_socket_asks_redis_nothing);
    tcase_add_test(once, a_delivery_to_a_stream_asks_redis_nothing);
    tcase_add_test(e2e_case(suite, "end", on_nginx, teardown),
                   a_process_that_stops_answers_its_connects);
    TCase *gone = e2e_case(suite, "gone", NULL, NULL);
    tcase_add_test(gone, who_acknowledges_loses_nothing_with_a_process);
    tcase_add_test(gone, a_process_that_stops_writes_down_what_it_kept);
    return e2e_run(suite);
}
