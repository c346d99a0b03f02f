/* Many pages of one site, in one process: a flight (http.h) for each, and a state. */
#include "tests/lib/visitors.h"

#include "tests/lib/beside.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_SECONDS = 20, CURSOR = 128 };

enum state { RESTS, WAITS, STREAMS, POLLS };

struct visitor {
    enum state state;
    bool stream; /* how it prefers to wait */
    bool again;  /* it was told to poll, and has */
    struct flight *flight;
    int64_t begun, due; /* of its request; when it makes the next one */
    bool started;       /* its stream's first byte has come */
    size_t seen;        /* of the stream's bytes */
    unsigned next;      /* the number of the message that it awaits */
    char cursor[CURSOR];
};

struct visitors {
    struct lab *lab;
    const char *channel;
    struct visitor *all;
    size_t count;
    struct beside *beside;
    int64_t since; /* of what was asked before no time is counted */
    struct visits sum;
};

/* -------------------------------------------------------------------- what came */

static void note_slow(struct visitors *visitors, double ms) {
    visitors->sum.slowest = ms > visitors->sum.slowest ? ms : visitors->sum.slowest;
}

static void note_visit(struct visitors *visitors, const struct visitor *visitor, double ms) {
    if (visitor->begun >= visitors->since)
        note_slow(visitors, ms);
}

static bool failed(struct visitors *visitors, const struct answer *answer, const char *what) {
    if (answer->status != 0 && answer->status < 400)
        return false;
    if (visitors->sum.errors++ == 0)
        snprintf(visitors->sum.what, sizeof visitors->sum.what, "%s: %d %s %.120s", what,
                 answer->status, answer->why ? answer->why : "", answer->body ? answer->body : "");
    return true;
}

/* Takes a batch's messages, which are numbers from 1 on. Returns its `retry`, or 0. */
static int take(struct visitors *visitors, struct visitor *visitor, const json_t *batch) {
    const json_t *messages = json_object_get(batch, "messages"), *message;
    const char *cursor = json_string_value(json_object_get(batch, "cursor"));
    size_t i;

    json_array_foreach (messages, i, message) {
        unsigned number = (unsigned)json_integer_value(json_object_get(message, "data"));
        if (number < visitor->next)
            visitors->sum.doubled++;
        else if (number > visitor->next)
            visitors->sum.missed += number - visitor->next;
        visitor->next = number >= visitor->next ? number + 1 : visitor->next;
    }
    if (cursor != NULL)
        snprintf(visitor->cursor, sizeof visitor->cursor, "%s", cursor);
    int retry = (int)json_integer_value(json_object_get(batch, "retry"));
    visitors->sum.retries += retry > 0;
    return retry;
}

/* Takes the lines of a stream that are whole. Returns what the last said of coming back. */
static int take_lines(struct visitors *visitors, struct visitor *visitor, const char *text) {
    int retry = 0;

    for (const char *end; (end = strchr(text + visitor->seen, '\n')) != NULL;
         visitor->seen = (size_t)(end - text) + 1) {
        const char *line = text + visitor->seen;
        json_t *batch = json_loadb(line, (size_t)(end - line), 0, NULL);
        if (batch != NULL)
            retry = take(visitors, visitor, batch);
        json_decref(batch);
    }
    return retry;
}

/* ------------------------------------------------------------------- what is asked */

static void ask(struct visitors *visitors, struct visitor *visitor, enum state state) {
    static const char *const endpoints[] = {"", "wait", "stream", "poll"};
    const char *path =
        keepf("/comet/%s?channel=%s&since=%s&limit=1000%s", endpoints[state], visitors->channel,
              visitor->cursor, state == WAITS ? keepf("&timeout=%d", WAIT_SECONDS) : "");

    visitor->state = state;
    visitor->begun = now_ms();
    visitor->seen = 0;
    visitor->started = false;
    visitor->flight = http_begin(visitors->lab, &(struct request){.path = path});
}

static void rest(struct visitor *visitor, int ms) {
    visitor->state = RESTS;
    visitor->due = now_ms() + ms;
}

static void landed(struct visitors *visitors, struct visitor *visitor) {
    const struct answer *answer = http_land(visitor->flight);
    static const char *const words[] = {"", "wait", "stream", "poll"};
    double took = (double)(now_ms() - visitor->begun);
    int retry = 0;

    visitor->flight = NULL;
    if (failed(visitors, answer, words[visitor->state])) {
        rest(visitor, 1000);
        return;
    }
    if (visitor->state == STREAMS)
        retry = take_lines(visitors, visitor, answer->body);
    else
        retry = take(visitors, visitor, answer->json);
    if (visitor->state == POLLS || (visitor->state == STREAMS && !visitor->started))
        note_visit(visitors, visitor, took);
    if (visitor->state == WAITS && took - WAIT_SECONDS * 1000 > visitors->sum.overdue)
        visitors->sum.overdue = took - WAIT_SECONDS * 1000;
    visitor->again = retry > 0;
    rest(visitor, retry);
}

