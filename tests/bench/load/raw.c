/* What Redis alone takes: a bare PUBLISH on one connection until a bare subscriber on
 * another connection of this same thread has it. Whatever is built on Redis's pub/sub
 * adds to that. Between two messages nothing happens for --settle, as in mode latency:
 * a machine that has just been busy answers sooner than an idle one.
 */
#include "tests/bench/load/loop.h"
#include "tests/bench/load/modes.h"
#include "tests/bench/load/publisher.h"
#include "tests/bench/load/report.h"
#include "tests/lib/keep.h"

#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct listener {
    struct source source;
    redisContext *redis;
    struct track track;
    struct tally tally;
    bool subscribed;
};

static void on_ready(struct source *source, uint32_t events) {
    struct listener *listener = (struct listener *)source;
    redisReply *reply = NULL;

    (void)events;
    must(redisBufferRead(listener->redis) == REDIS_OK, "Redis: %s", listener->redis->errstr);
    while (redisGetReplyFromReader(listener->redis, (void **)&reply) == REDIS_OK && reply) {
        listener->subscribed = true;
        if (reply->elements == 3 && reply->element[2]->type == REDIS_REPLY_STRING)
            track_scan(&listener->track, &listener->tally, reply->element[2]->str,
                       reply->element[2]->len);
        freeReplyObject(reply);
    }
}

static void subscribe(struct listener *listener, const char *socket, const char *channel) {
    int done = 0;

    listener->source.ready = on_ready;
    listener->redis = redisConnectUnixNonBlock(socket);
    must(listener->redis && !listener->redis->err, "%s: no Redis", socket);
    loop_add(listener->redis->fd, EPOLLIN, &listener->source);
    redisAppendCommand(listener->redis, "SUBSCRIBE halley:%s", channel);
    redisBufferWrite(listener->redis, &done);
    while (!listener->subscribed && !loop_over())
        loop_turn(now_us() + 100000);
}

/* False: the time is over. */
static bool one_round(struct listener *listener, struct publisher *publisher, int settle_ms,
                      int64_t *us) {
    struct tally *tally = &listener->tally;
    int64_t begun = now_us() + (int64_t)settle_ms * 1000;

    while (now_us() < begun && !loop_over())
        loop_turn(begun);
    begun = now_us();
    tally_await(tally, tally->base + tally->published + 1);
    publisher_send(publisher, tally);
    while (tally->have == 0 && !loop_over())
        loop_turn(begun + 1000000);
    *us = tally->last_us - begun;
    return tally->have > 0;
}

bool mode_redis_raw(const struct options *options) {
    const char *channel = keepf("raw-%ld", (long)getpid()); /* no worker's business */
    static struct listener listener;
    struct options bare = *options;
    static struct sample times;
    struct publisher *publisher;
    struct meter meter;
    bool going = true;
    int64_t us;

    bare.publish = PUBLISH_PLAIN;
    subscribe(&listener, options->publish_to, channel);
    track_begin(&listener.track, &listener.tally);
    publisher = publisher_begin(&bare, channel);
    for (size_t i = 0; going && i < options->warmup; i++)
        going = one_round(&listener, publisher, options->settle_ms, &us);
    meter_start(&meter, options);
    for (size_t i = 0; going && i < options->rounds; i++) {
        going = one_round(&listener, publisher, options->settle_ms, &us);
        if (going)
            sample_add(&times, us);
    }
    meter_stop(&meter, options);
    track_end(&listener.track, &listener.tally);
    report_begin(options, 1, going);
    report_times("latency_ms", sample_summary(&times), NULL);
    report_deliveries(&listener.tally, times.count, &meter);
    report_end(options, &meter, times.count);
    return going;
}
