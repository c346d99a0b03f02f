/*
 * Replies of halley_read and live messages, taken apart. Whoever reaches Redis may write
 * anything into our streams and names, so nothing is believed of either: an entry that has
 * no id that a position may have is passed over, a reply of another shape is refused, and a
 * page without messages never says that there are more of them behind it.
 */
#include "core/redis/page.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

enum { FIELDS = 3, AT_DIGITS = 16 }; /* words of an entry; digits of a time */

static uint64_t number_of(const redis_reply *reply) {
    size_t len;
    const char *text = redis_text(reply, &len);
    return text != NULL ? strtoull(text, NULL, 10) : (uint64_t)redis_integer(reply, 0);
}

static enum err position_of(const redis_reply *reply, struct position *out) {
    size_t len;
    const char *text = redis_text(reply, &len);
    return text == NULL ? ERR_SYNTAX : position_parse(text, len, out);
}

/* `unread`: in place of its payload stood only how long that is. */
static struct message *message_of(const redis_reply *entries, size_t at, const char *channel,
                                  size_t channel_len, bool *unread) {
    struct position id;
    size_t len;
    const char *payload = redis_text(redis_item(entries, at + 2), &len);

    *unread = payload == NULL && redis_integer(redis_item(entries, at + 2), -1) >= 0;
    if ((payload == NULL && !*unread) || position_of(redis_item(entries, at), &id) != ERR_OK)
        return NULL;
    return message_new(channel, channel_len, id, number_of(redis_item(entries, at + 1)), payload,
                       len);
}

void page_parse(struct history_page *page, const redis_reply *reply, const char *channel,
                size_t channel_len) {
    const redis_reply *entries = redis_item(reply, 3);
    size_t count = redis_count(entries) / FIELDS;
    int64_t hole = redis_integer(redis_item(reply, 1), 0);

    *page = (struct history_page){.err = ERR_OK};
    if (position_of(redis_item(reply, 0), &page->tail) != ERR_OK) {
        page->err = ERR_REFUSED;
        page->why = "its answer is not understood";
        return;
    }
    page->messages = mem_new(count * sizeof(struct message *));
    for (size_t i = 0; i < count && !page->unread; i++) {
        bool unread;
        struct message *message = message_of(entries, i * FIELDS, channel, channel_len, &unread);
        if (message != NULL)
            page->messages[page->count++] = message;
        page->unread = message != NULL && unread;
    }
    page->gap = hole > 0;
    page->hole = hole > (int64_t)page->count ? page->count : (size_t)(hole > 0 ? hole - 1 : 0);
    page->more = page->unread || (redis_integer(redis_item(reply, 2), 0) != 0 && page->count > 0);
}

void page_free(struct history_page *page) {
    for (size_t i = 0; i < page->count; i++)
        message_unref(page->messages[i]);
    free(page->messages);
    *page = (struct history_page){0};
}

static enum err take_time(const char *text, const char *end, uint64_t *out) {
    uint64_t time = 0;

    if (text == end || end - text > AT_DIGITS)
        return ERR_SYNTAX;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return ERR_SYNTAX;
        time = time * 10 + (uint64_t)(*text - '0');
    }
    *out = time;
    return ERR_OK;
}

enum err page_parse_live(const char *text, size_t len, struct page_live *live) {
    const char *end = text + len;
    const char *space = memchr(text, ' ', len);

    *live = (struct page_live){0};
    if (space == NULL)
        return position_parse(text, len, &live->id);
    const char *second = memchr(space + 1, ' ', (size_t)(end - space - 1));
    if (second == NULL || position_parse(text, (size_t)(space - text), &live->id) != ERR_OK)
        return ERR_SYNTAX;
    live->payload = second + 1;
    live->payload_len = (size_t)(end - second - 1);
    return take_time(space + 1, second, &live->at);
}
