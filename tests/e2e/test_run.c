/* `make run` with a Redis of one's own: whatever its address looks like, all of it works,
 * and nobody on the machine sees its password. */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET  "hunter2 '\"/\\%$x"
#define VISIBLE "hunter2" /* of it, however it is written */
#define PATTERN                                                                                    \
    "hunter[2]" /* finds it, and is not taken for it where it runs beside another of these */

static struct lab lab;
static struct proc run;
static int port, web;

static char *file_of(const char *name) {
    return keepf("%s/%s", lab.dir, name);
}

static char *text_of(const char *path) {
    FILE *file = fopen(path, "r");
    char *text = keep(calloc(1, 1 << 16));

    if (file != NULL) {
        size_t len = fread(text, 1, (1 << 16) - 1, file);
        for (size_t i = 0; i < len; i++)
            text[i] = text[i] != '\0' ? text[i] : ' ';
        fclose(file);
    }
    return text;
}

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    memset(&run, 0, sizeof run);
    lab_open(&lab, "run");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    port = lab_free_port();
    web = lab_free_port();
    store_do(&lab, "CONFIG SET port %d", port);
    store_do(&lab, "ACL SETUSER visitor on >%s ~* &* +@all", SECRET);
}

static void teardown(void) {
    proc_kill(&run);
    lab_close(&lab);
}

/* No command line of the machine may show the password. */
static void judge_processes(void) {
    DIR *dir = opendir("/proc");

    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        char path[300], text[8192] = "";
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        FILE *file = fopen(path, "r");
        size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
        if (file != NULL)
            fclose(file);
        ck_assert_msg(memmem(text, len, VISIBLE, strlen(VISIBLE)) == NULL, "%s: %s", path, text);
    }
    closedir(dir);
}

/* Nor a file that others may read. */
static void judge_files(void) {
    static const char script[] =
        "find \"$0\"/run \"$TMPDIR\" -type f -perm /044 -exec grep -l \"$1\" {} + ; true";
    const char *const argv[] = {"sh", "-c", script, lab.dir, PATTERN, NULL};
    const char *const more[] = {keepf("TMPDIR=%s", file_of("tmp")), NULL};
    char *found;

    proc_run(argv, lab_env(&lab, more), -1, &found, NULL);
    ck_assert_str_eq(found, "");
}

static void start(const char *server, const char *host, const char *url) {
    const char *const argv[] = {"bash", keepf("%s/deploy/run", lab_root()), NULL};
    char *bin = lab_program("halley.fcgi");
    *strrchr(bin, '/') = '\0';
    const char *const more[] = {keepf("REDIS_URL=%s", url),
                                keepf("SERVER=%s", server),
                                keepf("HOST=%s", host),
                                keepf("PORT=%d", web),
                                keepf("RUN_DIR=%s", file_of("run")),
                                keepf("TMPDIR=%s", file_of("tmp")),
                                keepf("BIN_DIR=%s", bin),
                                NULL};
    const char *const folder[] = {"mkdir", "-p", "-m", "755", file_of("tmp"), NULL};

    ck_assert_int_eq(proc_run(folder, environ, -1, NULL, NULL), 0);
    proc_start(&run, "bash", file_of("run.log"), -1, argv, lab_env(&lab, more));
}

static void must_be_ready(void) {
    until((judge_processes(), strstr(text_of(file_of("run.log")), "Try") != NULL) ||
              !proc_runs(&run),
          "not ready: %s", text_of(file_of("run.log")));
    ck_assert_msg(proc_runs(&run), "%s", text_of(file_of("run.log")));
}

/* What the web server of `host` answers; kept. */
static char *fetch(const char *host, const char *path) {
    const char *const argv[] = {"curl", "-sg", keepf("http://%s:%d%s", host, web, path), NULL};
    char *text;

    proc_run(argv, environ, -1, &text, NULL);
    return text;
}

