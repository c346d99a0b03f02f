/* Any bytes at the start of a WebSocket connection: what they are never depends on how they
 * are cut, nothing is read behind them, and a handshake that is taken has all that it must.
 */
#include "fcgi-app/door/ws/handshake.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/lib/opening.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

enum outcome { PARTIAL, TAKEN, REFUSED };

static enum outcome parse(const char *data, size_t len, struct problem *problem) {
    struct request *request = NULL;
    struct buf hello = buf_make(1024);
    size_t used = 0;
    enum opening state = read_opening(data, len, &used, &request, problem);
    enum outcome outcome = state == OPENING_PARTIAL ? PARTIAL : REFUSED;

    must((state == OPENING_WHOLE) == (request != NULL));
    if (state == OPENING_WHOLE && handshake_check(request, "https://listed.example", problem)) {
        outcome = TAKEN;
        handshake_put_answer(request, &hello);
        must(used <= len && memmem(data, used, "13", 2) != NULL);
        must(!hello.overflow && strncmp(data + strspn(data, "\r\n"), "GET ", 4) == 0);
    }
    if (outcome == REFUSED)
        must(problem->status >= 400 && problem->status < 600 &&
             (problem->status == 426) == (problem->upgrade != NULL));
    request_free(request);
    buf_free(&hello);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct problem problem, earlier;
    size_t len = size < REQUEST_HEADER_MAX ? size : REQUEST_HEADER_MAX;
    char *text = malloc(len + 1);

    memcpy(text, size > 0 ? data : (const uint8_t *)"", len);
    enum outcome state = parse(text, len, &problem);
    for (size_t half = len / 2; half < len; half += 1 + len / 7) {
        char *start = malloc(half + 1);
        memcpy(start, text, half);
        enum outcome before = parse(start, half, &earlier);
        /* what was told once is told whatever follows */
        must(before == PARTIAL || before == state);
        free(start);
    }
    if (state == REFUSED) {
        struct buf out = buf_make(8192);
        problem_put(&problem, &out);
        (void)problem_head(&problem, 0, &out);
        must(!out.overflow && out.len > 0);
        buf_free(&out);
    }
    free(text);
    return 0;
}
