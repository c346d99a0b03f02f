/* fcgi-app/protocols/socketio*.c: what is said in namespaces, what state is kept, what batches are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "fcgi-app/protocols/protocols.h"
#include "fcgi-app/protocols/socketio.h"
#include "fcgi-app/protocols/socketio_binary.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static struct channel_policy policies[] = {
    {.pattern = (char[]){"secret"}, .subscribe = {.kinds = ACCESS_NONE}, .max_message = 1000},
    {.pattern = (char[]){"*"}, .subscribe = {.kinds = ACCESS_ANYONE}, .max_message = 1000}};
static struct service services[] = {{.path = (char[]){"socket.io"},
                                     .dialect = (char[]){""},
                                     .connect_timeout = 1000,
                                     .recovery = 1},
                                    {.path = (char[]){"other"},
                                     .dialect = (char[]){"socket.io"},
                                     .connect_timeout = 1000,
                                     .style = STYLE_ECHO}};
static struct name_space spaces[] = {{.service = (char[]){"socket.io"},
                                      .name = (char[]){"/chat"},
                                      .join = (char[]){"news  offers"},
                                      .may_join = (char[]){"room.* x"},
                                      .publish = (char[]){"said"}},
                                     {.service = (char[]){"socket.io"},
                                      .name = (char[]){"/closed"},
                                      .join = (char[]){"secret"},
                                      .may_join = (char[]){""},
                                      .publish = (char[]){""}}};
static const struct config config = {.max_channels = 6,
                                     .channels = policies,
                                     .channel_count = 2,
                                     .services = services,
                                     .service_count = 2,
                                     .namespaces = spaces,
                                     .namespace_count = 2};

static struct speech speech;
static struct step step;
static struct hub_places here; /* what has been joined */

static void begin(size_t service) {
    speech = (struct speech){.protocol = &protocol_socketio,
                             .argument = "",
                             .config = &config,
                             .service = &services[service],
                             .now = 5000};
    speech_begin(&speech);
    speech.protocol->open(&speech, &step);
    step_free(&step);
}

static void teardown(void) {
    step_free(&step);
    speech_end(&speech);
    here.count = 0;
}

/* Everything that the step says, a line each; bytes as <...>. */
static const char *said(const struct texts *texts) {
    const char *all = "";
    for (size_t i = 0; i < texts->count; i++) {
        size_t len;
        const char *text = texts_at(texts, i, &len);
        bool bytes = texts_is_bytes(texts, i);
        all = keepf("%s%s%s%.*s%s", all, i > 0 ? "\n" : "", bytes ? "<" : "", (int)len, text,
                    bytes ? ">" : "");
    }
    return all;
}

/* Carries a step's joins out, each at position 7-3; `gap` in all of them. */
static void join(bool gap) {
    struct hub_channel channels[8];
    const struct hub_places places = {.channels = channels, .count = step.join.count};

    for (size_t i = 0; i < step.join.count; i++) {
        channels[i] = step.join.channels[i];
        if (channels[i].since.kind != SINCE_AT)
            channels[i].since = (struct since){.kind = SINCE_AT, .at = {7, 3}};
        channels[i].gap = gap;
    }
    speech.protocol->joined(&speech, &places, &step);
}

/* Takes a text, as carriers do: also over a state that was saved and loaded. */
static const char *take(const char *text) {
    struct buf saved = buf_make(65536);

    speech_save(&speech, &saved);
    ck_assert(speech_load(&speech, saved.data != NULL ? saved.data : "", saved.len));
    buf_free(&saved);
    step_free(&step);
    speech.protocol->take(&speech, keepf("%s", text), strlen(text), &step);
    return said(&step.said);
}

static const char *do_take(const char *text) {
    take(text);
    if (step.joins)
        join(false);
    return said(&step.said);
}

static const char *tell(const struct problem *problem, bool joining) {
    struct step told = {0};
    const struct outcome outcome = {.problem = problem, .ref = step.ref, .joining = joining};

    speech.protocol->tell(&speech, &outcome, &told);
    const char *text = said(&told.said);
    step_free(&told);
    return text;
}

/* A member of the answer to a CONNECT. */
static const char *member(const char *answer, const char *name) {
    const char *at = strstr(answer, keepf("\"%s\":\"", name));
    ck_assert_msg(at != NULL, "no %s in %s", name, answer);
    at += strlen(name) + 4;
    return keepf("%.*s", (int)strcspn(at, "\""), at);
}

