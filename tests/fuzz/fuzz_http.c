/* Any bytes as a connection's requests: what becomes of them is the same in one piece, in two,
 * byte by byte and in pieces of any size; a body is never longer than its limit, nothing is
 * taken that was not there, and what a second look at the fields sees is what was checked.
 */
#include "fcgi-app/door/http/parser.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"

enum { HEAD_MAX = 512, BODY_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

static void put_span(struct buf *out, struct span span) {
    buf_add(out, span.at, span.len);
    buf_char(out, '|');
}

static void put_fields(struct buf *out, const struct parser *parser) {
    struct span name, value;
    size_t at = 0;

    while (parser_field(parser, &at, &name, &value)) {
        must(name.len > 0 && strict_begins(name.at[0]) &&
             memchr(value.at, '\n', value.len) == NULL);
        must(memchr(value.at, '\0', value.len) == NULL &&
             memchr(value.at, '\r', value.len) == NULL);
        put_span(out, name);
        put_span(out, value);
    }
}

static void put_whole(struct buf *out, const struct parser *parser) {
    must(parser->target.len > 0 && parser->method.len > 0);
    must(!parser->over || !parser->keep);
    must(parser->body.len <= BODY_MAX && parser->bytes >= parser->target.len + parser->body.len);
    put_span(out, parser->method);
    put_span(out, parser->target);
    put_span(out, parser_authority(parser));
    put_fields(out, parser);
    put_span(out, (struct span){parser->body.data, parser->body.len});
    buf_printf(out, "%u %d %d\n", parser->minor, parser->keep, parser->over);
}

/* One piece, in memory of its own size. True: nothing may follow. */
static bool take_piece(struct parser *parser, const uint8_t *data, size_t len, struct buf *out) {
    static const struct parser_limits limits = {HEAD_MAX, BODY_MAX};
    char *copy = malloc(len);
    size_t used, from = 0;
    bool end = false;

    memcpy(copy, data, len);
    while (from < len && !end) {
        enum parser_event event = parser_take(parser, copy + from, len - from, &used);
        must(used > 0 && used <= len - from);
        from += used;
        must(event != PARSER_MORE || from == len);
        if (event == PARSER_CONTINUE)
            buf_char(out, '>');
        if (event == PARSER_WHOLE)
            put_whole(out, parser);
        if (event == PARSER_BAD) {
            must(parser->fault.status >= 400 && parser->fault.words != NULL);
            buf_printf(out, "%d %s\n", parser->fault.status, parser->fault.words);
        }
        end = event == PARSER_BAD || (event == PARSER_WHOLE && parser->over);
        if (event >= PARSER_WHOLE) {
            parser_free(parser);
            parser_init(parser, &limits);
        }
    }
    free(copy);
    return end;
}

/* Pieces of `each` bytes; or with 0, as long as the bytes in them say. */
static struct buf run(const uint8_t *data, size_t size, size_t first, size_t each) {
    static const struct parser_limits limits = {HEAD_MAX, BODY_MAX};
    struct buf out = buf_make(1 << 20);
    struct parser parser;
    size_t piece = first;
    bool end = false;

    parser_init(&parser, &limits);
    for (size_t at = 0; at < size && !end; at += piece) {
        piece = at == 0 ? first : each > 0 ? each : 1U + data[at] % 37U;
        piece = piece < size - at ? piece : size - at;
        end = take_piece(&parser, data + at, piece, &out);
    }
    if (!end)
        buf_printf(&out, "%d", parser_idle(&parser));
    parser_free(&parser);
    return out;
}

static void must_be_alike(const struct buf *whole, struct buf other) {
    must(whole->len == other.len &&
         (whole->len == 0 || memcmp(whole->data, other.data, other.len) == 0));
    buf_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 4096)
        return 0;
    struct buf whole = run(data, size, size, size);
    must_be_alike(&whole, run(data, size, 1, 1));
    must_be_alike(&whole, run(data, size, 1U + data[size / 2] % 251U, 0));
    must_be_alike(&whole, run(data, size, size / 2 + 1, size));
    must_be_alike(&whole, run(data, size, size - (size > 1), size));
    buf_free(&whole);
    return 0;
}
