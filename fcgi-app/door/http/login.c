/*
 * A visitor may send fields of the same names. The proxy is told to take them away, or to write
 * over them; one that adds its own beside them leaves two, of which nobody knows which is whose.
 *
 * In Forwarded each proxy appends an element, behind whatever stood there, so the last element is
 * that of the trusted peer, and what stands in front is anybody's. It is read from its beginning,
 * and strictly: a visitor who leaves a quoted string open would else swallow the comma behind which
 * the proxy's own words begin, and have a part of them read as if it stood elsewhere.
 */
#include "fcgi-app/door/http/login.h"

#include <string.h>
#include <strings.h>

#define BROKEN "Forwarded: is not a list as RFC 7239 has it"

/* ---------------------------------------------------------------------- Forwarded */

struct reading {
    const char *at;
    char *user; /* of the element that is read, */
    bool found; /* where it names one */
};

static void skip_blanks(struct reading *reading) {
    reading->at += strspn(reading->at, " \t");
}

static const char *put(char *out, size_t *len, char c) {
    if (*len == LOGIN_TEXT - 1)
        return "Forwarded: remote_user is too long";
    out[(*len)++] = c;
    return NULL;
}

/* The inside of a quoted string (RFC 9110 §5.6.4), to `out` unless that is NULL. */
static const char *read_quoted(struct reading *reading, char *out) {
    const char *fault = NULL;
    size_t len = 0;

    for (reading->at++; *reading->at != '"' && fault == NULL; reading->at++) {
        if (*reading->at == '\\')
            reading->at++;
        if (*reading->at == '\0')
            return BROKEN;
        if (out != NULL)
            fault = put(out, &len, *reading->at);
    }
    if (out != NULL)
        out[len] = '\0';
    reading->at += fault == NULL;
    return fault;
}

/* A value without quotes, as loosely as proxies write it: for=192.0.2.1:80. */
static const char *read_bare(struct reading *reading, char *out) {
    size_t len = strcspn(reading->at, ",; \t\"");
    const char *fault = NULL;
    size_t put_len = 0;

    for (size_t i = 0; out != NULL && i < len && fault == NULL; i++)
        fault = put(out, &put_len, reading->at[i]);
    if (out != NULL)
        out[put_len] = '\0';
    reading->at += len;
    return fault;
}

static const char *read_pair(struct reading *reading) {
    static const char name[] = "remote_user";
    size_t len = strcspn(reading->at, "=,;\" \t");
    bool names = len == sizeof name - 1 && strncasecmp(reading->at, name, len) == 0;
    char *out = names ? reading->user : NULL;

    if (len == 0 || reading->at[len] != '=')
        return BROKEN;
    if (names && reading->found)
        return "Forwarded: remote_user stands twice in its last element";
    reading->found |= names;
    reading->at += len + 1;
    return *reading->at == '"' ? read_quoted(reading, out) : read_bare(reading, out);
}

/* Of the last element, which may be empty: a proxy that has nothing to say. */
static const char *read_forwarded(const char *list, char user[LOGIN_TEXT]) {
    struct reading reading = {list, user, false};
    const char *fault = NULL;

    for (skip_blanks(&reading); *reading.at != '\0' && fault == NULL; skip_blanks(&reading)) {
        bool apart = *reading.at == ',' || *reading.at == ';';
        if (*reading.at == ',')
            reading.found = false;
        if (apart) {
            reading.at++;
            continue;
        }
        fault = read_pair(&reading);
        skip_blanks(&reading);
        if (fault == NULL && strchr(",;", *reading.at) == NULL) /* or its end */
            fault = BROKEN;
    }
    if (!reading.found || fault != NULL)
        user[0] = '\0';
    return fault;
}

/* -------------------------------------------------------------------------- fields */

const char *login_find(struct said *said, bool trusted, bool forwarded, char user[LOGIN_TEXT]) {
    said_set own = SAID_BIT(SAID_USER_FIELD) | SAID_BIT(SAID_GROUP_FIELD);
    const char *fault = NULL;

    if (!trusted)
        return NULL;
    said->of[SAID_GROUPS] = said->of[SAID_GROUP_FIELD];
    if (forwarded) {
        fault = read_forwarded(said->of[SAID_FORWARDED], user);
        said->of[SAID_REMOTE_USER] = user;
    } else {
        said->of[SAID_REMOTE_USER] = said->of[SAID_USER_FIELD];
    }
    if (fault == NULL && (said->repeated & own) != 0)
        fault = "user_header or group_header: there are two in one request";
    return fault;
}
