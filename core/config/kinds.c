/*
 * Kinds of options: each has a row in the table below, with how a value is read, how it is
 * printed, and how people are told what it must be. To add one, add a value to enum kind and
 * a row here. Pure functions.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/config/_options.h"
#include "core/config/authority.h"
#include "core/config/networks.h"
#include "core/config/target.h"
#include "core/data/channel.h"
#include "core/data/glob.h"
#include "core/data/names.h"

struct kind_row {
    enum err (*set)(const struct option *option, void *field, const char *text);
    void (*print)(const void *field, FILE *out);
    const char *wanted;
    bool text; /* the field begins with a char * that belongs to the configuration */
};

/* ----------------------------------------------------------------------- numbers */

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

static enum err set_number(const struct option *option, void *field, const char *text) {
    return parse_number(text, 10, false, option, field);
}

/* -1: the program knows best. */
static enum err set_auto(const struct option *option, void *field, const char *text) {
    if (strcmp(text, "auto") != 0)
        return set_number(option, field, text);
    *(int *)field = -1;
    return ERR_OK;
}

static enum err set_size(const struct option *option, void *field, const char *text) {
    return parse_number(text, 10, true, option, field);
}

static enum err set_octal(const struct option *option, void *field, const char *text) {
    return parse_number(text, 8, false, option, field);
}

static void print_number(const void *field, FILE *out) {
    fprintf(out, "%d", *(const int *)field);
}

static void print_auto(const void *field, FILE *out) {
    if (*(const int *)field < 0)
        fprintf(out, "auto");
    else
        print_number(field, out);
}

static void print_octal(const void *field, FILE *out) {
    fprintf(out, "0%o", *(const unsigned *)field);
}

/* "N/SECONDS", or "0" for no limit: two numbers. */
static enum err set_rate(const struct option *option, void *field, const char *text) {
    char first[16];
    int *count = field;
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

static void print_rate(const void *field, FILE *out) {
    const int *count = field;

    if (count[0] == 0)
        fprintf(out, "0");
    else
        fprintf(out, "%d/%d", count[0], count[1]);
}

/* ------------------------------------------------------------------------- words */

/* The number of a word in a list that ends with NULL, in whatever case. */
static enum err parse_word(const char *text, const char *const *words, int *out) {
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

static enum err set_switch(const struct option *option, void *field, const char *text) {
    static const char *const words[] = {"off", "on", "no", "yes", "0", "1", "false", "true", NULL};
    int at = 0;
    enum err err = parse_word(text, words, &at);
    (void)option;
    if (err == ERR_OK)
        *(int *)field = at % 2; /* the words stand in pairs */
    return err;
}

static void print_switch(const void *field, FILE *out) {
    fprintf(out, "%s", *(const int *)field ? "on" : "off");
}

static enum err set_access(const struct option *option, void *field, const char *text) {
    struct access said;
    enum err err = access_parse(text, &said);

    (void)option;
    if (err == ERR_OK) {
        free(((struct access *)field)->list);
        *(struct access *)field = said;
    }
    return err;
}

static void print_access(const void *field, FILE *out) {
    access_print(field, out);
}

static const char *const algorithms[] = {
    [ALGORITHM_NONE] = "",       [ALGORITHM_HS256] = "HS256", [ALGORITHM_RS256] = "RS256",
    [ALGORITHM_ES256] = "ES256", [ALGORITHM_EDDSA] = "EdDSA", NULL};

static enum err set_algorithm(const struct option *option, void *field, const char *text) {
    (void)option;
    return parse_word(text, algorithms, field);
}

static void print_algorithm(const void *field, FILE *out) {
    fprintf(out, "%s", algorithms[*(const int *)field]);
}

static const char *const viewers[] = {
    [STATUS_NONE] = "none", [STATUS_ANYONE] = "anyone", [STATUS_LOCAL] = "local", NULL};

static enum err set_viewers(const struct option *option, void *field, const char *text) {
    (void)option;
    return parse_word(text, viewers, field);
}

static void print_viewers(const void *field, FILE *out) {
    fprintf(out, "%s", viewers[*(const int *)field]);
}

static enum err set_level(const struct option *option, void *field, const char *text) {
    enum log_level level;
    enum err err = log_level_parse(text, &level);
    (void)option;
    if (err == ERR_OK)
        *(int *)field = (int)level;
    return err;
}

static void print_level(const void *field, FILE *out) {
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    fprintf(out, "%s", levels[*(const int *)field]);
}

/* ------------------------------------------------------------------------- texts */

void option_set_text(char **field, const char *text) {
    free(*field);
    *field = mem_string(text);
}

static enum err set_text(const struct option *option, void *field, const char *text) {
    (void)option;
    option_set_text(field, text);
    return ERR_OK;
}

static void print_text(const void *field, FILE *out) {
    fprintf(out, "%s", *(char *const *)field);
}

static void print_secret(const void *field, FILE *out) {
    fprintf(out, "%s", **(char *const *)field != '\0' ? "***" : "");
}

static enum err set_redis(const struct option *option, void *field, const char *text) {
    struct target target;
    enum err err = target_parse(text, &target);

