/* fcgi-app/counts/sums: the figures of processes as rows of numbers. */
#include "fcgi-app/counts/sums.h"

#include <string.h>

#include "tests/unit/unit.h"

enum { NUMBERS = sizeof(struct sums) / sizeof(uint64_t) };

/* A number that nothing else has, in each figure. */
static void fill(struct sums *sums) {
    uint64_t *numbers = (uint64_t *)(void *)sums;

    for (size_t i = 0; i < NUMBERS; i++)
        numbers[i] = i + 1;
}

START_TEST(no_figure_is_left_out) {
    static struct sums sums, back;
    uint64_t row[ROW_NUMBERS] = {0};

    fill(&sums);
    sums_put(&sums, row);
    sums_take(&back, row);
    ck_assert_mem_eq(&sums, &back, sizeof sums);
}
END_TEST

START_TEST(what_is_so_now_stands_behind_what_grows) {
    static struct sums sums, back;
    uint64_t row[ROW_NUMBERS] = {0};

    fill(&sums);
    sums_put(&sums, row);
    memset(row + sums_growing(), 0, (ROW_NUMBERS - sums_growing()) * sizeof *row);
    sums_take(&back, row);
    ck_assert_uint_eq(back.stats.requests, sums.stats.requests);
    ck_assert_uint_eq(back.stats.bytes_out, sums.stats.bytes_out);
    ck_assert_uint_eq(back.stats.follow.live, sums.stats.follow.live);
    ck_assert_uint_eq(back.stats.endpoints[ENDPOINT_publish],
                      sums.stats.endpoints[ENDPOINT_publish]);
    ck_assert_uint_eq(back.stats.round_trips.sum, sums.stats.round_trips.sum);
    ck_assert_int_eq(back.transports[3].messages, sums.transports[3].messages);
    ck_assert_uint_eq(back.stats.waiters, 0);
    ck_assert_uint_eq(back.stats.connections_kept, 0);
    ck_assert_uint_eq(back.stats.follow.channels, 0);
    ck_assert_int_eq(back.transports[3].held, 0);
}
END_TEST

UNIT_MAIN("sums", no_figure_is_left_out, what_is_so_now_stands_behind_what_grows)
