/* The dearest legal inputs. Whatever somebody may send, to any endpoint, over the WebSocket
 * or to the functions in Redis, costs the loop of halley.fcgi under 5 ms and Redis under
 * 5 ms (10 where a single long message is moved), or is refused: else one visitor stops a
 * process, or Redis, for everybody.
 *
 * What the loop spends is the processor time of the process for the whole exchange, by the
 * kernel's account; what Redis spends is its own, SLOWLOG. Of some rounds the cheapest
 * counts, and where that is too dear there are more rounds: a machine that is busy with
 * other things makes many of them dear, but what is dear by itself is so in each. In these a
 * yardstick is laid beside it, a work that is always the same: a machine on which that takes
 * longer is slower, and the limits are longer by as much.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUNDS = 7,
    ROUNDS_MOST = 70, /* where the machine is busy */
    LIMIT_US = 5000,
    LIMIT_LONG_US = 10000, /* where a single message above 256 KiB is moved */
    QUIET_MS = 40,         /* after which nothing more is thought to come */
    YARD_US = 2500,        /* that the yardstick takes where the limits are meant literally */
    YARD_MESSAGES = 1000,
    YARD_LENGTH = 300,
    CHANNELS = 64,
    QUERY = 8192,
    FORM = 65536,
    NEVER_US = 1000000000
};

static struct lab lab;

static const char conf[] = "[channel long*]\npublish = anyone\nmax_message = 2M\n"
                           "[channel deep]\npublish = anyone\nhistory = 1000000\n"
                           "[channel holes]\nhistory = 1000000\n"
                           "[channel rated*]\npublish = anyone\npublish_rate = 1000000/10\n"
                           "[channel *]\npublish = anyone\n";

/* --- texts ----------------------------------------------------------------------------- */

static char *repeated(const char *part, size_t room) {
    size_t length = strlen(part), count = room / length;
    char *text = keep(malloc(count * length + 1));

    for (size_t i = 0; i < count; i++)
        memcpy(text + i * length, part, length);
    text[count * length] = '\0';
    return text;
}

/* "channel=full0&channel=full1..." of 64 channels that are called so. */
static char *channels_called(const char *name) {
    char *text = keepf("%s", "");

    for (int i = 0; i < CHANNELS; i++)
        text = keepf("%s%schannel=%s%d", text, i ? "&" : "", name, i);
    return text;
}

/* A name of 200 bytes, of which 64 fit a query. */
static char *long_name(int i) {
    return keepf("%0194d%06d", 0, i);
}

/* Parameters and a cursor for as many channels with long names as a form can hold. */
static char *long_cursor_form(void) {
    char *form = keep(malloc(FORM + 1)), *at = form;

    at += sprintf(at, "channel=%s", long_name(0));
    for (int i = 1; i < CHANNELS; i++)
        at += sprintf(at, "&channel=%s", long_name(i));
    at += sprintf(at, "&since=%s@1795219200000-1", long_name(0));
    for (int i = 1; at - form < FORM - 230; i++)
        at += sprintf(at, ",%s@1795219200000-1", long_name(i));
    return form;
}

/* A cursor of as many items as can be, none of a channel that is asked for. */
static char *items(size_t room) {
    char *text = keep(malloc(room + 32)), *at = text;

    for (int i = 0; at - text < (long)room - 16; i++)
        at += sprintf(at, "%sc%d@%d-1", i ? "," : "", i, 1 + i % 9);
    return text;
}

/* --- what is in Redis ------------------------------------------------------------------- */

/* Puts `count` messages of `length` bytes behind the first of a channel, all at once. */
static void fill(const char *channel, int count, int length) {
    store_add(&lab, channel, "0");
    store_do(&lab, "EVAL %s 1 %s %d %d",
             "local k, m = 'halley.history:{' .. KEYS[1] .. '}', 'halley.meta:{' .. KEYS[1] .. '}' "
             "local d, e = string.rep('x', ARGV[2]), redis.call('HGET', m, 'epoch') "
             "for i = 2, ARGV[1] do redis.call('XADD', k, e .. '-' .. i, 'at', '1795219200000', "
             "'data', d) end "
             "redis.call('HSET', m, 'n', ARGV[1], 'largest', ARGV[2])",
             channel, count, length);
}

static void fill_all(void) {
    for (int i = 0; i < CHANNELS; i++) {
        fill(keepf("full%d", i), 20, 60000);
        fill(keepf("small%d", i), 1000, 20);
    }
    fill("deep", 200000, 300);
    fill("holes", 100000, 300);
    fill("tiny", 100000, 1);
    const char *epoch = store_do(&lab, "HGET halley.meta:{holes} epoch")->str;
    store_do(&lab, "XDEL halley.history:{holes} %s-99000 %s-5", epoch, epoch);
    fill("yard", YARD_MESSAGES, YARD_LENGTH);
    fill("long", 20, 1048576);
    for (int i = 0; i < CHANNELS; i++)
        fill(keepf("big%d", i), 2, 1048576);
}

