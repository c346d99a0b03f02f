/*
 * The model: one channel in a Redis of a few fields, two connections as queues, a clock that
 * only the story moves, and the hub as a few subscribers. It is included whole by the unit
 * test and by the fuzz target; what it defines of libev, core/redis/redis, core/redis/history,
 * core/config/config and core/base/log takes the place of those modules.
 */
#include "tests/model/feed_model.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/mem.h"
#include "core/config/config.h"
#include "core/data/names.h"
#include "core/follow/feed.h"
#include "core/redis/history.h"
#include "core/redis/page.h"
#include "core/redis/redis.h"

enum {
    TAIL = 16,     /* messages that a feed keeps, and reads at once */
    LOG_MAX = 600, /* messages of a story */
    QUEUE_MAX = 4096,
    READS_MAX = 64,
    TIMERS_MAX = 8,
    SUBS = 3,
    FORGED = 0 /* in the place of a message's number */
};

#define CHANNEL   "chat"
#define FIRST_DAY UINT64_C(1000000)
#define STEP      0.01 /* seconds that the clock goes on at once */
#define PAUSE     0.02 /* seconds after which a read needs no other reason */

struct feed_model_seen feed_model_seen;

static const char *story;

__attribute__((format(printf, 2, 3), noreturn)) static void fail(int line, const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "feed_model:%d: ", line);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, " (%s)\n", story);
    va_end(args);
    abort();
}

#define must(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail(__LINE__, __VA_ARGS__);                                                           \
    } while (0)

/* --------------------------------------------------------------------- the clock */

static double now;
static struct ev_timer *timers[TIMERS_MAX];

ev_tstamp ev_now(struct ev_loop *loop) {
    (void)loop;
    return now;
}

void ev_timer_stop(struct ev_loop *loop, ev_timer *timer) {
    (void)loop;
    if (timer->active)
        timer->at -= now;
    timer->active = 0;
    for (size_t i = 0; i < TIMERS_MAX; i++)
        timers[i] = timers[i] == timer ? NULL : timers[i];
}

/* `at` is the time of the clock while a timer runs, else how long it will, as libev has it. */
void ev_timer_start(struct ev_loop *loop, ev_timer *timer) {
    ev_timer_stop(loop, timer);
    timer->active = 1;
    timer->at += now;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        if (timers[i] == NULL) {
            timers[i] = timer;
            return;
        }
    }
    fail(__LINE__, "too many timers");
}

void ev_timer_again(struct ev_loop *loop, ev_timer *timer) {
    timer->at = timer->repeat;
    ev_timer_start(loop, timer);
}

static void run_timers(void) {
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        struct ev_timer *timer = timers[i];
        if (timer == NULL || timer->at > now)
            continue;
        if (timer->repeat > 0)
            timer->at = now + timer->repeat;
        else
            ev_timer_stop(NULL, timer);
        timer->cb(NULL, timer, EV_TIMER);
    }
}

/* ------------------------------------------------------------------ what Redis is */

struct entry {
    struct position id;
    size_t number; /* of the message, from 1 on */
};

struct answer {
    char since[POSITION_TEXT];
    unsigned limit;
    history_page_fn *done;
    void *ctx;
    bool executed;
    struct history_page page;
};

enum word { CONFIRM_ON, CONFIRM_OFF, REFUSAL, MESSAGE };
struct said {
    enum word word;
    char text[96];
};

/* What somebody did, before Redis came to it. */
enum command { SUBSCRIBE, UNSUBSCRIBE };

