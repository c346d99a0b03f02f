/*
 * Carries out the steps of a protocol for one connection.
 *
 * The hub holds the talk's client in a waiter, like any stream. To change the
 * channels the waiter is released, which tells where it stands, and the client is
 * held again from there. What is said until the hub knows where the session
 * stands is put off, also the publish of the text that changes the channels: so a
 * publish is heard by whoever subscribed before it. What a talk keeps meanwhile, put off
 * or on its way to Redis, is bounded: above HELD_MAX the client is read no further.
 */
#include "fcgi-app/carriers/talk.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "fcgi-app/endpoints/publish.h"

enum {
    PUBLISHES_MAX = 64,
    LATER_MAX = 64,
    HELD_MAX = 256 * 1024 /* bytes, and one text more */
};

/* What came while the hub did not know yet where the session stands. */
struct later {
    struct later *prev, *next;
    bool rest; /* of a text whose channels are changed: the publish, in `step`; no text */
    struct step step;
    size_t len; /* that it weighs; of the text, if there is one */
    char *text;
};

struct talk {
    struct hub_holder holder; /* first: the hub's callback gets this */
    struct talk_setting setting;
    struct client *client; /* NULL once it is closed */
    bool begun;            /* the hub knows where the session stands */
    bool ending;           /* it was closed from here */
    struct later *later;
    unsigned later_count;
    struct ev_timer resume; /* outside of the hub's callback: takes what was put off */
    char *who;
    unsigned publishing; /* on their way; each keeps the talk */
    size_t held;         /* bytes that were put off, or are on their way */
};

/* One more thing is kept, or (with false) one less. */
static void weigh(struct talk *talk, size_t bytes, bool more) {
    talk->held = more ? talk->held + bytes : talk->held - bytes;
    if (talk->client != NULL)
        talk->setting.carrier->read_on(talk->client, talk->held <= HELD_MAX);
}

static void free_if_done(struct talk *talk) {
    if (talk->client != NULL || talk->publishing > 0)
        return;
    free(talk->who);
    free(talk);
}

static void later_free(struct later *later) {
    step_free(&later->step);
    free(later->text);
    free(later);
}

void talk_closed(void *ctx) {
    struct talk *talk = ctx;
    struct later *later, *next;

    DL_FOREACH_SAFE (talk->later, later, next)
        later_free(later);
    talk->later = NULL;
    ev_timer_stop(talk->setting.app->loop, &talk->resume);
    talk->client = NULL;
    free_if_done(talk);
}

/* --------------------------------------------------------------------- saying */

/* What the step says, and its end of the connection. */
static void say(struct talk *talk, const struct step *step) {
    const struct talk_carrier *carrier = talk->setting.carrier;

    for (size_t i = 0; talk->client != NULL && !talk->ending && i < step->said.count; i++) {
        size_t len;
        const char *text = texts_at(&step->said, i, &len);
        carrier->say(talk->client, text, len);
    }
    if (step->closes == 0 || talk->client == NULL || talk->ending)
        return;
    talk->ending = true;
    if (talk->holder.waiter != NULL) {
        struct hub_places places = hub_release(talk->holder.waiter);
        hub_places_free(&places);
    }
    carrier->close(talk->client, step->closes, step->reason);
}

void talk_close(struct talk *talk, unsigned code, const char *reason) {
    const struct step step = {.closes = code, .reason = reason};
    say(talk, &step);
}

static void tell(struct talk *talk, const struct outcome *outcome) {
    struct step told = {0};

    if (outcome->problem != NULL)
        app_count(talk->setting.app, outcome->problem);
    talk->setting.speech.protocol->tell(&talk->setting.speech, outcome, &told);
    say(talk, &told);
    step_free(&told);
}

static void tell_problem(struct talk *talk, const struct problem *problem, struct scan_value ref) {
    tell(talk, &(struct outcome){.problem = problem, .ref = ref});
}

/* ----------------------------------------------------------------- channels */

