/*
 * Bayeux's connects (carriers/bayeux/hold.c, connect.c) in thousands of random orders of everything
 * that can happen to them: messages, connects that are answered, given up, repeated, or come twice,
 * answers that are lost on their way, tokens and sessions that end, processes that are killed,
 * stopped and go on, and shut down. The connects are the real ones; sessions are kept here as
 * core/redis/session.lua keeps them, the hub and the clock are the model's own. A client repeats a
 * request that failed, with its id, as Faye does, or asks anew and acknowledges, as CometD does; it
 * asks by HTTP or on a WebSocket, and changes between them. It must hear everything once and in
 * order, whatever happens, until its session ends, and must be told rightly how that ended. Only
 * who does not acknowledge may hear some of it again, where a process died, or stood still, that
 * kept his session in memory. HALLEY_MODEL_SEED=n repeats one, HALLEY_MODEL_RUNS=n does more of
 * them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/data/cursor.h"
#include "fcgi-app/carriers/bayeux/_hold.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

enum { PROCESSES = 3, STEPS = 150, RUNS = 3000, SETTLING = 3000, LOST = 15, EPOCH = 7 };
enum { IDS = 16, ANSWERS = 8, CALLS = 64, NUMBERS = 1 << KEPT_BITS };

/* ----------------------------------------------------------------- what there is of it */

struct hub {
    int process;
};

/* A connect that waits in the hub. */
struct waiter {
    struct waiter *next;
    struct hub_holder *holder;
    int process;
    int at; /* the last message that it has */
    bool now;
};

/* A call of Redis, answered at once, told later. */
struct call {
    session_fn *done;
    void *ctx;
    int process;
    uint64_t number; /* of the hold that asks */
    struct session_view view;
    char cursor[64], until[64], reason[32];
};

/* One request of the client's. */
struct reader {
    struct client base;
    struct reader *next;
    const struct client_events *events;
    void *ctx;
    int process;
    int number; /* among all of them, repeated ones too */
};

/* A WebSocket of the client's, and a request on it. */
struct wire {
    struct wire *next;
    int process;
    bool broken; /* the process has not noticed yet */
    bool busy;   /* a request on it is being taken: it lives on until that is done */
    struct berth berth;
    struct line *lines;
};
struct line {
    struct line *next;
    struct wire *wire;
    struct outlet *outlet;
    int number, id;
};

struct lost_answer {
    int b, q;
};

static struct {
    struct app apps[PROCESSES];
    struct config config;
    struct stats stats;
    struct hub hubs[PROCESSES];
    struct bayeux bayeux[PROCESSES];
    bool stopped[PROCESSES], dead[PROCESSES];
    struct waiter *waiters;
    struct reader *readers;
    struct wire *wires;
    struct wire *wire; /* the one that the client uses; NULL: none */
    struct call calls[CALLS];
    size_t call_count;
    int64_t now;
    int head; /* the last message that was published */
    uint64_t number;
    struct service service;
    /* the session, as Redis has it */
    bool there;
    char closed[32];
    int64_t expires, ends; /* ends: with the token; 0: never */
    uint64_t holder;
    int holder_process;
    unsigned version;
    int p, q, b; /* q: -1: it is confirmed */
    int a, i, e[IDS];
    bool attached; /* the request with the id `i`, not only told of */
    bool again;
    struct lost_answer l[ANSWERS + 2];
    int lost_count;
    int m, base,
        k; /* m: -1: its holder does not keep it, 0: he does, 1: and numbers from the base */
    struct lost_answer o[ANSWERS + 1];
    int unwritten;
    /* the client */
    bool may_repeat; /* what it hears now may be what it has heard */
    bool acks, over, left;
    int heard, batch, id, requests;
    int asked; /* the number of its request; 0: it asks none */
    bool repeats;
    unsigned long seed;
    unsigned long answers, lost, killed, stops, copies, overs, expired, kept, backs, repeats_heard,
        found;
} world;

static bool chance(int percent) {
    return lrand48() % 100 < percent;
}

#define holds(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("seed %lu: %s", world.seed, keepf(__VA_ARGS__));                          \
    } while (0)

/* --------------------------------------------------------------- the session in Redis */

static bool exists(void) {
    if (world.there && world.now >= world.expires)
        world.there = false;
    if (world.there && world.ends > 0 && world.now >= world.ends && world.closed[0] == '\0') {
        snprintf(world.closed, sizeof world.closed, "%s", BAYEUX_EXPIRED);
        world.version++;
    }
    return world.there;
}

static void hear_word(int process, const char *word, uint64_t number) {
    enum session_word said = strcmp(word, "wake") == 0   ? SESSION_WORD_WAKE
                             : strcmp(word, "copy") == 0 ? SESSION_WORD_COPY
                             : strcmp(word, "back") == 0 ? SESSION_WORD_BACK
                                                         : SESSION_WORD_OVER;
    world.copies += said == SESSION_WORD_COPY;
    world.overs += said == SESSION_WORD_OVER;
    world.backs += said == SESSION_WORD_BACK;
    bayeux_word(&world.bayeux[process], said, number);
}

