/* The command line of the load generator: what can be asked of it, and what of it
 * makes no sense together. Options are one table of long names; every value is
 * checked here, so that no mode has to.
 */
#include "tests/bench/load/options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char help[] =
    "load MODE [OPTION...]: drives a push server and prints one line of JSON.\n"
    "\n"
    "Modes\n"
    "  fanout     --messages times: publish, and take the time until the last waiter has it\n"
    "  rate       for --seconds: publish the next when all have the last; deliveries a second\n"
    "  fixed      for --seconds: publish --rate a second, come what may; latencies\n"
    "  latency    --rounds times: publish; from then to the last byte at one waiter.  With\n"
    "             halley-poll or --path alone: from a request to the answer\n"
    "  poll       for --seconds: --connections ask for the same URL again and again\n"
    "  hold       open all waiters, print \"ready\" on a line, stay until SIGTERM, the end of\n"
    "             standard input, --seconds if given, or --timeout\n"
    "  audience   the same; then --messages come, numbered from --base + 1, which another\n"
    "             process publishes: \"has NUMBER US\" tells when the last waiter had one, by\n"
    "             the clock that all processes share (CLOCK_MONOTONIC, microseconds)\n"
    "  fairness   one waiter's latency on a quiet channel: alone, and while messages go to\n"
    "             --waiters on a big one (Halley; publishing by Redis)\n"
    "  redis-raw  --rounds times: a bare PUBLISH to a bare SUBSCRIBE (--publish-redis)\n"
    "  selftest   checks the parsers and counters, prints what it checked\n"
    "\n"
    "Where to\n"
    "  --port P              HTTP on port P of --address\n"
    "  --address A           127.0.0.1; each address of the loopback has ports of its own\n"
    "  --unix PATH           HTTP on a unix socket\n"
    "  --fcgi unix:PATH      FastCGI straight to an application, a connection a request\n"
    "  --keep                with --fcgi: connections are used again\n"
    "\n"
    "Waiters\n"
    "  --proto NAME          halley-wait halley-poll halley-sse halley-ws nchan-poll nchan-sse\n"
    "                        nchan-ws plain-ws engineio sockjs-xhr sockjs-streaming bayeux php\n"
    "  --path PATH           in place of the protocol's own (/comet, /sub, /socket.io/, /sockjs,\n"
    "                        /bayeux, /wait); without --proto: exactly this URL\n"
    "  --channel NAME        bench\n"
    "  --waiters N           1000\n"
    "  --connections N       of poll; 64\n"
    "  --again WHEN          at-once: who long-polls asks again the instant it was served, inside\n"
    "                        the measured time; after-last: when all were served, outside of it\n"
    "\n"
    "Publishing\n"
    "  --publish-redis SOCKET        FCALL halley_publish 1 CHANNEL PAYLOAD\n"
    "  --publish-redis-plain SOCKET  PUBLISH halley:CHANNEL PAYLOAD\n"
    "  --publish-post PATH           POST PAYLOAD to this path of the same server\n"
    "  --size BYTES          of a payload; 100\n"
    "\n"
    "How much\n"
    "  --messages M          20\n"
    "  --warmup M            messages before the first that counts; 2\n"
    "  --rounds R            200\n"
    "  --seconds S           5\n"
    "  --rate R              messages a second; 100\n"
    "  --settle MS           before a message of fanout, latency and fairness, and before all\n"
    "                        measuring: nothing was received, and the watched processes were\n"
    "                        idle, for so long (3 s at most); 20\n"
    "  --timeout S           after that long it ends with exit code 1 and what it has; 60\n"
    "  --watch LABEL=PID[,PID...]  report these processes' CPU time as LABEL; may be repeated\n";

enum option_id {
    OPT_PORT = 256,
    OPT_ADDRESS,
    OPT_BASE,
    OPT_UNIX,
    OPT_FCGI,
    OPT_KEEP,
    OPT_PROTO,
    OPT_PATH,
    OPT_CHANNEL,
    OPT_WAITERS,
    OPT_CONNECTIONS,
    OPT_AGAIN,
    OPT_REDIS,
    OPT_REDIS_PLAIN,
    OPT_POST,
    OPT_SIZE,
    OPT_MESSAGES,
    OPT_WARMUP,
    OPT_ROUNDS,
    OPT_SECONDS,
    OPT_RATE,
    OPT_SETTLE,
    OPT_TIMEOUT,
    OPT_WATCH,
    OPT_HELP
};

