/*
 * Reads the configuration. The two tables below are the whole truth about the
 * options: name, kind, where the value goes, default and range. To add one, add
 * a field in config.h, a line here, and its explanation in deploy/halley.conf.
 * Runs once, in main(), before anything else; the result never changes.
 */
#include "core/config/config.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/config/ini.h"
#include "core/config/networks.h"
#include "core/config/target.h"
#include "core/data/channel.h"
#include "core/data/names.h"

enum kind {
    TEXT,
    PREFIX,
    REDIS,
    SECRET,
    NUMBER,
    SIZE,
    OCTAL,
    SWITCH,
    LOG,
    LEVEL,
    ACCESS,
    RATE,
    MOUNT,
    VIEWERS,
    NETWORKS
};

struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *fallback;
    long min, max;
};

#define OPTION(name, kind, fallback, min, max)                                                     \
    { #name, kind, offsetof(struct config, name), fallback, min, max }

static const struct option global_options[] = {
    OPTION(redis, REDIS, "redis://127.0.0.1:6379", 0, 0),
    OPTION(sentinel_password, SECRET, "", 0, 0),
    OPTION(redis_ca, TEXT, "", 0, 0),
    OPTION(redis_cert, TEXT, "", 0, 0),
    OPTION(redis_key, TEXT, "", 0, 0),
    OPTION(prefix, PREFIX, PREFIX_DEFAULT, 0, 0),
    OPTION(listen, TEXT, "", 0, 0),
    OPTION(http, TEXT, "", 0, 0),
    OPTION(websocket, TEXT, "", 0, 0),
    OPTION(trusted_proxies, NETWORKS, "", 0, 0),
    OPTION(mount, MOUNT, "/comet", 0, 0),
    OPTION(origins, TEXT, "", 0, 0),
    OPTION(status, VIEWERS, "local", 0, 0),
    OPTION(class, TEXT, "", 0, 0),
    OPTION(listen_mode, OCTAL, "0660", 0, 0777),
    OPTION(log, LOG, "stderr", 0, 0),
    OPTION(log_level, LEVEL, "info", 0, 0),
    OPTION(timeout, NUMBER, "25", 0, 3600),
    OPTION(max_wait, NUMBER, "55", 0, 3600),
    OPTION(max_channels, NUMBER, "64", 1, 1024),
    OPTION(max_waiters, NUMBER, "10000", 1, 1000000),
    OPTION(processes, NUMBER, "1", 1, PROCESSES_MAX),
    OPTION(linger, NUMBER, "60", 0, 86400),
    OPTION(tail, NUMBER, "100", 1, 100000),
    OPTION(max_backlog, SIZE, "256K", 4096, 1 << 30),
    OPTION(keepalive, NUMBER, "15", 1, 3600),
    OPTION(max_stream, NUMBER, "3600", 1, 86400 * 7),
    OPTION(jsonp, SWITCH, "off", 0, 1),
    OPTION(tags, SWITCH, "off", 0, 1),
    OPTION(tracking, SWITCH, "on", 0, 1),
    OPTION(batch_scheduling, SWITCH, "on", 0, 1),
    OPTION(request_timeout, NUMBER, "10", 1, 600),
    OPTION(keepalive_timeout, NUMBER, "75", 1, 3600),
    OPTION(max_connections, NUMBER, "0", 0, 1000000),
    OPTION(redis_timeout, NUMBER, "5", 1, 600),
    OPTION(meta_ttl, NUMBER, "604800", 60, 86400 * 3650),
    OPTION(idempotency_ttl, NUMBER, "300", 1, 86400 * 30),
    OPTION(retry, NUMBER, "3000", 1, 600000),
    OPTION(lease, NUMBER, "3000", 300, 600000),
};

#undef OPTION
#define OPTION(name, kind, fallback, min, max)                                                     \
    { #name, kind, offsetof(struct channel_policy, name), fallback, min, max }

static const struct option channel_options[] = {
    OPTION(subscribe, ACCESS, "anyone", 0, 0),
    OPTION(publish, ACCESS, "none", 0, 0),
    {"publish_rate", RATE, offsetof(struct channel_policy, publish_rate_count), "0", 1, 1000000},
    OPTION(history, NUMBER, "1000", 0, 1000000),
    OPTION(ttl, NUMBER, "3600", 1, 86400 * 3650),
    OPTION(max_message, SIZE, "64K", 1, 16 << 20),
    OPTION(batch_ms, NUMBER, "0", 0, 60000),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct channel_policy default_policy;

/* A whole number with an optional K or M behind it where `size` allows that. */
static enum err parse_number(const char *text, int base, bool size, const struct option *option,
                             int *out) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, base);
    if (end == text || errno != 0 || text[0] == '-' || text[0] == '+')
        return ERR_SYNTAX;
    if (size && (*end == 'K' || *end == 'k'))
        value = value > LONG_MAX / 1024 ? LONG_MAX : value * 1024, end++;
    else if (size && (*end == 'M' || *end == 'm'))
        value = value > LONG_MAX / 1048576 ? LONG_MAX : value * 1048576, end++;
    if (*end != '\0')
        return ERR_SYNTAX;
    if (value < option->min || value > option->max)
        return ERR_RANGE;
    *out = (int)value;
    return ERR_OK;
}

static enum err parse_word(const char *text, const char *const *words, int *out) {
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2; /* words stand in pairs: no, yes, no, yes, ... */
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

static const char *const viewers[] = {
    [STATUS_NONE] = "none", [STATUS_ANYONE] = "anyone", [STATUS_LOCAL] = "local", NULL};

static enum err parse_one_of(const char *text, const char *const *words, int *out) {
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

/* "N/SECONDS", or "0" for no limit. */
static enum err parse_rate(const char *text, const struct option *option, int *count) {
    char first[16];
    const char *slash = strchr(text, '/');

    if (slash == NULL) {
        count[0] = count[1] = 0;
        return strcmp(text, "0") == 0 ? ERR_OK : ERR_SYNTAX;
    }
    if ((size_t)(slash - text) >= sizeof first)
        return ERR_SYNTAX;
    memcpy(first, text, (size_t)(slash - text));
    first[slash - text] = '\0';
    enum err err = parse_number(first, 10, false, option, &count[0]);
    if (err == ERR_OK)
        err = parse_number(slash + 1, 10, false, option, &count[1]);
    return err;
}

static void set_text(char **field, const char *text) {
    free(*field);
    *field = mem_string(text);
}

/* A path that has one spelling only; a slash at its end is taken off, so the root is "". */
static enum err parse_mount(const char *text, char **out) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "/-._~!$&'()*+,=:@"; /* of a path, RFC 3986 §3.3, but % and ; */
    size_t len = strlen(text);

    if (text[0] != '/' || text[strspn(text, letters)] != '\0' || strstr(text, "//") != NULL)
        return ERR_SYNTAX;
    for (const char *at = text; *at != '\0'; at += 1 + strcspn(at + 1, "/")) {
        size_t segment = strcspn(at + 1, "/");
        if (segment > 0 && segment <= 2 && strspn(at + 1, ".") >= segment)
            return ERR_SYNTAX;
    }
    set_text(out, text);
    if (text[len - 1] == '/')
        (*out)[len - 1] = '\0';
    return ERR_OK;
}

static enum err option_set(const struct option *option, void *base, const char *text) {
    static const char *const switches[] = {"off", "on", "no", "yes", "0", "1", "false", "true", 0};
    static const char *const accesses[] = {"none", "anyone", NULL};
    int *number = (int *)((char *)base + option->offset);
    struct target target;
    struct networks networks;
    enum log_level level;
    enum err err;

    switch (option->kind) {
    case TEXT:
    case SECRET:
        set_text((char **)number, text);
        return ERR_OK;
    case REDIS:
        err = target_parse(text, &target);
        target_free(&target);
        if (err == ERR_OK)
            set_text((char **)number, text);
        return err == ERR_OK ? ERR_OK : ERR_SYNTAX;
    case PREFIX:
        if (!prefix_valid(text))
            return ERR_SYNTAX;
        set_text((char **)number, text);
        return ERR_OK;
    case NUMBER:
        return parse_number(text, 10, false, option, number);
    case SIZE:
        return parse_number(text, 10, true, option, number);
    case OCTAL:
        return parse_number(text, 8, false, option, number);
    case SWITCH:
        return parse_word(text, switches, number);
    case ACCESS:
        return parse_word(text, accesses, number);
    case RATE:
        return parse_rate(text, option, number);
    case MOUNT:
        return parse_mount(text, (char **)number);
    case VIEWERS:
        return parse_one_of(text, viewers, number);
    case NETWORKS:
        err = networks_parse(text, &networks);
        networks_free(&networks);
        if (err == ERR_OK)
            set_text((char **)number, text);
        return err;
    case LOG:
        if (!log_target_valid(text))
            return ERR_SYNTAX;
        set_text((char **)number, text);
        return ERR_OK;
    case LEVEL:
        err = log_level_parse(text, &level);
        *number = err == ERR_OK ? (int)level : *number;
        return err;
    }
    return ERR_SYNTAX;
}

/* A value as people may see it: without its passwords. Free it. */
static char *shown_value(const struct option *option, const char *value) {
    if (option->kind == SECRET)
        return mem_string(value[0] != '\0' ? "***" : "");
    return option->kind == REDIS ? target_masked(value) : mem_string(value);
}

static void option_print(const struct option *option, const void *base, FILE *out) {
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    const int *number = (const int *)((const char *)base + option->offset);
    char *shown;

    fprintf(out, "%s = ", option->name);
    switch (option->kind) {
    case TEXT:
    case PREFIX:
    case LOG:
    case NETWORKS:
        fprintf(out, "%s\n", *(char *const *)number);
        break;
    case SECRET:
    case REDIS:
        shown = shown_value(option, *(char *const *)number);
        fprintf(out, "%s\n", shown);
        free(shown);
        break;
    case NUMBER:
    case SIZE:
        fprintf(out, "%d\n", *number);
        break;
    case OCTAL:
        fprintf(out, "0%o\n", (unsigned)*number);
        break;
    case SWITCH:
        fprintf(out, "%s\n", *number ? "on" : "off");
        break;
    case LEVEL:
        fprintf(out, "%s\n", levels[*number]);
        break;
    case ACCESS:
        fprintf(out, "%s\n", *number == ACCESS_ANYONE ? "anyone" : "none");
        break;
    case MOUNT:
        fprintf(out, "%s\n", **(char *const *)number != '\0' ? *(char *const *)number : "/");
        break;
    case VIEWERS:
        fprintf(out, "%s\n", viewers[*number]);
        break;
    case RATE:
        if (number[0] == 0)
            fprintf(out, "0\n");
        else
            fprintf(out, "%d/%d\n", number[0], number[1]);
        break;
    }
}

static const struct option *option_find(const struct option *table, size_t count, const char *name,
                                        size_t len) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(table[i].name) == len && strncasecmp(table[i].name, name, len) == 0)
            return &table[i];
    }
    return NULL;
}

