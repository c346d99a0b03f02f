/*
 * The configuration from inside. What makes it up, in the order in which it stands:
 *
 *   kinds.c     kinds of options: what a value may be, and how it is shown
 *   config.c    the table of options, and what holds for all of them
 *   channels.c  sections: what holds for whose channels
 *   services.c  sections: what is served for other systems' clients
 *   namespaces.c sections: namespaces of Socket.IO
 *   ingests.c   the sections of what others publish
 *   keys.c      the sections of keys by which tokens are signed
 *   file.c      what the file says
 *   load.c      file, environment and command line, each over the one before
 */
#ifndef HALLEY_CONFIG_OPTIONS_H
#define HALLEY_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/config/config.h"

/* What a value is; each has its row in kinds.c. */
enum kind {
    TEXT,
    PREFIX,
    REDIS,
    SECRET,
    NUMBER,
    AUTO,
    SIZE,
    OCTAL,
    SWITCH,
    LOG,
    LEVEL,
    ACCESS,
    RATE,
    MOUNT,
    VIEWERS,
    ADDRESS,
    AUTHORITY,
    NETWORKS,
    VARIABLE,
    FIELD,
    ALGORITHM,
    GLOB,
    FORMAT,
    TEMPLATE,
    STYLE
};

struct option {
    const char *name;
    enum kind kind;
    size_t offset; /* of its field in `base`: struct config, or a section's own */
    const char *fallback;
    long min, max; /* of a number */
};

struct options {
    const struct option *table;
    size_t count;
};

extern const struct options global_options, channel_options, service_options, namespace_options,
    ingest_options, key_options;

/* --- kinds.c --- */

enum { VALUE_TEXT = 200 }; /* of a value that a problem repeats */

/* Sets the field from a text. ERR_SYNTAX or ERR_RANGE where the option does not allow it. */
enum err option_set(const struct option *option, void *base, const char *text) MUST_CHECK;

/* Writes "name = value" as a file could say it, without passwords. */
void option_print(const struct option *option, const void *base, FILE *out);

/* Releases what option_set() has put into the field, and leaves zeros. */
void option_free(const struct option *option, void *base);

/* Why a value was not taken, with what the option allows; `where` is NULL in a file. */
void option_say_wrong(char problem[CONFIG_PROBLEM], const char *where, const struct option *option,
                      const char *value, enum err err);

/* Replaces a text that belongs to the configuration. */
void option_set_text(char **field, const char *text);

/* --- config.c --- */

/* In whatever case; NULL: none has this name. */
const struct option *options_find(const struct options *options, const char *name, size_t len);

/* Sets all of them to their defaults. */
void options_set_defaults(const struct options *options, void *base);

/* --- channels.c --- */

/* Sets what holds where no section does. */
void channels_set_defaults(void);

/* The policy of the section with this pattern: a new one, behind the others, or the one there is.
 */
struct channel_policy *channels_section(struct config *config, const char *pattern);

/* Makes channels whose names begin so private: nobody reads them where no section says who. */
void channels_guard(struct config *config);

/* What holds between a section and its pattern: EX_CONFIG with one line, or 0. */
int channels_check(const struct config *config, char problem[CONFIG_PROBLEM]) MUST_CHECK;

/* Prints and releases all sections. */
void channels_print(const struct config *config, FILE *out);
void channels_free(struct config *config);

/* --- services.c --- */

/* The service of that path, without options yet; NULL: it cannot be one, and `problem` says why. */
struct service *services_section(struct config *config, const char *path,
                                 char problem[CONFIG_PROBLEM]);

/* Prints and releases all of them. */
void services_print(const struct config *config, FILE *out);
void services_free(struct config *config);

/* --- namespaces.c --- */

/* The namespace that a section names, a new one or the one there is; NULL: it names none. */
struct name_space *namespaces_section(struct config *config, const char *text,
                                      char problem[CONFIG_PROBLEM]);

/* What holds between options, once all of them are known: EX_CONFIG with one line, or 0. */
int namespaces_check(const struct config *config, char problem[CONFIG_PROBLEM]) MUST_CHECK;

void namespaces_print(const struct config *config, FILE *out);
void namespaces_free(struct config *config);

/* --- ingests.c --- */

/* A new section, behind the others; NULL and a problem where its name is taken, or they are many.
 */
struct ingest *ingests_section(struct config *config, const char *name,
                               char problem[CONFIG_PROBLEM]);

/* What holds between options, once all of them are known: EX_CONFIG with one line, or 0. */
int ingests_check(const struct config *config, char problem[CONFIG_PROBLEM]) MUST_CHECK;

/* Whether a channel's name is one that Laravel keeps for those whom it lets in. */
bool ingests_private(const struct config *config, const char *name);

void ingests_print(const struct config *config, FILE *out);
void ingests_free(struct config *config);

/* --- keys.c --- */

/* The section of that key: a new one, or the one there is; NULL and a problem: they are many. */
struct key *keys_section(struct config *config, const char *kid, char problem[CONFIG_PROBLEM]);

/* What holds between options and sections: EX_CONFIG with one line, or 0. */
int keys_check(const struct config *config, char problem[CONFIG_PROBLEM]) MUST_CHECK;

void keys_print(const struct config *config, FILE *out);
void keys_free(struct config *config);

/* --- file.c --- */

/*
 * Takes what a file says; where it is not `wanted`, it need not be there. Returns 0, EX_NOINPUT
 * or EX_CONFIG with one line in `problem`.
 */
int file_load(struct config *config, const char *file, bool wanted,
              char problem[CONFIG_PROBLEM]) MUST_CHECK;

#endif
