/* Checks what every figure rests on: that answers are read alike in whatever pieces they
 * come, and that a message that is lost, doubled or reordered is counted as that.
 */
#include "tests/bench/load/http.h"
#include "tests/bench/load/modes.h"
#include "tests/bench/load/track.h"
#include "tests/lib/pile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned checks, wrong;

static void check(bool holds, const char *what, size_t detail) {
    checks++;
    if (holds)
        return;
    wrong++;
    printf("wrong: %s (%zu)\n", what, detail);
}

/* --- HTTP --------------------------------------------------------------------------------- */

struct taken {
    struct pile text; /* "status:body." of each answer */
    unsigned ended;
};

static void on_head(void *ctx, int status, const char *head, size_t length) {
    struct taken *taken = ctx;
    char text[16];

    (void)head, (void)length;
    pile_add(&taken->text, text, (size_t)snprintf(text, sizeof text, "%d:", status));
}

static void on_body(void *ctx, const char *data, size_t length) {
    pile_add(&((struct taken *)ctx)->text, data, length);
}

static bool on_end(void *ctx) {
    struct taken *taken = ctx;

    pile_add(&taken->text, ".", 1);
    taken->ended++;
    return true;
}

static const struct http_sink sink = {on_head, on_body, on_end};

struct conversation {
    const char *name, *wire, *expected;
    bool cgi;
    bool to_end; /* the connection ends with it */
};

static const struct conversation conversations[] = {
    {"two answers with a length",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 404 Not Found\r\n"
     "content-length:  0 \r\n\r\n",
     "200:hello.404:.", false, false},
    {"chunks, an extension and a trailer",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
     "a;x=y\r\n, 10 bytes\r\n0\r\nX: y\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
     "200:hello, 10 bytes.204:.", false, false},
    {"an answer before the answer, and one without a body",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
     "304:.200:x.", false, false},
    {"up to the end", "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nall of it\r\n\r\n",
     "200:all of it\r\n\r\n.", false, true},
    {"an upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x01x",
     "101:\x81\x01x.", false, true},
    {"CGI with a status", "Status: 503 No\r\nX: y\r\n\r\nno", "503:no.", true, true},
    {"CGI without one, and bare line ends", "X: y\n\nyes\r\n\r\n", "200:yes\r\n\r\n.", true, true}};

/* Feeds what came behind what was left of before, as conn.c does. */
static void feed(struct http *http, struct pile *rest, const char *data, size_t length,
                 struct taken *taken) {
    pile_add(rest, data, length);
    pile_drop(rest, http_feed(http, rest->data, rest->length, &sink, taken));
}

static void converse(const struct conversation *conversation, size_t first, size_t second) {
    struct http http = {.cgi = conversation->cgi};
    struct taken taken = {0};
    struct pile rest = {0};
    size_t length = strlen(conversation->wire);

    http_reset(&http);
    feed(&http, &rest, conversation->wire, first, &taken);
    feed(&http, &rest, conversation->wire + first, second - first, &taken);
    feed(&http, &rest, conversation->wire + second, length - second, &taken);
    if (conversation->to_end)
        http_finish(&http, &sink, &taken);
    pile_add(&taken.text, "", 1);
    check(strcmp(taken.text.data, conversation->expected) == 0, conversation->name,
          first * 1000 + second);
    pile_free(&taken.text);
    pile_free(&rest);
}

static void check_http(void) {
    for (size_t i = 0; i < sizeof conversations / sizeof conversations[0]; i++) {
        size_t length = strlen(conversations[i].wire);

        for (size_t first = 0; first <= length; first++)
            for (size_t second = first; second <= length; second++)
                converse(&conversations[i], first, second);
    }
}

static void check_bad(const char *wire) {
    struct http http = {0};
    struct taken taken = {0};

    http_reset(&http);
    http_feed(&http, wire, strlen(wire), &sink, &taken);
    check(http.state == HTTP_BAD && taken.ended == 0, wire, 0);
    pile_free(&taken.text);
}

/* --- counting ----------------------------------------------------------------------------- */

struct sequence {
    const char *name;
    const char *numbers; /* of 8 that were published, as digits */
    uint64_t delivered, lost, doubled, reordered;
};

static const struct sequence sequences[] = {{"all", "12345678", 8, 0, 0, 0},
                                            {"none", "", 0, 8, 0, 0},
                                            {"the last is lost", "1234567", 7, 1, 0, 0},
                                            {"two in the middle are lost", "123678", 6, 2, 0, 0},
                                            {"the first is lost", "2345678", 7, 1, 0, 0},
                                            {"one is doubled", "123345678", 8, 0, 1, 0},
                                            {"an old one is doubled", "123456781", 8, 0, 1, 0},
                                            {"two change places", "12435678", 8, 0, 0, 1},
                                            {"late, and then doubled", "124533678", 8, 0, 1, 1},
                                            {"backwards", "87654321", 8, 0, 0, 7}};

static void check_sequence(const struct sequence *sequence) {
    struct tally tally = {.base = 1000};
    struct track track;
    char payload[64], text[80];

    track_begin(&track, &tally);
    tally.published = 8;
    for (const char *at = sequence->numbers; *at; at++) {
        track_payload(payload, 48, 1000 + (uint64_t)(*at - '0'));
        snprintf(text, sizeof text, "data: %s\n", payload);
        check(track_scan(&track, &tally, text, strlen(text)) == 1, "a message is found", 0);
    }
    track_end(&track, &tally);
    check(tally.delivered == sequence->delivered, sequence->name, tally.delivered);
    check(tally.lost == sequence->lost, sequence->name, tally.lost);
    check(tally.doubled == sequence->doubled, sequence->name, tally.doubled);
    check(tally.reordered == sequence->reordered, sequence->name, tally.reordered);
}

static void check_await(void) {
    struct tally tally = {.base = 0};
    struct track tracks[3];

    for (size_t i = 0; i < 3; i++)
        track_begin(&tracks[i], &tally);
    tally.published = 2;
    tally_await(&tally, 2);
    track_add(&tracks[0], &tally, 1);
    check(tally.have == 0, "who has the message before has not this one", tally.have);
    track_add(&tracks[0], &tally, 2);
    track_add(&tracks[0], &tally, 2);
    track_add(&tracks[1], &tally, 2);
    check(tally.have == 2, "who has it counts once", tally.have);
    track_add(&tracks[2], &tally, 3);
    track_add(&tracks[2], &tally, 0);
    check(tally.have == 2 && tally.stray == 2, "what was not published is stray", tally.stray);
}

static void check_summary(void) {
    struct histogram *histogram = calloc(1, sizeof *histogram);
    struct sample sample = {0};
    struct summary kept, counted;

    for (int64_t us = 1; histogram && us <= 10000; us++) {
        sample_add(&sample, us);
        histogram_add(histogram, us);
    }
    kept = sample_summary(&sample);
    counted = histogram_summary(histogram);
    check(kept.median == 5.001 && kept.p99 == 9.901 && kept.max == 10, "percentiles", 0);
    check(counted.median <= kept.median && counted.median > kept.median * 0.96, "histogram", 50);
    check(counted.p99 <= kept.p99 && counted.p99 > kept.p99 * 0.96, "histogram", 99);
    check(counted.max == 10 && counted.min == 0.001, "histogram's ends", 0);
    free(histogram);
    free(sample.us);
}

bool mode_selftest(void) {
    check_http();
    check_bad("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n");
    check_bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n");
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
        check_sequence(&sequences[i]);
    check_await();
    check_summary();
    printf("%u checks, %u wrong\n", checks, wrong);
    return wrong == 0;
}
