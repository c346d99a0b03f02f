/*
 * The library counts what has to be counted: lengths, chunks, whether the connection stays; it
 * takes URLs apart. It is given only what says something of these, at 50 instructions a byte,
 * and every line is held against RFC 9112 before (strict.c), because Debian builds it to forgive:
 * it takes blanks in and behind a name, lines that go on in the next one, NULs, bare CRs and LFs,
 * anything behind a chunk and in its extensions, and of two lengths beside "chunked" it makes one.
 *
 *    LINE ─► FIELDS ─┬─ no body ──────────────────────────────────► OVER
 *                    ├─ Content-Length ─► BODY ───────────────────►  ▲
 *                    └─ chunked ─► CHUNK_SIZE ─► CHUNK ─► CHUNK_END  │
 *                                   ▲  └─ 0 ─► TRAILERS ──────────────┘
 *                                   └───────────────────────┘
 *
 * A head that comes in one piece is read where it lies; one that does not is gathered, line by
 * line, so that no byte is looked at twice. Lines end with CR LF: a bare LF, which §2.2 would
 * allow, is refused, as in front of us may stand somebody who does not count it as an end.
 */
#include "fcgi-app/door/http/parser.h"

#include <http_parser.h>
#include <string.h>

enum {
    EMPTY_LINES = 8, /* that may stand in front of a request (§2.2) */
    CHUNK_LINE = 256 /* bytes of a chunk's size and its extensions */
};

_Static_assert(sizeof(http_parser) <= sizeof((struct parser){0}.library), "it must fit");

static http_parser *library(struct parser *parser) {
    return (http_parser *)(void *)parser->library;
}

void parser_init(struct parser *parser, const struct parser_limits *limits) {
    memset(parser, 0, sizeof *parser);
    parser->limits = limits;
    parser->stored = buf_make(limits->head_max);
    parser->body = buf_make(limits->body_max);
    parser->line = buf_make(limits->head_max);
    http_parser_init(library(parser), HTTP_REQUEST);
}

void parser_free(struct parser *parser) {
    buf_free(&parser->stored);
    buf_free(&parser->body);
    buf_free(&parser->line);
}

static enum parser_event fail(struct parser *parser, int status, const char *words) {
    parser->fault = (struct fault){status, words};
    parser->stage = PARSER_OVER;
    parser->keep = false;
    return PARSER_BAD;
}

/* ---------------------------------------------------------------- the library */

static int on_body(http_parser *http, const char *at, size_t len) {
    struct parser *parser = http->data;
    size_t room = parser->limits->body_max - parser->body.len;

    buf_add(&parser->body, at, len < room ? len : room);
    parser->over |= len > room;
    return 0;
}

static int on_chunk(http_parser *http) {
    struct parser *parser = http->data;
    parser->left = http->content_length;
    return 0;
}

/* Has the library read what was checked. */
static bool feed(struct parser *parser, const char *data, size_t len) {
    static const http_parser_settings settings = {.on_body = on_body, .on_chunk_header = on_chunk};
    http_parser *http = library(parser);

    http->data = parser;
    return http_parser_execute(http, &settings, data, len) == len &&
           HTTP_PARSER_ERRNO(http) == HPE_OK;
}

static enum parser_event not_fed(struct parser *parser) {
    return fail(parser, 400, "the request is not as HTTP/1.1 has it");
}

/* ---------------------------------------------------------------- the head */

/*
 * The library has read the first line of any request of this version: methods are whoever
 * answers' to judge, and targets strict.c's. So it is not done for each.
 */
static bool feed_request_line(struct parser *parser) {
    static const char *const lines[] = {"GET / HTTP/1.0\r\n", "GET / HTTP/1.1\r\n"};
    static http_parser read[2];
    size_t which = parser->minor > 0;

    if (read[which].http_major == 0) {
        bool fed = feed(parser, lines[which], strlen(lines[which]));
        read[which] = *library(parser);
        return fed;
    }
    *library(parser) = read[which];
    return true;
}

static enum parser_event take_request_line(struct parser *parser, const char *line, size_t len) {
    struct strict_request request;
    struct fault fault = strict_request_line(line, len, &request);