/* Words wait with a process that is stopped, as they do in its socket. */
static struct {
    int process;
    const char *word;
    uint64_t number;
} words[4096];
static size_t word_count;

static bool tell(const char *word) {
    if (world.holder == 0 || world.dead[world.holder_process]) {
        world.holder = 0;
        return false;
    }
    words[word_count].process = world.holder_process;
    words[word_count].word = word;
    words[word_count++].number = world.holder;
    return true;
}

static struct call *call_new(int process, uint64_t number, session_fn *done, void *ctx) {
    ck_assert_uint_lt(world.call_count, CALLS);
    struct call *call = &world.calls[world.call_count++];

    *call = (struct call){.done = done, .ctx = ctx, .process = process, .number = number};
    call->view.ping = -1;
    return call;
}

static void answer_with(struct call *call, enum session_status status) {
    call->view.status = status;
    if (status == SESSION_CLOSED)
        snprintf(call->reason, sizeof call->reason, "%s", world.closed);
}

static void put_place(char out[64], int at) {
    snprintf(out, 64, "c@%d-%d", EPOCH, at);
}

static void answer_view(struct call *call, enum session_status status, bool again) {
    answer_with(call, status);
    call->view.version = world.version;
    call->view.batch = (uint64_t)world.b;
    call->view.again = again;
    put_place(call->cursor, !world.again && world.q >= 0 ? world.q : world.p);
    if (world.again)
        put_place(call->until, world.q >= 0 ? world.q : world.p);
}

/* As acknowledge() there. */
static bool acknowledge(int number) {
    int has = -1, last = -1, left = 0;

    if (world.q >= 0)
        world.l[world.lost_count++] = (struct lost_answer){world.b, world.q};
    for (int i = 0; i < world.lost_count; i++) {
        struct lost_answer answer = world.l[i];
        if (answer.b > number)
            world.l[left++] = answer;
        else if (answer.b >= last)
            last = answer.b, has = answer.q;
    }
    if (has >= 0)
        world.p = has;
    if (left == ANSWERS)
        memmove(world.l, world.l + 1, (size_t)--left * sizeof *world.l);
    world.lost_count = left;
    world.q = -1;
    return left > 0 && world.l[left - 1].b == world.b;
}

static bool settle(const struct session_attach *attach, int request) {
    bool flying = world.q >= 0, lost = false;

    world.again = false;
    if (attach->confirm == SESSION_ACK) {
        int number = (int)attach->ack;
        if (world.lost_count > 0 || (flying && number < world.b))
            return acknowledge(number);
    } else if (attach->confirm == SESSION_SAME || attach->confirm == SESSION_LATE) {
        lost = flying && request == world.a;
    }
    if (lost) {
        world.again = true;
    } else if (flying) {
        world.p = world.q;
        world.q = -1;
    }
    return lost;
}

static void note_request(int id) {
    if (id == world.i)
        return;
    memmove(world.e + 1, world.e, (IDS - 1) * sizeof *world.e);
    world.e[0] = world.i;
    world.i = id;
}

static bool is_stale(int id) {
    for (int k = 0; id != world.i && k < IDS; k++) {
        if (id != 0 && world.e[k] == id)
            return true;
    }
    return false;
}

static int process_of(const struct sessions *sessions) {
    return ((const struct hub *)(const void *)sessions)->process;
}

/* The numbers of a request's id, as connects have them: a JSON string. */
static int number_of(struct session_bytes bytes) {
    return bytes.len > 2 ? atoi(bytes.at + 1) : 0;
}

/* As find_unwritten() there, of one channel. */
static void find_unwritten(int number) {
    int left = 0;

    if (world.m == 1)
        world.o[world.unwritten++] = (struct lost_answer){world.k, world.base};
    for (int i = 0; i < world.unwritten; i++) {
        struct lost_answer from = world.o[i];
        bool later = i + 1 < world.unwritten && number > world.o[i + 1].b;
        if (number > from.b && number < from.b + NUMBERS && !later) {
            memmove(world.l + 1, world.l, (size_t)world.lost_count++ * sizeof *world.l);
            world.l[0] = (struct lost_answer){number, from.q + number - from.b};
            world.found++;
        }
        if (number < from.b + NUMBERS)
            world.o[left++] = from;
    }
    if (left == ANSWERS)
        memmove(world.o, world.o + 1, (size_t)--left * sizeof *world.o);
    world.unwritten = left;
}

static void skip_unwritten(void) {
    int above = world.unwritten > 0 ? world.o[world.unwritten - 1].b + NUMBERS : 0;
    world.b = world.b > above ? world.b : above;
}

/* Whoever does not acknowledge is given again what was not written down. */
static void forget_unwritten(void) {
    if (world.m == 0 && !world.acks)
        world.may_repeat = true;
}

