/*
 * Looks names up. Web servers hand on some forty variables a request, most of which are
 * none of these: so a name is compared only with those of its length.
 */
#include "fcgi-app/door/said.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *variable;
    const char *field; /* "": HTTP has none */
    size_t variable_len, field_len;
} names[SAID_COUNT] = {
#define SAID_ROW(name, variable, field, member, dear)                                              \
    [SAID_##name] = {variable, field, sizeof(variable) - 1, sizeof(field) - 1},
    SAID_LIST(SAID_ROW)
#undef SAID_ROW
};

void said_nothing(struct said *said) {
    for (int i = 0; i < SAID_COUNT; i++)
        said->of[i] = "";
}

int said_by_variable(const char *name, size_t len) {
    for (int i = 0; i < SAID_COUNT; i++) {
        if (names[i].variable_len == len && memcmp(names[i].variable, name, len) == 0)
            return i;
    }
    return -1;
}

int said_by_field(const char *name, size_t len) {
    for (int i = 0; i < SAID_COUNT && len > 0; i++) {
        if (names[i].field_len == len && strncasecmp(names[i].field, name, len) == 0)
            return i;
    }
    return -1;
}

bool said_by_a_proxy(const struct said *said) {
    static const enum said_what signs[] = {SAID_FORWARDED_HOST,  SAID_FORWARDED_FOR,
                                           SAID_FORWARDED_PROTO, SAID_FORWARDED,
                                           SAID_REAL_IP,         SAID_VIA};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (said->of[signs[i]][0] != '\0')
            return true;
    }
    return false;
}

bool said_credential(const struct said *said) {
    return said->of[SAID_AUTHORIZATION][0] != '\0' || said->of[SAID_REMOTE_USER][0] != '\0' ||
           said->of[SAID_AUTH_TYPE][0] != '\0';
}
