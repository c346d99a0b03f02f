/*
 * What SockJS serves besides sessions: a greeting, what a client asks before it begins, and the
 * page that old browsers load into a frame to be of this site. That page's bytes are those of the
 * reference server, so that whoever has kept it need not load it again.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/crypto.h"
#include "core/base/mem.h"
#include "fcgi-app/carriers/sockjs/_sockjs.h"
#include "fcgi-app/endpoints/cors.h"
#include "fcgi-app/endpoints/ws/serving.h"

void page_answer(struct client *client, int status, const char *type, const char *text) {
    struct head head = {.status = status,
                        .type = type,
                        .length = status == 204 ? HEAD_NO_LENGTH : strlen(text),
                        .cache = SOCKJS_NO_CACHE};
    client_finish(client, &head, &(struct part){text, strlen(text)}, 1);
}

void page_greet(struct client *client) {
    static const char text[] = "Welcome to SockJS!\n";
    const struct head head = {
        .status = 200, .type = "text/plain; charset=UTF-8", .length = sizeof text - 1};
    client_finish(client, &head, &(struct part){text, sizeof text - 1}, 1);
}

/* ------------------------------------------------------------------------- info */

#define INFO_WAIT 0.5 /* seconds for Redis: clients size their time-outs by this answer */

struct asked {
    struct app *app;
    struct client *client;
    const struct service *service;
};

static void answer_info(void *ctx, bool served) {
    struct asked *asked = ctx;
    struct buf body = buf_make(512);
    unsigned entropy = (unsigned)mrand48();

    buf_printf(&body,
               "{\"websocket\":%s,\"cookie_needed\":%s,\"origins\":[\"*:*\"],\"entropy\":%u}",
               served && asked->service->websocket ? "true" : "false",
               asked->service->cookie_needed ? "true" : "false", entropy);
    const struct head head = {.status = 200,
                              .type = "application/json; charset=UTF-8",
                              .length = body.len,
                              .cache = SOCKJS_NO_CACHE};
    client_finish(asked->client, &head, &(struct part){body.data, body.len}, 1);
    buf_free(&body);
    free(asked);
}

static void ask_sockets(void *ctx, bool up) {
    struct asked *asked = ctx;
    (void)up; /* without Redis, only what this process itself serves is known */
    ws_ask(asked->app, answer_info, asked);
}

void page_info(struct app *app, const struct service *service, struct client *client) {
    struct asked *asked = mem_new(sizeof *asked);

    *asked = (struct asked){app, client, service};
    if (service->websocket)
        hub_when_up(app->hub, INFO_WAIT, ask_sockets, asked);
    else
        answer_info(asked, false);
}

/* -------------------------------------------------------------------- the page */

static void put_page(const char *url, struct buf *out) {
    buf_text(out, "<!DOCTYPE html>\n<html>\n<head>\n"
                  "  <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n"
                  "  <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n"
                  "  <script src=\"");
    buf_text(out, url);
    buf_text(out, "\"></script>\n  <script>\n    document.domain = document.domain;\n"
                  "    SockJS.bootstrap_iframe();\n  </script>\n</head>\n<body>\n"
                  "  <h2>Don't panic!</h2>\n"
                  "  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>\n"
                  "</body>\n</html>");
}

static void put_digest(const struct buf *page, struct buf *out) {
    unsigned char digest[CRYPTO_SHA1];
    char text[2 * CRYPTO_SHA1 + 1];

    crypto_sha1(page->data, page->len, digest);
    crypto_hex(text, digest, sizeof digest);
    buf_printf(out, "\"%s\"", text);
}

/* As HTTP wants it (RFC 9110 §5.6.7), a year from now. */
static void put_expires(struct buf *out) {
    time_t then = time(NULL) + 31536000;
    struct tm parts;
    char text[64];

    gmtime_r(&then, &parts);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    buf_printf(out, "Expires: %s\r\n", text);
}

void page_iframe(const struct service *service, const char *origins, const struct request *request,
                 struct client *client) {
    struct buf page = buf_make(8192), tag = buf_make(64), fields = buf_make(8192);

    put_page(service->sockjs_url, &page);
    put_digest(&page, &tag);
    bool known = strstr(request->if_none_match, tag.data) != NULL;
    buf_printf(&fields, "ETag: %s\r\n", tag.data);
    put_expires(&fields);
    cors_put_ancestors(origins, &fields);
    const struct head head = {.status = known ? 304 : 200,
                              .type = known ? NULL : "text/html; charset=UTF-8",
                              .length = known ? HEAD_NO_LENGTH : page.len,
                              .cache = SOCKJS_FOR_LONG,
                              .fields = fields.data};
    client_finish(client, &head, &(struct part){page.data, known ? 0 : page.len}, 1);
    buf_free(&page);
    buf_free(&tag);
    buf_free(&fields);
}
