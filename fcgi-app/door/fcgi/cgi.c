/*
 * What libfcgi does here, what we do, and why:
 *
 *   libfcgi  says how this program was started, and takes requests out of their records. A
 *            fresh FCGX_Request whose descriptor is already set and whose listening socket is
 *            none makes FCGX_Accept_r read from that descriptor instead of accepting;
 *            keepConnection keeps it open when the struct is freed. What is needed is copied
 *            out, and libfcgi's struct and buffers are gone before the request is looked at
 *   we       accept, wait and write, because libfcgi blocks in all three, and has one request
 *            wait for another. It is called when the records of a request lie in the
 *            socket as a whole, which looking along their headers tells (fcgi_look()): so it
 *            never waits. What does not fit the socket, and what has other records in it, is
 *            read record by record as it comes (arrival.c), bodies above all; libfcgi is then
 *            given the parameters alone, as a plain request in a file in memory
 *
 * Reading every request by arrival.c, and walking its parameters where they lie, would take
 * 4,200 instructions in place of 11,200 for what nginx is told to hand on, and 7,600 in
 * place of 26,000 for the thirty variables of lighttpd: 1.5 to 2 microseconds a request. That is
 * paid so that nearly all requests are read by the library that everybody knows, and what is
 * our own is only what it cannot do without waiting.
 *
 * Called by the loop's thread.
 */
#include "fcgi-app/door/fcgi/cgi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcgiapp.h>

enum { CHUNK = 16384 };

enum err cgi_init(void) {
    return FCGX_Init() == 0 ? ERR_OK : ERR_SYSTEM;
}

bool cgi_is_plain(void) {
    return FCGX_IsCGI() != 0;
}

/* ---------------------------------------------------------------- CGI variables */

struct variables {
    struct said said;
    size_t header; /* bytes of the browser's header, as HTTP/1.1 */
};

/* 0: none is said. Caddy says -1 of a body in chunks. */
static size_t number_of(const struct variables *variables, enum said_what which) {
    const char *text = variables->said.of[which];
    return *text == '-' ? 0 : strtoull(text, NULL, 10);
}

/* How much of a body has to come. A web server that cuts a body to nothing may say so, too: then
 * what stands in its field is more (mod_fcgid over LimitRequestBody, deploy/apache). */
static size_t announced_by(const struct variables *variables) {
    size_t length = number_of(variables, SAID_CONTENT_LENGTH);
    size_t field = number_of(variables, SAID_FIELD_LENGTH);
    return field > length ? field : length;
}

/* What a variable says of the size of the browser's header: "HTTP_NAME=value" was
 * "Name: value" and a line end. */
static size_t field_size(const char *variable, size_t name, size_t len) {
    if (name > 5 && memcmp(variable, "HTTP_", 5) == 0)
        return len - sizeof "HTTP_=" + 1 + strlen(": \r\n");
    if (name > 8 && memcmp(variable, "CONTENT_", 8) == 0 && len > name + 1)
        return len - 1 + strlen(": \r\n");
    return 0;
}

static void take_variable(struct variables *variables, const char *text) {
    const char *sign = strchr(text, '=');

    if (sign == NULL)
        return;
    size_t len = (size_t)(sign - text);
    if (text[0] == 'H' || text[0] == 'C')
        variables->header += field_size(text, len, len + 1 + strlen(sign + 1));
    int which = said_by_variable(text, len);
    if (which >= 0)
        variables->said.of[which] = sign + 1;
}

static struct variables variables_of(char **env) {
    struct variables variables = {.header = 0};
    const char *const *of = variables.said.of;

    said_nothing(&variables.said);
    for (; env != NULL && *env != NULL; env++)
        take_variable(&variables, *env);
    variables.header +=
        strlen(of[SAID_METHOD]) + strlen(of[SAID_URI]) + strlen("  HTTP/1.1\r\n\r\n");
    /* a web server that hands on fewer fields than came says how much came, with the body */
    size_t said = number_of(&variables, SAID_REQUEST_LENGTH);
    size_t body = number_of(&variables, SAID_CONTENT_LENGTH);
    if (said > body)
        variables.header = said - body;
    return variables;
}

