/*
 * FastCGI records. libfcgi takes a request that was cut off inside its
 * parameters for a whole one, so every connection is looked at first, along the
 * record headers, and given to libfcgi only when the empty STDIN record is there. It
 * also believes the lengths that stand in parameters and adds them up in an int
 * (CVE-2025-23016): what it is given are pairs that lie within what came.
 */
#include "fcgi-app/door/fcgi/fcgi.h"

#include <stdio.h>
#include <string.h>

enum { VERSION = 1, RESPONDER = 1, KEEP_CONN = 1 };

struct fcgi_record fcgi_parse_header(const unsigned char at[FCGI_HEADER]) {
    return (struct fcgi_record){.version = at[0],
                                .type = at[1],
                                .request_id = (uint16_t)(at[2] << 8 | at[3]),
                                .content = (size_t)(at[4] << 8 | at[5]),
                                .padding = at[6]};
}

struct fcgi_begin fcgi_parse_begin(const unsigned char body[FCGI_BEGIN_BODY]) {
    return (struct fcgi_begin){.responder = (body[0] << 8 | body[1]) == RESPONDER,
                               .keep = (body[2] & KEEP_CONN) != 0};
}

/* ----------------------------------------------------------------------- pairs */

/* The length of a name or a value (§3.4): one byte, or four. False: it is cut off. */
static bool take_length(const unsigned char **at, const unsigned char *end, size_t *len) {
    if (*at == end || (**at >= 0x80 && end - *at < 4))
        return false;
    if (**at < 0x80) {
        *len = *(*at)++;
        return true;
    }
    *len = (size_t)((*at)[0] & 0x7f) << 24 | (size_t)((*at)[1] << 16 | (*at)[2] << 8 | (*at)[3]);
    *at += 4;
    return true;
}

/* The next pair; false: there is none, or not all of it. */
static bool take_pair(const unsigned char **at, const unsigned char *end, size_t *name_len,
                      size_t *value_len) {
    return take_length(at, end, name_len) && take_length(at, end, value_len) &&
           (size_t)(end - *at) >= *name_len && (size_t)(end - *at) - *name_len >= *value_len;
}

bool fcgi_are_pairs(const void *params, size_t len) {
    const unsigned char *at = len > 0 ? params : (const void *)"", *end = at + len;
    size_t name_len, value_len;

    while (at < end) {
        if (!take_pair(&at, end, &name_len, &value_len))
            return false;
        at += name_len + value_len;
    }
    return true;
}

/* --------------------------------------------------------------------- looking */

/* Whether `record` comes next in a plain request; notes what it says. */
static bool expected(struct fcgi_view *view, const struct fcgi_record *record) {
    if (view->request_id == 0) {
        view->request_id = record->request_id;
        return record->type == FCGI_TYPE_BEGIN && record->content == FCGI_BEGIN_BODY &&
               record->request_id != 0;
    }
    if (record->request_id != view->request_id)
        return false;
    if (!view->params_whole) {
        bool first = view->params_bytes == 0;
        view->params_whole = record->content == 0;
        view->params_bytes += record->content;
        return record->type == FCGI_TYPE_PARAMS && (first || view->params_whole);
    }
    view->body_bytes += record->content;
    return record->type == FCGI_TYPE_STDIN;
}

enum fcgi_look fcgi_look(const unsigned char *data, size_t len, struct fcgi_view *view) {
    size_t at = 0;

    memset(view, 0, sizeof *view);
    if (len > 0 && data[0] != VERSION)
        return FCGI_JUNK;
    while (len - at >= FCGI_HEADER) {
        struct fcgi_view before = *view;
        struct fcgi_record record = fcgi_parse_header(data + at);
        if (record.version != VERSION)
            return FCGI_JUNK;
        if (!expected(view, &record)) {
            *view = before;
            return FCGI_ODD;
        }
        size_t next = at + FCGI_HEADER + record.content + record.padding;
        if (record.type == FCGI_TYPE_PARAMS && record.content > 0)
            view->params_at = at + FCGI_HEADER;
        if (record.type == FCGI_TYPE_BEGIN && len >= at + FCGI_HEADER + FCGI_BEGIN_BODY) {
            struct fcgi_begin begin = fcgi_parse_begin(data + at + FCGI_HEADER);
            view->keep = begin.keep;
            if (!begin.responder)
                return FCGI_ODD;
        }
        if (next > len) {
            view->params_whole = before.params_whole;
            return FCGI_PARTIAL;
        }
        if (record.type == FCGI_TYPE_STDIN && record.content == 0) {
            view->size = next;
            return FCGI_WHOLE;
        }
        at = next;
    }
    return FCGI_PARTIAL;
}

