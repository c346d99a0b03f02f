/* fcgi-app/door/http/parser: what is a request of HTTP/1.1, what is none, and that it never
 * matters how it was cut (RFC 9112).
 */
#include "fcgi-app/door/http/parser.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

#define GET  "GET /comet/wait HTTP/1.1\r\n"
#define POST "POST /comet/publish HTTP/1.1\r\n"
#define HOST "Host: h\r\n"

enum { HEAD_MAX = 65536, BODY_MAX = 100 };

static const struct parser_limits limits = {HEAD_MAX, BODY_MAX};

static char *bytes(const char *data, size_t len) {
    char *copy = malloc(len + 1); /* of that size: whoever reads behind it is caught */
    memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

static void put_span(struct buf *out, const char *name, struct span span) {
    buf_printf(out, " %s=", name);
    buf_add(out, span.at, span.len);
}

/* What became of a request, as a text. */
static void put_outcome(struct buf *out, const struct parser *parser, enum parser_event event) {
    struct span name, value;
    size_t at = 0;

    if (event == PARSER_BAD) {
        buf_printf(out, "%d %s", parser->fault.status, parser->fault.words);
        return;
    }
    put_span(out, "method", parser->method);
    put_span(out, "target", parser->target);
    put_span(out, "authority", parser_authority(parser));
    buf_printf(out, " minor=%u keep=%d over=%d", parser->minor, parser->keep, parser->over);
    while (parser_field(parser, &at, &name, &value)) {
        buf_text(out, " (");
        buf_add(out, name.at, name.len);
        put_span(out, "", value);
        buf_char(out, ')');
    }
    put_span(out, "body", (struct span){parser->body.data, parser->body.len});
}

/* Reads all requests out of pieces of `size` bytes (0: all at once, else the first is `size`
 * bytes long, and the second is the rest); one line for each, ":" where 100 is to be said. */
static struct buf read_all(const char *data, size_t len, size_t first, size_t each) {
    struct buf out = buf_make(1 << 20);
    struct parser parser;
    enum parser_event event = PARSER_MORE;
    size_t piece = first;

    parser_init(&parser, &limits);
    for (size_t at = 0; at < len && event != PARSER_BAD; piece = each) {
        size_t size = piece < len - at ? piece : len - at, used = 0;
        char *copy = bytes(data + at, size);
        at += size;
        for (size_t from = 0; from < size && event != PARSER_BAD; from += used) {
            event = parser_take(&parser, copy + from, size - from, &used);
            ck_assert(used > 0 && used <= size - from);
            if (event == PARSER_CONTINUE)
                buf_char(&out, ':');
            if (event < PARSER_WHOLE)
                continue;
            bool over = parser.over;
            put_outcome(&out, &parser, event);
            buf_char(&out, '\n');
            parser_free(&parser);
            parser_init(&parser, &limits);
            if (over)
                from = size, used = 0, at = len; /* nothing may follow */
        }
        free(copy);
    }
    if (!parser_idle(&parser) && event != PARSER_BAD)
        buf_text(&out, "...");
    parser_free(&parser);
    return out;
}

/* What becomes of the bytes; however they are cut into two, and byte by byte. */
static const char *outcome_bytes(const char *data, size_t len) {
    struct buf whole = read_all(data, len, len, len);

    for (size_t cut = 1; cut < len; cut++) {
        struct buf again = read_all(data, len, cut, len);
        ck_assert_msg(strcmp(again.data, whole.data) == 0, "cut at %zu: \"%s\" instead of \"%s\"",
                      cut, again.data, whole.data);
        buf_free(&again);
    }
    struct buf single = read_all(data, len, 1, 1);
    ck_assert_msg(strcmp(single.data, whole.data) == 0, "byte by byte: \"%s\" instead of \"%s\"",
                  single.data, whole.data);
    buf_free(&single);
    const char *kept = keepf("%s", whole.data);
    buf_free(&whole);
    return kept;
}

static const char *outcome(const char *text) {
    return outcome_bytes(text, strlen(text));
}

struct row {
    const char *text;
    const char *begins; /* what becomes of it begins so */
};

static void check_rows(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *got = outcome(rows[i].text);
        ck_assert_msg(strncmp(got, rows[i].begins, strlen(rows[i].begins)) == 0,
                      "row %zu: \"%s\" instead of \"%s\" for \"%s\"", i, got, rows[i].begins,
                      rows[i].text);
    }
}

