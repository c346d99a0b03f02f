/*
 * Patterns of Redis. Each becomes a row of steps: a `*`, or one byte out of a set; so that two
 * patterns can be compared by what they match, however they are written.
 */
#include "core/data/glob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

enum { SET_WORDS = 256 / 64 };

struct step {
    bool star;
    bool one; /* written as one byte */
    uint64_t set[SET_WORDS];
};

struct glob {
    size_t count;
    struct step steps[GLOB_MAX];
};

static void add(struct step *step, int byte) {
    unsigned char c = (unsigned char)byte;
    step->set[c / 64] |= UINT64_C(1) << c % 64;
}

static bool has(const struct step *step, char byte) {
    unsigned char c = (unsigned char)byte;
    return (step->set[c / 64] >> c % 64 & 1) != 0;
}

static void turn_over(struct step *step) {
    for (int i = 0; i < SET_WORDS; i++)
        step->set[i] = ~step->set[i];
}

/* Redis compares the ends of a range as signed bytes, and takes them in either order. */
static void add_range(struct step *step, char first, char last) {
    int8_t from = (int8_t)first, to = (int8_t)last;

    for (int c = from < to ? from : to; c <= (from < to ? to : from); c++)
        add(step, c);
}

/* A class, behind its "["; one that is not closed ends with the pattern. Returns behind it. */
static const char *read_class(struct step *step, const char *at, const char *end) {
    bool others = at < end && *at == '^';

    at += others;
    while (at < end && *at != ']') {
        if (*at == '\\' && end - at >= 2)
            add(step, *++at);
        else if (end - at >= 3 && at[1] == '-')
            add_range(step, at[0], at[2]), at += 2;
        else
            add(step, *at);
        at++;
    }
    if (others)
        turn_over(step);
    return at < end ? at + 1 : at;
}

static const char *read_step(struct step *step, const char *at, const char *end) {
    if (*at == '[')
        return read_class(step, at + 1, end);
    if (*at == '*')
        step->star = true;
    else if (*at == '?')
        turn_over(step);
    else if (*at == '\\' && end - at >= 2)
        step->one = true, add(step, *++at);
    else
        step->one = true, add(step, *at);
    return at + 1;
}

struct glob *glob_new(const char *pattern) {
    struct glob *glob = mem_new(sizeof *glob);
    size_t len = strnlen(pattern, GLOB_MAX);

    for (const char *at = pattern, *end = pattern + len; at < end;)
        at = read_step(&glob->steps[glob->count++], at, end);
    return glob;
}

void glob_free(struct glob *glob) {
    free(glob);
}

bool glob_rooted(const struct glob *glob) {
    return glob->count > 0 && glob->steps[0].one;
}

static bool share(const struct step *a, const struct step *b) {
    for (int i = 0; i < SET_WORDS; i++) {
        if ((a->set[i] & b->set[i]) != 0)
            return true;
    }
    return false;
}

/* Notes what can be reached from where both patterns stand: in this row of `a`, and the next. */
static void reach(const struct glob *a, const struct glob *b, size_t i, size_t k, bool *here,
                  bool *next) {
    const struct step *one = i < a->count ? &a->steps[i] : NULL;
    const struct step *other = k < b->count ? &b->steps[k] : NULL;

    if (one != NULL && one->star)
        next[k] = true;
    if (other != NULL && (other->star || (one != NULL && one->star)))
        here[k + 1] = true;
    if (one != NULL && other != NULL && (other->star || share(one, other))) {
        if (other->star)
            next[k] = true;
        else
            next[k + 1] = true;
    }
}

bool glob_meets(const struct glob *a, const struct glob *b) {
    bool rows[2][GLOB_MAX + 2] = {{true}};
    bool met = false;

    for (size_t i = 0; i <= a->count; i++) {
        bool *here = rows[i % 2], *next = rows[(i + 1) % 2];
        memset(next, 0, sizeof rows[0]);
        for (size_t k = 0; k <= b->count; k++) {
            if (here[k])
                reach(a, b, i, k, here, next);
        }
        met = here[b->count];
    }
    return met;
}

/* The last `*` that was met, and where it ends; what follows is tried from there on. */
struct stand {
    size_t step;
    const char *at;
};

bool glob_match(const struct glob *glob, const char *text, size_t len, const char **part,
                size_t *part_len) {
    const char *at = text, *end = text + len, *first = NULL, *behind = NULL;
    struct stand star = {0};
    size_t i = 0;
    unsigned stars = 0;

    while (i < glob->count || at < end) {
        if (i < glob->count && glob->steps[i].star) {
            if (stars++ == 0)
                first = behind = at;
            star = (struct stand){++i, at};
        } else if (i < glob->count && at < end && has(&glob->steps[i], *at)) {
            i++, at++;
        } else if (star.at != NULL && star.at < end) {
            at = ++star.at;
            i = star.step;
            if (stars == 1)
                behind = at;
        } else {
            return false;
        }
    }
    *part = first != NULL ? first : text;
    *part_len = first != NULL ? (size_t)(behind - first) : len;
    return true;
}
