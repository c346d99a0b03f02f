/*
 * Who has a turn when. Waiters that are ready stand in a row for each channel, and
 * before the loop sleeps rows take turns: so that a crowd in one delays nobody in
 * another, nor new requests, for the loop looks round between slices.
 *
 * Polls stand apart until their fence has passed (turn.c says why).
 */
#include "fcgi-app/hub/rows.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "fcgi-app/hub/deliver.h"
#include "fcgi-app/hub/stay.h"
#include "fcgi-app/hub/turn.h"

#define MEMO_KEPT   1.0    /* seconds after which what was collected is forgotten */
#define FENCE_APART 0.0003 /* seconds between fences that several polls share */

enum {
    SLICE = 128,  /* waiters that have their turn in one turn of the loop */
    QUANTUM = 16, /* of them, those of one row before the next row's */
    ENOUGH = 20   /* polls for which a fence is asked for without waiting for more */
};

/* ---------------------------------------------------------------------- fences */

void rows_fence_passed(struct hub *hub, uint64_t number) {
    tracking_fence_passed(hub->tracking, number);
    if (hub->fence == 0 || number < hub->fence)
        return; /* a fence that the connection asked for by itself */
    hub->fence = 0;
    while (!ring_empty(&hub->fence_asked)) {
        struct waiter *waiter = RING_OF(hub->fence_asked.next, struct waiter, turn);
        ring_remove(&waiter->turn);
        waiter->fence_passed = true;
        stay_ready(waiter);
    }
}

void rows_fence_lost(struct hub *hub) {
    while (!ring_empty(&hub->fence_asked)) {
        struct ring *first = hub->fence_asked.next;
        ring_remove(first);
        ring_add(&hub->fence_wanted, first);
    }
    hub->fence = 0;
}

static double monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void on_fence_timer(struct ev_loop *loop, struct ev_io *io, int events) {
    struct hub *hub = io->data;
    uint64_t expirations;
    (void)loop, (void)events;

    if (read(io->fd, &expirations, sizeof expirations) > 0)
        hub->fence_timer_set = false; /* before the loop sleeps the fence is asked for */
}

static void set_fence_timer(struct hub *hub, double seconds) {
    const struct itimerspec once = {.it_value = {.tv_nsec = (long)(seconds * 1e9) + 1}};

    if (!hub->fence_timer_set && timerfd_settime(hub->fence_timer.fd, 0, &once, NULL) == 0)
        hub->fence_timer_set = true;
}

/*
 * A fence for the polls that have come since the last one. One fence is under way at a time,
 * and where that was for several polls the next waits for ENOUGH of them, but no longer than
 * FENCE_APART: so under load many polls share a fence, while a poll by itself does not wait
 * for company.
 */
static void ask_for_fence(struct hub *hub) {
    if (hub->fence != 0 || ring_empty(&hub->fence_wanted))
        return;
    double now = monotonic(), left = hub->fence_asked_at + FENCE_APART - now;
    if (hub->fence_asked_count > 1 && hub->fence_wanted_count < ENOUGH && left > 0) {
        set_fence_timer(hub, left);
        return;
    }
    hub->fence = redis_pulse(hub->subscriber);
    if (hub->fence == 0)
        return;
    tracking_fence_asked(hub->tracking, hub->fence);
    ring_move(&hub->fence_wanted, &hub->fence_asked);
    hub->fence_asked_count = hub->fence_wanted_count;
    hub->fence_wanted_count = 0;
    hub->fence_asked_at = now;
}

/* ----------------------------------------------------------------------- turns */

/* The waiter looks at all its channels now: whatever comes next in one makes it ready again. */
static void untell(struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++)
        feed_row(waiter->subs[i].feed)->told = false;
}

/* Gives waiters of one row their turns, QUANTUM at the most; returns how many had one. */
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
 * Some of the ready waiters, row by row: who waits on a quiet channel is not behind all
 * who wait on a busy one. Those who are left follow when the loop has looked round.
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

    if (hub->newcomers) {
        tracking_look(hub->tracking);
        redis_drain(hub->subscriber);
    }
    hub->newcomers = false;
    serve(hub);
    fetches_send(hub->fetches);
    ask_for_fence(hub);
    sessions_flush(hub->sessions);
    redis_flush(hub->commands);
    redis_flush(hub->subscriber);
    rest(hub);
}

void rows_start(struct hub *hub) {
    ring_init(&hub->rows);
    ring_init(&hub->fence_wanted);
    ring_init(&hub->fence_asked);
    ring_init(&hub->row.subs);
    ring_init(&hub->row.ready);
    ev_idle_init(&hub->restless, on_restless);
    ev_io_init(&hub->fence_timer, on_fence_timer,
               timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), EV_READ);
    hub->fence_timer.data = hub;
    ev_io_start(hub->loop, &hub->fence_timer);
    ev_prepare_init(&hub->before_sleep, on_before_sleep);
    hub->before_sleep.data = hub;
    ev_prepare_start(hub->loop, &hub->before_sleep);
}

void rows_stop(struct hub *hub) {
    ev_prepare_stop(hub->loop, &hub->before_sleep);
    ev_idle_stop(hub->loop, &hub->restless);
    ev_io_stop(hub->loop, &hub->fence_timer);
    close(hub->fence_timer.fd);
}
