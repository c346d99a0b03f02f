/* core/base/log: lines on standard error, which the tests redirect into a pipe, in files and to
 * a syslog. */
#include "core/base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/log_target.h"
#include "tests/lib/keep.h"
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

    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    close(null);
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

/* ------------------------------------------------------------------------- targets */

static char *folder(void) {
    char *path = keepf("/tmp/halley-unit-log.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(path));
    return path;
}

static const char *content(const char *path) {
    static char text[65536];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

START_TEST(a_target_is_a_word_or_a_whole_path) {
    ck_assert(log_target_valid("stderr") && log_target_valid("syslog") && log_target_valid("/a"));
    ck_assert(!log_target_valid("") && !log_target_valid("a") && !log_target_valid("Syslog") &&
              !log_target_valid("./a"));
}
END_TEST

START_TEST(a_file_is_made_for_its_owner_and_group_and_added_to) {
    const char *in = folder(), *path = keepf("%s/log", in);
    struct stat file;

    umask(0);
    capture();
    log_open("unit", LOG_INFO);
    log_to(path);
    log_info("one", "n=1");
    ck_assert_int_eq(stat(path, &file), 0);
    ck_assert_int_eq(file.st_mode & 0777, 0640);
    log_to(path); /* another process, as it were */
    log_info("two", "n=2");
    ck_assert_ptr_nonnull(strstr(content(path), "info one n=1\n"));
    ck_assert_ptr_nonnull(strstr(content(path), "info two n=2\n"));
    ck_assert_str_eq(captured(), "");
    unlink(path);
    rmdir(in);
}
END_TEST

START_TEST(a_file_that_was_moved_away_is_made_anew_when_told) {
    const char *in = folder(), *path = keepf("%s/log", in), *old = keepf("%s/log.1", in);

    log_open("unit", LOG_INFO);
    log_to(path);
    log_info("before", "n=1");
    ck_assert_int_eq(rename(path, old), 0);
    log_info("between", "n=2");
    log_reopen();
    log_info("after", "n=3");
    ck_assert_ptr_nonnull(strstr(content(old), " between "));
    ck_assert_ptr_null(strstr(content(old), " after "));
    ck_assert_ptr_nonnull(strstr(content(path), " after "));
    unlink(path);
    unlink(old);
    rmdir(in);
}
END_TEST

START_TEST(what_cannot_be_opened_leaves_standard_error) {
    static const char *const paths[] = {"/no/such/folder/log", "/", "/proc/nothing"};

    for (size_t i = 0; i < ROWS(paths); i++) {
        capture();
        log_open("unit", LOG_INFO);
        log_to(paths[i]);
        log_info("still", "here=1");
        const char *text = captured();
        ck_assert_msg(strstr(text, "log.target") != NULL, "%s", text);
        ck_assert_msg(strstr(text, "still here=1\n") != NULL, "%s", text);
    }
}
END_TEST

START_TEST(a_failing_reopen_keeps_the_file_that_is_open) {
    const char *in = folder(), *path = keepf("%s/log", in), *old = keepf("%s/log.1", in);

    log_open("unit", LOG_INFO);
    log_to(path);
    ck_assert_int_eq(rename(path, old), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    log_reopen();
    log_info("goes", "on=1");
    ck_assert_ptr_nonnull(strstr(content(old), "log.target"));
    ck_assert_ptr_nonnull(strstr(content(old), "goes on=1"));
    rmdir(path);
    unlink(old);
    rmdir(in);
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_stops_nobody_and_lost_lines_are_counted) {
    char text[65536];

    capture();
    log_open("unit", LOG_INFO);
    for (int i = 0; i < 20000; i++) /* more than a pipe holds */
        log_info("flood", "n=%d", i);
    unsigned long lost = log_lost();
    ck_assert_uint_gt(lost, 1000);
    ck_assert_int_gt(read(reading_end, text, sizeof text), 0);
    log_info("after", "n=1");
    ssize_t n = read(reading_end, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    close(STDERR_FILENO);
    ck_assert_msg(strstr(text, keepf("log.lost lines=%lu\n", lost)) != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "after n=1\n"));
}
END_TEST

START_TEST(a_full_disk_stops_nobody) {
    log_open("unit", LOG_INFO);
    log_to("/dev/full");
    for (int i = 0; i < 100; i++)
        log_info("lost", "n=%d", i);
    ck_assert_uint_eq(log_lost(), 100);
}
END_TEST

enum { WRITERS = 4, LINES = 200 };

static void *write_lines(void *number) {
    for (int i = 0; i < LINES; i++)
        log_info("thread", "number=%d line=%d end", *(int *)number, i);
    return NULL;
}

START_TEST(lines_of_several_threads_never_mix_while_the_file_is_rotated) {
    const char *in = folder(), *path = keepf("%s/log", in);
    pthread_t threads[WRITERS];
    int numbers[WRITERS], lines = 0;

    log_open("unit", LOG_INFO);
    log_to(path);
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < 50; i++)
        log_reopen();
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    FILE *file = fopen(path, "re");
    char line[256];
    for (; fgets(line, sizeof line, file) != NULL; lines++)
        ck_assert_msg(strstr(line, " info thread number=") != NULL && strstr(line, " end\n"), "%s",
                      line);
    fclose(file);
    ck_assert_int_eq(lines, WRITERS * LINES);
    ck_assert_uint_eq(log_lost(), 0);
    unlink(path);
    rmdir(in);
}
END_TEST

/* Where syslog would listen. */
static int syslog_at(const char *path, int type) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    memcpy(name.sun_path, path, strlen(path));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    if (type == SOCK_STREAM)
        ck_assert_int_eq(listen(fd, 5), 0);
    return fd;
}

START_TEST(syslog_has_a_priority_the_program_and_the_text) {
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

    for (size_t i = 0; i < ROWS(types); i++) {
        const char *in = folder(), *path = keepf("%s/socket", in);
        char text[4096], program[64], level[16], event[16], rest[64];
        int priority, fd = syslog_at(path, types[i]);

        log_open("unit", LOG_INFO);
        log_target_set(LOG_TO_SYSLOG, path);
        log_reopen();
        log_warning("event", "n=%d %s", 7, "a\nb");
        if (types[i] == SOCK_STREAM)
            fd = accept(fd, NULL, NULL);
        ssize_t n = recv(fd, text, sizeof text - 1, 0);
        ck_assert_int_gt(n, 0);
        text[n] = '\0';
        ck_assert_msg(strlen(text) + (types[i] == SOCK_STREAM) == (size_t)n, "%s", text);
        ck_assert_msg(sscanf(text, "<%d>%*15c %63s %15s %15s %63[^\n]", &priority, program, level,
                             event, rest) == 5,
                      "%s", text);
        ck_assert_int_eq(priority, 3 * 8 + 4);
        ck_assert_str_eq(program, keepf("unit[%d]:", (int)getpid()));
        ck_assert_str_eq(level, "warning");
        ck_assert_str_eq(event, "event");
        ck_assert_str_eq(rest, "n=7 a\\x0ab");
        unlink(path);
        rmdir(in);
    }
}
END_TEST

START_TEST(a_syslog_that_stands_still_or_goes_stops_nobody) {
    const char *in = folder(), *path = keepf("%s/socket", in);
    int fd = syslog_at(path, SOCK_DGRAM);

    capture();
    log_open("unit", LOG_INFO);
    log_target_set(LOG_TO_SYSLOG, path);
    log_reopen();
    for (int i = 0; i < 10000; i++)
        log_info("flood", "n=%d", i);
    ck_assert_uint_gt(log_lost(), 1000);
    close(fd);
    log_info("last", "n=1");
    log_info("on", "n=2"); /* nobody is there: standard error in its place */
    ck_assert_ptr_nonnull(strstr(captured(), "on n=2\n"));
    unlink(path);
    rmdir(in);
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

UNIT_MAIN("log", a_line_has_time_program_level_event_and_text, a_target_is_a_word_or_a_whole_path,
          a_file_is_made_for_its_owner_and_group_and_added_to,
          a_file_that_was_moved_away_is_made_anew_when_told,
          what_cannot_be_opened_leaves_standard_error, a_failing_reopen_keeps_the_file_that_is_open,
          a_pipe_that_nobody_reads_stops_nobody_and_lost_lines_are_counted,
          lines_of_several_threads_never_mix_while_the_file_is_rotated, a_full_disk_stops_nobody,
          syslog_has_a_priority_the_program_and_the_text,
          a_syslog_that_stands_still_or_goes_stops_nobody,
          lines_above_the_threshold_are_not_written, control_characters_cannot_forge_a_line,
          a_line_that_is_too_long_is_cut_and_still_ends, levels_are_parsed_by_their_exact_names,
          a_repeated_failure_is_counted_instead_of_poured)
