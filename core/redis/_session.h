/*
 * Calls of the functions of sessions from inside: what the files that make them up share.
 *
 *   session_words.c   the words of a call
 *   session_call.c    a call on its way: sent, repeated, answered
 *   session_batch.c   several answers in one call
 *   session.c         birth and death, names, and the calls themselves
 */
#ifndef HALLEY_SESSION_PRIVATE_H
#define HALLEY_SESSION_PRIVATE_H

#include "core/redis/session.h"

enum {
    SESSION_FIXED = 3, /* words in front of the session's name: FCALL, the function, 1 */
    SESSION_CHANGE_WORDS = 9,
    SESSION_BIRTH_WORDS = 6,
    SESSION_ARGS_MAX = SESSION_FIXED + 1 + SESSION_CHANGE_WORDS + SESSION_FRAMES_MAX,
    SESSION_PROCESS = 17,                             /* digits of a process's name, and a NUL */
    SESSION_HOLD_TEXT = SESSION_PROCESS + 1 + 20 + 1, /* <process>.<n> */
    SESSION_TOGETHER = 32, /* answers in one call: a quarter of a millisecond of Redis */
    SESSION_NUMBERS = 8,
    SESSION_NUMBER_TEXT = 24
};

struct sessions {
    struct redis *redis;
    struct library *library;
    const char *prefix;
    char process[SESSION_PROCESS];
    char channel[OWN_NAME_MAX];
    uint64_t number;                                 /* the last that was given */
    struct session_call *again;                      /* not done yet; the oldest first */
    struct session_call *together[SESSION_TOGETHER]; /* answers that are sent in one call */
    size_t together_count;
};

/* --- session_words.c --- */

/* Words on their way into a call; what is put there is borrowed. */
struct session_words {
    int count;
    const char *at[SESSION_ARGS_MAX];
    size_t lens[SESSION_ARGS_MAX];
    char numbers[SESSION_NUMBERS][SESSION_NUMBER_TEXT];
    int used; /* of `numbers` */
    char hold[SESSION_HOLD_TEXT];
    bool range; /* something was longer than it may be */
};

void session_words_begin(struct session_words *words, const char *function, const char *id);
void session_words_text(struct session_words *words, const char *text);
void session_words_number(struct session_words *words, uint64_t number);
void session_words_hold(struct session_words *words, const struct sessions *sessions,
                        uint64_t number);

/* At most `max` bytes of them. */
void session_words_bytes(struct session_words *words, struct session_bytes bytes, size_t max);

/* --- session_call.c --- */

/* Puts what a function answers behind SESSION_OK into the view. */
typedef void session_take_fn(const redis_reply *reply, struct session_view *view);

/*
 * Sends a call with these words, which are copied. `hold`: the number of the hold that is released
 * where it is not known what became of it; 0: none. ERR_RANGE for words that are too long.
 */
enum err session_call(struct sessions *sessions, const struct session_words *words,
                      session_take_fn *take, uint64_t hold, session_fn *done, void *ctx) MUST_CHECK;

/* Makes such a call, which is not sent yet. */
struct session_call *session_call_new(struct sessions *sessions, const struct session_words *words,
                                      session_take_fn *take, uint64_t hold, session_fn *done,
                                      void *ctx);

/* What session_release() does, in front of what waits to be sent together. */
void session_call_release(struct sessions *sessions, const char *id, uint64_t number, unsigned ttl,
                          session_fn *done, void *ctx);

/* Whoever waits to be sent again is told that it was not done. */
void session_call_give_up(struct sessions *sessions);

/* Sends it by itself. False: Redis cannot be asked now, and the call is still the caller's. */
bool session_call_send(struct session_call *call);

/* Redis has marked the answer. The call is over. */
void session_call_marked(struct session_call *call, uint64_t batch);

/* What Redis says to this call; NULL: the connection was lost. The call is over, or waits to be
 * sent again. */
void session_call_reply(struct session_call *call, const redis_reply *reply);

/* Redis could not be asked: the call waits to be sent again. */
void session_call_defer(struct session_call *call);

/* A word of the call, by its place. */
struct session_bytes session_call_word(const struct session_call *call, int at);

/* Answers of functions that say no more than a word. */
void session_take_nothing(const redis_reply *reply, struct session_view *view);

/* Frees what waits to be sent again, and tells nobody. */
void session_call_forget(struct sessions *sessions);

/* --- session_batch.c --- */

/* As session_call(), behind what waits to be sent together, which goes first. */
enum err session_call_next(struct sessions *sessions, const struct session_words *words,
                           session_take_fn *take, uint64_t hold, session_fn *done,
                           void *ctx) MUST_CHECK;

/* The same for an answer that may be sent with others; its words are those of session_answer(). */
enum err session_call_together(struct sessions *sessions, const struct session_words *words,
                               session_take_fn *take, uint64_t hold, session_fn *done,
                               void *ctx) MUST_CHECK;

#endif
