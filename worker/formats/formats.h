/*
 * Formats: what others publish in Redis, as channels and payloads. Each is a file and a row of
 * the table in formats.c. A format is a pure function, so whoever hears a publish makes the
 * same of it. What it gets is a stranger's bytes.
 */
#ifndef HALLEY_FORMATS_H
#define HALLEY_FORMATS_H

#include "core/config/config.h"
#include "worker/formats/meaning.h"

/* A publish as Redis passed it on. */
struct published {
    const char *part; /* of its name, what the pattern's first `*` stands for */
    size_t part_len;
    const char *payload;
    size_t payload_len;
};

/* Adds channels, and says what the payload is. False, and why, where it is not understood. */
typedef bool format_fn(const struct published *published, struct meaning *meaning);

/* One row per enum ingest_format. */
format_fn *format_of(enum ingest_format format);

format_fn format_raw, format_laravel, format_socketio, format_juggernaut, format_channels;

#endif