/* Has the hub hold the client at these places. The talk may be over afterwards. */
static void hold(struct talk *talk, const struct hub_places *places) {
    struct hub_read read = {
        .transport = talk->setting.transport,
        .options = {.config = talk->setting.app->config, .variant = talk->setting.variant},
        .channels = places->channels,
        .channel_count = places->count,
        .limit = talk->setting.limit,
        .ends = places->ends,
        .tag = places->tag};
    struct problem problem;

    talk->begun = false;
    if (!hub_hold(talk->setting.app->hub, talk->client, &read, &talk->holder, &problem))
        client_refuse(talk->client, &problem);
}

static bool join(struct talk *talk, struct step *step) {
    if (talk->holder.waiter == NULL) /* it is ending */
        return true;
    struct hub_places places = hub_release(talk->holder.waiter);
    bool valid = change_add(&step->join, talk->setting.app->config, &places, &step->problem);
    hold(talk, &places);
    hub_places_free(&places);
    return valid;
}

static void leave(struct talk *talk, const struct step *step) {
    if (talk->holder.waiter == NULL)
        return;
    struct hub_places places = hub_release(talk->holder.waiter);
    change_drop(&step->leave, &places);
    hold(talk, &places);
    hub_places_free(&places);
}

/* --------------------------------------------------------------- publishing */

struct posting {
    struct talk *talk;
    size_t weight;
    struct scan_value ref; /* in the same memory */
    char text[];
};

static struct posting *posting_new(struct talk *talk, struct scan_value ref, size_t payload) {
    struct posting *posting = mem_new(sizeof *posting + ref.len);

    posting->talk = talk;
    posting->weight = sizeof *posting + ref.len + payload;
    if (ref.at != NULL)
        posting->ref = (struct scan_value){memcpy(posting->text, ref.at, ref.len), ref.len};
    talk->publishing++;
    weigh(talk, posting->weight, true);
    return posting;
}

/* Last, where it is used: it keeps the talk while the client may go. */
static void posting_free(struct posting *posting) {
    struct talk *talk = posting->talk;

    talk->publishing--;
    weigh(talk, posting->weight, false);
    free(posting);
    free_if_done(talk);
}

static void on_published(void *ctx, const struct history_posted *posted,
                         const struct problem *problem) {
    struct posting *posting = ctx;

    tell(posting->talk, &(struct outcome){.id = posted->id,
                                          .id_len = posted->id_len,
                                          .at = posted->at,
                                          .problem = problem,
                                          .ref = posting->ref});
    posting_free(posting);
}

static void publish(struct talk *talk, struct step *step) {
    const struct order_post *post = &step->post;
    const struct publish publish = {.who = talk->who,
                                    .channel = post->channel,
                                    .channel_len = post->channel_len,
                                    .payload = post->data.at,
                                    .payload_len = post->data.len,
                                    .idempotency = post->key != NULL ? post->key : ""};

    if (talk->publishing >= PUBLISHES_MAX) {
        problem_later(&step->problem, 429, 1, "publish: at most %d may be on their way",
                      PUBLISHES_MAX);
        return;
    }
    struct posting *posting = posting_new(talk, step->ref, post->data.len);
    if (!publish_submit(talk->setting.app, &publish, on_published, posting, &step->problem))
        posting_free(posting);
}

/* ---------------------------------------------------------------------- texts */

static void put_off(struct talk *talk, struct later *later) {
    if (later->rest)
        DL_PREPEND(talk->later, later);
    else
        DL_APPEND(talk->later, later);
    talk->later_count++;
    weigh(talk, later->len, true);
}

static void put_off_text(struct talk *talk, const char *text, size_t len) {
    struct later *later = mem_new(sizeof *later);

    *later = (struct later){.text = mem_copy(text, len), .len = len};
    put_off(talk, later);
}

/* The step becomes the list's. */
static void put_off_rest(struct talk *talk, struct step *step) {
    struct later *later = mem_new(sizeof *later);

    step_keep(step);
    *later =
        (struct later){.rest = true, .step = *step, .len = step->ref.len + step->post.data.len};
    *step = (struct step){0};
    put_off(talk, later);
}

