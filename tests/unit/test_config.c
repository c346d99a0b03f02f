/* core/config/config: what a file, the environment and the command line make of the
 * options. The files are in config/valid/ and config/invalid/ beside this one;
 * each of them must have a row here.
 */
#include "core/config/config.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/log.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

#define FILES "tests/unit/config/"

static struct config config;
static struct config_command command;
static char problem[CONFIG_PROBLEM];

/* Loads with these arguments, NULL behind the last; frees what was loaded before. */
static int load(const char *first, ...) {
    char *argv[16] = {keepf("unit")};
    int argc = 1;
    va_list args;

    va_start(args, first);
    for (const char *at = first; at != NULL; at = va_arg(args, const char *))
        argv[argc++] = keepf("%s", at);
    va_end(args);
    config_free(&config);
    int result = config_load(&config, &command, argc, argv, problem);
    ck_assert_msg((result == 0) == (problem[0] == '\0'), "%d: %s", result, problem);
    return result;
}

static int load_file(const char *name) {
    return load("-f", keepf(FILES "%s.conf", name), NULL);
}

static void must_load(const char *name) {
    ck_assert_msg(load_file(name) == 0, "%s: %s", name, problem);
}

static const char *printed(void) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    config_print(&config, out);
    fclose(out);
    return keep(text);
}

/* Loads a file of this text; keeps what was loaded in `config`. */
static int load_text(const char *text, size_t len) {
    const char *path = keepf("/tmp/halley-unit-%d.conf", (int)getpid());
    FILE *out = fopen(path, "w");

    ck_assert(out != NULL && fwrite(text, 1, len, out) == len && fclose(out) == 0);
    int result = load("-f", path, NULL);
    unlink(path);
    return result;
}

START_TEST(an_empty_file_leaves_the_defaults) {
    must_load("valid/empty");
    ck_assert_str_eq(config.redis, "redis://127.0.0.1:6379");
    ck_assert_str_eq(config.listen, "");
    ck_assert_str_eq(config.mount, "/comet");
    ck_assert_int_eq(config.status, STATUS_LOCAL);
    ck_assert_int_eq(config.listen_mode, 0660);
    ck_assert_int_eq(config.log_level, LOG_INFO);
    ck_assert_int_eq(config.timeout, 25);
    ck_assert_int_eq(config.max_wait, 55);
    ck_assert_int_eq(config.max_channels, 64);
    ck_assert_int_eq(config.processes, 1);
    ck_assert_int_eq(config.max_backlog, 256 * 1024);
    ck_assert_int_eq(config.keepalive, 15);
    ck_assert_int_eq(config.jsonp, 0);
    ck_assert_int_eq(config.tags, 0);
    ck_assert_int_eq(config.tracking, 1);
    ck_assert_int_eq(config.batch_scheduling, 1);
    ck_assert_int_eq(config.meta_ttl, 7 * 86400);
    ck_assert_int_eq(config.idempotency_ttl, 300);
    ck_assert_uint_eq(config.channel_count, 0);
    config_free(&config);
}
END_TEST

START_TEST(nobody_may_publish_from_the_web_by_default) {
    must_load("valid/empty");
    const struct channel_policy *policy = config_channel(&config, "chat", 4);
    ck_assert_int_eq(policy->publish.kinds, ACCESS_NONE);
    ck_assert_int_eq(policy->subscribe.kinds, ACCESS_ANYONE);
    ck_assert_int_eq(policy->publish_rate_count, 0);
    ck_assert_int_eq(policy->history, 1000);
    ck_assert_int_eq(policy->ttl, 3600);
    ck_assert_int_eq(policy->max_message, 65536);
    ck_assert_int_eq(policy->batch_ms, 0);
    config_free(&config);
}
END_TEST

