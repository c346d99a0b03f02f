/* doc/security.md does what it says: its programs sign tokens that Halley believes, with what their
 * languages bring along, and its commands give Redis's users their passwords; and the units are as
 * tight as it says.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="

static struct lab lab;
static const char *key;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "guide");
    key = token_file(SECRET "\n");
    lab_conf(&lab, keepf("[key 2026]\nalgorithm = HS256\nfile = %s\n"
                         "[channel orders/*]\nsubscribe = token\n"
                         "[channel inbox/*]\nsubscribe = owner\n",
                         key));
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_web(&lab, "http", 1);
}

static void teardown(void) {
    lab_close(&lab);
}

static const char *output_of(const char *const argv[]) {
    char *output;

    ck_assert_int_eq(proc_run(argv, lab_env(&lab, NULL), -1, &output, NULL), 0);
    return output;
}

/* The program of that language in the guide, with another file of the key; its file. */
static const char *program_in(const char *language) {
    const char *path = keepf("%s/sign.%s", lab.dir, language);
    const char *guide =
        output_of((const char *const[]){"cat", keepf("%s/doc/security.md", lab_root()), NULL});
    const char *begin = strstr(guide, keepf("```%s\n", language));

    ck_assert_msg(begin != NULL, "the guide has no %s", language);
    begin = strchr(begin, '\n') + 1;
    const char *text = keepf("%.*s", (int)(strstr(begin, "```") - begin), begin);
    const char *named = strstr(text, "/etc/halley/token.key");
    ck_assert_ptr_nonnull(named);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "%.*s%s%s", (int)(named - text), text, key,
            named + strlen("/etc/halley/token.key"));
    fclose(file);
    return path;
}

static const struct {
    const char *language, *command;
} programs[] = {{"php", "php"}, {"python", "python3"}, {"perl", "perl"}};

START_TEST(what_the_guides_programs_sign_is_believed) {
    const char *const argv[] = {programs[_i].command, program_in(programs[_i].language), NULL};
    const char *said = output_of(argv);
    const char *token = keepf("%.*s", (int)strcspn(said, "\n"), said);
    const struct {
        const char *channel;
        int status;
    } rows[] = {{"orders/7", 200}, {"orders/eu-1", 200}, {"inbox/alice", 200},
                {"orders/8", 403}, {"inbox/bob", 403},   {"orders/7&channel=orders/8", 403}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct request request = {.path = keepf("/comet/poll?channel=%s", rows[i].channel),
                                        .headers = {keepf("Authorization: Bearer %s", token)}};
        const struct answer *answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == rows[i].status, "%s, %s: %s", argv[0], rows[i].channel,
                      answer_text(answer));
    }
    must_be_problem(http_get(&lab, "/comet/poll?channel=orders/7"), 401, "orders/7");
}
END_TEST

/* --- a site with logins of its own ------------------------------------------------------ */

/* The guide's page that is asked, and one by which somebody logs in. */
static void write_site(void) {
    const char *guide =
        output_of((const char *const[]){"cat", keepf("%s/doc/security.md", lab_root()), NULL});
    const char *begin = strstr(guide, "<?php // halley-may.php");

    ck_assert_ptr_nonnull(begin);
    lab_file(&lab, "halley-may.php", keepf("%.*s", (int)(strstr(begin, "```") - begin), begin));
    lab_file(&lab, "login.php", "<?php session_start(); $_SESSION['user'] = $_GET['user'];");
}

