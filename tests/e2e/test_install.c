/* What `make install` leaves behind, and that the shipped configurations find it: in a
 * staging folder, under the strictest umask that an administrator may have.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lab lab;

/* The folder with what was installed; the second time over what is there already. */
static const char *installed(void) {
    const char *stage = keepf("%s/stage", lab_base());
    const char *bin = getenv("HALLEY_BIN_DIR");
    const char *const argv[] = {"sh",
                                "-c",
                                "umask 077 && cd \"$0\" && env -u MAKEFLAGS -u MAKELEVEL make -s "
                                "-o all install BUILD=\"$1\" "
                                "DESTDIR=\"$2\"",
                                lab_root(),
                                bin ? bin : "build",
                                stage,
                                NULL};

    ck_assert_int_eq(proc_run(argv, environ, -1, NULL, NULL), 0);
    return stage;
}

START_TEST(everybody_may_read_what_a_strict_umask_installed) {
    const char *stage = installed();
    const char *const argv[] = {"find",  stage, "(", "-type", "d",    "!", "-perm",  "-755", "-o",
                                "-type", "f",   "!", "-perm", "-644", ")", "-print", NULL};
    char *found;

    ck_assert_int_eq(proc_run(argv, environ, -1, &found, NULL), 0);
    ck_assert_str_eq(found, "");
}
END_TEST

static char *file_of(const char *stage, const char *name) {
    const char *const argv[] = {"cat", keepf("%s/%s", stage, name), NULL};
    char *text;

    ck_assert_msg(proc_run(argv, environ, -1, &text, NULL) == 0, "%s is missing", name);
    return text;
}

START_TEST(the_contract_is_installed_where_the_readme_says) {
    const char *stage = installed(), *doc = "usr/local/share/doc/halley";

    ck_assert(strstr(file_of(stage, keepf("%s/README.md", doc)), "(PROTOCOL.md)") != NULL);
    ck_assert(strstr(file_of(stage, keepf("%s/PROTOCOL.md", doc)), "# The protocol of Halley"));
}
END_TEST

START_TEST(the_manuals_are_installed_in_their_sections) {
    static const char *const pages[][2] = {{"man5/halley.conf.5", ".Dt HALLEY.CONF 5"},
                                           {"man8/halley.fcgi.8", ".Dt HALLEY.FCGI 8"},
                                           {"man8/halley-worker.8", ".Dt HALLEY-WORKER 8"},
                                           {"man1/halley.1", ".Dt HALLEY 1"}};
    const char *stage = installed();

    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        const char *text = file_of(stage, keepf("usr/local/share/man/%s", pages[i][0]));
        ck_assert_msg(strstr(text, pages[i][1]) != NULL, "%s", pages[i][0]);
    }
}
END_TEST

/* A unit that names a socket's descriptor as the program does not would serve nobody. */
START_TEST(the_units_name_the_sockets_as_the_program_does) {
    const char *stage = installed(), *units = "usr/local/lib/systemd/system";

    ck_assert(strstr(file_of(stage, keepf("%s/halley.socket", units)),
                     "\nListenStream=/run/halley/halley.sock\nFileDescriptorName=listen\n"));
    ck_assert(strstr(file_of(stage, keepf("%s/halley-http.socket", units)),
                     "\nListenStream=/run/halley/halley-http.sock\nFileDescriptorName=http\n"));
    ck_assert(strstr(file_of(stage, keepf("%s/halley.service", units)),
                     "\nRequires=halley.socket halley-http.socket\n"));
}
END_TEST

/* It stands where systemd looks, and tells the unit that is there. */
START_TEST(a_reload_of_lighttpd_is_told_to_halley) {
    const char *name = "usr/local/lib/systemd/system/lighttpd.service.d/halley.conf";

    ck_assert(strstr(file_of(installed(), name),
                     "\n[Service]\nExecReload=-/bin/systemctl --no-block "
                     "try-reload-or-restart halley.service\n"));
}
END_TEST

/* What bash would offer behind `line`, where these are the channels. */
static char *completed(const char *stage, const char *channels, const char *line) {
    const char *script = keepf("cd '%s' && halley() { printf 'head\\n%s'; }; "
                               ". usr/local/share/bash-completion/completions/halley && "
                               "COMP_WORDS=(%s) && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && "
                               "_halley; echo \"${COMPREPLY[*]}\"",
                               stage, channels, line);
    const char *const argv[] = {"bash", "-c", script, NULL};
    char *output;

    ck_assert_msg(proc_run(argv, environ, -1, &output, NULL) == 0, "%s", line);
    return output;
}

