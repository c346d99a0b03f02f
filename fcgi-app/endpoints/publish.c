/*
 * Publishing from the web. The answer is given only after Redis holds the
 * message. A publish never waits behind a waiter; it needs one descriptor for as
 * long as Redis takes to answer.
 */
#include "fcgi-app/endpoints/publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/channel.h"
#include "fcgi-app/door/address.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/rights/limits.h"
#include "fcgi-app/rights/rights.h"

enum { KEY_MAX = 200 };

/* One publish on its way; what it needs is copied. */
struct submission {
    struct app *app;
    publish_fn *done;
    void *ctx;
    bool counted;                    /* by the rate of its section */
    const struct identity *identity; /* who publishes, or NULL */
    char who[ADDRESS_TEXT];          /* whose key it is */
    char *rate_key;
    struct history_post post;
};

static void submission_free(struct submission *submission) {
    identity_free(submission->identity);
    free((void *)(uintptr_t)submission->post.channel);
    free((void *)(uintptr_t)submission->post.payload);
    free((void *)(uintptr_t)submission->post.idempotency);
    free(submission->rate_key);
    free(submission);
}

static void explain(const struct hub *hub, const struct history_posted *posted,
                    struct problem *problem) {
    if (posted->err == ERR_RATE)
        problem_later(problem, 429, (posted->wait + 999) / 1000,
                      "publish_rate: this address has published too much");
    else if (posted->err == ERR_REFUSED)
        problem_later(problem, 503, 5, "Redis refused: %s", posted->detail);
    else if (posted->sent)
        problem_later(problem, 503, 2,
                      "Redis went away before it answered: with the same Idempotency-Key "
                      "the publish can be repeated safely");
    else if (posted->detail != NULL)
        problem_later(problem, 503, 2, "Redis is away: %s", posted->detail);
    else
        hub_explain(hub, problem, "Redis is away");
}

static void on_posted(void *ctx, const struct history_posted *posted) {
    struct submission *submission = ctx;
    struct problem problem;

    if (submission->counted && posted->repeated)
        history_give_back_rate(hub_history(submission->app->hub), submission->rate_key,
                               submission->post.policy->publish_rate_count,
                               submission->post.policy->publish_rate_seconds);
    if (posted->err == ERR_OK) {
        submission->app->stats->published += !posted->repeated;
        submission->done(submission->ctx, posted, NULL);
    } else {
        if (posted->err == ERR_RATE)
            limits_tell(hub_limits(submission->app->hub), REFUSED_PUBLISH_RATE, submission->who,
                        ev_now(submission->app->loop));
        explain(submission->app->hub, posted, &problem);
        submission->done(submission->ctx, posted, &problem);
    }
    submission_free(submission);
}

static void send_post(struct submission *submission) {
    const struct history_posted unsent = {.err = ERR_REDIS};

    if (history_publish(hub_history(submission->app->hub), &submission->post, on_posted,
                        submission) != ERR_OK)
        on_posted(submission, &unsent);
}

/* Over its rate it may still be a repetition, which is answered as the first was. */
static void on_rated(void *ctx, const struct history_posted *rated) {
    struct submission *submission = ctx;
    struct history_posted over = *rated;

    submission->counted = rated->err == ERR_OK && rated->wait == 0;
    submission->post.over = rated->wait;
    if (submission->counted || (rated->err == ERR_OK && submission->post.idempotency[0] != '\0')) {
        send_post(submission);
        return;
    }
    if (rated->err == ERR_OK)
        over.err = ERR_RATE;
    on_posted(submission, &over);
}

/* A token may have expired or been taken back while the publish waited for the site, or Redis. */
static bool is_over(const struct submission *submission, struct problem *problem) {
    const struct history_post *post = &submission->post;
    const struct identity *who = submission->identity;
    const struct config *config = submission->app->config;

    if (identity_over(who, ev_now(submission->app->loop)) && !who->revoked) {
        problem_set(problem, 401, "token: it has expired");
        return true;
    }
    if ((who == NULL || !who->revoked) &&
        !rights_banned(config, who, RIGHTS_PUBLISH, post->channel, post->channel_len))
        return false;
    rights_explain(config, who, RIGHTS_PUBLISH, post->channel, post->channel_len, problem);
    return true;
}

static void refuse(struct submission *submission, const struct problem *problem) {
    const struct history_posted unsent = {.err = ERR_REFUSED};

    submission->done(submission->ctx, &unsent, problem);
    submission_free(submission);
}

/*
 * Where its section has a rate, that is asked first: the publishes of one socket stay in
 * their order, because all that go to one channel take the same two steps.
 */
static void begin(void *ctx, bool up) {
    struct submission *submission = ctx;
    const struct channel_policy *policy = submission->post.policy;
    const struct history_posted unsent = {.err = ERR_REDIS};
    struct problem problem;

    if (!up)
        on_posted(submission, &unsent);
    else if (is_over(submission, &problem))
        refuse(submission, &problem);
    else if (policy->publish_rate_count == 0)
        send_post(submission);
    else if (history_take_rate(hub_history(submission->app->hub), submission->rate_key,
                               policy->publish_rate_count, policy->publish_rate_seconds, on_rated,
                               submission) != ERR_OK)
        on_posted(submission, &unsent);
}

/*
 * The key is made of the section's pattern and of the network that the client is in, not of
 * the channel: else whoever may publish to chat* had a rate for every name that he can think
 * of. It belongs to no channel, so it has a function call of its own: all keys of one call
 * are to be found in one place of a cluster.
 */