static bool joins(const char *channel) {
    for (size_t i = 0; i < step.join.count; i++) {
        if (strcmp(step.join.channels[i].name, channel) == 0)
            return true;
    }
    return false;
}

/* --------------------------------------------------------------------- connecting */

START_TEST(a_client_connects_to_a_namespace_and_its_channels) {
    begin(0);
    ck_assert_uint_eq(speech_deadline(&speech), 6000);
    const char *answer = do_take("0/chat,{\"token\":1}");
    ck_assert_ptr_eq(strstr(answer, "0/chat,{\"sid\":\""), answer);
    ck_assert(joins("/chat") && joins("news") && joins("offers") && step.join.count == 3);
    ck_assert_uint_eq(strlen(member(answer, "sid")), SOCKETIO_ID);
    ck_assert_uint_eq(speech_deadline(&speech), 0);
    answer = do_take("0");
    ck_assert_ptr_eq(strstr(answer, "0{\"sid\":\""), answer);
    ck_assert(joins("/") && step.join.count == 1);
}
END_TEST

static void take_proved(const char *text) {
    speech.proved = true;
    take(text);
    speech.proved = false;
}

START_TEST(a_token_is_proved_before_its_namespace_is_connected) {
    static const char packet[] = "0/chat,{\"token\":\"t\"}";
    static struct problem bad = {.status = 401, .detail = "token: it is bad"};
    struct config reads = config;
    struct step told = {0};

    begin(0);
    take(packet);
    ck_assert(step.joins && !step.renews); /* where none is read it is the site's own */
    speech_end(&speech);
    begin(0);
    reads.key_count = 1;
    speech.config = &reads;
    take(packet);
    ck_assert(step.renews && step.again && !step.joins);
    speech.protocol->tell(
        &speech, &(struct outcome){.problem = &bad, .ref = step.ref, .renewing = true}, &told);
    ck_assert_str_eq(said(&told.said), "4/chat,{\"message\":\"token: it is bad\"}");
    step_free(&told);
    take_proved(packet);
    ck_assert(step.joins && !step.renews);
    join(false);
    take_proved(packet); /* and once more, to say another one */
    ck_assert(!step.joins && step.closes == 0);
    take("0/chat,");
    ck_assert_uint_ne(step.closes, 0);
}
END_TEST

START_TEST(a_namespace_that_is_none_is_refused) {
    begin(0);
    ck_assert_str_eq(take("0/random"), "4/random,{\"message\":\"Invalid namespace\"}");
    ck_assert(!step.joins && step.closes == 0);
    ck_assert_ptr_nonnull(
        strstr(take("0/closed,"), "4/closed,{\"message\":\"channel: subscribing"));
    ck_assert_uint_eq(speech_deadline(&speech), 6000);
    ck_assert_str_eq(take("2/closed,[\"a\"]"), "");
    ck_assert_uint_ne(step.closes, 0);
}
END_TEST

START_TEST(what_is_wrong_ends_the_connection) {
    begin(0);
    static const char *const rows[] = {"",
                                       "x",
                                       "9",
                                       "2[\"a\"]",
                                       "0[]",
                                       "0\"x\"",
                                       "2/chat,[]",
                                       "4{\"message\":\"x\"}",
                                       "2abc[\"a\"]",
                                       "51-[\"a\"",
                                       "3/chat,1[]"};
    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_str_eq(take(rows[i]), "");
        ck_assert_msg(step.closes == 1002, "%s: %u", rows[i], step.closes);
    }
    do_take("0");
    take("0");
    ck_assert_uint_eq(step.closes, 1002);
}
END_TEST

START_TEST(a_join_that_fails_is_told_and_undone) {
    begin(0);
    const struct problem problem = {.status = 400, .detail = "too many"};

    take("0/chat,");
    ck_assert_str_eq(tell(&problem, true), "4/chat,{\"message\":\"too many\"}");
    do_take("0/chat,");
    take("2/chat,7[\"subscribe\",\"x\"]");
    ck_assert(joins("x"));
    ck_assert_ptr_nonnull(strstr(tell(&problem, true), "3/chat,7[{\"error\":{"));
    take("2/chat,[\"unsubscribe\",\"x\"]");
    ck_assert(!step.leaves);
}
END_TEST

