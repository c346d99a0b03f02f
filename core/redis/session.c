/*
 * The calls of the functions of sessions (core/redis/session.lua), each with its words in the order
 * of the function's own head.
 */
#include "core/redis/_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/crypto.h"
#include "core/base/mem.h"

/* ------------------------------------------------------------------------------- life */

bool sessions_ready(const struct sessions *sessions) {
    return library_ready(sessions->library);
}

struct sessions *sessions_new(struct redis *redis, struct library *library, const char *prefix) {
    struct sessions *sessions = mem_new(sizeof *sessions);
    char word[16 + SESSION_PROCESS];
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    sessions->redis = redis;
    sessions->library = library;
    sessions->prefix = prefix;
    snprintf(sessions->process, SESSION_PROCESS, "%016" PRIx64, random);
    snprintf(word, sizeof word, "process:%s", sessions->process);
    names_own(sessions->channel, prefix, word);
    return sessions;
}

void sessions_free(struct sessions *sessions) {
    if (sessions == NULL)
        return;
    sessions_give_up(sessions);
    session_call_forget(sessions);
    free(sessions);
}

/* ------------------------------------------------------------------------------ names */

void session_id(char out[SESSION_ID_TEXT], const char *service, size_t service_len,
                const char *client, size_t client_len) {
    unsigned char digest[CRYPTO_SHA256];
    char *both = mem_new(service_len + 1 + client_len + 1);

    memcpy(both, service, service_len);
    memcpy(both + service_len + 1, client, client_len);
    crypto_sha256(both, service_len + 1 + client_len, digest);
    free(both);
    crypto_hex(out, digest, SESSION_ID / 2);
}

uint64_t session_number(struct sessions *sessions) {
    return ++sessions->number;
}

const char *session_channel(const struct sessions *sessions) {
    return sessions->channel;
}

static bool take_number(const char *text, size_t len, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || *out > (UINT64_MAX - 9) / 10)
            return false;
        *out = *out * 10 + (uint64_t)(text[i] - '0');
    }
    return *out > 0;
}

enum session_word session_hear(const struct sessions *sessions, const char *channel,
                               size_t channel_len, const char *text, size_t len, uint64_t *number) {
    enum { WORD = 5 }; /* bytes of each */
    static const struct {
        const char *text;
        enum session_word word;
    } words[] = {{"wake ", SESSION_WORD_WAKE},
                 {"over ", SESSION_WORD_OVER},
                 {"copy ", SESSION_WORD_COPY},
                 {"back ", SESSION_WORD_BACK}};

    *number = 0;
    if (channel_len != strlen(sessions->channel) ||
        memcmp(channel, sessions->channel, channel_len) != 0 || len <= WORD ||
        !take_number(text + WORD, len - WORD, number))
        return SESSION_WORD_NONE;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (memcmp(text, words[i].text, WORD) == 0)
            return words[i].word;
    }
    return SESSION_WORD_NONE;
}

/* ------------------------------------------------------------------------------ calls */

static uint64_t count_of(const redis_reply *reply) {
    int64_t count = redis_integer(reply, 0);
    return count > 0 ? (uint64_t)count : 0;
}

static void take_batch(const redis_reply *reply, struct session_view *view) {
    view->batch = count_of(redis_item(reply, 1));
}

static void take_change(const redis_reply *reply, struct session_view *view) {
    view->version = count_of(redis_item(reply, 1));
    view->waiting = count_of(redis_item(reply, 2));
    view->waiting_bytes = count_of(redis_item(reply, 3));
    view->holder = redis_integer(redis_item(reply, 4), 0) != 0;
}

static void take_holder(const redis_reply *reply, struct session_view *view) {
    view->holder = redis_integer(redis_item(reply, 1), 0) != 0;
}

static void take_sessions(const redis_reply *reply, struct session_view *view) {
    view->sessions = count_of(redis_item(reply, 1));
}

static void put_birth(struct session_words *words, const struct session_birth *birth) {
    session_words_bytes(words, birth->dialect, SESSION_DIALECT_MAX);
    session_words_bytes(words, birth->state, SESSION_STATE_MAX);
    session_words_bytes(words, birth->cursor, SESSION_CURSOR_MAX);
    session_words_number(words, birth->first_pulse);
    session_words_number(words, birth->most);
}

static void put_who(struct session_words *words, const struct session_who *who) {
    session_words_bytes(words, who->words, SESSION_WHO_MAX);
    session_words_number(words, who->ends > 0 ? (uint64_t)who->ends : 0);
    session_words_bytes(words, who->reason, SESSION_REASON_MAX);
}

/* In the place of one that may not be. */
static void put_no_birth(struct session_words *words) {
    for (int i = 0; i < SESSION_BIRTH_WORDS; i++)
        session_words_text(words, "");
}

enum err session_open(struct sessions *sessions, const char *id, const struct session_birth *birth,
                      unsigned ttl, session_fn *done, void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_open", id);
    session_words_number(&words, ttl);
    put_birth(&words, birth);
    if (birth->who.words.len > 0)
        put_who(&words, &birth->who);
    return session_call_next(sessions, &words, session_take_nothing, 0, done, ctx);
}

