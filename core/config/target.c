/*
 * Takes Redis addresses apart. main() checks the one of the configuration, so that
 * whoever connects later knows that it is sound.
 */
#include "core/config/target.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

enum {
    REDIS_PORT = 6379,
    SENTINEL_PORT = 26379,
    PORT_MAX = 65535,
    DB_MAX = 1 << 20,
    HOST_MAX = 255, /* RFC 1035 §2.3.4 */
    PATH_MAX_UNIX = sizeof((struct sockaddr_un *)0)->sun_path - 1
};

/* ----------------------------------------------------------------------- pieces */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The bytes from `from` to `to` with each %XX as what it stands for; never a NUL. */
static enum err decode(const char *from, const char *to, char **out) {
    char *text = mem_new((size_t)(to - from) + 1), *end = text;

    for (const char *at = from; at < to; at++) {
        char c = *at;
        if (c == '%') {
            int high = to - at > 2 ? hex_digit(at[1]) : -1;
            int low = high >= 0 ? hex_digit(at[2]) : -1;
            c = (char)(high * 16 + low);
            at += 2;
            if (low < 0 || c == '\0') {
                free(text);
                return ERR_SYNTAX;
            }
        }
        *end++ = c;
    }
    free(*out);
    *out = text;
    return ERR_OK;
}

static enum err take_number(const char *from, const char *to, int max, int *out) {
    long value = 0;

    if (from == to)
        return ERR_SYNTAX;
    for (; from < to; from++) {
        if (*from < '0' || *from > '9')
            return ERR_SYNTAX;
        value = value * 10 + (*from - '0');
        if (value > max)
            return ERR_RANGE;
    }
    *out = (int)value;
    return ERR_OK;
}

static const char *last_sign(const char *from, const char *to, char sign) {
    return from < to ? memrchr(from, sign, (size_t)(to - from)) : NULL;
}

/* [user]:password */
static enum err take_login(struct target *target, const char *from, const char *to) {
    const char *colon = memchr(from, ':', (size_t)(to - from));

    if (colon == NULL)
        return ERR_SYNTAX;
    enum err err = decode(from, colon, &target->user);
    return err == ERR_OK ? decode(colon + 1, to, &target->password) : err;
}

/* What a host's name, or number, may be made of; in brackets stands one of IPv6 (RFC 3986 §3.2.2).
 */
static bool is_host(const char *name, bool bracketed) {
    const char *more = bracketed ? ".-_:%" : ".-_";

    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr(more, *at) == NULL)
            return false;
    }
    return name[0] != '\0' && bracketed == (strchr(name, ':') != NULL);
}

static enum err take_host_name(struct target_host *host, const char *from, const char *to,
                               bool bracketed) {
    if (to - from > HOST_MAX)
        return ERR_RANGE;
    enum err err = decode(from, to, &host->name);
    return err == ERR_OK && !is_host(host->name, bracketed) ? ERR_SYNTAX : err;
}

/* host[:port], [IPv6][:port] */
static enum err take_host(struct target *target, const char *from, const char *to, int port) {
    const char *end = to, *colon = last_sign(from, to, ':');
    const char *bracket = last_sign(from, to, ']');

    if (target->host_count == TARGET_HOSTS_MAX)
        return ERR_RANGE;
    struct target_host *host = &target->hosts[target->host_count++];
    host->port = port;
    if (colon != NULL && (bracket == NULL || colon > bracket)) {
        enum err err = take_number(colon + 1, to, PORT_MAX, &host->port);
        if (err != ERR_OK)
            return err;
        end = colon;
    }
    if (host->port == 0)
        return ERR_RANGE;
    if (bracket == NULL)
        return take_host_name(host, from, end, false);
    if (*from != '[' || bracket + 1 != end)
        return ERR_SYNTAX;
    return take_host_name(host, from + 1, bracket, true);
}

/* ------------------------------------------------------------------------ kinds */

