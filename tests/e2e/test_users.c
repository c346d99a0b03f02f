/* Redis's users as deploy/redis/users.acl has them: what each program needs works, in all that
 * Halley does, and nothing else is granted. A Redis says itself what it has refused (ACL LOG), and
 * what it would (ACL DRYRUN).
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/pile.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <string.h>

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "users");
    lab.users = true;
    lab_conf(&lab, "[service sockjs/x]\n[service bayeux]\n[service socket.io]\n"
                   "[channel *]\npublish = anyone\npublish_rate = 1000/1\n");
    lab_set(&lab, "SESSION_RATE", "1000/1");
    lab_set(&lab, "TAGS", "on");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, "http", 1);
}

static void teardown(void) {
    lab_close(&lab);
}

static const struct answer *post(const char *path, const char *body) {
    return http_post(&lab, body, strlen(body), "%s", path);
}

/* What Redis has refused, as it says it. */
static const char *refused(void) {
    const redisReply *log = store_do(&lab, "ACL LOG 16");
    const char *text = "";

    for (size_t i = 0; i < log->elements; i++)
        text = keepf("%s %s %s by %s;", text, log->element[i]->element[5]->str,
                     log->element[i]->element[7]->str, log->element[i]->element[9]->str);
    return text;
}

static void publish_and_read(void) {
    const char *body = "{\"a\":1}";
    const struct request keyed = {.method = "POST",
                                  .path = "/comet/publish?channel=web",
                                  .body = body,
                                  .length = strlen(body),
                                  .headers = {"Idempotency-Key: k"}};

    ck_assert_int_eq(http_send(&lab, &keyed)->status, 200);
    ck_assert_int_eq(http_send(&lab, &keyed)->status, 200); /* the same again */
    ck_assert_int_ge(store_publish(&lab, "bare", "1"), 1);
    until(batch_count(read_since(&lab, "bare", "start")) == 1, "the worker does not take it");
    ck_assert_uint_eq(batch_count(read_since(&lab, "web", "start")), 1);
    ck_assert_int_eq(http_get(&lab, "/comet/poll?pattern=**&since=start&tag=t")->status, 200);
    ck_assert_int_eq(http_get(&lab, "/comet/wait?channel=bare&timeout=1")->status, 200);
    struct websock *socket = websock_on(wire_tcp(lab.port), "/comet/ws?channel=bare", "");
    websock_reach(socket, "cursor");
    ck_assert(websock_say(socket, "{\"publish\":{\"channel\":\"bare\",\"data\":7},\"ref\":1}"));
    websock_reach(socket, "\"published\"");
    websock_close(socket);
}

static void hold_sessions(void) {
    ck_assert_str_eq(post("/sockjs/x/0/one/xhr", "")->body, "o\n");
    ck_assert_int_eq(
        post("/sockjs/x/0/one/xhr_send", "[\"{\\\"subscribe\\\":[\\\"bare\\\"]}\"]")->status, 204);
    ck_assert_ptr_nonnull(strstr(post("/sockjs/x/0/one/xhr", "")->body, "bare@"));
    ck_assert_ptr_nonnull(
        strstr(http_get(&lab, "/socket.io/?EIO=4&transport=polling")->body, "\"sid\""));
    ck_assert_ptr_nonnull(
        strstr(post("/bayeux", "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                               "\"supportedConnectionTypes\":[\"long-polling\"]}]")
                   ->body,
               "\"successful\":true"));
}

static void ask_operators(void) {
    const char *const argv[] = {lab_program("halley"), "-f", lab.conf, "channels", NULL};
    char *output;

    until(strstr(http_get(&lab, "/comet/status")->body, "worker") != NULL, "no worker is told of");
    ck_assert_int_eq(http_get(&lab, "/comet/status?tag=t")->status, 200);
    ck_assert_int_eq(http_get(&lab, "/comet/health")->status, 200);
    ck_assert_int_eq(proc_run(argv, lab_env(&lab, NULL), -1, &output, NULL), 0);
}

