#ifndef HALLEY_TESTS_WIRE_H
#define HALLEY_TESTS_WIRE_H

#include "tests/lib/http.h"

#include <stdbool.h>
#include <stddef.h>

/* FastCGI 1.0 §8: the record types that the tests send. */
enum fcgi_type {
    FCGI_BEGIN = 1,
    FCGI_ABORT = 2,
    FCGI_END = 3,
    FCGI_PARAMS = 4,
    FCGI_STDIN = 5,
    FCGI_STDOUT = 6,
    FCGI_STDERR = 7,
    FCGI_DATA = 8,
    FCGI_GET_VALUES = 9,
};

/* Bytes to be sent. Begin with {0}; the room is kept. */
struct bytes {
    char *data;
    size_t length, room;
};

void bytes_add(struct bytes *bytes, const void *data, size_t length);

/* One record; `length` up to 65535. */
void fcgi_record(struct bytes *bytes, enum fcgi_type type, unsigned id, const void *data,
                 size_t length);
void fcgi_begin(struct bytes *bytes, unsigned id, unsigned role);
void fcgi_param(struct bytes *params, const char *name, const char *value);

/* Parameters as a web server sends them for `method` `uri`. */
void fcgi_params(struct bytes *params, const char *method, const char *uri, const char *type,
                 size_t body);

/* A whole request, id 1, as responder. */
void fcgi_request(struct bytes *bytes, const char *method, const char *uri, const void *body,
                  size_t length);

/* Connected sockets; -1 when nobody listens. */
int wire_unix(const char *path);
int wire_tcp(int port);

/* Sends all of it; false when the other side has hung up. */
bool wire_send(int fd, const void *data, size_t length);

/* Reads until the other side closes or patience ends; kept, with an end byte.
 * *length may be NULL. */
char *wire_read_all(int fd, size_t *length);

/* Waits up to `ms` for the other side to say something or to hang up. */
bool wire_stirs(int fd, int ms);

/* What a FastCGI application answered on `fd`, read to its end. Status 0: it
 * closed without an answer. */
const struct answer *fcgi_answer(int fd);

/* One request straight to an application's socket. */
const struct answer *fcgi_get(const char *socket, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
