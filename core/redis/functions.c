/*
 * Asks for the version, loads, and asks again, so that what is told was seen. A library of our
 * name that lacks the function is somebody else's or of long ago, and is replaced.
 */
#include "core/redis/functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"

struct functions {
    struct redis *redis;
    const struct functions_text *text;
    void (*told)(void *ctx, const redis_reply *why);
    void *ctx;
    bool taken; /* the name is taken, says Redis */
    bool once;  /* replaced another text of the same number already */
    struct functions_found found;
};

int functions_version(const char *text) {
    int version = 0;
    const char *line = strstr(text, "local VERSION = ");
    if (line != NULL)
        sscanf(line, "local VERSION = %d", &version);
    return version;
}

bool functions_missing(const redis_reply *reply) {
    return redis_is_error(reply) && strstr(redis_words(reply), "unction not found") != NULL;
}

static void on_loaded(void *ctx, const redis_reply *reply) {
    struct functions *functions = ctx;

    if (reply == NULL)
        return;
    functions->taken =
        redis_is_error(reply) && strstr(redis_words(reply), "already exists") != NULL;
    if (redis_is_error(reply) && !functions->taken) {
        functions->told(functions->ctx, reply);
        return;
    }
    if (!functions->taken)
        log_info("redis.library.loaded", "name=%s version=%d digest=%.12s",
                 functions->text->library, functions_version(functions->text->text),
                 functions->text->digest);
    (void)functions_ask(functions);
}

static void load(struct functions *functions, bool replace) {
    const struct functions_text *text = functions->text;
    const char *argv[] = {"FUNCTION", "LOAD", replace ? "REPLACE" : text->text, text->text};
    const size_t lens[] = {8, 4, replace ? strlen("REPLACE") : *text->len, *text->len};

    if (redis_command(functions->redis, on_loaded, functions, replace ? 4 : 3, argv, lens) !=
        ERR_OK)
        return; /* the connection is lost, and whoever waits is told so */
}

/* Whether what is there is to be replaced. */
static bool is_worse(struct functions *functions, int64_t version, const char *digest) {
    int ours = functions_version(functions->text->text);

    if (version != ours || strcmp(digest, functions->text->digest) == 0 || functions->once)
        return version < ours;
    functions->once = true;
    log_warning("redis.library.differs",
                "name=%s version=%d: another text of the same number is replaced, once by each "
                "process",
                functions->text->library, ours);
    return true;
}

static void on_version(void *ctx, const redis_reply *reply) {
    struct functions *functions = ctx;
    bool taken = functions->taken;

    functions->taken = false;
    if (reply == NULL)
        return;
    int64_t version = redis_integer(redis_item(reply, 0), 0);
    functions->found.version = version;
    functions->found.serves = redis_integer(redis_item(reply, 2), 0);
    if (functions_missing(reply))
        load(functions, taken);
    else if (redis_is_error(reply))
        functions->told(functions->ctx, reply);
    else if (is_worse(functions, version, redis_words(redis_item(reply, 1))))
        load(functions, true);
    else
        functions->told(functions->ctx, NULL);
}

bool functions_ask(struct functions *functions) {
    const char *argv[] = {"FCALL_RO", functions->text->version, "0"};
    const size_t lens[] = {8, strlen(functions->text->version), 1};

    return redis_command(functions->redis, on_version, functions, 3, argv, lens) == ERR_OK;
}

struct functions *functions_new(struct redis *redis, const struct functions_text *text,
                                void (*told)(void *ctx, const redis_reply *why), void *ctx) {
    struct functions *functions = mem_new(sizeof *functions);

    *functions = (struct functions){.redis = redis, .text = text, .told = told, .ctx = ctx};
    functions->found.library = text->library;
    functions->found.own = functions_version(text->text);
    return functions;
}

bool functions_outgrown(const struct functions_found *found) {
    return found->version > found->own && found->serves > found->own;
}

const struct functions_found *functions_found(const struct functions *functions) {
    return &functions->found;
}

void functions_free(struct functions *functions) {
    free(functions);
}
