/* What becomes of a site that is offered three times what its Apache can hold, as waits, as streams
 * and as both: errors, how long whoever did not ask to wait did wait, and whether every page has
 * every message. By mod_proxy_fcgi and mod_fcgid, on each MPM, with the figures that are shipped
 * and with Debian's 150 threads. tests/e2e/test_saturation.c is a small form of it.
 *
 *     make bench ONLY=saturation               all of it, a quarter of an hour and some 4 GB
 *     HALLEY_SATURATION=150,event build/tests/bench/saturation     what has these words in its name
 */
#include "tests/lib/keep.h"
#include "tests/lib/swarm.h"
#include "tests/lib/visitors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALONE = 4, WARM = 12, SECONDS = 8, PATIENCE = 60 };
#define SITE_MS 150.0 /* the site's p99 may be this, or so many times what it is by itself */
#define TIMES   3.0
#define LONGEST 5000.0 /* milliseconds of what asked for no time */

static const struct deployment {
    const char *server, *mpm;
    int threads;  /* 0: as shipped */
    int shipped;  /* how many that is */
    int capacity; /* requests of one kind that can be held with these figures */
} deployments[] = {
    {"apache-proxy", "event", 150, 0, 100},   {"apache-proxy", "worker", 150, 0, 100},
    {"apache-proxy", "prefork", 150, 0, 100}, {"apache", "event", 150, 0, 100},
    {"apache", "worker", 150, 0, 100},        {"apache", "prefork", 150, 0, 100},
    {"apache-proxy", "event", 0, 2048, 1900}, {"apache-proxy", "worker", 0, 2048, 1900},
    {"apache-proxy", "prefork", 0, 512, 450}, {"apache", "event", 0, 4096, 356},
    {"apache", "worker", 0, 4096, 356},       {"apache", "prefork", 0, 1024, 57}};

static const char *const loads[VISITS] = {"waits", "streams", "both"};

static struct lab lab;
static int bad;

/* Words with commas between, all of which must stand in the name; NULL: any will do. */
static bool wanted(const char *name) {
    const char *words = getenv("HALLEY_SATURATION");
    char *rest = keepf("%s", words != NULL ? words : ""), *save = NULL;

    for (char *word = strtok_r(rest, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
        if (strstr(name, word) == NULL)
            return false;
    }
    return true;
}

/* Whether the rest of the site did not notice. */
static bool site_holds(const struct visits *sum) {
    for (size_t i = 0; i < 3; i++) {
        double most = TIMES * sum->alone[i] > SITE_MS ? TIMES * sum->alone[i] : SITE_MS;
        if (sum->site[i] > most)
            return false;
    }
    return true;
}

static bool holds(const struct visits *sum) {
    return sum->errors == 0 && sum->missed == 0 && sum->doubled == 0 && sum->slowest <= LONGEST &&
           site_holds(sum);
}

static void print(const char *name, size_t pages, const struct visits *sum) {
    printf("%-38s %5zu pages  errors %zu  retry %zu  slowest %5.0f ms  messages %zu, missed %zu, "
           "doubled %zu\n%38s p99 of a file %.0f ms (alone %.0f), a poll %.0f (%.0f), a publish "
           "%.0f (%.0f): %s%s%s\n",
           name, pages, sum->errors, sum->retries, sum->slowest, sum->published, sum->missed,
           sum->doubled, "", sum->site[0], sum->alone[0], sum->site[1], sum->alone[1], sum->site[2],
           sum->alone[2], holds(sum) ? "holds" : "DOES NOT HOLD", sum->errors ? "  " : "",
           sum->what);
    fflush(stdout);
}

static void measure(const struct deployment *on, enum visit what) {
    bool proxy = strcmp(on->server, "apache-proxy") == 0;
    int threads = on->threads != 0 ? on->threads : on->shipped;
    const char *name = keepf("%s %s %d%s %s", proxy ? "proxy_fcgi" : "fcgid", on->mpm, threads,
                             on->threads == 0 ? " (shipped)" : "", loads[what]);

    if (!wanted(name))
        return;
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "saturation");
    lab.threads = on->threads;
    lab.mpm = on->mpm;
    if (proxy) {
        lab_set(&lab, "THREADS", keepf("%d", threads));
        lab_set(&lab, "RESERVE", keepf("%d", threads - on->capacity));
    }
    lab_all(&lab, "saturation", on->server);
    struct visitors *visitors =
        visitors_begin(&lab, what, 3 * (size_t)on->capacity, keep_fresh("open"));
    visitors_alone(visitors, ALONE);
    visitors_warm(visitors, WARM);
    struct visits sum = visitors_run(visitors, SECONDS, PATIENCE);
    visitors_end(visitors);
    lab_close(&lab);
    print(name, 3 * (size_t)on->capacity, &sum);
    bad += !holds(&sum);
}

int main(void) {
    swarm_allow(16000);
    for (size_t i = 0; i < sizeof deployments / sizeof deployments[0]; i++) {
        for (int what = 0; what < VISITS; what++)
            measure(&deployments[i], (enum visit)what);
    }
    lab_remove_all();
    if (bad > 0)
        printf(
            "%d of these do not hold: an error, a message missed, 5 s for what asked for none, or "
            "a p99 of the site above 150 ms and three times its own\n",
            bad);
    return bad > 0;
}
