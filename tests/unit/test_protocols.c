/* fcgi-app/protocols: what a protocol makes of a text, of a batch, and of how a publish ended. */
#include "fcgi-app/protocols/protocol.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/protocols/protocols.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static char everything[] = "*";
static struct channel_policy policy = {.pattern = everything,
                                       .subscribe = {.kinds = ACCESS_ANYONE}};
static const struct config config = {.max_channels = 3, .channels = &policy, .channel_count = 1};

static struct speech speech_of(const char *name, const char *argument) {
    const struct protocol *protocol = protocol_find(name, strlen(name));
    ck_assert_ptr_nonnull(protocol);
    return (struct speech){.protocol = protocol, .argument = argument, .config = &config};
}

static void take(const char *name, const char *text, struct step *step) {
    struct speech speech = speech_of(name, "room");
    *step = (struct step){0};
    speech.protocol->take(&speech, text, strlen(text), step);
}

static const char *said(const struct step *step, size_t index) {
    size_t len;
    ck_assert_uint_lt(index, step->said.count);
    const char *text = texts_at(&step->said, index, &len);
    return keepf("%.*s", (int)len, text);
}

START_TEST(a_text_of_halley_makes_one_step_in_its_order) {
    struct step step;

    take("halley",
         "{\"publish\":{\"channel\":\"c\",\"data\":[ 1 ],\"key\":\"k\"},\"ref\":7,"
         "\"unsubscribe\":[\"b\"],\"subscribe\":[\"a\",\"b\",\"a\"],\"since\":\"-2\"}",
         &step);
    ck_assert_int_eq(step.problem.status, 0);
    ck_assert(step.joins && step.leaves && step.posts);
    ck_assert_uint_eq(step.join.count, 2);
    ck_assert_str_eq(step.join.channels[1].name, "b");
    ck_assert_uint_eq(step.join.channels[1].since.last, 2);
    ck_assert_uint_eq(step.leave.names.count, 1);
    ck_assert_str_eq(step.post.channel, "c");
    ck_assert_str_eq(step.post.key, "k");
    assert_bytes(step.post.data.at, step.post.data.len, "[ 1 ]", "data");
    assert_bytes(step.ref.at, step.ref.len, "7", "ref");
    step_free(&step);
}
END_TEST

START_TEST(patterns_are_joined_beside_names_and_left_like_them) {
    struct step step;

    take("halley",
         "{\"pattern\":[\"a/*\",\"**\"],\"subscribe\":\"a\",\"since\":\"start\","
         "\"unsubscribe\":[\"b\",\"b/**\"]}",
         &step);
    ck_assert_int_eq(step.problem.status, 0);
    ck_assert(step.joins && step.leaves);
    ck_assert_uint_eq(step.join.count, 1);
    ck_assert_uint_eq(step.join.patterns.count, 2);
    ck_assert_str_eq(step.join.patterns.names[1].name, "**");
    assert_bytes(step.join.since, step.join.since_len, "start", "since");
    ck_assert_str_eq(step.leave.names.names[1].name, "b/**");
    step_free(&step);
    take("halley", "{\"pattern\":\"a/*\"}", &step);
    ck_assert(step.joins && step.problem.status == 0);
    ck_assert_uint_eq(step.join.count, 0);
    assert_bytes(step.join.since, step.join.since_len, "now", "since");
    step_free(&step);
}
END_TEST

static void take_line(const char *text, struct step *step) {
    const struct speech speech = {.protocol = &protocol_line, .argument = "", .config = &config};
    *step = (struct step){0};
    protocol_line.take(&speech, text, strlen(text), step);
}

START_TEST(a_token_is_said_on_the_line_feed_in_a_word) {
    struct step step;

    take_line("token a.b\\\"c", &step);
    ck_assert(step.renews && !step.again);
    assert_bytes(step.token.at, step.token.len, "\"a.b\\\\\\\"c\"", "token");
    step_free(&step);
    take_line("TOKEN", &step);
    ck_assert_int_eq(step.problem.status, 400);
    step_free(&step);
}
END_TEST

/* Leaves names where somebody stands in the others; what is left, joined by blanks. */
static const char *left_of(const char *const *places, const char *text) {
    struct hub_places all = {.channels = mem_new(16 * sizeof *all.channels)};
    struct step step;
    const char *left = "";

    for (; *places != NULL; places++)
        all.channels[all.count++] =
            (struct hub_channel){.name = mem_string(*places), .len = strlen(*places)};
    take("halley", keepf("{\"unsubscribe\":%s}", text), &step);
    ck_assert(step.leaves);
    change_drop(&step.leave, &all);
    for (size_t i = 0; i < all.count; i++)
        left = keepf("%s%s%s", left, i > 0 ? " " : "", all.channels[i].name);
    step_free(&step);
    hub_places_free(&all);
    return left;
}

