/* fcgi-app/door/fcgi/fcgi: whether a request has wholly arrived, and the records of answers. */
#include "fcgi-app/door/fcgi/fcgi.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/records.h"
#include "tests/unit/unit.h"

/* What fcgi_look() says of a copy of exactly these bytes: reading past them is an
 * error that the sanitizers see. */
static enum fcgi_look look(const void *data, size_t len, struct fcgi_view *view) {
    unsigned char *copy = malloc(len ? len : 1);
    memcpy(copy, len ? data : "", len);
    enum fcgi_look seen = fcgi_look(copy, len, view);
    free(copy);
    return seen;
}

static void post(struct buf *out, unsigned id) {
    struct buf params = buf_make(1000);

    record_param(&params, "REQUEST_METHOD", "POST");
    record_param(&params, "LONG",
                 "0123456789012345678901234567890123456789012345678901234567890"
                 "0123456789012345678901234567890123456789012345678901234567890"
                 "01234567890");
    record_begin(out, id, 1);
    record_add(out, RECORD_PARAMS, id, params.data, params.len, 255);
    record_add(out, RECORD_PARAMS, id, NULL, 0, 0);
    record_add(out, RECORD_STDIN, id, "hello", 5, 3);
    record_add(out, RECORD_STDIN, id, " world", 6, 0);
    record_add(out, RECORD_STDIN, id, NULL, 0, 0);
    buf_free(&params);
}

START_TEST(every_beginning_of_a_request_is_partial_and_only_all_of_it_whole) {
    struct buf request = buf_make(10000);
    struct fcgi_view view;

    post(&request, 1);
    for (size_t cut = 0; cut < request.len; cut++)
        ck_assert_msg(look(request.data, cut, &view) == FCGI_PARTIAL, "cut at %zu of %zu", cut,
                      request.len);
    ck_assert_int_eq(look(request.data, request.len, &view), FCGI_WHOLE);
    ck_assert_uint_eq(view.request_id, 1);
    ck_assert(view.params_whole);
    ck_assert_uint_eq(view.body_bytes, 11);
    buf_free(&request);
}
END_TEST

START_TEST(what_a_view_knows_only_grows) {
    struct buf request = buf_make(10000);
    struct fcgi_view view, before = {0};

    post(&request, 0x1234);
    for (size_t cut = 0; cut <= request.len; cut++) {
        (void)look(request.data, cut, &view);
        ck_assert_msg(view.request_id == (cut < FCGI_HEADER ? 0 : 0x1234), "cut at %zu", cut);
        ck_assert_msg(view.params_whole >= before.params_whole, "cut at %zu", cut);
        ck_assert_msg(view.params_bytes >= before.params_bytes, "cut at %zu", cut);
        ck_assert_msg(view.body_bytes >= before.body_bytes, "cut at %zu", cut);
        before = view;
    }
    buf_free(&request);
}
END_TEST

START_TEST(parameters_are_whole_from_the_end_of_their_empty_record_on) {
    struct buf request = buf_make(10000);
    struct fcgi_view view;

    record_begin(&request, 1, 1);
    record_add(&request, RECORD_PARAMS, 1, "abc", 3, 5);
    size_t before = request.len;
    record_add(&request, RECORD_PARAMS, 1, NULL, 0, 4);
    ck_assert_int_eq(look(request.data, before, &view), FCGI_PARTIAL);
    ck_assert(!view.params_whole);
    ck_assert_int_eq(look(request.data, request.len - 1, &view), FCGI_PARTIAL);
    ck_assert(!view.params_whole);
    ck_assert_int_eq(look(request.data, request.len, &view), FCGI_PARTIAL);
    ck_assert(view.params_whole);
    ck_assert_uint_eq(view.params_bytes, 3);
    buf_free(&request);
}
END_TEST

START_TEST(a_request_without_a_body_is_whole) {
    struct buf request = buf_make(10000);
    struct fcgi_view view;

    record_request(&request, 65535, "GET", "/comet/poll", NULL, NULL, 0);
    ck_assert_int_eq(look(request.data, request.len, &view), FCGI_WHOLE);
    ck_assert_uint_eq(view.request_id, 65535);
    ck_assert_uint_eq(view.body_bytes, 0);
    buf_free(&request);
}
END_TEST

START_TEST(records_of_the_largest_size_are_counted) {
    struct buf request = buf_make(1000000);
    struct fcgi_view view;
    char *data = keep(calloc(1, FCGI_CONTENT_MAX));

    record_begin(&request, 1, 1);
    record_add(&request, RECORD_PARAMS, 1, data, FCGI_CONTENT_MAX, 255);
    record_add(&request, RECORD_PARAMS, 1, NULL, 0, 0);
    record_add(&request, RECORD_STDIN, 1, data, FCGI_CONTENT_MAX, 1);
    record_add(&request, RECORD_STDIN, 1, data, FCGI_CONTENT_MAX, 0);
    record_add(&request, RECORD_STDIN, 1, NULL, 0, 0);
    ck_assert_int_eq(look(request.data, request.len, &view), FCGI_WHOLE);
    ck_assert_uint_eq(view.params_bytes, FCGI_CONTENT_MAX);
    ck_assert_uint_eq(view.body_bytes, 2 * FCGI_CONTENT_MAX);
    buf_free(&request);
}
END_TEST

