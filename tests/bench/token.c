/* What a token costs: polls a second, and deliveries a second to long-pollers who ask again at
 * once, over Halley's own HTTP on kept connections, with a verified HS256 token in each request and
 * without any. Both are measured in turn; what counts is the ratio within a round.
 */
#include "tests/lib/token.h"
#include "tests/lib/keep.h"
#include "tests/lib/lab.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEY "0123456789abcdef0123456789abcdef"

enum { POLLERS = 64, WAITERS = 500, ROUNDS = 7, MESSAGES = 40, ROUND_MS = 600, ANSWER = 8192 };

static struct lab lab;

struct browser {
    int fd;
    size_t length;
    char answer[ANSWER], cursor[256];
};

/* Whether a whole answer is there; what it says is taken. */
static bool is_whole(struct browser *browser) {
    browser->answer[browser->length] = '\0';
    const char *body = strstr(browser->answer, "\r\n\r\n");
    const char *length = strstr(browser->answer, "Content-Length: ");
    if (body == NULL || length == NULL ||
        browser->length < (size_t)(body + 4 - browser->answer) + strtoul(length + 16, NULL, 10))
        return false;
    const char *cursor = strstr(body, "\"cursor\":\"");
    must(strncmp(browser->answer, "HTTP/1.1 200 ", 13) == 0 && cursor != NULL, "%s",
         browser->answer);
    cursor += 10;
    snprintf(browser->cursor, sizeof browser->cursor, "%.*s", (int)strcspn(cursor, "\""), cursor);
    browser->length = 0;
    return true;
}

static void ask(struct browser *browser, const char *path, const char *fields) {
    char text[2048];
    int length =
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: bench\r\n%s\r\n", path, fields);
    must(wire_send(browser->fd, text, (size_t)length), "the connection broke");
}

static void ask_wait(struct browser *browser, const char *fields) {
    char path[512];
    snprintf(path, sizeof path, "/comet/wait?channel=bench&timeout=55&since=%s", browser->cursor);
    ask(browser, path, fields);
}

static struct browser *browsers_new(size_t count) {
    struct browser *browsers = keep(calloc(count, sizeof *browsers));
    for (size_t i = 0; i < count; i++) {
        browsers[i].fd = wire_tcp(lab.port);
        must(browsers[i].fd >= 0, "cannot connect");
    }
    return browsers;
}

static void browsers_leave(struct browser *browsers, size_t count) {
    for (size_t i = 0; i < count; i++)
        close(browsers[i].fd);
}

/* Reads what has come; calls `answered` with each whole answer. Returns how many there were. */
static size_t turn(struct browser *browsers, size_t count,
                   void (*answered)(struct browser *, const char *), const char *fields) {
    static struct pollfd polled[WAITERS];
    size_t whole = 0;

    for (size_t i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = browsers[i].fd, .events = POLLIN};
    (void)poll(polled, count, 1000);
    for (size_t i = 0; i < count; i++) {
        struct browser *browser = &browsers[i];
        if (polled[i].revents == 0)
            continue;
        ssize_t got =
            read(browser->fd, browser->answer + browser->length, ANSWER - 1 - browser->length);
        must(got > 0, "the connection broke");
        browser->length += (size_t)got;
        if (!is_whole(browser))
            continue;
        whole++;
        answered(browser, fields);
    }
    return whole;
}

static void poll_again(struct browser *browser, const char *fields) {
    ask(browser, "/comet/poll?channel=bench", fields);
}

static double polls_a_second(const char *fields) {
    struct browser *browsers = browsers_new(POLLERS);
    size_t done = 0;

    for (size_t i = 0; i < POLLERS; i++)
        poll_again(&browsers[i], fields);
    int64_t begun = now_us();
    while (now_us() - begun < ROUND_MS * 1000)
        done += turn(browsers, POLLERS, poll_again, fields);
    double rate = (double)done / ((double)(now_us() - begun) / 1e6);
    browsers_leave(browsers, POLLERS);
    return rate;
}

static double deliveries_a_second(const char *fields) {
    struct browser *browsers = browsers_new(WAITERS);
    int64_t begun = 0;

    for (size_t i = 0; i < WAITERS; i++)
        ask(&browsers[i], "/comet/poll?channel=bench", fields);
    for (int message = 0; message <= MESSAGES; message++) {
        for (size_t done = 0; done < WAITERS;)
            done += turn(browsers, WAITERS, ask_wait, fields);
        if (message == 0)
            begun = now_us(); /* all have asked for the first time */
        if (message < MESSAGES)
            store_add(&lab, "bench", "\"a message of some bytes\"");
    }
    double rate = WAITERS * MESSAGES / ((double)(now_us() - begun) / 1e6);
    browsers_leave(browsers, WAITERS);
    return rate;
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void compare(const char *what, double (*measure)(const char *), const char *with) {
    double ratios[ROUNDS], plain = 0, token = 0;

    (void)measure("");
    for (int i = 0; i < ROUNDS; i++) { /* every other round in reverse */
        double first = measure(i % 2 == 0 ? "" : with), second = measure(i % 2 == 0 ? with : "");
        plain = i % 2 == 0 ? first : second;
        token = i % 2 == 0 ? second : first;
        ratios[i] = token / plain;
    }
    qsort(ratios, ROUNDS, sizeof *ratios, by_size);
    printf("%s: %.0f a second, with a token %.0f: %.2f of that (%.2f to %.2f)\n", what, plain,
           token, ratios[ROUNDS / 2], ratios[0], ratios[ROUNDS - 1]);
}

static const char *key_file(void) {
    const char *path = keepf("%s/key", lab.dir);
    FILE *file = fopen(path, "w");

    must(file != NULL && fchmod(fileno(file), 0600) == 0 && fputs(KEY, file) >= 0, "no %s", path);
    fclose(file);
    return path;
}

int main(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "token");
    lab_conf(&lab,
             keepf("[key k]\nalgorithm = HS256\nfile = %s\n[channel mine]\nsubscribe = user\n",
                   key_file()));
    lab_set(&lab, "LOG_LEVEL", "warning");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_web(&lab, "http", 1);
    store_add(&lab, "bench", "1");
    const char *with =
        keepf("Authorization: Bearer %s\r\n",
              token_of(KEY, keepf("{\"sub\":\"alice\",\"exp\":%ld}", (long)time(NULL) + 3600)));
    compare("polls", polls_a_second, with);
    compare("deliveries to 500 long-pollers", deliveries_a_second, with);
    lab_close(&lab);
    lab_remove_all();
    return 0;
}
