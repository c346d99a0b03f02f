/*
 * Answers that say what went wrong: problem details. Pure functions.
 */
#include "fcgi-app/door/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"

PRINTF_LIKE(3, 0)
static void fill(struct problem *problem, int status, const char *fmt, va_list args) {
    memset(problem, 0, sizeof *problem);
    problem->status = status;
    (void)vsnprintf(problem->detail, sizeof problem->detail, fmt, args);
}

struct problem *problem_set(struct problem *problem, int status, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fill(problem, status, fmt, args);
    va_end(args);
    return problem;
}

struct problem *problem_later(struct problem *problem, int status, unsigned retry_after,
                              const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fill(problem, status, fmt, args);
    va_end(args);
    problem->retry_after = retry_after;
    return problem;
}

void problem_short(struct problem *problem) {
    problem_set(problem, 400, "body: less came than Content-Length says, or it says nothing");
}

/* The length of a detail without a cut-off sequence at its end. */
static size_t whole(const char *detail) {
    size_t len = strlen(detail);

    while (!json_utf8(detail, len))
        len--;
    return len;
}

void problem_put(const struct problem *problem, struct buf *out) {
    size_t len = whole(problem->detail);

    buf_printf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":",
               head_reason(problem->status), problem->status);
    json_quote(out, problem->detail, len);
    if (problem->retry_after > 0)
        buf_printf(out, ",\"retry_after\":%u", problem->retry_after);
    buf_char(out, '}');
}

/* What is wrong may have been said by somebody else. */
void problem_put_line(const struct problem *problem, struct buf *out) {
    size_t len = whole(problem->detail);

    buf_printf(out, "%d ", problem->status);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)problem->detail[i];
        buf_char(out, c < ' ' || c == 0x7f ? ' ' : (char)c);
    }
}

bool problem_passes(const struct problem *problem) {
    return problem->status == 503 || problem->status == 429;
}

struct head problem_head(const struct problem *problem, size_t length, struct buf *fields) {
    if (problem->retry_after > 0)
        buf_printf(fields, "Retry-After: %u\r\n", problem->retry_after);
    if (problem->allow != NULL)
        buf_printf(fields, "Allow: %s\r\n", problem->allow);
    if (problem->status == 401) /* RFC 9110 §11.6.1 */
        buf_text(fields, "WWW-Authenticate: Bearer\r\n");
    if (problem->upgrade != NULL)
        buf_text(fields, problem->upgrade);
    return (struct head){.status = problem->status,
                         .type = "application/problem+json",
                         .length = length,
                         .fields = fields->data};
}

void problem_render_error(const struct problem *problem, struct scan_value ref, struct buf *out) {
    buf_text(out, "{\"error\":");
    problem_put(problem, out);
    if (ref.at != NULL) {
        buf_text(out, ",\"ref\":");
        buf_add(out, ref.at, ref.len);
    }
    buf_char(out, '}');
}