static struct request *request_of(const struct variables *variables,
                                  const struct request_taker *taker) {
    struct request *request = request_new(&variables->said, taker);

    request->bytes = variables->header;
    /* lighttpd watches a connection for its end once it has something to write to it */
    request->early_header = strncmp(variables->said.of[SAID_SERVER_SOFTWARE], "lighttpd/", 9) == 0;
    request->notices_late = strncmp(variables->said.of[SAID_SERVER_SOFTWARE], "Apache", 6) == 0;
    return request;
}

/* ---------------------------------------------------------------------- bodies */

/* One way or the other to read the next bytes of a body: > 0, 0 at its end, < 0 broken. */
typedef long body_fn(void *source, char *out, size_t size);

/* At most `body_max` bytes are kept; the rest is read and forgotten. */
static enum err take_body(struct request *request, size_t announced, size_t body_max, body_fn *next,
                          void *source) {
    struct buf body = buf_make(body_max);
    char chunk[CHUNK];
    size_t total = 0;
    long n;

    while ((n = next(source, chunk, sizeof chunk)) > 0) {
        size_t room = body_max - body.len;
        buf_add(&body, chunk, (size_t)n < room ? (size_t)n : room);
        total += (size_t)n;
    }
    request_set_body(request, body, total, announced);
    return n < 0 ? ERR_SYNTAX : ERR_OK;
}

static long next_from_fcgi(void *source, char *out, size_t size) {
    FCGX_Stream *in = source;
    int n = FCGX_GetStr(out, (int)size, in);
    return n == 0 && FCGX_GetError(in) != 0 ? -1 : n;
}

/* `gathered`: the body, where it is not read from the descriptor. */
static enum err read_request(int fd, size_t body_max, struct cgi_body *gathered,
                             const struct request_taker *taker, struct request **out) {
    FCGX_Request fcgx;
    struct request *request = NULL;
    enum err err = ERR_SYNTAX;

    if (FCGX_InitRequest(&fcgx, -1, 0) != 0)
        return ERR_SYSTEM;
    fcgx.ipcFd = fd;
    fcgx.keepConnection = 1;
    if (FCGX_Accept_r(&fcgx) != 0)
        return ERR_SYNTAX; /* libfcgi has closed the descriptor */
    struct variables variables = variables_of(fcgx.envp);
    request = request_of(&variables, taker);
    err = take_body(request, announced_by(&variables), body_max, next_from_fcgi, fcgx.in);
    if (gathered != NULL) {
        request_set_body(request, gathered->kept, gathered->total, announced_by(&variables));
        gathered->kept = buf_make(0);
    }
    fcgx.ipcFd = -1;
    FCGX_Free(&fcgx, 0);
    if (err != ERR_OK) {
        close(fd);
        request_free(request);
        return err;
    }
    *out = request;
    return ERR_OK;
}

enum err cgi_read(int fd, size_t body_max, const struct request_taker *taker,
                  struct request **out) {
    return read_request(fd, body_max, NULL, taker, out);
}

enum err cgi_read_gathered(int fd, struct cgi_body *body, const struct request_taker *taker,
                           struct request **out) {
    return read_request(fd, 0, body, taker, out);
}

static long next_from_stdin(void *source, char *out, size_t size) {
    size_t *left = source;
    ssize_t n;

    if (*left == 0)
        return 0;
    do {
        n = read(STDIN_FILENO, out, size < *left ? size : *left);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        *left -= (size_t)n;
    return n;
}

enum err cgi_read_environment(size_t body_max, const struct request_taker *taker,
                              struct request **out) {
    struct variables variables = variables_of(environ);
    struct request *request = request_of(&variables, taker);
    size_t left = number_of(&variables, SAID_CONTENT_LENGTH), announced = announced_by(&variables);

    /* A body in chunks has no length in CGI (RFC 3875 §4.1.2), and one that the web server has cut
     * off ends like any other (mod_cgid over LimitRequestBody): it is read, and not believed. */
    if (variables.said.of[SAID_TRANSFER_ENCODING][0] != '\0' && left == 0)
        left = announced = SIZE_MAX;
    enum err err = take_body(request, announced, body_max, next_from_stdin, &left);

    if (err != ERR_OK) {
        request_free(request);
        return err;
    }
    *out = request;
    return ERR_OK;
}
