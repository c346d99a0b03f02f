/*
 * Keeps the function library in Redis, and the installation's claim on its database.
 *
 * When the command connection comes up, and every PERIOD from then on, the function
 * halley_installation is called. Its answer says three things, looked at in this order:
 *
 *   which library is there    none, or an older one: ours is loaded. A newer one, of a
 *                             newer program, is left as it is, and where it does not serve
 *                             us any more, we end. One of the same number
 *                             with another text is replaced once by each process, so
 *                             two builds do not replace each other's for ever
 *   who else is there         another installation that has our prefix in another database,
 *                             or our database with another prefix. Who was there before
 *                             stays; who finds another at his start ends after PATIENCE
 *   whose the database is     put down by us where it does not say so. Its `since` is another
 *                             one when it was gone in between, whoever put it back: the
 *                             functions may then have used the default prefix, and the
 *                             program is told to read again
 *
 * Before each of those questions the library of the sessions is asked for, where the program has
 * sessions (functions.h): nothing is ready before both are there.
 *
 * A call that is told that there is no such function comes here too, so the library is
 * back at once and not only after PERIOD.
 */
#include "core/redis/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/data/names.h"
#include "core/redis/functions.h"

extern const char halley_lua[];
extern const size_t halley_lua_len;
extern const char halley_lua_digest[];
extern const char session_lua[];
extern const size_t session_lua_len;
extern const char session_lua_digest[];

#define PERIOD      0.5  /* seconds: a claim counts for three (core/redis/halley.lua) */
#define RETRY_DELAY 0.25 /* seconds between questions to a Redis that is still loading */
#define PATIENCE    4.0  /* seconds: the claim of programs that were just stopped ends before */

enum { CLAIM_MAX = PREFIX_MAX + 32, STAMP_MAX = 32, CONFLICT_MAX = 256, TROUBLE_MAX = 256 };

struct library {
    struct ev_loop *loop;
    struct redis *redis;
    struct library_options options;
    struct functions *sessions; /* their library; NULL: the program has none */
    char database[16];
    bool ready;
    bool asking;           /* a question or a command about the library is out */
    bool resting;          /* library_rest() */
    bool once;             /* replaced another text of the same number already */
    bool settled;          /* nobody stood before this installation, at least once */
    bool late;             /* Redis could not be reached when the program began */
    int exit;              /* library_exit() */
    double refused_since;  /* when it was first found to stand in somebody's way; 0: does not */
    char since[STAMP_MAX]; /* of the database, as last read; "" never */
    char conflict[CONFLICT_MAX]; /* "" none */
    char trouble[TROUBLE_MAX];   /* what Redis said last instead of serving us; "": it does */
    struct library_counts counts;
    struct ev_timer tick;
    struct ev_timer retry;
    struct log_limit complaint;
};

static void ask(struct library *library);

static int embedded_version(void) {
    return functions_version(halley_lua);
}

static bool send(struct library *library, redis_reply_fn *answer, int argc, const char **argv) {
    size_t lens[8];

    for (int i = 0; i < argc; i++)
        lens[i] = argv[i] == halley_lua ? halley_lua_len : strlen(argv[i]);
    return redis_command(library->redis, answer, library, argc, argv, lens) == ERR_OK;
}

static void become_ready(struct library *library) {
    if (library->ready)
        return;
    library->ready = true;
    library->trouble[0] = '\0';
    library->options.events->ready(library->options.ctx);
}

static void put_off(struct library *library, const char *why) {
    unsigned long quiet;

    snprintf(library->trouble, sizeof library->trouble, "%s", why);
    if (log_allowed(&library->complaint, ev_now(library->loop), &quiet))
        log_warning("redis.library", "answer=\"%s\" not_logged=%lu", why, quiet);
    ev_timer_stop(library->loop, &library->retry);
    ev_timer_set(&library->retry, RETRY_DELAY, 0);
    ev_timer_start(library->loop, &library->retry);
    if (!library->ready)
        library->options.events->refused(library->options.ctx, why);
}