START_TEST(bash_completes_the_operator_s_program) {
    static const char rows[] = " 1 0.50 7  chat\\n 1 0.50 7  $(touch owned)\\n 1 2.00 7  news\\n";
    const char *stage = installed();

    ck_assert_str_eq(completed(stage, rows, "halley ex"), "explain\n");
    ck_assert_str_eq(completed(stage, rows, "halley -f x tail --s"), "--since\n");
    ck_assert_str_eq(completed(stage, rows, "halley tail ''"), "chat news\n");
    ck_assert_str_eq(completed(stage, rows, "halley history n"), "news\n");
    ck_assert_int_ne(access(keepf("%s/owned", stage), F_OK), 0);
}
END_TEST

START_TEST(uninstalling_leaves_the_administrator_s_file_alone) {
    const char *stage = installed();
    const char *const make[] = {"sh",
                                "-c",
                                "cd \"$0\" && env -u MAKEFLAGS -u MAKELEVEL make -s uninstall "
                                "DESTDIR=\"$1\"",
                                lab_root(),
                                stage,
                                NULL};
    const char *const find[] = {"find",  stage, "(", "-type",   "f",    "-o",
                                "-type", "l",   ")", "-printf", "%P\n", NULL};
    char *left;

    ck_assert_int_eq(proc_run(make, environ, -1, NULL, NULL), 0);
    ck_assert_int_eq(proc_run(find, environ, -1, &left, NULL), 0);
    ck_assert_str_eq(left, "etc/halley/halley.conf\n");
}
END_TEST

START_TEST(the_installed_configuration_opens_nothing_and_is_kept) {
    const char *stage = installed(), *conf = keepf("%s/etc/halley/halley.conf", stage);
    const char *const check[] = {lab_program("halley.fcgi"), "-n", "-f", conf, NULL};
    const char *const change[] = {"sh", "-c", "echo 'timeout = 7' >>\"$0\"", conf, NULL};
    char *printed;

    ck_assert_int_eq(proc_run(check, environ, -1, &printed, NULL), 0);
    ck_assert_ptr_null(strstr(printed, "publish = anyone"));
    ck_assert_ptr_null(strstr(printed, "[channel"));
    ck_assert_int_eq(proc_run(change, environ, -1, NULL, NULL), 0);
    installed();
    ck_assert_int_eq(proc_run(check, environ, -1, &printed, NULL), 0);
    ck_assert(strstr(printed, "\ntimeout = 7\n") != NULL);
}
END_TEST

START_TEST(the_client_is_where_the_readme_says_in_a_site_of_its_own) {
    static const char *const paths[] = {"/halley.js", "/halley-streams.js", "/halley-legacy.js",
                                        "/halley/halley.js", "/halley/halley-streams.js"};

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "site");
    lab.bare_root = true;
    lab_all(&lab, "site", e2e_servers[_i]);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct answer *answer = http_get(&lab, "%s", paths[i]);
        const char *type = answer_header(answer, "Content-Type");
        ck_assert_msg(answer->status == 200 && strstr(answer->body, "use strict"), "%s: %s",
                      paths[i], answer_text(answer));
        ck_assert_msg(type && strstr(type, "javascript"), "%s: %s", paths[i], type);
    }
    ck_assert_int_eq(http_get(&lab, "/halley/chat.html")->status, 200);
    ck_assert_int_ne(http_get(&lab, "/chat.html")->status, 200);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("install");
    TCase *files = e2e_case(suite, "files", NULL, NULL),
          *sites = e2e_case(suite, "sites", NULL, NULL);

    tcase_add_test(files, everybody_may_read_what_a_strict_umask_installed);
    tcase_add_test(files, the_contract_is_installed_where_the_readme_says);
    tcase_add_test(files, the_manuals_are_installed_in_their_sections);
    tcase_add_test(files, the_installed_configuration_opens_nothing_and_is_kept);
    tcase_add_test(files, a_reload_of_lighttpd_is_told_to_halley);
    tcase_add_test(files, the_units_name_the_sockets_as_the_program_does);
    tcase_add_test(files, bash_completes_the_operator_s_program);
    tcase_add_test(files, uninstalling_leaves_the_administrator_s_file_alone);
    tcase_add_loop_test(sites, the_client_is_where_the_readme_says_in_a_site_of_its_own, 0,
                        E2E_SITES);
    return e2e_run(suite);
}
