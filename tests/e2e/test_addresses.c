/* Where Redis is: every form of its address, TLS with certificates of all kinds, and
 * name servers that do not answer. */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/reader.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

static struct lab lab;
static int port;

static const char *log_of(const char *name) {
    static char text[1 << 20];
    FILE *file = fopen(keepf("%s/%s.log", lab.dir, name), "r");
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;

    text[len] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

static void begin(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "addresses");
    lab_redis(&lab, REDIS_KEEPS_AOF);
    port = lab_free_port();
}

static void end(void) {
    lab_close(&lab);
}

static char *file_of(const char *name) {
    return keepf("%s/%s", lab.dir, name);
}

/* ------------------------------------------------------------------ all of it flows */

enum { READERS = 3 };

static const enum transport read_by[READERS] = {WAIT, POLL, EVENTS};

/* Three messages, from the number `first` on, each published in another way. */
static void must_flow_through(struct reader *readers, const char *channel, int first) {
    const char *text = keepf("%d", first + 2);

    store_add(&lab, channel, keepf("%d", first));
    readers_reach(readers, READERS, first);
    /* nobody has heard what is answered 0 */
    until(store_publish(&lab, channel, keepf("%d", first + 1)) == 1, "the worker does not listen");
    readers_reach(readers, READERS, first + 1);
    const struct answer *answer =
        http_post(&lab, text, strlen(text), "/comet/publish?channel=%s", channel);
    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    readers_reach(readers, READERS, first + 2);
}

static void start_programs(const char *address) {
    lab_set(&lab, "REDIS", address);
    lab_worker(&lab, 0);
    lab_web(&lab, "lighttpd", 1);
}

static void stop_programs(void) {
    proc_stop(&lab.web, SIGTERM);
    proc_stop(&lab.worker[0], SIGTERM);
}

static void must_flow(const char *address) {
    const char *channel = keep_fresh("open");
    struct reader readers[READERS] = {0};

    start_programs(address);
    for (int i = 0; i < READERS; i++)
        reader_begin(&readers[i], &lab, BY_WEB, read_by[i], channel);
    must_flow_through(readers, channel, 1);
    for (int i = 0; i < READERS; i++) {
        reader_must_have(&readers[i], 3);
        reader_end(&readers[i]);
    }
    stop_programs();
}

/* Nothing that people see of the programs holds `secret`. */
static void must_not_show(const char *secret) {
    static const char *const logs[] = {"lighttpd", "worker0", "app0"};

    for (size_t i = 0; i < 3; i++)
        ck_assert_msg(strstr(log_of(logs[i]), secret) == NULL, "%.2000s", log_of(logs[i]));
}

/* -------------------------------------------------------------- logins and databases */

#define SECRET "p@ss/:%?#&= w\"o'r\\d"

static char *encoded_secret(void) {
    return keep_encoded(SECRET);
}

START_TEST(a_login_is_decoded) {
    begin();
    store_do(&lab, "CONFIG SET port %d", port);
    store_do(&lab, "ACL SETUSER us:er on >%s ~* &* +@all", SECRET);
    must_flow(keepf("redis://us%%3Aer:%s@localhost:%d", encoded_secret(), port));
    store_do(&lab, "CONFIG SET requirepass %s", SECRET);
    must_flow(keepf("redis://:%s@127.0.0.1:%d", encoded_secret(), port));
    must_not_show(SECRET);
    must_not_show(encoded_secret());
    end();
}
END_TEST

START_TEST(a_unix_socket_has_a_login_and_a_database) {
    begin();
    store_do(&lab, "ACL SETUSER u on >%s ~* &* +@all", SECRET);
    store_do(&lab, "SELECT 3");
    must_flow(keepf("unix:%s?password=%s&db=3&user=u", lab.redis_socket, encoded_secret()));
    ck_assert_int_gt(store_do(&lab, "DBSIZE")->integer, 0);
    store_do(&lab, "SELECT 0");
    ck_assert_int_eq(store_do(&lab, "DBSIZE")->integer, 0);
    end();
}
END_TEST

