#ifndef HALLEY_TESTS_PILE_H
#define HALLEY_TESTS_PILE_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that have come and are taken from the front. Begin with {0}; once
 * something was added there is an end byte behind them. */
struct pile {
    char *data;
    size_t length, room;
};

void pile_add(struct pile *pile, const void *data, size_t length);
void pile_drop(struct pile *pile, size_t length);
void pile_free(struct pile *pile);

/* Whether it begins with this text. */
bool pile_begins(const struct pile *pile, const char *text);

/* Where this text stands first in it; -1: nowhere. */
long pile_find(const struct pile *pile, const char *text);

/* Reads what a socket holds, without waiting. False: there is no more to come. */
bool pile_read(struct pile *pile, int fd);

#endif
