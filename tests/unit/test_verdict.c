/* operator/verdict: what became of a message, by what Redis has of its channel. */
#include "operator/verdict.h"

#include "tests/unit/unit.h"

/* A channel of twenty messages of epoch 9, of which the last five are held. */
#define COUNTED .counted = true, .last = {9, 20}, .keeps = 5
#define STREAM  .history = true, .first = {9, 16}

static const struct row {
    const char *what;
    struct traces traces;
    struct position id;
    enum verdict verdict;
} rows[] = {
    {"held", {COUNTED, STREAM, .held = true}, {9, 17}, VERDICT_HELD},
    {"of an older epoch, and held yet", {COUNTED, STREAM, .held = true}, {8, 3}, VERDICT_HELD},
    {"in front of what is held", {COUNTED, STREAM}, {9, 15}, VERDICT_TRIMMED},
    {"the first of all", {COUNTED, STREAM}, {9, 1}, VERDICT_TRIMMED},
    {"trimmed, and another deleted",
     {COUNTED, STREAM, .deleted = {9, 18}},
     {9, 3},
     VERDICT_TRIMMED},
    {"deleted among what is held", {COUNTED, STREAM, .deleted = {9, 18}}, {9, 18}, VERDICT_DELETED},
    {"the first that was held, deleted",
     {COUNTED, .history = true, .first = {9, 17}, .deleted = {9, 16}},
     {9, 16},
     VERDICT_DELETED},
    {"deleted, all of them",
     {COUNTED, .history = true, .deleted = {9, 20}},
     {9, 20},
     VERDICT_DELETED},
    {"nothing is kept here",
     {.counted = true, .last = {9, 20}, .history = true, .keeps = 0},
     {9, 20},
     VERDICT_TRIMMED},
    {"a number that was left out, for a gap", {COUNTED, STREAM}, {9, 18}, VERDICT_NEVER_GIVEN},
    {"the history is gone", {COUNTED}, {9, 20}, VERDICT_EXPIRED},
    {"behind the last one", {COUNTED, STREAM}, {9, 21}, VERDICT_NEVER_GIVEN},
    {"number 0 is a place", {COUNTED, STREAM}, {9, 0}, VERDICT_NEVER_GIVEN},
    {"of an older epoch", {COUNTED, STREAM}, {8, 3}, VERDICT_ANOTHER_EPOCH},
    {"of an epoch that Redis forgot", {COUNTED, STREAM}, {10, 1}, VERDICT_ANOTHER_EPOCH},
    {"nothing is known of the channel", {.keeps = 5}, {9, 1}, VERDICT_NEVER_GIVEN},
};

START_TEST(each_trace_has_its_verdict) {
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(verdict_of(&rows[i].traces, rows[i].id) == rows[i].verdict, "%s: %s",
                      rows[i].what, verdict_word(verdict_of(&rows[i].traces, rows[i].id)));
}
END_TEST

UNIT_MAIN("verdict", each_trace_has_its_verdict)
