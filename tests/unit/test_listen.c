/* fcgi-app/start/listen: the sockets of one process and of several. */
#include "fcgi-app/start/listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/keep.h"
#include "tests/lib/wire.h"
#include "tests/unit/unit.h"

static struct listeners listeners;
static char problem[LISTEN_PROBLEM];
static char *path, *address;

static void setup(void) {
    path = keepf("/tmp/halley-unit-%s.sock", keep_fresh("listen"));
    address = keepf("unix:%s", path);
    listeners_init(&listeners, address, "", "");
}

/* Whether somebody listens at path<suffix>. */
static bool answers(const char *suffix) {
    int fd = wire_unix(keepf("%s%s", path, suffix));

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool is_there(const char *suffix) {
    struct stat file;
    return stat(keepf("%s%s", path, suffix), &file) == 0;
}

START_TEST(one_process_listens_at_the_path_itself) {
    setup();
    ck_assert_int_eq(listeners_open(&listeners, 0640, 1, problem), ERR_OK);
    ck_assert_int_eq(listeners.count, 1);
    ck_assert(answers("") && !is_there(".2"));
    struct stat file;
    ck_assert_int_eq(stat(path, &file), 0);
    ck_assert_int_eq(file.st_mode & 0777, 0640);
    listeners_remove(&listeners);
    ck_assert(!is_there(""));
    listeners_close(&listeners);
}
END_TEST

START_TEST(each_of_several_has_a_path_of_its_own) {
    char third[LISTEN_ADDRESS];

    setup();
    ck_assert_int_eq(listeners_open(&listeners, 0600, 3, problem), ERR_OK);
    ck_assert_int_eq(listeners.count, 3);
    ck_assert(answers("") && answers(".2") && answers(".3") && !is_there(".4"));
    listeners_address(&listeners, 2, third);
    ck_assert_str_eq(third, keepf("%s.3", address));
    listeners_remove(&listeners);
    ck_assert(!is_there("") && !is_there(".2") && !is_there(".3"));
    listeners_close(&listeners);
}
END_TEST

START_TEST(a_child_keeps_its_own_and_removes_none) {
    setup();
    ck_assert_int_eq(listeners_open(&listeners, 0600, 3, problem), ERR_OK);
    int second = listeners.fcgi[1].fd;
    listeners_choose(&listeners, 1);
    ck_assert_int_eq(listeners.count, 1);
    ck_assert_int_eq(listeners.fcgi[0].fd, second);
    ck_assert(!answers("") && answers(".2") && !answers(".3"));
    listeners_remove(&listeners);
    ck_assert(is_there("") && is_there(".2") && is_there(".3"));
    listeners_close(&listeners);
    ck_assert(!answers(".2"));
    listeners.child = false;
    listeners.count = 3;
    listeners_remove(&listeners);
}
END_TEST

START_TEST(a_path_in_use_is_told_and_nothing_stays_open) {
    struct listeners other;

    setup();
    listeners_init(&other, keepf("%s.3", address), "", "");
    ck_assert_int_eq(listeners_open(&other, 0600, 1, problem), ERR_OK);
    ck_assert_int_eq(listeners_open(&listeners, 0600, 4, problem), ERR_SYSTEM);
    ck_assert_str_eq(problem, keepf("listen = %s.3: another process listens there", address));
    ck_assert_int_eq(listeners.count, 0);
    ck_assert(!is_there("") && !is_there(".2") && answers(".3"));
    listeners_remove(&other);
    listeners_close(&other);
}
END_TEST

START_TEST(what_a_dead_process_left_is_replaced) {
    struct listeners dead;

    setup();
    listeners_init(&dead, address, "", "");
    ck_assert_int_eq(listeners_open(&dead, 0600, 2, problem), ERR_OK);
    listeners_close(&dead);
    ck_assert(is_there("") && !answers(""));
    ck_assert_int_eq(listeners_open(&listeners, 0600, 2, problem), ERR_OK);
    ck_assert(answers("") && answers(".2"));
    listeners_remove(&listeners);
    listeners_close(&listeners);
}
END_TEST

/* What may stand at a path and is no socket that a dead process left. */
static void put_file(void) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, "precious", 8), 8);
    close(fd);
}

static void put_folder(void) {
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void put_fifo(void) {
    ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void put_link_to_nothing(void) {
    ck_assert_int_eq(symlink(keepf("%s.nothing", path), path), 0);
}

static void put_link_to_a_dead_socket(void) {
    struct listeners dead;

    listeners_init(&dead, keepf("%s.dead", address), "", "");
    ck_assert_int_eq(listeners_open(&dead, 0600, 1, problem), ERR_OK);
    listeners_close(&dead);
    ck_assert_int_eq(symlink(keepf("%s.dead", path), path), 0);
}

static void put_datagram_socket(void) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(name.sun_path, path, strlen(path));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0); /* stays open */
}

