/*
 * The tables below are the whole truth about the options: name, kind, where the value
 * goes, default and range. To add one, add a field in config.h, a line here, and its
 * explanation in deploy/halley.conf and halley.conf(5). Filled once, in main(), before
 * anything else (load.c); the result never changes.
 */
#include "core/config/config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/config/_options.h"
#include "core/data/names.h"

#define OPTION(name, kind, fallback, min, max)                                                     \
    { #name, kind, offsetof(struct config, name), fallback, min, max }

static const struct option global_table[] = {
    OPTION(redis, REDIS, "redis://127.0.0.1:6379", 0, 0),
    OPTION(sentinel_password, SECRET, "", 0, 0),
    OPTION(redis_ca, TEXT, "", 0, 0),
    OPTION(redis_cert, TEXT, "", 0, 0),
    OPTION(redis_key, TEXT, "", 0, 0),
    OPTION(prefix, PREFIX, PREFIX_DEFAULT, 0, 0),
    OPTION(listen, TEXT, "", 0, 0),
    OPTION(http, TEXT, "", 0, 0),
    OPTION(websocket, TEXT, "", 0, 0),
    OPTION(feed, ADDRESS, "", 0, 0),
    OPTION(trusted_proxies, NETWORKS, "", 0, 0),
    OPTION(mount, MOUNT, "/comet", 0, 0),
    OPTION(origins, TEXT, "", 0, 0),
    OPTION(group_variable, VARIABLE, "", 0, 0),
    OPTION(user_header, FIELD, "", 0, 0),
    OPTION(group_header, FIELD, "", 0, 0),
    OPTION(token_audience, TEXT, "", 0, 0),
    OPTION(token_issuer, TEXT, "", 0, 0),
    OPTION(token_cookie, TEXT, "", 0, 0),
    OPTION(authorize, AUTHORITY, "", 0, 0),
    OPTION(authorize_timeout, NUMBER, "5", 1, 60),
    OPTION(authorize_remote, SWITCH, "off", 0, 1),
    OPTION(status, VIEWERS, "local", 0, 0),
    OPTION(class, TEXT, "", 0, 0),
    OPTION(listen_mode, OCTAL, "0660", 0, 0777),
    OPTION(log, LOG, "stderr", 0, 0),
    OPTION(log_level, LEVEL, "info", 0, 0),
    OPTION(timeout, NUMBER, "25", 0, 3600),
    OPTION(max_wait, NUMBER, "55", 0, 3600),
    OPTION(max_channels, NUMBER, "64", 1, 1024),
    OPTION(max_waiters, NUMBER, "10000", 1, 1000000),
    OPTION(share, NUMBER, "100", 1, 100),
    OPTION(threads, NUMBER, "0", 0, 1000000),
    OPTION(reserve, NUMBER, "32", 0, 1000000),
    OPTION(counts, TEXT, "/dev/shm", 0, 0),
    OPTION(max_waiters_address, NUMBER, "0", 0, 1000000),
    OPTION(max_waiters_user, NUMBER, "0", 0, 1000000),
    {"read_rate", RATE, offsetof(struct config, read_rate_count), "0", 1, 1000000},
    {"channel_rate", RATE, offsetof(struct config, channel_rate_count), "0", 1, 1000000},
    OPTION(tail_memory, SIZE, "256M", 0, 1 << 30),
    OPTION(max_sessions, NUMBER, "100000", 0, 10000000),
    {"session_rate", RATE, offsetof(struct config, session_rate_count), "0", 1, 1000000},
    OPTION(processes, NUMBER, "1", 1, PROCESSES_MAX),
    OPTION(linger, NUMBER, "60", 0, 86400),
    OPTION(tail, NUMBER, "100", 1, 100000),
    OPTION(max_backlog, SIZE, "256K", 4096, 1 << 30),
    OPTION(keepalive, NUMBER, "15", 1, 3600),
    OPTION(heartbeat, AUTO, "auto", 0, 60),
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

static const struct option channel_table[] = {
    OPTION(subscribe, ACCESS, "anyone", 0, 0),
    OPTION(publish, ACCESS, "none", 0, 0),
    OPTION(authorize, AUTHORITY, "", 0, 0),
    {"publish_rate", RATE, offsetof(struct channel_policy, publish_rate_count), "0", 1, 1000000},
    OPTION(history, NUMBER, "1000", 0, 1000000),
    OPTION(ttl, NUMBER, "3600", 1, 86400 * 3650),
    OPTION(max_message, SIZE, "64K", 1, 16 << 20),
    OPTION(batch_ms, NUMBER, "0", 0, 60000),
};

#undef OPTION
#define OPTION(name, kind, fallback, min, max)                                                     \
    { #name, kind, offsetof(struct service, name), fallback, min, max }

static const struct option service_table[] = {
    OPTION(dialect, TEXT, "", 0, 0),
    OPTION(protocol, TEXT, "halley", 0, 0),
    OPTION(response_limit, SIZE, "128K", 1, 1 << 30),
    OPTION(websocket, SWITCH, "on", 0, 1),
    OPTION(cookie_needed, SWITCH, "off", 0, 1),
    OPTION(sockjs_url, TEXT, "/sockjs.min.js", 0, 0),
    OPTION(ping_interval, NUMBER, "25000", 10, 3600000),
    OPTION(ping_timeout, NUMBER, "20000", 10, 3600000),
    OPTION(max_payload, SIZE, "1000000", 64, 16 << 20),
    OPTION(connect_timeout, NUMBER, "45000", 10, 3600000),
    OPTION(style, STYLE, "plain", 0, 0),
    OPTION(recovery, SWITCH, "on", 0, 1),
};

#undef OPTION
#define OPTION(name, kind, fallback, min, max)                                                     \
    { #name, kind, offsetof(struct name_space, name), fallback, min, max }

static const struct option namespace_table[] = {
    OPTION(join, TEXT, "", 0, 0),
    OPTION(may_join, TEXT, "", 0, 0),
    OPTION(publish, TEXT, "", 0, 0),
};

#undef OPTION
#define OPTION(name, kind, fallback, min, max)                                                     \
    { #name, kind, offsetof(struct ingest, name), fallback, min, max }

static const struct option ingest_table[] = {
    OPTION(pattern, GLOB, "", 0, 0),
    OPTION(format, FORMAT, "raw", 0, 0),
    OPTION(channel, TEMPLATE, "*", 0, 0),
};

#undef OPTION
#define OPTION(name, kind, fallback, min, max)                                                     \
    { #name, kind, offsetof(struct key, name), fallback, min, max }

static const struct option key_table[] = {
    OPTION(algorithm, ALGORITHM, "", 0, 0),
    OPTION(file, TEXT, "", 0, 0),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct options global_options = {global_table, COUNT(global_table)};
const struct options channel_options = {channel_table, COUNT(channel_table)};
const struct options service_options = {service_table, COUNT(service_table)};
const struct options namespace_options = {namespace_table, COUNT(namespace_table)};
const struct options ingest_options = {ingest_table, COUNT(ingest_table)};
const struct options key_options = {key_table, COUNT(key_table)};

const struct option *options_find(const struct options *options, const char *name, size_t len) {
    for (size_t i = 0; i < options->count; i++) {
        const struct option *option = &options->table[i];
        if (strlen(option->name) == len && strncasecmp(option->name, name, len) == 0)
            return option;
    }
    return NULL;
}

void options_set_defaults(const struct options *options, void *base) {
    for (size_t i = 0; i < options->count; i++) {
        if (option_set(&options->table[i], base, options->table[i].fallback) != ERR_OK)
            abort(); /* a default that its own table does not allow */
    }
}
