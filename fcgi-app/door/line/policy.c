/*
 * The policy names hosts, where the option names origins: schemes and ports of pages are left
 * out, as Flash does not look at them. `null` is no host. A site that is to connect must be
 * listed, this one too: nobody knows here by which names it is called.
 */
#include "fcgi-app/door/line/policy.h"

#include <stdio.h>
#include <string.h>

/* A host may hold anything that a configuration may; a quotation mark ends no attribute. */
static void put_escaped(struct buf *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (strchr("&<>\"'", text[i]) != NULL)
            buf_printf(out, "&#%d;", text[i]);
        else
            buf_char(out, text[i]);
    }
}

/* The host of an origin of `len` bytes; `*len` becomes that of the host. */
static const char *host_of(const char *origin, size_t *len) {
    const char *scheme = memmem(origin, *len, "://", 3);
    const char *host = scheme != NULL ? scheme + 3 : origin;
    size_t rest = *len - (size_t)(host - origin);
    const char *from = rest > 0 && *host == '[' ? memchr(host, ']', rest) : host;
    const char *end = from == NULL ? NULL : memchr(from, ':', rest - (size_t)(from - host));

    *len = end != NULL ? (size_t)(end - host) : rest;
    return host;
}

void policy_put(struct buf *out, const char *origins, unsigned port) {
    char ports[16] = "*";

    if (port != 0)
        snprintf(ports, sizeof ports, "%u", port);
    buf_text(out, "<?xml version=\"1.0\"?>\n<cross-domain-policy>\n");
    for (const char *at = origins; *at != '\0'; at += strspn(at, " \t")) {
        size_t word = strcspn(at, " \t"), len = word;
        const char *host = host_of(at, &len);
        if (len > 0 && !(word == 4 && memcmp(at, "null", 4) == 0)) {
            buf_text(out, "  <allow-access-from domain=\"");
            put_escaped(out, host, len);
            buf_printf(out, "\" to-ports=\"%s\"/>\n", ports);
        }
        at += word;
    }
    buf_text(out, "</cross-domain-policy>\n");
    buf_char(out, '\0');
}
