/*
 * Answers that are not batches: problem details, and the header that every
 * answer of Halley begins with. Pure functions.
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

const char *problem_title(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

/* "none": lighttpd would answer a Range with a part of what is made for who asked now. */
static void put_head(struct buf *out, int status, const char *content_type) {
    buf_printf(
        out,
        "Status: %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nAccept-Ranges: none\r\n",
        status, problem_title(status), content_type);
}

void answer_head(struct buf *out, const char *content_type) {
    put_head(out, 200, content_type);
}

void answer_length(struct buf *out, size_t length) {
    buf_text(out, "Content-Length: ");
    buf_uint(out, length);
    buf_text(out, "\r\n\r\n");
}

void problem_put(const struct problem *problem, struct buf *out) {
    size_t len = strlen(problem->detail);

    buf_printf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":",
               problem_title(problem->status), problem->status);
    while (!json_utf8(problem->detail, len)) /* a cut-off sequence at the end */
        len--;
    json_quote(out, problem->detail, len);
    if (problem->retry_after > 0)
        buf_printf(out, ",\"retry_after\":%u", problem->retry_after);
    buf_char(out, '}');
}

bool problem_passes(const struct problem *problem) {
    return problem->status == 503 || problem->status == 429;
}

void problem_render(const struct problem *problem, struct buf *out) {
    struct buf body = buf_make(out->max);

    problem_put(problem, &body);
    buf_char(&body, '\n');
    put_head(out, problem->status, "application/problem+json");
    if (problem->retry_after > 0)
        buf_printf(out, "Retry-After: %u\r\n", problem->retry_after);
    if (problem->allow != NULL)
        buf_printf(out, "Allow: %s\r\n", problem->allow);
    if (problem->upgrade != NULL)
        buf_text(out, problem->upgrade);
    answer_length(out, body.len);
    buf_add(out, body.data, body.len);
    buf_free(&body);
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
