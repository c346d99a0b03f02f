/*
 * What a process counts stands in a table that it shares with all others of its configuration
 * (counts/visitors.h), so that it makes no difference which of them a visitor meets. Of what it
 * holds itself it knows besides which row that is. The table may be another one from one moment to
 * the next, where somebody has emptied its folder: each function looks first.
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

#define MICROSECONDS 1e6

enum { HELD_RETRY = 5 /* seconds */, NAME_SHOWN = 64 /* bytes of a user's name in the log */ };

static const char *const names[] = {
#define NAME(kind, option) [kind] = #option,
    REFUSALS_LIST(NAME)
#undef NAME
};

/* How many requests of one visitor are held here; there while there is one. */
struct holding {
    UT_hash_handle hh;
    unsigned held;
    int row; /* where others see it, or VISITORS_NO_ROW */
    uint64_t visitor;
    char name[];
};

struct limits {
    const struct config *config;
    struct stats *stats;
    struct capacity *capacity;
    struct seat seat; /* where rows are */
    struct holding *addresses, *users;
    struct log_limit complaints[REFUSALS], crowded;
};

struct limits *limits_new(const struct config *config, struct stats *stats,
                          struct capacity *capacity) {
    struct limits *limits = mem_new(sizeof *limits);

    limits->config = config;
    limits->stats = stats;
    limits->capacity = capacity;
    return limits;
}

