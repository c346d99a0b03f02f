/*
 * Writes answers as FastCGI has them: a CGI header and the body in STDOUT records, then the end
 * of the request. The usual answer is one write of a record header, shared bytes and that
 * end. Then the connection is closed, or, where the web server keeps it (FCGI_KEEP_CONN),
 * given back to the intake. A CGI program's answer is the same without records.
 *
 * libfcgi's own output streams are not used: they block, and their closing wait
 * takes up to two seconds a request.
 */
#include "fcgi-app/door/fcgi/client_fcgi.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "fcgi-app/door/fcgi/fcgi.h"
#include "fcgi-app/door/fcgi/inflow.h"

/* --------------------------------------------------------------------- leaving */

/* The other side has closed. If it only stopped sending, an orderly end keeps the web
 * server's log quiet. */
static void say_goodbye(const struct connection *connection) {
    unsigned char finish[FCGI_FINISH];

    if (connection_queued(connection) > 0)
        return;
    fcgi_finish(finish, connection->own);
    (void)send(connection->fd, finish, sizeof finish, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool client_fcgi_left(struct connection *connection, unsigned what) {
    enum arrival_event event = inflow_read(connection);

    if (event == ARRIVAL_END)
        say_goodbye(connection);
    connection->aborted = event == ARRIVAL_ABORTED;
    if (event == ARRIVAL_WAITS)
        return (what & POLLSET_CLOSED) != 0;
    if (event == ARRIVAL_MORE)
        connection_tidy(connection);
    return event != ARRIVAL_MORE;
}

/*
 * A CGI program's descriptor is only written to: that the other side sends nothing more is
 * the end of its request, not of its interest.
 */
static bool cgi_left(struct connection *connection, unsigned what) {
    (void)connection;
    return (what & POLLSET_BROKEN) != 0;
}

/* --------------------------------------------------------------------- beginning */

struct client *client_fcgi_begin(struct connection *connection) {
    struct arrival *arrival = inflow_arrival(connection);

    if (arrival != NULL) {
        inflow_over(connection);
        arrival_answering(arrival, connection->own);
        connection_tidy(connection);
    }
    return connection_answer(connection);
}

static struct connection *lone(struct connections *all, const struct carrier *carrier, int fd) {
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return connection_new(all, carrier, fd);
}

/* --------------------------------------------------------------------- writing */

/* The parts of a piece of an answer: its head, where it has one, and its body. */
struct piece {
    struct part parts[CONNECTION_PARTS];
    size_t count;
    size_t bytes;
    struct buf own; /* lines of a head that is not kept */
    char length[HEAD_LENGTH_LINE];
    unsigned char header[FCGI_HEADER], finish[FCGI_FINISH];
};

static void add(struct piece *piece, const void *data, size_t len) {
    if (len == 0)
        return;
    piece->parts[piece->count++] = (struct part){data, len};
    piece->bytes += len;
}

static void add_head(struct piece *piece, const struct connection *connection,
                     const struct head *head) {
    struct part lines = head_lines(head, HEAD_CGI, &piece->own);
    struct part fields = connection_fields(connection);

    add(piece, lines.data, lines.len);
    add(piece, fields.data, fields.len);
    add(piece, piece->length, head_length_line(head, piece->length));
    add(piece, "\r\n", 2);
}

/* A piece of more than one record: framed in a buffer, as it is rare. */
static enum err put_large(struct connection *connection, const struct piece *piece,
                          const struct part *end) {
    struct buf whole = buf_make(SIZE_MAX / 2), framed = buf_make(SIZE_MAX / 2);
    unsigned char header[FCGI_HEADER];

    for (size_t i = 0; i < piece->count; i++)
        buf_add(&whole, piece->parts[i].data, piece->parts[i].len);
    for (size_t at = 0; at < whole.len; at += FCGI_CONTENT_MAX) {
        size_t len = whole.len - at < FCGI_CONTENT_MAX ? whole.len - at : FCGI_CONTENT_MAX;
        fcgi_stdout_header(header, connection->own, len);
        buf_add(&framed, header, sizeof header);
        buf_add(&framed, whole.data + at, len);
    }
    buf_add(&framed, end->data, end->len);
    enum err err = connection_put(connection, &(struct part){framed.data, framed.len}, 1);
    buf_free(&whole);
    buf_free(&framed);
    return err;
}

/* The first of the piece's parts is left for its record's header. */
static enum err put_records(struct connection *connection, struct piece *piece, bool last) {
    struct part end = {piece->finish, last ? sizeof piece->finish : 0};

    fcgi_finish(piece->finish, connection->own);
    if (piece->bytes > FCGI_CONTENT_MAX)
        return put_large(connection, piece, &end);
    fcgi_stdout_header(piece->header, connection->own, piece->bytes);
    piece->parts[0] = (struct part){piece->header, piece->bytes > 0 ? sizeof piece->header : 0};
    add(piece, end.data, end.len);
    return piece->bytes > 0 ? connection_put(connection, piece->parts, piece->count) : ERR_OK;
}

static enum err put(struct connection *connection, const struct head *head,
                    const struct part *parts, size_t count, bool last) {
    struct piece piece;

    if (count > CLIENT_PARTS)
        abort(); /* a caller in this program that does not know the limit */
    piece.count = 1;
    piece.bytes = 0;
    piece.parts[0] = (struct part){"", 0};
    piece.own = buf_make(0);
    if (head != NULL)
        add_head(&piece, connection, head);
    for (size_t i = 0; i < count && !connection->head_only; i++)
        add(&piece, parts[i].data, parts[i].len);
    enum err err = ERR_OK;
    if (!connection->raw)
        err = put_records(connection, &piece, last);
    else if (piece.bytes > 0)
        err = connection_put(connection, piece.parts, piece.count);
    buf_free(&piece.own);
    return err;
}

static enum err fcgi_send(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    return put(connection_of(client), head, parts, count, false);
}

static void fcgi_finish_with(struct client *client, const struct head *head,
                             const struct part *parts, size_t count) {
    struct connection *connection = connection_of(client);
    connection_end(connection, put(connection, head, parts, count, true));
}

static void fcgi_drop(struct client *client) {
    if (connection_of(client)->aborted)
        fcgi_finish_with(client, NULL, NULL, 0);
    else
        connection_close(connection_of(client));
}

static size_t fcgi_head_size(const struct client *client, const struct head *head) {
    struct piece piece = {.own = buf_make(0)};

    add_head(&piece, connection_of(client), head);
    buf_free(&piece.own);
    return piece.bytes;
}

/* Apache and lighttpd do so when an application says it; the others have connections enough. */
static void fcgi_leave(struct client *client) {
    connection_client_add_fields(client, "Connection: close\r\n");
}

/* --------------------------------------------------------------------- kinds */

#define KIND                                                                                       \
    {                                                                                              \
        .watch = connection_client_watch, .hold = connection_client_hold, .send = fcgi_send,       \
        .finish = fcgi_finish_with, .drop = fcgi_drop, .backlog = connection_client_backlog,       \
        .head_size = fcgi_head_size, .add_fields = connection_client_add_fields,                   \
        .leave = fcgi_leave                                                                        \
    }

const struct client_kind client_fcgi_kind = KIND;

struct client *client_fcgi_new(struct connections *all, int fd, uint16_t request_id) {
    static const struct fcgi_carrier carrier = {
        .base = {.client = KIND, .left = client_fcgi_left, .forget = inflow_forget}};
    struct connection *connection = lone(all, &carrier.base, fd);

    connection->own = request_id;
    return client_fcgi_begin(connection);
}

struct client *client_cgi_new(struct connections *all, int fd, bool head_only) {
    static const struct carrier carrier = {.client = KIND, .left = cgi_left, .shared = true};
    struct connection *connection = lone(all, &carrier, fd);

    connection->raw = true;
    connection->head_only = head_only;
    return connection_answer(connection);
}
