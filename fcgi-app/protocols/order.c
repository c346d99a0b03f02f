/*
 * Messages are scanned, not parsed into a tree: that costs the same whatever they are made
 * of, and what is published, and `ref`, go on byte for byte.
 */
#include "fcgi-app/protocols/order.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"

bool order_parse(const char *text, size_t len, struct order *order, struct problem *problem) {
    static const char *const names[] = {"subscribe", "pattern", "unsubscribe", "publish",
                                        "since",     "ref",     "ping",        "token"};
    struct scan_value message, found[8];

    memset(order, 0, sizeof *order);
    if (!scan_grammar(text, len, &message)) {
        problem_set(problem, 400, "message: must be JSON");
        return false;
    }
    scan_members(message, names, 8, found);
    *order = (struct order){found[0], found[1], found[2], found[3],
                            found[4], found[5], found[6], found[7]};
    bool acts = order->subscribe.at != NULL || order->pattern.at != NULL ||
                order->unsubscribe.at != NULL || order->publish.at != NULL ||
                order->ping.at != NULL;
    if (acts != (order->token.at != NULL))
        return true;
    if (acts) {
        problem_set(problem, 400, "token: must stand in a message of its own");
        return false;
    }
    problem_set(problem, 400, "message: must be {\"subscribe\"|\"unsubscribe\"|\"publish\":...}");
    return false;
}

/* ------------------------------------------------------------------------- names */

static bool add_name(struct order_names *names, struct scan_value value) {
    struct order_name *name = &names->names[names->count];

    name->name = scan_is_string(value) ? json_unquote(value.at, value.len, &name->len) : NULL;
    names->count += name->name != NULL;
    return name->name != NULL;
}

/* How many elements a list has; counts no further than to one more than there may be. */
static size_t count_elements(struct scan_value list) {
    struct scan_value element = {NULL, 0};
    size_t count = 0;

    while (count <= ORDER_NAMES_MAX && scan_next(list, &element))
        count++;
    return count;
}

static bool add_names(struct order_names *names, struct scan_value list) {
    struct scan_value element = {NULL, 0};

    if (scan_is_string(list))
        return add_name(names, list);
    while (scan_next(list, &element)) {
        if (!add_name(names, element))
            return false;
    }
    return names->count > 0;
}

bool order_names(struct scan_value list, const char *verb, struct order_names *names,
                 struct problem *problem) {
    size_t most = scan_is_string(list) ? 1 : count_elements(list);

    memset(names, 0, sizeof *names);
    if (most > ORDER_NAMES_MAX) {
        problem_set(problem, 400, "%s: at most %d names may stand in it", verb, ORDER_NAMES_MAX);
        return false;
    }
    names->names = mem_new((most + 1) * sizeof *names->names);
    if (add_names(names, list))
        return true;
    problem_set(problem, 400, "%s: must be a list of channel names", verb);
    order_names_free(names);
    return false;
}

void order_names_free(struct order_names *names) {
    for (size_t i = 0; i < names->count; i++)
        free((void *)(uintptr_t)names->names[i].name);
    free(names->names);
    memset(names, 0, sizeof *names);
}

/* ---------------------------------------------------------------------- publishes */

/* Null is what many programs write for nothing. */
static bool is_something(struct scan_value value) {
    return value.at != NULL && *value.at != 'n';
}

bool order_post(struct scan_value publish, struct order_post *post, struct problem *problem) {
    static const char *const names[] = {"channel", "data", "key"};
    struct scan_value found[3];
    size_t len = 0;

    memset(post, 0, sizeof *post);
    scan_members(publish, names, 3, found);
    post->data = found[1];
    if (scan_is_string(found[0]))
        post->channel = json_unquote(found[0].at, found[0].len, &post->channel_len);
    if (scan_is_string(found[2]))
        post->key = json_unquote(found[2].at, found[2].len, &len);
    if (post->channel == NULL || post->data.at == NULL)
        problem_set(problem, 400, "publish: must have a channel and data");
    else if (is_something(found[2]) && (post->key == NULL || strlen(post->key) != len))
        problem_set(problem, 400, "key: must be a text of printable ASCII characters");
    else
        return true;
    order_post_free(post);
    return false;
}

void order_post_free(struct order_post *post) {
    free(post->channel);
    free(post->key);
    memset(post, 0, sizeof *post);
}