START_TEST(a_password_may_be_long) {
    char *secret = keepf("%04000d", 1);

    begin();
    store_do(&lab, "CONFIG SET port %d", port);
    store_do(&lab, "ACL SETUSER long on >%s ~* &* +@all", secret);
    must_flow(keepf("redis://long:%s@[::1]:%d", secret, port));
    must_flow(keepf("unix:%s?user=long&password=%s", lab.redis_socket, secret));
    end();
}
END_TEST

START_TEST(a_user_without_a_password_is_logged_in) {
    begin();
    store_do(&lab, "CONFIG SET port %d", port);
    store_do(&lab, "ACL SETUSER open on nopass ~* &* +@all");
    store_do(&lab, "CONFIG SET requirepass x");
    must_flow(keepf("redis://open:@127.0.0.1:%d", port));
    end();
}
END_TEST

/* Starts an application that is not to reach its Redis; health says so. */
static void start_in_vain(const char *address) {
    lab_set(&lab, "REDIS", address);
    lab_app(&lab, 0);
    until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 503, "health is not 503");
}

static void stop_in_vain(void) {
    ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
}

START_TEST(a_password_that_redis_refuses_is_not_shown) {
    begin();
    store_do(&lab, "CONFIG SET port %d", port);
    store_do(&lab, "CONFIG SET requirepass right");
    start_in_vain(keepf("redis://:hunter2@127.0.0.1:%d", port));
    until(strstr(log_of("app0"), "WRONGPASS") != NULL, "%s", log_of("app0"));
    ck_assert_ptr_null(strstr(fcgi_get(lab.app_socket[0], "/comet/health")->body, "hunter2"));
    ck_assert_ptr_null(strstr(fcgi_get(lab.app_socket[0], "/comet/info")->body, "hunter2"));
    ck_assert_ptr_null(strstr(fcgi_get(lab.app_socket[0], "/comet/status")->body, "hunter2"));
    must_not_show("hunter2");
    stop_in_vain();
    end();
}
END_TEST

/* What is no Redis, or one whose AUTH was renamed, says back what it has not understood. */
START_TEST(a_password_that_redis_says_back_is_not_shown) {
    struct proc other = {0};

    begin();
    const char *const argv[] = {"redis-server",
                                "--port",
                                "0",
                                "--unixsocket",
                                file_of("r.sock"),
                                "--save",
                                "",
                                "--rename-command",
                                "AUTH",
                                "",
                                NULL};
    proc_start(&other, "redis-server", file_of("other.log"), -1, argv, lab_env(&lab, NULL));
    until(wire_unix(file_of("r.sock")) >= 0, "no other Redis");
    start_in_vain(keepf("unix:%s?user=u&password=hunter2", file_of("r.sock")));
    until(strstr(log_of("app0"), "unknown command") != NULL, "%s", log_of("app0"));
    must_not_show("hunter2");
    stop_in_vain();
    proc_kill(&other);
    end();
}
END_TEST

/* ------------------------------------------------------------------------------ TLS */

/* An authority, a server's certificate, a client's, one for another host, and one of
 * another authority. */
static void make_certificates(void) {
    static const char script[] =
        "cd \"$0\" && authority() { openssl req -x509 -newkey ec -pkeyopt "
        "ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=$1 -keyout $1.key -out $1.crt; } && "
        "issue() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        "-subj /CN=$2 -keyout $2.key -out $2.csr && printf 'subjectAltName=%s\\n' \"$3\" >$2.ext "
        "&& "
        "openssl x509 -req -in $2.csr -CA $1.crt -CAkey $1.key -CAcreateserial -days ${4:-2} "
        "-extfile $2.ext -out $2.crt; } && "
        "authority ca && authority foreign && "
        "issue ca server DNS:localhost,IP:127.0.0.1,IP:::1 && issue ca client DNS:client && "
        "issue ca elsewhere DNS:elsewhere.example && issue foreign stranger DNS:localhost && "
        "issue ca late DNS:localhost 0 && "
        "openssl ec -in client.key -aes128 -passout pass:x -out locked.key && chmod 644 *.key";
    const char *const argv[] = {"bash", "-c", script, lab.dir, NULL};
    char *said;

    ck_assert_msg(proc_run(argv, environ, -1, &said, NULL) == 0, "%s", said);
}

