/* The function library taken away, or replaced, under programs that run: whoever publishes
 * through them does not notice, and others have it back within a second.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/reader.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 12, TEXT_MAX = 1 << 20 };

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "library");
    lab_websockets(&lab);
    lab_set(&lab, "LEASE", "600");
    lab_all(&lab, "library", "lighttpd");
}

static void teardown(void) {
    lab_close(&lab);
}

/* How the library goes: all of them, ours, or another of its name without its functions. */
static void take_away(int round) {
    if (round % 3 == 0)
        store_do(&lab, "FUNCTION FLUSH");
    else if (round % 3 == 1)
        store_do(&lab, "FUNCTION DELETE halley");
    else
        store_do(&lab, "FUNCTION LOAD REPLACE %s",
                 "#!lua name=halley\nredis.register_function('halley_nothing', function() end)");
}

static bool is_there(void) {
    return store_try(&lab, "FCALL_RO halley_read 1 x now 1")->type == REDIS_REPLY_ARRAY;
}

static int must_post(const char *channel, int n) {
    const char *text = keepf("%d", n);
    const struct answer *answer =
        http_post(&lab, text, strlen(text), "/comet/publish?channel=%s", channel);

    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    return n;
}

START_TEST(a_post_does_not_notice_that_the_library_is_gone) {
    const char *channel = keep_fresh("open-post");
    struct reader readers[3];

    for (size_t i = 0; i < 3; i++)
        reader_begin(&readers[i], &lab, BY_WEB, (enum transport[]){EVENTS, WAIT, WS}[i], channel);
    for (int n = 1; n <= ROUNDS; n++) {
        take_away(n);
        must_post(channel, n);
        readers_reach(readers, 3, n);
    }
    for (size_t i = 0; i < 3; i++) {
        reader_must_have(&readers[i], ROUNDS);
        ck_assert_uint_eq(readers[i].refused, 0);
        reader_end(&readers[i]);
    }
}
END_TEST

START_TEST(a_publish_by_websocket_does_not_notice_it) {
    const char *channel = keep_fresh("open-socket");
    struct websock *socket = websock_on(wire_tcp(lab.port), "/comet/ws", "");

    ck_assert_int_eq(websock_reach_status(socket), 101);
    for (int n = 1; n <= ROUNDS; n++) {
        take_away(n);
        websock_say(socket, keepf("{\"publish\":{\"channel\":\"%s\",\"data\":%d},\"ref\":%d}",
                                  channel, n, n));
        const char *said;
        do {
            said = websock_reach_text(socket);
            ck_assert_msg(strstr(said, "\"error\"") == NULL, "%s", said);
        } while (strstr(said, "\"published\"") == NULL);
    }
    ck_assert_int_eq(store_held(&lab, channel), ROUNDS);
    websock_close(socket);
}
END_TEST

START_TEST(a_read_does_not_notice_it) {
    for (int n = 1; n <= ROUNDS; n++) {
        const char *channel = keep_fresh("read");
        take_away(n);
        const struct answer *answer = http_get(&lab, "/comet/poll?channel=%s&since=start", channel);
        ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
        answer = http_get(&lab, "/comet/info");
        ck_assert_msg(strstr(answer->body, "\"ws\"") != NULL, "%s", answer->body);
    }
}
END_TEST

START_TEST(others_have_it_back_though_nobody_asks_the_programs) {
    for (int n = 1; n <= 6; n++) {
        take_away(n);
        until(is_there(), "nobody loads it");
    }
}
END_TEST

START_TEST(bare_publishes_go_on) {
    const char *channel = keep_fresh("bare");
    struct reader reader;

    reader_begin(&reader, &lab, BY_WEB, EVENTS, channel);
    for (int n = 1; n <= 6 * ROUNDS; n++) {
        if (n % 6 == 0)
            take_away(n / 6);
        ck_assert_int_eq(store_publish(&lab, channel, keepf("%d", n)), 1);
        if (n % 6 == 5)
            readers_reach(&reader, 1, n);
    }
    readers_reach(&reader, 1, 6 * ROUNDS);
    reader_must_have(&reader, 6 * ROUNDS);
    ck_assert_int_eq(store_held(&lab, channel), 6 * ROUNDS);
    reader_end(&reader);
}
END_TEST

