/*
 * halley publish CHANNEL [FILE]: publishes the bytes of a file, or of standard input, as they
 * are, by halley_post, as halley.fcgi does for browsers: the channel's section holds. Whom the web
 * lets publish is no question here: whoever may call Redis's functions may.
 */
#include "operator/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/data/channel.h"
#include "operator/show.h"

enum { NUMBER = 24 };

struct posted {
    char id[POSITION_TEXT];
    uint64_t at;
};

static bool read_all(FILE *file, const char *name, struct buf *out, size_t most) {
    char *room;

    while (out->len <= most && (room = buf_reserve(out, 65536)) != NULL) {
        size_t got = fread(room, 1, 65536, file);
        out->len += got;
        if (got == 0)
            break;
    }
    if (ferror(file)) {
        desk_complain("%s: %s", name, strerror(errno));
        return false;
    }
    if (out->len <= most)
        return true;
    desk_complain("payload: over %zu bytes, the most here (max_message)", most);
    return false;
}

static bool read_payload(const char *name, struct buf *out, size_t most) {
    bool is_file = name != NULL && strcmp(name, "-") != 0;
    FILE *file = is_file ? fopen(name, "re") : stdin;

    if (file == NULL) {
        desk_complain("%s: %s", name, strerror(errno));
        return false;
    }
    bool good = read_all(file, is_file ? name : "standard input", out, most);
    if (is_file)
        fclose(file);
    return good;
}

static void take_posted(void *ctx, const redis_reply *reply) {
    struct posted *posted = ctx;

    snprintf(posted->id, sizeof posted->id, "%s", redis_words(redis_item(reply, 0)));
    posted->at = (uint64_t)redis_integer(redis_item(reply, 1), 0);
}

/* The words of halley_post stand in the order of that function's head. */
static enum err post(struct desk *desk, const char *channel, const struct channel_policy *policy,
                     const struct buf *payload, struct posted *posted) {
    char history[NUMBER], ttl[NUMBER], longest[NUMBER], meta[NUMBER];
    const char *argv[] = {"FCALL",
                          "halley_post",
                          "1",
                          channel,
                          payload->len > 0 ? payload->data : "",
                          history,
                          ttl,
                          longest,
                          meta,
                          "",
                          "0",
                          "",
                          "",
                          "0",
                          desk->config->prefix};
    enum { WORDS = sizeof argv / sizeof argv[0] };
    size_t lens[WORDS];

    snprintf(history, sizeof history, "%d", policy->history);
    snprintf(ttl, sizeof ttl, "%d", policy->ttl);
    snprintf(longest, sizeof longest, "%d", policy->max_message);
    snprintf(meta, sizeof meta, "%d", desk->config->meta_ttl);
    for (int i = 0; i < WORDS; i++)
        lens[i] = i == 4 ? payload->len : strlen(argv[i]);
    return desk_ask(desk, take_posted, posted, WORDS, argv, lens);
}

static bool may_publish(const char *channel) {
    if (!desk_names_channel(channel))
        return false;
    if (!channel_reserved(channel, strlen(channel)))
        return true;
    desk_complain("names that begin with ~ are Halley's own");
    return false;
}

int command_publish(struct desk *desk, const struct arguments *arguments) {
    const char *channel = arguments->words[1];
    const char *file = arguments->word_count > 2 ? arguments->words[2] : NULL;
    struct posted posted = {.at = 0};
    int result = FAILED;

    if (!may_publish(channel))
        return MISUSED;
    const struct channel_policy *policy = config_channel(desk->config, channel, strlen(channel));
    struct buf payload = buf_make((size_t)policy->max_message + 2 * 65536);
    if (read_payload(file, &payload, (size_t)policy->max_message) &&
        post(desk, channel, policy, &payload, &posted) == ERR_OK) {
        if (desk->json)
            printf("{\"id\":\"%s\",\"at\":%" PRIu64 "}\n", posted.id, posted.at);
        else
            printf("%s\n", posted.id);
        result = DONE;
    }
    buf_free(&payload);
    return result;
}
