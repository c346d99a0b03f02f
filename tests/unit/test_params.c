/* fcgi-app/door/params: parameters from a query string or a form. */
#include "fcgi-app/door/params.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

/* The parameters as "name=value|name=value" with NUL bytes shown as ^. */
static const char *shown(const struct params *params) {
    struct buf out = buf_make(100000);

    buf_add(&out, NULL, 0);
    for (size_t i = 0; i < params->count; i++) {
        const struct param *param = &params->items[i];
        buf_text(&out, i > 0 ? "|" : "");
        buf_add(&out, param->name, param->name_len);
        buf_char(&out, '=');
        buf_add(&out, param->value, param->value_len);
        ck_assert_int_eq(param->name[param->name_len], '\0');
        ck_assert_int_eq(param->value[param->value_len], '\0');
    }
    for (size_t i = 0; i < out.len; i++)
        out.data[i] = (char)(out.data[i] == '\0' ? '^' : out.data[i]);
    return keep(out.data);
}

START_TEST(pairs_are_split_and_decoded) {
    static const struct {
        const char *text, *want;
    } rows[] = {{"", ""},
                {"a=1", "a=1"},
                {"a=1&b=2", "a=1|b=2"},
                {"a", "a="},
                {"a=", "a="},
                {"=1", "=1"},
                {"a=b=c", "a=b=c"},
                {"&&a=1&&", "a=1"},
                {"a=1&a=2", "a=1|a=2"},
                {"a+b=c+d", "a b=c d"},
                {"a%2Bb=%26%3d%25", "a+b=&=%"},
                {"%61=%e9%C3", "a=\xe9\xc3"},
                {"a=%00b", "a=^b"},
                {"a;b=1", "a;b=1"},
                {"\xff=\x01", "\xff=\x01"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct params params;
        ck_assert_msg(params_parse(&params, rows[i].text, strlen(rows[i].text)) == ERR_OK, "%s",
                      rows[i].text);
        ck_assert_msg(strcmp(shown(&params), rows[i].want) == 0, "%s: %s", rows[i].text,
                      shown(&params));
        params_free(&params);
    }
}
END_TEST

START_TEST(a_percent_sign_needs_two_digits) {
    static const char *const rows[] = {"%",   "a=%",   "a=%4",  "a=%4g", "a=%g4",   "a=%%41",
                                       "%=1", "a=1&%", "a=%-1", "a=% 1", "a=%4&b=1"};
    struct params params;

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(params_parse(&params, rows[i], strlen(rows[i])) == ERR_SYNTAX, "%s", rows[i]);
}
END_TEST

START_TEST(so_many_pairs_are_taken_and_no_more) {
    struct buf text = buf_make(100000);
    struct params params;

    for (int i = 0; i < PARAMS_MAX; i++)
        buf_text(&text, "a=1&&");
    ck_assert_int_eq(params_parse(&params, text.data, text.len), ERR_OK);
    ck_assert_uint_eq(params.count, PARAMS_MAX);
    ck_assert_uint_eq(params_count(&params, "a"), PARAMS_MAX);
    params_free(&params);
    buf_text(&text, "b");
    ck_assert_int_eq(params_parse(&params, text.data, text.len), ERR_FULL);
    buf_free(&text);
}
END_TEST

START_TEST(the_first_of_a_name_is_found_and_all_are_counted) {
    struct params params;

    ck_assert_int_eq(params_parse(&params, "a=1&b=2&a=3&ab=4", 16), ERR_OK);
    ck_assert_str_eq(params_find(&params, "a")->value, "1");
    ck_assert_uint_eq(params_count(&params, "a"), 2);
    ck_assert_uint_eq(params_count(&params, "c"), 0);
    ck_assert_ptr_null(params_find(&params, "c"));
    params_free(&params);
}
END_TEST

START_TEST(a_plus_is_a_space_only_in_forms) {
    char form[] = "a+%2b", path[] = "a+%2b";

    ck_assert_int_eq(params_decode(form, 5, 1), 3);
    ck_assert_mem_eq(form, "a +", 3);
    ck_assert_int_eq(params_decode(path, 5, 0), 3);
    ck_assert_mem_eq(path, "a++", 3);
}
END_TEST

START_TEST(freed_parameters_are_none) {
    struct params params;

    ck_assert_int_eq(params_parse(&params, "a=1", 3), ERR_OK);
    params_free(&params);
    ck_assert_uint_eq(params.count, 0);
    params_free(&params);
}
END_TEST

UNIT_MAIN("params", pairs_are_split_and_decoded, a_percent_sign_needs_two_digits,
          so_many_pairs_are_taken_and_no_more, the_first_of_a_name_is_found_and_all_are_counted,
          a_plus_is_a_space_only_in_forms, freed_parameters_are_none)
