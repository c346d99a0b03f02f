/*
 * Sessions in a real Redis, through core/redis/session: three model processes, which are killed,
 * stopped and go on, one client at a time, and answers lost on each of the two ways, in thousands
 * of random orders. Under each rule by which a client confirms, nothing may be lost, doubled or
 * out of order, and a frame comes before the messages that belong to it.
 *
 * A command is done by Redis when it is sent, and its reply comes later, in an order of its own
 * for each process: so everything that can lie between the two does. Redis's clients and pub/sub
 * are real: whether a process lives Redis itself finds out. HALLEY_MODEL_SEED=n repeats one.
 */
#include <hiredis/hiredis.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/mem.h"
#include "core/redis/session.h"
#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

enum { PROCESSES = 3, CHANNELS = 2, POLLS = 256, CHANGES = 128, FRAMES = 512, REPLIES = 64 };
enum { STEPS = 200, SETTLING = 4000, TTL = 600000 };

/* ------------------------------------------------------------- Redis, as processes see it */

struct answer_due {
    redis_reply_fn *answer;
    void *ctx;
    redisReply *reply; /* NULL: lost on the way */
};

/* One process's connections. What is asked is done at once, and answered by answer_one(). */
struct redis {
    redisContext *commands, *subscriber;
    struct answer_due due[REPLIES];
    size_t count;
    bool dead;
};

static bool losing; /* replies may be lost */

static bool chance(unsigned percent) {
    return (unsigned)(lrand48() % 100) < percent;
}

enum err redis_command(struct redis *redis, redis_reply_fn *answer, void *ctx, int argc,
                       const char **argv, const size_t *lens) {
    if (redis->dead)
        return ERR_REDIS;
    ck_assert_uint_lt(redis->count, REPLIES);
    redisReply *reply = redisCommandArgv(redis->commands, argc, argv, lens);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR || strstr(reply->str, "not found") != NULL, "%s",
                  reply->str);
    if (losing && chance(2)) {
        freeReplyObject(reply);
        reply = NULL;
    }
    redis->due[redis->count++] = (struct answer_due){answer, ctx, reply};
    return ERR_OK;
}

enum redis_state redis_state(const struct redis *redis) {
    return redis->dead ? REDIS_DOWN : REDIS_UP;
}

int redis_database(const struct redis *redis) {
    (void)redis;
    return 0;
}

static void answer_one(struct redis *redis) {
    struct answer_due due = redis->due[0];

    memmove(redis->due, redis->due + 1, --redis->count * sizeof due);
    if (due.answer != NULL)
        due.answer(due.ctx, due.reply);
    freeReplyObject(due.reply);
}

/* ------------------------------------------------------------------------- the world */

enum poll_state { POLL_ARRIVED, POLL_ASKS, POLL_HELD, POLL_OVER };

/* What an answer brings, in its order. */
struct news {
    int frame;         /* its number, or -1 */
    char text[16];     /* of the frame */
    int channel, from; /* messages behind `from` up to `to` */
    int to;
};

struct process {
    struct redis redis;
    struct library *library;
    struct sessions *sessions;
    bool alive, stopped;
};

struct poll {
    struct process *process;
    uint64_t number;
    char id[SESSION_ID_TEXT];
    enum poll_state state;
    bool birth, woken, over, copy, again, fresh; /* fresh: there may be something to send */
    bool exact;                                  /* there is an `until` */
    unsigned request, ack;
    uint64_t version;
    int position[CHANNELS], until[CHANNELS]; /* -1: not subscribed */
    char frames[FRAMES / 8][16];
    int frame_count;
    struct news news[FRAMES / 8];
    int news_count;
    bool keep;
};

struct change {
    struct process *process;
    char id[SESSION_ID_TEXT];
    int channel; /* toggled; -1: an echo */
    int frame;
    bool busy;
};

static struct {
    struct process processes[PROCESSES];
    struct poll polls[POLLS];
    int poll_count;
    struct change changes[CHANGES];
    int change_count;
    int head[CHANNELS];
    unsigned generation;
    unsigned long seed;
    uint64_t answers, repeats, lost_replies, gone;
} world;