START_TEST(a_file_sets_every_option) {
    must_load("valid/every-option");
    ck_assert_str_eq(config.redis, "unix:/run/redis/redis.sock");
    ck_assert_str_eq(config.prefix, "site-2");
    ck_assert_str_eq(config.listen, "unix:/run/halley/halley.sock");
    ck_assert_str_eq(config.feed, "unix:/run/halley/feed.sock");
    ck_assert_str_eq(config.mount, "/app/comet");
    ck_assert_int_eq(config.status, STATUS_NONE);
    ck_assert_str_eq(config.origins, "https://a.example *");
    ck_assert_int_eq(config.listen_mode, 0600);
    ck_assert_int_eq(config.log_level, LOG_DEBUG);
    ck_assert_str_eq(config.log, "/var/log/halley/halley.log");
    ck_assert_int_eq(config.timeout, 20);
    ck_assert_int_eq(config.max_wait, 40);
    ck_assert_int_eq(config.max_channels, 8);
    ck_assert_int_eq(config.max_waiters, 500);
    ck_assert_int_eq(config.share, 40);
    ck_assert_int_eq(config.threads, 150);
    ck_assert_int_eq(config.reserve, 50);
    ck_assert_str_eq(config.counts, "/run/halley");
    char *file = realpath("tests/unit/config/valid/every-option.conf", NULL);
    ck_assert_str_eq(config.file, file);
    free(file);
    ck_assert_int_eq(config.max_sessions, 40);
    ck_assert_int_eq(config.session_rate_count, 5);
    ck_assert_int_eq(config.session_rate_seconds, 60);
    ck_assert_int_eq(config.processes, 4);
    ck_assert_int_eq(config.linger, 0);
    ck_assert_int_eq(config.tail, 1);
    ck_assert_int_eq(config.max_backlog, 1024 * 1024);
    ck_assert_int_eq(config.keepalive, 5);
    ck_assert_int_eq(config.heartbeat, 7);
    ck_assert_int_eq(config.max_stream, 60);
    ck_assert_int_eq(config.jsonp, 1);
    ck_assert_int_eq(config.tags, 1);
    ck_assert_int_eq(config.tracking, 0);
    ck_assert_int_eq(config.batch_scheduling, 0);
    ck_assert_int_eq(config.request_timeout, 3);
    ck_assert_int_eq(config.redis_timeout, 2);
    ck_assert_int_eq(config.meta_ttl, 86400);
    ck_assert_int_eq(config.idempotency_ttl, 60);
    ck_assert_int_eq(config.retry, 500);
    ck_assert_int_eq(config.lease, 1000);
    ck_assert_uint_eq(config.key_count, 1);
    ck_assert_str_eq(config.keys[0].kid, "2026");
    ck_assert_int_eq(config.keys[0].algorithm, ALGORITHM_EDDSA);
    ck_assert_str_eq(config.keys[0].file, "/etc/halley/token.pem");
    ck_assert_uint_eq(config.service_count, 1);
    const struct service *service = &config.services[0];
    ck_assert_str_eq(service->path, "sockjs/a-b.c");
    ck_assert_str_eq(service->dialect, "sockjs");
    ck_assert_str_eq(service->protocol, "channel chat");
    ck_assert_int_eq(service->response_limit, 4096);
    ck_assert_int_eq(service->websocket, 0);
    ck_assert_int_eq(service->cookie_needed, 1);
    ck_assert_str_eq(service->sockjs_url, "https://a.example/sockjs.js");
    ck_assert_int_eq(service->connect_timeout, 1000);
    ck_assert_int_eq(service->style, STYLE_ECHO);
    ck_assert_int_eq(service->recovery, 0);
    ck_assert_ptr_null(config_namespace(&config, service, "/cha", 4));
    const struct name_space *space = config_namespace(&config, service, "/chat", 5);
    ck_assert_ptr_nonnull(space);
    ck_assert_str_eq(space->join, "news  offers");
    ck_assert_str_eq(space->may_join, "room.*");
    ck_assert_str_eq(space->publish, "said");
    const struct channel_policy *policy = config_channel(&config, "chat1", 5);
    ck_assert_int_eq(policy->subscribe.kinds, ACCESS_NONE);
    ck_assert_int_eq(policy->publish.kinds, ACCESS_ANYONE);
    ck_assert_int_eq(policy->publish_rate_count, 20);
    ck_assert_int_eq(policy->publish_rate_seconds, 10);
    ck_assert_int_eq(policy->history, 0);
    ck_assert_int_eq(policy->ttl, 1);
    ck_assert_int_eq(policy->max_message, 4096);
    ck_assert_int_eq(policy->batch_ms, 250);
    config_free(&config);
}
END_TEST

