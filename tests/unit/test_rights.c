/* core/config/access, fcgi-app/rights: who may do what. */
#include "core/config/access.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/rights/revoked.h"
#include "fcgi-app/rights/rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const char *printed(const char *text) {
    struct access access = {.list = NULL};
    char *out = NULL;
    size_t len;
    FILE *stream = open_memstream(&out, &len);

    if (access_parse(text, &access) == ERR_OK)
        access_print(&access, stream);
    fclose(stream);
    free(access.list);
    return keep(out);
}

START_TEST(alternatives_are_read_and_printed_as_they_stand) {
    static const struct {
        const char *text, *printed;
    } rows[] = {{"anyone", "anyone"},
                {"none", "none"},
                {"NONE", "none"},
                {" user ,owner", "user, owner"},
                {"user alice", "user alice"},
                {"group staff, user, user  bob ", "group staff, user, user bob"},
                {"user \"Smith, J\", group x", "user \"Smith, J\", group x"},
                {"user \"bob\"", "user bob"},
                {"user a b", "user a b"}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(printed(rows[i].text), rows[i].printed);
}
END_TEST

START_TEST(what_is_no_list_of_alternatives_is_refused) {
    static const char *const rows[] = {
        "",           ",",       "anyone,",   ",anyone",     "everybody",     "none, user",
        "user, none", "group",   "owner me",  "anyone else", "user \"a\"b\"", "user \"a, b",
        "user \"\"",  "token x", "none none", "user,,owner", "user \x01"};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct access access = {.list = NULL, .kinds = 77};
        ck_assert_msg(access_parse(rows[i], &access) == ERR_SYNTAX, "%s", rows[i]);
        ck_assert_uint_eq(access.kinds, 77);
    }
}
END_TEST

START_TEST(an_owner_is_who_stands_where_the_last_star_does) {
    static const struct {
        const char *pattern, *channel, *user;
        bool owns;
    } rows[] = {{"inbox/*", "inbox/alice", "alice", true},
                {"inbox/*", "inbox/alice", "Alice", false},
                {"inbox/*", "inbox/alice", "alic", false},
                {"inbox/*", "inbox/alice", "lice", false},
                {"inbox/*", "inbox/", "", false},
                {"inbox/*", "inbox/x/alice", "alice", false},
                {"inbox/*", "inbox/x/alice", "x/alice", false},
                {"inbox/*/in", "inbox/alice/in", "alice", true},
                {"inbox/*/in", "inbox/alice/in", "alice/in", false},
                {"*/*", "team/alice", "alice", true},
                {"*/*", "a/b/alice", "alice", true},
                {"*-*", "x-bob-alice", "alice", false}, /* or is it bob-alice? */
                {"*-*", "x-bob-alice", "bob-alice", false},
                {"*-*", "x-alice", "alice", true},
                {"*?", "alicex", "alice", true},
                {"in[*]/*", "in*/alice", "alice", true},
                {"in\\*/x", "in*/x", "x", false},
                {"*[]*]", "alice*", "alice", true},
                {"*", "alice", "alice", true},
                {"inbox", "inbox", "inbox", false}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(access_owns(rows[i].pattern, rows[i].channel, rows[i].user) == rows[i].owns,
                      "%s %s %s", rows[i].pattern, rows[i].channel, rows[i].user);
    ck_assert(access_has_owner("a*b"));
    ck_assert(!access_has_owner("a[*]b"));
    ck_assert(!access_has_owner("a\\*b"));
}
END_TEST

/* ------------------------------------------------------------------------- rights */

static struct config config;

static const char *const sections = "[channel open]\npublish = user\n"
                                    "[channel closed]\nsubscribe = none\n"
                                    "[channel users]\nsubscribe = user\n"
                                    "[channel alice]\nsubscribe = user alice\n"
                                    "[channel staff]\nsubscribe = group staff, user bob\n"
                                    "[channel inbox/*]\nsubscribe = owner\npublish = anyone\n"
                                    "[channel *]\nsubscribe = anyone\n";

static void load(void) {
    char path[] = "/tmp/halley-rights-XXXXXX", problem[CONFIG_PROBLEM];
    struct config_command command;
    char name[] = "halley", file[] = "-f", *argv[] = {name, file, path, NULL};
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, sections, strlen(sections)), (ssize_t)strlen(sections));
    close(fd);
    ck_assert_msg(config_load(&config, &command, 3, argv, problem) == 0, "%s", problem);
    unlink(path);
}

static struct identity *somebody(const char *user, const char *groups) {
    return user != NULL ? identity_new(user, groups) : NULL;
}

/* Not that he may not: what told who he is tells nothing any more. */
START_TEST(who_was_revoked_is_refused_as_who_has_no_token) {
    struct identity *who = somebody("alice", "");
    struct problem problem;

    load();
    who->revoked = true;
    ck_assert(!rights_may(&config, who, RIGHTS_SUBSCRIBE, "alice", 5));
    rights_explain(&config, who, RIGHTS_SUBSCRIBE, "alice", 5, &problem);
    ck_assert_int_eq(problem.status, 401);
    ck_assert_str_eq(problem.detail, "token: it was revoked");
    ck_assert(rights_may(&config, who, RIGHTS_PUBLISH, "inbox/alice", 11)); /* as anyone */
    identity_free(who);
    config_free(&config);
}
END_TEST

