/* Engine.IO payloads of any bytes: what is parsed is written, and parsed again it is the same. */
#include "fcgi-app/carriers/engineio_payload.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct engineio_payload payload, again;
    struct buf out = buf_make(2 * size + 64);

    if (engineio_payload_parse(&payload, (const char *)data, size) == ERR_OK) {
        must(payload.count > 0);
        for (size_t i = 0; i < payload.count; i++)
            engineio_payload_add(&out, &payload.packets[i]);
        must(!out.overflow && out.len == size && memcmp(out.data, data, size) == 0);
        must(engineio_payload_parse(&again, out.data, out.len) == ERR_OK);
        must(again.count == payload.count);
        engineio_payload_free(&again);
    }
    engineio_payload_free(&payload);
    buf_free(&out);
    return 0;
}
