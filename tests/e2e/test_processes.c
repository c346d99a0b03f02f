/* Several processes of one halley.fcgi (`processes = 2`): a parent that looks after
 * two children, each at a socket of its own or both at one.
 *
 * What a test asks "of child 0" goes to the first path, of child 1 to the second.
 * lighttpd stands before both with a configuration as an administrator would write
 * it, two sockets in turn.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/follower.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { CHILDREN = 2 };

static struct lab lab;

static void open_lab(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "processes");
    lab_set(&lab, "PROCESSES", "2");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
}

static char *path_of(int child) {
    return keepf("%s%s", lab.app_socket[0], child ? ".2" : "");
}

/* What child `child` says of itself. */
static const json_t *status_of(int child) {
    const struct answer *answer = fcgi_get(path_of(child), "/comet/status");

    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    return answer->json;
}

static long long figure_of(int child, const char *name) {
    return json_integer_value(json_object_get(status_of(child), name));
}

static pid_t pid_of(int child) {
    return (pid_t)figure_of(child, "pid");
}

static bool is_up(int child) {
    return fcgi_get(path_of(child), "/comet/health")->status == 200;
}

static void until_up(void) {
    for (int i = 0; i < CHILDREN; i++)
        until(is_up(i), "child %d does not find Redis", i);
}

static void setup(void) {
    open_lab();
    lab_app(&lab, 0);
    until_up();
}

static void teardown(void) {
    lab_close(&lab);
}

static bool exists(const char *path) {
    struct stat file;
    return stat(path, &file) == 0;
}

static char *log_text(const char *name) {
    const char *const argv[] = {"cat", keepf("%s/%s.log", lab.dir, name), NULL};
    char *text = NULL;

    ck_assert_int_eq(proc_run(argv, environ, -1, &text, NULL), 0);
    return text;
}

static void until_logged(const char *name, const char *text) {
    until(strstr(log_text(name), text) != NULL, "%s.log does not say \"%s\"", name, text);
}

/* --- a web server before both --------------------------------------------------- */

static const char both_conf[] =
    "server.modules = ( \"mod_fastcgi\" )\n"
    "server.document-root = \"%s\"\n"
    "server.bind = \"127.0.0.1\"\n"
    "server.port = %d\n"
    "server.stream-response-body = 1\n"
    "fastcgi.balance = \"round-robin\"\n"
    "fastcgi.server = ( \"/comet\" => (\n"
    "    ( \"socket\" => \"%s\", \"check-local\" => \"disable\",\n"
    "      \"disable-time\" => 0, \"tcp-fin-propagate\" => \"enable\" ),\n"
    "    ( \"socket\" => \"%s.2\", \"check-local\" => \"disable\",\n"
    "      \"disable-time\" => 0, \"tcp-fin-propagate\" => \"enable\" )\n"
    ") )\n";

static void lighttpd_before_both(void) {
    char *conf = keepf("%s/both.conf", lab.dir);
    const char *const argv[] = {"lighttpd", "-D", "-f", conf, NULL};
    FILE *file = fopen(conf, "w");

    lab.port = lab_free_port();
    ck_assert(file != NULL);
    ck_assert_int_gt(
        fprintf(file, both_conf, lab.dir, lab.port, lab.app_socket[0], lab.app_socket[0]), 0);
    fclose(file);
    proc_start(&lab.web, "lighttpd", keepf("%s/lighttpd.log", lab.dir), -1, argv,
               lab_env(&lab, NULL));
    until(http_get(&lab, "/comet/health")->status == 200, "lighttpd does not answer");
}

static void setup_behind_lighttpd(void) {
    setup();
    lighttpd_before_both();
}

/* --- who answers ------------------------------------------------------------------ */

