/*
 * A scanner of JSON: it walks along a text once and builds nothing, so it costs the same
 * for any text of a length, and a text is passed on byte for byte. What is open is
 * remembered in a bit for each bracket, not on the stack, so no nesting exhausts one.
 *
 * The looks into a value rely on scan_grammar() having seen it: they only find ends.
 */
#include "core/base/scan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/number.h"

enum { FEW = 2048 }; /* brackets that need no memory of their own */

struct scanner {
    const char *at, *end;
    bool tame;
    size_t depth;         /* of open brackets */
    unsigned char *kinds; /* a bit for each of them: whether it is an object */
    unsigned char few[FEW / 8];
};

/* ------------------------------------------------------------------- characters */

static bool blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int hex_value(char c) {
    if (number_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool continues(const char *at, const char *end, unsigned least, unsigned most) {
    return at < end && (unsigned char)*at >= least && (unsigned char)*at <= most;
}

/* RFC 3629 §4, line by line. */
size_t scan_utf8(const char *at, const char *end) {
    unsigned char c = at < end ? (unsigned char)*at : 0xff;
    unsigned least = 0x80, most = 0xbf;
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    if (c == 0xe0)
        least = 0xa0;
    else if (c == 0xed)
        most = 0x9f;
    else if (c == 0xf0)
        least = 0x90;
    else if (c == 0xf4)
        most = 0x8f;
    if (len > 1 && !continues(at + 1, end, least, most))
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (!continues(at + i, end, 0x80, 0xbf))
            return 0;
    }
    return len;
}

/* ----------------------------------------------------------------------- strings */

/* Four hexadecimal digits at `at`; -1 if there are none. */
static int code_unit(const char *at, const char *end) {
    int value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit_value = hex_value(at[i]);
        if (digit_value < 0)
            return -1;
        value = value * 16 + digit_value;
    }
    return value;
}