/* /db behind the hosts; `*end` is then in front of it. */
static enum err take_db(struct target *target, const char *from, const char **end) {
    const char *slash = from < *end ? memchr(from, '/', (size_t)(*end - from)) : NULL;
    char *text = NULL;

    if (slash == NULL)
        return ERR_OK;
    enum err err = decode(slash + 1, *end, &text);
    if (err == ERR_OK && text[0] != '\0')
        err = take_number(text, text + strlen(text), DB_MAX, &target->db);
    free(text);
    *end = slash;
    return err;
}

static enum err parse_tcp(const char *text, struct target *target) {
    const char *end = text + strlen(text), *sign = last_sign(text, end, '@');
    enum err err = ERR_OK;

    if (sign != NULL) {
        err = take_login(target, text, sign);
        text = sign + 1;
    }
    if (err == ERR_OK)
        err = take_db(target, text, &end);
    return err == ERR_OK ? take_host(target, text, end, REDIS_PORT) : err;
}

/* One NAME=VALUE of a unix address. */
static enum err take_setting(struct target *target, const char *from, const char *to) {
    const char *sign = memchr(from, '=', (size_t)(to - from));
    size_t name = sign != NULL ? (size_t)(sign - from) : 0;

    if (name == 8 && memcmp(from, "password", 8) == 0)
        return decode(sign + 1, to, &target->password);
    if (name == 4 && memcmp(from, "user", 4) == 0)
        return decode(sign + 1, to, &target->user);
    if (name == 2 && memcmp(from, "db", 2) == 0)
        return take_number(sign + 1, to, DB_MAX, &target->db);
    return ERR_SYNTAX;
}

static enum err parse_unix(const char *text, struct target *target) {
    const char *query = strchr(text, '?');
    const char *end = query != NULL ? query : text + strlen(text);

    target->kind = TARGET_UNIX;
    if (text[0] != '/')
        return ERR_SYNTAX;
    enum err err = decode(text, end, &target->path);
    while (err == ERR_OK && *end != '\0') {
        const char *from = end + 1;
        end = from + strcspn(from, "&");
        err = take_setting(target, from, end);
    }
    return err == ERR_OK && strlen(target->path) > PATH_MAX_UNIX ? ERR_RANGE : err;
}

/* What divides an address is no part of a name, unless it is encoded (RFC 3986 §2.2). */
static bool is_master_name(const char *from, const char *to) {
    for (const char *at = from; at < to; at++) {
        if (strchr(":/?#[]@", *at) != NULL)
            return false;
    }
    return from < to;
}

/* [login@]name@host,host/db: hosts hold no @, so the last one ends the name. */
static enum err parse_sentinel(const char *text, struct target *target) {
    const char *end = text + strlen(text), *name_end = last_sign(text, end, '@');
    enum err err = ERR_OK;

    target->kind = TARGET_SENTINEL;
    if (name_end == NULL)
        return ERR_SYNTAX;
    const char *login_end = last_sign(text, name_end, '@');
    if (login_end != NULL) {
        err = take_login(target, text, login_end);
        text = login_end + 1;
    }
    if (err == ERR_OK)
        err = is_master_name(text, name_end) ? decode(text, name_end, &target->master) : ERR_SYNTAX;
    const char *from = name_end + 1;
    if (err == ERR_OK)
        err = take_db(target, from, &end);
    while (err == ERR_OK) {
        const char *comma = memchr(from, ',', (size_t)(end - from));
        err = take_host(target, from, comma != NULL ? comma : end, SENTINEL_PORT);
        if (comma == NULL)
            break;
        from = comma + 1;
    }
    return err;
}

/* ------------------------------------------------------------------------ whole */

static const char *behind(const char *text, const char *scheme) {
    size_t len = strlen(scheme);
    return strncasecmp(text, scheme, len) == 0 ? text + len : NULL;
}

enum err target_parse(const char *text, struct target *target) {
    const char *rest;
    enum err err = ERR_SYNTAX;

