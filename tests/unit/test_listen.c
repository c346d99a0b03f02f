/* fcgi-app/listen: the sockets of one process and of several. */
#include "fcgi-app/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
    listeners_init(&listeners, address, "");
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
    int second = listeners.fcgi[1];
    listeners_choose(&listeners, 1);
    ck_assert_int_eq(listeners.count, 1);
    ck_assert_int_eq(listeners.fcgi[0], second);
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
    listeners_init(&other, keepf("%s.3", address), "");
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
    listeners_init(&dead, address, "");
    ck_assert_int_eq(listeners_open(&dead, 0600, 2, problem), ERR_OK);
    listeners_close(&dead);
    ck_assert(is_there("") && !answers(""));
    ck_assert_int_eq(listeners_open(&listeners, 0600, 2, problem), ERR_OK);
    ck_assert(answers("") && answers(".2"));
    listeners_remove(&listeners);
    listeners_close(&listeners);
}
END_TEST

START_TEST(a_tcp_address_is_one_socket_for_all) {
    struct sockaddr_in name = {0};
    socklen_t size = sizeof name;
    char third[LISTEN_ADDRESS];

    listeners_init(&listeners, "tcp:127.0.0.1:0", "");
    ck_assert_int_eq(listeners_open(&listeners, 0, 3, problem), ERR_OK);
    ck_assert_int_eq(listeners.count, 1);
    listeners_address(&listeners, 2, third);
    ck_assert_str_eq(third, "tcp:127.0.0.1:0");
    listeners_choose(&listeners, 2);
    ck_assert_int_eq(listeners.count, 1);
    ck_assert_int_eq(getsockname(listeners.fcgi[0], (struct sockaddr *)&name, &size), 0);
    int fd = wire_tcp(ntohs(name.sin_port));
    ck_assert_int_ge(fd, 0);
    close(fd);
    listeners_close(&listeners);
}
END_TEST

START_TEST(websockets_have_one_socket_for_all) {
    setup();
    listeners_init(&listeners, "", address);
    ck_assert_int_eq(listeners_open(&listeners, 0600, 2, problem), ERR_OK);
    ck_assert_int_eq(listeners_open_websocket(&listeners, 0600, problem), ERR_OK);
    ck_assert_int_eq(listeners.count, 0);
    ck_assert(answers(""));
    listeners_remove(&listeners);
    listeners_close(&listeners);
    ck_assert_int_eq(listeners.websocket, -1);
    ck_assert(!is_there(""));
}
END_TEST

START_TEST(an_address_that_is_none_is_told) {
    static const struct {
        const char *address, *says;
    } rows[] = {{"/run/halley.sock", "must be unix:/path or tcp:host:port"},
                {"unix:halley.sock", "must be unix:/path or tcp:host:port"},
                {"tcp:8080", "must be tcp:host:port"},
                {"unix:/no/such/folder/halley.sock", "No such file"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        listeners_init(&listeners, rows[i].address, "");
        ck_assert_int_eq(listeners_open(&listeners, 0600, 2, problem), ERR_SYSTEM);
        ck_assert_msg(strstr(problem, rows[i].says) != NULL, "%s: %s", rows[i].address, problem);
        ck_assert_msg(strstr(problem, rows[i].address) != NULL, "%s", problem);
    }
    listeners_init(&listeners, keepf("unix:/%0*d", 110, 0), "");
    ck_assert_int_eq(listeners_open(&listeners, 0600, 1, problem), ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(problem, "too long"));
}
END_TEST

UNIT_MAIN("listen", one_process_listens_at_the_path_itself, each_of_several_has_a_path_of_its_own,
          a_child_keeps_its_own_and_removes_none, a_path_in_use_is_told_and_nothing_stays_open,
          what_a_dead_process_left_is_replaced, a_tcp_address_is_one_socket_for_all,
          websockets_have_one_socket_for_all, an_address_that_is_none_is_told)
