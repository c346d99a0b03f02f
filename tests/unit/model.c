#include "tests/unit/model.h"

#include <hiredis/hiredis.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/collections.h"
#include "core/mem.h"
#include "worker/sequencer.h"

extern const char halley_lua[];
extern const size_t halley_lua_len;

enum { WORKERS = MODEL_WORKERS, CHANNELS = 3, LIVES = 64, PUBLISHES = 4096, WORDS = 64, ROOM = 24 };
#define LEASE 1.0 /* seconds */

/* -------------------------------------------------------------------- the dice */

static unsigned roll_seed(void *ctx, unsigned sides) {
    struct seed_dice *seed = ctx;
    seed->state = seed->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed->state >> 33) % sides;
}

static bool more_seed(void *ctx) {
    struct seed_dice *seed = ctx;
    return seed->steps > 0 && seed->steps-- > 0;
}

struct dice dice_of_seed(struct seed_dice *seed, uint64_t number, unsigned steps) {
    *seed = (struct seed_dice){.state = number * 2654435761u + 1, .steps = steps};
    return (struct dice){.ctx = seed, .roll = roll_seed, .more = more_seed};
}

static unsigned roll_bytes(void *ctx, unsigned sides) {
    struct byte_dice *bytes = ctx;
    return bytes->at < bytes->end ? *bytes->at++ % sides : 0;
}

static bool more_bytes(void *ctx) {
    const struct byte_dice *bytes = ctx;
    return bytes->at < bytes->end;
}

struct dice dice_of_bytes(struct byte_dice *bytes, const uint8_t *data, size_t size) {
    *bytes = (struct byte_dice){.at = data, .end = data + size};
    return (struct dice){.ctx = bytes, .roll = roll_bytes, .more = more_bytes};
}

/* ------------------------------------------------------------------- the world */

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
    int answered;
    uint64_t heard; /* by which lives */
    unsigned process;
    bool late;   /* who heard it was away for longer than a lease */
    bool wiped;  /* Redis had it, and lost it */
    bool again;  /* it may come late: Redis lost what it knew of it and of the workers */
    int entries; /* in the history */
};

struct world {
    const struct dice *dice;
    struct model_counts *counts;
    bool trace;
    int most; /* workers at a time */
    lua_State *lua;
    struct config config;
    struct worker workers[WORKERS];
    uint64_t clock; /* microseconds */
    int lives;
    uint64_t alive, left; /* which lives run, and which left in order */
    struct publish publishes[PUBLISHES];
    int published;
    int delivering; /* number of the bare publish that Redis is passing on, or -1 */
    unsigned process;
    bool wiped, refusing, uncounted;
    struct sent *orphans; /* calls of connections that were lost, not yet carried out */
    char problem[400];
};

