/* fcgi-app/carriers/sockjs/frames: SockJS on the wire, what is sent and what comes. */
#include "fcgi-app/carriers/sockjs/frames.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/scan.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const char *quoted(const char *text, size_t len) {
    struct buf out = buf_make(SIZE_MAX / 2);

    sockjs_put_string(text, len, &out);
    const char *kept = keepf("%s", out.data);
    buf_free(&out);
    return kept;
}

START_TEST(strings_have_the_escapes_that_old_browsers_need) {
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", "\"\""},
        {"plain \xc3\xa4 \xe2\x82\xac", "\"plain \xc3\xa4 \xe2\x82\xac\""},
        {"\"\\/<", "\"\\\"\\\\/<\""},
        {"\b\t\n\f\r\x01\x1f", "\"\\b\\t\\n\\f\\r\\u0001\\u001f\""},
        {"\x7f\xe2\x80\x8b", "\"\x7f\xe2\x80\x8b\""}, /* 200B is not among them */
        {"\xe2\x80\x8c\xe2\x80\x8f", "\"\\u200c\\u200f\""},
        {"\xe2\x80\x90\xe2\x80\xa7", "\"\xe2\x80\x90\xe2\x80\xa7\""},
        {"\xe2\x80\xa8\xe2\x80\xaf\xe2\x80\xb0", "\"\\u2028\\u202f\xe2\x80\xb0\""},
        {"\xe2\x81\x9f\xe2\x81\xa0\xe2\x81\xaf", "\"\xe2\x81\x9f\\u2060\\u206f\""},
        {"\xef\xbf\xaf\xef\xbf\xb0\xef\xbf\xbf", "\"\xef\xbf\xaf\\ufff0\\uffff\""},
        {"\xf0\x9f\x98\x80", "\"\\ud83d\\ude00\""},
        {"a\xff\xc3", "\"a\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(quoted(rows[i].text, strlen(rows[i].text)), rows[i].want);
    ck_assert_str_eq(quoted("\0", 1), "\"\\u0000\"");
}
END_TEST

/* Whatever is escaped is the same text again. */
START_TEST(every_character_comes_back) {
    for (uint32_t c = 0; c < 0x10ffff; c += c < 0x11000 ? 1 : 97) {
        char text[4];
        size_t len = 0, said;
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        if (c < 0x80) {
            text[len++] = (char)c;
        } else if (c < 0x800) {
            text[len++] = (char)(0xc0 | c >> 6);
        } else if (c < 0x10000) {
            text[len++] = (char)(0xe0 | c >> 12);
        } else {
            text[len++] = (char)(0xf0 | c >> 18);
            text[len++] = (char)(0x80 | (c >> 12 & 0x3f));
        }
        if (c >= 0x800)
            text[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        if (c >= 0x80)
            text[len++] = (char)(0x80 | (c & 0x3f));
        struct buf out = buf_make(64);
        sockjs_put_string(text, len, &out);
        char *again = json_unquote(out.data, out.len, &said);
        ck_assert_msg(again != NULL && said == len && memcmp(again, text, len) == 0, "U+%04X: %s",
                      (unsigned)c, out.data);
        free(again);
        buf_free(&out);
    }
}
END_TEST

START_TEST(frames_are_wrapped_as_their_kind_wants_it) {
    static const struct {
        enum sockjs_kind kind;
        const char *want;
    } rows[] = {
        {SOCKJS_XHR, "a[\"<\\u2028\"]\n"},
        {SOCKJS_XHR_STREAMING, "a[\"<\\u2028\"]\n"},
        {SOCKJS_EVENTSOURCE, "data: a[\"<\\u2028\"]\r\n\r\n"},
        {SOCKJS_HTMLFILE, "<script>\np(\"a[\\\"\\u003c\\\\u2028\\\"]\");\n</script>\r\n"},
        {SOCKJS_JSONP, "/**/a.b-c(\"a[\\\"<\\\\u2028\\\"]\");\r\n"},
        {SOCKJS_WEBSOCKET, "a[\"<\\u2028\"]"},
    };
    struct texts texts = {0};
    struct buf frame = buf_make(1024);

    texts_add(&texts, "<\xe2\x80\xa8", 4);
    sockjs_put_messages(&texts, &frame);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out = buf_make(1024);
        sockjs_wrap(rows[i].kind, "a.b-c", frame.data, frame.len, &out);
        ck_assert_str_eq(out.data, rows[i].want);
        buf_clear(&out);
        sockjs_wrap(rows[i].kind, "a.b-c", "", 0, &out);
        ck_assert_uint_eq(out.len, 0);
        buf_free(&out);
    }
    buf_free(&frame);
    texts_free(&texts);
}
END_TEST

