/* fcgi-app/door/said: what requests say, by the names that each door has for it. */
#include "fcgi-app/door/said.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct {
    const char *variable, *field;
} names[SAID_COUNT] = {
#define ROW(name, variable, field, member, class) {variable, field},
    SAID_LIST(ROW)
#undef ROW
};

START_TEST(what_is_said_is_found_by_both_its_names) {
    for (int i = 0; i < SAID_COUNT; i++) {
        if (names[i].variable[0] == '\0')
            continue; /* the configuration names it */
        ck_assert_int_eq(said_by_variable(names[i].variable, strlen(names[i].variable)), i);
        if (names[i].field[0] != '\0')
            ck_assert_int_eq(said_by_field(names[i].field, strlen(names[i].field)), i);
    }
    ck_assert_int_eq(said_by_field("lAST-eVENT-id", 13), SAID_LAST_EVENT_ID);
}
END_TEST

START_TEST(a_variable_is_what_cgi_makes_of_its_field) {
    for (int i = 0; i < SAID_COUNT; i++) {
        char variable[64] = "HTTP_";
        if (names[i].field[0] == '\0' || i == SAID_CONTENT_TYPE)
            continue;
        for (size_t j = 0; names[i].field[j] != '\0'; j++) {
            char c = names[i].field[j];
            variable[5 + j] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        }
        ck_assert_str_eq(variable, names[i].variable);
    }
}
END_TEST

START_TEST(a_row_is_called_as_the_configuration_says) {
    ck_assert_int_eq(said_by_variable("OIDC_GROUPS", 11), -1);
    said_call(SAID_GROUPS, "OIDC_GROUPS", "");
    ck_assert_int_eq(said_by_variable("OIDC_GROUPS", 11), SAID_GROUPS);
    ck_assert_int_eq(said_by_field("OIDC_GROUPS", 11), -1);
    said_call(SAID_GROUPS, "", "");
    ck_assert_int_eq(said_by_variable("OIDC_GROUPS", 11), -1);
}
END_TEST

START_TEST(other_names_are_nobodys) {
    static const char *const others[] = {"",          "HTTP_HOS", "HTTP_HOSTS",
                                         "http_host", "Hos",      "Accept"};

    for (size_t i = 0; i < ROWS(others); i++) {
        ck_assert_int_eq(said_by_variable(others[i], strlen(others[i])), -1);
        ck_assert_int_eq(said_by_field(others[i], strlen(others[i])), -1);
    }
    ck_assert_int_eq(said_by_variable("HTTP_HOST=x", 9), SAID_HOST); /* only so many bytes */
}
END_TEST

START_TEST(every_sign_of_a_proxy_counts) {
    static const char *const signs[] = {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
                                        "Forwarded",       "X-Real-IP",        "Via"};
    struct said said;

    for (size_t i = 0; i < ROWS(signs); i++) {
        said_nothing(&said);
        ck_assert(!said_by_a_proxy(&said));
        said.of[said_by_field(signs[i], strlen(signs[i]))] = "x";
        ck_assert_msg(said_by_a_proxy(&said), "%s", signs[i]);
    }
}
END_TEST

UNIT_MAIN("said", what_is_said_is_found_by_both_its_names,
          a_variable_is_what_cgi_makes_of_its_field, a_row_is_called_as_the_configuration_says,
          other_names_are_nobodys, every_sign_of_a_proxy_counts)
