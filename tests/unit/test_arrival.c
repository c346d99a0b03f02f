/* fcgi-app/door/fcgi/arrival: conversations at random, in random pieces, against a model that knows
 * what it makes: what is answered, what a request carries, how it ends. The seed of a run
 * that fails is told; ARRIVAL_SEED repeats it.
 */
#include "fcgi-app/door/fcgi/arrival.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/records.h"
#include "tests/unit/unit.h"

enum { RUNS = 1200, STEPS = 40, BODY_MAX = 300, PARAMS_LIMIT = 2000, LOG_MAX = 1 << 20 };

static const struct arrival_limits limits = {
    .params_max = PARAMS_LIMIT, .body_max = BODY_MAX, .most = 77};

static uint64_t seed, state;

static unsigned below(unsigned limit) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state >> 33) % limit;
}

/* What happened, or ought to, a word each. */
static struct buf wanted, happened;

/* ------------------------------------------------------------------------ the model */

/* The other side of the conversation, and what it may expect. */
static struct {
    enum { NONE, COMING, ANSWERING } state;
    unsigned id;
    bool params_ended, body_ended;
    unsigned params, body; /* bytes sent */
} model;

static unsigned another_id(void) {
    unsigned id = 1 + below(5);
    return id != model.id ? id : 6;
}

static void add(struct buf *out, unsigned type, unsigned id, size_t len) {
    static const char bytes[400] = "any bytes";
    record_add(out, (enum record_type)type, id, bytes, len, below(3) ? 0 : below(256));
}

static void add_begin(struct buf *out, unsigned id, unsigned role) {
    const unsigned char body[8] = {0, (unsigned char)role, (unsigned char)below(2)};
    record_add(out, RECORD_BEGIN, id, body, sizeof body, below(9));
}

static void forget(void) {
    memset(&model, 0, sizeof model);
}

static void came_whole(void) {
    unsigned kept = model.body < BODY_MAX ? model.body : BODY_MAX;

    if (!model.params_ended || !model.body_ended)
        return;
    buf_printf(&wanted, "whole(%u,%u,%u,%u) ", model.id, model.params, kept, model.body);
    model.state = ANSWERING;
}

/* What may stand anywhere. */
static void step_aside(struct buf *out) {
    static const unsigned unknown[] = {12, 42, 200, 255, 0};
    unsigned type = unknown[below(5)], management[] = {1, 2, 4, 5, 6, 8};

    switch (below(5)) {
    case 0:
        add(out, 9, 0, 0);
        buf_text(&wanted, "values ");
        break;
    case 1:
        add(out, type, below(7), below(30));
        buf_printf(&wanted, "unknown(%u) ", type);
        break;
    case 2:
        type = management[below(6)];
        add(out, type, 0, below(30));
        buf_printf(&wanted, "unknown(%u) ", type);
        break;
    case 3: /* nobody's */
        add(out, 2 + below(10), another_id(), below(30));
        break;
    default: /* an application's own */
        add(out, 10 + below(2), 0, below(30));
    }
}

static void step_none(struct buf *out) {
    unsigned id = 1 + below(5), role = below(4) ? 1 : 2 + below(3);

    add_begin(out, id, role);
    if (role != 1) {
        buf_printf(&wanted, "end(%u,3) refused ", id);
        return;
    }
    model.state = COMING;
    model.id = id;
}

static void step_stream(struct buf *out, unsigned type, bool *ended, unsigned *bytes) {
    unsigned len = below(4) ? 1 + below(100) : 0;

    if (*ended || *bytes > 1500)
        len = 0;
    if (*ended)
        return;
    add(out, type, model.id, len);
    *bytes += len;
    *ended = len == 0;
    came_whole();
}

static void step_abort(struct buf *out) {
    add(out, RECORD_ABORT, model.id, 0);
    buf_printf(&wanted, "aborted(%u) ", model.id);
    forget();
}

/* A request while another one has the connection. */
static void step_another(struct buf *out, unsigned id) {
    add_begin(out, id, 1 + below(3));
    buf_printf(&wanted, "end(%u,1) ", id);
}