static void report_many(void) {
    for (int i = 0; i < 500; i++)
        store_do(&lab, "FCALL halley_report 1 halley.processes host:%d %s 3600", i,
                 keepf("{\"x\":\"%02000d\"}", i));
}

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "dearest");
    lab_conf(&lab, conf);
    lab_set(&lab, "STATUS", "anyone");
    lab_set(&lab, "JSONP", "on");
    lab_set(&lab, "TAGS", "on");
    lab_set(&lab, "MAX_BACKLOG", "1M");
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_app(&lab, 0);
    until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 200, "it does not serve");
    store_do(&lab, "CONFIG SET slowlog-max-len 10000");
    fill_all();
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- what it costs ------------------------------------------------------------------------ */

/* Processor time of the loop until now, in microseconds (proc(5), schedstat). */
static long loop_us(void) {
    unsigned long long ns = 0;
    FILE *file = fopen(keepf("/proc/%d/schedstat", (int)lab.app[0].pid), "r");

    must(file != NULL && fscanf(file, "%llu", &ns) == 1, "no schedstat");
    fclose(file);
    return (long)(ns / 1000);
}

/* A command that Redis carried out, by its first words: in each round it may be another one
 * that was interrupted. */
struct command {
    char words[120];
    long most;  /* of this round, in microseconds */
    long least; /* of all rounds */
    int rounds; /* that it was carried out in */
};

struct commands {
    struct command all[512];
    size_t count;
};

static struct command *command_of(struct commands *commands, const redisReply *words) {
    char text[sizeof commands->all[0].words] = "";
    size_t len = 0;

    for (size_t i = 0; i < words->elements && i < 5 && len < sizeof text - 1; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%.30s ", words->element[i]->str);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
            text[i] = '?';
    for (size_t i = 0; i < commands->count; i++)
        if (strcmp(commands->all[i].words, text) == 0)
            return &commands->all[i];
    if (commands->count == sizeof commands->all / sizeof *commands->all)
        return NULL;
    struct command *command = &commands->all[commands->count++];
    *command = (struct command){.least = NEVER_US};
    memcpy(command->words, text, sizeof text);
    return command;
}

/* Adds what Redis has carried out since this was asked last (SLOWLOG). */
static void take_commands(struct commands *commands) {
    const redisReply *log = store_do(&lab, "SLOWLOG GET 10000");

    for (size_t i = 0; i < log->elements; i++) {
        const redisReply *entry = log->element[i], *words = entry->element[3];
        bool own = strcasecmp(words->element[0]->str, "SLOWLOG") == 0 ||
                   strcasecmp(words->element[0]->str, "CONFIG") == 0;
        struct command *command = own ? NULL : command_of(commands, words);
        if (command && entry->element[2]->integer > command->most)
            command->most = (long)entry->element[2]->integer;
    }
    for (size_t i = 0; i < commands->count; i++) {
        struct command *command = &commands->all[i];
        command->rounds += command->most > 0;
        if (command->most > 0 && command->most < command->least)
            command->least = command->most;
        command->most = 0;
    }
    store_do(&lab, "SLOWLOG RESET");
}

/* The dearest of those that belong to the exchange: they came in most of the rounds. */
static struct command dearest(const struct commands *commands, int rounds) {
    struct command most = {0};

