/*
 * What endpoints say to their clients, in the few ways that they have in common.
 */
#include "fcgi-app/endpoints/app.h"

void app_answer(struct client *client, const char *content_type, const struct buf *body) {
    const struct head head = {.status = 200, .type = content_type, .length = body->len};
    client_finish(client, &head, &(struct part){body->data, body->len}, 1);
}

void app_count(struct app *app, const struct problem *problem) {
    stats_problem(app->stats, problem->status, problem->detail);
}

void app_refuse(struct app *app, struct client *client, const struct problem *problem) {
    app_count(app, problem);
    client_refuse(client, problem);
}
