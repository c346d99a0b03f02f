/*
 * Who may open one more session. The rate is counted in Redis for the network that the client is
 * in, as that of publishes: all processes together know it.
 */
#include "fcgi-app/carriers/admission.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/redis/history.h"
#include "fcgi-app/door/address.h"
#include "fcgi-app/hub/trouble.h"

struct admission {
    struct app *app;
    admission_fn *done;
    void *ctx;
    char network[ADDRESS_TEXT];
};

bool admission_free(const struct app *app) {
    return app->config->session_rate_count == 0 && !hub_crowded(app->hub);
}

static void say_fast(const struct admission *admission) {
    static struct log_limit limit;
    struct app *app = admission->app;
    unsigned long quiet;

    app->stats->sessions_fast++;
    app->stats->refused[REFUSED_SESSION_RATE]++;
    if (log_allowed(&limit, ev_now(app->loop), &quiet))
        log_warning("sessions.fast", "address=%s session_rate=%d/%d not_logged=%lu",
                    admission->network, app->config->session_rate_count,
                    app->config->session_rate_seconds, quiet);
}

static void on_rated(void *ctx, const struct history_posted *rated) {
    struct admission *admission = ctx;
    struct problem problem = {0};

    if (rated->err == ERR_REFUSED) {
        problem_later(&problem, 503, 5, "Redis refused: %s",
                      rated->detail != NULL ? rated->detail : "");
    } else if (rated->err != ERR_OK) {
        hub_explain(admission->app->hub, &problem, "Redis is away");
    } else if (rated->wait > 0) {
        say_fast(admission);
        problem_later(&problem, 429, (rated->wait + 999) / 1000,
                      "session_rate: this address has opened too many sessions");
    }
    admission->done(admission->ctx, problem.status != 0 ? &problem : NULL);
    free(admission);
}

void admission_ask(struct app *app, const char *address, admission_fn *done, void *ctx) {
    const struct history_posted away = {.err = ERR_REDIS};
    struct problem full;
    const struct config *config = app->config;
    char key[sizeof "halley.session_rate:" + ADDRESS_TEXT];

    bool room = hub_admits_session(app->hub, &full);
    if (!room || config->session_rate_count == 0) {
        done(ctx, room ? NULL : &full);
        return;
    }
    struct admission *admission = mem_new(sizeof *admission);
    *admission = (struct admission){.app = app, .done = done, .ctx = ctx};
    address_network(address, admission->network);
    snprintf(key, sizeof key, "halley.session_rate:%s", admission->network);
    if (history_take_rate(hub_history(app->hub), key, config->session_rate_count,
                          config->session_rate_seconds, on_rated, admission) != ERR_OK)
        on_rated(admission, &away);
}

void admission_full(struct app *app, struct problem *problem) {
    static struct log_limit limit;
    unsigned long quiet;

    app->stats->sessions_full++;
    app->stats->refused[REFUSED_SESSIONS]++;
    if (log_allowed(&limit, ev_now(app->loop), &quiet))
        log_warning("sessions.full", "max_sessions=%d not_logged=%lu", app->config->max_sessions,
                    quiet);
    problem_later(problem, 503, 5, "no room for another session: max_sessions is %d",
                  app->config->max_sessions);
}
