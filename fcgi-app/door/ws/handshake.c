/*
 * Parses handshakes, by http_parser, and checks them: method, version, upgrade,
 * key, and where the page comes from. A page of another site may open a
 * WebSocket to this one without asking, so its Origin must be this host's, or
 * one that `origins` names.
 *
 * Pure functions: the bytes come from whoever reads the socket.
 */
#include "fcgi-app/door/ws/handshake.h"

#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/crypto.h"
#include "core/base/mem.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 §1.3 */

enum { KEY_TEXT = 24 };

enum field {
    FIELD_HOST,
    FIELD_FORWARDED_HOST,
    FIELD_FORWARDED_FOR,
    FIELD_ORIGIN,
    FIELD_UPGRADE,
    FIELD_CONNECTION,
    FIELD_KEY,
    FIELD_VERSION,
    FIELD_LAST_EVENT_ID,
    FIELD_COUNT
};
static const char *const field_names[] = {
    "Host",       "X-Forwarded-Host",  "X-Forwarded-For",       "Origin",       "Upgrade",
    "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Last-Event-ID"};

struct handshake {
    struct buf url;
    struct buf name; /* of the header that is being read */
    struct buf fields[FIELD_COUNT];
    unsigned seen[FIELD_COUNT]; /* how many headers each of them had */
    bool in_value;
    bool complete;
};

static int on_url(http_parser *parser, const char *at, size_t len) {
    struct handshake *handshake = parser->data;
    buf_add(&handshake->url, at, len);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t len) {
    struct handshake *handshake = parser->data;
    if (handshake->in_value)
        buf_clear(&handshake->name);
    handshake->in_value = false;
    buf_add(&handshake->name, at, len);
    return 0;
}

/* Which of the fields the header is that is being read; FIELD_COUNT: none of them. */
static int field_of(const struct buf *name) {
    int i = 0;
    while (i < FIELD_COUNT && (name->len == 0 || strcasecmp(name->data, field_names[i]) != 0))
        i++;
    return i;
}

/* What is said in several headers is one list (RFC 9110 §5.3); no value holds a NUL (§5.5). */
static int on_value(http_parser *parser, const char *at, size_t len) {
    struct handshake *handshake = parser->data;
    int which = field_of(&handshake->name);

    if (memchr(at, '\0', len) != NULL)
        return 1;
    if (which < FIELD_COUNT) {
        struct buf *value = &handshake->fields[which];
        if (!handshake->in_value && handshake->seen[which]++ > 0)
            buf_text(value, ", ");
        buf_add(value, at, len);
    }
    handshake->in_value = true;
    return 0;
}

/*
 * Blanks at the end of a value are no part of it (RFC 9112 §5.1). Nothing behind the header
 * is read here, whatever it is: not another request either.
 */
static int on_headers(http_parser *parser) {
    struct handshake *handshake = parser->data;

    for (int i = 0; i < FIELD_COUNT; i++) {
        struct buf *value = &handshake->fields[i];
        while (value->len > 0 && strchr(" \t", value->data[value->len - 1]) != NULL)
            value->data[--value->len] = '\0';
    }
    handshake->complete = true;
    return 2; /* so the parser stops */
}

static const char *field(const struct handshake *handshake, enum field which) {
    const char *text = handshake->fields[which].data;
    return text != NULL ? text : "";
}

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
static struct site_claims claims_of(const struct handshake *handshake) {
    return (struct site_claims){.origin = field(handshake, FIELD_ORIGIN),
                                .fetch_site = "",
                                .host = field(handshake, FIELD_HOST),
                                .forwarded_host = field(handshake, FIELD_FORWARDED_HOST)};
}

/* The address nearest to us that a proxy of ours wrote down: the last one. */
static const char *address_of(const char *forwarded) {
    const char *comma = strrchr(forwarded, ',');
    const char *from = comma != NULL ? comma + 1 : forwarded;
    return from + strspn(from, " ");
}

static struct request *request_of(const struct handshake *handshake) {
    const char *url = handshake->url.data != NULL ? handshake->url.data : "";
    struct said said;