static const struct option table[] = {
    {"port", required_argument, NULL, OPT_PORT},
    {"address", required_argument, NULL, OPT_ADDRESS},
    {"base", required_argument, NULL, OPT_BASE},
    {"unix", required_argument, NULL, OPT_UNIX},
    {"fcgi", required_argument, NULL, OPT_FCGI},
    {"keep", no_argument, NULL, OPT_KEEP},
    {"proto", required_argument, NULL, OPT_PROTO},
    {"path", required_argument, NULL, OPT_PATH},
    {"channel", required_argument, NULL, OPT_CHANNEL},
    {"waiters", required_argument, NULL, OPT_WAITERS},
    {"connections", required_argument, NULL, OPT_CONNECTIONS},
    {"again", required_argument, NULL, OPT_AGAIN},
    {"publish-redis", required_argument, NULL, OPT_REDIS},
    {"publish-redis-plain", required_argument, NULL, OPT_REDIS_PLAIN},
    {"publish-post", required_argument, NULL, OPT_POST},
    {"size", required_argument, NULL, OPT_SIZE},
    {"messages", required_argument, NULL, OPT_MESSAGES},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"rate", required_argument, NULL, OPT_RATE},
    {"settle", required_argument, NULL, OPT_SETTLE},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"watch", required_argument, NULL, OPT_WATCH},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0}};

static const char *const modes[] = {
    [MODE_FANOUT] = "fanout",     [MODE_RATE] = "rate",         [MODE_FIXED] = "fixed",
    [MODE_LATENCY] = "latency",   [MODE_POLL] = "poll",         [MODE_HOLD] = "hold",
    [MODE_FAIRNESS] = "fairness", [MODE_AUDIENCE] = "audience", [MODE_REDIS_RAW] = "redis-raw",
    [MODE_SELFTEST] = "selftest"};

__attribute__((format(printf, 1, 2), noreturn)) static void wrong(const char *format, ...) {
    va_list args;

    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputs(" (load --help)\n", stderr);
    va_end(args);
    exit(EX_USAGE);
}

static double number(const char *text, double low, double high) {
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !(value >= low && value <= high))
        wrong("%s is no number from %g to %g", text, low, high);
    return value;
}

static size_t count(const char *text, double low, double high) {
    return (size_t)number(text, low, high);
}

static void read_watch(struct options *options, const char *text) {
    struct watched *watched = &options->watched[options->watched_count++];
    const char *at = strchr(text, '=');

    if (options->watched_count > WATCHED_MAX)
        wrong("more than %d times --watch", WATCHED_MAX);
    if (!at || at == text || (size_t)(at - text) >= sizeof watched->label)
        wrong("--watch %s is not LABEL=PID[,PID...]", text);
    memcpy(watched->label, text, (size_t)(at - text));
    do {
        char *end;
        long pid = strtol(at + 1, &end, 10);

        if (pid <= 0 || (*end && *end != ',') || watched->count == WATCHED_PIDS)
            wrong("--watch %s is not LABEL=PID[,PID...]", text);
        watched->pids[watched->count++] = (pid_t)pid;
        at = end;
    } while (*at);
}

static void publish_by(struct options *options, enum publish publish, const char *to) {
    if (options->publish != PUBLISH_NOT)
        wrong("more than one way to publish");
    options->publish = publish;
    options->publish_to = to;
}

static bool after_last(const char *text) {
    if (strcmp(text, "after-last") != 0 && strcmp(text, "at-once") != 0)
        wrong("--again %s is neither at-once nor after-last", text);
    return strcmp(text, "after-last") == 0;
}

static uint32_t address(const char *text) {
    struct in_addr address;

    if (inet_pton(AF_INET, text, &address) != 1)
        wrong("--address %s is no IPv4 address", text);
    return ntohl(address.s_addr);
}

static const char *unix_path(const char *text) {
    if (strncmp(text, "unix:", 5) != 0)
        wrong("--fcgi %s is not unix:PATH", text);
    return text + 5;
}

