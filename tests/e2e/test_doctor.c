/* halley doctor: what is wrongly configured in a real Redis, in this machine's sockets, or in a
 * real web server is found, named, and nothing else is.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/flow.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct lab lab;

static void teardown(void) {
    lab_close(&lab);
}

/* What it says with these words behind "doctor", and the code that it ends with. */
static json_t *doctor_with(const char *before, const char *words, int *code) {
    const char *const argv[] = {"bash", "-c",
                                keepf("%s exec '%s' -f '%s' doctor --json %s", before,
                                      lab_program("halley"), lab.conf, words),
                                NULL};
    char *output;

    *code = proc_run(argv, lab_env(&lab, NULL), -1, &output, NULL);
    json_t *said = json_loads(output, 0, NULL);
    ck_assert_msg(said != NULL && json_is_array(json_object_get(said, "findings")), "%s", output);
    return keep(said);
}

static const json_t *found(const json_t *said, const char *id) {
    const json_t *all = json_object_get(said, "findings");

    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *finding = json_array_get(all, i);
        if (strcmp(json_string_value(json_object_get(finding, "id")), id) == 0)
            return finding;
    }
    return NULL;
}

static void must_find(const json_t *said, const char *id, const char *level, const char *fix) {
    const json_t *finding = found(said, id);

    ck_assert_msg(finding != NULL, "no %s in %s", id, json_dumps(said, 0));
    ck_assert_str_eq(json_string_value(json_object_get(finding, "level")), level);
    ck_assert_msg(strstr(json_string_value(json_object_get(finding, "fix")), fix) != NULL, "%s",
                  json_dumps(finding, 0));
    ck_assert(json_string_length(json_object_get(finding, "text")) > 10);
    ck_assert(json_string_length(json_object_get(finding, "layer")) > 2);
}

/* These, and nothing else but what the machine of the test may lack. */
static void must_find_only(const json_t *said, const char *const *ids) {
    const json_t *all = json_object_get(said, "findings");

    for (size_t i = 0; i < json_array_size(all); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(all, i), "id"));
        bool expected = strcmp(id, "descriptors") == 0;
        for (const char *const *at = ids; *at != NULL; at++)
            expected |= strcmp(*at, id) == 0;
        ck_assert_msg(expected, "%s in %s", id, json_dumps(said, JSON_INDENT(1)));
    }
}

/* --- Redis ------------------------------------------------------------------------------- */

static void begin(enum redis_keeps keeps) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "doctor");
    lab_redis(&lab, keeps);
}

START_TEST(a_redis_that_is_not_as_it_should_be_is_found) {
    int code;

    begin(REDIS_KEEPS_NOTHING);
    store_do(&lab, "CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lru");
    const json_t *said = doctor_with("", "", &code);
    ck_assert_int_eq(code, 1);
    must_find(said, "redis-eviction", "error", "maxmemory-policy noeviction");
    must_find(said, "redis-persistence", "warning", "appendonly yes");
    must_find(said, "functions", "error", "halley-worker");
    must_find(said, "worker", "error", "systemctl enable --now halley-worker");
    store_do(&lab, "CONFIG SET maxmemory 0 maxmemory-policy noeviction appendonly yes");
    lab_worker(&lab, 0);
    lab_app(&lab, 0);
    flow_until_well(&lab);
    said = doctor_with("", "", &code);
    must_find_only(said, (const char *const[]){NULL});
    ck_assert_int_eq(code, found(said, "descriptors") != NULL);
}
END_TEST

START_TEST(rights_that_are_missing_are_found) {
    int code;

    begin(REDIS_KEEPS_AOF);
    lab_worker(&lab, 0);
    store_do(&lab, "ACL SETUSER poor on >poor ~halley* &* +@all -publish -pubsub");
    lab_set(&lab, "REDIS", keepf("unix:%s?user=poor&password=poor", lab.redis_socket));
    const json_t *said = doctor_with("", "", &code);
    must_find(said, "redis-rights", "error", "halley.conf(5)");
    ck_assert_int_eq(code, 1);
}
END_TEST

START_TEST(a_redis_of_somebody_else_or_of_nobody_is_found) {
    int code;

    begin(REDIS_KEEPS_AOF);
    store_do(&lab, "SET halley.prefix %s", "other 0 0");
    must_find(doctor_with("", "", &code), "redis-prefix", "error", "prefix");
    ck_assert_int_eq(code, 1);
    proc_stop(&lab.redis, SIGTERM);
    must_find(doctor_with("", "", &code), "redis", "error", "redis = ");
    ck_assert_int_eq(code, 1);
}
END_TEST

