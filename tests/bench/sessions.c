/* What sessions of polling clients cost Redis: its own time for each function call of a poll
 * cycle (by its account, INFO commandstats), with as many sessions as a busy site has; the calls of
 * a cycle, as halley.fcgi makes them; and the bytes of a session that sleeps, which a stream and a
 * WebSocket have none of. */
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SESSIONS = 5000, CYCLES = 8, TOGETHER = 50, POLLS = 40, CROWD = 25 };

static struct lab lab;

/* ------------------------------------------------------------------------- the functions */

static void each(redisContext *redis, void (*append)(redisContext *redis, int session, int cycle),
                 int cycle, int calls) {
    for (int done = 0; done < calls; done += TOGETHER) {
        for (int i = 0; i < TOGETHER; i++)
            append(redis, done + i, cycle);
        for (int i = 0; i < TOGETHER; i++) {
            redisReply *reply = NULL;
            must(redisGetReply(redis, (void **)&reply) == REDIS_OK &&
                     reply->type != REDIS_REPLY_ERROR,
                 "%s", reply ? reply->str : "no answer");
            freeReplyObject(reply);
        }
    }
}

static void append_open(redisContext *redis, int session, int cycle) {
    (void)cycle;
    redisAppendCommand(redis,
                       "FCALL halley_session_open 1 %032d 3600000 sockjs/room  "
                       "room@1795219200000-%d 0 0",
                       session, 1000);
}

/* Halley sends what is empty as such: in a format it would vanish. */
static void append_attach(redisContext *redis, int session, int cycle) {
    redisAppendCommand(
        redis, "FCALL halley_session_attach 1 %032d %s.%d %s first 3600000 next %b %b", session,
        "0123456789abcdef", session + cycle * SESSIONS, "halley", "", (size_t)0, "", (size_t)0);
}

static void append_answer(redisContext *redis, int session, int cycle) {
    redisAppendCommand(redis,
                       "FCALL halley_session_answer 1 %032d %s.%d 1 3600000 0 done 0 %b "
                       "room@1795219200000-%d",
                       session, "0123456789abcdef", session + cycle * SESSIONS, "", (size_t)0,
                       1001 + cycle);
}

/* One call that marks the answers of CROWD sessions, from the first of as many on. */
static void append_answers(redisContext *redis, int session, int cycle) {
    const char *argv[3 + CROWD + 2 + 2 * CROWD] = {"FCALL", "halley_session_answers",
                                                   keepf("%d", CROWD)};
    int argc = 3;

    for (int i = 0; i < CROWD; i++)
        argv[argc++] = keepf("%032d", session * CROWD + i);
    argv[argc++] = "3600000";
    argv[argc++] = keepf("room@1795219200000-%d", 1001 + cycle);
    for (int i = 0; i < CROWD; i++) {
        argv[argc++] = keepf("%s.%d", "0123456789abcdef", session * CROWD + i + cycle * SESSIONS);
        argv[argc++] = "1";
    }
    redisAppendCommandArgv(redis, argc, argv, NULL);
}

static const char *info(const char *section, const char *name) {
    const char *text = store_do(&lab, "INFO %s", section)->str, *at = strstr(text, name);
    return at != NULL ? at + strlen(name) : "0";
}

