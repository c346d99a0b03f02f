/* Every transport, read as a page reads it, down to the same few pieces.
 *
 * Each has a grammar of its own, and what does not follow it fails the test: a
 * line that is no batch, a part without its boundary, an event without its data.
 * So every test that reads anything by a transport also tests that transport's
 * framing.
 *
 * The answers that end (poll, wait, jsonp) are streams of one piece.
 */
#include "tests/lib/stream.h"

#include "tests/lib/batch.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/wire.h"

#include <stdlib.h>
#include <string.h>

#define JSON "application/json"

const struct transport_facts transports[TRANSPORTS] = {
    [EVENTS] = {"events", "events", "", "text/event-stream"},
    [EVENTS_JSON] = {"events as JSON", "events", "format=json&", "text/event-stream"},
    [STREAM] = {"stream", "stream", "", "application/x-ndjson"},
    [MULTIPART] = {"multipart", "multipart", "", "multipart/x-mixed-replace; boundary=halley-part"},
    [IFRAME] = {"iframe", "iframe", "callback=on.batch_1$&", "text/html"},
    [WS] = {"ws", "ws", "", ""},
    [JSONP] = {"jsonp", "jsonp", "callback=on.batch_1$&timeout=20&", "application/javascript"},
    [WAIT] = {"wait", "wait", "timeout=20&", JSON},
    [POLL] = {"poll", "poll", "", JSON},
};

struct stream *stream_open(struct lab *lab, enum way way, enum transport transport,
                           const char *query, const char *last_event_id) {
    const struct transport_facts *facts = &transports[transport];
    const char *path = keepf("/comet/%s?%s%s", facts->endpoint, facts->more, query);
    const char *header = last_event_id ? keepf("Last-Event-ID: %s", last_event_id) : NULL;
    struct stream *stream = calloc(1, sizeof *stream);

    must(stream, "out of memory");
    stream->transport = transport;
    if (transport == WS)
        stream->socket = websock_on(way == BY_WEB ? wire_tcp(lab->port) : wire_unix(lab->websocket),
                                    path, header ? keepf("%s\r\n", header) : "");
    else if (way == BY_WEB)
        stream->held = held_web(lab->port, path, header);
    else
        stream->held = held_app(lab->app_socket[0], path, last_event_id);
    if (stream->held || stream->socket)
        return stream;
    free(stream);
    return NULL;
}

void stream_turn(struct stream *stream, int ms) {
    if (stream->socket)
        websock_turn(stream->socket, ms);
    else
        held_turn(stream->held, ms);
}

int stream_status(const struct stream *stream) {
    return stream->socket ? stream->socket->status : stream->held->status;
}

static enum held_end websock_end(const struct websock *socket) {
    if (socket->status && socket->status != 101)
        return HELD_WHOLE; /* refused, over a connection that nginx then keeps open */
    return !socket->hung_up ? HELD_OPEN : socket->code ? HELD_WHOLE : HELD_CUT;
}

enum held_end stream_end(const struct stream *stream) {
    return stream->socket ? websock_end(stream->socket) : stream->held->end;
}

/* --- pieces ------------------------------------------------------------------- */

static void forget_piece(struct stream *stream) {
    if (stream->piece.batch)
        json_decref(stream->piece.batch);
    memset(&stream->piece, 0, sizeof stream->piece);
}

static void must_be_message(const json_t *message) {
    must(json_is_string(json_object_get(message, "channel")) &&
             json_object_get(message, "data") != NULL,
         "a message without channel or data");
    id_parse(json_string_value(json_object_get(message, "id")));
}

static bool give_batch(struct stream *stream, const char *text, size_t length) {
    json_t *batch = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
    const json_t *messages = json_object_get(batch, "messages");

    must(batch && json_is_array(messages) && json_is_string(json_object_get(batch, "cursor")),
         "not a batch: %.*s", length < 300 ? (int)length : 300, text);
    for (size_t i = 0; i < json_array_size(messages); i++)
        must_be_message(json_array_get(messages, i));
    stream->piece.batch = batch;
    stream->piece.start = !stream->begun && stream->transport < STREAMS;
    must(!stream->piece.start || json_array_size(messages) == 0,
         "the first batch of a stream has messages");
    stream->begun = true;
    return true;
}

