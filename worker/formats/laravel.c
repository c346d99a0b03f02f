/*
 * laravel: what Laravel's broadcaster `redis` publishes,
 *
 *     {"event":"App\\Events\\X","data":{...},"socket":"<id>" or null}
 *
 * which is an event already, and passed on as it is.
 */
#include "core/base/scan.h"
#include "worker/formats/formats.h"

bool format_laravel(const struct published *published, struct meaning *meaning) {
    static const char *const names[] = {"event", "data"};
    struct scan_value object, found[2];

    if (!scan_tame(published->payload, published->payload_len) ||
        !scan_grammar(published->payload, published->payload_len, &object) ||
        !scan_is_object(object))
        return meaning_none(meaning, "laravel: not a JSON object");
    scan_members(object, names, 2, found);
    if (!scan_is_string(found[0]) || found[1].at == NULL)
        return meaning_none(meaning, "laravel: no event with data");
    meaning_add(meaning, published->part, published->part_len);
    meaning_pass(meaning, published->payload, published->payload_len);
    return true;
}
