/* Writes FastCGI requests and takes answers apart, strictly: what a tolerant web
 * server would forgive is a failure here.
 */
#include "tests/unit/records.h"

#include <check.h>
#include <string.h>

#include "tests/lib/keep.h"

enum { HEADER = 8, CONTENT_MAX = 65535 };

void record_add(struct buf *out, enum record_type type, unsigned id, const void *data, size_t len,
                size_t padding) {
    const unsigned char header[HEADER] = {1,
                                          (unsigned char)type,
                                          (unsigned char)(id >> 8),
                                          (unsigned char)id,
                                          (unsigned char)(len >> 8),
                                          (unsigned char)len,
                                          (unsigned char)padding,
                                          0};
    static const char zeros[256];

    ck_assert(len <= CONTENT_MAX && padding < sizeof zeros);
    buf_add(out, header, sizeof header);
    buf_add(out, data, len);
    buf_add(out, zeros, padding);
}

void record_begin(struct buf *out, unsigned id, unsigned role) {
    const unsigned char body[8] = {(unsigned char)(role >> 8), (unsigned char)role};
    record_add(out, RECORD_BEGIN, id, body, sizeof body, 0);
}

static void put_length(struct buf *out, size_t len) {
    if (len < 128) {
        buf_char(out, (char)len);
        return;
    }
    const unsigned char wide[4] = {(unsigned char)(len >> 24 | 0x80), (unsigned char)(len >> 16),
                                   (unsigned char)(len >> 8), (unsigned char)len};
    buf_add(out, wide, sizeof wide);
}

void record_param(struct buf *params, const char *name, const char *value) {
    put_length(params, strlen(name));
    put_length(params, strlen(value));
    buf_text(params, name);
    buf_text(params, value);
}

void record_stream(struct buf *out, enum record_type type, unsigned id, const void *data,
                   size_t len, size_t piece) {
    for (size_t at = 0; at < len; at += piece) {
        size_t part = len - at < piece ? len - at : piece;
        record_add(out, type, id, (const char *)data + at, part, (8 - part % 8) % 8);
    }
    record_add(out, type, id, NULL, 0, 0);
}

void record_request(struct buf *out, unsigned id, const char *method, const char *uri,
                    const char *const *names, const void *body, size_t body_len) {
    struct buf params = buf_make(RECORDS_MAX);
    const char *query = strchr(uri, '?');

    record_param(&params, "REQUEST_METHOD", method);
    record_param(&params, "REQUEST_URI", uri);
    record_param(&params, "QUERY_STRING", query != NULL ? query + 1 : "");
    record_param(&params, "CONTENT_LENGTH", keepf("%zu", body_len));
    for (; names != NULL && names[0] != NULL; names += 2)
        record_param(&params, names[0], names[1]);
    record_begin(out, id, 1);
    record_stream(out, RECORD_PARAMS, id, params.data, params.len, CONTENT_MAX);
    record_stream(out, RECORD_STDIN, id, body, body_len, 32768);
    buf_free(&params);
}

struct walk {
    const unsigned char *at, *end;
    unsigned type;
    const unsigned char *content;
    size_t len;
};

/* Goes to the next record; false at a clean end or before a cut one. */
static int next_record(struct walk *walk, unsigned id) {
    if (walk->end - walk->at < HEADER)
        return 0;
    const unsigned char *h = walk->at;
    ck_assert_msg(h[0] == 1 && (unsigned)(h[2] << 8 | h[3]) == id, "a record of version %u, id %u",
                  h[0], (unsigned)(h[2] << 8 | h[3]));
    walk->type = h[1];
    walk->len = (size_t)(h[4] << 8 | h[5]);
    if ((size_t)(walk->end - h) < HEADER + walk->len + h[6])
        return 0;
    walk->content = h + HEADER;
    walk->at = h + HEADER + walk->len + h[6];
    return 1;
}

const char *record_output(const void *data, size_t len, unsigned id, size_t *output_len) {
    struct walk walk = {.at = data, .end = (const unsigned char *)data + len};
    struct buf out = buf_make(RECORDS_MAX);

    buf_add(&out, NULL, 0);
    while (next_record(&walk, id) && walk.type == RECORD_STDOUT)
        buf_add(&out, walk.content, walk.len);
    if (output_len != NULL)
        *output_len = out.len;
    return keep(out.data);
}

const char *record_answer(const void *data, size_t len, unsigned id, size_t *answer_len) {
    static const char complete[8];
    struct walk walk = {.at = data, .end = (const unsigned char *)data + len};
    struct buf out = buf_make(RECORDS_MAX);
    int ended = 0;

    buf_add(&out, NULL, 0);
    while (next_record(&walk, id) && walk.type == RECORD_STDOUT) {
        ck_assert_msg(!ended, "output behind the end of the output");
        ended = walk.len == 0;
        buf_add(&out, walk.content, walk.len);
    }
    ck_assert_msg(ended, "the output has no end");
    ck_assert_msg(walk.type == RECORD_END && walk.len == 8, "the request has no end");
    ck_assert_mem_eq(walk.content, complete, sizeof complete);
    ck_assert_msg(walk.at == walk.end, "bytes behind the end");
    if (answer_len != NULL)
        *answer_len = out.len;
    return keep(out.data);
}
