/*
 * A rate is a moment for each visitor, up to which what he may do is used up (GCRA): what has
 * passed is the whole burst again, so that nothing needs to be counted up, and a visitor who is
 * forgotten is one who has not come for long. Tables are in the order in which visitors came last.
 */
#include "fcgi-app/rights/limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "fcgi-app/door/address.h"

enum { HELD_RETRY = 5 /* seconds */, NAME_SHOWN = 64 /* bytes of a user's name in the log */ };

static const char *const names[] = {
#define NAME(kind, option) [kind] = #option,
    REFUSALS_LIST(NAME)
#undef NAME
};

/* What a visitor has used of a rate. */
struct used {
    UT_hash_handle hh;
    double until; /* the moment at which nothing of it is used any more */
    char network[ADDRESS_TEXT];
};

/* How many requests of one visitor are held; there while there is one. */
struct holding {
    UT_hash_handle hh;
    unsigned held;
    char name[];
};

struct limits {
    const struct config *config;
    struct stats *stats;
    struct used *reads, *channels;
    struct holding *addresses, *users;
    struct log_limit complaints[REFUSALS];
};

struct limits *limits_new(const struct config *config, struct stats *stats) {
    struct limits *limits = mem_new(sizeof *limits);

    limits->config = config;
    limits->stats = stats;
    return limits;
}

static void table_free(struct used **table) {
    struct used *used, *next;

    HASH_ITER (hh, *table, used, next) {
        HASH_DEL(*table, used);
        free(used);
    }
}

void limits_free(struct limits *limits) {
    if (limits == NULL)
        return;
    table_free(&limits->reads);
    table_free(&limits->channels);
    free(limits);
}

/* ------------------------------------------------------------------------- telling */

/* A name that strangers chose, in letters that mean nothing in a line of the log. */
static void put_plain(const char *name, char out[NAME_SHOWN]) {
    size_t len = 0;

    for (; name[len] != '\0' && len < NAME_SHOWN - 1; len++) {
        unsigned char c = (unsigned char)name[len];
        bool plain = c > ' ' && c < 0x7f && c != '"' && c != '=';
        out[len] = plain ? (char)c : '?';
    }
    out[len] = '\0';
}

static void tell(struct limits *limits, enum refusal limit, const char *kind, const char *whom,
                 double now) {
    char shown[NAME_SHOWN];
    unsigned long quiet;

    limits->stats->refused[limit]++;
    if (!log_allowed(&limits->complaints[limit], now, &quiet))
        return;
    put_plain(whom, shown);
    log_warning("limit.refused", "limit=%s %s=%s not_logged=%lu", names[limit], kind, shown, quiet);
}

void limits_tell(struct limits *limits, enum refusal limit, const char *address, double now) {
    char network[ADDRESS_TEXT] = "-";

    if (address != NULL)
        address_network(address, network);
    tell(limits, limit, "address", network, now);
}

/* --------------------------------------------------------------------------- rates */

/* The visitor's row, which is the last one now. */
static struct used *row_of(struct used **table, const char *address) {
    char network[ADDRESS_TEXT];
    struct used *used;

    address_network(address, network);
    HASH_FIND_STR(*table, network, used);
    if (used != NULL) {
        HASH_DEL(*table, used);
    } else if (HASH_COUNT(*table) >= LIMITS_KNOWN) {
        used = *table;
        HASH_DEL(*table, used);
        *used = (struct used){.until = 0};
    } else {
        used = mem_new(sizeof *used);
    }
    memcpy(used->network, network, sizeof network);
    HASH_ADD_STR(*table, network, used);
    return used;
}

/* Uses a rate `times`; 0: it may. Else seconds after which to come back. */
static unsigned use(struct used *used, size_t times, int count, int seconds, double now) {
    double each = (double)seconds / count, from = used->until > now ? used->until : now;
    double burst = times < (size_t)count ? (double)times * each : seconds;
    double wait = from + burst - now - seconds;

    if (wait > 1e-6) /* what sums of fractions are off by */
        return (unsigned)ceil(wait);
    used->until = from + (double)times * each;
    return 0;
}