    for (size_t i = 0; i < commands->count; i++)
        if (commands->all[i].rounds > rounds / 2 && commands->all[i].least > most.least)
            most = commands->all[i];
    return most;
}

/* The yardstick: as many messages as a reader is given at most, handed to Lua and put together. */
static const char yard_work[] = "local all, text = redis.call('XRANGE', KEYS[1], '-', '+'), {} "
                                "for i = 1, #all do text[i] = all[i][1] .. all[i][2][4] end "
                                "return #table.concat(text)";

/* What the last call of a command cost Redis, of those that it carried out since SLOWLOG RESET. */
static long last_us(const char *command) {
    const redisReply *log = store_do(&lab, "SLOWLOG GET 10"); /* the latest first */

    for (size_t i = 0; i < log->elements; i++)
        if (strcasecmp(log->element[i]->element[3]->element[0]->str, command) == 0)
            return (long)log->element[i]->element[2]->integer;
    return 0;
}

/* A machine's pace: how long the yardstick took, at best, while something was tried. */
static void take_pace(long *least) {
    store_do(&lab, "EVAL %s 1 halley.history:{yard}", yard_work);
    long took = last_us("EVAL");
    *least = took < *least ? took : *least;
    store_do(&lab, "SLOWLOG RESET");
}

static long limit_at(long limit, long pace) {
    return pace > YARD_US ? limit * pace / YARD_US : limit;
}

/* Carries out `act` some times; fails where even the cheapest was too dear. */
static void must_be_cheap(const char *name, void (*act)(const void *what), const void *what,
                          bool single) {
    long limit = single ? LIMIT_LONG_US : LIMIT_US, loop = NEVER_US, pace = NEVER_US;
    static struct commands commands;
    struct command most;
    bool dear;
    int rounds = 0;

    commands.count = 0;
    store_do(&lab, "CONFIG SET slowlog-log-slower-than 0");
    store_do(&lab, "SLOWLOG RESET");
    do {
        long before = loop_us();
        act(what);
        pause_ms(2);
        long spent = loop_us() - before;
        loop = spent < loop ? spent : loop;
        take_commands(&commands);
        most = dearest(&commands, ++rounds);
        dear = loop >= limit || most.least >= limit;
        if (dear)
            take_pace(&pace);
    } while (rounds < ROUNDS || (rounds < ROUNDS_MOST && dear));
    store_do(&lab, "CONFIG SET slowlog-log-slower-than -1");
    limit = dear ? limit_at(limit, pace) : limit;
    printf("%-46s loop %5ld us, redis %5ld us  %s\n", name, loop, most.least, most.words);
    ck_assert_msg(loop < limit, "%s: %ld us of the loop, of %ld", name, loop, limit);
    ck_assert_msg(most.least < limit, "%s: %ld us of Redis, of %ld, %s", name, most.least, limit,
                  most.words);
}

/* --- requests ------------------------------------------------------------------------------ */

struct row {
    const char *name, *method, *uri;
    const char *body, *type; /* of a form, if there is no type */
    const char *header, *value;
    bool single; /* moves a single long message */
};

/* One exchange with the application: until it closes, or says nothing more. */
static void exchange(const void *what) {
    static const char form[] = "application/x-www-form-urlencoded";
    const struct row *row = what;
    struct bytes bytes = {0}, params = {0};
    const char *body = row->body ? row->body : "";
    char buffer[65536];
    bool begun = false;

    fcgi_params(&params,
                row->method ? row->method
                : row->body ? "POST"
                            : "GET",
                row->uri,
                row->type   ? row->type
                : row->body ? form
                            : NULL,
                strlen(body));
    if (row->header)
        fcgi_param(&params, row->header, row->value);
    fcgi_begin(&bytes, 1, 1);
    for (size_t at = 0; at < params.length; at += 32768)
        fcgi_record(&bytes, FCGI_PARAMS, 1, params.data + at,
                    params.length - at < 32768 ? params.length - at : 32768);
    fcgi_record(&bytes, FCGI_PARAMS, 1, NULL, 0);
    for (size_t at = 0, length = strlen(body); at < length; at += 32768)
        fcgi_record(&bytes, FCGI_STDIN, 1, body + at, length - at < 32768 ? length - at : 32768);
    fcgi_record(&bytes, FCGI_STDIN, 1, NULL, 0);
    int fd = wire_unix(lab.app_socket[0]);
    must(fd >= 0 && wire_send(fd, bytes.data, bytes.length), "%s is not taken", row->name);
    while (wire_stirs(fd, begun ? QUIET_MS : PATIENCE_MS) && read(fd, buffer, sizeof buffer) > 0)
        begun = true;
    must(begun, "%s has no answer", row->name);
    close(fd);
}

static void must_all_be_cheap(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        exchange(&rows[i]); /* what happens once only (a subscription, a refusal's log line) */
        must_be_cheap(rows[i].name, exchange, &rows[i], rows[i].single);
    }
}

#define PATH(name, query) keepf("/comet/" name "?%s", query)

START_TEST(reading_is_cheap) {
    const char *full = channels_called("full"), *small = channels_called("small");
    const char *nowhere = channels_called("nowhere");
    const struct row rows[] = {
        {"poll, 64 full channels from the start",
         .uri = PATH("poll", keepf("%s&since=start&limit=1000", full))},
        {"poll, 64 full channels, the last 1000000",
         .uri = PATH("poll", keepf("%s&since=-1000000&limit=1000", full))},
        {"poll, 64 full channels, the last 10",
         .uri = PATH("poll", keepf("%s&since=-10&limit=1000", full))},
        {"poll, 64 channels of small messages",
         .uri = PATH("poll", keepf("%s&since=start&limit=1000", small))},
        {"poll, 64 channels, the last small ones",
         .uri = PATH("poll", keepf("%s&since=-999&limit=1000", small))},
        {"poll, 1000 small messages", .uri = "/comet/poll?channel=small1&since=start&limit=1000"},
        {"poll, 64 channels that are not there", .uri = PATH("poll", nowhere)},
        {"wait, 64 channels that are not there",
         .uri = PATH("wait", keepf("%s&timeout=1", nowhere))},
        {"poll, a long history from its start",
         .uri = "/comet/poll?channel=deep&since=start&limit=1000"},
        {"poll, the last 1000000 of a long history",
         .uri = "/comet/poll?channel=deep&since=-1000000&limit=1000"},
        {"poll, the last 199999 of a long history",
         .uri = "/comet/poll?channel=deep&since=-199999&limit=1000"},
        {"poll, the last 1000 of a long history",
         .uri = "/comet/poll?channel=deep&since=-1000&limit=1000"},
        {"poll, the last 99990 where there are holes",
         .uri = "/comet/poll?channel=holes&since=-99990&limit=1000"},
        {"poll, the last 1000 where there are holes",
         .uri = "/comet/poll?channel=holes&since=-1000&limit=1000"},
        {"poll, long messages", .uri = "/comet/poll?channel=long&since=start", .single = true},
        {"poll, the last long messages", .uri = "/comet/poll?channel=long&since=-5",
         .single = true},
        {"poll, a long message of each of 64 channels",
         .uri = PATH("poll", keepf("%s&since=-1", channels_called("big"))), .single = true},
        {"wait, 64 full channels from the start",
         .uri = PATH("wait", keepf("%s&since=start&limit=1000", full))},
        {"jsonp, 64 full channels from the start",
         .uri = PATH("jsonp", keepf("%s&since=start&limit=1000&callback=a", full))},
        {"wait, 64 full channels and a tag",
         .uri = PATH("wait", keepf("%s&since=start&tag=me&limit=1000", full))},
    };

    must_all_be_cheap(rows, sizeof rows / sizeof *rows);
}
END_TEST

