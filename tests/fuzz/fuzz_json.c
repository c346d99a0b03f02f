/* The scanner of JSON on any bytes, against jansson: what is valid to the one is valid to
 * the other, and a member or an element that is cut out of a text is the one that a parser finds.
 */
#include "core/base/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLAGS = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL };

static void must(bool what) {
    if (!what)
        abort();
}

static void must_equal(struct scan_value value, const json_t *want) {
    must((value.at != NULL) == (want != NULL));
    if (want == NULL)
        return;
    json_t *got = json_loadb(value.at, value.len, FLAGS, NULL);
    must(got != NULL && json_equal(got, want));
    json_decref(got);
}

/* Also of what no parser takes: every part is a value inside the whole one. */
static void stay_inside(struct scan_value whole) {
    static const char *const names[] = {"a"};
    struct scan_value part = {NULL, 0}, again;

    scan_members(whole, names, 1, &part);
    while (part.at != NULL || scan_next(whole, &part)) {
        must(part.at > whole.at && part.at + part.len < whole.at + whole.len);
        must(scan_grammar(part.at, part.len, &again) && again.len == part.len);
        if (!scan_next(whole, &part))
            break;
    }
}

static void check_members(struct scan_value value, const json_t *json) {
    static const char *const names[] = {"a", "publish", ""};
    struct scan_value found[3];

    scan_members(value, names, 3, found);
    for (size_t i = 0; i < 3; i++)
        must_equal(found[i], json_object_get(json, names[i]));
}

static void check_elements(struct scan_value value, const json_t *json) {
    struct scan_value element = {NULL, 0};
    size_t count = 0;

    while (scan_next(value, &element))
        must_equal(element, json_array_get(json, count++));
    must(count == json_array_size(json));
}

static void check_string(struct scan_value value, const json_t *json) {
    size_t len = 0;
    char *said = json_unquote(value.at, value.len, &len);

    must((said != NULL) == json_is_string(json));
    must(said == NULL ||
         (len == json_string_length(json) && memcmp(said, json_string_value(json), len + 1) == 0));
    free(said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct scan_value value;
    json_t *json = memchr(data, '\0', size) == NULL ? json_loadb(text, size, FLAGS, NULL) : NULL;
    bool grammar = scan_grammar(text, size, &value);

    /* jansson alone takes no member whose name has a NUL in it */
    must(json_valid(text, size) == (json != NULL) || memmem(data, size, "\\u0000", 6) != NULL);
    must(grammar || json == NULL);
    must(grammar == (value.at != NULL));
    if (grammar)
        stay_inside(value);
    if (json != NULL) {
        check_members(value, json);
        check_elements(value, json);
        check_string(value, json);
    }
    json_decref(json);
    return 0;
}
