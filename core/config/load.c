/*
 * Where a configuration comes from: defaults, file, environment and command line, each over
 * the one before. Runs once, in main(), before anything else.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/config/_options.h"

/* HALLEY_ and the option's name in capitals. */
static void environment_name(char out[64], const char *option) {
    size_t len = (size_t)snprintf(out, 64, "HALLEY_");

    for (const char *p = option; *p != '\0' && len < 63; p++)
        out[len++] = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    out[len] = '\0';
}

static int load_environment(struct config *config, char *problem) {
    for (size_t i = 0; i < global_options.count; i++) {
        const struct option *option = &global_options.table[i];
        char name[64];

        environment_name(name, option->name);
        const char *value = getenv(name);
        enum err err = value == NULL ? ERR_OK : option_set(option, config, value);
        if (err != ERR_OK) {
            option_say_wrong(problem, name, option, value, err);
            return EX_CONFIG;
        }
    }
    return 0;
}

static int set_from_argument(struct config *config, const char *text, char *problem) {
    const char *sign = strchr(text, '=');
    const struct option *option = NULL;

    if (sign != NULL)
        option = options_find(&global_options, text, (size_t)(sign - text));
    if (option == NULL) {
        /* what stands behind the sign may be a password for a misspelt option */
        snprintf(problem, CONFIG_PROBLEM, "-o %.*s: must be option=value", (int)strcspn(text, "="),
                 text);
        return EX_USAGE;
    }
    enum err err = option_set(option, config, sign + 1);
    if (err != ERR_OK)
        option_say_wrong(problem, "-o", option, sign + 1, err);
    return err == ERR_OK ? 0 : EX_USAGE;
}

/* Appends to what may stand there already. */
static void add_group(struct config_command *command, const char *group) {
    size_t had = command->groups != NULL ? strlen(command->groups) : 0, len = strlen(group);

    command->groups = mem_resize(command->groups, had + len + 2);
    memcpy(command->groups + had, group, len);
    memcpy(command->groups + had + len, ",", 2);
}

/*
 * Goes through the command line. With `config` NULL it only finds the file's
 * name and the commands; the second time it sets what comes over everything.
 */
static int load_arguments(struct config *config, struct config_command *command, int argc,
                          char **argv, const char **file, char *problem) {
    int letter, result = 0;

    optind = 1;
    opterr = 0;
    while (result == 0 && (letter = getopt(argc, argv, "f:l:w:c:o:u:g:nV")) != -1) {
        if (letter == 'f')
            *file = optarg;
        else if (letter == 'n')
            command->check = true;
        else if (letter == 'V')
            command->version = true;
        else if (letter == 'l' && config != NULL)
            option_set_text(&config->listen, optarg);
        else if (letter == 'w' && config != NULL)
            option_set_text(&config->websocket, optarg);
        else if (letter == 'c' && config != NULL)
            option_set_text(&config->class, optarg);
        else if (letter == 'u')
            command->user = optarg;
        else if (letter == 'g' && config != NULL)
            add_group(command, optarg);
        else if (letter == 'o' && config != NULL)
            result = set_from_argument(config, optarg, problem);
        else if (letter == '?')
            result = EX_USAGE;
    }
    if (result == 0 && optind < argc && command->check)
        command->channel = argv[optind++];
    if (result == 0 && (optind < argc || (command->user != NULL && command->channel == NULL)))
        result = EX_USAGE;
    if (result == EX_USAGE && problem[0] == '\0')
        snprintf(problem, CONFIG_PROBLEM,
                 "usage: [-nV] [-f file] [-l address] [-w address] [-c class]"
                 " [-o option=value], or -n [-u user] [-g group]... channel");
    return result;
}

/* `websocket` was the name of `http`, when nothing but WebSockets was served there. */
static int take_old_name(struct config *config, char *problem) {
    if (config->http[0] == '\0')
        option_set_text(&config->http, config->websocket);
    if (config->websocket[0] == '\0' || strcmp(config->websocket, config->http) == 0)
        return 0;
    snprintf(problem, CONFIG_PROBLEM,
             "http = %.*s: websocket (-w) is the same option, and says %.*s", VALUE_TEXT,
             config->http, VALUE_TEXT, config->websocket);
    return EX_CONFIG;
}

/* Two names of one file are one: by links, or from another folder. */
static void note_file(struct config *config, const char *file) {
    char *whole = realpath(file, NULL);

    option_set_text(&config->file, whole != NULL ? whole : "");
    free(whole);
}

/* What holds between options, once all of them are known. */
static int check_numbers(const struct config *config, char problem[CONFIG_PROBLEM]) {
    if (config->timeout > config->max_wait)
        snprintf(problem, CONFIG_PROBLEM, "timeout = %d: must not be over max_wait = %d",
                 config->timeout, config->max_wait);
    else if (config->threads > 0 && config->reserve >= config->threads)
        snprintf(problem, CONFIG_PROBLEM, "reserve = %d: must be below threads = %d",
                 config->reserve, config->threads);
    else
        return 0;
    return EX_CONFIG;
}

int config_load(struct config *config, struct config_command *command, int argc, char **argv,
                char problem[CONFIG_PROBLEM]) {
    const char *file = NULL;

    memset(config, 0, sizeof *config);
    memset(command, 0, sizeof *command);
    problem[0] = '\0';
    options_set_defaults(&global_options, config);
    channels_set_defaults();
    int result = load_arguments(NULL, command, argc, argv, &file, problem);
    note_file(config, file ? file : CONFIG_FILE);
    if (result == 0)
        result = file_load(config, file ? file : CONFIG_FILE, file != NULL, problem);
    if (result == 0)
        result = load_environment(config, problem);
    if (result == 0)
        result = load_arguments(config, command, argc, argv, &file, problem);
    if (result == 0)
        result = check_numbers(config, problem);
    if (result == 0)
        result = take_old_name(config, problem);
    if (result == 0)
        result = ingests_check(config, problem);
    if (result == 0)
        result = channels_check(config, problem);
    if (result == 0)
        result = namespaces_check(config, problem);
    if (result == 0)
        result = keys_check(config, problem);
    if (result == 0)
        channels_guard(config);
    return result;
}

void config_free(struct config *config) {
    for (size_t i = 0; i < global_options.count; i++)
        option_free(&global_options.table[i], config);
    free(config->file);
    channels_free(config);
    services_free(config);
    namespaces_free(config);
    ingests_free(config);
    keys_free(config);
    memset(config, 0, sizeof *config);
}

void config_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < global_options.count; i++)
        option_print(&global_options.table[i], config, out);
    channels_print(config, out);
    services_print(config, out);
    namespaces_print(config, out);
    ingests_print(config, out);
    keys_print(config, out);
}