static void serve_tls(const char *certificate) {
    store_do(&lab, "CONFIG SET tls-cert-file %s tls-key-file %s tls-ca-cert-file %s tls-port %d",
             file_of(keepf("%s.crt", certificate)), file_of(keepf("%s.key", certificate)),
             file_of("ca.crt"), port);
}

static void use_files(const char *ca, const char *cert) {
    lab_set(&lab, "REDIS_CA", ca != NULL ? file_of(ca) : "");
    lab_set(&lab, "REDIS_CERT", cert != NULL ? file_of(keepf("%s.crt", cert)) : "");
    lab_set(&lab, "REDIS_KEY", cert != NULL ? file_of(keepf("%s.key", cert)) : "");
}

static void begin_tls(void) {
    begin();
    make_certificates();
    serve_tls("server");
    use_files("ca.crt", "client");
}

START_TEST(everything_flows_over_tls) {
    begin_tls();
    must_flow(keepf("rediss://localhost:%d", port));
    must_flow(keepf("rediss://127.0.0.1:%d", port));
    store_do(&lab, "ACL SETUSER u on >%s ~* &* +@all", SECRET);
    store_do(&lab, "SELECT 2");
    must_flow(keepf("rediss://u:%s@[::1]:%d/2", encoded_secret(), port));
    store_do(&lab, "CONFIG SET tls-auth-clients no");
    use_files("ca.crt", NULL);
    must_flow(keepf("rediss://localhost:%d/2", port));
    end();
}
END_TEST

static long long links(const char *kind) {
    const redisReply *reply = store_try(&lab, "CLIENT LIST TYPE %s", kind);
    long long count = 0;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING)
        return 0;
    for (const char *at = reply->str; (at = strstr(at, "name=halley")) != NULL; at++)
        count++;
    return count;
}

START_TEST(tls_survives_large_messages_and_the_end_of_redis) {
    enum { LARGE = 2 * 1000 * 1000, TIMES = 8 };
    const char *channel = keep_fresh("big");
    struct reader readers[READERS] = {0};
    char *large = keepf("\"%0*d\"", LARGE, 7);

    begin_tls();
    lab_conf(&lab, "[channel big*]\npublish = anyone\nmax_message = 4M\n");
    start_programs(keepf("rediss://localhost:%d", port));
    const struct answer *answer = NULL;
    for (int i = 0; i < TIMES; i++) {
        answer = http_post(&lab, large, strlen(large), "/comet/publish?channel=%s-large", channel);
        ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
        answer = http_get(&lab, "/comet/wait?channel=%s-large&since=-1&timeout=5", channel);
        ck_assert_msg(answer->status == 200 && answer->length > LARGE, "%s", answer_text(answer));
    }
    for (int i = 0; i < READERS; i++)
        reader_begin(&readers[i], &lab, BY_WEB, read_by[i], channel);
    must_flow_through(readers, channel, 1);
    for (int round = 1; round <= 2; round++) {
        proc_stop(&lab.redis, round == 1 ? SIGKILL : SIGTERM);
        lab_redis(&lab, REDIS_KEEPS_AOF);
        serve_tls("server");
        until(links("pubsub") == 2 && links("normal") == 2, "not connected again");
        until(http_get(&lab, "/comet/health")->status == 200, "not well again");
        must_flow_through(readers, channel, 1 + 3 * round);
    }
    for (int i = 0; i < READERS; i++) {
        reader_must_have(&readers[i], 9);
        reader_end(&readers[i]);
    }
    stop_programs();
    end();
}
END_TEST

