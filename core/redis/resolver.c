/*
 * A look-up is shared by the resolver that began it and the thread that waits for the
 * C library; its lock guards what both touch. When the thread is done it wakes the loop up,
 * which takes the answer and frees the look-up; where nobody waits any more the thread frees
 * it itself. So a name server that never answers costs a thread for each name, until it does,
 * and nobody has to wait for that thread, not even the end of the program.
 */
#include "core/redis/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/collections.h"
#include "core/base/mem.h"

enum {
    STACK = 512 * 1024, /* the C library keeps answers of 64 KB on it */
    ADDRESS_TEXT = 64,  /* IPv6 with the name of an interface */
    WHY = 128
};

struct answer {
    size_t count; /* 0: there is none */
    char addresses[RESOLVER_ADDRESSES][ADDRESS_TEXT];
    char why[WHY]; /* there is none; else "" */
};

struct lookup {
    struct lookup *prev, *next; /* the loop's */
    char *host;                 /* never changes */
    struct {
        pthread_mutex_t lock;
        struct resolver *resolver; /* NULL: it is gone */
        bool done;                 /* `answer` is there, and the thread is not */
        struct answer answer;
    } shared;
};

struct resolver {
    struct ev_loop *loop;
    resolver_fn *answered;
    void *ctx;
    struct lookup *lookups;
    size_t running;
    char *wanted;      /* the host that was asked for; NULL: none */
    struct answer now; /* to `wanted`, where no thread was needed; later the last one */
    bool at_once;      /* `now` answers `wanted` */
    size_t turn, left; /* of its addresses: the one that is used, those not given yet */
    struct ev_async wake;
};

/* ------------------------------------------------------------------ looking up */

static void take_addresses(const struct addrinfo *found, int family, struct answer *out) {
    for (; found != NULL && out->count < RESOLVER_ADDRESSES; found = found->ai_next) {
        if (found->ai_family == family &&
            getnameinfo(found->ai_addr, found->ai_addrlen, out->addresses[out->count], ADDRESS_TEXT,
                        NULL, 0, NI_NUMERICHOST) == 0)
            out->count++;
    }
}

/* Asks the C library; with AI_NUMERICHOST among `flags` it asks nobody else. */
static bool look_up(const char *host, int flags, struct answer *out) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *found = NULL;
    int failed = getaddrinfo(host, NULL, &hints, &found);

    *out = (struct answer){0};
    if (failed != 0) {
        snprintf(out->why, sizeof out->why, "%s",
                 failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
        return false;
    }
    take_addresses(found, AF_INET, out);
    take_addresses(found, AF_INET6, out);
    freeaddrinfo(found);
    if (out->count == 0)
        snprintf(out->why, sizeof out->why, "no address");
    return out->count > 0;
}

static void lookup_free(struct lookup *lookup) {
    pthread_mutex_destroy(&lookup->shared.lock);
    free(lookup->host);
    free(lookup);
}

static void *run(void *arg) {
    struct lookup *lookup = arg;
    struct answer answer;

    (void)look_up(lookup->host, 0, &answer);
    pthread_mutex_lock(&lookup->shared.lock);
    struct resolver *resolver = lookup->shared.resolver;
    lookup->shared.answer = answer;
    lookup->shared.done = true;
    if (resolver != NULL)
        ev_async_send(resolver->loop, &resolver->wake);
    pthread_mutex_unlock(&lookup->shared.lock);
    if (resolver == NULL)
        lookup_free(lookup);
    return NULL;
}

/* 0, or an error of the system. Signals are the business of other threads. */
static int start_thread(struct lookup *lookup) {
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attributes, run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed;
}

/* ------------------------------------------------------------ asking and answering */

static void answer_at_once(struct resolver *resolver) {
    resolver->at_once = true;
    ev_async_send(resolver->loop, &resolver->wake);
}

static void refuse(struct resolver *resolver, const char *why) {
    resolver->now = (struct answer){0};
    snprintf(resolver->now.why, WHY, "%s", why);
    answer_at_once(resolver);
}

