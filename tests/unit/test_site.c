/* fcgi-app/door/site: whose page asks, and from which machine. */
#include "fcgi-app/door/site.h"

#include "tests/unit/unit.h"

START_TEST(a_page_of_this_host_or_of_a_listed_site_is_allowed_and_no_other) {
    static const struct {
        const char *origin, *site, *host, *forwarded, *origins;
        bool allowed;
    } rows[] = {
        /* no browser */
        {"", "", "a", "", "", true},
        {"", "", "", "", "", true},
        /* the browser says it by Sec-Fetch-Site alone */
        {"", "same-origin", "a", "", "", true},
        {"", "none", "a", "", "", true},
        {"", "same-site", "a", "", "", false},
        {"", "cross-site", "a", "", "", false},
        {"", "cross-site, none", "a", "", "", false},
        {"", "nonsense", "a", "", "", false},
        {"", "cross-site", "a", "", "https://other", false},
        {"", "cross-site", "a", "", "*", true},
        /* the same origin, however Host says it */
        {"http://a", "", "a", "", "", true},
        {"https://a", "", "a", "", "", true},
        {"https://a", "same-origin", "a:443", "", "", true},
        {"http://a", "", "a:80", "", "", true},
        {"https://a:443", "", "a", "", "", true},
        {"http://a:80", "", "a", "", "", true},
        {"http://a:8080", "", "a:8080", "", "", true},
        {"http://A.example", "", "a.EXAMPLE", "", "", true},
        {"http://a.example", "", "a.example.", "", "", true},
        {"http://a.example.", "", "a.example:80", "", "", true},
        {"http://[::1]:8080", "", "[::1]:8080", "", "", true},
        {"https://[2001:db8::A]", "", "[2001:DB8::a]:443", "", "", true},
        /* another one */
        {"https://a:8443", "", "a", "", "", false},
        {"https://a", "", "a:80", "", "", false},
        {"http://a", "", "a:443", "", "", false},
        {"http://a:8080", "", "a:8081", "", "", false},
        {"http://b", "", "a", "", "", false},
        {"http://b", "same-origin", "a", "", "", false},
        {"http://a.evil", "", "a", "", "", false},
        {"http://evil.a", "", "a", "", "", false},
        {"http://ab", "", "a", "", "", false},
        {"http://[::1]", "", "[::2]", "", "", false},
        {"http://a", "", "", "", "", false},
        {"http://", "", "", "", "", false},
        {"http://:80", "", ":80", "", "", false},
        {"http://a@b", "", "a@b", "", "", false},
        {"http://a/b", "", "a/b", "", "", false},
        {"a", "", "a", "", "", false},
        {"null", "", "null", "", "", false},
        {"null", "cross-site", "a", "", "", false},
        {"http://a", "cross-site", "a", "", "", false}, /* another scheme, says the browser */
        {"http://a, http://b", "", "a", "", "", false},
        {"http://b, http://a", "", "a", "", "", false},
        {"http://a http://b", "", "a", "", "http://b", false},
        {"http://a:x", "", "a:x", "", "", false},
        {"http://a:99999999", "", "a:99999999", "", "", false},
        /* a proxy says which host was asked for */
        {"https://a", "", "inner:8080", "a", "", true},
        {"https://a", "", "inner", "edge, a", "", true},
        {"https://a", "", "inner", "b", "", false},
        {"https://a", "", "inner", ",", "", false},
        /* listed, word for word */
        {"https://b", "cross-site", "a", "", "https://b", true},
        {"https://b", "cross-site", "a", "", "https://c\t https://b ", true},
        {"https://b", "", "a", "", "https://bb", false},
        {"https://b", "", "a", "", "https://b:443", false},
        {"https://b", "", "a", "", "b", false},
        {"null", "cross-site", "a", "", "null", true},
        {"null", "cross-site", "a", "", "https://b *", true},
        {"https://b", "cross-site", "a", "", "*", true},
    };

    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct site_claims claims = {rows[i].origin, rows[i].site, rows[i].host,
                                           rows[i].forwarded};
        ck_assert_msg(site_allows(&claims, rows[i].origins) == rows[i].allowed,
                      "row %zu: Origin %s, Sec-Fetch-Site %s, Host %s, %s, origins %s", i,
                      rows[i].origin, rows[i].site, rows[i].host, rows[i].forwarded,
                      rows[i].origins);
    }
}
END_TEST