START_TEST(the_first_section_that_matches_holds_whole) {
    must_load("valid/order");
    ck_assert_int_eq(config_channel(&config, "chat-private", 12)->subscribe.kinds, ACCESS_NONE);
    ck_assert_int_eq(config_channel(&config, "chat-private", 12)->publish.kinds, ACCESS_NONE);
    ck_assert_int_eq(config_channel(&config, "chat-late", 9)->publish.kinds, ACCESS_ANYONE);
    ck_assert_int_eq(config_channel(&config, "chat-late", 9)->history, 1000);
    ck_assert_int_eq(config_channel(&config, "news", 4)->history, 5);
    config_free(&config);
}
END_TEST

START_TEST(a_channel_name_is_matched_by_its_length) {
    must_load("valid/order");
    ck_assert_int_eq(config_channel(&config, "chat-private-not", 12)->subscribe.kinds, ACCESS_NONE);
    config_free(&config);
}
END_TEST

START_TEST(files_are_read_as_people_write_them) {
    must_load("valid/comments");
    ck_assert_int_eq(config.timeout, 7);
    must_load("valid/crlf");
    ck_assert_int_eq(config.timeout, 9);
    ck_assert_int_eq(config_channel(&config, "a", 1)->history, 3);
    must_load("valid/case");
    ck_assert_int_eq(config.timeout, 11);
    ck_assert_int_eq(config.jsonp, 1);
    ck_assert_int_eq(config_channel(&config, "spaced out", 10)->publish.kinds, ACCESS_ANYONE);
    must_load("valid/section-again");
    ck_assert_uint_eq(config.channel_count, 2);
    ck_assert_int_eq(config_channel(&config, "a", 1)->ttl, 9);
    ck_assert_int_eq(config_channel(&config, "a", 1)->history, 1);
    config_free(&config);
}
END_TEST

START_TEST(what_others_publish_has_sections_of_its_own) {
    must_load("valid/ingest");
    ck_assert_uint_eq(config.ingest_count, 6);
    ck_assert_uint_eq(config.channel_count, 3);
    ck_assert_str_eq(config.ingests[0].name, "shop");
    ck_assert_str_eq(config.ingests[0].channel, "*");
    ck_assert_int_eq(config.ingests[1].format, INGEST_LARAVEL);
    ck_assert_str_eq(config.ingests[5].pattern, "cable\\:[a-z]*");
    ck_assert_int_eq(config.ingests[5].format, INGEST_RAW);
    config_free(&config);
}
END_TEST

/* Who may read it. */
static int readers(const char *channel) {
    return config_channel(&config, channel, strlen(channel))->subscribe.kinds;
}

START_TEST(laravels_private_channels_are_nobodys_until_a_section_says_who_may_read) {
    must_load("valid/ingest");
    ck_assert_int_eq(readers("private-orders"), ACCESS_NONE);
    ck_assert_int_eq(readers("presence-room"), ACCESS_NONE);
    ck_assert_int_eq(readers("other/private-orders"), ACCESS_NONE);
    ck_assert_int_eq(readers("private-open-1"), ACCESS_ANYONE);
    ck_assert_int_eq(readers("orders-1"), ACCESS_ANYONE);
    ck_assert_int_eq(readers("privateer"), ACCESS_ANYONE);
    ck_assert_int_eq(readers("elsewhere/private-orders"), ACCESS_ANYONE);
    const char *all = "[channel *]\nhistory = 7\n[ingest a]\npattern = l_*\nformat = laravel\n";
    ck_assert_int_eq(load_text(all, strlen(all)), 0);
    ck_assert_int_eq(readers("private-orders"), ACCESS_NONE);
    ck_assert_int_eq(config_channel(&config, "private-orders", 14)->history, 7);
    ck_assert_int_eq(readers("orders"), ACCESS_ANYONE);
    const char *said = keepf("[channel *]\nsubscribe = anyone\n%s", all);
    ck_assert_int_eq(load_text(said, strlen(said)), 0);
    ck_assert_int_eq(readers("private-orders"), ACCESS_ANYONE);
    const char *raw = "[ingest a]\npattern = l_*\n";
    ck_assert_int_eq(load_text(raw, strlen(raw)), 0);
    ck_assert_int_eq(readers("private-orders"), ACCESS_ANYONE);
    config_free(&config);
}
END_TEST

