/* Runs the tests of one program. Check forks for each test, so a test leaves
 * nothing behind for the next one, and a crash is the failure of one test. What
 * a helper of tests/lib finds wrong ends the test like an assertion of its own.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/keep.h"

enum { TEST_SECONDS = 60 };

static void tell_check(const char *file, int line, const char *message) {
    ck_abort_msg("%s:%d: %s", file, line, message);
}

int unit_run(const char *name, const TTest *const *tests, size_t count) {
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    SRunner *runner = srunner_create(suite);

    on_failure = tell_check;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    tcase_set_timeout(tcase, TEST_SECONDS);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

unsigned unit_number(const char *name, unsigned otherwise) {
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}