static struct {
    uint64_t clock;   /* milliseconds */
    bool counts;      /* there is a counter */
    bool same_run;    /* which this process of Redis keeps */
    bool silent_hole; /* a number was given since the last message, and announced to nobody */
    uint64_t epoch, n;
    uint64_t started, born; /* of this process; as the functions know it */
    uint64_t began;         /* the least epoch of a place that nothing was behind */
    bool born_kept;         /* halley.reign says it to functions that are loaded later */
    bool honest;            /* nobody forges in this story */
    size_t keeps;           /* messages of history */
    struct entry held[LOG_MAX];
    size_t held_count;
    struct position log[LOG_MAX]; /* every number that was given, by the message's number less 1 */
    bool holes[LOG_MAX];          /* of the same: no message has it */
    size_t log_count;
    size_t gone;   /* numbers that nobody can tell of any more, being deleted with the counter */
    size_t shaken; /* numbers that were given before something happened to the channel */
    bool subscribed, refuses, up, ready;
    enum command commands[QUEUE_MAX];
    size_t command_count;
    struct said said[QUEUE_MAX];
    size_t said_from, said_to;
    struct answer reads[READS_MAX];
    size_t read_count;
    double tokens; /* reads that there was a reason for */
} server;

static struct position place(void) {
    uint64_t epoch = server.clock;

    if (server.epoch >= epoch)
        epoch = server.epoch + 1;
    if (server.held_count > 0 && server.held[server.held_count - 1].id.epoch >= epoch)
        epoch = server.held[server.held_count - 1].id.epoch + 1;
    return (struct position){epoch, 0};
}

static void say(enum word word, const char *text) {
    if (word == MESSAGE && !server.subscribed)
        return;
    if (server.said_to == QUEUE_MAX)
        return; /* a long story: nothing more is said in it */
    server.said[server.said_to].word = word;
    snprintf(server.said[server.said_to++].text, sizeof server.said[0].text, "%s", text);
}

static void say_message(struct position id, size_t number) {
    char at[POSITION_TEXT], text[96];

    position_format(id, at);
    snprintf(text, sizeof text, "%s 1 %zu", at, number);
    say(MESSAGE, text);
}

/* The next number, given in this epoch or in a new one. */
static struct position give(void) {
    if (!server.counts || !server.same_run) {
        uint64_t behind =
            server.held_count > 0 ? server.held[server.held_count - 1].id.epoch + 1 : 0;
        server.epoch = place().epoch;
        server.n = 0;
        server.began = behind > server.born ? behind : server.born;
        server.counts = server.same_run = true;
    }
    server.n++;
    server.holes[server.log_count] = false;
    server.log[server.log_count++] = (struct position){server.epoch, server.n};
    server.tokens += 2;
    return server.log[server.log_count - 1];
}

static void drop_first(void *list, size_t *count, size_t size) {
    char *bytes = list;

    --*count;
    for (size_t i = 0; i < *count * size; i++)
        bytes[i] = bytes[i + size];
}

/* What happens now may cost whoever is there a gap. */
static void shake(void);

static void trim(void) {
    if (server.held_count > server.keeps)
        shake();
    while (server.held_count > server.keeps)
        drop_first(server.held, &server.held_count, sizeof server.held[0]);
}

static void publish(void) {
    if (server.log_count == LOG_MAX)
        return;
    struct position id = give();
    server.held[server.held_count++] = (struct entry){id, server.log_count};
    trim();
    server.silent_hole = false;
    say_message(id, server.log_count);
    feed_model_seen.published++;
}

/* A number is given to no message: somebody may have lost one. */
static void leave_hole(bool announced) {
    char text[POSITION_TEXT];

    if (server.log_count == LOG_MAX)
        return;
    position_format(give(), text);
    server.holes[server.log_count - 1] = true;
    shake();
    if (announced)
        say(MESSAGE, text);
    server.silent_hole = server.silent_hole || !announced;
    feed_model_seen.holes++;
}

/* ------------------------------------------------------------------ what it reads */

static void page_add(struct history_page *page, const struct entry *entry) {
    char text[24];
    int len = snprintf(text, sizeof text, "%zu", entry->number);

    page->messages = mem_resize(page->messages, (page->count + 1) * sizeof(struct message *));
    page->messages[page->count++] =
        message_new(CHANNEL, strlen(CHANNEL), entry->id, 1, text, (size_t)len);
}