static char *rate_key(const struct channel_policy *policy, const char *address) {
    const char *pattern = policy->pattern != NULL ? policy->pattern : "";
    size_t size = sizeof "halley.rate::" + strlen(pattern) + ADDRESS_TEXT;
    char network[ADDRESS_TEXT], *key = mem_new(size);

    address_network(address, network);
    snprintf(key, size, "halley.rate:%s:%s", pattern, network);
    return key;
}

static bool valid_key(const char *key) {
    for (const char *p = key; *p != '\0'; p++) {
        if (*p < 0x21 || *p > 0x7e)
            return false;
    }
    return strlen(key) <= KEY_MAX;
}

/* Whether the site is to be asked first. */
static bool waits_for_site(const struct identity *who) {
    return asked_lacks(identity_asked(who));
}

static bool check(const struct app *app, const struct publish *publish,
                  const struct channel_policy *policy, struct problem *problem) {
    if (!channel_valid(publish->channel, publish->channel_len))
        problem_set(problem, 400,
                    "channel: must be 1 to %d bytes of UTF-8 without control characters or { } *",
                    CHANNEL_MAX);
    else if (channel_reserved(publish->channel, publish->channel_len))
        problem_set(problem, 403, "channel: names that begin with ~ are Halley's own");
    else if (!valid_key(publish->idempotency))
        problem_set(problem, 400,
                    "Idempotency-Key: must be 1 to %d printable ASCII characters without spaces",
                    KEY_MAX);
    else if (!rights_may(app->config, publish->identity, RIGHTS_PUBLISH, publish->channel,
                         publish->channel_len) &&
             !waits_for_site(publish->identity))
        rights_explain(app->config, publish->identity, RIGHTS_PUBLISH, publish->channel,
                       publish->channel_len, problem);
    else if (publish->payload_cut || publish->payload_len > (size_t)policy->max_message)
        problem_set(problem, 413, "body: the most is %d bytes (max_message)", policy->max_message);
    else if (hub_draining(app->hub))
        problem_later(problem, 503, 1, "this process is shutting down");
    else
        return true;
    return false;
}

static void submit(struct submission *submission) {
    struct app *app = submission->app;
    (submission->identity != NULL ? hub_when_known : hub_when_up)(
        app->hub, app->config->redis_timeout, begin, submission);
}

/* The site has said, or has not: either is known now. */
static void on_said(void *ctx) {
    struct submission *submission = ctx;
    const struct history_post *post = &submission->post;
    const struct config *config = submission->app->config;
    struct problem problem;

    if (rights_may(config, submission->identity, RIGHTS_PUBLISH, post->channel,
                   post->channel_len)) {
        submit(submission);
        return;
    }
    rights_explain(config, submission->identity, RIGHTS_PUBLISH, post->channel, post->channel_len,
                   &problem);
    refuse(submission, &problem);
}

bool publish_submit(struct app *app, const struct publish *publish, publish_fn *done, void *ctx,
                    struct problem *problem) {
    const struct channel_policy *policy =
        config_channel(app->config, publish->channel, publish->channel_len);

    if (publish->identity != NULL)
        asked_begin(publish->identity->asked);
    if (!check(app, publish, policy, problem))
        return false;
    struct submission *submission = mem_new(sizeof *submission);
    *submission =
        (struct submission){.app = app,
                            .done = done,
                            .ctx = ctx,
                            .rate_key = rate_key(policy, publish->who),
                            .identity = identity_hold(publish->identity),
                            .post = {.channel = mem_copy(publish->channel, publish->channel_len),
                                     .channel_len = publish->channel_len,
                                     .payload = mem_copy(publish->payload, publish->payload_len),
                                     .payload_len = publish->payload_len,
                                     .idempotency = mem_string(publish->idempotency),
                                     .policy = policy,
                                     .meta_ttl = app->config->meta_ttl,
                                     .idempotency_ttl = app->config->idempotency_ttl}};
    address_canonical(publish->who, submission->who);
    submission->post.who = submission->who;
    if (waits_for_site(publish->identity))
        asked_ask(publish->identity->asked, false, on_said, submission);
    else
        submit(submission);
    return true;
}

/* --------------------------------------------------------- POST /comet/publish */

struct reply {
    struct app *app;
    struct client *client;
};

static void on_done(void *ctx, const struct history_posted *posted, const struct problem *problem) {
    struct reply *reply = ctx;
    struct buf body = buf_make(256);

    if (problem != NULL) {
        app_refuse(reply->app, reply->client, problem);
    } else {
        buf_printf(&body, "{\"id\":\"%.*s\",\"at\":%llu}", (int)posted->id_len, posted->id,
                   (unsigned long long)posted->at);
        app_answer(reply->client, "application/json", &body);
    }
    buf_free(&body);
    free(reply);
}

bool endpoint_publish(struct app *app, struct request *request, struct client *client,
                      struct problem *problem) {
    const struct param *channel = params_find(&request->params, "channel");

    if (channel == NULL || params_count(&request->params, "channel") > 1) {
        problem_set(problem, 400, "channel: exactly one is required");
        return false;
    }
    struct publish publish = {.channel = channel->value,
                              .channel_len = channel->value_len,
                              .payload = request->body,
                              .payload_len = request->body_len,
                              .payload_cut = request->body_over,
                              .idempotency = request->idempotency_key,
                              .who = request->remote_addr,
                              .identity = request->who};
    struct reply *reply = mem_new(sizeof *reply);
    *reply = (struct reply){app, client};
    bool taken = publish_submit(app, &publish, on_done, reply, problem);
    if (!taken)
        free(reply);
    return taken;
}
