/*
 * Sessions of polling clients, as they stand in Redis: a client that asks again and again, and
 * may meet another process each time. What must happen at once happens in a function library
 * of its own (core/redis/session.lua); here are its calls.
 *
 * A session holds positions, not messages: where its client stands in each of its channels. What
 * it is owed is read from the channels' history. Only what is its own (replies, echoes, control
 * frames) is kept for it, in order: its frames.
 *
 * A request that can carry messages HOLDS its session, under a number of the process
 * (session_number()) that the carrier puts into its table BEFORE it attaches, since a word
 * about it may come before the answer. It then looks for messages, and what it wants to send is
 * first marked by session_answer(): sent is only what that answered SESSION_OK to. The client's
 * next request says whether it arrived (`confirm`).
 *
 * What the processes say to each other comes on the process's own pub/sub channel
 * (session_channel()), to which the carrier's connection is subscribed from its start; its words
 * go through session_hear().
 *
 * Every time-out is in milliseconds of Redis's clock, and exact: a session of 300 is gone 300
 * after the call that said so, not later. Belongs to the loop's thread.
 */
#ifndef HALLEY_SESSION_H
#define HALLEY_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/data/names.h"
#include "core/redis/library.h"
#include "core/redis/redis.h"

struct sessions;

enum {
    SESSION_ID = 32,             /* digits of a session's name in Redis */
    SESSION_ID_TEXT = 33,        /* with the NUL */
    SESSION_DIALECT_MAX = 128,   /* bytes of `dialect` */
    SESSION_REQUEST_MAX = 128,   /* bytes of a request's id */
    SESSION_REASON_MAX = 256,    /* bytes of why a session is closed */
    SESSION_STATE_MAX = 65536,   /* bytes of a protocol's state */
    SESSION_CURSOR_MAX = 262144, /* bytes of positions */
    SESSION_FRAMES_MAX = 256,    /* frames that one change adds */
    SESSION_WHO_MAX = 16384,     /* bytes of who its client is */
    SESSION_UNPOLLED = 10000 /* milliseconds that a session lives that was opened and never polled;
                              * for a `loose` birth that is what holds, for others open's `ttl` */
};

/* Any bytes; {NULL, 0} is none. What a call is given is borrowed for the length of that call. */
struct session_bytes {
    const char *at;
    size_t len;
};

/*
 * Who a session's client is by a token: any words of whom, in which a user's name comes first and
 * ends with a NUL; Unix milliseconds from which on that says nothing more; and with what the
 * session is closed then, by Redis's clock, as by session_close(). No words: nobody that is to be
 * known by others.
 */
struct session_who {
    struct session_bytes words, reason;
    int64_t ends; /* 0: never */
};

enum session_status {
    SESSION_HELD,    /* attach, look: this request holds the session; the view is filled */
    SESSION_OPENED,  /* open, attach: there was none, it is made now (attach: and held, if asked) */
    SESSION_OK,      /* answer, change, release, close: done */
    SESSION_EXISTS,  /* open: it is there already, and left as it is */
    SESSION_GONE,    /* there is no such session (any more) */
    SESSION_CLOSED,  /* it is closed; `reason` says why, as session_close() was told */
    SESSION_BUSY,    /* attach: another request holds it, and its process lives */
    SESSION_LOST,    /* answer, look, release: somebody else holds it by now: send nothing */
    SESSION_CHANGED, /* answer: its state is not the one of `version`; the view is filled anew:
                      * nothing is marked, so render again and answer again */
    SESSION_CONFLICT, /* change: its state is not the one of `version`; the view is filled */
    SESSION_FULL,     /* change: its frames would be more than `max_backlog`; open, attach: there
                       * are `most` sessions already. Nothing is done */
    SESSION_FOREIGN,  /* attach, renew: it is another user's. Nothing is done */
    SESSION_KEPT      /* attach: its holder has its positions in memory, and has been told to write
                       * them down (SESSION_WORD_BACK): attach again in a few milliseconds;
                       * if that takes long, as SESSION_NEWEST */
};

/*
 * What a call was answered. Borrowed for the length of the callback.
 *
 * With SESSION_HELD and SESSION_CHANGED, and after attach SESSION_OPENED, all of it is filled;
 * with SESSION_CONFLICT `version`, `state`, `cursor`, `dialect`. With SESSION_OK: after change
 * `version`, `waiting`, `waiting_bytes`, `holder`; after answer `batch`; after close `holder`;
 * after count `sessions`.
 */
