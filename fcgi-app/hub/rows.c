/*
 * Who has a turn when. Waiters that are ready stand in a row for each channel, and
 * before the loop sleeps rows take turns: so that a crowd in one delays nobody in
 * another, nor new requests, for the loop looks round between slices.
 *
 * Polls stand apart until Redis has given its sign of life (turn.c says why).
 */
#include "fcgi-app/hub/rows.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "fcgi-app/hub/deliver.h"
#include "fcgi-app/hub/turn.h"

#define MEMO_KEPT 1.0    /* seconds after which what was collected is forgotten */
#define PULSE_GAP 0.0003 /* seconds between signs of life that several polls share */

enum {
    SLICE = 128,  /* waiters that have their turn in one turn of the loop */
    QUANTUM = 16, /* of them, those of one row before the next row's */
    ENOUGH = 20   /* polls for which a sign of life is asked without waiting for more */
};

/* ------------------------------------------------------------ signs of life of Redis */

void rows_pulsed(struct hub *hub, uint64_t number) {
    tracking_came(hub->tracking, number);
    if (hub->pulse == 0 || number < hub->pulse)
        return; /* one that the connection asked for itself */
    hub->pulse = 0;
    while (!ring_empty(&hub->awaiting)) {
        struct waiter *waiter = RING_OF(hub->awaiting.next, struct waiter, turn);
        ring_remove(&waiter->turn);
        waiter->heard = true;
        deliver_ready(waiter);
    }
}

void rows_forget_pulse(struct hub *hub) {
    while (!ring_empty(&hub->awaiting)) {
        struct ring *first = hub->awaiting.next;
        ring_remove(first);
        ring_add(&hub->unheard, first);
    }
    hub->pulse = 0;
}

static double monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void on_gap(struct ev_loop *loop, struct ev_io *io, int events) {
    struct hub *hub = io->data;
    uint64_t expirations;
    (void)loop, (void)events;

    if (read(io->fd, &expirations, sizeof expirations) > 0)
        hub->gap_set = false; /* before the loop sleeps it is asked */
}

static void set_gap(struct hub *hub, double seconds) {
    const struct itimerspec once = {.it_value = {.tv_nsec = (long)(seconds * 1e9) + 1}};

    if (!hub->gap_set && timerfd_settime(hub->gap.fd, 0, &once, NULL) == 0)
        hub->gap_set = true;
}

/*
 * For those who have come since the last time. One is under way at a time, and where it
 * was for several the next one waits for ENOUGH, but no longer than PULSE_GAP: so under
 * load many polls share one, while a poll by itself does not wait for company.
 */
static void ask_for_pulse(struct hub *hub) {
    if (hub->pulse != 0 || ring_empty(&hub->unheard))
        return;
    double now = monotonic(), left = hub->pulse_asked + PULSE_GAP - now;
    if (hub->awaiting_count > 1 && hub->unheard_count < ENOUGH && left > 0) {
        set_gap(hub, left);
        return;
    }
    hub->pulse = redis_pulse(hub->subscriber);
    if (hub->pulse == 0)
        return;
    tracking_asked(hub->tracking, hub->pulse);
    ring_move(&hub->unheard, &hub->awaiting);
    hub->awaiting_count = hub->unheard_count;
    hub->unheard_count = 0;
    hub->pulse_asked = now;
}

/* ----------------------------------------------------------------------- turns */

/* It looks at all its channels now: what comes next in any of them is to be told to it again. */
static void untell(struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++)
        feed_row(waiter->subs[i].feed)->told = false;
}

/* Gives the waiters of one row a few turns; says how many. */
static int serve_row(struct feed_row *row) {
    int served = 0;

    while (!ring_empty(&row->ready) && served < QUANTUM) {
        struct waiter *waiter = RING_OF(row->ready.next, struct waiter, turn);
        ring_remove(&waiter->turn);
        untell(waiter);
        turn_take(waiter);
        served++;
    }
    return served;
}

/*
 * Some of those who are ready, row by row: who waits on a quiet channel is not behind
 * all those who wait on a busy one. What is left follows when the loop has looked round.
 */
static void serve(struct hub *hub) {
    for (int served = 0; served < SLICE && !ring_empty(&hub->rows);) {
        struct feed_row *row = RING_OF(hub->rows.next, struct feed_row, turn);
        ring_remove(&row->turn);
        served += serve_row(row);
        if (!ring_empty(&row->ready) && !ring_linked(&row->turn))
            ring_add(&hub->rows, &row->turn);
    }
}

static void on_restless(struct ev_loop *loop, struct ev_idle *idle, int events) {
    (void)loop, (void)idle, (void)events;
}

/* The loop may sleep, unless somebody is left over. */
static void rest(struct hub *hub) {
    if (!ring_empty(&hub->rows)) {
        ev_idle_start(hub->loop, &hub->restless);
        return;
    }
    ev_idle_stop(hub->loop, &hub->restless);
    if (ev_now(hub->loop) - hub->memo_since > MEMO_KEPT) {
        memo_clear(&hub->memo);
        hub->memo_since = ev_now(hub->loop);
    }
}

static void on_before_sleep(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
    struct hub *hub = prepare->data;
    (void)loop, (void)events;

    if (hub->fresh) {
        tracking_look(hub->tracking);
        redis_drain(hub->subscriber);
    }
    hub->fresh = false;
    serve(hub);
    fetches_send(hub->fetches);
    ask_for_pulse(hub);
    redis_flush(hub->commands);
    redis_flush(hub->subscriber);
    rest(hub);
}

void rows_start(struct hub *hub) {
    ring_init(&hub->rows);
    ring_init(&hub->unheard);
    ring_init(&hub->awaiting);
    ring_init(&hub->row.subs);
    ring_init(&hub->row.ready);
    ev_idle_init(&hub->restless, on_restless);
    ev_io_init(&hub->gap, on_gap, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
               EV_READ);
    hub->gap.data = hub;
    ev_io_start(hub->loop, &hub->gap);
    ev_prepare_init(&hub->before_sleep, on_before_sleep);
    hub->before_sleep.data = hub;
    ev_prepare_start(hub->loop, &hub->before_sleep);
}

void rows_stop(struct hub *hub) {
    ev_prepare_stop(hub->loop, &hub->before_sleep);
    ev_idle_stop(hub->loop, &hub->restless);
    ev_io_stop(hub->loop, &hub->gap);
    close(hub->gap.fd);
}