    target_free(&target);
    return err == ERR_OK ? set_text(option, field, text) : ERR_SYNTAX;
}

static void print_redis(const void *field, FILE *out) {
    char *masked = target_masked(*(char *const *)field);
    fprintf(out, "%s", masked);
    free(masked);
}

static enum err set_prefix(const struct option *option, void *field, const char *text) {
    return prefix_valid(text) ? set_text(option, field, text) : ERR_SYNTAX;
}

static enum err set_networks(const struct option *option, void *field, const char *text) {
    struct networks networks;
    enum err err = networks_parse(text, &networks);

    networks_free(&networks);
    return err == ERR_OK ? set_text(option, field, text) : err;
}

/* A variable that no field of a request can become; "" is none. */
static enum err set_variable(const struct option *option, void *field, const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    bool valid = strspn(text, letters) == strlen(text) && strlen(text) < 48 &&
                 strncasecmp(text, "HTTP_", 5) != 0;

    return valid ? set_text(option, field, text) : ERR_SYNTAX;
}

/* A header field's name. None with an underscore: servers that make it a hyphen, or the other way
 * round, would have a visitor write what they clear under the other name. */
static enum err set_field(const struct option *option, void *field, const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    bool valid = strspn(text, letters) == strlen(text) && strlen(text) < 48;

    return valid ? set_text(option, field, text) : ERR_SYNTAX;
}

/* host:port, where an IPv6 address stands in brackets; what the host is the system tells. */
static bool is_tcp_address(const char *text) {
    const char *colon = strrchr(text, ':');
    const char *port = colon == NULL ? "" : colon + 1;
    size_t digits = strspn(port, "0123456789"), host = colon == NULL ? 0 : (size_t)(colon - text);
    bool bracketed = host > 2 && text[0] == '[' && text[host - 1] == ']';

    return digits > 0 && digits <= 5 && port[digits] == '\0' && atoi(port) <= 65535 && host > 0 &&
           (bracketed ? strspn(text + 1, "0123456789abcdefABCDEF:.") == host - 2
                      : strcspn(text, "[]: \t/") == host);
}

/* Where something listens; "" is nowhere. */
static enum err set_address(const struct option *option, void *field, const char *text) {
    bool valid = text[0] == '\0' || strncmp(text, "unix:/", 6) == 0 ||
                 (strncmp(text, "tcp:", 4) == 0 && is_tcp_address(text + 4));

    return valid ? set_text(option, field, text) : ERR_SYNTAX;
}

/* Where the site is asked; "" is nowhere. */
static enum err set_authority(const struct option *option, void *field, const char *text) {
    struct authority authority = {.url = NULL};
    enum err err = text[0] != '\0' ? authority_parse(text, &authority) : ERR_OK;

    authority_free(&authority);
    return err == ERR_OK ? set_text(option, field, text) : err;
}

/* A pattern of Redis; "" is none yet. */
static enum err set_glob(const struct option *option, void *field, const char *text) {
    struct glob *glob = glob_new(text);
    bool good = strlen(text) <= GLOB_MAX && (text[0] == '\0' || glob_rooted(glob));

    glob_free(glob);
    return good ? set_text(option, field, text) : ERR_SYNTAX;
}

/* With a letter for each `*` it is the name of a channel that anybody may publish to. */
static enum err set_template(const struct option *option, void *field, const char *text) {
    char *name = mem_string(text);

