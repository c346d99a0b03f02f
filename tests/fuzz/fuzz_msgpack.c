/* The reader of MessagePack on any bytes: what it takes is JSON, or has a text or a key that JSON
 * has not; each place of binary is a JSON string.
 */
#include "worker/formats/msgpack.h"

#include <stdlib.h>

#include "core/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct msgpack_value *value = msgpack_read((const char *)data, size);
    struct buf out = buf_make(1 << 20), binary = buf_make(1 << 16), list = buf_make(1 << 17);

    if (value != NULL && msgpack_json(value, &out, &binary)) {
        buf_printf(&list, "[%s]", binary.len > 0 ? binary.data : "");
        if (!json_valid(out.data, out.len) || !json_valid(list.data, list.len))
            abort();
    }
    buf_free(&out);
    buf_free(&binary);
    buf_free(&list);
    msgpack_free(value);
    return 0;
}