static void set_defaults(const struct option *table, size_t count, void *base) {
    for (size_t i = 0; i < count; i++) {
        if (option_set(&table[i], base, table[i].fallback) != ERR_OK)
            abort(); /* a default that its own table does not allow */
    }
}

enum { VALUE_TEXT = 200 }; /* of a value that a problem repeats */

/* Why a value was not taken, with what the option allows; `where` is NULL in a file. */
static void say_wrong(char *problem, const char *where, const struct option *option,
                      const char *value, enum err err) {
    static const char *const wanted[] = {
        [TEXT] = "text",
        [PREFIX] = "1 to 64 letters, digits, - and _",
        [SECRET] = "text",
        [REDIS] = "redis:// or rediss://[[user]:password@]host[:port][/db], "
                  "unix:/path[?user=&password=&db=] or "
                  "sentinel://[[user]:password@]name@host[:port],host[:port].../db",
        [NUMBER] = "a whole number",
        [SIZE] = "a whole number of bytes, K or M",
        [OCTAL] = "an octal file mode",
        [SWITCH] = "on or off",
        [LOG] = "stderr, syslog or a file's whole path",
        [LEVEL] = "error, warning, info or debug",
        [ACCESS] = "anyone or none",
        [RATE] = "COUNT/SECONDS, or 0",
        [MOUNT] = "a path like /comet",
        [VIEWERS] = "local, anyone or none",
        [NETWORKS] = "addresses and networks like 10.0.0.0/8, with blanks between"};
    const char *colon = where != NULL ? ": " : "";
    char *shown = shown_value(option, value);

    where = where != NULL ? where : "";
    if (err == ERR_RANGE && option->kind == OCTAL)
        snprintf(problem, CONFIG_PROBLEM, "%s%s%s = %s: must be from %lo to 0%lo", where, colon,
                 option->name, shown, (unsigned long)option->min, (unsigned long)option->max);
    else if (err == ERR_RANGE)
        snprintf(problem, CONFIG_PROBLEM, "%s%s%s = %s: must be from %ld to %ld", where, colon,
                 option->name, shown, option->min, option->max);
    else
        snprintf(problem, CONFIG_PROBLEM, "%s%s%s = %.*s: must be %s", where, colon, option->name,
                 VALUE_TEXT, shown, wanted[option->kind]);
    free(shown);
}