static void put_busy_socket(void) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(name.sun_path, path, strlen(path));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    ck_assert_int_ge(wire_unix(path), 0); /* its queue is full now */
}

static void (*const in_the_way[])(void) = {put_file,
                                           put_folder,
                                           put_fifo,
                                           put_link_to_nothing,
                                           put_link_to_a_dead_socket,
                                           put_datagram_socket,
                                           put_busy_socket};

START_TEST(nothing_but_a_left_over_socket_is_ever_removed) {
    for (size_t i = 0; i < ROWS(in_the_way) * 3; i++) {
        struct stat before, after;

        setup();
        const char *own = path;
        if (i % 3 == 1)
            path = keepf("%s.2", own); /* the second process's */
        in_the_way[i / 3]();
        ck_assert_int_eq(lstat(path, &before), 0);
        if (i % 3 == 2)
            listeners_init(&listeners, "", address, "");
        enum err err = i % 3 == 2 ? listeners_open_http(&listeners, 0600, problem)
                                  : listeners_open(&listeners, 0600, 2, problem);
        ck_assert_msg(err == ERR_SYSTEM, "row %zu", i);
        ck_assert_msg(strstr(problem, address) != NULL, "%s", problem);
        listeners_remove(&listeners);
        listeners_close(&listeners);
        ck_assert_msg(lstat(path, &after) == 0 && after.st_ino == before.st_ino &&
                          after.st_mode == before.st_mode && after.st_size == before.st_size,
                      "row %zu", i);
        ck_assert(path == own || access(own, F_OK) != 0);
        if (rmdir(path) != 0)
            unlink(path);
        unlink(keepf("%s.dead", path));
    }
}
END_TEST

START_TEST(what_was_put_in_a_sockets_place_is_not_removed_with_it) {
    struct listeners successor;

    setup();
    ck_assert_int_eq(listeners_open(&listeners, 0600, 2, problem), ERR_OK);
    ck_assert_int_eq(unlink(path), 0);
    put_file();
    ck_assert_int_eq(unlink(keepf("%s.2", path)), 0);
    listeners_init(&successor, keepf("%s.2", address), "", "");
    ck_assert_int_eq(listeners_open(&successor, 0600, 1, problem), ERR_OK);
    listeners_remove(&listeners);
    listeners_close(&listeners);
    ck_assert(is_there("") && answers(".2"));
    unlink(path);
    listeners_remove(&successor);
    listeners_close(&successor);
}
END_TEST

/* A start, as quick as it can be; exits with 0 where it listens. */
static void start_and_stay(int gate, int until) {
    char byte;

    (void)!read(gate, &byte, 1);
    bool open = listeners_open(&listeners, 0600, 1, problem) == ERR_OK;
    if (open)
        (void)!read(until, &byte, 1);
    _exit(open ? 0 : 1);
}

START_TEST(of_many_that_start_at_once_on_a_dead_socket_one_listens) {
    enum { MANY = 12, ROUNDS = 20 };
    struct listeners dead;

    for (int round = 0; round < ROUNDS; round++) {
        int gate[2], until_then[2], listen_there = 0, status;

        setup();
        listeners_init(&dead, address, "", "");
        ck_assert_int_eq(listeners_open(&dead, 0600, 1, problem), ERR_OK);
        listeners_close(&dead);
        ck_assert(pipe(gate) == 0 && pipe(until_then) == 0);
        for (int i = 0; i < MANY; i++) {
            if (fork() == 0) {
                close(gate[1]);
                close(until_then[1]);
                start_and_stay(gate[0], until_then[0]);
            }
        }
        close(gate[1]); /* now */
        for (int i = 0; i < MANY - 1; i++) {
            ck_assert_int_gt(wait(&status), 0);
            listen_there += status == 0;
        }
        ck_assert(answers(""));
        close(until_then[1]);
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(listen_there + (status == 0), 1);
        close(gate[0]);
        close(until_then[0]);
        unlink(path);
    }
}
END_TEST

