/*
 * Visitors, what the site has said of them, and what it is being asked:
 *
 *     asked ──► round ──► question ──► question ... ──► inquiry (one request)
 *       ▲         │           ▲ shared by all who want to know the same
 *       └─ answers┘           └──► remembered, where the answer says for how long
 */
#include "fcgi-app/rights/asked.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/collections.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/config/authority.h"
#include "core/data/channel.h"
#include "fcgi-app/door/address.h"
#include "fcgi-app/rights/brought.h"
#include "fcgi-app/rights/inquiry.h"

#define AT_HAND  5.0   /* seconds for which an answer without a time of its own is at hand */
#define TOGETHER 300.0 /* ... and at most, for a decision that takes more than one round */
#define RECHECK  10.0  /* seconds between two questions after somebody who goes on */
#define HEARD    60.0  /* seconds for which a no to such a one counts */

/* Somebody who wants to know an answer: the first one first, as publishes have an order. */
struct wanted {
    struct wanted *prev, *next;
    struct round *round;
};

/* Where questions on their way come from. */
struct origin {
    UT_hash_handle hh;
    char network[ADDRESS_TEXT];
    unsigned questions;
    unsigned going; /* of them: the others wait for their turn */
};

struct question {
    UT_hash_handle hh;
    struct question_key key;
    struct asker *asker;
    struct origin *origin;
    struct wanted *wanted; /* nobody: it is only to be remembered */
};

/* Questions that are asked together. */
struct round {
    struct asked *asked;
    unsigned left;
    void (*done)(void *ctx);
    void *ctx;
};

/* A round of nothing, because none of it could be asked: it ends later, too. */
struct unasked {
    struct unasked *prev, *next;
    struct ev_timer timer;
    struct round *round;
};

struct noted {
    enum rights_verb verb;
    size_t len;
    char channel[CHANNEL_MAX];
};

struct asker {
    struct ev_loop *loop;
    const struct config *config;
    struct stats *stats;
    struct inquiries *inquiries; /* NULL once it has ended */
    struct question *questions;
    struct origin *origins;
    struct unasked *unasked;
    struct said_verdict *said;  /* remembered: what was answered */
    struct said_verdict *heard; /* what counts for those who go on, and when it was asked */
    struct log_limit complaint;
};

struct asked {
    unsigned holders;
    struct asker *asker;
    struct said_verdict *answers; /* at hand */
    struct noted *noted;
    size_t noted_count;
    struct brought brought;
};

/* --------------------------------------------------------------------- questions */

/* By which a question is known: who, where, what. */
static struct question_key key_of(const struct asked *asked, const char *authorize,
                                  enum rights_verb verb, const char *channel, size_t len) {
    struct buf text = buf_make(SIZE_MAX / 2);
    struct question_key key;

    buf_add(&text, (const char *)asked->brought.digest, sizeof asked->brought.digest);
    buf_add(&text, authorize, strlen(authorize) + 1);
    buf_char(&text, verb == RIGHTS_PUBLISH ? 'p' : 's');
    buf_add(&text, channel, len);
    crypto_sha256(text.data, text.len, key.digest);
    buf_free(&text);
    return key;
}

static const char *authorize_of(const struct asker *asker, const char *channel, size_t len) {
    return config_authorize(asker->config, config_channel(asker->config, channel, len));
}

/* Who has too many on their way is told that for himself: others are asked after. */
static struct origin *origin_enter(struct asker *asker, const char *address, unsigned most) {
    char network[ADDRESS_TEXT] = "";
    struct origin *origin;

    address_network(address, network);
    HASH_FIND_STR(asker->origins, network, origin);
    if (origin == NULL) {
        origin = mem_new(sizeof *origin);
        memcpy(origin->network, network, sizeof network);
        HASH_ADD_STR(asker->origins, network, origin);
    }
    if (origin->questions >= most)
        return NULL;
    origin->questions++;
    return origin;
}

static void origin_leave(struct asker *asker, struct origin *origin) {
    if (--origin->questions > 0)
        return;
    HASH_DEL(asker->origins, origin);
    free(origin);
}

/* -------------------------------------------------------------------------- answers */

static void round_free(struct round *round) {
    asked_free(round->asked);
    free(round);
}