/* A stream sends one piece after the other, and the loop looks round between them: what is
 * measured here is all that a reader has when he has read for a moment. */
START_TEST(the_first_piece_of_a_stream_is_cheap) {
    static const char *const ways[] = {"events", "events?format=json", "stream", "multipart",
                                       "iframe?callback=a"};

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *to = keepf("/comet/%s%s", ways[i], strchr(ways[i], '?') ? "&" : "?");
        const struct row rows[] = {
            {keepf("%s, small messages", ways[i]),
             .uri = keepf("%schannel=small1&since=start&limit=1000", to)},
            {keepf("%s, 64 channels, their last", ways[i]),
             .uri = keepf("%s%s&since=-1", to, channels_called("small"))},
            {keepf("%s, 64 that are not there", ways[i]),
             .uri = keepf("%s%s", to, channels_called("nowhere"))},
        };
        must_all_be_cheap(rows, sizeof rows / sizeof *rows);
    }
}
END_TEST

START_TEST(parameters_are_cheap) {
    const char *escaped = repeated("%F0%9F%98%80", 200 * 3);
    const struct row rows[] = {
        {"2048 parameters", .uri = "/comet/poll",
         .body = keepf("channel=a&%s", repeated("x=1&", 2040 * 4))},
        {"2048 times one channel", .uri = "/comet/poll", .body = repeated("channel=a&", 2040 * 10)},
        {"more parameters than may be", .uri = "/comet/poll", .body = repeated("a&", FORM)},
        {"a form of nothing but separators", .uri = "/comet/poll", .body = repeated("&", FORM)},
        {"a form of escapes", .uri = "/comet/poll",
         .body = keepf("channel=a&x=%s", repeated("%41", FORM - 16))},
        {"a form of blanks", .uri = "/comet/poll",
         .body = keepf("channel=a&x=%s", repeated("+", FORM - 16))},
        {"a form above what may be", .uri = "/comet/poll",
         .body = repeated("channel=a&", 2 * FORM)},
        {"a query of escapes",
         .uri = PATH("poll", keepf("channel=a&x=%s", repeated("%41", QUERY - 20)))},
        {"a query above what may be", .uri = PATH("poll", repeated("channel=a&", 2 * QUERY))},
        {"64 names of 200 escaped bytes", .uri = "/comet/poll",
         .body = repeated(keepf("channel=%s&", escaped), 64 * 620)},
        {"names of bytes that are no UTF-8", .uri = "/comet/poll",
         .body = repeated(keepf("channel=%s&", repeated("%FF", 600)), FORM)},
        {"names that are too long", .uri = "/comet/poll",
         .body = keepf("channel=%s", repeated("a", FORM - 10))},
        {"a cursor of 64 long names and more", .uri = "/comet/poll", .body = long_cursor_form()},
        {"a cursor of as many items as can be", .uri = "/comet/poll",
         .body = keepf("channel=a&since=%s", items(FORM - 30))},
        {"a cursor of 2000 items", .uri = "/comet/poll",
         .body = keepf("channel=a&since=%s", items(16000))},
        {"the same in a query",
         .uri = PATH("poll", keepf("channel=a&since=%s", items(QUERY - 50)))},
        {"the same in Last-Event-ID", .uri = "/comet/poll?channel=a",
         .header = "HTTP_LAST_EVENT_ID", .value = items(FORM / 2)},
        {"a cursor that names one channel always", .uri = "/comet/poll",
         .body = keepf("channel=a&since=%s", repeated("a@1-1,", FORM - 30))},
        {"a cursor of escapes", .uri = "/comet/poll",
         .body = keepf("channel=a&since=%s@1-1", repeated("~20", FORM - 30))},
        {"numbers without end", .uri = "/comet/poll",
         .body = keepf("channel=a&since=-%s&limit=%s", repeated("9", FORM / 2 - 50),
                       repeated("9", FORM / 2 - 50))},
        {"a path without end", .uri = keepf("/comet/%s", repeated("../", QUERY - 50))},
        {"a callback without end",
         .uri = PATH("jsonp", keepf("channel=a&callback=%s", repeated("a.", QUERY - 60)))},
        {"a header without end", .uri = "/comet/poll?channel=a", .header = "HTTP_COOKIE",
         .value = repeated("a=b; ", FORM - 2048)},
    };

    must_all_be_cheap(rows, sizeof rows / sizeof *rows);
}
END_TEST