/* Takes what is held behind `from`, and notes the first hole behind the expected place. */
static void collect(struct history_page *page, struct position from, struct position before,
                    size_t limit) {
    struct position last = before;

    for (size_t i = 0; i < server.held_count; i++) {
        const struct entry *entry = &server.held[i];
        if (position_compare(entry->id, from) <= 0)
            continue;
        if (page->count == limit) {
            page->more = true;
            return;
        }
        if (position_compare(position_before(entry->id), last) != 0 && !page->gap) {
            page->gap = true;
            page->hole = page->count;
        }
        last = entry->id;
        page_add(page, entry);
    }
    if (!page->gap && position_compare(last, page->tail) != 0) {
        page->gap = true;
        page->hole = page->count;
    }
}

/* halley_read (core/redis/halley.lua). */
static void read_page(struct history_page *page, const char *since, size_t limit) {
    struct position at = {0}, tail = {server.epoch, server.n};

    *page = (struct history_page){.tail = server.counts && server.same_run ? tail : place()};
    if (strcmp(since, "now") == 0)
        return;
    must(position_parse(since, strlen(since), &at) == ERR_OK, "since: %s", since);
    if (server.counts)
        page->tail = tail;
    if (!server.counts) {
        bool behind = server.held_count > 0 &&
                      position_compare(server.held[server.held_count - 1].id, at) > 0;
        if (at.n == 0 && !behind)
            page->tail = at;
        else
            collect(page, at, at, limit);
    } else if (at.epoch == server.epoch) {
        if (at.n < server.n)
            collect(page, at, at, limit);
        page->gap = page->gap || at.n > server.n;
    } else if (at.epoch < server.epoch) {
        bool before = at.n == 0 && at.epoch >= server.began;
        collect(page, at, before ? (struct position){server.epoch, 0} : at, limit);
    } else if (at.n == 0 && !server.same_run && at.epoch >= server.born) {
        page->tail = at;
    } else {
        page->gap = true;
    }
    if (page->gap && page->count == 0 && server.counts && !server.same_run)
        page->tail = place();
}

/* --------------------------------------------------------------- its connections */

enum err redis_subscribe(struct redis *redis, const char *channel, size_t len, bool pattern) {
    (void)redis, (void)channel, (void)len, (void)pattern;
    if (!server.up)
        return ERR_REDIS;
    must(server.command_count < QUEUE_MAX, "it subscribes for ever");
    server.commands[server.command_count++] = SUBSCRIBE;
    return ERR_OK;
}

enum err redis_unsubscribe(struct redis *redis, const char *channel, size_t len, bool pattern) {
    (void)redis, (void)channel, (void)len, (void)pattern;
    if (!server.up)
        return ERR_REDIS;
    must(server.command_count < QUEUE_MAX, "it unsubscribes for ever");
    server.commands[server.command_count++] = UNSUBSCRIBE;
    return ERR_OK;
}

enum err history_read(struct history *history, const char *channel, size_t channel_len,
                      const char *since, unsigned limit, size_t bytes, size_t longest,
                      history_page_fn *done, void *ctx) {
    (void)history, (void)channel, (void)channel_len, (void)bytes, (void)longest;
    if (!server.ready)
        return ERR_REDIS;
    must(server.read_count < READS_MAX, "reads are asked for without end");
    server.tokens--;
    must(server.tokens >= 0, "a read without a reason or a pause");
    feed_model_seen.reads++;
    struct answer *read = &server.reads[server.read_count++];
    *read = (struct answer){.limit = limit, .done = done, .ctx = ctx};
    snprintf(read->since, sizeof read->since, "%s", since);
    return ERR_OK;
}

/* Not asked for here: pages and live texts are made without replies. */
const char *redis_text(const redis_reply *reply, size_t *len) {
    (void)reply;
    *len = 0;
    return NULL;
}

int64_t redis_integer(const redis_reply *reply, int64_t fallback) {
    (void)reply;
    return fallback;
}

size_t redis_count(const redis_reply *reply) {
    (void)reply;
    return 0;
}

const redis_reply *redis_item(const redis_reply *reply, size_t index) {
    (void)reply, (void)index;
    return NULL;
}

