/* Calls of functions in Redis. A call has as many words as its caller writes down. */
#include "worker/call.h"

#include <string.h>

void call_bytes(struct call *call, const char *bytes, size_t len) {
    if (call->argc == CALL_WORDS)
        return;
    call->argv[call->argc] = bytes;
    call->lens[call->argc++] = len;
}

void call_text(struct call *call, const char *text) {
    call_bytes(call, text, strlen(text));
}

void call_begin(struct call *call, const char *function) {
    call->argc = call->numbers = 0;
    call_text(call, "FCALL");
    call_text(call, function);
}

static char *room(struct call *call) {
    return call->text[call->numbers < CALL_NUMBERS - 1 ? call->numbers++ : call->numbers];
}

/* Writes the digits; returns how many. (Nine numbers go with each publish: snprintf shows.) */
static size_t digits(char *out, uint64_t number) {
    char text[24];
    size_t len = 0, at = sizeof text;

    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    len = sizeof text - at;
    memcpy(out, text + at, len);
    return len;
}

void call_number(struct call *call, uint64_t number) {
    char *text = room(call);
    call_bytes(call, text, digits(text, number));
}

void call_two(struct call *call, uint64_t first, uint64_t second) {
    call_number(call, first);
    call_number(call, second);
}

void call_pair(struct call *call, uint64_t first, uint64_t second) {
    char *text = room(call);
    size_t len = digits(text, first);

    text[len++] = ' ';
    call_bytes(call, text, len + digits(text + len, second));
}