/* The same by each transport; none of these is one that a reader stands at. */
START_TEST(long_cursors_are_cheap_on_every_transport) {
    static const char *const ways[] = {
        "poll", "wait", "jsonp", "events", "events?format=json", "stream", "multipart", "iframe"};

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const char *to = keepf("/comet/%s%s%s&timeout=0", ways[i], strchr(ways[i], '?') ? "&" : "?",
                               "channel=a&callback=f");
        const struct row rows[] = {
            {keepf("%s, a cursor of a whole form", ways[i]), .uri = to,
             .body = keepf("since=%s", items(FORM - 30))},
            {keepf("%s, a cursor of 2000 items", ways[i]), .uri = to,
             .body = keepf("since=%s", items(16000))},
            {keepf("%s, a cursor of a whole query", ways[i]),
             .uri = keepf("%s&since=%s", to, items(QUERY - 100))},
            {keepf("%s, an escaped cursor of a whole query", ways[i]),
             .uri = keepf("%s&since=%s1-1", to, repeated("%61%40%31%2D%31%2C", QUERY - 100))},
            {keepf("%s, Last-Event-ID of 2000 items", ways[i]), .uri = to,
             .header = "HTTP_LAST_EVENT_ID", .value = items(16000)},
            {keepf("%s, Last-Event-ID of a whole header", ways[i]), .uri = to,
             .header = "HTTP_LAST_EVENT_ID", .value = items(FORM - 2048)},
        };
        must_all_be_cheap(rows, sizeof rows / sizeof *rows);
    }
}
END_TEST

