/* fcgi-app/carriers/bayeux: messages, replies, and what a session keeps. */
#include "fcgi-app/carriers/bayeux/messages.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "fcgi-app/carriers/bayeux/replies.h"
#include "fcgi-app/carriers/bayeux/state.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static struct bayeux_message messages[BAYEUX_MESSAGES];
static size_t count;

static enum bayeux_input take(const char *text) {
    return bayeux_take(text, strlen(text), messages, &count);
}

START_TEST(a_request_is_a_message_or_an_array_of_them) {
    static const struct {
        const char *text;
        enum bayeux_input input;
        size_t count;
    } rows[] = {{"{}", BAYEUX_GOOD, 1},    {" [ {} , {} ] ", BAYEUX_GOOD, 2},
                {"[]", BAYEUX_GOOD, 0},    {"", BAYEUX_BROKEN, 0},
                {"[1]", BAYEUX_BROKEN, 0}, {"[{},[]]", BAYEUX_BROKEN, 0},
                {"7", BAYEUX_BROKEN, 0},   {"\"x\"", BAYEUX_BROKEN, 0},
                {"[{}", BAYEUX_BROKEN, 0}, {"{\"a\":\"\xff\"}", BAYEUX_BROKEN, 0},
                {"null", BAYEUX_BROKEN, 0}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_msg(take(rows[i].text) == rows[i].input, "%s", rows[i].text);
        ck_assert_uint_eq(count, rows[i].count);
        bayeux_free(messages, count);
    }
}
END_TEST

START_TEST(one_message_too_many_is_too_many) {
    for (size_t most = BAYEUX_MESSAGES; most <= BAYEUX_MESSAGES + 1; most++) {
        struct buf text = buf_make(4096);
        for (size_t i = 0; i < most; i++)
            buf_text(&text, i == 0 ? "[{}" : ",{}");
        buf_char(&text, ']');
        ck_assert_int_eq(take(text.data), most == BAYEUX_MESSAGES ? BAYEUX_GOOD : BAYEUX_MANY);
        bayeux_free(messages, count);
        buf_free(&text);
    }
}
END_TEST

START_TEST(a_message_is_taken_apart) {
    ck_assert_int_eq(
        take("{\"channel\":\"\\/meta\\/connect\",\"id\":\"1\\u0041\",\"clientId\":\"c\\/d\","
             "\"connectionType\":\"long-polling\",\"advice\":{\"timeout\":250},"
             "\"ext\":{\"ack\":7,\"halley\":{\"since\":\"-3\"}},\"data\":[ 1 ]}"),
        BAYEUX_GOOD);
    const struct bayeux_message *message = &messages[0];
    ck_assert_int_eq(message->kind, BAYEUX_CONNECT);
    ck_assert_str_eq(message->channel, "/meta/connect");
    assert_bytes(message->id.at, message->id.len, "\"1\\u0041\"", "id");
    ck_assert_str_eq(message->client, "c/d");
    ck_assert_int_eq(message->timeout, 250);
    ck_assert_int_eq(message->ack, 7);
    ck_assert(!message->acks);
    assert_bytes(message->since.at, message->since.len, "\"-3\"", "since");
    assert_bytes(message->data.at, message->data.len, "[ 1 ]", "data");
    ck_assert_int_eq(bayeux_type(message->type), BAYEUX_LONG_POLLING);
    bayeux_free(messages, count);
}
END_TEST

START_TEST(acknowledgements_are_numbers_and_a_wish_is_true) {
    static const struct {
        const char *ext;
        bool acks;
        long ack;
    } rows[] = {{"{\"ack\":true}", true, -1},
                {"{\"ack\":false}", false, -1},
                {"{\"ack\":0}", false, 0},
                {"{\"ack\":-1}", false, 0},
                {"{\"ack\":\"7\"}", false, -1},
                {"{\"ack\":{\"enabled\":true}}", true, -1},
                {"{}", false, -1},
                {"[]", false, -1},
                {"{\"ack\":1.5}", false, 0},
                {"7", false, -1}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_int_eq(take(keepf("{\"ext\":%s}", rows[i].ext)), BAYEUX_GOOD);
        ck_assert_msg(messages[0].acks == rows[i].acks && messages[0].ack == rows[i].ack, "%s",
                      rows[i].ext);
        bayeux_free(messages, count);
    }
}
END_TEST

