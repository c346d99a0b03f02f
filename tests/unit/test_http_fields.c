/* fcgi-app/door/http/fields: what a request says, in the words of all doors. */
#include "fcgi-app/door/http/fields.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "tests/unit/unit.h"

static struct parser parser;
static struct said said;
static struct buf lists;
static char *copy;

/* Reads a request in two pieces, the second of which begins at `cut`. */
static void say(const char *text, size_t cut) {
    static const struct parser_limits limits = {65536, 100};
    size_t used, len = strlen(text);

    copy = mem_copy(text, len);
    parser_init(&parser, &limits);
    if (cut > 0)
        ck_assert_int_eq(parser_take(&parser, copy, cut, &used), PARSER_MORE);
    ck_assert_int_eq(parser_take(&parser, copy + cut, len - cut, &used), PARSER_WHOLE);
    fields_say(&parser, &said, &lists);
}

static void forget(void) {
    buf_free(&lists);
    parser_free(&parser);
    free(copy);
}

#define TEXT                                                                                       \
    "POST /a/b?c=d&e HTTP/1.1\r\nHost:  h:80 \t\r\nuser-agent: x\r\ncontent-TYPE: text/x; y \r\n"  \
    "Cookie: a=b\r\nX-Forwarded-For: 1.1.1.1\r\nVia:\r\nCookie: "                                  \
    "c=d\r\nX-Forwarded-For:2.2.2.2\r\n"                                                           \
    "X-Forwarded-For:\t3.3.3.3\r\nContent-Length: 0\r\nLast-Event-ID: a@1-2\r\n\r\n"

START_TEST(fields_are_said_by_their_names_and_lists_are_one) {
    for (size_t cut = 0; cut < strlen(TEXT); cut++) {
        say(TEXT, cut);
        ck_assert_str_eq(said.of[SAID_METHOD], "POST");
        ck_assert_str_eq(said.of[SAID_URI], "/a/b?c=d&e");
        ck_assert_str_eq(said.of[SAID_PROTOCOL], "HTTP/1.1");
        ck_assert_str_eq(said.of[SAID_HOST], "h:80");
        ck_assert_str_eq(said.of[SAID_CONTENT_TYPE], "text/x; y");
        ck_assert_str_eq(said.of[SAID_COOKIE], "a=b; c=d");
        ck_assert_str_eq(said.of[SAID_FORWARDED_FOR], "1.1.1.1, 2.2.2.2, 3.3.3.3");
        ck_assert_str_eq(said.of[SAID_LAST_EVENT_ID], "a@1-2");
        ck_assert_str_eq(said.of[SAID_VIA], "");
        ck_assert_str_eq(said.of[SAID_ORIGIN], "");
        ck_assert_str_eq(said.of[SAID_CONTENT_LENGTH], "");
        ck_assert_str_eq(said.of[SAID_REMOTE_ADDR], "");
        forget();
    }
}
END_TEST

START_TEST(the_host_of_a_target_is_the_requests) {
    say("GET http://real.example:8080/x?http://no.example/ HTTP/1.0\r\nHost: other.example\r\n\r\n",
        0);
    ck_assert_str_eq(said.of[SAID_HOST], "real.example:8080");
    ck_assert_str_eq(said.of[SAID_PROTOCOL], "HTTP/1.0");
    ck_assert_str_eq(said.of[SAID_URI], "http://real.example:8080/x?http://no.example/");
    forget();
    say("GET http://real.example HTTP/1.1\r\nHost: o\r\nCookie: a\r\nCookie: b\r\n\r\n", 5);
    ck_assert_str_eq(said.of[SAID_HOST], "real.example");
    ck_assert_str_eq(said.of[SAID_COOKIE], "a; b");
    forget();
}
END_TEST

START_TEST(a_head_full_of_one_field_is_one_list) {
    struct buf text = buf_make(65536);
    size_t times = 0;

    buf_text(&text, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (; text.len < 65000; times++)
        buf_text(&text, "Via:x\r\n");
    buf_text(&text, "\r\n");
    say(text.data, 0);
    ck_assert_uint_eq(strlen(said.of[SAID_VIA]), 3 * times - 2);
    ck_assert_str_eq(said.of[SAID_HOST], "h");
    forget();
    buf_free(&text);
}
END_TEST

UNIT_MAIN("http_fields", fields_are_said_by_their_names_and_lists_are_one,
          the_host_of_a_target_is_the_requests, a_head_full_of_one_field_is_one_list)