static void say(const struct world *world, const char *fmt, ...) {
    va_list args;
    if (!world->trace)
        return;
    va_start(args, fmt);
    printf("%10.6f ", (double)(world->clock % UINT64_C(1000000000000)) / 1e6);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

static unsigned roll(const struct world *world, unsigned sides) {
    return world->dice->roll(world->dice->ctx, sides);
}

static void complain(struct world *world, const char *fmt, ...) {
    va_list args;
    if (world->problem[0] != '\0')
        return;
    va_start(args, fmt);
    vsnprintf(world->problem, sizeof world->problem, fmt, args);
    va_end(args);
}

/* ------------------------------------------------------------------------ Redis */

static struct world *world_of(lua_State *lua) {
    lua_getfield(lua, LUA_REGISTRYINDEX, "world");
    struct world *world = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    return world;
}

static void write_letter(struct worker *worker, enum news news, redisReply *reply,
                         const char *channel, const char *text) {
    struct letter *letter = mem_new(sizeof *letter);
    *letter = (struct letter){.news = news,
                              .reply = reply,
                              .channel = channel != NULL ? mem_string(channel) : NULL,
                              .text = text != NULL ? mem_string(text) : NULL,
                              .publish = worker->world->delivering};
    DL_APPEND(worker->letters, letter);
}

static int lua_deliver(lua_State *lua) {
    struct world *world = world_of(lua);
    const char *channel = luaL_checkstring(lua, 1), *text = luaL_checkstring(lua, 2);
    bool bare = strncmp(channel, "halley:", 7) == 0;
    int count = 0;

    for (int i = 0; i < WORKERS; i++) {
        struct worker *worker = &world->workers[i];
        bool hears =
            bare ? worker->pattern : worker->subscribed && strcmp(channel, "halley.sequenced") == 0;
        count += bare ? worker->ghosts : 0;
        if (!hears)
            continue;
        write_letter(worker, MESSAGE, NULL, channel, text);
        count += !worker->nameless;
    }
    if (!bare)
        say(world, "  tells %s %.60s", channel, text);
    lua_pushinteger(lua, count);
    return 1;
}

static int lua_clock(lua_State *lua) {
    lua_pushnumber(lua, (double)world_of(lua)->clock);
    return 1;
}

static int lua_library(lua_State *lua) {
    const char *line = strchr(halley_lua, '\n'); /* behind "#!lua name=halley" */
    if (luaL_loadbuffer(lua, line, halley_lua_len - (size_t)(line - halley_lua), "halley.lua"))
        return lua_error(lua);
    lua_call(lua, 0, 0);
    return 0;
}

/* Calls a function of model_redis.lua that takes one text, or none, and gives nothing. */
static void redis_do(struct world *world, const char *name, const char *text) {
    lua_getglobal(world->lua, name);
    lua_pushstring(world->lua, text);
    if (lua_pcall(world->lua, 1, 0, 0))
        complain(world, "%s: %s", name, lua_tostring(world->lua, -1));
}

static redisReply *reply_new(int type, const char *text, size_t len) {
    redisReply *reply = calloc(1, sizeof *reply);
    reply->type = type;
    if (text != NULL) {
        reply->str = malloc(len + 1);
        memcpy(reply->str, text, len);
        reply->str[len] = '\0';
        reply->len = len;
    }
    return reply;
}

static redisReply *reply_of(lua_State *lua, int at) {
    size_t len;
    redisReply *reply;

    if (lua_type(lua, at) == LUA_TNUMBER) {
        reply = reply_new(REDIS_REPLY_INTEGER, NULL, 0);
        reply->integer = (long long)lua_tonumber(lua, at);
        return reply;
    }
    if (lua_type(lua, at) == LUA_TSTRING) {
        const char *text = lua_tolstring(lua, at, &len);
        return reply_new(REDIS_REPLY_STRING, text, len);
    }
    if (lua_type(lua, at) != LUA_TTABLE)
        return reply_new(REDIS_REPLY_NIL, NULL, 0);
    lua_getfield(lua, at, "err");
    if (lua_isstring(lua, -1)) {
        const char *text = lua_tolstring(lua, -1, &len);
        reply = reply_new(REDIS_REPLY_ERROR, text, len);
        lua_pop(lua, 1);
        return reply;
    }
    lua_pop(lua, 1);
    reply = reply_new(REDIS_REPLY_ARRAY, NULL, 0);
    reply->elements = lua_objlen(lua, at);
    reply->element = calloc(reply->elements + 1, sizeof(redisReply *));
    for (size_t i = 0; i < reply->elements; i++) {
        lua_rawgeti(lua, at, (int)i + 1);
        reply->element[i] = reply_of(lua, lua_gettop(lua));
        lua_pop(lua, 1);
    }
    return reply;
}

static bool reports(const struct sent *sent) {
    return strcmp(sent->argv[1], "halley_lease") == 0 || strcmp(sent->argv[1], "halley_join") == 0;
}

static redisReply *redis_call(struct world *world, const struct sent *sent) {
    static const char oom[] = "OOM command not allowed";
    int keys = sent->argc > 2 ? atoi(sent->argv[2]) : 0;
    lua_State *lua = world->lua;

    if (world->refusing && !reports(sent))
        return reply_new(REDIS_REPLY_ERROR, oom, strlen(oom));
    lua_getglobal(lua, "fcall");
    lua_pushstring(lua, sent->argv[1]);
    lua_newtable(lua);
    for (int i = 0; i < keys; i++) {
        lua_pushlstring(lua, sent->argv[3 + i], sent->lens[3 + i]);
        lua_rawseti(lua, -2, i + 1);
    }
    lua_newtable(lua);
    for (int i = 3 + keys; i < sent->argc; i++) {
        lua_pushlstring(lua, sent->argv[i], sent->lens[i]);
        lua_rawseti(lua, -2, i - 2 - keys);
    }
    if (lua_pcall(lua, 3, 1, 0) && !lua_istable(lua, -1))
        complain(world, "%s: %s", sent->argv[1], lua_tostring(lua, -1));
    redisReply *reply = reply_of(lua, lua_gettop(lua));
    lua_settop(lua, 0);
    return reply;
}

/* Redis hears of a worker: what that had heard may come late if it was away for a lease. */
static void note_report(struct worker *worker) {
    struct world *world = worker->world;
    struct letter *letter;
    bool away = world->clock - worker->reported > (uint64_t)(LEASE * 1e6) - 1000;

    worker->reported = world->clock;
    if (!away)
        return;
    for (int i = 0; i < world->published; i++) {
        if (world->publishes[i].heard & (UINT64_C(1) << worker->life))
            world->publishes[i].late = true;
    }
    DL_FOREACH (worker->letters, letter) {
        if (letter->publish >= 0)
            world->publishes[letter->publish].late = true;
    }
}

static void say_call(const struct world *world, const struct sent *sent, int who) {
    char line[400] = "";
    if (!world->trace)
        return;
    for (int i = 1; i < sent->argc && strlen(line) < 300; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %.40s", sent->argv[i]);
    say(world, "w%d:%s", who, line);
}

/* ---------------------------------------------------------------------- workers */

static void sent_free(struct sent *sent) {
    for (int i = 0; i < sent->argc; i++)
        free(sent->argv[i]);
    if (sent->reply != NULL)
        freeReplyObject(sent->reply);
    free(sent);
}

static void letter_free(struct letter *letter) {
    if (letter->reply != NULL)
        freeReplyObject(letter->reply);
    free(letter->channel);
    free(letter->text);
    free(letter);
}

static struct sent *sent_new(const struct call *call) {
    struct sent *sent = mem_new(sizeof *sent);
    sent->argc = call->argc;
    for (int i = 0; i < call->argc; i++) {
        sent->argv[i] = mem_copy(call->argv[i], call->lens[i]);
        sent->lens[i] = call->lens[i];
    }
    return sent;
}

static double on_now(void *ctx) {
    const struct worker *worker = ctx;
    return (double)worker->world->clock / 1e6;
}

static bool on_send(void *ctx, redis_reply_fn *answer, void *answer_ctx, const struct call *call) {
    struct worker *worker = ctx;
    if (!worker->ready)
        return false;
    struct sent *sent = sent_new(call);
    sent->answer = answer;
    sent->answer_ctx = answer_ctx;
    DL_APPEND(worker->calls, sent);
    return true;
}

static void on_refused(void *ctx, const redis_reply *error) {
    struct worker *worker = ctx;
    if (strstr(((const redisReply *)error)->str, "unction not found") != NULL)
        worker->ready = false;
}

static void drop_letters(struct worker *worker) {
    while (worker->letters != NULL) {
        struct letter *letter = worker->letters;
        DL_DELETE(worker->letters, letter);
        letter_free(letter);
    }
}

/* Redis has nobody there any more. What it wrote may still be read, up to some letter. */
static void unsubscribe_all(struct worker *worker) {
    worker->subscribed = worker->pattern = worker->unsubscribing = false;
    if (worker->join != NULL)
        sent_free(worker->join);
    worker->join = NULL;
}

static void close_ears(struct worker *worker) {
    unsubscribe_all(worker);
    drop_letters(worker);
    worker->ears = DEAF;
}

/* The connection breaks: the last letters, or none, or all are lost. */
static void cut_ears(struct worker *worker) {
    struct letter *letter, *next;
    unsigned kept = 0, count = 0;

    unsubscribe_all(worker);
    DL_FOREACH (worker->letters, letter) {
        count++;
    }
    kept = count > 0 ? roll(worker->world, count + 1) : 0;
    DL_FOREACH_SAFE (worker->letters, letter, next) {
        if (kept > 0) {
            kept--;
            continue;
        }
        DL_DELETE(worker->letters, letter);
        letter_free(letter);
    }
    worker->world->delivering = -1;
    write_letter(worker, CLOSED, NULL, NULL, NULL);
}

/* What was sent and not carried out may still be, later; whoever sent it is not told. */
static void lose_calls(struct worker *worker, bool redis_lives) {
    struct world *world = worker->world;
    bool keeps = redis_lives && roll(world, 2) == 0;

    while (worker->answers != NULL || worker->calls != NULL) {
        struct sent **list = worker->answers != NULL ? &worker->answers : &worker->calls;
        struct sent *sent = *list;
        DL_DELETE(*list, sent);
        if (sent->answer != NULL && worker->sequencer != NULL)
            sent->answer(sent->answer_ctx, NULL);
        sent->answer = NULL;
        if (keeps && sent->reply == NULL)
            DL_APPEND(world->orphans, sent);
        else
            sent_free(sent);
    }
}

static void cut_calls(struct worker *worker, bool redis_lives) {
    bool was = worker->up;
    worker->up = worker->ready = false;
    lose_calls(worker, redis_lives);
    if (was && worker->sequencer != NULL)
        sequencer_down(worker->sequencer);
}

static void start(struct world *world, int which) {
    struct worker *worker = &world->workers[which];
    const struct link link = {.ctx = worker, .now = on_now, .send = on_send, .refused = on_refused};

    if (which >= world->most || worker->sequencer != NULL || world->lives == LIVES)
        return;
    *worker = (struct worker){.world = world, .life = world->lives++, .reported = world->clock};
    worker->sequencer = sequencer_new(&world->config, &link, ROOM);
    world->alive |= UINT64_C(1) << worker->life;
    say(world, "w%d starts", which);
}

static void end(struct worker *worker) {
    struct world *world = worker->world;
    struct sequencer *sequencer = worker->sequencer;

    worker->up = worker->ready = false;
    lose_calls(worker, true); /* as the connection does when it is freed */
    worker->sequencer = NULL;
    worker->ghosts = 0;
    close_ears(worker);
    sequencer_free(sequencer);
    world->alive &= ~(UINT64_C(1) << worker->life);
}

static void on_drained(void *ctx) {
    struct worker *worker = ctx;
    worker->world->left |= UINT64_C(1) << worker->life;
}

static void look_after(struct world *world, int which) {
    struct worker *worker = &world->workers[which];

    if (worker->sequencer == NULL || worker->stopped)
        return;
    if (world->left & (UINT64_C(1) << worker->life)) {
        say(world, "w%d has left", which);
        end(worker);
        return;
    }
    bool wants = sequencer_wants_to_hear(worker->sequencer);
    if (worker->ears == HEARING && !wants) {
        worker->ears = CLOSING;
        worker->unsubscribing = true;
    } else if (worker->ears == CONNECTING && !wants) {
        worker->ears = DEAF;
    } else if (worker->ears == DEAF && wants && worker->ready) {
        worker->ears = CONNECTING;
    }
    if ((double)world->clock / 1e6 >= sequencer_due(worker->sequencer) || roll(world, 2) == 0)
        sequencer_tick(worker->sequencer);
}

static bool read_letter(struct world *world, int which) {
    struct worker *worker = &world->workers[which];
    struct letter *letter = worker->letters;

    if (letter == NULL || worker->sequencer == NULL || worker->stopped)
        return false;
    DL_DELETE(worker->letters, letter);
    if (letter->news == JOINED) {
        if (sequencer_joined(worker->sequencer, letter->reply)) {
            worker->ears = HEARING;
            worker->ghosts = 0; /* it has them ended */
        } else {
            close_ears(worker);
        }
    } else if (letter->news == MESSAGE) {
        say(world, "w%d hears %s %s", which, letter->channel, letter->text);
        if (letter->publish >= 0) {
            world->publishes[letter->publish].heard |= UINT64_C(1) << worker->life;
            world->counts->heard++;
        }
        if (!sequencer_heard(worker->sequencer, letter->channel, strlen(letter->channel),
                             letter->text, strlen(letter->text))) {
            if (letter->publish >= 0)
                world->publishes[letter->publish].heard &= ~(UINT64_C(1) << worker->life);
            say(world, "w%d has no room", which);
            world->counts->full++;
            close_ears(worker);
            sequencer_deaf(worker->sequencer, true);
        }
    } else {
        bool cut = letter->news == CLOSED;
        say(world, "w%d is deaf%s", which, cut ? ", cut" : "");
        world->counts->cuts += cut;
        close_ears(worker);
        sequencer_deaf(worker->sequencer, cut);
    }
    letter_free(letter);
    return true;
}

static bool read_answer(struct world *world, int which) {
    struct worker *worker = &world->workers[which];
    struct sent *sent = worker->answers;

    if (sent == NULL || worker->sequencer == NULL || worker->stopped)
        return false;
    DL_DELETE(worker->answers, sent);
    if (sent->answer != NULL)
        sent->answer(sent->answer_ctx, (const redis_reply *)sent->reply);
    sent_free(sent);
    return true;
}

/* Redis carries out the next thing that this worker sent. */
static bool carry_out(struct world *world, int which) {
    struct worker *worker = &world->workers[which];
    struct sent *sent = worker->calls;

    if (sent == NULL)
        return false;
    DL_DELETE(worker->calls, sent);
    say_call(world, sent, which);
    sent->reply = redis_call(world, sent);
    if (reports(sent) && sent->reply->type != REDIS_REPLY_ERROR)
        note_report(worker);
    if (sent->reply->type == REDIS_REPLY_ERROR)
        say(world, "  -%s", sent->reply->str);
    else if (sent->reply->type == REDIS_REPLY_ARRAY)
        say(world, "  %s", sent->reply->element[0]->str ? sent->reply->element[0]->str : "?");
    DL_APPEND(worker->answers, sent);
    return true;
}

static bool carry_out_ears(struct world *world, int which) {
    struct worker *worker = &world->workers[which];

    world->delivering = -1;
    if (worker->unsubscribing) {
        worker->pattern = worker->unsubscribing = false;
        write_letter(worker, UNSUBSCRIBED, NULL, NULL, NULL);
        return true;
    }
    if (worker->ears == CONNECTING && !worker->stopped && worker->sequencer != NULL) {
        struct call call;
        if (!worker->ready) {
            worker->ears = DEAF;
            return true;
        }
        sequencer_join(worker->sequencer, &call);
        worker->join = sent_new(&call);
        worker->ears = JOINING;
        return true;
    }
    if (worker->join == NULL)
        return false;
    struct sent *join = worker->join;
    worker->join = NULL;
    say_call(world, join, which);
    redisReply *reply = redis_call(world, join);
    worker->nameless = reply->type == REDIS_REPLY_ERROR;
    if (!worker->nameless)
        note_report(worker);
    write_letter(worker, JOINED, reply, NULL, NULL);
    worker->subscribed = worker->pattern = true;
    sent_free(join);
    return true;
}

static bool connect_calls(struct world *world, int which) {
    struct worker *worker = &world->workers[which];

    if (worker->sequencer == NULL || worker->stopped || worker->ready)
        return false;
    if (!worker->up) {
        worker->up = true;
    } else {
        redis_do(world, "load_functions", "");
        worker->ready = true;
        sequencer_up(worker->sequencer);
    }
    return true;
}

/* ----------------------------------------------------------------- what happens */

static void publish(struct world *world) {
    char channel[16], text[16];
    struct publish *publish = &world->publishes[world->published];

    if (world->published == PUBLISHES)
        return;
    publish->channel = (int)roll(world, CHANNELS);
    publish->process = world->process;
    snprintf(channel, sizeof channel, "halley:%c", 'a' + publish->channel);
    snprintf(text, sizeof text, "%d", world->published);
    world->delivering = world->published++;
    lua_getglobal(world->lua, "publish");
    lua_pushstring(world->lua, channel);
    lua_pushstring(world->lua, text);
    if (lua_pcall(world->lua, 2, 1, 0))
        complain(world, "publish: %s", lua_tostring(world->lua, -1));
    publish->answered = (int)lua_tointeger(world->lua, -1);
    lua_settop(world->lua, 0);
    world->delivering = -1;
    say(world, "PUBLISH %s %s: %d", channel, text, publish->answered);
}

/* Calls fn(world, channel, number of the publish, epoch, n) for each entry, in order. */
static void each_entry(struct world *world, void (*fn)(struct world *, int, int, unsigned long long,
                                                       unsigned long long)) {
    lua_State *lua = world->lua;
    for (int channel = 0; channel < CHANNELS; channel++) {
        char name[2] = {(char)('a' + channel), '\0'};
        lua_getglobal(lua, "history");
        lua_pushstring(lua, name);
        lua_call(lua, 1, 1);
        for (size_t i = 1; i <= lua_objlen(lua, 1); i++) {
            unsigned long long epoch, n;
            int number;
            lua_rawgeti(lua, 1, (int)i);
            if (sscanf(lua_tostring(lua, -1), "%llu-%llu %d", &epoch, &n, &number) == 3)
                fn(world, channel, number, epoch, n);
            lua_pop(lua, 1);
        }
        lua_settop(lua, 0);
    }
}

static void count_entry(struct world *world, int channel, int number, unsigned long long epoch,
                        unsigned long long n) {
    (void)channel, (void)epoch, (void)n;
    world->publishes[number].entries++;
}

static void count_entries(struct world *world) {
    for (int i = 0; i < world->published; i++)
        world->publishes[i].entries = 0;
    each_entry(world, count_entry);
}

/* Redis is killed and comes back: with its data, with what it had some time ago, or empty. */
static void restart(struct world *world) {
    static const char *const data[] = {"", "restore", "wipe"};
    unsigned how = roll(world, 8);
    char run[32];

    how = how < 6 ? 0 : how - 5;
    say(world, "Redis restarts%s%s", how ? ": " : "", data[how]);
    count_entries(world);
    for (int i = 0; i < world->published; i++)
        world->publishes[i].wiped |= world->publishes[i].entries > 0;
    for (int i = 0; i < WORKERS; i++) {
        cut_calls(&world->workers[i], false);
        world->workers[i].ghosts = 0;
        if (world->workers[i].ears >= JOINING)
            cut_ears(&world->workers[i]);
    }
    while (world->orphans != NULL) {
        struct sent *sent = world->orphans;
        DL_DELETE(world->orphans, sent);
        sent_free(sent);
    }
    world->process++;
    world->wiped |= how > 0;
    snprintf(run, sizeof run, "%08x", world->process);
    redis_do(world, "new_process", run);
    if (how > 0)
        redis_do(world, data[how], "");
    count_entries(world);
    for (int i = 0; i < world->published; i++)
        world->publishes[i].wiped &= world->publishes[i].entries == 0;
    for (int i = 0; i < world->published; i++)
        world->publishes[i].again |= how > 0; /* nor does Redis know for whom to wait */
    world->counts->restarts++;
}

/* Mostly little, sometimes longer than a lease. */
static void pass_time(struct world *world) {
    static const unsigned spans[] = {100,  100,  100,   100,   1000,  1000,   1000,   5000,
                                     5000, 5000, 20000, 20000, 50000, 100000, 200000, 1500000};
    world->clock += 1 + roll(world, 200) * (uint64_t)spans[roll(world, 16)] / 200;
}

static void kill_worker(struct world *world, int which) {
    if (world->workers[which].sequencer == NULL)
        return;
    say(world, "w%d is killed", which);
    end(&world->workers[which]);
}

static void hurt(struct world *world, int which) {
    struct worker *worker = &world->workers[which];

    switch (roll(world, 16)) {
    case 0:
        restart(world);
        break;
    case 1:
    case 2:
    case 3:
        if (worker->ears >= JOINING) {
            say(world, "w%d: subscription cut", which);
            worker->ghosts += roll(world, 4) == 0 && worker->pattern;
            cut_ears(worker);
        }
        break;
    case 4:
    case 5:
        if (!worker->stopped && worker->up) {
            say(world, "w%d: calls cut", which);
            cut_calls(worker, true);
        }
        break;
    case 6:
        kill_worker(world, which);
        break;
    case 7:
    case 8:
        worker->stopped = worker->sequencer != NULL && !worker->stopped;
        say(world, "w%d %s", which, worker->stopped ? "is stopped" : "goes on");
        break;
    case 9:
        if (worker->sequencer != NULL && !worker->stopped && !worker->draining) {
            say(world, "w%d is told to leave", which);
            worker->draining = true;
            sequencer_drain(worker->sequencer, on_drained, worker);
        }
        break;
    case 10:
        world->refusing = !world->refusing;
        say(world, "Redis %s", world->refusing ? "is out of memory" : "has memory");
        break;
    case 11:
        say(world, "functions are gone");
        world->uncounted = true;
        redis_do(world, "flush_functions", "");
        break;
    case 12:
        world->uncounted = true;
        redis_do(world, "reset_statistics", "");
        break;
    case 13:
        redis_do(world, "save", "");
        break;
    case 14:
        for (int i = 0; i < WORKERS; i++) {
            if (world->workers[i].ears >= JOINING)
                cut_ears(&world->workers[i]);
        }
        say(world, "all subscriptions cut");
        break;
    default:
        worker->ghosts = 0;
    }
}

/* One round in which everything that can be done is done, by everybody who is not stopped. */
static void work(struct world *world) {
    world->clock += 5000;
    for (int i = 0; i < WORKERS; i++) {
        look_after(world, i);
        connect_calls(world, i);
        while (carry_out_ears(world, i))
            ;
        while (read_letter(world, i))
            ;
        while (carry_out(world, i))
            ;
        while (read_answer(world, i))
            ;
    }
}

/* One thing, of the many that may be next. */
static void step(struct world *world) {
    int which = (int)roll(world, (unsigned)world->most);
    unsigned what = roll(world, 100);

    if (what < 18) {
        publish(world);
    } else if (what < 38) {
        read_letter(world, which);
    } else if (what < 56) {
        carry_out(world, which);
    } else if (what < 70) {
        read_answer(world, which);
    } else if (what < 76) {
        carry_out_ears(world, which);
    } else if (what < 80) {
        connect_calls(world, which);
    } else if (what < 89) {
        pass_time(world);
    } else if (what < 92) {
        start(world, which);
    } else if (what < 94 && world->orphans != NULL) {
        struct sent *sent = world->orphans;
        DL_DELETE(world->orphans, sent);
        say_call(world, sent, -1);
        freeReplyObject(redis_call(world, sent));
        sent_free(sent);
    } else if (what < 97) {
        work(world);
    } else {
        hurt(world, which);
    }
    for (int i = 0; i < WORKERS; i++)
        look_after(world, i);
}

/* ------------------------------------------------------------------ rest and judge */

static bool at_rest(const struct world *world) {
    bool leads = false;
    for (int i = 0; i < WORKERS; i++) {
        const struct worker *worker = &world->workers[i];
        if (worker->sequencer == NULL)
            continue;
        leads |= sequencer_leads(worker->sequencer);
        if (sequencer_queued(worker->sequencer) > 0 || worker->letters != NULL ||
            worker->ears != HEARING || worker->calls != NULL || worker->answers != NULL)
            return false;
    }
    return leads;
}

static void come_to_rest(struct world *world) {
    int live = 0;

    world->refusing = false;
    for (int i = 0; i < WORKERS; i++)
        world->workers[i].stopped = false;
    for (int i = 0; i < WORKERS; i++)
        live += world->workers[i].sequencer != NULL && !world->workers[i].draining;
    for (int i = 0; live == 0 && i < WORKERS; i++) {
        if (world->workers[i].sequencer == NULL) {
            int most = world->most;
            world->lives -= world->lives == LIVES; /* one more than there may be */
            world->most = WORKERS;
            start(world, i);
            world->most = most;
            live++;
        }
    }
    for (int i = 0; i < 4000 && !at_rest(world) && world->problem[0] == '\0'; i++)
        work(world);
    if (!at_rest(world))
        complain(world, "it does not come to rest");
}

struct judge {
    int last; /* number of the last publish that was in time */
    unsigned long long epoch, n;
    int from;  /* all before this one were judged */
    bool hole; /* a gap was told since then */
};
static struct judge judge;
static int judged_channel;

/* Publishes of the channel between two that are in history: are they lost, and was that told? */
static void judge_between(struct world *world, int from, int to, bool told) {
    for (int i = from; i < to; i++) {
        const struct publish *p = &world->publishes[i];
        if (p->channel != judged_channel || p->entries > 0 || p->wiped)
            continue;
        if (p->heard & world->alive)
            complain(world, "%d is lost, though a worker that lives heard it", i);
        world->counts->lost++;
        if (p->answered > 0 && !told && p->process == world->process && !world->wiped)
            complain(world, "%d is lost, and nobody is told", i);
    }
}

static void judge_entry(struct world *world, int channel, int number, unsigned long long epoch,
                        unsigned long long n) {
    const struct publish *p = &world->publishes[number];

    if (channel != judged_channel)
        return;
    world->counts->history++;
    world->counts->holes += epoch == judge.epoch && n != judge.n + 1;
    if (p->entries > 1)
        complain(world, "%d is there %d times", number, p->entries);
    judge.hole |= epoch != judge.epoch || n != judge.n + 1;
    judge.epoch = epoch;
    judge.n = n;
    if (p->late || p->again) {
        world->counts->late++;
        return;
    }
    if (number < judge.last)
        complain(world, "%d is behind %d", number, judge.last);
    judge_between(world, judge.from, number, judge.hole || judge.from == 0);
    judge.hole = false;
    judge.last = number;
    judge.from = number + 1;
}

static void judge_all(struct world *world) {
    count_entries(world);
    for (judged_channel = 0; judged_channel < CHANNELS; judged_channel++) {
        judge = (struct judge){.last = -1};
        each_entry(world, judge_entry);
        judge_between(world, judge.from, world->published, false);
    }
    if (world->counts->holes > 0 && !world->uncounted &&
        world->counts->lost + world->counts->late == 0 && !world->wiped)
        complain(world, "a gap was told, and nothing is lost");
}

/* A publish on each channel, and all at rest: the channels are known, and the last hole seen. */
static void publish_everywhere(struct world *world) {
    for (int i = 0; i < CHANNELS; i++) {
        struct publish *last = &world->publishes[world->published];
        int before = world->published;
        publish(world);
        if (world->published > before)
            last->late = false;
    }
}

static unsigned roll_channels(void *ctx, unsigned sides) {
    unsigned *at = ctx;
    return (*at)++ % sides;
}

static void publish_and_rest(struct world *world) {
    unsigned at = 0;
    const struct dice in_turn = {.ctx = &at, .roll = roll_channels};
    const struct dice *dice = world->dice;

    come_to_rest(world);
    world->dice = &in_turn;
    publish_everywhere(world);
    world->dice = dice;
    come_to_rest(world);
}

static void open_world(struct world *world) {
    static char prefix[] = "halley", all[] = "*";
    static struct channel_policy policy = {
        .pattern = all, .history = 1000, .ttl = 3600, .max_message = 65536};

    world->clock = UINT64_C(1700000000000000);
    world->delivering = -1;
    world->config = (struct config){.lease = (int)(LEASE * 1000),
                                    .meta_ttl = 604800,
                                    .prefix = prefix,
                                    .channels = &policy,
                                    .channel_count = 1};
    world->lua = luaL_newstate();
    luaL_openlibs(world->lua);
    lua_pushlightuserdata(world->lua, world);
    lua_setfield(world->lua, LUA_REGISTRYINDEX, "world");
    lua_register(world->lua, "deliver", lua_deliver);
    lua_register(world->lua, "clock", lua_clock);
    lua_register(world->lua, "library", lua_library);
    if (luaL_dofile(world->lua, "tests/unit/model_redis.lua"))
        complain(world, "%s", lua_tostring(world->lua, -1));
    redis_do(world, "new_process", "0");
    for (int i = 0; i < WORKERS; i++)
        world->workers[i].world = world;
    for (int i = 0; i < 2; i++)
        start(world, i);
}

static void close_world(struct world *world) {
    for (int i = 0; i < WORKERS; i++) {
        if (world->workers[i].sequencer != NULL)
            end(&world->workers[i]);
    }
    while (world->orphans != NULL) {
        struct sent *sent = world->orphans;
        DL_DELETE(world->orphans, sent);
        sent_free(sent);
    }
    lua_close(world->lua);
}

const char *model_run(const struct dice *dice, int workers, struct model_counts *counts,
                      bool trace) {
    static struct world world;
    static char problem[sizeof world.problem];

    *counts = (struct model_counts){0};
    world = (struct world){.dice = dice, .counts = counts, .trace = trace, .most = workers};
    open_world(&world);
    publish_and_rest(&world);
    redis_do(&world, "save", "");
    while (dice->more(dice->ctx) && world.problem[0] == '\0')
        step(&world);
    say(&world, "and all come to rest");
    publish_and_rest(&world);
    if (world.problem[0] == '\0')
        judge_all(&world);
    counts->published = (unsigned)world.published;
    close_world(&world);
    memcpy(problem, world.problem, sizeof problem);
    return problem[0] != '\0' ? problem : NULL;
}
