/* fcgi-app/door/mount: which paths are endpoints, as they were sent, and as servers rewrote them.
 */
#include "fcgi-app/door/mount.h"

#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

static const char *path_of(const char *uri) {
    size_t len;
    const char *path = mount_path(uri, &len);
    return keepf("%.*s", (int)len, path);
}

START_TEST(the_path_of_a_target_is_what_was_sent_without_query_scheme_and_host) {
    static const struct {
        const char *uri, *path;
    } rows[] = {{"/comet/poll", "/comet/poll"},
                {"/comet/poll?a=/b", "/comet/poll"},
                {"/comet/poll?a?b", "/comet/poll"},
                {"/comet/poll#x", "/comet/poll#x"},
                {"/comet/%70oll", "/comet/%70oll"},
                {"http://host/comet/poll?x", "/comet/poll"},
                {"HTTPS://host:8443/comet/poll", "/comet/poll"},
                {"http://[::1]:80/comet/poll", "/comet/poll"},
                {"http://host?x", ""},
                {"http://host", ""},
                {"http:///comet/poll", "http:///comet/poll"},
                {"//host/comet/poll", "//host/comet/poll"},
                {"/x/http://host/comet/poll", "/x/http://host/comet/poll"},
                {"/comet/poll?u=http://h/x", "/comet/poll"},
                {"*", "*"},
                {"", ""}};

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(strcmp(path_of(rows[i].uri), rows[i].path) == 0, "%s: %s", rows[i].uri,
                      path_of(rows[i].uri));
}
END_TEST

/* The endpoint of a URI, as a server says it that has made `served` of it; "-" for none. */
static const char *endpoint(const char *mount, const char *uri, const char *served,
                            bool *rewritten) {
    const char *name = mount_endpoint(mount, path_of(uri), served, rewritten);
    return name != NULL ? keepf("%s", name) : "-";
}

START_TEST(below_the_mount_a_path_is_an_endpoint_as_it_was_sent) {
    static const struct {
        const char *mount, *uri, *served, *endpoint;
    } rows[] = {{"/comet", "/comet/poll", "", "poll"},
                {"/comet", "/comet/poll?x=/y", "/comet/poll", "poll"},
                {"/comet", "http://host/comet/poll?x", "/comet/poll", "poll"},
                {"/comet", "/comet/poll", "/comet", "poll"},
                {"/comet", "/comet/poll", "/index.php/x", "poll"},
                {"/app/comet", "/app/comet/poll", "", "poll"},
                {"", "/poll", "/poll", "poll"},
                {"", "/comet/poll", "", "comet/poll"},
                {"/comet", "/comet/", "", ""},
                /* names that no endpoint has */
                {"/comet", "/comet/x/publish", "", "x/publish"},
                {"/comet", "/comet/publish/..;/x/publish", "", "publish/..;/x/publish"},
                {"/comet", "/comet/publish/", "", "publish/"},
                {"/comet", "/comet//publish", "", "/publish"},
                {"/comet", "/comet/../comet/publish", "", "../comet/publish"},
                {"/comet", "/comet/publish;x", "", "publish;x"},
                {"/comet", "/comet/publish#x", "", "publish#x"},
                {"/comet", "/comet/PUBLISH", "", "PUBLISH"},
                {"/comet", "/comet/publish\\", "", "publish\\"},
                /* none at all */
                {"/comet", "/comet", "", "-"},
                {"/comet", "/comets/poll", "", "-"},
                {"/comet", "/comet;x/poll", "", "-"},
                {"/comet", "/COMET/poll", "", "-"},
                {"/comet", "//comet/poll", "", "-"},
                {"/comet", "/./comet/poll", "", "-"},
                {"/comet", "/x/../comet/poll", "", "-"},
                {"/comet", "/app/comet/poll", "", "-"},
                {"/comet", "/poll", "", "-"},
                {"/comet", "poll", "", "-"},
                {"/comet", "http:///comet/poll", "", "-"},
                {"/comet", "*", "", "-"}};
    bool rewritten;

    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *name = endpoint(rows[i].mount, rows[i].uri, rows[i].served, &rewritten);
        ck_assert_msg(strcmp(name, rows[i].endpoint) == 0, "%s: %s", rows[i].uri, name);
        ck_assert_msg(!rewritten, "%s", rows[i].uri);
    }
}
END_TEST

START_TEST(what_the_servers_rules_saw_as_another_path_is_no_endpoint) {
    static const struct {
        const char *uri, *served;
    } rows[] = {
        {"/comet/publish", "/comet/denied"},    {"/comet/publish", "/comet/info"},
        {"/comet/publish", "/comet/publish/x"}, {"/comet/denied/../publish", "/comet/publish"},
        {"/comet/%70ublish", "/comet/publish"}, {"/comet/x/publish", "/comet/publish"},
        {"/comet/publish#x", "/comet/publish"}, {"/comet/publish%00", "/comet/publish"}};
    bool rewritten;

    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(strcmp(endpoint("/comet", rows[i].uri, rows[i].served, &rewritten), "-") == 0,
                      "%s", rows[i].uri);
}
END_TEST