/* --- Server-Sent Events (WHATWG HTML §9.2.6) ------------------------------------- */

static void take_field(struct stream *stream, const char *line, size_t length, bool *any) {
    size_t name = strcspn(line, ":\n") < length ? strcspn(line, ":\n") : length;
    const char *value =
        line + name + (name < length) + (name + 1 < length && line[name + 1] == ' ');
    size_t rest = (size_t)(line + length - value);

    must(!memchr(line, '\r', length) && !memchr(line, '\0', length), "CR or NUL in a field");
    if (name == 0)
        return; /* a comment */
    *any = true;
    if (name == 2 && memcmp(line, "id", 2) == 0) {
        snprintf(stream->id, sizeof stream->id, "%.*s", (int)rest, value);
        stream->piece.id = stream->id;
    } else if (name == 5 && memcmp(line, "event", 5) == 0) {
        snprintf(stream->event, sizeof stream->event, "%.*s", (int)rest, value);
        stream->piece.event = stream->event;
    } else if (name == 4 && memcmp(line, "data", 4) == 0) {
        if (stream->piece.data)
            pile_add(&stream->data, "\n", 1);
        pile_add(&stream->data, value, rest);
        stream->piece.data = stream->data.data;
        stream->piece.length = stream->data.length;
    } else {
        must(name == 5 && memcmp(line, "retry", 5) == 0 && !stream->begun, "a field %.*s",
             (int)length, line);
        stream->retry_ms = atoi(value);
    }
}

static bool is_event(const struct piece *piece, const char *name) {
    return piece->event != NULL && strcmp(piece->event, name) == 0;
}

/* The first block has an id and no data, or says that this is all for now; every other one has data
 * or is a comment. */
static bool finish_event(struct stream *stream, bool any) {
    struct piece *piece = &stream->piece;

    if (!any) {
        stream->keepalives++;
        return false;
    }
    if (!stream->begun && is_event(piece, "halley-error")) {
        stream->later = true;
        return false;
    }
    must(piece->id || is_event(piece, "gap"), "an event without id");
    if (!piece->data) {
        must(!stream->begun, "an event without data");
        piece->start = stream->begun = true;
        return true;
    }
    must(stream->begun, "an event before the stream has said where it begins");
    if (stream->transport != EVENTS_JSON)
        return true;
    give_batch(stream, piece->data, piece->length);
    must(strcmp(json_string_value(json_object_get(piece->batch, "cursor")), piece->id) == 0,
         "the id %s is not the cursor", piece->id);
    return true;
}

static bool next_event(struct stream *stream, struct pile *body) {
    long end;

    while ((end = pile_find(body, "\n\n")) >= 0) {
        bool any = false, whole;

        pile_drop(&stream->data, stream->data.length);
        for (const char *line = body->data, *stop = body->data + end + 1; line < stop;) {
            size_t length =
                (size_t)((const char *)memchr(line, '\n', (size_t)(stop - line)) - line);

            take_field(stream, line, length, &any);
            line += length + 1;
        }
        whole = finish_event(stream, any);
        pile_drop(body, (size_t)end + 2);
        if (whole)
            return true;
    }
    return false;
}

/* --- the others ------------------------------------------------------------------- */

static bool next_line(struct stream *stream, struct pile *body) {
    long end;

    while ((end = pile_find(body, "\n")) == 0) {
        stream->keepalives++;
        pile_drop(body, 1);
    }
    if (end < 0)
        return false;
    give_batch(stream, body->data, (size_t)end);
    pile_drop(body, (size_t)end + 1);
    return true;
}

