/*
 * Sections of what others publish in Redis, [ingest NAME]. Each publish must come once, and
 * none of Halley's own may come as somebody else's: so patterns are compared by what they can
 * match, with each other and with the names that are taken, however they are written.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/base/mem.h"
#include "core/config/_options.h"
#include "core/data/glob.h"

struct ingest *ingests_section(struct config *config, const char *name,
                               char problem[CONFIG_PROBLEM]) {
    for (size_t i = 0; i < config->ingest_count; i++) {
        if (strcmp(config->ingests[i].name, name) == 0) {
            snprintf(problem, CONFIG_PROBLEM, "[ingest %.200s]: there is a section of that name",
                     name);
            return NULL;
        }
    }
    if (config->ingest_count == INGEST_MAX) {
        snprintf(problem, CONFIG_PROBLEM, "[ingest %.200s]: there may be %d of them", name,
                 INGEST_MAX);
        return NULL;
    }
    config->ingests =
        mem_resize(config->ingests, (config->ingest_count + 1) * sizeof *config->ingests);
    struct ingest *ingest = &config->ingests[config->ingest_count++];
    *ingest = (struct ingest){.name = mem_string(name)};
    options_set_defaults(&ingest_options, ingest);
    return ingest;
}

/* ------------------------------------------------------------------------ checks */

static bool meets(const char *a, const char *b) {
    struct glob *one = glob_new(a), *other = glob_new(b);
    bool met = glob_meets(one, other);

    glob_free(one);
    glob_free(other);
    return met;
}

/*
 * Names that nobody else may hear: our own, and those on which Redis tells things itself, for
 * it does not count these as publishes, and workers compare what they heard with its count.
 */
static bool is_taken(const struct config *config, const char *pattern) {
    static const char *const ours[] = {":*", ".*"};
    static const char *const of_redis[] = {"__keyspace@*", "__keyevent@*"};
    char name[GLOB_MAX];
    bool taken = false;

    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s%s", config->prefix, ours[i]);
        taken = taken || meets(pattern, name) || meets(pattern, of_redis[i]);
    }
    return taken;
}

/* The other section that would hear some of the same; NULL: none. */
static const struct ingest *rival_of(const struct config *config, const struct ingest *ingest) {
    for (const struct ingest *other = config->ingests; other < ingest; other++) {
        if (meets(other->pattern, ingest->pattern))
            return other;
    }
    return NULL;
}

/* Laravel's private channels have to be told from others by their names, also in ours. */
static bool hides_private(const struct ingest *ingest) {
    size_t fixed = strcspn(ingest->pattern, "*"), kept = strcspn(ingest->channel, "*");
    static const char *const words[] = {"private-", "presence-"};

    if (ingest->format != INGEST_LARAVEL)
        return false;
    if (ingest->pattern[fixed] == '\0' || ingest->channel[kept] == '\0')
        return true;
    for (size_t i = 0; i < 2; i++) {
        const char *in_pattern = strstr(ingest->pattern, words[i]);
        const char *in_channel = strstr(ingest->channel, words[i]);
        if (in_pattern != NULL && in_pattern < ingest->pattern + fixed && in_channel == NULL)
            return true;
    }
    return false;
}

static const char *wrong_with(const struct config *config, const struct ingest *ingest) {
    if (ingest->pattern[0] == '\0')
        return "pattern: is missing";
    if (is_taken(config, ingest->pattern))
        return "can match names of Halley's own (prefix:*, prefix.*) or of Redis's (__key*)";
    if (hides_private(ingest))
        return "laravel: * must stand for the channel, with its private- or presence-";
    return NULL;
}

int ingests_check(const struct config *config, char problem[CONFIG_PROBLEM]) {
    for (size_t i = 0; i < config->ingest_count; i++) {
        const struct ingest *ingest = &config->ingests[i], *rival = rival_of(config, ingest);
        const char *why = wrong_with(config, ingest);

        if (why != NULL)
            snprintf(problem, CONFIG_PROBLEM, "[ingest %.100s] pattern = %.200s: %s", ingest->name,
                     ingest->pattern, why);
        else if (rival != NULL)
            snprintf(problem, CONFIG_PROBLEM,
                     "[ingest %.80s] pattern = %.200s: can match what [ingest %.80s] does",
                     ingest->name, ingest->pattern, rival->name);
        if (why != NULL || rival != NULL)
            return EX_CONFIG;
    }
    return 0;
}

static bool begins_private(const char *name) {
    return strncmp(name, "private-", 8) == 0 || strncmp(name, "presence-", 9) == 0;
}

bool ingests_private(const struct config *config, const char *name) {
    if (begins_private(name))
        return true;
    for (size_t i = 0; i < config->ingest_count; i++) {
        const struct ingest *ingest = &config->ingests[i];
        size_t lead = strcspn(ingest->channel, "*");
        if (ingest->format == INGEST_LARAVEL && lead > 0 &&
            strncmp(name, ingest->channel, lead) == 0 && begins_private(name + lead))
            return true;
    }
    return false;
}

/* -------------------------------------------------------------------------- life */

void ingests_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < config->ingest_count; i++) {
        fprintf(out, "\n[ingest %s]\n", config->ingests[i].name);
        for (size_t k = 0; k < ingest_options.count; k++)
            option_print(&ingest_options.table[k], &config->ingests[i], out);
    }
}

void ingests_free(struct config *config) {
    for (size_t i = 0; i < config->ingest_count; i++) {
        free(config->ingests[i].name);
        for (size_t k = 0; k < ingest_options.count; k++)
            option_free(&ingest_options.table[k], &config->ingests[i]);
    }
    free(config->ingests);
}
