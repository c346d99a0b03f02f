/*
 * What holds for whose channels: the sections of the file, and what holds where none matches.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/config/_options.h"
#include "core/data/channel.h"

static struct channel_policy default_policy;

void channels_set_defaults(void) {
    options_set_defaults(&channel_options, &default_policy);
}

struct channel_policy *channels_section(struct config *config, const char *pattern) {
    for (size_t i = 0; i < config->channel_count; i++) {
        if (strcmp(config->channels[i].pattern, pattern) == 0)
            return &config->channels[i];
    }
    size_t size = (config->channel_count + 1) * sizeof *config->channels;
    config->channels = mem_resize(config->channels, size);
    struct channel_policy *policy = &config->channels[config->channel_count++];
    *policy = default_policy;
    policy->pattern = mem_string(pattern);
    return policy;
}

const struct channel_policy *config_channel(const struct config *config, const char *name,
                                            size_t len) {
    char text[CHANNEL_MAX + 1];

    if (len > CHANNEL_MAX)
        len = CHANNEL_MAX;
    memcpy(text, name, len);
    text[len] = '\0';
    for (size_t i = 0; i < config->channel_count; i++) {
        if (fnmatch(config->channels[i].pattern, text, 0) == 0)
            return &config->channels[i];
    }
    return &default_policy;
}

int config_longest_message(const struct config *config) {
    int longest = default_policy.max_message;
    for (size_t i = 0; i < config->channel_count; i++) {
        if (config->channels[i].max_message > longest)
            longest = config->channels[i].max_message;
    }
    return longest;
}

void channels_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < config->channel_count; i++) {
        fprintf(out, "\n[channel %s]\n", config->channels[i].pattern);
        for (size_t k = 0; k < channel_options.count; k++)
            option_print(&channel_options.table[k], &config->channels[i], out);
    }
}

void channels_free(struct config *config) {
    for (size_t i = 0; i < config->channel_count; i++)
        free(config->channels[i].pattern);
    free(config->channels);
}
