/*
 * Logins and tokens. The web server that hands a request over by FastCGI or CGI says in REMOTE_USER
 * who has logged in there; no field of a request becomes that variable (RFC 3875 §4.1.11, §4.1.18).
 * A token, which says by itself who it is for, comes in a field, a parameter, a WebSocket's list of
 * subprotocols, or a cookie.
 *
 * A browser sends logins and cookies to whoever asks it to, another site's page too. So they count
 * on requests of this site's own pages, and of `origins` that are listed word for word; what comes
 * from elsewhere is from somebody whom nobody knows.
 *
 * Tokens that were verified are remembered, the oldest first to go: a poller sends the same one
 * with each request. Long ones are by their digests, which costs more than to compare a short one.
 */
#include "fcgi-app/rights/credential.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/collections.h"
#include "core/base/crypto.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "fcgi-app/rights/asked.h"
#include "fcgi-app/rights/revoked.h"
#include "fcgi-app/rights/rights.h"
#include "fcgi-app/rights/token.h"

#define LOGIN_WANTS (SAID_BIT(SAID_REMOTE_USER) | SAID_BIT(SAID_GROUPS) | SAID_BIT(SAID_REFERER))
#define ASKED_WANTS (SAID_BIT(SAID_COOKIE) | SAID_BIT(SAID_AUTHORIZATION) | SAID_BIT(SAID_REFERER))
#define TOKEN_WANTS (SAID_BIT(SAID_AUTHORIZATION) | SAID_BIT(SAID_SOCKET_PROTOCOL))

enum { SHORT = 1024 }; /* bytes of a token that is remembered as it is */

/* What a token is remembered by: itself, or its digest, which is shorter than any of the others. */
struct remembered {
    const char *at;
    size_t len;
    unsigned hash;
    unsigned char digest[CRYPTO_SHA256];
};

struct verified {
    UT_hash_handle hh; /* in the order in which they came */
    struct identity *who;
    char key[];
};

struct credentials {
    const struct config *config;
    struct keys *keys; /* NULL: tokens are not looked at */
    struct verified *verified;
    struct revoked *revoked; /* NULL: nobody says */
    struct asker *asker;     /* NULL: the site is not asked */
};

/* ------------------------------------------------------------------ the configuration */

static bool check_name(const char *option, const char *name, int other,
                       char problem[CONFIG_PROBLEM]) {
    if (name[0] == '\0' || other < 0)
        return true;
    snprintf(problem, CONFIG_PROBLEM, "%s = %.100s: that is another thing's name", option, name);
    return false;
}

static bool is_forwarded(const char *name) {
    return said_by_field(name, strlen(name)) == SAID_FORWARDED;
}

/* What a field's name means already; the options' own names aside, which come and go. */
static int field_meaning(const char *name) {
    int other = said_by_field(name, strlen(name));
    return other == SAID_USER_FIELD || other == SAID_GROUP_FIELD ? -1 : other;
}

static bool check_names(const struct config *config, char problem[CONFIG_PROBLEM]) {
    const char *user = config->user_header, *groups = config->group_header;
    int variable = said_by_variable(config->group_variable, strlen(config->group_variable));

    if (!check_name("group_variable", config->group_variable,
                    variable == SAID_GROUPS ? -1 : variable, problem) ||
        !check_name("user_header", user, is_forwarded(user) ? -1 : field_meaning(user), problem) ||
        !check_name("group_header", groups, field_meaning(groups), problem))
        return false;
    if (groups[0] == '\0' || (user[0] != '\0' && strcasecmp(groups, user) != 0))
        return true;
    snprintf(problem, CONFIG_PROBLEM, "group_header = %.100s: needs a user_header of another name",
             groups);
    return false;
}

bool credentials_check(const struct config *config, char problem[CONFIG_PROBLEM]) {
    struct keys *keys = check_names(config, problem) ? keys_load(config, problem) : NULL;
    bool good = keys != NULL;

    keys_unload(keys);
    return good;
}

struct credentials *credentials_new(const struct config *config, char problem[CONFIG_PROBLEM]) {
    struct keys *keys = keys_load(config, problem);

    if (keys == NULL)
        return NULL;
    said_call(SAID_GROUPS, config->group_variable, "");
    said_call(SAID_USER_FIELD, "", is_forwarded(config->user_header) ? "" : config->user_header);
    said_call(SAID_GROUP_FIELD, "", config->group_header);
    struct credentials *credentials = mem_new(sizeof *credentials);
    credentials->config = config;
    credentials->keys = keys;
    return credentials;
}

static void forget(struct credentials *credentials, struct verified *verified) {
    HASH_DEL(credentials->verified, verified);
    identity_free(verified->who);
    free(verified);
}

void credentials_free(struct credentials *credentials) {
    struct verified *verified, *next;

    if (credentials == NULL)
        return;
    HASH_ITER (hh, credentials->verified, verified, next)
        forget(credentials, verified);
    keys_unload(credentials->keys);
    free(credentials);
}

void credentials_heed(struct credentials *credentials, struct revoked *revoked) {
    credentials->revoked = revoked;
}

