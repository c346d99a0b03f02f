/* How many messages a second can be published, as ratios of what plain Redis
 * does in the same run on the same connection: machines differ, ratios stay.
 *
 * One client that waits for each answer, and one that sends 16 at a time; then
 * POST /comet/publish through lighttpd with 16 requests on their way.
 */
#include "tests/lib/batch.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <stdio.h>
#include <string.h>

enum { CALLS = 20000, POSTS = 3000, TOGETHER = 16, PAYLOAD = 200 };

static struct lab lab;
static char payload[PAYLOAD + 1];

/* Calls a second. */
static double rate(redisContext *redis, const char *command, int together) {
    int64_t begun = now_us();

    for (int done = 0; done < CALLS; done += together) {
        for (int i = 0; i < together; i++)
            redisAppendCommand(redis, command, payload);
        for (int i = 0; i < together; i++) {
            void *reply = NULL;

            must(redisGetReply(redis, &reply) == REDIS_OK &&
                     ((redisReply *)reply)->type != REDIS_REPLY_ERROR,
                 "%s fails", command);
            freeReplyObject(reply);
        }
    }
    return CALLS / ((double)(now_us() - begun) / 1000000);
}

static void compare(redisContext *redis, int together) {
    double plain = rate(redis, "PUBLISH plain %s", together);
    double stream = rate(redis, "XADD plain MAXLEN 1000 * data %s", together);
    double halley = rate(redis, "FCALL halley_publish 1 bench %s", together);

    printf("%2d at a time: PUBLISH %.0f/s, XADD %.0f/s, FCALL halley_publish %.0f/s\n", together,
           plain, stream, halley);
    printf("              = %.2f of PUBLISH, %.2f of XADD\n", halley / plain, halley / stream);
}

static struct flight *post(void) {
    struct request request = {.path = "/comet/publish?channel=open-bench",
                              .body = payload,
                              .length = PAYLOAD,
                              .kept_open = true};

    return http_begin(&lab, &request);
}

static double post_rate(void) {
    struct flight *flights[TOGETHER] = {NULL};
    int64_t begun = now_us();
    int sent = 0, done = 0;

    while (done < POSTS) {
        for (int i = 0; i < TOGETHER; i++) {
            if (flights[i] && http_landed(flights[i])) {
                must(http_land(flights[i])->status == 200, "%s",
                     answer_text(http_land(flights[i])));
                flights[i] = NULL;
                done++;
            }
            if (!flights[i] && sent < POSTS) {
                flights[i] = post();
                sent++;
            }
        }
        http_pump(100);
    }
    return POSTS / ((double)(now_us() - begun) / 1000000);
}

int main(void) {
    redisContext *redis;

    memset(payload, 'x', PAYLOAD);
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "throughput", "lighttpd");
    redis = redisConnectUnix(lab.redis_socket);
    must(redis && !redis->err, "cannot connect to Redis");
    compare(redis, 1);
    compare(redis, TOGETHER);
    printf("POST /comet/publish through lighttpd, %d at a time: %.0f/s (test client included)\n",
           TOGETHER, post_rate());
    redisFree(redis);
    lab_close(&lab);
    lab_remove_all();
    return 0;
}
