/*
 * Reads alternatives, and asks them. Pure functions.
 */
#include "core/config/access.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/data/channel.h"

/* ------------------------------------------------------------------- what is said */

struct span {
    const char *at;
    size_t len;
};

static struct span trimmed(const char *at, size_t len) {
    while (len > 0 && (at[0] == ' ' || at[0] == '\t'))
        at++, len--;
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    return (struct span){at, len};
}

/* Takes the next alternative off the text: up to a comma that stands in no quotes. */
static struct span next_of(const char **text) {
    const char *from = *text, *at = from;
    bool quoted = false;

    while (*at != '\0' && (quoted || *at != ','))
        quoted ^= *at++ == '"';
    *text = *at == ',' ? at + 1 : at;
    return trimmed(from, (size_t)(at - from));
}

static bool is_word(struct span span, const char *word) {
    return span.len == strlen(word) && strncasecmp(span.at, word, span.len) == 0;
}

/* A name without its quotes. False: it cannot be one. */
static bool unquote(struct span *name) {
    bool quoted = name->len >= 2 && name->at[0] == '"' && name->at[name->len - 1] == '"';

    if (quoted)
        name->at++, name->len -= 2;
    for (size_t i = 0; i < name->len; i++) {
        unsigned char c = (unsigned char)name->at[i];
        if (c < ' ' || c == 0x7f || c == '"')
            return false;
    }
    return name->len > 0;
}

static const struct alternative {
    const char *word;
    char letter;
    bool named; /* a name must stand behind it */
    unsigned kind;
} alternatives[] = {
    {"anyone", ACCESS_IS_ANYONE, false, ACCESS_ANYONE},
    {"none", ACCESS_IS_NONE, false, ACCESS_NONE},
    {"user", ACCESS_IS_ANY_USER, false, ACCESS_USER},
    {"user", ACCESS_IS_USER, true, ACCESS_NAMED},
    {"group", ACCESS_IS_GROUP, true, ACCESS_NAMED},
    {"owner", ACCESS_IS_OWNER, false, ACCESS_OWNER},
    {"token", ACCESS_IS_TOKEN, false, ACCESS_TOKEN},
    {"ask", ACCESS_IS_ASK, false, ACCESS_ASK},
};

enum { ALTERNATIVES = sizeof alternatives / sizeof alternatives[0] };

static const struct alternative *find(struct span word, bool named) {
    for (size_t i = 0; i < ALTERNATIVES; i++) {
        if (alternatives[i].named == named && is_word(word, alternatives[i].word))
            return &alternatives[i];
    }
    return NULL;
}

static bool take(struct span said, struct buf *list, unsigned *kinds) {
    size_t len = 0;

    while (len < said.len && said.at[len] != ' ' && said.at[len] != '\t')
        len++;
    struct span name = trimmed(said.at + len, said.len - len);
    bool named = name.len > 0;
    const struct alternative *is = find((struct span){said.at, len}, named);
    if (is == NULL || (named && !unquote(&name)))
        return false;
    buf_char(list, is->letter);
    buf_add(list, name.at, name.len);
    buf_char(list, '\0');
    *kinds |= is->kind;
    return true;
}

enum err access_parse(const char *text, struct access *access) {
    struct buf list = buf_make(SIZE_MAX / 2);
    unsigned kinds = 0;
    size_t count = 0;
    bool good = true, none = false;

    do {
        struct span said = next_of(&text);
        good = take(said, &list, &kinds);
        none |= is_word(said, "none");
        count++;
    } while (good && *text != '\0');
    if (!good || text[-1] == ',' || (none && count > 1)) {
        buf_free(&list);
        return ERR_SYNTAX;
    }
    buf_char(&list, '\0');
    *access = (struct access){list.data, kinds};
    return ERR_OK;
}

/* -------------------------------------------------------------------- what it says */

static const struct alternative *of_letter(char letter) {
    size_t i = 0;

    while (alternatives[i].letter != letter)
        i++;
    return &alternatives[i];
}

void access_print(const struct access *access, FILE *out) {
    const char *separator = "";

    if (access->list == NULL)
        fprintf(out, "none");
    for (const char *at = access->list; at != NULL && *at != '\0'; at += strlen(at) + 1) {
        const struct alternative *is = of_letter(*at);
        const char *quote = strchr(at, ',') != NULL ? "\"" : "";
        fprintf(out, "%s%s", separator, is->word);
        if (is->named)
            fprintf(out, " %s%s%s", quote, at + 1, quote);
        separator = ", ";
    }
}

static bool has(const struct access *access, char letter, const char *name) {
    for (const char *at = access->list; at != NULL && *at != '\0'; at += strlen(at) + 1) {
        if (*at == letter && strcmp(at + 1, name) == 0)
            return true;
    }
    return false;
}

bool access_names_user(const struct access *access, const char *user) {
    return has(access, ACCESS_IS_USER, user);
}

bool access_names_group(const struct access *access, const char *group) {
    return has(access, ACCESS_IS_GROUP, group);
}

/* ------------------------------------------------------------------------- owners */

/* Behind a bracket expression that begins at `at`; a bracket that nothing closes is a letter. */
static const char *behind_bracket(const char *at) {
    const char *end = at + 1;

    if (*end == '!' || *end == '^')
        end++;
    if (*end == ']')
        end++;
    while (*end != '\0' && *end != ']')
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    return *end == ']' ? end + 1 : at + 1;
}

/* The last star, and how many bytes what stands behind it matches; NULL: there is none. */
static const char *last_star(const char *pattern, size_t *behind) {
    const char *star = NULL;

    for (const char *at = pattern; *at != '\0';) {
        if (*at == '*') {
            star = at++;
            *behind = 0;
            continue;
        }
        at = *at == '[' ? behind_bracket(at) : at + (*at == '\\' && at[1] != '\0' ? 2 : 1);
        (*behind)++;
    }
    return star;
}

bool access_has_owner(const char *pattern) {
    size_t behind = 0;
    return last_star(pattern, &behind) != NULL;
}

/* Whether the pattern's part in front of its last star matches the first `len` bytes. */
static bool front_matches(const char *front, const char *channel, size_t len) {
    char name[CHANNEL_MAX + 1];

    memcpy(name, channel, len);
    name[len] = '\0';
    return fnmatch(front, name, 0) == 0;
}

bool access_owns(const char *pattern, const char *channel, const char *user) {
    size_t behind = 0, len = strlen(channel);
    const char *star = last_star(pattern, &behind);

    if (star == NULL || user[0] == '\0' || len > CHANNEL_MAX || len <= behind)
        return false;
    size_t end = len - behind, from = end, splits = 0, start = 0;
    char *front = mem_copy(pattern, (size_t)(star - pattern));
    while (from > 0 && channel[from - 1] != '/') {
        if (front_matches(front, channel, --from)) {
            splits++;
            start = from;
        }
    }
    free(front);
    return splits == 1 && strlen(user) == end - start &&
           memcmp(user, channel + start, end - start) == 0;
}
