/*
 * Grammar, as tables of bytes and loops over them. Where RFC 9112 lets a server choose between
 * forgiving and refusing, it is refused: a line that ends with a bare LF (§2.2) is not looked at
 * here at all, and blanks around a name or within a request line (§3, §5.1) are none of ours.
 *
 * One thing is let through that no URI may have: bytes above 0x7f in a target, as curl sends a
 * name that its user has typed. Every web server passes them on, and nobody ends a line there.
 */
#include "fcgi-app/door/http/strict.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum {
    METHOD_MAX = 32,   /* bytes; nobody has a longer one (RFC 9110 §18.2) */
    LENGTH_MAX = 18,   /* digits that no number of ours can hold more of */
    CHUNK_DIGITS = 15, /* likewise, of a chunk's size */
    VERSION_LEN = 8,   /* "HTTP/1.1" */
    PORT_LEN = 6       /* ":65535" */
};

#define GOOD ((struct fault){0, NULL})

static struct fault bad(const char *words) {
    return (struct fault){400, words};
}

/* What a byte may stand in. */
enum {
    DIGIT = 1,
    HEX = 2,
    TOKEN = 4,   /* RFC 9110 §5.6.2 */
    TEXT = 8,    /* a value: no control character but a tab (RFC 9110 §5.5) */
    TARGET = 16, /* of a request: no blank, and no "#" that would begin a fragment */
    HOST = 32,   /* RFC 3986 §3.2.2, without the comma: it is no list */
    SIX = 64     /* the same, in brackets */
};

#define ANY    (TEXT | TARGET)
#define NAMES  (TOKEN | HOST | ANY)
#define LETTER (NAMES | HEX | SIX)
static const unsigned char classes[256] = {
    ['\t'] = TEXT,
    [' '] = TEXT,
    ['!'] = NAMES,
    ['"'] = ANY,
    ['#'] = TOKEN | TEXT,
    ['$'] = NAMES,
    ['%'] = NAMES | SIX,
    ['&' ... '\''] = NAMES,
    ['(' ... ')'] = ANY | HOST,
    ['*' ... '+'] = NAMES,
    [','] = ANY,
    ['-'] = NAMES,
    ['.'] = NAMES | SIX,
    ['/'] = ANY,
    ['0' ... '9'] = LETTER | DIGIT,
    [':'] = ANY | SIX,
    [';'] = ANY | HOST,
    ['<'] = ANY,
    ['='] = ANY | HOST,
    ['>' ... '@'] = ANY,
    ['A' ... 'F'] = LETTER,
    ['G' ... 'Z'] = NAMES,
    ['[' ... ']'] = ANY,
    ['^'] = TOKEN | ANY,
    ['_'] = NAMES,
    ['`'] = TOKEN | ANY,
    ['a' ... 'f'] = LETTER,
    ['g' ... 'z'] = NAMES,
    ['{'] = ANY,
    ['|'] = TOKEN | ANY,
    ['}'] = ANY,
    ['~'] = NAMES,
    [0x80 ... 0xff] = ANY,
};

