/* The web server is told to read its configuration anew, while hundreds of pages are held and
 * messages come: every page has every message once, in order, nobody gets an error, and what is
 * asked for beside them is answered.
 *
 * A reload has happened when the site's page is the one of the new configuration. Pages come back
 * when a browser would: an EventSource after what its stream asked for, halley.js at once behind an
 * answer. doc/reloads.md says what to expect of each server; to measure it there,
 *
 *     RELOAD_PAGES=1000 CK_RUN_CASE=apache build/tests/e2e/test_web_reload
 *
 * prints the figures, of which nothing is asserted.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/reader.h"
#include "tests/lib/store.h"
#include "tests/lib/swarm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 300, PAGES_MOST = 2000, MESSAGE_EVERY_MS = 250, ASK_EVERY_MS = 20, PIDS = 128 };
enum { DESCRIPTORS = 20000, RETRY_MS = 1000 };

/* Something of the site that is asked for again and again. */
struct probe {
    const char *what;
    struct flight *flight;
    int64_t due_ms;
    int answered;
    double longest; /* seconds */
};
enum { A_FILE, A_PUBLISH, PROBES };

static const struct place {
    const char *server, *process;
    int signal;
} places[] = {
    {"lighttpd-socket", "lighttpd", SIGUSR1},
    {"nginx", "nginx", SIGHUP},
    {"apache-proxy", "apache2", SIGUSR1},
};
enum { LIGHTTPD, NGINX, APACHE, PLACES };

/* Whether halley.fcgi is told, too, so that who is held comes to his end. */
enum telling { THE_SERVER_ALONE, HALLEY_TOO };

static struct lab lab;
static const struct place *place;
static struct reader pages[PAGES_MOST];
static struct probe probes[PROBES];
static size_t count; /* of pages */
static int sent;     /* messages */
static int64_t message_due_ms;
static bool publishing;
static int site, seen_site; /* the page that is configured; the one that is served */

/* --- pages, messages, and the site beside them ----------------------------------------------- */

static size_t pages_wanted(void) {
    const char *wanted = getenv("RELOAD_PAGES");
    int number = wanted != NULL ? atoi(wanted) : PAGES;

    ck_assert_msg(number > 0 && number <= PAGES_MOST, "RELOAD_PAGES: 1 to %d", PAGES_MOST);
    return (size_t)number;
}

static struct flight *ask(int which) {
    if (which == A_FILE)
        return http_get_begin(&lab, "/page.txt");
    return http_begin(&lab, &(struct request){.method = "POST",
                                              .path = "/comet/publish?channel=room_beside",
                                              .body = "1",
                                              .length = 1});
}

static void take_answer(int which) {
    struct probe *probe = &probes[which];
    const struct answer *answer = http_land(probe->flight);

    probe->flight = NULL;
    ck_assert_msg(answer->status == 200, "%s: %s", probe->what, answer_text(answer));
    if (which == A_FILE)
        seen_site = atoi(answer->body);
    probe->answered++;
    probe->longest = answer->seconds > probe->longest ? answer->seconds : probe->longest;
    probe->due_ms = now_ms() + ASK_EVERY_MS;
}

static void turn_probe(int which, int64_t now) {
    struct probe *probe = &probes[which];

    if (probe->flight == NULL && now >= probe->due_ms)
        probe->flight = ask(which);
    if (probe->flight != NULL && http_landed(probe->flight))
        take_answer(which);
}

static void turn(void) {
    int64_t now = now_ms();

    http_pump(1);
    if (publishing && now >= message_due_ms) {
        store_add(&lab, "room", keepf("%d", ++sent));
        message_due_ms = now + MESSAGE_EVERY_MS;
    }
    for (int i = 0; i < PROBES; i++)
        turn_probe(i, now);
    for (size_t i = 0; i < count; i++)
        reader_turn(&pages[i]);
}