static void ask_later(struct library *library, const redis_reply *why) {
    put_off(library, redis_words(why));
}

/* --------------------------------------------------------------------- loading */

static void on_version(void *ctx, const redis_reply *reply);

static void on_loaded(void *ctx, const redis_reply *reply) {
    struct library *library = ctx;

    library->asking = false;
    if (reply == NULL)
        return;
    if (!redis_is_error(reply)) {
        library->counts.loads++;
        log_info("redis.library.loaded", "version=%d digest=%.12s", embedded_version(),
                 halley_lua_digest);
        ask(library);
    } else if (strstr(redis_words(reply), "already exists") != NULL) {
        /* another program was quicker, or it is so old that it lacks what was called */
        library->asking =
            send(library, on_version, 3, (const char *[]){"FCALL_RO", "halley_version", "0"});
    } else {
        ask_later(library, reply);
    }
}

/*
 * Loads the library. Whose the database is stands there before any function can be
 * called, unless it says already that it is somebody else's.
 */
static void load(struct library *library, bool replace) {
    char claim[CLAIM_MAX];
    const char *argv[] = {"FUNCTION", "LOAD", replace ? "REPLACE" : halley_lua, halley_lua};

    library->ready = false;
    snprintf(claim, sizeof claim, "%s %s 0", library->options.prefix, library->database);
    send(library, NULL, 4, (const char *[]){"SET", "halley.prefix", claim, "NX"});
    library->asking = send(library, on_loaded, replace ? 4 : 3, argv);
}

/* Another text of our number: replaced once, so that two do not take turns for ever. */
static bool replace_once(struct library *library) {
    if (library->once)
        return false;
    library->once = true;
    log_warning("redis.library.differs",
                "version=%d: another text of the same number is replaced, once by each process",
                embedded_version());
    load(library, true);
    return true;
}

/* There is a library, and it does not know halley_installation. */
static void on_version(void *ctx, const redis_reply *reply) {
    struct library *library = ctx;
    int64_t version = redis_integer(reply, -1);

    library->asking = false;
    if (reply == NULL)
        return;
    if (version > embedded_version())
        become_ready(library); /* of a newer program: it says nothing of installations */
    else if (functions_missing(reply) || (version >= 0 && version < embedded_version()))
        load(library, true); /* none of Halley's that has its name, or one of long ago */
    else if (version < 0 || !replace_once(library))
        ask_later(library, reply);
}

/* ---------------------------------------------------------- whose the database is */

static void say_conflict(struct library *library, const char *prefix, const char *database) {
    bool ours = strcmp(prefix, library->options.prefix) == 0;
    bool began = library->conflict[0] == '\0';

    snprintf(library->conflict, sizeof library->conflict,
             ours ? "prefix = %s: another installation has it in database %s, and this one is "
                    "database %s"
                  : "prefix = %s: another installation has prefix %s in the same database %s",
             library->options.prefix, ours ? database : prefix, library->database);
    if (!began)
        return;
    library->counts.conflicts++;
    log_warning("installation.conflict", "%s", library->conflict);
}

static void end_conflict(struct library *library) {
    if (library->conflict[0] == '\0')
        return;
    library->conflict[0] = '\0';
    log_info("installation.alone", "prefix=%s database=%s", library->options.prefix,
             library->database);
}

static void end_with(struct library *library, int code, const char *event, const char *why) {
    if (library->exit != 0)
        return;
    library->exit = code;
    log_error(event, "%s", why);
}

/*
 * A program that served ends at once: its readers go elsewhere. One that only begins answers
 * with what is wrong for PATIENCE, so that whoever starts it again does not do so in a hurry.
 */
static void end_outgrown(struct library *library, const struct functions_found *found) {
    double now = ev_now(library->loop);
    char why[TROUBLE_MAX];

    snprintf(why, sizeof why,
             "the function library %s in Redis, number %lld, is of a newer release and serves "
             "programs from number %lld on; this program's is number %d",
             found->library, (long long)found->version, (long long)found->serves, found->own);
    if (library->refused_since == 0)
        library->refused_since = now;
    if (library->settled || now - library->refused_since >= PATIENCE)
        end_with(library, EX_CONFIG, "redis.library.outgrown", why);
    else
        put_off(library, why);
}

