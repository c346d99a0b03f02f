/* Parked: what becomes of waits whose browser leaves, and of those that end.
 *
 * How many are held is asked of the application itself (/comet/status). How
 * many it can hold is test_crowd's to show.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/swarm.h"
#include "tests/lib/wire.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "parked", server);
}

static void teardown(void) {
    lab_close(&lab);
}

static size_t waiters(void) {
    const struct answer *status = http_get(&lab, "/comet/status");

    return (size_t)json_integer_value(json_object_get(status->json, "waiters"));
}

static const char *wait_request(const char *channel) {
    return keepf("GET /comet/wait?channel=%s&timeout=55 HTTP/1.1\r\n"
                 "Host: localhost\r\nConnection: close\r\n\r\n",
                 channel);
}

START_TEST(a_descriptor_that_the_web_server_closes_is_freed_at_once) {
    enum { COUNT = 20 };
    struct bytes request = {0};
    int fds[COUNT];

    setup("lighttpd-socket");
    fcgi_request(&request, "GET", keepf("/comet/wait?channel=%s&timeout=55", keep_fresh("leave")),
                 NULL, 0);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = wire_unix(lab.app_socket[0]);
        ck_assert(wire_send(fds[i], request.data, request.length));
    }
    until(waiters() == COUNT, "%zu of %d are parked", waiters(), COUNT);
    int64_t begun = now_ms();
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    until(waiters() == 0, "%zu are still held", waiters());
    ck_assert_int_lt(now_ms() - begun, 40000); /* their own end would be at 50 s or later */
    teardown();
}
END_TEST

START_TEST(a_browser_that_leaves_is_freed_and_the_others_are_not) {
    enum { COUNT = 40, LEAVE = 30 };
    const char *channel = keep_fresh("leave");
    struct swarm *swarm;

    setup(e2e_servers[_i]);
    swarm = swarm_begin(lab.port, COUNT, wait_request(channel));
    until((swarm_pump(swarm, 0), waiters() == COUNT), "%zu of %d are parked", waiters(), COUNT);
    int64_t begun = now_ms();
    swarm_leave(swarm, LEAVE);
    until(waiters() == COUNT - LEAVE, "%zu are held", waiters());
    ck_assert_int_lt(now_ms() - begun, 40000);
    store_add(&lab, channel, "\"still here\"");
    until(swarm_pump(swarm, 50) == COUNT - LEAVE, "those who stayed get no answer");
    ck_assert_uint_eq(swarm_holding(swarm, "still here"), COUNT - LEAVE);
    swarm_end(swarm);
    teardown();
}
END_TEST

/* Whether the text has come on a connection by now. */
static bool has_come(int fd, const char *text) {
    static char said[1 << 16];
    ssize_t len = recv(fd, said, sizeof said - 1, MSG_DONTWAIT | MSG_PEEK);

    said[len > 0 ? len : 0] = '\0';
    return strstr(said, text) != NULL;
}

/* Over TCP who has left looks like who only sends no more: a stream finds out by sending. */
START_TEST(a_stream_whose_browser_leaves_is_freed_before_its_next_message) {
    enum { COUNT = 20 };
    const char *channel = keep_fresh("leave");
    const char *request =
        keepf("GET /comet/events?channel=%s HTTP/1.1\r\nHost: h\r\n\r\n", channel);
    int fds[COUNT];

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "parked");
    lab_conf(&lab, "keepalive = 3600\n");
    lab_all(&lab, "parked", "http");
    for (int i = 0; i < COUNT; i++) {
        fds[i] = wire_tcp(lab.port);
        ck_assert(wire_send(fds[i], request, strlen(request)));
    }
    until(waiters() == COUNT, "%zu of %d are parked", waiters(), COUNT);
    ck_assert_int_eq(shutdown(fds[0], SHUT_WR), 0);
    for (int i = 1; i < COUNT; i++)
        close(fds[i]);
    until(waiters() == 1, "%zu are held", waiters());
    store_add(&lab, channel, "\"for who sends no more\"");
    until(has_come(fds[0], "for who sends no more"), "it did not come");
    close(fds[0]);
    teardown();
}
END_TEST

START_TEST(waits_do_not_all_return_in_the_same_instant) {
    enum { COUNT = 60, SECONDS = 6 };
    const struct answer *first = NULL;
    struct flight *flights[COUNT];
    double least = 1000, most = 0;

    setup("lighttpd");
    for (int i = 0; i < COUNT; i++)
        flights[i] = http_get_begin(&lab, "/comet/wait?channel=step&timeout=%d", SECONDS);
    for (int i = 0; i < COUNT; i++) {
        first = must_be_batch(http_land(flights[i]));
        least = first->seconds < least ? first->seconds : least;
        most = first->seconds > most ? first->seconds : most;
    }
    ck_assert_msg(least >= 0.89 * SECONDS, "one ended after %.2f s", least);
    ck_assert_msg(most - least > 0.02 * SECONDS, "all ended within %.3f s", most - least);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parked");
    TCase *parked = e2e_case(suite, "parked", NULL, NULL);

    tcase_add_test(parked, a_descriptor_that_the_web_server_closes_is_freed_at_once);
    tcase_add_loop_test(parked, a_browser_that_leaves_is_freed_and_the_others_are_not, 0,
                        E2E_THREADLESS);
    tcase_add_test(parked, a_stream_whose_browser_leaves_is_freed_before_its_next_message);
    tcase_add_test(parked, waits_do_not_all_return_in_the_same_instant);
    return e2e_run(suite);
}
