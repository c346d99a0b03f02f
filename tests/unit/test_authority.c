/* core/config/authority: where the site may be asked, and what stays on this machine.
 */
#include "core/config/authority.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct {
    const char *text, *socket, *url;
    bool local;
} good[] = {
    {"http://127.0.0.1/may.php", NULL, "http://127.0.0.1/may.php", true},
    {"http://127.1.2.3:8080", NULL, "http://127.1.2.3:8080", true},
    {"HTTP://localhost:1/?a=b", NULL, "HTTP://localhost:1/?a=b", true},
    {"http://[::1]:80/x", NULL, "http://[::1]:80/x", true},
    {"http://localhost?a", NULL, "http://localhost?a", true},
    {"https://site.example/may", NULL, "https://site.example/may", false},
    {"http://127.example/", NULL, "http://127.example/", false},
    {"http://127.0.0.1.example/", NULL, "http://127.0.0.1.example/", false},
    {"http://localhost.example/", NULL, "http://localhost.example/", false},
    {"http://2130706433/", NULL, "http://2130706433/", false}, /* other programs' 127.0.0.1 */
    {"http://127.1/", NULL, "http://127.1/", false},
    {"http://0/", NULL, "http://0/", false},
    {"http://[::ffff:127.0.0.1]/", NULL, "http://[::ffff:127.0.0.1]/", false},
    {"http://10.0.0.1:65535/a:b@c", NULL, "http://10.0.0.1:65535/a:b@c", false},
    {"unix:/run/site.sock:/may?x=1", "/run/site.sock", "http://localhost/may?x=1", true},
    {"unix:/run/a:b.sock:/", "/run/a:b.sock", "http://localhost/", true}};

START_TEST(an_address_is_taken_apart) {
    struct authority authority;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(authority_parse(good[i].text, &authority) == ERR_OK, "%s", good[i].text);
        ck_assert_str_eq(authority.url, good[i].url);
        ck_assert_pstr_eq(authority.socket, good[i].socket);
        ck_assert_msg(authority.local == good[i].local, "%s", good[i].text);
        authority_free(&authority);
    }
}
END_TEST

#define LONG_SOCKET                                                                                \
    "unix:/a-socket-whose-path-is-longer-than-the-107-bytes-that-"                                 \
    "every-socket-may-have-so-that-nobody-can-listen-there.sock:/"

static const char *const bad[] = {"",
                                  "/may.php",
                                  "127.0.0.1/may.php",
                                  "ftp://127.0.0.1/",
                                  "http://",
                                  "http:///may",
                                  "http://a:b@127.0.0.1/",
                                  "http://127.0.0.1@evil.example/",
                                  "http://127.0.0.1:0/",
                                  "http://127.0.0.1:65536/",
                                  "http://127.0.0.1:/",
                                  "http://127.0.0.1:8a/",
                                  "http://127.0.0.1 /",
                                  "http://127.0.0.1/a b",
                                  "http://127.0.0.1/\r\nX: y",
                                  "http://127.0.0.1/#x",
                                  "http://127.0.0.1\\@evil.example/",
                                  "http://\xc3\xa4.example/",
                                  "http://[::1",
                                  "http://[::1]x/",
                                  "http://[a.b]c/",
                                  "unix:",
                                  "unix:run/site.sock:/",
                                  "unix:/run/site.sock",
                                  LONG_SOCKET,
                                  "unix:/run/site.sock:may"};

START_TEST(what_is_no_address_is_refused) {
    struct authority authority;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(authority_parse(bad[i], &authority) == ERR_SYNTAX, "%s", bad[i]);
}
END_TEST

START_TEST(a_name_longer_than_names_are_is_refused) {
    char text[600] = "http://";
    struct authority authority;

    memset(text + 7, 'a', 253);
    ck_assert_int_eq(authority_parse(text, &authority), ERR_OK);
    authority_free(&authority);
    memset(text + 7, 'a', 254);
    ck_assert_int_eq(authority_parse(text, &authority), ERR_SYNTAX);
}
END_TEST

UNIT_MAIN("authority", an_address_is_taken_apart, what_is_no_address_is_refused,
          a_name_longer_than_names_are_is_refused)
