/* Sockets that a parent holds, as systemd does (sd_listen_fds): the program comes, goes and dies,
 * and nobody who asks meanwhile is refused.
 *
 * The test is that parent. Requests are begun while the program runs, while it ends and while
 * there is none: each is answered.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/held.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 3, SOCKETS = 4, AT_ONCE = 10, ROUNDS = 4 };

static struct lab lab;
static int sockets[SOCKETS], socket_count;
static const char *names;
static pid_t program;

static int listen_at_path(const char *path) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    return fd;
}

static int listen_at_port(int *port) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, size), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    *port = ntohs(name.sin_port);
    return fd;
}

static void hold(const char *their_names, int count, ...) {
    va_list list;

    va_start(list, count);
    names = their_names;
    for (socket_count = 0; socket_count < count; socket_count++)
        sockets[socket_count] = va_arg(list, int);
    va_end(list);
}

/* In the child: the sockets from 3 on, and nothing else but the log. */
static _Noreturn void become(const char *const *argv, char **env, const char *pid) {
    int high[SOCKETS],
        log = open(keepf("%s/inherited.log", lab.dir), O_WRONLY | O_CREAT | O_APPEND, 0600);
    char *const more[] = {keepf("LISTEN_PID=%s", pid != NULL ? pid : keepf("%d", (int)getpid())),
                          keepf("LISTEN_FDS=%d", socket_count), keepf("LISTEN_FDNAMES=%s", names)};
    size_t count = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(log, 2);
    for (int i = 0; i < socket_count; i++)
        high[i] = fcntl(sockets[i], F_DUPFD_CLOEXEC, 100);
    for (int i = 0; i < socket_count; i++)
        dup2(high[i], FIRST + i);
    close_range((unsigned)(FIRST + socket_count), ~0U, 0);
    while (env[count] != NULL)
        count++;
    char **all = keep(calloc(count + 4, sizeof *all));
    memcpy(all, env, count * sizeof *all);
    memcpy(all + count, more, sizeof more);
    execve(argv[0], (char *const *)argv, all);
    _exit(127);
}

static void start_with(const char *options, const char *pid) {
    const char *const argv[] = {lab_program("halley.fcgi"), "-f", lab.conf, "-o", options, NULL};
    char **env = lab_env(&lab, NULL);

    fflush(NULL);
    program = fork();
    ck_assert_int_ge(program, 0);
    if (program == 0)
        become(argv, env, pid);
}

static void start(void) {
    start_with("processes=1", NULL);
}

/* Its exit code, or 128 + the signal that ended it. */
static int end(int signal) {
    int status = 0;

    if (signal != 0)
        kill(program, signal);
    until(waitpid(program, &status, WNOHANG) == program, "it does not end");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static char *log_text(void) {
    const char *const argv[] = {"cat", keepf("%s/inherited.log", lab.dir), NULL};
    char *text = NULL;

    proc_run(argv, environ, -1, &text, NULL);
    return keepf("%s", text);
}

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "inherited");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- requests ---------------------------------------------------------------------------- */

static void begin_polls(struct held **held, int port) {
    for (int i = 0; i < AT_ONCE; i++) {
        const char *path = keepf("/comet/poll?channel=inherited&since=now&n=%d", i);
        held[i] = i % 2 == 0 ? held_app(lab.app_socket[0], path, NULL)
                             : held_web(port, path, "Connection: close");
        ck_assert_msg(held[i] != NULL, "poll %d is refused", i);
    }
}

/* `ending`: 503 is an answer too, of a process that reads a request when it was told to end. */
static void must_be_served(struct held **held, const char *when, bool ending) {
    for (int i = 0; i < AT_ONCE; i++) {
        held_reach_end(held[i]);
        bool good = held[i]->status == 200 || (ending && held[i]->status == 503);
        ck_assert_msg(good && held[i]->end == HELD_WHOLE, "%s: poll %d: %d", when, i,
                      held[i]->status);
        held_close(held[i]);
    }
}

static void must_be_answered(struct held **held, const char *when) {
    must_be_served(held, when, false);
}

START_TEST(nobody_is_refused_while_it_ends_dies_and_comes_back) {
    struct held *before[AT_ONCE], *between[AT_ONCE], *after[AT_ONCE];
    int port;

    hold("http:listen", 2, listen_at_port(&port), listen_at_path(lab.app_socket[0]));
    begin_polls(before, port); /* nobody was ever there */
    start();
    must_be_answered(before, "before");
    for (int round = 0; round < ROUNDS; round++) {
        bool dies = round % 2 != 0;
        if (!dies)
            begin_polls(before, port); /* on their way when it is told to end */
        ck_assert_int_eq(end(dies ? SIGKILL : SIGTERM), dies ? 128 + SIGKILL : 0);
        begin_polls(between, port);
        start();
        begin_polls(after, port);
        if (!dies)
            must_be_served(before, "ending", true);
        must_be_answered(between, "between");
        must_be_answered(after, "after");
    }
    ck_assert_int_eq(end(SIGTERM), 0);
    ck_assert_int_eq(access(lab.app_socket[0], F_OK), 0); /* the parent's, so it stays */
}
END_TEST

