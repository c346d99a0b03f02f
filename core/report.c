/*
 * Reports of processes. Each is `<unix seconds> <JSON object>` in the hash
 * halley.processes. A process that was killed leaves its last report behind; who
 * reads the list takes out what is stale.
 */
#include "core/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"

#define REPORT_KEY "halley.processes"

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
    (void)events;

    buf_printf(&text, "%.0f {\"id\":", ev_now(loop));
    json_quote(&text, report->id, strlen(report->id));
    buf_printf(&text, ",\"role\":\"%s\",", report->role);
    report->write(report->ctx, &text);
    buf_char(&text, '}');
    const char *argv[] = {"HSET", REPORT_KEY, report->id, text.data};
    const size_t lens[] = {4, strlen(REPORT_KEY), strlen(report->id), text.len};
    if (text.overflow || redis_command(report->redis, NULL, NULL, 4, argv, lens) != ERR_OK)
        log_debug("report.unsent", "id=%s", report->id); /* the next tick says it */
    buf_free(&text);
}

struct report *report_new(struct ev_loop *loop, struct redis *redis, const char *role,
                          void (*write)(void *ctx, struct buf *out), void *ctx) {
    struct report *report = mem_new(sizeof *report);
    char host[256] = "localhost";

    (void)gethostname(host, sizeof host - 1);
    snprintf(report->id, sizeof report->id, "%s:%d", host, (int)getpid());
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

static void forget(struct report *report, const char *id, size_t len) {
    const char *argv[] = {"HDEL", REPORT_KEY, id};
    const size_t lens[] = {4, strlen(REPORT_KEY), len};
    if (redis_command(report->redis, NULL, NULL, 3, argv, lens) != ERR_OK)
        return; /* it becomes stale */
}

void report_free(struct report *report) {
    if (report == NULL)
        return;
    forget(report, report->id, strlen(report->id));
    ev_timer_stop(report->loop, &report->timer);
    free(report);
}

const char *report_id(const struct report *report) {
    return report->id;
}

static void on_list(void *ctx, const redis_reply *reply) {
    struct list_call *call = ctx;
    struct buf list = buf_make(LIST_MAX);
    double now = ev_now(call->report->loop);
    size_t len, id_len;

    for (size_t i = 0; i + 1 < redis_count(reply); i += 2) {
        const char *id = redis_text(redis_item(reply, i), &id_len);
        const char *text = redis_text(redis_item(reply, i + 1), &len);
        const char *json = text != NULL ? strchr(text, ' ') : NULL;
        if (json == NULL)
            continue;
        if (now - strtod(text, NULL) > REPORT_STALE) {
            forget(call->report, id, id_len);
            continue;
        }
        if (list.len > 0)
            buf_char(&list, ',');
        buf_add(&list, json + 1, len - (size_t)(json + 1 - text));
    }
    call->done(call->ctx, reply != NULL ? &list : NULL);
    buf_free(&list);
    free(call);
}

enum err report_all(struct report *report, void (*done)(void *ctx, const struct buf *list),
                    void *ctx) {
    const char *argv[] = {"HGETALL", REPORT_KEY};
    const size_t lens[] = {7, strlen(REPORT_KEY)};
    struct list_call *call = mem_new(sizeof *call);

    *call = (struct list_call){.report = report, .done = done, .ctx = ctx};
    enum err err = redis_command(report->redis, on_list, call, 2, argv, lens);
    if (err != ERR_OK)
        free(call);
    return err;
}
