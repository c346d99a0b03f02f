/* fcgi-app/door/http/forwarded: whose request it is, and who may say so. */
#include "fcgi-app/door/http/forwarded.h"

#include <string.h>

#include "fcgi-app/door/site.h"
#include "tests/unit/unit.h"

static struct said said;
static char address[ADDRESS_TEXT];

/* Whether the sender is a proxy; his address is in `address`. */
static bool sender(const char *trusted, const char *peer, const char *list) {
    struct networks networks;

    ck_assert_int_eq(networks_parse(trusted, &networks), ERR_OK);
    said.of[SAID_FORWARDED_FOR] = list;
    bool proxied = forwarded_sender(&networks, peer, &said, address);
    networks_free(&networks);
    return proxied;
}

START_TEST(the_sender_is_the_last_one_who_is_not_trusted) {
    static const struct {
        const char *trusted, *peer, *list, *address;
        bool proxied;
    } rows[] = {
        /* nobody but whoever is connected */
        {"", "192.0.2.1", "", "192.0.2.1", false},
        {"", "unix:", "", "unix:", false},
        {"", "::1", "", "::1", false},
        /* not believed, and not forgotten */
        {"", "192.0.2.1", "127.0.0.1", "192.0.2.1", true},
        {"", "127.0.0.1", "127.0.0.1", "127.0.0.1", true},
        {"10.0.0.0/8", "192.0.2.1", "198.51.100.7", "192.0.2.1", true},
        /* believed */
        {"", "unix:", "198.51.100.7", "198.51.100.7", false},
        {"", "unix:", "127.0.0.1", "127.0.0.1", false},
        {"10.0.0.0/8", "10.0.0.1", "198.51.100.7", "198.51.100.7", false},
        {"10.0.0.0/8", "10.0.0.1", "  198.51.100.7 \t", "198.51.100.7", false},
        {"2001:db8::/32", "2001:db8::1", "2001:DB9:0::7", "2001:db9::7", false},
        {"10.0.0.0/8", "10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7", false},
        /* what a client wrote in front of what the proxy appends */
        {"", "unix:", "127.0.0.1, 198.51.100.7", "198.51.100.7", true},
        {"", "unix:", "127.0.0.1,198.51.100.7", "198.51.100.7", true},
        {"", "unix:", "unix:, 198.51.100.7", "198.51.100.7", true},
        /* several proxies, all of ours; and one that is not */
        {"10.0.0.0/8", "10.0.0.1", "198.51.100.7, 10.0.0.3, 10.0.0.2", "198.51.100.7", false},
        {"10.0.0.0/8", "10.0.0.1", "x, 198.51.100.7, 10.0.0.2", "198.51.100.7", true},
        {"10.0.0.0/8", "unix:", "198.51.100.7, 10.0.0.2", "198.51.100.7", false},
        {"", "unix:", "198.51.100.7, 127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "unix:", "198.51.100.7, 127.0.0.1", "198.51.100.7", false},
        /* a client who is in a trusted network himself */
        {"10.0.0.0/8", "10.0.0.1", "10.9.9.9", "10.9.9.9", false},
        {"10.0.0.0/8", "10.0.0.1", "10.8.8.8, 10.9.9.9", "10.8.8.8", false},
        {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", false},
        /* ports and brackets, as some proxies write them */
        {"", "unix:", "198.51.100.7:4711", "198.51.100.7", false},
        {"", "unix:", "[2001:db8::7]:4711", "2001:db8::7", false},
        {"", "unix:", "[2001:db8::7]", "2001:db8::7", false},
        {"10.0.0.0/8", "10.0.0.1", "198.51.100.7, 10.0.0.2:80", "198.51.100.7", false},
        /* what is no address is nobody's, and local to nothing */
        {"", "unix:", "unknown", "unknown", false},
        {"", "unix:", "unix:", "unknown", false},
        {"", "unix:", "[unix:]", "unknown", false},
        {"", "unix:", "unix::x", "unknown", false},
        {"", "unix:", "/run/x", "unknown", false},
        {"", "unix:", "_secret", "unknown", false},
        {"", "unix:", "127.0.0.1 127.0.0.1", "unknown", false},
        {"", "unix:", "\"127.0.0.1\"", "unknown", false},
        {"", "unix:", "127.0.0.1;x", "unknown", false},
        /* a list of nothing says that somebody meddles with it */
        {"", "unix:", ",", "unix:", true},
        {"", "unix:", " , ,", "unix:", true},
        {"", "unix:", "198.51.100.7,", "198.51.100.7", false},
        {"", "unix:", ",198.51.100.7", "198.51.100.7", false},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        said_nothing(&said);
        bool proxied = sender(rows[i].trusted, rows[i].peer, rows[i].list);
        ck_assert_msg(strcmp(address, rows[i].address) == 0, "row %zu: %s", i, address);
        ck_assert_msg(proxied == rows[i].proxied, "row %zu", i);
    }
}
END_TEST

START_TEST(nobody_becomes_local_by_what_he_says) {
    static const char *const lists[] = {"127.0.0.1", "::1", "unix:",      "unix::x",
                                        "[unix:]",   "/x",  "127.0.0.1,", ",127.0.0.1"};

    for (size_t i = 0; i < ROWS(lists); i++) {
        said_nothing(&said);
        bool proxied = sender("", "192.0.2.1", lists[i]);
        ck_assert(!site_local(address, proxied));
        said_nothing(&said);
        proxied = sender("", "127.0.0.1", lists[i]); /* a proxy that nobody trusts */
        ck_assert(!site_local(address, proxied));
    }
}
END_TEST

START_TEST(what_a_stranger_says_of_proxies_is_taken_out) {
    static const int fields[] = {SAID_FORWARDED_HOST, SAID_FORWARDED_PROTO, SAID_FORWARDED,
                                 SAID_REAL_IP};

    for (size_t i = 0; i < ROWS(fields); i++) {
        said_nothing(&said);
        said.of[fields[i]] = "other.example";
        ck_assert(sender("10.0.0.0/8", "192.0.2.1", ""));
        ck_assert_str_eq(said.of[fields[i]], "");
    }
    said_nothing(&said);
    said.of[SAID_FORWARDED_HOST] = "shown.example";
    said.of[SAID_FORWARDED_PROTO] = "https";
    ck_assert(!sender("10.0.0.0/8", "10.0.0.1", "198.51.100.7"));
    ck_assert_str_eq(said.of[SAID_FORWARDED_HOST], "shown.example");
    ck_assert_str_eq(said.of[SAID_FORWARDED_PROTO], "https");
}
END_TEST

START_TEST(other_signs_of_a_proxy_are_signs_of_one) {
    static const int fields[] = {SAID_FORWARDED, SAID_REAL_IP, SAID_VIA};

    for (size_t i = 0; i < ROWS(fields); i++) {
        said_nothing(&said);
        said.of[fields[i]] = "1.1 somebody";
        ck_assert(sender("", "unix:", "127.0.0.1"));
        ck_assert(sender("", "unix:", ""));
        ck_assert(sender("127.0.0.1", "127.0.0.1", "127.0.0.1"));
    }
    said_nothing(&said);
    said.of[SAID_FORWARDED_HOST] = "shown.example"; /* and no address with it */
    ck_assert(sender("", "unix:", ""));
}
END_TEST

UNIT_MAIN("forwarded", the_sender_is_the_last_one_who_is_not_trusted,
          nobody_becomes_local_by_what_he_says, what_a_stranger_says_of_proxies_is_taken_out,
          other_signs_of_a_proxy_are_signs_of_one)
