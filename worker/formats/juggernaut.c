/*
 * juggernaut: what Juggernaut's clients publish,
 *
 *     {"channels":["a","b"],"data":any,"except":"<session id>"}
 *
 * where `channels` may be one string. The data goes to each of them; there are no sessions of
 * Juggernaut here, so nobody is excepted.
 */
#include <stdlib.h>

#include "core/base/json.h"
#include "core/base/scan.h"
#include "worker/formats/formats.h"

/* False: that is no string. */
static bool add_channel(struct meaning *meaning, struct scan_value value) {
    size_t len = 0;
    char *name = scan_is_string(value) ? json_unquote(value.at, value.len, &len) : NULL;

    if (name != NULL)
        meaning_add(meaning, name, len);
    free(name);
    return name != NULL;
}

static bool add_channels(struct meaning *meaning, struct scan_value list) {
    struct scan_value element = {0};

    if (!scan_is_array(list))
        return add_channel(meaning, list);
    while (scan_next(list, &element)) {
        if (!add_channel(meaning, element))
            return false;
    }
    return true;
}

bool format_juggernaut(const struct published *published, struct meaning *meaning) {
    static const char *const names[] = {"channels", "data"};
    struct scan_value object, found[2];

    if (!scan_tame(published->payload, published->payload_len) ||
        !scan_grammar(published->payload, published->payload_len, &object) ||
        !scan_is_object(object))
        return meaning_none(meaning, "juggernaut: not a JSON object");
    scan_members(object, names, 2, found);
    if (found[1].at == NULL || !add_channels(meaning, found[0]))
        return meaning_none(meaning, "juggernaut: no data with channels");
    meaning_pass(meaning, found[1].at, found[1].len);
    return true;
}
