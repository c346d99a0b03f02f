/* What went wrong: counted, because under load it goes wrong often; the first in full,
 * because the others follow from it.
 */
#include "tests/bench/load/trouble.h"

#include <stdarg.h>
#include <stdio.h>

static uint64_t count;
static char first[512];

void trouble(const char *format, ...) {
    va_list args;

    if (count++ > 0)
        return;
    va_start(args, format);
    vsnprintf(first, sizeof first, format, args);
    va_end(args);
}

uint64_t trouble_count(void) {
    return count;
}

const char *trouble_first(void) {
    return count > 0 ? first : NULL;
}
