/*
 * Reports of processes. Each is `<unix seconds> <JSON object>` in the hash
 * halley.processes. A process that was killed leaves its last report behind; who
 * reads the list takes out what is stale. Both is done by functions in Redis
 * (halley_report, halley_reports), whose clock tells the age: a host whose own is wrong
 * would else delete what others have just said.
 */
#include "core/redis/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define REPORT_KEY      "halley.processes"
#define TEXT(number)    TEXT_OF(number)
#define TEXT_OF(number) #number
#define STALE           TEXT(REPORT_STALE)

enum { ID_MAX = 300, REPORT_MAX = 16384, LIST_MAX = 4 * 1024 * 1024 };

struct report {
    struct ev_loop *loop;
    struct redis *redis;
    const char *role;
    void (*write)(void *ctx, struct buf *out);
    void *ctx;
    char id[ID_MAX];
    struct ev_timer timer;
};

struct list_call {
    struct report *report;
    void (*done)(void *ctx, const struct buf *list);
    void *ctx;
};

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct report *report = timer->data;
    struct buf text = buf_make(REPORT_MAX);
    (void)loop, (void)events;

    buf_text(&text, "{\"id\":");
    json_quote(&text, report->id, strlen(report->id));
    buf_printf(&text, ",\"role\":\"%s\",", report->role);
    report->write(report->ctx, &text);
    buf_char(&text, '}');
    const char *argv[] = {"FCALL", "halley_report", "1", REPORT_KEY, report->id, text.data, STALE};
    const size_t lens[] = {5,        13,           1, strlen(REPORT_KEY), strlen(report->id),
                           text.len, strlen(STALE)};
    if (text.overflow || redis_command(report->redis, NULL, NULL, 7, argv, lens) != ERR_OK)
        log_debug("report.unsent", "id=%s", report->id); /* the next tick says it */
    buf_free(&text);
}

static void name_it(struct report *report) {
    char host[256] = "localhost";

    (void)gethostname(host, sizeof host - 1);
    snprintf(report->id, sizeof report->id, "%s:%d", host, (int)getpid());
}

void report_as_copy(struct report *report) {
    if (report != NULL)
        name_it(report);
}

struct report *report_new(struct ev_loop *loop, struct redis *redis, const char *role,
                          void (*write)(void *ctx, struct buf *out), void *ctx) {
    struct report *report = mem_new(sizeof *report);

    name_it(report);
    report->loop = loop;
    report->redis = redis;
    report->role = role;
    report->write = write;
    report->ctx = ctx;
    ev_timer_init(&report->timer, on_tick, 0.5, REPORT_PERIOD);
    report->timer.data = report;
    ev_timer_start(loop, &report->timer);
    return report;
}

void report_free(struct report *report) {
    if (report == NULL)
        return;
    const char *argv[] = {"HDEL", REPORT_KEY, report->id};
    const size_t lens[] = {4, strlen(REPORT_KEY), strlen(report->id)};
    if (redis_command(report->redis, NULL, NULL, 3, argv, lens) != ERR_OK)
        log_debug("report.left", "id=%s", report->id); /* it becomes stale */
    ev_timer_stop(report->loop, &report->timer);
    free(report);
}

const char *report_id(const struct report *report) {
    return report->id;
}

static void on_list(void *ctx, const redis_reply *reply) {
    struct list_call *call = ctx;
    struct buf list = buf_make(LIST_MAX);
    size_t len;

    for (size_t i = 0; i < redis_count(reply); i++) {
        const char *json = redis_text(redis_item(reply, i), &len);
        if (json == NULL)
            continue;
        if (list.len > 0)
            buf_char(&list, ',');
        buf_add(&list, json, len);
    }
    call->done(call->ctx, reply != NULL && !redis_is_error(reply) ? &list : NULL);
    buf_free(&list);
    free(call);
}

enum err report_all(struct report *report, void (*done)(void *ctx, const struct buf *list),
                    void *ctx) {
    const char *argv[] = {"FCALL", "halley_reports", "1", REPORT_KEY, STALE};
    const size_t lens[] = {5, 14, 1, strlen(REPORT_KEY), strlen(STALE)};
    struct list_call *call = mem_new(sizeof *call);

    *call = (struct list_call){.report = report, .done = done, .ctx = ctx};
    enum err err = redis_command(report->redis, on_list, call, 5, argv, lens);
    if (err != ERR_OK)
        free(call);
    return err;
}
