/* worker/queue: what a worker has heard and has not seen sequenced. */
#include "worker/queue.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static void add(struct queue *queue, const char *channel, const char *payload) {
    ck_assert_int_eq(queue_add(queue, channel, strlen(channel), payload, strlen(payload)), ERR_OK);
}

/* The payloads from the front to the back. */
static const char *order(const struct queue *queue) {
    char *text = keepf("%s", "");
    for (const struct item *item = queue->head; item != NULL; item = item->next)
        text = keepf("%s%s", text, item->payload);
    return text;
}

START_TEST(items_stay_in_the_order_in_which_they_were_heard) {
    struct queue queue = {0};

    add(&queue, "chat", "a");
    add(&queue, "news", "b");
    add(&queue, "chat", "c");
    ck_assert_str_eq(order(&queue), "abc");
    ck_assert_uint_eq(queue.count, 3);
    ck_assert_uint_eq(queue.bytes, 3);
    queue_clear(&queue);
    ck_assert_ptr_null(queue.head);
    ck_assert_uint_eq(queue.count, 0);
    ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

START_TEST(items_are_copies) {
    struct queue queue = {0};
    char payload[] = "a\0b", channel[] = "chat";

    ck_assert_int_eq(queue_add(&queue, channel, 4, payload, 3), ERR_OK);
    memset(payload, 'x', 3);
    memset(channel, 'x', 4);
    ck_assert_mem_eq(queue.head->payload, "a\0b", 4);
    ck_assert_str_eq(queue.head->channel, "chat");
    ck_assert_uint_eq(queue.head->index, 0);
    queue_clear(&queue);
}
END_TEST

START_TEST(digests_tell_items_apart) {
    static const struct {
        const char *channel, *payload;
        size_t channel_len, payload_len;
    } rows[] = {{"", "", 0, 0},    {"a", "", 1, 0},   {"", "a", 0, 1},    {"ab", "c", 2, 1},
                {"a", "bc", 1, 2}, {"", "abc", 0, 3}, {"a", "b\0", 1, 2}, {"a", "b", 1, 1}};
    char digests[ROWS(rows)][DIGEST_TEXT];

    for (size_t i = 0; i < ROWS(rows); i++) {
        queue_digest(rows[i].channel, rows[i].channel_len, rows[i].payload, rows[i].payload_len,
                     digests[i]);
        ck_assert_uint_eq(strlen(digests[i]), 16);
        ck_assert_uint_eq(strspn(digests[i], "0123456789abcdef"), 16);
        for (size_t k = 0; k < i; k++)
            ck_assert_msg(strcmp(digests[i], digests[k]) != 0, "rows %zu and %zu", k, i);
    }
}
END_TEST

START_TEST(the_same_item_has_the_same_digest_in_every_worker) {
    char digest[DIGEST_TEXT];
    struct queue queue = {0};

    queue_digest("chat", 4, "hi", 2, digest);
    ck_assert_str_eq(digest, "364df545a9eea856"); /* workers of two versions run side by side */
    add(&queue, "chat", "hi");
    ck_assert_str_eq(queue.head->digest, digest);
    queue_clear(&queue);
}
END_TEST

START_TEST(the_first_of_equal_items_is_found) {
    struct queue queue = {0};

    add(&queue, "chat", "a");
    add(&queue, "chat", "b");
    add(&queue, "chat", "b");
    ck_assert_ptr_eq(queue_find(&queue, queue.head->next->digest), queue.head->next);
    ck_assert_ptr_null(queue_find(&queue, "0000000000000000"));
    queue_clear(&queue);
}
END_TEST

START_TEST(dropping_through_an_item_takes_it_and_all_before_it) {
    struct queue queue = {0};

    add(&queue, "c", "a");
    add(&queue, "c", "b");
    add(&queue, "c", "c");
    ck_assert_uint_eq(queue_drop_through(&queue, queue.head->next), 2);
    ck_assert_str_eq(order(&queue), "c");
    ck_assert_uint_eq(queue_drop_through(&queue, queue.head), 1);
    ck_assert_uint_eq(queue.count, 0);
    ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

START_TEST(numbered_items_up_to_the_total_are_dropped_and_unnumbered_ones_stay) {
    struct queue queue = {0};

    add(&queue, "c", "a");
    add(&queue, "c", "b");
    add(&queue, "c", "c");
    queue_number(&queue, 11);
    add(&queue, "c", "d");
    queue_drop_sequenced(&queue, 12);
    ck_assert_str_eq(order(&queue), "cd");
    queue_drop_sequenced(&queue, 100);
    ck_assert_str_eq(order(&queue), "d");
    queue_drop_sequenced(&queue, 100);
    ck_assert_str_eq(order(&queue), "d");
    queue_clear(&queue);
}
END_TEST

START_TEST(a_queue_takes_no_more_than_its_bytes) {
    struct queue queue = {0};
    enum { PIECE = 16 * 1024 * 1024 };
    char *payload = keep(calloc(1, PIECE));

    for (int i = 0; i < QUEUE_BYTES_MAX / PIECE; i++)
        ck_assert_int_eq(queue_add(&queue, "c", 1, payload, PIECE), ERR_OK);
    ck_assert_int_eq(queue_add(&queue, "c", 1, payload, 1), ERR_FULL);
    ck_assert_int_eq(queue_add(&queue, "c", 1, payload, 0), ERR_OK);
    queue_drop_through(&queue, queue.head);
    ck_assert_int_eq(queue_add(&queue, "c", 1, payload, 1), ERR_OK);
    queue_clear(&queue);
}
END_TEST

START_TEST(a_queue_takes_no_more_than_its_items) {
    struct queue queue = {0};

    for (int i = 0; i < QUEUE_ITEMS_MAX; i++)
        ck_assert_int_eq(queue_add(&queue, "c", 1, "", 0), ERR_OK);
    ck_assert_int_eq(queue_add(&queue, "c", 1, "", 0), ERR_FULL);
    ck_assert_uint_eq(queue.count, QUEUE_ITEMS_MAX);
    queue_clear(&queue);
}
END_TEST

UNIT_MAIN("queue", items_stay_in_the_order_in_which_they_were_heard, items_are_copies,
          digests_tell_items_apart, the_same_item_has_the_same_digest_in_every_worker,
          the_first_of_equal_items_is_found, dropping_through_an_item_takes_it_and_all_before_it,
          numbered_items_up_to_the_total_are_dropped_and_unnumbered_ones_stay,
          a_queue_takes_no_more_than_its_bytes, a_queue_takes_no_more_than_its_items)