/* What must stand in the message about each invalid file, beside its name. */
static const struct wrong {
    const char *file, *says;
} wrongs[] = {{"log-word", "log = sylog: must be stderr, syslog or a file's whole path"},
              {"log-relative", "log = log/halley.log: must be stderr, syslog"},
              {"unknown-option", "no option is called colour"},
              {"unknown-channel-option", "no option is called timeout in a channel's section"},
              {"not-a-line", ":2: not a [section]"},
              {"section-kind", "[room a]: must be [channel PATTERN]"},
              {"section-empty", "must be [channel PATTERN]"},
              {"ingest-no-pattern", "[ingest a] pattern"},
              {"ingest-wild", "pattern = *: must be"},
              {"ingest-class-first", "pattern = [a-z]alley:x: must be"},
              {"ingest-own", "names of Halley"},
              {"ingest-own-escaped", "names of Halley"},
              {"ingest-own-live", "names of Halley"},
              {"ingest-own-prefix", "names of Halley"},
              {"ingest-keyspace", "names of Halley"},
              {"ingest-overlap", "can match what [ingest a] does"},
              {"ingest-twice", "there is a section of that name"},
              {"ingest-format", "format = redis: must be raw"},
              {"ingest-channel", "must be a channel's name"},
              {"ingest-channel-reserved", "must be a channel's name"},
              {"ingest-channel-empty", "must be a channel's name"},
              {"ingest-laravel-fixed", "laravel: *"},
              {"ingest-laravel-one", "laravel: *"},
              {"ingest-option", "no option is called history in a section of ingest"},
              {"ingest-nameless", "[ingest NAME]"},
              {"section-long", ":1: section [channel 01234"},
              {"section-open", ":1: not a [section]"},
              {"number-word", "timeout = soon: must be a whole number"},
              {"number-sign", "must be a whole number"},
              {"number-negative", "must be a whole number"},
              {"number-unit", "must be a whole number"},
              {"number-empty", "must be a whole number"},
              {"number-large", "timeout = 99999999999999999999: must be"},
              {"number-range", "max_channels = 1025: must be from 1 to 1024"},
              {"processes-range", "processes = 65: must be from 1 to 64"},
              {"number-zero", "must be from 1 to 1024"},
              {"number-suffix", "must be a whole number"},
              {"size-suffix", "must be a whole number of bytes, K or M"},
              {"size-small", "must be from 4096 to"},
              {"size-wraps", "must be from 4096 to"},
              {"octal-digit", "must be an octal file mode"},
              {"octal-range", "listen_mode = 1777: must be from 0 to 0777"},
              {"switch-word", "jsonp = maybe: must be on or off"},
              {"reserve-threads", "reserve = 50: must be below threads = 50"},
              {"level-word", "must be error, warning, info or debug"},
              {"access-token", "subscribe = token: needs a section [key KID]"},
              {"key-algorithm", "must be HS256, RS256, ES256 or EdDSA"},
              {"key-bare", "algorithm: must be said [key k]"},
              {"key-file", "must be a whole path [key k]"},
              {"access-ask", "publish = ask: needs the option authorize [channel a]"},
              {"authorize-remote", "authorize = http://127.example/: another machine needs"},
              {"authorize-user", "must be http://host[:port]/uri or unix:/path:/uri"},
              {"authorize-unix", "must be http://host[:port]/uri or unix:/path:/uri"},
              {"access-owner", "subscribe = owner: the pattern needs a *"},
              {"access-none", "must be none, or some of"},
              {"field-underscore", "letters, digits and hyphens"},
              {"variable-field", "does not begin with HTTP_"},
              {"access-word", "must be none, or some of anyone"},
              {"feed-host", "feed = tcp:7777: must be unix:/path or tcp:host:port"},
              {"feed-port", "feed = tcp:127.0.0.1:: must be unix:/path or tcp:host:port"},
              {"feed-range", "feed = tcp:127.0.0.1:65536: must be unix:/path or tcp:host:port"},
              {"feed-relative", "feed = unix:feed.sock: must be unix:/path or tcp:host:port"},
              {"feed-bare-six", "feed = tcp:::1:7777: must be unix:/path or tcp:host:port"},
              {"mount-relative", "mount = comet: must be a path like /comet"},
              {"mount-dots", "must be a path like /comet"},
              {"mount-empty-segment", "must be a path like /comet"},
              {"mount-encoded", "must be a path like /comet"},
              {"mount-nothing", "must be a path like /comet"},
              {"status-word", "must be local, anyone or none"},
              {"rate-half", "must be COUNT/SECONDS, or 0"},
              {"rate-zero", "publish_rate = 5/0: must be from 1"},
              {"rate-none", "publish_rate = 0/5: must be from 1"},
              {"rate-word", "must be COUNT/SECONDS, or 0"},
              {"rate-long", "must be COUNT/SECONDS, or 0"},
              {"prefix-colon", "prefix = a:b: must be 1 to 64 letters, digits, - and _"},
              {"prefix-dot", "prefix = a.live: must be 1 to 64"},
              {"prefix-star", "prefix = h*: must be 1 to 64"},
              {"prefix-empty", "prefix = : must be 1 to 64"},
              {"prefix-long", "must be 1 to 64 letters, digits, - and _"},
              {"redis-port", "redis = redis://u:***@host:***: must be redis:// or"},
              {"service-slash", "section [service /sockjs/a]: must be a path like sockjs/chat"},
              {"service-dots", "section [service sockjs/../a]: must be a path like sockjs/chat"},
              {"service-option", "no option is called timeout in a service's section"},
              {"service-limit", "response_limit = 0: must be from 1"},
              {"namespace-name", "[namespace socket.io chat]: must be the path of a service and"},
              {"namespace-comma", "[namespace socket.io /a,b]: must be the path of a service and"},
              {"namespace-service", "[namespace socket.io /a]: there is no [service] of that path"},
              {"namespace-join", "[namespace socket.io /a]: join: must be channels' names"},
              {"namespace-publish", "[namespace socket.io /a]: publish: must be a channel's name"},
              {"namespace-option", "no option is called subscribe in a namespace's section"},
              {"service-style", "style = short: must be plain or echo"},
              {"wait-below-timeout", "timeout = 30: must not be over max_wait = 20"}};

