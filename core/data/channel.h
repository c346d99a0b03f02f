/*
 * Channel names: what they may be. What Redis knows them by: core/data/names.h.
 */
#ifndef HALLEY_CHANNEL_H
#define HALLEY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

enum { CHANNEL_MAX = 200 };

/* 1 to CHANNEL_MAX bytes of UTF-8, no control characters, none of { } *. */
bool channel_valid(const char *name, size_t len);

/* Names that begin with ~ are Halley's own: never publishable from outside. */
bool channel_reserved(const char *name, size_t len);

#endif
