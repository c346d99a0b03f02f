/*
 * Carries out the steps of a protocol for one connection.
 *
 * The hub holds the talk's client in a waiter, like any stream. To change the
 * channels the waiter is released, which tells where it stands, and the client is
 * held again from there. What is said until the hub knows where the session
 * stands is put off, also the publish of the text that changes the channels: so a
 * publish is heard by whoever subscribed before it. What a talk keeps meanwhile, put off
 * or on its way to Redis, is bounded: above HELD_MAX the client is read no further.
 *
 * A protocol that wants to know where its channels begin is told before they are joined: that
 * is asked first, and everything else put off. So is what patterns stand for.
 */
#include "fcgi-app/carriers/talk.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "core/data/wildcard.h"
#include "fcgi-app/carriers/begin.h"
#include "fcgi-app/carriers/places.h"
#include "fcgi-app/carriers/speaker.h"
#include "fcgi-app/endpoints/publish.h"
#include "fcgi-app/endpoints/watching.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/rights/asked.h"
#include "fcgi-app/rights/credential.h"
#include "fcgi-app/rights/limits.h"
#include "fcgi-app/rights/rights.h"

enum { NORMAL = 1000, AGAIN_LATER = 1013 }; /* RFC 6455 §7.4.1 */

enum {
    PUBLISHES_MAX = 64,
    LATER_MAX = 64,
    BURST_MAX = 1024,     /* of both, where a client cannot be told to say it again */
    HELD_MAX = 256 * 1024 /* bytes, and one text more */
};

/* What came while the hub did not know yet where the session stands. */
struct later {
    struct later *prev, *next;
    bool judged; /* a text for which the site was asked */
    bool rest;   /* of a text whose channels are changed: the publish, in `step`; no text */
    struct step step;
    size_t len; /* that it weighs; of the text, if there is one */
    char *text;
    bool bytes; /* `text` is */
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
    struct ev_timer deadline;    /* of the protocol's state */
    struct ev_timer expiry;      /* of what says who speaks */
    struct identity_watch watch; /* at that; ... */
    bool news;                   /* ... something was told of it, and is to be looked at */
    struct step *asking; /* whose channels are asked for, or where they begin; or NULL. It keeps
                            the talk */
    bool paid;           /* the text that is taken was counted as one that reads */
    bool judging;        /* the site is asked about a text, which is put off. It keeps the talk */
    unsigned publishing; /* on their way; each keeps the talk */
    size_t held;         /* bytes that were put off, or are on their way */
};

/* How many texts of the client may be on their way, or put off. */
static unsigned most(const struct talk *talk, unsigned usual) {
    return talk->setting.speech.state != NULL ? BURST_MAX : usual;
}

/* One more thing is kept, or (with false) one less. */
static void weigh(struct talk *talk, size_t bytes, bool more) {
    talk->held = more ? talk->held + bytes : talk->held - bytes;
    if (talk->client != NULL)
        talk->setting.carrier->read_on(talk->client, talk->held <= HELD_MAX);
}

static void free_if_done(struct talk *talk) {
    if (talk->client != NULL || talk->publishing > 0 || talk->asking != NULL || talk->judging)
        return;
    speech_end(&talk->setting.speech);
    free(talk->who);
    identity_look(NULL, &talk->watch);
    identity_free(talk->setting.speech.who);
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
    ev_timer_stop(talk->setting.app->loop, &talk->deadline);
    ev_timer_stop(talk->setting.app->loop, &talk->expiry);
    talk->client = NULL;
    free_if_done(talk);
}

/* --------------------------------------------------------------------- saying */

static uint64_t now_ms(const struct talk *talk) {
    return (uint64_t)(ev_now(talk->setting.app->loop) * 1000);
}

