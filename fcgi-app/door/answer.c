/*
 * Writes heads. Nearly all answers have one of a few heads, which differ in their length
 * alone: those are written once for each syntax and kept, so that an answer costs no more
 * than its length's digits.
 */
#include "fcgi-app/door/answer.h"

#include <string.h>

const char *head_reason(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 417:
        return "Expectation Failed";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

enum { USUAL = 384 }; /* bytes of a head, mostly */

static void put_line(struct buf *out, const char *name, const char *value) {
    buf_text(out, name);
    buf_text(out, value);
    buf_text(out, "\r\n");
}

/* "none": lighttpd would answer a Range with a part of what is made for who asked now. */
static void put_lines(const struct head *head, enum head_syntax syntax, struct buf *out) {
    (void)buf_reserve(out, USUAL);
    buf_text(out, syntax == HEAD_CGI ? "Status: " : "HTTP/1.1 ");
    buf_uint(out, (uint64_t)head->status);
    put_line(out, " ", head_reason(head->status));
    if (head->type != NULL)
        put_line(out, "Content-Type: ", head->type);
    put_line(out, "Cache-Control: ", head->cache != NULL ? head->cache : "no-store");
    buf_text(out, "X-Content-Type-Options: nosniff\r\n"
                  "X-Accel-Buffering: no\r\nAccept-Ranges: none\r\n");
    if (head->fields != NULL)
        buf_text(out, head->fields);
}

struct part head_lines(const struct head *head, enum head_syntax syntax, struct buf *own) {
    struct buf *lines = head->kept != NULL ? &head->kept->of[syntax] : own;

    if (lines->len == 0) {
        *lines = buf_make(SIZE_MAX / 2); /* its fields are bounded where they are made */
        put_lines(head, syntax, lines);
    }
    return (struct part){lines->data, lines->len};
}

size_t head_length_line(const struct head *head, char out[HEAD_LENGTH_LINE]) {
    static const char name[] = "Content-Length: ";
    char digits[24], *first = digits + sizeof digits;
    size_t value = head->length;

    if (head->length == HEAD_NO_LENGTH)
        return 0;
    *--first = '\n';
    *--first = '\r';
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    size_t len = (size_t)(digits + sizeof digits - first);
    memcpy(out, name, sizeof name - 1);
    memcpy(out + sizeof name - 1, first, len);
    return sizeof name - 1 + len;
}

void head_kept_free(struct head_kept *kept) {
    for (int i = 0; i < HEAD_SYNTAXES; i++)
        buf_free(&kept->of[i]);
}