START_TEST(a_request_is_what_it_says) {
    ck_assert_str_eq(outcome(GET HOST "Accept:  */* \t\r\nX:\r\n\r\n"),
                     " method=GET target=/comet/wait authority= minor=1 keep=1 over=0"
                     " (Host =h) (Accept =*/*) (X =) body=\n");
    ck_assert_str_eq(outcome(POST HOST "Content-Length: 5\r\n\r\nhello"),
                     " method=POST target=/comet/publish authority= minor=1 keep=1 over=0"
                     " (Host =h) (Content-Length =5) body=hello\n");
}
END_TEST

START_TEST(requests_follow_one_another) {
    ck_assert_str_eq(outcome(GET HOST "\r\n" POST HOST "Content-Length: 2\r\n\r\nhi" POST HOST
                                      "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
                                      "DELETE /x?y HTTP/1.0\r\n\r\nGET /"),
                     " method=GET target=/comet/wait authority= minor=1 keep=1 over=0 (Host =h)"
                     " body=\n"
                     " method=POST target=/comet/publish authority= minor=1 keep=1 over=0"
                     " (Host =h) (Content-Length =2) body=hi\n"
                     " method=POST target=/comet/publish authority= minor=1 keep=1 over=0"
                     " (Host =h) (Transfer-Encoding =chunked) body=ab\n"
                     " method=DELETE target=/x?y authority= minor=0 keep=0 over=0 body=\n...");
}
END_TEST

START_TEST(the_target_may_be_a_url) {
    static const struct row rows[] = {
        {"GET http://other.example:80/a?b HTTP/1.1\r\n" HOST "\r\n",
         " method=GET target=http://other.example:80/a?b authority=other.example:80 "},
        {"GET HTTPS://[::1]?b HTTP/1.1\r\n" HOST "\r\n",
         " method=GET target=HTTPS://[::1]?b authority=[::1] "},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", " method=OPTIONS target=* authority= "},
        {"GET /a?http://x/ HTTP/1.1\r\n" HOST "\r\n",
         " method=GET target=/a?http://x/ authority= "},
        {"GET /m\xc3\xbc HTTP/1.1\r\n" HOST "\r\n", " method=GET target=/m\xc3\xbc "},
        {"BREW / HTTP/1.1\r\n" HOST "\r\n", " method=BREW target=/ "},
        {"get / HTTP/1.1\r\n" HOST "\r\n", " method=get target=/ "},
        {"GET //x/ HTTP/1.1\r\n" HOST "\r\n", " method=GET target=//x/ authority= "},
    };
    check_rows(rows, ROWS(rows));
}
END_TEST

