/* core/redis/halley.lua: what is said of tokens that are good no more, and how long it is kept. */
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

static bool listed(const char *words) {
    return strstr(ask("FCALL_RO halley_revoked 0"), words) != NULL;
}

START_TEST(what_was_revoked_is_listed) {
    server_start(false);
    ck_assert_str_eq(ask("FCALL halley_revoke 0 sub alice"), "OK");
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti 0123-x"), "OK");
    ck_assert_str_eq(ask("FCALL halley_revoke 0 channel chat/7 sub bob"), "OK");
    ck_assert(listed(" 0 sub\nalice"));
    ck_assert(listed(" 0 jti\n0123-x"));
    ck_assert(listed(" 0 channel\nbob\nchat/7"));
    ck_assert_str_eq(ask("FCALL halley_revoke 0 sub alice"), "OK"); /* once more is one */
    ck_assert_str_eq(ask("HLEN halley.revoked"), "3");
}
END_TEST

START_TEST(what_cannot_be_a_token_is_refused) {
    static const char *const wrong[] = {"",
                                        "sub",
                                        "user alice",
                                        "sub alice until",
                                        "sub alice until x",
                                        "sub alice until -1",
                                        "sub alice until 1.5",
                                        "sub alice until 1 2",
                                        "sub alice bob",
                                        "channel chat",
                                        "channel chat alice",
                                        "channel chat sub",
                                        "channel {x} sub alice",
                                        "channel ~x sub alice"};

    server_start(false);
    for (size_t i = 0; i < ROWS(wrong); i++)
        ck_assert_msg(strstr(ask("FCALL halley_revoke 0 %s", wrong[i]), "ERR") != NULL, "%s",
                      wrong[i]);
    ck_assert_str_eq(ask("DBSIZE"), "0");
}
END_TEST

START_TEST(it_is_kept_until_the_token_has_expired) {
    server_start(false);
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti gone until 1"), "OK");
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti there until 99999999999"), "OK");
    ck_assert(!listed("gone"));
    ck_assert(listed(" 99999999999 jti\nthere"));
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti there until 5"), "OK"); /* the longer one */
    ck_assert(listed(" 99999999999 jti\nthere"));
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti there"), "OK");
    ck_assert(listed(" 0 jti\nthere"));
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti there until 99999999999"), "OK");
    ck_assert(listed(" 0 jti\nthere"));
}
END_TEST

/* Fills the list, all of it with words of that end. */
static void fill(const char *until) {
    const char *const argv[] = {"EVAL",
                                keepf("for i = redis.call('HLEN', KEYS[1]) + 1, 100000 do "
                                      "redis.call('HSET', KEYS[1], 'jti\\n' .. i, '1 %s') end",
                                      until),
                                "1", "halley.revoked"};
    const size_t lens[] = {4, strlen(argv[1]), 1, 14};

    (void)ask_bytes(4, argv, lens);
    ck_assert_str_eq(ask("HLEN halley.revoked"), "100000");
}

START_TEST(where_there_is_no_room_it_is_refused_and_nothing_is_forgotten) {
    server_start(false);
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti first"), "OK");
    fill("0");
    ck_assert_ptr_nonnull(strstr(ask("FCALL halley_revoke 0 jti another"), "too many"));
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti first"), "OK"); /* it has its place */
    ck_assert_str_eq(ask("HLEN halley.revoked"), "100000");
}
END_TEST

START_TEST(what_matters_no_more_makes_room) {
    server_start(false);
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti first"), "OK");
    fill("5");
    ck_assert_str_eq(ask("FCALL halley_revoke 0 jti another"), "OK");
    ck_assert_str_eq(ask("HLEN halley.revoked"), "2");
}
END_TEST

START_TEST(it_is_told_to_who_listens) {
    server_start(false);
    listen_to("halley.revoked");
    (void)ask("FCALL halley_revoke 0 channel chat/7 sub alice until 99999999999");
    ck_assert_ptr_nonnull(strstr(heard(1), " 99999999999 channel\nalice\nchat/7"));
}
END_TEST

UNIT_MAIN("lua_revoke", what_was_revoked_is_listed, what_cannot_be_a_token_is_refused,
          it_is_kept_until_the_token_has_expired,
          where_there_is_no_room_it_is_refused_and_nothing_is_forgotten,
          what_matters_no_more_makes_room, it_is_told_to_who_listens)
