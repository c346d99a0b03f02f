/* core/redis/halley.lua, installations: which prefix a database has, and who else is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

extern const char halley_lua[];
extern const size_t halley_lua_len;

/* The answer to a claim, without the library's version, digest and the oldest that it serves:
 * "prefix database since rival's-prefix rival's-database older]". */
static const char *claim(const char *prefix, int database) {
    must_ask("SELECT %d", database);
    const char *text = must_ask("FCALL_RO halley_installation 0 %s %d", prefix, database);
    const char *at = strchr(strchr(text, ' ') + 1, ' ') + 1, *serves = strrchr(at, ' ');
    ck_assert_int_gt(atoi(serves), 0);
    return keepf("%.*s]", (int)(serves - at), at);
}

static void install(const char *prefix, int database) {
    must_ask("SELECT %d", database);
    must_ask("FCALL halley_install 0 %s %d", prefix, database);
}

static const char *publish(const char *channel) {
    return ask("FCALL halley_publish 1 %s x", channel);
}

/* The newest claims count, so whoever is to stay says so while somebody else's runs out. */
static bool alone_after_renewing(const char *prefix, int database) {
    const char *text = claim(prefix, database);
    return strcmp(text + strlen(text) - 4, "  0]") == 0;
}

START_TEST(without_a_word_the_prefix_is_the_default_one) {
    server_start(false);
    listen_to("halley.live:{chat}");
    const char *id = publish("chat");
    ck_assert_msg(strncmp(heard(1), keepf("halley.live:{chat}: %s ", id), 20) == 0, "%s", id);
}
END_TEST

START_TEST(a_publish_is_announced_with_the_prefix_of_its_database) {
    server_start(false);
    install("site", 1);
    install("other", 2);
    listen_to("site.live:{chat}");
    must_ask("SELECT 2");
    publish("chat");
    must_ask("SELECT 0");
    publish("chat");
    must_ask("SELECT 1");
    const char *id = publish("chat");
    ck_assert_ptr_nonnull(strstr(heard(1), id)); /* and nothing before it */
}
END_TEST

/* What a worker that listens since barrier 5, and holds nothing, is answered. */
static const char *ask_for_lease(const char *prefix, const char *owner) {
    return must_ask(
        "FCALL halley_lease 1 halley.lease:job acquire %s %s 60000 0 5 0 5 1 5 0 0 0 0 0 0 0 0 "
        "0 0",
        prefix, owner);
}

START_TEST(the_workers_words_have_the_prefix_too) {
    server_start(false);
    listen_to("site.sequenced");
    ck_assert_int_eq(strncmp(ask_for_lease("site", "a"), "[granted ", 9), 0);
    must_ask("HSET halley.lease:job last %s", "5 0 0 0");
    must_ask("FCALL halley_sequence 2 chat halley.lease:job a %s 5 1 x 1 10 60 10 600 site 7",
             "5 0");
    const char *words = heard(1);
    ck_assert_msg(strncmp(words, "site.sequenced: done ", 21) == 0, "%s", words);
}
END_TEST

START_TEST(where_the_prefix_is_gone_and_may_be_another_a_publish_is_refused) {
    server_start(false);
    install("site", 0);
    publish("chat");
    must_ask("FLUSHDB");
    ck_assert_str_eq(publish("chat"), "!ERR prefix: is not known yet in this database, try again "
                                      "in a second");
    ck_assert_str_eq(must_ask("EXISTS halley.history:{chat} halley.meta:{chat}"), "0");
    install("site", 0);
    ck_assert_uint_eq(n_of(publish("chat")), 1);
}
END_TEST

START_TEST(a_claim_alone_makes_another_prefix_known) {
    server_start(false);
    claim("site", 3);
    must_ask("SELECT 0");
    ck_assert_int_eq(publish("chat")[0], '!');
}
END_TEST

START_TEST(a_program_that_tells_its_prefix_is_never_refused) {
    server_start(false);
    claim("site", 0);
    listen_to("site.live:{chat}");
    must_ask("FCALL halley_post 1 chat x 10 60 10 600 %s 300 who 0 0 site", "");
    heard(1);
}
END_TEST

START_TEST(where_only_the_default_prefix_is_known_nothing_is_refused) {
    server_start(false);
    claim("halley", 0);
    install("halley", 0);
    must_ask("FLUSHDB");
    ck_assert_uint_eq(n_of(publish("chat")), 1);
}
END_TEST

START_TEST(what_was_put_back_has_another_since) {
    server_start(false);
    install("site", 0);
    const char *before = must_ask("GET halley.prefix");
    install("site", 0);
    ck_assert_str_eq(must_ask("GET halley.prefix"), before);
    must_ask("DEL halley.prefix");
    install("site", 0);
    ck_assert_str_ne(must_ask("GET halley.prefix"), before);
}
END_TEST

START_TEST(installations_with_their_own_do_not_see_each_other) {
    server_start(false);
    for (int i = 0; i < 2; i++) {
        ck_assert_ptr_nonnull(strstr(claim("a", 0), "    0]"));
        ck_assert_ptr_nonnull(strstr(claim("b", 1), "    0]"));
    }
}
END_TEST

