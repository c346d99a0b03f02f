/*
 * halley doctor, the way through a web server: it does what pages do, on a channel of its own, and
 * says which server on the way holds something back, and with which directive it does not. What
 * must be heard is published past the server, straight into Redis.
 *
 * A silent request is begun first and lasts longest; everything else happens beside it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "operator/channels.h"
#include "operator/doctor.h"
#include "operator/fetch.h"
#include "operator/remedies.h"

enum { ADDRESS = 512, LONG_QUERY = 7000, LONG_FIELD = 20000, CROWD = 200, SHARED = 12 };

#define SOON   5.0  /* seconds in which what was sent must have come */
#define END    0.5  /* seconds in which the end follows what came only because of it */
#define QUICK  10.0 /* seconds for an answer that waits for nothing */
#define SETTLE 25.0 /* seconds in which a crowd must be held, and no pause of SOON */
#define ALL    57.0 /* seconds for everything */

static const char layer[] = "web";

struct visit {
    struct desk *desk;
    struct findings *findings;
    struct transfers *transfers;
    char base[ADDRESS]; /* Halley's address at the server */
    char site[ADDRESS]; /* the server's */
    char channel[64];
    char first[64]; /* the id of the message that was published before; "" none was */
    const struct remedies *remedies; /* of the server */
    double end;                      /* by fetch_now(), of the whole visit */
    bool held_back;                  /* what is sent does not come: how many come says nothing */
};

/* ------------------------------------------------------------------------- asking it */

static struct fetch *ask(struct visit *visit, struct transfers *transfers, const char *endpoint,
                         const char *const headers[]) {
    char url[ADDRESS + LONG_QUERY + 64];

    snprintf(url, sizeof url, "%s/%s", visit->base, endpoint);
    return fetch_begin(transfers, url, headers);
}

/* `body` is borrowed until it is answered. */
static struct fetch *say(struct visit *visit, const char *endpoint, const char *body, size_t len) {
    char url[ADDRESS + 64];

    snprintf(url, sizeof url, "%s/%s", visit->base, endpoint);
    return fetch_post(visit->transfers, url, body, len);
}

static struct fetch *read_channel(struct visit *visit, struct transfers *transfers, const char *how,
                                  const char *more) {
    char endpoint[256];

    snprintf(endpoint, sizeof endpoint, "%s?channel=%s%s", how, visit->channel, more);
    return ask(visit, transfers, endpoint, NULL);
}

static void take_id(void *ctx, const redis_reply *reply) {
    char(*id)[64] = ctx;

    if (!redis_is_error(reply))
        snprintf(*id, sizeof *id, "%s", redis_words(reply));
}

/* So many seconds, or what is left of the visit. */
static double at_most(const struct visit *visit, double seconds) {
    double left = visit->end - fetch_now();
    return left < 0 ? 0 : left < seconds ? left : seconds;
}

/* Waits until it has ended, for as long as an answer that waits for nothing may take. */
static bool comes(struct visit *visit, const struct fetch *fetch) {
    return fetch_wait(visit->transfers, fetch, at_most(visit, QUICK));
}

/* Publishes past the web server; false: Redis is away, or takes nothing. */
static bool publish(struct visit *visit, const char *payload, char id[64]) {
    const char *argv[] = {
        "FCALL", "halley_publish", "1", visit->channel, payload, "HISTORY", "10", "TTL", "60"};

    id[0] = '\0';
    return redis_state(visit->desk->redis) == REDIS_UP &&
           desk_try(visit->desk, take_id, (char(*)[64])id, 9, argv) == ERR_OK && id[0] != '\0';
}

/* Whether this text comes soon, and not only with the end. */
static bool brings(struct visit *visit, const struct fetch *fetch, const char *text) {
    double until = fetch_now() + at_most(visit, SOON);

    while (strstr(fetch->body, text) == NULL && !fetch->over && fetch_now() < until)
        transfers_turn(visit->transfers, 0.1);
    return strstr(fetch->body, text) != NULL &&
           !fetch_wait(visit->transfers, fetch, at_most(visit, END));
}

/* --------------------------------------------------------------------------- is it there? */

