/* core/data/batch: the one answer object. */
#include "core/data/batch.h"

#include <string.h>
#include <time.h>

#include "core/base/json.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const struct batch_channel two[] = {
    {.name = "chat", .len = 4, .from = {17, 1}, .to = {17, 3}},
    {.name = "news", .len = 4, .from = {20, 0}, .to = {20, 1}}};

static struct message *message(const char *channel, uint64_t epoch, uint64_t n) {
    return message_new(channel, strlen(channel), (struct position){epoch, n}, 1000 + n, "1", 1);
}

/* chat 2, news 1, chat 3. */
static struct batch *three_messages(unsigned retry) {
    struct batch_entry entries[] = {
        {message("chat", 17, 2), 0}, {message("news", 20, 1), 1}, {message("chat", 17, 3), 0}};
    struct batch *batch = batch_new(two, 2, entries, 3, retry);

    for (size_t i = 0; i < 3; i++)
        message_unref(entries[i].message);
    return batch;
}

static const char *cursor(const struct batch *batch, size_t taken) {
    struct buf out = buf_make(1000);
    batch_cursor(batch, taken, &out);
    return keep(out.data);
}

START_TEST(a_batch_has_its_messages_in_order_and_its_cursor) {
    struct batch *batch = three_messages(0);
    const struct buf *json = batch_json(batch);

    assert_bytes(json->data, json->len,
                 "{\"messages\":["
                 "{\"channel\":\"chat\",\"id\":\"17-2\",\"at\":1002,\"data\":1},"
                 "{\"channel\":\"news\",\"id\":\"20-1\",\"at\":1001,\"data\":1},"
                 "{\"channel\":\"chat\",\"id\":\"17-3\",\"at\":1003,\"data\":1}],"
                 "\"cursor\":\"chat@17-3,news@20-1\"}",
                 "batch");
    batch_unref(batch);
}
END_TEST

START_TEST(an_empty_batch_has_its_cursor_and_neither_gap_nor_retry) {
    struct batch *batch = batch_new(two, 2, NULL, 0, 0);
    const struct buf *json = batch_json(batch);

    assert_bytes(json->data, json->len, "{\"messages\":[],\"cursor\":\"chat@17-3,news@20-1\"}",
                 "empty");
    ck_assert(!batch_has_gap(batch));
    batch_unref(batch);
}
END_TEST

START_TEST(gaps_name_the_channels_that_have_one) {
    struct batch_channel channels[] = {two[0], two[1], {.name = "a\"b", .len = 3, .gap = true}};

    channels[1].gap = true;
    struct batch *batch = batch_new(channels, 3, NULL, 0, 0);
    const struct buf *json = batch_json(batch);
    assert_bytes(json->data, json->len,
                 "{\"messages\":[],\"cursor\":\"chat@17-3,news@20-1,a~22b@0-0\","
                 "\"gap\":[\"news\",\"a\\\"b\"]}",
                 "gap");
    ck_assert(batch_has_gap(batch));
    ck_assert(json_valid(json->data, json->len));
    batch_unref(batch);
}
END_TEST

START_TEST(retry_is_written_when_the_client_should_poll) {
    struct batch *batch = batch_new(two, 1, NULL, 0, 3000);
    const struct buf *json = batch_json(batch);

    assert_bytes(json->data, json->len, "{\"messages\":[],\"cursor\":\"chat@17-3\",\"retry\":3000}",
                 "retry");
    ck_assert_uint_eq(batch_retry(batch), 3000);
    batch_unref(batch);
}
END_TEST

START_TEST(more_and_redis_are_written_where_they_were_set) {
    struct batch *batch = batch_new(two, 1, NULL, 0, 0);

    batch_set_more(batch);
    batch_set_redis(batch, "away");
    const struct buf *json = batch_json(batch);
    assert_bytes(json->data, json->len,
                 "{\"messages\":[],\"cursor\":\"chat@17-3\",\"more\":true,\"redis\":\"away\"}",
                 "more and redis");
    ck_assert_str_eq(batch_redis(batch), "away");
    batch_unref(batch);
}
END_TEST

START_TEST(the_cursor_after_each_message_follows_the_messages) {
    struct batch *batch = three_messages(0);

    ck_assert_str_eq(cursor(batch, 0), "chat@17-1,news@20-0");
    ck_assert_str_eq(cursor(batch, 1), "chat@17-2,news@20-0");
    ck_assert_str_eq(cursor(batch, 2), "chat@17-2,news@20-1");
    ck_assert_str_eq(cursor(batch, 3), "chat@17-3,news@20-1");
    batch_unref(batch);
}
END_TEST

START_TEST(a_cursor_is_appended_to_what_is_there) {
    struct batch *batch = batch_new(two, 2, NULL, 0, 0);
    struct buf out = buf_make(1000);

    buf_text(&out, "id: ");
    batch_cursor(batch, 0, &out);
    ck_assert_str_eq(out.data, "id: chat@17-3,news@20-1");
    buf_free(&out);
    batch_unref(batch);
}
END_TEST

