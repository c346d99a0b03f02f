/* Halley beside a site that was there before: what that says of its own pages, server-wide, in
 * "http" or in a virtual host, changes nothing about Halley's answers. They are kept by nobody, an
 * error is Halley's own, and nothing that is published comes late.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SETTLED_MS = 500 };

static struct lab lab;

/* What a site says: Apache's modules, or nginx's "http"; and what is in force beside Halley's. */
struct site {
    const char *first, *rest;
};

static bool is(const char *kind) {
    return strncmp(lab.server, kind, strlen(kind)) == 0;
}

/* A program of a shell that puts the files "first" and "rest" into the configuration $conf. */
static const char *placing(void) {
    if (is("apache"))
        return "modules=$(sed -n 's|^LoadModule dir_module *\"\\(.*\\)/mod_dir.so\"|\\1|p' $conf)\n"
               "{ sed \"s|@|$modules|\" first; cat $conf rest; } >new && cat new >$conf";
    if (is("nginx"))
        return "sed -i -e '/^http {/r first' -e '/^ *set .halley_login \"\";/r rest' $conf";
    return "cat rest >>$conf";
}

/* nginx's old processes take connections for a while beside its new ones. */
static bool is_in_force(int64_t *since) {
    ck_assert_msg(proc_runs(&lab.web), "%s ends", lab.server);
    if (http_get(&lab, "/site.txt")->status != 200)
        *since = now_ms();
    return now_ms() - *since > SETTLED_MS;
}

/* The site, with a folder of its own, by which it is known that all of it is in force. */
static void add(const struct site *site) {
    const char *kind = is("apache") ? "apache" : is("nginx") ? "nginx" : "lighttpd";
    char *root = keepf("%s/site", lab.dir);
    char *script = keepf("cd %s && conf=%s/%s.conf\n%s", lab.dir, lab.server, kind, placing());
    const char *const place[] = {"sh", "-c", script, NULL};
    int64_t since = now_ms();

    ck_assert_int_eq(mkdir(root, 0755), 0);
    chmod(root, 0755);
    lab_file(&lab, "site/site.txt", "the site");
    lab_file(&lab, "first", site->first);
    lab_file(&lab, "rest", site->rest);
    ck_assert_int_eq(proc_run(place, environ, -1, NULL, NULL), 0);
    lab_pages(&lab, root);
    proc_signal(&lab.web, is("lighttpd") ? SIGUSR1 : SIGHUP);
    until(is_in_force(&since), "the site is not in force");
}

static void begin(const char *server, const struct site *site) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "beside");
    lab_conf(&lab, "[channel open*]\npublish = anyone\nmax_message = 100\n[service engine.io]\n"
                   "protocol = channel open\n[service sockjs/room]\nprotocol = channel open\n");
    if (strstr(server, "-cgi") == NULL)
        lab_websockets(&lab);
    lab_all(&lab, "beside", server);
    add(site);
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- what must be as without the site ----------------------------------------------------------
 */

static void must_be_kept_by_nobody(const char *path) {
    const struct answer *answer = http_get(&lab, "%s", path);
    const char *cache = answer_header(answer, "Cache-Control");

    ck_assert_msg(answer->status == 200, "%s: %s", path, answer_text(answer));
    ck_assert_msg(cache != NULL && strstr(cache, "no-store") != NULL, "%s: %s", path, cache);
    ck_assert_msg(answer_header(answer, "Expires") == NULL, "%s expires", path);
    ck_assert_msg(answer_header(answer, "Age") == NULL, "%s was kept", path);
}

/* The same address again and again, as who polls asks. */
static void each_poll_must_bring_what_is_new(void) {
    const char *since = cursor_now(&lab, "open");

    must_be_kept_by_nobody(keepf("/comet/poll?channel=open&since=%s", since));
    for (int i = 1; i <= 3; i++) {
        const struct answer *sent = http_post(&lab, "1", 1, "/comet/publish?channel=open");
        ck_assert_msg(sent->status == 200, "%s", answer_text(sent));
        const struct answer *batch = must_be_batch(read_since(&lab, "open", since));
        ck_assert_int_eq(batch_count(batch), i);
    }
}

static void a_part_must_be_the_whole(void) {
    const struct request request = {.path = "/comet/info", .headers = {"Range: bytes=0-3", NULL}};
    const struct answer *answer = http_send(&lab, &request);

    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
}

static void errors_must_be_halleys(void) {
    char long_body[200];

    memset(long_body, '1', sizeof long_body);
    must_be_problem(http_get(&lab, "/comet/poll"), 400, "channel");
    must_be_problem(http_post(&lab, "1", 1, "/comet/publish?channel=closed"), 403, "closed");
    must_be_problem(http_get(&lab, "/comet/nothing"), 404, NULL);
    must_be_problem(http_get(&lab, "/comet/publish?channel=open"), 405, "POST");
    must_be_problem(http_post(&lab, long_body, sizeof long_body, "/comet/publish?channel=open"),
                    413, "max_message");
}

static void a_stream_must_bring_each_message_at_once(enum transport transport) {
    struct stream *stream = stream_open(&lab, BY_WEB, transport, "channel=open", NULL);

    stream_reach_start(stream);
    for (int i = 0; i < 3; i++) {
        store_add(&lab, "open", "\"soon\"");
        stream_must_bring(stream, "\"soon\"");
    }
    stream_close(stream);
}