START_TEST(all_that_halley_does_works_for_its_users_and_nothing_is_refused) {
    publish_and_read();
    hold_sessions();
    ask_operators();
    store_do(&lab, "CLIENT KILL TYPE pubsub"); /* everything is subscribed and read again */
    until(store_followers(&lab, "bare") >= 1 ||
              http_get(&lab, "/comet/wait?channel=bare&timeout=1"),
          "it does not come back");
    lab_worker(&lab, 1);
    proc_signal(&lab.worker[0], SIGTERM);
    until(store_leader(&lab) == lab.worker[1].pid, "the second worker does not take over");
    ck_assert_int_ge(store_publish(&lab, "bare", "2"), 1);
    until(strstr(batch_all_data(read_since(&lab, "bare", "start")), "2"), "nobody takes it over");
    ck_assert_int_eq(proc_stop(&lab.worker[1], SIGTERM), 0);
    ck_assert_str_eq(refused(), "");
}
END_TEST

static const char *text_of(const char *path) {
    const char *const argv[] = {"cat", keepf("%s/%s", lab_root(), path), NULL};
    char *text;

    ck_assert_int_eq(proc_run(argv, lab_env(&lab, NULL), -1, &text, NULL), 0);
    return text;
}

/* Whether the users' file grants a command, in capitals, to one of them. */
static bool is_granted(const char *users, const char *command, size_t len) {
    char word[32] = " +";

    for (size_t i = 0; i < len && i < sizeof word - 4; i++)
        word[i + 2] = (char)(command[i] | 0x20);
    for (const char *at = users; (at = strstr(at, word)) != NULL; at++) {
        if (strchr(" |\n", at[len + 2]) != NULL)
            return true;
    }
    return false;
}

/* A function that is given another command needs it granted too. */
START_TEST(every_command_of_the_functions_is_granted) {
    static const char *const files[] = {"core/redis/halley.lua", "core/redis/session.lua"};
    const char *users = text_of("deploy/redis/users.acl");
    size_t found = 0;

    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        const char *at = text_of(files[f]);
        while ((at = strstr(at, "call('")) != NULL) {
            at += sizeof "call('" - 1;
            size_t len = strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
            if (len == 0)
                continue;
            ck_assert_msg(is_granted(users, at, len), "%s: %.*s", files[f], (int)len, at);
            found++;
        }
    }
    ck_assert_uint_gt(found, 50);
}
END_TEST

static void must_be_refused(const char *user, const char *command) {
    struct pile words = {0};

    const char *text = keepf("ACL DRYRUN %s %s", user, command);
    pile_add(&words, text, strlen(text));
    const redisReply *reply = store_do(&lab, words.data);
    pile_free(&words);
    ck_assert_msg(strcmp(reply->str, "OK") != 0, "%s may %s", user, command);
}

/* Commands that no list of Halley's has, of all that this Redis knows. */
START_TEST(a_command_or_key_that_is_not_granted_is_refused) {
    static const char *const users[] = {"halley", "halley-worker", "publisher"};
    static const char *const commands[] = {"FLUSHALL",
                                           "FLUSHDB",
                                           "KEYS x",
                                           "SCAN 0",
                                           "CONFIG GET x",
                                           "CONFIG SET a b",
                                           "DEBUG SLEEP 0",
                                           "SHUTDOWN",
                                           "EVAL x 0",
                                           "SCRIPT FLUSH",
                                           "FUNCTION FLUSH",
                                           "FUNCTION DELETE halley",
                                           "FUNCTION DUMP",
                                           "MONITOR",
                                           "ACL LIST",
                                           "ACL SETUSER x",
                                           "MIGRATE a 1 b 0 1",
                                           "SLAVEOF a 1",
                                           "REPLICAOF a 1",
                                           "SAVE",
                                           "BGREWRITEAOF",
                                           "SWAPDB 0 1",
                                           "MOVE a 1",
                                           "RENAME halley.prefix x",
                                           "DUMP halley.prefix",
                                           "RESTORE a 0 b",
                                           "CLIENT LIST",
                                           "CLIENT KILL TYPE normal",
                                           "SLOWLOG GET",
                                           "MODULE LIST",
                                           "CLUSTER INFO",
                                           "OBJECT ENCODING halley.prefix",
                                           "GET other",
                                           "SET other 1",
                                           "HGETALL other",
                                           "DEL other",
                                           "XADD other * a b",
                                           "GET halley",
                                           "GET halley2.x",
                                           "SUBSCRIBE other",
                                           "PSUBSCRIBE *",
                                           "PUBLISH other x",
                                           "SPUBLISH halley x",
                                           "SORT halley.prefix"};

    for (size_t u = 0; u < sizeof users / sizeof *users; u++) {
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
            bool ends =
                strcmp(users[u], "halley-worker") == 0 && strstr(commands[i], "CLIENT KILL");
            if (!ends) /* a worker ends its own connection so that Redis lets it go */
                must_be_refused(users[u], commands[i]);
        }
    }
}
END_TEST