/* --- this machine -------------------------------------------------------------------------- */

START_TEST(sockets_and_descriptors_are_looked_at) {
    int code;

    begin(REDIS_KEEPS_AOF);
    lab_worker(&lab, 0);
    lab_set(&lab, "LISTEN", keepf("unix:%s/nobody.sock", lab.dir));
    const json_t *said = doctor_with("ulimit -n 500;", "", &code);
    must_find(said, "sockets", "error", "halley.socket");
    must_find(said, "descriptors", "warning", "LimitNOFILE");
    lab_app(&lab, 0); /* opened to everybody */
    lab_set(&lab, "LISTEN", keepf("unix:%s", lab.app_socket[0]));
    must_find(doctor_with("", "", &code), "sockets", "warning", "0660");
    chmod(lab.app_socket[0], 0660);
    ck_assert_ptr_null(found(doctor_with("", "", &code), "sockets"));
}
END_TEST

START_TEST(what_is_no_address_is_refused) {
    const char *const argv[] = {lab_program("halley"), "doctor", "127.0.0.1", NULL};
    const char *const long_one[] = {lab_program("halley"), "doctor", "--limit", "61", NULL};

    ck_assert_int_eq(proc_run(argv, environ, -1, NULL, NULL), 2);
    ck_assert_int_ne(proc_run(long_one, environ, -1, NULL, NULL), 0);
}
END_TEST

/* --- web servers ------------------------------------------------------------------------------ */

static void begin_web(const char *server, int threads) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "doctor");
    lab.tls_port = lab_free_port();
    lab.threads = threads;
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_AOF);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 1);
    /* the address that the server has is named in its configuration alone */
    until(strstr(http_get(&lab, "/comet/info")->body, "\"ws\"") != NULL, "no WebSockets");
}

/* Whether nobody is left who has read the configuration before: many answers, none of theirs. */
static bool all_read_it(void) {
    for (int i = 0; i < 40; i++)
        if (answer_header(http_get(&lab, "/halley.js"), "X-Again") == NULL)
            return false;
    return true;
}

/* Edits the server's configuration and has it read again. */
static void misconfigure(const char *file, const char *script, const char *mark) {
    const char *conf = keepf("%s/%s/%s", lab.dir, lab.server, file);
    const char *const argv[] = {"sed", "-i", "-E", keepf("%s; %s", script, mark), conf, NULL};

    ck_assert_int_eq(proc_run(argv, environ, -1, NULL, NULL), 0);
    proc_signal(&lab.web, SIGHUP);
    until(all_read_it(), "no reload");
}

static void misconfigure_nginx(const char *script) {
    misconfigure("nginx.conf", script, "s/^http \\{/&\\nadd_header X-Again yes always;/");
}

static json_t *look(const char *address, int *code) {
    return doctor_with("", keepf("%s --limit 10", address), code);
}

static char *plain(void) {
    return keepf("http://127.0.0.1:%d", lab.port);
}

static char *secured(void) {
    return keepf("https://127.0.0.1:%d", lab.tls_port);
}

START_TEST(an_nginx_as_it_is_shipped_has_no_finding) {
    int code;

    begin_web("nginx", 0);
    const json_t *said = look(plain(), &code);
    must_find_only(said, (const char *const[]){NULL});
    must_find_only(look(keepf("%s/comet/", secured()), &code), (const char *const[]){NULL});
    said = look(keepf("%s/elsewhere", plain()), &code);
    must_find(said, "web", "error", "mount");
    proc_stop(&lab.redis, SIGTERM);
    until(http_get(&lab, "/comet/health")->status == 503, "health stays well");
    said = look(plain(), &code);
    must_find(said, "redis", "error", "redis");
    must_find(said, "health", "error", "log");
}
END_TEST

