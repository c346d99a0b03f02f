/*
 * The second door of halley.fcgi: `-w ADDRESS`. Each connection is read until its
 * handshake is whole, at most request_timeout seconds; then it becomes a session,
 * or is answered with a problem over plain HTTP and closed.
 *
 * The process that serves WebSockets may be another one than the process that is
 * asked for `info` (under mod_fcgid it always is), so it keeps itself in a list in
 * Redis, which believes it for some seconds, and takes itself out when it stops.
 */
#include "fcgi-app/endpoints/ws/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "fcgi-app/door/accept.h"
#include "fcgi-app/door/ws/handshake.h"
#include "fcgi-app/endpoints/ws/session.h"
#include "fcgi-app/transports/transport.h"

#define SERVED_KEY    "halley.websocket"
#define SERVED_TTL    "16000" /* milliseconds */
#define SERVED_PERIOD 5.0

enum { CALLERS_MAX = 1024 };

struct caller {
    struct ws_listener *listener;
    struct caller *prev, *next;
    int fd;
    struct ev_io io;
    struct ev_timer deadline;
    struct buf in;
};

struct ws_listener {
    struct app *app;
    struct acceptor *acceptor; /* NULL once closed */
    struct ev_timer served;
    struct caller *callers;
    unsigned caller_count;
};

static void caller_free(struct caller *caller) {
    struct ws_listener *listener = caller->listener;
    ev_io_stop(listener->app->loop, &caller->io);
    ev_timer_stop(listener->app->loop, &caller->deadline);
    DL_DELETE(listener->callers, caller);
    listener->caller_count--;
    listener->app->stats->clients--;
    buf_free(&caller->in);
    free(caller);
}

static void hang_up(struct caller *caller) {
    close(caller->fd);
    caller_free(caller);
}