/* ------------------------------------------------------------------------- events */

START_TEST(channels_are_joined_and_left_by_event) {
    begin(0);
    do_take("0/chat,");
    ck_assert_str_eq(do_take("2/chat,1[\"subscribe\",\"room.1\"]"), "3/chat,1[{\"ok\":true}]");
    ck_assert(joins("room.1"));
    ck_assert_str_eq(do_take("2/chat,2[\"subscribe\",{\"channel\":\"x\"}]"),
                     "3/chat,2[{\"ok\":true}]");
    ck_assert(joins("x"));
    ck_assert_str_eq(do_take("2/chat,[\"subscribe\",[\"room.2\",\"room.3\"]]"), "");
    ck_assert(joins("room.2") && joins("room.3"));
    ck_assert_ptr_nonnull(
        strstr((take("2/chat,3[\"subscribe\",\"y\"]"), tell(&step.problem, false)),
               "3/chat,3[{\"error\":{"));
    ck_assert(!step.joins);
    ck_assert_str_eq(take("2/chat,4[\"unsubscribe\",[\"room.1\",\"news\",\"never\"]]"),
                     "3/chat,4[{\"ok\":true}]");
    ck_assert_uint_eq(step.leave.names.count, 1);
    ck_assert_str_eq(step.leave.names.names[0].name, "room.1");
}
END_TEST

START_TEST(a_channel_of_two_namespaces_is_left_with_the_last) {
    begin(0);
    do_take("0/chat,");
    do_take("0");
    do_take("2[\"subscribe\",\"news\"]");
    take("1/chat,");
    ck_assert_uint_eq(step.leave.names.count, 2); /* its own, and offers */
    take("2[\"unsubscribe\",\"news\"]");
    ck_assert_uint_eq(step.leave.names.count, 1);
}
END_TEST

START_TEST(other_events_are_published_where_the_namespace_says) {
    begin(0);
    do_take("0/chat,");
    do_take("0");
    take("2/chat,[\"a\",{\"x\": 1}]");
    ck_assert(step.posts);
    ck_assert_str_eq(step.post.channel, "said");
    assert_bytes(step.post.data.at, step.post.data.len, "{\"event\":\"a\",\"data\":{\"x\": 1}}",
                 "one");
    take("2/chat,[\"a\",1,[2]]");
    assert_bytes(step.post.data.at, step.post.data.len,
                 "{\"event\":\"a\",\"data\":[1,[2]],\"args\":true}", "two");
    take("2/chat,12[\"a\"]");
    assert_bytes(step.post.data.at, step.post.data.len,
                 "{\"event\":\"a\",\"data\":[],\"args\":true}", "none");
    ck_assert_str_eq(tell(NULL, false), "3/chat,12[{\"ok\":true}]");
    take("25[\"a\",1]");
    ck_assert_int_eq(step.problem.status, 403);
    ck_assert_ptr_nonnull(strstr(tell(&step.problem, false), "35[{\"error\":{"));
}
END_TEST

static void take_bytes(const char *bytes) {
    struct buf saved = buf_make(65536);

    speech_save(&speech, &saved);
    ck_assert(speech_load(&speech, saved.data, saved.len));
    buf_free(&saved);
    step_free(&step);
    speech.protocol->take_bytes(&speech, bytes, strlen(bytes), &step);
}

START_TEST(a_binary_event_comes_in_pieces) {
    begin(0);
    do_take("0/chat,");
    ck_assert_str_eq(take("52-/chat,9[\"b\",{\"_placeholder\":true,\"num\":1},"
                          "{\"a/b\":[{\"_placeholder\":true,\"num\":0}]}]"),
                     "");
    take_bytes("abc");
    ck_assert(!step.posts && step.closes == 0);
    take_bytes("\n1\n");
    ck_assert(step.posts);
    assert_bytes(step.post.data.at, step.post.data.len,
                 "{\"event\":\"b\",\"data\":[\"CjEK\",{\"a/b\":[\"YWJj\"]}],"
                 "\"binary\":[\"/0\",\"/1/a~1b/0\"],\"args\":true}",
                 "data");
    ck_assert_str_eq(tell(NULL, false), "3/chat,9[{\"ok\":true}]");
    take_bytes("more");
    ck_assert_uint_eq(step.closes, 1002);
}
END_TEST

