/*
 * Batches inside scripts. JSON is JavaScript but for what ends a script element
 * and, before ES2019, two line separators. Pure functions.
 */
#include "fcgi-app/transports/script.h"

#include <string.h>

#include "core/base/mem.h"

enum { CALLBACK_MAX = 128 };

static bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

static bool valid_callback(const char *name, size_t len) {
    if (len == 0 || len > CALLBACK_MAX || !letter(name[0]))
        return false;
    for (size_t i = 1; i < len; i++) {
        if (!letter(name[i]) && !(name[i] >= '0' && name[i] <= '9') && name[i] != '.')
            return false;
    }
    return true;
}

bool script_options(const struct params *params, size_t channel_count,
                    struct transport_options *options, struct problem *problem) {
    const struct param *callback = params_find(params, "callback");
    (void)channel_count;

    if (callback == NULL || params_count(params, "callback") > 1 ||
        !valid_callback(callback->value, callback->value_len)) {
        problem_set(problem, 400,
                    "callback: must be a name of letters, digits, _ $ and dots, at most %d long",
                    CALLBACK_MAX);
        return false;
    }
    options->callback = mem_copy(callback->value, callback->value_len);
    return true;
}

bool script_name(const char *name, size_t len) {
    return valid_callback(name, len);
}

void script_batch(struct batch *batch, struct buf *out) {
    const struct buf *json = batch_json(batch);
    script_text(json->data, json->len, out);
}

void script_text(const char *text, size_t len, struct buf *out) {
    size_t from = 0;

    for (size_t i = 0; i < len; i++) {
        const unsigned char *at = (const unsigned char *)text + i;
        bool separator = at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9);
        if (at[0] != '<' && !separator)
            continue;
        buf_add(out, text + from, i - from);
        buf_text(out, separator ? (at[2] == 0xa8 ? "\\u2028" : "\\u2029") : "\\u003c");
        i += separator ? 2 : 0;
        from = i + 1;
    }
    buf_add(out, text + from, len - from);
}