/* A problem, as an HTTP/1.1 answer. */
static void refuse(struct caller *caller, const struct problem *problem) {
    struct buf fields = buf_make(1024), body = buf_make(4096), http = buf_make(8192);
    struct buf lines = buf_make(0);
    struct stats *stats = caller->listener->app->stats;
    char length[HEAD_LENGTH_LINE];

    stats->answers_4xx += problem->status < 500;
    stats->answers_503 += problem->status == 503;
    problem_put(problem, &body);
    buf_char(&body, '\n');
    const struct head head = problem_head(problem, body.len, &fields);
    const struct part first = head_lines(&head, HEAD_HTTP, &lines);
    buf_add(&http, first.data, first.len);
    buf_text(&http,
             problem->upgrade != NULL ? "Connection: Upgrade, close\r\n" : "Connection: close\r\n");
    buf_add(&http, length, head_length_line(&head, length));
    buf_text(&http, "\r\n");
    buf_add(&http, body.data, body.len);
    buf_free(&lines);
    if (send(caller->fd, http.data, http.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        stats->bytes_out += http.len;
    buf_free(&fields);
    buf_free(&body);
    buf_free(&http);
    hang_up(caller);
}

static bool parse_query(struct app *app, struct request *request, struct problem *problem) {
    size_t len = strlen(request->query);

    request_mount(request, app->config->mount);
    if (strcmp(request->endpoint, "ws") != 0)
        app_no_endpoint(app, request, problem);
    else if (len > REQUEST_QUERY_MAX)
        problem_set(problem, 413, "query: the most is %d bytes", REQUEST_QUERY_MAX);
    else if (params_parse(&request->params, request->query, len) != ERR_OK)
        problem_set(problem, 400, "query: %% must be followed by two hexadecimal digits");
    return problem->status == 0;
}

static void upgrade(struct caller *caller, struct request *request, const struct buf *accept,
                    size_t used) {
    struct app *app = caller->listener->app;
    struct buf hello = buf_make(1024);
    struct problem problem = {0};

    buf_printf(&hello,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
               accept->data);
    app->stats->requests++;
    bool begun =
        parse_query(app, request, &problem) &&
        session_begin(app, request, caller->fd, &(struct part){hello.data, hello.len},
                      &(struct part){caller->in.data + used, caller->in.len - used}, &problem);
    if (begun)
        caller_free(caller);
    else
        refuse(caller, &problem);
    buf_free(&hello);
}

static void look(struct caller *caller) {
    struct app *app = caller->listener->app;
    struct request *request = NULL;
    struct buf accept = buf_make(64);
    struct problem problem;
    size_t used;

    switch (handshake_parse(caller->in.data, caller->in.len, app->config->origins, &used, &request,
                            &accept, &problem)) {
    case HANDSHAKE_PARTIAL:
        break;
    case HANDSHAKE_BAD:
        refuse(caller, &problem);
        break;
    case HANDSHAKE_WHOLE:
        upgrade(caller, request, &accept, used);
        break;
    }
    request_free(request);
    buf_free(&accept);
}

static void on_bytes(struct ev_loop *loop, struct ev_io *io, int events) {
    struct caller *caller = io->data;
    size_t room = HANDSHAKE_MAX - caller->in.len;
    (void)loop, (void)events;

    char *to = buf_reserve(&caller->in, room);
    ssize_t n = recv(caller->fd, to, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        caller->listener->app->stats->requests_broken++;
        hang_up(caller);
        return;
    }
    caller->in.len += (size_t)n;
    caller->listener->app->stats->bytes_in += (uint64_t)n;
    look(caller);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct caller *caller = timer->data;
    (void)loop, (void)events;
    caller->listener->app->stats->requests_broken++;
    hang_up(caller);
}

static struct caller *caller_new(struct ws_listener *listener, int fd) {
    struct app *app = listener->app;
    struct caller *caller = mem_new(sizeof *caller);

    caller->listener = listener;
    caller->fd = fd;
    caller->in = buf_make(HANDSHAKE_MAX);
    ev_io_init(&caller->io, on_bytes, fd, EV_READ);
    ev_timer_init(&caller->deadline, on_deadline, app->config->request_timeout, 0);
    caller->io.data = caller->deadline.data = caller;
    DL_APPEND(listener->callers, caller);
    listener->caller_count++;
    app->stats->clients++;
    return caller;
}

static void greet(void *ctx, int fd) {
    struct ws_listener *listener = ctx;
    struct caller *caller = caller_new(listener, fd);
    struct app *app = listener->app;
    struct problem problem;

    if (listener->caller_count > CALLERS_MAX) {
        problem_later(&problem, 503, 2, "at most %d handshakes may be under way", CALLERS_MAX);
        refuse(caller, &problem);
        return;
    }
    ev_io_start(app->loop, &caller->io);
    ev_timer_start(app->loop, &caller->deadline);
}

static void refuse_for_want_of_descriptors(void *ctx, int fd) {
    struct problem problem;
    problem_later(&problem, 503, 2, "no descriptor is left for another WebSocket");
    refuse(caller_new(ctx, fd), &problem);
}

static const struct acceptor_calls calls = {.taken = greet,
                                            .refuse = refuse_for_want_of_descriptors};

/* ------------------------------------------------------ telling that we are there */

/* Says that this process serves WebSockets for so many milliseconds; "0": no more. */
static enum err say_served(struct ws_listener *listener, const char *milliseconds) {
    struct app *app = listener->app;
    const char *process = app->report != NULL ? report_id(app->report) : "alone";
    const char *argv[] = {"FCALL", "halley_serve", "1", SERVED_KEY, process, milliseconds};
    const size_t lens[] = {5, 12, 1, strlen(SERVED_KEY), strlen(process), strlen(milliseconds)};

    if (!hub_redis_up(app->hub))
        return ERR_REDIS;
    return redis_command(hub_commands(app->hub), NULL, NULL, 6, argv, lens);
}

static void on_served(struct ev_loop *loop, struct ev_timer *timer, int events) {
    bool said = say_served(timer->data, SERVED_TTL) == ERR_OK;
    (void)events;

    ev_timer_set(timer, said ? SERVED_PERIOD : 0.1, 0);
    ev_timer_start(loop, timer);
}

struct question {
    struct app *app;
    void (*done)(void *ctx, bool served);
    void *ctx;
    bool repeated;
};

static void ask_served(void *ctx, bool up);

static void on_answer(void *ctx, const redis_reply *reply) {
    struct question *question = ctx;
    struct hub *hub = question->app->hub;

    if (library_missing(hub_library(hub), reply) && !question->repeated) {
        question->repeated = true;
        hub_when_up(hub, question->app->config->redis_timeout, ask_served, question);
        return;
    }
    question->done(question->ctx, redis_integer(reply, 0) > 0);
    free(question);
}

static void ask_served(void *ctx, bool up) {
    struct question *question = ctx;
    const char *argv[] = {"FCALL_RO", "halley_serving", "1", SERVED_KEY};
    const size_t lens[] = {8, 14, 1, strlen(SERVED_KEY)};

    if (!up || redis_command(hub_commands(question->app->hub), on_answer, question, 4, argv,
                             lens) != ERR_OK)
        on_answer(question, NULL);
}

void ws_ask(struct app *app, void (*done)(void *ctx, bool served), void *ctx) {
    if (app->listener != NULL) {
        done(ctx, true);
        return;
    }
    struct question *question = mem_new(sizeof *question);
    *question = (struct question){.app = app, .done = done, .ctx = ctx};
    ask_served(question, hub_redis_up(app->hub));
}

struct ws_listener *ws_listener_new(struct app *app, int fd) {
    struct ws_listener *listener = mem_new(sizeof *listener);

    listener->app = app;
    listener->acceptor = acceptor_new(app->loop, app->stats, fd, &calls, listener);
    ev_timer_init(&listener->served, on_served, 0, 0);
    listener->served.data = listener;
    ev_timer_start(app->loop, &listener->served);
    return listener;
}

void ws_listener_close(struct ws_listener *listener) {
    struct caller *caller, *next;

    if (listener->acceptor == NULL)
        return;
    ev_timer_stop(listener->app->loop, &listener->served);
    (void)!say_served(listener, "0"); /* where Redis is away it is not believed for long */
    acceptor_free(listener->acceptor);
    listener->acceptor = NULL;
    DL_FOREACH_SAFE (listener->callers, caller, next) {
        hang_up(caller);
    }
}

void ws_listener_free(struct ws_listener *listener) {
    if (listener == NULL)
        return;
    ws_listener_close(listener);
    free(listener);
}