enum err session_attach(struct sessions *sessions, const char *id,
                        const struct session_attach *attach, session_fn *done, void *ctx) {
    int process = process_of(sessions), request = number_of(attach->request);
    struct call *call = call_new(process, attach->number, done, ctx);
    bool same = attach->confirm == SESSION_SAME || attach->confirm == SESSION_LATE;
    (void)id;

    if (!exists()) {
        answer_with(call, SESSION_GONE);
        return ERR_OK;
    }
    bool copy = same && request != 0 && request == world.i;
    if (copy && attach->confirm == SESSION_LATE && world.attached) {
        answer_with(call, SESSION_LOST);
        return ERR_OK;
    }
    if (same && is_stale(request)) {
        answer_with(call, SESSION_LOST);
        return ERR_OK;
    }
    bool others = world.holder != 0 && world.holder != attach->number && world.closed[0] == '\0';
    if (others && world.m >= 0 && attach->policy != SESSION_NEWEST && tell("back")) {
        answer_with(call, SESSION_KEPT);
        return ERR_OK;
    }
    if (same && request != 0)
        note_request(request);
    world.attached = same;
    if (others && tell(copy ? "copy" : "over"))
        forget_unwritten();
    if (attach->confirm == SESSION_ACK)
        find_unwritten((int)attach->ack);
    bool again = settle(attach, request);
    skip_unwritten();
    again = again || world.lost_count > 0 || world.unwritten > 0;
    if (world.closed[0] != '\0') {
        answer_with(call, SESSION_CLOSED);
        return ERR_OK;
    }
    world.holder = attach->number;
    world.holder_process = process;
    world.m = attach->policy == SESSION_KEEPS && !again ? 0 : -1;
    world.expires = world.now + attach->ttl;
    answer_view(call, SESSION_HELD, again);
    return ERR_OK;
}

enum err session_look(struct sessions *sessions, const char *id, uint64_t number, session_fn *done,
                      void *ctx) {
    struct call *call = call_new(process_of(sessions), number, done, ctx);
    (void)id;

    if (!exists())
        answer_with(call, SESSION_GONE);
    else if (world.holder != number)
        answer_with(call, SESSION_LOST);
    else if (world.closed[0] != '\0')
        answer_with(call, SESSION_CLOSED);
    else
        answer_view(call, SESSION_HELD, false);
    return ERR_OK;
}

/* Where a cursor of the one channel stands. */
static int place_of(struct session_bytes cursor) {
    const char *dash = memchr(cursor.at, '-', cursor.len);
    return dash != NULL ? atoi(dash + 1) : 0;
}

enum err session_answer(struct sessions *sessions, const char *id,
                        const struct session_answer *answer, session_fn *done, void *ctx) {
    struct call *call = call_new(process_of(sessions), answer->number, done, ctx);
    (void)id;

    if (!exists()) {
        answer_with(call, SESSION_GONE);
    } else if (world.holder != answer->number) {
        answer_with(call, SESSION_LOST);
    } else if (world.version != answer->version) {
        if (world.closed[0] != '\0')
            answer_with(call, SESSION_CLOSED);
        else
            answer_view(call, SESSION_CHANGED, false);
    } else {
        if (world.again) {
            world.again = false;
        } else if (answer->cursor.len > 0) {
            world.b++;
            world.a = number_of(answer->request);
            world.q = place_of(answer->cursor);
        }
        world.holder = 0;
        world.m = -1;
        world.expires = world.now + answer->ttl;
        answer_with(call, SESSION_OK);
        call->view.batch = (uint64_t)world.b;
    }
    return ERR_OK;
}

static void keep_in_redis(const struct session_write *write) {
    world.p = place_of(write->cursor);
    world.q = write->sent.len > 0 ? place_of(write->sent) : -1;
    world.b = (int)write->batch;
    world.a = number_of(write->request);
    world.again = false;
    world.lost_count = 0;
    world.m = write->keeping == SESSION_KEEP ? write->numbered : -1;
    world.base = world.q >= 0 ? world.q : world.p;
    world.k = world.b;
    world.holder = write->keeping != SESSION_DONE ? world.holder : 0;
    for (size_t i = 0; i < write->request_count; i++)
        note_request(number_of(write->requests[i]));
    world.attached = world.attached && write->request_count == 0;
    world.expires = world.now + write->ttl;
}

enum err session_write(struct sessions *sessions, const char *id, const struct session_write *write,
                       session_fn *done, void *ctx) {
    (void)id;

    if (world.dead[process_of(sessions)])
        return ERR_REDIS;
    struct call *call = call_new(process_of(sessions), write->number, done, ctx);
    if (!exists()) {
        answer_with(call, SESSION_GONE);
    } else if (world.holder != write->number) {
        answer_with(call, SESSION_LOST);
    } else if (world.version == write->version) {
        keep_in_redis(write);
        answer_with(call, SESSION_OK);
        call->view.batch = (uint64_t)world.b;
    } else if (world.closed[0] != '\0') {
        answer_with(call, SESSION_CLOSED);
    } else {
        answer_view(call, SESSION_CHANGED, false);
    }
    return ERR_OK;
}

