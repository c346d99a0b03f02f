/*
 * halley.fcgi: holds the requests of browsers that wait, and answers them when
 * Redis has something. The same program serves however it was started:
 *
 *   -l ADDRESS             listens by itself (under systemd, in a container)
 *   LISTEN_FDS             on sockets that who started it holds (systemd's halley.socket)
 *   a socket on fd 0       FastCGI, spawned by lighttpd or Apache's mod_fcgid
 *   anything else          plain CGI: one request from the environment
 *
 * With the option `http` (or -w ADDRESS) it also serves HTTP/1.1, WebSockets included, and with
 * `feed` the line feed, or nothing but those. With `processes` above 1 all this is done by
 * children, which processes.c looks after.
 *
 * HUP reads the configuration anew, with nobody refused, where the process listens by itself or on
 * sockets that are held for it.
 *
 * TERM, INT and USR1 drain: parked requests get an empty batch with their
 * cursor, what is under way is finished, nothing is cut off.
 */
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/data/channel.h"
#include "core/program.h"
#include "fcgi-app/carriers/bayeux/bayeux.h"
#include "fcgi-app/carriers/engineio/engineio.h"
#include "fcgi-app/carriers/services.h"
#include "fcgi-app/carriers/sockjs/sockjs.h"
#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/fcgi/cgi.h"
#include "fcgi-app/door/fcgi/client_fcgi.h"
#include "fcgi-app/door/fcgi/intake.h"
#include "fcgi-app/door/http/server.h"
#include "fcgi-app/door/line/server.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/endpoints/figures.h"
#include "fcgi-app/endpoints/line/session.h"
#include "fcgi-app/endpoints/ws/serving.h"
#include "fcgi-app/rights/asked.h"
#include "fcgi-app/rights/credential.h"
#include "fcgi-app/rights/revoked.h"
#include "fcgi-app/rights/rights.h"
#include "fcgi-app/start/inherit.h"
#include "fcgi-app/start/listen.h"
#include "fcgi-app/start/processes.h"
#include "fcgi-app/start/reload.h"

#define LEAVE         1.0 /* seconds: what is on its way to a process that leaves is read */
#define DRAIN_MAX     6.0 /* seconds: mod_fcgid kills after 8 */
#define BODY_MESSAGES 4   /* messages of the longest kind that a body of a service may hold */
#define SPARE_FILES   128 /* descriptors that waiters leave for everything else */

struct program {
    struct app app;
    struct listeners listeners;
    struct stats stats;
    struct connections *connections;
    struct request_taker taker;
    struct http_server *http; /* NULL where no HTTP is served, nor WebSockets */
    struct intake *intake;    /* NULL where no FastCGI is served */
    struct line_server *feed; /* NULL where no lines are served, as what serves them */
    struct line_serving *lines;
    struct line_taker line_taker;
    bool once; /* plain CGI: over after one request */
    bool draining;
    int result; /* that the process ends with */
    struct program_signals signals;
    bool reloads;           /* at HUP */
    struct ev_signal leave; /* in one of several processes */
    struct ev_timer last_orders;
    struct reload *reload; /* NULL where it is for the parent, or the web server */
    struct ev_timer drain_deadline;
    struct ev_prepare done;
};

/* Nobody new comes in, and each connection ends with its next answer. */
static void close_doors(struct program *program) {
    if (program->intake != NULL)
        intake_close(program->intake);
    if (program->http != NULL)
        http_server_close(program->http);
    if (program->feed != NULL)
        line_server_close(program->feed);
}

static void drain(struct program *program) {
    struct ev_loop *loop = program->app.loop;

    program->draining = true;
    ev_timer_start(loop, &program->drain_deadline);
    /* first the paths: a successor may bind them while this process finishes its work */
    listeners_remove(&program->listeners);
    hub_drain(program->app.hub);
    close_doors(program);
    connections_drain(program->connections);
    if (program->http != NULL)
        ws_serving_end(program->app.serving);
    if (program->feed != NULL)
        line_serving_end(program->lines);
}

static void on_signal(struct ev_loop *loop, struct ev_signal *signal, int events) {
    struct program *program = signal->data;
    (void)loop, (void)events;

    if (program->draining)
        return;
    log_info("drain", "signal=%d waiters=%llu", signal->signum,
             (unsigned long long)program->stats.waiters);
    drain(program);
}

