/* Readers who do not read delay nobody and cost no memory.
 *
 * A thousand subscribers of one event stream, of whom a hundred never read a byte:
 * the other nine hundred have each of 200 messages of 4 KiB, in order, and
 * halley.fcgi stays small. Once straight on the application's FastCGI socket, where
 * nothing stands between it and those who stall, once through lighttpd and once through
 * nginx, which leave it to the kernel. Nothing here depends on how fast the
 * machine is; how much the stalled ones cost in time is tests/bench/streams to say.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"
#include "tests/lib/swarm.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
    READERS = 900,
    STALLED = 100,
    MESSAGES = 200,
    PAYLOAD = 4096,
    DESCRIPTORS = 8000,
    MOST_KIB = 150 * 1024
};

static struct lab lab;
static struct stream *streams[READERS], *stalled[STALLED];
static int had[READERS];
static int epoll;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "stalled");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 1);
}

static size_t figure(const char *name) {
    return (size_t)json_integer_value(json_object_get(http_get(&lab, "/comet/status")->json, name));
}

static long resident_kib(void) {
    char line[256];
    long kib = 0;
    FILE *file = fopen(keepf("/proc/%d/status", (int)lab.app[0].pid), "r");

    ck_assert(file != NULL);
    while (fgets(line, sizeof line, file))
        sscanf(line, "VmHWM: %ld kB", &kib); /* the most that it ever was */
    fclose(file);
    return kib;
}

static const char *numbered(int number) {
    static char payload[PAYLOAD + 1];

    memset(payload, 'x', PAYLOAD);
    payload[snprintf(payload, 16, "%d:", number)] = 'x';
    payload[PAYLOAD] = '\0';
    return payload;
}

/* Takes what one reader has; fails unless it is the next number. */
static void take(int which) {
    struct stream *stream = streams[which];

    held_take(stream->held);
    while (stream_next(stream)) {
        if (!stream->piece.data)
            continue;
        ck_assert_uint_eq(stream->piece.length, PAYLOAD);
        ck_assert_msg(atoi(stream->piece.data) == had[which] + 1, "reader %d has %d after %d",
                      which, atoi(stream->piece.data), had[which]);
        had[which]++;
    }
    ck_assert_msg(stream_end(stream) == HELD_OPEN, "reader %d was cut off at %d", which,
                  had[which]);
}

/* Reads until each reader has had `number`. */
static void reach(int number) {
    int64_t end = now_ms() + PATIENCE_MS;

    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, 50), behind = 0;

        for (int i = 0; i < count; i++)
            take((int)events[i].data.u32);
        for (int i = 0; i < READERS; i++)
            behind += had[i] < number;
        if (!behind)
            return;
        ck_assert_msg(now_ms() < end, "%d readers do not get %d", behind, number);
    }
}

