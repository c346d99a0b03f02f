/* fcgi-app/door/line: what comes as lines, however it comes in pieces; Flash's policy. */
#include "fcgi-app/door/line/lines.h"
#include "fcgi-app/door/line/policy.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

/* What comes of `len` bytes that are added in pieces of `piece`: "line|line|...", and at the end
 * how it stands: "+" more is wanted, "!" too long, "?" the policy is wanted. */
static const char *lines_of(const char *text, size_t len, size_t piece) {
    struct lines lines = lines_make();
    struct buf out = buf_make(100000);
    enum lines_event event = LINES_MORE;
    struct line line;

    for (size_t at = 0; at < len && event < LINES_LONG; at += piece) {
        size_t next = len - at < piece ? len - at : piece;
        ck_assert_uint_le(next, lines_room(&lines));
        lines_add(&lines, text + at, next);
        while ((event = lines_look(&lines, &line)) == LINES_LINE) {
            buf_add(&out, line.text, line.len);
            buf_char(&out, '|');
            lines_take(&lines, &line);
        }
        ck_assert(event != LINES_MORE || lines_part(&lines) == (lines.waiting.len > 0));
    }
    buf_char(&out, event == LINES_MORE ? '+' : event == LINES_LONG ? '!' : '?');
    lines_free(&lines);
    return keep(out.data);
}

START_TEST(lines_end_with_lf_and_a_cr_before_it_goes) {
    static const struct {
        const char *text, *lines;
    } rows[] = {{"a\n", "a|+"},
                {"a\r\n", "a|+"},
                {"a\r\r\n", "a\r|+"},
                {"a\rb\n", "a\rb|+"},
                {"\n\r\n\n", "|||+"},
                {"\r", "+"},
                {"a\nbc\nd", "a|bc|+"},
                {"", "+"},
                {"<policy-file-request/>\n", "<policy-file-request/>|+"},
                {"<policy-file-request/>", "+"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t piece = 1; piece < 8; piece++)
            ck_assert_str_eq(lines_of(rows[i].text, strlen(rows[i].text), piece), rows[i].lines);
    }
}
END_TEST

/* The most that a line may have, with each end, whole or not. */
START_TEST(a_line_has_its_most) {
    static const struct {
        size_t len;
        const char *end;
        char stands;
    } rows[] = {{LINE_MAX_BYTES, "\n", '+'},     {LINE_MAX_BYTES, "\r\n", '+'},
                {LINE_MAX_BYTES, "", '+'},       {LINE_MAX_BYTES, "\r", '+'},
                {LINE_MAX_BYTES + 1, "\n", '!'}, {LINE_MAX_BYTES + 1, "\r\n", '!'},
                {LINE_MAX_BYTES, "\r\r\n", '!'}, {LINE_MAX_BYTES + 2, "", '!'}};
    char *text = keep(malloc(LINE_MAX_BYTES + 8));

    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t piece = 1; piece < LINE_MAX_BYTES + 8; piece = piece * 3 + 1) {
            memset(text, 'x', LINE_MAX_BYTES + 8);
            memcpy(text + rows[i].len, rows[i].end, strlen(rows[i].end));
            const char *got = lines_of(text, rows[i].len + strlen(rows[i].end), piece);
            ck_assert_msg(got[strlen(got) - 1] == rows[i].stands, "row %zu, piece %zu: %c", i,
                          piece, got[strlen(got) - 1]);
            ck_assert_msg((strlen(got) > LINE_MAX_BYTES) ==
                              (rows[i].stands == '+' && strchr(rows[i].end, '\n') != NULL),
                          "row %zu", i);
        }
    }
}
END_TEST

START_TEST(a_policy_is_asked_for_in_front_of_everything_else) {
    static const char request[] = "<policy-file-request/>";
    static const char late[] = "a\n<policy-file-request/>";

    for (size_t piece = 1; piece <= sizeof request; piece++) {
        ck_assert_str_eq(lines_of(request, sizeof request, piece), "?");
        ck_assert_str_eq(lines_of(late, sizeof late, piece), "a|+");
    }
    ck_assert_str_eq(lines_of("<policy-file-request>\0", 22, 3), "+");
}
END_TEST

/* Any text, cut at any place, is the same lines. */
START_TEST(pieces_do_not_matter) {
    static const char letters[] = "ab\r\n\n";
    char text[200];

    srand48(7);
    for (int round = 0; round < 2000; round++) {
        size_t len = (size_t)(drand48() * sizeof text);
        for (size_t i = 0; i < len; i++)
            text[i] = letters[(size_t)(drand48() * 5)];
        const char *whole = lines_of(text, len, sizeof text);
        ck_assert_str_eq(lines_of(text, len, 1 + (size_t)(drand48() * 20)), whole);
    }
}
END_TEST

static const char *policy_of(const char *origins, unsigned port) {
    struct buf out = buf_make(100000);

    policy_put(&out, origins, port);
    ck_assert_uint_eq(out.len, strlen(out.data) + 1);
    return keep(out.data);
}

#define HEAD            "<?xml version=\"1.0\"?>\n<cross-domain-policy>\n"
#define FOOT            "</cross-domain-policy>\n"
#define MAY(host, port) "  <allow-access-from domain=\"" host "\" to-ports=\"" port "\"/>\n"

START_TEST(the_policy_names_the_hosts_of_origins) {
    static const struct {
        const char *origins;
        unsigned port;
        const char *policy;
    } rows[] = {{"", 7, HEAD FOOT},
                {"null", 7, HEAD FOOT},
                {" \t ", 7, HEAD FOOT},
                {"*", 0, HEAD MAY("*", "*") FOOT},
                {"https://a.example", 7, HEAD MAY("a.example", "7") FOOT},
                {"http://a.example:8080\thttp://b", 65535,
                 HEAD MAY("a.example", "65535") MAY("b", "65535") FOOT},
                {"http://[::1]:80 http://[::2]", 7, HEAD MAY("[::1]", "7") MAY("[::2]", "7") FOOT},
                {"http://[::1", 7, HEAD MAY("[::1", "7") FOOT},
                {"http://a\"/><x", 7, HEAD MAY("a&#34;/&#62;&#60;x", "7") FOOT},
                {"plain nullx", 7, HEAD MAY("plain", "7") MAY("nullx", "7") FOOT},
                {"http:// null *", 7, HEAD MAY("*", "7") FOOT}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(policy_of(rows[i].origins, rows[i].port), rows[i].policy);
}
END_TEST

UNIT_MAIN("lines", lines_end_with_lf_and_a_cr_before_it_goes, a_line_has_its_most,
          a_policy_is_asked_for_in_front_of_everything_else, pieces_do_not_matter,
          the_policy_names_the_hosts_of_origins)
