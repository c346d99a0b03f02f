/* Formats on any bytes: the first byte says which. What is understood goes to valid channels,
 * no more than there may be; what becomes an event is JSON that every page can take.
 */
#include "worker/formats/formats.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/data/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANNELS = 4 };

static void must(bool what) {
    if (!what)
        abort();
}

static void check_channels(const struct meaning *meaning) {
    const char *at = meaning->channels.data, *end = at + meaning->channels.len;
    size_t count = 0;

    for (; at < end; count++) {
        const char *behind = memchr(at, '\n', (size_t)(end - at));
        must(behind != NULL && channel_valid(at, (size_t)(behind - at)) && at[0] != '~');
        at = behind + 1;
    }
    must(count == meaning->count && count <= CHANNELS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    enum ingest_format format = data[0] % INGEST_FORMATS;
    const struct published published = {"part", 4, (const char *)data + 1, size - 1};
    struct meaning meaning = meaning_begin("*", CHANNELS);

    if (format_of(format)(&published, &meaning)) {
        check_channels(&meaning);
        must(meaning.why == NULL);
        must(format == INGEST_RAW || json_valid(meaning.payload, meaning.payload_len));
    } else {
        must(meaning.why != NULL);
    }
    meaning_free(&meaning);
    return 0;
}