/* All is answered: it is at hand for who asked, whatever it took. */
static void end_round(struct round *round) {
    struct asked *asked = round->asked;
    double now = ev_now(asked->asker->loop);

    verdicts_shorten(&asked->answers, now, AT_HAND);
    round->done(round->ctx);
    round_free(round);
}

/* The question is over: everybody who wants to know is told. */
static void answer(struct question *question, enum verdict verdict) {
    struct wanted *wanted = question->wanted, *next;
    const struct question_key key = question->key;
    double now = ev_now(question->asker->loop);

    HASH_DEL(question->asker->questions, question);
    origin_leave(question->asker, question->origin);
    free(question);
    for (; wanted != NULL; wanted = next) {
        struct round *round = wanted->round;
        next = wanted->next;
        free(wanted);
        verdicts_keep(&round->asked->answers, &key, verdict, now, TOGETHER);
        if (--round->left == 0)
            end_round(round);
    }
}

static enum verdict verdict_of(int status) {
    if (status >= 200 && status < 300)
        return VERDICT_YES;
    return status == 401 ? VERDICT_STRANGER : status == 403 ? VERDICT_NO : VERDICT_MISSING;
}

static void complain(struct asker *asker, const struct inquiry_answer *said) {
    unsigned long quiet;

    asker->stats->asked_unanswered++;
    if (!log_allowed(&asker->complaint, ev_now(asker->loop), &quiet))
        return;
    if (said->status != 0)
        log_error("authorize", "the site answered %d not_logged=%lu", said->status, quiet);
    else
        log_error("authorize", "%s not_logged=%lu", said->why, quiet);
}

static bool is_no(enum verdict verdict) {
    return verdict == VERDICT_NO || verdict == VERDICT_STRANGER;
}

/* What counts for those who go on. A no is not forgotten because the site is in trouble since. */
static void hear(struct asker *asker, const struct question_key *key, enum verdict verdict,
                 double now) {
    const struct said_verdict *before = verdicts_find(&asker->heard, key, now);

    if (verdict == VERDICT_MISSING && before != NULL && is_no(before->verdict))
        return;
    verdicts_keep(&asker->heard, key, verdict, now, is_no(verdict) ? HEARD : RECHECK);
}

static void on_answer(void *ctx, const struct inquiry_answer *said) {
    struct question *question = ctx;
    struct asker *asker = question->asker;
    enum verdict verdict = verdict_of(said->status);
    double now = ev_now(asker->loop);

    if (verdict == VERDICT_MISSING)
        complain(asker, said);
    else if (said->max_age > 0)
        verdicts_keep(&asker->said, &question->key, verdict, now, (double)said->max_age);
    hear(asker, &question->key, verdict, now);
    answer(question, verdict);
}

/* --------------------------------------------------------------------------- asking */

/* False: too many ask already, or there is nowhere to ask. */
static bool send_question(struct question *question, struct asked *asked, const char *authorize,
                          enum rights_verb verb, const char *channel, size_t len) {
    struct asker *asker = question->asker;
    struct authority authority;
    const char *fields[4];
    size_t count = 0;

    if (asker->inquiries == NULL || authority_parse(authorize, &authority) != ERR_OK)
        return false;
    char *url = brought_url(&asked->brought, authority.url,
                            verb == RIGHTS_PUBLISH ? "publish" : "subscribe", channel, len);
    fields[count++] = "User-Agent: halley/" HALLEY_VERSION;
    if (asked->brought.cookie != NULL)
        fields[count++] = asked->brought.cookie;
    if (asked->brought.authorization != NULL)
        fields[count++] = asked->brought.authorization;
    fields[count] = NULL;
    const struct inquiry inquiry = {.url = url,
                                    .socket = authority.socket,
                                    .fields = fields,
                                    .timeout = asker->config->authorize_timeout,
                                    .share = &question->origin->going,
                                    .alone = asked->brought.alone};
    asker->stats->asked++;
    bool sent = inquiry_begin(asker->inquiries, &inquiry, on_answer, question);
    authority_free(&authority);
    free(url);
    return sent;
}

