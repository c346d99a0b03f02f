/*
 * Ingest: what others publish in Redis, by the sections [ingest NAME] of the configuration. Says
 * which patterns are to be heard, and what a publish that one of them matches means. Belongs to
 * the sequencer; no Redis, no clock.
 */
#ifndef HALLEY_INGEST_H
#define HALLEY_INGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "worker/formats/meaning.h"

struct ingest_table;

/* `config` is borrowed. */
struct ingest_table *ingest_new(const struct config *config);
void ingest_free(struct ingest_table *table);

/*
 * A short name for the set of patterns: workers that hear others count others. "" where there is
 * none. Owned by the table.
 */
const char *ingest_digest(const struct ingest_table *table);

/*
 * What a publish means. False: no pattern matches its name, and it is nobody's. Else *meaning
 * is filled in and has to be freed, also where it is not understood; it borrows from `payload`.
 */
bool ingest_read(const struct ingest_table *table, const char *name, size_t len,
                 const char *payload, size_t payload_len, struct meaning *meaning);

#endif
