/* Saturation: three times as many pages as Apache has threads for, and nobody gets an error, nobody
 * who did not ask for it waits, the rest of the site answers, and every page has every message.
 * tests/bench/saturation.c is the same with the figures that are shipped.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/visitors.h"

#include <string.h>

enum { THREADS = 48, OFFERED = 3 * THREADS };

static struct lab lab;

static void saturate(const char *server, enum visit what) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "full");
    lab.threads = THREADS;
    lab_set(&lab, "RETRY", "1000");
    if (strcmp(server, "apache-proxy") == 0) {
        lab_set(&lab, "THREADS", keepf("%d", THREADS));
        lab_set(&lab, "RESERVE", "16");
    }
    lab_all(&lab, "full", server);
    struct visitors *visitors = visitors_begin(&lab, what, OFFERED, keep_fresh("open"));
    struct visits sum = visitors_run(visitors, 2, 60);
    visitors_end(visitors);
    lab_close(&lab);
    ck_assert_msg(sum.errors == 0, "%zu errors, the first: %s", sum.errors, sum.what);
    ck_assert_msg(sum.missed == 0 && sum.doubled == 0, "%zu missed, %zu doubled", sum.missed,
                  sum.doubled);
    ck_assert_uint_gt(sum.retries, 0);
    /* 20 ms by mod_proxy_fcgi, 3 s by mod_fcgid; whom that lets wait for a process, 64 s */
    ck_assert_msg(sum.slowest < 30000 && sum.overdue < 30000, "%.0f ms, %.0f ms", sum.slowest,
                  sum.overdue);
    ck_assert_uint_gt(sum.published, 0);
}

START_TEST(behind_mod_proxy_fcgi_nobody_gets_an_error) {
    saturate("apache-proxy", (enum visit)_i);
}
END_TEST

START_TEST(behind_mod_fcgid_nobody_gets_an_error) {
    saturate("apache", (enum visit)_i);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("saturation");
    TCase *tcase = e2e_case(suite, "saturation", NULL, NULL);

    tcase_add_loop_test(tcase, behind_mod_proxy_fcgi_nobody_gets_an_error, 0, VISITS);
    tcase_add_loop_test(tcase, behind_mod_fcgid_nobody_gets_an_error, 0, VISITS);
    return e2e_run(suite);
}
