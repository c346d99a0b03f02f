/* Who has logged in at the web server, through each of them as it is deployed: their configurations
 * as they are shipped, and with the example of Basic authentication that stands in them. What a
 * visitor says himself must never be taken for it.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The last ones show no logins in their configurations. */
static const char *const servers[] = {"lighttpd-socket", "nginx",        "apache",
                                      "caddy",           "nginx-proxy",  "haproxy",
                                      "apache-proxy",    "haproxy-fcgi", "caddy-fcgi"};
enum { SERVERS = sizeof servers / sizeof *servers, WITH_LOGINS = SERVERS - 2 };

static struct lab lab;

static void open_lab(const char *user_header) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "logins");
    lab_conf(&lab, "[channel inbox/*]\nsubscribe = owner\npublish = user\n"
                   "[channel staff]\nsubscribe = group staff\n");
    lab_set(&lab, "USER_HEADER", user_header);
    lab_set(&lab, "ORIGINS", "*");
    if (strcmp(user_header, "Forwarded") != 0)
        lab_set(&lab, "GROUP_HEADER", "X-Halley-Groups");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_websockets(&lab);
}

static void open_server(const char *server, bool logins) {
    open_lab(strncmp(server, "lighttpd", 8) == 0 ? "Forwarded" : "X-Halley-User");
    lab.logins = logins;
    lab_web(&lab, server, 1);
}

/* ------------------------------------------------------------- through web servers */

static int poll_with(const char *one, const char *two, const char *channel) {
    const struct request request = {.path = keepf("/comet/poll?channel=%s", channel),
                                    .headers = {one, two}};
    return http_send(&lab, &request)->status;
}

static int upgrade_with(const char *one, const char *two, const char *channel) {
    const char *lines = keepf("%s%s%s%s", one, one[0] != '\0' ? "\r\n" : "", two != NULL ? two : "",
                              two != NULL ? "\r\n" : "");
    struct websock *socket =
        websock_on(wire_tcp(lab.port), keepf("/comet/ws?channel=%s", channel), lines);
    int status = websock_reach_status(socket);

    websock_close(socket);
    return status;
}

/* Refused; some servers refuse what they do not like themselves. */
static void must_be_nobody(const char *one, const char *two, const char *channel) {
    int poll = poll_with(one, two, channel), upgrade = upgrade_with(one, two, channel);

    ck_assert_msg(poll == 401 || poll == 400, "%s: %s, %s: %d", lab.server, one, two, poll);
    ck_assert_msg(upgrade == 401 || upgrade == 400, "%s: %s, %s: %d", lab.server, one, two,
                  upgrade);
}

static const char basic_alice[] = "Authorization: Basic YWxpY2U6c2VjcmV0"; /* alice:secret */
static const char basic_wrong[] = "Authorization: Basic YWxpY2U6d3Jvbmc="; /* alice:wrong */

START_TEST(what_a_visitor_sends_is_never_taken_for_a_login) {
    static const char *const fields[] = {"X-Halley-User: alice",
                                         "x-halley-user: alice",
                                         "X_Halley_User: alice",
                                         "X-Halley_User: alice",
                                         "Remote-User: alice",
                                         "Remote_User: alice",
                                         "REMOTE_USER: alice",
                                         "Forwarded: remote_user=alice",
                                         "Forwarded: for=127.0.0.1;remote_user=\"alice\"",
                                         "Forwarded: x=\"",
                                         "Forwarded: remote_user=\"alice\";x=\"\\",
                                         basic_alice,
                                         basic_wrong};

    open_server(servers[_i], false);
    ck_assert_int_eq(poll_with("", NULL, "open"), 200);
    ck_assert_int_eq(upgrade_with("", NULL, "open"), 101);
    must_be_nobody("", NULL, "inbox/alice");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        must_be_nobody(fields[i], NULL, "inbox/alice");
    must_be_nobody("Authorization: BASIC  YWxpY2U6c2VjcmV0", NULL, "inbox/alice");
    must_be_nobody("Authorization: Bearer x", basic_alice, "inbox/alice");
    must_be_nobody(basic_alice, "Authorization: Bearer x", "inbox/alice");
    must_be_nobody("X-Halley-User: alice", "X-Halley-User: alice", "inbox/alice");
    must_be_nobody("X-Halley-User: alice", "X_Halley_User: alice", "inbox/alice");
    must_be_nobody("X-Halley-User: alice", "X-Halley-Groups: staff", "staff");
    lab_close(&lab);
}
END_TEST

START_TEST(a_login_at_the_web_server_is_who_somebody_is) {
    const char *said = strncmp(servers[_i], "lighttpd", 8) == 0 ? "Forwarded: remote_user=bob"
                                                                : "X-Halley-User: bob";
    open_server(servers[_i], true);
    ck_assert_int_eq(poll_with(basic_alice, NULL, "inbox/alice"), 200);
    ck_assert_int_eq(poll_with(basic_alice, NULL, "inbox/bob"), 403);
    ck_assert_int_eq(poll_with(basic_alice, said, "inbox/bob"), 403);
    ck_assert_int_eq(poll_with(basic_alice, said, "inbox/alice"), 200);
    ck_assert_int_eq(poll_with(basic_wrong, said, "inbox/alice"), 401);
    ck_assert_int_eq(poll_with("", NULL, "open"), 401); /* by the web server */
    ck_assert_int_eq(upgrade_with(basic_alice, NULL, "inbox/alice"), 101);
    ck_assert_int_eq(upgrade_with(basic_alice, NULL, "inbox/bob"), 403);
    ck_assert_int_eq(upgrade_with(basic_alice, said, "inbox/bob"), 403);
    ck_assert_int_eq(upgrade_with(basic_alice, said, "inbox/alice"), 101);
    ck_assert_int_eq(upgrade_with(basic_wrong, said, "inbox/alice"), 401);
    ck_assert_int_eq(poll_with(basic_alice, "X-Halley-Groups: staff", "staff"), 403);
    ck_assert_int_eq(upgrade_with(basic_alice, "X-Halley-Groups: staff", "staff"), 403);
    lab_close(&lab);
}
END_TEST

