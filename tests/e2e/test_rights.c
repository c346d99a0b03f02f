/* Who may read and who may publish, as each door is told it.
 *
 * The web server's login, spoken to the application as web servers speak it: REMOTE_USER over
 * FastCGI. What a visitor can say himself must never be taken for it. And tokens, through each web
 * server.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct lab lab;

static const char conf[] = "[channel inbox/*]\nsubscribe = owner\npublish = user\n"
                           "[channel staff/*]\nsubscribe = group staff\n"
                           "[channel closed]\nsubscribe = none\n"
                           "[channel *]\npublish = anyone\n";

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "rights");
    lab_conf(&lab, conf);
    lab_set(&lab, "GROUP_VARIABLE", "OIDC_GROUPS");
    lab_set(&lab, "ORIGINS", "https://listed.example *");
    lab_set(&lab, "JSONP", "on");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_app(&lab, 0);
}

static void teardown(void) {
    lab_close(&lab);
}

/* One more request on a connection, with variables by pairs up to NULL. */
static void send_as(int fd, unsigned flags, const char *method, const char *uri, const char *body,
                    const char *const variables[]) {
    const char begin[8] = {0, 1, (char)flags};
    struct bytes bytes = {0}, params = {0};

    fcgi_params(&params, method, uri, NULL, strlen(body));
    for (size_t i = 0; variables[i] != NULL; i += 2)
        fcgi_param(&params, variables[i], variables[i + 1]);
    fcgi_record(&bytes, FCGI_BEGIN, 1, begin, sizeof begin);
    fcgi_record(&bytes, FCGI_PARAMS, 1, params.data, params.length);
    fcgi_record(&bytes, FCGI_PARAMS, 1, "", 0);
    if (body[0] != '\0')
        fcgi_record(&bytes, FCGI_STDIN, 1, body, strlen(body));
    fcgi_record(&bytes, FCGI_STDIN, 1, "", 0);
    ck_assert(wire_send(fd, bytes.data, bytes.length));
}

static const struct answer *ask(const char *method, const char *uri, const char *body,
                                const char *const variables[]) {
    int fd = wire_unix(lab.app_socket[0]);

    send_as(fd, 0, method, uri, body, variables);
    return fcgi_answer(fd);
}

#define AS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int poll_as(const char *channel, const char *const variables[]) {
    return ask("GET", keepf("/comet/poll?channel=%s", channel), "", variables)->status;
}

START_TEST(a_login_opens_what_its_user_and_groups_may) {
    const struct answer *nobody = ask("GET", "/comet/poll?channel=inbox/alice", "", AS("X", "y"));

    must_be_problem(nobody, 401, "inbox/alice");
    ck_assert_str_eq(answer_header(nobody, "WWW-Authenticate"), "Bearer");
    ck_assert_int_eq(poll_as("inbox/alice", AS("REMOTE_USER", "alice")), 200);
    ck_assert_int_eq(poll_as("inbox/alice&channel=open", AS("REMOTE_USER", "alice")), 200);
    ck_assert_int_eq(poll_as("open&channel=inbox/alice", AS("REMOTE_USER", "bob")), 403);
    ck_assert_int_eq(poll_as("closed", AS("REMOTE_USER", "alice")), 403);
    ck_assert_int_eq(poll_as("staff/x", AS("REMOTE_USER", "alice", "OIDC_GROUPS", "a,staff")), 200);
    ck_assert_int_eq(poll_as("staff/x", AS("REMOTE_USER", "alice", "OIDC_GROUPS", "a,b")), 403);
    ck_assert_int_eq(poll_as("staff/x", AS("OIDC_GROUPS", "staff")), 401); /* of nobody */
    for (const char *const *path = (const char *const[]){"wait?timeout=0&", "events?", "stream?",
                                                         "multipart?", "iframe?", NULL};
         *path != NULL; path++)
        must_be_problem(
            ask("GET", keepf("/comet/%schannel=inbox/alice", *path), "", AS("REMOTE_USER", "bob")),
            403, "inbox/alice");
}
END_TEST

START_TEST(info_says_whether_it_matters_who_somebody_is) {
    static const struct {
        const char *sections;
        bool matters;
    } rows[] = {{"", false},
                {"[channel *]\npublish = anyone\n", false},
                {"[channel x]\nsubscribe = none\n", false}, /* whoever he is */
                {"[channel x]\nsubscribe = user\n", true},
                {"[channel x]\npublish = anyone, group staff\n", false},
                {"[channel x]\npublish = group staff\n", true}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lab_conf(&lab, rows[i].sections);
        lab_app(&lab, 1);
        int fd = wire_unix(lab.app_socket[1]);
        send_as(fd, 0, "GET", "/comet/info", "", AS("X", "y"));
        const json_t *login = json_object_get(fcgi_answer(fd)->json, "login");
        ck_assert_msg(json_is_boolean(login) && json_is_true(login) == rows[i].matters, "row %zu",
                      i);
        proc_stop(&lab.app[1], SIGTERM);
    }
    lab_conf(&lab, conf);
}
END_TEST

