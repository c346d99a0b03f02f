/* Publishing, without ever waiting for an answer: on a Redis connection, where commands
 * follow one another at once; or by POST on one kept connection, where the next one is
 * sent when the last was answered, so that the order stays.
 */
#include "tests/bench/load/publisher.h"

#include "tests/bench/load/conn.h"
#include "tests/bench/load/trouble.h"
#include "tests/lib/keep.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct publisher {
    struct source source;
    const struct options *options;
    const char *channel; /* as Redis is told it */
    redisContext *redis;
    bool blocked; /* it waits for room to write to Redis */
    struct conn conn;
    struct request request;
    char *payload;
    uint64_t posted, posting; /* the last number that was sent, and that is to be */
};

/* --- Redis ---------------------------------------------------------------------------- */

/* Room to write is asked for only where it lacks; see conn.c. */
static void flush(struct publisher *publisher) {
    int done = 0;

    redisBufferWrite(publisher->redis, &done);
    if (publisher->blocked == !done)
        return;
    publisher->blocked = !done;
    loop_change(publisher->redis->fd, EPOLLIN | (done ? 0 : EPOLLOUT), &publisher->source);
}

static void on_redis(struct source *source, uint32_t events) {
    struct publisher *publisher = (struct publisher *)source;
    redisReply *reply = NULL;

    if (events & EPOLLOUT)
        flush(publisher);
    if ((events & EPOLLIN) && redisBufferRead(publisher->redis) != REDIS_OK)
        fail_at(__FILE__, __LINE__, "Redis: %s", publisher->redis->errstr);
    while (redisGetReplyFromReader(publisher->redis, (void **)&reply) == REDIS_OK && reply) {
        if (reply->type == REDIS_REPLY_ERROR)
            trouble("Redis: %s", reply->str);
        freeReplyObject(reply);
    }
}

static void connect_redis(struct publisher *publisher) {
    redisContext *redis = redisConnectUnixNonBlock(publisher->options->publish_to);

    must(redis && !redis->err, "%s: %s", publisher->options->publish_to,
         redis ? redis->errstr : "out of memory");
    publisher->redis = redis;
    publisher->source.ready = on_redis;
    loop_add(redis->fd, EPOLLIN, &publisher->source);
}

static void send_redis(struct publisher *publisher, size_t size) {
    const char *call[] = {"FCALL", "halley_publish", "1", publisher->channel, publisher->payload};
    const char *plain[] = {"PUBLISH", publisher->channel, publisher->payload};
    bool is_call = publisher->options->publish == PUBLISH_FCALL;
    size_t lengths[5] = {5, 14, 1, strlen(publisher->channel), size};
    size_t plain_lengths[3] = {7, lengths[3], size};

    redisAppendCommandArgv(publisher->redis, is_call ? 5 : 3, is_call ? call : plain,
                           is_call ? lengths : plain_lengths);
    flush(publisher);
}

/* --- POST ------------------------------------------------------------------------------ */

static void post_next(struct publisher *publisher) {
    size_t size = publisher->options->size;

    if (publisher->conn.asked || publisher->posted == publisher->posting)
        return;
    track_payload(publisher->payload, size, ++publisher->posted);
    request_begin(&publisher->request, "POST");
    request_path(&publisher->request, publisher->channel);
    request_body(&publisher->request, publisher->payload);
    conn_ask(&publisher->conn, &publisher->request, false);
}

static void on_answer(void *ctx, const struct answer *answer) {
    if (answer->status < 200 || answer->status > 299)
        trouble("publish: status %d: %.*s", answer->status, (int)answer->length, answer->body);
    post_next(ctx);
}

static size_t on_piece(void *ctx, const struct answer *head, const char *data, size_t length) {
    (void)ctx, (void)head, (void)data;
    return length;
}

static void on_failed(void *ctx, const char *why) {
    (void)ctx;
    trouble("publish: %s", why);
}

static const struct conn_events events = {
    .answer = on_answer, .piece = on_piece, .failed = on_failed};

struct publisher *publisher_begin(const struct options *options, const char *channel) {
    struct publisher *publisher = keep(calloc(1, sizeof *publisher));

    publisher->options = options;
    publisher->payload = keep(malloc(options->size + 1));
    publisher->channel = options->publish == PUBLISH_PLAIN  ? keepf("halley:%s", channel)
                         : options->publish == PUBLISH_POST ? options->publish_to
                                                            : channel;
    if (options->publish == PUBLISH_POST)
        conn_begin(&publisher->conn, &events, publisher);
    else
        connect_redis(publisher);
    return publisher;
}

void publisher_send(struct publisher *publisher, struct tally *tally) {
    uint64_t number = tally->base + ++tally->published;

    if (publisher->options->publish != PUBLISH_POST) {
        track_payload(publisher->payload, publisher->options->size, number);
        send_redis(publisher, publisher->options->size);
        return;
    }
    if (publisher->posting == 0)
        publisher->posted = number - 1;
    publisher->posting = number;
    post_next(publisher);
}
