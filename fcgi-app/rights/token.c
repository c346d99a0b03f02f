/*
 * Reads tokens. They are untrusted until the signature is verified, which is done before anything
 * but the header is looked at, and read strictly also then: each part of a token has one spelling,
 * a member stands there once, and what has a meaning here has its type.
 */
#include "fcgi-app/rights/token.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/base64.h"
#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/scan.h"

const char *token_words(enum token_fault fault) {
    static const char *const words[] = {[TOKEN_GOOD] = "is good",
                                        [TOKEN_BAD] = "is not valid",
                                        [TOKEN_EXPIRED] = "has expired",
                                        [TOKEN_EARLY] = "is not valid yet",
                                        [TOKEN_FOREIGN] = "is for somebody else (aud, iss)"};
    return words[fault];
}

/* -------------------------------------------------------------------------- parts */

enum { PARTS = 3 };

struct part_of {
    const char *at;
    size_t len;
};

/* Header, payload and signature. */
static bool split(const char *token, size_t len, struct part_of parts[PARTS]) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = token;

    for (int i = 0; i < PARTS; i++) {
        parts[i] = (struct part_of){at, strspn(at, letters)};
        at += parts[i].len;
        if (parts[i].len == 0 || *at != (i < PARTS - 1 ? '.' : '\0'))
            return false;
        at++;
    }
    return (size_t)(at - token) == len + 1;
}

/* Decodes base64url without padding (RFC 7515 §2). */
static bool decode(struct part_of part, struct buf *out) {
    struct buf text = buf_make(TOKEN_MAX + 4);

    for (size_t i = 0; i < part.len; i++)
        buf_char(&text, part.at[i] == '-' ? '+' : part.at[i] == '_' ? '/' : part.at[i]);
    for (size_t i = part.len; i % 4 != 0; i++)
        buf_char(&text, '=');
    bool good = part.len % 4 != 1 && base64_decode(out, text.data, text.len) == ERR_OK;
    buf_free(&text);
    return good;
}

/* An object in which no member stands twice. */
static bool is_object(const struct buf *text, struct scan_value *object) {
    return json_valid(text->data, text->len) && scan_grammar(text->data, text->len, object) &&
           scan_is_object(*object) && json_single(text->data, text->len);
}

/* ------------------------------------------------------------------------- claims */

/* A string without a NUL in it, the caller's to free(); NULL: it is none. */
static char *text_of(struct scan_value value) {
    size_t len = 0;
    char *text = scan_is_string(value) ? json_unquote(value.at, value.len, &len) : NULL;

    if (text != NULL && strlen(text) == len)
        return text;
    free(text);
    return NULL;
}

/* A number that may not be there. False: it is something else. */
static bool take_number(struct scan_value value, double *number) {
    char *text;

    if (value.at == NULL)
        return true;
    if (value.at[0] != '-' && (value.at[0] < '0' || value.at[0] > '9'))
        return false;
    text = mem_copy(value.at, value.len);
    *number = strtod(text, NULL);
    free(text);
    return true;
}

/* Appends the strings of a list, each with a NUL, and an empty one. False: it is no such list. */
static bool take_list(struct scan_value list, struct buf *out) {
    struct scan_value element = {NULL, 0};

    if (list.at != NULL && !scan_is_array(list))
        return false;
    while (list.at != NULL && scan_next(list, &element)) {
        char *text = text_of(element);
        bool good = text != NULL && text[0] != '\0';
        if (good)
            buf_add(out, text, strlen(text) + 1);
        free(text);
        if (!good)
            return false;
    }
    buf_char(out, '\0');
    return true;
}

/* Whether `wanted`, where it is, is the string, or one of the list. False too: the wrong type. */
static bool names(struct scan_value value, const char *wanted, bool list, bool *named) {
    struct buf all = buf_make(TOKEN_MAX + 1);
    char *text = text_of(value);
    bool good = value.at == NULL || text != NULL || (list && take_list(value, &all));

    *named = wanted[0] == '\0' || (text != NULL && strcmp(text, wanted) == 0);
    for (const char *at = all.data; at != NULL && good && *at != '\0'; at += strlen(at) + 1)
        *named |= strcmp(at, wanted) == 0;
    free(text);
    buf_free(&all);
    return good;
}

enum claim { SUB, EXP, NBF, IAT, AUD, ISS, SUBSCRIBE, PUBLISH, JTI, CLAIMS };

