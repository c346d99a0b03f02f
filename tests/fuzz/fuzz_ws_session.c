/* Any text that a browser says on its WebSocket: what is made of it, and that what is
 * published, and `ref`, are parts of that text, byte for byte.
 */
#include "fcgi-app/protocols/order.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "fcgi-app/protocols/change.h"
#include "fcgi-app/protocols/channel_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

static void must_be_part(struct scan_value value, const char *text, size_t len) {
    struct scan_value again;

    if (value.at == NULL)
        return;
    must(value.at > text && value.len > 0 && value.at + value.len < text + len);
    must(scan_grammar(value.at, value.len, &again) && again.at == value.at &&
         again.len == value.len);
}

/* The names of a list, found by an index as by looking at each. */
static void check_names(struct scan_value list, const char *verb) {
    struct problem problem = {0};
    struct order_names names;

    if (!order_names(list, verb, &names, &problem)) {
        must(problem.status == 400 && strstr(problem.detail, verb) == problem.detail);
        return;
    }
    must(names.count > 0 && names.count <= ORDER_NAMES_MAX);
    struct hub_channel *channels = calloc(names.count, sizeof *channels);
    struct channel_index index = channel_index_make(channels, names.count);
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        const struct order_name *name = &names.names[i];
        long want = -1;
        for (size_t k = 0; k < count; k++)
            if (channels[k].len == name->len &&
                memcmp(channels[k].name, name->name, name->len) == 0)
                want = (long)k;
        must(name->name[name->len] == '\0');
        must(channel_index_find(&index, name->name, name->len) == want);
        if (want < 0) {
            channels[count++] = (struct hub_channel){.name = name->name, .len = name->len};
            channel_index_note(&index);
        }
    }
    channel_index_free(&index);
    free(channels);
    order_names_free(&names);
}

static void check_publish(const struct order *order, const char *text, size_t len) {
    struct problem problem = {0};
    struct order_post post;

    if (!order_post(order->publish, &post, &problem)) {
        must(problem.status == 400);
        return;
    }
    must(post.channel != NULL && post.data.at != NULL && post.channel[post.channel_len] == '\0');
    must_be_part(post.data, text, len);
    order_post_free(&post);
}

static bool is_there(const struct hub_places *places, const char *name, size_t len) {
    size_t found = 0;

    for (size_t i = 0; i < places->count; i++)
        found += places->channels[i].len == len && memcmp(places->channels[i].name, name, len) == 0;
    must(found <= 1);
    return found == 1;
}

/* The channels of a session that stands in "a", "b" and "c1" are what the order makes them. */
static void check_changes(const struct order *order) {
    static const char *const first[] = {"a", "b", "c1"};
    static char everything[] = "*";
    static struct channel_policy policy = {.pattern = everything,
                                           .subscribe = {.kinds = ACCESS_ANYONE}};
    static const struct config config = {
        .max_channels = 20, .channels = &policy, .channel_count = 1};
    struct hub_places places = {.channels = calloc(4, sizeof *places.channels)};
    struct problem problem = {0};
    struct change change;

    for (; places.count < 3; places.count++)
        places.channels[places.count] = (struct hub_channel){.name = strdup(first[places.count]),
                                                             .len = strlen(first[places.count])};
    if (order->subscribe.at != NULL || order->pattern.at != NULL) {
        if (change_subscribe(&config, NULL, order, &change, &problem) &&
            change_add(&change, &config, &places, &problem))
            for (size_t i = 0; i < change.names.count; i++)
                must(is_there(&places, change.names.names[i].name, change.names.names[i].len));
        change_free(&change);
    }
    must(places.count >= 3 && places.count <= 20 && is_there(&places, "a", 1));
    if (order->unsubscribe.at != NULL) {
        if (change_unsubscribe(&config, NULL, order, &change, &problem)) {
            change_drop(&change, &places);
            for (size_t i = 0; i < change.names.count; i++)
                must(!is_there(&places, change.names.names[i].name, change.names.names[i].len));
        }
        change_free(&change);
    }
    hub_places_free(&places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct problem problem = {0};
    struct order order;
    struct buf out = buf_make(SIZE_MAX / 2);
    char *text = malloc(size); /* without a NUL behind it */

    memcpy(text, data, size);
    bool good = order_parse(text, size, &order, &problem);
    must(good == (problem.status == 0));
    must_be_part(order.ref, text, size);
    must_be_part(order.since, text, size);
    if (good) {
        check_changes(&order);
        if (order.subscribe.at != NULL)
            check_names(order.subscribe, "subscribe");
        if (order.unsubscribe.at != NULL)
            check_names(order.unsubscribe, "unsubscribe");
        if (order.publish.at != NULL)
            check_publish(&order, text, size);
    } else {
        struct scan_value value;
        problem_render_error(&problem, order.ref, &out);
        must(scan_grammar(out.data, out.len, &value));
    }
    buf_free(&out);
    free(text);
    return 0;
}
