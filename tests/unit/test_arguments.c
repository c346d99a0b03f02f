/* operator/arguments: the command line of the operator's program. */
#include "operator/arguments.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { ARGV = 16 };

static struct arguments arguments;
static char problem[ARGUMENTS_PROBLEM];

/* The words of a line, parted by single blanks. */
static bool parse(const char *line) {
    static char text[512];
    char *argv[ARGV + 1] = {NULL}, *rest = NULL;
    int argc = 0;

    snprintf(text, sizeof text, "%s", line);
    for (char *at = strtok_r(text, " ", &rest); at != NULL && argc < ARGV;
         at = strtok_r(NULL, " ", &rest))
        argv[argc++] = at;
    return arguments_parse(&arguments, argc, argv, problem);
}

START_TEST(switches_stand_anywhere) {
    static const char *const lines[] = {"halley --json tail a b --since -3",
                                        "halley tail --since=-3 a --json b",
                                        "halley tail a b --json --since -3"};

    for (size_t i = 0; i < ROWS(lines); i++) {
        ck_assert_msg(parse(lines[i]), "%s: %s", lines[i], problem);
        ck_assert_uint_eq(arguments.word_count, 3);
        ck_assert_str_eq(arguments.words[0], "tail");
        ck_assert_str_eq(arguments.words[2], "b");
        ck_assert_str_eq(arguments.since, "-3");
        ck_assert(arguments.json);
    }
}
END_TEST

START_TEST(options_of_the_configuration_are_its_loader_s) {
    ck_assert(parse("halley -f /etc/x -oredis=unix:/r history chat --limit 7"));
    ck_assert_int_eq(arguments.option_count, 4);
    ck_assert_str_eq(arguments.options[1], "-f");
    ck_assert_str_eq(arguments.options[2], "/etc/x");
    ck_assert_str_eq(arguments.options[3], "-oredis=unix:/r");
    ck_assert_ptr_null(arguments.options[4]);
    ck_assert_int_eq(arguments.limit, 7);
}
END_TEST

START_TEST(behind_two_dashes_there_are_words) {
    ck_assert(parse("halley publish -- -x -"));
    ck_assert_uint_eq(arguments.word_count, 3);
    ck_assert_str_eq(arguments.words[1], "-x");
    ck_assert_str_eq(arguments.words[2], "-");
}
END_TEST

START_TEST(what_is_no_command_line_is_refused) {
    static const char *const bad[] = {
        "halley tail --frob",
        "halley -f",
        "halley history --limit",
        "halley history --limit 0",
        "halley history --limit -1",
        "halley history --limit 5x",
        "halley tail a --since",
        "halley history --limit 1000001",
        "halley tail -x",
        "halley tail --jsonx",
    };

    for (size_t i = 0; i < ROWS(bad); i++) {
        ck_assert_msg(!parse(bad[i]), "%s", bad[i]);
        ck_assert_msg(problem[0] != '\0', "%s", bad[i]);
    }
}
END_TEST

UNIT_MAIN("arguments", switches_stand_anywhere, options_of_the_configuration_are_its_loader_s,
          behind_two_dashes_there_are_words, what_is_no_command_line_is_refused)
