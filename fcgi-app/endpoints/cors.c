/*
 * An origin that is listed word for word is echoed, and may send credentials. `*` is
 * everybody else: they may read what anybody may read, so a browser is to send no
 * credentials for them, and is told so by the star.
 */
#include "fcgi-app/endpoints/cors.h"

#include <string.h>

#define OWN_FIELDS "authorization, content-type, idempotency-key, last-event-id"
#define FOR_LONG   "600" /* seconds for which a browser need not ask again */

enum { ASKED_MAX = 1024 }; /* bytes of a list of fields that is granted as it was asked for */

void cors_put(const struct request *request, const char *origins, struct buf *out) {
    const char *origin = request->claims.origin;

    if (origin[0] == '\0')
        return;
    switch (site_listing(origin, origins)) {
    case SITE_UNLISTED:
        buf_text(out, "Vary: Origin\r\n");
        return;
    case SITE_ANYBODY:
        buf_text(out, "Access-Control-Allow-Origin: *\r\nVary: Origin\r\n");
        break;
    case SITE_LISTED:
        buf_printf(out,
                   "Access-Control-Allow-Origin: %s\r\n"
                   "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n",
                   origin);
        break;
    }
    buf_text(out, "Access-Control-Expose-Headers: Retry-After\r\n");
}

/* Whether a word of `origins` can be told to a browser: `null`, for one, cannot. */
static bool is_source(const char *word, size_t len) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~:/[]";
    bool everybody = len == 1 && word[0] == '*';
    return everybody || (strspn(word, letters) >= len && memmem(word, len, "://", 3) != NULL);
}

void cors_put_ancestors(const char *origins, struct buf *out) {
    buf_text(out, "Content-Security-Policy: frame-ancestors 'self'");
    for (const char *at = origins; *at != '\0'; at += strspn(at, " \t")) {
        size_t len = strcspn(at, " \t");
        if (len > 0 && is_source(at, len))
            buf_printf(out, " %.*s", (int)len, at);
        at += len;
    }
    buf_text(out, "\r\n");
}

bool cors_is_list(const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789!#$%&'*+-.^_`|~, \t";
    size_t len = strlen(text);
    return len > 0 && len <= ASKED_MAX && strspn(text, letters) == len;
}

void cors_put_preflight(const struct request *request, const char *origins, const char *methods,
                        struct buf *out) {
    enum site_listing listing = site_listing(request->claims.origin, origins);
    bool more = listing == SITE_LISTED && cors_is_list(request->asked_headers);

    if (request->claims.origin[0] == '\0' || listing == SITE_UNLISTED ||
        request->asked_method[0] == '\0')
        return;
    buf_printf(out,
               "Access-Control-Allow-Methods: %s\r\n"
               "Access-Control-Allow-Headers: " OWN_FIELDS "%s%s\r\n"
               "Access-Control-Max-Age: " FOR_LONG "\r\n",
               methods, more ? ", " : "", more ? request->asked_headers : "");
}
