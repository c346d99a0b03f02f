/* core/data/cursor: positions and cursors as text. */
#include "core/data/cursor.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/json.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

START_TEST(positions_compare_by_epoch_and_then_by_number) {
    static const struct {
        struct position a, b;
        int order;
    } rows[] = {{{5, 1}, {5, 1}, 0},
                {{5, 1}, {5, 2}, -1},
                {{5, 9}, {6, 0}, -1},
                {{6, 0}, {5, 9}, 1},
                {{0, 0}, {0, 0}, 0}};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(position_compare(rows[i].a, rows[i].b) == rows[i].order, "row %zu", i);
}
END_TEST

START_TEST(a_position_survives_being_written_and_parsed) {
    static const struct position rows[] = {
        {0, 0}, {1, 0}, {1795219200000, 7}, {(UINT64_C(1) << 53) - 1, (UINT64_C(1) << 53) - 1}};
    char text[POSITION_TEXT];

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct position back = {99, 99};
        size_t len = position_format(rows[i], text);
        ck_assert_uint_eq(strlen(text), len);
        ck_assert_msg(position_parse(text, len, &back) == ERR_OK, "%s", text);
        ck_assert_int_eq(position_compare(rows[i], back), 0);
    }
}
END_TEST

START_TEST(the_longest_position_fits_its_room) {
    char text[POSITION_TEXT];
    ck_assert_uint_lt(position_format((struct position){UINT64_MAX, UINT64_MAX}, text),
                      POSITION_TEXT);
}
END_TEST

START_TEST(other_texts_are_no_positions) {
    static const char *const rows[] = {"",
                                       "-",
                                       "1",
                                       "1-",
                                       "-1",
                                       "1-2-",
                                       "1-2-3",
                                       "1--2",
                                       "01-2",
                                       "1-02",
                                       "+1-2",
                                       "1-+2",
                                       " 1-2",
                                       "1-2 ",
                                       "1.0-2",
                                       "a-b",
                                       "1-2a",
                                       "1e3-1",
                                       "0x1-1",
                                       "9007199254740992-1",
                                       "1-9007199254740992",
                                       "99999999999999999999999999-1"};
    struct position position;

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(position_parse(rows[i], strlen(rows[i]), &position) == ERR_SYNTAX, "%s",
                      rows[i]);
    ck_assert_int_eq(position_parse("1-2\0", 4, &position), ERR_SYNTAX);
}
END_TEST

START_TEST(a_parser_that_is_given_a_length_reads_no_further) {
    struct position position;

    ck_assert_int_eq(position_parse("12-345", 4, &position), ERR_OK);
    ck_assert_uint_eq(position.n, 3);
}
END_TEST

static const char *written(const char *channel, size_t len) {
    struct buf out = buf_make(10000);
    cursor_add(&out, channel, len, (struct position){17, 3});
    return keep(out.data);
}

START_TEST(a_cursor_is_safe_in_a_url_a_header_and_an_event_stream) {
    char name[CHANNEL_MAX + 1];

    for (int c = 1; c < 128; c++) {
        name[0] = (char)c;
        const char *text = written(name, 1);
        ck_assert_msg(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789-_.:/~@,") == strlen(text),
                      "%s", text);
    }
    ck_assert_str_eq(written("a b@\xc3\xa9~/", 8), "a~20b~40~C3~A9~7E/@17-3");
}
END_TEST

START_TEST(what_was_written_is_parsed_again) {
    static const char *const names[] = {"chat", "a b",  "@,~", "\xc3\xa9/\xf0\x9f\x92\xac",
                                        "~x",   "+%&=#"};
    struct buf text = buf_make(10000);
    struct cursor *cursor = NULL;

    for (size_t i = 0; i < ROWS(names); i++)
        cursor_add(&text, names[i], strlen(names[i]), (struct position){100 + i, i});
    ck_assert_int_eq(cursor_parse(text.data, text.len, ROWS(names), &cursor), ERR_OK);
    ck_assert_uint_eq(cursor->count, ROWS(names));
    for (size_t i = 0; i < ROWS(names); i++) {
        const struct position *at = cursor_find(cursor, names[i], strlen(names[i]));
        ck_assert_msg(at != NULL && at->epoch == 100 + i && at->n == i, "%s", names[i]);
    }
    free(cursor);
    buf_free(&text);
}
END_TEST

START_TEST(a_name_of_only_escaped_bytes_has_room) {
    char name[CHANNEL_MAX];
    struct cursor *cursor = NULL;

    memset(name, '@', sizeof name);
    const char *text = written(name, sizeof name);
    ck_assert_int_eq(cursor_parse(text, strlen(text), 1, &cursor), ERR_OK);
    ck_assert_uint_eq(cursor->items[0].channel_len, CHANNEL_MAX);
    free(cursor);
    text = keepf("a%s", text);
    ck_assert_int_eq(cursor_parse(text, strlen(text), 1, &cursor), ERR_SYNTAX);
}
END_TEST