void session_release(struct sessions *sessions, const char *id, uint64_t number, unsigned ttl,
                     session_fn *done, void *ctx) {
    struct call dropped;
    int process = process_of(sessions);
    struct call *call = done != NULL ? call_new(process, number, done, ctx) : &dropped;
    (void)id;

    if (world.dead[process]) {
        call->view.err = ERR_REDIS;
    } else if (!exists()) {
        answer_with(call, SESSION_GONE);
    } else if (world.holder != number) {
        answer_with(call, SESSION_LOST);
    } else {
        world.holder = 0;
        world.m = -1;
        if (ttl > 0 && world.closed[0] == '\0')
            world.expires = world.now + ttl;
        answer_with(call, SESSION_OK);
    }
}

static void shut(const char *reason) {
    if (!exists() || world.closed[0] != '\0')
        return;
    snprintf(world.closed, sizeof world.closed, "%s", reason);
    world.version++;
    (void)tell("wake");
}

enum err session_close(struct sessions *sessions, const char *id, struct session_bytes reason,
                       bool once, unsigned ttl, session_fn *done, void *ctx) {
    struct call *call = call_new(process_of(sessions), 0, done, ctx);
    (void)id, (void)once, (void)ttl;

    answer_with(call, exists() ? SESSION_OK : SESSION_GONE);
    shut(keepf("%.*s", (int)reason.len, reason.at));
    return ERR_OK;
}

/* None of these is asked for by a connect that has no stream beside it. */
enum err session_change(struct sessions *sessions, const char *id,
                        const struct session_change *change, session_fn *done, void *ctx) {
    (void)sessions, (void)id, (void)change, (void)done, (void)ctx;
    return ERR_REDIS;
}

uint64_t session_number(struct sessions *sessions) {
    (void)sessions;
    return ++world.number;
}

void session_id(char out[SESSION_ID_TEXT], const char *service, size_t service_len,
                const char *client, size_t client_len) {
    (void)service, (void)service_len, (void)client, (void)client_len;
    memset(out, 'a', SESSION_ID);
    out[SESSION_ID] = '\0';
}

/* ------------------------------------------------------------------------ the hub */

struct sessions *hub_sessions(struct hub *hub) {
    return (struct sessions *)(void *)hub;
}

bool hub_draining(const struct hub *hub) {
    (void)hub;
    return false;
}

bool hub_hold(struct hub *hub, struct client *client, const struct hub_read *read,
              struct hub_holder *holder, struct problem *problem) {
    struct waiter *waiter = mem_new(sizeof *waiter);
    (void)client, (void)problem;

    ck_assert_uint_eq(read->channel_count, 1);
    *waiter = (struct waiter){.next = world.waiters,
                              .holder = holder,
                              .process = hub->process,
                              .at = (int)read->channels[0].since.at.n,
                              .now = read->timeout <= 0};
    world.waiters = waiter;
    holder->waiter = waiter;
    return true;
}

static void waiter_end(struct waiter *waiter) {
    struct waiter **at = &world.waiters;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    waiter->holder->waiter = NULL;
    free(waiter);
}

static struct hub_places places_at(int at) {
    struct hub_places places = {.channels = mem_new(2 * sizeof *places.channels), .count = 1};

    places.channels[0] =
        (struct hub_channel){.name = mem_string("c"),
                             .len = 1,
                             .since = {.kind = SINCE_AT, .at = {EPOCH, (uint64_t)at}}};
    return places;
}

struct hub_places hub_release(struct waiter *waiter) {
    struct hub_places places = places_at(waiter->at);
    waiter_end(waiter);
    return places;
}

/* Gives a waiter so many messages. */
static void serve(struct waiter *waiter, int count) {
    const struct batch_channel channel = {.name = "c",
                                          .len = 1,
                                          .from = {EPOCH, (uint64_t)waiter->at},
                                          .to = {EPOCH, (uint64_t)(waiter->at + count)}};
    struct batch_entry entries[STEPS + 1];
    struct hub_holder *holder = waiter->holder;
    struct hub_places places = places_at(waiter->at + count);

    for (int i = 0; i < count; i++) {
        const char *payload = keepf("%d", waiter->at + i + 1);
        entries[i] = (struct batch_entry){
            .message = message_new("c", 1, (struct position){EPOCH, (uint64_t)(waiter->at + i + 1)},
                                   1, payload, strlen(payload))};
    }
    struct batch *batch = batch_new(&channel, 1, entries, (size_t)count, 0);
    for (int i = 0; i < count; i++)
        message_unref(entries[i].message);
    waiter_end(waiter);
    holder->taken(holder, batch, &places);
    batch_unref(batch);
}

