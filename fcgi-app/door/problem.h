/*
 * What went wrong with a request, as the browser is told: RFC 9457 problem
 * details.
 */
#ifndef HALLEY_PROBLEM_H
#define HALLEY_PROBLEM_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/scan.h"
#include "fcgi-app/door/answer.h"

enum { PROBLEM_DETAIL = 256 };

struct problem {
    int status;           /* HTTP; 0: no problem */
    unsigned retry_after; /* seconds, written if not 0 */
    const char *allow;    /* the Allow header of a 405, or NULL */
    const char *upgrade;  /* header lines of a 426, each with its end, or NULL */
    char detail[PROBLEM_DETAIL];
};

/* Fills `problem` and returns it; `detail` names the parameter and what it allows. */
struct problem *problem_set(struct problem *problem, int status, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The same with Retry-After. */
struct problem *problem_later(struct problem *problem, int status, unsigned retry_after,
                              const char *fmt, ...) PRINTF_LIKE(4, 5);

/* That a body ended before it was as long as the request says. */
void problem_short(struct problem *problem);

/*
 * The head of an answer whose body, `length` bytes of it, is the problem as problem_put()
 * writes it. What it points to stands in `fields` until that is freed.
 */
struct head problem_head(const struct problem *problem, size_t length, struct buf *fields);

/* Appends the problem as a JSON object, on one line. */
void problem_put(const struct problem *problem, struct buf *out);

/* Appends its status and detail as words on one line, without a line's end. */
void problem_put_line(const struct problem *problem, struct buf *out);

/* Whether it is over by itself after a while (503, 429). */
bool problem_passes(const struct problem *problem);

/*
 * Appends the problem as a WebSocket tells it, {"error":{...}}, with the `ref` of
 * the message that caused it, as it came (or none).
 */
void problem_render_error(const struct problem *problem, struct scan_value ref, struct buf *out);

#endif
