/*
 * A call on its way. It is kept with its words until it is answered: one that is told that there
 * is no such function was surely not done, and waits in `again`, once, until the library is back.
 * There too wait the releases that Redis could not be told, and those of holds of which nobody
 * knows whether they came about: a session that a process which lives holds for nobody would be
 * busy for as long as it lasts.
 */
#include "core/redis/_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "core/redis/words.h"

struct session_call {
    struct sessions *sessions;
    struct session_call *prev, *next; /* in `again` */
    session_take_fn *take;
    session_fn *done; /* NULL: nobody asks */
    void *ctx;
    uint64_t hold; /* released where it is not known what became of this call; 0: none */
    bool release;  /* done sometime, whatever happens */
    bool repeated;
    int argc;
    const char **argv; /* into this same memory */
    size_t *lens;
};

/* ---------------------------------------------------------------------------- a call */

struct session_call *session_call_new(struct sessions *sessions, const struct session_words *words,
                                      session_take_fn *take, uint64_t hold, session_fn *done,
                                      void *ctx) {
    size_t count = (size_t)words->count, bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += words->lens[i];
    struct session_call *call =
        mem_new(sizeof *call + count * (sizeof *call->argv + sizeof *call->lens) + bytes);
    *call = (struct session_call){.sessions = sessions,
                                  .hold = hold,
                                  .take = take,
                                  .done = done,
                                  .ctx = ctx,
                                  .argc = words->count};
    call->argv = (const char **)(call + 1);
    call->lens = (size_t *)(call->argv + count);
    char *to = (char *)(call->lens + count);
    for (size_t i = 0; i < count; i++) {
        memcpy(to, words->at[i], words->lens[i]);
        call->argv[i] = to;
        call->lens[i] = words->lens[i];
        to += words->lens[i];
    }
    return call;
}

static void on_reply(void *ctx, const redis_reply *reply);

bool session_call_send(struct session_call *call) {
    const struct sessions *sessions = call->sessions;
    return library_ready(sessions->library) &&
           redis_command(sessions->redis, on_reply, call, call->argc, call->argv, call->lens) ==
               ERR_OK;
}

struct session_bytes session_call_word(const struct session_call *call, int at) {
    return (struct session_bytes){call->argv[at], call->lens[at]};
}

enum err session_call(struct sessions *sessions, const struct session_words *words,
                      session_take_fn *take, uint64_t hold, session_fn *done, void *ctx) {
    if (words->range)
        return ERR_RANGE;
    struct session_call *call = session_call_new(sessions, words, take, hold, done, ctx);
    if (session_call_send(call))
        return ERR_OK;
    free(call);
    return ERR_REDIS;
}

void session_call_defer(struct session_call *call) {
    DL_APPEND(call->sessions->again, call);
}

/* Tells whoever asked. A release goes on without him. */
static void tell(struct session_call *call, const struct session_view *view) {
    session_fn *done = call->done;

    call->done = NULL;
    if (done != NULL)
        done(call->ctx, view);
}

void session_call_release(struct sessions *sessions, const char *id, uint64_t number, unsigned ttl,
                          session_fn *done, void *ctx) {
    struct session_words words;

    session_words_begin(&words, "halley_session_release", id);
    session_words_hold(&words, sessions, number);
    session_words_number(&words, ttl);
    struct session_call *call =
        session_call_new(sessions, &words, session_take_nothing, 0, done, ctx);
    call->release = true;
    if (!session_call_send(call))
        DL_APPEND(sessions->again, call);
}

/* It is not known what became of the call, or it was refused: nobody holds by it any more. */
static void let_go(const struct session_call *call) {
    char id[SESSION_ID_TEXT];

    if (call->hold == 0)
        return;
    snprintf(id, sizeof id, "%.*s", (int)call->lens[SESSION_FIXED], call->argv[SESSION_FIXED]);
    session_call_release(call->sessions, id, call->hold, 0, NULL, NULL);
}

/* ---------------------------------------------------------------------------- answers */

static struct session_bytes bytes_of(const redis_reply *reply) {
    struct session_bytes bytes;
    bytes.at = redis_text(reply, &bytes.len);
    if (bytes.at == NULL)
        bytes.len = 0;
    return bytes;
}

static uint64_t count_of(const redis_reply *reply) {
    int64_t count = redis_integer(reply, 0);
    return count > 0 ? (uint64_t)count : 0;
}

/* The frames, which are the caller's to free(). */
static struct session_bytes *take_frames(const redis_reply *list, struct session_view *view) {
    view->frame_count = redis_count(list);
    struct session_bytes *frames = mem_new((view->frame_count + 1) * sizeof *frames);
    for (size_t i = 0; i < view->frame_count; i++)
        frames[i] = bytes_of(redis_item(list, i));
    view->frames = frames;
    return frames;
}

