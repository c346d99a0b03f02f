/*
 * Judges origins and addresses.
 *
 * A page of another site can make a visitor's browser send a request here, with cookies,
 * but it cannot choose what the browser says of it in Origin and Sec-Fetch-Site, nor set
 * Host; X-Forwarded-Host it could set only after a preflight that Halley does not grant.
 *
 * Schemes are not compared: behind a proxy that ends TLS nobody knows the browser's. They
 * only say which port is meant where none is written.
 */
#include "fcgi-app/door/site.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SITE_ORIGIN = 300 /* bytes */ };

/* A host and its port, taken apart; borrowed. */
struct authority {
    const char *host;
    size_t len; /* without a final dot */
    unsigned long port;
};

/* Takes "host[:port]" apart. False: it is none. */
static bool parse_authority(const char *text, size_t len, unsigned long port,
                            struct authority *out) {
    size_t host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");
    char digits[8] = "";

    if (host > len)
        host = len;
    size_t rest = len - host;
    if (host == 0 || rest >= sizeof digits || (rest > 0 && text[host] != ':') ||
        strcspn(text, "/?#@, \t") < len)
        return false;
    if (rest > 1) {
        memcpy(digits, text + host + 1, rest - 1);
        if (strspn(digits, "0123456789") != rest - 1)
            return false;
        port = strtoul(digits, NULL, 10);
    }
    *out = (struct authority){text, host > 1 && text[host - 1] == '.' ? host - 1 : host, port};
    return true;
}

/* Whether a Host is that of an origin; the port that it does not say is that of `scheme`. */
static bool is_host(const struct authority *origin, unsigned long scheme, const char *host,
                    size_t len) {
    struct authority own;

    return parse_authority(host, len, scheme, &own) && own.port == origin->port &&
           own.len == origin->len && strncasecmp(own.host, origin->host, own.len) == 0;
}

/* Whether an origin is one of the hosts in a list with commas. */
static bool is_ours(const char *origin, const char *hosts) {
    unsigned long scheme = strncasecmp(origin, "https://", 8) == 0 ? 443 : 80;
    const char *name = strstr(origin, "://");
    struct authority authority;

    if (name == NULL || !parse_authority(name + 3, strlen(name + 3), scheme, &authority))
        return false;
    for (const char *at = hosts; *at != '\0'; at += strspn(at, ", \t")) {
        size_t len = strcspn(at, ", \t");
        if (is_host(&authority, scheme, at, len))
            return true;
        at += len;
    }
    return false;
}

/* Whether `list`, blanks between its words, holds `word`. */
static bool listed(const char *list, const char *word) {
    size_t wanted = strlen(word);

    for (const char *at = list; *at != '\0'; at += strspn(at, " \t")) {
        size_t len = strcspn(at, " \t");
        if (len > 0 && len == wanted && memcmp(at, word, len) == 0)
            return true;
        at += len;
    }
    return false;
}

enum site_listing site_listing(const char *origin, const char *origins) {
    if (origin[0] != '\0' && listed(origins, origin) && strcmp(origin, "*") != 0)
        return SITE_LISTED;
    return listed(origins, "*") ? SITE_ANYBODY : SITE_UNLISTED;
}

bool site_allows(const struct site_claims *claims, const char *origins) {
    const char *site = claims->fetch_site;
    bool from_here = site[0] == '\0' || strcmp(site, "same-origin") == 0 ||
                     strcmp(site, "none") == 0; /* typed in, or from a bookmark */

    if (site_listing(claims->origin, origins) != SITE_UNLISTED)
        return true;
    if (claims->origin[0] == '\0')
        return from_here;
    return strstr(site, "cross-site") == NULL && (is_ours(claims->origin, claims->host) ||
                                                  is_ours(claims->origin, claims->forwarded_host));
}

/* Whether the page is of this host. */
static bool own_page(const struct site_claims *claims, const char *origin) {
    return is_ours(origin, claims->host) || is_ours(origin, claims->forwarded_host);
}

/* The origin of a Referer, or as much of it as an origin can have. */
static void origin_of(const char *referer, char out[SITE_ORIGIN]) {
    const char *host = strstr(referer, "://");
    size_t len = host == NULL ? 0 : (size_t)(host - referer) + 3 + strcspn(host + 3, "/?#");

    len = len < SITE_ORIGIN ? len : 0;
    memcpy(out, referer, len);
    out[len] = '\0';
}

bool site_trusts(const struct site_claims *claims, const char *referer, const char *origins) {
    char origin[SITE_ORIGIN];
    const char *site = claims->fetch_site;

    if (claims->origin[0] != '\0')
        return site_listing(claims->origin, origins) == SITE_LISTED ||
               (strstr(site, "cross-site") == NULL && own_page(claims, claims->origin));
    if (site[0] != '\0' || referer[0] == '\0')
        return site[0] == '\0' || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
    origin_of(referer, origin);
    return site_listing(origin, origins) == SITE_LISTED || own_page(claims, origin);
}

bool site_shows(const struct site_claims *claims, const char *referer, const char *origins) {
    char origin[SITE_ORIGIN];
    struct site_claims page = *claims;

    if (claims->origin[0] != '\0' || referer[0] == '\0')
        return site_allows(claims, origins);
    origin_of(referer, origin);
    page.origin = origin[0] != '\0' ? origin : "null"; /* it hides where it is */
    return site_allows(&page, origins);
}

bool site_local(const char *address, bool proxied) {
    unsigned char ip[16];
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */
    static const unsigned char loopback[16] = {[15] = 1};               /* ::1 */

    if (proxied)
        return false;
    if (address[0] == '/' || strncmp(address, "unix:", 5) == 0)
        return true; /* lighttpd's and nginx's words for a unix socket */
    if (inet_pton(AF_INET, address, ip) == 1)
        return ip[0] == 127;
    if (inet_pton(AF_INET6, address, ip) != 1)
        return false;
    return memcmp(ip, loopback, sizeof ip) == 0 ||
           (memcmp(ip, mapped, sizeof mapped) == 0 && ip[12] == 127);
}
