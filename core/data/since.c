/*
 * The words by which browsers and Redis name where a reader begins.
 */
#include "core/data/since.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *text, size_t len, const char *word) {
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* A whole number from 1 to SINCE_LAST_MAX; 0: it is none. */
static unsigned parse_count(const char *text, size_t len) {
    unsigned count = 0;

    if (len == 0 || len > 9)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        count = count * 10 + (unsigned)(text[i] - '0');
    }
    return count <= SINCE_LAST_MAX ? count : 0;
}

bool since_parse(const char *text, size_t len, struct since *since) {
    *since = (struct since){.kind = SINCE_NOW};
    if (is(text, len, "now"))
        return true;
    if (is(text, len, "start")) {
        since->kind = SINCE_START;
        return true;
    }
    if (len == 0 || text[0] != '-')
        return false;
    since->kind = SINCE_LAST;
    since->last = parse_count(text + 1, len - 1);
    return since->last > 0;
}

void since_format(const struct since *since, char text[SINCE_TEXT]) {
    if (since->kind == SINCE_AT)
        position_format(since->at, text);
    else if (since->kind == SINCE_LAST)
        snprintf(text, SINCE_TEXT, "-%u", since->last);
    else
        snprintf(text, SINCE_TEXT, "%s", since->kind == SINCE_NOW ? "now" : "start");
}

bool since_same(const struct since *a, const struct since *b) {
    return a->kind == b->kind && (a->kind != SINCE_LAST || a->last == b->last) &&
           (a->kind != SINCE_AT || position_compare(a->at, b->at) == 0);
}
