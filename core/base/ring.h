/*
 * Intrusive rings: doubly linked around a head of their own, so that a member
 * leaves without knowing which ring it is in. Where thousands of things stand in
 * one list or another, this costs each of them two pointers for all those lists.
 */
#ifndef HALLEY_RING_H
#define HALLEY_RING_H

#include <stdbool.h>
#include <stddef.h>

/* A head, or a member; a zeroed member is in no ring. */
struct ring {
    struct ring *prev, *next;
};

/* The struct whose member `name` is the ring `at`. */
#define RING_OF(at, type, name) ((type *)(void *)((char *)(at)-offsetof(type, name)))

static inline void ring_init(struct ring *head) {
    head->prev = head->next = head;
}

static inline bool ring_empty(const struct ring *head) {
    return head->next == head;
}

/* Whether a member is in any ring. */
static inline bool ring_linked(const struct ring *member) {
    return member->next != NULL;
}

/* Adds a member at the end; it is in no ring yet. */
static inline void ring_add(struct ring *head, struct ring *member) {
    member->prev = head->prev;
    member->next = head;
    head->prev->next = member;
    head->prev = member;
}

/* Takes a member out of its ring; does nothing if it is in none. */
static inline void ring_remove(struct ring *member) {
    if (member->next == NULL)
        return;
    member->prev->next = member->next;
    member->next->prev = member->prev;
    member->prev = member->next = NULL;
}

/* Moves all members of `from` to `to`, which was empty. */
static inline void ring_move(struct ring *from, struct ring *to) {
    if (ring_empty(from)) {
        ring_init(to);
        return;
    }
    *to = *from;
    to->next->prev = to->prev->next = to;
    ring_init(from);
}

#endif
