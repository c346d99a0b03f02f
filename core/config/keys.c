/*
 * Keys by which tokens are signed: the sections [key KID] of the file. What stands in a key's file
 * the program that verifies looks at (fcgi-app/rights/keys.h): the worker reads the same
 * configuration, and need not be allowed to read keys.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/base/mem.h"
#include "core/config/_options.h"

struct key *keys_section(struct config *config, const char *kid, char problem[CONFIG_PROBLEM]) {
    for (size_t i = 0; i < config->key_count; i++) {
        if (strcmp(config->keys[i].kid, kid) == 0)
            return &config->keys[i];
    }
    if (config->key_count == KEYS_MAX) {
        snprintf(problem, CONFIG_PROBLEM, "section [key %.100s]: the most is %d keys", kid,
                 KEYS_MAX);
        return NULL;
    }
    config->keys = mem_resize(config->keys, (config->key_count + 1) * sizeof *config->keys);
    struct key *key = &config->keys[config->key_count++];
    *key = (struct key){.kid = mem_string(kid)};
    options_set_defaults(&key_options, key);
    return key;
}

static int check_key(const struct key *key, char problem[CONFIG_PROBLEM]) {
    if (key->algorithm == ALGORITHM_NONE)
        snprintf(problem, CONFIG_PROBLEM, "algorithm: must be said [key %s]", key->kid);
    else if (key->file[0] != '/')
        snprintf(problem, CONFIG_PROBLEM, "file = %.100s: must be a whole path [key %s]", key->file,
                 key->kid);
    else
        return 0;
    return EX_CONFIG;
}

int keys_check(const struct config *config, char problem[CONFIG_PROBLEM]) {
    int result = 0;

    for (size_t i = 0; result == 0 && i < config->key_count; i++)
        result = check_key(&config->keys[i], problem);
    for (size_t i = 0; result == 0 && config->key_count == 0 && i < config->channel_count; i++) {
        const struct channel_policy *policy = &config->channels[i];
        if (((policy->subscribe.kinds | policy->publish.kinds) & ACCESS_TOKEN) == 0)
            continue;
        snprintf(problem, CONFIG_PROBLEM, "%s = token: needs a section [key KID] [channel %s]",
                 (policy->subscribe.kinds & ACCESS_TOKEN) != 0 ? "subscribe" : "publish",
                 policy->pattern);
        result = EX_CONFIG;
    }
    return result;
}

void keys_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < config->key_count; i++) {
        fprintf(out, "\n[key %s]\n", config->keys[i].kid);
        for (size_t k = 0; k < key_options.count; k++)
            option_print(&key_options.table[k], &config->keys[i], out);
    }
}

void keys_free(struct config *config) {
    for (size_t i = 0; i < config->key_count; i++) {
        for (size_t k = 0; k < key_options.count; k++)
            option_free(&key_options.table[k], &config->keys[i]);
        free(config->keys[i].kid);
    }
    free(config->keys);
}