void patterns_add(struct app *app, const struct identity *who, struct hub_places *places,
                  void (*done)(void *ctx, bool known), void *ctx) {
    (void)app, (void)who, (void)places;
    done(ctx, true);
}

void app_count(struct app *app, const struct problem *problem) {
    (void)app, (void)problem;
}

/* --------------------------------------------------------------------- the client */

static void reader_free(struct reader *reader) {
    struct reader **at = &world.readers;

    while (*at != reader)
        at = &(*at)->next;
    *at = reader->next;
    free(reader);
}

/* Its request failed: the same again, or another one. */
static void lose(const struct reader *reader) {
    if (reader->number != world.asked)
        return;
    world.asked = 0;
    world.repeats = true;
}

static const char *member(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at != NULL ? at + strlen(name) : NULL;
}

static void take_messages(const char *text) {
    for (const char *at = text; (at = member(at, "\"data\":")) != NULL;) {
        int number = atoi(at);
        if (world.may_repeat && number <= world.heard) {
            world.repeats_heard++;
            continue;
        }
        holds(number == world.heard + 1, "%d behind %d in %s", number, world.heard, text);
        world.heard++;
        world.may_repeat = false;
    }
}

static void take(const char *text) {
    bool good = strstr(text, "\"successful\":true") != NULL;
    const char *ack = member(text, "\"ack\":");

    world.answers++;
    take_messages(text);
    if (good && world.acks && ack != NULL)
        world.batch = atoi(ack);
    if (good || strstr(text, "\"error\":\"409") != NULL)
        return;
    exists();
    bool expired = strstr(text, "expired") != NULL;
    holds(!world.there || world.closed[0] != '\0', "%s though it is there", text);
    holds(!expired || strcmp(world.closed, BAYEUX_EXPIRED) == 0, "%s is wrong", text);
    world.expired += expired;
    world.over = true;
}

/* By HTTP: it may not wait for that any more. */
static void take_answer(const struct reader *reader, const char *text) {
    if (reader->number != world.asked || world.over)
        return;
    world.asked = 0;
    world.repeats = false;
    take(text);
}

static void on_watch(struct client *client, const struct client_events *events, void *ctx) {
    struct reader *reader = (struct reader *)client;
    reader->events = events;
    reader->ctx = ctx;
}

static void on_finish(struct client *client, const struct head *head, const struct part *parts,
                      size_t count) {
    struct reader *reader = (struct reader *)client;
    (void)head;

    ck_assert_uint_eq(count, 1);
    holds(!world.dead[reader->process], "the dead speak");
    if (chance(LOST)) {
        world.lost++;
        lose(reader);
    } else {
        take_answer(reader, keepf("%.*s", (int)parts[0].len, (const char *)parts[0].data));
    }
    reader_free(reader);
}

static void on_drop(struct client *client) {
    lose((struct reader *)client);
    reader_free((struct reader *)client);
}

static const struct client_kind reader_kind = {
    .watch = on_watch, .finish = on_finish, .drop = on_drop};

void app_refuse(struct app *app, struct client *client, const struct problem *problem) {
    (void)app, (void)problem;
    on_drop(client);
}

/* -------------------------------------------------------------------- its sockets */

/* The client uses it no more; the process notices later. */
static void abandon_wire(void) {
    if (world.wire != NULL)
        world.wire->broken = true;
    world.wire = NULL;
}

static void close_wire(struct wire *wire) {
    struct wire **at = &world.wires;

    while (*at != wire)
        at = &(*at)->next;
    *at = wire->next;
    while (wire->lines != NULL) {
        struct line *line = wire->lines;
        wire->lines = line->next;
        outlet_gone(line->outlet);
        free(line);
    }
    berth_close(&wire->berth);
    if (!wire->busy)
        free(wire);
}

/* All that is asked on it fails. */
static void break_wire(struct wire *wire) {
    for (struct line *line = wire->lines; line != NULL; line = line->next) {
        if (line->number == world.asked) {
            world.asked = 0;
            world.repeats = true;
        }
    }
    if (world.wire == wire)
        abandon_wire();
}

static void unlink_line(void *ctx, struct outlet *outlet) {
    struct line *line = ctx, **at = &line->wire->lines;
    (void)outlet;

    while (*at != line)
        at = &(*at)->next;
    *at = line->next;
    (void)keep(line); /* what is said behind that still needs it */
}

/* What comes on the socket the client takes, whatever it was asked by. */
static void say(void *ctx, const char *text, size_t len) {
    struct line line = *(struct line *)ctx;
    struct wire *wire = line.wire;
    bool asked = line.number == world.asked;

    holds(!world.dead[wire->process], "the dead speak");
    if (wire != world.wire || world.over)
        return;
    if (asked)
        world.asked = 0;
    if (chance(LOST)) {
        world.lost++;
        world.repeats = world.repeats || asked;
        break_wire(wire);
        if (chance(50))
            close_wire(wire);
        return;
    }
    if (asked || line.id == world.id)
        world.repeats = false;
    take(keepf("%.*s", (int)len, text));
}

