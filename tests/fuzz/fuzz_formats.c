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
    const char *at = meaning->channels.data;
    size_t left = meaning->channels.len, count = 0;

    for (; left > 0; count++) {
        const char *end = memchr(at, '\n', left);
        must(end != NULL && channel_valid(at, (size_t)(end - at)) && at[0] != '~');
        left -= (size_t)(end + 1 - at);
        at = end + 1;
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