struct reading {
    struct config *config;
    char *problem;
    struct channel_policy *policy; /* of the section that is being read; NULL: before the first */
};

static struct channel_policy *policy_of_section(struct config *config, const char *pattern) {
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
    reading->policy = policy_of_section(reading->config, pattern);
    return true;
}

static bool take_line(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;

    if (name == NULL)
        return take_section(reading, section);
    bool global = reading->policy == NULL;
    const struct option *option =
        option_find(global ? global_options : channel_options,
                    global ? COUNT(global_options) : COUNT(channel_options), name, strlen(name));
    if (option == NULL) {
        snprintf(reading->problem, CONFIG_PROBLEM, "no option is called %.100s%s", name,
                 global ? "" : " in a channel's section");
        return false;
    }
    void *base = global ? (void *)reading->config : reading->policy;
    enum err err = option_set(option, base, value);
    if (err != ERR_OK)
        say_wrong(reading->problem, NULL, option, value, err);
    return err == ERR_OK;
}

enum { PATH_TEXT = 200 }; /* of a file's name that a problem repeats */

static int load_file(struct config *config, const char *file, bool wanted, char *problem) {
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

static int load_environment(struct config *config, char *problem) {
    for (size_t i = 0; i < COUNT(global_options); i++) {
        const struct option *option = &global_options[i];
        char name[64] = "HALLEY_";
        size_t len = strlen(name);
        for (const char *p = option->name; *p != '\0'; p++)
            name[len++] = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
        name[len] = '\0';
        const char *value = getenv(name);
        enum err err = value == NULL ? ERR_OK : option_set(option, config, value);
        if (err != ERR_OK) {
            say_wrong(problem, name, option, value, err);
            return EX_CONFIG;
        }
    }
    return 0;
}

static int set_from_argument(struct config *config, const char *text, char *problem) {
    const char *sign = strchr(text, '=');
    const struct option *option = NULL;

    if (sign != NULL)
        option = option_find(global_options, COUNT(global_options), text, (size_t)(sign - text));
    if (option == NULL) {
        /* what stands behind the sign may be a password for a misspelt option */
        snprintf(problem, CONFIG_PROBLEM, "-o %.*s: must be option=value", (int)strcspn(text, "="),
                 text);
        return EX_USAGE;
    }
    enum err err = option_set(option, config, sign + 1);
    if (err != ERR_OK)
        say_wrong(problem, "-o", option, sign + 1, err);
    return err == ERR_OK ? 0 : EX_USAGE;
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
    while (result == 0 && (letter = getopt(argc, argv, "f:l:w:c:o:nV")) != -1) {
        if (letter == 'f')
            *file = optarg;
        else if (letter == 'n')
            command->check = true;
        else if (letter == 'V')
            command->version = true;
        else if (letter == 'l' && config != NULL)
            set_text(&config->listen, optarg);
        else if (letter == 'w' && config != NULL)
            set_text(&config->websocket, optarg);
        else if (letter == 'c' && config != NULL)
            set_text(&config->class, optarg);
        else if (letter == 'o' && config != NULL)
            result = set_from_argument(config, optarg, problem);
        else if (letter == '?')
            result = EX_USAGE;
    }
    if (result == 0 && optind < argc)
        result = EX_USAGE;
    if (result == EX_USAGE && problem[0] == '\0')
        snprintf(problem, CONFIG_PROBLEM,
                 "usage: [-nV] [-f file] [-l address] [-w address] [-c class]"
                 " [-o option=value]");
    return result;
}

/* `websocket` was the name of `http`, when nothing but WebSockets was served there. */
static int take_old_name(struct config *config, char *problem) {
    if (config->http[0] == '\0')
        set_text(&config->http, config->websocket);
    if (config->websocket[0] == '\0' || strcmp(config->websocket, config->http) == 0)
        return 0;
    snprintf(problem, CONFIG_PROBLEM,
             "http = %.*s: websocket (-w) is the same option, and says %.*s", VALUE_TEXT,
             config->http, VALUE_TEXT, config->websocket);
    return EX_CONFIG;
}

int config_load(struct config *config, struct config_command *command, int argc, char **argv,
                char problem[CONFIG_PROBLEM]) {
    const char *file = NULL;

    memset(config, 0, sizeof *config);
    memset(command, 0, sizeof *command);
    problem[0] = '\0';
    set_defaults(global_options, COUNT(global_options), config);
    set_defaults(channel_options, COUNT(channel_options), &default_policy);
    int result = load_arguments(NULL, command, argc, argv, &file, problem);
    if (result == 0)
        result = load_file(config, file ? file : CONFIG_FILE, file != NULL, problem);
    if (result == 0)
        result = load_environment(config, problem);
    if (result == 0)
        result = load_arguments(config, command, argc, argv, &file, problem);
    if (result == 0 && config->timeout > config->max_wait) {
        snprintf(problem, CONFIG_PROBLEM, "timeout = %d: must not be over max_wait = %d",
                 config->timeout, config->max_wait);
        result = EX_CONFIG;
    }
    return result == 0 ? take_old_name(config, problem) : result;
}

void config_free(struct config *config) {
    for (size_t i = 0; i < config->channel_count; i++)
        free(config->channels[i].pattern);
    free(config->channels);
    free(config->redis);
    free(config->sentinel_password);
    free(config->redis_ca);
    free(config->redis_cert);
    free(config->redis_key);
    free(config->prefix);
    free(config->listen);
    free(config->http);
    free(config->websocket);
    free(config->trusted_proxies);
    free(config->class);
    free(config->mount);
    free(config->log);
    free(config->origins);
    memset(config, 0, sizeof *config);
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

void config_print(const struct config *config, FILE *out) {
    for (size_t i = 0; i < COUNT(global_options); i++)
        option_print(&global_options[i], config, out);
    for (size_t i = 0; i < config->channel_count; i++) {
        fprintf(out, "\n[channel %s]\n", config->channels[i].pattern);
        for (size_t k = 0; k < COUNT(channel_options); k++)
            option_print(&channel_options[k], &config->channels[i], out);
    }
}
