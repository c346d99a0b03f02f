/* The request at the front of some bytes, read as the HTTP door reads it. */
#ifndef HALLEY_TESTS_OPENING_H
#define HALLEY_TESTS_OPENING_H

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/door/http/fields.h"
#include "fcgi-app/door/ws/handshake.h"

static inline said_set opening_wants(void *ctx, struct request *request) {
    (void)ctx, (void)request;
    return HANDSHAKE_WANTS;
}

enum opening { OPENING_PARTIAL, OPENING_WHOLE, OPENING_BAD };

/* `out` says what is wrong with it; a whole one is the caller's to free. */
static inline enum opening read_opening(const char *data, size_t len, size_t *used,
                                        struct request **request, struct problem *out) {
    static const struct parser_limits limits = {REQUEST_HEADER_MAX, 0};
    static const struct request_taker taker = {.wants = opening_wants};
    char *copy = mem_copy(data, len);
    struct parser parser;
    struct said said;
    struct buf lists;

    parser_init(&parser, &limits);
    enum parser_event event = parser_take(&parser, copy, len, used);
    memset(out, 0, sizeof *out);
    if (event == PARSER_BAD)
        problem_set(out, parser.fault.status, "%s", parser.fault.words);
    if (event == PARSER_WHOLE) {
        fields_say(&parser, &said, &lists);
        *request = request_new(&said, &taker);
        buf_free(&lists);
    }
    parser_free(&parser);
    free(copy);
    return event == PARSER_BAD     ? OPENING_BAD
           : event == PARSER_WHOLE ? OPENING_WHOLE
                                   : OPENING_PARTIAL;
}

#endif