START_TEST(a_text_in_a_binary_event_and_too_much_end_it) {
    begin(0);
    do_take("0/chat,");
    take("51-/chat,[\"b\",{\"_placeholder\":true,\"num\":0}]");
    take("2/chat,[\"a\"]");
    ck_assert_uint_eq(step.closes, 1002);
    teardown();
    begin(0);
    do_take("0/chat,");
    take("52-/chat,[\"b\",{\"_placeholder\":true,\"num\":0}]");
    take_bytes(keepf("%0*d", 18000, 1));
    ck_assert_uint_eq(step.closes, 1009);
}
END_TEST

/* -------------------------------------------------------------------------- recovery */

START_TEST(a_client_goes_on_by_pid_and_offset) {
    begin(0);
    const char *first = do_take("0/chat,");
    const char *pid = member(first, "pid"), *sid = member(first, "sid");

    do_take("2/chat,[\"subscribe\",\"room.1\"]");
    teardown();
    begin(0);
    /* without an offset, from where it began */
    ck_assert_str_eq(member(do_take(keepf("0/chat,{\"pid\":\"%s\"}", pid)), "pid"), pid);
    ck_assert_uint_eq(step.join.channels[1].since.at.n, 3);
    teardown();
    begin(0);
    const char *again = do_take(keepf(
        "0/chat,{\"pid\":\"%s\",\"offset\":\"/chat@7-3,news@7-9,offers@7-2,room.1@8-1\"}", pid));
    ck_assert_str_eq(member(again, "pid"), pid);
    ck_assert_str_eq(member(again, "sid"), sid);
    ck_assert(joins("room.1") && step.join.count == 4);
    ck_assert_uint_eq(step.join.channels[1].since.at.n, 9);
    ck_assert_uint_eq(step.join.channels[2].since.at.n, 3); /* the later of the two */
    ck_assert_str_eq(do_take("2/chat,1[\"unsubscribe\",\"room.1\"]"), "3/chat,1[{\"ok\":true}]");
    ck_assert(step.leaves);
}
END_TEST

START_TEST(who_missed_something_is_given_a_new_pid) {
    begin(0);
    const char *pid = member(do_take("0/chat,"), "pid");
    static const char *const rows[] = {
        "0/chat,{\"pid\":\"%s\",\"offset\":\"news@7-9,y@7-1\"}", /* y may not be joined */
        "0/chat,{\"pid\":\"x%s\",\"offset\":\"news@7-9\"}",      /* a forged one */
        "0,{\"pid\":\"%s\",\"offset\":\"news@7-9\"}",            /* of another namespace */
        "0/chat,{\"pid\":\"%s\",\"offset\":\"secret@7-9\"}",     /* not allowed */
        "0/chat,{\"pid\":\"%.20s\",\"offset\":\"news@7-9\"}",    /* no place of offers */
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        teardown();
        begin(0);
        char *text = NULL;
        const char *format = i == 2 ? "0{\"pid\":\"%s\",\"offset\":\"news@7-9\"}" : rows[i];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        ck_assert_int_gt(asprintf(&text, format, pid), 0);
#pragma GCC diagnostic pop
        const char *answer = do_take(text);
        ck_assert_msg(strncmp(member(answer, "pid"), pid, SOCKETIO_ID) != 0, "%s: %s", text,
                      answer);
        ck_assert(!joins("y") && !joins("secret"));
        free(text);
    }
    teardown();
    begin(0);
    take(keepf("0/chat,{\"pid\":\"%s\"}", pid));
    join(true);
    ck_assert_str_ne(member(said(&step.said), "pid"), pid);
    teardown();
    begin(1); /* recovery is off */
    ck_assert_ptr_null(strstr(do_take("0"), "pid"));
}
END_TEST

/* ------------------------------------------------------------------------ rendering */

