#ifndef HALLEY_BENCH_TROUBLE_H
#define HALLEY_BENCH_TROUBLE_H

#include <stdint.h>

/* Counts an error; the first one's words are kept. */
__attribute__((format(printf, 1, 2))) void trouble(const char *format, ...);

uint64_t trouble_count(void);
const char *trouble_first(void); /* NULL: none */

#endif
