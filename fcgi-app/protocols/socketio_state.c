/*
 * A state is saved as lines, so that an ordinary one is short: `s/chat TOKEN` a namespace, `jNAME`
 * a channel that was joined in it, `dMS` the deadline; and last, `bAWAITED LENGTH` an event, and
 * `aLENGTH` each of its attachments, with so many bytes behind the line.
 *
 * A token is random, and ends in a few characters that are made of the others and of the
 * namespace: so one of another namespace or service is known for that wherever it is shown, though
 * nobody has kept it. It opens nothing: rights are asked for every channel anew.
 */
#include "fcgi-app/protocols/socketio_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/crypto.h"
#include "core/base/mem.h"
#include "core/data/channel.h"
#include "fcgi-app/protocols/socketio_packet.h"

enum { TOKEN_RANDOM = 12, TOKEN_CHECK = 3 }; /* bytes */

/* ------------------------------------------------------------------------- secrets */

/* Base64 for URLs (RFC 4648 §5) of a multiple of three bytes. */
static void put_id(char *out, const unsigned char *bytes, size_t len) {
    struct buf text = buf_make(64);

    crypto_base64(&text, bytes, len);
    for (size_t i = 0; i < text.len; i++)
        out[i] = text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i];
    out[text.len] = '\0';
    buf_free(&text);
}

/* What belongs to a text in this namespace. */
static void digest(const struct speech *speech, const char *name, size_t len, const char *what,
                   const char *text, size_t text_len, unsigned char out[CRYPTO_SHA256]) {
    struct buf all = buf_make(SIZE_MAX / 2);

    buf_add(&all, what, strlen(what) + 1);
    buf_text(&all, speech->service != NULL ? speech->service->path : "");
    buf_char(&all, '\0');
    buf_add(&all, name, len);
    buf_char(&all, '\0');
    buf_add(&all, text, text_len);
    crypto_sha256(all.data, all.len, out);
    buf_free(&all);
}

enum { RANDOM_TEXT = TOKEN_RANDOM / 3 * 4 }; /* characters of it */

static void put_check(const struct speech *speech, const char *name, size_t len, char *token) {
    unsigned char check[CRYPTO_SHA256];

    digest(speech, name, len, "pid", token, RANDOM_TEXT, check);
    put_id(token + RANDOM_TEXT, check, TOKEN_CHECK);
}

static void make_token(const struct speech *speech, const char *name, size_t len, char *token) {
    unsigned char random[TOKEN_RANDOM];

    while (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random && errno == EINTR)
        ;
    put_id(token, random, sizeof random);
    put_check(speech, name, len, token);
}

bool socketio_token_valid(const struct speech *speech, const char *name, size_t len,
                          const char *token, size_t token_len) {
    char expected[SOCKETIO_ID + 1];

    if (token_len != SOCKETIO_ID)
        return false;
    memcpy(expected, token, RANDOM_TEXT);
    put_check(speech, name, len, expected);
    return memcmp(expected, token, SOCKETIO_ID) == 0;
}

static void set_token(const struct speech *speech, struct socketio_space *space,
                      const char *token) {
    if (token != NULL)
        memcpy(space->token, token, SOCKETIO_ID);
    else
        make_token(speech, space->name, space->len, space->token);
    space->token[SOCKETIO_ID] = '\0';
}

void socketio_space_sid(const struct speech *speech, const struct socketio_space *space,
                        char out[SOCKETIO_ID + 1]) {
    unsigned char sid[CRYPTO_SHA256];

    digest(speech, space->name, space->len, "sid", space->token, SOCKETIO_ID, sid);
    put_id(out, sid, SOCKETIO_ID / 4 * 3);
}

void socketio_space_renew(const struct speech *speech, struct socketio_space *space) {
    set_token(speech, space, NULL);
}

/* ---------------------------------------------------------------------- namespaces */

struct socketio_space *socketio_space_find(struct socketio_state *state, const char *name,
                                           size_t len) {
    for (size_t i = 0; i < state->count; i++) {
        if (state->spaces[i]->len == len && memcmp(state->spaces[i]->name, name, len) == 0)
            return state->spaces[i];
    }
    return NULL;
}

struct socketio_space *socketio_space_add(const struct speech *speech, const char *name, size_t len,
                                          const char *token) {
    struct socketio_state *state = speech->state;
    struct socketio_space *space = mem_new(sizeof *space);

    state->spaces[state->count++] = space;
    *space = (struct socketio_space){.name = mem_copy(name, len), .len = len};
    if (speech->service != NULL)
        space->section = config_namespace(speech->config, speech->service, name, len);
    set_token(speech, space, token);
    return space;
}

static void space_free(struct socketio_space *space) {
    for (size_t i = 0; i < space->joined_count; i++)
        free(space->joined[i]);
    free(space->joined);
    free(space->name);
    free(space);
}

void socketio_space_drop(struct socketio_state *state, struct socketio_space *space) {
    size_t at = 0;

    while (state->spaces[at] != space)
        at++;
    state->count--;
    memmove(&state->spaces[at], &state->spaces[at + 1],
            (state->count - at) * sizeof state->spaces[0]);
    space_free(space);
}

static bool is_word(const char *words, const char *channel, size_t len) {
    size_t word_len;
    const char *word = config_word(words, &word_len);

    while (word != NULL && (word_len != len || memcmp(word, channel, len) != 0))
        word = config_word(word + word_len, &word_len);
    return word != NULL;
}

bool socketio_space_joined(const struct socketio_space *space, const char *channel, size_t len) {
    for (size_t i = 0; i < space->joined_count; i++) {
        if (strlen(space->joined[i]) == len && memcmp(space->joined[i], channel, len) == 0)
            return true;
    }
    return false;
}

