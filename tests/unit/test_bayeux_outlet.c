/* fcgi-app/carriers/bayeux/outlet: an answer, and a socket that closes meanwhile. */
#include <string.h>

#include "fcgi-app/carriers/bayeux/_bayeux.h"
#include "tests/unit/unit.h"

/* What carriers/bayeux/socket.c has of an outlet. */
static struct outlet *linked;
static unsigned said, left;

/* It is found gone by that, and tells whoever it is linked to. */
static void say_to_nobody(void *ctx, const char *text, size_t len) {
    (void)ctx, (void)text, (void)len;
    said++;
    if (linked != NULL)
        outlet_gone(linked);
}

static void forget(void *ctx, struct outlet *outlet) {
    (void)ctx;
    ck_assert_ptr_eq(outlet, linked);
    linked = NULL;
}

/* Whoever answers would free what he waits with, here and when he has answered. */
static void on_left(void *ctx) {
    (void)ctx;
    left++;
}

START_TEST(a_socket_that_closes_by_an_answer_is_not_told_of_twice) {
    const struct outlet_socket socket = {say_to_nobody, forget, NULL};
    struct buf objects = buf_make(100);

    buf_text(&objects, "{}");
    linked = outlet_socket(&socket);
    outlet_watch(linked, on_left, NULL, NULL);
    outlet_answer(linked, &objects);
    ck_assert_uint_eq(said, 1);
    ck_assert_uint_eq(left, 0);
    ck_assert_ptr_null(linked);
    buf_free(&objects);
}
END_TEST

START_TEST(a_socket_that_closes_before_is_told_of_and_not_answered) {
    const struct outlet_socket socket = {say_to_nobody, forget, NULL};
    struct buf objects = buf_make(100);

    said = left = 0;
    linked = outlet_socket(&socket);
    outlet_watch(linked, on_left, NULL, NULL);
    outlet_gone(linked);
    ck_assert_uint_eq(left, 1);
    ck_assert(!outlet_is_there(linked));
    outlet_answer(linked, &objects);
    ck_assert_uint_eq(said, 0);
    ck_assert_uint_eq(left, 1);
}
END_TEST

UNIT_MAIN("bayeux_outlet", a_socket_that_closes_by_an_answer_is_not_told_of_twice,
          a_socket_that_closes_before_is_told_of_and_not_answered)
