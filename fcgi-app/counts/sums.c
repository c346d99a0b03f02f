#include "fcgi-app/counts/sums.h"

#include <stdbool.h>

#define NUMBER sizeof(uint64_t)

/* Where the figures of one kind stand in a struct stats: the lists name kinds beside figures. */
#define GROWING_counter(at) at,
#define GROWING_gauge(at)
#define STANDING_counter(at)
#define STANDING_gauge(at)            at,
#define GROWING(name, kind, help)     GROWING_##kind(offsetof(struct stats, name))
#define STANDING(name, kind, help)    STANDING_##kind(offsetof(struct stats, name))
#define GROWING_OF(name, kind, help)  GROWING_##kind(offsetof(struct stats, follow.name))
#define STANDING_OF(name, kind, help) STANDING_##kind(offsetof(struct stats, follow.name))

static const size_t growing[] = {STATS_LIST(GROWING) FOLLOW_COUNTS_LIST(GROWING_OF)};
static const size_t standing[] = {STATS_LIST(STANDING) FOLLOW_COUNTS_LIST(STANDING_OF)};

/* Of a transport only `held`, the last one, is so now. */
enum {
    GROWING_COUNT = sizeof growing / sizeof *growing,
    STANDING_COUNT = sizeof standing / sizeof *standing,
    TALLY_GROWING = offsetof(struct tally, held) / NUMBER,
    LISTS = (sizeof(struct stats) - offsetof(struct stats, endpoints)) / NUMBER
};
_Static_assert(sizeof(struct tally) == (TALLY_GROWING + 1) * NUMBER, "held is the last one");

enum {
    ALL_GROWING = (int)GROWING_COUNT + (int)LISTS + (int)TRANSPORTS_MAX * (int)TALLY_GROWING,
    ALL = (int)ALL_GROWING + (int)STANDING_COUNT + (int)TRANSPORTS_MAX
};
_Static_assert((int)ALL <= (int)ROW_NUMBERS, "a row has room for all figures");

const char *sums_names(void) {
#define NAME(name, ...) #name " "
    return STATS_LIST(NAME) FOLLOW_COUNTS_LIST(NAME) ENDPOINTS_LIST(NAME) TALLY_LIST(NAME)
        HALLEY_VERSION;
#undef NAME
}

size_t sums_growing(void) {
    return ALL_GROWING;
}

static void move(uint64_t *figure, uint64_t *number, bool put) {
    if (put)
        *number = *figure;
    else
        *figure = *number;
}

/* Each number of a row in order, and where it stands in the figures. */
static void each(struct sums *sums, uint64_t *row, bool put) {
    char *stats = (char *)&sums->stats;
    uint64_t *lists = sums->stats.endpoints;

    for (size_t i = 0; i < GROWING_COUNT; i++)
        move((uint64_t *)(void *)(stats + growing[i]), row++, put);
    for (size_t i = 0; i < LISTS; i++)
        move(lists + i, row++, put);
    for (size_t i = 0; i < TRANSPORTS_MAX; i++) {
        for (size_t j = 0; j < TALLY_GROWING; j++)
            move((uint64_t *)(void *)&sums->transports[i] + j, row++, put);
    }
    for (size_t i = 0; i < STANDING_COUNT; i++)
        move((uint64_t *)(void *)(stats + standing[i]), row++, put);
    for (size_t i = 0; i < TRANSPORTS_MAX; i++)
        move((uint64_t *)(void *)&sums->transports[i].held, row++, put);
}

void sums_put(const struct sums *sums, uint64_t row[ROW_NUMBERS]) {
    each((struct sums *)(uintptr_t)sums, row, true);
}

void sums_take(struct sums *sums, const uint64_t row[ROW_NUMBERS]) {
    each(sums, (uint64_t *)(uintptr_t)row, false);
}
