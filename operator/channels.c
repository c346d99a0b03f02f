/*
 * halley channels [PATTERN] [--limit N]: the channels that had a publish lately, or that somebody
 * waits on: how many wait, how many messages a second came in the last minute, how many are held.
 *
 * Names are those of `halley.channels`; who waits, the processes say (fcgi-app/hub/census.c). How
 * often messages came is read off their ids, which count: the first of the last minute is found by
 * halving, so it takes a few looks at single messages, and none at all of them.
 */
#include "operator/commands.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/collections.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/data/names.h"
#include "operator/channels.h"
#include "operator/show.h"

enum { LISTED = 1000, MINUTE_MS = 60000, WORD = 33, LINE = 2048 };

struct row {
    UT_hash_handle hh;
    uint64_t waiters;
    uint64_t held;
    double rate; /* messages a second */
    char name[CHANNEL_MAX + 1];
};

struct table {
    const char *pattern; /* fnmatch(3) */
    size_t limit;
    bool cut; /* there are more */
    struct row *rows;
    uint64_t now; /* by Redis's clock, in milliseconds */
};

/* ---------------------------------------------------------------------------- names */

static struct row *row_of(struct table *table, const char *name, size_t len) {
    struct row *row;

    HASH_FIND(hh, table->rows, name, len, row);
    if (row != NULL || len == 0 || len > CHANNEL_MAX)
        return row;
    char text[CHANNEL_MAX + 1];
    snprintf(text, sizeof text, "%.*s", (int)len, name);
    if (fnmatch(table->pattern, text, 0) != 0)
        return NULL;
    if (HASH_COUNT(table->rows) >= table->limit) {
        table->cut = true;
        return NULL;
    }
    row = mem_new(sizeof *row);
    memcpy(row->name, text, len);
    HASH_ADD(hh, table->rows, name[0], len, row);
    return row;
}

/* The last published first, so that these are in where there are too many. */
static void take_names(void *ctx, const redis_reply *reply) {
    size_t len;

    for (size_t i = 0; i < redis_count(reply); i++) {
        const char *name = redis_text(redis_item(reply, i), &len);
        if (name != NULL)
            row_of(ctx, name, len);
    }
}

static void take_time(void *ctx, const redis_reply *reply) {
    struct table *table = ctx;
    table->now = strtoull(redis_words(redis_item(reply, 0)), NULL, 10) * 1000 +
                 strtoull(redis_words(redis_item(reply, 1)), NULL, 10) / 1000;
}

/* --------------------------------------------------------------------------- waiters */

static void take_count(void *ctx, const redis_reply *reply) {
    *(int64_t *)ctx = redis_integer(reply, 0);
}

/* What one process said: lines of "<waiters> <channel>". */
static void take_counts(void *ctx, const redis_reply *reply) {
    struct table *table = ctx;
    const char *at = redis_words(redis_item(reply, 1));

    while (*at != '\0') {
        char *name;
        unsigned long waiters = strtoul(at, &name, 10);
        size_t len = strcspn(name, "\n");
        struct row *row = len > 1 ? row_of(table, name + 1, len - 1) : NULL;
        if (row != NULL)
            row->waiters += waiters;
        at = name + len + (name[len] == '\n');
    }
}

struct answer {
    struct table *table;
    bool came;
};

static void take_answer(void *ctx, const redis_reply *reply) {
    struct answer *answer = ctx;
    answer->came = redis_count(reply) == 2;
    take_counts(answer->table, reply);
}

static bool make_word(char out[WORD]) {
    unsigned char random[(WORD - 1) / 2];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        desk_complain("the system has no randomness");
        return false;
    }
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    return true;
}

/* Asks all processes, as many as heard it, and waits a second for each that is silent. */
static enum err ask_waiters(struct desk *desk, struct table *table) {
    char word[WORD], name[OWN_NAME_MAX], key[64];
    int64_t heard = 0;
    int64_t answered = 0;
    struct answer answer = {table, true};

    if (!make_word(word))
        return ERR_SYSTEM;
    names_own(name, desk->config->prefix, "census");
    snprintf(key, sizeof key, "halley.census:%s", word);
    const char *publish[] = {"PUBLISH", name, word}, *take[] = {"BLPOP", key, "1"};
    enum err err = desk_ask(desk, take_count, &heard, 3, publish, NULL);
    for (; err == ERR_OK && answered < heard && answer.came; answered += answer.came)
        err = desk_ask(desk, take_answer, &answer, 3, take, NULL);
    if (err == ERR_OK && answered < heard)
        desk_complain("%" PRId64 " of %" PRId64 " processes did not say who waits",
                      heard - answered, heard);
    return err;
}

enum err channels_waiting(struct desk *desk, const char *channel, uint64_t *waiters) {
    struct table table = {.pattern = channel, .limit = 1};
    enum err err = ask_waiters(desk, &table);

    *waiters = 0;
    if (table.rows != NULL) {
        *waiters = table.rows->waiters;
        free(table.rows);
    }
    return err;
}

/* ------------------------------------------------------------------------------ rate */

struct entry {
    bool there;
    struct position id;
    uint64_t at;
};

static void take_entry(void *ctx, const redis_reply *reply) {
    struct entry *entry = ctx;
    const redis_reply *fields = redis_item(redis_item(reply, 0), 1);
    size_t len;
    const char *id = redis_text(redis_item(redis_item(reply, 0), 0), &len);

    *entry = (struct entry){0};
    entry->there = id != NULL && position_parse(id, len, &entry->id) == ERR_OK;
    for (size_t i = 0; i + 1 < redis_count(fields); i += 2) {
        if (strcmp(redis_words(redis_item(fields, i)), "at") == 0)
            entry->at = strtoull(redis_words(redis_item(fields, i + 1)), NULL, 10);
    }
}