static bool is_there(struct visit *visit) {
    struct fetch *health = ask(visit, visit->transfers, "health", NULL);
    bool there = comes(visit, health) && health->status == 200;

    visit->remedies = remedies_of(health->server);
    if (health->status == 503 && strstr(health->type, "json") != NULL)
        findings_add(visit->findings, FINDING_ERROR, "halley", "health",
                     "see the findings on Redis, and halley.fcgi's log",
                     "halley.fcgi answers at %s, and says that it cannot serve: %.120s",
                     visit->base, health->body);
    else if (!there)
        findings_add(
            visit->findings, FINDING_ERROR, layer, "web",
            "compare the server's configuration with Halley's for it, and the URL with mount",
            "%s/health: %s%s (%d) instead of Halley's answer", visit->base,
            health->why[0] != '\0' ? health->why : "an answer",
            health->server[0] != '\0' ? " of the web server" : "", health->status);
    fetch_end(visit->transfers, health);
    return there;
}

/* -------------------------------------------------------------------------- what is lost */

static void look_at_header_size(struct visit *visit) {
    static const char start[] = "Last-Event-ID: ";
    char field[sizeof start + LONG_FIELD], endpoint[LONG_QUERY + 16] = "health?x=";

    memset(field, 'x', sizeof field - 1);
    field[sizeof field - 1] = '\0';
    memcpy(field, start, sizeof start - 1);
    memset(endpoint + 9, 'x', LONG_QUERY);
    endpoint[9 + LONG_QUERY] = '\0';
    const char *const headers[] = {field, NULL};
    struct fetch *with_field = ask(visit, visit->transfers, "health", headers);
    struct fetch *with_query = ask(visit, visit->transfers, endpoint, NULL);
    bool answered = comes(visit, with_field) && comes(visit, with_query);
    if (!answered || with_field->status != 200 || with_query->status != 200)
        findings_add(
            visit->findings, FINDING_ERROR, layer, "header-size", visit->remedies->of[HEADER_SIZE],
            "a request with %d KB of Last-Event-ID is answered %d, one with a query of %d KB "
            "%d: who reads many channels cannot come back",
            LONG_FIELD / 1000, with_field->status, LONG_QUERY / 1000, with_query->status);
    fetch_end(visit->transfers, with_field);
    fetch_end(visit->transfers, with_query);
}

/* A body as long as a message may be, for a channel that nobody can have. */
static void look_at_body_size(struct visit *visit) {
    size_t size = (size_t)config_longest_message(visit->desk->config);
    char *body = mem_new(size);

    memset(body, 'x', size);
    struct fetch *post = say(visit, "publish?channel=%7Bdoctor%7D", body, size);
    bool answered = comes(visit, post) && strstr(post->type, "json") != NULL;
    if (!answered || strstr(post->body, "\"body: ") != NULL)
        findings_add(visit->findings, FINDING_ERROR, layer, "body-size",
                     visit->remedies->of[BODY_SIZE],
                     "a message of %zu KB (max_message) does not come to Halley as a whole: it is "
                     "answered %d%s%s",
                     size / 1024, post->status, post->why[0] != '\0' ? ", " : "", post->why);
    fetch_end(visit->transfers, post);
    free(body);
}

static void look_at_last_event_id(struct visit *visit) {
    char field[160], id[64];

    if (!publish(visit, "\"behind it\"", id))
        return;
    snprintf(field, sizeof field, "Last-Event-ID: %s@%s", visit->channel, visit->first);
    const char *const headers[] = {field, NULL};
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "poll?channel=%s", visit->channel);
    struct fetch *poll = ask(visit, visit->transfers, endpoint, headers);
    if (comes(visit, poll) && poll->status == 200 && strstr(poll->body, "behind it") == NULL)
        findings_add(visit->findings, FINDING_ERROR, layer, "last-event-id",
                     visit->remedies->of[LAST_EVENT_ID],
                     "the field Last-Event-ID does not reach Halley: an event stream that breaks "
                     "comes back without its place");
    fetch_end(visit->transfers, poll);
}

/* ----------------------------------------------------------------------------- streams */

static void look_at_leaving(struct visit *visit) {
    uint64_t waiters = 0;
    double until = fetch_now() + at_most(visit, SOON);

    while (fetch_now() < until) {
        if (channels_waiting(visit->desk, visit->channel, &waiters) != ERR_OK || waiters == 0)
            return;
        desk_rest(visit->desk, 0.3);
    }
    findings_add(visit->findings, FINDING_WARNING, layer, "leavers", visit->remedies->of[LEAVERS],
                 "%.0f s after a browser left its stream is still held: the server does not say so",
                 SOON);
}