START_TEST(both_children_answer_and_tell_themselves_apart) {
    pid_t parent = lab.app[0].pid, pids[CHILDREN] = {pid_of(0), pid_of(1)};

    ck_assert_int_ne(pids[0], pids[1]);
    for (int i = 0; i < CHILDREN; i++) {
        const struct answer *metrics = fcgi_get(path_of(i), "/comet/metrics");

        ck_assert_int_ne(pids[i], parent);
        ck_assert_int_eq(pid_of(i), pids[i]);
        ck_assert_ptr_nonnull(strstr(metrics->body, "\nhalley_processes 2\n"));
        ck_assert_ptr_nonnull(strstr(log_text("app0"), keepf("halley.fcgi[%d] info start as=fcgi-"
                                                             "listening address=\"unix:%s\"",
                                                             (int)pids[i], path_of(i))));
    }
    ck_assert_ptr_nonnull(
        strstr(log_text("app0"), keepf("halley.fcgi[%d] info children count=2 pids=%d,%d",
                                       (int)parent, (int)pids[0], (int)pids[1])));
}
END_TEST

/* Whether the list of processes that `child` gives names both. */
static bool lists_both(int child, pid_t a, pid_t b) {
    const json_t *list = json_object_get(status_of(child), "processes"), *each;
    size_t found = 0, i;

    json_array_foreach (list, i, each) {
        pid_t pid = (pid_t)json_integer_value(json_object_get(each, "pid"));
        found += pid == a || pid == b;
    }
    return found == 2;
}

START_TEST(the_status_of_each_lists_both) {
    pid_t a = pid_of(0), b = pid_of(1);

    for (int i = 0; i < CHILDREN; i++)
        until(lists_both(i, a, b), "the status of child %d does not list both", i);
}
END_TEST

START_TEST(the_parent_has_no_connection_to_redis) {
    const redisReply *clients = store_do(&lab, "CLIENT LIST");
    size_t count = 0;

    for (const char *at = clients->str; (at = strstr(at, "name=halley.fcgi")) != NULL; at++)
        count++;
    ck_assert_uint_eq(count, 2 * CHILDREN);
}
END_TEST

START_TEST(a_publish_is_seen_at_once_by_either) {
    const char *channel = keep_fresh("either"), *cursor;

    cursor = batch_cursor(must_be_batch(fcgi_get(path_of(0), "/comet/poll?channel=%s", channel)));
    for (int i = 1; i <= 200; i++) {
        const char *id = store_add(&lab, channel, keepf("%d", i));
        const struct answer *batch = must_be_batch(
            fcgi_get(path_of(i % 2), "/comet/poll?channel=%s&since=%s", channel, cursor));

        ck_assert_msg(batch_count(batch) == 1, "after %s: %s", id, answer_text(batch));
        ck_assert_str_eq(batch_id(batch, 0), id);
        cursor = batch_cursor(batch);
    }
}
END_TEST

START_TEST(a_web_publish_to_one_is_seen_at_once_by_the_other) {
    const char *channel = keep_fresh("open"), *cursor;
    struct bytes request = {0};

    cursor = batch_cursor(must_be_batch(fcgi_get(path_of(0), "/comet/poll?channel=%s", channel)));
    fcgi_request(&request, "POST", keepf("/comet/publish?channel=%s", channel), "1", 1);
    for (int i = 1; i <= 50; i++) {
        const struct answer *batch;
        int fd = wire_unix(path_of(i % 2));

        ck_assert(wire_send(fd, request.data, request.length));
        ck_assert_int_eq(fcgi_answer(fd)->status, 200);
        close(fd);
        batch = must_be_batch(
            fcgi_get(path_of(1 - i % 2), "/comet/poll?channel=%s&since=%s", channel, cursor));
        ck_assert_uint_eq(batch_count(batch), 1);
        cursor = batch_cursor(batch);
    }
}
END_TEST