struct session_view {
    /*
     * ERR_OK: `status` counts. ERR_REDIS: Redis cannot be asked just now. ERR_REFUSED: it refuses
     * this one call, and `why` says it in its words
     */
    enum err err;
    const char *why; /* NUL-terminated, or NULL */
    bool sent;       /* with ERR_REDIS: it may have been done all the same */

    enum session_status status;
    struct session_bytes dialect;
    struct session_bytes state; /* of the protocol */
    uint64_t version;           /* of state and positions; at least 1 */
    /*
     * where to go on, a cursor (core/data/cursor.h); with HELD the client has everything
     * before it, but for a look at a session that is kept: there it is what was sent
     */
    struct session_bytes cursor;
    const struct session_bytes *frames; /* of its own that are to be sent, the oldest first */
    size_t frame_count;
    uint64_t batch;              /* number of the last answer; 0: there was none */
    struct session_bytes reason; /* not NULL beside SESSION_HELD: it is closed as soon as these
                                  * frames are sent; there are no positions any more */
    bool again;                  /* the last answer is taken for lost, and given again; or one
                                  * before it may be */
    /*
     * not NULL (beside `again`, with SESSION_SAME): answer at once with exactly what is between
     * `cursor` and these positions, and these frames: the client may yet have the first copy
     */
    struct session_bytes until;
    struct session_bytes
        who; /* its client, as struct session_who has the words; and when that ends */
    int64_t ends;
    int64_t ping;         /* milliseconds until its next ping is due, 0 if it is by now; -1:
                           * none is to be sent (there is no pulse, or its pong is awaited) */
    size_t waiting;       /* frames of its own that are not confirmed */
    size_t waiting_bytes; /* of those */
    bool holder;          /* a request that holds it has been told */
    uint64_t sessions;    /* that there are in this Redis, of all processes and dialects */
};
typedef void session_fn(void *ctx, const struct session_view *view);

/* --- life ---------------------------------------------------------------------- */

/*
 * Calls the functions of `library` (which must have been made with `sessions`), on `redis`. Both
 * are borrowed and outlive it; `prefix` too. The process's name is made here, from randomness.
 */
struct sessions *sessions_new(struct redis *redis, struct library *library, const char *prefix);

/* What is still asked is answered with ERR_REDIS where redis_free() did not do so. Safe on NULL. */
void sessions_free(struct sessions *sessions);

/* The library is there (again): what was not done for want of it is asked once more, and holds
 * that could not be released are. Called on the library's `ready`. */
void sessions_resume(struct sessions *sessions);

/* Sends what waits to be sent together. To be called before the loop sleeps. */
void sessions_flush(struct sessions *sessions);

/* The library is not to be had, or the connection is lost: whoever waits for it is told. */
void sessions_give_up(struct sessions *sessions);

/* Whether calls can be sent now. */
bool sessions_ready(const struct sessions *sessions);

/*
 * Writes the name under which a client's session stands in Redis, with its NUL: the client's id
 * may be any bytes, and the same id at another service is another session.
 */
void session_id(char out[SESSION_ID_TEXT], const char *service, size_t service_len,
                const char *client, size_t client_len);

/* A number for one more hold, never given before in this process; never 0. */
uint64_t session_number(struct sessions *sessions);

/* The name of the process's pub/sub channel, to be subscribed to before anything is attached. */
const char *session_channel(const struct sessions *sessions);

enum session_word {
    SESSION_WORD_NONE, /* not for us, or somebody else's text */
    SESSION_WORD_WAKE, /* something is there for this hold: session_look() */
    SESSION_WORD_OVER, /* a newer request has taken it, or the session was closed for there being
                        * two: answer with the dialect's empty answer or refusal. Not released */
    SESSION_WORD_BACK, /* another request wants what is kept in memory: session_write(), and keep
                        * it there no more; whether it is to have the session is said then */
    SESSION_WORD_COPY  /* the same request once more has taken it (SESSION_SAME). Which of them the
                        * client listens to is not known: break off without an answer, so that it
                        * asks a third time if it was this one. Not released */
};

/* What the other processes said on session_channel(); `*number` is the hold's. */
enum session_word session_hear(const struct sessions *sessions, const char *channel,
                               size_t channel_len, const char *text, size_t len, uint64_t *number);

/*
 * --- calls: ERR_REDIS if not ready, ERR_RANGE for what is longer than the numbers above: `done` is
 * then not called; else it is called once, later ---
 */

