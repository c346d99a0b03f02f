/*
 * Finds services. A service's path is compared as it was sent, byte for byte: no encoded letter
 * leads to one, because the web server's access rules might have seen another path. What stands
 * behind it is the dialect's, and what clients choose there may be anything: it is decoded
 * segment by segment, so that an encoded slash ends none. An empty segment, or one of dots,
 * leads nowhere, as everywhere below the mount.
 */
#include "fcgi-app/carriers/services.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/channel.h"
#include "fcgi-app/carriers/bayeux/bayeux.h"
#include "fcgi-app/carriers/engineio/engineio.h"
#include "fcgi-app/carriers/sockjs/sockjs.h"
#include "fcgi-app/carriers/speech.h"
#include "fcgi-app/door/mount.h"
#include "fcgi-app/door/ws/handshake.h"
#include "fcgi-app/endpoints/cors.h"

/* --------------------------------------------------------------------- dialects */

struct dialect {
    const char *name;
    bool (*serve)(struct app *app, const struct service_request *found, struct request *request,
                  struct client *client, struct problem *problem);
    bool carries; /* a protocol, which the configuration names */
};

static const struct dialect dialects[] = {
    {"sockjs", sockjs_serve, true},       {"engine.io", engineio_serve, true},
    {"socket.io", engineio_serve, false}, {"bayeux", bayeux_serve, false},
    {"faye", bayeux_serve, false},        {"cometd", bayeux_serve, false},
};

enum { DIALECTS = sizeof dialects / sizeof dialects[0] };

static const struct dialect *dialect_of(const struct service *service) {
    bool said = service->dialect[0] != '\0';
    const char *name = said ? service->dialect : service->path;
    size_t len = said ? strlen(name) : strcspn(name, "/");

    for (size_t i = 0; i < DIALECTS; i++) {
        if (strlen(dialects[i].name) == len && memcmp(dialects[i].name, name, len) == 0)
            return &dialects[i];
    }
    return NULL;
}

/* ------------------------------------------------------------- the configuration */

static bool check_protocol(const struct config *config, const struct service *service,
                           char *problem) {
    struct speech speech = service_speech(config, service);
    const char *name = speech.argument;

    if (speech.protocol == NULL || speech.protocol->dialect ||
        speech.protocol->argument != (*name != '\0'))
        snprintf(problem, CONFIG_PROBLEM,
                 "protocol = %.100s: must be halley or channel NAME [service %s]",
                 service->protocol, service->path);
    else if (*name != '\0' && !channel_valid(name, strlen(name)))
        snprintf(problem, CONFIG_PROBLEM,
                 "protocol = %.100s: that is no channel's name [service %s]", service->protocol,
                 service->path);
    else
        return true;
    return false;
}

/* The names of all dialects, as a sentence has them. */
static void put_names(struct buf *out) {
    for (size_t i = 0; i < DIALECTS; i++) {
        if (i > 0)
            buf_text(out, i + 1 < DIALECTS ? ", " : " or ");
        buf_text(out, dialects[i].name);
    }
}

static void say_no_dialect(const struct service *service, char *problem) {
    struct buf names = buf_make(256);

    put_names(&names);
    if (service->dialect[0] != '\0')
        snprintf(problem, CONFIG_PROBLEM, "dialect = %.100s: must be %s [service %s]",
                 service->dialect, names.data, service->path);
    else
        snprintf(problem, CONFIG_PROBLEM,
                 "section [service %s]: its first segment must be %s, or dialect say it",
                 service->path, names.data);
    buf_free(&names);
}

static bool check_service(const struct config *config, const struct service *service,
                          char *problem) {
    const struct dialect *dialect = dialect_of(service);

    if (dialect == NULL)
        say_no_dialect(service, problem);
    else if (dialect->serve == sockjs_serve && service->dialect[0] == '\0' &&
             strchr(service->path, '/') == NULL)
        snprintf(problem, CONFIG_PROBLEM, "section [service %s]: must be %s/NAME", service->path,
                 service->path);
    else
        return !dialect->carries || check_protocol(config, service, problem);
    return false;
}

