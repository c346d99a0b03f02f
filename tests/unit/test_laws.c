/* tests/lint/include-law and call-law, on a tiny house: two rooms of core, two doors, a hub. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/unit/unit.h"

#define LIST                                                                                       \
    "core/low:\n"                                                                                  \
    "core/high: core/low/\n"                                                                       \
    "fcgi-app/door: core/*\n"                                                                      \
    "fcgi-app/door/a: core/* fcgi-app/door/\n"                                                     \
    "fcgi-app/door/b: core/* fcgi-app/door/\n"                                                     \
    "fcgi-app/hub: core/* fcgi-app/door/client.h\n"                                                \
    "core/low/base\n"                                                                              \
    "core/high/part.h\n"                                                                           \
    "core/high/_own\n"                                                                             \
    "core/high/first\n"                                                                            \
    "core/high/part\n"                                                                             \
    "fcgi-app/door/client\n"                                                                       \
    "fcgi-app/door/request\n"                                                                      \
    "fcgi-app/door/a/inside\n"                                                                     \
    "fcgi-app/door/b/other\n"                                                                      \
    "fcgi-app/hub/hub\n"

static const char *root;

/* Writes a file of the house. */
static void put(const char *name, const char *text) {
    FILE *file = fopen(keepf("%s/%s", root, name), "w");

    ck_assert_msg(file != NULL, "%s", name);
    fputs(text, file);
    fclose(file);
}

/* What the last command said. */
static char *words;

/* Runs a command in the house. */
static int shell(const char *command) {
    const char *const argv[] = {"/bin/sh", "-c", keepf("cd '%s' && %s", root, command), NULL};
    char *const env[] = {keepf("HALLEY_LINT_ROOT=%s", root), keepf("PATH=%s", getenv("PATH")),
                         NULL};

    return proc_run(argv, env, -1, &words, NULL);
}

/* A house in which everything is as the list has it. */
static void begin(void) {
    char folder[] = "/tmp/halley-unit.XXXXXX";

    root = keepf("%s", mkdtemp(folder));
    ck_assert_int_eq(
        shell("mkdir -p core/low core/high fcgi-app/door/a fcgi-app/door/b fcgi-app/hub"
              " operator worker tests/lint build/obj"),
        0);
    put("tests/lint/layers", LIST);
    put("core/low/base.h", "int base_do(void);\n");
    put("core/low/base.c", "#include \"core/low/base.h\"\nint base_do(void) { return 1; }\n");
    put("core/high/part.h", "int part_do(void);\nint part_first(void);\n");
    put("core/high/_own.h", "#include \"core/high/part.h\"\nint part_inside(void);\n");
    put("core/high/first.c", "#include \"core/high/_own.h\"\n#include \"core/low/base.h\"\n"
                             "int part_first(void) { return base_do(); }\n"
                             "int part_inside(void) { return 2; }\n");
    put("core/high/part.c", "#include \"core/high/part.h\"\n#include \"core/high/_own.h\"\n"
                            "int part_do(void) { return part_first() + part_inside(); }\n");
    put("fcgi-app/door/client.h", "int client_do(void);\nint client_ask(void);\n");
    put("fcgi-app/door/client.c",
        "#include \"fcgi-app/door/client.h\"\nint client_do(void) { return 3; }\n");
    put("fcgi-app/door/request.h", "int request_do(void);\n");
    put("fcgi-app/door/request.c", "#include \"fcgi-app/door/request.h\"\n"
                                   "#include \"fcgi-app/door/client.h\"\n"
                                   "int request_do(void) { return client_do(); }\n"
                                   "int client_ask(void) { return 4; }\n");
    put("fcgi-app/door/a/inside.h", "int inside_do(void);\n");
    put("fcgi-app/door/a/inside.c", "#include \"fcgi-app/door/a/inside.h\"\n"
                                    "#include \"fcgi-app/door/request.h\"\n"
                                    "int inside_do(void) { return request_do(); }\n");
    put("fcgi-app/door/b/other.c",
        "#include \"core/high/part.h\"\n"
        "int other_do(void);\nint other_do(void) { return part_do(); }\n");
    put("fcgi-app/hub/hub.c", "#include \"fcgi-app/door/client.h\"\n"
                              "int hub_do(void);\nint hub_do(void) { return client_ask(); }\n");
}

static void end(void) {
    ck_assert_int_eq(shell("rm -r core fcgi-app operator worker tests build"), 0);
    rmdir(root);
}

/* Builds what is there. */
static void build(void) {
    ck_assert_int_eq(shell("for file in $(find core fcgi-app operator worker -name '*.c'); do"
                           " mkdir -p build/obj/${file%/*} &&"
                           " cc -I. -O0 -c -o build/obj/${file%.c}.o $file || exit 1; done"),
                     0);
}

/* The law's exit code. */
static int obey(const char *law) {
    char here[4096];

    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    return shell(keepf("'%s/tests/lint/%s' 2>&1", here, law));
}

/* The law says exactly one thing, with this in it, and counts it. */
static void must_say(const char *wanted) {
    const char *end = strchr(words, '\n'), *found = strstr(words, wanted);

    ck_assert_msg(found != NULL && found < end, "%s", words);
    ck_assert_msg(strstr(end, "law: 1 wrong\n") != NULL, "%s", words);
}

START_TEST(a_house_in_order_passes) {
    begin();
    build();
    ck_assert_int_eq(obey("include-law"), 0);
    ck_assert_int_eq(obey("call-law"), 0);
    end();
}
END_TEST

