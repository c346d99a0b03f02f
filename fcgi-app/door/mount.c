/*
 * Finds the endpoint in a path. A web server decides by a path who may do what, and it
 * decodes and tidies the path for that; Halley must never see another endpoint than those
 * rules did. So below the mount a path is an endpoint as it was sent, byte for byte, or it
 * is none: no encoded letter, no "..", no doubled slash leads to one.
 *
 * A site may give an endpoint another address, by its server's rewriting. The URI is then a
 * path outside the mount, and what the server made of it stands in SCRIPT_NAME and
 * PATH_INFO, which no visitor can set. That is believed where the URI could not be just
 * another spelling of a path below the mount.
 *
 * Pure functions; called for each request.
 */
#include "fcgi-app/door/mount.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "fcgi-app/door/params.h"

/* What stands behind the host of a target that is a URL. */
static const char *behind_host(const char *uri) {
    size_t scheme =
        strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    if (scheme == 0 || strncmp(uri + scheme, "://", 3) != 0)
        return uri;
    const char *host = uri + scheme + 3;
    size_t host_len = strcspn(host, "/?#");
    return host_len > 0 ? host + host_len : uri;
}

const char *mount_path(const char *uri, size_t *len) {
    if (uri[0] != '/')
        uri = behind_host(uri);
    *len = strcspn(uri, "?");
    return uri;
}

/* What stands behind the mount and its slash, or NULL. */
static const char *below(const char *mount, const char *path) {
    size_t len = strlen(mount);
    return strncmp(path, mount, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

/* Whether a segment, up to its parameters (";"), names a folder and not something in it. */
static bool is_dots(const char *segment, size_t len) {
    const char *end = memchr(segment, ';', len);
    size_t name = end != NULL ? (size_t)(end - segment) : len;
    return name <= 2 && strspn(segment, ".") >= name;
}

/* Whether a decoded path has no second spelling: no empty segment but the last, no dots. */
static bool is_plain(const char *path) {
    if (path[0] != '/' || strpbrk(path, "\\#") != NULL)
        return false;
    for (const char *at = path; at[0] == '/';) {
        size_t len = strcspn(at + 1, "/");
        bool last = at[1 + len] == '\0';
        if (is_dots(at + 1, len) && !(last && len == 0))
            return false;
        at += 1 + len;
    }
    return true;
}

/* Whether a path, read as loosely as any server may read it, lies outside the mount. */
static bool is_foreign(const char *mount, const char *sent) {
    size_t len = strlen(sent), mount_len = strlen(mount);
    char *path = mem_copy(sent, len);
    long decoded = params_decode(path, len, 0);
    bool whole = decoded >= 0 && memchr(path, '\0', (size_t)decoded) == NULL;

    if (whole)
        path[decoded] = '\0';
    bool foreign = whole && is_plain(path) &&
                   (strncasecmp(path, mount, mount_len) != 0 ||
                    (path[mount_len] != '\0' && strchr("/;", path[mount_len]) == NULL));
    free(path);
    return foreign;
}

static bool same(const char *own, const char *theirs) {
    return strcmp(own, theirs) == 0;
}

/* Whether a path decodes to another. */
static bool decodes_to(const char *own, const char *theirs) {
    size_t len = strlen(own);

    if (same(own, theirs))
        return true;
    char *path = mem_copy(own, len);
    long decoded = params_decode(path, len, 0);
    bool equal = decoded >= 0 && (size_t)decoded == strlen(theirs) &&
                 memcmp(path, theirs, (size_t)decoded) == 0;
    free(path);
    return equal;
}

static const char *find(const char *mount, const char *sent, const char *served, bool *rewritten,
                        bool (*agree)(const char *own, const char *theirs)) {
    const char *own = below(mount, sent), *theirs = below(mount, served);

    *rewritten = own == NULL && theirs != NULL && sent[0] != '\0';
    if (own != NULL) /* the server's rules must not have seen another one */
        return theirs == NULL || agree(own, theirs) ? own : NULL;
    return !*rewritten || is_foreign(mount, sent) ? theirs : NULL;
}

const char *mount_endpoint(const char *mount, const char *sent, const char *served,
                           bool *rewritten) {
    return find(mount, sent, served, rewritten, same);
}

const char *mount_service(const char *mount, const char *sent, const char *served,
                          bool *rewritten) {
    return find(mount, sent, served, rewritten, decodes_to);
}

const char *mount_elsewhere(const char *mount, const char *sent) {
    const char *slash = strrchr(sent, '/');
    return slash != NULL && below(mount, sent) == NULL ? slash + 1 : NULL;
}