static void step_coming(struct buf *out) {
    unsigned id = another_id();

    switch (below(12)) {
    case 0:
        step_abort(out);
        break;
    case 1:
        step_another(out, id);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
        step_stream(out, RECORD_PARAMS, &model.params_ended, &model.params);
        break;
    default:
        step_stream(out, RECORD_STDIN, &model.body_ended, &model.body);
    }
}

static void step_answering(struct buf *out) {
    unsigned id = another_id();

    switch (below(5)) {
    case 0:
        step_abort(out);
        break;
    case 1:
        step_another(out, id);
        break;
    case 2: /* the next one, before this one is answered */
        id = model.id;
        add_begin(out, id, 1);
        buf_text(&wanted, "waits ");
        forget();
        model.state = COMING;
        model.id = id;
        break;
    default: /* late records of its own */
        add(out, RECORD_PARAMS + below(5), model.id, below(30));
    }
}

static void step(struct buf *out) {
    if (below(3) == 0)
        step_aside(out);
    else if (model.state == NONE)
        step_none(out);
    else if (model.state == COMING)
        step_coming(out);
    else
        step_answering(out);
}

/* ---------------------------------------------------------------------- the real one */

static void note_replies(struct buf *reply) {
    const unsigned char *at = (const unsigned char *)reply->data, *end = at + reply->len;

    while (at < end) {
        struct fcgi_record record = fcgi_parse_header(at);
        const unsigned char *content = at + FCGI_HEADER;
        if (record.type == FCGI_TYPE_GET_VALUES_RESULT)
            buf_text(&happened, "values ");
        else if (record.type == FCGI_TYPE_UNKNOWN)
            buf_printf(&happened, "unknown(%u) ", content[0]);
        else
            buf_printf(&happened, "end(%u,%u) ", record.request_id, content[4]);
        at = content + record.content + record.padding;
    }
    buf_clear(reply);
}

static void note(struct arrival *arrival, enum arrival_event event) {
    unsigned id = arrival->request_id;

    switch (event) {
    case ARRIVAL_MORE:
        return;
    case ARRIVAL_WHOLE:
        buf_printf(&happened, "whole(%u,%zu,%zu,%zu) ", id, arrival->params.len, arrival->body.len,
                   arrival->body_bytes);
        arrival_over(arrival);
        arrival_answering(arrival, (uint16_t)id);
        return;
    case ARRIVAL_ABORTED:
        buf_printf(&happened, "aborted(%u) ", id);
        arrival_over(arrival);
        return;
    case ARRIVAL_REFUSED:
        buf_text(&happened, "refused ");
        return;
    case ARRIVAL_WAITS:
        buf_text(&happened, "waits ");
        arrival_over(arrival);
        return;
    default:
        buf_printf(&happened, "event %d ", event);
    }
}

static void take(struct arrival *arrival, const struct buf *bytes, unsigned piece) {
    struct buf reply = buf_make(FCGI_CONTENT_MAX);

    for (size_t at = 0; at < bytes->len;) {
        size_t want = arrival_wants(arrival), len = piece > 0 ? 1 + below(piece) : want;
        ck_assert_msg(want > 0, "seed %llu: it wants nothing", (unsigned long long)seed);
        len = len < want ? len : want;
        len = len < bytes->len - at ? len : bytes->len - at;
        char *copy = malloc(len); /* what is read behind it is seen by sanitizers */
        memcpy(copy, bytes->data + at, len);
        enum arrival_event event = arrival_take(arrival, copy, len, &reply);
        free(copy);
        at += len;
        note_replies(&reply);
        note(arrival, event);
    }
    buf_free(&reply);
}