/* What each of them costs Redis, in microseconds. */
static double cost(redisContext *redis, void (*append)(redisContext *redis, int session, int cycle),
                   int cycle, int calls) {
    store_do(&lab, "CONFIG RESETSTAT");
    each(redis, append, cycle, calls);
    return atof(strstr(info("commandstats", "cmdstat_fcall:"), "usec_per_call=") +
                strlen("usec_per_call="));
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_size);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void measure_calls(void) {
    redisContext *redis = redisConnectUnix(lab.redis_socket);
    double before = atof(info("memory", "used_memory:")), open, attach[CYCLES], answer[CYCLES];

    must(redis != NULL && redis->err == 0, "cannot connect to Redis");
    open = cost(redis, append_open, 0, SESSIONS);
    for (int i = 0; i < CYCLES; i++) {
        attach[i] = cost(redis, append_attach, i, SESSIONS);
        answer[i] = cost(redis, append_answer, i, SESSIONS);
    }
    double bytes = (atof(info("memory", "used_memory:")) - before) / SESSIONS;
    printf("%d sessions with one channel, %d poll cycles of each, %d calls at a time:\n", SESSIONS,
           CYCLES, TOGETHER);
    double one = median(attach, CYCLES), other = median(answer, CYCLES);
    printf("  attach %.1f us, answer %.1f us, a cycle %.1f us (open %.1f us)\n", one, other,
           one + other, open);
    printf("  asleep %.0f bytes each\n", bytes);
    for (int i = 0; i < CYCLES; i++) {
        cost(redis, append_attach, CYCLES + i, SESSIONS);
        answer[i] = cost(redis, append_answers, CYCLES + i, SESSIONS / CROWD) / CROWD;
    }
    printf("  answers of %d at once %.1f us each\n", CROWD, median(answer, CYCLES));
    store_do(&lab, "FLUSHDB");
    redisFree(redis);
}

/* ----------------------------------------------------------------------------- programs */

static const struct answer *post(const char *base, const char *kind) {
    const struct request request = {
        .method = "POST", .path = keepf("%s/%s", base, kind), .body = ""};
    return http_send(&lab, &request);
}

static const char *fresh(void) {
    return keepf("/sockjs/room/0/%s", keep_fresh("s"));
}

/* How often the functions of sessions were called since SLOWLOG RESET. */
static int called(void) {
    const redisReply *log = store_do(&lab, "SLOWLOG GET -1");
    int count = 0;
    for (size_t i = 0; i < log->elements; i++) {
        const redisReply *words = log->element[i]->element[3];
        count += words->elements > 1 &&
                 strncmp(words->element[1]->str, "halley_session_", 15) == 0 &&
                 strcmp(words->element[1]->str, "halley_session_version") != 0;
    }
    return count;
}

static void count_calls(const char *what, int polls, int calls) {
    printf("  %s: %d polls, %.2f function calls each\n", what, polls, (double)calls / polls);
}

static void measure_polls(void) {
    const char *base = fresh();

    printf("halley.fcgi behind lighttpd:\n");
    post(base, "xhr");
    store_do(&lab, "SLOWLOG RESET");
    for (int i = 0; i < POLLS; i++) {
        store_add(&lab, "room", "x");
        const struct answer *answer = post(base, "xhr");
        must(answer->status == 200 && answer->body[0] == 'a', "%s", answer_text(answer));
    }
    count_calls("polls that find a message", POLLS, called());
    store_do(&lab, "SLOWLOG RESET");
    for (int i = 0; i < POLLS; i++) {
        const struct request poll = {.method = "POST", .path = keepf("%s/xhr", base), .body = ""};
        struct flight *flight = http_begin(&lab, &poll);
        http_pump(20);
        store_add(&lab, "room", "x");
        must(http_land(flight)->body[0] == 'a', "%s", answer_text(http_land(flight)));
    }
    count_calls("polls that wait for one", POLLS, called());
}

static void measure_sockets(void) {
    struct websock *sockets[POLLS];
    long long before = store_do(&lab, "DBSIZE")->integer;

    store_do(&lab, "SLOWLOG RESET");
    for (int i = 0; i < POLLS; i++) {
        sockets[i] = websock_on(wire_tcp(lab.port), keepf("%s/websocket", fresh()), "");
        websock_reach_text(sockets[i]);
    }
    printf("  %d WebSockets: %lld keys, %d function calls\n", POLLS,
           store_do(&lab, "DBSIZE")->integer - before, called());
    for (int i = 0; i < POLLS; i++)
        websock_close(sockets[i]);
}

int main(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "sessions");
    lab_conf(&lab, "mount = /comet\n[service sockjs/room]\nprotocol = channel room\n");
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, "lighttpd-socket", 2);
    http_get(&lab, "/comet/poll?channel=room");
    store_do(&lab, "CONFIG SET slowlog-log-slower-than -1");
    measure_calls();
    store_do(&lab, "CONFIG SET slowlog-max-len 10000 slowlog-log-slower-than 0");
    measure_polls();
    measure_sockets();
    lab_close(&lab);
    lab_remove_all();
    return 0;
}