/* What the step says, and its end of the connection. */
static void say(struct talk *talk, const struct step *step) {
    const struct talk_carrier *carrier = talk->setting.carrier;

    for (size_t i = 0; talk->client != NULL && !talk->ending && i < step->said.count; i++) {
        size_t len;
        const char *text = texts_at(&step->said, i, &len);
        bool bytes = texts_is_bytes(&step->said, i) && carrier->say_bytes != NULL;
        (bytes ? carrier->say_bytes : carrier->say)(talk->client, text, len);
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

/* The connection is closed when its protocol's deadline has passed, as that is by now. */
static void set_deadline(struct talk *talk) {
    struct ev_loop *loop = talk->setting.app->loop;
    uint64_t at = speech_deadline(&talk->setting.speech);

    ev_timer_stop(loop, &talk->deadline);
    if (at == 0 || talk->client == NULL || talk->ending)
        return;
    uint64_t now = now_ms(talk);
    ev_timer_set(&talk->deadline, at > now ? (double)(at - now) / 1000 : 0, 0);
    ev_timer_start(loop, &talk->deadline);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct talk *talk = timer->data;
    (void)loop, (void)events;
    talk_close(talk, NORMAL, "");
}

static void tell(struct talk *talk, const struct outcome *outcome) {
    struct step told = {0};

    if (outcome->problem != NULL)
        app_count(talk->setting.app, outcome->problem);
    talk->setting.speech.protocol->tell(&talk->setting.speech, outcome, &told);
    say(talk, &told);
    set_deadline(talk);
    step_free(&told);
}

static void tell_problem(struct talk *talk, const struct problem *problem, struct scan_value ref) {
    tell(talk, &(struct outcome){.problem = problem, .ref = ref});
}

static void tell_unjoined(struct talk *talk, const struct problem *problem, struct scan_value ref) {
    tell(talk, &(struct outcome){.problem = problem, .ref = ref, .joining = true});
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
        .tag = places->tag,
        .renews = true,
        .who = talk->setting.speech.who,
        .address = talk->who};
    struct problem problem;

    talk->begun = false;
    if (!hub_hold(talk->setting.app->hub, talk->client, &read, &talk->holder, &problem))
        client_refuse(talk->client, &problem);
}

/* A text that reads counts as a request, once, before anybody else is asked about it. */
static bool pay(struct talk *talk, struct problem *problem) {
    struct app *app = talk->setting.app;

    talk->paid =
        talk->paid || limits_read(hub_limits(app->hub), talk->who, ev_now(app->loop), problem);
    return talk->paid;
}

/* Whether the client may read that much. */
static bool may_join(struct talk *talk, const struct change *join, struct problem *problem) {
    return pay(talk, problem) && watching_admits(talk->setting.app, talk->who, join, problem);
}

static bool join(struct talk *talk, struct step *step) {
    if (talk->holder.waiter == NULL) /* it is ending */
        return true;
    struct hub_places places = hub_release(talk->holder.waiter);
    bool valid = may_join(talk, &step->join, &step->problem) &&
                 watching_add(talk->setting.app, talk->setting.speech.who, &step->join, &places,
                              &step->problem);
    hold(talk, &places);
    hub_places_free(&places);
    return valid;
}

/* Those of the asked places that are not the session's yet, as they stand in the change. */
static struct hub_places fresh_of(const struct hub_places *asked, const struct hub_places *places) {
    struct hub_places fresh = {.channels = mem_new((asked->count + 1) * sizeof *fresh.channels)};

    for (size_t i = 0; i < asked->count; i++) {
        const struct hub_channel *channel = &asked->channels[i];
        if (!places_have(places, channel->name, channel->len))
            fresh.channels[fresh.count++] = *channel;
    }
    return fresh;
}

/* Joins channels that begin at these places; the protocol is told, and what it says goes first. */
static bool join_at(struct talk *talk, struct step *step, const struct hub_places *begin) {
    const struct speech *speech = &talk->setting.speech;

    if (talk->holder.waiter == NULL)
        return true;
    struct hub_places places = hub_release(talk->holder.waiter);
    struct hub_places fresh = fresh_of(begin, &places);
    const struct change change = {.channels = fresh.channels, .count = fresh.count};
    bool valid = change_add(&change, talk->setting.app->config, &places, &step->problem);
    if (valid) {
        speech->protocol->joined(speech, &fresh, step);
        say(talk, step);
        texts_free(&step->said);
    }
    free(fresh.channels);
    if (!talk->ending)
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
                                    .identity = talk->setting.speech.who,
                                    .channel = post->channel,
                                    .channel_len = post->channel_len,
                                    .payload = post->data.at,
                                    .payload_len = post->data.len,
                                    .idempotency = post->key != NULL ? post->key : ""};

    if (talk->publishing >= most(talk, PUBLISHES_MAX)) {
        problem_later(&step->problem, 429, 1, "publish: at most %d may be on their way",
                      (int)most(talk, PUBLISHES_MAX));
        return;
    }
    struct posting *posting = posting_new(talk, step->ref, post->data.len);
    if (!publish_submit(talk->setting.app, &publish, on_published, posting, &step->problem))
        posting_free(posting);
}

