/*
 * Looks names up. Web servers hand on some forty variables a request, most of which are
 * none of these: so a name is compared only with those of its length, which are found at once.
 */
#include "fcgi-app/door/said.h"

#include <string.h>
#include <strings.h>

static struct {
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
    said->repeated = 0;
}

enum { LENGTHS = 48 }; /* no name is as long */

/* Of each length the first name, and behind each name the next one; from 1 on, 0: none. */
struct by_length {
    uint8_t first[LENGTHS];
    uint8_t next[SAID_COUNT];
    bool made;
};

static struct by_length by_variable, by_field;

static void note(struct by_length *index, int which, size_t len) {
    index->next[which] = index->first[len];
    index->first[len] = (uint8_t)(which + 1);
}

void said_call(enum said_what what, const char *variable, const char *field) {
    names[what].variable = variable;
    names[what].field = field;
    names[what].variable_len = strlen(variable);
    names[what].field_len = strlen(field);
    by_variable = by_field = (struct by_length){.made = false};
}

int said_by_variable(const char *name, size_t len) {
    struct by_length *index = &by_variable;

    for (int i = 0; i < SAID_COUNT && !index->made; i++) {
        if (names[i].variable_len > 0)
            note(index, i, names[i].variable_len);
    }
    index->made = true;
    int at = len > 0 && len < LENGTHS ? index->first[len] : 0;
    while (at > 0 && memcmp(names[at - 1].variable, name, len) != 0)
        at = index->next[at - 1];
    return at - 1;
}

int said_by_field(const char *name, size_t len) {
    struct by_length *index = &by_field;

    for (int i = 0; i < SAID_COUNT && !index->made; i++) {
        if (names[i].field_len > 0)
            note(index, i, names[i].field_len);
    }
    index->made = true;
    int at = len > 0 && len < LENGTHS ? index->first[len] : 0;
    while (at > 0 && strncasecmp(names[at - 1].field, name, len) != 0)
        at = index->next[at - 1];
    return at - 1;
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