/* A new question. NULL: it cannot be asked, or its address has so many on their way. */
static struct question *question_new(struct asked *asked, const struct question_key *key,
                                     enum rights_verb verb, const char *channel, size_t len,
                                     unsigned most) {
    struct asker *asker = asked->asker;
    const char *authorize = authorize_of(asker, channel, len);
    struct origin *origin = origin_enter(asker, asked->brought.address, most);
    struct question *question;

    asker->stats->asked_unanswered += origin == NULL;
    if (origin == NULL)
        return NULL;
    question = mem_new(sizeof *question);
    *question = (struct question){.key = *key, .asker = asker, .origin = origin};
    if (send_question(question, asked, authorize, verb, channel, len)) {
        HASH_ADD(hh, asker->questions, key, sizeof question->key, question);
        return question;
    }
    origin_leave(asker, origin);
    free(question);
    asker->stats->asked_unanswered++;
    return NULL;
}

/* The question, new or on its way already. NULL: it is known that nobody says. */
static struct question *question_for(struct asked *asked, const struct noted *noted) {
    struct asker *asker = asked->asker;
    const char *authorize = authorize_of(asker, noted->channel, noted->len);
    const struct question_key key =
        key_of(asked, authorize, noted->verb, noted->channel, noted->len);
    struct question *question;

    HASH_FIND(hh, asker->questions, &key, sizeof key, question);
    if (question == NULL)
        question =
            question_new(asked, &key, noted->verb, noted->channel, noted->len, ASKED_ADDRESS);
    if (question == NULL)
        verdicts_keep(&asked->answers, &key, VERDICT_MISSING, ev_now(asker->loop), TOGETHER);
    return question;
}

static void want(struct question *question, struct round *round) {
    struct wanted *wanted = mem_new(sizeof *wanted);

    wanted->round = round;
    DL_APPEND(question->wanted, wanted);
}

static struct round *unasked_free(struct asker *asker, struct unasked *unasked) {
    struct round *round = unasked->round;

    ev_timer_stop(asker->loop, &unasked->timer);
    DL_DELETE(asker->unasked, unasked);
    free(unasked);
    return round;
}

static void on_unasked(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct unasked *unasked = timer->data;
    (void)loop, (void)events;

    end_round(unasked_free(unasked->round->asked->asker, unasked));
}

static void end_later(struct round *round) {
    struct unasked *unasked = mem_new(sizeof *unasked);

    unasked->round = round;
    DL_APPEND(round->asked->asker->unasked, unasked);
    ev_timer_init(&unasked->timer, on_unasked, 0, 0);
    unasked->timer.data = unasked;
    ev_timer_start(round->asked->asker->loop, &unasked->timer);
}

void asked_ask(struct asked *asked, bool more, void (*done)(void *ctx), void *ctx) {
    struct round *round = mem_new(sizeof *round);
    size_t count = asked->noted_count;

    if (more) /* what was said before is to be at hand when this is answered, too */
        verdicts_lengthen(asked->answers, ev_now(asked->asker->loop), TOGETHER);

    *round = (struct round){.asked = asked_hold(asked), .done = done, .ctx = ctx};
    asked->noted_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct question *question = question_for(asked, &asked->noted[i]);
        if (question == NULL)
            continue;
        want(question, round);
        round->left++;
    }
    if (round->left == 0)
        end_later(round);
}

/* --------------------------------------------------------------------- what is known */

static void note(struct asked *asked, enum rights_verb verb, const char *channel, size_t len) {
    for (size_t i = 0; i < asked->noted_count; i++) {
        const struct noted *noted = &asked->noted[i];
        if (noted->verb == verb && noted->len == len && memcmp(noted->channel, channel, len) == 0)
            return;
    }
    if (asked->noted_count == ASKED_AT_ONCE || len > CHANNEL_MAX)
        return;
    if (asked->noted == NULL)
        asked->noted = mem_new(ASKED_AT_ONCE * sizeof *asked->noted);
    struct noted *noted = &asked->noted[asked->noted_count++];
    noted->verb = verb;
    noted->len = len;
    memcpy(noted->channel, channel, len);
}

/* What was said to him or to others who brought the same. NULL: nothing that holds. */
static const struct said_verdict *known(struct asked *asked, const struct question_key *key) {
    double now = ev_now(asked->asker->loop);
    const struct said_verdict *said = verdicts_find(&asked->answers, key, now);

    return said != NULL ? said : verdicts_find(&asked->asker->said, key, now);
}

