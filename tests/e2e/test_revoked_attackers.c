/* An attacker whose token is taken back in the midst of it: each thing that visitors try
 * (test_attacks.c) goes on while that is said. Whatever he had begun gives him nothing that was not
 * his before, all that he begins later is refused, what he held ends, and Bob, beside him, notices
 * nothing.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/site.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KEY   "0123456789abcdef0123456789abcdef"
#define TREAT "what-only-bob-may-read"
#define LATER "what-came-after-it-was-taken-back"

static struct lab lab;
static struct proc site;
static int site_port;
static const char *alice;  /* the attacker: another user each time */
static const char *hers;   /* her channel */
static const char *token;  /* hers */
static const char *bearer; /* as a header field */
static const char *bobs;   /* his token */
static int64_t revoked_at; /* by now_ms() */

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "revoked");
    lab_conf(&lab, keepf("[key k]\nalgorithm = HS256\nfile = %s\n"
                         "[channel mine/*]\nsubscribe = owner\npublish = owner\n"
                         "[channel shut]\nsubscribe = none\n"
                         "[channel hangs*]\nsubscribe = ask\n[channel large*]\nsubscribe = ask\n"
                         "[channel elsewhere]\nsubscribe = ask\n[channel broken]\nsubscribe = ask\n"
                         "[channel gone*]\nsubscribe = ask\n"
                         "[channel *]\nsubscribe = user\npublish = user\n",
                         token_file(KEY)));
    lab_set(&lab, "TOKEN_COOKIE", "session");
    lab_set(&lab, "ORIGINS", "https://listed.example");
    lab_set(&lab, "AUTHORIZE_TIMEOUT", "2");
    lab_set(&lab, "JSONP", "on");
    lab_websockets(&lab);
    site_port = site_begin(&lab, &site);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 2);
}

static void teardown(void) {
    proc_kill(&site);
    lab_close(&lab);
}

static const char *token_for(const char *user, const char *jti) {
    return token_of(KEY, keepf("{\"sub\":\"%s\",\"jti\":\"%s\",\"exp\":%lld}", user, jti,
                               (long long)time(NULL) + 3600));
}

static void take_back(const char *jti) {
    ck_assert_str_eq(store_do(&lab, keepf("FCALL halley_revoke 0 jti %s", jti))->str, "OK");
    revoked_at = now_ms();
}

/* Of a request that began then: none of hers that can be held for longer is. */
static void must_have_ended_then(const struct answer *answer, int64_t begun, const char *what) {
    const int64_t late = begun + (int64_t)(answer->seconds * 1000) - revoked_at;
    ck_assert_msg(late < 25000, "%s on %s was held for %lld ms", what, lab.server, (long long)late);
}

static int status_as(const char *field, const char *channel) {
    const struct request request = {.path = keepf("/comet/poll?channel=%s", channel),
                                    .headers = {field}};
    return http_send(&lab, &request)->status;
}

/* Whichever process answers. */
static bool refused_everywhere(void) {
    for (int i = 0; i < 4; i++)
        if (status_as(bearer, hers) != 401)
            return false;
    return true;
}

static void must_not_tell(const struct answer *answer, const char *what) {
    const bool told = answer->body != NULL &&
                      (strstr(answer->body, TREAT) != NULL || strstr(answer->body, LATER) != NULL);
    ck_assert_msg(!told && (answer->head == NULL || strstr(answer->head, "\nInjected") == NULL),
                  "%s on %s: %s", what, lab.server, answer_text(answer));
}

/* What is read by a page of another site is always 200; what is wrong stands in it. */
static void must_be_refused(const struct answer *answer, const char *what) {
    const bool told = answer->status == 200 && strstr(answer->body, "\"status\":4") != NULL;
    must_not_tell(answer, what);
    ck_assert_msg(told || answer->status == 0 || answer->status / 100 == 4, "%s on %s: %s", what,
                  lab.server, answer_text(answer));
}