START_TEST(with_a_pattern_goes_what_no_other_stands_for) {
    static const char *const places[] = {"n/*",   "n/s/*",   "n/**", "n/a",
                                         "n/s/b", "n/s/t/c", "x",    NULL};
    static const struct {
        const char *leaves, *left;
    } rows[] = {
        {"[\"n/*\"]", "n/s/* n/** n/a n/s/b n/s/t/c x"},
        {"[\"n/**\"]", "n/* n/s/* n/a n/s/b x"},
        {"[\"n/**\",\"n/*\"]", "n/s/* n/s/b x"},
        {"[\"n/*\",\"n/**\"]", "n/s/* n/s/b x"},
        {"[\"n/s/*\",\"n/**\",\"n/*\"]", "x"},
        {"[\"n/a\"]", "n/* n/s/* n/** n/s/b n/s/t/c x"},
        {"[\"*\",\"**\",\"m/*\"]", "n/* n/s/* n/** n/a n/s/b n/s/t/c x"},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(left_of(places, rows[i].leaves), rows[i].left);
}
END_TEST

START_TEST(what_stands_behind_a_mistake_is_not_done) {
    static const struct {
        const char *text;
        bool joins, leaves, posts;
    } rows[] = {
        {"[", 0, 0, 0},
        {"{}", 0, 0, 0},
        {"{\"subscribe\":[],\"unsubscribe\":[\"a\"]}", 0, 0, 0},
        {"{\"subscribe\":[\"a\"],\"since\":\"x\",\"publish\":{\"channel\":\"a\",\"data\":1}}", 0, 0,
         0},
        {"{\"subscribe\":[\"a\"],\"unsubscribe\":1,\"publish\":{\"channel\":\"a\",\"data\":1}}", 1,
         0, 0},
        {"{\"subscribe\":[\"a\"],\"publish\":{\"channel\":\"a\"}}", 1, 0, 1},
        {"{\"subscribe\":[\"a\",\"b\",\"c\",\"d\"]}", 0, 0, 0},
        {"{\"pattern\":\"a*\",\"unsubscribe\":[\"a\"]}", 0, 0, 0},
        {"{\"pattern\":\"a/*\",\"subscribe\":[],\"unsubscribe\":[\"a\"]}", 0, 0, 0},
        {"{\"pattern\":[\"a/*\",\"b/*\",\"c/*\",\"d/*\",\"e/*\",\"f/*\",\"g/*\",\"h/*\",\"i/*\"]}",
         0, 0, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct step step;
        take("halley", rows[i].text, &step);
        ck_assert_msg(step.problem.status == 400, "%s: no problem", rows[i].text);
        ck_assert_msg(step.joins == rows[i].joins && step.leaves == rows[i].leaves &&
                          step.posts == rows[i].posts,
                      "%s: %d %d %d", rows[i].text, step.joins, step.leaves, step.posts);
        step_free(&step);
    }
}
END_TEST

START_TEST(a_ping_is_answered_with_its_ref_and_does_nothing) {
    struct step step;

    take("halley", "{\"ping\":1,\"ref\":\"r\"}", &step);
    ck_assert_str_eq(said(&step, 0), "{\"pong\":true,\"ref\":\"r\"}");
    ck_assert(!step.joins && !step.leaves && !step.posts && step.problem.status == 0);
    step_free(&step);
}
END_TEST

START_TEST(a_step_that_is_kept_needs_its_text_no_more) {
    char *text = keepf("{\"publish\":{\"channel\":\"c\",\"data\":\"d\"},\"ref\":\"r\"}");
    struct step step;

    take("halley", text, &step);
    step_keep(&step);
    memset(text, 'x', strlen(text));
    assert_bytes(step.post.data.at, step.post.data.len, "\"d\"", "data");
    assert_bytes(step.ref.at, step.ref.len, "\"r\"", "ref");
    step_free(&step);
    ck_assert_ptr_null(step.kept);
}
END_TEST

START_TEST(halley_tells_how_a_publish_ended_with_its_ref) {
    struct speech speech = speech_of("halley", "");
    struct problem problem = {0};
    struct step step = {0};

    struct outcome good = {.id = "5-1", .id_len = 3, .at = 9, .ref = {"[1]", 3}};
    speech.protocol->tell(&speech, &good, &step);
    ck_assert_str_eq(said(&step, 0), "{\"published\":{\"id\":\"5-1\",\"at\":9},\"ref\":[1]}");
    step_free(&step);
    struct outcome bad = {.problem = problem_set(&problem, 403, "no")};
    speech.protocol->tell(&speech, &bad, &step);
    ck_assert_ptr_nonnull(strstr(said(&step, 0), "\"status\":403"));
    ck_assert_uint_eq(step.closes, 0);
    step_free(&step);
}
END_TEST

START_TEST(a_channel_publishes_what_is_said_and_closes_where_it_may_not) {
    struct speech speech = speech_of("channel", "room");
    struct problem problem = {0};
    struct step step = {0};

    speech.protocol->open(&speech, &step);
    ck_assert(step.joins);
    ck_assert_str_eq(step.join.channels[0].name, "room");
    step_free(&step);
    take("channel", "no \"JSON\"", &step);
    ck_assert(step.posts);
    ck_assert_str_eq(step.post.channel, "room");
    assert_bytes(step.post.data.at, step.post.data.len, "no \"JSON\"", "data");
    step_free(&step);
    struct outcome bad = {.problem = problem_set(&problem, 403, "no")};
    speech.protocol->tell(&speech, &bad, &step);
    ck_assert_uint_eq(step.closes, 4403);
    ck_assert_str_eq(step.reason, "Forbidden");
    step_free(&step);
}
END_TEST

/* A batch of two messages. */
static struct batch *batch_of(const char *first, size_t len, const char *second) {
    const struct batch_channel channel = {.name = "a", .len = 1, .from = {5, 0}, .to = {5, 2}};
    struct message *one = message_new("a", 1, (struct position){5, 1}, 7, first, len);
    struct message *two = message_new("a", 1, (struct position){5, 2}, 7, second, strlen(second));
    struct batch *batch = batch_new(&channel, 1, (struct batch_entry[]){{one, 0}, {two, 0}}, 2, 0);
    message_unref(one);
    message_unref(two);
    return batch;
}

START_TEST(a_batch_is_one_text_of_halley_and_a_text_a_message_of_a_channel) {
    struct batch *batch = batch_of("\xff\x00", 2, "{\"x\":1}");
    struct texts texts = {0};
    size_t len;

    protocol_find("halley", 6)->render(NULL, batch, &texts);
    ck_assert_uint_eq(texts.count, 1);
    const char *text = texts_at(&texts, 0, &len);
    assert_bytes(text, len, batch_json(batch)->data, "halley");
    texts_free(&texts);
    protocol_find("channel", 7)->render(NULL, batch, &texts);
    ck_assert_uint_eq(texts.count, 2);
    text = texts_at(&texts, 0, &len);
    assert_bytes(text, len, "data:;base64,/wA=", "bytes");
    text = texts_at(&texts, 1, &len);
    assert_bytes(text, len, "{\"x\":1}", "text");
    texts_free(&texts);
    batch_unref(batch);
}
END_TEST

START_TEST(protocols_are_found_by_their_names) {
    for (unsigned i = 0; protocol_at(i) != NULL; i++) {
        const struct protocol *protocol = protocol_at(i);
        ck_assert_ptr_eq(protocol_find(protocol->name, strlen(protocol->name)), protocol);
        ck_assert_uint_eq(protocol_index(protocol), i);
    }
    ck_assert_ptr_null(protocol_find("", 0));
    ck_assert_ptr_null(protocol_find("halle", 5));
    ck_assert_ptr_null(protocol_find("Halley", 6));
    ck_assert_ptr_null(protocol_find("echo", 4));
}
END_TEST

START_TEST(texts_of_any_bytes_stay_apart) {
    struct texts texts = {0};
    size_t len;

    for (unsigned i = 0; i < 100; i++)
        texts_add(&texts, "\0\n0123456789", i % 12);
    for (unsigned i = 0; i < 100; i++) {
        const char *text = texts_at(&texts, i, &len);
        ck_assert_uint_eq(len, i % 12);
        ck_assert(memcmp(text, "\0\n0123456789", len) == 0);
    }
    texts_free(&texts);
    ck_assert_uint_eq(texts.count, 0);
}
END_TEST

UNIT_MAIN("protocols", a_text_of_halley_makes_one_step_in_its_order,
          patterns_are_joined_beside_names_and_left_like_them,
          with_a_pattern_goes_what_no_other_stands_for,
          a_ping_is_answered_with_its_ref_and_does_nothing,
          what_stands_behind_a_mistake_is_not_done, a_token_is_said_on_the_line_feed_in_a_word,
          a_step_that_is_kept_needs_its_text_no_more, halley_tells_how_a_publish_ended_with_its_ref,
          a_channel_publishes_what_is_said_and_closes_where_it_may_not,
          a_batch_is_one_text_of_halley_and_a_text_a_message_of_a_channel,
          protocols_are_found_by_their_names, texts_of_any_bytes_stay_apart)