static void on_last_orders(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct program *program = timer->data;
    (void)loop, (void)events;
    if (!program->draining)
        drain(program);
}

/*
 * Another process takes over the sockets, and their paths: this one serves what was on its way to
 * it, as ever, and then drains.
 */
static void leave(void *ctx) {
    struct program *program = ctx;

    program->listeners.child = true;
    report_as_copy(program->app.report);
    log_info("drain", "reload waiters=%llu", (unsigned long long)program->stats.waiters);
    close_doors(program);
    ev_timer_start(program->app.loop, &program->last_orders);
}

static void on_leave(struct ev_loop *loop, struct ev_signal *signal, int events) {
    struct program *program = signal->data;
    (void)events;
    ev_signal_stop(loop, signal);
    leave(program);
}

static void on_drain_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct program *program = timer->data;
    (void)events;
    log_warning("drain.unfinished", "clients=%llu", (unsigned long long)program->stats.clients);
    ev_break(loop, EVBREAK_ALL);
}

/* The loop is over when it drains, or served its one request, and nothing is left to do. */
static void on_done(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
    struct program *program = prepare->data;
    (void)events;

    figures_share(&program->app);
    hub_look_around(program->app.hub);
    if (!program->draining && library_exit(hub_library(program->app.hub)) != 0) {
        program->result = library_exit(hub_library(program->app.hub));
        drain(program);
    }
    bool ending = program->draining || program->once;
    if (ending && program->stats.clients == 0 && connections_idle(program->connections) &&
        bayeux_idle(program->app.bayeux))
        ev_break(loop, EVBREAK_ALL);
}

/* As many descriptors as the system allows; a process never holds more than there are. */
static void limit_by_descriptors(struct config *config) {
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    long room = (long)files.rlim_cur - SPARE_FILES;
    room = room > 1 ? room : 1;
    config->room = (int)(room < INT_MAX ? room : INT_MAX);
    if (config->max_connections == 0 || room < config->max_connections)
        config->max_connections = config->room;
}

/* The longest body that any channel, or a service, accepts; posted parameters fit too. */
static size_t longest_body(const struct config *config) {
    size_t longest = (size_t)config_longest_message(config);

    if (config->service_count > 0)
        longest *= BODY_MESSAGES;
    for (size_t i = 0; i < config->service_count; i++) {
        if (longest < (size_t)config->services[i].max_payload)
            longest = (size_t)config->services[i].max_payload;
    }
    return longest > REQUEST_FORM_MAX ? longest : REQUEST_FORM_MAX;
}

/*
 * Each request wakes this process up. It shall not take the processor from the web server's
 * in the midst of handing over others: they are read together, in a tenth of the switches.
 * The price is paid where other programs fill every processor: a poll then takes 1 to 3 ms
 * instead of 0.2. Who has set another policy keeps it.
 */
static void wait_for_company(const struct config *config) {
    const struct sched_param none = {0};

    if (config->batch_scheduling && sched_getscheduler(0) == SCHED_OTHER)
        (void)sched_setscheduler(0, SCHED_BATCH, &none);
}

static void start_watching(struct program *program, struct ev_loop *loop) {
    program_watch_signals(&program->signals, loop, on_signal, program);
    ev_timer_init(&program->last_orders, on_last_orders, LEAVE, 0);
    program->last_orders.data = program;
    ev_timer_init(&program->drain_deadline, on_drain_deadline, DRAIN_MAX, 0);
    ev_prepare_init(&program->done, on_done);
    ev_set_priority(&program->done, EV_MINPRI); /* after the hub's own */
    program->drain_deadline.data = program->done.data = program;
    ev_prepare_start(loop, &program->done);
}

static int serve_cgi(struct program *program) {
    struct request *request;

    log_info("start", "as=cgi version=%s", HALLEY_VERSION);
    program->once = true;
    if (cgi_read_environment(program->connections->body_max, &program->taker, &request) != ERR_OK) {
        log_error("cgi.request", "the request is not whole");
        return EX_DATAERR;
    }
    program->stats.requests++;
    struct client *client =
        client_cgi_new(program->connections, STDOUT_FILENO, strcmp(request->method, "HEAD") == 0);
    app_take(&program->app, request, client);
    ev_run(program->app.loop, 0);
    return program->result;
}

