/*
 * Who is connected, by descriptor: asked of the kernel once, when a connection is accepted. Sixteen
 * bytes for each. Belongs to the loop's thread.
 */
#ifndef HALLEY_HTTP_PEERS_H
#define HALLEY_HTTP_PEERS_H

#include "fcgi-app/door/address.h"

struct peers;

struct peers *peers_new(void);
void peers_free(struct peers *peers);

/* A connection was accepted. */
void peers_note(struct peers *peers, int fd);

/* The address on the other side of one that was, as text; "-": there is none. */
void peers_write(const struct peers *peers, int fd, char out[ADDRESS_TEXT]);

#endif