enum known { FRAME_UNKNOWN, FRAME_SURE };

static struct {
    enum session_confirm rule;
    char id[SESSION_ID_TEXT];
    struct poll *poll; /* that it listens to, or NULL */
    bool began;        /* a request of this session was answered */
    unsigned request, ack;
    int expects[CHANNELS]; /* the last message that it got; -1: not subscribed */
    int frame;             /* the last that it got */
    enum known known[FRAMES];
    int frames; /* numbers that were given */
} client;

#define CHECK(condition, ...)                                                                      \
    ck_assert_msg(condition, "HALLEY_MODEL_SEED=%lu, rule %d: %s", world.seed, (int)client.rule,   \
                  keepf(__VA_ARGS__))

static void client_begins(void) {
    char name[16];

    snprintf(name, sizeof name, "c%u", ++world.generation);
    enum session_confirm rule = client.rule;
    memset(&client, 0, sizeof client);
    client.rule = rule;
    client.frame = -1;
    for (int i = 0; i < CHANNELS; i++)
        client.expects[i] = -1;
    session_id(client.id, "model", 5, name, strlen(name));
}

/* The request that it listens to brought nothing it could take for an answer. */
static void client_fails(void) {
    client.poll = NULL;
    if (client.rule == SESSION_NEXT)
        client_begins(); /* it gives its session up */
}

static void take_frame(const struct news *news) {
    CHECK(news->frame > client.frame, "frame %d after %d", news->frame, client.frame);
    for (int i = client.frame + 1; i < news->frame; i++)
        CHECK(client.known[i] != FRAME_SURE, "frame %d is left out", i);
    client.frame = news->frame;
    int channel = news->text[0] == 'e' ? -1 : news->text[1] - 'a', at = 0;
    if (news->text[0] == 'S' && sscanf(news->text + 2, "%d", &at) == 1)
        client.expects[channel] = at;
    else if (news->text[0] == 'U')
        client.expects[channel] = -1;
}

static void client_takes(const struct poll *poll, uint64_t batch) {
    for (int i = 0; i < poll->news_count; i++) {
        const struct news *news = &poll->news[i];
        if (news->frame >= 0) {
            take_frame(news);
            continue;
        }
        CHECK(client.expects[news->channel] == news->from, "channel %d: %d.. after %d",
              news->channel, news->from, client.expects[news->channel]);
        client.expects[news->channel] = news->to;
    }
    client.ack = (unsigned)batch;
}

/* An answer of a request is on its way to whoever asked. */
static void send_answer(struct poll *poll, uint64_t batch) {
    bool mine = client.poll == poll;

    world.answers++;
    if (!poll->keep)
        poll->state = POLL_OVER;
    if (!mine)
        return;
    if (losing && chance(10)) {
        poll->state = POLL_OVER;
        client_fails();
        return;
    }
    client.began = true;
    client_takes(poll, batch);
    if (!poll->keep) {
        client.poll = NULL;
        client.request++;
    }
}

/* It is over with nothing that belongs to the session; `broken`: no answer at all. */
static void end_poll(struct poll *poll, bool broken) {
    poll->state = POLL_OVER;
    if (client.poll != poll)
        return;
    if (broken) {
        client_fails();
        return;
    }
    client.began = true;
    client.poll = NULL;
    client.request++;
}

static void poll_is_gone(struct poll *poll) {
    poll->state = POLL_OVER;
    world.gone++;
    if (client.poll == poll)
        client_begins();
}

/* --------------------------------------------------------------------- requests that hold */

static void positions_of(struct session_bytes cursor, int out[CHANNELS]) {
    char text[128] = ",";

    ck_assert_uint_lt(cursor.len, sizeof text - 2);
    memcpy(text + 1, cursor.at != NULL ? cursor.at : "", cursor.len);
    for (int i = 0; i < CHANNELS; i++) {
        const char *at = strstr(text, keepf(",%c@1-", 'a' + i));
        out[i] = at == NULL ? -1 : atoi(at + 5);
    }
}