/* ------------------------------------------------------------------------ attacks */

enum { MOST = 64 };

/* The requests of an attack. */
struct attack {
    struct request request[MOST];
    size_t count;
};

static struct request *add(struct attack *attack, const char *path) {
    ck_assert_uint_lt(attack->count, MOST);
    struct request *request = &attack->request[attack->count++];
    *request = (struct request){.path = path, .headers = {bearer}};
    return request;
}

static void add_publish(struct attack *attack, const char *path, const char *body, size_t length) {
    struct request *request = add(attack, path);
    request->method = "POST";
    request->body = body;
    request->length = length;
}

static void spells_names(struct attack *attack) {
    static const char *const names[] = {"mine/bob",    "mine/%62ob",     "mine//bob",  "Mine/bob",
                                        "mine/bob%00", "mine/bob%20",    "%6dine/bob", "mine/~bob",
                                        "mine/b?b",    "mine/%c0%afbob", "mine/bob,x", "shut"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        add(attack, keepf("/comet/poll?since=start&channel=%s", names[i]));
        add(attack, keepf("/comet/history?channel=%s", names[i]));
        add(attack, keepf("/comet/poll?since=start&pattern=%s", names[i]));
        add_publish(attack, keepf("/comet/publish?channel=%s", names[i]), "1", 1);
    }
}

static void brings_cursors(struct attack *attack) {
    const char *const cursors[] = {"mine/bob@1-1-0", keepf("%s@1-1-0,mine/bob@1-1-0", hers),
                                   "mine/~2A@1-1-0", "-5", "start"};

    for (size_t i = 0; i < sizeof cursors / sizeof *cursors; i++) {
        add(attack, keepf("/comet/poll?channel=%s&since=%s", hers, cursors[i]));
        add(attack, keepf("/comet/wait?channel=%s&timeout=2&since=%s", hers, cursors[i]));
        add(attack, keepf("/comet/poll?channel=%s", hers))->headers[1] =
            keepf("Last-Event-ID: %s", cursors[i]);
    }
}

static void forges_tokens(struct attack *attack) {
    const char *claims = "{\"sub\":\"bob\",\"exp\":99999999999}";
    const char *const forged[] = {token_hs256(KEY, "{\"alg\":\"none\"}", claims),
                                  token_hs256(KEY, "{\"alg\":\"RS256\"}", claims),
                                  token_hs256("another secret of 32 bytes......", "{}", claims),
                                  token_of(KEY, "{\"sub\":\"bob\",\"exp\":1}"),
                                  keepf("%s=", token),
                                  keepf("%.*s", (int)strlen(token) - 2, token)};

    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        add(attack, "/comet/poll?since=start&channel=mine/bob")->headers[0] =
            keepf("Authorization: Bearer %s", forged[i]);
        add(attack, "/comet/poll?since=start&channel=mine/bob")->headers[1] =
            keepf("Authorization: Bearer %s", forged[i]);
    }
}

static void says_to_be_bob(struct attack *attack) {
    static const char *const fields[] = {"X-Halley-User: bob", "REMOTE_USER: bob",
                                         "Remote-User: bob", "X-Remote-User: bob",
                                         "Forwarded: for=1.2.3.4;remote_user=bob"};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        add(attack, "/comet/poll?since=start&channel=mine/bob")->headers[1] = fields[i];
    add(attack, "/comet/poll?since=start&channel=mine/bob")->headers[1] =
        keepf("Referer: http://127.0.0.1:%d/?token=%s", lab.port, bobs);
}

/* A page of another site, in the browser of Alice. */
static void comes_from_other_sites(struct attack *attack) {
    static const char *const claims[] = {"Origin: https://other.example", "Origin: null",
                                         "Referer: https://other.example/",
                                         "Sec-Fetch-Site: cross-site"};
    static const char *const paths[] = {"publish?x=", "jsonp?callback=f&timeout=0&since=start",
                                        "iframe?callback=f&timeout=1"};

    for (size_t i = 0; i < 12; i++) {
        add_publish(attack, keepf("/comet/%s&channel=%s", paths[i % 3], hers), "1", i % 3 == 0);
        struct request *request = &attack->request[attack->count - 1];
        request->method = i % 3 == 0 ? "POST" : "GET";
        request->headers[0] = keepf("Cookie: session=%s", token);
        request->headers[1] = claims[i / 3];
    }
}

