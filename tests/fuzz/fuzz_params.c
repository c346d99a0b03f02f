/* params_parse() on any text: what comes out lies inside what went in. */
#include "fcgi-app/door/params.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct params params;
    size_t total = 0;

    if (params_parse(&params, (const char *)data, size) != ERR_OK)
        return 0;
    for (size_t i = 0; i < params.count; i++) {
        const struct param *param = &params.items[i];
        if (param->name[param->name_len] != '\0' || param->value[param->value_len] != '\0')
            abort();
        /* a name with a NUL in it is nobody's: who asks names a string */
        int whole = strlen(param->name) == param->name_len;
        if (whole &&
            (params_find(&params, param->name) == NULL || params_count(&params, param->name) == 0))
            abort();
        total += param->name_len + param->value_len;
    }
    if (total > size || params.count > PARAMS_MAX)
        abort();
    params_free(&params);
    return 0;
}
