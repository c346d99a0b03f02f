/*
 * The wheel has one slot for each tick of a turn (SLOTS ticks, 16 s). An entry
 * stands in the slot of its tick; one that is due in a later turn stays there when
 * the slot comes by. One timer of the loop is set to the next slot that holds
 * anything, so an idle process is not woken.
 */
#include "core/base/wheel.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/mem.h"

enum { SLOTS = 256, WORD = 64, WORDS = SLOTS / WORD };

struct wheel {
    struct ev_loop *loop;
    wheel_fn *fire;
    void *ctx;
    double origin;         /* the loop's clock at tick 0 */
    uint32_t tick;         /* all that was due up to here was fired */
    uint32_t wake;         /* the tick that the timer is set to, while it runs */
    struct ev_timer timer; /* stopped while nothing is set */
    uint64_t used[WORDS];  /* a bit for each slot that may hold something */
    struct ring slots[SLOTS];
};

static void set_timer(struct wheel *wheel, uint32_t tick) {
    double after = wheel->origin + tick * WHEEL_TICK - ev_now(wheel->loop);

    wheel->wake = tick;
    ev_timer_stop(wheel->loop, &wheel->timer);
    ev_timer_set(&wheel->timer, after > 0 ? after : 0, 0);
    ev_timer_start(wheel->loop, &wheel->timer);
}

uint32_t wheel_now(const struct wheel *wheel) {
    double ticks = (ev_now(wheel->loop) - wheel->origin) / WHEEL_TICK;
    return ticks > 0 ? (uint32_t)(ticks + 0.01) : 0; /* a timer may be a hair early */
}

uint32_t wheel_in(const struct wheel *wheel, double seconds) {
    return (uint32_t)ceil((ev_now(wheel->loop) + seconds - wheel->origin) / WHEEL_TICK);
}

/* The first tick after the current one whose slot may hold something; 0: none does. */
static uint32_t next_used(const struct wheel *wheel) {
    for (uint32_t i = 1; i <= SLOTS;) {
        uint32_t slot = (wheel->tick + i) % SLOTS;
        uint64_t rest = wheel->used[slot / WORD] >> (slot % WORD);
        if (rest != 0)
            return wheel->tick + i + (uint32_t)__builtin_ctzll(rest);
        i += WORD - slot % WORD;
    }
    return 0;
}

static void insert(struct wheel *wheel, struct wheel_entry *entry) {
    uint32_t slot = entry->due % SLOTS;
    ring_add(&wheel->slots[slot], &entry->ring);
    wheel->used[slot / WORD] |= (uint64_t)1 << (slot % WORD);
}

void wheel_set(struct wheel *wheel, struct wheel_entry *entry, uint32_t due) {
    if (!ev_is_active(&wheel->timer)) /* it is empty: no need to turn through what has passed */
        wheel->tick = wheel_now(wheel);
    wheel_cancel(entry);
    entry->due = due > wheel->tick ? due : wheel->tick + 1;
    insert(wheel, entry);
    /* one of a later turn has the timer come by its slot in this one, to no harm */
    uint32_t wake = wheel->tick + 1 + (entry->due - wheel->tick - 1) % SLOTS;
    if (!ev_is_active(&wheel->timer) || wake < wheel->wake)
        set_timer(wheel, wake);
}

/* Fires what is due in the slot of one tick; what belongs to a later turn goes back. */
static void fire_slot(struct wheel *wheel, uint32_t tick) {
    uint32_t slot = tick % SLOTS;
    struct ring members;

    wheel->used[slot / WORD] &= ~((uint64_t)1 << (slot % WORD));
    ring_move(&wheel->slots[slot], &members);
    while (!ring_empty(&members)) {
        struct wheel_entry *entry = RING_OF(members.next, struct wheel_entry, ring);
        wheel_cancel(entry);
        if (entry->due > tick)
            insert(wheel, entry);
        else
            wheel->fire(wheel->ctx, entry);
    }
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct wheel *wheel = timer->data;
    uint32_t now = wheel_now(wheel), next;
    (void)loop, (void)events;

    while ((next = next_used(wheel)) != 0 && next <= now) {
        wheel->tick = next;
        fire_slot(wheel, next);
    }
    wheel->tick = now > wheel->tick ? now : wheel->tick;
    if (next != 0)
        set_timer(wheel, next);
}

void wheel_each(struct wheel *wheel, wheel_fn *visit, void *ctx) {
    struct ring members;

    for (int slot = 0; slot < SLOTS; slot++) {
        ring_move(&wheel->slots[slot], &members);
        while (!ring_empty(&members)) {
            struct wheel_entry *entry = RING_OF(members.next, struct wheel_entry, ring);
            wheel_cancel(entry);
            ring_add(&wheel->slots[slot], &entry->ring);
            visit(ctx, entry);
        }
    }
}

struct wheel *wheel_new(struct ev_loop *loop, wheel_fn *fire, void *ctx) {
    struct wheel *wheel = mem_new(sizeof *wheel);
    wheel->loop = loop;
    wheel->fire = fire;
    wheel->ctx = ctx;
    wheel->origin = ev_now(loop);
    ev_init(&wheel->timer, on_timer);
    wheel->timer.data = wheel;
    for (int i = 0; i < SLOTS; i++)
        ring_init(&wheel->slots[i]);
    return wheel;
}

void wheel_free(struct wheel *wheel) {
    if (wheel == NULL)
        return;
    ev_timer_stop(wheel->loop, &wheel->timer);
    free(wheel);
}