static struct session_bytes *take_view(const redis_reply *reply, struct session_view *view) {
    view->version = count_of(redis_item(reply, 1));
    view->dialect = bytes_of(redis_item(reply, 2));
    view->state = bytes_of(redis_item(reply, 3));
    view->cursor = bytes_of(redis_item(reply, 4));
    view->batch = count_of(redis_item(reply, 5));
    view->ping = redis_integer(redis_item(reply, 6), -1);
    view->again = redis_integer(redis_item(reply, 7), 0) != 0;
    view->waiting = count_of(redis_item(reply, 8));
    view->waiting_bytes = count_of(redis_item(reply, 9));
    view->reason = bytes_of(redis_item(reply, 11));
    view->until = bytes_of(redis_item(reply, 12));
    view->who = bytes_of(redis_item(reply, 13));
    view->ends = redis_integer(redis_item(reply, 14), 0);
    return take_frames(redis_item(reply, 10), view);
}

void session_take_nothing(const redis_reply *reply, struct session_view *view) {
    (void)reply, (void)view;
}

/* What an error means: that Redis serves nobody just now, or not this one call. */
static void take_error(struct sessions *sessions, const redis_reply *reply, char words[WORDS_MAX],
                       struct session_view *view) {
    size_t len;
    const char *text = redis_text(reply, &len);

    words_take(words, text, len);
    view->why = words;
    view->err = words_say_away(text) ? ERR_REDIS : ERR_REFUSED;
    if (view->err == ERR_REDIS)
        library_doubt(sessions->library, reply);
}

static void take_answer(struct session_call *call, const redis_reply *reply) {
    struct session_bytes *frames = NULL;
    struct session_view view = {.ping = -1};
    int64_t status = redis_integer(redis_item(reply, 0), -1);

    view.status = (enum session_status)status;
    if (status < 0 || status > SESSION_KEPT) {
        view.err = ERR_REFUSED;
        view.why = "its answer is not understood";
    } else if (status == SESSION_OK) {
        call->take(reply, &view);
    } else if (status == SESSION_CLOSED) {
        view.reason = bytes_of(redis_item(reply, 1));
    } else if (redis_count(reply) > 1) {
        frames = take_view(reply, &view);
    }
    if (view.err != ERR_OK)
        let_go(call);
    tell(call, &view);
    free(frames);
}

void session_call_marked(struct session_call *call, uint64_t batch) {
    const struct session_view view = {.status = SESSION_OK, .batch = batch, .ping = -1};

    tell(call, &view);
    free(call);
}

void session_call_reply(struct session_call *call, const redis_reply *reply) {
    struct sessions *sessions = call->sessions;
    struct session_view view = {.err = ERR_REDIS, .sent = reply == NULL, .ping = -1};
    char words[WORDS_MAX];

    bool missing = library_missing(sessions->library, reply);
    if (missing && !call->repeated) {
        call->repeated = true;
        DL_APPEND(sessions->again, call);
        return;
    }
    if (reply != NULL && !redis_is_error(reply)) {
        take_answer(call, reply);
        free(call);
        return;
    }
    if (reply != NULL && !missing)
        take_error(sessions, reply, words, &view);
    if (!missing)
        let_go(call);
    tell(call, &view);
    if (call->release && view.err == ERR_REDIS)
        DL_APPEND(sessions->again, call);
    else
        free(call);
}

static void on_reply(void *ctx, const redis_reply *reply) {
    session_call_reply(ctx, reply);
}

/* ------------------------------------------------------------------------- once more */

/* Tells whoever waits that it was not done. A release waits on. */
static void fail(struct session_call *call) {
    static const struct session_view away = {.err = ERR_REDIS, .ping = -1};

    let_go(call);
    tell(call, &away);
    if (call->release)
        DL_APPEND(call->sessions->again, call);
    else
        free(call);
}

/* Each that waits, once: what comes back to the list waits for the next time. */
static void each_again(struct sessions *sessions, bool resume) {
    struct session_call *waiting = sessions->again, *call, *next;

    sessions->again = NULL;
    DL_FOREACH_SAFE (waiting, call, next) {
        DL_DELETE(waiting, call);
        if (!resume || !session_call_send(call))
            fail(call);
    }
}

void sessions_resume(struct sessions *sessions) {
    each_again(sessions, true);
}

void session_call_give_up(struct sessions *sessions) {
    each_again(sessions, false);
}

void session_call_forget(struct sessions *sessions) {
    struct session_call *call, *next;

    DL_FOREACH_SAFE (sessions->again, call, next) {
        DL_DELETE(sessions->again, call);
        free(call);
    }
}
