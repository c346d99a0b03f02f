/*
 * What is kept in memory of a session (kept.h).
 */
#include "fcgi-app/carriers/bayeux/kept.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/places.h"

void kept_free(struct kept *kept) {
    kept_forget(kept, kept->request_count);
    hub_places_free(&kept->settled);
    hub_places_free(&kept->sent);
    hub_places_free(&kept->base);
}

static void put(struct hub_places *to, const struct hub_places *from) {
    hub_places_free(to);
    *to = places_copy(from);
}

void kept_begin(struct kept *kept, struct session_bytes cursor, uint64_t batch) {
    *kept = (struct kept){.batch = batch};
    places_follow(&kept->settled, cursor);
}

void kept_follow(struct kept *kept, struct session_bytes cursor) {
    places_follow(&kept->settled, cursor);
    if (kept->flying)
        places_follow(&kept->sent, cursor);
}

struct hub_places kept_copy(const struct kept *kept) {
    return places_copy(kept->flying ? &kept->sent : &kept->settled);
}

/* How many messages a channel is further than it was; false: so many that `most` are too few, or it
 * is not known. */
static bool step_of(const struct hub_channel *was, const struct hub_places *places, uint64_t most,
                    uint64_t *step) {
    const struct hub_channel *is = places_find(places, was->name, was->len);

    *step = 0;
    if (is == NULL)
        return true; /* it is left */
    if (is->since.kind != SINCE_AT || is->since.at.epoch != was->since.at.epoch ||
        is->since.at.n < was->since.at.n)
        return false;
    *step = is->since.at.n - was->since.at.n;
    return *step < most;
}

static bool has_others(const struct hub_places *base, const struct hub_places *places) {
    for (size_t i = 0; i < places->count; i++) {
        if (!places_have(base, places->channels[i].name, places->channels[i].len))
            return true;
    }
    return false;
}

bool kept_number(const struct kept *kept, const struct hub_places *places, uint64_t *number) {
    size_t count = kept->base.count;

    if (!kept->based || count == 0 || count > KEPT_BITS || has_others(&kept->base, places))
        return false;
    size_t bits = KEPT_BITS / count;
    *number = kept->base_batch;
    for (size_t i = 0; i < count; i++) {
        uint64_t step;
        if (!step_of(&kept->base.channels[i], places, UINT64_C(1) << bits, &step))
            return false;
        *number += step << (bits * i);
    }
    return *number > kept->batch;
}

uint64_t kept_next(const struct kept *kept) {
    return kept->batch + 1;
}

void kept_send(struct kept *kept, const struct hub_places *places, uint64_t number,
               struct session_bytes request) {
    put(&kept->sent, places);
    kept->flying = kept->moved = true;
    kept->batch = number;
    kept->request_len = request.len < SESSION_REQUEST_MAX ? request.len : SESSION_REQUEST_MAX;
    if (kept->request_len > 0)
        memcpy(kept->request, request.at, kept->request_len);
}

bool kept_arrived(const struct kept *kept, long ack) {
    return ack < 0 || (uint64_t)ack >= kept->batch;
}

void kept_settle(struct kept *kept) {
    if (!kept->flying)
        return;
    hub_places_free(&kept->settled);
    kept->settled = kept->sent;
    kept->sent = (struct hub_places){0};
    kept->flying = false;
    kept->moved = true;
}

void kept_note(struct kept *kept, struct session_bytes request) {
    if (request.len == 0)
        return;
    if (kept->request_count == KEPT_REQUESTS)
        kept_forget(kept, 1);
    kept->requests[kept->request_count++] =
        (struct session_bytes){mem_copy(request.at, request.len), request.len};
}

void kept_forget(struct kept *kept, size_t count) {
    count = count < kept->request_count ? count : kept->request_count;
    for (size_t i = 0; i < count; i++)
        free((char *)(uintptr_t)kept->requests[i].at);
    kept->request_count -= count;
    memmove(kept->requests, kept->requests + count, kept->request_count * sizeof *kept->requests);
}

enum err kept_tell(const struct kept *kept, struct sessions *sessions, const char *id,
                   const struct session_write *wanted, session_fn *done, void *ctx) {
    struct buf settled = buf_make(SESSION_CURSOR_MAX), sent = buf_make(SESSION_CURSOR_MAX);
    struct session_write all = *wanted;

    places_put(&kept->settled, &settled);
    places_put(&kept->sent, &sent);
    all.cursor = (struct session_bytes){settled.data, settled.len};
    all.sent = (struct session_bytes){sent.data, sent.len};
    all.batch = kept->batch;
    all.request = (struct session_bytes){kept->request, kept->request_len};
    all.requests = kept->requests;
    all.request_count = kept->request_count;
    enum err err = session_write(sessions, id, &all, done, ctx);
    buf_free(&settled);
    buf_free(&sent);
    return err;
}

/* What has no place yet is not written (places_put()), and nothing can be counted from there. */
static bool all_stand(const struct hub_places *places) {
    for (size_t i = 0; i < places->count; i++) {
        if (places->channels[i].since.kind != SINCE_AT)
            return false;
    }
    return true;
}

void kept_write(struct kept *kept) {
    put(&kept->base, kept->flying ? &kept->sent : &kept->settled);
    kept->base_batch = kept->batch;
    kept->based = all_stand(&kept->base);
    kept->moved = false;
}
