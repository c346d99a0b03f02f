/*
 * A change of a session's channels: what a browser wants to subscribe to, or to leave,
 * checked by the configuration and then done to the places where the session stands.
 */
#ifndef HALLEY_CHANGE_H
#define HALLEY_CHANGE_H

#include <stdbool.h>

#include "core/config/config.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/hub/place.h"
#include "fcgi-app/protocols/order.h"
#include "fcgi-app/rights/identity.h"

struct change {
    struct order_names names;
    struct hub_channel
        *channels; /* each once, as far as they are wanted; NULL: they are to be left */
    size_t count;
    struct order_names patterns; /* that are to be watched besides: whoever carries the change out
                                    finds what they stand for */
    char *since;                 /* where that begins; NULL: there are none */
    size_t since_len;
};

enum { CHANGE_WIDEST = 1023 }; /* channels of a session that watches patterns */

/*
 * Reads what is to be added, or left, from an order that has it. False, with `problem`, if
 * a name or `since` is wrong or not allowed to `who` (NULL: nobody known), or the names alone are
 * too many. Free it with change_free(), also then.
 */
bool change_subscribe(const struct config *config, const struct identity *who,
                      const struct order *order, struct change *change, struct problem *problem);
bool change_unsubscribe(const struct config *config, const struct identity *who,
                        const struct order *order, struct change *change, struct problem *problem);
void change_free(struct change *change);

/*
 * Adds the channels that are not among `places`; those that are stay where they are. False,
 * with `problem`, if they are too many, and nothing was added.
 */
bool change_add(const struct change *change, const struct config *config, struct hub_places *places,
                struct problem *problem);

/*
 * Takes the channels away that are among `places`; the others stay in their order. With a pattern
 * go the channels that it stands for, but for those that another one which stays stands for too.
 */
void change_drop(const struct change *change, struct hub_places *places);

#endif
