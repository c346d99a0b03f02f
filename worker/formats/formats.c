/* The table of formats. */
#include "worker/formats/formats.h"

static format_fn *const rows[INGEST_FORMATS] = {
    [INGEST_RAW] = format_raw,           [INGEST_LARAVEL] = format_laravel,
    [INGEST_SOCKETIO] = format_socketio, [INGEST_JUGGERNAUT] = format_juggernaut,
    [INGEST_CHANNELS] = format_channels,
};

format_fn *format_of(enum ingest_format format) {
    return rows[format];
}
