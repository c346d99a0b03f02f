/* core/follow/feed and mend against a model of everything around them (tests/model/feed_model.h):
 * thousands of random stories (FEED_STORIES=N: so many). One that ends badly names its seed:
 * FEED_SEED=N tells it alone, with FEED_TRACE=1 step by step.
 */
#include "tests/model/feed_model.c" // NOLINT(bugprone-suspicious-include)

#include "tests/unit/unit.h"

enum { STORIES = 7000, LONGEST = 600 };

static void tell(unsigned seed) {
    uint8_t bytes[LONGEST];
    char what[32];
    uint64_t state = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;

    for (size_t i = 0; i < LONGEST; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
        bytes[i] = (uint8_t)(state >> 56);
    }
    snprintf(what, sizeof what, "FEED_SEED=%u", seed);
    feed_model_run(bytes, 40 + seed % (LONGEST - 40), what);
}

START_TEST(whatever_happens_subscribers_are_told_everything_once_or_of_a_gap) {
    const char *only = getenv("FEED_SEED"), *more = getenv("FEED_STORIES");
    unsigned stories = more != NULL ? (unsigned)strtoul(more, NULL, 10) : STORIES;

    if (only != NULL) {
        tell((unsigned)strtoul(only, NULL, 10));
        return;
    }
    for (unsigned seed = 1; seed <= stories; seed++)
        tell(seed);
    const struct feed_model_seen *seen = &feed_model_seen;
    const unsigned kinds[] = {seen->published, seen->forged,   seen->fooled,   seen->lost,
                              seen->holes,     seen->reads,    seen->refused,  seen->reconnects,
                              seen->gaps,      seen->misled,   seen->phantoms, seen->polls,
                              seen->flushed,   seen->forgotten};
    for (size_t i = 0; i < ROWS(kinds); i++)
        ck_assert_msg(kinds[i] > stories / 60, "kind %zu: only %u", i, kinds[i]);
}
END_TEST

UNIT_MAIN("feed_model", whatever_happens_subscribers_are_told_everything_once_or_of_a_gap)