static bool all_have(int number) {
    turn();
    for (size_t i = 0; i < count; i++)
        if (pages[i].last < number)
            return false;
    return true;
}

static size_t held(void) {
    const struct answer *status = http_get(&lab, "/comet/status");

    ck_assert_msg(status->status == 200, "%s", answer_text(status));
    return (size_t)json_integer_value(json_object_get(status->json, "waiters"));
}

/* Every page is, and has what was sent; whoever was cut off is no longer held for nobody. */
static void reach_everybody(void) {
    publishing = false;
    until(all_have(sent), "not all have all %d", sent);
    until((turn(), held() == count), "%zu of %zu are held", held(), count);
    publishing = true;
}

/* --- reloading ------------------------------------------------------------------------------- */

static void write_page(const char *folder) {
    FILE *file = fopen(keepf("%s/page.txt", folder), "w");

    ck_assert(file != NULL && fprintf(file, "%d\n", site) > 0 && fclose(file) == 0);
}

static void configure(void) {
    const char *folder = keepf("%s/site%d", lab.dir, ++site);

    lab_pages(&lab, folder);
    write_page(folder);
}

static void reload(enum telling telling) {
    configure();
    proc_signal(&lab.web, place->signal);
    if (telling == HALLEY_TOO)
        proc_signal(&lab.app[0], SIGHUP);
}

static void reload_twice(enum telling telling) {
    reload(telling);
    reload(telling);
}

static void reach_reloaded(void) {
    until((turn(), seen_site == site), "%s still serves page %d, not %d", place->server, seen_site,
          site);
}

/* Processes that serve, which a reload replaces. */
static size_t serving(pid_t *pids) {
    return proc_family(lab.web.pid, place->process, pids, PIDS);
}

static bool any_of(const pid_t *before, size_t many) {
    pid_t now[PIDS];
    size_t these = serving(now);

    for (size_t i = 0; i < these; i++)
        for (size_t j = 0; j < many; j++)
            if (now[i] == before[j])
                return true;
    return false;
}

static void reach_end_of(const pid_t *before, size_t many) {
    until((turn(), !any_of(before, many)), "a process from before the reload still runs");
}

/* --- a lab ----------------------------------------------------------------------------------- */

static void begin_pages(void) {
    static const enum transport kinds[] = {WAIT, EVENTS, WAIT, EVENTS, WS};

    count = pages_wanted();
    for (size_t i = 0; i < count; i++) {
        reader_begin(&pages[i], &lab, BY_WEB, kinds[i % 5], "room");
        pages[i].obeys = true;
    }
    reach_everybody();
}

/* A quarter more than pages, so that these hold some of each of its processes: all but nine tenths
 * of what is not reserved (32), beyond which who comes is told to poll. */
static void limit_threads(void) {
    lab.threads = (int)(pages_wanted() * 5 / 4 + 63) / 64 * 64;
    lab_set(&lab, "THREADS", keepf("%d", lab.threads));
}

static void begin(const struct place *of) {
    place = of;
    swarm_allow(DESCRIPTORS);
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "web_reload");
    lab_conf(&lab, "[channel room*]\npublish = anyone\n");
    lab_set(&lab, "RETRY", keepf("%d", RETRY_MS));
    lab_set(&lab, "LISTEN_MODE", "0666"); /* the web server is another user */
    lab_websockets(&lab);
    lab.bare_root = true;
    if (of == &places[APACHE])
        limit_threads();
    lab_all(&lab, "web_reload", of->server);
    probes[A_FILE] = (struct probe){.what = "the page"};
    probes[A_PUBLISH] = (struct probe){.what = "a publish"};
    write_page(keepf("%s/%s/root", lab.dir, lab.server));
    begin_pages();
}

static void teardown(void) {
    for (size_t i = 0; i < count; i++)
        reader_end(&pages[i]);
    lab_close(&lab);
}

/* --- what was seen --------------------------------------------------------------------------- */

