/*
 * Subscribing and unsubscribing. The session is looked at, which says whose rights count ─► what
 * patterns stand for is asked ─► where its new channels begin is asked ─► the session gets them,
 * and the names that its client gave, in one atom. A change that met another one is made anew from
 * what stands there then.
 *
 * A message is done whole or not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/data/wildcard.h"
#include "fcgi-app/carriers/bayeux/_bayeux.h"
#include "fcgi-app/carriers/begin.h"
#include "fcgi-app/hub/directory.h"
#include "fcgi-app/hub/widen.h"
#include "fcgi-app/protocols/channel_index.h"
#include "fcgi-app/protocols/reading.h"
#include "fcgi-app/rights/asked.h"

struct joining {
    struct joining_request request;
    char id[SESSION_ID_TEXT];
    const struct identity *who; /* whose rights */
    bool checked;               /* all names may be, */
    bool judged;                /* the site was asked something, */
    bool asked;                 /* and the site was asked after what patterns stand for */
    struct bayeux_names names;
    size_t known; /* of the names: those that need not be asked after any more */
    char *since;  /* where the channels begin */
    size_t since_len;
    uint64_t version;
    struct bayeux_state state; /* of the session, as it was seen */
    struct hub_places places;
    struct hub_places begun; /* where channels begin, as far as it was asked */
};

static void look(struct joining *joining);

static struct app *app_of(const struct joining *joining) {
    return joining->request.app;
}

static bool subscribes(const struct joining *joining) {
    return joining->request.message->kind == BAYEUX_SUBSCRIBE;
}

/* ------------------------------------------------------------------------ its end */

static void end(struct joining *joining, const struct session_view *away) {
    struct joining_request request = joining->request;

    bayeux_names_free(&joining->names);
    identity_free(joining->who);
    free(joining->since);
    state_free(&joining->state);
    hub_places_free(&joining->places);
    hub_places_free(&joining->begun);
    free(joining);
    request.done(request.ctx, away);
}

static void end_away(struct joining *joining) {
    const struct session_view away = {.err = ERR_REDIS};
    end(joining, &away);
}

static void succeed(struct joining *joining) {
    const struct bayeux_message *message = joining->request.message;
    struct buf *out = joining->request.replies;

    bayeux_reply_begin(out, message, true);
    bayeux_reply_client(out, message->client, message->client_len);
    bayeux_reply_subscription(out, message);
    bayeux_reply_end(out);
    end(joining, NULL);
}

static void refuse(struct joining *joining, int code, const struct buf *about, const char *words) {
    const char *text = about != NULL && about->data != NULL ? about->data : "";

    bayeux_reply_refuse(joining->request.replies, joining->request.message, code, text,
                        about != NULL ? about->len : 0, words);
    end(joining, NULL);
}

static void refuse_many(struct joining *joining) {
    struct problem problem;

    problem_set(&problem, 403, "the most is %d channels (max_channels)",
                app_of(joining)->config->max_channels);
    app_count(app_of(joining), &problem);
    refuse(joining, 403, NULL, problem.detail);
}

/* Whether it is over by what Redis says of the session. */
static bool ended_by(struct joining *joining, const struct session_view *view) {
    if (view->err != ERR_OK) {
        end(joining, view);
    } else if (view->status == SESSION_GONE || view->status == SESSION_CLOSED) {
        bayeux_reply_unknown(joining->request.replies, joining->request.message);
        end(joining, NULL);
    } else {
        return false;
    }
    return true;
}

/* ----------------------------------------------------------------------- the change */

static void on_changed(void *ctx, const struct session_view *view) {
    struct joining *joining = ctx;

    if (ended_by(joining, view))
        return;
    if (view->status == SESSION_CONFLICT)
        look(joining);
    else
        succeed(joining);
}

/* Gives the session its new state, and its channels: `add` and `drop` are cursors. */
static void change(struct joining *joining, const struct buf *add, const struct buf *drop) {
    struct buf state = buf_make(SESSION_STATE_MAX);

    state_put(&joining->state, &state);
    const struct session_change wanted = {.version = joining->version,
                                          .state = {state.data, state.len},
                                          .add = {add->len > 0 ? add->data : NULL, add->len},
                                          .drop = {drop->len > 0 ? drop->data : NULL, drop->len}};
    bool fits = !state.overflow && !add->overflow && !drop->overflow;
    enum err err = ERR_OK;
    if (fits)
        err = session_change(hub_sessions(app_of(joining)->hub), joining->id, &wanted, on_changed,
                             joining);
    buf_free(&state);
    if (!fits)
        refuse_many(joining);
    else if (err != ERR_OK)
        end_away(joining);
}

