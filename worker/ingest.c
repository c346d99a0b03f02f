/* Ingest. The patterns do not overlap (core/config/ingests.c): the first that matches is the one.
 */
#include "worker/ingest.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/crypto.h"
#include "core/base/mem.h"
#include "core/data/glob.h"
#include "worker/formats/formats.h"

enum { DIGEST_BYTES = 8 };

struct ingest_table {
    const struct config *config;
    struct glob *globs[INGEST_MAX];
    char digest[2 * DIGEST_BYTES + 1];
};

static int compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The order of the sections does not matter. */
static void make_digest(const struct config *config, char out[2 * DIGEST_BYTES + 1]) {
    struct buf text = buf_make((size_t)INGEST_MAX * (GLOB_MAX + 1));
    const char *patterns[INGEST_MAX];
    unsigned char digest[CRYPTO_SHA1];

    for (size_t i = 0; i < config->ingest_count; i++)
        patterns[i] = config->ingests[i].pattern;
    qsort(patterns, config->ingest_count, sizeof patterns[0], compare);
    for (size_t i = 0; i < config->ingest_count; i++)
        buf_printf(&text, "%s\n", patterns[i]);
    crypto_sha1(text.data, text.len, digest);
    crypto_hex(out, digest, DIGEST_BYTES);
    buf_free(&text);
}

struct ingest_table *ingest_new(const struct config *config) {
    struct ingest_table *table = mem_new(sizeof *table);

    table->config = config;
    for (size_t i = 0; i < config->ingest_count; i++)
        table->globs[i] = glob_new(config->ingests[i].pattern);
    if (config->ingest_count > 0)
        make_digest(config, table->digest);
    return table;
}

void ingest_free(struct ingest_table *table) {
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->config->ingest_count; i++)
        glob_free(table->globs[i]);
    free(table);
}

const char *ingest_digest(const struct ingest_table *table) {
    return table->digest;
}

bool ingest_read(const struct ingest_table *table, const char *name, size_t len,
                 const char *payload, size_t payload_len, struct meaning *meaning) {
    struct published published = {.payload = payload, .payload_len = payload_len};
    size_t i = 0, count = table->config->ingest_count;

    while (i < count &&
           !glob_match(table->globs[i], name, len, &published.part, &published.part_len))
        i++;
    if (i == count)
        return false;
    const struct ingest *ingest = &table->config->ingests[i];
    *meaning = meaning_begin(ingest->channel, (size_t)table->config->max_channels);
    if (!format_of((enum ingest_format)ingest->format)(&published, meaning))
        meaning->count = 0;
    else if (meaning->count == 0)
        meaning->why = "no channel can have that name";
    return true;
}
