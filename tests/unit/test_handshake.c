/* fcgi-app/door/ws/handshake: what is a WebSocket's opening handshake, and what is said to the
 * rest (RFC 6455 §4.2).
 */
#include "fcgi-app/door/ws/handshake.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/lib/opening.h"
#include "tests/unit/unit.h"

#define GET        "GET /comet/ws?channel=a HTTP/1.1\r\n"
#define HOST       "Host: h\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define UPGRADE    "Upgrade: websocket\r\n"
#define KEY        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION    "Sec-WebSocket-Version: 13\r\n"
#define ALL        HOST CONNECTION UPGRADE KEY VERSION

static struct problem problem;

/* The status of the answer to a handshake; 101 if it is one. */
static int answer_bytes(const char *text, size_t len) {
    struct request *request = NULL;
    struct buf hello = buf_make(1024);
    size_t used;
    enum opening state = read_opening(text, len, &used, &request, &problem);

    ck_assert_msg(state != OPENING_PARTIAL, "%s", text);
    bool good = state == OPENING_WHOLE && handshake_check(request, "", &problem);
    if (good) {
        ck_assert_uint_eq(used, len);
        handshake_put_answer(request, &hello);
        ck_assert_str_eq(hello.data, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                     "Connection: Upgrade\r\nSec-WebSocket-Accept: "
                                     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    }
    request_free(request);
    buf_free(&hello);
    return good ? 101 : problem.status;
}

static int answer(const char *text) {
    return answer_bytes(text, strlen(text));
}

START_TEST(tokens_stand_in_lists_and_in_any_case) {
    static const char *const rows[] = {
        GET ALL "\r\n",
        GET HOST "Connection: keep-alive, Upgrade\r\n" UPGRADE KEY VERSION "\r\n",
        GET HOST "Connection: keep-alive\r\nConnection: upgrade\r\n" UPGRADE KEY VERSION "\r\n",
        GET HOST "connection: UPGRADE ,x\r\nupgrade: WebSocket\r\n" KEY VERSION "\r\n",
        GET HOST CONNECTION "Upgrade: h2c, websocket\r\n" KEY VERSION "\r\n",
        GET HOST CONNECTION "Upgrade: h2c\r\nUpgrade: websocket\r\n" KEY VERSION "\r\n",
        GET HOST CONNECTION UPGRADE "SEC-WEBSOCKET-KEY:\t dGhlIHNhbXBsZSBub25jZQ== \t\r\n"
                                    "sec-websocket-version:  13 \r\n\r\n"};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(answer(rows[i]) == 101, "row %zu: %d %s", i, problem.status, problem.detail);
}
END_TEST

START_TEST(another_version_is_told_which_one_is_understood) {
    static const char *const versions[] = {"",
                                           "Sec-WebSocket-Version: 8\r\n",
                                           "Sec-WebSocket-Version: 0\r\n",
                                           "Sec-WebSocket-Version: 013\r\n",
                                           "Sec-WebSocket-Version: 14\r\n",
                                           "Sec-WebSocket-Version: \r\n",
                                           "Sec-WebSocket-Version: rubbish\r\n",
                                           "Sec-WebSocket-Version: 13, 8\r\n",
                                           "Sec-WebSocket-Version: 8, 13\r\n",
                                           VERSION "Sec-WebSocket-Version: 8\r\n",
                                           VERSION VERSION};
    for (size_t i = 0; i < ROWS(versions); i++) {
        struct buf out = buf_make(4096);
        ck_assert_msg(answer(keepf(GET HOST CONNECTION UPGRADE KEY "%s\r\n", versions[i])) == 426,
                      "%s: %d", versions[i], problem.status);
        (void)problem_head(&problem, 0, &out);
        ck_assert_ptr_nonnull(strstr(out.data, "\r\nSec-WebSocket-Version: 13\r\n"));
        ck_assert_ptr_nonnull(strstr(out.data, "Upgrade: websocket\r\n"));
        buf_free(&out);
    }
}
END_TEST

START_TEST(what_is_missing_or_wrong_is_named) {
    static const struct {
        const char *text;
        int status;
        const char *names;
    } rows[] = {
        {"POST /comet/ws HTTP/1.1\r\n" ALL "Content-Length: 0\r\n\r\n", 405, "GET"},
        {"GET /comet/ws HTTP/1.0\r\n" ALL "\r\n", 400, "HTTP/1.1"},
        {GET CONNECTION UPGRADE KEY VERSION "\r\n", 400, "Host"},
        {GET "Host:\r\n" CONNECTION UPGRADE KEY VERSION "\r\n", 400, "Host"},
        {GET HOST ALL "\r\n", 400, "Host"},
        {GET HOST UPGRADE KEY VERSION "\r\n", 400, "Connection"},
        {GET HOST "Connection: close\r\n" UPGRADE KEY VERSION "\r\n", 400, "Connection"},
        {GET HOST "Connection: upgraded\r\n" UPGRADE KEY VERSION "\r\n", 400, "Connection"},
        {GET HOST CONNECTION KEY VERSION "\r\n", 400, "Upgrade"},
        {GET HOST CONNECTION "Upgrade: websockets\r\n" KEY VERSION "\r\n", 400, "Upgrade"},
        {GET HOST CONNECTION "Upgrade: not-websocket\r\n" KEY VERSION "\r\n", 400, "Upgrade"},
        {GET HOST CONNECTION UPGRADE VERSION "\r\n", 400, "Key"},
        {GET HOST CONNECTION UPGRADE VERSION KEY KEY "\r\n", 400, "Key"},
        {GET HOST CONNECTION UPGRADE VERSION "Sec-WebSocket-Key: short\r\n\r\n", 400, "Key"},
        {GET HOST CONNECTION UPGRADE VERSION "Sec-WebSocket-Key: "
                                             "dGhlIHNhbXBsZSBub25jZQQ=\r\n\r\n",
         400, "Key"},
        {GET HOST CONNECTION UPGRADE VERSION "Sec-WebSocket-Key: "
                                             "dGhlIHNhb!BsZSBub25jZQ==\r\n\r\n",
         400, "Key"},
        {GET HOST CONNECTION UPGRADE "\r\n", 400, "Key"}, /* before the version is looked at */
        {GET ALL "Origin: http://evil.example\r\n\r\n", 403, "Origin"},
        {"GET /other\r\n\r\n" GET ALL "\r\n", 400, "HTTP/1.1"}, /* two requests are not one */
        {GET "\r\n" GET ALL "\r\n", 400, "Host"},
        {"GET /comet/ws HTTP/2.0\r\n" ALL "\r\n", 505, "HTTP/1.1"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/1.1"},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_msg(answer(rows[i].text) == rows[i].status, "row %zu: %d %s", i, problem.status,
                      problem.detail);
        ck_assert_msg(strstr(problem.detail, rows[i].names), "row %zu: %s", i, problem.detail);
    }
}
END_TEST

START_TEST(a_handshake_in_pieces_is_partial_until_it_is_whole) {
    const char *text = GET ALL "\r\n";

    for (size_t len = 0; len < strlen(text); len++) {
        struct request *request = NULL;
        size_t used;

        ck_assert_int_eq(
            read_opening(keepf("%.*s", (int)len, text), len, &used, &request, &problem),
            OPENING_PARTIAL);
        ck_assert_ptr_null(request);
    }
    ck_assert_int_eq(answer(text), 101);
}
END_TEST

START_TEST(a_nul_in_a_header_is_no_http) {
    static const char text[] = GET ALL "Origin: x\0y\r\n\r\n";

    ck_assert_int_eq(answer_bytes(text, sizeof text - 1), 400);
    ck_assert_ptr_nonnull(strstr(problem.detail, "control"));
}
END_TEST

UNIT_MAIN("handshake", tokens_stand_in_lists_and_in_any_case,
          another_version_is_told_which_one_is_understood, what_is_missing_or_wrong_is_named,
          a_handshake_in_pieces_is_partial_until_it_is_whole, a_nul_in_a_header_is_no_http)
