/*
 * Packets and answers of Engine.IO, as far as they know services and clients.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/crypto.h"
#include "fcgi-app/carriers/engineio/_engineio.h"
#include "fcgi-app/carriers/places.h"

enum { SEPARATOR = 0x1e };

/* Letters of base64url (RFC 4648 §5): they need no escapes, in no URL. */
void wire_sid(char out[ENGINEIO_SID + 1]) {
    unsigned char random[ENGINEIO_SID * 3 / 4];
    struct buf text = buf_make(64);

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    crypto_base64(&text, random, sizeof random);
    for (size_t i = 0; i < ENGINEIO_SID; i++)
        out[i] = text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i];
    out[ENGINEIO_SID] = '\0';
    buf_free(&text);
}

void wire_open(const struct service *service, const char *sid, bool websocket, struct buf *out) {
    const struct engineio_opening opening = {.id = sid,
                                             .websocket = websocket,
                                             .ping_interval = (unsigned)service->ping_interval,
                                             .ping_timeout = (unsigned)service->ping_timeout,
                                             .max_payload = (size_t)service->max_payload};
    engineio_open(out, &opening);
}

void wire_message(const char *text, size_t len, bool bytes, struct buf *out) {
    const struct engineio_packet packet = {
        .type = ENGINEIO_MESSAGE, .binary = bytes, .data = text, .len = len};
    engineio_payload_add(out, &packet);
}

void wire_add(const char *packets, size_t len, struct buf *payload) {
    if (len > 0 && payload->len > 0)
        buf_char(payload, SEPARATOR);
    buf_add(payload, packets, len);
}

void wire_place(const struct speech *speech, const struct hub_places *places, struct buf *payload) {
    struct batch *here = places_batch(places);
    struct texts texts = {0};

    speech->protocol->render(speech, here, &texts);
    for (size_t i = 0; i < texts.count; i++) {
        size_t len;
        const char *text = texts_at(&texts, i, &len);
        wire_message(text, len, texts_is_bytes(&texts, i), payload);
    }
    texts_free(&texts);
    batch_unref(here);
}

void wire_payload(struct client *client, const char *payload, size_t len) {
    const struct head head = {.status = 200, .type = "text/plain; charset=UTF-8", .length = len};
    client_finish(client, &head, &(struct part){payload, len}, 1);
}

/* Old browsers would offer a text as a download. */
void wire_ok(struct client *client) {
    const struct head head = {.status = 200, .type = "text/html", .length = 2};
    client_finish(client, &head, &(struct part){"ok", 2}, 1);
}

void wire_refuse(struct app *app, struct client *client, enum engineio_refusal refusal) {
    const struct problem problem = {.status = refusal == ENGINEIO_FORBIDDEN ? 403 : 400};
    struct buf body = buf_make(256);

    app_count(app, &problem);
    engineio_refuse(&body, refusal);
    const struct head head = {
        .status = problem.status, .type = "application/json", .length = body.len};
    client_finish(client, &head, &(struct part){body.data, body.len}, 1);
    buf_free(&body);
}

void wire_away(const struct session_view *view, struct problem *problem) {
    if (view != NULL && view->err == ERR_REFUSED)
        problem_later(problem, 503, 5, "Redis refused: %s", view->why != NULL ? view->why : "");
    else
        problem_later(problem, 503, 2, "Redis is away");
}
