/* The sequencers of several workers, in a world that the input makes. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "tests/unit/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct byte_dice bytes;
    struct model_counts counts;
    struct dice dice;

    if (size < 2 || size > 4096)
        return 0;
    log_open("fuzz", LOG_ERROR);
    dice = dice_of_bytes(&bytes, data + 1, size - 1);
    const char *problem = model_run(&dice, 1 + data[0] % MODEL_WORKERS, &counts, false);
    if (problem != NULL) {
        fprintf(stderr, "%s\n", problem);
        abort();
    }
    return 0;
}
