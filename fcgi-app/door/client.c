/*
 * The seam between those who answer (the hub, the endpoints) and the kinds of
 * connection that carry answers.
 */
#include "fcgi-app/door/client.h"

void client_watch(struct client *client, const struct client_events *events, void *ctx) {
    client->kind->watch(client, events, ctx);
}

void client_hold(struct client *client) {
    if (client->kind->hold != NULL)
        client->kind->hold(client);
}

enum err client_send(struct client *client, const struct part *parts, size_t count) {
    return client->kind->send(client, parts, count);
}

void client_finish(struct client *client, const struct part *parts, size_t count) {
    client->kind->finish(client, parts, count);
}

void client_refuse(struct client *client, const struct problem *problem) {
    client->kind->refuse(client, problem);
}

void client_drop(struct client *client) {
    if (client != NULL)
        client->kind->drop(client);
}

size_t client_backlog(const struct client *client) {
    return client->kind->backlog(client);
}