/* RFC 2046 §5.1.1; the boundary follows right behind a part. */
static bool next_part(struct stream *stream, struct pile *body) {
    static const char first[] = "--halley-part\r\n", head[] = "Content-Type: " JSON "\r\n\r\n",
                      tail[] = "\r\n--halley-part\r\n", last[] = "\r\n--halley-part--\r\n";
    long end;

    if (!stream->opened && body->length >= sizeof first - 1) {
        must(pile_begins(body, first), "no boundary: %.40s", body->data);
        pile_drop(body, sizeof first - 1);
        stream->opened = true;
    }
    if (stream->opened && pile_begins(body, last)) {
        stream->polite = true;
        pile_drop(body, sizeof last - 1);
        must(body->length == 0, "something behind the last boundary: %s", body->data);
    }
    end = stream->opened ? pile_find(body, tail) : -1;
    if (end < 0)
        return false;
    must(pile_begins(body, head), "no part: %.60s", body->data);
    give_batch(stream, body->data + sizeof head - 1, (size_t)end - (sizeof head - 1));
    pile_drop(body, (size_t)end + sizeof tail - 1);
    stream->keepalives += !stream->piece.start &&
                          json_array_size(json_object_get(stream->piece.batch, "messages")) == 0 &&
                          !json_object_get(stream->piece.batch, "gap");
    return true;
}

/* A script that calls parent.on.batch_1$(batch); nothing in it may end the element. */
static bool next_script(struct stream *stream, struct pile *body) {
    static const char open[] = "<script>parent.on.batch_1$(", tail[] = ")</script>\n",
                      idle[] = "<!---->\n", last[] = "</body></html>\n";
    long at = stream->opened ? 0 : pile_find(body, "-->\n"), end;

    if (at < 0)
        return false;
    if (!stream->opened) {
        must(pile_begins(body, "<!DOCTYPE html>"), "no page: %.60s", body->data);
        pile_drop(body, (size_t)at + 4);
        stream->opened = true;
    }
    while (pile_begins(body, idle)) {
        stream->keepalives++;
        pile_drop(body, sizeof idle - 1);
    }
    if (pile_begins(body, last)) {
        stream->polite = true;
        pile_drop(body, sizeof last - 1);
        must(body->length == 0, "something behind the page: %s", body->data);
    }
    end = pile_find(body, "</script>\n");
    if (end < 0)
        return false;
    must(pile_begins(body, open) && body->data[end - 1] == ')', "no script: %.80s", body->data);
    give_batch(stream, body->data + sizeof open - 1, (size_t)end - 1 - (sizeof open - 1));
    pile_drop(body, (size_t)end + sizeof tail - 2);
    return true;
}

/* Answers of one piece: whole at their end, and not before. */
static bool next_answer(struct stream *stream, struct pile *body) {
    static const char open[] = "/**/on.batch_1$(", tail[] = ");";
    size_t before = stream->transport == JSONP ? sizeof open - 1 : 0;
    size_t behind = stream->transport == JSONP ? sizeof tail - 1 : 0;

    if (stream->begun || stream->held->end != HELD_WHOLE)
        return false;
    must(!before || (pile_begins(body, open) && body->length > before + behind &&
                     strcmp(body->data + body->length - behind, tail) == 0),
         "not a call: %s", body->data);
    give_batch(stream, body->data + before, body->length - before - behind);
    pile_drop(body, body->length);
    return true;
}

static bool next_message(struct stream *stream) {
    while (websock_next(stream->socket))
        if (strncmp(stream->socket->text, "{\"messages\":", 12) == 0)
            return give_batch(stream, stream->socket->text, stream->socket->length);
    stream->keepalives = stream->socket->pings;
    return false;
}

/* When a process of mod_fcgid is killed in the middle of its answer, Apache puts its
 * own error page behind what was sent and ends it in order: a cut all the same. */
static bool breaks_off(struct stream *stream, const struct pile *body) {
    if (stream->held->status != 200 || !pile_begins(body, "<!DOCTYPE HTML PUBLIC"))
        return false;
    stream->held->end = HELD_CUT;
    return true;
}

