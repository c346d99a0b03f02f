/* fcgi-app/protocols/command: a line of the line feed, taken apart. */
#include "fcgi-app/protocols/command.h"

#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

/* "verb name rest" of a line, or "status detail". */
static const char *said(const char *line) {
    struct problem problem = {0};
    struct command command;

    bool good = command_parse(line, strlen(line), &command, &problem);
    ck_assert(good == (problem.status == 0));
    const char *text =
        good
            ? keepf("%d|%s|%s", (int)command.verb, command.name != NULL ? command.name : "-",
                    command.rest != NULL ? keepf("%.*s", (int)command.rest_len, command.rest) : "-")
            : keepf("%d %s", problem.status, problem.detail);
    command_free(&command);
    return text;
}

#define SUBSCRIBE   "1"
#define UNSUBSCRIBE "2"
#define PUBLISH     "3"

START_TEST(lines_are_commands) {
    static const struct {
        const char *line, *said;
    } rows[] = {{"", "0|-|-"},
                {"PONG", "0|-|-"},
                {"PING", "4|-|-"},
                {"quit", "5|-|-"},
                {"TOKEN a.b-c", "6|a.b-c|-"},
                {"SUBSCRIBE a", SUBSCRIBE "|a|-"},
                {"subscribe a start", SUBSCRIBE "|a|start"},
                {"SUBSCRIBE a ", SUBSCRIBE "|a|"},
                {"SUBSCRIBE a b c", SUBSCRIBE "|a|b c"},
                {"SUBSCRIBE \"a b\" -3", SUBSCRIBE "|a b|-3"},
                {"SUBSCRIBE \"a\\\"b\\\\\"", SUBSCRIBE "|a\"b\\|-"},
                {"UNSUBSCRIBE a", UNSUBSCRIBE "|a|-"},
                {"PUBLISH a x", PUBLISH "|a|x"},
                {"PUBLISH a ", PUBLISH "|a|"},
                {"PUBLISH a  x y ", PUBLISH "|a| x y "},
                {"PUBLISH a\"b x", PUBLISH "|a\"b|x"},
                {"PUBLISH \"a b\" \"c\"", PUBLISH "|a b|\"c\""}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_str_eq(said(rows[i].line), rows[i].said);
}
END_TEST

START_TEST(what_is_no_command_is_told_what_one_is) {
    static const struct {
        const char *line, *names;
    } rows[] = {{" PING", "SUBSCRIBE, UNSUBSCRIBE"},
                {"PING ", "PING"},
                {"PINGS", "SUBSCRIBE, UNSUBSCRIBE"},
                {"SUBSCRIBE", "SUBSCRIBE channel [since]"},
                {"SUBSCRIBE ", "SUBSCRIBE channel [since]"},
                {"SUBSCRIBE  a", "SUBSCRIBE channel [since]"},
                {"SUBSCRIBE \"", "SUBSCRIBE channel [since]"},
                {"SUBSCRIBE \"a", "SUBSCRIBE channel [since]"},
                {"SUBSCRIBE \"a\\", "SUBSCRIBE channel [since]"},
                {"SUBSCRIBE \"a\\\"", "SUBSCRIBE channel [since]"},
                {"SUBSCRIBE \"a\"b", "SUBSCRIBE channel [since]"},
                {"SUBSCRIBE \"\\x\"", "SUBSCRIBE channel [since]"},
                {"UNSUBSCRIBE a b", "UNSUBSCRIBE channel"},
                {"TOKEN", "TOKEN token"},
                {"TOKEN a b", "TOKEN token"},
                {"PUBLISH a", "PUBLISH channel payload"},
                {"PUBLISH", "PUBLISH channel payload"},
                {"\xff", "UTF-8"},
                {"PUBLISH a \xe2\x82", "UTF-8"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *text = said(rows[i].line);
        ck_assert_msg(strncmp(text, "400 ", 4) == 0 && strstr(text, rows[i].names) != NULL,
                      "%s: %s", rows[i].line, text);
    }
}
END_TEST

START_TEST(since_is_also_an_id) {
    static const struct {
        const char *line;
        int kind; /* -1: none of them */
    } rows[] = {{"SUBSCRIBE a", SINCE_NOW},
                {"SUBSCRIBE a now", SINCE_NOW},
                {"SUBSCRIBE a start", SINCE_START},
                {"SUBSCRIBE a -7", SINCE_LAST},
                {"SUBSCRIBE a 5-2", SINCE_AT},
                {"SUBSCRIBE a a@5-2", SINCE_AT},
                {"SUBSCRIBE a b@5-2", SINCE_NOW},
                {"SUBSCRIBE a b@1-1,a@5-2", SINCE_AT},
                {"SUBSCRIBE a -0", -1},
                {"SUBSCRIBE a 5", -1},
                {"SUBSCRIBE a 5-2 ", -1},
                {"SUBSCRIBE a NOW", -1}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct hub_channel channel = {.name = "a", .len = 1};
        struct problem problem = {0};
        struct command command;
        ck_assert(command_parse(rows[i].line, strlen(rows[i].line), &command, &problem));
        bool good = command_since(&command, &channel, &problem);
        ck_assert_msg(good == (rows[i].kind >= 0) && good == (problem.status == 0), "%s",
                      rows[i].line);
        if (good)
            ck_assert_int_eq((int)channel.since.kind, rows[i].kind);
        if (good && rows[i].kind == SINCE_AT)
            ck_assert(channel.since.at.epoch == 5 && channel.since.at.n == 2);
        command_free(&command);
    }
}
END_TEST

START_TEST(only_the_word_json_is_json) {
    ck_assert(command_is_json("json", 4) && command_is_json("JSON", 4));
    ck_assert(!command_is_json("json ", 5) && !command_is_json("", 0) &&
              !command_is_json("jso", 3));
}
END_TEST

UNIT_MAIN("command", lines_are_commands, what_is_no_command_is_told_what_one_is,
          since_is_also_an_id, only_the_word_json_is_json)