/* A story is not a log. */
void log_line(enum log_level level, const char *event, const char *fmt, ...) {
    (void)level, (void)event, (void)fmt;
}

bool log_allowed(struct log_limit *limit, double at, unsigned long *suppressed) {
    (void)limit, (void)at;
    *suppressed = 0;
    return true;
}

const struct channel_policy *config_channel(const struct config *config, const char *name,
                                            size_t len) {
    static const struct channel_policy policy;
    (void)config, (void)name, (void)len;
    return &policy;
}

/* -------------------------------------------------------------------- subscribers */

static struct follow_counts counts;
static struct config config = {.tail = TAIL, .linger = 1, .prefix = (char[]){"halley"}};
static struct feeds *feeds;
static struct feed *feed; /* NULL while nobody subscribes */

static struct sub {
    bool on, begun;
    bool shaken; /* something happened since it began that a gap may be owed for */
    struct position at;
    unsigned confirmed;
    size_t last;            /* the number of the last message that it had, or is not owed */
    bool gap;               /* told since */
    bool fooled;            /* had a forged message since */
    bool owed;              /* went over a message because of that: a gap is to follow */
    struct position forged; /* where it stood when it was fooled */
} subs[SUBS];

static void shake(void) {
    for (size_t i = 0; i < SUBS; i++)
        subs[i].shaken = true;
    server.shaken = server.log_count;
}

static bool fooled; /* the last message that the feed has is forged */

/* How many numbers were given up to a place. */
static size_t given_up_to(struct position at) {
    size_t count = 0;
    while (count < server.log_count && position_compare(server.log[count], at) <= 0)
        count++;
    return count;
}

/* Payloads are numbers, without an end byte. */
static size_t number_of(const struct message *message) {
    char text[24];

    snprintf(text, sizeof text, "%.*s", (int)message->payload_len, message->payload);
    return (size_t)strtoul(text, NULL, 10);
}

static void show(struct sub *sub, const struct message *message) {
    size_t number = number_of(message);

    if (getenv("FEED_TRACE") != NULL)
        fprintf(stderr, "    subscriber %d is told %zu, %llu-%llu\n", (int)(sub - subs), number,
                (unsigned long long)message->id.epoch, (unsigned long long)message->id.n);
    must(position_compare(message->id, sub->at) > 0, "%zu is told again, or too late", number);
    sub->at = message->id;
    if (number == FORGED) {
        feed_model_seen.fooled++;
        if (!sub->fooled && !sub->owed)
            sub->forged = message->id;
        sub->fooled = true;
        return;
    }
    if (number <= server.gone) {
        sub->gap = false;
        return; /* it is remembered here */
    }
    must(number > sub->last, "%zu is told behind %zu", number, sub->last);
    if (number != sub->last + 1 && !sub->gap && sub->fooled)
        sub->owed = true;
    else
        must(number == sub->last + 1 || sub->gap, "%zu follows %zu without a gap", number,
             sub->last);
    sub->last = number;
    sub->gap = sub->fooled = false;
}

static void tell_gap(struct sub *sub) {
    must(sub->shaken || !server.honest, "a gap is told, and nothing is missing");
    sub->gap = true;
    sub->owed = false;
    feed_model_seen.gaps++;
}

/* The hub reads the history for it. */
static void fetch(struct sub *sub) {
    struct history_page page;
    char since[POSITION_TEXT];

    position_format(sub->at, since);
    read_page(&page, since, LOG_MAX);
    for (size_t i = 0; i < page.count; i++) {
        bool hole =
            page.gap && (i == page.hole ||
                         (i > page.hole && position_compare(position_before(page.messages[i]->id),
                                                            page.messages[i - 1]->id) != 0));
        if (hole)
            tell_gap(sub);
        show(sub, page.messages[i]);
    }
    if (page.gap && (page.count == 0 || position_compare(sub->at, page.tail) != 0))
        tell_gap(sub); /* behind the last one */
    sub->at = page.tail;
    sub->confirmed = feed_resets(feed);
    page_free(&page);
}

