/* core/base/buf: the byte buffer that every text is built in. */
#include "core/base/buf.h"

#include <string.h>

#include "tests/unit/unit.h"

START_TEST(a_new_buffer_is_empty_and_has_no_memory) {
    struct buf buf = buf_make(10);

    ck_assert_ptr_null(buf.data);
    ck_assert_uint_eq(buf.len, 0);
    ck_assert(!buf.overflow);
}
END_TEST

START_TEST(bytes_are_appended_with_an_end_byte_behind_them) {
    struct buf buf = buf_make(1000);

    buf_add(&buf, "a\0b", 3);
    buf_text(&buf, "cd");
    buf_char(&buf, 'e');
    ck_assert_uint_eq(buf.len, 6);
    ck_assert_mem_eq(buf.data, "a\0bcde", 7);
    buf_free(&buf);
}
END_TEST

START_TEST(appending_nothing_to_a_new_buffer_makes_an_empty_text) {
    struct buf buf = buf_make(0);

    buf_add(&buf, NULL, 0);
    ck_assert(!buf.overflow);
    ck_assert_str_eq(buf.data, "");
    buf_free(&buf);
}
END_TEST

START_TEST(numbers_are_decimal) {
    static const struct {
        uint64_t value;
        const char *text;
    } rows[] = {{0, "0"}, {9, "9"}, {10, "10"}, {UINT64_MAX, "18446744073709551615"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf buf = buf_make(100);
        buf_uint(&buf, rows[i].value);
        ck_assert_str_eq(buf.data, rows[i].text);
        buf_free(&buf);
    }
}
END_TEST

START_TEST(formatted_text_longer_than_the_first_allocation_is_whole) {
    struct buf buf = buf_make(10000);

    buf_printf(&buf, "%s|%05000d", "head", 7);
    ck_assert_uint_eq(buf.len, 5005);
    ck_assert_int_eq(buf.data[5004], '7');
    ck_assert_int_eq(buf.data[5005], '\0');
    buf_free(&buf);
}
END_TEST

START_TEST(the_maximum_can_be_reached_but_not_passed) {
    struct buf buf = buf_make(4);

    buf_text(&buf, "1234");
    ck_assert(!buf.overflow);
    buf_char(&buf, '5');
    ck_assert(buf.overflow);
    ck_assert_str_eq(buf.data, "1234");
    buf_free(&buf);
}
END_TEST

START_TEST(an_overflow_stays_although_smaller_pieces_would_fit) {
    struct buf buf = buf_make(4);

    buf_text(&buf, "12345");
    buf_text(&buf, "1");
    buf_printf(&buf, "%d", 2);
    ck_assert(buf.overflow);
    ck_assert_uint_eq(buf.len, 0);
    buf_free(&buf);
}
END_TEST

START_TEST(formatted_text_past_the_maximum_adds_nothing) {
    struct buf buf = buf_make(4);

    buf_printf(&buf, "%d", 12345);
    ck_assert(buf.overflow);
    ck_assert_uint_eq(buf.len, 0);
    buf_free(&buf);
}
END_TEST

START_TEST(clearing_forgets_the_overflow_and_keeps_the_memory) {
    struct buf buf = buf_make(4);

    buf_text(&buf, "123");
    buf_text(&buf, "45");
    char *memory = buf.data;
    buf_clear(&buf);
    ck_assert(!buf.overflow);
    buf_text(&buf, "4567");
    ck_assert_str_eq(buf.data, "4567");
    ck_assert_ptr_eq(buf.data, memory);
    buf_free(&buf);
}
END_TEST

START_TEST(a_freed_buffer_is_usable_again_with_its_maximum) {
    struct buf buf = buf_make(3);

    buf_text(&buf, "abc");
    buf_free(&buf);
    buf_text(&buf, "abcd");
    ck_assert(buf.overflow);
    buf_free(&buf);
}
END_TEST

START_TEST(consuming_takes_off_the_front) {
    struct buf buf = buf_make(100);

    buf_text(&buf, "header body");
    buf_consume(&buf, 7);
    ck_assert_str_eq(buf.data, "body");
    ck_assert_uint_eq(buf.len, 4);
    buf_consume(&buf, 100);
    ck_assert_uint_eq(buf.len, 0);
    ck_assert_str_eq(buf.data, "");
    buf_free(&buf);
}
END_TEST

START_TEST(reserved_room_is_inside_the_maximum) {
    struct buf buf = buf_make(8);

    ck_assert_ptr_nonnull(buf_reserve(&buf, 8));
    ck_assert_ptr_null(buf_reserve(&buf, 9));
    ck_assert_ptr_null(buf_reserve(&buf, 1));
    ck_assert(buf.overflow);
    buf_free(&buf);
}
END_TEST

START_TEST(a_length_that_would_wrap_around_is_refused) {
    struct buf buf = buf_make(100);

    buf_text(&buf, "abc");
    ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX));
    ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX - 2));
    buf_free(&buf);
}
END_TEST

UNIT_MAIN("buf", a_new_buffer_is_empty_and_has_no_memory,
          bytes_are_appended_with_an_end_byte_behind_them,
          appending_nothing_to_a_new_buffer_makes_an_empty_text, numbers_are_decimal,
          formatted_text_longer_than_the_first_allocation_is_whole,
          the_maximum_can_be_reached_but_not_passed,
          an_overflow_stays_although_smaller_pieces_would_fit,
          formatted_text_past_the_maximum_adds_nothing,
          clearing_forgets_the_overflow_and_keeps_the_memory,
          a_freed_buffer_is_usable_again_with_its_maximum, consuming_takes_off_the_front,
          reserved_room_is_inside_the_maximum, a_length_that_would_wrap_around_is_refused)