/* One record, as the table writes it. */
struct row_record {
    enum record_type type;
    unsigned id;
    const char *content;
};

START_TEST(what_no_web_server_sends_is_to_be_read_record_by_record) {
    static const char role1[8] = {0, 1}, role2[8] = {0, 2}, role3[8] = {0, 3}, role257[8] = {1, 1};
    (void)role1;
    static const struct {
        const char *what;
        const char *role; /* of the BEGIN_REQUEST in front; NULL: there is none */
        struct row_record records[3];
    } rows[] = {
        {"parameters first", NULL, {{RECORD_PARAMS, 1, "a"}}},
        {"a question first", NULL, {{(enum record_type)9, 0, "values"}}},
        {"a body first", NULL, {{RECORD_STDIN, 1, "a"}}},
        {"an end", NULL, {{RECORD_END, 1, "12345678"}}},
        {"a short beginning", NULL, {{RECORD_BEGIN, 1, "1234567"}}},
        {"an authorizer", role2, {{RECORD_PARAMS, 1, ""}}},
        {"a filter", role3, {{RECORD_PARAMS, 1, ""}}},
        {"a role of two bytes", role257, {{RECORD_PARAMS, 1, ""}}},
        {"parameters in two records", role1, {{RECORD_PARAMS, 1, "a"}, {RECORD_PARAMS, 1, "b"}}},
        {"another id in the parameters", role1, {{RECORD_PARAMS, 2, "a"}}},
        {"another id in the body", role1, {{RECORD_PARAMS, 1, ""}, {RECORD_STDIN, 2, "a"}}},
        {"id 0", role1, {{RECORD_PARAMS, 0, ""}}},
        {"a body before the parameters end", role1, {{RECORD_STDIN, 1, "a"}}},
        {"parameters behind their end", role1, {{RECORD_PARAMS, 1, ""}, {RECORD_PARAMS, 1, "a"}}},
        {"an abort", role1, {{RECORD_ABORT, 1, ""}}},
        {"a second beginning", role1, {{RECORD_BEGIN, 1, "12345678"}}},
        {"an answer", role1, {{RECORD_PARAMS, 1, ""}, {RECORD_STDOUT, 1, "a"}}},
        {"an unknown type", role1, {{(enum record_type)99, 1, ""}}}};
    struct fcgi_view view;

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct buf out = buf_make(10000);
        if (rows[i].role != NULL)
            record_add(&out, RECORD_BEGIN, 1, rows[i].role, 8, 0);
        for (size_t k = 0; k < 3 && rows[i].records[k].content != NULL; k++)
            record_add(&out, rows[i].records[k].type, rows[i].records[k].id,
                       rows[i].records[k].content, strlen(rows[i].records[k].content), 0);
        ck_assert_msg(look(out.data, out.len, &view) == FCGI_ODD, "%s", rows[i].what);
        buf_free(&out);
    }
}
END_TEST

START_TEST(what_is_no_fastcgi_is_seen_by_its_first_byte) {
    struct fcgi_view view;

    ck_assert_int_eq(look("G", 1, &view), FCGI_JUNK);
    ck_assert_int_eq(look("GET / HTTP/1.0\r\n\r\n", 18, &view), FCGI_JUNK);
    ck_assert_int_eq(look("\x00", 1, &view), FCGI_JUNK);
    ck_assert_int_eq(look("", 0, &view), FCGI_PARTIAL);
    struct buf text = buf_make(1000);
    record_begin(&text, 1, 1);
    buf_text(&text, "GET / HT");
    ck_assert_int_eq(look(text.data, text.len, &view), FCGI_JUNK);
    buf_free(&text);
}
END_TEST

START_TEST(the_size_of_a_request_is_known_whatever_follows_it) {
    struct buf text = buf_make(10000);
    struct fcgi_view view;

    post(&text, 1);
    size_t size = text.len;
    post(&text, 2);
    ck_assert_int_eq(look(text.data, text.len, &view), FCGI_WHOLE);
    ck_assert_uint_eq(view.size, size);
    ck_assert_uint_eq(view.request_id, 1);
    buf_free(&text);
}
END_TEST

/* The name-value pairs of an answer to GET_VALUES, as "NAME=value ". */
static const char *values_for(const void *query, size_t len, unsigned most) {
    struct buf out = buf_make(1000);
    char *text = keepf("%s", "");

    fcgi_put_values(&out, query, len, most);
    const unsigned char *at = (const unsigned char *)out.data + FCGI_HEADER;
    struct fcgi_record record = fcgi_parse_header((const unsigned char *)out.data);
    ck_assert_uint_eq(record.type, 10);
    ck_assert_uint_eq(record.request_id, 0);
    ck_assert_uint_eq(record.content + FCGI_HEADER, out.len);
    for (const unsigned char *end = at + record.content; at < end; at += 2 + at[0] + at[1])
        text = keepf("%s%.*s=%.*s ", text, at[0], at + 2, at[1], at + 2 + at[0]);
    buf_free(&out);
    return text;
}