static void take_view(struct poll *poll, const struct session_view *view) {
    poll->state = POLL_HELD;
    poll->fresh = true;
    poll->version = view->version;
    poll->exact = view->until.at != NULL;
    positions_of(view->cursor, poll->position);
    positions_of(view->until, poll->until);
    poll->frame_count = (int)view->frame_count;
    ck_assert_uint_lt(view->frame_count, FRAMES / 8);
    for (size_t i = 0; i < view->frame_count; i++)
        snprintf(poll->frames[i], sizeof poll->frames[i], "%.*s", (int)view->frames[i].len,
                 view->frames[i].at);
    poll->again = view->again;
    world.repeats += view->again;
}

/* What is not the answer that was hoped for. */
static void take_refusal(struct poll *poll, const struct session_view *view) {
    if (view->err != ERR_OK) {
        CHECK(view->err == ERR_REDIS, "%s", view->why);
        world.lost_replies++;
        end_poll(poll, true);
    } else if (view->status == SESSION_GONE) {
        poll_is_gone(poll);
    } else {
        CHECK(view->status == SESSION_LOST, "status %d", (int)view->status);
        end_poll(poll, client.rule == SESSION_SAME);
    }
}

static void on_view(void *ctx, const struct session_view *view) {
    struct poll *poll = ctx;

    if (poll->process->redis.dead || poll->state == POLL_OVER)
        return;
    if (view->err == ERR_OK && (view->status == SESSION_HELD || view->status == SESSION_OPENED))
        take_view(poll, view);
    else
        take_refusal(poll, view);
}

static void on_marked(void *ctx, const struct session_view *view) {
    struct poll *poll = ctx;

    if (poll->process->redis.dead || poll->state == POLL_OVER)
        return;
    if (view->err == ERR_OK && view->status == SESSION_OK) {
        poll->state = POLL_HELD;
        send_answer(poll, view->batch);
    } else if (view->err == ERR_OK && view->status == SESSION_CHANGED) {
        take_view(poll, view);
    } else {
        take_refusal(poll, view);
    }
}

static void on_released(void *ctx, const struct session_view *view) {
    struct poll *poll = ctx;

    if (poll->process->redis.dead || poll->state == POLL_OVER)
        return;
    end_poll(poll,
             view->err != ERR_OK || (view->status != SESSION_OK && client.rule == SESSION_SAME));
}

static void attach(struct poll *poll) {
    static const struct session_birth birth = {.dialect = {"model", 5}};
    char request[16];
    struct session_attach how = {.number = poll->number,
                                 .policy = SESSION_NEWEST,
                                 .confirm = client.rule,
                                 .ack = poll->ack,
                                 .birth = poll->birth ? &birth : NULL,
                                 .ttl = TTL};

    snprintf(request, sizeof request, "r%u", poll->request);
    how.request = (struct session_bytes){request, strlen(request)};
    poll->state = POLL_ASKS;
    if (session_attach(poll->process->sessions, poll->id, &how, on_view, poll) != ERR_OK)
        end_poll(poll, true);
}

static void add_frame_news(struct poll *poll, const char *text) {
    struct news *news = &poll->news[poll->news_count++];

    *news = (struct news){.frame = -1};
    ck_assert_int_eq(sscanf(text, "%d:%15s", &news->frame, news->text), 2);
}

static void add_message_news(struct poll *poll, int channel, int to) {
    poll->news[poll->news_count++] =
        (struct news){.frame = -1, .channel = channel, .from = poll->position[channel], .to = to};
}

static const char *cursor_text(const int position[CHANNELS]) {
    char *text = keepf("%s", "");

    for (int i = 0; i < CHANNELS; i++) {
        if (position[i] >= 0)
            text = keepf("%s%s%c@1-%d", text, text[0] ? "," : "", 'a' + i, position[i]);
    }
    return text;
}

