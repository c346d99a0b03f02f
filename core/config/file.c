/*
 * What the file says. Before the first section are the options of the program; in a
 * section [channel PATTERN] those of its channels, in [service PATH] those of a service.
 */
#include <errno.h>
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
    const struct options *options; /* of the section that is being read, or of the program */
    void *base;                    /* and what they are set in */
    const char *where;             /* for problems */
};

static bool begin_channel(struct reading *reading, const char *section, const char *pattern) {
    pattern += strspn(pattern, " ");
    if (*pattern == '\0' || strlen(pattern) > CHANNEL_MAX) {
        snprintf(reading->problem, CONFIG_PROBLEM,
                 "section [%.100s]: must be [channel PATTERN] with a pattern of at most %d bytes",
                 section, CHANNEL_MAX);
        return false;
    }
    reading->options = &channel_options;
    reading->base = channels_section(reading->config, pattern);
    reading->where = " in a channel's section";
    return true;
}

static bool begin_service(struct reading *reading, const char *path) {
    path += strspn(path, " ");
    reading->options = &service_options;
    reading->base = services_section(reading->config, path, reading->problem);
    reading->where = " in a service's section";
    return reading->base != NULL;
}

/* "channel PATTERN": a pattern may be as long as a channel's name. */
static bool take_section(struct reading *reading, const char *section) {
    const char *at = section + strspn(section, " \t");

    if (strncmp(at, "channel ", 8) == 0)
        return begin_channel(reading, section, at + 8);
    if (strncmp(at, "service ", 8) == 0)
        return begin_service(reading, at + 8);
    snprintf(reading->problem, CONFIG_PROBLEM,
             "section [%.100s]: must be [channel PATTERN] or [service PATH]", section);
    return false;
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
