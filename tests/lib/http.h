#ifndef HALLEY_TESTS_HTTP_H
#define HALLEY_TESTS_HTTP_H

#include "tests/lib/lab.h"

#include <jansson.h>

/* What came back. Kept, like everything in it. */
struct answer {
    int status;      /* 0: none came (refused, cut off) */
    const char *why; /* if none came: libcurl's word for it */
    char *head;      /* status line and headers */
    char *body;      /* with an end byte behind it */
    size_t length;   /* of the body */
    json_t *json;    /* the body, if it is JSON; else NULL */
    double seconds;  /* from the request to its last byte */
    bool http2;
};

/* How it travels. With TLS it goes to lab->tls_port, whose certificate is taken as it is. */
enum over { OVER_PLAIN, OVER_TLS, OVER_HTTP2 };

struct request {
    const char *method; /* NULL: GET */
    const char *path;
    const char *body;
    size_t length;
    const char *headers[8]; /* "Name: value", up to NULL */
    bool chunked;           /* the body without Content-Length */
    enum over over;
    bool kept_open; /* may use a connection of an earlier request */
};

struct flight; /* a request on its way; kept */

struct flight *http_begin(struct lab *lab, const struct request *request);

/* Moves all flights on; waits up to `ms` for something to happen. */
void http_pump(int ms);
bool http_landed(const struct flight *flight);

/* ... until a request holds some session (tests/lib/store.h). */
void http_reach_session(struct lab *lab);

/* What has come of its body, with an end byte; good until the next http_pump(). */
const char *http_so_far(struct flight *flight);

/* Waits for the answer. */
const struct answer *http_land(struct flight *flight);

/* Hangs up. */
void http_abandon(struct flight *flight);

const struct answer *http_send(struct lab *lab, const struct request *request);
__attribute__((format(printf, 2, 3))) const struct answer *http_get(struct lab *lab,
                                                                    const char *path, ...);
__attribute__((format(printf, 2, 3))) struct flight *http_get_begin(struct lab *lab,
                                                                    const char *path, ...);
__attribute__((format(printf, 4, 5))) const struct answer *
http_post(struct lab *lab, const char *body, size_t length, const char *path, ...);

/* An answer as a CGI program writes it: headers, an empty line, the body. */
const struct answer *answer_from_cgi(const char *text, size_t length);

/* Value of a header, kept; NULL: not there. */
const char *answer_header(const struct answer *answer, const char *name);

/* "503 {...}": for messages; kept. */
const char *answer_text(const struct answer *answer);

#endif