START_TEST(a_wrong_file_is_refused_with_what_is_allowed) {
    for (size_t i = 0; i < ROWS(wrongs); i++) {
        int result = load_file(keepf("invalid/%s", wrongs[i].file));
        ck_assert_msg(result == EX_CONFIG, "%s: %d %s", wrongs[i].file, result, problem);
        ck_assert_msg(strstr(problem, wrongs[i].says) != NULL, "%s says \"%s\" instead of \"%s\"",
                      wrongs[i].file, problem, wrongs[i].says);
        ck_assert_ptr_null(strchr(problem, '\n'));
    }
    config_free(&config);
}
END_TEST

static size_t files_in(const char *folder) {
    DIR *dir = opendir(folder);
    size_t count = 0;

    ck_assert_msg(dir != NULL, "%s", folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strstr(entry->d_name, ".conf") != NULL;
    closedir(dir);
    return count;
}

START_TEST(no_file_of_the_examples_is_forgotten) {
    ck_assert_uint_eq(files_in(FILES "invalid"), ROWS(wrongs));
    ck_assert_uint_eq(files_in(FILES "valid"), 9);
}
END_TEST

START_TEST(a_file_that_is_asked_for_must_be_there) {
    ck_assert_int_eq(load_file("valid/no-such-file"), EX_NOINPUT);
    ck_assert_ptr_nonnull(strstr(problem, "no-such-file.conf"));
}
END_TEST

START_TEST(the_shipped_file_is_valid_and_opens_nothing) {
    ck_assert_msg(load("-f", "deploy/halley.conf", NULL) == 0, "%s", problem);
    ck_assert_uint_eq(config.channel_count, 0);
    ck_assert_int_eq(config_channel(&config, "chat", 4)->publish.kinds, ACCESS_NONE);
    ck_assert_int_eq(config_channel(&config, "lab", 3)->publish.kinds, ACCESS_NONE);
    ck_assert_int_eq(config.jsonp, 0);
    config_free(&config);
}
END_TEST

START_TEST(the_demonstration_opens_what_its_pages_need) {
    ck_assert_msg(load("-f", "deploy/demo.conf", NULL) == 0, "%s", problem);
    ck_assert_int_eq(config_channel(&config, "chat", 4)->publish.kinds, ACCESS_ANYONE);
    ck_assert_int_eq(config_channel(&config, "lab", 3)->publish.kinds, ACCESS_ANYONE);
    ck_assert_int_eq(config_channel(&config, "news", 4)->publish.kinds, ACCESS_NONE);
    ck_assert_int_eq(config.jsonp, 1);
    config_free(&config);
}
END_TEST

START_TEST(the_shipped_file_names_every_option_with_its_default) {
    struct config defaults;
    char *argv[] = {keepf("unit"), keepf("-f"), keepf(FILES "valid/empty.conf"), NULL};
    ck_assert_int_eq(config_load(&defaults, &command, 3, argv, problem), 0);
    FILE *file = fopen("deploy/halley.conf", "r");
    FILE *out = fopen(keepf("/tmp/halley-unit-%d.conf", (int)getpid()), "w+");
    char line[512];

    ck_assert(file != NULL && out != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        size_t name = strspn(line + 1, "abcdefghijklmnopqrstuvwxyz_");
        if (line[0] == '#' && name > 0 && strncmp(line + 1 + name, " = ", 3) == 0)
            fputs(line + 1, out);
        else if (line[0] == '#' && name > 0 && strcmp(line + 1 + name, " =\n") == 0)
            fputs(line + 1, out);
    }
    fclose(file);
    rewind(out);
    config = defaults;
    const char *wanted = printed();
    size_t options = 0, named = 0;
    for (const char *at = wanted; (at = strchr(at, '\n')) != NULL; at++)
        options++;
    while (fgets(line, sizeof line, out) != NULL)
        named++;
    fclose(out);
    ck_assert_uint_eq(named, options);
    ck_assert_int_eq(load("-f", keepf("/tmp/halley-unit-%d.conf", (int)getpid()), NULL), 0);
    unlink(keepf("/tmp/halley-unit-%d.conf", (int)getpid()));
    ck_assert_str_eq(printed(), wanted);
    config_free(&config);
}
END_TEST

/* Whether a text of lines has one that begins so. */
static bool has_line(const char *text, const char *start) {
    for (const char *at = text; at != NULL && *at != '\0'; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, start, strlen(start)) == 0)
            return true;
    }
    return false;
}