static const char *render(const char *channel, const char *payload, bool gap, unsigned *shape) {
    const struct batch_channel channels[] = {
        {.name = channel, .len = strlen(channel), .from = {7, 0}, .to = {7, 1}, .gap = gap}};
    struct message *message =
        message_new(channel, strlen(channel), (struct position){7, 1}, 0, payload, strlen(payload));
    const struct batch_entry entry = {.message = message};
    struct batch *batch = batch_new(channels, 1, &entry, 1, 0);
    struct texts texts = {0};

    speech.protocol->render(&speech, batch, &texts);
    if (shape != NULL)
        *shape = speech_shape(&speech, batch);
    const char *text = said(&texts);
    texts_free(&texts);
    batch_unref(batch);
    message_unref(message);
    return text;
}

START_TEST(messages_are_events) {
    begin(0);
    static const struct {
        const char *payload, *says;
    } rows[] = {
        {"{\"event\":\"a\",\"data\":{\"x\":1}}", "2/chat,[\"a\",{\"x\":1},\"news@7-1\"]"},
        {"{\"event\":\"a\",\"data\":[1, 2],\"args\":true}", "2/chat,[\"a\",1, 2,\"news@7-1\"]"},
        {"{\"event\":\"a\",\"data\":[],\"args\":true}", "2/chat,[\"a\",\"news@7-1\"]"},
        {"{\"event\":\"a\",\"data\":[1]}", "2/chat,[\"a\",[1],\"news@7-1\"]"},
        {"plain", "2/chat,[\"message\",\"plain\",\"news@7-1\"]"},
        {"{\"event\":\"a\"}", "2/chat,[\"message\",{\"event\":\"a\"},\"news@7-1\"]"},
        {"{\"event\":1,\"data\":2}", "2/chat,[\"message\",{\"event\":1,\"data\":2},\"news@7-1\"]"},
        {"{\"event\":\"disconnect\",\"data\":2}",
         "2/chat,[\"message\",{\"event\":\"disconnect\",\"data\":2},\"news@7-1\"]"},
        {"{\"event\":\"b\",\"data\":[\"YWJj\",{\"a/b\":\"CjEK\"}],\"args\":true,"
         "\"binary\":[\"/1/a~1b\",\"/0\"]}",
         "52-/chat,[\"b\",{\"_placeholder\":true,\"num\":0},{\"a/b\":{\"_placeholder\":true,"
         "\"num\":1}},\"news@7-1\"]\n<abc>\n<\n1\n>"},
        {"{\"event\":\"b\",\"data\":\"YWJj\",\"binary\":[\"\"]}",
         "51-/chat,[\"b\",{\"_placeholder\":true,\"num\":0},\"news@7-1\"]\n<abc>"},
        {"{\"event\":\"b\",\"data\":\"?\",\"binary\":[\"\",\"/x\",3]}",
         "2/chat,[\"b\",\"?\",\"news@7-1\"]"},
    };
    do_take("0/chat,");
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(render("news", rows[i].payload, false, NULL), rows[i].says);
    ck_assert_str_eq(render("elsewhere", "x", false, NULL), "");
    ck_assert_str_eq(render("news", "1", true, NULL),
                     "2/chat,[\"halley:gap\",[\"news\"]]\n2/chat,[\"message\",1,\"news@7-1\"]");
}
END_TEST

START_TEST(laravel_echo_is_told_the_channel) {
    begin(0);
    teardown();
    begin(1);
    do_take("0");
    do_take("2[\"subscribe\",{\"channel\":\"orders\"}]");
    ck_assert_str_eq(
        render("orders", "{\"event\":\"App\\\\Shipped\",\"data\":1,\"socket\":null}", false, NULL),
        "2[\"App\\\\Shipped\",\"orders\",1]");
    ck_assert_str_eq(take("2[\"subscribe\",{\"channel\":\"secret\"}]"),
                     "2[\"subscription_error\",\"secret\",403]");
}
END_TEST

