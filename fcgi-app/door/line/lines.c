/*
 * A line ends with LF; a CR before it is taken off. A client that asks for a Flash policy
 * (Adobe, "Policy file changes in Flash Player 9", socket policy files) says
 * "<policy-file-request/>" and a NUL, and no line's end: it is found in front of the first
 * line alone. Bytes are searched once, however they come in pieces. Called by the line feed's
 * client (line_client.c).
 */
#include "fcgi-app/door/line/lines.h"

#include <string.h>

static const char policy_request[] = "<policy-file-request/>"; /* and its NUL */

struct lines lines_make(void) {
    return (struct lines){.waiting = buf_make(LINES_ROOM)};
}

void lines_free(struct lines *lines) {
    buf_free(&lines->waiting);
}

size_t lines_room(const struct lines *lines) {
    return LINES_ROOM - lines->waiting.len;
}

void lines_add(struct lines *lines, const char *data, size_t len) {
    buf_add(&lines->waiting, data, len);
}

static bool asks_for_policy(const struct lines *lines) {
    return !lines->begun && lines->waiting.len >= sizeof policy_request &&
           memcmp(lines->waiting.data, policy_request, sizeof policy_request) == 0;
}

/* The line's end, or NULL; what holds none is not searched again. */
static const char *find_end(struct lines *lines) {
    const struct buf *waiting = &lines->waiting;

    if (lines->searched == waiting->len)
        return NULL;
    const char *end = memchr(waiting->data + lines->searched, '\n', waiting->len - lines->searched);
    lines->searched = end != NULL ? (size_t)(end - waiting->data) : waiting->len;
    return end;
}

enum lines_event lines_look(struct lines *lines, struct line *line) {
    const struct buf *waiting = &lines->waiting;

    if (asks_for_policy(lines))
        return LINES_POLICY;
    const char *end = find_end(lines);
    if (end == NULL) /* one byte more may be the CR of its end */
        return waiting->len > LINE_MAX_BYTES + 1 ? LINES_LONG : LINES_MORE;
    size_t len = (size_t)(end - waiting->data);
    len -= len > 0 && end[-1] == '\r';
    if (len > LINE_MAX_BYTES)
        return LINES_LONG;
    *line = (struct line){waiting->data, len};
    return LINES_LINE;
}

void lines_take(struct lines *lines, const struct line *line) {
    size_t len = line->len + (line->text[line->len] == '\r') + 1;

    lines->begun = true;
    lines->searched = 0;
    buf_consume(&lines->waiting, len);
    if (lines->waiting.len == 0)
        buf_free(&lines->waiting);
}

bool lines_part(const struct lines *lines) {
    return lines->waiting.len > 0 && lines->searched == lines->waiting.len;
}
