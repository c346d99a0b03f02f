/*
 * The life of a protocol's state, for carriers: nothing is done where the protocol has none.
 */
#include "fcgi-app/protocols/protocol.h"

void speech_begin(struct speech *speech) {
    if (speech->state == NULL && speech->protocol->state_new != NULL)
        speech->state = speech->protocol->state_new(speech);
}

void speech_end(struct speech *speech) {
    if (speech->state != NULL)
        speech->protocol->state_free(speech->state);
    speech->state = NULL;
}

bool speech_load(struct speech *speech, const char *bytes, size_t len) {
    speech_end(speech);
    speech_begin(speech);
    return speech->state == NULL || len == 0 || speech->protocol->load(speech, bytes, len);
}

void speech_save(const struct speech *speech, struct buf *out) {
    if (speech->state != NULL)
        speech->protocol->save(speech, out);
}

uint64_t speech_deadline(const struct speech *speech) {
    return speech->protocol->deadline != NULL ? speech->protocol->deadline(speech) : 0;
}

unsigned speech_shape(const struct speech *speech, struct batch *batch) {
    const struct protocol *protocol = speech->protocol;
    return protocol->shape != NULL ? protocol->shape(speech, batch) : SHAPE_ALL;
}

bool speech_asks(const struct speech *speech, const struct step *step) {
    return speech->protocol->joined != NULL && step->joins;
}
