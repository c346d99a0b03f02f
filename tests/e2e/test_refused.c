/* A Redis that lets the programs in, or nearly, and then refuses them: a right is missing, a
 * password is wrong, there is no room. They ask seldom, say why once, and go on by themselves
 * when it is over, whether it was so when they began or comes later.
 *
 * Each row has a Redis, a worker and an application of its own; all of them are refused at the
 * same time, so that the seconds in which they are watched are spent once.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/flow.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <stdio.h>
#include <string.h>

enum {
    WATCHED_MS = 4000,
    CONNECTIONS = 80, /* in that time, of five that try again; there were thousands */
    CAUSES = 3,       /* kinds of log lines that may name the cause */
    QUIET_MS = 10000  /* each of them at most once in it */
};

static const struct row {
    const char *name, *rule;
    const char *app;    /* what its log and its health name; NULL: it is not concerned */
    const char *worker; /* the same; it has no health */
} rows[] = {
    {"no channels, as a new user has it", "ACL SETUSER visitor resetchannels", "NOPERM", "NOPERM"},
    {"other channels", "ACL SETUSER visitor resetchannels &other:*", "NOPERM", "NOPERM"},
    {"no scripts", "ACL SETUSER visitor -@scripting", "'fcall", "'fcall"},
    {"little more than the connection", "ACL SETUSER visitor -@all +@connection", "NOPERM",
     "NOPERM"},
    {"no subscriptions", "ACL SETUSER visitor -subscribe -psubscribe", "'subscribe'",
     "'subscribe'"},
    {"no transactions", "ACL SETUSER visitor -multi", NULL, "'multi'"},
    {"no keys", "ACL SETUSER visitor resetkeys ~other*", "at least one of the keys",
     "at least one of the keys"},
    {"another password", "ACL SETUSER visitor resetpass >other", "WRONGPASS", "WRONGPASS"},
    {"switched off", "ACL SETUSER visitor off", "WRONGPASS", "WRONGPASS"},
    {"no room", "CONFIG SET maxclients 1", "max number of clients", "max number of clients"},
};

enum { ROWS = sizeof rows / sizeof *rows };

static struct lab places[ROWS];
static struct flow flows[ROWS];
static int64_t begun_ms[ROWS];
static size_t named[ROWS][2]; /* lines with the cause, of earlier rounds: application, worker */

static void allow(size_t row) {
    store_do(&places[row], "ACL SETUSER visitor reset on >secret ~* &* +@all");
    store_do(&places[row], "CONFIG SET maxclients 1000");
}

/* `rule`, and nobody who came in before it stays. */
static void refuse(size_t row) {
    store_do(&places[row], rows[row].rule);
    store_do(&places[row], "CLIENT KILL TYPE pubsub");
    store_do(&places[row], "CLIENT KILL TYPE normal SKIPME yes");
    begun_ms[row] = now_ms();
}

/* Connections that Redis was asked for until now. */
static long long asked_for(size_t row) {
    const char *stats = store_do(&places[row], "INFO stats")->str;
    long long taken = -1, rejected = -1;

    sscanf(strstr(stats, "total_connections_received:"), "total_connections_received:%lld", &taken);
    sscanf(strstr(stats, "rejected_connections:"), "rejected_connections:%lld", &rejected);
    ck_assert(taken >= 0 && rejected >= 0);
    return taken + rejected;
}

/* Lines that name the cause. */
static size_t naming(size_t row, const char *name, const char *cause) {
    return cause ? flow_lines(&places[row], name, cause) : 0;
}

static void judge_log(size_t row, const char *name, const char *cause, size_t before,
                      size_t named_before) {
    size_t periods = (size_t)(now_ms() - begun_ms[row]) / QUIET_MS + 1;
    size_t lines = flow_lines(&places[row], name, "");

    ck_assert_msg(lines - before <= 4 * CAUSES * periods, "%s: %s logs %zu lines:\n%s",
                  rows[row].name, name, lines - before, flow_log(&places[row], name));
    if (!cause)
        return;
    until(naming(row, name, cause) > named_before, "%s: %s does not name it:\n%s", rows[row].name,
          name, flow_log(&places[row], name));
    lines = naming(row, name, cause) - named_before;
    ck_assert_msg(lines <= CAUSES * periods, "%s: %s names it %zu times:\n%s", rows[row].name, name,
                  lines, flow_log(&places[row], name));
}

/* All of them, while they are refused. */
static void judge_all(void) {
    size_t app_lines[ROWS], worker_lines[ROWS];
    long long before[ROWS];
    int64_t watched_ms = now_ms();

    for (size_t i = 0; i < ROWS; i++) {
        before[i] = asked_for(i);
        app_lines[i] = flow_lines(&places[i], "app0", "");
        worker_lines[i] = flow_lines(&places[i], "worker0", "");
    }
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].app)
            flow_until_ill(&places[i], rows[i].app);
    while (now_ms() - watched_ms < WATCHED_MS)
        pause_ms(50);
    watched_ms = now_ms() - watched_ms;
    for (size_t i = 0; i < ROWS; i++) {
        long long more = asked_for(i) - before[i];

        ck_assert_msg(more <= CONNECTIONS * (watched_ms / WATCHED_MS + 1),
                      "%s: %lld connections in %lld ms", rows[i].name, more, (long long)watched_ms);
        judge_log(i, "app0", rows[i].app, app_lines[i], named[i][0]);
        judge_log(i, "worker0", rows[i].worker, worker_lines[i], named[i][1]);
    }
}

static void must_all_flow(bool first) {
    int64_t since_ms = now_ms();

    for (size_t i = 0; i < ROWS; i++)
        allow(i);
    for (size_t i = 0; i < ROWS; i++) {
        flow_until_well(&places[i]);
        if (first)
            flow_begin(&flows[i], &places[i], &places[i], keep_fresh("open-refused"));
        flow_must_run(&flows[i], rows[i].name, since_ms);
        flow_must_be_whole(&flows[i]);
        named[i][0] = naming(i, "app0", rows[i].app);
        named[i][1] = naming(i, "worker0", rows[i].worker);
    }
}

static void setup(void) {
    for (size_t i = 0; i < ROWS; i++) {
        lab_open(&places[i], "refused");
        lab_redis(&places[i], REDIS_KEEPS_NOTHING);
        lab_set(&places[i], "REDIS",
                keepf("unix:%s?user=visitor&password=secret", places[i].redis_socket));
    }
}

static void teardown(void) {
    for (size_t i = 0; i < ROWS; i++)
        lab_close(&places[i]);
}

START_TEST(whoever_is_refused_asks_seldom_says_why_and_goes_on_when_it_is_over) {
    for (size_t i = 0; i < ROWS; i++) {
        allow(i);
        refuse(i);
        lab_app(&places[i], 0);
        flow_worker(&places[i], 0);
    }
    judge_all();
    must_all_flow(true);
    for (size_t i = 0; i < ROWS; i++)
        refuse(i);
    judge_all();
    must_all_flow(false);
    for (size_t i = 0; i < ROWS; i++)
        flow_end(&flows[i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("refused");
    TCase *tcase = e2e_case(suite, "refused", NULL, NULL);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, whoever_is_refused_asks_seldom_says_why_and_goes_on_when_it_is_over);
    return e2e_run(suite);
}