static enum token_fault check_times(const struct scan_value claims[CLAIMS], double now,
                                    double *expires, double *issued) {
    double begins = 0;

    if (claims[EXP].at == NULL || !take_number(claims[EXP], expires) ||
        !take_number(claims[NBF], &begins) || !take_number(claims[IAT], issued))
        return TOKEN_BAD;
    if (now >= *expires)
        return TOKEN_EXPIRED;
    return now < begins ? TOKEN_EARLY : TOKEN_GOOD;
}

static enum token_fault check_place(const struct config *config,
                                    const struct scan_value claims[CLAIMS]) {
    bool here = false, ours = false;

    if (!names(claims[AUD], config->token_audience, true, &here) ||
        !names(claims[ISS], config->token_issuer, false, &ours))
        return TOKEN_BAD;
    return here && ours ? TOKEN_GOOD : TOKEN_FOREIGN;
}

/* One by which a token can be revoked; a longer one, or another kind of value, only names it. */
static char *jti_of(struct scan_value value) {
    char *jti = text_of(value);

    if (jti != NULL && identity_names(jti, strlen(jti)))
        return jti;
    free(jti);
    return NULL;
}

static struct identity *make(const struct scan_value claims[CLAIMS], double expires) {
    struct buf lists = buf_make(2 * TOKEN_MAX);
    char *user = claims[SUB].at != NULL ? text_of(claims[SUB]) : mem_string("");
    struct identity *who = NULL;

    bool good = user != NULL && (claims[SUB].at == NULL || identity_names(user, strlen(user))) &&
                take_list(claims[SUBSCRIBE], &lists);
    size_t publish = lists.len;
    if (good && take_list(claims[PUBLISH], &lists)) {
        who = identity_new(user, "");
        who->expires = expires;
        who->jti = jti_of(claims[JTI]);
        who->claims = mem_copy(lists.data, lists.len);
        who->subscribe = who->claims;
        who->publish = who->claims + publish;
    }
    free(user);
    buf_free(&lists);
    return who;
}

static struct identity *read_claims(const struct config *config, struct scan_value payload,
                                    double now, enum token_fault *fault) {
    static const char *const members[CLAIMS] = {"sub", "exp",       "nbf",     "iat", "aud",
                                                "iss", "subscribe", "publish", "jti"};
    struct scan_value claims[CLAIMS];
    double expires = 0, issued = 0;

    scan_members(payload, members, CLAIMS, claims);
    *fault = check_times(claims, now, &expires, &issued);
    if (*fault == TOKEN_GOOD)
        *fault = check_place(config, claims);
    struct identity *who = *fault == TOKEN_GOOD ? make(claims, expires) : NULL;
    if (*fault == TOKEN_GOOD && who == NULL)
        *fault = TOKEN_BAD;
    if (who != NULL)
        who->issued = issued;
    return who;
}

/* ------------------------------------------------------------------------ the whole */

static bool verify(const struct keys *keys, const char *token, const struct part_of parts[PARTS],
                   struct scan_value header) {
    static const char *const members[] = {"alg", "kid", "crit"};
    struct scan_value said[3];
    struct buf signature = buf_make(TOKEN_MAX);

    scan_members(header, members, 3, said);
    char *algorithm = text_of(said[0]), *kid = said[1].at != NULL ? text_of(said[1]) : NULL;
    bool good = algorithm != NULL && (kid != NULL || said[1].at == NULL) && said[2].at == NULL &&
                decode(parts[2], &signature);
    const struct keys_question question = {.token = token,
                                           .signed_len = parts[0].len + 1 + parts[1].len,
                                           .kid = kid,
                                           .algorithm = algorithm,
                                           .signature = (const unsigned char *)signature.data,
                                           .signature_len = signature.len};
    good = good && keys_verify(keys, &question);
    free(algorithm);
    free(kid);
    buf_free(&signature);
    return good;
}

struct identity *token_read(const struct config *config, const struct keys *keys, const char *token,
                            size_t len, double now, enum token_fault *fault) {
    struct buf header = buf_make(TOKEN_MAX), payload = buf_make(TOKEN_MAX);
    struct part_of parts[PARTS];
    struct scan_value said, claims;
    struct identity *who = NULL;

    *fault = TOKEN_BAD;
    if (len <= TOKEN_MAX && split(token, len, parts) && decode(parts[0], &header) &&
        is_object(&header, &said) && verify(keys, token, parts, said) &&
        decode(parts[1], &payload) && is_object(&payload, &claims))
        who = read_claims(config, claims, now, fault);
    buf_free(&header);
    buf_free(&payload);
    return who;
}