static void take_held(void *ctx, const redis_reply *reply) {
    int64_t held = redis_integer(reply, 0);
    *(uint64_t *)ctx = held > 0 ? (uint64_t)held : 0;
}

/* The first entry from `from` on; or, backwards, the last one. */
static enum err entry_at(struct desk *desk, const char *key, const char *from, bool last,
                         struct entry *entry) {
    const char *argv[] = {
        last ? "XREVRANGE" : "XRANGE", key, last ? "+" : from, last ? "-" : "+", "COUNT", "1"};
    return desk_try(desk, take_entry, entry, 6, argv);
}

/*
 * Finds the first number of the last one's epoch that is of the last minute: it is in
 * (`below`, `above`], and `above` is of it.
 */
static enum err first_since(struct desk *desk, const char *key, uint64_t since, struct entry last,
                            uint64_t below, uint64_t *above) {
    enum err err = ERR_OK;

    while (err == ERR_OK && *above - below > 1) {
        struct position middle = {last.id.epoch, below + (*above - below) / 2};
        char from[POSITION_TEXT];
        struct entry entry;
        position_format(middle, from);
        err = entry_at(desk, key, from, false, &entry);
        if (entry.there && entry.at >= since)
            *above = middle.n;
        else
            below = middle.n;
    }
    return err;
}

/* Where all that is held came within the minute, and more did that is not: by the time it spans. */
static double rate_of(const struct table *table, struct entry first, struct entry last,
                      uint64_t count) {
    double span = MINUTE_MS;

    if (first.at + MINUTE_MS > table->now && (first.id.n > 1 || first.id.epoch < last.id.epoch))
        span = (double)(table->now > first.at + 1000 ? table->now - first.at : 1000);
    return (double)count * 1000 / span;
}

static enum err look_at(struct desk *desk, struct table *table, struct row *row) {
    char key[DESK_KEY];
    const char *length[] = {"XLEN", key};
    uint64_t since = table->now > MINUTE_MS ? table->now - MINUTE_MS : 0;
    struct entry first = {0}, last = {0};

    desk_key(key, "history", row->name);
    enum err err = desk_try(desk, take_held, &row->held, 2, length);
    if (err != ERR_OK || row->held == 0)
        return err;
    err = entry_at(desk, key, "-", false, &first);
    if (err == ERR_OK)
        err = entry_at(desk, key, "", true, &last);
    if (err != ERR_OK || !last.there || last.at < since)
        return err;
    uint64_t begin = first.id.epoch == last.id.epoch ? first.id.n : 1, above = last.id.n;
    err = first_since(desk, key, since, last, begin > 0 ? begin - 1 : 0, &above);
    row->rate = rate_of(table, first, last, last.id.n - above + 1);
    return err;
}

/* --------------------------------------------------------------------------- writing */

static int by_name(const struct row *a, const struct row *b) {
    return strcmp(a->name, b->name);
}

static void show_json(const struct table *table) {
    struct buf line = buf_make(LINE);
    const char *separator = "[";

    for (const struct row *row = table->rows; row != NULL; row = row->hh.next) {
        buf_text(&line, separator);
        buf_text(&line, "{\"channel\":");
        json_quote(&line, row->name, strlen(row->name));
        buf_printf(&line, ",\"waiters\":%" PRIu64 ",\"rate\":%.2f,\"history\":%" PRIu64 "}",
                   row->waiters, row->rate, row->held);
        fwrite(line.data, 1, line.len, stdout);
        buf_clear(&line);
        separator = ",";
    }
    buf_text(&line, table->rows == NULL ? "[]" : "]");
    show_line(&line);
    buf_free(&line);
}

static void show_text(const struct table *table) {
    struct buf line = buf_make(LINE);

    printf("%8s %10s %8s  %s\n", "waiters", "messages/s", "history", "channel");
    for (const struct row *row = table->rows; row != NULL; row = row->hh.next) {
        buf_printf(&line, "%8" PRIu64 " %10.2f %8" PRIu64 "  ", row->waiters, row->rate, row->held);
        show_safe(&line, row->name, strlen(row->name), CHANNEL_MAX);
        show_line(&line);
    }
    buf_free(&line);
}

static void free_rows(struct table *table) {
    struct row *row, *next;

    HASH_ITER (hh, table->rows, row, next) {
        HASH_DEL(table->rows, row);
        free(row);
    }
}

static enum err collect(struct desk *desk, struct table *table) {
    const char *time[] = {"TIME"}, *names[] = {"ZREVRANGE", "halley.channels", "0", "-1"};
    enum err err = desk_ask(desk, take_time, table, 1, time, NULL);

    if (err == ERR_OK)
        err = desk_ask(desk, take_names, table, 4, names, NULL);
    if (err == ERR_OK)
        err = ask_waiters(desk, table);
    HASH_SORT(table->rows, by_name);
    for (struct row *row = table->rows; row != NULL && err == ERR_OK; row = row->hh.next)
        err = look_at(desk, table, row);
    return err;
}

int command_channels(struct desk *desk, const struct arguments *arguments) {
    struct table table = {.pattern = arguments->word_count > 1 ? arguments->words[1] : "*",
                          .limit = arguments->limit > 0 ? (size_t)arguments->limit : LISTED};
    enum err err = collect(desk, &table);

    if (err == ERR_OK) {
        (desk->json ? show_json : show_text)(&table);
        if (table.cut)
            desk_complain("there are more than %zu; --limit says how many to list", table.limit);
    }
    free_rows(&table);
    return err == ERR_OK ? DONE : FAILED;
}