void credentials_ask(struct credentials *credentials, struct asker *asker) {
    credentials->asker = asker;
}

static bool reads_tokens(const struct credentials *credentials) {
    return credentials->config->key_count > 0;
}

said_set credentials_want(const struct credentials *credentials) {
    const struct config *config = credentials != NULL ? credentials->config : NULL;
    said_set wants = config != NULL && rights_wanted(config) ? LOGIN_WANTS : 0;

    if (config != NULL && credentials->asker != NULL)
        wants |= ASKED_WANTS;
    if (config == NULL || !reads_tokens(credentials))
        return wants;
    wants |= TOKEN_WANTS;
    return config->token_cookie[0] != '\0' ? wants | SAID_BIT(SAID_COOKIE) | SAID_BIT(SAID_REFERER)
                                           : wants;
}

/* ------------------------------------------------------------------------- tokens */

/* Of its end, which is of a signature: that of the tokens that are remembered is as good as random,
 * and nobody can choose it. */
static unsigned hash_of(const char *key, size_t len) {
    uint64_t end;

    memcpy(&end, key + len - sizeof end, sizeof end);
    return (unsigned)(end * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

static void make_key(struct remembered *key, const char *token, size_t len) {
    key->at = token;
    key->len = len;
    if (len <= CRYPTO_SHA256 || len > SHORT) {
        crypto_sha256(token, len, key->digest);
        key->at = (const char *)key->digest;
        key->len = sizeof key->digest;
    }
    key->hash = hash_of(key->at, key->len);
}

static struct identity *recall(struct credentials *credentials, const struct remembered *key,
                               double now) {
    struct verified *verified;

    HASH_FIND_BYHASHVALUE(hh, credentials->verified, key->at, key->len, key->hash, verified);
    if (verified == NULL)
        return NULL;
    if (verified->who->expires > now)
        return identity_hold(verified->who);
    forget(credentials, verified);
    return NULL;
}

static void remember(struct credentials *credentials, const struct remembered *key,
                     const struct identity *who) {
    struct verified *verified = mem_new(sizeof *verified + key->len);

    if (HASH_COUNT(credentials->verified) >= CREDENTIALS_MAX)
        forget(credentials, credentials->verified);
    memcpy(verified->key, key->at, key->len);
    verified->who = identity_hold(who);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, credentials->verified, verified->key, key->len, key->hash,
                                verified);
}

void credentials_know(struct credentials *credentials, struct identity *who, double now) {
    if (credentials != NULL && credentials->revoked != NULL)
        revoked_heed(credentials->revoked, who, now);
}

struct identity *credentials_token(struct credentials *credentials, const char *token, size_t len,
                                   double now, struct problem *problem) {
    enum token_fault fault = TOKEN_BAD;
    struct remembered key;

    make_key(&key, token, len);
    struct identity *who = recall(credentials, &key, now);
    if (who != NULL)
        return who;
    who = token_read(credentials->config, credentials->keys, token, len, now, &fault);
    if (who == NULL) {
        problem_set(problem, 401, "token: it %s", token_words(fault));
        return NULL;
    }
    credentials_know(credentials, who, now);
    if (who->revoked) {
        problem_set(problem, 401, "token: it was revoked");
        identity_free(who);
        return NULL;
    }
    remember(credentials, &key, who);
    return who;
}

/* What was found of one kind: a token, borrowed, and whether another one stands beside it. */
struct found {
    const char *at;
    size_t len;
    bool differs;
};

static void note(struct found *found, const char *at, size_t len) {
    if (found->at == NULL)
        *found = (struct found){at, len, false};
    else if (found->len != len || memcmp(found->at, at, len) != 0)
        found->differs = true;
}

/* Elements of a list that begin with a word, in whatever case: what stands behind it. */
static void look_in_list(struct found *found, const char *list, const char *word,
                         const char *marks) {
    size_t len = strlen(word);

    for (const char *at = list; *at != '\0'; at += strspn(at, marks)) {
        size_t end = strcspn(at, marks);
        if (end >= len && strncasecmp(at, word, len) == 0)
            note(found, at + len, end - len);
        at += end;
    }
}

/* Fields that stand there twice are one list (RFC 9110 §5.3); a scheme is followed by blanks. */
static void look_in_field(struct found *found, const char *field) {
    for (const char *at = field; *at != '\0'; at += strspn(at, ", \t")) {
        size_t element = strcspn(at, ","), end = element;
        if (end > 7 && strncasecmp(at, "Bearer ", 7) == 0) {
            size_t skipped = 7 + strspn(at + 7, " ");
            while (end > skipped && (at[end - 1] == ' ' || at[end - 1] == '\t'))
                end--;
            note(found, at + skipped, end - skipped);
        }
        at += element;
    }
}

static void look_in_parameters(struct found *found, const struct params *params) {
    for (size_t i = 0; i < params->count; i++) {
        const struct param *param = &params->items[i];
        if (strcmp(param->name, "token") == 0)
            note(found, param->value, param->value_len);
    }
}

/* Cookies are compared as they are named, case and all (RFC 6265 §5.3); an empty one is what a site
 * leaves of one that it took away. */
static void look_in_cookies(struct found *found, const char *cookies, const char *name) {
    size_t len = strlen(name);

    for (const char *at = cookies; *at != '\0'; at += strspn(at, "; \t")) {
        size_t end = strcspn(at, ";");
        if (end > len + 1 && strncmp(at, name, len) == 0 && at[len] == '=')
            note(found, at + len + 1, end - len - 1);
        at += end;
    }
}

/* What is said on purpose goes before what a browser adds by itself. */
static struct found look(const struct credentials *credentials, const struct request *request,
                         bool trusted) {
    const char *cookie = credentials->config->token_cookie;
    struct found found = {NULL, 0, false};

    look_in_field(&found, request->authorization);
    if (found.at == NULL)
        look_in_parameters(&found, &request->params);
    if (found.at == NULL)
        look_in_list(&found, request->socket_protocol, "bearer.", ", \t");
    if (found.at == NULL && cookie[0] != '\0' && trusted)
        look_in_cookies(&found, request->cookie, cookie);
    return found;
}

/* ------------------------------------------------------------------------- logins */

static bool find_login(struct request *request, struct problem *problem) {
    const char *user = request->remote_user;

    if (user[0] == '\0')
        return true;
    if (!identity_names(user, strlen(user)) || strlen(request->groups) > IDENTITY_GROUPS_MAX) {
        problem_set(problem, 401,
                    "login: a user's name must be 1 to %d bytes without control "
                    "characters, and all groups %d bytes at most",
                    IDENTITY_USER_MAX, IDENTITY_GROUPS_MAX);
        return false;
    }
    request->who = identity_new(user, request->groups);
    return true;
}

/* ----------------------------------------------------------------------- the site */

/* He is asked after by what he brings, if this site or one that is listed has made him bring it;
 * `who` is let go. */
static struct identity *ask_after(struct credentials *credentials, const struct identity *who,
                                  struct asked *asked, double now) {
    struct identity *asking = identity_asking((struct identity *)(uintptr_t)who, asked);

    if (asking->expires > 0)
        credentials_know(credentials, asking, now);
    return asking;
}

static void ask_after_sender(struct credentials *credentials, struct request *request, bool trusted,
                             double now) {
    struct asked *asked = asked_new(credentials->asker, trusted ? request->cookie : "",
                                    trusted ? request->authorization : "", request->remote_addr);

    request->who = ask_after(credentials, request->who, asked, now);
    asked_free(asked);
}

/* ------------------------------------------------------------------------- requests */

/* By a token, or by the login. */
static bool find_known(struct credentials *credentials, struct request *request, bool trusted,
                       double now, struct problem *problem) {
    struct found found = {NULL, 0, false};

    if (reads_tokens(credentials))
        found = look(credentials, request, trusted);
    if (found.differs) {
        problem_set(problem, 400, "token: there are two that differ");
        return false;
    }
    if (found.at == NULL)
        return !trusted || find_login(request, problem);
    char *token = mem_copy(found.at, found.len);
    request->who = credentials_token(credentials, token, found.len, now, problem);
    explicit_bzero(token, found.len);
    free(token);
    return request->who != NULL;
}

bool credentials_find(struct credentials *credentials, struct request *request, bool scripted,
                      double now, struct problem *problem) {
    const struct config *config = credentials != NULL ? credentials->config : NULL;

    if (config != NULL && request->login_fault != NULL) {
        problem_set(problem, 400, "login: %s", request->login_fault);
        return false;
    }
    if (config == NULL || request->who != NULL ||
        (!reads_tokens(credentials) && !rights_wanted(config)))
        return true;
    bool trusted = !scripted && site_trusts(&request->claims, request->referer, config->origins);
    if (!find_known(credentials, request, trusted, now, problem))
        return false;
    if (credentials->asker != NULL && !scripted)
        ask_after_sender(credentials, request, trusted, now);
    return true;
}

bool credentials_renew(struct credentials *credentials, const struct identity **who,
                       struct scan_value token, double now, struct problem *problem) {
    bool reads = credentials != NULL && reads_tokens(credentials);
    size_t len = 0;
    char *text = scan_is_string(token) ? json_unquote(token.at, token.len, &len) : NULL;
    struct identity *next = NULL;

    if (!reads || text == NULL)
        problem_set(problem, 400, "token: %s", reads ? "must be a string" : "none is read here");
    else
        next = credentials_token(credentials, text, len, now, problem);
    if (text != NULL)
        explicit_bzero(text, len);
    free(text);
    if (next != NULL && identity_known(*who) && strcmp((*who)->user, next->user) != 0) {
        problem_set(problem, 403, "token: it is for another user than this connection's");
        identity_free(next);
        next = NULL;
    }
    if (next == NULL)
        return false;
    if (identity_asked(*who) != NULL)
        next = ask_after(credentials, next, (*who)->asked, now);
    identity_free(*who);
    *who = next;
    return true;
}