static bool is(char c, int class) {
    return (classes[(unsigned char)c] & class) != 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* A byte, eight times; and whether one of eight is below `least` (128 at most), or is `byte`. */
#define EIGHT(byte) (~(uint64_t)0 / 255 * (byte))

static bool has_below(uint64_t eight, unsigned char least) {
    return ((eight - EIGHT(least)) & ~eight & EIGHT(0x80)) != 0;
}

static bool has(uint64_t eight, unsigned char byte) {
    return has_below(eight ^ EIGHT(byte), 1);
}

/* Whether eight bytes are surely of a class. Nearly all of a head is values and a target, whose
 * classes are all from some byte on, but for one or two. */
static bool are(uint64_t eight, int class) {
    if (has(eight, 0x7f))
        return false;
    return class == TEXT ? !has_below(eight, ' ')
                         : class == TARGET && !has_below(eight, '!') && !has(eight, '#');
}

/* How many of them there are at the beginning, in steps of eight. */
static size_t long_run_of(int class, const char *text, size_t len) {
    size_t i = 0;
    uint64_t eight;

    for (; i + sizeof eight <= len; i += sizeof eight) {
        memcpy(&eight, text + i, sizeof eight);
        if (!are(eight, class))
            break;
    }
    return i;
}

/* How many bytes at the beginning are of a class. */
static size_t run_of(int class, const char *text, size_t len) {
    size_t i = long_run_of(class, text, len);

    while (i < len && is(text[i], class))
        i++;
    return i;
}

bool strict_begins(char c) {
    return is(c, TOKEN);
}

bool strict_is(struct span text, const char *word) {
    return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

/* ---------------------------------------------------------------- the request line */

/* "HTTP/" and two digits (RFC 9112 §2.3). */
static struct fault check_version(const char *text, size_t len, unsigned *minor) {
    if (len != VERSION_LEN || memcmp(text, "HTTP/", 5) != 0 || !is(text[5], DIGIT) ||
        text[6] != '.' || !is(text[7], DIGIT))
        return bad("request line: must be a method, a target and HTTP/1.1");
    if (text[5] > '1')
        return (struct fault){505, "request line: must be HTTP/1.1 or HTTP/1.0"};
    if (text[5] < '1')
        return bad("request line: must be HTTP/1.1 or HTTP/1.0");
    *minor = (unsigned)(text[7] - '0');
    return GOOD;
}

static struct fault check_target(struct span method, struct span target) {
    const char *at = target.at;

    if (run_of(TARGET, at, target.len) < target.len)
        return bad("request line: its target must be a path, or a URL without a fragment");
    if (at[0] == '/' || (target.len > 7 && strncasecmp(at, "http://", 7) == 0) ||
        (target.len > 8 && strncasecmp(at, "https://", 8) == 0) ||
        (strict_is(target, "*") && strict_is(method, "OPTIONS")))
        return GOOD;
    return bad("request line: its target must be a path, or a URL of http or https");
}

struct fault strict_request_line(const char *line, size_t len, struct strict_request *out) {
    size_t method = run_of(TOKEN, line, len);
    const char *target = line + method + 1;
    const char *space = method + 1 < len ? memchr(target, ' ', len - method - 1) : NULL;

    if (method == 0 || method == len || line[method] != ' ' || space == NULL || space == target)
        return bad("request line: must be a method, a target and HTTP/1.1");
    out->method = (struct span){line, method};
    out->target = (struct span){target, (size_t)(space - target)};
    struct fault fault = check_version(space + 1, len - (size_t)(space + 1 - line), &out->minor);
    if (fault.status != 0)
        return fault;
    if (method > METHOD_MAX || strict_is(out->method, "CONNECT"))
        return (struct fault){501, "request line: there is no such method here"};
    return check_target(out->method, out->target);
}

/* ---------------------------------------------------------------- fields */

void strict_split(const char *line, size_t len, struct span *name, struct span *value) {
    size_t token = (size_t)((const char *)memchr(line, ':', len) - line), from = token + 1,
           to = len;

    while (from < to && is_blank(line[from]))
        from++;
    while (to > from && is_blank(line[to - 1]))
        to--;
    *name = (struct span){line, token};
    *value = (struct span){line + from, to - from};
}

struct fault strict_field(const char *line, size_t len, struct span *name, struct span *value) {
    size_t token = run_of(TOKEN, line, len), from = token + 1;

    if (len > 0 && is_blank(line[0]))
        return bad("header: a field may not go on in another line");
    if (token == 0 || token == len || line[token] != ':')
        return bad("header: a field must be a name, a colon and a value");
    if (run_of(TEXT, line + from, len - from) < len - from)
        return bad("header: a value may have no control characters");
    strict_split(line, len, name, value);
    return GOOD;
}

struct fault strict_length(struct span value) {
    if (value.len == 0 || run_of(DIGIT, value.at, value.len) < value.len)
        return bad("Content-Length: must be a number");
    if (value.len > LENGTH_MAX)
        return (struct fault){413, "Content-Length: nothing is that long"};
    return GOOD;
}

/* A port is digits, and may be none (RFC 3986 §3.2.3). */
static bool is_port(const char *text, size_t len) {
    return len == 0 ||
           (len <= PORT_LEN && text[0] == ':' && run_of(DIGIT, text + 1, len - 1) == len - 1);
}

struct fault strict_host(struct span value) {
    bool bracket = value.len > 0 && value.at[0] == '[';
    const char *at = value.at + bracket;
    size_t len = value.len - bracket, host = run_of(bracket ? SIX : HOST, at, len);
    bool good = !bracket || (host > 0 && host < len && at[host] == ']');

    host += bracket && good;
    return good && is_port(at + host, len - host)
               ? GOOD
               : bad("Host: must be a name or an address, and perhaps a port");
}

/* The next element of a list; false: there is none (RFC 9110 §5.6.1: empty ones do not count). */
static bool next_element(struct span *list, struct span *element) {
    while (list->len > 0 && (is_blank(*list->at) || *list->at == ',')) {
        list->at++;
        list->len--;
    }
    if (list->len == 0)
        return false;
    const char *comma = memchr(list->at, ',', list->len);
    size_t len = comma != NULL ? (size_t)(comma - list->at) : list->len;
    *element = (struct span){list->at, len};
    while (is_blank(element->at[element->len - 1]))
        element->len--;
    list->at += len;
    list->len -= len;
    return true;
}

void strict_coding_add(struct strict_coding *coding, struct span value) {
    struct span element;

    coding->fields++;
    while (next_element(&value, &element)) {
        if (strict_is(element, "chunked"))
            coding->chunked++;
        else
            coding->other = true;
    }
}

bool strict_has_token(struct span list, const char *token) {
    struct span element;

    while (next_element(&list, &element)) {
        if (strict_is(element, token))
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------- chunks */

/* A size, and extensions that nobody here knows (§7.1.1). */
struct fault strict_chunk_size(const char *line, size_t len) {
    size_t digits = run_of(HEX, line, len), at = digits;

    if (digits == 0)
        return bad("body: a chunk must begin with its size");
    if (digits > CHUNK_DIGITS)
        return bad("body: no chunk has such a size");
    while (at < len && is_blank(line[at]))
        at++;
    if (digits < len && (at == len || line[at] != ';'))
        return bad("body: behind a chunk's size only extensions may stand");
    return run_of(TEXT, line + at, len - at) == len - at
               ? GOOD
               : bad("body: a chunk's extensions have control characters");
}
