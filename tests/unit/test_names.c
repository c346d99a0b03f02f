/* core/data/names: what pub/sub knows an installation's names by. */
#include "core/data/names.h"

#include <fnmatch.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

START_TEST(a_prefix_is_of_letters_digits_hyphens_and_underscores) {
    static const char *const good[] = {"halley", "a", "Site-2_b", "0", "-", "_"};
    static const char *const bad[] = {"",     "a:b",  "a.live", "a.b",  "a b", "a*",      "a?",
                                      "[ab]", "a\\b", "a{b}",   "a\nb", "a/b", "\xc3\xa9"};

    for (size_t i = 0; i < ROWS(good); i++)
        ck_assert_msg(prefix_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < ROWS(bad); i++)
        ck_assert_msg(!prefix_valid(bad[i]), "%s", bad[i]);
    ck_assert(prefix_valid(keepf("%064d", 0)));
    ck_assert(!prefix_valid(keepf("%065d", 0)));
}
END_TEST

START_TEST(a_live_name_leads_back_to_its_channel) {
    struct buf live = buf_make(LIVE_NAME_MAX);
    const char *name;
    size_t len;

    names_live(&live, "site", "room/1", 6);
    ck_assert_str_eq(live.data, "site.live:{room/1}");
    ck_assert(names_of_live("site", live.data, live.len, &name, &len));
    assert_bytes(name, len, "room/1", "name");
    buf_free(&live);
}
END_TEST

START_TEST(other_names_are_no_live_names) {
    static const char *const rows[] = {"",
                                       "halley:chat",
                                       "halley.live:",
                                       "halley.live:{",
                                       "halley.live:{}",
                                       "halley.live:{chat",
                                       "halley.live:chat}",
                                       "xhalley.live:{chat}",
                                       "halley2.live:{chat}",
                                       "halle.live:{chat}",
                                       "halley.history:{chat}"};
    const char *name;
    size_t len;

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(!names_of_live("halley", rows[i], strlen(rows[i]), &name, &len), "%s",
                      rows[i]);
}
END_TEST

START_TEST(a_bare_name_leads_to_its_channel) {
    const char *name;
    size_t len;

    ck_assert(names_of_bare("site", "site:a:b", 8, &name, &len));
    assert_bytes(name, len, "a:b", "name");
    ck_assert(names_of_bare("site", "site:", 5, &name, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert(!names_of_bare("site", "site.live:{a}", 13, &name, &len));
    ck_assert(!names_of_bare("site", "site2:a", 7, &name, &len));
    ck_assert(!names_of_bare("site", "sit", 3, &name, &len));
}
END_TEST

/* Every name of one installation against the pattern and the names of another. */
START_TEST(no_pattern_of_one_prefix_matches_a_name_of_another) {
    static const char *const prefixes[] = {"a", "ab", "b", "a-b", "a_", "A", "halley", "halley2"};
    char pattern[OWN_NAME_MAX], own[OWN_NAME_MAX];

    for (size_t i = 0; i < ROWS(prefixes); i++) {
        names_bare_pattern(pattern, prefixes[i]);
        ck_assert_str_eq(pattern, keepf("%s:*", prefixes[i]));
        for (size_t k = 0; k < ROWS(prefixes); k++) {
            names_own(own, prefixes[k], "sequenced");
            const char *const names[] = {keepf("%s:chat", prefixes[k]),
                                         keepf("%s:b:x", prefixes[k]),
                                         keepf("%s.live:{chat}", prefixes[k]), own};
            for (size_t n = 0; n < ROWS(names); n++)
                ck_assert_msg((fnmatch(pattern, names[n], 0) == 0) == (i == k && n < 2), "%s %s",
                              pattern, names[n]);
        }
    }
}
END_TEST

UNIT_MAIN("names", a_prefix_is_of_letters_digits_hyphens_and_underscores,
          a_live_name_leads_back_to_its_channel, other_names_are_no_live_names,
          a_bare_name_leads_to_its_channel, no_pattern_of_one_prefix_matches_a_name_of_another)
