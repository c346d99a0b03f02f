/*
 * Reads addresses of sites that are asked.
 */
#include "core/config/authority.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

enum { HOST_MAX = 253 }; /* bytes: RFC 1035 §2.3.4 */

/* Nothing that would be another thing in a request, or in another program's eyes. */
static bool is_plain(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~' || strchr("#\\\"<>^`{|}", *text) != NULL)
            return false;
    }
    return true;
}

static bool is_loopback(const char *host, size_t len) {
    char text[HOST_MAX + 1];
    struct in_addr address;

    memcpy(text, host, len);
    text[len] = '\0';
    return strcasecmp(text, "localhost") == 0 || strcmp(text, "[::1]") == 0 ||
           (inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* Up to the port, or what follows; 0: it is none. */
static size_t host_length(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."
                                  "_";
    size_t len;

    if (text[0] == '[') {
        len = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        len = text[len] == ']' ? len + 1 : 0;
    } else {
        len = strspn(text, letters);
    }
    return len <= HOST_MAX ? len : 0;
}

static bool is_port(const char *digits, size_t len) {
    return len > 0 && len <= 5 && strspn(digits, "0123456789") >= len && atoi(digits) <= 65535 &&
           atoi(digits) > 0;
}

static enum err parse_url(const char *text, size_t scheme, struct authority *authority) {
    const char *host = text + scheme;
    size_t len = host_length(host), end = strcspn(host, "/?");
    bool port = len > 0 && host[len] == ':' && is_port(host + len + 1, end - len - 1);

    if (len == 0 || (len != end && !port))
        return ERR_SYNTAX;
    *authority = (struct authority){.url = mem_string(text), .local = is_loopback(host, len)};
    return ERR_OK;
}

/* A socket's path ends where ":/" begins what is asked for there. */
static enum err parse_unix(const char *path, struct authority *authority) {
    const char *uri = strstr(path, ":/");
    struct buf url = buf_make(SIZE_MAX / 2);

    if (path[0] != '/' || uri == NULL ||
        (size_t)(uri - path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return ERR_SYNTAX;
    buf_text(&url, "http://localhost");
    buf_add(&url, uri + 1, strlen(uri)); /* with its end */
    *authority = (struct authority){
        .socket = mem_copy(path, (size_t)(uri - path)), .url = url.data, .local = true};
    return ERR_OK;
}

enum err authority_parse(const char *text, struct authority *authority) {
    if (!is_plain(text))
        return ERR_SYNTAX;
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, authority);
    if (strncasecmp(text, "http://", 7) == 0)
        return parse_url(text, 7, authority);
    return strncasecmp(text, "https://", 8) == 0 ? parse_url(text, 8, authority) : ERR_SYNTAX;
}

void authority_free(struct authority *authority) {
    free(authority->socket);
    free(authority->url);
    *authority = (struct authority){.url = NULL};
}
