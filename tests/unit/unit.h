/* What every unit test program has in common. */
#ifndef HALLEY_TESTS_UNIT_H
#define HALLEY_TESTS_UNIT_H

#include <check.h>
#include <stddef.h>

/* Runs tests as a program's whole main(); returns its exit code. */
int unit_run(const char *name, const TTest *const *tests, size_t count);

#define UNIT_MAIN(name, ...)                                                                       \
    int main(void) {                                                                               \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run(name, tests, sizeof tests / sizeof tests[0]);                              \
    }

/* The number in an environment variable; `otherwise` where there is none. */
unsigned unit_number(const char *name, unsigned otherwise);

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* `len` bytes are exactly the text `want`; `what` (a row's name) stands in the message. */
#define assert_bytes(got, len, want, what)                                                         \
    ck_assert_msg((len) == strlen(want) && ((len) == 0 || memcmp(got, want, len) == 0),            \
                  "%s: \"%.*s\" instead of \"%s\"", what, (int)(len), got, want)

#endif