static void look_at_streams(struct visit *visit) {
    char id[64];
    struct fetch *stream = read_channel(visit, visit->transfers, "events", "&since=now");
    bool begins = brings(visit, stream, "id: ");

    if (stream->status == 401 || stream->status == 403) {
        visit->held_back = true;
        findings_add(
            visit->findings, FINDING_NOTE, layer, "streams",
            "let anyone subscribe to halley-doctor-* in halley.conf, to have them looked at",
            "channels may not be read without a login, so streams were not looked at");
    } else if (!begins ||
               (publish(visit, "\"on a stream\"", id) && !brings(visit, stream, "on a stream"))) {
        visit->held_back = true;
        findings_add(visit->findings, FINDING_ERROR, layer, "buffering",
                     visit->remedies->of[BUFFERING],
                     "an event stream is held back: %s within %.0f s (status %d)",
                     begins ? "a message did not come" : "nothing came", SOON, stream->status);
    }
    fetch_end(visit->transfers, stream);
    if (begins && redis_state(visit->desk->redis) == REDIS_UP)
        look_at_leaving(visit);
}

static void look_at_websockets(struct visit *visit) {
    static const char *const headers[] = {"Connection: Upgrade", "Upgrade: websocket",
                                          "Sec-WebSocket-Version: 13",
                                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="};
    struct fetch *info = ask(visit, visit->transfers, "info", NULL);
    bool offered = comes(visit, info) && strstr(info->body, "\"ws\"") != NULL;
    char endpoint[128];

    fetch_end(visit->transfers, info);
    if (!offered) {
        findings_add(visit->findings, FINDING_NOTE, "halley", "websocket",
                     "halley.conf: http = unix:/run/halley/halley-http.sock (halley-http.socket)",
                     "no halley.fcgi serves WebSockets: pages take the next best");
        return;
    }
    snprintf(endpoint, sizeof endpoint, "ws?channel=%s", visit->channel);
    struct fetch *socket = ask(visit, visit->transfers, endpoint, headers);
    double until = fetch_now() + at_most(visit, SOON);
    while (socket->status == 0 && !socket->over && fetch_now() < until)
        transfers_turn(visit->transfers, 0.1);
    if (socket->status != 101 && socket->status != 401 && socket->status != 403)
        findings_add(
            visit->findings, FINDING_WARNING, layer, "websocket", visit->remedies->of[SOCKETS],
            "halley.fcgi serves WebSockets, but a handshake is answered %d: each page tries "
            "in vain before it takes the next best",
            socket->status);
    fetch_end(visit->transfers, socket);
}

/* ------------------------------------------------------------------------ a silent request */

static void look_at_idle(struct visit *visit, struct fetch *wait, double begun, long timeout) {
    bool over = fetch_wait(visit->transfers, wait,
                           at_most(visit, begun + (double)timeout + SOON - fetch_now()));

    if (wait->status == 401 || wait->status == 403)
        return;
    if (over && wait->status == 200 && strstr(wait->body, "\"cursor\"") != NULL)
        return;
    findings_add(visit->findings, FINDING_ERROR, layer, "idle", visit->remedies->of[IDLE],
                 "a request on which nothing was sent was ended after %.0f s with status %d%s%s: "
                 "waits of up to %d s (max_wait) must live",
                 over ? wait->seconds : fetch_now() - begun, wait->status,
                 wait->why[0] != '\0' ? ", " : "", wait->why, visit->desk->config->max_wait);
}

/* ---------------------------------------------------------------------------- how many */

/* How many of these have something of their stream, when no more come. */
static int count_begun(const struct visit *visit, struct transfers *transfers,
                       struct fetch *const streams[], int count) {
    double until = fetch_now() + at_most(visit, SETTLE), last = fetch_now();
    int begun, before = 0;

    do {
        begun = 0;
        transfers_turn(transfers, 0.2);
        for (int i = 0; i < count; i++)
            begun += streams[i]->status == 200 && streams[i]->len > 0;
        last = begun > before ? fetch_now() : last;
        before = begun;
    } while (begun < count && fetch_now() < until && fetch_now() < last + SOON);
    return begun;
}

static void look_at_capacity(struct visit *visit) {
    const struct config *config = visit->desk->config;
    int count = config->max_waiters < CROWD ? config->max_waiters / 2 : CROWD;
    struct fetch *streams[CROWD];
    struct transfers *crowd = transfers_new(false);

    for (int i = 0; i < count; i++)
        streams[i] = read_channel(visit, crowd, "events", "&since=now");
    int begun = count_begun(visit, crowd, streams, count);
    struct fetch *page = fetch_begin(visit->transfers, visit->site, NULL);
    bool answered = fetch_wait(visit->transfers, page, at_most(visit, SOON));
    if (begun < count)
        findings_add(visit->findings, FINDING_ERROR, layer, "capacity",
                     visit->remedies->of[CAPACITY],
                     "of %d browsers that wait at the same time %d are held%s; max_waiters = %d "
                     "promises more",
                     count, begun, answered ? "" : ", and then no page of the site comes",
                     config->max_waiters);
    else if (!answered)
        findings_add(visit->findings, FINDING_ERROR, layer, "capacity",
                     visit->remedies->of[CAPACITY],
                     "while %d browsers wait no page of the site comes within %.0f s", count, SOON);
    fetch_end(visit->transfers, page);
    transfers_free(crowd);
}

static void look_at_http2(struct visit *visit) {
    struct fetch *streams[SHARED];

    if (strncasecmp(visit->base, "https:", 6) != 0)
        return;
    struct transfers *shared = transfers_new(true);
    struct fetch *health = ask(visit, shared, "health", NULL);
    bool http2 = fetch_wait(shared, health, at_most(visit, QUICK)) && health->http2;
    for (int i = 0; http2 && i < SHARED; i++)
        streams[i] = read_channel(visit, shared, "events", "&since=now");
    int begun = http2 ? count_begun(visit, shared, streams, SHARED) : SHARED;
    if (begun < SHARED)
        findings_add(visit->findings, FINDING_NOTE, layer, "http2",
                     "let pages share their connection (halley.js does, in all tabs of a browser)",
                     "over HTTP/2 %d requests of a browser are held at a time, the next one waits "
                     "without a word",
                     begun);
    transfers_free(shared);
}

/* ------------------------------------------------------------------------------- a visit */

/* Of "http://host:port", or with Halley's path behind it, both addresses. */
static void take_address(struct visit *visit, const char *url, const char *mount) {
    const char *host = strstr(url, "://");
    size_t len = strlen(url), site;

    host = host != NULL ? host + 3 : url;
    site = (size_t)(host - url) + strcspn(host, "/");
    while (len > site && url[len - 1] == '/')
        len--;
    snprintf(visit->site, sizeof visit->site, "%.*s/", (int)site, url);
    snprintf(visit->base, sizeof visit->base, "%.*s%s", (int)len, url, len == site ? mount : "");
}

/* What happens beside a request on which nothing is sent. */
static void look_beside(struct visit *visit) {
    look_at_header_size(visit);
    look_at_body_size(visit);
    look_at_streams(visit);
    look_at_websockets(visit);
    if (visit->held_back)
        return;
    look_at_http2(visit);
    look_at_capacity(visit);
}

static void look_around(struct visit *visit, double seconds) {
    char more[64];

    (void)publish(visit, "\"first\"", visit->first);
    if (visit->first[0] != '\0')
        look_at_last_event_id(visit);
    double begun = fetch_now(), most = at_most(visit, seconds) - SOON;
    long timeout =
        most < visit->desk->config->max_wait ? (long)most : visit->desk->config->max_wait;
    snprintf(more, sizeof more, "-silent&since=now&timeout=%ld", timeout);
    struct fetch *wait = read_channel(visit, visit->transfers, "wait", more);
    look_beside(visit);
    look_at_idle(visit, wait, begun, timeout);
}

void doctor_web(struct desk *desk, const char *url, double seconds, struct findings *findings) {
    struct visit visit = {.desk = desk,
                          .findings = findings,
                          .transfers = transfers_new(false),
                          .remedies = remedies_of(""),
                          .end = fetch_now() + ALL};

    take_address(&visit, url, desk->config->mount);
    snprintf(visit.channel, sizeof visit.channel, "halley-doctor-%ld-%.0f", (long)getpid(),
             ev_time());
    if (is_there(&visit))
        look_around(&visit, seconds);
    transfers_free(visit.transfers);
}
