/* core/redis/library: the functions are there, and the database says whose it is. */
#include "core/redis/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/base/log.h"
#include "core/redis/functions.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

#define ASKS    "FCALL_RO halley_installation 0 site 0"
#define MISSING "ERR Function not found"

extern const char halley_lua[];
extern const char halley_lua_digest[];

static struct ev_loop *loop;
static struct redis *redis;
static struct library *library;
static unsigned ready, renewed;
static const char *refused;

static void on_ready(void *ctx) {
    (void)ctx;
    ready++;
}

static void on_refused(void *ctx, const char *why) {
    (void)ctx;
    refused = keepf("%s", why);
}

static void on_renewed(void *ctx) {
    (void)ctx;
    renewed++;
}

static const struct library_events events = {
    .ready = on_ready, .refused = on_refused, .renewed = on_renewed};

static void begin_as(bool strict) {
    log_open("unit", LOG_ERROR);
    loop = ev_loop_new(0);
    redis = fake_new("commands");
    library = library_new(
        loop, redis,
        &(struct library_options){.prefix = "site", .strict = strict, .events = &events});
}

static void begin(void) {
    begin_as(false);
    fake_up(redis);
    library_up(library);
}

static void end(void) {
    redis_free(redis);
    library_free(library);
    ev_loop_destroy(loop);
}

/* What halley_installation answers: the library that is there, whose the database is, and
 * who stands in the way. */
static redis_reply *answer(int version, const char *digest, const char *prefix, const char *since) {
    return reply_list(8, reply_number(version), reply_text(digest), reply_text(prefix),
                      reply_text(prefix[0] ? "0" : ""), reply_text(since), reply_text(""),
                      reply_text(""), reply_number(0));
}

static redis_reply *ours(const char *since) {
    return answer(1000000, "", "site", since);
}

static redis_reply *rival(const char *prefix, const char *database, bool older) {
    return reply_list(8, reply_number(1000000), reply_text(""), reply_text("site"), reply_text("0"),
                      reply_text("7"), reply_text(prefix), reply_text(database),
                      reply_number(older));
}

static int embedded(void) {
    int version = 0;
    ck_assert_int_eq(sscanf(strstr(halley_lua, "local VERSION = "), "local VERSION = %d", &version),
                     1);
    return version;
}

/* The library is of a newer release, which serves programs from number `serves` on. */
static redis_reply *newer(int serves) {
    return reply_list(9, reply_number(embedded() + 2), reply_text("another"), reply_text("site"),
                      reply_text("0"), reply_text("7"), reply_text(""), reply_text(""),
                      reply_number(0), reply_number(serves));
}

/* The next time that it asks by itself, a tick or a moment later. */
static void next_question(void) {
    loop_until(loop, fake_waiting(redis) > 0);
}

static void expect_load(bool replace) {
    const char *how = replace ? "FUNCTION LOAD REPLACE #!lua" : "FUNCTION LOAD #!lua";

    fake_expect(redis, "SET halley.prefix site 0 0 NX", reply_number(1));
    ck_assert_msg(strncmp(fake_asked(redis), how, strlen(how)) == 0, "%.60s", fake_asked(redis));
}

/* ------------------------------------------------------- the library of the sessions */

#define ASKS_SESSIONS "FCALL_RO halley_session_version 0"

extern const char session_lua[];
extern const char session_lua_digest[];

static void begin_with_sessions(void) {
    log_open("unit", LOG_ERROR);
    loop = ev_loop_new(0);
    redis = fake_new("commands");
    library = library_new(
        loop, redis,
        &(struct library_options){.prefix = "site", .sessions = true, .events = &events});
    fake_up(redis);
    library_up(library);
}

static redis_reply *sessions_are(int more, const char *digest) {
    int version = 0;
    ck_assert_int_eq(
        sscanf(strstr(session_lua, "local VERSION = "), "local VERSION = %d", &version), 1);
    return reply_list(2, reply_number(version + more), reply_text(digest));
}

/* ... of a newer release, which serves no program of this age any more. */
static redis_reply *sessions_outgrew(void) {
    int ours = functions_version(session_lua);
    return reply_list(3, reply_number(ours + 1), reply_text("another"), reply_number(ours + 1));
}

