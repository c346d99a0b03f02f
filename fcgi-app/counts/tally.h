/*
 * What each transport costs, counted where it is spent: for a whole process by
 * transport, and for those who ask for it by a tag that their requests carry
 * (`tag=NAME`), across all processes. Belongs to the loop's thread.
 */
#ifndef HALLEY_TALLY_H
#define HALLEY_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/redis/redis.h"
#include "fcgi-app/counts/stats.h"

enum { TAG_MAX = 64, TAGS_MAX = 256, TRANSPORTS_MAX = 16 };

/* name, help: all count up but `held`, which is how many are held now. */
#define TALLY_LIST(X)                                                                              \
    X(requests)                                                                                    \
    X(bytes_in)                                                                                    \
    X(bytes_out)                                                                                   \
    X(batches)                                                                                     \
    X(messages)                                                                                    \
    X(empty)                                                                                       \
    X(held)

struct tally {
#define TALLY_FIELD(name) int64_t name;
    TALLY_LIST(TALLY_FIELD)
#undef TALLY_FIELD
};

struct tallies;
struct tag;

/* `redis` and `stats` are borrowed and outlive it. */
struct tallies *tallies_new(struct ev_loop *loop, struct redis *redis, struct stats *stats);
void tallies_free(struct tallies *tallies);

/* Whether a tag is 1 to TAG_MAX letters, digits, dots, dashes and underscores. */
bool tag_valid(const char *name, size_t len);

/*
 * The tag's account, used once more; NULL where there is no name, or TAGS_MAX
 * are in use already: then nothing is counted but that (tags_uncounted). Nor is anything
 * where Redis holds the accounts of 1,024 other tags. Give it back with tag_release().
 */
struct tag *tag_take(struct tallies *tallies, const char *name);
void tag_release(struct tag *tag);

/* The tag's name; "" for NULL. */
const char *tag_name(const struct tag *tag);

/* Adds to a tag's account; NULL is no account. It reaches Redis soon after. */
void tag_add(struct tag *tag, const struct tally *spent);

/* The sum of a transport of this process, by its place in the registry. */
struct tally *tally_of_transport(struct tallies *tallies, size_t index);

/* Appends the members of a JSON object. */
void tally_write(const struct tally *tally, struct buf *out);

/*
 * Reads a tag's account across all processes: `done` is called once, later; with
 * NULL if Redis went away. ERR_REDIS: it is not called.
 */
enum err tag_read(struct tallies *tallies, const char *name,
                  void (*done)(void *ctx, const char *name, const struct tally *tally),
                  void *ctx) MUST_CHECK;

#endif
