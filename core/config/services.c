/*
 * Services: the sections [service PATH] of the file. What a dialect or a protocol is, the program
 * that serves them knows (fcgi-app/carriers/services.h): the worker reads the same file.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/config/_options.h"

enum { PATH_MAX_BYTES = 190, SEGMENTS_MAX = 4 };

/* Whether a path is one to four segments of letters that no server writes in another way. */
static bool is_path(const char *path) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    size_t segments = 0;

    if (strlen(path) > PATH_MAX_BYTES)
        return false;
    for (const char *at = path;; at++) {
        size_t len = strspn(at, letters);
        bool dots = len <= 2 && strspn(at, ".") >= len;
        if (dots || ++segments > SEGMENTS_MAX)
            return false;
        at += len;
        if (*at != '/')
            return *at == '\0';
    }
}

struct service *services_section(struct config *config, const char *path,
                                 char problem[CONFIG_PROBLEM]) {
    if (!is_path(path)) {
        snprintf(
            problem, CONFIG_PROBLEM,
            "section [service %.100s]: must be a path like sockjs/chat, of letters, digits and "
            "-._~, without / at its ends",
            path);
        return NULL;
    }
    for (size_t i = 0; i < config->service_count; i++) {
        if (strcmp(config->services[i].path, path) == 0)
            return &config->services[i];
    }
    size_t size = (config->service_count + 1) * sizeof *config->services;
    config->services = mem_resize(config->services, size);
    struct service *service = &config->services[config->service_count++];
    *service = (struct service){.path = mem_string(path)};
    options_set_defaults(&service_options, service);
    return service;
}

void services_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < config->service_count; i++) {
        fprintf(out, "\n[service %s]\n", config->services[i].path);
        for (size_t k = 0; k < service_options.count; k++)
            option_print(&service_options.table[k], &config->services[i], out);
    }
}

void services_free(struct config *config) {
    for (size_t i = 0; i < config->service_count; i++) {
        for (size_t k = 0; k < service_options.count; k++)
            option_free(&service_options.table[k], &config->services[i]);
        free(config->services[i].path);
    }
    free(config->services);
}
