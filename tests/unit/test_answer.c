/* fcgi-app/door/answer: heads, in the words of each kind of client. */
#include "fcgi-app/door/answer.h"

#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const char *written(const struct head *head, enum head_syntax syntax) {
    struct buf own = buf_make(0);
    char length[HEAD_LENGTH_LINE];
    struct part lines = head_lines(head, syntax, &own);
    const char *text = keepf("%.*s%.*s", (int)lines.len, (const char *)lines.data,
                             (int)head_length_line(head, length), length);
    buf_free(&own);
    return text;
}

START_TEST(every_status_of_the_contract_has_its_reason) {
    static const struct {
        int status;
        const char *reason;
    } rows[] = {{200, "OK"},
                {204, "No Content"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {408, "Request Timeout"},
                {413, "Content Too Large"},
                {426, "Upgrade Required"},
                {429, "Too Many Requests"},
                {501, "Not Implemented"},
                {503, "Service Unavailable"},
                {505, "HTTP Version Not Supported"},
                {500, "Internal Server Error"}};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(head_reason(rows[i].status), rows[i].reason);
}
END_TEST

#define STANDING                                                                                   \
    "Cache-Control: no-store\r\n"                                                                  \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "X-Accel-Buffering: no\r\nAccept-Ranges: none\r\n"

START_TEST(a_head_forbids_keeping_and_guessing_in_every_syntax) {
    const struct head head = {.status = 200, .type = "application/json", .length = 12};

    ck_assert_str_eq(written(&head, HEAD_CGI),
                     "Status: 200 OK\r\nContent-Type: application/json\r\n" STANDING
                     "Content-Length: 12\r\n");
    ck_assert_str_eq(written(&head, HEAD_HTTP),
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" STANDING
                     "Content-Length: 12\r\n");
}
END_TEST

START_TEST(what_an_answer_does_not_have_its_head_does_not_say) {
    const struct head head = {.status = 204, .length = HEAD_NO_LENGTH, .fields = "Allow: GET\r\n"};

    ck_assert_str_eq(written(&head, HEAD_HTTP),
                     "HTTP/1.1 204 No Content\r\n" STANDING "Allow: GET\r\n");
}
END_TEST

START_TEST(lengths_are_whole_numbers) {
    static const struct {
        size_t length;
        const char *line;
    } rows[] = {{0, "Content-Length: 0\r\n"},
                {9, "Content-Length: 9\r\n"},
                {10, "Content-Length: 10\r\n"},
                {4294967296, "Content-Length: 4294967296\r\n"},
                {SIZE_MAX - 1, "Content-Length: 18446744073709551614\r\n"}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        char line[HEAD_LENGTH_LINE];
        size_t len = head_length_line(&(struct head){.length = rows[i].length}, line);
        ck_assert_uint_eq(len, strlen(rows[i].line));
        ck_assert_mem_eq(line, rows[i].line, len);
    }
}
END_TEST

START_TEST(a_head_that_is_kept_is_written_once_for_each_syntax) {
    struct head_kept kept = {0};
    struct head head = {.status = 200, .type = "text/plain", .length = 1, .kept = &kept};
    const char *before[HEAD_SYNTAXES];

    for (int i = 0; i < HEAD_SYNTAXES; i++) {
        before[i] = head_lines(&head, (enum head_syntax)i, NULL).data;
        head.length = 200;
        ck_assert_ptr_eq(head_lines(&head, (enum head_syntax)i, NULL).data, before[i]);
        ck_assert_ptr_nonnull(strstr(written(&head, (enum head_syntax)i), "Content-Length: 200"));
    }
    ck_assert_ptr_ne(before[HEAD_CGI], before[HEAD_HTTP]);
    head_kept_free(&kept);
}
END_TEST

UNIT_MAIN("answer", every_status_of_the_contract_has_its_reason,
          a_head_forbids_keeping_and_guessing_in_every_syntax,
          what_an_answer_does_not_have_its_head_does_not_say, lengths_are_whole_numbers,
          a_head_that_is_kept_is_written_once_for_each_syntax)