/* nginx before php-fpm, as sites have it; its port. */
static int start_site(struct proc *fpm, struct proc *nginx) {
    int port = lab_free_port();

    lab_file(&lab, "fpm.conf",
             keepf("[global]\nerror_log = %s/fpm.log\ndaemonize = no\n[www]\n"
                   "listen = %s/fpm.sock\nlisten.mode = 0666\npm = static\n"
                   "pm.max_children = 4\nphp_value[session.save_path] = %s\n"
                   "user = root\ngroup = root\n",
                   lab.dir, lab.dir, lab.dir));
    lab_file(&lab, "site.conf",
             keepf("daemon off; pid %s/site.pid; error_log stderr; events {}\n"
                   "http { access_log off; server { listen 127.0.0.1:%d; root %s;\n"
                   "location / { include /etc/nginx/fastcgi_params;\n"
                   "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n"
                   "fastcgi_pass unix:%s/fpm.sock; } } }\n",
                   lab.dir, port, lab.dir, lab.dir));
    const char *const php[] = {"php-fpm8.2", "-R", "-y", keepf("%s/fpm.conf", lab.dir), NULL};
    const char *const web[] = {"nginx", "-c", keepf("%s/site.conf", lab.dir), NULL};
    proc_start(fpm, "php-fpm", keepf("%s/php.log", lab.dir), -1, php, lab_env(&lab, NULL));
    proc_start(nginx, "nginx", keepf("%s/site.log", lab.dir), -1, web, lab_env(&lab, NULL));
    return port;
}

static const struct answer *ask_at(int port, const char *path, const char *cookie) {
    struct lab at = {.port = port};
    const struct request request = {.path = path, .headers = {cookie}};
    return http_send(&at, &request);
}

START_TEST(a_site_of_php_is_asked_after_its_own_logins) {
    struct proc fpm, nginx;

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "php");
    write_site();
    int port = start_site(&fpm, &nginx);
    lab_conf(&lab, "[channel orders/*]\nsubscribe = ask\npublish = ask\n");
    lab_set(&lab, "AUTHORIZE", keepf("http://127.0.0.1:%d/halley-may.php", port));
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_web(&lab, "http", 1);
    until(ask_at(port, "/login.php?user=alice", NULL)->status == 200, "PHP does not answer");
    const char *set = answer_header(ask_at(port, "/login.php?user=alice", NULL), "Set-Cookie");
    ck_assert_ptr_nonnull(set);
    const char *cookie = keepf("Cookie: %.*s", (int)strcspn(set, ";"), set);
    ck_assert_int_eq(ask_at(lab.port, "/comet/poll?channel=orders/alice", cookie)->status, 200);
    ck_assert_int_eq(ask_at(lab.port, "/comet/poll?channel=orders/bob", cookie)->status, 403);
    ck_assert_int_eq(ask_at(lab.port, "/comet/poll?channel=orders/alice", NULL)->status, 401);
    proc_kill(&nginx);
    ck_assert_int_eq(ask_at(lab.port, "/comet/poll?channel=orders/alice", cookie)->status, 200);
    ck_assert_int_eq(
        ask_at(lab.port, "/comet/poll?channel=orders/alice&channel=orders/carol", cookie)->status,
        503);
    proc_kill(&fpm);
    lab_close(&lab);
}
END_TEST

START_TEST(units_are_as_tight_as_the_guide_says) {
    static const char *const units[] = {"halley.service", "halley-websocket.service",
                                        "halley-worker.service"};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const char *const argv[] = {"systemd-analyze",
                                    "security",
                                    "--offline=true",
                                    "--threshold=15",
                                    keepf("%s/deploy/systemd/%s", lab_root(), units[i]),
                                    NULL};
        const char *said = output_of(argv); /* fails where the exposure is above 1.5 */
        ck_assert_msg(strstr(said, "exposure level") != NULL, "%s", said);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("guide");
    TCase *tcase = e2e_case(suite, "guide", setup, teardown);

    tcase_add_loop_test(tcase, what_the_guides_programs_sign_is_believed, 0, 3);
    tcase_add_test(tcase, units_are_as_tight_as_the_guide_says);
    tcase_add_test(e2e_case(suite, "site", NULL, NULL),
                   a_site_of_php_is_asked_after_its_own_logins);
    return e2e_run(suite);
}
