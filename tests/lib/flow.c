/* What it means that everything flows: a stream, a wait and a poll bring what was published
 * by a browser, by a function call and by a bare PUBLISH.
 *
 * For tests in which Redis refuses, dies, or is another one: nothing here fails before
 * patience ends, and no number is published twice, however often it is tried.
 */
#include "tests/lib/flow.h"

#include "tests/lib/batch.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct answer *flow_ask(struct lab *programs, const char *path) {
    return fcgi_get(programs->app_socket[0], "/comet/%s", path);
}

void flow_until_well(struct lab *programs) {
    const struct answer *answer;

    until((answer = flow_ask(programs, "health"))->status == 200, "%s", answer_text(answer));
}

void flow_until_ill(struct lab *programs, const char *words) {
    const struct answer *answer;

    until((answer = flow_ask(programs, "health"))->status == 503 && strstr(answer->body, words),
          "health does not name \"%s\": %s", words, answer_text(answer));
    must_be_problem(answer, 503, words);
}

void flow_begin(struct flow *flow, struct lab *programs, struct lab *redis, const char *channel) {
    static const enum transport ways[FLOW_READERS] = {EVENTS, WAIT, POLL};

    *flow = (struct flow){.programs = programs, .redis = redis, .channel = channel};
    const struct answer *now = flow_ask(programs, keepf("poll?channel=%s", channel));
    for (size_t i = 0; i < FLOW_READERS; i++) {
        flow->readers[i] = (struct reader){.lab = programs,
                                           .way = DIRECTLY,
                                           .transport = ways[i],
                                           .channel = channel,
                                           .cursor = batch_cursor(must_be_batch(now))};
        reader_turn(&flow->readers[i]);
    }
}

static void turn(struct flow *flow) {
    for (size_t i = 0; i < FLOW_READERS; i++)
        reader_turn(&flow->readers[i]);
}

/* Tries again and again what says true when it was acknowledged. */
static void persist(struct flow *flow, bool try_it(struct flow *flow, char **said)) {
    char *said = keepf("nothing");
    int64_t end = now_ms() + PATIENCE_MS;

    flow->last++;
    while (!try_it(flow, &said)) {
        must(now_ms() < end, "%s %d is not taken: %s", flow->channel, flow->last, said);
        turn(flow);
        pause_ms(20);
    }
}

static bool try_post(struct flow *flow, char **said) {
    struct bytes request = {0}, params = {0};
    const char *body = keepf("%d", flow->last);
    int fd = wire_unix(flow->programs->app_socket[0]);

    if (fd < 0)
        return false;
    fcgi_params(&params, "POST", keepf("/comet/publish?channel=%s", flow->channel), NULL,
                strlen(body));
    fcgi_param(&params, "HTTP_IDEMPOTENCY_KEY", keepf("key-%d", flow->last));
    fcgi_begin(&request, 1, 1);
    fcgi_record(&request, FCGI_PARAMS, 1, params.data, params.length);
    fcgi_record(&request, FCGI_PARAMS, 1, NULL, 0);
    fcgi_record(&request, FCGI_STDIN, 1, body, strlen(body));
    fcgi_record(&request, FCGI_STDIN, 1, NULL, 0);
    wire_send(fd, request.data, request.length);
    const struct answer *answer = fcgi_answer(fd);
    close(fd);
    *said = keepf("%s", answer_text(answer));
    must(answer->status == 200 || answer->status == 503, "%s", *said);
    return answer->status == 200;
}

static bool try_add(struct flow *flow, char **said) {
    const redisReply *reply =
        store_try(flow->redis, "FCALL halley_publish 1 %s %d IDEMPOTENCY key-%d", flow->channel,
                  flow->last, flow->last);

    *said = keepf("%s", reply && reply->str ? reply->str : "no answer");
    return reply && reply->type == REDIS_REPLY_STRING;
}

static bool try_bare(struct flow *flow, char **said) {
    const redisReply *reply =
        store_try(flow->redis, "PUBLISH halley:%s %d", flow->channel, flow->last);

    *said = keepf("nobody listens");
    return reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
}

void flow_post(struct flow *flow) {
    persist(flow, try_post);
}

void flow_add(struct flow *flow) {
    persist(flow, try_add);
}

void flow_bare(struct flow *flow) {
    persist(flow, try_bare);
}

void flow_must_run(struct flow *flow, const char *after, int64_t since_ms) {
    int64_t took[4];

    flow_add(flow);
    took[0] = now_ms() - since_ms;
    flow_post(flow);
    took[1] = now_ms() - since_ms;
    readers_reach(flow->readers, FLOW_READERS, flow->last);
    took[2] = now_ms() - since_ms;
    flow_bare(flow);
    readers_reach(flow->readers, FLOW_READERS, flow->last);
    took[3] = now_ms() - since_ms;
    printf("%s: FCALL after %lld ms, POST %lld, stream, wait and poll %lld, bare %lld\n", after,
           (long long)took[0], (long long)took[1], (long long)took[2], (long long)took[3]);
}

void flow_must_be_whole(const struct flow *flow) {
    for (size_t i = 0; i < FLOW_READERS; i++)
        reader_must_have(&flow->readers[i], flow->last);
}

void flow_end(struct flow *flow) {
    for (size_t i = 0; i < FLOW_READERS; i++)
        reader_end(&flow->readers[i]);
}

/* --- logs ----------------------------------------------------------------------- */

char *flow_log(struct lab *lab, const char *name) {
    const char *const argv[] = {"cat", keepf("%s/%s.log", lab->dir, name), NULL};
    char *text;

    must(proc_run(argv, environ, -1, &text, NULL) == 0, "%s has no log", name);
    return text;
}

size_t flow_lines(struct lab *lab, const char *name, const char *words) {
    size_t count = 0;

    for (char *line = strtok(flow_log(lab, name), "\n"); line; line = strtok(NULL, "\n"))
        count += strstr(line, words) != NULL;
    return count;
}

void flow_worker(struct lab *lab, size_t which) {
    const char *const argv[] = {lab_program("halley-worker"), "-f", lab->conf, NULL};

    proc_start(&lab->worker[which], "halley-worker", keepf("%s/worker%zu.log", lab->dir, which), -1,
               argv, lab_env(lab, NULL));
}
