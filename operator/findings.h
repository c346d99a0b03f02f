/*
 * What the doctor found: a list of findings, each with what mends it, and how it is shown.
 */
#ifndef HALLEY_FINDINGS_H
#define HALLEY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/log.h"

enum { FINDINGS = 64, FINDING_TEXT = 320 };

enum finding_level {
    FINDING_NOTE,    /* as it should be, and good to know */
    FINDING_WARNING, /* works, until something else goes wrong */
    FINDING_ERROR    /* something does not work */
};

struct finding {
    const char *id, *layer; /* constants */
    enum finding_level level;
    char text[FINDING_TEXT];
    char fix[FINDING_TEXT];
};

struct findings {
    struct finding all[FINDINGS];
    size_t count;
};

/*
 * Adds a finding. `fix` is borrowed for the call: the directive or the command that mends it. What
 * the text is made of may be anything: it is shown safely. More than FINDINGS are left out.
 */
void findings_add(struct findings *findings, enum finding_level level, const char *layer,
                  const char *id, const char *fix, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* Whether one of them is more than a note. */
bool findings_any(const struct findings *findings);

/* Writes them on standard output: lines for people, the gravest first, or one object. */
void findings_show(const struct findings *findings, bool json);

#endif
