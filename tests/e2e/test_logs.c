/* Where both programs log to: a file that is rotated under their hands, by one process
 * and by several; and one whose standard error goes nowhere.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lab lab;
static char *file;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "logs");
    chmod(lab.dir, 0777);
    file = keepf("%s/halley-own.txt", lab.dir);
    lab_set(&lab, "LOG", file);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
}

static void teardown(void) {
    lab_close(&lab);
}

static size_t lines_in(const char *path, const char *part) {
    char line[4096];
    size_t count = 0;
    FILE *in = fopen(path, "r");

    while (in != NULL && fgets(line, sizeof line, in))
        count += strstr(line, part) != NULL;
    if (in != NULL)
        fclose(in);
    return count;
}

/* As logrotate does it: the file is moved away, and the program is told. */
static const char *rotate(struct proc *program) {
    const char *old = keepf("%s.%s", file, keep_fresh("old"));

    ck_assert_int_eq(rename(file, old), 0);
    proc_signal(program, SIGHUP);
    return old;
}

START_TEST(a_rotated_file_is_opened_anew_by_every_process) {
    struct stat made;

    lab_set(&lab, "PROCESSES", _i ? "3" : "1");
    lab_app(&lab, 0);
    until(lines_in(file, " start ") == (_i ? 3u : 1u), "nothing is logged");
    ck_assert_int_eq(stat(file, &made), 0);
    ck_assert_int_eq(made.st_mode & 0777, 0640);
    const char *old = rotate(&lab.app[0]);
    until(lines_in(file, " start ") == (_i ? 3u : 1u), "the file is not made anew, or no program");
    ck_assert_int_eq(fcgi_get(lab.app_socket[0], "/comet/info")->status, 200); /* it lives */
    size_t before = lines_in(old, "");
    proc_stop(&lab.redis, SIGKILL); /* each has something to say */
    until(lines_in(file, " redis.") >= (_i ? 3u : 1u), "nothing is logged after that");
    ck_assert_uint_le(lines_in(old, "") - before, 0);
    ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
    /* that of those before, who made room at HUP, and the parent's too */
    until(lines_in(file, " stop ") == (_i ? 7u : 2u), "the end is not logged");
}
END_TEST

START_TEST(the_workers_file_is_rotated_too) {
    lab_worker(&lab, 0);
    until(lines_in(file, "halley-worker[") > 0, "nothing is logged");
    (void)rotate(&lab.worker[0]);
    until(access(file, F_OK) == 0, "the file is not made anew");
    ck_assert_int_eq(proc_stop(&lab.worker[0], SIGTERM), 0);
    until(lines_in(file, " drain ") == 1, "the end is not logged");
}
END_TEST

START_TEST(a_file_that_cannot_be_written_stops_nobody) {
    static const char *const bad[] = {"/no/such/folder/log", "/dev/full"};

    lab_set(&lab, "LOG", bad[_i]);
    lab_app(&lab, 0);
    for (int i = 0; i < 3; i++)
        proc_signal(&lab.app[0], SIGHUP);
    ck_assert_int_eq(fcgi_get(lab.app_socket[0], "/comet/info")->status, 200);
    if (_i == 0)
        ck_assert_uint_ge(lines_in(keepf("%s/app0.log", lab.dir), "log.target"), 1);
    else
        ck_assert_int_gt(json_integer_value(json_object_get(
                             fcgi_get(lab.app_socket[0], "/comet/status")->json, "log_lost")),
                         0);
    ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
}
END_TEST

/* As under a lighttpd that became a daemon, whose standard error goes nowhere. */
START_TEST(what_a_web_server_throws_away_is_logged_elsewhere) {
    lab_web(&lab, "lighttpd", 1);
    until(lines_in(file, " start ") == 1, "nothing is logged");
    pid_t app;
    ck_assert_uint_eq(lab_app_pids(&lab, &app, 1), 1);
    /* the same program with nothing open at all, as a careless parent would start it */
    const char *const argv[] = {"sh", "-c",
                                keepf("exec '%s' -f '%s' -l 'unix:%s' 0<&- 1>&- 2>&-",
                                      lab_program("halley.fcgi"), lab.conf, lab.app_socket[1]),
                                NULL};
    proc_start(&lab.app[1], "halley.fcgi", keepf("%s/app1.log", lab.dir), -1, argv,
               lab_env(&lab, NULL));
    until(wire_unix(lab.app_socket[1]) >= 0, "it does not listen");
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(fcgi_get(lab.app_socket[1], "/comet/poll?channel=a")->status, 200);
    until(lines_in(file, " start ") == 2, "it does not log");
}
END_TEST

/* Under mod_fcgid a process is started for nearly every browser that waits. */
START_TEST(a_process_of_apaches_starts_without_a_warning) {
    lab_set(&lab, "LOG", "stderr");
    lab_set(&lab, "MAX_WAITERS", "1000000");
    lab_web(&lab, "apache", 1);
    const char *channel = keep_fresh("quiet");
    ck_assert_int_eq(http_get(&lab, "/comet/wait?channel=%s&timeout=1", channel)->status, 200);
    const char *log = keepf("%s/apache/var/error.log", lab.dir);
    until(lines_in(log, " info start ") >= 2, "nothing is logged");
    ck_assert_uint_eq(lines_in(log, "] warning "), 0);
    ck_assert_uint_eq(lines_in(log, "] error "), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("logs");
    TCase *logs = e2e_case(suite, "logs", NULL, NULL);

    tcase_add_checked_fixture(logs, setup, teardown);
    tcase_add_loop_test(logs, a_rotated_file_is_opened_anew_by_every_process, 0, 2);
    tcase_add_test(logs, the_workers_file_is_rotated_too);
    tcase_add_loop_test(logs, a_file_that_cannot_be_written_stops_nobody, 0, 2);
    tcase_add_test(logs, what_a_web_server_throws_away_is_logged_elsewhere);
    tcase_add_test(logs, a_process_of_apaches_starts_without_a_warning);
    return e2e_run(suite);
}