static void expect_sessions_loaded(bool replace) {
    const char *how = keepf("FUNCTION LOAD %s#!lua name=halley_session", replace ? "REPLACE " : "");

    ck_assert_msg(strncmp(fake_asked(redis), how, strlen(how)) == 0, "%.60s", fake_asked(redis));
    fake_answer(redis, reply_text("halley_session"));
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, session_lua_digest));
}

static void expect_ready(void) {
    ck_assert(!library_ready(library));
    fake_expect(redis, ASKS, ours("7"));
    ck_assert(library_ready(library));
    ck_assert_uint_eq(fake_waiting(redis), 0);
    end();
}

START_TEST(nothing_is_ready_before_both_libraries_are_there) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, session_lua_digest));
    expect_ready();
}
END_TEST

START_TEST(a_missing_library_of_sessions_is_loaded) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, reply_error(MISSING));
    expect_sessions_loaded(false);
    expect_ready();
}
END_TEST

START_TEST(the_higher_number_of_a_library_of_sessions_wins) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, sessions_are(1, "of a newer program"));
    expect_ready();
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, sessions_are(-1, session_lua_digest));
    expect_sessions_loaded(true);
    expect_ready();
}
END_TEST

START_TEST(another_library_of_sessions_of_the_same_number_is_replaced_once) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, "another"));
    expect_sessions_loaded(true);
    fake_expect(redis, ASKS, ours("7"));
    next_question();
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, "another")); /* it is back */
    fake_expect(redis, ASKS, ours("7"));
    ck_assert_uint_eq(fake_waiting(redis), 0);
    end();
}
END_TEST

START_TEST(somebody_elses_library_of_that_name_is_replaced) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, reply_error(MISSING));
    fake_answer(redis, reply_error("ERR Library 'halley_session' already exists"));
    fake_expect(redis, ASKS_SESSIONS, reply_error(MISSING));
    expect_sessions_loaded(true);
    expect_ready();
}
END_TEST

START_TEST(who_was_quicker_to_load_the_sessions_is_believed) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, reply_error(MISSING));
    fake_answer(redis, reply_error("ERR Library 'halley_session' already exists"));
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, session_lua_digest));
    expect_ready();
}
END_TEST

static void on_called(void *ctx, const redis_reply *reply) {
    (void)ctx;
    ck_assert(library_missing(library, reply));
}

START_TEST(a_library_of_sessions_that_vanished_is_back_at_the_first_call) {
    const char *argv[] = {"CALLED"};

    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, session_lua_digest));
    fake_expect(redis, ASKS, ours("7"));
    ck_assert_int_eq(redis_command(redis, on_called, NULL, 1, argv, (const size_t[]){6}), ERR_OK);
    fake_expect(redis, "CALLED", reply_error(MISSING));
    ck_assert(!library_ready(library));
    fake_expect(redis, ASKS_SESSIONS, reply_error(MISSING));
    expect_sessions_loaded(false);
    fake_expect(redis, ASKS, ours("7"));
    ck_assert_uint_eq(ready, 2);
    end();
}
END_TEST

START_TEST(a_redis_that_refuses_the_library_of_sessions_is_asked_again) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, reply_error(MISSING));
    fake_answer(redis, reply_error("OOM command not allowed"));
    ck_assert_str_eq(refused, "OOM command not allowed");
    ck_assert_str_eq(library_trouble(library), "OOM command not allowed");
    next_question();
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, session_lua_digest));
    expect_ready();
}
END_TEST

START_TEST(what_was_asked_of_the_sessions_is_asked_anew_after_a_loss) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, reply_error(MISSING));
    library_down(library);
    fake_down(redis); /* in the middle of loading */
    fake_up(redis);
    library_up(library);
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, session_lua_digest));
    expect_ready();
}
END_TEST

START_TEST(sessions_that_outgrew_a_program_end_it_too) {
    begin_with_sessions();
    fake_expect(redis, ASKS_SESSIONS, sessions_are(0, session_lua_digest));
    fake_expect(redis, ASKS, ours("7"));
    next_question();
    fake_expect(redis, ASKS_SESSIONS, sessions_outgrew());
    ck_assert_int_eq(library_exit(library), EX_CONFIG);
    ck_assert_uint_eq(fake_waiting(redis), 0);
    end();
}
END_TEST