static void injects(struct attack *attack) {
    static const char *const paths[] = {
        "poll?channel=a%0d%0aInjected:%20yes", "jsonp?channel=a&callback=f%0d%0aInjected:%20yes",
        "none%0d%0aInjected:%20yes", "poll?channel=a&since=%0d%0aInjected:%20yes",
        "poll?channel=mine/bob&token=x%0d%0aInjected:%20yes"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        add(attack, keepf("/comet/%s", paths[i]));
}

/* Half of them are held. */
static void invents_names(struct attack *attack) {
    enum { REQUESTS = 60, EACH = 40 };

    for (int i = 0; i < REQUESTS; i++) {
        struct bytes form = {0};
        for (int k = 0; k < EACH; k++) {
            const char *name = keepf("channel=invented-%d&", i * EACH + k);
            bytes_add(&form, name, strlen(name));
        }
        add_publish(attack, i % 2 ? "/comet/poll" : "/comet/wait?timeout=50", form.data,
                    form.length);
        attack->request[i].headers[1] = "Content-Type: application/x-www-form-urlencoded";
    }
}

static void brings_too_much(struct attack *attack) {
    struct bytes form = {0}, body = {0};
    static const char chunk[65536];

    for (int i = 0; i < 100000; i++)
        bytes_add(&form, "channel=a&", 10);
    for (int i = 0; i < 100 * 16; i++)
        bytes_add(&body, chunk, sizeof chunk);
    add_publish(attack, keepf("/comet/publish?channel=%s", hers), body.data, body.length);
    add_publish(attack, keepf("/comet/publish?channel=%s", hers), body.data, body.length);
    attack->request[1].chunked = strcmp(lab.server, "apache") != 0; /* mod_fcgid's own 500 */
    for (int i = 2; i < 6; i++) {
        add_publish(attack, "/comet/poll", form.data, i % 2 ? form.length : 60000);
        attack->request[i].headers[1] = "Content-Type: application/x-www-form-urlencoded";
    }
}

/* The site hangs, answers ten megabytes, sends elsewhere, fails. */
static void has_the_site_asked(struct attack *attack) {
    static const char *const names[] = {"hangs", "large", "elsewhere", "broken"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        add(attack, keepf("/comet/poll?channel=%s", names[i]))->headers[1] =
            "Cookie: a=b; login=alice";
        add(attack, keepf("/comet/wait?timeout=50&channel=%s&channel=%s", hers, names[i]));
        add(attack, keepf("/comet/history?channel=%s", names[i]));
    }
}

static void has_a_site_asked_that_is_gone(struct attack *attack) {
    proc_signal(&site, SIGKILL);
    for (int i = 0; i < 4; i++)
        add(attack, keepf("/comet/%s?channel=gone-%d", i % 2 ? "poll" : "history", i));
}

static const struct {
    const char *name;
    void (*makes)(struct attack *attack);
} attacks[] = {{"spelling", spells_names},
               {"cursors", brings_cursors},
               {"forged tokens", forges_tokens},
               {"another's name", says_to_be_bob},
               {"other sites", comes_from_other_sites},
               {"lines", injects},
               {"invented names", invents_names},
               {"too much", brings_too_much},
               {"the site in trouble", has_the_site_asked},
               {"the site gone", has_a_site_asked_that_is_gone}};
enum { ATTACKS = sizeof attacks / sizeof *attacks };

/* -------------------------------------------------------------------------- tests */

/* What goes on beside it: what Alice holds, and what Bob does. */
struct beside {
    int64_t begun;
    struct flight *her_wait, *her_stream, *his;
    struct websock *socket;
};

static struct flight *begin(const char *field, const char *path) {
    const struct request request = {.path = path, .headers = {field}};
    return http_begin(&lab, &request);
}

static bool all_held(void) {
    http_pump(20);
    return store_followers(&lab, "mine/bob") > 0 && store_followers(&lab, hers) > 0;
}

static void hold(struct beside *beside) {
    beside->begun = now_ms();
    beside->her_wait = begin(bearer, keepf("/comet/wait?channel=%s&timeout=50", hers));
    beside->her_stream = begin(bearer, keepf("/comet/events?channel=%s", hers));
    beside->his =
        begin(keepf("Authorization: Bearer %s", bobs), "/comet/wait?channel=mine/bob&timeout=50");
    beside->socket = websock_on(wire_unix(lab.websocket), keepf("/comet/ws?channel=%s", hers),
                                keepf("Sec-WebSocket-Protocol: halley, bearer.%s\r\n", token));
    ck_assert_int_eq(websock_reach_status(beside->socket), 101);
    until(all_held(), "nobody follows");
}

static void must_have_ended(struct beside *beside) {
    const struct answer *wait = http_land(beside->her_wait);

    must_have_ended_then(wait, beside->begun, "her wait");
    ck_assert_int_eq(websock_reach_close(beside->socket), 4401);
    websock_close(beside->socket);
    (void)store_add(&lab, hers, "\"" LATER "\"");
    must_not_tell(wait, "her wait");
    must_not_tell(http_land(beside->her_stream), "her stream");
}

/* All at once, and in the midst of it the token is taken back. */
static void go(const struct attack *attack, const char *name, const char *jti) {
    struct flight *flights[MOST];
    int64_t begun[MOST];

    for (size_t i = 0; i < attack->count; i++) {
        if (i == attack->count / 2)
            take_back(jti);
        begun[i] = now_ms();
        flights[i] = http_begin(&lab, &attack->request[i]);
        http_pump(0);
    }
    until(refused_everywhere(), "%s on %s: the token is good", name, lab.server);
    for (size_t i = 0; i < attack->count; i++) {
        const struct answer *answer = http_land(flights[i]);
        must_not_tell(answer, keepf("%s, %s", name, attack->request[i].path));
        must_have_ended_then(answer, begun[i], attack->request[i].path);
    }
}

static void become(size_t which) {
    const char *jti = keepf("attack-%zu", which);

    alice = keepf("alice-%zu", which);
    hers = keepf("mine/%s", alice);
    token = token_for(alice, jti);
    bearer = keepf("Authorization: Bearer %s", token);
    bobs = token_for("bob", keepf("his-%zu", which));
    (void)store_add(&lab, "mine/bob", "\"" TREAT "\"");
    until(status_as(bearer, hers) == 200, "%s may not read", alice);
}

START_TEST(an_attacker_whose_token_is_taken_back_has_nothing_more) {
    for (size_t i = 0; i < ATTACKS; i++) {
        struct attack attack = {0};
        struct beside beside;

        become(i);
        hold(&beside);
        attacks[i].makes(&attack);
        go(&attack, attacks[i].name, keepf("attack-%zu", i));
        must_have_ended(&beside);
        for (size_t k = 0; k < attack.count; k++)
            must_be_refused(http_send(&lab, &attack.request[k]),
                            keepf("%s, %s, afterwards", attacks[i].name, attack.request[k].path));
        (void)store_add(&lab, "mine/bob", "\"news of " TREAT "\"");
        ck_assert_ptr_nonnull(
            strstr(batch_all_data(must_be_batch(http_land(beside.his))), "news of"));
    }
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, an_attacker_whose_token_is_taken_back_has_nothing_more);
}

int main(void) {
    Suite *suite = suite_create("revoked attackers");

    e2e_on_each_server(suite, setup, teardown, add_tests);
    return e2e_run(suite);
}