/* ---------------------------------------------------------------------- texts */

static void put_off(struct talk *talk, struct later *later) {
    if (later->rest || later->judged)
        DL_PREPEND(talk->later, later);
    else
        DL_APPEND(talk->later, later);
    talk->later_count++;
    weigh(talk, later->len, true);
}

static void put_off_text(struct talk *talk, const char *text, size_t len, bool bytes, bool judged) {
    struct later *later = mem_new(sizeof *later);

    *later =
        (struct later){.text = mem_copy(text, len), .len = len, .bytes = bytes, .judged = judged};
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

static void resume(struct talk *talk);

/* Takes back what was asked for. NULL: the client is gone, and perhaps the talk. */
static struct step *asked(struct talk *talk) {
    struct step *step = talk->asking;

    talk->asking = NULL;
    if (talk->client != NULL) {
        talk->setting.carrier->hold(talk->client);
        return step;
    }
    step_free(step);
    free(step);
    free_if_done(talk);
    return NULL;
}

/* `client` is the talk's, which may have lost it. */
static void asked_end(struct talk *talk, struct client *client, struct step *step) {
    set_deadline(talk);
    step_free(step);
    free(step);
    talk->setting.carrier->let_go(client);
}

static void on_places(void *ctx, const struct hub_places *places, const struct problem *problem) {
    struct talk *talk = ctx;
    struct client *client = talk->client;
    struct step *step = asked(talk);

    if (step == NULL)
        return;
    if (places == NULL || !join_at(talk, step, places)) {
        tell_unjoined(talk, places == NULL ? problem : &step->problem, step->ref);
        if (places == NULL) /* nothing has changed in the hub */
            resume(talk);
    } else if (step->posts) {
        put_off_rest(talk, step);
    } else {
        take_rest(talk, step);
    }
    asked_end(talk, client, step);
}

/* What comes until the answer is put off. */
static void begin_asking(struct talk *talk, struct step *step) {
    talk->asking = mem_new(sizeof *talk->asking);
    step_keep(step);
    *talk->asking = *step;
    *step = (struct step){0};
    talk->begun = false;
}

/* Asks where the step's channels begin. */
static void ask(struct talk *talk, struct step *step) {
    begin_asking(talk, step);
    begin_ask(talk->setting.app, NULL, talk->asking->join.channels, talk->asking->join.count,
              on_places, talk);
}

static void change(struct talk *talk, struct step *step);

static struct asked *asked_of(const struct talk *talk) {
    return identity_asked(talk->setting.speech.who);
}

static void on_patterns_said(void *ctx) {
    struct talk *talk = ctx;
    struct client *client = talk->client;
    struct step *step = asked(talk);

    if (step == NULL)
        return;
    change(talk, step);
    asked_end(talk, client, step);
}

/* Joins what the patterns stand for; the site is asked first who may read that. */
static void join_patterns(struct talk *talk, struct step *step) {
    asked_begin(asked_of(talk));
    watching_note_questions(talk->setting.app, talk->setting.speech.who, &step->join);
    if (!asked_lacks(asked_of(talk))) {
        change(talk, step);
        return;
    }
    begin_asking(talk, step);
    asked_ask(asked_of(talk), true, on_patterns_said, talk);
}

static void on_known(void *ctx, bool known) {
    struct talk *talk = ctx;
    struct client *client = talk->client;
    struct step *step = asked(talk);
    struct problem problem;

    if (step == NULL)
        return;
    if (known) {
        join_patterns(talk, step);
    } else {
        hub_explain(talk->setting.app->hub, &problem,
                    "Redis does not tell what the pattern stands for");
        tell_unjoined(talk, &problem, step->ref);
        resume(talk);
    }
    asked_end(talk, client, step);
}

/* Asks what the step's patterns stand for. */
static void ask_patterns(struct talk *talk, struct step *step) {
    begin_asking(talk, step);
    watching_ask(talk->setting.app, &talk->asking->join, on_known, talk);
}

/* ------------------------------------------------------------------- who speaks */

#define LOOK_AGAIN 0.02 /* seconds */

static void set_expiry(struct talk *talk);

/* Has run out; or there was news of it, and between two holds what it reads is looked at later. */
static void on_expiry(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct talk *talk = timer->data;
    const struct identity *who = talk->setting.speech.who;
    bool over = who->expires <= ev_now(loop), news = talk->news;
    (void)events;

    talk->news = news && talk->holder.waiter == NULL;
    if (over) {
        talk_close(talk, SPEAKER_EXPIRED_CODE,
                   who->revoked ? "the token was revoked" : SPEAKER_EXPIRED);
    } else if (news && talk->holder.waiter != NULL && hub_banned(talk->holder.waiter)) {
        talk_close(talk, SPEAKER_FORBIDDEN_CODE, SPEAKER_FORBIDDEN);
    } else {
        set_expiry(talk);
    }
}

/* Looked at when whoever tells the news is done. */
static void on_news(struct identity_watch *watch) {
    struct talk *talk = RING_OF(watch, struct talk, watch);

    talk->news = true;
    if (talk->client != NULL)
        set_expiry(talk);
}

static void set_expiry(struct talk *talk) {
    struct ev_loop *loop = talk->setting.app->loop;
    const struct identity *who = talk->setting.speech.who;
    double longest = talk->setting.app->config->max_stream; /* which ends it anyway */

    ev_timer_stop(loop, &talk->expiry);
    if (who == NULL || who->expires == 0)
        return;
    double left = talk->news ? LOOK_AGAIN : who->expires - ev_now(loop);
    ev_timer_set(&talk->expiry, left < 0 ? 0 : left < longest ? left : longest, 0);
    ev_timer_start(loop, &talk->expiry);
}

/* The channels are held for who speaks now. False: one of them is no longer his. */
static bool hold_anew(struct talk *talk) {
    const struct config *config = talk->setting.app->config;
    bool may = true;

    if (talk->holder.waiter == NULL)
        return true;
    struct hub_places places = hub_release(talk->holder.waiter);
    for (size_t i = 0; may && i < places.count; i++) {
        const struct hub_channel *channel = &places.channels[i];
        may = wildcard_is(channel->name, channel->len) ||
              rights_keeps(config, talk->setting.speech.who, channel->name, channel->len);
    }
    hold(talk, &places);
    hub_places_free(&places);
    return may;
}

/* False: the token is not good, or the connection ends. */
static bool renew(struct talk *talk, const struct step *step) {
    struct app *app = talk->setting.app;
    struct problem problem;

    identity_look(NULL, &talk->watch);
    bool good = credentials_renew(app->credentials, &talk->setting.speech.who, step->token,
                                  ev_now(app->loop), &problem);
    identity_look(talk->setting.speech.who, &talk->watch);
    if (!good) {
        tell(talk, &(struct outcome){.problem = &problem, .ref = step->ref, .renewing = true});
        return false;
    }
    set_expiry(talk);
    if (!step->again)
        tell(talk,
             &(struct outcome){.expires = talk->setting.speech.who->expires, .ref = step->ref});
    if (!talk->ending && !hold_anew(talk))
        talk_close(talk, SPEAKER_FORBIDDEN_CODE, SPEAKER_FORBIDDEN);
    return talk->client != NULL && !talk->ending;
}

/* Joins and leaves, and does what stands behind that. */
static void change(struct talk *talk, struct step *step) {
    struct problem problem = step->problem;

    step->problem.status = 0;
    if (step->joins && !join(talk, step)) {
        tell_unjoined(talk, &step->problem, step->ref);
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

static void take_step(struct talk *talk, struct step *step) {
    bool held = talk->holder.waiter != NULL; /* it is not ending */
    struct problem refused;

    if (held && speech_asks(&talk->setting.speech, step) && !may_join(talk, &step->join, &refused))
        tell_unjoined(talk, &refused, step->ref);
    else if (held && speech_asks(&talk->setting.speech, step))
        ask(talk, step);
    else if (held && step->joins && step->join.patterns.count > 0 && !pay(talk, &refused))
        tell_unjoined(talk, &refused, step->ref);
    else if (held && step->joins && step->join.patterns.count > 0)
        ask_patterns(talk, step);
    else
        change(talk, step);
}

/* What the protocol makes of a text. */
static void make_step(struct talk *talk, const char *text, size_t len, bool bytes,
                      struct step *step) {
    struct speech *speech = &talk->setting.speech;

    speech->now = now_ms(talk);
    if (!bytes)
        speech->protocol->take(speech, text, len, step);
    else if (speech->protocol->take_bytes != NULL)
        speech->protocol->take_bytes(speech, text, len, step);
}

/* --------------------------------------------------------------------- the site */

/* What the protocol's state is, before a text that may have to be taken once more. */
static struct buf remember(const struct talk *talk) {
    struct buf state = buf_make(SIZE_MAX / 2);

    if (asked_of(talk) != NULL)
        speech_save(&talk->setting.speech, &state);
    return state;
}

static void on_said(void *ctx) {
    struct talk *talk = ctx;

    talk->judging = false;
    if (talk->client != NULL)
        resume(talk);
    else
        free_if_done(talk);
}

/* Whether the site is asked first: the text is taken again behind that, as if it were new. */
static bool waits_for_site(struct talk *talk, const char *text, size_t len, bool bytes,
                           const struct buf *state, bool more) {
    if (!asked_lacks(asked_of(talk)) || talk->client == NULL || talk->ending)
        return false;
    if (talk->setting.speech.state != NULL)
        (void)!speech_load(&talk->setting.speech, state->data, state->len);
    talk->judging = true;
    talk->begun = false;
    put_off_text(talk, text, len, bytes, true);
    asked_ask(asked_of(talk), more, on_said, talk);
    return true;
}

/* Who reads too often is told what is known without the site: it is not asked. */
static void count_question(struct talk *talk, struct step *step) {
    struct problem problem;

    if (pay(talk, &problem))
        return;
    asked_begin(asked_of(talk));
    if (step->problem.status != 0)
        step->problem = problem;
}

/* The same text once more, by who speaks now. */
static void take_proved(struct talk *talk, const char *text, size_t len, struct step *step) {
    step_free(step);
    talk->setting.speech.proved = true;
    make_step(talk, text, len, false, step);
    talk->setting.speech.proved = false;
}

/* `judged`: the site was asked about it before. */
static void take(struct talk *talk, const char *text, size_t len, bool bytes, bool judged) {
    struct step step = {0};
    struct buf state = remember(talk);

    asked_begin(asked_of(talk));
    talk->setting.app->stats->requests += !judged;
    talk->paid = talk->paid && judged;
    make_step(talk, text, len, bytes, &step);
    if (step.renews && renew(talk, &step) && step.again)
        take_proved(talk, text, len, &step);
    if (asked_lacks_reading(asked_of(talk)))
        count_question(talk, &step);
    if (!step.renews && !waits_for_site(talk, text, len, bytes, &state, judged))
        take_step(talk, &step);
    set_deadline(talk);
    step_free(&step);
    buf_free(&state);
}

/*
 * It is looked at only for the `ref` that the answer has to repeat. A protocol with a state would
 * have missed it: there the connection ends.
 */
static void refuse_text(struct talk *talk, const char *text, size_t len, bool bytes) {
    struct step step = {0};
    struct problem problem;

    problem_later(&problem, 429, 1, "message: at most %d may wait for Redis", LATER_MAX);
    if (talk->setting.speech.state != NULL) {
        app_count(talk->setting.app, &problem);
        talk_close(talk, AGAIN_LATER, "too many messages wait for Redis");
        return;
    }
    make_step(talk, text, len, bytes, &step);
    tell_problem(talk, &problem, step.ref);
    step_free(&step);
}

static void take_or_put_off(struct talk *talk, const char *text, size_t len, bool bytes) {
    if (talk->ending)
        return;
    if (talk->begun && talk->later == NULL)
        take(talk, text, len, bytes, false);
    else if (talk->later_count >= most(talk, LATER_MAX))
        refuse_text(talk, text, len, bytes);
    else
        put_off_text(talk, text, len, bytes, false);
}

void talk_message(void *ctx, const char *text, size_t len) {
    take_or_put_off(ctx, text, len, false);
}

void talk_bytes(void *ctx, const char *bytes, size_t len) {
    take_or_put_off(ctx, bytes, len, true);
}

bool talk_settled(void *ctx) {
    const struct talk *talk = ctx;
    return talk->ending || (talk->later == NULL && talk->asking == NULL && !talk->judging);
}

static void take_later(struct talk *talk, struct later *later) {
    if (later->rest) {
        take_rest(talk, &later->step);
        return;
    }
    take(talk, later->text, later->len, later->bytes, later->judged);
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

static void resume(struct talk *talk) {
    talk->begun = true;
    if (talk->later != NULL && !ev_is_active(&talk->resume))
        ev_timer_start(talk->setting.app->loop, &talk->resume);
}

static void on_begun(struct hub_holder *holder) {
    struct talk *talk = (struct talk *)holder;
    if (talk->asking == NULL && !talk->judging)
        resume(talk);
}

/* ------------------------------------------------------------------ its beginning */

struct talk *talk_new(const struct talk_setting *setting) {
    struct talk *talk = mem_new(sizeof *talk);

    talk->setting = *setting;
    talk->setting.speech.who = identity_hold(setting->speech.who);
    talk->holder.begun = on_begun;
    talk->holder.speech = &talk->setting.speech;
    speech_begin(&talk->setting.speech);
    ev_timer_init(&talk->resume, on_resume, 0, 0);
    ev_timer_init(&talk->deadline, on_deadline, 0, 0);
    ev_timer_init(&talk->expiry, on_expiry, 0, 0);
    talk->watch.news = on_news;
    identity_look(talk->setting.speech.who, &talk->watch);
    talk->resume.data = talk->deadline.data = talk->expiry.data = talk;
    talk->who = mem_string(setting->who);
    return talk;
}

static void begin(struct talk *talk, const struct hub_read *wanted, const struct step *opening) {
    struct hub_read read = *wanted;
    struct problem problem = {0};

    read.transport = talk->setting.transport;
    read.options.variant = talk->setting.variant;
    read.renews = true;
    read.who = talk->setting.speech.who;
    read.address = talk->who;
    if (opening->joins) {
        read.channels = opening->join.channels;
        read.channel_count = opening->join.count;
    }
    if (!hub_hold(talk->setting.app->hub, talk->client, &read, &talk->holder, &problem))
        client_refuse(talk->client, &problem);
}

void talk_begin(struct talk *talk, struct client *client, const struct hub_read *read) {
    struct speech *speech = &talk->setting.speech;
    struct step step = {0};

    talk->client = client;
    talk->setting.carrier->hold(client);
    speech->now = now_ms(talk);
    if (speech->protocol->open != NULL && !talk->setting.resumed)
        speech->protocol->open(speech, &step);
    if (step.closes == 0)
        begin(talk, read, &step);
    say(talk, &step);
    set_deadline(talk);
    set_expiry(talk);
    step_free(&step);
    talk->setting.carrier->let_go(client);
}