START_TEST(lighttpd_goes_to_both_in_turn) {
    int counts[CHILDREN] = {0};
    pid_t pids[CHILDREN] = {pid_of(0), pid_of(1)};

    for (int i = 0; i < 20; i++) {
        const json_t *status = http_get(&lab, "/comet/status")->json;
        pid_t pid = (pid_t)json_integer_value(json_object_get(status, "pid"));

        ck_assert(pid == pids[0] || pid == pids[1]);
        counts[pid == pids[1]]++;
    }
    ck_assert_int_eq(counts[0], counts[1]);
}
END_TEST

/* --- a child that ends -------------------------------------------------------------- */

/* Publishes 1 ... count, slowly, in a process of its own. */
static pid_t publisher(const char *channel, int count) {
    pid_t pid = fork();

    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i <= count; i++) {
        store_add(&lab, channel, keepf("%d", i));
        pause_ms(5);
    }
    _exit(0);
}

START_TEST(children_killed_under_load_lose_no_message) {
    enum { COUNT = 300, FOLLOWERS = 6 };
    const char *channel = keep_fresh("killed");
    struct follower followers[FOLLOWERS];
    int status;
    pid_t publishing;

    memset(followers, 0, sizeof followers);
    for (int i = 0; i < FOLLOWERS; i++) {
        followers[i].forgives = true;
        follower_begin(&followers[i], &lab, channel, "now");
    }
    publishing = publisher(channel, COUNT);
    for (int i = 1; i <= 4; i++) {
        followers_reach(followers, FOLLOWERS, (size_t)(COUNT * i / 5));
        int child = i % 2;
        pid_t pid = pid_of(child);
        kill(pid, i < 3 ? SIGKILL : SIGTERM);
        until((http_pump(1), pid_of(child) != pid), "child %d is not replaced", child);
    }
    followers_reach(followers, FOLLOWERS, COUNT);
    ck_assert_int_eq(waitpid(publishing, &status, 0), publishing);
    ck_assert_int_eq(status, 0);
    for (int i = 0; i < FOLLOWERS; i++) {
        follower_must_have(&followers[i], 1, COUNT);
        follower_end(&followers[i]);
    }
    ck_assert(proc_runs(&lab.app[0]));
}
END_TEST

/* Sends `GET path` to a child; for what is answered later. */
static int ask(int child, const char *path) {
    struct bytes request = {0};
    int fd = wire_unix(path_of(child));

    ck_assert_int_ge(fd, 0);
    fcgi_request(&request, "GET", path, NULL, 0);
    ck_assert(wire_send(fd, request.data, request.length));
    return fd;
}

