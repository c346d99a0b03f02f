/* FastCGI records as a web server sends them (FastCGI Specification 1.0, §3). */
#ifndef HALLEY_TESTS_RECORDS_H
#define HALLEY_TESTS_RECORDS_H

#include <stddef.h>

#include "core/base/buf.h"

enum record_type {
    RECORD_BEGIN = 1,
    RECORD_ABORT = 2,
    RECORD_END = 3,
    RECORD_PARAMS = 4,
    RECORD_STDIN = 5,
    RECORD_STDOUT = 6
};

/* Room for the largest request of a test. */
enum { RECORDS_MAX = 64 * 1024 * 1024 };

/* One record; `len` up to 65535, `padding` up to 255 bytes behind it. */
void record_add(struct buf *out, enum record_type type, unsigned id, const void *data, size_t len,
                size_t padding);

void record_begin(struct buf *out, unsigned id, unsigned role);

/* One name-value pair, as it stands inside PARAMS. */
void record_param(struct buf *params, const char *name, const char *value);

/* A stream in records of at most `piece` bytes, with the empty one at its end. */
void record_stream(struct buf *out, enum record_type type, unsigned id, const void *data,
                   size_t len, size_t piece);

/* A whole request for `uri`; `names` are more variables: name, value, ..., NULL (or NULL). */
void record_request(struct buf *out, unsigned id, const char *method, const char *uri,
                    const char *const *names, const void *body, size_t body_len);

/* What an application answered with id `id`: the STDOUT content, checked to be whole
 * (every record of that id, an empty STDOUT, END_REQUEST complete, nothing behind it);
 * fails the test otherwise. The result is kept, with an end byte. */
const char *record_answer(const void *data, size_t len, unsigned id, size_t *answer_len);

/* The same of records that go on: what the STDOUT records so far carry. */
const char *record_output(const void *data, size_t len, unsigned id, size_t *output_len);

#endif
