/* core/data/message: a payload becomes the message object of a batch. */
#include "core/data/message.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static struct message *message(const char *payload, size_t len) {
    return message_new("chat", 4, (struct position){17, 3}, 1795219203111, payload, len);
}

static size_t json_len;

/* The object, and its length in `json_len`. */
static const char *json_of(struct message *m) {
    return message_json(m, &json_len);
}

START_TEST(a_payload_is_delivered_as_what_it_is) {
    static const struct {
        const char *payload;
        size_t len;
        const char *rest;
    } rows[] = {
        {"{\"text\":\"hi\"}", 13, "\"data\":{\"text\":\"hi\"}}"},
        {"[1, 2]", 6, "\"data\":[1, 2]}"},
        {"12.50", 5, "\"data\":12.50}"},
        {"null", 4, "\"data\":null}"},
        {" {\n}\n", 5, "\"data\": { } }"},
        {"hello", 5, "\"data\":\"hello\"}"},
        {"", 0, "\"data\":\"\"}"},
        {"{broken", 7, "\"data\":\"{broken\"}"},
        {"{} {}", 5, "\"data\":\"{} {}\"}"},
        {"a\"b\\c\n", 6, "\"data\":\"a\\\"b\\\\c\\n\"}"},
        {"\"},{", 4, "\"data\":\"\\\"},{\"}"},
        {"1\0", 2, "\"data\":\"1\\u0000\"}"},
        {"\xc3\xa9", 2, "\"data\":\"\xc3\xa9\"}"},
        {"\xff\x00\xfe", 3, "\"encoding\":\"base64\",\"data\":\"/wD+\"}"},
        {"\"\xff\"", 3, "\"encoding\":\"base64\",\"data\":\"Iv8i\"}"},
    };
    static const char head[] = "{\"channel\":\"chat\",\"id\":\"17-3\",\"at\":1795219203111,";

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct message *m = message(rows[i].payload, rows[i].len);
        const char *json = json_of(m);
        assert_bytes(json, json_len, keepf("%s%s", head, rows[i].rest), "object");
        ck_assert_msg(json_valid(json, json_len), "row %zu", i);
        message_unref(m);
    }
}
END_TEST

START_TEST(the_payload_is_kept_byte_for_byte) {
    static const char payload[] = " {\n}\0\xff";
    struct message *m = message(payload, sizeof payload - 1);

    ck_assert_uint_eq(m->payload_len, sizeof payload - 1);
    ck_assert_mem_eq(m->payload, payload, sizeof payload - 1);
    ck_assert_uint_eq(m->id.epoch, 17);
    ck_assert_uint_eq(m->id.n, 3);
    ck_assert_uint_eq(m->at, 1795219203111);
    message_unref(m);
}
END_TEST

START_TEST(a_channel_name_cannot_break_the_object) {
    static const char name[] = "a\"b\\c,\xc3\xa9";
    struct message *m = message_new(name, sizeof name - 1, (struct position){1, 1}, 2, "1", 1);

    const char *json = json_of(m);
    assert_bytes(json, json_len,
                 "{\"channel\":\"a\\\"b\\\\c,\xc3\xa9\",\"id\":\"1-1\",\"at\":2,\"data\":1}",
                 "name");
    message_unref(m);
}
END_TEST

START_TEST(text_that_grows_when_quoted_is_whole) {
    enum { SIZE = 65536 };
    char *payload = keep(malloc(SIZE));

    memset(payload, '\x01', SIZE);
    struct message *m = message(payload, SIZE);
    const char *json = json_of(m);
    ck_assert_uint_gt(json_len, 6 * (size_t)SIZE);
    ck_assert(json_valid(json, json_len));
    message_unref(m);
}
END_TEST

START_TEST(a_message_lives_until_its_last_reference) {
    struct message *m = message("1", 1);

    ck_assert_ptr_eq(message_ref(m), m);
    message_unref(m);
    ck_assert_uint_eq(m->refs, 1);
    ck_assert_int_eq(m->payload[0], '1');
    message_unref(m);
    message_unref(NULL);
}
END_TEST

UNIT_MAIN("message", a_payload_is_delivered_as_what_it_is, the_payload_is_kept_byte_for_byte,
          a_channel_name_cannot_break_the_object, text_that_grows_when_quoted_is_whole,
          a_message_lives_until_its_last_reference)