/*
 * Somebody was there before. A program that only begins has no business here, once it is
 * clear that he stays. One that served already, or whose Redis came later, says so and goes
 * on; a strict one only waits, and ends where it would be taken for one that works.
 */
static void stand_back(struct library *library) {
    double now = ev_now(library->loop);

    if (library->refused_since == 0)
        library->refused_since = now;
    if (!library->ready)
        snprintf(library->trouble, sizeof library->trouble, "%s", library->conflict);
    bool lasts = now - library->refused_since >= PATIENCE;
    if (library->options.strict && library->settled && lasts)
        end_with(library, EX_TEMPFAIL, "installation.lost", library->conflict);
    else if (!library->settled && !library->late && lasts)
        end_with(library, EX_CONFIG, "configuration", library->conflict);
    else if (!library->options.strict && (library->settled || (library->late && lasts)))
        become_ready(library);
}

/* What the database says has been put there at `since`. */
static void settle(struct library *library, const char *since) {
    bool gone = library->since[0] != '\0' && since[0] != '\0' && strcmp(library->since, since) != 0;

    library->settled = true;
    library->refused_since = 0;
    if (since[0] != '\0')
        snprintf(library->since, sizeof library->since, "%s", since);
    become_ready(library);
    if (!gone)
        return;
    library->counts.renewals++;
    log_info("installation.renewed", "prefix=%s database=%s", library->options.prefix,
             library->database);
    if (library->options.events->renewed != NULL)
        library->options.events->renewed(library->options.ctx);
}

static void on_installed(void *ctx, const redis_reply *reply) {
    struct library *library = ctx;
    unsigned long quiet;

    library->asking = false;
    if (reply == NULL)
        return;
    if (library_missing(library, reply))
        return;
    if (redis_is_error(reply) && /* it takes no writes just now; what is there can be read */
        log_allowed(&library->complaint, ev_now(library->loop), &quiet))
        log_warning("installation.unsaid", "answer=\"%s\" not_logged=%lu", redis_words(reply),
                    quiet);
    settle(library, redis_is_error(reply) ? "" : redis_words(reply));
}

static void take_place(struct library *library, const redis_reply *reply) {
    const char *since = redis_words(redis_item(reply, 4));

    if (strcmp(since, "0") > 0 &&
        strcmp(redis_words(redis_item(reply, 2)), library->options.prefix) == 0 &&
        strcmp(redis_words(redis_item(reply, 3)), library->database) == 0)
        settle(library, since);
    else
        library->asking = send(library, on_installed, 5,
                               (const char *[]){"FCALL", "halley_install", "0",
                                                library->options.prefix, library->database});
}

static bool same_text(const redis_reply *reply) {
    return strcmp(redis_words(redis_item(reply, 1)), halley_lua_digest) == 0;
}

static void on_installation(void *ctx, const redis_reply *reply) {
    struct library *library = ctx;
    int64_t version = redis_integer(redis_item(reply, 0), -1);
    struct functions_found found = {"halley", version, redis_integer(redis_item(reply, 8), 0),
                                    embedded_version()};

    library->asking = false;
    if (reply == NULL || library->resting)
        return;
    if (functions_missing(reply)) {
        load(library, false);
        return;
    }
    if (functions_outgrown(&found)) {
        end_outgrown(library, &found);
        return;
    }
    if (version < 0) {
        ask_later(library, reply);
        return;
    }
    if (version < embedded_version()) {
        load(library, true);
        return;
    }
    if (version == embedded_version() && !same_text(reply) && replace_once(library))
        return;
    if (redis_words(redis_item(reply, 5))[0] != '\0')
        say_conflict(library, redis_words(redis_item(reply, 5)), redis_words(redis_item(reply, 6)));
    else
        end_conflict(library);
    if (redis_integer(redis_item(reply, 7), 0) != 0)
        stand_back(library);
    else
        take_place(library, reply);
}

