/*
 * What holds for whose channels: the sections of the file, and what holds where none matches.
 */
#include <fnmatch.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/base/mem.h"
#include "core/config/_options.h"
#include "core/config/authority.h"
#include "core/data/channel.h"

static struct channel_policy default_policy;

void channels_set_defaults(void) {
    options_set_defaults(&channel_options, &default_policy);
}

static enum pattern_kind kind_of(const char *pattern) {
    const char *special = strpbrk(pattern, "*?[\\");

    if (special == NULL)
        return PATTERN_NAME;
    return strcmp(special, "*") == 0 ? PATTERN_BEGINNING : PATTERN_ANY;
}

struct channel_policy *channels_section(struct config *config, const char *pattern) {
    for (size_t i = 0; i < config->channel_count; i++) {
        if (strcmp(config->channels[i].pattern, pattern) == 0)
            return &config->channels[i];
    }
    size_t size = (config->channel_count + 1) * sizeof *config->channels;
    config->channels = mem_resize(config->channels, size);
    struct channel_policy *policy = &config->channels[config->channel_count++];
    *policy = (struct channel_policy){.pattern = NULL};
    options_set_defaults(&channel_options, policy);
    policy->pattern = mem_string(pattern);
    policy->matches = kind_of(pattern);
    return policy;
}

static bool matches(const struct channel_policy *policy, const char *name) {
    switch (policy->matches) {
    case PATTERN_NAME:
        return strcmp(policy->pattern, name) == 0;
    case PATTERN_BEGINNING:
        return strncmp(policy->pattern, name, strlen(policy->pattern) - 1) == 0;
    default:
        return fnmatch(policy->pattern, name, 0) == 0;
    }
}

const struct channel_policy *config_channel(const struct config *config, const char *name,
                                            size_t len) {
    char text[CHANNEL_MAX + 1];
    size_t i = 0;

    if (len > CHANNEL_MAX)
        len = CHANNEL_MAX;
    if (len > 0) /* a name of nothing may be no text at all */
        memcpy(text, name, len);
    text[len] = '\0';
    while (i < config->channel_count && !matches(&config->channels[i], text))
        i++;
    if (config->guards != NULL && ingests_private(config, text))
        return &config->guards[i];
    return i < config->channel_count ? &config->channels[i] : &default_policy;
}

void channels_guard(struct config *config) {
    size_t count = config->channel_count;
    bool guarded = false;

    for (size_t i = 0; i < config->ingest_count; i++)
        guarded |= config->ingests[i].format == INGEST_LARAVEL;
    if (!guarded)
        return;
    config->guards = mem_new((count + 1) * sizeof *config->guards);
    for (size_t i = 0; i <= count; i++) {
        config->guards[i] = i < count ? config->channels[i] : default_policy;
        if (!config->guards[i].subscribe_said)
            config->guards[i].subscribe = (struct access){.list = NULL};
    }
}

const char *config_authorize(const struct config *config, const struct channel_policy *policy) {
    return policy->authorize[0] != '\0' ? policy->authorize : config->authorize;
}

/* The site is asked on this machine, unless the option says that it may be on another one. */
static bool check_authority(const struct config *config, const char *authorize,
                            char problem[CONFIG_PROBLEM]) {
    struct authority authority;

    if (authorize[0] == '\0' || config->authorize_remote ||
        authority_parse(authorize, &authority) != ERR_OK)
        return true;
    bool local = authority.local;
    authority_free(&authority);
    if (!local)
        snprintf(problem, CONFIG_PROBLEM,
                 "authorize = %.200s: another machine needs authorize_remote = on", authorize);
    return local;
}

/* What the alternatives of a section need. */
static bool check_section(const struct config *config, const struct channel_policy *policy,
                          char problem[CONFIG_PROBLEM]) {
    unsigned kinds = policy->subscribe.kinds | policy->publish.kinds;

    if ((kinds & ACCESS_OWNER) != 0 && !access_has_owner(policy->pattern)) {
        snprintf(problem, CONFIG_PROBLEM, "%s = owner: the pattern needs a * [channel %s]",
                 (policy->subscribe.kinds & ACCESS_OWNER) != 0 ? "subscribe" : "publish",
                 policy->pattern);
        return false;
    }
    if ((kinds & ACCESS_ASK) != 0 && config_authorize(config, policy)[0] == '\0') {
        snprintf(problem, CONFIG_PROBLEM, "%s = ask: needs the option authorize [channel %s]",
                 (policy->subscribe.kinds & ACCESS_ASK) != 0 ? "subscribe" : "publish",
                 policy->pattern);
        return false;
    }
    return check_authority(config, policy->authorize, problem);
}

int channels_check(const struct config *config, char problem[CONFIG_PROBLEM]) {
    bool good = check_authority(config, config->authorize, problem);

    for (size_t i = 0; good && i < config->channel_count; i++)
        good = check_section(config, &config->channels[i], problem);
    return good ? 0 : EX_CONFIG;
}

int config_longest_message(const struct config *config) {
    int longest = default_policy.max_message;
    for (size_t i = 0; i < config->channel_count; i++) {
        if (config->channels[i].max_message > longest)
            longest = config->channels[i].max_message;
    }
    return longest;
}

/* What a section does not say is not printed as if it did, where that would open something. */
static void print_section(const struct config *config, const struct channel_policy *policy,
                          FILE *out) {
    fprintf(out, "\n[channel %s]\n", policy->pattern);
    for (size_t k = 0; k < channel_options.count; k++) {
        const struct option *option = &channel_options.table[k];
        if (option->offset == offsetof(struct channel_policy, subscribe) &&
            config->guards != NULL && !policy->subscribe_said)
            fprintf(out, "# private-* and presence-*: none; else: ");
        option_print(option, policy, out);
    }
}

void channels_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < config->channel_count; i++)
        print_section(config, &config->channels[i], out);
}

void channels_free(struct config *config) {
    for (size_t i = 0; i < config->channel_count; i++) {
        for (size_t k = 0; k < channel_options.count; k++)
            option_free(&channel_options.table[k], &config->channels[i]);
        free(config->channels[i].pattern);
    }
    free(config->channels);
    free(config->guards);
}
