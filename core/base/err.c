/*
 * Texts of the error enum, for log lines. Called from anywhere, by any thread.
 */
#include "core/base/err.h"

const char *err_text(enum err err) {
    switch (err) {
    case ERR_OK:
        return "ok";
    case ERR_SYNTAX:
        return "bad syntax";
    case ERR_RANGE:
        return "out of range";
    case ERR_FULL:
        return "full";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_REDIS:
        return "redis is away";
    case ERR_REFUSED:
        return "refused";
    case ERR_RATE:
        return "over the rate limit";
    case ERR_SYSTEM:
        return "system call failed";
    case ERR_GONE:
        return "the other side has left";
    }
    return "unknown";
}
