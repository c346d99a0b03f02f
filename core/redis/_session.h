/*
 * Calls of the functions of sessions from inside: what the files that make them up share.
 *
 *   session_words.c   the words of a call
 *   session_call.c    a call on its way: sent, repeated, answered
 *   session.c         birth and death, names, and the calls themselves
 */
#ifndef HALLEY_SESSION_PRIVATE_H
#define HALLEY_SESSION_PRIVATE_H

#include "core/redis/session.h"

enum {
    SESSION_FIXED = 3, /* words in front of the session's name: FCALL, the function, 1 */
    SESSION_CHANGE_WORDS = 9,
    SESSION_ARGS_MAX = SESSION_FIXED + 1 + SESSION_CHANGE_WORDS + SESSION_FRAMES_MAX,
    SESSION_PROCESS = 17,                             /* digits of a process's name, and a NUL */
    SESSION_HOLD_TEXT = SESSION_PROCESS + 1 + 20 + 1, /* <process>.<n> */
    SESSION_NUMBERS = 8,
    SESSION_NUMBER_TEXT = 24
};

struct sessions {
    struct redis *redis;
    struct library *library;
    const char *prefix;
    char process[SESSION_PROCESS];
    char channel[OWN_NAME_MAX];
    uint64_t number;            /* the last that was given */
    struct session_call *again; /* not done yet; the oldest first */
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

/* Answers of functions that say no more than a word. */
void session_take_nothing(const redis_reply *reply, struct session_view *view);

/* Frees what waits to be sent again, and tells nobody. */
void session_call_forget(struct sessions *sessions);

#endif