bool stream_next(struct stream *stream) {
    struct pile *body = stream->held ? &stream->held->body : NULL;

    forget_piece(stream);
    if (stream->socket)
        return next_message(stream);
    if (stream->held->status != 200 || breaks_off(stream, body))
        return false;
    switch (stream->transport) {
    case EVENTS:
    case EVENTS_JSON:
        return next_event(stream, body);
    case STREAM:
        return next_line(stream, body);
    case MULTIPART:
        return next_part(stream, body);
    case IFRAME:
        return next_script(stream, body);
    default:
        return next_answer(stream, body);
    }
}

/* --- waiting for them ---------------------------------------------------------------- */

/* One more turn; fails when the stream is over or patience ends. */
static void turn_again(struct stream *stream, int64_t until_ms, const char *what) {
    const char *name = transports[stream->transport].name;

    must(stream, "nobody listens");
    must(stream_end(stream) == HELD_OPEN, "%s: ended (status %d) before %s: %s", name,
         stream_status(stream), what,
         stream->held && stream->held->body.length ? stream->held->body.data : "");
    must(now_ms() < until_ms, "%s: no %s within %d ms", name, what, PATIENCE_MS);
    stream_turn(stream, 100);
}

const struct piece *stream_reach(struct stream *stream) {
    int64_t end = now_ms() + PATIENCE_MS;

    while (!stream_next(stream))
        turn_again(stream, end, "piece");
    return &stream->piece;
}

const struct piece *stream_reach_message(struct stream *stream) {
    while (piece_count(stream_reach(stream)) == 0) {
    }
    return &stream->piece;
}

void stream_reach_start(struct stream *stream) {
    must(stream_reach(stream)->start, "%s: does not begin with a start",
         transports[stream->transport].name);
}

void stream_must_bring(struct stream *stream, const char *data) {
    const struct piece *piece = stream_reach_message(stream);

    must(piece_count(piece) == 1 && strcmp(piece_data(piece, 0), data) == 0,
         "%s: %zu messages, the first %s, in place of the one %s",
         transports[stream->transport].name, piece_count(piece),
         piece_count(piece) > 0 ? piece_data(piece, 0) : "none", data);
}

void stream_reach_keepalives(struct stream *stream, size_t count) {
    int64_t end = now_ms() + PATIENCE_MS;

    while (stream->keepalives < count)
        if (!stream_next(stream))
            turn_again(stream, end, "sign of life");
}

enum held_end stream_reach_end(struct stream *stream) {
    int64_t end = now_ms() + PATIENCE_MS;

    while (stream_next(stream) || stream_end(stream) == HELD_OPEN) {
        must(now_ms() < end, "%s: does not end", transports[stream->transport].name);
        stream_turn(stream, 10);
    }
    while (stream_next(stream)) {
    }
    return stream_end(stream);
}

/* --- looking into them ---------------------------------------------------------------- */

const char *piece_cursor(const struct piece *piece) {
    const char *cursor = json_string_value(json_object_get(piece->batch, "cursor"));

    return cursor ? keep_encoded(cursor) : piece->id ? keep_encoded(piece->id) : NULL;
}

bool piece_gap(const struct piece *piece) {
    return json_object_get(piece->batch, "gap") ||
           (!piece->batch && piece->event && strcmp(piece->event, "gap") == 0);
}

const char *piece_redis(const struct piece *piece) {
    if (piece->batch)
        return json_string_value(json_object_get(piece->batch, "redis"));
    return piece->event && strcmp(piece->event, "halley-redis") == 0 ? piece->data : NULL;
}

size_t piece_count(const struct piece *piece) {
    if (piece->batch)
        return json_array_size(json_object_get(piece->batch, "messages"));
    return piece->data && !piece_gap(piece) && !piece_redis(piece);
}

const char *piece_data(const struct piece *piece, size_t which) {
    const json_t *message = json_array_get(json_object_get(piece->batch, "messages"), which);

    if (!piece->batch)
        return keepf("%s", piece->data);
    must(message, "there is no message %zu", which);
    return keep(json_dumps(json_object_get(message, "data"), JSON_ENCODE_ANY | JSON_COMPACT));
}

void stream_close(struct stream *stream) {
    if (!stream)
        return;
    forget_piece(stream);
    held_close(stream->held);
    websock_close(stream->socket);
    pile_free(&stream->data);
    free(stream);
}
