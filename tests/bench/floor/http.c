/* The floor as an HTTP/1.1 server by itself: what is left when there is no web server.
 * Connections are kept; of a request the target and the length of its body are looked at.
 */
#include "tests/bench/floor/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_chunk(struct image *image, const struct pile *body) {
    char size[32];

    pile_add(&image->bytes, size, (size_t)snprintf(size, sizeof size, "%zx\r\n", body->length));
    pile_add(&image->bytes, body->data, body->length);
    pile_add(&image->bytes, "\r\n", 2);
}

static void frame(struct image *image, enum part part, const struct pile *head,
                  const struct pile *body) {
    if (head)
        pile_add(&image->bytes, head->data, head->length);
    if (part == PART_WHOLE)
        pile_add(&image->bytes, body->data, body->length);
    else
        put_chunk(image, body);
}

static size_t body_length(const char *head, size_t length) {
    const char *at = memmem(head, length, "\r\nContent-Length:", 17);

    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static long read_request(struct conn *conn, const char *data, size_t length) {
    const char *end = memmem(data, length, "\r\n\r\n", 4), *uri, *stop;
    size_t head, body = 0;

    if (!end)
        return 0;
    head = (size_t)(end - data) + 4;
    if (memcmp(data, "GET ", 4) != 0)
        body = body_length(data, head);
    if (length - head < body)
        return 0;
    uri = memchr(data, ' ', head);
    stop = uri ? memchr(uri + 1, ' ', head - (size_t)(uri + 1 - data)) : NULL;
    if (!stop)
        return -1;
    conn->keep = true;
    floor_request(conn, uri + 1, (size_t)(stop - uri) - 1, data + head, body);
    return (long)(head + body);
}

static const struct wire http = {
    .status = "HTTP/1.1 ", .lengths = true, .frame = frame, .read = read_request};

int main(int argc, char **argv) {
    return floor_run(argc, argv, &http);
}