START_TEST(json_is_rendered_once) {
    struct batch *batch = three_messages(0);

    ck_assert_ptr_eq(batch_json(batch), batch_json(batch));
    ck_assert_ptr_eq(batch_json(batch)->data, batch_json(batch)->data);
    batch_unref(batch);
}
END_TEST

START_TEST(names_are_copied_and_messages_referenced) {
    char name[] = "chat";
    struct batch_channel channel = {.name = name, .len = 4, .to = {1, 1}};
    struct message *m = message("chat", 1, 1);
    struct batch *batch = batch_new(&channel, 1, &(struct batch_entry){m, 0}, 1, 0);

    memset(name, 'x', 4);
    message_unref(m);
    assert_bytes(batch_channel_at(batch, 0)->name, batch_channel_at(batch, 0)->len, "chat", "name");
    ck_assert_uint_eq(batch_entry_at(batch, 0)->message->id.n, 1);
    ck_assert_uint_eq(batch_size(batch), 1);
    ck_assert_uint_eq(batch_channel_count(batch), 1);
    batch_unref(batch_ref(batch));
    batch_unref(batch);
    batch_unref(NULL);
}
END_TEST

START_TEST(renderings_are_kept_by_key_and_variant) {
    struct batch *batch = three_messages(0);
    static const int key, other;
    struct buf text = buf_make(100);

    buf_text(&text, "rendered");
    ck_assert_ptr_null(batch_kept(batch, &key, 0));
    const struct buf *kept = batch_keep(batch, &key, 0, &text);
    ck_assert_ptr_null(text.data); /* moved */
    ck_assert_ptr_eq(batch_kept(batch, &key, 0), kept);
    ck_assert_str_eq(kept->data, "rendered");
    ck_assert_ptr_null(batch_kept(batch, &key, 1));
    ck_assert_ptr_null(batch_kept(batch, &other, 0));
    batch_unref(batch);
}
END_TEST

START_TEST(only_so_many_renderings_are_kept) {
    struct batch *batch = three_messages(0);
    static const int key;
    struct buf text = buf_make(100);

    for (unsigned i = 0; i < BATCH_RENDERINGS; i++) {
        buf_uint(&text, i);
        ck_assert_ptr_nonnull(batch_keep(batch, &key, i, &text));
    }
    buf_text(&text, "mine");
    ck_assert_ptr_null(batch_keep(batch, &key, BATCH_RENDERINGS, &text));
    ck_assert_str_eq(text.data, "mine"); /* still the caller's */
    ck_assert_str_eq(batch_kept(batch, &key, 3)->data, "3");
    buf_free(&text);
    batch_unref(batch);
}
END_TEST

/* All the cursors of a batch of 64 channels, `times` times over: how long that takes. */
static double cursors_take(size_t count, unsigned times) {
    static struct batch_channel channels[64];
    struct batch_entry entries[1000];

    for (size_t i = 0; i < 64; i++)
        channels[i] = (struct batch_channel){.name = keepf("c%zu", i), .len = i < 10 ? 2 : 3};
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct batch_entry){message("c", 17, i), i % 64};
    clock_t before = clock();
    for (unsigned k = 0; k < times; k++) {
        struct batch *batch = batch_new(channels, 64, entries, count, 0);
        struct buf out = buf_make(100000);
        for (size_t taken = 0; taken < count; taken++) {
            buf_clear(&out);
            batch_cursor(batch, taken, &out);
        }
        buf_free(&out);
        batch_unref(batch);
    }
    double took = (double)(clock() - before);
    for (size_t i = 0; i < count; i++)
        message_unref(entries[i].message);
    return took;
}

START_TEST(a_cursor_behind_each_of_many_messages_costs_no_more_than_behind_few) {
    double few = cursors_take(100, 20), many = cursors_take(1000, 2);

    ck_assert_msg(many < 4 * few, "behind one of 1,000: %.1f times behind one of 100", many / few);
}
END_TEST

START_TEST(every_cursor_says_where_each_channel_is_in_any_order) {
    struct batch *batch = three_messages(0);

    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(cursor(batch, 2), "chat@17-2,news@20-1");
        ck_assert_str_eq(cursor(batch, 0), "chat@17-1,news@20-0");
        ck_assert_str_eq(cursor(batch, 3), "chat@17-3,news@20-1");
        ck_assert_str_eq(cursor(batch, 1), "chat@17-2,news@20-0");
    }
    batch_unref(batch);
}
END_TEST

UNIT_MAIN("batch", a_cursor_behind_each_of_many_messages_costs_no_more_than_behind_few,
          every_cursor_says_where_each_channel_is_in_any_order,
          a_batch_has_its_messages_in_order_and_its_cursor,
          an_empty_batch_has_its_cursor_and_neither_gap_nor_retry,
          gaps_name_the_channels_that_have_one, retry_is_written_when_the_client_should_poll,
          more_and_redis_are_written_where_they_were_set,
          the_cursor_after_each_message_follows_the_messages, a_cursor_is_appended_to_what_is_there,
          json_is_rendered_once, names_are_copied_and_messages_referenced,
          renderings_are_kept_by_key_and_variant, only_so_many_renderings_are_kept)
