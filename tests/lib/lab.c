/* A lab: a Redis, workers, applications and a web server of its own for a test,
 * in a folder of its own, on ports that nobody else uses.
 *
 * A tcase opens one lab and its tests share it; a test that stops and starts
 * things opens a lab for itself. Nothing here sleeps a fixed time: what was
 * started is asked until it answers (Redis: PING; a worker: its pattern
 * subscription; an application: its socket; a web server: /comet/health), and
 * a program that ends instead of answering fails the test at once.
 *
 * The web servers run with the configurations that the project ships:
 * deploy/render writes them out for this folder and port.
 */
#include "tests/lib/lab.h"

#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/pile.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the tests rely on; first match wins. Everything else has the defaults:
 * anyone reads, nobody publishes from the web. */
static const char default_conf[] = "[channel open*]\n"
                                   "publish = anyone\n"
                                   "\n"
                                   "[channel big*]\n"
                                   "publish = anyone\n"
                                   "max_message = 2097152\n"
                                   "\n"
                                   "[channel tiny*]\n"
                                   "publish = anyone\n"
                                   "max_message = 10\n"
                                   "\n"
                                   "[channel short*]\n"
                                   "publish = anyone\n"
                                   "history = 5\n"
                                   "\n"
                                   "[channel brief*]\n"
                                   "publish = anyone\n"
                                   "ttl = 1\n"
                                   "\n"
                                   "[channel rated*]\n"
                                   "publish = anyone\n"
                                   "publish_rate = 2/600\n"
                                   "\n"
                                   "[channel closed*]\n"
                                   "subscribe = none\n"
                                   "publish = none\n";

static char base[64];

const char *lab_base(void) {
    if (!base[0]) {
        snprintf(base, sizeof base, "/tmp/halley-e2e.XXXXXX");
        must(mkdtemp(base), "mkdtemp %s: %s", base, strerror(errno));
        /* A web server started as root gives up its rights and must get in. */
        chmod(base, 0755);
    }
    return base;
}

char *lab_root(void) {
    const char *root = getenv("HALLEY_ROOT");

    return keep(realpath(root ? root : ".", NULL));
}

static char *bin_dir(void) {
    const char *dir = getenv("HALLEY_BIN_DIR");

    if (dir && dir[0] == '/')
        return keepf("%s", dir);
    return keepf("%s/%s", lab_root(), dir ? dir : "build");
}

char *lab_program(const char *name) {
    char *path = keepf("%s/%s", bin_dir(), name);

    must(access(path, X_OK) == 0, "%s is not there: build it first", path);
    return path;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");

    must(file && fputs(text, file) >= 0 && fclose(file) == 0, "cannot write %s", path);
}

char *lab_file(struct lab *lab, const char *name, const char *text) {
    char *path = keepf("%s/%s", lab->dir, name);

    write_file(path, text);
    return path;
}

void lab_open(struct lab *lab, const char *name) {
    memset(lab, 0, sizeof *lab);
    snprintf(lab->dir, sizeof lab->dir, "%s/%s.XXXXXX", lab_base(), name);
    must(mkdtemp(lab->dir), "mkdtemp %s: %s", lab->dir, strerror(errno));
    chmod(lab->dir, 0755);
    snprintf(lab->conf, sizeof lab->conf, "%s/halley.conf", lab->dir);
    snprintf(lab->redis_socket, sizeof lab->redis_socket, "%s/redis.sock", lab->dir);
    for (size_t i = 0; i < LAB_APPS; i++)
        snprintf(lab->app_socket[i], sizeof lab->app_socket[i], "%s/app%zu.sock", lab->dir, i);
    lab->users = getenv("LAB_USERS") != NULL;
    lab_conf(lab, default_conf);
    lab_set(lab, "REDIS", keepf("unix:%s", lab->redis_socket));
    lab_set(lab, "LOG_LEVEL", "info");
}

void lab_close(struct lab *lab) {
    store_close(lab);
    proc_kill(&lab->web);
    proc_kill(&lab->door);
    for (size_t i = 0; i < LAB_APPS; i++)
        proc_kill(&lab->app[i]);
    for (size_t i = 0; i < LAB_WORKERS; i++)
        proc_kill(&lab->worker[i]);
    proc_kill(&lab->redis);
}

