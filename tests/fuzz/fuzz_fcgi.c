/* fcgi_look() on any bytes: it reads nothing behind them, and the same beginning
 * never turns from junk or whole into something else when more follows.
 */
#include "fcgi-app/door/fcgi/fcgi.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fcgi_view view, half;
    enum fcgi_look seen = fcgi_look(data, size, &view);
    unsigned char *start = malloc(size / 2 + 1);

    memcpy(start, size > 0 ? data : (const uint8_t *)"", size / 2);
    enum fcgi_look before = fcgi_look(start, size / 2, &half);
    free(start);
    if (before != FCGI_PARTIAL && before != seen)
        abort();
    if (seen != FCGI_JUNK && before == FCGI_PARTIAL && half.params_bytes > view.params_bytes)
        abort();
    if (seen == FCGI_WHOLE && (!view.params_whole || view.request_id == 0))
        abort();
    return 0;
}