static void look_at(struct visitors *visitors, struct visitor *visitor, int64_t now) {
    if (visitor->state == RESTS && now >= visitor->due) {
        ask(visitors, visitor, visitor->again ? POLLS : visitor->stream ? STREAMS : WAITS);
        visitor->again = false;
        return;
    }
    if (visitor->state == RESTS)
        return;
    if (http_landed(visitor->flight)) {
        landed(visitors, visitor);
    } else if (visitor->state == STREAMS) {
        const char *so_far = http_so_far(visitor->flight);
        if (!visitor->started && so_far[0] != '\0') {
            visitor->started = true;
            note_visit(visitors, visitor, (double)(now - visitor->begun));
        }
        (void)take_lines(visitors, visitor, so_far);
    }
}

/* -------------------------------------------------------------------------- all of it */

static void turn(struct visitors *visitors) {
    int64_t now = now_ms();

    http_pump(5);
    for (size_t i = 0; i < visitors->count; i++)
        look_at(visitors, &visitors->all[i], now);
}

static void turns(struct visitors *visitors, double seconds) {
    int64_t end = now_ms() + (int64_t)(seconds * 1000);

    while (now_ms() < end)
        turn(visitors);
}

static bool waiting(const struct visitors *visitors) {
    unsigned published = beside_published(visitors->beside);

    for (size_t i = 0; i < visitors->count; i++) {
        if (visitors->all[i].next <= published)
            return true;
    }
    return false;
}

struct visitors *visitors_begin(struct lab *lab, enum visit what, size_t count,
                                const char *channel) {
    struct visitors *visitors = keep(calloc(1, sizeof *visitors));

    *visitors = (struct visitors){.lab = lab, .channel = channel, .count = count};
    visitors->all = keep(calloc(count, sizeof *visitors->all));
    visitors->beside = beside_begin(lab, channel);
    for (size_t i = 0; i < count; i++) {
        struct visitor *visitor = &visitors->all[i];
        visitor->stream = what == VISIT_STREAMS || (what == VISIT_BOTH && i % 2 == 1);
        visitor->next = 1;
        snprintf(visitor->cursor, sizeof visitor->cursor, "start");
        rest(visitor, (int)(i * 3000 / count)); /* within three seconds */
    }
    return visitors;
}

void visitors_alone(struct visitors *visitors, double seconds) {
    beside_ask(visitors->beside, true);
    pause_ms((int)(seconds * 1000));
    beside_ask(visitors->beside, false);
    for (enum beside_kind i = 0; i < BESIDE_KINDS; i++)
        visitors->sum.alone[i] = beside_p99(visitors->beside, i);
    beside_forget(visitors->beside);
}

void visitors_warm(struct visitors *visitors, double seconds) {
    beside_ask(visitors->beside, true);
    turns(visitors, seconds);
    beside_ask(visitors->beside, false);
    beside_forget(visitors->beside);
    visitors->sum.slowest = 0;
    visitors->since = now_ms();
}

static void take_beside(struct visitors *visitors) {
    struct visits *sum = &visitors->sum;
    const char *what;
    size_t errors = beside_errors(visitors->beside, &what);

    if (sum->errors == 0)
        snprintf(sum->what, sizeof sum->what, "%s", what);
    sum->errors += errors;
    for (enum beside_kind i = 0; i < BESIDE_KINDS; i++)
        sum->site[i] = beside_p99(visitors->beside, i);
    note_slow(visitors, beside_slowest(visitors->beside));
    sum->asked = beside_count(visitors->beside);
    sum->published = beside_published(visitors->beside);
}

struct visits visitors_run(struct visitors *visitors, double seconds, double patience) {
    beside_ask(visitors->beside, true);
    turns(visitors, seconds);
    beside_ask(visitors->beside, false);
    int64_t end = now_ms() + (int64_t)(patience * 1000);
    while (waiting(visitors) && now_ms() < end)
        turn(visitors);
    take_beside(visitors);
    for (size_t i = 0; i < visitors->count; i++)
        visitors->sum.missed += visitors->sum.published + 1 - visitors->all[i].next;
    return visitors->sum;
}

void visitors_end(struct visitors *visitors) {
    for (size_t i = 0; i < visitors->count; i++) {
        if (visitors->all[i].flight != NULL)
            http_abandon(visitors->all[i].flight);
    }
    beside_end(visitors->beside);
}
