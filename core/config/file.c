/*
 * What the file says. Before the first section are the options of the program; in a
 * section [channel PATTERN] those of its channels, in [service PATH] those of a service, in
 * [namespace PATH /NAME] those of a namespace of it, in [ingest NAME] those of what others publish
 * in Redis.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/config/_options.h"
#include "core/config/ini.h"
#include "core/data/channel.h"

enum { PATH_TEXT = 200 }; /* of a file's name that a problem repeats */

struct reading {
    struct config *config;
    char *problem;
    const char *where;             /* in which kind of section they stand, as people are told */
    const struct options *options; /* that may stand there */
    void *base;                    /* what they are options of */
};

static bool take_channel(struct reading *reading, const char *pattern) {
    reading->options = &channel_options;
    reading->base = channels_section(reading->config, pattern);
    return true;
}

static bool take_service(struct reading *reading, const char *path) {
    reading->options = &service_options;
    reading->base = services_section(reading->config, path, reading->problem);
    return reading->base != NULL;
}

static bool take_namespace(struct reading *reading, const char *name) {
    reading->options = &namespace_options;
    reading->base = namespaces_section(reading->config, name, reading->problem);
    return reading->base != NULL;
}

static bool take_ingest(struct reading *reading, const char *name) {
    reading->options = &ingest_options;
    reading->base = ingests_section(reading->config, name, reading->problem);
    return reading->base != NULL;
}

static bool take_key(struct reading *reading, const char *kid) {
    reading->options = &key_options;
    reading->base = keys_section(reading->config, kid, reading->problem);
    return reading->base != NULL;
}

static const struct section {
    const char *kind, *where;
    bool (*take)(struct reading *reading, const char *name);
} sections[] = {{"channel", " in a channel's section", take_channel},
                {"service", " in a service's section", take_service},
                {"namespace", " in a namespace's section", take_namespace},
                {"ingest", " in a section of ingest", take_ingest},
                {"key", " in a key's section", take_key}};

enum { SECTIONS = sizeof sections / sizeof sections[0] };

/* "channel PATTERN" and its like: as long as a channel's name may be. */
static bool take_section(struct reading *reading, const char *text) {
    const char *kind = text + strspn(text, " \t"), *end = strchr(kind, ' ');
    const char *name = end != NULL ? end + strspn(end, " ") : "";

    for (size_t i = 0; i < SECTIONS && *name != '\0' && strlen(name) <= CHANNEL_MAX; i++) {
        size_t len = strlen(sections[i].kind);
        if (len == (size_t)(end - kind) && strncmp(kind, sections[i].kind, len) == 0) {
            reading->where = sections[i].where;
            return sections[i].take(reading, name);
        }
    }
    snprintf(reading->problem, CONFIG_PROBLEM,
             "section [%.100s]: must be [channel PATTERN], [service PATH], [namespace PATH /NAME], "
             "[ingest NAME] or [key KID] with at most %d bytes",
             text, CHANNEL_MAX);
    return false;
}

/* A channel's section that says who may read is asked for private channels too. */
static void note_said(const struct reading *reading, const struct option *option) {
    if (reading->options == &channel_options &&
        option->offset == offsetof(struct channel_policy, subscribe))
        ((struct channel_policy *)reading->base)->subscribe_said = true;
}

static bool take_line(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;

    if (name == NULL)
        return take_section(reading, section);
    const struct option *option = options_find(reading->options, name, strlen(name));
    if (option == NULL) {
        snprintf(reading->problem, CONFIG_PROBLEM, "no option is called %.100s%s", name,
                 reading->where);
        return false;
    }
    enum err err = option_set(option, reading->base, value);
    if (err != ERR_OK)
        option_say_wrong(reading->problem, NULL, option, value, err);
    else
        note_said(reading, option);
    return err == ERR_OK;
}

int file_load(struct config *config, const char *file, bool wanted, char problem[CONFIG_PROBLEM]) {
    char text[CONFIG_PROBLEM - PATH_TEXT - 16];
    struct reading reading = {.config = config,
                              .problem = problem,
                              .options = &global_options,
                              .base = config,
                              .where = ""};
    FILE *stream = fopen(file, "re");
    const char *why;

    if (stream == NULL) {
        if (!wanted && errno == ENOENT)
            return 0;
        snprintf(problem, CONFIG_PROBLEM, "%s: %s", file, strerror(errno));
        return EX_NOINPUT;
    }
    int line = ini_read(stream, take_line, &reading, &why);
    bool broken = ferror(stream) != 0; /* a folder, for one */
    fclose(stream);
    if (broken) {
        snprintf(problem, CONFIG_PROBLEM, "%s: cannot be read", file);
        return EX_NOINPUT;
    }
    if (line == 0)
        return 0;
    snprintf(text, sizeof text, "%.*s", (int)sizeof text - 1, why != NULL ? why : problem);
    snprintf(problem, CONFIG_PROBLEM, "%.*s:%d: %s", PATH_TEXT, file, line, text);
    return EX_CONFIG;
}
