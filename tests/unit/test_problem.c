/* fcgi-app/door/problem: refusals as the browser is told of them. */
#include "fcgi-app/door/problem.h"

#include <string.h>

#include "core/base/json.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const char *rendered(const struct problem *problem) {
    struct buf fields = buf_make(1024), body = buf_make(4096), own = buf_make(0);
    char length[HEAD_LENGTH_LINE] = "";

    problem_put(problem, &body);
    buf_char(&body, '\n');
    struct head head = problem_head(problem, body.len, &fields);
    const struct part lines = head_lines(&head, HEAD_CGI, &own);
    size_t len = head_length_line(&head, length);
    const char *text = keepf("%.*s%.*s\r\n%s", (int)lines.len, (const char *)lines.data, (int)len,
                             length, body.data);
    buf_free(&fields);
    buf_free(&body);
    buf_free(&own);
    return text;
}

START_TEST(a_problem_is_a_whole_answer) {
    struct problem problem;

    ck_assert_ptr_eq(problem_set(&problem, 400, "limit: must be %d", 7), &problem);
    ck_assert_str_eq(rendered(&problem),
                     "Status: 400 Bad Request\r\n"
                     "Content-Type: application/problem+json\r\n"
                     "Cache-Control: no-store\r\n"
                     "X-Content-Type-Options: nosniff\r\n"
                     "X-Accel-Buffering: no\r\nAccept-Ranges: none\r\n"
                     "Content-Length: 86\r\n"
                     "\r\n"
                     "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                     "\"detail\":\"limit: must be 7\"}\n");
}
END_TEST

START_TEST(retry_after_and_allow_stand_in_the_header) {
    struct problem problem;

    problem_later(&problem, 503, 5, "away");
    ck_assert_ptr_nonnull(strstr(rendered(&problem), "\r\nRetry-After: 5\r\n"));
    problem_set(&problem, 405, "method");
    ck_assert_ptr_null(strstr(rendered(&problem), "Retry-After"));
    problem.allow = "GET, POST";
    ck_assert_ptr_nonnull(strstr(rendered(&problem), "\r\nAllow: GET, POST\r\n"));
}
END_TEST

START_TEST(no_detail_can_break_the_answer) {
    struct problem problem;

    problem_set(&problem, 400, "a\"b\\c\r\nSet-Cookie: x=1\r\n\r\n<script>");
    const char *text = rendered(&problem), *body = strstr(text, "\r\n\r\n") + 4;
    ck_assert(json_valid(body, strlen(body)));
    ck_assert_ptr_null(strstr(text, "\r\nSet-Cookie"));
}
END_TEST

START_TEST(a_detail_that_is_cut_stays_valid_utf8) {
    struct problem problem;
    char detail[PROBLEM_DETAIL + 10] = "x";

    for (size_t shift = 0; shift < 4; shift++) {
        memset(detail, 'x', shift);
        for (size_t at = shift; at + 4 < sizeof detail; at += 4)
            memcpy(detail + at, "\xf0\x9f\x92\xac", 5);
        problem_set(&problem, 400, "%s", detail);
        const char *body = strstr(rendered(&problem), "\r\n\r\n") + 4;
        ck_assert_msg(json_valid(body, strlen(body)), "shift %zu: %s", shift, body);
    }
}
END_TEST

START_TEST(a_problem_can_be_one_line_whatever_it_repeats) {
    struct problem problem;
    struct buf out = buf_make(10000);

    problem_set(&problem, 503, "Redis:\r\nOK %s", "\x1b\x7f\xc3");
    problem_put_line(&problem, &out);
    assert_bytes(out.data, out.len, "503 Redis:  OK   ", "words");
    buf_free(&out);
}
END_TEST

UNIT_MAIN("problem", a_problem_can_be_one_line_whatever_it_repeats, a_problem_is_a_whole_answer,
          retry_after_and_allow_stand_in_the_header, no_detail_can_break_the_answer,
          a_detail_that_is_cut_stays_valid_utf8)
