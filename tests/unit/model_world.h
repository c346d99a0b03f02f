/* The inside of the model (model.h): the world, as its three files share it. */
#ifndef HALLEY_TESTS_MODEL_WORLD_H
#define HALLEY_TESTS_MODEL_WORLD_H

#include <hiredis/hiredis.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/config/config.h"
#include "tests/unit/model.h"
#include "worker/call.h"
#include "worker/porter.h"
#include "worker/sequencer.h"

enum { WORKERS = MODEL_WORKERS, CHANNELS = 3, LIVES = 64, PUBLISHES = 4096, WORDS = 64, ROOM = 24 };
#define LEASE 1.0 /* seconds */

struct sent { /* a call on its way to Redis, or its answer on the way back */
    struct sent *prev, *next;
    redis_reply_fn *answer;
    void *answer_ctx;
    int argc;
    char *argv[WORDS];
    size_t lens[WORDS];
    redisReply *reply;
};

enum news { JOINED, MESSAGE, UNSUBSCRIBED, CLOSED };

struct letter { /* what waits on a subscribed connection to be read */
    struct letter *prev, *next;
    enum news news;
    redisReply *reply;
    char *channel, *text;
    int publish; /* its number, or -1 */
};

enum ears { DEAF, CONNECTING, JOINING, HEARING, CLOSING };

struct worker {
    struct world *world;
    struct sequencer *sequencer; /* NULL: it does not run */
    int life;                    /* which of all that ever ran */
    bool stopped;
    bool draining;
    bool up;    /* its connection for calls */
    bool ready; /* and the functions are there */
    struct sent *calls, *answers;
    enum ears ears;
    bool subscribed, pattern; /* as Redis has it */
    bool unsubscribing;
    int ghosts;    /* connections that were lost, and Redis does not know it */
    bool nameless; /* it could not join: what it hears is nobody's */
    struct sent *join;
    struct letter *letters;
    uint64_t reported; /* when Redis heard of it last */
};

struct publish {
    int channel;
    bool odd;  /* not all workers listen to its pattern: it is nobody's where they stop to count */
    bool twin; /* the next is the same publish, in another channel */
    int answered;
    uint64_t heard; /* by which lives */
    unsigned process;
    bool late;   /* who heard it was away for longer than a lease */
    bool wiped;  /* Redis had it, and lost it */
    bool held;   /* it had no place yet when Redis was killed, and may find it in the next */
    bool again;  /* it may come late: Redis lost what it knew of it and of the workers */
    int entries; /* in the history */
    bool aside;  /* Redis has it, and may not put it there */
};

struct view { /* what who hears a channel live heard last: its id, and the publish */
    unsigned long long epoch, n;
    int number;
};

struct world {
    const struct dice *dice;
    struct model_counts *counts;
    bool trace;
    int most; /* workers at a time */
    lua_State *lua;
    struct config configs[2]; /* all workers have the first; in a mixed world some the other */
    bool mixed;
    struct worker workers[WORKERS];
    uint64_t clock; /* microseconds */
    int lives;
    uint64_t alive, left; /* which lives run, and which left in order */
    struct publish publishes[PUBLISHES];
    struct view views[CHANNELS];
    int published;
    int delivering; /* number of the bare publish that Redis is passing on, or -1 */
    unsigned process;
    bool wiped, refusing, uncounted;
    struct sent *orphans; /* calls of connections that were lost, not yet carried out */
    char problem[400];
};

/* --- model.c: the judge ------------------------------------------------------------- */

/* Those who hear a channel live are told: "<id> <at> <number of the publish>". */
void model_told(struct world *world, int channel, const char *text);

/* --- model_redis.c: what Redis does, and the words for it -------------------------- */

void model_say(const struct world *world, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
unsigned model_roll(const struct world *world, unsigned sides);

/* Something is wrong; the first complaint counts. */
void model_complain(struct world *world, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void model_open_redis(struct world *world);

/* Calls a function of model_redis.lua that takes one text, or none, and gives nothing. */
void model_do(struct world *world, const char *name, const char *text);

/* Notes which bare publishes Redis has set aside; returns how many, and gaps among them. */
int model_aside(struct world *world);

/* Carries out a call of a function; whether it is one by which a worker reports. */
redisReply *model_call(struct world *world, const struct sent *sent);
bool model_reports(const struct sent *sent);

/* A publish with the next number: bare, or as others do, in a channel or two, as the dice choose;
 * and a bare one on that channel. */
void model_publish(struct world *world);
void model_publish_bare(struct world *world, int channel);

/* The publish of that number as it is in a channel. */
int model_in(const struct world *world, int number, int channel);

/* Puts something on a worker's subscribed connection. */
void model_write(struct worker *worker, enum news news, redisReply *reply, const char *channel,
                 const char *text);

/* Calls fn(world, channel, number of the publish, epoch, n) for each entry, in order. */
void model_each_entry(struct world *world,
                      void (*fn)(struct world *, int, int, unsigned long long, unsigned long long));

/* --- model_worker.c: what a worker and its connections do --------------------------- */

void model_start(struct world *world, int which);
void model_end(struct worker *worker);
void model_on_drained(void *ctx);

/* What a worker's owner does between two events. */
void model_look_after(struct world *world, int which);

/* One step each; false: there is none. */
bool model_read_letter(struct world *world, int which);
bool model_read_answer(struct world *world, int which);
bool model_carry_out(struct world *world, int which);
bool model_carry_out_ears(struct world *world, int which);
bool model_connect(struct world *world, int which);

/* Connections break. */
void model_cut_ears(struct worker *worker);
void model_cut_calls(struct worker *worker, bool redis_lives);

void model_say_call(const struct world *world, const struct sent *sent, int who);
void model_sent_free(struct sent *sent);

#endif
