/* What a client of Socket.IO says, a line each, bytes behind a `b`: whatever it is, the state that
 * is saved is the one that is loaded again, what is to be published is JSON that every reader
 * takes, and as a message it is an event. */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/protocols/protocols.h"
#include "fcgi-app/protocols/socketio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct service service = {
    .path = (char[]){"socket.io"}, .dialect = (char[]){""}, .connect_timeout = 1000, .recovery = 1};
static struct name_space space = {.service = (char[]){"socket.io"},
                                  .name = (char[]){"/chat"},
                                  .join = (char[]){"news"},
                                  .may_join = (char[]){"room* x"},
                                  .publish = (char[]){"said"}};
static const struct config config = {.max_channels = 8,
                                     .services = &service,
                                     .service_count = 1,
                                     .namespaces = &space,
                                     .namespace_count = 1};

static void must(bool what) {
    if (!what)
        abort();
}

/* The state is what it is when it was saved and loaded. */
static void reload(struct speech *speech) {
    struct buf saved = buf_make(1 << 22), again = buf_make(1 << 22);

    speech_save(speech, &saved);
    must(speech_load(speech, saved.data != NULL ? saved.data : "", saved.len));
    speech_save(speech, &again);
    must(saved.len == again.len &&
         (saved.len == 0 || memcmp(saved.data, again.data, saved.len) == 0));
    buf_free(&saved);
    buf_free(&again);
}

static void render(const struct speech *speech, struct scan_value payload) {
    const struct batch_channel channel = {.name = "news", .len = 4, .from = {7, 0}, .to = {7, 1}};
    struct message *message =
        message_new("news", 4, (struct position){7, 1}, 0, payload.at, payload.len);
    const struct batch_entry entry = {.message = message};
    struct batch *batch = batch_new(&channel, 1, &entry, 1, 0);
    struct texts texts = {0};

    speech->protocol->render(speech, batch, &texts);
    (void)speech_shape(speech, batch);
    texts_free(&texts);
    batch_unref(batch);
    message_unref(message);
}

static void carry_out(const struct speech *speech, struct step *step) {
    if (step->joins) {
        struct hub_places begin = {.channels = step->join.channels, .count = step->join.count};
        speech->protocol->joined(speech, &begin, step);
    }
    if (step->posts) {
        must(scan_tame(step->post.data.at, step->post.data.len));
        render(speech, step->post.data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *at = (const char *)data, *end = at + size;
    struct speech speech = {
        .protocol = &protocol_socketio, .argument = "", .config = &config, .service = &service};
    bool open = true;

    speech_begin(&speech);
    render(&speech, (struct scan_value){at, size});
    while (open && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop != NULL ? stop : end) - at);
        char *text = mem_copy(at, len);
        struct step step = {0};
        if (*text == 'b')
            speech.protocol->take_bytes(&speech, text + 1, len - 1, &step);
        else
            speech.protocol->take(&speech, text, len, &step);
        carry_out(&speech, &step);
        open = step.closes == 0;
        step_free(&step);
        free(text);
        reload(&speech);
        at += len + (stop != NULL);
    }
    render(&speech, (struct scan_value){(const char *)data, size});
    speech_end(&speech);
    speech = (struct speech){
        .protocol = &protocol_socketio, .argument = "", .config = &config, .service = &service};
    if (speech_load(&speech, (const char *)data, size) && size > 0)
        reload(&speech);
    speech_end(&speech);
    return 0;
}