START_TEST(names_have_segments_of_plain_letters) {
    static const struct {
        const char *name;
        enum bayeux_name is;
    } rows[] = {{"/a", BAYEUX_NAME_CHANNEL},
                {"/a/b-c_d!~()$@.9", BAYEUX_NAME_CHANNEL},
                {"/meta", BAYEUX_NAME_CHANNEL},
                {"/meta/x", BAYEUX_NAME_FORBIDDEN},
                {"/service/x/y", BAYEUX_NAME_FORBIDDEN},
                {"/services/x", BAYEUX_NAME_CHANNEL},
                {"/*", BAYEUX_NAME_PATTERN},
                {"/**", BAYEUX_NAME_PATTERN},
                {"/a/b/**", BAYEUX_NAME_PATTERN},
                {"/meta/*", BAYEUX_NAME_FORBIDDEN},
                {"/service/**", BAYEUX_NAME_FORBIDDEN},
                {"", BAYEUX_NAME_WRONG},
                {"/", BAYEUX_NAME_WRONG},
                {"a", BAYEUX_NAME_WRONG},
                {"//a", BAYEUX_NAME_WRONG},
                {"/a/", BAYEUX_NAME_WRONG},
                {"/a b", BAYEUX_NAME_WRONG},
                {"/a*", BAYEUX_NAME_WRONG},
                {"/***", BAYEUX_NAME_WRONG},
                {"/*/a", BAYEUX_NAME_WRONG},
                {"/\xc3\xa4", BAYEUX_NAME_WRONG},
                {"/a,b", BAYEUX_NAME_WRONG},
                {"/{a}", BAYEUX_NAME_WRONG}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(bayeux_name(rows[i].name, strlen(rows[i].name)) == rows[i].is, "%s",
                      rows[i].name);
    ck_assert_int_eq(bayeux_name("/a\0b", 4), BAYEUX_NAME_WRONG);
    ck_assert_int_eq(bayeux_name(keepf("/%0200d", 0), 201), BAYEUX_NAME_CHANNEL);
    ck_assert_int_eq(bayeux_name(keepf("/%0201d", 0), 202), BAYEUX_NAME_WRONG);
}
END_TEST

START_TEST(a_subscription_is_a_name_or_several) {
    static const struct {
        const char *text;
        long count;
    } rows[] = {{"\"/a\"", 1}, {"[\"/a\",\"\\/b\"]", 2}, {"[]", -1},
                {"7", -1},     {"[\"/a\",7]", -1},       {"{}", -1}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct bayeux_names names;
        struct scan_value value = {rows[i].text, strlen(rows[i].text)};
        bool good = bayeux_names(value, &names);
        ck_assert_msg(good == (rows[i].count > 0), "%s", rows[i].text);
        if (good)
            ck_assert_uint_eq(names.count, (size_t)rows[i].count);
        bayeux_names_free(&names);
    }
}
END_TEST

START_TEST(replies_repeat_what_came_and_are_json) {
    struct buf out = buf_make(65536);

    take("[{\"channel\":\"/meta/subscribe\",\"id\":12,\"clientId\":\"\\u0007\\\"x\","
         "\"subscription\":[\"/\\u2028\"]},{\"channel\":\"/a\"},{}]");
    bayeux_reply_refuse(&out, &messages[0], 405, "/\xe2\x80\xa8", 4, "Invalid channel");
    bayeux_reply_unknown(&out, &messages[0]);
    bayeux_reply_begin(&out, &messages[1], true);
    bayeux_reply_advice(&out, "retry", 5, 7);
    bayeux_reply_end(&out);
    bayeux_reply_refuse(&out, &messages[2], 402, "channel", 7, "Missing required parameter");
    const char *text = keepf("[%s]", out.data);
    ck_assert_msg(json_valid(text, strlen(text)), "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "{\"channel\":\"/meta/subscribe\",\"id\":12,"
                                       "\"successful\":false,\"clientId\":\"\\u0007\\\"x\","
                                       "\"subscription\":[\"/\\u2028\"],\"error\":\"405:/"));
    ck_assert_ptr_nonnull(strstr(text, "{\"channel\":\"/a\",\"successful\":true,\"advice\":{"
                                       "\"reconnect\":\"retry\",\"interval\":5,\"timeout\":7}}"));
    ck_assert_ptr_nonnull(strstr(text, "{\"successful\":false,\"error\":"
                                       "\"402:channel:Missing required parameter\"}"));
    buf_clear(&out);
    struct buf objects = buf_make(64);
    buf_text(&objects, "\"\xe2\x80\xa9</script>\"");
    bayeux_reply_script(&out, "f", &objects);
    ck_assert_str_eq(out.data, "/**/f([\"\\u2029\\u003c/script>\"]);");
    buf_free(&objects);
    buf_free(&out);
    bayeux_free(messages, count);
}
END_TEST

/* A batch of three messages in two channels, of which one has a gap, and one in Bayeux's own. */
static struct batch *batch_of_three(void) {
    static const struct position from = {1, 0};
    const struct batch_channel channels[] = {{"a", 1, from, {1, 9}, true},
                                             {"b/c", 3, from, {1, 9}, false},
                                             {"service/x", 9, from, {1, 9}, true}};
    struct batch_entry entries[] = {
        {message_new("a", 1, (struct position){1, 1}, 1, "{\"x\":1}", 7), 0},
        {message_new("b/c", 3, (struct position){1, 2}, 1, "text", 4), 1},
        {message_new("service/x", 9, (struct position){1, 3}, 1, "1", 1), 2},
        {message_new("a", 1, (struct position){1, 4}, 1, "2", 1), 0}};
    struct batch *batch = batch_new(channels, 3, entries, 4, 0);

    for (size_t i = 0; i < 4; i++)
        message_unref(entries[i].message);
    return batch;
}

START_TEST(messages_are_delivered_as_bayeux_names_them) {
    struct buf out = buf_make(65536);
    struct batch *batch = batch_of_three();
    struct cursor *until = NULL;

    bayeux_reply_messages(&out, batch, NULL);
    ck_assert_str_eq(out.data, "{\"channel\":\"/a\",\"data\":{\"x\":1},\"id\":\"1-1\"},"
                               "{\"channel\":\"/b/c\",\"data\":\"text\",\"id\":\"1-2\"},"
                               "{\"channel\":\"/a\",\"data\":2,\"id\":\"1-4\"}");
    buf_clear(&out);
    ck_assert_int_eq(cursor_parse("a@1-3", 5, 8, &until), ERR_OK);
    bayeux_reply_messages(&out, batch, until);
    ck_assert_str_eq(out.data, "{\"channel\":\"/a\",\"data\":{\"x\":1},\"id\":\"1-1\"}");
    buf_clear(&out);
    bayeux_reply_gaps(&out, batch);
    ck_assert_str_eq(out.data, "\"a\"");
    free(until);
    buf_free(&out);
    batch_unref(batch);
}
END_TEST

START_TEST(a_session_keeps_what_its_client_wants) {
    struct bayeux_state state = {.acks = true}, again;
    struct buf text = buf_make(65536);

    state_add(&state, "a", 1);
    state_add(&state, "n/*", 3);
    state_add(&state, "a", 1);
    state_put(&state, &text);
    ck_assert_str_eq(text.data, "a\na\nn/*");
    state_parse(&again, text.data, text.len);
    ck_assert(again.acks && again.count == 2 && state_has(&again, "n/*", 3));
    ck_assert(state_wants(&again, "n/x", 3) && state_wants(&again, "a", 1));
    ck_assert(!state_wants(&again, "n/x/y", 5) && !state_wants(&again, "b", 1));
    state_drop(&again, "n/*", 3);
    state_drop(&again, "never", 5);
    ck_assert(!state_wants(&again, "n/x", 3) && again.count == 1);
    state_free(&again);
    state_parse(&again, "-", 1);
    ck_assert(!again.acks && again.count == 0);
    state_parse(&again, "", 0);
    ck_assert(!again.acks && again.count == 0);
    state_free(&state);
    buf_free(&text);
}
END_TEST

UNIT_MAIN("bayeux_messages", a_request_is_a_message_or_an_array_of_them,
          one_message_too_many_is_too_many, a_message_is_taken_apart,
          acknowledgements_are_numbers_and_a_wish_is_true, names_have_segments_of_plain_letters,
          a_subscription_is_a_name_or_several, replies_repeat_what_came_and_are_json,
          messages_are_delivered_as_bayeux_names_them, a_session_keeps_what_its_client_wants)
