/* Any bytes at the start of a WebSocket connection: what they are never depends on how they
 * are cut, nothing is read behind them, and a handshake that is taken has all that it must.
 */
#include "fcgi-app/door/ws/handshake.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

static enum handshake_state parse(const char *data, size_t len, struct problem *problem) {
    struct request *request = NULL;
    struct buf accept = buf_make(64);
    size_t used = 0;
    enum handshake_state state =
        handshake_parse(data, len, "https://listed.example", &used, &request, &accept, problem);

    must((state == HANDSHAKE_WHOLE) == (request != NULL));
    if (state == HANDSHAKE_WHOLE) {
        must(used <= len && memmem(data, used, "13", 2) != NULL);
        must(accept.len == 28 && strncmp(data + strspn(data, "\r\n"), "GET ", 4) == 0);
    }
    if (state == HANDSHAKE_BAD)
        must(problem->status >= 400 && problem->status < 500 &&
             (problem->status == 426) == (problem->upgrade != NULL));
    request_free(request);
    buf_free(&accept);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct problem problem, earlier;
    size_t len = size < HANDSHAKE_MAX ? size : HANDSHAKE_MAX;
    char *text = malloc(len + 1);

    memcpy(text, size > 0 ? data : (const uint8_t *)"", len);
    enum handshake_state state = parse(text, len, &problem);
    for (size_t half = len / 2; half < len; half += 1 + len / 7) {
        char *start = malloc(half + 1);
        memcpy(start, text, half);
        enum handshake_state before = parse(start, half, &earlier);
        /* what was told once is told whatever follows */
        must(before == HANDSHAKE_PARTIAL || before == state);
        free(start);
    }
    if (state == HANDSHAKE_BAD) {
        struct buf out = buf_make(8192);
        problem_put(&problem, &out);
        (void)problem_head(&problem, 0, &out);
        must(!out.overflow && out.len > 0);
        buf_free(&out);
    }
    free(text);
    return 0;
}