static void must_run(const char *server, const char *host, const char *url, int database) {
    start(server, host, url);
    must_be_ready();
    store_do(&lab, "SELECT %d", database);
    ck_assert_int_eq(store_publish(&lab, "chat", "{\"text\":\"all is well\"}"), 1);
    until(strstr(fetch(host, "/comet/poll?channel=chat&since=-1"), "all is well") != NULL,
          "the message is not there");
    /* the feeds of the demonstration use redis-cli */
    until(strstr(fetch(host, "/comet/poll?channel=ticker&since=-1"), "prices") != NULL, "no feed");
    judge_processes();
    judge_files();
    ck_assert_int_eq(proc_stop(&run, SIGTERM), 0);
    ck_assert_ptr_null(strstr(text_of(file_of("run.log")), VISIBLE));
}

static char *encoded(void) {
    return keep_encoded(SECRET);
}

START_TEST(lighttpd_runs_and_shows_no_password) {
    must_run("lighttpd", "[::1]", keepf("redis://visitor:%s@[::1]:%d/2", encoded(), port), 2);
}
END_TEST

START_TEST(apache_runs_and_shows_no_password) {
    must_run("apache", "[::1]",
             keepf("unix:%s?password=%s&user=visitor", lab.redis_socket, encoded()), 0);
}
END_TEST

START_TEST(nginx_runs_and_shows_no_password) {
    store_do(&lab, "CONFIG SET requirepass %s", SECRET);
    must_run("nginx", "[::1]", keepf("redis://:%s@localhost:%d", encoded(), port), 0);
}
END_TEST

static const char *const others[] = {"nginx-proxy", "caddy", "haproxy", "apache-fcgid",
                                     "apache-cgi"};

START_TEST(other_servers_run_and_show_no_password) {
    store_do(&lab, "CONFIG SET requirepass %s", SECRET);
    must_run(others[_i], _i == 2 ? "127.0.0.1" : "[::1]",
             keepf("redis://:%s@localhost:%d", encoded(), port), 0);
}
END_TEST

START_TEST(tls_runs_and_shows_no_password) {
    const char *const argv[] = {"openssl",  "req",
                                "-x509",    "-newkey",
                                "rsa:2048", "-nodes",
                                "-days",    "2",
                                "-subj",    "/CN=redis",
                                "-addext",  "subjectAltName=DNS:localhost",
                                "-keyout",  file_of("redis.key"),
                                "-out",     file_of("redis.crt"),
                                NULL};

    ck_assert_int_eq(proc_run(argv, environ, -1, NULL, NULL), 0);
    store_do(&lab,
             "CONFIG SET tls-auth-clients no tls-cert-file %s tls-key-file %s port 0 tls-port %d",
             file_of("redis.crt"), file_of("redis.key"), port);
    lab_set(&lab, "REDIS_CA", file_of("redis.crt"));
    must_run("lighttpd", "127.0.0.1", keepf("rediss://visitor:%s@localhost:%d/1", encoded(), port),
             1);
}
END_TEST

START_TEST(a_wrong_address_is_refused_and_shows_no_password) {
    start("lighttpd", "127.0.0.1", keepf("redis://:%s@localhost:none", encoded()));
    ck_assert_int_eq(proc_wait(&run), 1);
    const char *said = text_of(file_of("run.log"));
    ck_assert_ptr_nonnull(
        strstr(said, "HALLEY_REDIS: redis = redis://:***@localhost:***: must be"));
    ck_assert_ptr_null(strstr(said, VISIBLE));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("run");
    TCase *tcase = e2e_case(suite, "run", NULL, NULL);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, lighttpd_runs_and_shows_no_password);
    tcase_add_test(tcase, apache_runs_and_shows_no_password);
    tcase_add_test(tcase, nginx_runs_and_shows_no_password);
    tcase_add_loop_test(tcase, other_servers_run_and_show_no_password, 0, 5);
    tcase_add_test(tcase, tls_runs_and_shows_no_password);
    tcase_add_test(tcase, a_wrong_address_is_refused_and_shows_no_password);
    return e2e_run(suite);
}
