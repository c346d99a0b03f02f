/*
 * Hash tables and linked lists are uthash's. This is the one place that includes
 * them.
 */
#ifndef HALLEY_COLLECTIONS_H
#define HALLEY_COLLECTIONS_H

#include <uthash.h>
#include <utlist.h>

#endif