/* The names that the manual has, one on a line, as ".It Cm name , name" gives them. */
static const char *in_the_manual(void) {
    FILE *file = fopen("deploy/halley.conf.5", "r");
    char line[512], *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, ".It Cm ", 7) != 0)
            continue;
        for (char *name = strtok(line + 7, " ,\n"); name != NULL; name = strtok(NULL, " ,\n"))
            fprintf(out, "%s = \n", name);
    }
    fclose(file);
    fclose(out);
    return keep(text);
}

/* Every line of one text begins a line of the other, up to its sign. */
static void must_be_named(const char *names, const char *text, const char *why) {
    for (const char *at = names; *at != '\0'; at = strchr(at, '\n') + 1) {
        size_t len = strcspn(at, "\n"), name = strcspn(at, "=\n");
        if (name < len)
            ck_assert_msg(has_line(text, keepf("%.*s= ", (int)name, at)), "%.*s%s", (int)name, at,
                          why);
    }
}

START_TEST(the_manual_has_exactly_the_options_that_there_are) {
    must_load("valid/every-option");
    must_be_named(printed(), in_the_manual(), "is missing in halley.conf.5");
    must_be_named(in_the_manual(), printed(), "is no option, says halley.conf.5");
    config_free(&config);
}
END_TEST

static char *letters(size_t count) {
    char *text = keep(malloc(count + 1));
    memset(text, 'x', count);
    text[count] = '\0';
    return text;
}

