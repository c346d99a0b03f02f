/*
 * POST /comet/publish: the body becomes a message. The answer is given only
 * after Redis holds it. A publish never waits behind a waiter; it needs one
 * descriptor for as long as Redis takes to answer.
 */
#include "fcgi-app/app.h"

#include <stdlib.h>
#include <string.h>

#include "core/channel.h"
#include "core/mem.h"

enum { KEY_MAX = 200 };

/* One publish on its way; what it needs of the request is copied. */
struct publish {
    struct app *app;
    struct client *client;
    const struct channel_policy *policy;
    char *channel, *payload, *idempotency, *who;
    size_t channel_len, payload_len;
};

static void publish_free(struct publish *publish) {
    free(publish->channel);
    free(publish->payload);
    free(publish->idempotency);
    free(publish->who);
    free(publish);
}

static void refuse(struct publish *publish, const struct problem *problem) {
    app_refuse(publish->app, publish->client, problem);
    publish_free(publish);
}

static void explain(const struct history_posted *posted, struct problem *problem) {
    if (posted->err == ERR_RATE)
        problem_later(problem, 429, (posted->wait + 999) / 1000,
                      "publish_rate: this address has published too much");
    else if (posted->err == ERR_REFUSED)
        problem_later(problem, 503, 5, "Redis refused: %s", posted->detail);
    else if (posted->sent)
        problem_later(problem, 503, 2,
                      "Redis went away before it answered: with the same Idempotency-Key "
                      "the publish can be repeated safely");
    else
        problem_later(problem, 503, 2, "Redis is away%s%s", posted->detail ? ": " : "",
                      posted->detail ? posted->detail : "");
}

static void on_posted(void *ctx, const struct history_posted *posted) {
    struct publish *publish = ctx;
    struct buf body = buf_make(256);
    struct problem problem;

    if (posted->err != ERR_OK) {
        explain(posted, &problem);
        refuse(publish, &problem);
        return;
    }
    publish->app->stats->published++;
    buf_printf(&body, "{\"id\":\"%.*s\",\"at\":%llu}", (int)posted->id_len, posted->id,
               (unsigned long long)posted->at);
    app_answer(publish->client, "application/json", &body);
    buf_free(&body);
    publish_free(publish);
}

static void send_post(void *ctx, bool up) {
    struct publish *publish = ctx;
    struct problem problem;
    const struct history_post post = {.channel = publish->channel,
                                      .channel_len = publish->channel_len,
                                      .payload = publish->payload,
                                      .payload_len = publish->payload_len,
                                      .idempotency = publish->idempotency,
                                      .who = publish->who,
                                      .policy = publish->policy,
                                      .meta_ttl = publish->app->config->meta_ttl,
                                      .idempotency_ttl = publish->app->config->idempotency_ttl};

    if (up && history_publish(hub_history(publish->app->hub), &post, on_posted, publish) == ERR_OK)
        return;
    problem_later(&problem, 503, 2, "Redis is away");
    refuse(publish, &problem);
}

static bool valid_key(const char *key) {
    for (const char *p = key; *p != '\0'; p++) {
        if (*p < 0x21 || *p > 0x7e)
            return false;
    }
    return strlen(key) <= KEY_MAX;
}

static const struct param *check(const struct app *app, const struct request *request,
                                 struct problem *problem) {
    const struct param *channel = params_find(&request->params, "channel");
    const struct channel_policy *policy = NULL;

    if (channel == NULL || params_count(&request->params, "channel") > 1)
        problem_set(problem, 400, "channel: exactly one is required");
    else if (!channel_valid(channel->value, channel->value_len))
        problem_set(problem, 400,
                    "channel: must be 1 to %d bytes of UTF-8 without control characters or { } *",
                    CHANNEL_MAX);
    else if (channel_reserved(channel->value, channel->value_len))
        problem_set(problem, 403, "channel: names that begin with ~ are Halley's own");
    else if (!valid_key(request->idempotency_key))
        problem_set(problem, 400,
                    "Idempotency-Key: must be 1 to %d printable ASCII characters without spaces",
                    KEY_MAX);
    else
        policy = config_channel(app->config, channel->value, channel->value_len);
    if (policy == NULL)
        return NULL;
    if (policy->publish != ACCESS_ANYONE)
        problem_set(problem, 403, "channel: publishing to it from the web is not allowed");
    else if (request->body_over || request->body_len > (size_t)policy->max_message)
        problem_set(problem, 413, "body: the most is %d bytes (max_message)", policy->max_message);
    else if (hub_draining(app->hub))
        problem_later(problem, 503, 1, "this process is shutting down");
    return problem->status == 0 ? channel : NULL;
}

bool endpoint_publish(struct app *app, const struct request *request, struct client *client,
                      struct problem *problem) {
    const struct param *channel = check(app, request, problem);
    if (channel == NULL)
        return false;
    struct publish *publish = mem_new(sizeof *publish);
    *publish =
        (struct publish){.app = app,
                         .client = client,
                         .policy = config_channel(app->config, channel->value, channel->value_len),
                         .channel = mem_copy(channel->value, channel->value_len),
                         .channel_len = channel->value_len,
                         .payload = mem_copy(request->body, request->body_len),
                         .payload_len = request->body_len,
                         .idempotency = mem_string(request->idempotency_key),
                         .who = mem_string(request->remote_addr)};
    hub_when_up(app->hub, app->config->redis_timeout, send_post, publish);
    return true;
}