static void run(void) {
    struct buf bytes = buf_make(LOG_MAX);
    static const unsigned pieces[] = {1, 3, 20, 400, 0};

    state = seed;
    wanted = happened = buf_make(LOG_MAX);
    forget();
    struct arrival *arrival = arrival_new(&limits);
    for (int i = 0; i < STEPS; i++)
        step(&bytes);
    take(arrival, &bytes, pieces[below(5)]);
    buf_add(&wanted, NULL, 0);
    buf_add(&happened, NULL, 0);
    ck_assert_msg(strcmp(wanted.data, happened.data) == 0, "seed %llu:\n%s\ninstead of\n%s",
                  (unsigned long long)seed, happened.data, wanted.data);
    ck_assert(arrival_idle(arrival) == (model.state != COMING));
    arrival_free(arrival);
    buf_free(&bytes);
    buf_free(&wanted);
    buf_free(&happened);
}

START_TEST(a_conversation_at_random_goes_as_the_model_has_it) {
    const char *given = getenv("ARRIVAL_SEED");
    uint64_t first = given != NULL ? strtoull(given, NULL, 10) : 1;

    for (int i = 0; i < (given != NULL ? 1 : RUNS); i++) {
        seed = first + (uint64_t)i;
        run();
    }
}
END_TEST

/* Gives it one record; what it says of the last byte. */
static enum arrival_event take_record(struct arrival *arrival, unsigned type, unsigned id,
                                      const void *data, size_t len) {
    struct buf bytes = buf_make(LOG_MAX), reply = buf_make(LOG_MAX);
    enum arrival_event event = ARRIVAL_MORE;

    record_add(&bytes, (enum record_type)type, id, data, len, 0);
    for (size_t at = 0; at < bytes.len && event == ARRIVAL_MORE;) {
        size_t want = arrival_wants(arrival);
        event = arrival_take(arrival, bytes.data + at, want, &reply);
        at += want;
    }
    buf_free(&bytes);
    buf_free(&reply);
    return event;
}

START_TEST(what_breaks_the_order_of_a_request_is_broken) {
    static const char responder[8] = {0, 1};
    struct {
        const char *data;
        size_t len;
        unsigned type;
        unsigned before; /* 1: in the parameters, 2: behind them, 3: behind the body */
    } rows[] = {{responder, 8, RECORD_BEGIN, 1}, {responder, 7, RECORD_BEGIN, 1},
                {"x", 1, RECORD_PARAMS, 2},      {"", 0, RECORD_PARAMS, 2},
                {"x", 1, RECORD_STDIN, 3},       {"", 0, RECORD_STDIN, 3}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        struct arrival *arrival = arrival_new(&limits);
        ck_assert_int_eq(take_record(arrival, RECORD_BEGIN, 1, responder, 8), ARRIVAL_MORE);
        if (rows[i].before == 2)
            ck_assert_int_eq(take_record(arrival, RECORD_PARAMS, 1, "", 0), ARRIVAL_MORE);
        if (rows[i].before == 3)
            ck_assert_int_eq(take_record(arrival, RECORD_STDIN, 1, "", 0), ARRIVAL_MORE);
        ck_assert_msg(take_record(arrival, rows[i].type, 1, rows[i].data, rows[i].len) ==
                          ARRIVAL_BROKEN,
                      "row %zu", i);
        arrival_free(arrival);
    }
    arrival_free(NULL);
}
END_TEST

START_TEST(parameters_over_the_limit_are_too_long) {
    char *params = keep(calloc(1, PARAMS_LIMIT));
    struct arrival *arrival = arrival_new(&limits);

    ck_assert_int_eq(take_record(arrival, RECORD_BEGIN, 1, "\0\1\0\0\0\0\0", 8), ARRIVAL_MORE);
    ck_assert_int_eq(take_record(arrival, RECORD_PARAMS, 1, params, PARAMS_LIMIT), ARRIVAL_MORE);
    ck_assert_int_eq(take_record(arrival, RECORD_PARAMS, 1, params, 1), ARRIVAL_TOO_LONG);
    arrival_free(arrival);
}
END_TEST

UNIT_MAIN("arrival", a_conversation_at_random_goes_as_the_model_has_it,
          what_breaks_the_order_of_a_request_is_broken, parameters_over_the_limit_are_too_long)
