/*
 * Somebody who keeps hold of a client while the hub holds it in a waiter: a
 * WebSocket session. It must live as long as the client.
 */
#ifndef HALLEY_HOLDER_H
#define HALLEY_HOLDER_H

struct waiter;

struct hub_holder {
    struct waiter *waiter; /* what holds the client now; NULL when that is over */
    /* the waiter knows where it stands; called from inside the hub: only note it */
    void (*begun)(struct hub_holder *holder);
};

#endif
