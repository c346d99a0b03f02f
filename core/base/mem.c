/*
 * Allocation that cannot fail; mem.h says why it aborts. Used by every module,
 * from any thread.
 */
#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"

static void *checked(void *memory, size_t size) {
    if (memory == NULL) {
        log_error("memory.exhausted", "bytes=%zu", size);
        abort();
    }
    return memory;
}

void *mem_new(size_t size) {
    return checked(calloc(1, size ? size : 1), size);
}

void *mem_resize(void *old, size_t size) {
    return checked(realloc(old, size ? size : 1), size);
}

char *mem_copy(const void *data, size_t len) {
    char *copy = checked(malloc(len + 1), len + 1);
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *mem_string(const char *text) {
    return mem_copy(text, strlen(text));
}