    *target = (struct target){.user = mem_string(""), .password = mem_string("")};
    if (strlen(text) > TARGET_TEXT_MAX) {
        err = ERR_RANGE;
    } else if ((rest = behind(text, "unix://")) != NULL || (rest = behind(text, "unix:")) != NULL) {
        err = parse_unix(rest, target);
    } else if ((rest = behind(text, "redis://")) != NULL) {
        err = parse_tcp(rest, target);
    } else if ((rest = behind(text, "rediss://")) != NULL) {
        target->tls = true;
        err = parse_tcp(rest, target);
    } else if ((rest = behind(text, "sentinel://")) != NULL) {
        err = parse_sentinel(rest, target);
    }
    if (err != ERR_OK)
        target_free(target);
    return err;
}

void target_free(struct target *target) {
    for (size_t i = 0; i < TARGET_HOSTS_MAX; i++)
        free(target->hosts[i].name);
    free(target->path);
    free(target->master);
    free(target->user);
    free(target->password);
    *target = (struct target){0};
}

/* --------------------------------------------------------------------- masking */

/* Behind the scheme; where none is to be seen, the beginning. */
static const char *behind_scheme(const char *text) {
    const char *colon = strchr(text, ':'), *sign = strchr(text, '@');

    if (colon == NULL || (sign != NULL && sign < colon))
        return text;
    return strncmp(colon, "://", 3) == 0 ? colon + 3 : colon + 1;
}

/* The @ behind what may be a login; NULL where nothing may. */
static const char *login_end(const char *text, const char *rest) {
    const char *sign = strrchr(rest, '@');

    if (sign == NULL || (rest[0] == '/' && strncasecmp(text, "unix:", 5) == 0))
        return NULL;
    const char *before = last_sign(rest, sign, '@');
    if (strncasecmp(text, "sentinel:", 9) != 0)
        return sign;
    return before != NULL || memchr(rest, ':', (size_t)(sign - rest)) == NULL ? before : sign;
}

/* host:port,host:port/db: what stands in the place of a port and is none may be a password. */
static void mask_hosts(struct buf *out, const char *from, const char *to) {
    const char *colon = from, *end;

    for (; (colon = memchr(colon, ':', (size_t)(to - colon))) != NULL; colon = end) {
        colon++;
        end = colon + strspn(colon, "0123456789:.%]");
        if (end < to && *end != ',' && *end != '/') {
            buf_add(out, from, (size_t)(colon - from));
            buf_text(out, "***");
            return;
        }
    }
    buf_add(out, from, (size_t)(to - from));
}

/* ?name=value&name=value: a user and a database may be seen, and nothing else. */
static void mask_settings(struct buf *out, const char *from) {
    while (*from != '\0') {
        const char *end = from + 1 + strcspn(from + 1, "&");
        const char *sign = memchr(from, '=', (size_t)(end - from));
        bool open = strncmp(from + 1, "db=", 3) == 0 || strncmp(from + 1, "user=", 5) == 0;

        buf_add(out, from,
                open           ? (size_t)(end - from)
                : sign != NULL ? (size_t)(sign + 1 - from)
                               : 1);
        if (!open)
            buf_text(out, "***");
        from = end;
    }
}

char *target_masked(const char *text) {
    struct buf out = buf_make(3 * strlen(text) + 64);
    struct target target;
    bool sound = target_parse(text, &target) == ERR_OK;
    const char *rest = behind_scheme(text), *sign = login_end(text, rest);

    buf_add(&out, text, (size_t)(rest - text));
    if (sign != NULL) {
        const char *colon = memchr(rest, ':', (size_t)(sign - rest));
        buf_add(&out, rest, colon != NULL ? (size_t)(colon - rest) : 0);
        buf_text(&out, ":***");
        rest = sign;
    }
    const char *settings = rest + strcspn(rest, "?");
    if (sound)
        buf_add(&out, rest, (size_t)(settings - rest));
    else
        mask_hosts(&out, rest, settings);
    mask_settings(&out, settings);
    target_free(&target);
    char *masked = mem_copy(out.data != NULL ? out.data : "", out.len);
    buf_free(&out);
    return masked;
}