    said_nothing(&said);
    said.of[SAID_METHOD] = "GET";
    said.of[SAID_URI] = url;
    said.of[SAID_LAST_EVENT_ID] = field(handshake, FIELD_LAST_EVENT_ID);
    said.of[SAID_REMOTE_ADDR] = address_of(field(handshake, FIELD_FORWARDED_FOR));
    said.of[SAID_HOST] = field(handshake, FIELD_HOST);
    said.of[SAID_ORIGIN] = field(handshake, FIELD_ORIGIN);
    said.of[SAID_FORWARDED_HOST] = field(handshake, FIELD_FORWARDED_HOST);
    return request_new(&said, NULL);
}

/* What RFC 6455 §4.2.1 asks of a handshake besides its version, in its order. */
static void check_request(const struct handshake *handshake, const http_parser *parser,
                          struct problem *problem) {
    if (parser->method != HTTP_GET) {
        problem_set(problem, 405, "method: must be GET");
        problem->allow = "GET";
    } else if (parser->http_major != 1 || parser->http_minor != 1) {
        problem_set(problem, 400, "Upgrade: must be websocket, in HTTP/1.1");
    } else if (handshake->seen[FIELD_HOST] != 1 || field(handshake, FIELD_HOST)[0] == '\0') {
        problem_set(problem, 400, "Host: must be there, once");
    } else if (!has_token(field(handshake, FIELD_UPGRADE), "websocket")) {
        problem_set(problem, 400, "Upgrade: must be websocket, in HTTP/1.1");
    } else if (!has_token(field(handshake, FIELD_CONNECTION), "upgrade")) {
        problem_set(problem, 400, "Connection: must be Upgrade");
    } else if (handshake->seen[FIELD_KEY] != 1 || !valid_key(field(handshake, FIELD_KEY))) {
        problem_set(problem, 400, "Sec-WebSocket-Key: must be 16 bytes in base64");
    }
}

static bool check(const struct handshake *handshake, const http_parser *parser, const char *origins,
                  struct problem *problem) {
    const struct site_claims claims = claims_of(handshake);

    check_request(handshake, parser, problem);
    if (problem->status != 0)
        return false;
    if (strcmp(field(handshake, FIELD_VERSION), "13") != 0) {
        problem_set(problem, 426, "Sec-WebSocket-Version: must be 13");
        problem->upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    } else if (!site_allows(&claims, origins)) {
        problem_set(problem, 403, "Origin: pages of that origin are not allowed");
    }
    return problem->status == 0;
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

static enum handshake_state judge(const struct handshake *handshake, const http_parser *parser,
                                  size_t len, const char *origins, struct problem *problem) {
    enum http_errno error = HTTP_PARSER_ERRNO(parser);

    if (!handshake->complete && error == HPE_OK && len < HANDSHAKE_MAX)
        return HANDSHAKE_PARTIAL;
    if (!handshake->complete) {
        if (error == HPE_OK)
            problem_set(problem, 413, "header: the most is %d bytes", HANDSHAKE_MAX);
        else
            problem_set(problem, 400, "request: must be HTTP/1.1");
        return HANDSHAKE_BAD;
    }
    return check(handshake, parser, origins, problem) ? HANDSHAKE_WHOLE : HANDSHAKE_BAD;
}

enum handshake_state handshake_parse(const char *data, size_t len, const char *origins,
                                     size_t *used, struct request **request, struct buf *accept,
                                     struct problem *problem) {
    const http_parser_settings settings = {.on_url = on_url,
                                           .on_header_field = on_name,
                                           .on_header_value = on_value,
                                           .on_headers_complete = on_headers};
    struct handshake handshake = {.url = buf_make(HANDSHAKE_MAX), .name = buf_make(HANDSHAKE_MAX)};
    http_parser parser;

    for (int i = 0; i < FIELD_COUNT; i++)
        handshake.fields[i] = buf_make(HANDSHAKE_MAX);
    memset(problem, 0, sizeof *problem);
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &handshake;
    *used = http_parser_execute(&parser, &settings, data, len);
    enum handshake_state state = judge(&handshake, &parser, len, origins, problem);
    if (state == HANDSHAKE_WHOLE) {
        *request = request_of(&handshake);
        (*request)->bytes = *used;
        put_accept(field(&handshake, FIELD_KEY), accept);
    }
    for (int i = 0; i < FIELD_COUNT; i++)
        buf_free(&handshake.fields[i]);
    buf_free(&handshake.url);
    buf_free(&handshake.name);
    return state;
}
