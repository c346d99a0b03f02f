/* The model's workers: their sequencers, and what becomes of all that is on its way to
 * them and from them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "tests/unit/model_world.h"

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
        for (int i = 0; letter->publish >= 0 && i <= world->publishes[letter->publish].twin; i++)
            world->publishes[letter->publish + i].late = true;
    }
}

void model_say_call(const struct world *world, const struct sent *sent, int who) {
    char line[400] = "";
    if (!world->trace)
        return;
    for (int i = 1; i < sent->argc && strlen(line) < 300; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), " %.40s", sent->argv[i]);
    model_say(world, "w%d:%s", who, line);
}

void model_sent_free(struct sent *sent) {
    for (int i = 0; i < sent->argc; i++)
        free(sent->argv[i]);
    if (sent->reply != NULL)
        freeReplyObject(sent->reply);
    free(sent);
}

/* Whether this worker's life has heard the publish of a letter, in all of its channels. */
static void note_heard(struct worker *worker, const struct letter *letter, bool heard) {
    struct world *world = worker->world;
    uint64_t life = UINT64_C(1) << worker->life;

    for (int i = 0; letter->publish >= 0 && i <= world->publishes[letter->publish].twin; i++) {
        struct publish *publish = &world->publishes[letter->publish + i];
        publish->heard = heard ? publish->heard | life : publish->heard & ~life;
    }
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
        model_sent_free(worker->join);
    worker->join = NULL;
}

static void close_ears(struct worker *worker) {
    unsubscribe_all(worker);
    drop_letters(worker);
    worker->ears = DEAF;
}

/* The connection breaks: the last letters, or none, or all are lost. */
void model_cut_ears(struct worker *worker) {
    struct letter *letter, *next;
    unsigned kept = 0, count = 0;

    unsubscribe_all(worker);
    DL_FOREACH (worker->letters, letter) {
        count++;
    }
    kept = count > 0 ? model_roll(worker->world, count + 1) : 0;
    DL_FOREACH_SAFE (worker->letters, letter, next) {
        if (kept > 0) {
            kept--;
            continue;
        }
        DL_DELETE(worker->letters, letter);
        letter_free(letter);
    }
    worker->world->delivering = -1;
    model_write(worker, CLOSED, NULL, NULL, NULL);
}

/* What was sent and not carried out may still be, later; whoever sent it is not told. */
static void lose_calls(struct worker *worker, bool redis_lives) {
    struct world *world = worker->world;
    bool keeps = redis_lives && model_roll(world, 2) == 0;

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
            model_sent_free(sent);
    }
}

void model_cut_calls(struct worker *worker, bool redis_lives) {
    bool was = worker->up;
    worker->up = worker->ready = false;
    lose_calls(worker, redis_lives);
    if (was && worker->sequencer != NULL)
        sequencer_down(worker->sequencer);
}

void model_start(struct world *world, int which) {
    struct worker *worker = &world->workers[which];
    const struct porter porter = {
        .ctx = worker, .now = on_now, .send = on_send, .refused = on_refused};

    if (which >= world->most || worker->sequencer != NULL || world->lives == LIVES)
        return;
    *worker = (struct worker){.world = world, .life = world->lives++, .reported = world->clock};
    bool other = world->mixed && model_roll(world, 2) == 0;
    worker->sequencer = sequencer_new(&world->configs[other], &porter, ROOM);
    world->alive |= UINT64_C(1) << worker->life;
    model_say(world, "w%d starts%s", which, other ? ", with other patterns" : "");
}

