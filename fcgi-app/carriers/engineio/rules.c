/*
 * The rules of a poll. While Redis is asked, what happens besides is only noted; what is to be done
 * about it is found when the answer is there.
 */
#include "fcgi-app/carriers/engineio/rules.h"

static enum poll_act go(struct poll_rules *rules, enum poll_phase phase, enum poll_act act) {
    rules->phase = phase;
    return act;
}

static enum poll_act end(struct poll_rules *rules, enum poll_act act) {
    return go(rules, POLL_OVER, rules->left ? POLL_VANISH : act);
}

static enum poll_act ask(struct poll_rules *rules, enum poll_act act) {
    static const enum poll_phase phases[] = {[POLL_ATTACH] = POLL_ATTACHING,
                                             [POLL_LOOK] = POLL_LOOKING,
                                             [POLL_MARK] = POLL_MARKING,
                                             [POLL_PEEK] = POLL_PEEKING};
    return go(rules, phases[act], act);
}

static enum poll_act look(struct poll_rules *rules) {
    rules->woken = false;
    return ask(rules, POLL_LOOK);
}

enum poll_act poll_rules_begin(struct poll_rules *rules) {
    return rules->left ? end(rules, POLL_VANISH) : ask(rules, POLL_ATTACH);
}

/* It holds the session, and knows what is there. */
static enum poll_act proceed(struct poll_rules *rules, bool frames) {
    if (rules->left)
        return end(rules, POLL_VANISH);
    if (rules->woken)
        return look(rules);
    return frames || rules->ping ? ask(rules, POLL_MARK) : go(rules, POLL_WAITING, POLL_WAIT);
}

/* A closed session says so to whoever asks first, or only to who was waiting there. */
static enum poll_act closed(struct poll_rules *rules, const struct session_view *view) {
    bool was_there = rules->phase != POLL_ATTACHING;
    char reason = '\0';

    if (view->reason.len > 0)
        reason = view->reason.at[0];
    rules->owns = false;
    if (reason == ENGINEIO_LEFT[0])
        return end(rules, POLL_NOOP);
    return end(rules, was_there || reason == ENGINEIO_ENDED[0] ? POLL_BYE : POLL_UNKNOWN);
}

/* The session is another's: two polls closed it, or a WebSocket has it, or a newer poll took it
 * from a process that seemed dead. */
static enum poll_act lost(struct poll_rules *rules) {
    rules->owns = false;
    return ask(rules, POLL_PEEK);
}

static enum poll_act away(struct poll_rules *rules) {
    rules->owns = false; /* what became of the hold is the session's call's own matter */
    return end(rules, POLL_AWAY);
}

enum poll_act poll_rules_told(struct poll_rules *rules, const struct session_view *view) {
    bool peeked = rules->phase == POLL_PEEKING;

    if (view->err != ERR_OK)
        return away(rules);
    switch (view->status) {
    case SESSION_CLOSED:
        return closed(rules, view);
    case SESSION_CONFLICT: /* as a peek is answered where the session goes on without us */
        return end(rules, POLL_NOOP);
    case SESSION_OK: /* marked */
        rules->owns = false;
        return end(rules, POLL_SEND);
    case SESSION_HELD:
    case SESSION_CHANGED:
        rules->owns = true;
        rules->ping = view->ping == 0;
        return proceed(rules, view->frame_count > 0);
    case SESSION_LOST:
        return peeked ? end(rules, POLL_UNKNOWN) : lost(rules);
    default: /* it is gone */
        rules->owns = false;
        return end(rules, POLL_UNKNOWN);
    }
}

enum poll_act poll_rules_word(struct poll_rules *rules) {
    if (rules->phase == POLL_WAITING)
        return look(rules);
    rules->woken = true;
    return POLL_NOTHING;
}

enum poll_act poll_rules_due(struct poll_rules *rules, bool pong) {
    if (pong)
        return poll_rules_word(rules);
    rules->ping = true;
    return rules->phase == POLL_WAITING ? ask(rules, POLL_MARK) : POLL_NOTHING;
}

enum poll_act poll_rules_taken(struct poll_rules *rules, enum poll_taken taken) {
    if (taken == POLL_TAKEN_EMPTY || rules->left)
        return end(rules, POLL_NOOP);
    return taken == POLL_TAKEN_FULL ? ask(rules, POLL_MARK) : proceed(rules, false);
}

enum poll_act poll_rules_left(struct poll_rules *rules) {
    rules->left = true;
    return rules->phase == POLL_WAITING ? end(rules, POLL_VANISH) : POLL_NOTHING;
}
