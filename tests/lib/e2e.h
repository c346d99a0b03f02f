#ifndef HALLEY_TESTS_E2E_H
#define HALLEY_TESTS_E2E_H

#include <check.h>
#include <stdbool.h>

/* Runs a suite as a test program's whole main(): on failure prints the logs of
 * everything that the tests started. Returns main()'s exit code. */
int e2e_run(Suite *suite);

/* A tcase whose tests share what `setup` starts. */
TCase *e2e_case(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void));

/* The same tests on lighttpd, lighttpd-socket, nginx, apache, caddy, and without any of them on
 * Halley's own HTTP ("http"). */
void e2e_on_each_server(Suite *suite, void (*setup)(const char *server), void (*teardown)(void),
                        void (*add_tests)(TCase *));

/* The same tests on the three servers of other systems' clients: lighttpd-socket, nginx, apache. */
void e2e_on_dialects_servers(Suite *suite, void (*setup)(const char *server),
                             void (*teardown)(void), void (*add_tests)(TCase *));

/* From now on the programs are those that have the test services too. */
void e2e_take_test_services(void);

/* Whether `add_tests` is adding for that one: some tests need a web server. */
bool e2e_adds_for(const char *server);

/* The servers, for loop tests: e2e_servers[_i]. All but the last serve pages too. The first of them
 * hold a waiting browser without a thread for it, and notice when it leaves. */
enum { E2E_SERVERS = 6, E2E_THREADLESS = 3, E2E_SITES = 5 };
extern const char *const e2e_servers[E2E_SERVERS];

#endif
