/* A buffer that is filled at its end and emptied at its front, for whoever reads
 * what never ends. Other than struct bytes (wire.h) it gives its memory back, so
 * that a thousand readers of a few megabytes each fit a small machine.
 */
#include "tests/lib/pile.h"

#include "tests/lib/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { READ_CHUNK = 16384 };

static void make_room(struct pile *pile, size_t length) {
    if (pile->length + length < pile->room)
        return;
    pile->room =
        pile->length + length + 1 > 2 * pile->room ? pile->length + length + 1 : 2 * pile->room;
    pile->data = realloc(pile->data, pile->room);
    must(pile->data, "out of memory");
}

void pile_add(struct pile *pile, const void *data, size_t length) {
    make_room(pile, length);
    if (length)
        memcpy(pile->data + pile->length, data, length);
    pile->length += length;
    pile->data[pile->length] = '\0';
}

void pile_drop(struct pile *pile, size_t length) {
    must(length <= pile->length, "%zu bytes of %zu", length, pile->length);
    if (!length)
        return;
    pile->length -= length;
    memmove(pile->data, pile->data + length, pile->length + 1);
}

void pile_free(struct pile *pile) {
    free(pile->data);
    memset(pile, 0, sizeof *pile);
}

bool pile_begins(const struct pile *pile, const char *text) {
    size_t length = strlen(text);

    return pile->length >= length && memcmp(pile->data, text, length) == 0;
}

long pile_find(const struct pile *pile, const char *text) {
    const char *at = pile->length ? memmem(pile->data, pile->length, text, strlen(text)) : NULL;

    return at ? (long)(at - pile->data) : -1;
}

bool pile_read(struct pile *pile, int fd) {
    ssize_t got;

    do {
        make_room(pile, READ_CHUNK);
        got = recv(fd, pile->data + pile->length, READ_CHUNK, MSG_DONTWAIT);
        if (got > 0)
            pile->length += (size_t)got;
        pile->data[pile->length] = '\0';
    } while (got == READ_CHUNK);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}
