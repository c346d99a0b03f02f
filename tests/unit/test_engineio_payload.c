/* fcgi-app/carriers/engineio_payload: packets and payloads, and what is refused. */
#include "fcgi-app/carriers/engineio_payload.h"

#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

/* The packets of a payload as text: "<type>:<data>|..." with a `b` in front of bytes; or the error.
 */
static const char *parsed(const char *text, size_t len) {
    struct engineio_payload payload;
    enum err err = engineio_payload_parse(&payload, text, len);
    const char *all = "";

    for (size_t i = 0; i < payload.count; i++)
        all = keepf("%s%s%s%d:%.*s", all, i > 0 ? "|" : "", payload.packets[i].binary ? "b" : "",
                    (int)payload.packets[i].type, (int)payload.packets[i].len,
                    payload.packets[i].data);
    engineio_payload_free(&payload);
    return err == ERR_OK ? all : err == ERR_RANGE ? "range" : "syntax";
}

START_TEST(a_payload_is_packets_with_a_separator_between_them) {
    static const struct {
        const char *text, *packets;
    } rows[] = {{"4hello", "4:hello"},
                {"4hello\x1e"
                 "4\x1e"
                 "3",
                 "4:hello|4:|3:"},
                {"1", "1:"},
                {"2probe", "2:probe"},
                {"4\xe2\x82\xac\x1e"
                 "bAQIDBA==\x1e"
                 "4b",
                 "4:\xe2\x82\xac|b4:\x01\x02\x03\x04|4:b"},
                {"b", "b4:"},
                {"bYQ==\x1e"
                 "bYmM=",
                 "b4:a|b4:bc"}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(parsed(rows[i].text, strlen(rows[i].text)), rows[i].packets);
}
END_TEST

START_TEST(what_is_no_payload_is_refused) {
    static const char *const rows[] = {"",
                                       "abc",
                                       "7",
                                       "9x",
                                       "/",
                                       ":",
                                       "\x1e",
                                       "4a\x1e",
                                       "\x1e"
                                       "4a",
                                       "4a\x1e\x1e"
                                       "4b",
                                       "4\xff",
                                       "4\xc0\x80",
                                       "bA",
                                       "b====",
                                       "bAB==",
                                       "bAQID\x1e"
                                       "x",
                                       "4a\x1e"
                                       "4\xed\xa0\x80"};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(strcmp(parsed(rows[i], strlen(rows[i])), "syntax") == 0, "row %zu", i);
    ck_assert_str_eq(parsed("4a\0b", 4), "4:a"); /* as text it ends there; it is not refused */
}
END_TEST

START_TEST(a_payload_has_at_most_64_packets) {
    char text[2 * ENGINEIO_PACKETS + 2];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 == 0 ? '4' : '\x1e';
    ck_assert_str_ne(parsed(text, 2 * ENGINEIO_PACKETS - 1), "range");
    ck_assert_str_eq(parsed(text, 2 * ENGINEIO_PACKETS + 1), "range");
}
END_TEST

START_TEST(what_is_added_is_parsed_again) {
    static const char bytes[] = {0, 1, 0x1e, (char)0xff};
    const struct engineio_packet packets[] = {
        {.type = ENGINEIO_MESSAGE, .data = "hi", .len = 2},
        {.type = ENGINEIO_MESSAGE, .binary = true, .data = bytes, .len = sizeof bytes},
        {.type = ENGINEIO_NOOP, .data = "", .len = 0}};
    struct buf out = buf_make(100);
    struct engineio_payload payload;

    for (size_t i = 0; i < ROWS(packets); i++)
        engineio_payload_add(&out, &packets[i]);
    assert_bytes(out.data, out.len,
                 "4hi\x1e"
                 "bAAEe/w==\x1e"
                 "6",
                 "payload");
    ck_assert_int_eq(engineio_payload_parse(&payload, out.data, out.len), ERR_OK);
    ck_assert_uint_eq(payload.count, 3);
    ck_assert_uint_eq(payload.packets[1].len, sizeof bytes);
    ck_assert_int_eq(memcmp(payload.packets[1].data, bytes, sizeof bytes), 0);
    engineio_payload_free(&payload);
    buf_free(&out);
}
END_TEST

START_TEST(a_session_opens_with_exactly_its_five_members) {
    struct buf out = buf_make(300);
    struct engineio_opening opening = {.id = "lv_VI97HAXpY6yYWAAAC",
                                       .websocket = true,
                                       .ping_interval = 25000,
                                       .ping_timeout = 20000,
                                       .max_payload = 1000000};

    engineio_open(&out, &opening);
    assert_bytes(out.data, out.len,
                 "0{\"sid\":\"lv_VI97HAXpY6yYWAAAC\",\"upgrades\":[\"websocket\"],"
                 "\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
                 "with");
    buf_clear(&out);
    opening.websocket = false;
    engineio_open(&out, &opening);
    ck_assert_ptr_nonnull(strstr(out.data, "\"upgrades\":[],"));
    buf_free(&out);
}
END_TEST

START_TEST(requests_are_refused_as_the_reference_server_does) {
    static const struct {
        struct engineio_request request;
        enum engineio_refusal refusal;
    } rows[] = {
        {{"GET", "4", "polling", false, false}, ENGINEIO_FINE},
        {{"GET", "4", "polling", true, false}, ENGINEIO_FINE},
        {{"POST", "4", "polling", true, false}, ENGINEIO_FINE},
        {{"GET", "4", "websocket", false, true}, ENGINEIO_FINE},
        {{"GET", "4", "websocket", true, true}, ENGINEIO_FINE},
        {{"GET", "4", NULL, false, false}, ENGINEIO_TRANSPORT},
        {{"GET", "4", "abc", false, false}, ENGINEIO_TRANSPORT},
        {{"GET", "4", "Polling", true, false}, ENGINEIO_TRANSPORT},
        {{"GET", NULL, "polling", false, false}, ENGINEIO_VERSION},
        {{"GET", "abc", "polling", false, false}, ENGINEIO_VERSION},
        {{"GET", "3", "polling", false, false}, ENGINEIO_VERSION},
        {{"GET", "44", "polling", true, false}, ENGINEIO_VERSION},
        {{"POST", "4", "polling", false, false}, ENGINEIO_METHOD},
        {{"PUT", "4", "polling", false, false}, ENGINEIO_METHOD},
        {{"PUT", "4", "polling", true, false}, ENGINEIO_REQUEST},
        {{"POST", "4", "websocket", true, true}, ENGINEIO_REQUEST},
        {{"GET", "4", "websocket", false, false}, ENGINEIO_REQUEST},
        {{"GET", "4", "polling", true, true}, ENGINEIO_REQUEST},
    };

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(engineio_judge(&rows[i].request) == rows[i].refusal, "row %zu: %d", i,
                      engineio_judge(&rows[i].request));
}
END_TEST

START_TEST(a_refusal_has_its_code_and_words) {
    static const struct {
        enum engineio_refusal refusal;
        const char *text;
    } rows[] = {{ENGINEIO_TRANSPORT, "{\"code\":0,\"message\":\"Transport unknown\"}"},
                {ENGINEIO_SESSION, "{\"code\":1,\"message\":\"Session ID unknown\"}"},
                {ENGINEIO_METHOD, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
                {ENGINEIO_REQUEST, "{\"code\":3,\"message\":\"Bad request\"}"},
                {ENGINEIO_VERSION, "{\"code\":5,\"message\":\"Unsupported protocol version\"}"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out = buf_make(100);
        engineio_refuse(&out, rows[i].refusal);
        assert_bytes(out.data, out.len, rows[i].text, "refusal");
        buf_free(&out);
    }
}
END_TEST

UNIT_MAIN("engineio_payload", a_payload_is_packets_with_a_separator_between_them,
          what_is_no_payload_is_refused, a_payload_has_at_most_64_packets,
          what_is_added_is_parsed_again, a_session_opens_with_exactly_its_five_members,
          requests_are_refused_as_the_reference_server_does, a_refusal_has_its_code_and_words)
