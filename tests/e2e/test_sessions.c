/* Sessions of other systems' clients, beside what their dialects are: how many there may be,
 * whoever of two processes is asked, and what becomes of them when a process is killed or stopped.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdlib.h>
#include <string.h>

static struct lab lab;

static void begin(const char *limits) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "sessions");
    lab_conf(&lab, keepf("mount = /comet\n%s[channel room]\npublish = anyone\n"
                         "[service sockjs/chat]\n[service sockjs/room]\nprotocol = channel room\n",
                         limits));
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, "lighttpd-socket", 2);
}

/* ------------------------------------------------------------------------ helpers */

static const char *fresh(const char *service) {
    return keepf("/sockjs/%s/%d/%s", service, rand() % 1000, keep_fresh("s"));
}

static const struct answer *post(const char *base, const char *kind, const char *body) {
    const struct request request = {.method = "POST",
                                    .path = keepf("%s/%s", base, kind),
                                    .body = body,
                                    .length = strlen(body),
                                    .headers = {"Content-Type: text/plain"}};
    return http_send(&lab, &request);
}

static void must_open(const char *base) {
    const struct answer *answer = post(base, "xhr", "");
    ck_assert_msg(answer->status == 200 && strcmp(answer->body, "o\n") == 0, "%s",
                  answer_text(answer));
}

/* Polls a session that has something to say. */
static void must_go_on(const char *base) {
    const struct answer *answer = post(base, "xhr_send", "[\"{\\\"publish\\\":0}\"]");
    ck_assert_msg(answer->status == 204, "%s", answer_text(answer));
    do {
        answer = post(base, "xhr", "");
        ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    } while (answer->body[0] == 'h');
    ck_assert_msg(answer->body[0] == 'a', "%s", answer_text(answer));
}

static void must_refuse(const struct answer *answer, int status, const char *option) {
    const char *after = answer_header(answer, "Retry-After");
    ck_assert_msg(answer->status == status && strstr(answer->body, option) != NULL, "%s",
                  answer_text(answer));
    ck_assert_msg(after != NULL && atoi(after) >= 1, "no Retry-After in %s", answer->head);
}

static json_int_t sessions(void) {
    const struct answer *status = http_get(&lab, "/comet/status");
    ck_assert_msg(json_is_integer(json_object_get(status->json, "sessions")), "%s",
                  answer_text(status));
    return json_integer_value(json_object_get(status->json, "sessions"));
}

/* The largest figure of either process. */
static json_int_t figure(const char *name) {
    json_int_t most = 0;
    for (int i = 0; i < 8; i++) {
        const struct answer *status = http_get(&lab, "/comet/status");
        json_int_t value = json_integer_value(json_object_get(status->json, name));
        most = value > most ? value : most;
    }
    return most;
}

/* --------------------------------------------------------------------------- limits */

START_TEST(more_sessions_than_there_may_be_are_refused_whoever_is_asked) {
    begin("max_sessions = 3\n");
    const char *bases[] = {fresh("chat"), fresh("room"), fresh("chat")};
    ck_assert_int_eq(sessions(), 0);
    for (size_t i = 0; i < 3; i++)
        must_open(bases[i]);
    ck_assert_int_eq(sessions(), 3);
    for (int i = 0; i < 4; i++)
        must_refuse(post(fresh(i % 2 ? "chat" : "room"), "xhr", ""), 503, "max_sessions");
    must_refuse(post(fresh("chat"), "xhr_streaming", ""), 503, "max_sessions");
    for (size_t i = 0; i < 3; i += 2)
        must_go_on(bases[i]);
    ck_assert_int_ge(figure("sessions_full"), 1);
    const struct answer *metrics = http_get(&lab, "/comet/metrics");
    ck_assert_msg(strstr(metrics->body, "\nhalley_sessions 3\n") != NULL, "%s", metrics->body);
    ck_assert_ptr_nonnull(strstr(metrics->body, "\nhalley_sessions_full_total "));
    until(sessions() == 0, "they do not end"); /* by themselves */
    must_open(fresh("chat"));
    ck_assert_int_eq(sessions(), 1);
    lab_close(&lab);
}
END_TEST

static struct websock *open_socket(void) {
    int fd = wire_tcp(lab.port);
    ck_assert(fd >= 0);
    return websock_on(fd, keepf("%s/websocket", fresh("chat")), "");
}

START_TEST(an_address_opens_no_more_sessions_than_its_rate) {
    begin("session_rate = 3/60\n");
    const char *chat = fresh("chat"), *room = fresh("room");
    must_open(chat);
    must_open(room);
    struct websock *socket = open_socket();
    ck_assert_int_eq(websock_reach_status(socket), 101);
    must_refuse(post(fresh("chat"), "xhr", ""), 429, "session_rate");
    must_refuse(post(fresh("room"), "xhr_streaming", ""), 429, "session_rate");
    websock_close(socket);
    socket = open_socket();
    ck_assert_int_eq(websock_reach_status(socket), 429);
    ck_assert_msg(strcasestr(socket->head, "\r\nRetry-After: ") != NULL, "%s", socket->head);
    websock_close(socket);
    must_go_on(chat);
    ck_assert_int_ge(figure("sessions_fast"), 1);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sessions");
    TCase *limits = e2e_case(suite, "limits", NULL, NULL);

    tcase_add_test(limits, more_sessions_than_there_may_be_are_refused_whoever_is_asked);
    tcase_add_test(limits, an_address_opens_no_more_sessions_than_its_rate);
    return e2e_run(suite);
}
