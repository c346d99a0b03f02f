/* A feed against the model of everything around it, told stories of any bytes. */
#include "tests/model/feed_model.c" // NOLINT(bugprone-suspicious-include)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    feed_model_run(data, size < LONGEST ? size : LONGEST, "a fuzzer's story");
    return 0;
}
