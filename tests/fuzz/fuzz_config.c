/* config_load() on any file: it is taken or refused with one line of explanation,
 * and what is taken is printed as a file that is taken again.
 */
#include "core/config/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int load(struct config *config, const void *data, size_t size) {
    char name[64], problem[CONFIG_PROBLEM];
    struct config_command command;
    int fd = memfd_create("fuzz", 0);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    char *argv[] = {(char[]){"fuzz"}, (char[]){"-f"}, name, NULL};
    int result = config_load(config, &command, 3, argv, problem);
    if ((result == 0) != (problem[0] == '\0') || strlen(problem) >= CONFIG_PROBLEM)
        abort();
    close(fd);
    return result;
}

/* Whether a printed value is read back as it is: no comment, no control character is in it. */
static int plain(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ';' || text[i] == '#' || (unsigned char)text[i] > 0x7e ||
            ((unsigned char)text[i] < 0x20 && text[i] != '\n'))
            return 0;
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config config, again;
    char *text = NULL;
    size_t len = 0;

    if (load(&config, data, size) == 0) {
        config_channel(&config, (const char *)data, size);
        FILE *out = open_memstream(&text, &len);
        config_print(&config, out);
        fclose(out);
        if (plain(text, len)) {
            if (load(&again, text, len) != 0)
                abort();
            config_free(&again);
        }
        free(text);
    }
    config_free(&config);
    return 0;
}
