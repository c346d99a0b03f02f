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

    if (!json_valid(message->json, message->json_len) || message->json[0] != '{' ||
        message->json[message->json_len - 1] != '}')
        abort();
    for (size_t i = 0; i < message->json_len; i++) {
        if ((unsigned char)message->json[i] < 0x20 && message->json[i] != '\t')
            abort();
    }
    if (message->payload_len != size || (size > 0 && memcmp(message->payload, data, size) != 0))
        abort();
    message_unref(message);
    return 0;
}
