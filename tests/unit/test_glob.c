/* core/data/glob: Redis's patterns, matched and compared. */
#include "core/data/glob.h"

#include <string.h>

#include "tests/unit/unit.h"

static bool meets(const char *a, const char *b) {
    struct glob *one = glob_new(a), *other = glob_new(b);
    bool met = glob_meets(one, other);

    ck_assert_int_eq(glob_meets(other, one), met);
    glob_free(one);
    glob_free(other);
    return met;
}

START_TEST(patterns_that_one_text_can_match_meet) {
    static const char *const rows[][2] = {{"halley:*", "h*"},
                                          {"halley:*", "[a-z]alley:*"},
                                          {"halley:*", "[z-a]alley:*"},
                                          {"halley:*", "h*:chat"},
                                          {"halley:*", "?alley:c"},
                                          {"halley:*", "\\halley\\:c"},
                                          {"halley:*", "[^x]*y:*"},
                                          {"halley:*", "halley[:.]*"},
                                          {"halley:*", "[\\h]alley:"},
                                          {"a*b*c", "*a*b*c*"},
                                          {"a", "a"},
                                          {"a*", "*b"},
                                          {"a*c", "abc"},
                                          {"**", "x"},
                                          {"news*", "n[e-e]ws"},
                                          {"a[b", "ab"},
                                          {"a?c*", "a*d"},
                                          {"[^]", "x"}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(meets(rows[i][0], rows[i][1]), "%s %s", rows[i][0], rows[i][1]);
}
END_TEST

START_TEST(patterns_that_no_text_matches_both_of_do_not) {
    static const char *const rows[][2] = {{"halley:*", "laravel_database_*"},
                                          {"halley:*", "halley2:*"},
                                          {"halley:*", "[^h]alley:*"},
                                          {"halley:*", "\\*alley:*"},
                                          {"halley:*", "halle?"},
                                          {"halley:*", "halley.*"},
                                          {"a", "b"},
                                          {"a*b", "a*c"},
                                          {"??", "a"},
                                          {"[]", "a"},
                                          {"news", "news*x"},
                                          {"halley:*", "Halley:*"}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(!meets(rows[i][0], rows[i][1]), "%s %s", rows[i][0], rows[i][1]);
}
END_TEST

START_TEST(a_match_says_what_the_first_star_stands_for) {
    static const struct {
        const char *pattern, *text, *part; /* NULL: it does not match */
    } rows[] = {{"laravel_database_*", "laravel_database_orders", "orders"},
                {"laravel_database_*", "laravel_database_", ""},
                {"laravel_database_*", "laravel_databas", NULL},
                {"a*b*c", "axbxbc", "x"},
                {"a*c", "abcc", "bc"},
                {"a*c", "abcd", NULL},
                {"juggernaut", "juggernaut", "juggernaut"},
                {"juggernaut", "juggernauts", NULL},
                {"n?ws", "news", "news"},
                {"x[a-c]*", "xbq", "q"},
                {"x[^a-c]*", "xbq", NULL},
                {"x\\**", "x*y", "y"},
                {"x\\**", "xay", NULL},
                {"[", "[", NULL},
                {"a\\", "a\\", "a\\"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct glob *glob = glob_new(rows[i].pattern);
        const char *part = NULL;
        size_t len = 0;
        bool good = glob_match(glob, rows[i].text, strlen(rows[i].text), &part, &len);
        ck_assert_msg(good == (rows[i].part != NULL), "%s %s", rows[i].pattern, rows[i].text);
        if (good)
            assert_bytes(part, len, rows[i].part, rows[i].pattern);
        glob_free(glob);
    }
}
END_TEST

START_TEST(a_wildcard_at_the_beginning_is_seen_through_escapes) {
    static const char *const wild[] = {"*a", "?a", "[a]b", ""};
    static const char *const rooted[] = {"a*", "\\*a", "\\[a"};

    for (size_t i = 0; i < ROWS(wild); i++) {
        struct glob *glob = glob_new(wild[i]);
        ck_assert_msg(!glob_rooted(glob), "%s", wild[i]);
        glob_free(glob);
    }
    for (size_t i = 0; i < ROWS(rooted); i++) {
        struct glob *glob = glob_new(rooted[i]);
        ck_assert_msg(glob_rooted(glob), "%s", rooted[i]);
        glob_free(glob);
    }
}
END_TEST

UNIT_MAIN("glob", patterns_that_one_text_can_match_meet,
          patterns_that_no_text_matches_both_of_do_not, a_match_says_what_the_first_star_stands_for,
          a_wildcard_at_the_beginning_is_seen_through_escapes)