static void take_amount(struct options *options, int id, const char *value) {
    switch (id) {
    case OPT_WAITERS:
        options->waiters = count(value, 1, 19000);
        break;
    case OPT_CONNECTIONS:
        options->connections = count(value, 1, 19000);
        break;
    case OPT_SIZE:
        options->size = count(value, 48, 1 << 20);
        break;
    case OPT_BASE:
        options->base = (uint64_t)number(value, 1, 9e15);
        break;
    case OPT_MESSAGES:
        options->messages = count(value, 1, 100000);
        break;
    case OPT_WARMUP:
        options->warmup = count(value, 0, 1000);
        break;
    case OPT_ROUNDS:
        options->rounds = count(value, 1, 1000000);
        break;
    case OPT_SECONDS:
        options->seconds = number(value, 0, 86400);
        break;
    case OPT_RATE:
        options->rate = number(value, 0.1, 1000000);
        break;
    case OPT_SETTLE:
        options->settle_ms = (int)number(value, 1, 3000);
        break;
    case OPT_TIMEOUT:
        options->timeout = number(value, 0.1, 86400);
        break;
    default:
        exit(EX_USAGE); /* getopt_long has said why */
    }
}

static void take(struct options *options, int id, const char *value) {
    switch (id) {
    case OPT_PORT:
        options->port = (int)number(value, 1, 65535);
        break;
    case OPT_ADDRESS:
        options->address = address(value);
        break;
    case OPT_UNIX:
        options->unix_web = value;
        break;
    case OPT_FCGI:
        options->fcgi = unix_path(value);
        break;
    case OPT_KEEP:
        options->keep = true;
        break;
    case OPT_PROTO:
        options->proto = value;
        break;
    case OPT_PATH:
        options->path = value;
        break;
    case OPT_CHANNEL:
        options->channel = value;
        break;
    case OPT_AGAIN:
        options->after_last = after_last(value);
        break;
    case OPT_REDIS:
        publish_by(options, PUBLISH_FCALL, value);
        break;
    case OPT_REDIS_PLAIN:
        publish_by(options, PUBLISH_PLAIN, value);
        break;
    case OPT_POST:
        publish_by(options, PUBLISH_POST, value);
        break;
    case OPT_WATCH:
        read_watch(options, value);
        break;
    case OPT_HELP:
        fputs(help, stdout);
        exit(0);
    default:
        take_amount(options, id, value);
    }
}

static void check(const struct options *options) {
    int targets = (options->port != 0) + (options->unix_web != NULL) + (options->fcgi != NULL);
    bool asks = options->mode == MODE_POLL ||
                (options->mode == MODE_LATENCY &&
                 (!options->proto || strcmp(options->proto, "halley-poll") == 0));
    bool publishes = !asks && options->mode != MODE_HOLD && options->mode != MODE_AUDIENCE;
    bool by_redis = options->publish == PUBLISH_FCALL || options->publish == PUBLISH_PLAIN;

    if (options->mode == MODE_SELFTEST)
        return;
    if (options->mode == MODE_REDIS_RAW) {
        if (!by_redis)
            wrong("redis-raw needs --publish-redis SOCKET");
        return;
    }
    if (options->mode == MODE_FAIRNESS && !by_redis)
        wrong("fairness needs --publish-redis SOCKET");
    if (targets != 1)
        wrong("one of --port, --unix and --fcgi is needed");
    if (!options->proto && !(asks && options->path))
        wrong("--proto is needed");
    if (publishes && options->publish == PUBLISH_NOT)
        wrong("%s needs a way to publish", options->mode_name);
}

void options_read(struct options *options, int argc, char **argv) {
    size_t mode = 0, known = sizeof modes / sizeof modes[0];
    int id;

    *options = (struct options){.channel = "bench",
                                .address = INADDR_LOOPBACK,
                                .waiters = 1000,
                                .connections = 64,
                                .size = 100,
                                .messages = 20,
                                .warmup = 2,
                                .rounds = 200,
                                .seconds = -1,
                                .rate = 100,
                                .settle_ms = 20,
                                .timeout = 60};
    while ((id = getopt_long(argc, argv, "", table, NULL)) != -1)
        take(options, id, optarg);
    if (optind != argc - 1)
        wrong("one mode is needed");
    while (mode < known && strcmp(modes[mode], argv[optind]) != 0)
        mode++;
    if (mode == known)
        wrong("there is no mode %s", argv[optind]);
    options->mode = (enum mode)mode;
    options->mode_name = modes[mode];
    if (options->seconds < 0)
        options->seconds = options->mode == MODE_HOLD ? 0 : 5;
    check(options);
}
