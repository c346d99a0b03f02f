/*
 * The queue of large requests, and the threads: at most READERS at a time. A thread
 * has its connection's descriptor to itself, blocking under a timeout, and hands
 * what it read back through the one locked list; the loop is woken and goes on.
 */
#include "fcgi-app/readers.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/collections.h"
#include "core/mem.h"

enum { READERS = 8, READER_STACK = 256 * 1024 };

/* A large request, from the queue to its end. */
struct reading {
    struct readers *readers;
    struct connection *connection; /* the loop's */
    int fd;                        /* the connection's, the thread's while it reads */
    struct request *request;       /* what the thread read, or NULL */
    struct reading *prev, *next;
};

struct readers {
    struct connections *all;
    size_t body_max;
    int timeout;
    void (*done)(void *ctx, struct connection *connection, struct request *request);
    void *ctx;
    struct reading *queue;
    unsigned at_work;
    struct ev_async read_done;
    struct {
        pthread_mutex_t lock; /* guards `done`, and nothing else */
        struct reading *done; /* read by threads, not yet taken by the loop; linked by `next` */
    } shared;
};

static void *read_large(void *data) {
    struct reading *reading = data;
    struct readers *readers = reading->readers;

    if (request_read(reading->fd, readers->body_max, &reading->request) != ERR_OK)
        reading->request = NULL;
    pthread_mutex_lock(&readers->shared.lock);
    LL_PREPEND(readers->shared.done, reading);
    pthread_mutex_unlock(&readers->shared.lock);
    ev_async_send(readers->all->loop, &readers->read_done);
    return NULL;
}

static bool start_thread(struct reading *reading) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, READER_STACK);
    sigfillset(&all); /* the loop takes all signals */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attributes, read_large, reading);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed == 0;
}

static void set_blocking(int fd, bool blocking) {
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* Gives the descriptor to a thread, blocking from now on but never longer than the timeout. */
static void start(struct readers *readers, struct reading *reading) {
    struct connection *connection = reading->connection;
    struct timeval timeout = {.tv_sec = readers->timeout};

    DL_DELETE(readers->queue, reading);
    connection_set_state(connection, CONNECTION_READING);
    set_blocking(connection->fd, true);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    reading->fd = connection->fd;
    readers->at_work++;
    readers->all->stats->requests_large++;
    if (start_thread(reading))
        return;
    readers->at_work--;
    readers->all->stats->requests_broken++;
    connection_close(connection);
    free(reading);
}

static void start_next(struct readers *readers) {
    while (readers->queue != NULL && readers->at_work < READERS)
        start(readers, readers->queue);
}

void readers_take(struct readers *readers, struct connection *connection) {
    struct reading *reading = mem_new(sizeof *reading);
    *reading = (struct reading){.readers = readers, .connection = connection};
    DL_APPEND(readers->queue, reading);
    start_next(readers);
}

void readers_forget(struct readers *readers, struct connection *connection) {
    struct reading *reading, *next;
    DL_FOREACH_SAFE (readers->queue, reading, next) {
        if (reading->connection == connection) {
            DL_DELETE(readers->queue, reading);
            free(reading);
        }
    }
}

static void take_back(struct readers *readers, struct reading *reading) {
    struct connection *connection = reading->connection;

    readers->at_work--;
    if (reading->request != NULL) {
        set_blocking(connection->fd, false);
        readers->done(readers->ctx, connection, reading->request);
    } else {
        readers->all->stats->requests_broken++;
        connection->fd = -1; /* libfcgi has closed it */
        connection_close(connection);
    }
    free(reading);
}

static void on_read_done(struct ev_loop *loop, struct ev_async *async, int events) {
    struct readers *readers = async->data;
    struct reading *done, *reading, *next;
    (void)loop, (void)events;

    pthread_mutex_lock(&readers->shared.lock);
    done = readers->shared.done;
    readers->shared.done = NULL;
    pthread_mutex_unlock(&readers->shared.lock);
    LL_FOREACH_SAFE (done, reading, next) {
        take_back(readers, reading);
    }
    start_next(readers);
}

bool readers_idle(const struct readers *readers) {
    return readers->at_work == 0;
}

struct readers *readers_new(struct connections *all, size_t body_max, int timeout,
                            void (*done)(void *ctx, struct connection *connection,
                                         struct request *request),
                            void *ctx) {
    struct readers *readers = mem_new(sizeof *readers);
    readers->all = all;
    readers->body_max = body_max;
    readers->timeout = timeout;
    readers->done = done;
    readers->ctx = ctx;
    pthread_mutex_init(&readers->shared.lock, NULL);
    ev_async_init(&readers->read_done, on_read_done);
    readers->read_done.data = readers;
    ev_async_start(all->loop, &readers->read_done);
    return readers;
}

void readers_free(struct readers *readers) {
    struct reading *reading, *next;

    if (readers == NULL)
        return;
    ev_async_stop(readers->all->loop, &readers->read_done);
    DL_FOREACH_SAFE (readers->queue, reading, next) {
        free(reading);
    }
    if (readers->at_work == 0) /* a thread that still reads ends with the process */
        free(readers);
}