START_TEST(loopback_and_unix_sockets_are_this_machine) {
    static const struct {
        const char *address;
        bool local;
    } rows[] = {{"127.0.0.1", true},
                {"127.8.9.10", true},
                {"::1", true},
                {"0:0:0:0:0:0:0:1", true},
                {"::ffff:127.0.0.1", true},
                {"unix:", true},
                {"unix:/run/x.sock", true},
                {"/run/lighttpd/x.sock", true},
                {"", false},
                {"localhost", false},
                {"127.0.0.1.evil", false},
                {"127.1", false},
                {"128.0.0.1", false},
                {"192.0.2.1", false},
                {"0.0.0.0", false},
                {"::", false},
                {"::2", false},
                {"::ffff:192.0.2.1", false},
                {"::127.0.0.1", false},
                {"[::1]", false},
                {"127.0.0.1, 192.0.2.1", false},
                {"2001:db8::1", false}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        ck_assert_msg(site_local(rows[i].address, false) == rows[i].local, "%s", rows[i].address);
        ck_assert_msg(!site_local(rows[i].address, true), "%s", rows[i].address);
    }
}
END_TEST

START_TEST(what_a_browser_adds_by_itself_counts_for_pages_of_listed_sites_alone) {
    static const struct {
        const char *origin, *site, *referer, *origins;
        bool trusts;
    } rows[] = {{"", "", "", "", true}, /* no browser */
                {"http://a", "", "", "", true},
                {"http://b", "", "", "", false},
                {"http://b", "", "", "*", false},
                {"http://b", "cross-site", "", "http://b", true},
                {"http://b", "same-origin", "http://a/", "", false},
                {"null", "", "", "*", false},
                {"null", "", "", "null", true},
                {"", "same-origin", "", "", true},
                {"", "none", "", "", true},
                {"", "same-site", "", "*", false},
                {"", "cross-site", "http://a/", "", false},
                {"", "", "http://a/x", "", true},
                {"", "", "http://b/http://a/", "", false},
                {"", "", "http://b/", "http://b", true},
                {"", "", "http://b.evil/", "http://b", false},
                {"", "", "about:blank", "", false},
                {"", "", "*", "*", false}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct site_claims claims = {rows[i].origin, rows[i].site, "a", ""};
        ck_assert_msg(site_trusts(&claims, rows[i].referer, rows[i].origins) == rows[i].trusts,
                      "row %zu", i);
    }
}
END_TEST

START_TEST(a_frame_or_script_is_shown_to_pages_that_say_that_they_are_ours) {
    static const struct {
        const char *origin, *site, *referer, *origins;
        bool shown;
    } rows[] = {{"", "", "", "", true},
                {"", "same-origin", "", "", true},
                {"", "none", "", "", true},
                {"", "cross-site", "", "", false},
                {"", "same-site", "", "", false},
                {"", "cross-site", "", "*", true},
                {"", "", "http://a/x?y", "", true},
                {"", "", "https://A/", "", true},
                {"", "", "http://b/", "", false},
                {"", "", "http://b/http://a/", "", false},
                {"", "", "http://a@b/", "", false},
                {"", "", "http://b/", "http://b", true},
                {"", "cross-site", "http://b/", "http://b", true},
                {"", "", "http://b/", "*", true},
                {"", "cross-site", "http://a/", "", false},
                {"", "", "about:blank", "", false},
                {"", "", "nonsense", "", false},
                {"", "", "nonsense", "null", true},
                {"http://b", "", "http://a/", "", false},
                {"http://a", "", "http://b/", "", true}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct site_claims claims = {rows[i].origin, rows[i].site, "a", ""};
        ck_assert_msg(site_shows(&claims, rows[i].referer, rows[i].origins) == rows[i].shown,
                      "%s %s %s (%s)", rows[i].origin, rows[i].site, rows[i].referer,
                      rows[i].origins);
    }
}
END_TEST

UNIT_MAIN("site", a_frame_or_script_is_shown_to_pages_that_say_that_they_are_ours,
          a_page_of_this_host_or_of_a_listed_site_is_allowed_and_no_other,
          what_a_browser_adds_by_itself_counts_for_pages_of_listed_sites_alone,
          loopback_and_unix_sockets_are_this_machine)