/* What stands behind a change of channels. */
static void take_rest(struct talk *talk, struct step *step) {
    if (step->problem.status == 0 && step->posts)
        publish(talk, step);
    if (step->problem.status != 0)
        tell_problem(talk, &step->problem, step->ref);
    say(talk, step);
}

static void take_step(struct talk *talk, struct step *step) {
    struct problem problem = step->problem;

    step->problem.status = 0;
    if (step->joins && !join(talk, step)) {
        tell_problem(talk, &step->problem, step->ref);
        return;
    }
    if (step->leaves)
        leave(talk, step);
    step->problem = problem;
    if (step->posts && !talk->begun)
        put_off_rest(talk, step);
    else
        take_rest(talk, step);
}

static void take(struct talk *talk, const char *text, size_t len) {
    const struct speech *speech = &talk->setting.speech;
    struct step step = {0};

    talk->setting.app->stats->requests++;
    speech->protocol->take(speech, text, len, &step);
    take_step(talk, &step);
    step_free(&step);
}

/* It is looked at only for the `ref` that the answer has to repeat. */
static void refuse_text(struct talk *talk, const char *text, size_t len) {
    const struct speech *speech = &talk->setting.speech;
    struct step step = {0};
    struct problem problem;

    problem_later(&problem, 429, 1, "message: at most %d may wait for Redis", LATER_MAX);
    speech->protocol->take(speech, text, len, &step);
    tell_problem(talk, &problem, step.ref);
    step_free(&step);
}

void talk_message(void *ctx, const char *text, size_t len) {
    struct talk *talk = ctx;

    if (talk->ending)
        return;
    if (talk->begun && talk->later == NULL)
        take(talk, text, len);
    else if (talk->later_count >= LATER_MAX)
        refuse_text(talk, text, len);
    else
        put_off_text(talk, text, len);
}

static void take_later(struct talk *talk, struct later *later) {
    if (later->rest)
        take_rest(talk, &later->step);
    else
        take(talk, later->text, later->len);
}

/* Takes what was put off, until a change of channels puts the rest off again. */
static void on_resume(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct talk *talk = timer->data;
    struct client *client = talk->client;
    const struct talk_carrier *carrier = talk->setting.carrier;
    (void)loop, (void)events;

    carrier->hold(client);
    while (talk->begun && !talk->ending && talk->later != NULL) {
        struct later *later = talk->later;
        DL_DELETE(talk->later, later);
        talk->later_count--;
        weigh(talk, later->len, false);
        take_later(talk, later);
        later_free(later);
    }
    carrier->let_go(client);
}

static void on_begun(struct hub_holder *holder) {
    struct talk *talk = (struct talk *)holder;
    talk->begun = true;
    if (talk->later != NULL && !ev_is_active(&talk->resume))
        ev_timer_start(talk->setting.app->loop, &talk->resume);
}

/* ------------------------------------------------------------------ its beginning */

struct talk *talk_new(const struct talk_setting *setting) {
    struct talk *talk = mem_new(sizeof *talk);

    talk->setting = *setting;
    talk->holder.begun = on_begun;
    ev_timer_init(&talk->resume, on_resume, 0, 0);
    talk->resume.data = talk;
    talk->who = mem_string(setting->who);
    return talk;
}

static void begin(struct talk *talk, const struct hub_read *wanted, const struct step *opening) {
    struct hub_read read = *wanted;
    struct problem problem = {0};

    read.transport = talk->setting.transport;
    read.options.variant = talk->setting.variant;
    if (opening->joins) {
        read.channels = opening->join.channels;
        read.channel_count = opening->join.count;
    }
    if (!hub_hold(talk->setting.app->hub, talk->client, &read, &talk->holder, &problem))
        client_refuse(talk->client, &problem);
}

void talk_begin(struct talk *talk, struct client *client, const struct hub_read *read) {
    const struct speech *speech = &talk->setting.speech;
    struct step step = {0};

    talk->client = client;
    talk->setting.carrier->hold(client);
    if (speech->protocol->open != NULL)
        speech->protocol->open(speech, &step);
    if (step.closes == 0)
        begin(talk, read, &step);
    say(talk, &step);
    step_free(&step);
    talk->setting.carrier->let_go(client);
}
