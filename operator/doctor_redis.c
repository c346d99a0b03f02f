/*
 * halley doctor, Redis. What is asked changes nothing, and needs no more rights than Halley's.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/redis/functions.h"
#include "operator/doctor.h"

enum { INFO_TEXT = 16384, VALUE = 64, OLDEST = 7 };

#define CLOCK_APART 2.0 /* seconds by which ids come to be surprising */

static const char layer[] = "redis";

/* ------------------------------------------------------------------------------- INFO */

static void take_text(void *ctx, const redis_reply *reply) {
    size_t len;
    const char *text = redis_text(reply, &len);

    snprintf(ctx, INFO_TEXT, "%.*s", text != NULL ? (int)len : 0, text != NULL ? text : "");
}

/* The value of a line "name:value" of INFO; "" where there is none. */
static void value_of(const char *info, const char *name, char out[VALUE]) {
    char start[VALUE];

    snprintf(start, sizeof start, "\n%s:", name);
    const char *found = strstr(info, start);
    found = found != NULL ? found + strlen(start) : "";
    snprintf(out, VALUE, "%.*s", (int)strcspn(found, "\r\n"), found);
}

static void look_at_version(const char *info, struct findings *findings) {
    char version[VALUE];

    value_of(info, "redis_version", version);
    if (version[0] != '\0' && strtol(version, NULL, 10) < OLDEST)
        findings_add(findings, FINDING_ERROR, layer, "redis-version", "install Redis 7 or later",
                     "Redis is version %s, which has no functions", version);
}

static void look_at_memory(const char *info, struct findings *findings) {
    char most[VALUE], policy[VALUE];

    value_of(info, "maxmemory", most);
    value_of(info, "maxmemory_policy", policy);
    if (strcmp(policy, "") != 0 && strcmp(policy, "noeviction") != 0)
        findings_add(findings, strcmp(most, "0") != 0 ? FINDING_ERROR : FINDING_WARNING, layer,
                     "redis-eviction", "redis.conf: maxmemory-policy noeviction",
                     "where memory is short (maxmemory %s) Redis throws keys away (%s), histories "
                     "and sessions among them",
                     most, policy);
}

static void look_at_persistence(const char *info, struct findings *findings) {
    char append[VALUE], append_status[VALUE], save_status[VALUE];

    value_of(info, "aof_enabled", append);
    value_of(info, "aof_last_write_status", append_status);
    value_of(info, "rdb_last_bgsave_status", save_status);
    if (strcmp(append, "0") == 0)
        findings_add(
            findings, FINDING_WARNING, layer, "redis-persistence", "redis.conf: appendonly yes",
            "there is no append-only file: a Redis that crashes forgets messages whose ids "
            "were given out, and every reader is told a gap");
    if (strcmp(append_status, "err") == 0 || strcmp(save_status, "err") == 0)
        findings_add(findings, FINDING_ERROR, layer, "redis-persistence",
                     "look at Redis's log, and for room on its disk",
                     "Redis could not write its data (append-only file: %s, snapshot: %s)",
                     append_status, save_status);
}

static void look_at_clients(const char *info, struct findings *findings) {
    char now[VALUE], most[VALUE];

    value_of(info, "connected_clients", now);
    value_of(info, "maxclients", most);
    long room = strtol(most, NULL, 10);
    if (room > 0 && strtol(now, NULL, 10) * 10 > room * 8)
        findings_add(findings, FINDING_WARNING, layer, "redis-clients",
                     "redis.conf: maxclients 10000",
                     "%s of the %s connections that Redis takes are in use", now, most);
}

void doctor_info(const char *info, struct findings *findings) {
    look_at_version(info, findings);
    look_at_memory(info, findings);
    look_at_persistence(info, findings);
    look_at_clients(info, findings);
}

static void look_at_info(struct desk *desk, struct findings *findings) {
    const char *argv[] = {"INFO"};
    char info[INFO_TEXT + 1] = "\n";

    if (desk_try(desk, take_text, info + 1, 1, argv) == ERR_OK)
        doctor_info(info, findings);
}

/* ----------------------------------------------------------------------------- rights */

struct refusal {
    bool refused, missing;
    char words[FINDING_TEXT / 2];
};

static void take_refusal(void *ctx, const redis_reply *reply) {
    struct refusal *refusal = ctx;
    size_t len;
    const char *text = redis_text(reply, &len);

    refusal->missing = functions_missing(reply);
    refusal->refused = redis_is_error(reply) && strncmp(text, "NOPERM", 6) == 0;
    snprintf(refusal->words, sizeof refusal->words, "%.*s", (int)len, text);
}

