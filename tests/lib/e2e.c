/* What all end-to-end programs have in common: how a suite is run, and how a
 * tcase gets its servers.
 *
 * Check forks for each test; what a tcase shares is started before that, in
 * the runner (an unchecked fixture), so thirty tests cost one web server. A
 * failure inside the harness ends the test as ck_assert() would.
 */
#include "tests/lib/e2e.h"

#include "tests/lib/keep.h"
#include "tests/lib/lab.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEST_SECONDS = 300 };

const char *const e2e_servers[E2E_SERVERS] = {"lighttpd", "lighttpd-socket", "nginx",
                                              "apache",   "caddy",           "http"};

static void (*setup_on)(const char *server);
static const char *adding; /* the server whose tests are being added */

static void on_lighttpd(void) {
    setup_on("lighttpd");
}

static void on_lighttpd_socket(void) {
    setup_on("lighttpd-socket");
}

static void on_nginx(void) {
    setup_on("nginx");
}

static void on_apache(void) {
    setup_on("apache");
}

static void on_caddy(void) {
    setup_on("caddy");
}

static void on_http(void) {
    setup_on("http");
}

TCase *e2e_case(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void)) {
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, TEST_SECONDS);
    if (setup || teardown)
        tcase_add_unchecked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    return tcase;
}

void e2e_on_each_server(Suite *suite, void (*setup)(const char *server), void (*teardown)(void),
                        void (*add_tests)(TCase *)) {
    static void (*const begin[E2E_SERVERS])(void) = {on_lighttpd, on_lighttpd_socket, on_nginx,
                                                     on_apache,   on_caddy,           on_http};

    setup_on = setup;
    for (int i = 0; i < E2E_SERVERS; i++) {
        adding = e2e_servers[i];
        add_tests(e2e_case(suite, adding, begin[i], teardown));
    }
}

void e2e_on_dialects_servers(Suite *suite, void (*setup)(const char *server),
                             void (*teardown)(void), void (*add_tests)(TCase *)) {
    setup_on = setup;
    add_tests(e2e_case(suite, "lighttpd", on_lighttpd_socket, teardown));
    add_tests(e2e_case(suite, "nginx", on_nginx, teardown));
    add_tests(e2e_case(suite, "apache", on_apache, teardown));
}

void e2e_take_test_services(void) {
    const char *bin = getenv("HALLEY_BIN_DIR");
    setenv("HALLEY_BIN_DIR", keepf("%s/test", bin != NULL ? bin : "build"), 1);
}

bool e2e_adds_for(const char *server) {
    return strcmp(adding, server) == 0;
}

static void tell_check(const char *file, int line, const char *message) {
    ck_abort_msg("%s:%d: %s", file, line, message);
}

int e2e_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    int failed;

    on_failure = tell_check;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    lab_base();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    if (failed)
        lab_print_logs();
    lab_remove_all();
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
