/*
 * FastCGI records. libfcgi takes a request that was cut off inside its
 * parameters for a whole one, so every connection is looked at first, along the
 * record headers, and given to libfcgi only when the empty STDIN record is there.
 */
#include "fcgi-app/fcgi.h"

#include <string.h>

enum { VERSION = 1, BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };
enum { RESPONDER = 1, KEEP_CONN = 1, BEGIN_BODY = 8 };

struct record {
    unsigned type;
    uint16_t request_id;
    size_t content;
    size_t padding;
};

static bool parse_header(const unsigned char *at, struct record *record) {
    record->type = at[1];
    record->request_id = (uint16_t)(at[2] << 8 | at[3]);
    record->content = (size_t)(at[4] << 8 | at[5]);
    record->padding = at[6];
    return at[0] == VERSION && record->request_id != 0;
}

/* Whether `record` may come now; notes what it says. */
static bool expected(struct fcgi_view *view, const struct record *record) {
    if (view->request_id == 0) {
        view->request_id = record->request_id;
        return record->type == BEGIN_REQUEST && record->content == BEGIN_BODY;
    }
    if (record->request_id != view->request_id)
        return false;
    if (!view->params_whole) {
        view->params_whole = record->content == 0;
        view->params_bytes += record->content;
        return record->type == PARAMS;
    }
    view->body_bytes += record->content;
    return record->type == STDIN;
}

enum fcgi_look fcgi_look(const unsigned char *data, size_t len, struct fcgi_view *view) {
    struct record record;
    size_t at = 0;

    memset(view, 0, sizeof *view);
    if (len > 0 && data[0] != VERSION)
        return FCGI_JUNK;
    while (len - at >= FCGI_HEADER) {
        bool params_were_whole = view->params_whole;
        if (!parse_header(data + at, &record) || !expected(view, &record))
            return FCGI_JUNK;
        size_t next = at + FCGI_HEADER + record.content + record.padding;
        if (record.type == BEGIN_REQUEST && len >= at + FCGI_HEADER + 2 &&
            (data[at + FCGI_HEADER] != 0 || data[at + FCGI_HEADER + 1] != RESPONDER))
            return FCGI_JUNK;
        if (record.type == BEGIN_REQUEST && len > at + FCGI_HEADER + 2)
            view->keep = (data[at + FCGI_HEADER + 2] & KEEP_CONN) != 0;
        if (next > len) {
            view->params_whole = params_were_whole;
            return FCGI_PARTIAL;
        }
        if (record.type == STDIN && record.content == 0)
            return FCGI_WHOLE;
        at = next;
    }
    return FCGI_PARTIAL;
}

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
    put_header(out, STDOUT, request_id, len);
}

void fcgi_finish(unsigned char out[FCGI_FINISH], uint16_t request_id) {
    put_header(out, STDOUT, request_id, 0);
    put_header(out + FCGI_HEADER, END_REQUEST, request_id, BEGIN_BODY);
    memset(out + 2 * FCGI_HEADER, 0, BEGIN_BODY);
}
