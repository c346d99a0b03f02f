/*
 * By http_parser. Pure functions: the bytes come from whoever reads the socket.
 */
#include "fcgi-app/door/ws/opening.h"

#include <http_parser.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "fcgi-app/door/ws/handshake.h"

struct opening {
    struct buf url;
    struct buf name;               /* of the field that is being read */
    struct buf fields[SAID_COUNT]; /* what is said in them */
    unsigned hosts;                /* how often Host stands there */
    bool in_value;
    bool complete;
};

static int on_url(http_parser *parser, const char *at, size_t len) {
    struct opening *opening = parser->data;
    buf_add(&opening->url, at, len);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t len) {
    struct opening *opening = parser->data;
    if (opening->in_value)
        buf_clear(&opening->name);
    opening->in_value = false;
    buf_add(&opening->name, at, len);
    return 0;
}

/* What is said in several fields is one list (RFC 9110 §5.3); no value holds a NUL (§5.5). */
static int on_value(http_parser *parser, const char *at, size_t len) {
    struct opening *opening = parser->data;
    int which = said_by_field(opening->name.data, opening->name.len);

    if (memchr(at, '\0', len) != NULL)
        return 1;
    if (which >= 0) {
        struct buf *value = &opening->fields[which];
        if (!opening->in_value && value->len > 0)
            buf_text(value, ", ");
        buf_add(value, at, len);
    }
    opening->hosts += !opening->in_value && which == SAID_HOST;
    opening->in_value = true;
    return 0;
}

/*
 * Blanks at the end of a value are no part of it (RFC 9112 §5.1). Nothing behind the header
 * is read here, whatever it is: not another request either.
 */
static int on_headers(http_parser *parser) {
    struct opening *opening = parser->data;

    for (int i = 0; i < SAID_COUNT; i++) {
        struct buf *value = &opening->fields[i];
        while (value->len > 0 && strchr(" \t", value->data[value->len - 1]) != NULL)
            value->data[--value->len] = '\0';
    }
    opening->complete = true;
    return 2; /* so the parser stops */
}

/* The address nearest to us that a proxy of ours wrote down: the last one. */
static const char *address_of(const char *forwarded) {
    const char *comma = strrchr(forwarded, ',');
    const char *from = comma != NULL ? comma + 1 : forwarded;
    return from + strspn(from, " ");
}

static said_set wants(void *ctx, struct request *request) {
    (void)ctx, (void)request;
    return HANDSHAKE_WANTS;
}

static struct request *request_of(const struct opening *opening, const http_parser *parser) {
    static const struct request_taker taker = {.wants = wants};
    const char *url = opening->url.data != NULL ? opening->url.data : "";
    char protocol[32];
    struct said said;

    said_nothing(&said);
    for (int i = 0; i < SAID_COUNT; i++) {
        if (opening->fields[i].len > 0)
            said.of[i] = opening->fields[i].data;
    }
    (void)snprintf(protocol, sizeof protocol, "HTTP/%u.%u", parser->http_major, parser->http_minor);
    said.of[SAID_METHOD] = http_method_str((enum http_method)parser->method);
    said.of[SAID_URI] = url;
    said.of[SAID_PROTOCOL] = protocol;
    said.of[SAID_REMOTE_ADDR] = address_of(said.of[SAID_FORWARDED_FOR]);
    if (opening->hosts != 1)
        said.of[SAID_HOST] = "";
    return request_new(&said, &taker);
}

static enum opening_state judge(const struct opening *opening, const http_parser *parser,
                                size_t len, struct problem *problem) {
    enum http_errno error = HTTP_PARSER_ERRNO(parser);

    if (opening->complete)
        return OPENING_WHOLE;
    if (error == HPE_OK && len < OPENING_MAX)
        return OPENING_PARTIAL;
    if (error == HPE_OK)
        problem_set(problem, 413, "header: the most is %d bytes", OPENING_MAX);
    else
        problem_set(problem, 400, "request: must be HTTP/1.1");
    return OPENING_BAD;
}

enum opening_state opening_parse(const char *data, size_t len, size_t *used,
                                 struct request **request, struct problem *problem) {
    const http_parser_settings settings = {.on_url = on_url,
                                           .on_header_field = on_name,
                                           .on_header_value = on_value,
                                           .on_headers_complete = on_headers};
    struct opening opening = {.url = buf_make(OPENING_MAX), .name = buf_make(OPENING_MAX)};
    http_parser parser;

    for (int i = 0; i < SAID_COUNT; i++)
        opening.fields[i] = buf_make(OPENING_MAX);
    memset(problem, 0, sizeof *problem);
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &opening;
    *used = http_parser_execute(&parser, &settings, data, len);
    enum opening_state state = judge(&opening, &parser, len, problem);
    if (state == OPENING_WHOLE) {
        *request = request_of(&opening, &parser);
        (*request)->bytes = *used;
    }
    for (int i = 0; i < SAID_COUNT; i++)
        buf_free(&opening.fields[i]);
    buf_free(&opening.url);
    buf_free(&opening.name);
    return state;
}