/* ------------------------------------------------------------------ the functions */

START_TEST(a_library_that_is_there_is_used) {
    begin();
    ck_assert(!library_ready(library));
    fake_expect(redis, ASKS, ours("7")); /* newer than ours is left alone */
    ck_assert(library_ready(library));
    ck_assert_uint_eq(ready, 1);
    ck_assert_uint_eq(fake_waiting(redis), 0);
    end();
}
END_TEST

START_TEST(a_newer_library_that_serves_this_program_is_used) {
    begin();
    fake_expect(redis, ASKS, newer(embedded()));
    ck_assert(library_ready(library));
    ck_assert_uint_eq(fake_waiting(redis), 0);
    end();
}
END_TEST

START_TEST(a_program_that_served_ends_when_a_newer_library_does_not_serve_it) {
    begin();
    fake_expect(redis, ASKS, ours("7"));
    next_question();
    fake_expect(redis, ASKS, newer(embedded() + 1));
    ck_assert_int_eq(library_exit(library), EX_CONFIG);
    ck_assert_ptr_null(refused); /* what is under way is finished */
    ck_assert_uint_eq(library_counts(library)->loads, 0);
    end();
}
END_TEST

START_TEST(a_program_that_begins_under_such_a_library_says_so_and_ends_later) {
    begin();
    fake_expect(redis, ASKS, newer(embedded() + 1));
    ck_assert_int_eq(library_exit(library), 0);
    ck_assert_ptr_nonnull(strstr(refused, "is of a newer release"));
    ck_assert_str_eq(library_trouble(library), refused);
    while (library_exit(library) == 0) {
        next_question();
        fake_expect(redis, ASKS, newer(embedded() + 1));
        ck_assert(!library_ready(library));
    }
    ck_assert_int_eq(library_exit(library), EX_CONFIG);
    end();
}
END_TEST

START_TEST(such_a_library_that_is_taken_back_in_time_is_forgotten) {
    begin();
    fake_expect(redis, ASKS, newer(embedded() + 2));
    next_question();
    fake_expect(redis, ASKS, reply_error(MISSING));
    expect_load(false);
    fake_answer(redis, reply_text("halley"));
    fake_expect(redis, ASKS, ours("7"));
    ck_assert(library_ready(library) && !library_stands_back(library));
    ck_assert_str_eq(library_trouble(library), "");
    end();
}
END_TEST

START_TEST(a_text_serves_programs_of_its_own_number) {
    const char *const texts[] = {halley_lua, session_lua};

    for (size_t i = 0; i < 2; i++) {
        const char *line = strstr(texts[i], "local SERVES = ");
        ck_assert_ptr_nonnull(line);
        ck_assert_int_le(atoi(line + 15), functions_version(texts[i]));
    }
}
END_TEST

START_TEST(the_text_that_is_loaded_knows_its_own_digest) {
    ck_assert_uint_eq(strlen(halley_lua_digest), 40);
    ck_assert_ptr_nonnull(strstr(halley_lua, keepf("local DIGEST = '%s'", halley_lua_digest)));
}
END_TEST

START_TEST(a_missing_library_is_loaded_and_looked_for_again) {
    begin();
    fake_expect(redis, ASKS, reply_error(MISSING));
    expect_load(false);
    fake_answer(redis, reply_text("halley"));
    ck_assert(!library_ready(library));
    fake_expect(redis, ASKS, ours("7"));
    ck_assert(library_ready(library));
    ck_assert_uint_eq(library_counts(library)->loads, 1);
    end();
}
END_TEST

START_TEST(an_older_library_is_replaced) {
    begin();
    fake_expect(redis, ASKS, answer(0, halley_lua_digest, "site", "7"));
    expect_load(true);
    fake_answer(redis, reply_text("halley"));
    fake_expect(redis, ASKS, ours("7"));
    ck_assert_uint_eq(ready, 1);
    end();
}
END_TEST

