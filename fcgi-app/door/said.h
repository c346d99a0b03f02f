/*
 * What requests say that somebody here needs, and what it is called: one table for all
 * doors. Pure functions.
 */
#ifndef HALLEY_SAID_H
#define HALLEY_SAID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * name, CGI variable (RFC 3875 §4.1), HTTP field ("": none), member of struct request, and
 * PLAIN: copied for every request;
 * DEAR:  long or seldom said, and needed by few: copied only for routes that want it;
 * DOORS: only a door itself looks at it, there is no member.
 */
#define SAID_LIST(X)                                                                               \
    X(METHOD, "REQUEST_METHOD", "", method, PLAIN)                                                 \
    X(URI, "REQUEST_URI", "", NOTHING, DOORS)                                                      \
    X(QUERY, "QUERY_STRING", "", query, PLAIN)                                                     \
    X(CONTENT_TYPE, "CONTENT_TYPE", "Content-Type", content_type, PLAIN)                           \
    X(CONTENT_LENGTH, "CONTENT_LENGTH", "", NOTHING, DOORS)                                        \
    X(FIELD_LENGTH, "HTTP_CONTENT_LENGTH", "", NOTHING, DOORS)                                     \
    X(TRANSFER_ENCODING, "HTTP_TRANSFER_ENCODING", "", NOTHING, DOORS)                             \
    X(LAST_EVENT_ID, "HTTP_LAST_EVENT_ID", "Last-Event-ID", last_event_id, PLAIN)                  \
    X(IDEMPOTENCY_KEY, "HTTP_IDEMPOTENCY_KEY", "Idempotency-Key", idempotency_key, PLAIN)          \
    X(REMOTE_ADDR, "REMOTE_ADDR", "", remote_addr, PLAIN)                                          \
    X(PATH_INFO, "PATH_INFO", "", NOTHING, DOORS)                                                  \
    X(SCRIPT_NAME, "SCRIPT_NAME", "", NOTHING, DOORS)                                              \
    X(SERVER_SOFTWARE, "SERVER_SOFTWARE", "", NOTHING, DOORS)                                      \
    X(REQUEST_LENGTH, "REQUEST_LENGTH", "", NOTHING, DOORS)                                        \
    X(HOST, "HTTP_HOST", "Host", claims.host, PLAIN)                                               \
    X(ORIGIN, "HTTP_ORIGIN", "Origin", claims.origin, PLAIN)                                       \
    X(FETCH_SITE, "HTTP_SEC_FETCH_SITE", "Sec-Fetch-Site", claims.fetch_site, PLAIN)               \
    X(FORWARDED_HOST, "HTTP_X_FORWARDED_HOST", "X-Forwarded-Host", claims.forwarded_host, PLAIN)   \
    X(REAL_IP, "HTTP_X_REAL_IP", "X-Real-IP", NOTHING, DOORS)                                      \
    X(VIA, "HTTP_VIA", "Via", NOTHING, DOORS)                                                      \
    X(FORWARDED_FOR, "HTTP_X_FORWARDED_FOR", "X-Forwarded-For", forwarded_for, DEAR)               \
    X(FORWARDED_PROTO, "HTTP_X_FORWARDED_PROTO", "X-Forwarded-Proto", forwarded_proto, DEAR)       \
    X(FORWARDED, "HTTP_FORWARDED", "Forwarded", forwarded, DEAR)                                   \
    X(COOKIE, "HTTP_COOKIE", "Cookie", cookie, DEAR)                                               \
    X(AUTHORIZATION, "HTTP_AUTHORIZATION", "Authorization", authorization, DEAR)                   \
    X(REMOTE_USER, "REMOTE_USER", "", remote_user, DEAR)                                           \
    X(AUTH_TYPE, "AUTH_TYPE", "", auth_type, DEAR)                                                 \
    X(GROUPS, "", "", groups, DEAR)                                                                \
    X(USER_FIELD, "", "", NOTHING, DOORS)                                                          \
    X(GROUP_FIELD, "", "", NOTHING, DOORS)                                                         \
    X(REFERER, "HTTP_REFERER", "Referer", referer, DEAR)                                           \
    X(IF_NONE_MATCH, "HTTP_IF_NONE_MATCH", "If-None-Match", if_none_match, DEAR)                   \
    X(ASKED_METHOD, "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "Access-Control-Request-Method",         \
      asked_method, DEAR)                                                                          \
    X(ASKED_HEADERS, "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "Access-Control-Request-Headers",      \
      asked_headers, DEAR)                                                                         \
    X(PROTOCOL, "SERVER_PROTOCOL", "", protocol, PLAIN)                                            \
    X(CONNECTION, "HTTP_CONNECTION", "Connection", connection, DEAR)                               \
    X(UPGRADE, "HTTP_UPGRADE", "Upgrade", upgrade, DEAR)                                           \
    X(SOCKET_KEY, "HTTP_SEC_WEBSOCKET_KEY", "Sec-WebSocket-Key", socket_key, DEAR)                 \
    X(SOCKET_PROTOCOL, "HTTP_SEC_WEBSOCKET_PROTOCOL", "Sec-WebSocket-Protocol", socket_protocol,   \
      DEAR)                                                                                        \
    X(SOCKET_VERSION, "HTTP_SEC_WEBSOCKET_VERSION", "Sec-WebSocket-Version", socket_version, DEAR)

enum said_what {
#define SAID_ENUM(name, variable, field, member, dear) SAID_##name,
    SAID_LIST(SAID_ENUM)
#undef SAID_ENUM
        SAID_COUNT
};

/* A set of them, by its bits. */
typedef uint64_t said_set;
#define SAID_BIT(what) ((said_set)1 << (what))

/* Each one `i` (an int) of a set. */
#define FOREACH_SAID(i, set)                                                                       \
    for (said_set left_ = (set); left_ != 0 && (i = __builtin_ctzll(left_), true);                 \
         left_ &= left_ - 1)

/*
 * What one request says: "" where it says nothing, never NULL. A field that stands there
 * several times is one list, its values joined by ", " (RFC 9110 §5.3); Cookie by "; ".
 */
struct said {
    const char *of[SAID_COUNT];
    said_set repeated; /* the fields that stand there several times, where a door can tell */
};

/*
 * Gives a row that has none in the table the names by which the configuration calls it, which are
 * borrowed for good. Before any name is looked up.
 */
void said_call(enum said_what what, const char *variable, const char *field);

/* Nothing is said yet. */
void said_nothing(struct said *said);

/* Which one has that name, a CGI variable's (exactly) or a field's (in any case); -1: none. */
int said_by_variable(const char *name, size_t len);
int said_by_field(const char *name, size_t len);

/* Whether any field says that another proxy stands between the sender and the web server. */
bool said_by_a_proxy(const struct said *said);

/* Whether it brings something by which somebody may be known, cookies aside. */
bool said_credential(const struct said *said);

#endif