bool socketio_space_has(const struct socketio_space *space, const char *channel, size_t len) {
    return (space->len == len && memcmp(space->name, channel, len) == 0) ||
           (space->section != NULL && is_word(space->section->join, channel, len)) ||
           socketio_space_joined(space, channel, len);
}

void socketio_space_join(struct socketio_space *space, const char *channel, size_t len) {
    space->joined = mem_resize(space->joined, (space->joined_count + 1) * sizeof *space->joined);
    space->joined[space->joined_count++] = mem_copy(channel, len);
}

void socketio_space_leave(struct socketio_space *space, const char *channel, size_t len) {
    for (size_t i = 0; i < space->joined_count; i++) {
        if (strlen(space->joined[i]) != len || memcmp(space->joined[i], channel, len) != 0)
            continue;
        free(space->joined[i]);
        space->joined[i] = space->joined[--space->joined_count];
        return;
    }
}

/* -------------------------------------------------------------------------- a state */

void *socketio_state_new(const struct speech *speech) {
    (void)speech;
    return mem_new(sizeof(struct socketio_state));
}

void socketio_state_settle(struct socketio_state *state) {
    free(state->pid);
    free(state->auth_text);
    state->pid = state->auth_text = NULL;
    state->auth = (struct scan_value){NULL, 0};
    state->changing = NULL;
    state->connecting = false;
}

static void clear(struct socketio_state *state) {
    socketio_state_settle(state);
    for (size_t i = 0; i < state->count; i++)
        space_free(state->spaces[i]);
    free(state->text);
    texts_free(&state->attachments);
    memset(state, 0, sizeof *state);
}

void socketio_state_free(void *state) {
    if (state != NULL)
        clear(state);
    free(state);
}

/* --------------------------------------------------------------------------- saving */

static void save_space(const struct socketio_space *space, struct buf *out) {
    buf_char(out, 's');
    buf_add(out, space->name, space->len);
    buf_printf(out, " %s\n", space->token);
    for (size_t i = 0; i < space->joined_count; i++)
        buf_printf(out, "j%s\n", space->joined[i]);
}

static void save_event(const struct socketio_state *state, struct buf *out) {
    buf_printf(out, "b%u %zu\n", state->awaited, state->text_len);
    buf_add(out, state->text, state->text_len);
    for (size_t i = 0; i < state->attachments.count; i++) {
        size_t len;
        const char *bytes = texts_at(&state->attachments, i, &len);
        buf_printf(out, "a%zu\n", len);
        buf_add(out, bytes, len);
    }
}

void socketio_state_save(const struct speech *speech, struct buf *out) {
    const struct socketio_state *state = speech->state;

    if (state->deadline > 0)
        buf_printf(out, "d%llu\n", (unsigned long long)state->deadline);
    for (size_t i = 0; i < state->count; i++)
        save_space(state->spaces[i], out);
    if (state->text != NULL)
        save_event(state, out);
}

/* Takes so many bytes off the front. NULL: there are not so many. */
static const char *take(const char **at, const char *end, size_t len) {
    const char *taken = *at;

    if ((size_t)(end - taken) < len)
        return NULL;
    *at += len;
    return taken;
}

static bool load_space(const struct speech *speech, const char *line, size_t len) {
    struct socketio_state *state = speech->state;

    if (len < SOCKETIO_ID + 2 || line[len - SOCKETIO_ID - 1] != ' ' ||
        state->count == SOCKETIO_SPACES)
        return false;
    if (!socketio_token_valid(speech, line, len - SOCKETIO_ID - 1, line + len - SOCKETIO_ID,
                              SOCKETIO_ID))
        return false;
    socketio_space_add(speech, line, len - SOCKETIO_ID - 1, line + len - SOCKETIO_ID);
    return true;
}

static bool load_event(struct socketio_state *state, const char *line, const char **at,
                       const char *end) {
    char *next;
    unsigned long awaited = strtoul(line, &next, 10), len = strtoul(next, NULL, 10);
    const char *text = take(at, end, len);

    if (text == NULL || state->text != NULL || awaited > SOCKETIO_ATTACHMENTS)
        return false;
    state->awaited = (unsigned)awaited;
    state->text = mem_copy(text, len);
    state->text_len = len;
    return true;
}

static bool load_attachment(struct socketio_state *state, const char *line, const char **at,
                            const char *end) {
    unsigned long len = strtoul(line, NULL, 10);
    const char *bytes = take(at, end, len);

    if (bytes == NULL || state->text == NULL)
        return false;
    texts_add_bytes(&state->attachments, bytes, len);
    return true;
}

/* One line, without its first letter, and what stands behind it. */
static bool load_line(const struct speech *speech, char kind, const char *line, size_t len,
                      const char **at, const char *end) {
    struct socketio_state *state = speech->state;

    switch (kind) {
    case 'd':
        state->deadline = strtoull(line, NULL, 10);
        return true;
    case 's':
        return load_space(speech, line, len);
    case 'j':
        if (state->count == 0 || !channel_valid(line, len))
            return false;
        socketio_space_join(state->spaces[state->count - 1], line, len);
        return true;
    case 'b':
        return load_event(state, line, at, end);
    case 'a':
        return load_attachment(state, line, at, end);
    default:
        return false;
    }
}

bool socketio_state_load(const struct speech *speech, const char *bytes, size_t len) {
    const char *at = bytes, *end = bytes + len;

    clear(speech->state);
    while (at < end) {
        const char *line = at, *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL || stop == line)
            return false;
        at = stop + 1;
        if (!load_line(speech, *line, line + 1, (size_t)(stop - line) - 1, &at, end))
            return false;
    }
    return true;
}
