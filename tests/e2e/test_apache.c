/* Apache beside a site that was there before: what the site says of logins and of rewriting holds
 * for Halley as it should, and whatever waits leaves threads and processes to the rest.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct lab lab;

static void begin(const char *server, const char *mpm, int threads) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "apache");
    lab_conf(&lab, "jsonp = on\n[channel open*]\npublish = anyone\n"
                   "[service engine.io]\nprotocol = channel open\nping_interval = 600000\n"
                   "[service sockjs/room]\nprotocol = channel open\n[service bayeux]\n");
    lab_websockets(&lab);
    lab.mpm = mpm;
    lab.threads = threads;
    lab_all(&lab, "apache", server);
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- logins and rewriting ------------------------------------------------------------------ */

/* What the site has in its own configuration; Apache takes it in by and by. */
static void add_conf(const char *text) {
    char *conf = lab_file(&lab, "apache-site.conf", text);
    char *script = keepf("cat '%s' >>'%s/%s/apache.conf'", conf, lab.dir, lab.server);
    const char *const append[] = {"sh", "-c", script, NULL};

    ck_assert_int_eq(proc_run(append, environ, -1, NULL, NULL), 0);
    proc_signal(&lab.web, SIGHUP);
}

/* A site in a folder of its own: all of it behind a login, and every address that is no file is
 * that of its one script. */
static void add_site(void) {
    char *root = keepf("%s/site", lab.dir);

    ck_assert_int_eq(mkdir(root, 0755), 0);
    lab_file(&lab, "site/index.php", "the site");
    lab_file(&lab, "site/.htaccess",
             "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . /index.php\n");
    lab_file(&lab, "users", "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"); /* password */
    chmod(root, 0755);
    add_conf(keepf("DocumentRoot %s\n<Directory %s>\n  AllowOverride All\n"
                   "  AuthType Basic\n  AuthName site\n  AuthUserFile %s/users\n"
                   "  Require valid-user\n</Directory>\n",
                   root, root, lab.dir));
}

static int status_of(const char *path, const char *login) {
    const struct request request = {.path = path, .headers = {login, NULL}};
    return http_send(&lab, &request)->status;
}

static const char login[] = "Authorization: Basic YWxpY2U6cGFzc3dvcmQ=";

static int websocket_status(const char *more) {
    struct stream *socket = stream_open(&lab, BY_WEB, WS, keepf("channel=open%s", more), NULL);
    until((stream_turn(socket, 20), stream_status(socket) != 0), "no answer to a handshake");
    int status = stream_status(socket);
    stream_close(socket);
    return status;
}

static bool wants_login(void) {
    ck_assert_msg(proc_runs(&lab.web), "Apache ends");
    return status_of("/", NULL) == 401;
}

static const char *const servers[] = {"apache-proxy", "apache", "apache-cgi"};
static const char *const paths[] = {"/comet/poll?channel=open",
                                    "/comet/wait?channel=open&timeout=1", "/comet/info",
                                    "/engine.io/?EIO=4&transport=polling", "/sockjs/room/info"};

START_TEST(a_login_for_the_sites_folder_is_wanted_for_halley_and_its_rewriting_is_not) {
    begin(servers[_i], NULL, 0);
    ck_assert_int_eq(status_of("/comet/info", NULL), 200);
    ck_assert_int_eq(websocket_status(""), 101);
    add_site();
    until(wants_login(), "the site has no login");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ck_assert_msg(status_of(paths[i], NULL) == 401, "%s without a login", paths[i]);
        int status = status_of(paths[i], login);
        ck_assert_msg(status == 200, "%s: %d", paths[i], status);
    }
    ck_assert_int_eq(websocket_status(""), 401);
    const struct request request = {.path = "/comet/poll?channel=open", .headers = {login, NULL}};
    must_be_batch(http_send(&lab, &request));
    ck_assert_int_eq(status_of("/any/thing", login), 200); /* its own rewriting goes on */
}
END_TEST

static bool is_in_force(void) {
    ck_assert_msg(proc_runs(&lab.web), "Apache ends");
    return status_of("/halley.js", NULL) == 404;
}

/* Of a body over LimitRequestBody a program may be told that there is none: refused or taken, but
 * never half of it. */
