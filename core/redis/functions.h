/*
 * One more function library in Redis, beside Halley's first (library.h), by the same rules: it is
 * loaded where there is none or an older one; a newer one, of a newer program, is left as it is;
 * another text of the same number is replaced once by each process. Belongs to the loop's thread.
 */
#ifndef HALLEY_FUNCTIONS_H
#define HALLEY_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/redis/redis.h"

struct functions;

struct functions_text {
    const char *library; /* its name in Redis */
    const char *version; /* the function that answers its number and digest */
    const char *text;    /* NUL-terminated */
    const size_t *len;   /* where its length stands */
    const char *digest;
};

/*
 * `told` is called once for each functions_ask() that was sent, unless the connection is lost
 * meanwhile: with NULL, the library is there; or with what Redis said instead.
 */
struct functions *functions_new(struct redis *redis, const struct functions_text *text,
                                void (*told)(void *ctx, const redis_reply *why), void *ctx);
void functions_free(struct functions *functions);

/* What stands in Redis, and what stands in the program. */
struct functions_found {
    const char *library;
    int64_t version;
    int64_t serves; /* the lowest number of a text whose programs can work with it; 0: any */
    int own;
};

/* Whether it is of a newer release that does not serve this program any more. */
bool functions_outgrown(const struct functions_found *found);

/* What was found when `told` was called last. */
const struct functions_found *functions_found(const struct functions *functions);

/* Asks what is there, and loads it where need be. False: the connection is not up. */
bool functions_ask(struct functions *functions);

/* The number that stands in a library's text; 0: none. */
int functions_version(const char *text);

/* Whether a reply says that there is no such function: what was called was surely not done. */
bool functions_missing(const redis_reply *reply);

#endif