START_TEST(the_connection_is_kept_or_not_as_the_version_has_it) {
    static const struct {
        const char *text;
        const char *has;
    } rows[] = {
        {GET HOST "\r\n", "keep=1"},
        {GET HOST "Connection: close\r\n\r\n", "keep=0"},
        {GET HOST "Connection: CLOSE\r\n\r\n", "keep=0"},
        {GET HOST "Connection: te, close\r\n\r\n", "keep=0"},
        {GET HOST "Connection: te\r\nConnection: close\r\n\r\n", "keep=0"},
        {GET HOST "Connection: keep-alive\r\n\r\n", "keep=1"},
        {"GET / HTTP/1.0\r\n\r\n", "keep=0"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep=1"},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "keep=1"},
        {"GET / HTTP/1.2\r\n" HOST "\r\n", "keep=1"},
        {POST HOST "Content-Length: 1\r\nConnection: close\r\n\r\nx", "keep=0"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *got = outcome(rows[i].text);
        ck_assert_msg(strstr(got, rows[i].has) != NULL, "row %zu: %s", i, got);
    }
}
END_TEST

START_TEST(a_body_comes_in_chunks) {
#define CHUNKED POST HOST "Transfer-Encoding: chunked\r\n\r\n"
    static const struct {
        const char *text;
        const char *ends;
    } rows[] = {
        {CHUNKED "0\r\n\r\n", "body=\n"},
        {CHUNKED "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "body=abc\n"},
        {CHUNKED "00000A\r\n0123456789\r\n0\r\n\r\n", "body=0123456789\n"},
        {CHUNKED "1;x\r\na\r\n1 ; y=\"z;\"\r\nb\r\n0;last\r\n\r\n", "body=ab\n"},
        {CHUNKED "1\r\na\r\n0\r\nX: y\r\nContent-Length: 7\r\n\r\n", "body=a\n"},
        {CHUNKED "3\r\n\r\n\n\r\n0\r\n\r\n", "body=\r\n\n\n"},
        {POST HOST "transfer-encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", "body=a\n"},
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *got = outcome(rows[i].text);
        size_t len = strlen(got), want = strlen(rows[i].ends);
        ck_assert_msg(len >= want && strcmp(got + len - want, rows[i].ends) == 0, "row %zu: %s", i,
                      got);
    }
}
END_TEST

/* Each of these is read in two ways by two servers somewhere. */
START_TEST(what_could_be_smuggled_is_refused) {
    static const struct row rows[] = {
        {POST HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400 Content-Length"},
        {POST HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: 1\r\nX: y\r\ncontent-length: 1\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: 1, 1\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: 1,2\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: +1\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: -1\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: 0x1\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: 1 1\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: 1;\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: 1.0\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length:\r\n\r\na", "400 Content-Length"},
        {POST HOST "Content-Length: 99999999999999999999\r\n\r\na", "413 Content-Length"},
        {POST HOST "Content-Length: 18446744073709551617\r\n\r\na", "413 Content-Length"},
        {POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "400 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
         "400 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "400 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: gzip\r\n\r\n", "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: identity\r\n\r\n", "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
         "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n", "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: chunked chunked\r\n\r\n0\r\n\r\n", "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "400 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
         "501 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding:\r\n\r\n", "400 Transfer-Encoding"},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 Transfer-Encoding"},
        {POST HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400 header"},
        {POST HOST "Content-Length : 1\r\n\r\na", "400 header"},
        {POST HOST "Content-Length\t: 1\r\n\r\na", "400 header"},
        {POST HOST "Content Length: 1\r\n\r\na", "400 header"},
        {POST HOST " Content-Length: 1\r\n\r\na", "400 header"},
        {POST " Host: h\r\n\r\n", "400 header"},
        {POST HOST "X: y\r\n Content-Length: 1\r\n\r\na", "400 header"},
        {POST HOST "X: y\r\n\tz\r\n\r\n", "400 header"},
        {POST HOST "X:\r\n \r\n\r\n", "400 header"},
        {POST HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400 header"},
        {POST HOST "Content-Length: 1\rX: y\r\n\r\na", "400 header"},
        {POST HOST "X: y\rContent-Length: 1\r\n\r\na", "400 header"},
        {POST HOST "X: y\r\r\n\r\n", "400 header"},
        {POST HOST "X\r: y\r\n\r\n", "400 header"},
        {POST HOST "\rX: y\r\n\r\n", "400 header"},
        {POST HOST "X: y\nContent-Length: 1\r\n\r\na", "400 lines"},
        {POST "Host: h\n\r\n", "400 lines"},
        {POST HOST "\n", "400 lines"},
        {"GET / HTTP/1.1\nHost: h\n\n", "400 lines"},
        {"\nGET / HTTP/1.1\r\n" HOST "\r\n", "400 request line"},
        {POST HOST "X: \x01\r\n\r\n", "400 header"},
        {POST HOST "X: \x7f\r\n\r\n", "400 header"},
        {POST HOST "X: \x0bTransfer-Encoding: chunked\r\n\r\n", "400 header"},
        {POST HOST "Transfer-Encoding: \x0b"
                   "chunked\r\n\r\n0\r\n\r\n",
         "400 header"},
        {POST HOST "X\x01: y\r\n\r\n", "400 header"},
        {POST HOST "\xc3\xbc: y\r\n\r\n", "400 header"},
        {POST HOST ": y\r\n\r\n", "400 header"},
        {POST HOST "no colon\r\n\r\n", "400 header"},
        {POST HOST "nocolon\r\n\r\n", "400 header"},
        {POST HOST "(x): y\r\n\r\n", "400 header"},
        {POST HOST "x;y: z\r\n\r\n", "400 header"},
        {POST "\r\n", "400 Host"},
        {POST HOST HOST "\r\n", "400 Host"},
        {POST HOST "X: y\r\nhost: h\r\n\r\n", "400 Host"},
        {"GET / HTTP/1.0\r\n" HOST HOST "\r\n", "400 Host"},
        {POST "Host: a, b\r\n\r\n", "400 Host"},
        {POST "Host: a b\r\n\r\n", "400 Host"},
        {POST "Host: u@h\r\n\r\n", "400 Host"},
        {POST "Host: h/x\r\n\r\n", "400 Host"},
        {POST "Host: h:80x\r\n\r\n", "400 Host"},
        {POST "Host: h:8:0\r\n\r\n", "400 Host"},
        {POST "Host: [::1\r\n\r\n", "400 Host"},
        {POST "Host: []\r\n\r\n", "400 Host"},
        {POST "Host: [::1]x\r\n\r\n", "400 Host"},
        {POST "Host: \xc3\xbc\r\n\r\n", "400 Host"},
    };
    check_rows(rows, ROWS(rows));
}
END_TEST

START_TEST(a_nul_is_nowhere) {
    static const char name[] = GET HOST "X\0: y\r\n\r\n", value[] = GET HOST "X: y\0z\r\n\r\n",
                      target[] = "GET /\0 HTTP/1.1\r\n" HOST "\r\n",
                      first[] = "\0GET / HTTP/1.1\r\n" HOST "\r\n",
                      method[] = "G\0T / HTTP/1.1\r\n" HOST "\r\n",
                      host[] = "GET / HTTP/1.1\r\nHost: h\0\r\n\r\n",
                      length[] = POST HOST "Content-Length: 1\0\r\n\r\na",
                      chunk[] =
                          POST HOST "Transfer-Encoding: chunked\r\n\r\n1;\0\r\na\r\n0\r\n\r\n",
                      end[] = GET HOST "\0\r\n\r\n";
    static const struct span rows[] = {
        {name, sizeof name - 1},     {value, sizeof value - 1},   {target, sizeof target - 1},
        {first, sizeof first - 1},   {method, sizeof method - 1}, {host, sizeof host - 1},
        {length, sizeof length - 1}, {chunk, sizeof chunk - 1},   {end, sizeof end - 1}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *got = outcome_bytes(rows[i].at, rows[i].len);
        ck_assert_msg(strncmp(got, "400 ", 4) == 0, "row %zu: %s", i, got);
    }
}
END_TEST

/* A head, with one byte put into it somewhere in the midst of many others. */
static bool is_taken(const char *before, int byte, int at, const char *behind) {
    const char *many = "0123456789abcdef0123456789";
    const char *head = keepf("%s%.*s%c%s%s", before, at, many, byte, many + at, behind);
    struct buf out = read_all(head, strlen(head), strlen(head), strlen(head));
    bool taken = strncmp(out.data, "400 ", 4) != 0;

    buf_free(&out);
    return taken;
}

/* RFC 9110 §5.5, RFC 3986 §3: bytes are looked at several at a time. */
START_TEST(each_byte_counts_wherever_it_stands) {
    for (int byte = 1; byte < 256; byte++) {
        bool text = byte == '\t' || (byte >= ' ' && byte != 0x7f);
        for (int at = 0; at < 20 && byte != '\n' && byte != '\r'; at++) {
            ck_assert_msg(is_taken(GET HOST "X: ", byte, at, "\r\n\r\n") == text,
                          "a value with %d at %d", byte, at);
            ck_assert_msg(is_taken("GET /", byte, at, " HTTP/1.1\r\n" HOST "\r\n") ==
                              (text && byte > ' ' && byte != '#'),
                          "a target with %d at %d", byte, at);
        }
    }
}
END_TEST

START_TEST(a_request_line_is_nothing_else) {
    static const struct row rows[] = {
        {"GET /\r\n", "400 request line"}, /* HTTP/0.9: nothing more may come */
        {"GET / HTTP/0.9\r\n", "400 request line"},
        {"GET / HTTP/2.0\r\n", "505 "},
        {"GET / HTTP/3.0\r\n", "505 "},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 "},
        {"GET / HTTP/1.10\r\n", "400 request line"},
        {"GET / HTTP/11\r\n", "400 request line"},
        {"GET / HTTP/1\r\n", "400 request line"},
        {"GET / HTTP/1,1\r\n", "400 request line"},
        {"GET / http/1.1\r\n", "400 request line"},
        {"GET / ICY/1.1\r\n", "400 request line"},
        {"GET / HTTP/1.1 \r\n", "400 request line"},
        {"GET / HTTP/1.1\r\r\n", "400 request line"},
        {"GET  / HTTP/1.1\r\n", "400 request line"},
        {"GET /  HTTP/1.1\r\n", "400 request line"},
        {"GET\t/\tHTTP/1.1\r\n", "400 request line"},
        {" GET / HTTP/1.1\r\n", "400 request line"},
        {"GET / x HTTP/1.1\r\n", "400 request line"},
        {"GET /\tx HTTP/1.1\r\n", "400 request line"},
        {"GET /\rx HTTP/1.1\r\n", "400 request line"},
        {"GET /\x7f HTTP/1.1\r\n", "400 request line"},
        {"GET /a#b HTTP/1.1\r\n", "400 request line"},
        {"GET\r\n", "400 request line"},
        {"GET \r\n", "400 request line"},
        {"GET HTTP/1.1\r\n", "400 request line"},
        {"G(T / HTTP/1.1\r\n", "400 request line"},
        {"GET: / HTTP/1.1\r\n", "400 request line"},
        {"GET a HTTP/1.1\r\n", "400 request line"},
        {"GET * HTTP/1.1\r\n", "400 request line"},
        {"GET ?a HTTP/1.1\r\n", "400 request line"},
        {"GET h:80 HTTP/1.1\r\n", "400 request line"},
        {"GET ftp://h/ HTTP/1.1\r\n", "400 request line"},
        {"GET http:/x HTTP/1.1\r\n", "400 request line"},
        {"GET http:// HTTP/1.1\r\n", "400 request line"},
        {"GET http:///x HTTP/1.1\r\n" HOST "\r\n", "400 request line"},
        {"GET http://u:p@h/ HTTP/1.1\r\n" HOST "\r\n", "400 request line"},
        {"GET http://h:x/ HTTP/1.1\r\n" HOST "\r\n", "400 request line"},
        {"GET http://a,b/ HTTP/1.1\r\n" HOST "\r\n", "400 request line"},
        {"GET http://[::1/ HTTP/1.1\r\n" HOST "\r\n", "400 request line"},
        {"CONNECT h:80 HTTP/1.1\r\n", "501 request line"},
        {"CONNECT / HTTP/1.1\r\n", "501 request line"},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n", "501 request line"},
        {"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", "400 request line"},
        {"\r\r\n", "400 request line"},
        {"\rGET / HTTP/1.1\r\n", "400 request line"},
        {"\x16\x03\x01\x02", "400 request line"}, /* TLS, and at its first byte */
        {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", " method=GET target=/ "},
        {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n\r\n", " method=GET target=/ "},
    };
    check_rows(rows, ROWS(rows));
}
END_TEST

START_TEST(a_chunk_is_as_long_as_it_says) {
    static const struct row rows[] = {
        {CHUNKED "1\r\nab\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "2\r\na\r\n0\r\n\r\n", "400 "},
        {CHUNKED "1\r\na0\r\n\r\n", "400 body"},
        {CHUNKED "1\r\na\n0\r\n\r\n", "400 "},
        {CHUNKED "1\r\na\r0\r\n\r\n", "400 body"},
        {CHUNKED "1\na\r\n0\r\n\r\n", "400 lines"},
        {CHUNKED "1\r\na\r\n0\n\n", "400 lines"},
        {CHUNKED "1\r\na\r\n0\r\n\n", "400 lines"},
        {CHUNKED "\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "x\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "0x1\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "-1\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "+1\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED " 1\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "1 \r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "1 x\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "1,\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "1;\n2\r\na\r\n0\r\n\r\n", "400 lines"},
        {CHUNKED "1;a\rb\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "1;\x01\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "fffffffffffffffff\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "10000000000000001\r\na\r\n0\r\n\r\n", "400 body"},
        {CHUNKED "1\r\na\r\n0\r\nx\r\n\r\n", "400 header"},
        {CHUNKED "1\r\na\r\n0\r\n x: y\r\n\r\n", "400 header"},
        {CHUNKED "1\r\na\r\n0\r\nx : y\r\n\r\n", "400 header"},
        {CHUNKED "1\r\na\r\n0\r\nx: y\nz: a\r\n\r\n", "400 lines"},
        {CHUNKED "1\r\na\r\n0\r\nx: \x01\r\n\r\n", "400 header"},
        {CHUNKED "1\r\na\r\n0\r\n: y\r\n\r\n", "400 header"},
    };
    check_rows(rows, ROWS(rows));
    struct buf text = buf_make(4096);
    buf_text(&text, CHUNKED "1;");
    for (int i = 0; i < 300; i++)
        buf_char(&text, 'x');
    ck_assert_ptr_nonnull(strstr(outcome(text.data), "400 body"));
    buf_free(&text);
}
END_TEST

START_TEST(a_body_over_its_limit_is_not_read_on) {
    struct buf text = buf_make(4096);

    ck_assert_ptr_nonnull(
        strstr(outcome(POST HOST "Content-Length: 101\r\n\r\n"), "keep=0 over=1"));
    buf_text(&text, POST HOST "Content-Length: 100\r\n\r\n");
    for (int i = 0; i < 100; i++)
        buf_char(&text, 'x');
    ck_assert_ptr_nonnull(strstr(outcome(text.data), "keep=1 over=0"));
    buf_clear(&text);
    buf_text(&text, CHUNKED);
    for (int i = 0; i < 20; i++)
        buf_text(&text, "5\r\n12345\r\n");
    ck_assert_ptr_nonnull(strstr(outcome(keepf("%s0\r\n\r\n", text.data)), "keep=1 over=0"));
    ck_assert_ptr_nonnull(
        strstr(outcome(keepf("%s1\r\nx\r\n0\r\n\r\n", text.data)), "keep=0 over=1"));
    ck_assert_ptr_nonnull(
        strstr(outcome(keepf("%sfffff\r\nx\r\n0\r\n\r\n", text.data)), "keep=0 over=1"));
    buf_free(&text);
}
END_TEST

START_TEST(who_waits_for_100_is_told_once) {
    ck_assert_str_eq(outcome(POST HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\na"),
                     ": method=POST target=/comet/publish authority= minor=1 keep=1 over=0"
                     " (Host =h) (Expect =100-continue) (Content-Length =1) body=a\n");
    static const struct row rows[] = {
        {POST HOST "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ": "},
        {POST HOST "Expect: 100-continue\r\n\r\n", " method"},
        {POST HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", " method"},
        {POST HOST "Expect: 100-continue\r\nContent-Length: 101\r\n\r\n", " method"},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", " method"},
        {POST HOST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", "417 Expect"},
    };
    check_rows(rows, ROWS(rows));
}
END_TEST

/* The outcome of a head of so many bytes; read at once, and in large pieces. */
static const char *outcome_of_head(size_t len, const char *filler) {
    struct buf text = buf_make(4 * HEAD_MAX);

    buf_text(&text, GET HOST);
    while (text.len + strlen(filler) + 7 <= len)
        buf_text(&text, filler);
    buf_text(&text, "Y: ");
    while (text.len + 4 < len)
        buf_char(&text, 'x');
    buf_text(&text, "\r\n\r\n");
    struct buf whole = read_all(text.data, text.len, text.len, text.len);
    struct buf pieces = read_all(text.data, text.len, 4099, 4099);
    ck_assert_msg(strcmp(whole.data, pieces.data) == 0, "%.99s: %.99s", whole.data, pieces.data);
    const char *kept = keepf("%zu %.20s", text.len, whole.data);
    buf_free(&whole);
    buf_free(&pieces);
    buf_free(&text);
    return kept;
}

START_TEST(a_head_has_its_limit) {
    ck_assert_ptr_nonnull(strstr(outcome_of_head(HEAD_MAX, "X: y\r\n"), "65536  method"));
    ck_assert_ptr_nonnull(strstr(outcome_of_head(HEAD_MAX + 1, "X: y\r\n"), "65537 431"));
    ck_assert_ptr_nonnull(strstr(outcome_of_head(HEAD_MAX - 10, "a:\r\n"), " method"));
    ck_assert_ptr_nonnull(strstr(outcome_of_head(HEAD_MAX + 10, "a:\r\n"), " 431"));
}
END_TEST

START_TEST(trailers_count_as_the_head_does) {
    struct buf text = buf_make(4 * HEAD_MAX);

    buf_text(&text, CHUNKED "1\r\na\r\n0\r\n");
    while (text.len < HEAD_MAX + 1000)
        buf_text(&text, "Trailer-Of-Some-Length: value\r\n");
    buf_text(&text, "\r\n");
    struct buf whole = read_all(text.data, text.len, text.len, text.len);
    struct buf pieces = read_all(text.data, text.len, 977, 977);
    ck_assert_ptr_nonnull(strstr(whole.data, "431 trailers"));
    ck_assert_msg(strcmp(whole.data, pieces.data) == 0, "%.99s: %.99s", whole.data, pieces.data);
    buf_free(&whole);
    buf_free(&pieces);
    buf_free(&text);
}
END_TEST

START_TEST(between_requests_nothing_is_kept) {
    char text[] = GET HOST "\r\n" POST HOST "Content-Length: 1\r\n\r\na";
    struct parser parser;
    size_t used;

    parser_init(&parser, &limits);
    ck_assert(parser_idle(&parser));
    ck_assert_int_eq(parser_take(&parser, text, strlen(text), &used), PARSER_WHOLE);
    ck_assert_uint_eq(used, strlen(GET HOST "\r\n"));
    ck_assert_ptr_null(parser.stored.data); /* it was read where it lay */
    ck_assert_ptr_null(parser.body.data);
    parser_free(&parser);
    parser_init(&parser, &limits);
    ck_assert_int_eq(parser_take(&parser, text + used, strlen(text) - used, &used), PARSER_WHOLE);
    ck_assert_ptr_null(parser.stored.data);
    parser_free(&parser);
}
END_TEST

UNIT_MAIN("http_parser", a_request_is_what_it_says, requests_follow_one_another,
          the_target_may_be_a_url, the_connection_is_kept_or_not_as_the_version_has_it,
          a_body_comes_in_chunks, what_could_be_smuggled_is_refused, a_nul_is_nowhere,
          each_byte_counts_wherever_it_stands, a_request_line_is_nothing_else,
          a_chunk_is_as_long_as_it_says, a_body_over_its_limit_is_not_read_on,
          who_waits_for_100_is_told_once, a_head_has_its_limit, trailers_count_as_the_head_does,
          between_requests_nothing_is_kept)
