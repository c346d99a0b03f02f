/* worker/queue, hearing: names in order, what is done taken out, what is full told. */
#include "worker/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "tests/unit/unit.h"
#include "worker/hearing.h"

static struct queue queue;

static enum err hear(uint64_t barrier, uint64_t number, const char *payload) {
    const struct heard heard = {.name = {barrier, number},
                                .from = {barrier, 0},
                                .channel = "chat",
                                .channel_len = 4,
                                .payload = payload,
                                .payload_len = strlen(payload)};
    return queue_add(&queue, &heard);
}

/* The payloads that are queued, in their order. */
static const char *held(void) {
    static char text[200];
    size_t len = 0;
    for (const struct item *item = queue.head; item != NULL; item = item->next)
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s", (int)item->payload_len,
                                item->payload);
    text[len] = '\0';
    return text;
}

static void fill(void) {
    queue_init(&queue, QUEUE_ITEMS);
    ck_assert_int_eq(hear(10, 1, "a"), ERR_OK);
    ck_assert_int_eq(hear(10, 2, "b"), ERR_OK);
    ck_assert_int_eq(hear(20, 3, "c"), ERR_OK);
    ck_assert_int_eq(hear(20, 4, "d"), ERR_OK);
    ck_assert_int_eq(hear(30, 9, "e"), ERR_OK);
}

START_TEST(done_takes_out_what_is_behind_that_barrier_up_to_that_number) {
    static const struct {
        struct name done;
        const char *left;
    } table[] = {
        {{10, 1}, "bcde"},  {{10, 2}, "cde"},    {{10, 99}, "cde"},   {{20, 3}, "abde"},
        {{20, 4}, "abe"},   {{30, 9}, "abcd"},   {{30, 8}, "abcde"},  {{10, 0}, "abcde"},
        {{5, 99}, "abcde"}, {{15, 99}, "abcde"}, {{99, 99}, "abcde"},
    };
    for (size_t i = 0; i < ROWS(table); i++) {
        fill();
        queue_done(&queue, table[i].done);
        ck_assert_msg(strcmp(held(), table[i].left) == 0, "row %zu: %s", i, held());
        ck_assert_uint_eq(queue.count, strlen(table[i].left));
        ck_assert_uint_eq(queue.bytes, strlen(table[i].left));
        queue_clear(&queue);
    }
}
END_TEST

START_TEST(what_was_not_sent_is_known_whatever_is_taken_out) {
    fill();
    queue_sent(&queue);
    queue_sent(&queue);
    ck_assert_mem_eq(queue.unsent->payload, "c", 1);
    queue_done(&queue, (struct name){10, 2});
    ck_assert_mem_eq(queue.unsent->payload, "c", 1);
    queue_done(&queue, (struct name){20, 3}); /* another did it */
    ck_assert_mem_eq(queue.unsent->payload, "d", 1);
    queue_sent(&queue);
    queue_sent(&queue);
    ck_assert_ptr_null(queue.unsent);
    ck_assert_int_eq(hear(30, 10, "f"), ERR_OK);
    ck_assert_mem_eq(queue.unsent->payload, "f", 1);
    queue_rewind(&queue);
    ck_assert_mem_eq(queue.unsent->payload, "d", 1);
    queue_clear(&queue);
    ck_assert_ptr_null(queue.unsent);
}
END_TEST

START_TEST(it_is_full_by_number_and_takes_what_was_on_its_way) {
    queue_init(&queue, 4);
    for (int i = 0; i < 4; i++) {
        ck_assert(!queue_full(&queue));
        ck_assert_int_eq(hear(10, (uint64_t)i, "x"), ERR_OK);
    }
    ck_assert(queue_full(&queue));
    for (int i = 4; i < 4 * QUEUE_SPARE; i++)
        ck_assert_int_eq(hear(10, (uint64_t)i, "x"), ERR_OK);
    ck_assert_int_eq(hear(10, 99, "x"), ERR_FULL);
    queue_done(&queue, (struct name){10, 5});
    ck_assert(!queue_full(&queue) || !queue_roomy(&queue)); /* two are left, which is half */
    queue_done(&queue, (struct name){10, 6});
    ck_assert(queue_roomy(&queue));
    queue_clear(&queue);
}
END_TEST

