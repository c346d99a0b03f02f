/* Sessions while their processes are killed, stopped, and answers are lost: clients as
 * sockjs-client is, which give a session up when anything goes wrong with it. What they hear within
 * a session is whole: nothing is missing, doubled or out of order; and they always come back.
 *
 * LOSS_MESSAGES= is how many are published: 200, at 25 ms. */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CLIENTS = 8,
    STREAMS = 3,
    WOUND_MS = 800, /* from one process's misfortune to the next */
    PUBLISH_MS = 25,
    PATIENCE = 3000, /* milliseconds after which a client gives up a request */
    DROPPED = 15     /* of 100 answers */
};

static struct lab lab;

static void begin(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "sessions-lost");
    lab_conf(&lab, "mount = /comet\n[service sockjs/room]\nprotocol = channel room\n"
                   "response_limit = 300\n[channel room]\npublish = anyone\n");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, "lighttpd-socket", 2);
}

/* --------------------------------------------------------------------------- clients */

struct client {
    bool streams; /* xhr_streaming; else xhr */
    const char *base;
    struct flight *flight; /* NULL: a request is to be made */
    int64_t asked;         /* when it was */
    int last;              /* number heard last in this session; 0: none */
    int newest;            /* number heard last in any */
    int heard, sessions;
};

static void renew(struct client *client) {
    client->base = keepf("/sockjs/room/%d/%s", rand() % 1000, keep_fresh("s"));
    client->last = 0;
    client->sessions++;
}

static void ask(struct client *client) {
    const struct request request = {
        .method = "POST",
        .path = keepf("%s/%s", client->base, client->streams ? "xhr_streaming" : "xhr"),
        .body = ""};
    client->flight = http_begin(&lab, &request);
    client->asked = now_ms();
}

/* Takes the numbers of a frame `a["1","2"]`. */
static void take_frame(struct client *client, const char *frame) {
    const char *end = strchr(frame, '\n');

    for (const char *at = strchr(frame, '"'); at != NULL && at < end;
         at = strchr(strchr(at + 1, '"') + 1, '"')) {
        int number = atoi(at + 1);
        ck_assert_msg(client->last == 0 || number == client->last + 1, "%d behind %d in %s", number,
                      client->last, frame);
        client->last = client->newest = number;
        client->heard++;
    }
}

/* Takes what came, whole frames of it. False: the session is over. */
static bool take(struct client *client, const char *body) {
    for (const char *end; (end = strchr(body, '\n')) != NULL; body = end + 1) {
        if (body[0] == 'c')
            return false;
        if (body[0] == 'a')
            take_frame(client, body);
        else
            ck_assert_msg(body[0] == 'o' || body[0] == 'h', "%s", body);
    }
    return true;
}

/* Breaks off what waits. */
static void leave(struct client *client) {
    if (client->flight != NULL)
        http_abandon(client->flight);
    client->flight = NULL;
}

static void turn(struct client *client) {
    if (client->flight == NULL) {
        ask(client);
        return;
    }
    if (!http_landed(client->flight)) {
        if (now_ms() > client->asked + PATIENCE) {
            leave(client);
            renew(client);
        }
        return;
    }
    const struct answer *answer = http_land(client->flight);
    client->flight = NULL;
    bool arrived = answer->status == 200 && rand() % 100 >= DROPPED;
    if (!arrived || !take(client, answer->body))
        renew(client);
}

/* ------------------------------------------------------------------------ misfortunes */

static void kill_and_start(size_t count) {
    size_t which = count % 2;
    proc_stop(&lab.app[which], SIGKILL);
    lab_app(&lab, which);
}

/* Each in turn is stopped for as long as the next misfortune is away, and goes on. */
static void stop_and_go_on(size_t count) {
    if (count > 0)
        proc_signal(&lab.app[(count - 1) % 2], SIGCONT);
    proc_signal(&lab.app[count % 2], SIGSTOP);
}

static void go_on(size_t count) {
    if (count > 0)
        proc_signal(&lab.app[(count - 1) % 2], SIGCONT);
}

/* All clients have heard something as new as that. */
static bool all_have(const struct client *clients, int number) {
    for (size_t i = 0; i < CLIENTS; i++) {
        if (clients[i].newest < number)
            return false;
    }
    return true;
}

static void suffer(void (*wound)(size_t count), void (*heal)(size_t count)) {
    const char *said = getenv("LOSS_MESSAGES");
    int messages = said != NULL ? atoi(said) : 200, published = 0;
    struct client clients[CLIENTS] = {0};
    unsigned seed = (unsigned)now_us();
    size_t wounds = 0;

    printf("seed %u\n", seed);
    srand(seed);
    begin();
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].streams = i < STREAMS;
        renew(&clients[i]);
    }
    int64_t publish_at = now_ms(), wound_at = now_ms() + WOUND_MS;
    while (published < messages || !all_have(clients, messages)) {
        http_pump(5);
        for (size_t i = 0; i < CLIENTS; i++)
            turn(&clients[i]);
        if (now_ms() >= publish_at) {
            store_add(&lab, "room", keepf("%d", ++published));
            publish_at = now_ms() + PUBLISH_MS;
            if (published == messages && heal != NULL)
                heal(wounds);
        }
        if (published < messages && now_ms() >= wound_at) {
            wound(wounds++);
            wound_at = now_ms() + WOUND_MS;
        }
        ck_assert_msg(published < messages + 4000, "somebody does not come back");
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        printf("%s: %d of %d in %d sessions\n", clients[i].streams ? "stream" : "poller",
               clients[i].heard, published, clients[i].sessions);
        ck_assert_int_gt(clients[i].heard, 10);
        leave(&clients[i]);
    }
    ck_assert_uint_gt(wounds, 2);
    lab_close(&lab);
}

START_TEST(sessions_are_whole_while_processes_are_killed_and_answers_lost) {
    suffer(kill_and_start, NULL);
}
END_TEST

START_TEST(processes_that_are_stopped_and_go_on_harm_nobody) {
    suffer(stop_and_go_on, go_on);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sessions-lost");
    TCase *tests = e2e_case(suite, "lost", NULL, NULL);

    tcase_add_test(tests, sessions_are_whole_while_processes_are_killed_and_answers_lost);
    tcase_add_test(tests, processes_that_are_stopped_and_go_on_harm_nobody);
    return e2e_run(suite);
}