START_TEST(values_are_told_that_were_asked_for_and_are_known) {
    struct buf query = buf_make(100000);

    ck_assert_str_eq(values_for("", 0, 7), "");
    record_param(&query, "FCGI_MPXS_CONNS", "");
    record_param(&query, "FCGI_NONSENSE", "");
    record_param(&query, "", "");
    record_param(&query, "FCGI_MAX_REQS", "a value that nobody asked for");
    ck_assert_str_eq(values_for(query.data, query.len, 10000),
                     "FCGI_MAX_REQS=10000 FCGI_MPXS_CONNS=0 ");
    for (int i = 0; i < 1000; i++)
        record_param(&query, "FCGI_MAX_CONNS", "");
    ck_assert_str_eq(values_for(query.data, query.len, 4294967295U),
                     "FCGI_MAX_CONNS=4294967295 FCGI_MAX_REQS=4294967295 FCGI_MPXS_CONNS=0 ");
    for (size_t cut = 0; cut < query.len; cut += cut < 100 ? 1 : 97) {
        char *part = malloc(cut + 1);
        memcpy(part, query.data, cut);
        (void)values_for(part, cut, 1); /* nothing behind it is read */
        free(part);
    }
    buf_free(&query);
    (void)values_for("\xff\xff\xff\xff\x80\x00\x00\x00x", 9, 1);
    (void)values_for("\x80", 1, 1);
}
END_TEST

START_TEST(pairs_lie_within_what_came) {
    static const struct {
        const char *bytes;
        size_t len;
        bool pairs;
    } rows[] = {{"", 0, true},
                {"\0\0", 2, true},
                {"\1\1ab", 4, true},
                {"\1\1ab\0\0", 6, true},
                {"\x80\0\0\1\1ab", 7, true},
                {"\1\x80\0\0\1ab", 7, true},
                {"\1", 1, false},
                {"\1\1a", 3, false},
                {"\2\1ab", 4, false},
                {"\1\1abc", 5, false},
                {"\x80\0\0", 3, false},
                {"\1\x80\0\0", 4, false},
                {"\xff\xff\xff\xff\xff\xff\xff\xffx", 9, false}, /* 0 in an int, with the 2 */
                {"\xff\xff\xff\xff\0", 5, false},
                {"\xd1\xd1\xd1\xd1\xd1\xd1\xd1\xd1", 8, false}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        char *copy = malloc(rows[i].len + 1);
        memcpy(copy, rows[i].bytes, rows[i].len);
        ck_assert_msg(fcgi_are_pairs(copy, rows[i].len) == rows[i].pairs, "row %zu", i);
        free(copy);
    }
    ck_assert(fcgi_are_pairs(NULL, 0));
}
END_TEST

START_TEST(a_request_that_is_laid_down_is_plain) {
    static const size_t sizes[] = {0, 1, 65535, 65536, 200000};
    char *params = keep(calloc(1, 200000));
    struct fcgi_view view;

    for (size_t i = 0; i < ROWS(sizes); i++) {
        struct buf out = buf_make(1000000);
        fcgi_put_request(&out, 77, params, sizes[i]);
        bool one_record = sizes[i] <= FCGI_CONTENT_MAX;
        ck_assert_int_eq(look(out.data, out.len, &view), one_record ? FCGI_WHOLE : FCGI_ODD);
        ck_assert(!one_record || view.size == out.len);
        ck_assert(!one_record || view.params_bytes == sizes[i]);
        buf_free(&out);
    }
}
END_TEST

START_TEST(an_answer_has_the_records_of_the_specification) {
    unsigned char header[FCGI_HEADER], finish[FCGI_FINISH];

    fcgi_stdout_header(header, 0x0102, 65535);
    ck_assert_mem_eq(header, "\x01\x06\x01\x02\xff\xff\x00\x00", FCGI_HEADER);
    fcgi_finish(finish, 0xfffe);
    ck_assert_mem_eq(finish,
                     "\x01\x06\xff\xfe\x00\x00\x00\x00\x01\x03\xff\xfe\x00\x08\x00\x00"
                     "\x00\x00\x00\x00\x00\x00\x00\x00",
                     FCGI_FINISH);
}
END_TEST

UNIT_MAIN("fcgi", every_beginning_of_a_request_is_partial_and_only_all_of_it_whole,
          what_a_view_knows_only_grows, parameters_are_whole_from_the_end_of_their_empty_record_on,
          a_request_without_a_body_is_whole, records_of_the_largest_size_are_counted,
          what_no_web_server_sends_is_to_be_read_record_by_record,
          what_is_no_fastcgi_is_seen_by_its_first_byte,
          the_size_of_a_request_is_known_whatever_follows_it,
          values_are_told_that_were_asked_for_and_are_known, pairs_lie_within_what_came,
          a_request_that_is_laid_down_is_plain, an_answer_has_the_records_of_the_specification)
