/*
 * fcgi-app/carriers/engineio/rules against sessions as core/redis/session.lua keeps them, in
 * thousands of random orders of everything that can happen to them: polls, posts, messages, pings
 * that fall due and pongs, closes, upgrades, a browser that leaves, processes that are killed,
 * stopped and go on, and shut down. The clock is the model's own. Nothing may be doubled, out of
 * order, or lost but with the answer that had it; a ping is sent when it is due, and once; who is
 * told that a session is over, and how, is told right; and no poll is left waiting for a session
 * that is not its own. HALLEY_MODEL_SEED=n repeats one, HALLEY_MODEL_RUNS=n does more of them.
 */
#include "fcgi-app/carriers/engineio/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

enum { INTERVAL = 300, TIMEOUT = 200, LIFE = INTERVAL + TIMEOUT };
enum { PROCESSES = 3, POLLS = 64, SESSIONS = 16, STEPS = 120, RUNS = 4000, SETTLING = 2000 };

/* ------------------------------------------------------------- a session, as Redis has it */

struct poll;

struct session {
    bool there;
    char reason; /* why it is closed; 0: it is not */
    bool once;
    struct poll *holder;
    unsigned version;
    int frames, sent;      /* that wait, and of them those of the last answer */
    int first;             /* number of the first of them */
    int at, flying;        /* its place, and that of the last answer; -1: confirmed */
    int64_t ping, expires; /* ping: 0: its pong is awaited */
    /* what its client has, and whether it still wants it */
    int has_frame, has_message;
    bool wanted, reckless; /* it had two polls at a time: what it has is in no order */
    struct poll *asked;    /* its poll; NULL: none */
    int posted;
};

struct reply {
    bool due;
    struct session_view view;
    char reason;
    int first, at;
};

struct poll {
    struct session *session;
    struct poll_rules rules;
    int process;
    struct reply reply;
    bool word, gone; /* gone: with its process */
    bool late;       /* it looks once its connection is back, which lost the word */
    unsigned version;
    int first, frames, at, upto; /* what it would send */
    bool ping, sends_ping;
    int64_t due;
    bool pong;
    bool over, held, drained; /* held: at any time */
};

static struct {
    struct session sessions[SESSIONS];
    struct poll polls[POLLS];
    int session_count, poll_count, head;
    int64_t now;
    bool stopped[PROCESSES];
    unsigned long seed;
    unsigned long sent, pings, noops, byes, unknowns, upgrades;
} world;

static bool chance(int percent) {
    return lrand48() % 100 < percent;
}

#define holds(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("seed %lu: %s", world.seed, keepf(__VA_ARGS__));                          \
    } while (0)

static bool exists(struct session *s) {
    if (s->there && world.now >= s->expires)
        s->there = false;
    return s->there;
}

/* Whether somebody hears it; who does not has lost the session. */
static bool tell(struct session *s) {
    struct poll *holder = s->holder;

    bool deaf = s->reckless && chance(10); /* its connection has just broken */

    if (holder != NULL && !holder->gone && !deaf) {
        holder->word = true;
        return true;
    }
    if (holder != NULL)
        holder->late = true;
    s->holder = NULL;
    return false;
}

static void settle(struct session *s) {
    if (s->flying >= 0)
        s->at = s->flying;
    s->first += s->sent;
    s->frames -= s->sent;
    s->sent = 0;
    s->flying = -1;
}

static bool is_over(const struct session *s) {
    return s->reason != 0 && s->frames <= s->sent;
}

static void live_on(struct session *s) {
    if (s->ping != 0 && s->reason == 0)
        s->expires = world.now + LIFE;
}

static void answer_with(struct poll *poll, enum session_status status) {
    poll->reply = (struct reply){.due = true, .view = {.status = status, .ping = -1}};
}

static void answer_closed(struct poll *poll) {
    struct session *s = poll->session;

    answer_with(poll, SESSION_CLOSED);
    poll->reply.reason = s->reason;
    if (s->once)
        s->there = false;
}

static void answer_view(struct poll *poll, enum session_status status) {
    const struct session *s = poll->session;
    int64_t left = s->ping - world.now;

    answer_with(poll, status);
    poll->reply.view.version = s->version;
    poll->reply.view.frame_count = (size_t)(s->frames - s->sent);
    poll->reply.first = s->first + s->sent;
    poll->reply.at = s->flying >= 0 ? s->flying : s->at;
    poll->reply.view.ping = s->ping == 0 || s->reason != 0 ? -1 : left > 0 ? left : 0;
}

static void shut(struct session *s, char reason, bool once) {
    s->reason = reason;
    s->once = once;
    s->version++;
}

