/* Requests in bytes: HTTP/1.1 as a browser's fetch would send it, with few headers;
 * FastCGI as lighttpd sends it, which has the same parameters for every request.
 */
#include "tests/bench/load/request.h"

#include "tests/lib/keep.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void put(struct pile *out, const char *text) {
    pile_add(out, text, strlen(text));
}

static void empty(struct pile *pile) {
    pile->length = 0;
    pile_add(pile, "", 0);
}

void request_begin(struct request *request, const char *method) {
    request->method = method;
    request->header_count = 0;
    empty(&request->path);
    empty(&request->body);
}

void request_path(struct request *request, const char *text) {
    put(&request->path, text);
}

void request_header(struct request *request, const char *name, const char *value) {
    must(request->header_count < REQUEST_HEADERS, "too many headers");
    request->headers[request->header_count].name = name;
    request->headers[request->header_count++].value = value;
}

void request_body(struct request *request, const char *text) {
    put(&request->body, text);
}

static bool has_body(const struct request *request) {
    return strcmp(request->method, "GET") != 0;
}

void request_http(const struct request *request, struct pile *out) {
    char length[64];

    put(out, request->method);
    put(out, " ");
    pile_add(out, request->path.data, request->path.length);
    put(out, " HTTP/1.1\r\nHost: localhost\r\n");
    for (size_t i = 0; i < request->header_count; i++) {
        put(out, request->headers[i].name);
        put(out, ": ");
        put(out, request->headers[i].value);
        put(out, "\r\n");
    }
    if (has_body(request)) {
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", request->body.length);
        put(out, length);
    }
    put(out, "\r\n");
    pile_add(out, request->body.data, request->body.length);
}

/* --- FastCGI 1.0 §3.3, §3.4 ------------------------------------------------------------ */

enum { BEGIN_REQUEST = 1, PARAMS = 4, STDIN = 5, RESPONDER = 1, KEEP_CONN = 1, RECORD_MAX = 65535 };

static void put_record(struct pile *out, int type, const void *data, size_t length) {
    const uint8_t header[8] = {1, (uint8_t)type, 0, 1, (uint8_t)(length >> 8), (uint8_t)length};

    pile_add(out, header, sizeof header);
    pile_add(out, data, length);
}

static void put_param(struct pile *params, const char *name, const char *value, size_t length) {
    uint8_t head[5] = {(uint8_t)strlen(name), (uint8_t)length};

    if (length > 127) {
        head[1] = (uint8_t)(0x80 | length >> 24);
        head[2] = (uint8_t)(length >> 16);
        head[3] = (uint8_t)(length >> 8);
        head[4] = (uint8_t)length;
    }
    pile_add(params, head, length > 127 ? 5 : 2);
    put(params, name);
    pile_add(params, value, length);
}

static void put_text(struct pile *params, const char *name, const char *value) {
    put_param(params, name, value, strlen(value));
}

/* "If-None-Match" is HTTP_IF_NONE_MATCH. */
static void put_header(struct pile *params, const char *name, const char *value) {
    char variable[64];
    int length = snprintf(variable, sizeof variable, "HTTP_%s", name);

    for (int i = 0; i < length; i++)
        variable[i] = variable[i] == '-' ? '_' : (char)toupper((unsigned char)variable[i]);
    put_text(params, variable, value);
}

static void put_params(const struct request *request, struct pile *params) {
    const char *path = request->path.data, *query = strchr(path, '?');
    size_t script = query ? (size_t)(query - path) : request->path.length;
    char length[32];

    snprintf(length, sizeof length, "%zu", request->body.length);
    put_text(params, "CONTENT_LENGTH", length);
    put_text(params, "QUERY_STRING", query ? query + 1 : "");
    put_param(params, "REQUEST_URI", path, request->path.length);
    put_text(params, "REDIRECT_STATUS", "200");
    put_param(params, "SCRIPT_NAME", path, script);
    put_param(params, "SCRIPT_FILENAME", path, script);
    put_text(params, "DOCUMENT_ROOT", "/var/www/");
    put_text(params, "REQUEST_METHOD", request->method);
    put_text(params, "SERVER_PROTOCOL", "HTTP/1.1");
    put_text(params, "SERVER_SOFTWARE", "lighttpd/1.4.69");
    put_text(params, "GATEWAY_INTERFACE", "CGI/1.1");
    put_text(params, "REQUEST_SCHEME", "http");
    put_text(params, "SERVER_PORT", "80");
    put_text(params, "SERVER_ADDR", "127.0.0.1");
    put_text(params, "SERVER_NAME", "localhost");
    put_text(params, "REMOTE_ADDR", "127.0.0.1");
    put_text(params, "REMOTE_PORT", "50000");
    put_text(params, "HTTP_HOST", "localhost");
    for (size_t i = 0; i < request->header_count; i++)
        put_header(params, request->headers[i].name, request->headers[i].value);
}

void request_fcgi(const struct request *request, bool keep, struct pile *out) {
    const uint8_t begin[8] = {0, RESPONDER, keep ? KEEP_CONN : 0};
    static struct pile params;

    empty(&params);
    put_params(request, &params);
    put_record(out, BEGIN_REQUEST, begin, sizeof begin);
    put_record(out, PARAMS, params.data, params.length);
    put_record(out, PARAMS, "", 0);
    for (size_t at = 0; at < request->body.length; at += RECORD_MAX) {
        size_t left = request->body.length - at;

        put_record(out, STDIN, request->body.data + at, left < RECORD_MAX ? left : RECORD_MAX);
    }
    put_record(out, STDIN, "", 0);
}