/* Serves until it is told to stop; process `number` of several, or 0. */
static int serve_on(struct program *program, int number) {
    const struct config *config = program->app.config;
    const struct listeners *listeners = &program->listeners;
    char address[LISTEN_ADDRESS];

    listeners_address(listeners, number, address);
    log_info("start",
             "as=%s address=\"%s\" http=\"%s\" feed=\"%s\" class=\"%s\" max_waiters=%d "
             "descriptors_for=%d version=%s",
             listeners->inherited    ? "inherited"
             : config->listen[0]     ? "fcgi-listening"
             : listeners->count != 0 ? "fcgi-spawned"
             : config->http[0] != 0  ? "http"
                                     : "feed",
             address, config->http, config->feed, config->class, config->max_waiters, config->room,
             HALLEY_VERSION);
    program->app.report = report_new(program->app.loop, hub_commands(program->app.hub), "fcgi",
                                     status_report, &program->app);
    if (program->reloads && !listeners->child)
        program->reload = reload_new(program->app.loop, &program->listeners, leave, program);
    if (listeners->child)
        processes_watch_leaving(&program->leave, program->app.loop, on_leave, program);
    if (listeners->count != 0)
        program->intake =
            intake_new(program->connections, listeners->fcgi[0].fd, config, &program->taker);
    ev_run(program->app.loop, 0);
    log_info("stop", "requests=%llu", (unsigned long long)program->stats.requests);
    return program->result;
}

/* Whether a program can do without an address that it could not have. */
static bool does_without(const struct listeners *listeners, bool spawned, const char *problem) {
    log_line(spawned ? LOG_WARNING : LOG_ERROR, "listen", "%s", problem);
    if (!spawned)
        listeners_remove(listeners);
    return spawned;
}

/*
 * Opens what the configuration names. Where several programs are spawned with the
 * same command line only the first can have the address of HTTP, or of the line feed; the
 * others do without.
 */
static bool open_listeners(struct listeners *listeners, const struct config *config, bool spawned,
                           int processes) {
    char problem[LISTEN_PROBLEM];

    if (listeners_open(listeners, config->listen_mode, processes, problem) != ERR_OK) {
        log_error("listen", "%s", problem);
        return false;
    }
    if (listeners_open_http(listeners, config->listen_mode, problem) != ERR_OK &&
        !does_without(listeners, spawned, problem))
        return false;
    if (listeners_open_feed(listeners, config->listen_mode, problem) != ERR_OK &&
        !does_without(listeners, spawned, problem))
        return false;
    if (spawned)
        listeners->fcgi[listeners->count++].fd = STDIN_FILENO;
    return true;
}

/* How many processes serve. Where the web server counts them itself, this is one of those. */
static int count_processes(const struct config *config, bool cgi, bool spawned) {
    bool managed = cgi || (spawned && config->class[0] != '\0');

    if (!managed || config->processes == 1)
        return config->processes;
    log_info("processes.ignored", "processes=%d: the web server starts %s by itself",
             config->processes, cgi ? "a CGI program for each request" : "processes of a class");
    return 1;
}

/* The carriers whose sessions are in Redis. */
static void serve_sessions(struct app *app) {
    app->sockjs = sockjs_new(app);
    app->engineio = engineio_new(app);
    app->bayeux = bayeux_new(app);
}

/* The site is asked only where some section says so. NULL: nowhere. */
static struct asker *ask_site(struct app *app) {
    if (!rights_asks(app->config))
        return NULL;
    struct asker *asker = asker_new(app->loop, app->config, app->stats);
    credentials_ask(app->credentials, asker);
    return asker;
}

static void serve_http(struct program *program) {
    program->http = http_server_new(program->connections, program->listeners.http.fd,
                                    program->app.config, &program->taker);
    program->app.serving = ws_serving_new(&program->app);
}

static void serve_feed(struct program *program) {
    program->lines = line_serving_new(&program->app);
    program->line_taker = line_serving_taker(program->lines);
    program->feed = line_server_new(program->connections, program->listeners.feed.fd,
                                    program->app.config, &program->line_taker);
}