/* --- versions ----------------------------------------------------------------------- */

/* The library with its number moved by `by`, and a mark of its own. */
static char *other_text(int by) {
    FILE *file = fopen(keepf("%s/core/redis/halley.lua", lab_root()), "r");
    char *text = keep(calloc(1, TEXT_MAX)), *line;

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(text, 1, TEXT_MAX - 1, file), 1000);
    fclose(file);
    line = strstr(text, "local VERSION = ");
    ck_assert_ptr_nonnull(line);
    char *rest = NULL;
    long version = strtol(line + 16, &rest, 10);
    return keepf("%.*slocal VERSION = %ld%s\n-- marked %s\n", (int)(line - text), text,
                 version + by, rest, keep_fresh("build"));
}

/* Whether the text that is in Redis is that of somebody else. */
static bool others_text_is_there(void) {
    const redisReply *reply = store_do(&lab, "FUNCTION LIST LIBRARYNAME halley WITHCODE");

    if (reply->elements == 0)
        return false;
    const redisReply *fields = reply->element[0];
    return strstr(fields->element[fields->elements - 1]->str, "\n-- marked ") != NULL;
}

static void must_work(void) {
    const char *channel = keep_fresh("open-works");
    must_post(channel, 1);
    store_publish(&lab, channel, "2");
    until(store_held(&lab, channel) == 2, "not sequenced");
}

START_TEST(an_older_library_is_replaced) {
    for (int n = 0; n < 4; n++) {
        store_do(&lab, "FUNCTION LOAD REPLACE %s", other_text(-1));
        until(!others_text_is_there(), "it stays");
        must_work();
    }
}
END_TEST

START_TEST(a_newer_library_is_left_as_it_is) {
    store_do(&lab, "FUNCTION LOAD REPLACE %s", other_text(+7));
    for (int n = 0; n < 15; n++) {
        pause_ms(100);
        ck_assert(others_text_is_there());
    }
    must_work();
    store_do(&lab, "FUNCTION DELETE halley");
    until(is_there(), "nobody loads it");
    ck_assert(!others_text_is_there());
}
END_TEST

/* One worker and one application: each replaces a text of the same number once, and says so. */
START_TEST(two_texts_of_one_number_do_not_replace_each_other_for_ever) {
    int replaced = 0;

    for (int64_t stays = 0; stays < 2000;) {
        store_do(&lab, "FUNCTION LOAD REPLACE %s", other_text(0));
        int64_t begun = now_ms();
        while ((stays = now_ms() - begun) < 2000 && others_text_is_there())
            pause_ms(20);
        replaced += stays < 2000;
        ck_assert_int_le(replaced, 2);
    }
    ck_assert_int_ge(replaced, 1);
    must_work();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("library");
    TCase *gone = e2e_case(suite, "gone", setup, teardown);
    TCase *versions = e2e_case(suite, "versions", NULL, NULL);

    tcase_add_test(gone, a_post_does_not_notice_that_the_library_is_gone);
    tcase_add_test(gone, a_publish_by_websocket_does_not_notice_it);
    tcase_add_test(gone, a_read_does_not_notice_it);
    tcase_add_test(gone, others_have_it_back_though_nobody_asks_the_programs);
    tcase_add_test(gone, bare_publishes_go_on);
    tcase_add_checked_fixture(versions, setup, teardown);
    tcase_add_test(versions, an_older_library_is_replaced);
    tcase_add_test(versions, a_newer_library_is_left_as_it_is);
    tcase_add_test(versions, two_texts_of_one_number_do_not_replace_each_other_for_ever);
    return e2e_run(suite);
}
