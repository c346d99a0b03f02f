/*
 * Namespaces of Socket.IO: the sections [namespace PATH /ns], where PATH is the service's. Which
 * channels one is about, and what its clients may do there.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/base/mem.h"
#include "core/config/_options.h"
#include "core/data/channel.h"

enum { NAMESPACES_MAX = 256 };

#define BLANKS " \t"

/* Whether it can stand in a packet: a slash, and nothing that ends a name there. */
static bool is_name(const char *name) {
    return name[0] == '/' && strpbrk(name, ",? \t") == NULL;
}

struct name_space *namespaces_section(struct config *config, const char *text,
                                      char problem[CONFIG_PROBLEM]) {
    size_t path = strcspn(text, BLANKS);
    const char *name = text + path + strspn(text + path, BLANKS);

    if (!is_name(name) || config->namespace_count == NAMESPACES_MAX) {
        snprintf(problem, CONFIG_PROBLEM,
                 "section [namespace %.100s]: must be the path of a service and a name like /chat, "
                 "and there may be %d",
                 text, NAMESPACES_MAX);
        return NULL;
    }
    for (size_t i = 0; i < config->namespace_count; i++) {
        struct name_space *space = &config->namespaces[i];
        if (strlen(space->service) == path && memcmp(space->service, text, path) == 0 &&
            strcmp(space->name, name) == 0)
            return space;
    }
    config->namespaces =
        mem_resize(config->namespaces, (config->namespace_count + 1) * sizeof *config->namespaces);
    struct name_space *space = &config->namespaces[config->namespace_count++];
    *space = (struct name_space){.service = mem_copy(text, path), .name = mem_string(name)};
    options_set_defaults(&namespace_options, space);
    return space;
}

const struct name_space *config_namespace(const struct config *config,
                                          const struct service *service, const char *name,
                                          size_t len) {
    for (size_t i = 0; i < config->namespace_count; i++) {
        const struct name_space *space = &config->namespaces[i];
        if (strcmp(space->service, service->path) == 0 && strlen(space->name) == len &&
            memcmp(space->name, name, len) == 0)
            return space;
    }
    return NULL;
}

const char *config_word(const char *words, size_t *len) {
    words += strspn(words, BLANKS);
    *len = strcspn(words, BLANKS);
    return *len > 0 ? words : NULL;
}

/* ------------------------------------------------------------------------ checks */

static bool joins_channels(const char *words) {
    size_t len;
    const char *word = config_word(words, &len);

    for (; word != NULL; word = config_word(word + len, &len)) {
        if (!channel_valid(word, len))
            return false;
    }
    return true;
}

static const char *wrong_with(const struct config *config, const struct name_space *space) {
    size_t i = 0;

    while (i < config->service_count && strcmp(config->services[i].path, space->service) != 0)
        i++;
    if (i == config->service_count)
        return "there is no [service] of that path";
    if (!joins_channels(space->join))
        return "join: must be channels' names with blanks between";
    if (space->publish[0] != '\0' && !channel_valid(space->publish, strlen(space->publish)))
        return "publish: must be a channel's name";
    return NULL;
}

int namespaces_check(const struct config *config, char problem[CONFIG_PROBLEM]) {
    for (size_t i = 0; i < config->namespace_count; i++) {
        const struct name_space *space = &config->namespaces[i];
        const char *why = wrong_with(config, space);

        if (why == NULL)
            continue;
        snprintf(problem, CONFIG_PROBLEM, "[namespace %.100s %.200s]: %s", space->service,
                 space->name, why);
        return EX_CONFIG;
    }
    return 0;
}

/* -------------------------------------------------------------------------- life */

void namespaces_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < config->namespace_count; i++) {
        const struct name_space *space = &config->namespaces[i];
        fprintf(out, "\n[namespace %s %s]\n", space->service, space->name);
        for (size_t k = 0; k < namespace_options.count; k++)
            option_print(&namespace_options.table[k], space, out);
    }
}

void namespaces_free(struct config *config) {
    for (size_t i = 0; i < config->namespace_count; i++) {
        for (size_t k = 0; k < namespace_options.count; k++)
            option_free(&namespace_options.table[k], &config->namespaces[i]);
        free(config->namespaces[i].service);
        free(config->namespaces[i].name);
    }
    free(config->namespaces);
}