START_TEST(an_address_outside_the_mount_is_what_the_server_rewrote_it_to) {
    static const char *const uris[] = {"/live/chat",
                                       "/live/chat?x=/comet/poll",
                                       "/live/a%20b%2Fc",
                                       "/live/",
                                       "/",
                                       "/comets/x",
                                       "/app/comet/publish",
                                       "/live/a;b=1",
                                       "/live/...",
                                       "/live/.well-known",
                                       "http://host/live/it",
                                       "/live/%e2%98%84"};
    bool rewritten;

    for (size_t i = 0; i < ROWS(uris); i++) {
        const char *name = endpoint("/comet", uris[i], "/comet/events", &rewritten);
        ck_assert_msg(strcmp(name, "events") == 0 && rewritten, "%s: %s", uris[i], name);
        name = endpoint("/comet", uris[i], "/other/events", &rewritten);
        ck_assert_msg(strcmp(name, "-") == 0, "%s: %s", uris[i], name);
        name = endpoint("/comet", uris[i], "", &rewritten);
        ck_assert_msg(strcmp(name, "-") == 0, "%s: %s", uris[i], name);
    }
}
END_TEST

START_TEST(another_spelling_of_a_path_below_the_mount_is_no_rewriting) {
    static const char *const uris[] = {"/com%65t/publish",
                                       "/%63%6f%6d%65%74/publish",
                                       "/comet%2fpublish",
                                       "/comet%2Fpublish",
                                       "%2fcomet/publish",
                                       "/%2fcomet/publish",
                                       "//comet/publish",
                                       "/.//comet/publish",
                                       "/./comet/publish",
                                       "/%2e/comet/publish",
                                       "/x/../comet/publish",
                                       "/x/%2e%2E/comet/publish",
                                       "/x/.%2e/comet/publish",
                                       "/x%2f..%2fcomet/publish",
                                       "/x/..;/comet/publish",
                                       "/x/..;a=b/comet/publish",
                                       "/;x/comet/publish",
                                       "/comet;x/publish",
                                       "/comet%3bx/publish",
                                       "/COMET/publish",
                                       "/Com%45t/publish",
                                       "/\\comet/publish",
                                       "/x\\..\\comet/publish",
                                       "/x%5c../comet/publish",
                                       "/live#/comet/publish",
                                       "/live%23",
                                       "/live%00",
                                       "/live%",
                                       "/live%zz",
                                       "/live%2",
                                       "/comet",
                                       "comet/publish",
                                       "http:///comet/publish",
                                       "*"};
    bool rewritten;

    for (size_t i = 0; i < ROWS(uris); i++)
        ck_assert_msg(strcmp(endpoint("/comet", uris[i], "/comet/publish", &rewritten), "-") == 0,
                      "%s", uris[i]);
}
END_TEST

START_TEST(a_server_that_says_no_uri_is_believed) {
    bool rewritten;

    ck_assert_str_eq(endpoint("/comet", "", "/comet/poll", &rewritten), "poll");
    ck_assert(!rewritten);
    ck_assert_str_eq(endpoint("/comet", "", "/cgi-bin/halley.fcgi/poll", &rewritten), "-");
    ck_assert_str_eq(endpoint("/cgi-bin/halley.fcgi", "", "/cgi-bin/halley.fcgi/poll", &rewritten),
                     "poll");
    ck_assert_str_eq(endpoint("/comet", "", "", &rewritten), "-");
}
END_TEST

START_TEST(an_endpoint_below_another_path_is_told_from_anything_else) {
    ck_assert_str_eq(mount_elsewhere("/comet", "/app/comet/poll"), "poll");
    ck_assert_str_eq(mount_elsewhere("/comet", "/poll"), "poll");
    ck_assert_ptr_null(mount_elsewhere("/comet", "/comet/x/poll"));
    ck_assert_ptr_null(mount_elsewhere("/comet", ""));
}
END_TEST

UNIT_MAIN("mount", the_path_of_a_target_is_what_was_sent_without_query_scheme_and_host,
          below_the_mount_a_path_is_an_endpoint_as_it_was_sent,
          what_the_servers_rules_saw_as_another_path_is_no_endpoint,
          an_address_outside_the_mount_is_what_the_server_rewrote_it_to,
          another_spelling_of_a_path_below_the_mount_is_no_rewriting,
          a_server_that_says_no_uri_is_believed,
          an_endpoint_below_another_path_is_told_from_anything_else)
