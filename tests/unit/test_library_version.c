/* tests/lint/library-version: a library whose text changed needs a higher number. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/unit/unit.h"

static const char *root;

static void write_named(const char *name, int version, const char *text) {
    FILE *file = fopen(keepf("%s/core/redis/%s.lua", root, name), "w");

    ck_assert_ptr_nonnull(file);
    fprintf(file, "#!lua name=halley\nlocal VERSION = %d\n%s\n", version, text);
    fclose(file);
}

static void write_library(int version, const char *text) {
    write_named("halley", version, text);
}

static const char *read_file(const char *name) {
    static char text[4096];
    FILE *file = fopen(keepf("%s/core/redis/%s", root, name), "r");

    ck_assert_msg(file != NULL, "%s", name);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void begin(void) {
    char folder[] = "/tmp/halley-unit.XXXXXX";

    root = keepf("%s", mkdtemp(folder));
    ck_assert_int_eq(mkdir(keepf("%s/core", root), 0700), 0);
    ck_assert_int_eq(mkdir(keepf("%s/core/redis", root), 0700), 0);
    write_library(1, "first");
}

static void end(void) {
    unlink(keepf("%s/core/redis/session.lua", root));
    unlink(keepf("%s/core/redis/session.lua.version", root));
    unlink(keepf("%s/core/redis/halley.lua", root));
    unlink(keepf("%s/core/redis/halley.lua.version", root));
    rmdir(keepf("%s/core/redis", root));
    rmdir(keepf("%s/core", root));
    rmdir(root);
}

static int lint(const char *argument) {
    const char *const argv[] = {"tests/lint/library-version", argument, NULL};
    char *const env[] = {keepf("HALLEY_LINT_ROOT=%s", root), keepf("PATH=%s", getenv("PATH")),
                         NULL};

    return proc_run(argv, env, -1, NULL, NULL);
}

START_TEST(a_text_that_is_noted_passes) {
    begin();
    ck_assert_int_eq(lint("--update"), 0);
    ck_assert_int_eq(lint(NULL), 0);
    ck_assert_int_eq(strncmp(read_file("halley.lua.version"), "1 ", 2), 0);
    end();
}
END_TEST

START_TEST(a_changed_text_with_the_old_number_fails) {
    begin();
    ck_assert_int_eq(lint("--update"), 0);
    write_library(1, "second");
    ck_assert_int_eq(lint(NULL), 1);
    ck_assert_int_eq(lint(NULL), 1);
    end();
}
END_TEST

START_TEST(a_changed_text_with_a_lower_number_fails) {
    begin();
    ck_assert_int_eq(lint("--update"), 0);
    write_library(0, "second");
    ck_assert_int_eq(lint(NULL), 1);
    end();
}
END_TEST

START_TEST(a_raised_number_passes_and_is_noted) {
    begin();
    ck_assert_int_eq(lint("--update"), 0);
    write_library(2, "second");
    ck_assert_int_eq(lint(NULL), 0);
    write_library(2, "third");
    ck_assert_int_eq(lint(NULL), 1);
    end();
}
END_TEST

START_TEST(one_command_mends_it) {
    begin();
    ck_assert_int_eq(lint("--update"), 0);
    write_library(1, "second");
    ck_assert_int_eq(lint("--update"), 0);
    ck_assert_ptr_nonnull(strstr(read_file("halley.lua"), "local VERSION = 2\nsecond"));
    ck_assert_int_eq(lint(NULL), 0);
    ck_assert_int_eq(lint("--update"), 0);
    ck_assert_ptr_nonnull(strstr(read_file("halley.lua"), "local VERSION = 2\n"));
    end();
}
END_TEST

START_TEST(each_library_has_a_number_of_its_own) {
    begin();
    write_named("session", 7, "other");
    ck_assert_int_eq(lint("--update"), 0);
    write_named("session", 7, "changed");
    ck_assert_int_eq(lint(NULL), 1);
    ck_assert_int_eq(lint("--update"), 0);
    ck_assert_ptr_nonnull(strstr(read_file("session.lua"), "local VERSION = 8\nchanged"));
    ck_assert_int_eq(strncmp(read_file("halley.lua.version"), "1 ", 2), 0);
    write_library(1, "changed too");
    ck_assert_int_eq(lint(NULL), 1);
    end();
}
END_TEST

UNIT_MAIN("library-version", a_text_that_is_noted_passes, a_changed_text_with_the_old_number_fails,
          a_changed_text_with_a_lower_number_fails, a_raised_number_passes_and_is_noted,
          one_command_mends_it, each_library_has_a_number_of_its_own)