static void do_attach(struct poll *poll) {
    struct session *s = poll->session;

    if (!exists(s)) {
        answer_with(poll, SESSION_GONE);
        return;
    }
    if (s->holder != NULL && s->holder != poll && tell(s) && s->reason == 0) {
        holds(s->reckless, "a session is closed though it has one poll at a time");
        shut(s, ENGINEIO_HELD[0], false);
        s->holder = NULL;
        answer_closed(poll);
        return;
    }
    settle(s);
    if (is_over(s)) {
        answer_closed(poll);
        return;
    }
    s->holder = poll;
    answer_view(poll, SESSION_HELD);
    live_on(s);
}

static void do_look(struct poll *poll) {
    struct session *s = poll->session;

    if (!exists(s))
        answer_with(poll, SESSION_GONE);
    else if (s->holder != poll)
        answer_with(poll, SESSION_LOST);
    else if (is_over(s))
        answer_closed(poll);
    else
        answer_view(poll, SESSION_HELD);
}

static void do_mark(struct poll *poll) {
    struct session *s = poll->session;

    poll->sends_ping = poll->rules.ping;
    if (!exists(s)) {
        answer_with(poll, SESSION_GONE);
    } else if (s->holder != poll) {
        answer_with(poll, SESSION_LOST);
    } else if (s->version != poll->version) {
        is_over(s) ? answer_closed(poll) : answer_view(poll, SESSION_CHANGED);
    } else {
        s->sent += poll->frames;
        s->flying = poll->upto;
        s->holder = NULL;
        answer_with(poll, SESSION_OK);
        holds(!poll->sends_ping || s->reason != 0 || (s->ping != 0 && s->ping <= world.now),
              "a ping that is not due");
        live_on(s);
        if (poll->sends_ping && s->reason == 0) {
            s->ping = 0;
            s->expires = world.now + TIMEOUT;
        }
    }
}

static void do_peek(struct poll *poll) {
    struct session *s = poll->session;

    if (!exists(s))
        answer_with(poll, SESSION_GONE);
    else if (s->reason != 0)
        answer_with(poll, SESSION_CLOSED), poll->reply.reason = s->reason;
    else
        answer_with(poll, SESSION_CONFLICT);
}

static void do_release(struct poll *poll) {
    if (exists(poll->session) && poll->session->holder == poll)
        poll->session->holder = NULL;
}

static void do_close(struct session *s, char reason, bool once) {
    if (!exists(s) || s->reason != 0)
        return;
    shut(s, reason, once);
    if (s->holder != NULL)
        (void)tell(s);
}

/* ------------------------------------------------------------------ a client, and its polls */

static void give_up(struct session *s) {
    s->wanted = false;
    s->asked = NULL;
}

static void hear(struct poll *poll) {
    struct session *s = poll->session;

    if (!s->wanted || s->reckless)
        return;
    holds(poll->frames == 0 || poll->first == s->has_frame, "frame %d instead of %d", poll->first,
          s->has_frame);
    holds(poll->at == s->has_message, "messages from %d instead of %d", poll->at, s->has_message);
    holds(poll->frames > 0 || poll->upto > poll->at || poll->sends_ping, "it says nothing");
    s->has_frame += poll->frames;
    s->has_message = poll->upto;
    world.sent++;
    if (!poll->sends_ping || s->reason != 0)
        return;
    world.pings++;
    if (!chance(70) || !exists(s))
        return;
    s->ping = world.now + INTERVAL; /* the pong */
    live_on(s);
    if (s->holder != NULL)
        (void)tell(s);
}

static void end(struct poll *poll, enum poll_act act) {
    struct session *s = poll->session;
    bool there = exists(s);

    poll->over = true;
    if (act != POLL_SEND && act != POLL_VANISH && poll->rules.owns)
        do_release(poll);
    if (s->asked == poll)
        s->asked = NULL;
    switch (act) {
    case POLL_SEND:
        hear(poll);
        break;
    case POLL_NOOP:
        holds(s->reason == ENGINEIO_LEFT[0] || poll->drained ||
                  poll->reply.view.status == SESSION_CONFLICT,
              "nothing is said, for nothing");
        world.noops++;
        break;
    case POLL_BYE:
        holds(s->reason == ENGINEIO_ENDED[0] || (s->reason == ENGINEIO_HELD[0] && poll->held),
              "a close that is none");
        world.byes++;
        give_up(s);
        break;
    case POLL_UNKNOWN:
        holds(!there || (s->reason == ENGINEIO_HELD[0] && !poll->held),
              "a session that is there is unknown");
        world.unknowns++;
        give_up(s);
        break;
    case POLL_VANISH:
        if (poll->rules.owns)
            do_close(s, ENGINEIO_HELD[0], false);
        break;
    default:
        holds(false, "Redis is not away");
    }
}

