/*
 * The reading endpoints: checks the parameters that all transports have, and
 * gives the request to the hub. Nothing from the browser goes further than here
 * unchecked.
 */
#include "fcgi-app/endpoints/read.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/channel.h"
#include "core/data/wildcard.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/endpoints/choice.h"
#include "fcgi-app/protocols/channel_index.h"
#include "fcgi-app/protocols/reading.h"
#include "fcgi-app/rights/rights.h"

enum {
    HEARTBEAT = 5,         /* seconds, where nothing else is said */
    HEARTBEAT_LONGEST = 60 /* fits HEARTBEAT_MAX */
};

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

bool read_number(const struct params *params, const char *name, unsigned least, unsigned most,
                 unsigned *out, struct problem *problem) {
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

static bool take_channel(const struct config *config, const struct identity *who,
                         const struct param *param, struct hub_read *read,
                         struct hub_channel *channels, struct channel_index *index,
                         struct problem *problem) {
    if (!reading_allowed(config, who, param->value, param->value_len, problem))
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

/* ------------------------------------------------------------------------- patterns */

static bool is_pattern(const struct param *param) {
    return strcmp(param->name, "pattern") == 0;
}

const struct param *read_unknown_pattern(const struct app *app, const struct request *request) {
    const struct params *params = &request->params;

    for (size_t i = 0; i < params->count; i++) {
        const struct param *param = &params->items[i];
        if (is_pattern(param) && wildcard_valid(param->value, param->value_len) &&
            !choice_knows(app, param->value, param->value_len))
            return param;
    }
    return NULL;
}

static bool take_patterns(const struct params *params, struct choice *to, struct problem *problem) {
    struct hub_channel patterns[PATTERNS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < params->count; i++) {
        const struct param *param = &params->items[i];
        if (!is_pattern(param))
            continue;
        if (!reading_pattern(param->value, param->value_len, problem) ||
            !reading_patterns(count + 1, problem))
            return false;
        patterns[count++] = (struct hub_channel){.name = param->value, .len = param->value_len};
    }
    if (choice_patterns(to, patterns, count))
        return true;
    problem_later(problem, 503, 2, "pattern: what it stands for is not known yet");
    return false;
}

/* ------------------------------------------------------------------------- channels */

/* Named channels count; the same one only once. */
static bool take_named(const struct config *config, const struct params *params, struct choice *to,
                       struct problem *problem) {
    size_t most = params_count(params, "channel");
    struct hub_read named = {.channel_count = 0};
    most = most < (size_t)config->max_channels ? most : (size_t)config->max_channels;
    struct hub_channel *channels = mem_new((most + 1) * sizeof *channels);
    struct channel_index index = channel_index_make(channels, most);
    bool valid = true;

    for (size_t i = 0; valid && i < params->count; i++) {
        const struct param *param = &params->items[i];
        valid = strcmp(param->name, "channel") != 0 ||
                take_channel(config, to->who, param, &named, channels, &index, problem);
    }
    for (size_t i = 0; valid && i < named.channel_count; i++)
        choice_name(to, channels[i].name, channels[i].len);
    channel_index_free(&index);
    free(channels);
    return valid;
}

static bool take_channels(const struct app *app, const struct params *params, struct hub_read *read,
                          struct choice *all, struct problem *problem) {
    bool valid =
        take_patterns(params, all, problem) && take_named(app->config, params, all, problem);

    if (!valid)
        return false;
    bool enough = all->count > 0 || read->transport->socket;
    if (!enough)
        problem_set(problem, 400, "channel: at least one is required");
    return enough;
}

/* What `since` says; in `name` by which it is said. */
static const char *since_of(const struct request *request, const char **name, size_t *len) {
    const struct param *param = params_find(&request->params, "since");

    *name = "since";
    *len = 3;
    if (request->last_event_id[0] != '\0') {
        *name = "Last-Event-ID";
        *len = strlen(request->last_event_id);
        return request->last_event_id;
    }
    if (param == NULL)
        return "now";
    *len = param->value_len;
    return param->value;
}

static bool take_since(const struct request *request, struct choice *all, struct problem *problem) {
    const char *name;
    size_t len;
    const char *text = since_of(request, &name, &len);

    if (params_count(&request->params, "since") <= 1 && choice_since(all, text, len))
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

/* Where the web server does not tell in time that a browser has left. */
static unsigned usual_heartbeat(const struct app *app, const struct request *request) {
    int said = app->config->heartbeat;
    return said >= 0 ? (unsigned)said : request->notices_late ? HEARTBEAT : 0;
}

/* White space in front of a wait's JSON, and more signs of life in a stream; a WebSocket needs
 * none. */
static bool take_heartbeat(const struct app *app, const struct request *request,
                           struct hub_read *read, struct problem *problem) {
    read->heartbeat = usual_heartbeat(app, request);
    read->heartbeat_said = params_find(&request->params, "heartbeat") != NULL;
    if (!read_number(&request->params, "heartbeat", 0, HEARTBEAT_LONGEST, &read->heartbeat,
                     problem))
        return false;
    if (read->transport->socket)
        read->heartbeat = 0;
    return true;
}

bool read_parse(const struct app *app, const struct request *request, struct hub_read *read,
                struct problem *problem) {
    const struct config *config = app->config;
    const struct params *params = &request->params;
    unsigned limit = LIMIT_DEFAULT, timeout = (unsigned)config->timeout;
    struct choice all = {.app = app, .who = request->who};
    bool patterns = params_count(params, "pattern") > 0;

    bool valid =
        take_tag(config, params, read, problem) && take_channels(app, params, read, &all, problem);
    if (valid && patterns) /* those that were named are so already */
        choice_each_once(&all);
    valid = valid && take_since(request, &all, problem) &&
            read_number(params, "timeout", 0, (unsigned)config->max_wait, &timeout, problem) &&
            read_number(params, "limit", 1, LIMIT_MAX, &limit, problem) &&
            take_heartbeat(app, request, read, problem) &&
            (read->transport->options == NULL || /* one may become several */
             read->transport->options(params, all.count + patterns, &read->options, problem));
    if (!valid) {
        choice_free(&all);
        return false;
    }
    choice_keep(&all);
    read->channels = all.channels;
    read->channel_count = all.count;
    read->options.config = config;
    read->limit = limit;
    read->timeout = timeout;
    read->bytes = request->bytes;
    read->early = request->early_header;
    read->who = request->who;
    read->address = request->remote_addr;
    return true;
}

/* ------------------------------------------------------------------------ questions */

void read_note_questions(const struct app *app, const struct request *request) {
    for (size_t i = 0; i < request->params.count; i++) {
        const struct param *param = &request->params.items[i];
        if (strcmp(param->name, "channel") == 0 && channel_valid(param->value, param->value_len))
            (void)rights_may(app->config, request->who, RIGHTS_SUBSCRIBE, param->value,
                             param->value_len);
        else if (is_pattern(param) && wildcard_valid(param->value, param->value_len))
            choice_note_questions(app, request->who, param->value, param->value_len);
    }
}

/* -------------------------------------------------------------------- repetitions */

/*
 * Who waited for a message, and has it, comes back with the same query as all the others: it is
 * taken apart for the first of them. Whose it is is found out each time where it brings something
 * that says so, and what that one may read is asked each time; where neither says who he is, the
 * answer is the same. What made a problem, or brought more than a query, is not kept; nor what
 * says in its query who it is from, or what the site is asked about.
 */
bool app_repeats(const struct app *app, const struct request *request, said_set wants) {
    const struct request *last = app->last;

    return last != NULL && request_same(request, last, wants) &&
           request->last_event_id[0] == '\0' && request->body_len == 0 &&
           strcmp(request->query, last->query) == 0 &&
           strcmp(request->endpoint, last->endpoint) == 0 &&
           strcmp(request->method, last->method) == 0;
}

/* Whether it may be from somebody who is known. */
static bool says_who(const struct request *request) {
    return request->credential || request->cookie[0] != '\0';
}

bool app_repeats_openly(const struct app *app, const struct request *request) {
    return !says_who(request) && app->last->who == NULL;
}

bool app_may_repeat(const struct app *app, const struct request *request) {
    const struct hub_read *read = app->last_read;
    bool may = true;

    for (size_t i = 0; may && i < read->channel_count; i++)
        may = rights_may(app->config, request->who, RIGHTS_SUBSCRIBE, read->channels[i].name,
                         read->channels[i].len);
    return may;
}

void app_forget(struct app *app) {
    if (app->last_read != NULL)
        free((void *)(uintptr_t)app->last_read->channels);
    free(app->last_read);
    request_free(app->last);
    app->last_read = NULL;
    app->last = NULL;
}

/* Whether it may be kept; a pattern may stand for more the next time. */
static bool keeps(const struct request *request) {
    const struct params *params = &request->params;

    return request->last_event_id[0] == '\0' && request->body_len == 0 &&
           identity_asked(request->who) == NULL && params_find(params, "token") == NULL &&
           params_count(params, "pattern") == 0;
}

/* Takes over the request, if it is kept, and the channels that were read from it. */
static void keep(struct app *app, struct request *request, const struct hub_read *read,
                 bool plain) {
    if (!plain || !keeps(request)) {
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
    bool taken =
        (hub_admits_visitor(app->hub, read, problem) && hub_admits(app->hub, read, problem)) ||
        (later && problem_passes(problem));
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

/* The same, of one whose channels are not known: the site does not say who may. */
static bool put_off_unread(struct app *app, const struct request *request, struct client *client,
                           const struct problem *problem) {
    const struct hub_read read = {.transport = transport_find(request->endpoint),
                                  .options.config = app->config};
    bool asks = asked_lacks(identity_asked(request->who));

    return !asks && strcmp(request->method, "HEAD") != 0 && put_off(app, &read, client, problem);
}

void read_refuse(struct app *app, const struct request *request, struct client *client,
                 const struct problem *problem) {
    if (!put_off_unread(app, request, client, problem))
        app_refuse(app, client, problem);
}

/* Has the hub answer it, if its visitor may ask for that much. */
static bool hold(struct app *app, struct client *client, const struct hub_read *read,
                 struct problem *problem) {
    if (hub_admits_visitor(app->hub, read, problem))
        return hub_read(app->hub, client, read, problem);
    free(read->options.callback);
    return false;
}

bool endpoint_read(struct app *app, struct request *request, struct client *client,
                   struct problem *problem) {
    struct hub_read read = {.transport = transport_find(request->endpoint)};

    if (request->repeats) {
        read = *app->last_read;
        read.bytes = request->bytes;
        read.early = request->early_header;
        if (!read.heartbeat_said)
            read.heartbeat = usual_heartbeat(app, request);
        read.who = request->who;
        read.address = request->remote_addr;
    } else if (!read_parse(app, request, &read, problem)) {
        return put_off_unread(app, request, client, problem);
    }
    if (strcmp(request->method, "HEAD") == 0)
        return answer_head_of(app, &read, client, problem);
    bool plain = read.options.callback == NULL; /* the hub takes that over */
    bool taken = hold(app, client, &read, problem) || put_off(app, &read, client, problem);
    if (!request->repeats)
        keep(app, request, &read, plain);
    return taken;
}