/* Of a session that is made. */
struct session_birth {
    struct session_bytes dialect; /* dialect and service, as the carrier likes */
    struct session_bytes state;   /* of the protocol */
    struct session_bytes cursor;  /* positions that it begins with */
    unsigned first_pulse;         /* milliseconds until its first ping is due; 0: it has no pulse */
    unsigned most;          /* sessions that there may be: beyond, SESSION_FULL; 0: any number */
    struct session_who who; /* open; session_attach() has its own */
    bool loose;             /* attach: a session that is made here is not held: the carrier
                             * answers at once without frames, and needs no release */
};

/* Makes a session that nobody holds yet: SESSION_OPENED, SESSION_EXISTS, SESSION_FULL. */
enum err session_open(struct sessions *sessions, const char *id, const struct session_birth *birth,
                      unsigned ttl, session_fn *done, void *ctx) MUST_CHECK;

enum session_policy {
    SESSION_NEWEST, /* the request that holds it is told `over`, this one takes it */
    SESSION_GENTLE, /* the same; but what that one keeps in memory is to be written down before:
                     * SESSION_KEPT */
    SESSION_KEEPS,  /* the same, and unless the view is `again` this one keeps it in memory from now
                     * on: it marks no answers, and says by session_write() where its client
                     * stands */
    SESSION_FIRST,  /* SESSION_BUSY while the one that holds it lives */
    SESSION_BOTH    /* both are over: the session is closed with `reason`: SESSION_CLOSED */
};

enum session_confirm {
    SESSION_NEXT, /* this request says by coming that the last answer came */
    SESSION_SAME, /* it did not if this request's `request` is the one that it was given to */
    SESSION_LATE, /* the same, of a request that was told SESSION_KEPT before: SESSION_LOST if
                   * it came once more meanwhile */
    SESSION_ACK   /* it did if `ack` is its number, or above */
};

struct session_attach {
    uint64_t number; /* session_number() */
    enum session_policy policy;
    enum session_confirm confirm;
    struct session_bytes request;      /* SESSION_SAME */
    uint64_t ack;                      /* SESSION_ACK */
    struct session_bytes reason;       /* SESSION_BOTH: why it is closed */
    const struct session_birth *birth; /* what to make where there is none; NULL: SESSION_GONE */
    struct session_who who; /* its client from now on, if that ends later; no words: as it was */
    unsigned ttl;           /* milliseconds from now */
};

/*
 * A request that can carry messages has come. Where the one that holds the session belongs to a
 * process that does not live any more, there is nobody who holds it.
 *   SESSION_HELD, SESSION_OPENED, SESSION_GONE, SESSION_CLOSED, SESSION_BUSY, SESSION_LOST,
 *   SESSION_FULL, SESSION_FOREIGN, SESSION_KEPT
 */
enum err session_attach(struct sessions *sessions, const char *id,
                        const struct session_attach *attach, session_fn *done,
                        void *ctx) MUST_CHECK;

/*
 * Looks again at a session that `number` holds, after a `wake`: SESSION_HELD with what is to be
 * sent beyond what was marked (where it is kept), SESSION_LOST, SESSION_GONE, SESSION_CLOSED.
 * Confirms nothing.
 */
enum err session_look(struct sessions *sessions, const char *id, uint64_t number, session_fn *done,
                      void *ctx) MUST_CHECK;

struct session_answer {
    uint64_t number;
    uint64_t version;             /* of the view that the answer was rendered from */
    struct session_bytes cursor;  /* all positions of the session as they are behind it; {NULL, 0}:
                                   * they stay, as they must where not all of the view's frames are
                                   * in it: frames come before what they belong to */
    size_t frames;                /* how many of the view's frames are in it, from the oldest */
    struct session_bytes request; /* its client's id for the request; with SESSION_SAME */
    bool keep;                    /* the request goes on (a stream): it still holds the session */
    unsigned ttl;                 /* milliseconds from now */
    unsigned pong_within;         /* a ping is in it: the session is gone in so many milliseconds
                                   * unless session_change() says `pong`, whatever else comes; 0 */
    bool together; /* it may wait for others with the same cursor, which are sent in one
                    * call: until sessions_flush(), or any other call */
};

/*
 * Marks what is about to be sent. SESSION_OK: send it now; the hold is over unless `keep`.
 * SESSION_CHANGED: render anew. SESSION_LOST, SESSION_GONE, SESSION_CLOSED: send nothing of it.
 * With ERR_REDIS send nothing either; the hold, if there still is one, is released by itself.
 */
enum err session_answer(struct sessions *sessions, const char *id,
                        const struct session_answer *answer, session_fn *done,
                        void *ctx) MUST_CHECK;

