/*
 * The second door of halley.fcgi: `-w ADDRESS`. Each connection is read until its
 * handshake is whole, at most request_timeout seconds; then it becomes a session,
 * or is answered with a problem over plain HTTP and closed.
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
#include "fcgi-app/door/ws/opening.h"
#include "fcgi-app/endpoints/ws/serving.h"

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

static void look(struct caller *caller) {
    struct app *app = caller->listener->app;
    struct request *request = NULL;
    struct problem problem;
    size_t used;

    enum opening_state state =
        opening_parse(caller->in.data, caller->in.len, &used, &request, &problem);
    if (state == OPENING_PARTIAL)
        return;
    if (state == OPENING_WHOLE &&
        ws_serve(app, request, caller->fd,
                 &(struct part){caller->in.data + used, caller->in.len - used}, &problem))
        caller_free(caller);
    else
        refuse(caller, &problem);
    request_free(request);
}

static void on_bytes(struct ev_loop *loop, struct ev_io *io, int events) {
    struct caller *caller = io->data;
    size_t room = OPENING_MAX - caller->in.len;
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
    caller->in = buf_make(OPENING_MAX);
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

struct ws_listener *ws_listener_new(struct app *app, int fd) {
    struct ws_listener *listener = mem_new(sizeof *listener);

    listener->app = app;
    listener->acceptor = acceptor_new(app->loop, app->stats, fd, &calls, listener);
    return listener;
}

void ws_listener_close(struct ws_listener *listener) {
    struct caller *caller, *next;

    if (listener->acceptor == NULL)
        return;
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