/* ---------------------------------------------------------------------- subscribing */

/* Channels that the session is to get, each once. */
struct fresh {
    struct joining *joining;
    struct hub_channel *channels; /* names are borrowed */
    uint64_t *born;               /* of each; 0: it was named */
    size_t count, room;
    struct channel_index had; /* what the session has */
    bool full;
};

static bool is_among(const struct fresh *fresh, const char *name, size_t len) {
    for (size_t i = 0; i < fresh->count; i++) {
        if (fresh->channels[i].len == len && memcmp(fresh->channels[i].name, name, len) == 0)
            return true;
    }
    return false;
}

static void add_fresh(void *ctx, const char *name, size_t len, uint64_t born) {
    struct fresh *fresh = ctx;

    if (channel_index_find(&fresh->had, name, len) >= 0 || is_among(fresh, name, len))
        return;
    if (fresh->joining->places.count + fresh->count >= WIDEST - 1) {
        fresh->full = true;
        return;
    }
    if (fresh->count == fresh->room) {
        fresh->room = 2 * fresh->room + 16;
        fresh->channels = mem_resize(fresh->channels, fresh->room * sizeof *fresh->channels);
        fresh->born = mem_resize(fresh->born, fresh->room * sizeof *fresh->born);
    }
    fresh->channels[fresh->count] =
        (struct hub_channel){.name = name, .len = len, .found = born > 0};
    fresh->born[fresh->count++] = born;
}

/* Patterns first, then what they stand for, and the others. */
static void gather(struct joining *joining, struct fresh *fresh) {
    const struct bayeux_names *names = &joining->names;

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < names->count; i++) {
            const char *name = names->names[i].at + 1;
            size_t len = names->names[i].len - 1;
            bool pattern = wildcard_is(name, len);
            if (pattern ? round == 0 : round == 2)
                add_fresh(fresh, name, len, 0);
            else if (pattern && round == 1 && channel_index_find(&fresh->had, name, len) < 0)
                (void)patterns_each(app_of(joining), joining->who, name, len, add_fresh, fresh);
        }
    }
}

/* What became a channel behind the place of a pattern in a cursor begins at its start. */
static void begin_newborn(struct fresh *fresh) {
    for (size_t p = 0; p < fresh->count; p++) {
        const struct hub_channel *pattern = &fresh->channels[p];
        if (!wildcard_is(pattern->name, pattern->len) || pattern->since.kind != SINCE_AT)
            continue;
        for (size_t i = 0; i < fresh->count; i++) {
            struct hub_channel *channel = &fresh->channels[i];
            if (fresh->born[i] > 0 && channel->since.kind == SINCE_NOW &&
                directory_newborn(fresh->born[i], pattern->since.at.epoch) &&
                wildcard_match(pattern->name, pattern->len, channel->name, channel->len))
                channel->since.kind = SINCE_START;
        }
    }
}

/* Appends the places where the fresh channels begin. False: of one it is not known. */
static bool put_begun(const struct joining *joining, const struct fresh *fresh, struct buf *out) {
    const struct hub_places *begun = &joining->begun;
    struct channel_index index = channel_index_make(begun->channels, begun->count);
    bool all = true;

    for (size_t i = 0; i < begun->count; i++)
        channel_index_note(&index);
    for (size_t i = 0; all && i < fresh->count; i++) {
        long at = channel_index_find(&index, fresh->channels[i].name, fresh->channels[i].len);
        all = at >= 0;
        if (all)
            cursor_add(out, fresh->channels[i].name, fresh->channels[i].len,
                       begun->channels[at].since.at);
    }
    channel_index_free(&index);
    return all;
}

