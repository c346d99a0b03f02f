/*
 * The reading endpoints: checks the parameters that all transports have, and
 * gives the request to the hub. Nothing from the browser goes further than here
 * unchecked.
 */
#include "fcgi-app/endpoints/read.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/protocols/channel_index.h"
#include "fcgi-app/protocols/reading.h"

enum { LIMIT_DEFAULT = 100 };

/* A whole number of at most nine digits; nothing else. */
static bool parse_whole(const char *text, size_t len, unsigned *out) {
    unsigned value = 0;

    if (len == 0 || len > 9)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *out = value;
    return true;
}

static bool take_number(const struct params *params, const char *name, unsigned least,
                        unsigned most, unsigned *out, struct problem *problem) {
    const struct param *param = params_find(params, name);
    unsigned value;

    if (param == NULL)
        return true;
    if (params_count(params, name) > 1 || !parse_whole(param->value, param->value_len, &value) ||
        value < least || value > most) {
        problem_set(problem, 400, "%s: must be a whole number from %u to %u", name, least, most);
        return false;
    }
    *out = value;
    return true;
}

static bool take_channel(const struct config *config, const struct param *param,
                         struct hub_read *read, struct hub_channel *channels,
                         struct channel_index *index, struct problem *problem) {
    if (!reading_allowed(config, param->value, param->value_len, problem))
        return false;
    if (channel_index_find(index, param->value, param->value_len) >= 0)
        return true;
    if (read->channel_count == (size_t)config->max_channels) {
        problem_set(problem, 400, "channel: the most is %d of them (max_channels)",
                    config->max_channels);
        return false;
    }
    channels[read->channel_count++] =
        (struct hub_channel){.name = param->value, .len = param->value_len};
    channel_index_note(index);
    return true;
}

static bool take_channels(const struct config *config, const struct params *params, size_t most,
                          struct hub_read *read, struct hub_channel *channels,
                          struct problem *problem) {
    struct channel_index index = channel_index_make(channels, most);
    bool valid = true;

    for (size_t i = 0; valid && i < params->count; i++) {
        const struct param *param = &params->items[i];
        valid = strcmp(param->name, "channel") != 0 ||
                take_channel(config, param, read, channels, &index, problem);
    }
    channel_index_free(&index);
    if (!valid)
        return false;
    bool enough = read->channel_count > 0 || read->transport->socket;
    if (!enough)
        problem_set(problem, 400, "channel: at least one is required");
    return enough;
}

static bool take_since(const struct request *request, struct hub_channel *channels, size_t count,
                       struct problem *problem) {
    const struct param *param = params_find(&request->params, "since");
    const char *name = "since", *text = "now";
    size_t len = strlen(text);

    if (request->last_event_id[0] != '\0') {
        name = "Last-Event-ID";
        text = request->last_event_id;
        len = strlen(text);
    } else if (param != NULL) {
        text = param->value;
        len = param->value_len;
    }
    if (params_count(&request->params, "since") <= 1 && reading_since(text, len, channels, count))
        return true;
    problem_set(problem, 400, "%s: must be now, start, -K (K from 1 to %d) or a cursor", name,
                SINCE_LAST_MAX);
    return false;
}

static bool take_tag(const struct config *config, const struct params *params,
                     struct hub_read *read, struct problem *problem) {
    const struct param *tag = config->tags ? params_find(params, "tag") : NULL;

    if (tag != NULL && !tag_valid(tag->value, tag->value_len)) {
        problem_set(problem, 400, "tag: must be 1 to %d letters, digits, dots, - and _", TAG_MAX);
        return false;
    }
    read->tag = tag != NULL ? tag->value : NULL;
    return true;
}