START_TEST(an_nginx_that_takes_things_away_is_found) {
    int code;

    begin_web("nginx", 0);
    misconfigure_nginx("s/fastcgi_read_timeout 90s;/fastcgi_read_timeout 4s;/; "
                       "/HTTP_LAST_EVENT_ID/d; /large_client_header_buffers/d; "
                       "s/client_max_body_size 17m;/client_max_body_size 1k;/; "
                       "/proxy_set_header Upgrade/d");
    const json_t *said = look(plain(), &code);
    ck_assert_int_eq(code, 1);
    must_find(said, "idle", "error", "fastcgi_read_timeout");
    must_find(said, "last-event-id", "error", "HTTP_LAST_EVENT_ID");
    must_find(said, "header-size", "error", "large_client_header_buffers");
    must_find(said, "body-size", "error", "client_max_body_size");
    must_find(said, "websocket", "warning", "Upgrade");
    /* on a slow machine the silence is over before a stream is looked at */
    must_find_only(said, (const char *const[]){"buffering", "idle", "last-event-id", "header-size",
                                               "body-size", "websocket", "capacity", NULL});
}
END_TEST

START_TEST(an_nginx_that_is_too_small_and_deaf_is_found) {
    int code;

    begin_web("nginx", 0);
    misconfigure_nginx("s/worker_connections .*/worker_connections 60;/; "
                       "s/fastcgi_buffering off;/&\\nfastcgi_ignore_client_abort on;/; "
                       "s/^( *)listen .* ssl http2;/&\\nhttp2_max_concurrent_streams 4;/");
    const json_t *said = look(secured(), &code);
    must_find(said, "capacity", "error", "worker_connections");
    must_find(said, "leavers", "warning", "ignore_client_abort");
    must_find(said, "http2", "note", "share");
    must_find_only(said, (const char *const[]){"capacity", "leavers", "http2", NULL});
}
END_TEST

START_TEST(an_apache_that_holds_streams_back_is_found) {
    int code;

    begin_web("apache-proxy", 0);
    misconfigure("apache.conf",
                 "s/flushpackets=on//; s/^Define site.*/Header always set X-Again yes\\n&/", "");
    const json_t *said = look(plain(), &code);
    ck_assert_int_eq(code, 1);
    must_find(said, "buffering", "error", "flushpackets=on");
    must_find_only(said, (const char *const[]){"buffering", "leavers", NULL});
}
END_TEST

/* mod_fcgid says that such a body is empty. */
START_TEST(an_apache_that_cuts_messages_off_is_found) {
    int code;

    begin_web("apache", 0);
    misconfigure("apache.conf",
                 "s/LimitRequestBody 0/LimitRequestBody 1000/; "
                 "s/^Define site.*/Header always set X-Again yes\\n&/",
                 "");
    must_find(look(plain(), &code), "body-size", "error", "LimitRequestBody");
    ck_assert_int_eq(code, 1);
}
END_TEST

START_TEST(an_apache_with_too_few_threads_is_found) {
    int code;

    begin_web("apache-proxy", 24);
    const json_t *said = look(plain(), &code);
    ck_assert_int_eq(code, 1);
    must_find(said, "capacity", "error", "MaxRequestWorkers");
    must_find_only(said, (const char *const[]){"capacity", "leavers", "idle", NULL});
}
END_TEST

int main(void) {
    Suite *suite = suite_create("doctor");
    TCase *redis = e2e_case(suite, "redis", NULL, NULL);
    TCase *machine = e2e_case(suite, "machine", NULL, NULL);
    TCase *web = e2e_case(suite, "web", NULL, NULL);

    tcase_add_checked_fixture(redis, NULL, teardown);
    tcase_add_test(redis, a_redis_that_is_not_as_it_should_be_is_found);
    tcase_add_test(redis, rights_that_are_missing_are_found);
    tcase_add_test(redis, a_redis_of_somebody_else_or_of_nobody_is_found);
    tcase_add_checked_fixture(machine, NULL, teardown);
    tcase_add_test(machine, sockets_and_descriptors_are_looked_at);
    tcase_add_test(machine, what_is_no_address_is_refused);
    tcase_add_checked_fixture(web, NULL, teardown);
    tcase_add_test(web, an_nginx_as_it_is_shipped_has_no_finding);
    tcase_add_test(web, an_nginx_that_takes_things_away_is_found);
    tcase_add_test(web, an_nginx_that_is_too_small_and_deaf_is_found);
    tcase_add_test(web, an_apache_that_holds_streams_back_is_found);
    tcase_add_test(web, an_apache_that_cuts_messages_off_is_found);
    tcase_add_test(web, an_apache_with_too_few_threads_is_found);
    return e2e_run(suite);
}