static void on_beginning(void *ctx, const struct hub_places *places,
                         const struct problem *problem) {
    struct joining *joining = ctx;

    if (places == NULL && problem->status == 429) {
        app_count(app_of(joining), problem);
        refuse(joining, 429, NULL, problem->detail);
        return;
    }
    if (places == NULL) {
        struct session_view away = {.err = problem->status == 503 ? ERR_REDIS : ERR_REFUSED,
                                    .why = problem->detail};
        end(joining, &away);
        return;
    }
    hub_places_free(&joining->begun);
    joining->begun.channels = mem_new((places->count + 1) * sizeof *joining->begun.channels);
    for (size_t i = 0; i < places->count; i++) {
        struct hub_channel *channel = &joining->begun.channels[joining->begun.count++];
        *channel = places->channels[i];
        channel->name = mem_copy(channel->name, channel->len);
    }
    look(joining);
}

/* Which of the names the session has not; false: they are too many. */
static bool want(struct joining *joining) {
    for (size_t i = 0; i < joining->names.count; i++)
        state_add(&joining->state, joining->names.names[i].at + 1, joining->names.names[i].len - 1);
    return joining->state.count <= (size_t)app_of(joining)->config->max_channels;
}

static void begin_fresh(struct joining *joining, struct fresh *fresh) {
    struct buf add = buf_make(SESSION_CURSOR_MAX), drop = buf_make(1);

    gather(joining, fresh);
    app_of(joining)->stats->patterns_full += fresh->full;
    if (put_begun(joining, fresh, &add)) {
        change(joining, &add, &drop);
    } else if (!reading_since(joining->since, joining->since_len, fresh->channels, fresh->count)) {
        refuse(joining, 400, NULL, "ext.halley.since must be now, start, -K or a cursor");
    } else {
        begin_newborn(fresh);
        begin_ask(app_of(joining), joining->request.who, fresh->channels, fresh->count,
                  on_beginning, joining);
    }
    buf_free(&add);
}

static void subscribe(struct joining *joining) {
    const struct hub_places *places = &joining->places;
    struct fresh fresh = {.joining = joining};

    if (!want(joining)) {
        refuse_many(joining);
        return;
    }
    fresh.had = channel_index_make(places->channels, places->count);
    for (size_t i = 0; i < places->count; i++)
        channel_index_note(&fresh.had);
    struct channel_index had = fresh.had;
    begin_fresh(joining, &fresh);
    channel_index_free(&had);
    free(fresh.channels);
    free(fresh.born);
}

/* ------------------------------------------------------------------------- leaving */

/* A place is kept for a name that is left, or for a pattern that is. */
static bool is_kept(const struct joining *joining, const struct hub_channel *place) {
    return wildcard_is(place->name, place->len)
               ? state_has(&joining->state, place->name, place->len)
               : state_wants(&joining->state, place->name, place->len);
}

static void unsubscribe(struct joining *joining) {
    struct buf add = buf_make(1), drop = buf_make(SESSION_CURSOR_MAX);

    for (size_t i = 0; i < joining->names.count; i++)
        state_drop(&joining->state, joining->names.names[i].at + 1,
                   joining->names.names[i].len - 1);
    for (size_t i = 0; i < joining->places.count; i++) {
        const struct hub_channel *place = &joining->places.channels[i];
        if (!is_kept(joining, place))
            cursor_add(&drop, place->name, place->len, (struct position){0, 0});
    }
    change(joining, &add, &drop);
    buf_free(&drop);
}

/* ------------------------------------------------------------------------- checking */

/* Why a name may not be; 0: it may. */
static int judge(const struct joining *joining, const struct bayeux_text *name) {
    struct problem problem = {0};

    switch (bayeux_name(name->at, name->len)) {
    case BAYEUX_NAME_WRONG:
        return 405;
    case BAYEUX_NAME_FORBIDDEN:
        return 403;
    case BAYEUX_NAME_PATTERN: /* its channels are judged one by one */
        return 0;
    case BAYEUX_NAME_CHANNEL:
        break;
    }
    bool may = !subscribes(joining) || reading_allowed(app_of(joining)->config, joining->who,
                                                       name->at + 1, name->len - 1, &problem);
    return may ? 0 : problem.status == 400 ? 405 : problem.status == 503 ? 503 : 403;
}

static const char *words_of(int code) {
    if (code == 503)
        return "The site does not say who may";
    return code == 405 ? "Invalid channel" : "Forbidden channel";
}