/* Whether it has ended and its parent does not know yet. */
static bool is_dead(pid_t pid) {
    FILE *file = fopen(keepf("/proc/%d/stat", (int)pid), "r");
    char state = 0;

    ck_assert(file != NULL);
    ck_assert_int_eq(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
    fclose(file);
    return state == 'Z';
}

START_TEST(who_comes_while_a_child_is_replaced_waits_for_the_successor) {
    const char *poll = keepf("/comet/poll?channel=%s", keep_fresh("meanwhile"));
    pid_t pid = pid_of(1);
    int early;

    proc_signal(&lab.app[0], SIGSTOP); /* the parent: nobody replaces the child yet */
    kill(pid, SIGKILL);
    until(is_dead(pid), "child 1 lives on");
    early = ask(1, poll);
    ck_assert(!wire_stirs(early, 50));
    ck_assert_int_eq(fcgi_get(path_of(0), "%s", poll)->status, 200); /* the other one serves */
    proc_signal(&lab.app[0], SIGCONT);
    must_be_batch(fcgi_answer(early));
    close(early);
    ck_assert_int_ne(pid_of(1), pid);
    until_logged("app0", "warning child.ended number=2 signal=9");
    until_logged("app0", keepf("info child.started number=2 pid=%d", (int)pid_of(1)));
}
END_TEST

/* --- the end -------------------------------------------------------------------------- */

/* Two waits for each child, held. */
static void park(const char *channel, int waits[2 * CHILDREN]) {
    for (int i = 0; i < 2 * CHILDREN; i++)
        waits[i] = ask(i % 2, keepf("/comet/wait?channel=%s&timeout=55", channel));
    for (int i = 0; i < CHILDREN; i++)
        until(figure_of(i, "waiters") == 2, "the waits are not held");
}

/* Each of them is answered by an empty batch with a cursor; returns one of them. */
static const char *must_be_drained(int waits[2 * CHILDREN]) {
    const char *cursor = NULL;

    for (int i = 0; i < 2 * CHILDREN; i++) {
        const struct answer *batch = must_be_batch(fcgi_answer(waits[i]));

        ck_assert_uint_eq(batch_count(batch), 0);
        ck_assert(!batch_any_gap(batch));
        cursor = batch_cursor(batch);
        close(waits[i]);
    }
    return cursor;
}

START_TEST(a_signal_to_the_parent_drains_everybody) {
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    const char *channel = keep_fresh("drain"), *cursor;
    int waits[2 * CHILDREN];

    setup();
    park(channel, waits);
    proc_signal(&lab.app[0], signals[_i]);
    cursor = must_be_drained(waits);
    ck_assert_int_eq(proc_wait(&lab.app[0]), 0);
    ck_assert(!exists(path_of(0)) && !exists(path_of(1)));
    lab_app(&lab, 0);
    until_up();
    store_add(&lab, channel, "1");
    ck_assert_str_eq(batch_all_data(must_be_batch(
                         fcgi_get(path_of(1), "/comet/poll?channel=%s&since=%s", channel, cursor))),
                     "1");
    teardown();
}
END_TEST

START_TEST(a_killed_parent_takes_its_children_along) {
    const char *channel = keep_fresh("orphan");
    int waits[2 * CHILDREN];
    pid_t pids[CHILDREN];

    setup();
    park(channel, waits);
    for (int i = 0; i < CHILDREN; i++)
        pids[i] = pid_of(i);
    proc_signal(&lab.app[0], SIGKILL);
    must_be_drained(waits);
    ck_assert_int_eq(proc_wait(&lab.app[0]), 128 + SIGKILL);
    for (int i = 0; i < CHILDREN; i++)
        ck_assert_int_eq(kill(pids[i], 0), -1);
    lab_app(&lab, 0); /* what they left at the paths is replaced */
    until_up();
    teardown();
}
END_TEST

START_TEST(a_successor_may_have_the_paths_while_the_children_drain) {
    pid_t slow;

    setup();
    slow = pid_of(1);
    kill(slow, SIGSTOP);
    proc_signal(&lab.app[0], SIGTERM);
    until(!exists(path_of(0)) && !exists(path_of(1)), "the paths stay");
    memcpy(lab.app_socket[1], lab.app_socket[0], sizeof lab.app_socket[0]);
    lab_app(&lab, 1);
    until_up();
    kill(slow, SIGCONT);
    ck_assert_int_eq(proc_wait(&lab.app[0]), 0);
    ck_assert(is_up(0) && is_up(1));
    teardown();
}
END_TEST

START_TEST(a_child_that_does_not_drain_is_killed) {
    pid_t stuck;

    setup();
    stuck = pid_of(0);
    kill(stuck, SIGSTOP);
    ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
    ck_assert_int_eq(kill(stuck, 0), -1);
    until_logged("app0", "error drain.unfinished");
    teardown();
}
END_TEST

/* Libraries that it starts with have handlers of their own for signals. */
START_TEST(told_to_end_the_moment_that_it_listens_it_ends) {
    enum { ROUNDS = 10 };

    open_lab();
    lab_set(&lab, "PROCESSES", keepf("%d", _i));
    const char *const argv[] = {lab_program("halley.fcgi"),          "-f", lab.conf, "-l",
                                keepf("unix:%s", lab.app_socket[0]), NULL};
    const char *path = _i == 1 ? lab.app_socket[0] : path_of(1); /* the last that is bound */
    for (int round = 0; round < ROUNDS; round++) {
        int64_t patience = now_ms() + PATIENCE_MS;
        proc_start(&lab.app[0], "halley.fcgi", keepf("%s/ends.log", lab.dir), -1, argv,
                   lab_env(&lab, NULL));
        while (!exists(path))
            must(now_ms() < patience, "it does not listen");
        ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
        ck_assert(!exists(path));
    }
    teardown();
}
END_TEST

/* --- other ways to be started ----------------------------------------------------------- */

START_TEST(a_path_in_use_ends_the_start_and_leaves_nothing) {
    const char *const argv[] = {lab_program("halley.fcgi"),           "-f", lab.conf, "-l",
                                keepf("unix:%s/other.sock", lab.dir), NULL};
    const char *taken = keepf("%s/other.sock.2", lab.dir);
    int fd;

    memcpy(lab.app_socket[2], taken, strlen(taken) + 1);
    lab_set(&lab, "PROCESSES", "1");
    lab_app(&lab, 2);
    lab_set(&lab, "PROCESSES", "2");
    proc_start(&lab.app[3], "halley.fcgi", keepf("%s/busy.log", lab.dir), -1, argv,
               lab_env(&lab, NULL));
    ck_assert_int_eq(proc_wait(&lab.app[3]), EX_OSERR);
    ck_assert_ptr_nonnull(
        strstr(log_text("busy"), keepf("error listen listen = unix:%s: another process listens "
                                       "there",
                                       taken)));
    ck_assert(!exists(keepf("%s/other.sock", lab.dir)));
    fd = wire_unix(taken);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(proc_stop(&lab.app[2], SIGTERM), 0);
}
END_TEST

/* Asks the one address until two processes have answered, and says who. */
static void until_two_answer(int (*connect_to)(void), pid_t pids[2]) {
    struct bytes request = {0};
    int64_t end = now_ms() + PATIENCE_MS;

    fcgi_request(&request, "GET", "/comet/status", NULL, 0);
    pids[0] = pids[1] = 0;
    while (pids[1] == 0) {
        int fds[16];

        must(now_ms() < end, "only process %d answers", (int)pids[0]);
        for (int i = 0; i < 16; i++) {
            fds[i] = connect_to();
            ck_assert(fds[i] >= 0 && wire_send(fds[i], request.data, request.length));
        }
        for (int i = 0; i < 16; i++) {
            const struct answer *answer = fcgi_answer(fds[i]);
            pid_t pid = (pid_t)json_integer_value(json_object_get(answer->json, "pid"));

            close(fds[i]);
            if (pids[0] == 0)
                pids[0] = pid;
            else if (pid != pids[0])
                pids[1] = pid;
        }
    }
}

static int shared_port;

static int connect_to_port(void) {
    return wire_tcp(shared_port);
}

static bool port_answers(void) {
    int fd = wire_tcp(shared_port);

    ck_assert(proc_runs(&lab.app[1]));
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

START_TEST(a_tcp_address_is_shared) {
    pid_t pids[2];

    shared_port = lab_free_port();
    const char *const argv[] = {lab_program("halley.fcgi"),
                                "-f",
                                lab.conf,
                                "-l",
                                keepf("tcp:127.0.0.1:%d", shared_port),
                                NULL};
    proc_start(&lab.app[1], "halley.fcgi", keepf("%s/tcp.log", lab.dir), -1, argv,
               lab_env(&lab, NULL));
    until(port_answers(), "nobody listens");
    until_two_answer(connect_to_port, pids);
    kill(pids[0], SIGKILL);
    until_two_answer(connect_to_port, pids);
    ck_assert_int_eq(proc_stop(&lab.app[1], SIGTERM), 0);
    ck_assert_int_eq(wire_tcp(shared_port), -1);
}
END_TEST

/* A socket on which nobody accepts yet, as lighttpd makes one for what it spawns. */
static int spawner_socket(const char *path) {
    struct sockaddr_un {
        sa_family_t family;
        char path[108];
    } name = {.family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(name.path, sizeof name.path, "%s", path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    return fd;
}

static char *spawned_path;

static int connect_to_spawned(void) {
    return wire_unix(spawned_path);
}

/* Starts halley.fcgi with a socket as its standard input, and -c `class` if there is one. */
static void spawn(const char *class) {
    const char *const argv[] = {lab_program("halley.fcgi"), "-f",  lab.conf,
                                class ? "-c" : NULL,        class, NULL};
    int fd;

    spawned_path = keepf("%s/%s.sock", lab.dir, keep_fresh("spawned"));
    fd = spawner_socket(spawned_path);
    proc_start(&lab.app[1], "halley.fcgi", keepf("%s/spawned.log", lab.dir), fd, argv,
               lab_env(&lab, NULL));
    close(fd);
}

START_TEST(a_socket_handed_over_is_shared) {
    pid_t pids[2];

    spawn(NULL);
    until_two_answer(connect_to_spawned, pids);
    ck_assert_int_ne(pids[0], lab.app[1].pid);
    ck_assert_int_ne(pids[1], lab.app[1].pid);
    ck_assert_int_eq(proc_stop(&lab.app[1], SIGTERM), 0);
    ck_assert_int_eq(wire_unix(spawned_path), -1);
}
END_TEST

START_TEST(a_class_of_mod_fcgid_is_one_process) {
    const struct answer *answer;

    spawn("waiting");
    answer = fcgi_get(spawned_path, "/comet/status");
    ck_assert_int_eq(json_integer_value(json_object_get(answer->json, "pid")), lab.app[1].pid);
    ck_assert_ptr_nonnull(strstr(log_text("spawned"), "info processes.ignored processes=2"));
    ck_assert_int_eq(proc_stop(&lab.app[1], SIGTERM), 0);
}
END_TEST

START_TEST(a_cgi_program_is_one_process) {
    const char *const more[] = {"GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET",
                                "REQUEST_URI=/comet/health", NULL};
    const char *const argv[] = {"sh",
                                "-c",
                                "exec \"$0\" -f \"$1\" 2>\"$2\"",
                                lab_program("halley.fcgi"),
                                lab.conf,
                                keepf("%s/cgi.log", lab.dir),
                                NULL};
    char *output;
    size_t length;

    ck_assert_int_eq(proc_run(argv, lab_env(&lab, more), -1, &output, &length), 0);
    ck_assert_int_eq(answer_from_cgi(output, length)->status, 200);
    ck_assert_ptr_nonnull(strstr(log_text("cgi"), "info processes.ignored processes=2"));
}
END_TEST

START_TEST(who_runs_is_interrupted_only_where_that_is_configured) {
    static const int policies[] = {SCHED_OTHER, SCHED_BATCH};

    for (int on = 0; on < 2; on++) {
        lab_set(&lab, "BATCH_SCHEDULING", on ? "on" : "off");
        lab_app(&lab, 0);
        until_up();
        for (int i = 0; i < CHILDREN; i++)
            ck_assert_int_eq(sched_getscheduler(pid_of(i)), policies[on]);
        ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
    }
}
END_TEST

/* lighttpd starts it, with the shipped configuration. */
START_TEST(lighttpd_starts_a_family_and_ends_it) {
    enum { ROOM = 8 };
    pid_t pids[ROOM];
    size_t count;

    open_lab();
    lab_web(&lab, "lighttpd", 1);
    until((count = lab_app_pids(&lab, pids, ROOM)) == 1 + CHILDREN, "not %d processes, but %zu",
          1 + CHILDREN, count);
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(http_get(&lab, "/comet/poll?channel=a")->status, 200);
    proc_stop(&lab.web, SIGTERM);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(kill(pids[i], 0), -1);
    until_logged("lighttpd", "info stop children=2");
    teardown();
}
END_TEST

/* --- WebSockets ---------------------------------------------------------------------------- */

static struct websock *websocket(const char *channel) {
    struct websock *socket =
        websock_on(wire_unix(lab.websocket), keepf("/comet/ws?channel=%s", channel), "");

    ck_assert_ptr_nonnull(socket);
    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_reach_text(socket);
    return socket;
}

START_TEST(websockets_are_shared_and_outlive_no_signal) {
    enum { SOCKETS = 16 };
    struct websock *sockets[SOCKETS];
    const char *channel = keep_fresh("ws");

    open_lab();
    lab_websockets(&lab);
    lab_app(&lab, 0);
    until_up();
    for (int i = 0; i < SOCKETS; i++)
        sockets[i] = websocket(channel);
    ck_assert_int_eq(figure_of(0, "waiters") + figure_of(1, "waiters"), SOCKETS);
    store_add(&lab, channel, "\"everybody\"");
    for (int i = 0; i < SOCKETS; i++)
        websock_reach(sockets[i], "everybody");
    kill(pid_of(0), SIGKILL);
    websock_close(websocket(channel));
    proc_signal(&lab.app[0], SIGTERM);
    for (int i = 0; i < SOCKETS; i++) {
        while (!sockets[i]->hung_up)
            websock_turn(sockets[i], 100);
        websock_close(sockets[i]);
    }
    ck_assert_int_eq(proc_wait(&lab.app[0]), 0);
    ck_assert(!exists(lab.websocket));
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("processes");
    TCase *direct = e2e_case(suite, "two sockets", setup, teardown);
    TCase *behind = e2e_case(suite, "behind lighttpd", setup_behind_lighttpd, teardown);
    TCase *ends = e2e_case(suite, "the end", NULL, NULL);
    TCase *ways = e2e_case(suite, "other ways", open_lab, teardown);

    tcase_add_test(direct, both_children_answer_and_tell_themselves_apart);
    tcase_add_test(direct, the_status_of_each_lists_both);
    tcase_add_test(direct, the_parent_has_no_connection_to_redis);
    tcase_add_test(direct, a_publish_is_seen_at_once_by_either);
    tcase_add_test(direct, a_web_publish_to_one_is_seen_at_once_by_the_other);
    tcase_add_test(direct, who_comes_while_a_child_is_replaced_waits_for_the_successor);
    tcase_add_test(behind, lighttpd_goes_to_both_in_turn);
    tcase_add_test(behind, children_killed_under_load_lose_no_message);
    tcase_add_loop_test(ends, a_signal_to_the_parent_drains_everybody, 0, 3);
    tcase_add_test(ends, a_killed_parent_takes_its_children_along);
    tcase_add_test(ends, a_successor_may_have_the_paths_while_the_children_drain);
    tcase_add_test(ends, a_child_that_does_not_drain_is_killed);
    tcase_add_loop_test(ends, told_to_end_the_moment_that_it_listens_it_ends, 1, CHILDREN + 1);
    tcase_add_test(ends, lighttpd_starts_a_family_and_ends_it);
    tcase_add_test(ends, websockets_are_shared_and_outlive_no_signal);
    tcase_add_test(ways, a_path_in_use_ends_the_start_and_leaves_nothing);
    tcase_add_test(ways, a_tcp_address_is_shared);
    tcase_add_test(ways, a_socket_handed_over_is_shared);
    tcase_add_test(ways, a_class_of_mod_fcgid_is_one_process);
    tcase_add_test(ways, a_cgi_program_is_one_process);
    tcase_add_test(ways, who_runs_is_interrupted_only_where_that_is_configured);
    return e2e_run(suite);
}
