/*
 * Reads configuration files, line by line. inih, which is in every distribution, is
 * compiled there with lines of 199 bytes and section names of 49, beyond which it cuts
 * without a word; it ends a section's name at the first "]", so that no pattern may hold
 * one, and takes an indented line for more of the value above.
 */
#include "core/config/ini.h"

#include <string.h>

#define BLANKS " \t\v\f\r"

struct ini {
    ini_fn *take;
    void *ctx;
    const char *why;
    char section[INI_LINE + 1];
};

/* One line without its end in `line`. False: there is none, or it cannot be one (`*why`). */
static bool next_line(FILE *stream, char line[INI_LINE + 2], const char **why) {
    size_t len = 0;
    int c;

    while ((c = getc(stream)) != EOF && c != '\n') {
        if (c == '\0')
            *why = "there is a NUL byte in it";
        if (len <= INI_LINE)
            line[len++] = (char)c;
    }
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (len > INI_LINE)
        *why = "a line has 4096 bytes at most";
    line[len <= INI_LINE ? len : INI_LINE] = '\0';
    return *why == NULL && (c != EOF || len > 0);
}

/* Takes blanks off both ends, in place. */
static char *trimmed(char *text) {
    text += strspn(text, BLANKS);
    for (size_t len = strlen(text); len > 0 && strchr(BLANKS, text[len - 1]) != NULL; len--)
        text[len - 1] = '\0';
    return text;
}

/* Ends a text where a blank and `mark` begin a comment. */
static void cut_comment(char *text, char mark) {
    for (char *at = text; (at = strchr(at, mark)) != NULL; at++) {
        if (at > text && strchr(BLANKS, at[-1]) != NULL) {
            *at = '\0';
            return;
        }
    }
}

/* Where a section's name ends: it may hold "]" itself, so at the last one. NULL: nowhere. */
static char *end_of_section(char *line) {
    char *end = strrchr(line, ']');

    if (end == NULL || end[1] != '\0') { /* behind a comment that began with # */
        cut_comment(line, '#');
        (void)trimmed(line);
        end = strrchr(line, ']');
    }
    return end != NULL && end[1] == '\0' ? end : NULL;
}

static bool refuse(struct ini *ini) {
    ini->why = "not a [section], name = value or # comment";
    return false;
}

static bool take_section(struct ini *ini, char *line) {
    char *end = end_of_section(line);

    if (end == NULL)
        return refuse(ini);
    *end = '\0';
    memcpy(ini->section, line + 1, strlen(line + 1) + 1);
    return ini->take(ini->ctx, ini->section, NULL, NULL);
}

static bool take_value(struct ini *ini, char *line) {
    char *sign = line + strcspn(line, "=:");

    if (*sign == '\0' || sign == line)
        return refuse(ini);
    *sign = '\0';
    return ini->take(ini->ctx, ini->section, trimmed(line), trimmed(sign + 1));
}

static bool take_line(struct ini *ini, char *text) {
    char *line = trimmed(text);

    if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
        return true;
    cut_comment(line, ';');
    line = trimmed(line);
    return line[0] == '[' ? take_section(ini, line) : take_value(ini, line);
}

int ini_read(FILE *stream, ini_fn *take, void *ctx, const char **why) {
    static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8 */
    struct ini ini = {.take = take, .ctx = ctx};
    char line[INI_LINE + 2];
    int number = 1;
    bool good = true;

    for (; good && next_line(stream, line, &ini.why); number += good) {
        bool marked = number == 1 && strncmp(line, mark, 3) == 0;
        good = take_line(&ini, line + (marked ? 3 : 0));
    }
    *why = ini.why;
    return good && ini.why == NULL ? 0 : number;
}