START_TEST(what_the_site_allows_of_a_body_makes_no_message_shorter) {
    static const char *const limits[] = {"LimitRequestBody 1000",
                                         "<Location />\nLimitRequestBody 1000\n</Location>",
                                         "<Directory />\nLimitRequestBody 1000\n</Directory>"};
    char *body = keepf("\"%02000d\"", 0);
    long long taken = 0;

    begin(servers[_i % 3], NULL, 0);
    ck_assert_int_eq(status_of("/halley.js", NULL), 200);
    add_conf(keepf("%s\nRedirect 404 /halley.js\n", limits[_i / 3]));
    until(is_in_force(), "the site has no limit");
    for (int chunked = 0; chunked < 2; chunked++) {
        const struct request request = {.method = "POST",
                                        .path = "/comet/publish?channel=open",
                                        .body = body,
                                        .length = strlen(body),
                                        .chunked = chunked == 1};
        const struct answer *answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == 200 || answer->status / 100 == 4, "%s",
                      answer_text(answer));
        taken += answer->status == 200;
    }
    ck_assert_int_eq(store_held(&lab, "open"), taken);
    const struct answer *all = read_since(&lab, "open", "start");
    for (long long i = 0; i < taken; i++)
        ck_assert_str_eq(json_string_value(batch_data(all, (size_t)i)), keepf("%02000d", 0));
}
END_TEST

/* --- figures ---------------------------------------------------------------------------------- */

enum { KINDS = 9, WEBSOCKETS = 365, SITE = 40 };

static char *shipped(const char *name) {
    const char *const argv[] = {"cat", keepf("%s/deploy/apache/%s", lab_root(), name), NULL};
    char *text = NULL;

    ck_assert_int_eq(proc_run(argv, environ, -1, &text, NULL), 0);
    return keepf("%s", text);
}

/* The figure of a directive in a section. */
static long figure(const char *section, const char *directive) {
    const char *found = strstr(section, keepf("\n    %s ", directive));
    const char *end = strstr(section, "</IfModule>");

    ck_assert_msg(found != NULL && found < end, "no %s", directive);
    return strtol(found + 6 + strlen(directive), NULL, 10);
}

static const char *section_of(const char *text, const char *mpm) {
    const char *section = strstr(text, keepf("<IfModule mpm_%s_module>", mpm));

    ck_assert_msg(section != NULL, "nothing for %s", mpm);
    return section;
}

/* Old processes that hold somebody keep their places through two reloads
 * (deploy/apache/halley.conf); of prefork a process is a place, whichever reload it is of. */
START_TEST(the_shipped_figures_leave_places_for_what_a_reload_does_not_end) {
    static const char *const mpms[] = {"event", "worker"};
    static const char *const names[] = {"halley.conf", "halley-fcgid.conf"};

    const char *section = section_of(shipped(names[_i / 2]), mpms[_i % 2]);
    long children = figure(section, "MaxRequestWorkers") / figure(section, "ThreadsPerChild");
    ck_assert_int_eq(figure(section, "StartServers"), children);
    ck_assert_int_eq(figure(section, "ServerLimit"), 3 * children);
}
END_TEST

START_TEST(the_shipped_figures_of_mod_fcgid_add_up_under_each_mpm) {
    static const char *const mpms[] = {"event", "worker", "prefork"};
    const char *text = shipped("halley-fcgid.conf");

    for (size_t i = 0; i < 3; i++) {
        const char *section = section_of(text, mpms[i]);
        long threads = figure(section, "MaxRequestWorkers");
        long of_kind = figure(section, "FcgidMaxProcessesPerClass");
        ck_assert_int_ge(threads, KINDS * of_kind + WEBSOCKETS + SITE);
        ck_assert_int_ge(figure(section, "FcgidMaxProcesses"), (KINDS + 1) * of_kind);
        if (i == 2)
            ck_assert_int_eq(figure(section, "ServerLimit"), threads);
    }
}
END_TEST

/* Under mpm_event a process takes new connections while it has fewer than ThreadsPerChild and the
 * factor times its idle threads: with one idle thread, a page that polls for each thread. */
START_TEST(the_shipped_figures_let_pages_that_poll_keep_their_connections) {
    static const char *const names[] = {"halley.conf", "halley-fcgid.conf"};

    const char *section = section_of(shipped(names[_i]), "event");
    ck_assert_int_ge(figure(section, "AsyncRequestWorkerFactor"),
                     2 * figure(section, "ThreadsPerChild"));
}
END_TEST

static struct flight *post_begin(const char *path, const char *type, const char *body) {
    const struct request request = {.method = "POST",
                                    .path = path,
                                    .body = body,
                                    .length = strlen(body),
                                    .headers = {keepf("Content-Type: %s", type)}};
    return http_begin(&lab, &request);
}

