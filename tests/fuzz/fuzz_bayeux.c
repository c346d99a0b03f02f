/* Any request of a Bayeux client: what is taken of it are messages within their bounds, whatever
 * they say the replies to them are JSON, in a script too, and the state of a session that
 * subscribes to what they name is the same when it is read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "fcgi-app/carriers/bayeux/messages.h"
#include "fcgi-app/carriers/bayeux/replies.h"
#include "fcgi-app/carriers/bayeux/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

static void add_names(const struct bayeux_message *message, struct bayeux_state *state) {
    struct bayeux_names names;

    bool good = bayeux_names(message->subscription, &names);
    for (size_t i = 0; good && i < names.count; i++) {
        enum bayeux_name is = bayeux_name(names.names[i].at, names.names[i].len);
        if (is == BAYEUX_NAME_CHANNEL || is == BAYEUX_NAME_PATTERN)
            state_add(state, names.names[i].at + 1, names.names[i].len - 1);
    }
    bayeux_names_free(&names);
}

static void check_state(const struct bayeux_state *state) {
    struct bayeux_state again;
    struct buf text = buf_make(SIZE_MAX / 2);

    state_put(state, &text);
    state_parse(&again, text.data, text.len);
    must(again.count == state->count && again.acks == state->acks);
    for (size_t i = 0; i < state->count; i++)
        must(state_has(&again, state->wants[i].name, state->wants[i].len));
    state_free(&again);
    buf_free(&text);
}

static void reply_to(const struct bayeux_message *message, struct buf *out) {
    bayeux_reply_refuse(out, message, 403, message->channel, message->channel_len,
                        "Forbidden channel");
    bayeux_reply_unknown(out, message);
    bayeux_reply_begin(out, message, true);
    bayeux_reply_subscription(out, message);
    bayeux_reply_end(out);
    must(message->timeout >= -1 && message->ack >= -1);
    must(!bayeux_types_common(message->types, 0));
    (void)bayeux_type(message->type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct bayeux_message messages[BAYEUX_MESSAGES];
    struct buf out = buf_make(SIZE_MAX / 2), array = buf_make(SIZE_MAX / 2);
    struct bayeux_state state = {.acks = size % 2 == 0};
    char *text = malloc(size + 1); /* without a NUL behind it */
    size_t count;

    memcpy(text, data, size);
    if (bayeux_take(text, size, messages, &count) == BAYEUX_GOOD) {
        must(count <= BAYEUX_MESSAGES);
        for (size_t i = 0; i < count; i++) {
            reply_to(&messages[i], &out);
            add_names(&messages[i], &state);
        }
        bayeux_reply_script(&array, NULL, &out);
        must(json_valid(array.data, array.len));
        buf_clear(&array);
        bayeux_reply_script(&array, "f", &out);
        must(memchr(array.data, '<', array.len) == NULL);
        check_state(&state);
        bayeux_free(messages, count);
    } else {
        must(count == 0);
    }
    state_free(&state);
    buf_free(&array);
    buf_free(&out);
    free(text);
    return 0;
}
