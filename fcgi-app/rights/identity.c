/*
 * Identities: made by whoever has proved one, held by whatever goes on in their name.
 */
#include "fcgi-app/rights/identity.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/rights/asked.h"

bool identity_names(const char *user, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)user[i];
        if (c < ' ' || c == 0x7f)
            return false;
    }
    return len > 0 && len <= IDENTITY_USER_MAX;
}

/* Writes the list; returns the byte behind it. */
static char *put_groups(char *at, const char *groups) {
    const char *marks = strpbrk(groups, ",;") != NULL ? ",;" : " \t";

    while (*groups != '\0') {
        size_t len = strcspn(groups, marks), skipped = strspn(groups, " \t");
        const char *rest = groups + len;
        while (len > skipped && (groups[len - 1] == ' ' || groups[len - 1] == '\t'))
            len--;
        if (len > skipped) {
            memcpy(at, groups + skipped, len - skipped);
            at += len - skipped;
            *at++ = '\0';
        }
        groups = *rest != '\0' ? rest + 1 : rest;
    }
    *at++ = '\0';
    return at;
}

struct identity *identity_new(const char *user, const char *groups) {
    size_t user_len = strlen(user);
    struct identity *identity = mem_new(sizeof *identity + user_len + strlen(groups) + 4);

    identity->holders = 1;
    ring_init(&identity->watches);
    identity->user = memcpy(identity->text, user, user_len + 1);
    char *list = identity->text + user_len + 1;
    char *end = put_groups(list, groups);
    *end = '\0'; /* an empty list, for what no token says */
    identity->groups = list;
    identity->subscribe = identity->publish = end;
    return identity;
}

/* Behind a list and the empty text at its end; NULL: it has none up to `end`. */
static const char *behind_list(const char *at, const char *end) {
    while (at < end && *at != '\0') {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        if (stop == NULL)
            return NULL;
        at = stop + 1;
    }
    return at < end ? at + 1 : NULL;
}

static void put_list(const char *list, struct buf *out) {
    for (; *list != '\0'; list += strlen(list) + 1)
        buf_add(out, list, strlen(list) + 1);
    buf_char(out, '\0');
}

void identity_put(const struct identity *identity, struct buf *out) {
    buf_add(out, identity->user, strlen(identity->user) + 1);
    put_list(identity->subscribe, out);
    put_list(identity->publish, out);
    if (identity->jti != NULL)
        buf_text(out, identity->jti);
    buf_char(out, '\0');
    buf_printf(out, "%.3f", identity->issued);
    buf_char(out, '\0');
}

/* A text of up to `most` bytes with its NUL, without control characters; NULL: it is none. */
static const char *behind_text(const char *at, const char *end, size_t most) {
    const char *stop = at != NULL && at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;

    if (stop == NULL || (size_t)(stop - at) > most ||
        (stop > at && !identity_names(at, (size_t)(stop - at))))
        return NULL;
    return stop + 1;
}

struct identity *identity_take(const char *bytes, size_t len, double expires) {
    const char *end = bytes + len, *user_end = len > 0 ? memchr(bytes, '\0', len) : NULL;
    const char *lists = user_end != NULL ? user_end + 1 : NULL;
    const char *publish = lists != NULL ? behind_list(lists, end) : NULL;
    const char *jti = publish != NULL ? behind_list(publish, end) : NULL;
    const char *issued = behind_text(jti, end, IDENTITY_USER_MAX);

    if (issued == NULL || behind_text(issued, end, 32) != end ||
        (lists - bytes > 1 && !identity_names(bytes, (size_t)(user_end - bytes))))
        return NULL;
    struct identity *identity = identity_new(bytes, "");
    identity->expires = expires;
    identity->claims = mem_copy(lists, (size_t)(end - lists));
    identity->subscribe = identity->claims;
    identity->publish = identity->claims + (publish - lists);
    identity->jti = *jti != '\0' ? mem_string(jti) : NULL;
    identity->issued = strtod(issued, NULL);
    return identity;
}

struct identity *identity_hold(const struct identity *identity) {
    struct identity *held = (struct identity *)(uintptr_t)identity;

    if (held != NULL)
        held->holders++;
    return held;
}

void identity_free(const struct identity *identity) {
    struct identity *held = (struct identity *)(uintptr_t)identity;

    if (held == NULL || --held->holders > 0)
        return;
    ring_remove(&held->heeds);
    asked_free(held->asked);
    free(held->jti);
    free(held->claims);
    free(held);
}

bool identity_known(const struct identity *identity) {
    return identity != NULL && (identity->user[0] != '\0' || identity->expires > 0);
}

bool identity_over(const struct identity *identity, double now) {
    return identity != NULL && identity->expires > 0 && identity->expires <= now;
}

/* An identity that is nobody else's. */
static struct identity *own(struct identity *who) {
    struct buf words = buf_make(SIZE_MAX / 2);

    if (who == NULL)
        return identity_new("", "");
    if (who->expires == 0) /* logins are made for each request */
        return who;
    identity_put(who, &words);
    struct identity *copy = identity_take(words.data, words.len, who->expires);
    buf_free(&words);
    identity_free(who);
    return copy;
}

struct identity *identity_asking(struct identity *who, struct asked *asked) {
    struct identity *asking = own(who);

    asked_free(asking->asked);
    asking->asked = asked_hold(asked);
    return asking;
}

void identity_look(const struct identity *identity, struct identity_watch *watch) {
    struct identity *looked_at = (struct identity *)(uintptr_t)identity;

    ring_remove(&watch->ring);
    if (looked_at != NULL)
        ring_add(&looked_at->watches, &watch->ring);
}

double identity_sooner(double one, double other) {
    if (one == 0 || other == 0)
        return one + other;
    return one < other ? one : other;
}
