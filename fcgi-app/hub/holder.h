/*
 * Somebody who keeps hold of a client while the hub holds it in a waiter: a
 * WebSocket session. It must live as long as the client.
 */
#ifndef HALLEY_HOLDER_H
#define HALLEY_HOLDER_H

struct batch;
struct hub_places;
struct speech;
struct waiter;

struct hub_holder {
    struct waiter *waiter; /* what holds the client now; NULL when that is over */
    /* what is said to the client, for its transport, which it outlives; NULL: nothing of its own */
    const struct speech *speech;
    /* the waiter knows where it stands; called from inside the hub: only note it */
    void (*begun)(struct hub_holder *holder);
    /* where a stream's waiter begins, before any message, and the batch that it is sent first, if
     * there is one; likewise. NULL: nobody wants to know */
    void (*placed)(struct hub_holder *holder, const struct batch *start, const struct batch *first);
    /*
     * NULL: the hub answers. Else the waiter is over, its client and `places` are the holder's:
     * of a wait, with the batch that it is to be answered with (borrowed); of a stream whose
     * time is over, with NULL.
     */
    void (*taken)(struct hub_holder *holder, struct batch *batch, struct hub_places *places);
};

#endif
