/* Bytes on a socket, without a library that would only send right ones.
 *
 * Tests of hostile input speak FastCGI to the application's own unix socket,
 * as a broken or wicked neighbour would, and HTTP to the web server's port.
 * Records as in the FastCGI specification 1.0, §3.3 and §8.
 */
#include "tests/lib/wire.h"

#include "tests/lib/keep.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void bytes_add(struct bytes *bytes, const void *data, size_t length) {
    if (bytes->length + length > bytes->room) {
        char *old = bytes->data;

        bytes->room = 2 * (bytes->length + length) + 256;
        bytes->data = keep(malloc(bytes->room));
        if (old)
            memcpy(bytes->data, old, bytes->length);
    }
    if (length)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

void fcgi_record(struct bytes *bytes, enum fcgi_type type, unsigned id, const void *data,
                 size_t length) {
    unsigned char head[8] = {1,
                             (unsigned char)type,
                             (unsigned char)(id >> 8),
                             (unsigned char)id,
                             (unsigned char)(length >> 8),
                             (unsigned char)length,
                             0,
                             0};

    bytes_add(bytes, head, sizeof head);
    bytes_add(bytes, data, length);
}

void fcgi_begin(struct bytes *bytes, unsigned id, unsigned role) {
    unsigned char body[8] = {(unsigned char)(role >> 8), (unsigned char)role, 0, 0, 0, 0, 0, 0};

    fcgi_record(bytes, FCGI_BEGIN, id, body, sizeof body);
}

static void add_length(struct bytes *bytes, size_t length) {
    unsigned char wide[4] = {(unsigned char)(length >> 24 | 0x80), (unsigned char)(length >> 16),
                             (unsigned char)(length >> 8), (unsigned char)length};
    unsigned char narrow = (unsigned char)length;

    if (length < 128)
        bytes_add(bytes, &narrow, 1);
    else
        bytes_add(bytes, wide, 4);
}

void fcgi_param(struct bytes *params, const char *name, const char *value) {
    add_length(params, strlen(name));
    add_length(params, strlen(value));
    bytes_add(params, name, strlen(name));
    bytes_add(params, value, strlen(value));
}

void fcgi_params(struct bytes *params, const char *method, const char *uri, const char *type,
                 size_t body) {
    const char *query = strchr(uri, '?');

    fcgi_param(params, "GATEWAY_INTERFACE", "CGI/1.1");
    fcgi_param(params, "SERVER_PROTOCOL", "HTTP/1.1");
    fcgi_param(params, "REQUEST_METHOD", method);
    fcgi_param(params, "SCRIPT_NAME", "/comet");
    fcgi_param(params, "REQUEST_URI", uri);
    fcgi_param(params, "QUERY_STRING", query ? query + 1 : "");
    fcgi_param(params, "REMOTE_ADDR", "127.0.0.1");
    if (type)
        fcgi_param(params, "CONTENT_TYPE", type);
    fcgi_param(params, "CONTENT_LENGTH", keepf("%zu", body));
}

static void add_stream(struct bytes *bytes, enum fcgi_type type, const char *data, size_t length) {
    while (length) {
        size_t part = length < 65528 ? length : 65528;

        fcgi_record(bytes, type, 1, data, part);
        data += part;
        length -= part;
    }
    fcgi_record(bytes, type, 1, NULL, 0);
}

void fcgi_request(struct bytes *bytes, const char *method, const char *uri, const void *body,
                  size_t length) {
    struct bytes params = {0};

    fcgi_params(&params, method, uri, NULL, length);
    fcgi_begin(bytes, 1, 1);
    add_stream(bytes, FCGI_PARAMS, params.data, params.length);
    add_stream(bytes, FCGI_STDIN, body, length);
}

int wire_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(strlen(path) < sizeof address.sun_path, "socket path too long: %s", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

int wire_tcp(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

bool wire_send(int fd, const void *data, size_t length) {
    const char *at = data;

    while (length) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

        if (sent < 0)
            return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool wire_stirs(int fd, int ms) {
    struct pollfd look = {.fd = fd, .events = POLLIN};

    return poll(&look, 1, ms) > 0;
}

char *wire_read_all(int fd, size_t *length) {
    struct bytes all = {0};
    char part[16384];
    ssize_t got = 0;

    while (wire_stirs(fd, PATIENCE_MS) && (got = recv(fd, part, sizeof part, 0)) > 0)
        bytes_add(&all, part, (size_t)got);
    must(got <= 0, "no end of an answer within %d ms", PATIENCE_MS);
    bytes_add(&all, "", 1);
    if (length)
        *length = all.length - 1;
    return all.data;
}

/* The standard output in a sequence of records; false: the sequence is broken. */
static bool collect(const unsigned char *at, size_t length, struct bytes *out) {
    while (length >= 8) {
        size_t body = (size_t)at[4] << 8 | at[5], all = 8 + body + at[6];

        if (all > length)
            return false;
        if (at[1] == FCGI_STDOUT)
            bytes_add(out, at + 8, body);
        if (at[1] == FCGI_END)
            return length == all;
        at += all;
        length -= all;
    }
    return false;
}

const struct answer *fcgi_answer(int fd) {
    struct bytes out = {0};
    size_t length;
    char *all = wire_read_all(fd, &length);

    if (!length)
        return answer_from_cgi("", 0);
    must(collect((unsigned char *)all, length, &out),
         "an answer of %zu bytes does not end with one END_REQUEST", length);
    return answer_from_cgi(out.data ? out.data : "", out.length);
}

const struct answer *fcgi_get(const char *socket, const char *format, ...) {
    struct bytes request = {0};
    const struct answer *answer;
    va_list args;
    char *uri;
    int fd = wire_unix(socket);

    must(fd >= 0, "nobody listens on %s", socket);
    va_start(args, format);
    uri = keepv(format, args);
    va_end(args);
    fcgi_request(&request, "GET", uri, NULL, 0);
    wire_send(fd, request.data, request.length);
    answer = fcgi_answer(fd);
    close(fd);
    return answer;
}
