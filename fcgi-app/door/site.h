/*
 * Where a request comes from, as far as it is to be believed: which site's page made it,
 * and whether its sender is on this machine. Pure functions, for requests of every door.
 */
#ifndef HALLEY_SITE_H
#define HALLEY_SITE_H

#include <stdbool.h>

/* What a request says of the page that made it; none is NULL. */
struct site_claims {
    const char *origin;         /* Origin (RFC 6454 §7) */
    const char *fetch_site;     /* Sec-Fetch-Site (W3C Fetch Metadata §2.3) */
    const char *host;           /* Host */
    const char *forwarded_host; /* X-Forwarded-Host: hosts, commas between them */
};

/*
 * Whether the page may change things here: it is one of this host, or of a site that `origins`
 * (the option) names. What tells nothing of a page is no browser, and may.
 */
bool site_allows(const struct site_claims *claims, const char *origins);

/*
 * Whether what a browser adds to each request by itself, a login or a cookie, is its user's word
 * here: as above, but the page must be of this host or of a site that `origins` lists word for
 * word. Where neither Origin nor Sec-Fetch-Site says which page it is, `referer` does, or "".
 */
bool site_trusts(const struct site_claims *claims, const char *referer, const char *origins);

/*
 * Whether a frame, or a script, of the page may be answered: as site_allows(), but these come
 * without an Origin, so that where Sec-Fetch-Site does not say that the page is of this host,
 * `referer` must, or name a site of `origins`. Where it says nothing of a page it may.
 */
bool site_shows(const struct site_claims *claims, const char *referer, const char *origins);

/* What `origins` (the option) says of an origin. */
enum site_listing {
    SITE_UNLISTED,
    SITE_ANYBODY, /* not by its name, but as anybody: "*" */
    SITE_LISTED   /* word for word */
};
enum site_listing site_listing(const char *origin, const char *origins);

/*
 * Whether the sender is on this machine: loopback, or a unix socket. `address` is what the
 * web server calls it (REMOTE_ADDR). `proxied`: the request came through another proxy, so
 * that the address is only that proxy's.
 */
bool site_local(const char *address, bool proxied);

#endif