enum err session_attach(struct sessions *sessions, const char *id,
                        const struct session_attach *attach, session_fn *done, void *ctx) {
    static const char *const policies[] = {"newest", "gentle", "keeps", "first", "both"};
    static const char *const confirms[] = {"next", "id", "late", "ack"};
    struct session_words words;

    session_words_begin(&words, "halley_session_attach", id);
    session_words_hold(&words, sessions, attach->number);
    session_words_text(&words, sessions->prefix);
    session_words_text(&words, policies[attach->policy]);
    session_words_number(&words, attach->ttl);
    session_words_text(&words, confirms[attach->confirm]);
    if (attach->confirm == SESSION_ACK)
        session_words_number(&words, attach->ack);
    else
        session_words_bytes(&words, attach->request, SESSION_REQUEST_MAX);
    session_words_bytes(&words, attach->reason, SESSION_REASON_MAX);
    if (attach->birth != NULL) {
        session_words_text(&words, attach->birth->loose ? "loose" : "hold");
        put_birth(&words, attach->birth);
    } else if (attach->who.words.len > 0) {
        put_no_birth(&words);
    }
    if (attach->who.words.len > 0)
        put_who(&words, &attach->who);
    return session_call_next(sessions, &words, session_take_nothing, attach->number, done, ctx);
}

enum err session_look(struct sessions *sessions, const char *id, uint64_t number, session_fn *done,
                      void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_look", id);
    session_words_hold(&words, sessions, number);
    return session_call_next(sessions, &words, session_take_nothing, 0, done, ctx);
}

/* An answer that is no more than its cursor. */
static bool may_be_together(const struct session_answer *answer) {
    return answer->together && !answer->keep && answer->frames == 0 && answer->pong_within == 0 &&
           answer->request.len == 0 && answer->cursor.len > 0;
}

enum err session_answer(struct sessions *sessions, const char *id,
                        const struct session_answer *answer, session_fn *done, void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_answer", id);
    session_words_hold(&words, sessions, answer->number);
    session_words_number(&words, answer->version);
    session_words_number(&words, answer->ttl);
    session_words_number(&words, answer->frames);
    session_words_text(&words, answer->keep ? "keep" : "done");
    session_words_number(&words, answer->pong_within);
    session_words_bytes(&words, answer->request, SESSION_REQUEST_MAX);
    session_words_bytes(&words, answer->cursor, SESSION_CURSOR_MAX);
    return (may_be_together(answer) ? session_call_together : session_call_next)(
        sessions, &words, take_batch, answer->number, done, ctx);
}

enum err session_write(struct sessions *sessions, const char *id, const struct session_write *write,
                       session_fn *done, void *ctx) {
    static const char *const keeping[] = {"done", "hold", "keep"};
    struct session_words words;

    session_words_begin(&words, "halley_session_write", id);
    session_words_hold(&words, sessions, write->number);
    session_words_number(&words, write->version);
    session_words_number(&words, write->ttl);
    session_words_text(&words, keeping[write->keeping]);
    session_words_text(&words, write->numbered ? "numbered" : "plain");
    session_words_bytes(&words, write->cursor, SESSION_CURSOR_MAX);
    session_words_bytes(&words, write->sent, SESSION_CURSOR_MAX);
    session_words_number(&words, write->batch);
    session_words_bytes(&words, write->request, SESSION_REQUEST_MAX);
    words.range = words.range || write->request_count > SESSION_FRAMES_MAX;
    for (size_t i = 0; i < write->request_count && i < SESSION_FRAMES_MAX; i++)
        session_words_bytes(&words, write->requests[i], SESSION_REQUEST_MAX);
    return session_call_next(sessions, &words, take_batch, 0, done, ctx);
}

void session_release(struct sessions *sessions, const char *id, uint64_t number, unsigned ttl,
                     session_fn *done, void *ctx) {
    sessions_flush(sessions);
    session_call_release(sessions, id, number, ttl, done, ctx);
}

enum err session_change(struct sessions *sessions, const char *id,
                        const struct session_change *change, session_fn *done, void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_change", id);
    session_words_text(&words, sessions->prefix);
    session_words_number(&words, change->version);
    session_words_number(&words, change->ttl);
    session_words_number(&words, change->max_backlog);
    session_words_number(&words, change->pulse);
    session_words_text(&words, change->state.at != NULL ? "state" : "keep");
    session_words_bytes(&words, change->state, SESSION_STATE_MAX);
    session_words_bytes(&words, change->add, SESSION_CURSOR_MAX);
    session_words_bytes(&words, change->drop, SESSION_CURSOR_MAX);
    words.range = words.range || change->frame_count > SESSION_FRAMES_MAX;
    for (size_t i = 0; i < change->frame_count && i < SESSION_FRAMES_MAX; i++)
        session_words_bytes(&words, change->frames[i], SIZE_MAX);
    return session_call_next(sessions, &words, take_change, 0, done, ctx);
}

enum err session_renew(struct sessions *sessions, const char *id, const struct session_who *who,
                       session_fn *done, void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_renew", id);
    session_words_text(&words, sessions->prefix);
    put_who(&words, who);
    return session_call_next(sessions, &words, take_holder, 0, done, ctx);
}

enum err session_close(struct sessions *sessions, const char *id, struct session_bytes reason,
                       bool once, unsigned ttl, session_fn *done, void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_close", id);
    session_words_text(&words, sessions->prefix);
    session_words_number(&words, ttl);
    session_words_text(&words, once ? "once" : "each");
    session_words_bytes(&words, reason, SESSION_REASON_MAX);
    return session_call_next(sessions, &words, take_holder, 0, done, ctx);
}

enum err session_remove(struct sessions *sessions, const char *id, session_fn *done, void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_remove", id);
    session_words_text(&words, sessions->prefix);
    return session_call_next(sessions, &words, session_take_nothing, 0, done, ctx);
}

enum err session_count(struct sessions *sessions, session_fn *done, void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_count", "halley.sessions");
    return session_call_next(sessions, &words, take_sessions, 0, done, ctx);
}
