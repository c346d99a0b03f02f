/* fcgi-app/rights/revoked: which identities are over, and whose channels were taken away. */
#include "fcgi-app/rights/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/rights/rights.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static struct revoked *revoked;

static void take(const char *text) {
    revoked_take(revoked, text, strlen(text), 1000);
}

static struct identity *token(const char *user, const char *jti, double issued) {
    struct identity *who = identity_new(user, "");

    who->expires = 5000;
    who->issued = issued;
    who->jti = jti != NULL ? mem_string(jti) : NULL;
    revoked_heed(revoked, who, 1000);
    return who;
}

static bool over(const char *user, const char *jti, double issued) {
    struct identity *who = token(user, jti, issued);
    bool is_over = who->revoked;

    ck_assert(is_over == (who->expires == 1000));
    identity_free(who);
    return is_over;
}

static void begin(void) {
    revoked = revoked_new();
}

START_TEST(a_user_is_over_whose_token_is_no_newer) {
    begin();
    take("500 0 sub\nalice");
    ck_assert(over("alice", NULL, 0)); /* it does not say when */
    ck_assert(over("alice", NULL, 499));
    ck_assert(over("alice", NULL, 500));
    ck_assert(over("alice", NULL, 500.9)); /* up to that second */
    ck_assert(!over("alice", NULL, 501));
    ck_assert(!over("bob", NULL, 0));
    ck_assert(!over("alic", NULL, 0));
    ck_assert(!over("", "alice", 0));
    take("400 0 sub\nalice"); /* which was said before */
    ck_assert(over("alice", NULL, 450));
    take("600 0 sub\nalice");
    ck_assert(over("alice", NULL, 501));
    revoked_free(revoked);
}
END_TEST

START_TEST(a_token_is_over_by_its_name) {
    begin();
    take("500 0 jti\nx-1");
    ck_assert(over("alice", "x-1", 900));
    ck_assert(over("", "x-1", 0));
    ck_assert(!over("alice", "x-2", 0));
    ck_assert(!over("x-1", NULL, 0));
    revoked_free(revoked);
}
END_TEST

START_TEST(a_channel_is_taken_away_from_one_user) {
    begin();
    take("500 0 channel\nalice\nchat/7");
    struct identity *alice = token("alice", NULL, 500), *later = token("alice", NULL, 501);
    struct identity *bob = token("bob", NULL, 0), *login = identity_new("alice", "");

    ck_assert(!alice->revoked);
    ck_assert(revoked_bans(alice, "chat/7", 6));
    ck_assert(!revoked_bans(alice, "chat/77", 7));
    ck_assert(!revoked_bans(alice, "chat/7", 5));
    ck_assert(!revoked_bans(later, "chat/7", 6));
    ck_assert(!revoked_bans(bob, "chat/7", 6));
    ck_assert(!revoked_bans(login, "chat/7", 6)); /* who has logged in has no token */
    ck_assert(!revoked_bans(NULL, "chat/7", 6));
    identity_free(alice);
    identity_free(later);
    identity_free(bob);
    identity_free(login);
    revoked_free(revoked);
}
END_TEST

START_TEST(other_words_are_passed_over) {
    static const char *const texts[] = {"",
                                        "500",
                                        "500 0",
                                        "500 0 sub",
                                        "500 0 sub\n",
                                        "x 0 sub\nalice",
                                        "500 0 user\nalice",
                                        "500 sub\nalice"};

    begin();
    for (size_t i = 0; i < ROWS(texts); i++)
        take(texts[i]);
    ck_assert(!over("alice", "alice", 0));
    char *longest = keepf("500 0 sub\n%0*d", 3000, 0);
    take(longest);
    revoked_free(revoked);
}
END_TEST

struct watcher {
    struct identity_watch watch;
    unsigned told;
};

static void on_news(struct identity_watch *watch) {
    struct watcher *watcher = (struct watcher *)watch;
    watcher->told++;
    identity_look(NULL, watch); /* a watch may go while it is told */
}

START_TEST(whoever_watches_is_told_once) {
    struct watcher watchers[3] = {0};

    begin();
    struct identity *alice = token("alice", "x", 0), *bob = token("bob", NULL, 0);
    for (int i = 0; i < 3; i++) {
        watchers[i].watch.news = on_news;
        identity_look(i < 2 ? alice : bob, &watchers[i].watch);
    }
    ck_assert_uint_eq(revoked_judge(revoked, 1000), 0);
    take("500 0 jti\nx");
    ck_assert(!alice->revoked); /* not before it is judged */
    ck_assert_uint_eq(revoked_judge(revoked, 1001), 1);
    ck_assert(alice->revoked && alice->expires == 1001);
    ck_assert_uint_eq(revoked_judge(revoked, 1002), 0);
    ck_assert(alice->expires == 1001);
    ck_assert_uint_eq(watchers[0].told, 1);
    ck_assert_uint_eq(watchers[1].told, 1);
    ck_assert_uint_eq(watchers[2].told, 0);
    take("500 0 channel\nbob\nchat");
    ck_assert_uint_eq(revoked_judge(revoked, 1003), 0);
    ck_assert_uint_eq(watchers[2].told, 1);
    identity_free(alice);
    identity_free(bob);
    revoked_free(revoked);
}
END_TEST

START_TEST(what_matters_no_more_makes_room) {
    begin();
    for (int i = 0; i < REVOKED_MAX; i++)
        take(keepf("500 %d jti\n%d", i == 7 ? 0 : 900, i));
    take("500 0 jti\nnew");
    ck_assert(over("", "new", 0));
    ck_assert(over("", "7", 0));
    ck_assert(!over("", "8", 0));
    revoked_free(revoked);
}
END_TEST

UNIT_MAIN("revoked", a_user_is_over_whose_token_is_no_newer, a_token_is_over_by_its_name,
          a_channel_is_taken_away_from_one_user, other_words_are_passed_over,
          whoever_watches_is_told_once, what_matters_no_more_makes_room)
