/*
 * halley history CHANNEL [--limit N]: what a channel's history holds, the oldest first.
 */
#include "operator/commands.h"

#include <stdio.h>
#include <string.h>

#include "operator/pages.h"
#include "operator/show.h"

struct listing {
    const struct desk *desk;
    const char *channel;
};

static void on_message(void *ctx, struct message *message) {
    const struct listing *listing = ctx;
    show_message(message, listing->desk->json);
}

static void on_gap(void *ctx) {
    const struct listing *listing = ctx;
    show_gap(listing->channel, strlen(listing->channel), listing->desk->json);
}

int command_history(struct desk *desk, const struct arguments *arguments) {
    static const struct pages_events events = {on_message, on_gap};
    struct listing listing = {desk, arguments->words[1]};
    char since[32] = "start";

    if (!desk_names_channel(listing.channel))
        return MISUSED;
    if (arguments->limit > 0)
        snprintf(since, sizeof since, "-%ld", arguments->limit);
    enum err err =
        pages_read(desk, listing.channel, since, (size_t)arguments->limit, &events, &listing, NULL);
    return err == ERR_OK ? DONE : FAILED;
}
