/*
 * Ids count without holes within an epoch, and the counter outlives the history (`meta_ttl`). So
 * an id up to the counter was given; whether it is in front of what is held, or among it, says
 * where it went. Redis keeps the greatest id that was deleted by hand, which trimming does not
 * touch; where both may have happened, what `history` alone explains is trimmed.
 */
#include "operator/verdict.h"

#include <stddef.h>

static bool is_zero(struct position position) {
    return position.epoch == 0 && position.n == 0;
}

static bool is_over(const struct traces *traces, struct position id) {
    return traces->last.n - id.n >= traces->keeps;
}

enum verdict verdict_of(const struct traces *traces, struct position id) {
    if (traces->held)
        return VERDICT_HELD;
    if (id.n == 0 || !traces->counted)
        return VERDICT_NEVER_GIVEN;
    if (id.epoch != traces->last.epoch)
        return VERDICT_ANOTHER_EPOCH;
    if (id.n > traces->last.n)
        return VERDICT_NEVER_GIVEN;
    if (!traces->history)
        return VERDICT_EXPIRED;
    if (is_over(traces, id))
        return VERDICT_TRIMMED;
    if (position_compare(id, traces->deleted) <= 0)
        return VERDICT_DELETED;
    if (is_zero(traces->first) || position_compare(id, traces->first) < 0)
        return VERDICT_TRIMMED;
    return VERDICT_NEVER_GIVEN;
}

static const struct {
    const char *word, *why;
} verdicts[] = {
    [VERDICT_HELD] = {"held", "it is in the channel's history"},
    [VERDICT_TRIMMED] = {"trimmed", "newer messages have taken its place (history)"},
    [VERDICT_EXPIRED] = {"expired", "the channel had no publish for its ttl, and its history is"
                                    " gone (or was deleted whole, or evicted)"},
    [VERDICT_DELETED] = {"deleted", "somebody deleted it from the history (XDEL)"},
    [VERDICT_NEVER_GIVEN] = {"never given", "no message of this channel has had this id, as far"
                                            " as Redis knows"},
    [VERDICT_ANOTHER_EPOCH] = {"another epoch", "the channel counts in another epoch: Redis was"
                                                " restarted, or the counter was gone"},
};

const char *verdict_word(enum verdict verdict) {
    return verdicts[verdict].word;
}

const char *verdict_why(enum verdict verdict) {
    return verdicts[verdict].why;
}