static struct flight *hold_engineio(void) {
    const struct answer *answer = http_get(&lab, "/engine.io/?EIO=4&transport=polling");
    char sid[64];

    ck_assert_msg(sscanf(answer->body, "0{\"sid\":\"%63[^\"]\",", sid) == 1, "%s",
                  answer_text(answer));
    return http_get_begin(&lab, "/engine.io/?EIO=4&transport=polling&sid=%s", sid);
}

static struct flight *hold_bayeux(void) {
    const struct answer *answer =
        http_land(post_begin("/bayeux", "application/json",
                             "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                             "\"supportedConnectionTypes\":[\"long-polling\"]}]"));
    const json_t *client = json_object_get(json_array_get(answer->json, 0), "clientId");

    ck_assert_msg(client != NULL, "%s", answer_text(answer));
    return post_begin("/bayeux", "application/json",
                      keepf("[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\","
                            "\"connectionType\":\"long-polling\",\"id\":\"1\"}]",
                            json_string_value(client)));
}

static struct flight *hold(size_t kind) {
    static const char *const reads[] = {"wait", "events", "stream", "multipart", "iframe", "jsonp"};

    if (kind < 6)
        return http_get_begin(&lab, "/comet/%s?channel=open&callback=f&timeout=50", reads[kind]);
    if (kind == 6)
        return post_begin(keepf("/sockjs/room/0/%s/xhr_streaming", keep_fresh("s")), "text/plain",
                          "");
    return kind == 7 ? hold_engineio() : hold_bayeux();
}

static bool all_wait(size_t each) {
    static const char *const kinds[KINDS] = {"wait",  "events", "stream",   "multipart", "iframe",
                                             "jsonp", "sockjs", "engineio", "bayeux"};
    http_pump(20);
    for (size_t i = 0; i < KINDS; i++)
        if (lab_apps_of(&lab, kinds[i]) < each)
            return false;
    return true;
}

/* 60 threads: a share of 8 % of what is not the site's lets 3 of a kind be held, of which 9 wait.
 */
START_TEST(every_kind_is_full_and_the_rest_answers) {
    static const char *const mpms[] = {"event", "worker", "prefork"};
    enum { THREADS = 60, EACH = 3 };
    struct flight *held[KINDS * EACH];
    struct stream *socket;

    begin("apache", mpms[_i], THREADS);
    for (size_t i = 0; i < KINDS * EACH; i++)
        held[i] = hold(i % KINDS);
    socket = stream_open(&lab, BY_WEB, WS, "channel=open", NULL);
    until(all_wait(EACH), "not every kind has its processes");
    stream_reach_start(socket);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(http_get(&lab, "/halley.js")->status, 200);
        must_be_batch(http_get(&lab, "/comet/poll?channel=open"));
        ck_assert_int_eq(http_post(&lab, "1", 1, "/comet/publish?channel=open%d", round)->status,
                         200);
    }
    for (size_t i = 0; i < KINDS * EACH; i++) {
        ck_assert_msg(!http_landed(held[i]) || http_land(held[i])->status == 200, "kind %zu: %s",
                      i % KINDS, answer_text(http_land(held[i])));
        if (!http_landed(held[i]))
            http_abandon(held[i]);
    }
    stream_close(socket);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("apache");
    TCase *site = e2e_case(suite, "site", NULL, NULL);
    TCase *figures = e2e_case(suite, "figures", NULL, NULL);

    tcase_add_checked_fixture(site, NULL, teardown);
    tcase_add_loop_test(
        site, a_login_for_the_sites_folder_is_wanted_for_halley_and_its_rewriting_is_not, 0, 2);
    tcase_add_loop_test(site, what_the_site_allows_of_a_body_makes_no_message_shorter, 0, 9);
    tcase_add_checked_fixture(figures, NULL, teardown);
    tcase_add_loop_test(figures, the_shipped_figures_leave_places_for_what_a_reload_does_not_end, 0,
                        4);
    tcase_add_test(figures, the_shipped_figures_of_mod_fcgid_add_up_under_each_mpm);
    tcase_add_loop_test(figures, the_shipped_figures_let_pages_that_poll_keep_their_connections, 0,
                        2);
    tcase_add_loop_test(figures, every_kind_is_full_and_the_rest_answers, 0, 3);
    return e2e_run(suite);
}