static void act(struct poll *poll, enum poll_act what) {
    switch (what) {
    case POLL_NOTHING:
        break;
    case POLL_WAIT:
        poll->upto = poll->at;
        break;
    case POLL_ATTACH:
        do_attach(poll);
        break;
    case POLL_LOOK:
        do_look(poll);
        break;
    case POLL_MARK:
        do_mark(poll);
        break;
    case POLL_PEEK:
        do_peek(poll);
        break;
    default:
        end(poll, what);
    }
}

static void take_view(struct poll *poll) {
    const struct reply *reply = &poll->reply;

    poll->held = true;
    poll->version = (unsigned)reply->view.version;
    poll->first = reply->first;
    poll->frames = (int)reply->view.frame_count;
    poll->at = poll->upto = reply->at;
    poll->pong = reply->view.ping < 0;
    poll->due = world.now + (poll->pong ? TIMEOUT : reply->view.ping);
}

static void deliver(struct poll *poll) {
    char reason[2] = {poll->reply.reason, '\0'};

    poll->reply.due = false;
    poll->reply.view.reason = (struct session_bytes){reason, reason[0] != '\0'};
    if (poll->reply.view.status == SESSION_HELD || poll->reply.view.status == SESSION_CHANGED)
        take_view(poll);
    act(poll, poll_rules_told(&poll->rules, &poll->reply.view));
}

/* Whether something happened to it. */
static bool turn(struct poll *poll) {
    if (poll->over || poll->gone || world.stopped[poll->process])
        return false;
    if (poll->reply.due && (!poll->word || chance(50))) {
        deliver(poll);
    } else if (poll->word) { /* which may come before the answer to what was asked earlier */
        poll->word = false;
        act(poll, poll_rules_word(&poll->rules));
    } else if (poll->due <= world.now && poll->due > 0) {
        poll->due = poll->pong ? world.now + TIMEOUT : 0;
        act(poll, poll_rules_due(&poll->rules, poll->pong));
    } else if (poll->rules.phase == POLL_WAITING && world.head > poll->at) {
        poll->upto = world.head;
        act(poll, poll_rules_taken(&poll->rules, POLL_TAKEN_FULL));
    } else if (poll->late) {
        poll->late = false;
        act(poll, poll_rules_word(&poll->rules));
    } else {
        return false;
    }
    return true;
}

/* --------------------------------------------------------------------------- events */

static struct session *current(void) {
    struct session *s = world.session_count > 0 ? &world.sessions[world.session_count - 1] : NULL;

    if (s != NULL && s->wanted)
        return s;
    if (world.session_count == SESSIONS)
        return NULL;
    s = &world.sessions[world.session_count++];
    *s = (struct session){.there = true,
                          .version = 1,
                          .flying = -1,
                          .at = world.head,
                          .has_message = world.head,
                          .ping = world.now + INTERVAL,
                          .expires = world.now + LIFE,
                          .wanted = true};
    return s;
}

static void ask(struct session *s) {
    int process = (int)(lrand48() % PROCESSES);

    if (world.poll_count == POLLS)
        return;
    struct poll *poll = &world.polls[world.poll_count++];
    *poll = (struct poll){.session = s, .process = process};
    s->reckless = s->reckless || s->asked != NULL;
    s->asked = poll;
    act(poll, poll_rules_begin(&poll->rules));
}

static void post(struct session *s) {
    if (!exists(s) || s->reason != 0)
        return;
    s->frames++;
    s->posted++;
    if (s->holder != NULL)
        (void)tell(s);
}

/* The session goes to a WebSocket, with what was not fetched. */
static void upgrade(struct session *s) {
    if (s->asked != NULL || !exists(s) || s->reason != 0 || s->reckless)
        return;
    settle(s);
    holds(s->first == s->has_frame, "the WebSocket begins with frame %d instead of %d", s->first,
          s->has_frame);
    holds(s->first + s->frames == s->posted, "a frame is missing");
    holds(s->at == s->has_message, "the WebSocket begins at %d instead of %d", s->at,
          s->has_message);
    if (s->holder != NULL)
        (void)tell(s);
    s->there = false;
    world.upgrades++;
    give_up(s);
}

static void kill_process(void) {
    int process = (int)(lrand48() % PROCESSES);

    for (int i = 0; i < world.poll_count; i++) {
        struct poll *poll = &world.polls[i];
        if (poll->process != process || poll->over)
            continue;
        poll->gone = true;
        if (poll->session->asked == poll)
            give_up(poll->session); /* as a client does whose poll fails */
    }
    world.stopped[process] = false; /* another one takes its place */
}