static void ask_installation(struct library *library) {
    library->asking = send(library, on_installation, 5,
                           (const char *[]){"FCALL_RO", "halley_installation", "0",
                                            library->options.prefix, library->database});
}

/* The library of the sessions is there, or Redis says why not. */
static void on_sessions(void *ctx, const redis_reply *why) {
    struct library *library = ctx;

    library->asking = false;
    if (library->resting)
        return;
    if (why != NULL)
        ask_later(library, why);
    else if (functions_outgrown(functions_found(library->sessions)))
        end_outgrown(library, functions_found(library->sessions));
    else
        ask_installation(library);
}

static void ask(struct library *library) {
    if (library->asking || library->resting)
        return;
    if (library->sessions != NULL)
        library->asking = functions_ask(library->sessions);
    else
        ask_installation(library);
}

bool library_missing(struct library *library, const redis_reply *reply) {
    if (!functions_missing(reply))
        return false;
    library->ready = false;
    ask(library);
    return true;
}

void library_doubt(struct library *library, const redis_reply *why) {
    library->ready = false;
    ask_later(library, why);
}

const char *library_trouble(const struct library *library) {
    return library->trouble;
}

/* ------------------------------------------------------------------------ life */

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct library *library = timer->data;
    (void)loop, (void)events;

    library->late = library->late || (!library->settled && library->refused_since == 0 &&
                                      redis_state(library->redis) == REDIS_DOWN);
    ask(library);
}

static void on_retry(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    ask(timer->data);
}

void library_up(struct library *library) {
    library->asking = false;
    ask(library);
}

void library_down(struct library *library) {
    library->ready = false;
    library->asking = false;
    library->trouble[0] = '\0';
    ev_timer_stop(library->loop, &library->retry);
}

void library_rest(struct library *library) {
    library->resting = true;
    ev_timer_stop(library->loop, &library->tick);
}

bool library_ready(const struct library *library) {
    return library->ready;
}

const char *library_conflict(const struct library *library) {
    return library->conflict[0] != '\0' ? library->conflict : NULL;
}

bool library_stands_back(const struct library *library) {
    return library->refused_since != 0;
}

int library_exit(const struct library *library) {
    return library->exit;
}

const struct library_counts *library_counts(const struct library *library) {
    return &library->counts;
}

void library_report(const struct library *library, struct buf *out) {
    const struct library_counts *counts = &library->counts;

    buf_printf(out, "\"prefix\":\"%s\",\"library\":{\"version\":%d,\"loads\":%llu}",
               library->options.prefix, embedded_version(), (unsigned long long)counts->loads);
    buf_printf(out, ",\"installation\":{\"conflicts\":%llu,\"renewals\":%llu,\"conflict\":",
               (unsigned long long)counts->conflicts, (unsigned long long)counts->renewals);
    json_quote(out, library->conflict, strlen(library->conflict));
    buf_char(out, '}');
}

static const struct functions_text session_functions = {.library = "halley_session",
                                                        .version = "halley_session_version",
                                                        .text = session_lua,
                                                        .len = &session_lua_len,
                                                        .digest = session_lua_digest};

struct library *library_new(struct ev_loop *loop, struct redis *redis,
                            const struct library_options *options) {
    struct library *library = mem_new(sizeof *library);

    library->loop = loop;
    library->redis = redis;
    library->options = *options;
    snprintf(library->database, sizeof library->database, "%d", redis_database(redis));
    if (options->sessions)
        library->sessions = functions_new(redis, &session_functions, on_sessions, library);
    ev_timer_init(&library->tick, on_tick, PERIOD * (1 + drand48()) / 2, PERIOD);
    ev_timer_init(&library->retry, on_retry, 0, 0);
    library->tick.data = library->retry.data = library;
    ev_timer_start(loop, &library->tick);
    return library;
}

void library_free(struct library *library) {
    if (library == NULL)
        return;
    ev_timer_stop(library->loop, &library->tick);
    ev_timer_stop(library->loop, &library->retry);
    functions_free(library->sessions);
    free(library);
}
