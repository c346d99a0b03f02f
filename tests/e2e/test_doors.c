/* The doors of halley.fcgi: its listening sockets, what may stand at their paths, and
 * what happens while the system refuses to accept.
 *
 * Nothing that is no left-over socket is ever removed, whichever door is to be opened. A
 * process without descriptors does not spin, tells or leaves waiting whoever comes, and
 * those who are in already notice nothing.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"
#include "tests/lib/wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "doors");
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
}

static void teardown(void) {
    lab_close(&lab);
}

/* ---------------------------------------------------------------- what is in the way */

/* The ways to name an address where halley.fcgi listens. */
static const struct {
    const char *option, *processes;
} addresses[] = {{"-l", "processes=1"}, {"-l", "processes=3"}, {"-w", "processes=1"}};

START_TEST(a_file_at_an_address_stays_and_the_start_fails) {
    const char *path = keepf("%s/precious", lab.dir), *address = keepf("unix:%s", path);
    const char *in_the_way =
        strcmp(addresses[_i].processes, "processes=3") == 0 ? keepf("%s.3", path) : path;
    const char *const argv[] = {
        lab_program("halley.fcgi"), "-f",    lab.conf, "-o", addresses[_i].processes,
        addresses[_i].option,       address, NULL};
    char text[16] = "";

    int fd = open(in_the_way, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert(fd >= 0 && write(fd, "precious", 8) == 8);
    ck_assert_int_eq(proc_run(argv, lab_env(&lab, NULL), -1, NULL, NULL), EX_OSERR);
    ck_assert_int_eq(pread(fd, text, sizeof text, 0), 8);
    close(fd);
    fd = open(in_the_way, O_RDONLY | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s is gone", in_the_way);
    close(fd);
    ck_assert(in_the_way == path || access(path, F_OK) != 0);
}
END_TEST

START_TEST(an_address_that_is_listened_at_stays_the_first_ones) {
    lab_app(&lab, 0);
    const char *const argv[] = {lab_program("halley.fcgi"),
                                "-f",
                                lab.conf,
                                _i ? "-w" : "-l",
                                keepf("unix:%s", _i ? lab.websocket : lab.app_socket[0]),
                                NULL};

    ck_assert_int_eq(proc_run(argv, lab_env(&lab, NULL), -1, NULL, NULL), EX_OSERR);
    ck_assert_int_eq(fcgi_get(lab.app_socket[0], "/comet/info")->status, 200);
    proc_stop(&lab.app[0], SIGKILL); /* leaves its sockets behind */
    lab_app(&lab, 0);
    ck_assert_int_eq(fcgi_get(lab.app_socket[0], "/comet/info")->status, 200);
}
END_TEST

/* ------------------------------------------------------------------- no descriptors */

enum door { FASTCGI, SPAWNED, WEBSOCKET, DOORS };

static const char *door_path(enum door door) {
    return door == WEBSOCKET ? lab.websocket
           : door == SPAWNED ? keepf("%s/spawned.sock", lab.dir)
                             : lab.app_socket[0];
}

/* halley.fcgi with its FastCGI socket on descriptor 0, as a web server starts it. */
static void start_spawned(void) {
    const char *const argv[] = {lab_program("halley.fcgi"), "-f", lab.conf, NULL};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(name.sun_path, sizeof name.sun_path, "%s", door_path(SPAWNED));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    ck_assert_int_eq(listen(fd, 1024), 0);
    proc_start(&lab.app[0], "halley.fcgi", keepf("%s/app0.log", lab.dir), fd, argv,
               lab_env(&lab, NULL));
    close(fd);
}

static struct stream *open_held(enum door door, const char *channel) {
    struct stream *stream;

    if (door == SPAWNED)
        snprintf(lab.app_socket[0], sizeof lab.app_socket[0], "%s", door_path(SPAWNED));
    stream = stream_open(&lab, DIRECTLY, door == WEBSOCKET ? WS : EVENTS,
                         keepf("channel=%s", channel), NULL);
    stream_reach_start(stream);
    return stream;
}

static size_t figure(enum door door, const char *name) {
    const char *path = door == SPAWNED ? door_path(SPAWNED) : lab.app_socket[0];
    const struct answer *answer = fcgi_get(path, "/comet/status");
    return (size_t)json_integer_value(json_object_get(answer->json, name));
}

static size_t log_lines(const char *event) {
    char line[2048];
    size_t count = 0;
    FILE *file = fopen(keepf("%s/app0.log", lab.dir), "r");

    while (file != NULL && fgets(line, sizeof line, file))
        count += strstr(line, event) != NULL;
    if (file != NULL)
        fclose(file);
    return count;
}

/* `few`: 0: not even the descriptors that are in use would be given out again; 1: one more
 * than those, which is the one in reserve. */
static void go_without_descriptors(enum door door, bool reserve) {
    enum { MANY = 40, WATCHED_MS = 1500 };
    const char *channel = keep_fresh("doors");
    int waiting[MANY];

    if (door == SPAWNED)
        start_spawned();
    else
        lab_app(&lab, 0);
    struct stream *held = open_held(door, channel);
    size_t open_now = 0;
    DIR *all = opendir(keepf("/proc/%d/fd", (int)lab.app[0].pid));
    for (struct dirent *entry; (entry = readdir(all)) != NULL;)
        open_now = entry->d_name[0] != '.' && (size_t)atoi(entry->d_name) > open_now
                       ? (size_t)atoi(entry->d_name)
                       : open_now;
    closedir(all);
    proc_allow_descriptors(&lab.app[0], reserve ? open_now + 1 : 4);
    long before = proc_used_ms(&lab.app[0]);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_ge(waiting[i] = wire_unix(door_path(door)), 0);
    pause_ms(WATCHED_MS);
    ck_assert_int_lt(proc_used_ms(&lab.app[0]) - before, WATCHED_MS / 3);

    store_add(&lab, channel, "\"still here\""); /* who is in notices nothing */
    ck_assert_str_eq(piece_data(stream_reach_message(held), 0),
                     door == WEBSOCKET ? "\"still here\"" : "\"still here\"");
    proc_allow_descriptors(&lab.app[0], 0);
    for (int i = 0; i < MANY; i++)
        close(waiting[i]);
    until(
        fcgi_get(door == SPAWNED ? door_path(SPAWNED) : lab.app_socket[0], "/comet/info")->status ==
            200,
        "it does not go on");
    struct stream *later = open_held(door, channel);
    store_add(&lab, channel, "\"and on\"");
    stream_reach_message(later);
    ck_assert_uint_gt(figure(door, reserve ? "connections_refused" : "accept_pauses"), 0);
    ck_assert_uint_ge(log_lines("accept."), 1);
    ck_assert_uint_le(log_lines("accept."), 8);
    stream_close(later);
    stream_close(held);
}

START_TEST(a_process_without_descriptors_does_not_spin_and_goes_on) {
    go_without_descriptors((enum door)(_i / 2), _i % 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("doors");
    TCase *paths = e2e_case(suite, "paths", NULL, NULL);
    TCase *descriptors = e2e_case(suite, "descriptors", NULL, NULL);

    tcase_add_checked_fixture(paths, setup, teardown);
    tcase_add_checked_fixture(descriptors, setup, teardown);
    tcase_add_loop_test(paths, a_file_at_an_address_stays_and_the_start_fails, 0, 3);
    tcase_add_loop_test(paths, an_address_that_is_listened_at_stays_the_first_ones, 0, 2);
    tcase_add_loop_test(descriptors, a_process_without_descriptors_does_not_spin_and_goes_on, 0,
                        2 * DOORS);
    return e2e_run(suite);
}