START_TEST(a_login_publishes_where_it_may) {
    const char *uri = "/comet/publish?channel=inbox/bob";

    must_be_problem(ask("POST", uri, "x", AS("X", "y")), 401, "inbox/bob");
    ck_assert_int_eq(ask("POST", uri, "x", AS("REMOTE_USER", "alice"))->status, 200);
    ck_assert_int_eq(store_held(&lab, "inbox/bob"), 1);
}
END_TEST

START_TEST(what_a_visitor_says_of_himself_is_nobodys_login) {
    static const char *const fields[] = {"HTTP_REMOTE_USER",   "HTTP_X_REMOTE_USER",
                                         "HTTP_X_HALLEY_USER", "REMOTE_USER_",
                                         "remote_user",        "HTTP_FORWARDED"};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        ck_assert_int_eq(poll_as("inbox/alice", AS(fields[i], "alice")), 401);
    ck_assert_int_eq(poll_as("staff/x", AS("REMOTE_USER", "bob", "HTTP_OIDC_GROUPS", "staff")),
                     403);
    ck_assert_int_eq(poll_as("inbox/alice", AS("REMOTE_USER", "ali\nce")), 401);
    ck_assert_int_eq(poll_as("inbox/Alice", AS("REMOTE_USER", "alice")), 403);
    ck_assert_int_eq(poll_as("inbox/alice/", AS("REMOTE_USER", "alice")), 403);
    ck_assert_int_eq(poll_as("inbox/%61lice", AS("REMOTE_USER", "alice")), 200); /* the same name */
    ck_assert_int_eq(poll_as("inbox/%2561lice", AS("REMOTE_USER", "alice")), 403);
}
END_TEST

/* A browser sends the login with what a page of another site asks for. */
START_TEST(a_login_counts_for_pages_of_this_site_and_listed_ones) {
    static const struct {
        const char *name, *value;
        int status;
    } rows[] = {{"HTTP_ORIGIN", "http://localhost", 200},
                {"HTTP_ORIGIN", "https://listed.example", 200},
                {"HTTP_ORIGIN", "https://other.example", 401},
                {"HTTP_ORIGIN", "null", 401},
                {"HTTP_SEC_FETCH_SITE", "same-origin", 200},
                {"HTTP_SEC_FETCH_SITE", "none", 200},
                {"HTTP_SEC_FETCH_SITE", "cross-site", 401},
                {"HTTP_SEC_FETCH_SITE", "same-site", 401},
                {"HTTP_REFERER", "http://localhost/page?x=http://other.example/", 200},
                {"HTTP_REFERER", "https://listed.example/", 200},
                {"HTTP_REFERER", "https://other.example/http://localhost/", 401},
                {"HTTP_REFERER", "nonsense", 401}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(poll_as("inbox/alice", AS("REMOTE_USER", "alice", "HTTP_HOST", "localhost",
                                                rows[i].name, rows[i].value)) == rows[i].status,
                      "%s: %s", rows[i].name, rows[i].value);
    ck_assert_int_eq(
        ask("GET", "/comet/jsonp?callback=f&channel=inbox/alice", "", AS("REMOTE_USER", "alice"))
            ->status,
        401);
}
END_TEST

/* The end record of an answer on a connection that is kept, and what stands before it. */
static int status_on(int fd) {
    struct bytes all = {0};
    char piece[4096];
    int status = 200;

    for (;;) {
        ck_assert(wire_stirs(fd, 20000));
        ssize_t came = read(fd, piece, sizeof piece);
        ck_assert_int_gt(came, 0);
        bytes_add(&all, piece, (size_t)came);
        for (size_t at = 0; at + 8 <= all.length;) {
            const unsigned char *record = (const unsigned char *)all.data + at;
            size_t size = 8 + (size_t)(record[4] << 8 | record[5]) + record[6];
            if (at + size > all.length)
                break;
            if (record[1] == FCGI_STDOUT && memmem(record + 8, size - 8, "Status: ", 8) != NULL)
                status = atoi((const char *)memmem(record + 8, size - 8, "Status: ", 8) + 8);
            if (record[1] == FCGI_END)
                return status;
            at += size;
        }
    }
}

START_TEST(a_kept_connection_gives_the_next_user_nothing) {
    static const struct {
        const char *uri, *user;
        int status;
    } rows[] = {{"/comet/poll?channel=inbox/alice", "alice", 200},
                {"/comet/poll?channel=inbox/alice", "bob", 403},
                {"/comet/poll?channel=inbox/alice", "", 401},
                {"/comet/poll?channel=inbox/alice", "alice", 200},
                {"/comet/poll?channel=open", "", 200}, /* which is remembered as a query */
                {"/comet/poll?channel=open", "alice", 200},
                {"/comet/poll?channel=inbox/alice", "", 401}};
    int fd = wire_unix(lab.app_socket[0]);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        send_as(fd, 1, "GET", rows[i].uri, "", AS("REMOTE_USER", rows[i].user));
        ck_assert_msg(status_on(fd) == rows[i].status, "row %zu", i);
    }
    close(fd);
}
END_TEST

