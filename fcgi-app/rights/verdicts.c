/*
 * Lists of what the site has said.
 */
#include "fcgi-app/rights/verdicts.h"

#include <stdlib.h>

#include "core/base/mem.h"

static void drop(struct said_verdict **list, struct said_verdict *said) {
    HASH_DEL(*list, said);
    free(said);
}

void verdicts_free(struct said_verdict **list) {
    struct said_verdict *said, *next;

    HASH_ITER (hh, *list, said, next)
        drop(list, said);
}

struct said_verdict *verdicts_find(struct said_verdict **list, const struct question_key *key,
                                   double now) {
    struct said_verdict *said;

    HASH_FIND(hh, *list, key, sizeof *key, said);
    if (said == NULL || said->until > now)
        return said;
    drop(list, said);
    return NULL;
}

void verdicts_keep(struct said_verdict **list, const struct question_key *key, enum verdict verdict,
                   double now, double seconds) {
    struct said_verdict *said;

    HASH_FIND(hh, *list, key, sizeof *key, said);
    if (said != NULL)
        drop(list, said);
    if (HASH_COUNT(*list) >= VERDICTS_MAX)
        drop(list, *list);
    said = mem_new(sizeof *said);
    said->key = *key;
    said->verdict = verdict;
    said->since = now;
    said->until = now + seconds;
    HASH_ADD(hh, *list, key, sizeof said->key, said);
}

void verdicts_shorten(struct said_verdict **list, double now, double seconds) {
    struct said_verdict *said, *next;

    HASH_ITER (hh, *list, said, next) {
        if (said->until <= now)
            drop(list, said);
        else if (said->until > now + seconds)
            said->until = now + seconds;
    }
}

void verdicts_lengthen(struct said_verdict *list, double now, double seconds) {
    for (struct said_verdict *said = list; said != NULL; said = said->hh.next) {
        if (said->until > now)
            said->until = said->since + seconds;
    }
}
