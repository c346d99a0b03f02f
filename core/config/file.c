/*
 * What the file says. Before the first section are the options of the program; in a
 * section [channel PATTERN] those of its channels.
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
    struct channel_policy *policy; /* of the section that is being read; NULL: before the first */
};

/* "channel PATTERN": a pattern may be as long as a channel's name. */
static bool take_section(struct reading *reading, const char *section) {
    const char *at = section + strspn(section, " \t"), *pattern = at + 8;

    if (strncmp(at, "channel ", 8) == 0)
        pattern += strspn(pattern, " ");
    if (strncmp(at, "channel ", 8) != 0 || *pattern == '\0' || strlen(pattern) > CHANNEL_MAX) {
        snprintf(reading->problem, CONFIG_PROBLEM,
                 "section [%.100s]: must be [channel PATTERN] with a pattern of at most %d bytes",
                 section, CHANNEL_MAX);
        return false;
    }
    reading->policy = channels_section(reading->config, pattern);
    return true;
}

static bool take_line(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;

    if (name == NULL)
        return take_section(reading, section);
    bool global = reading->policy == NULL;
    const struct option *option =
        options_find(global ? &global_options : &channel_options, name, strlen(name));
    if (option == NULL) {
        snprintf(reading->problem, CONFIG_PROBLEM, "no option is called %.100s%s", name,
                 global ? "" : " in a channel's section");
        return false;
    }
    void *base = global ? (void *)reading->config : reading->policy;
    enum err err = option_set(option, base, value);
    if (err != ERR_OK)
        option_say_wrong(reading->problem, NULL, option, value, err);
    return err == ERR_OK;
}

int file_load(struct config *config, const char *file, bool wanted, char problem[CONFIG_PROBLEM]) {
    char text[CONFIG_PROBLEM - PATH_TEXT - 16];
    struct reading reading = {.config = config, .problem = problem};
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
