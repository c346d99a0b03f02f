/* Who has which message. Every payload has its number between two '#', which nothing
 * else in an answer has (headers are not looked at, and no protocol here writes one), so
 * that messages are found in any wrapping by a memchr().
 *
 * A number that was jumped over counts as lost until it comes: then it was reordered.
 * What is further back than 64 messages is taken for doubled.
 */
#include "tests/bench/load/track.h"

#include "tests/lib/keep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WINDOW = 64 };

void track_begin(struct track *track, const struct tally *tally) {
    track->next = tally->base + tally->published + 1;
    track->seen = UINT64_MAX;
}

static void jump(struct track *track, struct tally *tally, uint64_t number) {
    uint64_t missed = number - track->next;

    tally->lost += missed;
    track->seen = missed + 1 < WINDOW ? track->seen << (missed + 1) | 1 : 1;
    track->next = number + 1;
}

static void late(struct track *track, struct tally *tally, uint64_t number) {
    uint64_t back = track->next - 1 - number;

    if (back >= WINDOW || (track->seen & UINT64_C(1) << back)) {
        tally->doubled++;
        return;
    }
    track->seen |= UINT64_C(1) << back;
    tally->lost--;
    tally->reordered++;
    tally->delivered++;
}

void track_add(struct track *track, struct tally *tally, uint64_t number) {
    if (number <= tally->base || number > tally->base + tally->published) {
        tally->stray++;
        return;
    }
    if (number < track->next) {
        late(track, tally, number);
        return;
    }
    if (tally->awaited >= track->next && tally->awaited <= number) {
        tally->have++;
        tally->last_us = now_us();
    }
    jump(track, tally, number);
    tally->delivered++;
    if (tally->latency)
        histogram_add(tally->latency, now_us() - tally->sent_us[number - tally->base - 1]);
}

void track_end(struct track *track, struct tally *tally) {
    uint64_t end = tally->base + tally->published + 1;

    tally->lost += end - track->next;
    track->next = end;
}

void tally_await(struct tally *tally, uint64_t number) {
    tally->awaited = number;
    tally->have = 0;
}

void track_payload(char *out, size_t size, uint64_t number) {
    int head = snprintf(out, size + 1, "{\"load\":\"#%" PRIu64 "#", number);

    must((size_t)head + 2 <= size, "a payload of %zu bytes is too small", size);
    memset(out + head, 'x', size - (size_t)head - 2);
    memcpy(out + size - 2, "\"}", 3);
}

size_t track_scan(struct track *track, struct tally *tally, const char *text, size_t length) {
    const char *end = text + length;
    size_t count = 0;

    while ((text = memchr(text, '#', (size_t)(end - text)))) {
        uint64_t number = 0;

        for (text++; text < end && *text >= '0' && *text <= '9'; text++)
            number = number * 10 + (uint64_t)(*text - '0');
        if (text == end)
            break;
        if (*text++ != '#')
            continue;
        track_add(track, tally, number);
        count++;
    }
    return count;
}