    if (fault.status != 0)
        return fail(parser, fault.status, fault.words);
    parser->method = request.method;
    parser->target = request.target;
    parser->minor = request.minor;
    if (!feed_request_line(parser))
        return not_fed(parser);
    parser->stage = PARSER_FIELDS;
    return PARSER_MORE;
}

/* What fields mean to whoever reads the request; others are for whoever answers it. Those that
 * the library counts with are its to read: `counts`. */
static struct fault note_field(struct parser *parser, struct span name, struct span value,
                               bool *counts) {
    *counts = false;
    if (name.len == 4 && strict_is(name, "Host")) {
        if (parser->hosts++ > 0)
            return (struct fault){400, "Host: must be there once"};
        return strict_host(value);
    }
    if (name.len == 6 && strict_is(name, "Expect")) {
        parser->expects |= strict_is(value, "100-continue");
        parser->expects_other |= !strict_is(value, "100-continue");
    }
    *counts = name.len == 10 && strict_is(name, "Connection");
    if (name.len == 14 && strict_is(name, "Content-Length")) {
        *counts = true;
        if (parser->lengths++ > 0)
            return (struct fault){400, "Content-Length: may be there once"};
        return strict_length(value);
    }
    if (name.len == 17 && strict_is(name, "Transfer-Encoding")) {
        *counts = true;
        strict_coding_add(&parser->coding, value);
    }
    return (struct fault){0, NULL};
}

static enum parser_event take_field(struct parser *parser, const char *line, size_t len) {
    struct span name, value;
    bool counts = false;
    struct fault fault = strict_field(line, len, &name, &value);

    if (fault.status == 0)
        fault = note_field(parser, name, value, &counts);
    if (fault.status != 0)
        return fail(parser, fault.status, fault.words);
    return !counts || feed(parser, line, len + 2) ? PARSER_MORE : not_fed(parser);
}

/* How long a body is must be said in one way, and one that is known (§6.1, §6.3). */
static struct fault check_framing(const struct parser *parser) {
    const struct strict_coding *coding = &parser->coding;

    if (coding->fields > 0 && parser->lengths > 0)
        return (struct fault){400, "Transfer-Encoding: may not stand beside Content-Length"};
    if (coding->fields > 0 && parser->minor == 0)
        return (struct fault){400, "Transfer-Encoding: HTTP/1.0 has none"};
    if (coding->other)
        return (struct fault){501, "Transfer-Encoding: must be chunked"};
    if (coding->fields > 0 && coding->chunked != 1)
        return (struct fault){400, "Transfer-Encoding: must be chunked, once"};
    return (struct fault){0, NULL};
}

static struct fault check_head(struct parser *parser) {
    struct fault fault = check_framing(parser);

    if (fault.status != 0)
        return fault;
    if (parser->hosts == 0 && parser->minor > 0)
        return (struct fault){400, "Host: must be there once"};
    if (parser->target.at[0] != '/' && parser->target.len > 1) {
        struct span authority = parser_authority(parser);
        fault = strict_host(authority);
        if (authority.len == 0 || fault.status != 0)
            return (struct fault){400, "request line: its URL must have a host, and no user"};
    }
    if (parser->expects_other && parser->minor > 0)
        return (struct fault){417, "Expect: must be 100-continue"};
    return (struct fault){0, NULL};
}

static enum parser_event whole(struct parser *parser) {
    parser->stage = PARSER_OVER;
    parser->keep &= !parser->over;
    return PARSER_WHOLE;
}

static enum parser_event end_head(struct parser *parser, const char *line) {
    struct fault fault = check_head(parser);
    http_parser *http = library(parser);

    if (fault.status != 0)
        return fail(parser, fault.status, fault.words);
    bool chunked = parser->coding.fields > 0;
    uint64_t length = parser->lengths > 0 ? http->content_length : 0;
    if (!feed(parser, line, 2))
        return not_fed(parser);
    parser->keep = http_should_keep_alive(http) != 0;
    if (length > parser->limits->body_max)
        parser->over = true;
    if (parser->over || (!chunked && length == 0))
        return whole(parser);
    parser->left = length;
    parser->stage = chunked ? PARSER_CHUNK_SIZE : PARSER_BODY;
    return parser->expects && parser->minor > 0 ? PARSER_CONTINUE : PARSER_MORE;
}

