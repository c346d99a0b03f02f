/* Secrets stay where they are: what a program was told of passwords, and what visitors bring as
 * tokens, stands in no log, status, cursor, error, list of processes or core file.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PASSWORD "open-sesame-4711"
#define KEY      "0123456789abcdef0123456789abcdef"

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "secrets");
    lab_conf(&lab, keepf("[key k]\nalgorithm = HS256\nfile = %s\n"
                         "[channel mine]\nsubscribe = user\n[service sockjs/x]\n",
                         token_file(KEY)));
    lab_set(&lab, "LOG_LEVEL", "debug");
    lab_set(&lab, "TOKEN_COOKIE", "session");
    lab_set(&lab, "LOG", keepf("%s/own.log", lab.dir));
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_web(&lab, "http", 1);
}

static void teardown(void) {
    lab_close(&lab);
}

static const char *read_file(const char *path) {
    char *text;
    const char *const argv[] = {"cat", path, NULL};

    proc_run(argv, lab_env(&lab, NULL), -1, &text, NULL);
    return text;
}

static const char *token_for(const char *sub, long seconds) {
    return token_of(KEY, keepf("{\"sub\":\"%s\",\"exp\":%ld}", sub, (long)time(NULL) + seconds));
}

/* Any part of it that is long enough to be of use. */
static void must_not_have(const char *text, const char *secret, const char *where) {
    ck_assert_msg(strstr(text, secret) == NULL, "%s: %s", where, text);
    ck_assert_msg(strstr(text, strrchr(secret, '.') + 1) == NULL, "%s: %s", where, text);
}

START_TEST(a_token_is_repeated_nowhere) {
    const char *const tokens[] = {token_for("alice", 600), token_for("alice", -5),
                                  keepf("%sx", token_for("alice", 600)), "no.token.at-all"};

    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        const char *token = tokens[i];
        const struct request requests[] = {
            {.path = keepf("/comet/poll?channel=mine&token=%s", token)},
            {.path = keepf("/comet/events?channel=mine&timeout=0&token=%s&since=wrong", token)},
            {.path = keepf("/comet/none?token=%s", token)},
            {.path = keepf("/sockjs/x/0/abc/none?token=%s", token)},
            {.path = "/comet/poll?channel=mine",
             .headers = {keepf("Authorization: Bearer %s", token)}},
            {.path = "/comet/poll?channel=mine", .headers = {keepf("Cookie: session=%s", token)}},
            {.path = "/comet/poll?channel=mine",
             .headers = {keepf("Referer: http://127.0.0.1/page?token=%s", token)}}};
        for (size_t k = 0; k < sizeof requests / sizeof *requests; k++) {
            const struct answer *answer = http_send(&lab, &requests[k]);
            must_not_have(keepf("%s\n%s", answer->head, answer->body), token, requests[k].path);
        }
        struct websock *socket =
            websock_on(wire_tcp(lab.port), "/comet/ws?channel=other",
                       keepf("Sec-WebSocket-Protocol: halley, bearer.%s\r\n", token));
        websock_reach_status(socket);
        must_not_have(socket->head, token, "a handshake");
        websock_close(socket);
    }
    const char *status = http_get(&lab, "/comet/status")->body;
    const char *metrics = http_get(&lab, "/comet/metrics")->body;
    const char *log = read_file(keepf("%s/own.log", lab.dir));
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        must_not_have(status, tokens[i], "status");
        must_not_have(metrics, tokens[i], "metrics");
        must_not_have(log, tokens[i], "the log");
    }
    const redisReply *keys = store_do(&lab, "KEYS *");
    for (size_t i = 0; i < keys->elements; i++)
        must_not_have(keys->element[i]->str, tokens[0], "a key of Redis");
}
END_TEST

/* The keys' file and the log are for their owner and group. */
START_TEST(the_log_is_not_for_everybody) {
    struct stat log;

    (void)http_get(&lab, "/comet/info");
    ck_assert_int_eq(stat(keepf("%s/own.log", lab.dir), &log), 0);
    ck_assert_int_eq(log.st_mode & 0777, 0640);
}
END_TEST

/*
 * What /proc shows of a program, which runs as an ordinary user: to everybody its command line; the
 * rest belongs to root where it leaves no core file and nobody may look into it.
 */
static void must_hide(const char *program, const char *const more[]) {
    const char *own = keepf("%s/%s", lab.dir, program), *conf = keepf("%s/plain.conf", lab.dir);
    const char *const copy[] = {"cp", lab_program(program), own, NULL};
    const char *const touch[] = {"touch", conf, NULL};
    const char *argv[20] = {"setpriv",
                            "--reuid=65534",
                            "--regid=65534",
                            "--clear-groups",
                            own,
                            "-f",
                            conf,
                            "-o",
                            keepf("redis=unix:%s?user=u&password=" PASSWORD, lab.redis_socket)};
    size_t skipped = geteuid() == 0 ? 0 : 4, at = 9;
    struct proc proc = {0};
    struct stat file;

    proc_run(copy, lab_env(&lab, NULL), -1, NULL, NULL);
    proc_run(touch, lab_env(&lab, NULL), -1, NULL, NULL);
    for (; *more != NULL; more++)
        argv[at++] = *more;
    proc_start(&proc, program, keepf("%s/%s.hidden", lab.dir, program), -1, argv + skipped,
               lab_env(&lab, NULL));
    const char *line = keepf("/proc/%d/cmdline", (int)proc.pid);
    const char *const show[] = {"sh", "-c", keepf("tr '\\000' ' ' < %s", line), NULL};
    char *list = keepf("%s", "");
    until((proc_run(show, lab_env(&lab, NULL), -1, &list, NULL), strstr(list, "redis=***")),
          "ps shows: %s", list);
    ck_assert_ptr_null(strstr(list, PASSWORD));
    ck_assert_ptr_nonnull(strstr(list, conf)); /* and the rest is as it was */
    until(stat(keepf("/proc/%d/environ", (int)proc.pid), &file) == 0 && file.st_uid == 0,
          "its environment is user %u's", file.st_uid);
    proc_kill(&proc);
    ck_assert_ptr_null(strstr(read_file(keepf("%s/%s.hidden", lab.dir, program)), PASSWORD));
}

START_TEST(a_password_of_the_command_line_is_not_shown_to_others) {
    must_hide("halley.fcgi",
              (const char *const[]){"-o", keepf("http=tcp:127.0.0.1:%d", lab_free_port()), NULL});
    must_hide("halley-worker", (const char *const[]){NULL});
}
END_TEST

int main(void) {
    Suite *suite = suite_create("secrets");
    TCase *tcase = e2e_case(suite, "secrets", setup, teardown);

    tcase_add_test(tcase, a_token_is_repeated_nowhere);
    tcase_add_test(tcase, the_log_is_not_for_everybody);
    tcase_add_test(tcase, a_password_of_the_command_line_is_not_shown_to_others);
    return e2e_run(suite);
}
