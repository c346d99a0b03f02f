/* The model's Redis: the functions of core/redis/halley.lua in a Lua of its own, on the tables
 * of model_redis.lua.
 */
#include <fnmatch.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/crypto.h"
#include "core/base/mem.h"
#include "tests/unit/model_world.h"

extern const char halley_lua[];
extern const size_t halley_lua_len;

void model_say(const struct world *world, const char *fmt, ...) {
    va_list args;
    if (!world->trace)
        return;
    va_start(args, fmt);
    printf("%10.6f ", (double)(world->clock % UINT64_C(1000000000000)) / 1e6);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

unsigned model_roll(const struct world *world, unsigned sides) {
    return world->dice->roll(world->dice->ctx, sides);
}

void model_complain(struct world *world, const char *fmt, ...) {
    va_list args;
    if (world->problem[0] != '\0')
        return;
    va_start(args, fmt);
    vsnprintf(world->problem, sizeof world->problem, fmt, args);
    va_end(args);
}

static struct world *world_of(lua_State *lua) {
    lua_getfield(lua, LUA_REGISTRYINDEX, "world");
    struct world *world = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    return world;
}

void model_write(struct worker *worker, enum news news, redisReply *reply, const char *channel,
                 const char *text) {
    struct letter *letter = mem_new(sizeof *letter);
    *letter = (struct letter){.news = news,
                              .reply = reply,
                              .channel = channel != NULL ? mem_string(channel) : NULL,
                              .text = text != NULL ? mem_string(text) : NULL,
                              .publish = worker->world->delivering};
    DL_APPEND(worker->letters, letter);
}

/* Whether one of the patterns to which a worker subscribes matches. */
static bool is_for(const struct worker *worker, const char *channel) {
    size_t count = 0;
    const char *const *patterns =
        worker->sequencer != NULL ? sequencer_patterns(worker->sequencer, &count) : NULL;

    for (size_t i = 0; i < count; i++) {
        if (fnmatch(patterns[i], channel, 0) == 0)
            return true;
    }
    return false;
}

static int lua_deliver(lua_State *lua) {
    struct world *world = world_of(lua);
    const char *channel = luaL_checkstring(lua, 1), *text = luaL_checkstring(lua, 2);
    static const char live[] = "halley.live:{";
    bool ours = strncmp(channel, "halley.", 7) == 0;
    int count = 0;

    if (strncmp(channel, live, strlen(live)) == 0)
        model_told(world, channel[strlen(live)] - 'a', text);

    for (int i = 0; i < WORKERS; i++) {
        struct worker *worker = &world->workers[i];
        bool hears = ours ? worker->subscribed && strcmp(channel, "halley.sequenced") == 0
                          : worker->pattern && is_for(worker, channel);
        count += ours ? 0 : worker->ghosts;
        if (!hears)
            continue;
        model_write(worker, MESSAGE, NULL, channel, text);
        count += !worker->nameless;
    }
    if (ours)
        model_say(world, "  tells %s %.60s", channel, text);
    lua_pushinteger(lua, count);
    return 1;
}

/* Those whom PUBSUB NUMSUB counts in the workers' channel. */
static int lua_subscribers(lua_State *lua) {
    struct world *world = world_of(lua);
    int count = 0;

    for (int i = 0; i < WORKERS; i++)
        count += world->workers[i].subscribed;
    lua_pushinteger(lua, count);
    return 1;
}

static int lua_clock(lua_State *lua) {
    lua_pushnumber(lua, (double)world_of(lua)->clock);
    return 1;
}

static int lua_sha1hex(lua_State *lua) {
    size_t len;
    const char *text = luaL_checklstring(lua, 1, &len);
    unsigned char digest[CRYPTO_SHA1];
    char hex[2 * CRYPTO_SHA1 + 1];

    crypto_sha1(text, len, digest);
    for (int i = 0; i < CRYPTO_SHA1; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    lua_pushstring(lua, hex);
    return 1;
}

/* The library is compiled once; each time that Redis loads it, its variables are new. */
static int lua_library(lua_State *lua) {
    lua_getfield(lua, LUA_REGISTRYINDEX, "library");
    lua_call(lua, 0, 0);
    return 0;
}

static int compile_library(lua_State *lua) {
    const char *line = strchr(halley_lua, '\n'); /* behind "#!lua name=halley" */
    int err =
        luaL_loadbuffer(lua, line, halley_lua_len - (size_t)(line - halley_lua), "halley.lua");
    if (err == 0)
        lua_setfield(lua, LUA_REGISTRYINDEX, "library");
    return err;
}

/* Calls a function of model_redis.lua that takes one text, or none, and gives nothing. */
void model_do(struct world *world, const char *name, const char *text) {
    lua_getglobal(world->lua, name);
    lua_pushstring(world->lua, text);
    if (lua_pcall(world->lua, 1, 0, 0))
        model_complain(world, "%s: %s", name, lua_tostring(world->lua, -1));
}

int model_aside(struct world *world) {
    lua_getglobal(world->lua, "aside");
    lua_call(world->lua, 0, 1);
    int count = (int)lua_objlen(world->lua, -1);
    for (int i = 0; i < world->published; i++)
        world->publishes[i].aside = false;
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(world->lua, -1, i);
        const char *item = lua_tostring(world->lua, -1); /* "<channel> <number>" */
        int number = atoi(item + 1);
        if (number >= 0)
            world->publishes[model_in(world, number, item[0] - 'a')].aside = true;
        lua_pop(world->lua, 1);
    }
    lua_settop(world->lua, 0);
    return count;
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

bool model_reports(const struct sent *sent) {
    return strcmp(sent->argv[1], "halley_lease") == 0 || strcmp(sent->argv[1], "halley_join") == 0;
}

redisReply *model_call(struct world *world, const struct sent *sent) {
    static const char oom[] = "OOM command not allowed";
    int keys = sent->argc > 2 ? atoi(sent->argv[2]) : 0;
    lua_State *lua = world->lua;

    if (world->refusing && !model_reports(sent))
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
        model_complain(world, "%s: %s", sent->argv[1], lua_tostring(lua, -1));
    redisReply *reply = reply_of(lua, lua_gettop(lua));
    lua_settop(lua, 0);
    return reply;
}

int model_in(const struct world *world, int number, int channel) {
    return world->publishes[number].channel == channel ? number : number + 1;
}

/* Publishes that, which goes to a channel, and to another, or -1. */
static void publish(struct world *world, const char *name, const char *text, int channel,
                    int other) {
    int first = world->published, count = 1 + (other >= 0);

    for (int i = 0; i < count; i++)
        world->publishes[first + i] = (struct publish){.channel = i == 0 ? channel : other,
                                                       .twin = i == 0 && other >= 0,
                                                       .odd = world->mixed && name[0] == 'o',
                                                       .process = world->process};
    world->published += count;
    world->delivering = first;
    lua_getglobal(world->lua, "publish");
    lua_pushstring(world->lua, name);
    lua_pushstring(world->lua, text);
    if (lua_pcall(world->lua, 2, 1, 0))
        model_complain(world, "publish: %s", lua_tostring(world->lua, -1));
    for (int i = 0; i < count; i++)
        world->publishes[first + i].answered = (int)lua_tointeger(world->lua, -1);
    lua_settop(world->lua, 0);
    world->delivering = -1;
    model_say(world, "PUBLISH %s %s: %d", name, text, world->publishes[first].answered);
}

static void publish_to_one(struct world *world, const char *lead, int channel) {
    char name[16], text[16];

    if (world->published + 1 > PUBLISHES)
        return;
    snprintf(name, sizeof name, "%s%c", lead, 'a' + channel);
    snprintf(text, sizeof text, "%d", world->published);
    publish(world, name, text, channel, -1);
}

static void publish_to_two(struct world *world, int channel) {
    int other = (channel + 1) % CHANNELS;
    char text[64];

    if (world->published + 2 > PUBLISHES)
        return;
    snprintf(text, sizeof text, "{\"channels\":[\"%c\",\"%c\"],\"data\":%d}", 'a' + channel,
             'a' + other, world->published);
    publish(world, "juggernaut", text, channel, other);
}

void model_publish_bare(struct world *world, int channel) {
    publish_to_one(world, "halley:", channel);
}

void model_publish(struct world *world) {
    int channel = (int)model_roll(world, CHANNELS);
    unsigned kind = model_roll(world, 4);

    if (kind < 2)
        model_publish_bare(world, channel);
    else if (kind == 2)
        publish_to_one(world, "other_", channel);
    else
        publish_to_two(world, channel);
}

void model_each_entry(struct world *world, void (*fn)(struct world *, int, int, unsigned long long,
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
                fn(world, channel, model_in(world, number, channel), epoch, n);
            lua_pop(lua, 1);
        }
        lua_settop(lua, 0);
    }
}

static lua_State *lua_new(struct world *world) {
    lua_State *lua = luaL_newstate();

    luaL_openlibs(lua);
    lua_register(lua, "deliver", lua_deliver);
    lua_register(lua, "subscribers", lua_subscribers);
    lua_register(lua, "clock", lua_clock);
    lua_register(lua, "sha1hex", lua_sha1hex);
    lua_register(lua, "library", lua_library);
    if (compile_library(lua) || luaL_dofile(lua, "tests/unit/model_redis.lua"))
        model_complain(world, "%s", lua_tostring(lua, -1));
    return lua;
}

/* One Lua serves all worlds; each of them begins with an empty Redis. */
void model_open_redis(struct world *world) {
    static lua_State *lua;

    if (lua == NULL)
        lua = lua_new(world);
    world->lua = lua;
    lua_pushlightuserdata(lua, world);
    lua_setfield(lua, LUA_REGISTRYINDEX, "world");
    model_do(world, "begin", "");
    model_do(world, "new_process", "0");
}
