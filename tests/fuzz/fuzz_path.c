/* Paths: params_decode() against a plain reading of what it promises, and mount_endpoint()
 * against a web server that decodes and tidies as much as any does.
 *
 * The input is three texts, ended by line ends: the URI, what the server made of it, and
 * the mount (without a slash at its end). The law: an endpoint below the mount is what was
 * sent, byte for byte; and one that was rewritten was sent as no spelling of a path there.
 */
#include "fcgi-app/door/mount.h"
#include "fcgi-app/door/params.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One line of the input, as a string of its own. */
static char *take_text(const uint8_t **data, size_t *size) {
    const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
    size_t len = end != NULL ? (size_t)(end - *data) : *size, used = end != NULL ? len + 1 : len;
    char *text = calloc(1, len + 1);

    if (text == NULL)
        abort();
    if (len > 0)
        memcpy(text, *data, len);
    text[len] = '\0';
    *data += used;
    *size -= used;
    return text;
}

static int hex(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* The decoded bytes into `out`; -1 where a % is followed by anything else. */
static long decode(const char *text, size_t len, int form, char *out) {
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%') {
            if (i + 2 >= len || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return -1;
            out[used++] = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            out[used++] = (char)(text[i] == '+' && form ? ' ' : text[i]);
        }
    }
    return (long)used;
}

static void check_decoding(const char *text, int form) {
    size_t len = strlen(text);
    char *in_place = strdup(text), *plain = calloc(1, len + 1);

    if (in_place == NULL || plain == NULL)
        abort();
    long got = params_decode(in_place, len, form), wanted = decode(text, len, form, plain);
    if (got != wanted || (got > 0 && memcmp(in_place, plain, (size_t)got) != 0))
        abort();
    free(in_place);
    free(plain);
}

/* What the loosest server makes of a path: decoded, backslashes turned, parameters and what
 * stands behind a NUL or # forgotten, empty and dotted segments resolved. */
static char *tidied(const char *path) {
    size_t len = strlen(path), used = 0;
    char *text = calloc(1, len + 2), *out = calloc(1, len + 2);

    if (text == NULL || out == NULL)
        abort();
    long decoded = decode(path, len, 0, text);
    text[decoded < 0 ? 0 : decoded] = '\0';
    text[strcspn(text, "#")] = '\0';
    for (char *at = text; (at = strchr(at, '\\')) != NULL;)
        *at = '/';
    for (char *at = text; *at != '\0';) {
        at += strspn(at, "/");
        size_t segment = strcspn(at, "/"), name = strcspn(at, "/;");
        if (name == 2 && memcmp(at, "..", 2) == 0) {
            while (used > 0 && out[--used] != '/')
                ;
        } else if (name > 0 && !(name == 1 && *at == '.')) {
            out[used++] = '/';
            memcpy(out + used, at, name);
            used += name;
        }
        at += segment;
    }
    out[used] = '\0';
    free(text);
    return out;
}

static void check_mount(const char *mount, const char *uri, const char *served) {
    size_t len, mount_len = strlen(mount);
    bool rewritten;
    const char *path = mount_path(uri, &len);
    char *sent = strndup(path, len);

    if (sent == NULL || path < uri || path + len > uri + strlen(uri))
        abort();
    const char *name = mount_endpoint(mount, sent, served, &rewritten);
    const char *whole = rewritten || sent[0] == '\0' ? served : sent;
    if (name != NULL && (strncmp(whole, mount, mount_len) != 0 || whole[mount_len] != '/' ||
                         name != whole + mount_len + 1))
        abort();
    if (name != NULL && rewritten) {
        char *seen = tidied(sent);
        if (strncasecmp(seen, mount, mount_len) == 0 &&
            (seen[mount_len] == '/' || seen[mount_len] == '\0'))
            abort();
        free(seen);
    }
    (void)mount_elsewhere(mount, sent);
    free(sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *uri = take_text(&data, &size), *served = take_text(&data, &size);
    char *mount = take_text(&data, &size);

    check_decoding(uri, 0);
    check_decoding(uri, 1);
    check_mount("/comet", uri, served);
    check_mount("/comet", uri, "/comet/publish");
    check_mount("", uri, served);
    if (mount[0] == '/' && strlen(mount) > 1 &&
        strspn(mount, "/abcdefghijklmnopqrstuvwxyz") == strlen(mount) &&
        mount[strlen(mount) - 1] != '/' && strstr(mount, "//") == NULL)
        check_mount(mount, uri, served);
    free(uri);
    free(served);
    free(mount);
    return 0;
}