START_TEST(a_section_may_be_as_long_as_a_channels_name_and_no_longer) {
    const char *text = keepf("timeout = 5\n[channel %s]\nhistory = 7\n", letters(200));

    ck_assert_msg(load_text(text, strlen(text)) == 0, "%s", problem);
    ck_assert_int_eq(config_channel(&config, letters(200), 200)->history, 7);
    ck_assert_int_eq(config_channel(&config, letters(199), 199)->history, 1000);
    for (size_t len = 201; len < 300; len += 33) {
        text = keepf("timeout = 5\n[channel %s]\nhistory = 7\n", letters(len));
        ck_assert_int_eq(load_text(text, strlen(text)), EX_CONFIG);
        ck_assert_msg(strstr(problem, ".conf:2: section [channel xxx") != NULL &&
                          strstr(problem, "at most 200 bytes") != NULL,
                      "%s", problem);
    }
    config_free(&config);
}
END_TEST

START_TEST(a_line_may_have_4_kib_and_a_longer_one_is_named) {
    static const size_t rows[] = {199, 200, 201, 398, 4095, 4096};
    const char *text;

    for (size_t i = 0; i < ROWS(rows); i++) {
        text = keepf("origins = %s\r\ntimeout = 9\r\n", letters(rows[i] - 10));
        ck_assert_msg(load_text(text, strlen(text)) == 0, "%zu: %s", rows[i], problem);
        ck_assert_uint_eq(strlen(config.origins), rows[i] - 10);
        ck_assert_int_eq(config.timeout, 9);
    }
    text = keepf("timeout = 9\norigins = %s\n", letters(4097 - 10));
    ck_assert_int_eq(load_text(text, strlen(text)), EX_CONFIG);
    ck_assert_msg(strstr(problem, ".conf:2: a line has 4096 bytes at most") != NULL, "%s", problem);
    text = keepf("timeout = 9\n# %s\ncolour = red\n", letters(5000)); /* a comment too */
    ck_assert_int_eq(load_text(text, strlen(text)), EX_CONFIG);
    ck_assert_msg(strstr(problem, ".conf:2: a line has 4096") != NULL, "%s", problem);
    config_free(&config);
}
END_TEST

START_TEST(a_folder_is_no_file) {
    ck_assert_int_eq(load("-f", "/tmp", NULL), EX_NOINPUT);
    ck_assert_ptr_nonnull(strstr(problem, "/tmp: cannot be read"));
}
END_TEST

START_TEST(a_section_without_a_line_holds_with_the_defaults) {
    static const char text[] = "[channel secret]\n[channel *]\npublish = anyone\n";

    ck_assert_int_eq(load_text(text, sizeof text - 1), 0);
    ck_assert_int_eq(config_channel(&config, "secret", 6)->publish.kinds, ACCESS_NONE);
    ck_assert_int_eq(load_text("[room a]\n", 9), EX_CONFIG);
    config_free(&config);
}
END_TEST

START_TEST(the_root_is_a_mount) {
    ck_assert_int_eq(load("-f", FILES "valid/empty.conf", "-o", "mount=/", NULL), 0);
    ck_assert_str_eq(config.mount, "");
    ck_assert_ptr_nonnull(strstr(printed(), "\nmount = /\n"));
    config_free(&config);
}
END_TEST

START_TEST(the_environment_is_above_the_file_and_arguments_above_both) {
    setenv("HALLEY_TIMEOUT", "8", 1);
    setenv("HALLEY_MAX_BACKLOG", "8K", 1);
    ck_assert_int_eq(load("-f", FILES "valid/every-option.conf", "-o", "timeout=6", NULL), 0);
    ck_assert_int_eq(config.timeout, 6);
    ck_assert_int_eq(config.max_backlog, 8192);
    ck_assert_int_eq(config.max_wait, 40);
    config_free(&config);
}
END_TEST

START_TEST(a_wrong_value_in_the_environment_names_its_variable) {
    setenv("HALLEY_KEEPALIVE", "often", 1);
    ck_assert_int_eq(load("-f", FILES "valid/empty.conf", NULL), EX_CONFIG);
    ck_assert_ptr_nonnull(strstr(problem, "HALLEY_KEEPALIVE"));
    config_free(&config);
}
END_TEST