START_TEST(a_pattern_stands_for_what_its_reader_may_read) {
    const char *uri = "/comet/poll?pattern=inbox/*&since=start";

    store_add(&lab, "inbox/carol", "1");
    store_add(&lab, "inbox/dave", "2");
    ck_assert_str_eq(batch_all_data(must_be_batch(ask("GET", uri, "", AS("REMOTE_USER", "carol")))),
                     "1");
    ck_assert_str_eq(batch_all_data(must_be_batch(ask("GET", uri, "", AS("REMOTE_USER", "dave")))),
                     "2");
    ck_assert_str_eq(batch_all_data(must_be_batch(ask("GET", uri, "", AS("X", "y")))), "");
}
END_TEST

START_TEST(a_channel_that_comes_to_be_is_told_to_who_may_read_it) {
    int alice = wire_unix(lab.app_socket[0]), bob = wire_unix(lab.app_socket[0]);
    const char *uri = "/comet/wait?pattern=inbox/*&timeout=50";

    send_as(alice, 0, "GET", uri, "", AS("REMOTE_USER", "erin"));
    send_as(bob, 0, "GET", uri, "", AS("REMOTE_USER", "frank"));
    until(store_followers(&lab, "inbox/*") > 0, "nobody follows");
    pause_ms(300); /* both are parked */
    store_add(&lab, "inbox/erin", "1");
    store_add(&lab, "inbox/frank", "2");
    ck_assert_str_eq(batch_all_data(must_be_batch(fcgi_answer(alice))), "1");
    ck_assert_str_eq(batch_all_data(must_be_batch(fcgi_answer(bob))), "2");
}
END_TEST

/* --- tokens ---------------------------------------------------------------------------- */

#define SECRET "a secret of the site, 32 bytes+++"

static void setup_tokens(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "tokens");
    lab_conf(&lab, keepf("[channel inbox/*]\nsubscribe = owner\npublish = user\n"
                         "[channel t/*]\nsubscribe = token\npublish = token\n"
                         "[channel *]\npublish = anyone\n"
                         "[key k]\nalgorithm = HS256\nfile = %s\n"
                         "[service sockjs/own]\n",
                         token_file(SECRET)));
    lab_set(&lab, "TOKEN_COOKIE", "session");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_websockets(&lab);
    lab_web(&lab, server, 1);
}

/* Alice's, for so many seconds from now. */
static const char *of_alice(double seconds) {
    return token_of(SECRET,
                    keepf("{\"sub\":\"alice\",\"subscribe\":[\"t/*\"],\"publish\":[\"t/a\"],"
                          "\"exp\":%.3f}",
                          (double)time(NULL) + seconds));
}

static const struct answer *get_with(const char *header, const char *path) {
    const struct request request = {.path = path, .headers = {header}};
    return http_send(&lab, &request);
}

static const char *bearer(double seconds) {
    return keepf("Authorization: Bearer %s", of_alice(seconds));
}

START_TEST(a_token_opens_its_channels_wherever_it_stands) {
    const char *query = keepf("/comet/poll?channel=inbox/alice&token=%s", of_alice(600));
    const struct answer *nobody = http_get(&lab, "/comet/poll?channel=inbox/alice");

    must_be_problem(nobody, 401, "inbox/alice");
    ck_assert_ptr_nonnull(answer_header(nobody, "WWW-Authenticate"));
    must_be_batch(get_with(bearer(600), "/comet/poll?channel=inbox/alice"));
    must_be_batch(http_get(&lab, "%s", query));
    must_be_batch(
        get_with(keepf("Cookie: session=%s", of_alice(600)), "/comet/poll?channel=inbox/alice"));
    must_be_batch(get_with(bearer(600), "/comet/poll?channel=t/x"));
    must_be_problem(get_with(bearer(600), "/comet/poll?channel=inbox/bob"), 403, "inbox/bob");
    must_be_problem(http_get(&lab, "/comet/poll?channel=t/x"), 401, "t/x");
    const struct request other = {
        .path = "/comet/poll?channel=inbox/alice",
        .headers = {keepf("Cookie: session=%s", of_alice(600)), "Origin: https://other.example"}};
    must_be_problem(http_send(&lab, &other), 401, "inbox/alice");
}
END_TEST

