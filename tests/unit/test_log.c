/* core/log: lines on standard error, which the tests redirect into a pipe. */
#include "core/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static int reading_end;

static void capture(void) {
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    close(ends[1]);
    reading_end = ends[0];
}

/* What was logged since capture(); ends the capture. */
static const char *captured(void) {
    static char text[8192];
    size_t len = 0;
    ssize_t n;

    close(STDERR_FILENO);
    while ((n = read(reading_end, text + len, sizeof text - len - 1)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return text;
}

START_TEST(a_line_has_time_program_level_event_and_text) {
    char program[32], date[32], level[16], event[16], rest[64];

    capture();
    log_open("unit", LOG_INFO);
    log_info("start", "as=%s n=%d", "test", 7);
    const char *line = captured();
    ck_assert_msg(sscanf(line, "%31s %31s %15s %15s %63[^\n]", date, program, level, event, rest) ==
                      5,
                  "%s", line);
    ck_assert_uint_eq(strlen(date), strlen("2026-01-01T00:00:00.000Z"));
    ck_assert_int_eq(date[10], 'T');
    ck_assert_int_eq(date[23], 'Z');
    char expected[32];
    snprintf(expected, sizeof expected, "unit[%d]", (int)getpid());
    ck_assert_str_eq(program, expected);
    ck_assert_str_eq(level, "info");
    ck_assert_str_eq(event, "start");
    ck_assert_str_eq(rest, "as=test n=7");
}
END_TEST

START_TEST(lines_above_the_threshold_are_not_written) {
    capture();
    log_open("unit", LOG_WARNING);
    log_info("quiet", "x=1");
    log_debug("quieter", "x=1");
    ck_assert(!log_enabled(LOG_INFO));
    ck_assert(log_enabled(LOG_WARNING));
    ck_assert_str_eq(captured(), "");
}
END_TEST

START_TEST(control_characters_cannot_forge_a_line) {
    capture();
    log_open("unit", LOG_INFO);
    log_warning("event", "name=\"%s\"", "a\n2026 forged\x1b[31m\x7f\t");
    const char *line = captured();
    ck_assert_msg(strstr(line, "name=\"a\\x0a2026 forged\\x1b[31m\\x7f\\x09\"") != NULL, "%s",
                  line);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_cut_and_still_ends) {
    char text[5000];

    memset(text, '\n', sizeof text - 1); /* each becomes four */
    text[sizeof text - 1] = '\0';
    capture();
    log_open("unit", LOG_INFO);
    log_error("long", "%s", text);
    const char *line = captured();
    ck_assert_uint_lt(strlen(line), 2049);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(levels_are_parsed_by_their_exact_names) {
    static const struct {
        const char *text;
        enum err err;
        enum log_level level;
    } rows[] = {{"error", ERR_OK, LOG_ERROR},       {"warning", ERR_OK, LOG_WARNING},
                {"info", ERR_OK, LOG_INFO},         {"debug", ERR_OK, LOG_DEBUG},
                {"", ERR_SYNTAX, LOG_ERROR},        {"Info", ERR_SYNTAX, LOG_ERROR},
                {"verbose", ERR_SYNTAX, LOG_ERROR}, {"info ", ERR_SYNTAX, LOG_ERROR}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        enum log_level level = LOG_ERROR;
        ck_assert_msg(log_level_parse(rows[i].text, &level) == rows[i].err, "%s", rows[i].text);
        ck_assert_msg(level == rows[i].level, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(a_repeated_failure_is_counted_instead_of_poured) {
    struct log_limit limit = {0};
    unsigned long quiet = 99;

    ck_assert(log_allowed(&limit, 100, &quiet));
    ck_assert_uint_eq(quiet, 0);
    ck_assert(!log_allowed(&limit, 100, &quiet));
    ck_assert(!log_allowed(&limit, 100 + LOG_QUIET - 0.1, &quiet));
    ck_assert(log_allowed(&limit, 100 + LOG_QUIET, &quiet));
    ck_assert_uint_eq(quiet, 2);
    ck_assert(log_allowed(&limit, 100 + 3 * LOG_QUIET, &quiet));
    ck_assert_uint_eq(quiet, 0);
}
END_TEST

START_TEST(every_error_has_a_text_of_its_own) {
    for (int i = ERR_OK; i <= ERR_GONE; i++) {
        const char *text = err_text((enum err)i);
        ck_assert_msg(strcmp(text, "unknown") != 0, "error %d", i);
        for (int k = ERR_OK; k < i; k++)
            ck_assert_str_ne(text, err_text((enum err)k));
    }
}
END_TEST

UNIT_MAIN("log", a_line_has_time_program_level_event_and_text,
          lines_above_the_threshold_are_not_written, control_characters_cannot_forge_a_line,
          a_line_that_is_too_long_is_cut_and_still_ends, levels_are_parsed_by_their_exact_names,
          a_repeated_failure_is_counted_instead_of_poured, every_error_has_a_text_of_its_own)
