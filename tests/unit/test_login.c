/* fcgi-app/door/http/login: whose login it is that a proxy names in a header field. */
#include "fcgi-app/door/http/login.h"

#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static struct said said;
static char user[LOGIN_TEXT];
static const char *fault;

/* Who is named in Forwarded. */
static const char *named(const char *list) {
    said_nothing(&said);
    memset(user, 'x', sizeof user);
    said.of[SAID_FORWARDED] = list;
    fault = login_find(&said, true, true, user);
    return said.of[SAID_REMOTE_USER];
}

START_TEST(the_last_element_of_forwarded_names_the_user) {
    static const struct {
        const char *list, *user;
    } rows[] = {
        {"", ""},
        {"remote_user=alice", "alice"},
        {"remote_user=\"alice\"", "alice"},
        {"for=192.0.2.1;Remote_User=\"alice\"", "alice"},
        {"for=192.0.2.1:80 ; remote_user=\"alice\" ; proto=http", "alice"},
        {"for=\"[2001:db8::1]:80\";remote_user=\"al \\\"i\\\\ce, x;y=z\"", "al \"i\\ce, x;y=z"},
        {"remote_user=\"\"", ""},
        {"remote_user=", ""},
        /* what a visitor wrote in front of the proxy's own */
        {"remote_user=\"alice\", for=192.0.2.1", ""},
        {"remote_user=alice, for=192.0.2.1;remote_user=bob", "bob"},
        {"remote_user=alice,", ""},
        {"remote_user=alice, ", ""},
        {"remote_user=alice;, ;", ""},
        {"for=x;remote_user=alice;y=, for=192.0.2.1", ""},
        {"for=\"x, remote_user=alice\", for=192.0.2.1", ""},
        {"x_remote_user=alice", ""},
        {"remote-user=alice", ""}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_msg(strcmp(named(rows[i].list), rows[i].user) == 0, "%s", rows[i].list);
        ck_assert_ptr_null(fault);
    }
}
END_TEST

/* With a quote, a backslash or a separator left open, a visitor would have the comma between his
 * words and the proxy's read as a part of a text. */
START_TEST(what_a_visitor_leaves_open_names_nobody) {
    static const char *const begun[] = {"x=\"",  "x=\"\\",           "remote_user=\"alice",
                                        "x=y\"", "remote_user=a\"b", "\"",
                                        "x",     "x=\"y\"z",         "=alice",
                                        "x y=z", "remote_user=\"a\\"};
    static const char *const own[] = {", for=192.0.2.1", ", for=\"[2001:db8::1]\"",
                                      ", for=192.0.2.1;remote_user=\"bob\"", ", ",
                                      ", remote_user=\"bo\\\"remote_user=alice\""};

    for (size_t i = 0; i < ROWS(begun); i++) {
        for (size_t k = 0; k < ROWS(own); k++) {
            const char *list = keepf("%s%s", begun[i], own[k]);
            ck_assert_msg(named(list)[0] == '\0', "%s", list);
            ck_assert_msg(fault != NULL, "%s", list);
        }
    }
    ck_assert_str_eq(named("remote_user=alice;remote_user=bob"), "");
    ck_assert_ptr_nonnull(fault);
}
END_TEST

START_TEST(a_name_out_of_forwarded_is_whole_or_none) {
    char name[2 * LOGIN_TEXT];

    memset(name, 'a', sizeof name);
    name[LOGIN_TEXT - 1] = '\0';
    ck_assert_str_eq(named(keepf("remote_user=%s", name)), name);
    ck_assert_str_eq(named(keepf("remote_user=\"%s\"", name)), name);
    name[LOGIN_TEXT - 1] = 'a';
    name[LOGIN_TEXT] = '\0';
    ck_assert_str_eq(named(keepf("remote_user=%s", name)), "");
    ck_assert_ptr_nonnull(fault);
    ck_assert_str_eq(named(keepf("remote_user=\"%s\"", name)), "");
    ck_assert_ptr_nonnull(fault);
}
END_TEST

START_TEST(fields_are_believed_of_trusted_peers_only) {
    said_nothing(&said);
    said.of[SAID_USER_FIELD] = "alice";
    said.of[SAID_GROUP_FIELD] = "staff";
    said.of[SAID_FORWARDED] = "remote_user=alice";
    said.repeated = SAID_BIT(SAID_USER_FIELD);
    for (int forwarded = 0; forwarded < 2; forwarded++) {
        ck_assert_ptr_null(login_find(&said, false, forwarded, user));
        ck_assert_str_eq(said.of[SAID_REMOTE_USER], "");
        ck_assert_str_eq(said.of[SAID_GROUPS], "");
    }
    said.repeated = 0;
    ck_assert_ptr_null(login_find(&said, true, false, user));
    ck_assert_str_eq(said.of[SAID_REMOTE_USER], "alice");
    ck_assert_str_eq(said.of[SAID_GROUPS], "staff");
}
END_TEST

START_TEST(two_of_a_field_are_not_clear) {
    for (int i = 0; i < 2; i++) {
        said_nothing(&said);
        said.of[SAID_USER_FIELD] = "alice";
        said.repeated = SAID_BIT(i == 0 ? SAID_USER_FIELD : SAID_GROUP_FIELD);
        ck_assert_ptr_nonnull(login_find(&said, true, false, user));
    }
    said.repeated = SAID_BIT(SAID_FORWARDED) | SAID_BIT(SAID_COOKIE); /* which are lists */
    ck_assert_ptr_null(login_find(&said, true, false, user));
}
END_TEST

UNIT_MAIN("login", the_last_element_of_forwarded_names_the_user,
          what_a_visitor_leaves_open_names_nobody, a_name_out_of_forwarded_is_whole_or_none,
          fields_are_believed_of_trusted_peers_only, two_of_a_field_are_not_clear)