void lab_set(struct lab *lab, const char *name, const char *value) {
    char *setting = keepf("HALLEY_%s=%s", name, value);
    size_t named = strlen(name) + 8, i = 0;

    while (lab->settings[i] && strncmp(lab->settings[i], setting, named) != 0)
        i++;
    must(i < LAB_SETTINGS, "too many settings");
    lab->settings[i] = setting;
}

void lab_conf(struct lab *lab, const char *text) {
    write_file(lab->conf, text);
}

/* The Redis of a lab with users, as a program's own user sees it. */
static char *setting_as(const struct lab *lab, char *setting, const char *user) {
    bool plain = strcmp(setting, keepf("HALLEY_REDIS=unix:%s", lab->redis_socket)) == 0;
    return lab->users && plain ? keepf("%s?user=%s&password=" LAB_PASSWORD, setting, user)
                               : setting;
}

static char **env_as(struct lab *lab, const char *user, const char *const more[]) {
    size_t count = 0, room = LAB_SETTINGS + 64;
    char **env;

    for (char **at = environ; *at; at++)
        room++;
    env = keep(calloc(room, sizeof *env));
    for (char **at = environ; *at; at++)
        if (strncmp(*at, "HALLEY_", 7) != 0)
            env[count++] = *at;
    for (char **at = lab->settings; *at; at++)
        env[count++] = setting_as(lab, *at, user);
    for (; more && *more; more++)
        env[count++] = keepf("%s", *more);
    return env;
}

char **lab_env(struct lab *lab, const char *const more[]) {
    return env_as(lab, "halley", more);
}

static char *log_path(struct lab *lab, const char *name) {
    return keepf("%s/%s.log", lab->dir, name);
}

/* --- Redis ------------------------------------------------------------------ */

static bool redis_answers(struct lab *lab) {
    redisContext *context = redisConnectUnix(lab->redis_socket);
    bool answers = false;

    if (context && !context->err) {
        redisReply *reply = redisCommand(context, "PING");

        answers = reply && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
    }
    redisFree(context);
    must(proc_runs(&lab->redis), "redis-server ended instead of answering");
    return answers;
}

/* As a Redis that loads the shipped file has them, and each with a password. */
static void make_users(struct lab *lab) {
    char line[2048];
    FILE *file = fopen(keepf("%s/deploy/redis/users.acl", lab_root()), "r");

    must(file != NULL, "there is no deploy/redis/users.acl");
    while (fgets(line, sizeof line, file) != NULL) {
        struct pile command = {0};
        must(strncmp(line, "user ", 5) == 0, "%s", line);
        pile_add(&command, "ACL SETUSER ", 12);
        for (const char *at = line + 5; *at != '\0' && *at != '\n'; at++)
            pile_add(&command, *at == '%' ? "%%" : at, *at == '%' ? 2 : 1);
        pile_add(&command, " >" LAB_PASSWORD, sizeof " >" LAB_PASSWORD);
        store_do(lab, command.data);
        pile_free(&command);
    }
    fclose(file);
}

void lab_redis(struct lab *lab, enum redis_keeps keeps) {
    const char *const argv[] = {"redis-server",
                                "--port",
                                "0",
                                "--unixsocket",
                                lab->redis_socket,
                                "--unixsocketperm",
                                "777",
                                "--dir",
                                lab->dir,
                                "--save",
                                "",
                                "--appendonly",
                                keeps == REDIS_KEEPS_AOF ? "yes" : "no",
                                "--appendfsync",
                                "always",
                                "--aof-load-truncated",
                                "yes",
                                "--maxclients",
                                "10000",
                                NULL};

    lab->keeps = keeps;
    proc_start(&lab->redis, "redis-server", log_path(lab, "redis"), -1, argv, lab_env(lab, NULL));
    until(redis_answers(lab), "Redis does not answer");
    if (lab->users)
        make_users(lab);
}

/* --- our programs ----------------------------------------------------------- */

/* Each worker that runs holds one pattern subscription. */
static size_t workers_heard(struct lab *lab) {
    const redisReply *reply = store_do(lab, "CLIENT LIST TYPE pubsub");
    size_t count = 0;

    for (const char *at = reply->str; (at = strstr(at, " psub=")); at++)
        count += at[6] != '0';
    return count;
}

static size_t workers_started(struct lab *lab) {
    size_t count = 0;

    for (size_t i = 0; i < LAB_WORKERS; i++)
        count += proc_started(&lab->worker[i]) && proc_runs(&lab->worker[i]);
    return count;
}