static void tell(void) {
    size_t opened = 0, cut = 0, refused = 0;

    for (size_t i = 0; i < count; i++) {
        opened += pages[i].opened;
        cut += pages[i].cut;
        refused += pages[i].refused;
    }
    if (getenv("RELOAD_PAGES") != NULL)
        printf("%s: %zu pages, %d messages; a file %.3f s at most (%d asked), a publish %.3f s "
               "(%d); %zu connections, %zu cut, %zu of them before an answer began\n",
               place->server, count, sent, probes[A_FILE].longest, probes[A_FILE].answered,
               probes[A_PUBLISH].longest, probes[A_PUBLISH].answered, opened, cut, refused);
}

static void must_be_unharmed(const struct reader *page) {
    reader_must_have(page, sent);
    ck_assert_msg(page->gaps == 0 && page->failed == 0 && page->unheard == 0,
                  "%s: %zu gaps, %zu times 5xx, %zu times nobody listened",
                  transports[page->transport].name, page->gaps, page->failed, page->unheard);
}

/* Every message, to each of them, once, in order; and what was published beside them is there. */
static void must_have_all(void) {
    reach_everybody();
    publishing = false;
    tell();
    for (size_t i = 0; i < count; i++)
        must_be_unharmed(&pages[i]);
    ck_assert_int_ge(store_held(&lab, "room_beside"), probes[A_PUBLISH].answered);
}

/* --- the tests ------------------------------------------------------------------------------- */

static void reach_reloaded_and_more(void) {
    enum { MORE = 3 };

    reach_reloaded();
    int wanted = sent + MORE;
    until((turn(), sent >= wanted), "only %d are sent", sent);
    reach_everybody();
}

/* What each stream asked of its page, which then came back after that time: not all the same. */
static void must_be_spread(void) {
    int least = RETRY_MS, most = RETRY_MS;

    for (size_t i = 0; i < count; i++) {
        int asked = pages[i].retry_ms;
        ck_assert_msg(asked == 0 || asked >= RETRY_MS / 2, "%d ms", asked);
        least = asked > 0 && asked < least ? asked : least;
        most = asked > most ? asked : most;
    }
    ck_assert_msg(count < PAGES || most - least > RETRY_MS / 2, "all return after %d to %d ms",
                  least, most);
}

START_TEST(a_reload_loses_nothing_and_refuses_nobody) {
    pid_t before[PIDS];

    begin(&places[_i]);
    size_t many = serving(before);
    reload(THE_SERVER_ALONE);
    reach_reloaded_and_more();
    if (_i != LIGHTTPD) { /* which waits for five seconds each time */
        reload_twice(THE_SERVER_ALONE);
        reach_reloaded_and_more();
    }
    if (_i == NGINX) /* after worker_shutdown_timeout */
        reach_end_of(before, many);
    must_have_all();
}
END_TEST

/* As the drop-in of deploy/systemd has it: who is held is answered, and the server can go on. */
START_TEST(so_does_one_of_which_halley_is_told) {
    pid_t before[PIDS];

    begin(&places[_i]);
    size_t many = serving(before);
    reload(HALLEY_TOO);
    reach_reloaded_and_more();
    must_be_spread();
    reload_twice(HALLEY_TOO);
    reach_reloaded_and_more();
    if (_i == APACHE)
        reach_end_of(before, many);
    must_have_all();
}
END_TEST

int main(void) {
    static const char *const names[PLACES] = {"lighttpd", "nginx", "apache"};
    Suite *suite = suite_create("web_reload");

    for (int i = 0; i < PLACES; i++) {
        TCase *tcase = e2e_case(suite, names[i], NULL, NULL);
        tcase_add_checked_fixture(tcase, NULL, teardown);
        tcase_add_loop_test(tcase, a_reload_loses_nothing_and_refuses_nobody, i, i + 1);
        if (i != NGINX)
            tcase_add_loop_test(tcase, so_does_one_of_which_halley_is_told, i, i + 1);
    }
    return e2e_run(suite);
}
