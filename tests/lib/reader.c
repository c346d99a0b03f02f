/* A page that follows a channel by one transport and comes back whenever it is cut
 * off or sent away, and the judge of what it is given.
 *
 * Messages are the numbers 1, 2, 3 ... Each must be the next one; a later one only
 * if a gap was told in between; never one that it had. It returns with the cursor
 * behind the last message that it took (an EventSource: with Last-Event-ID), so
 * what was on its way when the connection broke must come again.
 */
#include "tests/lib/reader.h"

#include "tests/lib/batch.h"
#include "tests/lib/keep.h"

#include <stdlib.h>
#include <string.h>

enum { PAUSE_MS = 40, POLL_MS = 20 };

void reader_begin(struct reader *reader, struct lab *lab, enum way way, enum transport transport,
                  const char *channel) {
    memset(reader, 0, sizeof *reader);
    reader->lab = lab;
    reader->way = way;
    reader->transport = transport;
    reader->channel = channel;
    reader->cursor = cursor_now(lab, channel);
    reader_turn(reader);
}

/* The cursor as it was before it was encoded for a query; kept. */
static const char *decoded(const char *text) {
    char *out = keepf("%s", text), *to = out;

    for (const char *at = out; *at; at++) {
        unsigned byte;

        if (*at == '%' && sscanf(at + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            at += 2;
        } else {
            *to++ = *at;
        }
    }
    *to = '\0';
    return out;
}

static void open_stream(struct reader *reader) {
    bool by_header = reader->transport == EVENTS;
    const char *query = by_header ? keepf("channel=%s", reader->channel)
                                  : keepf("channel=%s&since=%s", reader->channel, reader->cursor);

    reader->stream = stream_open(reader->lab, reader->way, reader->transport, query,
                                 by_header ? decoded(reader->cursor) : NULL);
    reader->opened += reader->stream != NULL;
    reader->unheard += reader->stream == NULL;
    reader->next_open_ms = now_ms() + PAUSE_MS;
}

static void judge(struct reader *reader, int number) {
    const char *name = transports[reader->transport].name;

    must(number > reader->last, "%s: %d after %d, given again", name, number, reader->last);
    must(number == reader->last + 1 || reader->told, "%s: %d after %d, and no gap", name, number,
         reader->last);
    reader->last = number;
    reader->told = false;
    reader->count++;
}

static void take(struct reader *reader, const struct piece *piece) {
    const char *cursor = piece_cursor(piece);

    if (piece_gap(piece)) {
        reader->gaps++;
        reader->told = true;
    }
    for (size_t i = 0; i < piece_count(piece); i++)
        judge(reader, atoi(piece_data(piece, i)));
    if (cursor)
        reader->cursor = cursor;
}

/* After which it comes back, when it is one that obeys: an EventSource after what its stream asked
 * for, halley.js at once behind an answer, and within half a second when it was cut off. */
static int pause_of_page(const struct reader *reader, bool answered) {
    if (reader->retry_ms > 0)
        return reader->retry_ms;
    return answered && reader->transport != WS ? 0 : rand() % 500;
}

static int pause_of_test(const struct reader *reader, bool answered) {
    return !answered ? PAUSE_MS : reader->transport == POLL ? POLL_MS : 0;
}

static void close_stream(struct reader *reader) {
    int status = stream_status(reader->stream);
    bool refused = status != (reader->transport == WS ? 101 : 200) || reader->stream->later;
    bool cut = stream_end(reader->stream) == HELD_CUT, answered = !refused && !cut;

    reader->refused += refused;
    reader->failed += status >= 500;
    reader->cut += cut;
    reader->retry_ms = reader->stream->retry_ms;
    reader->next_open_ms = now_ms() + (reader->obeys ? pause_of_page(reader, answered)
                                                     : pause_of_test(reader, answered));
    stream_close(reader->stream);
    reader->stream = NULL;
}

void reader_turn(struct reader *reader) {
    if (!reader->stream && now_ms() >= reader->next_open_ms)
        open_stream(reader);
    if (!reader->stream)
        return;
    stream_turn(reader->stream, 0);
    while (stream_next(reader->stream))
        take(reader, &reader->stream->piece);
    if (stream_end(reader->stream) != HELD_OPEN)
        close_stream(reader);
}

void readers_reach(struct reader *readers, size_t count, int last) {
    int64_t end = now_ms() + PATIENCE_MS;

    for (;;) {
        const struct reader *late = NULL;

        for (size_t i = 0; i < count; i++) {
            reader_turn(&readers[i]);
            if (readers[i].last < last)
                late = &readers[i];
        }
        if (!late)
            return;
        must(now_ms() < end,
             "%s: %d of %d; %zu connections, %zu cut, %zu refused, %zu gaps; status %d",
             transports[late->transport].name, late->last, last, late->opened, late->cut,
             late->refused, late->gaps, late->stream ? stream_status(late->stream) : -1);
        pause_ms(2);
    }
}

void reader_must_have(const struct reader *reader, int last) {
    const char *name = transports[reader->transport].name;

    must(reader->last == last && reader->count == (size_t)last, "%s: %zu messages up to %d of %d",
         name, reader->count, reader->last, last);
}

void reader_end(struct reader *reader) {
    stream_close(reader->stream);
    reader->stream = NULL;
}