void service_note_questions(const struct config *config, const struct service_request *found,
                            const struct identity *who) {
    struct speech speech = service_speech(config, found->service);
    struct step step = {0};

    if (speech.protocol == NULL || speech.protocol->open == NULL)
        return;
    speech.who = who;
    speech_begin(&speech);
    speech.protocol->open(&speech, &step);
    step_free(&step);
    speech_end(&speech);
}

bool services_check(const struct config *config, char problem[CONFIG_PROBLEM]) {
    for (size_t i = 0; i < config->service_count; i++) {
        if (!check_service(config, &config->services[i], problem))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------------- requests */

static bool is_dots(const char *at, size_t len) {
    return len <= 2 && strspn(at, ".") >= len;
}

/* Takes one segment. False: it leads nowhere. */
static bool take_segment(struct service_request *found, const char *at, size_t len, bool decoded) {
    struct service_segment *segment = &found->segments[found->count];
    char *text = mem_copy(at, len);
    long said = decoded ? (long)len : params_decode(text, len, 0);

    segment->at = text;
    if (said < 0)
        return false;
    text[said] = '\0';
    segment->len = (size_t)said;
    return strlen(text) == segment->len && strchr(text, '/') == NULL &&
           !is_dots(text, segment->len);
}

/* Takes what stands behind a service's path. */
static void take_segments(struct service_request *found, const char *rest, bool decoded) {
    while (*rest == '/') {
        size_t len = strcspn(++rest, "/");
        if (len == 0 && *rest == '\0') {
            found->slash = true;
            return;
        }
        bool good = found->count < SERVICE_SEGMENTS && take_segment(found, rest, len, decoded);
        if (!good) {
            service_free(found);
            found->count = SERVICE_NOWHERE;
            return;
        }
        found->count++;
        rest += len;
    }
}

/* Where a path is the service's, what stands behind that; else NULL. */
static const char *behind(const struct service *service, const char *path) {
    size_t len = strlen(service->path);
    bool is = strncmp(path, service->path, len) == 0 && (path[len] == '\0' || path[len] == '/');
    return is ? path + len : NULL;
}

/* Of services that stand below each other it is the one with the longest path. */
static const struct service *service_at(const struct config *config, const char *path) {
    const struct service *longest = NULL;

    for (size_t i = 0; i < config->service_count; i++) {
        const struct service *service = &config->services[i];
        if (behind(service, path) != NULL &&
            (longest == NULL || strlen(service->path) > strlen(longest->path)))
            longest = service;
    }
    return longest;
}

static bool find_below(const struct config *config, const struct request *request,
                       const char *mount, struct service_request *found) {
    bool rewritten;
    const char *path = mount_service(mount, request->path, request->served, &rewritten);
    const struct service *service = path != NULL ? service_at(config, path) : NULL;

    if (service == NULL)
        return false;
    *found = (struct service_request){.service = service};
    take_segments(found, behind(service, path),
                  path >= request->served && path <= request->served + strlen(request->served));
    return true;
}

bool service_find(const struct config *config, const struct request *request,
                  struct service_request *found) {
    return config->service_count > 0 && (find_below(config, request, config->mount, found) ||
                                         find_below(config, request, "", found));
}

void service_free(struct service_request *found) {
    for (size_t i = 0; i < SERVICE_SEGMENTS; i++)
        free(found->segments[i].at);
    memset(found->segments, 0, sizeof found->segments);
    found->count = 0;
}

said_set service_wants(void) {
    return HANDSHAKE_WANTS | CORS_WANTS | SAID_BIT(SAID_COOKIE) | SAID_BIT(SAID_IF_NONE_MATCH) |
           SAID_BIT(SAID_REFERER);
}

bool service_serve(struct app *app, const struct service_request *found, struct request *request,
                   struct client *client, struct problem *problem) {
    return dialect_of(found->service)->serve(app, found, request, client, problem);
}