/* Whether all names may be; else it is over. */
static bool check_names(struct joining *joining) {
    struct buf wrong = buf_make(SIZE_MAX / 2);
    int code = 0;

    for (size_t i = 0; i < joining->names.count; i++) {
        const struct bayeux_text *name = &joining->names.names[i];
        int each = judge(joining, name);
        if (each == 0)
            continue;
        code = each > code ? each : code;
        if (wrong.len > 0)
            buf_char(&wrong, ',');
        buf_add(&wrong, name->at, name->len);
    }
    if (code != 0)
        refuse(joining, code, &wrong, words_of(code));
    buf_free(&wrong);
    return code == 0;
}

/* ------------------------------------------------------------------------- patterns */

static void count_one(void *ctx, const char *name, size_t len, uint64_t born) {
    (void)ctx, (void)name, (void)len, (void)born;
}

static void on_patterns(void *ctx, bool known) {
    struct joining *joining = ctx;

    if (known)
        look(joining);
    else
        end_away(joining);
}

/* Whether it is known what the patterns stand for that are subscribed to; else Redis is asked, and
 * the session looked at again behind that. */
static bool ask_patterns(struct joining *joining) {
    for (; subscribes(joining) && joining->known < joining->names.count; joining->known++) {
        const char *name = joining->names.names[joining->known].at + 1;
        size_t len = joining->names.names[joining->known].len - 1;
        if (wildcard_is(name, len) &&
            !patterns_each(app_of(joining), joining->who, name, len, count_one, NULL)) {
            directory_ask(hub_directory(app_of(joining)->hub), name, len, on_patterns, joining);
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------- the site */

static void on_said(void *ctx) {
    look(ctx);
}

/* Whether the site is asked first; the session is looked at again behind that. */
static bool waits_for_site(struct joining *joining) {
    struct asked *asked = identity_asked(joining->who);

    if (!asked_lacks(asked))
        return false;
    bool more = joining->judged;
    joining->judged = true;
    asked_ask(asked, more, on_said, joining);
    return true;
}

static bool waits_for_names(struct joining *joining) {
    asked_begin(identity_asked(joining->who));
    for (size_t i = 0; i < joining->names.count; i++)
        (void)judge(joining, &joining->names.names[i]);
    return waits_for_site(joining);
}

/* -------------------------------------------------------------------------- looking */

static void on_looked(void *ctx, const struct session_view *view) {
    struct joining *joining = ctx;

    if (ended_by(joining, view))
        return;
    if (!speaker_take(app_of(joining), &joining->who, view, true)) {
        bayeux_reply_unknown(joining->request.replies, joining->request.message);
        end(joining, NULL);
        return;
    }
    if (!joining->checked && (waits_for_names(joining) || !check_names(joining)))
        return;
    joining->checked = true;
    if (!ask_patterns(joining))
        return;
    bool waits = !joining->asked && waits_for_site(joining);
    joining->asked = true;
    if (waits)
        return;
    joining->version = view->version;
    state_free(&joining->state);
    state_parse(&joining->state, view->state.at, view->state.len);
    hub_places_free(&joining->places);
    places_follow(&joining->places, view->cursor);
    if (subscribes(joining))
        subscribe(joining);
    else
        unsubscribe(joining);
}

static void look(struct joining *joining) {
    const struct session_change nothing = {.version = SESSION_PEEK};

    if (session_change(hub_sessions(app_of(joining)->hub), joining->id, &nothing, on_looked,
                       joining) != ERR_OK)
        end_away(joining);
}

void joining_begin(const struct joining_request *request) {
    struct joining *joining = mem_new(sizeof *joining);
    const struct bayeux_message *message = request->message;

    joining->request = *request;
    joining->who = identity_hold(request->identity);
    session_id(joining->id, request->service->path, strlen(request->service->path), message->client,
               message->client_len);
    if (!bayeux_names(message->subscription, &joining->names)) {
        refuse(joining, 405, NULL, "Invalid channel");
        return;
    }
    if (scan_is_string(message->since))
        joining->since = json_unquote(message->since.at, message->since.len, &joining->since_len);
    if (joining->since == NULL) {
        joining->since = mem_string(message->since.at != NULL ? "?" : "now");
        joining->since_len = strlen(joining->since);
    }
    look(joining);
}