START_TEST(tls_trusts_only_who_is_meant) {
    static const struct {
        const char *server, *ca, *client, *says;
    } rows[] = {{"elsewhere", "ca.crt", "client", "mismatch"},
                {"server", "foreign.crt", "client", "certificate"},
                {"server", NULL, "client", "certificate"},
                {"stranger", "ca.crt", "client", "certificate"},
                {"late", "ca.crt", "client", "expired"},
                {"server", "ca.crt", NULL, "certificate required"},
                {"server", "ca.crt", "stranger", "unknown ca"}};

    begin_tls();
    for (size_t i = 0; i < 7; i++) {
        serve_tls(rows[i].server);
        use_files(rows[i].ca, rows[i].client);
        unlink(file_of("app0.log"));
        start_in_vain(keepf("rediss://:hunter2@localhost:%d", port));
        until(strstr(log_of("app0"), rows[i].says) != NULL, "%zu, no \"%s\": %s", i, rows[i].says,
              log_of("app0"));
        ck_assert_ptr_nonnull(strstr(log_of("app0"), "why=\"TLS: "));
        must_not_show("hunter2");
        stop_in_vain();
    }
    end();
}
END_TEST

START_TEST(tls_and_plain_text_do_not_mix) {
    begin_tls();
    lab_set(&lab, "REDIS_TIMEOUT", "1");
    start_in_vain(keepf("redis://localhost:%d", port));
    stop_in_vain();
    store_do(&lab, "CONFIG SET tls-port 0 port %d", port);
    start_in_vain(keepf("rediss://localhost:%d", port));
    until(strstr(log_of("app0"), "no answer in time") != NULL, "%s", log_of("app0"));
    stop_in_vain();
    end();
}
END_TEST

/* A program with these settings ends at once, and says in one line why. */
static void must_refuse(const char *program, const char *says) {
    const char *const argv[] = {lab_program(program), "-n", "-f", lab.conf, NULL};
    char *said;

    unlink(file_of("refused.log"));
    struct proc proc = {0};
    proc_start(&proc, program, file_of("refused.log"), -1, argv, lab_env(&lab, NULL));
    ck_assert_int_eq(proc_wait(&proc), EX_CONFIG);
    said = keepf("%s", log_of("refused"));
    ck_assert_msg(strstr(said, says) != NULL, "%s instead of %s", said, says);
    ck_assert_ptr_eq(strchr(said, '\n'), strrchr(said, '\n'));
}

START_TEST(files_that_are_no_good_are_refused_at_the_start) {
    static const struct {
        const char *ca, *cert, *key, *says;
    } rows[] = {{"none.crt", "", "", "redis_ca = "},
                {"client.key", "", "", "redis_ca = "},
                {"", "none.crt", "client.key", "redis_cert = "},
                {"", "client.key", "client.key", "redis_cert = "},
                {"", "client.crt", "none.key", "redis_key = "},
                {"", "client.crt", "client.crt", "redis_key = "},
                {"", "client.crt", "server.key", "redis_key = "},
                {"", "client.crt", "locked.key", "redis_key = "},
                {"", "client.crt", "", "redis_cert is set without redis_key"},
                {"", "", "client.key", "redis_key is set without redis_cert"}};

    begin_tls();
    for (size_t i = 0; i < 10; i++) {
        lab_set(&lab, "REDIS_CA", rows[i].ca[0] ? file_of(rows[i].ca) : "");
        lab_set(&lab, "REDIS_CERT", rows[i].cert[0] ? file_of(rows[i].cert) : "");
        lab_set(&lab, "REDIS_KEY", rows[i].key[0] ? file_of(rows[i].key) : "");
        must_refuse("halley.fcgi", rows[i].says);
        must_refuse("halley-worker", rows[i].says);
    }
    end();
}
END_TEST

/* -------------------------------------------------------------------- name servers */

/* The C library with a name server that answers nothing about names with "slow" in them
 * until the file RESOLVED is there; localhost then. */
static const char shim[] =
    "#define _GNU_SOURCE\n"
    "#include <dlfcn.h>\n"
    "#include <netdb.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "#include <unistd.h>\n"
    "int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,\n"
    "                struct addrinfo **out) {\n"
    "    static int (*real)(const char *, const char *, const struct addrinfo *,\n"
    "                       struct addrinfo **);\n"
    "    if (real == NULL)\n"
    "        *(void **)&real = dlsym(RTLD_NEXT, \"getaddrinfo\");\n"
    "    if (host == NULL || strstr(host, \"slow\") == NULL ||\n"
    "        (hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0))\n"
    "        return real(host, port, hints, out);\n"
    "    while (access(getenv(\"RESOLVED\"), F_OK) != 0)\n"
    "        usleep(10000);\n"
    "    return real(\"localhost\", port, hints, out);\n"
    "}\n";