/* Behind "\u". A tame text has a low surrogate behind each high one, and nowhere else. */
static bool take_code_unit(struct scanner *scanner) {
    int unit = code_unit(scanner->at, scanner->end);

    if (unit < 0)
        return false;
    scanner->at += 4;
    if (!scanner->tame || unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit > 0xdbff || scanner->end - scanner->at < 6 || memcmp(scanner->at, "\\u", 2) != 0)
        return false;
    unit = code_unit(scanner->at + 2, scanner->end);
    scanner->at += 6;
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Behind a backslash. */
static bool take_escape(struct scanner *scanner) {
    if (scanner->at == scanner->end)
        return false;
    char c = *scanner->at++;
    return c == 'u' ? take_code_unit(scanner) : c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
}

/* Behind the quotation mark that begins it. */
static bool take_string(struct scanner *scanner) {
    while (scanner->at < scanner->end) {
        unsigned char c = (unsigned char)*scanner->at;
        if (c >= 0x80) {
            size_t len = scan_utf8(scanner->at, scanner->end);
            if (len == 0)
                return false;
            scanner->at += len;
            continue;
        }
        scanner->at++;
        if (c == '"')
            return true;
        if (c < 0x20 || (c == '\\' && !take_escape(scanner)))
            return false;
    }
    return false;
}

/* ----------------------------------------------------------------------- numbers */

/* One digit at least. */
static bool take_digits(struct scanner *scanner) {
    const char *from = scanner->at;
    scanner->at = number_digits(from, scanner->end);
    return scanner->at > from;
}

static bool next_is(const struct scanner *scanner, char c) {
    return scanner->at < scanner->end && *scanner->at == c;
}

static bool take_number(struct scanner *scanner) {
    const char *from = scanner->at;

    scanner->at += *from == '-';
    if (next_is(scanner, '0'))
        scanner->at++;
    else if (!take_digits(scanner))
        return false;
    if (next_is(scanner, '.') && (scanner->at++, !take_digits(scanner)))
        return false;
    if (next_is(scanner, 'e') || next_is(scanner, 'E')) {
        scanner->at++;
        scanner->at += next_is(scanner, '+') || next_is(scanner, '-');
        if (!take_digits(scanner))
            return false;
    }
    return !scanner->tame || number_in_double(from, scanner->at);
}

/* -------------------------------------------------------------------- structure */

static void skip_blanks(struct scanner *scanner) {
    while (scanner->at < scanner->end && blank(*scanner->at))
        scanner->at++;
}

static bool take_word(struct scanner *scanner, const char *word) {
    size_t len = strlen(word);

    if ((size_t)(scanner->end - scanner->at) < len || memcmp(scanner->at, word, len) != 0)
        return false;
    scanner->at += len;
    return true;
}

static void open_bracket(struct scanner *scanner, bool object) {
    size_t byte = scanner->depth / 8, left = (size_t)(scanner->end - scanner->at);
    unsigned char bit = (unsigned char)(1U << scanner->depth % 8);

    if (scanner->depth == FEW &&
        scanner->kinds == scanner->few) { /* no more than what is left can be opened */
        unsigned char *more = mem_new(FEW / 8 + left / 8 + 2);
        memcpy(more, scanner->few, FEW / 8);
        scanner->kinds = more;
    }
    if (object)
        scanner->kinds[byte] |= bit;
    else
        scanner->kinds[byte] &= (unsigned char)~bit;
    scanner->depth++;
}

static bool in_object(const struct scanner *scanner) {
    size_t last = scanner->depth - 1;
    return (scanner->kinds[last / 8] >> last % 8 & 1) != 0;
}

/* A member's name and the colon behind it. */
static bool take_name(struct scanner *scanner) {
    skip_blanks(scanner);
    if (!take_word(scanner, "\"") || !take_string(scanner))
        return false;
    skip_blanks(scanner);
    return take_word(scanner, ":");
}

/* A value that holds no others. */
static bool take_simple(struct scanner *scanner) {
    switch (*scanner->at) {
    case '"':
        scanner->at++;
        return take_string(scanner);
    case 't':
        return take_word(scanner, "true");
    case 'f':
        return take_word(scanner, "false");
    case 'n':
        return take_word(scanner, "null");
    default:
        return take_number(scanner);
    }
}

/* What follows a value: ends of what it is in, up to a comma or the end of everything. */
static bool take_ends(struct scanner *scanner, bool *over) {
    while (scanner->depth > 0) {
        skip_blanks(scanner);
        if (take_word(scanner, ",")) {
            *over = false;
            return !in_object(scanner) || take_name(scanner);
        }
        if (!take_word(scanner, in_object(scanner) ? "}" : "]"))
            return false;
        scanner->depth--;
    }
    *over = true;
    return true;
}

/* A value's beginning: all of it, or the bracket in front of the next value. */
static bool take_value(struct scanner *scanner, bool *over) {
    skip_blanks(scanner);
    if (scanner->at == scanner->end || (scanner->tame && scanner->depth >= SCAN_DEPTH))
        return false;
    bool object = *scanner->at == '{';
    if (!object && *scanner->at != '[')
        return take_simple(scanner) && take_ends(scanner, over);
    scanner->at++;
    open_bracket(scanner, object);
    skip_blanks(scanner);
    if (next_is(scanner, object ? '}' : ']'))
        return take_ends(scanner, over);
    *over = false;
    return !object || take_name(scanner);
}

static bool scan(const char *text, size_t len, bool tame, struct scan_value *value) {
    struct scanner scanner = {.at = text, .end = text + len, .tame = tame};
    bool over = false, valid = true;

    scanner.kinds = scanner.few;
    skip_blanks(&scanner);
    value->at = scanner.at;
    while (valid && !over)
        valid = take_value(&scanner, &over);
    value->len = (size_t)(scanner.at - value->at);
    skip_blanks(&scanner);
    if (scanner.kinds != scanner.few)
        free(scanner.kinds);
    return valid && scanner.at == scanner.end;
}

bool scan_grammar(const char *text, size_t len, struct scan_value *value) {
    bool valid = scan(text, len, false, value);
    if (!valid)
        *value = (struct scan_value){NULL, 0};
    return valid;
}

bool scan_tame(const char *text, size_t len) {
    struct scan_value value;
    return scan(text, len, true, &value);
}

/* -------------------------------------------------------- looks into what is valid */

static bool begins_with(struct scan_value value, char c) {
    return value.at != NULL && *value.at == c;
}

bool scan_is_object(struct scan_value value) {
    return begins_with(value, '{');
}

bool scan_is_array(struct scan_value value) {
    return begins_with(value, '[');
}

bool scan_is_string(struct scan_value value) {
    return begins_with(value, '"');
}

/* Behind the string that begins at `at`. */
static const char *string_end(const char *at) {
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

/* Behind the value that begins at `at`; something ends the object or list that it is in. */
static const char *value_end(const char *at) {
    size_t depth = 0;

    if (strchr("\"{[", *at) == NULL)
        return at + strcspn(at, ",]} \t\r\n");
    do {
        if (*at == '"') {
            at = string_end(at);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
    } while (depth > 0);
    return at;
}

static const char *skip(const char *at) {
    while (blank(*at))
        at++;
    return at;
}

static struct scan_value value_at(const char *at) {
    return (struct scan_value){at, (size_t)(value_end(at) - at)};
}

/* The character that an escape behind a backslash stands for, if it is ASCII; else -1. */
static int escaped(const char **at) {
    static const char signs[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = *(*at)++;

    if (c != 'u')
        return meant[strchr(signs, c) - signs];
    int unit = code_unit(*at, *at + 4);
    *at += 4;
    return unit < 0x80 ? unit : -1;
}

/* Whether the string that begins at `at` says `name`. */
static bool says(const char *at, const char *name) {
    for (at++; *at != '"'; name++) {
        int c = (unsigned char)*at++;
        if (c == '\\')
            c = escaped(&at);
        if (*name == '\0' || c != (unsigned char)*name)
            return false;
    }
    return *name == '\0';
}

void scan_members(struct scan_value object, const char *const names[], size_t count,
                  struct scan_value found[]) {
    memset(found, 0, count * sizeof *found);
    if (!scan_is_object(object))
        return;
    const char *at = skip(object.at + 1);
    while (*at != '}') {
        const char *name = *at == ',' ? skip(at + 1) : at;
        struct scan_value value = value_at(skip(skip(string_end(name)) + 1));
        for (size_t i = 0; i < count; i++) {
            if (says(name, names[i]))
                found[i] = value;
        }
        at = skip(value.at + value.len);
    }
}

bool scan_next_member(struct scan_value object, struct scan_value *name, struct scan_value *value) {
    const char *at = value->at != NULL ? value->at + value->len : object.at + 1;

    *value = (struct scan_value){NULL, 0};
    if (!scan_is_object(object) || *(at = skip(at)) == '}')
        return false;
    *name = value_at(*at == ',' ? skip(at + 1) : at);
    *value = value_at(skip(skip(name->at + name->len) + 1));
    return true;
}

bool scan_next(struct scan_value array, struct scan_value *element) {
    const char *at = element->at != NULL ? element->at + element->len : array.at;

    *element = (struct scan_value){NULL, 0};
    if (!scan_is_array(array))
        return false;
    at = skip(at == array.at ? at + 1 : at);
    if (*at == ']')
        return false;
    *element = value_at(*at == ',' ? skip(at + 1) : at);
    return true;
}
