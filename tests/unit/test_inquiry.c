/* fcgi-app/rights/inquiry: what a site answers, and what is no answer. */
#include "fcgi-app/rights/inquiry.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/site.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

#define OK          "HTTP/1.1 200 OK\r\n"
#define END         "Content-Length: 0\r\n\r\n"
#define HELD(value) OK "Cache-Control: " value "\r\n" END
#define YES         OK END

static struct ev_loop *loop;
static struct site site;
static struct inquiries *all;
static unsigned answered;
static struct inquiry_answer last;

static void begin(void) {
    loop = ev_loop_new(0);
    site_open(&site, loop);
    all = inquiries_new(loop);
    ck_assert_ptr_nonnull(all);
    answered = 0;
}

static void end(void) {
    inquiries_free(all);
    site_close(&site);
    ev_loop_destroy(loop);
}

static void on_answer(void *ctx, const struct inquiry_answer *answer) {
    (void)ctx;
    answered++;
    last = *answer;
}

static bool ask(unsigned *share, double timeout, bool alone) {
    static const char *const fields[] = {"Cookie: a=b", NULL};
    struct inquiry inquiry = {.url = keepf("http://127.0.0.1:%d/may?x", site.port),
                              .fields = fields,
                              .timeout = timeout,
                              .alone = alone};

    inquiry.share = share;
    return inquiry_begin(all, &inquiry, on_answer, NULL);
}

START_TEST(an_answer_is_a_status_and_for_how_long_it_holds) {
    static const struct {
        const char *says;
        int status;
        long max_age;
    } rows[] = {
        {YES, 200, 0},
        {HELD("max-age=60"), 200, 60},
        {HELD("private,MAX-AGE=60 "), 200, 60},
        {HELD("max-age=86400"), 200, 86400},
        {HELD("max-age=86401"), 200, 86400},
        {HELD("max-age=99999999999999999999"), 200, 86400},
        {HELD("max-age=-1"), 200, 0},
        {HELD("max-age="), 200, 0},
        {HELD("max-age=5x"), 200, 0},
        {HELD("max-age=\"5\""), 200, 0},
        {HELD("s-maxage=5, x-max-age=5"), 200, 0},
        {HELD("no-store, max-age=5"), 200, 0},
        {HELD("max-age=5, no-cache"), 200, 0},
        {HELD("max-age=5, max-age=4"), 200, 4},
        {HELD("no-store\r\nCache-Control: max-age=5"), 200, 0},
        {HELD("max-age=5\r\nCache-Control: max-age=9"), 200, 5},
        {HELD("private\r\nCache-Control: max-age=9"), 200, 9},
        {"HTTP/1.1 103 Early\r\nCache-Control: max-age=5\r\n\r\n" YES, 200, 0},
        {OK "Transfer-Encoding: chunked\r\n\r\n0\r\nCache-Control: max-age=5\r\n\r\n", 200, 0},
        {"HTTP/1.1 403 No\r\n" END, 403, 0},
        {"HTTP/1.1 302 Found\r\nLocation: /yes\r\n" END, 302, 0},
        {"HTTP/1.0 204 No\r\n\r\n", 204, 0},
        {"", 0, 0},
        {"yes", 0, 0},
        {"<html>yes</html>", 0, 0},
        {"\r\n\r\n", 0, 0},
        {"HTTP/1.1 103 Early\r\n\r\n", 0, 0},
        {OK "Cache-Control: max-age=5", 0, 0},
        {OK "Cache-Control: max-age=5\r\nContent-Length: 9\r\n\r\nab", 0, 0},
        {"HTTP/1.1 99999 OK\r\n" END, 0, 0}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned share = 0;
        begin();
        site.says = rows[i].says;
        site.closes = true;
        ck_assert(ask(&share, 20, false));
        loop_until(loop, answered == 1);
        ck_assert_msg(last.status == rows[i].status && last.max_age == rows[i].max_age,
                      "%d %ld: %s", last.status, last.max_age, rows[i].says);
        ck_assert_msg((last.why != NULL) == (last.status == 0), "%s", rows[i].says);
        ck_assert_uint_eq(share, 0);
        end();
    }
}
END_TEST

START_TEST(who_does_not_answer_in_time_is_not_waited_for) {
    unsigned share = 0;

    begin();
    ck_assert(ask(&share, 0.05, false));
    loop_until(loop, answered == 1);
    ck_assert_int_eq(last.status, 0);
    ck_assert_ptr_nonnull(last.why);
    site.says = YES;
    ck_assert(ask(&share, 20, false));
    loop_until(loop, answered == 2);
    ck_assert_int_eq(last.status, 200);
    end();
}
END_TEST

START_TEST(who_has_his_share_on_its_way_lets_others_pass) {
    unsigned mine = 0, yours = 0;

    begin();
    for (int i = 0; i < 64; i++)
        ck_assert(ask(&mine, 20, false));
    loop_until(loop, site.asked == INQUIRY_SHARE);
    ck_assert_uint_eq(mine, INQUIRY_SHARE);
    ck_assert(ask(&yours, 20, false));
    loop_until(loop, site.asked == INQUIRY_SHARE + 1);
    ck_assert_uint_eq(yours, 1);
    for (unsigned i = 1; i <= 65; i++) {
        loop_until(loop, site.held_count > 0);
        site_answer(&site, YES);
        loop_until(loop, answered == i);
        ck_assert_uint_le(mine, INQUIRY_SHARE);
    }
    ck_assert_uint_eq(mine + yours, 0);
    end();
}
END_TEST

START_TEST(too_many_that_wait_are_refused) {
    unsigned share = 0, count = 0;

    begin();
    while (count <= INQUIRY_SHARE + INQUIRY_WAITING && ask(&share, 20, false))
        count++;
    ck_assert_uint_eq(count, INQUIRY_SHARE + INQUIRY_WAITING);
    inquiries_free(all);
    ck_assert_uint_eq(share, 0);
    ck_assert_uint_eq(answered, 0);
    all = NULL;
    end();
}
END_TEST

START_TEST(what_is_asked_alone_has_a_connection_of_its_own) {
    static const unsigned accepted[] = {1, 1, 2, 2};
    unsigned share = 0;

    begin();
    site.says = YES;
    for (unsigned i = 0; i < ROWS(accepted); i++) {
        ck_assert(ask(&share, 20, i == 2));
        loop_until(loop, answered == i + 1);
        ck_assert_msg(site.accepted == accepted[i], "%u: %u", i, site.accepted);
    }
    end();
}
END_TEST

UNIT_MAIN("inquiry", an_answer_is_a_status_and_for_how_long_it_holds,
          who_does_not_answer_in_time_is_not_waited_for,
          who_has_his_share_on_its_way_lets_others_pass, too_many_that_wait_are_refused,
          what_is_asked_alone_has_a_connection_of_its_own)
