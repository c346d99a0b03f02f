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

/* The HTTP reason phrase of a status that Halley uses (RFC 9110 §15). */
const char *problem_title(int status);

/* Appends the whole answer, CGI header (RFC 3875 §6.2) and body. */
void problem_render(const struct problem *problem, struct buf *out);

/* Appends the problem as a JSON object, on one line. */
void problem_put(const struct problem *problem, struct buf *out);

/* Whether it is over by itself after a while (503, 429). */
bool problem_passes(const struct problem *problem);

/*
 * Appends the problem as a WebSocket tells it, {"error":{...}}, with the `ref` of
 * the message that caused it, as it came (or none).
 */
void problem_render_error(const struct problem *problem, struct scan_value ref, struct buf *out);

/* Appends the header fields of an answer that is no problem (200), without the empty line. */
void answer_head(struct buf *out, const char *content_type);

/*
 * Appends the end of a header: the length of the body that follows, and the empty line.
 * An answer that is sent whole says its length: the web server need not cut it into
 * chunks, and a browser can tell whether it has all of it.
 */
void answer_length(struct buf *out, size_t length);

#endif
