/* The table of protocols of the tests' own program (build/test/halley.fcgi): some rows more,
 * which the suites of other systems want and no site does.
 *
 *   echo   every text comes back
 *   close  closes as soon as it is open
 *   sio-test  the application of a suite for Socket.IO (sio.c)
 *   count  has a state: how many texts it was told. Says that, or of `join NAME` where it begins
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/protocols/protocols.h"
#include "tests/protocols/sio.h"

static void take_echo(const struct speech *speech, const char *text, size_t len,
                      struct step *step) {
    (void)speech;
    texts_add(&step->said, text, len);
}

static void echo_bytes(const struct speech *speech, const char *bytes, size_t len,
                       struct step *step) {
    (void)speech;
    texts_add_bytes(&step->said, bytes, len);
}

static void take_nothing(const struct speech *speech, const char *text, size_t len,
                         struct step *step) {
    (void)speech, (void)text, (void)len, (void)step;
}

static void tell(const struct speech *speech, const struct outcome *outcome, struct step *step) {
    (void)speech, (void)outcome, (void)step; /* neither publishes */
}

static void render(const struct speech *speech, struct batch *batch, struct texts *texts) {
    (void)speech, (void)batch, (void)texts; /* neither subscribes */
}

static void open_close(const struct speech *speech, struct step *step) {
    (void)speech;
    step->closes = 3000;
    step->reason = "Go away!";
}

static const struct protocol protocol_echo = {
    .name = "echo", .take = take_echo, .take_bytes = echo_bytes, .tell = tell, .render = render};

static const struct protocol protocol_close = {
    .name = "close", .open = open_close, .take = take_nothing, .tell = tell, .render = render};

/* ------------------------------------------------------------------------ count */

static void *count_new(const struct speech *speech) {
    (void)speech;
    return mem_new(sizeof(unsigned));
}

static void count_save(const struct speech *speech, struct buf *out) {
    buf_printf(out, "%u", *(unsigned *)speech->state);
}

static bool count_load(const struct speech *speech, const char *bytes, size_t len) {
    unsigned *count = speech->state;

    for (*count = 0; len > 0 && *bytes >= '0' && *bytes <= '9'; bytes++, len--)
        *count = *count * 10 + (unsigned)(*bytes - '0');
    return len == 0;
}

static void count_open(const struct speech *speech, struct step *step) {
    (void)step;
    *(unsigned *)speech->state = 100;
}

static void count_take(const struct speech *speech, const char *text, size_t len,
                       struct step *step) {
    struct buf said = buf_make(256);

    buf_printf(&said, "%u", ++*(unsigned *)speech->state);
    if (len > 5 && memcmp(text, "join ", 5) == 0) {
        struct change *join = &step->join;
        step->joins = true;
        join->names.names = mem_new(sizeof *join->names.names);
        join->names.names[0] = (struct order_name){mem_copy(text + 5, len - 5), len - 5};
        join->names.count = join->count = 1;
        join->channels = mem_new(sizeof *join->channels);
        join->channels[0] = (struct hub_channel){
            .name = join->names.names[0].name, .len = len - 5, .since = {.kind = SINCE_START}};
    }
    texts_add(&step->said, said.data, said.len);
    buf_free(&said);
}

static void count_joined(const struct speech *speech, const struct hub_places *begin,
                         struct step *step) {
    struct buf said = buf_make(256);
    (void)speech;

    buf_printf(&said, "joined %zu, gap %d", begin->count,
               begin->count > 0 && begin->channels[0].gap);
    texts_add(&step->said, said.data, said.len);
    buf_free(&said);
}

static void count_render(const struct speech *speech, struct batch *batch, struct texts *texts) {
    for (size_t i = 0; i < batch_size(batch); i++) {
        const struct message *message = batch_entry_at(batch, i)->message;
        struct buf said = buf_make(SIZE_MAX / 2);
        buf_printf(&said, "%u hears ", *(unsigned *)speech->state);
        buf_add(&said, message->payload, message->payload_len);
        texts_add(texts, said.data, said.len);
        buf_free(&said);
    }
}

static unsigned count_shape(const struct speech *speech, struct batch *batch) {
    (void)speech, (void)batch;
    return SHAPE_OWN;
}

static const struct protocol protocol_count = {.name = "count",
                                               .open = count_open,
                                               .take = count_take,
                                               .tell = tell,
                                               .joined = count_joined,
                                               .render = count_render,
                                               .shape = count_shape,
                                               .state_new = count_new,
                                               .state_free = free,
                                               .save = count_save,
                                               .load = count_load};

const struct protocol *const protocols[] = {
    &protocol_halley, &protocol_channel, &protocol_socketio, &protocol_echo,
    &protocol_close,  &protocol_count,   &protocol_sio_test, NULL};