START_TEST(one_prefix_in_two_databases_is_seen_by_both) {
    server_start(false);
    claim("a", 0);
    ck_assert_ptr_nonnull(strstr(claim("a", 1), " a 0 1]")); /* the other was before */
    ck_assert_ptr_nonnull(strstr(claim("a", 0), " a 1 0]"));
    ck_assert_ptr_nonnull(strstr(claim("a", 1), " a 0 1]"));
}
END_TEST

START_TEST(two_prefixes_in_one_database_are_seen_by_both) {
    server_start(false);
    claim("a", 0);
    ck_assert_ptr_nonnull(strstr(claim("b", 0), " a 0 1]"));
    ck_assert_ptr_nonnull(strstr(claim("a", 0), " b 0 0]"));
}
END_TEST

START_TEST(a_claim_that_is_not_renewed_ends) {
    server_start(false);
    claim("old", 0);
    claim("new", 0);
    until(alone_after_renewing("new", 0), "the claim does not end");
}
END_TEST

START_TEST(the_prefix_of_a_restarted_redis_is_kept_for_those_who_are_still_to_claim_it) {
    server_start(true);
    install("old", 0);
    server_kill_and_start();
    ck_assert_ptr_nonnull(strstr(claim("new", 0), " old 0 1]"));
    until(alone_after_renewing("new", 0), "nobody claims it, and it stays");
}
END_TEST

START_TEST(who_came_second_is_given_no_lease) {
    server_start(false);
    claim("a", 0);
    install("a", 0);
    claim("a", 1);
    install("a", 1);
    must_ask("SELECT 1");
    ck_assert_int_eq(strncmp(ask_for_lease("a", "x"), "[held ", 6), 0);
    must_ask("SELECT 0");
    ck_assert_int_eq(strncmp(ask_for_lease("b", "x"), "[held ", 6), 0);
    ck_assert_int_eq(strncmp(ask_for_lease("a", "x"), "[granted ", 9), 0);
}
END_TEST

START_TEST(both_prefixes_of_one_database_hear_what_is_published) {
    server_start(false);
    claim("a", 0);
    install("a", 0);
    claim("b", 0);
    listen_to("b.live:{chat}");
    publish("chat");
    heard(1);
}
END_TEST

START_TEST(wrong_claims_are_refused) {
    static const char *const rows[][2] = {{"a:b", "0"}, {"a.b", "0"}, {"*", "0"}, {"", "0"},
                                          {"a", "x"},   {"a", "-1"},  {"a", ""}};

    server_start(false);
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(ask("FCALL_RO halley_installation 0 %s %s", rows[i][0], rows[i][1])[0] == '!',
                      "%s %s", rows[i][0], rows[i][1]);
    ck_assert_int_eq(ask("FCALL_RO halley_installation 0 %065d 0", 0)[0], '!');
    for (int i = 0; i < 256; i++)
        must_ask("FCALL_RO halley_installation 0 p%d 0", i);
    ck_assert_int_eq(ask("FCALL_RO halley_installation 0 more 0")[0], '!');
    must_ask("FCALL_RO halley_installation 0 p7 0");
}
END_TEST

static int uptime(void) {
    const char *at = strstr(must_ask("INFO server"), "uptime_in_seconds:");
    return (int)strtol(at + 18, NULL, 10);
}

static void load_anew(void) {
    const char *const argv[] = {"FUNCTION", "LOAD", "REPLACE", halley_lua};
    const size_t lens[] = {8, 4, 7, halley_lua_len};
    ck_assert_str_eq(ask_bytes(4, argv, lens), "halley");
}

START_TEST(a_library_that_is_loaded_anew_makes_no_gap) {
    char position[64];

    server_start(false);
    until(uptime() >= 3, "time stands still");
    ck_assert_int_eq(sscanf(must_ask("FCALL_RO halley_read 1 chat now 10"), "[%63s 0 0", position),
                     1);
    load_anew();
    const char *id = publish("chat");
    const char *page = must_ask("FCALL_RO halley_read 1 chat %s 10", position);
    ck_assert_msg(strncmp(page, keepf("[%s 0 0 [%s ", id, id), strlen(id) * 2 + 7) == 0, "%s",
                  page);
}
END_TEST

UNIT_MAIN("lua_installation", without_a_word_the_prefix_is_the_default_one,
          a_publish_is_announced_with_the_prefix_of_its_database,
          the_workers_words_have_the_prefix_too,
          where_the_prefix_is_gone_and_may_be_another_a_publish_is_refused,
          a_claim_alone_makes_another_prefix_known,
          a_program_that_tells_its_prefix_is_never_refused,
          where_only_the_default_prefix_is_known_nothing_is_refused,
          what_was_put_back_has_another_since, installations_with_their_own_do_not_see_each_other,
          one_prefix_in_two_databases_is_seen_by_both,
          two_prefixes_in_one_database_are_seen_by_both, a_claim_that_is_not_renewed_ends,
          the_prefix_of_a_restarted_redis_is_kept_for_those_who_are_still_to_claim_it,
          who_came_second_is_given_no_lease, both_prefixes_of_one_database_hear_what_is_published,
          wrong_claims_are_refused, a_library_that_is_loaded_anew_makes_no_gap)