START_TEST(each_user_is_kept_from_what_is_the_others) {
    must_be_refused("halley", "HSET halley.lease:sequencer owner me");
    must_be_refused("halley", "DEL halley.lease:sequencer");
    must_be_refused("halley", "PSUBSCRIBE halley:*");
    must_be_refused("halley", "PUBLISH halley:news x");
    must_be_refused("halley-worker", "GET halley.session:{x}");
    must_be_refused("halley-worker", "GET halley.rate:x");
    must_be_refused("halley-worker", "GET halley.posted:x");
    must_be_refused("publisher", "PUBLISH halley.live:{news} forged");
    must_be_refused("publisher", "PUBLISH halley.sequenced forged");
    must_be_refused("publisher", "SUBSCRIBE halley:news");
    must_be_refused("publisher", "FCALL halley_publish 1 news x");
    must_be_refused("publisher", "GET halley.meta:{news}");
    must_be_refused("publisher", "XRANGE halley.history:{news} - +");
    ck_assert_str_eq(store_do(&lab, "ACL DRYRUN publisher PUBLISH halley:news x")->str, "OK");
}
END_TEST

/* The file has users without passwords: nobody can log in before an operator gives some. */
START_TEST(the_file_is_one_that_redis_loads_and_opens_to_nobody) {
    char *log;
    const char *file = keepf("%s/deploy/redis/users.acl", lab_root());
    const char *socket = keepf("%s/own.sock", lab.dir);
    const char *const argv[] = {
        "redis-server", "--port", "0", "--unixsocket", socket, "--aclfile", file,
        "--save",       "",       NULL};
    const char *const list[] = {"redis-cli", "-s", socket, "ACL", "LIST", NULL};
    const char *const login[] = {"redis-cli", "-s", socket, "AUTH", "publisher", "x", NULL};
    struct proc redis = {0};

    proc_start(&redis, "redis-server", keepf("%s/own.log", lab.dir), -1, argv, lab_env(&lab, NULL));
    until(proc_run(list, lab_env(&lab, NULL), -1, &log, NULL) == 0 &&
              strstr(log, "user publisher on"),
          "it does not load the file");
    proc_run(login, lab_env(&lab, NULL), -1, &log, NULL);
    ck_assert_msg(strstr(log, "WRONGPASS") != NULL, "%s", log);
    proc_kill(&redis);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("users");
    TCase *tcase = e2e_case(suite, "users", setup, teardown);

    tcase_add_test(tcase, all_that_halley_does_works_for_its_users_and_nothing_is_refused);
    tcase_add_test(tcase, every_command_of_the_functions_is_granted);
    tcase_add_test(tcase, a_command_or_key_that_is_not_granted_is_refused);
    tcase_add_test(tcase, each_user_is_kept_from_what_is_the_others);
    tcase_add_test(tcase, the_file_is_one_that_redis_loads_and_opens_to_nobody);
    return e2e_run(suite);
}
