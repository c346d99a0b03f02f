/*
 * The reading endpoints: checks the parameters that all transports have, and
 * gives the request to the hub. Nothing from the browser goes further than here
 * unchecked.
 */
#include "fcgi-app/app.h"

#include <stdlib.h>
#include <string.h>

#include "core/channel.h"
#include "core/cursor.h"
#include "core/mem.h"
#include "fcgi-app/waiter.h"

enum { LIMIT_DEFAULT = 100, LAST_MAX = 1000000 };

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

static bool named_before(const struct hub_channel *channels, size_t count,
                         const struct param *param) {
    for (size_t i = 0; i < count; i++) {
        if (channels[i].len == param->value_len &&
            memcmp(channels[i].name, param->value, param->value_len) == 0)
            return true;
    }
    return false;
}

static bool take_channel(const struct config *config, const struct param *param,
                         struct hub_read *read, struct hub_channel *channels,
                         struct problem *problem) {
    if (!channel_valid(param->value, param->value_len)) {
        problem_set(problem, 400,
                    "channel: must be 1 to %d bytes of UTF-8 without control characters or { } *",
                    CHANNEL_MAX);
        return false;
    }
    if (named_before(channels, read->channel_count, param))
        return true;
    if (read->channel_count == (size_t)config->max_channels) {
        problem_set(problem, 400, "channel: the most is %d of them (max_channels)",
                    config->max_channels);
        return false;
    }
    if (config_channel(config, param->value, param->value_len)->subscribe != ACCESS_ANYONE) {
        problem_set(problem, 403, "channel: subscribing to it is not allowed");
        return false;
    }
    channels[read->channel_count++] = (struct hub_channel){param->value, param->value_len};
    return true;
}

static bool take_channels(const struct config *config, const struct params *params,
                          struct hub_read *read, struct hub_channel *channels,
                          struct problem *problem) {
    read->channels = channels;
    for (size_t i = 0; i < params->count; i++) {
        const struct param *param = &params->items[i];
        if (strcmp(param->name, "channel") == 0 &&
            !take_channel(config, param, read, channels, problem))
            return false;
    }
    if (read->channel_count == 0)
        problem_set(problem, 400, "channel: at least one is required");
    return read->channel_count > 0;
}

static bool parse_since(const char *text, size_t len, struct hub_read *read,
                        struct cursor **cursor) {
    if (len == 3 && memcmp(text, "now", 3) == 0) {
        read->since = SINCE_NOW;
        return true;
    }
    if (len == 5 && memcmp(text, "start", 5) == 0) {
        read->since = SINCE_START;
        return true;
    }
    if (len > 0 && text[0] == '-') {
        read->since = SINCE_LAST;
        return parse_whole(text + 1, len - 1, &read->last) && read->last > 0 &&
               read->last <= LAST_MAX;
    }
    read->since = SINCE_CURSOR;
    /* a cursor may know channels that are not asked for; their number is bounded by its size */
    return cursor_parse(text, len, PARAMS_MAX, cursor) == ERR_OK;
}

static bool take_since(const struct request *request, struct hub_read *read, struct cursor **cursor,
                       struct problem *problem) {
    const struct param *param = params_find(&request->params, "since");
    const char *name = "since", *text = NULL;
    size_t len = 0;

    if (request->last_event_id[0] != '\0') {
        name = "Last-Event-ID";
        text = request->last_event_id;
        len = strlen(text);
    } else if (param != NULL) {
        text = param->value;
        len = param->value_len;
    }
    bool once = params_count(&request->params, "since") <= 1;
    if (text == NULL || (once && parse_since(text, len, read, cursor)))
        return true;
    problem_set(problem, 400, "%s: must be now, start, -K (K from 1 to %d) or a cursor", name,
                LAST_MAX);
    return false;
}

bool endpoint_read(struct app *app, const struct request *request, struct client *client,
                   struct problem *problem) {
    const struct config *config = app->config;
    const struct transport *transport = transport_find(request->endpoint);
    unsigned limit = LIMIT_DEFAULT, timeout = (unsigned)config->timeout;
    struct hub_read read = {.transport = transport, .options.config = config};
    struct hub_channel *channels = mem_new((size_t)config->max_channels * sizeof *channels);
    struct cursor *cursor = NULL;

    bool taken = take_channels(config, &request->params, &read, channels, problem) &&
                 take_since(request, &read, &cursor, problem) &&
                 take_number(&request->params, "timeout", 0, (unsigned)config->max_wait, &timeout,
                             problem) &&
                 take_number(&request->params, "limit", 1, LIMIT_MAX, &limit, problem) &&
                 (transport->options == NULL ||
                  transport->options(&request->params, read.channel_count, &read.options, problem));
    if (taken) {
        read.cursor = cursor;
        read.limit = limit;
        read.timeout = timeout;
        taken = hub_read(app->hub, client, &read, problem);
    }
    free(cursor);
    free(channels);
    return taken;
}