START_TEST(publishing_is_cheap) {
    const struct row rows[] = {
        {"publish, 64 KiB of text", .uri = "/comet/publish?channel=a",
         .body = repeated("text ", 65535), .type = "text/plain"},
        {"publish, 64 KiB of JSON", .uri = "/comet/publish?channel=a",
         .body = keepf("[%s1]", repeated("1.5e3,", 65500)), .type = "application/json"},
        {"publish, deep JSON", .uri = "/comet/publish?channel=a",
         .body = keepf("%s%s", repeated("[", 2048), repeated("]", 2048)),
         .type = "application/json"},
        {"publish, JSON that is too deep", .uri = "/comet/publish?channel=a",
         .body = repeated("[", 65536), .type = "application/json"},
        {"publish, bytes that are no UTF-8", .uri = "/comet/publish?channel=a",
         .body = repeated("\xff\xfe", 65536), .type = "a/b"},
        {"publish, too long", .uri = "/comet/publish?channel=a", .body = repeated("x", 1000000),
         .type = "a/b"},
        {"publish, a single long message", .uri = "/comet/publish?channel=long-2",
         .body = repeated("x", 1048576), .type = "a/b", .single = true},
        {"publish, the longest key", .uri = "/comet/publish?channel=a", .body = "1", .type = "a/b",
         .header = "HTTP_IDEMPOTENCY_KEY", .value = repeated("k", 200)},
        {"publish, a key that is too long", .uri = "/comet/publish?channel=a", .body = "1",
         .type = "a/b", .header = "HTTP_IDEMPOTENCY_KEY", .value = repeated("k", 60000)},
        {"publish with a rate", .uri = "/comet/publish?channel=rated", .body = "1", .type = "a/b"},
        {"publish into a long history", .uri = "/comet/publish?channel=deep", .body = "1",
         .type = "a/b"},
        {"publish, a name of 200 bytes", .uri = PATH("publish", keepf("channel=%s", long_name(1))),
         .body = "1", .type = "a/b"},
        {"publish, a name that is no UTF-8",
         .uri = PATH("publish", keepf("channel=%s", repeated("%FF", 600))), .body = "1",
         .type = "a/b"},
    };

    must_all_be_cheap(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(what_operators_ask_is_cheap) {
    const struct row rows[] = {
        {"status of 500 processes", .uri = "/comet/status"},
        {"status of a tag", .uri = "/comet/status?tag=me"},
        {"status of a tag that is not there",
         .uri = PATH("status", keepf("tag=%s", repeated("t", 64)))},
        {"metrics", .uri = "/comet/metrics"},
        {"info", .uri = "/comet/info"},
        {"health", .uri = "/comet/health"},
    };

    report_many(); /* now: they are taken out when they are stale */
    must_all_be_cheap(rows, sizeof rows / sizeof *rows);
}
END_TEST

/* --- the WebSocket -----------------------------------------------------------------------------
 */

/* What is said on one socket, all at once, until it says nothing more. */
static void converse(const void *what) {
    const char *const *said = what;
    struct websock *socket = websock_on(wire_unix(lab.websocket), "/comet/ws?limit=1000", "");
    bool more = true;

    ck_assert_int_eq(websock_reach_status(socket), 101);
    for (; *said; said++)
        websock_say(socket, *said);
    while (more) {
        more = wire_stirs(socket->fd, QUIET_MS);
        websock_turn(socket, 0);
        while (websock_next(socket))
            continue;
        more = more && !socket->hung_up;
    }
    websock_close(socket);
}

/* Names as a JSON list: "a0", "a1", ... */
static char *names(const char *stem, int count) {
    char *list = keep(malloc((size_t)count * (strlen(stem) + 12) + 3)), *at = list;

    *at++ = '[';
    for (int i = 0; i < count; i++)
        at += sprintf(at, "%s\"%s%d\"", i ? "," : "", stem, i);
    memcpy(at, "]", 2);
    return list;
}

START_TEST(what_is_said_on_a_websocket_is_cheap) {
    const struct {
        const char *name;
        const char *said[4];
        bool single;
    } rows[] = {
        {"ws, 64 full channels, their last",
         {keepf("{\"subscribe\":%s,\"since\":\"-1\"}", names("full", 16))},
         true},
        {"ws, 64 that are not there",
         {keepf("{\"subscribe\":%s}", names("nowhere", CHANNELS))},
         false},
        {"ws, 64 in and out again",
         {keepf("{\"subscribe\":%s}", names("n", CHANNELS)),
          keepf("{\"unsubscribe\":%s}", names("n", CHANNELS))},
         false},
        {"ws, 2000 names", {keepf("{\"subscribe\":%s}", names("n", 2000))}, false},
        {"ws, 5000 names that are not there",
         {keepf("{\"unsubscribe\":%s}", names("n", 5000))},
         false},
        {"ws, 2000 names and a long cursor",
         {keepf("{\"subscribe\":%s,\"since\":\"%s\"}", names("n", 2000), items(40000))},
         false},
        {"ws, 64 names and a long cursor",
         {keepf("{\"subscribe\":%s,\"since\":\"%s\"}", names("n", CHANNELS), items(60000))},
         false},
        {"ws, a message of 64 KiB",
         {keepf("{\"publish\":{\"channel\":\"a\",\"data\":\"%s\"}}", repeated("x", 65500))},
         false},
        {"ws, JSON of 64 KiB",
         {keepf("{\"publish\":{\"channel\":\"a\",\"data\":[%s1]}}", repeated("1.5e3,", 65000))},
         false},
        {"ws, deep JSON",
         {keepf("{\"publish\":{\"channel\":\"a\",\"data\":%s%s}}", repeated("[", 2000),
                repeated("]", 2000))},
         false},
        {"ws, JSON that is too deep", {repeated("[", 80000)}, false},
        {"ws, members without end", {keepf("{%s\"a\":1}", repeated("\"b\":1,", 80000))}, false},
        {"ws, names of escapes",
         {keepf("{\"subscribe\":[%s\"a\"]}", repeated("\"\\u0061\\u0062\\u0063\",", 80000)),
          keepf("{\"unsubscribe\":[\"%s\"]}", repeated("\\ud83d\\ude00", 80000))},
         false},
        {"ws, lists of what is no name",
         {keepf("{\"subscribe\":[%s1]}", repeated("1e99,", 80000)),
          keepf("{\"unsubscribe\":[%s1]}", repeated("[],", 80000)),
          keepf("{\"subscribe\":%s%s}", repeated("[", 2000), repeated("]", 2000))},
         false},
        {"ws, a cursor of escapes",
         {keepf("{\"subscribe\":%s,\"since\":\"%s\"}", names("n", CHANNELS),
                repeated("a\\u00401-1\\u002c", 70000))},
         false},
        {"ws, data of escapes",
         {keepf("{\"publish\":{\"channel\":\"a\",\"data\":\"%s\"}}",
                repeated("\\ud83d\\ude00", 65000))},
         false},
        {"ws, long numbers",
         {keepf("{\"publish\":{\"channel\":\"a\",\"data\":%s}}", repeated("1234567890", 300)),
          keepf("{\"publish\":{\"channel\":\"a\",\"data\":[%s1e-300]}}",
                repeated("1.7976931348623157e308,", 65000))},
         false},
        {"ws, objects of one name",
         {keepf("{\"publish\":{\"channel\":\"a\",\"data\":{%s\"a\":1}}}",
                repeated("\"a\":1,", 65000)),
          keepf("{\"publish\":{%s\"channel\":\"a\",\"data\":1}}",
                repeated("\"channel\":\"b\",", 70000))},
         false},
        {"ws, a deep ref",
         {keepf("{\"publish\":{\"channel\":\"a\",\"data\":1},\"ref\":%s%s}", repeated("[", 2000),
                repeated("]", 2000))},
         false},
        {"ws, a long ref",
         {keepf("{\"publish\":{\"channel\":\"a\",\"data\":1},\"ref\":\"%s\"}",
                repeated("x", 80000))},
         false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        converse(rows[i].said);
        must_be_cheap(rows[i].name, converse, rows[i].said, rows[i].single);
    }
}
END_TEST

/* --- the functions in Redis ---------------------------------------------------------------------
 */

/* Each is called on a channel of its own that was just filled: what is dear may be so once. */
struct call {
    const char *words, *more;
    int messages, length;
};

static long call_us(const struct call *call, const char *channel) {
    store_do(&lab, "CONFIG SET slowlog-log-slower-than 0");
    store_do(&lab, "SLOWLOG RESET");
    (void)store_try(&lab, keepf("FCALL halley_publish 1 %s %s", channel, call->more));
    return last_us("FCALL");
}

START_TEST(functions_are_cheap) {
    static const struct call calls[] = {
        {"a history that is cut to nothing", "x HISTORY 0", 100000, 50},
        {"a history that is cut to ten", "x HISTORY 10", 100000, 50},
        {"a history that is cut to half", "x HISTORY 50000", 100000, 50},
        {"a history of long messages that is cut", "x HISTORY 1", 1000, 60000},
        {"a history that is to be as long as can be", "x HISTORY 1000000 TTL 315360000", 1000, 50},
        {"a key", "x IDEMPOTENCY key", 10, 50},
        {"an option that there is not", "x NOTHING 1", 10, 50},
    };

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        long least = NEVER_US, pace = NEVER_US;
        for (int round = 0; round < 3 || (round < 30 && least >= LIMIT_US); round++) {
            const char *channel = keep_fresh("call");
            fill(channel, calls[i].messages, calls[i].length);
            long took = call_us(&calls[i], channel);
            least = took < least ? took : least;
            if (least >= LIMIT_US)
                take_pace(&pace);
            store_do(&lab, "CONFIG SET slowlog-log-slower-than -1");
            store_do(&lab, "DEL halley.history:{%s}", channel);
        }
        printf("%-46s                redis %5ld us\n", calls[i].words, least);
        long limit = least >= LIMIT_US ? limit_at(LIMIT_US, pace) : LIMIT_US;
        ck_assert_msg(least < limit, "%s: %ld us, of %ld", calls[i].words, least, limit);
    }
}
END_TEST

/* What is called by hand, by whoever can reach Redis. */
static void call_by_hand(const void *what) {
    (void)store_try(&lab, what);
}

static void call_many_reports(void) {
    for (int i = 0; i < 520; i++)
        store_do(&lab, "FCALL halley_report 1 reports p%d %s 3600", i, repeated("x", 16000));
}

static void fill_tags(void) {
    for (int i = 0; i < 1024; i++)
        store_do(&lab, "FCALL halley_tally 2 tag:%d tags 3600 %d requests 1", i, i);
}

START_TEST(functions_called_by_hand_are_cheap) {
    const char *name = repeated("\xc3\xa9", 200), *mebi = repeated("x", 1048576);
    const struct {
        const char *name, *call;
        bool single;
    } rows[] = {
        {"read, all at once", "FCALL_RO halley_read 1 tiny start 1000000 1000000000", false},
        {"read, the last of all", "FCALL_RO halley_read 1 tiny -99999 1000000 1000000000", false},
        {"read, behind the first",
         keepf("FCALL_RO halley_read 1 tiny %s 1000000",
               store_do(&lab, "XRANGE halley.history:{tiny} - + COUNT 1")
                   ->element[0]
                   ->element[0]
                   ->str),
         false},
        {"read, the last where there are holes",
         "FCALL_RO halley_read 1 holes -99990 1000000 1000000000", false},
        {"read, an older epoch", "FCALL_RO halley_read 1 tiny 1-1 1000000", false},
        {"read, named", "FCALL_RO halley_read 1 long start 1000 1000 1", true},
        {"read, a name without end", keepf("FCALL_RO halley_read 1 %s start 1000", mebi), false},
        {"publish, the longest of all",
         keepf("FCALL halley_publish 1 %s %s IDEMPOTENCY %s HISTORY 1000000 TTL 315360000", name,
               repeated("x", 65536), repeated("k", 200)),
         false},
        {"publish, a name without end", keepf("FCALL halley_publish 1 %s x", mebi), false},
        {"publish, an option without end", keepf("FCALL halley_publish 1 a x %s 1", mebi), false},
        {"publish, a number without end",
         keepf("FCALL halley_publish 1 a x TTL %s", repeated("9", 1048576)), false},
        {"read, a number without end",
         keepf("FCALL_RO halley_read 1 a -%s 100", repeated("9", 1048576)), false},
        {"read, a position without end",
         keepf("FCALL_RO halley_read 1 a %s-1 100", repeated("9", 1048576)), false},
        {"publish, a key without end", keepf("FCALL halley_publish 1 a x IDEMPOTENCY %s", mebi),
         false},
        {"sequence without the lease",
         keepf("FCALL halley_sequence 2 a l o 0 1 1 %s 1 1 1 1 1 h g", mebi), false},
        {"tally of one more tag", "FCALL halley_tally 2 tag:more tags 3600 more requests 1", false},
        {"tally of a tag", "FCALL halley_tally 2 tag:1 tags 3600 1 requests 1", false},
        {"tally of fields without end",
         keepf("FCALL halley_tally 2 tag:1 tags 3600 1 %s", repeated("f 1 ", 400000)), false},
        {"report of one more",
         keepf("FCALL halley_report 1 reports more %s 3600", repeated("x", 16000)), false},
        {"report without end", keepf("FCALL halley_report 1 reports more %s 3600", mebi), false},
        {"reports", "FCALL halley_reports 1 reports 3600", false},
        {"health", "FCALL halley_health 1 halley.health:{x} halley", false},
    };

    call_many_reports();
    fill_tags();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_be_cheap(rows[i].name, call_by_hand, rows[i].call, rows[i].single);
}
END_TEST

/* --- many of them --------------------------------------------------------------------------------
 */

static long long figure(const char *name) {
    const struct answer *answer = fcgi_get(lab.app_socket[0], "/comet/status");
    return json_integer_value(json_object_get(answer->json, name));
}

static long most_kib(void) {
    char line[256];
    long kib = 0;
    FILE *file = fopen(keepf("/proc/%d/status", (int)lab.app[0].pid), "r");

    must(file != NULL, "no status");
    while (fgets(line, sizeof line, file))
        sscanf(line, "VmHWM: %ld kB", &kib); /* the most that it ever was */
    fclose(file);
    return kib;
}

/* From now on VmHWM is counted anew (proc(5), clear_refs). */
static void forget_most(void) {
    FILE *file = fopen(keepf("/proc/%d/clear_refs", (int)lab.app[0].pid), "w");

    must(file != NULL && fputs("5", file) >= 0 && fclose(file) == 0, "no clear_refs");
}

/* 64 MiB are due; the reader gets one message after the other, and so does the process. */
START_TEST(long_messages_of_many_channels_are_held_one_at_a_time) {
    enum { FOLLOWED = 5, ROOM_KIB = 32 * 1024 };
    const char *big = channels_called("big"), *cursor = "-1";
    forget_most();
    long before = most_kib();

    for (int i = 0; i < FOLLOWED; i++) {
        const struct answer *answer =
            fcgi_get(lab.app_socket[0], "/comet/poll?%s&since=%s", big, cursor);
        ck_assert_int_eq(answer->status, 200);
        const json_t *messages = json_object_get(answer->json, "messages");
        ck_assert_uint_eq(json_array_size(messages), 1);
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(messages, 0), "channel")),
                         keepf("big%d", i));
        ck_assert_ptr_null(json_object_get(answer->json, "gap"));
        cursor = keepf("%s", json_string_value(json_object_get(answer->json, "cursor")));
    }
    ck_assert_int_lt(most_kib() - before, ROOM_KIB);
}
END_TEST