START_TEST(an_upgrade_runs_beside_what_it_follows) {
    struct held *polls[AT_ONCE];
    struct held *wait;
    pid_t old;
    int port;

    hold("listen:http", 2, listen_at_path(lab.app_socket[0]), listen_at_port(&port));
    start();
    wait = held_app(lab.app_socket[0], "/comet/wait?channel=upgraded&since=now&timeout=50", NULL);
    until(store_followers(&lab, "upgraded") > 0, "nobody waits");
    old = program;
    start();
    for (int i = 0; i < 3; i++) { /* whoever of the two takes them */
        begin_polls(polls, port);
        must_be_answered(polls, "beside");
    }
    kill(old, SIGTERM);
    held_reach_end(wait);
    ck_assert(wait->status == 200 && wait->end == HELD_WHOLE);
    held_close(wait);
    until(waitpid(old, NULL, WNOHANG) == old, "the old one does not end");
    begin_polls(polls, port);
    must_be_answered(polls, "after");
    ck_assert_int_eq(end(SIGTERM), 0);
}
END_TEST

START_TEST(several_processes_share_one_or_have_one_each) {
    struct held *polls[AT_ONCE];
    int port, http = listen_at_port(&port), one = listen_at_path(lab.app_socket[0]);

    hold("http:listen", 2, http, one);
    start_with("processes=3", NULL);
    begin_polls(polls, port);
    must_be_answered(polls, "one for all");
    ck_assert_int_eq(end(SIGTERM), 0);
    hold("listen:http:listen", 3, one, http, listen_at_path(lab.app_socket[1]));
    start_with("processes=2", NULL);
    begin_polls(polls, port);
    must_be_answered(polls, "one each");
    struct held *other = held_app(lab.app_socket[1], "/comet/poll?channel=x", NULL);
    held_reach_end(other);
    ck_assert_int_eq(other->status, 200);
    held_close(other);
    ck_assert_int_eq(end(SIGTERM), 0);
}
END_TEST

START_TEST(an_inherited_socket_stands_for_the_address_of_its_option) {
    struct held *polls[AT_ONCE];
    int port;

    hold("listen:http", 2, listen_at_path(lab.app_socket[0]), listen_at_port(&port));
    start_with(keepf("listen=unix:%s", lab.app_socket[0]), NULL); /* else "another listens there" */
    begin_polls(polls, port);
    must_be_answered(polls, "with the option");
    ck_assert_int_eq(end(SIGTERM), 0);
    ck_assert_int_eq(access(lab.app_socket[0], F_OK), 0);
}
END_TEST

START_TEST(what_cannot_be_served_is_refused_at_the_start) {
    int port, http = listen_at_port(&port), path = listen_at_path(lab.app_socket[0]);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const struct {
        const char *names;
        int second;
        const char *why;
    } rows[] = {{"listen:frob", http, "must be listen, http or feed"},
                {"listen:http", file, "no listening stream socket"},
                {"listen:listen", http, "or as many as processes"},
                {"http:http", http, "two of this name"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hold(rows[i].names, 2, path, rows[i].second);
        start();
        ck_assert_int_eq(end(0), 71);
        ck_assert_msg(strstr(log_text(), rows[i].why) != NULL, "%s: %s", rows[i].names, log_text());
    }
}
END_TEST

START_TEST(what_is_meant_for_another_process_is_not_taken) {
    hold("listen", 1, listen_at_path(lab.app_socket[0]));
    start_with(keepf("http=unix:%s/own.sock", lab.dir), "1");
    until(access(keepf("%s/own.sock", lab.dir), F_OK) == 0, "it does not listen");
    until(strstr(log_text(), "as=http ") != NULL, "%s", log_text());
    ck_assert_int_eq(end(SIGTERM), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("inherited");
    TCase *all = e2e_case(suite, "inherited", NULL, NULL);

    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, nobody_is_refused_while_it_ends_dies_and_comes_back);
    tcase_add_test(all, an_upgrade_runs_beside_what_it_follows);
    tcase_add_test(all, several_processes_share_one_or_have_one_each);
    tcase_add_test(all, an_inherited_socket_stands_for_the_address_of_its_option);
    tcase_add_test(all, what_cannot_be_served_is_refused_at_the_start);
    tcase_add_test(all, what_is_meant_for_another_process_is_not_taken);
    return e2e_run(suite);
}