/* --------------------------------------------------------------------- writing */

static void put_header(unsigned char *out, unsigned type, uint16_t request_id, size_t len) {
    out[0] = VERSION;
    out[1] = (unsigned char)type;
    out[2] = (unsigned char)(request_id >> 8);
    out[3] = (unsigned char)request_id;
    out[4] = (unsigned char)(len >> 8);
    out[5] = (unsigned char)len;
    out[6] = out[7] = 0;
}

void fcgi_stdout_header(unsigned char out[FCGI_HEADER], uint16_t request_id, size_t len) {
    put_header(out, FCGI_TYPE_STDOUT, request_id, len);
}

void fcgi_finish(unsigned char out[FCGI_FINISH], uint16_t request_id) {
    put_header(out, FCGI_TYPE_STDOUT, request_id, 0);
    put_header(out + FCGI_HEADER, FCGI_TYPE_END, request_id, FCGI_BEGIN_BODY);
    memset(out + 2 * FCGI_HEADER, 0, FCGI_BEGIN_BODY);
}

static void put_record(struct buf *out, unsigned type, uint16_t request_id, const void *content,
                       size_t len) {
    unsigned char header[FCGI_HEADER];

    put_header(header, type, request_id, len);
    buf_add(out, header, sizeof header);
    buf_add(out, content, len);
}

void fcgi_put_end(struct buf *out, uint16_t request_id, enum fcgi_end how) {
    const unsigned char body[8] = {0, 0, 0, 0, (unsigned char)how};
    put_record(out, FCGI_TYPE_END, request_id, body, sizeof body);
}

void fcgi_put_unknown(struct buf *out, unsigned type) {
    const unsigned char body[8] = {(unsigned char)type};
    put_record(out, FCGI_TYPE_UNKNOWN, 0, body, sizeof body);
}

void fcgi_put_request(struct buf *out, uint16_t request_id, const void *params, size_t len) {
    const unsigned char body[FCGI_BEGIN_BODY] = {0, RESPONDER, KEEP_CONN};
    const char *at = params;

    put_record(out, FCGI_TYPE_BEGIN, request_id, body, sizeof body);
    while (len > 0) {
        size_t piece = len < FCGI_CONTENT_MAX ? len : FCGI_CONTENT_MAX;
        put_record(out, FCGI_TYPE_PARAMS, request_id, at, piece);
        at += piece;
        len -= piece;
    }
    put_record(out, FCGI_TYPE_PARAMS, request_id, NULL, 0);
    put_record(out, FCGI_TYPE_STDIN, request_id, NULL, 0);
}

/* ---------------------------------------------------------------------- values */

void fcgi_put_values(struct buf *out, const void *query, size_t len, unsigned most) {
    static const char *const names[] = {"FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"};
    const unsigned char *at = len > 0 ? query : (const void *)"", *end = at + len;
    bool asked[sizeof names / sizeof names[0]] = {false};
    struct buf pairs = buf_make(256);
    char value[16];
    size_t name_len, value_len;

    while (take_pair(&at, end, &name_len, &value_len)) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            asked[i] |= strlen(names[i]) == name_len && memcmp(names[i], at, name_len) == 0;
        at += name_len + value_len;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!asked[i])
            continue;
        int digits = snprintf(value, sizeof value, "%u", i < 2 ? most : 0);
        buf_char(&pairs, (char)strlen(names[i]));
        buf_char(&pairs, (char)digits);
        buf_text(&pairs, names[i]);
        buf_text(&pairs, value);
    }
    put_record(out, FCGI_TYPE_GET_VALUES_RESULT, 0, pairs.data, pairs.len);
    buf_free(&pairs);
}