/* Renders some of what there is for it, and marks it. False: there is nothing. */
static bool answer(struct poll *poll) {
    int frames = poll->exact || chance(70) ? poll->frame_count : (int)(lrand48() % 2);
    bool moved = false;

    frames = frames < poll->frame_count ? frames : poll->frame_count;
    poll->news_count = 0;
    for (int i = 0; i < frames; i++)
        add_frame_news(poll, poll->frames[i]);
    for (int i = 0; i < CHANNELS && frames == poll->frame_count; i++) {
        int left = poll->position[i] < 0 ? 0 : world.head[i] - poll->position[i];
        int to = poll->position[i] + (left > 1 && chance(30) ? 1 : left);
        to = poll->exact && poll->position[i] >= 0 ? poll->until[i] : to;
        if (poll->position[i] < 0 || to <= poll->position[i])
            continue;
        add_message_news(poll, i, to);
        poll->position[i] = to;
        moved = true;
    }
    poll->fresh = poll->frame_count > frames;
    if (poll->news_count == 0 && !poll->exact)
        return false;
    poll->frame_count -= frames;
    memmove(poll->frames, poll->frames + frames, (size_t)poll->frame_count * sizeof *poll->frames);
    const char *cursor = cursor_text(poll->position);
    const char *request =
        client.rule == SESSION_NEXT && chance(70) ? "" : keepf("r%u", poll->request);
    poll->keep = client.rule == SESSION_NEXT && chance(50);
    const struct session_answer how = {
        .number = poll->number,
        .version = poll->version,
        .cursor = {moved ? cursor : NULL, moved ? strlen(cursor) : 0},
        .frames = (size_t)frames,
        .request = {request, strlen(request)},
        .keep = poll->keep,
        .together = client.rule == SESSION_NEXT && chance(70),
        .ttl = TTL};
    poll->state = POLL_ASKS;
    poll->fresh = poll->keep;
    if (session_answer(poll->process->sessions, poll->id, &how, on_marked, poll) != ERR_OK)
        end_poll(poll, true);
    return true;
}

static bool has_messages(const struct poll *poll) {
    for (int i = 0; i < CHANNELS; i++) {
        if (poll->position[i] >= 0 && poll->position[i] < world.head[i])
            return true;
    }
    return false;
}