START_TEST(a_library_from_before_there_were_installations_is_replaced) {
    begin();
    fake_expect(redis, ASKS, reply_error(MISSING));
    expect_load(false);
    fake_answer(redis, reply_error("ERR Library 'halley' already exists"));
    fake_expect(redis, "FCALL_RO halley_version 0", reply_number(embedded() - 1));
    expect_load(true);
    fake_answer(redis, reply_text("halley"));
    fake_expect(redis, ASKS, ours("7"));
    ck_assert(library_ready(library));
    end();
}
END_TEST

START_TEST(another_library_of_that_name_is_replaced_whenever_it_is_there) {
    begin();
    for (int i = 0; i < 3; i++) {
        fake_expect(redis, ASKS, reply_error(MISSING));
        expect_load(false);
        fake_answer(redis, reply_error("ERR Library 'halley' already exists"));
        fake_expect(redis, "FCALL_RO halley_version 0", reply_error(MISSING));
        expect_load(true);
        fake_answer(redis, reply_text("halley"));
        fake_expect(redis, ASKS, ours("7"));
        ck_assert(library_ready(library));
        next_question();
    }
    end();
}
END_TEST

START_TEST(the_same_number_with_the_same_text_is_left_alone) {
    begin();
    fake_expect(redis, ASKS, answer(embedded(), halley_lua_digest, "site", "7"));
    ck_assert(library_ready(library));
    ck_assert_uint_eq(library_counts(library)->loads, 0);
    end();
}
END_TEST

START_TEST(another_text_of_the_same_number_is_replaced_once) {
    begin();
    fake_expect(redis, ASKS, answer(embedded(), "another", "site", "7"));
    expect_load(true);
    fake_answer(redis, reply_text("halley"));
    fake_expect(redis, ASKS, answer(embedded(), "another", "site", "7")); /* it is back */
    ck_assert(library_ready(library));
    ck_assert_uint_eq(fake_waiting(redis), 0);
    next_question();
    fake_expect(redis, ASKS, answer(embedded(), "another", "site", "7"));
    ck_assert_uint_eq(fake_waiting(redis), 0);
    ck_assert_uint_eq(library_counts(library)->loads, 1);
    end();
}
END_TEST

START_TEST(a_library_that_vanished_is_found_missing_without_a_call) {
    begin();
    fake_expect(redis, ASKS, ours("7"));
    next_question();
    fake_expect(redis, ASKS, reply_error(MISSING));
    ck_assert(!library_ready(library));
    expect_load(false);
    fake_answer(redis, reply_text("halley"));
    fake_expect(redis, ASKS, ours("7"));
    ck_assert_uint_eq(ready, 2);
    end();
}
END_TEST

START_TEST(a_redis_that_still_loads_is_asked_again) {
    begin();
    fake_expect(redis, ASKS, reply_error("LOADING Redis is loading the dataset in memory"));
    ck_assert_str_eq(refused, "LOADING Redis is loading the dataset in memory");
    ck_assert_uint_eq(fake_waiting(redis), 0);
    next_question();
    fake_expect(redis, ASKS, ours("7"));
    ck_assert(library_ready(library));
    ck_assert_str_eq(library_trouble(library), "");
    end();
}
END_TEST

START_TEST(what_was_lost_with_a_connection_is_asked_anew) {
    begin();
    fake_down(redis);
    library_down(library);
    fake_up(redis);
    library_up(library);
    fake_expect(redis, ASKS, ours("7"));
    ck_assert(library_ready(library));
    fake_down(redis);
    library_down(library);
    ck_assert(!library_ready(library));
    end();
}
END_TEST

/* ------------------------------------------------------------- whose the database is */

START_TEST(a_database_that_does_not_say_whose_it_is_is_told) {
    begin();
    fake_expect(redis, ASKS, answer(1000000, "", "", ""));
    ck_assert(!library_ready(library));
    fake_expect(redis, "FCALL halley_install 0 site 0", reply_text("7"));
    ck_assert(library_ready(library));
    ck_assert_uint_eq(renewed, 0);
    end();
}
END_TEST

START_TEST(a_prefix_that_nobody_claims_any_more_is_replaced) {
    begin();
    fake_expect(redis, ASKS, answer(1000000, "", "old", "6"));
    fake_expect(redis, "FCALL halley_install 0 site 0", reply_text("7"));
    ck_assert(library_ready(library));
    end();
}
END_TEST