/* What all of Halley's programs do; each may be refused by an ACL. */
static void look_at_rights(struct desk *desk, struct findings *findings) {
    static const char *const asked[][4] = {{"INFO"},
                                           {"FUNCTION", "LIST"},
                                           {"PUBSUB", "NUMPAT"},
                                           {"GET", "halley.prefix"},
                                           {"HLEN", "halley.processes"},
                                           {"XLEN", "halley.history:{halley-doctor}"},
                                           {"PUBLISH", "halley.live:{halley-doctor}", ""}};

    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        const char *argv[4];
        struct refusal refusal = {.refused = false};
        int count = 0;
        for (; count < 4 && asked[i][count] != NULL; count++)
            argv[count] = asked[i][count];
        if (desk_try(desk, take_refusal, &refusal, count, argv) != ERR_OK || !refusal.refused)
            continue;
        findings_add(findings, FINDING_ERROR, layer, "redis-rights",
                     "give the user what halley.conf(5) says that it needs",
                     "Redis does not let Halley's user %s %s: %s", argv[0],
                     count > 1 ? argv[1] : "", refusal.words);
    }
}

/* ---------------------------------------------------------------- what Halley put there */

static void take_number(void *ctx, const redis_reply *reply) {
    *(int64_t *)ctx = redis_is_error(reply) ? -1 : redis_integer(reply, 0);
}

static void take_count(void *ctx, const redis_reply *reply) {
    *(int64_t *)ctx = redis_is_error(reply) ? -1 : (int64_t)redis_count(reply);
}

static void look_at_programs(struct desk *desk, struct findings *findings) {
    const char *patterns[] = {"PUBSUB", "NUMPAT"},
               *library[] = {"FUNCTION", "LIST", "LIBRARYNAME", "halley"};
    int64_t heard = -1, libraries = -1;

    if (desk_try(desk, take_count, &libraries, 4, library) == ERR_OK && libraries == 0)
        findings_add(findings, FINDING_ERROR, layer, "functions",
                     "start halley-worker or halley.fcgi, which load them",
                     "Redis does not have Halley's functions");
    if (desk_try(desk, take_number, &heard, 2, patterns) == ERR_OK && heard == 0)
        findings_add(findings, FINDING_ERROR, "halley", "worker",
                     "systemctl enable --now halley-worker",
                     "no halley-worker listens: what is published with PUBLISH is lost");
}

/* ------------------------------------------------------------------------------ clock */

static void take_time(void *ctx, const redis_reply *reply) {
    *(double *)ctx = strtod(redis_words(redis_item(reply, 0)), NULL) +
                     strtod(redis_words(redis_item(reply, 1)), NULL) / 1e6;
}

void doctor_clock(double apart, struct findings *findings) {
    if (fabs(apart) > CLOCK_APART)
        findings_add(findings, FINDING_WARNING, layer, "clock",
                     "let both machines follow NTP (apt install systemd-timesyncd)",
                     "Redis's clock is %.0f s %s this machine's: times of messages are Redis's, "
                     "tokens end by this one's",
                     fabs(apart), apart > 0 ? "ahead of" : "behind");
}

static void look_at_clock(struct desk *desk, struct findings *findings) {
    const char *argv[] = {"TIME"};
    double theirs = 0;

    if (desk_try(desk, take_time, &theirs, 1, argv) == ERR_OK && theirs > 0)
        doctor_clock(theirs - ev_time(), findings);
}

void doctor_redis(struct desk *desk, struct findings *findings) {
    const char *trouble = redis_trouble(desk->redis);

    if (desk->foreign) {
        findings_add(
            findings, FINDING_ERROR, layer, "redis-prefix",
            "halley.conf: redis = .../another database, or the prefix of that installation",
            "this database is that of another installation, whose prefix is not %s",
            desk->config->prefix);
        return;
    }
    if (redis_state(desk->redis) != REDIS_UP) {
        findings_add(findings, FINDING_ERROR, layer, "redis",
                     "systemctl start redis-server; halley.conf: redis = ...", "Redis is away%s%s",
                     trouble != NULL ? ": " : "", trouble != NULL ? trouble : "");
        return;
    }
    look_at_info(desk, findings);
    look_at_rights(desk, findings);
    look_at_programs(desk, findings);
    look_at_clock(desk, findings);
}