void lab_worker_begins(struct lab *lab, size_t which) {
    const char *const argv[] = {lab_program("halley-worker"), "-f", lab->conf, NULL};

    proc_start(&lab->worker[which], "halley-worker", log_path(lab, keepf("worker%zu", which)), -1,
               argv, env_as(lab, "halley-worker", NULL));
}

void lab_worker(struct lab *lab, size_t which) {
    const struct proc *worker = &lab->worker[which];

    lab_worker_begins(lab, which);
    until(workers_heard(lab) >= workers_started(lab), "halley-worker does not subscribe");
    must(proc_runs(worker), "halley-worker ended instead of working");
}

static bool listens(const struct proc *app, const char *path) {
    int fd = wire_unix(path);

    must(proc_runs(app), "halley.fcgi ended instead of listening");
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* Whoever runs the web server must be able to write to it. */
static void until_open(const struct proc *app, const char *path) {
    until(listens(app, path), "halley.fcgi does not listen on %s", path);
    chmod(path, 0777);
}

void lab_app(struct lab *lab, size_t which) {
    bool sockets = lab->websocket[0] && which == 0;
    const char *const argv[] = {lab_program("halley.fcgi"),
                                "-f",
                                lab->conf,
                                "-l",
                                keepf("unix:%s", lab->app_socket[which]),
                                sockets ? "-w" : NULL,
                                keepf("unix:%s", lab->websocket),
                                NULL};

    proc_start(&lab->app[which], "halley.fcgi", log_path(lab, keepf("app%zu", which)), -1, argv,
               lab_env(lab, NULL));
    until_open(&lab->app[which], lab->app_socket[which]);
    if (sockets)
        until_open(&lab->app[which], lab->websocket);
}

void lab_websockets(struct lab *lab) {
    snprintf(lab->websocket, sizeof lab->websocket, "%s/ws.sock", lab->dir);
}

void lab_door(struct lab *lab) {
    const char *const argv[] = {lab_program("halley.fcgi"),       "-f", lab->conf, "-w",
                                keepf("unix:%s", lab->websocket), NULL};

    proc_start(&lab->door, "halley.fcgi", log_path(lab, "door"), -1, argv, lab_env(lab, NULL));
    until_open(&lab->door, lab->websocket);
}

/* --- the web server --------------------------------------------------------- */

/* Whether nobody has this port of 127.0.0.1. */
static bool port_is_free(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;

    if (fd >= 0)
        close(fd);
    return is_free;
}

int lab_free_port(void) {
    enum { PORT_FIRST = 10240, PORT_END = 32768, ATTEMPTS = 1000 };
    uint16_t any;

    for (int i = 0; i < ATTEMPTS; i++) {
        must(getentropy(&any, sizeof any) == 0, "no entropy: %s", strerror(errno));
        int port = PORT_FIRST + any % (PORT_END - PORT_FIRST);
        if (port_is_free(port))
            return port;
    }
    fail_at(__FILE__, __LINE__, "no free port: %s", strerror(errno));
}

/* Takes in the example of rewriting that the configuration has as a comment. */
static void take_in_rewrites(struct lab *lab) {
    const char *const argv[] = {
        "sh", "-c",
        "sed -i '/--- other addresses/,/# ---/ s/^ *#     //' \"$0\"/*.conf && "
        "grep -q '^[a-zR@].*/live/' \"$0\"/*.conf",
        keepf("%s/%s", lab->dir, lab->server), NULL};

    must(proc_run(argv, environ, -1, NULL, NULL) == 0, "%s shows no rewriting", lab->server);
}

/* What a module that knows of groups would say, here of Alice's login alone: OIDC_GROUPS over
 * FastCGI, the field X-Halley-Groups over HTTP. */
static const char *groups_script(const char *server) {
    if (strncmp(server, "nginx", 5) == 0)
        return "sed -i -e '/upstream halley {/i map $remote_user $halley_groups { default \"\"; "
               "alice staff; }' -e "
               "'s/X-Halley-Groups \"\"/X-Halley-Groups $halley_groups/' -e '/REMOTE_USER  /a "
               "fastcgi_param OIDC_GROUPS $halley_groups if_not_empty;' \"$1\"";
    if (strncmp(server, "apache", 6) == 0)
        return "printf '%s\\n' 'SetEnvIf Authorization \"^Basic YWxpY2U6\" OIDC_GROUPS=staff' "
               "'<LocationMatch \"^/\">' 'RequestHeader set X-Halley-Groups staff env=OIDC_GROUPS' "
               "'</LocationMatch>' >>\"$1\"";
    return "printf '%s\\n' 'server.modules += ( \"mod_setenv\" )' "
           "'$REQUEST_HEADER[\"authorization\"] =~ \"^Basic YWxpY2U6\" {' "
           "'setenv.add-environment = ( \"OIDC_GROUPS\" => \"staff\" )' "
           "'setenv.set-request-header = ( \"X-Halley-Groups\" => \"staff\" )' '} else {' "
           "'setenv.set-request-header = ( \"X-Halley-Groups\" => \"\" )' '}' >>\"$1\"";
}

static void take_in_groups(struct lab *lab) {
    const char *const argv[] = {"sh", "-c",
                                keepf("set -- \"$(grep -l -e '--- logins' \"$0\"/*.conf)\" && %s",
                                      groups_script(lab->server)),
                                keepf("%s/%s", lab->dir, lab->server), NULL};

    must(proc_run(argv, environ, -1, NULL, NULL) == 0, "%s takes no groups", lab->server);
}

/* Takes in the example of Basic authentication, with a file of passwords of this lab. */
static void take_in_logins(struct lab *lab) {
    static const char secret[] = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    const char *file = keepf("%s/logins", lab->dir);
    const char *const argv[] = {"sh",
                                "-c",
                                "logins=$1 && set -- \"$0\"/*.c[of]*[fg] && "
                                "sed -i -e '/--- logins/,/# ---/ s/^\\( *\\)#     /\\1/' -e "
                                "\"s#/etc/halley/logins#$logins#\" \"$@\" && "
                                "grep -qi '^ *\\(auth\\|basicauth\\|http-request auth\\)' \"$@\"",
                                keepf("%s/%s", lab->dir, lab->server),
                                file,
                                NULL};

    write_file(file, keepf("alice:%s\nbob:%s\n", secret, secret));
    must(chmod(file, 0644) == 0 && proc_run(argv, environ, -1, NULL, NULL) == 0,
         "%s shows no logins", lab->server);
    if (lab->groups)
        take_in_groups(lab);
}

void lab_pages(struct lab *lab, const char *folder) {
    const char *script =
        strcmp(lab->server, "caddy") == 0
            ? keepf("/^    handle \\{/,/^    }/s#root \\* .*#root * \"%s\"#", folder)
            : keepf("s#^( *root|Define site|server.document-root *=) .*[^;](;?)$#\\1 \"%s\"\\2#",
                    folder);
    const char *const argv[] = {
        "sh",
        "-c",
        "mkdir -p \"$2\" && sed -i -E \"$1\" \"$0\"/*.conf && grep -q \"$2\" \"$0\"/*.conf",
        keepf("%s/%s", lab->dir, lab->server),
        script,
        folder,
        NULL};

    must(proc_run(argv, environ, -1, NULL, NULL) == 0, "%s keeps its pages", lab->server);
}

/* Those that speak HTTP to the application. */
static bool is_proxy(const char *server) {
    return strcmp(server, "caddy") == 0 || strcmp(server, "nginx-proxy") == 0 ||
           strcmp(server, "haproxy") == 0;
}

/* Those that somebody else's application serves by FastCGI. */
static bool is_given_one(const char *server) {
    static const char *const servers[] = {"nginx", "apache-proxy", "caddy-fcgi", "haproxy-fcgi"};

    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
        if (strcmp(server, servers[i]) == 0)
            return true;
    return false;
}

bool lab_is_bare(const struct lab *lab) {
    return strcmp(lab->server, "http") == 0;
}

/* The application without a web server. */
static char *bare_command(const struct lab *lab) {
    return keepf("%s -f %s -w tcp:127.0.0.1:%d </dev/null", lab_program("halley.fcgi"), lab->conf,
                 lab->port);
}

/* What deploy/render calls it: most tests' Apache is the one with mod_fcgid, whose ways are most
 * its own. */
static const char *deployment(const char *server) {
    return strcmp(server, "apache") == 0         ? "apache-fcgid"
           : strcmp(server, "apache-proxy") == 0 ? "apache"
                                                 : server;
}

/* The command line that deploy/render prints for this server, port and lab. */
static char *render(struct lab *lab) {
    char *out = keepf("%s/%s", lab->dir, lab->server), *line = NULL;
    const char *const more[] = {
        keepf("HALLEY_BIN_DIR=%s", bin_dir()),
        keepf("HALLEY_WWW=%s/www", lab_root()),
        keepf("HALLEY_CONF=%s", lab->conf),
        "HOST=127.0.0.1",
        keepf("PORT=%d", lab->port),
        lab->tls_port != 0 ? keepf("TLS_PORT=%d", lab->tls_port) : "TLS_PORT=",
        keepf("MPM=%s", lab->mpm != NULL ? lab->mpm : ""),
        lab->threads != 0 ? keepf("THREADS=%d", lab->threads) : "THREADS=",
        keepf("HALLEY_SOCKET=%s", lab->app_socket[0]),
        lab->websocket[0] ? keepf("HALLEY_WEBSOCKET_SOCKET=%s", lab->websocket) : NULL,
        NULL};
    const char *const argv[] = {keepf("%s/deploy/render", lab_root()), deployment(lab->server), out,
                                NULL};
    int code = proc_run(argv, lab_env(lab, more), -1, &line, NULL);

    must(code == 0, "deploy/render %s: exit code %d", lab->server, code);
    line[strcspn(line, "\n")] = '\0';
    must(line[0], "deploy/render %s printed no command", lab->server);
    if (lab->rewrites)
        take_in_rewrites(lab);
    if (lab->logins)
        take_in_logins(lab);
    if (lab->bare_root)
        lab_pages(lab, keepf("%s/%s/root", lab->dir, lab->server));
    return line;
}

/* lighttpd before several applications, each request to the next one. */
static char *render_several(struct lab *lab) {
    char *conf = keepf("%s/lighttpd-several.conf", lab->dir), *hosts = keepf("%s", "");

    for (size_t i = 0; i < lab->apps; i++)
        hosts = keepf("%s    ( \"socket\" => \"%s\", \"check-local\" => \"disable\" ),\n", hosts,
                      lab->app_socket[i]);
    char *websockets = keepf("proxy.server = ( \"\" => (( \"socket\" => \"%s\" )) )\n"
                             "proxy.header = ( \"upgrade\" => \"enable\" )\n",
                             lab->websocket);
    char *proxy = lab->websocket[0] == '\0'
                      ? keepf("%s", "")
                      : keepf("$HTTP[\"url\"] =~ \"/(ws|websocket)$\" {\n%s} else "
                              "$REQUEST_HEADER[\"upgrade\"] =~ \"(?i)^websocket$\" {\n%s} else ",
                              websockets, websockets);
    write_file(conf,
               keepf("server.modules = ( \"mod_fastcgi\", \"mod_proxy\" )\n"
                     "server.document-root = \"%s/www\"\n"
                     "server.bind = \"127.0.0.1\"\n"
                     "server.port = %d\n"
                     "server.errorlog = \"%s/lighttpd-several.log\"\n"
                     "server.stream-response-body = 2\n"
                     "fastcgi.balance = \"round-robin\"\n"
                     "%s$HTTP[\"url\"] =~ \"^/(comet|sockjs|socket\\.io|engine\\.io|bayeux|faye|"
                     "cometd)(/|$)\" {\n"
                     "fastcgi.server = ( \"/\" => (\n%s) )\n}\n",
                     lab_root(), lab->port, lab->dir, proxy, hosts));
    return keepf("lighttpd -D -f %s", conf);
}

static bool web_answers(struct lab *lab, bool *ended) {
    const struct answer *answer;

    *ended = !proc_runs(&lab->web);
    if (*ended)
        return true;
    answer = http_get(lab, "/comet/health");
    return answer->status == (lab->logins ? 401 : 200);
}

/* False: it ended at once, which is what a port taken by somebody else does. */
static bool web_started(struct lab *lab) {
    char *line = lab_is_bare(lab) ? bare_command(lab)
                 : lab->apps > 1  ? render_several(lab)
                                  : render(lab);
    const char *const argv[] = {"sh", "-c", keepf("exec %s", line), NULL};
    bool ended;

    proc_start(&lab->web, lab->server, log_path(lab, lab->server), -1, argv, lab_env(lab, NULL));
    until(web_answers(lab, &ended), "%s does not answer /comet/health", lab->server);
    if (ended)
        proc_wait(&lab->web);
    return !ended;
}

/* Who serves HTTP where a web server wants it, or WebSockets: lighttpd's own application, at a
 * place where that may make a socket; the application that nginx or lighttpd-socket is given; or a
 * door. */
static void prepare_door(struct lab *lab) {
    if (is_proxy(lab->server) && !lab->websocket[0])
        lab_websockets(lab);
    if (!lab->websocket[0])
        return;
    if (strcmp(lab->server, "lighttpd") == 0)
        snprintf(lab->websocket, sizeof lab->websocket, "%s/lighttpd/var/ws.sock", lab->dir);
    else if ((strcmp(lab->server, "apache") == 0 || is_proxy(lab->server) || lab_is_bare(lab)) &&
             !proc_runs(&lab->door))
        lab_door(lab);
}

void lab_web(struct lab *lab, const char *server, size_t apps) {
    bool again = lab->port != 0;

    snprintf(lab->server, sizeof lab->server, "%s", server);
    lab->apps = strcmp(server, "lighttpd-socket") == 0 ? apps : is_given_one(server);
    for (size_t i = 0; i < lab->apps; i++)
        if (!proc_runs(&lab->app[i]))
            lab_app(lab, i);
    prepare_door(lab);
    for (int attempt = 0; attempt < 3; attempt++) {
        if (!again)
            lab->port = lab_free_port();
        if (web_started(lab))
            return;
    }
    fail_at(__FILE__, __LINE__, "%s ends instead of answering", server);
}

void lab_all(struct lab *lab, const char *name, const char *server) {
    if (!lab->dir[0])
        lab_open(lab, name);
    lab_redis(lab, REDIS_KEEPS_NOTHING);
    lab_worker(lab, 0);
    lab_web(lab, server, 1);
}

size_t lab_app_pids(struct lab *lab, pid_t *out, size_t room) {
    size_t count = 0;

    for (size_t i = 0; i < lab->apps && count < room; i++)
        if (proc_runs(&lab->app[i]))
            out[count++] = lab->app[i].pid;
    if (lab_is_bare(lab) && count < room)
        out[count++] = lab->web.pid;
    else if (is_proxy(lab->server) && proc_runs(&lab->door) && count < room)
        out[count++] = lab->door.pid;
    else if (proc_runs(&lab->web))
        count += proc_family(lab->web.pid, "halley.fcgi", out + count, room - count);
    return count;
}

size_t lab_apps_of(struct lab *lab, const char *word) {
    pid_t pids[64];
    size_t count = 0, all = lab_app_pids(lab, pids, 64);

    for (size_t i = 0; i < all; i++) {
        char text[1024];
        FILE *file = fopen(keepf("/proc/%d/cmdline", (int)pids[i]), "r");
        if (file == NULL)
            continue;
        size_t len = fread(text, 1, sizeof text, file);
        fclose(file);
        count += memmem(text, len, word, strlen(word) + 1) != NULL;
    }
    return count;
}

void lab_signal_apps(struct lab *lab, int signal) {
    pid_t pids[64];
    size_t count = lab_app_pids(lab, pids, 64);

    must(count > 0, "no application runs");
    for (size_t i = 0; i < count; i++)
        kill(pids[i], signal);
}

int lab_app_again(struct lab *lab) {
    int code = -1;

    if (lab->apps) {
        code = proc_wait(&lab->app[0]);
        lab_app(lab, 0);
    } else if (lab_is_bare(lab)) {
        code = proc_wait(&lab->web);
        lab_web(lab, "http", 1);
    } else if (is_proxy(lab->server)) {
        code = proc_wait(&lab->door);
        lab_door(lab);
    }
    return code;
}

/* --- after the tests -------------------------------------------------------- */

void lab_print_logs(void) {
    const char *const argv[] = {
        "sh", "-c",
        "find \"$0\" -name '*.log' -size +0 -exec sh -c "
        "'for f; do echo \"--- $f\"; tail -n 25 \"$f\" | cut -c1-400; done' sh {} +",
        base, NULL};
    char *text = NULL;

    if (base[0] && proc_run(argv, environ, -1, &text, NULL) == 0)
        fprintf(stderr, "%s\n", text);
}

void lab_remove_all(void) {
    const char *const argv[] = {"rm", "-rf", "--", base, NULL};

    if (base[0])
        proc_run(argv, environ, -1, NULL, NULL);
}