/* Lines without anything may come in front of a request: they are no part of it. */
static enum parser_event pass_empty_line(struct parser *parser) {
    if (++parser->empty_lines > EMPTY_LINES)
        return fail(parser, 400, "request line: must be a method, a target and HTTP/1.1");
    if (parser->stored.len > 0)
        buf_clear(&parser->stored);
    else
        parser->head += parser->head_len;
    parser->head_len = 0;
    return PARSER_MORE;
}

/* The head's last line is there. */
static enum parser_event take_head_line(struct parser *parser) {
    const char *line = parser->head + parser->line_at;
    size_t len = parser->head_len - parser->line_at;

    if (len < 2 || line[len - 2] != '\r')
        return fail(parser, 400, "lines must end with CR LF");
    len -= 2;
    if (len == 0 && parser->stage == PARSER_LINE)
        return pass_empty_line(parser);
    parser->line_at = parser->head_len;
    if (parser->stage == PARSER_LINE)
        return take_request_line(parser, line, len);
    return len > 0 ? take_field(parser, line, len) : end_head(parser, line);
}

/* Gathers more of the head; what points into it follows it to where it is now. */
static void store_head(struct parser *parser, const char *data, size_t len) {
    buf_add(&parser->stored, data, len);
    parser->head = parser->stored.data;
    parser->method.at = parser->head;
    parser->target.at = parser->head + parser->method.len + 1;
}

/* Up to a line's end, or as much of it as there is; `in_place`: the head lies in `data`. */
static enum parser_event take_head(struct parser *parser, const char *data, size_t len,
                                   bool in_place, size_t *used) {
    const char *end = memchr(data, '\n', len);

    *used = end != NULL ? (size_t)(end - data) + 1 : len;
    if (parser->head_len == 0 && !strict_begins(data[0]) && data[0] != '\r')
        return fail(parser, 400, "request line: must be a method, a target and HTTP/1.1");
    if (parser->head_len + *used > parser->limits->head_max)
        return fail(parser, 431, "header: it is too long");
    if (!in_place)
        store_head(parser, data, *used);
    parser->head_len += *used;
    return end != NULL ? take_head_line(parser) : PARSER_MORE;
}

/* ---------------------------------------------------------------- the body */

static enum parser_event take_data(struct parser *parser, const char *data, size_t len,
                                   size_t *used) {
    *used = len < parser->left ? len : (size_t)parser->left;
    if (!feed(parser, data, *used))
        return not_fed(parser);
    if (parser->over)
        return whole(parser);
    parser->left -= *used;
    if (parser->left > 0)
        return PARSER_MORE;
    if (parser->stage == PARSER_BODY)
        return whole(parser);
    parser->stage = PARSER_CHUNK_END;
    return PARSER_MORE;
}

static enum parser_event take_chunk_size(struct parser *parser, const char *line, size_t len) {
    struct fault fault = strict_chunk_size(line, len);

    if (fault.status != 0)
        return fail(parser, fault.status, fault.words);
    if (!feed(parser, line, len + 2))
        return not_fed(parser);
    parser->stage = parser->left > 0 ? PARSER_CHUNK : PARSER_TRAILERS;
    return PARSER_MORE;
}

/* They are read past: what they say would come too late for anybody (RFC 9110 §6.5.1). */
static enum parser_event take_trailer(struct parser *parser, const char *line, size_t len) {
    struct span name, value;

    if (len == 0)
        return feed(parser, line, 2) ? whole(parser) : not_fed(parser);
    struct fault fault = strict_field(line, len, &name, &value);
    return fault.status == 0 ? PARSER_MORE : fail(parser, fault.status, fault.words);
}

static enum parser_event take_body_line(struct parser *parser, const char *line, size_t len) {
    if (len < 2 || line[len - 2] != '\r')
        return fail(parser, 400, "lines must end with CR LF");
    len -= 2;
    if (parser->stage == PARSER_CHUNK_SIZE)
        return take_chunk_size(parser, line, len);
    if (parser->stage == PARSER_TRAILERS)
        return take_trailer(parser, line, len);
    if (len > 0 || !feed(parser, line, 2))
        return fail(parser, 400, "body: a chunk must end where its size says");
    parser->stage = PARSER_CHUNK_SIZE;
    return PARSER_MORE;
}

