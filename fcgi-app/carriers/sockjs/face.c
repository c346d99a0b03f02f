/*
 * The two sides of a held request. To the hub it is a client like any; what the hub sends is
 * wrapped already, and goes on as it is, behind the head and the beginning that were sent from
 * here. A stream that has reached its limit takes nothing more: so the hub keeps the rest.
 */
#include <string.h>

#include "fcgi-app/carriers/sockjs/_hold.h"

static struct hold *of(const struct client *client) {
    return (struct hold *)((char *)(uintptr_t)client - offsetof(struct hold, face));
}

static bool is_full(const struct hold *hold) {
    return hold->sent >= (size_t)hold->service->response_limit;
}

/* Sends what is wrapped. */
static enum err send_wrapped(struct hold *hold, const struct part *parts, size_t count) {
    for (size_t i = 0; i < count; i++)
        hold->sent += parts[i].len;
    enum err err = client_send(hold->client, NULL, parts, count);
    if (err == ERR_OK && is_full(hold) && !hold->full)
        hold->filled(hold);
    return err;
}

/* ------------------------------------------------------------- as the hub sees it */

static void face_watch(struct client *client, const struct client_events *events, void *ctx) {
    of(client)->watcher = events;
    of(client)->watcher_ctx = ctx;
}

static enum err face_send(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    size_t bytes = 0;
    (void)head;

    for (size_t i = 0; i < count; i++)
        bytes += parts[i].len;
    return bytes > 0 ? send_wrapped(of(client), parts, count) : ERR_OK;
}

static void face_dropped(struct client *client) {
    of(client)->gone(of(client));
}

static void face_finished(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    (void)head, (void)parts, (void)count;
    of(client)->gone(of(client)); /* never: the hub hands such a client over */
}

static void face_refused(struct client *client, const struct problem *problem) {
    of(client)->watcher = NULL;
    face_refuse(of(client), problem);
}

static size_t face_backlog(const struct client *client) {
    const struct hold *hold = of(client);
    return hold->full ? 1 : client_backlog(hold->client);
}

static const struct client_kind face_kind = {.watch = face_watch,
                                             .send = face_send,
                                             .finish = face_finished,
                                             .refuse = face_refused,
                                             .drop = face_dropped,
                                             .backlog = face_backlog};

/* ---------------------------------------------------------- as the browser sees it */

static void on_gone(void *ctx) {
    struct hold *hold = ctx;

    if (hold->state == HOLD_WAITING && hold->watcher != NULL)
        hold->watcher->gone(hold->watcher_ctx); /* it drops the face */
    else
        hold->gone(hold);
}

static void on_drained(void *ctx) {
    struct hold *hold = ctx;

    if (hold->state == HOLD_WAITING && hold->watcher != NULL && !hold->full)
        client_events_drained(hold->watcher, hold->watcher_ctx);
}

static const struct client_events browser_events = {.gone = on_gone, .drained = on_drained};

void face_make(struct hold *hold) {
    hold->face.kind = &face_kind;
    client_watch(hold->client, &browser_events, hold);
    client_hold(hold->client);
}

static struct head head_of(const struct hold *hold, size_t length) {
    return (struct head){
        .status = 200, .type = sockjs_type(hold->kind), .length = length, .cache = SOCKJS_NO_CACHE};
}

bool face_begin(struct hold *hold) {
    const struct head head = head_of(hold, HEAD_NO_LENGTH);
    struct buf text = buf_make(8192);

    sockjs_begin(hold->kind, hold->callback, &text);
    enum err err = client_send(hold->client, &head, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
    hold->begun = true;
    return err == ERR_OK;
}

bool face_say(struct hold *hold, const char *frame, size_t len) {
    struct buf text = buf_make(SIZE_MAX / 2);
    enum err err = ERR_OK;

    sockjs_wrap(hold->kind, hold->callback, frame, len, &text);
    if (text.len > 0)
        err = send_wrapped(hold, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
    return err == ERR_OK;
}

/* Before anything else is sent, the beginning of an answer that had none. */
static void put_beginning(const struct hold *hold, struct buf *text) {
    if (!hold->begun)
        sockjs_begin(hold->kind, hold->callback, text);
}

void face_finish(struct hold *hold, const char *frame, size_t len) {
    struct buf text = buf_make(SIZE_MAX / 2);
    struct client *client = hold->client;

    hold->client = NULL;
    if (client == NULL)
        return;
    put_beginning(hold, &text);
    sockjs_wrap(hold->kind, hold->callback, frame, len, &text);
    const struct head head = head_of(hold, text.len);
    client_finish(client, hold->begun ? NULL : &head, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
}

void face_refuse(struct hold *hold, const struct problem *problem) {
    struct client *client = hold->client;

    if (hold->begun || client == NULL) {
        face_finish(hold, "", 0);
    } else {
        hold->client = NULL;
        app_refuse(hold->sockjs->app, client, problem);
    }
    hold->gone(hold);
}