/* More invented names than a process knows channels: whoever comes then is served as ever. */
START_TEST(names_that_are_only_polled_take_nobodys_room) {
    enum { POLLS = 1030 };
    long long channels = figure("channels");

    for (int i = 0; i < POLLS; i++) {
        const struct row row = {"poll", .uri = PATH("poll", channels_called(keepf("i%d-", i)))};
        exchange(&row);
    }
    ck_assert_int_le(figure("channels"), channels);
    const char *channel = keep_fresh("new"), *id = store_add(&lab, channel, "1");
    const struct answer *answer =
        fcgi_get(lab.app_socket[0], "/comet/wait?channel=%s&since=start", channel);
    ck_assert_int_eq(answer->status, 200);
    ck_assert_ptr_nonnull(strstr(answer->body, id));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dearest");
    TCase *dearest = e2e_case(suite, "dearest", setup, teardown);

    tcase_add_test(dearest, reading_is_cheap);
    tcase_add_test(dearest, the_first_piece_of_a_stream_is_cheap);
    tcase_add_test(dearest, parameters_are_cheap);
    tcase_add_test(dearest, long_cursors_are_cheap_on_every_transport);
    tcase_add_test(dearest, publishing_is_cheap);
    tcase_add_test(dearest, what_operators_ask_is_cheap);
    tcase_add_test(dearest, what_is_said_on_a_websocket_is_cheap);
    tcase_add_test(dearest, functions_are_cheap);
    tcase_add_test(dearest, functions_called_by_hand_are_cheap);
    tcase_add_test(dearest, long_messages_of_many_channels_are_held_one_at_a_time);
    tcase_add_test(dearest, names_that_are_only_polled_take_nobodys_room);
    return e2e_run(suite);
}
