/* What a browser's EventSource meets that Halley has no say in: it fires events of its own
 * names, it gives up for good at an error, and comes back when it was told to. And HEAD,
 * by which tools look what an address is.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "eventsource");
    lab_set(&lab, "JSONP", "on");
    lab_all(&lab, "eventsource", server);
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- HEAD ------------------------------------------------------------------------------ */

static const struct answer *head_of(const char *path) {
    return http_send(&lab, &(struct request){.method = "HEAD", .path = path});
}

START_TEST(head_is_answered_at_once_with_what_get_would_have) {
    for (int i = 0; i < TRANSPORTS; i++) {
        const struct transport_facts *facts = &transports[i];
        bool renamed = i == JSONP && strncmp(lab.server, "lighttpd", 8) == 0; /* by it */
        const char *wanted = renamed ? "text/javascript" : facts->type;
        if (i == WS)
            continue;
        const struct answer *answer =
            head_of(keepf("/comet/%s?%schannel=a", facts->endpoint, facts->more));
        const char *type = answer_header(answer, "Content-Type");

        ck_assert_msg(answer->status == 200, "%s: %d %s", facts->name, answer->status, answer->why);
        ck_assert_msg(type && strncmp(type, wanted, strlen(wanted)) == 0, "%s: %s", facts->name,
                      type ? type : "(none)");
        ck_assert_str_eq(answer_header(answer, "Cache-Control"), "no-store");
        ck_assert_str_eq(answer_header(answer, "X-Content-Type-Options"), "nosniff");
        ck_assert_uint_eq(answer->length, 0);
        ck_assert_msg(answer->seconds < 30, "%s: %g s", facts->name, answer->seconds);
    }
    ck_assert_int_eq(
        (int)json_integer_value(json_object_get(http_get(&lab, "/comet/status")->json, "waiters")),
        0);
}
END_TEST

START_TEST(head_finds_what_is_wrong_as_get_does) {
    static const struct {
        const char *path;
        int status;
    } rows[] = {{"/comet/wait", 400},
                {"/comet/wait?channel=a&timeout=soon", 400},
                {"/comet/events?channel=a&format=xml", 400},
                {"/comet/poll?channel=a&since=x", 400},
                {"/comet/stream?channel=closed-1", 403},
                {"/comet/iframe?channel=a&callback=1", 400},
                {"/comet/jsonp?channel=a", 400},
                {"/comet/nothing", 404},
                {"/comet/publish?channel=open-1", 405}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct answer *answer = head_of(rows[i].path);
        ck_assert_msg(answer->status == rows[i].status, "%s: %d", rows[i].path, answer->status);
        ck_assert_str_eq(answer_header(answer, "Content-Type"), "application/problem+json");
    }
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, head_is_answered_at_once_with_what_get_would_have);
    tcase_add_test(tcase, head_finds_what_is_wrong_as_get_does);
}

/* --- names ------------------------------------------------------------------------------ */

START_TEST(events_of_a_channel_called_gap_are_no_gaps) {
    static const char *const names[] = {"gap", "error", "open", "message", "halley-redis"};

    lab_all(&lab, "names", "lighttpd-socket");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stream *stream =
            stream_open(&lab, BY_WEB, EVENTS, keepf("channel=%s&channel=other", names[i]), NULL);
        stream_reach_start(stream);
        store_add(&lab, names[i], "[\"other\"]");
        stream_reach(stream);
        ck_assert_str_eq(stream->piece.event, keepf("{%s}", names[i]));
        ck_assert_str_eq(stream->piece.data, "[\"other\"]");
        stream_close(stream);
    }
    teardown();
}
END_TEST

/* --- not now ------------------------------------------------------------------------------ */

/* A whole answer of an event stream that is over at once, with the problem in it. */
static const struct answer *must_put_off(const struct answer *answer, const char *says) {
    const char *type = answer_header(answer, "Content-Type");
    unsigned ms;

    ck_assert_msg(answer->status == 200 && type && strcmp(type, "text/event-stream") == 0, "%s %s",
                  type ? type : "(none)", answer_text(answer));
    ck_assert_msg(sscanf(answer->body, "retry: %u\n", &ms) == 1 && ms >= 1500 && ms <= 7500, "%s",
                  answer->body);
    const char *event = strchr(answer->body, '\n');
    ck_assert_msg(strncmp(event, "\nevent: halley-error\ndata: {", 28) == 0 &&
                      strstr(event, "\"status\":503") && strstr(event, says) &&
                      !strstr(event, "id:"),
                  "%s", answer->body);
    ck_assert_str_eq(answer->body + answer->length - 3, "}\n\n");
    return answer;
}

static bool away(void) {
    return http_get(&lab, "/comet/health")->status == 503;
}

static long long counted(const char *name) {
    return json_integer_value(json_object_get(http_get(&lab, "/comet/status")->json, name));
}

