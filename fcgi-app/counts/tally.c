/*
 * Accounts. Those of transports are plain sums of this process. Those of tags
 * are collected here and added, every FLUSH seconds, to a hash in Redis that
 * expires: under mod_fcgid every request of a page may be served by another
 * process, so no process knows the sum by itself. Whoever sends requests invents tags, so
 * there are at most so many of them at a time, here and (halley_tally) in Redis.
 */
#include "fcgi-app/counts/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"

#define FLUSH      0.25
#define KEY_PREFIX "halley.tag:{tags}:"
#define KEY_ALL    "halley.tags:{tags}"
#define KEY_TTL    "900"

enum { FIELDS = sizeof(struct tally) / sizeof(int64_t) };

static const char *const field_names[] = {
#define FIELD_NAME(name) #name,
    TALLY_LIST(FIELD_NAME)
#undef FIELD_NAME
};

struct tag {
    UT_hash_handle hh;
    struct tallies *tallies;
    char name[TAG_MAX + 1];
    unsigned users;
    int64_t unsent[FIELDS];
};

struct tallies {
    struct ev_loop *loop;
    struct redis *redis;
    struct stats *stats;
    struct tally transports[TRANSPORTS_MAX];
    struct tag *tags;
    struct ev_timer flush;
};

bool tag_valid(const char *name, size_t len) {
    if (len == 0 || len > TAG_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '.' || c == '-' || c == '_';
        if (!plain)
            return false;
    }
    return true;
}

/* There were too many in Redis already, or it could not count: that is lost. */
static void on_counted(void *ctx, const redis_reply *reply) {
    struct stats *stats = ctx;
    if (reply != NULL)
        stats->tags_uncounted += redis_integer(reply, 0) == 0;
}

/* Adds what was spent to Redis. True: nothing is left to send. */
static bool send_tag(struct tag *tag) {
    enum { FIXED = 7 };
    char key[sizeof KEY_PREFIX + TAG_MAX], amounts[FIELDS][24];
    const char *argv[FIXED + 2 * FIELDS] = {"FCALL", "halley_tally", "2",      key,
                                            KEY_ALL, KEY_TTL,        tag->name};
    size_t lens[FIXED + 2 * FIELDS];
    int count = FIXED;

    snprintf(key, sizeof key, KEY_PREFIX "%s", tag->name);
    for (int i = 0; i < FIELDS; i++) {
        if (tag->unsent[i] == 0)
            continue;
        snprintf(amounts[i], sizeof amounts[i], "%lld", (long long)tag->unsent[i]);
        argv[count++] = field_names[i];
        argv[count++] = amounts[i];
    }
    for (int i = 0; i < count; i++)
        lens[i] = strlen(argv[i]);
    if (count == FIXED)
        return true;
    if (redis_command(tag->tallies->redis, on_counted, tag->tallies->stats, count, argv, lens) !=
        ERR_OK)
        return false;
    memset(tag->unsent, 0, sizeof tag->unsent);
    return true;
}

static void on_flush(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct tallies *tallies = timer->data;
    struct tag *tag, *next;
    (void)events;

    HASH_ITER (hh, tallies->tags, tag, next) {
        if (send_tag(tag) && tag->users == 0) {
            HASH_DEL(tallies->tags, tag);
            free(tag);
        }
    }
    if (tallies->tags == NULL)
        ev_timer_stop(loop, timer);
}

struct tallies *tallies_new(struct ev_loop *loop, struct redis *redis, struct stats *stats) {
    struct tallies *tallies = mem_new(sizeof *tallies);
    tallies->loop = loop;
    tallies->redis = redis;
    tallies->stats = stats;
    ev_init(&tallies->flush, on_flush);
    tallies->flush.repeat = FLUSH;
    tallies->flush.data = tallies;
    return tallies;
}

void tallies_free(struct tallies *tallies) {
    struct tag *tag, *next;

    if (tallies == NULL)
        return;
    HASH_ITER (hh, tallies->tags, tag, next) {
        send_tag(tag);
        HASH_DEL(tallies->tags, tag);
        free(tag);
    }
    ev_timer_stop(tallies->loop, &tallies->flush);
    free(tallies);
}

struct tag *tag_take(struct tallies *tallies, const char *name) {
    struct tag *tag;

    if (name == NULL || name[0] == '\0')
        return NULL;
    HASH_FIND_STR(tallies->tags, name, tag);
    if (tag == NULL) {
        if (HASH_COUNT(tallies->tags) >= TAGS_MAX) {
            tallies->stats->tags_uncounted++;
            return NULL;
        }
        tag = mem_new(sizeof *tag);
        tag->tallies = tallies;
        snprintf(tag->name, sizeof tag->name, "%s", name);
        HASH_ADD_STR(tallies->tags, name, tag);
    }
    tag->users++;
    if (!ev_is_active(&tallies->flush))
        ev_timer_again(tallies->loop, &tallies->flush);
    return tag;
}

void tag_release(struct tag *tag) {
    if (tag != NULL)
        tag->users--;
}

const char *tag_name(const struct tag *tag) {
    return tag != NULL ? tag->name : "";
}

void tag_add(struct tag *tag, const struct tally *spent) {
    int field = 0;

    if (tag == NULL)
        return;
#define ADD(name) tag->unsent[field++] += spent->name;
    TALLY_LIST(ADD)
#undef ADD
}

struct tally *tally_of_transport(struct tallies *tallies, size_t index) {
    return &tallies->transports[index < TRANSPORTS_MAX ? index : TRANSPORTS_MAX - 1];
}

void tally_write(const struct tally *tally, struct buf *out) {
    const char *separator = "";
#define PUT(name)                                                                                  \
    buf_printf(out, "%s\"%s\":%lld", separator, #name, (long long)tally->name);                    \
    separator = ",";
    TALLY_LIST(PUT)
#undef PUT
}

/* ----------------------------------------------------------------- reading a tag */

struct tag_question {
    char name[TAG_MAX + 1];
    void (*done)(void *ctx, const char *name, const struct tally *tally);
    void *ctx;
};

static void on_tag(void *ctx, const redis_reply *reply) {
    struct tag_question *question = ctx;
    struct tally tally = {0};
    size_t len;

    for (size_t i = 0; i + 1 < redis_count(reply); i += 2) {
        const char *name = redis_text(redis_item(reply, i), &len);
        const char *value = redis_text(redis_item(reply, i + 1), &len);
        if (name == NULL || value == NULL)
            continue;
#define TAKE(field)                                                                                \
    if (strcmp(name, #field) == 0)                                                                 \
        tally.field = strtoll(value, NULL, 10);
        TALLY_LIST(TAKE)
#undef TAKE
    }
    question->done(question->ctx, question->name, reply != NULL ? &tally : NULL);
    free(question);
}

enum err tag_read(struct tallies *tallies, const char *name,
                  void (*done)(void *ctx, const char *name, const struct tally *tally), void *ctx) {
    char key[sizeof KEY_PREFIX + TAG_MAX];
    struct tag *tag;

    snprintf(key, sizeof key, KEY_PREFIX "%s", name);
    HASH_FIND_STR(tallies->tags, name, tag);
    if (tag != NULL)
        send_tag(tag);
    struct tag_question *question = mem_new(sizeof *question);
    *question = (struct tag_question){.done = done, .ctx = ctx};
    snprintf(question->name, sizeof question->name, "%s", name);
    const char *argv[] = {"HGETALL", key};
    const size_t lens[] = {7, strlen(key)};
    enum err err = redis_command(tallies->redis, on_tag, question, 2, argv, lens);
    if (err != ERR_OK)
        free(question);
    return err;
}
