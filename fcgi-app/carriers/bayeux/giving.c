/*
 * Giving back a session that was kept in memory: what is known of it is written down, which lets go
 * of it in one. Whoever kept it is gone by then, so this goes on by itself until it is done; a
 * process that ends waits for it (main.c).
 */
#include <stdlib.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "fcgi-app/carriers/bayeux/_bayeux.h"
#include "fcgi-app/carriers/bayeux/kept.h"

/* Redis being away it is tried so often, each so many seconds: then it has lost the session, or
 * goes on with what it was told last. */
enum { TRIES = 30 };
#define AFTER 1.0

struct giving {
    struct giving *prev, *next;
    struct bayeux *bayeux;
    char id[SESSION_ID_TEXT];
    uint64_t number, version;
    unsigned ttl;
    struct kept kept;
    unsigned tries;
    struct ev_timer later;
};

static void giving_free(struct giving *giving) {
    ev_timer_stop(giving->bayeux->app->loop, &giving->later);
    DL_DELETE(giving->bayeux->givings, giving);
    kept_free(&giving->kept);
    free(giving);
}

static void put_off(struct giving *giving) {
    if (++giving->tries < TRIES)
        ev_timer_start(giving->bayeux->app->loop, &giving->later);
    else
        giving_free(giving);
}

static void tell(struct giving *giving);

static void on_written(void *ctx, const struct session_view *view) {
    struct giving *giving = ctx;

    if (view->err == ERR_REDIS) {
        put_off(giving);
    } else if (view->err == ERR_OK && view->status == SESSION_CHANGED) {
        giving->version = view->version;
        kept_follow(&giving->kept, view->cursor);
        tell(giving);
    } else {
        if (view->err != ERR_OK) /* it goes on with what it was told last */
            session_release(hub_sessions(giving->bayeux->app->hub), giving->id, giving->number,
                            giving->ttl, NULL, NULL);
        giving_free(giving); /* it is done, or nobody's any more */
    }
}

static void tell(struct giving *giving) {
    const struct session_write wanted = {.number = giving->number,
                                         .version = giving->version,
                                         .keeping = SESSION_DONE,
                                         .ttl = giving->ttl};
    struct sessions *sessions = hub_sessions(giving->bayeux->app->hub);

    if (kept_tell(&giving->kept, sessions, giving->id, &wanted, on_written, giving) != ERR_OK)
        put_off(giving);
}

static void on_later(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    tell(timer->data);
}

void giving_begin(struct bayeux *bayeux, const char *id, uint64_t number, uint64_t version,
                  unsigned ttl, struct kept *kept) {
    struct giving *giving = mem_new(sizeof *giving);

    *giving = (struct giving){
        .bayeux = bayeux, .number = number, .version = version, .ttl = ttl, .kept = *kept};
    snprintf(giving->id, sizeof giving->id, "%s", id);
    *kept = (struct kept){0};
    ev_timer_init(&giving->later, on_later, AFTER, 0);
    giving->later.data = giving;
    DL_APPEND(bayeux->givings, giving);
    tell(giving);
}

void givings_free(struct bayeux *bayeux) {
    while (bayeux->givings != NULL)
        giving_free(bayeux->givings);
}