START_TEST(wrong_arguments_are_a_matter_of_usage) {
    static const char *const rows[][3] = {{"-x"},
                                          {"-f"},
                                          {"file"},
                                          {"-o"},
                                          {"-o", "timeout"},
                                          {"-o", "colour=red"},
                                          {"-o", "timeout=never"},
                                          {"-o", "history=5"},
                                          {"-o", "=5"}};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(load(rows[i][0], rows[i][1], rows[i][2], NULL) == EX_USAGE, "%s %s: %s",
                      rows[i][0], rows[i][1] ? rows[i][1] : "", problem);
    config_free(&config);
}
END_TEST

START_TEST(commands_are_told_beside_the_options) {
    ck_assert_int_eq(load("-n", "-f", FILES "valid/empty.conf", "-l", "unix:/x", NULL), 0);
    ck_assert(command.check);
    ck_assert(!command.version);
    ck_assert_str_eq(config.listen, "unix:/x");
    ck_assert_int_eq(load("-V", "-f", FILES "valid/empty.conf", NULL), 0);
    ck_assert(command.version);
    config_free(&config);
}
END_TEST

START_TEST(what_is_printed_can_be_read_back) {
    static const char *const files[] = {"valid/empty", "valid/every-option", "valid/order",
                                        "valid/ingest"};
    const char *path = keepf("/tmp/halley-unit-%d.conf", (int)getpid());

    for (size_t i = 0; i < ROWS(files); i++) {
        must_load(files[i]);
        const char *text = printed();
        FILE *out = fopen(path, "w");
        fputs(text, out);
        fclose(out);
        ck_assert_msg(load("-f", path, NULL) == 0, "%s: %s", files[i], problem);
        ck_assert_str_eq(printed(), text);
    }
    unlink(path);
    config_free(&config);
}
END_TEST

START_TEST(no_problem_and_no_list_shows_a_password) {
    static const char *const wrong = "redis://u:hunter2@host:x";
    static const char *const rows[][2] = {{"-o", "redis=redis://u:hunter2@host:x"},
                                          {"-o", "reddis=redis://u:hunter2@host"},
                                          {"-f", FILES "invalid/redis-port.conf"},
                                          {"-V", NULL}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        if (rows[i][1] == NULL)
            setenv("HALLEY_REDIS", wrong, 1);
        ck_assert_int_ne(load(rows[i][0], rows[i][1], NULL), 0);
        ck_assert_msg(strstr(problem, "hunter2") == NULL, "%s", problem);
    }
    setenv("HALLEY_REDIS", "redis://u:hunter%32@host", 1);
    must_load("valid/empty");
    ck_assert_ptr_nonnull(strstr(printed(), "redis = redis://u:***@host\n"));
    config_free(&config);
}
END_TEST

UNIT_MAIN("config", an_empty_file_leaves_the_defaults, nobody_may_publish_from_the_web_by_default,
          a_file_sets_every_option, the_first_section_that_matches_holds_whole,
          a_channel_name_is_matched_by_its_length, files_are_read_as_people_write_them,
          what_others_publish_has_sections_of_its_own,
          laravels_private_channels_are_nobodys_until_a_section_says_who_may_read,
          a_wrong_file_is_refused_with_what_is_allowed, no_file_of_the_examples_is_forgotten,
          a_file_that_is_asked_for_must_be_there, the_shipped_file_is_valid_and_opens_nothing,
          the_demonstration_opens_what_its_pages_need,
          the_shipped_file_names_every_option_with_its_default,
          the_manual_has_exactly_the_options_that_there_are,
          a_section_may_be_as_long_as_a_channels_name_and_no_longer,
          a_line_may_have_4_kib_and_a_longer_one_is_named, a_folder_is_no_file,
          a_section_without_a_line_holds_with_the_defaults, the_root_is_a_mount,
          the_environment_is_above_the_file_and_arguments_above_both,
          a_wrong_value_in_the_environment_names_its_variable,
          wrong_arguments_are_a_matter_of_usage, commands_are_told_beside_the_options,
          what_is_printed_can_be_read_back, no_problem_and_no_list_shows_a_password)