/* ------------------------------------------------------------------- the HTTP door */

/* The status of one more request on a connection that is kept. */
static int status_on(int fd, const char *channel, const char *fields) {
    const char *text =
        keepf("GET /comet/poll?channel=%s HTTP/1.1\r\nHost: h\r\n%s\r\n", channel, fields);
    char answer[65536], *end = NULL;
    size_t len = 0, whole = 0;

    ck_assert(wire_send(fd, text, strlen(text)));
    while (end == NULL || len < whole) {
        ck_assert(wire_stirs(fd, 60000));
        ssize_t came = read(fd, answer + len, sizeof answer - 1 - len);
        ck_assert_int_gt(came, 0);
        len += (size_t)came;
        answer[len] = '\0';
        end = strstr(answer, "\r\n\r\n");
        const char *length = end != NULL ? strstr(answer, "Content-Length: ") : NULL;
        whole = length != NULL ? (size_t)(end - answer) + 4 + (size_t)atol(length + 16) : 0;
    }
    return atoi(answer + sizeof "HTTP/1.1");
}

static void open_door(const char *user_header) {
    open_lab(user_header);
    lab_door(&lab);
}

START_TEST(the_next_request_of_a_proxys_connection_inherits_nothing) {
    static const struct {
        const char *channel, *fields;
        int status;
    } rows[] = {{"inbox/alice", "X-Halley-User: alice\r\n", 200},
                {"inbox/alice", "X-Halley-User: bob\r\n", 403},
                {"inbox/alice", "", 401},
                {"inbox/alice", "X-Halley-User: alice\r\n", 200},
                {"open", "", 200}, /* which is remembered as a query */
                {"open", "X-Halley-User: alice\r\n", 200},
                {"open", "X-Halley-User: alice\r\nX-Halley-User: bob\r\n", 400},
                {"open", "", 200},
                {"inbox/alice", "", 401},
                {"staff", "X-Halley-User: alice\r\nX-Halley-Groups: a, staff\r\n", 200},
                {"staff", "X-Halley-User: alice\r\n", 403},
                {"staff", "X-Halley-Groups: staff\r\n", 401}, /* of nobody */
                {"inbox/alice", "X-Halley-User: alice\r\nOrigin: http://other\r\n", 401},
                {"inbox/alice", "X-Halley-User:\r\n", 401},
                {"inbox/alice", "X-Halley-User: al\tice\r\n", 401}};

    open_door("X-Halley-User");
    int fd = wire_unix(lab.websocket);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = status_on(fd, rows[i].channel, rows[i].fields);
        ck_assert_msg(status == rows[i].status, "row %zu: %d", i, status);
    }
    close(fd);
    lab_close(&lab);
}
END_TEST

START_TEST(forwarded_names_the_user_in_its_last_element) {
    static const struct {
        const char *fields;
        int status;
    } rows[] = {{"Forwarded: for=x;remote_user=\"alice\"\r\n", 200},
                {"Forwarded: for=x, for=y;remote_user=\"alice\"\r\n", 200},
                {"Forwarded: for=x\r\nForwarded: remote_user=\"alice\"\r\n", 200}, /* a list */
                {"Forwarded: remote_user=\"alice\", for=y\r\n", 401},
                {"Forwarded: remote_user=\"alice\",\r\n", 401},
                {"Forwarded: remote_user=\"alice\", for=y;remote_user=\"bob\"\r\n", 403},
                {"Forwarded: x=\", for=y;remote_user=\"alice\"\r\n", 400},
                {"Forwarded: remote_user=bob;remote_user=alice\r\n", 400},
                {"X-Halley-User: alice\r\n", 401}};

    open_door("Forwarded");
    int fd = wire_unix(lab.websocket);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = status_on(fd, "inbox/alice", rows[i].fields);
        ck_assert_msg(status == rows[i].status, "row %zu: %d", i, status);
    }
    close(fd);
    lab_close(&lab);
}
END_TEST

/* Over TCP anybody may be connected. */
START_TEST(a_peer_over_tcp_is_believed_where_he_is_trusted) {
    open_lab("X-Halley-User");
    if (_i == 1)
        lab_set(&lab, "TRUSTED_PROXIES", "10.0.0.0/8 127.0.0.1");
    lab_web(&lab, "http", 1);
    ck_assert_int_eq(poll_with("X-Halley-User: alice", NULL, "inbox/alice"), _i == 1 ? 200 : 401);
    ck_assert_int_eq(poll_with("X-Halley-User: alice", "X-Halley-Groups: staff", "staff"),
                     _i == 1 ? 200 : 401);
    ck_assert_int_eq(upgrade_with("X-Halley-User: alice", NULL, "inbox/alice"),
                     _i == 1 ? 101 : 401);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("logins");
    TCase *tcase = e2e_case(suite, "logins", NULL, NULL);

    tcase_add_loop_test(tcase, what_a_visitor_sends_is_never_taken_for_a_login, 0, SERVERS);
    tcase_add_loop_test(tcase, a_login_at_the_web_server_is_who_somebody_is, 0, WITH_LOGINS);
    tcase_add_test(tcase, the_next_request_of_a_proxys_connection_inherits_nothing);
    tcase_add_test(tcase, forwarded_names_the_user_in_its_last_element);
    tcase_add_loop_test(tcase, a_peer_over_tcp_is_believed_where_he_is_trusted, 0, 2);
    return e2e_run(suite);
}