static size_t most(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Whether a gap may be owed to who begins at this place: not all of what happened is known there,
 * or it is the place of an earlier process. */
static bool may_miss(struct position at) {
    size_t known = given_up_to(at);
    return known < server.shaken || (known == server.shaken && at.n > 0) || at.epoch < server.born;
}

static void look(struct sub *sub) {
    if (!sub->begun) {
        sub->begun = true;
        sub->at = feed_position(feed);
        sub->confirmed = feed_resets(feed);
        sub->last = most(given_up_to(sub->at), server.gone);
        sub->gap = false;
        sub->shaken = may_miss(sub->at);
        sub->forged = sub->at;
        sub->fooled = fooled; /* it begins behind what others were told */
    }
    if ((sub->fooled || sub->owed) && feed_after(feed, position_before(sub->forged)) < 0)
        tell_gap(sub), sub->fooled = false; /* the feed remembers only its tail */
    if (sub->confirmed == feed_resets(feed) && position_compare(sub->at, feed_position(feed)) > 0)
        return;
    if (feed_after(feed, sub->at) < 0)
        fetch(sub);
    long from = feed_after(feed, sub->at), to = feed_after(feed, feed_shown(feed));
    for (long i = from; from >= 0 && i < to; i++)
        show(sub, feed_at(feed, i));
}

static void leave(struct sub *sub) {
    *sub = (struct sub){0};
    feed_release(feed);
    for (size_t i = 0; i < SUBS; i++) {
        if (subs[i].on)
            return;
    }
    feed = NULL;
}

static void look_all(void) {
    for (size_t i = 0; i < SUBS && feed != NULL; i++) {
        if (subs[i].on && !feed_live(feed) && feed_refusal(feed) != NULL)
            leave(&subs[i]); /* its request is answered 503, its stream ends */
        else if (subs[i].on && feed_live(feed))
            look(&subs[i]);
    }
}

static void on_message(void *ctx, struct feed *of, const struct message *message) {
    (void)ctx, (void)of;
    fooled = number_of(message) == FORGED;
}

static void on_moved(void *ctx, struct feed *of) {
    (void)ctx, (void)of;
}

static void on_misled(void *ctx, struct feed *of, struct position from, struct position to) {
    (void)ctx, (void)of;
    for (size_t i = 0; i < SUBS; i++) {
        struct sub *sub = &subs[i];
        if (!sub->begun || position_compare(sub->at, from) <= 0 ||
            position_compare(sub->at, to) > 0)
            continue;
        sub->at = from;
        sub->last = given_up_to(from) < sub->last ? given_up_to(from) : sub->last;
        tell_gap(sub);
    }
    feed_model_seen.misled++;
}

static const struct feeds_events events = {
    .message = on_message, .moved = on_moved, .refused = on_moved, .misled = on_misled};

/* --------------------------------------------------------------------- what happens */

/* What nobody can notice: a forged message was the last, and its number is given meanwhile. */
static void excuse(void) {
    for (size_t i = 0; i < SUBS; i++) {
        if (fooled || subs[i].fooled || subs[i].owed)
            tell_gap(&subs[i]);
    }
    fooled = false;
}

static bool at_end(struct position at) {
    return at.epoch == server.epoch && at.n == server.n;
}

/*
 * Somebody publishes into our name. The next numbers are forged one by one, and where the
 * feed knows all: what a forged one has taken the place of may be far away else, and a
 * feed remembers only its tail.
 */
static void forge(unsigned how, unsigned what) {
    struct position redis = {server.epoch, server.n};
    struct position at = feed != NULL ? feed_position(feed) : redis;
    const struct position ids[] = {{at.epoch, at.n + 1},
                                   {at.epoch, at.n + 2 + what % 5},
                                   {at.epoch + 1 + what, 1},
                                   {(UINT64_C(1) << 53) - 1, what},
                                   {at.epoch - 1 - what % 9, 3},
                                   {at.epoch, at.n},
                                   {at.epoch, at.n > 2 ? at.n - 2 : 0},
                                   {FIRST_DAY + what, 1}};

    if (server.honest)
        return;
    how %= sizeof ids / sizeof ids[0];
    if (how < 2 && !at_end(at))
        return;
    for (size_t i = 0; i < server.log_count; i++) {
        if (server.holes[i] && position_compare(server.log[i], ids[how]) == 0)
            return; /* nobody can tell what takes the place of a message that never was */
    }
    say_message(ids[how], FORGED);
    feed_model_seen.forged++;
}

static void execute_command(void) {
    if (server.command_count == 0)
        return;
    enum command command = server.commands[0];
    drop_first(server.commands, &server.command_count, sizeof command);
    if (command == SUBSCRIBE && server.refuses) {
        say(REFUSAL, "");
        return;
    }
    server.subscribed = command == SUBSCRIBE;
    say(command == SUBSCRIBE ? CONFIRM_ON : CONFIRM_OFF, "");
}

static void hear(void) {
    static const char name[] = "halley.live:{" CHANNEL "}";
    size_t len = strlen(name);

    if (server.said_from == server.said_to)
        return;
    const struct said *said = &server.said[server.said_from++];
    if (getenv("FEED_TRACE") != NULL)
        fprintf(stderr, "    hears %d %s\n", said->word, said->text);
    switch (said->word) {
    case CONFIRM_ON:
        server.tokens += 2;
        feeds_subscribed(feeds, name, len, true);
        break;
    case CONFIRM_OFF:
        feeds_subscribed(feeds, name, len, false);
        break;
    case REFUSAL:
        feed_model_seen.refused++;
        feeds_refused(feeds, name, len, "NOPERM");
        break;
    case MESSAGE:
        feeds_message(feeds, name, len, said->text, strlen(said->text));
        break;
    }
}

static void execute_read(void) {
    for (size_t i = 0; i < server.read_count; i++) {
        struct answer *read = &server.reads[i];
        if (!read->executed) {
            read->executed = true;
            read_page(&read->page, read->since, read->limit);
            return;
        }
    }
}

static void answer_read(enum err err) {
    if (server.read_count == 0)
        return;
    if (err == ERR_OK && !server.reads[0].executed)
        execute_read();
    struct answer read = server.reads[0];
    drop_first(server.reads, &server.read_count, sizeof read);
    if (err != ERR_OK) {
        page_free(&read.page);
        read.page = (struct history_page){.err = err, .why = "WRONGTYPE"};
    }
    if (getenv("FEED_TRACE") != NULL)
        fprintf(stderr, "    read since %s: %zu to %llu-%llu%s%s\n", read.since, read.page.count,
                (unsigned long long)read.page.tail.epoch, (unsigned long long)read.page.tail.n,
                read.page.gap ? ", gap" : "", read.page.more ? ", more" : "");
    read.done(read.ctx, &read.page);
    page_free(&read.page);
}

static void become_ready(void) {
    if (server.ready)
        return;
    server.ready = true;
    server.tokens += 2;
    feeds_ready(feeds);
}

static void connect_again(void) {
    if (!server.up) {
        server.up = true;
        feeds_up(feeds);
    }
    become_ready();
}

static void lose_subscriber(void) {
    if (!server.up)
        return;
    excuse();
    server.up = server.subscribed = false;
    server.command_count = 0;
    server.said_from = server.said_to;
    feeds_down(feeds);
    feed_model_seen.reconnects++;
}

static void lose_commands(void) {
    server.ready = false;
    while (server.read_count > 0)
        answer_read(ERR_REDIS);
}

/* Redis is killed, and has forgotten the last numbers, or everything. */
static void kill_redis(unsigned forgotten) {
    lose_subscriber();
    lose_commands();
    for (; forgotten > 0 && server.n > 0; forgotten--) {
        if (server.held_count > 0 && server.held[server.held_count - 1].id.epoch == server.epoch &&
            server.held[server.held_count - 1].id.n == server.n)
            server.held_count--;
        server.n--;
    }
    /* it takes longer to start than epochs of one moment are ahead of its clock */
    if (place().epoch > server.clock)
        server.clock = place().epoch;
    server.same_run = server.born_kept = false;
    server.started = server.born = ++server.clock;
    shake();
    feed_model_seen.lost++;
}

/*
 * Somebody deletes the last entries; not just those in whose place a forged one was told. Where
 * neither they nor the counter are left, nobody can tell that there were any.
 */
static void take_away(size_t count) {
    if (!fooled && server.counts && (feed == NULL || feed_live(feed)) && server.held_count >= count)
        server.held_count -= count, shake();
}

/* Where neither messages nor the counter are left, nobody can tell that there were any. */
static void lose_counter(void) {
    server.counts = false;
    server.gone = server.log_count;
    for (size_t i = 0; i < SUBS; i++)
        subs[i].last = most(subs[i].last, server.gone);
    shake();
}

/* The channel is deleted, and may begin anew. Whoever subscribes has all of it. */
static void forget_channel(void) {
    if (!server.honest || server.silent_hole || server.log_count == 0 ||
        (feed != NULL && !(feed_live(feed) && at_end(feed_position(feed)))))
        return;
    server.held_count = 0;
    server.clock++;
    lose_counter();
    feed_model_seen.forgotten++;
}

/* FUNCTION FLUSH: the functions are loaded anew, and know what halley.reign says, or guess. */
static void flush_functions(void) {
    uint64_t guess = server.started + 2000;

    if (!server.born_kept)
        shake();
    if (!server.born_kept)
        server.born = guess < server.clock ? guess : server.clock;
    lose_commands();
    feed_model_seen.flushed++;
}

static void subscribe(struct sub *sub) {
    if (sub->on) {
        leave(sub);
        return;
    }
    server.tokens += 2;
    feed = feeds_take(feeds, CHANNEL, strlen(CHANNEL), false);
    sub->on = true;
}

static void tick(double seconds) {
    now += seconds;
    server.clock += (uint64_t)(seconds * 1000);
    server.tokens += 2 * seconds / PAUSE;
    run_timers();
    look_all();
}

static void pass(double seconds) {
    for (double until = now + seconds; now < until;)
        tick(STEP);
}

/* A poll begins now: when what was said before is heard, memory must know all, or say that it
 * may not. */
static void poll(void) {
    while (server.said_from < server.said_to)
        hear();
    if (feed == NULL || !feed_live(feed) || !feed_sure(feed) || fooled || server.silent_hole ||
        !server.counts || !server.subscribed || server.n == 0 || !server.same_run)
        return;
    struct position at = feed_position(feed);
    must(at.epoch == server.epoch && at.n == server.n,
         "a poll is told of %llu-%llu instead of %llu-%llu", (unsigned long long)at.epoch,
         (unsigned long long)at.n, (unsigned long long)server.epoch, (unsigned long long)server.n);
    feed_model_seen.polls++;
}

static bool quiet(void) {
    return server.command_count == 0 && server.said_from == server.said_to &&
           server.read_count == 0;
}

/* Everything that is under way arrives, and all pauses end. */
static void settle(void) {
    server.refuses = false;
    connect_again();
    for (int idle = 0; idle < 24; idle++) {
        for (int i = 0; !quiet(); i++) {
            execute_command();
            hear();
            answer_read(ERR_OK);
            look_all();
            if (i % 4 == 0)
                tick(STEP);
            idle = 0;
        }
        tick(0.1);
    }
}

/* FEED_TRACE=1: what a story does, for who follows one. */
static void trace(uint8_t what, uint8_t how) {
    struct position at = feed != NULL ? feed_position(feed) : (struct position){0};

    if (getenv("FEED_TRACE") == NULL)
        return;
    fprintf(stderr, "%2u %3u: Redis %llu-%llu held %zu, feed %s %llu-%llu%s, said %zu\n", what % 20,
            how, (unsigned long long)server.epoch, (unsigned long long)server.n, server.held_count,
            feed == NULL      ? "none"
            : feed_live(feed) ? "live"
                              : "dead",
            (unsigned long long)at.epoch, (unsigned long long)at.n, fooled ? " fooled" : "",
            server.said_to - server.said_from);
}

/* What seldom happens. */
static void step_rarely(uint8_t how) {
    if (how < 30)
        lose_subscriber();
    else if (how < 50)
        lose_commands();
    else if (how < 70)
        answer_read(ERR_REFUSED);
    else if (how < 90)
        server.refuses = !server.refuses;
    else if (how < 110)
        kill_redis(how % 4);
    else if (how < 120)
        take_away(1);
    else if (how < 125)
        take_away(server.held_count);
    else if (how < 130)
        server.counts = server.counts && server.held_count == 0, shake(); /* evicted */
    else if (how < 160)
        answer_read(ERR_REDIS), lose_commands();
    else
        pass(3);
}

static void step(uint8_t what, uint8_t how) {
    trace(what, how);
    switch (what % 20) {
    case 0:
    case 1:
    case 2:
        if (!server.honest || server.counts || how % 16 == 0) /* there is time to wait for it */
            publish();
        break;
    case 3:
    case 4:
        forge(how, how / 8);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        hear();
        break;
    case 9:
        if (how < 100)
            flush_functions();
        else if (how < 120)
            forget_channel();
        else
            execute_read();
        break;
    case 10:
    case 11:
        answer_read(ERR_OK);
        break;
    case 12:
        execute_command();
        break;
    case 13:
        pass(STEP * (1 + how % 8));
        break;
    case 14:
        subscribe(&subs[how % SUBS]);
        break;
    case 15:
        connect_again();
        break;
    case 16:
        server.born_kept = true; /* a program reports itself */
        poll();
        break;
    case 17:
        if (!fooled && server.said_from == server.said_to && (feed == NULL || feed_live(feed)))
            leave_hole(how & 1); /* its number is not forged before, nor later: see forge() */
        break;
    case 18: /* floods */
        for (unsigned i = 0; i < how; i++)
            forge(2 + i % 6, i);
        break;
    default:
        step_rarely(how);
    }
    look_all();
}

static void begin(void) {
    memset(&server, 0, sizeof server);
    memset(subs, 0, sizeof subs);
    memset(&counts, 0, sizeof counts);
    memset(timers, 0, sizeof timers);
    now = 1000;
    server.clock = server.started = server.born = FIRST_DAY;
    server.keeps = 24;
    server.same_run = true;
    server.tokens = 4;
    fooled = false;
    feed = NULL;
    feeds = feeds_new(NULL, &counts, &config, &events, NULL);
    feeds_attach(feeds, NULL, NULL);
    connect_again();
}

/* In the end everybody is told what Redis holds. */
static void finish(void) {
    for (int i = 0; i < 3; i++) { /* what is under way may be a refusal */
        settle();
        for (size_t k = 0; k < SUBS; k++) {
            if (!subs[k].on)
                subscribe(&subs[k]);
        }
    }
    settle();
    server.log_count = server.log_count < LOG_MAX - 3 ? server.log_count : LOG_MAX - 3;
    for (int i = 0; i < 3; i++) {
        publish();
        settle();
    }
    must(feed != NULL && feed_live(feed) && feed_sure(feed), "the feed is not live in the end");
    for (size_t i = 0; i < SUBS; i++) {
        must(subs[i].last == server.log_count, "subscriber %zu has %zu of %zu", i, subs[i].last,
             server.log_count);
        must(!subs[i].owed, "subscriber %zu was told a forged message and no gap", i);
    }
    for (size_t i = 0; i < SUBS; i++)
        leave(&subs[i]);
    feed_model_seen.phantoms += (unsigned)counts.phantoms;
    lose_subscriber();
    lose_commands();
    feeds_free(feeds);
    must(counts.channels == 0, "a channel is left");
}

void feed_model_run(const uint8_t *bytes, size_t len, const char *what) {
    story = what;
    begin();
    server.honest = len > 0 && bytes[0] % 4 == 0;
    for (size_t i = 0; i + 1 < len && server.said_to < QUEUE_MAX / 2; i += 2)
        step(bytes[i], bytes[i + 1]);
    finish();
}
