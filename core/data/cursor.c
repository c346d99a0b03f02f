/*
 * Positions and cursors as text. The grammar of a cursor:
 *
 *     cursor  = item *("," item)
 *     item    = channel "@" epoch "-" n
 *     channel = 1*(ALPHA / DIGIT / "-" / "_" / "." / ":" / "/" / "~" 2HEXDIG)
 *
 * It needs no percent-encoding, so it survives being pasted into a URL raw as
 * well as being encoded and decoded once. Pure functions.
 */
#include "core/data/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/wildcard.h"

#define NUMBER_LIMIT (UINT64_C(1) << 53) /* what Lua and JavaScript count exactly */

int position_compare(struct position a, struct position b) {
    if (a.epoch != b.epoch)
        return a.epoch < b.epoch ? -1 : 1;
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return 0;
}

struct position position_before(struct position id) {
    if (id.n > 0)
        return (struct position){id.epoch, id.n - 1};
    return id.epoch > 0 ? (struct position){id.epoch - 1, NUMBER_LIMIT - 1} : id;
}

static size_t put_number(char *out, uint64_t value) {
    char digits[24];
    size_t len = 0;
    do {
        digits[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < len; i++)
        out[i] = digits[len - 1 - i];
    return len;
}

size_t position_format(struct position position, char out[POSITION_TEXT]) {
    size_t len = put_number(out, position.epoch);
    out[len++] = '-';
    len += put_number(out + len, position.n);
    out[len] = '\0';
    return len;
}

static enum err take_number(const char **at, const char *end, uint64_t *out) {
    const char *p = *at;
    uint64_t value = 0;

    if (p == end || (*p == '0' && p + 1 < end && p[1] >= '0' && p[1] <= '9'))
        return ERR_SYNTAX;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint64_t)(*p - '0');
        if (value >= NUMBER_LIMIT)
            return ERR_SYNTAX;
    }
    if (p == *at)
        return ERR_SYNTAX;
    *at = p;
    *out = value;
    return ERR_OK;
}

enum err position_parse(const char *text, size_t len, struct position *out) {
    const char *at = text, *end = text + len;
    enum err err = take_number(&at, end, &out->epoch);
    if (err == ERR_OK && (at == end || *at++ != '-'))
        err = ERR_SYNTAX;
    if (err == ERR_OK)
        err = take_number(&at, end, &out->n);
    return err == ERR_OK && at == end ? ERR_OK : ERR_SYNTAX;
}

/* Bytes that stand in a cursor as they are. */
static bool plain(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '-' && c <= ':') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes a channel name up to its "@" to where `item` has it; `*at` is then behind that sign. */
static enum err take_channel(const char **at, const char *end, char *name,
                             struct cursor_item *item) {
    const char *p = *at;
    size_t len = 0;

    for (; p < end && *p != '@'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '~' && end - p > 2 && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0) {
            c = (unsigned char)(hex_value(p[1]) * 16 + hex_value(p[2]));
            p += 2;
        } else if (!plain(c)) {
            return ERR_SYNTAX;
        }
        if (len == CHANNEL_MAX)
            return ERR_SYNTAX;
        name[len++] = (char)c;
    }
    if (p == end || !(channel_valid(name, len) || wildcard_valid(name, len)))
        return ERR_SYNTAX;
    item->channel = name;
    item->channel_len = len;
    *at = p + 1;
    return ERR_OK;
}

/* One item, whose name is written to `*names`, which moves behind it. */
static enum err take_item(const char **at, const char *end, char **names, struct cursor *cursor) {
    struct cursor_item *item = &cursor->items[cursor->count];
    enum err err = take_channel(at, end, *names, item);
    if (err != ERR_OK)
        return err;
    const char *comma = memchr(*at, ',', (size_t)(end - *at));
    const char *stop = comma != NULL ? comma : end;
    err = position_parse(*at, (size_t)(stop - *at), &item->position);
    *at = stop;
    *names += item->channel_len;
    cursor->count++;
    return err;
}

static int by_name(const void *a, const void *b) {
    const struct cursor_item *one = a, *other = b;
    size_t least = one->channel_len < other->channel_len ? one->channel_len : other->channel_len;
    int order = memcmp(one->channel, other->channel, least);

    return order != 0
               ? order
               : (one->channel_len > other->channel_len) - (one->channel_len < other->channel_len);
}

/* Sorts the items, so that the same name twice stands side by side. */
static enum err sort(struct cursor *cursor) {
    qsort(cursor->items, cursor->count, sizeof cursor->items[0], by_name);
    for (size_t i = 1; i < cursor->count; i++) {
        if (by_name(&cursor->items[i - 1], &cursor->items[i]) == 0)
            return ERR_SYNTAX;
    }
    return ERR_OK;
}

static size_t count_items(const char *text, const char *end) {
    size_t items = 1;

    while ((text = memchr(text, ',', (size_t)(end - text))) != NULL) {
        items++;
        text++;
    }
    return items;
}

enum err cursor_parse(const char *text, size_t len, size_t max, struct cursor **out) {
    const char *at = text, *end = text + len;
    size_t items = count_items(text, end);

    if (items > max)
        return ERR_RANGE;
    /* a name is never longer than what stands for it */
    struct cursor *cursor = mem_new(sizeof *cursor + items * sizeof cursor->items[0] + len);
    char *names = (char *)(cursor->items + items);
    enum err err = take_item(&at, end, &names, cursor);
    while (err == ERR_OK && at < end) {
        at++; /* the comma */
        err = take_item(&at, end, &names, cursor);
    }
    if (err == ERR_OK)
        err = sort(cursor);
    if (err != ERR_OK) {
        free(cursor);
        return err;
    }
    *out = cursor;
    return ERR_OK;
}

const struct position *cursor_find(const struct cursor *cursor, const char *channel, size_t len) {
    const struct cursor_item wanted = {.channel = channel, .channel_len = len};

    if (cursor == NULL)
        return NULL;
    const struct cursor_item *item =
        bsearch(&wanted, cursor->items, cursor->count, sizeof cursor->items[0], by_name);
    return item != NULL ? &item->position : NULL;
}

void cursor_add_name(struct buf *out, const char *channel, size_t len) {
    static const char digits[] = "0123456789ABCDEF";
    char *to = buf_reserve(out, 3 * len + 1);

    if (to == NULL)
        return;
    char *at = to;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)channel[i];
        if (plain(c)) {
            *at++ = (char)c;
            continue;
        }
        *at++ = '~';
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    *at++ = '@';
    *at = '\0'; /* there is room for it behind what was reserved */
    out->len += (size_t)(at - to);
}

void cursor_add(struct buf *out, const char *channel, size_t len, struct position position) {
    char text[POSITION_TEXT];

    if (out->len > 0)
        buf_char(out, ',');
    cursor_add_name(out, channel, len);
    buf_add(out, text, position_format(position, text));
}
