/* Starts a Redis for one test. The function library is tested as the programs load
 * it: from the bytes that are embedded in them.
 */
#include "tests/unit/server.h"

#include <check.h>
#include <dirent.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "tests/lib/keep.h"
#include "tests/lib/proc.h"

extern const char halley_lua[];
extern const size_t halley_lua_len;
extern const char session_lua[];
extern const size_t session_lua_len;

static struct {
    struct proc proc;
    pid_t owner;
    const char *folder, *socket, *append_only;
    redisContext *commands, *subscriber;
} server;

/* Redis writes flat files, and the folder of the append-only file. */
static void remove_folder(const char *path) {
    DIR *folder = opendir(path);

    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *inner = keepf("%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.')
            continue;
        if (unlink(inner) != 0)
            remove_folder(inner);
    }
    if (folder != NULL)
        closedir(folder);
    rmdir(path);
}

static void at_the_end(void) {
    if (getpid() != server.owner)
        return;
    if (server.commands != NULL)
        redisFree(server.commands);
    if (server.subscriber != NULL)
        redisFree(server.subscriber);
    proc_kill(&server.proc);
    remove_folder(server.folder);
}

static bool answers(void) {
    server.commands = redisConnectUnix(server.socket);
    if (server.commands != NULL && server.commands->err == 0 && strcmp(ask("PING"), "PONG") == 0)
        return true;
    redisFree(server.commands);
    server.commands = NULL;
    return false;
}

static void load_functions(void) {
    const char *const load[] = {"FUNCTION", "LOAD", "REPLACE", halley_lua};
    const size_t lens[] = {8, 4, 7, halley_lua_len};
    const char *const more[] = {"FUNCTION", "LOAD", "REPLACE", session_lua};
    const size_t more_lens[] = {8, 4, 7, session_lua_len};
    ck_assert_str_eq(ask_bytes(4, load, lens), "halley");
    ck_assert_str_eq(ask_bytes(4, more, more_lens), "halley_session");
}

const char *server_socket(void) {
    return server.socket;
}

void server_flush_functions(void) {
    ck_assert_str_eq(ask("FUNCTION FLUSH"), "OK");
    load_functions();
}

void server_promote(void) {
    ck_assert_str_eq(ask("REPLICAOF 127.0.0.1 1"), "OK");
    ck_assert_str_eq(ask("REPLICAOF NO ONE"), "OK");
    pause_ms(150); /* the functions look no more often */
}

static void start(void) {
    const char *const argv[] = {
        "redis-server", "--port", "0", "--unixsocket", server.socket,      "--dir",
        server.folder,  "--save", "",  "--appendonly", server.append_only, "--appendfsync",
        "always",       NULL};

    proc_start(&server.proc, "redis-server", keepf("%s/log", server.folder), -1, argv, environ);
    until(answers(), "redis-server does not answer: is it installed?");
    load_functions();
}

void server_start(bool append_only) {
    char *folder = keepf("/tmp/halley-unit.XXXXXX");

    ck_assert_ptr_nonnull(mkdtemp(folder));
    server.folder = folder;
    server.socket = keepf("%s/redis.sock", folder);
    server.append_only = append_only ? "yes" : "no";
    server.owner = getpid();
    atexit(at_the_end);
    start();
}

void server_kill_and_start(void) {
    redisFree(server.commands);
    server.commands = NULL;
    proc_stop(&server.proc, SIGKILL);
    start();
}

void server_clock(uint64_t at) {
    static const char asks[] = "redis.call('TIME')";
    static const char reads[] = "redis.call('LRANGE', 'fake.time', 0, -1)";
    const char *place = strstr(halley_lua, asks);

    ck_assert_ptr_nonnull(place);
    const char *text =
        keepf("%.*s%s%s", (int)(place - halley_lua), halley_lua, reads, place + strlen(asks));
    const char *const load[] = {"FUNCTION", "LOAD", "REPLACE", text};
    const size_t lens[] = {8, 4, 7, strlen(text)};
    if (strcmp(ask("EXISTS fake.time"), "0") == 0)
        ck_assert_str_eq(ask_bytes(4, load, lens), "halley");
    ask("DEL fake.time");
    must_ask("RPUSH fake.time %llu %llu", (unsigned long long)at / 1000,
             (unsigned long long)at % 1000 * 1000);
}

static void put(struct buf *out, const redisReply *reply) {
    switch (reply->type) {
    case REDIS_REPLY_NIL:
        buf_text(out, "nil");
        break;
    case REDIS_REPLY_INTEGER:
        buf_printf(out, "%lld", reply->integer);
        break;
    case REDIS_REPLY_ARRAY:
        buf_char(out, '[');
        for (size_t i = 0; i < reply->elements; i++) {
            buf_text(out, i > 0 ? " " : "");
            put(out, reply->element[i]);
        }
        buf_char(out, ']');
        break;
    default:
        buf_text(out, reply->type == REDIS_REPLY_ERROR ? "!" : "");
        buf_add(out, reply->str, reply->len);
    }
}

static const char *shown(redisReply *reply) {
    struct buf out = buf_make(64 * 1024 * 1024);

    if (reply == NULL)
        return "!no reply";
    buf_add(&out, NULL, 0);
    put(&out, reply);
    freeReplyObject(reply);
    return keep(out.data);
}

const char *ask(const char *format, ...) {
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(server.commands, format, args);
    va_end(args);
    return shown(reply);
}

const char *ask_bytes(int argc, const char *const *argv, const size_t *lens) {
    return shown(redisCommandArgv(server.commands, argc, (const char **)argv, lens));
}

const char *must_ask(const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = shown(redisvCommand(server.commands, format, args));
    va_end(args);
    ck_assert_msg(text[0] != '!', "%s: %s", format, text);
    return text;
}

void listen_to(const char *channel) {
    if (server.subscriber == NULL)
        server.subscriber = redisConnectUnix(server.socket);
    (void)shown(redisCommand(server.subscriber, "SUBSCRIBE %s", channel));
}

const char *heard(int count) {
    char *all = keepf("%s", "");

    for (int i = 0; i < count; i++) {
        void *reply = NULL;
        ck_assert_int_eq(redisGetReply(server.subscriber, &reply), REDIS_OK);
        const redisReply *r = reply;
        all = keepf("%s%s: %s\n", all, r->element[1]->str, r->element[2]->str);
        freeReplyObject(reply);
    }
    return all;
}

void listen_to_changes(const char *prefix) {
    struct redisReply *id;

    server.subscriber = redisConnectUnix(server.socket);
    id = redisCommand(server.subscriber, "CLIENT ID");
    freeReplyObject(redisCommand(server.subscriber,
                                 "CLIENT TRACKING ON REDIRECT %lld BCAST PREFIX %s", id->integer,
                                 prefix));
    freeReplyObject(id);
    freeReplyObject(redisCommand(server.subscriber, "SUBSCRIBE __redis__:invalidate"));
    ck_assert_msg(server.subscriber->err == 0, "%s", server.subscriber->errstr);
}

bool changes_told(void) {
    char bytes[4096];
    return recv(server.subscriber->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0;
}

static uint64_t part_of(const char *id, int which) {
    unsigned long long epoch = 0, n = 0;
    char rest;

    ck_assert_msg(sscanf(id, "%llu-%llu%c", &epoch, &n, &rest) == 2, "no id: %s", id);
    return which == 0 ? epoch : n;
}

uint64_t epoch_of(const char *id) {
    return part_of(id, 0);
}

uint64_t n_of(const char *id) {
    return part_of(id, 1);
}