START_TEST(a_redis_that_takes_no_writes_can_be_read) {
    begin();
    fake_expect(redis, ASKS, answer(1000000, "", "", ""));
    fake_expect(redis, "FCALL halley_install 0 site 0", reply_error("OOM command not allowed"));
    ck_assert(library_ready(library));
    next_question();
    fake_expect(redis, ASKS, answer(1000000, "", "", ""));
    fake_expect(redis, "FCALL halley_install 0 site 0", reply_text("7"));
    end();
}
END_TEST

START_TEST(whoever_put_it_back_what_was_gone_is_read_again) {
    begin();
    fake_expect(redis, ASKS, ours("7"));
    next_question();
    fake_expect(redis, ASKS, ours("7"));
    ck_assert_uint_eq(renewed, 0);
    next_question();
    fake_expect(redis, ASKS, ours("8")); /* another process has put it back */
    ck_assert_uint_eq(renewed, 1);
    next_question();
    fake_expect(redis, ASKS, answer(1000000, "", "", ""));
    fake_expect(redis, "FCALL halley_install 0 site 0", reply_text("9"));
    ck_assert_uint_eq(renewed, 2);
    ck_assert_uint_eq(library_counts(library)->renewals, 2);
    ck_assert_uint_eq(ready, 1);
    end();
}
END_TEST

START_TEST(what_was_gone_while_the_connection_was_is_read_again_too) {
    begin();
    fake_expect(redis, ASKS, ours("7"));
    fake_down(redis);
    library_down(library);
    fake_up(redis);
    library_up(library);
    fake_expect(redis, ASKS, ours("8"));
    ck_assert_uint_eq(renewed, 1);
    end();
}
END_TEST

/* --------------------------------------------------------------- other installations */

START_TEST(a_program_that_begins_where_another_installation_stays_may_not_go_on) {
    begin();
    log_open("unit", LOG_ERROR);
    while (library_exit(library) == 0) {
        fake_expect(redis, ASKS, rival("site", "3", true));
        ck_assert(!library_ready(library));
        ck_assert_ptr_nonnull(strstr(library_trouble(library), "prefix = site: "));
        if (library_exit(library) == 0)
            next_question();
    }
    ck_assert_int_eq(library_exit(library), EX_CONFIG);
    ck_assert_str_eq(library_conflict(library),
                     "prefix = site: another installation has it in database 3, and this one is "
                     "database 0");
    ck_assert_uint_eq(library_counts(library)->conflicts, 1);
    end();
}
END_TEST

START_TEST(a_program_waits_for_those_who_were_just_stopped) {
    begin();
    for (int i = 0; i < 3; i++) {
        fake_expect(redis, ASKS, rival("old", "0", true));
        next_question();
    }
    fake_expect(redis, ASKS, answer(1000000, "", "old", "6"));
    fake_expect(redis, "FCALL halley_install 0 site 0", reply_text("7"));
    ck_assert(library_ready(library));
    ck_assert_ptr_null(library_conflict(library));
    end();
}
END_TEST

START_TEST(who_was_there_before_says_so_and_goes_on) {
    begin();
    fake_expect(redis, ASKS, rival("other", "0", false));
    ck_assert(library_ready(library));
    ck_assert_str_eq(library_conflict(library),
                     "prefix = site: another installation has prefix other in the same database 0");
    next_question();
    fake_expect(redis, ASKS, ours("7"));
    ck_assert_ptr_null(library_conflict(library));
    ck_assert_int_eq(library_exit(library), 0);
    end();
}
END_TEST

START_TEST(a_program_that_served_already_goes_on) {
    begin();
    fake_expect(redis, ASKS, ours("7"));
    for (int i = 0; i < 12; i++) {
        next_question();
        fake_expect(redis, ASKS, rival("other", "0", true));
        ck_assert(library_ready(library) && library_exit(library) == 0);
    }
    ck_assert_uint_eq(fake_waiting(redis), 0); /* it does not put its own prefix there */
    end();
}
END_TEST