START_TEST(a_call_upwards_behind_a_lower_declaration_is_found) {
    begin();
    /* client -> request -> inside -> client: the lower one declares what the higher one does */
    put("fcgi-app/door/client.h", "int client_do(void);\nint client_ask(void);\n"
                                  "int client_ready(void);\n");
    put("fcgi-app/door/client.c", "#include \"fcgi-app/door/client.h\"\n"
                                  "int client_do(void) { return client_ready(); }\n");
    put("fcgi-app/door/a/inside.c",
        "#include \"fcgi-app/door/a/inside.h\"\n#include \"fcgi-app/door/client.h\"\n"
        "#include \"fcgi-app/door/request.h\"\nint inside_do(void) { return request_do(); }\n"
        "int client_ready(void) { return 5; }\n");
    build();
    ck_assert_int_eq(obey("include-law"), 0);
    ck_assert_int_eq(obey("call-law"), 1);
    must_say("fcgi-app/door/client.c: calls up: client_ready is fcgi-app/door/a/inside.c");
    end();
}
END_TEST

START_TEST(a_use_of_a_higher_variable_is_found) {
    begin();
    put("core/low/base.c", "#include \"core/low/base.h\"\nextern int part_count;\n"
                           "int base_do(void) { return part_count; }\n");
    put("core/high/part.c", "#include \"core/high/part.h\"\nint part_count;\n"
                            "int part_do(void) { return 1; }\n");
    build();
    ck_assert_int_eq(obey("include-law"), 0);
    ck_assert_int_eq(obey("call-law"), 1);
    must_say("core/low/base.c: calls up: part_count is core/high/part.c");
    end();
}
END_TEST

START_TEST(a_door_knows_no_other_door) {
    begin();
    put("fcgi-app/door/b/other.c", "#include \"fcgi-app/door/a/inside.h\"\n");
    ck_assert_int_eq(obey("include-law"), 1);
    must_say("fcgi-app/door/b is not to know fcgi-app/door/a/inside.h");
    put("fcgi-app/door/b/other.c", "int inside_do(void);\nint other_do(void);\n"
                                   "int other_do(void) { return inside_do(); }\n");
    build();
    ck_assert_int_eq(obey("include-law"), 0);
    ck_assert_int_eq(obey("call-law"), 1);
    must_say("calls inside_do of fcgi-app/door/a/inside.c, which fcgi-app/door/b is not to know");
    end();
}
END_TEST

START_TEST(of_some_folders_single_headers_are_known) {
    begin();
    put("fcgi-app/hub/hub.c", "#include \"fcgi-app/door/request.h\"\n");
    ck_assert_int_eq(obey("include-law"), 1);
    must_say("fcgi-app/hub is not to know fcgi-app/door/request.h");
    end();
}
END_TEST

START_TEST(a_private_header_is_its_folders_own) {
    begin();
    put("fcgi-app/door/b/other.c", "#include \"core/high/_own.h\"\n");
    ck_assert_int_eq(obey("include-law"), 1);
    must_say("core/high/_own.h is core/high's own");
    end();
}
END_TEST

START_TEST(an_include_of_what_stands_lower_in_the_list_is_found) {
    begin();
    put("core/low/base.c", "#include \"core/high/part.h\"\n");
    ck_assert_int_eq(obey("include-law"), 1);
    must_say("core/high/part.h does not stand above core/low/base");
    end();
}
END_TEST

START_TEST(what_is_not_in_the_list_or_not_built_is_found) {
    begin();
    build();
    put("core/low/more.c", "int more_do(void);\nint more_do(void) { return 1; }\n");
    ck_assert_int_eq(obey("include-law"), 1);
    must_say("core/low/more.c: is not in tests/lint/layers");
    ck_assert_int_eq(obey("call-law"), 1);
    must_say("core/low/more.c: has no object");
    end();
}
END_TEST

START_TEST(an_object_whose_source_is_gone_is_nobodys) {
    begin();
    put("core/low/more.c", "int part_do(void);\nint more_do(void);\n"
                           "int more_do(void) { return part_do(); }\n");
    build();
    ck_assert_int_eq(shell("rm core/low/more.c"), 0);
    ck_assert_int_eq(obey("call-law"), 0);
    end();
}
END_TEST

START_TEST(a_folder_that_the_list_does_not_place_knows_nothing) {
    begin();
    put("tests/lint/layers", keepf("%s%s", LIST, "worker/main\n"));
    put("worker/main.c", "#include \"core/low/base.h\"\nint main(void) { return base_do(); }\n");
    build();
    ck_assert_int_eq(obey("include-law"), 1);
    must_say("worker is not to know core/low/base.h");
    ck_assert_int_eq(obey("call-law"), 1);
    must_say("which worker is not to know");
    end();
}
END_TEST

START_TEST(a_module_stands_in_the_list_once) {
    begin();
    put("tests/lint/layers", keepf("%s%s", LIST, "core/low/base\n"));
    ck_assert_int_ne(obey("include-law"), 0);
    ck_assert_ptr_nonnull(strstr(words, "core/low/base stands there twice"));
    end();
}
END_TEST

UNIT_MAIN("laws", a_module_stands_in_the_list_once, a_house_in_order_passes,
          a_call_upwards_behind_a_lower_declaration_is_found, a_use_of_a_higher_variable_is_found,
          a_door_knows_no_other_door, of_some_folders_single_headers_are_known,
          a_private_header_is_its_folders_own, an_include_of_what_stands_lower_in_the_list_is_found,
          what_is_not_in_the_list_or_not_built_is_found, an_object_whose_source_is_gone_is_nobodys,
          a_folder_that_the_list_does_not_place_knows_nothing)
