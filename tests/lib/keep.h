#ifndef HALLEY_TESTS_KEEP_H
#define HALLEY_TESTS_KEEP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keeps `thing` until the process ends; returns it. Fails on NULL. */
void *keep(void *thing);

/* A formatted string that lives until the process ends. */
__attribute__((format(printf, 1, 2))) char *keepf(const char *format, ...);
__attribute__((format(printf, 1, 0))) char *keepv(const char *format, va_list args);

/* `text` percent-encoded for a query string; kept. */
char *keep_encoded(const char *text);
char *keep_encoded_bytes(const char *bytes, size_t len);

/* So many [ and then as many ]; kept. */
char *keep_nested(size_t depth);

/* A name that no other test of this run uses: "<stem>-<pid>-<n>"; kept. */
char *keep_fresh(const char *stem);

/* Milliseconds of a clock that never goes back. */
int64_t now_ms(void);
int64_t now_us(void); /* the same in microseconds */

/* Gives the processor away for `ms` milliseconds; only between two questions. */
void pause_ms(int ms);

/* How long a test waits for what must come. A loaded machine makes it slow, not red. */
enum { PATIENCE_MS = 60000 };

/* Ends the running test (or bench) as failed. e2e_run() sets what that means. */
extern void (*on_failure)(const char *file, int line, const char *message);
__attribute__((format(printf, 3, 4), noreturn)) void fail_at(const char *file, int line,
                                                             const char *format, ...);

#define must(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_at(__FILE__, __LINE__, __VA_ARGS__);                                              \
    } while (0)

/* Asks again and again until `condition` holds; fails when patience ends. */
#define until(condition, ...)                                                                      \
    do {                                                                                           \
        int64_t until_end_ = now_ms() + PATIENCE_MS;                                               \
        while (!(condition)) {                                                                     \
            must(now_ms() < until_end_, __VA_ARGS__);                                              \
            pause_ms(5);                                                                           \
        }                                                                                          \
    } while (0)

#endif