START_TEST(a_program_that_was_strict_and_lost_its_place_ends) {
    begin_as(true);
    fake_up(redis);
    library_up(library);
    fake_expect(redis, ASKS, ours("7"));
    while (library_exit(library) == 0) {
        next_question();
        fake_expect(redis, ASKS, rival("other", "0", true));
    }
    ck_assert_int_eq(library_exit(library), EX_TEMPFAIL);
    end();
}
END_TEST

/* Redis cannot be reached at the start; later somebody else is there. */
static void begin_late(bool strict) {
    begin_as(strict);
    fake_away(redis);
    for (double until = ev_now(loop) + 1; ev_now(loop) < until;)
        ev_run(loop, EVRUN_ONCE);
    fake_up(redis);
    library_up(library);
    for (int i = 0; i < 12; i++) {
        fake_expect(redis, ASKS, rival("site", "3", true));
        next_question();
    }
    ck_assert_int_eq(library_exit(library), 0);
}

START_TEST(a_conflict_that_is_found_late_ends_nothing) {
    begin_late(false);
    ck_assert(library_ready(library)); /* it does no harm */
    ck_assert_ptr_nonnull(library_conflict(library));
    end();
}
END_TEST

START_TEST(who_would_do_what_the_other_does_waits_until_he_is_gone) {
    begin_late(true);
    ck_assert(!library_ready(library));
    fake_expect(redis, ASKS, ours("7"));
    ck_assert(library_ready(library));
    end();
}
END_TEST

START_TEST(a_program_that_ends_makes_no_claims) {
    begin();
    fake_expect(redis, ASKS, ours("7"));
    library_rest(library);
    for (double until = ev_now(loop) + 1; ev_now(loop) < until;)
        loop_turn(loop);
    ck_assert_uint_eq(fake_waiting(redis), 0);
    ck_assert(library_ready(library));
    end();
}
END_TEST

UNIT_MAIN("library", nothing_is_ready_before_both_libraries_are_there,
          a_missing_library_of_sessions_is_loaded, the_higher_number_of_a_library_of_sessions_wins,
          another_library_of_sessions_of_the_same_number_is_replaced_once,
          somebody_elses_library_of_that_name_is_replaced,
          who_was_quicker_to_load_the_sessions_is_believed,
          a_library_of_sessions_that_vanished_is_back_at_the_first_call,
          a_redis_that_refuses_the_library_of_sessions_is_asked_again,
          what_was_asked_of_the_sessions_is_asked_anew_after_a_loss,
          sessions_that_outgrew_a_program_end_it_too, a_library_that_is_there_is_used,
          a_newer_library_that_serves_this_program_is_used,
          a_program_that_served_ends_when_a_newer_library_does_not_serve_it,
          a_program_that_begins_under_such_a_library_says_so_and_ends_later,
          such_a_library_that_is_taken_back_in_time_is_forgotten,
          a_text_serves_programs_of_its_own_number, the_text_that_is_loaded_knows_its_own_digest,
          a_missing_library_is_loaded_and_looked_for_again, an_older_library_is_replaced,
          a_library_from_before_there_were_installations_is_replaced,
          another_library_of_that_name_is_replaced_whenever_it_is_there,
          the_same_number_with_the_same_text_is_left_alone,
          another_text_of_the_same_number_is_replaced_once,
          a_library_that_vanished_is_found_missing_without_a_call,
          a_redis_that_still_loads_is_asked_again, what_was_lost_with_a_connection_is_asked_anew,
          a_database_that_does_not_say_whose_it_is_is_told,
          a_prefix_that_nobody_claims_any_more_is_replaced,
          a_redis_that_takes_no_writes_can_be_read, whoever_put_it_back_what_was_gone_is_read_again,
          what_was_gone_while_the_connection_was_is_read_again_too,
          a_program_that_begins_where_another_installation_stays_may_not_go_on,
          a_program_waits_for_those_who_were_just_stopped, who_was_there_before_says_so_and_goes_on,
          a_program_that_served_already_goes_on, a_conflict_that_is_found_late_ends_nothing,
          a_program_that_was_strict_and_lost_its_place_ends,
          who_would_do_what_the_other_does_waits_until_he_is_gone,
          a_program_that_ends_makes_no_claims)