static void slow_name_server(void) {
    const char *const argv[] = {
        "cc",   "-shared", "-fPIC", "-o", file_of("shim.so"), lab_file(&lab, "shim.c", shim),
        "-ldl", NULL};
    char *said;

    ck_assert_msg(proc_run(argv, environ, -1, &said, NULL) == 0, "%s", said);
}

static size_t threads_of(pid_t pid) {
    char *count;
    const char *const argv[] = {"sh", "-c", "ls /proc/$0/task | wc -l", keepf("%d", pid), NULL};

    ck_assert_int_eq(proc_run(argv, environ, -1, &count, NULL), 0);
    return strtoul(count, NULL, 10);
}

/* Like start_in_vain(), with the slow name server. */
static void start_slowly(struct proc *proc, const char *program, const char *log) {
    bool app = strcmp(program, "halley.fcgi") == 0;
    const char *const argv[] = {lab_program(program),
                                "-f",
                                lab.conf,
                                app ? "-l" : NULL,
                                keepf("unix:%s", lab.app_socket[0]),
                                NULL};
    const char *const more[] = {keepf("LD_PRELOAD=%s", file_of("shim.so")),
                                keepf("RESOLVED=%s", file_of("resolved")),
                                /* a sanitizer wants to be the first */
                                "ASAN_OPTIONS=verify_asan_link_order=0", NULL};

    proc_start(proc, program, file_of(log), -1, argv, lab_env(&lab, more));
}

START_TEST(nobody_waits_for_a_name_server) {
    begin();
    slow_name_server();
    store_do(&lab, "CONFIG SET port %d", port);
    lab_set(&lab, "REDIS", keepf("redis://slow.example:%d", port));
    lab_set(&lab, "REDIS_TIMEOUT", "1");
    for (int round = 0; round < 2; round++) {
        start_slowly(&lab.app[0], "halley.fcgi", "app0.log");
        start_slowly(&lab.worker[0], "halley-worker", "worker0.log");
        until(wire_unix(lab.app_socket[0]) >= 0, "%s", log_of("app0"));
        until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 503, "no answer");
        until(strstr(log_of("app0"), "not resolved in time") != NULL, "%s", log_of("app0"));
        until(strstr(log_of("worker0"), "not resolved in time") != NULL, "%s", log_of("worker0"));
        /* the loop does not wait: it answers many times in the meantime, by one thread a name */
        for (int i = 0; i < 200; i++)
            ck_assert_int_eq(fcgi_get(lab.app_socket[0], "/comet/health")->status, 503);
        ck_assert_uint_le(threads_of(lab.app[0].pid), 4);
        if (round == 1) {
            fclose(fopen(file_of("resolved"), "w"));
            until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 200, "not well again");
        }
        ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
        ck_assert_int_eq(proc_stop(&lab.worker[0], SIGTERM), 0);
    }
    end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("addresses");
    TCase *tcase = e2e_case(suite, "logins", NULL, NULL);

    tcase_add_test(tcase, a_login_is_decoded);
    tcase_add_test(tcase, a_unix_socket_has_a_login_and_a_database);
    tcase_add_test(tcase, a_password_may_be_long);
    tcase_add_test(tcase, a_user_without_a_password_is_logged_in);
    tcase_add_test(tcase, a_password_that_redis_refuses_is_not_shown);
    tcase_add_test(tcase, a_password_that_redis_says_back_is_not_shown);
    tcase = e2e_case(suite, "tls", NULL, NULL);
    tcase_add_test(tcase, everything_flows_over_tls);
    tcase_add_test(tcase, tls_survives_large_messages_and_the_end_of_redis);
    tcase_add_test(tcase, tls_trusts_only_who_is_meant);
    tcase_add_test(tcase, tls_and_plain_text_do_not_mix);
    tcase_add_test(tcase, files_that_are_no_good_are_refused_at_the_start);
    tcase = e2e_case(suite, "names", NULL, NULL);
    tcase_add_test(tcase, nobody_waits_for_a_name_server);
    return e2e_run(suite);
}