enum verdict asked_known(struct asked *asked, enum rights_verb verb, const char *channel,
                         size_t len) {
    const char *authorize = authorize_of(asked->asker, channel, len);
    const struct question_key key = key_of(asked, authorize, verb, channel, len);
    const struct said_verdict *said = known(asked, &key);

    return said != NULL ? said->verdict : VERDICT_UNKNOWN;
}

enum verdict asked_verdict(struct asked *asked, enum rights_verb verb, const char *channel,
                           size_t len) {
    enum verdict verdict = asked_known(asked, verb, channel, len);

    if (verdict == VERDICT_UNKNOWN)
        note(asked, verb, channel, len);
    return verdict;
}

/* Asks how it is meanwhile. Nobody waits for that, so it leaves room for those who do. */
static void ask_meanwhile(struct asked *asked, const struct question_key *key,
                          enum rights_verb verb, const char *channel, size_t len) {
    struct asker *asker = asked->asker;
    struct question *question;

    HASH_FIND(hh, asker->questions, key, sizeof *key, question);
    if (question == NULL && question_new(asked, key, verb, channel, len, ASKED_ADDRESS / 2) == NULL)
        verdicts_keep(&asker->heard, key, VERDICT_MISSING, ev_now(asker->loop), AT_HAND);
}

bool asked_still(struct asked *asked, enum rights_verb verb, const char *channel, size_t len) {
    struct asker *asker = asked->asker;
    const char *authorize = authorize_of(asker, channel, len);
    const struct question_key key = key_of(asked, authorize, verb, channel, len);
    const struct said_verdict *said = known(asked, &key);

    if (said == NULL)
        said = verdicts_find(&asker->heard, &key, ev_now(asker->loop));
    if (said != NULL)
        return said->verdict == VERDICT_YES || said->verdict == VERDICT_MISSING;
    ask_meanwhile(asked, &key, verb, channel, len);
    return true;
}

void asked_begin(struct asked *asked) {
    if (asked != NULL)
        asked->noted_count = 0;
}

bool asked_lacks(const struct asked *asked) {
    return asked != NULL && asked->noted_count > 0;
}

bool asked_lacks_reading(const struct asked *asked) {
    size_t i = 0;

    while (asked_lacks(asked) && i < asked->noted_count && asked->noted[i].verb != RIGHTS_SUBSCRIBE)
        i++;
    return asked_lacks(asked) && i < asked->noted_count;
}

/* ------------------------------------------------------------------------ visitors */

struct asked *asked_new(struct asker *asker, const char *cookie, const char *authorization,
                        const char *address) {
    struct asked *asked = mem_new(sizeof *asked);

    *asked = (struct asked){.holders = 1, .asker = asker};
    brought_take(&asked->brought, cookie, authorization, address);
    return asked;
}

struct asked *asked_hold(struct asked *asked) {
    if (asked != NULL)
        asked->holders++;
    return asked;
}

void asked_free(struct asked *asked) {
    if (asked == NULL || --asked->holders > 0)
        return;
    verdicts_free(&asked->answers);
    free(asked->noted);
    brought_free(&asked->brought);
    free(asked);
}

/* ------------------------------------------------------------------------- a process */

bool asker_can(void) {
    return inquiries_can();
}

struct asker *asker_new(struct ev_loop *loop, const struct config *config, struct stats *stats) {
    struct asker *asker = mem_new(sizeof *asker);

    *asker = (struct asker){
        .loop = loop, .config = config, .stats = stats, .inquiries = inquiries_new(loop)};
    return asker;
}

void asker_end(struct asker *asker) {
    if (asker == NULL)
        return;
    inquiries_free(asker->inquiries);
    asker->inquiries = NULL;
    while (asker->questions != NULL || asker->unasked != NULL) {
        if (asker->questions != NULL)
            answer(asker->questions, VERDICT_MISSING);
        else
            end_round(unasked_free(asker, asker->unasked));
    }
}

void asker_free(struct asker *asker) {
    if (asker == NULL)
        return;
    while (asker->unasked != NULL) /* by what ended since: nobody is left who could be told */
        round_free(unasked_free(asker, asker->unasked));
    verdicts_free(&asker->said);
    verdicts_free(&asker->heard);
    free(asker);
}