/* One more step of a request in its process. False: it waits. */
static bool move_poll(struct poll *poll) {
    if (poll->state == POLL_ARRIVED) {
        attach(poll);
    } else if (poll->state != POLL_HELD) {
        return false;
    } else if (poll->over) {
        end_poll(poll, poll->copy);
    } else if (poll->woken) {
        poll->woken = false;
        poll->state = POLL_ASKS;
        if (session_look(poll->process->sessions, poll->id, poll->number, on_view, poll) != ERR_OK)
            end_poll(poll, true);
    } else if (poll->fresh || has_messages(poll)) {
        return answer(poll);
    } else if (losing && chance(10)) {
        poll->state = POLL_ASKS;
        session_release(poll->process->sessions, poll->id, poll->number, TTL, on_released, poll);
    } else {
        return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------- changes */

static void on_changed(void *ctx, const struct session_view *view) {
    struct change *change = ctx;

    change->busy = false;
    if (strcmp(change->id, client.id) == 0 && view->err == ERR_OK && view->status == SESSION_OK)
        client.known[change->frame] = FRAME_SURE;
}

/* Makes the change from what the session is now. */
static void on_peeked(void *ctx, const struct session_view *view) {
    struct change *change = ctx;
    char text[24], position[24], state[CHANNELS + 1] = "";
    size_t len = 0;

    change->busy = false;
    if (change->process->redis.dead || view->err != ERR_OK || view->status != SESSION_CONFLICT ||
        strcmp(change->id, client.id) != 0)
        return;
    int i = change->channel, frame = client.frames++;
    ck_assert_int_lt(frame, FRAMES);
    change->frame = frame;
    bool on = view->state.len > 0 && memchr(view->state.at, 'a' + i, view->state.len) != NULL;
    for (size_t k = 0; k < view->state.len; k++) {
        if (view->state.at[k] != 'a' + i)
            state[len++] = view->state.at[k];
    }
    if (!on)
        state[len++] = (char)('a' + i);
    snprintf(text, sizeof text, on ? "%d:U%c" : "%d:S%c%d", frame, 'a' + i, world.head[i]);
    snprintf(position, sizeof position, "%c@1-%d", 'a' + i, world.head[i]);
    struct session_bytes bytes = {position, strlen(position)};
    struct session_change how = {.version = view->version,
                                 .state = {state, len},
                                 .frames = &(struct session_bytes){text, strlen(text)},
                                 .frame_count = 1,
                                 .ttl = TTL};
    if (on)
        how.drop = bytes;
    else
        how.add = bytes;
    change->busy =
        session_change(change->process->sessions, change->id, &how, on_changed, change) == ERR_OK;
}

static void echo(struct change *change) {
    char text[24];

    change->frame = client.frames++;
    ck_assert_int_lt(change->frame, FRAMES);
    snprintf(text, sizeof text, "%d:e", change->frame);
    const struct session_change how = {
        .frames = &(struct session_bytes){text, strlen(text)}, .frame_count = 1, .ttl = TTL};
    change->busy =
        session_change(change->process->sessions, change->id, &how, on_changed, change) == ERR_OK;
}

static struct process *some_process(bool running) {
    for (int i = 0; i < 100; i++) {
        struct process *process = &world.processes[lrand48() % PROCESSES];
        if (process->alive && !(running && process->stopped))
            return process;
    }
    return NULL;
}

static void begin_change(void) {
    struct process *process = some_process(true);

    if (process == NULL || world.change_count == CHANGES || client.frames > FRAMES / 8 - 8)
        return;
    struct change *change = &world.changes[world.change_count++];
    *change = (struct change){.process = process, .channel = (int)(lrand48() % 3) - 1};
    snprintf(change->id, sizeof change->id, "%s", client.id);
    if (change->channel < 0)
        echo(change);
    else
        change->busy = session_change(process->sessions, change->id,
                                      &(struct session_change){.version = SESSION_PEEK}, on_peeked,
                                      change) == ERR_OK;
}

/* -------------------------------------------------------------------------- processes */

static void on_ready(void *ctx) {
    struct process *process = ctx;
    if (process->sessions != NULL)
        sessions_resume(process->sessions);
}

static void on_refused(void *ctx, const char *why) {
    (void)ctx, (void)why;
}

static const struct library_events library_events = {.ready = on_ready, .refused = on_refused};

static struct ev_loop *loop;

static redisContext *connect_to_redis(void) {
    redisContext *context = redisConnectUnix(server_socket());
    ck_assert(context != NULL && context->err == 0);
    return context;
}

static void start_process(struct process *process) {
    memset(process, 0, sizeof *process);
    process->alive = true;
    process->redis.commands = connect_to_redis();
    process->redis.subscriber = connect_to_redis();
    process->library = library_new(
        loop, &process->redis,
        &(struct library_options){
            .prefix = "halley", .sessions = true, .events = &library_events, .ctx = process});
    process->sessions = sessions_new(&process->redis, process->library, "halley");
    freeReplyObject(redisCommand(process->redis.subscriber, "SUBSCRIBE %s",
                                 session_channel(process->sessions)));
    bool was = losing;
    losing = false;
    library_up(process->library);
    while (process->redis.count > 0)
        answer_one(&process->redis);
    losing = was;
    ck_assert(sessions_ready(process->sessions));
}

static bool listens(const char *channel) {
    return strstr(must_ask("PUBSUB NUMSUB %s", channel), " 0]") == NULL;
}

/* The process is dead at once; Redis knows it when this returns. */
static void kill_process(struct process *process) {
    const char *channel = keepf("%s", session_channel(process->sessions));

    process->redis.dead = true;
    sessions_give_up(process->sessions);
    process->alive = false;
    redisFree(process->redis.subscriber);
    for (int i = 0; i < 1000 && listens(channel); i++)
        sched_yield();
    until(!listens(channel), "%s", channel);
    while (process->redis.count > 0) {
        freeReplyObject(process->redis.due[0].reply);
        process->redis.due[0].reply = NULL;
        answer_one(&process->redis);
    }
    redisFree(process->redis.commands);
    sessions_free(process->sessions);
    library_free(process->library);
    for (int i = 0; i < world.poll_count; i++) {
        struct poll *poll = &world.polls[i];
        if (poll->process == process && poll->state != POLL_OVER) {
            poll->state = POLL_OVER;
            if (client.poll == poll)
                client_fails();
        }
    }
}

static void hear(struct process *process, const redisReply *message) {
    uint64_t number;
    const char *channel = message->element[1]->str, *text = message->element[2]->str;
    enum session_word word =
        session_hear(process->sessions, channel, strlen(channel), text, strlen(text), &number);

    for (int i = 0; i < world.poll_count; i++) {
        struct poll *poll = &world.polls[i];
        if (poll->process != process || poll->number != number || word == SESSION_WORD_NONE)
            continue;
        poll->woken = poll->woken || word == SESSION_WORD_WAKE;
        poll->over = poll->over || word != SESSION_WORD_WAKE;
        poll->copy = poll->copy || word == SESSION_WORD_COPY;
    }
}

/* Takes what Redis has said to it by now: everything in front of the answer to a PING. */
static void listen_now(struct process *process) {
    redisReply *reply = NULL;

    redisAppendCommand(process->redis.subscriber, "PING");
    while (redisGetReply(process->redis.subscriber, (void **)&reply) == REDIS_OK) {
        bool pong = strcmp(reply->element[0]->str, "message") != 0;
        if (!pong)
            hear(process, reply);
        freeReplyObject(reply);
        if (pong)
            return;
    }
    ck_abort_msg("the subscriber is lost");
}

/* One request's step, if there is one to be made. */
static void step_polls(struct process *process) {
    for (int i = 0; i < world.poll_count; i++) {
        struct poll *poll = &world.polls[i];
        if (poll->process == process && chance(60) && move_poll(poll))
            return;
    }
}

static void step_process(struct process *process) {
    if (chance(50))
        listen_now(process);
    if (client.rule == SESSION_NEXT && chance(50)) /* the others' answers are never together */
        sessions_flush(process->sessions);
    for (int i = 0; i < 3; i++) {
        if (process->redis.count > 0 && chance(70))
            answer_one(&process->redis);
        else
            step_polls(process);
    }
}

/* ----------------------------------------------------------------------------- a run */

static void begin_poll(void) {
    struct process *process = some_process(chance(70) || !losing);

    if (process == NULL || client.poll != NULL || world.poll_count == POLLS)
        return;
    struct poll *poll = &world.polls[world.poll_count++];
    *poll = (struct poll){.process = process,
                          .number = session_number(process->sessions),
                          .birth = !client.began,
                          .request = client.request,
                          .ack = client.ack};
    snprintf(poll->id, sizeof poll->id, "%s", client.id);
    client.poll = poll;
}

/* The session's time is over. A first request that is still under way does not make it again. */
static void expire(void) {
    must_ask("DEL halley.session:{%s}", client.id);
    for (int i = 0; i < world.poll_count; i++)
        world.polls[i].birth = false;
    client.began = true;
}

static void fault(void) {
    struct process *process = &world.processes[lrand48() % PROCESSES];

    if (chance(30)) {
        kill_process(process);
        start_process(process);
    } else if (chance(60)) {
        process->stopped = !process->stopped;
    } else if (chance(10)) {
        expire();
    } else if (client.poll != NULL && chance(50)) {
        client_fails(); /* it does not wait any longer */
    }
}

static void step(void) {
    long what = lrand48() % 100;
    struct process *process = some_process(true);

    if (what < 15)
        world.head[lrand48() % CHANNELS]++;
    else if (what < 23)
        begin_change();
    else if (what < 27 && losing)
        fault();
    else if (what < 45)
        begin_poll();
    else if (process != NULL)
        step_process(process);
}

static bool has_everything(void) {
    for (int i = 0; i < CHANNELS; i++) {
        if (client.expects[i] >= 0 && client.expects[i] != world.head[i])
            return false;
    }
    for (int i = client.frame + 1; i < client.frames; i++) {
        if (client.known[i] == FRAME_SURE)
            return false;
    }
    return true;
}

static bool changes_are_done(void) {
    for (int i = 0; i < world.change_count; i++) {
        if (world.changes[i].busy && world.changes[i].process->alive)
            return false;
    }
    return true;
}

/* Nothing fails any more: it must get all that there is, by words and messages alone. */
static void settle(void) {
    losing = false;
    if (client.poll != NULL && client.poll->process->stopped)
        client_fails();
    for (int i = 0; i < PROCESSES; i++)
        world.processes[i].stopped = false;
    for (int i = 0; i < SETTLING; i++) {
        if (client.poll == NULL)
            begin_poll();
        step_process(&world.processes[lrand48() % PROCESSES]);
        if (changes_are_done() && has_everything())
            return;
    }
    CHECK(false, "it waits for ever: frames %d of %d, a %d of %d, b %d of %d", client.frame,
          client.frames, client.expects[0], world.head[0], client.expects[1], world.head[1]);
}

/* Nothing of this run is left for the next. */
static void end_run(void) {
    for (int i = 0; i < world.poll_count; i++)
        world.polls[i].state = POLL_OVER;
    for (int i = 0; i < PROCESSES; i++) {
        sessions_flush(world.processes[i].sessions);
        while (world.processes[i].redis.count > 0)
            answer_one(&world.processes[i].redis);
        listen_now(&world.processes[i]);
    }
    must_ask("DEL halley.session:{%s} halley.session.out:{%s}", client.id, client.id);
}

static void run(unsigned long seed) {
    world.seed = seed;
    srand48((long)seed);
    world.poll_count = world.change_count = 0;
    memset(world.head, 0, sizeof world.head);
    client_begins();
    losing = true;
    for (int i = 0; i < STEPS; i++)
        step();
    settle();
    end_run();
}

/* A slow tool (valgrind) sees fewer of them. */
static void run_many(enum session_confirm rule, unsigned count) {
    const char *one = getenv("HALLEY_MODEL_SEED"), *slow = getenv("CK_TIMEOUT_MULTIPLIER");

    server_start(false);
    log_open("unit", LOG_ERROR);
    loop = ev_loop_new(0);
    for (int i = 0; i < PROCESSES; i++)
        start_process(&world.processes[i]);
    client.rule = rule;
    count /= slow != NULL && atoi(slow) > 1 ? (unsigned)atoi(slow) : 1;
    for (unsigned i = 0; i < count; i++) {
        run(one != NULL ? strtoul(one, NULL, 10) : 1000 * (unsigned long)rule + i + 1);
        if (one != NULL)
            break;
    }
    /* the faults that this is about did happen */
    if (one == NULL) {
        ck_assert_uint_gt(world.answers, count);
        ck_assert_uint_gt(world.lost_replies, count / 20);
        ck_assert_uint_gt(world.gone, 0);
        ck_assert_uint_ge(world.repeats, rule == SESSION_NEXT ? 0 : count / 50);
    }
    for (int i = 0; i < PROCESSES; i++)
        kill_process(&world.processes[i]);
    ev_loop_destroy(loop);
}

START_TEST(by_the_next_request_nothing_is_lost_doubled_or_out_of_order) {
    run_many(SESSION_NEXT, 800);
}
END_TEST

START_TEST(by_the_requests_id_nothing_is_lost_doubled_or_out_of_order) {
    run_many(SESSION_SAME, 800);
}
END_TEST

START_TEST(by_acknowledgements_nothing_is_lost_doubled_or_out_of_order) {
    run_many(SESSION_ACK, 800);
}
END_TEST

UNIT_MAIN("session_model", by_the_next_request_nothing_is_lost_doubled_or_out_of_order,
          by_the_requests_id_nothing_is_lost_doubled_or_out_of_order,
          by_acknowledgements_nothing_is_lost_doubled_or_out_of_order)
