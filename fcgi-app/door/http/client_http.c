/*
 * An answer that is given at once says its length; one that is given piece by piece goes in
 * chunks, each piece one, or to a client of HTTP/1.0 until the connection's end. Either is one
 * write.
 */
#include "fcgi-app/door/http/client_http.h"

#include <stdlib.h>

enum { SIZE_LINE = 20 };

/* The parts of a piece of an answer. */
struct piece {
    struct part parts[CONNECTION_PARTS];
    size_t count;
    struct buf own; /* lines of a head that is not kept */
    char length[HEAD_LENGTH_LINE];
    char size[SIZE_LINE]; /* of a chunk */
};

static void add(struct piece *piece, const void *data, size_t len) {
    if (len > 0)
        piece->parts[piece->count++] = (struct part){data, len};
}

#define ADD(piece, text) add(piece, text, sizeof(text) - 1)

static size_t total_of(const struct part *parts, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += parts[i].len;
    return total;
}

/* How the end of an answer of unknown length is told. */
static void frame_stream(struct connection *connection, struct piece *piece) {
    if (connection->own & HTTP_OLD) {
        connection->own |= HTTP_CLOSE;
        connection->keep = (connection->own & HTTP_LINGER) != 0;
    } else {
        connection->own |= HTTP_CHUNKED;
        ADD(piece, "Transfer-Encoding: chunked\r\n");
    }
}

static void add_connection(const struct connection *connection, struct piece *piece) {
    if ((connection->own & HTTP_CLOSE) || connection->all->closing)
        ADD(piece, "Connection: close\r\n\r\n");
    else if (connection->own & HTTP_OLD)
        ADD(piece, "Connection: keep-alive\r\n\r\n");
    else
        ADD(piece, "\r\n");
}

/* `length`: of the body, or HEAD_NO_LENGTH. */
static void add_head(struct piece *piece, struct connection *connection, const struct head *head,
                     size_t length, bool streams) {
    const struct part lines = head_lines(head, HEAD_HTTP, &piece->own);
    const struct part fields = connection_fields(connection);
    const struct head sized = {.length = length};

    add(piece, lines.data, lines.len);
    add(piece, fields.data, fields.len);
    if (streams)
        frame_stream(connection, piece);
    else
        add(piece, piece->length, head_length_line(&sized, piece->length));
    add_connection(connection, piece);
}

/* How long the body of an answer is; HEAD_NO_LENGTH: it has none, or nobody knows yet. */
static size_t length_of(const struct head *head, size_t body, bool head_only, bool last) {
    if (head->length != HEAD_NO_LENGTH || head->status == 204 || head_only || !last)
        return head->length;
    return body;
}

static size_t put_hex(size_t value, char out[SIZE_LINE]) {
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;

    for (size_t rest = value; rest > 0; rest >>= 4)
        len++;
    for (size_t i = len; i > 0; i--, value >>= 4)
        out[i - 1] = digits[value & 15];
    out[len++] = '\r';
    out[len++] = '\n';
    return len;
}

static void add_body(struct piece *piece, const struct connection *connection,
                     const struct part *parts, size_t count, size_t body, bool last) {
    bool chunked = (connection->own & HTTP_CHUNKED) != 0;

    if (chunked && body > 0)
        add(piece, piece->size, put_hex(body, piece->size));
    for (size_t i = 0; i < count; i++)
        add(piece, parts[i].data, parts[i].len);
    if (chunked && body > 0)
        ADD(piece, "\r\n");
    if (chunked && last)
        ADD(piece, "0\r\n\r\n");
}

static enum err put(struct connection *connection, const struct head *head,
                    const struct part *parts, size_t count, bool last) {
    struct piece piece;
    size_t body = total_of(parts, count);
    bool head_only = connection->head_only;

    if (count > CLIENT_PARTS)
        abort(); /* a caller in this program that does not know the limit */
    piece.count = 0;
    piece.own = buf_make(0);
    if (head != NULL) {
        size_t length = length_of(head, body, head_only, last);
        bool streams = length == HEAD_NO_LENGTH && !last && !head_only;
        add_head(&piece, connection, head, length, streams);
    }
    if (!head_only)
        add_body(&piece, connection, parts, count, body, last);
    enum err err = piece.count > 0 ? connection_put(connection, piece.parts, piece.count) : ERR_OK;
    buf_free(&piece.own);
    return err;
}

static enum err http_send(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    return put(connection_of(client), head, parts, count, false);
}

static void http_finish(struct client *client, const struct head *head, const struct part *parts,
                        size_t count) {
    struct connection *connection = connection_of(client);
    connection_end(connection, put(connection, head, parts, count, true));
}

static void http_drop(struct client *client) {
    connection_close(connection_of(client));
}

static size_t http_head_size(const struct client *client, const struct head *head) {
    struct connection copy = *connection_of(client);
    struct piece piece = {.own = buf_make(0)};

    add_head(&piece, &copy, head, head->length, head->length == HEAD_NO_LENGTH);
    buf_free(&piece.own);
    return total_of(piece.parts, piece.count);
}

const struct client_kind client_http_kind = {.watch = connection_client_watch,
                                             .hold = connection_client_hold,
                                             .send = http_send,
                                             .finish = http_finish,
                                             .drop = http_drop,
                                             .backlog = connection_client_backlog,
                                             .head_size = http_head_size,
                                             .add_fields = connection_client_add_fields};
