/*
 * Checks handshakes: method, version, upgrade, key, and where the page comes from. A page of
 * another site may open a WebSocket to this one without asking, so its Origin must be this
 * host's, or one that `origins` names.
 */
#include "fcgi-app/door/ws/handshake.h"

#include <string.h>
#include <strings.h>

#include "core/base/crypto.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 §1.3 */

enum { KEY_TEXT = 24 };

/* Whether a list has a token in it, in any case (RFC 9110 §5.6.1). */
static bool has_token(const char *list, const char *token) {
    size_t len = strlen(token);

    while (*list != '\0') {
        list += strspn(list, " \t,");
        size_t end = strcspn(list, " \t,");
        if (end == len && strncasecmp(list, token, len) == 0)
            return true;
        list += end;
    }
    return false;
}

/* 16 bytes in base64: the last of 22 letters holds two bits of them (RFC 4648 §4). */
static bool valid_key(const char *key) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    return strlen(key) == KEY_TEXT && strspn(key, letters) == KEY_TEXT - 2 &&
           strcmp(key + KEY_TEXT - 2, "==") == 0;
}

/* Sec-Fetch-Site is not looked at: browsers do not agree what it is for a ws: URL. */
static bool may_open(const struct request *request, const char *origins) {
    struct site_claims claims = request->claims;

    claims.fetch_site = "";
    return site_allows(&claims, origins);
}

/* What RFC 6455 §4.2.1 asks of a handshake besides its version, in its order. */
static void check_request(const struct request *request, struct problem *problem) {
    if (strcmp(request->method, "GET") != 0) {
        problem_set(problem, 405, "method: must be GET");
        problem->allow = "GET";
    } else if (strcmp(request->protocol, "HTTP/1.1") != 0) {
        problem_set(problem, 400, "Upgrade: must be websocket, in HTTP/1.1");
    } else if (request->claims.host[0] == '\0') {
        problem_set(problem, 400, "Host: must be there, once");
    } else if (!has_token(request->upgrade, "websocket")) {
        problem_set(problem, 400, "Upgrade: must be websocket, in HTTP/1.1");
    } else if (!has_token(request->connection, "upgrade")) {
        problem_set(problem, 400, "Connection: must be Upgrade");
    } else if (!valid_key(request->socket_key)) {
        problem_set(problem, 400, "Sec-WebSocket-Key: must be 16 bytes in base64");
    }
}

static bool check(const struct request *request, const char *origins, bool known,
                  struct problem *problem) {
    memset(problem, 0, sizeof *problem);
    check_request(request, problem);
    if (problem->status != 0)
        return false;
    if (!known) {
        problem_set(problem, 426, "Sec-WebSocket-Version: must be 13");
        problem->upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    } else if (!may_open(request, origins)) {
        problem_set(problem, 403, "Origin: pages of that origin are not allowed");
    }
    return problem->status == 0;
}

bool handshake_check(const struct request *request, const char *origins, struct problem *problem) {
    return check(request, origins, strcmp(request->socket_version, "13") == 0, problem);
}

bool handshake_check_old(const struct request *request, const char *origins,
                         struct problem *problem) {
    const char *version = request->socket_version;
    bool old = strcmp(version, "7") == 0 || strcmp(version, "8") == 0;

    return check(request, origins, old || strcmp(version, "13") == 0, problem);
}

static void put_accept(const char *key, struct buf *accept) {
    unsigned char digest[CRYPTO_SHA1];
    struct buf text = buf_make(KEY_TEXT + sizeof GUID);

    buf_text(&text, key);
    buf_text(&text, GUID);
    crypto_sha1(text.data, text.len, digest);
    crypto_base64(accept, digest, sizeof digest);
    buf_free(&text);
}

/* Subprotocols are compared case and all (RFC 6455 §4.1). */
static bool offers_own(const char *list) {
    for (const char *at = list; *at != '\0'; at += strspn(at, ", \t")) {
        size_t len = strcspn(at, ", \t");
        if (len == 6 && memcmp(at, "halley", len) == 0)
            return true;
        at += len;
    }
    return false;
}

void handshake_put_answer(const struct request *request, struct buf *out) {
    buf_text(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    put_accept(request->socket_key, out);
    if (offers_own(request->socket_protocol)) /* a browser that offers some waits for one */
        buf_text(out, "\r\nSec-WebSocket-Protocol: halley");
    buf_text(out, "\r\n\r\n");
}
