/*
 * What Halley's own client says on a WebSocket. It may say, as JSON objects:
 *
 *   {"subscribe":["a","b"],"pattern":["*"],"since":"now"|"start"|"-K"|cursor}
 *   {"unsubscribe":["a","*"]}
 *   {"publish":{"channel":"a","data":...,"key":"idempotency key"}}
 *   {"ping":...}
 *
 *   {"token":"..."}, alone: who speaks from now on, answered {"token":{"expires":...}}
 *
 * each with an optional "ref" that the answer repeats. Answers are
 * {"published":{"id":...,"at":...}} and {"error":{...}}; a change of channels is
 * answered by a batch without messages, whose cursor says where the session
 * stands. A text may hold several of them; they are done in this order. What is
 * published and `ref` go on as they came, byte for byte.
 */
#include <math.h>
#include <string.h>

#include "fcgi-app/protocols/protocols.h"

static void put_ref(struct scan_value ref, struct buf *text) {
    if (ref.at != NULL) {
        buf_text(text, ",\"ref\":");
        buf_add(text, ref.at, ref.len);
    }
    buf_char(text, '}');
}

/* A script of a page hears nothing of a WebSocket's own pings: this it hears. */
static void answer_ping(struct scan_value ref, struct step *step) {
    struct buf text = buf_make(SIZE_MAX / 2);

    buf_text(&text, "{\"pong\":true");
    put_ref(ref, &text);
    texts_add(&step->said, text.data, text.len);
    buf_free(&text);
}

static void take(const struct speech *speech, const char *text, size_t len, struct step *step) {
    struct order order;
    struct problem *problem = &step->problem;

    bool good = order_parse(text, len, &order, problem);
    step->ref = order.ref;
    if (good && order.token.at != NULL) {
        step->renews = true;
        step->token = order.token;
        return;
    }
    if (good && (order.subscribe.at != NULL || order.pattern.at != NULL))
        good = step->joins =
            change_subscribe(speech->config, speech->who, &order, &step->join, problem);
    if (good && order.unsubscribe.at != NULL)
        good = step->leaves =
            change_unsubscribe(speech->config, speech->who, &order, &step->leave, problem);
    if (good && order.ping.at != NULL)
        answer_ping(order.ref, step);
    if (!good || order.publish.at == NULL)
        return;
    step->posts = true;
    (void)order_post(order.publish, &step->post, problem);
}

static void tell(const struct speech *speech, const struct outcome *outcome, struct step *step) {
    struct buf text = buf_make(SIZE_MAX / 2);
    (void)speech;

    if (outcome->problem != NULL) {
        problem_render_error(outcome->problem, outcome->ref, &text);
    } else if (outcome->expires > 0) {
        buf_printf(&text, "{\"token\":{\"expires\":%.0f}", floor(outcome->expires));
        put_ref(outcome->ref, &text);
    } else {
        buf_printf(&text, "{\"published\":{\"id\":\"%.*s\",\"at\":%llu}", (int)outcome->id_len,
                   outcome->id, (unsigned long long)outcome->at);
        put_ref(outcome->ref, &text);
    }
    texts_add(&step->said, text.data, text.len);
    buf_free(&text);
}

static void render(const struct speech *speech, struct batch *batch, struct texts *texts) {
    (void)speech;
    const struct buf *json = batch_json(batch);
    texts_add(texts, json->data, json->len);
}

const struct protocol protocol_halley = {
    .name = "halley", .confirms = true, .take = take, .tell = tell, .render = render};