static void all_must_be_as_alone(void) {
    each_poll_must_bring_what_is_new();
    errors_must_be_halleys();
    a_stream_must_bring_each_message_at_once(EVENTS);
    a_stream_must_bring_each_message_at_once(IFRAME);
    must_be_kept_by_nobody("/comet/info");
    must_be_kept_by_nobody("/comet/info"); /* again: the first may have been kept */
    a_part_must_be_the_whole();
    must_be_kept_by_nobody("/comet/sockjs/room/info");
    if (is("lighttpd-cgi") || is("apache-cgi"))
        return;
    must_be_kept_by_nobody("/engine.io/?EIO=4&transport=polling");
    a_stream_must_bring_each_message_at_once(WS);
}

/* --- what sites say ----------------------------------------------------------------------------
 */

static const struct site apaches[] = {
    {"LoadModule expires_module @/mod_expires.so\n",
     "ExpiresActive On\nExpiresDefault \"access plus 1 hour\"\n"},
    {"", "Header always set Cache-Control \"public, max-age=3600\"\n"},
    {"", "<Location \"/\">\nHeader always set Cache-Control \"public, max-age=3600\"\n"
         "Header set Cache-Control \"public, max-age=3600\"\n</Location>\n"},
    {"", "<Directory \"/\">\nOptions None\n</Directory>\n<Location \"/\">\nOptions None\n"
         "</Location>\n"},
    {"LoadModule proxy_module @/mod_proxy.so\n"
     "LoadModule proxy_http_module @/mod_proxy_http.so\n",
     "<VirtualHost *:*>\nProxyPass /site.txt !\nProxyPass / http://127.0.0.1:1/\n</VirtualHost>\n"},
    {"", "<VirtualHost *:*>\n<Location \"/\">\nSetHandler default-handler\n</Location>\n"
         "</VirtualHost>\n"},
    {"LoadModule cache_module @/mod_cache.so\n"
     "LoadModule cache_socache_module @/mod_cache_socache.so\n"
     "LoadModule socache_shmcb_module @/mod_socache_shmcb.so\n",
     "CacheEnable socache /\nCacheSocache shmcb\nCacheIgnoreCacheControl On\nCacheStoreNoStore On\n"
     "CacheIgnoreNoLastMod On\n"},
};
enum { APACHES = sizeof apaches / sizeof *apaches };

static const char *const with_apache[] = {"apache-proxy", "apache", "apache-cgi"};

START_TEST(what_a_site_says_to_apache_is_not_said_of_halleys_answers) {
    begin(with_apache[_i % 3], &apaches[_i / 3]);
    all_must_be_as_alone();
}
END_TEST

/* Of mod_proxy alone, which does not know the directive else. */
START_TEST(a_site_that_has_its_own_pages_for_errors_of_others_has_none_for_halleys) {
    static const struct site site = {"", "ProxyErrorOverride On\nErrorDocument 404 /site.txt\n"};

    begin("apache-proxy", &site);
    all_must_be_as_alone();
}
END_TEST

static const struct site nginxes[] = {
    {"expires 1h;\n", ""},
    {"", "expires max;\n"},
    {"", "fastcgi_intercept_errors on;\nproxy_intercept_errors on;\n"
         "error_page 400 403 404 405 413 /site.txt;\n"},
    {"fastcgi_cache_path cache-fcgi keys_zone=fcgi:1m;\nproxy_cache_path cache-http "
     "keys_zone=http:1m;\n"
     "fastcgi_cache fcgi;\nfastcgi_cache_key $request_uri;\nfastcgi_cache_valid any 1m;\n"
     "proxy_cache http;\nproxy_cache_valid any 1m;\n"
     "fastcgi_ignore_headers Cache-Control Expires X-Accel-Buffering;\n"
     "proxy_ignore_headers Cache-Control Expires X-Accel-Buffering;\n",
     ""},
    {"fastcgi_hide_header Cache-Control;\nproxy_hide_header Cache-Control;\n", ""},
    {"fastcgi_index index.php;\n", ""},
};
enum { NGINXES = sizeof nginxes / sizeof *nginxes };

static const char *const with_nginx[] = {"nginx", "nginx-proxy"};

START_TEST(what_a_site_says_to_nginx_is_not_said_of_halleys_answers) {
    begin(with_nginx[_i % 2], &nginxes[_i / 2]);
    all_must_be_as_alone();
}
END_TEST

static const struct site lighttpds[] = {
    {"", "server.error-intercept = \"enable\"\n"},
    {"", "server.modules += ( \"mod_setenv\" )\n"
         "setenv.set-response-header = ( \"Cache-Control\" => \"public, max-age=3600\" )\n"},
};
enum { LIGHTTPDS = sizeof lighttpds / sizeof *lighttpds };

static const char *const with_lighttpd[] = {"lighttpd", "lighttpd-socket", "lighttpd-cgi"};

START_TEST(what_a_site_says_to_lighttpd_is_not_said_of_halleys_answers) {
    begin(with_lighttpd[_i % 3], &lighttpds[_i / 3]);
    all_must_be_as_alone();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("beside");
    TCase *tcase = e2e_case(suite, "beside", NULL, NULL);

    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_loop_test(tcase, what_a_site_says_to_apache_is_not_said_of_halleys_answers, 0,
                        3 * APACHES);
    tcase_add_test(tcase, a_site_that_has_its_own_pages_for_errors_of_others_has_none_for_halleys);
    tcase_add_loop_test(tcase, what_a_site_says_to_nginx_is_not_said_of_halleys_answers, 0,
                        2 * NGINXES);
    tcase_add_loop_test(tcase, what_a_site_says_to_lighttpd_is_not_said_of_halleys_answers, 0,
                        3 * LIGHTTPDS);
    return e2e_run(suite);
}