START_TEST(a_token_that_is_not_good_opens_nothing_and_is_not_repeated) {
    const char *expired = of_alice(-1), *secret = strrchr(expired, '.') + 1;
    const char *bad[] = {expired, token_of("another secret, of 32 bytes or more", "{\"exp\":1e12}"),
                         token_hs256(SECRET, "{\"alg\":\"none\"}", "{\"exp\":1e12}"), "x"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct answer *answer = /* on an open channel too */
            get_with(keepf("Authorization: Bearer %s", bad[i]), "/comet/poll?channel=open");
        must_be_problem(answer, 401, "token");
        ck_assert_ptr_null(strstr(answer->body, secret));
    }
    must_be_problem(
        http_get(&lab, "/comet/poll?channel=open&token=%s&token=%s", of_alice(600), of_alice(601)),
        400, "token");
}
END_TEST

START_TEST(a_token_publishes_where_it_may) {
    const struct request request = {.method = "POST",
                                    .path = "/comet/publish?channel=t/a",
                                    .body = "1",
                                    .length = 1,
                                    .headers = {bearer(600)}};
    struct request other = request;

    other.path = "/comet/publish?channel=t/b";
    must_be_problem(http_send(&lab, &other), 403, "t/b");
    ck_assert_int_eq(http_send(&lab, &request)->status, 200);
    must_be_problem(http_post(&lab, "1", 1, "/comet/publish?channel=t/a"), 401, "t/a");
    ck_assert_int_eq(store_held(&lab, "t/a"), 1);
}
END_TEST

START_TEST(a_wait_and_a_stream_end_when_their_token_expires) {
    struct flight *wait =
        http_get_begin(&lab, "/comet/wait?channel=inbox/alice&timeout=50&token=%s", of_alice(3));
    struct flight *stream =
        http_get_begin(&lab, "/comet/stream?channel=inbox/alice&token=%s", of_alice(3));
    const struct answer *answer = http_land(wait);

    ck_assert_uint_eq(batch_count(must_be_batch(answer)), 0);
    ck_assert(answer->seconds < 40); /* 3, and a loaded machine; the wait was for 50 */
    ck_assert_int_eq(http_land(stream)->status, 200);
}
END_TEST

START_TEST(a_websocket_ends_with_its_token_unless_it_has_another) {
    struct websock *socket =
        websock_on(wire_unix(lab.websocket), "/comet/ws?channel=inbox/alice",
                   keepf("Sec-WebSocket-Protocol: halley, bearer.%s\r\n", of_alice(4)));

    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_say(socket, keepf("{\"token\":\"%s\",\"ref\":1}", of_alice(9)));
    const char *text = websock_reach(socket, "\"expires\"");
    ck_assert_ptr_nonnull(strstr(text, "\"ref\":1"));
    websock_say(socket, keepf("{\"token\":\"%s\",\"ref\":2}",
                              token_of(SECRET, "{\"sub\":\"bob\",\"exp\":1e12}")));
    ck_assert_ptr_nonnull(strstr(websock_reach(socket, "\"ref\":2"), "403"));
    ck_assert_int_eq(websock_reach_close(socket), 4401);
    websock_close(socket);
}
END_TEST

static void add_token_tests(TCase *tcase) {
    tcase_add_test(tcase, a_token_opens_its_channels_wherever_it_stands);
    tcase_add_test(tcase, a_token_that_is_not_good_opens_nothing_and_is_not_repeated);
    tcase_add_test(tcase, a_token_publishes_where_it_may);
    if (e2e_adds_for("http"))
        tcase_add_test(tcase, a_wait_and_a_stream_end_when_their_token_expires);
    if (e2e_adds_for("http"))
        tcase_add_test(tcase, a_websocket_ends_with_its_token_unless_it_has_another);
}

int main(void) {
    Suite *suite = suite_create("rights");
    TCase *tcase = e2e_case(suite, "login", setup, teardown);

    tcase_add_test(tcase, a_login_opens_what_its_user_and_groups_may);
    tcase_add_test(tcase, a_login_publishes_where_it_may);
    tcase_add_test(tcase, info_says_whether_it_matters_who_somebody_is);
    tcase_add_test(tcase, what_a_visitor_says_of_himself_is_nobodys_login);
    tcase_add_test(tcase, a_login_counts_for_pages_of_this_site_and_listed_ones);
    tcase_add_test(tcase, a_kept_connection_gives_the_next_user_nothing);
    tcase_add_test(tcase, a_pattern_stands_for_what_its_reader_may_read);
    tcase_add_test(tcase, a_channel_that_comes_to_be_is_told_to_who_may_read_it);
    e2e_on_each_server(suite, setup_tokens, teardown, add_token_tests);
    return e2e_run(suite);
}
