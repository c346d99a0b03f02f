#ifndef HALLEY_BENCH_REQUEST_H
#define HALLEY_BENCH_REQUEST_H

#include "tests/lib/pile.h"

#include <stdbool.h>

enum { REQUEST_HEADERS = 6 };

/* One request, whichever wire it goes over. Its piles keep their memory, so that one
 * request that is filled again and again costs no allocation. */
struct request {
    const char *method;
    struct pile path; /* with its query */
    struct pile body;
    struct {
        const char *name, *value; /* both stay the caller's until it is sent */
    } headers[REQUEST_HEADERS];
    size_t header_count;
};

/* Empties it. */
void request_begin(struct request *request, const char *method);

/* Appends to its path. */
void request_path(struct request *request, const char *text);
void request_header(struct request *request, const char *name, const char *value);
void request_body(struct request *request, const char *text);

/* Appends it as HTTP/1.1, or as FastCGI records (request id 1). */
void request_http(const struct request *request, struct pile *out);
void request_fcgi(const struct request *request, bool keep, struct pile *out);

#endif
