/* Plain CGI as real web servers run it: Apache's mod_cgid (a socket, whose other half
 * Apache closes when the request is sent) and mod_cgi (pipes), and lighttpd's mod_cgi.
 * One process a request: slow, but each way of reading works, and a browser that leaves
 * takes its process along.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lab lab;

/* A copy of halley.fcgi that the server's user can reach and run. */
static const char *copy_program(void) {
    const char *copy = keepf("%s/halley.fcgi", lab.dir);
    const char *const argv[] = {"install", "-m", "755", lab_program("halley.fcgi"), copy, NULL};

    ck_assert_int_eq(proc_run(argv, environ, -1, NULL, NULL), 0);
    return copy;
}

static FILE *begin_conf(const char *name) {
    FILE *file = fopen(keepf("%s/%s", lab.dir, name), "w");
    ck_assert(file != NULL);
    return file;
}

static void write_apache(const char *program, const char *mpm, const char *cgi) {
    FILE *file = begin_conf("apache.conf");
    const char *modules = "/usr/lib/apache2/modules";

    fprintf(file,
            "ServerRoot %s\nServerName 127.0.0.1\nListen 127.0.0.1:%d\nPidFile %s/apache.pid\n"
            "ErrorLog %s/error.log\nDefaultRuntimeDir %s\nTimeout 300\n"
            "LoadModule mpm_%s_module %s/mod_mpm_%s.so\n"
            "LoadModule authz_core_module %s/mod_authz_core.so\n"
            "LoadModule alias_module %s/mod_alias.so\nLoadModule env_module %s/mod_env.so\n"
            "LoadModule %s_module %s/mod_%s.so\nScriptAlias /comet %s\n"
            "<Directory \"/\">\n  Require all granted\n</Directory>\n",
            lab.dir, lab.port, lab.dir, lab.dir, lab.dir, mpm, modules, mpm, modules, modules,
            modules, cgi, modules, cgi, program);
    if (geteuid() == 0)
        fprintf(file, "User www-data\nGroup www-data\n");
    if (strcmp(cgi, "cgid") == 0)
        fprintf(file, "ScriptSock %s/cgid.sock\n", lab.dir);
    for (char **setting = lab.settings; *setting; setting++)
        fprintf(file, "SetEnv %.*s \"%s\"\n", (int)strcspn(*setting, "="), *setting,
                strchr(*setting, '=') + 1);
    fclose(file);
}

static void write_lighttpd(const char *program) {
    FILE *file = begin_conf("lighttpd.conf");

    fprintf(file,
            "server.modules = ( \"mod_alias\", \"mod_setenv\", \"mod_cgi\" )\n"
            "server.document-root = \"%s\"\nserver.bind = \"127.0.0.1\"\nserver.port = %d\n"
            "server.errorlog = \"%s/error.log\"\nserver.upload-dirs = ( \"%s\" )\n"
            "alias.url = ( \"/comet\" => \"%s\" )\n"
            "$HTTP[\"url\"] =~ \"^/comet(/|$)\" {\n  cgi.assign = ( \"\" => \"\" )\n"
            "  server.stream-response-body = 2\n}\nsetenv.add-environment = (\n",
            lab.dir, lab.port, lab.dir, lab.dir, program);
    for (char **setting = lab.settings; *setting; setting++)
        fprintf(file, "  \"%.*s\" => \"%s\",\n", (int)strcspn(*setting, "="), *setting,
                strchr(*setting, '=') + 1);
    fprintf(file, ")\n");
    if (geteuid() == 0)
        fprintf(file, "server.username = \"www-data\"\nserver.groupname = \"www-data\"\n");
    fclose(file);
}

static bool web_answers(void) {
    ck_assert_msg(proc_runs(&lab.web), "the web server ends instead of answering");
    return http_get(&lab, "/comet/health")->status == 200;
}

static void start(const char *server, const char *mpm) {
    const char *program;
    const char *const apache[] = {"apache2", "-f", keepf("%s/apache.conf", lab.dir), "-DFOREGROUND",
                                  NULL};
    const char *const lighttpd[] = {"lighttpd", "-D", "-f", keepf("%s/lighttpd.conf", lab.dir),
                                    NULL};
    bool is_lighttpd = strcmp(server, "lighttpd") == 0;

    program = copy_program();
    chmod(lab.dir, 0777);
    chmod(lab.conf, 0644);
    lab.port = lab_free_port();
    if (is_lighttpd)
        write_lighttpd(program);
    else
        write_apache(program, mpm, server);
    proc_start(&lab.web, server, keepf("%s/web.log", lab.dir), -1, is_lighttpd ? lighttpd : apache,
               lab_env(&lab, NULL));
    until(web_answers(), "%s does not answer", server);
}

/* The configuration file is no part of the environment: what tests need is set there. */
static void setup(const char *server, const char *mpm) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "cgi-servers");
    lab_set(&lab, "JSONP", "on");
    lab_set(&lab, "KEEPALIVE", "1");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    start(server, mpm);
}

