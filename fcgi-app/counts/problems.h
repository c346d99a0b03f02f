/*
 * What those who were refused something were told, counted by status and reason. A reason is what
 * the detail of a problem names before its colon (a parameter, a header field), or of those that
 * name nothing what they are about. One table has them all, so that no request can make it longer.
 */
#ifndef HALLEY_PROBLEMS_H
#define HALLEY_PROBLEMS_H

#include <stddef.h>
#include <stdint.h>

enum { PROBLEMS_KINDS = 72 };

/* How often each was told, by its place in the table. */
struct problems {
    uint64_t told[PROBLEMS_KINDS];
};

/* A kind of problem: its status, and its reason in lower case. Both are literals. */
struct problem_kind {
    int status; /* 0: any other */
    const char *reason;
};

/* The kinds in order; NULL behind the last. */
const struct problem_kind *problem_kind_at(size_t place);

void problems_count(struct problems *problems, int status, const char *detail);

#endif