bool read_parse(const struct config *config, const struct request *request, struct hub_read *read,
                struct problem *problem) {
    const struct params *params = &request->params;
    unsigned limit = LIMIT_DEFAULT, timeout = (unsigned)config->timeout;
    size_t most = params_count(params, "channel");
    most = most < (size_t)config->max_channels ? most : (size_t)config->max_channels;
    struct hub_channel *channels = mem_new((most + 1) * sizeof *channels);

    bool valid = take_tag(config, params, read, problem) &&
                 take_channels(config, params, most, read, channels, problem) &&
                 take_since(request, channels, read->channel_count, problem) &&
                 take_number(params, "timeout", 0, (unsigned)config->max_wait, &timeout, problem) &&
                 take_number(params, "limit", 1, LIMIT_MAX, &limit, problem) &&
                 (read->transport->options == NULL ||
                  read->transport->options(params, read->channel_count, &read->options, problem));
    if (!valid) {
        free(channels);
        return false;
    }
    read->channels = channels;
    read->options.config = config;
    read->limit = limit;
    read->timeout = timeout;
    read->bytes = request->bytes;
    read->early = request->early_header;
    return true;
}

/* -------------------------------------------------------------------- repetitions */

/*
 * Who waited for a message, and has it, comes back with the same query as all the others:
 * it is checked for the first of them. What made a problem, or brought more than a query,
 * is not kept; nor what came with a credential: what that may read is asked each time.
 */
bool app_repeats(const struct app *app, const struct request *request, said_set wants) {
    const struct request *last = app->last;

    return last != NULL && !request->credential && request_same(request, last, wants) &&
           request->last_event_id[0] == '\0' && request->body_len == 0 &&
           strcmp(request->query, last->query) == 0 &&
           strcmp(request->endpoint, last->endpoint) == 0 &&
           strcmp(request->method, last->method) == 0;
}

void app_forget(struct app *app) {
    if (app->last_read != NULL)
        free((void *)(uintptr_t)app->last_read->channels);
    free(app->last_read);
    request_free(app->last);
    app->last_read = NULL;
    app->last = NULL;
}

/* Takes over the request and the channels that were read from it. */
static void keep(struct app *app, struct request *request, const struct hub_read *read,
                 bool plain) {
    if (!plain || request->credential || request->last_event_id[0] != '\0' ||
        request->body_len > 0) {
        free((void *)(uintptr_t)read->channels);
        return;
    }
    app_forget(app);
    app->last = request;
    app->last_read = mem_new(sizeof *read);
    *app->last_read = *read;
}

/* HEAD: what a GET would be answered, but for the body and what is known only with it. */
static bool answer_head_of(struct app *app, const struct hub_read *read, struct client *client,
                           struct problem *problem) {
    bool later = read->transport->later != NULL;
    bool taken = hub_admits(app->hub, read, problem) || (later && problem_passes(problem));
    const struct head head = {
        .status = 200, .type = read->transport->content_type, .length = HEAD_NO_LENGTH};

    free((void *)(uintptr_t)read->channels);
    free(read->options.callback);
    if (!taken)
        return false;
    client_finish(client, &head, NULL, 0);
    return true;
}

/* A client who would give up for good is told when to come back in place of the problem. */
static bool put_off(struct app *app, const struct hub_read *read, struct client *client,
                    const struct problem *problem) {
    if (read->transport->later == NULL || !problem_passes(problem))
        return false;
    app_count(app, problem);
    hub_put_off(app->hub, client, read, problem);
    return true;
}

bool endpoint_read(struct app *app, struct request *request, struct client *client,
                   struct problem *problem) {
    struct hub_read read = {.transport = transport_find(request->endpoint)};

    if (request->repeats) {
        read = *app->last_read;
        read.bytes = request->bytes;
        read.early = request->early_header;
    } else if (!read_parse(app->config, request, &read, problem)) {
        return false;
    }
    if (strcmp(request->method, "HEAD") == 0)
        return answer_head_of(app, &read, client, problem);
    bool plain = read.options.callback == NULL; /* the hub takes that over */
    bool taken = hub_read(app->hub, client, &read, problem) || put_off(app, &read, client, problem);
    if (!request->repeats)
        keep(app, request, &read, plain);
    return taken;
}