static int serve_alone(struct program *program, struct config *config, bool cgi, int number) {
    char problem[CONFIG_PROBLEM];
    int result;

    if (cgi_init() != ERR_OK) {
        log_error("start", "libfcgi does not start");
        return EX_SOFTWARE;
    }
    struct credentials *credentials = credentials_new(config, problem);
    if (credentials == NULL) {
        log_error("configuration", "%s", problem);
        return EX_CONFIG;
    }
    struct ev_loop *loop = ev_default_loop(0);
    program->app = (struct app){.config = config,
                                .loop = loop,
                                .stats = &program->stats,
                                .credentials = credentials,
                                .started = ev_time()};
    program->taker = (struct request_taker){app_take, app_wants, &program->app};
    program->app.hub = hub_new(loop, config, &program->stats);
    struct revoked *revoked = hub_revoked(program->app.hub);
    credentials_heed(credentials, revoked);
    struct asker *asker = ask_site(&program->app);
    if (config->counts[0] != '\0')
        capacity_join(hub_capacity(program->app.hub), ev_now(loop));
    program->connections = connections_new(loop, &program->stats, longest_body(config));
    start_watching(program, loop);
    wait_for_company(config);
    if (config->service_count > 0)
        serve_sessions(&program->app);
    if (program->listeners.http.fd >= 0)
        serve_http(program);
    if (program->listeners.feed.fd >= 0)
        serve_feed(program);
    result = cgi ? serve_cgi(program) : serve_on(program, number);
    asker_end(asker);
    figures_share(&program->app);
    reload_free(program->reload);
    report_free(program->app.report);
    ws_serving_free(program->app.serving);
    hub_free(program->app.hub);
    line_serving_free(program->lines);
    sockjs_free(program->app.sockjs);
    engineio_free(program->app.engineio);
    bayeux_free_all(program->app.bayeux);
    app_forget(&program->app);
    credentials_free(program->app.credentials);
    asker_free(asker);
    connections_free(program->connections);
    intake_free(program->intake);
    http_server_free(program->http);
    line_server_free(program->feed);
    revoked_free(revoked);
    ev_loop_destroy(loop);
    return result;
}

/* In the parent of several processes: the paths first, as a successor may bind them now. */
static void let_go(void *ctx) {
    listeners_remove(ctx);
    listeners_close(ctx);
}

static int serve(struct config *config) {
    static struct program storage; /* there is one */
    struct program *program = &storage;
    int number = 0, result;
    char problem[LISTEN_PROBLEM];

    listeners_init(&program->listeners, config->listen, config->http, config->feed);
    if (inherit_sockets(&program->listeners, config->processes, problem) != ERR_OK) {
        log_error("listen", "%s", problem);
        return EX_OSERR;
    }
    bool listens = config->listen[0] != '\0' || program->listeners.inherited;
    bool cgi = !listens && cgi_is_plain();
    bool spawned = !listens && !cgi;

    if (cgi && (config->http[0] != '\0' || config->feed[0] != '\0'))
        cgi = false; /* nothing but HTTP, or the line feed */
    int processes = count_processes(config, cgi, spawned);
    if (!open_listeners(&program->listeners, config, spawned, processes))
        return EX_OSERR;
    limit_by_descriptors(config);
    program->reloads = !spawned && processes == 1;
    if (processes > 1) {
        number = processes_start(processes, let_go, &program->listeners,
                                 spawned ? NULL : &program->listeners, &result);
        if (number < 0)
            return result;
        listeners_choose(&program->listeners, number);
        program_seed();
    }
    return serve_alone(program, config, cgi, number);
}

static bool check(const struct config *config, char problem[CONFIG_PROBLEM]) {
    if (rights_asks(config) && !asker_can()) {
        snprintf(problem, CONFIG_PROBLEM, "authorize: needs libcurl (the package libcurl4)");
        return false;
    }
    return services_check(config, problem) && credentials_check(config, problem);
}

/* What a section says of a channel, and what somebody may there. */
static int explain(const struct config *config, const struct config_command *command) {
    const char *user = command->user != NULL ? command->user : "";
    const char *groups = command->groups != NULL ? command->groups : "";
    bool somebody = command->user != NULL || command->groups != NULL;

    if (!channel_valid(command->channel, strlen(command->channel)) ||
        (command->user != NULL && !identity_names(user, strlen(user)))) {
        log_error("configuration", "-n: that is no channel's name, or -u no user's");
        return EX_USAGE;
    }
    struct identity *who = somebody ? identity_new(user, groups) : NULL;
    rights_print(config, who, command->channel, stdout);
    identity_free(who);
    return 0;
}

int main(int argc, char **argv) {
    return program_run("halley.fcgi", argc, argv, check, explain, serve);
}
