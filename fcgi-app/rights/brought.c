/*
 * What a visitor brings, and how it stands in a question about him.
 */
#include "fcgi-app/rights/brought.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

/* A field's line; NULL: there is nothing in it, or more than a line. */
static char *field(const char *name, const char *value) {
    struct buf line = buf_make(BROUGHT_MAX);

    if (value[0] == '\0' || strlen(value) > BROUGHT_MAX / 2)
        return NULL;
    for (const char *at = value; *at != '\0'; at++) {
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
            return NULL;
    }
    buf_printf(&line, "%s: %s", name, value);
    buf_char(&line, '\0');
    return line.data;
}

/* Whether a word about who somebody is may count for the whole connection (RFC 4559 §6). */
static bool is_of_connection(const char *authorization) {
    return strncasecmp(authorization, "Negotiate", 9) == 0 ||
           strncasecmp(authorization, "NTLM", 4) == 0;
}

static void make_digest(struct brought *brought) {
    struct buf text = buf_make(SIZE_MAX / 2);

    buf_text(&text, brought->cookie != NULL ? brought->cookie : "");
    buf_char(&text, '\0');
    buf_text(&text, brought->authorization != NULL ? brought->authorization : "");
    buf_char(&text, '\0');
    buf_text(&text, brought->address);
    crypto_sha256(text.data, text.len, brought->digest);
    explicit_bzero(text.data, text.len);
    buf_free(&text);
}

void brought_take(struct brought *brought, const char *cookie, const char *authorization,
                  const char *address) {
    *brought = (struct brought){.cookie = field("Cookie", cookie),
                                .authorization = field("Authorization", authorization),
                                .address = mem_string(address),
                                .alone = is_of_connection(authorization)};
    make_digest(brought);
}

static void free_secret(char *text) {
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

void brought_free(struct brought *brought) {
    free_secret(brought->cookie);
    free_secret(brought->authorization);
    free(brought->address);
}

/* Everything but what needs no such thing (RFC 3986 §2.3). */
static void put_encoded(struct buf *out, const char *text, size_t len) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\0' && strchr(plain, text[i]) != NULL)
            buf_char(out, text[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)text[i]);
    }
}

char *brought_url(const struct brought *brought, const char *url, const char *verb,
                  const char *channel, size_t len) {
    struct buf out = buf_make(SIZE_MAX / 2);

    buf_text(&out, url);
    buf_text(&out, strchr(url, '?') != NULL ? "&channel=" : "?channel=");
    put_encoded(&out, channel, len);
    buf_printf(&out, "&verb=%s&address=", verb);
    put_encoded(&out, brought->address, strlen(brought->address));
    buf_char(&out, '\0');
    return out.data;
}