/* So many bytes the line that comes may have. */
static size_t line_max(const struct parser *parser) {
    if (parser->stage == PARSER_CHUNK_END)
        return 2;
    if (parser->stage == PARSER_CHUNK_SIZE)
        return CHUNK_LINE;
    return parser->limits->head_max - parser->head_len - parser->trailers;
}

static enum parser_event line_too_long(struct parser *parser) {
    if (parser->stage == PARSER_CHUNK_END)
        return fail(parser, 400, "body: a chunk must end where its size says");
    if (parser->stage == PARSER_CHUNK_SIZE)
        return fail(parser, 400, "body: a chunk's extensions are too long");
    return fail(parser, 431, "trailers: they are too long");
}

/* A line of the body's framing: put together only if it comes in pieces. */
static enum parser_event take_line(struct parser *parser, const char *data, size_t len,
                                   size_t *used) {
    const char *end = memchr(data, '\n', len), *line = data;
    size_t most = line_max(parser), length;

    *used = end != NULL ? (size_t)(end - data) + 1 : len;
    length = parser->line.len + *used;
    if (length > most)
        return line_too_long(parser);
    if (parser->line.len > 0 || end == NULL) {
        buf_add(&parser->line, data, *used);
        line = parser->line.data;
    }
    if (end == NULL)
        return PARSER_MORE;
    if (parser->stage == PARSER_TRAILERS)
        parser->trailers += length;
    enum parser_event event = take_body_line(parser, line, length);
    buf_clear(&parser->line);
    return event;
}

/* ---------------------------------------------------------------- everything */

static enum parser_event take_some(struct parser *parser, const char *data, size_t len,
                                   bool in_place, size_t *used) {
    switch ((enum parser_stage)parser->stage) {
    case PARSER_LINE:
    case PARSER_FIELDS:
        return take_head(parser, data, len, in_place, used);
    case PARSER_BODY:
    case PARSER_CHUNK:
        return take_data(parser, data, len, used);
    case PARSER_CHUNK_SIZE:
    case PARSER_CHUNK_END:
    case PARSER_TRAILERS:
        return take_line(parser, data, len, used);
    case PARSER_OVER:
        break;
    }
    *used = 0;
    return parser->fault.status != 0 ? PARSER_BAD : PARSER_WHOLE;
}

enum parser_event parser_take(struct parser *parser, char *data, size_t len, size_t *used) {
    bool in_place = parser->head_len == 0;
    enum parser_event event = PARSER_MORE;
    size_t took;

    if (in_place)
        parser->head = data;
    for (*used = 0; *used < len && event == PARSER_MORE; *used += took)
        event = take_some(parser, data + *used, len - *used, in_place, &took);
    parser->bytes += *used;
    if (in_place && parser->head_len > 0 && event <= PARSER_CONTINUE)
        store_head(parser, parser->head, parser->head_len);
    return event;
}

bool parser_field(const struct parser *parser, size_t *at, struct span *name, struct span *value) {
    if (*at == 0)
        *at =
            (size_t)((const char *)memchr(parser->head, '\n', parser->head_len) - parser->head) + 1;
    const char *line = parser->head + *at;
    const char *end = memchr(line, '\n', parser->head_len - *at);
    size_t len = (size_t)(end - line) - 1;

    if (len == 0)
        return false;
    *at += len + 2;
    strict_split(line, len, name, value);
    return true;
}

struct span parser_authority(const struct parser *parser) {
    struct http_parser_url url;
    const struct span target = parser->target;

    http_parser_url_init(&url);
    if (target.at[0] == '/' || http_parser_parse_url(target.at, target.len, 0, &url) != 0 ||
        (url.field_set & (1U << UF_USERINFO)) || !(url.field_set & (1U << UF_HOST)))
        return (struct span){target.at, 0};
    const char *from = (const char *)memchr(target.at, ':', target.len) + 3;
    size_t len = 0, most = target.len - (size_t)(from - target.at);
    while (len < most && strchr("/?", from[len]) == NULL)
        len++;
    return (struct span){from, len};
}