    for (char *at = name; (at = strchr(at, '*')) != NULL;)
        *at = 'x';
    bool good = channel_valid(name, strlen(name)) && !channel_reserved(name, strlen(name));
    free(name);
    return good ? set_text(option, field, text) : ERR_SYNTAX;
}

static const char *const formats[] = {
    [INGEST_RAW] = "raw",           [INGEST_LARAVEL] = "laravel",
    [INGEST_SOCKETIO] = "socketio", [INGEST_JUGGERNAUT] = "juggernaut",
    [INGEST_CHANNELS] = "channels", NULL};

static enum err set_format(const struct option *option, void *field, const char *text) {
    (void)option;
    return parse_word(text, formats, field);
}

static void print_format(const void *field, FILE *out) {
    fprintf(out, "%s", formats[*(const int *)field]);
}

static const char *const styles[] = {"plain", "echo", NULL};

static enum err set_style(const struct option *option, void *field, const char *text) {
    (void)option;
    return parse_word(text, styles, field);
}

static void print_style(const void *field, FILE *out) {
    fprintf(out, "%s", styles[*(const int *)field]);
}

static enum err set_log(const struct option *option, void *field, const char *text) {
    return log_target_valid(text) ? set_text(option, field, text) : ERR_SYNTAX;
}

/* A path that has one spelling only; a slash at its end is taken off, so the root is "". */
static enum err set_mount(const struct option *option, void *field, const char *text) {
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
    enum err err = set_text(option, field, text);
    if (text[len - 1] == '/')
        (*(char **)field)[len - 1] = '\0';
    return err;
}

static void print_mount(const void *field, FILE *out) {
    const char *path = *(char *const *)field;
    fprintf(out, "%s", *path != '\0' ? path : "/");
}

/* --------------------------------------------------------------------- the table */

static const struct kind_row rows[] = {
    [TEXT] = {set_text, print_text, "text", true},
    [PREFIX] = {set_prefix, print_text, "1 to 64 letters, digits, - and _", true},
    [REDIS] = {set_redis, print_redis,
               "redis:// or rediss://[[user]:password@]host[:port][/db], "
               "unix:/path[?user=&password=&db=] or "
               "sentinel://[[user]:password@]name@host[:port],host[:port].../db",
               true},
    [SECRET] = {set_text, print_secret, "text", true},
    [NUMBER] = {set_number, print_number, "a whole number", false},
    [AUTO] = {set_auto, print_auto, "a whole number, or auto", false},
    [SIZE] = {set_size, print_number, "a whole number of bytes, K or M", false},
    [OCTAL] = {set_octal, print_octal, "an octal file mode", false},
    [SWITCH] = {set_switch, print_switch, "on or off", false},
    [LOG] = {set_log, print_text, "stderr, syslog or a file's whole path", true},
    [LEVEL] = {set_level, print_level, "error, warning, info or debug", false},
    [ACCESS] =
        {set_access, print_access,
         "none, or some of anyone, user, user NAME, group NAME, owner, token and ask, with commas "
         "between",
         true},
    [RATE] = {set_rate, print_rate, "COUNT/SECONDS, or 0", false},
    [MOUNT] = {set_mount, print_mount, "a path like /comet", true},
    [VIEWERS] = {set_viewers, print_viewers, "local, anyone or none", false},
    [ADDRESS] = {set_address, print_text, "unix:/path or tcp:host:port", true},
    [AUTHORITY] = {set_authority, print_text, "http://host[:port]/uri or unix:/path:/uri", true},
    [NETWORKS] = {set_networks, print_text,
                  "addresses and networks like 10.0.0.0/8, with blanks between", true},
    [ALGORITHM] = {set_algorithm, print_algorithm, "HS256, RS256, ES256 or EdDSA", false},
    [VARIABLE] = {set_variable, print_text,
                  "a CGI variable's name of at most 47 bytes that does not begin with HTTP_", true},
    [FIELD] = {set_field, print_text,
               "a header field's name of at most 47 letters, digits and hyphens", true},
    [GLOB] = {set_glob, print_text, "a pattern of at most 200 bytes that begins with none of * ? [",
              true},
    [FORMAT] = {set_format, print_format, "raw, laravel, socketio, juggernaut or channels", false},
    [STYLE] = {set_style, print_style, "plain or echo", false},
    [TEMPLATE] = {set_template, print_text,
                  "a channel's name, in which * stands for what was matched", true},
};

enum err option_set(const struct option *option, void *base, const char *text) {
    return rows[option->kind].set(option, (char *)base + option->offset, text);
}

void option_print(const struct option *option, const void *base, FILE *out) {
    fprintf(out, "%s = ", option->name);
    rows[option->kind].print((const char *)base + option->offset, out);
    fprintf(out, "\n");
}

void option_free(const struct option *option, void *base) {
    if (!rows[option->kind].text)
        return;
    char **field = (char **)((char *)base + option->offset);
    free(*field);
    *field = NULL;
}

/* A value as people may see it: without its passwords. Free it. */
static char *shown_value(const struct option *option, const char *value) {
    if (option->kind == SECRET)
        return mem_string(value[0] != '\0' ? "***" : "");
    return option->kind == REDIS ? target_masked(value) : mem_string(value);
}

void option_say_wrong(char problem[CONFIG_PROBLEM], const char *where, const struct option *option,
                      const char *value, enum err err) {
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
                 VALUE_TEXT, shown, rows[option->kind].wanted);
    free(shown);
}
