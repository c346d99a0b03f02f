/* page_parse() on any reply of Redis: the bytes are read as Redis would have sent them. A page
 * holds nothing that it does not have, and begins and ends where it says.
 */
#include "core/redis/page.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const redisReply *reply) {
    struct history_page page;

    page_parse(&page, reply, "chat", 4);
    if (page.err != ERR_OK && (page.err != ERR_REFUSED || page.why == NULL || page.count > 0))
        abort();
    if (page.hole > page.count || (page.hole > 0 && !page.gap) || (page.more && page.count == 0))
        abort();
    for (size_t i = 0; i < page.count; i++) {
        struct message *message = page.messages[i];
        size_t len;
        if (message->id.epoch >> 53 != 0 || message->id.n >> 53 != 0 ||
            message_json(message, &len) == NULL || len == 0)
            abort();
    }
    page_free(&page);
}

/* hiredis makes room for as many elements as an array says that it has. */
static bool says_too_many(const uint8_t *data, size_t size) {
    size_t digits = 0;

    for (size_t i = 0; i < size; i++) {
        bool counts = data[i] == '*' || (digits > 0 && data[i] >= '0' && data[i] <= '9');
        digits = counts ? digits + 1 : 0;
        if (digits > 5)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (says_too_many(data, size))
        return 0;
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    redisReaderFeed(reader, (const char *)data, size);
    while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL) {
        check(reply);
        freeReplyObject(reply);
        reply = NULL;
    }
    redisReaderFree(reader);
    check(NULL);
    return 0;
}