START_TEST(it_is_full_by_bytes) {
    size_t len = QUEUE_BYTES / 4;
    char *large = mem_new(len + 1);

    memset(large, 'x', len);
    queue_init(&queue, QUEUE_ITEMS);
    for (int i = 0; i < 4; i++) {
        ck_assert(!queue_full(&queue));
        ck_assert_int_eq(hear(10, (uint64_t)i, large), ERR_OK);
    }
    ck_assert(queue_full(&queue));
    queue_clear(&queue);
    free(large);
}
END_TEST

/* --- hearing -------------------------------------------------------------------- */

static const char *next_of(const struct hearing *hearing) {
    static char text[64];
    struct name name = hearing_next(hearing);
    snprintf(text, sizeof text, "%llu %llu", (unsigned long long)name.barrier,
             (unsigned long long)name.number);
    return text;
}

START_TEST(names_are_counted_from_the_last_barrier) {
    struct hearing hearing = {0};

    hearing_begin(&hearing, (struct name){100, 7}, 1, false);
    ck_assert_str_eq(next_of(&hearing), "100 8");
    hearing_take(&hearing);
    ck_assert_str_eq(next_of(&hearing), "100 9");
    ck_assert(hearing_barrier(&hearing, (struct name){200, 20}));
    ck_assert_str_eq(next_of(&hearing), "200 21");
    ck_assert_uint_eq(hearing.from.barrier, 100);
}
END_TEST

START_TEST(a_barrier_that_cannot_be_one_is_passed_over) {
    static const struct name table[] = {
        {100, 9}, {99, 9}, {0, 0}, {UINT64_MAX, 0}, {300, UINT64_MAX}};
    struct hearing hearing = {0};

    hearing_begin(&hearing, (struct name){100, 7}, 1, false);
    for (size_t i = 0; i < ROWS(table); i++)
        ck_assert_msg(!hearing_barrier(&hearing, table[i]), "row %zu", i);
    ck_assert_str_eq(next_of(&hearing), "100 8");
    hearing_end(&hearing, false);
    ck_assert(!hearing_barrier(&hearing, (struct name){200, 9})); /* not meant for it any more */
}
END_TEST

START_TEST(a_cut_is_remembered_until_it_is_settled) {
    struct hearing hearing = {0};

    hearing_begin(&hearing, (struct name){100, 0}, 1, false);
    hearing_take(&hearing);
    hearing_end(&hearing, true);
    ck_assert(hearing.cut && hearing.broken && !hearing.listening);
    hearing_settled(&hearing, 500);
    ck_assert(hearing.broken); /* it does not listen yet: more may be lost */
    hearing_begin(&hearing, (struct name){200, 5}, 1, true);
    ck_assert(!hearing.cut && hearing.broken);
    ck_assert_uint_eq(hearing.before.barrier, 100);
    ck_assert_uint_eq(hearing.before.number, 1);
    hearing_settled(&hearing, 199);
    ck_assert(hearing.broken);
    hearing_settled(&hearing, 200);
    ck_assert(!hearing.broken);
}
END_TEST

START_TEST(another_process_of_redis_knows_nothing_of_what_was_heard_before) {
    struct hearing hearing = {0};

    hearing_begin(&hearing, (struct name){100, 0}, 1, false);
    hearing_end(&hearing, true);
    hearing_begin(&hearing, (struct name){200, 0}, 2, false);
    ck_assert_uint_eq(hearing.before.barrier, 0);
    ck_assert_uint_eq(hearing.barrier_max, 200);
}
END_TEST

UNIT_MAIN("queue", done_takes_out_what_is_behind_that_barrier_up_to_that_number,
          what_was_not_sent_is_known_whatever_is_taken_out,
          it_is_full_by_number_and_takes_what_was_on_its_way, it_is_full_by_bytes,
          names_are_counted_from_the_last_barrier, a_barrier_that_cannot_be_one_is_passed_over,
          a_cut_is_remembered_until_it_is_settled,
          another_process_of_redis_knows_nothing_of_what_was_heard_before)
