/*
 * Answers that are marked together. A message for a crowd that polls ends thousands of requests at
 * once, all with the same cursor: one call marks several, for two thirds of what as many cost. Each
 * is still a call of its own (session_call.c) that is told what became of it, and that is sent
 * again by itself where it must be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/redis/_session.h"

/* The places of an answer's words, as session_answer() puts them. */
enum { ID = SESSION_FIXED, HOLD, VERSION, TTL, CURSOR = 11 };

enum { WORDS_MAX_TOGETHER = SESSION_FIXED + 3 * SESSION_TOGETHER + 2 };

/* On its way. */
struct together {
    size_t count;
    struct session_call *calls[SESSION_TOGETHER];
};

static void on_reply(void *ctx, const redis_reply *reply) {
    struct together *together = ctx;
    bool several = redis_count(reply) == together->count;
    const redis_reply *error = redis_is_error(reply) ? reply : NULL;

    for (size_t i = 0; i < together->count; i++) {
        const redis_reply *own = several ? redis_item(reply, i) : error;
        int64_t batch = redis_integer(own, -1);
        if (batch >= 0)
            session_call_marked(together->calls[i], (uint64_t)batch);
        else
            session_call_reply(together->calls[i], own);
    }
    free(together);
}

/* Words on their way into a command. */
struct words {
    int count;
    const char *at[WORDS_MAX_TOGETHER];
    size_t lens[WORDS_MAX_TOGETHER];
};

static void put(struct words *words, struct session_bytes word) {
    words->at[words->count] = word.at;
    words->lens[words->count++] = word.len;
}

static void put_word(struct words *words, const struct session_call *call, int at) {
    put(words, session_call_word(call, at));
}

static enum err send(struct sessions *sessions, struct together *together) {
    static const char function[] = "halley_session_answers";
    struct words words = {0};
    char count[SESSION_NUMBER_TEXT];
    int digits = snprintf(count, sizeof count, "%zu", together->count);

    put(&words, (struct session_bytes){"FCALL", 5});
    put(&words, (struct session_bytes){function, sizeof function - 1});
    put(&words, (struct session_bytes){count, (size_t)digits});
    for (size_t i = 0; i < together->count; i++)
        put_word(&words, together->calls[i], ID);
    put_word(&words, together->calls[0], TTL);
    put_word(&words, together->calls[0], CURSOR);
    for (size_t i = 0; i < together->count; i++) {
        put_word(&words, together->calls[i], HOLD);
        put_word(&words, together->calls[i], VERSION);
    }
    return redis_command(sessions->redis, on_reply, together, words.count, words.at, words.lens);
}

static void defer(struct session_call *const *calls, size_t count) {
    for (size_t i = 0; i < count; i++)
        session_call_defer(calls[i]);
}

void sessions_give_up(struct sessions *sessions) {
    defer(sessions->together, sessions->together_count);
    sessions->together_count = 0;
    session_call_give_up(sessions);
}

static void send_several(struct sessions *sessions) {
    struct together *together = mem_new(sizeof *together);

    together->count = sessions->together_count;
    memcpy(together->calls, sessions->together, together->count * sizeof *together->calls);
    sessions->together_count = 0;
    if (library_ready(sessions->library) && send(sessions, together) == ERR_OK)
        return;
    defer(together->calls, together->count);
    free(together);
}

void sessions_flush(struct sessions *sessions) {
    if (sessions->together_count > 1) {
        send_several(sessions);
    } else if (sessions->together_count == 1) {
        sessions->together_count = 0;
        if (!session_call_send(sessions->together[0]))
            session_call_defer(sessions->together[0]);
    }
}

static bool same_word(const struct session_call *a, const struct session_call *b, int at) {
    struct session_bytes one = session_call_word(a, at), other = session_call_word(b, at);
    return one.len == other.len && memcmp(one.at, other.at, one.len) == 0;
}

/* Adds a call; those of another kind are sent. */
static void add(struct sessions *sessions, struct session_call *call) {
    const struct session_call *first = sessions->together[0];

    if (sessions->together_count > 0 &&
        (!same_word(first, call, TTL) || !same_word(first, call, CURSOR)))
        sessions_flush(sessions);
    sessions->together[sessions->together_count++] = call;
    if (sessions->together_count == SESSION_TOGETHER)
        sessions_flush(sessions);
}

enum err session_call_next(struct sessions *sessions, const struct session_words *words,
                           session_take_fn *take, uint64_t hold, session_fn *done, void *ctx) {
    sessions_flush(sessions);
    return session_call(sessions, words, take, hold, done, ctx);
}

enum err session_call_together(struct sessions *sessions, const struct session_words *words,
                               session_take_fn *take, uint64_t hold, session_fn *done, void *ctx) {
    if (words->range)
        return ERR_RANGE;
    if (!library_ready(sessions->library))
        return ERR_REDIS;
    add(sessions, session_call_new(sessions, words, take, hold, done, ctx));
    return ERR_OK;
}
