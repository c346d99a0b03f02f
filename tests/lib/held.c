/* One answer on a socket of its own, read as it comes, whether HTTP/1.1 from a
 * web server or FastCGI from the application itself.
 *
 * libcurl would do the first, but says neither when exactly the first byte came
 * nor leaves bytes unread, which is what a slow reader is made of. The framing is
 * judged strictly: an answer that stops before its last chunk or its END_REQUEST
 * is cut, however good what came before it looks.
 */
#include "tests/lib/held.h"

#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static struct held *held_on(int fd, bool fastcgi, const void *request, size_t length) {
    struct held *held;

    if (fd < 0)
        return NULL;
    held = calloc(1, sizeof *held);
    must(held, "out of memory");
    held->fd = fd;
    held->fastcgi = fastcgi;
    held->begun_us = now_us();
    if (!wire_send(fd, request, length))
        held->end = HELD_CUT;
    return held;
}

struct held *held_web(int port, const char *path, const char *header) {
    const char *request = keepf("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%s\r\n", path, port,
                                header ? header : "", header ? "\r\n" : "");

    return held_on(wire_tcp(port), false, request, strlen(request));
}

struct held *held_app(const char *socket, const char *path, const char *last_event_id) {
    struct bytes request = {0}, params = {0};

    fcgi_params(&params, "GET", path, NULL, 0);
    if (last_event_id)
        fcgi_param(&params, "HTTP_LAST_EVENT_ID", last_event_id);
    fcgi_begin(&request, 1, 1);
    fcgi_record(&request, FCGI_PARAMS, 1, params.data, params.length);
    fcgi_record(&request, FCGI_PARAMS, 1, NULL, 0);
    fcgi_record(&request, FCGI_STDIN, 1, NULL, 0);
    return held_on(wire_unix(socket), true, request.data, request.length);
}

const char *held_header(const struct held *held, const char *name) {
    struct answer answer = {.head = held->head};

    return answer_header(&answer, name);
}

static void read_head(struct held *held, struct pile *from) {
    long end = pile_find(from, "\r\n\r\n");
    const char *coding, *length;

    if (end < 0)
        return;
    held->head = keepf("%.*s\r\n", (int)end, from->data);
    pile_drop(from, (size_t)end + 4);
    if (held->fastcgi) {
        const char *status = held_header(held, "Status");

        held->status = status ? atoi(status) : 200;
        held->framing = HELD_FASTCGI;
        return;
    }
    must(strncmp(held->head, "HTTP/1.1 ", 9) == 0, "no HTTP: %s", held->head);
    held->status = atoi(held->head + 9);
    coding = held_header(held, "Transfer-Encoding");
    length = held_header(held, "Content-Length");
    held->left = length ? (size_t)atol(length) : 0;
    held->framing = coding && strcasecmp(coding, "chunked") == 0 ? HELD_CHUNKED
                    : length                                     ? HELD_LENGTH
                                                                 : HELD_TO_END;
    if (held->framing == HELD_LENGTH && held->left == 0)
        held->end = HELD_WHOLE;
}

/* One chunk (RFC 9112 §7.1). False: it is not all there. */
static bool take_chunk(struct held *held) {
    long line = pile_find(&held->raw, "\r\n");
    size_t size, all;
    char *end;

    if (line < 0)
        return false;
    size = strtoul(held->raw.data, &end, 16);
    must(end > held->raw.data && end <= held->raw.data + line, "not a chunk: %.40s",
         held->raw.data);
    all = (size_t)line + 2 + size + 2;
    if (held->raw.length < all)
        return false;
    must(memcmp(held->raw.data + all - 2, "\r\n", 2) == 0, "a chunk without its end");
    pile_add(&held->body, held->raw.data + line + 2, size);
    pile_drop(&held->raw, all);
    if (size == 0)
        held->end = HELD_WHOLE;
    return size > 0;
}

static void take_length(struct held *held) {
    size_t part = held->raw.length < held->left ? held->raw.length : held->left;

    pile_add(&held->body, held->raw.data, part);
    pile_drop(&held->raw, part);
    held->left -= part;
    if (held->left == 0)
        held->end = HELD_WHOLE;
}

/* Whole records; what the application wrote goes to `inner`, and behind its head to the body. */
static void take_records(struct held *held) {
    size_t at = 0;

    while (held->end == HELD_OPEN && held->raw.length - at >= 8) {
        const unsigned char *head = (const unsigned char *)held->raw.data + at;
        size_t body = (size_t)head[4] << 8 | head[5], all = 8 + body + head[6];

        if (held->raw.length - at < all)
            break;
        if (head[1] == FCGI_STDOUT)
            pile_add(held->head ? &held->body : &held->inner, head + 8, body);
        if (head[1] == FCGI_END)
            held->end = HELD_WHOLE;
        at += all;
        if (!held->head && held->inner.length) {
            read_head(held, &held->inner);
            if (held->head)
                pile_add(&held->body, held->inner.data, held->inner.length);
        }
    }
    pile_drop(&held->raw, at);
}

static void decode(struct held *held) {
    if (held->fastcgi) {
        take_records(held);
        return;
    }
    if (!held->head)
        read_head(held, &held->raw);
    if (!held->head || held->end != HELD_OPEN || !held->raw.length)
        return;
    if (held->framing == HELD_CHUNKED) {
        while (take_chunk(held)) {
        }
    } else if (held->framing == HELD_LENGTH) {
        take_length(held);
    } else {
        pile_add(&held->body, held->raw.data, held->raw.length);
        pile_drop(&held->raw, held->raw.length);
    }
}

void held_take(struct held *held) {
    bool more;

    if (held->end != HELD_OPEN)
        return;
    more = pile_read(&held->raw, held->fd);
    decode(held);
    if (!held->first_byte_us && held->body.length)
        held->first_byte_us = now_us() - held->begun_us;
    if (!more && held->end == HELD_OPEN)
        held->end = held->head && held->framing == HELD_TO_END ? HELD_WHOLE : HELD_CUT;
}

void held_turn(struct held *held, int ms) {
    if (held->end == HELD_OPEN && wire_stirs(held->fd, ms))
        held_take(held);
}

void held_reach_head(struct held *held) {
    int64_t end = now_ms() + PATIENCE_MS;

    while (!held->status) {
        must(held->end == HELD_OPEN, "cut off before there was a head");
        must(now_ms() < end, "no head within %d ms", PATIENCE_MS);
        held_turn(held, 100);
    }
}

void held_reach_end(struct held *held) {
    int64_t end = now_ms() + PATIENCE_MS;

    while (held->end == HELD_OPEN) {
        must(now_ms() < end, "no end within %d ms: %s", PATIENCE_MS,
             held->body.data ? held->body.data : "");
        held_turn(held, 100);
    }
}

void held_close(struct held *held) {
    if (!held)
        return;
    close(held->fd);
    pile_free(&held->raw);
    pile_free(&held->inner);
    pile_free(&held->body);
    free(held);
}
