/* fcgi-app/door/problem: refusals as the browser is told of them. */
#include "fcgi-app/door/problem.h"

#include <string.h>

#include "core/base/json.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const char *rendered(const struct problem *problem) {
    struct buf out = buf_make(4096);
    problem_render(problem, &out);
    ck_assert(!out.overflow);
    return keep(out.data);
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

START_TEST(every_status_of_the_contract_has_its_title) {
    static const struct {
        int status;
        const char *title;
    } rows[] = {{200, "OK"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {413, "Content Too Large"},
                {429, "Too Many Requests"},
                {503, "Service Unavailable"},
                {500, "Internal Server Error"}};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(problem_title(rows[i].status), rows[i].title);
}
END_TEST

START_TEST(an_answer_begins_with_headers_that_forbid_keeping_and_guessing) {
    struct buf out = buf_make(1000);

    answer_head(&out, "application/json");
    answer_length(&out, 12);
    ck_assert_str_eq(out.data, "Status: 200 OK\r\n"
                               "Content-Type: application/json\r\n"
                               "Cache-Control: no-store\r\n"
                               "X-Content-Type-Options: nosniff\r\n"
                               "X-Accel-Buffering: no\r\nAccept-Ranges: none\r\n"
                               "Content-Length: 12\r\n"
                               "\r\n");
    buf_free(&out);
}
END_TEST

UNIT_MAIN("problem", a_problem_is_a_whole_answer, retry_after_and_allow_stand_in_the_header,
          no_detail_can_break_the_answer, a_detail_that_is_cut_stays_valid_utf8,
          every_status_of_the_contract_has_its_title,
          an_answer_begins_with_headers_that_forbid_keeping_and_guessing)
