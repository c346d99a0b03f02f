/*
 * Decodes parameters, once, at the edge; the names and values are untrusted
 * bytes that whoever uses them checks. Pure functions.
 */
#include "fcgi-app/door/params.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long params_decode(char *text, size_t len, int form) {
    size_t out = 0;

    if (memchr(text, '%', len) == NULL && (!form || memchr(text, '+', len) == NULL))
        return (long)len; /* most are as they are */

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            if (len - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
                return -1;
            c = (char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        text[out++] = c;
    }
    return (long)out;
}

/* Decodes one pair in place; the sign or the end behind each half becomes a NUL. */
static enum err take_pair(struct params *params, char *at, char *end) {
    char *sign = memchr(at, '=', (size_t)(end - at));
    char *value = sign != NULL ? sign + 1 : end;
    char *name_end = sign != NULL ? sign : end;
    long name_len = params_decode(at, (size_t)(name_end - at), 1);
    long value_len = params_decode(value, (size_t)(end - value), 1);

    if (name_len < 0 || value_len < 0)
        return ERR_SYNTAX;
    if (params->count == PARAMS_MAX)
        return ERR_FULL;
    at[name_len] = '\0';
    value[value_len] = '\0';
    params->items[params->count++] = (struct param){
        .name = at, .value = value, .name_len = (size_t)name_len, .value_len = (size_t)value_len};
    return ERR_OK;
}

/* As many pairs as there may be, or as are taken. */
static size_t count_pairs(const char *text, size_t len) {
    const char *at = text, *end = text + len;
    size_t pairs = 1;

    while (pairs < PARAMS_MAX && (at = memchr(at, '&', (size_t)(end - at))) != NULL) {
        pairs++;
        at++;
    }
    return pairs;
}

enum err params_parse(struct params *params, const char *text, size_t len) {
    enum err err = ERR_OK;
    size_t pairs = count_pairs(text, len);

    params->count = 0;
    params->items = mem_new(pairs * sizeof *params->items + len + 1);
    params->text = (char *)(params->items + pairs);
    memcpy(params->text, text, len);
    char *at = params->text, *stop = at + len;
    while (err == ERR_OK && at < stop) {
        char *end = memchr(at, '&', (size_t)(stop - at));
        end = end != NULL ? end : stop;
        if (end > at)
            err = take_pair(params, at, end);
        at = end + 1;
    }
    if (err != ERR_OK)
        params_free(params);
    return err;
}

void params_free(struct params *params) {
    free(params->items);
    memset(params, 0, sizeof *params);
}

static bool is_named(const struct param *param, const char *name, size_t len) {
    return param->name_len == len && memcmp(param->name, name, len) == 0;
}

const struct param *params_find(const struct params *params, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < params->count; i++) {
        if (is_named(&params->items[i], name, len))
            return &params->items[i];
    }
    return NULL;
}

size_t params_count(const struct params *params, const char *name) {
    size_t count = 0, len = strlen(name);
    for (size_t i = 0; i < params->count; i++)
        count += is_named(&params->items[i], name, len);
    return count;
}