struct session_change {
    uint64_t version;           /* of the view that this change was made from; 0: of any */
    struct session_bytes state; /* the new one; {NULL, 0}: as it was ("" is {"", 0}) */
    struct session_bytes add;   /* positions that become the session's or are set anew, a cursor */
    struct session_bytes drop;  /* channels that it leaves: a cursor, whatever its positions are */
    const struct session_bytes *frames; /* that it gets, in front of everything of `add` */
    size_t frame_count;                 /* at most SESSION_FRAMES_MAX */
    size_t max_backlog;                 /* bytes that its frames may be; 0: no limit */
    unsigned pulse; /* a pong is in it, and the next ping is due in so many milliseconds; 0 */
    unsigned ttl;   /* milliseconds from now; 0: the time-out stays as it is */
};

struct session_write {
    uint64_t number;
    uint64_t version;             /* of the view that the positions follow */
    struct session_bytes cursor;  /* all positions that the client is known to have */
    struct session_bytes sent;    /* those behind the last answer; {NULL, 0}: it is confirmed */
    uint64_t batch;               /* the number of that answer */
    struct session_bytes request; /* its client's id for the request; or none */
    bool numbered;                /* `batch` of later answers says how far they went: so many
                                   * messages behind what is written here (carriers/bayeux/kept.h) */
    const struct session_bytes *requests; /* its client's ids of those that came meanwhile, the
                                           * oldest first: each was newer than all before it */
    size_t request_count;                 /* at most SESSION_FRAMES_MAX */
    enum session_keeping {
        SESSION_DONE, /* it is held no more */
        SESSION_HOLD, /* it is held, and not in memory: its answers are marked from now on */
        SESSION_KEEP  /* it is still kept in memory */
    } keeping;
    unsigned ttl; /* milliseconds from now */
};

/*
 * Says where the client of a session stands that is kept in memory (SESSION_KEEPS). SESSION_OK;
 * SESSION_CHANGED: write anew; SESSION_LOST, SESSION_GONE, SESSION_CLOSED. With ERR_REDIS it is not
 * known whether it was done: do it again.
 */
enum err session_write(struct sessions *sessions, const char *id, const struct session_write *write,
                       session_fn *done, void *ctx) MUST_CHECK;

/*
 * What a request with input did, in one atom. Whoever holds the session is woken.
 *   SESSION_OK, SESSION_CONFLICT, SESSION_FULL, SESSION_GONE, SESSION_CLOSED
 * To learn of a session what a change is to be made from: a change of nothing with a `version`
 * that none has (SESSION_PEEK) is SESSION_CONFLICT with the view.
 */
#define SESSION_PEEK UINT64_MAX
enum err session_change(struct sessions *sessions, const char *id,
                        const struct session_change *change, session_fn *done,
                        void *ctx) MUST_CHECK;

/*
 * Says anew who its client is. Whoever holds the session is woken, and finds it in its view.
 *   SESSION_OK, SESSION_FOREIGN, SESSION_GONE, SESSION_CLOSED
 */
enum err session_renew(struct sessions *sessions, const char *id, const struct session_who *who,
                       session_fn *done, void *ctx) MUST_CHECK;

/*
 * A hold ended with nothing sent: time over, the client gone. SESSION_OK, SESSION_LOST,
 * SESSION_GONE. With SESSION_SAME send the empty answer once it was SESSION_OK, else break off; and
 * never give an empty answer where there is an `until`. `ttl` as above; 0: as it is. `done` may be
 * NULL. What Redis cannot be told now it is told as soon as it can: this never fails. */
void session_release(struct sessions *sessions, const char *id, uint64_t number, unsigned ttl,
                     session_fn *done, void *ctx);

/*
 * Closes: whoever holds it is woken, and finds SESSION_CLOSED, its frames first. So do all later
 * ones for `ttl` milliseconds; with `once` only the first who is told, then it is SESSION_GONE.
 *   SESSION_OK, SESSION_CLOSED (it was closed already: the first reason stays), SESSION_GONE
 */
enum err session_close(struct sessions *sessions, const char *id, struct session_bytes reason,
                       bool once, unsigned ttl, session_fn *done, void *ctx) MUST_CHECK;

/*
 * Takes it away with everything of it, as where a WebSocket takes it over: by coming that says that
 * the last answer came. Whoever holds it is told `over`. SESSION_HELD with the view of what it was,
 * SESSION_GONE, SESSION_CLOSED.
 */
enum err session_remove(struct sessions *sessions, const char *id, session_fn *done,
                        void *ctx) MUST_CHECK;

/* How many sessions there are, of all processes: SESSION_OK. Where Redis has begun anew, or was
 * emptied, those that were not used since are not among them. */
enum err session_count(struct sessions *sessions, session_fn *done, void *ctx) MUST_CHECK;

#endif