static struct outlet *line_begin(struct wire *wire) {
    struct line *line = mem_new(sizeof *line);
    const struct outlet_socket socket = {say, unlink_line, line};

    *line = (struct line){.next = wire->lines,
                          .wire = wire,
                          .outlet = outlet_socket(&socket),
                          .number = world.asked,
                          .id = world.id};
    wire->lines = line;
    return line->outlet;
}

static void open_wire(int process) {
    abandon_wire();
    world.wire = mem_new(sizeof *world.wire);
    *world.wire = (struct wire){.next = world.wires, .process = process};
    world.wires = world.wire;
}

/* Which it asks on; NULL: by HTTP. */
static struct wire *choose_wire(int process) {
    if (world.wire != NULL && chance(85))
        return world.wire;
    if (chance(50))
        open_wire(process);
    else
        abandon_wire();
    return world.wire;
}

static struct outlet *reader_begin(int process) {
    struct reader *reader = mem_new(sizeof *reader);

    *reader = (struct reader){.base.kind = &reader_kind,
                              .next = world.readers,
                              .process = process,
                              .number = world.asked};
    world.readers = reader;
    return outlet_http(&world.apps[process], &reader->base, NULL);
}

static void ask(void) {
    int process = (int)(lrand48() % PROCESSES);
    struct wire *wire = choose_wire(process);
    bool same = world.repeats && !world.acks;
    char channel[] = "/meta/connect", client[] = "0123", id[32], type[] = "\"long-polling\"";
    struct buf none = buf_make(SIZE_MAX / 2);

    if (!same)
        world.id++;
    world.asked = ++world.requests;
    process = wire != NULL ? wire->process : process;
    snprintf(id, sizeof id, "\"%d\"", world.id);
    const struct bayeux_message message = {.kind = BAYEUX_CONNECT,
                                           .channel = channel,
                                           .channel_len = strlen(channel),
                                           .id = {id, strlen(id)},
                                           .client = client,
                                           .client_len = 4,
                                           .type = {type, strlen(type)},
                                           .timeout = -1,
                                           .ack = world.acks ? world.batch : -1};
    const struct connect_request request = {.app = &world.apps[process],
                                            .service = &world.service,
                                            .who = "127.0.0.1",
                                            .outlet = wire != NULL ? line_begin(wire)
                                                                   : reader_begin(process),
                                            .berth = wire != NULL ? &wire->berth : NULL,
                                            .message = &message,
                                            .replies = &none,
                                            .now = chance(10)};
    if (wire != NULL)
        wire->busy = true;
    connect_begin(&request);
    if (wire != NULL && wire->berth.closed)
        free(wire);
    else if (wire != NULL)
        wire->busy = false;
}

/* ------------------------------------------------------------------------- turns */

static bool is_still(int process) {
    return world.stopped[process] || world.dead[process];
}

static void deliver(size_t index) {
    struct call call = world.calls[index];
    struct session_view view = call.view;

    memmove(&world.calls[index], &world.calls[index + 1],
            (--world.call_count - index) * sizeof *world.calls);
    static char state[] = "-";
    state[0] = world.acks ? 'a' : '-';
    view.state = (struct session_bytes){state, 1};
    view.cursor = (struct session_bytes){call.cursor, strlen(call.cursor)};
    if (call.until[0] != '\0')
        view.until = (struct session_bytes){call.until, strlen(call.until)};
    if (view.status == SESSION_CLOSED)
        view.reason = (struct session_bytes){call.reason, strlen(call.reason)};
    call.done(call.ctx, &view);
}

/* Answers of Redis come in their order, on one connection; words come on another. */
static bool turn_calls(void) {
    for (size_t i = 0; i < world.call_count; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first = first && world.calls[k].process != world.calls[i].process;
        if (!first || is_still(world.calls[i].process) || chance(30))
            continue;
        deliver(i);
        return true;
    }
    return world.call_count > 0;
}

static bool turn_words(void) {
    for (size_t i = 0; i < word_count; i++) {
        if (is_still(words[i].process))
            continue;
        int process = words[i].process;
        const char *word = words[i].word;
        uint64_t number = words[i].number;
        memmove(&words[i], &words[i + 1], (--word_count - i) * sizeof *words);
        hear_word(process, word, number);
        return true;
    }
    return false;
}

static bool turn_waiters(void) {
    for (struct waiter *waiter = world.waiters; waiter != NULL; waiter = waiter->next) {
        int news = world.head - waiter->at;
        if (is_still(waiter->process) || (news == 0 && !waiter->now) || chance(20))
            continue;
        serve(waiter, news > 0 ? 1 + (int)(lrand48() % news) : 0);
        return true;
    }
    return false;
}

