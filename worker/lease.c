/*
 * The lease. Its holder renews it three times in its length; the others report in
 * the same rhythm, and ask when it is about to end, or when they are told that it
 * is free. What makes it safe is not this file but the functions in Redis: they
 * judge everybody's report in one place, by Redis's own clock, and refuse the work
 * of a holder that was paused and still believes in its lease.
 */
#include "worker/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/crypto.h"
#include "core/base/log.h"

#define PATIENCE_FIRST 0.01 /* seconds */
#define AFTER_ITS_END  0.02

enum { ANSWER_PARTS = 7 }; /* at least: a newer library may say more */

static const char *const words[LEASE_WORDS] = {"held",  "wait", "granted",   "renewed",
                                               "doubt", "done", "forgotten", "left"};

static double period(const struct lease *lease) {
    return lease->length / 3;
}

static void make_secret(char secret[LEASE_SECRET]) {
    unsigned char bytes[(LEASE_SECRET - 1) / 2] = {0};

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        log_warning("sequencer.random", "there is no randomness: others can sign what workers say");
    crypto_hex(secret, bytes, sizeof bytes);
}

void lease_init(struct lease *lease, const char *name, const char *prefix, int milliseconds) {
    char host[256] = "localhost";
    unsigned long random = 0;

    memset(lease, 0, sizeof *lease);
    (void)gethostname(host, sizeof host - 1);
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        random = (unsigned long)getpid();
    snprintf(lease->owner, sizeof lease->owner, "%s:%d:%lx", host, (int)getpid(), random);
    snprintf(lease->key, sizeof lease->key, "halley.lease:%s", name);
    make_secret(lease->secret);
    lease->prefix = prefix;
    lease->length = milliseconds / 1000.0;
    lease->patience = PATIENCE_FIRST;
}

void lease_report(const struct lease *lease, struct call *call, const char *verb,
                  const struct hearing *hearing, const struct queue *queue) {
    static const struct name nothing;
    const struct item *oldest = queue->head;
    struct name name = oldest != NULL ? oldest->name : nothing;

    struct name from = oldest != NULL ? oldest->from : hearing->from;

    call_text(call, "1");
    call_text(call, lease->key);
    call_text(call, verb);
    call_text(call, lease->prefix);
    call_text(call, lease->owner);
    call_number(call, (uint64_t)(lease->length * 1000 + 0.5));
    call_number(call, hearing->generation);
    call_two(call, from.barrier, from.number);
    call_number(call, hearing->from.barrier);
    call_text(call, hearing->listening ? "1" : "0");
    call_two(call, hearing->at.barrier, hearing->at.number);
    call_two(call, name.barrier, name.number);
    call_two(call, hearing->before.barrier, hearing->before.number);
    call_two(call, hearing->since.barrier, hearing->since.number);
    call_text(call, hearing->nameless ? "2" : hearing->broken ? "1" : "0");
    call_text(call, lease->held ? "1" : "0");
    call_number(call, hearing->joins);
    call_text(call, lease->secret);
    for (unsigned i = 0; i < lease->peers; i++)
        call_text(call, lease->peer[i]);
}

void lease_asked(struct lease *lease, double now, bool sent, const struct hearing *hearing,
                 const struct queue *queue) {
    const struct item *oldest = queue->head;

    lease->asked = oldest != NULL ? oldest->from : hearing->from;
    lease->next_to =
        oldest != NULL ? (struct name){oldest->name.barrier, oldest->name.number - 1} : hearing->at;
    lease->asking = sent;
    lease->again = false;
    lease->due = now + period(lease);
}

static uint64_t number_of(const redis_reply *reply) {
    size_t len;
    const char *text = redis_text(reply, &len);
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

/* How many were done, and a second number where some are set aside. */
static void read_total(const redis_reply *reply, struct lease_answer *answer) {
    size_t len;
    const char *text = redis_text(reply, &len);

    answer->total = number_of(reply);
    answer->aside = text != NULL && memchr(text, ' ', len) != NULL;
}

bool lease_take_secret(struct lease *lease, const redis_reply *reply) {
    size_t len;
    const char *text = redis_text(reply, &len), *secret = text != NULL ? strchr(text, ' ') : NULL;

    if (secret == NULL || strcmp(lease->secret, secret + 1) == 0)
        return false;
    snprintf(lease->secret, sizeof lease->secret, "%s", secret + 1);
    return true;
}

static bool read_word(const redis_reply *reply, enum lease_word *out) {
    size_t len;
    const char *text = redis_text(reply, &len);

    for (int i = 0; text != NULL && i < LEASE_WORDS; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (enum lease_word)i;
            return true;
        }
    }
    return false;
}

static void read_peers(struct lease *lease, const redis_reply *list) {
    size_t len;

    lease->peers = 0;
    for (size_t i = 0; i < redis_count(list) && lease->peers < LEASE_PEERS; i++) {
        const char *peer = redis_text(redis_item(list, i), &len);
        if (peer != NULL && len < LEASE_OWNER_MAX)
            snprintf(lease->peer[lease->peers++], LEASE_OWNER_MAX, "%s", peer);
    }
}

static double delay_after(struct lease *lease, const struct lease_answer *answer) {
    double delay = period(lease);

    if (answer->word == LEASE_WAIT) {
        delay = lease->patience < delay ? lease->patience : delay;
        lease->patience *= 2;
        return delay;
    }
    lease->patience = PATIENCE_FIRST;
    if (answer->word == LEASE_HELD && answer->left + AFTER_ITS_END < delay)
        return (answer->left > 0 ? answer->left : 0) + AFTER_ITS_END;
    return delay;
}

enum err lease_answered(struct lease *lease, const redis_reply *reply, double now,
                        struct lease_answer *answer) {
    bool again = lease->again;

    lease->asking = lease->again = false;
    if (redis_count(reply) < ANSWER_PARTS || !read_word(redis_item(reply, 0), &answer->word))
        return ERR_REDIS; /* lost, or refused: the next question is due as it was */
    answer->left = (double)redis_integer(redis_item(reply, 1), 0) / 1000;
    read_total(redis_item(reply, 2), answer);
    answer->generation = lease->generation = number_of(redis_item(reply, 3));
    answer->new_secret = lease_take_secret(lease, redis_item(reply, 3));
    answer->settled = number_of(redis_item(reply, 4));
    answer->done = (struct name){lease->next_to.barrier, number_of(redis_item(reply, 5))};
    read_peers(lease, redis_item(reply, 6));
    lease->due = now + delay_after(lease, answer);
    if (again || answer->word == LEASE_DONE)
        lease->due = now;
    return ERR_OK;
}

void lease_hurry(struct lease *lease) {
    lease->again = lease->asking;
    if (!lease->asking)
        lease->due = 0;
}

void lease_let_go(struct lease *lease) {
    lease->held = false;
}