START_TEST(what_anyone_may_is_taken_away_from_nobody) {
    static const char word[] = "500 0 channel\nalice\ninbox/alice";
    struct revoked *revoked = revoked_new();
    struct identity *who = somebody("alice", "");

    load();
    who->expires = 5000;
    revoked_heed(revoked, who, 1000);
    revoked_take(revoked, word, strlen(word), 1000);
    ck_assert(rights_banned(&config, who, RIGHTS_SUBSCRIBE, "inbox/alice", 11));
    ck_assert(!rights_may(&config, who, RIGHTS_SUBSCRIBE, "inbox/alice", 11));
    ck_assert(!rights_banned(&config, who, RIGHTS_PUBLISH, "inbox/alice", 11));
    ck_assert(rights_may(&config, who, RIGHTS_PUBLISH, "inbox/alice", 11));
    ck_assert(!rights_banned(&config, NULL, RIGHTS_SUBSCRIBE, "inbox/alice", 11));
    identity_free(who);
    revoked_free(revoked);
    config_free(&config);
}
END_TEST

START_TEST(each_alternative_opens_to_whom_it_names) {
    static const struct {
        const char *channel, *user, *groups;
        int subscribe, publish; /* 200, or what is answered */
    } rows[] = {{"open", NULL, "", 200, 401},
                {"open", "alice", "", 200, 200},
                {"closed", NULL, "", 403, 403},
                {"closed", "alice", "", 403, 403},
                {"users", NULL, "", 401, 403},
                {"users", "alice", "", 200, 403},
                {"alice", "alice", "", 200, 403},
                {"alice", "bob", "", 403, 403},
                {"alice", "Alice", "", 403, 403},
                {"staff", "alice", "staff", 200, 403},
                {"staff", "alice", "x, staff ,y", 200, 403},
                {"staff", "alice", "x staff", 200, 403},
                {"staff", "alice", "the staff,x", 403, 403}, /* its name has a blank */
                {"staff", "alice", "stafff", 403, 403},
                {"staff", "bob", "", 200, 403},
                {"staff", "staff", "", 403, 403},
                {"inbox/alice", "alice", "", 200, 200},
                {"inbox/alice", "bob", "", 403, 200},
                {"inbox/alice", NULL, "", 401, 200},
                {"inbox/alicE", "alice", "", 403, 200},
                {"else", NULL, "", 200, 403}};

    load();
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct identity *who = somebody(rows[i].user, rows[i].groups);
        const int wanted[] = {rows[i].subscribe, rows[i].publish};
        for (int verb = RIGHTS_SUBSCRIBE; verb <= RIGHTS_PUBLISH; verb++) {
            struct problem problem = {.status = 200};
            size_t len = strlen(rows[i].channel);
            if (!rights_may(&config, who, (enum rights_verb)verb, rows[i].channel, len))
                rights_explain(&config, who, (enum rights_verb)verb, rows[i].channel, len,
                               &problem);
            ck_assert_msg(problem.status == wanted[verb], "row %zu, verb %d: %d", i, verb,
                          problem.status);
        }
        identity_free(who);
    }
    ck_assert(rights_wanted(&config));
    config_free(&config);
}
END_TEST

START_TEST(what_a_token_said_is_a_text_and_the_same_again) {
    static const char text[] = "alice\0a\0b*\0\0c\0\0x-1\0"
                               "5.250";
    struct buf again = buf_make(1000);
    struct identity *who = identity_take(text, sizeof text, 7.5);

    ck_assert_ptr_nonnull(who);
    ck_assert_str_eq(who->user, "alice");
    ck_assert_str_eq(who->subscribe + 2, "b*");
    ck_assert_str_eq(who->publish, "c");
    ck_assert(who->expires == 7.5);
    ck_assert_str_eq(who->jti, "x-1");
    ck_assert(who->issued == 5.25);
    identity_put(who, &again);
    ck_assert_uint_eq(again.len, sizeof text);
    ck_assert_mem_eq(again.data, text, sizeof text);
    for (size_t len = 0; len < sizeof text; len++)
        ck_assert_ptr_null(identity_take(text, len, 0));
    ck_assert_ptr_null(identity_take("a\nb\0\0\0\0"
                                     "0.000",
                                     13, 0));
    ck_assert_ptr_null(identity_take("a\0\0\0x\ny\0"
                                     "0.000",
                                     14, 0));
    who->jti = (free(who->jti), NULL);
    buf_clear(&again);
    identity_put(who, &again);
    struct identity *nameless = identity_take(again.data, again.len, 7.5);
    ck_assert_ptr_nonnull(nameless);
    ck_assert_ptr_null(nameless->jti);
    identity_free(nameless);
    identity_free(who);
    buf_free(&again);
}
END_TEST

START_TEST(what_holds_is_printed_with_what_somebody_may) {
    char *out = NULL;
    size_t len;
    FILE *stream = open_memstream(&out, &len);
    struct identity *who = identity_new("", "staff,");

    load();
    rights_print(&config, NULL, "inbox/alice", stream);
    rights_print(&config, who, "staff", stream);
    identity_free(who);
    fclose(stream);
    ck_assert_str_eq(keep(out), "[channel inbox/*]\nsubscribe = owner\npublish = anyone\n"
                                "[channel staff]\nsubscribe = group staff, user bob\n"
                                "publish = none\nsubscribe: yes\npublish: no\n");
    config_free(&config);
}
END_TEST

UNIT_MAIN("rights", alternatives_are_read_and_printed_as_they_stand,
          what_is_no_list_of_alternatives_is_refused,
          an_owner_is_who_stands_where_the_last_star_does, each_alternative_opens_to_whom_it_names,
          who_was_revoked_is_refused_as_who_has_no_token, what_anyone_may_is_taken_away_from_nobody,
          what_holds_is_printed_with_what_somebody_may,
          what_a_token_said_is_a_text_and_the_same_again)