/* A hold that waits for another process to write down what it keeps asks again. */
static bool turn_retries(void) {
    for (int i = 0; i < PROCESSES; i++) {
        struct hold *hold, *next;
        HASH_ITER (hh, world.bayeux[i].holds, hold, next) {
            if (!ev_is_active(&hold->retry) || is_still(i))
                continue;
            ev_timer_stop(world.apps[i].loop, &hold->retry);
            ev_invoke(world.apps[i].loop, &hold->retry, EV_TIMER);
            return true;
        }
    }
    return false;
}

static bool turn_wires(void) {
    for (struct wire *wire = world.wires; wire != NULL; wire = wire->next) {
        if (!wire->broken || is_still(wire->process) || chance(50))
            continue;
        close_wire(wire);
        return true;
    }
    return false;
}

/* Some time has passed for one that is kept. */
static void tick(void) {
    int process = (int)(lrand48() % PROCESSES);
    struct hold *hold, *next;

    HASH_ITER (hh, world.bayeux[process].holds, hold, next) {
        if (is_still(process) || !ev_is_active(&hold->tick) || chance(50))
            continue;
        world.kept++;
        ev_invoke(world.apps[process].loop, &hold->tick, EV_TIMER);
        return;
    }
}

static bool turn(void) {
    bool moved = false;

    for (int i = 0; i < PROCESSES; i++) {
        if (!is_still(i))
            ev_run(world.apps[i].loop, EVRUN_NOWAIT);
    }
    switch (lrand48() % 3) {
    case 0:
        moved = turn_calls() || turn_words() || turn_waiters();
        break;
    case 1:
        moved = turn_words() || turn_waiters() || turn_calls();
        break;
    default:
        moved = turn_waiters() || turn_calls() || turn_words();
    }
    return turn_wires() || turn_retries() || moved;
}

/* ------------------------------------------------------------------------ events */

/* All that it held is gone without a word; another process takes its place. */
static void kill_process(int process) {
    struct reader *next;

    world.killed++;
    world.dead[process] = true;
    for (struct reader *reader = world.readers; reader != NULL; reader = next) {
        next = reader->next;
        if (reader->process == process)
            reader->events->gone(reader->ctx);
    }
    for (struct wire *wire = world.wires, *other; wire != NULL; wire = other) {
        other = wire->next;
        if (wire->process != process)
            continue;
        break_wire(wire);
        close_wire(wire);
    }
    for (size_t i = 0; i < world.call_count;) {
        if (world.calls[i].process != process) {
            i++;
            continue;
        }
        world.calls[i].view = (struct session_view){.err = ERR_REDIS, .ping = -1};
        deliver(i);
        i = 0;
    }
    size_t kept = 0;
    for (size_t i = 0; i < word_count; i++) {
        if (words[i].process != process)
            words[kept++] = words[i];
    }
    word_count = kept;
    ck_assert_ptr_null(world.bayeux[process].holds);
    givings_free(&world.bayeux[process]);
    if (world.holder_process == process && world.holder != 0)
        forget_unwritten();
    if (world.holder_process == process)
        world.holder = 0; /* nobody hears it: as the next attach finds */
    world.dead[process] = world.stopped[process] = false;
}

/* The client gives its request up, which its process may notice late or never. */
static void give_up(void) {
    struct reader *reader = world.readers;

    while (reader != NULL && reader->number != world.asked)
        reader = reader->next;
    if (reader == NULL && chance(50)) /* or asks again on the same socket */
        abandon_wire();
    world.asked = 0;
    world.repeats = true;
    if (reader != NULL && !is_still(reader->process) && chance(70))
        reader->events->gone(reader->ctx);
}

/* The time of one that waits is over, or its process shuts down. */
static void time_out(void) {
    struct waiter *waiter = world.waiters;

    if (waiter == NULL || is_still(waiter->process))
        return;
    if (world.head == waiter->at && chance(50)) {
        serve(waiter, 0);
        return;
    }
    struct hub_holder *holder = waiter->holder;
    struct hub_places places = places_at(waiter->at);
    waiter_end(waiter);
    holder->taken(holder, NULL, &places);
}

/* Of what was dropped on a socket nobody is told: its client asks again after its own time. */
static void miss_answer(void) {
    for (const struct reader *reader = world.readers; reader != NULL; reader = reader->next) {
        if (reader->number == world.asked)
            return;
    }
    for (const struct wire *wire = world.wires; wire != NULL; wire = wire->next) {
        for (const struct line *line = wire->lines; line != NULL; line = line->next) {
            if (line->number == world.asked)
                return;
        }
    }
    world.repeats = world.repeats || world.asked != 0;
    world.asked = 0;
}