void model_end(struct worker *worker) {
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

void model_on_drained(void *ctx) {
    struct worker *worker = ctx;
    worker->world->left |= UINT64_C(1) << worker->life;
}

void model_look_after(struct world *world, int which) {
    struct worker *worker = &world->workers[which];

    if (worker->sequencer == NULL || worker->stopped)
        return;
    if (world->left & (UINT64_C(1) << worker->life)) {
        model_say(world, "w%d has left", which);
        model_end(worker);
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
    if ((double)world->clock / 1e6 >= sequencer_due(worker->sequencer) || model_roll(world, 2) == 0)
        sequencer_tick(worker->sequencer);
}

bool model_read_letter(struct world *world, int which) {
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
        model_say(world, "w%d hears %s %s", which, letter->channel, letter->text);
        size_t queued = sequencer_queued(worker->sequencer);
        note_heard(worker, letter, true);
        world->counts->heard += letter->publish >= 0;
        if (!sequencer_heard(worker->sequencer, letter->channel, strlen(letter->channel),
                             letter->text, strlen(letter->text))) {
            note_heard(worker, letter, false);
            model_say(world, "w%d has no room", which);
            world->counts->full++;
            close_ears(worker);
            sequencer_deaf(worker->sequencer, true);
        } else if (world->mixed && sequencer_queued(worker->sequencer) == queued) {
            note_heard(worker, letter, false); /* behind a barrier of others it hears no more */
        }
    } else {
        bool cut = letter->news == CLOSED;
        model_say(world, "w%d is deaf%s", which, cut ? ", cut" : "");
        world->counts->cuts += cut;
        close_ears(worker);
        sequencer_deaf(worker->sequencer, cut);
    }
    letter_free(letter);
    return true;
}

bool model_read_answer(struct world *world, int which) {
    struct worker *worker = &world->workers[which];
    struct sent *sent = worker->answers;

    if (sent == NULL || worker->sequencer == NULL || worker->stopped)
        return false;
    DL_DELETE(worker->answers, sent);
    if (sent->answer != NULL)
        sent->answer(sent->answer_ctx, (const redis_reply *)sent->reply);
    model_sent_free(sent);
    return true;
}

/* Redis carries out the next thing that this worker sent. */
bool model_carry_out(struct world *world, int which) {
    struct worker *worker = &world->workers[which];
    struct sent *sent = worker->calls;

    if (sent == NULL)
        return false;
    DL_DELETE(worker->calls, sent);
    model_say_call(world, sent, which);
    sent->reply = model_call(world, sent);
    if (model_reports(sent) && sent->reply->type != REDIS_REPLY_ERROR)
        note_report(worker);
    if (sent->reply->type == REDIS_REPLY_ERROR)
        model_say(world, "  -%s", sent->reply->str);
    else if (sent->reply->type == REDIS_REPLY_ARRAY)
        model_say(world, "  %s", sent->reply->element[0]->str ? sent->reply->element[0]->str : "?");
    DL_APPEND(worker->answers, sent);
    return true;
}

/* Whether Redis would let it join: asked at once, where it may be that it would not. */
static bool may_join(struct worker *worker) {
    struct world *world = worker->world;
    struct call call;

    if (!world->mixed)
        return true;
    sequencer_try(worker->sequencer, &call);
    struct sent *sent = sent_new(&call);
    sent->reply = model_call(world, sent);
    bool may = sent->reply->type != REDIS_REPLY_ERROR;
    if (!may)
        sequencer_refused(worker->sequencer, (const redis_reply *)sent->reply);
    model_sent_free(sent);
    return may;
}

bool model_carry_out_ears(struct world *world, int which) {
    struct worker *worker = &world->workers[which];

    world->delivering = -1;
    if (worker->unsubscribing) {
        worker->pattern = worker->unsubscribing = false;
        model_write(worker, UNSUBSCRIBED, NULL, NULL, NULL);
        return true;
    }
    if (worker->ears == CONNECTING && !worker->stopped && worker->sequencer != NULL) {
        struct call call;
        if (!worker->ready || !may_join(worker)) {
            worker->ears = DEAF;
            return false;
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
    model_say_call(world, join, which);
    redisReply *reply = model_call(world, join);
    worker->nameless = reply->type == REDIS_REPLY_ERROR;
    if (!worker->nameless)
        note_report(worker);
    model_write(worker, JOINED, reply, NULL, NULL);
    worker->subscribed = worker->pattern = true;
    model_sent_free(join);
    return true;
}

bool model_connect(struct world *world, int which) {
    struct worker *worker = &world->workers[which];

    if (worker->sequencer == NULL || worker->stopped || worker->ready)
        return false;
    if (!worker->up) {
        worker->up = true;
    } else {
        model_do(world, "load_functions", "");
        worker->ready = true;
        sequencer_up(worker->sequencer);
    }
    return true;
}