static void open_all(enum way way, const char *channel) {
    const char *query = keepf("channel=%s", channel);
    int small = 4096;

    epoll = epoll_create1(EPOLL_CLOEXEC);
    memset(had, 0, sizeof had);
    for (int i = 0; i < STALLED; i++) {
        stalled[i] = stream_open(&lab, way, EVENTS, query, NULL);
        setsockopt(stalled[i]->held->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    for (int i = 0; i < READERS; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};

        streams[i] = stream_open(&lab, way, EVENTS, query, NULL);
        epoll_ctl(epoll, EPOLL_CTL_ADD, streams[i]->held->fd, &event);
    }
    until(figure("waiters") == READERS + STALLED, "%zu are held", figure("waiters"));
}

static void close_all(void) {
    for (int i = 0; i < READERS; i++)
        stream_close(streams[i]);
    for (int i = 0; i < STALLED; i++)
        stream_close(stalled[i]);
}

START_TEST(a_hundred_who_never_read_delay_nobody_and_cost_no_memory) {
    const char *channel = keep_fresh("crowd");

    swarm_allow(DESCRIPTORS);
    setup(_i == 2 ? "nginx" : "lighttpd-socket");
    open_all(_i ? BY_WEB : DIRECTLY, channel);
    for (int i = 1; i <= MESSAGES; i++) {
        store_add(&lab, channel, numbered(i));
        reach(i); /* each has it before the next one is there */
    }
    ck_assert_int_lt(resident_kib(), MOST_KIB);
    printf("%s: halley.fcgi was %ld KiB at its largest, cut off %zu of %d\n",
           _i ? lab.server : "directly", resident_kib(), figure("cut_off"), STALLED);
    if (!_i)
        ck_assert_uint_eq(figure("cut_off"), STALLED);
    close_all();
    lab_close(&lab);
}
END_TEST

/* Bytes on disk that the web server holds for readers, in files with a name or without. */
static size_t spooled(void) {
    pid_t servers[64] = {lab.web.pid};
    size_t total = 0, count = 1;
    const char *name = strncmp(lab.server, "nginx", 5) == 0 ? "nginx" : "lighttpd";

    count += proc_family(lab.web.pid, name, servers + 1, 63);
    for (size_t i = 0; i < count; i++) {
        const char *folder = keepf("/proc/%d/fd", (int)servers[i]);
        DIR *fds = opendir(folder);
        struct stat file;

        for (struct dirent *entry; fds != NULL && (entry = readdir(fds)) != NULL;)
            if (stat(keepf("%s/%s", folder, entry->d_name), &file) == 0 && S_ISREG(file.st_mode))
                total += (size_t)file.st_size;
        if (fds != NULL)
            closedir(fds);
    }
    return total;
}

/* Behind a web server, too, Halley learns that somebody does not read, and ends it. */
START_TEST(who_never_reads_is_cut_off_and_fills_no_disk) {
    enum { WHO = 20, MOST = 20000, EACH = 1024 * 1024 };
    static const char *const servers[] = {"lighttpd", "lighttpd-socket", "nginx"};
    const char *channel = keep_fresh("spool"), *query = keepf("channel=%s", channel);
    size_t most = 0, now;
    int small = 4096, sent = 0;

    setup(servers[_i]);
    size_t before = spooled();
    for (int i = 0; i < WHO; i++) {
        stalled[i] = stream_open(&lab, BY_WEB, EVENTS, query, NULL);
        setsockopt(stalled[i]->held->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    until(figure("waiters") == WHO, "%zu are held", figure("waiters"));
    for (; figure("cut_off") < WHO && sent < MOST; sent += 50) {
        for (int i = 0; i < 50; i++)
            store_add(&lab, channel, numbered(sent + i));
        now = spooled();
        most = now > most ? now : most;
    }
    printf("%s: %zu KiB on disk for %d who do not read, after %d messages of 4 KiB\n", lab.server,
           (most > before ? most - before : 0) / 1024, WHO, sent);
    ck_assert_uint_eq(figure("cut_off"), WHO);
    ck_assert_uint_lt(most, before + (size_t)WHO * EACH);
    for (int i = 0; i < WHO; i++)
        stream_close(stalled[i]);
    lab_close(&lab);
}
END_TEST

/* Whoever was cut off has no loss: what he had, and all the rest when he returns. */
START_TEST(a_reader_who_was_cut_off_returns_without_loss) {
    static const enum transport held_ones[] = {EVENTS, EVENTS_JSON, STREAM, MULTIPART, IFRAME};
    enum transport transport = held_ones[_i];
    const char *channel = keep_fresh("late"), *cursor = NULL;
    struct stream *stream;
    int next = 1;

    setup("lighttpd-socket");
    stream = stream_open(&lab, DIRECTLY, transport, keepf("channel=%s", channel), NULL);
    stream_reach_start(stream);
    cursor = piece_cursor(&stream->piece);
    for (int i = 1; figure("cut_off") == 0 || i <= MESSAGES; i++) {
        ck_assert_int_lt(i, 900); /* within the history */
        store_add(&lab, channel, numbered(i));
        next = i;
    }
    int last = next, expected = 1;
    ck_assert_uint_eq(figure("cut_off"), 1);
    for (int round = 0; round < 2; round++) {
        while (expected <= last && (stream_next(stream) || stream_end(stream) == HELD_OPEN)) {
            for (size_t i = 0; i < piece_count(&stream->piece); i++) {
                const char *data = piece_data(&stream->piece, i);

                ck_assert_int_eq(atoi(data + (*data == '"')), expected++);
            }
            if (piece_cursor(&stream->piece))
                cursor = piece_cursor(&stream->piece);
            ck_assert(!piece_gap(&stream->piece));
            if (!piece_count(&stream->piece))
                stream_turn(stream, 20);
        }
        if (round == 0) {
            ck_assert_msg(expected <= last, "he was not cut off");
            stream_close(stream);
            stream = stream_open(&lab, DIRECTLY, transport,
                                 keepf("channel=%s&since=%s", channel, cursor), NULL);
        }
    }
    ck_assert_int_eq(expected, last + 1);
    stream_close(stream);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stalled");
    TCase *stall = e2e_case(suite, "stalled", NULL, NULL);

    tcase_add_loop_test(stall, a_hundred_who_never_read_delay_nobody_and_cost_no_memory, 0, 3);
    tcase_add_loop_test(stall, who_never_reads_is_cut_off_and_fills_no_disk, 0, 3);
    tcase_add_loop_test(stall, a_reader_who_was_cut_off_returns_without_loss, 0, 5);
    return e2e_run(suite);
}