START_TEST(redis_away_puts_event_streams_off_and_refuses_the_others) {
    setup(e2e_servers[_i]);
    proc_stop(&lab.redis, SIGTERM);
    until(away(), "health does not notice that Redis is away");
    must_put_off(http_get(&lab, "/comet/events?channel=a"), "Redis");
    must_put_off(http_get(&lab, "/comet/events?channel=a&format=json"), "Redis");
    ck_assert_int_eq(head_of("/comet/events?channel=a")->status, 200);
    must_be_problem(http_get(&lab, "/comet/stream?channel=a"), 503, NULL);
    must_be_problem(http_get(&lab, "/comet/wait?channel=a"), 503, NULL);
    ck_assert_int_eq(head_of("/comet/wait?channel=a")->status, 503);
    /* what is wrong for good stays an error */
    must_be_problem(http_get(&lab, "/comet/events?channel=a*"), 400, "channel");
    must_be_problem(http_get(&lab, "/comet/events?channel=closed-1"), 403, "channel");
    must_be_problem(http_get(&lab, "/comet/event?channel=a"), 404, NULL);
    if (strcmp(lab.server, "apache") != 0) /* there each kind of requests has its processes */
        ck_assert_int_eq(counted("streams_later"), 2);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    struct stream *stream;
    until((stream = stream_open(&lab, BY_WEB, EVENTS, "channel=a", NULL), stream_turn(stream, 1000),
           stream->held->body.length > 0 &&
               strstr(stream->held->body.data, "halley-error") == NULL) ||
              (stream_close(stream), false),
          "no stream begins");
    stream_reach_start(stream);
    stream_close(stream);
    teardown();
}
END_TEST

START_TEST(a_full_process_ends_streams_that_begin_and_says_when_to_come_back) {
    struct stream *held[2];

    lab_open(&lab, "full");
    lab_set(&lab, "MAX_WAITERS", "2");
    lab_all(&lab, "full", "lighttpd-socket");
    for (int i = 0; i < 2; i++) {
        held[i] = stream_open(&lab, BY_WEB, EVENTS, "channel=a", NULL);
        stream_reach_start(held[i]);
    }
    const struct answer *answer = http_get(&lab, "/comet/events?channel=a");
    ck_assert_int_eq(answer->status, 200);
    ck_assert_msg(strncmp(answer->body, "retry: ", 7) == 0 && strstr(answer->body, "\nid: a@"),
                  "%s", answer->body);
    answer = http_get(&lab, "/comet/stream?channel=a");
    ck_assert_int_eq(answer->status, 200);
    ck_assert_ptr_nonnull(strstr(answer->body, "\"retry\":"));
    ck_assert_int_eq(counted("answers_retry"), 2);
    ck_assert_int_eq(counted("streams_later") + counted("answers_503"), 0);
    for (int i = 0; i < 2; i++)
        stream_close(held[i]);
    teardown();
}
END_TEST

START_TEST(redis_that_falls_silent_puts_event_streams_off) {
    struct flight *flight;

    lab_open(&lab, "silent");
    lab_set(&lab, "REDIS_TIMEOUT", "1");
    lab_all(&lab, "silent", "nginx");
    proc_signal(&lab.redis, SIGSTOP);
    flight = http_get_begin(&lab, "/comet/events?channel=%s", keep_fresh("new"));
    must_put_off(http_land(flight), "Redis");
    proc_signal(&lab.redis, SIGCONT);
    teardown();
}
END_TEST

START_TEST(waits_that_are_told_to_poll_are_told_different_times) {
    long long least = 1 << 30, most = 0;

    lab_open(&lab, "spread");
    lab_set(&lab, "MAX_WAITERS", "1");
    lab_all(&lab, "spread", "lighttpd-socket");
    struct stream *held = stream_open(&lab, BY_WEB, STREAM, "channel=a", NULL);
    stream_reach_start(held);
    for (int i = 0; i < 100; i++) {
        long long ms = json_integer_value(
            json_object_get(http_get(&lab, "/comet/wait?channel=a&timeout=55")->json, "retry"));
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
    }
    stream_close(held);
    ck_assert_msg(least >= 1500 && most <= 4500 && most - least > 1000, "%lld to %lld", least,
                  most);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("eventsource");
    TCase *states;

    e2e_on_each_server(suite, setup, teardown, add_tests);
    states = e2e_case(suite, "states", NULL, NULL);
    tcase_add_test(states, events_of_a_channel_called_gap_are_no_gaps);
    tcase_add_loop_test(states, redis_away_puts_event_streams_off_and_refuses_the_others, 0,
                        E2E_SERVERS);
    tcase_add_test(states, a_full_process_ends_streams_that_begin_and_says_when_to_come_back);
    tcase_add_test(states, redis_that_falls_silent_puts_event_streams_off);
    tcase_add_test(states, waits_that_are_told_to_poll_are_told_different_times);
    return e2e_run(suite);
}