START_TEST(messages_and_closes_are_frames) {
    struct texts texts = {0};
    struct buf out = buf_make(1024);

    sockjs_put_messages(&texts, &out);
    ck_assert_uint_eq(out.len, 0);
    texts_add(&texts, "a", 1);
    texts_add(&texts, "", 0);
    sockjs_put_messages(&texts, &out);
    ck_assert_str_eq(out.data, "a[\"a\",\"\"]");
    buf_clear(&out);
    sockjs_put_close(3000, "Go \"away\"!", &out);
    ck_assert_str_eq(out.data, "c[3000,\"Go \\\"away\\\"!\"]");
    buf_free(&out);
    texts_free(&texts);
}
END_TEST

START_TEST(streams_begin_with_what_browsers_wait_for) {
    struct buf out = buf_make(8192);

    sockjs_begin(SOCKJS_XHR_STREAMING, "", &out);
    ck_assert_uint_eq(out.len, 2049);
    ck_assert(strspn(out.data, "h") == 2048 && out.data[2048] == '\n');
    buf_clear(&out);
    sockjs_begin(SOCKJS_EVENTSOURCE, "", &out);
    ck_assert_str_eq(out.data, "\r\n");
    buf_clear(&out);
    sockjs_begin(SOCKJS_HTMLFILE, "_sockjs.cb", &out);
    ck_assert_uint_gt(out.len, 1024);
    ck_assert_ptr_nonnull(strstr(out.data, "var c = parent._sockjs.cb;\n"));
    ck_assert_str_eq(out.data + out.len - 4, "\r\n\r\n");
    buf_clear(&out);
    sockjs_begin(SOCKJS_XHR, "", &out);
    sockjs_begin(SOCKJS_JSONP, "x", &out);
    ck_assert_uint_eq(out.len, 0);
    buf_free(&out);
}
END_TEST

START_TEST(a_callback_is_a_name_and_nothing_else) {
    static const char *const good[] = {"a", "_jp.aB3", "0-9._"};
    static const char *const bad[] = {"", "a b", "a(", "%20", "abc()", "a/b", "\xc3\xa4", "a\n"};

    for (size_t i = 0; i < ROWS(good); i++)
        ck_assert(sockjs_callback_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < ROWS(bad); i++)
        ck_assert(!sockjs_callback_valid(bad[i], strlen(bad[i])));
    ck_assert(!sockjs_callback_valid("a\0b", 3));
}
END_TEST

START_TEST(a_client_sends_an_array_of_strings) {
    static const struct {
        const char *text;
        bool lone;
        enum sockjs_input want;
        size_t count;
    } rows[] = {
        {"", false, SOCKJS_INPUT_EMPTY, 0},
        {"[]", false, SOCKJS_INPUT_GOOD, 0},
        {"[\"a\",\"b\"]", false, SOCKJS_INPUT_GOOD, 2},
        {" [ \"\\u0000\" ] ", false, SOCKJS_INPUT_GOOD, 1},
        {"\"a\"", false, SOCKJS_INPUT_BROKEN, 0},
        {"\"a\"", true, SOCKJS_INPUT_GOOD, 1},
        {"[\"a", false, SOCKJS_INPUT_BROKEN, 0},
        {"[1]", false, SOCKJS_INPUT_BROKEN, 0},
        {"{}", true, SOCKJS_INPUT_BROKEN, 0},
        {"x", false, SOCKJS_INPUT_BROKEN, 0},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct texts texts = {0};
        ck_assert_msg(sockjs_take(rows[i].text, strlen(rows[i].text), rows[i].lone, &texts) ==
                          rows[i].want,
                      "%s", rows[i].text);
        if (rows[i].want == SOCKJS_INPUT_GOOD)
            ck_assert_uint_eq(texts.count, rows[i].count);
        texts_free(&texts);
    }
}
END_TEST

START_TEST(one_message_too_many_is_too_many) {
    for (size_t count = SOCKJS_MESSAGES_MAX; count <= SOCKJS_MESSAGES_MAX + 1; count++) {
        struct buf text = buf_make(4096);
        struct texts texts = {0};
        for (size_t i = 0; i < count; i++)
            buf_text(&text, i == 0 ? "[\"x\"" : ",\"x\"");
        buf_char(&text, ']');
        ck_assert_int_eq(sockjs_take(text.data, text.len, false, &texts),
                         count == SOCKJS_MESSAGES_MAX ? SOCKJS_INPUT_GOOD : SOCKJS_INPUT_MANY);
        texts_free(&texts);
        buf_free(&text);
    }
}
END_TEST

UNIT_MAIN("sockjs_frames", strings_have_the_escapes_that_old_browsers_need,
          every_character_comes_back, frames_are_wrapped_as_their_kind_wants_it,
          messages_and_closes_are_frames, streams_begin_with_what_browsers_wait_for,
          a_callback_is_a_name_and_nothing_else, a_client_sends_an_array_of_strings,
          one_message_too_many_is_too_many)
