/* message_new() on any payload: its object is always one line of valid JSON, so no
 * payload ever breaks a batch.
 */
#include "core/data/message.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct message *message =
        message_new("chat", 4, (struct position){17, 3}, 1795219203111, (const char *)data, size);

    size_t json_len;
    const char *json = message_json(message, &json_len);
    if (!json_valid(json, json_len) || json[0] != '{' || json[json_len - 1] != '}')
        abort();
    for (size_t i = 0; i < json_len; i++) {
        if ((unsigned char)json[i] < 0x20 && json[i] != '\t')
            abort();
    }
    if (message->payload_len != size || (size > 0 && memcmp(message->payload, data, size) != 0))
        abort();
    message_unref(message);
    return 0;
}
