/*
 * GET <mount>/history: a page of what a channel's history holds, in either direction. It asks for
 * the rights of subscribing, holds nothing, and moves no place: a page says nothing of who reads
 * on.
 */
#include "fcgi-app/endpoints/app.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "fcgi-app/endpoints/read.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/protocols/reading.h"

/* A page that somebody waits for. */
struct paging {
    struct app *app;
    struct client *client;
    char *channel;
    size_t channel_len;
    char since[POSITION_TEXT + 1]; /* as history_read() takes it */
    unsigned limit;
};

static void put_page(const struct paging *paging, const struct history_page *page,
                     struct buf *out) {
    buf_text(out, "{\"messages\":[");
    for (size_t i = 0; i < page->count; i++) {
        size_t len;
        const char *json = message_json(page->messages[i], &len);
        buf_text(out, i > 0 ? "," : "");
        buf_add(out, json, len);
    }
    buf_printf(out, "],\"more\":%s", page->more ? "true" : "false");
    if (page->gap) {
        buf_text(out, ",\"gap\":[");
        json_quote(out, paging->channel, paging->channel_len);
        buf_text(out, "]");
    }
    buf_text(out, "}\n");
}

static void finish(struct paging *paging) {
    free(paging->channel);
    free(paging);
}

static void refuse(struct paging *paging, const char *why) {
    struct problem problem;

    if (why != NULL)
        problem_later(&problem, 503, 2, "%s", why);
    else
        hub_explain(paging->app->hub, &problem, "Redis is away");
    app_refuse(paging->app, paging->client, &problem);
    finish(paging);
}

static void on_page(void *ctx, const struct history_page *page) {
    struct paging *paging = ctx;
    struct buf body = buf_make(SIZE_MAX / 2); /* a page is bounded */

    if (page->err != ERR_OK) {
        refuse(paging, page->err == ERR_REFUSED ? page->why : NULL);
        return;
    }
    put_page(paging, page, &body);
    app_answer(paging->client, "application/json", &body);
    buf_free(&body);
    finish(paging);
}

static void ask(void *ctx, bool up) {
    struct paging *paging = ctx;

    if (!up ||
        history_read(hub_history(paging->app->hub), paging->channel, paging->channel_len,
                     paging->since, paging->limit, HISTORY_PAGE, 0, on_page, paging) != ERR_OK)
        refuse(paging, NULL);
}

/* Where the page lies: behind an id, in front of one, or at the end. */
static bool take_place(const struct params *params, char *since, struct problem *problem) {
    bool back = params_count(params, "after") == 0;
    const char *name = back ? "before" : "after";
    const struct param *param = params_find(params, name);
    struct position position;

    if (params_count(params, "before") + params_count(params, "after") > 1) {
        problem_set(problem, 400, "before, after: one of them, once");
        return false;
    }
    memcpy(since, "<+", sizeof "<+");
    if (param == NULL)
        return true;
    if (position_parse(param->value, param->value_len, &position) != ERR_OK) {
        problem_set(problem, 400, "%s: must be the id of a message", name);
        return false;
    }
    position_format(position, since + back);
    return true;
}

bool endpoint_history(struct app *app, struct request *request, struct client *client,
                      struct problem *problem) {
    const struct params *params = &request->params;
    const struct param *channel = params_find(params, "channel");
    char since[POSITION_TEXT + 1];
    unsigned limit = LIMIT_DEFAULT;

    if (params_count(params, "pattern") > 0)
        problem_set(problem, 400, "pattern: history is of one channel");
    else if (params_count(params, "channel") != 1)
        problem_set(problem, 400, "channel: must be there once");
    if (problem->status != 0 ||
        !reading_allowed(app->config, request->who, channel->value, channel->value_len, problem) ||
        !take_place(params, since, problem) ||
        !read_number(params, "limit", 1, LIMIT_MAX, &limit, problem))
        return false;

    struct paging *paging = mem_new(sizeof *paging);
    *paging = (struct paging){.app = app,
                              .client = client,
                              .channel = mem_copy(channel->value, channel->value_len),
                              .channel_len = channel->value_len,
                              .limit = limit};
    memcpy(paging->since, since, sizeof since);
    hub_when_up(app->hub, app->config->redis_timeout, ask, paging);
    return true;
}