static void leave(struct session *s) {
    struct poll *poll = s->asked;

    if (poll == NULL || poll->gone || world.stopped[poll->process])
        return;
    give_up(s);
    act(poll, poll_rules_left(&poll->rules));
}

static void drain(struct session *s) {
    struct poll *poll = s->asked;

    if (poll == NULL || poll->gone || world.stopped[poll->process] ||
        poll->rules.phase != POLL_WAITING)
        return;
    poll->drained = chance(50);
    act(poll, poll_rules_taken(&poll->rules, poll->drained ? POLL_TAKEN_EMPTY : POLL_TAKEN_MUTE));
}

static void happen(struct session *s) {
    switch (lrand48() % 16) {
    case 0:
    case 1:
    case 2:
        if (s->asked == NULL || chance(2))
            ask(s);
        break;
    case 3:
    case 4:
        post(s);
        break;
    case 5:
    case 6:
        world.head++;
        break;
    case 7:
        world.now += lrand48() % (chance(90) ? 20 : INTERVAL + 10);
        break;
    case 8:
        if (chance(10))
            do_close(s, chance(50) ? ENGINEIO_LEFT[0] : ENGINEIO_ENDED[0], true);
        break;
    case 9:
        if (chance(10))
            upgrade(s);
        break;
    case 10:
        if (chance(10))
            kill_process();
        break;
    case 11:
        world.stopped[lrand48() % PROCESSES] = chance(30);
        break;
    case 12:
        if (chance(10))
            leave(s);
        break;
    case 13:
        if (chance(30))
            drain(s);
        break;
    default:
        if (world.poll_count > 0)
            (void)turn(&world.polls[lrand48() % world.poll_count]);
    }
    for (int i = 0; i < 2 && world.poll_count > 0; i++)
        (void)turn(&world.polls[lrand48() % world.poll_count]);
}

static void settle_all(void) {
    bool moved = true;

    memset(world.stopped, 0, sizeof world.stopped);
    for (int i = 0; moved && i < SETTLING; i++) {
        moved = false;
        for (int k = 0; k < world.poll_count; k++)
            moved = turn(&world.polls[k]) || moved;
    }
    holds(!moved, "it does not come to rest");
}

static void check_rest(void) {
    for (int i = 0; i < world.poll_count; i++) {
        const struct poll *poll = &world.polls[i];
        if (poll->over || poll->gone)
            continue;
        holds(poll->rules.phase == POLL_WAITING, "poll %d waits for no answer", i);
        struct session *s = poll->session;
        holds(s->holder == poll || !exists(s), "poll %d waits, and does not hold its session", i);
        holds(s->frames == s->sent || !exists(s), "poll %d waits, and something is there", i);
    }
}

static void run(unsigned long seed) {
    struct session *s;

    memset(&world.sessions, 0, sizeof world.sessions);
    memset(&world.polls, 0, sizeof world.polls);
    world.session_count = world.poll_count = world.head = 0;
    world.now = 1000;
    world.seed = seed;
    memset(world.stopped, 0, sizeof world.stopped);
    srand48((long)seed);
    for (int i = 0; i < STEPS && (s = current()) != NULL; i++)
        happen(s);
    settle_all();
    check_rest();
    world.now += 3 * LIFE; /* nobody has answered a ping since, and all of it is forgotten */
    settle_all();
    world.now += 3 * LIFE;
    settle_all();
    for (int i = 0; i < world.poll_count; i++)
        holds(world.polls[i].over || world.polls[i].gone, "poll %d never ends", i);
}

START_TEST(whatever_happens_in_whichever_order_a_session_keeps_its_rules) {
    const char *said = getenv("HALLEY_MODEL_SEED"), *more = getenv("HALLEY_MODEL_RUNS");
    unsigned long seed = said != NULL ? strtoul(said, NULL, 10) : (unsigned long)time(NULL) * 10000;
    unsigned long runs = more != NULL ? strtoul(more, NULL, 10) : said != NULL ? 1 : RUNS;

    for (unsigned long i = 0; i < runs; i++)
        run(seed + i);
    printf("seed %lu: %lu payloads, %lu pings, %lu noops, %lu byes, %lu unknown, %lu upgrades\n",
           seed, world.sent, world.pings, world.noops, world.byes, world.unknowns, world.upgrades);
    if (runs < 1000)
        return;
    ck_assert_uint_gt(world.pings, 100);
    ck_assert_uint_gt(world.byes, 100);
    ck_assert_uint_gt(world.upgrades, 100);
}
END_TEST

UNIT_MAIN("engineio_model", whatever_happens_in_whichever_order_a_session_keeps_its_rules)
