/*
 * JSON texts as they came (RFC 8259): whether a text is one, and where in it a value
 * stands. Nothing is copied, decoded or rewritten. Pure functions; any thread.
 */
#ifndef HALLEY_SCAN_H
#define HALLEY_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum { SCAN_DEPTH = 2048 }; /* values inside of one another that every reader can take */

/* A value inside a text, without the blanks around it; `at` is NULL where there is none. */
struct scan_value {
    const char *at;
    size_t len;
};

/*
 * Whether the text is one JSON text by the grammar alone: numbers of any size, nesting of
 * any depth, \u escapes that make no character. The value is borrowed from the text.
 */
bool scan_grammar(const char *text, size_t len, struct scan_value *value);

/*
 * Whether it is one that every reader can take: besides the grammar, numbers are in the
 * range of a double, surrogates come in pairs, and nesting ends at SCAN_DEPTH.
 */
bool scan_tame(const char *text, size_t len);

/* The bytes of the UTF-8 sequence (RFC 3629) at `at`, 1 to 4; 0 if there is none. */
size_t scan_utf8(const char *at, const char *end);

/* --- looks into a value that scan_grammar() found, or a part of one; safe where it is none --- */

bool scan_is_object(struct scan_value value);
bool scan_is_array(struct scan_value value);
bool scan_is_string(struct scan_value value);

/*
 * Finds the members of an object in one pass: `found[i]` is the last one called `names[i]`
 * (ASCII), or none.
 */
void scan_members(struct scan_value object, const char *const names[], size_t count,
                  struct scan_value found[]);

/*
 * The members of an object, one after the other: `*value` is none before the first call. `*name`
 * is a string as it stands there. False, and none, behind the last one.
 */
bool scan_next_member(struct scan_value object, struct scan_value *name, struct scan_value *value);

/*
 * The elements of an array, one after the other: `*element` is none before the first call.
 * False, and none, behind the last one.
 */
bool scan_next(struct scan_value array, struct scan_value *element);

#endif
