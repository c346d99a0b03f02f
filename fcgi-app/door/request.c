/*
 * Makes requests. Everything is copied into one block, so that a request outlives what its
 * door has read; what is dear is looked at only where a request says some of it.
 *
 * The path and the query are those of the URI; SCRIPT_NAME and PATH_INFO, which web
 * servers split at different places, say together what the server made of the path.
 */
#include "fcgi-app/door/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "fcgi-app/door/mount.h"

enum { PATHS_ENDS = 3 }; /* bytes that end the path and the two that are served, said or not */

/* Where their members stand in struct request. */
static const size_t offsets[SAID_COUNT] = {
#define OFFSET_PLAIN(member)                         offsetof(struct request, member)
#define OFFSET_DEAR(member)                          offsetof(struct request, member)
#define OFFSET_DOORS(member)                         0
#define OFFSET(name, variable, field, member, class) [SAID_##name] = OFFSET_##class(member),
    SAID_LIST(OFFSET)
#undef OFFSET
};

/* Which are plain, and which are dear. */
#define SET_PLAIN(plain, dear) plain
#define SET_DEAR(plain, dear)  dear
#define SET_DOORS(plain, dear) 0
#define PLAIN_BIT(name, variable, field, member, class)                                            \
    | ((said_set)SET_##class(1, 0) << SAID_##name)
#define DEAR_BIT(name, variable, field, member, class)                                             \
    | ((said_set)SET_##class(0, 1) << SAID_##name)
static const said_set all_plain = 0 SAID_LIST(PLAIN_BIT), all_dear = 0 SAID_LIST(DEAR_BIT);

/* A request that says nothing. */
#define SILENT_PLAIN(member) .member = "",
#define SILENT_DEAR(member)  .member = "",
#define SILENT_DOORS(member)
#define SILENT(name, variable, field, member, class) SILENT_##class(member)
static const struct request silent = {SAID_LIST(SILENT).endpoint = "", .body = ""};
#undef SILENT

static const char **member_of(const struct request *request, int what) {
    return (const char **)(void *)((char *)(uintptr_t)request + offsets[what]);
}

/* Copies `len` bytes to `*at`, ends them with a NUL, and moves `*at` behind it. */
static char *put(char **at, const char *text, size_t len) {
    char *copy = *at;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

static char *put_text(char **at, const char *text) {
    return put(at, text, strlen(text));
}

/* SCRIPT_NAME and PATH_INFO one behind the other; some servers are told to say it in both. */
static char *put_served(char **at, const char *script, const char *info) {
    char *served = put_text(at, script);

    if (strcmp(script, info) == 0)
        return served;
    --*at;
    put_text(at, info);
    return served;
}

/* A web server need not say it: it stands in the URI. */
static const char *query_of(const struct said *said) {
    const char *sign;

    if (said->of[SAID_QUERY][0] != '\0')
        return said->of[SAID_QUERY];
    sign = strchr(said->of[SAID_URI], '?');
    return sign != NULL ? sign + 1 : "";
}

/* Those of which something is said. */
static said_set set_said(const struct said *said) {
    said_set set = 0;

    for (int i = 0; i < SAID_COUNT; i++)
        set |= (said_set)(said->of[i][0] != '\0') << i;
    return set;
}

/* What those of a set need, each with an end byte. */
static size_t room_for(const struct said *said, said_set set) {
    size_t size = 0;
    int i;

    FOREACH_SAID(i, set) {
        size += strlen(said->of[i]) + 1;
    }
    return size;
}

/* Fills the members of a set. */
static void put_all(struct request *request, const struct said *said, said_set set, char **at) {
    int i;

    FOREACH_SAID(i, set) {
        *member_of(request, i) = put_text(at, said->of[i]);
    }
}

/* Those of the dear ones that the taker wants are copied. */
static void take_dear(struct request *request, const struct said *said, said_set dear,
                      const struct request_taker *taker) {
    if (dear == 0 || taker == NULL || taker->wants == NULL)
        return;
    dear &= taker->wants(taker->ctx, request);
    if (dear == 0)
        return;
    char *at = request->dear_block = mem_new(room_for(said, dear));
    put_all(request, said, dear, &at);
}

struct request *request_new(const struct said *said, const struct request_taker *taker) {
    const char *query = query_of(said);
    said_set set = set_said(said),
             paths = SAID_BIT(SAID_URI) | SAID_BIT(SAID_SCRIPT_NAME) | SAID_BIT(SAID_PATH_INFO);
    size_t room = PATHS_ENDS + room_for(said, set & (all_plain | paths)) + strlen(query) + 1;
    struct request *request = mem_new(sizeof *request + room);
    char *at = request->text;
    size_t path_len;
    const char *path = mount_path(said->of[SAID_URI], &path_len);

    *request = silent;
    put_all(request, said, set & all_plain, &at);
    request->path = put(&at, path, path_len);
    request->served = put_served(&at, said->of[SAID_SCRIPT_NAME], said->of[SAID_PATH_INFO]);
    request->query_said = request->query[0] != '\0';
    if (!request->query_said && query[0] != '\0')
        request->query = put_text(&at, query);
    request->proxied = said_by_a_proxy(said);
    request->credential = said_credential(said);
    take_dear(request, said, set & all_dear, taker);
    return request;
}

void request_set_body(struct request *request, struct buf kept, size_t total, size_t announced) {
    request->body_over = total > kept.len;
    request->body_len = kept.len;
    request->body_short = announced > total;
    request->bytes += total;
    if (kept.len > 0)
        request->body = request->body_block = kept.data;
    else
        buf_free(&kept);
}

/* --------------------------------------------------------------------- its path */

/* Whether a segment, read as loosely as any browser or server may read it, is ".", ".." or
 * nothing, with or without parameters (";"). */
static bool is_dots(const char *at, size_t len) {
    size_t dots = 0;

    while (len > 0 && *at != ';') {
        size_t step = *at == '.' ? 1 : len >= 3 && strncasecmp(at, "%2e", 3) == 0 ? 3 : 0;
        if (step == 0 || ++dots > 2)
            return false;
        at += step;
        len -= step;
    }
    return true;
}

/* Cuts the endpoint into its segments. False: it leads nowhere. */
static bool take_segments(struct request *request) {
    const char *at = request->endpoint;

    for (;;) {
        size_t len = strcspn(at, "/");
        if (is_dots(at, len) || request->segment_count == REQUEST_SEGMENTS)
            return false;
        request->segments[request->segment_count++] = (struct segment){at, len};
        if (at[len] == '\0')
            return true;
        at += len + 1;
    }
}

void request_mount(struct request *request, const char *mount) {
    bool rewritten;

    if (request->mounted)
        return;
    request->mounted = true;
    const char *endpoint = mount_endpoint(mount, request->path, request->served, &rewritten);
    request->endpoint = endpoint != NULL ? endpoint : "";
    if (rewritten && !request->query_said)
        request->query = ""; /* the URI's belongs to the other address */
    if (take_segments(request))
        return;
    request->endpoint = "";
    request->segment_count = 0;
}

bool request_same(const struct request *one, const struct request *other, said_set of) {
    int i;

    FOREACH_SAID(i, of & (all_plain | all_dear)) {
        const char *text = *member_of(one, i), *same = *member_of(other, i);
        if (text != same && strcmp(text, same) != 0) /* mostly both are the one "" */
            return false;
    }
    return true;
}

void request_free(struct request *request) {
    if (request == NULL)
        return;
    params_free(&request->params);
    identity_free(request->who);
    free(request->body_block);
    free(request->dear_block);
    free(request);
}
