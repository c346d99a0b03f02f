/*
 * What a browser says in one message on its WebSocket, taken apart and checked as far as
 * that needs no configuration. Values stay where they are in the text. Pure functions.
 */
#ifndef HALLEY_ORDER_H
#define HALLEY_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/scan.h"
#include "fcgi-app/door/problem.h"

/* A message's members, each none where it has none of that name; borrowed from the text. */
struct order {
    struct scan_value subscribe, pattern, unsubscribe, publish, since, ref, ping, token;
};

/* False, with `problem`, if it is no order; `ref` is filled as far as there is one. */
bool order_parse(const char *text, size_t len, struct order *order, struct problem *problem);

/* Channel names, or patterns, decoded; they are not checked, and may hold any character. */
struct order_names {
    size_t count;
    struct order_name {
        const char *name; /* with a NUL behind it */
        size_t len;
    } * names;
};

enum { ORDER_NAMES_MAX = 2048 };

/*
 * The names of a list, or the one name that stands in its place. False, with `problem`, if
 * it is something else, or names more than ORDER_NAMES_MAX. Free it with order_names_free().
 */
bool order_names(struct scan_value list, const char *verb, struct order_names *names,
                 struct problem *problem);
void order_names_free(struct order_names *names);

/* A publish. */
struct order_post {
    char *channel;
    size_t channel_len;
    char *key;              /* NULL: none */
    struct scan_value data; /* as it came; borrowed from the text */
};

/* False, with `problem`, if it is none. Free it with order_post_free(). */
bool order_post(struct scan_value publish, struct order_post *post, struct problem *problem);
void order_post_free(struct order_post *post);

#endif