START_TEST(a_tcp_address_is_one_socket_for_all) {
    struct sockaddr_in name = {0};
    socklen_t size = sizeof name;
    char third[LISTEN_ADDRESS];

    listeners_init(&listeners, "tcp:127.0.0.1:0", "", "");
    ck_assert_int_eq(listeners_open(&listeners, 0, 3, problem), ERR_OK);
    ck_assert_int_eq(listeners.count, 1);
    listeners_address(&listeners, 2, third);
    ck_assert_str_eq(third, "tcp:127.0.0.1:0");
    listeners_choose(&listeners, 2);
    ck_assert_int_eq(listeners.count, 1);
    ck_assert_int_eq(getsockname(listeners.fcgi[0].fd, (struct sockaddr *)&name, &size), 0);
    int fd = wire_tcp(ntohs(name.sin_port));
    ck_assert_int_ge(fd, 0);
    close(fd);
    listeners_close(&listeners);
}
END_TEST

/* Listens for both at addresses of IPv6, and is reached there. */
START_TEST(an_address_of_ipv6_stands_in_brackets) {
    static const char *const addresses[] = {"tcp:[::1]:0", "tcp:[::]:0", "tcp:::1:0"};

    for (size_t i = 0; i < ROWS(addresses); i++) {
        struct sockaddr_in6 name = {0};
        socklen_t size = sizeof name;

        listeners_init(&listeners, addresses[i], addresses[i], "");
        ck_assert_msg(listeners_open(&listeners, 0, 2, problem) == ERR_OK, "%s", problem);
        ck_assert_msg(listeners_open_http(&listeners, 0, problem) == ERR_OK, "%s", problem);
        for (int k = 0; k < 2; k++) {
            int there = k == 0 ? listeners.fcgi[0].fd : listeners.http.fd;
            ck_assert_int_eq(getsockname(there, (struct sockaddr *)&name, &size), 0);
            ck_assert_int_eq(name.sin6_family, AF_INET6);
            name.sin6_addr = in6addr_loopback;
            int fd = socket(AF_INET6, SOCK_STREAM, 0);
            ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, size), 0);
            close(fd);
        }
        listeners_close(&listeners);
    }
}
END_TEST

START_TEST(websockets_have_one_socket_for_all) {
    setup();
    listeners_init(&listeners, "", address, "");
    ck_assert_int_eq(listeners_open(&listeners, 0600, 2, problem), ERR_OK);
    ck_assert_int_eq(listeners_open_http(&listeners, 0600, problem), ERR_OK);
    ck_assert_int_eq(listeners.count, 0);
    ck_assert(answers(""));
    listeners_remove(&listeners);
    listeners_close(&listeners);
    ck_assert_int_eq(listeners.http.fd, -1);
    ck_assert(!is_there(""));
}
END_TEST

START_TEST(an_address_that_is_none_is_told) {
    static const struct {
        const char *address, *says;
    } rows[] = {{"/run/halley.sock", "must be unix:/path or tcp:host:port"},
                {"unix:halley.sock", "must be unix:/path or tcp:host:port"},
                {"tcp:8080", "must be tcp:host:port"},
                {"tcp:127.0.0.1:", "must be tcp:host:port"},
                {"tcp:[::1]", "must be tcp:host:port"},
                {"tcp:[::1", "must be tcp:host:port"},
                {"tcp:[]:1", "must be tcp:host:port"},
                {"tcp:[[::1]]:1", "must be tcp:host:port"},
                {"unix:/no/such/folder/halley.sock", "No such file"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        listeners_init(&listeners, rows[i].address, "", "");
        ck_assert_int_eq(listeners_open(&listeners, 0600, 2, problem), ERR_SYSTEM);
        ck_assert_msg(strstr(problem, rows[i].says) != NULL, "%s: %s", rows[i].address, problem);
        ck_assert_msg(strstr(problem, keepf("listen = %s: ", rows[i].address)) == problem, "%s",
                      problem);
        listeners_init(&listeners, "", rows[i].address, "");
        ck_assert_int_eq(listeners_open_http(&listeners, 0600, problem), ERR_SYSTEM);
        ck_assert_msg(strstr(problem, keepf("http = %s: ", rows[i].address)) == problem, "%s",
                      problem);
    }
    listeners_init(&listeners, keepf("unix:/%0*d", 110, 0), "", "");
    ck_assert_int_eq(listeners_open(&listeners, 0600, 1, problem), ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(problem, "too long"));
}
END_TEST

UNIT_MAIN("listen", one_process_listens_at_the_path_itself, each_of_several_has_a_path_of_its_own,
          a_child_keeps_its_own_and_removes_none, a_path_in_use_is_told_and_nothing_stays_open,
          what_a_dead_process_left_is_replaced, nothing_but_a_left_over_socket_is_ever_removed,
          what_was_put_in_a_sockets_place_is_not_removed_with_it,
          of_many_that_start_at_once_on_a_dead_socket_one_listens,
          a_tcp_address_is_one_socket_for_all, an_address_of_ipv6_stands_in_brackets,
          websockets_have_one_socket_for_all, an_address_that_is_none_is_told)