void limits_free(struct limits *limits) {
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

static void say_crowded(struct limits *limits, double now) {
    unsigned long quiet;

    limits->stats->limits_crowded++;
    if (log_allowed(&limits->crowded, now, &quiet))
        log_warning("limits.crowded",
                    "visitors are let in who cannot be counted: there are too many not_logged=%lu",
                    quiet);
}

/* ----------------------------------------------------------------- where it is counted */

/* Writes what is held here where others see it. */
static void show(struct limits *limits, struct holding *holding) {
    struct visitors *visitors = limits->seat.visitors;

    if (holding->row == VISITORS_NO_ROW)
        holding->row = visitors_take(visitors, limits->seat.line, holding->visitor);
    if (holding->row != VISITORS_NO_ROW)
        visitors_set(visitors, holding->row, holding->held);
}

static void show_all(struct limits *limits, struct holding *table) {
    struct holding *holding, *next;

    HASH_ITER (hh, table, holding, next) {
        holding->row = VISITORS_NO_ROW;
        show(limits, holding);
    }
}

static struct visitors *look(struct limits *limits) {
    unsigned before = limits->seat.serial;

    limits->seat = capacity_seat(limits->capacity);
    if (limits->seat.serial != before) {
        show_all(limits, limits->addresses);
        show_all(limits, limits->users);
    }
    return limits->seat.visitors;
}

void limits_look(struct limits *limits) {
    if (limits->addresses != NULL || limits->users != NULL)
        (void)look(limits);
}

/* --------------------------------------------------------------------------- rates */

/* Uses a rate `times`; 0: it may. Else seconds after which to come back. */
static unsigned use(struct limits *limits, const char *kind, const char *address, size_t times,
                    int count, int seconds, double now) {
    int64_t burst = seconds * (int64_t)MICROSECONDS, spent = (int64_t)times * burst / count;
    char network[ADDRESS_TEXT];
    bool crowded = false;

    address_network(address, network);
    int64_t wait = visitors_use(look(limits), visitors_number(kind, network), spent, burst,
                                llround(now * MICROSECONDS), &crowded);
    if (crowded)
        say_crowded(limits, now);
    return (unsigned)ceil((double)wait / MICROSECONDS);
}

bool limits_read(struct limits *limits, const char *address, double now, struct problem *problem) {
    const struct config *config = limits->config;

    if (config->read_rate_count == 0 || address == NULL)
        return true;
    unsigned wait =
        use(limits, "read", address, 1, config->read_rate_count, config->read_rate_seconds, now);
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
    unsigned wait = use(limits, "channel", address, count, config->channel_rate_count,
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

static struct holding *hold_one(struct limits *limits, struct holding **table, const char *kind,
                                const char *name, double now) {
    struct holding *holding = holding_of(*table, name);

    look(limits);
    if (holding == NULL) {
        size_t len = strlen(name);
        holding = mem_new(sizeof *holding + len + 1);
        holding->row = VISITORS_NO_ROW;
        holding->visitor = visitors_number(kind, name);
        memcpy(holding->name, name, len + 1);
        HASH_ADD_STR(*table, name, holding);
    }
    holding->held++;
    show(limits, holding);
    if (holding->row == VISITORS_NO_ROW)
        say_crowded(limits, now);
    return holding;
}

static void hold_again(struct limits *limits, struct holding *holding) {
    if (holding == NULL)
        return;
    look(limits);
    holding->held++;
    show(limits, holding);
}

static void let_go(struct limits *limits, struct holding **table, struct holding *holding) {
    if (holding == NULL)
        return;
    look(limits);
    holding->held--;
    show(limits, holding);
    if (holding->held > 0)
        return;
    if (holding->row != VISITORS_NO_ROW)
        visitors_give(limits->seat.visitors, holding->row);
    HASH_DEL(*table, holding);
    free(holding);
}

/* Users whom a limit counts: "" is a token that names nobody. */
static const char *counted_user(const struct limits *limits, const struct identity *who) {
    bool counted = limits->config->max_waiters_user > 0 && who != NULL && who->user[0] != '\0';
    return counted ? who->user : NULL;
}

/* By all processes, as far as others can be seen. */
static uint64_t held_by(struct limits *limits, const struct holding *own, uint64_t visitor) {
    bool unseen = own != NULL && own->row == VISITORS_NO_ROW;
    return visitors_held(look(limits), visitor) + (unseen ? own->held : 0);
}

/* Nobody is turned away for the sake of a process that was killed. */
static bool has_room(struct limits *limits, struct holding *table, const char *kind,
                     const char *name, int most, double now) {
    const struct holding *own = holding_of(table, name);
    uint64_t visitor = own != NULL ? own->visitor : visitors_number(kind, name);

    if (held_by(limits, own, visitor) < (uint64_t)most)
        return true;
    capacity_sweep(limits->capacity, now);
    return held_by(limits, own, visitor) < (uint64_t)most;
}

bool limits_admit(struct limits *limits, const char *address, const struct identity *who,
                  double now, struct problem *problem) {
    int most_address = limits->config->max_waiters_address;
    int most_user = limits->config->max_waiters_user;
    const char *user = counted_user(limits, who);
    char network[ADDRESS_TEXT];

    if (address == NULL || (most_address == 0 && user == NULL))
        return true;
    address_network(address, network);
    if (most_address > 0 &&
        !has_room(limits, limits->addresses, "address", network, most_address, now)) {
        tell(limits, REFUSED_WAITERS_ADDRESS, "address", network, now);
        problem_later(problem, 429, HELD_RETRY,
                      "max_waiters_address: this address waits %d times already", most_address);
        return false;
    }
    if (user != NULL && !has_room(limits, limits->users, "user", user, most_user, now)) {
        tell(limits, REFUSED_WAITERS_USER, "user", user, now);
        problem_later(problem, 429, HELD_RETRY,
                      "max_waiters_user: this user waits %d times already", most_user);
        return false;
    }
    return true;
}

struct stake limits_hold(struct limits *limits, const char *address, const struct identity *who,
                         double now) {
    const char *user = counted_user(limits, who);
    struct stake stake = {NULL, NULL};
    char network[ADDRESS_TEXT];

    if (address == NULL || (limits->config->max_waiters_address == 0 && user == NULL))
        return stake;
    address_network(address, network);
    if (limits->config->max_waiters_address > 0)
        stake.address = hold_one(limits, &limits->addresses, "address", network, now);
    if (user != NULL)
        stake.user = hold_one(limits, &limits->users, "user", user, now);
    return stake;
}

struct stake limits_hold_again(struct limits *limits, struct stake stake) {
    hold_again(limits, stake.address);
    hold_again(limits, stake.user);
    return stake;
}

void limits_let_go(struct limits *limits, struct stake stake) {
    let_go(limits, &limits->addresses, stake.address);
    let_go(limits, &limits->users, stake.user);
}
