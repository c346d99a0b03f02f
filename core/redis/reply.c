/*
 * Looking into replies, for those who do not know hiredis. Pure functions.
 */
#include "core/redis/_redis.h"

bool redis_is_error(const redis_reply *reply) {
    return reply != NULL && reply->type == REDIS_REPLY_ERROR;
}

const char *redis_text(const redis_reply *reply, size_t *len) {
    *len = 0;
    if (reply == NULL || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
                          reply->type != REDIS_REPLY_ERROR))
        return NULL;
    *len = reply->len;
    return reply->str;
}

int64_t redis_integer(const redis_reply *reply, int64_t fallback) {
    return reply != NULL && reply->type == REDIS_REPLY_INTEGER ? reply->integer : fallback;
}

size_t redis_count(const redis_reply *reply) {
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const redis_reply *redis_item(const redis_reply *reply, size_t index) {
    return index < redis_count(reply) ? reply->element[index] : NULL;
}