bool limits_read(struct limits *limits, const char *address, double now, struct problem *problem) {
    const struct config *config = limits->config;

    if (config->read_rate_count == 0 || address == NULL)
        return true;
    unsigned wait = use(row_of(&limits->reads, address), 1, config->read_rate_count,
                        config->read_rate_seconds, now);
    if (wait == 0)
        return true;
    limits_tell(limits, REFUSED_READ_RATE, address, now);
    problem_later(problem, 429, wait, "read_rate: this address has asked too often");
    return false;
}

bool limits_counts_channels(const struct limits *limits) {
    return limits->config->channel_rate_count > 0;
}

bool limits_channels(struct limits *limits, const char *address, size_t count, double now,
                     struct problem *problem) {
    const struct config *config = limits->config;

    if (config->channel_rate_count == 0 || address == NULL || count == 0)
        return true;
    unsigned wait = use(row_of(&limits->channels, address), count, config->channel_rate_count,
                        config->channel_rate_seconds, now);
    if (wait == 0)
        return true;
    limits_tell(limits, REFUSED_CHANNEL_RATE, address, now);
    problem_later(problem, 429, wait,
                  "channel_rate: this address has asked for too many new channels");
    return false;
}

/* ------------------------------------------------------------------- held requests */

static struct holding *holding_of(struct holding *table, const char *name) {
    struct holding *holding;

    HASH_FIND_STR(table, name, holding);
    return holding;
}

static struct holding *hold_one(struct holding **table, const char *name) {
    struct holding *holding = holding_of(*table, name);

    if (holding == NULL) {
        size_t len = strlen(name);
        holding = mem_new(sizeof *holding + len + 1);
        memcpy(holding->name, name, len + 1);
        HASH_ADD_STR(*table, name, holding);
    }
    holding->held++;
    return holding;
}

static void let_go(struct holding **table, struct holding *holding) {
    if (holding == NULL || --holding->held > 0)
        return;
    HASH_DEL(*table, holding);
    free(holding);
}

/* Users whom a limit counts: "" is a token that names nobody. */
static const char *counted_user(const struct limits *limits, const struct identity *who) {
    bool counted = limits->config->max_waiters_user > 0 && who != NULL && who->user[0] != '\0';
    return counted ? who->user : NULL;
}

static bool has_room(struct holding *table, const char *name, int most) {
    const struct holding *holding = holding_of(table, name);
    return holding == NULL || holding->held < (unsigned)most;
}

bool limits_admit(struct limits *limits, const char *address, const struct identity *who,
                  double now, struct problem *problem) {
    int most_address = limits->config->max_waiters_address;
    int most_user = limits->config->max_waiters_user;
    const char *user = counted_user(limits, who);
    char network[ADDRESS_TEXT];

    if (address == NULL)
        return true;
    address_network(address, network);
    if (most_address > 0 && !has_room(limits->addresses, network, most_address)) {
        tell(limits, REFUSED_WAITERS_ADDRESS, "address", network, now);
        problem_later(problem, 429, HELD_RETRY,
                      "max_waiters_address: this address waits %d times already", most_address);
        return false;
    }
    if (user != NULL && !has_room(limits->users, user, most_user)) {
        tell(limits, REFUSED_WAITERS_USER, "user", user, now);
        problem_later(problem, 429, HELD_RETRY,
                      "max_waiters_user: this user waits %d times already", most_user);
        return false;
    }
    return true;
}

struct stake limits_hold(struct limits *limits, const char *address, const struct identity *who) {
    const char *user = counted_user(limits, who);
    struct stake stake = {NULL, NULL};
    char network[ADDRESS_TEXT];

    if (address == NULL)
        return stake;
    address_network(address, network);
    if (limits->config->max_waiters_address > 0)
        stake.address = hold_one(&limits->addresses, network);
    if (user != NULL)
        stake.user = hold_one(&limits->users, user);
    return stake;
}

struct stake limits_hold_again(struct stake stake) {
    if (stake.address != NULL)
        stake.address->held++;
    if (stake.user != NULL)
        stake.user->held++;
    return stake;
}

void limits_let_go(struct limits *limits, struct stake stake) {
    let_go(&limits->addresses, stake.address);
    let_go(&limits->users, stake.user);
}
