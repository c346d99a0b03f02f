/*
 * The seam between those who answer (the hub, the endpoints) and the kinds of
 * connection that carry answers.
 */
#include "fcgi-app/door/client.h"

#include "fcgi-app/door/problem.h"

void client_watch(struct client *client, const struct client_events *events, void *ctx) {
    client->kind->watch(client, events, ctx);
}

void client_hold(struct client *client) {
    if (client->kind->hold != NULL)
        client->kind->hold(client);
}

enum err client_send(struct client *client, const struct head *head, const struct part *parts,
                     size_t count) {
    return client->kind->send(client, head, parts, count);
}

void client_finish(struct client *client, const struct head *head, const struct part *parts,
                   size_t count) {
    client->kind->finish(client, head, parts, count);
}

void client_finish_later(struct client *client, const struct head *head, const struct part *parts,
                         size_t count) {
    if (client->kind->finish_later != NULL)
        client->kind->finish_later(client, head, parts, count);
    else
        client_finish(client, head, parts, count);
}

static void refuse_by_an_answer(struct client *client, const struct problem *problem) {
    struct buf fields = buf_make(1024), body = buf_make(4096);

    problem_put(problem, &body);
    buf_char(&body, '\n');
    struct head head = problem_head(problem, body.len, &fields);
    client_finish(client, &head, &(struct part){body.data, body.len}, 1);
    buf_free(&fields);
    buf_free(&body);
}

void client_refuse(struct client *client, const struct problem *problem) {
    if (client->kind->refuse != NULL)
        client->kind->refuse(client, problem);
    else
        refuse_by_an_answer(client, problem);
}

void client_add_fields(struct client *client, const char *fields) {
    if (client->kind->add_fields != NULL)
        client->kind->add_fields(client, fields);
}

void client_leave(struct client *client) {
    if (client->kind->leave != NULL)
        client->kind->leave(client);
}

bool client_can_upgrade(const struct client *client) {
    return client->kind->upgrade != NULL;
}

int client_upgrade(struct client *client, struct buf *early) {
    return client->kind->upgrade(client, early);
}

void client_drop(struct client *client) {
    if (client != NULL)
        client->kind->drop(client);
}

size_t client_backlog(const struct client *client) {
    return client->kind->backlog(client);
}

size_t client_head_size(const struct client *client, const struct head *head) {
    return client->kind->head_size != NULL ? client->kind->head_size(client, head) : 0;
}