static void on_cgid(void) {
    setup("cgid", "event");
}

static void on_cgi(void) {
    setup("cgi", "prefork");
}

static void on_lighttpd(void) {
    setup("lighttpd", "");
}

static void teardown(void) {
    lab_close(&lab);
}

static size_t processes(void) {
    pid_t pids[64];
    return proc_family(lab.web.pid, "halley.fcgi", pids, 64);
}

START_TEST(a_poll_is_answered) {
    const char *channel = keep_fresh("cgi");

    store_add(&lab, channel, "\"there\"");
    ck_assert_str_eq(batch_all_data(must_be_batch(
                         http_get(&lab, "/comet/poll?channel=%s&since=start", channel))),
                     "\"there\"");
}
END_TEST

START_TEST(a_wait_is_answered_by_a_message) {
    const char *channel = keep_fresh("cgi"), *cursor = cursor_now(&lab, channel);
    struct flight *flight =
        http_get_begin(&lab, "/comet/wait?channel=%s&since=%s&timeout=55", channel, cursor);

    until((http_pump(10), store_followers(&lab, channel) > 0), "nobody follows %s", channel);
    ck_assert(!http_landed(flight));
    store_add(&lab, channel, "\"awaited\"");
    ck_assert_str_eq(batch_all_data(must_be_batch(http_land(flight))), "\"awaited\"");
}
END_TEST

START_TEST(a_wait_without_a_message_is_answered_too) {
    const struct answer *batch =
        must_be_batch(http_get(&lab, "/comet/wait?channel=%s&timeout=2", keep_fresh("cgi")));
    ck_assert_uint_eq(batch_count(batch), 0);
}
END_TEST

START_TEST(a_form_is_read_to_its_end_and_waited_with) {
    const char *channel = keep_fresh("cgi"), *form = keepf("channel=%s&timeout=2", channel);
    const struct request request = {.method = "POST",
                                    .path = "/comet/wait",
                                    .body = form,
                                    .length = strlen(form),
                                    .headers = {"Content-Type: application/x-www-form-urlencoded"}};

    must_be_batch(http_send(&lab, &request));
}
END_TEST

START_TEST(streams_go_on_and_say_that_they_live) {
    static const enum transport streams[] = {EVENTS, STREAM, MULTIPART, IFRAME};

    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        const char *channel = keep_fresh("cgi");
        struct stream *stream =
            stream_open(&lab, BY_WEB, streams[i], keepf("channel=%s", channel), NULL);

        stream_reach_start(stream);
        until((stream_turn(stream, 10), store_followers(&lab, channel) > 0), "nobody follows");
        for (int k = 0; k < 3; k++) {
            store_add(&lab, channel, "\"next\"");
            stream_reach_message(stream);
        }
        ck_assert_int_eq(stream_end(stream), HELD_OPEN);
        stream_close(stream);
    }
}
END_TEST

/* Apache says so when something is written to who has left: at the wait's own end. */
START_TEST(a_browser_that_leaves_takes_its_process_along) {
    static const char *const endpoints[] = {"wait", "events", "stream"};

    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        const char *channel = keep_fresh("left");
        struct held *held = held_web(
            lab.port, keepf("/comet/%s?channel=%s&timeout=5", endpoints[i], channel), NULL);

        until(store_followers(&lab, channel) > 0, "nobody follows %s", channel);
        held_close(held);
        until(processes() == 0, "%s: its process stays", endpoints[i]);
    }
}
END_TEST

START_TEST(a_range_does_not_cut_an_answer) {
    const struct request request = {.path = "/comet/info", .headers = {"Range: bytes=0-4"}};
    const struct answer *answer = http_send(&lab, &request);

    ck_assert_msg(answer->status == 200 && answer->json != NULL, "%s", answer_text(answer));
}
END_TEST

static void add(Suite *suite, const char *name, void (*begin)(void)) {
    TCase *tcase = e2e_case(suite, name, begin, teardown);

    tcase_add_test(tcase, a_poll_is_answered);
    tcase_add_test(tcase, a_wait_is_answered_by_a_message);
    tcase_add_test(tcase, a_wait_without_a_message_is_answered_too);
    tcase_add_test(tcase, a_form_is_read_to_its_end_and_waited_with);
    tcase_add_test(tcase, streams_go_on_and_say_that_they_live);
    tcase_add_test(tcase, a_browser_that_leaves_takes_its_process_along);
    tcase_add_test(tcase, a_range_does_not_cut_an_answer);
}

int main(void) {
    Suite *suite = suite_create("cgi-servers");

    add(suite, "mod_cgid", on_cgid);
    add(suite, "mod_cgi", on_cgi);
    add(suite, "lighttpd", on_lighttpd);
    return e2e_run(suite);
}