static void happen(void) {
    switch (lrand48() % 14) {
    case 0:
    case 1:
    case 2:
        if (world.asked == 0 && !world.over)
            ask();
        break;
    case 3:
    case 4:
        world.head++;
        break;
    case 5:
        if (world.asked != 0 && chance(20))
            give_up();
        break;
    case 6:
        time_out();
        break;
    case 7:
        if (chance(10))
            kill_process((int)(lrand48() % PROCESSES));
        break;
    case 8: {
        int process = (int)(lrand48() % PROCESSES);
        world.stops += !world.stopped[process];
        world.stopped[process] = chance(40);
        break;
    }
    case 9:
        if (chance(2))
            shut(BAYEUX_LEFT);
        break;
    case 10:
        world.now += lrand48() % 100;
        break;
    case 11: /* something of another request: a change of channels */
        if (exists() && world.closed[0] == '\0' && chance(30)) {
            world.version++;
            (void)tell("wake");
        }
        break;
    case 12:
        tick();
        break;
    default:
        break;
    }
    (void)turn();
    (void)turn();
}

static void settle_all(void) {
    memset(world.stopped, 0, sizeof world.stopped);
    for (int quiet = 0, i = 0; quiet < 30; i++) {
        holds(i < SETTLING, "it does not come to rest");
        if (i % 20 == 0)
            miss_answer();
        if (world.asked == 0 && !world.over && world.there)
            ask();
        quiet = turn() ? 0 : quiet + 1;
    }
}

static void begin(unsigned long seed) {
    static char path[] = "bayeux";
    struct app apps[PROCESSES];

    memcpy(apps, world.apps, sizeof apps);
    unsigned long sums[] = {world.answers, world.lost,          world.killed,  world.stops,
                            world.copies,  world.overs,         world.expired, world.kept,
                            world.backs,   world.repeats_heard, world.found};
    memset(&world, 0, sizeof world);
    memcpy(world.apps, apps, sizeof apps);
    world.answers = sums[0], world.lost = sums[1], world.killed = sums[2], world.stops = sums[3];
    world.copies = sums[4], world.overs = sums[5], world.expired = sums[6];
    world.kept = sums[7], world.backs = sums[8], world.repeats_heard = sums[9];
    world.found = sums[10];
    word_count = 0;
    world.seed = seed;
    srand48((long)seed);
    world.config.timeout = 30;
    world.service.path = path;
    for (int i = 0; i < PROCESSES; i++) {
        world.hubs[i].process = i;
        world.bayeux[i].app = &world.apps[i];
        world.apps[i].hub = &world.hubs[i];
        world.apps[i].config = &world.config;
        world.apps[i].stats = &world.stats;
        world.apps[i].bayeux = &world.bayeux[i];
        if (world.apps[i].loop == NULL)
            world.apps[i].loop = ev_loop_new(0);
    }
    world.there = true;
    world.version = 1;
    world.q = world.m = -1;
    world.now = 1000;
    world.expires = world.now + 60000;
    world.ends = chance(30) ? world.now + lrand48() % 3000 : 0;
    world.acks = chance(50);
}

static void run(unsigned long seed) {
    begin(seed);
    for (int i = 0; i < STEPS; i++)
        happen();
    settle_all();
    holds(world.over || !exists() || world.heard == world.head, "%d of %d were heard", world.heard,
          world.head);
    if (world.ends == 0)
        shut(BAYEUX_LEFT);
    world.now += world.ends > 0 ? 5000 : 0;
    (void)tell("wake");
    settle_all();
    holds(world.over, "a client goes on in a session that is over");
    for (int i = 0; i < PROCESSES; i++)
        kill_process(i); /* what the client has given up, and its process never noticed */
    ck_assert_ptr_null(world.readers);
    ck_assert_ptr_null(world.wires);
    ck_assert_ptr_null(world.waiters);
}

START_TEST(whatever_happens_in_whichever_order_a_client_hears_everything_once) {
    const char *said = getenv("HALLEY_MODEL_SEED"), *more = getenv("HALLEY_MODEL_RUNS");
    unsigned long seed = said != NULL ? strtoul(said, NULL, 10) : (unsigned long)time(NULL) * 10000;
    unsigned long runs = more != NULL ? strtoul(more, NULL, 10) : said != NULL ? 1 : RUNS;

    for (unsigned long i = 0; i < runs; i++)
        run(seed + i);
    printf("seed %lu: %lu answers, %lu lost, %lu killed, %lu stopped, %lu copies, %lu overs, "
           "%lu expired, %lu ticks, %lu backs, %lu heard again, %lu found\n",
           seed, world.answers, world.lost, world.killed, world.stops, world.copies, world.overs,
           world.expired, world.kept, world.backs, world.repeats_heard, world.found);
    for (int i = 0; i < PROCESSES; i++)
        ev_loop_destroy(world.apps[i].loop);
    if (runs < 1000)
        return;
    ck_assert_uint_gt(world.lost, 100);
    ck_assert_uint_gt(world.killed, 100);
    ck_assert_uint_gt(world.expired, 10);
    ck_assert_uint_gt(world.kept, 100);
    ck_assert_uint_gt(world.backs, 100);
    ck_assert_uint_gt(world.found, 100);
}
END_TEST

UNIT_MAIN("bayeux_model", whatever_happens_in_whichever_order_a_client_hears_everything_once)