static void begin(struct resolver *resolver, const char *host) {
    struct lookup *lookup;

    if (resolver->running == RESOLVER_NAMES) {
        refuse(resolver, "too many other names are being looked up");
        return;
    }
    lookup = mem_new(sizeof *lookup);
    lookup->host = mem_string(host);
    lookup->shared.resolver = resolver;
    pthread_mutex_init(&lookup->shared.lock, NULL);
    int failed = start_thread(lookup);
    if (failed != 0) {
        lookup_free(lookup);
        refuse(resolver, strerror(failed));
        return;
    }
    DL_APPEND(resolver->lookups, lookup);
    resolver->running++;
}

/* Takes the answer of a look-up that is done, and frees it. */
static bool finish(struct resolver *resolver, struct lookup *lookup, struct answer *out) {
    pthread_mutex_lock(&lookup->shared.lock);
    bool done = lookup->shared.done;
    *out = lookup->shared.answer;
    pthread_mutex_unlock(&lookup->shared.lock);
    if (!done)
        return false;
    DL_DELETE(resolver->lookups, lookup);
    resolver->running--;
    return true;
}

static const char *current(const struct resolver *resolver) {
    return resolver->now.addresses[resolver->turn % resolver->now.count];
}

static void give(struct resolver *resolver) {
    const struct answer *answer = &resolver->now;

    resolver_forget(resolver);
    resolver->left = answer->count > 0 ? answer->count - 1 : 0;
    resolver->answered(resolver->ctx, answer->count > 0 ? current(resolver) : NULL, answer->why);
}

const char *resolver_next(struct resolver *resolver) {
    resolver->turn++;
    if (resolver->left == 0)
        return NULL;
    resolver->left--;
    return current(resolver);
}

/* An answer that nobody waits for any more is dropped: it may be old by the time it is wanted. */
static void on_wake(struct ev_loop *loop, struct ev_async *async, int events) {
    struct resolver *resolver = async->data;
    struct lookup *lookup, *next;
    struct answer answer;
    bool any = resolver->at_once;
    (void)loop, (void)events;

    DL_FOREACH_SAFE (resolver->lookups, lookup, next) {
        if (!finish(resolver, lookup, &answer))
            continue;
        if (resolver->wanted != NULL && strcmp(resolver->wanted, lookup->host) == 0) {
            resolver->now = answer;
            any = true;
        }
        lookup_free(lookup);
    }
    if (any && resolver->wanted != NULL)
        give(resolver);
}

void resolver_ask(struct resolver *resolver, const char *host) {
    struct lookup *lookup;

    resolver_forget(resolver);
    resolver->left = 0;
    resolver->wanted = mem_string(host);
    if (look_up(host, AI_NUMERICHOST, &resolver->now)) {
        answer_at_once(resolver);
        return;
    }
    DL_FOREACH (resolver->lookups, lookup) {
        if (strcmp(lookup->host, host) == 0)
            return;
    }
    begin(resolver, host);
}

void resolver_forget(struct resolver *resolver) {
    free(resolver->wanted);
    resolver->wanted = NULL;
    resolver->at_once = false;
}

/* ------------------------------------------------------------------------- life */

struct resolver *resolver_new(struct ev_loop *loop, resolver_fn *answered, void *ctx) {
    struct resolver *resolver = mem_new(sizeof *resolver);

    resolver->loop = loop;
    resolver->answered = answered;
    resolver->ctx = ctx;
    ev_async_init(&resolver->wake, on_wake);
    resolver->wake.data = resolver;
    ev_async_start(loop, &resolver->wake);
    return resolver;
}

static void leave(struct lookup *lookup) {
    pthread_mutex_lock(&lookup->shared.lock);
    bool done = lookup->shared.done;
    lookup->shared.resolver = NULL;
    pthread_mutex_unlock(&lookup->shared.lock);
    if (done)
        lookup_free(lookup);
}

void resolver_free(struct resolver *resolver) {
    struct lookup *lookup, *next;

    if (resolver == NULL)
        return;
    DL_FOREACH_SAFE (resolver->lookups, lookup, next) {
        leave(lookup);
    }
    ev_async_stop(resolver->loop, &resolver->wake);
    resolver_forget(resolver);
    free(resolver);
}