START_TEST(who_is_named_gets_it_not_and_others_share_what_they_get) {
    begin(0);
    unsigned shape, other;
    const char *answer = do_take("0/chat,"), *sid = member(answer, "sid");

    do_take("2/chat,[\"subscribe\",\"room.1\"]");
    render("news", "{\"event\":\"a\",\"data\":1,\"socket\":\"somebody\"}", false, &shape);
    ck_assert_uint_gt(shape, SHAPE_OWN);
    ck_assert_str_eq(
        render("news", keepf("{\"event\":\"a\",\"data\":1,\"socket\":\"%s\"}", sid), false, &other),
        "");
    ck_assert_uint_eq(other, SHAPE_OWN);
    ck_assert_str_eq(
        render("news", "{\"event\":\"a\",\"data\":1,\"except\":[\"q\",\"room.1\"]}", false, &other),
        "");
    ck_assert_uint_eq(other, SHAPE_OWN);
    teardown();
    begin(0);
    do_take("0");
    render("/", "1", false, &other);
    ck_assert_uint_ne(other, shape);
    do_take("0/chat,");
    do_take("2[\"subscribe\",\"news\"]");
    ck_assert_str_eq(render("news", "1", false, &other),
                     "2[\"message\",1,\"news@7-1\"]\n2/chat,[\"message\",1,\"news@7-1\"]");
    ck_assert_uint_eq(other, SHAPE_OWN);
}
END_TEST

/* ----------------------------------------------------------------------- the model */

static void model_join(bool *connected, int *joined, const char *text) {
    (void)text;
    *connected = true;
    *joined = 0;
}

START_TEST(packets_in_any_order_leave_what_a_simple_model_says) {
    begin(0);
    static const char *const texts[] = {"0",
                                        "1",
                                        "2[\"subscribe\",\"a\"]",
                                        "2[\"subscribe\",\"b\"]",
                                        "2[\"unsubscribe\",\"a\"]",
                                        "2[\"unsubscribe\",\"b\"]",
                                        "51-[\"subscribe\",{\"_placeholder\":true,\"num\":0}]",
                                        "3[]",
                                        "0/random"};
    unsigned seed = (unsigned)time(NULL);

    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 3000; round++) {
        bool connected = false, awaits = false, over = false;
        int joined = 0;
        teardown();
        begin(0);
        for (int i = 0; i < 20 && !over; i++) {
            size_t which = (size_t)rand() % (ROWS(texts) + 1);
            bool bytes = which == ROWS(texts);
            if (bytes)
                take_bytes("q");
            else
                do_take(texts[which]);
            over = bytes ? !awaits
                         : awaits || (which == 0 && connected) ||
                               (which > 1 && which != 8 && which != 6 && !connected);
            over = over || (bytes && !connected); /* the event comes where it must not */
            ck_assert_msg((step.closes != 0) == over, "round %d: %zu", round, which);
            awaits = !bytes && !over && which == 6;
            if (!over && which == 0)
                model_join(&connected, &joined, texts[0]);
            else if (!over && which == 1)
                connected = false, joined = 0;
            else if (!over && (which == 2 || which == 3))
                joined |= 1 << (which - 2);
            else if (!over && (which == 4 || which == 5))
                joined &= ~(1 << (which - 4));
            const struct socketio_state *state = speech.state;
            ck_assert_uint_eq(state->count, connected);
            for (int k = 0; connected && !over && k < 2; k++)
                ck_assert_int_eq(socketio_space_joined(state->spaces[0], k == 0 ? "a" : "b", 1),
                                 joined >> k & 1);
        }
    }
}
END_TEST

START_TEST(a_state_that_is_none_is_told_so) {
    begin(0);
    static const char *const rows[] = {"x",       "s\n", "s/chat short\n", "jroom\n", "b1 99\nabc",
                                       "a3\nabc", "d1",  "b1 1\nxb1 1\nx"};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(!speech_load(&speech, rows[i], strlen(rows[i])), "%s", rows[i]);
    ck_assert(speech_load(&speech, "", 0));
}
END_TEST

UNIT_MAIN("socketio", a_client_connects_to_a_namespace_and_its_channels,
          a_token_is_proved_before_its_namespace_is_connected, a_namespace_that_is_none_is_refused,
          what_is_wrong_ends_the_connection, a_join_that_fails_is_told_and_undone,
          channels_are_joined_and_left_by_event, a_channel_of_two_namespaces_is_left_with_the_last,
          other_events_are_published_where_the_namespace_says, a_binary_event_comes_in_pieces,
          a_text_in_a_binary_event_and_too_much_end_it, a_client_goes_on_by_pid_and_offset,
          who_missed_something_is_given_a_new_pid, messages_are_events,
          laravel_echo_is_told_the_channel, who_is_named_gets_it_not_and_others_share_what_they_get,
          packets_in_any_order_leave_what_a_simple_model_says, a_state_that_is_none_is_told_so)
