/* fcgi-app/protocols/channel_index: channels by name, in lists short and long. */
#include "fcgi-app/protocols/channel_index.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static void check_list(size_t count) {
    struct hub_channel *channels = keep(calloc(count + 1, sizeof *channels));
    struct channel_index index = channel_index_make(channels, count);

    for (size_t i = 0; i < count; i++) {
        const char *name = keepf("c%zu", i * 7919);
        ck_assert_int_eq(channel_index_find(&index, name, strlen(name)), -1);
        channels[i] = (struct hub_channel){.name = name, .len = strlen(name)};
        channel_index_note(&index);
    }
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(channel_index_find(&index, channels[i].name, channels[i].len), (long)i);
    ck_assert_int_eq(channel_index_find(&index, "c", 1), -1);
    ck_assert_int_eq(channel_index_find(&index, "", 0), -1);
    channel_index_free(&index);
}

START_TEST(every_channel_of_a_list_is_found_and_nothing_else) {
    static const size_t counts[] = {0, 1, 16, 17, 64, 1024, 3072};
    for (size_t i = 0; i < ROWS(counts); i++)
        check_list(counts[i]);
}
END_TEST

START_TEST(a_channel_that_was_taken_out_is_not_found) {
    struct hub_channel channels[40] = {0};
    struct channel_index index = channel_index_make(channels, 40);

    for (size_t i = 0; i < 40; i++) {
        channels[i] = (struct hub_channel){.name = keepf("%zu", 100 + i), .len = 3};
        channel_index_note(&index);
    }
    for (size_t i = 0; i < 40; i += 2)
        channels[i] = (struct hub_channel){.name = NULL, .len = 0};
    for (size_t i = 0; i < 40; i++) {
        const char *name = keepf("%zu", 100 + i);
        ck_assert_int_eq(channel_index_find(&index, name, 3), i % 2 ? (long)i : -1);
    }
    channel_index_free(&index);
}
END_TEST

UNIT_MAIN("channel_index", every_channel_of_a_list_is_found_and_nothing_else,
          a_channel_that_was_taken_out_is_not_found)
