/*
 * A window begins whenever something is shown. What comes inside it starts the timer for
 * its end; what comes after it, or where there is no window, is shown at once.
 */
#include "core/follow/gather.h"

void gather_init(struct gather *gather, struct ev_loop *loop, int milliseconds,
                 void (*show)(struct ev_loop *loop, struct ev_timer *timer, int events),
                 void *ctx) {
    *gather = (struct gather){.loop = loop, .window = milliseconds / 1000.0};
    ev_init(&gather->timer, show);
    gather->timer.data = ctx;
}

void gather_begin(struct gather *gather) {
    ev_timer_stop(gather->loop, &gather->timer);
    gather->until = ev_now(gather->loop) + gather->window;
}

bool gather_note(struct gather *gather) {
    double now = ev_now(gather->loop);

    if (now < gather->until) {
        if (!ev_is_active(&gather->timer)) {
            ev_timer_set(&gather->timer, gather->until - now, 0);
            ev_timer_start(gather->loop, &gather->timer);
        }
        return false;
    }
    gather_begin(gather);
    return true;
}
