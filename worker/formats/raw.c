/* raw: a payload as it is, in the channel that the name says. Scripts, Action Cable. */
#include "worker/formats/formats.h"

bool format_raw(const struct published *published, struct meaning *meaning) {
    meaning_add(meaning, published->part, published->part_len);
    meaning_pass(meaning, published->payload, published->payload_len);
    return true;
}