START_TEST(other_texts_are_no_cursors) {
    static const char *const rows[] = {
        "",          "chat",         "chat@",       "chat@1",   "@1-2",     "chat@1-2,",
        ",chat@1-2", "a@1-2,,b@1-2", "a@1-2,a@1-3", "a b@1-2",  "a~@1-2",   "a~2@1-2",
        "a~2g@1-2",  "a~c3~a9@1-2",  "a~00@1-2",    "a~0A@1-2", "a~7B@1-2", "a~2A@1-2",
        "~FF@1-2",   "~C3@1-2",      "a@1-2;b@1-2", "a@1-2@",   "a@01-2",   "\xc3\xa9@1-2",
        "a@1-2\n",   "a@1-2,b",      "now",         "-5"};
    struct cursor *cursor = NULL;

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_msg(cursor_parse(rows[i], strlen(rows[i]), 64, &cursor) == ERR_SYNTAX, "%s",
                      rows[i]);
        ck_assert_ptr_null(cursor);
    }
}
END_TEST

START_TEST(more_channels_than_allowed_are_out_of_range) {
    struct cursor *cursor = NULL;

    ck_assert_int_eq(cursor_parse("a@1-1,b@1-1", 11, 1, &cursor), ERR_RANGE);
    ck_assert_ptr_null(cursor);
    ck_assert_int_eq(cursor_parse("a@1-1,b@1-1", 11, 2, &cursor), ERR_OK);
    free(cursor);
}
END_TEST

START_TEST(a_channel_is_found_by_its_whole_name_only) {
    struct cursor *cursor = NULL;

    ck_assert_int_eq(cursor_parse("chat@1-2", 8, 1, &cursor), ERR_OK);
    ck_assert_ptr_nonnull(cursor_find(cursor, "chat", 4));
    ck_assert_ptr_null(cursor_find(cursor, "cha", 3));
    ck_assert_ptr_null(cursor_find(cursor, "chats", 5));
    ck_assert_ptr_null(cursor_find(NULL, "chat", 4));
    free(cursor);
}
END_TEST

/* As many channels as a form may name; what was said of each is found, and a repetition seen. */
START_TEST(a_long_cursor_is_parsed_and_looked_up) {
    enum { MANY = 2048 };
    struct buf text = buf_make(100000);
    struct cursor *cursor = NULL;

    for (unsigned i = 0; i < MANY; i++) { /* not in the order of their names */
        const char *name = keepf("c%u", i * 1237 % MANY);
        cursor_add(&text, name, strlen(name), (struct position){5, i * 1237 % MANY});
    }
    ck_assert_int_eq(cursor_parse(text.data, text.len, MANY, &cursor), ERR_OK);
    for (unsigned i = 0; i < MANY; i++) {
        const char *name = keepf("c%u", i);
        const struct position *at = cursor_find(cursor, name, strlen(name));
        ck_assert_msg(at != NULL && at->n == i, "%s", name);
    }
    ck_assert_ptr_null(cursor_find(cursor, "c", 1));
    ck_assert_ptr_null(cursor_find(cursor, "c2048", 5));
    free(cursor);
    cursor = NULL;
    cursor_add(&text, "c777", 4, (struct position){9, 9});
    ck_assert_int_eq(cursor_parse(text.data, text.len, MANY + 1, &cursor), ERR_SYNTAX);
    ck_assert_ptr_null(cursor);
    buf_free(&text);
}
END_TEST

/* 64 times the channels take 64 times as long, and a little; never 4,096 times. */
static double parsing_takes(unsigned count, unsigned times) {
    struct buf text = buf_make(100000);
    struct cursor *cursor = NULL;

    for (unsigned i = 0; i < count; i++) {
        const char *name = keepf("%u", 10000 + i);
        cursor_add(&text, name, strlen(name), (struct position){1, 1});
    }
    clock_t before = clock();
    for (unsigned k = 0; k < times; k++) {
        ck_assert_int_eq(cursor_parse(text.data, text.len, 2048, &cursor), ERR_OK);
        for (unsigned i = 0; i < count; i++)
            ck_assert_ptr_nonnull(cursor_find(cursor, cursor->items[i].channel, 5));
        free(cursor);
    }
    buf_free(&text);
    return (double)(clock() - before);
}

START_TEST(a_cursor_costs_what_it_is_long) {
    double few = parsing_takes(32, 640), many = parsing_takes(2048, 10);

    ck_assert_msg(many < few * 4, "2,048 channels: %.1f times what 64 times 32 take", many / few);
}
END_TEST

UNIT_MAIN("cursor", positions_compare_by_epoch_and_then_by_number,
          a_position_survives_being_written_and_parsed, the_longest_position_fits_its_room,
          other_texts_are_no_positions, a_parser_that_is_given_a_length_reads_no_further,
          a_cursor_is_safe_in_a_url_a_header_and_an_event_stream, what_was_written_is_parsed_again,
          a_name_of_only_escaped_bytes_has_room, other_texts_are_no_cursors,
          more_channels_than_allowed_are_out_of_range, a_long_cursor_is_parsed_and_looked_up,
          a_cursor_costs_what_it_is_long, a_channel_is_found_by_its_whole_name_only)
