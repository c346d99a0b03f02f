/* Reads HTTP/1.1 answers (RFC 9112 §6) with no copy and no allocation, in whatever
 * pieces they come: bodies of known length, chunked, or up to the end of the
 * connection. What a client that only measures need not know it does not look at.
 */
#include "tests/bench/load/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_MAX = 65536, LINE_MAX_LENGTH = 4096 };

void http_reset(struct http *http) {
    http->state = HTTP_HEAD;
    http->closes = false;
    http->left = 0;
    http->status = 0;
}

const char *http_header(const char *head, size_t head_length, const char *name, size_t *length) {
    size_t named = strlen(name);
    const char *end = head + head_length, *line = head, *next;

    *length = 0;
    for (; line < end; line = next + 1) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (!next)
            break;
        if ((size_t)(next - line) <= named || line[named] != ':' ||
            strncasecmp(line, name, named) != 0)
            continue;
        const char *value = line + named + 1, *stop = next;

        while (value < stop && (*value == ' ' || *value == '\t'))
            value++;
        while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
            stop--;
        *length = (size_t)(stop - value);
        return value;
    }
    return NULL;
}

static bool is(const char *value, size_t length, const char *text) {
    return value && length == strlen(text) && strncasecmp(value, text, length) == 0;
}

static int status_of(const struct http *http, const char *head, size_t length) {
    const char *value;
    size_t size;

    if (http->cgi) {
        value = http_header(head, length, "Status", &size);
        return value ? atoi(value) : 200;
    }
    if (length < 12 || memcmp(head, "HTTP/1.", 7) != 0 || head[8] != ' ')
        return 0;
    return atoi(head + 9);
}

/* How the body ends. */
static enum http_state framing(struct http *http, const char *head, size_t length) {
    const char *value;
    size_t size;

    http->left = 0;
    if (http->cgi || http->status == 101)
        return HTTP_TO_END;
    value = http_header(head, length, "Connection", &size);
    http->closes = is(value, size, "close") || (head[7] == '0' && !is(value, size, "keep-alive"));
    if (http->status < 200 || http->status == 204 || http->status == 304)
        return HTTP_LENGTH;
    value = http_header(head, length, "Transfer-Encoding", &size);
    if (is(value, size, "chunked"))
        return HTTP_SIZE;
    value = http_header(head, length, "Content-Length", &size);
    if (!value) {
        http->closes = true;
        return HTTP_TO_END;
    }
    http->left = strtoull(value, NULL, 10);
    return HTTP_LENGTH;
}

/* Behind the empty line; NULL: not there. CGI may end its lines with LF alone. */
static const char *head_end(const struct http *http, const char *data, size_t length) {
    const char *end = memmem(data, length, "\r\n\r\n", 4), *bare;

    if (!http->cgi)
        return end ? end + 4 : NULL;
    bare = memmem(data, length, "\n\n", 2);
    if (bare && (!end || bare < end))
        return bare + 2;
    return end ? end + 4 : NULL;
}

static size_t feed_head(struct http *http, const char *data, size_t length,
                        const struct http_sink *sink, void *ctx) {
    const char *end = head_end(http, data, length);
    size_t taken = end ? (size_t)(end - data) : 0;

    if (!end) {
        if (length > HEAD_MAX)
            http->state = HTTP_BAD;
        return 0;
    }
    http->status = status_of(http, data, taken);
    http->state = http->status >= 100 ? framing(http, data, taken) : HTTP_BAD;
    if (http->state == HTTP_BAD)
        return 0;
    if (http->status < 200 && http->status != 101)
        http->state = HTTP_HEAD;
    else
        sink->head(ctx, http->status, data, taken);
    return taken;
}

static size_t feed_line(struct http *http, const char *data, size_t length) {
    const char *end = memchr(data, '\n', length);
    char *stop;

    if (!end) {
        if (length > LINE_MAX_LENGTH)
            http->state = HTTP_BAD;
        return 0;
    }
    if (http->state == HTTP_SIZE) {
        http->left = strtoull(data, &stop, 16);
        http->state = http->left ? HTTP_CHUNK : HTTP_TRAILER;
        if (stop == data || (*stop != '\r' && *stop != ';' && *stop != '\n' && *stop != ' '))
            http->state = HTTP_BAD;
    } else if (http->state == HTTP_BREAK) {
        http->state = end - data <= 1 ? HTTP_SIZE : HTTP_BAD;
    } else if (end - data <= 1) {
        http->state = HTTP_LENGTH; /* nothing left of it: the end */
    }
    return (size_t)(end - data) + 1;
}

static size_t feed_body(struct http *http, const char *data, size_t length,
                        const struct http_sink *sink, void *ctx) {
    size_t taken = length;

    if (http->state != HTTP_TO_END) {
        taken = http->left < length ? (size_t)http->left : length;
        http->left -= taken;
        if (http->state == HTTP_CHUNK && http->left == 0)
            http->state = HTTP_BREAK;
    }
    if (taken > 0)
        sink->body(ctx, data, taken);
    return taken;
}

static bool ended(const struct http *http) {
    return http->state == HTTP_LENGTH && http->left == 0;
}

static size_t feed_once(struct http *http, const char *data, size_t length,
                        const struct http_sink *sink, void *ctx) {
    switch (http->state) {
    case HTTP_HEAD:
        return feed_head(http, data, length, sink, ctx);
    case HTTP_SIZE:
    case HTTP_BREAK:
    case HTTP_TRAILER:
        return feed_line(http, data, length);
    case HTTP_LENGTH:
    case HTTP_CHUNK:
    case HTTP_TO_END:
        return feed_body(http, data, length, sink, ctx);
    case HTTP_BAD:
    case HTTP_ABANDONED:
        break;
    }
    return 0;
}

size_t http_feed(struct http *http, const char *data, size_t length, const struct http_sink *sink,
                 void *ctx) {
    size_t at = 0;

    while (at < length) {
        size_t taken = feed_once(http, data + at, length - at, sink, ctx);

        at += taken;
        if (http->state == HTTP_BAD || http->state == HTTP_ABANDONED)
            break;
        if (ended(http)) {
            http->state = HTTP_HEAD;
            if (!sink->end(ctx))
                break;
        } else if (taken == 0) {
            break;
        }
    }
    return at;
}

bool http_finish(struct http *http, const struct http_sink *sink, void *ctx) {
    if (http->state == HTTP_TO_END) {
        http->state = HTTP_HEAD;
        sink->end(ctx);
        return true;
    }
    return http->state == HTTP_HEAD || http->state == HTTP_ABANDONED;
}
